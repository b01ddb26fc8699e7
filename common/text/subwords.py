"""Subwords: pieces of words, learned from a text, that any text in any script can be written in.

A vocabulary of words ends somewhere, and what lies behind its end is lost. One of characters, or of the 256
bytes, never ends, but makes texts long. Byte-pair encoding lies between: it begins with the bytes, and again
and again makes the two tokens that stand beside each other most often into one new token [Gage1994]_, within
words [Sennrich2016]_, so that frequent words become one token and rare ones a few. No text has an unknown
word, for the bytes are still there [Radford2019]_.

In this file a word is written as a string in which *each character is a token*: its number is the token's id.
To merge a pair of tokens everywhere in a word is then to replace two characters by one.
"""

from __future__ import annotations

import heapq
import json
import os
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from operator import add
from pathlib import Path

import numpy as np

from common.backend import Array
from common.support.files import read_npz, write_npz
from common.support.require import require_count, require_ids, require_several, require_string, require_text
from common.text.vocabulary import lines_to_words, words_to_lines

END_OF_TEXT = "<|endoftext|>"
"""The special token that GPT-2 puts between two texts."""

BYTES = bytes(range(256))
"""The bytes in the order of their ids, where nothing else is said: byte 0 is token 0, and so on."""

_SHOWN = [*range(33, 127), *range(161, 173), *range(174, 256)]

GPT2_BYTES = bytes(_SHOWN + [byte for byte in range(256) if byte not in _SHOWN])
"""The bytes in GPT-2's order: first those that are a sign that can be seen, then the others."""

PREFIX = "subwords."
"""With this the names begin of what is kept of ``Subwords`` in an ``.npz`` file."""

LARGEST = 0x10FFFF
"""The largest number of a character, and so of a token."""

LONG = 200
"""A piece of more bytes than this is no word: all merges are tried on it, one after the other."""

# ---- pieces


def cut_pieces(text: str) -> list[str]:
    """Cut a text into pieces, across which nothing is merged; joined, they are the text again.

    The rule is GPT-2's [Radford2019]_. A piece is a run of letters, a run of digits, or a run of other signs,
    each with the space before it, if there is one; an ending such as ``'s``, ``'ll`` or ``'t``; or white
    space.

    Vowel signs, as in Hindi, are no letters to this rule: there words are cut into shorter pieces than they
    need be, but nothing is lost.

    Examples
    --------
    >>> cut_pieces("I don't know 7 of  them.")
    ['I', ' don', "'t", ' know', ' 7', ' of', ' ', ' them', '.']
    """
    require_string("text", text)
    odd = "" if text.isascii() else "".join(sorted(filter(_is_odd_number, set(text))))
    return _rule(odd).findall(text)


def _is_odd_number(sign: str) -> bool:
    """Is it a number without being a digit from 0 to 9 of some script, such as ½, ² or Ⅷ?"""
    return unicodedata.category(sign) in ("Nl", "No")


@lru_cache(maxsize=128)
def _rule(odd: str) -> re.Pattern[str]:
    r"""GPT-2's rule for a text in which the numbers ``odd`` occur.

    To the ``re`` module they are letters, and no class of characters of its own names them. Its white space
    has four control characters too many, 0x1c to 0x1f.
    """
    letter, number = rf"[^\W\d_{odd}]", rf"[\d{odd}]"
    space, other = r"[^\S\x1c-\x1f]", r"(?:[^\w\s]|[_\x1c-\x1f])"
    return re.compile(
        r"'(?:[stmd]|re|ve|ll)"
        rf"| ?{letter}+| ?{number}+| ?{other}+"
        rf"|{space}+(?={space}|\Z)"  # white space but for the last, which the next piece may take
        rf"|{space}+"
    )


def count_pieces(texts: Iterable[str]) -> Counter[str]:
    """How often each piece occurs in some texts: all that byte-pair encoding wants to know of them.

    Raises
    ------
    TypeError
        ``texts`` is one string, or holds something else than strings.
    ValueError
        A text holds half of a character.
    """
    require_several("texts", texts)
    counts: Counter[str] = Counter()
    for text in texts:
        _require_characters("a text", text)
        counts.update(cut_pieces(text))
    return counts


