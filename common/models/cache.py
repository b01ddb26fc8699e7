"""A cache beside a language model: words that were read come back sooner than the model believes."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from common.backend import Array, xp
from common.batches import whole_text
from common.functions import exp_of_mean, log_softmax, softmax
from common.layers.base import evaluating
from common.models.language_model import LanguageModel
from common.support.require import require_count, require_share


def cache_perplexity(
    model: LanguageModel,
    ids: Sequence[int] | Array,
    size: int,
    theta: float,
    weight: float,
    batch_size: int = 10,
    T: int = 35,
) -> float:
    """Perplexity of a model that looks back at its own last hidden states [Grave2017]_.

    A word that was read comes back sooner than the model believes. So each hidden state is kept together with
    the word that followed it, and where a later state is like an old one, the word that followed then is
    given some of the probability:

        p(w) = (1 - weight) p_model(w) + weight p_cache(w)
        p_cache(w) = sum of exp(theta h_t h_i) over the kept i that were followed by w, divided by the sum
            over all kept i

    Nothing is trained. The cache is empty where a strand begins; the first word of each strand is predicted
    by the model alone.

    Parameters
    ----------
    model : LanguageModel
        Left as it was.
    ids : whole numbers, one axis
    size : int
        How many of the last states are kept.
    theta : float
        0: all kept words count alike; the larger, the more the most similar states decide.
    weight : float
        The share of the cache in the probability, from 0 to below 1; 0 gives ``perplexity``.
    batch_size, T : int
        As in ``perplexity``. A text in few strands fills the cache further.
    """
    require_count("size", size)
    if not 0 <= theta < math.inf:
        raise ValueError(f"theta is {theta}; it should be a number, at least 0.")
    require_share("weight", weight)
    log_share = math.log(weight) if weight else -math.inf
    states = followers = None  # of the cache: (N, kept, H), and the word after each, (N, kept)
    total, words = 0.0, 0
    with evaluating(model), np.errstate(divide="ignore"):  # the logarithm of 0 is meant
        for x, t, mask in whole_text(ids, batch_size, T):
            hs = model.hidden(x)  # (N, steps, H)
            log_p = log_softmax(model.output.scores(hs))  # (N, steps, V)
            log_p = xp.take_along_axis(log_p, t[:, :, None], axis=2)[:, :, 0]  # (N, steps)
            states = hs if states is None else xp.concatenate([states, hs], axis=1)
            followers = t if followers is None else xp.concatenate([followers, t], axis=1)
            kept, steps = followers.shape[1], t.shape[1]
            back = xp.arange(kept - steps, kept)[:, None] - xp.arange(kept)  # (steps, kept), how far back
            seen = (back >= 1) & (back <= size)
            filled = seen.any(axis=1)  # (steps,), False at the first word of a strand
            likeness = theta * (hs @ states.swapaxes(1, 2))  # (N, steps, kept)
            shares = softmax(xp.where(seen, likeness, xp.finfo(likeness.dtype).min)) * seen
            same = followers[:, None] == t[:, :, None]  # (N, steps, kept)
            log_cache = xp.log((shares * same).sum(axis=2))  # (N, steps)
            mixed = xp.logaddexp(math.log1p(-weight) + log_p, log_share + log_cache)
            total -= float((xp.where(filled, mixed, log_p) * mask).sum())
            words += int(mask.sum())
            states, followers = states[:, -size:], followers[:, -size:]
    return exp_of_mean(total, words)
