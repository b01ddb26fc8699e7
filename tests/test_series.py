"""Series: the weather, a reader's own file and all that may be wrong in it, and those that are made."""

import socket

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common import datasets
from common.datasets import DataError, Series, files, load_csv, load_weather

TEXT = "day,sold,price\n2012-01-01,3,1.5\n2012-01-02,4,1.25\n2012-01-03,5,1e2\n"


# ---- the weather


def test_the_weather_of_four_years():
    weather = load_weather()
    assert repr(weather) == (
        "Series(1,461 rows of precipitation, temp_max, temp_min, wind, 2012-01-01 to 2015-12-31)"
    )
    assert weather.values.shape == (1461, 4) and weather.values.dtype == np.float64
    assert (np.diff(weather.dates) == np.timedelta64(1, "D")).all()
    assert weather["temp_max"][:3].tolist() == [12.8, 10.6, 11.7]
    assert (weather["temp_max"] >= weather["temp_min"]).all() and (weather["precipitation"] >= 0).all()
    assert np.bincount(weather.years)[2012:].tolist() == [366, 365, 365, 365]


def test_some_rows_and_the_calendar():
    weather = load_weather()
    year = weather[weather.years == 2013]
    assert len(year) == 365 and year.day_of_year[[0, -1]].tolist() == [0, 364]
    assert weather.day_of_year[365:367].tolist() == [365, 0]  # 2012 is a leap year
    assert weather[:10]["wind"].tolist() == weather["wind"][:10].tolist()
    with pytest.raises(ValueError, match=r"column is 'rain'; it should be one of precipitation, temp_max"):
        weather["rain"]
    with pytest.raises(TypeError, match=r"chosen is 3; it should be a name, a slice or a mask\."):
        weather[3]


def test_without_wheel_and_network(monkeypatch, tmp_path):
    monkeypatch.delenv("BOOK_DATA_MIRROR", raising=False)
    monkeypatch.setenv("BOOK_DATA_CACHE", str(tmp_path))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: pytest.fail("no address is asked for"))
    with pytest.raises(
        DataError, match=r"whl is not there\); run tools/environment\.py again, which fetches "
    ):
        load_weather()
    folder = tmp_path / "wheels"
    folder.mkdir()
    (folder / "vega_datasets-0.9.0-py3-none-any.whl").write_bytes(b"half a wheel")
    with pytest.raises(DataError, match=r"whl is damaged\); run tools"):
        load_weather()


def test_a_mirror_is_asked_first(monkeypatch, tmp_path):
    mirrored = tmp_path / "weather" / "seattle-weather.csv"
    mirrored.parent.mkdir()
    mirrored.write_bytes(files.read("weather"))
    monkeypatch.setenv("BOOK_DATA_MIRROR", str(tmp_path))
    monkeypatch.setenv("BOOK_DATA_CACHE", str(tmp_path / "empty"))
    assert len(load_weather()) == 1461
    mirrored.write_bytes(mirrored.read_bytes()[:-1])
    with pytest.raises(DataError, match=r"is not the seattle-weather\.csv that the registry describes"):
        load_weather()


# ---- a file of the reader's


def test_a_file_or_its_text_in_one_line(tmp_path):
    file = tmp_path / "sales.csv"
    file.write_text(TEXT.replace("day", "\ufeffday"), encoding="utf-8")
    for source in (file, str(file), TEXT, TEXT.replace("\n", "\r\n")):
        series = load_csv(source, "sold", date="day")
        assert series["sold"].tolist() == [3, 4, 5] and series.names == ("sold",)
        assert str(series.dates[-1]) == "2012-01-03"
    both = load_csv(TEXT, ["price", "sold"])
    assert both.values.tolist() == [[1.5, 3], [1.25, 4], [100, 5]] and both.dates.tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match=r"dates holds numbers of rows; it should hold dates"):
        both.years  # noqa: B018


def test_other_delimiters_and_decimals():
    series = load_csv("a;b\n1,5;2\n-2,25;3\n", "a", delimiter=";", decimal=",")
    assert series["a"].tolist() == [1.5, -2.25]
    assert load_csv("a\tb\n1\t2\n", "b", delimiter="\t")["b"].tolist() == [2]


@pytest.mark.parametrize(
    ("times", "last"),
    [
        (["1949-01", "1949-02", "1949-03"], "1949-03"),
        (["1949-01-31", "1949-02-28", "1949-03-31"], None),  # 28 days, then 31
        (["1949-01-01", "1949-02-01", "1949-03-01"], "1949-03-01"),  # a month each
        (["1700", "1701", "1702"], "1702"),
        (["2012/01/01", "2012/01/02", "2012/01/03"], "2012-01-03"),
        (["2012-01-01 23:00", "2012-01-02 00:00", "2012-01-02 01:00"], "2012-01-02T01:00"),
    ],
)
def test_times_of_many_kinds(times, last):
    text = "t,x\n" + "".join(f"{time},{i}\n" for i, time in enumerate(times))
    if last is None:
        with pytest.raises(ValueError, match="equally far apart"):
            load_csv(text, "x", date="t")
    else:
        assert str(load_csv(text, "x", date="t").dates[-1]) == last


