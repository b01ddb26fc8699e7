"""How good the vectors are that each method learns from the same text, with the same settings.

    python -m runs.word2vec METHOD:SEED ...

trains and judges, and adds what it measured to data/results/word2vec.json. Methods: counts, cbow, skip-gram,
hierarchical, gensim-cbow, gensim-skip-gram. Some take minutes.
"""

from __future__ import annotations

import os
import sys
import time
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np

from common.book import recorded
from common.book.results import record_run
from common.datasets import load_reviews
from common.vectors import (
    CBOW,
    HierarchicalSkipGram,
    SkipGram,
    WordVectors,
    analogy_questions,
    cooccurrence,
    evaluate_analogies,
    evaluate_similarity,
    ppmi,
    randomized_svd,
    similarity_pairs,
    word_vectors,
)

NAME = "word2vec"
DIMENSION, WINDOW, NEGATIVES, PASSES = 100, 5, 5, 3
MODELS = {"cbow": CBOW, "skip-gram": SkipGram, "hierarchical": HierarchicalSkipGram}


@cache
def corpus() -> tuple[Any, np.ndarray, np.ndarray]:
    """The vocabulary, the text as ids, and where reviews start."""
    reviews = load_reviews()
    vocabulary = reviews.vocabulary()
    return vocabulary, *reviews.encode(vocabulary)


@cache
def sentences() -> list[list[str]]:
    """The text as gensim takes it: the same words, one list for each review."""
    vocabulary, ids, starts = corpus()
    words = vocabulary.words
    return [[words[i] for i in ids[a:b].tolist()] for a, b in pairwise(starts)]


def learn_ours(method: str, seed: int) -> tuple[WordVectors, float]:
    vocabulary, ids, _ = corpus()
    model = MODELS[method](vocabulary.counts, np.random.default_rng(seed), DIMENSION, WINDOW, NEGATIVES)
    begin = time.perf_counter()
    model.train(ids, PASSES)
    return WordVectors(vocabulary.words, model.W_in), time.perf_counter() - begin


def new_gensim(method: str, seed: int, texts: list[list[str]]) -> Any:
    """A gensim model with one worker, its vocabulary built, not yet trained."""
    from gensim.models import Word2Vec

    model = Word2Vec(
        vector_size=DIMENSION,
        window=WINDOW,
        negative=NEGATIVES,
        sg=method == "gensim-skip-gram",
        sample=0,
        min_count=1,
        workers=1,
        seed=seed,
    )
    model.build_vocab(texts)
    return model


def learn_gensim(method: str, seed: int) -> tuple[WordVectors, float]:
    texts = sentences()
    model = new_gensim(method, seed, texts)
    begin = time.perf_counter()
    model.train(texts, total_examples=model.corpus_count, epochs=PASSES)
    return WordVectors(model.wv.index_to_key, model.wv.vectors), time.perf_counter() - begin


def count(seed: int) -> tuple[WordVectors, float]:
    vocabulary, ids, starts = corpus()
    begin = time.perf_counter()
    weighted = ppmi(cooccurrence(ids, len(vocabulary), WINDOW, starts=starts))
    u, s = randomized_svd(weighted, DIMENSION, np.random.default_rng(seed))
    return WordVectors(vocabulary.words, word_vectors(u, s)), time.perf_counter() - begin


def learn(method: str, seed: int) -> tuple[WordVectors, float]:
    """The vectors, and the seconds that it took to learn them."""
    if method in MODELS:
        return learn_ours(method, seed)
    return count(seed) if method == "counts" else learn_gensim(method, seed)


def quality(vectors: WordVectors) -> dict[str, Any]:
    """WordSim-353, SimLex-999, and the analogies by section, each with the share it had to leave out."""
    return {
        "wordsim353": evaluate_similarity(vectors, similarity_pairs("wordsim353")),
        "simlex999": evaluate_similarity(vectors, similarity_pairs("simlex999")),
        "analogies": evaluate_analogies(vectors, analogy_questions()),
    }


def in_short(result: dict[str, Any]) -> list[float]:
    """Of what ``quality`` found, the three numbers that a run prints."""
    similar = [result[name]["spearman"] for name in ("wordsim353", "simlex999")]
    return [round(value, 3) for value in (*similar, result["analogies"]["all"]["accuracy"])]


def wordsim_over_seeds(ours: str, peer: str) -> dict[str, Any]:
    """What was recorded of two methods: WordSim-353 for each seed, and when."""
    results = recorded(NAME)
    report: dict[str, Any] = {}
    for side, method in (("ours", ours), ("gensim", peer)):
        runs = results["runs"].get(method, {}).values()
        report[f"WordSim-353 after {PASSES} passes, {side}"] = [
            round(run["wordsim353"]["spearman"], 3) for run in runs
        ]
    return report | {"recorded": results["date"]}


def main() -> None:
    for choice in sys.argv[1:]:
        method, _, seed = choice.partition(":")
        vectors, seconds = learn(method, int(seed or 1))
        result = quality(vectors) | {"seconds": seconds}
        record_run(
            NAME,
            method,
            seed or "1",
            result=result,
            seed=int(seed or 1),
            command=f"python -m runs.word2vec {choice}",
            passes=PASSES,
        )
        print(choice, *in_short(result), f"{seconds:.0f} s", flush=True)
        if folder := os.environ.get("KEEP_VECTORS"):
            vectors.save(os.path.join(folder, f"{method}-{seed or 1}.npz"))


if __name__ == "__main__":
    main()
