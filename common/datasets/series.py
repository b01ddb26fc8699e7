"""Series of numbers in time: the weather of Seattle, a file of the reader's, and some that are made by code.

A series is of use for forecasts only if its rows are in the order of time and lie equally far apart. What is
read from a file is therefore looked at, line by line, before a number of it is used.
"""

from __future__ import annotations

import csv
import math
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from common.datasets.files import read
from common.support.require import require_count, require_generator, require_positive

WEATHER = ("precipitation", "temp_max", "temp_min", "wind")
"""Millimetres, degrees Celsius twice, metres a second."""


@dataclass(frozen=True, eq=False)
class Series:
    """Numbers at T times, one row for each time.

    ``series["temp_max"]`` is one column, (T,). ``series[:365]`` or a mask (T,) picks rows, and gives a
    ``Series`` again.

    Attributes
    ----------
    dates : numpy.ndarray
        datetime64, shape (T,); whole numbers 0, 1, 2, ... where no dates are known.
    values : numpy.ndarray
        float64, shape (T, columns).
    names : tuple of str
        Of the columns.
    """

    dates: np.ndarray
    values: np.ndarray
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.values)

    def __repr__(self) -> str:
        ends = f", {self.dates[0]} to {self.dates[-1]}" if self.dates.dtype.kind == "M" and len(self) else ""
        return f"Series({len(self):,} rows of {', '.join(self.names)}{ends})"

    def __getitem__(self, chosen: str | slice | np.ndarray) -> np.ndarray | Series:
        if isinstance(chosen, str):
            if chosen not in self.names:
                raise ValueError(f"column is {chosen!r}; it should be one of {', '.join(self.names)}.")
            return self.values[:, self.names.index(chosen)]
        rows = np.arange(len(self))[chosen]
        if rows.ndim != 1:
            raise TypeError(f"chosen is {chosen!r}; it should be a name, a slice or a mask.")
        return Series(self.dates[rows], self.values[rows], self.names)

    @property
    def years(self) -> np.ndarray:
        """The year of each row, (T,) whole numbers."""
        return self._dates().astype("datetime64[Y]").astype(np.int64) + 1970

    @property
    def day_of_year(self) -> np.ndarray:
        """How many days of its year are over at each row, (T,): 0 on the first of January."""
        days, year = self._dates().astype("datetime64[D]"), self._dates().astype("datetime64[Y]")
        return (days - year.astype("datetime64[D]")).astype(np.int64)

    def _dates(self) -> np.ndarray:
        if self.dates.dtype.kind != "M":
            raise ValueError("dates holds numbers of rows; it should hold dates: name the column of them.")
        return self.dates


def load_weather() -> Series:
    """Load the weather of Seattle: 1,461 days, from 2012 to 2015, observed by NOAA.

    Columns are ``precipitation`` (mm), ``temp_max`` and ``temp_min`` (degrees Celsius) and ``wind`` (m/s). No
    day is missing, and no number.

    Raises
    ------
    DataError
        The file can't be had.
    """
    return load_csv(read("weather").decode("ascii"), WEATHER, date="date")


# ---- a file of the reader's


def load_csv(
    source: str | os.PathLike,
    column: str | Sequence[str],
    date: str | None = None,
    delimiter: str = ",",
    decimal: str = ".",
    fill: bool = False,
) -> Series:
    """Read a series from a CSV file, or from its text: ``load_csv("sales.csv", "sold", date="day")``.

    The first line names the columns. Rows should be in the order of time, the oldest first.

    Parameters
    ----------
    source : path or str
        A file, or, if there is a line break in it, the text itself.
    column : str, or several
        The columns with the numbers.
    date : str, optional
        The column with the times, written year first: ``2012``, ``2012-01``, ``2012-01-31``, ``2012/01/31``
        or ``2012-01-31 13:00``. They have to be equally far apart. Without it, rows are taken as they stand.
    delimiter : str
        Between cells: ``","``, ``";"`` or a tab.
    decimal : str
        Between the whole and its parts: ``"."`` or ``","``.
    fill : bool
        True: what is missing, a number or a whole row, is taken from the row before it. (From the past: a
        mean of both neighbours would carry tomorrow into today.)

    Returns
    -------
    Series

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ValueError
        Something is wrong with the text. The sentence names the line.
    """
    wanted = (column,) if isinstance(column, str) else tuple(column)
    rows, header = _table(_text(source), delimiter, wanted + ((date,) if date else ()))
    places = [header.index(name) for name in wanted]
    values = np.array([[_number(row[i], line, decimal, fill) for i in places] for line, row in rows])
    dates = np.arange(len(rows))
    if date:
        dates = _times([(line, row[header.index(date)].strip()) for line, row in rows])
        where = _positions(dates, [line for line, _ in rows], fill)
        if fill:
            dates, values = _spread(dates, values, where)
    if fill:
        values = _carried_on(values, wanted)
    return Series(dates, values, wanted)


