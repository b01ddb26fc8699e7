"""How well sentences and reviews are classified, by counting and by networks: the long runs of chapter 14.

    python -m runs.classifiers counts rotten_tomatoes imdb
    python -m runs.classifiers choose rotten_tomatoes mean-random cnn-random
    python -m runs.classifiers test rotten_tomatoes mean-random cnn-random 1 2 3
    python -m runs.classifiers shuffled rotten_tomatoes mean-random cnn-random 1 2 3
    python -m runs.classifiers labels imdb mean-random mean-book 1 2 3
    python -m runs.classifiers scores

``counts`` is what has no first weights: naive Bayes, and a line through the means of the book's vectors.
Their few settings are chosen on the validation part.

``choose`` trains a network with each learning rate of ``RATES`` and seed 1, and measures the validation part
after each pass. ``test`` trains with the best of them (where none was chosen, with that of Rotten Tomatoes),
keeps the weights of the pass that the validation part likes best, and then opens the test part, once for each
seed: as it is, and with the words of each text shuffled. ``shuffled`` does the same with all words of all
parts shuffled before training. ``labels`` trains on some of the texts only.

``scores`` trains the mean of the book's vectors on both sources together, and writes what it comes to, one
score for each of 10,000 words, into data/word_scores.npz, for the page.

Vectors called the book's are those of data/vectors_skip_gram.npz. They were learned from the text of all
these reviews, without labels: the texts of the test part among them.

All add what they measured to data/results/classifiers.json. What stands there already is not run again.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any

import numpy as np

from common.batches import ByLength
from common.book.results import record_run, recorded
from common.datasets.files import DATA
from common.datasets.reviews import SIZES, Split, load_reviews, split_reviews
from common.layers import count_parameters
from common.models.classifiers import NaiveBayes, logistic_regression
from common.models.pretrained import WORD_SCORES
from common.models.text_classifiers import (
    TextClassifier,
    WordScores,
    lstm_classifier,
    mean_classifier,
    predict_rows,
    share_of_rows_right,
    text_cnn,
    text_vocabulary,
    transformer_classifier,
    vocabulary_with_vectors,
    with_pairs,
    word_scores,
)
from common.optimizers import Adam
from common.text.vocabulary import Vocabulary
from common.training import Trainer
from common.vectors import WordVectors, mean_vectors

RESULTS = "classifiers"
VECTORS = DATA / "vectors_skip_gram.npz"
D, BATCH, WORDS = 100, 50, 20_000
RATES = (0.001, 0.002, 0.004)
LABELS = (100, 300, 1_000, 3_000, 10_000)
"""How many texts ``labels`` trains on; and then on all."""

LONGEST = {"mean": None, "cnn": 400, "lstm": 200, "transformer": 200}
"""Of a review, a network reads so many words, the first ones; None for all of them."""

NETS: dict[str, dict[str, Any]] = {
    "mean-random": {"net": "mean", "vectors": "random", "dropout": 0.5},
    "mean-book": {"net": "mean", "vectors": "book", "dropout": 0.5},
    "mean-pairs": {"net": "mean", "vectors": "random", "D": 20, "buckets": 1 << 18},
    "cnn-random": {"net": "cnn", "vectors": "random", "filters": 50, "dropout": 0.5},
    "cnn-static": {"net": "cnn", "vectors": "book", "filters": 50, "dropout": 0.5, "fixed": True},
    "cnn-book": {"net": "cnn", "vectors": "book", "filters": 50, "dropout": 0.5},
    "lstm-book": {"net": "lstm", "vectors": "book", "H": 100, "dropout": 0.5},
    "transformer-book": {"net": "transformer", "vectors": "book", "H": 200, "depth": 1, "dropout": 0.2},
}
MAKE: dict[str, Callable[..., TextClassifier]] = {
    "mean": mean_classifier,
    "cnn": text_cnn,
    "lstm": lstm_classifier,
    "transformer": transformer_classifier,
}
PASSES: dict[str, dict[str, int]] = {
    "rotten_tomatoes": {"mean": 12, "cnn": 6, "lstm": 5, "transformer": 6},
    "imdb": {"mean": 6, "cnn": 3, "lstm": 3, "transformer": 3},
}


@cache
def split(source: str) -> Split:
    return split_reviews(load_reviews(), source)


@cache
def book() -> tuple[Vocabulary, np.ndarray]:
    """The words that have the book's vectors, and these."""
    found = WordVectors.load(VECTORS)
    return vocabulary_with_vectors(found.words, found.vectors)


