"""A GPT beside an LSTM with as many weights: the long runs of chapter 10.

    python -m runs.gpt NAME [SEED ...]

trains a model, and adds what it measured to data/results/gpt.json; the seed is 1 if none is given.

``gpt-2m`` and ``lstm-2m`` read the film reviews as subwords, in the same order, for the same seconds of a
processor. ``gpt-10m`` and ``lstm-10m`` are larger, and take hours; ``gpt-0.3m``, ``gpt-0.6m`` and
``gpt-1.3m`` are smaller. ``gpt-ptb`` reads the words of the Penn Treebank, ten times.

``gpt-2m@0.004``, ``lstm-10m@0.0047`` and others like them are short: a tenth of the steps, to compare
learning rates. What is best in a short run may be too much in a long one, so ``gpt-2m:0.008`` and others like
it take all the steps: the best of the short runs, and lower rates, are compared again.

``gpt-10m+`` and others like it read on where ``gpt-10m`` ended: half of the reviews once more, with a rate
that rises and falls again.

``gpt-2m-alibi`` and others like it have scores of attention that sink with distance, and else the same first
weights and the same texts as ``gpt-2m``.

``weights`` stores the best weights of ``gpt-2m`` so far as data/gpt_reviews.npz. ``contexts`` asks what the
two of two million weights make of what they have read: how many bits a token costs them, by how much stands
before it; ``contexts-10m`` asks the larger two. ``gpt-10m-alibi-so-far`` records what that run, which takes
hours, has measured until now.

A run that was stopped, in whatever way, goes on from its last checkpoint when the same command is given
again. Checkpoints and the best weights so far are in data/cache/gpt.
"""

from __future__ import annotations

import json
import sys
import time
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from common.backend import Array
from common.batches import Batches, InOrder
from common.book.results import record_run
from common.datasets import load_ptb, load_reviews
from common.datasets.reviews import review_parts
from common.functions import log_softmax
from common.layers import LSTM, Layer, count_parameters
from common.layers.base import evaluating, walk
from common.metrics import bits_per_character, perplexity
from common.models.gpt import gpt
from common.models.language_model import LanguageModel
from common.models.pretrained import GPT_WEIGHTS
from common.optimizers import AdamW
from common.schedules import cosine
from common.support.files import read_npz
from common.text import Vocabulary
from common.text.subwords import END_OF_TEXT, Subwords
from common.training import Trainer
from common.weights import load_weights, save_weights
from runs import leave_if_stopped

RESULTS = "gpt"
KEPT = Path(__file__).resolve().parent.parent / "data" / "cache" / "gpt"
MERGES = 8000

# A batch has N strands of T words. A pass over the reviews is some 3,960 batches of 16 times 128.
REVIEWS = {"text": "reviews", "N": 16, "T": 128, "steps": 3960, "every": 360, "rise": 100, "decay": 0.1}
GPT_2M = REVIEWS | {"model": "gpt", "D": 128, "depth": 4, "heads": 4, "lr": 4e-3}  # the best of whole runs
LSTM_2M = REVIEWS | {"model": "LSTM", "D": 168, "depth": 2, "lr": 1.6e-2}
LONG = {"N": 8, "T": 256, "every": 1320}  # a pass as well, of longer blocks: about two hours
PTB = {"text": "ptb", "dropout": 0.3, "steps": 4550, "every": 455}  # ten passes
SMALLER = {"gpt-0.3m": (32, 2), "gpt-0.6m": (64, 2), "gpt-1.3m": (96, 4)}  # D and depth


def wide(settings: dict[str, Any], D: int) -> dict[str, Any]:
    """The settings for another width: the rate goes with ``1 / D``. A step of Adam moves each of D weights of
    a sum by about one rate: the sum by about D rates. That should stay the same."""
    return settings | {"D": D, "lr": float(f"{settings['lr'] * settings['D'] / D:.2g}")}


