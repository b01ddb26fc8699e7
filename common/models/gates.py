"""A look inside a language model of LSTMs as it reads: gates, candidate and memory at each word."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from common.backend import Array, xp
from common.layers import LSTM, LSTMCell
from common.models.language_model import LanguageModel

QUANTITIES = ("output gate", "input gate", "forget gate", "candidate", "memory")
"""What ``lstm_gates`` tells of each LSTM; the memory as its tanh, between -1 and 1."""


def lstm_gates(
    model: LanguageModel, ids: Sequence[int] | Array, cell_class: type[Any] = LSTMCell
) -> dict[tuple[int, str], Array]:
    """What the LSTMs of a model compute at each word of a text, from state zero and with nothing dropped.

    Parameters
    ----------
    model : LanguageModel
        Its layers are LSTMs, with or without dropout. It is left as it was.
    ids : whole numbers, one axis, L words
    cell_class : class
        Made from an LSTM's weights, it computes one step. Its ``cache`` ends, after a step, in the gates o, i
        and f, the candidate g and tanh(c), as that of ``LSTMCell`` does.

    Returns
    -------
    dict
        From the number of the LSTM, 1 for the lowest, and one of ``QUANTITIES`` to float64 numbers, (L, H).
    """
    xs = model.embedding.params[0][xp.asarray(ids)].astype(np.float64)  # (L, D)
    gates: dict[tuple[int, str], Array] = {}
    lstms = [layer for layer in model.layers if isinstance(layer, LSTM)]
    for number, layer in enumerate(lstms, start=1):
        cell = cell_class(*(param.astype(np.float64) for param in layer.params))
        h = c = xp.zeros((1, len(layer.params[1])))  # (1, H)
        steps = []
        for x in xs:
            h, c = cell.forward(x[np.newaxis], h, c)
            steps.append(xp.concatenate(cell.cache[3:]))  # (5, H)
        read = xp.stack(steps, axis=1)  # (5, L, H)
        gates |= {(number, name): values for name, values in zip(QUANTITIES, read)}
        xs = read[0] * read[4]  # h = o tanh(c), (L, H)
    return gates
