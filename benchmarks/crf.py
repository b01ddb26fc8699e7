"""A step of a conditional random field: loss, gradients of the scores and of its weights, and their update.

32 sentences of 5 to 25 words, 5 tags: the size of the taggers of names. Both sides get the same scores, tags
and weights. PyTorch has no such layer; its side is the recursion as one writes it there, over whole batches,
with automatic differentiation.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from benchmarks import Benchmark
from benchmarks._steps import Step, counted, our_step, same_losses, torch_step
from common.layers import CRF
from common.optimizers import SGD

N, T, K, LR = 32, 25, 5, 0.1


def crf_loss(transitions: Any, start: Any, end: Any, scores: Any, tags: Any, mask: Any = None) -> Any:
    """Minus the log-probability of the right tags, a mean over words, in PyTorch."""
    import torch

    at = torch.arange(len(tags))
    mask = torch.ones(tags.shape).bool() if mask is None else mask
    of_tags = scores.gather(2, tags[:, :, None])[:, :, 0] * mask
    of_moves = transitions[tags[:, :-1], tags[:, 1:]] * mask[:, 1:]
    right = of_tags.sum(dim=1) + of_moves.sum(dim=1) + start[tags[:, 0]] + end[tags[at, mask.sum(dim=1) - 1]]
    alpha = scores[:, 0] + start
    for i in range(1, tags.shape[1]):
        after = torch.logsumexp(alpha[:, :, None] + transitions, dim=1) + scores[:, i]
        alpha = torch.where(mask[:, i, None], after, alpha)
    return (torch.logsumexp(alpha + end, dim=1) - right).sum() / mask.sum()


def example() -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The weights, and scores, tags and mask."""
    rng = np.random.default_rng(1984)
    weights = [rng.standard_normal(shape, dtype=np.float32) for shape in ((K, K), (K,), (K,))]
    lengths = rng.integers(5, T + 1, N)
    lengths[0] = T
    scores = rng.standard_normal((N, T, K), dtype=np.float32)
    return weights, [scores, rng.integers(0, K, (N, T)), np.arange(T) < lengths[:, None]]


def ours_step() -> Step:
    weights, batch = example()
    return our_step(CRF(*weights), SGD(LR), None, *batch)


def peer_step() -> Step:
    import torch

    torch.set_num_threads(int(os.environ["BENCH_THREADS"]))
    weights, batch = example()
    scores, tags, mask = map(torch.from_numpy, batch)
    model = torch.nn.ParameterList([torch.from_numpy(w) for w in weights])

    def loss() -> Any:
        return crf_loss(*model, scores.detach().requires_grad_(), tags, mask)

    return torch_step(model, torch.optim.SGD(model.parameters(), lr=LR), None, loss)


def words(step: Step) -> Any:
    """One step a call; returns the words of the batch."""
    return counted(step, float(example()[1][2].sum()))


BENCHMARKS = [
    Benchmark(
        name="crf-step",
        unit="words",
        ours=lambda: words(ours_step()),
        peer=lambda: words(peer_step()),
        against="PyTorch",
        needs=("torch==2.13.0",),
        report=lambda: same_losses(ours_step(), peer_step()),
    )
]