# ---- learning


def learn_merges_plainly(counts: Mapping[str, int], merges: int, alphabet: bytes = BYTES) -> list[str]:
    """Byte-pair encoding as one would tell it: count all pairs, merge the most frequent one, count again.

    ``learn_merges`` gives the same, faster.
    """
    words = _as_tokens(counts, alphabet)
    learned: list[str] = []
    while len(learned) < merges:
        pairs: Counter[str] = Counter()
        for word, count in words:
            for pair in map(add, word, word[1:]):
                pairs[pair] += count
        best = min(pairs, key=lambda pair: (-pairs[pair], pair), default="")
        if pairs[best] < 2:
            break
        new = chr(256 + len(learned))
        learned.append(best)
        words = [(word.replace(best, new), count) for word, count in words]
    return learned


def learn_merges(counts: Mapping[str, int], merges: int, alphabet: bytes = BYTES) -> list[str]:
    """The pairs of tokens that byte-pair encoding merges, in this order.

    Each time it is the pair that occurs most often. Of pairs that occur equally often it is the one whose
    first token has the lower id, that is, the older one; if these are the same, the second token decides.

    Only what changes is counted again. ``where`` knows the words that a pair has ever stood in. A pair can
    only become rarer, once its tokens are there; so the pairs wait in a heap under the counts that they had
    at first, and one that comes out with too high a count is put back with the right one.

    Parameters
    ----------
    counts : mapping from str to int
        How often each piece occurs; see ``count_pieces``.
    merges : int
        How many to learn. There are fewer if no pair is left that occurs twice.
    alphabet : bytes
        The 256 bytes in the order of their ids.

    Returns
    -------
    list of str
        Pairs of tokens, each token a character: merge i made token ``256 + i``.
    """
    words: list[str] = []
    pairs: defaultdict[str, int] = defaultdict(int)
    where: defaultdict[str, set[int]] = defaultdict(set)
    times: list[int] = []
    for i, (word, count) in enumerate(_as_tokens(counts, alphabet)):
        words.append(word)
        times.append(count)
        for pair in map(add, word, word[1:]):
            pairs[pair] += count
            where[pair].add(i)
    heap = [(-count, pair) for pair, count in pairs.items()]
    heapq.heapify(heap)
    learned: list[str] = []
    while heap and len(learned) < merges:
        count, best = heapq.heappop(heap)
        if pairs[best] < 2:
            continue
        if pairs[best] != -count:
            heapq.heappush(heap, (-pairs[best], best))
            continue
        new = chr(256 + len(learned))
        learned.append(best)
        left, right = best[0], best[1]
        born = set()
        for i in where.pop(best):
            words[i] = word = words[i].replace(best, new)
            for pair in map(add, word, word[1:]):
                if new in pair:  # a moment ago, the parts of the new token stood there
                    before = (right if pair[0] == new else pair[0]) + (left if pair[1] == new else pair[1])
                    pairs[before] -= times[i]
                    pairs[pair] += times[i]
                    where[pair].add(i)
                    born.add(pair)
        del pairs[best]
        for pair in born:
            heapq.heappush(heap, (-pairs[pair], pair))
    return learned


def _as_tokens(counts: Mapping[str, int], alphabet: bytes) -> list[tuple[str, int]]:
    """Each piece as a string of tokens, one for each of its bytes, and how often it occurs."""
    ids = bytes(map(alphabet.index, range(256)))
    return [(piece.encode().translate(ids).decode("latin-1"), count) for piece, count in counts.items()]


def merge(word: str, merged: Mapping[str, str]) -> str:
    """Merge what can be merged in a word, in the order in which the merges were learned.

    Parameters
    ----------
    word : str
        A character for each token.
    merged : mapping from str to str
        The new token of each pair, the oldest first.
    """
    if len(word) > LONG:
        for pair, new in merged.items():
            word = word.replace(pair, new)
        return word
    never = chr(LARGEST)
    while len(word) > 1:
        oldest = min(map(add, word, word[1:]), key=lambda pair: merged.get(pair, never))
        if oldest not in merged:
            break
        word = word.replace(oldest, merged[oldest])
    return word


# ---- tokens


