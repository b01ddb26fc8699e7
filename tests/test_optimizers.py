"""Optimizers: PyTorch's steps, rows that move alone, float types, bad input."""

import numpy as np
import pytest

from common.backend import to_numpy, xp
from common.optimizers import SGD, AdaGrad, Adam, AdamW, Momentum, Nesterov, Optimizer, RMSprop
from common.support.row_gradient import RowGradient
from tests.golden.reference import GOLDEN
from tests.helpers import bad_input, normal

ALL = [SGD, Momentum, Nesterov, AdaGrad, RMSprop, Adam, AdamW]


def test_every_optimizer_is_tested():
    found = {c for base in (Optimizer, *Optimizer.__subclasses__()) for c in base.__subclasses__()}
    assert found == set(ALL)


@pytest.mark.parametrize("make", ALL)
def test_five_steps_are_those_of_pytorch(make):
    # PyTorch's momentum keeps v / lr in place of v: the same steps as long as lr stays the same.
    with np.load(GOLDEN / "optimizers.npz") as file:
        start, grads, after = (file[f"{make.__name__}/{name}"] for name in ("start", "grads", "after"))
    W, optimizer = xp.asarray(start.copy()), make(0.1)
    for grad, expected in zip(grads, after):
        optimizer.update([W], [xp.asarray(grad)])
        np.testing.assert_allclose(to_numpy(W), expected, rtol=1e-10, atol=1e-12)


def directions_and_sizes(name, grads):
    """What the rule of this name takes for the direction and for the size at each step, by its definition.

    Sums and means over all gradients so far, where the rule has one that it carries on.
    """
    for t in range(1, len(grads) + 1):
        g, past, back = grads[t - 1], grads[:t], np.arange(t)[::-1][:, None]  # how many steps ago
        if name in ("Momentum", "Nesterov"):
            m = (0.9**back * past).sum(axis=0)
            yield (m if name == "Momentum" else g + 0.9 * m), 1.0
        elif name == "AdaGrad":
            yield g, np.sqrt((past**2).sum(axis=0)) + 1e-10
        elif name == "RMSprop":  # from 0, and nothing makes up for it
            yield g, np.sqrt((0.01 * 0.99**back * past**2).sum(axis=0)) + 1e-8
        elif name == "Adam":  # dividing by the sum of the weights is the correction
            m = np.average(past, axis=0, weights=(0.9**back)[:, 0])
            yield m, np.sqrt(np.average(past**2, axis=0, weights=(0.999**back)[:, 0])) + 1e-8
        else:
            yield g, 1.0


@pytest.mark.parametrize("make", [SGD, Momentum, Nesterov, AdaGrad, RMSprop, Adam])
def test_all_have_one_form(make):
    lr, grads = 0.1, to_numpy(normal(8, 4, seed=3))
    expected, W, optimizer = to_numpy(normal(4)).copy(), normal(4), make(lr)
    for g, (direction, size) in zip(grads, directions_and_sizes(make.__name__, grads)):
        expected -= lr * direction / size
        optimizer.update([W], [xp.asarray(g)])
        np.testing.assert_allclose(to_numpy(W), expected, rtol=1e-12)


def test_nesterov_takes_the_gradient_where_the_ball_is_about_to_be():
    # Written as Nesterov meant it: theta is where the ball is, the gradient is taken ahead of it. The array
    # that the optimizer moves is the point ahead. With the updated velocity in the expanded form, this fails.
    lr, momentum = 0.1, 0.9
    curvature = np.array([1.0, 5.0, 0.2])
    theta, v = np.array([1.0, -2.0, 3.0]), np.zeros(3)
    ahead, optimizer = xp.asarray(theta.copy()), Nesterov(lr, momentum)
    for _ in range(20):
        v = momentum * v - lr * curvature * (theta + momentum * v)
        theta = theta + v
        optimizer.update([ahead], [xp.asarray(curvature) * ahead])
        np.testing.assert_allclose(to_numpy(ahead), theta + momentum * v, rtol=1e-12)


@pytest.mark.parametrize("make", ALL)
def test_each_rule_goes_downhill(make):
    W, optimizer = normal(4, 3), make(0.05)
    before = float((W * W).sum())
    for _ in range(200):
        optimizer.update([W], [2 * W])
    assert float((W * W).sum()) < 0.5 * before


@pytest.mark.parametrize("make", ALL)
def test_touched_rows_move_as_a_small_matrix_would_and_the_others_stay(make):
    W, rows = normal(6, 3), np.array([1, 4])
    small, start = xp.asarray(to_numpy(W)[rows].copy()), to_numpy(W).copy()
    sparse, dense = make(0.1), make(0.1)
    for seed in range(3):
        values = normal(2, 3, seed=seed)
        sparse.update([W], [RowGradient(xp.asarray(rows), values, (6, 3))])
        dense.update([small], [values])
    np.testing.assert_allclose(to_numpy(W)[rows], to_numpy(small), rtol=1e-14)
    others = [0, 2, 3, 5]
    assert np.array_equal(to_numpy(W)[others], start[others])


@pytest.mark.parametrize("make", [SGD, AdaGrad])
def test_for_sgd_and_adagrad_zeros_and_absent_rows_are_the_same(make):
    sparse_W, dense_W = normal(6, 3), normal(6, 3)
    sparse, dense = make(0.1), make(0.1)
    for seed, rows in enumerate(([0, 1], [1, 5], [2, 3])):
        grad = RowGradient(xp.asarray(np.array(rows)), normal(2, 3, seed=seed), (6, 3))
        sparse.update([sparse_W], [grad])
        dense.update([dense_W], [grad.dense()])
    np.testing.assert_allclose(to_numpy(sparse_W), to_numpy(dense_W), rtol=1e-14)


