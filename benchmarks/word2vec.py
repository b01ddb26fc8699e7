"""word2vec with negative sampling (D=100, window 5, 5 negatives) on film reviews, against one gensim worker.

Both sides go through the same 200,000 words with the vocabulary of the whole corpus. gensim's worker computes
in one thread, so ours may use one thread, too. The quality shown beside the rate was recorded by
runs/word2vec.py, with the same settings, after three passes of all the text.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import Any

from benchmarks import Benchmark

WORDS = 200_000


def ours(name: str) -> Callable[[], float]:
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # read when NumPy is imported, which is in the next lines
    os.environ["BOOK_PROGRESS"] = "0"
    import numpy as np

    from runs import word2vec as q

    vocabulary, ids, _ = q.corpus()
    kind = {"cbow": q.CBOW, "skip-gram": q.SkipGram}[name]
    model = kind(vocabulary.counts, np.random.default_rng(1984), q.DIMENSION, q.WINDOW, q.NEGATIVES)

    def work() -> float:
        model.train(ids[:WORDS])
        return WORDS

    return work


def peer(name: str) -> Callable[[], float]:
    from runs import word2vec as q

    _, _, starts = q.corpus()
    reviews = int((starts < WORDS).sum())
    texts = q.sentences()
    model = q.new_gensim(f"gensim-{name}", 1984, texts)
    part = texts[:reviews]

    def work() -> float:
        model.train(part, total_examples=len(part), epochs=1)
        return float(starts[reviews])

    return work


def report(name: str) -> dict[str, Any]:
    from runs import word2vec as q

    return {"computing threads": 1} | q.wordsim_over_seeds(name, f"gensim-{name}")


BENCHMARKS = [
    Benchmark(
        name=name,
        unit="words",
        ours=partial(ours, name),
        peer=partial(peer, name),
        against="gensim",
        needs=("gensim==4.4.0",),
        turns=7,
        seconds=1.0,
        report=partial(report, name),
    )
    for name in ("cbow", "skip-gram")
]
