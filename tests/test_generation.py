"""From scores to a choice."""

from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from common.functions import softmax
from common.models.generation import choose, next_probabilities
from tests.helpers import bad_input

P = np.array([0.5, 0.3, 0.15, 0.05])
SCORES = np.log(P)


def rng(seed=0):
    return np.random.default_rng(seed)


def test_without_settings_it_is_softmax():
    x = rng().standard_normal((3, 4, 7))
    np.testing.assert_allclose(next_probabilities(x), softmax(x), rtol=1e-12)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"temperature": 0}, [1, 0, 0, 0]),
        ({"temperature": 0.5}, P**2 / (P**2).sum()),
        ({"temperature": 2}, P**0.5 / (P**0.5).sum()),
        ({"top_k": 2}, [0.625, 0.375, 0, 0]),
        ({"top_k": 99}, P),
        ({"top_p": 0.4}, [1, 0, 0, 0]),
        ({"top_p": 0.8}, [0.625, 0.375, 0, 0]),
        ({"top_p": 0.81}, P[:3] / 0.95),
        ({"top_p": 1}, P),
        ({"skip": [0]}, [0, 0.6, 0.3, 0.1]),
        ({"skip": [0], "temperature": 0}, [0, 1, 0, 0]),
        ({"skip": [1], "top_k": 2}, [0.5 / 0.65, 0, 0.15 / 0.65, 0]),
        ({"top_k": 3, "top_p": 0.84}, [0.625, 0.375, 0, 0]),  # of the three that are left: 10, 6 and 3 of 19
    ],
)
def test_each_setting_does_what_it_says(settings, expected):
    for order in ([0, 1, 2, 3], [2, 0, 3, 1]):  # the places of the words make no difference
        place = np.argsort(order)
        moved = settings | {"skip": [int(place[i]) for i in settings.get("skip", [])]}
        p = next_probabilities(SCORES[order], **moved)
        np.testing.assert_allclose(p, np.pad(expected, (0, 4 - len(expected)))[order], atol=1e-12)


def test_of_equal_scores_the_first_is_the_best():
    x = np.zeros((2, 5))
    assert next_probabilities(x, temperature=0)[:, 0].tolist() == [1, 1]
    assert (next_probabilities(x, top_k=2) > 0).tolist() == [[True, True, False, False, False]] * 2


def test_draws_are_as_frequent_as_they_should_be_and_come_again_from_the_same_seed():
    many = np.tile(SCORES, (20_000, 1))
    ids = choose(many, rng(1))
    assert ids.shape == (20_000,)
    np.testing.assert_allclose(np.bincount(ids) / 20_000, P, atol=0.02)
    np.testing.assert_array_equal(ids, choose(many, rng(1)))
    assert choose(SCORES, rng()).shape == ()


def test_a_row_does_not_depend_on_the_rows_beside_it():
    x = rng(2).standard_normal((6, 9))
    together, drawn = choose(x, rng(5), 0.7, 4, 0.9), rng(5)
    assert together.tolist() == [int(choose(row, drawn, 0.7, 4, 0.9)) for row in x]


def test_the_scores_are_left_alone():
    x = rng().standard_normal((2, 3)).astype(np.float32)
    before = x.copy()
    choose(x, rng(), 0.5, 2, 0.5, [1])
    np.testing.assert_array_equal(x, before)


@given(
    arrays(np.float64, (2, 5), elements=st.floats(-1e30, 1e30)),
    st.floats(0, 1e6),
    st.integers(1, 9),
    st.floats(0.001, 1),
)
def test_no_finite_scores_lead_to_anything_but_probabilities(x, temperature, top_k, top_p):
    p = next_probabilities(x, temperature, top_k, top_p, skip=[3])
    assert np.isfinite(p).all() and (p >= 0).all() and (p[:, 3] == 0).all()
    np.testing.assert_allclose(p.sum(axis=1), 1)
    ids = choose(x, rng(), temperature, top_k, top_p, [3])
    assert (p[[0, 1], ids] > 0).all()
    best = np.where(np.arange(5) == 3, -np.inf, x).argmax(axis=1)
    assert (p[[0, 1], best] > 0).all()


BAD = {
    "temperature": ({"temperature": -0.1}, "temperature is -0.1; it should be a number, at least 0"),
    "infinite": ({"temperature": np.inf}, "temperature is inf"),
    "no number": ({"temperature": "a"}, "temperature is 'a'; it should be a number, at least 0"),
    "no temperature": ({"temperature": None}, "temperature is None; it should be a number, at least 0"),
    "top_k": ({"top_k": 0}, "top_k is 0; it should be a whole number, at least 1"),
    "top_p=0": ({"top_p": 0}, "top_p is 0; it should be a number above 0 and at most 1"),
    "top_p": ({"top_p": 1.5}, "top_p is 1.5"),
    "top_p, no number": ({"top_p": "a"}, "top_p is 'a'; it should be a number above 0"),
    "skip": ({"skip": [4]}, r"skip is \[4\]; it should be a list of ids from 0 to 3"),
    "skip, floats": ({"skip": [0.5]}, r"skip is \[0.5\]; it should be a list of ids"),
    "skip, a mask": ({"skip": [True, False]}, r"skip is \[True, False\]; it should be a list of ids"),
    "skip, None": ({"skip": None}, "skip is None; it should be a list of ids from 0 to 3"),
    "nothing left": ({"skip": [0, 1, 2, 3]}, "scores leave no word to choose"),
}


test_bad_settings_get_one_clear_sentence = bad_input(
    {
        name: (partial(choose, SCORES, rng(), **settings), sentence)
        for name, (settings, sentence) in BAD.items()
    }
)


def test_without_a_generator_nothing_is_drawn():
    with pytest.raises(TypeError, match=r"rng is a NoneType; it should be a numpy\.random\.Generator"):
        choose(SCORES, None)


def test_bad_scores_get_one_clear_sentence():
    with pytest.raises(ValueError, match="scores leave no word to choose, or hold NaN"):
        choose(np.array([0.0, np.nan]), rng())
    with pytest.raises(ValueError, match=r"scores has shape \(3, 0\); it should be \(..., V\)"):
        choose(np.empty((3, 0)), rng())
    with pytest.raises(TypeError, match="scores holds int64; it should hold floats"):
        choose(np.array([1, 2]), rng())
