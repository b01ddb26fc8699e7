"""The functions that networks are made of, each written so that no finite input can overflow.

All of them are pure: they change nothing and remember nothing. They keep the float type of
their input, and work along the last axis where an axis is meant.
"""

from __future__ import annotations

import math

import numpy as np

from common.backend import Array, DType, xp


def step(x: Array) -> Array:
    """1 where ``x`` is positive, else 0: the activation of the perceptron [Rosenblatt1958]_."""
    return (x > 0).astype(x.dtype)


def sigmoid(x: Array, out: Array | None = None) -> Array:
    """``1 / (1 + exp(-x))``: squeezes any number into the range from 0 to 1.

    Written with ``tanh``, which is the same curve, twice as high and twice as steep. The textbook form
    computes ``exp(1000)`` on its way to 0 for ``x = -1000`` and overflows. The result goes into ``out`` if
    that is given (it may be ``x`` itself), as with the functions of NumPy.
    """
    y = xp.multiply(x, 0.5, out=out)
    y = xp.tanh(y, out=out)
    y *= 0.5
    y += 0.5
    return y


def relu(x: Array) -> Array:
    """``max(x, 0)``: lets positive numbers through and stops the others."""
    return xp.maximum(x, 0)


def softmax(x: Array) -> Array:
    """``exp(x) / sum(exp(x))`` along the last axis: scores become probabilities.

    Subtracting the largest score first changes nothing in the quotient, and makes the
    largest exponent 0, so that ``exp`` cannot overflow.
    """
    y = xp.exp(below_max(x))
    y /= y.sum(axis=-1, keepdims=True)
    return y


def log_softmax(x: Array) -> Array:
    """The logarithm of ``softmax(x)``, computed without ever taking the logarithm of 0."""
    z = below_max(x)
    log_p = z - xp.log(xp.exp(z).sum(axis=-1, keepdims=True))
    return xp.maximum(log_p, xp.finfo(x.dtype).min)


def below_max(x: Array) -> Array:
    """``x`` minus its maximum along the last axis, so 0 at most.

    The distance of two finite numbers can be too large for their type. It is then minus infinity, and
    its ``exp`` the right number, 0: no reason to warn.
    """
    with np.errstate(over="ignore"):
        return x - x.max(axis=-1, keepdims=True)


def softplus(x: Array) -> Array:
    """``log(1 + exp(x))``: a smooth ReLU, and minus the logarithm of ``sigmoid(-x)``."""
    return xp.maximum(x, 0) + xp.log1p(xp.exp(-xp.abs(x)))


def one_hot(ids: Array, size: int, dtype: DType = float) -> Array:
    """Turn whole numbers ``(...)`` into rows ``(..., size)`` that are 1 at that place and 0 elsewhere."""
    return (ids[..., None] == xp.arange(size)).astype(dtype)


LARGEST_LOSS = 700.0
"""``exp`` of more is too large for a number: the perplexity is infinite."""


def exp_of_mean(total: float, words: int) -> float:
    """``exp(total / words)``, infinite where that is too large for a number."""
    mean = total / words
    return math.exp(mean) if mean <= LARGEST_LOSS else math.inf
