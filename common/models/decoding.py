"""From a trained encoder and decoder to an answer: greedy, by beam search, and where attention looks."""

from __future__ import annotations

import math
from collections.abc import Callable
from numbers import Real
from typing import Any

import numpy as np

from common.backend import Array, to_numpy, xp
from common.functions import log_softmax
from common.layers.base import evaluating
from common.models.seq2seq import Seq2Seq
from common.support.require import require_count
from common.text.rows import END, PAD, START, decode, encode, require_rows
from common.text.vocabulary import Vocabulary

NEVER = [PAD, START]
"""What no answer has inside: it is never chosen."""


def answer(model: Seq2Seq, questions: Array, max_length: int) -> Array:
    """Write an answer to each question, always taking the best next character (**greedy** decoding).

    All questions are answered side by side. A row that has written END is finished, and takes part no more.

    Parameters
    ----------
    model : Seq2Seq
        Left as it was, also in what it remembers for ``backward``.
    questions : (N, S) ids
    max_length : int
        The most characters to write, END included.

    Returns
    -------
    (N, max_length) ids
        Each answer with its END if it got there, then PAD.
    """
    require_rows(questions)
    require_count("max_length", max_length)
    answers = xp.full((len(questions), max_length), PAD, dtype=np.int32)
    rows = xp.arange(len(questions))  # the questions that are still being answered
    ids = xp.full(len(questions), START, dtype=np.int32)
    with evaluating(model):
        state = model.decoder.start(*model.encoder.forward(questions))
        for t in range(max_length):
            scores, state = model.decoder.step(ids, state)  # (rows, V)
            scores[:, NEVER] = -xp.inf
            ids = scores.argmax(axis=1).astype(np.int32)
            answers[rows, t] = ids
            going = ids != END
            if not going.all():
                rows, ids, state = rows[going], ids[going], tuple(part[going] for part in state)
                if len(rows) == 0:
                    break
    return answers


def length_penalty(lengths: Array, alpha: float) -> Array:
    """What GNMT divides the logarithm of a probability by, ``((5 + length) / 6) ** alpha`` [Wu2016]_.

    Parameters
    ----------
    lengths : array
        In characters or words, END included.
    alpha : float
        0 gives 1 for every length. The larger, the more a long answer is preferred.
    """
    return ((5 + lengths) / 6) ** alpha


def beam_search(
    model: Seq2Seq, questions: Array, max_length: int, width: int, alpha: float = 0.0
) -> tuple[Array, Array]:
    """Keep the ``width`` best beginnings of an answer at every step (**beam search** [Lowerre1976]_).

    How good a beginning is: the sum of the logarithms of the probabilities of its characters, divided by its
    ``length_penalty``. With a width of 1 the first answer is the greedy one.

    Parameters
    ----------
    model, questions, max_length
        As in ``answer``.
    width : int
    alpha : float
        Of ``length_penalty``. Without it short answers are preferred: each further character makes a
        probability smaller.

    Returns
    -------
    answers : (N, width, max_length) ids
        The best answer first; END and PAD as in ``answer``.
    log_p : (N, width) float64
        The logarithm of the probability of each, not divided by anything; minus infinity where there are not
        so many answers.
    """
    require_rows(questions)
    require_count("max_length", max_length)
    require_count("width", width)
    if not isinstance(alpha, Real) or not 0 <= alpha < math.inf:
        raise ValueError(f"alpha is {alpha!r}; it should be a finite number, at least 0.")
    N = len(questions)
    answers = xp.full((N, width, max_length), PAD, dtype=np.int32)
    log_p = xp.full((N, width), -xp.inf)
    log_p[:, 0] = 0  # all begin alike, so only one counts
    finished = xp.zeros((N, width), dtype=bool)
    lengths = xp.zeros((N, width), dtype=np.int32)
    ids = xp.full(N * width, START, dtype=np.int32)
    with evaluating(model):
        memory = model.encoder.forward(questions)
        state = tuple(xp.repeat(part, width, axis=0) for part in model.decoder.start(*memory))
        for t in range(max_length):
            scores, state = model.decoder.step(ids, state)  # (N * width, V)
            scores[:, NEVER] = xp.finfo(scores.dtype).min
            more = log_softmax(scores).astype(np.float64).reshape(N, width, -1)  # (N, width, V)
            more[:, :, NEVER] = -xp.inf
            more[finished] = -xp.inf
            more[:, :, PAD] = xp.where(finished, 0, -xp.inf)  # what is finished stays as it is
            V = more.shape[2]
            total = log_p[:, :, None] + more
            lengths = lengths + ~finished
            score = (total / length_penalty(lengths, alpha)[:, :, None]).reshape(N, width * V)
            best = xp.argsort(-score, axis=1, kind="stable")[:, :width]  # (N, width)
            log_p = xp.take_along_axis(total.reshape(N, width * V), best, axis=1)
            parent, new = best // V, (best % V).astype(np.int32)
            answers = xp.take_along_axis(answers, parent[:, :, None], axis=1)
            answers[:, :, t] = new
            lengths = xp.take_along_axis(lengths, parent, axis=1)
            finished = xp.take_along_axis(finished, parent, axis=1) | (new == END)
            rows = (parent + width * xp.arange(N)[:, None]).ravel()
            ids, state = new.ravel(), tuple(part[rows] for part in state)
            if finished.all():
                break
    return answers, log_p


def accuracy(
    model: Seq2Seq,
    questions: Array,
    answers: Array,
    batch_size: int = 1000,
    write: Callable[[Seq2Seq, Array, int], Array] = answer,
) -> float:
    """The share of questions whose whole answer is right, to the last character, from 0 to 1.

    Parameters
    ----------
    model : Seq2Seq
    questions : (N, S) ids
    answers : (N, T) ids, from START to END, then PAD
    batch_size : int
        How many are answered side by side.
    write : function
        As ``answer``: model, questions and the longest length to (N, length) ids.
    """
    require_rows(questions, answers)
    require_count("batch_size", batch_size)
    right = 0
    for start in range(0, len(questions), batch_size):
        rows = slice(start, start + batch_size)
        written = write(model, questions[rows], answers.shape[1] - 1)
        right += int((written == answers[rows, 1:]).all(axis=1).sum())
    return right / len(questions)


def alignment(
    model: Seq2Seq, question: str, characters: Vocabulary, max_length: int
) -> tuple[str, np.ndarray]:
    """Let a model answer one question, and watch where it looks.

    Parameters
    ----------
    model : Seq2Seq
        Its decoder has ``weights``.
    question : str
        At least one character, all of them known.
    characters : Vocabulary
    max_length : int
        The most characters to write.

    Returns
    -------
    answer : str
    weights : (T, S)
        Row t: where the model looked when it wrote character t; column s belongs to character s of the
        question.
    """
    if not question:
        raise ValueError("question is empty; it should have at least one character.")
    ids = encode([question], characters)
    written = answer(model, ids, max_length)
    text = decode(written, characters)[0]
    read = xp.concatenate([xp.full((1, 1), START, dtype=written.dtype), written[:, : len(text) - 1]], axis=1)
    with evaluating(model):
        decoder: Any = model.decoder  # one that has weights
        decoder.forward(read[:, : max(len(text), 1)], *model.encoder.forward(ids))
        weights = to_numpy(decoder.weights)[0]
    return text, weights[: len(text)]
