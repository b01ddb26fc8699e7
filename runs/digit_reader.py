"""The small network that reads what is drawn on the page of chapter 12: how it came about.

    python -m runs.digit_reader

It is trained on the 60,000 images that MNIST has to train with, and never sees the same picture twice: in
each pass all are drawn again, shifted, turned, stretched, with a thinner or a thicker pen, for whoever draws
with a mouse has another hand than those whose digits MNIST holds. Then its weights are rounded to whole
numbers of one byte, a scale for each filter and each neuron, and put into data/digit_reader.npz. Both
networks, with and without rounding, are measured on the 10,000 test images, as they are and drawn again:
data/results/digit_reader.json.

A run that was stopped, in whatever way, goes on from its last checkpoint, in data/cache, when the same
command is given again.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from common.batches import Augmented
from common.book.results import record_run
from common.datasets.augmentation import Distortion
from common.datasets.files import DATA
from common.datasets.images import load_mnist
from common.layers import count_parameters
from common.models.classifiers import Classifier, predict
from common.models.pretrained import DIGIT_READER, digit_reader, load_digit_reader
from common.optimizers import AdamW
from common.quantization import save_quantized
from common.schedules import cosine
from common.training import Trainer
from runs import after_each_pass, leave_if_stopped

RESULTS, KEPT = "digit_reader", DATA / "cache" / "digit_reader"
SEED, BATCH, PASSES, LR = 12, 100, 10, 0.003
DISTORTION = Distortion(shift=1.5, angle=12, scale=0.12)
PENS = (-0.7, 1.0)
"""From a thinner to a thicker one: see ``with_another_pen``."""


def with_another_pen(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Pictures (N, 1, H, W) as if drawn with a pen of another width, each with its own.

    With a pen that is wider by 1, each pixel has the largest value of its four neighbours and itself; with
    one that is thinner by 1 the smallest. What lies between is a mean of this and the picture.
    """
    width = rng.uniform(*PENS, size=(len(x), 1, 1, 1)).astype(x.dtype)
    room = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    across = [room[..., 1:-1, j : j + x.shape[3]] for j in range(3)]
    parts = [*across, room[..., 2:, 1:-1], room[..., :-2, 1:-1]]
    wide, thin = np.maximum.reduce(parts), np.minimum.reduce(parts)
    return x + np.maximum(width, 0) * (wide - x) + np.maximum(-width, 0) * (thin - x)


def drawn_again(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Pictures (N, 1, H, W) as somebody else might have drawn them."""
    return DISTORTION(with_another_pen(x, rng), rng)


def train(x: np.ndarray, t: np.ndarray) -> tuple[Classifier, Trainer]:
    """A network that has learned pictures ``x`` (N, 1, 28, 28) of classes ``t`` (N,), or goes on with it."""
    rng = np.random.default_rng(SEED)
    model, batches = digit_reader(rng), Augmented(x, t, BATCH, drawn_again)
    schedule = cosine(LR, PASSES * len(batches), rise=min(300, len(batches)))
    trainer = Trainer(model, AdamW(LR), rng, schedule=schedule)
    KEPT.mkdir(parents=True, exist_ok=True)
    trainer.fit(batches, PASSES, KEPT / f"{SEED}.checkpoint.npz", on_epoch=after_each_pass("digit reader"))
    leave_if_stopped(trainer, PASSES)  # the same command goes on
    return model, trainer


def measure(models: list[Classifier], x: np.ndarray, t: np.ndarray) -> list[float]:
    """The share that each reads right, and the share of pictures to which both give the same answer."""
    answers = [predict(model, x).argmax(axis=1) for model in models]
    return [*(float((answer == t).mean()) for answer in answers), float((answers[0] == answers[1]).mean())]


def main() -> None:
    data = load_mnist()
    x = np.concatenate([data.train.planes(), data.valid.planes()])
    model, trainer = train(x, np.concatenate([data.train.labels, data.valid.labels]))
    save_quantized(DIGIT_READER, model)
    models, x_test = [model, load_digit_reader()], data.test.planes()
    right, right_int8, same = measure(models, x_test, data.test.labels)
    again = measure(models, drawn_again(x_test, np.random.default_rng(SEED)), data.test.labels)
    result: dict[str, Any] = {
        "settings": {"passes": PASSES, "batch_size": BATCH, "lr": LR, "images": len(x)}
        | {"shift": DISTORTION.shift, "angle": DISTORTION.angle, "scale": DISTORTION.scale, "pens": PENS},
        "parameters": count_parameters(model),
        "bytes": DIGIT_READER.stat().st_size,
        "train_loss": trainer.epoch_losses,
        "right": right,
        "right_int8": right_int8,
        "same_answers": same,
        "right_drawn_again": again[0],
        "right_drawn_again_int8": again[1],
        "seconds": trainer.notes["seconds"],  # of one core
    }
    record_run(RESULTS, "int8", result=result, seed=SEED, command="python -m runs.digit_reader")
    print(f"of the test images {right:.4f} in float32, {right_int8:.4f} in int8", flush=True)


if __name__ == "__main__":
    main()
