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
from itertools import combinations, pairwise
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
    evaluate_similarity,
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
OTHERS = ("counts", "cbow", "skip-gram", "hierarchical", "gensim-cbow", "gensim-skip-gram")
SETTINGS = ("t = 1e-3", "t = 1e-4", "t = 1e-5", "all words, window 11")  # of skip-gram, in chapter 4
GENSIM = "gensim skip-gram, 10,000 words"
FORMS = {"as learned": None, "mean and 1": 1}  # components removed, as many as the paper has for D = 100
MORE_FORMS = {"mean": 0, "mean and 2": 2, "mean and 3": 3}  # judged by similarity alone
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
    notes = go_on(model, checkpoint) if checkpoint.exists() else {"seconds": 0.0, "curve": {}}
    while len(model.losses) < passes:
        begin = time.process_time()
        model.train()
        notes["seconds"] += time.process_time() - begin
        if len(model.losses) % 5 == 0:
            notes["curve"][f"{len(model.losses)}"] = similarities(
                WordVectors(vocabulary.words, model.vectors)
            )
            keep(model, checkpoint, notes)
            print(f"{method}:{seed}, {len(model.losses)} passes, loss {model.losses[-1]:.4f}", flush=True)
    checkpoint.unlink(missing_ok=True)
    return WordVectors(vocabulary.words, model.vectors), {
        "after so many passes": notes["curve"],
        "processor_seconds": notes["seconds"],
        "processor_seconds_of_counting": counting,
        "passes": passes,
        "words": len(vocabulary),
        "pairs": model.pairs,
        "losses": model.losses,
    }


def similarities(vectors: WordVectors) -> dict[str, float]:
    """Both rank correlations with people."""
    return {name: evaluate_similarity(vectors, similarity_pairs(name))["spearman"] for name in TESTS[:2]}


def keep(model: GloVe, path: Path, notes: dict[str, Any]) -> None:
    """Write all that the next pass depends on."""
    about = {"rng": model.rng.bit_generator.state, "losses": model.losses, "notes": notes}
    arrays = {f"param{i}": param for i, param in enumerate(model.params)}
    arrays |= {f"seen{i}": seen for i, seen in enumerate(model.seen)}
    write_npz(path, arrays | {"about": np.array(json.dumps(about))})


def go_on(model: GloVe, path: Path) -> dict[str, Any]:
    """Put a model where ``keep`` left it; returns the notes that were kept with it."""
    arrays = read_npz(path)
    about = json.loads(str(arrays["about"]))
    for i in range(4):
        model.params[i][...], model.seen[i][...] = arrays[f"param{i}"], arrays[f"seen{i}"]
    model.rng.bit_generator.state = about["rng"]
    model.losses[:] = about["losses"]
    return about["notes"]


def learn_gensim(seed: int) -> tuple[WordVectors, dict[str, Any]]:
    """gensim's skip-gram on the same 10,000 words, from the beginning for 1, 2 and 3 passes.

    Its step size falls to the end, so that fewer passes are not the first part of more.
    """
    reviews = load_reviews()
    vocabulary = reviews.vocabulary(max_size=COMMON)
    ids, starts = reviews.encode(vocabulary)
    texts = [[vocabulary.words[i] for i in ids[a:b].tolist()] for a, b in pairwise(starts)]
    curve = {}
    for passes in range(1, word2vec.PASSES + 1):
        model = word2vec.new_gensim("gensim-skip-gram", seed, texts)
        begin = time.process_time()
        model.train(texts, total_examples=model.corpus_count, epochs=passes)
        seconds = time.process_time() - begin
        vectors = WordVectors(model.wv.index_to_key, model.wv.vectors)
        curve[str(passes)] = similarities(vectors)
    return vectors, {
        "processor_seconds": seconds,
        "passes": passes,
        "after so many passes": curve,
        "tokens": len(ids),
    }


