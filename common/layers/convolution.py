"""Layers that know that their input lies on a grid: the same few weights look at every place of it.

A grid has one axis (a text, a sound) or two (a picture), and some numbers at each place, its channels.
Arrays are (N, C, T) or (N, C, H, W): N examples of C channels. What is said of sizes, strides and padding
holds along each axis of the grid, and for the windows of ``pooling``, too.

**Shape is what is said, strides are where the numbers lie.** What these layers return has the shape (N, F, H,
W), and lies in memory as (F, H, W, N): the same place of all examples is side by side. That is how the matrix
product leaves it, and what the next layer wants to read. A window that moves by one place then moves by N
numbers, so that whatever is copied, compared or added comes in long runs. NumPy's functions of single numbers
keep such an order, and nothing is moved on the way.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from functools import partial, reduce
from typing import Any

import numpy as np

from common.backend import Array, xp
from common.layers.base import Layer
from common.support.parallel import each
from common.support.require import require_float, require_shape

Sizes = int | Sequence[int]
"""One whole number for all axes of the grid, or one for each."""

STRIP = 1 << (19 if xp is np else 26)
"""About so many numbers are laid out as columns at a time: two megabytes, which a core's cache can hold. A
GPU is only busy when it gets much at once: there, a quarter of a gigabyte."""

FEW = 1 << (18 if xp is np else 62)
"""So many numbers, or less, are not shared out: to hand them over would take longer."""


class Convolution(Layer):
    """Filters that slide over a grid [LeCun1998b]_.

    At each place a filter sees a window of the input, all channels of it, and gives one number: the sum of
    what it sees, each number times the weight that lies over it, and a bias. (In mathematics a convolution
    turns the filter round first. Nobody does here: what is learned has no right way up.)

    Windows, laid side by side, are the columns of a matrix; then all filters at all places are one matrix
    product. Backward, a column's gradient is added to where its numbers came from.

    Each number of a picture is in ``kh kw`` columns, and is copied only ``kw`` times: windows are laid out
    along the width, each row of the grid by itself. The columns of one row of windows are then ``kh`` such
    rows, one after the other in memory. The next row of windows begins one of them later, and shares the
    rest: its matrix is a view that overlaps with the one before. Backward it is the product that adds up what
    the windows have for one row.

    On a line there are no rows to be shared. There the columns of some windows are laid out at a time, and
    none are kept. Each core takes some rows or windows (on a line, for the gradient of the input, channels),
    and does all that is to be done there.

    Parameters
    ----------
    W : (F, C, k) or (F, C, kh, kw)
        F filters. Its axes say whether the grid has one axis or two.
    b : (F,)
    stride : int, or one for each axis of the grid
        So many places from one window to the next.
    padding : int, or one for each axis of the grid
        So many zeros are put before and after the grid. With half of an odd window, and stride 1, the output
        is as large as the input.
    first : bool
        True for the layer that the data enter. Nobody asks for the gradient of the data, so ``backward`` then
        leaves it out and returns nothing.
    """

    names = ("W", "b")

    def __init__(
        self, W: Array, b: Array, stride: Sizes = 1, padding: Sizes = 0, first: bool = False
    ) -> None:
        require_float("W", W)
        if W.ndim < 3 or 0 in W.shape:
            raise ValueError(
                f"W has shape {W.shape}; it should be (F, C, k) or (F, C, kh, kw): filters, channels, window."
            )
        require_float("b", b, like=W)
        require_shape("b", b, W.shape[:1])
        super().__init__(W, b)
        self.size = W.shape[2:]
        self.stride = for_each_axis("stride", stride, len(self.size), least=1)
        self.padding = for_each_axis("padding", padding, len(self.size), least=0)
        self.first = first

    def check(self, x: Array) -> None:
        """Raise unless ``x`` is (N, C, T) or (N, C, H, W), as W is, of its type, and windows cover it."""
        W = self.params[0]
        require_float("x", x, like=W)
        require_grid("x", x, W.ndim - 2, W.shape[1])
        output_sizes(x, self.size, self.stride, self.padding)

    def forward(self, x: Array) -> Array:
        """``x`` (N, C, H, W) to (N, F, H', W'), or (N, C, T) to (N, F, T')."""
        self.check(x)
        W, b = self.params
        self.shape = x.shape
        self.grids = padded(xp.moveaxis(x, 0, -1), self.padding)  # (C, H, W, N)
        self.outer = (*output_sizes(x, self.size, self.stride, self.padding), len(x))
        y = xp.empty((len(W), *self.outer), dtype=x.dtype)  # (F, H', W', N)
        if len(self.size) == 2:
            self.lay_out()
        filters = self.in_order(W).reshape(len(W), -1)

        def fill(rows: slice) -> None:
            part = matrices(y, rows, 1)
            xp.matmul(filters, self.columns(rows), out=part)
            part += b[:, None]

        each(fill, self.strips())
        return xp.moveaxis(y, -1, 0)

    def lay_out(self) -> None:
        """Lay out the windows along the width: ``laid`` (H, C, kw, W', N), each row of the grid by itself."""
        (_, kw), (_, step), (_, across, N) = self.size, self.stride, self.outer
        C, H, _, _ = self.grids.shape
        self.laid = xp.empty((H, C, kw, across, N), dtype=self.grids.dtype)

        def fill(rows: slice) -> None:
            laid, grids = self.laid[rows], self.grids[:, rows].swapaxes(0, 1)
            for j in range(kw):
                laid[:, :, j] = grids[:, :, j : j + step * (across - 1) + 1 : step]

        each(fill, shares(H, self.grids.size))

    def columns(self, rows: slice) -> Array:
        """The windows of some rows, each a column: (rows, kh C kw, W' N).

        A window of ``kh`` rows is ``kh`` rows of ``laid``, which lie one after the other: nothing is copied.
        On a line nothing is laid out that way, and all windows that are asked for are (1, C k, rows N).
        """
        if len(self.size) == 1:
            return matrices(windows(self.grids, self.size, self.stride), rows, 2)
        kh, (_, C, kw, across, N) = self.size[0], self.laid.shape
        apart, down = self.laid.strides[0] * self.stride[0], self.laid.strides[2]
        shape, strides = (self.outer[0], kh * C * kw, across * N), (apart, down, self.laid.itemsize)
        return xp.lib.stride_tricks.as_strided(self.laid, shape, strides)[rows]

    def in_order(self, W: Array) -> Array:
        """Filters (F, C, kh, kw) with their axes as ``columns`` has them, (F, kh, C, kw), and back again."""
        return W.swapaxes(1, 2) if W.ndim == 4 else W

    def strips(self) -> list[slice]:
        """Rows of windows in shares for the cores; on a line as many windows at a time as a cache holds."""
        if len(self.size) == 2:
            return shares(self.outer[0], self.laid.size)
        return strips(windows(self.grids, self.size, self.stride))

    def backward(self, dout: Array) -> Array | Any:
        """``dout`` (N, F, H', W') to the gradient of x (N, C, H, W), or, if ``first``, to nothing."""
        W, _ = self.params
        require_shape("dout", dout, (self.outer[-1], len(W), *self.outer[:-1]))
        dy = xp.moveaxis(dout, 0, -1)  # (F, H', W', N)
        if len(self.size) == 1:
            used = xp.flatnonzero(dy.any(axis=0))
            if 4 * len(used) < 3 * dy[0].size:
                return self.backward_of_few(dy, used)

        def gradients(rows: slice) -> tuple[Array, Array]:
            dpart = matrices(dy, rows, 1)
            return (self.columns(rows) @ dpart.swapaxes(1, 2)).sum(axis=0), dpart.sum(axis=(0, 2))

        dW, db = (reduce(xp.add, parts) for parts in zip(*each(gradients, self.strips())))
        dW = self.in_order(dW.T.reshape(self.in_order(W).shape))
        self.grads = [xp.ascontiguousarray(dW), db]
        if self.first:
            return None
        dgrids = xp.empty_like(self.grids)
        if len(self.size) == 1:
            numbers = len(dgrids) * self.size[0] * dy[0].size
            each(partial(self.scatter, dy, dgrids), shares(len(dgrids), numbers))
        else:
            dy = xp.ascontiguousarray(dy.swapaxes(0, 1))  # (H', F, W', N)
            each(partial(self.gather, dy, dgrids), shares(dgrids.shape[1], self.laid.size))
        return xp.moveaxis(dgrids[inside(self.shape[2:], self.padding)], -1, 0)

    def gather(self, dy: Array, dgrids: Array, rows: slice) -> None:
        """Fill in the gradient of some rows of the grids (C, H, W, N).

        The windows that see a row are some rows of ``dy`` (H', F, W', N), which lie one after the other: one
        product adds up what they have for it. That is the gradient of ``laid``; only along the width it
        remains to be added to where its numbers came from.
        """
        (kh, kw), (step, step_across), (down, across, _) = self.size, self.stride, self.outer
        filters = self.params[0].transpose(1, 3, 2, 0)  # (C, kw, kh, F)
        dlaid = xp.zeros((rows.stop - rows.start, len(dgrids), *self.laid.shape[2:]), dtype=dy.dtype)
        for row, dwindows in zip(range(rows.start, rows.stop), dlaid):
            seeing = range(max(0, -((kh - 1 - row) // step)), min(row // step, down - 1) + 1)
            if seeing:
                seen_as = [row - step * i for i in seeing]  # by each of these, as that row of its window
                left, right = filters[:, :, seen_as], dy[seeing.start : seeing.stop]
                left = left.reshape(len(left) * kw, -1)
                xp.matmul(left, right.reshape(left.shape[1], -1), out=dwindows.reshape(len(left), -1))
        part = dgrids[:, rows]
        part[...] = 0
        for j in range(kw):
            part[:, :, j : j + step_across * (across - 1) + 1 : step_across] += dlaid[:, :, j].swapaxes(0, 1)

    def backward_of_few(self, dy: Array, used: Array) -> Array | Any:
        """``backward`` of a line of which few windows got a gradient, as a maximum over time leaves it.

        Parameters
        ----------
        dy : (F, T', N)
        used : (U,)
            These windows, of all ``T' N``; of the others nothing is computed.
        """
        W, N = self.params[0], dy.shape[-1]
        F, C, k = W.shape
        # Here a place's channels are put side by side: a window is then picked out as k whole rows.
        rows, dpart = xp.ascontiguousarray(self.grids.reshape(C, -1).T), dy.reshape(F, -1)[:, used]
        first = used // N * self.stride[0] * N + used % N  # the row at which each window begins
        found = xp.stack([rows[first + i * N] for i in range(k)], axis=1)  # (U, k, C)
        dW = (dpart @ found.reshape(len(used), k * C)).reshape(F, k, C)
        self.grads = [xp.ascontiguousarray(dW.swapaxes(1, 2)), dpart.sum(axis=1)]
        if self.first:
            return None
        dfound = (dpart.T @ W.swapaxes(1, 2).reshape(F, k * C)).reshape(found.shape)
        drows = xp.zeros_like(rows)  # (T N, C)
        for i in range(k):
            drows[first + i * N] += dfound[:, i]
        dgrids = drows.T.reshape(self.grids.shape)
        return xp.moveaxis(dgrids[inside(self.shape[2:], self.padding)], -1, 0)

    def scatter(self, dy: Array, dgrids: Array, channels: slice) -> None:
        """Fill in the gradient of some channels of a line: that of all windows, added to where their numbers
        came from.

        Windows share numbers, and no two cores may add to the same one: all of a channel is done by one.
        """
        W, dgrids = self.params[0][:, channels], dgrids[channels]
        dwindows = W.reshape(len(W), -1).T @ dy.reshape(len(W), -1)
        dwindows = dwindows.reshape(*W.shape[1:], *dy.shape[1:])  # (c, k, T', N)
        dgrids[...] = 0
        for place, there in places(self.size, self.stride, dy.shape[1:-1]):
            dgrids[there] += dwindows[place]

    def sizes(self) -> dict[str, object]:
        F, C, *size = self.params[0].shape
        shown: dict[str, object] = {"C": C, "F": F, "size": short(size)}
        shown |= {"stride": short(self.stride)} if set(self.stride) != {1} else {}
        return shown | ({"padding": short(self.padding)} if any(self.padding) else {})


# ---- windows that slide over a grid; the grid's axes are the last ones


def for_each_axis(name: str, value: Sizes, axes: int, least: int) -> tuple[int, ...]:
    """One whole number for each of the grid's axes, if ``value`` is that or one number for all."""
    values = tuple(value) if isinstance(value, Sequence) else (value,) * axes
    whole = all(isinstance(v, (int, np.integer)) and not isinstance(v, bool) and v >= least for v in values)
    if len(values) != axes or not whole:
        each = f", or {axes} of them" if axes > 1 else ""
        raise ValueError(f"{name} is {value!r}; it should be a whole number, at least {least}{each}.")
    return tuple(int(v) for v in values)


def require_grid(name: str, x: Array, axes: int | None = None, channels: int | None = None) -> None:
    """Raise unless ``x`` is (N, C, T) or (N, C, H, W): one of the two, and with so many channels, if that is
    given; nothing of it empty."""
    wrong = x.ndim < 3 or 0 in x.shape or axes not in (None, x.ndim - 2)
    if wrong or channels not in (None, x.shape[1]):
        C = channels or "C"
        line, picture = f"(N, {C}, T)", f"(N, {C}, H, W)"
        wanted = {None: f"{line} or {picture}", 1: line, 2: picture}.get(axes, f"(N, {C}, {axes} axes)")
        raise ValueError(f"{name} has shape {x.shape}; it should be {wanted}, and not empty.")


def output_sizes(
    x: Array, size: Sequence[int], stride: Sequence[int], padding: Sequence[int]
) -> tuple[int, ...]:
    """How many windows fit along each axis of the grid: ``(n + 2 padding - size) // stride + 1``.

    Raises
    ------
    ValueError
        A window is larger than the padded grid; or the last window ends before the grid does. What it would
        leave out, nobody would ever see. (Where a stride is larger than the window, something between two
        windows is never seen, and as much may be left over at the end; so may zeros of the padding.)
    """
    found = []
    for i, (n, k, s, p) in enumerate(zip(x.shape[2:], size, stride, padding)):
        whole = n + 2 * p
        if k > whole:
            with_padding = f", {whole} with its padding" if p else ""
            raise ValueError(
                f"x has shape {tuple(x.shape)}; along axis {2 + i}, of {n} places{with_padding}, it should "
                f"be at least as large as the window, {k}."
            )
        over = (whole - k) % s
        lost = over - p - max(0, s - k)
        if lost > 0:
            raise ValueError(
                f"x has shape {tuple(x.shape)}; along axis {2 + i} windows of {k} in steps of {s} would "
                f"leave out the last {lost} of {n} places: it should have {n - lost} or {n + s - over}, or "
                "another stride or padding should be chosen."
            )
        found.append((whole - k) // s + 1)
    return tuple(found)


def padded(grids: Array, padding: Sequence[int], value: float = 0) -> Array:
    """``grids`` (C, H, W, ...) with a margin of ``value`` around each; in order in memory."""
    if not any(padding):
        return xp.ascontiguousarray(grids)
    C, *grid = grids.shape[: 1 + len(padding)]
    sizes = [n + 2 * p for n, p in zip(grid, padding)]
    y = xp.full((C, *sizes, *grids.shape[1 + len(padding) :]), value, dtype=grids.dtype)
    y[inside(grid, padding)] = grids
    return y


def inside(grid: Sequence[int], padding: Sequence[int]) -> Any:
    """The index of what is not padding in (C, H, W, ...)."""
    return (slice(None), *(slice(p, p + n) for p, n in zip(padding, grid)))


def windows(grids: Array, size: Sequence[int], stride: Sequence[int]) -> Array:
    """All windows of ``grids`` (C, H, W, N), as a view (C, kh, kw, H', W', N): nothing is copied.

    One step along kh is one along H, and one along H' is ``stride`` of them. (``sliding_window_view`` would
    do as much; CuPy's copies the sizes to the GPU and back.)
    """
    C, *grid, N = grids.shape
    of_channel, *of_place, of_example = grids.strides
    counts = ((n - k) // s + 1 for n, k, s in zip(grid, size, stride))
    steps = (s * bytes_apart for s, bytes_apart in zip(stride, of_place))
    return xp.lib.stride_tricks.as_strided(
        grids, (C, *size, *counts, N), (of_channel, *of_place, *steps, of_example)
    )


def strips(seen: Array) -> list[slice]:
    """Some rows of windows (C, kh, kw, H', W', N) at a time, or of a line some windows: with at least one,
    about ``STRIP`` numbers."""
    count = seen.shape[seen.ndim // 2]
    at_once = max(1, STRIP * count // seen.size)
    return [slice(i, min(i + at_once, count)) for i in range(0, count, at_once)]


def shares(count: int, numbers: int) -> list[slice]:
    """``count`` rows or channels in four shares, for as many cores, as equal as can be; in one, if they have
    few numbers in all."""
    parts = min(count, 4) if numbers > FEW else 1
    each, more = divmod(count, parts)
    ends = [i * each + min(i, more) for i in range(parts + 1)]
    return [slice(first, end) for first, end in itertools.pairwise(ends)]


def matrices(x: Array, rows: slice, lead: int) -> Array:
    """Some rows of ``x`` (..., H', W', N) as matrices, one for each row (rows, M, W' N).

    The first ``lead`` axes are M. Of windows that is a copy, their columns; of grids it is a view, if they
    lie in memory in this order. On a line (..., T', N) a row would be one window, so that all are in one
    matrix (1, M, rows N).
    """
    part = x[(slice(None),) * lead + (rows,)]
    part = xp.moveaxis(part, lead, 0) if x.ndim - lead == 3 else part[None]
    return part.reshape(len(part), math.prod(x.shape[:lead]), -1)


def places(size: Sequence[int], stride: Sequence[int], outer: Sequence[int]) -> Iterator[tuple[Any, Any]]:
    """For each place in a window two indices: that of the place in (C, kh, kw, ...), and that of what all
    windows have there in (C, H, W, ...)."""
    for place in itertools.product(*map(range, size)):
        there = (slice(i, i + s * (n - 1) + 1, s) for i, s, n in zip(place, stride, outer))
        yield (slice(None), *place), (slice(None), *there)


def short(values: Sequence[int]) -> str:
    """``5`` or ``5x3``."""
    return str(values[0]) if len(set(values)) == 1 else "x".join(map(str, values))
