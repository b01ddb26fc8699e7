"""Training: same seed, same bits; resumed, the same bits; what goes wrong is named, and nothing is lost."""

import math
import os
import signal
import subprocess
import sys
import threading
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.backend import to_numpy
from common.batches import Batches, InOrder, Prepared, Shuffled, block, blocks, checksum, strands
from common.checkpoints import keep_best
from common.layers import (
    Affine,
    Dropout,
    Embedding,
    Model,
    Sigmoid,
    SoftmaxWithLoss,
    find_generators,
    held,
)
from common.metrics import perplexity
from common.models.language_model import LanguageModel
from common.optimizers import SGD, AdaGrad, Adam, AdamW, Momentum, Nesterov, RMSprop
from common.schedules import cosine, cut_short, linear_decay
from common.support.files import read_npz
from common.support.row_gradient import RowGradient
from common.training import Trainer, clip_gradients, gradient_norm, train_step
from common.weights import Averaged, load_weights
from tests.golden.reference import GOLDEN

ROOT = Path(__file__).resolve().parent.parent
ALL = [SGD, Momentum, Nesterov, AdaGrad, RMSprop, Adam, AdamW]


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


x, y = data()
TEXT = np.random.default_rng(1).integers(0, 6, 200)


def shuffled(batch_size=8):
    return Shuffled(x, y, batch_size)


def trainer(optimizer=Adam, shared=False, max_grad_norm=1.0, H=8, lr=0.05, **options):
    rng = np.random.default_rng(1984)
    model = Net(rng, rng if shared else None, H)
    return Trainer(model, optimizer(lr), rng, max_grad_norm, **options)


def reader(seed=1984, dropout=0.2, lr=0.5, **options):
    """A trainer for texts, with a generator that the model shares."""
    rng = np.random.default_rng(seed)
    model = LanguageModel(6, 5, 5, rng, dropout=dropout)
    return Trainer(model, SGD(lr), rng, 1.0, **options)


class FromAnywhere(Batches):
    """A reader's own: each epoch begins at another word, and reads backwards."""

    def __init__(self, step=9):
        self.step = step

    def __len__(self):
        return 5

    def __getitem__(self, i):
        xs, ts = strands(TEXT[self.start :], 3)
        return block(xs, ts, self.step, self.order[i])

    def begin_epoch(self, model, rng):
        self.start, self.order = int(rng.integers(0, 20)), range(5)[::-1]

    def about(self):
        return {"step": self.step, "data": checksum(TEXT)}


def of_many_shapes():
    return Prepared([(TEXT[: n * 4].reshape(4, n), TEXT[1 : n * 4 + 1].reshape(4, n)) for n in range(1, 8)])


KINDS = {
    "shuffled": (trainer, shuffled),
    "in order": (reader, lambda: InOrder(TEXT, 4, 7)),
    "prepared": (reader, of_many_shapes),
    "a reader's own": (reader, FromAnywhere),
}


def same_bits(one, two):
    """Whether two runs are the same in every number that the next step depends on."""
    states, arrays = [], []
    for t in (one, two):
        states.append([rng.bit_generator.state for rng in (t.rng, *find_generators(t.model))])
        kept = [array for array in held(t.model).values() if array is not None]
        lists = [np.array(numbers) for numbers in (t.history, t.rates, t.epoch_losses)]
        memory = [a for memory in t.optimizer.state for a in memory]
        arrays.append([*map(to_numpy, [*t.model.params, *memory, *kept]), *lists])
    return states[0] == states[1] and len(arrays[0]) == len(arrays[1]) and all(map(np.array_equal, *arrays))


class Stop(Exception):
    """A power cut."""


def stop_at(step, t):
    """Let a trainer die in the given step, when its gradients are there."""
    original, steps = t.optimizer.update, []

    def update(*args):
        steps.append(1)
        if len(steps) == step:
            raise Stop
        original(*args)

    t.optimizer.update = update
    return t


# ---- the loop


