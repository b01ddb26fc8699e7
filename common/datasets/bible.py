"""The Bible in English of 1611 and of today, verse by verse, for translation."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from common.datasets.files import path
from common.text.rare import RARE, UNKNOWN, cut_words
from common.text.rows import SPECIALS
from common.text.vocabulary import Vocabulary


class Verse(NamedTuple):
    """A verse of the Bible: ``old`` in English of 1611 (spelled as in 1769), ``new`` in English of today."""

    book: int
    chapter: int
    verse: int
    old: str
    new: str


def load_bible_pairs() -> list[Verse]:
    """Load the Bible verse by verse in two translations, the King James Version and the World English Bible.

    Both are in the public domain, and the second follows the wording of the first closely: the pair is
    English of two centuries. There are 31,095 verses that both have, in order. The brackets that mark words
    which the translators added are taken away, and all apostrophes are made the same. What the files put in
    the place of four verses that only one of the two has is left out, and so are the headings of psalms,
    which stand at the end of the verse before.

    Raises
    ------
    DataError
        The files can't be had.
    """
    old, new = (_verses(path("bible", file)) for file in ("king_james.py", "world_english.py"))
    return [
        Verse(key // 1_000_000, key // 1000 % 1000, key % 1000, old[key], new[key])
        for key in old
        if key in new and not new[key].endswith("by amos")  # the sign of a verse that is not there
    ]


def _verses(file: Path) -> dict[int, str]:
    """Read a module of the pythonbible packages as text, without running it: one long string, then two tables
    that say where in it each verse begins and ends."""
    source = file.read_text(encoding="utf-8")
    begin = source.index('"""') + 3
    end = source.index('"""', begin)
    text = ast.literal_eval(f'"""{source[begin:end]}"""')
    _, starts, ends, *_ = source[end:].split("{")
    first, last = ({int(k): int(i) for k, i in re.findall(r"(\d+): (\d+)", part)} for part in (starts, ends))
    return {verse: _plain(text[place : last[verse]]) for verse, place in first.items()}


def _plain(text: str) -> str:
    """Without headings and the translators' brackets, with one kind of apostrophe, and single spaces."""
    text = re.sub(r"(\s+BOOK [IV]+)?\s+Psalm \d+\b.*", "", text, flags=re.DOTALL)
    for old, new in (("[", ""), ("]", ""), ("’", "'"), ("`", "'"), ("æ", "ae"), ("Æ", "Ae")):
        text = text.replace(old, new)
    return " ".join(text.split())


HELD_OUT = 0.05
"""The share of the chapters to validate on, and as many again to test on."""


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
