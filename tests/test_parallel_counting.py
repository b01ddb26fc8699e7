"""Counting in parts: whole numbers add up to the same bits, however the text is cut and whoever counts."""

import os
import tempfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.vectors import cooccurrence, parallel_cooccurrence
from common.vectors import parallel_counting as parallel
from tests.helpers import bad_input


class Done:
    """A promise that was kept at once."""

    def __init__(self, value):
        self.value = value

    def result(self):
        return self.value


def kept(argument):
    """An argument, or what it has promised."""
    if isinstance(argument, list):
        return [kept(part) for part in argument]
    return argument.result() if isinstance(argument, Done) else argument


class Here:
    """Stands for a client: what is handed to it is done at once, in this process."""

    def __init__(self):
        self.calls = []

    def submit(self, function, *arguments, pure=True):
        self.calls.append(function.__name__)
        return Done(function(*map(kept, arguments)))


def write_parts(folder, ids, cuts=(), starts=None):
    """The text in files, cut at some places; the files."""
    parts = []
    for i, part in enumerate(np.split(np.array(ids, np.int32), cuts)):
        parts.append(os.path.join(folder, f"part-{i}.npy"))
        np.save(parts[-1], part)
    if starts is not None:
        np.save(os.path.join(folder, "starts.npy"), np.array(starts))
    return parts


def same_bits(one, two):
    pairs = [(getattr(one, name), getattr(two, name)) for name in ("data", "indices", "indptr")]
    return one.shape == two.shape and all(a.dtype == b.dtype and a.tobytes() == b.tobytes() for a, b in pairs)


TEXTS = st.lists(st.integers(0, 5), min_size=1, max_size=40)
CUTS = st.lists(st.integers(0, 40), max_size=6).map(sorted)


@given(TEXTS, CUTS, st.integers(1, 9), st.integers(1, 12), st.none() | CUTS, st.booleans(), st.integers(2, 8))
def test_counts_have_the_bits_of_one_process(ids, cuts, window, piece, borders, in_files, fan):
    """Files may be empty or shorter than the window, and documents may end anywhere."""
    cuts = [min(cut, len(ids)) for cut in cuts]
    starts = None if borders is None else [0, *(min(border, len(ids)) for border in borders), len(ids)]
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(parallel, "FAN", fan)
        patch.setattr(parallel, "BLOCK", 12)  # two rows
        parts = write_parts(folder, ids, cuts, starts)
        counts = parallel_cooccurrence(
            Here(),
            parts,
            6,
            window,
            None if starts is None else os.path.join(folder, "starts.npy"),
            os.path.join(folder, "counts") if in_files else None,
            piece,
        )
        if in_files:
            blocks = list(counts)
            assert [block.shape for block in blocks] == [(2, 6)] * 3
            counts = counts.matrix()
        assert same_bits(counts, cooccurrence(ids, 6, window, starts=starts))


def test_a_pair_across_a_border_is_counted_once(tmp_path):
    parts = write_parts(tmp_path, [0, 1, 2, 3], [1, 1, 3])  # 0 | | 1 2 | 3
    counts = parallel_cooccurrence(Here(), parts, 4, window=2).toarray().tolist()
    assert counts == [[0, 1, 1, 0], [1, 0, 1, 1], [1, 1, 0, 1], [0, 1, 1, 0]]


def test_a_large_vocabulary_does_not_overflow(tmp_path):
    size = 2**16  # whose square is more than 32 bits hold
    ids = [size - 1, 3, size - 1, size - 2, 3]
    counts = parallel_cooccurrence(Here(), write_parts(tmp_path, ids, [2]), size, window=1)
    assert same_bits(counts, cooccurrence(ids, size, window=1))
    assert counts[size - 1, 3] == 2 and counts[size - 2, 3] == 1


def test_what_lies_in_the_folder_is_not_counted_again(tmp_path):
    ids = np.random.default_rng(0).integers(6, size=100)
    parts, folder = write_parts(tmp_path, ids, [40]), tmp_path / "counts"

    def count():
        client = Here()
        return client, parallel_cooccurrence(client, parts, 6, 3, folder=folder, piece=10).matrix()

    first, whole = count()
    assert first.calls.count("count_piece") == 10 and first.calls.count("add_up") == 3
    assert len(list(folder.glob("*.npz"))) == 1  # sums take the place of what was added up
    again, result = count()
    assert again.calls == [] and same_bits(whole, result)


