"""From one sequence to another: an encoder reads the question, a decoder writes the answer.

    16+75 -> encoder -> memory -> decoder -> 91

What passes between the two is the encoder's **memory**, a tuple of arrays with one row for each question. The
encoder and decoder of this module hand over the last state of an LSTM. Others hand over more, and ``Seq2Seq``
and the search for an answer do not care: they know this much of the two.

    memory = encoder.forward(questions)           # questions (N, S), ids filled up with PAD
    scores = decoder.forward(answers, *memory)    # (N, T) to (N, T, V): what follows each character
    dmemory = decoder.backward(dscores)           # a gradient, or None, for each part of the memory
    encoder.backward(*dmemory)

    state = decoder.start(*memory)                # to write: a tuple of arrays, one row for each answer
    scores, state = decoder.step(ids, state)      # the last characters (N,) to the scores of the next (N, V)

Rows of ``state`` do not depend on each other. So a search may drop those that are finished, and take those
that are promising twice.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from common.backend import FLOAT, Array, to_numpy, xp
from common.functions import log_softmax
from common.layers.base import Layer, Model, evaluating
from common.layers.loss import SoftmaxWithLoss
from common.layers.make import Make
from common.layers.recurrent import LSTM
from common.questions import END, PAD, START, padding_mask
from common.require import require_array, require_count, require_counts

NEVER = [PAD, START]
"""What no answer has inside: it is never chosen."""


# ---- encoder and decoder


class Encoder(Model):
    """Read a question; what is remembered is the last state of an LSTM [Sutskever2014]_.

    Parameters
    ----------
    V, D, H : int
        Number of characters, size of a character's vector, size of the hidden state.
    rng : numpy.random.Generator
        Draws the first weights.
    """

    def __init__(self, V: int, D: int, H: int, rng: np.random.Generator, *, dtype: type = FLOAT) -> None:
        require_counts(V=V, D=D, H=H)
        make = Make(rng, dtype)
        self.embedding = make.embedding(V, D)
        self.lstm = make.recurrent(LSTM, D, H)

    def forward(self, questions: Array) -> tuple[Array, Array]:
        """Ids (N, S) to the states ``h`` and ``c`` (N, H) after the last character of each question.

        Padding is passed over. A question that is nothing but padding leaves the state zero.
        """
        hs = self.lstm.forward(self.embedding.forward(questions), padding_mask(questions))
        self.shape = hs.shape  # (N, S, H)
        return self.lstm.state

    def backward(self, dh: Array, dc: Array) -> None:
        """Gradients of both states, (N, H) each."""
        dhs = xp.zeros(self.shape, dtype=dh.dtype)
        self.embedding.backward(self.lstm.backward(dhs, dh, dc))


class Decoder(Model):
    """Write an answer, character by character; the state in which the LSTM begins holds the question.

    Parameters
    ----------
    V, D, H : int
        As in ``Encoder``, with the same H.
    rng : numpy.random.Generator
    """

    def __init__(self, V: int, D: int, H: int, rng: np.random.Generator, *, dtype: type = FLOAT) -> None:
        require_counts(V=V, D=D, H=H)
        make = Make(rng, dtype)
        self.embedding = make.embedding(V, D)
        self.lstm = make.recurrent(LSTM, D, H)
        self.affine = make.affine(H, V)

    def forward(self, answers: Array, h: Array, c: Array) -> Array:
        """Ids (N, T) and the state to begin with, (N, H) twice, to scores (N, T, V) of what follows."""
        self.lstm.set_state(h, c)
        return self.affine.forward(self.lstm.forward(self.embedding.forward(answers)))

    def backward(self, dscores: Array) -> tuple[Array, Array]:
        """Gradients of ``h`` and ``c``, (N, H) each."""
        self.embedding.backward(self.lstm.backward(self.affine.backward(dscores)))
        return self.lstm.dstate

    def start(self, h: Array, c: Array) -> tuple[Array, ...]:
        """The state before the first character."""
        return h, c

    def step(self, ids: Array, state: tuple[Array, ...]) -> tuple[Array, tuple[Array, ...]]:
        """The last character of each answer (N,) and the state, to scores (N, V) and the next state."""
        scores = self.forward(ids[:, None], *state)
        return scores[:, 0], self.lstm.state


class PeekyDecoder(Model):
    """A decoder that is shown the question's ``h`` at every step, and again when it scores [Cho2014]_.

    Parameters
    ----------
    V, D, H : int
    rng : numpy.random.Generator
    """

    def __init__(self, V: int, D: int, H: int, rng: np.random.Generator, *, dtype: type = FLOAT) -> None:
        require_counts(V=V, D=D, H=H)
        make = Make(rng, dtype)
        self.embedding = make.embedding(V, D)
        self.lstm = make.recurrent(LSTM, H + D, H)
        self.affine = make.affine(H + H, V)

    def forward(self, answers: Array, h: Array, c: Array, question: Array | None = None) -> Array:
        """Ids (N, T), the state to begin with, and what to be shown (``h`` unless given), to (N, T, V)."""
        question = h if question is None else question
        shown = xp.repeat(question[:, None], answers.shape[1], axis=1)  # (N, T, H)
        self.lstm.set_state(h, c)
        hs = self.lstm.forward(xp.concatenate([shown, self.embedding.forward(answers)], axis=2))
        return self.affine.forward(xp.concatenate([shown, hs], axis=2))

    def backward(self, dscores: Array) -> tuple[Array, Array]:
        """Gradients of ``h`` and ``c``, when ``h`` was also what was shown."""
        H = len(self.lstm.params[1])
        dboth = self.affine.backward(dscores)  # (N, T, 2H)
        dinput = self.lstm.backward(dboth[:, :, H:])  # (N, T, H + D)
        self.embedding.backward(dinput[:, :, H:])
        dh, dc = self.lstm.dstate
        return dh + (dboth[:, :, :H] + dinput[:, :, :H]).sum(axis=1), dc

    def start(self, h: Array, c: Array) -> tuple[Array, ...]:
        """The state before the first character: what changes, and what is shown."""
        return h, c, h

    def step(self, ids: Array, state: tuple[Array, ...]) -> tuple[Array, tuple[Array, ...]]:
        """The last character of each answer (N,) and the state, to scores (N, V) and the next state."""
        scores = self.forward(ids[:, None], *state)
        return scores[:, 0], (*self.lstm.state, state[-1])


class Seq2Seq(Model):
    """An encoder and a decoder that learn together.

    Parameters
    ----------
    encoder, decoder : Layer
        With the methods that the head of this module lists.
    loss : Layer, optional
        ``SoftmaxWithLoss()`` unless given.
    """

    def __init__(self, encoder: Layer, decoder: Layer, loss: Layer | None = None) -> None:
        self.encoder, self.decoder = encoder, decoder
        self.loss = SoftmaxWithLoss() if loss is None else loss

    def forward(self, questions: Array, answers: Array) -> Array:
        """The mean loss of a character of the answers, END included.

        The decoder reads the right answer, not its own (**teacher forcing** [Williams1989]_): from each
        character it has to guess the next.

        Parameters
        ----------
        questions : (N, S) ids
        answers : (N, T) ids, from START to END, then PAD
        """
        require_rows(questions, answers)
        scores = self.decoder.forward(answers[:, :-1], *self.encoder.forward(questions))  # (N, T-1, V)
        targets = answers[:, 1:]
        return self.loss.forward(scores, targets, padding_mask(targets))

    def backward(self, dout: float = 1) -> None:
        """Leave all gradients in ``grads``."""
        self.encoder.backward(*self.decoder.backward(self.loss.backward(dout)))


def plain(V: int, D: int, H: int, rng: np.random.Generator, *, dtype: type = FLOAT) -> Seq2Seq:
    """Encoder and decoder, nothing else."""
    return Seq2Seq(Encoder(V, D, H, rng, dtype=dtype), Decoder(V, D, H, rng, dtype=dtype))


def peeky(V: int, D: int, H: int, rng: np.random.Generator, *, dtype: type = FLOAT) -> Seq2Seq:
    """A model whose decoder is shown the question at every step."""
    return Seq2Seq(Encoder(V, D, H, rng, dtype=dtype), PeekyDecoder(V, D, H, rng, dtype=dtype))


# ---- writing answers


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


def beam_search(model: Seq2Seq, questions: Array, max_length: int, width: int) -> tuple[Array, Array]:
    """Keep the ``width`` best beginnings of an answer at every step (**beam search** [Graves2012]_).

    How good a beginning is: the sum of the logarithms of the probabilities of its characters. With a width of
    1 the first answer is the greedy one.

    Parameters
    ----------
    model, questions, max_length
        As in ``answer``.
    width : int

    Returns
    -------
    answers : (N, width, max_length) ids
        The best answer first; END and PAD as in ``answer``.
    log_p : (N, width) float64
        The logarithm of the probability of each; minus infinity where there are not so many answers.
    """
    require_rows(questions)
    require_count("max_length", max_length)
    require_count("width", width)
    N = len(questions)
    answers = xp.full((N, width, max_length), PAD, dtype=np.int32)
    log_p = xp.full((N, width), -xp.inf)
    log_p[:, 0] = 0  # all begin alike, so only one counts
    finished = xp.zeros((N, width), dtype=bool)
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
            total = (log_p[:, :, None] + more).reshape(N, width * V)
            best = xp.argsort(-total, axis=1, kind="stable")[:, :width]  # (N, width)
            log_p = xp.take_along_axis(total, best, axis=1)
            parent, new = best // V, (best % V).astype(np.int32)
            answers = xp.take_along_axis(answers, parent[:, :, None], axis=1)
            answers[:, :, t] = new
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


def require_rows(questions: Array, answers: Array | None = None) -> None:
    """Raise unless questions (and answers, as many) are rows of ids."""
    for name, ids, columns in (("questions", questions, 1), ("answers", answers, 2)):
        if ids is None:
            continue
        require_array(name, ids)
        if ids.ndim != 2 or ids.shape[1] < columns or len(ids) == 0:
            raise ValueError(
                f"{name} has shape {ids.shape}; "
                f"it should be (N, T), with N at least 1 and T at least {columns}."
            )
    if answers is not None and len(answers) != len(questions):
        raise ValueError(f"answers has {len(answers)} rows; it should have {len(questions)}, as questions.")
    if answers is not None and not (to_numpy(answers[:, 0]) == START).all():
        raise ValueError(f"answers should each begin with START, {START}: use encode(..., answers=True).")
