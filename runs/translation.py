"""From English of 1611 to English of today: a Transformer beside LSTMs with attention, on the same time.

    python -m runs.translation MINUTES

trains both, always the one that has had less time, until each has had so many minutes of one processor, and
writes what it measured to data/results/translation.json. A model is judged with the weights that had the
lowest loss on the validation part. BLEU [Papineni2002]_ and chrF [Popovic2015]_ are those of sacrebleu
[Post2018]_, on text in lower case without quotation marks. The two Englishes share most of their words, so a
program that hands back its input has a score, too, and stands beside them.

A run that was stopped goes on from its last checkpoint when the same command is given again, or one with more
minutes. Checkpoints and the best weights so far are in data/cache/translation.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
import sacrebleu

from common.backend import Array
from common.batches import Prepared
from common.book.results import record, rounded
from common.datasets import Sentences, load_bible_pairs
from common.layers import SoftmaxWithLoss, count_parameters, evaluating
from common.models.attention import attentive
from common.models.decoding import answer
from common.models.pretrained import LONGEST, MIN_COUNT, SEED, TRANSLATOR
from common.models.seq2seq import Seq2Seq
from common.models.transformer import transformer
from common.optimizers import Adam
from common.schedules import warm_up
from common.text import Vocabulary, decode_words, encode_words
from common.training import Trainer
from common.weights import load_weights, save_weights
from runs import leave_if_stopped

BATCH, CLIP = 64, 1.0
LSTM = {"D": 128, "H": 192, "bidirectional": True}
PEAK, WARM = 2e-3, 400
KEPT = Path(__file__).resolve().parent.parent / "data" / "cache" / "translation"

Batch = tuple[Array, Array]
"""Questions (N, S) and answers (N, T)."""


def make_transformer(V: int, rng: np.random.Generator) -> Seq2Seq:
    """The Transformer of the recorded run."""
    return transformer(V, rng=rng, **TRANSLATOR)


def make_lstm(V: int, rng: np.random.Generator) -> Seq2Seq:
    """LSTMs with attention, with the same loss."""
    model = attentive(V, rng=rng, **LSTM)
    return Seq2Seq(model.encoder, model.decoder, SoftmaxWithLoss(TRANSLATOR["smoothing"]))


def batches(pairs: list, vocabulary: Vocabulary) -> list[Batch]:
    """All pairs, those of like length together."""
    pairs = sorted(pairs, key=lambda pair: (len(pair[0]) + len(pair[1]), len(pair[0])))
    return [encode_words(pairs[i : i + BATCH], vocabulary) for i in range(0, len(pairs), BATCH)]


class Run:
    """A model that is trained epoch by epoch."""

    def __init__(self, name: str, model: Seq2Seq, train: list[Batch], valid: list[Batch]) -> None:
        self.name, self.model, self.train, self.valid = name, model, train, valid
        self.words = sum(int((answers > 0).sum()) for _, answers in train)
        rng = np.random.default_rng(SEED)
        self.trainer = Trainer(model, Adam(PEAK), rng, CLIP, warm_up(PEAK, WARM))
        self.best_weights = KEPT / f"{name}.npz"

    @property
    def seconds(self) -> float:
        """Of one processor, spent in training."""
        return self.trainer.notes.get("seconds", 0.0)

    def epoch(self) -> None:
        """Go over all batches once more; this keeps a checkpoint, and the weights if they are the best."""
        began = time.process_time()

        def measure(trainer: Trainer) -> None:
            trainer.notes["seconds"] = self.seconds + time.process_time() - began
            valid = loss_of(self.model, self.valid)
            curve = trainer.notes.setdefault("curve", [])
            if not curve or valid < min(point[2] for point in curve):
                save_weights(self.best_weights, self.model)
            curve.append([self.seconds / 60, trainer.epoch_losses[-1], valid])
            print(self.name, trainer.epoch, *(f"{number:.4g}" for number in curve[-1]), flush=True)

        checkpoint = KEPT / f"{self.name}.checkpoint.npz"
        epochs = self.trainer.epoch + 1
        self.trainer.fit(Prepared(self.train), epochs, checkpoint, on_epoch=measure)
        leave_if_stopped(self.trainer, epochs)  # the same command goes on


def loss_of(model: Seq2Seq, prepared: list[Batch]) -> float:
    """The mean loss of a word, without smoothing."""
    smoothing, model.loss.smoothing = model.loss.smoothing, 0.0
    total = count = 0.0
    with evaluating(model):
        for questions, answers in prepared:
            words = int((answers[:, 1:] > 0).sum())
            total += float(model.forward(questions, answers)) * words
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


def judge(run: Run, sentences: Sentences, vocabulary: Vocabulary) -> dict[str, Any]:
    """What is recorded of a run: the test part, read with the best weights."""
    load_weights(run.best_weights, run.model)
    texts = write(run.model, sentences.test, vocabulary)
    known = {tuple(old) for old, _ in sentences.train}
    new = [i for i, (old, _) in enumerate(sentences.test) if tuple(old) not in known]
    return {
        **scores(texts, sentences.test),
        "bleu_without_repeats": scores([texts[i] for i in new], [sentences.test[i] for i in new])["bleu"],
        "test_loss": loss_of(run.model, batches(sentences.test, vocabulary)),
        "parameters": count_parameters(run.model),
        "minutes": run.seconds / 60,
        "epochs": run.trainer.epoch,
        "words_a_second": round(run.words * run.trainer.epoch / run.seconds),
        "curve": run.trainer.notes["curve"],
        "examples": [
            [*map(" ".join, pair), text] for pair, text in zip(sentences.test[:400:10], texts[::10])
        ],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("minutes", type=float, help="for each model, of one processor")
    parser.add_argument("--keep", type=Path, help="a folder for the best weights of the Transformer")
    options = parser.parse_args()
    KEPT.mkdir(parents=True, exist_ok=True)
    sentences = Sentences.split(load_bible_pairs(), LONGEST, np.random.default_rng(SEED))
    vocabulary = sentences.vocabulary(MIN_COUNT)
    train, valid = (batches(pairs, vocabulary) for pairs in (sentences.train, sentences.valid))
    makers = {"transformer": make_transformer, "lstm": make_lstm}
    runs = [
        Run(name, make(len(vocabulary), np.random.default_rng(SEED)), train, valid)
        for name, make in makers.items()
    ]
    while (run := min(runs, key=lambda run: run.seconds)).seconds < 60 * options.minutes:
        run.epoch()
    known = {tuple(old) for old, _ in sentences.train}
    results = {run.name: judge(run, sentences, vocabulary) for run in runs}
    record(
        "translation",
        seed=SEED,
        command=f"python -m runs.translation {options.minutes:g}",
        pairs=[len(part) for part in (sentences.train, sentences.valid, sentences.test)],
        vocabulary=len(vocabulary),
        longest=LONGEST,
        test_repeats=sum(tuple(old) in known for old, _ in sentences.test),
        copy=scores([" ".join(old) for old, _ in sentences.test], sentences.test),
        **rounded(results),
    )
    if options.keep:
        save_weights(options.keep / "translation_transformer.npz", runs[0].model, "float16", vocabulary)
    for name, result in results.items():
        print(name, *(result[key] for key in ("bleu", "chrf", "exact")))


if __name__ == "__main__":
    main()
