"""Numbers of two bytes: float16, bfloat16, and what a training step has to do so that they suffice.

Both have 16 bits and spend them differently. float16 keeps 10 of them for the digits and 5 for the exponent:
three decimal digits, up to 65,504, and below 3e-8 everything is 0. bfloat16 is the upper half of a float32
[Kalamkar2019]_: two digits, and the range of float32. NumPy has no fast products of float16, and no bfloat16
at all, so here they are only ways to *store*: what is stored is rounded, and the sums are float32's.

Of a training step, weights, activations and gradients could be halved in this way. What is lost first are
small gradients, which float16 takes for 0. **Loss scaling** [Micikevicius2018]_ multiplies the loss, and by
that all gradients, by a power of two before they are stored, and divides afterwards, in float32. And an
update that is small beside its weight would be rounded away, so the weights that are updated stay in float32.
``half_step`` is a training step with both.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from common.backend import Array, xp
from common.checkpoints import remember
from common.layers.base import Layer, unique_parameters
from common.optimizers import Optimizer
from common.support.require import require_count, require_float, require_positive
from common.support.row_gradient import RowGradient
from common.training import clip_gradients

KINDS = ("float32", "float16", "bfloat16")
"""How a number may be stored."""

CUT = 16
"""So many bits of a float32 a bfloat16 lacks: the lower half."""


def to_bfloat16(x: Array, nearest: bool = True) -> Array:
    """The bits of the bfloat16 numbers for ``x`` (...) float32, as whole numbers of 16 bits.

    Parameters
    ----------
    x : (...) float32
    nearest : bool
        True: the nearest one, of two equally near the one whose last bit is 0. False: the lower 16 bits are
        cut off, which takes every number towards 0.

    Raises
    ------
    TypeError
        ``x`` is of another type.
    """
    require_float("x", x)
    if x.dtype != np.float32:
        raise TypeError(f"x is {x.dtype}; it should be float32, of which a bfloat16 is the upper half.")
    bits = xp.ascontiguousarray(x).view(np.uint32)
    if nearest:
        last = (bits >> CUT) & 1  # of the bits that stay
        bits = xp.where(xp.isnan(x), bits | 0x400000, bits + 0x7FFF + last)  # a NaN stays one
    return (bits >> CUT).astype(np.uint16)


def from_bfloat16(bits: Array) -> Array:
    """The float32 numbers that bits of bfloat16 stand for: the same ones, with 16 zeros behind."""
    if getattr(bits, "dtype", None) != np.uint16:
        kind = getattr(bits, "dtype", type(bits).__name__)
        raise TypeError(f"bits are {kind}; they should be uint16, as to_bfloat16 gives them.")
    wide: Array = (bits.astype(np.uint32) << CUT).view(np.float32)
    return wide


def stored(x: Array, kind: str) -> Array:
    """What is left of ``x`` after it was stored: the nearest numbers of that kind, in float32 again.

    What is too large for the kind becomes infinite.

    Parameters
    ----------
    x : (...) float32
    kind : "float32", "float16" or "bfloat16"
    """
    require_kind(kind)
    if kind == "bfloat16":
        return from_bfloat16(to_bfloat16(x))
    if kind == "float32":
        return x
    with np.errstate(over="ignore"):
        return x.astype(np.float16).astype(x.dtype)


def require_kind(kind: str) -> None:
    """Raise ValueError unless ``kind`` is one of ``KINDS``."""
    if kind not in KINDS:
        raise ValueError(f"kind is {kind!r}; it should be one of {', '.join(KINDS)}.")


def out_of_range(grads: Sequence[Array | RowGradient], kind: str, scale: float = 1.0) -> dict[str, float]:
    """What storing does to gradients that were multiplied by ``scale``.

    Returns
    -------
    dict
        ``"vanished"``: the share that becomes 0, of the numbers that were not 0. ``"infinite"``: the share of
        all that becomes too large.
    """
    require_positive("scale", scale)
    alive = vanished = infinite = numbers = 0
    for grad in grads:
        x = values_of(grad) * np.float32(scale)
        y = stored(x, kind)
        alive += int((x != 0).sum())
        vanished += int(((x != 0) & (y == 0)).sum())
        infinite += int((~xp.isfinite(y)).sum())
        numbers += x.size
    return {"vanished": vanished / max(alive, 1), "infinite": infinite / max(numbers, 1)}


def values_of(grad: Array | RowGradient) -> Array:
    """The numbers of a gradient, of one of rows those of the rows alone."""
    return grad.values if isinstance(grad, RowGradient) else grad


class LossScale:
    """A factor for the loss that looks for its own size [Micikevicius2018]_.

    Once the gradients are too large for their kind, the step is left out and the factor halved. After many
    steps without that it is doubled. It is always a power of two, so that multiplying by it and dividing by
    it rounds nothing.

    Parameters
    ----------
    value : float
        To begin with: a power of two.
    patience : int
        After so many steps in a row that went well it is doubled.

    Attributes
    ----------
    well : int
        How many steps in a row have gone well.
    left_out : int
        How many were left out.
    """

    def __init__(self, value: float = 2.0**15, patience: int = 2000) -> None:
        require_positive("value", value)
        if math.frexp(value)[0] != 0.5:
            raise ValueError(f"value is {value}; it should be a power of two, which rounds nothing.")
        require_count("patience", patience)
        self.value, self.patience = float(value), patience
        self.well = self.left_out = 0

    def note(self, finite: bool) -> None:
        """After a step: were all gradients finite?"""
        if not finite:
            self.value, self.well = self.value / 2, 0
            self.left_out += 1
            return
        self.well += 1
        if self.well == self.patience:
            self.value, self.well = self.value * 2, 0

    def __repr__(self) -> str:
        return f"LossScale({self.value:g}, patience={self.patience})"


def half_step(
    model: Layer,
    optimizer: Optimizer,
    kind: str,
    scale: LossScale | None,
    *batch: Array,
    max_norm: float | None = None,
) -> float:
    """A training step whose weights are read, and whose gradients are kept, in two bytes a number.

    Forward and backward see the stored weights; the optimizer gets the stored gradients, divided by the scale
    in float32, and updates the float32 weights, which are not rounded. (Each layer's own results stay in
    float32 here. A GPU stores them, too, and loses a little more.)

    Parameters
    ----------
    model : Layer
        Its weights are float32, ``model.forward(*batch)`` returns the loss, and ``model.backward(dout)``
        leaves the gradients, ``dout`` times as large.
    optimizer : Optimizer
    kind : "float32", "float16" or "bfloat16"
    scale : LossScale, optional
        None scales nothing, as bfloat16 needs nothing.
    *batch : arrays
    max_norm : float, optional
        Clip the gradients, when they have been divided, to this length.

    Returns
    -------
    float
        The loss. If a gradient is not finite, the model is as before, and the scale has noted it.
    """
    require_kind(kind)
    params, _ = unique_parameters(model)
    exact = [param.copy() for param in params]
    factor = 1.0 if scale is None else scale.value
    put_back = remember(model)
    try:
        for param in params:
            param[...] = stored(param, kind)
        with np.errstate(over="ignore", invalid="ignore"):  # seen to below
            loss = float(model.forward(*batch))
            model.backward(factor)
    except Exception:
        put_back()
        raise
    finally:
        for param, kept in zip(params, exact):
            param[...] = kept
    grads = [divided(grad, kind, factor) for grad in unique_parameters(model)[1]]
    norm = clip_gradients(grads, math.inf if max_norm is None else max_norm)
    finite = math.isfinite(norm)
    if finite:
        optimizer.update(params, grads)
    else:
        put_back()
    if scale is not None:
        scale.note(finite)
    return loss


def divided(grad: Array | RowGradient, kind: str, factor: float) -> Array | RowGradient:
    """A gradient as it is after it was stored, without the factor."""
    values = stored(values_of(grad), kind) / np.float32(factor)
    return RowGradient(grad.rows, values, grad.shape) if isinstance(grad, RowGradient) else values