BAD = {
    "no such column": ("day,x\n1,2\n", {"column": "y"}, "column is 'y'; it should be one of day, x."),
    "two of a name": ("x,x\n1,2\n", {}, "column is 'x', and 2 columns have that name; one should."),
    "empty": ("  \n\n", {}, "source is empty; it should hold a line of names, and rows of numbers."),
    "nothing at all": ("", {}, "source is empty; it should hold a line of names, and rows of numbers."),
    "no rows": ("day,x\n", {}, "source has a line of names and no rows; it should have at least one."),
    "a gap": ("x\n1\nNA\n3\n", {}, "line 3 has no number, but 'NA'; it should have one, or fill=True"),
    "no cell": ("day,x\n1,2\n3\n", {}, "line 3 has 1 cells; it should have 2, as the first."),
    "text": ("x\n1\nmany\n", {}, "line 3 has 'many' in a column of numbers; it should have a number."),
    "a comma": ('x\n"1,5"\n', {}, "it should have a number (decimal=',' reads 1,5 as one and a half)."),
    "too large": (
        "x\n1e999\n",
        {},
        "line 2 has '1e999', which is too large; it should have a finite number.",
    ),
    "delimiter": (
        "day;x\n1;2\n",
        {},
        "the first line is 'day;x', one cell; delimiter should be ';', it seems.",
    ),
    "long delimiter": ("x\n1\n", {"delimiter": ", "}, "delimiter is ', '; it should be one character."),
    "no date": (
        "t,x\nsoon,1\n",
        {"date": "t"},
        "line 2 has the date 'soon'; it should be one, written as 2012",
    ),
    "month 13": ("t,x\n2012-13-01,1\n", {"date": "t"}, "line 2 has the date '2012-13-01'; it should be one"),
    "day first": ("t,x\n31.01.2012,1\n", {"date": "t"}, "line 2 has the date '31.01.2012'; it should be one"),
    "today": ("t,x\ntoday,1\n", {"date": "t"}, "line 2 has the date 'today'; it should be one"),
    "back": (
        "t,x\n2012-01-02,1\n2012-01-01,2\n",
        {"date": "t"},
        "line 3 has 2012-01-01 after 2012-01-02; rows should be in the order of time, each time once.",
    ),
    "twice": (
        "t,x\n2012-01-01,1\n2012-01-01,2\n",
        {"date": "t"},
        "line 3 has 2012-01-01 after 2012-01-01; rows should be in the order of time, each time once.",
    ),
    "a day left out": (
        "t,x\n2012-01-01,1\n2012-01-02,2\n2012-01-04,3\n2012-01-05,3\n",
        {"date": "t"},
        "line 4 has 2012-01-04 after 2012-01-02; rows should be equally far apart: fill=True repeats",
    ),
    "a gap at the start": (
        "x\nNA\n1\n",
        {"fill": True},
        "column x begins with a gap; fill has no row before it",
    ),
    "half a day": (
        "t,x\n2012-01-01,1\n2012-01-03,2\n2012-01-05,2\n2012-01-06,3\n",
        {"date": "t", "fill": True},
        "line 5 has 2012-01-06 after 2012-01-05; rows should be equally far apart",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_refused_in_one_sentence(name):
    text, more, said = BAD[name]
    with pytest.raises(ValueError) as raised:
        load_csv(text, **({"column": "x"} | more))
    assert said in str(raised.value) and str(raised.value).endswith(".") and "\n" not in str(raised.value)


def test_what_is_no_text_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"source is 'nowhere\.csv'; there is no such file\."):
        load_csv("nowhere.csv", "x")
    with pytest.raises(ValueError, match=r"a folder; it should be a file\."):
        load_csv(tmp_path, "x")
    sheet = tmp_path / "sheet.xlsx"
    sheet.write_bytes(b"PK\x03\x04\xff\xfe\x00")
    with pytest.raises(ValueError, match=r"is not text in UTF-8; it should be a CSV file"):
        load_csv(sheet, "x")
    with pytest.raises(TypeError, match=r"source is a int; it should be a path, or the text of a file\."):
        load_csv(3, "x")


def test_gaps_are_filled_from_the_past_alone():
    text = "t,x\n2012-01-01,1\n2012-01-02,NA\n2012-01-03,3\n2012-01-06,6\n2012-01-07,\n"
    series = load_csv(text, "x", date="t", fill=True)
    assert series["x"].tolist() == [1, 1, 3, 3, 3, 6, 6]
    assert (np.diff(series.dates) == np.timedelta64(1, "D")).all()
    months = load_csv("t,x\n2012-01-15,1\n2012-02-15,2\n2012-04-15,4\n2012-05-15,5\n", "x", "t", fill=True)
    assert months["x"].tolist() == [1, 2, 2, 4, 5] and str(months.dates[2]) == "2012-03-15"


@given(st.lists(st.floats(-1e12, 1e12), min_size=1, max_size=20))
def test_numbers_come_back_as_they_were_written(numbers):
    text = "x\n" + "".join(f"{number!r}\n" for number in numbers)
    assert load_csv(text, "x")["x"].tolist() == numbers


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text):
    try:
        assert isinstance(load_csv(text + "\n", "x"), Series)
    except ValueError as error:
        assert str(error).endswith(".")


