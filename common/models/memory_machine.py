"""A network with a memory outside itself: the Neural Turing Machine [Graves2014]_.

A **controller** reads the input of a step and what was read from memory in the step before. It tells the
heads what to do: each gets a key and its strength, a gate, shifts and a power to find its place by, and the
heads that write what to erase and what to add. All of it has gradients (``common.layers.memory``), so the
machine is trained like any recurrent network, backward through time.

    inputs ──> controller ──> outputs
                │      ^
                v      │
              heads <──> memory (R rows, W wide)
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from common.backend import FLOAT, Array, DType, to_numpy, xp
from common.functions import sigmoid, softmax, softplus
from common.layers.base import Layer, Model, evaluating
from common.layers.cells import LSTMCell
from common.layers.dense import Affine
from common.layers.loss import SigmoidWithLoss
from common.layers.make import Make
from common.layers.memory import (
    Kept,
    add,
    add_back,
    erase,
    erase_back,
    interpolate,
    interpolate_back,
    look_up,
    look_up_back,
    read,
    read_back,
    sharpen,
    sharpen_back,
    shift,
    shift_back,
)
from common.layers.recurrent import LSTM
from common.layers.sequential import Sequential
from common.support.require import (
    require_counts,
    require_matrix,
    require_positive,
    require_sequences,
    require_shape,
    require_vectors,
)

START = 1e-6
"""What the memory holds before the first step, in all places: a constant, and small [Collier2018]_."""


class FeedForwardCell(Layer):
    """A controller that remembers nothing itself: ``h = tanh(x W + b)`` [Graves2014]_.

    Parameters
    ----------
    W : (D, H)
    b : (H,)
    """

    names = ("W", "b")

    def __init__(self, W: Array, b: Array) -> None:
        require_matrix("W", W)
        require_shape("b", b, W.shape[1:])
        super().__init__(W, b)

    def forward(self, x: Array) -> Array:
        """``x`` (N, D) to (N, H)."""
        require_vectors("x", x, self.params[0])
        W, b = self.params
        self.x, self.h = x, xp.tanh(x @ W + b)
        return self.h

    def backward(self, dh: Array) -> Array:
        """``dh`` (N, H) to the gradient of x."""
        require_shape("dh", dh, self.h.shape)
        da = dh * (1 - self.h * self.h)
        self.grads = [self.x.T @ da, da.sum(axis=0)]
        return da @ self.params[0].T

    def sizes(self) -> dict[str, object]:
        return {"D": len(self.params[0]), "H": len(self.params[1])}


# ---- what the heads are told


def heads_size(width: int, heads: int, shifts: int) -> int:
    """How many numbers the heads are told in a step: ``heads`` that read, and as many that write."""
    return 2 * heads * (width + 3 + shifts) + heads * 2 * width


def tell(a: Array, heads: int, width: int) -> tuple[tuple[Array, ...], Kept]:
    """Numbers (N, P) of any size as what the heads can be told.

    Returns
    -------
    orders : tuple
        For all heads, those that read before those that write: keys (N, K, W) between -1 and 1, strength
        (N, K) at least 0, gate (N, K) between 0 and 1, shifts (N, K, S) that add up to 1, gamma (N, K) at
        least 1. For those that write: erased (N, heads, W) between 0 and 1, and added, between -1 and 1.
    kept : tuple
    """
    N, K, W = len(a), 2 * heads, width
    place, write = a[:, : -2 * heads * W].reshape(N, K, -1), a[:, -2 * heads * W :].reshape(N, heads, 2 * W)
    orders = (
        xp.tanh(place[:, :, :W]),
        softplus(place[:, :, W]),
        sigmoid(place[:, :, W + 1]),
        softmax(place[:, :, W + 3 :]),
        1 + softplus(place[:, :, W + 2]),
        sigmoid(write[:, :, :W]),
        xp.tanh(write[:, :, W:]),
    )
    return orders, (place, orders)


def tell_back(douts: tuple[Array, ...], kept: Kept) -> Array:
    """The gradient of the numbers, (N, P)."""
    place, (keys, _, gate, shifts, _, erased, added) = kept
    dkeys, dstrength, dgate, dshifts, dgamma, derased, dadded = douts
    N, _, W = keys.shape
    dplace = xp.empty_like(place)
    dplace[:, :, :W] = dkeys * (1 - keys * keys)
    dplace[:, :, W] = dstrength * sigmoid(place[:, :, W])
    dplace[:, :, W + 1] = dgate * gate * (1 - gate)
    dplace[:, :, W + 2] = dgamma * sigmoid(place[:, :, W + 2])
    dplace[:, :, W + 3 :] = shifts * (dshifts - (dshifts * shifts).sum(axis=-1, keepdims=True))
    dwrite = xp.concatenate([derased * erased * (1 - erased), dadded * (1 - added * added)], axis=-1)
    return xp.concatenate([dplace.reshape(N, -1), dwrite.reshape(N, -1)], axis=1)


def find_place(memory: Array, before: Array, orders: tuple[Array, ...]) -> tuple[Array, tuple[Kept, ...]]:
    """The four steps of addressing: new weights (N, K, R) from the memory and the weights before."""
    keys, strength, gate, shifts, gamma = orders
    weights, by_content = look_up(memory, keys, strength)
    weights, by_gate = interpolate(gate, weights, before)
    weights, by_shift = shift(weights, shifts)
    weights, by_power = sharpen(weights, gamma)
    return weights, (by_content, by_gate, by_shift, by_power)


def find_place_back(dweights: Array, kept: tuple[Kept, ...]) -> tuple[Array, Array, tuple[Array, ...]]:
    """The gradients of memory, of the weights before, and of the orders."""
    by_content, by_gate, by_shift, by_power = kept
    dweights, dgamma = sharpen_back(dweights, by_power)
    dweights, dshifts = shift_back(dweights, by_shift)
    dgate, dcontent, dbefore = interpolate_back(dweights, by_gate)
    dmemory, dkeys, dstrength = look_up_back(dcontent, by_content)
    return dmemory, dbefore, (dkeys, dstrength, dgate, dshifts, dgamma)


# ---- the machine


class Step:
    """One time step: copies of the controller and of the layer that tells the heads, with the same weights,
    and what each part kept for the way back."""

    def __init__(self, controller: Layer, told: Affine) -> None:
        self.controller = type(controller)(*controller.params)
        W, b = told.params
        self.told = Affine(W, b)
        self.orders: Kept = ()
        self.place: tuple[Kept, ...] = ()
        self.read: Kept = ()
        self.erase: Kept = ()
        self.add: Kept = ()
        self.weights: Any = None  # (N, 2 heads, R)
        self.memory: Any = None  # (N, R, W), after the step


class MemoryMachine(Model):
    """A Neural Turing Machine over sequences (N, T, D) [Graves2014]_.

    In each step the heads find their places in the memory as it is, some of them read, and then the others
    write. At the start all heads are at row 0, and the memory holds the same small number everywhere.

    Parameters
    ----------
    controller : FeedForwardCell or LSTMCell
        (D + heads width) to H numbers.
    told : Affine
        H to ``heads_size(width, heads, shifts)`` numbers.
    out : Affine
        (H + heads width) to what the machine says.
    rows, width : int
        Of the memory.
    heads : int
        So many read, and as many write.
    shifts : int
        Odd: with 3, a head can go one row on or back in a step.
    start : float
        What the memory holds at first.

    Attributes
    ----------
    steps : list of Step
        After ``forward``: what happened in each time step.
    """

    def __init__(
        self,
        controller: Layer,
        told: Affine,
        out: Affine,
        rows: int,
        width: int,
        heads: int = 1,
        shifts: int = 3,
        start: float = START,
    ) -> None:
        require_counts(rows=rows, width=width, heads=heads, shifts=shifts)
        require_positive("start", start)
        if shifts % 2 == 0 or shifts > rows:
            raise ValueError(f"shifts is {shifts}; it should be odd, and at most {rows}, the number of rows.")
        P = heads_size(width, heads, shifts)
        H = len(told.params[0])
        require_shape("the W of told", told.params[0], (H, P))
        require_shape("the W of out", out.params[0], (H + heads * width, out.params[0].shape[1]))
        if len(controller.params[0]) <= heads * width:
            raise ValueError(
                f"controller takes {len(controller.params[0])} numbers; it should take more than "
                f"{heads * width}, which come from memory."
            )
        self.controller, self.told, self.out = controller, told, out
        self.rows, self.width, self.heads, self.shifts, self.start = rows, width, heads, shifts, start

    def check(self, xs: Array) -> None:
        """Raise unless ``xs`` is (N, T, D), of the type of the weights."""
        W = self.controller.params[0]
        require_sequences("xs", xs, size=len(W) - self.heads * self.width)
        if xs.dtype != W.dtype:
            raise TypeError(f"xs is {xs.dtype} and the weights are {W.dtype}; both should be of one type.")

    def forward(self, xs: Array) -> Array:
        """``xs`` (N, T, D) to what the machine says after each step, (N, T, O)."""
        self.check(xs)
        N, T, _ = xs.shape
        heads, dtype = self.heads, xs.dtype
        memory = xp.full((N, self.rows, self.width), self.start, dtype=dtype)
        weights = xp.zeros((N, 2 * heads, self.rows), dtype=dtype)
        weights[:, :, 0] = 1
        found = xp.zeros((N, heads * self.width), dtype=dtype)  # what was read in the step before
        state = self.first_state(N, dtype)
        steps, said = [], []
        for t in range(T):
            step = Step(self.controller, self.told)
            h, state = self.control(step, xp.concatenate([xs[:, t], found], axis=1), state)
            orders, step.orders = tell(step.told.forward(h), heads, self.width)
            *place, erased, added = orders
            weights, step.place = find_place(memory, weights, tuple(place))
            got, step.read = read(memory, weights[:, :heads])
            memory, step.erase = erase(memory, weights[:, heads:], erased)
            memory, step.add = add(memory, weights[:, heads:], added)
            found = got.reshape(N, -1)
            step.weights, step.memory = weights, memory
            steps.append(step)
            said.append(xp.concatenate([h, found], axis=1))
        self.steps, self.shape = steps, xs.shape
        return self.out.forward(xp.stack(said, axis=1))

    def backward(self, dout: Array) -> Array:
        """``dout`` (N, T, O) to the gradient of ``xs``."""
        heads, (N, T, D) = self.heads, self.shape
        dsaid = self.out.backward(dout)
        H = dsaid.shape[2] - heads * self.width
        dxs = xp.empty(self.shape, dtype=dsaid.dtype)
        dmemory = xp.zeros((N, self.rows, self.width), dtype=dsaid.dtype)
        dweights = xp.zeros((N, 2 * heads, self.rows), dtype=dsaid.dtype)
        dfound = xp.zeros((N, heads * self.width), dtype=dsaid.dtype)
        dstate = self.first_state(N, dsaid.dtype)
        for t in reversed(range(T)):
            step = self.steps[t]
            dfound = dfound + dsaid[:, t, H:]
            dmemory, by_add, dadded = add_back(dmemory, step.add)
            dmemory, by_erase, derased = erase_back(dmemory, step.erase)
            before, by_read = read_back(dfound.reshape(N, heads, -1), step.read)
            dmemory = dmemory + before
            dweights = dweights + xp.concatenate([by_read, by_add + by_erase], axis=1)
            before, dweights, dplace = find_place_back(dweights, step.place)
            dmemory += before
            dh = step.told.backward(tell_back((*dplace, derased, dadded), step.orders))
            djoined, dstate = self.control_back(step, dh + dsaid[:, t, :H], dstate)
            dxs[:, t], dfound = djoined[:, :D], djoined[:, D:]
        for name in ("controller", "told"):
            copies = [getattr(step, name).grads for step in self.steps]
            getattr(self, name).grads = [sum(some[1:], some[0]) for some in zip(*copies)]
        return dxs

    # The controller: one that keeps a state, or none

    def first_state(self, N: int, dtype: DType) -> tuple[Array, ...]:
        """The state of the controller at the start: ``h`` and ``c`` of an LSTM, nothing else."""
        if not isinstance(self.controller, LSTMCell):
            return ()
        H = len(self.told.params[0])
        return tuple(xp.zeros((N, H), dtype=dtype) for _ in range(2))

    def control(self, step: Step, joined: Array, state: tuple[Array, ...]) -> tuple[Array, tuple[Array, ...]]:
        """What the controller says, and its next state."""
        said = step.controller.forward(joined, *state)
        return (said[0], said) if state else (said, ())

    def control_back(
        self, step: Step, dh: Array, dstate: tuple[Array, ...]
    ) -> tuple[Array, tuple[Array, ...]]:
        """The gradients of what goes in and of the state."""
        if not dstate:
            return step.controller.backward(dh), ()
        djoined, *before = step.controller.backward(dh + dstate[0], dstate[1])
        return djoined, tuple(before)

    def __repr__(self) -> str:
        memory = f"memory {self.rows} x {self.width}, heads={self.heads}, shifts={self.shifts}"
        return f"MemoryMachine({self.controller!r}, {memory}, {self.out!r})"


class BitWriter(Model):
    """Something that reads sequences and says bits: (N, T, D) to (N, T, O) scores, and their loss.

    Parameters
    ----------
    body : Layer
        A ``MemoryMachine``, or an LSTM with an Affine behind it.
    """

    def __init__(self, body: Layer) -> None:
        self.body = body
        self.loss = SigmoidWithLoss()

    def scores(self, x: Array) -> Array:
        """``x`` (N, T, D) to (N, T, O); above 0 means that a bit is more likely set than not."""
        return self.body.forward(x)

    def forward(self, x: Array, t: Array, mask: Array) -> Array:
        """The mean loss of the bits ``t`` (N, T, O) that are asked for, where ``mask`` (N, T) is True."""
        return self.loss.forward(self.scores(x), t, widened(mask, t))

    def backward(self, dout: float = 1) -> Array:
        """The gradient of the loss, to that of ``x``."""
        return self.body.backward(self.loss.backward(dout))


def widened(mask: Array, t: Array) -> Array:
    """A mask of rows (N, T) as one of bits (N, T, O)."""
    require_shape("mask", mask, t.shape[:2])
    return xp.repeat(mask[:, :, None], t.shape[2], axis=2)


def memory_machine(
    D: int,
    O: int,
    rng: np.random.Generator,
    H: int = 100,
    rows: int = 128,
    width: int = 20,
    heads: int = 1,
    recurrent: bool = False,
    *,
    dtype: DType = FLOAT,
) -> BitWriter:
    """A Neural Turing Machine from its sizes; its controller is an LSTM if ``recurrent``."""
    require_counts(D=D, O=O, H=H, rows=rows, width=width, heads=heads)
    make, joined = Make(rng, dtype), D + heads * width
    controller: Layer
    if recurrent:
        controller = LSTMCell(*make.recurrent(LSTM, joined, H).params)
    else:
        controller = FeedForwardCell(*make.affine(joined, H).params)
    shifts = min(3, rows - 1 + rows % 2)
    told = make.affine(H, heads_size(width, heads, shifts))
    out = make.affine(H + heads * width, O)
    return BitWriter(MemoryMachine(controller, told, out, rows, width, heads, shifts))


def lstm_machine(
    D: int,
    O: int,
    rng: np.random.Generator,
    H: int = 256,
    depth: int = 1,
    *,
    dtype: DType = FLOAT,
) -> BitWriter:
    """An LSTM, or several one above the other, whose memory is its state: what to compare a machine with."""
    require_counts(D=D, O=O, H=H, depth=depth)
    make = Make(rng, dtype)
    layers: list[Layer] = [make.recurrent(LSTM, D if i == 0 else H, H) for i in range(depth)]
    return BitWriter(Sequential(*layers, make.affine(H, O)))


# ---- how good it is, and where it looks


@dataclass(frozen=True)
class Judged:
    """How good answers are, on average over sequences.

    Parameters
    ----------
    cost : float
        In bits a sequence: minus the logarithm, to base 2, of the probability that the model gave to the
        right answer. Whoever guesses pays 1 for each bit that is asked for.
    wrong : float
        How many bits of a sequence are wrong, if each is said as it is more likely.
    share : float
        How many of all bits that are asked for these are, from 0 to 1.
    whole : float
        How many of the sequences have no wrong bit at all, from 0 to 1.
    """

    cost: float
    wrong: float
    share: float
    whole: float


def judge(model: BitWriter, x: Array, t: Array, mask: Array, batch_size: int = 100) -> Judged:
    """How good the answers to ``x`` (N, T, D) are, by ``t`` (N, T, O), where ``mask`` (N, T) is True."""
    require_counts(batch_size=batch_size)
    keep = widened(mask, t)
    costs, wrongs = [], []
    with evaluating(model):
        for i in range(0, len(x), batch_size):
            part = slice(i, i + batch_size)
            scores, asked = model.scores(x[part]), keep[part]
            against = xp.where(t[part] == 1, -scores, scores)  # above 0 where it is wrong
            costs.append(to_numpy((softplus(against) * asked).sum(axis=(1, 2), dtype=np.float64)))
            wrongs.append(to_numpy(((against >= 0) & asked).sum(axis=(1, 2))))
    cost, wrong = np.concatenate(costs), np.concatenate(wrongs)
    return Judged(
        cost=float(cost.mean()) / math.log(2),
        wrong=float(wrong.mean()),
        share=float(wrong.sum() / max(1, int(keep.sum()))),
        whole=float((wrong == 0).mean()),
    )


@dataclass(frozen=True)
class Tape:
    """What happened in a memory, step by step; all of it on the processor.

    Parameters
    ----------
    read, write : (N, T, heads, R)
        Where the heads looked in each step.
    memory : (N, T, R, W)
        What it held after each step.
    said : (N, T, O)
        The probability that each bit is set.
    """

    read: np.ndarray
    write: np.ndarray
    memory: np.ndarray
    said: np.ndarray


def tape(model: BitWriter, x: Array) -> Tape:
    """What the machine does with ``x`` (N, T, D), step by step."""
    machine = model.body
    if not isinstance(machine, MemoryMachine):
        raise TypeError(f"the body of model is a {type(machine).__name__}; it should be a MemoryMachine.")
    with evaluating(model):
        said = to_numpy(sigmoid(model.scores(x)))
        weights = np.stack([to_numpy(step.weights) for step in machine.steps], axis=1)
        memory = np.stack([to_numpy(step.memory) for step in machine.steps], axis=1)
    return Tape(weights[:, :, : machine.heads], weights[:, :, machine.heads :], memory, said)
