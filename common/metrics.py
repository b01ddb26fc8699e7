"""How good a model is, in numbers that can be compared."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from common.backend import Array
from common.batches import whole_text, windows
from common.functions import exp_of_mean
from common.layers.base import Layer, evaluating
from common.support.require import require_count, require_levels, require_positive, require_several
from common.text.spans import spans


def perplexity(model: Layer, ids: Sequence[int] | Array, batch_size: int = 10, T: int = 35) -> float:
    """``exp`` of the mean of ``-log p(next word)``, over every word of a text but the first.

    It is the number of words that the model hesitates between: V if it knows nothing, 1 if it knows all.
    Nothing is left out. The strands have as many words as it takes, and where the last run out of words a
    mask keeps what fills them from counting. Each strand begins at state zero, so a large ``batch_size``
    gives a slightly higher number than 1, which reads the text as one.

    A GPT carries no state on; it is shown windows that overlap by half, so that each word is judged with half
    of the model's ``length`` before it, or more.

    Parameters
    ----------
    model : Layer
        ``model.forward(xs, ts, mask)`` returns the mean loss of the positions that the mask keeps. Left as it
        was, also in what it remembers for ``backward``.
    ids : whole numbers, one axis
    batch_size : int
        How many strands, or windows, are read side by side.
    T : int
        How many words of a strand are read at a time; changes memory and speed, and not the result.
    """
    return exp_of_mean(*total_loss(model, ids, batch_size, T))


def bits_per_character(
    model: Layer, ids: Sequence[int] | Array, characters: int, batch_size: int = 10, T: int = 35
) -> float:
    """How many bits a text costs with this model, shared out over its characters.

    A perplexity depends on how the text is cut into words: with larger pieces there are fewer, and each is
    harder to guess. The whole text costs the same, however it is cut; so this number compares models with
    different vocabularies.

    Parameters
    ----------
    model, ids, batch_size, T
        As for ``perplexity``. The first word of the text is no target, and costs nothing.
    characters : int
        How many characters the text has.
    """
    require_count("characters", characters)
    return total_loss(model, ids, batch_size, T)[0] / math.log(2) / characters


def total_loss(
    model: Layer, ids: Sequence[int] | Array, batch_size: int = 10, T: int = 35
) -> tuple[float, int]:
    """The sum of ``-log p(next word)`` over every word of a text but the first, and how many these are."""
    total, words = 0.0, 0
    length = getattr(model, "length", None)  # a GPT has one
    if length is None:
        pieces = whole_text(ids, batch_size, T)
    else:
        pieces = windows(ids, length, -(-length // 2), batch_size)
    with evaluating(model), np.errstate(over="ignore", invalid="ignore"):  # seen: the result is infinite
        for x, t, mask in pieces:
            total += float(model.forward(x, t, mask)) * int(mask.sum())
            words += int(mask.sum())
    return total, words


def half_right(curve: Sequence[float]) -> float:
    """After how many epochs half of the answers are right, read off between the epochs.

    Parameters
    ----------
    curve : sequence of float
        The share of right answers after each epoch.

    Returns
    -------
    float
        NaN if they never are. Before the first epoch none is right.
    """
    shares = np.array([0.0, *curve])
    if shares.max() < 0.5:
        return float("nan")
    after = int(np.argmax(shares >= 0.5))  # the first epoch with half or more
    low, high = shares[after - 1 : after + 1]
    return float(after - 1 + (0.5 - low) / (high - low))


# ---- names in sentences


@dataclass(frozen=True)
class SpanScores:
    """How well names were found. A name counts as found if beginning, end and type are all right.

    Attributes
    ----------
    right, marked, wanted : int
        How many names were found, were marked, and should have been.
    by_type : dict
        The same for each type of name.
    """

    right: int
    marked: int
    wanted: int
    by_type: dict[str, SpanScores] = field(default_factory=dict)

    @property
    def precision(self) -> float:
        """The share of what was marked that is right; 0 if nothing was."""
        return self.right / self.marked if self.marked else 0.0

    @property
    def recall(self) -> float:
        """The share of what should be found that was; 0 if there is nothing."""
        return self.right / self.wanted if self.wanted else 0.0

    @property
    def f1(self) -> float:
        """The harmonic mean of the two: twice the right ones, over all that were marked and wanted."""
        return 2 * self.right / max(self.marked + self.wanted, 1)


def span_f1(wanted: Sequence[Sequence[str]], marked: Sequence[Sequence[str]]) -> SpanScores:
    """Compare the names in sentences with those that were found, span by span [TjongKimSang2003]_.

    Parameters
    ----------
    wanted, marked : sequence of lists of tags
        For each sentence the right tags, and those of a model.

    Raises
    ------
    ValueError
        The numbers of sentences, or of tags in a sentence, differ.

    Examples
    --------
    >>> span_f1([["B-PER", "I-PER", "O", "B-LOC"]], [["B-PER", "O", "O", "B-LOC"]]).f1
    0.5
    """
    _require_alike(wanted, marked)
    pairs = [(set(spans(right)), set(spans(found))) for right, found in zip(wanted, marked)]

    def count(kind: str | None = None) -> tuple[int, int, int]:
        chosen = [[{s for s in names if kind in (None, s[2])} for names in pair] for pair in pairs]
        return (
            sum(len(right & found) for right, found in chosen),
            sum(len(found) for _, found in chosen),
            sum(len(right) for right, _ in chosen),
        )

    kinds = sorted({span[2] for pair in pairs for names in pair for span in names})
    return SpanScores(*count(), {kind: SpanScores(*count(kind)) for kind in kinds})


def token_accuracy(wanted: Sequence[Sequence[str]], marked: Sequence[Sequence[str]]) -> float:
    """The share of words whose tag is right. Most are in no name, so it is high for who marks nothing."""
    _require_alike(wanted, marked)
    right = [a == b for one, other in zip(wanted, marked) for a, b in zip(one, other)]
    if not right:
        raise ValueError("wanted has no words; it should have at least one.")
    return float(np.mean(right))


def _require_alike(wanted: Sequence[Sequence[str]], marked: Sequence[Sequence[str]]) -> None:
    if len(wanted) != len(marked):
        raise ValueError(f"marked has {len(marked)} sentences; it should have {len(wanted)}, as wanted has.")
    for i, (right, found) in enumerate(zip(wanted, marked)):
        if len(right) != len(found):
            raise ValueError(f"sentence {i} of marked has {len(found)} tags; it should have {len(right)}.")


# ---- translations


@dataclass(frozen=True)
class Bleu:
    """How many runs of words of a translation are also in its reference; counts over all texts together.

    Attributes
    ----------
    matched, written : tuples
        Of runs of 1, 2, ... words: how many are in the reference, and how many there are.
    length, wanted : int
        How many words the texts have, and the references.
    """

    matched: tuple[int, ...]
    written: tuple[int, ...]
    length: int
    wanted: int

    @property
    def precisions(self) -> tuple[float, ...]:
        """The share of runs of each length that match; 0 where there is no run."""
        return tuple(right / max(all_, 1) for right, all_ in zip(self.matched, self.written))

    @property
    def brevity(self) -> float:
        """What texts that are too short are multiplied by: 1 if they are not, 0 if nothing was written."""
        if self.length >= self.wanted:
            return 1.0
        return math.exp(1 - self.wanted / self.length) if self.length else 0.0

    @property
    def score(self) -> float:
        """The geometric mean of ``precisions``, times ``brevity``, from 0 to 100."""
        if min(self.matched) == 0:
            return 0.0
        return 100 * self.brevity * math.exp(sum(map(math.log, self.precisions)) / len(self.precisions))


def bleu(texts: Sequence[str], references: Sequence[str], most: int = 4) -> Bleu:
    """Compare translations with the right ones by runs of up to ``most`` words [Papineni2002]_.

    A run counts no more often than its reference has it (**clipping**). Nothing is smoothed: if no run of
    ``most`` words matches, the score is 0.

    Parameters
    ----------
    texts, references : sequences of str
        One reference for each text; words stand between spaces.
    most : int
        The longest run.

    Examples
    --------
    >>> bleu(["the the the the"], ["the cat sat here"]).matched
    (1, 0, 0, 0)
    """
    _require_texts(texts, references)
    require_count("most", most)
    pairs = [(text.split(), reference.split()) for text, reference in zip(texts, references)]
    matched, written, _ = zip(*(_matches(pairs, n) for n in range(1, most + 1)))
    length, wanted = (sum(map(len, side)) for side in zip(*pairs))
    return Bleu(matched, written, length, wanted)


def chrf(texts: Sequence[str], references: Sequence[str], most: int = 6, beta: float = 2.0) -> float:
    """Compare translations with the right ones by runs of letters, spaces left out [Popovic2015]_.

    For each length of a run, over all texts together, the precision and the recall; then the means over the
    lengths, and of these two the harmonic mean, where the recall counts ``beta`` times as much. As in
    sacrebleu [Post2018]_, a text's runs that are longer than its reference count nowhere.

    Parameters
    ----------
    texts, references : sequences of str
        One reference for each text.
    most : int
        The longest run.
    beta : float

    Returns
    -------
    float
        From 0 to 100.
    """
    _require_texts(texts, references)
    require_count("most", most)
    require_positive("beta", beta)
    pairs = [("".join(text.split()), "".join(right.split())) for text, right in zip(texts, references)]
    counts = [_matches([p for p in pairs if len(p[1]) >= n], n) for n in range(1, most + 1)]
    shares = [(right / written, right / wanted) for right, written, wanted in counts if written and wanted]
    if not any(precision for precision, _ in shares):
        return 0.0
    precision, recall = np.mean(shares, axis=0)
    return float(100 * (1 + beta**2) * precision * recall / (beta**2 * precision + recall))


def _matches(pairs: Sequence[tuple[Sequence, Sequence]], n: int) -> tuple[int, int, int]:
    """Runs of n: those of texts that their references have, those of the texts, those of the references."""
    right = written = wanted = 0
    for pair in pairs:
        ours, theirs = (Counter(tuple(side[i : i + n]) for i in range(len(side) - n + 1)) for side in pair)
        right += (ours & theirs).total()  # & keeps the smaller of two counts: this is the clipping
        written += ours.total()
        wanted += theirs.total()
    return right, written, wanted


def _require_texts(texts: Sequence[str], references: Sequence[str]) -> None:
    for name, value in (("texts", texts), ("references", references)):
        require_several(name, value)
        for i, text in enumerate(value):
            if not isinstance(text, str):
                raise TypeError(f"{name}[{i}] is a {type(text).__name__}; it should be a string.")
    if len(texts) != len(references):
        raise ValueError(
            f"references has {len(references)} texts; it should have {len(texts)}, as texts has."
        )
    if not texts:
        raise ValueError("texts is empty; it should have at least one text.")


# ---- forecasts


def mean_absolute_error(y: np.ndarray, t: np.ndarray) -> float:
    """The mean distance of forecasts ``y`` from what came, ``t``, of one shape: in the unit of the series."""
    y, t = _alike("y", y, t)
    return float(np.abs(y - t).mean())


def mase(y: np.ndarray, t: np.ndarray, past: np.ndarray, season: int = 1) -> float:
    """The mean absolute scaled error [Hyndman2006]_: in units of what the seasonal naive forecast was off by,
    one step ahead, on the series that was trained on.

    It has no unit and may be compared between series. Below 1 is better than that forecast was there, on the
    average.

    Parameters
    ----------
    y, t : (...)
        Forecasts, and what came.
    past : (T,)
        The series that was trained on, T above ``season``.
    season : int
        After how many steps the series begins anew; 1 is the last value, persistence.
    """
    require_count("season", season)
    past = np.asarray(past, dtype=np.float64)
    if past.ndim != 1 or len(past) <= season:
        raise ValueError(f"past has shape {past.shape}; it should be (T,), T at least {season + 1}.")
    scale = np.abs(past[season:] - past[:-season]).mean()
    if not 0 < scale < math.inf:
        raise ValueError(
            f"past differs from a season before by {scale:.4g} on the average; it should by a number above 0."
        )
    return mean_absolute_error(y, t) / float(scale)


def quantile_loss(y: np.ndarray, t: np.ndarray, levels: Sequence[float]) -> np.ndarray:
    """The mean pinball loss of each level, (Q,): ``q`` times how much too low, ``1 - q`` times how much too
    high [Koenker1978]_.

    Parameters
    ----------
    y : (..., Q)
        A forecast for each of the levels.
    t : (...)
    levels : Q numbers above 0 and below 1, ascending
    """
    require_levels("levels", levels)
    y, t = _alike("y", y, np.repeat(np.asarray(t, dtype=np.float64)[..., None], len(levels), axis=-1))
    q = np.asarray(levels, dtype=np.float64)
    each = np.maximum(q * (t - y), (q - 1) * (t - y))
    return each.reshape(-1, len(levels)).mean(axis=0)


def coverage(low: np.ndarray, high: np.ndarray, t: np.ndarray) -> float:
    """The share of what came, ``t``, that lies between two forecasts, the ends included.

    Between the quantiles of 5 and 95 percent it should be 0.9. An interval from minus to plus infinity covers
    everything: how wide it is belongs beside the number.
    """
    low, t = _alike("low", low, t)
    high, t = _alike("high", high, t)
    if (low > high).any():
        raise ValueError("low is above high at some places; it should be at most as high.")
    return float(((low <= t) & (t <= high)).mean())


def _alike(name: str, y: np.ndarray, t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both as floats of double precision, if they are of one shape, not empty, and finite."""
    y, t = np.asarray(y, dtype=np.float64), np.asarray(t, dtype=np.float64)
    if y.shape != t.shape or not y.size:
        raise ValueError(f"{name} has shape {y.shape} and t {t.shape}; they should have one, not empty.")
    if not (np.isfinite(y).all() and np.isfinite(t).all()):
        raise ValueError(f"{name} or t holds NaN or infinity; both should be finite.")
    return y, t
