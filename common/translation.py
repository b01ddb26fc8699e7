"""Texts as words, for translation: cutting, splitting by chapter, ids, and names that no vocabulary holds.

A vocabulary of words has to end somewhere, and behind its end are the rare words, most of them names. A model
that knows them only as ``<unk>`` cannot write them. But what it has to do with a name is to copy it. So the
first rare word of a sentence becomes ``<rare1>``, the second ``<rare2>``, and so on, and where one of them
stands in the translation too, it has the same sign there [Luong2015b]_. What a model writes is put back into
words with the table of the sentence it has read.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from common.backend import FLOAT, Array, to_numpy, xp
from common.datasets import DATA, Verse, load_bible_pairs
from common.questions import END, PAD, SPECIALS, START
from common.require import require_string
from common.seq2seq import Seq2Seq
from common.text import MARKS, Vocabulary, letters, plain
from common.transformer import transformer
from common.weights import load_vocabulary, load_weights

UNKNOWN = "<unk>"
RARE = tuple(f"<rare{i}>" for i in range(1, 7))

SEED, LONGEST, MIN_COUNT = 1611, 30, 5
"""The split and the vocabulary of the recorded run."""

WEIGHTS = DATA / "translation_transformer.npz"
"""The weights of its Transformer, and the words that it knows."""

TRANSLATOR = {"D": 128, "H": 512, "depth": 2, "heads": 4, "dropout": 0.1, "smoothing": 0.1}
"""The settings of its Transformer."""

HELD_OUT = 0.05
"""The share of the chapters to validate on, and as many again to test on."""


def cut_words(text: str) -> list[str]:
    """Cut a text into lower-case words, numbers and marks.

    Unlike ``common.text.tokenize`` it keeps *mother's* and *beer-sheba* in one piece. Quotation marks and
    brackets are dropped. Letters are those of every script, and what looks the same is made the same, as
    there.

    >>> cut_words("Haven't I?")
    ["haven't", 'i', '?']
    """
    require_string("text", text)
    text = plain(text)
    word, sign = letters(text)
    return re.findall(rf"{word}(?:['-]{word})*|{sign}|\d+|[.,;:?!{MARKS}]", text)


@dataclass(frozen=True)
class Sentences:
    """Sentence pairs as words, in three parts that come from different chapters.

    Attributes
    ----------
    train, valid, test : list of (list of str, list of str)
    """

    train: list[tuple[list[str], list[str]]]
    valid: list[tuple[list[str], list[str]]]
    test: list[tuple[list[str], list[str]]]

    @classmethod
    def split(
        cls,
        verses: Sequence[Verse],
        longest: int,
        rng: np.random.Generator,
        tokenizer: Callable[[str], list[str]] = cut_words,
    ) -> Sentences:
        """Leave out whole chapters: neighbouring verses tell the same story in the same words.

        Parameters
        ----------
        verses : sequence of Verse
        longest : int
            Verses with more words and marks than this, on either side, are left out.
        rng : numpy.random.Generator
            Draws the chapters.
        tokenizer : function from str to list of str
            Cuts both sides of a verse; ``list`` takes each character for a word.
        """
        chapters = list(dict.fromkeys((verse.book, verse.chapter) for verse in verses))
        order = rng.permutation(len(chapters))
        count = max(1, round(HELD_OUT * len(chapters)))
        part = {chapters[i]: min(place // count, 2) for place, i in enumerate(order)}
        parts: tuple[list, list, list] = ([], [], [])
        for verse in verses:
            pair = tokenizer(verse.old), tokenizer(verse.new)
            if min(map(len, pair)) > 0 and max(map(len, pair)) <= longest:
                parts[part[verse.book, verse.chapter]].append(pair)
        valid, test, train = parts
        if not all(parts):
            raise ValueError(f"longest is {longest}; with it, one of the three parts holds no verse.")
        return cls(train, valid, test)

    def vocabulary(self, min_count: int) -> Vocabulary:
        """The special signs, then the words that both sides of the training part hold so many times or more,
        the most frequent first."""
        counts = Counter(word for pair in self.train for side in pair for word in side)
        kept = sorted((word for word, n in counts.items() if n >= min_count), key=lambda word: -counts[word])
        return Vocabulary([*SPECIALS, UNKNOWN, *RARE, *kept])


def name_rare(words: Sequence[str], vocabulary: Vocabulary) -> dict[str, str]:
    """The rare words of a sentence, each with its sign, in order of appearance; from the seventh on
    ``<unk>``."""
    rare = dict.fromkeys(word for word in words if word not in vocabulary)
    return {word: RARE[i] if i < len(RARE) else UNKNOWN for i, word in enumerate(rare)}


def encode_words(
    sentences: Sequence[tuple[Sequence[str], Sequence[str]]], vocabulary: Vocabulary
) -> tuple[Array, Array]:
    """Sentence pairs to rows of ids, filled up with PAD: questions (N, S), answers (N, T) from START to END.

    Raises
    ------
    TypeError
        A side is a string; it would be cut into letters.
    ValueError
        There is no pair, or one without words.
    """
    if len(sentences) == 0:
        raise ValueError("sentences is empty; it should hold at least one pair.")
    if any(isinstance(side, str) for pair in sentences for side in pair):
        raise TypeError("sentences should hold pairs of lists of words: for a string, cut_words(string).")
    if not all(len(old) for old, _ in sentences):
        raise ValueError("sentences holds a pair whose first side has no words; it should have at least one.")
    S, T = (max(len(pair[side]) for pair in sentences) for side in (0, 1))
    questions = np.full((len(sentences), S), PAD, dtype=np.int32)
    answers = np.full((len(sentences), T + 2), PAD, dtype=np.int32)
    for question, answer, (old, new) in zip(questions, answers, sentences):
        signs = name_rare(old, vocabulary)
        question[: len(old)] = vocabulary.encode([signs.get(word, word) for word in old])
        known = [signs.get(word, word if word in vocabulary else UNKNOWN) for word in new]
        answer[0], answer[1 + len(new)] = START, END
        answer[1 : 1 + len(new)] = vocabulary.encode(known)
    return xp.asarray(questions), xp.asarray(answers)


def decode_words(ids: Array, vocabulary: Vocabulary, old: Sequence[Sequence[str]]) -> list[str]:
    """What a model wrote (N, T) as texts, with the rare words of what it had read, ``old``, put back.

    A sign for which the sentence has no word, and ``<unk>``, is left out.
    """
    texts = []
    for row, read in zip(to_numpy(ids).tolist(), old):
        row = row[: row.index(END)] if END in row else row
        back = {sign: word for word, sign in name_rare(read, vocabulary).items() if sign != UNKNOWN}
        words = (back.get(word, word) for word in vocabulary.decode(row))
        texts.append(" ".join(word for word in words if not (word.startswith("<") and word.endswith(">"))))
    return texts


def load_translator(dtype: type = FLOAT) -> tuple[Seq2Seq, Sentences, Vocabulary]:
    """The Transformer of the recorded run, with its weights, the pairs it was trained and tested on, and its
    vocabulary; ``data/results/translation.json`` has its scores."""
    sentences = Sentences.split(load_bible_pairs(), LONGEST, np.random.default_rng(SEED))
    vocabulary = Vocabulary(load_vocabulary(WEIGHTS))
    model = transformer(len(vocabulary), rng=np.random.default_rng(SEED), dtype=dtype, **TRANSLATOR)
    load_weights(WEIGHTS, model)
    model.training = False
    return model, sentences, vocabulary
