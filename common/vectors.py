"""Word vectors in use: nearest words, analogies, how good they are, and files that other programs read.

Everything here asks one question, how alike two directions are, and answers it with the **cosine**. So a
:class:`WordVectors` keeps each vector twice: as it was learned, and scaled to length 1. With unit vectors
the cosine of one word with all others is a single matrix-vector product.
"""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np

from common.require import require_count
from common.support.files import packaged_file, read_npz, write_in_one_step
from common.text import Vocabulary, lines_to_words, words_to_lines

Neighbours = list[tuple[str, float]]
Pair = tuple[str, str, float]
Question = tuple[str, str, str, str]


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
        write_in_one_step(path, lambda file: np.savez_compressed(file, words=words, vectors=stored))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> WordVectors:
        """Read what :meth:`save` wrote.

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


# ---- evaluation


def evaluate_similarity(vectors: WordVectors, pairs: Sequence[Pair]) -> dict[str, float]:
    """How well cosines put word pairs in the order in which people put them.

    Parameters
    ----------
    vectors : WordVectors
    pairs : list of (word, word, score)
        As from :func:`similarity_pairs`. Capitals make no difference.

    Returns
    -------
    dict
        ``spearman``: the rank correlation, 1 when the order is the same; ``out_of_vocabulary``: the share of
        pairs that was left out because a word has no vector; ``pairs``: how many were compared.
    """
    from scipy.stats import spearmanr  # takes seconds to load

    rows = _rows_in_any_case(vectors)
    found = [(rows.get(a.lower()), rows.get(b.lower()), score) for a, b, score in pairs]
    known = [pair for pair in found if None not in pair]
    if len(known) < 2:
        raise ValueError(f"pairs has {len(known)} pairs of known words; a rank correlation needs at least 2.")
    cosines = [float(vectors.unit[a] @ vectors.unit[b]) for a, b, _ in known]
    rho = spearmanr(cosines, [score for _, _, score in known]).statistic
    return {"spearman": float(rho), "out_of_vocabulary": 1 - len(known) / len(pairs), "pairs": len(known)}


def evaluate_analogies(
    vectors: WordVectors, sections: dict[str, list[Question]]
) -> dict[str, dict[str, float]]:
    """Share of analogy questions whose first answer is right, by section, and for all under ``"all"``.

    Parameters
    ----------
    vectors : WordVectors
    sections : dict of lists of (a, b, c, d)
        As from :func:`analogy_questions`; ``d`` is the expected answer. Capitals make no difference.

    Returns
    -------
    dict of dict
        For each section ``accuracy`` (NaN when no question could be asked), ``out_of_vocabulary`` (the share
        left out because one of the four words has no vector) and ``questions`` (how many were asked).
    """
    rows = _rows_in_any_case(vectors)
    results, right_in_all, asked_in_all, total = {}, 0, 0, 0
    for name, questions in sections.items():
        known = [[rows.get(word.lower(), -1) for word in question] for question in questions]
        asked = np.array([ids for ids in known if min(ids) >= 0], dtype=np.int64).reshape(-1, 4)  # (Q, 4)
        batches = (asked[i : i + 256] for i in range(0, len(asked), 256))  # one matrix product each
        right = sum(_right_answers(vectors.unit, ids) for ids in batches)
        results[name] = _share(right, len(asked), len(questions))
        right_in_all += right
        asked_in_all += len(asked)
        total += len(questions)
    results["all"] = _share(right_in_all, asked_in_all, total)
    return results


def _rows_in_any_case(vectors: WordVectors) -> dict[str, int]:
    """The row of each word in small letters: that of ``apple`` or ``Apple``, whichever stands first."""
    rows: dict[str, int] = {}
    for word, row in vectors.ids.items():
        rows.setdefault(word.lower(), row)
    return rows


def _right_answers(unit: np.ndarray, ids: np.ndarray) -> int:
    """How many of the questions ``ids`` (Q, 4) are answered by their fourth word."""
    a, b, c, d = ids.T
    cosines = (unit[b] - unit[a] + unit[c]) @ unit.T  # (Q, V), times a length that changes no order
    cosines[np.arange(len(ids))[:, np.newaxis], ids[:, :3]] = -np.inf
    return int((cosines.argmax(axis=1) == d).sum())


def _share(right: int, asked: int, total: int) -> dict[str, float]:
    return {
        "accuracy": right / asked if asked else float("nan"),
        "out_of_vocabulary": 1 - asked / total if total else 0.0,
        "questions": asked,
    }


def similarity_pairs(name: str) -> list[Pair]:
    """Word pairs with the mean score that people gave them: ``"wordsim353"`` or ``"simlex999"``.

    WordSim-353 [Finkelstein2002]_ asks how *related* two words are (coffee and cup are), SimLex-999
    [Hill2015]_ how *alike* (coffee and cup are not). Both are read from files that gensim carries.
    """
    files = {"wordsim353": "wordsim353.tsv", "simlex999": "simlex999.txt"}
    if name not in files:
        raise ValueError(f"name is {name!r}; it should be one of {', '.join(files)}.")
    lines = _test_file(files[name]).read_text(encoding="utf-8").splitlines()
    fields = [line.split("\t") for line in lines if line.strip() and not line.startswith("#")]
    return [(a, b, float(score)) for a, b, score in fields]


def analogy_questions() -> dict[str, list[Question]]:
    """The Google analogy questions by section: "a is to b as c is to d" [Mikolov2013a]_."""
    sections: dict[str, list[Question]] = {}
    for line in _test_file("questions-words.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith(":"):
            questions = sections.setdefault(line[1:].strip(), [])
        elif line.strip():
            a, b, c, d = line.split()
            questions.append((a, b, c, d))
    return sections


def _test_file(name: str) -> Path:
    """A file of the installed gensim package."""
    path = packaged_file("gensim", "test", "test_data", name)
    if path is None:
        raise FileNotFoundError(f"{name} comes with the gensim package, which is missing or lacks the file.")
    return path


# ---- the word2vec file formats
#
# Both begin with the line "V D". Then each word has, in the text format, a line "word number number ...", and
# in the binary format "word ", followed by D float32 numbers of 4 bytes, the lowest byte first. GloVe writes
# the text format without its first line.


def save_word2vec(path: str | os.PathLike[str], vectors: WordVectors, binary: bool = False) -> None:
    """Write the format of the original word2vec program, which gensim and most other tools read.

    Numbers are written as float32; in the text format, with as many digits as give back the same bits. The
    file appears in one step.

    Raises
    ------
    ValueError
        A word is empty, holds white space, or a number is too large or a vector too small for float32.
    """
    words_to_lines(vectors.words)  # or say which word cannot be written
    for word in vectors.words:
        if word.encode().split() != [word.encode()]:  # of bytes: U+00A0 and U+3000 are part of a word
            raise ValueError(
                f"the word {word!r} is empty or holds white space, which the format cannot store."
            )
    with np.errstate(over="ignore"):
        rows = vectors.vectors.astype("<f4")
    kept = np.isfinite(rows).all(axis=1) & (rows.any(axis=1) | ~vectors.vectors.any(axis=1))
    if not kept.all():
        word = vectors.words[int(np.argmin(kept))]
        raise ValueError(
            f"the vector of {word!r} has numbers up to {np.abs(vectors[word]).max():.3g}; to be written as "
            "float32, they should lie between 1.4e-45 and 3.4e38."
        )

    def write(file: BinaryIO) -> None:
        file.write(f"{len(rows)} {rows.shape[1]}\n".encode())
        for word, row in zip(vectors.words, rows):
            numbers = row.tobytes() if binary else " ".join(map(str, row)).encode()
            file.write(word.encode() + b" " + numbers + b"\n")

    write_in_one_step(path, write)


def load_word2vec(path: str | os.PathLike[str], binary: bool = False, errors: str = "replace") -> WordVectors:
    """Read a file of word2vec, gensim, GloVe or :func:`save_word2vec`, as it is or compressed by gzip.

    Of a word that stands there twice, the first vector is taken.

    Parameters
    ----------
    path : path
    binary : bool
        Whether it is in the binary format. In the text format, the first line "V D" may be missing.
    errors : str
        What becomes of bytes that are no UTF-8: the original program cuts long words, even in the middle of a
        letter. ``"replace"`` puts � in their place, ``"strict"`` refuses the file.

    Raises
    ------
    ValueError
        The file is malformed or cut short, or holds NaN: the sentence names the file and the word or line.
    """
    with _opened(path) as file:
        words, rows = (_read_binary if binary else _read_text)(file, path, errors)
    first = {word: i for i, word in reversed(list(enumerate(words)))}
    if len(first) < len(words):
        chosen = sorted(first.values())
        words, rows = [words[i] for i in chosen], rows[chosen]
    try:
        return WordVectors(words, rows)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


@contextmanager
def _opened(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """The file, unpacked if it is compressed."""
    with open(path, "rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        try:
            yield gzip.GzipFile(fileobj=file) if packed else file
        except (EOFError, gzip.BadGzipFile, zlib.error):
            raise ValueError(f"{path} is a damaged gzip file; use a whole copy.") from None


def _size(line: bytes) -> tuple[int, int] | None:
    """V and D, if the first line says them."""
    try:
        size, dimension = map(int, line.split())
    except ValueError:
        return None
    return (size, dimension) if min(size, dimension) > 0 and max(size, dimension) < 2**31 else None


def _word(content: bytes, errors: str, where: str) -> str:
    try:
        return content.decode("utf-8", errors)
    except UnicodeDecodeError as error:
        byte = content[error.start]
        raise ValueError(f"{where}: byte {error.start + 1} of the word, {byte:#x}, is no UTF-8.") from None


def _read_text(file: BinaryIO, path: str | os.PathLike[str], errors: str) -> tuple[list[str], np.ndarray]:
    line = file.readline(1 << 20)
    fields = line.split()
    if not (header := _size(line)) and len(fields) < 3:
        expected = "two numbers, V and D, or with a word and its numbers"
        raise ValueError(f"{path} begins with {line[:40]!r}; it should begin with {expected}.")
    size, dimension = header or (None, len(fields) - 1)
    words, rows, place = [], [], 1
    if header:
        line, place = file.readline(), 2
    while line and len(words) != size and (header or line.strip()):
        word, numbers = _fields(line, dimension, f"{path}, line {place}")
        words.append(_word(word, errors, f"{path}, line {place}"))
        rows.append(numbers)
        line, place = file.readline(), place + 1
    if header and len(words) < size:
        raise ValueError(f"{path} ends after {len(words)} vectors; its first line promises {size}.")
    if (line + file.read(1 << 20)).strip():
        raise ValueError(f"{path} goes on after {len(words)} vectors, in line {place}.")
    return words, np.array(rows)


def _fields(line: bytes, dimension: int, where: str) -> tuple[bytes, np.ndarray]:
    """A line as a word, which may hold spaces, and its numbers (D,)."""
    word, *numbers = line.rstrip().rsplit(None, dimension) or [b""]
    if len(numbers) == dimension - 1 and line[:1] == b" ":
        word, numbers = b" ", [word, *numbers]  # the word is itself a space
    fault = None
    try:
        values = [float(number) for number in numbers]
    except ValueError:
        i = [_is_number(number) for number in numbers].index(False)
        fault = f"and number {i + 1} is {numbers[i].decode(errors='backslashreplace')!r}"
    if len(numbers) < dimension:
        fault = f"and has {len(numbers)}"
    elif len(word.split()) > 1 and _is_number(word.split()[-1]):
        fault = "and has more"
    if fault:
        should = f"it should be a word and {dimension} numbers"
        raise ValueError(f"{where}: {should}, {fault} (if the file is binary, use binary=True).")
    with np.errstate(over="ignore"):
        return word, np.array(values, np.float32)


def _is_number(text: bytes) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _read_binary(file: BinaryIO, path: str | os.PathLike[str], errors: str) -> tuple[list[str], np.ndarray]:
    line = file.readline(100)
    if not (header := _size(line)):
        raise ValueError(f"{path} begins with {line[:40]!r}; it should begin with two numbers, V and D.")
    size, dimension = header
    content, position = file.read(), 0
    words = []
    rows = np.empty(
        (min(size, len(content) // (4 * dimension)), dimension), np.float32
    )  # not what is promised
    for i in range(size):
        end = content.find(b" ", position)
        numbers = content[end + 1 : end + 1 + 4 * dimension]
        if end < 0 or len(numbers) < 4 * dimension:
            raise ValueError(f"{path} ends after {i} vectors; its first line promises {size}.")
        # the original program ends each vector with a line break, gensim does not
        words.append(_word(content[position:end].lstrip(b"\n"), errors, f"{path}, word {i + 1}"))
        rows[i] = np.frombuffer(numbers, dtype="<f4")
        position = end + 1 + 4 * dimension
    if content[position:].strip():
        raise ValueError(f"{path} goes on after {size} vectors, more than its first line promises.")
    return words, rows
