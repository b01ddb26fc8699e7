"""Layers that bring numbers back to a common size, so that depth neither blows them up nor lets them fade."""

from __future__ import annotations

from common.backend import Array, xp
from common.layers.base import Layer
from common.layers.dense import matrix, sum_of_rows
from common.support.require import (
    require_channels,
    require_float,
    require_positive,
    require_rows,
    require_shape,
    require_share,
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


class BatchNorm(Layer):
    """Bring each column to mean 0 and variance 1, then stretch and shift it by what is learned [Ioffe2015]_.

    A column is one of the D numbers, in all rows of the batch: all other axes are one batch. In training
    mean and variance are those of the batch. So what becomes of a row depends on the other rows, and that
    must not be when the layer is used: with ``training`` off, as inside ``evaluating``, it takes the running
    mean and variance, which are kept with the weights and not learned.

    Parameters
    ----------
    gain : (D,)
    bias : (D,)
    momentum : float
        The share of the new batch: ``running = (1 - momentum) * running + momentum * new``. (So it is in
        PyTorch, too. Elsewhere the word may mean the share of the old, and the same is written 0.9.)
    epsilon : float
        Added to the variance, so that a column of equal numbers is no division by zero.
    axis : int
        Along which the D numbers lie: the last, or 1 for the channels of pictures (N, D, H, W). All places of
        all pictures are then rows.

    Attributes
    ----------
    running_mean, running_variance : (D,)
        At first 0 and 1. The variance of n rows is kept as a guess at that of all data, with ``n - 1`` below
        the sum of squares; the rows themselves are divided by their own, with ``n`` (both as in the paper).
    """

    names = ("gain", "bias")
    buffers = ("running_mean", "running_variance")

    def __init__(
        self, gain: Array, bias: Array, momentum: float = 0.1, epsilon: float = 1e-5, axis: int = -1
    ) -> None:
        require_vector("gain", gain)
        require_float("bias", bias, like=gain)
        require_shape("bias", bias, gain.shape)
        require_share("momentum", momentum)
        require_positive("epsilon", epsilon)
        if axis not in (-1, 1):
            raise ValueError(f"axis is {axis!r}; it should be -1 or 1.")
        super().__init__(gain, bias)
        self.momentum, self.epsilon, self.axis = float(momentum), float(epsilon), axis
        self.running_mean = xp.zeros(gain.shape, dtype=gain.dtype)
        self.running_variance = xp.ones(gain.shape, dtype=gain.dtype)

    def check(self, x: Array) -> None:
        """Raise unless ``x`` is (..., D), or (N, D, ...), of the type of the weights, and in training has at
        least two rows."""
        require_axis = require_channels if self.axis == 1 else require_vectors
        require_axis("x", x, self.params[0])
        if self.training:
            require_rows("x", x, 2, self.axis)

    def forward(self, x: Array) -> Array:
        """``x`` (..., D), or (N, D, ...), to the same shape."""
        self.check(x)
        gain, bias = self.params
        x = xp.moveaxis(x, self.axis, -1)
        self.axes = tuple(range(x.ndim - 1)) if self.training else ()  # along which this batch was averaged
        mean, variance = self.statistics(x) if self.axes else (self.running_mean, self.running_variance)
        self.sigma = xp.sqrt(variance + self.epsilon)  # (D,)
        self.normal = (x - mean) / self.sigma  # (..., D)
        return xp.moveaxis(gain * self.normal + bias, -1, self.axis)

    def statistics(self, x: Array) -> tuple[Array, Array]:
        """Mean (D,) and variance (D,) of the batch; the running ones move towards them."""
        mean = x.mean(axis=self.axes)
        centred = x - mean
        variance = (centred * centred).mean(axis=self.axes)
        n, m = x.size // x.shape[-1], self.momentum
        self.running_mean = (1 - m) * self.running_mean + m * mean
        self.running_variance = (1 - m) * self.running_variance + m * (n / (n - 1)) * variance
        return mean, variance

    def backward(self, dout: Array) -> Array:
        """``dout`` to the gradient of x, of the same shape.

        What would shift a whole column, or stretch it, is taken out: the batch's mean and size undo it. The
        running ones undo nothing: they were there before.
        """
        require_shape("dout", dout, xp.moveaxis(self.normal, -1, self.axis).shape)
        dout = xp.moveaxis(dout, self.axis, -1)
        dgain, dbias = self.total(dout * self.normal), self.total(dout)
        self.grads = [dgain, dbias]
        if self.axes:
            dout = dout - (dbias + self.normal * dgain) / (dout.size // dout.shape[-1])
        return xp.moveaxis(self.params[0] / self.sigma * dout, -1, self.axis)

    def total(self, x: Array) -> Array:
        """The sum over all rows. With channels at axis 1, rows are no matrix in memory."""
        return sum_of_rows(matrix(x)) if self.axis == -1 else x.sum(axis=tuple(range(x.ndim - 1)))

    def sizes(self) -> dict[str, object]:
        return {"D": len(self.params[0])}
