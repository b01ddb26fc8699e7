"""The Transformer: an encoder and a decoder of attention, and nothing recurrent [Vaswani2017]_.

A block is a row of layers, each with a **residual** around it: what goes in is added to what comes out, so
that the layer has only to learn a correction, and gradients find a way past it. Layer normalization comes
before each layer (``norm_first=True``), or after each sum as in the paper. Before trains more easily
[Xiong2020]_.

When a text is written word by word, the keys and values of the words before do not change.
``TransformerDecoder.step`` keeps them, so that a new word costs one position and not all of them again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np

from common.backend import FLOAT, Array, DType, xp
from common.initializers import he, zeros
from common.layers import (
    Affine,
    Dropout,
    Embedding,
    Layer,
    LayerNorm,
    Model,
    MultiHeadAttention,
    PositionalEncoding,
    ReLU,
    SoftmaxWithLoss,
)
from common.layers.make import Make
from common.models.seq2seq import Seq2Seq
from common.support.require import require_counts
from common.text.rows import padding_mask


class FeedForward(Model):
    """The same two-layer network for each position: Affine, ReLU (or what is given in its place), Affine."""

    def __init__(self, affine1: Affine, affine2: Affine, activation: Layer | None = None) -> None:
        self.affine1, self.activation, self.affine2 = affine1, activation or ReLU(), affine2

    def forward(self, xs: Array) -> Array:
        """``xs`` (..., D) to the same shape."""
        return self.affine2.forward(self.activation.forward(self.affine1.forward(xs)))

    def backward(self, dout: Array) -> Array:
        """``dout`` (..., D) to the gradient of xs."""
        return self.affine1.backward(self.activation.backward(self.affine2.backward(dout)))


L = TypeVar("L", bound=Layer)


class Residual(Model, Generic[L]):
    """A layer with its input added to its output, and layer normalization [He2016]_ [Ba2016]_.

    ``x + layer(norm(x))`` with ``norm_first``, else ``norm(x + layer(x))``.

    Parameters
    ----------
    layer : Layer
        Its output has the shape of its first input.
    norm : LayerNorm
    norm_first : bool
    dropout : Dropout, optional
        For what the layer adds.
    """

    def __init__(self, layer: L, norm: LayerNorm, norm_first: bool, dropout: Dropout | None = None) -> None:
        self.layer, self.norm, self.dropout, self.norm_first = layer, norm, dropout, norm_first

    def forward(self, x: Array, *others: Array | None) -> Array:
        """``x`` (N, T, D), and what else the layer takes, to (N, T, D)."""
        return self.leave(x, self.layer.forward(self.enter(x), *others))

    def enter(self, x: Array) -> Array:
        """What the layer gets."""
        return self.norm.forward(x) if self.norm_first else x

    def leave(self, x: Array, y: Array) -> Array:
        """What becomes of what the layer gave."""
        total = x + (self.dropout.forward(y) if self.dropout else y)
        return total if self.norm_first else self.norm.forward(total)

    def backward(self, dout: Array) -> Any:
        """``dout`` (N, T, D) to the gradient of x, and of the layer's other inputs."""
        dtotal = dout if self.norm_first else self.norm.backward(dout)
        returned = self.layer.backward(self.dropout.backward(dtotal) if self.dropout else dtotal)
        dx, *others = returned if isinstance(returned, tuple) else (returned,)
        if self.norm_first:
            dx = self.norm.backward(dx)
        dx += dtotal  # x went two ways
        return (dx, *others) if others else dx


class EncoderBlock(Model):
    """Self-attention, then the network.

    Parameters
    ----------
    attention : Residual around MultiHeadAttention
    network : Residual around FeedForward
    """

    def __init__(self, attention: Residual[MultiHeadAttention], network: Residual[FeedForward]) -> None:
        self.attention, self.network = attention, network

    def forward(self, xs: Array, mask: Array | None = None) -> Array:
        """``xs`` (N, T, D) to the same shape; ``mask`` (N, T) is False where nobody should look."""
        return self.network.forward(self.attention.forward(xs, None, mask))

    def backward(self, dout: Array) -> Array:
        """``dout`` (N, T, D) to the gradient of xs."""
        return self.attention.backward(self.network.backward(dout))


