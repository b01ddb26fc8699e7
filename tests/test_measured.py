"""A measured number is shown with its band, fails outside it, and is masked as a whole."""

import contextlib
import io
import math

import notebooks
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.book import measured
from tests.helpers import masked


def test_shows_the_value_and_the_band(capsys):
    measured("test accuracy", 0.97333, 0.95, 1)
    measured("one epoch", 1.5, 0, 60, "s")
    measured("speed", np.float32(1234567.0), 1e5, 1e7, "words/s")
    assert capsys.readouterr().out == (
        "test accuracy 0.9733 (expected 0.95 to 1)\n"
        "one epoch 1.5 s (expected 0 to 60 s)\n"
        "speed 1.235e+06 words/s (expected 100000 to 1e+07 words/s)\n"
    )


@pytest.mark.parametrize("value", [0.9, 1.1, math.nan, math.inf, -math.inf])
def test_fails_outside_the_band(value):
    with pytest.raises(
        ValueError, match=r"test accuracy .* is outside the band it should stay in, 0\.95 to 1"
    ):
        measured("test accuracy", value, 0.95, 1)


@pytest.mark.parametrize("strict", [None, "", "0"])
@pytest.mark.parametrize(
    "value, shown", [(0.53666, "0.5367"), (1.1, "1.1"), (math.nan, "nan"), (-math.inf, "-inf")]
)
def test_a_reader_who_plays_is_told_and_goes_on(capsys, monkeypatch, strict, value, shown):
    if strict is None:
        monkeypatch.delenv("BOOK_STRICT")
    else:
        monkeypatch.setenv("BOOK_STRICT", strict)
    measured("test accuracy", value, 0.95, 1)
    sentence = "which holds for the book's own settings: what you changed, or stopped, may be why."
    assert capsys.readouterr().out == f"test accuracy {shown} is outside 0.95 to 1, {sentence}\n"


@pytest.mark.parametrize("low, high", [(1, 0), (math.nan, 1), (0, math.inf)])
def test_refuses_a_band_that_is_none(low, high):
    with pytest.raises(ValueError, match="the band is"):
        measured("loss", 0.5, low, high)


@pytest.mark.parametrize("value", ["0.5", None, True, np.array([0.5])])
def test_refuses_what_is_no_number(value):
    with pytest.raises(TypeError, match=r"value is .* it should be one real number"):
        measured("loss", value, 0, 1)


def test_refuses_a_bad_name_or_unit():
    with pytest.raises(ValueError, match="name is"):
        measured("", 0.5, 0, 1)
    with pytest.raises(ValueError, match="unit is"):
        measured("loss", 0.5, 0, 1, unit="(s)")


@given(
    st.floats(-1e9, 1e9),
    st.floats(-1e9, 1e9),
    st.sampled_from(["", "s", "%", "words/s", "tokens/s", "MB", "x"]),
    st.integers(1, 12),
)
def test_two_runs_look_the_same_when_masked(first, second, unit, digits):
    shown = []
    for value in (first, second):
        with contextlib.redirect_stdout(io.StringIO()) as out:
            measured("loss of model 2", value, -1e9, 1e9, unit, digits)
        shown.append(masked(out.getvalue(), notebooks.masks()))
    assert shown[0] == shown[1] and "loss of model 2 MEASURED" in shown[0]
