"""Batch normalization: what it keeps, what it does at rest, and gradient checks that check something.

What all layers promise together is tested in test_layers. This file also runs on the stand-in for CuPy.
"""

import copy
import pickle

import numpy as np
import pytest

from common.backend import to_numpy, xp
from common.batches import Shuffled
from common.gradient_check import layer_errors, numerical_gradient
from common.layers import (
    Affine,
    BatchNorm,
    LayerNorm,
    Make,
    Model,
    ReLU,
    Sequential,
    SoftmaxWithLoss,
    evaluating,
    held,
)
from common.layers.dense import matrix, sum_of_rows
from common.optimizers import SGD
from common.training import Trainer
from common.weights import load_weights, save_weights
from tests.golden.reference import GOLDEN
from tests.helpers import normal


def batch_norm(D=3, seed=0, dtype=np.float64, **settings):
    """With gains and biases that are not 1 and 0."""
    return BatchNorm(normal(D, seed=seed, dtype=dtype), normal(D, seed=seed + 1, dtype=dtype), **settings)


def plain(D=3):
    return Make(np.random.default_rng(0), dtype=np.float64).batch_norm(D)


def used(batches=3, **settings):
    """Not in training, after some batches."""
    layer = batch_norm(**settings)
    for i in range(batches):
        layer.forward(1 + 2 * normal(5, 3, seed=10 + i))
    layer.training = False
    return layer


def same(one, two):
    return one.keys() == two.keys() and all(
        np.array_equal(to_numpy(one[name]), to_numpy(two[name])) for name in one
    )


# ---- mean 0, variance 1


@pytest.mark.parametrize("shape", [(50, 3), (5, 10, 3), (2, 5, 5, 3)])
def test_what_leaves_it_has_mean_0_and_variance_1_in_each_column(shape):
    y = to_numpy(plain().forward(5 + 3 * normal(*shape))).reshape(-1, 3)
    np.testing.assert_allclose(y.mean(axis=0), 0, atol=1e-14)
    np.testing.assert_allclose(y.var(axis=0), 1, atol=1e-5)


def test_all_leading_axes_are_one_batch():
    one, two, x, dout = batch_norm(), batch_norm(), normal(4, 5, 3), normal(4, 5, 3, seed=1)
    np.testing.assert_allclose(to_numpy(matrix(one.forward(x))), to_numpy(two.forward(matrix(x))), rtol=1e-12)
    np.testing.assert_allclose(
        to_numpy(matrix(one.backward(dout))), to_numpy(two.backward(matrix(dout))), rtol=1e-12
    )
    for a, b in zip((*one.grads, *held(one).values()), (*two.grads, *held(two).values())):
        np.testing.assert_allclose(to_numpy(a), to_numpy(b), rtol=1e-12)


def test_columns_are_normalized_here_and_rows_in_layer_normalization():
    x, weights = normal(6, 4), (xp.ones(4), xp.zeros(4))
    batch, layer = BatchNorm(*weights), LayerNorm(*weights)
    np.testing.assert_allclose(to_numpy(batch.forward(x)), to_numpy(layer_of_columns(x)), rtol=1e-12)
    assert layer.buffers == ()  # it needs none: each row is normalized by itself, whoever is beside it
    np.testing.assert_allclose(to_numpy(layer.forward(x)[:1]), to_numpy(layer.forward(x[:1])), rtol=1e-12)


def layer_of_columns(x):
    """Layer normalization of the columns: the same formula, along the other axis."""
    return LayerNorm(xp.ones(len(x)), xp.zeros(len(x))).forward(x.T).T


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_a_column_of_equal_numbers_is_no_division_by_zero(dtype):
    layer, x = batch_norm(dtype=dtype), normal(4, 3, dtype=dtype)
    x[:, 1] = 7
    y = to_numpy(layer.forward(x))
    assert (y[:, 1] == to_numpy(layer.params[1])[1]).all()
    assert np.isfinite(to_numpy(layer.backward(normal(4, 3, seed=1, dtype=dtype)))).all()


# ---- running mean and variance


def test_running_mean_and_variance_are_those_of_pytorch_after_each_batch():
    with np.load(GOLDEN / "running.npz") as file:
        stored = {name: xp.asarray(array) for name, array in file.items()}
    layer = plain()
    for i in range(3):
        layer.forward(stored[f"input {i}"])
        np.testing.assert_allclose(to_numpy(layer.running_mean), to_numpy(stored[f"mean {i}"]), rtol=1e-12)
        np.testing.assert_allclose(
            to_numpy(layer.running_variance), to_numpy(stored[f"variance {i}"]), rtol=1e-12
        )
    layer.training = False
    np.testing.assert_allclose(to_numpy(layer.forward(stored["row"])), to_numpy(stored["output"]), rtol=1e-12)


def test_momentum_is_the_share_of_the_new_batch():
    x = 3 + normal(8, 3)
    for momentum in (0.0, 0.1, 0.9):
        layer = batch_norm(momentum=momentum)
        layer.forward(x)
        new = to_numpy(x)
        np.testing.assert_allclose(to_numpy(layer.running_mean), momentum * new.mean(axis=0), rtol=1e-12)
        np.testing.assert_allclose(
            to_numpy(layer.running_variance),
            1 - momentum + momentum * new.var(axis=0, ddof=1),
            rtol=1e-12,
        )


