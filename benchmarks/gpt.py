"""A GPT: a training step (forward, loss, backward, clipping, AdamW), and writing with and without a cache.

The same weights, the same batch, no dropout, words in and out tied, on both sides. PyTorch's blocks are those
of ``torch.nn.TransformerEncoderLayer``, whose attention is told that it is causal: its fastest way on a
processor.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from benchmarks import Benchmark
from benchmarks._steps import Step, counted, our_step, same_losses, tensor, torch_step
from common.layers import evaluating
from common.models.generation import choose, continue_text
from common.models.gpt import GPT, gpt
from common.optimizers import AdamW

V, LR, MAX_NORM = 8256, 1e-3, 1.0
SIZES: dict[str, dict[str, int]] = {
    "gpt-128": {"D": 128, "length": 128, "depth": 4, "heads": 4, "N": 16},
    "gpt-256": {"D": 256, "length": 256, "depth": 6, "heads": 8, "N": 8},
}


def model_of_ours(size: str) -> GPT:
    sizes = {name: value for name, value in SIZES[size].items() if name != "N"}
    return gpt(V, rng=np.random.default_rng(1984), **sizes)


def batch(size: str) -> tuple[np.ndarray, np.ndarray]:
    """Words and the words that follow, (N, T) each; frequent ones are frequent, as in a text."""
    rng = np.random.default_rng(1984)
    shares = 1 / np.arange(10, V + 10)
    N, T = SIZES[size]["N"], SIZES[size]["length"]
    ids = rng.choice(V, (N, T + 1), p=shares / shares.sum())
    return ids[:, :-1], ids[:, 1:]


def ours_step(size: str) -> Step:
    return our_step(model_of_ours(size), AdamW(LR), MAX_NORM, *batch(size))


def peer_step(size: str) -> Step:
    import torch

    from benchmarks.pytorch_layout import gpt as theirs

    torch.set_num_threads(int(os.environ["BENCH_THREADS"]))
    nn = torch.nn
    D, T, depth, heads = (SIZES[size][name] for name in ("D", "length", "depth", "heads"))
    xs, ts = map(tensor, batch(size))

    class Theirs(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words, self.positions = nn.Embedding(V, D), nn.Embedding(T, D)
            options: dict[str, Any] = {"dropout": 0.0, "batch_first": True, "norm_first": True}
            gelu = partial(nn.functional.gelu, approximate="tanh")
            layer = nn.TransformerEncoderLayer(D, heads, 4 * D, activation=gelu, **options)
            self.blocks = nn.TransformerEncoder(layer, depth, nn.LayerNorm(D), enable_nested_tensor=False)
            self.output = nn.Linear(D, V)
            self.output.weight = self.words.weight

        def forward(self, xs: torch.Tensor) -> torch.Tensor:
            hs = self.words(xs) + self.positions(torch.arange(xs.shape[1]))
            causal = nn.Transformer.generate_square_subsequent_mask(xs.shape[1])
            return self.output(self.blocks(hs, mask=causal, is_causal=True))

    model = Theirs()
    model.load_state_dict(theirs({name: tensor(a) for name, a in model_of_ours(size).named_params()}))
    decayed = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim < 2]
    groups = [{"params": decayed}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=LR, weight_decay=0.01)

    def loss() -> torch.Tensor:
        return nn.functional.cross_entropy(model(xs).reshape(-1, V), ts.reshape(-1))

    return torch_step(model, optimizer, MAX_NORM, loss)


def words(make: Callable[[str], Step], size: str) -> Callable[[], float]:
    """One step a call; returns the words of the batch."""
    return counted(make(size), float(batch(size)[0].size))


def report(size: str) -> dict[str, Any]:
    """Both sides do the same."""
    return same_losses(ours_step(size), peer_step(size))


# ---- writing


def next_word(cache: bool) -> Callable[[], float]:
    """The 256th word of a text, once a call: with the keys and values of 255 positions, or without."""
    model, rng = model_of_ours("gpt-256"), np.random.default_rng(0)
    model.training = False
    ids = batch("gpt-256")[0][:1]
    _, state = model.step(ids[:, :-1], model.start(1))

    def with_cache() -> float:
        choose(model.step(ids[:, -1:], state)[0], rng)
        return 1.0

    def without() -> float:
        choose(scores_of_last(model, ids), rng)
        return 1.0

    return with_cache if cache else without


def scores_of_last(model: GPT, ids: np.ndarray) -> np.ndarray:
    """All positions go through the blocks again, and only the last one gets scores."""
    return model.output.scores(model.hidden(ids)[:, -1])


def same_words() -> dict[str, Any]:
    """A whole text is the same with the cache and without it."""
    model, rng, read = model_of_ours("gpt-256"), np.random.default_rng(1), np.zeros((1, 1), dtype=int)
    begin = time.process_time()
    written = continue_text(model, [0], model.length, np.random.default_rng(1))
    with_cache = time.process_time() - begin
    with evaluating(model):
        begin = time.process_time()
        for _ in range(model.length):
            read = np.append(read, choose(scores_of_last(model, read), rng)[:, None], axis=1)
        without = time.process_time() - begin
    if not np.array_equal(written, read[0, 1:]):
        raise AssertionError("the words that are written with the cache and without it differ.")
    return {"same words": True, "times as fast over the whole text": round(without / with_cache, 1)}


BENCHMARKS = [
    Benchmark(
        name=size,
        unit="words",
        ours=partial(words, ours_step, size),
        peer=partial(words, peer_step, size),
        against="PyTorch",
        needs=("torch==2.13.0",),
        turns=9,
        seconds=1.0,
        report=partial(report, size),
    )
    for size in SIZES
] + [
    Benchmark(
        name="gpt-generate",
        unit="words",
        ours=partial(next_word, True),
        peer=partial(next_word, False),
        against="no cache",
        turns=9,
        seconds=0.5,
        report=same_words,
    )
]
