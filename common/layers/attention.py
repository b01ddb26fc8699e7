"""Attention: look at every position, and take most from those that fit.

A **query** asks, **keys** answer how well they fit, **values** are what is taken. The dot products of a query
with all keys, through a softmax, are weights that add up to 1, and the result is the sum of the values with
these weights. ``attend`` and ``attend_back`` do that for all queries at once. ``Attention`` is the layer of
an encoder-decoder with recurrent layers, where the states of the encoder are keys and values in one.
``MultiHeadAttention`` is the layer of the Transformer.
"""

from __future__ import annotations

import numpy as np

from common.backend import FLOAT, Array, xp
from common.layers.base import Layer, Model
from common.layers.dense import Affine, MatMul
from common.support.require import require_mask, require_positive, require_sequences, require_shape


class Attention(Layer):
    """Dot-product attention, without weights of its own [Luong2015]_.

    Parameters
    ----------
    scale : float
        The scores are multiplied by it before the softmax; the Transformer takes ``1 / sqrt(H)``.

    Attributes
    ----------
    weights : (N, Tq, Tk)
        After ``forward``: how much each query took from each position. A row adds up to 1, or is zero where
        the mask hides everything.
    """

    def __init__(self, scale: float = 1.0) -> None:
        require_positive("scale", scale)
        super().__init__()
        self.scale = float(scale)

    def check(self, queries: Array, hs: Array) -> None:
        """Raise unless ``queries`` is (N, Tq, H) and ``hs`` (N, Tk, H), floats of one type."""
        require_sequences("queries", queries)
        require_sequences("hs", hs, len(queries), queries.shape[2])
        if hs.dtype != queries.dtype:
            raise TypeError(f"hs is {hs.dtype} and queries is {queries.dtype}; both should be of one type.")

    def forward(self, queries: Array, hs: Array, mask: Array | None = None) -> Array:
        """A weighted sum of ``hs`` for each query, (N, Tq, H).

        Parameters
        ----------
        queries : (N, Tq, H)
        hs : (N, Tk, H), keys and values in one
        mask : (N, Tk) or (N, Tq, Tk) booleans, optional
            False hides a position. A query from which everything is hidden gets zeros.
        """
        self.check(queries, hs)
        hidden = hidden_positions(mask, len(queries), queries.shape[1], hs.shape[1])
        self.queries, self.hs = queries, hs
        self.context, self.weights = attend(queries, hs, hs, hidden, self.scale)
        return self.context

    def backward(self, dcontext: Array) -> tuple[Array, Array]:
        """``dcontext`` (N, Tq, H) to the gradients of queries and hs.

        As keys and as values ``hs`` went two ways, so what comes back is added.
        """
        require_shape("dcontext", dcontext, self.context.shape)
        dqueries, dkeys, dvalues = attend_back(
            dcontext, self.queries, self.hs, self.hs, self.context, self.weights, self.scale
        )
        dkeys += dvalues
        return dqueries, dkeys

    def sizes(self) -> dict[str, object]:
        return {"scale": self.scale}


