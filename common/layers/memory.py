"""A memory that can be written to: the steps in which a Neural Turing Machine finds a place, reads and writes
[Graves2014]_.

The memory is a table (N, R, W): in each of N examples R **rows**, each W numbers wide. A **head** holds
weights over the rows, which add up to 1: where it looks. They come about in four steps, each from the one
before:

1. ``ContentAddressing``: which rows are like a key.
2. ``InterpolationGate``: that, or where the head was a step ago.
3. ``CircularShift``: a row on, or back.
4. ``Sharpening``: what the shift has blurred.

With its weights a head reads (``MemoryRead``), or erases and adds (``MemoryErase``, ``MemoryAdd``). Nothing
here is learned: keys, gates and shifts are told by a network, the controller
(``common.models.memory_machine``).

K heads work side by side: weights are (N, K, R). For each layer there is a pair of functions, which do its
work and check nothing. One gives the result and what is to be kept of it, the other takes the gradient of
the result and what was kept: a machine that works for many time steps keeps many of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from common.backend import Array, xp
from common.functions import softmax
from common.layers.base import Layer
from common.support.require import (
    require_at_least,
    require_float,
    require_shape,
    require_some_in_each_row,
)

Kept = tuple[Any, ...]
"""What the way back needs."""

EPSILON = 1e-8
"""Added to the square of a length, so that a row of zeros has a direction, too: none."""


class MemoryStep(Layer):
    """What the layers share. Each has ``f``, its function, ``f_back``, the way back, and ``check``."""

    f: Callable[..., tuple[Array, Kept]]
    f_back: Callable[..., Any]
    check: Callable[..., None]

    def __init__(self) -> None:
        super().__init__()

    def forward(self, *inputs: Array) -> Array:
        self.check(*inputs)
        y, self.kept = type(self).f(*inputs)
        self.shape = y.shape
        return y

    def backward(self, dy: Array) -> Any:
        require_shape("dy", dy, self.shape)
        return type(self).f_back(dy, self.kept)


# ---- where to look: four steps


class ContentAddressing(Layer):
    """Weights by likeness: the cosine of the key and each row, times the strength, through a softmax
    [Graves2014]_.

    Lengths are ``sqrt(u · u + epsilon)``. Without epsilon a row of zeros would have the cosine 0 / 0, and if
    it stood outside the root, the slope of the length would still be 0 / 0.

    Parameters
    ----------
    epsilon : float
        At least 0.
    """

    def __init__(self, epsilon: float = EPSILON) -> None:
        if not 0 <= epsilon < 1:
            raise ValueError(f"epsilon is {epsilon!r}; it should be a small number, at least 0.")
        super().__init__()
        self.epsilon = float(epsilon)

    def check(self, memory: Array, keys: Array, strength: Array) -> None:
        """Raise unless ``memory`` is (N, R, W), ``keys`` (N, K, W) and ``strength`` (N, K), at least 0."""
        N, _, W = require_memory(memory)
        K = require_heads("keys", keys, N, W, like=memory)
        require_told("strength", strength, (N, K), like=memory)
        require_at_least("strength", strength, 0)
        if self.epsilon == 0:
            for name, rows in (("memory", memory), ("keys", keys)):
                require_some_in_each_row(name, rows, "or its cosine is 0 / 0; an epsilon above 0 helps, too")

    def forward(self, memory: Array, keys: Array, strength: Array) -> Array:
        """``memory`` (N, R, W), ``keys`` (N, K, W), ``strength`` (N, K) to weights (N, K, R)."""
        self.check(memory, keys, strength)
        weights, self.kept = look_up(memory, keys, strength, self.epsilon)
        self.shape = weights.shape
        return weights

    def backward(self, dweights: Array) -> tuple[Array, Array, Array]:
        """``dweights`` (N, K, R) to the gradients of memory, keys and strength."""
        require_shape("dweights", dweights, self.shape)
        return look_up_back(dweights, self.kept)

    def sizes(self) -> dict[str, object]:
        return {"epsilon": self.epsilon}


def look_up(memory: Array, keys: Array, strength: Array, epsilon: float = EPSILON) -> tuple[Array, Kept]:
    """Weights (N, K, R) by likeness, from memory (N, R, W), keys (N, K, W) and strength (N, K)."""
    rows, row_lengths = unit(memory, epsilon)
    asked, lengths = unit(keys, epsilon)
    cosines = asked @ rows.swapaxes(1, 2)
    weights = softmax(strength[..., None] * cosines)
    return weights, (rows, row_lengths, asked, lengths, cosines, strength, weights)


def look_up_back(dweights: Array, kept: Kept) -> tuple[Array, Array, Array]:
    """The gradients of memory, keys and strength."""
    rows, row_lengths, asked, lengths, cosines, strength, weights = kept
    dscores = weights * (dweights - (dweights * weights).sum(axis=-1, keepdims=True))
    dstrength = (dscores * cosines).sum(axis=-1)
    dcosines = strength[..., None] * dscores
    dmemory = unit_back(dcosines.swapaxes(1, 2) @ asked, rows, row_lengths)
    return dmemory, unit_back(dcosines @ rows, asked, lengths), dstrength


def unit(x: Array, epsilon: float) -> tuple[Array, Array]:
    """The vectors of the last axis at length 1, and the lengths they had; those near zero stay short."""
    length = xp.sqrt((x * x).sum(axis=-1, keepdims=True) + epsilon)
    return x / length, length


def unit_back(du: Array, u: Array, length: Array) -> Array:
    """The gradient of ``x``: what points along ``u`` itself would only make ``x`` longer, and is lost."""
    return (du - u * (u * du).sum(axis=-1, keepdims=True)) / length


def interpolate(gate: Array, content: Array, before: Array) -> tuple[Array, Kept]:
    """Between two weights (N, K, R): ``content`` where the gate (N, K) is 1, ``before`` where it is 0."""
    g = gate[..., None]
    return g * content + (1 - g) * before, (g, content, before)


def interpolate_back(dweights: Array, kept: Kept) -> tuple[Array, Array, Array]:
    """The gradients of gate, content and before."""
    g, content, before = kept
    return (dweights * (content - before)).sum(axis=-1), g * dweights, (1 - g) * dweights


class InterpolationGate(MemoryStep):
    """``w = g w_content + (1 - g) w_before``: by content, or from where the head was [Graves2014]_."""

    f, f_back = interpolate, interpolate_back

    def check(self, gate: Array, content: Array, before: Array) -> None:
        """Raise unless ``gate`` is (N, K), from 0 to 1, and the two weights are (N, K, R)."""
        N, K, _ = require_weights("content", content)
        require_weights("before", before, *content.shape, like=content)
        require_told("gate", gate, (N, K), like=content)
        require_at_least("gate", gate, 0, most=1)


def shift(weights: Array, shifts: Array) -> tuple[Array, Kept]:
    """Weights (N, K, R) moved along the rows by so much as ``shifts`` (N, K, S) say, in parts.

    The middle of ``shifts`` is for staying, what is right of it for rows further on, left of it for rows
    back. Behind the last row comes the first.
    """
    from_each = moved(weights, shifts.shape[-1])  # (N, K, S, R)
    return (shifts[..., None, :] @ from_each)[..., 0, :], (from_each, shifts)


def shift_back(dweights: Array, kept: Kept) -> tuple[Array, Array]:
    """The gradients of weights and shifts: what was moved on is moved back."""
    from_each, shifts = kept
    back = moved(dweights, shifts.shape[-1])
    dshifts = (from_each @ dweights[..., None])[..., 0]
    return (shifts[..., None, ::-1] @ back)[..., 0, :], dshifts


def moved(weights: Array, S: int) -> Array:
    """Weights (..., R) after each of S moves, from ``-(S // 2)`` to ``S // 2`` rows: (..., S, R)."""
    R = weights.shape[-1]
    by = xp.arange(S) - S // 2
    return weights[..., (xp.arange(R) - by[:, None]) % R]


class CircularShift(MemoryStep):
    """``w'_i = sum_j w_j s_(i - j)``, indices modulo the number of rows: a convolution on a circle
    [Graves2014]_."""

    f, f_back = shift, shift_back

    def check(self, weights: Array, shifts: Array) -> None:
        """Raise unless ``weights`` is (N, K, R) and ``shifts`` (N, K, S) with S odd and at most R."""
        N, K, R = require_weights("weights", weights)
        S = require_weights("shifts", shifts, N, K, like=weights)[2]
        if S % 2 == 0 or S > R:
            raise ValueError(
                f"shifts has shape {shifts.shape}; its last axis should be odd, with staying in the middle, "
                f"and at most {R}, the number of rows."
            )


def sharpen(weights: Array, gamma: Array) -> tuple[Array, Kept]:
    """Weights (N, K, R) to the power of ``gamma`` (N, K), brought to the sum 1 again.

    Divided by the largest first, the weights cannot all vanish: ``(1 / 128) ** 50`` is 0 in float32.
    """
    power = gamma[..., None]
    largest = weights.max(axis=-1, keepdims=True)
    v = weights / largest
    total = (v**power).sum(axis=-1, keepdims=True)
    y = v**power / total
    return y, (v, largest, total, power, y)


def sharpen_back(dy: Array, kept: Kept) -> tuple[Array, Array]:
    """The gradients of weights and gamma; where a weight is 0, its logarithm counts for nothing."""
    v, largest, total, power, y = kept
    off = dy - (dy * y).sum(axis=-1, keepdims=True)
    dweights = power * v ** (power - 1) / (total * largest) * off
    logs = xp.log(xp.maximum(v, xp.finfo(v.dtype).tiny))
    return dweights, (off * y * logs).sum(axis=-1)


class Sharpening(MemoryStep):
    """``w_i^gamma / sum_j w_j^gamma``: large weights become larger, small ones smaller [Graves2014]_.

    ``gamma`` is at least 1, where nothing changes. Below, it would blur what it is there to sharpen.
    """

    f, f_back = sharpen, sharpen_back

    def check(self, weights: Array, gamma: Array) -> None:
        """Raise unless ``weights`` is (N, K, R), none below 0 and not all 0, and ``gamma`` (N, K), from 1."""
        N, K, _ = require_weights("weights", weights)
        require_at_least("weights", weights, 0)
        require_some_in_each_row("weights", weights, "or there is nothing to sharpen")
        require_told("gamma", gamma, (N, K), like=weights)
        require_at_least("gamma", gamma, 1)


# ---- what is done there


def read(memory: Array, weights: Array) -> tuple[Array, Kept]:
    """The sums (N, K, W) of the rows of memory (N, R, W) with weights (N, K, R)."""
    return weights @ memory, (memory, weights)


def read_back(dread: Array, kept: Kept) -> tuple[Array, Array]:
    """The gradients of memory and weights."""
    memory, weights = kept
    return weights.swapaxes(1, 2) @ dread, dread @ memory.swapaxes(1, 2)


class MemoryRead(MemoryStep):
    """``r = sum_i w_i M_i``: each row as much as the head looks at it [Graves2014]_."""

    f, f_back = read, read_back

    def check(self, memory: Array, weights: Array) -> None:
        """Raise unless ``memory`` is (N, R, W) and ``weights`` (N, K, R)."""
        N, R, _ = require_memory(memory)
        require_heads("weights", weights, N, R, like=memory)


def erase(memory: Array, weights: Array, erased: Array) -> tuple[Array, Kept]:
    """Memory (N, R, W) less what each head erases: ``erased`` (N, K, W), from 0 to 1, where it looks."""
    left = 1 - weights[..., None] * erased[:, :, None]  # (N, K, R, W): what each head leaves
    stays = left[:, 0] if left.shape[1] == 1 else left.prod(axis=1)
    return memory * stays, (memory, weights, erased, left, stays)


def erase_back(dout: Array, kept: Kept) -> tuple[Array, Array, Array]:
    """The gradients of memory, weights and erased."""
    memory, weights, erased, left, stays = kept
    dstays = dout * memory
    dleft = dstays[:, None] * all_but_one(left)
    dweights = -(dleft @ erased[..., None])[..., 0]
    derased = -(weights[:, :, None] @ dleft)[:, :, 0]
    return dout * stays, dweights, derased


def all_but_one(factors: Array) -> Array:
    """For each of the factors (N, K, ...) the product of the others; division would fail where one is 0."""
    others = xp.ones_like(factors)
    for k in range(factors.shape[1]):
        others[:, :k] *= factors[:, k : k + 1]
        others[:, k + 1 :] *= factors[:, k : k + 1]
    return others


class MemoryErase(MemoryStep):
    """``M'_i = M_i (1 - w_i e)``, for several heads the product of what each leaves [Graves2014]_.

    A number is gone where the head looks with weight 1 and ``e`` is 1; where either is 0, it stays.
    """

    f, f_back = erase, erase_back

    def check(self, memory: Array, weights: Array, erased: Array) -> None:
        """Raise unless ``memory`` is (N, R, W), ``weights`` (N, K, R), ``erased`` (N, K, W), from 0 to 1."""
        N, R, W = require_memory(memory)
        K = require_heads("weights", weights, N, R, like=memory)
        require_told("erased", erased, (N, K, W), like=memory)
        require_at_least("erased", erased, 0, most=1)


def add(memory: Array, weights: Array, added: Array) -> tuple[Array, Kept]:
    """Memory (N, R, W) and what each head adds: ``added`` (N, K, W), where it looks."""
    return memory + weights.swapaxes(1, 2) @ added, (weights, added)


def add_back(dout: Array, kept: Kept) -> tuple[Array, Array, Array]:
    """The gradients of memory, weights and added."""
    weights, added = kept
    return dout, added @ dout.swapaxes(1, 2), weights @ dout


class MemoryAdd(MemoryStep):
    """``M'_i = M_i + w_i a``: the same to each row, as much as the head looks at it [Graves2014]_."""

    f, f_back = add, add_back

    def check(self, memory: Array, weights: Array, added: Array) -> None:
        """Raise unless ``memory`` is (N, R, W), ``weights`` (N, K, R) and ``added`` (N, K, W)."""
        N, R, W = require_memory(memory)
        K = require_heads("weights", weights, N, R, like=memory)
        require_told("added", added, (N, K, W), like=memory)


# ---- what the layers ask for


def require_memory(memory: Array) -> tuple[int, int, int]:
    """The shape of ``memory``; raise unless it is (N, R, W), floats."""
    require_float("memory", memory)
    if memory.ndim != 3 or 0 in memory.shape:
        raise ValueError(f"memory has shape {memory.shape}; it should be (N, R, W): examples, rows, width.")
    return memory.shape


def require_heads(name: str, x: Array, N: int, size: int, like: Array) -> int:
    """The number of heads K; raise unless ``x`` is (N, K, size), of the type of ``like``."""
    return require_weights(name, x, N, None, size, like=like)[1]


def require_weights(
    name: str, x: Array, *shape: int | None, like: Array | None = None
) -> tuple[int, int, int]:
    """The shape of ``x``; raise unless it is (N, K, R), as far as these are given, of ``like``'s type."""
    require_one_type(name, x, like)
    wanted = [*shape, None, None, None][:3]
    fits = x.ndim == 3 and all(want in (None, got) for want, got in zip(wanted, x.shape))
    if not fits or 0 in x.shape:
        said = ", ".join(str(want or letter) for want, letter in zip(wanted, "NKR"))
        raise ValueError(f"{name} has shape {x.shape}; it should be ({said}), no axis empty.")
    return x.shape


def require_told(name: str, x: Array, shape: tuple[int, ...], like: Array) -> None:
    """Raise unless ``x``, something that a head is told, has this shape and the type of ``like``."""
    require_one_type(name, x, like)
    require_shape(name, x, shape)


def require_one_type(name: str, x: Array, like: Array | None) -> None:
    """Raise TypeError unless ``x`` holds floats, of the type of ``like`` when that is given."""
    require_float(name, x)
    if like is not None and x.dtype != like.dtype:
        raise TypeError(f"{name} is {x.dtype} and the others are {like.dtype}; all should be of one type.")
