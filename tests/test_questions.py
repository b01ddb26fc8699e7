"""Sums and dates: what is made, what is split, and how texts become ids."""

import datetime
import re
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.book import recorded
from common.book.results import rounded
from common.datasets import Task, additions, dates, leak, load_addition, load_dates
from common.datasets.questions import FIRST_DAY, LAST_DAY
from common.text import END, PAD, START, characters_of, decode, encode, padding_mask
from runs.leak import count
from tests.helpers import bad_input


def rng(seed=0):
    return np.random.default_rng(seed)


def test_sums_are_right_and_none_comes_twice_not_even_turned_round():
    pairs = additions(rng(), 3000)
    assert len(pairs) == 3000
    terms = [tuple(map(int, question.split("+"))) for question, _ in pairs]
    assert all(str(a + b) == answer for (a, b), (_, answer) in zip(terms, pairs))
    assert len({tuple(sorted(pair)) for pair in terms}) == 3000
    assert all(re.fullmatch(r"(0|[1-9]\d{0,2})\+(0|[1-9]\d{0,2})", question) for question, _ in pairs)
    lengths = Counter(len(question.split("+")[0]) for question, _ in pairs)
    assert lengths[3] > lengths[2] > lengths[1] > 100
    assert any(a > b for a, b in terms) and any(a < b for a, b in terms)


def test_dates_are_right_and_none_comes_twice():
    pairs = dates(rng(), 3000)
    assert len({question for question, _ in pairs}) == len(pairs) == 3000
    for question, answer in pairs:
        day = datetime.date.fromisoformat(answer)
        assert FIRST_DAY <= day <= LAST_DAY
        expected = {
            f"{day.month}/{day.day}/{day:%y}",
            f"{day:%b} {day.day}, {day.year}",
            f"{day:%B} {day.day}, {day.year}",
            f"{day:%A}, {day:%B} {day.day}, {day.year}",
        }
        assert question.lower() in {text.lower() for text in expected}
        assert question in expected or question in (question.lower(), question.upper())


def test_the_year_is_that_of_the_day_even_around_new_year():
    """The pattern YYY would give the year of the ISO week: 1985 for the last days of 1984."""
    near = [(q, a) for q, a in dates(rng(), 60_000) if a.endswith(("-12-31", "-01-01"))]
    assert len(near) > 100
    assert all(q.endswith((a[:4], a[2:4])) for q, a in near)


@pytest.mark.parametrize("make", [additions, dates])
def test_the_same_seed_gives_the_same_pairs(make):
    assert make(rng(5), 200) == make(rng(5), 200) != make(rng(6), 200)


def test_the_parts_of_a_task_share_no_question():
    pairs = dates(rng(), 300)
    task = Task.split(pairs + pairs[:100], valid=30, test=50)
    assert [len(part) for part in (task.train, task.valid, task.test)] == [220, 30, 50]
    assert leak(task.train, task.test) == leak(task.train, task.valid) == leak(task.valid, task.test) == 0
    assert task.train + task.valid + task.test == pairs
    questions, answers = task.arrays(task.test)
    assert questions.shape[0] == answers.shape[0] == 50 and answers.shape[1] == 12
    assert decode(questions, task.characters) == [question for question, _ in task.test]
    assert decode(answers, task.characters) == [answer for _, answer in task.test]


def test_a_leak_is_measured():
    pairs = additions(rng(), 10)
    assert leak(pairs[:5], pairs[4:]) == 1 / 6
    assert leak(pairs, pairs) == 1


def test_texts_become_rows_and_texts_again():
    characters = characters_of([("12+5", "17")])
    assert characters.words == ("<pad>", "<start>", "<end>", "+", "1", "2", "5", "7")
    ids = encode(["12+5", "7", ""], characters)
    assert ids.dtype == np.int32
    assert ids.tolist() == [[4, 5, 3, 6], [7, PAD, PAD, PAD], [PAD] * 4]
    assert padding_mask(ids).sum(axis=1).tolist() == [4, 1, 0]
    assert encode(["12", "7"], characters, reverse=True).tolist() == [[5, 4], [7, PAD]]
    answers = encode(["17", "5"], characters, answers=True)
    assert answers.tolist() == [[START, 4, 7, END], [START, 6, END, PAD]]
    assert decode(answers, characters) == ["17", "5"]
    assert decode(np.array([4, 7, END, 5]), characters) == ["17"]
    assert decode(np.array([[4, 7, 5]]), characters) == ["172"]


def test_an_empty_text_is_a_row_of_padding():
    characters = characters_of([("1", "1")])
    assert encode([""], characters).tolist() == [[PAD]]
    assert encode([""], characters, answers=True).tolist() == [[START, END, PAD]]
    assert decode(encode([""], characters), characters) == [""]


@given(st.lists(st.text("0123456789+", max_size=9), min_size=1, max_size=6), st.booleans())
def test_what_is_encoded_comes_back(texts, answers):
    characters = characters_of([("0123456789+", "")])
    assert decode(encode(texts, characters, answers=answers), characters) == texts
    turned = decode(encode(texts, characters, answers=answers, reverse=True), characters)
    assert turned == [text[::-1] for text in texts]


@pytest.mark.mirror
def test_the_files_load_and_the_file_of_dates_repeats_itself():
    sums, days = load_addition(), load_dates()
    assert sums[:2] == [("16+75", "91"), ("52+607", "659")] and len(sums) == len(days) == 50_000
    assert days[0] == ("september 27, 1994", "1994-09-27")
    assert len({question for question, _ in sums}) == 50_000
    different = {question for question, _ in days}
    assert len(different) < 45_000
    assert 0.27 < leak(days[:45_000], days[45_000:]) < 0.31
    task = Task.split(days, 1000, 5000)
    assert len(task.train) == len(different) - 6000 and leak(task.train, task.test) == 0


@pytest.mark.mirror
def test_what_is_recorded_of_the_files_is_what_they_hold():
    kept = recorded("leak")
    assert rounded(count()) == {kind: kept[kind] for kind in ("sums", "dates")}


CHARACTERS = characters_of([("12+5", "17")])
BAD = {
    "missing": (
        lambda: encode(["1", "1x2"], CHARACTERS),
        "'1x2' has the character 'x'; the model knows only",
    ),
    "special": (lambda: encode(["<"], CHARACTERS), "'<' has the character '<'"),
    "no text": (lambda: encode([], CHARACTERS), "texts is empty; it should hold at least one text"),
    "too many sums": (lambda: additions(rng(), 60, digits=1), "count is 60; it should be at most 27"),
    "no sums": (lambda: additions(rng(), 0), "count is 0; it should be a whole number, at least 1"),
    "too many dates": (lambda: dates(rng(), 10**6), "count is 1,000,000; it should be at most 87,660"),
    "nothing to train on": (
        lambda: Task.split([("1", "1")] * 9, 4, 4),
        "pairs holds 1 different questions; it should hold more than 8",
    ),
    "two answers": (
        lambda: Task.split([("1+1", "2"), ("1+1", "3")], 1, 1),
        r"the question '1\+1' has the answers '2' and '3'",
    ),
    "empty test": (lambda: leak([("1", "1")], []), "test is empty"),
}


test_bad_input_gets_one_clear_sentence = bad_input(BAD)


def test_one_string_is_not_taken_for_many():
    with pytest.raises(TypeError, match="texts should be a sequence of strings"):
        encode("12+5", CHARACTERS)
