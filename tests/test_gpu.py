"""The checks of ``make test-gpu``, on the stand-in for CuPy: what they need, what they see, what they say."""

import os

import pytest

from tests.helpers import ROOT, python

STANDIN = ROOT / "tests" / "standin"

# What a machine with CuPy has: Python and NumPy. Python imports a module of this name when it starts.
NOTHING_ELSE = """
import sys

class NothingElse:
    def find_spec(self, name, path=None, target=None):
        known = {*sys.stdlib_module_names, "numpy", "cupy", "common", "tests", "benchmarks"}
        if name.split(".")[0] not in known:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, NothingElse())
"""


def run(*arguments, changes="", folder=None, standin=STANDIN):
    """The program on the stand-in; ``changes`` is done to it first, in a file in ``folder``."""
    paths = [str(standin), str(ROOT)]
    if folder is not None:
        (folder / "sitecustomize.py").write_text(changes)
        paths.insert(0, str(folder))
    return python("-m", "tests.gpu", "--no-record", *arguments, path=os.pathsep.join(paths))


def test_every_check_passes_where_there_is_numpy_and_nothing_else(tmp_path):
    done = run(changes=NOTHING_ELSE, folder=tmp_path)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    first, *lines, last = done.stdout.splitlines()
    assert first.startswith("a stand-in for a GPU, driver for CUDA 12.4, CUDA 12.4, CuPy stand-in, NumPy ")
    assert len(lines) > 150 and all(line.startswith("ok ") for line in lines)
    assert last.startswith(f"{len(lines)} of {len(lines)} checks passed, 0 failed; ")
    for said in (
        "layer LSTM, float32",
        "layer CRF, at its usual size",
        "optimizer AdamW",
        "training GPT, float64",
    ):
        assert sum(said in line for line in lines) == 1


# On a machine whose tanh is off by a millionth, and one whose CuPy lacks a function.
WRONG = """
import cupy, numpy
cupy.tanh = cupy._Function(lambda x, **options: numpy.tanh(x, **options) * (1 + 1e-6))
"""
LACKING = "import cupy\ncupy._LACKING.add('bincount')"


@pytest.mark.parametrize(
    "name, changes, problem",
    [
        ("layer Tanh, float64", WRONG, "(N, D): output 0 differs by "),
        ("training language model, GRU, float64", WRONG, "loss differs by "),
        ("layer CRF, float64", LACKING, "AttributeError: module 'cupy' has no attribute 'bincount'"),
    ],
)
def test_what_is_wrong_is_said_in_the_line_of_the_check(tmp_path, name, changes, problem):
    done = run(name, "optimizer SGD", changes=changes, folder=tmp_path)
    assert done.returncode == 1, done.stderr
    lines = {line[7:51].strip(): line for line in done.stdout.splitlines()[1:-1]}
    assert lines[name].startswith("FAILED ") and problem in lines[name]
    assert lines["optimizer SGD"].startswith("ok ")
    assert done.stdout.splitlines()[-1].startswith("1 of 2 checks passed, 1 failed; ")


def test_without_a_gpu_one_sentence_says_so():
    done = python("-m", "tests.gpu")
    assert done.returncode != 0 and done.stdout == ""
    (sentence,) = done.stderr.strip().splitlines()
    assert sentence.startswith("Nothing was checked: no GPU can be used (")


def test_an_unknown_name_gets_one_sentence():
    done = run("nonsense")
    assert done.returncode != 0 and done.stdout == ""
    assert done.stderr.strip() == "Nothing was checked: no check has 'nonsense' in its name."


COMPARED = """
import numpy as np
from tests.gpu.__main__ import compared

one = {"a": np.array([1.0, 2.0]), "ids": np.array([1, 2])}
assert compared(one, one) == ("", 0.0)
assert compared({**one, "a": np.array([1.0, 2.0 + 1e-9])}, one)[0] == ""
for change, problem in (
    ({"a": np.array([1.0, 2.1])}, "a differs by 5.0e-02"),
    ({"a": np.array([1.0, np.nan])}, "a is not finite where the processor's is, or the other way round"),
    ({"a": np.array([1.0, 2.0, 3.0])}, "a is float64 (3,), and float64 (2,) on the processor"),
    ({"a": np.array([1.0, 2.0], np.float32)}, "a is float32 (2,), and float64 (2,) on the processor"),
    ({"ids": np.array([1, 3])}, "ids differs from the processor's"),
    ({"b": np.array([1.0])}, "gives b on one device only"),
    ({"stopped": np.array("ValueError: no.")}, "ValueError: no."),
):
    assert compared({**one, **change}, one)[0] == problem, (compared({**one, **change}, one), problem)
infinite = {"a": np.array([-np.inf, np.nan])}
assert compared(infinite, infinite)[0] == ""
assert compared({"a": np.array([np.inf, np.nan])}, infinite)[0] != ""
"""


def test_numbers_are_compared_as_strictly_as_their_type_allows():
    done = python("-c", COMPARED)
    assert done.returncode == 0, done.stderr
