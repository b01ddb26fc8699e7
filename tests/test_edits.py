"""What is tried with the chapters, and that a trial finds what a reader would trip on."""

import nbformat
import pytest

from tests import edits

CELL = """
rng = np.random.default_rng(3)
epochs, lr = scale(quick=(4, 0.1), full=(40, 0.1))


def build(H=8, dropout=0.6):
    return Net(H, name="ä", seed=0, lines=7)
"""


def test_what_may_be_changed_in_a_cell():
    found = dict(edits.changes(CELL))
    assert list(found) == [
        "seed 3 -> 4",
        "epochs 4 -> 2",
        "epochs 4 -> 8",
        "lr 0.1 -> 0.05",
        "lr 0.1 -> 0.2",
        "H 8 -> 4",
        "H 8 -> 16",
        "dropout 0.6 -> 0.3",
        "seed 0 -> 1",
    ]
    assert found["lr 0.1 -> 0.05"] == CELL.replace("quick=(4, 0.1)", "quick=(4, 0.05)")
    assert found["seed 0 -> 1"] == CELL.replace("seed=0", "seed=1")
    assert list(edits.changes("%matplotlib inline")) == []


@pytest.fixture
def notebook(tmp_path):
    def write(*sources):
        book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
        path = tmp_path / "made.ipynb"
        nbformat.write(book, path)
        return path

    return write


def outcome(path, kind):
    return [edits.attempt(trial)[0] for trial in edits.trials(path) if trial.kind == kind]


def test_a_notebook_that_survives(notebook, monkeypatch):
    monkeypatch.setenv("BOOK_STRICT", "1")
    path = notebook("epochs = 2", "values = [3, 2, 1][:epochs]\nprint(values)", "print(values[-1])")
    assert outcome(path, "change") == [[], []]
    assert outcome(path, "twice") == outcome(path, "again") == [[]]


def test_a_notebook_that_does_not(notebook, monkeypatch):
    monkeypatch.setenv("BOOK_STRICT", "1")
    path = notebook(
        "epochs = 2", "values = list(range(epochs))", "values.append(1)\nprint(values[2], len(values))"
    )
    half, double = outcome(path, "change")
    assert half == ["cell 2: IndexError: list index out of range"] and double == []
    assert outcome(path, "twice") == [["cell 2 shows '1 3' the first time, and then '1 4'"]]
    path = notebook("values = [1]", "print(len(values))", "values = 5")
    assert outcome(path, "again") == [[]]
    path = notebook("values = [1]", "size = 1 if 'late' not in globals() else 2\nprint(size)", "late = 1")
    assert outcome(path, "again") == [["cell 1 shows '1' the first time, and then '2'"]]


def test_a_sample_is_the_same_each_time_and_other_for_another_book(notebook):
    path = notebook(*(f"lr = {n}.5" for n in range(9)))
    found = list(edits.trials(path))
    first = edits.sampled(found, 3)
    assert first == edits.sampled(found[::-1], 3) and len(set(first)) == 3
    path = notebook(*(f"lr = {n}.5 " for n in range(9)))
    assert [str(t) for t in edits.sampled(list(edits.trials(path)), 3)] != [str(t) for t in first]
