"""One training step of a Transformer: forward, loss, backward, clipping and Adam, from the same weights.

D, H, depth and heads are those of the model that translates in chapter 9. That one has 5,076 words in one
matrix, which encoder, decoder and scores share; here there are 4,000 words, and a matrix for each of the
three. Questions are padded, and neither side looks at padding. Dropout and smoothing are off on both sides,
so that both compute the same numbers.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks import Benchmark
from benchmarks._steps import Step, counted, our_step, same_losses, tensor, torch_step
from common.backend import xp
from common.models.seq2seq import Seq2Seq
from common.models.transformer import transformer
from common.optimizers import Adam
from common.text import PAD, START

V, D, H, DEPTH, HEADS = 4000, 128, 512, 2, 4
N, T = 64, 30
LR, MAX_NORM = 1e-3, 1.0


def data() -> tuple[np.ndarray, np.ndarray]:
    """Questions (N, T) and answers (N, T + 1), between half as long and as long as that."""
    rng = np.random.default_rng(1984)
    questions, answers = (rng.integers(3, V, (N, length)) for length in (T, T + 1))
    answers[:, 0] = START
    for ids in (questions, answers):
        lengths = rng.integers(T // 2, ids.shape[1] + 1, N)
        lengths[0] = ids.shape[1]
        ids[np.arange(ids.shape[1]) >= lengths[:, None]] = PAD
    return questions, answers


def model_of_ours() -> Seq2Seq:
    return transformer(V, D, H, np.random.default_rng(1984), depth=DEPTH, heads=HEADS, tied=False)


def ours_step() -> Step:
    return our_step(model_of_ours(), Adam(LR), MAX_NORM, *data())


def peer_step() -> Step:
    import torch

    from benchmarks.pytorch_layout import at, below, embedding, linear
    from benchmarks.pytorch_layout import transformer as towers

    torch.set_num_threads(int(os.environ["BENCH_THREADS"]))
    nn = torch.nn
    questions, answers = map(tensor, data())
    ours = model_of_ours()
    p = {name: tensor(param) for name, param in ours.named_params()}
    options = {"dropout": 0.0, "batch_first": True, "norm_first": True}

    class Transformer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed_q, self.embed_a = nn.Embedding(V, D), nn.Embedding(V, D)
            self.encoder = nn.TransformerEncoder(
                nn.TransformerEncoderLayer(D, HEADS, H, **options),
                DEPTH,
                nn.LayerNorm(D),
                enable_nested_tensor=False,
            )
            self.decoder = nn.TransformerDecoder(
                nn.TransformerDecoderLayer(D, HEADS, H, **options), DEPTH, nn.LayerNorm(D)
            )
            self.affine = nn.Linear(D, V)
            table = ours.encoder.embed.positions
            table.forward(xp.zeros((1, T, D), dtype=np.float32))
            self.register_buffer("positions", tensor(table.table))

        def forward(self, questions, answers):
            hidden = questions == PAD
            xs = self.embed_q(questions) * D**0.5 + self.positions[: questions.shape[1]]
            memory = self.encoder(xs, src_key_padding_mask=hidden)
            ys = self.embed_a(answers) * D**0.5 + self.positions[: answers.shape[1]]
            causal = nn.Transformer.generate_square_subsequent_mask(answers.shape[1])
            ys = self.decoder(ys, memory, tgt_mask=causal, tgt_is_causal=True, memory_key_padding_mask=hidden)
            return self.affine(ys)

    model = Transformer()
    model.load_state_dict(
        towers(p)
        | at("embed_q.", embedding(below(p, "encoder.embed.embedding.")))
        | at("embed_a.", embedding(below(p, "decoder.embed.embedding.")))
        | at("affine.", linear(below(p, "decoder.affine.")))
        | dict(model.named_buffers())
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=LR)
    cross_entropy = nn.CrossEntropyLoss(ignore_index=PAD)

    def loss() -> torch.Tensor:
        scores = model(questions, answers[:, :-1])
        return cross_entropy(scores.reshape(-1, V), answers[:, 1:].reshape(-1))

    return torch_step(model, optimizer, MAX_NORM, loss)


def words(make: Callable[[], Step]) -> Callable[[], float]:
    """One step a call; returns the words of the answers."""
    return counted(make(), float((data()[1][:, 1:] != PAD).sum()))


def ours() -> Callable[[], float]:
    return words(ours_step)


def peer() -> Callable[[], float]:
    return words(peer_step)


def report() -> dict[str, Any]:
    """Both sides do the same."""
    return same_losses(ours_step(), peer_step())


BENCHMARKS = [
    Benchmark(
        name="transformer-step",
        unit="words",
        ours=ours,
        peer=peer,
        against="PyTorch",
        needs=("torch==2.13.0",),
        turns=15,
        seconds=0.4,
        report=report,
    )
]