Parts = list[tuple[list[np.ndarray], np.ndarray]]
"""Rows of ids and labels: to train, to validate, to test."""


def parts_of(source: str, vectors: str, longest: int | None, some: int | None = None) -> tuple[int, Parts]:
    """The size of the vocabulary, and the texts of the three parts as rows of its ids. The vocabulary of a
    network that begins at random holds the words of the texts that it is trained on."""
    train, *others = split(source)
    train = train[:some]
    known = book()[0] if vectors == "book" else text_vocabulary(train.counts, WORDS, min_count=2)
    parts = [(part.rows(known, longest), part.labels.astype(np.int64)) for part in (train, *others)]
    return len(known), parts


def mixed(rows: Sequence[np.ndarray], seed: int) -> list[np.ndarray]:
    """The same words of each text in another order."""
    rng = np.random.default_rng(seed)
    return [rng.permutation(row) for row in rows]


def train(name: str, V: int, parts: Parts, lr: float, passes: int, seed: int) -> tuple[Any, dict[str, Any]]:
    """A network as it was after the pass that the validation part likes best, and what was measured on the
    way."""
    settings = dict(NETS[name])
    make, start, size = MAKE[settings.pop("net")], settings.pop("vectors"), settings.pop("D", D)
    if buckets := settings.pop("buckets", 0):
        parts = [(with_pairs(rows, V, buckets), labels) for rows, labels in parts]
    rng = np.random.default_rng(seed)
    options: dict[str, Any] = {"vectors": book()[1] if start == "book" else None}
    if make is transformer_classifier and start == "book":
        options["vectors"] = book()[1] * 0.45  # variance 1 / D, as its embedding wants it
    model = make(V + buckets, size, rng=rng, **settings, **options)
    begin, valid, best = time.process_time(), [], []

    def measure(trainer: Trainer) -> None:
        valid.append(share_of_rows_right(model, *parts[1]))
        if valid[-1] == max(valid) and valid.count(valid[-1]) == 1:  # the first of several that are equal
            best[:] = [param.copy() for param in model.params]
        print(f"{name}, seed {seed}, lr {lr}, pass {trainer.epoch}: {valid[-1]:.4f}", flush=True)

    trainer = Trainer(model, Adam(lr), rng)
    trainer.fit(ByLength(*parts[0], batch_size=BATCH), passes, on_epoch=measure)
    for param, kept in zip(model.params, best):
        param[...] = kept
    found = {
        "settings": {"D": D} | NETS[name] | {"lr": lr, "batch_size": BATCH, "passes": passes, "words": V},
        "texts": len(parts[0][0]),
        "parameters": count_parameters(model) - (V * D if settings.get("fixed") else 0),
        "train_loss": trainer.epoch_losses,
        "valid": valid,
        "pass": int(np.argmax(valid)) + 1,
        "seconds": time.process_time() - begin,  # of one core
    }
    return model, found


# ---- the commands


def done(*keys: str) -> bool:
    """Whether a run stands in the results already."""
    try:
        place = recorded(RESULTS)["runs"]
    except FileNotFoundError:
        return False
    for key in keys:
        place = place.get(key, {})
    return bool(place)


def chosen(source: str, name: str) -> float:
    """The learning rate that ``choose`` found best; the smaller one, if two are as good."""
    runs = recorded(RESULTS)["runs"]
    tried = runs.get(f"{source}, choose", {}).get(name) or runs["rotten_tomatoes, choose"][name]
    return max(sorted(map(float, tried)), key=lambda lr: max(tried[str(lr)]["valid"]))


