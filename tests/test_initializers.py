"""Weights to begin with: their variances, and what becomes of a signal that goes through many layers."""

import numpy as np
import pytest

from common.backend import to_numpy, xp
from common.functions import relu
from common.initializers import gaussian, he, xavier, zeros


@pytest.mark.parametrize(
    ("draw", "variance"),
    [
        (lambda rng: gaussian(rng, 400, 300), 0.01**2),
        (lambda rng: gaussian(rng, 400, 300, scale=2.0), 4),
        (lambda rng: xavier(rng, 400, 300), 1 / 400),
        (lambda rng: he(rng, 400, 300), 2 / 400),
    ],
    ids=["gaussian", "gaussian of another scale", "xavier", "he"],
)
def test_mean_and_variance(draw, variance):
    W = to_numpy(draw(np.random.default_rng(0)))
    assert W.shape == (400, 300)
    assert abs(W.mean()) < 4 * np.sqrt(variance / W.size) and W.var() == pytest.approx(variance, rel=0.02)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_the_float_type_is_the_one_asked_for_and_the_draws_are_the_same(dtype):
    def rng():
        return np.random.default_rng(7)

    for draw in (gaussian, xavier, he):
        W = draw(rng(), 5, 4, dtype=dtype)
        assert W.dtype == dtype
        np.testing.assert_array_equal(
            to_numpy(W), to_numpy(draw(rng(), 5, 4, dtype=np.float64)).astype(dtype)
        )
    assert zeros(3, 2, dtype=dtype).dtype == dtype and not to_numpy(zeros(3, 2, dtype=dtype)).any()


def mean_square_after(weights, activation, depth=10, D=512):
    """The mean of the squares of what leaves the last of ``depth`` layers; what enters has 1."""
    rng = np.random.default_rng(1984)
    x = xp.asarray(rng.standard_normal((200, D)))
    for _ in range(depth):
        x = activation(x @ weights(rng, D, D, dtype=np.float64))
    return float((x * x).mean())


def test_through_linear_layers_xavier_keeps_a_signal_and_he_doubles_its_square():
    assert mean_square_after(xavier, lambda x: x) == pytest.approx(1, rel=0.1)
    assert mean_square_after(he, lambda x: x) == pytest.approx(2**10, rel=0.1)


def test_through_relu_he_keeps_a_signal_and_xavier_halves_its_square_at_each_layer():
    assert mean_square_after(he, relu) == pytest.approx(1, rel=0.3)
    assert mean_square_after(xavier, relu) == pytest.approx(2.0**-10, rel=0.3)


def test_weights_too_small_let_a_signal_vanish_and_too_large_ones_saturate_tanh():
    def small(*sizes, dtype):
        return gaussian(*sizes, scale=0.01, dtype=dtype)

    def large(*sizes, dtype):
        return gaussian(*sizes, scale=1.0, dtype=dtype)

    assert mean_square_after(small, xp.tanh) < 1e-10
    assert mean_square_after(large, xp.tanh) > 0.9
    assert 0.01 < mean_square_after(xavier, xp.tanh) < 0.5
