"""Scenes that are drawn: what is in them, where it is, and which sentences are true of them."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.datasets import Images, draw_digit_scenes, draw_scenes
from common.datasets.images import (
    COLORS,
    INK,
    KINDS,
    RELATIONS,
    SHAPES,
    SIDE,
    Digit,
    Thing,
    caption,
    holds,
    named,
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


def test_which_words_name_which_thing():
    scene = RED, BLUE, GREEN
    said = "a red circle above a green square and right of a green cross"
    assert named(said, scene) == [(1, RED), (2, RED), (11, GREEN), (12, GREEN)]
    assert named("a red", scene) == [] and named("", scene) == []


# ---- digits


def images(*labels):
    pixels = rng().integers(0, 256, (len(labels), 28, 28)).astype(np.uint8)
    pixels[:, ::9] = 255  # no digit is without ink
    return Images(pixels, np.array(labels))


@given(SEEDS)
def test_digits_are_different_and_stand_in_quarters_of_their_own(seed):
    scenes = draw_digit_scenes(rng(seed), 5, images(3, 7, 7, 8, 0))
    assert scenes.pixels.shape == (5, 1, 32, 32) and scenes.planes().max() <= 1
    for scene, said, pixels in zip(scenes.things, scenes.captions, scenes.pixels):
        covered = sum(digit.place().astype(int) for digit in scene)
        assert covered.max() == 1 and np.array_equal(covered > 0, pixels[0] > INK)
        assert len({digit.kind for digit in scene}) == len(scene) and holds(said, scene)
        for other in scene[1:]:
            apart = np.subtract((scene[0].row, scene[0].column), (other.row, other.column))
            down, right = RELATIONS[relation(scene[0], other)]
            assert apart @ (down, right) >= 14 and abs(apart @ (right, down)) <= 2


def test_what_is_said_of_digits():
    ink = np.full((14, 14), 200, dtype=np.uint8)
    scene = Digit(8, 7, 8, ink), Digit(3, 8, 24, ink)
    assert caption(scene) == "an eight left of a three" and holds("a three right of an eight", scene)
    assert not holds("a three left of an eight", scene)
    assert [(word, digit.number) for word, digit in named("an eight left of a three", scene)] == [
        (1, 8),
        (5, 3),
    ]
    assert scene[0].place().sum() == 14 * 14 and scene[0].place()[0, 1] and not scene[0].place()[0, 0]


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: draw_digit_scenes(rng(), 0, images(1)), "N is 0; it should be a whole number"),
        (lambda: draw_digit_scenes(rng(), 1, images(1, 1)), "most is 3; .* at most the 1 different digits"),
        (lambda: draw_digit_scenes(rng(), 1, images(*range(9)), most=4), "most is 4; it should be at most 3"),
        (lambda: draw_digit_scenes(rng(), 1, images(1, 10)), "digits is Images.*; it should be 28 x 28"),
        (
            lambda: draw_digit_scenes(rng(), 1, Images(np.zeros((1, 8, 8), np.uint8), np.array([1]))),
            "digits is Images.*; it should be 28 x 28, with labels from 0 to 9",
        ),
    ],
)
def test_bad_digits_get_one_clear_sentence(call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call()
