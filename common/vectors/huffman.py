"""A binary tree over the words of a vocabulary, frequent words near the root: for hierarchical softmax."""

from __future__ import annotations

import numpy as np


class HuffmanTree:
    """A binary tree with the words as leaves, in which frequent words are near the root [Huffman1952]_.

    The two rarest parts are joined by a fork, again and again, until one is left. No binary tree has shorter
    ways on average.

    Parameters
    ----------
    counts : (V,) whole numbers
        How often each word occurs.

    Attributes
    ----------
    start : (V + 1,)
        The way of word ``i`` is ``forks[start[i]:start[i + 1]]``, from the root down, and the same part of
        ``turns``.
    forks : whole numbers from 0 to V - 2
        The forks on the ways of all words, end to end. The root is fork V - 2.
    turns : float32
        1 where the way turns right, 0 where it turns left.
    """

    def __init__(self, counts: np.ndarray) -> None:
        counts = np.asarray(counts)
        size = _check_counts(counts)
        parent, right = join_rarest(counts)
        node, step = np.arange(size), 0  # all words climb to the root at once
        climbed = []
        words = np.arange(size)
        while len(words):
            climbed.append((words, np.full(len(words), step), parent[node] - size, right[node]))
            node, step = parent[node], step + 1
            below = node < 2 * size - 2  # the root is the last node
            words, node = words[below], node[below]
        word, height, fork, turn = (np.concatenate(part) for part in zip(*climbed))
        order = np.lexsort((-height, word))  # by word, and from the root down
        self.start = np.concatenate([[0], np.cumsum(np.bincount(word, minlength=size))])
        self.forks, self.turns = fork[order], turn[order].astype(np.float32)

    def __len__(self) -> int:
        return len(self.start) - 1

    def __repr__(self) -> str:
        return f"HuffmanTree(V={len(self)}, longest way {int(np.diff(self.start).max())})"

    def way(self, word: int) -> tuple[np.ndarray, np.ndarray]:
        """The forks on the way to a word, from the root down, and the turn at each."""
        part = slice(self.start[word], self.start[word + 1])
        return self.forks[part], self.turns[part]


def join_rarest(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Build Huffman's tree: the parent of each node (2V - 1,), and whether it is the right child.

    Nodes 0 to V - 1 are the words, the others the forks in the order in which they are made. With the words
    sorted once, both words and forks stand in line by weight, and the rarest is always at the head of one of
    the two lines.
    """
    size = len(counts)
    by_count = np.argsort(counts, kind="stable").tolist()
    weight = np.asarray(counts)[by_count].tolist() + [float("inf")]
    made: list[float] = []
    parent, right = np.zeros(2 * size - 1, dtype=np.int64), np.zeros(2 * size - 1, dtype=bool)
    word = fork = 0
    for new in range(size, 2 * size - 1):
        total = 0
        for side in (False, True):
            if fork < len(made) and made[fork] < weight[word]:
                node, total, fork = size + fork, total + made[fork], fork + 1
            else:
                node, total, word = by_count[word], total + weight[word], word + 1
            parent[node], right[node] = new, side
        made.append(total)
    return parent, right


def _check_counts(counts: np.ndarray) -> int:
    """The number of words, if ``counts`` is in order."""
    if counts.ndim != 1 or not np.issubdtype(counts.dtype, np.integer):
        raise TypeError(
            f"counts has shape {counts.shape} and type {counts.dtype}; it should be (V,) whole numbers."
        )
    if len(counts) < 2:
        raise ValueError(f"counts has {len(counts)} words; there should be at least 2 to tell apart.")
    if counts.min() < 0 or counts.max() == 0:
        raise ValueError("counts should hold no negative number, and at least one above 0.")
    return len(counts)
