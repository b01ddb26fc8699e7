"""Forecasts: the simple ones beside slow references, networks, their metrics, and no look ahead."""

import json
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from common.batches import Shuffled
from common.book import results
from common.datasets import logistic_map, noisy_sine
from common.gradient_check import layer_errors
from common.layers import GRU, LSTM, RNN, MeanAbsoluteError, QuantileLoss
from common.metrics import coverage, mase, mean_absolute_error, quantile_loss
from common.models.forecasting import (
    Forecaster,
    Scaler,
    autoregression,
    feed_back,
    least_squares,
    linear_forecaster,
    persistence,
    predict,
    recurrent_forecaster,
    rolling_origin,
    seasonal_curve,
    seasonal_naive,
    seen,
    windows,
)
from common.optimizers import Adam
from common.training import Trainer
from runs import forecasting as run

SERIES = arrays.arrays(np.float64, st.integers(12, 40), elements=st.floats(-100, 100))


def rng(seed=0):
    return np.random.default_rng(seed)


# ---- forecasts that have to be beaten: each beside one that is handed the past and nothing else


def slow_persistence(past, horizon):
    return [past[-1]] * horizon


def slow_seasonal(past, horizon):
    extended = list(past)
    for _ in range(horizon):
        extended.append(extended[-5])
    return extended[len(past) :]


def slow_autoregression(past, horizon):
    x = [[*past[i : i + 3], 1] for i in range(12 - 3)]  # fitted on the first 12
    weights = np.linalg.lstsq(np.array(x), past[3:12], rcond=None)[0]
    extended = list(past)
    for _ in range(horizon):
        extended.append(float(np.dot([*extended[-3:], 1], weights)))
    return extended[len(past) :]


@given(SERIES, st.integers(1, 7))
def test_persistence_and_the_seasonal_naive_forecast(y, horizon):
    for slow, fast, more in (
        (slow_persistence, persistence, {}),
        (slow_seasonal, seasonal_naive, {"season": 5}),
    ):
        if len(y) < 5 + horizon:
            continue
        wanted, targets = rolling_origin(slow, y, 5, horizon)
        origins = np.arange(5, len(y) - horizon + 1)
        np.testing.assert_array_equal(fast(y, origins, horizon, **more), wanted)
        np.testing.assert_array_equal(seen(y, origins, horizon), targets)


def test_an_autoregression_is_fitted_on_the_past_and_fed_with_its_own_forecasts():
    y = rng().standard_normal(40).cumsum()
    origins = np.arange(12, 36)
    wanted, _ = rolling_origin(slow_autoregression, y, 12, 5)
    np.testing.assert_allclose(autoregression(y, origins, 5, 12, 3), wanted)
    changed = np.where(np.arange(40) < 20, y, 1e6)  # what comes after the day 20 changes nothing before it
    np.testing.assert_allclose(autoregression(changed, origins[:9], 5, 12, 3), wanted[:9])
    exact = 0.5 ** np.arange(30)
    np.testing.assert_allclose(autoregression(exact, np.array([20]), 4, lags=1)[0], exact[20:24], atol=1e-12)


def test_the_seasonal_curve_finds_waves_and_sees_no_future():
    days = np.arange(100)
    y = 3 + 2 * np.sin(2 * np.pi * days / 20) - np.cos(4 * np.pi * days / 20)
    np.testing.assert_allclose(seasonal_curve(y[:60], 100, 60, 20), y, atol=1e-9)
    noisy = y + rng().standard_normal(100)
    later = np.where(days < 60, noisy, 99)
    np.testing.assert_array_equal(seasonal_curve(noisy, 100, 60, 20), seasonal_curve(later, 100, 60, 20))


@given(SERIES, st.integers(1, 4), st.integers(1, 4))
def test_windows(y, length, horizon):
    values = np.stack([y, -y], axis=1)
    origins = np.arange(length, len(y) - horizon + 1)
    x, t = windows(values, y, length, horizon, origins)
    assert x.shape == (len(origins), length, 2) and t.shape == (len(origins), horizon)
    for row, target, o in zip(x, t, origins):
        assert (
            row.tolist() == values[o - length : o].tolist() and target.tolist() == y[o : o + horizon].tolist()
        )


def test_rolling_origin_shows_the_past_alone():
    lengths = []

    def nosy(past, horizon):
        lengths.append(len(past))
        past[:] = 0  # its own copy
        return np.zeros(horizon)

    y = np.arange(20.0)
    forecasts, targets = rolling_origin(nosy, y, 10, 3, every=4)
    assert lengths == [10, 14] and forecasts.shape == (2, 3) and targets[1].tolist() == [14, 15, 16]


