"""Scenes that are drawn: what is in them, where it is, and which sentences are true of them."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.datasets import draw_scenes
from common.datasets.images import (
    COLORS,
    KINDS,
    RELATIONS,
    SHAPES,
    SIDE,
    Thing,
    caption,
    holds,
    relation,
    render,
)

SEEDS = st.integers(0, 2**32 - 1)
RED, BLUE, GREEN = (
    Thing("red", "circle", 16, 16),
    Thing("blue", "square", 26, 15),
    Thing("green", "cross", 17, 5),
)


def rng(seed=0):
    return np.random.default_rng(seed)


@given(SEEDS)
def test_things_do_not_touch_nor_leave_the_picture_and_are_of_different_kinds(seed):
    scenes = draw_scenes(rng(seed), 5)
    for scene, pixels in zip(scenes.things, scenes.pixels):
        covered = sum(thing.place().astype(int) for thing in scene)
        assert covered.max() == 1 and 1 <= len(scene) <= 3
        assert np.array_equal(pixels.any(axis=0), covered > 0)
        for thing in scene:
            place = thing.place()
            rows, columns = np.nonzero(place)
            assert rows.min() == thing.row - thing.size and rows.max() == thing.row + thing.size
            assert rows.min() >= 0 <= columns.min() and max(rows.max(), columns.max()) < SIDE
            assert len(np.unique(pixels[:, place], axis=1).T) == 1  # one colour
        assert len({thing.kind for thing in scene}) == len(scene)


@given(SEEDS)
def test_the_caption_is_true_and_the_relations_are_as_the_pixels_have_them(seed):
    scenes = draw_scenes(rng(seed), 5)
    for scene, said in zip(scenes.things, scenes.captions):
        assert holds(said, scene) and said == caption(scene) and said.startswith(str(scene[0]))
        for one, other in itertools.permutations(scene, 2):
            apart = np.argwhere(one.place()).mean(axis=0) - np.argwhere(other.place()).mean(axis=0)
            down, right = RELATIONS[relation(one, other)]
            if scene[0] in (one, other):  # in one row, or in one column
                assert apart @ (down, right) > 5 and abs(apart @ (right, down)) < 5
        if len(scene) > 1:
            turned = {"above": "below", "below": "above", "left of": "right of", "right of": "left of"}
            words = relation(scene[0], scene[1])
            assert not holds(said.replace(words, turned[words], 1), scene)


def test_which_sentences_are_true():
    scene = RED, BLUE, GREEN
    assert caption(scene) == "a red circle above a blue square and right of a green cross"
    assert holds("a red circle right of a green cross and above a blue square", scene)
    assert holds("a blue square below a red circle and right of a green cross", scene)
    for wrong in (
        "",
        "a red circle",
        "a red circle above a blue square",
        "a red circle above a red circle and right of a green cross",
        "a red circle below a blue square and right of a green cross",
        "a red circle above a blue square and right of a yellow cross",
        "a red circle above a blue square right of a green cross",
    ):
        assert not holds(wrong, scene)
    assert holds("a red circle", scene[:1]) and not holds("a red square", scene[:1])


def test_the_shapes_differ():
    places = [Thing("red", shape, 16, 16).place() for shape in SHAPES]
    assert [int(place.sum()) for place in places] == [61, 81, 41, 45]
    assert render((RED,))[:, 16, 16].tolist() == list(COLORS["red"])


def test_what_is_held_out_is_never_there_and_is_asked_for_alone():
    out = (("green", "triangle"), ("red", "square"))
    kinds = [kind for kind in KINDS if kind not in out]
    seen = {thing.kind for scene in draw_scenes(rng(), 300, kinds=kinds).things for thing in scene}
    assert seen == set(kinds)
    for scene in draw_scenes(rng(), 100, kinds=kinds, including=out).things:
        assert sum(thing.kind in out for thing in scene) == 1


def test_all_is_drawn():
    scenes = draw_scenes(rng(), 400)
    assert {len(scene) for scene in scenes.things} == {1, 2, 3}
    assert {thing.kind for scene in scenes.things for thing in scene} == set(KINDS)
    assert {relation(s[0], s[1]) for s in scenes.things if len(s) > 1} == set(RELATIONS)
    assert repr(scenes) == "Scenes(400 of 32 x 32)" and len(set(scenes.captions)) > 200
    planes = scenes.planes()
    assert planes.shape == (400, 3, 32, 32) and planes.dtype == np.float32 and 0.9 < planes.max() <= 1
    again = draw_scenes(rng(), 400)
    assert again.captions == scenes.captions and np.array_equal(again.pixels, scenes.pixels)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: draw_scenes(1, 2), r"rng is a int; it should be a numpy\.random\.Generator"),
        (lambda: draw_scenes(rng(), 0), r"N is 0; it should be a whole number, at least 1"),
        (lambda: draw_scenes(rng(), 1, most=4), r"most is 4; it should be at most 3"),
        (lambda: draw_scenes(rng(), 1, kinds=KINDS[:2]), r"most is 3; .* at most the 2 kinds"),
        (
            lambda: draw_scenes(rng(), 1, including=[("pink", "circle")]),
            r"including has \('pink', 'circle'\); it should be pairs of a colour and a shape",
        ),
    ],
)
def test_bad_input_gets_one_clear_sentence(call, sentence):
    with pytest.raises((ValueError, TypeError), match=sentence):
        call()