def keep(kind: str, source: str, name: str, seed: int, result: dict[str, Any], last: str) -> None:
    seeds = "" if kind in ("choose", "counts") else f" {seed}"
    named = "" if kind == "counts" else f" {name}"
    command = f"python -m runs.classifiers {kind} {source}{named}{seeds}"
    key = source if kind in ("test", "counts") else f"{source}, {kind}"
    record_run(RESULTS, key, name, last, result=result, seed=seed, command=command)
    if "test" in result:
        print(f"{source}, {name}, {last}: {result['test']:.4f} of the test part", flush=True)


def counts(source: str) -> None:
    """Naive Bayes, of words and of words and pairs; and a line through the means of the book's vectors."""
    known = text_vocabulary(split(source).train.counts)
    rows = [part.rows(known) for part in split(source)]
    labels = [part.labels for part in split(source)]
    for name, pairs in (("bayes-words", False), ("bayes-pairs", True)):
        begin, tried = time.process_time(), []
        for once in (False, True):
            for smoothing in (0.3, 1.0, 3.0):
                bayes = NaiveBayes(rows[0], labels[0], pairs, once, smoothing)
                right = float(((bayes.scores(rows[1]) > 0) == labels[1]).mean())
                tried.append({"once": once, "smoothing": smoothing, "valid": right})
        best = max(tried, key=lambda one: one["valid"])
        bayes = NaiveBayes(rows[0], labels[0], pairs, best["once"], best["smoothing"])
        wrong = [
            np.flatnonzero((bayes.scores(mixed_or) > 0) != labels[2])
            for mixed_or in (rows[2], mixed(rows[2], 0))
        ]
        found = {"settings": {"once": best["once"], "smoothing": best["smoothing"]}, "tried": tried}
        found |= judged(source, wrong, best["valid"], len(rows[2]), len(bayes.codes))
        keep("counts", source, name, 0, found | {"seconds": time.process_time() - begin}, "0")
    known, vectors = book()
    begin = time.process_time()
    means = [mean_vectors(vectors, *part.encode(known)).astype(np.float64) for part in split(source)]
    centre, spread = means[0].mean(axis=0), means[0].std(axis=0)
    means = [(mean - centre) / spread for mean in means]
    tried = []
    for penalty in (0.1, 1.0, 10.0, 100.0):
        w, b = logistic_regression(means[0], labels[0], penalty)
        tried.append({"penalty": penalty, "valid": float(((means[1] @ w + b > 0) == labels[1]).mean())})
    best = max(tried, key=lambda one: one["valid"])
    w, b = logistic_regression(means[0], labels[0], best["penalty"])
    wrong = [np.flatnonzero((means[2] @ w + b > 0) != labels[2])] * 2  # a mean does not see the order
    found = {"settings": {"penalty": best["penalty"]}, "tried": tried}
    found |= judged(source, wrong, best["valid"], len(means[2]), D + 1)
    keep("counts", source, "mean-fixed", 0, found | {"seconds": time.process_time() - begin}, "0")


def judged(
    source: str, wrong: Sequence[np.ndarray], valid: Any, texts: int, parameters: int
) -> dict[str, Any]:
    """The shares that are right of the test part as it is and with words shuffled; of the few sentences of
    Rotten Tomatoes also which are wrong, to compare two classifiers text by text."""
    shares = [1 - len(some) / texts for some in wrong]
    found: dict[str, Any] = {"valid": valid, "test": shares[0], "test_shuffled": shares[1]}
    found["parameters"] = parameters
    return found | ({"wrong": wrong[0].tolist()} if source == "rotten_tomatoes" else {})


def choose(source: str, name: str) -> None:
    """Each learning rate once, by the validation part."""
    V, parts = parts_of(source, NETS[name]["vectors"], LONGEST[NETS[name]["net"]])
    for lr in RATES:
        if not done(f"{source}, choose", name, str(lr)):
            _, found = train(name, V, parts, lr, PASSES[source][NETS[name]["net"]], seed=1)
            keep("choose", source, name, 1, found, str(lr))