RUNS: dict[str, dict[str, Any]] = {
    "gpt-2m": GPT_2M,
    "lstm-2m": LSTM_2M | {"steps": 4740},  # in the seconds of gpt-2m
    "gpt-10m": wide(GPT_2M, 320) | {"depth": 6, "heads": 8} | LONG,
    "lstm-10m": wide(LSTM_2M, 576) | LONG,
    "gpt-ptb": wide(GPT_2M, 160) | {"depth": 3} | PTB,
} | {name: wide(GPT_2M, D) | {"depth": depth, "heads": D // 32} for name, (D, depth) in SMALLER.items()}

SMALL_RATES = (0.002, 0.004, 0.008, 0.016, 0.032, 0.064)
RATES = {
    "gpt-0.3m": (0.004, 0.008, 0.016, 0.032),
    "gpt-2m": SMALL_RATES,
    "lstm-2m": SMALL_RATES,
    "gpt-10m": (0.0004, 0.0008, 0.0016, 0.0032, 0.0064),
    "lstm-10m": (0.0012, 0.0024, 0.0047, 0.0094, 0.019),
}
RUNS |= {
    f"{name}{kind}{rate}": RUNS[name] | {"lr": rate} | steps
    for name, rates in RATES.items()
    for kind, steps in {":": {}, "@": {"steps": 400, "every": 200}}.items()
    for rate in rates
}
AGAIN = ("gpt-2m", "lstm-2m", "gpt-10m", "lstm-10m")
RUNS |= {f"{name}-alibi": RUNS[name] | {"alibi": True} for name in ("gpt-2m", "gpt-10m", "gpt-ptb")}
RUNS |= {f"{name}+": RUNS[name] | {"from": name, "steps": 1980, "every": 660} for name in AGAIN}


# ---- texts


@cache
def texts(name: str) -> tuple[Vocabulary | Subwords, list[np.ndarray], list[int]]:
    """Vocabulary, ids of the texts to train, to validate and to test, and how many characters each has."""
    if name == "ptb":
        parts = [load_ptb(part) for part in ("train", "valid", "test")]
        words = Vocabulary.from_tokens(parts[0], unknown="<unk>")
        ids = [np.array(words.encode(part)) for part in parts]
        return words, ids, [sum(map(len, part)) + len(part) for part in parts]
    return subword_texts([part.texts for part in review_parts(load_reviews())])


def subword_texts(parts: list[list[str]]) -> tuple[Subwords, list[np.ndarray], list[int]]:
    """Texts as subwords that the first part has taught; what is held out is taken out of it, wherever it
    occurs again."""
    held_out = {text for part in parts[1:] for text in part}
    parts = [[text for text in parts[0] if text not in held_out], *parts[1:]]
    subwords = Subwords.learn(parts[0], MERGES, special=[END_OF_TEXT])
    ids = [subwords.encode_texts(part, end=END_OF_TEXT)[0] for part in parts]
    return subwords, ids, [sum(map(len, part)) for part in parts]


class Steps(Batches):
    """A text in reading order, from the beginning again when it ends, for so many steps: one long epoch."""

    def __init__(self, text: Array, N: int, T: int, steps: int) -> None:
        self.pass_, self.steps = InOrder(text, N, T), steps
        self.largest_loss = self.pass_.largest_loss

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, i: int) -> tuple[Array, ...]:
        return self.pass_[i % (len(self.pass_) - 1)]  # all but the last, which is shorter

    def begin_epoch(self, model: Layer, rng: np.random.Generator) -> None:
        self.pass_.begin_epoch(model, rng)

    def about(self) -> dict[str, Any]:
        return {**self.pass_.about(), "steps": self.steps}


# ---- one run


def build(V: int, settings: dict[str, Any], rng: np.random.Generator) -> Any:
    """The model that the settings of a run describe."""
    D, depth, dropout = settings["D"], settings["depth"], settings.get("dropout", 0.0)
    if settings["model"] == "gpt":
        alibi = settings.get("alibi", False)
        return gpt(V, D, settings["T"], rng, depth, settings["heads"], dropout, alibi=alibi)
    return LanguageModel(V, D, D, rng, LSTM, depth=depth, dropout=dropout, tied=True)


def judge(model: Layer, settings: dict[str, Any], part: int) -> float:
    """Bits per character of the reviews, or the perplexity of the Penn Treebank; part 1 is validation, part 2
    test."""
    _, ids, characters = texts(settings["text"])
    # A strand that begins in the middle of a word can lead the state of an LSTM to where it never comes back
    # from. The test text is one strand for it; it does not matter to a GPT, which begins every window anew.
    strands = 1 if part == 2 and settings["model"] == "LSTM" else 16
    if settings["text"] == "ptb":
        return perplexity(model, ids[part], strands, settings["T"])
    return bits_per_character(model, ids[part], characters[part], strands, settings["T"])


def train(name: str, seed: int) -> dict[str, Any]:
    """Train the model of a run, or go on with it; return what was measured."""
    settings = RUNS[name]
    vocabulary, ids, _ = texts(settings["text"])
    rng = np.random.default_rng(seed)
    model = build(len(vocabulary), settings, rng)
    steps, every = settings["steps"], settings["every"]
    if "from" in settings:
        load_weights(file_of(settings["from"], seed), model)
    batches = Steps(ids[0], settings["N"], settings["T"], steps)
    schedule = cosine(settings["lr"], steps, settings["rise"], lowest=0.1)
    optimizer = AdamW(settings["lr"], beta2=0.99, weight_decay=settings["decay"])
    KEPT.mkdir(parents=True, exist_ok=True)
    weights = KEPT / f"{name}.{seed}.npz"
    begin = time.process_time()

    def after_step(trainer: Trainer) -> None:
        nonlocal begin
        notes, step = trainer.notes, len(trainer.history)
        notes["seconds"] = notes.get("seconds", 0) + time.process_time() - begin  # of the processor
        if step % every == 0 or step == steps:
            values = notes.setdefault("valid", [])
            values.append(judge(model, settings, 1))
            if values[-1] == min(values):
                save_weights(weights, model)
                notes["best"] = {"step": step, "seconds": notes["seconds"]}
            loss = np.mean(trainer.history[-every:])
            print(
                f"{name} {seed}: step {step}, loss {loss:.3f}, valid {values[-1]:.4f}, "
                f"{notes['seconds']:.0f} s",
                flush=True,
            )
        begin = time.process_time()

    trainer = Trainer(model, optimizer, rng, max_grad_norm=1.0, schedule=schedule, after_step=after_step)
    trainer.fit(batches, 1, KEPT / f"{name}.{seed}.checkpoint.npz", checkpoint_every=90)
    leave_if_stopped(trainer, 1)  # the same command goes on
    load_weights(weights, model)
    losses = np.array(trainer.history)
    return {
        "settings": settings,
        "measure": "perplexity" if settings["text"] == "ptb" else "bits per character",
        "parameters": count_parameters(model),
        "words": steps * settings["N"] * settings["T"],
        "words_of_a_pass": len(ids[0]),
        "train_loss": [float(part.mean()) for part in np.split(losses, range(every, steps, every))],
        "valid": trainer.notes["valid"],
        "best": trainer.notes["best"],
        "test": judge(model, settings, 2),
        "seconds": trainer.notes["seconds"],
    }


def so_far(name: str, seed: int) -> dict[str, Any]:
    """What a run that has not ended had measured at its last checkpoint."""
    notes, losses = last_checkpoint(name, seed)
    every = RUNS[name]["every"]
    parts = [losses[end - every : end] for end in range(every, len(losses) + 1, every)]
    return {
        "settings": RUNS[name],
        "steps": len(losses),
        "train_loss": [float(part.mean()) for part in parts],
        "valid": notes.get("valid", []),
        "seconds": notes["seconds"],
    }


def last_checkpoint(name: str, seed: int) -> tuple[dict[str, Any], np.ndarray]:
    """The notes of a run, and the loss of each of its steps, at its last checkpoint."""
    checkpoint = read_npz(file_of(name, seed, ".checkpoint"))
    return json.loads(str(checkpoint["about"]))["notes"], checkpoint["history"]


def file_of(name: str, seed: int, kind: str = "") -> Path:
    """A file that a run has kept: its best weights, or what else ``kind`` names."""
    path = KEPT / f"{name}.{seed}{kind}.npz"
    if not path.exists():
        sys.exit(f"{path.name} is missing: python -m runs.gpt {name} {seed} comes first.")
    return path


def store_weights(seed: int) -> dict[str, Any]:
    """Half-precision weights of ``gpt-2m``, the best until now, with the subwords; and how good they are."""
    settings = RUNS["gpt-2m"]
    vocabulary, _, _ = texts("reviews")
    model = build(len(vocabulary), settings, np.random.default_rng(seed))
    load_weights(file_of("gpt-2m", seed), model)
    save_weights(GPT_WEIGHTS, model, "float16", vocabulary)
    load_weights(GPT_WEIGHTS, model)  # what is measured is what is stored
    notes, _ = last_checkpoint("gpt-2m", seed)
    return {
        "settings": settings,
        "parameters": count_parameters(model),
        "best": notes["best"],
        "valid": judge(model, settings, 1),
        "test": judge(model, settings, 2),
    }


def bits_of_tokens(model: Any, ids: Array, T: int, begin_anew: bool) -> np.ndarray:
    """What each token of a text costs, in bits, (blocks, T): read in blocks of T, by one that carries its
    state on, if it has one, or in every block begins anew."""
    blocks = (len(ids) - 1) // T
    x, t = ids[: blocks * T].reshape(blocks, T), ids[1 : blocks * T + 1].reshape(blocks, T)
    found = []
    with evaluating(model):
        for k in range(blocks):
            for _, layer in walk(model) if begin_anew else ():
                layer.reset_state()
            log_p = log_softmax(model.predict(x[k : k + 1])[0])
            found.append(-np.take_along_axis(log_p, t[k, :, np.newaxis], axis=1)[:, 0] / np.log(2))
    return np.array(found)


def contexts(seed: int, size: str = "2m") -> dict[str, Any]:
    """Bits a token of the test reviews, by how many tokens of its block stand before the last one that was
    read: where these are 0, one has been read.

    A GPT sees its block and no more. The LSTM is measured twice, on the same tokens: with the state that all
    of the text has left, and with a state that is zero where the block begins, as little as the GPT has."""
    vocabulary, ids, _ = texts("reviews")
    T = RUNS[f"gpt-{size}"]["T"]
    starts = [0, *(2**i for i in range(T.bit_length() - 1))]  # 0, 1, 2, 4, 8, ... below T
    models = {"GPT": "gpt", "LSTM, its block": "lstm", "LSTM, all the text": "lstm"}
    rows = {}
    for label, kind in models.items():
        name = f"{kind}-{size}"
        model = build(len(vocabulary), RUNS[name], np.random.default_rng(seed))
        load_weights(file_of(name, seed), model)
        bits = bits_of_tokens(model, ids[2], T, begin_anew=label != "LSTM, all the text")
        parts = [float(part.mean()) for part in np.split(bits, starts[1:], axis=1)]
        rows[label] = {"by_tokens_before": parts, "mean": float(bits.mean())}
    return {"tokens_before": starts, "bits": rows}


def main() -> None:
    name, *seeds = sys.argv[1:] or [""]
    measures = {"weights": store_weights, "contexts": contexts, "contexts-10m": partial(contexts, size="10m")}
    measures["gpt-10m-alibi-so-far"] = partial(so_far, "gpt-10m-alibi")
    if name not in (*RUNS, *measures):
        known = ", ".join([*measures, *RUNS])
        sys.exit(f"name is {name or 'missing'}; it should be one of {known}.")
    if not all(seed.isdecimal() for seed in seeds):
        sys.exit(f"the seeds are {' '.join(seeds)}; they should be whole numbers.")
    for seed in map(int, seeds or ["1"]):
        result = measures.get(name, partial(train, name))(seed)
        command = f"python -m runs.gpt {name} {seed}"
        record_run(RESULTS, name, str(seed), result=result, seed=seed, command=command)
        if "test" in result:
            print(f"{name} {seed}: test {result['test']:.4f}", flush=True)


if __name__ == "__main__":
    main()
