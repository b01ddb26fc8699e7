"""Show a measured number beside the band it has to stay in.

An accuracy, a perplexity or a number of seconds is a little different on every machine. Typed into the prose
it goes stale; printed bare it makes the comparison of notebooks fail. So it is printed as

    test accuracy 0.9733 (expected 0.95 to 1)

The cell fails when the number leaves its band. The comparison masks the number before ``(expected`` and
compares all the rest, the band included.
"""

from __future__ import annotations

import math
from numbers import Real


def measured(name: str, value: Real, low: Real, high: Real, unit: str = "", digits: int = 4) -> None:
    """Print a measured value with the band it must stay in, and raise when it is outside.

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
        If `value` is outside the band or not a number, or if the band is empty or not finite.
    TypeError
        If `value`, `low` or `high` is not a real number.

    Examples
    --------
    >>> measured("test accuracy", 0.97333, 0.95, 1)
    test accuracy 0.9733 (expected 0.95 to 1)
    """
    if not isinstance(name, str) or not name.strip() or "\n" in name:
        raise ValueError(f"name is {name!r}; it should be one line that says what was measured")
    if any(sign in unit for sign in "()\n") or unit[:1].isdigit():
        raise ValueError(f"unit is {unit!r}; it should be a short name such as 's', without brackets")
    for argument, number in (("value", value), ("low", low), ("high", high)):
        if isinstance(number, bool) or not isinstance(number, Real):
            raise TypeError(f"{argument} is {number!r}; it should be one real number")
    if not (math.isfinite(low) and math.isfinite(high) and low <= high):
        raise ValueError(f"the band is {low} to {high}; it should be two finite numbers, the lower one first")
    after = f" {unit}" if unit else ""
    shown = f"{name} {float(value):.{digits}g}{after}"
    band = f"{float(low):g} to {float(high):g}{after}"
    if not low <= value <= high:  # false for NaN too
        raise ValueError(f"{shown} is outside the band it should stay in, {band}")
    print(f"{shown} (expected {band})")
