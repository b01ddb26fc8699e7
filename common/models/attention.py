"""Encoders and decoders with attention: the decoder looks at all states of the encoder, not only at the last.

They fit ``Seq2Seq``; ``common.models.seq2seq`` says what it asks of the two. What passes between them is

    memory = (hs, mask, h, c, ...)    # (N, S, H), (N, S), and the final states of each layer, (N, H) each

``AttentionDecoder`` looks after its LSTM: the new state asks, and what is found goes to the scores, as with
[Luong2015]_. ``LookFirstDecoder`` looks before: the old state asks, and what is found is an input of the
LSTM, as with [Bahdanau2015]_. ``GNMTDecoder`` does so in the lowest of its layers [Wu2016]_.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from common.backend import FLOAT, Array, DType, xp
from common.layers.attention import Attention, attend, attend_back
from common.layers.base import Model
from common.layers.cells import LSTMCell
from common.layers.make import Make
from common.layers.recurrent import LSTM, Recurrent
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
    bidirectional : bool or "first"
        Each layer, or the first one, reads both ways, with half of H for each.
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
        bidirectional: bool | str = False,
        *,
        dtype: DType = FLOAT,
    ) -> None:
        require_counts(V=V, D=D, H=H, depth=depth)
        if bidirectional not in (True, False, "first"):
            raise ValueError(f"bidirectional is {bidirectional!r}; it should be True, False or 'first'.")
        if bidirectional and H % 2:
            raise ValueError(f"H is {H}; it should be even when bidirectional={bidirectional!r}.")
        make = Make(rng, dtype)
        self.embedding = make.embedding(V, D, scale=D**-0.5)
        layers: list[Recurrent | Bidirectional] = []
        for i, width in enumerate([D, *[H] * (depth - 1)]):
            if bidirectional is True or (bidirectional and i == 0):
                layers.append(Bidirectional(*(make.recurrent(LSTM, width, H // 2) for _ in range(2))))
            else:
                layers.append(make.recurrent(LSTM, width, H))
        self.stack = Stack(layers, residual)

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


class LookFirst(Model):
    """An LSTM that looks before each step: its old state asks, and what is found is an input [Bahdanau2015]_.

    What is looked for depends on the state before, so the steps can only be made one after the other.

    Parameters
    ----------
    D, H : int
        Sizes of an input and of a state.
    make : Make
    """

    def __init__(self, D: int, H: int, make: Make) -> None:
        self.cell = LSTMCell(*make.recurrent(LSTM, D + H, H).params)

    def forward(self, xs: Array, hs: Array, mask: Array, h: Array, c: Array) -> tuple[Array, Array]:
        """Inputs (N, T, D) and the memory to what was found and the states, (N, T, H) each."""
        require_mask("mask", mask, hs.shape[:2])
        self.hs, self.steps, both = hs, [], []
        for t in range(xs.shape[1]):
            found, weights = attend(h[:, None], hs, hs, ~mask[:, None], 1)
            inputs = xp.concatenate([xs[:, t], found[:, 0]], axis=1)  # (N, D + H)
            before = h
            h, c = self.cell.forward(inputs, h, c)
            both.append((found[:, 0], h))
            self.steps.append((before, found, weights, self.cell.cache))
        self.state = h, c
        founds, states = zip(*both)
        return xp.stack(founds, axis=1), xp.stack(states, axis=1)

    def backward(self, dfounds: Array, dstates: Array) -> tuple[Array, Array, Array, Array]:
        """Both gradients (N, T, H) to those of the inputs, of the memory, and of ``h`` and ``c``."""
        N, T, H = dstates.shape
        D = len(self.cell.params[0]) - H
        dxs = xp.empty((N, T, D), dtype=dstates.dtype)
        dhs = xp.zeros_like(self.hs)
        dh, dc = xp.zeros((2, N, H), dtype=dstates.dtype)
        grads: list[Any] = [0, 0, 0]
        for t in reversed(range(T)):
            before, found, weights, self.cell.cache = self.steps[t]
            dinputs, dh, dc = self.cell.backward(dh + dstates[:, t], dc)
            grads = [total + grad for total, grad in zip(grads, self.cell.grads)]
            dxs[:, t] = dinputs[:, :D]
            dfound = (dinputs[:, D:] + dfounds[:, t])[:, None]  # it went two ways
            dquery, dkeys, dvalues = attend_back(dfound, before[:, None], self.hs, self.hs, found, weights, 1)
            dh = dh + dquery[:, 0]
            dhs += dkeys
            dhs += dvalues
        self.cell.grads = grads
        return dxs, dhs, dh, dc

    @property
    def weights(self) -> Array:
        """Where the last ``forward`` looked, (N, T, S)."""
        return xp.concatenate([weights for _, _, weights, _ in self.steps], axis=1)


class LookFirstDecoder(Model):
    """Write an answer; look at the question first, and let the LSTM see what was found [Bahdanau2015]_.

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
        self.look = LookFirst(D, H, make)
        self.affine = make.affine(2 * H, V)

    def forward(self, answers: Array, hs: Array, mask: Array, h: Array, c: Array) -> Array:
        """Ids (N, T) and the memory to scores (N, T, V) of what follows each."""
        both = self.look.forward(self.embedding.forward(answers), hs, mask, h, c)
        return self.affine.forward(xp.concatenate(both, axis=2))

    def backward(self, dscores: Array) -> tuple[Array | None, ...]:
        """``dscores`` (N, T, V) to the gradients of the memory."""
        dboth = self.affine.backward(dscores)  # (N, T, 2H)
        H = dboth.shape[2] // 2
        dxs, dhs, dh, dc = self.look.backward(dboth[:, :, :H], dboth[:, :, H:])
        self.embedding.backward(dxs)
        return dhs, None, dh, dc

    def start(self, *memory: Array) -> tuple[Array, ...]:
        """What a row of an answer needs: all of the memory."""
        return memory

    def step(self, ids: Array, state: tuple[Array, ...]) -> tuple[Array, tuple[Array, ...]]:
        """The last characters (N,) and the state, to scores (N, V) and the next state."""
        scores = self.forward(ids[:, None], *state)
        return scores[:, 0], (*state[:2], *self.look.state)

    @property
    def weights(self) -> Array:
        """Where the last ``forward`` looked, (N, T, S)."""
        return self.look.weights


