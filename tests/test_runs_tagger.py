"""The runs of the taggers, on a handful of sentences: what is searched, kept, measured and not done again."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest

from common.text import allowed_moves
from runs import tagger

NAMES = [("Ada", "PER"), ("Bo", "PER"), ("Rome", "LOC"), ("Oslo", "LOC")]
SENTENCES = [
    [("they", "O"), ("saw" if kind == "PER" else "left", "O"), (name, f"B-{kind}"), (".", "O")]
    for name, kind in NAMES
]


@pytest.fixture
def results(monkeypatch, tmp_path):
    """What is recorded, with little data in the place of the real."""
    found = {}

    def record(name, *keys, result, **others):
        place = found
        for key in keys[:-1]:
            place = place.setdefault(key, {})
        place[keys[-1]] = result

    parts = SimpleNamespace(
        train=SENTENCES,
        valid=SENTENCES,
        test=SENTENCES,
        gazetteer=SimpleNamespace(tag=lambda words: ["O"] * len(words)),
    )
    monkeypatch.setattr(tagger, "silver", lambda: parts)
    monkeypatch.setattr(tagger, "wikigold_parts", lambda: vars(parts))
    monkeypatch.setattr(tagger, "tests", lambda data: dict.fromkeys(("hand", "silver"), SENTENCES))
    monkeypatch.setattr(tagger, "KEPT", tmp_path)
    monkeypatch.setattr(tagger, "PASSES", {"silver": 2, "wikigold": 2})
    monkeypatch.setattr(tagger, "RATES", (0.001, 0.02))
    monkeypatch.setattr(tagger, "SEEDS", (1, 2))
    monkeypatch.setattr(tagger, "OURS", ("They saw Ada.",))
    monkeypatch.setattr(tagger, "record_run", record)
    monkeypatch.setattr(tagger, "recorded", lambda name: {"runs": found})
    return found


def run(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["tagger", *arguments])
    tagger.main()


def test_a_model_is_searched_trained_with_each_seed_and_never_again(monkeypatch, results):
    run(monkeypatch, "window-3", "wikigold/lstm-crf")
    assert set(results) == {"window-3", "wikigold/lstm-crf"}
    for runs in results.values():
        assert set(runs) == {"search", "1", "2"} and set(runs["search"]) == {"0.001", "0.02"}
        best = max(runs["search"].values(), key=lambda one: max(one["valid"]))
        assert runs["1"] == best and runs["2"]["lr"] == best["lr"]
        low, high = runs["1"]["tests"]["hand"]["interval"]
        assert low <= runs["1"]["tests"]["hand"]["f1"] <= high
    monkeypatch.setattr(tagger, "train", None)  # nothing is left to do
    run(monkeypatch, "window-3", "wikigold/lstm-crf")


@pytest.mark.parametrize("name", tagger.MODELS)
def test_each_model_can_be_built(name):
    model, _ = tagger.build(name, "silver", 1, SENTENCES)
    assert np.isfinite(float(model.forward(*tagger.tagger_batches(model, SENTENCES).batches[0])))


def test_baselines_and_frames(monkeypatch, results):
    monkeypatch.setattr(tagger, "FRAMES", ("window-1",))
    run(monkeypatch, "baselines", "window-1", "frames")
    assert results["nothing"]["1"]["tests"]["hand"]["accuracy"] == 0.75
    assert results["most-frequent-tag"]["1"]["tests"]["hand"]["f1"] == 1
    frames = results["frames"]["1"]
    assert frames["words"] == [["They", "saw", "Ada", "."]]
    assert len(frames["tags"]["window-1"]["0"]) == 4


def test_impossible_tags_are_counted(monkeypatch):
    follow, first = allowed_moves(tagger.TAGS)
    rng = np.random.default_rng(0)
    marked = [[tagger.TAGS[k] for k in rng.integers(5, size=4)] for _ in range(200)]
    monkeypatch.setattr(tagger, "predict_tags", lambda model, words, rules: marked)
    wrong = 0
    for tags in marked:
        ids = [tagger.TAGS.index(tag) for tag in tags]
        wrong += not (first[ids[0]] and all(follow[i][j] for i, j in zip(ids, ids[1:])))
    assert tagger.broken(None, [SENTENCES[0]] * 200)["impossible"] == wrong / 200 > 0.1


@pytest.mark.parametrize("arguments", [[], ["window-4"], ["wikigold/nothing"]])
def test_names_that_are_none(monkeypatch, arguments):
    with pytest.raises(SystemExit, match=r"name is .*; it should be some of baselines, frames, window-1"):
        run(monkeypatch, *arguments)
