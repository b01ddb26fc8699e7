"""GloVe on all film reviews, and all word vectors of the book judged side by side.

    python -m runs.glove METHOD:SEED ...
    python -m runs.glove table

The first learns vectors, keeps them in data/cache/vectors, and adds what they took to
data/results/glove.json; GloVe goes on where it was stopped. The second judges all vectors that were kept, on
the same words, pairs, questions and reviews.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from common.book.results import record_run
from common.datasets import load_reviews
from common.models.classifiers import logistic_regression
from common.support.files import read_npz, write_npz
from common.vectors import (
    GloVe,
    WordVectors,
    analogy_questions,
    answered_rightly,
    asked_questions,
    bootstrap_correlations,
    bootstrap_means,
    compared_pairs,
    cooccurrence,
    frequency_correlations,
    interval,
    k_occurrences,
    mean_vectors,
    permutation_test,
    rank_products,
    similarity_pairs,
    skewness,
    without_top,
)
from runs import word2vec, word2vec_settings

NAME = "glove"
KEPT = Path(__file__).resolve().parent.parent / "data" / "cache" / "vectors"
WINDOW, PASSES = 10, 50
COMMON = 10_000  # words: those that all sets of vectors know
GLOVE = {"glove": None, "glove, 10,000 words": COMMON}  # the method, and how many words it knows
OTHERS = ("counts", "cbow", "skip-gram", "hierarchical")
SUBSAMPLED = "t = 1e-4"  # the skip-gram of chapter 4 that did best on WordSim-353
REMOVED = {"as learned": None, "mean": 0, "mean and 1": 1, "mean and 2": 2, "mean and 3": 3}
TIMES = 2000
TESTS = ("wordsim353", "simlex999", "analogies", "sentiment")


# ---- learning


def learn_glove(method: str, seed: int, passes: int = PASSES) -> tuple[WordVectors, dict[str, Any]]:
    """The vectors of one method and seed, and what they took; goes on from a checkpoint, if there is one."""
    reviews = load_reviews()
    vocabulary = reviews.vocabulary(max_size=GLOVE[method])
    ids, starts = reviews.encode(vocabulary)
    begin = time.process_time()
    counts = cooccurrence(ids, len(vocabulary), WINDOW, "harmonic", starts)
    counting = time.process_time() - begin
    model = GloVe(counts, np.random.default_rng(seed))
    del counts
    checkpoint = KEPT / f"{method}-{seed}.checkpoint.npz"
    seconds = go_on(model, checkpoint) if checkpoint.exists() else 0.0
    while len(model.losses) < passes:
        begin = time.process_time()
        model.train()
        seconds += time.process_time() - begin
        if len(model.losses) % 5 == 0:
            keep(model, checkpoint, seconds)
            print(f"{method}:{seed}, {len(model.losses)} passes, loss {model.losses[-1]:.4f}", flush=True)
    checkpoint.unlink(missing_ok=True)
    return WordVectors(vocabulary.words, model.vectors), {
        "processor_seconds": seconds,
        "processor_seconds_of_counting": counting,
        "passes": passes,
        "words": len(vocabulary),
        "pairs": model.pairs,
        "losses": model.losses,
    }


def keep(model: GloVe, path: Path, seconds: float) -> None:
    """Write all that the next pass depends on."""
    about = {"rng": model.rng.bit_generator.state, "losses": model.losses, "seconds": seconds}
    arrays = {f"param{i}": param for i, param in enumerate(model.params)}
    arrays |= {f"seen{i}": seen for i, seen in enumerate(model.seen)}
    write_npz(path, arrays | {"about": np.array(json.dumps(about))})


def go_on(model: GloVe, path: Path) -> float:
    """Put a model where ``keep`` left it; returns the seconds that it took to get there."""
    arrays = read_npz(path)
    about = json.loads(str(arrays["about"]))
    for i in range(4):
        model.params[i][...], model.seen[i][...] = arrays[f"param{i}"], arrays[f"seen{i}"]
    model.rng.bit_generator.state = about["rng"]
    model.losses[:] = about["losses"]
    return about["seconds"]


def learn(method: str, seed: int) -> tuple[WordVectors, dict[str, Any]]:
    if method in GLOVE:
        return learn_glove(method, seed)
    if method == SUBSAMPLED:
        return word2vec_settings.learn(method, seed)
    begin = time.process_time()
    vectors, _ = word2vec.learn(method, seed)
    return vectors, {"processor_seconds": time.process_time() - begin}


def peak_megabytes() -> float:
    """The most memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3  # kilobytes, on Linux


