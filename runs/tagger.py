"""How well taggers find names, by three measures, and what each part of them is worth: chapter 14.

    python -m runs.tagger baselines
    python -m runs.tagger window-1 window-3 window-5 window-7 window-5-crf lstm lstm-crf
    python -m runs.tagger wikigold/window-5 wikigold/lstm-crf
    python -m runs.tagger frames

A name of a model searches its learning rate with the first seed, by its F1 on the validation part, and then
trains it with the other seeds at that rate. Of each training the pass is kept that is best on the validation
part. All are trained on the silver sentences for the same number of passes, and tested on the silver test
part, on the 300 sentences marked by hand, and on Wikigold's persons and places. With ``wikigold/`` before its
name, a model is trained on 80 % of Wikigold's sentences, with all four types of names, and tested on the
others. ``frames`` tags some sentences of our own with the first seed's models, for the page. All add what
they measure to data/results/tagger.json; what stands there already is not measured again. Wikigold is
downloaded, or found in the folder named by BOOK_DATA_MIRROR.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from common.book.results import record_run, recorded
from common.checkpoints import keep_best
from common.datasets import DATA, SilverSentences, load_marked, load_silver, load_wikigold
from common.layers import count_parameters
from common.metrics import span_f1, token_accuracy
from common.models.tagger import (
    TAGS,
    MostFrequentTag,
    Tagger,
    predict_tags,
    tag,
    tagger_batches,
    vectors_for,
    word_vocabulary,
)
from common.optimizers import AdamW
from common.text import to_bio
from common.training import Trainer
from common.vectors import WordVectors
from common.weights import load_weights
from runs import leave_if_stopped

RESULTS = "tagger"
KEPT = Path(__file__).resolve().parent.parent / "data" / "cache" / "tagger"
SEEDS, RATES, BATCH, D, H, SCALE = (1, 2, 3), (0.001, 0.002, 0.004), 32, 100, 100, 0.3
PASSES = {"silver": 4, "wikigold": 12}
MODELS: dict[str, dict[str, Any]] = {
    **{f"window-{width}": {"width": width} for width in (1, 3, 5, 7)},
    "window-5-crf": {"width": 5, "crf": True},
    "lstm": {},
    "lstm-crf": {"crf": True},
    "window-5-random": {"width": 5, "book": False},
    "window-5-blind": {"width": 5, "capitals": False},
}
FRAMES = ("window-1", "window-3", "window-5", "window-7", "lstm", "lstm-crf")
OURS = (
    "Jordan plays the detective, and the last half was shot in Jordan.",
    "In Washington he meets Denzel Washington.",
    "Mr. Paris has never been to Paris.",
    "Victoria Marsh moved from Victoria to a farm near Oslo.",
    "My friend Zoltan Brak wrote the music for it.",
    "The director, Quimby, was born in Tarn.",
    "This American film was made in Romania on a Sunday.",
    "It was on TV, and it was SO bad that Kessler left Hollywood.",
    "The Godfather was directed by Francis Ford Coppola.",
    "We saw Mary Poppins and Titanic in Brookdale.",
    "Nobody in Gotham City knows that Bruce Wayne is Batman.",
    "Stupid jokes, wooden acting, and not a single scene that I would watch again.",
)

Sentence = list[tuple[str, str]]


def columns(sentences: Sequence[Sentence]) -> tuple[list[list[str]], list[list[str]]]:
    """The words of all sentences, and their tags."""
    rows = [tuple(map(list, zip(*sentence))) for sentence in sentences]
    return [words for words, _ in rows], [tags for _, tags in rows]


@cache
def silver() -> SilverSentences:
    return load_silver()


@cache
def wikigold_parts() -> dict[str, list[Sentence]]:
    """Wikigold's sentences, shuffled: 70 % to train on, 10 % to choose by, 20 % to test on."""
    sentences = load_wikigold()
    order = np.random.default_rng(1984).permutation(len(sentences))
    cuts = np.split(order, (np.array([0.7, 0.8]) * len(order)).astype(int))
    return {name: [sentences[i] for i in part] for name, part in zip(("train", "valid", "test"), cuts)}


@cache
def tests(data: str) -> dict[str, list[Sentence]]:
    """What is tested on, by name."""
    if data == "wikigold":
        return {"wikigold": wikigold_parts()["test"]}
    return {"silver": silver().test, "hand": load_marked(), "wikigold": load_wikigold(["PER", "LOC"])}