BAD = {
    "too early": (
        lambda y: seasonal_naive(y, np.array([3]), 1, 7),
        "origins lie from 3 to 3; they should lie",
    ),
    "too late": (lambda y: persistence(y, np.array([31])), "they should lie between 1 and 30"),
    "nothing comes after": (
        lambda y: seen(y, np.array([29]), 2),
        "the last origin is 29; it should be at most 28",
    ),
    "negative": (lambda y: persistence(y, np.array([-1])), "origins lie from -1 to -1"),
    "no origins": (
        lambda y: persistence(y, np.array([], dtype=int)),
        "it should be one row of whole numbers",
    ),
    "a matrix": (lambda y: persistence(y[:, None], np.array([3])), "y has shape (30, 1) and holds float64"),
    "a leak": (
        lambda y: autoregression(y, np.array([20, 25]), 1, 25, 3),
        "train is 25; it should be from 4 to 20, the first origin: what comes later is not known there.",
    ),
    "too few": (
        lambda y: autoregression(y, np.array([20]), 1, 3, 3),
        "train is 3; it should be from 4 to 20",
    ),
    "lags": (lambda y: autoregression(y, np.array([20]), 1, 9, 0), "lags is 0; it should be a whole number"),
    "waves": (lambda y: seasonal_curve(y, 30, 4, 7.0), "train is 4; it should be from 5 to 30"),
    "period": (lambda y: seasonal_curve(y, 30, 20, 0), "period is 0; it should be a positive number"),
    "rows": (
        lambda y: windows(y[1:, None], y, 2, 1, np.array([5])),
        "it should be (30, F), a row for each of y",
    ),
    "first": (lambda y: rolling_origin(slow_persistence, y, 30), "first is 30; it should be at most 29"),
    "shape": (lambda y: rolling_origin(lambda p, h: [1, 2], y, 9), "forecast gave (2,); it should give (1,)"),
    "scaler": (lambda y: Scaler(y[:0]), "values has shape (0,); it should be (T,) or (T, F), T at least 1."),
    "NaN": (lambda y: Scaler(y * np.nan), "values holds NaN or infinity; it should be finite."),
    "loss twice": (
        lambda y: Forecaster(levels=(0.5,), loss=MeanAbsoluteError()),
        "levels and loss are both given; levels come with a loss of their own.",
    ),
    "levels": (
        lambda y: recurrent_forecaster(RNN, 1, 2, rng(), levels=(0.9, 0.1)),
        "levels is (0.9, 0.1); it should be numbers above 0 and below 1, ascending.",
    ),
    "many steps": (
        lambda y: feed_back(linear_forecaster(3, 1, rng(), 2), np.zeros((4, 3, 1), np.float32), 2),
        "model has horizon 2 and levels None; it should make one step",
    ),
    "unknown": (
        lambda y: feed_back(linear_forecaster(3, 2, rng()), np.zeros((4, 3, 2), np.float32), 5),
        "known is missing; it should be (4, 5, 1), the other features of the steps that come.",
    ),
    "past": (lambda y: mase(y, y, y[:3], season=3), "past has shape (3,); it should be (T,), T at least 4."),
    "constant": (lambda y: mase(y, y, np.ones(9)), "past differs from a season before by 0 on the average"),
    "shapes": (
        lambda y: mean_absolute_error(y, y[1:]),
        "y has shape (30,) and t (29,); they should have one",
    ),
    "turned": (
        lambda y: coverage(y + 1, y, y),
        "low is above high at some places; it should be at most as high.",
    ),
    "infinite": (
        lambda y: mean_absolute_error(y / 0, y),
        "y or t holds NaN or infinity; both should be finite.",
    ),
}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_bad_input_is_refused_in_one_sentence(name):
    wrong, said = BAD[name]
    with pytest.raises(ValueError) as raised:
        wrong(np.arange(1.0, 31))
    assert said in str(raised.value) and str(raised.value).endswith(".")


# ---- scaling


@given(arrays.arrays(np.float64, (9, 2), elements=st.floats(-1e6, 1e6)))
def test_a_scaler_undoes_what_it_does(values):
    scaler = Scaler(values)
    scaled = scaler.scale(values, dtype=np.float64)
    np.testing.assert_allclose(scaler.restore(scaled), values, atol=1e-6)
    np.testing.assert_allclose(scaler.restore(scaled[:, 1], column=1), values[:, 1], atol=1e-6)
    moves = values.std(axis=0) > 1e-3
    np.testing.assert_allclose(scaled.mean(axis=0)[moves], 0, atol=1e-6)
    np.testing.assert_allclose(scaled.std(axis=0)[moves], 1)


def test_a_scaler_knows_nothing_of_what_comes():
    y = rng().standard_normal(50)
    later = np.where(np.arange(50) < 30, y, 1000)
    assert (Scaler(y[:30]).scale(y)[:30] == Scaler(later[:30]).scale(later)[:30]).all()
    assert Scaler(y).scale(y).dtype == np.float32
    assert Scaler(np.full(5, 7.0)).scale(np.full(5, 7.0)).tolist() == [0] * 5


