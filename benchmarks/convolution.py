"""A training step of convolutional networks on digits: forward, loss, backward, AdamW, 100 pictures a batch.

The same weights and the same batch on both sides. PyTorch can keep a picture's channels in two orders: one
after the other, which is what it does unless told otherwise, or side by side at each place
(``channels-last``), which is faster on a processor. There is a row for each.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from benchmarks import Benchmark
from benchmarks._steps import Step, counted, our_step, same_losses, tensor, torch_step
from common.initializers import he
from common.layers import Flatten, Make, MaxPooling, ReLU
from common.models.classifiers import Classifier, lenet, simple_convnet
from common.optimizers import AdamW

N, LR = 100, 1e-3


def two_layers(rng: np.random.Generator) -> Classifier:
    """32 filters of 5 x 5, then 64."""
    make = Make(rng)
    return Classifier(
        *(make.convolution(1, 32, 5, first=True), MaxPooling(2), ReLU()),
        *(make.convolution(32, 64, 5), MaxPooling(2), ReLU()),
        *(Flatten(), make.affine(64 * 4 * 4, 100, he), ReLU()),
        make.affine(100, 10),
    )


NETS: dict[str, Callable[[np.random.Generator], Classifier]] = {
    "convnet-simple": simple_convnet,
    "convnet-lenet": lenet,
    "convnet-32-64": two_layers,
}


def batch() -> tuple[np.ndarray, np.ndarray]:
    """Pictures (N, 1, 28, 28), most of each empty, as digits are; and their classes."""
    rng = np.random.default_rng(1984)
    x = np.zeros((N, 1, 28, 28), dtype=np.float32)
    x[:, :, 4:24, 8:20] = rng.random((N, 1, 20, 12), dtype=np.float32)
    return x, rng.integers(0, 10, N)


def model_of_ours(name: str) -> Classifier:
    return NETS[name](np.random.default_rng(1984))


def ours_step(name: str) -> Step:
    return our_step(model_of_ours(name), AdamW(LR), None, *batch())


def peer_step(name: str, channels_last: bool) -> Step:
    import torch

    from benchmarks.pytorch_layout import layers_in_a_row

    torch.set_num_threads(int(os.environ["BENCH_THREADS"]))
    ours, nn = model_of_ours(name), torch.nn
    made = {
        "Convolution": lambda layer: nn.Conv2d(
            *layer.params[0].shape[1::-1], layer.size, padding=layer.padding
        ),
        "MaxPooling": lambda layer: nn.MaxPool2d(layer.size),
        "ReLU": lambda layer: nn.ReLU(),
        "Flatten": lambda layer: nn.Flatten(),
        "Affine": lambda layer: nn.Linear(*layer.params[0].shape),
    }
    model = nn.Sequential(*(made[type(layer).__name__](layer) for layer in ours.body.layers))
    weights = {path: tensor(array) for path, array in ours.body.named_params()}
    model.load_state_dict(layers_in_a_row(weights))
    x, t = map(tensor, batch())
    if channels_last:
        model, x = (a.to(memory_format=torch.channels_last) for a in (model, x))
    decayed = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim < 2]
    groups: list[dict[str, Any]] = [{"params": decayed}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=LR, weight_decay=0.01)
    return torch_step(model, optimizer, None, lambda: nn.functional.cross_entropy(model(x), t))


def pictures(make: Callable[[], Step]) -> Callable[[], float]:
    """One step a call; returns the pictures of the batch."""
    return counted(make(), float(N))


def report(name: str, channels_last: bool) -> dict[str, Any]:
    """Both sides do the same."""
    return same_losses(ours_step(name), peer_step(name, channels_last))


BENCHMARKS = [
    Benchmark(
        name=f"{name}-channels-last" if channels_last else name,
        unit="pictures",
        ours=partial(pictures, partial(ours_step, name)),
        peer=partial(pictures, partial(peer_step, name, channels_last)),
        against="PyTorch, channels last" if channels_last else "PyTorch",
        needs=("torch==2.13.0",),
        report=partial(report, name, channels_last),
    )
    for name in NETS
    for channels_last in (False, True)
]
