"""How good affine layers become on all of MNIST: the long run of chapter 11.

    python -m runs.training choose
    python -m runs.training test

``choose`` trains each of the settings for a few passes over the 50,000 training images, and measures them on
the 10,000 images to choose by. ``test`` takes the best of them, trains it with three seeds on all 60,000
images, for longer, and opens the 10,000 test images, once for each seed. Both add what they measured to
data/results/training.json.

A run that was stopped, in whatever way, goes on from its last checkpoint when the same command is given
again. Checkpoints are in data/cache/training.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

from common.backend import FLOAT
from common.batches import Shuffled
from common.book.results import record_run, recorded
from common.datasets.images import load_mnist
from common.initializers import he
from common.layers import Dropout, Layer, Make, ReLU, count_parameters
from common.models.classifiers import Classifier, share_right
from common.optimizers import AdamW
from common.schedules import cosine
from common.training import Trainer
from runs import after_each_pass, leave_if_stopped

RESULTS = "training"
KEPT = Path(__file__).resolve().parent.parent / "data" / "cache" / "training"
SEED, SEEDS, H, BATCH = 1, (1, 2, 3), 1024, 250

# Dropout is the ratio of what is dropped before the first layer, and after each hidden one.
SETTINGS: dict[str, dict[str, Any]] = {
    "plain": {"norm": False, "dropout": (0.0, 0.0), "lr": 0.001},
    "batch norm": {"norm": True, "dropout": (0.0, 0.0), "lr": 0.002},
    "dropout": {"norm": False, "dropout": (0.2, 0.5), "lr": 0.001},
    "both": {"norm": True, "dropout": (0.2, 0.5), "lr": 0.002},
    "both, less dropped": {"norm": True, "dropout": (0.1, 0.3), "lr": 0.002},
}
PASSES = {"choose": 10, "test": 20}


def build(settings: dict[str, Any], rng: np.random.Generator) -> Classifier:
    """Two hidden layers of H neurons."""
    make, (before, after) = Make(rng), settings["dropout"]
    layers: list[Layer] = [Dropout(before, rng)] if before else []
    for D in (784, H):
        layers.append(make.affine(D, H, he))
        layers += [make.batch_norm(H)] if settings["norm"] else []
        layers.append(ReLU())
        layers += [Dropout(after, rng)] if after else []
    return Classifier(*layers, make.affine(H, 10))


def train(
    name: str, part: str, seed: int, x: np.ndarray, t: np.ndarray, x_new: np.ndarray, t_new: np.ndarray
) -> dict[str, Any]:
    """Train with some settings on ``x, t``, or go on with it, and measure on ``x_new, t_new`` at the end."""
    settings, passes = SETTINGS[name], PASSES[part]
    rng = np.random.default_rng(seed)
    model = build(settings, rng)
    batches = Shuffled(x, t, BATCH)
    lr, steps = settings["lr"], passes * len(batches)
    trainer = Trainer(model, AdamW(lr), rng, schedule=cosine(lr, steps, rise=len(batches)))
    KEPT.mkdir(parents=True, exist_ok=True)
    checkpoint = KEPT / f"{part}-{name.replace(', ', '-').replace(' ', '-')}-{seed}.checkpoint.npz"
    trainer.fit(batches, passes, checkpoint, on_epoch=after_each_pass(f"{name}, seed {seed}"))
    leave_if_stopped(trainer, passes)  # the same command goes on
    return {
        "settings": settings | {"H": H, "batch_size": BATCH, "passes": passes, "images": len(x)},
        "parameters": count_parameters(model),
        "train_loss": trainer.epoch_losses,
        "right": share_right(model, x_new, t_new),
        "seconds": trainer.notes["seconds"],  # of one core
    }


def choose() -> None:
    """One run with each of the settings, measured on the images to choose by."""
    data = load_mnist()
    x, x_valid = data.train.rows(dtype=FLOAT), data.valid.rows(dtype=FLOAT)
    for name in SETTINGS:
        result = train(name, "choose", SEED, x, data.train.labels, x_valid, data.valid.labels)
        command = "python -m runs.training choose"
        record_run(RESULTS, "choose", name, result=result, seed=SEED, command=command)
        print(f"{name}: {result['right']:.4f} of the validation images", flush=True)


def test() -> None:
    """The settings that were best there, three times, on all 60,000 images; then the test images."""
    chosen = recorded(RESULTS)["runs"]["choose"]
    name = max(chosen, key=lambda name: chosen[name]["right"])
    data = load_mnist()
    x = np.concatenate([data.train.rows(dtype=FLOAT), data.valid.rows(dtype=FLOAT)])
    t = np.concatenate([data.train.labels, data.valid.labels])
    x_test = data.test.rows(dtype=FLOAT)
    for seed in SEEDS:
        result = {"name": name} | train(name, "test", seed, x, t, x_test, data.test.labels)
        command = "python -m runs.training test"
        record_run(RESULTS, "test", str(seed), result=result, seed=seed, command=command)
        print(f"{name}, seed {seed}: {result['right']:.4f} of the test images", flush=True)


def main() -> None:
    parts = {"choose": choose, "test": test}
    unknown = [part for part in sys.argv[1:] if part not in parts]
    if unknown or len(sys.argv) == 1:
        sys.exit(f"part is {', '.join(unknown) or 'missing'}; it should be one of {', '.join(parts)}.")
    for part in sys.argv[1:]:
        parts[part]()


if __name__ == "__main__":
    main()
