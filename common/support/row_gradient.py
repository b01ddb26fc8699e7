"""The gradient of a matrix of which only some rows were used.

An embedding of 30,000 words looks up perhaps 500 of them in one batch. The gradient of all other rows is
zero, and writing 29,500 rows of zeros costs more than all the rest of the step. A
``RowGradient`` names the rows that it touches and holds the gradient of those alone.
"""

from __future__ import annotations

import numpy as np

from common.backend import Array, xp


class RowGradient:
    """Gradient of a ``(V, D)`` matrix that is zero outside ``rows``.

    Parameters
    ----------
    rows : (U,) whole numbers
        The rows that were touched, in ascending order, each once.
    values : (U, D)
        The gradient of those rows.
    shape : (V, D)
        Shape of the whole matrix.
    """

    __array_ufunc__ = None  # so that `array + row_gradient` asks __radd__ below

    def __init__(self, rows: Array, values: Array, shape: tuple[int, int]) -> None:
        self.rows = rows
        self.values = values
        self.shape = shape

    @classmethod
    def from_lookups(cls, ids: Array, dout: Array, shape: tuple[int, int]) -> RowGradient:
        """Add up what came back for each row: ``ids`` (n,) were looked up, ``dout`` (n, D) came back.

        A row that was looked up twice went to two places, so its gradients are added. Sorting brings
        equal ids side by side; each run of them is then one sum.
        """
        if len(ids) == 0:
            return cls(ids, dout, shape)
        order = xp.argsort(ids, kind="stable")
        ordered = ids[order]
        first = xp.concatenate([xp.ones(1, dtype=bool), ordered[1:] != ordered[:-1]])
        starts = xp.flatnonzero(first)
        return cls(ordered[starts], sums_of_runs(dout[order], first, starts), shape)

    def dense(self) -> Array:
        """The same gradient as an ordinary ``(V, D)`` array, zeros included."""
        full = xp.zeros(self.shape, dtype=self.values.dtype)
        full[self.rows] = self.values
        return full

    @property
    def T(self) -> Array:
        """Gradient of the transposed matrix (dense: its touched columns are no rows)."""
        return self.dense().T

    def __add__(self, other: Array | RowGradient) -> Array | RowGradient:
        if isinstance(other, RowGradient):
            ids = xp.concatenate([self.rows, other.rows])
            return RowGradient.from_lookups(ids, xp.concatenate([self.values, other.values]), self.shape)
        total = other.copy()
        total[self.rows] += self.values
        return total

    __radd__ = __add__

    def __mul__(self, factor: float) -> RowGradient:
        return RowGradient(self.rows, self.values * factor, self.shape)

    def __repr__(self) -> str:
        return f"RowGradient({len(self.rows)} of {self.shape[0]} rows, D={self.shape[1]})"


def sums_of_runs(rows: Array, first: Array, starts: Array) -> Array:
    """The sum of each run of ``rows`` (n, D). ``first`` (n,) is True where one begins: at ``starts``.

    NumPy adds up each run by itself. CuPy's ``reduceat`` takes differences of one running sum over all rows,
    so that a single large row would cost those after it their digits; there each row is added to its sum.
    """
    if xp is np:
        sums: Array = np.add.reduceat(rows, starts, axis=0)
        return sums
    sums = xp.zeros((len(starts), rows.shape[1]), dtype=rows.dtype)
    xp.add.at(sums, xp.cumsum(first) - 1, rows)
    return sums
