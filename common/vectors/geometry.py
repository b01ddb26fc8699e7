"""How word vectors lie in space: their common direction, their frequency, and words that are near to all."""

from __future__ import annotations

import numpy as np

from common.support.require import require_count, require_matrix
from common.vectors.nearest import unit_rows


def principal_components(vectors: np.ndarray, components: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The directions in which vectors differ most.

    Parameters
    ----------
    vectors : (V, D)
        Floats.
    components : int
        How many directions, k: at most V or D.

    Returns
    -------
    mean : (D,)
    directions : (k, D)
        Of length 1 and at right angles, the one with the largest variance first.
    shares : (k,)
        The share of the whole variance that lies in each.
    """
    require_matrix("vectors", vectors)
    require_count("components", components)
    if components > min(vectors.shape):
        raise ValueError(
            f"components is {components}; it should be at most {min(vectors.shape)} for vectors of shape "
            f"{vectors.shape}."
        )
    mean = vectors.mean(axis=0)
    centred = vectors - mean
    variances, directions = np.linalg.eigh(centred.T @ centred)  # from the smallest
    shares = variances / max(variances.sum(), np.finfo(variances.dtype).tiny)
    return mean, directions.T[: -components - 1 : -1], shares[: -components - 1 : -1]


def without_top(vectors: np.ndarray, components: int = 1) -> np.ndarray:
    """Vectors (V, D) without their mean and their first principal components: "all but the top" [Mu2018]_.

    What all words have in common tells none from another. 0 components takes away the mean alone.
    """
    require_matrix("vectors", vectors)
    if components == 0:
        return vectors - vectors.mean(axis=0)
    mean, directions, _ = principal_components(vectors, components)
    centred = vectors - mean
    return centred - (centred @ directions.T) @ directions


def frequency_correlations(vectors: np.ndarray, counts: np.ndarray, components: int = 10) -> np.ndarray:
    """How strongly each of the first principal components goes with how frequent a word is.

    Parameters
    ----------
    vectors : (V, D)
    counts : (V,)
        How often each word occurs, at least once.
    components : int

    Returns
    -------
    numpy.ndarray
        (components,): for each the size, from 0 to 1, of the correlation of the words' places on it with the
        logarithms of their counts.
    """
    mean, directions, _ = principal_components(vectors, components)
    logs = _log_counts(counts, len(vectors))
    places = (vectors - mean) @ directions.T  # (V, k), each with mean 0
    size = np.linalg.norm(places, axis=0) * np.linalg.norm(logs)
    return np.abs(np.divide(logs @ places, size, out=np.zeros(components), where=size > 0))


def frequency_direction(vectors: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, float]:
    """The direction along which words become more frequent: that which tells the logarithms of counts best.

    Returns
    -------
    direction : (D,)
        Of length 1.
    correlation : float
        Of the words' places along it with the logarithms of their counts (V,).
    """
    require_matrix("vectors", vectors)
    logs = _log_counts(counts, len(vectors))
    centred = (vectors - vectors.mean(axis=0)).astype(np.float64)
    direction = unit_rows(np.linalg.lstsq(centred, logs, rcond=None)[0])
    places = centred @ direction
    size = np.linalg.norm(places) * np.linalg.norm(logs)
    return direction, float(logs @ places / size) if size > 0 else 0.0


def k_occurrences(vectors: np.ndarray, k: int = 10) -> np.ndarray:
    """How often each word is among the ``k`` nearest of other words, by the cosine: (V,), with the mean k.

    In many dimensions a few words are near to very many others: hubs [Radovanovic2010]_.
    """
    require_matrix("vectors", vectors)
    require_count("k", k)
    if k >= len(vectors):
        raise ValueError(f"k is {k}; it should be less than the {len(vectors)} words there are.")
    unit = unit_rows(vectors)
    times = np.zeros(len(unit), dtype=np.int64)
    for first in range(0, len(unit), 500):
        cosines = unit[first : first + 500] @ unit.T  # (500, V)
        rows = np.arange(len(cosines))
        cosines[rows, first + rows] = -np.inf  # no word is a neighbour of its own
        nearest = np.argpartition(-cosines, k - 1, axis=1)[:, :k]
        times += np.bincount(nearest.ravel(), minlength=len(unit))
    return times


def skewness(values: np.ndarray) -> float:
    """The third power of how far values lie from their mean, in units of their spread, on average.

    0 for a symmetric distribution, positive where a few are far above the rest, as hubs are.
    """
    values = np.asarray(values, dtype=np.float64)
    distance = values - values.mean()
    spread = values.std()
    return float((distance**3).mean() / spread**3) if spread > 0 else 0.0


def _log_counts(counts: np.ndarray, size: int) -> np.ndarray:
    """The logarithms of counts, with mean 0."""
    counts = np.asarray(counts)
    if counts.shape != (size,) or not (np.isfinite(counts) & (counts > 0)).all():
        raise ValueError(f"counts has shape {counts.shape}; it should be ({size},), every count above 0.")
    logs = np.log(counts)
    return logs - logs.mean()
