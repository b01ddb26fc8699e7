"""Looking for settings: which learning rate, how much decay, how many layers.

A **task** is a function that takes one setting, a dictionary, and returns how good it turned out: a number,
the larger the better. It should not change anything outside. Then it does not matter in which process, or on
which machine, it runs, nor in which order: ``search`` hands tasks to whatever has ``submit``, as the
executors of ``concurrent.futures`` have, and a client of Dask.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any, Protocol

import numpy as np

from common.support.require import require_count, require_generator

Setting = Mapping[str, Any]


class Executor(Protocol):
    """Takes calls and promises their results."""

    def submit(self, function: Callable[..., Any], /, *arguments: Any) -> Future: ...


def search(
    task: Callable[..., Any], settings: Sequence[Setting], executor: Executor, *more: Any
) -> list[Any]:
    """Call ``task(setting, *more)`` for each of the settings; the results, in the order of the settings.

    Parameters
    ----------
    task : function
        For an executor of processes it has to be importable, from a module.
    settings : sequence of dictionaries
    executor : what has ``submit(function, *arguments)``
        It decides how many run at a time.
    *more
        Whatever else the task takes, the same for all.

    Raises
    ------
    Exception
        What the first task that failed has raised.
    """
    promised = [executor.submit(task, setting, *more) for setting in settings]
    return [future.result() for future in promised]


def successive_halving(
    task: Callable[[Setting, int], float],
    settings: Sequence[Setting],
    executor: Executor,
    budget: int = 1,
    keep: int = 3,
    rounds: int = 3,
) -> list[tuple[int, list[Setting], list[float]]]:
    """All settings with a small budget, the best of them with more, and so on [Jamieson2016]_.

    Parameters
    ----------
    task : function
        Takes a setting and a budget, epochs say, and returns a number, the larger the better. Each round
        begins anew, so that a task depends on nothing but what it is given.
    settings : sequence of dictionaries
    executor : see ``search``
    budget : int
        That of the first round.
    keep : int
        One of so many goes on to the next round (but at least one), where it has so many times the budget.
    rounds : int
        How many rounds there are; fewer if one setting is left before.

    Returns
    -------
    list of (budget, settings, results)
        One entry for each round, the best setting first in each.
    """
    require_count("budget", budget)
    require_count("keep", keep)
    require_count("rounds", rounds)
    if keep < 2:
        raise ValueError(f"keep is {keep}; it should be 2 or more: one of so many goes on.")
    if not settings:
        raise ValueError("settings is empty; it should hold at least one.")
    told: list[tuple[int, list[Setting], list[float]]] = []
    for _ in range(rounds):
        results = search(task, settings, executor, budget)
        order = sorted(range(len(settings)), key=lambda i: _worth(results[i]), reverse=True)
        settings = [settings[i] for i in order]
        told.append((budget, list(settings), [results[i] for i in order]))
        if len(settings) == 1:
            break
        settings = settings[: max(1, len(settings) // keep)]
        budget *= keep
    return told


def log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """A number between two positive ones, drawn evenly on a log axis: 1 to 10 as often as 10 to 100."""
    require_generator("rng", rng)
    if not 0 < low < high < math.inf:
        raise ValueError(f"low is {low} and high is {high}; low should be positive, and high above it.")
    return float(math.exp(rng.uniform(math.log(low), math.log(high))))


def _worth(result: float) -> float:
    """For sorting: what is not a number is worse than any."""
    return -math.inf if math.isnan(result) else result