def test_training_lowers_the_loss_and_keeps_its_history():
    t = trainer()
    history = t.fit(shuffled(), epochs=20)
    assert len(history) == 20 * 7 and history is t.history and len(t.epoch_losses) == 20
    assert t.epoch_losses[-1] < 0.5 * t.epoch_losses[0]
    assert t.epoch_losses[0] == pytest.approx(np.mean(history[:7]))
    assert all(p.dtype == np.float32 for p in t.model.params)


def test_the_same_seed_gives_the_same_bits():
    one, two = trainer(), trainer()
    for t in (one, two):
        t.fit(shuffled(), epochs=3)
    assert same_bits(one, two)


def test_on_epoch_is_called_after_each_epoch_and_training_is_switched_on_again():
    seen = []

    def on_epoch(t):
        seen.append((t.epoch, len(t.history)))
        t.model.training = False

    t = trainer()
    t.fit(shuffled(25), epochs=3, on_epoch=on_epoch)
    assert seen == [(1, 2), (2, 4), (3, 6)]
    assert all(layer.factor.min() == 0 for layer in (t.model.layers[2],)), "dropout was off in the last epoch"


def test_nothing_is_shown_when_progress_is_off(capfd, monkeypatch):
    monkeypatch.setenv("BOOK_PROGRESS", "0")
    trainer().fit(shuffled(), epochs=2)
    assert capfd.readouterr() == ("", "")


@given(st.integers(1, 40), st.integers(1, 40))
def test_shuffled_batches_give_every_example_once(n, batch_size):
    numbers = np.arange(n)
    if batch_size > n:
        with pytest.raises(ValueError, match="batch_size is"):
            Shuffled(numbers, numbers, batch_size)
        return
    batches = Shuffled(numbers, 2 * numbers, batch_size)
    batches.begin_epoch(None, np.random.default_rng(0))
    read = [batches[i] for i in range(len(batches))]
    assert sorted(np.concatenate([a for a, _ in read])) == list(range(n))
    assert all(np.array_equal(2 * a, b) for a, b in read)
    assert all(len(a) == batch_size for a, _ in read[:-1]) and len(read[-1][0]) > 0


def test_prepared_batches_come_once_each_in_an_order_that_changes():
    batches, rng = of_many_shapes(), np.random.default_rng(0)
    orders = []
    for _ in range(2):
        batches.begin_epoch(None, rng)
        orders.append([batches[i][0].shape[1] for i in range(len(batches))])
    assert sorted(orders[0]) == sorted(orders[1]) == list(range(1, 8)) and orders[0] != orders[1]


def test_in_order_each_epoch_begins_at_state_zero_and_each_block_where_the_last_ended():
    t = reader(dropout=0, lr=1e-30)  # the weights stay
    t.fit(InOrder(TEXT, 4, 8), epochs=2)
    assert len(t.history) == 14 and t.history[:7] == t.history[7:]
    expected, model = [], reader(dropout=0).model
    for xs, ts in blocks(*strands(TEXT, 4), 8):
        expected.append(float(model.forward(xs, ts)))
    assert t.history[:7] == expected


def test_a_step_of_your_own_is_the_step_of_the_trainer():
    t, own = trainer(), trainer()
    t.fit(shuffled(), epochs=1)
    batches = shuffled()
    batches.begin_epoch(own.model, own.rng)
    losses = [train_step(own.model, own.optimizer, *batches[i], max_norm=1.0) for i in range(len(batches))]
    assert losses == t.history and all(map(np.array_equal, t.model.params, own.model.params))


def test_after_each_step_the_hook_is_called():
    seen = []
    t = trainer(after_step=lambda t: seen.append((t.step, len(t.history), t.rates[-1])))
    t.fit(shuffled(), epochs=2)
    assert seen == [(1 + i % 7, 1 + i, 0.05) for i in range(14)]


def averaged(decay=0.9):
    t = trainer()
    t.after_step = Averaged(t.model, decay)
    return t


