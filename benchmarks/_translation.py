"""From English of 1611 to English of today: a Transformer beside LSTMs with attention, on the same time.

    python -m benchmarks._translation MINUTES

trains both, a minute each in turn, until each has had so many minutes of one processor, and writes what it
measured to data/results/translation.json after every few turns. A model is judged with the weights that had
the lowest loss on the validation part. BLEU [Papineni2002]_ and chrF [Popovic2015]_ are those of sacrebleu
[Post2018]_, on text in lower case without quotation marks. The two Englishes share most of their words, so a
program that hands back its input has a score, too, and stands beside them.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import sacrebleu

from common.attentive import attentive
from common.datasets import load_bible_pairs
from common.layers import SoftmaxWithLoss, unique_parameters
from common.optimizers import Adam
from common.scale import record
from common.seq2seq import Seq2Seq, answer, evaluating
from common.text import Vocabulary
from common.training import clip_gradients
from common.transformer import transformer, warm_up
from common.translation import (
    LONGEST,
    MIN_COUNT,
    SEED,
    TRANSLATOR,
    Sentences,
    decode_words,
    encode_words,
)
from common.weights import assign, named_weights, save_weights

BATCH, CLIP = 64, 1.0
TURN = 60.0  # seconds
LSTM = {"D": 128, "H": 192, "bidirectional": True}
PEAK, WARM = 2e-3, 400


def data() -> tuple[Sentences, Vocabulary]:
    """The pairs, split by chapters, and the vocabulary of the training part."""
    sentences = Sentences.split(load_bible_pairs(), LONGEST, np.random.default_rng(SEED))
    return sentences, sentences.vocabulary(MIN_COUNT)


def make_transformer(V: int, rng: np.random.Generator) -> Seq2Seq:
    """The Transformer of the recorded run."""
    return transformer(V, rng=rng, **TRANSLATOR)


def make_lstm(V: int, rng: np.random.Generator) -> Seq2Seq:
    """LSTMs with attention, with the same loss."""
    model = attentive(V, rng=rng, **LSTM)
    return Seq2Seq(model.encoder, model.decoder, SoftmaxWithLoss(TRANSLATOR["smoothing"]))


@dataclass
class Run:
    """A model that is trained by turns."""

    name: str
    model: Seq2Seq
    rng: np.random.Generator
    optimizer: Adam = field(default_factory=Adam)
    steps: int = 0
    words: int = 0
    seconds: float = 0.0
    curve: list[list[float]] = field(default_factory=list)  # minutes, loss of training, loss of validation
    best: dict[str, np.ndarray] = field(default_factory=dict)
    batches: Iterator | None = None

    def turn(self, train: list, vocabulary: Vocabulary) -> float:
        """Train for one turn of processor time; the mean loss."""
        schedule, losses, began = warm_up(PEAK, WARM), [], time.process_time()
        self.model.training = True
        while time.process_time() - began < TURN:
            if self.batches is None:
                self.batches = batches(train, vocabulary, self.rng)
            batch = next(self.batches, None)
            if batch is None:
                self.batches = None
                continue
            self.optimizer.lr = schedule(self.steps)
            losses.append(float(self.model.forward(*batch)))
            self.model.backward()
            params, grads = unique_parameters(self.model)
            clip_gradients(grads, CLIP)
            self.optimizer.update(params, grads)
            self.steps += 1
            self.words += int((batch[1] > 0).sum())
        self.seconds += time.process_time() - began
        return float(np.mean(losses))


def batches(
    pairs: list, vocabulary: Vocabulary, rng: np.random.Generator
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """All pairs once, those of like length together, in random order."""
    lengths = np.array([len(old) + len(new) for old, new in pairs]) + rng.uniform(0, 4, len(pairs))
    order = np.argsort(lengths)
    starts = rng.permutation(range(0, len(pairs), BATCH))
    for start in starts:
        yield encode_words([pairs[i] for i in order[start : start + BATCH]], vocabulary)


def loss_of(model: Seq2Seq, pairs: list, vocabulary: Vocabulary) -> float:
    """The mean loss of a word, without smoothing."""
    smoothing, model.loss.smoothing = model.loss.smoothing, 0.0
    total = count = 0.0
    with evaluating(model):
        for batch in batches(pairs, vocabulary, np.random.default_rng(0)):
            words = int((batch[1][:, 1:] > 0).sum())
            total += float(model.forward(*batch)) * words
            count += words
    model.loss.smoothing = smoothing
    return total / count


def write(model: Seq2Seq, pairs: list, vocabulary: Vocabulary) -> list[str]:
    """A translation of each first side, by greedy decoding."""
    texts: list[str] = []
    for start in range(0, len(pairs), 200):
        some = pairs[start : start + 200]
        ids = answer(model, encode_words(some, vocabulary)[0], LONGEST + 6)
        texts += decode_words(ids, vocabulary, [old for old, _ in some])
    return texts


def scores(texts: list[str], pairs: list) -> dict[str, float]:
    """BLEU and chrF against the second sides."""
    right = [[" ".join(new) for _, new in pairs]]
    bleu, chrf = sacrebleu.corpus_bleu(texts, right, force=True), sacrebleu.corpus_chrf(texts, right)
    exact = float(np.mean([text == one for text, one in zip(texts, right[0])]))
    return {"bleu": round(bleu.score, 2), "chrf": round(chrf.score, 2), "exact": round(exact, 4)}


def judge(run: Run, sentences: Sentences, vocabulary: Vocabulary) -> dict[str, object]:
    """What is recorded of a run: the test part, read with the best weights so far."""
    kept = copies(run.model)
    assign(named_weights(run.model), run.best, "best")
    texts = write(run.model, sentences.test, vocabulary)
    known = {tuple(old) for old, _ in sentences.train}
    new = [i for i, (old, _) in enumerate(sentences.test) if tuple(old) not in known]
    result = {
        **scores(texts, sentences.test),
        "bleu_without_repeats": scores([texts[i] for i in new], [sentences.test[i] for i in new])["bleu"],
        "test_loss": round(loss_of(run.model, sentences.test, vocabulary), 4),
        "parameters": sum(param.size for param in unique_parameters(run.model)[0]),
        "minutes": round(run.seconds / 60, 1),
        "steps": run.steps,
        "words_a_second": round(run.words / run.seconds),
        "curve": run.curve,
        "examples": [
            [*map(" ".join, pair), text] for pair, text in zip(sentences.test[:400:10], texts[::10])
        ],
    }
    assign(named_weights(run.model), kept, "kept")
    return result


def copies(model: Seq2Seq) -> dict[str, np.ndarray]:
    """The weights as they are now."""
    return {name: param.copy() for name, param in named_weights(model).items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("minutes", type=float, help="for each model, of one processor")
    parser.add_argument("--keep", type=Path, help="a folder for the best weights of the Transformer")
    options = parser.parse_args()
    sentences, vocabulary = data()
    runs = [
        Run(name, make(len(vocabulary), np.random.default_rng(SEED)), np.random.default_rng(SEED))
        for name, make in (("transformer", make_transformer), ("lstm", make_lstm))
    ]
    known = {tuple(old) for old, _ in sentences.train}
    about = {
        "pairs": [len(part) for part in (sentences.train, sentences.valid, sentences.test)],
        "vocabulary": len(vocabulary),
        "longest": LONGEST,
        "test_repeats": sum(tuple(old) in known for old, _ in sentences.test),
        "copy": scores([" ".join(old) for old, _ in sentences.test], sentences.test),
    }
    print(about, flush=True)
    turns = max(1, round(options.minutes * 60 / TURN))
    for turn in range(1, turns + 1):
        for run in runs:
            loss = run.turn(sentences.train, vocabulary)
            valid = loss_of(run.model, sentences.valid, vocabulary)
            if not run.curve or valid < min(point[2] for point in run.curve):
                run.best = copies(run.model)
            run.curve.append([round(run.seconds / 60, 2), round(loss, 4), round(valid, 4)])
            print(run.name, run.steps, run.words, run.curve[-1], flush=True)
        if turn % 4 == 0 or turn == turns:
            results = {run.name: judge(run, sentences, vocabulary) for run in runs}
            command = f"python -m benchmarks._translation {options.minutes:g}"
            record("translation", seed=SEED, command=command, **about, **results)
            if options.keep:
                kept = copies(runs[0].model)
                assign(named_weights(runs[0].model), runs[0].best, "best")
                save_weights(options.keep / "translation_transformer.npz", runs[0].model, "float16")
                assign(named_weights(runs[0].model), kept, "kept")
            print(
                {name: [r[key] for key in ("bleu", "chrf", "exact")] for name, r in results.items()},
                flush=True,
            )


if __name__ == "__main__":
    main()
