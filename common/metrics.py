"""Numbers that say how well a model does."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def half_right(curve: Sequence[float]) -> float:
    """After how many epochs half of the answers are right, read off between the epochs.

    Parameters
    ----------
    curve : sequence of float
        The share of right answers after each epoch.

    Returns
    -------
    float
        NaN if they never are. Before the first epoch none is right.
    """
    shares = np.array([0.0, *curve])
    if shares.max() < 0.5:
        return float("nan")
    after = int(np.argmax(shares >= 0.5))  # the first epoch with half or more
    low, high = shares[after - 1 : after + 1]
    return float(after - 1 + (0.5 - low) / (high - low))