def test_averages_follow_the_weights_are_used_for_a_while_and_resumed(tmp_path):
    t, seen = averaged(), []
    watch = t.after_step
    t.after_step = lambda trainer: (watch(trainer), seen.append(trainer.model.out.params[1].copy()))
    expected = t.model.out.params[1].copy()
    t.fit(shuffled(), epochs=3)
    for weights in seen:
        expected = 0.9 * expected + 0.1 * weights
    np.testing.assert_allclose(watch.arrays["out.b"], expected, rtol=1e-5)
    own = t.model.out.params[1].copy()
    with watch.in_use():
        assert np.array_equal(t.model.out.params[1], watch.arrays["out.b"])
    assert np.array_equal(t.model.out.params[1], own)

    stopped = stop_at(12, averaged())
    with pytest.raises(Stop):
        stopped.fit(shuffled(), 3, tmp_path / "c.npz", checkpoint_every=2)
    resumed = averaged()
    resumed.fit(shuffled(), 3, tmp_path / "c.npz")
    assert same_bits(t, resumed)
    assert all(map(np.array_equal, watch.arrays.values(), resumed.after_step.arrays.values()))
    with pytest.raises(ValueError, match=r"with different decay|after_step\.decay \(0\.9, now 0\.5\)"):
        averaged(0.5).fit(shuffled(), 3, tmp_path / "c.npz")
    with pytest.raises(ValueError, match="decay is 1; it should be at least 0 and below 1"):
        averaged(1)


def test_a_model_learns_what_is_certain_and_the_best_weights_are_kept(tmp_path):
    cycle, kept = np.arange(200) % 6, tmp_path / "best.npz"
    backwards = cycle[::-1].copy()
    t = reader(dropout=0, lr=1.0)

    def measure():
        return perplexity(t.model, cycle if len(t.epoch_losses) < 9 else backwards, 4, 7)

    t.fit(InOrder(cycle, 4, 7), 12, on_epoch=keep_best(measure, "perplexities", kept))
    values = t.notes["perplexities"]
    assert len(values) == 12 and min(values) == values[7] < 3 < values[8]
    load_weights(kept, t.model)
    assert perplexity(t.model, cycle, 4, 7) == values[7]


def test_the_global_generator_is_left_alone():
    np.random.seed(3)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    trainer().fit(shuffled(), epochs=1)
    assert np.array_equal(before, np.random.get_state()[1])  # noqa: NPY002


# ---- clipping


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


# ---- stop and resume


@pytest.mark.parametrize("shared", [False, True], ids=["own generator", "shared generator"])
@pytest.mark.parametrize("optimizer", ALL)
def test_stopped_and_resumed_gives_the_same_bits(tmp_path, optimizer, shared):
    path = tmp_path / "run.checkpoint.npz"
    whole, resumed = trainer(optimizer, shared), trainer(optimizer, shared)
    whole.fit(shuffled(), epochs=4)
    with pytest.raises(Stop):  # in the middle of the third epoch, after a checkpoint at step 15
        stop_at(18, trainer(optimizer, shared)).fit(shuffled(), 4, path, checkpoint_every=5)
    resumed.model.params[0][...] = 0  # whatever it begins with
    history = resumed.fit(shuffled(), 4, path, checkpoint_every=5)
    assert same_bits(whole, resumed) and history == whole.history


@pytest.mark.parametrize("step", [1, 2, 7, 8, 12])
@pytest.mark.parametrize("kind", KINDS)
def test_all_kinds_of_batches_are_resumed_to_the_same_bits(tmp_path, kind, step, capsys):
    make, batches = KINDS[kind]
    path, whole, resumed = tmp_path / "run.checkpoint.npz", make(), make()
    whole.fit(batches(), epochs=3)
    with pytest.raises(Stop):
        stop_at(step, make()).fit(batches(), 3, path, checkpoint_every=1)
    resumed.fit(batches(), 3, path)
    assert same_bits(whole, resumed)
    if step > 1:
        per_epoch = len(batches())
        done = f"after {(step - 1) // per_epoch} epochs and {(step - 1) % per_epoch} steps"
        assert capsys.readouterr().out.startswith(
            f"Going on from {path}, {done}, with the weights and random"
        )


