"""Networks that say of each word of a sentence whether it belongs to a name, and to what kind of name.

A tagger sees of a word its vector and its shape, that is, whether it is written with a capital. It reads the
words around it in one of two ways, through a window [Collobert2008]_ or with an LSTM in each direction, and
gives a score to each tag. The best tag is taken for each word by itself, or, with a CRF on top [Huang2015]_,
the best row of tags for the sentence.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np

from common.backend import FLOAT, Array, DType, to_numpy, xp
from common.batches import Prepared
from common.initializers import he
from common.layers.activation import ReLU
from common.layers.base import Layer, Model, evaluating
from common.layers.crf import CRF, viterbi
from common.layers.dropout import Dropout
from common.layers.loss import SoftmaxWithLoss
from common.layers.make import Make
from common.layers.recurrent import LSTM
from common.layers.stack import Bidirectional
from common.support.require import require_count, require_counts, require_several
from common.text.spans import OUTSIDE, allowed_moves
from common.text.tokens import tokenize_as_written
from common.text.vocabulary import Vocabulary

TAGS = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC")

SHAPES = ("<pad>", "small", "Capital", "CAPITALS", "one capital", "miXed", "number", "mark")
"""What a word looks like."""

PAD, UNKNOWN = "<pad>", "<unk>"

Sentence = Sequence[tuple[str, str]]


def shape_of(word: str) -> str:
    """Which of ``SHAPES`` a word has."""
    if not word.isalpha():
        return "number" if word.isdecimal() else "mark"
    if word.islower() or not word[0].isupper():
        return "small" if word == word.lower() else "miXed"
    if len(word) == 1:
        return "one capital"
    return "CAPITALS" if word.isupper() else "Capital" if word[1:].islower() else "miXed"


def word_vocabulary(sentences: Sequence[Sentence], min_count: int = 2) -> Vocabulary:
    """The words of sentences in small letters, with ``<pad>`` and ``<unk>``, which stands for rare words."""
    counts = Counter(word.lower() for sentence in sentences for word, _ in sentence)
    return Vocabulary.from_counts(counts, min_count, unknown=UNKNOWN, specials=[PAD, UNKNOWN])


class Window(Model):
    """Of each word what a window around it gives: its words side by side, a dense layer, ReLU.

    That is a convolution along the sentence. Beyond its ends a window sees zeros.

    Parameters
    ----------
    make : Make
    D, H : int
        Numbers for a word, in and out.
    width : int
        How many words the window has, an odd number: the word itself, and as many to either side.
    """

    def __init__(self, make: Make, D: int, H: int, width: int) -> None:
        require_count("width", width)
        if width % 2 == 0:
            raise ValueError(f"width is {width}; it should be odd: the word, and as many to either side.")
        self.convolution = make.convolution(D, H, (width,), padding=width // 2, weights=he)
        self.relu = ReLU()

    def forward(self, xs: Array, mask: Array | None = None) -> Array:
        """``xs`` (N, T, D) to (N, T, H). Where nothing is read, ``xs`` should be zero."""
        return self.relu.forward(self.convolution.forward(xs.transpose(0, 2, 1))).transpose(0, 2, 1)

    def backward(self, dhs: Array) -> Array:
        """``dhs`` (N, T, H) to the gradient of ``xs``."""
        return self.convolution.backward(self.relu.backward(dhs.transpose(0, 2, 1))).transpose(0, 2, 1)


class Tagger(Model):
    """Vectors of words and shapes, a reader, scores of tags, and their loss.

    Parameters
    ----------
    vocabulary : Vocabulary
        Words in small letters; its first is ``<pad>``, and it has an unknown word.
    D, H : int
        Numbers of a word's vector, and of what the reader gives (for the LSTMs, both directions together).
    rng : numpy.random.Generator
        Draws the first weights, and later what is dropped.
    width : int, optional
        How many words the window has. Without it, two LSTMs read the sentence from either end.
    crf : bool
        Whether rows of tags are scored as a whole.
    dropout : float
        The share of what is dropped of a word's vectors, and of what the reader gives.
    vectors : (V, D), optional
        The first vectors of the words, instead of random ones.
    capitals : bool
        Whether it sees the shapes of words.
    tags : sequence of str
    dtype : float type, of the weights
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        D: int,
        H: int,
        rng: np.random.Generator,
        width: int | None = None,
        crf: bool = False,
        dropout: float = 0.3,
        vectors: np.ndarray | None = None,
        capitals: bool = True,
        tags: Sequence[str] = TAGS,
        *,
        dtype: DType = FLOAT,
    ) -> None:
        require_counts(D=D, H=H)
        require_several("tags", tags)
        if vocabulary.words[0] != PAD or vocabulary.unknown is None:
            raise ValueError(
                f"vocabulary begins with {vocabulary.words[0]!r} and its unknown word is "
                f"{vocabulary.unknown!r}; it should begin with {PAD!r}, and have one: see word_vocabulary."
            )
        if width is None and H % 2:
            raise ValueError(f"H is {H}; it should be even, with half of it for each direction.")
        make, S = Make(rng, dtype), len(SHAPES)
        self.vocabulary, self.tags, self.capitals = vocabulary, tuple(tags), capitals
        self.words, self.shapes = make.embedding(len(vocabulary), D), make.embedding(S, S)
        if vectors is not None:
            if vectors.shape != (len(vocabulary), D):
                raise ValueError(
                    f"vectors has shape {vectors.shape}; it should be ({len(vocabulary)}, {D}), a row for "
                    "each word of the vocabulary."
                )
            self.words.params[0][...] = xp.asarray(vectors, dtype=dtype)
        self.drop_words, self.drop_read = Dropout(dropout, rng), Dropout(dropout, rng)
        self.reader: Layer
        if width is None:
            ways = [make.recurrent(LSTM, D + S, H // 2) for _ in range(2)]
            self.reader = Bidirectional(*ways)
        else:
            self.reader = Window(make, D + S, H, width)
        self.affine = make.affine(H, len(self.tags))
        self.loss: Layer = make.crf(len(self.tags)) if crf else SoftmaxWithLoss()

    # From words to arrays

    def encode(self, sentences: Sequence[Sequence[str]]) -> tuple[Array, Array, Array]:
        """Sentences, each a list of words, to the ids of words and of shapes, and which of them are words.

        Returns
        -------
        ids, shapes : (N, T) whole numbers
        mask : (N, T) booleans
            False behind the last word of a sentence.
        """
        lengths = [len(words) for words in sentences]
        if not lengths or min(lengths) == 0:
            where = f"sentence {lengths.index(0)}" if lengths else "the list"
            raise ValueError(f"{where} is empty; it should have at least one word.")
        for i, words in enumerate(sentences):
            require_several(f"sentence {i}", words)
        ids, shapes = np.zeros((2, len(sentences), max(lengths)), dtype=np.int32)
        for row, row_of_shapes, words in zip(ids, shapes, sentences):
            row[: len(words)] = [self.vocabulary.ids.get(word.lower(), self._unknown) for word in words]
            row_of_shapes[: len(words)] = [
                SHAPES.index(shape_of(word)) if self.capitals else 1 for word in words
            ]
        mask = np.arange(max(lengths)) < np.array(lengths)[:, None]
        return xp.asarray(ids), xp.asarray(shapes), xp.asarray(mask)

    @property
    def _unknown(self) -> int:
        return self.vocabulary[str(self.vocabulary.unknown)]

    def encode_tags(self, rows: Sequence[Sequence[str]]) -> Array:
        """Tags of sentences to their numbers (N, T), 0 behind the last."""
        number = {tag: i for i, tag in enumerate(self.tags)}
        for tag in {tag for row in rows for tag in row}:
            if tag not in number:
                raise ValueError(f"a tag is {tag!r}; it should be one of {', '.join(self.tags)}.")
        t = np.zeros((len(rows), max(map(len, rows))), dtype=np.int32)
        for numbers, row in zip(t, rows):
            numbers[: len(row)] = [number[tag] for tag in row]
        return xp.asarray(t)

    # The network

    def scores(self, ids: Array, shapes: Array, mask: Array) -> Array:
        """The score of each tag at each word, (N, T, K)."""
        xs = xp.concatenate([self.words.forward(ids), self.shapes.forward(shapes)], axis=2)
        self.read = mask[:, :, None]
        xs = self.drop_words.forward(xs * self.read)
        return self.affine.forward(self.drop_read.forward(self.reader.forward(xs, mask)))

    def forward(self, ids: Array, shapes: Array, t: Array, mask: Array) -> Array:
        """The loss of sentences and their tags ``t`` (N, T), a mean over words."""
        return self.loss.forward(self.scores(ids, shapes, mask), t, mask)

    def backward(self, dout: float = 1) -> None:
        """Leave all gradients in ``grads``."""
        dhs = self.drop_read.backward(self.affine.backward(self.loss.backward(dout)))
        dxs = self.drop_words.backward(self.reader.backward(dhs)) * self.read
        D = self.words.params[0].shape[1]
        self.words.backward(dxs[:, :, :D])
        self.shapes.backward(dxs[:, :, D:])


def tagger_batches(model: Tagger, sentences: Sequence[Sentence], batch_size: int = 32) -> Prepared:
    """Sentences with their tags as batches for ``Trainer.fit``, those of like length together.

    Parameters
    ----------
    model : Tagger
        Knows the ids of words and tags.
    sentences : sequence of lists of (word, tag)
    batch_size : int
    """
    require_count("batch_size", batch_size)
    order = sorted(range(len(sentences)), key=lambda i: len(sentences[i]))
    batches = []
    for at in range(0, len(order), batch_size):
        rows = [list(zip(*sentences[i])) for i in order[at : at + batch_size]]
        ids, shapes, mask = model.encode([words for words, _ in rows])
        batches.append((ids, shapes, model.encode_tags([tags for _, tags in rows]), mask))
    return Prepared(batches)


def predict_tags(
    model: Tagger, sentences: Sequence[Sequence[str]], rules: bool = True, batch_size: int = 100
) -> list[list[str]]:
    """The tags that a model gives to the words of sentences.

    Parameters
    ----------
    model : Tagger
    sentences : sequence of lists of words
    rules : bool
        Whether an ``I-`` may only follow where a name of its type goes on.
    batch_size : int
        So many at a time. It changes no tag.
    """
    require_count("batch_size", batch_size)
    transitions, start, end = decoding_scores(model, rules)
    order = sorted(range(len(sentences)), key=lambda i: len(sentences[i]))
    found: dict[int, list[str]] = {}
    with evaluating(model):
        for at in range(0, len(order), batch_size):
            some = order[at : at + batch_size]
            ids, shapes, mask = model.encode([sentences[i] for i in some])
            scores = model.scores(ids, shapes, mask)
            best = to_numpy(viterbi(scores, transitions, start, end, mask)).tolist()
            found |= {i: [model.tags[k] for k in row[: len(sentences[i])]] for i, row in zip(some, best)}
    return [found[i] for i in range(len(sentences))]


def decoding_scores(model: Tagger, rules: bool) -> list[Array]:
    """The scores of moves, first tags and last tags: those of the CRF, or zeros; minus infinity for what the
    rules forbid."""
    K, dtype = len(model.tags), model.affine.params[0].dtype
    shapes = ((K, K), (K,), (K,))
    learned = model.loss.params if isinstance(model.loss, CRF) else [xp.zeros(s, dtype=dtype) for s in shapes]
    if not rules:
        return list(learned)
    follow, first = (xp.asarray(allowed) for allowed in allowed_moves(model.tags))
    moves, start, end = learned
    return [xp.where(follow, moves, -xp.inf), xp.where(first, start, -xp.inf), end]


def tag(model: Tagger, text: str) -> list[tuple[str, str]]:
    """Tag any text: its words as they are written, each with its tag.

    Examples
    --------
    >>> tag(model, "I met Ada in Paris.")  # doctest: +SKIP
    [('I', 'O'), ('met', 'O'), ('Ada', 'B-PER'), ('in', 'O'), ('Paris', 'B-LOC'), ('.', 'O')]
    """
    words = tokenize_as_written(text)
    if not words:
        raise ValueError(f"text is {text[:20]!r}; it should have at least one word.")
    return list(zip(words, predict_tags(model, [words])[0]))


class MostFrequentTag:
    """What a table can do: each word gets the tag that it had most often in training, a new word ``O``.

    Parameters
    ----------
    sentences : sequence of lists of (word, tag)
    """

    def __init__(self, sentences: Sequence[Sentence]) -> None:
        seen: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for sentence in sentences:
            for word, tag in sentence:
                seen[word][tag] += 1
        self.usual = {word: tags.most_common(1)[0][0] for word, tags in seen.items()}

    def tag(self, words: Sequence[str]) -> list[str]:
        """The tag of each word."""
        return [self.usual.get(word, OUTSIDE) for word in words]


def vectors_for(
    words: Sequence[str], vectors: np.ndarray, rng: np.random.Generator, scale: float = 1.0
) -> tuple[Vocabulary, np.ndarray]:
    """A vocabulary of ``<pad>``, ``<unk>`` and words that have vectors, and a matrix of these.

    Parameters
    ----------
    words : V words in small letters
    vectors : (V, D)
    rng : numpy.random.Generator
        Draws the vector of ``<unk>``, as long as the others are on average.
    scale : float
        The standard deviation that the numbers of the matrix are brought to.
    """
    vectors = vectors * (scale / vectors.std())
    unknown = scale * rng.standard_normal(vectors.shape[1])
    matrix = np.vstack([np.zeros_like(unknown), unknown, vectors])
    return Vocabulary([PAD, UNKNOWN, *words], unknown=UNKNOWN), matrix
