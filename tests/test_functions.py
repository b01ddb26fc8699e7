"""Functions: right values, any float type, and no warning on any finite input."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common import functions
from common.backend import to_numpy, xp
from common.functions import log_softmax, one_hot, relu, sigmoid, softmax, softplus, step

TYPES = [np.float16, np.float32, np.float64]
ELEMENTWISE = [sigmoid, relu, softplus, step]
ROWWISE = [softmax, log_softmax]


def array(numbers, dtype=np.float64):
    return xp.asarray(np.array(numbers, dtype=dtype))


@st.composite
def scores(draw):
    """A matrix of any float type that holds any finite numbers of that type, the largest included."""
    dtype = draw(st.sampled_from(TYPES))
    largest = float(np.finfo(dtype).max)
    number = st.one_of(
        st.floats(-largest, largest, width=np.dtype(dtype).itemsize * 8),
        st.sampled_from([0.0, -0.0, 1.0, -1.0, largest, -largest, float(np.finfo(dtype).tiny)]),
    )
    rows, columns = draw(st.integers(1, 3)), draw(st.integers(1, 4))
    return np.array(draw(st.lists(number, min_size=rows * columns, max_size=rows * columns)), dtype).reshape(
        rows, columns
    )


@given(scores())
def test_no_finite_input_gives_a_warning_or_a_number_that_is_not_finite(x):
    x = xp.asarray(x)  # a warning is an error in these tests
    for f in ELEMENTWISE + ROWWISE:
        y = f(x)
        assert y.dtype == x.dtype and y.shape == x.shape, f.__name__
        assert np.isfinite(to_numpy(y)).all(), f.__name__


@given(scores())
def test_probabilities_are_probabilities(x):
    y = to_numpy(softmax(xp.asarray(x))).astype(np.float64)
    tolerance = 4 * x.shape[1] * np.finfo(x.dtype).eps
    np.testing.assert_allclose(y.sum(axis=-1), 1, atol=tolerance)
    assert (y >= 0).all() and (to_numpy(log_softmax(xp.asarray(x))) <= 0).all()
    s = to_numpy(sigmoid(xp.asarray(x)))
    assert ((s >= 0) & (s <= 1)).all()


@given(st.lists(st.floats(-30, 30), min_size=2, max_size=6), st.floats(-100, 100))
def test_softmax_does_not_see_a_constant_added_to_all_scores(row, constant):
    x = array([row])
    np.testing.assert_allclose(to_numpy(softmax(x + constant)), to_numpy(softmax(x)), atol=1e-12)


@given(st.floats(-700, 700))
def test_the_stable_forms_are_the_textbook_forms_where_those_work(number):
    x = array([number])
    textbook = 1 / (1 + np.exp(-number))
    assert float(sigmoid(x)[0]) == pytest.approx(textbook, abs=1e-15)
    assert float(softplus(x)[0]) == pytest.approx(np.logaddexp(0, number), rel=1e-13)


def test_values_that_are_known():
    assert to_numpy(sigmoid(array([-1e4, 0.0, 1e4]))).tolist() == [0, 0.5, 1]
    assert to_numpy(relu(array([-2.0, 0.0, 3.0]))).tolist() == [0, 0, 3]
    assert to_numpy(step(array([-2.0, 0.0, 3.0]))).tolist() == [0, 0, 1]
    np.testing.assert_allclose(to_numpy(softmax(array([[0.0, np.log(3)]]))), [[0.25, 0.75]])
    np.testing.assert_allclose(to_numpy(log_softmax(array([[0.0, np.log(3)]]))), np.log([[0.25, 0.75]]))
    np.testing.assert_allclose(to_numpy(softplus(array([0.0]))), np.log([2]))


@pytest.mark.parametrize("f", ROWWISE, ids=lambda f: f.__name__)
def test_softmax_works_along_the_last_axis_whatever_the_number_of_axes(f):
    # A softmax once returned 3-D input unchanged.
    x = xp.asarray(np.random.default_rng(0).standard_normal((2, 3, 4)))
    y = to_numpy(f(x))
    for i in range(2):
        np.testing.assert_allclose(y[i], to_numpy(f(x[i])), rtol=1e-14)
        np.testing.assert_allclose(y[i, 0], to_numpy(f(x[i, 0])), rtol=1e-14)
    assert not np.array_equal(y, to_numpy(x))


@pytest.mark.parametrize("f", ELEMENTWISE + ROWWISE, ids=lambda f: f.__name__)
def test_functions_change_nothing(f):
    x = array([[-1.0, 2.0, 0.5]])
    before = to_numpy(x).copy()
    f(x)
    assert np.array_equal(to_numpy(x), before)


def test_one_hot():
    ids = xp.asarray(np.array([[0, 2], [1, 1]]))
    assert to_numpy(one_hot(ids, 3)).tolist() == [[[1, 0, 0], [0, 0, 1]], [[0, 1, 0], [0, 1, 0]]]
    assert one_hot(ids, 3, dtype=np.float32).dtype == np.float32


def test_every_function_has_a_docstring():
    ours = [
        f
        for f in vars(functions).values()
        if callable(f) and getattr(f, "__module__", "") == "common.functions"
    ]
    assert len(ours) >= 7 and all(f.__doc__ for f in ours)
