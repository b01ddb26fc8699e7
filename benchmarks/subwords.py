"""Byte-pair encoding of the film reviews, against the library ``tokenizers``, which is written in Rust.

Both cut all reviews into the same pieces (GPT-2's rule), learn 8,000 merges from them, and write them in
tokens by these merges. The reports assert that merges and tokens are the same.

Of pairs that occur equally often, both merge the one whose tokens have the lower ids. For this to be the same
pair, our bytes stand in GPT-2's order here, as the library's do.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from benchmarks import Benchmark
from benchmarks._steps import counted

MERGES = 8_000
TEXTS_ENCODED = 4_000

NEEDS = ("tokenizers==0.23.3",)


def reviews() -> list[str]:
    from common.datasets import load_reviews

    return load_reviews().texts


def kilobytes(texts: list[str]) -> float:
    return sum(len(text.encode()) for text in texts) / 1e3


def learn(texts: list[str]) -> Any:
    from common.text import GPT2_BYTES, Subwords

    return Subwords.learn(texts, MERGES, alphabet=GPT2_BYTES)


def peer_learn(texts: list[str]) -> Any:
    os.environ["RAYON_NUM_THREADS"] = os.environ.get("BENCH_THREADS", "1")  # read at its first work
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=256 + MERGES,
        min_frequency=2,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def learning(learner: Callable[[list[str]], Any]) -> Callable[[], float]:
    """All reviews, each time."""
    texts = reviews()
    return counted(lambda: learner(texts), kilobytes(texts))


def encode() -> Callable[[], float]:
    subwords, texts = learn(reviews()), reviews()[:TEXTS_ENCODED]

    def work() -> None:
        subwords._written.clear()  # as if it had seen no text yet
        subwords.encode_texts(texts)

    return counted(work, kilobytes(texts))


def peer_encode() -> Callable[[], float]:
    tokenizer, texts = peer_learn(reviews()), reviews()[:TEXTS_ENCODED]
    return counted(lambda: tokenizer.encode_batch(texts), kilobytes(texts))


def report_learn() -> dict[str, Any]:
    """The same merges, and how long and with how much memory it takes to learn them from all reviews."""
    import resource  # not on Windows

    from common.text import Subwords

    texts = reviews()
    start = time.process_time()
    ours = learn(texts)
    seconds = time.process_time() - start
    unit = 1024**3 if sys.platform == "darwin" else 1024**2  # bytes there, KiB elsewhere
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
    with tempfile.TemporaryDirectory() as folder:
        peer_learn(texts).model.save(folder)
        theirs = Subwords.from_gpt2(folder)
    same = int((ours.merges == theirs.merges).all(axis=1).sum())
    if same < MERGES or ours != theirs:
        raise AssertionError(f"of {MERGES} merges, only {same} are the same.")
    return {
        "the same merges": same,
        "MB of text": round(kilobytes(texts) / 1e3, 1),
        "seconds of CPU": round(seconds, 1),
        "peak memory (GiB)": round(peak, 2),
    }


def report_encode() -> dict[str, Any]:
    """The same tokens of all reviews, and how much text there is to each."""
    texts = reviews()
    ours = learn(texts)
    tokens, starts = ours.encode_texts(texts)
    theirs = peer_learn(texts)
    for i, text in enumerate(texts):
        if theirs.encode(text).ids != tokens[starts[i] : starts[i + 1]].tolist():
            raise AssertionError(f"review {i} is written in other tokens.")
    return {
        "tokens": len(tokens),
        "characters a token": round(sum(map(len, texts)) / len(tokens), 3),
        "bytes a token": round(1e3 * kilobytes(texts) / len(tokens), 3),
    }


BENCHMARKS = [
    Benchmark(
        name="subwords-learn",
        unit="kB",
        ours=partial(learning, learn),
        peer=partial(learning, peer_learn),
        against="tokenizers",
        needs=NEEDS,
        turns=3,
        report=report_learn,
    ),
    Benchmark(
        name="subwords-encode",
        unit="kB",
        ours=encode,
        peer=peer_encode,
        against="tokenizers",
        needs=NEEDS,
        turns=5,
        report=report_encode,
    ),
]
