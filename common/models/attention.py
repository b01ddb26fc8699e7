"""Encoders and decoders with attention: the decoder looks at all states of the encoder, not only at the last.

They fit ``Seq2Seq``; ``common.models.seq2seq`` says what it asks of the two. What passes between them is

    memory = (hs, mask, h, c, ...)    # (N, S, H), (N, S), and the final states of each layer, (N, H) each

``AttentionDecoder`` looks after its LSTM: the new state asks, and what is found goes to the scores, as with
[Luong2015]_. ``LookFirstDecoder`` looks before: the old state asks, and what is found is an input of the
LSTM, as with [Bahdanau2015]_.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from common.backend import FLOAT, Array, DType, xp
from common.layers.attention import Attention, attend, attend_back
from common.layers.base import Model
from common.layers.cells import LSTMCell
from common.layers.make import Make
from common.layers.recurrent import LSTM
from common.layers.stack import Bidirectional, Stack
from common.models.seq2seq import Seq2Seq
from common.support.require import require_counts, require_mask
from common.text.rows import padding_mask


class AttentionEncoder(Model):
    """Read a question, and keep the state after each character.

    Parameters
    ----------
    V, D, H : int
        Number of characters, size of a character's vector, size of a state.
    rng : numpy.random.Generator
        Draws the first weights.
    depth : int
        Recurrent layers, one above the other.
    residual : bool
        With residual connections between them.
    bidirectional : bool
        Each layer reads both ways, with half of H for each.
    dtype : float type, of the weights
    """

    def __init__(
        self,
        V: int,
        D: int,
        H: int,
        rng: np.random.Generator,
        depth: int = 1,
        residual: bool = False,
        bidirectional: bool = False,
        *,
        dtype: DType = FLOAT,
    ) -> None:
        require_counts(V=V, D=D, H=H, depth=depth)
        if bidirectional and H % 2:
            raise ValueError(f"H is {H}; it should be even when bidirectional=True.")
        make = Make(rng, dtype)
        self.embedding = make.embedding(V, D, scale=D**-0.5)
        widths = [D, *[H] * (depth - 1)]
        if bidirectional:
            ways = [[make.recurrent(LSTM, width, H // 2) for _ in range(2)] for width in widths]
            self.stack = Stack([Bidirectional(*both) for both in ways], residual)
        else:
            self.stack = Stack([make.recurrent(LSTM, width, H) for width in widths], residual)

    def forward(self, questions: Array) -> tuple[Array, ...]:
        """Ids (N, S) to the memory: all states (N, S, H), the mask (N, S), the final states (N, H)."""
        mask = padding_mask(questions)
        hs = self.stack.forward(self.embedding.forward(questions), mask)
        return hs, mask, *self.stack.states

    def backward(self, dhs: Array, dmask: None, *dstates: Array) -> None:
        """Gradients of the memory; a mask has none."""
        self.embedding.backward(self.stack.backward(dhs, *dstates))


class AttentionDecoder(Model):
    """Write an answer; before each character, look at the question [Luong2015]_.

    Parameters
    ----------
    V, D, H, rng, depth, residual, dtype
        As in ``AttentionEncoder``.
    """

    def __init__(
        self,
        V: int,
        D: int,
        H: int,
        rng: np.random.Generator,
        depth: int = 1,
        residual: bool = False,
        *,
        dtype: DType = FLOAT,
    ) -> None:
        require_counts(V=V, D=D, H=H, depth=depth)
        make = Make(rng, dtype)
        self.embedding = make.embedding(V, D, scale=D**-0.5)
        self.stack = Stack([make.recurrent(LSTM, D if i == 0 else H, H) for i in range(depth)], residual)
        self.attention = Attention()
        self.affine = make.affine(2 * H, V)

    def forward(self, answers: Array, hs: Array, mask: Array, *states: Array) -> Array:
        """Ids (N, T) and the memory to scores (N, T, V) of what follows each."""
        for layer, own in zip(self.stack.layers, self.stack.apart(states)):
            layer.set_state(*own)
        queries = self.stack.forward(self.embedding.forward(answers))  # (N, T, H)
        found = self.attention.forward(queries, hs, mask)
        return self.affine.forward(xp.concatenate([found, queries], axis=2))

    def backward(self, dscores: Array) -> tuple[Array | None, ...]:
        """``dscores`` (N, T, V) to the gradients of the memory."""
        dboth = self.affine.backward(dscores)  # (N, T, 2H)
        H = dboth.shape[2] // 2
        dqueries, dhs = self.attention.backward(dboth[:, :, :H])
        dqueries += dboth[:, :, H:]  # a state went two ways: it asked, and it was scored
        self.embedding.backward(self.stack.backward(dqueries))
        return dhs, None, *(part for layer in self.stack.layers for part in layer.dstate)

    def start(self, *memory: Array) -> tuple[Array, ...]:
        """What a row of an answer needs: all of the memory."""
        return memory

    def step(self, ids: Array, state: tuple[Array, ...]) -> tuple[Array, tuple[Array, ...]]:
        """The last characters (N,) and the state, to scores (N, V) and the next state."""
        scores = self.forward(ids[:, None], *state)
        return scores[:, 0], (*state[:2], *self.stack.states)

    @property
    def weights(self) -> Array:
        """Where the last ``forward`` looked, (N, T, S)."""
        return self.attention.weights


class LookFirstDecoder(Model):
    """Write an answer; look at the question first, and let the LSTM see what was found [Bahdanau2015]_.

    What is looked for depends on the state before, so the steps can only be made one after the other.

    Parameters
    ----------
    V, D, H : int
    rng : numpy.random.Generator
    dtype : float type, of the weights
    """

    def __init__(self, V: int, D: int, H: int, rng: np.random.Generator, *, dtype: DType = FLOAT) -> None:
        require_counts(V=V, D=D, H=H)
        make = Make(rng, dtype)
        self.embedding = make.embedding(V, D, scale=D**-0.5)
        self.cell = LSTMCell(*make.recurrent(LSTM, D + H, H).params)
        self.affine = make.affine(2 * H, V)

    def forward(self, answers: Array, hs: Array, mask: Array, h: Array, c: Array) -> Array:
        """Ids (N, T) and the memory to scores (N, T, V) of what follows each."""
        require_mask("mask", mask, hs.shape[:2])
        xs = self.embedding.forward(answers)  # (N, T, D)
        self.hs, self.steps, both = hs, [], []
        for t in range(xs.shape[1]):
            found, weights = attend(h[:, None], hs, hs, ~mask[:, None], 1)
            inputs = xp.concatenate([xs[:, t], found[:, 0]], axis=1)  # (N, D + H)
            before = h
            h, c = self.cell.forward(inputs, h, c)
            both.append(xp.concatenate([found[:, 0], h], axis=1))
            self.steps.append((before, found, weights, self.cell.cache))
        self.state = h, c
        return self.affine.forward(xp.stack(both, axis=1))

    def backward(self, dscores: Array) -> tuple[Array | None, ...]:
        """``dscores`` (N, T, V) to the gradients of the memory."""
        dboth = self.affine.backward(dscores)  # (N, T, 2H)
        N, T, width = dboth.shape
        H = width // 2
        D = self.embedding.params[0].shape[1]
        dxs = xp.empty((N, T, D), dtype=dboth.dtype)
        dhs = xp.zeros_like(self.hs)
        dh, dc = xp.zeros((2, N, H), dtype=dboth.dtype)
        grads: list[Any] = [0, 0, 0]
        for t in reversed(range(T)):
            before, found, weights, self.cell.cache = self.steps[t]
            dinputs, dh, dc = self.cell.backward(dh + dboth[:, t, H:], dc)
            grads = [total + grad for total, grad in zip(grads, self.cell.grads)]
            dxs[:, t] = dinputs[:, :D]
            dfound = (dinputs[:, D:] + dboth[:, t, :H])[:, None]  # it went two ways
            dquery, dkeys, dvalues = attend_back(dfound, before[:, None], self.hs, self.hs, found, weights, 1)
            dh = dh + dquery[:, 0]
            dhs += dkeys
            dhs += dvalues
        self.cell.grads = grads
        self.embedding.backward(dxs)
        return dhs, None, dh, dc

    def start(self, *memory: Array) -> tuple[Array, ...]:
        """What a row of an answer needs: all of the memory."""
        return memory

    def step(self, ids: Array, state: tuple[Array, ...]) -> tuple[Array, tuple[Array, ...]]:
        """The last characters (N,) and the state, to scores (N, V) and the next state."""
        scores = self.forward(ids[:, None], *state)
        return scores[:, 0], (*state[:2], *self.state)

    @property
    def weights(self) -> Array:
        """Where the last ``forward`` looked, (N, T, S)."""
        return xp.concatenate([weights for _, _, weights, _ in self.steps], axis=1)


# ---- the models of chapter 8


def attentive(
    V: int,
    D: int,
    H: int,
    rng: np.random.Generator,
    depth: int = 1,
    residual: bool = False,
    bidirectional: bool = False,
    *,
    dtype: DType = FLOAT,
) -> Seq2Seq:
    """Encoder and decoder with attention after the decoder's LSTM; settings as in ``AttentionEncoder``."""
    encoder = AttentionEncoder(V, D, H, rng, depth, residual, bidirectional, dtype=dtype)
    return Seq2Seq(encoder, AttentionDecoder(V, D, H, rng, depth, residual, dtype=dtype))


def looking_first(V: int, D: int, H: int, rng: np.random.Generator, *, dtype: DType = FLOAT) -> Seq2Seq:
    """Encoder and decoder with attention before the decoder's LSTM; settings as in ``AttentionEncoder``."""
    encoder = AttentionEncoder(V, D, H, rng, dtype=dtype)
    return Seq2Seq(encoder, LookFirstDecoder(V, D, H, rng, dtype=dtype))
