"""The file formats of the word2vec program, which gensim and most other tools read and write.

Both begin with the line "V D". Then each word has, in the text format, a line "word number number ...", and
in the binary format "word ", followed by D float32 numbers of 4 bytes, the lowest byte first.
"""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

import numpy as np

from common.support.files import write_in_one_step
from common.text.vocabulary import words_to_lines
from common.vectors.nearest import WordVectors


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
    """Read a file of word2vec, gensim, GloVe or ``save_word2vec``, as it is or compressed by gzip.

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
