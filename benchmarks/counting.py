"""Counting neighbours in the film reviews: the sparse way against a Python double loop over the same words.

The report counts, weighs and reduces the whole corpus (window 5, 29,637 words, 100 numbers a word) and says
how long that took and how much memory the process used at most.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from benchmarks import Benchmark

WINDOW = 5
TOKENS_LOOP = 200_000  # the whole text would take the loop minutes; its rate only falls when its table grows


def corpus() -> tuple[np.ndarray, np.ndarray, int]:
    from common.datasets import load_reviews

    reviews = load_reviews()
    vocabulary = reviews.vocabulary(min_count=5)
    return *reviews.encode(vocabulary), len(vocabulary)


def ours() -> Callable[[], float]:
    from common.vectors import cooccurrence

    ids, _, size = corpus()

    def work() -> float:
        cooccurrence(ids, size, WINDOW)
        return len(ids)

    return work


def peer() -> Callable[[], float]:
    from common.vectors import cooccurrence_by_loop

    ids, _, _ = corpus()

    def work() -> float:
        cooccurrence_by_loop(ids[:TOKENS_LOOP], WINDOW)
        return TOKENS_LOOP

    return work


def report() -> dict[str, Any]:
    """The whole corpus from words to vectors, and the check that both sides count the same."""
    import resource  # not on Windows

    from common.vectors import cooccurrence, cooccurrence_by_loop, ppmi, randomized_svd

    ids, starts, size = corpus()
    few = ids[:TOKENS_LOOP]
    if cooccurrence(few, size, WINDOW).nnz != len(cooccurrence_by_loop(few, WINDOW)):
        raise AssertionError("the two ways found different pairs.")
    times = [time.perf_counter()]
    counts = cooccurrence(ids, size, WINDOW, starts=starts)
    times.append(time.perf_counter())
    weights = ppmi(counts)
    times.append(time.perf_counter())
    randomized_svd(weights, 100, np.random.default_rng(1984))
    times.append(time.perf_counter())
    unit = 1024**3 if sys.platform == "darwin" else 1024**2  # bytes there, KiB elsewhere
    seconds = {
        f"seconds to {step}": round(b - a, 1)
        for step, (a, b) in zip(("count", "weigh", "reduce"), pairwise(times))
    }
    return {
        "tokens": len(ids),
        "words": size,
        "pairs": counts.nnz,
        **seconds,
        "seconds in all": round(times[-1] - times[0], 1),
        "peak memory (GiB)": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit, 2),
    }


BENCHMARKS = [
    Benchmark(
        name="counting",
        unit="tokens",
        ours=ours,
        peer=peer,
        against="a Python double loop",
        turns=5,
        report=report,
    )
]
