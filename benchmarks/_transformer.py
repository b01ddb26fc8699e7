"""How often a Transformer adds and reads dates right, on the examples of benchmarks/_seq2seq.py.

    python -m benchmarks._transformer addition:1 dates:1 ...

trains one model for each task and seed, and adds what it measured to data/results/transformer.json.
"""

from __future__ import annotations

import sys
import time

import numpy as np

from benchmarks._seq2seq import make_task, rounded
from common.layers import unique_parameters
from common.optimizers import Adam
from common.scale import record, recorded
from common.seq2seq import accuracy
from common.training import Trainer
from common.transformer import transformer, warm_up

NAME = "transformer"
DEPTH = {"addition": 2, "dates": 1}
D, H, BATCH, CLIP, EPOCHS = 64, 128, 64, 1.0, 10


def measure(name: str, seed: int) -> dict[str, object]:
    """Train one model, and judge it on the test part; seconds are those of one processor."""
    task = make_task(name)
    model = transformer(len(task.characters), D, H, np.random.default_rng(seed), depth=DEPTH[name])
    seconds, curve = [time.process_time()], []
    valid = task.arrays(task.valid)

    def judge(trainer: Trainer) -> None:
        seconds[-1] = time.process_time() - seconds[-1]
        curve.append(accuracy(model, *valid))
        print(name, trainer.epoch, curve[-1], f"{seconds[-1]:.1f}", flush=True)
        seconds.append(time.process_time())

    trainer = Trainer(model, Adam(), np.random.default_rng(seed), CLIP, warm_up(3e-3, 300))
    trainer.fit(*task.arrays(task.train), EPOCHS, BATCH, on_epoch=judge)
    return {
        "accuracy": accuracy(model, *task.arrays(task.test)),
        "parameters": sum(param.size for param in unique_parameters(model)[0]),
        "epochs": EPOCHS,
        "examples": len(task.train),
        "seconds_an_epoch": float(np.median(seconds[:-1])),
        "valid_curve": curve,
        "loss_curve": trainer.epoch_losses,
    }


def main() -> None:
    for choice in sys.argv[1:]:
        name, _, seed = choice.partition(":")
        result = measure(name, int(seed or 1))
        try:
            runs = recorded(NAME)["runs"]
        except KeyError:
            runs = {}
        runs.setdefault(f"{name}/transformer", {})[seed or "1"] = rounded(result)
        record(NAME, seed=1, command=f"python -m benchmarks._transformer {choice}", runs=runs)


if __name__ == "__main__":
    main()