class MultiHeadAttention(Model):
    """Attention several times side by side, each time in a view of its own [Vaswani2017]_.

    The query, key and value of a position are three linear layers of it. Each is cut into ``heads`` pieces,
    each head attends with its own piece, and a fourth layer mixes what the heads bring.

    Keys have no bias. It would add the same to all scores of a query, and the softmax does not see that.
    (PyTorch has one, and its gradient is zero.)

    Parameters
    ----------
    query, value, out : Affine
    key : MatMul
        All four (D, D).
    heads : int
        Divides D.
    causal : bool
        Hide from each query the positions after its own.
    alibi : bool
        Lower the scores in proportion to how far back a key lies, in each head by a slope of its own
        [Press2022]_. Needs ``causal``.

    Attributes
    ----------
    weights : (N, heads, Tq, Tk)
        After ``forward``: how much each head took from each position, for each query.
    """

    def __init__(
        self,
        query: Affine,
        key: MatMul,
        value: Affine,
        out: Affine,
        heads: int,
        causal: bool = False,
        alibi: bool = False,
    ) -> None:
        D = len(query.params[0])
        for name, layer in (("query", query), ("key", key), ("value", value), ("out", out)):
            if layer.params[0].shape != (D, D):
                raise ValueError(f"{name} has W of shape {layer.params[0].shape}; it should be {(D, D)}.")
        if not isinstance(heads, int) or heads < 1 or D % heads:
            raise ValueError(f"heads is {heads!r}; it should be a whole number that divides {D}.")
        if alibi and not causal:
            raise ValueError("alibi needs causal=True: it measures how far back a position lies.")
        self.query, self.key, self.value, self.out = query, key, value, out
        self.heads, self.causal, self.alibi = heads, causal, alibi
        self.scale = (D // heads) ** -0.5

    def check(self, xs: Array, memory: Array) -> None:
        """Raise unless ``xs`` is (N, Tq, D) and ``memory`` (N, Tk, D)."""
        D = len(self.query.params[0])
        require_sequences("xs", xs, size=D)
        require_sequences("memory", memory, len(xs), D)

    def forward(self, xs: Array, memory: Array | None = None, mask: Array | None = None) -> Array:
        """What each position has found, (N, Tq, D).

        Parameters
        ----------
        xs : (N, Tq, D), what asks
        memory : (N, Tk, D), optional
            What is asked; ``xs`` itself when left out (self-attention).
        mask : (N, Tk) or (N, Tq, Tk) booleans, optional
            False hides a position.
        """
        self.to_self = memory is None
        memory = xs if memory is None else memory
        self.check(xs, memory)
        return self.look(self.query.forward(xs), self.key.forward(memory), self.value.forward(memory), mask)

    def look(self, queries: Array, keys: Array, values: Array, mask: Array | None = None) -> Array:
        """``forward`` from the three projections on, (N, Tq, D) and (N, Tk, D); a decoder that keeps the keys
        and values of earlier steps begins here."""
        hidden = hidden_positions(mask, len(queries), queries.shape[1], keys.shape[1], self.causal)
        hidden = None if hidden is None else hidden[:, None]  # (N, 1, Tq, Tk): the same for all heads
        queries, keys, values = (cut(a, self.heads) for a in (queries, keys, values))
        self.cut = queries, keys, values  # (N, heads, T, D / heads)
        bias = distance_bias(self.heads, queries.shape[2], keys.shape[2]) if self.alibi else None
        self.context, self.weights = attend(queries, keys, values, hidden, self.scale, bias)
        return self.out.forward(join(self.context))

    def backward(self, dout: Array) -> Array | tuple[Array, Array]:
        """``dout`` (N, Tq, D) to the gradient of xs, or of xs and memory."""
        dcontext = cut(self.out.backward(dout), self.heads)
        gradients = attend_back(dcontext, *self.cut, self.context, self.weights, self.scale)
        layers = (self.query, self.key, self.value)
        dxs, dkeys, dvalues = (layer.backward(join(d)) for layer, d in zip(layers, gradients))
        dkeys += dvalues
        if not self.to_self:
            return dxs, dkeys
        dxs += dkeys
        return dxs

    def __repr__(self) -> str:
        D = len(self.query.params[0])
        alibi = ", alibi=True" if self.alibi else ""
        return f"MultiHeadAttention(D={D}, heads={self.heads}, causal={self.causal}{alibi})"


def attend(
    queries: Array,
    keys: Array,
    values: Array,
    hidden: Array | None,
    scale: float,
    bias: Array | None = None,
) -> tuple[Array, Array]:
    """The weighted sums of the values, and the weights.

    Parameters
    ----------
    queries : (..., Tq, d)
    keys : (..., Tk, d)
    values : (..., Tk, e)
    hidden : booleans that broadcast to (..., Tq, Tk), or None; True hides a position
    scale : float
    bias : numbers that broadcast to (..., Tq, Tk), or None; added to the scores

    Returns
    -------
    sums : (..., Tq, e)
    weights : (..., Tq, Tk)
    """
    weights = queries @ keys.swapaxes(-1, -2)  # the scores; in place they become weights
    if scale != 1:
        weights *= scale
    if bias is not None:
        weights += bias
    lowest = xp.finfo(weights.dtype).min
    if hidden is not None:
        xp.copyto(weights, -np.inf, where=hidden)
    with np.errstate(over="ignore"):
        weights -= xp.maximum(weights.max(axis=-1, keepdims=True), lowest)  # finite, even if all are hidden
    xp.exp(weights, out=weights)
    weights /= xp.maximum(weights.sum(axis=-1, keepdims=True), xp.finfo(weights.dtype).tiny)
    return weights @ values, weights


def attend_back(
    dsums: Array,
    queries: Array,
    keys: Array,
    values: Array,
    sums: Array,
    weights: Array,
    scale: float,
) -> tuple[Array, Array, Array]:
    """The gradients of queries, keys and values, from that of the sums."""
    dvalues = weights.swapaxes(-1, -2) @ dsums
    dscores = dsums @ values.swapaxes(-1, -2)  # of the weights; in place they become the scores'
    # The softmax takes from each the weighted mean of all, which is the same as the sums' with theirs.
    dscores -= (dsums * sums).sum(axis=-1, keepdims=True)
    dscores *= weights
    if scale != 1:
        dscores *= scale
    return dscores @ keys, dscores.swapaxes(-1, -2) @ queries, dvalues


def hidden_positions(mask: Array | None, N: int, Tq: int, Tk: int, causal: bool = False) -> Array | None:
    """Where a query must not look: (N, 1, Tk) or (N, Tq, Tk) booleans, or (1, Tq, Tk) from ``causal`` alone.

    With ``causal`` the last query stands at the last key: when there are fewer queries than keys, the queries
    are the last of the sequence.
    """
    hidden = None
    if mask is not None:
        require_mask("mask", mask, (N, Tk), (N, Tq, Tk))
        hidden = ~mask
        if mask.ndim == 2:
            hidden = hidden[:, None]
    if causal:
        later = xp.arange(Tk) > xp.arange(Tk - Tq, Tk)[:, None]  # (Tq, Tk)
        hidden = later[None] if hidden is None else hidden | later
    return hidden


def distance_bias(heads: int, Tq: int, Tk: int) -> Array:
    """What a score loses for the distance, (heads, Tq, Tk), if the last query stands at the last key.

    Head ``k`` of ``heads``, counted from 1, has slope ``2**(-8 * k / heads)`` [Press2022]_. It depends on no
    weight, so ``attend_back`` needs nothing of it.
    """
    slopes = 2.0 ** (-8 * xp.arange(1, heads + 1) / heads)
    back = xp.arange(Tk - Tq, Tk)[:, None] - xp.arange(Tk)  # (Tq, Tk): how far back each key lies
    return (-slopes[:, None, None] * back).astype(FLOAT)


def cut(a: Array, heads: int) -> Array:
    """(N, T, D) as (N, heads, T, D / heads): a view of the same numbers."""
    N, T, D = a.shape
    return a.reshape(N, T, heads, D // heads).swapaxes(1, 2)


def join(a: Array) -> Array:
    """(N, heads, T, d) as (N, T, heads * d): what ``cut`` took apart, as a copy."""
    N, heads, T, d = a.shape
    return a.swapaxes(1, 2).reshape(N, T, heads * d)
