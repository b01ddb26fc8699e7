"""The gradient of a matrix of which only some rows were used.

An embedding of 30,000 words looks up perhaps 500 of them in one batch. The gradient of all other rows is
zero, and writing 29,500 rows of zeros costs more than all the rest of the step. A
``RowGradient`` names the rows that it touches and holds the gradient of those alone.
"""

from __future__ import annotations

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
        equal ids side by side; ``reduceat`` then sums each run of them.
        """
        if len(ids) == 0:
            return cls(ids, dout, shape)
        order = xp.argsort(ids, kind="stable")
        ordered = ids[order]
        starts = xp.flatnonzero(xp.concatenate([xp.ones(1, dtype=bool), ordered[1:] != ordered[:-1]]))
        return cls(ordered[starts], xp.add.reduceat(dout[order], starts, axis=0), shape)

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
