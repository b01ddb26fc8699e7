"""How weights begin: a network whose weights all begin equal stays that way, so chance breaks the tie."""

from __future__ import annotations

import numpy as np

from common.backend import FLOAT, Array, DType, xp


def gaussian(rng: np.random.Generator, *shape: int, scale: float = 0.01, dtype: DType = FLOAT) -> Array:
    """Independent normal numbers with mean 0 and standard deviation ``scale``."""
    return xp.asarray((scale * rng.standard_normal(shape)).astype(dtype))


def xavier(rng: np.random.Generator, D: int, H: int, dtype: DType = FLOAT) -> Array:
    """``(D, H)`` weights with variance ``1 / D``: suits tanh [LeCun1998]_.

    A sum of ``D`` products then varies as much as one input does, so signals neither grow nor fade.
    [Glorot2010]_ averages ``D`` with ``H``, so that gradients on their way back keep their size as well.
    """
    return gaussian(rng, D, H, scale=D**-0.5, dtype=dtype)


def he(rng: np.random.Generator, D: int, H: int, dtype: DType = FLOAT) -> Array:
    """``(D, H)`` weights with variance ``2 / D``: suits ReLU, which stops half of it [He2015]_."""
    return gaussian(rng, D, H, scale=(2 / D) ** 0.5, dtype=dtype)


def zeros(*shape: int, dtype: DType = FLOAT) -> Array:
    """Biases may begin at zero: the weights have broken the tie already."""
    return xp.zeros(shape, dtype=dtype)
