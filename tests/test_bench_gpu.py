"""``make bench-gpu``, as far as it goes without a GPU: our side on the stand-in for CuPy, and the program."""

import json
import os

import pytest

from benchmarks import _gpu
from tests.helpers import ROOT, python

STANDIN = ROOT / "tests" / "standin"
PATH = f"{STANDIN}{os.pathsep}{ROOT}"

# PyTorch as far as the program itself knows it, and two rows without models.
TORCH = """
class cuda:
    is_available = staticmethod(lambda: True)
    synchronize = staticmethod(lambda: waited.append(1))

class backends:
    class cuda:
        class matmul:
            allow_tf32 = True
    class cudnn:
        allow_tf32 = benchmark = None
        is_available = staticmethod(lambda: True)
        version = staticmethod(lambda: 91000)

waited = []
__version__ = "2.13.0"
set_default_device = lambda name: waited.append(name)
"""
ROWS = """
import time
from dataclasses import replace
from functools import partial
from benchmarks import _gpu

def ours_step():
    from common.backend import xp
    assert xp.__name__ == "cupy"
    return lambda: time.sleep(0.001) or 2.5

def peer_step(loss):
    import torch
    from common.backend import xp
    assert xp.__name__ == "numpy" and torch.waited == ["cuda"]
    assert not torch.backends.cuda.matmul.allow_tf32 and not torch.backends.cudnn.allow_tf32
    return lambda: time.sleep(0.004) or loss

ROWS = [("naps", 2.5), ("naps-otherwise", 2.6)]
BENCHMARKS = [_gpu.row(n, "naps", 10, ours_step, partial(peer_step, loss)) for n, loss in ROWS]
BENCHMARKS = [replace(b, turns=2, seconds=0.02) for b in BENCHMARKS]
"""
PROGRAM = """
import sys
from pathlib import Path
from benchmarks import _card, _gpu
_card.book_without_figures()
import common.book.results as results
import rows

results.RESULTS = Path(sys.argv.pop(1))
_gpu.BENCHMARKS = rows.BENCHMARKS
_gpu.MODULE = "rows"
sys.exit(_gpu.main())
"""


def run(folder, *arguments, **environment):
    """The program, with rows that need no GPU; its results go to ``folder``."""
    for name, text in (("torch", TORCH), ("rows", ROWS)):
        (folder / f"{name}.py").write_text(text)
    path = f"{folder}{os.pathsep}{PATH}"
    return python("-c", PROGRAM, str(folder / "results"), *arguments, path=path, **environment)


def test_both_sides_take_turns_and_what_they_did_is_kept(tmp_path):
    done = run(tmp_path)
    assert done.returncode == 1, done.stderr  # as the losses of the second row differ
    first, one, other, last = done.stdout.splitlines()
    assert first.startswith("a stand-in for a GPU, driver for CUDA 12.4") and "cuDNN 91000" in first
    assert one.startswith("naps ") and "DIFFER" not in one
    assert "THE LOSSES DIFFER: [2.5, 2.6]" in other
    assert last.startswith("2 of 2 rows measured in ") and last.endswith(" s on a stand-in for a GPU.")
    kept = json.loads((tmp_path / "results" / "gpu.json").read_text())
    assert kept["card"] == kept["machine"] == "a stand-in for a GPU" and kept["command"] == "make bench-gpu"
    assert len(kept["date"]) == 10 and "CuPy stand-in" in kept["software"]
    naps = kept["rows"][0]
    assert naps["unit"] == "naps/s" and naps["same"] and not kept["rows"][1]["same"]
    assert naps["ratio"] == pytest.approx(naps["ours"] / naps["peer"], rel=1e-3) and naps["ratio"] > 1


def test_rows_are_chosen_by_name_and_some_are_not_recorded(tmp_path):
    done = run(tmp_path, "naps")
    assert "2 of 2 rows measured" in done.stdout, done.stderr
    assert not (tmp_path / "results").exists()
    done = run(tmp_path, "nonsense")
    assert done.returncode != 0 and done.stdout == ""
    assert done.stderr.strip() == "Nothing was measured: no row's name begins with 'nonsense'."


@pytest.mark.parametrize(
    "standin, problem", [(False, "no GPU can be used ("), (True, "PyTorch sees no GPU.")]
)
def test_without_a_gpu_one_sentence_says_so(tmp_path, standin, problem):
    (tmp_path / "torch.py").write_text("class cuda:\n    is_available = staticmethod(lambda: False)\n")
    path = f"{tmp_path}{os.pathsep}{PATH if standin else ROOT}"
    done = python("-m", "benchmarks._gpu", path=path)
    assert done.returncode != 0 and done.stdout == ""
    (sentence,) = done.stderr.strip().splitlines()
    assert sentence.startswith(f"Nothing was measured: {problem}")


LOSSES = """
from benchmarks import _gpu
from common.backend import xp

print(xp.__name__)
for row in _gpu.BENCHMARKS:
    if row.name in ("two-layer", "lstm-100", "convnet-lenet"):
        step = row.ours.args[0]()
        print(row.name, f"{step():.5f} {step():.5f}")
"""


def test_our_steps_are_those_of_the_processor_on_the_stand_in():
    outputs = []
    for place in ({}, {"path": PATH, "BOOK_DEVICE": "gpu"}):
        done = python("-c", LOSSES, **place)
        assert done.returncode == 0, done.stderr
        outputs.append(done.stdout.splitlines())
    assert [output[0] for output in outputs] == ["numpy", "cupy"]
    assert outputs[0][1:] == outputs[1][1:] and len(outputs[0]) == 4


def test_every_subject_that_makes_sense_on_a_card_has_a_row():
    names = [row.name for row in _gpu.BENCHMARKS]
    for begin in ("two-layer", "lstm", "transformer", "gpt", "convnet"):
        assert any(name.startswith(begin) for name in names)
    assert len(set(names)) == len(names)
