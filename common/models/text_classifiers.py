"""Networks that read a text, as a row of word ids, and choose one of several classes.

Texts come in batches (N, T), filled up with PAD on the right (``fill_up`` of ``common.batches``). A network
of this file has three parts: vectors of the words (N, T, D); a **reader** that makes of them one row of
numbers for each text (N, H); and layers that make of it a score for each class (N, C). What differs is the
reader:

================  ==============================================================
``MeanOverTime``  the mean of what stands at each word: nobody asks for the order
``MaxOverTime``   filters over windows of words, and the largest of each
``LastState``     a recurrent layer, and what it knows after the last word
================  ==============================================================

``MeanOverTime`` may have layers of its own between the vectors and the mean: a recurrent layer, say, or the
blocks of a Transformer's encoder. Padding counts for nothing anywhere: what company a text is in changes none
of its scores, and none of its gradients.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from common.backend import FLOAT, Array, DType, to_numpy, xp
from common.batches import fill_up, require_id_rows
from common.layers.base import Layer, Model, evaluating
from common.layers.convolution import Convolution
from common.layers.dense import Affine
from common.layers.dropout import Dropout
from common.layers.embedding import Embedding
from common.layers.make import Make
from common.layers.pooling import GlobalAveragePooling, GlobalMaxPooling
from common.layers.recurrent import LSTM, Recurrent
from common.models.classifiers import Classifier
from common.models.transformer import Blocks, PositionedEmbedding
from common.quantization import quantize
from common.support.files import read_npz, write_npz
from common.support.require import (
    require_count,
    require_counts,
    require_matrix,
    require_several,
    require_shape,
    require_string,
)
from common.text.rows import PAD, SPECIALS, padding_mask
from common.text.tokens import tokenize_ascii
from common.text.vocabulary import Vocabulary, lines_to_words, words_to_lines

UNKNOWN = "<unk>"
"""Stands for each word that a classifier does not know."""

FIRST = (SPECIALS[PAD], UNKNOWN)
"""The special words of a classifier's vocabulary, which come first."""


class TextClassifier(Classifier):
    """Vectors of words, a reader, and layers whose last gives a score for each class.

    Parameters
    ----------
    embedding : Embedding or PositionedEmbedding
        From ids (N, T) to vectors (N, T, D).
    reader : Layer
        From vectors (N, T, D) and a mask (N, T) to (N, H).
    *head : Layer
        One after the other, from (N, H) to scores (N, C).
    smoothing : float
        See ``SoftmaxWithLoss``.
    """

    def __init__(self, embedding: Layer, reader: Layer, *head: Layer, smoothing: float = 0.0) -> None:
        self.embedding, self.reader = embedding, reader
        super().__init__(*head, smoothing=smoothing)

    def scores(self, x: Array) -> Array:
        """Ids ``x`` (N, T), filled up with PAD, to a score for each class (N, C)."""
        return self.body.forward(self.reader.forward(self.embedding.forward(x), padding_mask(x)))

    def backward(self, dout: float = 1) -> None:  # type: ignore[override]  # ids have no gradient
        """Leave all gradients of the loss in ``grads``."""
        self.embedding.backward(self.reader.backward(self.body.backward(self.loss.backward(dout))))


# ---- readers: from vectors (N, T, D) and a mask (N, T) to (N, H)


class MeanOverTime(Model):
    """The mean over the words of a text [Iyyer2015]_, of their vectors or of what layers make of these.

    Parameters
    ----------
    *layers : Layer
        From (N, T, D) and the mask to (N, T, H), one after the other.
    """

    def __init__(self, *layers: Layer) -> None:
        self.layers, self.pool = list(layers), GlobalAveragePooling()

    def forward(self, xs: Array, mask: Array) -> Array:
        """``xs`` (N, T, D) and ``mask`` (N, T) to (N, H); zeros where a text has no word."""
        for layer in self.layers:
            xs = layer.forward(xs, mask)
        return self.pool.forward(xs.swapaxes(1, 2), mask)

    def backward(self, dout: Array) -> Array:
        """``dout`` (N, H) to the gradient of xs (N, T, D)."""
        dxs = self.pool.backward(dout).swapaxes(1, 2)
        for layer in reversed(self.layers):
            dxs = layer.backward(dxs)
        return dxs


