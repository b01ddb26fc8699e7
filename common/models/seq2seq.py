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

from typing import Any, Protocol

import numpy as np

from common.backend import FLOAT, Array, DType, xp
from common.layers.base import Layer, Model
from common.layers.loss import SoftmaxWithLoss
from common.layers.make import Make
from common.layers.recurrent import LSTM
from common.support.require import require_counts
from common.text.rows import padding_mask, require_rows


class AnyEncoder(Protocol):
    """A layer that reads."""

    def forward(self, questions: Array) -> tuple[Array, ...]: ...

    def backward(self, *dmemory: Any) -> None: ...


class AnyDecoder(Protocol):
    """A layer that writes."""

    def forward(self, answers: Array, *memory: Any) -> Array: ...

    def backward(self, dscores: Array) -> tuple[Array | None, ...]: ...

    def start(self, *memory: Any) -> tuple[Array, ...]: ...

    def step(self, ids: Array, state: tuple[Array, ...]) -> tuple[Array, tuple[Array, ...]]: ...


# ---- encoder and decoder


class Encoder(Model):
    """Read a question; what is remembered is the last state of an LSTM [Sutskever2014]_.

    Parameters
    ----------
    V, D, H : int
        Number of characters, size of a character's vector, size of the hidden state.
    rng : numpy.random.Generator
        Draws the first weights.
    dtype : float type, of the weights
    """

    def __init__(self, V: int, D: int, H: int, rng: np.random.Generator, *, dtype: DType = FLOAT) -> None:
        require_counts(V=V, D=D, H=H)
        make = Make(rng, dtype)
        self.embedding = make.embedding(V, D)
        self.lstm = make.recurrent(LSTM, D, H)

    def forward(self, questions: Array) -> tuple[Array, ...]:
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
    dtype : float type, of the weights
    """

    def __init__(self, V: int, D: int, H: int, rng: np.random.Generator, *, dtype: DType = FLOAT) -> None:
        require_counts(V=V, D=D, H=H)
        make = Make(rng, dtype)
        self.embedding = make.embedding(V, D)
        self.lstm = make.recurrent(LSTM, D, H)
        self.affine = make.affine(H, V)

    def forward(self, answers: Array, h: Array, c: Array) -> Array:
        """Ids (N, T) and the state to begin with, (N, H) twice, to scores (N, T, V) of what follows."""
        self.lstm.set_state(h, c)
        return self.affine.forward(self.lstm.forward(self.embedding.forward(answers)))

    def backward(self, dscores: Array) -> tuple[Array, ...]:
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
    dtype : float type, of the weights
    """

    def __init__(self, V: int, D: int, H: int, rng: np.random.Generator, *, dtype: DType = FLOAT) -> None:
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

    def backward(self, dscores: Array) -> tuple[Array, ...]:
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

    def __init__(self, encoder: AnyEncoder, decoder: AnyDecoder, loss: Layer | None = None) -> None:
        self.encoder, self.decoder = encoder, decoder
        self.loss: Layer = SoftmaxWithLoss() if loss is None else loss

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


def plain(V: int, D: int, H: int, rng: np.random.Generator, *, dtype: DType = FLOAT) -> Seq2Seq:
    """Encoder and decoder, nothing else; settings as in ``Encoder``."""
    return Seq2Seq(Encoder(V, D, H, rng, dtype=dtype), Decoder(V, D, H, rng, dtype=dtype))


def peeky(V: int, D: int, H: int, rng: np.random.Generator, *, dtype: DType = FLOAT) -> Seq2Seq:
    """A model whose decoder is shown the question at every step; settings as in ``Encoder``."""
    return Seq2Seq(Encoder(V, D, H, rng, dtype=dtype), PeekyDecoder(V, D, H, rng, dtype=dtype))
