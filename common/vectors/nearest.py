"""Word vectors in use: nearest words, analogies, how good they are, and files that other programs read.

Everything here asks one question, how alike two directions are, and answers it with the **cosine**. So a
``WordVectors`` keeps each vector twice: as it was learned, and scaled to length 1. With unit vectors
the cosine of one word with all others is a single matrix-vector product.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

import numpy as np

from common.support.files import read_npz, write_npz
from common.support.require import require_count
from common.text.vocabulary import Vocabulary, lines_to_words, words_to_lines

Neighbours = list[tuple[str, float]]


class WordVectors:
    """One vector for each word.

    Parameters
    ----------
    words : sequence of str
        The vocabulary, each word once. Frequent words first, if the order is known.
    vectors : (V, D)
        Row ``i`` is the vector of ``words[i]``: finite floats. They are copied, so that a model which learns
        on does not change them.

    Attributes
    ----------
    vocabulary : Vocabulary
    words : list of str
    ids : dict
        The row of each word.
    vectors, unit : (V, D)
        As they were given, and scaled to length 1. Neither can be written to: one would no longer be that of
        the other.

    Raises
    ------
    ValueError
        A word occurs twice, the numbers of words and rows differ, or a number is NaN or infinite.
    TypeError
        ``vectors`` does not hold floats.
    """

    def __init__(self, words: Sequence[str], vectors: np.ndarray) -> None:
        vectors = np.asarray(vectors)
        if not np.issubdtype(vectors.dtype, np.floating):
            raise TypeError(f"vectors holds {vectors.dtype}; it should hold floats.")
        if vectors.ndim != 2 or 0 in vectors.shape:
            raise ValueError(f"vectors has shape {vectors.shape}; it should be (V, D), neither of them 0.")
        if len(words) != len(vectors):
            raise ValueError(
                f"words has {len(words)} entries and vectors {len(vectors)} rows; both should be V."
            )
        self.vocabulary = Vocabulary(map(str, words))
        self.words, self.ids = list(self.vocabulary.words), self.vocabulary.ids
        finite = np.isfinite(vectors).all(axis=1)
        if not finite.all():
            word = self.words[int(np.argmin(finite))]
            raise ValueError(f"vectors holds NaN or infinity in the row of {word!r}; it should be finite.")
        # float16 is a format to store, too coarse to compute with.
        self.vectors = vectors.astype(np.float32 if vectors.dtype == np.float16 else vectors.dtype)
        self.unit = unit_rows(self.vectors)
        self.vectors.flags.writeable = self.unit.flags.writeable = False

    def __len__(self) -> int:
        return len(self.words)

    def __contains__(self, word: object) -> bool:
        return word in self.ids

    def __getitem__(self, word: str) -> np.ndarray:
        return self.vectors[self.id(word)]

    def __repr__(self) -> str:
        return f"WordVectors(V={len(self)}, D={self.vectors.shape[1]})"

    def id(self, word: str) -> int:
        """Row of ``word``. A word that is not there is answered with the nearest spellings (UnknownWord)."""
        return self.vocabulary[word]

    def similarity(self, a: str, b: str) -> float:
        """Cosine of two words, from -1 to 1."""
        return float(self.unit[self.id(a)] @ self.unit[self.id(b)])

    def most_similar(self, word: str, top: int = 10) -> Neighbours:
        """The ``top`` words nearest to ``word``, with their cosines; the word itself is left out."""
        i = self.id(word)
        return self.nearest(self.unit[i], top, leave_out=[i])

    def analogy(self, a: str, b: str, c: str, top: int = 5) -> Neighbours:
        """``a`` is to ``b`` as ``c`` is to what? The words nearest to ``b - a + c``, with their cosines.

        All three vectors are scaled to length 1 first, or the longest one would decide. The three words of
        the question are left out: ``b`` and ``c`` are nearly always among the nearest [Mikolov2013c]_.
        """
        ia, ib, ic = self.id(a), self.id(b), self.id(c)
        return self.nearest(self.unit[ib] - self.unit[ia] + self.unit[ic], top, leave_out=[ia, ib, ic])

    def nearest(self, vector: np.ndarray, top: int = 10, leave_out: Iterable[int] = ()) -> Neighbours:
        """The ``top`` words nearest in direction to ``vector`` (D,), rows in ``leave_out`` excepted."""
        require_count("top", top)
        vector = np.asarray(vector)
        if vector.shape != self.unit.shape[1:]:
            raise ValueError(f"vector has shape {vector.shape}; it should be {self.unit.shape[1:]}.")
        if not np.isfinite(vector).all():
            raise ValueError("vector holds NaN or infinity; it should be finite.")
        vector = unit_rows(vector.astype(np.promote_types(vector.dtype, np.float32)))
        cosine = self.unit @ vector.astype(self.unit.dtype)  # (V,)
        leave_out = list(leave_out)
        cosine[leave_out] = -np.inf
        top = min(top, len(self) - len(set(leave_out)))
        if top == 0:
            return []
        found = np.argpartition(-cosine, top - 1)[:top]  # the best, in any order: cheaper than sorting all
        found = found[np.argsort(-cosine[found], kind="stable")]
        return [(self.words[i], float(cosine[i])) for i in found]

    def first(self, size: int) -> WordVectors:
        """Only the first ``size`` words (the most frequent ones, where words are in that order)."""
        return WordVectors(self.words[:size], self.vectors[:size])

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a small ``.npz`` in one step: vectors, and words as one line each. No pickles.

        Numbers are stored as float16, which keeps three digits, if that is true of every vector: no number
        may then be off by more than 1/2048 of the largest in its row. Where one is too large for that, or all
        of a row are too small, all are stored in the type that they have, and come back bit by bit.
        """
        words, stored = words_to_lines(self.words), self.vectors
        with np.errstate(over="ignore"):
            half = stored.astype(np.float16)
            lost = np.abs(half.astype(stored.dtype) - stored).max(axis=1)  # (V,)
        if (lost <= np.abs(stored).max(axis=1) / 2048).all():
            stored = half
        write_npz(path, {"words": words, "vectors": stored}, compressed=True)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> WordVectors:
        """Read what ``save`` wrote.

        Raises
        ------
        FileNotFoundError
            There is no such file.
        ValueError
            The file is damaged, or holds something else.
        """
        arrays = read_npz(path)
        if set(arrays) != {"words", "vectors"}:
            raise ValueError(f"{path} holds {sorted(arrays)}; it should hold 'vectors' and 'words'.")
        try:
            return cls(lines_to_words(arrays["words"]), arrays["vectors"])
        except (ValueError, TypeError) as error:
            raise ValueError(f"{path} is not what WordVectors.save wrote: {error}") from None


def unit_rows(vectors: np.ndarray) -> np.ndarray:
    """Scale each row to length 1. A row of zeros has no direction: it stays zero, and its cosines are 0.

    The square of 1e20 is too large for a float32, and that of 1e-23 too small. So each row is first divided
    by a power of two near its largest number, which changes no digit of it.
    """
    _, exponent = np.frexp(np.abs(vectors).max(axis=-1, keepdims=True))
    vectors = np.ldexp(vectors, -exponent)
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.divide(vectors, length, out=np.zeros_like(vectors), where=length > 0)
