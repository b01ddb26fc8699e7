"""Forward, backward and SGD of a network with one hidden layer, at the size of handwritten digits."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks import Benchmark

N, D, H, C = 128, 784, 256, 10
LR = 0.1


def data() -> dict[str, np.ndarray]:
    """One batch, and the weights to begin with: the same for both sides."""
    rng = np.random.default_rng(1984)
    return {
        "x": rng.standard_normal((N, D), dtype=np.float32),
        "t": rng.integers(0, C, N),
        "W1": (rng.standard_normal((D, H)) * D**-0.5).astype(np.float32),
        "b1": np.zeros(H, dtype=np.float32),
        "W2": (rng.standard_normal((H, C)) * H**-0.5).astype(np.float32),
        "b2": np.zeros(C, dtype=np.float32),
    }


def ours_step() -> Callable[[], Any]:
    from common.layers import Affine, Model, Sigmoid, SoftmaxWithLoss
    from common.optimizers import SGD

    a = data()

    class TwoLayerNet(Model):
        def __init__(self) -> None:
            self.affine1 = Affine(a["W1"], a["b1"], first=True)
            self.sigmoid = Sigmoid()
            self.affine2 = Affine(a["W2"], a["b2"])
            self.loss = SoftmaxWithLoss()

        def forward(self, x, t):
            h = self.sigmoid.forward(self.affine1.forward(x))
            return self.loss.forward(self.affine2.forward(h), t)

        def backward(self, dout=1):
            dh = self.affine2.backward(self.loss.backward(dout))
            return self.affine1.backward(self.sigmoid.backward(dh))

    model, optimizer = TwoLayerNet(), SGD(LR)

    def step() -> float:
        loss = model.forward(a["x"], a["t"])
        model.backward()
        optimizer.update(model.params, model.grads)
        return float(loss)

    return step


def peer_step() -> Callable[[], Any]:
    import torch

    torch.set_num_threads(int(os.environ["BENCH_THREADS"]))
    a = {name: torch.from_numpy(array) for name, array in data().items()}
    model = torch.nn.Sequential(torch.nn.Linear(D, H), torch.nn.Sigmoid(), torch.nn.Linear(H, C))
    with torch.no_grad():
        for layer, i in ((model[0], 1), (model[2], 2)):
            layer.weight.copy_(a[f"W{i}"].T)
            layer.bias.copy_(a[f"b{i}"])
    optimizer = torch.optim.SGD(model.parameters(), lr=LR)
    cross_entropy = torch.nn.CrossEntropyLoss()

    def step() -> float:
        optimizer.zero_grad()
        loss = cross_entropy(model(a["x"]), a["t"])
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def timed(step: Callable[[], Any]) -> Callable[[], float]:
    """Ten steps a call; returns the examples seen."""

    def work() -> float:
        for _ in range(10):
            step()
        return 10 * N

    return work


def ours() -> Callable[[], float]:
    return timed(ours_step())


def peer() -> Callable[[], float]:
    return timed(peer_step())


def report() -> dict[str, Any]:
    """Both sides do the same: their losses after 20 steps, from the same weights."""
    steps = ours_step(), peer_step()
    losses = [[step() for _ in range(20)][-1] for step in steps]
    if not np.isclose(*losses, rtol=1e-4):
        raise AssertionError(f"the losses differ after 20 steps: ours {losses[0]}, the peer's {losses[1]}")
    return {"loss after 20 steps": [round(loss, 5) for loss in losses]}


BENCHMARKS = [
    Benchmark(
        name="two-layer",
        unit="examples",
        ours=ours,
        peer=peer,
        against="PyTorch",
        needs=("torch==2.13.0",),
        report=report,
    )
]
