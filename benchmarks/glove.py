"""GloVe on the 10,000 most frequent words of the film reviews, against two peers.

``glove-pass``: pairs a second, against a loop that goes from pair to pair with the same vectors, weights and
AdaGrad, as the authors' program does (that one is compiled; this one is Python, and gets a sample of pairs).

``glove-skip-gram``: trainings an hour to equal quality, against gensim's skip-gram with one worker. gensim
makes the three passes of runs/word2vec.py. GloVe counts once, and makes as many passes as it took, in what
runs/glove.py recorded, to be at least as good on WordSim-353 and on SimLex-999, by the mean over its seeds.
What is timed is one pass of GloVe, and 100,000 words of gensim.
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
def recorded_quality() -> dict[str, Any]:
    """What both sides reached: gensim, and GloVe after the fewest passes with which it is as good on both
    tests; if it never is, after all of them."""
    import numpy as np

    from common.book import recorded
    from runs.glove import GENSIM, TESTS

    runs = recorded("glove")["runs"]
    peer = {test: np.mean([run[test]["spearman"] for run in runs[GENSIM].values()]) for test in TESTS[:2]}
    learned = list(runs["glove, 10,000 words"].values())
    for passes in sorted(learned[0]["after so many passes"], key=int):
        ours = {t: np.mean([run["after so many passes"][passes][t] for run in learned]) for t in peer}
        if all(ours[test] >= peer[test] for test in peer):
            break
    a_pass = np.mean([run["processor_seconds"] / run["passes"] for run in learned])
    counting = np.mean([run["processor_seconds_of_counting"] for run in learned])
    return {
        "passes": int(passes),
        "passes that counting is worth": round(float(counting / a_pass), 1),
        "as good on both": bool(all(ours[test] >= peer[test] for test in peer)),
        "ours": {test: round(float(score), 3) for test, score in ours.items()},
        "gensim": {test: round(float(score), 3) for test, score in peer.items()},
    }


def ours_to_quality() -> Callable[[], float]:
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # as gensim; read when NumPy is imported
    quality = recorded_quality()
    return glove_passes(3600 / (quality["passes"] + quality["passes that counting is worth"]))


def gensim_to_quality() -> Callable[[], float]:
    from itertools import pairwise

    from common.datasets import load_reviews
    from runs import word2vec

    vocabulary, _ = counted()
    reviews = load_reviews()
    ids, starts = reviews.encode(vocabulary)
    texts = [[vocabulary.words[i] for i in ids[a:b].tolist()] for a, b in pairwise(starts)]
    model = word2vec.new_gensim("gensim-skip-gram", 1984, texts)
    few = int((starts < WORDS).sum())

    def work() -> float:
        model.train(texts[:few], total_examples=few, epochs=1)
        return 3600 * float(starts[few]) / (len(ids) * word2vec.PASSES)

    return work


def report() -> dict[str, Any]:
    return {"computing threads": 1} | recorded_quality()


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
        unit="trainings an hour",
        ours=ours_to_quality,
        peer=gensim_to_quality,
        against="gensim",
        needs=("gensim==4.4.0",),
        turns=5,
        seconds=1.0,
        report=report,
    ),
]