class MaxOverTime(Model):
    """Filters over windows of words, and of each filter the largest that it finds in a text [Kim2014]_.

    Each word begins one window of each width, in which the words after it follow; behind the last word stand
    zeros. So a text of one word has a window, too, however wide.

    Parameters
    ----------
    *convolutions : Convolution
        (F, D, k) each, with stride 1 and no padding; usually of several widths k.
    """

    def __init__(self, *convolutions: Convolution) -> None:
        for i, layer in enumerate(convolutions):
            if len(layer.size) != 1 or layer.stride != (1,) or layer.padding != (0,):
                raise ValueError(
                    f"convolutions[{i}] is {layer}; it should be over lines, stride 1, no padding."
                )
        if not convolutions:
            raise ValueError("convolutions is empty; there should be at least one.")
        self.convolutions = list(convolutions)
        self.pools = [GlobalMaxPooling() for _ in convolutions]
        self.widths = [layer.size[0] for layer in convolutions]

    def forward(self, xs: Array, mask: Array) -> Array:
        """``xs`` (N, T, D) and ``mask`` (N, T) to (N, H), cut off at 0; H is the number of all filters."""
        (N, T, D), room = xs.shape, max(self.widths) - 1
        line = xp.zeros((D, T + room, N), dtype=xs.dtype)  # as convolutions want it: texts side by side
        line[:, :T] = (xs * mask[..., None]).T
        x = xp.moveaxis(line, -1, 0)  # (N, D, T + room)
        found = [
            pool.forward(layer.forward(x[:, :, : T + k - 1]), mask)  # (N, F, T) to (N, F)
            for layer, pool, k in zip(self.convolutions, self.pools, self.widths)
        ]
        y = xp.concatenate(found, axis=1)
        self.mask, self.positive = mask, y > 0
        return y * self.positive

    def backward(self, dout: Array) -> Array:
        """``dout`` (N, H) to the gradient of xs (N, T, D)."""
        T = self.mask.shape[1]
        require_shape("dout", dout, self.positive.shape)
        dout = dout * self.positive
        ends = np.cumsum([len(layer.params[0]) for layer in self.convolutions]).tolist()
        parts = [dout[:, first:end] for first, end in zip([0, *ends], ends)]
        each = zip(self.convolutions, self.pools, parts)
        dx, *others = [layer.backward(pool.backward(part))[:, :, :T] for layer, pool, part in each]
        for more in others:  # of the other widths
            dx = dx + more
        return dx.swapaxes(1, 2) * self.mask[..., None]


class LastState(Model):
    """A recurrent layer, and its state after the last word of each text.

    Parameters
    ----------
    layer : Recurrent
    """

    def __init__(self, layer: Recurrent) -> None:
        self.layer = layer

    def forward(self, xs: Array, mask: Array | None = None) -> Array:
        """``xs`` (N, T, D) and ``mask`` (N, T) to (N, H): where the mask is False, a state stays."""
        hs = self.layer.forward(xs, mask)
        self.shape = hs.shape
        return hs[:, -1]

    def backward(self, dout: Array) -> Array:
        """``dout`` (N, H) to the gradient of xs (N, T, D)."""
        require_shape("dout", dout, (self.shape[0], self.shape[2]))
        return self.layer.backward(xp.zeros(self.shape, dtype=dout.dtype), dout)


# ---- networks, from their sizes and a generator


def mean_classifier(
    V: int,
    D: int,
    rng: np.random.Generator,
    *,
    dropout: float = 0.0,
    classes: int = 2,
    vectors: Array | None = None,
    fixed: bool = False,
    dtype: DType = FLOAT,
) -> TextClassifier:
    """The mean of the words' vectors, and a line between the classes [Iyyer2015]_.

    Parameters
    ----------
    V, D : int
        Words, and numbers of a vector.
    rng : numpy.random.Generator
        Draws the weights, and later what is dropped.
    dropout : float
        The share of the mean's numbers that is dropped in training.
    classes : int
    vectors : (V, D), optional
        The vectors to begin with; drawn, if they are not given.
    fixed : bool
        Whether the vectors stay as they are.
    dtype : float type, of the weights
    """
    make = Make(rng, dtype)
    embedding = start(make, V, D, vectors, fixed)
    return TextClassifier(embedding, MeanOverTime(), *drop(dropout, rng), make.affine(D, classes))


