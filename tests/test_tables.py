"""Tables and token strips: aligned, legible, read without colour, and safely escaped."""

import html
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from common.book import Measured, Plain, low_to_high, table, token_strip
from common.book.tables import shade


def test_a_token_strip_tells_its_values_without_colour():
    strip = token_strip(["a", "<b>"], [-0.5, 0.25], low=-1, high=1)
    assert "&lt;b&gt;" in strip and 'title="−0.50"' in strip and "> 0.25<" in strip
    assert "<small>0.25</small>" in token_strip(["a", "b"], [0.25, 1], show_values=True)


def test_the_same_value_has_the_same_colour_when_the_scale_is_given():
    one = token_strip(["a"], [0.5], low=0, high=1)
    other = token_strip(["a", "b"], [0.5, 0.9], low=0, high=1)
    assert re.search("background:(#[0-9a-f]+)", one).group(1) in other


@given(st.floats(-1, 1), st.sampled_from([(-1.0, 1.0), (0.0, 1.0), (-0.2, 3.0)]))
@example(0.8, (0.0, 1.0))  # a middling blue, where neither white nor dark grey would do
@example(0.9, (0.0, 1.0))
def test_text_on_any_token_is_legible(value, ends):
    colour, deep = shade(value, *ends)
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    light = sum(
        w * (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4)
        for w, p in zip((0.2126, 0.7152, 0.0722), parts)
    )
    text = 1.0 if deep else 0.0
    assert (max(light, text) + 0.05) / (min(light, text) + 0.05) >= 4.5


@pytest.mark.parametrize(
    "tokens, values, sentence",
    [
        (["a"], [1, 2], "there are 1 tokens and 2 values"),
        ([], [], "there are 0 tokens"),
        (["a"], [float("nan")], "the value of 'a' is nan"),
    ],
)
def test_a_strip_that_makes_no_sense_is_refused(tokens, values, sentence):
    with pytest.raises(ValueError, match=sentence):
        token_strip(tokens, values)


def test_a_strip_with_its_ends_swapped_is_refused():
    with pytest.raises(ValueError, match="low is 1 and high is 0"):
        token_strip(["a"], [0.5], low=1, high=0)


def test_a_table_has_column_headers_and_aligned_numbers():
    markup = table([["say", 3, 0.123456], ["`x`", -2, 10.0]], ["word", "letters", "share"])
    assert markup.count('scope="col"') == 3
    assert '<td class="bk-num">0.1235</td>' in markup and '<td class="bk-num">−2</td>' in markup
    assert "<td><code>x</code></td>" in markup and "<td>say</td>" in markup


def test_measured_cells_carry_the_mark_that_the_notebook_tests_mask():
    markup = table([["ours", Measured(0.12345, ".2f")]], ["who", "seconds"])
    assert '<span class="measured">0.12</span>' in markup


@pytest.mark.parametrize(
    "cells, right",
    [
        ([0.5, 12], True),
        (["2.16 to 2.18", "−0.02 to +0.05"], True),
        ([".5", "-", "", 3], True),  # a number that is missing
        ([float("nan"), 1.0], True),
        (["positive", "negative"], False),
        (["-", "-"], False),  # no number at all
        (["yes", 3], False),  # one word among numbers
        (["- no", "7"], False),
    ],
)
@pytest.mark.parametrize("first", [True, False])
def test_a_column_of_measured_cells_is_to_the_right_if_it_holds_numbers_and_to_the_left_if_words(
    cells, right, first
):
    rows = [["say", Measured(cell)][:: 1 if first else -1] for cell in cells]
    markup = table(rows, ["who", "what"][:: 1 if first else -1])
    there = [f'<th scope="col"{sign}>what</th>' in markup for sign in (' class="bk-num"', "")]
    assert there == [right, not right]
    assert markup.count('<td class="bk-num"><span') == (len(cells) if right else 0)
    assert "<td>say</td>" in markup


@pytest.mark.parametrize(
    "cells, right",
    [
        (["1,407", "24"], True),
        (["0.851 to 0.893", "98%"], True),
        (["5 / 80 / 9", "−.5", ""], True),
        (["0.303 ± 0.002", "3e-05", 7], True),
        (["2, plain", "1"], False),
        (["2034-07-06"], False),
        (["", "–"], False),
        ([Plain("7"), Plain("8")], False),  # pieces of a text
    ],
)
def test_a_column_of_texts_is_to_the_right_if_they_are_numbers(cells, right):
    markup = table([["say", cell] for cell in cells], ["who", "what"])
    assert markup.count('<td class="bk-num">') == (len(cells) if right else 0)
    assert ('<th scope="col" class="bk-num">what</th>' in markup) == right


MARKS = ["shares fell $ N to close at $ N", "2 *x* 3", "`rm`", "<b> & co"]


@given(st.sampled_from(MARKS) | st.text())
def test_plain_text_is_shown_character_by_character(text):
    markup = table([[Plain(text)]], [Plain(text)])
    cells = re.findall(r'<t[hd][^>]*><span class="mathjax_ignore">([^<]*)</span></t[hd]>', markup)
    assert [html.unescape(cell) for cell in cells] == [text, text]


@pytest.mark.parametrize("rows, header", [([], ["a"]), ([["a"]], []), ([["a", "b"]], ["a"])])
def test_a_table_that_does_not_fit_its_header_is_refused(rows, header):
    with pytest.raises(ValueError, match=r"the table has|row 0 has 2 cells"):
        table(rows, header)


def test_a_range_of_runs_is_one_number_where_its_ends_read_alike():
    assert low_to_high([0.31, 0.25, 0.5], ".2f") == "0.25 to 0.50"
    assert low_to_high([99.99, 100.0], ".1f") == "100.0"
    assert low_to_high([3], "d") == "3"
