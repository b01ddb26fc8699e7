"""Word vectors in use: nearest words, analogies, how good they are, and files that other programs read.

Everything here asks one question, how alike two directions are, and answers it with the **cosine**. So a
:class:`WordVectors` keeps each vector twice: as it was learned, and scaled to length 1. With unit vectors
the cosine of one word with all others is a single matrix-vector product.
"""

from __future__ import annotations

import difflib
import importlib.util
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
from scipy.stats import spearmanr

Neighbours = list[tuple[str, float]]
Pair = tuple[str, str, float]
Question = tuple[str, str, str, str]


class UnknownWord(KeyError):
    """Raised for a word that has no vector. (A bare KeyError would print its sentence in quotation marks.)"""

    def __str__(self) -> str:
        return str(self.args[0])


class WordVectors:
    """One vector for each word.

    Parameters
    ----------
    words : sequence of str
        The vocabulary, each word once. Frequent words first, if the order is known.
    vectors : (V, D)
        Row ``i`` is the vector of ``words[i]``: finite floats.

    Raises
    ------
    ValueError
        If a word occurs twice, if the number of words and rows differ, or if a number is NaN or infinite.
    TypeError
        If ``vectors`` does not hold floats.
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
        if vectors.dtype == np.float16:  # a format to store, too coarse to compute with
            vectors = vectors.astype(np.float32)
        self.words = [str(word) for word in words]
        self.vectors = vectors
        self.ids = {word: i for i, word in enumerate(self.words)}
        if len(self.ids) < len(self.words):
            twice = next(word for i, word in enumerate(self.words) if self.ids[word] != i)
            raise ValueError(f"words holds {twice!r} twice; each word should occur once.")
        finite = np.isfinite(vectors).all(axis=1)
        if not finite.all():
            word = self.words[int(np.argmin(finite))]
            raise ValueError(f"vectors holds NaN or infinity in the row of {word!r}; it should be finite.")
        self.unit = unit_rows(vectors)

    def __len__(self) -> int:
        return len(self.words)

    def __contains__(self, word: object) -> bool:
        return word in self.ids

    def __getitem__(self, word: str) -> np.ndarray:
        return self.vectors[self.id(word)]

    def __repr__(self) -> str:
        return f"WordVectors(V={len(self)}, D={self.vectors.shape[1]})"

    def id(self, word: str) -> int:
        """Row of ``word``. A word that is not there is answered with the nearest spellings."""
        try:
            return self.ids[word]
        except KeyError:
            pass
        near = [] if not isinstance(word, str) else difflib.get_close_matches(word.lower(), self.words, n=3)
        hint = f"near in spelling: {', '.join(near)}" if near else "and no word is near in spelling"
        raise UnknownWord(f"no vector for the word {word!r}; {hint}.")

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
        if top < 1:
            raise ValueError(f"top is {top}; it should be at least 1.")
        vector = np.asarray(vector, dtype=self.unit.dtype)
        if vector.shape != self.unit.shape[1:]:
            raise ValueError(f"vector has shape {vector.shape}; it should be {self.unit.shape[1:]}.")
        cosine = self.unit @ unit_rows(vector[np.newaxis])[0]  # (V,)
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
        """Write a small ``.npz``: numbers as float16, words as one line each. No pickles."""
        words = np.frombuffer("\n".join(self.words).encode(), dtype=np.uint8)
        if any("\n" in word for word in self.words):
            raise ValueError("a word holds a line break; words should be free of them to be saved.")
        np.savez_compressed(path, words=words, vectors=self.vectors.astype(np.float16))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> WordVectors:
        """Read what :meth:`save` wrote."""
        with np.load(path, allow_pickle=False) as file:
            if set(file.files) != {"words", "vectors"}:
                raise ValueError(f"{path} holds {sorted(file.files)}; it should hold 'vectors' and 'words'.")
            return cls(file["words"].tobytes().decode().split("\n"), file["vectors"])


def unit_rows(vectors: np.ndarray) -> np.ndarray:
    """Scale each row to length 1. A row of zeros has no direction: it stays zero, and its cosines are 0."""
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.divide(vectors, length, out=np.zeros_like(vectors), where=length > 0)


# --- Evaluation ---------------------------------------------------------------------------------------------


def evaluate_similarity(vectors: WordVectors, pairs: Sequence[Pair]) -> dict[str, float]:
    """How well cosines put word pairs in the order in which people put them.

    Parameters
    ----------
    vectors : WordVectors
    pairs : list of (word, word, score)
        As from :func:`similarity_pairs`. Words are looked up in lower case.

    Returns
    -------
    dict
        ``spearman``: the rank correlation, 1 when the order is the same; ``out_of_vocabulary``: the share of
        pairs that was left out because a word has no vector; ``pairs``: how many were compared.
    """
    lower = [(a.lower(), b.lower(), score) for a, b, score in pairs]
    known = [(a, b, score) for a, b, score in lower if a in vectors and b in vectors]
    if len(known) < 2:
        raise ValueError(f"pairs has {len(known)} pairs of known words; a rank correlation needs at least 2.")
    cosines = [vectors.similarity(a, b) for a, b, _ in known]
    rho = spearmanr(cosines, [score for _, _, score in known]).statistic
    return {"spearman": float(rho), "out_of_vocabulary": 1 - len(known) / len(pairs), "pairs": len(known)}


def evaluate_analogies(
    vectors: WordVectors, sections: dict[str, list[Question]], batch: int = 256
) -> dict[str, dict[str, float]]:
    """Share of analogy questions whose first answer is right, by section, and for all under ``"all"``.

    Parameters
    ----------
    vectors : WordVectors
    sections : dict of lists of (a, b, c, d)
        As from :func:`analogy_questions`; ``d`` is the expected answer. Words are looked up in lower case.
    batch : int
        Questions answered by one matrix product.

    Returns
    -------
    dict of dict
        For each section ``accuracy`` (NaN when no question could be asked), ``out_of_vocabulary`` (the share
        left out because one of the four words has no vector) and ``questions`` (how many were asked).
    """
    results, right_in_all, asked_in_all, total = {}, 0, 0, 0
    for name, questions in sections.items():
        known = [[vectors.ids.get(word.lower(), -1) for word in question] for question in questions]
        asked = np.array([ids for ids in known if min(ids) >= 0], dtype=np.int64).reshape(-1, 4)  # (Q, 4)
        right = sum(_right_answers(vectors.unit, asked[i : i + batch]) for i in range(0, len(asked), batch))
        results[name] = _share(right, len(asked), len(questions))
        right_in_all += right
        asked_in_all += len(asked)
        total += len(questions)
    results["all"] = _share(right_in_all, asked_in_all, total)
    return results


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
    """A file of the installed gensim package, found without importing the package."""
    package = importlib.util.find_spec("gensim")
    path = Path(package.submodule_search_locations[0], "test", "test_data", name) if package else None
    if path is None or not path.is_file():
        raise FileNotFoundError(f"{name} comes with the gensim package, which is missing or lacks the file.")
    return path


# --- The word2vec file formats ------------------------------------------------------------------------------
#
# Both begin with the line "V D". Then each word has, in the text format, a line "word number number ...", and
# in the binary format "word ", followed by D float32 numbers of 4 bytes, the lowest byte first.


def save_word2vec(path: str | os.PathLike[str], vectors: WordVectors, binary: bool = False) -> None:
    """Write the format of the original word2vec program, which gensim and most other tools read.

    Numbers are written as float32; in the text format, with as many digits as give back the same bits.
    """
    for word in vectors.words:
        if not word or word.split() != [word]:
            raise ValueError(
                f"the word {word!r} is empty or holds white space, which the format cannot store."
            )
    with open(path, "wb") as file:
        file.write(f"{len(vectors)} {vectors.vectors.shape[1]}\n".encode())
        for word, row in zip(vectors.words, vectors.vectors.astype("<f4")):
            numbers = row.tobytes() if binary else " ".join(map(str, row)).encode()
            file.write(word.encode() + b" " + numbers + b"\n")


def load_word2vec(path: str | os.PathLike[str], binary: bool = False) -> WordVectors:
    """Read a word2vec file, text or binary, as written by word2vec, gensim or :func:`save_word2vec`.

    Raises
    ------
    ValueError
        If the file is malformed or cut short, or holds NaN: the sentence names the file and the word or line.
    """
    with open(path, "rb") as file:
        size, dimension = _read_header(file, path)
        if os.path.getsize(path) < size * dimension * (4 if binary else 2):  # before any memory is taken
            raise ValueError(
                f"{path} is too small for the {size} vectors of {dimension} numbers that it promises."
            )
        read = _read_binary if binary else _read_text
        words, rows = read(file, path, size, dimension)
    try:
        return WordVectors(words, rows)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _read_header(file: BinaryIO, path: str | os.PathLike[str]) -> tuple[int, int]:
    line = file.readline(100)
    try:
        size, dimension = map(int, line.split())
    except ValueError:
        size = dimension = 0
    if size < 1 or dimension < 1:
        raise ValueError(f"{path} begins with {line[:40]!r}; it should begin with two numbers, V and D.")
    return size, dimension


def _read_text(
    file: BinaryIO, path: str | os.PathLike[str], size: int, dimension: int
) -> tuple[list[str], np.ndarray]:
    words, rows = [], np.empty((size, dimension), dtype=np.float32)
    for i in range(size):
        line = file.readline()
        if not line:
            raise ValueError(f"{path} ends after {i} vectors; its first line promises {size}.")
        try:
            word, *numbers = line.decode("utf-8").rstrip().split(" ")
            if len(numbers) != dimension:
                raise ValueError
            rows[i] = [float(number) for number in numbers]
        except ValueError:  # a decoding error is one, too
            expected = f"a word and {dimension} numbers (if the file is binary, use binary=True)"
            raise ValueError(f"{path}, line {i + 2}: it should be {expected}.") from None
        words.append(word)
    if file.readline().strip():
        raise ValueError(f"{path} goes on after {size} vectors, more than its first line promises.")
    return words, rows


def _read_binary(
    file: BinaryIO, path: str | os.PathLike[str], size: int, dimension: int
) -> tuple[list[str], np.ndarray]:
    content, position = file.read(), 0
    words, rows = [], np.empty((size, dimension), dtype=np.float32)
    for i in range(size):
        end = content.find(b" ", position)
        numbers = content[end + 1 : end + 1 + 4 * dimension]
        if end < 0 or len(numbers) < 4 * dimension:
            raise ValueError(f"{path} ends after {i} vectors; its first line promises {size}.")
        try:
            # the original program ends each vector with a line break, gensim does not
            words.append(content[position:end].decode("utf-8").lstrip("\n"))
        except UnicodeDecodeError:
            expected = "UTF-8 text (if the file is text, use binary=False)"
            raise ValueError(f"{path}: word {i + 1} should be {expected}.") from None
        rows[i] = np.frombuffer(numbers, dtype="<f4")
        position = end + 1 + 4 * dimension
    if content[position:].strip():
        raise ValueError(f"{path} goes on after {size} vectors, more than its first line promises.")
    return words, rows