# ---- judging


def kept() -> dict[str, list[int]]:
    """Each method of which vectors were kept, with its seeds."""
    found: dict[str, list[int]] = {}
    for method in (*OTHERS, SUBSAMPLED, *GLOVE):
        if seeds := [seed for seed in range(1, 10) if (KEPT / f"{method}-{seed}.npz").exists()]:
            found[method] = seeds
    return found


class Judge:
    """What all sets of vectors are asked: the same words, pairs, questions and reviews."""

    def __init__(self, words: int | None) -> None:
        reviews = load_reviews()
        self.vocabulary = reviews.vocabulary(max_size=words)
        reviews = reviews.distinct()
        self.labels = reviews.labels
        self.ids, self.starts = reviews.encode(self.vocabulary)
        self.held_out = np.random.default_rng(1984).random(len(reviews)) < 0.2
        self.pairs = {name: similarity_pairs(name) for name in TESTS[:2]}
        self.questions = analogy_questions()
        no_vectors = WordVectors(self.vocabulary.words, np.ones((len(self.vocabulary), 1)))
        self.people = {name: compared_pairs(no_vectors, pairs)[1] for name, pairs in self.pairs.items()}
        asked = np.concatenate([*asked_questions(no_vectors, self.questions).values()])
        self.first_pairs = asked[:, 0] * len(self.vocabulary) + asked[:, 1]  # drawn whole by the bootstrap

    def vectors(self, method: str, seed: int) -> np.ndarray:
        """The rows of this vocabulary, in its order."""
        found = WordVectors.load(KEPT / f"{method}-{seed}.npz")
        return found.vectors[[found.id(word) for word in self.vocabulary.words]]

    def answers(self, vectors: np.ndarray) -> dict[str, np.ndarray]:
        """For each test what each of its items gave: a cosine, or right or wrong."""
        wv = WordVectors(self.vocabulary.words, vectors)
        found = {name: compared_pairs(wv, pairs)[0] for name, pairs in self.pairs.items()}
        found["analogies"] = np.concatenate([*answered_rightly(wv, self.questions).values()])
        found["sentiment"] = self.sentiment(vectors)
        return found

    def sentiment(self, vectors: np.ndarray) -> np.ndarray:
        """Which of the reviews held out a line through the means of their vectors tells right."""
        means = mean_vectors(vectors, self.ids, self.starts).astype(np.float64)
        train = ~self.held_out
        means = (means - means[train].mean(axis=0)) / means[train].std(axis=0)
        w, b = logistic_regression(means[train], self.labels[train])
        return (means @ w + b > 0)[self.held_out] == self.labels[self.held_out]

    def samples(self, test: str, answers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Of the answers of several sets (S, n), the scores (S,), and those on drawn test sets (S, times)."""
        rng = np.random.default_rng(0)  # the same drawn items for all
        if test in self.pairs:
            means = rank_products(self.people[test], answers).mean(axis=-1)
            return means, bootstrap_correlations(self.people[test], answers, rng, TIMES)
        groups = self.first_pairs if test == "analogies" else None
        return answers.mean(axis=-1), bootstrap_means(answers, rng, TIMES, groups)

    def items(self, test: str, answers: np.ndarray) -> np.ndarray:
        """What each item adds to the score, as the permutation test takes it."""
        return rank_products(self.people[test], answers) if test in self.pairs else answers


def judge_all(words: int | None) -> dict[str, Any]:
    """The table on a vocabulary: each method as it was learned and with components removed; and the
    differences between methods."""
    judge = Judge(words)
    result: dict[str, Any] = {"words": len(judge.vocabulary), "methods": {}, "differences": {}}
    drawn: dict[tuple[str, str, str], Any] = {}
    for method, seeds in kept().items():
        if words is None and GLOVE.get(method) is not None:
            continue
        sets = [judge.vectors(method, seed) for seed in seeds]
        forms = {}
        for form, components in REMOVED.items():
            changed = sets if components is None else [without_top(vectors, components) for vectors in sets]
            answers = [judge.answers(vectors) for vectors in changed]
            row: dict[str, Any] = {}
            for test in TESTS:
                found = np.stack([answer[test] for answer in answers])
                scores, samples = judge.samples(test, found)
                low, high = interval(samples.mean(axis=0))
                row[test] = {"mean": scores.mean(), "seeds": scores.tolist(), "low": low, "high": high}
                drawn[method, form, test] = scores, samples, judge.items(test, found)
            forms[form] = row
            print(method, form, *(f"{row[test]['mean']:.3f}" for test in TESTS), flush=True)
        logs = frequency_correlations(sets[0], judge.vocabulary.counts)
        forms["geometry"] = {"frequency": logs.tolist()}
        for form in ("as learned", "mean and 1"):
            chosen = sets[0] if form == "as learned" else without_top(sets[0], 1)
            times = k_occurrences(chosen)
            hub = judge.vocabulary.words[int(times.argmax())]
            forms["geometry"][form] = {
                "skewness": skewness(times),
                "never": float((times == 0).mean()),
                "hub": hub,
                "hub_is_near_to": int(times.max()),
            }
        result["methods"][method] = {"seeds": seeds, **forms}
    for test in TESTS:
        items = {key[:2]: value for key, value in drawn.items() if key[2] == test}
        result[f"items of {test}"] = next(iter(items.values()))[2].shape[1]
        chosen = [key for key in items if key[1] in ("as learned", "mean and 1")]
        for one, other in combinations(chosen, 2):
            if one[1] == other[1] or one[0] == other[0]:
                result["differences"].setdefault(test, []).append(
                    {"one": one, "other": other} | difference(items[one], items[other])
                )
    return result


def difference(one: Any, other: Any) -> dict[str, float]:
    """How far one method is above another, on average over seeds: with its interval, and the p of chance."""
    (scores, samples, items), (scores2, samples2, items2) = one, other
    low, high = interval(samples.mean(axis=0) - samples2.mean(axis=0))
    p = permutation_test(items.mean(axis=0), items2.mean(axis=0), np.random.default_rng(0), TIMES)
    return {"difference": scores.mean() - scores2.mean(), "low": low, "high": high, "p": p}


def main() -> None:
    KEPT.mkdir(parents=True, exist_ok=True)
    for choice in sys.argv[1:]:
        command = f"python -m runs.glove '{choice}'"
        if choice == "table":
            for name, words in (("table of 10,000 words", COMMON), ("table of all words", None)):
                record_run(NAME, name, "1", result=judge_all(words), seed=1, command=command)
            continue
        method, _, seed = choice.rpartition(":")
        vectors, effort = learn(method, int(seed))
        vectors.save(KEPT / f"{method}-{seed}.npz")
        result = effort | {"peak_megabytes": peak_megabytes()} | short_quality(vectors)
        record_run(NAME, method, seed, result=result, seed=int(seed), command=command)
        print(choice, *word2vec.in_short(result), f"{effort['processor_seconds']:.0f} s", flush=True)


def short_quality(vectors: WordVectors) -> dict[str, Any]:
    """The three tests on all words that a set knows; of the analogies only all together."""
    result = word2vec.quality(vectors)
    return result | {"analogies": {"all": result["analogies"]["all"]}}


if __name__ == "__main__":
    main()
