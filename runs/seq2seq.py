"""How often a model answers right: sums and dates, over seeds, at the settings of the chapters' long runs.

    python -m runs.seq2seq TASK/MODEL:SEED ...

trains and judges, one run after the other, and adds what it measured to data/results/seq2seq.json. A run
takes some minutes.

Tasks: addition, dates; addition-constant, whose learning rate does not fall to 0 at the end, so that the
accuracy goes on jumping; addition-variants; and dates-file, the file whose repeated lines were not removed
before the split. Models: plain, reversed, peeky (whose questions are reversed, too); those with attention;
transformer; to find out what matters in a plain one, padding (it is read like any character), h-only (the
cell is not handed over), closed (the forget gates begin half closed) and all-three; and, as controls for the
peeky one, peeky-unturned (its questions are not reversed) and reversed-wide (as many weights).
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from common.backend import Array, xp
from common.batches import Shuffled
from common.book.results import record_run
from common.datasets import Task, additions, dates, leak, load_dates
from common.layers import count_parameters
from common.models.attention import attentive, looking_first
from common.models.decoding import accuracy
from common.models.seq2seq import Decoder, Encoder, Seq2Seq, peeky, plain
from common.models.transformer import transformer
from common.optimizers import Adam
from common.schedules import linear_decay, warm_up
from common.text import characters_of
from common.text.rows import Pair
from common.training import Trainer
from runs import leave_if_stopped

TRAIN, VALID, TEST = 45_000, 1_000, 5_000
D, H = 16, 128
WIDE = 156
"""State of a plain model that has as many weights as a peeky one with a state of ``H``."""
EPOCHS = {"addition": 25, "addition-constant": 25, "addition-variants": 25, "dates": 10, "dates-file": 10}
COOLING = {"addition": 0.4, "addition-variants": 0.4}
"""Over this share of the steps, the last ones, the learning rate falls in a straight line to 0."""


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


def wide(V: int, D: int, H: int, rng: np.random.Generator) -> Seq2Seq:
    """A plain model with a larger state."""
    return plain(V, D, WIDE, rng)


@dataclass(frozen=True)
class Recipe:
    """A model, and how it is trained. With ``warm``, the learning rate rises for so many steps, and falls."""

    make: Callable[..., Seq2Seq]
    reverse: bool = False
    batch_size: int = 128
    max_norm: float = 5.0
    epochs: int | None = None
    lr: float = 1e-3
    warm: int | None = None


RECIPES = {
    "plain": Recipe(plain),
    "reversed": Recipe(plain, reverse=True),
    "peeky": Recipe(peeky, reverse=True),
    "peeky-unturned": Recipe(peeky),
    "reversed-wide": Recipe(wide, reverse=True),
    "padding": Recipe(variant(True, False, False)),
    "h-only": Recipe(variant(False, True, False)),
    "closed": Recipe(variant(False, False, True)),
    "all-three": Recipe(variant(True, True, True)),
    "attention": Recipe(attentive),
    "attention-first": Recipe(looking_first),
    "attention-bidirectional": Recipe(partial(attentive, bidirectional=True)),
    "attention-deep": Recipe(partial(attentive, depth=3)),
    "attention-deep-residual": Recipe(partial(attentive, depth=3, residual=True)),
    "transformer": Recipe(
        lambda V, D, H, rng: transformer(V, 4 * D, H, rng, depth=2),
        batch_size=64,
        max_norm=1.0,
        epochs=10,
        lr=3e-3,
        warm=300,
    ),
}


def make_task(name: str) -> Task:
    """The same examples for every model and seed."""
    rng, count = np.random.default_rng(1984), TRAIN + VALID + TEST
    if name == "dates-file":  # as it comes: some questions of the test are among those to learn from
        pairs = load_dates()
        pairs = [pairs[i] for i in rng.permutation(len(pairs))]
        return Task(pairs[:TRAIN], pairs[TRAIN : TRAIN + VALID], pairs[TRAIN:], characters_of(pairs))
    return Task.split(dates(rng, count) if name == "dates" else additions(rng, count), VALID, TEST)


def known_and_new(task: Task) -> tuple[list[Pair], list[Pair]]:
    """The test pairs whose questions are among those to learn from, and the others."""
    known = {question for question, _ in task.train}
    seen = [pair for pair in task.test if pair[0] in known]
    return seen, [pair for pair in task.test if pair[0] not in known]


def make_schedule(recipe: Recipe, steps: int, cooling: float) -> Callable[[int], float] | None:
    """The learning rate of each step; None if it stays as it is."""
    if recipe.warm:
        return warm_up(recipe.lr, recipe.warm)
    return linear_decay(recipe.lr, steps, constant=1 - cooling) if cooling else None


def measure(name: str, recipe: Recipe, seed: int) -> dict[str, Any]:
    """Train a model for a task, and judge it on the test part; seconds are those of one processor."""
    task, epochs = make_task(name), recipe.epochs or EPOCHS[name]
    rng = np.random.default_rng(seed)
    model = recipe.make(len(task.characters), D, H, rng)
    train, valid = task.arrays(task.train, recipe.reverse), task.arrays(task.valid, recipe.reverse)
    schedule = make_schedule(recipe, epochs * -(-len(task.train) // recipe.batch_size), COOLING.get(name, 0))
    trainer = Trainer(model, Adam(recipe.lr), rng, recipe.max_norm, schedule)
    seen, unseen = known_and_new(task)
    curves: dict[str, list[float]] = {"valid_curve": []}
    if seen:
        curves |= {"curve_seen": [], "curve_unseen": []}
    seconds: list[float] = []
    began = time.process_time()

    def judge(_: Trainer) -> None:
        nonlocal began
        seconds.append(time.process_time() - began)
        curves["valid_curve"].append(accuracy(model, *valid))
        if seen:
            curves["curve_seen"].append(right(seen))
            curves["curve_unseen"].append(right(unseen))
        began = time.process_time()

    def right(pairs: list[Pair]) -> float:
        return accuracy(model, *task.arrays(pairs, recipe.reverse))

    trainer.fit(Shuffled(*train, recipe.batch_size), epochs, on_epoch=judge)
    leave_if_stopped(trainer, epochs)

    result = {
        "accuracy": right(task.test),
        "parameters": count_parameters(model),
        "epochs": epochs,
        "examples": len(task.train),
        "seconds_an_epoch": float(np.median(seconds)),
        "loss_curve": trainer.epoch_losses,
    }
    if seen:
        result |= {
            "leak": leak(task.train, task.test),
            "accuracy_seen": right(seen),
            "accuracy_unseen": right(unseen),
        }
    return result | curves


def main() -> None:
    for choice in sys.argv[1:]:
        name, _, seed = choice.partition(":")
        task, _, model = name.partition("/")
        if task not in EPOCHS or model not in RECIPES:
            sys.exit(
                f"the run is {choice!r}; it should be TASK/MODEL or TASK/MODEL:SEED, "
                f"a task of {', '.join(EPOCHS)}, a model of {', '.join(RECIPES)}."
            )
        seed = seed or "1"
        result = measure(task, RECIPES[model], int(seed))
        command = f"python -m runs.seq2seq {name}:{seed}"
        record_run("seq2seq", name, seed, result=result, seed=int(seed), command=command)
        print(choice, f"{result['accuracy']:.4f}", f"{result['seconds_an_epoch']:.1f} s an epoch", flush=True)


if __name__ == "__main__":
    main()
