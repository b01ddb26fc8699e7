"""The same language model as it is first drawn: a layer object for each layer and each time step.

Every time step makes an Embedding, an LSTM, an Affine and a Softmax of its own. They share their weights, but
each has its own gradients, and in the end those of all steps are added up. It is right, and nothing in it is
done for speed: it shows what is gained by taking all time steps at once and minding where numbers lie. It
uses nothing of ``common``, so that it does not become faster when the layers there do.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Arrays = list[np.ndarray]


class Embedding:
    def __init__(self, W: np.ndarray) -> None:
        self.W = W

    def forward(self, ids: np.ndarray) -> np.ndarray:
        self.ids = ids
        return self.W[ids]

    def backward(self, dx: np.ndarray) -> None:
        dW = np.zeros_like(self.W)
        np.add.at(dW, self.ids, dx)
        self.grads = [dW]


class LSTM:
    def __init__(self, Wx: np.ndarray, Wh: np.ndarray, b: np.ndarray) -> None:
        self.Wx, self.Wh, self.b = Wx, Wh, b

    def forward(self, x: np.ndarray, h: np.ndarray, c: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        o, i, f, g = np.split(x @ self.Wx + h @ self.Wh + self.b, 4, axis=1)
        o, i, f, g = sigmoid(o), sigmoid(i), sigmoid(f), np.tanh(g)
        c_next = f * c + i * g
        tanh_c = np.tanh(c_next)
        self.cache = x, h, c, o, i, f, g, tanh_c
        return o * tanh_c, c_next

    def backward(self, dh: np.ndarray, dc: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        x, h, c, o, i, f, g, tanh_c = self.cache
        dc = dc + dh * o * (1 - tanh_c**2)
        gates = dh * tanh_c * o * (1 - o), dc * g * i * (1 - i), dc * c * f * (1 - f), dc * i * (1 - g**2)
        da = np.concatenate(gates, axis=1)
        self.grads = [x.T @ da, h.T @ da, da.sum(axis=0)]
        return da @ self.Wx.T, da @ self.Wh.T, dc * f


class Affine:
    def __init__(self, W: np.ndarray, b: np.ndarray) -> None:
        self.W, self.b = W, b

    def forward(self, x: np.ndarray) -> np.ndarray:
        self.x = x
        return x @ self.W + self.b

    def backward(self, dy: np.ndarray) -> np.ndarray:
        self.grads = [self.x.T @ dy, dy.sum(axis=0)]
        return dy @ self.W.T


class SoftmaxWithLoss:
    def forward(self, x: np.ndarray, t: np.ndarray) -> float:
        y = np.exp(x - x.max(axis=1, keepdims=True))
        self.y, self.t = y / y.sum(axis=1, keepdims=True), t
        return -np.log(self.y[np.arange(len(t)), t]).mean()

    def backward(self, dout: float) -> np.ndarray:
        dx = self.y.copy()
        dx[np.arange(len(dx)), self.t] -= 1
        return dx * np.float32(dout / len(dx))


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def naive_step(a: dict[str, np.ndarray], lr: float, max_norm: float) -> Callable[[], float]:
    """One update a call, with the weights and the words of ``a``; returns the loss before it."""
    params = [a[name] for name in ("W_embed", "Wx", "Wh", "b", "W_out", "b_out")]
    T = a["xs"].shape[1]
    h = c = np.zeros((len(a["xs"]), len(a["Wh"])), dtype=np.float32)

    def step() -> float:
        nonlocal h, c
        steps, loss = [], 0.0
        for t in range(T):
            layers = Embedding(*params[:1]), LSTM(*params[1:4]), Affine(*params[4:]), SoftmaxWithLoss()
            embedding, lstm, affine, softmax = layers
            h, c = lstm.forward(embedding.forward(a["xs"][:, t]), h, c)
            loss += softmax.forward(affine.forward(h), a["ts"][:, t]) / T
            steps.append(layers)
        grads: Arrays = [np.zeros_like(p) for p in params]
        dh = dc = np.zeros_like(h)
        for embedding, lstm, affine, softmax in reversed(steps):
            dh = dh + affine.backward(softmax.backward(1 / T))
            dx, dh, dc = lstm.backward(dh, dc)
            embedding.backward(dx)
            for total, grad in zip(grads, embedding.grads + lstm.grads + affine.grads):
                total += grad
        norm = np.sqrt(sum((grad**2).sum() for grad in grads))
        rate = lr * min(1, max_norm / norm)
        for param, grad in zip(params, grads):
            param -= np.float32(rate) * grad
        return float(loss)

    return step
