"""A digit that the reader draws, by mouse, finger, pen or keyboard, and a network that reads it.

::

    reader = load_digit_reader()
    draw_digit(quantized(reader), caption="Draw a digit.")          # the last line of the cell

The figure needs no kernel: the page holds the weights, a byte each, and ``static/network.js`` computes what
the network in Python computes. Any network of the same kind may be handed in: twice a convolution, a pooling
by 2 and a ReLU, then affine layers with a ReLU between two, with as many filters and neurons as you like; so
a reader can try the one that was just trained.

What was drawn is laid out as MNIST's digits were before a network sees it [LeCun1998b]_; ``centred`` does the
same in Python.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from common.book.figures import figure_html, publish, read_css, read_static
from common.support.require import require_array

SIZE, BOX, CELLS = 28, 20, 112
"""A side of MNIST's pictures, of the box that a digit fills in them, and of the grid that is drawn on."""

MIDDLE = 14.5
"""Where the centre of mass of a digit of MNIST is, in pixels from the edge: in the middle of pixel 14 of 0 to
27, give or take half a pixel, since digits were shifted by whole pixels."""

OFF = "Here one can draw a digit. It needs a program in the page: in JupyterLab, run this cell."
"""What is seen where no script runs."""

SCALE = ".scale"
DIGIT_CSS = read_css("digit.css")


def draw_digit(
    arrays: Mapping[str, np.ndarray], *, caption: str | None = None, name: str = "draw-a-digit"
) -> None:
    """Show the figure in which the reader draws a digit and the network reads it.

    Parameters
    ----------
    arrays : mapping
        The weights in whole numbers, as ``common.quantization.quantized`` gives them: filters (F, 1, K, K)
        and (G, F, K, K), affine layers of which the last is (H, 10), each of int8 with its ``.scale`` and
        with its biases, in the order in which they follow each other.
    caption : str, optional
        Shown below. May hold ``\\`code\\```, ``*emphasis*`` and ``$math$``.
    name : str
        The HTML id of the figure.

    Raises
    ------
    ValueError
        These are not the weights of such a network.
    """
    publish(digit_html(arrays, caption=caption, name=name), "draw a digit, and a network reads it")


def digit_html(
    arrays: Mapping[str, np.ndarray], *, caption: str | None = None, name: str = "draw-a-digit"
) -> str:
    """The markup that ``draw_digit`` shows."""
    packed = json.dumps({"cells": CELLS, "net": packed_network(arrays)}, separators=(",", ":"))
    body = f'<p class="bk-note">{OFF}</p>\n<script type="application/json">{packed}</script>'
    markup = figure_html(body, caption=caption, name=name, classes="book-digit", css=DIGIT_CSS)
    programs = "\n".join(read_static(file) for file in ("network.js", "digit.js"))
    return f"{markup}\n<script>\n{programs}</script>"


def packed_network(arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """The layers as JSON can hold them: bytes in base64, scales and biases as numbers."""
    for array in arrays.values():
        require_array("each of arrays", array)
    weights = [name for name in arrays if name + SCALE in arrays]
    biases = [name for name in arrays if name not in weights and not name.endswith(SCALE)]
    shapes = [arrays[name].shape for name in weights]
    if not fits(shapes) or [arrays[name].shape for name in biases] != outputs(shapes):
        raise ValueError(
            f"arrays hold weights of shapes {shapes}; they should be those of two convolutions (F, 1, K, K) "
            "and (G, F, K, K), each before a pooling by 2, and of affine layers, the last (H, 10), with "
            f"biases: pictures are {SIZE} x {SIZE}."
        )
    layers = [packed_layer(name, arrays, bias) for name, bias in zip(weights, biases)]
    return {"convolutions": layers[:2], "affines": layers[2:]}


def packed_layer(name: str, arrays: Mapping[str, np.ndarray], bias: str) -> dict[str, Any]:
    """One layer; ``K`` is the side of its windows, and 0 where there are none."""
    numbers = arrays[name]
    if numbers.dtype != np.int8:
        raise ValueError(f"{name} holds {numbers.dtype}; it should hold int8: use quantized(model).")
    return {
        "numbers": base64.b64encode(np.ascontiguousarray(numbers).tobytes()).decode("ascii"),
        "scales": floats(arrays[name + SCALE]),
        "b": floats(arrays[bias]),
        "K": numbers.shape[-1] if numbers.ndim == 4 else 0,
    }


def floats(array: np.ndarray) -> list[float]:
    """The numbers as the shortest decimals that are read back as the same float32."""
    return [float(str(value)) for value in array.astype(np.float32)]


def outputs(shapes: list[tuple[int, ...]]) -> list[tuple[int, ...]]:
    """The shapes of the biases."""
    return [(shape[-1] if len(shape) == 2 else shape[0],) for shape in shapes]


def fits(shapes: list[tuple[int, ...]]) -> bool:
    """Whether weights of these shapes make a network that turns 28 x 28 pixels into ten scores."""
    if len(shapes) < 3 or [len(shape) for shape in shapes] != [4, 4] + [2] * (len(shapes) - 2):
        return False
    (F, one, K, K2), (G, F2, L, L2), *affines = shapes
    first = SIZE - K + 1
    second = first // 2 - L + 1
    if (one, F2, K2, L2) != (1, F, K, L) or first % 2 or second % 2 or second < 2:
        return False
    rows, columns = zip(*affines)
    return (G * (second // 2) ** 2, *columns) == (*rows, 10)


def centred(ink: np.ndarray) -> np.ndarray:
    """A drawing laid out as the digits of MNIST are [LeCun1998b]_, as the page does it.

    The drawing is scaled so that the longer side of what is drawn fills 20 pixels, and shifted until its
    centre of mass is in the middle of pixel (14, 14). Each pixel is the share of it that is covered by ink.

    Parameters
    ----------
    ink : (G, G)
        0 where there is paper, 1 where there is ink.

    Returns
    -------
    numpy.ndarray
        float64, shape (28, 28), from 0 to 1.

    Raises
    ------
    ValueError
        Nothing is drawn, or the grid is no square of numbers from 0 to 1.
    """
    require_array("ink", ink)
    if ink.ndim != 2 or ink.shape[0] != ink.shape[1] or ink.size == 0:
        raise ValueError(f"ink has shape {ink.shape}; it should be a square.")
    if not ((ink >= 0) & (ink <= 1)).all():
        raise ValueError("ink holds numbers outside of 0 to 1; it should be 0 for paper and 1 for ink.")
    if not ink.any():
        raise ValueError("ink is 0 everywhere; something should be drawn.")
    ink = ink.astype(np.float64)
    sides = [np.flatnonzero(ink.any(axis=1 - axis)) for axis in (0, 1)]
    step = max(side[-1] + 1 - side[0] for side in sides) / BOX  # cells in a pixel
    R, S = (overlaps(middle_of(ink.sum(axis=1 - axis)) - MIDDLE * step, step, len(ink)) for axis in (0, 1))
    return R @ ink @ S.T


def middle_of(sums: np.ndarray) -> float:
    """Where the centre of mass is along one axis, in cells from the edge."""
    return float(sums @ (np.arange(len(sums)) + 0.5) / sums.sum())


def overlaps(start: float, step: float, cells: int) -> np.ndarray:
    """(28, cells): how much of each pixel lies in each cell; the first pixel begins at ``start``."""
    left = start + step * np.arange(SIZE)[:, np.newaxis]
    cell = np.arange(cells)
    return np.maximum(0, np.minimum(cell + 1, left + step) - np.maximum(cell, left)) / step
