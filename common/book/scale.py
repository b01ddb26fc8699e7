"""One notebook, two scales.

Every chapter runs at two scales from the same cells. ``BOOK_SCALE=quick`` (the default) takes seconds, and
its outputs are the ones in the book. ``BOOK_SCALE=full`` takes hours, or minutes on a GPU. A cell asks for
the value that fits:

    epochs = scale(quick=3, full=40)
"""

from __future__ import annotations

import os
from typing import TypeVar

T = TypeVar("T")

SCALES = ("quick", "full")


def current_scale() -> str:
    """``"quick"`` or ``"full"``, as the environment variable ``BOOK_SCALE`` says."""
    name = os.environ.get("BOOK_SCALE", "").strip() or "quick"
    if name not in SCALES:
        raise ValueError(f"BOOK_SCALE is {name!r}; it should be 'quick' or 'full'.")
    return name


def scale(*, quick: T, full: T) -> T:
    """The value for the current scale.

    >>> scale(quick=3, full=40)  # with BOOK_SCALE not set
    3
    """
    return quick if current_scale() == "quick" else full