# ---- measures


def judged(wanted: list[list[str]], marked: list[list[str]]) -> dict[str, Any]:
    """F1 and what it consists of, and the share of right tags."""
    scores = span_f1(wanted, marked)
    return {
        "f1": scores.f1,
        "precision": scores.precision,
        "recall": scores.recall,
        "accuracy": token_accuracy(wanted, marked),
        "names": scores.wanted,
        "types": {kind: part.f1 for kind, part in scores.by_type.items()},
    }


def interval(wanted: list[list[str]], marked: list[list[str]], rounds: int = 1000) -> list[float]:
    """Where F1 lies in 95 % of draws of as many sentences, with putting back."""
    each = [span_f1([right], [found]) for right, found in zip(wanted, marked)]
    counts = np.array([(one.right, one.marked, one.wanted) for one in each])
    draws = np.random.default_rng(1).integers(0, len(counts), (rounds, len(counts)))
    right, found, should = counts[draws].sum(axis=1).T
    return np.percentile(2 * right / np.maximum(found + should, 1), [2.5, 97.5]).tolist()


def on_all_tests(
    data: str, tagger: Callable[[list[list[str]]], list[list[str]]], chance: bool = False
) -> dict[str, Any]:
    """What ``tagger`` reaches on each of the tests, with the interval of chance if that is asked for."""
    found = {}
    for name, sentences in tests(data).items():
        words, wanted = columns(sentences)
        marked = tagger(words)
        found[name] = judged(wanted, marked) | ({"interval": interval(wanted, marked)} if chance else {})
    return found


def broken(model: Tagger, sentences: list[Sentence]) -> dict[str, Any]:
    """Without the rules: the share of sentences with tags that no names can have, and F1."""
    words, wanted = columns(sentences)
    marked = predict_tags(model, words, rules=False)
    wrong = [to_bio(tags) != tags for tags in marked]
    return {"impossible": float(np.mean(wrong)), "f1": span_f1(wanted, marked).f1}


# ---- training


def build(name: str, data: str, seed: int, train: list[Sentence]) -> tuple[Tagger, np.random.Generator]:
    """A model with first weights, and the generator that drew them."""
    settings, rng = dict(MODELS[name]), np.random.default_rng(seed)
    kinds = {tag for sentence in train for _, tag in sentence} - set(TAGS)
    if settings.pop("book", True):
        book = WordVectors.load(DATA / "vectors_skip_gram.npz")
        vocabulary, vectors = vectors_for(book.words, book.vectors, rng, SCALE)
    else:
        vocabulary, vectors = word_vocabulary(train), None
    tags = (*TAGS, *sorted(kinds)) if data == "wikigold" else TAGS
    return Tagger(vocabulary, D, H, rng, vectors=vectors, tags=tags, **settings), rng


def weights_of(data: str, name: str, seed: int, lr: float) -> Path:
    return KEPT / f"{data}-{name}-{seed}-{lr}.npz"


def train(name: str, data: str, seed: int, lr: float) -> dict[str, Any]:
    """Train once, and measure the best pass on all tests."""
    source = wikigold_parts() if data == "wikigold" else vars(silver())
    model, rng = build(name, data, seed, source["train"])
    words, wanted = columns(source["valid"])
    KEPT.mkdir(parents=True, exist_ok=True)
    best, begin = weights_of(data, name, seed, lr), time.process_time()
    measure = keep_best(lambda: 1 - span_f1(wanted, predict_tags(model, words)).f1, "errors", best)
    trainer = Trainer(model, AdamW(lr), rng, max_grad_norm=5)
    trainer.fit(tagger_batches(model, source["train"], BATCH), PASSES[data], on_epoch=measure)
    leave_if_stopped(trainer, PASSES[data])
    seconds = time.process_time() - begin
    load_weights(best, model)
    result = {
        "lr": lr,
        "passes": PASSES[data],
        "valid": [1 - error for error in trainer.notes["errors"]],
        "train_loss": trainer.epoch_losses,
        "parameters": count_parameters(model),
        "seconds": seconds,  # of one core, with the measuring after each pass
        "tests": on_all_tests(data, lambda rows: predict_tags(model, rows), chance=seed == SEEDS[0]),
    }
    if data == "silver":
        result["without_rules"] = broken(model, tests(data)["hand"])
    return result


