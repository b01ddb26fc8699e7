"""How often a model answers right: sums and dates, over seeds, at the settings of the chapters' long runs.

    python -m benchmarks._seq2seq TASK/MODEL:SEED ...

trains and judges, one run after the other, and adds what it measured to data/results/seq2seq.json. A run
takes some minutes.

Tasks: addition, dates; addition-cooled, whose learning rate falls to 0 at the end, because at a constant rate
the accuracy goes on jumping; dates-file, the file whose repeated lines were not removed before the split; and
addition-variants, cooled too. Models: plain, reversed, peeky (whose questions are
reversed, too); and, to find out what matters in a plain one, padding (it is read like any character), h-only
(the cell is not handed over), closed (the forget gates begin half closed) and all-three.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from common.attentive import attentive, looking_first
from common.backend import Array, xp
from common.datasets import load_dates
from common.layers import unique_parameters
from common.optimizers import Adam
from common.questions import Pair, Task, additions, characters_of, dates, leak
from common.scale import record, recorded
from common.seq2seq import Decoder, Encoder, Seq2Seq, accuracy, peeky, plain
from common.training import Trainer, linear_decay

NAME = "seq2seq"
TRAIN, VALID, TEST = 45_000, 1_000, 5_000
D, H, BATCH, CLIP = 16, 128, 128, 5.0
EPOCHS = {"addition": 25, "addition-cooled": 25, "addition-variants": 25, "dates": 10, "dates-file": 10}


class ReadsPadding(Encoder):
    """Takes what fills up a short question for a part of it."""

    def forward(self, questions: Array) -> tuple[Array, Array]:
        hs = self.lstm.forward(self.embedding.forward(questions))
        self.shape = hs.shape
        return self.lstm.state


class StartsWithoutCell(Decoder):
    """Is given the state h alone, and begins with an empty cell."""

    def forward(self, answers: Array, h: Array, c: Array) -> Array:
        return super().forward(answers, h, xp.zeros_like(c))

    def backward(self, dscores: Array) -> tuple[Array, Array]:
        dh, dc = super().backward(dscores)
        return dh, xp.zeros_like(dc)

    def start(self, h: Array, c: Array) -> tuple[Array, ...]:
        return h, xp.zeros_like(c)

    def step(self, ids: Array, state: tuple[Array, ...]) -> tuple[Array, tuple[Array, ...]]:
        scores = super().forward(ids[:, None], *state)
        return scores[:, 0], self.lstm.state


def variant(padding: bool, h_only: bool, closed: bool) -> Callable[..., Seq2Seq]:
    """A plain model with one thing or another left undone."""

    def make(V: int, D: int, H: int, rng: np.random.Generator) -> Seq2Seq:
        encoder = (ReadsPadding if padding else Encoder)(V, D, H, rng)
        decoder = (StartsWithoutCell if h_only else Decoder)(V, D, H, rng)
        if closed:
            encoder.lstm.params[2][:] = decoder.lstm.params[2][:] = 0
        return Seq2Seq(encoder, decoder)

    return make


COOLING = {"addition-cooled": 0.4, "addition-variants": 0.4}  # over this share of the steps
MODELS: dict[str, tuple[Callable[..., Seq2Seq], bool]] = {
    "plain": (plain, False),
    "reversed": (plain, True),
    "peeky": (peeky, True),
    "padding": (variant(True, False, False), False),
    "h-only": (variant(False, True, False), False),
    "closed": (variant(False, False, True), False),
    "all-three": (variant(True, True, True), False),
    "attention": (attentive, False),
    "attention-reversed": (attentive, True),
    "attention-first": (looking_first, False),
    "attention-bidirectional": (partial(attentive, bidirectional=True), False),
    "attention-deep": (partial(attentive, depth=3), False),
    "attention-deep-residual": (partial(attentive, depth=3, residual=True), False),
}


def make_task(name: str) -> Task:
    """The same examples for every model and seed."""
    rng, count = np.random.default_rng(1984), TRAIN + VALID + TEST
    if name == "dates-file":  # as it comes: some questions of the test are among those to learn from
        pairs = load_dates()
        pairs = [pairs[i] for i in rng.permutation(len(pairs))]
        return Task(pairs[:TRAIN], pairs[TRAIN : TRAIN + VALID], pairs[TRAIN:], characters_of(pairs))
    return Task.split(dates(rng, count) if name == "dates" else additions(rng, count), VALID, TEST)


def measure(
    task: Task, make: Callable[..., Seq2Seq], reverse: bool, epochs: int, seed: int, cooling: float = 0
) -> dict[str, Any]:
    """Train one model, and judge it on the test part; seconds are those of one processor.

    Over the last share ``cooling`` of all steps, the learning rate falls in a straight line to 0.
    """
    rng = np.random.default_rng(seed)
    model = make(len(task.characters), D, H, rng)
    train, valid = task.arrays(task.train, reverse), task.arrays(task.valid, reverse)
    curve: list[float] = []
    seconds: list[float] = []
    began = time.process_time()

    def judge(_: Trainer) -> None:
        nonlocal began
        seconds.append(time.process_time() - began)
        curve.append(accuracy(model, *valid))
        began = time.process_time()

    optimizer = Adam()
    steps, lr = epochs * -(-len(task.train) // BATCH), optimizer.lr
    schedule = linear_decay(lr, steps, constant=1 - cooling) if cooling else None
    trainer = Trainer(model, optimizer, rng, CLIP, schedule)
    trainer.fit(*train, epochs, BATCH, on_epoch=judge)

    def right(pairs: list[Pair]) -> float:
        return accuracy(model, *task.arrays(pairs, reverse))

    known = {question for question, _ in task.train}
    result = {
        "accuracy": right(task.test),
        "parameters": sum(param.size for param in unique_parameters(model)[0]),
        "epochs": epochs,
        "cooling": cooling,
        "examples": len(task.train),
        "seconds_an_epoch": float(np.median(seconds)),
        "valid_curve": curve,
        "loss_curve": trainer.epoch_losses,
    }
    if leak(task.train, task.test):
        seen = [pair for pair in task.test if pair[0] in known]
        unseen = [pair for pair in task.test if pair[0] not in known]
        result |= {
            "leak": leak(task.train, task.test),
            "accuracy_seen": right(seen),
            "accuracy_unseen": right(unseen),
        }
    return result


def main() -> None:
    for choice in sys.argv[1:]:
        name, _, seed = choice.partition(":")
        task, model = name.split("/")
        result = measure(make_task(task), *MODELS[model], EPOCHS[task], int(seed or 1), COOLING.get(task, 0))
        try:
            runs = recorded(NAME)["runs"]
        except KeyError:
            runs = {}
        runs.setdefault(name, {})[seed or "1"] = rounded(result)
        record(NAME, seed=1, command=f"python -m benchmarks._seq2seq {choice}", runs=runs)
        print(choice, f"{result['accuracy']:.4f}", f"{result['seconds_an_epoch']:.1f} s an epoch", flush=True)


def rounded(value: Any) -> Any:
    """Four digits are enough."""
    if isinstance(value, dict):
        return {key: rounded(part) for key, part in value.items()}
    if isinstance(value, list):
        return [rounded(part) for part in value]
    return float(f"{value:.4g}") if isinstance(value, float) else value


if __name__ == "__main__":
    main()
