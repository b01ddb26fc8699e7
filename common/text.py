"""From text to numbers: tokens, a vocabulary, and the context of each word.

A neural network takes numbers.  Three steps lead from a text to numbers, and every chapter uses the same
three:

* :func:`tokenize` cuts a text into tokens (words, numbers and the marks that end or join phrases);
* a :class:`Vocabulary` gives each different word, each *type*, a number, its id;
* :func:`contexts` puts beside each word the words around it.
"""

from __future__ import annotations

import difflib
import json
import operator
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

# A run of letters, or a run of digits, or one mark.  All other signs (brackets, hyphens, quotation marks,
# accented letters) only separate.  "don't" gives don ' t: three tokens, each of them frequent.
TOKEN = re.compile(r"[a-z]+|[0-9]+|[.,!?;']")


def tokenize(text: str) -> list[str]:
    """Cut a text into lower-case tokens.

    A token is a run of the letters a to z, a run of digits, or one of the marks ``. , ! ? ; '``.  Anything
    else separates two tokens and is dropped.

    Parameters
    ----------
    text : str
        The text, English or at least written in Latin letters.

    Returns
    -------
    list of str
        The tokens in reading order; empty when the text holds none.

    Raises
    ------
    TypeError
        If `text` is not a string.

    Examples
    --------
    >>> tokenize("You say goodbye and I say hello.")
    ['you', 'say', 'goodbye', 'and', 'i', 'say', 'hello', '.']
    """
    if not isinstance(text, str):
        raise TypeError(f"text is a {type(text).__name__}; it should be a string")
    return TOKEN.findall(text.lower())


