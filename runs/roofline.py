"""What this machine can do in a second, and how near the book's layers come to it, for chapter 17.

    python -m runs.roofline machine layers batch messages training

``machine`` measures the largest rate of operations (a product of two large matrices) and of bytes (reading
one long array and writing another). ``layers`` times layers of the book forward, beside the operations and
bytes that their formulas ask for. ``batch`` does the same with one affine layer and more and more rows.
``messages`` sends arrays to two other processes and back, and makes training steps in one process and in two.
``training`` times a step of a language model.

All is measured with one thread for each process, and the least time of several rounds is kept. A minute in
all; it adds to data/results/roofline.json. The machine should have nothing else to do.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from common.book.results import record_run
from common.layers import GRU, LSTM, LayerNorm, Make, ReLU
from common.layers.base import Layer, unique_parameters
from common.models.classifiers import Classifier
from common.models.language_model import LanguageModel
from common.optimizers import SGD, Adam
from common.training import train_step

RESULTS = "roofline"
FLOAT = 4  # bytes
ROUNDS = 7
ROWS = (1, 4, 16, 64, 256, 1024)
STEP_ROWS = (256, 1024, 4096, 8192)


def seconds(work: Callable[[], Any], rounds: int = ROUNDS) -> float:
    """The least time of several rounds, each of as many calls as fill a hundredth of a second."""
    work()
    start = time.perf_counter()
    work()
    calls = max(1, round(0.01 / max(time.perf_counter() - start, 1e-6)))
    best = float("inf")
    for _ in range(rounds):
        start = time.perf_counter()
        for _ in range(calls):
            work()
        best = min(best, (time.perf_counter() - start) / calls)
    return best


def machine() -> dict[str, float]:
    """Operations a second in a large product, and bytes a second through a sum of long arrays."""
    rng = np.random.default_rng(0)
    n, long = 1024, 2**24
    a, b = rng.random((2, n, n), dtype=np.float32)
    x, y = np.ones((2, long), np.float32)
    product = seconds(lambda: np.matmul(a, b, out=np.empty_like(a)))
    stream = seconds(lambda: np.multiply(x, np.float32(2), out=y))
    return {"operations": 2 * n**3 / product, "bytes": 2 * FLOAT * long / stream}


def affine(N: int, D: int, H: int) -> tuple[int, int]:
    """Operations and bytes of ``x W + b``: each number is read or written once."""
    return 2 * N * D * H + N * H, FLOAT * (N * D + D * H + H + N * H)


def recurrent(N: int, T: int, D: int, H: int, gates: int) -> tuple[int, int]:
    """Of a recurrent layer: two products for each gate and step, and about eight operations a number."""
    operations = 2 * N * T * (D + H) * gates * H + 8 * N * T * gates * H
    # W of the states is needed again at each of T steps.
    return operations, FLOAT * (N * T * (D + H + gates * H) + D * gates * H + T * H * gates * H)


def convolution(N: int, C: int, F: int, k: int, size: int) -> tuple[int, int]:
    """Of a convolution without padding, in steps of one."""
    out = size - k + 1
    return 2 * N * F * C * k * k * out**2, FLOAT * (N * C * size**2 + F * C * k * k + N * F * out**2)


def elementwise(numbers: int, operations: int, arrays: int) -> tuple[int, int]:
    """Of what does so many operations with each number, and reads or writes so many arrays."""
    return operations * numbers, arrays * FLOAT * numbers


def forward(layer: Layer, *shape: int) -> Callable[[], Any]:
    x = np.random.default_rng(1).standard_normal(shape, dtype=np.float32)
    return lambda: layer.forward(x)


def layers() -> dict[str, dict[str, float]]:
    """Layers of the book: operations and bytes by formula, seconds measured."""
    make = Make(np.random.default_rng(0))
    N, T, D, V = 20, 35, 100, 10_000
    weights = np.ones(1_000_000, np.float32)
    adam, grad = Adam(), np.full_like(weights, 0.01)
    norm = LayerNorm(np.ones(512, np.float32), np.zeros(512, np.float32))
    measured = {
        "product with 10,000 words": (forward(make.affine(D, V), N * T, D), affine(N * T, D, V)),
        "affine, 700 rows": (forward(make.affine(512, 512), 700, 512), affine(700, 512, 512)),
        "affine, 1 row": (forward(make.affine(2048, 2048), 1, 2048), affine(1, 2048, 2048)),
        "LSTM": (forward(make.recurrent(LSTM, D, D), N, T, D), recurrent(N, T, D, D, 4)),
        "GRU": (forward(make.recurrent(GRU, D, D), N, T, D), recurrent(N, T, D, D, 3)),
        "convolution": (forward(make.convolution(6, 16, 5), 100, 6, 12, 12), convolution(100, 6, 16, 5, 12)),
        "ReLU": (forward(ReLU(), 2000, 512), elementwise(2000 * 512, 1, 2)),
        "layer norm": (forward(norm, 2000, 512), elementwise(2000 * 512, 8, 2)),
        # Reads gradient, weight and two running means; writes three.
        "Adam": (lambda: adam.update([weights], [grad]), elementwise(len(weights), 12, 7)),
    }
    return {
        name: {"operations": operations, "bytes": moved, "seconds": seconds(work)}
        for name, (work, (operations, moved)) in measured.items()
    }


def batch(D: int = 1024) -> dict[str, dict[str, float]]:
    """One affine layer with more and more rows."""
    layer = Make(np.random.default_rng(0)).affine(D, D)
    found = {}
    for N in ROWS:
        operations, moved = affine(N, D, D)
        found[str(N)] = {
            "operations": operations,
            "bytes": moved,
            "seconds": seconds(forward(layer, N, D)),
        }
    return found


def dense(rng: np.random.Generator) -> Classifier:
    """A network with a megabyte of weights."""
    make = Make(rng)
    return Classifier(make.affine(784, 320), ReLU(), make.affine(320, 10))


def gradient(weights: list[np.ndarray], examples: int) -> list[np.ndarray]:
    """What a worker does: read the weights, and answer with as many numbers."""
    model, rng = dense(np.random.default_rng(0)), np.random.default_rng(1)
    for own, sent in zip(model.params, weights):
        own[...] = sent
    x, t = rng.random((examples, 784), dtype=np.float32), rng.integers(0, 10, examples)
    model.forward(x, t)
    model.backward()
    return [np.array(grad) for grad in model.grads]


def echo(array: np.ndarray) -> np.ndarray:
    return array


def least(work: Callable[[], Any], rounds: int = 9) -> float:
    """The least time of a call."""
    work()
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def messages() -> dict[str, Any]:
    """Seconds for a message, bytes a second, and seconds of a step in one process and in two.

    The program that trains sends all weights to each worker, and gets a gradient back from each.
    """
    from distributed import Client, LocalCluster

    weights = [np.array(p) for p in dense(np.random.default_rng(0)).params]
    size = sum(p.nbytes for p in weights)
    workers = LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None)
    with workers, Client(workers) as client:

        def there_and_back(array: np.ndarray) -> None:
            client.submit(echo, array, pure=False).result()

        def step(examples: int) -> None:
            parts = [client.submit(gradient, weights, examples // 2, pure=False) for _ in range(2)]
            client.gather(parts)

        def timed(examples: int) -> dict[str, float]:
            return {
                "one": least(lambda: gradient(weights, examples)),
                "half": least(lambda: gradient(weights, examples // 2)),
                "two": least(lambda: step(examples)),
            }

        small, large = np.zeros(1, np.float32), np.zeros(2**24, np.float32)
        latency = least(lambda: there_and_back(small), 30)
        rate = 2 * large.nbytes / (least(lambda: there_and_back(large)) - latency)
        steps = {str(examples): timed(examples) for examples in STEP_ROWS}
    return {"latency": latency, "bytes": rate, "weights": size, "steps": steps}


def training(N: int = 20, T: int = 35, V: int = 10_000, H: int = 100) -> dict[str, float]:
    """A training step of the language model of chapter 6."""
    rng = np.random.default_rng(0)
    model, optimizer = LanguageModel(V, H, H, rng), SGD(0.1)
    x, t = rng.integers(0, V, (2, N, T))
    size = sum(FLOAT * p.size for p in unique_parameters(model)[0])
    return {
        "tokens": N * T,
        "seconds": least(lambda: train_step(model, optimizer, x, t)),
        "weights": size,
    }


PARTS: dict[str, Callable[[], dict[str, Any]]] = {
    "machine": machine,
    "layers": layers,
    "batch": batch,
    "messages": messages,
    "training": training,
}


def main() -> None:
    parts = sys.argv[1:]
    if not parts or set(parts) - set(PARTS):
        sys.exit(f"the parts are {' '.join(parts) or 'missing'}; they should be among {', '.join(PARTS)}.")
    for part in parts:
        with threadpool_limits(1):
            found = PARTS[part]()
        command = f"python -m runs.roofline {part}"
        record_run(RESULTS, part, result=found, seed=0, command=command)
        print(part, found, flush=True)


if __name__ == "__main__":
    main()
