"""Training: same seed, same bits; resumed, the same bits; what goes wrong is named, and nothing is lost."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.layers import Affine, Dropout, Embedding, Model, Sigmoid, SoftmaxWithLoss
from common.optimizers import SGD, AdaGrad, Adam, Momentum, Nesterov, RMSprop
from common.row_gradient import RowGradient
from common.training import Trainer, clip_gradients, cut_short, gradient_norm, linear_decay, minibatches
from common.weights import read_npz

ROOT = Path(__file__).resolve().parent.parent
ALL = [SGD, Momentum, Nesterov, AdaGrad, RMSprop, Adam]


class Net(Model):
    """Words in, dropout from a generator of its own or from the trainer's."""

    def __init__(self, rng, dropout_rng=None, H=8):
        def normal(*shape):
            return rng.standard_normal(shape).astype(np.float32) / 2

        dropout_rng = dropout_rng or np.random.default_rng(7)
        self.embedding = Embedding(normal(6, 4))
        self.layers = [Affine(normal(4, H), normal(H)), Sigmoid(), Dropout(0.2, dropout_rng)]
        self.again = Dropout(0.1, dropout_rng)
        self.out, self.loss = Affine(normal(H, 3), normal(3)), SoftmaxWithLoss()

    def forward(self, x, t):
        for layer in [self.embedding, *self.layers, self.again, self.out]:
            x = layer.forward(x)
        return self.loss.forward(x, t)

    def backward(self, dout=1):
        dout = self.loss.backward(dout)
        for layer in [self.out, self.again, *reversed(self.layers), self.embedding]:
            dout = layer.backward(dout)


def data(n=50):
    rng = np.random.default_rng(0)
    x = rng.integers(0, 6, n)
    return x, x % 3


def trainer(optimizer=Adam, shared=False, max_grad_norm=1.0, H=8, lr=0.05):
    rng = np.random.default_rng(1984)
    return Trainer(Net(rng, rng if shared else None, H), optimizer(lr), rng, max_grad_norm)


def same_bits(one, two):
    states = (
        [g.bit_generator.state for g in one._generators()],
        [g.bit_generator.state for g in two._generators()],
    )
    arrays = [
        [*t.model.params, *(a for memory in t.optimizer.state for a in memory), np.array(t.history)]
        for t in (one, two)
    ]
    return states[0] == states[1] and all(map(np.array_equal, *arrays))


# ---- the loop -------------------------------------------------------------------------------------------


def test_training_lowers_the_loss_and_keeps_its_history():
    t = trainer()
    history = t.fit(*data(), epochs=20, batch_size=8)
    assert len(history) == 20 * 7 and history is t.history and len(t.epoch_losses) == 20
    assert t.epoch_losses[-1] < 0.5 * t.epoch_losses[0]
    assert t.epoch_losses[0] == pytest.approx(np.mean(history[:7]))
    assert all(p.dtype == np.float32 for p in t.model.params)


def test_the_same_seed_gives_the_same_bits():
    one, two = trainer(), trainer()
    for t in (one, two):
        t.fit(*data(), epochs=3, batch_size=8)
    assert same_bits(one, two)


def test_on_epoch_is_called_after_each_epoch_and_training_is_switched_on_again():
    seen = []

    def on_epoch(t):
        seen.append((t.epoch, len(t.history)))
        t.model.training = False

    t = trainer()
    t.fit(*data(), epochs=3, batch_size=25, on_epoch=on_epoch)
    assert seen == [(1, 2), (2, 4), (3, 6)]
    assert all(layer.factor.min() == 0 for layer in (t.model.layers[2],)), "dropout was off in the last epoch"


def test_nothing_is_shown_when_progress_is_off(capfd, monkeypatch):
    monkeypatch.setenv("BOOK_PROGRESS", "0")
    trainer().fit(*data(), epochs=2, batch_size=8)
    assert capfd.readouterr() == ("", "")


