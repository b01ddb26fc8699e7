"""Changed copies of pictures, which are pictures of the same things: more to learn from, for nothing.

Each is moved, turned, stretched or bent a little, by chance. All of it is one thing: each place of the new
picture looks at a place of the old one, and ``warped`` says what is there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from common.support.require import require_float, require_generator


@dataclass(frozen=True)
class Distortion:
    """By how much pictures are changed: called with some of them, it gives as many, each changed by chance.

    Parameters
    ----------
    shift : float
        Up to so many pixels to any side.
    angle : float
        Turned up to so many degrees, either way.
    scale : float
        Larger or smaller by up to this share, along each side by itself.
    elastic : float
        Bent, as if drawn on rubber [Simard2003]_: how far a place moves, in pixels, as standard deviation.
    smooth : float
        Over how many pixels places move together, as standard deviation of a bell curve. The larger, the more
        is a bend like a shift.
    """

    shift: float = 0.0
    angle: float = 0.0
    scale: float = 0.0
    elastic: float = 0.0
    smooth: float = 4.0

    def __post_init__(self) -> None:
        for name in ("shift", "angle", "scale", "elastic"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name} is {getattr(self, name)!r}; it should be at least 0.")
        if not self.scale < 1:
            raise ValueError(f"scale is {self.scale!r}; it should be below 1.")
        if not 0 < self.smooth < math.inf:
            raise ValueError(f"smooth is {self.smooth!r}; it should be a positive number.")

    def __call__(self, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Pictures ``x`` (N, C, H, W) to others of the same shape.

        As many numbers are drawn, whatever is set to 0: so two distortions can be compared on the same
        shifts.
        """
        require_pictures(x)
        require_generator("rng", rng)
        return warped(x, *self.displacements(len(x), *x.shape[2:], rng))

    def displacements(
        self, N: int, H: int, W: int, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """How far from itself each place looks: rows (N, H, W) and columns (N, H, W)."""
        by_chance = rng.uniform(-1, 1, (5, N, 1, 1)).astype(np.float32)
        down, right = self.shift * by_chance[:2]
        turn = math.radians(self.angle) * by_chance[2]
        tall, wide = 1 + self.scale * by_chance[3:]
        i = np.arange(H, dtype=np.float32)[:, None] - np.float32((H - 1) / 2)  # from the middle
        j = np.arange(W, dtype=np.float32)[None] - np.float32((W - 1) / 2)
        rows = tall * (np.cos(turn) * i - np.sin(turn) * j) - i + down
        columns = wide * (np.sin(turn) * i + np.cos(turn) * j) - j + right
        bends = rng.standard_normal((2, N, H, W), dtype=np.float32)
        if self.elastic:
            bends = bell(H, self.smooth) @ bends @ bell(W, self.smooth).T
            rows += self.elastic * bends[0]
            columns += self.elastic * bends[1]
        return rows, columns


@lru_cache
def bell(n: int, sigma: float) -> np.ndarray:
    """A matrix (n, n) that smooths n independent numbers, and leaves the variance of each as it is."""
    i = np.arange(n)
    weights = np.exp(-(((i[:, None] - i) / sigma) ** 2) / 2)
    return (weights / np.sqrt((weights**2).sum(axis=1, keepdims=True))).astype(np.float32)


def warped(x: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Pictures of which each place looks elsewhere.

    Parameters
    ----------
    x : (N, C, H, W) floats
    rows, columns : (N, H, W) floats, or numbers for all
        At place ``(i, j)`` of picture n stands what was at ``(i + rows[n, i, j], j + columns[n, i, j])``:
        between pixels a mixture of the four around it, outside of the picture 0.

    Returns
    -------
    numpy.ndarray (N, C, H, W)
        A new one, of the type of ``x``.
    """
    require_pictures(x)
    N, C, H, W = x.shape
    i, top = split(np.arange(H, dtype=np.float32)[:, None] + rows, H)
    j, left = split(np.arange(W, dtype=np.float32) + columns, W)
    margin = np.zeros((C, N, H + 3, W + 3), dtype=x.dtype)  # of zeros: one before, two after
    margin[:, :, 1:-2, 1:-2] = x.swapaxes(0, 1)
    first = np.arange(N)[:, None, None] * ((H + 3) * (W + 3))
    corner = np.broadcast_to(first + i * (W + 3) + j, (N, H, W))
    new = np.empty((C, N, H, W), dtype=x.dtype)
    for channel, pixels in zip(new, margin.reshape(C, -1)):
        upper, upper_right, lower, lower_right = (pixels.take(corner + k) for k in (0, 1, W + 3, W + 4))
        upper += left * (upper_right - upper)
        lower += left * (lower_right - lower)
        channel[...] = upper + top * (lower - upper)
    return new.swapaxes(0, 1)


def shifted(x: np.ndarray, down: int | np.ndarray, right: int | np.ndarray) -> np.ndarray:
    """Pictures ``x`` (N, C, H, W) moved by whole pixels, all by the same number of them or each by its own
    (N,). What leaves the picture is lost, and what comes in is 0."""
    for name, value in (("down", down), ("right", right)):
        moves = np.asarray(value)
        if moves.dtype.kind not in "iu" or moves.shape not in ((), (len(x),)):
            raise ValueError(f"{name} is {value!r}; it should be a whole number, or one for each picture.")
    return warped(x, *(-np.reshape(moves, (-1, 1, 1)).astype(np.float32) for moves in (down, right)))


def split(places: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Places along a side of n pixels with a margin before it: the pixel before each, and how far behind it.

    Places further outside than the margin are brought to it.
    """
    places = np.clip(places + 1, 0, n + 1)
    before = places.astype(np.intp)
    return before, (places - before).astype(np.float32)


def require_pictures(x: np.ndarray) -> None:
    """Raise unless ``x`` is (N, C, H, W) of floats."""
    require_float("x", x)
    if x.ndim != 4 or 0 in x.shape:
        raise ValueError(f"x has shape {x.shape}; it should be (N, C, H, W), and not empty.")
