"""The run that counts a text larger than memory, with a small text: it sees when a count is wrong."""

import os

import numpy as np
import pytest

from common.vectors import cooccurrence, parallel_cooccurrence
from runs import scaling
from tests.test_parallel_counting import Here, same_bits


@pytest.fixture
def small(monkeypatch, tmp_path):
    """Three files of a small text; the words that they are made of."""
    sizes = {"files": 3, "words": 500, "size": 12, "window": 2, "changed": 0.05, "piece": 90}
    monkeypatch.setattr(scaling, "LARGE", sizes)
    words = np.random.default_rng(0).integers(12, size=70).astype(np.int32)
    parts = [str(tmp_path / f"part-{i}.npy") for i in range(3)]
    for i, part in enumerate(parts):
        np.save(part, scaling.large_file(words, i))
    return words, parts


def test_the_text_is_the_words_again_and_again_with_some_changed(small):
    words, parts = small
    texts = [np.load(part) for part in parts]
    assert all(len(text) == 500 and text.dtype == np.int32 for text in texts)
    first = int(np.random.default_rng([scaling.SEED, 0]).integers(70))
    changed = (texts[0] != np.resize(np.roll(words, -first), 500)).mean()
    assert 0.02 < changed <= 0.05 and not np.array_equal(texts[0], texts[1])
    assert np.array_equal(texts[1], scaling.large_file(words, 1))


def test_the_rows_of_some_words_are_looked_at_by_another_way(small, tmp_path):
    _, parts = small
    rows = parallel_cooccurrence(Here(), parts, 12, 2, folder=tmp_path / "counts", piece=90)
    whole = cooccurrence(np.concatenate([np.load(part) for part in parts]), 12, 2)
    assert same_bits(rows.matrix(), whole) and rows.matrix().sum() == 2 * (1499 + 1498)
    assert scaling.rows_right(rows, parts, (0, 7, 11))
    wrong = whole.copy()
    wrong[7, 3] += 1
    assert not scaling.rows_right([wrong[:6], wrong[6:]], parts, (0, 7, 11))
    assert scaling.rows_right([wrong[:6], wrong[6:]], parts, (0, 11))


def test_a_time_is_the_median_of_several_calls():
    calls = []
    assert 0 <= scaling.timed(lambda: calls.append(1), least=5, seconds=0) < 1 and len(calls) == 6


def test_memory_is_that_of_all_processes():
    with scaling.watched_memory() as memory:
        block = np.ones(10_000_000)
        while memory["peak"] == 0:
            pass
    assert memory["peak"] > block.nbytes


@pytest.mark.parametrize("words", [[], ["kill"], ["kills", "cats"], ["trainer"], ["count", "a", "b"]])
def test_unknown_words_are_one_sentence(monkeypatch, words):
    monkeypatch.setattr("sys.argv", ["scaling", *words])
    with pytest.raises(SystemExit, match="they should be kills, count or speed"):
        scaling.main()


def test_the_folder_of_the_text_is_a_new_one(monkeypatch, tmp_path):
    """What is in it is deleted at the end; so nothing may be in it at the beginning."""
    (tmp_path / "scaling-text").mkdir()
    with pytest.raises(FileExistsError):
        monkeypatch.setattr("sys.argv", ["scaling", "count", str(tmp_path)])
        monkeypatch.setattr(scaling, "load_reviews", lambda: pytest.skip("should not be reached"))
        scaling.main()
    assert os.path.isdir(tmp_path / "scaling-text")