def test_a_folder_may_be_named_from_where_one_stands(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ids = np.random.default_rng(0).integers(6, size=100)
    parts = write_parts("", ids, [40])
    counts = parallel_cooccurrence(Here(), parts, 6, 3, folder="counts", piece=10)
    monkeypatch.chdir("/")
    assert same_bits(counts.matrix(), cooccurrence(ids, 6, 3))


@pytest.mark.parametrize("last", range(13))
def test_a_run_that_stops_anywhere_goes_on(tmp_path, last):
    """It is stopped after so many tasks, with the half of a file lying about."""
    ids = np.random.default_rng(0).integers(6, size=100)
    parts, folder = write_parts(tmp_path, ids, [40]), tmp_path / "counts"

    class Stops(Here):
        def submit(self, function, *arguments, pure=True):
            if len(self.calls) == last:
                raise KeyboardInterrupt
            return super().submit(function, *arguments)

    with pytest.raises(KeyboardInterrupt):
        parallel_cooccurrence(Stops(), parts, 6, 3, folder=folder, piece=10)
    (folder / ".0-9.counts.npz.77.part").write_bytes(b"half")
    client = Here()
    counts = parallel_cooccurrence(client, parts, 6, 3, folder=folder, piece=10)
    assert len(client.calls) == 13 - last  # nothing twice
    assert same_bits(counts.matrix(), cooccurrence(ids, 6, 3))
    assert sorted(path.name for path in folder.iterdir()) == ["2-0.counts.npz", "counts.json"]


def test_a_sum_that_is_there_is_not_made_from_parts_that_are_gone(tmp_path):
    """A worker may die between the file that it has written and the word that it has."""
    parts = write_parts(tmp_path, [0, 1, 2, 1], [2])
    text = parallel.Text.of(parts)
    pieces = [
        parallel.count_piece(text, 3, 1, *border, str(tmp_path / f"{i}.npz"))
        for i, border in enumerate(text.pieces(2))
    ]
    place = parallel.add_up(pieces, 3, str(tmp_path / "sum.npz"))
    before = parallel.Rows(place, 3).matrix()
    assert parallel.add_up(pieces, 3, place) == place and not any(map(os.path.exists, pieces))
    assert same_bits(before, cooccurrence([0, 1, 2, 1], 3, 1))


def a_text(change=lambda parts: None, **options):
    """Counting a small text of two files after some change to them."""
    with tempfile.TemporaryDirectory() as folder:
        parts = write_parts(folder, [0, 1, 2, 3] * 100, [200], [0, 50, 400])
        if change(parts) != "no more":
            options = {"parts": parts, "size": 4, "window": 2} | options
            starts = options.pop("starts", None)
            starts = starts and os.path.join(folder, starts)
            parallel_cooccurrence(Here(), starts=starts, **options)


def cut_short(parts):
    os.truncate(parts[1], os.path.getsize(parts[1]) - 4)


def another_kind(parts):
    np.save(parts[0], np.ones(3))


def emptied(parts):
    for part in parts:
        np.save(part, np.zeros(0, np.int32))


def not_numpy(parts):
    with open(parts[0], "wb") as file:
        file.write(b"words")


def other_length(parts):
    np.save(os.path.join(os.path.dirname(parts[0]), "starts.npy"), np.array([0, 399]))


test_bad_input = bad_input(
    {
        "a missing file": (
            lambda: a_text(lambda parts: os.remove(parts[1])),
            "there is no file .*part-1.npy",
        ),
        "a truncated file": (lambda: a_text(cut_short), "part-1.npy is cut short"),
        "another file": (lambda: a_text(not_numpy), "part-0.npy is cut short, or is not a file of numpy"),
        "floats": (lambda: a_text(another_kind), "part-0.npy holds something else; it should hold one row"),
        "no word": (lambda: a_text(emptied), "hold no word; there should be at least one"),
        "no file": (lambda: a_text(parts=[]), "should be a list of at least one file"),
        "one file": (lambda: a_text(parts="part.npy"), "should be a list of at least one file"),
        "a word that is none": (
            lambda: a_text(size=3),
            "ids go from 0 to 3; they should lie between 0 and 2",
        ),
        "window": (lambda: a_text(window=0), "window is 0"),
        "piece": (lambda: a_text(piece=0), "piece is 0"),
        "documents": (lambda: a_text(other_length, starts="starts.npy"), "rise from 0 to 400"),
    },
    (ValueError, TypeError, FileNotFoundError),
)


def test_a_folder_of_other_counts_is_refused(tmp_path):
    parts, folder = write_parts(tmp_path, [0, 1, 2, 1]), tmp_path / "counts"
    parallel_cooccurrence(Here(), parts, 3, 1, folder=folder)
    with pytest.raises(ValueError, match="has counts of another text, or of other settings; delete it"):
        parallel_cooccurrence(Here(), parts, 3, 2, folder=folder)
    os.utime(parts[0], ns=(1, 1))  # written anew
    with pytest.raises(ValueError, match="another text"):
        parallel_cooccurrence(Here(), parts, 3, 1, folder=folder)


def test_a_damaged_file_of_counts_is_named(tmp_path):
    rows = parallel_cooccurrence(
        Here(), write_parts(tmp_path, [0, 1, 2, 1]), 3, 1, folder=tmp_path / "counts"
    )
    whole = rows.path.read_bytes()
    assert whole.count(np.float64(2).tobytes()) == 2  # 1 and 2 are neighbours twice
    rows.path.write_bytes(whole.replace(np.float64(2).tobytes(), np.float64(3).tobytes()))
    with pytest.raises(ValueError, match=r"0-0\.counts\.npz is damaged; it should be deleted"):
        rows.matrix()
