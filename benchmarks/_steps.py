"""What the benchmarks of training have in common: a step of ours, a step of PyTorch's, and the same loss."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from common.backend import Array, to_numpy, xp
from common.layers import Layer, unique_parameters
from common.optimizers import Optimizer
from common.training import train_step

Step = Callable[[], float]
"""Makes one update, and returns the loss before it."""


def our_step(model: Layer, optimizer: Optimizer, max_norm: float | None, *batch: Array) -> Step:
    """Forward, backward, clipping (unless ``max_norm`` is None) and update, always on the same batch."""
    batch = tuple(xp.asarray(array) for array in batch)  # where the model is: on a GPU, if that is asked for
    if max_norm is not None:
        return lambda: train_step(model, optimizer, *batch, max_norm=max_norm)

    def bare() -> float:  # as the peer's: where nothing is clipped, nobody looks for NaN either
        loss = model.forward(*batch)
        model.backward()
        optimizer.update(*unique_parameters(model))
        return float(loss)

    return bare


def tensor(array: Array) -> Any:
    """The same numbers for PyTorch, where it computes: on the processor unless it was told otherwise."""
    import torch

    return torch.from_numpy(to_numpy(array)).to(torch.get_default_device())


def torch_step(model: Any, optimizer: Any, max_norm: float | None, loss_of_batch: Callable[[], Any]) -> Step:
    """The same with PyTorch; ``loss_of_batch`` makes the forward pass."""
    import torch

    def step() -> float:
        optimizer.zero_grad()
        loss = loss_of_batch()
        loss.backward()
        if max_norm is not None:
            torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm)
        optimizer.step()
        return loss.item()

    return step


def counted(step: Callable[[], Any], amount: float) -> Callable[[], float]:
    """One step a call; returns how much work that was."""

    def work() -> float:
        step()
        return amount

    return work


def same_losses(*steps: Step) -> dict[str, Any]:
    """The report of a benchmark whose sides do the same: their losses after 3 steps from the same weights.

    Raises
    ------
    AssertionError
        The losses differ.
    """
    losses = [[step() for _ in range(3)][-1] for step in steps]
    if not np.isclose(*losses, rtol=1e-4):
        raise AssertionError(f"the losses differ after 3 steps: ours {losses[0]}, the peer's {losses[1]}.")
    return {"loss after 3 steps": [round(loss, 4) for loss in losses]}
