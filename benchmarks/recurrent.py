"""One training step of a recurrent language model: embedding, one recurrent layer, softmax over 10,000 words.

Both sides start from the same weights and read the same words: forward from the state in which the last step
ended, loss, backward, clipping, SGD.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from benchmarks import Benchmark
from benchmarks._naive_recurrent import naive_step
from benchmarks._steps import Step, counted, our_step, same_losses, tensor, torch_step
from common.backend import xp

N, T, V = 20, 35, 10_000
LR, MAX_NORM = 1.0, 0.25


def data(kind: str, H: int) -> dict[str, np.ndarray]:
    """Weights in our layout, and the words: the same for all sides."""
    rng = np.random.default_rng(1984)
    gates = {"rnn": 1, "lstm": 4, "gru": 3}[kind]
    shapes = {"Wx": (H, gates * H), "Wh": (H, gates * H), "b": (gates * H,), "W_out": (H, V)}
    if kind == "gru":
        shapes["bh"] = (gates * H,)
    arrays = {name: rng.standard_normal(shape) * H**-0.5 for name, shape in shapes.items()}
    arrays["W_embed"] = 0.1 * rng.standard_normal((V, H))
    arrays["b_out"] = np.zeros(V)
    # Words as a text has them: a few are frequent, most are rare.
    p = 1 / np.arange(1, V + 1)
    words = rng.choice(V, size=(N, T + 1), p=p / p.sum())
    return {name: a.astype(np.float32) for name, a in arrays.items()} | {
        "xs": words[:, :-1].copy(),
        "ts": words[:, 1:].copy(),
    }


def ours_step(kind: str, H: int) -> Step:
    from common.layers import GRU, LSTM, RNN, AffineSoftmaxWithLoss, Embedding, Model
    from common.optimizers import SGD

    a = {name: xp.asarray(array) for name, array in data(kind, H).items()}
    layer = {"rnn": RNN, "lstm": LSTM, "gru": GRU}[kind]
    biases = [a["b"], a["bh"]] if kind == "gru" else [a["b"]]

    class WordModel(Model):
        def __init__(self) -> None:
            self.embedding = Embedding(a["W_embed"])
            self.recurrent = layer(a["Wx"], a["Wh"], *biases, stateful=True)
            self.output = AffineSoftmaxWithLoss(a["W_out"], a["b_out"])

        def forward(self, xs, ts):
            return self.output.forward(self.recurrent.forward(self.embedding.forward(xs)), ts)

        def backward(self, dout=1):
            self.embedding.backward(self.recurrent.backward(self.output.backward(dout)))

    return our_step(WordModel(), SGD(LR), MAX_NORM, a["xs"], a["ts"])


def peer_step(kind: str, H: int) -> Step:
    import torch

    from benchmarks.pytorch_layout import at, linear, recurrent

    torch.set_num_threads(int(os.environ["BENCH_THREADS"]))
    a = {name: tensor(array) for name, array in data(kind, H).items()}
    layer = {"rnn": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[kind]

    class WordModel(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = torch.nn.Embedding(V, H)
            self.recurrent = layer(H, H, batch_first=True)
            self.affine = torch.nn.Linear(H, V)
            self.state = None

        def forward(self, xs):
            hs, state = self.recurrent(self.embedding(xs), self.state)
            self.state = tuple(s.detach() for s in state) if kind == "lstm" else state.detach()
            return self.affine(hs)

    model = WordModel()
    ours = {name: a[name] for name in ("Wx", "Wh", "b", "bh") if name in a}
    model.load_state_dict(
        {"embedding.weight": a["W_embed"]}
        | at("recurrent.", recurrent(ours))
        | at("affine.", linear({"W": a["W_out"], "b": a["b_out"]}))
    )
    if kind != "gru":  # elsewhere the second bias is only added to the first: one that learns will do
        model.recurrent.bias_hh_l0.requires_grad_(False)
    optimizer = torch.optim.SGD(model.parameters(), lr=LR)
    cross_entropy = torch.nn.CrossEntropyLoss()

    def loss() -> torch.Tensor:
        return cross_entropy(model(a["xs"]).reshape(-1, V), a["ts"].reshape(-1))

    return torch_step(model, optimizer, MAX_NORM, loss)


def timed(step: Step) -> Callable[[], float]:
    """One step a call; returns the words read."""
    return counted(step, N * T)


def ours(kind: str, H: int) -> Callable[[], float]:
    return timed(ours_step(kind, H))


def peer(kind: str, H: int) -> Callable[[], float]:
    return timed(peer_step(kind, H))


def naive(kind: str, H: int) -> Callable[[], float]:
    return timed(naive_step(data(kind, H), LR, MAX_NORM))


def report(kind: str, H: int) -> dict[str, Any]:
    """Both sides do the same (their losses after 3 steps from the same weights), and the memory they take."""
    result = same_losses(ours_step(kind, H), peer_step(kind, H))
    if not os.path.exists("/proc/self/status"):  # not Linux
        return result
    peaks = [peak_memory(f"{side}({kind!r}, {H})") for side in ("ours_step", "peer_step")]
    return result | {
        "peak MB of the steps": [round(step) for step, _ in peaks],
        "peak MB of the process": [round(process) for _, process in peaks],
    }


def naive_report(H: int) -> dict[str, Any]:
    """Both sides do the same."""
    return same_losses(ours_step("lstm", H), naive_step(data("lstm", H), LR, MAX_NORM))


def peak_memory(make: str) -> tuple[float, float]:
    """MB that three steps add at most to what a new process holds when weights and data are ready; and in
    all."""
    code = (
        "import re\n"
        "from benchmarks.recurrent import *\n"
        # Linux says so here; ru_maxrss would still hold what the process that started this one had.
        "peak = lambda: int(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1]) / 1024\n"
        f"step = {make}\n"
        "ready = peak()\n"
        "for _ in range(3): step()\n"
        "print(peak() - ready, peak())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return tuple(float(number) for number in done.stdout.split())


BENCHMARKS = [
    Benchmark(
        name=f"{kind}-{H}",
        unit="words",
        ours=partial(ours, kind, H),
        peer=partial(peer, kind, H),
        against="PyTorch",
        needs=("torch==2.13.0",),
        turns=15,
        seconds=0.2,
        report=partial(report, kind, H),
    )
    for kind, H in (("rnn", 100), ("gru", 100), ("lstm", 100), ("lstm", 650))
] + [
    Benchmark(
        name=f"lstm-{H}-naive",
        unit="words",
        ours=partial(ours, "lstm", H),
        peer=partial(naive, "lstm", H),
        against="layer objects",
        turns=15,
        seconds=0.2,
        report=partial(naive_report, H),
    )
    for H in (100, 650)
]
