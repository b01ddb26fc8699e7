"""The ten nearest of 30,000 words with 100 numbers each, against gensim, in queries a second."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks import Benchmark

V, D, TOP, QUERIES = 30_000, 100, 10, 50


def vectors() -> tuple[list[str], np.ndarray]:
    rng = np.random.default_rng(1984)
    return [f"word{i}" for i in range(V)], rng.standard_normal((V, D), dtype=np.float32)


def ask(most_similar: Callable[..., Any], words: list[str], name: str) -> Callable[[], float]:
    def work() -> float:
        for word in words[:QUERIES]:
            most_similar(word, **{name: TOP})
        return float(QUERIES)

    return work


def ours() -> Callable[[], float]:
    from common.vectors import WordVectors

    words, numbers = vectors()
    return ask(WordVectors(words, numbers).most_similar, words, "top")


def peer() -> Callable[[], float]:
    from gensim.models import KeyedVectors

    words, numbers = vectors()
    model = KeyedVectors(D)
    model.add_vectors(words, numbers)
    return ask(model.most_similar, words, "topn")


BENCHMARKS = [
    Benchmark(
        name="most-similar", unit="queries", ours=ours, peer=peer, against="gensim", needs=("gensim==4.4.0",)
    )
]
