"""The steps of a memory against loops over rows, and at the edges where such a memory breaks. (Gradients, bad
input and PyTorch's values: test_layers.) Also runs on the stand-in for CuPy, hence ``xp``."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.backend import to_numpy, xp
from common.gradient_check import layer_errors
from common.layers import (
    CircularShift,
    ContentAddressing,
    InterpolationGate,
    MemoryAdd,
    MemoryErase,
    MemoryRead,
    Sharpening,
)

SEEDS = st.integers(0, 2**32 - 1)
SIZES = st.tuples(*(st.integers(1, 4) for _ in range(4)))  # N, K, R, W


def drawn(seed, N, K, R, W):
    """A memory, weights that add up to 1, and numbers between 0 and 1, for each head's row: (N, K, W)."""
    rng = np.random.default_rng(seed)
    weights = rng.random((N, K, R)) + 0.01
    return (
        rng.standard_normal((N, R, W)),
        weights / weights.sum(axis=-1, keepdims=True),
        rng.random((N, K, W)),
    )


def forward(layer, *arrays):
    return to_numpy(layer.forward(*map(xp.asarray, arrays)))


@given(SEEDS, SIZES)
def test_content_is_the_softmax_of_cosines(seed, sizes):
    memory, _, keys = drawn(seed, *sizes)
    N, K, _, _ = sizes
    strength = np.random.default_rng(seed).random((N, K)) * 5
    weights = forward(ContentAddressing(0), memory, keys, strength)
    for n in range(N):
        for k in range(K):
            key = keys[n, k]
            cosines = [float(key @ row) / math.sqrt(key @ key) / math.sqrt(row @ row) for row in memory[n]]
            powers = [math.exp(strength[n, k] * c) for c in cosines]
            np.testing.assert_allclose(weights[n, k], np.array(powers) / sum(powers), rtol=1e-9)


def test_of_a_memory_of_zeros_all_rows_are_equally_like_a_key():
    layer = ContentAddressing()
    weights = forward(layer, np.zeros((2, 4, 3)), np.ones((2, 1, 3)), np.full((2, 1), 50.0))
    np.testing.assert_array_equal(weights, np.full((2, 1, 4), 0.25))
    gradients = layer.backward(xp.asarray(np.random.default_rng(0).standard_normal((2, 1, 4))))
    assert all(np.isfinite(to_numpy(g)).all() for g in gradients)


def test_the_gradient_at_the_memory_that_a_machine_begins_with():
    rng = np.random.default_rng(0)
    inputs = np.full((2, 4, 3), 1e-6), rng.standard_normal((2, 1, 3)), np.full((2, 1), 2.0)
    errors = layer_errors(ContentAddressing(1e-4), *map(xp.asarray, inputs), rng=np.random.default_rng(1))
    assert max(errors.values()) < 1e-6, errors


def test_the_length_of_a_row_does_not_count():
    memory, _, keys = drawn(0, 2, 2, 4, 3)
    layer, strength = ContentAddressing(0), np.ones((2, 2))
    once = forward(layer, memory, keys, strength)
    np.testing.assert_allclose(forward(layer, 1000 * memory, keys / 7, strength), once, rtol=1e-12)


