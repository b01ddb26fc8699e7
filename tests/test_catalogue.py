"""The catalogue of layers: nothing is left out, sources exist, the page cites them."""

import re

import numpy as np
import pytest

from common.book import recorded
from common.book.catalogue import (
    ENTRIES,
    Entry,
    build,
    entry_of,
    layer_classes,
    source_text,
    timed_at,
)
from common.layers import Affine, ReLU
from tests.golden import reference
from tests.golden.reference import missing, reference_gaps
from tests.helpers import ROOT, python


def test_each_layer_has_one_entry():
    assert len(ENTRIES) > 20 and len({entry.layer for entry in ENTRIES}) == len(ENTRIES)
    assert {entry.layer for entry in ENTRIES} <= set(layer_classes())


def test_the_bibliography_lists_every_source_whether_a_page_cites_it_or_not():
    assert ":all:" in (ROOT / "chapters" / "references.md").read_text(encoding="utf-8")


def test_every_source_is_used_by_a_page_or_by_the_code():
    listed = re.findall(
        r"^@\w+\{(\w+),", (ROOT / "references.bib").read_text(encoding="utf-8"), flags=re.MULTILINE
    )
    pages = [*ROOT.glob("*.md"), *(ROOT / "chapters").glob("*.md"), *(ROOT / "chapters").glob("*.ipynb")]
    code = [path for folder in ("common", "runs", "benchmarks") for path in (ROOT / folder).rglob("*.py")]
    used = set(re.findall(r"\w+", " ".join(path.read_text(encoding="utf-8") for path in (*pages, *code))))
    assert len(listed) > 100 and not set(listed) - used


def test_the_gap_to_pytorch_is_recorded_for_every_layer():
    complete = [layer.__name__ for layer in layer_classes() if missing(layer) is None]
    assert sorted(recorded("layers")["gaps"]) == sorted(complete)


def test_the_catalogue_needs_no_pytorch():
    done = python("-c", "import sys, common.book.catalogue; print('torch' in sys.modules)")
    assert done.stdout.strip() == "False", done.stderr
    for entry in ENTRIES:
        compile(entry.torch, entry.layer.__name__, "eval")  # an expression, in which no bracket is lost


def test_source_text():
    assert source_text("Bridle1990") == "Bridle 1990"
    assert source_text("Nair2010") == "Nair and Hinton 2010"
    assert source_text("Rumelhart1986") == "Rumelhart et al. 1986"
    with pytest.raises(ValueError, match=r"Nobody1900 is not in references\.bib"):
        source_text("Nobody1900")


def test_examples_are_the_same_at_each_call():
    for entry in ENTRIES:
        for example in entry.examples.values():
            (one, _), (two, _) = build(example), build(example)
            assert all(map(np.array_equal, one.params, two.params))


def test_what_is_timed_is_said_in_one_line():
    lines = [timed_at(entry) for entry in ENTRIES]
    assert "Affine(D=256, H=256) on (128, 256)" in lines and not any("\n" in line for line in lines)


def test_a_missing_reference_gets_one_sentence(monkeypatch, tmp_path):
    entry = entry_of(ReLU)
    changed = Entry(**{**vars(entry), "examples": {"another": next(iter(entry.examples.values()))}})
    with pytest.raises(ValueError, match="ReLU has no reference arrays for 'another'; make golden NAME=ReLU"):
        reference_gaps(changed)
    monkeypatch.setattr(reference, "GOLDEN", tmp_path)
    with pytest.raises(FileNotFoundError, match="ReLU has no reference arrays; make golden NAME=ReLU"):
        reference_gaps(entry)


def test_a_difference_from_pytorch_is_seen(monkeypatch):
    forward = Affine.forward
    monkeypatch.setattr(Affine, "forward", lambda self, x: forward(self, x) * 1.0001)
    assert max(reference_gaps(entry_of(Affine)).values()) > 1e-5


def test_every_source_named_in_the_code_is_in_the_bibliography():
    for path in sorted((ROOT / "common").rglob("*.py")):
        for key in re.findall(r"\[([A-Z][A-Za-z]+\d{4}[a-z]?)\]_", path.read_text(encoding="utf-8")):
            assert source_text(key), f"{path.name} names {key}"
