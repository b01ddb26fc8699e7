"""What chapter 8 claims of attention, each claim over three seeds, with the settings of its notebook.

    python -m runs.attention RUN:SEED ...

trains and judges, one run after the other, and adds what it measured to data/results/attention.json. A run
takes half a minute or a minute. Runs:

- cloakroom/MODEL/H/EPOCHS, for instance cloakroom/plain/64/8: how many questions of so many coats are
  answered right. MODEL is plain or attention.
- dates/usual, and the same network with a fault or a change in its attention: dates/no-mask,
  dates/wrong-axis (the softmax runs over the queries), dates/scaled (scores divided by the root of H).
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from common.backend import Array
from common.batches import Shuffled
from common.book.results import record_run
from common.datasets import Task, dates
from common.functions import softmax
from common.layers import Attention, count_parameters
from common.models.attention import attentive
from common.models.decoding import accuracy, alignment
from common.models.seq2seq import Seq2Seq, plain
from common.optimizers import Adam
from common.schedules import linear_decay
from common.text.rows import PAD, Pair
from common.training import Trainer
from runs import leave_if_stopped

D = 16
BATCH_SIZE = 128
MAKERS = {"plain": plain, "attention": attentive}
COATS = range(4, 11)
ASKED = 200  # questions for each number of coats

DATES_H, DATES_EPOCHS, DATES_LR = 128, 6, 0.005
SHOWN = "september 27, 1994"


# ---- the cloakroom


def cloakroom(rng: np.random.Generator, count: int, fewest: int, most: int) -> list[Pair]:
    """Coats with letters, in any order, and their hooks; the answer is the hooks, from coat a on."""
    pairs: dict[str, str] = {}
    while len(pairs) < count:
        n = int(rng.integers(fewest, most + 1))
        hooks = rng.integers(0, 10, n)
        question = "".join(f"{'abcdefghij'[i]}{hooks[i]}" for i in rng.permutation(n))
        pairs[question] = "".join(map(str, hooks))
    return list(pairs.items())


def measure_cloakroom(maker: str, H: int, epochs: int, seed: int) -> dict[str, Any]:
    """The share of right answers for each number of coats."""
    task = Task.split(cloakroom(np.random.default_rng(0), 12_000, 1, 10), 500, 500)
    model = MAKERS[maker](len(task.characters), D, H, np.random.default_rng(seed))
    losses = learn(model, task, epochs, 0.01, seed)
    asked = {n: task.arrays(cloakroom(np.random.default_rng(n), ASKED, n, n)) for n in COATS}
    return {
        "parameters": count_parameters(model),
        "loss_curve": losses,
        "coats": list(asked),
        "right": [accuracy(model, *arrays) for arrays in asked.values()],
    }


# ---- dates, with a fault in the attention


class WithoutMask(Attention):
    """Looks at padding, too."""

    def forward(self, queries: Array, hs: Array, mask: Array | None = None) -> Array:
        return super().forward(queries, hs)


class OverQueries(Attention):
    """Shares out each note among the queries, where each query should share itself out among the notes."""

    def forward(self, queries: Array, hs: Array, mask: Array | None = None) -> Array:
        self.queries, self.hs = queries, hs
        scores = queries @ hs.swapaxes(1, 2)  # (N, Tq, Tk)
        self.weights = softmax(scores.swapaxes(1, 2)).swapaxes(1, 2)  # columns add up to 1
        if mask is not None:
            self.weights = self.weights * mask[:, None]
        self.context = self.weights @ hs
        return self.context

    def backward(self, dcontext: Array) -> tuple[Array, Array]:
        a = self.weights
        da = dcontext @ self.hs.swapaxes(1, 2)
        dscores = a * (da - (a * da).sum(axis=1, keepdims=True))
        dhs = a.swapaxes(1, 2) @ dcontext + dscores.swapaxes(1, 2) @ self.queries
        return dscores @ self.hs, dhs


CHANGES: dict[str, Callable[[], Attention]] = {
    "usual": Attention,
    "no-mask": WithoutMask,
    "wrong-axis": OverQueries,
    "scaled": lambda: Attention(DATES_H**-0.5),
}


def measure_dates(change: str, seed: int) -> dict[str, Any]:
    """The share of right dates, and what it owes to the padding that a question is given."""
    task = Task.split(dates(np.random.default_rng(1984), 20_000), 1000, 3000)
    model = attentive(len(task.characters), D, DATES_H, np.random.default_rng(seed))
    model.decoder.attention = CHANGES[change]()
    questions, answers = task.arrays(task.test)
    begin = spread(model, questions[:500], answers[:500])
    losses = learn(model, task, DATES_EPOCHS, DATES_LR, seed)
    result = {
        "loss_curve": losses,
        "loss_test": float(model.forward(questions, answers)),  # with the right answers before its eyes
        "accuracy": accuracy(model, questions, answers),
        "accuracy_alone": alone(model, task),
        "accuracy_padded": accuracy(model, padded(questions, 30), answers),
        "spread_before": begin,
        "spread_after": spread(model, questions[:500], answers[:500]),
    }
    if change == "usual":
        text, weights = alignment(model, SHOWN, task.characters, max_length=20)
        result["map"] = {"question": SHOWN, "answer": text, "weights": np.round(weights, 3).tolist()}
    return result


def alone(model: Seq2Seq, task: Task) -> float:
    """The share of right test dates when no question has any padding."""
    by_length: dict[int, list[Pair]] = {}
    for pair in task.test:
        by_length.setdefault(len(pair[0]), []).append(pair)
    right = [len(pairs) * accuracy(model, *task.arrays(pairs)) for pairs in by_length.values()]
    return sum(right) / len(task.test)


def padded(questions: Array, more: int) -> Array:
    """The same questions with ``more`` places of padding each."""
    return np.pad(questions, ((0, 0), (0, more)), constant_values=PAD)


def spread(model: Seq2Seq, questions: Array, answers: Array) -> dict[str, float]:
    """How far the scores of a query lie apart (their standard deviation), and its largest weight; means."""
    hs, mask, *states = model.encoder.forward(questions)
    model.decoder.forward(answers[:, :-1], hs, mask, *states)
    layer = model.decoder.attention
    scores = layer.scale * layer.queries @ layer.hs.swapaxes(1, 2)  # (N, Tq, Tk)
    each = np.where(mask[:, None], scores, np.nan)
    return {
        "scores": float(np.nanstd(each, axis=2).mean()),
        "largest_weight": float(layer.weights.max(axis=2).mean()),
        "length_of_queries": float(np.linalg.norm(layer.queries, axis=2).mean()),
    }


# ---- training


def learn(model: Seq2Seq, task: Task, epochs: int, lr: float, seed: int) -> list[float]:
    """Train as the notebook does; the loss of each epoch."""
    questions, answers = task.arrays(task.train)
    steps = epochs * -(-len(questions) // BATCH_SIZE)
    trainer = Trainer(
        model, Adam(lr), np.random.default_rng(seed + 1), 5, linear_decay(lr, steps, constant=0.3)
    )
    trainer.fit(Shuffled(questions, answers, BATCH_SIZE), epochs)
    leave_if_stopped(trainer, epochs)
    return trainer.epoch_losses


def measure(name: str, seed: int) -> dict[str, Any]:
    """One run, by its name."""
    match name.split("/"):
        case ["cloakroom", maker, H, epochs] if maker in MAKERS and H.isdecimal() and epochs.isdecimal():
            return measure_cloakroom(maker, int(H), int(epochs), seed)
        case ["dates", change] if change in CHANGES:
            return measure_dates(change, seed)
    sys.exit(
        f"the run is {name!r}; it should be cloakroom/MODEL/H/EPOCHS with a model of {', '.join(MAKERS)}, "
        f"or dates/CHANGE with one of {', '.join(CHANGES)}."
    )


def main() -> None:
    for choice in sys.argv[1:]:
        name, _, seed = choice.partition(":")
        seed = seed or "1"
        result = measure(name, int(seed))
        command = f"python -m runs.attention {name}:{seed}"
        record_run("attention", name, seed, result=result, seed=int(seed), command=command)
        shown = result.get("right", [result.get("accuracy"), result.get("accuracy_alone")])
        print(choice, *(f"{share:.3f}" for share in shown), flush=True)


if __name__ == "__main__":
    main()