def text_cnn(
    V: int,
    D: int,
    rng: np.random.Generator,
    *,
    widths: Sequence[int] = (3, 4, 5),
    filters: int = 100,
    dropout: float = 0.5,
    classes: int = 2,
    vectors: Array | None = None,
    fixed: bool = False,
    dtype: DType = FLOAT,
) -> TextClassifier:
    """Filters over windows of several widths, the largest of each, and a line between the classes [Kim2014]_.

    Parameters
    ----------
    widths : sequence of int
        Of the windows, in words.
    filters : int
        So many of each width.
    V, D, rng, dropout, classes, vectors, fixed, dtype
        See ``mean_classifier``.
    """
    require_counts(filters=filters)
    make = Make(rng, dtype)
    embedding = start(make, V, D, vectors, fixed)
    reader = MaxOverTime(*(make.convolution(D, filters, (width,)) for width in widths))
    head = make.affine(filters * len(widths), classes)
    return TextClassifier(embedding, reader, *drop(dropout, rng), head)


def lstm_classifier(
    V: int,
    D: int,
    H: int,
    rng: np.random.Generator,
    *,
    over_time: Callable[[Recurrent], Layer] = MeanOverTime,
    dropout: float = 0.0,
    classes: int = 2,
    vectors: Array | None = None,
    fixed: bool = False,
    dtype: DType = FLOAT,
) -> TextClassifier:
    """An LSTM over the words, and a line between the classes [Hochreiter1997]_.

    Parameters
    ----------
    H : int
        Numbers of a state.
    over_time : class
        What is made of the states: ``MeanOverTime`` or ``LastState``.
    V, D, rng, dropout, classes, vectors, fixed, dtype
        See ``mean_classifier``.
    """
    make = Make(rng, dtype)
    embedding = start(make, V, D, vectors, fixed)
    reader = over_time(make.recurrent(LSTM, D, H))
    return TextClassifier(embedding, reader, *drop(dropout, rng), make.affine(H, classes))


def transformer_classifier(
    V: int,
    D: int,
    H: int,
    rng: np.random.Generator,
    *,
    depth: int = 2,
    heads: int = 4,
    dropout: float = 0.1,
    classes: int = 2,
    vectors: Array | None = None,
    dtype: DType = FLOAT,
) -> TextClassifier:
    """The encoder of a Transformer, the mean of what it makes of each word, and a line between the classes
    [Vaswani2017]_.

    Parameters
    ----------
    H : int
        Size of the hidden layer in each block's network.
    depth, heads : int
        Blocks, and heads of each; heads divides D.
    dropout : float
        The share that is dropped of each embedding, of what each layer adds, and of the mean.
    vectors : (V, D), optional
        The vectors to begin with, as large as those of another network; positions are added to them.
    V, D, rng, classes, dtype
        See ``mean_classifier``.
    """
    require_counts(depth=depth)
    make = Make(rng, dtype)
    blocks = Blocks(make, D, H, heads, dropout, norm_first=True)
    W = start(make, V, D, vectors, fixed=False).params[0]
    if vectors is None:
        W *= np.float64(D**-0.5 / SCALE).astype(W.dtype)
    embedding = PositionedEmbedding(W, blocks.drop())
    reader = MeanOverTime(*(blocks.encoder() for _ in range(depth)))
    head = [make.layer_norm(D), *drop(dropout, rng), make.affine(D, classes)]
    return TextClassifier(embedding, reader, *head)


SCALE = 0.1
"""The standard deviation of vectors that are drawn."""


def start(make: Make, V: int, D: int, vectors: Array | None, fixed: bool) -> Embedding:
    """The vectors to begin with: a copy of those that are given, or drawn."""
    require_counts(V=V, D=D)
    if vectors is None:
        return Embedding(make.embedding(V, D, SCALE).params[0], fixed)
    require_shape("vectors", vectors, (V, D))
    return Embedding(xp.array(vectors, dtype=make.dtype), fixed)


