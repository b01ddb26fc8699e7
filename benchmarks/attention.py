"""Dates with attention: one training step, and greedy decoding in batches.

Both sides start from the same weights and read the same: encoder and decoder are LSTMs, dot-product attention
looks at the encoder's states, and a step is loss, backward, clipping and Adam. In ``attention-dates`` the
questions are dates of up to 29 characters, and both sides leave out the padding (PyTorch by packing). In
``attention-dates-full`` all questions have 29 characters.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from benchmarks import Benchmark
from benchmarks._steps import Step, counted, our_step, same_losses, torch_step
from common.datasets import Task, dates
from common.models.attention import attentive
from common.models.decoding import answer
from common.models.seq2seq import Seq2Seq
from common.optimizers import Adam
from common.text import END, PAD, SPECIALS

D, H, N = 16, 128, 128  # as in the chapter's table
LR, MAX_NORM = 1e-3, 5.0
LONGEST = 29


def data(padded: bool) -> tuple[int, np.ndarray, np.ndarray]:
    """The number of characters, questions (N, 29) and answers (N, 12)."""
    rng = np.random.default_rng(1984)
    task = Task.split(dates(rng, 20_000), 1, 1)
    pairs = sorted(task.train, key=lambda pair: len(pair[0]) != LONGEST)[:1] + task.train[: N - 1]
    questions, answers = task.arrays(pairs)
    assert questions.shape == (N, LONGEST)
    V = len(task.characters)
    return V, questions if padded else rng.integers(len(SPECIALS), V, (N, LONGEST)), answers


def model_of_ours(V: int) -> Seq2Seq:
    return attentive(V, D, H, np.random.default_rng(1984))


def ours_step(padded: bool) -> Step:
    V, questions, answers = data(padded)
    return our_step(model_of_ours(V), Adam(LR), MAX_NORM, questions, answers)


def peer_step(padded: bool) -> Step:
    import torch
    from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

    torch.set_num_threads(int(os.environ["BENCH_THREADS"]))
    V, *arrays = data(padded)
    questions, answers = (torch.from_numpy(a).long() for a in arrays)

    class Attentive(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed_q, self.embed_a = torch.nn.Embedding(V, D), torch.nn.Embedding(V, D)
            self.encoder = torch.nn.LSTM(D, H, batch_first=True)
            self.decoder = torch.nn.LSTM(D, H, batch_first=True)
            self.affine = torch.nn.Linear(2 * H, V)

        def forward(self, questions, answers):
            xs, mask = self.embed_q(questions), questions != PAD
            if padded:
                packed = pack_padded_sequence(xs, mask.sum(dim=1), batch_first=True, enforce_sorted=False)
                hs, state = self.encoder(packed)
                hs, _ = pad_packed_sequence(hs, batch_first=True)
            else:
                hs, state = self.encoder(xs)
            queries, _ = self.decoder(self.embed_a(answers), state)
            found = torch.nn.functional.scaled_dot_product_attention(
                queries, hs, hs, attn_mask=mask[:, None], scale=1.0
            )
            return self.affine(torch.cat([found, queries], dim=2))

    model = Attentive()
    copy_weights(model, model_of_ours(V))
    optimizer = torch.optim.Adam(model.parameters(), lr=LR)
    cross_entropy = torch.nn.CrossEntropyLoss(ignore_index=PAD)

    def loss() -> torch.Tensor:
        scores = model(questions, answers[:, :-1])
        return cross_entropy(scores.reshape(-1, V), answers[:, 1:].reshape(-1))

    return torch_step(model, optimizer, MAX_NORM, loss)


def copy_weights(theirs: Any, ours: Seq2Seq) -> None:
    """Start PyTorch's model from our weights; the second bias of its LSTMs stays 0."""
    import torch

    from benchmarks.pytorch_layout import at, below, embedding, linear, recurrent

    p = {name: torch.from_numpy(param) for name, param in ours.named_params()}
    weights = at("affine.", linear(below(p, "decoder.affine.")))
    for part, embed in (("encoder.", "embed_q."), ("decoder.", "embed_a.")):
        weights |= at(embed, embedding(below(p, f"{part}embedding.")))
        weights |= at(part, recurrent(below(p, f"{part}stack.layers.0.")))
    theirs.load_state_dict(weights)
    theirs.encoder.bias_hh_l0.requires_grad_(False)
    theirs.decoder.bias_hh_l0.requires_grad_(False)


def dates_a_step(make: Callable[[bool], Step], padded: bool) -> Callable[[], float]:
    return counted(make(padded), N)


def report(padded: bool) -> dict[str, Any]:
    """Both sides do the same."""
    return same_losses(ours_step(padded), peer_step(padded))


def decoding(batch: int, all_at_a_turn: int) -> Callable[[], float]:
    """Write answers, so many at a time; END is never chosen, so each has all its characters written."""
    task = Task.split(dates(np.random.default_rng(1984), 2_000), 1, 1)
    questions, answers = task.arrays(task.train[:1000])
    model = model_of_ours(len(task.characters))
    model.decoder.affine.params[1][END] = -100.0
    start = 0

    def work() -> float:
        nonlocal start
        rows = questions[start : start + all_at_a_turn]
        for first in range(0, len(rows), batch):
            answer(model, rows[first : first + batch], answers.shape[1] - 1)
        start = (start + all_at_a_turn) % len(questions)
        return len(rows)

    return work


BENCHMARKS = [
    Benchmark(
        name=name,
        unit="dates",
        ours=partial(dates_a_step, ours_step, padded),
        peer=partial(dates_a_step, peer_step, padded),
        against="PyTorch",
        needs=("torch==2.13.0",),
        turns=15,
        seconds=0.4,
        report=partial(report, padded),
    )
    for name, padded in (("attention-dates", True), ("attention-dates-full", False))
] + [
    Benchmark(
        name="attention-decoding",
        unit="dates",
        ours=partial(decoding, 250, 1000),
        peer=partial(decoding, 1, 10),
        against="one by one",
        turns=7,
        seconds=0.4,
    )
]
