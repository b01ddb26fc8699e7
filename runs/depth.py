"""Depth 1 to 8, with residual connections and without: gradients before training, exact answers after it.

    python -m runs.depth RUN ...

A run is KIND-DEPTH, for instance residual-8; kinds: plain, residual. Each has attention and reads dates. Its
learning rate is searched first: each of ``RATES`` trains once, with a seed of its own, and the lowest loss on
the validation part is the best. Then three more seeds train at that rate and are judged on the test part.
What is measured is added to data/results/depth.json. A run of eight layers takes a minute of one processor.

For each seed: the size (Frobenius norm) of the gradient of every layer's ``Wh`` at the first batch, from the
lowest layer up; the losses; the share of right answers.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import numpy as np

from common.batches import Shuffled
from common.book.results import record_run
from common.datasets import Task, dates
from common.layers import count_parameters, evaluating
from common.models.attention import attentive
from common.models.decoding import accuracy
from common.models.seq2seq import Seq2Seq
from common.optimizers import Adam
from common.schedules import linear_decay
from common.training import Trainer
from runs import leave_if_stopped

TRAIN, VALID, TEST = 4_000, 500, 1_000
D, H, BATCH_SIZE, MAX_NORM, EPOCHS = 16, 32, 32, 5.0, 2
RATES = (0.01, 0.03)
CHOOSING, SEEDS = 101, (1, 2, 3)
KINDS = {"plain": False, "residual": True}
FIRST = 256
"""How many questions the first gradients are computed from."""


def make_task() -> Task:
    """The same dates for all."""
    return Task.split(dates(np.random.default_rng(1984), TRAIN + VALID + TEST), VALID, TEST)


def build(task: Task, kind: str, depth: int, seed: int) -> Seq2Seq:
    """A model that has learned nothing."""
    return attentive(len(task.characters), D, H, np.random.default_rng(seed), depth, KINDS[kind])


def first_gradients(model: Seq2Seq, task: Task) -> dict[str, list[float]]:
    """The size of the gradient of each layer's ``Wh``, from the lowest layer up."""
    model.forward(*(ids[:FIRST] for ids in task.arrays(task.train)))
    model.backward()
    sides: Any = {"encoder": model.encoder, "decoder": model.decoder}
    return {
        name: [float(np.linalg.norm(layer.grads[1])) for layer in side.stack.layers]
        for name, side in sides.items()
    }


def train(model: Seq2Seq, task: Task, rate: float, seed: int) -> list[float]:
    """Train with a rate that falls to 0 in a straight line, and return the loss of each step."""
    schedule = linear_decay(rate, EPOCHS * -(-len(task.train) // BATCH_SIZE))
    trainer = Trainer(model, Adam(rate), np.random.default_rng(seed + 1000), MAX_NORM, schedule)
    losses = trainer.fit(Shuffled(*task.arrays(task.train), BATCH_SIZE), EPOCHS)
    leave_if_stopped(trainer, EPOCHS)
    return losses


def search(task: Task, kind: str, depth: int) -> dict[str, float]:
    """The loss on the validation part for each rate."""
    tried = {}
    for rate in RATES:
        model = build(task, kind, depth, CHOOSING)
        train(model, task, rate, CHOOSING)
        with evaluating(model):
            tried[str(rate)] = float(model.forward(*task.arrays(task.valid)))
    return tried


def measure_seed(task: Task, kind: str, depth: int, rate: float, seed: int) -> dict[str, Any]:
    """What one seed gives."""
    model = build(task, kind, depth, seed)
    gradients = first_gradients(model, task)
    losses = train(model, task, rate, seed)
    return {
        "seed": seed,
        "first_gradients": gradients,
        "losses": np.mean(np.reshape(losses, (-1, 25)), axis=1).tolist(),  # of 25 steps each
        "accuracy": accuracy(model, *task.arrays(task.test)),
        "parameters": count_parameters(model),
    }


def measure(name: str) -> dict[str, Any]:
    """One run, by its name."""
    kind, _, depth = name.partition("-")
    if kind not in KINDS or not depth.isdecimal() or int(depth) < 1:
        sys.exit(f"the run is {name!r}; it should be KIND-DEPTH with a kind of {', '.join(KINDS)}.")
    task, began = make_task(), time.process_time()
    tried = search(task, kind, int(depth))
    rate = float(min(tried, key=lambda rate: (np.isnan(tried[rate]), tried[rate])))
    seeds = [measure_seed(task, kind, int(depth), rate, seed) for seed in SEEDS]
    return {"tried": tried, "rate": rate, "seeds": seeds, "cpu_seconds": time.process_time() - began}


def main() -> None:
    for name in sys.argv[1:]:
        result = measure(name)
        settings = {"train": TRAIN, "H": H, "batch_size": BATCH_SIZE, "steps": EPOCHS * TRAIN // BATCH_SIZE}
        record_run(
            "depth", name, result=result, seed=SEEDS[0], command=f"python -m runs.depth {name}", **settings
        )
        print(name, result["rate"], *(f"{one['accuracy']:.3f}" for one in result["seeds"]), flush=True)


if __name__ == "__main__":
    main()