class Vocabulary:
    """The words that a model knows, each with its id, and how often each was seen.

    Ids count from 0 in the order of `words`.  :meth:`from_counts` and :meth:`from_tokens` put special words
    first, then the others from the most to the least frequent, and words seen equally often in alphabetical
    order, so that the same text gives the same ids on every machine.

    Parameters
    ----------
    words : iterable of str
        The words in the order of their ids, without repeats.
    counts : sequence of int, optional
        How often each word was seen; zeros when left out.
    unknown : str, optional
        The word that stands for all others, such as ``"<unk>"``; it must be one of `words`.  Without it, a
        word that is not in the vocabulary is an error.

    Raises
    ------
    ValueError
        If there is no word, a word occurs twice, `counts` has another length, or `unknown` is not one of the
        words.
    """

    def __init__(self, words: Iterable[str], counts: Sequence[int] | None = None, unknown: str | None = None):
        self.words: tuple[str, ...] = tuple(words)
        if not self.words:
            raise ValueError("words is empty; a vocabulary needs at least one word")
        for word in self.words:
            if not isinstance(word, str):
                raise TypeError(f"words holds {word!r}; every word should be a string")
        if len(set(self.words)) < len(self.words):
            twice, times = Counter(self.words).most_common(1)[0]
            raise ValueError(f"words holds {twice!r} {times} times; every word should occur once")
        if unknown is not None and unknown not in self.words:
            raise ValueError(f"unknown is {unknown!r}, which is not one of the words; add it to words")
        self.counts = np.zeros(len(self), np.int64) if counts is None else np.asarray(counts, np.int64)
        if self.counts.shape != (len(self),):
            raise ValueError(
                f"counts has shape {self.counts.shape}; it should be ({len(self)},), one count for each word"
            )
        self.unknown = unknown
        self._ids = _Ids(zip(self.words, range(len(self))))
        self._ids.unknown = None if unknown is None else self._ids[unknown]

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
            The word that stands for those left out.  Its count is the sum of theirs, and of its own in
            `counts`.
        specials : sequence of str
            Words that come first whatever their counts, such as ``"<pad>"``.  `unknown`, when not among them,
            follows them.

        Raises
        ------
        ValueError
            If no word is left, or `min_count` or `max_size` is below 1.
        """
        if operator.index(min_count) < 1:
            raise ValueError(f"min_count is {min_count}; it should be 1 or more")
        if max_size is not None and operator.index(max_size) < 1:
            raise ValueError(f"max_size is {max_size}; it should be 1 or more")
        if isinstance(specials, str):
            raise TypeError(f"specials is the string {specials!r}; it should be a sequence: [{specials!r}]")
        if not counts:
            raise ValueError("counts is empty; a vocabulary is made from a text with at least one word")
        first = list(specials)
        if unknown is not None and unknown not in first:
            first.append(unknown)
        kept = [(word, count) for word, count in counts.items() if count >= min_count and word not in first]
        kept.sort(key=lambda pair: (-pair[1], pair[0]))
        if max_size is not None:
            kept = kept[: max(max_size - len(first), 0)]
        if not kept:
            raise ValueError(
                f"no word is left of {len(counts)} with min_count={min_count} and max_size={max_size}"
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
        """Make a vocabulary from a sequence of tokens; see :meth:`from_counts`.

        Examples
        --------
        >>> Vocabulary.from_tokens("to be or not to be".split()).words
        ('be', 'to', 'not', 'or')
        """
        if isinstance(tokens, str):
            raise TypeError(
                f"tokens is the string {tokens[:20]!r}; it should be a sequence of words: call tokenize first"
            )
        counts = Counter(tokens)
        if not counts:
            raise ValueError("tokens is empty; a vocabulary is made from a text with at least one word")
        return cls.from_counts(counts, min_count, max_size, unknown, specials)

    def __len__(self) -> int:
        return len(self.words)

    def __iter__(self) -> Iterator[str]:
        return iter(self.words)

    def __contains__(self, word: object) -> bool:
        return word in self._ids

    def __getitem__(self, word: str) -> int:
        """Return the id of `word`, or that of the unknown word; raise KeyError when there is neither."""
        try:
            return self._ids[word]
        except KeyError:
            raise KeyError(self._missing(word)) from None

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Vocabulary):
            return NotImplemented
        same = self.words == other.words and self.unknown == other.unknown
        return same and bool((self.counts == other.counts).all())

    __hash__ = None  # it holds an array

    def __repr__(self) -> str:
        shown = ", ".join(self.words[:3]) + (", ..." if len(self) > 3 else "")
        return f"Vocabulary({len(self):,} words: {shown}; unknown={self.unknown!r})"

    def encode(self, tokens: Iterable[str], skip_unknown: bool = False) -> np.ndarray:
        """Return the ids of `tokens`.

        Parameters
        ----------
        tokens : iterable of str
            The words.
        skip_unknown : bool
            Leave out words that are not in the vocabulary, in place of the unknown word or an error.

        Returns
        -------
        numpy.ndarray
            int32, shape (L,) for L tokens, or fewer with `skip_unknown`.

        Raises
        ------
        KeyError
            If a word is not in the vocabulary, there is no unknown word, and `skip_unknown` is false.
        """
        if isinstance(tokens, str):
            raise TypeError(
                f"tokens is the string {tokens[:20]!r}; it should be a sequence of words: call tokenize first"
            )
        if skip_unknown:
            tokens = filter(self._ids.__contains__, tokens)
        try:
            return np.fromiter(map(self._ids.__getitem__, tokens), np.int32)
        except KeyError as error:
            raise KeyError(self._missing(error.args[0])) from None

    def decode(self, ids: Iterable[int]) -> list[str]:
        """Return the words that have these ids.

        Raises
        ------
        ValueError
            If an id is negative or not below the size of the vocabulary.
        TypeError
            If the ids are not whole numbers.
        """
        array = np.asarray(ids if isinstance(ids, (np.ndarray, list, tuple)) else list(ids))
        if array.size == 0:
            return []
        if array.dtype.kind not in "iu":
            raise TypeError(f"ids is of type {array.dtype}; ids should be whole numbers")
        low, high = array.min(), array.max()
        if low < 0 or high >= len(self):
            raise ValueError(f"ids go from {low} to {high}; they should lie between 0 and {len(self) - 1}")
        return [self.words[i] for i in array.ravel().tolist()]

    def save(self, path: str | os.PathLike) -> None:
        """Write the vocabulary to a JSON file, in one step: a killed program leaves the old file or the new
        one."""
        path = Path(path)
        content = {"unknown": self.unknown, "words": self.words, "counts": self.counts.tolist()}
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            temporary.write_text(json.dumps(content, ensure_ascii=False) + "\n", encoding="utf-8")
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)

    @classmethod
    def load(cls, path: str | os.PathLike) -> Vocabulary:
        """Read a vocabulary that :meth:`save` wrote.

        Raises
        ------
        ValueError
            If the file is not such a file.
        """
        try:
            content = json.loads(Path(path).read_text(encoding="utf-8"))
            return cls(content["words"], content["counts"], content["unknown"])
        except FileNotFoundError:
            raise
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{path} is not a vocabulary that Vocabulary.save wrote: {error}") from None

    def _missing(self, word: object) -> str:
        near = difflib.get_close_matches(word, self.words, 3) if isinstance(word, str) else []
        hint = f"; near it: {', '.join(near)}" if near else ""
        return f"{word!r} is not in the vocabulary of {len(self):,} words{hint}"


class _Ids(dict):
    """Ids by word.  `map` over this costs a fifth of a Python loop with an `if`, and a corpus has millions of
    words."""

    unknown: int | None = None

    def __missing__(self, word: str) -> int:
        if self.unknown is None:
            raise KeyError(word)
        return self.unknown


def contexts(ids: Sequence[int], window: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Put beside each word the `window` words before it and the `window` words after it.

    The first and the last `window` words have no full context and are no targets.

    Parameters
    ----------
    ids : sequence of int
        A text as word ids, L of them.
    window : int
        How many words to take on each side.

    Returns
    -------
    context : numpy.ndarray
        Shape (L - 2 window, 2 window): the words around each target, in reading order.
    target : numpy.ndarray
        Shape (L - 2 window,): the words in the middle.

    Raises
    ------
    ValueError
        If `window` is below 1, or the text is shorter than one window, 2 window + 1 words.

    Examples
    --------
    >>> contexts([0, 1, 2, 3], window=1)
    (array([[0, 2],
           [1, 3]]), array([1, 2]))
    """
    ids = np.asarray(ids)
    if ids.ndim != 1:
        raise ValueError(f"ids has shape {ids.shape}; it should be one row of word ids")
    if operator.index(window) < 1:
        raise ValueError(f"window is {window}; it should be 1 or more")
    width = 2 * window + 1
    if len(ids) < width:
        raise ValueError(f"ids has {len(ids)} words; with window={window} it should have at least {width}")
    spans = np.lib.stride_tricks.sliding_window_view(ids, width)  # (L - 2 window, 2 window + 1), a view
    return np.delete(spans, window, axis=1), spans[:, window].copy()
