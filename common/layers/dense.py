"""Layers in which every input number reaches every output number: MatMul and Affine.

Both take any leading axes: ``(N, D)`` for a batch, ``(N, T, D)`` for a batch of sequences.
"""

from __future__ import annotations

from typing import Any

from common.backend import Array, xp
from common.layers.base import Layer
from common.support.require import require_float, require_matrix, require_shape, require_vectors


class MatMul(Layer):
    """``y = x W`` [Rumelhart1986]_.

    Parameters
    ----------
    W : (D, H)
    """

    names = ("W",)

    def __init__(self, W: Array) -> None:
        require_matrix("W", W)
        super().__init__(W)

    def check(self, x: Array) -> None:
        """Raise unless ``x`` is (..., D), of the type of the weights."""
        require_vectors("x", x, self.params[0])

    def forward(self, x: Array) -> Array:
        """``x`` (..., D) to (..., H)."""
        self.check(x)
        self.x = x
        return product(x, self.params[0])

    def backward(self, dout: Array) -> Array:
        """``dout`` (..., H) to the gradient of x (..., D)."""
        (W,) = self.params
        require_shape("dout", dout, (*self.x.shape[:-1], W.shape[1]))
        self.grads = [matrix(self.x).T @ matrix(dout)]
        return product(dout, W.T)

    def sizes(self) -> dict[str, object]:
        return dict(zip("DH", self.params[0].shape))


class Affine(Layer):
    """``y = x W + b``: a fully connected layer [Rumelhart1986]_.

    Parameters
    ----------
    W : (D, H)
    b : (H,)
    first : bool
        True for the layer that the data enter. Nobody asks for the gradient of the data, so ``backward`` then
        leaves out that product, a third of the layer's work, and returns nothing.
    """

    names = ("W", "b")

    def __init__(self, W: Array, b: Array, first: bool = False) -> None:
        require_matrix("W", W)
        require_float("b", b, like=W)
        require_shape("b", b, W.shape[1:])
        super().__init__(W, b)
        self.first = first

    def check(self, x: Array) -> None:
        """Raise unless ``x`` is (..., D), of the type of the weights."""
        require_vectors("x", x, self.params[0])

    def forward(self, x: Array) -> Array:
        """``x`` (..., D) to (..., H)."""
        self.check(x)
        self.x = x
        return affine(x, *self.params)

    def backward(self, dout: Array) -> Array | Any:
        """``dout`` (..., H) to the gradient of x (..., D), or, if ``first``, to nothing."""
        W, _ = self.params
        require_shape("dout", dout, (*self.x.shape[:-1], W.shape[1]))
        dy = matrix(dout)
        self.grads = [matrix(self.x).T @ dy, sum_of_rows(dy)]
        return None if self.first else product(dout, W.T)

    def sizes(self) -> dict[str, object]:
        return dict(zip("DH", self.params[0].shape))


def matrix(x: Array) -> Array:
    """Lay all leading axes end to end: (..., D) becomes (n, D)."""
    return x.reshape(-1, x.shape[-1])


def sum_of_rows(x: Array) -> Array:
    """(n, D) to (D,): the sum over axis 0 as a matrix product, which works on all cores."""
    return xp.ones(len(x), dtype=x.dtype) @ x


def product(x: Array, W: Array) -> Array:
    """``x @ W`` for any leading axes, as one product, where ``@`` would make one for each entry of axis 0."""
    return (matrix(x) @ W).reshape(*x.shape[:-1], W.shape[1])


def affine(x: Array, W: Array, b: Array) -> Array:
    """``x W + b`` for any leading axes: (..., D) becomes (..., H)."""
    y = product(x, W)
    y += b
    return y