@given(st.integers(1, 40), st.integers(1, 40))
def test_minibatches_give_every_example_once(n, batch_size):
    x = np.arange(n)
    if batch_size > n:
        with pytest.raises(ValueError, match="batch_size is"):
            next(minibatches(x, x, batch_size, np.random.default_rng(0)))
        return
    batches = list(minibatches(x, 2 * x, batch_size, np.random.default_rng(0)))
    assert sorted(np.concatenate([a for a, _ in batches])) == list(range(n))
    assert all(np.array_equal(2 * a, b) for a, b in batches)
    assert all(len(a) == batch_size for a, _ in batches[:-1])


def test_the_global_generator_is_left_alone():
    np.random.seed(3)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    trainer().fit(*data(), epochs=1, batch_size=8)
    assert np.array_equal(before, np.random.get_state()[1])  # noqa: NPY002


# ---- clipping -------------------------------------------------------------------------------------------


def test_clipping_shortens_and_keeps_the_direction():
    dense, rows = np.array([3.0, 0.0]), RowGradient(np.array([1]), np.array([[0.0, 4.0]]), (3, 2))
    grads = [dense, rows]
    assert clip_gradients(grads, 1.0) == 5.0
    np.testing.assert_allclose(grads[0], [0.6, 0])
    np.testing.assert_allclose(grads[1].values, [[0, 0.8]])
    assert dense.tolist() == [3, 0] and rows.values.tolist() == [[0, 4]]  # a layer's own gradients stay


def test_short_gradients_are_left_as_they_are():
    grads = [np.array([3.0, 4.0])]
    kept = grads[0]
    assert clip_gradients(grads, 5.0) == 5.0 and grads[0] is kept


@pytest.mark.parametrize(("dtype", "large"), [(np.float16, 3e4), (np.float32, 3e38), (np.float64, 1e300)])
def test_the_norm_of_huge_gradients_does_not_overflow(dtype, large):
    grads = [np.full(4, large, dtype)]
    assert gradient_norm(grads) == pytest.approx(2 * large, rel=1e-3)
    clip_gradients(grads, 1.0)
    assert grads[0].dtype == dtype
    np.testing.assert_allclose(grads[0].astype(float), 0.5, rtol=1e-2)


def test_the_norm_tells_what_is_not_finite():
    assert np.isnan(gradient_norm([np.array([1.0, np.nan]), np.array([np.inf])]))
    assert gradient_norm([np.array([-np.inf, 1.0])]) == np.inf
    assert gradient_norm([np.zeros(3), np.zeros((0, 2))]) == 0


# ---- stop and resume ------------------------------------------------------------------------------------


@pytest.mark.parametrize("shared", [False, True], ids=["own generator", "shared generator"])
@pytest.mark.parametrize("optimizer", ALL)
def test_stopped_and_resumed_gives_the_same_bits(tmp_path, optimizer, shared):
    path, batches = tmp_path / "run.checkpoint.npz", {"epochs": 4, "batch_size": 8}
    whole = trainer(optimizer, shared)
    whole.fit(*data(), **batches)

    class Stop(Exception):
        pass

    stopped = trainer(optimizer, shared)
    original, steps = stopped.optimizer.update, []

    def update(*args):
        steps.append(1)
        if len(steps) == 18:  # in the middle of the third epoch, after a checkpoint at step 15
            raise Stop
        original(*args)

    stopped.optimizer.update = update
    with pytest.raises(Stop):
        stopped.fit(*data(), **batches, checkpoint=path, checkpoint_every=5)
    resumed = trainer(optimizer, shared)
    resumed.model.params[0][...] = 0  # whatever it begins with
    history = resumed.fit(*data(), **batches, checkpoint=path, checkpoint_every=5)
    assert same_bits(whole, resumed) and history == whole.history
    assert resumed.epoch_losses == whole.epoch_losses


