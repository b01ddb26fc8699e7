"""The catalogue of layers: nothing is left out, sources exist, the page cites them."""

import re

import numpy as np
import pytest

import common.catalogue
from common.catalogue import (
    ENTRIES,
    GOLDEN,
    Entry,
    build,
    layer_classes,
    reference_gaps,
    source_text,
    timed_at,
)
from common.layers import Affine, ReLU

PAGE = GOLDEN.parent.parent / "chapters" / "layer_catalogue.ipynb"


def test_each_layer_has_one_entry():
    assert [entry.layer for entry in ENTRIES] and len({entry.layer for entry in ENTRIES}) == len(ENTRIES)
    assert {entry.layer for entry in ENTRIES} == set(layer_classes())


def test_sources_are_in_the_bibliography_and_cited_on_the_page():
    page = PAGE.read_text(encoding="utf-8")
    for entry in ENTRIES:
        assert source_text(entry.source)
        assert entry.source in page, f"chapters/layer_catalogue.ipynb does not cite {entry.source}"


def test_a_layer_names_its_source():
    for entry in ENTRIES:
        assert f"[{entry.source}]_" in entry.layer.__doc__, entry.layer.__name__


def test_source_text():
    assert source_text("Bridle1990") == "Bridle 1990"
    assert source_text("Nair2010") == "Nair and Hinton 2010"
    assert source_text("Rumelhart1986") == "Rumelhart et al. 1986"
    with pytest.raises(KeyError, match=r"Nobody1900 is not in references\.bib"):
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
    entry = next(entry for entry in ENTRIES if entry.layer is ReLU)
    changed = Entry(**{**vars(entry), "examples": {"another": next(iter(entry.examples.values()))}})
    with pytest.raises(KeyError, match="nothing for 'another'"):
        reference_gaps(changed)
    monkeypatch.setattr(common.catalogue, "GOLDEN", tmp_path)
    with pytest.raises(FileNotFoundError, match=r"ReLU\.npz is not in tests/golden"):
        reference_gaps(entry)


def test_a_difference_from_pytorch_is_seen(monkeypatch):
    entry = next(entry for entry in ENTRIES if entry.layer is Affine)
    forward = Affine.forward
    monkeypatch.setattr(Affine, "forward", lambda self, x: forward(self, x) * 1.0001)
    assert max(reference_gaps(entry).values()) > 1e-5


def test_every_source_named_in_the_code_is_in_the_bibliography():
    for path in sorted((GOLDEN.parent.parent / "common").rglob("*.py")):
        for key in re.findall(r"\[([A-Z][A-Za-z]+\d{4}[a-z]?)\]_", path.read_text(encoding="utf-8")):
            assert source_text(key), f"{path.name} names {key}"
