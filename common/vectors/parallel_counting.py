"""Counting neighbours in a text that no memory holds, by as many processes as there are.

    with cluster() as client:
        counts = parallel_cooccurrence(client, ["part-0.npy", "part-1.npy", ...], len(vocabulary), window=5)

The text is cut into pieces, and each piece gives a matrix of counts. They are added up as a tree: by eights,
the sums by eights again, until one is left:

    piece 0   piece 1    …    piece 7     piece 8    …    piece 15
        \\____|_____________|____/             \\______|______/
                 sum                                sum
                   \\________________________________/
                                  sum

Counts are whole numbers, and whole numbers may be added in any order: the sum has the same bits, however the
text is cut and whoever counts first. (A neighbour that weighs 1/d would be rounded in another order. So every
neighbour counts as 1 here.)

Words at the end of a piece have neighbours in the next. A piece therefore reads ``window`` words further than
it counts: each pair of words belongs to the piece that its first word lies in, and is counted there and
nowhere else.

With a ``folder``, each matrix is a file in it and not in memory, and is added up block by block of its rows.
Then a run that was killed, in whatever way, goes on with the files that are there.
"""

from __future__ import annotations

import json
import operator
import os
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from scipy import sparse

from common.cluster import lasting
from common.support.files import write_in_one_step
from common.support.require import require_count
from common.vectors.counting import checked_ids, count_after, documents

if TYPE_CHECKING:
    from distributed import Client, Future

PIECE = 1 << 24
"""Words in a piece: 16 million, whose pairs at one distance take 64 or 128 MB."""

FAN = 8
"""So many matrices are added at a time."""

BLOCK = 1 << 22
"""A block of rows has at most so many entries, if it can: 48 MB."""

File = str | os.PathLike[str]


@dataclass(frozen=True)
class Text:
    """A text that lies in files, each a row of word ids (``np.save``): one text, read from file to file.

    Parameters
    ----------
    parts : tuple of str
        The files, in order.
    borders : tuple of int
        Where in the text each file begins, and where the last one ends.
    starts : str, optional
        A file of whole numbers: where each document starts, and where the last one ends. Words of two
        documents are no neighbours.
    """

    parts: tuple[str, ...]
    borders: tuple[int, ...]
    starts: str | None = None

    @classmethod
    def of(cls, parts: Sequence[File], starts: File | None = None) -> Text:
        """The text in these files.

        Raises
        ------
        FileNotFoundError
            A file is missing.
        ValueError
            A file is not whole, holds something else, or there is none.
        """
        if isinstance(parts, (str, os.PathLike)) or not len(parts):
            raise ValueError(f"parts is {parts!r}; it should be a list of at least one file.")
        lengths = [len(row_of_numbers(part)) for part in parts]
        borders = np.concatenate([[0], np.cumsum(lengths)]).tolist()
        if borders[-1] == 0:
            raise ValueError("the files hold no word; there should be at least one.")
        if starts is not None:
            row = row_of_numbers(starts)
            if len(row) < 2 or row[0] != 0 or row[-1] != borders[-1]:
                raise ValueError(
                    f"{os.fspath(starts)} holds {row}; it should rise from 0 to {borders[-1]}, the length of "
                    "the text."
                )
        places = tuple(os.path.abspath(part) for part in parts)
        return cls(places, tuple(borders), starts and os.path.abspath(starts))

    def __len__(self) -> int:
        return self.borders[-1]

    def words(self, first: int, last: int) -> np.ndarray:
        """The ids from ``first`` up to ``last``, from as many files as it takes."""
        found = []
        for part, begin, end in zip(self.parts, self.borders, self.borders[1:]):
            if max(first, begin) < min(last, end):
                row = row_of_numbers(part)
                if len(row) != end - begin:
                    raise ValueError(f"{part} has {len(row)} words, and had {end - begin} before.")
                found.append(np.array(row[max(first - begin, 0) : last - begin]))
        return np.concatenate(found)

    def documents(self, first: int, last: int) -> np.ndarray | None:
        """The number of the document, counted from the first of these, of each of the words."""
        if self.starts is None:
            return None
        starts = row_of_numbers(self.starts)
        within = starts[np.searchsorted(starts, first, "right") : np.searchsorted(starts, last)]
        return documents(np.array([0, *(within - first), last - first]), last - first)

    def pieces(self, piece: int) -> list[tuple[int, int]]:
        """The borders of the pieces: of each file, and of so many words within one."""
        return [
            (first, min(first + piece, end))
            for begin, end in zip(self.borders, self.borders[1:])
            for first in range(begin, end, piece)
        ]


