"""A layer that scores whole rows of tags, and finds the best row: a conditional random field.

A network that chooses each tag by itself may put ``I-PER`` after ``B-LOC``, which no row of tags allows. Here
each move from a tag to the next has a score, too, which is learned. The score of a row is the sum of the
scores of its tags and of its moves, and its probability is a softmax over *all* rows of that length: K to the
power T of them. Yet nobody has to list them. What all beginnings that end in tag j add up to follows from the
same of one word before: that is one step of a loop, the forward algorithm [Rabiner1989]_.
"""

from __future__ import annotations

from common.backend import Array, DType, xp
from common.layers.base import Layer
from common.support.require import (
    require_float,
    require_ids,
    require_mask,
    require_matrix,
    require_sequences,
    require_shape,
)


class CRF(Layer):
    """Minus the log-probability of the right row of tags, a mean over words [Lafferty2001]_.

    Parameters
    ----------
    transitions : (K, K)
        The score of the move from the tag of the row to that of the column.
    start, end : (K,)
        The score of a tag as the first, and as the last one of a sentence.

    Attributes
    ----------
    marginals : (N, T, K)
        After ``backward``: how probable each tag is at each word, all rows of tags taken together; zeros
        where nothing is read.
    """

    names = ("transitions", "start", "end")

    def __init__(self, transitions: Array, start: Array, end: Array) -> None:
        require_matrix("transitions", transitions)
        K = len(transitions)
        require_shape("transitions", transitions, (K, K))
        for name, scores in (("start", start), ("end", end)):
            require_float(name, scores, like=transitions)
            require_shape(name, scores, (K,))
        super().__init__(transitions, start, end)

    def check(self, x: Array, t: Array | None = None, mask: Array | None = None) -> None:
        """Raise unless ``x`` is (N, T, K), of the type of the weights, ``t`` (N, T) holds tags, and ``mask``
        (N, T) is True for the words of each sentence, at least one, and False behind them."""
        require_float("x", x, like=self.params[0])
        require_sequences("x", x, size=len(self.params[0]))
        if t is not None:
            require_ids("t", t, x.shape[2])
            require_shape("t", t, x.shape[:2])
        require_ends("mask", mask, x.shape[:2])

    def forward(self, x: Array, t: Array, mask: Array | None = None) -> Array:
        """The loss, one number.

        Parameters
        ----------
        x : (N, T, K)
            The score of each tag at each word.
        t : (N, T) whole numbers, the right tags
        mask : (N, T) booleans, optional
            False behind the last word of a sentence that is shorter than others.
        """
        self.check(x, t, mask)
        transitions, start, end = self.params
        self.t, self.sentences = t, Sentences(len(x), x.shape[1], mask)
        xs = self.sentences.time_first(x)  # (T, K, N)
        # alpha: for each tag, the log of what the exponentials of all rows that end in it so far add up to
        alpha = xs[0] + start[:, None]  # (K, N)
        self.shares = []
        for x_t, n in zip(xs[1:], self.sentences.active[1:]):  # the first n sentences are not over
            alpha[:, :n], share = log_sum(alpha[:, None, :n] + transitions[:, :, None])
            alpha[:, :n] += x_t[:, :n]
            self.shares.append(share)  # (K, K, n): of each tag before, in what ends in each tag
        total, self.last = log_sum(alpha + end[:, None])  # (N,), (K, N)
        return (total - self.sentences.ordered(self.score(x))).sum() / self.sentences.words

    def score(self, x: Array) -> Array:
        """What the right row of each sentence scores, (N,)."""
        transitions, start, end = self.params
        t, mask = self.t, self.sentences.mask
        of_tags = xp.take_along_axis(x, t[:, :, None], axis=2)[:, :, 0]  # (N, T)
        of_moves = transitions[t[:, :-1], t[:, 1:]]  # (N, T - 1)
        if mask is not None:
            of_tags, of_moves = xp.where(mask, of_tags, 0), xp.where(mask[:, 1:], of_moves, 0)
        first, last = t[:, 0], self.sentences.last_of(t)
        return of_tags.sum(axis=1) + of_moves.sum(axis=1) + start[first] + end[last]

    def backward(self, dout: float = 1) -> Array:
        """The gradient of x (N, T, K): how probable each tag is, minus 1 for the right one.

        The gradient of the logarithm of a sum of exponentials is a softmax: the shares that ``forward`` has
        kept. So the way back through the loop hands the probabilities of the tags on from the last word to
        the first. That of a move is its share times the probability of the tag to which it leads.
        """
        sentences, p = self.sentences, self.last.copy()  # (K, N): at the last word of each sentence
        K, N = p.shape
        each = xp.zeros((sentences.T, K, N), dtype=p.dtype)  # the probability of each tag at each word
        moves = xp.zeros((K, K, N), dtype=p.dtype)  # that of each move, summed over the words
        for i in reversed(range(len(self.shares))):
            share = self.shares[i]
            n = share.shape[2]
            each[i + 1, :, :n] = p[:, :n]
            both = share * p[:, :n]  # (K, K, n)
            moves[:, :, :n] += both
            p[:, :n] = both.sum(axis=1)
        each[0] = p
        self.marginals = sentences.put_back(each)
        scale = dout / sentences.words
        right_moves, right_first, right_last = self.counts(p.dtype)
        self.grads = [
            scale * (moves.sum(axis=2) - right_moves),
            scale * (each[0].sum(axis=1) - right_first),
            scale * (self.last.sum(axis=1) - right_last),
        ]
        right = self.t[:, :, None] == xp.arange(K)
        if sentences.mask is not None:
            right &= sentences.mask[:, :, None]
        return scale * (self.marginals - right)

    def counts(self, dtype: DType) -> tuple[Array, Array, Array]:
        """How often each move (K, K), first tag (K,) and last tag (K,) occurs in the right rows."""
        K, t, mask = len(self.params[1]), self.t, self.sentences.mask
        moves = t[:, :-1] * K + t[:, 1:]
        moves = moves.ravel() if mask is None else moves[mask[:, 1:]]
        ids = ((moves, K * K), (t[:, 0], K), (self.sentences.last_of(t), K))
        moves, first, last = (xp.bincount(i, minlength=size).astype(dtype) for i, size in ids)
        return moves.reshape(K, K), first, last

    def decode(self, x: Array, mask: Array | None = None) -> Array:
        """The most probable row of tags for scores ``x`` (N, T, K): (N, T) whole numbers, see ``viterbi``."""
        self.check(x, mask=mask)
        transitions, start, end = self.params
        return viterbi(x, transitions, start, end, mask)

    def sizes(self) -> dict[str, object]:
        return {"K": len(self.params[1])}


