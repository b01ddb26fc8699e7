"""Forward, backward and SGD of a network with one hidden layer, at the size of handwritten digits."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks import Benchmark
from benchmarks._steps import Step, counted, our_step, same_losses, tensor, torch_step
from common.backend import xp

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


def ours_step() -> Step:
    from common.layers import Affine, Model, Sigmoid, SoftmaxWithLoss
    from common.optimizers import SGD

    a = {name: xp.asarray(array) for name, array in data().items()}

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

    return our_step(TwoLayerNet(), SGD(LR), None, a["x"], a["t"])


def peer_step() -> Step:
    import torch

    from benchmarks.pytorch_layout import at, linear

    torch.set_num_threads(int(os.environ["BENCH_THREADS"]))
    a = {name: tensor(array) for name, array in data().items()}
    model = torch.nn.Sequential(torch.nn.Linear(D, H), torch.nn.Sigmoid(), torch.nn.Linear(H, C))
    first, last = ({"W": a[f"W{i}"], "b": a[f"b{i}"]} for i in (1, 2))
    model.load_state_dict(at("0.", linear(first)) | at("2.", linear(last)))
    optimizer = torch.optim.SGD(model.parameters(), lr=LR)
    cross_entropy = torch.nn.CrossEntropyLoss()
    return torch_step(model, optimizer, None, lambda: cross_entropy(model(a["x"]), a["t"]))


def ours() -> Callable[[], float]:
    return counted(ours_step(), N)


def peer() -> Callable[[], float]:
    return counted(peer_step(), N)


def report() -> dict[str, Any]:
    """Both sides do the same."""
    return same_losses(ours_step(), peer_step())


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
