"""What attention, layer normalization and positions promise beyond what test_layers asks of every layer."""

import numpy as np
import pytest

from common.backend import to_numpy, xp
from common.functions import softmax
from common.gradient_check import layer_errors
from common.layers import Affine, Attention, LayerNorm, MatMul, MultiHeadAttention, PositionalEncoding
from common.layers.position import positions
from tests.helpers import normal


def multi_head(D=4, heads=2, causal=False, alibi=False, seed=0):
    query, value, out = (Affine(normal(D, D, seed=seed + i), normal(D, seed=seed + i + 9)) for i in range(3))
    key = MatMul(normal(D, D, seed=seed + 3))
    return MultiHeadAttention(query, key, value, out, heads=heads, causal=causal, alibi=alibi)


# ---- attention


def test_attention_is_a_weighted_sum_with_softmax_weights():
    queries, hs = normal(2, 3, 4), normal(2, 5, 4, seed=1)
    layer = Attention()
    context = to_numpy(layer.forward(queries, hs))
    for n in range(2):
        for i in range(3):
            weights = to_numpy(softmax(hs[n] @ queries[n, i]))
            np.testing.assert_allclose(to_numpy(layer.weights[n, i]), weights, atol=1e-12)
            np.testing.assert_allclose(context[n, i], weights @ to_numpy(hs[n]), atol=1e-12)