@pytest.mark.parametrize("kind", KINDS)
def test_all_kinds_of_batches_name_the_layer_of_a_nan_and_put_all_back(kind):
    make, batches = KINDS[kind]
    t = make()
    t.fit(batches(), epochs=1)
    t.model.params[-1][0] = np.nan
    before = [p.copy() for p in t.model.params], held(t.model)
    generators = [rng.bit_generator.state for rng in find_generators(t.model)]
    with pytest.raises(FloatingPointError, match=r"forward, gave numbers that are not finite"):
        train_step(t.model, t.optimizer, *batches_of(batches(), t)[0])
    assert all(np.array_equal(a, b, equal_nan=True) for a, b in zip(before[0], t.model.params))
    assert [rng.bit_generator.state for rng in find_generators(t.model)] == generators
    assert all(map(np.array_equal, before[1].values(), held(t.model).values()))


def batches_of(batches, t):
    batches.begin_epoch(Model(), np.random.default_rng(0))
    return batches


def test_a_step_that_fails_for_another_reason_puts_all_back_too():
    t = reader()
    t.fit(InOrder(TEXT, 4, 7), epochs=1)
    before, generators = held(t.model), [rng.bit_generator.state for rng in find_generators(t.model)]
    with pytest.raises(ValueError, match="t holds numbers from 9 to 9"):  # seen by the last layer
        train_step(t.model, t.optimizer, np.ones((4, 2), int), np.full((4, 2), 9))
    assert all(map(np.array_equal, before.values(), held(t.model).values()))
    assert [rng.bit_generator.state for rng in find_generators(t.model)] == generators


def test_a_changed_learning_rate_is_resumed_too(tmp_path):
    def slower(t):
        t.optimizer.lr /= 2

    options = {"on_epoch": slower}
    whole, first, second = trainer(), trainer(), trainer()
    whole.fit(shuffled(), epochs=4, **options)
    first.fit(shuffled(), epochs=2, checkpoint=tmp_path / "c.npz", **options)
    second.fit(shuffled(), epochs=4, checkpoint=tmp_path / "c.npz", **options)
    assert same_bits(whole, second) and second.optimizer.lr == 0.05 / 16


def test_a_finished_run_is_loaded(tmp_path):
    one, two = trainer(), trainer()
    one.fit(shuffled(), epochs=2, checkpoint=tmp_path / "c.npz")
    before = (tmp_path / "c.npz").read_bytes()
    assert two.fit(shuffled(), epochs=2, checkpoint=tmp_path / "c.npz") == one.history
    assert same_bits(one, two) and (tmp_path / "c.npz").read_bytes() == before


def test_other_kinds_of_generators_are_resumed(tmp_path):
    def make():
        rng = np.random.Generator(np.random.MT19937(1))
        return Trainer(Net(rng, np.random.Generator(np.random.Philox(2))), SGD(0.1), rng)

    whole, first, second = make(), make(), make()
    whole.fit(shuffled(), epochs=3)
    first.fit(shuffled(), epochs=1, checkpoint=tmp_path / "c.npz")
    second.fit(shuffled(), epochs=3, checkpoint=tmp_path / "c.npz")
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
t.fit(here.shuffled(), epochs=400, checkpoint={path!r}, checkpoint_every=3)
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
    whole.fit(shuffled(), epochs=epochs)
    resumed.fit(shuffled(), epochs=epochs, checkpoint=path)
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
    after = f"{steps // 7} epochs and {steps % 7} steps, saved in {path} (run again, it goes on)."
    assert sentence == f"Stopped (Ctrl-C or the stop button) after {after}"


def test_ctrl_c_is_handed_back_after_training():
    before = signal.getsignal(signal.SIGINT)
    trainer().fit(shuffled(), epochs=1)
    assert signal.getsignal(signal.SIGINT) is before


def test_training_works_outside_the_main_thread():
    t = trainer()
    thread = threading.Thread(target=t.fit, args=(shuffled(), 2))
    thread.start()
    thread.join()
    assert len(t.history) == 14


