"""The two files of the seed book, sums and dates: does a test that is cut from them repeat the training part?

    python -m runs.leak

writes data/results/leak.json, which chapter 8 shows. It takes seconds, and the files (see data/README.md).
"""

from __future__ import annotations

import numpy as np

from common.book.results import record, rounded
from common.datasets import leak, load_addition, load_dates

SEED = 1984  # of the order in which the dates are cut
TRAIN = 45_000  # dates of 50,000; the others are the test


def count() -> dict[str, dict[str, float]]:
    """What is counted, for ``sums`` and for ``dates``."""
    sums = [question for question, _ in load_addition()]
    lines = load_dates()
    shuffled = [lines[i] for i in np.random.default_rng(SEED).permutation(len(lines))]
    train, test = shuffled[:TRAIN], shuffled[TRAIN:]
    heart = dict(train)  # a machine that has learned nothing and keeps everything
    return {
        "sums": {
            "lines": len(sums),
            "different": len(set(sums)),
            "unordered": len({tuple(sorted(map(int, question.split("+")))) for question in sums}),
        },
        "dates": {
            "lines": len(lines),
            "different": len(set(lines)),
            "test": len(test),
            "leak": leak(train, test),
            "by_heart": float(np.mean([heart.get(question) == answer for question, answer in test])),
        },
    }


def main() -> None:
    found = count()
    for name, numbers in found.items():
        print(name, numbers)
    record("leak", seed=SEED, command="python -m runs.leak", **rounded(found))


if __name__ == "__main__":
    main()
