"""Layers that bring numbers back to a common size, so that depth neither blows them up nor lets them fade."""

from __future__ import annotations

from common.backend import Array, xp
from common.layers.base import Layer
from common.layers.dense import matrix, sum_of_rows
from common.support.require import (
    require_float,
    require_positive,
    require_shape,
    require_vector,
    require_vectors,
)


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
        require_vector("gain", gain)
        require_float("bias", bias, like=gain)
        require_shape("bias", bias, gain.shape)
        require_positive("epsilon", epsilon)
        super().__init__(gain, bias)
        self.epsilon = float(epsilon)

    def check(self, x: Array) -> None:
        """Raise unless ``x`` is (..., D), of the type of the weights."""
        require_vectors("x", x, self.params[0])

    def forward(self, x: Array) -> Array:
        """``x`` (..., D) to the same shape."""
        self.check(x)
        gain, bias = self.params
        centred = x - x.mean(axis=-1, keepdims=True)
        self.sigma = xp.sqrt((centred * centred).mean(axis=-1, keepdims=True) + self.epsilon)  # (..., 1)
        self.normal = centred / self.sigma  # (..., D)
        return gain * self.normal + bias

    def backward(self, dout: Array) -> Array:
        """``dout`` (..., D) to the gradient of x.

        What would shift a whole row, or stretch it, is taken out: the row's mean and size undo it.
        """
        require_shape("dout", dout, self.normal.shape)
        self.grads = [sum_of_rows(matrix(dout * self.normal)), sum_of_rows(matrix(dout))]
        d = self.params[0] * dout
        along = (d * self.normal).mean(axis=-1, keepdims=True)
        return (d - d.mean(axis=-1, keepdims=True) - self.normal * along) / self.sigma

    def sizes(self) -> dict[str, object]:
        return {"D": len(self.params[0])}