def edited(**changes):
    """A reader with other settings."""
    t = reader()
    for name, value in changes.items():
        setattr(t.model.layers[0], name, value)
    return t


OTHERS = {
    "sizes": (trainer, shuffled, lambda: trainer(H=9), shuffled, "model"),
    "rule": (trainer, shuffled, lambda: trainer(SGD), shuffled, "optimizer"),
    "generators": (trainer, shuffled, lambda: trainer(shared=True), shuffled, "generators"),
    "batch size": (trainer, shuffled, trainer, lambda: shuffled(10), "batch_size"),
    "fewer": (trainer, shuffled, trainer, lambda: Shuffled(x[:40], y[:40], 8), "examples, data"),
    "targets": (trainer, shuffled, trainer, lambda: Shuffled(x, (y + 1) % 3, 8), "data"),
    "lr": (trainer, shuffled, lambda: trainer(lr=0.5), shuffled, r"lr \(0\.05, now 0\.5\)"),
    "beta": (
        trainer,
        shuffled,
        lambda: trainer(lambda lr: Adam(lr, beta1=0.5)),
        shuffled,
        r"beta1 \(0\.9, now 0\.5\)",
    ),
    "clipping": (
        trainer,
        shuffled,
        lambda: trainer(max_grad_norm=None),
        shuffled,
        r"max_grad_norm \(1\.0, now None\)",
    ),
    "a schedule": (
        trainer,
        shuffled,
        lambda: trainer(schedule=lambda step: 0.05 + step),
        shuffled,
        r"schedule \(False, now True\), schedule",
    ),
    "another schedule": (
        lambda: trainer(schedule=linear_decay(0.1, 20)),
        shuffled,
        lambda: trainer(schedule=linear_decay(0.1, 30)),
        shuffled,
        "schedule",
    ),
    "dropout": (
        reader,
        lambda: InOrder(TEXT, 4, 7),
        lambda: edited(ratio=0.5),
        lambda: InOrder(TEXT, 4, 7),
        r"layers\.0\.ratio \(0\.2, now 0\.5\)",
    ),
    "frozen": (
        reader,
        lambda: InOrder(TEXT, 4, 7),
        lambda: edited(training=False),
        lambda: InOrder(TEXT, 4, 7),
        r"layers\.0\.training \(True, now False\)",
    ),
    "length": (reader, lambda: InOrder(TEXT, 4, 7), reader, lambda: InOrder(TEXT, 4, 9), "T"),
    "text": (reader, lambda: InOrder(TEXT, 4, 7), reader, lambda: InOrder(TEXT[::-1].copy(), 4, 7), "data"),
    "kind": (reader, of_many_shapes, reader, FromAnywhere, "batches, step, data"),
    "own": (reader, FromAnywhere, reader, lambda: FromAnywhere(8), "step"),
    "prepared": (
        reader,
        of_many_shapes,
        reader,
        lambda: Prepared(of_many_shapes().batches[1:]),
        "number, data",
    ),
}


@pytest.mark.parametrize("name", OTHERS)
def test_a_checkpoint_of_another_run_is_refused_and_nothing_is_changed(tmp_path, name):
    make, batches, other, others, different = OTHERS[name]
    path = tmp_path / "c.npz"
    make().fit(batches(), 2, path)
    file, second = path.read_bytes(), other()
    before, lr = [p.copy() for p in second.model.params], second.optimizer.lr
    with pytest.raises(
        ValueError, match=f"is a checkpoint of another run, with different {different}; delete it"
    ) as caught:
        second.fit(others(), 2, path)
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == file and all(map(np.array_equal, before, second.model.params))
    assert second.optimizer.lr == lr