# ---- networks


@pytest.mark.parametrize("levels", [None, (0.1, 0.5, 0.9)])
@pytest.mark.parametrize("layer", [RNN, GRU, LSTM, None])
def test_gradients_of_a_forecaster(layer, levels):
    settings = {"horizon": 2, "levels": levels, "dtype": np.float64}
    if layer is None:
        model = linear_forecaster(4, 3, rng(), **settings)
    else:
        model = recurrent_forecaster(layer, 3, 5, rng(), **settings)
    x, t = rng(1).standard_normal((6, 4, 3)), rng(2).standard_normal((6, 2))
    errors = layer_errors(model, x, t, rng=rng(3))
    assert max(error for name, error in errors.items() if name != "t") < 1e-6
    assert predict(model, x).shape == ((6, 2) if levels is None else (6, 2, 3))


def test_a_linear_forecaster_learns_what_least_squares_finds():
    y = noisy_sine(rng(), 300, noise=0.3)
    x, t = windows(y[:, None], y, 5, 2, np.arange(5, 299))
    weights = least_squares(x[:, :, 0], t)
    model = linear_forecaster(5, 1, rng(), 2, dtype=np.float64)
    Trainer(model, Adam(0.01), rng()).fit(Shuffled(x, t, len(x)), 1500)
    np.testing.assert_allclose(predict(model, x), x[:, :, 0] @ weights[:-1] + weights[-1], atol=1e-3)


def test_a_recurrent_forecaster_beats_persistence_on_a_sine():
    y = noisy_sine(rng(), 400, noise=0.05).astype(np.float32)
    x, t = windows(y[:, None], y, 10, 1, np.arange(10, 300))
    model = recurrent_forecaster(LSTM, 1, 8, rng())
    Trainer(model, Adam(0.01), rng()).fit(Shuffled(x, t, 32), 15)
    origins = np.arange(300, 380)
    x, t = windows(y[:, None], y, 10, 20, origins)
    assert mean_absolute_error(predict(model, x), t[:, :1]) < 0.5 * mean_absolute_error(
        persistence(y, origins), t[:, :1]
    )
    assert mean_absolute_error(feed_back(model, x, 20), t) < 0.5 * mean_absolute_error(
        persistence(y, origins, 20), t
    )


def test_feeding_back_is_what_it_says():
    model = linear_forecaster(3, 2, rng(), dtype=np.float64)
    x, known = rng(1).standard_normal((4, 3, 2)), rng(2).standard_normal((4, 5, 1))
    made = feed_back(model, x, 5, known)
    for i in range(4):
        window = x[i].tolist()
        for step in range(5):
            (said,) = predict(model, np.array([window[-3:]]))[0]
            assert said == pytest.approx(made[i, step])
            window.append([said, known[i, step, 0]])
    assert (feed_back(model, x, 2, known[:, :2]) == made[:, :2]).all()


def test_quantiles_come_out_sorted_and_cost_no_more():
    model = linear_forecaster(3, 1, rng(), levels=(0.1, 0.5, 0.9), dtype=np.float64)
    x, t = rng(1).standard_normal((50, 3, 1)), rng(2).standard_normal((50, 1))
    raw, made = model.outputs(x), predict(model, x)
    assert (np.diff(raw, axis=-1) < 0).any() and (np.diff(made, axis=-1) >= 0).all()
    assert quantile_loss(made, t, model.levels).mean() < quantile_loss(raw, t, model.levels).mean()


def test_the_best_constant_is_the_quantile():
    t, levels = rng().gamma(2, size=2001), (0.1, 0.5, 0.9)
    layer = QuantileLoss(levels)
    y = np.tile(np.quantile(t, levels, method="inverted_cdf"), (len(t), 1))
    best = float(layer.forward(y, t))
    for step in (-0.05, 0.05):
        assert all(float(layer.forward(y + step * np.eye(3)[q], t)) > best for q in range(3))
    exact = MeanAbsoluteError()
    exact.forward(y, y)
    assert (exact.backward() == 0).all()


# ---- metrics


PAIRS = st.integers(2, 20).flatmap(
    lambda n: st.tuples(*[arrays.arrays(np.float64, n, elements=st.floats(-1e3, 1e3))] * 2)
)


@given(PAIRS, st.floats(0.01, 0.99))
def test_metrics_are_what_a_loop_says(pair, q):
    y, t = pair
    n = len(y)
    assert mean_absolute_error(y, t) == pytest.approx(sum(abs(a - b) for a, b in zip(y, t)) / n)
    slow = sum(q * (b - a) if b > a else (1 - q) * (a - b) for a, b in zip(y, t)) / n
    assert quantile_loss(y[:, None], t, [q])[0] == pytest.approx(slow)
    assert float(QuantileLoss([q]).forward(y[:, None], t)) == pytest.approx(slow)
    low, high = np.minimum(y, 0), np.maximum(y, 0)
    assert coverage(low, high, t) == sum(a <= b <= c for a, b, c in zip(low, t, high)) / n