class DecoderBlock(Model):
    """Self-attention that sees no later position, attention to the encoder, then the network.

    Parameters
    ----------
    attention : Residual around MultiHeadAttention with ``causal=True``
    cross : Residual around MultiHeadAttention
    network : Residual around FeedForward
    """

    def __init__(
        self,
        attention: Residual[MultiHeadAttention],
        cross: Residual[MultiHeadAttention],
        network: Residual[FeedForward],
    ) -> None:
        self.attention, self.cross, self.network = attention, cross, network

    def forward(self, ys: Array, memory: Array, mask: Array | None = None) -> Array:
        """``ys`` (N, Ty, D) to the same shape.

        Parameters
        ----------
        ys : (N, Ty, D)
        memory : (N, Tx, D), what the encoder gave
        mask : (N, Tx) booleans, optional; False hides a position of the memory
        """
        ys = self.attention.forward(ys)
        return self.network.forward(self.cross.forward(ys, memory, mask))

    def backward(self, dout: Array) -> tuple[Array, Array]:
        """``dout`` (N, Ty, D) to the gradients of ys and memory."""
        dys, dmemory = self.cross.backward(self.network.backward(dout))
        return self.attention.backward(dys), dmemory

    # One position at a time

    def start(self, memory: Array) -> list[Array]:
        """What is kept between steps: keys and values of what is written, (N, 0, D) at first, and of the
        memory."""
        nothing = memory[:, :0]
        cross = self.cross.layer
        return [nothing, nothing, cross.key.forward(memory), cross.value.forward(memory)]

    def step(self, y: Array, kept: list[Array], mask: Array | None = None) -> tuple[Array, list[Array]]:
        """``forward`` of the next position alone: ``y`` (N, 1, D) to (N, 1, D), and what is kept now."""
        keys, values, memory_keys, memory_values = kept
        y, keys, values = look_back(self.attention, y, keys, values)
        cross, x = self.cross.layer, self.cross.enter(y)
        found = cross.look(cross.query.forward(x), memory_keys, memory_values, mask)
        return self.network.forward(self.cross.leave(y, found)), [keys, values, memory_keys, memory_values]


def look_back(
    around: Residual[MultiHeadAttention], y: Array, keys: Array, values: Array
) -> tuple[Array, Array, Array]:
    """Self-attention with ``causal=True`` at the next positions alone.

    Parameters
    ----------
    around : Residual around MultiHeadAttention
    y : (N, k, D)
        The next positions, usually one.
    keys, values : (N, t, D)
        Of the positions before.

    Returns
    -------
    y : (N, k, D)
    keys, values : (N, t + k, D)
    """
    attention, x = around.layer, around.enter(y)
    keys = xp.concatenate([keys, attention.key.forward(x)], axis=1)
    values = xp.concatenate([values, attention.value.forward(x)], axis=1)
    return around.leave(y, attention.look(attention.query.forward(x), keys, values)), keys, values


class PositionedEmbedding(Model):
    """Ids to vectors that know their position: Embedding times ``sqrt(D)``, positions added, dropout.

    The embedding's numbers begin with a variance of ``1 / D``, because its rows also serve as weights when
    words in and out share them. Times ``sqrt(D)`` they are as large as the positions.
    """

    def __init__(self, W: Array, dropout: Dropout | None = None) -> None:
        D = W.shape[1]
        self.embedding, self.positions, self.dropout = Embedding(W), PositionalEncoding(D), dropout
        self.factor = float(D) ** 0.5

    def forward(self, ids: Array, start: int = 0) -> Array:
        """``ids`` (N, T), the first of which stands at position ``start``, to (N, T, D)."""
        xs = self.positions.forward(self.embedding.forward(ids) * self.factor, start)
        return self.dropout.forward(xs) if self.dropout else xs

    def backward(self, dout: Array) -> None:
        """Leave the gradient of the embedding in ``grads``."""
        dout = self.dropout.backward(dout) if self.dropout else dout
        self.embedding.backward(self.positions.backward(dout) * self.factor)


class TransformerEncoder(Model):
    """Embedding with positions, blocks, and with ``norm_first`` a last layer normalization."""

    def __init__(
        self, embed: PositionedEmbedding, blocks: list[EncoderBlock], norm: LayerNorm | None = None
    ) -> None:
        self.embed, self.blocks, self.norm = embed, blocks, norm

    def forward(self, questions: Array) -> tuple[Array, Array]:
        """Ids (N, S), filled up with PAD, to what the decoder looks at, (N, S, D), and the mask (N, S)."""
        mask = padding_mask(questions)
        ys = self.embed.forward(questions)
        for block in self.blocks:
            ys = block.forward(ys, mask)
        return self.norm.forward(ys) if self.norm else ys, mask

    def backward(self, dout: Array, dmask: None = None) -> None:
        """``dout`` (N, S, D); leave all gradients in ``grads``."""
        dout = self.norm.backward(dout) if self.norm else dout
        for block in reversed(self.blocks):
            dout = block.backward(dout)
        self.embed.backward(dout)


