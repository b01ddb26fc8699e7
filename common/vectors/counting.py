"""Word vectors by counting: which words occur near which.

The whole way from a text to word vectors is four calls:

    counts = cooccurrence(ids, len(vocabulary), window=5)
    weights = ppmi(counts)
    u, s = randomized_svd(weights, 100, np.random.default_rng(1984))
    vectors = word_vectors(u, s)

A vocabulary of 30,000 words has 900 million pairs, of which a text shows about one in a hundred. So every
matrix here is sparse (SciPy's CSR: only what is not zero is stored), and each function keeps it so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from scipy import sparse

from common.support.require import require_count, require_positive

DENSE_LIMIT = 5_000  # rows or columns; a full SVD above this takes minutes and gigabytes


# ---- counting


def cooccurrence(
    ids: Sequence[int],
    size: int,
    window: int = 5,
    weighting: str = "flat",
    starts: Sequence[int] | None = None,
) -> sparse.csr_array:
    """Count how often each word stands within ``window`` words of each other word.

    Parameters
    ----------
    ids : sequence of int
        The text as word ids, L of them, each from 0 to ``size`` - 1.
    size : int
        The number of words in the vocabulary, V.
    window : int
        How many words to look at on each side.
    weighting : str
        ``"flat"`` counts each neighbour as 1, ``"harmonic"`` as 1/d at a distance of d words, and
        ``"linear"`` as (window + 1 - d) / window.
    starts : sequence of int, optional
        Where each document starts, and where the last one ends. Words of two documents are no neighbours.

    Returns
    -------
    scipy.sparse.csr_array
        float64, shape (V, V), symmetric: entry (i, j) is the number of times that j stands near i.

    Raises
    ------
    ValueError
        The text is empty, an id is out of range, or ``window``, ``size`` or ``weighting`` is not as above.
    """
    ids = checked_ids(ids, size)
    require_count("window", window)
    weights = {
        "flat": lambda d: 1.0,
        "harmonic": lambda d: 1 / d,
        "linear": lambda d: (window + 1 - d) / window,
    }
    if weighting not in weights:
        raise ValueError(f"weighting is {weighting!r}; it should be one of {', '.join(weights)}.")
    weight = weights[weighting]

    after = count_after(ids, size, window, documents(starts, len(ids)), weight=weight)
    return (after + after.T).tocsr()  # what comes after me sees me before it


def count_after(
    ids: np.ndarray,
    size: int,
    window: int,
    document: np.ndarray | None = None,
    own: int | None = None,
    weight: Callable[[int], float] = lambda d: 1.0,
) -> sparse.csr_array:
    """Count which words stand within ``window`` words after each word: half of what ``cooccurrence`` counts.

    Parameters
    ----------
    ids : (L,) int32
    size, window : int
    document : (L,), optional
        The number of the document that each word is in.
    own : int, optional
        Only after the first so many words. The others are looked at, and not counted for themselves.
    weight : function of a distance
    """
    after = sparse.csr_array((size, size))
    for d in range(1, min(window, len(ids) - 1) + 1):
        word, later = ids[:-d][:own], ids[d:][:own]  # all pairs at distance d
        if document is not None:
            same = document[:-d][:own] == document[d:][:own]
            word, later = word[same], later[same]
        after = after + weight(d) * _count_pairs(word, later, size)
    return after


def _count_pairs(rows: np.ndarray, columns: np.ndarray, size: int) -> sparse.csr_array:
    """Count equal pairs: write each as one number, sort, and see how long the runs of equal numbers are."""
    pairs = rows.astype(np.int32 if size**2 <= 2**31 else np.int64)  # narrow is faster
    pairs *= size
    pairs += columns
    pairs.sort()
    ends = np.flatnonzero(np.append(pairs[1:] != pairs[:-1], True)) if len(pairs) else pairs
    times = np.diff(ends, prepend=-1).astype(np.float64)
    row, column = np.divmod(pairs[ends], size)  # in order, which is the order of a CSR matrix
    row_starts = np.searchsorted(row, np.arange(size + 1))
    index = np.int32 if max(size, len(row)) < 2**31 else np.int64
    parts = (times, column.astype(index), row_starts.astype(index))
    return sparse.csr_array(parts, shape=(size, size))


def cooccurrence_by_loop(ids: Iterable[int], window: int = 5) -> dict[tuple[int, int], int]:
    """Count neighbours one pair at a time, as one would at first. Kept to check and to time the fast way.

    Returns
    -------
    dict
        (word, neighbour) -> number of times.
    """
    ids = [int(i) for i in ids]
    counts: dict[tuple[int, int], int] = {}
    for position, word in enumerate(ids):
        for other in range(max(position - window, 0), min(position + window + 1, len(ids))):
            if other != position:
                pair = (word, ids[other])
                counts[pair] = counts.get(pair, 0) + 1
    return counts


def checked_ids(ids: Sequence[int], size: int) -> np.ndarray:
    """The ids as int32, if they are word ids of a vocabulary of this size."""
    ids = np.asarray(ids)
    require_count("size", size)
    if ids.ndim != 1 or len(ids) == 0:
        raise ValueError(f"ids has shape {ids.shape}; it should be one row of at least one word id.")
    if ids.dtype.kind not in "iu":
        raise TypeError(f"ids is of type {ids.dtype}; ids should be whole numbers.")
    if ids.min() < 0 or ids.max() >= size:
        raise ValueError(f"ids go from {ids.min()} to {ids.max()}; they should lie between 0 and {size - 1}.")
    return ids.astype(np.int32)


def documents(starts: Sequence[int] | None, length: int) -> np.ndarray | None:
    """The number of the document that each word is in."""
    if starts is None:
        return None
    starts = np.asarray(starts)
    if len(starts) < 2 or starts[0] != 0 or starts[-1] != length or (np.diff(starts) < 0).any():
        raise ValueError(f"starts is {starts}; it should rise from 0 to {length}, the length of the text.")
    return np.repeat(np.arange(len(starts) - 1, dtype=np.int32), np.diff(starts))


# ---- weighting


def ppmi(counts: sparse.sparray | np.ndarray, alpha: float = 1.0) -> sparse.csr_array:
    """Weigh counts by positive pointwise mutual information [Church1990]_ [Bullinaria2007]_.

    With n the sum of all counts, entry (i, j) becomes

        max(0, log2(counts[i, j] * n / (counts[i].sum() * counts[:, j].sum())))

    Parameters
    ----------
    counts : sparse array or numpy.ndarray
        Counts, not negative, shape (V, C).
    alpha : float
        Power applied to the context counts when the probability of a context is taken; 0.75 makes rare
        contexts weigh less [Levy2015]_.

    Returns
    -------
    scipy.sparse.csr_array
        float32, shape (V, C).

    Raises
    ------
    ValueError
        A count is negative or not finite, nothing was counted at all, or ``alpha`` is not above 0.
    """
    counts = _checked_counts(counts)
    require_positive("alpha", alpha)
    rows, columns = counts.sum(axis=1), counts.sum(axis=0)
    smoothed = columns**alpha
    with np.errstate(divide="ignore"):  # a word without neighbours: its weight is never used
        row_part = np.log2(rows)
        column_part = np.log2(smoothed / smoothed.sum())
    data = np.log2(counts.data) - np.repeat(row_part, np.diff(counts.indptr)) - column_part[counts.indices]
    return _with_data(counts, data)


def log_counts(counts: sparse.sparray | np.ndarray) -> sparse.csr_array:
    """Replace each count c by log(1 + c), so that a thousand neighbours are not worth a thousand times
    one."""
    counts = _checked_counts(counts)
    return _with_data(counts, np.log1p(counts.data))


def capped_counts(counts: sparse.sparray | np.ndarray, limit: float = 100) -> sparse.csr_array:
    """Replace each count c by min(c, limit)."""
    counts = _checked_counts(counts)
    require_positive("limit", limit)
    return _with_data(counts, np.minimum(counts.data, limit))


def without_contexts(counts: sparse.sparray | np.ndarray, ids: Iterable[int]) -> sparse.csr_array:
    """Take the counts of some context words (columns) away, such as those of the most frequent words."""
    counts = _checked_counts(counts)
    keep = np.ones(counts.shape[1])
    keep[list(ids)] = 0
    return _with_data(counts, counts.data * keep[counts.indices])


def positive_correlation(counts: sparse.sparray | np.ndarray) -> sparse.csr_array:
    """Weigh counts by the square root of the positive part of Pearson's correlation [Rohde2005]_.

    Two events are correlated here: one of the two words is i, and the other is j. A pair that was never seen
    has a negative correlation, so zeros stay zeros.

    Parameters
    ----------
    counts : sparse array or numpy.ndarray
        Counts, not negative, shape (V, C).
    """
    counts = _checked_counts(counts)
    rows, columns = counts.sum(axis=1), counts.sum(axis=0)
    n = rows.sum()
    r, c = np.repeat(rows, np.diff(counts.indptr)), columns[counts.indices]
    spread = np.sqrt(r * (n - r) * c * (n - c))
    data = np.divide(n * counts.data - r * c, spread, out=np.zeros_like(counts.data), where=spread > 0)
    return _with_data(counts, np.sqrt(np.maximum(data, 0)))


def _checked_counts(counts: sparse.sparray | np.ndarray) -> sparse.csr_array:
    counts = sparse.csr_array(counts, dtype=np.float64)
    if not np.isfinite(counts.data).all() or (counts.data < 0).any():
        raise ValueError("counts holds a negative number, a NaN or an infinity; counts should be 0 or more.")
    if not counts.data.any():
        raise ValueError(f"counts of shape {counts.shape} is all 0: no word has a neighbour.")
    if not counts.data.all():
        counts = counts.copy()
        counts.eliminate_zeros()
    return counts


def _with_data(matrix: sparse.csr_array, data: np.ndarray) -> sparse.csr_array:
    """A float32 matrix with the pattern of ``matrix`` and other numbers, those not above 0 left out."""
    parts = (data.astype(np.float32), matrix.indices, matrix.indptr)
    result = sparse.csr_array(parts, shape=matrix.shape, copy=True)
    result.data[result.data < 0] = 0
    result.eliminate_zeros()
    return result
