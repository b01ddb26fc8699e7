"""How good a model is, in numbers that can be compared."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from common.backend import Array
from common.batches import whole_text
from common.functions import exp_of_mean
from common.layers.base import Layer, evaluating


def perplexity(model: Layer, ids: Sequence[int] | Array, batch_size: int = 10, T: int = 35) -> float:
    """``exp`` of the mean of ``-log p(next word)``, over every word of a text but the first.

    It is the number of words that the model hesitates between: V if it knows nothing, 1 if it knows all.
    Nothing is left out. The strands have as many words as it takes, and where the last run out of words a
    mask keeps what fills them from counting. Each strand begins at state zero, so a large ``batch_size``
    gives a slightly higher number than 1, which reads the text as one.

    Parameters
    ----------
    model : Layer
        ``model.forward(xs, ts, mask)`` returns the mean loss of the positions that the mask keeps. Left as it
        was, also in what it remembers for ``backward``.
    ids : whole numbers, one axis
    batch_size : int
        How many strands are read side by side.
    T : int
        How many words are read at a time; changes memory and speed, and not the result.
    """
    total, words = 0.0, 0
    with evaluating(model), np.errstate(over="ignore", invalid="ignore"):  # seen: the result is infinite
        for x, t, mask in whole_text(ids, batch_size, T):
            total += float(model.forward(x, t, mask)) * int(mask.sum())
            words += int(mask.sum())
    return exp_of_mean(total, words)


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
