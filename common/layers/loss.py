"""Layers that end a network: predictions and targets go in, one number comes out, to be made smaller.

Each averages over positions. A position that ``mask`` marks as False (padding, say) adds exactly
zero to the loss and to every gradient.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from common.backend import Array, DType, xp
from common.functions import below_max, sigmoid, softplus
from common.layers.base import Layer
from common.layers.dense import affine, matrix
from common.support.parallel import by_rows
from common.support.require import (
    require_float,
    require_ids,
    require_last_axis,
    require_levels,
    require_mask,
    require_matrix,
    require_shape,
    require_share,
    require_vectors,
)


class SoftmaxWithLoss(Layer):
    """Softmax, then cross entropy: minus the mean log-probability of the right classes [Bridle1990]_.

    The two are one layer because together their gradient is ``y - t``, and because the logarithm of a
    softmax can be had without taking the logarithm of a number that may have become 0. Without mask and
    smoothing it is this, for scores ``x`` (n, V):

        log_p = log_softmax(x)
        loss = -log_p[range(n), t].mean()

        dx = exp(log_p)  # y
        dx[range(n), t] -= 1  # y - t
        dx *= dout / n

    What stands below goes over the scores once less, piece by piece, which counts when V is large.

    Parameters
    ----------
    smoothing : float
        From 0 to below 1: this share of each target is spread evenly over all classes [Szegedy2016]_, so that
        no score is driven to infinity.
    """

    reused = ("exp",)

    def __init__(self, smoothing: float = 0.0) -> None:
        require_share("smoothing", smoothing)
        super().__init__()
        self.smoothing = float(smoothing)
        self.exp: Array = xp.empty((0, 0))  # of the scores; the same memory serves the next of this shape

    def check(self, x: Array, t: Array) -> None:
        """Raise unless ``x`` is (..., V), floats, and ``t`` (...) holds a class for each position."""
        require_float("x", x)
        if x.ndim == 0:
            raise ValueError("x has shape (); it should be (..., V), one score for each class.")
        require_ids("t", t, x.shape[-1])
        require_shape("t", t, x.shape[:-1])

    def forward(self, x: Array, t: Array, mask: Array | None = None) -> Array:
        """The loss, one number.

        Parameters
        ----------
        x : (..., V) scores
        t : (...) whole numbers, the right class of each position
        mask : (...) booleans, optional; False leaves a position out
        """
        self.check(x, t)
        self.shape = x.shape
        self.t = t.reshape(-1, 1)  # (n, 1): all positions in one row of rows
        self.share = share_of_each(t, mask, x.dtype).reshape(-1, 1)
        x = x.reshape(len(self.t), x.shape[-1])  # (n, V)
        if self.exp.shape != x.shape or self.exp.dtype != x.dtype:
            self.exp = xp.empty(x.shape, dtype=x.dtype)
        self.sum = xp.empty_like(x[:, :1])

        def exponentials(rows: slice) -> None:
            xp.exp(x[rows], out=self.exp[rows])
            self.exp[rows].sum(axis=1, keepdims=True, out=self.sum[rows])

        # Scores are usually moderate, and subtracting their maximum would be two passes for nothing. It is
        # done where the sum says that they were not: there, exp overflowed or came near 0.
        with np.errstate(over="ignore"):
            by_rows(exponentials, x)
            again = immoderate(self.sum)
            shift = xp.zeros_like(self.sum)
            if len(again):
                shift[again] = x[again].max(axis=1, keepdims=True)
                self.exp[again] = xp.exp(below_max(x[again]))
                self.sum[again] = self.exp[again].sum(axis=1, keepdims=True)
            score = xp.take_along_axis(x, self.t, axis=1) - shift  # of the right class
            if self.smoothing:
                even = x.mean(axis=1, keepdims=True) - shift
                score = (1 - self.smoothing) * score + self.smoothing * even
        each = xp.log(self.sum) - xp.maximum(score, xp.finfo(x.dtype).min / 2)  # minus log p
        return (self.share * each).sum()

    def backward(self, dout: float = 1) -> Array:
        """The gradient of x: ``(y - t)``, times each position's share of the mean."""
        share = self.share * dout
        scale = share / self.sum
        dx = xp.empty_like(self.exp)  # (n, V)
        by_rows(lambda rows: xp.multiply(self.exp[rows], scale[rows], out=dx[rows]), dx)  # y, shared out
        dx[xp.arange(len(dx)), self.t.ravel()] -= (1 - self.smoothing) * share.ravel()
        if self.smoothing:
            dx -= self.smoothing / dx.shape[1] * share
        return dx.reshape(self.shape)


