"""The same language model with one layer object for each layer and time step: the way it is first drawn.

Every forward pass makes an Embedding, an LSTMCell, an Affine and a SoftmaxWithLoss for each time step. They
share their weights, and the gradients that they find are added up. It is right, and made of the layers of the
book: it shows what is gained by taking all time steps at once, in memory that is kept, with one array for the
scores.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np


def naive_step(a: dict[str, np.ndarray], lr: float, max_norm: float) -> Callable[[], float]:
    """One update a call, with the weights and the words of ``a``; returns the loss before it."""
    from common.layers import Affine, Embedding, LSTMCell, Model, SoftmaxWithLoss, unique_parameters
    from common.optimizers import SGD
    from common.training import clip_gradients

    class Unrolled(Model):
        carried = ("h", "c")

        def __init__(self) -> None:
            self.h = self.c = np.zeros((len(a["xs"]), len(a["Wh"])), dtype=np.float32)

        def forward(self, xs, ts):
            T = xs.shape[1]
            self.embeddings = [Embedding(a["W_embed"]) for _ in range(T)]
            self.cells = [LSTMCell(a["Wx"], a["Wh"], a["b"]) for _ in range(T)]
            self.affines = [Affine(a["W_out"], a["b_out"]) for _ in range(T)]
            self.losses = [SoftmaxWithLoss() for _ in range(T)]
            total = 0.0
            for t in range(T):
                x = self.embeddings[t].forward(xs[:, t])
                self.h, self.c = self.cells[t].forward(x, self.h, self.c)
                total += self.losses[t].forward(self.affines[t].forward(self.h), ts[:, t])
            return total / T

        def backward(self, dout=1):
            T = len(self.cells)
            dh = dc = np.zeros_like(self.h)
            for t in reversed(range(T)):
                dh = dh + self.affines[t].backward(self.losses[t].backward(dout / T))
                dx, dh, dc = self.cells[t].backward(dh, dc)
                self.embeddings[t].backward(dx)

    model, optimizer = Unrolled(), SGD(lr)

    def step() -> float:
        loss = model.forward(a["xs"], a["ts"])
        model.backward()
        params, grads = unique_parameters(model)  # adds up the gradients of all time steps
        clip_gradients(grads, max_norm)
        optimizer.update(params, grads)
        return float(loss)

    return step
