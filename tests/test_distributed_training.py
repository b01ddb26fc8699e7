"""Training by shares: the gradient of the whole batch, whoever computes its parts."""

import numpy as np
import pytest

from common.batches import Shuffled
from common.distributed_training import DataParallel, LocalSGD, shared_out
from common.layers import (
    LSTM,
    Affine,
    BatchNorm,
    Dropout,
    Embedding,
    Layer,
    Make,
    Model,
    ReLU,
    SoftmaxWithLoss,
)
from common.layers.base import unique_parameters
from common.models.classifiers import Classifier
from common.optimizers import SGD, Adam
from common.training import Trainer
from tests.helpers import bad_input, dense
from tests.test_parallel_counting import Here


class Workers(Here):
    """Stands for a client whose workers know nothing but what they are sent; some of them do things twice."""

    def __init__(self, twice=()):
        super().__init__()
        self.twice, self.status = twice, "running"

    def submit(self, function, *arguments, pure=True):
        for _ in range(1 + (len(self.calls) in self.twice)):
            done = super().submit(function, *arguments)
        done.cancelled = lambda: False
        return done

    def gather(self, futures):
        return [future.result() for future in futures]


class Tied(Model):
    """A model of words whose embedding is its last matrix, too."""

    def __init__(self, rng, dtype=np.float64):
        W = rng.standard_normal((7, 5)).astype(dtype)
        self.embedding, self.scores = Embedding(W), Affine(W.T, np.zeros(7, dtype))
        self.loss = SoftmaxWithLoss()

    def forward(self, x, t, mask=None):
        return self.loss.forward(self.scores.forward(self.embedding.forward(x)), t, mask)

    def backward(self):
        self.embedding.backward(self.scores.backward(self.loss.backward()))


def classifier(dtype=np.float64, drop=0.0, seed=0):
    rng = np.random.default_rng(seed)
    make = Make(rng, dtype)
    dropped = [Dropout(drop, rng)] if drop else []
    return Classifier(make.affine(6, 8), ReLU(), *dropped, make.affine(8, 3))


def data(N=47, dtype=np.float64):
    x = np.random.default_rng(1).standard_normal((N, 6)).astype(dtype)
    return x, (x[:, 0] > 0).astype(int) + (x[:, 1] > 0)


def fit(model, optimizer, batch_size=10, epochs=2, dtype=np.float64, **options):
    trainer = Trainer(model, optimizer, np.random.default_rng(3), max_grad_norm=1.0)
    trainer.fit(Shuffled(*data(dtype=dtype), batch_size), epochs, **options)
    return trainer


def largest_difference(one, two):
    pairs = zip(unique_parameters(one)[0], unique_parameters(two)[0])
    return max(float(np.abs(a - b).max()) for a, b in pairs)


@pytest.mark.parametrize("parts", [1, 2, 3, 7, 20])  # batches of 10, and a last one of 7
@pytest.mark.parametrize(("dtype", "bound"), [(np.float64, 1e-12), (np.float32, 1e-6)])
def test_unequal_shares_give_what_one_process_gives(parts, dtype, bound):
    one, two = classifier(dtype), classifier(dtype)
    alone = fit(one, Adam(0.01) if dtype is np.float64 else SGD(0.1), dtype=dtype)
    optimizer = Adam(0.01) if dtype is np.float64 else SGD(0.1)
    together = fit(DataParallel(two, Workers(), parts), optimizer, dtype=dtype)
    assert largest_difference(one, two) < bound and largest_difference(one, classifier(dtype)) > 0.01
    np.testing.assert_allclose(alone.history, together.history, rtol=0, atol=bound)


def test_a_mean_of_means_would_be_something_else():
    """What the shares' sizes are for."""
    x, t = data(11)
    model = classifier()
    wrong = DataParallel(model, Workers(), 3, count=lambda *share: 1)
    right = DataParallel(model, Workers(), 3)
    whole = float(model.forward(x, t))
    assert abs(right.forward(x, t) - whole) < 1e-12 and abs(wrong.forward(x, t) - whole) > 1e-4


@pytest.mark.parametrize("parts", [1, 2, 4])
def test_a_shared_weight_gets_the_gradient_of_both_its_places(parts):
    """The embedding's gradient has rows alone, and the mask leaves another number out of each share."""
    rng = np.random.default_rng(0)
    x, t = rng.integers(7, size=(2, 9, 4))
    mask = np.arange(4) < rng.integers(1, 5, size=(9, 1))
    one, two = Tied(np.random.default_rng(2)), Tied(np.random.default_rng(2))
    together = DataParallel(two, Workers(), parts, count=lambda x, t, mask: mask.sum())
    assert abs(one.forward(x, t, mask) - together.forward(x, t, mask)) < 1e-12
    one.backward()
    together.backward()
    for a, b in zip(unique_parameters(one)[1], unique_parameters(together)[1]):
        np.testing.assert_allclose(dense(a), dense(b), atol=1e-12)
    np.testing.assert_array_equal(two.embedding.params[0], two.scores.params[0].T)


def test_one_local_step_is_a_step_of_all():
    one, two = classifier(), classifier()
    trainer = Trainer(one, SGD(0.1), np.random.default_rng(3))
    trainer.fit(Shuffled(*data(), 10), 2)
    local = Trainer(LocalSGD(two, Workers(), 3, 1, 0.1), SGD(1.0), np.random.default_rng(3))
    local.fit(Shuffled(*data(), 10), 2)
    assert largest_difference(one, two) < 1e-12


