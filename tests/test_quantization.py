"""Weights of a byte each: as near as they can be, the same when done twice, and files that are refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from common.layers import Affine, Embedding, Make, MatMul, Model
from common.quantization import (
    LARGEST,
    load_quantized,
    quantize,
    quantized,
    restore,
    restored,
    save_quantized,
)
from common.support.files import read_npz, write_npz


class Net(Model):
    def __init__(self, seed=0, H=3):
        rng = np.random.default_rng(seed)
        W, b = rng.standard_normal((4, H)).astype("f"), rng.standard_normal(H).astype("f")
        self.affine = Affine(W, b)
        self.out = MatMul(rng.standard_normal((H, 2)).astype("f"))


@st.composite
def weights(draw):
    """An array of two to four axes, rows of different sizes and of zeros among them, and one of its axes."""
    shape = draw(hnp.array_shapes(min_dims=2, max_dims=4, max_side=5))
    axis = draw(st.integers(-len(shape), len(shape) - 1))
    numbers = hnp.arrays(np.float32, shape, elements=st.floats(-8, 8, width=32))
    size = draw(st.sampled_from([0, 1e-30, 1e-3, 1, 1e6]))
    return draw(numbers) * np.float32(size), axis


@given(weights())
def test_no_weight_is_off_by_more_than_half_a_step(given):
    W, axis = given
    numbers, scales = quantize(W, axis)
    assert numbers.dtype == np.int8 and numbers.shape == W.shape
    assert scales.dtype == np.float32 and scales.shape == (W.shape[axis],)
    both = W, restore(numbers, scales, axis)
    rows = [np.moveaxis(array, axis, 0).reshape(len(scales), -1) for array in both]
    # Beside the rounding to whole numbers, that of the scale to float32, and what float32 cannot tell from 0.
    assert (np.abs(rows[0] - rows[1]) <= scales[:, None] * (0.5 + 1e-4) + 2e-43).all()


@given(weights())
def test_the_largest_of_a_row_is_127_and_the_row_turned_round_is_kept_as_well(given):
    W, axis = given
    numbers, scales = quantize(W, axis)
    largest = np.abs(np.moveaxis(numbers, axis, 0).reshape(len(scales), -1).astype(int)).max(axis=1)
    assert set(largest[scales > 1e-38]) <= {LARGEST} and not largest[scales == 0].any()
    mirrored, same = quantize(-W, axis)
    assert np.array_equal(mirrored, -numbers) and np.array_equal(same, scales)


@given(weights())
def test_to_do_it_twice_changes_no_number(given):
    W, axis = given
    numbers, scales = quantize(W, axis)
    again, their = quantize(restore(numbers, scales, axis), axis)
    usual = np.moveaxis(numbers, axis, -1)[..., scales > 1e-38]  # smaller ones have fewer digits
    assert np.array_equal(np.moveaxis(again, axis, -1)[..., scales > 1e-38], usual)
    np.testing.assert_allclose(their[scales > 1e-38], scales[scales > 1e-38], rtol=3e-7)


def test_each_row_has_a_scale_of_its_own():
    W = np.array([[1.0, -0.5], [1000.0, 100.0]])
    numbers, scales = quantize(W)
    assert numbers.tolist() == [[127, -64], [127, 13]]  # -63.5 goes to the even one
    np.testing.assert_allclose(scales, [1 / 127, 1000 / 127], rtol=1e-6)
    numbers, _ = quantize(W, -1)
    assert numbers.tolist() == [[0, -1], [127, 127]]


@pytest.mark.parametrize(
    "W, axis, error, sentence",
    [
        (np.ones((2, 2), int), 0, TypeError, "W holds int64; it should hold floats"),
        (np.ones(3), 0, ValueError, r"W has shape \(3,\); it should have two axes or more"),
        (np.ones((2, 3)), 2, ValueError, r"W has shape \(2, 3\); .* and an axis 2"),
        (np.array([[1.0, np.nan]]), 0, ValueError, "not finite"),
    ],
)
def test_what_cannot_be_kept_is_refused(W, axis, error, sentence):
    with pytest.raises(error, match=sentence):
        quantize(W, axis)


def test_scales_that_do_not_fit_are_refused():
    numbers, scales = quantize(np.ones((2, 3)))
    for wrong in ((numbers, scales, 1), (numbers.astype(int), scales, 0)):
        with pytest.raises(ValueError, match="there should be int8 numbers, and a scale for each of axis"):
            restore(*wrong)


def test_a_model_keeps_its_names_and_its_biases():
    model = Net()
    arrays = quantized(model)
    assert list(arrays) == ["affine.W", "affine.W.scale", "affine.b", "out.W", "out.W.scale"]
    assert arrays["affine.W.scale"].shape == (3,)  # one for each neuron
    assert np.array_equal(arrays["affine.b"], model.affine.params[1])
    assert list(restored(arrays)) == ["affine.W", "affine.b", "out.W"]


def test_a_weight_that_two_layers_share_is_kept_once():
    class Tied(Model):
        def __init__(self):
            W = np.ones((6, 4), "f")
            self.embedding, self.out = Embedding(W), MatMul(W.T)

    arrays = quantized(Tied())
    assert list(arrays) == ["embedding.W", "embedding.W.scale"] and arrays["embedding.W.scale"].shape == (
        6,
        1,
    )


@pytest.mark.parametrize("V", [4, 6])  # as many words as numbers in a vector, and more
def test_each_word_has_a_scale_of_its_own_and_rare_small_vectors_keep_their_digits(tmp_path, V):
    def model(seed):
        W = np.random.default_rng(seed).standard_normal((V, 4)).astype("f")
        return Embedding(W * np.float32(10.0) ** -np.arange(V, dtype="f")[:, None])

    one, other = model(0), model(1)
    save_quantized(tmp_path / "words.npz", one)
    load_quantized(tmp_path / "words.npz", other)
    for wanted, found in zip(one.params[0], other.params[0]):
        assert np.abs(wanted - found).max() <= np.abs(wanted).max() / 253


def test_filters_have_a_scale_each():
    model = Make(np.random.default_rng(0)).convolution(2, 5, 3)
    assert quantized(model)["W.scale"].shape == (5,)


def test_a_file_comes_back(tmp_path):
    saved, loaded = Net(1), Net(2)
    arrays = loaded.params
    save_quantized(tmp_path / "net.npz", saved)
    load_quantized(tmp_path / "net.npz", loaded)
    assert read_npz(tmp_path / "net.npz")["affine.W"].dtype == np.int8
    assert all(p is q for p, q in zip(arrays, loaded.params))
    for p, q in zip(restored(quantized(saved)).values(), loaded.params):
        assert np.array_equal(p, q)


def test_a_file_of_another_model_changes_nothing(tmp_path):
    save_quantized(tmp_path / "net.npz", Net(1, H=5))
    loaded, before = Net(2), Net(2)
    with pytest.raises(ValueError, match=r"affine.W in .* has shape \(4, 5\)"):
        load_quantized(tmp_path / "net.npz", loaded)
    arrays = quantized(Net(1))
    arrays.pop("out.W.scale")
    write_npz(tmp_path / "half.npz", arrays)
    with pytest.raises(ValueError, match=r"out.W in .* holds int8; it should hold floats"):
        load_quantized(tmp_path / "half.npz", loaded)
    assert all(np.array_equal(p, q) for p, q in zip(loaded.params, before.params))
