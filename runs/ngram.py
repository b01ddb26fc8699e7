"""The n-gram model on the Penn Treebank, where its perplexity can be compared with the literature's.

    python -m runs.ngram

writes data/results/ngram_ptb.json. It takes seconds, and the Penn Treebank.
"""

from __future__ import annotations

from common.book.results import record
from common.datasets import load_ptb
from common.models.ngram import NGram
from common.text import Vocabulary


def main() -> None:
    words = Vocabulary.from_tokens(load_ptb("train"), unknown="<unk>")
    train, test = (words.encode(load_ptb(part)) for part in ("train", "test"))
    perplexities = {order: NGram(train, len(words), order).perplexity(test) for order in range(1, 6)}
    for order, value in perplexities.items():
        print(f"order {order}: test perplexity {value:.2f}")
    record(
        "ngram_ptb",
        seed=0,  # nothing is drawn
        command="python -m runs.ngram",
        test_perplexity={str(order): round(value, 2) for order, value in perplexities.items()},
    )


if __name__ == "__main__":
    main()
