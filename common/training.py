"""The training loop: choose a batch, forward, backward, step, and again.

``minibatches`` and ``clip_gradients`` are for loops of your own. ``Trainer`` runs the whole loop, and takes
care of what goes wrong in long runs: a loss that is no number any more, Ctrl-C, a machine that dies.
"""

from __future__ import annotations

import json
import math
import os
import signal
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from tqdm.auto import tqdm

from common.backend import Array, to_numpy, xp
from common.layers.base import Layer, Model, find_generators, held, hold, unique_parameters, walk
from common.optimizers import Optimizer
from common.require import require_count, require_positive
from common.row_gradient import RowGradient
from common.weights import assign, named_weights, read_npz, write_npz


def minibatches(
    x: Array, t: Array, batch_size: int, rng: np.random.Generator
) -> Iterator[tuple[Array, Array]]:
    """Yield all examples once, shuffled, ``batch_size`` at a time, as pairs ``(x, t)``; the last may have
    fewer.

    Raises
    ------
    ValueError
        There are no examples, not as many targets as examples, or fewer examples than ``batch_size``.
    """
    require_data(x, t, batch_size)
    order = rng.permutation(len(x))
    for start in range(0, len(x), batch_size):
        rows = xp.asarray(order[start : start + batch_size])
        yield x[rows], t[rows]


def gradient_norm(grads: list[Array | RowGradient]) -> float:
    """Length of all gradients laid end to end; NaN or infinity only if one of the numbers is."""
    parts = [grad.values if isinstance(grad, RowGradient) else grad for grad in grads]
    with np.errstate(all="ignore"):
        total = math.fsum(float(xp.vdot(part, part)) for part in parts)
        if math.isfinite(total):
            return math.sqrt(total)
        # Either a number is not finite, or only its square is not: find out on a smaller scale.
        largest = [float(xp.abs(part).max()) for part in parts if part.size]
        if not all(math.isfinite(number) for number in largest):
            return math.nan if any(math.isnan(number) for number in largest) else math.inf
        unit = max(largest)
        scaled = [part.astype(np.float64) / unit for part in parts]
        return unit * math.sqrt(math.fsum(float(xp.vdot(part, part)) for part in scaled))


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