class TransformerDecoder(Model):
    """Embedding with positions, blocks that look at the memory, and a score for each possible next word."""

    def __init__(
        self,
        embed: PositionedEmbedding,
        blocks: list[DecoderBlock],
        affine: Affine,
        norm: LayerNorm | None = None,
    ) -> None:
        self.embed, self.blocks, self.norm, self.affine = embed, blocks, norm, affine

    def forward(self, answers: Array, memory: Array, mask: Array | None = None) -> Array:
        """Ids (N, T), each read when the next is to be written, to scores (N, T, V)."""
        ys = self.embed.forward(answers)
        for block in self.blocks:
            ys = block.forward(ys, memory, mask)
        return self.affine.forward(self.norm.forward(ys) if self.norm else ys)

    def backward(self, dscores: Array) -> tuple[Array, None]:
        """``dscores`` (N, T, V) to the gradient of the memory: every block looked at it. A mask has none."""
        dys = self.affine.backward(dscores)
        dys = self.norm.backward(dys) if self.norm else dys
        dmemory: Any = 0
        for block in reversed(self.blocks):
            dys, more = block.backward(dys)
            dmemory = dmemory + more
        self.embed.backward(dys)
        return dmemory, None

    def start(self, memory: Array, mask: Array) -> tuple[Array, ...]:
        """The state before the first word: the mask, and what each block keeps."""
        return mask, *(part for block in self.blocks for part in block.start(memory))

    def step(self, ids: Array, state: tuple[Array, ...]) -> tuple[Array, tuple[Array, ...]]:
        """The last word of each answer (N,) and the state, to scores (N, V) and the next state."""
        mask, *kept = state
        y = self.embed.forward(ids[:, None], start=kept[0].shape[1])
        after: list[Array] = []
        for i, block in enumerate(self.blocks):
            y, own = block.step(y, kept[4 * i : 4 * i + 4], mask)
            after += own
        scores = self.affine.forward(self.norm.forward(y) if self.norm else y)
        return scores[:, 0], (mask, *after)


def transformer(
    V: int,
    D: int,
    H: int,
    rng: np.random.Generator,
    depth: int = 2,
    heads: int = 4,
    dropout: float = 0.0,
    norm_first: bool = True,
    tied: bool = True,
    smoothing: float = 0.0,
    *,
    dtype: DType = FLOAT,
) -> Seq2Seq:
    """A Transformer, for questions and answers from one vocabulary.

    Parameters
    ----------
    V : int
        Size of the vocabulary.
    D : int
        Size of a word vector, and of all that flows between the blocks.
    H : int
        Size of the hidden layer in each block's network, often ``4 * D``.
    rng : numpy.random.Generator
        Draws the first weights, and later what is dropped.
    depth : int
        Blocks of the encoder, and of the decoder.
    heads : int
        Divides D.
    dropout : float
        Ratio of what is dropped of each embedding and of what each layer adds.
    norm_first : bool
        Layer normalization before each layer, else after each sum.
    tied : bool
        Encoder, decoder and the scores share one matrix of word vectors [Press2017]_.
    smoothing : float
        Of the targets; see SoftmaxWithLoss.
    dtype : float type, of the weights
    """
    require_counts(V=V, D=D, H=H, depth=depth)
    make = Make(rng, dtype)
    blocks = Blocks(make, D, H, heads, dropout, norm_first)
    W = make.embedding(V, D, scale=D**-0.5).params[0]
    W_answers, scores = (W, Affine(W.T, zeros(V, dtype=dtype))) if tied else (W.copy(), make.affine(D, V))
    encoder = TransformerEncoder(
        PositionedEmbedding(W, blocks.drop()),
        [blocks.encoder() for _ in range(depth)],
        blocks.last_norm(),
    )
    decoder = TransformerDecoder(
        PositionedEmbedding(W_answers, blocks.drop()),
        [blocks.decoder() for _ in range(depth)],
        scores,
        blocks.last_norm(),
    )
    return Seq2Seq(encoder, decoder, SoftmaxWithLoss(smoothing))


@dataclass(frozen=True)
class Blocks:
    """Makes the blocks of one Transformer, which all have the same sizes and settings."""

    make: Make
    D: int
    H: int
    heads: int
    dropout: float
    norm_first: bool

    def encoder(self) -> EncoderBlock:
        return EncoderBlock(self.around(self.attention()), self.around(self.feed_forward()))

    def decoder(self) -> DecoderBlock:
        attention, cross = self.around(self.attention(causal=True)), self.around(self.attention())
        return DecoderBlock(attention, cross, self.around(self.feed_forward()))

    def attention(self, causal: bool = False, alibi: bool = False) -> MultiHeadAttention:
        return self.make.attention(self.D, self.heads, causal, alibi)

    def feed_forward(self) -> FeedForward:
        first = self.make.affine(self.D, self.H, weights=he)
        return FeedForward(first, self.make.affine(self.H, self.D))

    def around(self, layer: L) -> Residual[L]:
        return Residual(layer, self.make.layer_norm(self.D), self.norm_first, self.drop())

    def drop(self) -> Dropout | None:
        return Dropout(self.dropout, self.make.rng) if self.dropout else None

    def last_norm(self) -> LayerNorm | None:
        """After the last block: with normalization first, nothing else has brought its sum to size."""
        return self.make.layer_norm(self.D) if self.norm_first else None
