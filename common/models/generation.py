"""From scores to a choice: how a language model picks the next word.

A model gives every word a score. Softmax makes probabilities of the scores, and then somebody has to choose.
Always to take the best is safe and dull; to draw by the probabilities is lively and sometimes wild. What lies
between has a few knobs, and they work in this order:

* ``skip``: these words get probability 0;
* ``temperature``: scores are divided by it. Below 1 the likely words become likelier still, above 1 all come
  nearer to each other, and 0 means always the best;
* ``top_k``: only the k best words are kept [Fan2018]_;
* ``top_p``: of these, only the fewest words that together have probability p or more [Holtzman2020]_.

What is kept is shared out anew, so that it adds up to 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Real
from typing import Any

import numpy as np

from common.backend import Array, to_numpy, xp
from common.layers.base import Layer, evaluating
from common.support.require import require_count, require_float, require_generator


def next_probabilities(
    scores: Array,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    skip: Sequence[int] = (),
) -> np.ndarray:
    """The probabilities that ``choose`` draws from.

    Parameters
    ----------
    scores : (..., V)
        Of any finite size; minus infinity for a word that cannot come.
    temperature : float
        0 gives all probability to the best word, the first of them if several are equal.
    top_k : int, optional
        Keep so many words, the first of those that are equal; more than V keeps all.
    top_p : float, optional
        Keep the fewest words whose probabilities add up to this or more, always at least one.
    skip : ids
        Words that are never chosen.

    Returns
    -------
    numpy.ndarray
        float64, (..., V); each row adds up to 1.

    Raises
    ------
    ValueError
        A setting is out of range, ids to skip are not words, or nothing is left to choose from.
    """
    require_float("scores", scores)
    if scores.ndim == 0 or scores.shape[-1] == 0:
        raise ValueError(f"scores has shape {scores.shape}; it should be (..., V), a score for each word.")
    V = scores.shape[-1]
    if not isinstance(temperature, Real) or not 0 <= temperature < math.inf:
        raise ValueError(f"temperature is {temperature!r}; it should be a number, at least 0.")
    if top_k is not None:
        require_count("top_k", top_k)
    if top_p is not None and not (isinstance(top_p, Real) and 0 < top_p <= 1):
        raise ValueError(f"top_p is {top_p!r}; it should be a number above 0 and at most 1.")
    ids = np.asarray(skip)
    if ids.size and (ids.dtype.kind not in "iu" or ids.min() < 0 or ids.max() >= V):
        raise ValueError(f"skip is {ids.tolist()}; it should be a list of ids from 0 to {V - 1}.")

    x = to_numpy(scores).astype(np.float64)
    x[..., ids.astype(np.int64)] = -math.inf  # an empty list came as floats
    if np.isnan(x).any() or (x == math.inf).any() or (x.max(axis=-1) == -math.inf).any():
        raise ValueError("scores leave no word to choose, or hold NaN or infinity; each row should have one.")
    if temperature == 0:
        p = np.zeros_like(x)
        np.put_along_axis(p, x.argmax(axis=-1, keepdims=True), 1.0, axis=-1)
        return p
    x -= x.max(axis=-1, keepdims=True)  # the best word has 0
    sort = top_k is not None or top_p is not None
    if sort:
        best = np.argsort(-x, axis=-1, kind="stable")  # (..., V), from the best word to the worst
        x = np.take_along_axis(x, best, axis=-1)
    with np.errstate(over="ignore"):
        p = np.exp(x / temperature)
    if top_k is not None:
        p[..., top_k:] = 0
    p /= p.sum(axis=-1, keepdims=True)
    if top_p is not None and top_p < 1:
        before = np.cumsum(p, axis=-1) - p  # (..., V), what the better words have together
        p[before >= top_p - 1e-12] = 0
        p /= p.sum(axis=-1, keepdims=True)
    if not sort:
        return p
    result = np.empty_like(p)
    np.put_along_axis(result, best, p, axis=-1)
    return result


def choose(
    scores: Array,
    rng: np.random.Generator,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    skip: Sequence[int] = (),
) -> np.ndarray:
    """Draw one word for each row of scores; the settings are those of ``next_probabilities``.

    One number is drawn from ``rng`` for each row, whatever the settings: the same Generator gives the same
    words, and with other settings still the same numbers.

    Parameters
    ----------
    scores : (..., V)
    rng : numpy.random.Generator

    Returns
    -------
    numpy.ndarray
        Ids, (...).
    """
    require_generator("rng", rng)
    p = next_probabilities(scores, temperature, top_k, top_p, skip)
    reached = np.cumsum(p, axis=-1)
    drawn = rng.random(p.shape[:-1])[..., None] * reached[..., -1:]  # below the total, whatever rounding did
    return (reached > drawn).argmax(axis=-1)


def continue_text(
    model: Layer,
    ids: Sequence[int] | Array,
    length: int,
    rng: np.random.Generator,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    skip: Sequence[int] = (),
) -> list[int] | np.ndarray:
    """Let the model write on: draw each next word with the probability that the model gives it.

    Parameters
    ----------
    model : LanguageModel or GPT
        Or any model with no dropout outside ``training``, and either stateful layers and ``predict``, or
        ``start`` and ``step``. Left as it was.
    ids : whole numbers
        The beginning of the text, at least one word; or N beginnings of one length, (N, T), that are all
        continued at once.
    length : int
        How many words to add.
    rng : numpy.random.Generator
    temperature, top_k, top_p, skip
        How to choose; see ``next_probabilities``.

    Returns
    -------
    list of int
        The words that were added; for N beginnings an array of ids, (N, length).
    """
    require_count("length", length)
    read = np.asarray(ids)
    if read.size == 0:
        raise ValueError("ids is empty; it should hold at least one word to begin with.")
    if read.ndim not in (1, 2):
        raise ValueError(f"ids has shape {read.shape}; it should be (T,), or (N, T) for N texts.")
    alone = read.ndim == 1
    read = np.atleast_2d(read)  # (N, T)
    written = np.empty((len(read), length), dtype=np.int64)
    reader: Any = model  # one that has the methods named above
    with evaluating(model):
        state = reader.start(len(read), read.shape[1] + length - 1) if hasattr(reader, "start") else None
        for t in range(length):
            if state is None:
                scores = reader.predict(xp.asarray(read))[:, -1]  # (N, V)
            else:
                scores, state = reader.step(xp.asarray(read), state)
            written[:, t] = choose(scores, rng, temperature, top_k, top_p, skip)
            read = written[:, t : t + 1]
    return written[0].tolist() if alone else written
