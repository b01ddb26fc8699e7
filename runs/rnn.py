"""What chapter 5 says of its recurrent network, over seeds: against fixed windows, and fed in other ways.

    python -m runs.rnn NAME:SEED ...

trains one network after the other, and adds what it measured to data/results/rnn.json. The name together,
without a seed, measures what two models are worth together, and recall the text of letters and dots.

Names: rnn, the network of the chapter; window-5, the same network with a window of five words in place of
the recurrence; reset and shuffled, the RNN when its state is set to zero before each
block, and when the blocks are read in a random order. All read the same words three times, 200 between two
updates, with the same optimizer and the same learning rates. The probabilities that a run gives to the test
text are kept in data/cache/rnn.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from common.backend import Array
from common.batches import Batches, InOrder, Shuffled, block, count_blocks, strands, whole_text
from common.book.results import record_run
from common.datasets import load_reviews
from common.functions import exp_of_mean, log_softmax
from common.initializers import gaussian, xavier, zeros
from common.layers import RNN, Affine, AffineSoftmaxWithLoss, Embedding, Layer, Model, Tanh, evaluating, walk
from common.models.language_model import LanguageModel
from common.models.ngram import NGram
from common.optimizers import Adam
from common.schedules import linear_decay
from common.text import Vocabulary
from common.training import Trainer, train_step
from runs import leave_if_stopped

NAME = "rnn"
KEPT = Path(__file__).resolve().parent.parent / "data" / "cache" / NAME
D, H, N, T, EPOCHS, LR = 100, 100, 10, 20, 3, 0.003
RECALL_SEEDS, RECALL_BLOCKS = (0, 1, 2), (3, 4, 5, 6, 8, 12, 24)
FEEDINGS = ("in reading order", "blocks shuffled", "state reset")
OPENINGS = ["one of the", "i don ' t", "this movie", "at the end", "he doesn ' t", "a waste of"]


def texts() -> tuple[Vocabulary, list[np.ndarray]]:
    """The vocabulary and the three texts of chapter 5: 1,500, 100 and 100 film reviews."""
    reviews = load_reviews()
    order = np.random.default_rng(1984).permutation(len(reviews))
    parts = [reviews[order[a:b]] for a, b in [(200, 1700), (0, 100), (100, 200)]]
    words = parts[0].vocabulary(1, max_size=4000, unknown="<unk>", specials=["<eos>"])
    return words, [part.encode(words, end="<eos>")[0] for part in parts]


class Window(Model):
    """The last m words, their vectors side by side, a hidden layer, and scores [Bengio2003]_."""

    def __init__(self, V: int, m: int, rng: np.random.Generator) -> None:
        self.embedding = Embedding(gaussian(rng, V, D, scale=0.1))
        self.hidden, self.tanh = Affine(xavier(rng, m * D, H), zeros(H)), Tanh()
        self.output = AffineSoftmaxWithLoss(xavier(rng, H, V), zeros(V))

    def states(self, contexts: Array) -> Array:
        vectors = self.embedding.forward(contexts)  # (N, m, D)
        self.shape = vectors.shape
        return self.tanh.forward(self.hidden.forward(vectors.reshape(len(vectors), -1)))  # (N, H)

    def predict(self, contexts: Array) -> Array:
        return self.output.scores(self.states(contexts))

    def forward(self, contexts: Array, targets: Array) -> Array:
        return self.output.forward(self.states(contexts), targets)

    def backward(self, dout: float = 1) -> None:
        dx = self.hidden.backward(self.tanh.backward(self.output.backward(dout)))
        self.embedding.backward(dx.reshape(self.shape))


Network = LanguageModel | Window


class Reset(InOrder):
    """Blocks in reading order, each of them begun at state zero."""

    def begin_epoch(self, model: Layer, rng: np.random.Generator) -> None:
        self.model = model

    def __getitem__(self, i: int) -> tuple[Array, Array]:
        for _, layer in walk(self.model):
            layer.reset_state()
        return super().__getitem__(i)


class OutOfOrder(InOrder):
    """Blocks in a random order; the state goes from each to the one that happens to be read next."""

    def begin_epoch(self, model: Layer, rng: np.random.Generator) -> None:
        super().begin_epoch(model, rng)
        self.order = rng.permutation(len(self))

    def __getitem__(self, i: int) -> tuple[Array, Array]:
        return super().__getitem__(int(self.order[i]))


def contexts(ids: np.ndarray, m: int, eos: int) -> tuple[np.ndarray, np.ndarray]:
    """The m words before each word of a text but the first, and the word."""
    padded = np.concatenate([np.full(m - 1, eos, ids.dtype), ids])
    return sliding_window_view(padded, m)[:-1].copy(), ids[1:]


def right_ones(scores: Array, targets: Array) -> np.ndarray:
    """The log probability of each word that came."""
    return np.take_along_axis(log_softmax(scores), targets[..., None], axis=-1).ravel()


def read_whole(model: Network, ids: np.ndarray) -> np.ndarray:
    """log p of each word but the first; the text is one strand."""
    with evaluating(model):
        return np.concatenate([right_ones(model.predict(x), t) for x, t, _ in whole_text(ids, 1, 500)])


def read_in_pieces(model: Network, ids: np.ndarray, length: int) -> np.ndarray:
    """The same, when the state is set to zero after every ``length`` words."""
    xs, ts = strands(ids, (len(ids) - 1) // length)
    with evaluating(model):
        return right_ones(model.predict(xs), ts)


def read_windows(model: Network, ids: np.ndarray, m: int, eos: int) -> np.ndarray:
    """log p of each word but the first, from the m words before it."""
    x, t = contexts(ids, m, eos)
    parts = range(0, len(t), 500)
    return np.concatenate([right_ones(model.predict(x[i : i + 500]), t[i : i + 500]) for i in parts])


def perplexity_of(log_p: np.ndarray) -> float:
    return exp_of_mean(-float(log_p.sum()), len(log_p))


def guesses(model: Network, words: Vocabulary) -> dict[str, list[str]]:
    """The three most probable words after some beginnings, unknown words left out."""
    found = {}
    for text in OPENINGS:
        with evaluating(model):
            scores = model.predict(np.array([words.encode(text.split())]))[0, -1]
        scores[words["<unk>"]] = -np.inf
        found[text] = list(words.decode(np.argsort(-scores)[:3]))
    return found


def train(name: str, seed: int) -> dict[str, Any]:
    """Train one network and judge it."""
    words, (text, valid, test) = texts()
    V, eos = len(words), words["<eos>"]
    rng = np.random.default_rng(seed)
    feed: Batches
    model: Network
    read: Callable[[Network, np.ndarray], np.ndarray]
    if name.startswith("window-"):
        m = int(name.removeprefix("window-"))
        model = Window(V, m, rng)
        feed = Shuffled(*contexts(text, m, eos), N * T)
        read = partial(read_windows, m=m, eos=eos)
    else:
        model = LanguageModel(V, D, H, rng, layer=RNN)
        feed = {"rnn": InOrder, "reset": Reset, "shuffled": OutOfOrder}[name](text, N, T)
        read = read_whole
    schedule = linear_decay(LR, EPOCHS * len(feed), constant=0.3)
    trainer = Trainer(model, Adam(LR), np.random.default_rng(seed), max_grad_norm=5, schedule=schedule)
    began, curve = time.process_time(), []
    trainer.fit(feed, EPOCHS, on_epoch=lambda _: curve.append(perplexity_of(read(model, valid))))
    leave_if_stopped(trainer, EPOCHS)
    log_p = read(model, test)
    KEPT.mkdir(parents=True, exist_ok=True)
    np.save(KEPT / f"{name}-{seed}.npy", log_p)
    result = {
        "test_perplexity": perplexity_of(log_p),
        "valid_perplexity": curve,
        "train_perplexity": [float(np.exp(loss)) for loss in trainer.epoch_losses],
        "seconds": time.process_time() - began,
    }
    if not name.startswith("window-"):
        pieces = {str(length): perplexity_of(read_in_pieces(model, test, length)) for length in (10, 20)}
        result |= {"in_pieces": pieces}
    if name == "rnn":
        result |= {"guesses": guesses(model, words)}
    return result


def together() -> dict[str, Any]:
    """Test perplexities of two models, half and half: pairs of RNNs, and each RNN with counts."""
    words, (text, _, test) = texts()
    counts = {n: NGram(text, len(words), n).log_probabilities(test) for n in (3, 4, 5)}
    kept = {path.stem.removeprefix("rnn-"): np.load(path) for path in sorted(KEPT.glob("rnn-*.npy"))}

    def half(a: np.ndarray, b: np.ndarray) -> float:
        return perplexity_of(np.logaddexp(a, b) + np.log(0.5))

    return {
        "alone": {seed: perplexity_of(log_p) for seed, log_p in kept.items()},
        "two_rnns": {f"{a} and {b}": half(kept[a], kept[b]) for a, b in combinations(kept, 2)},
        "rnn_and_counts": {seed: half(log_p, counts[5]) for seed, log_p in kept.items()},
        "counts": perplexity_of(counts[5]),
        "two_counts": {f"{n} and 5": half(counts[n], counts[5]) for n in (3, 4)},
    }


# ---- the text of letters and dots


def recall_text(lines: int, rng: np.random.Generator) -> np.ndarray:
    """Lines of six symbols: a letter (1 to 4), four dots (0), the same letter."""
    text = np.zeros((lines, 6), dtype=int)
    text[:, 0] = text[:, 5] = rng.integers(1, 5, size=lines)
    return text.ravel()


def train_recall(feeding: str, T: int, seed: int, epochs: int = 14, N: int = 20) -> LanguageModel:
    """As in the chapter, whose network has the same weights to begin with."""
    rng = np.random.default_rng(seed)
    xs, ts = strands(recall_text(2000, rng), N)
    model, optimizer = LanguageModel(5, 8, 20, rng, layer=RNN), Adam(lr=0.01)
    rnn = model.layers[0]
    for _ in range(epochs):
        rnn.reset_state()
        order = np.arange(count_blocks(xs, T))
        if feeding == "blocks shuffled":
            rng.shuffle(order)
        for k in order:
            if feeding == "state reset":
                rnn.reset_state()
            train_step(model, optimizer, *block(xs, ts, T, int(k)), max_norm=5)
    return model


def recalled(model: LanguageModel) -> float:
    """Share of right answers where the letter is asked for, on a new text."""
    text = recall_text(300, np.random.default_rng(100))
    with evaluating(model):
        guess = model.predict(text[np.newaxis, :-1])[0].argmax(axis=1)
    asked = np.arange(4, len(guess), 6)
    return float((guess[asked] == text[asked + 1]).mean())


def recall() -> dict[str, dict[str, list[float]]]:
    """For each way to feed the blocks and each length of a block, a share for each seed."""
    return {
        feeding: {
            str(T): [recalled(train_recall(feeding, T, seed)) for seed in RECALL_SEEDS] for T in RECALL_BLOCKS
        }
        for feeding in FEEDINGS
    }


def main() -> None:
    whole = {"together": together, "recall": recall}
    for choice in sys.argv[1:]:
        name, _, seed = choice.partition(":")
        command = f"python -m runs.rnn {choice}"
        if name in whole:
            record_run(NAME, name, result=whole[name](), seed=0, command=command)
        elif name in ("rnn", "reset", "shuffled", "window-5") and seed.isdigit():
            result = train(name, int(seed))
            record_run(NAME, name, seed, result=result, seed=int(seed), command=command)
            print(choice, f"{result['test_perplexity']:.2f}, {result['seconds']:.0f} s", flush=True)
        else:
            sys.exit(f"the run is {choice!r}; see the beginning of runs/rnn.py for what there is.")


if __name__ == "__main__":
    main()
