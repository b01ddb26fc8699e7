"""Pictures: handwritten digits, and scenes that are drawn, each with a sentence that can be checked."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from common.backend import FLOAT, DType
from common.datasets.files import cache, read
from common.support.files import write_in_one_step
from common.support.require import require_count, require_generator

HEIGHT = WIDTH = 28


@dataclass(frozen=True, eq=False)
class Images:
    """N pictures in grey values, and the class of each.

    ``images[:100]``, a boolean mask or an array of positions picks some of them and gives ``Images`` again.

    Attributes
    ----------
    pixels : numpy.ndarray
        uint8, shape (N, height, width), from 0 (paper) to 255 (ink).
    labels : numpy.ndarray
        int64, shape (N,).
    """

    pixels: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        height, width = self.pixels.shape[1:]
        return f"Images({len(self):,} of {height} x {width})"

    def __getitem__(self, chosen: slice | Sequence[int] | np.ndarray) -> Images:
        positions = np.arange(len(self))[chosen]
        if positions.ndim != 1:
            raise TypeError(f"chosen is {chosen!r}; it should be a slice, a mask or several positions.")
        if not isinstance(chosen, slice):  # a slice shows the same memory
            chosen = positions
        return Images(self.pixels[chosen], self.labels[chosen])

    def rows(self, *, dtype: DType = FLOAT) -> np.ndarray:
        """The pictures as vectors of numbers from 0 to 1, shape (N, height * width)."""
        return np.divide(self.pixels.reshape(len(self), -1), 255, dtype=dtype)

    def planes(self, *, dtype: DType = FLOAT) -> np.ndarray:
        """The pictures as grids of one channel, of numbers from 0 to 1, shape (N, 1, height, width)."""
        return np.divide(self.pixels[:, None], 255, dtype=dtype)


class Split(NamedTuple):
    """Pictures to learn from, to choose by, and to test on once."""

    train: Images
    valid: Images
    test: Images


# Of each part of MNIST: how many pictures it has, how many bytes of the stream come before its pixels, and
# how many then before its labels. The file is a pickle of three pairs of arrays, and a pickle can run any
# code: it is not loaded as one. Its sha256 is known, and so is what lies where in it. Pixels are float32, in
# 256ths; labels are int64.
STREAM = ((50_000, 133, 66), (10_000, 37, 31), (10_000, 37, 31))

KEPT = "mnist/pixels_and_labels.uint8"
"""What is kept in the cache after the first time: all pixels, then all labels, a byte each."""

KEPT_SHA256 = "c2069063c1105f2bf96266aef1ff68c6e13bdda7a54e37bf19c16f1db24efc83"


def load_mnist() -> Split:
    """Load MNIST: handwritten digits in 28 x 28 grey values [LeCun1998b]_.

    The 60,000 pictures to train with come as 50,000 and 10,000, in their order, and the 10,000 to test on as
    they are. The first time takes about a second. Then the bytes are kept in the cache.

    Returns
    -------
    train, valid, test : Images

    Raises
    ------
    DataError
        The file can't be had.
    """
    numbers = _kept()
    if numbers is None:
        numbers = _unpacked(io.BytesIO(read("mnist")))
        with contextlib.suppress(OSError):  # without a place to keep it, the next time takes as long again
            write_in_one_step(cache() / KEPT, lambda file: file.write(numbers))
    pixels, labels = _parts(numbers)
    whole = Images(pixels, labels.astype(np.int64))
    ends = [0, *np.cumsum([count for count, *_ in STREAM]).tolist()]
    return Split(*(whole[start:end] for start, end in zip(ends, ends[1:])))


def _kept() -> np.ndarray | None:
    """The bytes in the cache, when they are there and the right ones."""
    try:
        numbers = np.fromfile(cache() / KEPT, np.uint8)
    except OSError:
        return None
    return numbers if hashlib.sha256(numbers).hexdigest() == KEPT_SHA256 else None


def _parts(numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Views of the pixels (N, height, width) and of the labels (N,) in the row of bytes that is kept."""
    pixels, labels = np.split(numbers, [-(len(numbers) // (HEIGHT * WIDTH + 1))])
    return pixels.reshape(-1, HEIGHT, WIDTH), labels


def _unpacked(packed: BinaryIO) -> np.ndarray:
    """The pixels of all parts, then the labels, a byte each; a thousand pictures at a time are floats."""
    numbers = np.empty(sum(count for count, *_ in STREAM) * (HEIGHT * WIDTH + 1), np.uint8)
    pixels, labels = _parts(numbers)
    start = 0
    with gzip.GzipFile(fileobj=packed) as stream:
        for count, before_pixels, before_labels in STREAM:
            stream.read(before_pixels)
            for i in range(start, start + count, 1000):
                floats = np.frombuffer(stream.read(1000 * HEIGHT * WIDTH * 4), "<f4")
                pixels[i : i + 1000] = (floats * 256).reshape(1000, HEIGHT, WIDTH)
            stream.read(before_labels)
            labels[start : start + count] = np.frombuffer(stream.read(count * 8), "<i8")
            start += count
    return numbers


# ---- scenes

SIDE = 32
"""Height and width of a scene."""

COLORS = {"red": (230, 40, 40), "green": (40, 180, 60), "blue": (50, 80, 230), "yellow": (240, 210, 40)}
SHAPES = ("circle", "square", "triangle", "cross")
Kind = tuple[str, str]
"""A colour and a shape."""
KINDS: tuple[Kind, ...] = tuple(itertools.product(COLORS, SHAPES))
"""All that a scene can hold: 16 kinds of things."""
RELATIONS = {"above": (-1, 0), "below": (1, 0), "left of": (0, -1), "right of": (0, 1)}
"""Where the thing that is named first lies, seen from the other: rows and columns."""

CENTERS = (4, 15, 26)
"""Where things stand, in three rows and three columns, or a pixel further on: they never touch."""


class Thing(NamedTuple):
    """One thing in a scene.

    Parameters
    ----------
    color, shape : str
    row, column : int
        Of its center, in pixels.
    size : int
        How far it reaches from there.
    light : float
        What its colour is multiplied with, up to 1.
    """

    color: str
    shape: str
    row: int
    column: int
    size: int = 4
    light: float = 1.0

    @property
    def kind(self) -> Kind:
        """Its colour and shape."""
        return self.color, self.shape

    def place(self) -> np.ndarray:
        """Which pixels it covers, (32, 32) booleans."""
        rows, columns = np.mgrid[:SIDE, :SIDE]
        down, right = rows - self.row, np.abs(columns - self.column)
        inside = np.maximum(np.abs(down), right) <= self.size
        if self.shape == "circle":
            return down**2 + right**2 <= (self.size + 0.3) ** 2
        if self.shape == "triangle":
            return inside & (2 * right <= down + self.size)
        if self.shape == "cross":
            return inside & (np.minimum(np.abs(down), right) <= 1)
        return inside

    def __str__(self) -> str:
        return f"a {self.color} {self.shape}"


NUMERALS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


class Digit(NamedTuple):
    """A handwritten digit in a scene.

    Parameters
    ----------
    number : int
    row, column : int
        Of its center, in pixels.
    ink : numpy.ndarray
        How dark it is there, uint8 (14, 14).
    """

    number: int
    row: int
    column: int
    ink: np.ndarray

    @property
    def kind(self) -> int:
        """Which digit it is."""
        return self.number

    def corner(self) -> tuple[slice, slice]:
        """The rows and columns of its square of the picture."""
        half = len(self.ink) // 2
        return (
            slice(self.row - half, self.row + half),
            slice(self.column - half, self.column + half),
        )

    def place(self) -> np.ndarray:
        """Which pixels have ink, (32, 32) booleans."""
        covered = np.zeros((SIDE, SIDE), dtype=bool)
        covered[self.corner()] = self.ink > INK
        return covered

    def __str__(self) -> str:
        word = NUMERALS[self.number]
        return f"an {word}" if word == "eight" else f"a {word}"


INK = 64
"""What is darker counts as written on."""

Scene = tuple[Any, ...]
"""The things in a picture, ``Thing`` or ``Digit``, the one that a caption begins with first."""


@dataclass(frozen=True, eq=False)
class Scenes:
    """N drawn pictures, what is in them, and a sentence about each.

    Attributes
    ----------
    things : tuple of Scene
    captions : tuple of str
        *a red circle*, *a red circle above a blue square*, or *a red circle above a blue square and left of a
        green cross*: what is named first is above the one, and left of the other.
    pixels : numpy.ndarray
        uint8, shape (N, 3, 32, 32): red, green and blue, on black; of digits (N, 1, 32, 32), the ink.
    """

    things: tuple[Scene, ...]
    captions: tuple[str, ...]
    pixels: np.ndarray

    def __len__(self) -> int:
        return len(self.things)

    def __repr__(self) -> str:
        return f"Scenes({len(self):,} of {SIDE} x {SIDE})"

    def planes(self, *, dtype: DType = FLOAT) -> np.ndarray:
        """The pictures as numbers from 0 to 1, in the shape of ``pixels``."""
        return np.divide(self.pixels, 255, dtype=dtype)


def draw_scenes(
    rng: np.random.Generator,
    N: int,
    most: int = 3,
    kinds: Sequence[Kind] = KINDS,
    including: Sequence[Kind] | None = None,
) -> Scenes:
    """Draw scenes of one to ``most`` things, all of different kinds.

    Parameters
    ----------
    rng : numpy.random.Generator
    N : int
    most : int
        From 1 to 3.
    kinds : sequence of (colour, shape)
        What there may be. Leave some out, and a network never sees them.
    including : sequence of (colour, shape), optional
        One thing of each scene is one of these, though they may not stand in ``kinds``: for a test of what
        was left out.

    Returns
    -------
    Scenes
    """
    require_generator("rng", rng)
    require_count("N", N)
    require_count("most", most)
    for name, given in (("kinds", kinds), ("including", including or ())):
        unknown = [kind for kind in given if tuple(kind) not in KINDS]
        if unknown:
            raise ValueError(
                f"{name} has {unknown[0]!r}; it should be pairs of a colour and a shape of KINDS."
            )
    if most > 3 or len(kinds) < most:
        raise ValueError(f"most is {most}; it should be at most 3, and at most the {len(kinds)} kinds.")
    scenes = tuple(_draw_scene(rng, most, kinds, including) for _ in range(N))
    return Scenes(scenes, tuple(map(caption, scenes)), np.stack([render(scene) for scene in scenes]))


def _draw_scene(
    rng: np.random.Generator, most: int, kinds: Sequence[Kind], including: Sequence[Kind] | None
) -> Scene:
    """One scene: the first thing anywhere, the others in its row or its column."""
    chosen = [tuple(kinds[i]) for i in rng.permutation(len(kinds))[: rng.integers(1, most, endpoint=True)]]
    if including is not None and not set(chosen) & set(map(tuple, including)):
        chosen[rng.integers(len(chosen))] = tuple(including[rng.integers(len(including))])
    row, column = rng.integers(0, 3, 2).tolist()
    free = [cell for cell in np.ndindex(3, 3) if (cell[0] == row) != (cell[1] == column)]
    cells = [(row, column), *(free[i] for i in rng.permutation(len(free)))]
    return tuple(
        Thing(
            *kind,
            row=CENTERS[cell[0]] + int(rng.integers(2)),
            column=CENTERS[cell[1]] + int(rng.integers(2)),
            size=int(rng.integers(3, 5)),
            light=float(rng.uniform(0.7, 1)),
        )
        for kind, cell in zip(chosen, cells)
    )


def render(scene: Scene) -> np.ndarray:
    """A scene as pixels, uint8 (3, 32, 32)."""
    pixels = np.zeros((3, SIDE, SIDE), dtype=np.uint8)
    for thing in scene:
        color = np.array(COLORS[thing.color]) * thing.light
        pixels[:, thing.place()] = color.astype(np.uint8)[:, None]
    return pixels


def draw_digit_scenes(rng: np.random.Generator, N: int, digits: Images, most: int = 3) -> Scenes:
    """Draw scenes of one to ``most`` handwritten digits, all different: *a seven left of a three*.

    Each digit is half as high and wide as in ``digits``, and stands in a quarter of the picture.

    Parameters
    ----------
    rng : numpy.random.Generator
    N : int
    digits : Images
        28 x 28, of MNIST: those of one part, so that a test can show digits of other hands.
    most : int
        From 1 to 3.

    Returns
    -------
    Scenes
    """
    require_generator("rng", rng)
    require_count("N", N)
    require_count("most", most)
    if digits.pixels.shape[1:] != (HEIGHT, WIDTH) or not np.isin(digits.labels, range(10)).all():
        raise ValueError(f"digits is {digits}; it should be {HEIGHT} x {WIDTH}, with labels from 0 to 9.")
    alike = [np.flatnonzero(digits.labels == number) for number in range(10)]
    known = [number for number in range(10) if len(alike[number])]
    if most > 3 or len(known) < most:
        raise ValueError(
            f"most is {most}; it should be at most 3, and at most the {len(known)} different digits."
        )
    scenes = tuple(_draw_digits(rng, most, digits, alike, known) for _ in range(N))
    pixels = np.zeros((N, 1, SIDE, SIDE), dtype=np.uint8)
    for picture, scene in zip(pixels, scenes):
        for digit in scene:
            picture[0][digit.corner()] = digit.ink
    return Scenes(scenes, tuple(map(caption, scenes)), pixels)


def _draw_digits(
    rng: np.random.Generator, most: int, digits: Images, alike: Sequence[np.ndarray], known: Sequence[int]
) -> Scene:
    """One scene of digits: the first in any quarter, the others beside it and above or below it."""
    chosen = rng.permutation(known)[: rng.integers(1, most, endpoint=True)].tolist()
    row, column = rng.integers(0, 2, 2).tolist()
    beside = [(row, 1 - column), (1 - row, column)]
    cells = [(row, column), *(beside[i] for i in rng.permutation(2))]
    scene = []
    for number, (down, right) in zip(chosen, cells):
        ink = digits.pixels[alike[number][rng.integers(len(alike[number]))]]
        half = ink.reshape(HEIGHT // 2, 2, WIDTH // 2, 2).mean(axis=(1, 3)).astype(np.uint8)
        shift = rng.integers(3, size=2).tolist()  # a quarter has two pixels more than a digit
        scene.append(Digit(number, 16 * down + 7 + shift[0], 16 * right + 7 + shift[1], half))
    return tuple(scene)


def relation(one: Thing | Digit, other: Thing | Digit) -> str:
    """How ``one`` lies, seen from ``other``: by rows or by columns, whichever are farther apart.

    >>> relation(Thing("red", "circle", 5, 5), Thing("blue", "square", 16, 6))
    'above'
    """
    down, right = one.row - other.row, one.column - other.column
    if abs(down) > abs(right):
        return "above" if down < 0 else "below"
    return "left of" if right < 0 else "right of"


def caption(scene: Scene) -> str:
    """What is there, the first thing first."""
    first, *others = scene
    said = " and ".join(f"{relation(first, other)} {other}" for other in others)
    return f"{first} {said}" if said else str(first)


def holds(sentence: str, scene: Scene) -> bool:
    """Whether a sentence is a caption of this scene: each thing named once, and each relation right.

    Every scene has several such sentences: it may begin with another thing, or name two in another order.
    What is no sentence of this kind is wrong.
    """
    return any(caption(order) == sentence for order in itertools.permutations(scene))


def named(sentence: str, scene: Scene) -> list[tuple[int, Any]]:
    """Which words of a sentence name which thing of a scene: the number of each word, and the thing.

    >>> scene = (Thing("red", "circle", 5, 5), Thing("blue", "square", 16, 6))
    >>> [word for word, _ in named("a red circle above a green square", scene)]
    [1, 2]
    """
    words, found = sentence.split(), []
    for thing in scene:
        name = str(thing).split()[1:]
        for i in range(len(words) - len(name) + 1):
            if words[i : i + len(name)] == name:
                found += [(i + j, thing) for j in range(len(name))]
    return sorted(found, key=lambda pair: pair[0])