class GNMTDecoder(Model):
    """Write an answer as Google's translator did [Wu2016]_: the lowest layer looks, and all layers see.

    The lowest LSTM looks first. What it has found is an input of every LSTM above, beside the output of the
    one below. From the second layer on, that output is also added to what comes out. So only the lowest layer
    has to wait at each step for the one before; the others read the whole answer at once.

    Parameters
    ----------
    V, D, H, rng, depth, dtype
        As in ``AttentionEncoder``; ``depth`` counts the lowest layer, too.
    """

    def __init__(
        self, V: int, D: int, H: int, rng: np.random.Generator, depth: int = 4, *, dtype: DType = FLOAT
    ) -> None:
        require_counts(V=V, D=D, H=H, depth=depth)
        make = Make(rng, dtype)
        self.embedding = make.embedding(V, D, scale=D**-0.5)
        self.look = LookFirst(D, H, make)
        self.above = [make.recurrent(LSTM, 2 * H, H) for _ in range(depth - 1)]
        self.affine = make.affine(H, V)

    def forward(self, answers: Array, hs: Array, mask: Array, h: Array, c: Array, *states: Array) -> Array:
        """Ids (N, T) and the memory to scores (N, T, V) of what follows each."""
        founds, xs = self.look.forward(self.embedding.forward(answers), hs, mask, h, c)  # (N, T, H) each
        for layer, own in zip(self.above, zip(states[::2], states[1::2])):
            layer.set_state(*own)
            xs = xs + layer.forward(xp.concatenate([xs, founds], axis=2))
        return self.affine.forward(xs)

    def backward(self, dscores: Array) -> tuple[Array | None, ...]:
        """``dscores`` (N, T, V) to the gradients of the memory."""
        dxs = self.affine.backward(dscores)  # (N, T, H)
        H = dxs.shape[2]
        dfounds = xp.zeros_like(dxs)
        for layer in reversed(self.above):
            dboth = layer.backward(dxs)  # (N, T, 2H)
            dxs = dxs + dboth[:, :, :H]  # past the layer, and through it
            dfounds += dboth[:, :, H:]  # what was found went to every layer
        dxs, dhs, dh, dc = self.look.backward(dfounds, dxs)
        self.embedding.backward(dxs)
        return dhs, None, dh, dc, *(part for layer in self.above for part in layer.dstate)

    def start(self, *memory: Array) -> tuple[Array, ...]:
        """What a row of an answer needs: all of the memory."""
        return memory

    def step(self, ids: Array, state: tuple[Array, ...]) -> tuple[Array, tuple[Array, ...]]:
        """The last characters (N,) and the state, to scores (N, V) and the next state."""
        scores = self.forward(ids[:, None], *state)
        states = (part for layer in self.above for part in layer.state)
        return scores[:, 0], (*state[:2], *self.look.state, *states)

    @property
    def weights(self) -> Array:
        """Where the last ``forward`` looked, (N, T, S)."""
        return self.look.weights


# ---- the models of chapters 8 and 16


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


def gnmt(
    V: int, D: int, H: int, rng: np.random.Generator, depth: int = 4, *, dtype: DType = FLOAT
) -> Seq2Seq:
    """Encoder and decoder of Google's translator, smaller [Wu2016]_; settings as in ``AttentionEncoder``.

    The first layer of the encoder reads both ways, with half of H for each; the others read from left to
    right. Residual connections lead past every layer but the first, on both sides.
    """
    require_counts(V=V, D=D, H=H, depth=depth)
    encoder = AttentionEncoder(V, D, H, rng, depth, True, "first", dtype=dtype)
    return Seq2Seq(encoder, GNMTDecoder(V, D, H, rng, depth, dtype=dtype))
