"""GloVe on the 10,000 most frequent words of the film reviews, against two peers.

``glove-pass``: pairs a second, against a loop that goes from pair to pair with the same vectors, weights and
AdaGrad, as the authors' program does (that one is compiled; this one is Python, and gets a sample of pairs).

``glove-skip-gram``: thousandths of a training to equal quality, against gensim's skip-gram with one worker.
Quality is WordSim-353 and SimLex-999, as runs/glove.py recorded them. On each test the weaker of the two,
after all its passes, sets the mark, and each side gets as many passes as it took to reach both marks; ours
counts first. What is timed is one pass of GloVe, and 100,000 words of gensim.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from typing import Any

from benchmarks import Benchmark

SAMPLE = 3_000
WORDS = 100_000


@cache
def counted() -> tuple[Any, Any]:
    """The vocabulary, and the counts."""
    from common.datasets import load_reviews
    from common.vectors import cooccurrence
    from runs.glove import COMMON, WINDOW

    reviews = load_reviews()
    vocabulary = reviews.vocabulary(max_size=COMMON)
    ids, starts = reviews.encode(vocabulary)
    return vocabulary, cooccurrence(ids, len(vocabulary), WINDOW, "harmonic", starts)


def glove_passes(amount: float | None = None) -> Callable[[], float]:
    """Passes of GloVe; each is worth ``amount``, or as many pairs as there are."""
    os.environ["BOOK_PROGRESS"] = "0"
    import numpy as np

    from common.vectors import GloVe

    model = GloVe(counted()[1], np.random.default_rng(1984))

    def work() -> float:
        model.train()
        return model.pairs if amount is None else amount

    return work


def plain_loop() -> Callable[[], float]:
    """A model of GloVe that learns from one pair after the other."""
    import numpy as np

    from common.vectors import GloVe

    counts = counted()[1].tocoo()
    rng = np.random.default_rng(1984)
    model = GloVe(counts, rng)
    chosen = rng.integers(counts.nnz, size=SAMPLE)
    pairs = list(zip(*(part[chosen].tolist() for part in (*counts.coords, counts.data))))

    def work() -> float:
        for i, j, count in pairs:
            learn_pair(model, i, j, count)
        return len(pairs)

    return work


def learn_pair(model: Any, i: int, j: int, count: float) -> None:
    """One step of AdaGrad on one pair."""
    import numpy as np

    W, C, b, c = model.params
    difference = W[i] @ C[j] + b[i] + c[j] - np.log(count)
    d = 2 * min(1.0, (count / model.x_max) ** model.power) * difference
    grads = d * C[j], d * W[i], d, d
    for param, seen, place, grad in zip(model.params, model.seen, (i, j, i, j), grads):
        seen[place] += grad * grad
        param[place] -= model.lr * grad / np.sqrt(seen[place])


# ---- time at equal quality


@cache
def recorded_quality() -> dict[str, dict[str, Any]]:
    """How many passes each side needs to reach both marks, and the scores that it then has."""
    from common.book import recorded
    from runs.glove import GENSIM, GLOVE

    runs = recorded("glove")["runs"]
    ours, peer = (list(runs[method].values()) for method in (list(GLOVE)[1], GENSIM))
    curves = {"ours": mean_curve(ours), "gensim": mean_curve(peer)}
    ends = [curve[max(curve)] for curve in curves.values()]
    marks = {test: min(end[test] for end in ends) for test in ends[0]}
    found: dict[str, dict[str, Any]] = {}
    for side, curve in curves.items():
        passes = min(n for n, scores in curve.items() if all(scores[test] >= marks[test] for test in marks))
        scores = {test: round(score, 3) for test, score in curve[passes].items()}
        found[side] = {"passes": passes} | scores
    a_pass = sum(run["processor_seconds"] / run["passes"] for run in ours)
    counting = sum(run["processor_seconds_of_counting"] for run in ours)
    found["ours"]["passes that counting is worth"] = round(counting / a_pass, 1)
    return found


def mean_curve(runs: list[dict[str, Any]]) -> dict[int, dict[str, float]]:
    """For so many passes, the score of each test, on average over the seeds."""
    curves = [run["after so many passes"] for run in runs]
    return {
        int(passes): {test: sum(curve[passes][test] for curve in curves) / len(curves) for test in scores}
        for passes, scores in curves[0].items()
    }


def ours_to_quality() -> Callable[[], float]:
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # as gensim; read when NumPy is imported
    quality = recorded_quality()["ours"]
    return glove_passes(1000 / (quality["passes"] + quality["passes that counting is worth"]))


def gensim_to_quality() -> Callable[[], float]:
    from itertools import pairwise

    from common.datasets import load_reviews
    from runs import word2vec

    vocabulary, _ = counted()
    reviews = load_reviews()
    ids, starts = reviews.encode(vocabulary)
    texts = [[vocabulary.words[i] for i in ids[a:b].tolist()] for a, b in pairwise(starts)]
    model = word2vec.new_gensim("gensim-skip-gram", 1984, texts)
    few, passes = int((starts < WORDS).sum()), recorded_quality()["gensim"]["passes"]

    def work() -> float:
        model.train(texts[:few], total_examples=few, epochs=1)
        return 1000 * float(starts[few]) / (len(ids) * passes)

    return work


def report() -> dict[str, Any]:
    quality = recorded_quality()
    return {"computing threads": 1, "our passes": quality["ours"], "gensim's passes": quality["gensim"]}


BENCHMARKS = [
    Benchmark(
        name="glove-pass",
        unit="pairs",
        ours=glove_passes,
        peer=plain_loop,
        against="a loop over pairs",
        turns=5,
    ),
    Benchmark(
        name="glove-skip-gram",
        unit="thousandths of a training",
        ours=ours_to_quality,
        peer=gensim_to_quality,
        against="gensim",
        needs=("gensim==4.4.0",),
        turns=5,
        seconds=1.0,
        report=report,
    ),
]
