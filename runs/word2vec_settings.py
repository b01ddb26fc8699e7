"""What subsampling does to the vectors: skip-gram under several settings, each trained equally.

    python -m runs.word2vec_settings SETTING:SEED ...

trains, judges, and adds what it measured to data/results/word2vec_settings.json. Where a setting throws words
out, the text is repeated until as many words are left as three passes of the whole text have, so that each
setting takes as many steps.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import numpy as np

from common.book.results import record_run
from common.vectors import SkipGram, WordVectors
from common.vectors.word2vec import keep_probability
from runs.word2vec import DIMENSION, NEGATIVES, PASSES, WINDOW, corpus, in_short, quality

NAME = "word2vec_settings"
SETTINGS: dict[str, dict[str, float]] = {
    "all words": {},
    "t = 1e-3": {"subsample": 1e-3},
    "t = 1e-4": {"subsample": 1e-4},
    "t = 1e-5": {"subsample": 1e-5},
    "all words, window 11": {"window": 11},  # as far as a window of 5 reaches where 45 % of the text is left
}


def share_left(threshold: float) -> float:
    """The expected share of the text that subsampling leaves."""
    counts = corpus()[0].counts
    return float(counts @ keep_probability(counts, threshold) / counts.sum()) if threshold else 1.0


def learn(setting: str, seed: int) -> tuple[WordVectors, dict[str, float]]:
    """The vectors; how many passes of the text were read, and the processor's seconds."""
    vocabulary, ids, _ = corpus()
    chosen = {"window": WINDOW, "subsample": 0.0} | SETTINGS[setting]
    passes = PASSES / share_left(chosen["subsample"])
    model = SkipGram(
        vocabulary.counts,
        np.random.default_rng(seed),
        DIMENSION,
        int(chosen["window"]),
        NEGATIVES,
        chosen["subsample"],
    )
    whole = float(passes).is_integer()
    text = ids if whole else np.resize(ids, round(passes * len(ids)))  # over and over, the last time in part
    begin = time.process_time()
    model.train(text, int(passes) if whole else 1)
    return WordVectors(vocabulary.words, model.W_in), {
        "passes": passes,
        "processor_seconds": time.process_time() - begin,
    }


def main() -> None:
    for choice in sys.argv[1:]:
        setting, _, seed = choice.rpartition(":")
        vectors, effort = learn(setting, int(seed))
        result: dict[str, Any] = quality(vectors) | effort
        command = f"python -m runs.word2vec_settings '{choice}'"
        record_run(NAME, setting, seed, result=result, seed=int(seed), command=command)
        print(choice, *in_short(result), f"{effort['processor_seconds']:.0f} s", flush=True)


if __name__ == "__main__":
    main()