class AffineSoftmaxWithLoss(Layer):
    """``Affine``, then ``SoftmaxWithLoss`` [Bridle1990]_, as one layer: for outputs with very many classes.

    One after the other, the two fill three arrays with a number for each position and class: scores,
    exponentials, gradients. Here there is one, changed in place until it holds ``S (y - t)``. With ``S`` the
    sum of a row's exponentials, these are the exponentials themselves, but for the right class, where ``S``
    is taken off. A row becomes its gradient by one factor, ``dout / (n S)``, which can wait for the products
    and be multiplied into their small side.

    Parameters
    ----------
    W : (D, V)
    b : (V,)
    """

    names = ("W", "b")
    reused = ("error",)

    def __init__(self, W: Array, b: Array) -> None:
        require_matrix("W", W)
        require_float("b", b, like=W)
        require_shape("b", b, W.shape[1:])
        super().__init__(W, b)
        self.error: Array = xp.empty((0, 0))  # S (y - t); the same memory serves the next input of this shape

    def check(self, x: Array, t: Array | None = None) -> None:
        """Raise unless ``x`` is (..., D), of the type of the weights, and ``t`` (...) holds classes."""
        require_vectors("x", x, self.params[0])
        if t is not None:
            require_ids("t", t, len(self.params[1]))
            require_shape("t", t, x.shape[:-1])

    def scores(self, x: Array) -> Array:
        """``x`` (..., D) to the scores ``x W + b`` (..., V), with no targets and no loss."""
        self.check(x)
        return affine(x, *self.params)

    def forward(self, x: Array, t: Array, mask: Array | None = None) -> Array:
        """The loss, one number.

        Parameters
        ----------
        x : (..., D)
        t : (...) whole numbers, the right class of each position
        mask : (...) booleans, optional; False leaves a position out
        """
        self.check(x, t)
        W, b = self.params
        self.shape, self.x = x.shape, matrix(x)  # (n, D)
        self.share = share_of_each(t, mask, x.dtype).reshape(-1, 1)
        t, shape = t.reshape(-1), (t.size, len(b))
        if self.error.shape != shape or self.error.dtype != x.dtype:
            self.error = xp.empty(shape, dtype=x.dtype)
        self.sum, minus_log_p = xp.empty_like(self.share), xp.empty_like(self.share)
        xp.matmul(self.x, W, out=self.error)

        def finish(rows: slice) -> None:
            scores = self.error[rows]
            scores += b
            self.sum[rows], minus_log_p[rows] = errors_in_place(scores, t[rows])

        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):  # such rows are done again
            by_rows(finish, self.error)
        again = immoderate(self.sum)
        if len(again):
            scores = below_max(affine(self.x[again], W, b))
            self.sum[again], minus_log_p[again] = errors_in_place(scores, t[again])
            self.error[again] = scores
        return (self.share * minus_log_p).sum()

    def backward(self, dout: float = 1) -> Array:
        """The gradient of x (..., D)."""
        W, _ = self.params
        factor = self.share * dout / self.sum  # (n, 1)
        self.grads = [(self.x * factor).T @ self.error, factor[:, 0] @ self.error]
        dx = self.error @ W.T
        dx *= factor
        return dx.reshape(self.shape)

    def sizes(self) -> dict[str, object]:
        return dict(zip("DV", self.params[0].shape))


class SigmoidWithLoss(Layer):
    """Sigmoid, then binary cross entropy: each number is a yes-or-no question of its own [Bishop2006]_."""

    def __init__(self) -> None:
        super().__init__()

    def check(self, x: Array, t: Array) -> None:
        """Raise unless ``x`` holds floats, and ``t`` as many numbers between 0 and 1."""
        require_float("x", x)
        require_shape("t", t, x.shape)
        if t.size and (t.min() < 0 or t.max() > 1):
            raise ValueError(f"t holds numbers from {t.min()} to {t.max()}; they should lie between 0 and 1.")

    def forward(self, x: Array, t: Array, mask: Array | None = None) -> Array:
        """The loss, one number.

        Parameters
        ----------
        x : (...) scores; positive means yes
        t : (...) 1 for yes, 0 for no, or a probability between
        mask : (...) booleans, optional; False leaves a position out
        """
        self.check(x, t)
        self.x, self.t = x, t.astype(x.dtype)
        self.share = share_of_each(t, mask, x.dtype)
        return (self.share * (softplus(x) - self.t * x)).sum()

    def backward(self, dout: float = 1) -> Array:
        """The gradient of x: ``y - t``, times each position's share of the mean."""
        return (sigmoid(self.x) - self.t) * (self.share * dout)