def test_a_changed_learning_rate_is_resumed_too(tmp_path):
    def slower(t):
        t.optimizer.lr /= 2

    batches = {"batch_size": 8, "on_epoch": slower}
    whole, first, second = trainer(), trainer(), trainer()
    whole.fit(*data(), epochs=4, **batches)
    first.fit(*data(), epochs=2, checkpoint=tmp_path / "c.npz", **batches)
    second.fit(*data(), epochs=4, checkpoint=tmp_path / "c.npz", **batches)
    assert same_bits(whole, second) and second.optimizer.lr == 0.05 / 16


def test_a_finished_run_is_loaded(tmp_path):
    one, two = trainer(), trainer()
    one.fit(*data(), epochs=2, batch_size=8, checkpoint=tmp_path / "c.npz")
    before = (tmp_path / "c.npz").read_bytes()
    assert two.fit(*data(), epochs=2, batch_size=8, checkpoint=tmp_path / "c.npz") == one.history
    assert same_bits(one, two) and (tmp_path / "c.npz").read_bytes() == before


def test_other_kinds_of_generators_are_resumed(tmp_path):
    def make():
        rng = np.random.Generator(np.random.MT19937(1))
        return Trainer(Net(rng, np.random.Generator(np.random.Philox(2))), SGD(0.1), rng)

    whole, first, second = make(), make(), make()
    whole.fit(*data(), epochs=3, batch_size=8)
    first.fit(*data(), epochs=1, batch_size=8, checkpoint=tmp_path / "c.npz")
    second.fit(*data(), epochs=3, batch_size=8, checkpoint=tmp_path / "c.npz")
    assert (
        all(map(np.array_equal, whole.model.params, second.model.params)) and whole.history == second.history
    )


SCRIPT = """
import sys, time
sys.path[:0] = [{root!r}, {tests!r}]
import test_training as here
t = here.trainer()
original = t.optimizer.update
def update(*args):
    original(*args)
    print("step", len(t.history), flush=True)
    time.sleep(0.01)
t.optimizer.update = update
t.fit(*here.data(), epochs=400, batch_size=8, checkpoint={path!r}, checkpoint_every=3)
print("returned", len(t.history))
"""


def start_a_long_run(path):
    script = SCRIPT.format(root=str(ROOT), tests=str(ROOT / "tests"), path=str(path))
    return subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "BOOK_PROGRESS": "0"},
    )


def wait_for_step(process, number):
    for line in process.stdout:
        if line.split() == ["step", str(number)]:
            return
    raise AssertionError(process.stderr.read())


def test_a_run_killed_in_mid_epoch_resumes_to_the_same_bits(tmp_path):
    path = tmp_path / "run.checkpoint.npz"
    process = start_a_long_run(path)
    wait_for_step(process, 24)
    process.kill()
    process.communicate()
    saved = read_npz(path)  # whole, whenever the kill came
    steps = len(saved["history"])
    assert steps >= 21 and (steps % 3 == 0 or steps % 7 == 0)
    epochs = steps // 7 + 3
    whole, resumed = trainer(), trainer()
    whole.fit(*data(), epochs=epochs, batch_size=8)
    resumed.fit(*data(), epochs=epochs, batch_size=8, checkpoint=path)
    assert same_bits(whole, resumed)


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C cannot be sent to one process on Windows")
def test_ctrl_c_ends_the_step_saves_says_so_and_returns(tmp_path):
    path = tmp_path / "run.checkpoint.npz"
    process = start_a_long_run(path)
    wait_for_step(process, 10)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 0 and errors == ""
    sentence, returned = output.strip().splitlines()[-2:]
    steps = len(read_npz(path)["history"])
    assert returned == f"returned {steps}"
    assert sentence == f"Stopped by Ctrl-C after {steps // 7} epochs and {steps % 7} steps, saved in {path}."


def test_ctrl_c_is_handed_back_after_training():
    before = signal.getsignal(signal.SIGINT)
    trainer().fit(*data(), epochs=1, batch_size=8)
    assert signal.getsignal(signal.SIGINT) is before


