"""What in a Transformer matters: runs with one thing changed, over seeds, beside those of ``runs.seq2seq``.

    python -m runs.transformer RUN:SEED ...

makes one run after the other, and adds what it measured to data/results/transformer.json. A run takes a
minute or two.

Sums, at the settings of ``runs.seq2seq``: ``no-self-attention`` (the words of the question do not see each
other: the blocks of the encoder have their network only), and ``lstm-warm-up`` (the LSTMs with attention,
trained as the Transformer is). Dates, a short training of four small blocks in each tower, with the
normalization after each sum and a learning rate whose peak is 0.008: ``after-none-0.008``, which begins at
the peak, and ``after-warm-0.008``, which climbs to it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from common.backend import Array
from common.batches import Shuffled
from common.book.results import record_run
from common.layers import Layer
from common.models.attention import attentive
from common.models.seq2seq import Seq2Seq
from common.models.transformer import transformer
from common.optimizers import Adam
from common.schedules import warm_up
from common.training import Trainer
from runs import leave_if_stopped
from runs.seq2seq import Recipe, make_task, measure

PEAK, CLIMB, SHORT, EPOCHS, MEAN_OF = 0.008, 100, 6400, 4, 10
"""Of the short trainings: rate, steps of warm-up, dates, epochs, how many steps make a point of the curve."""


class Nothing(Layer):
    """In the place of self-attention: every word keeps what it has."""

    def forward(self, x: Array, *others: Any) -> Array:
        return x

    def backward(self, dout: Array) -> Array:
        return dout


def without_self_attention(V: int, D: int, H: int, rng: np.random.Generator) -> Seq2Seq:
    """The Transformer of the long runs; in its encoder no word sees another."""
    model = transformer(V, 4 * D, H, rng, depth=2)
    for block in model.encoder.blocks:
        block.attention = Nothing()
    return model


LONG = {
    "no-self-attention": Recipe(
        without_self_attention, batch_size=64, max_norm=1.0, epochs=10, lr=3e-3, warm=300
    ),
    "lstm-warm-up": Recipe(attentive, batch_size=64, max_norm=1.0, epochs=10, lr=3e-3, warm=300),
}


def from_the_top(lr: float, steps: int) -> Callable[[int], float]:
    """The schedule of ``warm_up``, with its peak in place of the climb."""
    climbing = warm_up(lr, steps)
    return lambda step: climbing(max(step, steps - 1))


SHORT_RUNS = {"after-none-0.008": from_the_top, "after-warm-0.008": warm_up}


def short(schedule: Callable[[int], float], seed: int) -> dict[str, Any]:
    """A short training on dates, post-norm; the curve is the mean loss of every so many steps."""
    task = make_task("dates")
    rng = np.random.default_rng(seed)
    model = transformer(len(task.characters), 32, 64, rng, depth=4, norm_first=False)
    trainer = Trainer(model, Adam(), rng, 1.0, schedule)
    losses = trainer.fit(Shuffled(*task.arrays(task.train[:SHORT]), 64), EPOCHS)
    leave_if_stopped(trainer, EPOCHS)
    curve = np.reshape(losses[: len(losses) // MEAN_OF * MEAN_OF], (-1, MEAN_OF)).mean(axis=1)
    return {"curve": curve.tolist(), "last": float(curve[-5:].mean())}


def main() -> None:
    names = [*LONG, *SHORT_RUNS]
    for choice in sys.argv[1:]:
        name, _, seed = choice.partition(":")
        if name not in names or not seed.isdigit():
            sys.exit(f"the run is {choice!r}; it should be RUN:SEED, a run of {', '.join(names)}.")
        if name in LONG:
            result = measure("addition", LONG[name], int(seed))
        else:
            result = short(SHORT_RUNS[name](PEAK, CLIMB), int(seed))
        command = f"python -m runs.transformer {choice}"
        record_run("transformer", name, seed, result=result, seed=int(seed), command=command)
        print(choice, {key: result[key] for key in ("accuracy", "last") if key in result}, flush=True)


if __name__ == "__main__":
    main()
