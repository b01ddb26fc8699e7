"""A cell to type an answer in, and the line that checks it.

::

    my_answer = ...
    check_answer(my_answer, near(8, 4))

A test is a function that takes the answer and raises an AssertionError with one sentence that says what is
wrong; it may call ``check_gradient`` and ``check_layer``, which do so. ``near`` makes the test of a number.
A missing or wrong answer stops nobody: the line says so, and the notebook goes on. Where the environment
variable ``BOOK_STRICT`` is 1, as in all tests, a wrong answer is an error: so the solutions, which end in the
same line, are proved.
"""

from __future__ import annotations

import dis
from collections.abc import Callable
from types import FunctionType
from typing import Any

import numpy as np

from common.book.measured import is_strict

# What a function does whose body is only dots: it returns None.
NOTHING = {"RESUME", "NOP", "LOAD_CONST", "RETURN_CONST", "RETURN_VALUE"}


def check_answer(answer: Any, test: Callable[[Any], object]) -> None:
    """Print whether an answer passes its test, and if not, why.

    Parameters
    ----------
    answer : object
        A number, an array, a function or a class. It counts as not given while it is ``...`` or holds it, and
        while the body of the function, or of one of the class's methods, is only ``...``.
    test : function
        Called with the answer; raises AssertionError where it is wrong.

    Raises
    ------
    Exception
        What the test raised, where ``BOOK_STRICT`` is 1.

    Examples
    --------
    >>> check_answer(..., near(8))
    Not answered yet: put your answer in place of the dots and run this cell again.
    >>> check_answer(7, near(8))
    Not yet: 7 is too low.
    >>> check_answer(8, near(8))
    Right.
    """
    if is_blank(answer):
        print("Not answered yet: put your answer in place of the dots and run this cell again.")
        return
    try:
        test(answer)
    except Exception as error:
        if is_strict():
            raise
        said = str(error).strip()
        if isinstance(error, AssertionError):
            print(f"Not yet: {said or 'the check fails, and does not say why.'}")
        else:
            # Who typed a number has written no code that could stop.
            what = "your code stopped with" if callable(answer) else "the check cannot use your answer,"
            print(f"Not yet: {what} {type(error).__name__}: {said}")
    else:
        print("Right.")


def near(*values: float, tolerance: float = 1e-3) -> Callable[[Any], None]:
    """A test that the answer is these numbers, in this order.

    Parameters
    ----------
    *values : float
        The right answer: one number, or as many as the reader should give in a tuple.
    tolerance : float
        How far the answer may be from a number, as a share of it (or of 1, if that is larger).
    """

    wanted = "a number" if len(values) == 1 else f"{len(values)} numbers"

    def test(answer: Any) -> None:
        try:
            given = np.ravel(answer).astype(float)
        except (TypeError, ValueError):
            raise AssertionError(f"your answer should be {wanted}; it is {answer!r}.") from None
        if len(given) != len(values):
            raise AssertionError(f"your answer should be {wanted}; it has {len(given)}.")
        for place, (number, value) in enumerate(zip(given, values), start=1):
            if abs(number - value) <= tolerance * max(1, abs(value)):
                continue
            which = f"{number:g}" if len(values) == 1 else f"number {place}, {number:g},"
            how = "too low" if number < value else "too high" if number > value else "no number"
            raise AssertionError(f"{which} is {how}.")

    return test


def is_blank(answer: Any) -> bool:
    """Whether an answer was not given: dots, or a function or a method whose body is only dots."""
    if isinstance(answer, (tuple, list)):
        return any(is_blank(part) for part in answer)
    if isinstance(answer, type):
        return any(is_blank(part) for part in vars(answer).values() if isinstance(part, FunctionType))
    if isinstance(answer, FunctionType):
        steps = list(dis.get_instructions(answer))
        returned = next((step.argval for step in reversed(steps) if step.opname.endswith("_CONST")), 0)
        return returned in (None, ...) and {step.opname for step in steps} <= NOTHING
    return answer is ...
