"""How far a measured number may be off: other samples drawn from the same one, and labels that are swapped.

A test set is a sample. With other pairs of words, a rank correlation would have come out a little different.
The bootstrap [Efron1979]_ draws new test sets from the one that there is, as many items as it has, with
replacement, and measures again on each. How often an item was drawn is a row of whole numbers, so thousands
of test sets are one matrix of **draws** (times, n), and nothing here loops over them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from common.support.require import require_count, require_generator, require_share

PIECE = 1 << 21
"""Draws in memory at once."""


def interval(samples: np.ndarray, level: float = 0.95) -> np.ndarray:
    """Between which two numbers the middle share ``level`` of ``samples`` (..., times) lies: (2, ...).

    ``low, high = interval(bootstrap_means(right, rng))``.
    """
    require_share("level", level)
    return np.quantile(samples, [(1 - level) / 2, (1 + level) / 2], axis=-1)


def bootstrap_correlations(
    scores: np.ndarray, cosines: np.ndarray, rng: np.random.Generator, times: int = 2000
) -> np.ndarray:
    """Spearman's rank correlations on ``times`` test sets, drawn from the pairs of one.

    Parameters
    ----------
    scores : (n,)
        What people said of n pairs.
    cosines : (..., n)
        What one or several sets of word vectors say of the same pairs.
    rng : numpy.random.Generator
    times : int

    Returns
    -------
    numpy.ndarray
        (..., times). All sets of vectors are judged on the same drawn pairs: subtract one row from another
        for the samples of their difference.
    """
    scores, cosines = _checked_pairs(scores, cosines)
    parts = []
    for drawn in _draws(len(scores), rng, times):
        people = _ranks(scores, drawn)
        sets = cosines.reshape(-1, len(scores))
        parts.append([_weighted_correlation(_ranks(row, drawn), people, drawn) for row in sets])
    return np.concatenate(parts, axis=1).reshape(*cosines.shape[:-1], times)


def bootstrap_means(
    values: np.ndarray,
    rng: np.random.Generator,
    times: int = 2000,
    groups: Sequence[object] | np.ndarray | None = None,
) -> np.ndarray:
    """Means on ``times`` test sets drawn from one, such as the share of right answers.

    Parameters
    ----------
    values : (..., n)
        For one or several sets of word vectors, what each of the same n items gave: 1 if right, else 0.
    rng : numpy.random.Generator
    times : int
    groups : (n,), optional
        What each item belongs to. Groups are then drawn whole: 500 analogies made of 23 pairs of words are
        not 500 independent observations, and an interval that takes them for such is too narrow.

    Returns
    -------
    numpy.ndarray
        (..., times), from the same draws for all sets.
    """
    values = np.asarray(values, dtype=np.float64)
    _check_items("values", values)
    if groups is None:
        sums, sizes = values, np.ones(values.shape[-1])
    else:
        if len(groups) != values.shape[-1]:
            raise ValueError(
                f"groups has {len(groups)} entries; it should have {values.shape[-1]}, one an item."
            )
        _, number, sizes = np.unique(np.asarray(groups), return_inverse=True, return_counts=True)
        sums = np.apply_along_axis(lambda row: np.bincount(number, weights=row), -1, values)
    means = [sums @ drawn.T / (drawn @ sizes) for drawn in _draws(len(sizes), rng, times)]
    return np.concatenate(means, axis=-1)


def rank_products(scores: np.ndarray, cosines: np.ndarray) -> np.ndarray:
    """What each pair adds to Spearman's rank correlation: ``(..., n)``, whose mean over the pairs it is.

    Ranks, shifted and scaled to mean 0 and spread 1, multiplied with each other.
    """
    scores, cosines = _checked_pairs(scores, cosines)
    once = np.ones((1, len(scores)), dtype=np.int64)
    people = _standardized(_ranks(scores, once))
    sets = np.concatenate([_ranks(row, once) for row in cosines.reshape(-1, len(scores))])
    return (people * _standardized(sets)).reshape(cosines.shape)


def permutation_test(a: np.ndarray, b: np.ndarray, rng: np.random.Generator, times: int = 2000) -> float:
    """How often chance alone makes the means of ``a`` and ``b`` differ as much as they do.

    If it made no difference which of two sets of vectors gave which number, the two numbers of an item could
    as well be swapped. They are, each with chance one half, ``times`` times.

    Parameters
    ----------
    a, b : (n,)
        What each item gave with one and with the other: 1 or 0 for an answer, or ``rank_products``.
    rng : numpy.random.Generator
    times : int

    Returns
    -------
    float
        The share of all swaps, the actual order included, with a difference at least as large: the p-value of
        a two-sided test, at least ``1 / (times + 1)``.
    """
    difference = np.subtract(a, b, dtype=np.float64)
    _check_items("a - b", difference)
    if difference.ndim != 1:
        raise ValueError(f"a - b has shape {difference.shape}; it should be (n,), a number for each item.")
    require_generator("rng", rng)
    require_count("times", times)
    size = abs(difference.sum())
    as_large = 1  # the order as it is
    for count in _pieces(len(difference), times):
        signs = rng.integers(2, size=(count, len(difference))) * 2 - 1  # -1 where the two are swapped
        as_large += int((np.abs(signs @ difference) >= size * (1 - 1e-9)).sum())
    return as_large / (times + 1)


# ---- the parts


def _draws(n: int, rng: np.random.Generator, times: int) -> Iterator[np.ndarray]:
    """Rows of how often each of n items was drawn, n times in all: ``times`` of them, in pieces."""
    require_generator("rng", rng)
    require_count("times", times)
    for count in _pieces(n, times):
        yield rng.multinomial(n, np.full(n, 1 / n), size=count)


def _pieces(n: int, times: int) -> list[int]:
    """``times`` rows of n numbers each, cut into as many rows as fit into memory."""
    most = max(1, PIECE // n)
    return [min(most, times - first) for first in range(0, times, most)]


def _ranks(values: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """The ranks (times, n) that values (n,) have where each was drawn so often (times, n).

    Of equal values, each has the mean of the ranks that they take up together.
    """
    distinct, place = np.unique(values, return_inverse=True)
    order = np.argsort(place, kind="stable")
    first = np.searchsorted(place[order], np.arange(len(distinct)))
    together = np.add.reduceat(drawn[:, order], first, axis=1)  # how often each distinct value was drawn
    ranks = together.cumsum(axis=1) - (together - 1) / 2
    return ranks[:, place]


def _weighted_correlation(x: np.ndarray, y: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Pearson's correlation of each row of x and y (times, n), each item as often as ``weights`` says."""
    total = weights.sum(axis=1, keepdims=True)
    x, y = (part - (weights * part).sum(axis=1, keepdims=True) / total for part in (x, y))
    spread = np.vecdot(weights, x * x) * np.vecdot(weights, y * y)
    return np.divide(np.vecdot(weights, x * y), np.sqrt(spread), out=np.zeros(len(x)), where=spread > 0)


def _standardized(ranks: np.ndarray) -> np.ndarray:
    ranks = ranks - ranks.mean(axis=-1, keepdims=True)
    spread = ranks.std(axis=-1, keepdims=True)
    return np.divide(ranks, spread, out=np.zeros_like(ranks), where=spread > 0)


def _checked_pairs(scores: np.ndarray, cosines: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    scores, cosines = np.asarray(scores, dtype=np.float64), np.asarray(cosines, dtype=np.float64)
    _check_items("scores", scores)
    _check_items("cosines", cosines)
    if scores.ndim != 1 or cosines.shape[-1] != len(scores):
        shapes = f"scores has shape {scores.shape} and cosines {cosines.shape}"
        raise ValueError(f"{shapes}; they should be (n,) and (..., n), of the same n pairs.")
    return scores, cosines


def _check_items(name: str, values: np.ndarray) -> None:
    if values.ndim == 0 or values.shape[-1] < 2:
        raise ValueError(f"{name} has shape {values.shape}; it should be (..., n), with n at least 2.")
    if not np.isfinite(values).all():
        raise ValueError(f"{name} holds NaN or infinity; it should be finite.")
