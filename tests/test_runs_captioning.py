"""The runs of the captions: chosen, trained, stopped and resumed; what is measured of a caption."""

import sys

import numpy as np
import pytest

from common.datasets.images import Thing, caption
from common.models.captioning import Said
from runs import captioning


@pytest.fixture
def kept(monkeypatch, tmp_path):
    """Runs of a few steps, which write into a folder of their own; what they record."""
    found = {}

    def record_run(name, *keys, result, **about):
        place = found
        for key in keys[:-1]:
            place = place.setdefault(key, {})
        place[keys[-1]] = result

    new = {"record_run": record_run, "recorded": lambda name: {"runs": found}, "KEPT": tmp_path}
    new |= {"PASSES": 2, "CHOOSE_PASSES": 1, "SCENES": 64, "TESTED": 20, "RATES": (0.003, 0.01)}
    for name, value in new.items():
        monkeypatch.setattr(captioning, name, value)
    monkeypatch.setattr(captioning, "SIZES", {"D": 3, "H": 4, "filters": (2, 3)})
    captioning.scenes.cache_clear()
    yield found
    captioning.scenes.cache_clear()


def run(monkeypatch, words):
    monkeypatch.setattr(sys, "argv", ["captioning", *words.split()])
    captioning.main()


def test_a_rate_is_chosen_and_trained_with(monkeypatch, kept, capsys):
    run(monkeypatch, "choose attention mean-nowhere")
    assert set(kept["choose"]["attention"]["holds"]) == {"0.003", "0.01"}
    losses = kept["choose"]["mean-nowhere"]["train_loss"]
    assert kept["choose"]["mean-nowhere"]["lr"] == float(min(losses, key=losses.get))  # no caption holds yet
    run(monkeypatch, "attention mean-nowhere 1")
    one, other = kept["attention"]["1"], kept["mean-nowhere"]["1"]
    assert one["lr"] == kept["choose"]["attention"]["lr"] and len(one["train_loss"]) == 2
    assert one["parameters"] - other["parameters"] == 2 * 4  # row and column, for each number of a place
    assert set(one["holds_by_number"]) == {"1", "2", "3"} and sum(one["scenes_by_number"].values()) == 20
    assert other["pointing"] == {} and 0 <= other["held_out"]["named"] <= 1
    assert other["held_out"]["alone"] == sum(number for _, number in other["held_out"]["said_alone"])
    assert "seed 1: 0.000 of the captions hold" in capsys.readouterr().out


def test_a_run_that_was_stopped_goes_on(monkeypatch, kept):
    run(monkeypatch, "choose mean")
    run(monkeypatch, "mean 1")
    whole = kept["mean"]["1"]["train_loss"]

    def stop(what):
        def tell(trainer):
            trainer.notes["seconds"] = 0.0
            if what.endswith("seed 1") and trainer.epoch == 1:
                raise RuntimeError("stopped")

        return tell

    for file in captioning.KEPT.glob("mean-*-2-1.*"):
        file.unlink()
    with monkeypatch.context() as patch, pytest.raises(RuntimeError, match="stopped"):
        patch.setattr(captioning, "after_each_pass", stop)
        run(monkeypatch, "mean 1")
    run(monkeypatch, "mean 1")
    assert kept["mean"]["1"]["train_loss"] == whole


def test_what_is_held_out_is_not_learned_from_and_the_control_is(kept):
    parts = captioning.scenes()
    seen = {thing.kind for drawn in parts for scene in drawn.things for thing in scene}
    assert not seen & set(captioning.HELD_OUT) and seen >= set(captioning.CONTROL)
    for part in (0, 1):  # each colour and each shape is the same in both
        sides = [sorted(pair[part] for pair in pairs) for pairs in (captioning.HELD_OUT, captioning.CONTROL)]
        assert sides[0] == sides[1]


SCENE = Thing("red", "circle", 5, 5), Thing("blue", "square", 16, 6)


class Drawn:
    things = (SCENE, SCENE, SCENE[:1])


def test_what_is_wrong_with_a_caption():
    said = Said([caption(SCENE), "a blue square above a red circle", "a red square"], None)
    judged = captioning.judge(said, Drawn)
    assert judged["holds_by_number"] == {"1": 0, "2": 0.5} and judged["things_by_number"] == {"1": 0, "2": 1}
    assert judged["scenes_by_number"] == {"1": 1, "2": 2} and judged["holds"] == pytest.approx(1 / 3)
    assert not captioning.names("a red circle", SCENE)
    assert not captioning.names("a red circle above a blue square and left of a blue square", SCENE)
    three = (*SCENE, Thing("green", "cross", 5, 16))
    assert captioning.names("a blue square above a green cross and left of a red circle", three)


def test_where_it_looks_at_each_word():
    circle, square, off = np.zeros((3, 64))
    circle[8 * 1 + 1] = square[8 * 4 + 1] = off[-1] = 1  # the middles of the things, and a corner
    said = Said(
        ["a red circle above a blue square", "a blue square right of a red circle"],
        [
            np.array([circle, off, circle, square, off, square, off]),
            np.array([off, square, off, circle, circle, circle, off, off]),
        ],
    )
    found = captioning.look(said, Drawn)
    hits = {name: (one["hits"], one["words"]) for name, one in found.items()}
    assert hits == {"relation": (1, 2), "a": (0.5, 4), "colour": (0.5, 4), "shape": (0.25, 4)}
    assert all(0.05 < one["area"] < 0.2 and one["weight"] == one["hits"] for one in found.values())
    assert captioning.look(Said(said.captions, None), Drawn) == {}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("", "the words are missing; they should be models (attention, mean, attention-nowhere"),
        ("attention sum 1", "the words are attention sum; they should be models"),
        ("attention", "seeds should be given for a test, as in: attention 1 2 3"),
        ("choose mean 1", "seeds should be given for a test"),
        ("mean 1", "no learning rate was chosen; python -m runs.captioning choose mean comes first"),
    ],
)
def test_wrong_words_get_one_sentence(monkeypatch, kept, words, sentence):
    with pytest.raises(SystemExit) as caught:
        run(monkeypatch, words)
    assert sentence in str(caught.value)
