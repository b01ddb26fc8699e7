"""A training step of filters over sentences (TextCNN): forward, loss, backward, Adam, 50 sentences a batch.

The same weights and the same batch on both sides, and the vectors of the words learn along. Sentences have
between 25 and 50 words; on both sides padding is zeros, behind each sentence, and each word begins one window
of each width, so that no filter finds anything in the padding. Dropout is off, so that both compute the same
numbers.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from benchmarks import Benchmark
from benchmarks._steps import Step, counted, our_step, same_losses, torch_step
from common.batches import fill_up
from common.models.text_classifiers import TextClassifier, text_cnn
from common.optimizers import Adam
from common.text import PAD

N, T, D, V, LR = 50, 50, 100, 10_000, 1e-3
WIDTHS, FILTERS = (3, 4, 5), 100


def batch() -> tuple[np.ndarray, np.ndarray]:
    """Sentences (N, T), the longest of 50 words, and their classes."""
    rng = np.random.default_rng(1984)
    lengths = [T, *rng.integers(T // 2, T + 1, N - 1)]
    return fill_up([rng.integers(2, V, length) for length in lengths]), rng.integers(0, 2, N)


def model_of_ours() -> TextClassifier:
    return text_cnn(V, D, np.random.default_rng(1984), widths=WIDTHS, filters=FILTERS, dropout=0)


def ours_step() -> Step:
    return our_step(model_of_ours(), Adam(LR), None, *batch())


def peer_step() -> Step:
    import torch

    torch.set_num_threads(int(os.environ["BENCH_THREADS"]))
    ours, nn, functional = model_of_ours(), torch.nn, torch.nn.functional
    ids, t = (torch.from_numpy(array.astype(np.int64)) for array in batch())

    class TextCNN(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(V, D, padding_idx=PAD)
            self.convolutions = nn.ModuleList(nn.Conv1d(D, FILTERS, width) for width in WIDTHS)
            self.affine = nn.Linear(FILTERS * len(WIDTHS), 2)

        def forward(self, ids):
            hidden = (ids == PAD)[:, None]
            found = []
            xs = self.embedding(ids).transpose(1, 2)  # (N, D, T)
            for convolution in self.convolutions:
                ys = convolution(functional.pad(xs, (0, convolution.kernel_size[0] - 1)))
                found.append(ys.masked_fill(hidden, -torch.inf).max(dim=2).values)
            return self.affine(functional.relu(torch.cat(found, dim=1)))

    model = TextCNN()
    W, *filters, last, b = (torch.from_numpy(param.copy()) for param in ours.params)
    W[PAD] = 0  # ours leaves out what stands there
    with torch.no_grad():
        model.embedding.weight.copy_(W)
        for convolution, weights, biases in zip(model.convolutions, filters[::2], filters[1::2]):
            convolution.weight.copy_(weights)
            convolution.bias.copy_(biases)
        model.affine.weight.copy_(last.T)
        model.affine.bias.copy_(b)
    optimizer = torch.optim.Adam(model.parameters(), lr=LR)
    return torch_step(model, optimizer, None, lambda: functional.cross_entropy(model(ids), t))


def words(make: Callable[[], Step]) -> Callable[[], float]:
    """One step a call; returns the words of the batch."""
    return counted(make(), float((batch()[0] != PAD).sum()))


def report() -> dict[str, Any]:
    """Both sides do the same."""
    return same_losses(ours_step(), peer_step())


BENCHMARKS = [
    Benchmark(
        name="textcnn-step",
        unit="words",
        ours=partial(words, ours_step),
        peer=partial(words, peer_step),
        against="PyTorch",
        needs=("torch==2.13.0",),
        report=report,
    )
]
