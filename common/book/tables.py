"""Tables, and tokens on coloured grounds: small HTML, to show or to use as frames of a figure that moves."""

from __future__ import annotations

import html
import math
import numbers
import re
from collections.abc import Iterable, Sequence
from typing import Any

from common.book.figures import attribute, inline_markup

# From blue over white to orange: Okabe and Ito's blue and vermillion, which every kind of colour vision
# tells apart.
_COOL, _WARM = (0, 114, 178), (213, 94, 0)


def shade(value: float, low: float, high: float) -> tuple[str, bool]:
    """A colour for a value, and whether white text belongs on it.

    A range on both sides of zero goes from blue over white to orange; one on one side from white to blue.
    """
    if low < 0 < high:
        share = max(-1.0, min(1.0, value / max(-low, high)))
    else:
        share = -max(0.0, min(1.0, (value - low) / (high - low))) if high > low else 0.0
    end = _WARM if share > 0 else _COOL
    rgb = [round(255 + (part - 255) * abs(share)) for part in end]
    linear = [(c / 255 / 12.92) if c / 255 <= 0.04045 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in rgb]
    light = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    # The better of white and black text has a contrast of 4.58 at least; dark grey would not reach 4.5.
    deep = 1.05 / (light + 0.05) > (light + 0.05) / 0.05
    return f"#{rgb[0]:02x}{rgb[1]:02x}{rgb[2]:02x}", deep


def token_strip(
    tokens: Sequence[str],
    values: Sequence[float],
    *,
    low: float | None = None,
    high: float | None = None,
    digits: int = 2,
    show_values: bool = False,
    label: str = "tokens",
) -> str:
    """Tokens in a row, each on a ground coloured by its value, as HTML.

    Parameters
    ----------
    tokens : sequence of str
        What is shown.
    values : sequence of float
        One finite number for each token.
    low, high : float, optional
        The ends of the colour scale; those of ``values`` if not given. Give them when several strips are
        compared, or when the strip is a frame: the same colour should mean the same number in each.
    digits : int
        Decimals of the number that a pointer or a screen reader gets.
    show_values : bool
        Also print the number under the token.
    label : str
        What the list is, for a screen reader.
    """
    tokens, values = list(tokens), [float(value) for value in values]
    if not tokens or len(tokens) != len(values):
        raise ValueError(
            f"there are {len(tokens)} tokens and {len(values)} values; there should be one value for each."
        )
    for token, value in zip(tokens, values):
        if not math.isfinite(value):
            raise ValueError(f"the value of {token!r} is {value}; it should be a finite number.")
    low = min(values) if low is None else low
    high = max(values) if high is None else high
    if low > high:
        raise ValueError(f"low is {low} and high is {high}; low should be the smaller.")
    items, deeper = [], ' class="bk-deep"'
    for token, value in zip(tokens, values):
        colour, deep = shade(value, low, high)
        number = f"{value:.{digits}f}"
        number = number.replace("-", "", 1) if float(number) == 0 else number.replace("-", "\u2212")
        below = f"<small>{number}</small>" if show_values else f'<span class="bk-hidden"> {number}</span>'
        items.append(
            f'<li style="background:{colour}"{deeper if deep else ""} title="{number}">'
            f"{html.escape(str(token), quote=False)}{below}</li>"
        )
    return f'<ul class="bk-strip" aria-label="{attribute(label)}">{"".join(items)}</ul>'


def is_number(value: Any) -> bool:
    """Say whether ``value`` is a real number; True and False are none."""
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


NO_NUMBER = {"", "-", "–"}
"""What stands in a column of numbers where there is none."""


class Plain(str):
    """Text of a reader, a model or a corpus in a ``table``: none of its characters is a mark."""


class Measured:
    """A number or a text that differs from machine to machine, for a cell of ``table``; tests mask it.

    ``kind`` says what a column of such cells is: ``"number"``, also where it stands in a text such as
    ``2.1 to 2.3``, ``"text"``, or ``"none"`` for a dash or nothing in the place of a number.
    """

    def __init__(self, value: Any, format: str = ".3g") -> None:
        self.text = f"{value:{format}}" if is_number(value) else str(value)
        if is_number(value) or re.match(r"[-+−]?\.?\d", self.text):
            self.kind = "number"
        else:
            self.kind = "none" if self.text in NO_NUMBER else "text"


_ONE = r"[-+−±]?\.?\d[\d.,]*(e[-+−]?\d+)?( ?%)?"
_NUMBERS = re.compile(rf"{_ONE}(( to | / | · | ± |–){_ONE})*")


def _kind(value: Any) -> str:
    """Say whether a cell holds a number, text, or the mark that a number is missing.

    A text that is a number, ``1,407``, or several, ``0.85 to 0.89`` or ``4 / 5 / 7``, counts as a number.
    """
    if isinstance(value, Measured):
        return value.kind
    if isinstance(value, str) and not isinstance(value, Plain):
        return "number" if _NUMBERS.fullmatch(value) else "none" if value in NO_NUMBER else "text"
    return "number" if is_number(value) else "text"


def low_to_high(values: Iterable[float], format: str) -> str:
    """The lowest and the highest of several runs as text; one number where they read alike."""
    values = list(values)
    low, high = f"{min(values):{format}}", f"{max(values):{format}}"
    return low if low == high else f"{low} to {high}"


def table(rows: Iterable[Sequence[Any]], header: Sequence[str]) -> str:
    """An HTML table, for ``common.book.show``, or as a frame of ``common.book.play``.

    Parameters
    ----------
    rows : iterable of sequences
        The cells. Columns of numbers are aligned to the right, also of numbers that are given as text, others
        to the left; a float is shown with four digits; ``Measured`` cells are masked in the notebook tests.
        Text may hold ``\\`code\\```, ``*emphasis*`` and ``$math$``; what the author did not write is
        ``Plain``.
    header : sequence of str
        The name of each column.
    """
    header, rows = list(header), [list(row) for row in rows]
    if not header or not rows:
        raise ValueError(
            f"the table has {len(header)} columns and {len(rows)} rows; it should have at least one of each."
        )
    for i, row in enumerate(rows):
        if len(row) != len(header):
            raise ValueError(f"row {i} has {len(row)} cells; the header has {len(header)}.")
    kinds = [{_kind(row[k]) for row in rows} for k in range(len(header))]
    right = [kind == {"number"} or kind == {"number", "none"} for kind in kinds]

    def number(k: int) -> str:
        return ' class="bk-num"' if right[k] else ""

    def words(value: Any) -> str:
        if isinstance(value, Plain):  # the class keeps MathJax away from the dollars of a live notebook
            return f'<span class="mathjax_ignore">{html.escape(value, quote=False)}</span>'
        return inline_markup(str(value))

    def cell(value: Any, k: int) -> str:
        if isinstance(value, Measured):
            text = f'<span class="measured">{html.escape(value.text, quote=False)}</span>'
        elif is_number(value):
            text = (f"{value:.4g}" if not isinstance(value, numbers.Integral) else str(int(value))).replace(
                "-", "−"
            )
        else:
            text = words(value)
        return f"<td{number(k)}>{text}</td>"

    head = "".join(f'<th scope="col"{number(k)}>{words(text)}</th>' for k, text in enumerate(header))
    body = "".join("<tr>" + "".join(cell(value, k) for k, value in enumerate(row)) + "</tr>" for row in rows)
    return f'<table class="bk-table"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
