"""Language models: what comes next, given all that came before."""

from __future__ import annotations

import numpy as np

from common.backend import FLOAT, Array, DType
from common.initializers import xavier, zeros
from common.layers.base import Layer, Model
from common.layers.dropout import Dropout, VariationalDropout
from common.layers.loss import AffineSoftmaxWithLoss
from common.layers.make import Make
from common.layers.recurrent import GRU, LSTM, RNN, Recurrent
from common.support.require import require_counts


class LanguageModel(Model):
    """Embedding, recurrent layers, Affine, softmax: scores for the next word after each word.

    Parameters
    ----------
    V, D, H : int
        Number of words, size of a word vector, size of the hidden state.
    rng : numpy.random.Generator
        Draws the first weights, and later what is dropped.
    layer : class
        RNN, LSTM or GRU.
    depth : int
        How many recurrent layers, one above the other.
    dropout : float
        Ratio of what is dropped before, between and after the recurrent layers.
    variational : bool
        Drop the same numbers at all time steps of a block [Gal2016]_.
    tied : bool
        Words in and words out share one matrix [Press2017]_; D and H should then be equal.
    dtype : float type, of the weights
    """

    def __init__(
        self,
        V: int,
        D: int,
        H: int,
        rng: np.random.Generator,
        layer: type[Recurrent] = LSTM,
        depth: int = 1,
        dropout: float = 0.0,
        variational: bool = False,
        tied: bool = False,
        *,
        dtype: DType = FLOAT,
    ) -> None:
        require_counts(V=V, D=D, H=H, depth=depth)
        if tied and D != H:
            raise ValueError(f"D is {D} and H is {H}; they should be equal when tied=True.")
        if layer not in (RNN, LSTM, GRU):
            raise ValueError(f"layer is {layer!r}; it should be RNN, LSTM or GRU.")
        drop = VariationalDropout if variational else Dropout
        dropouts = [drop(dropout, rng) for _ in range(depth + 1)] if dropout else []
        make = Make(rng, dtype)
        self.embedding = make.embedding(V, D)
        self.layers: list[Layer] = [*dropouts[:1]]
        for i in range(depth):
            self.layers.append(make.recurrent(layer, D if i == 0 else H, H, stateful=True))
            self.layers += dropouts[i + 1 : i + 2]
        W = self.embedding.params[0].T if tied else xavier(rng, H, V, dtype=dtype)
        self.output = AffineSoftmaxWithLoss(W, zeros(V, dtype=dtype))

    def hidden(self, xs: Array) -> Array:
        """Ids ``xs`` (N, T) to what the last of ``layers`` gives after each word, (N, T, H)."""
        hs = self.embedding.forward(xs)
        for layer in self.layers:
            hs = layer.forward(hs)
        return hs

    def predict(self, xs: Array) -> Array:
        """Ids ``xs`` (N, T) to the scores of each next word, (N, T, V)."""
        return self.output.scores(self.hidden(xs))

    def forward(self, xs: Array, ts: Array, mask: Array | None = None) -> Array:
        """Ids ``xs`` (N, T) and the words that follow each, ``ts`` (N, T), to the loss."""
        return self.output.forward(self.hidden(xs), ts, mask)

    def backward(self, dout: float = 1) -> None:
        """Leave all gradients in ``grads``."""
        dhs = self.output.backward(dout)
        for layer in reversed(self.layers):
            dhs = layer.backward(dhs)
        self.embedding.backward(dhs)