def test_local_steps_are_those_that_each_would_take_alone_and_then_the_mean():
    x, t = data(16)
    model, expected = classifier(), []
    for half in (slice(0, 8), slice(8, 16)):
        alone = classifier()
        for quarter in (slice(0, 4), slice(4, 8)):
            alone.forward(x[half][quarter], t[half][quarter])
            alone.backward()
            SGD(0.3).update(alone.params, alone.grads)
        expected.append(alone.params)
    local = LocalSGD(model, Workers(), 2, 2, 0.3)
    local.forward(x, t)
    local.backward()
    SGD(1.0).update(*unique_parameters(local))
    for param, one, two in zip(model.params, *expected):
        np.testing.assert_allclose(param, (one + two) / 2, atol=1e-12)


def test_local_steps_move_a_shared_weight_once():
    rng = np.random.default_rng(0)
    x, t = rng.integers(7, size=(2, 8, 4))
    model, alone = Tied(np.random.default_rng(2)), Tied(np.random.default_rng(2))
    local = LocalSGD(model, Workers(), 1, 2, 0.3)
    local.forward(x, t)
    local.backward()
    SGD(1.0).update(*unique_parameters(local))
    for half in (slice(0, 4), slice(4, 8)):
        alone.forward(x[half], t[half])
        alone.backward()
        SGD(0.3).update(*unique_parameters(alone))
    assert largest_difference(model, alone) < 1e-12


def test_each_share_draws_its_own_random_numbers_and_the_same_ones_when_it_is_done_twice():
    def losses(twice=()):
        model = DataParallel(classifier(drop=0.5), Workers(twice), 2, np.random.default_rng(7))
        return fit(model, SGD(0.1)).history

    once = losses()
    assert once == losses(twice=range(1, 40, 3))
    seen = []

    class Watched(Workers):
        def submit(self, function, *arguments, pure=True):
            seen.extend(a for a in arguments if isinstance(a, int))
            return super().submit(function, *arguments)

    model = DataParallel(classifier(drop=0.5), Watched(), 2, np.random.default_rng(7))
    model.forward(*data(4))
    model.forward(*data(4))
    assert len(seen) == len(set(seen)) == 4


def test_stopped_and_gone_on_with_is_the_same_as_never_stopped(tmp_path):
    def model():
        return DataParallel(classifier(drop=0.3), Workers(), 2, np.random.default_rng(7))

    path = tmp_path / "c.checkpoint.npz"
    whole, first, second = model(), model(), model()
    history = fit(whole, Adam(0.01), epochs=3).history
    fit(first, Adam(0.01), epochs=1, checkpoint=path)
    assert fit(second, Adam(0.01), epochs=3, checkpoint=path).history == history
    assert largest_difference(whole, second) == 0
    with pytest.raises(ValueError, match=r"different parts \(2, now 3\)"):
        fit(
            DataParallel(classifier(drop=0.3), Workers(), 3, np.random.default_rng(7)),
            Adam(0.01),
            checkpoint=path,
        )


def test_layers_that_are_switched_off_are_so_for_the_workers():
    model = classifier(drop=0.5)
    together = DataParallel(model, Workers(), 2, np.random.default_rng(0))
    together.forward(*data())
    next(layer for _, layer in model.body.named_layers() if isinstance(layer, Dropout)).training = False
    losses = {together.forward(*data()) for _ in range(3)}
    assert len(losses) == 1


def test_a_layer_that_gives_nan_is_named():
    model = classifier()
    model.params[0][0, 0] = np.nan
    with pytest.raises(FloatingPointError, match=r"epoch 1, step 1: body.*\(Affine\), forward, gave numbers"):
        fit(DataParallel(model, Workers(), 2), SGD(0.1))


def test_shares_are_rows_in_order_and_none_is_empty():
    x = np.arange(7)
    shares = shared_out((x, 10 * x), 3)
    assert [len(share[0]) for share in shares] == [2, 2, 3]
    assert np.concatenate([share[1] for share in shares]).tolist() == (10 * x).tolist()
    assert len(shared_out((x[:2],), 5)) == 2


class Keeps(Model):
    def __init__(self, layer: Layer) -> None:
        self.layer = layer


def lstm():
    return LSTM(*(np.zeros(shape) for shape in ((2, 12), (3, 12), 12)), stateful=True)


test_bad_input = bad_input(
    {
        "parts": (lambda: DataParallel(classifier(), Workers(), 0), "parts is 0"),
        "steps": (lambda: LocalSGD(classifier(), Workers(), 2, 0), "steps is 0"),
        "lr": (lambda: LocalSGD(classifier(), Workers(), 2, 2, -1.0), "lr is -1.0"),
        "running means": (
            lambda: DataParallel(Keeps(BatchNorm(np.ones(3), np.zeros(3))), Workers()),
            r"keeps more than its weights \(layer.running_mean",
        ),
        "a state": (lambda: DataParallel(Keeps(lstm()), Workers()), r"keeps more than its weights \(layer\)"),
        "no generator": (lambda: DataParallel(classifier(drop=0.5), Workers()), "draws random numbers; rng"),
        "rng": (lambda: DataParallel(classifier(), Workers(), rng=3), "rng is"),
        "rows": (
            lambda: DataParallel(classifier(), Workers()).forward(data()[0], data()[1][:5]),
            r"have \[5, 47\] rows; they should have as many each",
        ),
    }
)
