"""Layers that bring numbers back to a common size, so that depth neither blows them up nor lets them fade."""

from __future__ import annotations

from common.backend import Array, xp
from common.layers.base import Layer
from common.layers.dense import matrix
from common.pieces import by_rows
from common.require import require_float, require_last_axis, require_shape


class LayerNorm(Layer):
    """Bring each row to mean 0 and variance 1, then stretch and shift it by what is learned [Ba2016]_.

    Each row is normalized by itself: the batch, the sentence's length and what else is in it play no part.

    Parameters
    ----------
    gain : (D,)
    bias : (D,)
    epsilon : float
        Added to the variance, so that a row of equal numbers is no division by zero.
    """

    names = ("gain", "bias")

    def __init__(self, gain: Array, bias: Array, epsilon: float = 1e-5) -> None:
        require_float("gain", gain)
        if gain.ndim != 1:
            raise ValueError(f"gain has shape {gain.shape}; it should have one axis.")
        require_float("bias", bias, like=gain)
        require_shape("bias", bias, gain.shape)
        if not epsilon > 0:
            raise ValueError(f"epsilon is {epsilon}; it should be a positive number.")
        super().__init__(gain, bias)
        self.epsilon = float(epsilon)

    def forward(self, x: Array) -> Array:
        """``x`` (..., D) to the same shape."""
        gain, bias = self.params
        require_float("x", x, like=gain)
        require_last_axis("x", x, len(gain))
        rows = matrix(x)  # (n, D)
        self.shape = x.shape
        self.normal = xp.empty(rows.shape, dtype=x.dtype)
        self.size = xp.empty((len(rows), 1), dtype=x.dtype)  # the standard deviation
        y = xp.empty_like(self.normal)

        def normalize(some: slice) -> None:
            normal, size = self.normal[some], self.size[some]
            xp.subtract(rows[some], rows[some].mean(axis=1, keepdims=True), out=normal)
            xp.multiply(normal, normal, out=y[some])
            xp.sqrt(y[some].mean(axis=1, keepdims=True) + self.epsilon, out=size)
            normal /= size
            xp.multiply(normal, gain, out=y[some])
            y[some] += bias

        by_rows(normalize, self.normal)
        return y.reshape(x.shape)

    def backward(self, dout: Array) -> Array:
        """``dout`` (..., D) to the gradient of x.

        What would shift a whole row, or stretch it, is taken out: the row's mean and size undo it.
        """
        gain, _ = self.params
        require_shape("dout", dout, self.shape)
        dy = matrix(dout)
        dx = xp.empty_like(self.normal)
        product = xp.empty_like(self.normal)

        def back(some: slice) -> None:
            normal, part = self.normal[some], product[some]
            d = xp.multiply(dy[some], gain, out=dx[some])
            xp.multiply(d, normal, out=part)
            along = part.mean(axis=1, keepdims=True)
            d -= d.mean(axis=1, keepdims=True)
            xp.multiply(normal, along, out=part)
            d -= part
            d /= self.size[some]
            xp.multiply(dy[some], normal, out=part)

        by_rows(back, dx)
        ones = xp.ones(len(dy), dtype=dy.dtype)
        self.grads = [ones @ product, ones @ dy]  # sums over rows, as products: on all cores
        return dx.reshape(self.shape)

    def sizes(self) -> dict[str, object]:
        return {"D": len(self.params[0])}
