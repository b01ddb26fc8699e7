"""Training: choose a batch, forward, backward, update, and again.

``train_step`` is one step, for loops of your own. ``Trainer.fit`` is the whole loop. In which order examples
are read, how the learning rate changes, and how a long run is stopped and resumed stand in files of their
own: ``batches``, ``schedules``, ``checkpoints``.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from common import checkpoints
from common.backend import Array, as_floats, xp
from common.batches import Batches
from common.layers.base import Layer, unique_parameters, walk
from common.optimizers import Optimizer
from common.support.progress import progress_bar
from common.support.require import require_count
from common.support.row_gradient import RowGradient


def gradient_norm(grads: list[Array | RowGradient]) -> float:
    """Length of all gradients laid end to end; NaN or infinity only if one of the numbers is."""
    parts = [grad.values if isinstance(grad, RowGradient) else grad for grad in grads]
    with np.errstate(all="ignore"):
        total = math.fsum(as_floats([xp.vdot(part, part) for part in parts]))
        if math.isfinite(total):
            return math.sqrt(total)
        # Either a number is not finite, or only its square is not: find out on a smaller scale.
        largest = as_floats([xp.abs(part).max() for part in parts if part.size])
        if not all(math.isfinite(number) for number in largest):
            return math.nan if any(math.isnan(number) for number in largest) else math.inf
        unit = max(largest)
        scaled = [part.astype(np.float64) / unit for part in parts]
        return unit * math.sqrt(math.fsum(as_floats([xp.vdot(part, part) for part in scaled])))


def clip_gradients(grads: list[Array | RowGradient], max_norm: float) -> float:
    """Shorten the gradients to ``max_norm`` if together they are longer [Pascanu2013]_.

    Their direction stays the same.

    Parameters
    ----------
    grads : list of arrays and RowGradients
        The entries are replaced by shorter ones when they have to be.
    max_norm : float

    Returns
    -------
    float
        The length before clipping.
    """
    if not max_norm > 0:
        raise ValueError(f"max_norm is {max_norm}; it should be a positive number.")
    norm = gradient_norm(grads)
    if max_norm < norm < math.inf:
        grads[:] = [grad * (max_norm / norm) for grad in grads]
    return norm


def train_step(
    model: Layer,
    optimizer: Optimizer,
    *batch: Array,
    max_norm: float | None = None,
    largest_loss: float = math.inf,
) -> float:
    """Forward, backward, update; returns the loss.

    Parameters
    ----------
    model : Layer
        ``model.forward(*batch)`` returns the loss, ``model.backward()`` leaves the gradients.
    optimizer : Optimizer
    *batch : arrays
    max_norm : float, optional
        Clip the gradients to this length.
    largest_loss : float
        A loss above this has exploded, as one that is no number has.

    Raises
    ------
    FloatingPointError
        The loss or a gradient is NaN or infinite, and the sentence names the layer where that began; or the
        loss has exploded. The weights, and what the layers keep besides, are as before the step.
    ValueError
        The model has no weights.
    """
    put_back = checkpoints.remember(model)
    try:
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # seen to right here
            loss = float(model.forward(*batch))
            model.backward()
            params, grads = unique_parameters(model)
            norm = clip_gradients(grads, math.inf if max_norm is None else max_norm)
            finite = math.isfinite(loss) and math.isfinite(norm)
            if not finite or loss > largest_loss:
                put_back()
                problem = "the loss exploded"
                if not finite:
                    problem = (
                        f"{checkpoints.first_not_finite(model, *batch)} gave numbers that are not finite"
                    )
                raise FloatingPointError(
                    f"{problem} (the loss is {loss:.4g}); the weights are as before this step, and a smaller "
                    "lr, or max_grad_norm, may help."
                )
        if not params:
            raise ValueError(
                f"{type(model).__name__} has no weights; its layers should be attributes of a Model, or "
                "stand in its lists, tuples or dictionaries."
            )
    except Exception:
        put_back()
        raise
    optimizer.update(params, grads)
    return loss


class Trainer:
    """Train a model: ``model.forward(*batch)`` returns the loss, ``model.backward()`` leaves the gradients.

    Parameters
    ----------
    model : Layer
    optimizer : Optimizer
    rng : numpy.random.Generator
        Shuffles the examples.
    max_grad_norm : float, optional
        Clip the gradients to this length.
    schedule : function, optional
        Takes the number of updates made so far, and returns the learning rate of the next.
    after_step : function, optional
        Called with this trainer after each update. ``weights.Averaged`` is one. If it keeps ``arrays``, a
        dictionary by name, they are part of a checkpoint.

    Attributes
    ----------
    history, rates : list of float
        The loss and the learning rate of each step so far.
    epoch_losses : list of float
        The mean loss of each finished epoch.
    epoch, step : int
        Finished epochs, and finished steps of the epoch that is running.
    notes : dict
        Numbers, strings and lists that ``on_epoch`` wants to find again after a resume.
    """

    def __init__(
        self,
        model: Layer,
        optimizer: Optimizer,
        rng: np.random.Generator,
        max_grad_norm: float | None = None,
        schedule: Callable[[int], float] | None = None,
        after_step: Callable[[Trainer], Any] | None = None,
    ) -> None:
        if max_grad_norm is not None and not max_grad_norm > 0:
            raise ValueError(f"max_grad_norm is {max_grad_norm}; it should be a positive number or None.")
        self.model, self.optimizer, self.rng = model, optimizer, rng
        self.max_grad_norm, self.schedule, self.after_step = max_grad_norm, schedule, after_step
        self.settings: dict[str, Any] | None = None  # of the run, when it begins
        self._start_afresh()

    def _start_afresh(self) -> None:
        self.epoch, self.step = 0, 0
        self.history: list[float] = []
        self.rates: list[float] = []
        self.epoch_losses: list[float] = []
        self.notes: dict[str, Any] = {}
        self.epoch_began: Mapping[str, Any] = {}  # the state of rng

    def fit(
        self,
        batches: Batches,
        epochs: int,
        checkpoint: str | os.PathLike | None = None,
        checkpoint_every: int | None = None,
        on_epoch: Callable[[Trainer], Any] | None = None,
    ) -> list[float]:
        """Go through all batches ``epochs`` times.

        Layers that are switched off (``training = False``) stay so; a model that is switched off as a whole,
        as after loading it, is switched on.

        With a ``checkpoint``, everything that the next step depends on is saved in that file, and if the file
        is there already, the run continues from it to the same bits as if it had never stopped. A finished
        run's file holds its result: ``fit`` then only loads it.

        Parameters
        ----------
        batches : Batches
            ``Shuffled(x, t, batch_size)``, ``InOrder(ids, N, T)``, ``Prepared([...])``, or your own.
        epochs : int
            How many in all, those before a checkpoint included.
        checkpoint : path, optional
            The file; ``something.checkpoint.npz`` is ignored by git.
        checkpoint_every : int, optional
            Save after so many steps; it is saved after each epoch in any case.
        on_epoch : function, optional
            Called with this trainer after each epoch: to measure, to print, to lower ``optimizer.lr``.

        Returns
        -------
        list of float
            The loss of each batch. Ctrl-C, or the stop button of a notebook, lets the running step end, saves
            the checkpoint and returns what there is; a second time stops at once.

        Raises
        ------
        ValueError
            The data do not fit together, or the checkpoint is damaged or belongs to another run.
        FloatingPointError
            See ``train_step``.
        """
        self._begin(batches, epochs, checkpoint, checkpoint_every)

        def save() -> None:
            if checkpoint is not None:
                checkpoints.save(checkpoint, self, batches)

        per_epoch = len(batches)
        bar = progress_bar(epochs * per_epoch, initial=len(self.history), unit="step", leave=False)
        with bar, checkpoints.interrupt_flag() as stop:
            while self.epoch < epochs and not stop:
                if self.step == 0:
                    self.epoch_began = self.rng.bit_generator.state
                    batches.begin_epoch(self.model, self.rng)
                while self.step < per_epoch and not stop:
                    self._step(batches)
                    bar.update()
                    if checkpoint_every and len(self.history) % checkpoint_every == 0:
                        save()
                if self.step == per_epoch:
                    self.epoch, self.step = self.epoch + 1, 0
                    self.epoch_losses.append(float(np.mean(self.history[-per_epoch:])))
                    bar.set_postfix(loss=f"{self.epoch_losses[-1]:.4g}", refresh=False)
                    self._call(on_epoch)
                    save()
            if stop:
                save()
                kept = "kept in the model (run again, it begins anew)"
                if checkpoint:
                    kept = f"saved in {checkpoint} (run again, it goes on)"
                done = f"{self.epoch} epochs and {self.step} steps"
                print(f"Stopped (Ctrl-C or the stop button) after {done}, {kept}.")
        return self.history

    def _step(self, batches: Batches) -> None:
        if self.schedule is not None:
            self.optimizer.lr = self.schedule(len(self.history))
        limits: dict[str, Any] = {"max_norm": self.max_grad_norm, "largest_loss": batches.largest_loss}
        try:
            loss = train_step(self.model, self.optimizer, *batches[self.step], **limits)
        except FloatingPointError as error:
            raise FloatingPointError(f"epoch {self.epoch + 1}, step {self.step + 1}: {error}") from None
        self.history.append(loss)
        self.rates.append(self.optimizer.lr)
        self.step += 1
        if self.after_step is not None:
            self.after_step(self)

    def _call(self, on_epoch: Callable[[Trainer], Any] | None) -> None:
        flags = [(layer, layer.training) for _, layer in walk(self.model)]
        if on_epoch is not None:
            on_epoch(self)
        if not in_training(self.model):  # it has only measured
            for layer, training in flags:
                layer.training = training

    def _begin(
        self,
        batches: Batches,
        epochs: int,
        checkpoint: str | os.PathLike | None,
        checkpoint_every: int | None,
    ) -> None:
        """Look at what ``fit`` was given, and go to where the checkpoint is, or to the start."""
        if not isinstance(batches, Batches):
            raise TypeError(
                f"batches is a {type(batches).__name__}; it should be Batches: for examples x and targets t, "
                "Shuffled(x, t, batch_size)."
            )
        if len(batches) == 0:
            raise ValueError("batches is empty; it should hold at least one batch.")
        for name, value in (("epochs", epochs), ("checkpoint_every", checkpoint_every)):
            if value is not None:
                require_count(name, value)
        if not in_training(self.model):
            self.model.training = True
        self._start_afresh()
        if self.settings is None:
            self.settings = checkpoints.settings(self)
        if checkpoint is not None and Path(checkpoint).exists():
            checkpoints.resume(checkpoint, self, batches)

    def __repr__(self) -> str:
        return f"Trainer({type(self.model).__name__}, {self.optimizer!r}, max_grad_norm={self.max_grad_norm})"


def in_training(model: Layer) -> bool:
    """Whether any of its layers is in training."""
    return any(layer.training for _, layer in walk(model))
