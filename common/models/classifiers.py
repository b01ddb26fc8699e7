"""Networks that choose one of several classes."""

from __future__ import annotations

import numpy as np

from common.backend import Array, to_numpy
from common.layers.base import Layer, Model, evaluating
from common.layers.loss import SoftmaxWithLoss
from common.layers.sequential import Sequential
from common.support.require import require_count


class Classifier(Model):
    """Layers one after the other, whose last gives a score for each class, and the loss of the scores.

    Parameters
    ----------
    *layers : Layer
        Each with one input and one output.
    smoothing : float
        See ``SoftmaxWithLoss``.
    """

    def __init__(self, *layers: Layer, smoothing: float = 0.0) -> None:
        self.body = Sequential(*layers)
        self.loss = SoftmaxWithLoss(smoothing)

    def scores(self, x: Array) -> Array:
        """``x`` (N, ...) to a score for each class (N, C)."""
        return self.body.forward(x)

    def forward(self, x: Array, t: Array) -> Array:
        """The loss of inputs ``x`` (N, ...) and classes ``t`` (N,)."""
        return self.loss.forward(self.scores(x), t)

    def backward(self, dout: float = 1) -> Array:
        """The gradient of the loss, to that of ``x``."""
        return self.body.backward(self.loss.backward(dout))


def predict(model: Classifier, x: Array, batch_size: int = 1000) -> np.ndarray:
    """The scores (N, C) of all inputs, with nothing dropped and with running statistics.

    Parameters
    ----------
    model : Classifier
    x : (N, ...)
    batch_size : int
        So many at a time. It changes no score.
    """
    require_count("batch_size", batch_size)
    with evaluating(model):
        parts = [model.scores(x[i : i + batch_size]) for i in range(0, len(x), batch_size)]
    return np.concatenate([to_numpy(part) for part in parts])


def share_right(model: Classifier, x: Array, t: Array) -> float:
    """The share of inputs ``x`` whose largest score is that of the right class ``t``."""
    return float((predict(model, x).argmax(axis=1) == to_numpy(t)).mean())
