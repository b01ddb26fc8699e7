"""The Neural Turing Machine: its gradients through time, its tape, what is learned; and its tasks."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.backend import to_numpy
from common.batches import Drawn
from common.datasets import copy_task, recall_task, repeat_copy_task
from common.gradient_check import layer_errors
from common.layers import (
    CircularShift,
    ContentAddressing,
    InterpolationGate,
    MemoryAdd,
    MemoryErase,
    MemoryRead,
    Sharpening,
    count_parameters,
    unique_parameters,
)
from common.models.memory_machine import (
    BitWriter,
    FeedForwardCell,
    MemoryMachine,
    judge,
    lstm_machine,
    memory_machine,
    tape,
)
from common.optimizers import Adam
from common.training import Trainer, train_step
from common.weights import load_weights, save_weights
from tests.helpers import bad_input

SEEDS = st.integers(0, 2**32 - 1)
SMALL = st.integers(1, 4)


def rng(seed=0):
    return np.random.default_rng(seed)


def machine(seed=0, heads=1, recurrent=False, start=0.1, dtype=np.float64):
    """A small one, with a memory that begins further from 0, where cosines bend too much for differences."""
    model = memory_machine(
        3, 2, rng(seed), H=5, rows=4, width=3, heads=heads, recurrent=recurrent, dtype=dtype
    )
    model.body.start = start
    for param in model.params:
        param += 0.3 * rng(seed + 1).standard_normal(param.shape).astype(dtype)
    return model


def example(N=2, T=4, D=3, dtype=np.float64):
    return rng(3).standard_normal((N, T, D)).astype(dtype)


# ---- the machine


@pytest.mark.parametrize("recurrent", [False, True])
@pytest.mark.parametrize("heads", [1, 2])
@pytest.mark.parametrize("T", [1, 4])
def test_gradients_through_time(heads, recurrent, T):
    errors = layer_errors(machine(heads=heads, recurrent=recurrent).body, example(T=T), rng=rng(1))
    assert len(errors) == 7 + recurrent  # of what goes in, and of each weight
    assert max(errors.values()) < 1e-8, errors


def test_gradients_of_the_controller():
    cell = FeedForwardCell(rng().standard_normal((3, 4)), rng(1).standard_normal(4))
    assert max(layer_errors(cell, example()[:, 0], rng=rng(2)).values()) < 1e-8
    assert repr(cell) == "FeedForwardCell(D=3, H=4)"


def test_a_step_is_what_the_layers_of_the_memory_do():
    """The same by the layers, one head, two steps: addressing, reading, erasing, adding."""
    model = machine()
    body, xs = model.body, example(N=1, T=2)
    scores = model.scores(xs)
    W, b, Wt, bt, Wo, bo = body.params
    memory, found = np.full((1, 4, 3), 0.1), np.zeros((1, 3))
    looked = [np.eye(4)[[0]][None] for _ in range(2)]  # the reader, the writer
    for t in range(2):
        h = np.tanh(np.concatenate([xs[:, t], found], axis=1) @ W + b)
        a = (h @ Wt + bt)[0]
        for head in range(2):
            told = a[head * 9 : (head + 1) * 9]
            key, (strength, gate, gamma), shifts = np.tanh(told[:3]), told[3:6], np.exp(told[6:])
            one = [[np.log1p(np.exp(strength))]], [[1 / (1 + np.exp(-gate))]], [[1 + np.log1p(np.exp(gamma))]]
            strength, gate, gamma = map(np.array, one)
            w = ContentAddressing().forward(memory, key[None, None], strength)
            w = InterpolationGate().forward(gate, w, looked[head])
            w = CircularShift().forward(w, (shifts / shifts.sum())[None, None])
            looked[head] = Sharpening().forward(w, gamma)
        found = MemoryRead().forward(memory, looked[0])[0]
        memory = MemoryErase().forward(memory, looked[1], 1 / (1 + np.exp(-a[18:21]))[None, None])
        memory = MemoryAdd().forward(memory, looked[1], np.tanh(a[21:])[None, None])
        np.testing.assert_allclose(scores[:, t], np.concatenate([h, found], axis=1) @ Wo + bo, rtol=1e-9)
        np.testing.assert_allclose(body.steps[t].memory, memory, rtol=1e-9)


def test_sequences_of_a_batch_do_not_know_of_each_other():
    model, xs = machine(heads=2), example(N=3)
    together = model.scores(xs)
    alone = np.concatenate([model.scores(xs[i : i + 1]) for i in range(3)])
    np.testing.assert_allclose(together, alone, rtol=1e-12)


def test_what_comes_later_changes_nothing_before():
    model, xs = machine(recurrent=True), example(T=5)
    np.testing.assert_allclose(model.scores(xs)[:, :3], model.scores(xs[:, :3]), rtol=1e-12)


def test_each_sequence_begins_with_a_clean_memory():
    model, xs = machine(), example()
    first = model.scores(xs)
    model.scores(example(N=5, T=2))
    assert np.array_equal(model.scores(xs), first)


def test_backward_can_be_repeated():
    model, xs = machine(heads=2, recurrent=True), example()
    dout = rng(5).standard_normal(model.scores(xs).shape)
    first, grads = model.body.backward(dout), [g.copy() for g in model.grads]
    assert np.array_equal(model.body.backward(dout), first)
    assert all(map(np.array_equal, model.grads, grads))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_float_type_is_kept(dtype):
    model = machine(heads=2, dtype=dtype)
    scores = model.scores(example(dtype=dtype))
    assert scores.dtype == dtype and model.body.backward(np.ones_like(scores)).dtype == dtype
    assert {grad.dtype for grad in model.grads} == {np.dtype(dtype)}


def test_the_number_of_weights():
    # Bits and two marks, and what one head has read; the reader's and the writer's orders; bits.
    assert count_parameters(memory_machine(10, 8, rng())) == 31 * 100 + 101 * 92 + 121 * 8 == 13_360
    assert count_parameters(memory_machine(6, 4, rng(), H=64, rows=16, width=8)) == 4_112


def test_the_weights_of_all_steps_are_one():
    model = machine()
    model.scores(example(T=6))
    assert len(unique_parameters(model)[0]) == 6  # not 6 for each step


def test_saved_and_loaded(tmp_path):
    model, other = machine(heads=2), machine(seed=7, heads=2)
    save_weights(tmp_path / "machine.npz", model)
    load_weights(tmp_path / "machine.npz", other)
    assert np.array_equal(model.scores(example()), other.scores(example()))


def test_the_tape():
    model, xs = machine(heads=2), example()
    seen = tape(model, xs)
    assert seen.read.shape == seen.write.shape == (2, 4, 2, 4) and seen.memory.shape == (2, 4, 4, 3)
    for weights in (seen.read, seen.write):
        np.testing.assert_allclose(weights.sum(axis=-1), 1, rtol=1e-12)
    model.scores(xs)
    assert np.array_equal(seen.memory[:, -1], model.body.steps[-1].memory)
    np.testing.assert_allclose(seen.said, 1 / (1 + np.exp(-model.scores(xs))), rtol=1e-12)
    with pytest.raises(TypeError, match=r"the body of model is a Sequential; it should be a MemoryMachine\."):
        tape(lstm_machine(3, 2, rng(), H=4, dtype=np.float64), xs)


def test_it_learns_to_copy_two_rows_and_the_lstm_fits_the_same_interface():
    draw = rng(1)
    for model, lr in (
        (memory_machine(4, 2, rng(2), H=20, rows=4, width=4), 0.01),
        (lstm_machine(4, 2, rng(), H=20), 0.01),
    ):
        optimizer = Adam(lr)
        first = judge(model, *copy_task(rng(9), 50, 2, bits=2))
        for _ in range(150):
            train_step(model, optimizer, *copy_task(draw, 16, 2, bits=2), max_norm=10)
        last = judge(model, *copy_task(rng(9), 50, 2, bits=2))
        assert last.cost < first.cost / 2 and last.wrong < first.wrong / 2, (first, last)


# ---- how good it is


class Fixed(BitWriter):
    """Says always the same scores."""

    def __init__(self, scores):
        super().__init__(lstm_machine(1, 1, rng(), H=1).body)
        self.said = [scores]

    def scores(self, x):
        return self.said[0]


def test_who_guesses_pays_one_bit_for_each():
    x, t, mask = copy_task(rng(), 10, 3, bits=4)
    guess = judge(Fixed(np.zeros(t.shape)), x, t, mask)
    assert guess.cost == pytest.approx(12) and guess.whole == 0  # 3 rows of 4 bits
    right = judge(Fixed(np.where(t == 1, 50.0, -50.0)), x, t, mask)
    assert right.cost < 1e-9 and (right.wrong, right.share, right.whole) == (0, 0, 1)
    wrong = judge(Fixed(np.where(t == 1, -1.0, 1.0)), x, t, mask)
    assert (wrong.wrong, wrong.share, wrong.whole) == (12, 1, 0)
    assert wrong.cost == pytest.approx(12 * np.log2(1 + np.e))


def test_only_what_is_asked_for_counts():
    x, t, mask = copy_task(rng(), 10, 3, bits=4)
    model = lstm_machine(6, 4, rng(), H=3)
    other = t.copy()
    other[:, :5] = 1 - other[:, :5]
    assert float(model.forward(x, t, mask)) == float(model.forward(x, other, mask))
    assert judge(model, x, t, mask) == judge(model, x, other, mask)


# ---- the tasks


@given(SEEDS, SMALL, SMALL, SMALL)
def test_copy(seed, N, length, bits):
    x, t, mask = copy_task(rng(seed), N, length, bits)
    assert x.shape == (N, 2 * length + 2, bits + 2) and t.shape == (N, 2 * length + 2, bits)
    assert np.array_equal(x[:, 1 : length + 1, :bits], t[:, length + 2 :])
    assert x[:, :, bits].tolist() == [[1] + [0] * (2 * length + 1)] * N
    assert x[:, :, bits + 1].tolist() == [[0] * (length + 1) + [1] + [0] * length] * N
    assert not x[:, length + 2 :].any() and not t[:, : length + 2].any()
    assert mask.tolist() == [[False] * (length + 2) + [True] * length] * N


@given(SEEDS, SMALL, SMALL, SMALL, SMALL)
def test_repeat_copy(seed, N, length, repeats, bits):
    x, t, mask = repeat_copy_task(rng(seed), N, length, repeats, bits)
    begin = length + 2
    for n, i in np.ndindex(N, repeats):
        said = t[n, begin + i * length : begin + (i + 1) * length]
        assert np.array_equal(said[:, :bits], x[n, 1 : length + 1, :bits]) and not said[:, bits].any()
    assert t[:, -1].tolist() == [[0] * bits + [1]] * N and not x[:, begin:].any()
    assert mask.sum(axis=1).tolist() == [length * repeats + 1] * N and mask[:, begin:].all()
    assert (x[:, length + 1, bits + 1] == 1).all() and (x[:, 0, bits] == 1).all()
    assert not x[:, 1 : length + 1, bits:].any()


def test_the_number_of_repeats_is_scaled():
    told = [float(repeat_copy_task(rng(), 1, 2, repeats)[0][0, 3, 10]) for repeats in range(1, 11)]
    assert np.mean(told) == pytest.approx(0, abs=1e-6) and np.std(told) == pytest.approx(1, rel=1e-6)
    assert all(np.diff(told) > 0)


@given(SEEDS, SMALL, st.integers(2, 4), SMALL, st.integers(2, 3))
def test_recall(seed, N, items, length, bits):
    x, t, mask = recall_task(rng(seed), N, items, length, bits)
    size = length + 1
    assert x.shape == (N, items * size + 2 * length + 2, bits + 2) and t.shape[2] == bits
    for n in range(N):
        listed = [x[n, i * size + 1 : (i + 1) * size, :bits] for i in range(items)]
        asked = x[n, items * size + 1 : items * size + 1 + length, :bits]
        (place,) = [i for i, item in enumerate(listed) if np.array_equal(item, asked)]
        assert np.array_equal(t[n, -length:], listed[place + 1])
        assert all(not np.array_equal(a, b) for a, b in itertools.combinations(listed, 2))
    assert np.flatnonzero(x[0, :, bits]).tolist() == [i * size for i in range(items)]
    assert np.flatnonzero(x[0, :, bits + 1]).tolist() == [items * size, items * size + length + 1]
    assert mask.sum(axis=1).tolist() == [length] * N and mask[:, -length:].all()


def test_of_items_that_are_few_each_is_there_once():
    x, _, _ = recall_task(rng(), 50, 4, length=1, bits=2)
    values = x[:, 1:8:2, 0] * 2 + x[:, 1:8:2, 1]
    assert (np.sort(values, axis=1) == np.arange(4)).all()


# ---- batches that are drawn


def test_drawn_batches_can_be_asked_for_in_any_order_and_come_back_after_a_resume(tmp_path):
    def draw(rng):
        return copy_task(rng, 4, int(rng.integers(1, 4)), bits=2)

    batches = Drawn(draw, 5)
    batches.begin_epoch(None, rng())
    forth, back = [batches[i] for i in range(5)], [batches[i] for i in reversed(range(5))]
    assert all(np.array_equal(a, b) for x, y in zip(forth, reversed(back)) for a, b in zip(x, y))
    assert len({x.tobytes() for x, _, _ in forth}) == 5 and batches.about()["number"] == 5

    def trained(path, stop):
        model = memory_machine(4, 2, rng(1), H=8, rows=4, width=3)
        trainer = Trainer(model, Adam(0.01), rng(2), max_grad_norm=10)
        for epochs in stop:
            trainer = Trainer(model, Adam(0.01), rng(2), max_grad_norm=10)
            trainer.fit(Drawn(draw, 5), epochs, path)
        return [to_numpy(p) for p in model.params]

    whole, resumed = trained(tmp_path / "a.npz", [2]), trained(tmp_path / "b.npz", [1, 2])
    assert all(map(np.array_equal, whole, resumed))


# ---- bad input


def built(**changes):
    body = machine().body
    given = {"rows": 4, "width": 3} | changes
    return MemoryMachine(body.controller, body.told, body.out, **given)


test_bad_input_gets_one_clear_sentence = bad_input(
    {
        "size": (
            lambda: machine().scores(example(D=4)),
            r"xs has shape \(2, 4, 4\); it should be \(N, T, 3\)",
        ),
        "type": (
            lambda: machine().scores(example(dtype=np.float32)),
            r"xs is float32 and the weights are float64; both should be of one type\.",
        ),
        "gradient": (
            lambda: (lambda m: (m.scores(example()), m.body.backward(np.ones((2, 4, 3)))))(machine()),
            r"has shape \(2, 4, 3\); it should be",
        ),
        "shifts": (
            lambda: built(shifts=2),
            r"shifts is 2; it should be odd, and at most 4, the number of rows",
        ),
        "told": (lambda: built(width=2), r"the W of told has shape \(5, 24\); it should be \(5, 20\)"),
        "start": (lambda: built(start=0), r"start is 0; it should be a positive number"),
        "rows": (lambda: memory_machine(3, 2, rng(), rows=0), r"rows is 0; it should be a whole number"),
        "mask": (
            lambda: judge(machine(), example(), np.zeros((2, 4, 2)), np.ones((2, 3), dtype=bool)),
            r"mask has shape \(2, 3\); it should be \(2, 4\)",
        ),
        "no example": (lambda: copy_task(rng(), 0, 3), r"N is 0; it should be a whole number, at least 1"),
        "generator": (lambda: copy_task(1, 2, 3), r"rng is a int; it should be a numpy.random.Generator"),
        "one item": (lambda: recall_task(rng(), 2, 1), r"items is 1; it should be from 2 to 262144"),
        "too many": (
            lambda: recall_task(rng(), 2, 5, length=1, bits=2),
            r"items is 5; it should be from 2 to 4, the number of items that differ",
        ),
        "repeats": (lambda: repeat_copy_task(rng(), 2, 3, 0), r"repeats is 0; it should be a whole number"),
        "number": (lambda: Drawn(lambda rng: (), 0), r"number is 0; it should be a whole number, at least 1"),
    }
)