@pytest.mark.parametrize("make", ALL)
def test_a_gradient_without_rows_moves_nothing(make):
    W = normal(6, 3)
    before = to_numpy(W).copy()
    empty = RowGradient(xp.asarray(np.zeros(0, dtype=int)), xp.asarray(np.zeros((0, 3))), (6, 3))
    make(0.1).update([W], [empty])
    assert np.array_equal(to_numpy(W), before)


@pytest.mark.parametrize("lr", [0.1, np.float64(0.1)])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("make", ALL)
def test_the_float_type_is_kept_and_zero_gradients_give_no_nan(make, dtype, lr):
    W, optimizer = normal(4, 3, dtype=dtype), make(lr)
    grad = normal(4, 3, seed=1, dtype=dtype)
    grad[0] = 0
    kept = W
    for _ in range(3):
        optimizer.update([W], [grad])
    assert W is kept and W.dtype == dtype and np.isfinite(to_numpy(W)).all()
    assert all(array.dtype == dtype for memory in optimizer.state for array in memory)


@pytest.mark.parametrize("make", ALL)
def test_gradients_are_left_as_they_are(make):
    W, grad, optimizer = normal(4, 3), normal(4, 3, seed=1), make(0.1)
    before = to_numpy(grad).copy()
    optimizer.update([W], [grad])
    optimizer.update([W], [RowGradient(xp.asarray(np.arange(4)), grad, (4, 3))])
    assert np.array_equal(to_numpy(grad), before)


def test_adamw_shrinks_matrices_and_nothing_else():
    # Without a gradient Adam stands still, so what moves is the decay: by lr * weight_decay, for matrices.
    params = [xp.ones((3, 2)), xp.ones(3), xp.ones(()), xp.ones((2, 2, 2))]
    optimizer = AdamW(0.1, weight_decay=0.5)
    optimizer.update(params, [xp.zeros(p.shape) for p in params])
    for param, left in zip(params, (0.95, 1, 1, 0.95)):
        np.testing.assert_allclose(to_numpy(param), np.full(param.shape, left), rtol=1e-15)


def test_adamw_decays_all_weights_alike_and_an_l2_term_under_adam_does_not():
    # One weight sees gradients a thousand times larger. Decay pulls both by the same share; the L2 term is
    # divided by the size of the gradients, and the weight with the large ones hardly feels it.
    def pull(optimizer, l2):
        ends = []
        for factor in (0, 1):  # without the pull, and with it
            W = xp.ones((1, 2))
            rule = optimizer(factor)
            for step in range(50):
                grad = xp.asarray([[1.0, 1000.0]]) * (-1) ** step
                rule.update([W], [grad + factor * l2 * W])
            ends.append(to_numpy(W)[0])
        return ends[0] - ends[1]

    decoupled = pull(lambda factor: AdamW(0.001, weight_decay=0.5 * factor), 0)
    l2 = pull(lambda factor: Adam(0.001), 0.5)
    np.testing.assert_allclose(decoupled[0], decoupled[1], rtol=1e-2)
    assert l2[0] > 100 * l2[1] > 0


def test_the_learning_rate_can_be_changed_on_the_way():
    W, optimizer = xp.ones(2), SGD(1.0)
    optimizer.update([W], [xp.ones(2)])
    optimizer.lr /= 4
    optimizer.update([W], [xp.ones(2)])
    assert to_numpy(W).tolist() == [-0.25, -0.25]


def test_repr_shows_the_settings():
    assert repr(SGD(0.5)) == "SGD(lr=0.5)"
    assert repr(Adam()) == "Adam(lr=0.001, beta1=0.9, beta2=0.999, epsilon=1e-08)"
    assert repr(AdamW()).endswith("beta2=0.999, epsilon=1e-08, weight_decay=0.01)")
    assert repr(Momentum(0.1)) == "Momentum(lr=0.1, momentum=0.9)"


def used():
    optimizer = Adam()
    optimizer.update([normal(2, 3)], [normal(2, 3)])
    return optimizer


BAD = {
    "lr is 0": lambda: SGD(0),
    "lr is nan": lambda: Adam(float("nan")),
    "lr is -1; it should be a positive number": lambda: AdaGrad(-1),
    "momentum is 1; it should be at least 0 and below 1": lambda: Momentum(0.1, momentum=1),
    "beta2 is 1.5": lambda: Adam(beta2=1.5),
    "weight_decay is -0.1; it should be at least 0 and below 1": lambda: AdamW(weight_decay=-0.1),
    "grads has 0 entries; it should have 1": lambda: SGD().update([normal(2)], []),
    r"grads\[0\] has shape \(3,\); it should be \(2, 3\)": lambda: SGD().update([normal(2, 3)], [normal(3)]),
    r"grads\[0\] is float64; it should be float32": lambda: SGD().update(
        [normal(2, dtype=np.float32)], [normal(2)]
    ),
    "params has 2 arrays; it should have 1": lambda: used().update([normal(2)] * 2, [normal(2)] * 2),
    r"params\[0\] has shape \(4,\); it should be \(2, 3\)": lambda: used().update([normal(4)], [normal(4)]),
}


test_bad_input_gets_one_clear_sentence = bad_input(
    {sentence: (call, sentence) for sentence, call in BAD.items()}
)


def test_bad_input_moves_nothing():
    params, optimizer = [normal(2), normal(3)], SGD()
    before = [to_numpy(p).copy() for p in params]
    with pytest.raises(ValueError):
        optimizer.update(params, [normal(2), normal(4)])
    assert all(np.array_equal(to_numpy(p), b) for p, b in zip(params, before))