def test(source: str, name: str, seed: int, shuffled: bool = False) -> None:
    """Train, choose the pass, and open the test part."""
    kind = "shuffled" if shuffled else "test"
    if done(f"{source}, shuffled" if shuffled else source, name, str(seed)):
        return
    V, parts = parts_of(source, NETS[name]["vectors"], LONGEST[NETS[name]["net"]])
    if shuffled:
        parts = [(mixed(rows, 1 + i), labels) for i, (rows, labels) in enumerate(parts)]
    passes, lr = PASSES[source][NETS[name]["net"]], chosen(source, name)
    model, found = train(name, V, parts, lr, passes, seed)
    rows, labels = parts[2]
    buckets = NETS[name].get("buckets")
    wrong = []
    for some in (rows, mixed(rows, 0)):
        read = with_pairs(some, V, buckets) if buckets else some
        wrong.append(np.flatnonzero(predict_rows(model, read).argmax(axis=1) != labels))
    found |= judged(source, wrong, found["valid"], len(rows), found["parameters"])
    keep(kind, source, name, seed, found | {"longest": LONGEST[NETS[name]["net"]]}, str(seed))


def labels(source: str, name: str, seed: int) -> None:
    """Train on some of the texts; of few texts so many passes that there are about as many steps as one pass
    over 3,000 has, at least."""
    for some in (*(n for n in LABELS if n < len(split(source).train)), None):
        texts = some or len(split(source).train)
        if done(f"{source}, labels", name, f"{texts}, {seed}"):
            continue
        V, parts = parts_of(source, NETS[name]["vectors"], LONGEST[NETS[name]["net"]], some)
        passes = max(PASSES[source][NETS[name]["net"]], min(40, 12_000 // texts))
        model, found = train(name, V, parts, chosen(source, name), passes, seed)
        found["test"] = share_of_rows_right(model, *parts[2])
        keep("labels", source, name, seed, found, f"{texts}, {seed}")


def says_good(kept: WordScores, text: str) -> bool:
    """Whether the words speak for class 1; of a text with no known word, whether the bias does."""
    try:
        return kept.score(text) > 0
    except ValueError:
        return kept.bias > 0


def scores() -> None:
    """One classifier for both sources, as one score for each word; measured on both test parts, before and
    after rounding."""
    name, seed = "mean-book", 1
    V, imdb = parts_of("imdb", "book", None)
    short = parts_of("rotten_tomatoes", "book", None)[1]
    both = [(a + b, np.concatenate([s, t])) for (a, s), (b, t) in zip(imdb, short)]
    model, found = train(name, V, both, chosen("imdb", name), PASSES["imdb"]["mean"], seed)
    kept = word_scores(model, book()[0])
    kept.save(WORD_SCORES)
    for source in SIZES:
        part = split(source).test
        right = [says_good(kept, text) == label for text, label in zip(part.texts, part.labels)]
        rows = parts_of(source, "book", None)[1][2]
        found[source] = {"test": share_of_rows_right(model, *rows), "test_int8": float(np.mean(right))}
        print(f"{source}: {found[source]}", flush=True)
    command = "python -m runs.classifiers scores"
    record_run(RESULTS, "word scores", "int8", result=found, seed=seed, command=command)


KINDS: dict[str, Callable[..., None]] = {
    "choose": choose,
    "test": test,
    "shuffled": partial(test, shuffled=True),
    "labels": labels,
}


def main() -> None:
    kind, *arguments = sys.argv[1:] or [""]
    sources = [argument for argument in arguments if argument in SIZES]
    names = [argument for argument in arguments if argument in NETS]
    seeds = [int(argument) for argument in arguments if argument.isdecimal()]
    unknown = [a for a in arguments if a not in SIZES and a not in NETS and not a.isdecimal()]
    if kind == "scores" and not arguments:
        scores()
        return
    if kind not in (*KINDS, "counts") or unknown or not sources:
        sys.exit(
            f"the command is {' '.join(sys.argv[1:])!r}; it should be scores, or counts, {', '.join(KINDS)}, "
            f"with some of {', '.join(SIZES)}, and of {', '.join(NETS)}, and after test, shuffled and "
            "labels with seeds."
        )
    for source in sources:
        if kind == "counts":
            counts(source)
        for name in names:
            for seed in [None] if kind == "choose" else seeds:
                KINDS[kind](source, name, *([] if seed is None else [seed]))


if __name__ == "__main__":
    main()