def test_what_is_hidden_counts_for_nothing():
    queries, hs, mask = normal(2, 3, 4), normal(2, 5, 4, seed=1), xp.ones((2, 5), dtype=bool)
    mask[0, 3:] = False
    layer = Attention()
    context = to_numpy(layer.forward(queries, hs, mask)).copy()
    dcontext = normal(2, 3, 4, seed=2)
    dqueries, dhs = map(to_numpy, layer.backward(dcontext))
    assert (to_numpy(layer.weights)[0, :, 3:] == 0).all() and (dhs[0, 3:] == 0).all()
    wild = hs.copy()
    wild[0, 3:] = 1e6
    assert np.array_equal(to_numpy(layer.forward(queries, wild, mask)), context)
    assert np.array_equal(to_numpy(layer.backward(dcontext)[0]), dqueries)
    short = Attention().forward(queries[:1], hs[:1, :3])
    np.testing.assert_allclose(to_numpy(short), context[:1], atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_a_mask_that_hides_everything_gives_zeros(dtype):
    queries, hs = normal(2, 3, 4, dtype=dtype), normal(2, 5, 4, seed=1, dtype=dtype)
    mask = xp.ones((2, 5), dtype=bool)
    mask[1] = False
    layer = Attention()
    context = to_numpy(layer.forward(queries, hs, mask))
    assert (context[1] == 0).all() and (context[0] != 0).all()
    dqueries, dhs = map(to_numpy, layer.backward(xp.ones_like(queries)))
    assert (dqueries[1] == 0).all() and (dhs[1] == 0).all() and np.isfinite(dhs).all()


@pytest.mark.parametrize("scale", [1.0, 1e2, 1e15])
def test_attention_stays_finite_on_large_scores(scale):
    queries, hs = scale * normal(2, 3, 4, dtype=np.float32), scale * normal(2, 5, 4, dtype=np.float32)
    layer = Attention()
    assert np.isfinite(to_numpy(layer.forward(queries, hs))).all()
    np.testing.assert_allclose(to_numpy(layer.weights).sum(axis=-1), np.ones((2, 3)), rtol=1e-6)


# ---- several heads


def test_one_head_is_scaled_attention_between_affine_layers():
    layer, x = multi_head(heads=1), normal(2, 3, 4, seed=5)
    q, k, v = (a.forward(x) for a in (layer.query, layer.key, layer.value))
    weights = to_numpy(softmax(xp.matmul(q, k.swapaxes(1, 2)) / 2))
    expected = to_numpy(layer.out.forward(xp.asarray(weights @ to_numpy(v))))
    np.testing.assert_allclose(to_numpy(layer.forward(x)), expected, atol=1e-12)
    np.testing.assert_allclose(to_numpy(layer.weights[:, 0]), weights, atol=1e-12)


def test_causal_attention_does_not_see_what_comes_later():
    layer, x = multi_head(causal=True), normal(2, 5, 4)
    before = to_numpy(layer.forward(x)).copy()
    weights = to_numpy(layer.weights)
    assert (np.triu(weights, 1) == 0).all()
    later = x.copy()
    later[:, 3:] = normal(2, 2, 4, seed=7)
    after = to_numpy(layer.forward(later))
    assert np.array_equal(after[:, :3], before[:, :3]) and not np.allclose(after[:, 3:], before[:, 3:])


def test_alibi_lowers_the_scores_by_distance_times_a_slope_of_each_head():
    plain, sinking = multi_head(causal=True), multi_head(causal=True, alibi=True)
    x = normal(2, 5, 4)
    plain.forward(x), sinking.forward(x)
    for n, head, query in np.ndindex(2, 2, 5):
        before = to_numpy(plain.weights[n, head, query, : query + 1])
        back = np.arange(query, -1, -1)
        wanted = before * np.exp(-(2.0 ** (-4 * (head + 1))) * back)  # slopes 1/16 and 1/256
        found = to_numpy(sinking.weights[n, head, query, : query + 1])
        np.testing.assert_allclose(found, wanted / wanted.sum(), rtol=1e-6)


def test_alibi_is_refused_where_nothing_says_which_way_is_back():
    with pytest.raises(ValueError, match="alibi needs causal=True"):
        multi_head(alibi=True)


def test_a_mask_that_hides_everything_leaves_the_last_bias():
    layer, x = multi_head(), normal(2, 3, 4)
    y = to_numpy(layer.forward(x, None, xp.zeros((2, 3), dtype=bool)))
    np.testing.assert_allclose(y, np.broadcast_to(to_numpy(layer.out.params[1]), y.shape))
    assert np.isfinite(to_numpy(layer.backward(normal(2, 3, 4)))).all()


@pytest.mark.parametrize("shape", [(2, 4), (2, 3, 4)])
def test_gradients_with_masks_that_hide_everything_from_some(shape):
    mask = xp.ones(shape, dtype=bool)
    mask[0] = False
    inputs = 0.3 * normal(2, 3, 4), 0.3 * normal(2, 4, 4, seed=1), mask
    for layer in (Attention(0.5), multi_head()):
        errors = layer_errors(layer, *inputs, rng=np.random.default_rng(0))
        assert max(errors.values()) < 1e-8, errors


# ---- layer normalization and positions


def test_layer_norm_gives_rows_of_mean_0_and_variance_1():
    layer = LayerNorm(xp.ones(50), xp.zeros(50))
    y = to_numpy(layer.forward(3 + 7 * normal(2, 3, 50)))
    np.testing.assert_allclose(y.mean(axis=-1), 0, atol=1e-12)
    np.testing.assert_allclose(y.var(axis=-1), 1, rtol=1e-5)


def test_layer_norm_of_equal_numbers_is_the_bias():
    layer = LayerNorm(normal(4), normal(4, seed=1))
    y = to_numpy(layer.forward(xp.full((2, 4), 1e3)))
    np.testing.assert_allclose(y, np.broadcast_to(to_numpy(layer.params[1]), (2, 4)))
    assert np.isfinite(to_numpy(layer.backward(normal(2, 4)))).all()


def test_layer_norm_of_many_rows_is_that_of_each():
    gain, bias, x = normal(128), normal(128, seed=1), normal(5000, 128, dtype=np.float64)
    many, one = LayerNorm(gain, bias), LayerNorm(gain, bias)
    y, dx = to_numpy(many.forward(x)), to_numpy(many.backward(x))
    for rows in (slice(0, 3), slice(4000, 4003)):
        np.testing.assert_allclose(y[rows], to_numpy(one.forward(x[rows])), atol=1e-12)
        np.testing.assert_allclose(dx[rows], to_numpy(one.backward(x[rows])), atol=1e-12)


def test_positions_go_on_where_the_sequence_does():
    layer, zeros = PositionalEncoding(6), xp.zeros((1, 200, 6))
    whole = to_numpy(layer.forward(zeros))
    part = to_numpy(layer.forward(zeros[:, :10], start=150))
    assert np.array_equal(whole[:, 150:160], part)
    assert np.array_equal(to_numpy(positions(200, 6, dtype=np.float64)), whole[0])


def test_a_shift_of_positions_is_a_rotation():
    p = to_numpy(positions(50, 8, dtype=np.float64))
    similar = p @ p.T  # depends on the distance alone
    np.testing.assert_allclose(np.diagonal(similar, 5), similar[0, 5], atol=1e-12)