def _text(source: str | os.PathLike) -> str:
    if isinstance(source, str) and ("\n" in source or not source.strip()):
        return source.removeprefix("\ufeff")
    if not isinstance(source, (str, os.PathLike)):
        raise TypeError(f"source is a {type(source).__name__}; it should be a path, or the text of a file.")
    try:
        return Path(source).expanduser().read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise FileNotFoundError(f"source is {str(source)!r}; there is no such file.") from None
    except IsADirectoryError:
        raise ValueError(f"source is {str(source)!r}, a folder; it should be a file.") from None
    except UnicodeDecodeError:
        raise ValueError(
            f"{source} is not text in UTF-8; it should be a CSV file (a spreadsheet can save one)."
        ) from None


def _table(text: str, delimiter: str, wanted: Sequence[str]) -> tuple[list[tuple[int, list[str]]], list[str]]:
    """The rows, each with the number of its line, and the names of the columns."""
    if not isinstance(delimiter, str) or len(delimiter) != 1:
        raise ValueError(f"delimiter is {delimiter!r}; it should be one character.")
    reader = csv.reader(text.splitlines(), delimiter=delimiter)
    try:
        rows = [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise ValueError(f"line {reader.line_num} can't be read as CSV: {error}.") from None
    if not rows:
        raise ValueError("source is empty; it should hold a line of names, and rows of numbers.")
    (_, first), *rows = rows
    header = [name.strip() for name in first]
    for name in wanted:
        if header.count(name) != 1:
            raise ValueError(_no_column(name, header, first, delimiter))
    if not rows:
        raise ValueError("source has a line of names and no rows; it should have at least one.")
    for line, row in rows:
        if len(row) != len(header):
            raise ValueError(f"line {line} has {len(row)} cells; it should have {len(header)}, as the first.")
    return rows, header


def _no_column(name: str, header: list[str], first: list[str], delimiter: str) -> str:
    others = [mark for mark in ",;\t|" if mark != delimiter and len(first) == 1 and mark in first[0]]
    if others:
        return f"the first line is {first[0]!r}, one cell; delimiter should be {others[0]!r}, it seems."
    if name in header:
        return f"column is {name!r}, and {header.count(name)} columns have that name; one should."
    return f"column is {name!r}; it should be one of {', '.join(header)}."


MISSING = ("", "na", "n/a", "nan", "null", "none", "-", "?")
"""How files say that a number is not there."""


def _number(cell: str, line: int, decimal: str, fill: bool) -> float:
    text = cell.strip()
    if text.lower() in MISSING:
        if fill:
            return math.nan
        raise ValueError(
            f"line {line} has no number, but {cell!r}; it should have one, or fill=True repeats the last."
        )
    plain = text if decimal == "." else text.replace(decimal, ".")
    if not re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", plain):
        hint = " (decimal=',' reads 1,5 as one and a half)" if re.fullmatch(r"-?\d+,\d+", text) else ""
        raise ValueError(f"line {line} has {cell!r} in a column of numbers; it should have a number{hint}.")
    number = float(plain)
    if not math.isfinite(number):
        raise ValueError(f"line {line} has {cell!r}, which is too large; it should have a finite number.")
    return number


def _times(cells: list[tuple[int, str]]) -> np.ndarray:
    form = re.compile(r"\d{4}(-\d\d(-\d\d([T ]\d\d:\d\d(:\d\d)?)?)?)?")
    times = []
    for line, cell in cells:
        plain = cell.replace("/", "-")
        try:
            if not form.fullmatch(plain):
                raise ValueError
            times.append(np.datetime64(plain))
        except ValueError:
            raise ValueError(
                f"line {line} has the date {cell!r}; it should be one, written as 2012-01-31."
            ) from None
    return np.array(times)


def _positions(dates: np.ndarray, lines: list[int], fill: bool) -> np.ndarray:
    """How many steps each row lies behind the first, (T,); raises unless the rows are in order and, without
    ``fill``, no step is left out."""
    steps = np.diff(dates)
    for i in np.flatnonzero(steps <= np.timedelta64(0)):
        raise ValueError(
            f"line {lines[i + 1]} has {dates[i + 1]} after {dates[i]}; rows should be in the order of time, "
            "each time once."
        )
    ticks = _ticks(dates)
    sizes = np.diff(ticks)
    if not len(sizes):
        return np.zeros(len(dates), dtype=np.int64)
    usual = np.bincount(sizes).argmax() if sizes.max() < 1 << 20 else np.median(sizes).astype(np.int64)
    for i in np.flatnonzero(sizes != usual):
        if not fill or sizes[i] % usual:
            raise ValueError(
                f"line {lines[i + 1]} has {dates[i + 1]} after {dates[i]}; rows should be equally far apart: "
                "fill=True repeats the last row where some are missing, and without date they count as they "
                "stand."
            )
    return (ticks - ticks[0]) // usual


def _ticks(dates: np.ndarray) -> np.ndarray:
    """Times as whole numbers: of months, where all lie on the same day of a month, else of their own unit."""
    if np.datetime_data(dates.dtype)[0] == "D":
        months = dates.astype("datetime64[M]")
        day = dates - months.astype("datetime64[D]")
        if (day == day[0]).all():
            dates = months
    return dates.astype(np.int64)


def _spread(dates: np.ndarray, values: np.ndarray, where: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The rows at their positions, and NaN between them."""
    spread = np.full((where[-1] + 1, values.shape[1]), np.nan)
    spread[where] = values
    times = np.empty(len(spread), dtype=dates.dtype)
    steps = np.arange(len(spread))
    if len(where) > 1:
        ticks = _ticks(dates)
        step = (ticks[1] - ticks[0]) // (where[1] - where[0])
        unit = "M" if ticks[0] != dates.astype(np.int64)[0] else np.datetime_data(dates.dtype)[0]
        regular = (ticks[0] + steps * step).astype(f"datetime64[{unit}]")
        times[:] = regular.astype(dates.dtype) + (
            dates[0] - dates[0].astype(f"datetime64[{unit}]").astype(dates.dtype)
        )
    times[where] = dates
    return times, spread


def _carried_on(values: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """Each NaN replaced by the last number before it."""
    for name, column in zip(names, values.T):
        if np.isnan(column[0]):
            raise ValueError(f"column {name} begins with a gap; fill has no row before it to repeat.")
    last = np.maximum.accumulate(np.where(np.isnan(values), 0, np.arange(len(values))[:, None]))
    return np.take_along_axis(values, last, axis=0)


# ---- series that are made


def noisy_sine(rng: np.random.Generator, T: int, period: float = 25.0, noise: float = 0.1) -> np.ndarray:
    """A sine whose phase is drawn, and normal noise of standard deviation ``noise`` on it: (T,)."""
    require_generator("rng", rng)
    require_count("T", T)
    require_positive("period", period)
    phase = rng.uniform(0, 2 * np.pi)
    return np.sin(2 * np.pi * np.arange(T) / period + phase) + noise * rng.standard_normal(T)


def damped_pendulum(
    rng: np.random.Generator, T: int, step: float = 0.25, friction: float = 0.05, noise: float = 0.0
) -> np.ndarray:
    """The angle of a pendulum that comes to rest: ``angle'' = -sin(angle) - friction angle'``, (T,).

    It is let go at an angle between 1 and 2.5, to the left or to the right, and seen every ``step``.
    """
    require_generator("rng", rng)
    require_count("T", T)
    require_positive("step", step)
    angle = rng.uniform(1, 2.5) * rng.choice([-1, 1])

    def slope(state: np.ndarray) -> np.ndarray:
        return np.array([state[1], -np.sin(state[0]) - friction * state[1]])

    states = [np.array([angle, 0.0])]
    while len(states) < T:
        states.append(_runge_kutta(slope, states[-1], step))
    return np.array(states)[:, 0] + noise * rng.standard_normal(T)


def _runge_kutta(slope: Callable[[np.ndarray], np.ndarray], state: np.ndarray, step: float) -> np.ndarray:
    """The state one step later, by the rule of four slopes."""
    a = slope(state)
    b = slope(state + step / 2 * a)
    c = slope(state + step / 2 * b)
    d = slope(state + step * c)
    return state + step / 6 * (a + 2 * b + 2 * c + d)


def logistic_map(rng: np.random.Generator, T: int, r: float = 4.0) -> np.ndarray:
    """``x' = r x (1 - x)`` from a drawn start, (T,), all numbers between 0 and 1 [May1976]_.

    For ``r = 4`` two neighbours drift apart by a factor of 2 a step, on average over all x: the Lyapunov
    exponent is ln 2.
    """
    require_generator("rng", rng)
    require_count("T", T)
    if not 0 < r <= 4:
        raise ValueError(f"r is {r!r}; it should be above 0 and at most 4.")
    x = np.empty(T)
    x[0] = rng.uniform(0.05, 0.95)
    for t in range(1, T):
        x[t] = r * x[t - 1] * (1 - x[t - 1])
    return x


def mackey_glass(
    rng: np.random.Generator, T: int, delay: int = 17, every: int = 1, settle: int = 1000
) -> np.ndarray:
    """The blood cells of Mackey and Glass, whose number depends on what it was ``delay`` days ago, (T,).

    ``x' = 0.2 x(t - delay) / (1 + x(t - delay)^10) - 0.1 x`` [Mackey1977]_, chaotic for a delay of 17 days
    [Farmer1982]_.

    Parameters
    ----------
    rng : numpy.random.Generator
        Draws the number of the days before the first.
    T, delay : int
    every : int
        How many days lie between two numbers of the series.
    settle : int
        So many days at the beginning are left out.
    """
    require_generator("rng", rng)
    for name, value in (("T", T), ("delay", delay), ("every", every)):
        require_count(name, value)
    history = np.full(delay * TENTHS + 1, 1.2 + 0.1 * rng.standard_normal())
    x = mackey_glass_onwards(history, settle + (T - 1) * every)
    return x[len(history) - 1 + settle * TENTHS :: every * TENTHS]


TENTHS = 10
"""Steps in which a day of Mackey and Glass is computed."""


def mackey_glass_onwards(history: np.ndarray, days: int) -> np.ndarray:
    """A history of Mackey and Glass, and the days that follow from it: ten numbers for each day.

    Parameters
    ----------
    history : (10 delay + 1,)
        What was, from ``delay`` days ago until now.
    days : int

    Returns
    -------
    numpy.ndarray
        (10 delay + 1 + 10 days,): the history, and what comes. Each step is taken with the slope at its
        middle.
    """
    past = len(history) - 1
    x = np.concatenate([np.asarray(history, dtype=np.float64), np.empty(days * TENTHS)])
    step = 1 / TENTHS
    for i in range(past, len(x) - 1):
        before = (x[i - past] + x[i - past + 1]) / 2  # delay before the middle of the step
        birth = 0.2 * before / (1 + before**10)
        middle = x[i] + step / 2 * (birth - 0.1 * x[i])
        x[i + 1] = x[i] + step * (birth - 0.1 * middle)
    return x


def adding_problem(rng: np.random.Generator, N: int, T: int) -> tuple[np.ndarray, np.ndarray]:
    """Examples of the adding problem [Hochreiter1997]_: numbers go by, two are marked, and what is their sum?

    One mark is in the first half of a sequence and one in the second, as [Arjovsky2016]_ has it. Whoever
    always says 1 makes a mean squared error of 1/6, the variance of the sum.

    Returns
    -------
    x : (N, T, 2)
        Numbers from 0 to 1, and beside each 1 if it is marked, else 0.
    t : (N, 1)
        The sum of the two.
    """
    require_generator("rng", rng)
    require_count("N", N)
    require_count("T", T)
    if T < 2:
        raise ValueError(f"T is {T}; it should be at least 2, a step for each of the two marks.")
    x = np.zeros((N, T, 2))
    x[:, :, 0] = rng.random((N, T))
    rows = np.arange(N)
    for low, high in ((0, T // 2), (T // 2, T)):
        x[rows, rng.integers(low, high, N), 1] = 1
    return x, (x[:, :, 0] * x[:, :, 1]).sum(axis=1, keepdims=True)