class Subwords:
    """A vocabulary of subwords: 256 bytes, what was merged from them, and special tokens, in this order.

    Parameters
    ----------
    merges : (M, 2) whole numbers
        Merge i makes token ``256 + i`` from two tokens that come before it.
    special : sequence of str
        Names of tokens that no text is written in, such as ``END_OF_TEXT``: only whoever puts texts together
        sets them.
    alphabet : bytes
        The 256 bytes in the order of their ids.

    Attributes
    ----------
    tokens : list of bytes
        What each token stands for; a special token for its name.
    merges : (M, 2) int32
    special : dict
        The id of each special token.

    Raises
    ------
    ValueError
        A merge names a token that does not come before it, or a pair twice; ``alphabet`` has not each byte
        once; or a special token has no name, or that of another.

    Examples
    --------
    >>> subwords = Subwords.learn(["low lower lowest, slow and slowly"], merges=3)
    >>> subwords.cut("slower")
    ['s', 'low', 'e', 'r']
    >>> subwords.decode(subwords.encode("né à 北京"))
    'né à 北京'
    """

    def __init__(
        self,
        merges: Sequence[Sequence[int]] | np.ndarray,
        special: Sequence[str] = (),
        alphabet: bytes = BYTES,
    ) -> None:
        self.merges = _require_merges(merges)
        if not isinstance(alphabet, bytes) or sorted(alphabet) != list(range(256)):
            raise ValueError("alphabet should be a bytes object that holds each of the 256 bytes once.")
        self.alphabet = alphabet
        self.tokens = [alphabet[i : i + 1] for i in range(256)]
        for left, right in self.merges.tolist():
            self.tokens.append(self.tokens[left] + self.tokens[right])
        self.special = _require_special(special, first=len(self.tokens))
        self.tokens += [name.encode() for name in self.special]
        pairs = ("".join(map(chr, pair)) for pair in self.merges.tolist())
        self._written = _Written({pair: chr(256 + i) for i, pair in enumerate(pairs)}, alphabet)
        if len(self._written.merged) < len(self.merges):
            raise ValueError("merges holds a pair twice; each pair should be merged once.")

    @classmethod
    def learn(
        cls, texts: Iterable[str], merges: int, special: Sequence[str] = (), alphabet: bytes = BYTES
    ) -> Subwords:
        """Learn from texts which pairs to merge; see ``learn_merges``.

        Fewer than ``merges`` are learned if no pair is left that occurs twice.
        """
        require_count("merges", merges)
        learned = learn_merges(count_pieces(texts), merges, alphabet)
        return cls(np.array([list(map(ord, pair)) for pair in learned]).reshape(-1, 2), special, alphabet)

    @classmethod
    def from_gpt2(cls, folder: str | os.PathLike) -> Subwords:
        """Read the vocabulary of a GPT-2 from its files ``vocab.json`` and ``merges.txt`` [Radford2019]_.

        There each byte is written as a sign that can be seen, a space for instance as ``Ġ``.

        Raises
        ------
        FileNotFoundError
            A file is missing.
        ValueError
            A file is damaged, or the tokens are not those 256 bytes, then the merges, then special ones.
        """
        return cls(*_read_gpt2(Path(folder)))

    def __len__(self) -> int:
        return len(self.tokens)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Subwords):
            return NotImplemented
        return (
            np.array_equal(self.merges, other.merges)
            and self.special == other.special
            and self.alphabet == other.alphabet
        )

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        special = f", special: {', '.join(self.special)}" if self.special else ""
        return f"Subwords({len(self):,} tokens: 256 bytes and {len(self.merges):,} merges{special})"

    # ---- from a text to ids and back

    def encode(self, text: str) -> np.ndarray:
        """The ids of the tokens of a text: int32, shape (L,). What looks like a special token is plain text.

        Raises
        ------
        TypeError
            ``text`` is not a string.
        ValueError
            It holds half of a character (a lone surrogate), which no text can have.
        """
        _require_characters("text", text)
        return self._ids(text)

    def encode_bytes(self, data: bytes) -> np.ndarray:
        """The ids of bytes, which need not be a text; for those of a text, the same as ``encode`` gives."""
        if not isinstance(data, bytes):
            raise TypeError(f"data is a {type(data).__name__}; it should be a bytes object.")
        return self._ids(data.decode(errors="surrogateescape"))

    def encode_texts(self, texts: Iterable[str], end: str | None = None) -> tuple[np.ndarray, np.ndarray]:
        """The ids of several texts, one after the other.

        Parameters
        ----------
        texts : iterable of str
            N of them.
        end : str, optional
            A special token that is put after each.

        Returns
        -------
        ids : numpy.ndarray
            int32, shape (L,).
        starts : numpy.ndarray
            int64, shape (N + 1,): text i is ``ids[starts[i]:starts[i + 1]]``.
        """
        require_several("texts", texts)
        if end is not None and end not in self.special:
            known = ", ".join(map(repr, self.special)) or "none"
            raise ValueError(f"end is {end!r}; it should be one of the special tokens ({known}).")
        last = np.array([] if end is None else [self.special[end]], np.int32)
        rows = [np.concatenate([self.encode(text), last]) for text in texts]
        starts = np.concatenate([[0], np.cumsum([len(row) for row in rows], dtype=np.int64)])
        return np.concatenate([np.empty(0, np.int32), *rows]), starts

    def decode(self, ids: Sequence[int] | Array) -> str:
        """The text of a row of ids.

        A character may have several tokens. Where only some of them are there, which can only happen in what
        a model has written, the sign U+FFFD takes its place. Special tokens stand there by their names.

        Raises
        ------
        ValueError
            The ids are not one row of whole numbers from 0 to ``len(self) - 1``.
        """
        return self.decode_bytes(ids).decode(errors="replace")

    def decode_bytes(self, ids: Sequence[int] | Array) -> bytes:
        """The bytes of a row of ids, whether they are a text or not."""
        row = require_text(ids)
        if row.size:
            require_ids("ids", row, len(self))
        return b"".join(map(self.tokens.__getitem__, row.tolist()))

    def cut(self, text: str) -> list[str]:
        """The tokens of a text, to look at: what is not a whole character is shown as ``\\xe5``."""
        return [self.tokens[i].decode(errors="backslashreplace") for i in self.encode(text).tolist()]

    def _ids(self, text: str) -> np.ndarray:
        written = "".join(map(self._written.__getitem__, cut_pieces(text)))
        self._written.forget()
        return np.frombuffer(written.encode("utf-32-le", "surrogatepass"), "<i4").astype(np.int32)

    # ---- files

    def arrays(self) -> dict[str, np.ndarray]:
        """All that it takes to make this vocabulary again, as plain arrays for an ``.npz``."""
        type_ = np.uint16 if len(self) <= 2**16 else np.uint32
        return {
            f"{PREFIX}merges": self.merges.astype(type_),
            f"{PREFIX}special": words_to_lines(self.special),
            f"{PREFIX}alphabet": np.frombuffer(self.alphabet, np.uint8),
        }

    def save(self, path: str | os.PathLike) -> None:
        """Save to an ``.npz`` file of plain arrays, in one step."""
        write_npz(path, self.arrays())

    @classmethod
    def load(cls, path: str | os.PathLike) -> Subwords:
        """Load what ``save`` has saved, or the subwords in a file of weights; see ``save_weights``.

        Raises
        ------
        FileNotFoundError
            There is no such file.
        ValueError
            The file is damaged, or holds no subwords.
        """
        arrays = read_npz(path)
        try:
            merges, special, alphabet = (arrays[PREFIX + name] for name in ("merges", "special", "alphabet"))
        except KeyError:
            raise ValueError(f"{path} holds no subwords; it should be saved with them.") from None
        return cls(merges, lines_to_words(special) if special.size else (), alphabet.tobytes())


