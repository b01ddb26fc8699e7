"""Recurrent layers together: two that read the same text from either end, and several one above the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from common.backend import Array, xp
from common.layers.base import Model
from common.layers.recurrent import Recurrent
from common.support.require import require_last_axis


class Bidirectional(Model):
    """Two layers over the same sequences, one from left to right and one from right to left [Schuster1997]_.

    Parameters
    ----------
    rightward, leftward : Recurrent
        Layers with the same D, stateless: the leftward one begins at the end of the text, and what comes
        after that is not known yet.
    """

    def __init__(self, rightward: Recurrent, leftward: Recurrent) -> None:
        for name, layer in (("rightward", rightward), ("leftward", leftward)):
            if not isinstance(layer, Recurrent) or layer.stateful:
                raise ValueError(f"{name} is {layer!r}; it should be a recurrent layer with stateful=False.")
        if len(rightward.params[0]) != len(leftward.params[0]):
            raise ValueError(
                f"leftward takes inputs of {len(leftward.params[0])} numbers; it should take "
                f"{len(rightward.params[0])}, as rightward does."
            )
        if rightward.state_names != leftward.state_names:
            raise ValueError(
                f"rightward is {rightward!r} and leftward is {leftward!r}; both should have the same states."
            )
        self.rightward, self.leftward = rightward, leftward

    def forward(self, xs: Array, mask: Array | None = None) -> Array:
        """``xs`` (N, T, D) to both hidden states side by side, (N, T, 2H).

        Padding at the end is where the leftward layer begins; it carries its state, zero, through to the
        last word.
        """
        right = self.rightward.forward(xs, mask)
        left = self.leftward.forward(xs[:, ::-1], None if mask is None else mask[:, ::-1])
        return xp.concatenate([right, left[:, ::-1]], axis=2)

    def backward(self, dhs: Array, *dstate: Array) -> Array:
        """``dhs`` (N, T, 2H), and the gradient of ``state`` if something used it, to the gradient of xs.

        One input went to two layers, so what comes back is added.
        """
        H = len(self.rightward.params[1])
        require_last_axis("dhs", dhs, 2 * H)
        for d in dstate:
            require_last_axis("dstate", d, 2 * H)
        dxs = self.rightward.backward(dhs[:, :, :H], *(d[:, :H] for d in dstate))
        return dxs + self.leftward.backward(dhs[:, ::-1, H:], *(d[:, H:] for d in dstate))[:, ::-1]

    @property
    def state_names(self) -> tuple[str, ...]:
        """Those of the layers: what ``state`` consists of."""
        return self.rightward.state_names

    @property
    def state(self) -> tuple[Array, ...]:
        """The final states of both, side by side, (N, 2H) each: what both have read from end to end."""
        both = zip(self.rightward.state, self.leftward.state)
        return tuple(xp.concatenate([right, left], axis=1) for right, left in both)


class Stack(Model):
    """Recurrent layers, one above the other.

    Parameters
    ----------
    layers : list of recurrent layers, or of Bidirectional
        Each takes what the one below gives.
    residual : bool
        What goes into a layer is added to what comes out [He2016]_ [Wu2016]_, so that gradients have a way
        past it. (Not for the first layer, whose input is of another size.)
    """

    def __init__(self, layers: Sequence[Recurrent | Bidirectional], residual: bool = False) -> None:
        self.layers: list[Any] = list(layers)  # not all that a Recurrent can do, a Bidirectional can
        self.residual = residual

    def forward(self, xs: Array, mask: Array | None = None) -> Array:
        """``xs`` (N, T, D) to (N, T, H)."""
        for i, layer in enumerate(self.layers):
            hs = layer.forward(xs, mask)
            xs = hs + xs if self.residual and i > 0 else hs
        return xs

    def backward(self, dhs: Array, *dstates: Array) -> Array:
        """``dhs`` (N, T, H), and the gradients of ``states`` if something used them, to that of xs."""
        parts = self.apart(dstates) if dstates else [()] * len(self.layers)
        for i, layer in reversed(list(enumerate(self.layers))):
            dxs = layer.backward(dhs, *parts[i])
            dhs = dxs + dhs if self.residual and i > 0 else dxs
        return dhs

    @property
    def states(self) -> tuple[Array, ...]:
        """The final states: ``h`` and ``c`` of the first layer, then of the second, and so on."""
        return tuple(part for layer in self.layers for part in layer.state)

    def apart(self, states: Sequence[Array]) -> list[tuple[Array, ...]]:
        """States of all layers, or their gradients, layer by layer."""
        ends = np.cumsum([len(layer.state_names) for layer in self.layers]).tolist()
        if len(states) != ends[-1]:
            raise ValueError(f"states has {len(states)} parts; it should have {ends[-1]}.")
        return [tuple(states[begin:end]) for begin, end in zip([0, *ends], ends)]
