"""Networks that choose one of several classes."""

from __future__ import annotations

import numpy as np

from common.backend import FLOAT, Array, DType, to_numpy
from common.initializers import he
from common.layers.activation import ReLU
from common.layers.base import Layer, Model, evaluating
from common.layers.dropout import Dropout
from common.layers.loss import SoftmaxWithLoss
from common.layers.make import Make
from common.layers.pooling import MaxPooling
from common.layers.sequential import Flatten, ResidualBlock, Sequential
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


# ---- networks for digits: pictures (N, 1, 28, 28)
#
# Pooling comes before the ReLU: the largest of four numbers, cut off at 0, is the largest of the four that
# are cut off at 0, and there is only a quarter as much to cut.


def simple_convnet(rng: np.random.Generator, *, dtype: DType = FLOAT) -> Classifier:
    """One layer of 30 filters, and one of 100 neurons: 433,890 weights, of which the filters are 780."""
    make = Make(rng, dtype)
    return Classifier(
        *(make.convolution(1, 30, 5, first=True), MaxPooling(2), ReLU()),  # (N, 30, 12, 12)
        *(Flatten(), make.affine(30 * 12 * 12, 100, he), ReLU()),
        make.affine(100, 10),
    )


def lenet(rng: np.random.Generator, *, dtype: DType = FLOAT) -> Classifier:
    """LeNet-5 [LeCun1998b]_ with what is usual today: the largest of a window instead of a mean that learns,
    ReLU instead of tanh, all filters of the second layer over all channels, and Softmax. 61,706 weights."""
    make = Make(rng, dtype)
    return Classifier(
        *(make.convolution(1, 6, 5, padding=2, first=True), MaxPooling(2), ReLU()),  # (N, 6, 14, 14)
        *(make.convolution(6, 16, 5), MaxPooling(2), ReLU()),  # (N, 16, 5, 5)
        *(Flatten(), make.affine(16 * 5 * 5, 120, he), ReLU()),
        *(make.affine(120, 84, he), ReLU()),
        make.affine(84, 10),
    )


def deep_convnet(
    rng: np.random.Generator, channels: int = 32, dropout: float = 0.3, *, dtype: DType = FLOAT
) -> Classifier:
    """Six layers of filters with batch normalization, four of them in residual blocks [He2016]_.

    Parameters
    ----------
    rng : numpy.random.Generator
        Draws the weights, and later what is dropped.
    channels : int
        How many filters the first layers have; the last ones, on grids of 7 x 7, have twice as many.
    dropout : float
        The share of the last layer's inputs that is dropped in training.
    dtype : float type, of the weights
    """
    require_count("channels", channels)
    make, C = Make(rng, dtype), channels

    def block(C: int) -> ResidualBlock:
        one, two = (make.convolution(C, C, 3, padding=1) for _ in range(2))
        return ResidualBlock(one, make.batch_norm(C, axis=1), ReLU(), two, make.batch_norm(C, axis=1))

    return Classifier(
        *(
            make.convolution(1, C, 5, padding=2, first=True),
            MaxPooling(2),
            make.batch_norm(C, axis=1),
            ReLU(),
        ),
        *(block(C), ReLU()),  # (N, C, 14, 14)
        *(make.convolution(C, 2 * C, 3, padding=1), MaxPooling(2), make.batch_norm(2 * C, axis=1), ReLU()),
        *(block(2 * C), ReLU()),  # (N, 2 C, 7, 7)
        *(Flatten(), Dropout(dropout, rng), make.affine(2 * C * 7 * 7, 10)),
    )