class Trainer:
    """Train a model: ``model.forward(x, t)`` returns the loss, ``model.backward()`` leaves the gradients.

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

    Attributes
    ----------
    history : list of float
        The loss of each mini-batch so far.
    epoch_losses : list of float
        The mean of these over each finished epoch.
    epoch, step : int
        Finished epochs, and finished steps of the epoch that is running.
    notes : dict
        Numbers, strings and lists that ``on_epoch`` wants to find again after a resume.
    largest_loss : float
        A loss above this has exploded, as one that is no number has.
    """

    largest_loss = math.inf

    def __init__(
        self,
        model: Layer,
        optimizer: Optimizer,
        rng: np.random.Generator,
        max_grad_norm: float | None = None,
        schedule: Callable[[int], float] | None = None,
    ) -> None:
        if max_grad_norm is not None and not max_grad_norm > 0:
            raise ValueError(f"max_grad_norm is {max_grad_norm}; it should be a positive number or None.")
        self.model, self.optimizer, self.rng = model, optimizer, rng
        self.max_grad_norm, self.schedule = max_grad_norm, schedule
        self._start_afresh()

    def fit(
        self,
        x: Array,
        t: Array,
        epochs: int,
        batch_size: int,
        checkpoint: str | os.PathLike | None = None,
        checkpoint_every: int | None = None,
        on_epoch: Callable[[Trainer], Any] | None = None,
    ) -> list[float]:
        """Go over all examples ``epochs`` times, in a new order each time.

        With a ``checkpoint``, everything that the next step depends on is saved in that file, and if the file
        is there already, the run continues from it to the same bits as if it had never stopped. A finished
        run's file holds its result: ``fit`` then only loads it.

        Parameters
        ----------
        x, t : arrays, examples along axis 0
        epochs : int
            How many in all, those before a checkpoint included.
        batch_size : int
        checkpoint : path, optional
            The file; ``something.checkpoint.npz`` is ignored by git.
        checkpoint_every : int, optional
            Save after so many steps; it is saved after each epoch in any case.
        on_epoch : function, optional
            Called with this trainer after each epoch: to measure, to print, to lower ``optimizer.lr``.

        Returns
        -------
        list of float
            The loss of each mini-batch. Ctrl-C lets the running step end, saves the checkpoint and returns
            what there is; a second Ctrl-C stops at once.

        Raises
        ------
        ValueError
            The data do not fit together, or the checkpoint is damaged or belongs to another run.
        FloatingPointError
            The loss or a gradient is NaN or infinite, and the sentence names the layer where that began; or
            the loss is above ``largest_loss``. The weights are as before that step.
        """
        require_data(x, t, batch_size)
        for name, value in (("epochs", epochs), ("checkpoint_every", checkpoint_every)):
            if value is not None:
                require_count(name, value)
        self._start_afresh()
        if checkpoint is not None:
            self.run = {"examples": len(x), "batch_size": int(batch_size), "data": checksum(x, t)}
            if Path(checkpoint).exists():
                self._resume(checkpoint)

        def batch(step: int) -> tuple[Array, Array]:
            rows = xp.asarray(self.order[step * batch_size : (step + 1) * batch_size])
            return x[rows], t[rows]

        def begin_epoch() -> None:
            self.order = self.rng.permutation(len(x))

        self._loop(
            epochs, -(-len(x) // batch_size), batch, begin_epoch, checkpoint, checkpoint_every, on_epoch
        )
        return self.history

    def _loop(
        self,
        epochs: int,
        per_epoch: int,
        batch: Callable[[int], tuple[Array, Array]],
        begin_epoch: Callable[[], None],
        checkpoint: str | os.PathLike | None,
        checkpoint_every: int | None,
        on_epoch: Callable[[Any], Any] | None,
    ) -> None:
        """The loop over epochs and their steps, wherever the batches come from."""

        def save() -> None:
            if checkpoint is not None:
                self._save(checkpoint)

        progress = tqdm(
            total=epochs * per_epoch,
            initial=len(self.history),
            unit="step",
            leave=False,
            disable=os.environ.get("BOOK_PROGRESS") == "0",
        )
        with progress, interrupt_flag() as interrupted:
            while self.epoch < epochs:
                if not in_training(self.model):  # all of it is at rest, as after loading: wake it
                    self.model.training = True
                if self.step == 0:
                    begin_epoch()
                while self.step < per_epoch:
                    self.history.append(self._step(*batch(self.step)))
                    self.step += 1
                    progress.update()
                    if interrupted:
                        break
                    if checkpoint_every and len(self.history) % checkpoint_every == 0:
                        save()
                if self.step == per_epoch:
                    self.epoch, self.step, self.order = self.epoch + 1, 0, None
                    self.epoch_losses.append(float(np.mean(self.history[-per_epoch:])))
                    progress.set_postfix(loss=f"{self.epoch_losses[-1]:.4g}", refresh=False)
                    flags = [(layer, layer.training) for _, layer in walk(self.model)]
                    if on_epoch is not None:
                        on_epoch(self)
                    if not in_training(self.model):
                        for layer, training in flags:
                            layer.training = training
                    save()
                if interrupted:
                    save()
                    kept = f"saved in {checkpoint}" if checkpoint else "kept in the model"
                    print(f"Stopped by Ctrl-C after {self.epoch} epochs and {self.step} steps, {kept}.")
                    break

    def _start_afresh(self) -> None:
        self.epoch, self.step = 0, 0
        self.order: np.ndarray | None = None  # of the examples in the epoch that is running
        self.history: list[float] = []
        self.epoch_losses: list[float] = []
        self.notes: dict[str, Any] = {}

    def _step(self, x: Array, t: Array) -> float:
        """One forward, backward and update; returns the loss."""
        if self.schedule is not None:
            self.optimizer.lr = self.schedule(len(self.history))
        generators = find_generators(self.model)
        before = [rng.bit_generator.state for rng in generators]
        kept = held(self.model)
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # seen to right here
            loss = float(self.model.forward(x, t))
            self.model.backward()
            params, grads = unique_parameters(self.model)
            if not params:
                raise ValueError(
                    f"{type(self.model).__name__} has no weights; its layers should be attributes of a "
                    "Model, or stand in its lists, tuples or dictionaries."
                )
            norm = clip_gradients(grads, self.max_grad_norm or math.inf)
            finite = math.isfinite(loss) and math.isfinite(norm)
            if not finite or loss > self.largest_loss:
                for rng, state in zip(generators, before):
                    rng.bit_generator.state = state
                hold(self.model, kept)
                problem = "the loss exploded"
                if not finite:
                    problem = f"{first_not_finite(self.model, x, t)} gave numbers that are not finite"
                hold(self.model, kept)
                raise FloatingPointError(
                    f"epoch {self.epoch + 1}, step {self.step + 1}: {problem} (the loss is {loss:.4g}); the "
                    "weights are as before this step, and a smaller lr, or max_grad_norm, may help."
                )
            self.optimizer.update(params, grads)
        return loss

    def _generators(self) -> list[np.random.Generator]:
        """The generator of the trainer and those of the layers; one that they share comes more than once."""
        return [self.rng, *find_generators(self.model)]

    def _about(self) -> dict[str, Any]:
        """What must be the same in a run that continues another."""
        order = [id(rng) for rng in self._generators()]
        return {
            **self.run,
            "optimizer": type(self.optimizer).__name__,
            "model": {name: [list(p.shape), str(p.dtype)] for name, p in named_weights(self.model).items()},
            "generators": [
                [type(rng.bit_generator).__name__, order.index(id(rng))] for rng in self._generators()
            ],
        }

    def _save(self, path: str | os.PathLike) -> None:
        arrays = {f"model/{name}": to_numpy(param) for name, param in named_weights(self.model).items()}
        for i, memory in enumerate(self.optimizer.state):
            for name, array in zip(self.optimizer.slots, memory):
                arrays[f"optimizer/{i}/{name}"] = to_numpy(array)
        for name, array in held(self.model).items():
            if array is not None:
                arrays[f"held/{name}"] = to_numpy(array)
        about = {
            "run": self._about(),
            "settings": self.optimizer.settings(),
            "updates": self.optimizer.steps,
            "generators": [rng.bit_generator.state for rng in self._generators()],
            "epoch": self.epoch,
            "step": self.step,
            "notes": self.notes,
        }
        arrays["about"] = np.array(json.dumps(about, default=to_plain))
        arrays["history"] = np.array(self.history)
        arrays["epoch_losses"] = np.array(self.epoch_losses)
        arrays["order"] = np.empty(0, dtype=int) if self.order is None else self.order
        write_npz(path, arrays)

    def _resume(self, path: str | os.PathLike) -> None:
        arrays = read_npz(path)
        try:
            about = json.loads(str(arrays["about"]))
            was, now = about["run"], json.loads(json.dumps(self._about()))
        except (KeyError, ValueError):
            raise ValueError(f"{path} is not a checkpoint; another file name is needed.") from None
        different = [name for name in now if was.get(name) != now[name]]
        if different:
            raise ValueError(
                f"{path} is a checkpoint of another run, with different {', '.join(different)}; "
                "delete it, or use another file name."
            )
        params = named_weights(self.model)
        assign(params, {name: arrays[f"model/{name}"] for name in params}, f"{path}")
        optimizer = self.optimizer
        vars(optimizer).update(about["settings"])
        optimizer.steps = about["updates"]
        optimizer.state = [
            [xp.asarray(arrays[f"optimizer/{i}/{slot}"]) for slot in optimizer.slots]
            for i in range(len(params))
        ]
        for rng, state in zip(self._generators(), about["generators"]):
            rng.bit_generator.state = state
        saved = {name: arrays.get(f"held/{name}") for name in held(self.model)}
        hold(self.model, {name: None if a is None else xp.asarray(a) for name, a in saved.items()})
        self.epoch, self.step = about["epoch"], about["step"]
        self.notes = about["notes"]
        self.order = arrays["order"] if len(arrays["order"]) else None
        self.history = arrays["history"].tolist()
        self.epoch_losses = arrays["epoch_losses"].tolist()

    def __repr__(self) -> str:
        return f"Trainer({type(self.model).__name__}, {self.optimizer!r}, max_grad_norm={self.max_grad_norm})"


def linear_decay(lr: float, steps: int, constant: float = 0.0) -> Callable[[int], float]:
    """A schedule: ``lr`` for the first part of the steps, then a straight line down to 0.

    Parameters
    ----------
    lr : float
    steps : int
        How many updates there will be.
    constant : float
        The share of them that is made with ``lr``, from 0 to below 1.
    """
    require_positive("lr", lr)
    require_count("steps", steps)
    if not 0 <= constant < 1:
        raise ValueError(f"constant is {constant}; it should be at least 0 and below 1.")
    return lambda step: lr * min(1.0, max(0.0, 1 - step / steps) / (1 - constant))


def cut_short(schedule: Callable[[int], float], begin: int, end: int) -> Callable[[int], float]:
    """A schedule that follows another until ``begin``, and then falls in a straight line to 0 at ``end``.

    Parameters
    ----------
    schedule : function
        From the number of updates made so far to a learning rate.
    begin, end : int
        Numbers of updates, ``begin`` the smaller one.
    """
    if not 0 <= begin < end:
        raise ValueError(f"begin is {begin} and end is {end}; begin should be at least 0 and below end.")
    return lambda step: schedule(min(step, begin)) * min(1.0, max(0.0, (end - step) / (end - begin)))


def require_data(x: Array, t: Array, batch_size: int) -> None:
    """Raise unless ``x`` and ``t`` hold the same number of examples, enough for one batch."""
    for name, value in (("x", x), ("t", t)):
        if not hasattr(value, "shape") or value.ndim == 0:
            raise TypeError(
                f"{name} is a {type(value).__name__}; it should be an array of examples along axis 0."
            )
    if len(x) != len(t):
        raise ValueError(f"x has {len(x)} examples and t has {len(t)}; they should have as many.")
    if len(x) == 0:
        raise ValueError("x is empty; it should hold at least one example.")
    if not isinstance(batch_size, (int, np.integer)) or not 1 <= batch_size <= len(x):
        raise ValueError(
            f"batch_size is {batch_size!r}; it should be a whole number from 1 to {len(x)}, the size of x."
        )


def in_training(model: Layer) -> bool:
    """Whether any of its layers is in training."""
    return any(layer.training for _, layer in walk(model))


def first_not_finite(model: Layer, x: Array, t: Array) -> str:
    """Run forward and backward again, and name the first layer that gives NaN or infinity."""
    found: list[str] = []

    def watch(layer: Layer, method: str, says: str) -> None:
        original = getattr(layer, method)

        def watched(*args: Any, **options: Any) -> Any:
            result = original(*args, **options)
            arrays = result if isinstance(result, tuple) else (result,)
            arrays = [*arrays, *(layer.grads if method == "backward" else ())]
            arrays = [a.values if isinstance(a, RowGradient) else a for a in arrays if a is not None]
            if not all(bool(xp.isfinite(a).all()) for a in arrays):
                found.append(says)
            return result

        setattr(layer, method, watched)  # hides the class's method, for this object and this run

    inner = {id(layer): (name, layer) for name, layer in walk(model) if not isinstance(layer, Model)}
    for name, layer in inner.values():
        watch(layer, "forward", f"{name or 'the layer'} ({type(layer).__name__}), forward,")
        watch(layer, "backward", f"{name or 'the layer'} ({type(layer).__name__}), backward,")
    try:
        model.forward(x, t)
        model.backward()
    finally:
        for _, layer in inner.values():
            del layer.forward, layer.backward
    return found[0] if found else f"{type(model).__name__} itself"


@contextmanager
def interrupt_flag() -> Iterator[list[bool]]:
    """A list that is empty until Ctrl-C is pressed; pressed again, it interrupts as usual."""
    flag: list[bool] = []
    if threading.current_thread() is not threading.main_thread():
        yield flag  # only the main thread may handle signals
        return

    def handle(signum: int, frame: Any) -> None:
        if flag:
            raise KeyboardInterrupt
        flag.append(True)

    before = signal.signal(signal.SIGINT, handle)
    try:
        yield flag
    finally:
        signal.signal(signal.SIGINT, before)


def checksum(x: Array, t: Array) -> int:
    """A number that tells one data set from another."""
    return zlib.crc32(np.ascontiguousarray(to_numpy(t)), zlib.crc32(np.ascontiguousarray(to_numpy(x))))


def to_plain(value: Any) -> Any:
    """For JSON: arrays inside a generator's state become lists."""
    return value.tolist()
