"""word2vec on millions of words: CBOW and skip-gram, with negative sampling or hierarchical softmax.

The chapter "Making word2vec fast" derives what is computed here, one word at a time. A NumPy program that
goes word by word is slow, because each call costs more than the arithmetic in it. So this module cuts the
text into **blocks** of consecutive words and lets a few large calls serve a whole batch of blocks:

    [ margin | L words in the middle | margin ]        M = L + 2 window ids: one block

* The vectors of a block are looked up once, though each of them is in the window of up to 10 words.
* Which word is in whose window is a matrix ``near`` (L, M) of zeros and ones. "Add up the words around each
  word" is then one matrix product, and so is "compare each word with all words around it".
* Negative words are drawn for a block and shared by its words. More of them than asked for are drawn, and
  each is given less weight, so that the expected loss stays that of ``negatives`` words for each pair.
* Gradients that go back to the same word are added up by one sparse matrix product, and only rows that the
  batch has touched are updated, by AdaGrad with one step size for each row.

Blocks are taken in random order from all over the text. Windows run on from one text into the next.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Self

import numpy as np
from scipy import sparse

from common.functions import sigmoid
from common.support.progress import progress_bar
from common.support.require import require_count, require_counts, require_positive, require_share
from common.vectors.huffman import HuffmanTree, _check_counts

TABLE_SIZE = 4_000_000


class Word2Vec:
    """What all models of this module share: two matrices, blocks of text, and the loop over batches.

    Parameters
    ----------
    counts : (V,) whole numbers
        How often each word occurs in the text (``Vocabulary.counts``).
    rng : numpy.random.Generator
        Draws the first vectors, the windows, the negatives and the order of blocks.
    dimension : int
        D, the length of a word vector.
    window : int
        The farthest neighbour that counts, on each side. For each word the width of the window is drawn
        between 1 and this, so that near words count more often [Mikolov2013a]_.
    negatives : int
        Words that each pair is told apart from [Mikolov2013b]_.
    subsample : float
        The threshold t: a word with the share f of the text is kept with probability ``sqrt(t/f) + t/f`` in
        each pass. 0 keeps all.
    **tuning
        What each model has found good values for, in its ``tuning``: ``lr``, the step size, which falls to 0
        until the end; ``caution``, the squared gradient that each row begins with, so that its step size
        begins with ``lr / sqrt(caution)`` and falls as gradients add up; ``shared``, how many negatives are
        really drawn for a block, each with the weight ``negatives / shared``; ``block``, the words in the
        middle of a block, L; ``batch``, the words in a batch.

    Attributes
    ----------
    W_in : (V, D) float32
        The word vectors.
    W_out : (V, D) float32
        The vectors on the side of what is predicted.
    """

    tuning: ClassVar[dict[str, float]] = {
        "lr": 2.0,
        "caution": 400.0,
        "shared": 16,
        "block": 32,
        "batch": 1024,
    }

    def __init__(
        self,
        counts: np.ndarray,
        rng: np.random.Generator,
        dimension: int = 100,
        window: int = 5,
        negatives: int = 5,
        subsample: float = 0.0,
        **tuning: float,
    ) -> None:
        self.counts = np.asarray(counts)
        size = _check_counts(self.counts)
        if unknown := set(tuning) - set(self.tuning):
            raise TypeError(
                f"{min(unknown)} is no setting of {type(self).__name__}; there are {list(self.tuning)}."
            )
        tuning = self.tuning | tuning
        require_counts(dimension=dimension, window=window, negatives=negatives)
        require_counts(**{name: tuning[name] for name in ("shared", "block", "batch")})
        if negatives >= size:
            raise ValueError(f"negatives is {negatives}; it should be less than the {size} words there are.")
        require_share("subsample", subsample)
        for name in ("lr", "caution"):
            require_positive(name, tuning[name])
        self.rng, self.window, self.negatives, self.subsample = rng, window, negatives, subsample
        self.lr, self.shared, self.block, self.batch = (tuning[k] for k in ("lr", "shared", "block", "batch"))
        self.id_type = np.uint16 if size <= 2**16 else np.int32  # half the memory to move
        self.W_in = (rng.random((size, dimension), dtype=np.float32) - 0.5) / dimension
        self.W_out = np.zeros((self.rows_out(size), dimension), dtype=np.float32)
        self.seen_in = np.full(len(self.W_in), tuning["caution"], dtype=np.float32)  # for AdaGrad
        self.seen_out = np.full(len(self.W_out), tuning["caution"], dtype=np.float32)

    def __repr__(self) -> str:
        size, dimension = self.W_in.shape
        return f"{type(self).__name__}(V={size}, D={dimension}, window={self.window})"

    def rows_out(self, size: int) -> int:
        """Number of rows of ``W_out``; and a place for what a model prepares once."""
        self.table = noise_table(self.counts).astype(self.id_type)
        return size

    def step(self, blocks: np.ndarray, near: np.ndarray, lr: float) -> None:
        """Update the vectors once: ``blocks`` (B, M) word ids, ``near`` (L, M) who is in whose window."""
        raise NotImplementedError

    def train(
        self, ids: np.ndarray, epochs: int = 1, on_epoch: Callable[[Self], object] | None = None
    ) -> Self:
        """Go through the text ``ids`` (T,) ``epochs`` times; ``on_epoch(self)`` is called after each."""
        ids = self._check_text(ids)
        require_count("epochs", epochs)
        with progress_bar(epochs * len(ids), unit=" words", unit_scale=True) as progress:
            for epoch in range(epochs):
                text = subsampled(ids, self.counts, self.subsample, self.rng)
                begins = self._block_begins(len(text))
                per_batch = max(1, self.batch // self.block)
                for i in range(0, len(begins), per_batch):
                    done = (epoch + i / len(begins)) / epochs
                    blocks, near = self._blocks(text, begins[i : i + per_batch])
                    self.step(blocks, near, self.lr * (1 - done))
                    progress.update(len(ids) * min(per_batch, len(begins) - i) / len(begins))
                if on_epoch is not None:
                    on_epoch(self)
        return self

    def _block_begins(self, length: int) -> np.ndarray:
        """Where blocks begin, in random order. They tile the text; each pass shifts the tiles."""
        if length < 2 * self.window + 1:
            least = f"with window={self.window} it should have at least {2 * self.window + 1}"
            raise ValueError(f"ids has {length} words (after subsampling); {least}.")
        room = length - 2 * self.window  # words that have a full window
        shift = int(self.rng.integers(min(self.block, room)))
        begins = np.arange(shift, room - self.block + 1, self.block)
        if len(begins) == 0:  # a text shorter than one block: let the block end with the text
            begins = np.array([max(0, room - self.block)])
        return self.rng.permutation(begins)

    def _blocks(self, text: np.ndarray, begins: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The ids of some blocks (B, M), and for a newly drawn window of each word who is near whom (L, M).

        The widths are drawn for the L places in a block, anew for each batch: every block of a batch has the
        same.
        """
        middle = min(self.block, len(text) - 2 * self.window)
        blocks = text[begins[:, np.newaxis] + np.arange(middle + 2 * self.window)]
        width = self.rng.integers(1, self.window + 1, size=(middle, 1))
        distance = np.abs(
            np.arange(middle + 2 * self.window) - self.window - np.arange(middle)[:, np.newaxis]
        )
        return blocks, ((distance > 0) & (distance <= width)).astype(np.float32)

    def _draw_negatives(self, blocks: int) -> np.ndarray:
        """Negative words for each block (B, shared)."""
        return self.table[self.rng.integers(len(self.table), size=(blocks, self.shared))]

    def _update(
        self, ids_in: np.ndarray, dX: np.ndarray, ids_out: np.ndarray, dO: np.ndarray, lr: float
    ) -> None:
        for W, seen, ids, grads in (
            (self.W_in, self.seen_in, ids_in, dX),
            (self.W_out, self.seen_out, ids_out, dO),
        ):
            rows, sums = sum_by_row(ids.ravel(), grads.reshape(-1, W.shape[1]), len(W))
            adagrad_rows(W, seen, rows, sums, lr)

    def _check_text(self, ids: np.ndarray) -> np.ndarray:
        ids = np.asarray(ids)
        if ids.ndim != 1 or not np.issubdtype(ids.dtype, np.integer):
            raise TypeError(
                f"ids has shape {ids.shape} and type {ids.dtype}; it should be one row of whole numbers."
            )
        if len(ids) == 0:
            raise ValueError("ids is empty; there should be a text to learn from.")
        if ids.min() < 0 or ids.max() >= len(self.counts):
            raise ValueError(
                f"ids go from {ids.min()} to {ids.max()}; the words are 0 to {len(self.counts) - 1}."
            )
        return ids.astype(self.id_type)


