"""Layers that bend: without one of these between them, two Affine layers would be one."""

from __future__ import annotations

import math

from common.backend import Array, xp
from common.functions import relu, sigmoid, softmax
from common.layers.base import Layer
from common.support.require import require_float, require_shape


class Activation(Layer):
    """A function of each number (or, for Softmax, of each row), with nothing to learn.

    A subclass gives ``f``, the function, and ``df``, the gradient, which needs only the output ``y``.
    """

    def __init__(self) -> None:
        super().__init__()

    def f(self, x: Array) -> Array:
        raise NotImplementedError

    def df(self, dout: Array, y: Array) -> Array:
        raise NotImplementedError

    def check(self, x: Array) -> None:
        """Raise unless ``x`` holds floats."""
        require_float("x", x)

    def forward(self, x: Array) -> Array:
        """``x`` (...) to the same shape."""
        self.check(x)
        self.y = self.f(x)
        return self.y

    def backward(self, dout: Array) -> Array:
        """``dout`` (...) to the gradient of x, of the same shape."""
        require_shape("dout", dout, self.y.shape)
        return self.df(dout, self.y)


class Sigmoid(Activation):
    """``y = 1 / (1 + exp(-x))``; the slope is ``y (1 - y)``, at most 1/4 [Rumelhart1986]_."""

    def f(self, x: Array) -> Array:
        return sigmoid(x)

    def df(self, dout: Array, y: Array) -> Array:
        return dout * y * (1 - y)


class Tanh(Activation):
    """``y = tanh(x)``, between -1 and 1; the slope is ``1 - y²``, at most 1 [LeCun1998]_."""

    def f(self, x: Array) -> Array:
        return xp.tanh(x)

    def df(self, dout: Array, y: Array) -> Array:
        return dout * (1 - y * y)


class ReLU(Activation):
    """``y = max(x, 0)``; the slope is 1 where ``y`` is positive, else 0 [Nair2010]_."""

    def f(self, x: Array) -> Array:
        return relu(x)

    def df(self, dout: Array, y: Array) -> Array:
        return dout * (y > 0)


class GELU(Layer):
    """``y = x g``, and the gate ``g``, between 0 and 1, is nearly the probability that a normal number is
    below x [Hendrycks2016]_.

    A bend like that of ReLU, but round: far to the right ``x`` itself, far to the left 0, between them a
    smooth curve that dips to -0.17. The gate is

        g = (1 + tanh(u)) / 2,  u = sqrt(2 / pi) (x + 0.044715 x³)

    The exact probability needs the error function, which NumPy lacks; the two differ by less than 0.001, and
    it is the curve with the tanh that GPT-2 was trained with.
    """

    a = (2 / math.pi) ** 0.5
    c = 0.044715

    def __init__(self) -> None:
        super().__init__()

    def check(self, x: Array) -> None:
        """Raise unless ``x`` holds floats."""
        require_float("x", x)

    def forward(self, x: Array) -> Array:
        """``x`` (...) to the same shape."""
        self.check(x)
        self.z = xp.clip(x, -10, 10)  # further out the gate is shut or open to the last digit
        u = self.z * self.z
        u *= self.a * self.c
        u += self.a
        u *= self.z
        self.g = xp.tanh(u, out=u)
        self.g += 1
        self.g *= 0.5
        return x * self.g

    def backward(self, dout: Array) -> Array:
        """``dout`` (...) to the gradient of x, of the same shape.

        The slope is ``g + x g'`` with ``g' = 2 g (1 - g) u'``.
        """
        require_shape("dout", dout, self.g.shape)
        slope = self.z * self.z
        slope *= 6 * self.a * self.c
        slope += 2 * self.a  # 2 u'
        slope *= self.z
        slope *= 1 - self.g
        slope += 1
        slope *= self.g
        slope *= dout
        return slope


class Softmax(Activation):
    """Scores along the last axis to probabilities [Bridle1990]_.

    Raising one score raises its own probability and lowers all others, hence the sum in the gradient.
    """

    def f(self, x: Array) -> Array:
        return softmax(x)

    def df(self, dout: Array, y: Array) -> Array:
        return y * (dout - (dout * y).sum(axis=-1, keepdims=True))
