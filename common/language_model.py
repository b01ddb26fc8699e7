"""Language models: what comes next, given all that came before."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from common.backend import FLOAT, Array, xp
from common.batches import whole_text
from common.datasets import load_reviews
from common.functions import log_softmax, softmax
from common.generation import choose
from common.initializers import xavier, zeros
from common.layers.base import Layer, Model, evaluating
from common.layers.dropout import Dropout, VariationalDropout
from common.layers.loss import AffineSoftmaxWithLoss
from common.layers.make import Make
from common.layers.recurrent import GRU, LSTM, RNN, Recurrent
from common.metrics import exp_of_mean
from common.require import require_count, require_counts
from common.text import Vocabulary
from common.weights import load_vocabulary, load_weights


class LanguageModel(Model):
    """Embedding, recurrent layers, Affine, softmax: scores for the next word after each word.

    Parameters
    ----------
    V, D, H : int
        Number of words, size of a word vector, size of the hidden state.
    rng : numpy.random.Generator
        Draws the first weights, and later what is dropped.
    layer : class
        RNN, LSTM or GRU.
    depth : int
        How many recurrent layers, one above the other.
    dropout : float
        Ratio of what is dropped before, between and after the recurrent layers.
    variational : bool
        Drop the same numbers at all time steps of a block [Gal2016]_.
    tied : bool
        Words in and words out share one matrix [Press2017]_; D and H should then be equal.
    """

    def __init__(
        self,
        V: int,
        D: int,
        H: int,
        rng: np.random.Generator,
        layer: type[Recurrent] = LSTM,
        depth: int = 1,
        dropout: float = 0.0,
        variational: bool = False,
        tied: bool = False,
        *,
        dtype: type = FLOAT,
    ) -> None:
        require_counts(V=V, D=D, H=H, depth=depth)
        if tied and D != H:
            raise ValueError(f"D is {D} and H is {H}; they should be equal when tied=True.")
        if layer not in (RNN, LSTM, GRU):
            raise ValueError(f"layer is {layer!r}; it should be RNN, LSTM or GRU.")
        drop = VariationalDropout if variational else Dropout
        dropouts = [drop(dropout, rng) for _ in range(depth + 1)] if dropout else []
        make = Make(rng, dtype)
        self.embedding = make.embedding(V, D)
        self.layers: list[Layer] = dropouts[:1]
        for i in range(depth):
            self.layers.append(make.recurrent(layer, D if i == 0 else H, H, stateful=True))
            self.layers += dropouts[i + 1 : i + 2]
        W = self.embedding.params[0].T if tied else xavier(rng, H, V, dtype=dtype)
        self.output = AffineSoftmaxWithLoss(W, zeros(V, dtype=dtype))

    def hidden(self, xs: Array) -> Array:
        """Ids ``xs`` (N, T) to what the last of ``layers`` gives after each word, (N, T, H)."""
        hs = self.embedding.forward(xs)
        for layer in self.layers:
            hs = layer.forward(hs)
        return hs

    def predict(self, xs: Array) -> Array:
        """Ids ``xs`` (N, T) to the scores of each next word, (N, T, V)."""
        return self.output.scores(self.hidden(xs))

    def forward(self, xs: Array, ts: Array, mask: Array | None = None) -> Array:
        """Ids ``xs`` (N, T) and the words that follow each, ``ts`` (N, T), to the loss."""
        return self.output.forward(self.hidden(xs), ts, mask)

    def backward(self, dout: float = 1) -> None:
        """Leave all gradients in ``grads``."""
        dhs = self.output.backward(dout)
        for layer in reversed(self.layers):
            dhs = layer.backward(dhs)
        self.embedding.backward(dhs)


# ---- how good a model is


def cache_perplexity(
    model: LanguageModel,
    ids: Sequence[int],
    size: int,
    theta: float,
    weight: float,
    batch_size: int = 10,
    T: int = 35,
) -> float:
    """Perplexity of a model that looks back at its own last hidden states [Grave2017]_.

    A word that was read comes back sooner than the model believes. So each hidden state is kept together with
    the word that followed it, and where a later state is like an old one, the word that followed then is
    given some of the probability:

        p(w) = (1 - weight) p_model(w) + weight p_cache(w)
        p_cache(w) = sum of exp(theta h_t h_i) over the kept i that were followed by w, divided by the sum
            over all kept i

    Nothing is trained. The cache is empty where a strand begins; the first word of each strand is predicted
    by the model alone.

    Parameters
    ----------
    model : LanguageModel
        Left as it was.
    ids : whole numbers, one axis
    size : int
        How many of the last states are kept.
    theta : float
        0: all kept words count alike; the larger, the more the most similar states decide.
    weight : float
        The share of the cache in the probability, from 0 to below 1; 0 gives ``perplexity``.
    batch_size, T : int
        As in ``perplexity``. A text in few strands fills the cache further.
    """
    require_count("size", size)
    if not 0 <= theta < math.inf:
        raise ValueError(f"theta is {theta}; it should be a number, at least 0.")
    if not 0 <= weight < 1:
        raise ValueError(f"weight is {weight}; it should be at least 0 and below 1.")
    log_share = math.log(weight) if weight else -math.inf
    states = followers = None  # of the cache: (N, kept, H), and the word after each, (N, kept)
    total, words = 0.0, 0
    with evaluating(model), np.errstate(divide="ignore"):  # the logarithm of 0 is meant
        for x, t, mask in whole_text(ids, batch_size, T):
            hs = model.hidden(x)  # (N, steps, H)
            log_p = log_softmax(model.output.scores(hs))  # (N, steps, V)
            log_p = xp.take_along_axis(log_p, t[:, :, None], axis=2)[:, :, 0]  # (N, steps)
            states = hs if states is None else xp.concatenate([states, hs], axis=1)
            followers = t if followers is None else xp.concatenate([followers, t], axis=1)
            kept, steps = followers.shape[1], t.shape[1]
            back = xp.arange(kept - steps, kept)[:, None] - xp.arange(kept)  # (steps, kept), how far back
            seen = (back >= 1) & (back <= size)
            filled = seen.any(axis=1)  # (steps,), False at the first word of a strand
            likeness = theta * (hs @ states.swapaxes(1, 2))  # (N, steps, kept)
            shares = softmax(xp.where(seen, likeness, xp.finfo(likeness.dtype).min)) * seen
            same = followers[:, None] == t[:, :, None]  # (N, steps, kept)
            log_cache = xp.log((shares * same).sum(axis=2))  # (N, steps)
            mixed = xp.logaddexp(math.log1p(-weight) + log_p, log_share + log_cache)
            total -= float((xp.where(filled, mixed, log_p) * mask).sum())
            words += int(mask.sum())
            states, followers = states[:, -size:], followers[:, -size:]
    return exp_of_mean(total, words)


def continue_text(
    model: LanguageModel,
    ids: Sequence[int] | np.ndarray,
    length: int,
    rng: np.random.Generator,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    skip: Sequence[int] = (),
) -> list[int] | np.ndarray:
    """Let the model write on: draw each next word with the probability that the model gives it.

    Parameters
    ----------
    model : LanguageModel
        Or any model with stateful layers, ``predict``, and no dropout outside ``training``. Left as it was.
    ids : whole numbers
        The beginning of the text, at least one word; or N beginnings of one length, (N, T), that are all
        continued at once.
    length : int
        How many words to add.
    rng : numpy.random.Generator
    temperature, top_k, top_p, skip
        How to choose; see ``common.generation``.

    Returns
    -------
    list of int
        The words that were added; for N beginnings an array of ids, (N, length).
    """
    require_count("length", length)
    read = np.asarray(ids)
    if read.size == 0:
        raise ValueError("ids is empty; it should hold at least one word to begin with.")
    if read.ndim not in (1, 2):
        raise ValueError(f"ids has shape {read.shape}; it should be (T,), or (N, T) for N texts.")
    alone = read.ndim == 1
    read = np.atleast_2d(read)  # (N, T)
    written = np.empty((len(read), length), dtype=np.int64)
    with evaluating(model):
        for t in range(length):
            scores = model.predict(xp.asarray(read))[:, -1]  # (N, V)
            written[:, t] = choose(scores, rng, temperature, top_k, top_p, skip)
            read = written[:, t : t + 1]
    return written[0].tolist() if alone else written


# ---- a trained model that the book carries


REVIEWS_WEIGHTS = Path(__file__).resolve().parent.parent / "data" / "language_model_reviews.npz"


def review_texts(held_out: int = 400) -> tuple[Vocabulary, list[np.ndarray]]:
    """The film reviews as three texts, for language models.

    Reviews are shuffled, always in the same way; ``<eos>`` ends each. The 10,000 most frequent words are
    known, the others are ``<unk>``.

    Parameters
    ----------
    held_out : int
        How many reviews go to the validation text, and how many to the test text.

    Returns
    -------
    vocabulary : Vocabulary
    texts : list of three arrays of ids
        To train, to validate and to test.
    """
    reviews = load_reviews()
    if not 1 <= held_out < len(reviews) / 2:
        raise ValueError(f"held_out is {held_out}; it should be from 1 to below {len(reviews) // 2}.")
    vocabulary = reviews.vocabulary(1, max_size=10_000, unknown="<unk>", specials=["<eos>"])
    order = np.random.default_rng(1984).permutation(len(reviews))
    parts = order[2 * held_out :], order[:held_out], order[held_out : 2 * held_out]
    return vocabulary, [reviews[part].encode(vocabulary, end="<eos>")[0] for part in parts]


def load_reviews_model() -> tuple[LanguageModel, Vocabulary]:
    """The language model of the film reviews that comes with the book, and its vocabulary.

    Two layers of LSTM with 200 numbers each, words in and words out tied; ``review_texts`` has its words.
    How it was trained, and its perplexities, are in ``data/results/language_models.json`` under "reviews".
    """
    vocabulary = Vocabulary(load_vocabulary(REVIEWS_WEIGHTS), unknown="<unk>")
    rng = np.random.default_rng(1)  # for weights that are replaced at once, and dropout that does not happen
    model = LanguageModel(len(vocabulary), 200, 200, rng, depth=2, dropout=0.1, variational=True, tied=True)
    model.training = False
    load_weights(REVIEWS_WEIGHTS, model)
    return model, vocabulary
