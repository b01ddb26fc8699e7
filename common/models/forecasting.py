"""Forecasts of a series: the simple ones that have to be beaten, and networks.

A forecast is made at an **origin** ``o``: the values ``y[:o]`` are known, and ``y[o], y[o + 1], ...`` are
asked for, one for each step of the **horizon**. All functions here speak of origins in that way, give
forecasts (origins, horizon), and are fitted on the first ``train`` values and on nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from common.backend import FLOAT, Array, DType, to_numpy, xp
from common.layers.base import Layer, Model, evaluating
from common.layers.loss import MeanSquaredError, QuantileLoss
from common.layers.make import Make
from common.layers.recurrent import Recurrent
from common.layers.sequential import Flatten, Sequential
from common.models.text_classifiers import LastState
from common.support.require import require_count, require_counts, require_positive

# ---- forecasts that have to be beaten


def persistence(y: np.ndarray, origins: np.ndarray, horizon: int = 1) -> np.ndarray:
    """Everything stays as it is: the last known value, for each step. (origins, horizon)"""
    y, origins = _checked(y, origins, horizon, known=1)
    return np.repeat(y[origins - 1][:, None], horizon, axis=1)


def seasonal_naive(y: np.ndarray, origins: np.ndarray, horizon: int = 1, season: int = 7) -> np.ndarray:
    """The last known value that lies a whole number of seasons back. (origins, horizon)"""
    require_count("season", season)
    y, origins = _checked(y, origins, horizon, known=season)
    return y[origins[:, None] - season + np.arange(horizon) % season]


def autoregression(
    y: np.ndarray, origins: np.ndarray, horizon: int = 1, train: int | None = None, lags: int = 7
) -> np.ndarray:
    """A weighted sum of the last ``lags`` values and a constant, fitted by least squares. (origins, horizon)

    Beyond the first step, its own forecasts take the place of the values that are not known.

    Parameters
    ----------
    y : (T,)
    origins : whole numbers
    horizon : int
    train : int, optional
        The weights are fitted on ``y[:train]``; up to the first origin unless it is given.
    lags : int
    """
    require_count("lags", lags)
    y, origins = _checked(y, origins, horizon, known=lags)
    train = _checked_train(train, origins, lags + 1)
    x, t = windows(y[:, None], y, lags, 1, np.arange(lags, train))
    weights = least_squares(x[:, :, 0], t)  # (lags + 1, 1)
    known = y[origins[:, None] + np.arange(-lags, 0)]  # (origins, lags)
    for _ in range(horizon):
        known = np.append(known, known[:, -lags:] @ weights[:-1] + weights[-1], axis=1)
    return known[:, lags:]


def seasonal_curve(y: np.ndarray, T: int, train: int, period: float, harmonics: int = 2) -> np.ndarray:
    """What is usual at each time, (T,): a mean and ``harmonics`` waves a period, fitted on ``y[:train]``.

    ``seen(curve, origins, horizon)`` are the forecasts of climatology; an ``autoregression`` of ``y - curve``
    forecasts how far it will be off.
    """
    require_counts(T=T, train=train, harmonics=harmonics)
    require_positive("period", period)
    if not 2 * harmonics < train <= len(y):
        raise ValueError(f"train is {train}; it should be from {2 * harmonics + 1} to {len(y)}.")
    angles = 2 * np.pi * np.arange(T)[:, None] * np.arange(1, harmonics + 1) / period
    waves = np.concatenate([np.sin(angles), np.cos(angles)], axis=1)  # (T, 2 harmonics)
    weights = least_squares(waves[:train], np.asarray(y, dtype=np.float64)[:train, None])
    return (waves @ weights[:-1] + weights[-1])[:, 0]


def least_squares(x: np.ndarray, t: np.ndarray) -> np.ndarray:
    """The weights (D + 1, H) for which ``x @ weights[:-1] + weights[-1]`` comes closest to ``t`` (N, H)."""
    rows = np.column_stack([x, np.ones(len(x))])
    return np.linalg.lstsq(rows, t, rcond=None)[0]


# ---- what was known, and what came


def windows(
    values: np.ndarray, y: np.ndarray, length: int, horizon: int, origins: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """What is known at each origin, and what comes after it.

    Parameters
    ----------
    values : (T, F)
        Features: the series itself, others, the calendar.
    y : (T,)
        The series that is to be forecast.
    length : int
        So many rows are seen, the last ones before the origin.
    horizon : int
    origins : (N,) whole numbers
        From ``length`` to ``T - horizon``.

    Returns
    -------
    x : (N, length, F)
        ``values[o - length : o]`` of each origin.
    t : (N, horizon)
        ``y[o : o + horizon]``.
    """
    require_counts(length=length, horizon=horizon)
    values = np.asarray(values)
    if values.ndim != 2 or len(values) != len(y):
        raise ValueError(f"values has shape {values.shape}; it should be ({len(y)}, F), a row for each of y.")
    _, origins = _checked(y, origins, horizon, known=length)
    return values[origins[:, None] + np.arange(-length, 0)], seen(y, origins, horizon)


def seen(y: np.ndarray, origins: np.ndarray, horizon: int = 1) -> np.ndarray:
    """What came after each origin: ``y[o : o + horizon]``, (origins, horizon)."""
    y, origins = _checked(y, origins, horizon)
    if origins.max() + horizon > len(y):
        raise ValueError(
            f"the last origin is {origins.max()}; it should be at most {len(y) - horizon}, so that {horizon} "
            "values come after it."
        )
    return y[origins[:, None] + np.arange(horizon)]


def rolling_origin(
    forecast: Callable[[np.ndarray, int], np.ndarray],
    y: np.ndarray,
    first: int,
    horizon: int = 1,
    every: int = 1,
) -> tuple[np.ndarray, np.ndarray]:
    """Forecast again and again, each time with a little more of the series known.

    ``forecast(past, horizon)`` is called with ``y[:o]`` for each origin ``o`` and with nothing that comes
    later: it can't look ahead, whatever is in it. It may fit anew each time.

    Parameters
    ----------
    forecast : function
        Takes the past (o,) and the horizon, returns (horizon,).
    y : (T,)
    first : int
        The first origin.
    horizon : int
    every : int
        How many steps lie between two origins.

    Returns
    -------
    forecasts, targets : (origins, horizon)
    """
    require_counts(first=first, horizon=horizon, every=every)
    y = np.asarray(y, dtype=np.float64)
    origins = np.arange(first, len(y) - horizon + 1, every)
    if not len(origins):
        raise ValueError(
            f"first is {first}; it should be at most {len(y) - horizon}, the last time that {horizon} values "
            "follow."
        )
    forecasts = []
    for o in origins:
        made = np.asarray(forecast(y[:o].copy(), horizon), dtype=np.float64)
        if made.shape != (horizon,):
            raise ValueError(f"forecast gave {made.shape}; it should give ({horizon},), one for each step.")
        forecasts.append(made)
    return np.array(forecasts), seen(y, origins, horizon)


class Scaler:
    """Brings columns to mean 0 and standard deviation 1: those of the values that it was made from.

    Give it the past: ``Scaler(values[:train])``. Mean and spread of what is to be forecast are part of what
    is asked for.

    Parameters
    ----------
    values : (T, F) or (T,)
    """

    def __init__(self, values: np.ndarray) -> None:
        values = np.asarray(values, dtype=np.float64)
        if values.ndim not in (1, 2) or not len(values):
            raise ValueError(f"values has shape {values.shape}; it should be (T,) or (T, F), T at least 1.")
        if not np.isfinite(values).all():
            raise ValueError("values holds NaN or infinity; it should be finite.")
        self.mean, spread = values.mean(axis=0), values.std(axis=0)
        self.spread = np.where(spread > 0, spread, 1.0)  # a column that never moves becomes 0

    def scale(self, values: np.ndarray, *, dtype: DType = FLOAT) -> np.ndarray:
        """``values`` in units of the spread, from the mean."""
        return ((values - self.mean) / self.spread).astype(dtype)

    def restore(self, scaled: np.ndarray, column: int | None = None) -> np.ndarray:
        """Numbers as they were; of several columns, ``column`` says from which all of ``scaled`` come."""
        mean, spread = (a if column is None else a[column] for a in (self.mean, self.spread))
        return np.asarray(scaled, dtype=np.float64) * spread + mean

    def __repr__(self) -> str:
        return f"Scaler(mean={np.round(self.mean, 3)}, spread={np.round(self.spread, 3)})"


# ---- networks


class Forecaster(Model):
    """A network that reads a window (N, length, F) and says what comes: ``horizon`` steps at once.

    Parameters
    ----------
    *layers : Layer
        From the window to (N, horizon), or (N, horizon * Q) with Q levels.
    horizon : int
    levels : sequence of float, optional
        Forecast these quantiles of each step, and learn them by the ``QuantileLoss``.
    loss : Layer, optional
        Without levels: ``MeanSquaredError`` unless another is given.
    """

    def __init__(
        self,
        *layers: Layer,
        horizon: int = 1,
        levels: Sequence[float] | None = None,
        loss: Layer | None = None,
    ) -> None:
        require_count("horizon", horizon)
        if levels is not None and loss is not None:
            raise ValueError("levels and loss are both given; levels come with a loss of their own.")
        self.body = Sequential(*layers)
        self.horizon, self.levels = horizon, None if levels is None else tuple(levels)
        self.loss = loss or (MeanSquaredError() if levels is None else QuantileLoss(levels))

    def outputs(self, x: Array) -> Array:
        """``x`` (N, length, F) to (N, horizon), or (N, horizon, Q)."""
        y = self.body.forward(x)
        return y if self.levels is None else y.reshape(len(y), self.horizon, len(self.levels))

    def forward(self, x: Array, t: Array) -> Array:
        """The loss of windows ``x`` (N, length, F) and of what came, ``t`` (N, horizon)."""
        return self.loss.forward(self.outputs(x), t)

    def backward(self, dout: float = 1) -> Array:
        """The gradient of the loss, to that of ``x``."""
        dy = self.loss.backward(dout)
        return self.body.backward(dy.reshape(len(dy), -1))


def recurrent_forecaster(
    layer: type[Recurrent],
    F: int,
    H: int,
    rng: np.random.Generator,
    horizon: int = 1,
    levels: Sequence[float] | None = None,
    loss: Layer | None = None,
    *,
    dtype: DType = FLOAT,
) -> Forecaster:
    """An ``RNN``, ``GRU`` or ``LSTM`` of H numbers reads F features; its last state is read off linearly."""
    make, Q = Make(rng, dtype), 1 if levels is None else len(levels)
    last = LastState(make.recurrent(layer, F, H))
    return Forecaster(last, make.affine(H, horizon * Q), horizon=horizon, levels=levels, loss=loss)


def linear_forecaster(
    length: int,
    F: int,
    rng: np.random.Generator,
    horizon: int = 1,
    levels: Sequence[float] | None = None,
    loss: Layer | None = None,
    *,
    dtype: DType = FLOAT,
) -> Forecaster:
    """A weighted sum of all numbers of the window, and no more, for each step."""
    require_counts(length=length)
    Q = 1 if levels is None else len(levels)
    affine = Make(rng, dtype).affine(length * F, horizon * Q)
    return Forecaster(Flatten(), affine, horizon=horizon, levels=levels, loss=loss)


def predict(model: Forecaster, x: Array, batch_size: int = 1000) -> np.ndarray:
    """The forecasts for all windows ``x`` (N, length, F): (N, horizon), or (N, horizon, Q) in order.

    Nothing keeps quantiles that are learned side by side from crossing. They are sorted here: in order, they
    are never farther from the true ones [Chernozhukov2010]_, and their loss is never higher.
    """
    require_count("batch_size", batch_size)
    with evaluating(model):
        parts = [to_numpy(model.outputs(x[i : i + batch_size])) for i in range(0, len(x), batch_size)]
    y = np.concatenate(parts)
    return y if model.levels is None else np.sort(y, axis=-1)


def feed_back(model: Forecaster, x: Array, steps: int, known: Array | None = None) -> np.ndarray:
    """Forecasts of ``steps`` steps by a network that makes one: each forecast is taken for what came.

    Parameters
    ----------
    model : Forecaster
        Of horizon 1, without levels.
    x : (N, length, F)
        The first feature is the series itself, scaled as the targets are.
    steps : int
    known : (N, steps, F - 1), optional
        The other features, of the steps that come: what a calendar knows beforehand.

    Returns
    -------
    numpy.ndarray
        (N, steps)
    """
    require_count("steps", steps)
    if model.horizon != 1 or model.levels is not None:
        raise ValueError(
            f"model has horizon {model.horizon} and levels {model.levels}; it should make one step, and no "
            "levels, to be fed with it."
        )
    others = (len(x), steps, x.shape[2] - 1)
    if known is None and not others[2]:
        known = xp.zeros(others, dtype=x.dtype)
    if known is None or known.shape != others:
        given = "missing" if known is None else f"of shape {known.shape}"
        raise ValueError(
            f"known is {given}; it should be {others}, the other features of the steps that come."
        )
    forecasts = []
    for step in range(steps):
        y = xp.asarray(predict(model, x), dtype=x.dtype)  # (N, 1)
        forecasts.append(to_numpy(y))
        row = xp.concatenate([y[:, :, None], known[:, step : step + 1].astype(x.dtype)], axis=2)
        x = xp.concatenate([x[:, 1:], row], axis=1)
    return np.concatenate(forecasts, axis=1)


# ---- what the functions ask for


def _checked(
    y: np.ndarray, origins: np.ndarray, horizon: int, known: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """The series as floats, and the origins, if each has ``known`` values before it."""
    require_count("horizon", horizon)
    y, origins = np.asarray(y), np.asarray(origins)
    if y.ndim != 1 or y.dtype.kind not in "fiu":
        raise ValueError(f"y has shape {y.shape} and holds {y.dtype}; it should be numbers, (T,).")
    if origins.ndim != 1 or origins.dtype.kind not in "iu" or not len(origins):
        raise ValueError(f"origins is {origins!r}; it should be one row of whole numbers.")
    if origins.min() < known or origins.max() > len(y):
        raise ValueError(
            f"origins lie from {origins.min()} to {origins.max()}; they should lie between {known} and "
            f"{len(y)}: {known} values are looked at before each."
        )
    return (y if y.dtype.kind == "f" else y.astype(np.float64)), origins


def _checked_train(train: int | None, origins: np.ndarray, least: int) -> int:
    """How many values are fitted on: at least ``least``, and none that comes after the first origin."""
    train = int(origins.min()) if train is None else train
    require_count("train", train)
    if not least <= train <= origins.min():
        raise ValueError(
            f"train is {train}; it should be from {least} to {origins.min()}, the first origin: what comes "
            "later is not known there."
        )
    return train
