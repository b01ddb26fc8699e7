"""In which order a model reads: ``Batches`` says what an epoch consists of, for ``Trainer.fit``.

Examples that do not depend on each other are ``Shuffled``. A text is read ``InOrder``: it is one long row of
word ids, cut into N strands that are read side by side, T words at a time:

    strand 0   w0   w1   w2   w3 | w4   w5   w6   w7 | ...
    strand 1   w50  w51  w52  w53| w54  w55  w56  w57| ...
               block 0             block 1

Row 0 of block 1 goes on where row 0 of block 0 ended, so a stateful layer can hand its state from block to
block. Gradients stop at the block's edge: that is truncated backpropagation through time [Williams1990]_.
Batches that have different shapes are ``Prepared`` beforehand. Examples that are made up without end are
``Drawn``. Texts of different lengths are read ``ByLength``, beside others that are about as long.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from common.backend import Array, to_numpy, xp
from common.functions import LARGEST_LOSS
from common.layers.base import Layer, walk
from common.support.require import require_count, require_counts, require_text


class Batches:
    """Base of all: a subclass has ``__len__`` and ``__getitem__``, and what else it needs of the others."""

    largest_loss = math.inf
    """A loss above this has exploded, as one that is no number has."""

    def __len__(self) -> int:
        """How many batches an epoch has; always the same."""
        raise NotImplementedError

    def __getitem__(self, i: int) -> tuple[Array, ...]:
        """Batch ``i`` of this epoch: what ``model.forward`` takes."""
        raise NotImplementedError

    def begin_epoch(self, model: Layer, rng: np.random.Generator) -> None:
        """Called before the first batch of each epoch, to choose an order, say.

        A run that is resumed in mid-epoch calls it again, with ``rng`` as it was then. So what it chooses
        should depend on nothing else.
        """

    def about(self) -> dict[str, Any]:
        """What tells these batches from others: numbers and strings. A checkpoint refuses others."""
        return {}


class Shuffled(Batches):
    """All examples once in an epoch, in a new order each time; the last batch may have fewer.

    Parameters
    ----------
    x, t : arrays, examples along axis 0
        Inputs, and targets, as many.
    batch_size : int
        From 1 to the number of examples.
    """

    def __init__(self, x: Array, t: Array, batch_size: int) -> None:
        require_data(x, t, batch_size)
        self.x, self.t, self.batch_size = x, t, int(batch_size)

    def __len__(self) -> int:
        return -(-len(self.x) // self.batch_size)

    def __getitem__(self, i: int) -> tuple[Array, Array]:
        rows = xp.asarray(self.order[i * self.batch_size : (i + 1) * self.batch_size])
        return self.x[rows], self.t[rows]

    def begin_epoch(self, model: Layer, rng: np.random.Generator) -> None:
        self.order = rng.permutation(len(self.x))

    def about(self) -> dict[str, Any]:
        return {"examples": len(self.x), "batch_size": self.batch_size, "data": checksum(self.x, self.t)}


class Augmented(Shuffled):
    """Shuffled examples of which each is changed by chance, in each epoch anew [Simard2003]_.

    Parameters
    ----------
    x, t, batch_size
        See ``Shuffled``.
    change : function
        Takes some of ``x`` and a numpy.random.Generator, and returns as many. ``Distortion`` is one.
    """

    def __init__(
        self, x: Array, t: Array, batch_size: int, change: Callable[[Array, np.random.Generator], Array]
    ) -> None:
        super().__init__(x, t, batch_size)
        self.change = change

    def __getitem__(self, i: int) -> tuple[Array, Array]:
        x, t = super().__getitem__(i)
        return self.change(x, np.random.default_rng(self.seeds[i])), t

    def begin_epoch(self, model: Layer, rng: np.random.Generator) -> None:
        super().begin_epoch(model, rng)
        self.seeds = rng.integers(
            2**63, size=len(self)
        )  # one for each batch: it does not matter who asks first

    def about(self) -> dict[str, Any]:
        return super().about() | {"change": getattr(self.change, "__qualname__", repr(self.change))}


class Drawn(Batches):
    """Batches that are drawn when they are asked for: examples of which there is no end, none seen twice.

    Parameters
    ----------
    draw : function
        Takes a numpy.random.Generator, and returns what ``model.forward`` takes.
    number : int
        So many batches are an epoch.
    """

    def __init__(self, draw: Callable[[np.random.Generator], tuple[Array, ...]], number: int) -> None:
        require_count("number", number)
        self.draw, self.number = draw, int(number)

    def __len__(self) -> int:
        return self.number

    def __getitem__(self, i: int) -> tuple[Array, ...]:
        return tuple(xp.asarray(a) for a in self.draw(np.random.default_rng(self.seeds[i])))

    def begin_epoch(self, model: Layer, rng: np.random.Generator) -> None:
        self.seeds = rng.integers(2**63, size=len(self))  # one for each: it does not matter who asks first

    def about(self) -> dict[str, Any]:
        return {"number": self.number, "draw": getattr(self.draw, "__qualname__", repr(self.draw))}


class InOrder(Batches):
    """A text in reading order. Each epoch begins at state zero.

    Parameters
    ----------
    ids : whole numbers, one axis
        The text.
    N : int
        How many strands are read side by side; up to ``N - 1`` words at the end are left over.
    T : int
        How many words are read between two updates; the last block may be shorter.
    """

    largest_loss = LARGEST_LOSS

    def __init__(self, ids: Sequence[int] | Array, N: int, T: int) -> None:
        self.xs, self.ts = strands(ids, N)
        self.blocks = count_blocks(self.xs, T)
        self.words, self.N, self.T = len(ids), int(N), int(T)

    def __len__(self) -> int:
        return self.blocks

    def __getitem__(self, i: int) -> tuple[Array, Array]:
        return block(self.xs, self.ts, self.T, i)

    def begin_epoch(self, model: Layer, rng: np.random.Generator) -> None:
        for _, layer in walk(model):
            layer.reset_state()

    def about(self) -> dict[str, Any]:
        data = checksum(self.xs, self.ts)
        return {"words": self.words, "batch_size": self.N, "T": self.T, "data": data}


class Prepared(Batches):
    """Batches that are ready, of any shapes, in a new order each epoch.

    Parameters
    ----------
    batches : sequence of tuples of arrays
        Each holds what ``model.forward`` takes.
    """

    def __init__(self, batches: Sequence[tuple[Array, ...]]) -> None:
        self.batches = list(batches)
        for i, batch in enumerate(self.batches):
            if not isinstance(batch, (tuple, list)):
                raise TypeError(f"batch {i} is a {type(batch).__name__}; it should be a tuple of arrays.")

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, i: int) -> tuple[Array, ...]:
        return self.batches[self.order[i]]

    def begin_epoch(self, model: Layer, rng: np.random.Generator) -> None:
        self.order = rng.permutation(len(self.batches))

    def about(self) -> dict[str, Any]:
        return {"number": len(self), "data": checksum(*(array for batch in self.batches for array in batch))}


class ByLength(Batches):
    """Texts of different lengths, each beside others that are about as long: so little has to be filled up.

    In each epoch the order is a new one. Texts are shuffled; those of ``group`` batches at a time are brought
    into the order of their lengths and cut into batches; and these are shuffled again.

    Parameters
    ----------
    rows : sequence of N arrays
        Each a text, as a row of ids. It may be empty.
    t : (N,)
        The class of each.
    batch_size : int
        From 1 to N. The last batch of an epoch's order may have fewer.
    fill : int
        The id that shorter rows are filled up with, on the right.
    group : int
        So many batches are sorted together. The more, the less is filled up, and the more alike is the
        company that a text finds in each epoch.
    """

    def __init__(
        self, rows: Sequence[Array], t: Array, batch_size: int, fill: int = 0, group: int = 50
    ) -> None:
        self.lengths = np.array([len(row) for row in require_id_rows(rows)])
        require_data(self.lengths, t, batch_size)
        require_count("group", group)
        self.rows, self.t = list(rows), t
        self.batch_size, self.fill, self.group = int(batch_size), fill, int(group)

    def __len__(self) -> int:
        return -(-len(self.rows) // self.batch_size)

    def __getitem__(self, i: int) -> tuple[Array, Array]:
        chosen = self.order[i]
        return fill_up([self.rows[k] for k in chosen], self.fill), self.t[xp.asarray(chosen)]

    def begin_epoch(self, model: Layer, rng: np.random.Generator) -> None:
        shuffled, size = rng.permutation(len(self.rows)), self.batch_size * self.group
        groups = [shuffled[k : k + size] for k in range(0, len(shuffled), size)]
        in_order = np.concatenate([some[np.argsort(self.lengths[some], kind="stable")] for some in groups])
        batches = [in_order[k : k + self.batch_size] for k in range(0, len(in_order), self.batch_size)]
        self.order = [batches[k] for k in rng.permutation(len(batches))]

    def about(self) -> dict[str, Any]:
        data = checksum(np.concatenate([to_numpy(row) for row in self.rows]), self.lengths, self.t)
        return {"texts": len(self.rows), "batch_size": self.batch_size, "group": self.group, "data": data}


def fill_up(rows: Sequence[Array], fill: int = 0) -> Array:
    """Rows of ids as one array.

    Parameters
    ----------
    rows : sequence of N arrays
        Each a text; it may be empty.
    fill : int
        What stands behind the last id of a row.

    Returns
    -------
    array of int32, (N, T)
        T is the length of the longest row, at least 1.
    """
    lengths = np.array([len(row) for row in require_id_rows(rows)])
    filled = np.full((len(rows), max(1, lengths.max())), fill, dtype=np.int32)  # (N, T)
    filled[np.arange(filled.shape[1]) < lengths[:, None]] = np.concatenate([to_numpy(row) for row in rows])
    return xp.asarray(filled)


def require_id_rows(rows: Sequence[Array]) -> Sequence[Array]:
    """Raise unless ``rows`` are several rows of whole numbers; give them back."""
    if len(rows) == 0:
        raise ValueError("rows is empty; it should hold at least one row of ids.")
    for i, row in enumerate(rows):
        if not hasattr(row, "dtype") or row.ndim != 1 or (len(row) and row.dtype.kind not in "iu"):
            about = f"shape {row.shape} and {row.dtype}" if hasattr(row, "dtype") else type(row).__name__
            raise TypeError(
                f"rows[{i}] is of {about}; it should be one row of ids, an array of whole numbers."
            )
    return rows


def checksum(*arrays: Array) -> int:
    """A number that tells one data set from another, whatever the type of its whole numbers."""
    total = 0
    for array in arrays:
        array = np.asarray(to_numpy(array))
        wide = array.astype(np.int64) if array.dtype.kind in "iu" else array
        total = zlib.crc32(np.ascontiguousarray(wide).data, zlib.crc32(str(array.shape).encode(), total))
    return total


def require_data(x: Array, t: Array, batch_size: int) -> None:
    """Raise unless ``x`` and ``t`` hold the same number of examples, enough for one batch."""
    for name, value in (("x", x), ("t", t)):
        if not hasattr(value, "shape") or value.ndim == 0:
            raise TypeError(
                f"{name} is a {type(value).__name__}; it should be an array of examples along axis 0."
            )
    if len(x) != len(t):
        raise ValueError(f"x has {len(x)} examples and t has {len(t)}; they should have as many.")
    if len(x) == 0:
        raise ValueError("x is empty; it should hold at least one example.")
    if not isinstance(batch_size, (int, np.integer)) or not 1 <= batch_size <= len(x):
        raise ValueError(
            f"batch_size is {batch_size!r}; it should be a whole number from 1 to {len(x)}, the size of x."
        )


# ---- a text in reading order


def strands(ids: Sequence[int] | Array, N: int) -> tuple[np.ndarray, np.ndarray]:
    """Cut a text into N strands of equal length; up to ``N - 1`` words at its end are left over.

    Parameters
    ----------
    ids : whole numbers, one axis
    N : int

    Returns
    -------
    xs, ts : (N, L) whole numbers
        Words, and the word that follows each.

    Raises
    ------
    ValueError
        The text is shorter than one word for each strand and one more.
    """
    require_count("N", N)
    ids = require_text(ids)
    L = (len(ids) - 1) // N
    if L < 1:
        raise ValueError(
            f"ids has {len(ids)} words; it should have at least {N + 1}: "
            f"one for each of {N} strands, and one more, because the last needs a next word."
        )
    return ids[: N * L].reshape(N, L), ids[1 : N * L + 1].reshape(N, L)


def blocks(xs: np.ndarray, ts: np.ndarray, T: int) -> Iterator[tuple[Array, Array]]:
    """Yield (N, T) blocks of strands (N, L) in reading order; the last may be shorter."""
    for step in range(count_blocks(xs, T)):
        yield block(xs, ts, T, step)


def block(xs: np.ndarray, ts: np.ndarray, T: int, step: int) -> tuple[Array, Array]:
    """The block number ``step`` of strands."""
    steps = slice(step * T, (step + 1) * T)
    return xp.asarray(xs[:, steps]), xp.asarray(ts[:, steps])


def count_blocks(xs: np.ndarray, T: int) -> int:
    """How many blocks of T steps the strands have."""
    require_count("T", T)
    return -(-xs.shape[1] // T)


def whole_text(ids: Sequence[int] | Array, batch_size: int, T: int) -> Iterator[tuple[Array, Array, Array]]:
    """Yield blocks ``x, t, mask`` (N, T) that hold every word of a text but the first once as a target.

    The strands have as many words as it takes; where the last run out of words the mask is False.
    """
    require_count("batch_size", batch_size)
    ids = require_text(ids)
    if len(ids) < 2:
        raise ValueError(f"ids has {len(ids)} words; it should have at least 2: a word, and one to predict.")
    predictions = len(ids) - 1
    L = -(-predictions // batch_size)
    filled = np.zeros((2, batch_size * L), dtype=ids.dtype)
    filled[:, :predictions] = ids[:-1], ids[1:]
    xs, ts = filled.reshape(2, batch_size, L)
    mask = (np.arange(batch_size * L) < predictions).reshape(batch_size, L)
    for step in range(count_blocks(xs, T)):
        x, t = block(xs, ts, T, step)
        yield x, t, xp.asarray(mask[:, step * T : (step + 1) * T])


def windows(
    ids: Sequence[int] | Array, length: int, stride: int, batch_size: int
) -> Iterator[tuple[Array, Array, Array]]:
    """Yield batches ``x, t, mask`` (up to batch_size, length) of windows that slide over a text: for a model
    that begins anew with each.

    Every word of the text but the first is a target once. Each window begins ``stride`` words after the one
    before, and the mask keeps what is new in it, so that a word has at least ``length - stride`` words before
    it, where the text has as many.
    """
    require_counts(length=length, stride=stride, batch_size=batch_size)
    if stride > length:
        raise ValueError(f"stride is {stride}; it should be at most length, {length}.")
    ids = require_text(ids)
    if len(ids) < 2:
        raise ValueError(f"ids has {len(ids)} words; it should have at least 2: a word, and one to predict.")
    predictions = len(ids) - 1
    length = min(length, predictions)
    starts = np.append(np.arange(0, predictions - length, stride), predictions - length)
    done = np.append(0, starts[:-1] + length)  # so many predictions are made before each window
    positions = starts[:, None] + np.arange(length)  # (windows, length)
    mask = positions >= done[:, None]
    for first in range(0, len(starts), batch_size):
        rows = slice(first, first + batch_size)
        x, t = ids[positions[rows]], ids[positions[rows] + 1]
        yield xp.asarray(x), xp.asarray(t), xp.asarray(mask[rows])