# ---- series that are made


def rng(seed=0):
    return np.random.default_rng(seed)


MADE = {
    "sine": lambda r, T: datasets.noisy_sine(r, T),
    "pendulum": lambda r, T: datasets.damped_pendulum(r, T),
    "logistic": lambda r, T: datasets.logistic_map(r, T),
    "mackey_glass": lambda r, T: datasets.mackey_glass(r, T, settle=50),
}


@pytest.mark.parametrize("name", MADE)
def test_a_made_series(name):
    make = MADE[name]
    series = make(rng(), 50)
    assert series.shape == (50,) and series.dtype == np.float64 and np.isfinite(series).all()
    assert (series == make(rng(), 50)).all() and (series != make(rng(1), 50)).any()
    assert make(rng(), 1).shape == (1,)
    with pytest.raises(ValueError, match=r"T is 0; it should be a whole number, at least 1\."):
        make(rng(), 0)
    with pytest.raises(TypeError, match=r"rng is a int; it should be a numpy\.random\.Generator\."):
        make(3, 10)


def test_the_sine_has_its_period_and_its_noise():
    clean, noisy = (datasets.noisy_sine(rng(), 1000, 20, noise) for noise in (0, 0.1))
    np.testing.assert_allclose(clean[20:], clean[:-20], atol=1e-12)
    assert np.std(noisy - clean) == pytest.approx(0.1, rel=0.1)


def test_the_pendulum_loses_energy_and_without_friction_none():
    def energy(angle):
        speed = np.gradient(angle, 0.01)
        return (speed**2 / 2 - np.cos(angle))[1:-1]

    free, damped = (datasets.damped_pendulum(rng(), 2000, 0.01, friction) for friction in (0, 0.1))
    assert np.ptp(energy(free)) < 1e-4
    assert energy(damped)[-1] < energy(damped)[0] - 0.1


def test_the_logistic_map_and_its_bounds():
    x = datasets.logistic_map(rng(), 1000)
    np.testing.assert_allclose(x[1:], 4 * x[:-1] * (1 - x[:-1]))
    assert np.log(np.abs(4 - 8 * x)).mean() == pytest.approx(np.log(2), abs=0.05)  # the Lyapunov exponent
    with pytest.raises(ValueError, match=r"r is 5; it should be above 0 and at most 4\."):
        datasets.logistic_map(rng(), 10, r=5)


def test_mackey_glass_follows_its_equation():
    x = datasets.mackey_glass_onwards(np.full(171, 1.2), 200)
    slope = (x[2:] - x[:-2]) / 0.2  # in the middle
    old = x[: len(x) - 171]
    wanted = 0.2 * old / (1 + old**10) - 0.1 * x[170:-1]
    np.testing.assert_allclose(slope[170 - 1 : 170 - 1 + len(wanted) - 1][5:], wanted[:-1][5:], atol=2e-3)
    # Without births nothing is left but the tenth that dies each day.
    np.testing.assert_allclose(
        datasets.mackey_glass_onwards(np.r_[np.zeros(170), 1.0], 10)[-1], np.exp(-1), 1e-3
    )
    daily, every = datasets.mackey_glass(rng(), 61), datasets.mackey_glass(rng(), 11, every=6)
    assert (daily[::6] == every).all()


@given(st.integers(2, 30), st.integers(1, 20))
def test_the_adding_problem(T, N):
    x, t = datasets.adding_problem(rng(), N, T)
    assert x.shape == (N, T, 2) and t.shape == (N, 1)
    assert (x[:, : T // 2, 1].sum(axis=1) == 1).all() and (x[:, T // 2 :, 1].sum(axis=1) == 1).all()
    for row, (total,) in zip(x, t):
        assert sum(number for number, mark in row if mark) == pytest.approx(total)


def test_whoever_says_one_is_off_by_a_sixth():
    _, t = datasets.adding_problem(rng(), 100_000, 4)
    assert ((t - 1) ** 2).mean() == pytest.approx(1 / 6, rel=0.02)
    with pytest.raises(ValueError, match=r"T is 1; it should be at least 2"):
        datasets.adding_problem(rng(), 3, 1)