def measured(*keys: str) -> dict[str, Any] | None:
    """What stands in the results, or None."""
    try:
        found = recorded(RESULTS).get("runs", {})
    except FileNotFoundError:
        return None
    for key in keys:
        found = found.get(key, {})
    return found or None


def once(place: tuple[str, ...], seed: int, name: str, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Do it, and record it, unless that has been done."""
    result = measured(*place)
    if result is None:
        result = work()
        record_run(RESULTS, *place, result=result, seed=seed, command=f"python -m runs.tagger {name}")
    return result


def all_seeds(name: str) -> None:
    """The search for a learning rate, and the training with each seed."""
    data, _, model = name.rpartition("/")
    data = data or "silver"

    def trained(seed: int, lr: float) -> dict[str, Any]:
        place = (name, "search", str(lr)) if seed == SEEDS[0] else (name, str(seed))
        result = once(place, seed, name, lambda: train(model, data, seed, lr))
        reached = ", ".join(f"{test} {100 * scores['f1']:.1f}" for test, scores in result["tests"].items())
        print(f"{name}, seed {seed}, lr {lr}: valid {100 * max(result['valid']):.1f}; {reached}", flush=True)
        return result

    searched = {lr: trained(SEEDS[0], lr) for lr in RATES}
    lr = max(RATES, key=lambda rate: max(searched[rate]["valid"]))
    once((name, str(SEEDS[0])), SEEDS[0], name, lambda: searched[lr])
    for seed in SEEDS[1:]:
        trained(seed, lr)


def baselines() -> None:
    """What needs no training: nothing marked, WordNet's list, the most frequent tag of each word."""
    table = MostFrequentTag(silver().train)
    rules: dict[str, Callable[[list[str]], list[str]]] = {
        "nothing": lambda words: ["O"] * len(words),
        "gazetteer": silver().gazetteer.tag,
        "most-frequent-tag": table.tag,
    }
    for name, rule in rules.items():
        found = on_all_tests("silver", lambda rows, rule=rule: [rule(words) for words in rows], chance=True)
        record_run(
            RESULTS, name, "1", result={"tests": found}, seed=1, command="python -m runs.tagger baselines"
        )
    parts = wikigold_parts()
    table = MostFrequentTag([*parts["train"], *parts["valid"]])
    for name, rule in {"nothing": rules["nothing"], "most-frequent-tag": table.tag}.items():
        found = on_all_tests("wikigold", lambda rows, rule=rule: [rule(words) for words in rows], chance=True)
        place = (f"wikigold/{name}", "1")
        record_run(
            RESULTS, *place, result={"tests": found}, seed=1, command="python -m runs.tagger baselines"
        )


def frames() -> None:
    """The tags that those models of the first seed that were trained give to our own sentences."""
    rows: dict[str, dict[str, list[str]]] = {}
    words: list[list[str]] = []
    for name in (name for name in FRAMES if measured(name, str(SEEDS[0]))):
        lr = (measured(name, str(SEEDS[0])) or {})["lr"]
        model, _ = build(name, "silver", SEEDS[0], silver().train)
        load_weights(weights_of("silver", name, SEEDS[0], lr), model)
        tagged = [tag(model, text) for text in OURS]
        words = [[word for word, _ in sentence] for sentence in tagged]
        rows[name] = {str(i): [mark for _, mark in sentence] for i, sentence in enumerate(tagged)}
    result = {"texts": list(OURS), "words": words, "tags": rows}
    record_run(RESULTS, "frames", "1", result=result, seed=1, command="python -m runs.tagger frames")


def main() -> None:
    names = sys.argv[1:]
    jobs = {"baselines": baselines, "frames": frames}
    unknown = [name for name in names if name not in jobs and name.removeprefix("wikigold/") not in MODELS]
    if unknown or not names:
        sys.exit(
            f"name is {', '.join(unknown) or 'missing'}; it should be some of {', '.join([*jobs, *MODELS])}, "
            "the last ones also with wikigold/ before them."
        )
    for name in names:
        if name in jobs:
            jobs[name]()
        else:
            all_seeds(name)


if __name__ == "__main__":
    main()