def test_running_ones_come_to_those_of_all_the_data():
    layer, rng = plain(), np.random.default_rng(0)
    means, variances = [], []
    for _ in range(400):
        layer.forward(xp.asarray(5 + 3 * rng.standard_normal((10, 3))))
        means.append(to_numpy(layer.running_mean))
        variances.append(to_numpy(layer.running_variance))
    assert np.mean(means[100:]) == pytest.approx(5, rel=0.03)
    assert np.mean(variances[100:]) == pytest.approx(9, rel=0.03)  # with n in place of n - 1 it is 8.1


# ---- in training, and not


def test_at_rest_a_row_is_treated_alone_and_in_training_with_its_neighbours():
    layer, x = used(), normal(4, 3)
    alone, among = layer.forward(x[:1]), layer.forward(x)
    assert np.array_equal(to_numpy(alone), to_numpy(among[:1]))
    layer.training = True
    others = to_numpy(layer.forward(x[:2])[:1]), to_numpy(layer.forward(x)[:1])
    assert np.abs(others[0] - others[1]).max() > 0.1


def test_at_rest_nothing_that_is_kept_moves():
    layer = used()
    before = held(layer)
    layer.backward(layer.forward(normal(4, 3)))
    assert same(before, held(layer))


def test_evaluating_takes_the_running_ones_and_leaves_all_as_it_was():
    layer, x, dout = batch_norm(), normal(4, 3), normal(4, 3, seed=1)
    layer.forward(x)
    before, dx = held(layer), layer.backward(dout)
    with evaluating(layer):
        y = layer.forward(x[:1])
        expected = (x[:1] - layer.running_mean) / xp.sqrt(layer.running_variance + layer.epsilon)
        expected = layer.params[0] * expected + layer.params[1]
        np.testing.assert_allclose(to_numpy(y), to_numpy(expected), rtol=1e-12)
    assert layer.training and same(before, held(layer))
    assert np.array_equal(to_numpy(layer.backward(dout)), to_numpy(dx))


def test_backward_belongs_to_the_forward_before_it_and_not_to_a_switch_since():
    layer, x, dout = batch_norm(), normal(4, 3), normal(4, 3, seed=1)
    layer.forward(x)
    dx = layer.backward(dout)
    layer.training = False
    assert np.array_equal(to_numpy(layer.backward(dout)), to_numpy(dx))
    layer.forward(x)
    assert np.abs(to_numpy(layer.backward(dout) - dx)).max() > 0.1


def test_switched_off_it_stays_off_and_its_weights_learn_all_the_same():
    net = Net()
    (norm,) = (layer for layer in net.chain.layers if isinstance(layer, BatchNorm))
    norm.training = False
    gain, before = norm.params[0].copy(), held(norm)
    Trainer(net, SGD(0.1), np.random.default_rng(0)).fit(Shuffled(X, T, 8), 2)
    assert same(before, held(norm)) and np.abs(to_numpy(norm.params[0] - gain)).max() > 0.001


# ---- gradients


class WithoutSpread(BatchNorm):
    """Its author has forgotten that the variance comes from the batch, too."""

    def backward(self, dout):
        self.grads = [sum_of_rows(dout * self.normal), sum_of_rows(dout)]
        return self.params[0] / self.sigma * (dout - dout.mean(axis=0))


class WithoutGradient(BatchNorm):
    """It gives nothing back at all."""

    def backward(self, dout):
        super().backward(dout)
        return xp.zeros_like(dout)


class UpsideDown(BatchNorm):
    """The signs are wrong, those of gain's gradient, too."""

    def backward(self, dout):
        dx = super().backward(dout)
        self.grads[0] = -self.grads[0]
        return -dx


@pytest.mark.parametrize("wrong", [WithoutSpread, WithoutGradient, UpsideDown])
def test_the_sum_of_the_outputs_checks_nothing_and_a_random_sum_does(wrong):
    # The columns of what is normalized sum to zero whatever x is: so the sum's gradient by x, and by gain, is
    # zero by construction, and a backward may be as wrong as it likes.
    x = normal(6, 3, seed=2)
    for layer in (batch_norm(), wrong(normal(3), normal(3, seed=1))):
        dx = layer.backward(xp.ones_like(layer.forward(x)))
        for array, grad in ((x, dx), (layer.params[0], layer.grads[0])):
            numerical = numerical_gradient(lambda _, layer=layer: float(layer.forward(x).sum()), array)
            np.testing.assert_allclose(to_numpy(grad), to_numpy(numerical), atol=1e-9)
    right = layer_errors(batch_norm(), x, rng=np.random.default_rng(0))
    errors = layer_errors(wrong(normal(3), normal(3, seed=1)), x, rng=np.random.default_rng(0))
    assert max(right.values()) < 1e-8 and errors["input 0"] > 1e-3


