"""Convolution and pooling: compared with loops that follow the definition, at any size, stride and padding.

What all layers promise together is tested in test_layers. This file also runs on the stand-in for CuPy.
"""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.backend import to_numpy, xp
from common.gradient_check import layer_errors
from common.layers import (
    Affine,
    AveragePooling,
    BatchNorm,
    Convolution,
    Flatten,
    GlobalMaxPooling,
    Make,
    MaxPooling,
    ReLU,
    ResidualBlock,
    Sequential,
)
from common.layers.convolution import FEW, places, shares, windows
from tests.helpers import normal


def convolution(F=4, C=3, size=(3, 3), **settings):
    return Convolution(normal(F, C, *size), normal(F, seed=1), **settings)


def in_memory(x):
    """The strides of a view, the longest first: which axis is outermost in memory, and which is innermost."""
    return tuple(int(axis) for axis in np.argsort([-stride for stride in x.strides], kind="stable"))


# ---- the definition, by loops


def by_loops(x, W, b, stride, padding):
    """Each number of the output by itself."""
    width = [(0, 0), (0, 0), *((p, p) for p in padding)]
    x = np.pad(x, width)
    size = W.shape[2:]
    outer = [(n - k) // s + 1 for n, k, s in zip(x.shape[2:], size, stride)]
    y = np.zeros((len(x), len(W), *outer))
    for place in itertools.product(*map(range, outer)):
        window = (..., *(slice(i * s, i * s + k) for i, s, k in zip(place, stride, size)))
        for n, f in np.ndindex(len(x), len(W)):
            y[(n, f, *place)] = (x[n][window] * W[f]).sum() + b[f]
    return y


@st.composite
def settings_of_a_window(draw):
    """Size, stride and padding along one or two axes, and a grid that the windows cover."""
    axes = draw(st.integers(1, 2))
    size, stride, padding, grid = [], [], [], []
    for _ in range(axes):
        k, s = draw(st.integers(1, 4)), draw(st.integers(1, 3))
        p = draw(st.integers(0, k // 2))
        count, gap = draw(st.integers(1, 3)), draw(st.integers(0, max(0, s - k)))
        n = (count - 1) * s + k - 2 * p + gap
        n += max(0, -(-(1 - n) // s)) * s  # at least one place that is not padding
        size, stride, padding, grid = [*size, k], [*stride, s], [*padding, p], [*grid, n]
    return tuple(size), tuple(stride), tuple(padding), tuple(grid)


@given(settings_of_a_window(), st.integers(1, 3), st.integers(1, 3), st.integers(1, 3))
def test_a_convolution_is_what_its_definition_says(settings, N, C, F):
    size, stride, padding, grid = settings
    layer = convolution(F, C, size, stride=stride, padding=padding)
    x = normal(N, C, *grid, seed=2)
    W, b = map(to_numpy, layer.params)
    np.testing.assert_allclose(
        to_numpy(layer.forward(x)), by_loops(to_numpy(x), W, b, stride, padding), atol=1e-12
    )
    assert max(layer_errors(layer, x, rng=np.random.default_rng(0)).values()) < 1e-7


@given(settings_of_a_window(), st.booleans())
def test_pooling_is_what_its_definition_says(settings, largest):
    size, stride, padding, grid = settings
    layer = (MaxPooling if largest else AveragePooling)(size, stride, padding)
    x = normal(2, 3, *grid, seed=2)
    margin = [(0, 0), (0, 0), *((p, p) for p in padding)]
    cut = np.pad(to_numpy(x), margin, constant_values=-np.inf if largest else 0)
    outer = [(n - k) // s + 1 for n, k, s in zip(cut.shape[2:], size, stride)]
    y = to_numpy(layer.forward(x))
    for place in itertools.product(*map(range, outer)):
        window = cut[(..., *(slice(i * s, i * s + k) for i, s, k in zip(place, stride, size)))]
        of_window = window.max if largest else window.mean
        np.testing.assert_allclose(y[(..., *place)], of_window(axis=tuple(range(2, cut.ndim))), atol=1e-12)
    assert max(layer_errors(layer, x, rng=np.random.default_rng(0)).values()) < 1e-7


@given(
    n=st.integers(1, 12),
    k=st.integers(1, 4),
    s=st.integers(1, 4),
    p=st.integers(0, 2),
    axes=st.integers(1, 2),
)
def test_either_a_window_sees_each_place_or_a_sentence_says_that_none_does(n, k, s, p, axes):
    # A place in a gap between two windows is not seen by any either, and as much may be left over at the end.
    layer = convolution(1, 1, (k,) * axes, stride=s, padding=p, first=False)
    x = xp.zeros((1, 1, *[n] * axes))
    seen = np.zeros(n + 2 * p, dtype=bool)
    for i in range(0, n + 2 * p - k + 1, s):
        seen[i : i + k] = True
    unseen_at_the_end = int(np.argmax(seen[::-1])) if seen.any() else n + 2 * p
    fits = k <= n + 2 * p and unseen_at_the_end - p <= max(0, s - k)
    try:
        y = layer.forward(x)
    except ValueError as error:
        assert not fits and ("would leave out" in str(error) or "as large as the window" in str(error))
    else:
        assert fits and y.shape[2:] == ((n + 2 * p - k) // s + 1,) * axes


def test_the_sizes_that_the_sentence_names_are_taken():
    layer = convolution(1, 1, (4,), stride=3)
    with pytest.raises(ValueError, match="it should have 7 or 10") as caught:
        layer.forward(xp.zeros((1, 1, 9)))
    assert "leave out the last 2 of 9" in str(caught.value)
    assert [layer.forward(xp.zeros((1, 1, n))).shape[2] for n in (7, 10)] == [2, 3]


# ---- what it is equal to


def test_windows_of_one_place_are_an_affine_layer_at_each_place():
    layer, x = convolution(size=(1, 1)), normal(2, 3, 4, 5, seed=2)
    W, b = layer.params
    affine = Affine(W[:, :, 0, 0].T, b)
    y = xp.moveaxis(affine.forward(xp.moveaxis(x, 1, -1)), -1, 1)
    np.testing.assert_allclose(to_numpy(layer.forward(x)), to_numpy(y), atol=1e-12)


def test_a_window_as_large_as_the_picture_is_an_affine_layer():
    layer, x = convolution(size=(4, 5)), normal(2, 3, 4, 5, seed=2)
    W, b = layer.params
    y = Affine(W.reshape(4, -1).T, b).forward(Flatten().forward(x))
    np.testing.assert_allclose(to_numpy(layer.forward(x))[:, :, 0, 0], to_numpy(y), atol=1e-12)


def test_a_line_is_a_picture_of_one_row():
    line = convolution(size=(3,), stride=2, padding=1)
    W, b = line.params
    picture = Convolution(W[:, :, None], b, stride=(1, 2), padding=(0, 1))
    x = normal(2, 3, 7, seed=2)
    y = line.forward(x)
    np.testing.assert_allclose(to_numpy(picture.forward(x[:, :, None])[:, :, 0]), to_numpy(y), atol=1e-12)
    dout = normal(*y.shape, seed=3)
    dx = line.backward(dout)
    np.testing.assert_allclose(
        to_numpy(picture.backward(dout[:, :, None])[:, :, 0]), to_numpy(dx), atol=1e-12
    )
    np.testing.assert_allclose(to_numpy(picture.grads[0][:, :, 0]), to_numpy(line.grads[0]), atol=1e-12)


def test_a_picture_that_moves_moves_what_comes_out():
    layer, x = convolution(size=(3, 3)), normal(1, 3, 6, 6, seed=2)
    moved = xp.concatenate([normal(1, 3, 6, 2, seed=3), x], axis=3)
    np.testing.assert_allclose(
        to_numpy(layer.forward(moved)[..., 2:]), to_numpy(layer.forward(x)), atol=1e-12
    )


def test_the_first_layer_gives_nothing_back_and_learns_the_same():
    one, first = convolution(), convolution(first=True)
    x = normal(2, 3, 5, 4, seed=2)
    dout = normal(*one.forward(x).shape, seed=3)
    first.forward(x)
    one.backward(dout)
    assert first.backward(dout) is None
    assert all(np.array_equal(to_numpy(a), to_numpy(b)) for a, b in zip(one.grads, first.grads))


def test_windows_are_a_view():
    grids = xp.arange(2 * 4 * 5 * 3, dtype=float).reshape(2, 4, 5, 3)
    view = windows(grids, (2, 3), (2, 1))
    assert view.shape == (2, 2, 3, 2, 3, 3)
    assert np.array_equal(to_numpy(view[1, :, :, 1, 2]), to_numpy(grids[1, 2:4, 2:5]))
    if xp is np:
        assert np.shares_memory(view, grids)
    for place, seen in places((2, 3), (2, 1), (2, 3)):
        assert np.array_equal(to_numpy(view[place]), to_numpy(grids[seen]))


@pytest.mark.parametrize("strip", [1, 50, 10**9])
def test_how_many_windows_of_a_line_are_laid_out_at_a_time_changes_nothing(monkeypatch, strip):
    layer, x = Convolution(normal(4, 3, 3, seed=0), normal(4, seed=1), 2, 1), normal(2, 3, 7, seed=2)
    y = layer.forward(x)
    dout = normal(*y.shape, seed=3)
    dx, grads = layer.backward(dout), layer.grads
    monkeypatch.setattr("common.layers.convolution.STRIP", strip)
    found = layer.strips()
    assert len(found) == {1: 4, 50: 2, 10**9: 1}[strip] and found[-1].stop == 4
    same([layer.forward(x), layer.backward(dout), *layer.grads], [y, dx, *grads])


@pytest.mark.parametrize("few", [0, 10**9])
@pytest.mark.parametrize("stride", [1, (2, 1), (3, 2), 4])
def test_how_rows_are_shared_out_changes_nothing(monkeypatch, few, stride):
    layer, x = convolution(stride=stride, padding=1), normal(2, 3, 8, 11, seed=2)
    if stride == 4:
        x = x[..., :6, :10]
    monkeypatch.setattr("common.layers.convolution.FEW", few)
    y = layer.forward(x)
    dout = normal(*y.shape, seed=3)
    dx, (dW, db) = layer.backward(dout), layer.grads
    wanted_y, wanted_dx, wanted_dW = by_definition(x, *layer.params, layer.stride, layer.padding, dout)
    same([y, dx, dW, db], [wanted_y, wanted_dx, wanted_dW, dout.sum(axis=(0, 2, 3))])


def by_definition(x, W, b, stride, padding, dout):
    """Output and gradients of x and W, window by window."""
    (down, across), (up, left), (kh, kw) = stride, padding, W.shape[2:]
    room = xp.pad(x, ((0, 0), (0, 0), (up, up), (left, left)))
    y, droom, dW = xp.empty(dout.shape), xp.zeros_like(room), xp.zeros_like(W)
    for n, f, i, j in np.ndindex(*dout.shape):
        seen = n, slice(None), slice(i * down, i * down + kh), slice(j * across, j * across + kw)
        y[n, f, i, j] = (room[seen] * W[f]).sum() + b[f]
        droom[seen] += W[f] * dout[n, f, i, j]
        dW[f] += room[seen] * dout[n, f, i, j]
    return y, droom[:, :, up : up + x.shape[2], left : left + x.shape[3]], dW


def same(found, wanted):
    for one, two in zip(found, wanted, strict=True):
        np.testing.assert_allclose(to_numpy(one), to_numpy(two), atol=1e-12)


@pytest.mark.parametrize(
    "count, numbers, sizes", [(10, FEW + 1, [3, 3, 2, 2]), (3, FEW + 1, [1] * 3), (9, FEW, [9])]
)
def test_shares_are_as_equal_as_can_be(count, numbers, sizes):
    found = shares(count, numbers)
    assert [part.stop - part.start for part in found] == sizes
    assert [i for part in found for i in range(count)[part]] == list(range(count))


# ---- where the numbers lie


def test_the_same_place_of_all_examples_lies_side_by_side_from_layer_to_layer():
    make = Make(np.random.default_rng(0), dtype=np.float64)
    layers = [
        make.convolution(1, 4, 3, padding=1),
        make.batch_norm(4, axis=1),
        MaxPooling(2),
        ReLU(),
        ResidualBlock(make.convolution(4, 4, 3, padding=1), ReLU()),
        AveragePooling(3, stride=1, padding=1),
        Flatten(),
    ]
    x = normal(5, 1, 6, 8, seed=2)
    for layer in layers[:-1]:
        x = layer.forward(x)
        assert in_memory(x) == (1, 2, 3, 0), layer
    dout = normal(*layers[-1].forward(x).shape, seed=3)
    for layer in layers[::-1]:
        dout = layer.backward(dout)
        if dout.shape[1] > 1:
            assert in_memory(dout) == (1, 2, 3, 0), layer


def test_the_output_is_not_the_memory_that_backward_needs():
    layer = MaxPooling(2)
    x = normal(2, 3, 4, 4, seed=2)
    dout = normal(2, 3, 2, 2, seed=3)
    layer.forward(x)
    before = to_numpy(layer.backward(dout)).copy()
    x[...] = 0  # the picture is taken for something else meanwhile
    assert np.array_equal(to_numpy(layer.backward(dout)), before)


# ---- ties


def test_of_equal_numbers_the_first_gets_the_gradient_once():
    x = xp.asarray(np.array([[[[0.0, 0, 0, 1], [0, 0, 1, 1]]]]))
    layer = MaxPooling(2)
    assert to_numpy(layer.forward(x)).tolist() == [[[[0, 1]]]]
    dx = layer.backward(xp.asarray(np.array([[[[5.0, 7]]]])))
    assert to_numpy(dx).tolist() == [[[[5, 0, 0, 7], [0, 0, 0, 0]]]]


@given(st.integers(0, 2**32 - 1), st.integers(1, 3), st.integers(1, 3))
def test_no_gradient_is_lost_or_given_twice(seed, k, s):
    rng = np.random.default_rng(seed)
    x = xp.asarray(rng.integers(0, 3, (2, 2, 2 * s + k, s + k)).astype(float))
    for layer in (MaxPooling(k, stride=s), GlobalMaxPooling()):
        y = layer.forward(x)
        dout = xp.asarray(rng.standard_normal(y.shape))
        dx = layer.backward(dout)
        np.testing.assert_allclose(
            to_numpy(dx.sum(axis=(2, 3))), to_numpy(dout.reshape(2, 2, -1).sum(axis=2)), atol=1e-12
        )


def test_padding_never_is_the_largest():
    x = xp.full((1, 1, 2, 2), -5.0)
    layer = MaxPooling(2, stride=1, padding=1)
    assert to_numpy(layer.forward(x)).tolist() == [[[[-5] * 3] * 3]]
    assert to_numpy(layer.backward(xp.ones((1, 1, 3, 3)))).sum() == 9


def test_relu_after_pooling_is_relu_before_pooling():
    x = normal(3, 4, 6, 6, seed=2)
    outputs, gradients = [], []
    for layers in ((MaxPooling(2), ReLU()), (ReLU(), MaxPooling(2))):
        net = Sequential(*layers)
        outputs.append(to_numpy(net.forward(x)))
        gradients.append(to_numpy(net.backward(normal(*outputs[-1].shape, seed=3))))
    assert np.array_equal(*outputs) and np.array_equal(*gradients)


# ---- what else


def test_batch_normalization_over_channels_is_that_of_rows():
    weights = normal(3), normal(3, seed=1)
    pictures, rows = BatchNorm(*weights, axis=1), BatchNorm(*weights)
    x = 2 * normal(4, 3, 2, 5, seed=2) + 1
    dout = normal(4, 3, 2, 5, seed=3)
    for _ in range(2):
        y, dx = pictures.forward(x), pictures.backward(dout)
        again = rows.forward(xp.moveaxis(x, 1, -1))
        dagain = rows.backward(xp.moveaxis(dout, 1, -1))
        np.testing.assert_allclose(to_numpy(y), to_numpy(xp.moveaxis(again, -1, 1)), atol=1e-12)
        np.testing.assert_allclose(to_numpy(dx), to_numpy(xp.moveaxis(dagain, -1, 1)), atol=1e-12)
        for one, two in zip(
            (*pictures.grads, pictures.running_mean, pictures.running_variance),
            (*rows.grads, rows.running_mean, rows.running_variance),
        ):
            np.testing.assert_allclose(to_numpy(one), to_numpy(two), atol=1e-12)
        pictures.training = rows.training = False


def test_fresh_filters_keep_the_size_of_what_comes_after_a_relu():
    make = Make(np.random.default_rng(0), dtype=np.float64)
    layer = make.convolution(20, 300, (3, 5))
    assert np.var(to_numpy(layer.params[0])) == pytest.approx(2 / (20 * 15), rel=0.02)
    assert layer.params[0].shape == (300, 20, 3, 5) and not layer.params[1].any()
    assert make.convolution(2, 3, (4,)).params[0].shape == (3, 2, 4)
    assert layer.params[0].flags.c_contiguous  # what is drawn as a matrix is not kept as its transpose


def test_repr_says_what_slides_how():
    assert repr(convolution(stride=2, padding=1)) == "Convolution(C=3, F=4, size=3, stride=2, padding=1)"
    assert repr(convolution(size=(3, 5))) == "Convolution(C=3, F=4, size=3x5)"
    assert repr(MaxPooling(3, stride=2)) == "MaxPooling(size=3, stride=2)"