def drop(ratio: float, rng: np.random.Generator) -> list[Dropout]:
    """A layer that drops, if anything is to be dropped."""
    return [Dropout(ratio, rng)] if ratio else []


# ---- what comes before and after


def text_vocabulary(counts: dict[str, int], max_size: int | None = None, min_count: int = 1) -> Vocabulary:
    """The vocabulary of a classifier: ``<pad>``, ``<unk>``, and the most frequent words that were counted.

    Parameters
    ----------
    counts : dict
        How often each word occurs: ``reviews.counts``.
    max_size : int, optional
        The most words to keep, the two included.
    min_count : int
        Words that are rarer are left out.
    """
    return Vocabulary.from_counts(counts, min_count, max_size, UNKNOWN, FIRST)


def with_pairs(rows: Sequence[Array], V: int, buckets: int) -> list[np.ndarray]:
    """Texts as rows of ids, and behind its words the pairs of each: two words that follow each other.

    There are too many pairs for each to have an id of its own. They share ``buckets`` ids, from V on, and
    which one a pair gets is as good as chance [Joulin2017]_.

    Parameters
    ----------
    rows : sequence of N arrays
    V : int
        Words of the vocabulary; a network of these rows has V + buckets.
    buckets : int
    """
    require_counts(V=V, buckets=buckets)
    texts = [to_numpy(row).astype(np.int64) for row in require_id_rows(rows)]
    pairs = [(row[:-1] * 1_000_003 + row[1:] * 8_191) % buckets + V for row in texts]
    return [np.concatenate(both).astype(np.int32) for both in zip(texts, pairs)]


def vocabulary_with_vectors(words: Sequence[str], vectors: Array) -> tuple[Vocabulary, Array]:
    """A classifier's vocabulary of words that have vectors, and a vector for each: zeros for the two special
    words, which come first.

    Parameters
    ----------
    words : sequence of V words
    vectors : (V, D)

    Returns
    -------
    vocabulary : Vocabulary
    vectors : (V + 2, D)
    """
    require_several("words", words)
    require_matrix("vectors", vectors)
    require_shape("vectors", vectors, (len(words), vectors.shape[1]))
    none = np.zeros((len(FIRST), vectors.shape[1]), dtype=vectors.dtype)
    return Vocabulary([*FIRST, *words], unknown=UNKNOWN), xp.asarray(
        np.concatenate([none, to_numpy(vectors)])
    )


# ---- a mean and a line: one score for each word


@dataclass(frozen=True, eq=False)
class WordScores:
    """What a mean of vectors and a line between two classes come to: one number for each word.

    The line is the same for the mean of the vectors as for each vector, and so a text's score is the mean of
    its words' scores. They are kept in whole numbers of one byte.

    Attributes
    ----------
    words : tuple of V words
        The first is ``<unk>``, which stands for all that are not there.
    numbers : (V,) int8
        Times ``scale``, the scores of the words: above 0 they speak for class 1.
    scale : float
    bias : float
        What is added to the mean.
    """

    words: tuple[str, ...]
    numbers: np.ndarray
    scale: float
    bias: float

    def __post_init__(self) -> None:
        if self.numbers.dtype != np.int8 or self.numbers.shape != (len(self.words),) or not self.words:
            raise ValueError(
                f"numbers are {self.numbers.dtype} {self.numbers.shape}; they should be int8, one for each "
                f"of {len(self.words)} words, and there should be a word."
            )

    @cached_property
    def ids(self) -> dict[str, int]:
        return {word: i for i, word in enumerate(self.words)}

    def of(self, text: str) -> tuple[list[str], np.ndarray]:
        """The tokens of a text, and the score of each (L,).

        Raises
        ------
        ValueError
            The text holds no word, or none that is known.
        """
        require_string("text", text)
        tokens = tokenize_ascii(text.replace("\u2019", "'"))
        if not tokens:
            raise ValueError(f"text is {text[:40]!r}; it should hold at least one word.")
        ids = np.array([self.ids.get(token, 0) for token in tokens])
        if not ids.any():
            raise ValueError(f"text is {text[:40]!r}; it should hold at least one word that is known.")
        return tokens, self.numbers[ids] * self.scale

    def score(self, text: str) -> float:
        """How much speaks for class 1: the logarithm of how much more probable it is than class 0."""
        return float(self.of(text)[1].mean() + self.bias)

    def packed(self) -> dict[str, Any]:
        """As JSON can hold it: words in one string, bytes in base64."""
        numbers = base64.b64encode(np.ascontiguousarray(self.numbers).tobytes()).decode("ascii")
        return {"words": " ".join(self.words), "numbers": numbers, "scale": self.scale, "bias": self.bias}

    def save(self, path: str | os.PathLike) -> None:
        """Write an ``.npz`` file, in one step."""
        arrays = {"words": words_to_lines(self.words), "numbers": self.numbers}
        write_npz(path, arrays | {"line": np.array([self.scale, self.bias])}, compressed=True)

    @classmethod
    def load(cls, path: str | os.PathLike) -> WordScores:
        """Read what ``save`` wrote."""
        arrays = read_npz(path)
        if set(arrays) != {"words", "numbers", "line"}:
            raise ValueError(f"{path} holds {', '.join(arrays)}; it should hold words, numbers and line.")
        scale, bias = map(float, arrays["line"])
        return cls(tuple(lines_to_words(arrays["words"])), arrays["numbers"], scale, bias)

    def __repr__(self) -> str:
        return f"WordScores({len(self.words):,} words)"