class _Written(dict):
    """Each piece that was met, as a string of tokens. Texts repeat their words, so most are met again."""

    limit = 2**18

    def __init__(self, merged: dict[str, str], alphabet: bytes) -> None:
        self.merged = merged
        self.ids = bytes(map(alphabet.index, range(256)))

    def __missing__(self, piece: str) -> str:
        data = piece.encode(errors="surrogateescape")
        word = self[piece] = merge(data.translate(self.ids).decode("latin-1"), self.merged)
        return word

    def forget(self) -> None:
        """Begin anew when there are too many."""
        if len(self) > self.limit:
            self.clear()


# ---- what is checked


def _require_characters(name: str, text: str) -> None:
    """Raise unless ``text`` is a string of whole characters."""
    require_string(name, text)
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(
            f"{name} has {text[error.start]!r} at position {error.start}, which is half of a character "
            "(a lone surrogate); it should have whole characters."
        ) from None


def _require_merges(merges: Sequence[Sequence[int]] | np.ndarray) -> np.ndarray:
    """The merges as (M, 2) int32, if each names two tokens that come before the one it makes."""
    pairs = np.asarray(merges)
    if pairs.size == 0:
        return np.empty((0, 2), np.int32)
    if pairs.ndim != 2 or pairs.shape[1] != 2 or pairs.dtype.kind not in "iu":
        raise ValueError(
            f"merges has shape {pairs.shape} and holds {pairs.dtype}; it should be (M, 2) of whole numbers."
        )
    if len(pairs) > LARGEST - 512:
        raise ValueError(f"merges has {len(pairs):,} rows; it should have at most {LARGEST - 512:,}.")
    wrong = np.flatnonzero((pairs.min(axis=1) < 0) | (pairs.max(axis=1) >= 256 + np.arange(len(pairs))))
    if wrong.size:
        i = int(wrong[0])
        raise ValueError(
            f"merge {i} is of tokens {pairs[i].tolist()}; it should be of two from 0 to {255 + i}, "
            "which come before it."
        )
    return pairs.astype(np.int32)


