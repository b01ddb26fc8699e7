"""The CRF against all rows of tags, one by one. (Gradients and PyTorch's values: test_layers.) Also runs on
the stand-in for CuPy, hence ``xp``."""

import itertools

import numpy as np
import pytest

from common.backend import to_numpy, xp
from common.gradient_check import layer_errors
from common.layers import CRF, SoftmaxWithLoss, viterbi
from tests.helpers import normal

LENGTHS = [(4, 4, 4), (4, 1, 2), (1, 1, 1), (2, 3, 1)]


def crf(K, dtype=np.float64):
    return CRF(*(normal(*shape, seed=i, dtype=dtype) for i, shape in enumerate([(K, K), (K,), (K,)])))


def example(K, lengths, seed=0):
    rng, N, T = np.random.default_rng(seed), len(lengths), max(lengths)
    x, t = rng.standard_normal((N, T, K)), rng.integers(0, K, (N, T))
    return xp.asarray(x), xp.asarray(t), xp.asarray(np.arange(T) < np.array(lengths)[:, None])


def all_rows(layer, x, length):
    """The score of every row of tags of one sentence (T, K)."""
    transitions, start, end = map(to_numpy, layer.params)
    rows = {}
    for row in itertools.product(range(len(start)), repeat=length):
        score = start[row[0]] + end[row[-1]] + sum(x[i, k] for i, k in enumerate(row))
        rows[row] = score + sum(transitions[a, b] for a, b in itertools.pairwise(row))
    return rows


@pytest.mark.parametrize("K", [1, 2, 3])
@pytest.mark.parametrize("lengths", LENGTHS)
def test_loss_probabilities_and_best_row_are_those_of_all_rows(K, lengths):
    layer, (x, t, mask) = crf(K), example(K, lengths)
    loss = float(layer.forward(x, t, mask))
    layer.backward()
    best, total = to_numpy(layer.decode(x, mask)), 0.0
    for n, length in enumerate(lengths):
        rows = all_rows(layer, to_numpy(x[n]), length)
        scores = np.array(list(rows.values()))
        p = np.exp(scores - scores.max())
        p /= p.sum()
        total -= np.log(p[list(rows).index(tuple(to_numpy(t[n, :length]).tolist()))])
        assert tuple(best[n, :length]) == max(rows, key=rows.get)
        assert not best[n, length:].any()
        for i in range(length):
            marginal = [sum(p[r] for r, row in enumerate(rows) if row[i] == k) for k in range(K)]
            np.testing.assert_allclose(to_numpy(layer.marginals[n, i]), marginal)
        assert not to_numpy(layer.marginals[n, length:]).any()
    assert loss == pytest.approx(total / sum(lengths))


@pytest.mark.parametrize("lengths", LENGTHS)
def test_gradients(lengths):
    layer, (x, t, mask) = crf(3), example(3, lengths)
    errors = layer_errors(layer, x, t, mask, rng=np.random.default_rng(0))
    assert max(errors.values()) < 1e-8


def test_without_moves_it_is_the_softmax_loss():
    layer, softmax = CRF(*(xp.zeros(shape) for shape in [(3, 3), (3,), (3,)])), SoftmaxWithLoss()
    x, t, mask = example(3, (4, 2, 3))
    assert float(layer.forward(x, t, mask)) == pytest.approx(float(softmax.forward(x, t, mask)))
    np.testing.assert_allclose(to_numpy(layer.backward()), to_numpy(softmax.backward()), atol=1e-15)


def test_other_sentences_and_padding_change_nothing():
    layer, (x, t, mask) = crf(3), example(3, (4, 2, 3))
    layer.forward(x, t, mask)
    dx, rows = to_numpy(layer.backward()) * 9, layer.decode(x, mask)
    x[1, 2:] = 1e6  # behind the end
    t[1, 2:] = 2
    layer.forward(x, t, mask)
    np.testing.assert_array_equal(to_numpy(layer.backward()) * 9, dx)
    np.testing.assert_array_equal(to_numpy(layer.decode(x, mask)), to_numpy(rows))
    layer.forward(x[1:2, :2], t[1:2, :2])
    np.testing.assert_allclose(to_numpy(layer.backward())[0] * 2, dx[1, :2], atol=1e-14)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("size", [1e3, 1e30])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_large_scores(size, dtype):
    layer = crf(3, dtype)
    x, t, mask = example(3, (6, 2, 3))
    x = (size * x).astype(dtype)
    loss = layer.forward(x, t, mask)
    assert np.isfinite(float(loss)) and loss.dtype == dtype and float(loss) >= 0
    assert np.isfinite(to_numpy(layer.backward())).all()
    layer.forward(x, layer.decode(x, mask), mask)
    assert float(layer.forward(x, layer.decode(x, mask), mask)) <= 1e-5 * size


def test_a_move_that_is_forbidden_is_not_made():
    transitions, start = xp.zeros((3, 3)), xp.zeros(3)
    transitions[0, 2] = start[2] = -xp.inf
    x, _, mask = example(3, [20] * 30)
    free, bound = (
        to_numpy(viterbi(x, *moves, mask))
        for moves in ((xp.zeros((3, 3)), xp.zeros(3), xp.zeros(3)), (transitions, start, xp.zeros(3)))
    )
    np.testing.assert_array_equal(free, to_numpy(x).argmax(axis=2))
    for rows, allowed in ((free, False), (bound, True)):
        wrong = ((rows[:, :-1] == 0) & (rows[:, 1:] == 2)).any() or (rows[:, 0] == 2).any()
        assert wrong != allowed


def test_bad_input_of_viterbi():
    zeros = np.zeros((2, 2)), np.zeros(2), np.zeros(2)
    with pytest.raises(ValueError, match=r"x has shape \(1, 3, 4\); it should be \(N, T, 2\)"):
        viterbi(xp.zeros((1, 3, 4)), *zeros)
    with pytest.raises(ValueError, match="mask has no words in row 1, or some behind padding"):
        viterbi(xp.zeros((2, 3, 2)), *zeros, xp.asarray([[True] * 3, [False] * 3]))
