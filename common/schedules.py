"""Schedules: the learning rate of each update, from the number of updates made before it."""

from __future__ import annotations

import math
from collections.abc import Callable

from common.support.require import require_count, require_positive, require_share


def linear_decay(lr: float, steps: int, constant: float = 0.0) -> Callable[[int], float]:
    """A schedule: ``lr`` for the first part of the steps, then a straight line down to 0.

    Parameters
    ----------
    lr : float
    steps : int
        How many updates there will be.
    constant : float
        The share of them that is made with ``lr``, from 0 to below 1.
    """
    require_positive("lr", lr)
    require_count("steps", steps)
    require_share("constant", constant)
    return lambda step: lr * min(1.0, max(0.0, 1 - step / steps) / (1 - constant))


def cut_short(schedule: Callable[[int], float], begin: int, end: int) -> Callable[[int], float]:
    """A schedule that follows another until ``begin``, and then falls in a straight line to 0 at ``end``.

    Parameters
    ----------
    schedule : function
        From the number of updates made so far to a learning rate.
    begin, end : int
        Numbers of updates, ``begin`` the smaller one.
    """
    if not 0 <= begin < end:
        raise ValueError(f"begin is {begin} and end is {end}; begin should be at least 0 and below end.")
    return lambda step: schedule(min(step, begin)) * min(1.0, max(0.0, (end - step) / (end - begin)))


def warm_up(lr: float, steps: int) -> Callable[[int], float]:
    """A schedule: a straight line up to ``lr`` in so many steps, then down with one over the square root.

    While Adam has seen few gradients, its estimate of their size is poor; short steps at first keep the harm
    small [Liu2020]_. The Transformer's schedule is this one with ``lr = (D * steps) ** -0.5``
    [Vaswani2017]_.
    """
    require_positive("lr", lr)
    require_count("steps", steps)
    return lambda step: lr * min((step + 1) / steps, (steps / (step + 1)) ** 0.5)


def cosine(lr: float, steps: int, rise: int = 0, lowest: float = 0.0) -> Callable[[int], float]:
    """A schedule: up to ``lr`` in a straight line, then down along half a wave of the cosine
    [Loshchilov2017]_.

    It stays long near ``lr``, where most is learned, and long near the end, where the weights settle.

    Parameters
    ----------
    lr : float
    steps : int
        How many updates there will be; later ones have the lowest rate.
    rise : int
        So many of them go up, from 0 to below ``steps``.
    lowest : float
        The share of ``lr`` that is left at the end, from 0 to below 1.
    """
    require_positive("lr", lr)
    require_count("steps", steps)
    require_share("lowest", lowest)
    if not isinstance(rise, int) or not 0 <= rise < steps:
        raise ValueError(f"rise is {rise!r}; it should be a whole number from 0 to below steps, {steps}.")

    def rate(step: int) -> float:
        if step < rise:
            return lr * (step + 1) / rise
        way = min(1.0, (step - rise) / (steps - rise))
        return lr * (lowest + (1 - lowest) * (1 + math.cos(math.pi * way)) / 2)

    return rate


def geometric(first: float, last: float, steps: int) -> Callable[[int], float]:
    """A schedule: from the first rate to the last, each the same multiple of the one before.

    Upward it is the range test [Smith2017]_: one short run that shows from which rate on the loss falls, and
    from which on it climbs.

    Parameters
    ----------
    first, last : float
    steps : int
        How many updates there will be, at least two; later ones have the last rate.
    """
    require_positive("first", first)
    require_positive("last", last)
    require_count("steps", steps)
    if steps < 2:
        raise ValueError(f"steps is {steps}; it should be at least 2, for the first rate and the last.")
    return lambda step: first * (last / first) ** min(1.0, step / (steps - 1))
