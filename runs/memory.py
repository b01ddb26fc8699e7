"""A memory that can be written to, beside an LSTM: copy, repeat copy and associative recall, for chapter 16.

    python -m runs.memory choose small copy machine lstm
    python -m runs.memory small copy machine lstm 1 2 3 4 5
    python -m runs.memory choose full copy machine lstm
    python -m runs.memory full copy machine lstm 1 2 3

The words are a scale, a task (copy, repeat, recall) and models: ``machine``, a Neural Turing Machine whose
controller is feed-forward, ``machine-lstm``, whose controller is an LSTM, and ``lstm``, which has no memory
but its state. ``choose`` trains with each learning rate and two seeds, for a part of the steps, and keeps the
rate with the lowest cost at the largest size that is trained on. With seeds behind it, a model is trained at
that rate, with each seed, and measured at this size and at larger ones, which it has never seen. A seed that
fails is recorded as any other. All add what they measured to data/results/memory.json.

The small scale takes about ten seconds of a core for a machine and a seed. The full scale is that of the
paper [Graves2014]_: rows of 8 bits, up to 20 of them, a memory of 128 rows of 20 numbers, measured at up to
120; a machine that copies takes about five minutes for a seed.

A run that was stopped, in whatever way, goes on from its last checkpoint when the same command is given
again. Checkpoints are in data/cache/memory, and so are the weights at the end of each run.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from common.batches import Drawn
from common.book.results import record_run, recorded
from common.datasets import copy_task, recall_task, repeat_copy_task
from common.datasets.tasks import BitTask
from common.layers import count_parameters
from common.models.memory_machine import BitWriter, judge, lstm_machine, memory_machine
from common.optimizers import Adam
from common.schedules import cosine
from common.training import Trainer
from common.weights import save_weights
from runs import leave_if_stopped

RESULTS = "memory"
KEPT = Path(__file__).resolve().parent.parent / "data" / "cache" / "memory"
EVERY = 100  # steps between two measurements
RATES = {"small": (0.003, 0.01, 0.03, 0.1), "full": (0.0003, 0.001, 0.003, 0.01)}
CHOOSE_SEEDS, CHOOSE_SHARE = (101, 102), {"small": 2, "full": 10}  # one step in so many
TRAINING = {"batch_size": 16, "max_grad_norm": 1.0}

# A size is a length; a length and how many times; or how many items. Those that are trained on lie between
# the first two, and the others are what it is measured at.
TASKS: dict[str, dict[str, dict[str, Any]]] = {
    "small": {
        "copy": {"bits": 4, "least": (1,), "most": (5,), "tests": [(5,), (10,), (15,)]},
        "repeat": {"bits": 4, "least": (1, 1), "most": (3, 3), "tests": [(3, 3), (6, 3), (3, 6)]},
        "recall": {"bits": 3, "rows": 2, "least": (2,), "most": (4,), "tests": [(4,), (6,), (8,)]},
    },
    "full": {
        "copy": {"bits": 8, "least": (1,), "most": (20,), "tests": [(n,) for n in (10, 20, 30, 50, 80, 120)]},
        "repeat": {"bits": 8, "least": (1, 1), "most": (10, 10), "tests": [(10, 10), (20, 10), (10, 20)]},
        "recall": {
            "bits": 6,
            "rows": 3,
            "least": (2,),
            "most": (6,),
            "tests": [(n,) for n in (6, 10, 15, 20)],
        },
    },
}
STEPS = {
    "small": {"copy": 2000, "repeat": 4000, "recall": 4000},
    "full": {"copy": 10_000, "repeat": 30_000, "recall": 30_000},
}
MACHINES: dict[str, dict[str, dict[str, int]]] = {
    "small": {
        "copy": {"H": 64, "rows": 16, "width": 8, "heads": 1},
        "repeat": {"H": 64, "rows": 16, "width": 8, "heads": 1},
        "recall": {"H": 64, "rows": 32, "width": 8, "heads": 2},
    },
    "full": {
        "copy": {"H": 100, "rows": 128, "width": 20, "heads": 1},
        "repeat": {"H": 100, "rows": 128, "width": 20, "heads": 1},
        "recall": {"H": 256, "rows": 128, "width": 20, "heads": 4},
    },
}
LSTMS = {"small": {"H": 64, "depth": 1}, "full": {"H": 256, "depth": 3}}
MODELS = ("machine", "machine-lstm", "lstm")
TESTED = 200  # sequences of each size


def example(scale: str, task: str, rng: np.random.Generator, N: int, size: Sequence[int]) -> BitTask:
    """N examples of a task, of one size."""
    settings = TASKS[scale][task]
    if task == "copy":
        return copy_task(rng, N, *size, bits=settings["bits"])
    if task == "repeat":
        return repeat_copy_task(rng, N, *size, bits=settings["bits"], most=settings["most"][1])
    return recall_task(rng, N, *size, length=settings["rows"], bits=settings["bits"])


def drawing(scale: str, task: str) -> Callable[[np.random.Generator], BitTask]:
    """What makes a batch to train on: its size is drawn, then its examples."""
    settings = TASKS[scale][task]

    def draw(rng: np.random.Generator) -> BitTask:
        size = rng.integers(settings["least"], settings["most"], endpoint=True).tolist()
        return example(scale, task, rng, int(TRAINING["batch_size"]), size)

    return draw


def build(scale: str, task: str, model: str, rng: np.random.Generator) -> BitWriter:
    """A new model for a task."""
    x, t, _ = example(scale, task, np.random.default_rng(0), 1, TASKS[scale][task]["least"])
    D, O = x.shape[2], t.shape[2]
    if model == "lstm":
        return lstm_machine(D, O, rng, **LSTMS[scale])
    return memory_machine(D, O, rng, recurrent=model == "machine-lstm", **MACHINES[scale][task])


def train(scale: str, task: str, model: str, lr: float, steps: int, seed: int) -> dict[str, Any]:
    """Train, or go on with it, and measure at sizes that were trained on and at larger ones."""
    rng, settings = np.random.default_rng(seed), TASKS[scale][task]
    learner = build(scale, task, model, rng)
    valid = example(scale, task, np.random.default_rng([seed, 1]), TESTED, settings["most"])
    begin = time.process_time()

    def measure(trainer: Trainer) -> None:
        nonlocal begin
        judged = judge(learner, *valid)
        for name in ("cost", "wrong"):
            trainer.notes[name] = [*trainer.notes.get(name, []), getattr(judged, name)]
        now = time.process_time()
        trainer.notes["seconds"] = trainer.notes.get("seconds", 0) + now - begin
        begin = now
        if trainer.epoch % 10 == 0:
            told = f"{judged.wrong:.3f} wrong bits a sequence, {trainer.notes['seconds']:.0f} s"
            print(f"{scale} {task}, {model}, seed {seed}, step {EVERY * trainer.epoch}: {told}", flush=True)

    KEPT.mkdir(parents=True, exist_ok=True)
    name = f"{scale}-{task}-{model}-{lr}-{steps}-{seed}"
    trainer = Trainer(learner, Adam(lr), rng, TRAINING["max_grad_norm"], cosine(lr, steps, rise=EVERY))
    failed = None
    try:
        batches = Drawn(drawing(scale, task), EVERY)
        trainer.fit(batches, steps // EVERY, KEPT / f"{name}.checkpoint.npz", on_epoch=measure)
        leave_if_stopped(trainer, steps // EVERY)  # the same command goes on
    except FloatingPointError as error:
        failed = str(error)
    save_weights(KEPT / f"{name}.npz", learner)
    tests = {}
    for size in settings["tests"]:
        new = example(scale, task, np.random.default_rng([seed, 2]), TESTED, size)
        tests[" x ".join(map(str, size))] = asdict(judge(learner, *new, batch_size=20)) | {
            "bits": int(new[2][0].sum() * new[1].shape[2])
        }
    return {
        "lr": lr,
        "steps": steps,
        "parameters": count_parameters(learner),
        "every": EVERY,
        "cost": trainer.notes.get("cost", []),
        "wrong": trainer.notes.get("wrong", []),
        "failed": failed,
        "tests": tests,
        "settings": TRAINING | settings | (LSTMS[scale] if model == "lstm" else MACHINES[scale][task]),
        "seconds": trainer.notes.get("seconds", 0.0),  # of one core
    }


def choose(scale: str, task: str, model: str) -> None:
    """Try each learning rate; the one whose two seeds have the lowest mean cost is kept."""
    steps, costs = STEPS[scale][task] // CHOOSE_SHARE[scale], {}
    for lr in RATES[scale]:
        runs = [train(scale, task, model, lr, steps, seed) for seed in CHOOSE_SEEDS]
        last = [float("inf") if run["failed"] else run["cost"][-1] for run in runs]
        costs[lr] = [min(cost, 1e9) for cost in last]  # JSON knows no infinity
    best = min(RATES[scale], key=lambda lr: sum(costs[lr]))
    command = f"python -m runs.memory choose {scale} {task} {model}"
    result = {"lr": best, "steps": steps, "costs": {str(lr): cost for lr, cost in costs.items()}}
    record_run(RESULTS, f"choose {scale} {task}", model, result=result, seed=CHOOSE_SEEDS[0], command=command)
    print(f"{scale} {task}, {model}: {costs}", flush=True)


def test(scale: str, task: str, model: str, seeds: Sequence[int]) -> None:
    """Train with each seed at the learning rate that was chosen, and keep what came of it."""
    try:
        lr = recorded(RESULTS)["runs"][f"choose {scale} {task}"][model]["lr"]
    except (FileNotFoundError, KeyError):
        sys.exit(
            f"no learning rate was chosen; python -m runs.memory choose {scale} {task} {model} comes first."
        )
    for seed in seeds:
        result = train(scale, task, model, lr, STEPS[scale][task], seed)
        command = f"python -m runs.memory {scale} {task} {model} {seed}"
        record_run(RESULTS, f"{scale} {task}", model, str(seed), result=result, seed=seed, command=command)
        told = {size: f"{100 * judged['share']:.2f} %" for size, judged in result["tests"].items()}
        print(f"{scale} {task}, {model}, seed {seed}: wrong bits {told}", flush=True)


def main() -> None:
    words = [argument for argument in sys.argv[1:] if not argument.isdecimal()]
    seeds = [int(argument) for argument in sys.argv[1:] if argument.isdecimal()]
    choosing = words[:1] == ["choose"]
    scale, task, *models = [*words[choosing:], "", ""][: max(2, len(words) - choosing)]
    if scale not in TASKS or task not in STEPS["small"] or not models or set(models) - set(MODELS):
        sys.exit(
            f"the words are {' '.join(words) or 'missing'}; they should be a scale ({', '.join(TASKS)}), a "
            f"task ({', '.join(STEPS['small'])}) and models ({', '.join(MODELS)}), with choose before them "
            "or seeds behind."
        )
    if choosing == bool(seeds):
        sys.exit("seeds should be given for a test, as in: small copy machine 1 2 3, and none after choose.")
    for model in models:
        if choosing:
            choose(scale, task, model)
        else:
            test(scale, task, model, seeds)


if __name__ == "__main__":
    main()
