"""The bits that the reader flips: the page holds the very patterns that NumPy and common.precision give."""

import json
import re

import numpy as np
import pytest

from common.book import bits
from common.book.bits import EXAMPLES, FORMATS, OFF, bits_html, bits_of, flip_bits, value_of
from common.precision import from_bfloat16, to_bfloat16
from tests.helpers import bad_input


def test_the_examples_are_the_nearest_numbers_of_each_format():
    found = bits_of(EXAMPLES)
    for text, number in EXAMPLES.items():
        assert value_of(found[text]["float16"], "float16") == float(np.float16(number))
        assert value_of(found[text]["bfloat16"], "bfloat16") == pytest.approx(number, rel=2**-8)
    assert found["1"] == {"float16": 0b0_01111_0000000000, "bfloat16": 0b0_01111111_0000000}


def test_a_bfloat16_is_read_and_rounded_as_the_book_does_it():
    numbers = np.random.default_rng(0).standard_normal(200).astype(np.float32)
    found = bits_of({str(i): float(number) for i, number in enumerate(numbers)})
    patterns = to_bfloat16(numbers)
    assert [both["bfloat16"] for both in found.values()] == patterns.tolist()
    assert [value_of(int(pattern), "bfloat16") for pattern in patterns] == from_bfloat16(patterns).tolist()


def test_by_hand():
    assert value_of(0b1_10000_1000000000, "float16") == -3
    assert value_of(0b0_10000000_1000000, "bfloat16") == 3
    assert value_of(1, "float16") == 2.0**-24 and value_of(1, "bfloat16") == 2.0**-133
    assert value_of(0x7C00, "float16") == value_of(0x7F80, "bfloat16") == np.inf


test_bad_input = bad_input(
    {"kind": (lambda: value_of(1, "float8"), "kind is 'float8'; it should be one of float16, bfloat16")}
)


def test_the_page_holds_the_formats_and_the_patterns():
    data = json.loads(re.search(r'<script type="application/json">(.*?)</script>', bits_html())[1])
    assert data == {"formats": FORMATS, "examples": bits_of(EXAMPLES)}


def test_where_no_script_runs_one_sentence_stands_and_no_control_that_does_nothing():
    whole = bits_html(caption="Flip a *bit*.")
    html = re.sub(r"<(script|style)\b.*?</\1>", "", whole, flags=re.DOTALL)
    assert f">{OFF}</p>" in html and "Flip a <em>bit</em>." in html
    assert not re.search(r"<(textarea|button|input|label)", html)
    assert not re.search(r"https?:|\bfetch\b|XMLHttpRequest|\bimport\(|src=", whole)


def test_it_is_one_output_of_the_cell(monkeypatch):
    shown = []
    monkeypatch.setattr(bits, "publish", lambda *output: shown.append(output))
    flip_bits(name="mine")
    ((markup, text),) = shown
    assert 'id="mine"' in markup and "bits" in text
