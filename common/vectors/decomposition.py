"""From a large sparse matrix to short, dense vectors: the singular value decomposition."""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import svds

from common.support.require import require_count
from common.vectors.counting import DENSE_LIMIT


def full_svd(matrix: sparse.sparray | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """All left singular vectors and singular values of a small matrix, by way of a dense copy.

    Returns
    -------
    u : numpy.ndarray
        Shape (V, K) with K the smaller side of the matrix; its columns have length 1.
    s : numpy.ndarray
        Shape (K,), from the largest to the smallest.

    Raises
    ------
    ValueError
        A side is longer than 5,000.
    """
    if max(matrix.shape) > DENSE_LIMIT:
        limit = f"at most {DENSE_LIMIT:,} words; use randomized_svd"
        raise ValueError(f"matrix has shape {matrix.shape}; a full SVD is for {limit}.")
    dense = matrix.toarray() if sparse.issparse(matrix) else np.asarray(matrix)
    u, s, _ = np.linalg.svd(dense.astype(_precise(dense.dtype)), full_matrices=False)
    return fix_signs(u), s


def truncated_svd(matrix: sparse.sparray, rank: int) -> tuple[np.ndarray, np.ndarray]:
    """The ``rank`` largest singular values and their left vectors, by ARPACK's iterations to full
    precision.

    Returns
    -------
    u, s : numpy.ndarray
        Shapes (V, rank) and (rank,), the largest singular value first.
    """
    _check_rank(matrix, rank)
    if rank == min(matrix.shape):  # the iterations find all but one at most
        return full_svd(matrix.astype(np.float64))
    u, s, _ = svds(matrix.astype(np.float64), rank, v0=np.ones(min(matrix.shape)), random_state=0)
    order = np.argsort(-s)
    return fix_signs(u[:, order]), s[order]


def randomized_svd(
    matrix: sparse.sparray | np.ndarray,
    rank: int,
    rng: np.random.Generator,
    iterations: int = 3,
) -> tuple[np.ndarray, np.ndarray]:
    """About the ``rank`` largest singular values and their left vectors [Halko2011]_.

    Products with a few random vectors show in which directions the matrix is long. Within these directions
    an ordinary SVD of a small matrix does the rest.

    Parameters
    ----------
    matrix : sparse array or numpy.ndarray
        Shape (V, C).
    rank : int
        How many singular values to find.
    rng : numpy.random.Generator
        Draws the random vectors.
    iterations : int
        How often to multiply with the matrix and back, which makes long directions stand out further.

    Returns
    -------
    u, s : numpy.ndarray
        Shapes (V, rank) and (rank,), the largest singular value first.
    """
    _check_rank(matrix, rank)
    matrix = matrix.astype(_precise(matrix.dtype), copy=False)
    width = min(rank + 10, *matrix.shape)  # a few directions more, so that the last ones asked for are right
    q = rng.standard_normal((matrix.shape[1], width)).astype(matrix.dtype)
    q = np.linalg.qr(matrix @ q).Q  # (V, width): an orthonormal basis of what the matrix can reach
    for _ in range(iterations):
        q = np.linalg.qr(matrix @ (matrix.T @ q)).Q
    small = (matrix.T @ q).T  # (width, C): the matrix seen in that basis
    u, s, _ = np.linalg.svd(small, full_matrices=False)
    return fix_signs(q @ u[:, :rank]), s[:rank]


def fix_signs(u: np.ndarray) -> np.ndarray:
    """Turn each column so that its largest entry is positive.

    A singular vector and its negative are equally right, and libraries differ in which one they give. Of
    entries that tie for the largest, the first decides.
    """
    size = np.abs(u)
    first = (size >= size.max(axis=0) * (1 - 1e-4)).argmax(axis=0)
    return u * np.where(u[first, np.arange(u.shape[1])] < 0, -1, 1).astype(u.dtype)


def word_vectors(u: np.ndarray, s: np.ndarray, power: float = 0.5) -> np.ndarray:
    """The rows of ``U S**power`` as float32: one vector for each word.

    Parameters
    ----------
    u, s : numpy.ndarray
        From one of the decompositions above, shapes (V, D) and (D,).
    power : float
        1 keeps the lengths that the matrix has, 0 makes all directions count the same. For similarity 0 and a
        half were found better than 1 [Levy2015]_.
    """
    return (u * s**power).astype(np.float32)


def _check_rank(matrix: sparse.sparray | np.ndarray, rank: int) -> None:
    require_count("rank", rank)
    if rank > min(matrix.shape):
        most = f"at most {min(matrix.shape)} for a matrix of shape {matrix.shape}"
        raise ValueError(f"rank is {rank}; it should be {most}.")


def _precise(dtype: np.dtype) -> np.dtype:
    """The type to compute with: float16 is for storage, and whole numbers become float64."""
    return np.promote_types(dtype, np.float32) if dtype.kind == "f" else np.dtype(np.float64)
