"""Forecasts of Seattle's weather, of chaos, and the adding problem: the long runs of chapter 15.

    python -m runs.forecasting adding day together horizon quantiles leaks chaos

Each part adds what it measured to data/results/forecasting.json. Settings of a network, its learning rate and
its number of passes, are chosen with the year 2014, after training on 2012 and 2013; with them it is trained
anew on all three years, and 2015 is opened. So it is with the baselines.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from common.backend import FLOAT
from common.batches import Shuffled
from common.book.results import record_run, recorded
from common.datasets import (
    adding_problem,
    load_weather,
    logistic_map,
    mackey_glass_onwards,
)
from common.layers import GRU, LSTM, RNN, count_parameters
from common.layers.recurrent import Recurrent
from common.metrics import coverage, mase, mean_absolute_error, quantile_loss
from common.models.forecasting import (
    Forecaster,
    Scaler,
    autoregression,
    feed_back,
    least_squares,
    persistence,
    predict,
    recurrent_forecaster,
    seasonal_curve,
    seasonal_naive,
    seen,
    windows,
)
from common.optimizers import Adam, AdamW
from common.schedules import cosine
from common.training import Trainer, train_step
from common.vectors.intervals import bootstrap_means, interval

RESULTS = "forecasting"
LAYERS: dict[str, type[Recurrent]] = {"RNN": RNN, "GRU": GRU, "LSTM": LSTM}
SEEDS = (1, 2, 3)
SPREAD_SEEDS = (1, 2, 3, 4, 5)  # for what is tested on 2015


def keep(part: str, name: str, result: dict[str, Any], seed: int = 1) -> None:
    """Write down what was measured, and say it."""
    command = f"python -m runs.forecasting {part}"
    record_run(RESULTS, part, name, result=result, seed=seed, command=command)
    said = {k: v for k, v in result.items() if isinstance(v, (int, float))}
    print(f"{part}, {name}: {said}", flush=True)


# ---- the adding problem

ADDING = {"H": 32, "batch_size": 50, "steps": 1500, "max_grad_norm": 1.0, "test": 1000}
ADDING_RATES, ADDING_CHOOSE_STEPS, EVERY = (0.002, 0.005, 0.01), 600, 50


def add(layer: str, T: int, lr: float, steps: int, seed: int) -> dict[str, Any]:
    """Learn from examples that are made anew for each step; measure on the same 1,000 all along."""
    rng, began = np.random.default_rng(seed), time.process_time()
    model = recurrent_forecaster(LAYERS[layer], 2, ADDING["H"], rng)
    x, t = adding_problem(np.random.default_rng([seed, T]), ADDING["test"], T)
    optimizer, curve = Adam(lr), []
    for step in range(1, steps + 1):
        batch = [a.astype(FLOAT) for a in adding_problem(rng, ADDING["batch_size"], T)]
        train_step(model, optimizer, *batch, max_norm=ADDING["max_grad_norm"])
        if step % EVERY == 0:
            curve.append(float(((predict(model, x.astype(FLOAT)) - t) ** 2).mean()))
    solved = [EVERY * (i + 1) for i, error in enumerate(curve) if error < 0.01]
    return {
        "lr": lr,
        "error": curve[-1],
        "solved_after": solved[0] if solved else None,
        "every": EVERY,
        "curve": curve,
        "parameters": count_parameters(model),
        "seconds": time.process_time() - began,
    }


def adding() -> None:
    """Length 50 and 100, three layers, three seeds; the learning rate by the same search for all."""
    for layer in ("LSTM", "GRU", "RNN"):
        tried = {lr: add(layer, 50, lr, ADDING_CHOOSE_STEPS, 0)["error"] for lr in ADDING_RATES}
        lr = min(tried, key=lambda lr: tried[lr])
        keep("adding", f"choose {layer}", {"lr": lr, "errors": {str(k): v for k, v in tried.items()}}, 0)
        for T in (100, 50):
            runs = {str(seed): add(layer, T, lr, ADDING["steps"], seed) for seed in SEEDS}
            worst = max(run["error"] for run in runs.values())
            keep("adding", f"{layer}, length {T}", {"worst": worst, "settings": ADDING, "seeds": runs})


# ---- Seattle

LENGTH, H, BATCH, PASSES, RATES = 14, 16, 32, 20, (0.001, 0.003, 0.01)
YEAR = 365.25
WEATHER = load_weather
BLOCK = 14  # days that are drawn together


class Seattle:
    """The highest temperature of each day, what may be known of the day before, and where the years end."""

    def __init__(self) -> None:
        series = WEATHER()
        self.y, years = series["temp_max"], series.years
        self.valid, self.test, self.T = (*np.searchsorted(years, (2014, 2015)).tolist(), len(series))
        angle = 2 * np.pi * (series.day_of_year + 1) / YEAR  # the next day's, which is known
        calendar = np.stack([np.sin(angle), np.cos(angle)], axis=1)
        self.inputs = {
            "one": self.y[:, None],
            "one, day": np.column_stack([self.y, calendar]),
            "four": series.values,
            "four, day": np.column_stack([series.values, calendar]),
        }

    def part(self, begin: int, end: int, horizon: int) -> np.ndarray:
        """The origins whose values all lie in ``y[begin:end]``."""
        return np.arange(begin, end - horizon + 1)


def learn(
    make: Callable[[int, np.random.Generator], Forecaster],
    values: np.ndarray,
    y: np.ndarray,
    origins: np.ndarray,
    train: int,
    settings: dict[str, Any],
    seed: int,
    scaled_by: int | None = None,
    fitted: np.ndarray | None = None,
    curve: Callable[[np.ndarray], float] | None = None,
) -> tuple[np.ndarray, list[float], Forecaster]:
    """Train on what lies before ``train``; the forecasts at the origins, in degrees.

    ``settings`` has the horizon, the learning rate, the passes and whether the change from the last value is
    learned instead of the value. ``scaled_by`` and ``fitted`` are there for leaks: how many values the scaler
    sees, and other origins to learn from. ``curve`` measures the forecasts after each pass.
    """
    rng, horizon = np.random.default_rng(seed), settings["horizon"]
    fitted = np.arange(LENGTH, train - horizon + 1) if fitted is None else fitted
    seen_by_scaler = train if scaled_by is None else scaled_by
    features, target = Scaler(values[:seen_by_scaler]), Scaler(y[:seen_by_scaler])
    x, t = windows(features.scale(values), target.scale(y), LENGTH, horizon, fitted)
    x_new, _ = windows(features.scale(values), y, LENGTH, horizon, origins)
    last = settings["change"] * target.scale(y)
    t = t - last[fitted - 1][:, None]
    model, errors = make(values.shape[1], rng), []

    def forecasts() -> np.ndarray:
        made = predict(model, x_new)
        base = last[origins - 1].reshape(-1, *[1] * (made.ndim - 1))
        return target.restore(made + base)

    def measure(trainer: Trainer) -> None:
        if curve is not None:
            errors.append(curve(forecasts()))

    trainer = Trainer(model, AdamW(settings["lr"]), rng, max_grad_norm=1.0)
    trainer.fit(Shuffled(x, t, BATCH), settings["passes"], on_epoch=measure)
    return forecasts(), errors, model


def chosen(
    make: Callable[[int, np.random.Generator], Forecaster],
    data: Seattle,
    values: np.ndarray,
    settings: dict[str, Any],
    loss: Callable[[np.ndarray, np.ndarray], float] = mean_absolute_error,
) -> dict[str, Any]:
    """The settings with the learning rate and the passes that were best in 2014, on the mean of the seeds."""
    origins = data.part(data.valid, data.test, settings["horizon"])
    t = seen(data.y, origins, settings["horizon"])
    best: dict[str, Any] = {"valid": np.inf}
    for lr in RATES:
        trying = settings | {"lr": lr, "passes": PASSES}
        curves = [
            learn(make, values, data.y, origins, data.valid, trying, seed, curve=lambda made: loss(made, t))[
                1
            ]
            for seed in SEEDS
        ]
        means = np.mean(curves, axis=0)
        if means.min() < best["valid"]:
            best = settings | {"lr": lr, "passes": int(means.argmin()) + 1, "valid": float(means.min())}
    return best


def baselines(data: Seattle, train: int, origins: np.ndarray, horizon: int = 1) -> dict[str, np.ndarray]:
    """What has to be beaten, fitted on ``y[:train]``: (origins, horizon) each."""
    y = data.y
    curve = seasonal_curve(y, data.T, train, YEAR)
    made = {
        "persistence": persistence(y, origins, horizon),
        "a year ago": seasonal_naive(y, origins, horizon, 365),
        "climatology": seen(curve, origins, horizon),
    }
    for lags in (7, 28):
        made[f"AR({lags})"] = autoregression(y, origins, horizon, train, lags)
    for lags in (1, 7):
        off = autoregression(y - curve, origins, horizon, train, lags)
        made[f"climatology + AR({lags})"] = made["climatology"] + off
    for name, values in data.inputs.items():
        for length in (1, 7):
            fitted = np.arange(length, train - horizon + 1)
            x, t = windows(values, y, length, horizon, fitted)
            weights = least_squares(x.reshape(len(x), -1), t)
            x_new, _ = windows(values, y, length, horizon, origins)
            made[f"linear, {name}, {length} d"] = x_new.reshape(len(x_new), -1) @ weights[:-1] + weights[-1]
    return made


def judged(data: Seattle, made: np.ndarray, origins: np.ndarray) -> dict[str, float]:
    """How good forecasts of one day are."""
    t = seen(data.y, origins)
    error = mean_absolute_error(made, t)
    return {
        "mae": error,
        "share": error / mean_absolute_error(persistence(data.y, origins), t),
        "mase": mase(made, t, data.y[: data.test]),
        "with_that_day": float(np.corrcoef(made[:, 0], t[:, 0])[0, 1]),
        "with_the_day_before": float(np.corrcoef(made[:, 0], data.y[origins - 1])[0, 1]),
    }


def day() -> None:
    """One day ahead: baselines, and networks with one series, with all four, and with the day of the year."""
    data = Seattle()
    origins, valid = data.part(data.test, data.T, 1), data.part(data.valid, data.test, 1)
    t = seen(data.y, origins)
    errors: dict[str, np.ndarray] = {}  # of each day of 2015
    for name, made in baselines(data, data.valid, valid).items():
        errors[name] = np.array([mean_absolute_error(made, seen(data.y, valid))])
    best = min(errors, key=lambda name: errors[name][0])
    for name, made in baselines(data, data.test, origins).items():
        keep("day", name, judged(data, made, origins) | {"valid": float(errors[name][0])})
        errors[name] = np.abs(made - t)[:, 0]
    for layer in LAYERS:
        for name in ("one", "four", "four, day"):
            for change in (False, True):

                def make(F: int, rng: np.random.Generator, layer: str = layer) -> Forecaster:
                    return recurrent_forecaster(LAYERS[layer], F, H, rng)

                began, values = time.process_time(), data.inputs[name]
                settings = chosen(make, data, values, {"horizon": 1, "change": change})
                all_made = np.array(
                    [
                        learn(make, values, data.y, origins, data.test, settings, seed)[0]
                        for seed in SPREAD_SEEDS
                    ]
                )
                of_seeds = [judged(data, made, origins) for made in all_made]
                full = f"{layer}, {name}, {'change' if change else 'value'}"
                errors[full] = np.abs(all_made - t).mean(axis=0)[:, 0]
                result = {key: float(np.mean([one[key] for one in of_seeds])) for key in of_seeds[0]}
                result |= {"maes": [one["mae"] for one in of_seeds], "settings": settings}
                result |= {"length": LENGTH, "H": H, "seconds": time.process_time() - began}
                result |= {"mean_of_seeds": mean_absolute_error(all_made.mean(axis=0), t)}
                keep("day", full, result)
    blocks = np.arange(len(origins)) // BLOCK
    for name, error in errors.items():
        for against in {best, "persistence"} - {name}:
            drawn = bootstrap_means(error - errors[against], np.random.default_rng(1), 5000, blocks)
            low, high = interval(drawn)
            gain = {"against": against, "difference": float((error - errors[against]).mean())}
            gain |= {"low": float(low), "high": float(high), "days_in_a_block": BLOCK}
            against = "best baseline" if against == best else against
            keep("day, differences", f"{name} / {against}", gain)


def together() -> None:
    """The five networks of each kind that ``day`` has trained, and the mean of their forecasts; and 2014."""
    data, told = Seattle(), recorded(RESULTS)["runs"]["day"]
    origins, valid = data.part(data.test, data.T, 1), data.part(data.valid, data.test, 1)
    t, t_valid = seen(data.y, origins), seen(data.y, valid)
    made = baselines(data, data.test, origins)
    best = min(made, key=lambda name: told[name]["valid"])
    blocks = np.arange(len(origins)) // BLOCK
    for full, result in told.items():
        if full in made:
            continue
        layer, name = full.split(", ", 1)[0], full.split(", ", 1)[1].rsplit(", ", 1)[0]
        values, settings = data.inputs[name], result["settings"]

        def mean_of_five(new: np.ndarray, train: int) -> np.ndarray:
            def make(F: int, rng: np.random.Generator) -> Forecaster:
                return recurrent_forecaster(LAYERS[layer], F, H, rng)  # noqa: B023 (called at once)

            made = [learn(make, values, data.y, new, train, settings, seed)[0] for seed in SPREAD_SEEDS]  # noqa: B023
            return np.mean(made, axis=0)

        forecasts = mean_of_five(origins, data.test)
        error = np.abs(forecasts - t)[:, 0]
        result = judged(data, forecasts, origins)
        result |= {"valid": mean_absolute_error(mean_of_five(valid, data.valid), t_valid)}
        for against in (best, "persistence"):
            difference = error - np.abs(made[against] - t)[:, 0]
            low, high = interval(bootstrap_means(difference, np.random.default_rng(1), 5000, blocks))
            result[f"from {against}"] = {"difference": difference.mean(), "low": low, "high": high}
        keep("together", full, result)


def horizon() -> None:
    """1 to 30 days ahead: baselines, a network that says all at once, and one that is fed with its own."""
    data, most = Seattle(), 30
    origins = data.part(data.test, data.T, most)
    t = seen(data.y, origins, most)
    for name, made in baselines(data, data.test, origins, most).items():
        keep("horizon", name, {"mae": np.abs(made - t).mean(axis=0).tolist()})
    values = data.inputs["one, day"]
    calendar = values[origins[:, None] + np.arange(most), 1:].astype(FLOAT)
    for name, steps in (("direct", most), ("fed back", 1)):

        def make(F: int, rng: np.random.Generator, steps: int = steps) -> Forecaster:
            return recurrent_forecaster(LSTM, F, H, rng, steps)

        settings = chosen(make, data, values, {"horizon": steps, "change": False})
        maes = []
        for seed in SEEDS:
            made, _, model = learn(make, values, data.y, origins, data.test, settings, seed)
            if steps == 1:
                features, target = Scaler(values[: data.test]), Scaler(data.y[: data.test])
                x, _ = windows(features.scale(values), data.y, LENGTH, most, origins)
                known = (calendar - features.mean[1:]) / features.spread[1:]
                made = target.restore(feed_back(model, x, most, known.astype(FLOAT)))
            maes.append(np.abs(made - t).mean(axis=0).tolist())
        keep("horizon", f"LSTM, {name}", {"mae": np.mean(maes, axis=0).tolist(), "maes": maes} | settings)


LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)


def quantiles() -> None:
    """Five quantiles of tomorrow: by a network, and by what climatology + AR(1) was off by until 2014."""
    data = Seattle()
    origins = data.part(data.test, data.T, 1)
    t = seen(data.y, origins)

    def judged_quantiles(made: np.ndarray) -> dict[str, Any]:  # (origins, 1, Q)
        return {
            "loss": float(quantile_loss(made, t, LEVELS).mean()),
            "losses": quantile_loss(made, t, LEVELS).tolist(),
            "below": [float((t <= made[..., q]).mean()) for q in range(len(LEVELS))],
            "coverage_90": coverage(made[..., 0], made[..., 4], t),
            "coverage_50": coverage(made[..., 1], made[..., 3], t),
            "width_90": float((made[..., 4] - made[..., 0]).mean()),
            "levels": LEVELS,
        }

    fitted = np.arange(LENGTH, data.test)
    curve = seasonal_curve(data.y, data.T, data.test, YEAR)
    off = seen(data.y - curve, np.arange(1, data.T))[:, 0]  # from day 1 on
    share = float(off[fitted - 2] @ off[fitted - 1] / (off[fitted - 2] @ off[fitted - 2]))
    spread = np.quantile(off[fitted - 1] - share * off[fitted - 2], LEVELS)
    middle = curve[origins] + share * off[origins - 2]
    keep("quantiles", "climatology + AR(1)", judged_quantiles(middle[:, None, None] + spread))

    def make(F: int, rng: np.random.Generator) -> Forecaster:
        return recurrent_forecaster(LSTM, F, H, rng, levels=LEVELS)

    def loss(made: np.ndarray, t: np.ndarray) -> float:
        return float(quantile_loss(made, t, LEVELS).mean())

    values = data.inputs["four, day"]
    settings = chosen(make, data, values, {"horizon": 1, "change": True}, loss)
    for seed in SEEDS:
        made, _, model = learn(make, values, data.y, origins, data.test, settings, seed)
        x, _ = windows(Scaler(values[: data.test]).scale(values), data.y, LENGTH, 1, origins)
        crossed = (np.diff(model.outputs(x), axis=-1) < 0).any(axis=(1, 2)).mean()
        result = judged_quantiles(made) | {"crossed": float(crossed), "settings": settings}
        keep("quantiles", f"LSTM, seed {seed}", result, seed)


LEAKS = {"lr": 0.01, "passes": 25}  # long enough to learn by heart


def leaks() -> None:
    """The same network with a leak and without: how much better it is on paper, in shares of persistence."""
    data = Seattle()
    values = data.inputs["four, day"]

    def share(made: np.ndarray, origins: np.ndarray, ahead: int) -> float:
        t = seen(data.y, origins, ahead)
        return mean_absolute_error(made, t) / mean_absolute_error(persistence(data.y, origins, ahead), t)

    for ahead in (1, 14):

        def make(F: int, rng: np.random.Generator, ahead: int = ahead) -> Forecaster:
            return recurrent_forecaster(LSTM, F, 64, rng, ahead)

        settings = {"horizon": ahead, "change": False} | LEAKS
        origins = data.part(data.test, data.T, ahead)
        told: dict[str, list[float]] = {"honest": [], "scaler": [], "random split": []}
        for seed in SEEDS:
            learned = (data.y, origins, data.test, settings, seed)
            told["honest"].append(share(learn(make, values, *learned)[0], origins, ahead))
            leaked = learn(make, values, *learned, scaled_by=data.T)[0]
            told["scaler"].append(share(leaked, origins, ahead))
            mixed = np.random.default_rng(seed).permutation(np.arange(LENGTH, data.T - ahead + 1))
            new, fitted = np.split(mixed, [len(origins)])
            leaked = learn(make, values, data.y, new, data.T, settings, seed, data.T, fitted)[0]
            told["random split"].append(share(leaked, new, ahead))
        means = {name: float(np.mean(shares)) for name, shares in told.items()}
        better = {f"better by, {name}": 1 - means[name] / means["honest"] for name in list(means)[1:]}
        keep("leaks", f"{ahead} days ahead", means | better | {"shares": told, "settings": settings})


# ---- chaos


def slope(errors: np.ndarray, low: float, high: float) -> tuple[float, int]:
    """How fast the logarithm of the errors (steps,) grows while they lie between two numbers."""
    grows = np.flatnonzero((errors > low) & (errors < high))
    grows = grows[: np.argmax(np.append(np.diff(grows) > 1, True)) + 1]  # without a gap
    return float(np.polyfit(grows, np.log(errors[grows]), 1)[0]) if len(grows) > 2 else np.nan, len(grows)


def exponent_of_mackey_glass(days: int = 100_000, every: int = 50, small: float = 1e-8) -> float:
    """How fast two neighbours drift apart a day: after each 50 days they are brought together again."""
    rng = np.random.default_rng(1)
    one = mackey_glass_onwards(np.full(171, 1.2), 2000)[-171:]
    apart = rng.standard_normal(171)
    growth = []
    for _ in range(days // every):
        apart *= small / np.linalg.norm(apart)
        other = mackey_glass_onwards(one + apart, every)[-171:]
        one = mackey_glass_onwards(one, every)[-171:]
        apart = other - one
        growth.append(np.log(np.linalg.norm(apart) / small) / every)
    return float(np.mean(growth[20:]))


def logistic_onwards(start: float, steps: int) -> np.ndarray:
    """What follows from a number of the logistic map, (steps,)."""
    x = [start]
    for _ in range(steps):
        x.append(4 * x[-1] * (1 - x[-1]))
    return np.array(x[1:])


def typical(off: np.ndarray) -> np.ndarray:
    """The geometric mean over origins (origins, steps): errors grow by factors."""
    return np.exp(np.log(np.abs(off) + 1e-12).mean(axis=0))


DAYS = 6  # between two numbers of Mackey and Glass that the network sees
CHAOS = {"train": 3000, "passes": 40, "lr": 0.01, "H": 32, "batch_size": 50}


def chaos() -> None:
    """The logistic map and Mackey-Glass: the error of a network that is fed with its own forecasts.

    Beside it stands a **twin**: the equation itself, begun as far off as the network is after one step, so
    that its first error belongs beside the network's second. What the twin can't know, no network can.
    """
    keep("chaos", "exponents", {"logistic map": float(np.log(2)), "mackey_glass": exponent_of_mackey_glass()})
    for seed in SEEDS:
        y = logistic_map(np.random.default_rng(seed), 4000)

        def twin(o: int, off: float, y: np.ndarray = y) -> np.ndarray:
            return logistic_onwards(np.clip(y[o] + off, 0, 1), 20)

        error_by_horizon("logistic map", seed, y, twin, length=2, most=20, days=1)
    for seed in SEEDS:
        history = np.full(171, 1.2 + 0.1 * np.random.default_rng(seed).standard_normal())
        fine = mackey_glass_onwards(history, 1000 + 4000 * DAYS)[10_000:]
        y = fine[170 :: 10 * DAYS]

        def twin(o: int, off: float, fine: np.ndarray = fine) -> np.ndarray:
            past = fine[o * 10 * DAYS :][:171] + off
            return mackey_glass_onwards(past, 120 * DAYS)[171 - 1 + 10 * DAYS :: 10 * DAYS]

        error_by_horizon("mackey_glass", seed, y, twin, length=8, most=120, days=DAYS)


def error_by_horizon(
    name: str,
    seed: int,
    y: np.ndarray,
    twin: Callable[[int, float], np.ndarray],
    length: int,
    most: int,
    days: int,
) -> None:
    """Train on the first 3,000, forecast ``most`` steps from many of the others; errors in spreads of y."""
    began, rng, train, passes = time.process_time(), np.random.default_rng(seed), 3000, CHAOS["passes"]
    scaler = Scaler(y[:train])
    x, t = windows(scaler.scale(y)[:, None], scaler.scale(y), length, 1, np.arange(length, train))
    model, lr = recurrent_forecaster(GRU, 1, int(CHAOS["H"]), rng), CHAOS["lr"]
    batches = Shuffled(x, t, int(CHAOS["batch_size"]))
    schedule = cosine(lr, int(passes) * len(batches))
    Trainer(model, Adam(lr), rng, max_grad_norm=1.0, schedule=schedule).fit(batches, int(passes))
    origins = np.arange(train + length, len(y) - most, 4)
    x_new, _ = windows(scaler.scale(y)[:, None], y, length, most, origins)
    came, spread = seen(y, origins, most), y.std()
    errors = typical((scaler.restore(feed_back(model, x_new, most)) - came) / spread)
    sign = rng.choice([-1, 1], len(origins)) * errors[0] * spread
    twins = np.array([twin(o, off) for o, off in zip(origins, sign)])
    twin_errors = typical((twins - seen(y, origins + 1, most)) / spread)
    naive = typical((persistence(y, origins, most) - came) / spread)
    grown, steps = slope(errors, 0, 0.1)
    twin_grown, twin_steps = slope(twin_errors, 0, 0.1)
    result = {
        "slope": grown / days,
        "steps": steps,
        "twin_slope": twin_grown / days,
        "twin_steps": twin_steps,
    }
    result |= {"one_step": float(errors[0]), "days_a_step": days, "settings": CHAOS | {"length": length}}
    result |= {"errors": errors.tolist(), "twin": twin_errors.tolist(), "persistence": naive.tolist()}
    keep("chaos", f"{name}, seed {seed}", result | {"seconds": time.process_time() - began}, seed)


PARTS: dict[str, Callable[[], None]] = {
    "adding": adding,
    "day": day,
    "together": together,
    "horizon": horizon,
    "quantiles": quantiles,
    "leaks": leaks,
    "chaos": chaos,
}


def main() -> None:
    unknown = [part for part in sys.argv[1:] if part not in PARTS]
    if unknown or len(sys.argv) == 1:
        sys.exit(f"part is {', '.join(unknown) or 'missing'}; it should be some of {', '.join(PARTS)}.")
    for part in sys.argv[1:]:
        PARTS[part]()


if __name__ == "__main__":
    main()
