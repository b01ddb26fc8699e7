"""Gradients of some rows of a matrix."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.backend import to_numpy, xp
from common.support.row_gradient import RowGradient


def lookups(ids, dtype=np.float64, seed=0):
    """Ids, what came back for them, and the dense gradient by ``np.add.at``."""
    ids = np.array(ids, dtype=np.int64)
    dout = np.random.default_rng(seed).standard_normal((len(ids), 3)).astype(dtype)
    dense = np.zeros((8, 3), dtype)
    np.add.at(dense, ids, dout)
    return RowGradient.from_lookups(xp.asarray(ids), xp.asarray(dout), (8, 3)), dense


many_ids = st.lists(st.integers(0, 7), max_size=20)


@given(many_ids)
def test_lookups_are_added_by_row(ids):
    grad, dense = lookups(ids)
    np.testing.assert_allclose(to_numpy(grad.dense()), dense, atol=1e-12)
    assert to_numpy(grad.rows).tolist() == sorted(set(ids))
    assert grad.shape == (8, 3) and grad.values.shape == (len(set(ids)), 3)


@given(many_ids, many_ids)
def test_sums_and_multiples_are_those_of_the_dense_matrix(one, two):
    (a, dense_a), (b, dense_b) = lookups(one), lookups(two, seed=1)
    total = a + b
    assert isinstance(total, RowGradient)
    np.testing.assert_allclose(to_numpy(total.dense()), dense_a + dense_b, atol=1e-12)
    np.testing.assert_allclose(to_numpy((a * 0.5).dense()), dense_a * 0.5, atol=1e-12)
    whole = xp.asarray(np.random.default_rng(2).standard_normal((8, 3)))
    before = to_numpy(whole).copy()
    for mixed in (a + whole, whole + a):
        np.testing.assert_allclose(to_numpy(mixed), dense_a + before, atol=1e-12)
    assert np.array_equal(to_numpy(whole), before)


def test_the_transpose_is_dense():
    grad, dense = lookups([1, 4, 1])
    np.testing.assert_allclose(to_numpy(grad.T), dense.T)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_the_float_type_is_kept(dtype):
    grad, _ = lookups([1, 4, 1], dtype)
    for result in (grad.values, grad.dense(), (grad * 0.5).values, (grad + grad).values, grad.T):
        assert result.dtype == dtype


def test_repr():
    assert repr(lookups([5, 1, 5])[0]) == "RowGradient(2 of 8 rows, D=3)"