def row_of_numbers(path: File) -> np.ndarray:
    """What a file holds; it is read only where it is looked at."""
    whole = os.path.isfile(path) and os.path.getsize(path) < 1000  # nothing to map where nothing is inside
    try:
        row = np.load(path, mmap_mode=None if whole else "r", allow_pickle=False)
    except FileNotFoundError:
        raise FileNotFoundError(f"there is no file {os.fspath(path)}.") from None
    except (ValueError, EOFError):
        raise ValueError(
            f"{os.fspath(path)} is cut short, or is not a file of numpy.save; use a whole copy."
        ) from None
    if not isinstance(row, np.ndarray) or row.ndim != 1 or row.dtype.kind not in "iu":
        raise ValueError(f"{os.fspath(path)} holds something else; it should hold one row of whole numbers.")
    return row


def parallel_cooccurrence(
    client: Client,
    parts: Sequence[File],
    size: int,
    window: int = 5,
    starts: File | None = None,
    folder: File | None = None,
    piece: int = PIECE,
) -> Any:
    """Count as ``cooccurrence`` does, to the same bits, on all the workers that the client has.

    Parameters
    ----------
    client : distributed.Client
        See ``common.cluster``.
    parts : files
        Each a row of word ids, as ``np.save`` writes it; together, in this order, they are the text. The
        workers read them: on several machines they have to be at the same place on each.
    size : int
        The number of words in the vocabulary, V.
    window : int
        How many words to look at on each side.
    starts : file, optional
        Where each document starts, and where the last one ends.
    folder : path, optional
        Where matrices are kept that are not to be kept in memory. It is made if need be. Several machines
        have to share it.
    piece : int
        Words that a worker counts at a time.

    Returns
    -------
    scipy.sparse.csr_array
        float64, (V, V). With a ``folder`` it is ``Rows``, which reads it from the file.

    Raises
    ------
    FileNotFoundError
        A file is missing.
    ValueError
        A file is not whole, an id is out of range, or the folder has counts of something else.
    ConnectionError
        The scheduler is lost and does not come back.
    """
    for name, value in (("size", size), ("window", window), ("piece", piece)):
        require_count(name, value)
    text = Text.of(parts, starts)
    if folder is None:
        return lasting(client, Tree(client, text, size, window, piece).count)
    place = Path(os.path.abspath(folder))  # as the workers know it
    require_same(place, text, {"size": size, "window": window, "piece": piece})
    last = lasting(client, Tree(client, text, size, window, piece, str(place)).count)
    for left in [*place.glob("*.counts.npz"), *place.glob(".*.part")]:
        if left != Path(last):  # of workers that died
            left.unlink()
    return Rows(last, size)


