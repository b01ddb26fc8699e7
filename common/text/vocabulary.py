"""A vocabulary gives each different word, each *type*, a number, its id."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from common.support.require import require_count, require_several

# ---- vocabulary


class UnknownWord(KeyError):
    """Raised for a word that is not known. (A bare KeyError would print its sentence in quotation marks.)"""

    def __str__(self) -> str:
        return str(self.args[0])


class Vocabulary:
    """The words that a model knows, each with its id, and how often each was seen.

    Ids count from 0 in the order of ``words``. ``from_counts`` and ``from_tokens`` put special words
    first, then the others from the most to the least frequent, and words seen equally often in alphabetical
    order, so that the same text gives the same ids on every machine.

    Parameters
    ----------
    words : iterable of str
        The words in the order of their ids, without repeats.
    counts : sequence of int, optional
        How often each word was seen; zeros when left out.
    unknown : str, optional
        The word that stands for all others, such as ``"<unk>"``; it must be one of ``words``. Without it, a
        word that is not in the vocabulary is an error.

    Attributes
    ----------
    words : tuple of str
    counts : (V,) int64
    ids : dict
        The id of each word.

    Raises
    ------
    ValueError
        There is no word, a word occurs twice, ``counts`` has another length, or ``unknown`` is not one of the
        words.
    """

    def __init__(self, words: Iterable[str], counts: Sequence[int] | None = None, unknown: str | None = None):
        self.words: tuple[str, ...] = tuple(words)
        if not self.words:
            raise ValueError("words is empty; a vocabulary needs at least one word.")
        for word in self.words:
            if not isinstance(word, str):
                raise TypeError(f"words holds {word!r}; every word should be a string.")
        if len(set(self.words)) < len(self.words):
            twice, times = Counter(self.words).most_common(1)[0]
            raise ValueError(f"words holds {twice!r} {times} times; every word should occur once.")
        if unknown is not None and unknown not in self.words:
            raise ValueError(f"unknown is {unknown!r}, which is not one of the words; add it to words.")
        self.counts = np.zeros(len(self), np.int64) if counts is None else np.asarray(counts, np.int64)
        if self.counts.shape != (len(self),):
            raise ValueError(
                f"counts has shape {self.counts.shape}; it should be ({len(self)},), one count for each word."
            )
        self.unknown = unknown
        self.ids = _Ids(zip(self.words, range(len(self))))
        self.ids.unknown = None if unknown is None else self.ids[unknown]

    @classmethod
    def from_counts(
        cls,
        counts: Mapping[str, int],
        min_count: int = 1,
        max_size: int | None = None,
        unknown: str | None = None,
        specials: Sequence[str] = (),
    ) -> Vocabulary:
        """Make a vocabulary from the number of times each word was seen.

        Parameters
        ----------
        counts : mapping from str to int
            The number of times each word was seen.
        min_count : int
            Words seen less often are left out.
        max_size : int, optional
            The most words to keep, special words included; the rarest are left out.
        unknown : str, optional
            The word that stands for those left out. Its count is the sum of theirs, and of its own in
            ``counts``.
        specials : sequence of str
            Words that come first whatever their counts, such as ``"<pad>"``. If ``unknown`` is not among
            them, it follows them.

        Raises
        ------
        ValueError
            No word is left, or ``min_count`` or ``max_size`` is below 1.
        """
        require_count("min_count", min_count)
        if max_size is not None:
            require_count("max_size", max_size)
        require_several("specials", specials)
        _require_words("counts", counts)
        first = list(specials)
        if unknown is not None and unknown not in first:
            first.append(unknown)
        kept = [(word, count) for word, count in counts.items() if count >= min_count and word not in first]
        kept.sort(key=lambda pair: (-pair[1], pair[0]))
        if max_size is not None:
            kept = kept[: max(max_size - len(first), 0)]
        if not kept:
            raise ValueError(
                f"no word is left of {len(counts)} with min_count={min_count} and max_size={max_size}."
            )
        seen = {word: counts.get(word, 0) for word in first} | dict(kept)
        if unknown is not None:
            seen[unknown] += sum(counts.values()) - sum(seen.values())
        return cls(seen, list(seen.values()), unknown)

    @classmethod
    def from_tokens(
        cls,
        tokens: Iterable[str],
        min_count: int = 1,
        max_size: int | None = None,
        unknown: str | None = None,
        specials: Sequence[str] = (),
    ) -> Vocabulary:
        """Make a vocabulary from a sequence of tokens; see ``from_counts``.

        Examples
        --------
        >>> Vocabulary.from_tokens("to be or not to be".split()).words
        ('be', 'to', 'not', 'or')
        """
        require_several("tokens", tokens)
        counts = Counter(tokens)
        _require_words("tokens", counts)
        return cls.from_counts(counts, min_count, max_size, unknown, specials)

    def __len__(self) -> int:
        return len(self.words)

    def __iter__(self) -> Iterator[str]:
        return iter(self.words)

    def __contains__(self, word: object) -> bool:
        return word in self.ids

    def __getitem__(self, word: str) -> int:
        """The id of ``word``, or that of the unknown word; UnknownWord when there is neither."""
        try:
            return self.ids[word]
        except KeyError:
            raise self._missing(word) from None

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Vocabulary):
            return NotImplemented
        same = self.words == other.words and self.unknown == other.unknown
        return same and bool((self.counts == other.counts).all())

    def __repr__(self) -> str:
        shown = ", ".join(self.words[:3]) + (", ..." if len(self) > 3 else "")
        return f"Vocabulary({len(self):,} words: {shown}; unknown={self.unknown!r})"

    def encode(self, tokens: Iterable[str], skip_unknown: bool = False) -> np.ndarray:
        """The ids of ``tokens``.

        Parameters
        ----------
        tokens : iterable of str
            The words.
        skip_unknown : bool
            Leave out words that are not in the vocabulary, in place of the unknown word or an error.

        Returns
        -------
        numpy.ndarray
            int32, shape (L,) for L tokens, or fewer with ``skip_unknown``.

        Raises
        ------
        UnknownWord
            A word is not in the vocabulary, there is no unknown word, and ``skip_unknown`` is false.
        """
        require_several("tokens", tokens)
        if skip_unknown:
            tokens = filter(self.ids.__contains__, tokens)
        try:
            return np.fromiter(map(self.ids.__getitem__, tokens), np.int32)
        except KeyError as error:
            raise self._missing(error.args[0]) from None

    def decode(self, ids: Iterable[int]) -> list[str]:
        """The words that have these ids.

        Raises
        ------
        ValueError
            An id is negative or not below the size of the vocabulary.
        TypeError
            The ids are not whole numbers.
        """
        array = np.asarray(ids if isinstance(ids, (np.ndarray, list, tuple)) else list(ids))
        if array.size == 0:
            return []
        if array.dtype.kind not in "iu":
            raise TypeError(f"ids is of type {array.dtype}; ids should be whole numbers.")
        low, high = array.min(), array.max()
        if low < 0 or high >= len(self):
            raise ValueError(f"ids go from {low} to {high}; they should lie between 0 and {len(self) - 1}.")
        return [self.words[i] for i in array.ravel().tolist()]

    def _missing(self, word: object) -> UnknownWord:
        near = []
        if isinstance(word, str):
            close = difflib.get_close_matches
            near = close(word, self.words) or close(word.lower(), self.words)
        hint = f"near in spelling: {', '.join(near)}" if near else "no word is near in spelling"
        return UnknownWord(f"{word!r} is not among the {len(self):,} words; {hint}.")


def words_to_lines(words: Iterable[str]) -> np.ndarray:
    """Words as one array of bytes, each a line of UTF-8 text: so an ``.npz`` holds them without pickles.

    Raises
    ------
    ValueError
        A word holds a line break, or half of a sign, which UTF-8 cannot write.
    """
    words = list(words)
    for word in words:
        if "\n" in word or word != word.encode(errors="replace").decode():
            raise ValueError(f"the word {word!r} holds a line break or half of a sign; it can't be saved.")
    return np.array(bytearray("\n".join(words).encode()), np.uint8)


def lines_to_words(lines: np.ndarray) -> list[str]:
    """The words that ``words_to_lines`` made an array of."""
    return lines.tobytes().decode().split("\n")


def _require_words(name: str, counts: Mapping[str, int]) -> None:
    if not counts:
        raise ValueError(
            f"{name} is empty; a vocabulary needs at least one word (of a text in which tokenize finds none, "
            "list(text) gives the characters)."
        )


class _Ids(dict):
    """Ids by word. ``map`` over this costs a fifth of a Python loop with an ``if``; a corpus has millions of
    words."""

    unknown: int | None = None

    def __missing__(self, word: str) -> int:
        if self.unknown is None:
            raise KeyError(word)
        return self.unknown
