"""An n-gram model: the next word, from counts of how the last few words went on before.

A model of order n looks at the last n - 1 words and at nothing else. Counts alone would give every sequence
that was never seen the probability 0. So each order takes a little from each of its counts, and hands what it
saved to the order below, which looks at one word less [Ney1994]_:

    p_k(w | c) = (count(c w) - discount) / count(c .)  +  saved(c) p_{k-1}(w | c without its first word)

Below order 1 stands the uniform 1 / V. How much to take is estimated from how many sequences were seen once,
twice, three and four times [Chen1999]_. And the lower orders do not count how *often* a sequence occurred,
but after how many *different* words [Kneser1995]_: a word that is frequent, but only ever follows one other
word, is a bad guess after any third one.

How the counts are kept. Order k has one sorted array of keys, ``context * V + word``, where ``context`` is
the place of the k - 1 words before in the array of order k - 1. So a sequence of any length is one number
below ``len(array) * V``, all that begin with the same context lie side by side, and whole texts are looked up
at once by binary search.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from common.backend import Array
from common.functions import exp_of_mean
from common.support.require import require_count, require_ids, require_text


class NGram:
    """Interpolated Kneser-Ney model of order n [Kneser1995]_ with three discounts an order [Chen1999]_.

    Parameters
    ----------
    ids : whole numbers, one axis
        The text to count, at least ``order`` words.
    V : int
        Number of words; every id is from 0 to ``V - 1``.
    order : int
        How many words are looked at together: 1 knows only how frequent words are, 2 looks at the word
        before, and so on.

    Attributes
    ----------
    levels : list of Level
        The counts of each order, from 1 to ``order``.
    """

    def __init__(self, ids: Sequence[int] | Array, V: int, order: int) -> None:
        require_count("V", V)
        require_count("order", order)
        ids = require_text(ids)
        if len(ids) < order:
            raise ValueError(f"ids has {len(ids)} words; it should have at least {order}, the order.")
        require_ids("ids", ids, V)
        self.V, self.order = int(V), int(order)
        self.levels = self._count(ids.astype(np.int64))

    def _count(self, ids: np.ndarray) -> list[Level]:
        # keys[k - 1]: the different sequences of k words; places[k - 1][i]: which of them begins at word i.
        places, keys = [np.zeros(len(ids) + 1, np.int64)], []
        for k in range(1, self.order + 1):
            begun = places[-1][: len(ids) - k + 1]  # where k words are left
            found, at = np.unique(begun * self.V + ids[k - 1 :], return_inverse=True)
            keys.append(found)
            places.append(at)
        levels = []
        for k in range(1, self.order + 1):
            if k == self.order:
                counts = np.bincount(places[k])
            else:
                # One for each different word before; the beginning of the text counts as one more of them.
                first = np.unique(places[k + 1], return_index=True)[1]  # where each longer sequence occurs
                counts = np.bincount(places[k][first + 1], minlength=len(keys[k - 1]))
                counts[places[k][0]] += 1
            contexts = len(keys[k - 2]) if k > 1 else 1
            levels.append(Level(keys[k - 1], counts, contexts, self.V))
        return levels

    # ---- what comes next

    def probabilities(self, context: Sequence[int] | Array = ()) -> np.ndarray:
        """The probability of each next word, (V,) float64, after the words of ``context``.

        Only the last ``order - 1`` words count; there may be fewer, or none.
        """
        context = self._require_context(context)
        p = np.full(self.V, 1 / self.V)
        for k, level in enumerate(self.levels, start=1):
            if k - 1 > len(context):
                break
            place = self._place(context[len(context) - k + 1 :])
            if place >= 0:
                words, shares = level.after(place)
                p *= level.saved[place]
                p[words] += shares
        return p

    def longest_match(self, ids: Sequence[int] | Array) -> np.ndarray:
        """How many words of context were seen before, for each word of a text but the first, (L - 1,).

        From 0 to ``order - 1``: the longest run of words right before it that occurred in the counted text
        with some word after it.
        """
        places = self._places(self._require_ids(ids))
        L = len(places[0]) - 1  # words of the text
        longest = np.zeros(L - 1, np.int64)
        for k in range(2, self.order + 1):  # a context of k - 1 words begins at word i and ends at i + k - 2
            seen = self._seen(places, k)
            longest[k - 2 :][seen] = k - 1
        return longest

    def log_probabilities(self, ids: Sequence[int] | Array) -> np.ndarray:
        """Natural logarithm of the probability of each word of a text but the first, (L - 1,).

        Each word is predicted from the ``order - 1`` words before it, or from as many as there are.
        """
        ids = self._require_ids(ids)
        places = self._places(ids)
        p = self._interpolate(places, 1, np.full(len(ids), 1 / self.V))[1:]  # the first word is not asked for
        for k in range(2, self.order + 1):  # a word that has k - 1 words before it is word k - 1 or later
            p[k - 2 :] = self._interpolate(places, k, p[k - 2 :])
        return np.log(p)

    def perplexity(self, ids: Sequence[int] | Array) -> float:
        """``exp`` of the mean of ``-log p(next word)``, over every word of a text but the first."""
        log_p = self.log_probabilities(ids)
        return exp_of_mean(-float(log_p.sum()), len(log_p))

    def continue_text(self, ids: Sequence[int] | Array, length: int, rng: np.random.Generator) -> list[int]:
        """Write on: draw each next word with the probability that the model gives it.

        Parameters
        ----------
        ids : whole numbers
            The beginning of the text; it may be empty.
        length : int
            How many words to add.
        rng : numpy.random.Generator

        Returns
        -------
        list of int
            The words that were added.
        """
        require_count("length", length)
        text = self._require_context(ids).tolist()
        begun = len(text)
        for _ in range(length):
            below = np.cumsum(self.probabilities(text[-self.order :]))
            text.append(int(np.searchsorted(below, rng.random() * below[-1], side="right")))
        return text[begun:]

    # ---- looking up

    def _places(self, ids: np.ndarray) -> list[np.ndarray]:
        """For k from 0: at which place of ``levels[k - 1]`` the k words from word i on lie; -1 if nowhere."""
        places = [np.zeros(len(ids) + 1, np.int64)]
        for k, level in enumerate(self.levels, start=1):
            begun = places[-1][: max(len(ids) - k + 1, 0)]
            places.append(level.find(begun, ids[k - 1 :]))
        return places

    def _place(self, context: np.ndarray) -> int:
        """The place of one context in the level of its length; -1 if it was never seen with a word after."""
        places = np.zeros(1, np.int64)
        for level, word in zip(self.levels, context):
            places = level.find(places, word[None])
        place = int(places[0])
        used = place >= 0 and self.levels[len(context)].totals[place] > 0
        return place if used else -1

    def _seen(self, places: list[np.ndarray], k: int) -> np.ndarray:
        """For each run of k words: whether its first k - 1 were seen with some word after them."""
        contexts = places[k - 1][: len(places[k])]
        return (contexts >= 0) & (self.levels[k - 1].totals[contexts] > 0)

    def _interpolate(self, places: list[np.ndarray], k: int, lower: np.ndarray) -> np.ndarray:
        """Probability of the last of each run of k words: what order k has counted, and its share of what
        the order below says."""
        level = self.levels[k - 1]
        contexts, runs = places[k - 1][: len(places[k])], places[k]
        counted = np.where(runs >= 0, level.shares[runs], 0.0)
        return np.where(self._seen(places, k), counted + level.saved[contexts] * lower, lower)

    # ---- at the door

    def _require_ids(self, ids: Sequence[int] | Array) -> np.ndarray:
        ids = require_text(ids)
        if len(ids) < 2:
            raise ValueError(
                f"ids has {len(ids)} words; it should have at least 2: a word, and one to predict."
            )
        require_ids("ids", ids, self.V)
        return ids.astype(np.int64)

    def _require_context(self, context: Sequence[int] | Array) -> np.ndarray:
        context = require_text(context)
        if len(context):
            require_ids("context", context, self.V)
        return context.astype(np.int64)

    def __repr__(self) -> str:
        kept = sum(len(level.keys) for level in self.levels)
        return f"NGram(V={self.V}, order={self.order}, sequences={kept})"


class Level:
    """What a model has counted of the sequences of one length.

    Parameters
    ----------
    keys : (M,) whole numbers, sorted
        ``context * V + word`` of each sequence.
    counts : (M,) whole numbers, at least 1
    contexts : int
        How many contexts there are.
    V : int

    Attributes
    ----------
    totals : (contexts,)
        The sum of the counts after each context; 0 for one that only stood at the end of the text.
    discounts : (3,)
        What is taken from counts of 1, of 2, and of 3 or more.
    shares : (M,)
        ``(count - discount) / total`` of each sequence.
    saved : (contexts,)
        The share of each context that is left for the order below.
    """

    def __init__(self, keys: np.ndarray, counts: np.ndarray, contexts: int, V: int) -> None:
        self.keys, self.counts, self.V = keys, counts, V
        owners = keys // V
        self.discounts = discounts(counts)
        taken = self.discounts[np.minimum(counts, 3) - 1]
        self.totals = np.bincount(owners, counts, minlength=contexts)
        self.shares = (counts - taken) / self.totals[owners]
        self.saved = np.bincount(owners, taken, minlength=contexts) / np.maximum(self.totals, 1)

    def find(self, contexts: np.ndarray, words: np.ndarray) -> np.ndarray:
        """The place of each sequence ``contexts[i], words[i]``; -1 where it was never seen."""
        wanted = contexts * self.V + words
        at = np.minimum(np.searchsorted(self.keys, wanted), len(self.keys) - 1)
        return np.where((contexts >= 0) & (self.keys[at] == wanted), at, -1)

    def after(self, context: int) -> tuple[np.ndarray, np.ndarray]:
        """The words that were seen after one context, and the share of each."""
        begin, end = np.searchsorted(self.keys, [context * self.V, (context + 1) * self.V])
        return self.keys[begin:end] % self.V, self.shares[begin:end]


def discounts(counts: np.ndarray) -> np.ndarray:
    """What to take from counts of 1, of 2, and of 3 or more [Chen1999]_.

    With ``n_i`` the number of sequences that were counted i times, and ``y = n_1 / (n_1 + 2 n_2)``, the
    discount for i is ``i - (i + 1) y n_{i+1} / n_i``. A text may be too small to say: where one of the three
    is not above 0, all three are y [Ney1994]_, and where y is not between 0 and 1 either, 0.5.
    """
    n = np.bincount(np.minimum(counts, 5), minlength=6)[1:5].astype(float)
    if not (n[0] and n[1]):
        return np.full(3, 0.5)
    y = n[0] / (n[0] + 2 * n[1])
    three = [i - (i + 1) * y * after / now if now else 0.0 for i, (now, after) in enumerate(pairwise(n), 1)]
    return np.array(three) if min(three) > 0 else np.full(3, y)