class MeanSquaredError(Layer):
    """The mean of ``(y - t)²`` over all numbers: for quantities rather than classes [Rumelhart1986]_."""

    def __init__(self) -> None:
        super().__init__()

    def check(self, y: Array, t: Array) -> None:
        """Raise unless ``y`` holds floats and ``t`` has its shape."""
        require_float("y", y)
        require_shape("t", t, y.shape)

    def forward(self, y: Array, t: Array) -> Array:
        """``y`` and ``t`` (...), of one shape, to one number."""
        self.check(y, t)
        self.error = y - t.astype(y.dtype)
        return (self.error * self.error).mean()

    def backward(self, dout: float = 1) -> Array:
        """The gradient of y."""
        return self.error * (2 * dout / self.error.size)


class MeanAbsoluteError(Layer):
    """The mean of ``|y - t|`` over all numbers: its best constant is the median [Koenker1978]_.

    A single target that lies far off counts by its distance, and not by the square of it.
    """

    def __init__(self) -> None:
        super().__init__()

    def check(self, y: Array, t: Array) -> None:
        """Raise unless ``y`` holds floats and ``t`` has its shape."""
        require_float("y", y)
        require_shape("t", t, y.shape)

    def forward(self, y: Array, t: Array) -> Array:
        """``y`` and ``t`` (...), of one shape, to one number."""
        self.check(y, t)
        self.error = y - t.astype(y.dtype)
        return abs(self.error).mean()

    def backward(self, dout: float = 1) -> Array:
        """The gradient of y: the sign of each error, and 0 where there is none."""
        return xp.sign(self.error) * (dout / self.error.size)


class QuantileLoss(Layer):
    """The mean pinball loss: what is too low costs ``q`` times the distance, what is too high ``1 - q`` times
    [Koenker1978]_.

    With ``q = 0.9``, being below the target costs nine times as much as being above it, so that the best
    constant is the one with nine tenths of the targets below it: the 0.9-quantile. Several levels are
    learned side by side, a number for each.

    Parameters
    ----------
    levels : sequence of float
        Each above 0 and below 1, in ascending order.
    """

    def __init__(self, levels: Sequence[float]) -> None:
        require_levels("levels", levels)
        super().__init__()
        self.levels = tuple(float(level) for level in levels)

    def check(self, y: Array, t: Array) -> None:
        """Raise unless ``y`` is (..., Q), floats, and ``t`` (...)."""
        require_float("y", y)
        require_last_axis("y", y, len(self.levels))
        require_shape("t", t, y.shape[:-1])

    def forward(self, y: Array, t: Array) -> Array:
        """The loss, one number.

        Parameters
        ----------
        y : (..., Q) a quantile for each of the levels
        t : (...) targets
        """
        self.check(y, t)
        q = xp.asarray(self.levels, dtype=y.dtype)
        above = t.astype(y.dtype)[..., None] - y  # (..., Q): how far the target lies above
        self.slope = xp.where(above > 0, -q, 1 - q) * (above != 0)  # of the loss, by y
        return (-self.slope * above).mean()

    def backward(self, dout: float = 1) -> Array:
        """The gradient of y: ``-q`` where it was too low, ``1 - q`` where too high, and 0 where right."""
        return self.slope * (dout / self.slope.size)

    def sizes(self) -> dict[str, object]:
        return {"levels": self.levels}


def share_of_each(t: Array, mask: Array | None, dtype: DType) -> Array:
    """How much each position counts in the mean: ``1/n`` for the ``n`` that are kept, 0 for the others."""
    if mask is None:
        return xp.full(t.shape, 1 / max(t.size, 1), dtype=dtype)
    require_mask("mask", mask, t.shape)
    keep: Array = mask.astype(dtype)
    return keep / max(int(mask.sum()), 1)


def errors_in_place(scores: Array, t: Array) -> tuple[Array, Array]:
    """Turn scores (n, V) into ``S (y - t)``; return ``S``, the sums of their exponentials, and minus the
    log-probability of the right classes ``t`` (n,): (n, 1) each."""
    right = xp.arange(len(t)), t
    of_right = scores[right]
    xp.exp(scores, out=scores)
    S = scores.sum(axis=1)
    scores[right] -= S
    minus_log_p = xp.log(S) - xp.maximum(of_right, xp.finfo(scores.dtype).min / 2)
    return S[:, None], minus_log_p[:, None]


def immoderate(sums: Array) -> Array:
    """The rows whose sum of exponentials says that ``exp`` overflowed or came near 0."""
    large = float(xp.finfo(sums.dtype).max) ** 0.5
    return xp.flatnonzero(~((sums > 1 / large) & (sums < large)))
