"""Pictures of handwritten digits."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO, NamedTuple

import numpy as np

from common.backend import FLOAT, DType
from common.datasets.files import cache, read
from common.support.files import write_in_one_step

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
