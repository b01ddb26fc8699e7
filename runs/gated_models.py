"""Chapter 6's small comparisons, with several seeds: RNN, GRU and LSTM, and what each improvement gives.

    python -m runs.gated_models NAME [NAME ...]

trains the models of a comparison, or with NAME/MODEL one of them, on the slice of the film reviews that
chapter 6 reads at quick scale, and adds what it measured to data/results/gated_models.json. A model's
perplexities stand there in the order of its seeds.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import numpy as np

from common.batches import InOrder
from common.book.results import record_run
from common.datasets import load_reviews
from common.layers import count_parameters
from common.metrics import perplexity
from common.optimizers import SGD
from common.schedules import linear_decay
from common.training import Trainer
from runs import leave_if_stopped
from runs.language_models import build

RESULTS = "gated_models"
SEEDS, T = (1, 2, 3), 35

BRIEF = {"H": 100, "N": 20, "epochs": 3, "lr": 20.0, "layer": "LSTM"}
FULL = BRIEF | {"epochs": 10, "dropout": 0.3, "variational": True, "tied": True}
PLAIN = {"dropout": 0.0, "variational": False, "tied": False}
COMPARISONS: dict[str, dict[str, dict[str, Any]]] = {
    "layers": {
        "RNN": BRIEF | {"layer": "RNN", "lr": 5.0},
        "GRU": BRIEF | {"layer": "GRU"},
        "LSTM": BRIEF,
    },
    # With one seed, and judged by the validation text alone: does each layer have a rate that suits it?
    "rates": {
        f"{layer} {lr}": BRIEF | {"layer": layer, "lr": lr, "seeds": (1,)}
        for layer, rates in {"RNN": (2.5, 5.0, 10.0, 20.0), "GRU": (10.0, 40.0), "LSTM": (10.0, 40.0)}.items()
        for lr in rates
    },
    "ablation": {
        "all": FULL,
        "no dropout": FULL | {"dropout": 0.0, "variational": False},
        "not variational": FULL | {"variational": False},
        "not tied": FULL | {"tied": False},
        "none": FULL | PLAIN,
        "none, 6 passes": FULL | PLAIN | {"epochs": 6},  # ended before it has learned its text by heart
        "two layers": FULL | {"depth": 2},
    },
}


def slice_of_reviews() -> tuple[int, list[np.ndarray]]:
    """The number of words that are known, and the ids of the texts to train, to validate and to test."""
    reviews = load_reviews()
    order = np.random.default_rng(1984).permutation(len(reviews))
    vocabulary = reviews.vocabulary(1, max_size=3000, unknown="<unk>", specials=["<eos>"])
    text, _ = reviews[order[:800]].encode(vocabulary, end="<eos>")
    return len(vocabulary), np.split(text[:140_000], [100_000, 120_000])


def train(settings: dict[str, Any], V: int, texts: list[np.ndarray], seed: int) -> dict[str, float]:
    """Train one model; return its perplexities."""
    text, valid, test = texts
    rng = np.random.default_rng(seed)
    model = build(V, settings, rng)
    N, epochs, lr = settings["N"], settings["epochs"], settings["lr"]
    blocks = InOrder(text, N, T)
    schedule = linear_decay(lr, epochs * len(blocks), 0.3)
    trainer = Trainer(model, SGD(lr), rng, max_grad_norm=0.25, schedule=schedule)
    trainer.fit(blocks, epochs)
    leave_if_stopped(trainer, epochs)
    return {
        "train_perplexity": perplexity(model, text, N),  # with nothing dropped
        "valid_perplexity": perplexity(model, valid),
        "test_perplexity": perplexity(model, test),
    }


def compare(name: str, label: str, V: int, texts: list[np.ndarray]) -> None:
    """Train one model of a comparison with each seed, and record what was measured."""
    settings = COMPARISONS[name][label]
    begin, result = time.process_time(), {"settings": settings}
    result["parameters"] = count_parameters(build(V, settings, np.random.default_rng(SEEDS[0])))
    for seed in settings.get("seeds", SEEDS):
        try:
            values = train(settings, V, texts, seed)
        except FloatingPointError:  # the loss exploded
            values = dict.fromkeys(("train_perplexity", "valid_perplexity", "test_perplexity"))
        print(f"{name}/{label}, seed {seed}: {values}", flush=True)
        for key, value in values.items():
            result.setdefault(key, []).append(value)
    result["seconds"] = time.process_time() - begin
    command = f"python -m runs.gated_models '{name}/{label}'"
    record_run(RESULTS, name, label, result=result, seed=SEEDS[0], command=command)


def main() -> None:
    every = {name: [(name, label) for label in labels] for name, labels in COMPARISONS.items()}
    every |= {f"{name}/{label}": [(name, label)] for name, labels in COMPARISONS.items() for label in labels}
    unknown = [name for name in sys.argv[1:] if name not in every]
    if unknown or len(sys.argv) == 1:
        wrong = ", ".join(unknown) or "missing"
        sys.exit(f"name is {wrong}; it should be one of {', '.join(every)}.")
    V, texts = slice_of_reviews()
    for name in sys.argv[1:]:
        for comparison, label in every[name]:
            compare(comparison, label, V, texts)


if __name__ == "__main__":
    main()
