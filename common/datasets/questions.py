"""Questions and answers made by code: sums, and dates written in many ways.

Two small tasks go with the book from chapter 7 to chapter 9. Both turn one row of characters into another:

    628+521                ->  1149
    september 27, 1994     ->  1994-09-27

Examples cost nothing, so nobody has to be content with few, and every answer is known to be right. What needs
care is the split. A question that stands in two places, once among those to learn from and once among those
to be tested on, makes the test a test of memory. So repeated questions are removed *before* the split, and
``leak`` measures what remains.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from babel.dates import format_date

from common.backend import Array
from common.datasets.files import path
from common.support.require import require_count
from common.text.rows import Pair, characters_of, encode
from common.text.vocabulary import Vocabulary

# ---- making pairs


def additions(rng: np.random.Generator, count: int, digits: int = 3) -> list[Pair]:
    """Sums of two numbers: first a length from 1 to ``digits`` is drawn for each, then so many digits.

    No sum comes twice, and of ``12+5`` and ``5+12`` only one: whoever has learned the one knows the other.

    Parameters
    ----------
    rng : numpy.random.Generator
    count : int
    digits : int
        How many digits a number has at most.
    """
    require_count("count", count)
    require_count("digits", digits)
    possible = 10**digits * (10**digits + 1) // 2
    if count > possible // 2:
        raise ValueError(
            f"count is {count:,}; it should be at most {possible // 2:,}, "
            f"half of the sums of numbers with up to {digits} digits."
        )
    pairs: dict[tuple[int, int], Pair] = {}
    while len(pairs) < count:
        lengths = rng.integers(1, digits + 1, size=(count, 2))
        numbers = rng.integers(0, 10**lengths)  # a number of two digits may begin with 0: then it has one
        for a, b in numbers.tolist():
            pairs.setdefault((min(a, b), max(a, b)), (f"{a}+{b}", str(a + b)))
    return list(pairs.values())[:count]


DATE_STYLES = ("short", "medium", "long", "full")
"""What Babel calls ``9/27/94``, ``Sep 27, 1994``, ``September 27, 1994`` and ``Tuesday, September 27, 1994``.
"""

FIRST_DAY, LAST_DAY = datetime.date(1970, 1, 1), datetime.date(2017, 12, 31)
"""Within these, two digits are enough to know the year."""


def dates(rng: np.random.Generator, count: int) -> list[Pair]:
    """Dates as people write them, and as computers do: ``("JUN 5, 2001", "2001-06-05")``.

    There are four styles, which the package Babel knows for American English. Letters are as they should be,
    or all small, or all capitals. No question comes twice. (In a pattern of one's own the year is ``y``.
    ``Y`` is the year to which the *week* belongs, and days around New Year may then get the wrong one.)

    Parameters
    ----------
    rng : numpy.random.Generator
    count : int
    """
    require_count("count", count)
    days = (LAST_DAY - FIRST_DAY).days + 1
    if count > 5 * days:
        raise ValueError(f"count is {count:,}; it should be at most {5 * days:,}, five for each day.")
    pairs: dict[str, str] = {}
    while len(pairs) < count:
        day = FIRST_DAY + datetime.timedelta(days=int(rng.integers(days)))
        style, case = DATE_STYLES[rng.integers(4)], rng.integers(3)
        text = format_date(day, style, locale="en_US")
        text = (text, text.lower(), text.upper())[case]
        pairs.setdefault(text, day.isoformat())
    return list(pairs.items())


# ---- the split


def leak(train: Iterable[Pair], test: Sequence[Pair]) -> float:
    """Which share of the test questions stands among the training questions, from 0 to 1."""
    if len(test) == 0:
        raise ValueError("test is empty; it should hold at least one pair.")
    known = {question for question, _ in train}
    return sum(question in known for question, _ in test) / len(test)


@dataclass(frozen=True)
class Task:
    """Pairs in three parts that share no question, and the characters that they are written with.

    Attributes
    ----------
    train, valid, test : list of (question, answer)
    characters : Vocabulary
        Of questions and answers; it begins with ``SPECIALS``.
    """

    train: list[Pair]
    valid: list[Pair]
    test: list[Pair]
    characters: Vocabulary

    @classmethod
    def split(cls, pairs: Sequence[Pair], valid: int, test: int) -> Task:
        """Remove repeated questions, then split; the test pairs come from the end.

        The order stays as it is; pairs from the functions above come in an order that means nothing.
        """
        require_count("valid", valid)
        require_count("test", test)
        once: dict[str, str] = {}
        for question, answer in pairs:
            if once.setdefault(question, answer) != answer:
                raise ValueError(
                    f"the question {question!r} has the answers {once[question]!r} and {answer!r}; "
                    "it should have one."
                )
        if len(once) <= valid + test:
            raise ValueError(
                f"pairs holds {len(once)} different questions; it should hold more than {valid + test}, "
                f"{valid} to validate and {test} to test."
            )
        different = list(once.items())
        first = len(different) - valid - test
        parts = different[:first], different[first : first + valid], different[first + valid :]
        return cls(*parts, characters_of(different))

    def arrays(self, pairs: Sequence[Pair], reverse: bool = False) -> tuple[Array, Array]:
        """Ids of the questions (N, S) and of the answers (N, T), START and END included.

        Parameters
        ----------
        pairs : sequence of (question, answer)
            One of the three parts, or other pairs in the same characters.
        reverse : bool
            Turn the questions round, last character first.
        """
        questions = encode([question for question, _ in pairs], self.characters, reverse=reverse)
        return questions, encode([answer for _, answer in pairs], self.characters, answers=True)


def load_addition() -> list[tuple[str, str]]:
    """Load the 50,000 sums of the seed book's file as pairs such as ``("16+75", "91")``."""
    return _questions("addition.txt")


def load_dates() -> list[tuple[str, str]]:
    """Load the 50,000 dates of the seed book's file as pairs such as ``("september 27, 1994",
    "1994-09-27")``.

    Only 41,578 of the questions are distinct: split the distinct ones, or the test set is partly in the
    training set.
    """
    return _questions("date.txt")


def _questions(file: str) -> list[tuple[str, str]]:
    lines = path("addition_and_dates", file).read_text(encoding="ascii").splitlines()
    return [(question.strip(), answer.strip()) for question, answer in (line.split("_") for line in lines)]