def learn(method: str, seed: int) -> tuple[WordVectors, dict[str, Any]]:
    if method in GLOVE:
        return learn_glove(method, seed)
    if method == GENSIM:
        return learn_gensim(seed)
    if method in SETTINGS:
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
    for method in (*OTHERS, *SETTINGS, GENSIM, *GLOVE):
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

    def answers(self, test: str, vectors: np.ndarray) -> np.ndarray:
        """What each item of a test gave: a cosine, or right or wrong."""
        wv = WordVectors(self.vocabulary.words, vectors)
        if test in self.pairs:
            return compared_pairs(wv, self.pairs[test])[0]
        if test == "analogies":
            return np.concatenate([*answered_rightly(wv, self.questions).values()])
        return self.sentiment(vectors)

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


Drawn = dict[tuple[str, str, str], tuple[np.ndarray, np.ndarray, np.ndarray]]
"""For a method, a form and a test: the scores, those on drawn test sets, and what each item gives."""


def judge_all(words: int | None) -> dict[str, Any]:
    """The table on a vocabulary: each method as it was learned and with components removed; and how far
    methods, and forms of one method, differ."""
    judge, drawn, methods = Judge(words), Drawn(), {}
    for method, seeds in kept().items():
        if words is None and method.endswith("10,000 words"):
            continue
        sets = [judge.vectors(method, seed) for seed in seeds]
        forms = FORMS if words is None else FORMS | MORE_FORMS
        rows = {
            form: judge_form(judge, sets, method, form, removed, drawn) for form, removed in forms.items()
        }
        methods[method] = {"seeds": seeds} | rows
        if words is not None:
            methods[method]["geometry"] = geometry(judge, sets[0])
    differences: dict[str, list[dict[str, Any]]] = {test: [] for test in TESTS}
    for one, other in combinations(drawn, 2):
        comparable = one[0] == other[0] or one[1] == other[1]
        if one[2] == other[2] and comparable and {one[1], other[1]} <= set(FORMS):
            found = difference(drawn[one], drawn[other])
            differences[one[2]].append({"one": one[:2], "other": other[:2]} | found)
    items = {test: items.shape[1] for (_, _, test), (_, _, items) in drawn.items()}
    return {"words": len(judge.vocabulary), "items": items, "methods": methods, "differences": differences}


def judge_form(
    judge: Judge, sets: list[np.ndarray], method: str, form: str, removed: int | None, drawn: Drawn
) -> dict[str, Any]:
    """What the sets of a method, one a seed, give on the tests, after so many components were removed."""
    changed = sets if removed is None else [without_top(vectors, removed) for vectors in sets]
    row = {}
    for test in TESTS if form in FORMS else TESTS[:2]:
        answers = np.stack([judge.answers(test, vectors) for vectors in changed])
        scores, samples = judge.samples(test, answers)
        drawn[method, form, test] = scores, samples, judge.items(test, answers)
        low, high = interval(samples.mean(axis=0)).tolist()
        row[test] = {"mean": float(scores.mean()), "seeds": scores.tolist(), "low": low, "high": high}
    print(f"{method}, {form}:", *(f"{score['mean']:.3f}" for score in row.values()), flush=True)
    return row


def geometry(judge: Judge, vectors: np.ndarray) -> dict[str, Any]:
    """How strongly the first components of the vectors go with frequency, and who is near to how many."""
    found: dict[str, Any] = {"frequency": frequency_correlations(vectors, judge.vocabulary.counts).tolist()}
    for form, removed in FORMS.items():
        times = k_occurrences(vectors if removed is None else without_top(vectors, removed))
        found[form] = {
            "skewness": skewness(times),
            "near to nobody": float((times == 0).mean()),
            "hubs": {judge.vocabulary.words[i]: int(times[i]) for i in np.argsort(-times)[:5]},
        }
    return found


def difference(
    one: tuple[np.ndarray, np.ndarray, np.ndarray], other: tuple[np.ndarray, np.ndarray, np.ndarray]
) -> dict[str, float]:
    """How far one method is above another, on average over seeds: with its interval, and the p of chance."""
    (scores, samples, items), (their_scores, their_samples, their_items) = one, other
    low, high = interval(samples.mean(axis=0) - their_samples.mean(axis=0)).tolist()
    p = permutation_test(items.mean(axis=0), their_items.mean(axis=0), np.random.default_rng(0), TIMES)
    return {"difference": float(scores.mean() - their_scores.mean()), "low": low, "high": high, "p": p}


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