@pytest.mark.parametrize("kind", [list, np.int32, np.uint8])
def test_the_same_text_in_another_type_is_the_same_data(tmp_path, kind):
    path = tmp_path / "c.npz"
    reader().fit(InOrder(TEXT, 4, 7), 1, path)
    whole, resumed = reader(), reader()
    whole.fit(InOrder(TEXT, 4, 7), 2)
    resumed.fit(InOrder(TEXT.tolist() if kind is list else TEXT.astype(kind), 4, 7), 2, path)
    assert same_bits(whole, resumed)


def test_a_schedule_may_change_what_is_still_to_come(tmp_path):
    long = linear_decay(0.1, steps=40, constant=0.5)
    trainer(schedule=long).fit(shuffled(), 2, tmp_path / "c.npz")  # 14 steps
    t = trainer(schedule=cut_short(long, begin=14, end=21))
    t.fit(shuffled(), 3, tmp_path / "c.npz")
    assert t.rates[:14] == [0.1] * 14 and t.rates[15] < 0.09 and len(t.rates) == 21


def test_one_trainer_goes_on_epoch_by_epoch(tmp_path):
    whole, one = trainer(), trainer()
    whole.fit(shuffled(), 3, on_epoch=lambda t: setattr(t.optimizer, "lr", 0.05 / (1 + t.epoch)))
    for epochs in (1, 2, 3):
        slower = lambda t: setattr(t.optimizer, "lr", 0.05 / (1 + t.epoch))  # noqa: E731
        one.fit(shuffled(), epochs, tmp_path / "c.npz", on_epoch=slower)
    assert same_bits(whole, one)


@pytest.mark.parametrize("content", ["truncated", "weights"])
def test_a_file_that_is_no_whole_checkpoint_is_refused(tmp_path, content):
    path = tmp_path / "c.npz"
    if content == "weights":
        np.savez(path, W=np.ones(3))
    else:
        trainer().fit(shuffled(), 1, path)
        path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match=r"is not a checkpoint|is damaged"):
        trainer().fit(shuffled(), 1, path)


# ---- what goes wrong


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
        t.fit(shuffled(), epochs=4)
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
        t.fit(shuffled(), epochs=1)


def test_a_step_that_is_far_too_long_is_caught_without_warnings():
    t = trainer(SGD, max_grad_norm=None, lr=1e38)
    with pytest.raises(FloatingPointError, match="a smaller lr"):
        t.fit(shuffled(), epochs=5)


def fit(batches=None, epochs=1, **options):
    return trainer().fit(shuffled(50) if batches is None else batches(), epochs, **options)


