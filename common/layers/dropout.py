"""Forgetting on purpose, so that no neuron can rely on one other."""

from __future__ import annotations

import numpy as np

from common.backend import FLOAT, Array, xp
from common.layers.base import Layer
from common.support.require import require_float, require_generator, require_shape, require_share


class Dropout(Layer):
    """Set each number to zero with probability ``ratio`` while training [Srivastava2014]_.

    The numbers that stay are divided by ``1 - ratio``, so that their expected sum is the same with and
    without dropout, and nothing needs to be rescaled when training is over.

    Parameters
    ----------
    ratio : float
        From 0 (nothing dropped) to below 1.
    rng : numpy.random.Generator
        Decides what is dropped. Numbers are drawn on the processor, so that a GPU drops the same ones.
    """

    def __init__(self, ratio: float, rng: np.random.Generator) -> None:
        require_share("ratio", ratio)
        require_generator("rng", rng)
        super().__init__()
        self.ratio = float(ratio)
        self.rng = rng

    def check(self, x: Array) -> None:
        """Raise unless ``x`` holds floats."""
        require_float("x", x)

    def forward(self, x: Array) -> Array:
        """``x`` (...) to the same shape."""
        self.check(x)
        self.shape, self.factor = x.shape, None
        if not self.training:
            return x
        keep = xp.asarray(self.rng.random(self.decisions(x.shape), dtype=FLOAT) >= self.ratio)
        self.factor = keep.astype(x.dtype) / (1 - self.ratio)
        return x * self.factor

    def backward(self, dout: Array) -> Array:
        """``dout`` (...) to the gradient of x: what was dropped forward is dropped backward."""
        require_shape("dout", dout, self.shape)
        return dout if self.factor is None else dout * self.factor

    def decisions(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of what is decided: here, for each number by itself."""
        return shape

    def sizes(self) -> dict[str, object]:
        return {"ratio": self.ratio}


class VariationalDropout(Dropout):
    """Dropout that decides once for a whole sequence [Gal2016]_.

    In ``(N, T, D)`` the same of the D numbers are dropped at all T steps of a sequence. A new choice at each
    step would be noise that piles up over time; one choice is another, smaller network for this sequence.
    """

    def check(self, x: Array) -> None:
        """Raise unless ``x`` is (N, T, D) and holds floats."""
        super().check(x)
        if x.ndim != 3:
            raise ValueError(f"x has shape {x.shape}; it should be (N, T, D).")

    def decisions(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        N, _, D = shape
        return N, 1, D
