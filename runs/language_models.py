"""How good language models become: the long runs of chapters 5 to 7.

    python -m runs.language_models NAME [NAME ...]

trains each model, and adds what it measured to data/results/language_models.json. The models of the Penn
Treebank are judged on its test text. ``reviews`` learns the film reviews; its weights are kept as
data/language_model_reviews.npz.

NAME+cache measures a trained model of the Penn Treebank once more, with a continuous cache, whose settings
are chosen on the validation text.

A run that was stopped, in whatever way, goes on from its last checkpoint when the same command is given
again. Checkpoints and the best weights so far are in data/cache/language_models.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from common.batches import InOrder
from common.book.results import record_run
from common.checkpoints import keep_best
from common.datasets import load_ptb, review_texts
from common.layers import GRU, LSTM, RNN, count_parameters
from common.metrics import perplexity
from common.models.cache import cache_perplexity
from common.models.language_model import LanguageModel
from common.models.pretrained import REVIEWS_WEIGHTS
from common.optimizers import SGD
from common.schedules import cut_short, linear_decay
from common.text import Vocabulary
from common.training import Trainer
from common.weights import load_weights, save_weights
from runs import leave_if_stopped

RESULTS = "language_models"
KEPT = Path(__file__).resolve().parent.parent / "data" / "cache" / "language_models"
SEED, T = 1, 35
LAYERS = {"RNN": RNN, "LSTM": LSTM, "GRU": GRU}

# The learning rate stays for the first part (the share "constant") of the updates that are planned,
# and then falls to 0. After the pass "cut" it falls so fast that it is there at the end.
DEEP = {"layer": "LSTM", "H": 200, "depth": 2, "dropout": 0.3, "variational": True, "tied": True}
DEEP |= {"N": 10, "epochs": 5, "lr": 14.0, "constant": 0.3}
SMALL = {"H": 100, "N": 20, "epochs": 4, "lr": 20.0, "constant": 0.5}
BETTER = DEEP | {"H": 650, "dropout": 0.5, "N": 20, "lr": 20.0}
# Until pass 12, "better" and "brief" are one run; until pass 27, "better" and "shorter" are.
RUNS: dict[str, dict[str, Any]] = {
    "small-rnn": SMALL | {"layer": "RNN", "lr": 5.0},
    "small-gru": SMALL | {"layer": "GRU"},
    "small-lstm": SMALL | {"layer": "LSTM"},
    "deep": DEEP,
    "better": BETTER | {"epochs": 40, "constant": 0.3},
    "shorter": BETTER | {"epochs": 31, "constant": 0.3, "planned": 40, "cut": 27},
    "brief": BETTER | {"epochs": 15, "constant": 0.8},
    "reviews": DEEP | {"dropout": 0.1, "epochs": 1, "N": 20, "lr": 20.0},
}
CACHES = [(theta, weight) for theta in (0.3, 0.6, 1.0) for weight in (0.1, 0.2)]


def penn_treebank() -> tuple[Vocabulary, list[np.ndarray]]:
    """The vocabulary, and the ids of the texts to train, to validate and to test."""
    texts = [load_ptb(part) for part in ("train", "valid", "test")]
    vocabulary = Vocabulary.from_tokens(texts[0], unknown="<unk>")
    return vocabulary, [np.array(vocabulary.encode(text)) for text in texts]


def build(V: int, settings: dict[str, Any], rng: np.random.Generator) -> LanguageModel:
    """The model that the settings of a run describe."""
    names = ("depth", "dropout", "variational", "tied")
    options = {name: settings[name] for name in names if name in settings}
    return LanguageModel(V, settings["H"], settings["H"], rng, LAYERS[settings["layer"]], **options)


def train(name: str) -> dict[str, Any]:
    """Train the model of a run, or go on with it; return what was measured."""
    settings = RUNS[name]
    vocabulary, (text, valid, test) = review_texts() if name == "reviews" else penn_treebank()
    rng = np.random.default_rng(SEED)
    model = build(len(vocabulary), settings, rng)
    N, epochs, lr = settings["N"], settings["epochs"], settings["lr"]
    blocks = InOrder(text, N, T)
    schedule = linear_decay(lr, settings.get("planned", epochs) * len(blocks), settings["constant"])
    if "cut" in settings:
        schedule = cut_short(schedule, settings["cut"] * len(blocks), epochs * len(blocks))
    trainer = Trainer(model, SGD(lr), rng, max_grad_norm=0.25, schedule=schedule)
    KEPT.mkdir(parents=True, exist_ok=True)
    weights = KEPT / f"{name}.npz"
    measure = keep_best(lambda: perplexity(model, valid, N, T), "perplexities", weights)
    begin = time.perf_counter()

    def after_epoch(trainer: Trainer) -> None:
        nonlocal begin
        measure(trainer)
        now = time.perf_counter()
        trainer.notes["seconds"] = trainer.notes.get("seconds", 0) + now - begin
        begin = now
        report = f"{name} epoch {trainer.epoch}: {np.exp(trainer.epoch_losses[-1]):.1f}"
        report += f", valid {trainer.notes['perplexities'][-1]:.2f}"
        print(f"{report}, {trainer.notes['seconds']:.0f} s", flush=True)

    checkpoint = KEPT / f"{name}.checkpoint.npz"
    trainer.fit(blocks, epochs, checkpoint, checkpoint_every=200, on_epoch=after_epoch)
    leave_if_stopped(trainer, epochs)  # the same command goes on
    load_weights(weights, model)
    if name == "reviews":
        save_weights(REVIEWS_WEIGHTS, model, "float16", vocabulary)
        load_weights(REVIEWS_WEIGHTS, model)  # what is measured is what is kept
    return {
        "settings": settings,
        "parameters": count_parameters(model),
        "train_perplexity": [float(np.exp(loss)) for loss in trainer.epoch_losses],
        "valid_perplexity": trainer.notes["perplexities"],
        "test_perplexity": perplexity(model, test),
        "seconds": trainer.notes["seconds"],
    }


def with_cache(name: str) -> dict[str, Any]:
    """Measure a trained model with a cache of 2,000 states, its settings chosen on the validation text."""
    settings = RUNS[name]
    vocabulary, (_, valid, test) = penn_treebank()
    model = build(len(vocabulary), settings, np.random.default_rng(SEED))
    load_weights(KEPT / f"{name}.npz", model)
    begin = time.perf_counter()
    tried = {}
    for theta, weight in CACHES:
        tried[theta, weight] = cache_perplexity(model, valid, 2000, theta, weight)
        print(f"theta {theta}, weight {weight}: {tried[theta, weight]:.2f}", flush=True)
    theta, weight = min(tried, key=tried.get)
    return {
        "settings": settings | {"size": 2000, "theta": theta, "weight": weight},
        "parameters": count_parameters(model),
        "train_perplexity": [],
        "valid_perplexity": [tried[theta, weight]],
        "test_perplexity": cache_perplexity(model, test, 2000, theta, weight),
        "seconds": time.perf_counter() - begin,
    }


def main() -> None:
    unknown = [name for name in sys.argv[1:] if name.removesuffix("+cache") not in RUNS]
    if unknown or len(sys.argv) == 1:
        sys.exit(f"name is {', '.join(unknown) or 'missing'}; it should be one of {', '.join(RUNS)}.")
    for name in sys.argv[1:]:
        plain = name.removesuffix("+cache")
        result = train(name) if plain == name else with_cache(plain)
        command = f"python -m runs.language_models {name}"
        record_run(RESULTS, name, result=result, seed=SEED, command=command)
        print(f"{name} test {result['test_perplexity']:.2f}", flush=True)


if __name__ == "__main__":
    main()