BAD = {
    "empty": (lambda: Shuffled(x[:0], y[:0], 1), "x is empty; it should hold at least one example"),
    "unequal": (lambda: Shuffled(x, y[:-1], 8), "x has 50 examples and t has 49"),
    "large": (
        lambda: shuffled(51),
        "batch_size is 51; it should be a whole number from 1 to 50",
    ),
    "no batch": (lambda: shuffled(0), "batch_size is 0"),
    "half": (lambda: shuffled(2.5), "batch_size is 2.5"),
    "None": (lambda: Shuffled(None, y, 8), "x is a NoneType; it should be an array of examples along axis 0"),
    "number": (lambda: Shuffled(x, 3, 8), "t is a int; it should be an array"),
    "list": (lambda: Shuffled([1, 2], y, 8), "x is a list; it should be an array"),
    "epochs": (lambda: fit(epochs=0), "epochs is 0; it should be a whole number, at least 1"),
    "half an epoch": (lambda: fit(epochs=1.5), "epochs is 1.5"),
    "every": (lambda: fit(checkpoint_every=-1), "checkpoint_every is -1"),
    "floats": (
        lambda: fit(lambda: Shuffled(x.astype(float), y, 8)),
        "ids holds float64; it should hold whole numbers from 0 to 5",
    ),
    "ids": (
        lambda: fit(lambda: Shuffled(x + 1, y, 50)),
        "ids holds numbers from 1 to 6; they should lie between 0 and 5",
    ),
    "targets": (
        lambda: fit(lambda: Shuffled(x, y + 1, 50)),
        "t holds numbers from 1 to 3; they should lie between 0 and 2",
    ),
    "arrays": (
        lambda: fit(lambda: x),
        "batches is a ndarray; it should be Batches: for",
    ),
    "nothing prepared": (
        lambda: fit(lambda: Prepared([])),
        "batches is empty; it should hold at least one",
    ),
    "no tuple": (lambda: Prepared([x]), "batch 0 is a ndarray; it should be a tuple of arrays"),
    "short": (lambda: strands(np.arange(4), 4), "ids has 4 words; it should have at least 5"),
    "no words": (lambda: InOrder(TEXT[:0], 3, 5), "ids has 0 words; it should have at least 4"),
    "T": (lambda: InOrder(TEXT, 4, 0), "T is 0; it should be a whole number, at least 1"),
    "N": (lambda: InOrder(TEXT, 2.5, 5), "N is 2.5; it should be a whole number"),
    "a sentence": (lambda: strands(["to", "be"], 1), "holds <U2; it should be one row of ids"),
    "two axes": (lambda: strands(TEXT.reshape(2, 100), 1), r"ids has shape \(2, 100\)"),
    "a text of others": (
        lambda: reader().fit(InOrder(TEXT + 1, 4, 100), 1),
        "ids holds numbers from 1 to 6; they should lie between 0 and 5",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_gets_one_clear_sentence(name):
    call, sentence = BAD[name]
    with pytest.raises((ValueError, TypeError), match=sentence) as caught:
        call()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("lr", [1e6, 1e30])
def test_a_loss_that_explodes_and_stays_a_number_stops_a_text(lr):
    rng = np.random.default_rng(1)
    t = Trainer(LanguageModel(6, 3, 3, rng), SGD(lr), rng)
    with warnings.catch_warnings(), pytest.raises(FloatingPointError, match="smaller lr"):
        warnings.simplefilter("error")
        t.fit(InOrder(TEXT, 2, 5), 3, on_epoch=keep_best(lambda: perplexity(t.model, TEXT)))
    assert all(math.isfinite(loss) and loss < 701 for loss in t.history)


def test_an_exploding_loss_is_told_and_weights_and_state_are_as_before():
    t = reader(dropout=0, lr=3e38)
    t.max_grad_norm = None
    with pytest.raises(FloatingPointError, match=r"epoch 1, step \d+: the loss exploded"):
        t.fit(InOrder(TEXT, 4, 8), 1)
    assert all(np.isfinite(p).all() for p in t.model.params)
    assert all(np.isfinite(part).all() for part in held(t.model).values())


def test_what_is_measured_after_an_epoch_should_be_finite():
    with pytest.raises(FloatingPointError, match="epoch 1: valid is inf; a smaller lr, or max_grad_norm"):
        trainer().fit(shuffled(), 2, on_epoch=keep_best(lambda: math.inf))


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
        run.fit(Shuffled(x, t, 4), epochs, tmp_path / "run.checkpoint.npz")

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


def test_cosine_rises_in_a_line_and_falls_as_that_of_pytorch_does():
    with np.load(GOLDEN / "optimizers.npz") as file:
        expected = file["cosine"]
    schedule = cosine(0.1, 40, rise=10, lowest=0.1)
    np.testing.assert_allclose([schedule(step) for step in range(45)], expected, rtol=1e-12)
    np.testing.assert_allclose([cosine(1.0, 4)(step) for step in (0, 2, 4)], [1, 0.5, 0], atol=1e-15)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"lr": 0}, "lr is 0; it should be a positive number"),
        ({"steps": 0}, "steps is 0; it should be a whole number, at least 1"),
        ({"rise": 10}, "rise is 10; it should be a whole number from 0 to below steps, 10"),
        ({"rise": 0.5}, "rise is 0.5; it should be a whole number"),
        ({"lowest": 1.5}, "lowest is 1.5; it should be at least 0 and below 1"),
    ],
)
def test_cosine_refuses_settings_that_give_no_schedule(settings, sentence):
    with pytest.raises(ValueError, match=sentence):
        cosine(**{"lr": 1.0, "steps": 10, **settings})


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
