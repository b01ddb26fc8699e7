"""Film reviews from IMDB and Rotten Tomatoes: the main corpus of the book."""

from __future__ import annotations

import csv
import io
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from common.datasets.files import path
from common.text.tokens import tokenize, tokenize_ascii
from common.text.vocabulary import Vocabulary

SPLIT_SEED = 14
"""Of the order in which ``split_reviews`` deals out texts."""

HELD_OUT = 400
"""How many reviews ``review_texts`` puts into the validation text, and how many into the test text."""


@dataclass(frozen=True, eq=False)
class Reviews:
    """Film reviews: N texts, each labelled positive (1) or negative (0), and the words in them.

    ``reviews[:100]``, a boolean mask or an array of positions picks some of them and gives ``Reviews`` again.

    Attributes
    ----------
    texts : list of str
        The reviews as written, without the ``<br />`` that marked new lines.
    labels : numpy.ndarray
        int8, shape (N,).
    sources : numpy.ndarray
        str, shape (N,): ``"imdb"`` or ``"rotten_tomatoes"``, or whatever says where a text is from.
    tokenizer : function from str to list of str
        Cuts a text into words: ``list`` takes each character for one.
    """

    texts: list[str]
    labels: np.ndarray
    sources: np.ndarray
    tokenizer: Callable[[str], list[str]] = tokenize

    def __len__(self) -> int:
        return len(self.texts)

    def __repr__(self) -> str:
        parts = ", ".join(
            f"{count:,} {source}" for source, count in sorted(Counter(self.sources.tolist()).items())
        )
        return f"Reviews({len(self):,} texts: {parts or 'none'})"

    def __getitem__(self, chosen: slice | Sequence[int] | np.ndarray) -> Reviews:
        positions = np.arange(len(self))[chosen]
        if positions.ndim != 1:
            raise TypeError(f"chosen is {chosen!r}; it should be a slice, a mask or several positions.")
        texts = [self.texts[i] for i in positions]
        return Reviews(texts, self.labels[positions], self.sources[positions], self.tokenizer)

    def distinct(self) -> Reviews:
        """Without the reviews whose text has stood before: what is held out should not be among the rest."""
        return self[sorted({text: i for i, text in reversed(list(enumerate(self.texts)))}.values())]

    def rows(self, vocabulary: Vocabulary, longest: int | None = None) -> list[np.ndarray]:
        """The reviews as rows of word ids, one array for each; see ``encode``.

        Parameters
        ----------
        vocabulary : Vocabulary
        longest : int, optional
            Only so many words of each review, the first ones, are kept.
        """
        ids, starts = self.encode(vocabulary)
        return [ids[a:b][:longest] for a, b in zip(starts, starts[1:])]

    @cached_property
    def _words(self) -> tuple[list[str], np.ndarray, np.ndarray]:
        """The types in order of appearance, the text as positions in that list, and where each review
        starts."""
        types: defaultdict[str, int] = defaultdict()
        types.default_factory = types.__len__  # a word that is new gets the next number
        numbers = [np.fromiter(map(types.__getitem__, self.tokenizer(text)), np.int32) for text in self.texts]
        starts = np.concatenate([[0], np.cumsum([len(row) for row in numbers], dtype=np.int64)])
        return list(types), np.concatenate([np.empty(0, np.int32), *numbers]), starts

    @property
    def counts(self) -> dict[str, int]:
        """How often each word type occurs."""
        types, numbers, _ = self._words
        return dict(zip(types, np.bincount(numbers, minlength=len(types)).tolist()))

    @property
    def tokens(self) -> list[str]:
        """All tokens of all reviews, one after the other."""
        types, numbers, _ = self._words
        return [types[i] for i in numbers.tolist()]

    def vocabulary(
        self,
        min_count: int = 5,
        max_size: int | None = None,
        unknown: str | None = None,
        specials: Sequence[str] = (),
    ) -> Vocabulary:
        """Make a vocabulary of the words of these reviews; see ``Vocabulary.from_counts``."""
        return Vocabulary.from_counts(self.counts, min_count, max_size, unknown, specials)

    def encode(self, vocabulary: Vocabulary, end: str | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Turn the reviews into word ids.

        A word that the vocabulary lacks becomes its unknown word; when it has none, the word is left out.

        Parameters
        ----------
        vocabulary : Vocabulary
            Gives the ids.
        end : str, optional
            A word of the vocabulary that is put after each review, such as ``"<eos>"``.

        Returns
        -------
        ids : numpy.ndarray
            int32, shape (L,): all reviews, one after the other.
        starts : numpy.ndarray
            int64, shape (N + 1,): review i is ``ids[starts[i]:starts[i + 1]]``.
        """
        types, numbers, starts = self._words
        skip = -1 if vocabulary.unknown is None else vocabulary[vocabulary.unknown]
        known = vocabulary.__contains__
        table = np.array([vocabulary[word] if known(word) else skip for word in types] or [0], np.int32)
        ids = table[numbers]
        if end is not None:
            ids = np.insert(ids, starts[1:], vocabulary[end])
            starts = starts + np.arange(len(starts))
        if skip < 0:
            kept = np.concatenate([[0], np.cumsum(ids >= 0)])  # kept[i]: how many of the first i words stay
            ids, starts = ids[ids >= 0], kept[starts]
        return ids, starts


def load_reviews() -> Reviews:
    """Load the film reviews: 25,000 from IMDB and 8,530 sentences from Rotten Tomatoes.

    They were collected by [Maas2011]_ and [Pang2005]_. The order is that of the package: IMDB negative, IMDB
    positive, Rotten Tomatoes positive, Rotten Tomatoes negative. They are cut by ``tokenize_ascii``, which
    knows the letters a to z alone: accents are often damaged in these files.

    Raises
    ------
    DataError
        The files can't be had.
    """
    table = path("reviews").read_text(encoding="utf-8")
    rows = list(csv.reader(io.StringIO(table, newline="")))[1:]
    texts = [text.replace("<br />", " ") for text, _, _ in rows]
    labels = np.array([int(label) for _, label, _ in rows], np.int8)
    return Reviews(texts, labels, np.array([source for *_, source in rows]), tokenize_ascii)


class Split(NamedTuple):
    """Reviews to learn from, to choose by and to be judged by: no text is in two of them."""

    train: Reviews
    valid: Reviews
    test: Reviews


SIZES = {"imdb": (2_000, 5_000), "rotten_tomatoes": (700, 1_000)}
"""How many reviews ``split_reviews`` puts into the validation part, and how many into the test part."""


def split_reviews(reviews: Reviews, source: str) -> Split:
    """The distinct reviews of one source in three parts, always the same ones; ``SIZES`` says how many.

    Two texts are taken for one if their words are the same: then their tokens are, whatever stands between.

    Parameters
    ----------
    reviews : Reviews
    source : str
        ``"imdb"`` or ``"rotten_tomatoes"``.

    Raises
    ------
    ValueError
        The source is another, or there are too few reviews of it.
    """
    if source not in SIZES:
        raise ValueError(f"source is {source!r}; it should be one of {', '.join(SIZES)}.")
    found = reviews[reviews.sources == source]
    _, numbers, starts = found._words
    found = found[
        sorted({numbers[a:b].tobytes(): i for i, (a, b) in enumerate(zip(starts, starts[1:]))}.values())
    ]
    valid, test = SIZES[source]
    if len(found) <= valid + test:
        raise ValueError(
            f"reviews has {len(found)} distinct texts of {source}; it should have more than {valid + test}."
        )
    order = np.random.default_rng(SPLIT_SEED).permutation(len(found))
    return Split(*(found[part] for part in (order[valid + test :], order[test : valid + test], order[:test])))


def review_texts() -> tuple[Vocabulary, list[np.ndarray]]:
    """The film reviews as three texts, for language models.

    Reviews are shuffled, always in the same way; ``<eos>`` ends each. The 10,000 most frequent words are
    known, the others are ``<unk>``. The validation text and the test text have ``HELD_OUT`` reviews each.

    Returns
    -------
    vocabulary : Vocabulary
    texts : list of three arrays of ids
        To train, to validate and to test.
    """
    reviews = load_reviews()
    vocabulary = reviews.vocabulary(1, max_size=10_000, unknown="<unk>", specials=["<eos>"])
    return vocabulary, [part.encode(vocabulary, end="<eos>")[0] for part in review_parts(reviews)]


def review_parts(reviews: Reviews) -> list[Reviews]:
    """All reviews, shuffled, always in the same way: to train, to validate and to test, ``HELD_OUT`` each of
    the last two."""
    order = np.random.default_rng(1984).permutation(len(reviews))
    return [
        reviews[part] for part in (order[2 * HELD_OUT :], order[:HELD_OUT], order[HELD_OUT : 2 * HELD_OUT])
    ]