def test_training_works_outside_the_main_thread():
    t = trainer()
    thread = threading.Thread(target=t.fit, args=(*data(), 2, 8))
    thread.start()
    thread.join()
    assert len(t.history) == 14


x, y = data()


@pytest.mark.parametrize(
    ("make", "fit", "different"),
    [
        (lambda: trainer(H=9), {}, "model"),
        (lambda: trainer(SGD), {}, "optimizer"),
        (lambda: trainer(shared=True), {}, "generators"),
        (lambda: trainer(), {"batch_size": 10}, "batch_size"),
        (lambda: trainer(), {"x": x[:40], "t": y[:40]}, "examples, data"),
        (lambda: trainer(), {"t": (y + 1) % 3}, "data"),
    ],
)
def test_a_checkpoint_of_another_run_is_refused_and_nothing_is_changed(tmp_path, make, fit, different):
    path = tmp_path / "c.npz"
    settings = {"x": x, "t": y, "epochs": 2, "batch_size": 8, "checkpoint": path}
    trainer().fit(**settings)
    file, other = path.read_bytes(), make()
    before = [p.copy() for p in other.model.params]
    with pytest.raises(
        ValueError, match=f"is a checkpoint of another run, with different {different}; delete it"
    ):
        other.fit(**{**settings, **fit})
    assert path.read_bytes() == file and all(map(np.array_equal, before, other.model.params))


@pytest.mark.parametrize("content", ["truncated", "weights"])
def test_a_file_that_is_no_whole_checkpoint_is_refused(tmp_path, content):
    path = tmp_path / "c.npz"
    if content == "weights":
        np.savez(path, W=np.ones(3))
    else:
        trainer().fit(x, y, 1, 8, checkpoint=path)
        path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match=r"is not a checkpoint|is damaged"):
        trainer().fit(x, y, 1, 8, checkpoint=path)


# ---- what goes wrong ------------------------------------------------------------------------------------


class Broken(Sigmoid):
    """Gives NaN in the given call, forward or backward."""

    def __init__(self, at_call, where, value=np.nan):
        super().__init__()
        self.calls, self.at_call, self.where, self.value = 0, at_call, where, value

    def forward(self, x):
        self.calls += 1
        return super().forward(x) * (
            self.value if self.where == "forward" and self.calls >= self.at_call else 1
        )

    def backward(self, dout):
        return super().backward(dout) * (
            self.value if self.where == "backward" and self.calls >= self.at_call else 1
        )


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("max_grad_norm", [None, 1.0])
@pytest.mark.parametrize("where", ["forward", "backward"])
def test_a_number_that_is_not_finite_is_traced_to_its_layer(where, max_grad_norm, value):
    t = trainer(max_grad_norm=max_grad_norm)
    t.model.layers[1] = Broken(10, where, np.float32(value))
    weights = []
    original = t.optimizer.update

    def update(params, grads):
        original(params, grads)
        weights[:] = [p.copy() for p in params]

    t.optimizer.update = update
    with pytest.raises(FloatingPointError) as caught:
        t.fit(*data(), epochs=4, batch_size=8)
    sentence = str(caught.value)
    assert sentence.startswith(
        f"epoch 2, step 3: layers.1 (Broken), {where}, gave numbers that are not finite"
    )
    assert "\n" not in sentence
    assert all(map(np.array_equal, weights, t.model.params)), "the bad step has changed the weights"
    assert len(t.history) == 9


def test_weights_that_are_nan_are_traced_to_their_layer():
    t = trainer()
    t.model.out.params[0][0, 0] = np.nan
    with pytest.raises(FloatingPointError, match=r"epoch 1, step 1: out \(Affine\), forward, gave"):
        t.fit(*data(), epochs=1, batch_size=8)