def _require_special(special: Sequence[str], first: int) -> dict[str, int]:
    """The ids of the special tokens, from ``first`` on, if each has a name of its own."""
    require_several("special", special)
    names = list(special)
    for name in names:
        _require_characters("a special token", name)
        if not name or "\n" in name or names.count(name) > 1:
            raise ValueError(
                f"special holds {name!r}; each special token should have a name of its own, in one line."
            )
    return dict(zip(names, range(first, first + len(names))))


# ---- GPT-2's files


def _read_gpt2(folder: Path) -> tuple[np.ndarray, list[str], bytes]:
    """Merges, special tokens and alphabet from GPT-2's two files."""
    for name in ("vocab.json", "merges.txt"):
        if not (folder / name).is_file():
            raise FileNotFoundError(f"there is no file {folder / name}; GPT-2's vocabulary has two files.")
    try:
        ids = json.loads((folder / "vocab.json").read_text(encoding="utf-8"))
        names = [name for name, _ in sorted(ids.items(), key=lambda item: item[1])]
        if [ids[name] for name in names] != list(range(len(names))):
            raise ValueError
    except (ValueError, AttributeError, TypeError, KeyError):
        raise ValueError(
            f"{folder / 'vocab.json'} is damaged; it should give the tokens numbers from 0 on, as GPT-2's."
        ) from None
    try:
        lines = (folder / "merges.txt").read_text(encoding="utf-8").rstrip("\n").split("\n")
    except UnicodeDecodeError:
        raise ValueError(f"{folder / 'merges.txt'} is damaged; it should be text in UTF-8.") from None
    if lines[0].startswith("#version") or lines == [""]:
        del lines[0]
    pairs = [line.split(" ") for line in lines]
    for i, pair in enumerate(pairs):
        if len(pair) != 2 or not set(pair) <= ids.keys() or ids.get("".join(pair)) != 256 + i:
            raise ValueError(
                f"{folder / 'merges.txt'} has the merge {' '.join(pair)!r}; it should be of two tokens of "
                f"vocab.json, and make its token {256 + i}."
            )
    signs = {chr(sign): byte for sign, byte in zip([*_SHOWN, *range(256, 324)], GPT2_BYTES)}
    if set(names[:256]) != signs.keys():
        raise ValueError(f"{folder / 'vocab.json'} should begin with the 256 bytes, as GPT-2's does.")
    alphabet = bytes(signs[name] for name in names[:256])
    merges = np.array([[ids[left], ids[right]] for left, right in pairs]).reshape(-1, 2)
    return merges, names[256 + len(pairs) :], alphabet