class Tree:
    """Hands over what is to be counted and added up; what lies in the folder already, and its parts, is not.

    Node (0, i) is piece i, and node (n, i) the sum of the nodes (n - 1, FAN i) to (n - 1, FAN i + FAN - 1).
    """

    def __init__(
        self, client: Client, text: Text, size: int, window: int, piece: int, folder: str | None = None
    ) -> None:
        self.client, self.text, self.size, self.window, self.folder = client, text, size, window, folder
        self.pieces = text.pieces(piece)
        self.widths = [len(self.pieces)]
        while self.widths[-1] > 1:
            self.widths.append(-(-self.widths[-1] // FAN))
        self.top = (len(self.widths) - 1, 0)

    def place(self, level: int, i: int) -> str | None:
        """The file of a node."""
        return self.folder and os.path.join(self.folder, f"{level}-{i}.counts.npz")

    def node(self, level: int, i: int) -> Future | str:
        """The matrix of a node, or the promise of it, or the file that holds it."""
        place = self.place(level, i)
        if place and os.path.exists(place):
            return place
        if level == 0:
            about = (self.text, self.size, self.window, *self.pieces[i], place)
            return self.client.submit(count_piece, *about, pure=False)
        below = range(FAN * i, min(FAN * (i + 1), self.widths[level - 1]))
        parts = [self.node(level - 1, j) for j in below]
        return self.client.submit(add_up, parts, self.size, place, pure=False)

    def count(self) -> Any:
        """The last sum, or its file."""
        last = self.node(*self.top)
        return last if isinstance(last, str) else last.result()


# ---- what the workers do


def count_piece(
    text: Text, size: int, window: int, first: int, last: int, place: str | None = None
) -> sparse.csr_array | str:
    """Count the pairs whose first word is one of ``first`` to ``last`` - 1; into a file if it has a place."""
    if place and os.path.exists(place):  # by a worker that died before it could tell
        return place
    end = min(last + window, len(text))
    ids = checked_ids(text.words(first, end), size)
    after = count_after(ids, size, window, text.documents(first, end), own=last - first)
    counts = (after + after.T).tocsr()
    if place is None:
        return counts
    return write_blocks(place, (counts[a:b] for a, b in block_borders(size)))


def add_up(parts: Sequence[Any], size: int, place: str | None = None) -> sparse.csr_array | str:
    """The sum of some matrices; of files, block by block, into a file, and then they are deleted."""
    if place is None:
        return reduce(operator.add, parts)
    if not os.path.exists(place):
        rows = [Rows(part, size) for part in parts]
        write_blocks(place, (reduce(operator.add, blocks) for blocks in zip(*rows)))
    for part in parts:
        Path(part).unlink(missing_ok=True)
    return place


# ---- a matrix in a file


class Rows:
    """A sparse matrix (V, V) in a file: going through it gives some rows at a time, from the first on.

    Parameters
    ----------
    path : path
    size : int
        V.
    """

    def __init__(self, path: File, size: int) -> None:
        self.path, self.size = Path(path), size

    def __iter__(self) -> Iterator[sparse.csr_array]:
        try:
            with np.load(self.path, allow_pickle=False) as file:
                for i, (a, b) in enumerate(block_borders(self.size)):
                    parts = tuple(file[f"{i}.{name}"] for name in ("data", "indices", "indptr"))
                    yield sparse.csr_array(parts, shape=(b - a, self.size))
        except (zipfile.BadZipFile, zlib.error, KeyError, EOFError, ValueError):
            raise ValueError(
                f"{self.path} is damaged; it should be deleted, and is then counted anew."
            ) from None

    def matrix(self) -> sparse.csr_array:
        """All of it, in memory."""
        return sparse.vstack(list(self), format="csr")

    def __repr__(self) -> str:
        return f"Rows({str(self.path)!r}, {self.size})"


def block_borders(size: int) -> list[tuple[int, int]]:
    """The rows of each block, the same in all files of matrices of this size."""
    step = max(BLOCK // size, 1)
    return [(a, min(a + step, size)) for a in range(0, size, step)]


def write_blocks(place: str, blocks: Iterable[sparse.csr_array]) -> str:
    """Write a matrix as an ``.npz`` of its blocks, of which only one is in memory; returns ``place``."""

    def write(file: BinaryIO) -> None:
        with zipfile.ZipFile(file, "w") as archive:
            for i, block in enumerate(blocks):
                for name in ("data", "indices", "indptr"):
                    with archive.open(f"{i}.{name}.npy", "w", force_zip64=True) as member:
                        np.lib.format.write_array(member, getattr(block, name), allow_pickle=False)

    write_in_one_step(place, write)
    return place


def require_same(folder: Path, text: Text, settings: dict[str, int]) -> None:
    """Note in the folder what is counted there; raise if it was something else before."""
    files = {
        part: os.stat(part).st_mtime_ns for part in (*text.parts, *([text.starts] if text.starts else []))
    }
    now = json.dumps({"files": files, "borders": text.borders} | settings)
    note = folder / "counts.json"
    if not note.exists():
        write_in_one_step(note, lambda file: file.write(now.encode()))
    elif note.read_text(encoding="utf-8") != now:
        raise ValueError(
            f"{folder} has counts of another text, or of other settings; delete it, or use another folder."
        )