@given(SERIES, st.integers(1, 5), st.floats(0.1, 10), st.floats(-50, 50))
def test_mase_has_no_unit(past, season, factor, shift):
    scale = sum(abs(past[i] - past[i - season]) for i in range(season, len(past))) / (len(past) - season)
    if scale < 1e-3:
        return
    y, t = past[::-1].copy(), past
    wanted = mean_absolute_error(y, t) / scale
    assert mase(y, t, past, season) == pytest.approx(wanted)
    moved = [a * factor + shift for a in (y, t, past)]
    assert mase(*moved, season) == pytest.approx(wanted, rel=1e-6, abs=1e-9)
    np.testing.assert_allclose(
        mase(past[:-season], past[season:], past, season), 1
    )  # the forecast it is measured by


# ---- the long runs, made short


@pytest.fixture
def short(monkeypatch, tmp_path):
    monkeypatch.setattr(results, "RESULTS", tmp_path)
    for name, value in {
        "SEEDS": (1,),
        "SPREAD_SEEDS": (1,),
        "RATES": (0.01,),
        "PASSES": 1,
        "ADDING_RATES": (0.01,),
        "ADDING_CHOOSE_STEPS": 2,
        "EVERY": 1,
        "LAYERS": {"RNN": RNN, "GRU": GRU, "LSTM": LSTM},
    }.items():
        monkeypatch.setattr(run, name, value)
    monkeypatch.setitem(run.ADDING, "steps", 2)
    monkeypatch.setitem(run.ADDING, "test", 20)
    monkeypatch.setitem(run.LEAKS, "passes", 1)
    monkeypatch.setitem(run.CHAOS, "passes", 1)
    monkeypatch.setattr(run, "exponent_of_mackey_glass", lambda: 0.005)
    return tmp_path / "forecasting.json"


def test_the_runs_record_what_they_measure(short, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["forecasting", *run.PARTS])
    run.main()
    told = json.loads(short.read_text())["runs"]
    assert set(told) == {*run.PARTS, "day, differences"}
    assert len(told["adding"]["LSTM, length 100"]["seeds"]["1"]["curve"]) == 2
    assert told["day"]["persistence"]["share"] == 1
    assert told["day"]["climatology + AR(1)"]["mae"] == pytest.approx(2.13, abs=0.01)
    assert told["day"]["LSTM, one, value"]["settings"]["passes"] == 1
    assert len(told["horizon"]["LSTM, fed back"]["mae"]) == 30
    assert told["horizon"]["persistence"]["mae"][0] == pytest.approx(2.24, abs=0.1)
    assert set(told["leaks"]["14 days ahead"]["shares"]) == {"honest", "scaler", "random split"}
    assert len(told["chaos"]["logistic map, seed 1"]["twin"]) == 20
    assert len(told["chaos"]["mackey_glass, seed 1"]["errors"]) == 120
    assert set(told["quantiles"]) == {"climatology + AR(1)", "LSTM, seed 1"}


def test_a_part_that_there_is_not(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["forecasting", "days"])
    with pytest.raises(SystemExit, match=r"part is days; it should be some of adding, day, together"):
        run.main()


def test_a_neighbour_of_mackey_glass_drifts_away_slowly():
    assert 0.002 < run.exponent_of_mackey_glass(days=5000) < 0.012


def test_what_follows_in_the_logistic_map():
    y = logistic_map(rng(), 30)
    np.testing.assert_array_equal(run.logistic_onwards(y[9], 20), y[10:])


def test_errors_against_the_horizon_and_those_of_a_twin(short, monkeypatch):
    monkeypatch.setitem(run.CHAOS, "passes", 8)
    y = logistic_map(rng(), 4000)
    asked = []

    def twin(o, off):
        asked.append(o)
        return run.logistic_onwards(y[o], 6)  # not off at all

    run.error_by_horizon("exact", 1, y, twin, length=2, most=6, days=1)
    told = json.loads(short.read_text())["runs"]["chaos"]["exact, seed 1"]
    assert asked[0] == 3002 and asked[-1] < 4000 - 6
    assert told["twin"] == [1e-12] * 6  # the value after the origin, and those that follow from it
    assert told["errors"][0] < told["errors"][3] and told["one_step"] < 0.05 < told["persistence"][0]


def test_the_slope_of_errors_that_double():
    errors = 1e-4 * 2.0 ** np.arange(20)
    fitted, used = run.slope(np.minimum(errors, 1), 0, 0.1)
    assert fitted == pytest.approx(np.log(2)) and used == 10
