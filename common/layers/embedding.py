"""A table with one row of numbers for each word."""

from __future__ import annotations

from common.backend import Array, xp
from common.layers.base import Layer
from common.support.require import require_ids, require_matrix, require_shape
from common.support.row_gradient import RowGradient


class Embedding(Layer):
    """Look up one row of ``W`` for each id [Bengio2003]_.

    It is a MatMul with a one-hot row, without the multiplications.

    Parameters
    ----------
    W : (V, D)
        Row ``i`` is the vector of word ``i``.
    fixed : bool
        True for vectors that do not learn on: the gradient that ``backward`` then leaves touches no row.
    """

    names = ("W",)

    def __init__(self, W: Array, fixed: bool = False) -> None:
        require_matrix("W", W)
        super().__init__(W)
        self.fixed = fixed

    def check(self, ids: Array) -> None:
        """Raise unless ``ids`` holds whole numbers from 0 to ``V - 1``."""
        require_ids("ids", ids, len(self.params[0]))

    def forward(self, ids: Array) -> Array:
        """``ids`` (...) whole numbers to vectors (..., D)."""
        self.check(ids)
        self.ids = ids
        return self.params[0][ids]

    def backward(self, dout: Array) -> None:
        """Keep ``dout`` (..., D), summed by word, in ``grads``. Ids have no gradient: nothing is returned."""
        (W,) = self.params
        require_shape("dout", dout, (*self.ids.shape, W.shape[1]))
        if self.fixed:
            nothing = self.ids.ravel()[:0]
            self.grads = [RowGradient(nothing, xp.zeros((0, W.shape[1]), dtype=W.dtype), W.shape)]
            return
        self.grads = [RowGradient.from_lookups(self.ids.ravel(), dout.reshape(-1, W.shape[1]), W.shape)]

    def sizes(self) -> dict[str, object]:
        return dict(zip("VD", self.params[0].shape)) | ({"fixed": True} if self.fixed else {})
