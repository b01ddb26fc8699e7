"""GloVe on tiles of dense counts: vectors whose products are the logarithms of counts [Pennington2014]_.

Each counted pair of words (i, j) asks for ``W[i] @ C[j] + b[i] + c[j] = log(count)``. A program that goes
from pair to pair has little to compute between many calls. So the vocabulary is laid out in groups of 500
words here, and the counts of one group beside another are a **tile**: a small dense matrix, with the weight 0
where nothing was counted. Three matrix products are all that it takes, one to compare and two for the
gradients, and a step of AdaGrad follows. Nine cells out of ten are computed for nothing, and that is still
many times faster than pair by pair.

The biases begin at ``log(count of the word) - log(count of all) / 2``. What they leave to the vectors is

    log(count of the pair) - b[i] - c[j] = log(count of the pair * count of all / (count of i * count of j))

the pointwise mutual information that ``ppmi`` computes, and not the large numbers that say how frequent each
of the two words is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

import numpy as np
from scipy import sparse

from common.support.progress import progress_bar
from common.support.require import require_count, require_counts, require_generator, require_positive
from common.vectors.counting import _checked_counts

BIASES = ("pmi", "random")


class GloVe:
    """Two vectors and two biases for each word, fitted to the logarithms of how often words stand together.

    The loss is the paper's (its equation 8): ``sum(weight * difference**2)`` over all counted pairs, with the
    difference ``W[i] @ C[j] + b[i] + c[j] - log(count)``.

    Parameters
    ----------
    counts : sparse array or numpy.ndarray
        How often words stand near each other, (V, V): as from ``cooccurrence`` with ``"harmonic"`` weights.
    rng : numpy.random.Generator
        Draws the first vectors, and the order of the tiles in each pass.
    dimension : int
        D, the length of a vector.
    x_max : float
        The count from which on all pairs weigh the same.
    power : float
        How the weight falls below ``x_max``: see ``pair_weights``.
    lr : float
        The step size of AdaGrad.
    tile : int
        How many words a group has, at most.
    biases : str
        ``"pmi"`` begins as the module says, ``"random"`` with small random numbers, like the vectors.
    dtype : type
        float32 to train, float64 to check.

    Attributes
    ----------
    W, C : (V, D)
        The vectors of words, and those of words as neighbours.
    b, c : (V,)
        Their biases.
    losses : list of float
        For each pass, the mean over all counted pairs of what a pair cost when its turn came.

    Raises
    ------
    ValueError
        The counts are not square, all 0, negative or not finite; or a setting is not as above.
    TypeError
        ``rng`` is no generator, or ``dtype`` is no type of floats.

    Notes
    -----
    Memory in float32: 8 bytes for each counted pair, 16 (D + 1) bytes for each word, and 5 MB for a tile at
    work. The tiles are never all there at once: those of 30,000 words would be 3.6 GB.
    """

    def __init__(
        self,
        counts: sparse.sparray | np.ndarray,
        rng: np.random.Generator,
        dimension: int = 100,
        x_max: float = 10.0,
        power: float = 0.75,
        lr: float = 0.2,
        tile: int = 500,
        biases: str = "pmi",
        *,
        dtype: type[np.floating] = np.float32,
    ) -> None:
        require_generator("rng", rng)
        require_counts(dimension=dimension, tile=tile)
        for name, value in {"x_max": x_max, "power": power, "lr": lr}.items():
            require_positive(name, value)
        if biases not in BIASES:
            raise ValueError(f"biases is {biases!r}; it should be one of {', '.join(BIASES)}.")
        if np.dtype(dtype) not in (np.float32, np.float64):
            raise TypeError(f"dtype is {np.dtype(dtype)}; it should be float32 or float64.")
        counts = _checked_counts(counts)
        size = counts.shape[0]
        if counts.shape != (size, size):
            raise ValueError(f"counts has shape {counts.shape}; it should be (V, V), a row for each column.")
        self.rng, self.x_max, self.power, self.lr = rng, x_max, power, lr
        self.groups = [slice(first, min(first + tile, size)) for first in range(0, size, tile)]
        self.cells = cut(counts, self.groups, dtype)
        self.pairs = counts.nnz

        def small(*shape: int) -> np.ndarray:
            return (rng.random(shape, dtype) - dtype(0.5)) / dtype(dimension)

        self.W, self.C = small(size, dimension), small(size, dimension)
        if biases == "pmi":
            self.b, self.c = (first_biases(counts.sum(axis=axis)).astype(dtype) for axis in (1, 0))
        else:
            self.b, self.c = small(size), small(size)
        self.seen = [np.ones_like(param) for param in self.params]  # for AdaGrad
        self.losses: list[float] = []

    def __repr__(self) -> str:
        size, dimension = self.W.shape
        return f"{type(self).__name__}(V={size}, D={dimension}, pairs={self.pairs}, x_max={self.x_max:g})"

    @property
    def params(self) -> tuple[np.ndarray, ...]:
        """``W, C, b, c``."""
        return self.W, self.C, self.b, self.c

    @property
    def vectors(self) -> np.ndarray:
        """``W + C`` (V, D): the word vectors of the paper, which found the sum slightly better than ``W``."""
        return self.W + self.C

    def train(self, epochs: int = 1, on_epoch: Callable[[Self], object] | None = None) -> Self:
        """Go through all tiles ``epochs`` times, each time in a new order; ``on_epoch(self)`` is called after
        each.

        The step size is the same from first to last, so another call goes on as if this one had not ended.
        """
        require_count("epochs", epochs)
        with progress_bar(epochs * len(self.cells), unit=" tiles") as progress:
            for _ in range(epochs):
                cost = 0.0
                for number in self.rng.permutation(len(self.cells)):
                    cost += self.step(*divmod(int(number), len(self.groups)))
                    progress.update()
                self.losses.append(cost / self.pairs)
                if on_epoch is not None:
                    on_epoch(self)
        return self

    def step(self, row: int, column: int) -> float:
        """One step of AdaGrad [Duchi2011]_ on the tile of two groups; returns what its pairs cost before."""
        cost, grads = self.gradients(row, column)
        for param, seen, place, grad in zip(self.params, self.seen, self.places(row, column), grads):
            seen[place] += grad * grad
            param[place] -= self.lr * grad / np.sqrt(seen[place])
        return cost

    def gradients(self, row: int, column: int) -> tuple[float, list[np.ndarray]]:
        """What the pairs of a tile cost, and the gradients: of W (I, D), C (J, D), b (I,) and c (J,)."""
        W, C, b, c = (param[place] for param, place in zip(self.params, self.places(row, column)))
        logs, weights = self.targets(row, column)  # (I, J) each
        difference = W @ C.T  # (I, D) @ (D, J) -> (I, J)
        difference += b[:, np.newaxis]
        difference += c
        difference -= logs
        d = np.multiply(weights, difference, out=weights)
        cost = float(np.vdot(d, difference))
        d *= 2
        return cost, [d @ C, d.T @ W, d.sum(axis=1), d.sum(axis=0)]

    def targets(self, row: int, column: int) -> tuple[np.ndarray, np.ndarray]:
        """A tile as two dense matrices (I, J): logarithms of counts, and weights, both 0 where none was."""
        place, log_counts = self.cells[row * len(self.groups) + column]
        rows, columns = self.groups[row], self.groups[column]
        shape = (2, rows.stop - rows.start, columns.stop - columns.start)
        logs, weights = np.zeros(shape, dtype=log_counts.dtype)
        logs.ravel()[place] = log_counts
        weights.ravel()[place] = pair_weights(log_counts, self.x_max, self.power)
        return logs, weights

    def places(self, row: int, column: int) -> tuple[slice, ...]:
        """Which rows of ``W, C, b, c`` a tile has to do with."""
        return (self.groups[row], self.groups[column]) * 2


# ---- the parts


def pair_weights(log_counts: np.ndarray, x_max: float = 10.0, power: float = 0.75) -> np.ndarray:
    """How much pairs weigh that were counted ``exp(log_counts)`` times: ``min(1, (count / x_max) ** power)``.

    This is the paper's equation 9. It takes logarithms, as a power of them costs one ``exp``.
    """
    require_positive("x_max", x_max)
    require_positive("power", power)
    return np.exp(np.minimum((log_counts - np.log(x_max)) * power, 0))


def first_biases(totals: np.ndarray) -> np.ndarray:
    """``log(total) - log(sum of all totals) / 2`` for each word (V,), counted ``totals`` times with others.

    A word that was never counted has no pair to fit: its bias is 0.
    """
    logs = np.log(totals, out=np.zeros(len(totals)), where=totals > 0)
    return np.where(totals > 0, logs - np.log(totals.sum()) / 2, 0)


def cut(
    counts: sparse.csr_array, groups: list[slice], dtype: type[np.floating]
) -> list[tuple[np.ndarray, np.ndarray]]:
    """The counted pairs of each tile, row of tiles by row of tiles: their places in it, and the logarithms of
    their counts.

    A place is the pair's position in the dense tile (I, J), read row by row.
    """
    cells = []
    for rows in groups:
        part = counts[rows].tocoo()
        row, column = part.coords
        tile = column // groups[0].stop  # all groups but the last have this size
        order = np.argsort(tile, kind="stable")
        ends = np.bincount(tile, minlength=len(groups)).cumsum()
        for columns, chosen in zip(groups, np.split(order, ends[:-1])):
            place = row[chosen] * (columns.stop - columns.start) + column[chosen] - columns.start
            cells.append((place.astype(np.int32), np.log(part.data[chosen]).astype(dtype)))
    return cells