class CBOW(Word2Vec):
    """Continuous bag of words with negative sampling: the mean of the words around predicts the word."""

    tuning: ClassVar[dict[str, float]] = {
        "lr": 4.0,
        "caution": 100.0,
        "shared": 8,
        "block": 32,
        "batch": 2048,
    }

    def step(self, blocks: np.ndarray, near: np.ndarray, lr: float) -> None:
        middle = blocks[:, self.window : self.window + len(near)]  # (B, L)
        L = middle.shape[1]
        ids_out = np.concatenate([middle, self._draw_negatives(len(blocks))], axis=1)  # (B, L + shared)
        X = self.W_in.take(blocks, axis=0)  # (B, M, D)
        O = self.W_out.take(ids_out, axis=0)  # (B, L + shared, D)
        right, wrong = O[:, :L], O[:, L:]

        mean = near / near.sum(axis=1, keepdims=True)  # (L, M)
        h = mean @ X  # (B, L, D)
        d_right = (sigmoid(np.vecdot(h, right)) - 1)[:, :, np.newaxis]  # (B, L, 1): this word, please
        d_wrong = sigmoid(h @ wrong.transpose(0, 2, 1))  # (B, L, shared): but not these
        d_wrong *= self.negatives / self.shared

        dh = d_wrong @ wrong  # (B, L, D)
        dO = np.empty_like(O)
        np.multiply(d_right, h, out=dO[:, :L])
        np.matmul(d_wrong.transpose(0, 2, 1), h, out=dO[:, L:])
        right *= d_right
        dh += right
        self._update(blocks, mean.T @ dh, ids_out, dO, lr)


