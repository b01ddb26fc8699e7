"""An answer is checked where it was typed: not given, wrong and why, or right."""

import numpy as np
import pytest

from common.book import check_answer, near
from common.gradient_check import check_gradient

BLANK = "Not answered yet: put your answer in place of the dots and run this cell again.\n"


@pytest.fixture(autouse=True)
def a_reader(monkeypatch):
    monkeypatch.delenv("BOOK_STRICT")


def said(capsys, answer, test):
    check_answer(answer, test)
    return capsys.readouterr().out


def never(answer):
    raise RuntimeError("a blank answer is not tested.")


def only_dots(x, *, y=1): ...


def dots_and_words(x):
    """What to do."""
    ...


def returns_dots(x):
    return ...


class Layer:
    """With one method to write."""

    scale = 2

    def forward(self, x):
        return self.scale * x

    def backward(self, dy): ...


@pytest.mark.parametrize("blank", [..., (1, ...), [...], only_dots, dots_and_words, returns_dots, Layer])
def test_dots_are_no_answer(capsys, monkeypatch, blank):
    assert said(capsys, blank, never) == BLANK
    monkeypatch.setenv("BOOK_STRICT", "1")
    assert said(capsys, blank, never) == BLANK


def zero():
    return 0


def keeps(x):
    x[...] = 0


def same(x):
    return x


class Whole:
    def forward(self, x):
        return x


@pytest.mark.parametrize("answer", [zero, keeps, same, Whole, np.sin, None, 0, (), "x", np.zeros(3)])
def test_anything_else_is(capsys, answer):
    assert said(capsys, answer, lambda given: None) == "Right.\n"


def right_tanh(answer):
    x = np.array([0.5, -1.0])
    dx = answer(np.tanh(x), np.ones(2))
    if dx is None:
        raise AssertionError("your function returns nothing; it should return dx.")
    check_gradient(lambda x: np.tanh(x).sum(), x, dx)


def test_a_wrong_answer_is_told_why(capsys):
    assert said(capsys, lambda y, dy: dy * (1 - y**2), right_tanh).endswith("1e-08\nRight.\n")
    wrong = said(capsys, lambda y, dy: dy * (1 - y), right_tanh)
    assert wrong.startswith("Not yet: the gradients differ by ") and "numerical:\n" in wrong
    nothing = said(capsys, lambda y, dy: print(end=""), right_tanh)
    assert nothing == "Not yet: your function returns nothing; it should return dx.\n"
    stopped = said(capsys, lambda y, dy: y @ np.ones(3), right_tanh)
    assert stopped.startswith("Not yet: your code stopped with ValueError: matmul")
    unfit = said(capsys, ([1, 2], 3), lambda answer: np.ones(3) @ np.array(answer[0]))
    assert unfit.startswith("Not yet: the check cannot use your answer, ValueError: matmul")


def test_a_bare_assert_still_says_something(capsys):
    def test(answer):
        raise AssertionError

    assert said(capsys, 1, test) == "Not yet: the check fails, and does not say why.\n"


def test_a_wrong_answer_stops_the_tests(monkeypatch):
    monkeypatch.setenv("BOOK_STRICT", "1")
    with pytest.raises(AssertionError, match="7 is too low"):
        check_answer(7, near(8))
    with pytest.raises(ZeroDivisionError):
        check_answer(0, lambda answer: 1 / answer)


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
def test_who_stops_a_cell_stops_it(stop):
    def test(answer):
        raise stop

    with pytest.raises(stop):
        check_answer(1, test)


@pytest.mark.parametrize(
    ("answer", "values", "sentence"),
    [
        (8, (8,), None),
        (8.0005, (8,), None),
        (np.float32(0.3333), (1 / 3,), None),
        ((8, 4.001), (8, 4), None),
        (np.array([8, 4]), (8, 4), None),
        (1316e3, (1317e3,), None),
        (4, (8,), "4 is too low."),
        (9.5, (8,), "9.5 is too high."),
        (float("nan"), (8,), "nan is no number."),
        ((8, 5), (8, 4), "number 2, 5, is too high."),
        (8, (8, 4), "your answer should be 2 numbers; it has 1."),
        ((8, 4), (8,), "your answer should be a number; it has 2."),
        ("eight", (8,), "your answer should be a number; it is 'eight'."),
        ((8, "x"), (8, 4), "your answer should be 2 numbers; it is (8, 'x')."),
    ],
)
def test_near(capsys, answer, values, sentence):
    shown = f"Not yet: {sentence}\n" if sentence else "Right.\n"
    assert said(capsys, answer, near(*values)) == shown


def test_near_takes_a_tolerance(capsys):
    assert said(capsys, 131.9, near(131.7)) == "Not yet: 131.9 is too high.\n"
    assert said(capsys, 133, near(131.7, tolerance=0.02)) == "Right.\n"