@given(SEEDS, SIZES, st.integers(0, 2))
def test_a_shift_is_a_sum_over_all_rows(seed, sizes, reach):
    N, K, R, _ = sizes
    S = min(2 * reach + 1, R - 1 + R % 2)
    rng = np.random.default_rng(seed)
    weights, shifts = rng.random((N, K, R)), rng.random((N, K, S))
    done = forward(CircularShift(), weights, shifts)
    slow = np.zeros((N, K, R))
    for n, k, j, s in np.ndindex(N, K, R, S):
        slow[n, k, (j + s - S // 2) % R] += weights[n, k, j] * shifts[n, k, s]
    np.testing.assert_allclose(done, slow, rtol=1e-12)


def test_a_head_at_the_last_row_goes_on_to_the_first():
    weights = np.eye(4)[3].reshape(1, 1, 4)
    on, stay, back = (np.eye(3)[i].reshape(1, 1, 3) for i in (2, 1, 0))
    assert [forward(CircularShift(), weights, s).argmax() for s in (on, stay, back)] == [0, 3, 2]


@given(SEEDS, SIZES, st.floats(1, 20))
def test_sharpened_weights_are_powers(seed, sizes, power):
    _, weights, _ = drawn(seed, *sizes)
    gamma = np.full(sizes[:2], power)
    done = forward(Sharpening(), weights, gamma)
    for n, k in np.ndindex(*sizes[:2]):
        powers = [w**power for w in weights[n, k]]
        np.testing.assert_allclose(done[n, k], np.array(powers) / sum(powers), rtol=1e-9)
    before, after = ((w**2).sum(axis=-1) for w in (weights, done))
    assert (after >= before - 1e-12).all()  # never flatter


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_no_power_is_too_large_and_no_weight_too_small(dtype):
    weights = np.array([[[1 / 128] * 128, [1, *[0] * 127]]], dtype=dtype)
    layer = Sharpening()
    done = forward(layer, weights, np.full((1, 2), 500, dtype=dtype))  # (1 / 128) ** 500 is 0
    np.testing.assert_allclose(done, weights, rtol=1e-5)
    gradients = layer.backward(
        xp.asarray(np.random.default_rng(0).standard_normal((1, 2, 128)).astype(dtype))
    )
    assert all(np.isfinite(to_numpy(g)).all() for g in gradients)


@given(SEEDS, SIZES)
def test_erase_and_add_row_by_row_and_head_by_head(seed, sizes):
    N, K, R, W = sizes
    memory, weights, told = drawn(seed, *sizes)
    erased = forward(MemoryErase(), memory, weights, told)
    added = forward(MemoryAdd(), memory, weights, told)
    read = forward(MemoryRead(), memory, weights)
    less, more, sums = memory.copy(), memory.copy(), np.zeros((N, K, W))
    for n, k, i in np.ndindex(N, K, R):
        less[n, i] *= 1 - weights[n, k, i] * told[n, k]
        more[n, i] += weights[n, k, i] * told[n, k]
        sums[n, k] += weights[n, k, i] * memory[n, i]
    for done, slow in ((erased, less), (added, more), (read, sums)):
        np.testing.assert_allclose(done, slow, rtol=1e-9, atol=1e-12)


def test_what_two_heads_erase_wholly_has_gradients_for_both():
    # The product of the others is not the product of all divided by one's own, which may be 0.
    layer, ones = MemoryErase(), np.ones((1, 2, 1))
    assert forward(layer, np.ones((1, 1, 1)), ones, ones) == 0
    dmemory, dweights, derased = layer.backward(xp.ones((1, 1, 1)))
    assert float(dmemory.sum()) == float(dweights.sum()) == float(derased.sum()) == 0
    erased = np.array([[[1.0], [0.25]]])
    forward(layer, np.ones((1, 1, 1)), ones, erased)
    assert to_numpy(layer.backward(xp.ones((1, 1, 1)))[2]).ravel().tolist() == [-0.75, 0]


def test_an_open_gate_takes_the_content_and_a_shut_one_keeps_the_place():
    content, before = np.eye(3)[[0]][None], np.eye(3)[[2]][None]
    for gate, row in ((1.0, 0), (0.0, 2)):
        weights = forward(InterpolationGate(), np.array([[gate]]), content, before)
        assert weights.argmax() == row and weights.sum() == 1


def test_written_and_read_again():
    """One head, all at one row: erase it, add something, read it."""
    memory, _, told = drawn(1, 1, 1, 4, 3)
    place = np.eye(4)[[2]][None]
    clean = forward(MemoryErase(), memory, place, np.ones((1, 1, 3)))
    written = forward(MemoryAdd(), clean, place, told)
    np.testing.assert_array_equal(forward(MemoryRead(), written, place), told)
    np.testing.assert_array_equal(np.delete(written, 2, axis=1), np.delete(memory, 2, axis=1))