class SkipGram(Word2Vec):
    """Skip-gram with negative sampling: each word predicts each of the words around it."""

    def step(self, blocks: np.ndarray, near: np.ndarray, lr: float) -> None:
        L, M = near.shape
        middle = blocks[:, self.window : self.window + L]  # (B, L)
        ids_out = np.concatenate([blocks, self._draw_negatives(len(blocks))], axis=1)  # (B, M + shared)
        X = self.W_in.take(middle, axis=0)  # (B, L, D)
        O = self.W_out.take(ids_out, axis=0)  # (B, M + shared, D)

        pairs = near.sum(axis=1, keepdims=True)  # (L, 1): each pair brings its negatives along
        noise = np.repeat(pairs * np.float32(self.negatives / self.shared), self.shared, axis=1)
        weight = np.concatenate([near, noise], axis=1)  # (L, M + shared)
        label = np.arange(M + self.shared) < M  # 1 for real neighbours, 0 for negatives

        d = sigmoid(X @ O.transpose(0, 2, 1))  # (B, L, M + shared)
        d -= label
        d *= weight
        self._update(middle, d @ O, ids_out, d.transpose(0, 2, 1) @ X, lr)


class HierarchicalSkipGram(Word2Vec):
    """Skip-gram with hierarchical softmax: the words around a word predict its way down a Huffman tree.

    ``negatives`` and ``shared`` play no part. ``W_out`` has a row for each of the V - 1 forks of the tree.
    """

    def rows_out(self, size: int) -> int:
        self.tree = HuffmanTree(self.counts)
        return size - 1

    def step(self, blocks: np.ndarray, near: np.ndarray, lr: float) -> None:
        middle = blocks[:, self.window : self.window + len(near)]  # (B, L)
        forks, turns, owner = self._ways(middle)  # each (B, P)
        nobody = np.zeros((1, near.shape[1]), dtype=near.dtype)
        weight = np.concatenate([near, nobody])[owner]  # (B, P, M)
        X = self.W_in.take(blocks, axis=0)  # (B, M, D)
        O = self.W_out.take(forks, axis=0)  # (B, P, D)

        d = sigmoid(O @ X.transpose(0, 2, 1))  # (B, P, M): the chance of turning right
        d -= turns[:, :, np.newaxis]
        d *= weight
        self._update(blocks, d.transpose(0, 2, 1) @ O, forks, d @ X, lr)

    def _ways(self, middle: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Lay the ways of a block's words end to end: forks, turns, and whose way it is.

        Blocks differ in length. The shorter ones are filled up with fork 0, owned by nobody (number L).
        """
        length = self.tree.start[middle + 1] - self.tree.start[middle]  # (B, L)
        total = length.sum(axis=1)
        owner = np.full((len(middle), total.max()), middle.shape[1])
        filled = np.arange(total.max()) < total[:, np.newaxis]  # (B, P)
        owner[filled] = np.repeat(np.tile(np.arange(middle.shape[1]), len(middle)), length.ravel())
        offset = np.arange(length.sum()) - np.repeat(length.cumsum() - length.ravel(), length.ravel())
        entry = np.repeat(self.tree.start[middle].ravel(), length.ravel()) + offset
        forks = np.zeros(owner.shape, dtype=self.id_type)
        turns = np.zeros(owner.shape, dtype=np.float32)
        forks[filled], turns[filled] = self.tree.forks[entry], self.tree.turns[entry]
        return forks, turns, owner


# ---- the parts


def noise_table(counts: np.ndarray, power: float = 0.75, size: int = TABLE_SIZE) -> np.ndarray:
    """A table in which each word stands as often as it should be drawn: in proportion to ``counts ** power``.

    Drawing a word is then drawing a place, at a cost that does not depend on the vocabulary. Every word
    stands in it at least once.
    """
    counts = np.asarray(counts)
    _check_counts(counts)
    share = np.maximum(counts, 1e-12).astype(np.float64) ** power
    copies = np.maximum(1, np.rint(share / share.sum() * size)).astype(np.int64)
    return np.repeat(np.arange(len(counts)), copies)


def keep_probability(counts: np.ndarray, threshold: float) -> np.ndarray:
    """The chance (V,) with which a word survives subsampling: ``sqrt(t/f) + t/f``, at most 1.

    This is what the word2vec program does; the paper [Mikolov2013b]_ prints ``sqrt(t/f)`` alone.
    """
    share = np.maximum(counts, 1) / max(1, np.sum(counts))
    return np.minimum(1, np.sqrt(threshold / share) + threshold / share)


def subsampled(ids: np.ndarray, counts: np.ndarray, threshold: float, rng: np.random.Generator) -> np.ndarray:
    """The text without some of its frequent words; all of it if ``threshold`` is 0."""
    if threshold == 0:
        return ids
    return ids[rng.random(len(ids), dtype=np.float32) < keep_probability(counts, threshold)[ids]]


def sum_by_row(ids: np.ndarray, grads: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Add up the gradients ``grads`` (n, D) that belong to the same id below ``size``: the ids, and their
    sums.

    A sparse matrix with one column for each gradient, and in it a 1 in the row of its id, adds them: several
    times faster than ``np.add.at``.
    """
    met = np.zeros(size, dtype=bool)
    met[ids] = True
    rows = np.flatnonzero(met)  # (U,) each id once, in ascending order
    place = np.empty(size, dtype=np.int32)
    place[rows] = np.arange(len(rows))
    ones, columns = np.ones(len(ids), dtype=grads.dtype), np.arange(len(ids) + 1)
    adder = sparse.csc_array((ones, place[ids], columns), shape=(len(rows), len(ids)))
    return rows, adder @ grads  # (U, n) @ (n, D) -> (U, D)


def adagrad_rows(W: np.ndarray, seen: np.ndarray, rows: np.ndarray, grads: np.ndarray, lr: float) -> None:
    """Update some rows of ``W``, each by its gradient over the length of all its gradients so far.

    AdaGrad [Duchi2011]_ with one number a row. A frequent word collects hundreds of gradients in a batch, a
    rare one a single one: with one step size for all, either the first diverges or the second hardly moves.
    """
    total = seen[rows] + np.vecdot(grads, grads)
    seen[rows] = total
    grads *= (lr / np.sqrt(total))[:, np.newaxis]
    W[rows] -= grads
