"""Names that no vocabulary holds: cutting into words, signs for rare words, and back.

A vocabulary of words has to end somewhere, and behind its end are the rare words, most of them names. A model
that knows them only as ``<unk>`` cannot write them. But what it has to do with a name is to copy it. So the
first rare word of a sentence becomes ``<rare1>``, the second ``<rare2>``, and so on, and where one of them
stands in the translation too, it has the same sign there [Luong2015b]_. What a model writes is put back into
words with the table of the sentence it has read.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from common.backend import Array, to_numpy, xp
from common.support.require import require_string
from common.text.rows import END, PAD, START
from common.text.tokens import MARKS, letters, plain
from common.text.vocabulary import Vocabulary

UNKNOWN = "<unk>"

RARE = tuple(f"<rare{i}>" for i in range(1, 7))


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


def name_rare(words: Sequence[str], vocabulary: Vocabulary) -> dict[str, str]:
    """The rare words of a sentence, each with its sign, in order of appearance; from the seventh on
    ``<unk>``."""
    rare = dict.fromkeys(word for word in words if word not in vocabulary)
    return {word: RARE[i] if i < len(RARE) else UNKNOWN for i, word in enumerate(rare)}


def encode_words(
    sentences: Sequence[tuple[Sequence[str], Sequence[str]]], vocabulary: Vocabulary
) -> tuple[Array, Array]:
    """Sentence pairs to rows of ids, filled with PAD: questions (N, S), answers (N, T) from START to END."""
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
