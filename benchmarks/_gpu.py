"""Training steps of the book's code and of PyTorch on the same GPU: ``make bench-gpu``, within five minutes.

    python -m benchmarks._gpu                     # all rows; they are kept in data/results/gpu.json
    python -m benchmarks._gpu --no-record lstm    # those whose name begins with lstm

It needs Python with CuPy, NumPy and PyTorch, which brings cuDNN, and nothing else. The rows are those of
``make bench``, of the same sizes, weights and batches. The two sides run in processes of their own and take
turns; a turn makes steps for half a second and waits until the card has done them all. Both compute in
float32 in full: the shorter products that PyTorch would take for convolutions (TF32) are off, and cuDNN tries
out its ways and takes the fastest. After three steps from the same weights both must have the same loss.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from benchmarks import Benchmark, convolution, gpt, recurrent, transformer, two_layer
from benchmarks._card import book_without_figures, card, no_gpu
from benchmarks._steps import Step
from benchmarks._worker import Worker

LIMIT = 280
"""Seconds after which no further row is begun."""
STEPS = 5
"""Steps after which a side waits for the card: so many are asked for before the first has to be done."""
SEED = 1984
MODULE = "benchmarks._gpu"
"""Where the processes of both sides find the rows."""


class OnGPU:
    """Steps of one side, as they are timed.

    Attributes
    ----------
    facts : dict
        The loss after three steps.
    """

    def __init__(self, step: Step, amount: float, wait: Callable[[], Any]) -> None:
        self.step, self.amount, self.wait = step, amount, wait
        self.facts = {"loss": [step() for _ in range(3)][-1]}

    def __call__(self) -> float:
        for _ in range(STEPS):
            self.step()
        self.wait()
        return STEPS * self.amount


def ours(make: Callable[[], Step], amount: float) -> OnGPU:
    """Our side, in a process with ``BOOK_DEVICE=gpu``."""
    import cupy

    return OnGPU(make(), amount, cupy.cuda.runtime.deviceSynchronize)


def peer(make: Callable[[], Step], amount: float) -> OnGPU:
    """PyTorch's side, in a process in which our own models, of which it takes the weights, are NumPy's."""
    import torch

    torch.set_default_device("cuda")
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = True
    return OnGPU(make(), amount, torch.cuda.synchronize)


def row(
    name: str, unit: str, amount: float, of_ours: Callable[[], Step], of_peer: Callable[[], Step]
) -> Benchmark:
    """A row of the table: so much work is one step."""
    sides = {"ours": partial(ours, of_ours, amount), "peer": partial(peer, of_peer, amount)}
    return Benchmark(name, unit, **sides, against="PyTorch", turns=7, seconds=0.5)


def rows_of(name: str, unit: str, amount: float, module: Any, *which: Any) -> Benchmark:
    """A row whose steps are made by ``ours_step`` and ``peer_step`` of a module of ``make bench``."""
    return row(name, unit, amount, partial(module.ours_step, *which), partial(module.peer_step, *which))


words_of_answers = float((transformer.data()[1][:, 1:] != transformer.PAD).sum())
BENCHMARKS = [
    rows_of("two-layer", "examples", two_layer.N, two_layer),
    *(rows_of(f"lstm-{H}", "words", recurrent.N * recurrent.T, recurrent, "lstm", H) for H in (100, 650)),
    rows_of("transformer-step", "words", words_of_answers, transformer),
    *(rows_of(size, "words", s["N"] * s["length"], gpt, size) for size, s in gpt.SIZES.items()),
    *(
        row(
            name,
            "pictures",
            convolution.N,
            partial(convolution.ours_step, name),
            partial(convolution.peer_step, name, False),
        )
        for name in ("convnet-lenet", "convnet-32-64")
    ),
]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks._gpu", description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", help="only rows whose name begins with one of these")
    parser.add_argument("--no-record", action="store_true", help="write nothing to data/results")
    choice = parser.parse_args()
    begin = time.perf_counter()
    if problem := no_gpu("torch"):
        sys.exit(f"Nothing was measured: {problem}")
    found = [b for b in BENCHMARKS if not choice.names or b.name.startswith(tuple(choice.names))]
    if not found:
        sys.exit(f"Nothing was measured: no row's name begins with {' or '.join(map(repr, choice.names))}.")
    device = card()
    print(f"{device['card']}, {device['software']}; ratio above 1 means that ours is faster", flush=True)
    results = []
    for benchmark in found:
        if time.perf_counter() - begin > LIMIT:
            print(f"{benchmark.name:<18} not measured: {LIMIT} seconds are over")
            continue
        results.append(measure(benchmark))
        print(line(benchmark, results[-1]), flush=True)
    took = time.perf_counter() - begin
    said = f"{len(results)} of {len(found)} rows measured"
    if not choice.no_record and not choice.names:
        book_without_figures()
        from common.book.results import record, rounded

        about = {"seed": SEED, "command": "make bench-gpu", "machine": device["card"]}
        record("gpu", **about, **device, summary=said, rows=rounded(results))
    print(f"{said} in {took:.0f} s on {device['card']}.")
    return 0 if len(results) == len(found) and all(result["same"] for result in results) else 1


def measure(benchmark: Benchmark) -> dict[str, Any]:
    """The medians of both sides' rates, which take turns, and their losses."""
    os.environ.setdefault("BENCH_THREADS", "2")
    sides = {}
    for side, device in (("ours", "gpu"), ("peer", "cpu")):
        os.environ["BOOK_DEVICE"] = device  # for the process that is started here
        sides[side] = Worker(MODULE, benchmark.name, side)
    try:
        losses = [worker.ask("facts")["loss"] for worker in sides.values()]
        rates: dict[str, list[float]] = {side: [] for side in sides}
        for turn in range(benchmark.turns + 1):
            for side, worker in sides.items():
                rate = worker.ask("turn")
                if turn > 0:  # the first turn warms up
                    rates[side].append(rate)
    finally:
        for worker in sides.values():
            worker.close()
    medians = {side: statistics.median(found) for side, found in rates.items()}
    return {
        "name": benchmark.name,
        **medians,
        "unit": f"{benchmark.unit}/s",
        "ratio": medians["ours"] / medians["peer"],
        "slowest and fastest turn": {side: [min(found), max(found)] for side, found in rates.items()},
        "loss after 3 steps": losses,
        "same": bool(np.isclose(*losses, rtol=1e-4)),
    }


def line(benchmark: Benchmark, result: dict[str, Any]) -> str:
    """A row of the table, as it is printed."""
    differ = "" if result["same"] else f"  THE LOSSES DIFFER: {result['loss after 3 steps']}"
    return (
        f"{result['name']:<18} ours {result['ours']:>13,.0f}  {benchmark.against} {result['peer']:>13,.0f} "
        f"{result['unit']:<11} ratio {result['ratio']:.2f}{differ}"
    )


if __name__ == "__main__":
    sys.exit(main())
