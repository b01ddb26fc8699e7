"""Where in the sequence a word stands, for layers that see a sequence as a set."""

from __future__ import annotations

import numpy as np

from common.backend import FLOAT, Array, DType, xp
from common.layers.base import Layer
from common.support.require import require_sequences, require_shape


class PositionalEncoding(Layer):
    """Add to each word vector a pattern that tells its position: sines and cosines [Vaswani2017]_.

    Numbers ``2 i`` and ``2 i + 1`` of the pattern are the sine and cosine of
    ``position / base ** (2 i / D)``: the hands of clocks, the first fast, each slower than the one before.
    Nothing is learned, and there is a pattern for every position. (Learned positions are an Embedding of the
    position.)

    Parameters
    ----------
    D : int
        Size of a word vector, an even number.
    base : float
        How much slower the slowest hand is than the first, roughly.
    """

    def __init__(self, D: int, base: float = 10_000.0) -> None:
        if not isinstance(D, int) or D < 2 or D % 2:
            raise ValueError(f"D is {D!r}; it should be an even whole number, at least 2.")
        if not 1 < base < float("inf"):
            raise ValueError(f"base is {base}; it should be a number above 1.")
        super().__init__()
        self.D, self.base = D, float(base)
        self.table = xp.empty((0, D))

    def check(self, xs: Array, start: int = 0) -> None:
        """Raise unless ``xs`` is (N, T, D) and ``start`` a position."""
        require_sequences("xs", xs, size=self.D)
        if start < 0:
            raise ValueError(f"start is {start}; it should be a position, at least 0.")

    def forward(self, xs: Array, start: int = 0) -> Array:
        """``xs`` (N, T, D), whose first word stands at position ``start``, to the same shape."""
        self.check(xs, start)
        end = start + xs.shape[1]
        if end > len(self.table) or self.table.dtype != xs.dtype:
            self.table = positions(max(end, 64), self.D, self.base, xs.dtype)
        self.shape = xs.shape
        return xs + self.table[start:end]

    def backward(self, dout: Array) -> Array:
        """``dout`` (N, T, D) to the gradient of xs: what is added passes it on."""
        require_shape("dout", dout, self.shape)
        return dout.copy()

    def sizes(self) -> dict[str, object]:
        return {"D": self.D, "base": self.base}


def positions(T: int, D: int, base: float = 10_000.0, dtype: DType = FLOAT) -> Array:
    """The patterns of positions 0 to ``T - 1``, (T, D)."""
    angles = np.arange(T)[:, None] / base ** (np.arange(0, D, 2) / D)  # (T, D / 2)
    return xp.asarray(np.stack([np.sin(angles), np.cos(angles)], axis=2).reshape(T, D).astype(dtype))
