"""Layers with weights to begin with, from their sizes and a random generator."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from common.backend import FLOAT, Array, DType, xp
from common.initializers import gaussian, he, xavier, zeros
from common.layers.attention import MultiHeadAttention
from common.layers.convolution import Convolution, Sizes, for_each_axis
from common.layers.crf import CRF
from common.layers.dense import Affine, MatMul
from common.layers.embedding import Embedding
from common.layers.normalization import BatchNorm, LayerNorm
from common.layers.recurrent import LSTM, Recurrent
from common.support.require import require_counts, require_generator


@dataclass(frozen=True)
class Make:
    """Makes layers, one after the other, from one generator and in one float type.

    >>> make = Make(np.random.default_rng(0))
    >>> make.affine(2, 3)
    Affine(D=2, H=3)

    Parameters
    ----------
    rng : numpy.random.Generator
        Draws the weights.
    dtype : float type, of the weights
    """

    rng: np.random.Generator
    dtype: DType = FLOAT

    def __post_init__(self) -> None:
        require_generator("rng", self.rng)

    def matmul(self, D: int, H: int) -> MatMul:
        """Weights (D, H) of variance ``1 / D``."""
        require_counts(D=D, H=H)
        return MatMul(xavier(self.rng, D, H, dtype=self.dtype))

    def affine(self, D: int, H: int, weights: Callable[..., Array] = xavier) -> Affine:
        """Weights (D, H) of variance ``1 / D``, or as another initializer has them (``he``, before a ReLU);
        biases 0."""
        require_counts(D=D, H=H)
        return Affine(weights(self.rng, D, H, dtype=self.dtype), zeros(H, dtype=self.dtype))

    def convolution(
        self,
        C: int,
        F: int,
        size: Sizes,
        stride: Sizes = 1,
        padding: Sizes = 0,
        weights: Callable[..., Array] = he,
        first: bool = False,
    ) -> Convolution:
        """F filters over C channels, for pictures; with ``size=(k,)``, of one number, for lines.

        Each number of the output is a sum over a window, of D = C times its size numbers: the weights have
        the variance ``2 / D``, which suits a ReLU, or what another initializer makes of D. Biases are 0.
        """
        require_counts(C=C, F=F)
        window = for_each_axis("size", size, len(size) if isinstance(size, Sequence) else 2, least=1)
        W = weights(self.rng, C * math.prod(window), F, dtype=self.dtype).T.reshape(F, C, *window)
        return Convolution(xp.ascontiguousarray(W), zeros(F, dtype=self.dtype), stride, padding, first)

    def embedding(self, V: int, D: int, scale: float = 0.1) -> Embedding:
        """A vector (D,) for each of V words, its numbers of standard deviation ``scale``."""
        require_counts(V=V, D=D)
        return Embedding(gaussian(self.rng, V, D, scale=scale, dtype=self.dtype))

    def recurrent(self, layer: type[Recurrent], D: int, H: int, stateful: bool = False) -> Recurrent:
        """An RNN, LSTM or GRU: variances ``1 / D`` and ``1 / H``, biases 0.

        The forget gate of an LSTM begins open, with bias 1: what is not remembered at first is not missed,
        and remembering would be learned slowly [Jozefowicz2015]_.
        """
        require_counts(D=D, H=H)
        Wx = xavier(self.rng, D, layer.gates * H, dtype=self.dtype)
        Wh = xavier(self.rng, H, layer.gates * H, dtype=self.dtype)
        biases = [zeros(layer.gates * H, dtype=self.dtype) for _ in layer.names[2:]]
        if layer is LSTM:
            biases[0][2 * H : 3 * H] = 1
        return layer(Wx, Wh, *biases, stateful=stateful)

    def crf(self, K: int) -> CRF:
        """Scores 0 for all moves between K tags: at first each tag is chosen by itself."""
        require_counts(K=K)
        return CRF(*(zeros(*shape, dtype=self.dtype) for shape in ((K, K), (K,), (K,))))

    def layer_norm(self, D: int) -> LayerNorm:
        """Gains 1 and biases 0: nothing but the normalization, at first."""
        require_counts(D=D)
        return LayerNorm(xp.ones(D, dtype=self.dtype), zeros(D, dtype=self.dtype))

    def batch_norm(self, D: int, momentum: float = 0.1, axis: int = -1) -> BatchNorm:
        """Gains 1 and biases 0; the running mean 0 and variance 1, of which each batch replaces the share
        ``momentum``. For pictures (N, D, H, W), ``axis`` is 1."""
        require_counts(D=D)
        return BatchNorm(xp.ones(D, dtype=self.dtype), zeros(D, dtype=self.dtype), momentum, axis=axis)

    def attention(self, D: int, heads: int, causal: bool = False, alibi: bool = False) -> MultiHeadAttention:
        """Four layers (D, D), all with weights of variance ``1 / D``."""
        query, key, value, out = self.affine(D, D), self.matmul(D, D), self.affine(D, D), self.affine(D, D)
        return MultiHeadAttention(query, key, value, out, heads, causal, alibi)
