"""Networks that choose one of several classes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from common.backend import FLOAT, Array, DType, to_numpy
from common.batches import require_id_rows
from common.functions import sigmoid
from common.initializers import he
from common.layers.activation import ReLU
from common.layers.base import Layer, Model, evaluating
from common.layers.dropout import Dropout
from common.layers.loss import SoftmaxWithLoss
from common.layers.make import Make
from common.layers.pooling import MaxPooling
from common.layers.sequential import Flatten, ResidualBlock, Sequential
from common.support.require import require_count, require_matrix, require_positive


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


# ---- classifiers without first weights or a learning rate


class NaiveBayes:
    """Which of two classes a text belongs to, by counting: every word has a vote of its own [Wang2012]_.

    How much more frequent a word is in the texts of class 1 than in those of class 0, as a logarithm, is its
    vote; the votes of a text are added up. That is the probability of the class by Bayes' rule, if the words
    of a text had nothing to do with each other, which is the naive part.

    Parameters
    ----------
    rows : sequence of N arrays
        Each a text to learn from, as a row of word ids.
    labels : (N,)
        0 or 1, both of them.
    pairs : bool
        Whether two words that follow each other have a vote, too.
    once : bool
        Whether a word counts once in a text, however often it occurs there.
    smoothing : float
        So many times each word is added to the texts of both classes: else a word that one class lacks would
        decide everything.

    Attributes
    ----------
    bias : float
        How much more texts there are of class 1, as a logarithm.
    codes : (F,) int64, ascending
        The words and pairs that were seen.
    votes : (F,)
        The vote of each.

    Raises
    ------
    ValueError
        The shapes do not fit, a class is missing, no text has a word, or ``smoothing`` is not above 0.
    """

    def __init__(
        self,
        rows: Sequence[np.ndarray],
        labels: np.ndarray,
        pairs: bool = False,
        once: bool = True,
        smoothing: float = 1.0,
    ) -> None:
        require_positive("smoothing", smoothing)
        labels = np.asarray(labels)
        require_two_classes("labels", labels, (len(require_id_rows(rows)),))
        self.pairs, self.once = pairs, once
        text, code = self.found(rows)
        if len(code) == 0:
            raise ValueError("rows holds no word; at least one text should have one.")
        self.codes, place = np.unique(code, return_inverse=True)
        text, place = self.counted(text, place)
        counts = [
            np.bincount(place[labels[text] == c], minlength=len(self.codes)) + smoothing for c in (0, 1)
        ]
        shares = [np.log(count / count.sum()) for count in counts]
        self.votes = shares[1] - shares[0]
        self.bias = float(np.log(np.mean(labels == 1) / np.mean(labels == 0)))

    def found(self, rows: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """What texts hold: the number of the text, and the code, of every word and pair."""
        text = np.repeat(np.arange(len(rows)), [len(row) for row in rows])
        ids = np.concatenate([np.empty(0, np.int64), *rows]).astype(np.int64)
        code = ids
        if self.pairs:
            inside = text[1:] == text[:-1]  # not the last word of a text and the first of the next
            code = np.concatenate([ids, pair_code(ids[:-1], ids[1:])[inside]])
            text = np.concatenate([text, text[1:][inside]])
        return text, code

    def counted(self, text: np.ndarray, place: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Of what texts hold, what counts: with ``once``, the same word in the same text once."""
        if not self.once:
            return text, place
        return np.divmod(np.unique(text * len(self.codes) + place), len(self.codes))

    def places(self, code: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where each code is in ``codes``, and whether it is there."""
        place = np.minimum(np.searchsorted(self.codes, code), len(self.codes) - 1)
        return place, self.codes[place] == code

    def vote(self, code: np.ndarray) -> np.ndarray:
        """The vote of each code; 0 for what was never seen."""
        place, known = self.places(code)
        return np.where(known, self.votes[place], 0.0)

    def scores(self, rows: Sequence[np.ndarray]) -> np.ndarray:
        """The logarithm of how much more probable class 1 is than class 0, for each text (N,)."""
        text, code = self.found(require_id_rows(rows))
        place, known = self.places(code)
        text, place = self.counted(text[known], place[known])
        return self.bias + np.bincount(text, self.votes[place], minlength=len(rows))

    def word_votes(self, row: np.ndarray) -> np.ndarray:
        """The vote of each word of a text (L,)."""
        return self.vote(np.asarray(row, np.int64))

    def pair_votes(self, row: np.ndarray) -> np.ndarray:
        """The vote of each two words of a text that follow each other (L - 1,); zeros if pairs have none."""
        row = np.asarray(row, np.int64)
        return self.vote(pair_code(row[:-1], row[1:]))

    def __repr__(self) -> str:
        return f"NaiveBayes({len(self.codes):,} votes, pairs={self.pairs}, once={self.once})"


def pair_code(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """One number for two ids, that no other two have, and no id of one word."""
    return (first + 1) << 32 | second


def require_two_classes(name: str, t: np.ndarray, shape: tuple[int, ...]) -> None:
    """Raise ValueError unless ``t`` has this shape and holds 0 and 1, both of them, and nothing else."""
    if t.shape != shape or set(np.unique(t)) != {0, 1}:
        raise ValueError(
            f"{name} has shape {t.shape}; it should be {shape}, with 0 for some and 1 for others."
        )


def logistic_regression(
    x: np.ndarray, t: np.ndarray, penalty: float = 1.0, steps: int = 100
) -> tuple[np.ndarray, float]:
    """The weights that tell two classes apart best, by a line: found by Newton's method.

    The loss ``sum(log(1 + exp(-s (x @ w + b)))) + penalty / 2 * w @ w``, with s = 1 for class 1 and -1 for
    class 0, has one lowest point, and each step goes to that of the parabola which fits the loss best.
    There is no learning rate and no first weights that a comparison could depend on.

    Parameters
    ----------
    x : (N, D)
    t : (N,)
        0 or 1, both of them.
    penalty : float
    steps : int
        The most that are taken; a handful is usual.

    Returns
    -------
    w : (D,)
    b : float
        Class 1 is chosen where ``x @ w + b > 0``.

    Raises
    ------
    ValueError
        The shapes do not fit, a class is missing, ``penalty`` is not above 0, or a number is NaN.
    """
    require_matrix("x", x)
    require_positive("penalty", penalty)
    require_count("steps", steps)
    t = np.asarray(t)
    require_two_classes("t", t, x.shape[:1])
    if not np.isfinite(x).all():
        raise ValueError("x holds NaN or infinity; it should be finite.")
    rows = np.column_stack([x, np.ones(len(x))]).astype(np.float64)  # (N, D + 1): b is the last weight
    decay = np.full(rows.shape[1], float(penalty))
    decay[-1] = 0
    w = np.zeros(rows.shape[1])
    loss = _logistic_loss(rows, t, w, decay)
    for _ in range(steps):
        p = sigmoid(rows @ w)
        gradient = rows.T @ (p - t) + decay * w
        curvature = (rows.T * (p * (1 - p))) @ rows + np.diag(decay)
        step = np.linalg.solve(curvature, gradient)
        size = 1.0
        while (after := _logistic_loss(rows, t, w - size * step, decay)) > loss and size > 1e-10:
            size /= 2  # far from the lowest point, the parabola may lead too far
        if after > loss:
            break  # as low as rounding lets it go
        w -= size * step
        if loss - after <= 1e-12 * abs(loss):
            break
        loss = after
    return w[:-1], float(w[-1])


def _logistic_loss(rows: np.ndarray, t: np.ndarray, w: np.ndarray, decay: np.ndarray) -> float:
    scores = rows @ w
    return float(np.logaddexp(0, np.where(t == 1, -scores, scores)).sum() + decay @ (w * w) / 2)
