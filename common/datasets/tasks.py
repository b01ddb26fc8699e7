"""Tasks that ask for a memory: what was shown has to be said again, in one order or another [Graves2014]_.

All are sequences of bits. First comes what is to be remembered, between two marks, each on a channel of its
own, and then only zeros: now the network has to answer. (The first mark is ours; it says where the beginning
is.) Each call makes N examples of one size, so that nothing is padded.

A function returns three arrays: what goes in, ``x`` (N, T, D); what should come out, ``t`` (N, T, O), zeros
and ones; and ``mask`` (N, T), True where an answer is asked for.
"""

from __future__ import annotations

import math

import numpy as np

from common.backend import FLOAT, DType
from common.support.require import require_counts, require_generator

BitTask = tuple[np.ndarray, np.ndarray, np.ndarray]
"""What goes in, what should come out, and where it counts."""


def copy_task(
    rng: np.random.Generator, N: int, length: int, bits: int = 8, *, dtype: DType = FLOAT
) -> BitTask:
    """Say it again: ``length`` rows of bits between two marks, and then the same rows.

    ``x`` is (N, 2 length + 2, bits + 2): the last two channels are for the marks. ``t`` has ``bits`` numbers.
    """
    require_generator("rng", rng)
    require_counts(N=N, length=length, bits=bits)
    rows = rng.integers(0, 2, (N, length, bits))
    x, t, mask = _blank(N, 2 * length + 2, bits + 2, bits, dtype)
    _show(x, rows)
    t[:, length + 2 :] = rows
    mask[:, length + 2 :] = True
    return x, t, mask


def repeat_copy_task(
    rng: np.random.Generator,
    N: int,
    length: int,
    repeats: int,
    bits: int = 8,
    most: int = 10,
    *,
    dtype: DType = FLOAT,
) -> BitTask:
    """Say it so many times, and then that it is over.

    With the second mark comes a number, how many times, on a channel of its own: minus the mean, and divided
    by the standard deviation, of the numbers from 1 to ``most``. At the end of the answer one more bit is to
    be set, the last channel of ``t``.

    ``x`` is (N, length + length repeats + 3, bits + 3): the channels are the bits, the marks, and the number.
    ``t`` has ``bits + 1`` numbers.
    """
    require_generator("rng", rng)
    require_counts(N=N, length=length, repeats=repeats, bits=bits, most=most)
    rows = rng.integers(0, 2, (N, length, bits))
    x, t, mask = _blank(N, length * (repeats + 1) + 3, bits + 3, bits + 1, dtype)
    _show(x, rows)
    numbers = np.arange(1, most + 1)
    x[:, length + 1, bits + 2] = (repeats - numbers.mean()) / (numbers.std() or 1)
    t[:, length + 2 : -1, :bits] = np.tile(rows, (1, repeats, 1))
    t[:, -1, bits] = 1
    mask[:, length + 2 :] = True
    return x, t, mask


def recall_task(
    rng: np.random.Generator, N: int, items: int, length: int = 3, bits: int = 6, *, dtype: DType = FLOAT
) -> BitTask:
    """Which came after this one? A list of items, one of them again, and the next is asked for.

    An item is ``length`` rows of bits; no two of a list are the same. Before each stands a mark, and the one
    that is asked about stands between two marks of another kind.

    ``x`` is (N, items (length + 1) + 2 length + 2, bits + 2): the channels are the bits and the two marks.
    ``t`` has ``bits`` numbers.
    """
    require_generator("rng", rng)
    require_counts(N=N, items=items, length=length, bits=bits)
    if items < 2 or math.log2(items) > length * bits:
        raise ValueError(
            f"items is {items}; it should be from 2 to {2 ** (length * bits)}, the number of items that "
            "differ."
        )
    rows = _distinct(rng, N, items, length * bits).reshape(N, items, length, bits)
    asked = rng.integers(0, items - 1, N)
    each = np.arange(N)
    x, t, mask = _blank(N, items * (length + 1) + 2 * length + 2, bits + 2, bits, dtype)
    listed = x[:, : items * (length + 1)].reshape(N, items, length + 1, bits + 2)
    listed[:, :, 0, bits] = 1
    listed[:, :, 1:, :bits] = rows
    begin = items * (length + 1)
    x[:, [begin, begin + length + 1], bits + 1] = 1
    x[:, begin + 1 : begin + 1 + length, :bits] = rows[each, asked]
    t[:, -length:] = rows[each, asked + 1]
    mask[:, -length:] = True
    return x, t, mask


def _blank(N: int, T: int, D: int, outputs: int, dtype: DType) -> BitTask:
    """Nothing goes in, nothing is asked for."""
    return (
        np.zeros((N, T, D), dtype=dtype),
        np.zeros((N, T, outputs), dtype=int),
        np.zeros((N, T), dtype=bool),
    )


def _show(x: np.ndarray, rows: np.ndarray) -> None:
    """Write rows (N, length, bits) into what goes in, from its beginning, with a mark before and behind."""
    _, length, bits = rows.shape
    x[:, 0, bits] = x[:, length + 1, bits + 1] = 1
    x[:, 1 : length + 1, :bits] = rows


def _distinct(rng: np.random.Generator, N: int, items: int, bits: int) -> np.ndarray:
    """Bits (N, items, bits), no two of the items of an example the same: what is double is drawn again."""
    rows = rng.integers(0, 2, (N, items, bits))
    while True:
        same = (rows[:, :, None] == rows[:, None]).all(axis=-1)  # (N, items, items)
        again = np.tril(same, -1).any(axis=-1)  # as one before it
        if not again.any():
            return rows
        rows[again] = rng.integers(0, 2, (int(again.sum()), bits))
