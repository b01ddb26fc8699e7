"""A number of 16 bits, each a switch: what it is worth as float16 and as bfloat16, how far the next one is.

::

    flip_bits(caption="Flip a bit.")     # the last line of the cell

The figure needs no kernel: ``static/bits.js`` reads the bits as Python does.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

import numpy as np

from common.book.figures import figure_html, publish, read_css, read_static

OFF = "Here one can flip the bits of a number. It needs a program in the page: in JupyterLab, run this cell."
"""What is seen where no script runs."""

FORMATS = {"float16": 5, "bfloat16": 8}
"""How many of the 16 bits are the exponent's; one is the sign, the rest are digits."""

EXAMPLES = {"1": 1.0, "2048": 2048.0, "0.1": 0.1, "65504": 65504.0, "0.0000001": 1e-7}
"""Numbers to begin with. The first one stands there at first."""

BITS_CSS = read_css("bits.css")


def flip_bits(*, caption: str | None = None, name: str = "flip-bits") -> None:
    """Show the figure in which the reader flips the bits of a number.

    Parameters
    ----------
    caption : str, optional
        Shown below. May hold ``\\`code\\```, ``*emphasis*`` and ``$math$``.
    name : str
        The HTML id of the figure.
    """
    publish(bits_html(caption=caption, name=name), "flip the 16 bits of a number")


def bits_html(*, caption: str | None = None, name: str = "flip-bits") -> str:
    """The markup that ``flip_bits`` shows."""
    data = {"formats": FORMATS, "examples": bits_of(EXAMPLES)}
    packed = json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")
    body = f'<p class="bk-note">{OFF}</p>\n<script type="application/json">{packed}</script>'
    markup = figure_html(body, caption=caption, name=name, classes="book-bits", css=BITS_CSS)
    return f"{markup}\n<script>\n{read_static('bits.js')}</script>"


def bits_of(numbers: Mapping[str, float]) -> dict[str, dict[str, int]]:
    """For each number its bits in each format, as a whole number from 0 to 65,535."""
    bits = {}
    for text, number in numbers.items():
        half, whole = np.float16(number).view(np.uint16), int(np.float32(number).view(np.uint32))
        near = (whole + 0x7FFF + (whole >> 16 & 1)) >> 16  # as common.precision rounds: to the nearest
        bits[text] = {"float16": int(half), "bfloat16": near}
    return bits


def value_of(bits: int, kind: str) -> float:
    """The number that 16 bits stand for."""
    if kind not in FORMATS:
        raise ValueError(f"kind is {kind!r}; it should be one of {', '.join(FORMATS)}.")
    if kind == "float16":
        return float(np.uint16(bits).view(np.float16))
    return float(np.uint32(bits << 16).view(np.float32))