def test_a_whole_network_with_it_has_the_right_gradients():
    net = Net(dtype=np.float64)
    errors = layer_errors(net, X.astype(np.float64), T, rng=np.random.default_rng(0))
    # By the biases before it the gradient is zero: the mean takes out what they add.
    assert len(errors) == 7 and max(errors.values()) < 1e-6, errors


# ---- kept, saved, resumed, copied


class Net(Model):
    """Two affine layers, batch normalization between them, and the loss."""

    def __init__(self, seed=0, dtype=np.float32):
        make = Make(np.random.default_rng(seed), dtype)
        self.chain = Sequential(make.affine(4, 5), make.batch_norm(5), ReLU(), make.affine(5, 3))
        self.loss = SoftmaxWithLoss()

    def forward(self, x, t):
        return self.loss.forward(self.chain.forward(x), t)

    def backward(self, dout=1.0):
        return self.chain.backward(self.loss.backward(dout))


X = 2 + normal(40, 4, dtype=np.float32)
T = xp.asarray(np.random.default_rng(1).integers(0, 3, 40))


def trained(epochs, seed=0, checkpoint=None):
    trainer = Trainer(Net(seed), SGD(0.1), np.random.default_rng(0))
    trainer.fit(Shuffled(X, T, 8), epochs, checkpoint)
    return trainer


def scores(net):
    with evaluating(net):
        return to_numpy(net.chain.forward(X))


def test_running_ones_are_saved_with_the_weights(tmp_path):
    net, loaded = trained(2).model, Net(1)
    assert list(held(net)) == ["chain.layers.1.running_mean", "chain.layers.1.running_variance"]
    save_weights(tmp_path / "w.npz", net)
    load_weights(tmp_path / "w.npz", loaded)
    assert same(held(net), held(loaded)) and np.array_equal(scores(net), scores(loaded))


def test_a_run_with_it_is_resumed_to_the_same_bits(tmp_path):
    whole = trained(4)
    trained(2, checkpoint=tmp_path / "c.npz")
    resumed = trained(4, seed=3, checkpoint=tmp_path / "c.npz")
    assert whole.history == resumed.history and same(held(whole.model), held(resumed.model))
    assert np.array_equal(scores(whole.model), scores(resumed.model))


def test_a_run_that_was_evaluated_on_the_way_goes_on_from_its_checkpoint(tmp_path):
    whole, first = trained(4), trained(2, checkpoint=tmp_path / "c.npz")
    first.model.training = False
    first.model.forward(X, T)  # without ``evaluating``, as a reader may do it
    first.model.training = True
    first.fit(Shuffled(X, T, 8), 4, tmp_path / "c.npz")
    assert whole.history == first.history and same(held(whole.model), held(first.model))


def test_a_step_that_is_taken_back_takes_the_running_ones_back():
    trainer = trained(1)
    before = held(trainer.model)
    trainer.model.chain.layers[3].params[0][0, 0] = float("nan")
    with pytest.raises(FloatingPointError):
        trainer.fit(Shuffled(X, T, 40), 2)
    assert same(before, held(trainer.model))


@pytest.mark.parametrize("again", [copy.deepcopy, lambda layer: pickle.loads(pickle.dumps(layer))])
def test_a_copy_keeps_what_was_kept_and_moves_by_itself(again):
    if xp is not np and again is not copy.deepcopy:
        pytest.skip("the stand-in's arrays are not made for pickles")
    layer = used()
    other, before = again(layer), held(layer)
    x = normal(4, 3)
    assert np.array_equal(to_numpy(layer.forward(x)), to_numpy(other.forward(x)))
    other.training = True
    other.forward(x)
    assert same(before, held(layer)) and not same(before, held(other))


# ---- into the layer before it


def folded(affine, norm):
    """One affine layer that does what ``affine`` and then ``norm``, not in training, do together."""
    W, b = affine.params
    gain, bias = norm.params
    scale = gain / xp.sqrt(norm.running_variance + norm.epsilon)
    return Affine(W * scale, (b - norm.running_mean) * scale + bias)


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 1e-6), (np.float64, 1e-14)])
def test_at_rest_it_can_be_folded_into_the_affine_layer_before_it(dtype, tolerance):
    affine = Affine(normal(4, 3, seed=5, dtype=dtype), normal(3, seed=6, dtype=dtype))
    norm, x = batch_norm(dtype=dtype), normal(20, 4, dtype=dtype)
    for i in range(20):
        norm.forward(affine.forward(normal(10, 4, seed=i, dtype=dtype)))
    one = to_numpy(folded(affine, norm).forward(x))
    norm.training = False
    two = to_numpy(norm.forward(affine.forward(x)))
    assert np.abs(one - two).max() < tolerance * np.abs(two).max()


# ---- the channels of pictures


def test_channels_in_the_middle_are_one_transpose_away():
    images, layer = 3 + 2 * normal(4, 3, 5, 6), plain()  # (N, C, H, W)
    y = layer.forward(images.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    np.testing.assert_allclose(to_numpy(y.mean(axis=(0, 2, 3))), 0, atol=1e-13)
    np.testing.assert_allclose(to_numpy(y.var(axis=(0, 2, 3))), 1, atol=1e-5)
