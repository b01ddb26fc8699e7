"""The table of chapters 7 to 9."""

import re

import pytest

from common.book import growing_table as module
from common.book.growing_table import growing_table

RUNS = {
    "addition/plain": {
        "1": {"accuracy": 0.5, "parameters": 1000, "seconds_an_epoch": 3.0},
        "2": {"accuracy": 0.75, "parameters": 1000, "seconds_an_epoch": 4.0},
    },
    "dates/plain": {"1": {"accuracy": 0.25, "parameters": 1200, "seconds_an_epoch": 9.0}},
    "addition/peeky": {"1": {"accuracy": 0.99, "parameters": 2000, "seconds_an_epoch": 5.0}},
    "dates-file/plain": {"1": {"accuracy": 0.1, "parameters": 1, "seconds_an_epoch": 1.0}},
}


@pytest.fixture(autouse=True)
def results(monkeypatch):
    monkeypatch.setattr(module, "recorded", lambda name: {"runs": RUNS})


def cells(html):
    rows = re.findall(r"<tr>(.*?)</tr>", html)
    return [
        [re.sub("<.*?>", "", cell) for cell in re.findall(r"<t[dh].*?>(.*?)</t[dh]>", row)] for row in rows
    ]


def test_it_shows_the_mean_and_the_spread_and_leaves_open_what_nobody_ran():
    head, plain, peeky = cells(growing_table(["plain", "peeky"]))
    assert head[:2] == ["model", "parameters"] and len(head) == 6
    assert plain[1:] == [
        "1,000 and 1,200",
        "62.5\N{NO-BREAK SPACE}(50.0\N{EN DASH}75.0)",
        "3.5",
        "25.0",
        "9.0",
    ]
    assert peeky[1:] == ["2,000", "99.0", "5.0", "", ""]


def test_what_the_notebook_measured_is_masked_and_named():
    here = {"dates/mine": {"accuracy": 0.125, "parameters": 77, "seconds_an_epoch": 1.25}}
    html = growing_table(["peeky"], here, {"mine": "my model"})
    assert cells(html)[2] == ["my model (this notebook)", "77", "", "", "12.5", "1.2"]
    assert html.count('class="measured"') == 2


def test_a_task_that_nobody_did_has_no_columns():
    assert cells(growing_table(["peeky"])) == [
        ["model", "parameters", "sums right, %", "s an epoch"],
        ["the same, decoder peeky", "2,000", "99.0", "5.0"],
    ]


def test_a_model_that_was_not_recorded_is_an_error():
    with pytest.raises(ValueError, match="nothing is recorded of 'other'; recorded models: plain, peeky"):
        growing_table(["other"])