def viterbi(x: Array, transitions: Array, start: Array, end: Array, mask: Array | None = None) -> Array:
    """The row of tags with the highest score, for each sentence [Rabiner1989]_.

    The best row that ends in tag j is the best that ended in some tag i before, and j. So it is enough to
    keep, at each word, one row for each tag: where it came from.

    Parameters
    ----------
    x : (N, T, K)
        The score of each tag at each word.
    transitions : (K, K)
        The score of the move from the tag of the row to that of the column. Minus infinity forbids it, here
        as in the next two.
    start, end : (K,)
        The score of a tag as the first, and as the last one.
    mask : (N, T) booleans, optional
        False behind the last word of a sentence.

    Returns
    -------
    (N, T) whole numbers
        0 where nothing is read.
    """
    require_sequences("x", x, size=len(transitions))
    require_ends("mask", mask, x.shape[:2])
    sentences = Sentences(len(x), x.shape[1], mask)
    xs = sentences.time_first(x)
    best = xs[0] + start[:, None]  # (K, N): the score of the best row that ends in each tag
    came_from = []
    for x_t, n in zip(xs[1:], sentences.active[1:]):
        moves = best[:, None, :n] + transitions[:, :, None]  # (K, K, n)
        came_from.append(moves.argmax(axis=0))
        best[:, :n] = moves.max(axis=0) + x_t[:, :n]
    tag = (best + end[:, None]).argmax(axis=0)  # (N,): the last of each sentence
    tags = xp.zeros((sentences.T, len(tag)), dtype=tag.dtype)
    for i in reversed(range(len(came_from))):
        n = came_from[i].shape[1]
        tags[i + 1, :n] = tag[:n]
        tag[:n] = xp.take_along_axis(came_from[i], tag[None, :n], axis=0)[0]
    tags[0] = tag
    return sentences.put_back(tags)


class Sentences:
    """Sentences of a batch in order of their length, so that at each word the first few are not over.

    Parameters
    ----------
    N, T : int
        Sentences, and words of the longest.
    mask : (N, T) booleans, optional
        False behind the last word of each.

    Attributes
    ----------
    active : list of T numbers
        How many sentences have a word there.
    words : int
        How many words there are in all.
    """

    def __init__(self, N: int, T: int, mask: Array | None) -> None:
        self.T, self.mask = T, mask
        self.order, self.lengths, self.active, self.words = None, None, [N] * T, N * T
        if mask is not None:
            self.lengths = mask.sum(axis=1)
            self.order = xp.argsort(-self.lengths, kind="stable")
            self.active, self.words = mask.sum(axis=0).tolist(), int(mask.sum())

    def ordered(self, a: Array) -> Array:
        """(N, ...) in order of length."""
        return a if self.order is None else a[self.order]

    def time_first(self, x: Array) -> Array:
        """(N, T, K) as (T, K, N), in order of length: what is done to all sentences lies side by side."""
        return xp.ascontiguousarray(self.ordered(x).transpose(1, 2, 0))

    def put_back(self, a: Array) -> Array:
        """(T, ..., N), in order of length, as (N, T, ...) in the order in which they came."""
        a = xp.moveaxis(a, -1, 0)
        if self.order is None:
            return xp.ascontiguousarray(a)
        usual = xp.empty(a.shape, dtype=a.dtype)
        usual[self.order] = a
        return usual

    def last_of(self, t: Array) -> Array:
        """That of the last word of each sentence, (N,), of (N, T)."""
        return t[:, -1] if self.lengths is None else t[xp.arange(len(t)), self.lengths - 1]


def log_sum(a: Array) -> tuple[Array, Array]:
    """``log(sum(exp(a)))`` along the first axis, and the share of each in the sum: a softmax."""
    largest = a.max(axis=0)
    share = xp.exp(a - largest)
    total = share.sum(axis=0)
    share /= total
    return largest + xp.log(total), share


def require_ends(name: str, mask: Array | None, shape: tuple[int, ...]) -> None:
    """Raise unless the mask, if there is one, is True from the first word of each sentence to its last."""
    if mask is None:
        return
    require_mask(name, mask, shape)
    wrong = ~mask[:, 0] | (mask[:, 1:] & ~mask[:, :-1]).any(axis=1)
    if wrong.any():
        raise ValueError(
            f"{name} has no words in row {int(xp.argmax(wrong))}, or some behind padding; it should be True "
            "from the first word of each sentence to its last, and False behind it."
        )
