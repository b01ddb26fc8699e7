"""Layers that make a grid smaller: of each window, one number is left. They have nothing to learn.

Channels do not mix. All work is done on slices: the numbers that all windows have at their first place, then
at their second, and so on. For windows of 2 x 2 that are four passes over the data, and no window is ever cut
out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from common.backend import Array, xp
from common.layers.base import Layer
from common.layers.convolution import (
    Sizes,
    for_each_axis,
    inside,
    output_sizes,
    padded,
    places,
    require_grid,
    shares,
    short,
)
from common.support.parallel import each
from common.support.require import require_float, require_mask, require_shape


class Pooling(Layer):
    """Windows that slide over a grid of one axis or two: what they have in common.

    Parameters
    ----------
    size : int, or one for each axis of the grid
        Of the window.
    stride : int, or one for each axis of the grid, optional
        So many places from one window to the next; as many as the window is large, unless it is given.
    padding : int, or one for each axis of the grid
        So many places are put before and after the grid: at most half of the window, so that no window sees
        nothing else.
    """

    margin = 0.0
    """What stands at the places of the padding."""

    def __init__(self, size: Sizes, stride: Sizes | None = None, padding: Sizes = 0) -> None:
        super().__init__()
        stride = size if stride is None else stride
        axes = max(len(value) if isinstance(value, Sequence) else 1 for value in (size, stride, padding))
        self.size = for_each_axis("size", size, axes, least=1)
        self.stride = for_each_axis("stride", stride, axes, least=1)
        self.padding = for_each_axis("padding", padding, axes, least=0)
        if any(2 * p > k for p, k in zip(self.padding, self.size)):
            raise ValueError(f"padding is {padding!r}; it should be at most half of the window, {size!r}.")

    def check(self, x: Array) -> None:
        """Raise unless ``x`` is (N, C, T) or (N, C, H, W), holds floats, and windows cover it."""
        require_float("x", x)
        require_grid("x", x, len(self.size) if len(self.size) > 1 else None)
        output_sizes(x, *self.settings(x))

    def settings(self, x: Array) -> list[tuple[int, ...]]:
        """Size, stride and padding for each axis of the grid of ``x``."""
        each = (self.size, self.stride, self.padding)
        return [values if len(values) > 1 else values * (x.ndim - 2) for values in each]

    def enter(self, x: Array) -> None:
        """Remember the grids (C, H, W, N) with their padding, and where in them things are."""
        size, stride, padding = self.settings(x)
        self.outer = output_sizes(x, size, stride, padding)
        self.seen = [seen for _, seen in places(size, stride, self.outer)]
        self.inner = inside(x.shape[2:], padding)
        self.grids = padded(xp.moveaxis(x, 0, -1), padding, self.margin)

    def parts(self, grids: Array) -> Iterator[Array]:
        """What all windows have at their first place (C, H', W', N), at their second, and so on: views."""
        return (grids[seen] for seen in self.seen)

    def require_dout(self, dout: Array) -> None:
        """Raise unless ``dout`` has the shape of what ``forward`` returned."""
        C, N = self.grids.shape[0], self.grids.shape[-1]
        require_shape("dout", dout, (N, C, *self.outer))

    def sizes(self) -> dict[str, object]:
        shown: dict[str, object] = {"size": short(self.size)}
        shown |= {"stride": short(self.stride)} if self.stride != self.size else {}
        return shown | ({"padding": short(self.padding)} if any(self.padding) else {})


class MaxPooling(Pooling):
    """Of each window the largest number [Scherer2010]_. Padding is smaller than any number.

    The place where it was found gets the gradient. If several are equally large (of zeros that a ReLU has
    left there are many), the first of them gets it, and gets it once.

    Parameters
    ----------
    size : int, or one for each axis of the grid
        Of the window.
    stride : int, or one for each axis of the grid, optional
        So many places from one window to the next; as many as the window is large, unless it is given.
    padding : int, or one for each axis of the grid
        At most half of the window.
    """

    margin = -np.inf

    def forward(self, x: Array) -> Array:
        """``x`` (N, C, H, W) to (N, C, H', W'), or (N, C, T) to (N, C, T')."""
        self.check(x)
        self.enter(x)
        self.y = xp.empty((len(self.grids), *self.outer, len(x)), dtype=x.dtype)

        def fill(channels: slice) -> None:
            y, (first, *others) = self.y[channels], self.parts(self.grids[channels])
            y[...] = first
            for part in others:
                xp.maximum(y, part, out=y)

        each(fill, shares(len(self.grids), self.grids.size))
        return xp.moveaxis(self.y, -1, 0)

    def backward(self, dout: Array) -> Array:
        """``dout`` (N, C, H', W') to the gradient of x (N, C, H, W)."""
        self.require_dout(dout)
        dgrids, dy = xp.empty_like(self.grids), xp.moveaxis(dout, 0, -1)
        once = len(self.seen) * self.y.size == dgrids.size and self.size == self.stride  # each place is seen

        def fill(channels: slice) -> None:
            y, left = self.y[channels], dy[channels]
            if not once:
                dgrids[channels] = 0
            *others, (_, last) = zip(self.parts(self.grids[channels]), self.parts(dgrids[channels]))
            for part, dpart in others:
                given = left * (part == y)
                dpart[...] = given if once else dpart + given
                left = left - given  # what one place has got, no other gets
            last[...] = left if once else last + left

        each(fill, shares(len(dgrids), dgrids.size))
        return xp.moveaxis(dgrids[self.inner], -1, 0)


class AveragePooling(Pooling):
    """Of each window the mean [LeCun1998b]_. Padding is zeros, and they count.

    Parameters
    ----------
    size : int, or one for each axis of the grid
        Of the window.
    stride : int, or one for each axis of the grid, optional
        So many places from one window to the next; as many as the window is large, unless it is given.
    padding : int, or one for each axis of the grid
        At most half of the window.
    """

    def forward(self, x: Array) -> Array:
        """``x`` (N, C, H, W) to (N, C, H', W'), or (N, C, T) to (N, C, T')."""
        self.check(x)
        self.enter(x)
        first, *others = self.parts(self.grids)
        y = first.copy()
        for part in others:
            y += part
        y /= len(self.seen)
        return xp.moveaxis(y, -1, 0)

    def backward(self, dout: Array) -> Array:
        """``dout`` (N, C, H', W') to the gradient of x (N, C, H, W)."""
        self.require_dout(dout)
        dgrids, share = xp.zeros_like(self.grids), xp.moveaxis(dout, 0, -1) / len(self.seen)
        for dpart in self.parts(dgrids):
            dpart += share
        return xp.moveaxis(dgrids[self.inner], -1, 0)


class GlobalMaxPooling(Layer):
    """Of each channel the largest number, wherever it is: of a text, the maximum over time [Collobert2008]_.

    Of several that are equally large the first gets the gradient.
    """

    def __init__(self) -> None:
        super().__init__()

    def check(self, x: Array, mask: Array | None = None) -> None:
        """Raise unless ``x`` is (N, C, T) or (N, C, H, W) and holds floats, and ``mask`` is without the C."""
        require_float("x", x)
        require_grid("x", x)
        if mask is not None:
            require_mask("mask", mask, (len(x), *x.shape[2:]))

    def forward(self, x: Array, mask: Array | None = None) -> Array:
        """The largest number of each channel, (N, C).

        Parameters
        ----------
        x : (N, C, T) or (N, C, H, W)
        mask : (N, T) or (N, H, W) booleans, optional
            False hides a place. An example of which everything is hidden gets zeros.
        """
        self.check(x, mask)
        self.shape = x.shape
        rows = x.reshape(*x.shape[:2], -1)  # (N, C, places)
        if mask is not None:
            seen = mask.reshape(len(x), 1, -1)
            rows = xp.where(seen, rows, -np.inf)
        y = rows.max(axis=2)
        self.found = rows == y[..., None]
        if int(self.found.sum()) > y.size:  # several are equally large
            self.found = rows.argmax(axis=2)[..., None] == xp.arange(rows.shape[2])
        if mask is not None:
            self.found &= seen  # where all is hidden, nothing is found
            y = xp.where(seen.any(axis=2), y, 0)
        return y

    def backward(self, dout: Array) -> Array:
        """``dout`` (N, C) to the gradient of x."""
        require_shape("dout", dout, self.shape[:2])
        return (self.found * dout[..., None]).reshape(self.shape)


class GlobalAveragePooling(Layer):
    """Of each channel the mean over the whole grid [Lin2014]_: of a text, the mean over time."""

    def __init__(self) -> None:
        super().__init__()

    def check(self, x: Array, mask: Array | None = None) -> None:
        """Raise unless ``x`` is (N, C, T) or (N, C, H, W) and holds floats, and ``mask`` is without the C."""
        require_float("x", x)
        require_grid("x", x)
        if mask is not None:
            require_mask("mask", mask, (len(x), *x.shape[2:]))

    def forward(self, x: Array, mask: Array | None = None) -> Array:
        """The mean of each channel, (N, C).

        Parameters
        ----------
        x : (N, C, T) or (N, C, H, W)
        mask : (N, T) or (N, H, W) booleans, optional
            False leaves a place out. An example of which everything is left out gets zeros.
        """
        self.check(x, mask)
        self.x, self.share = x, None
        if mask is None:
            return x.mean(axis=tuple(range(2, x.ndim)))
        places = mask.reshape(len(x), -1).astype(x.dtype)
        self.share = places / xp.maximum(places.sum(axis=1, keepdims=True), 1)  # (N, places)
        return (x.reshape(*x.shape[:2], -1) @ self.share[..., None])[..., 0]

    def backward(self, dout: Array) -> Array:
        """``dout`` (N, C) to the gradient of x."""
        require_shape("dout", dout, self.x.shape[:2])
        each = dout.reshape(*dout.shape, *[1] * (self.x.ndim - 2))
        if self.share is None:
            each = each * (dout.size / self.x.size)
        else:
            each = each * self.share.reshape(len(dout), 1, *self.x.shape[2:])
        dx = xp.empty_like(self.x)
        dx[...] = each
        return dx
