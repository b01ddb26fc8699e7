"""How good convolutional networks become on all of MNIST: the long runs of chapter 12.

    python -m runs.convolution choose simple deep
    python -m runs.convolution simple 1 2 3
    python -m runs.convolution deep 1 2 3

``choose`` trains each of the named settings, with one seed and for fewer passes, on the 50,000 training
images, and measures it on the 10,000 images to choose by: with it the settings below were found. A name and
seeds train on all 60,000 images, for a number of passes that stands below, and then open the 10,000 test
images, once for each seed. All add what they measured to data/results/convolution.json.

A run that was stopped, in whatever way, goes on from its last checkpoint when the same command is given
again. Checkpoints are in data/cache/convolution.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from common.batches import Augmented, Shuffled
from common.book.results import record_run
from common.datasets import Distortion, Images, load_mnist
from common.layers import count_parameters
from common.models.classifiers import Classifier, deep_convnet, predict, simple_convnet
from common.optimizers import AdamW
from common.schedules import cosine
from common.training import Trainer
from runs import after_each_pass, leave_if_stopped

RESULTS = "convolution"
KEPT = Path(__file__).resolve().parent.parent / "data" / "cache" / "convolution"
BATCH, SEED = 100, 1
NETS: dict[str, Callable[[np.random.Generator], Classifier]] = {
    "simple": simple_convnet,
    "deep": deep_convnet,
}
SETTINGS: dict[str, dict[str, Any]] = {
    "simple": {"net": "simple", "lr": 0.001, "passes": 20, "distortion": Distortion(shift=2)},
    "simple-plain": {"net": "simple", "lr": 0.001, "passes": 20, "distortion": None},
    "deep": {
        "net": "deep",
        "lr": 0.002,
        "passes": 15,
        "distortion": Distortion(shift=2, angle=10, scale=0.1, elastic=0.7),
    },
}
CHOOSE_PASSES = 3


def train(name: str, part: str, seed: int, passes: int, images: Images, new: Images) -> dict[str, Any]:
    """Train with some settings, or go on with it, and measure on new images at the end."""
    settings = SETTINGS[name]
    rng = np.random.default_rng(seed)
    model = NETS[settings["net"]](rng)
    x, distortion = images.planes(), settings["distortion"]
    batches = (
        Augmented(x, images.labels, BATCH, distortion) if distortion else Shuffled(x, images.labels, BATCH)
    )
    lr, steps = settings["lr"], passes * len(batches)
    trainer = Trainer(model, AdamW(lr), rng, schedule=cosine(lr, steps, rise=len(batches) // 2))
    KEPT.mkdir(parents=True, exist_ok=True)
    checkpoint = KEPT / f"{part}-{name}-{seed}.checkpoint.npz"
    trainer.fit(
        batches, passes, checkpoint, checkpoint_every=100, on_epoch=after_each_pass(f"{name}, seed {seed}")
    )
    leave_if_stopped(trainer, passes)  # the same command goes on
    wrong = np.flatnonzero(predict(model, new.planes()).argmax(axis=1) != new.labels)
    return {
        "settings": settings
        | {"distortion": asdict(distortion) if distortion else None, "passes": passes}
        | {"batch_size": BATCH, "images": len(images)},
        "parameters": count_parameters(model),
        "train_loss": trainer.epoch_losses,
        part: 1 - len(wrong) / len(new),
        "wrong": wrong.tolist(),  # the numbers of the images
        "seconds": trainer.notes["seconds"],  # of one core
    }


def choose(names: list[str]) -> None:
    """One short run with each of the settings, measured on the images to choose by."""
    data = load_mnist()
    for name in names:
        result = train(name, "valid", SEED, CHOOSE_PASSES, data.train, data.valid)
        command = f"python -m runs.convolution choose {name}"
        record_run(RESULTS, "choose", name, result=result, seed=SEED, command=command)
        print(f"{name}: {result['valid']:.4f} of the validation images", flush=True)


def test(name: str, seeds: list[int]) -> None:
    """All 60,000 images, then the test images, with each of the seeds."""
    data = load_mnist()
    images = Images(
        np.concatenate([data.train.pixels, data.valid.pixels]),
        np.concatenate([data.train.labels, data.valid.labels]),
    )
    for seed in seeds:
        result = train(name, "test", seed, SETTINGS[name]["passes"], images, data.test)
        command = f"python -m runs.convolution {name} {seed}"
        record_run(RESULTS, name, str(seed), result=result, seed=seed, command=command)
        print(f"{name}, seed {seed}: {result['test']:.4f} of the test images", flush=True)


def main() -> None:
    names = [argument for argument in sys.argv[1:] if not argument.isdecimal()]
    seeds = [int(argument) for argument in sys.argv[1:] if argument.isdecimal()]
    choosing = names[:1] == ["choose"]
    names = names[1:] if choosing else names
    unknown = [name for name in names if name not in SETTINGS]
    if unknown or not names:
        sys.exit(
            f"settings is {', '.join(unknown) or 'missing'}; it should be some of {', '.join(SETTINGS)}, "
            "with seeds behind it or choose before it."
        )
    if choosing == bool(seeds):
        sys.exit("seeds should be given for a test, as in: deep 1 2 3, and none after choose.")
    if choosing:
        choose(names)
    else:
        for name in names:
            test(name, seeds)


if __name__ == "__main__":
    main()