def test_a_step_that_is_far_too_long_is_caught_without_warnings():
    t = trainer(SGD, max_grad_norm=None, lr=1e38)
    with pytest.raises(FloatingPointError, match="a smaller lr"):
        t.fit(*data(), epochs=5, batch_size=8)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"x": x[:0], "t": y[:0]}, "x is empty; it should hold at least one example"),
        ({"t": y[:-1]}, "x has 50 examples and t has 49"),
        ({"batch_size": 51}, "batch_size is 51; it should be a whole number from 1 to 50, the size of x"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"batch_size": 2.5}, "batch_size is 2.5"),
        ({"x": None}, "x is a NoneType; it should be an array of examples along axis 0"),
        ({"t": 3}, "t is a int; it should be an array"),
        ({"x": [1, 2]}, "x is a list; it should be an array"),
        ({"epochs": 0}, "epochs is 0; it should be a whole number, at least 1"),
        ({"epochs": 1.5}, "epochs is 1.5"),
        ({"checkpoint_every": -1}, "checkpoint_every is -1"),
        ({"x": x.astype(float)}, "ids holds float64; it should hold whole numbers from 0 to 5"),
        ({"x": x + 1}, "ids holds numbers from 1 to 6; they should lie between 0 and 5"),
        ({"t": y + 1}, "t holds numbers from 1 to 3; they should lie between 0 and 2"),
    ],
)
def test_bad_input_gets_one_clear_sentence(change, sentence):
    t = trainer()
    before = [p.copy() for p in t.model.params]
    with pytest.raises((ValueError, TypeError), match=sentence) as caught:
        t.fit(**{"x": x, "t": y, "epochs": 1, "batch_size": 50, **change})
    assert "\n" not in str(caught.value)
    assert all(map(np.array_equal, before, t.model.params))


@pytest.mark.parametrize("bad", [0, -1, float("nan")])
def test_a_bad_norm_gets_one_clear_sentence(bad):
    with pytest.raises(ValueError, match=r"max_grad_norm is .*; it should be a positive number or None"):
        trainer(max_grad_norm=bad)
    with pytest.raises(ValueError, match=r"max_norm is .*; it should be a positive number"):
        clip_gradients([np.ones(2)], bad)


def test_schedule_sets_the_learning_rate_of_each_update_and_survives_a_resume(tmp_path):
    x, t = data(8)
    used = []

    class Watched(SGD):
        def update(self, params, grads):
            used.append(self.lr)
            super().update(params, grads)

    def fit(epochs):
        rng = np.random.default_rng(0)
        watched = Watched(lr=9.0)
        run = Trainer(Net(rng), watched, rng, schedule=linear_decay(1.0, steps=4, constant=0.5))
        run.fit(x, t, epochs, batch_size=4, checkpoint=tmp_path / "run.checkpoint.npz")

    fit(1)
    fit(2)
    assert used == [1.0, 1.0, 1.0, 0.5]


def test_a_schedule_that_is_cut_short_follows_the_long_one_and_ends_at_0():
    long = linear_decay(1.0, steps=40, constant=0.5)
    short = cut_short(long, begin=30, end=34)
    assert [short(step) for step in range(31)] == [long(step) for step in range(31)]
    assert [short(step) for step in (30, 31, 32, 33, 34, 35)] == [0.5, 0.375, 0.25, 0.125, 0, 0]
    with pytest.raises(ValueError, match="begin is 4 and end is 4; begin should be at least 0 and below end"):
        cut_short(long, 4, 4)


@pytest.mark.parametrize("constant", [-0.1, 1.0])
def test_linear_decay_refuses_a_share_that_leaves_nothing_to_decay(constant):
    with pytest.raises(ValueError, match=f"constant is {constant}; it should be at least 0 and below 1"):
        linear_decay(1.0, 10, constant)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ((-1, 10), "lr is -1; it should be a positive number"),
        (("a", 10), "lr is 'a'; it should be a positive number"),
        ((1.0, 0), "steps is 0; it should be a whole number, at least 1"),
    ],
)
def test_linear_decay_refuses_settings_that_give_no_schedule(settings, sentence):
    with pytest.raises(ValueError, match=sentence):
        linear_decay(*settings)
