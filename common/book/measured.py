"""Show a measured number beside the band it has to stay in.

An accuracy, a perplexity or a number of seconds is a little different on every machine. Typed into the prose
it goes stale; printed bare it makes the comparison of notebooks fail. So it is printed as

    test accuracy 0.9733 (expected 0.95 to 1)

The band holds for the book's own settings. A reader who changes one is told that the number has left its
band, and the notebook goes on. Where the environment variable ``BOOK_STRICT`` is 1, as in all tests, the cell
fails. The comparison masks the number before ``(expected`` and compares all the rest, the band included.
"""

from __future__ import annotations

import math
import os
from numbers import Real


def measured(name: str, value: Real, low: Real, high: Real, unit: str = "", digits: int = 4) -> None:
    """Print a measured value with the band it should stay in, and say so when it is outside.

    Parameters
    ----------
    name : str
        What was measured, for instance ``"test accuracy"``.
    value : float
        The measured number (a size-one array is not accepted: call ``.item()`` or ``float`` first).
    low, high : float
        The band, both ends included.
    unit : str
        Printed after the number and after the band, for instance ``"s"`` or ``"words/s"``.
    digits : int
        Significant digits of the printed number.

    Raises
    ------
    ValueError
        If the band is empty or not finite; where ``BOOK_STRICT`` is 1, also if ``value`` is outside the band
        or not a number.
    TypeError
        If ``value``, ``low`` or ``high`` is not a real number.

    Examples
    --------
    >>> measured("test accuracy", 0.97333, 0.95, 1)
    test accuracy 0.9733 (expected 0.95 to 1)
    """
    if not isinstance(name, str) or not name.strip() or "\n" in name:
        raise ValueError(f"name is {name!r}; it should be one line that says what was measured.")
    if any(sign in unit for sign in "()\n") or unit[:1].isdigit():
        raise ValueError(f"unit is {unit!r}; it should be a short name such as 's', without brackets.")
    for argument, number in (("value", value), ("low", low), ("high", high)):
        if isinstance(number, bool) or not isinstance(number, Real):
            raise TypeError(f"{argument} is {number!r}; it should be one real number.")
    if not (math.isfinite(low) and math.isfinite(high) and low <= high):
        raise ValueError(
            f"the band is {low} to {high}; it should be two finite numbers, the lower one first."
        )
    after = f" {unit}" if unit else ""
    shown = f"{name} {float(value):.{digits}g}{after}"
    band = f"{float(low):g} to {float(high):g}{after}"
    if low <= value <= high:  # false for NaN
        print(f"{shown} (expected {band})")
    elif is_strict():
        raise ValueError(f"{shown} is outside the band it should stay in, {band}.")
    else:
        why = "which holds for the book's own settings: what you changed, or stopped, may be why"
        print(f"{shown} is outside {band}, {why}.")


def is_strict() -> bool:
    """Whether what a reader is only told of is an error, as in all tests."""
    return os.environ.get("BOOK_STRICT", "").strip() == "1"