def word_scores(model: TextClassifier, vocabulary: Vocabulary, size: int = 10_000) -> WordScores:
    """The scores of the first words of a vocabulary, from a trained ``mean_classifier`` of two classes.

    Parameters
    ----------
    model : TextClassifier
    vocabulary : Vocabulary
        ``<pad>``, ``<unk>``, then the others, the most frequent first.
    size : int
        So many words, ``<unk>`` included.
    """
    require_count("size", size)
    *before, affine = model.body.layers
    reader = model.reader
    plain = isinstance(reader, MeanOverTime) and not reader.layers and isinstance(model.embedding, Embedding)
    plain = plain and all(isinstance(layer, Dropout) for layer in before)
    if not plain or not isinstance(affine, Affine) or affine.params[1].shape != (2,):
        raise ValueError(
            f"model is {model!r}; it should be a mean_classifier of two classes.".replace("\n", " ")
        )
    if vocabulary.words[:2] != FIRST or len(vocabulary) != len(model.params[0]):
        raise ValueError(
            f"vocabulary has {len(vocabulary)} words and begins with {vocabulary.words[:2]}; it should have "
            f"{len(model.params[0])}, as the model, and begin with {FIRST}."
        )
    W, b = map(to_numpy, affine.params)
    scores = to_numpy(model.embedding.params[0])[1 : size + 1] @ (W[:, 1] - W[:, 0])
    numbers, scales = quantize(scores[None])
    return WordScores(vocabulary.words[1 : size + 1], numbers[0], float(scales[0]), float(b[1] - b[0]))


# ---- answers


def predict_rows(model: TextClassifier, rows: Sequence[Array], batch_size: int = 100) -> np.ndarray:
    """The scores (N, C) of texts of any lengths, each as a row of ids, with nothing dropped.

    Parameters
    ----------
    model : TextClassifier
    rows : sequence of N arrays
    batch_size : int
        So many at a time, which are about as long. It changes no score.
    """
    require_count("batch_size", batch_size)
    order = np.argsort([len(row) for row in require_id_rows(rows)], kind="stable")
    batches = [order[i : i + batch_size] for i in range(0, len(order), batch_size)]
    with evaluating(model):
        parts = [to_numpy(model.scores(fill_up([rows[k] for k in batch], PAD))) for batch in batches]
    scores = np.empty((len(rows), parts[0].shape[1]), dtype=parts[0].dtype)
    scores[order] = np.concatenate(parts)
    return scores


def share_of_rows_right(model: TextClassifier, rows: Sequence[Array], t: np.ndarray) -> float:
    """The share of texts whose largest score is that of the right class ``t`` (N,)."""
    require_shape("t", np.asarray(t), (len(rows),))
    return float((predict_rows(model, rows).argmax(axis=1) == to_numpy(t)).mean())
