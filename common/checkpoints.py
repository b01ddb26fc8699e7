"""What a long run needs: stop and go on to the same bits, Ctrl-C, and the name of the layer that gave a NaN.

A checkpoint holds everything that the next step depends on, and what tells its run from another: the data,
the model, the settings. A run that finds a checkpoint of another run refuses to go on from it.
"""

from __future__ import annotations

import json
import math
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from common.backend import Array, to_numpy, xp
from common.layers.base import Layer, Model, find_generators, held, hold, join, walk
from common.support.files import read_npz, write_npz
from common.support.row_gradient import RowGradient
from common.weights import assign, named_weights, save_weights

if TYPE_CHECKING:
    from common.batches import Batches
    from common.training import Trainer


def save(path: str | os.PathLike, trainer: Trainer, batches: Batches) -> None:
    """Write all that the next step of a run depends on, in one step."""
    optimizer = trainer.optimizer
    arrays = {f"model/{name}": param for name, param in named_weights(trainer.model).items()}
    for i, memory in enumerate(optimizer.state):
        arrays |= {f"optimizer/{i}/{slot}": array for slot, array in zip(optimizer.slots, memory)}
    arrays |= {f"held/{name}": array for name, array in held(trainer.model).items() if array is not None}
    arrays |= {f"after_step/{name}": array for name, array in extras(trainer).items()}
    about = {
        "run": identity(trainer, batches),
        "settings": trainer.settings,
        "now": optimizer.settings(),
        "updates": optimizer.steps,
        "generators": [rng.bit_generator.state for rng in generators(trainer)],
        "epoch_began": trainer.epoch_began,
        "epoch": trainer.epoch,
        "step": trainer.step,
        "notes": trainer.notes,
    }
    plain = {
        "about": np.array(json.dumps(about, default=to_plain)),
        "history": np.array(trainer.history),
        "rates": np.array(trainer.rates),
        "epoch_losses": np.array(trainer.epoch_losses),
    }
    write_npz(path, {name: to_numpy(array) for name, array in arrays.items()} | plain)


def resume(path: str | os.PathLike, trainer: Trainer, batches: Batches) -> None:
    """Bring a trainer to where a run was saved; say so in one line.

    Raises
    ------
    ValueError
        The file is damaged, or of a run with other data or settings. Nothing is changed then.
    """
    arrays = read_npz(path)
    try:
        about, rates = json.loads(str(arrays["about"])), arrays["rates"].tolist()
        was = about["run"], about["settings"]
    except (KeyError, ValueError):
        raise ValueError(f"{path} is not a checkpoint; another file name is needed.") from None
    now = json.loads(json.dumps((identity(trainer, batches), trainer.settings), default=to_plain))
    different = [name for name in now[0] if was[0].get(name) != now[0][name]]
    different += [
        f"{name} ({was[1][name]!r}, now {value!r})"
        for name, value in now[1].items()
        if name in was[1] and was[1][name] != value
    ]
    if trainer.schedule is not None and not all(
        map(math.isclose, rates, map(trainer.schedule, range(len(rates))))
    ):
        different.append("schedule")
    if different:
        raise ValueError(
            f"{path} is a checkpoint of another run, with different {', '.join(different)}; "
            "delete it, or use another file name."
        )
    params, optimizer = named_weights(trainer.model), trainer.optimizer
    assign(params, {name: arrays[f"model/{name}"] for name in params}, f"{path}")
    vars(optimizer).update(about["now"])
    optimizer.steps = about["updates"]
    optimizer.state = [
        [xp.asarray(arrays[f"optimizer/{i}/{slot}"]) for slot in optimizer.slots]
        for i in range(len(params) if optimizer.steps else 0)
    ]
    trainer.epoch, trainer.step, trainer.notes = about["epoch"], about["step"], about["notes"]
    trainer.history, trainer.rates = arrays["history"].tolist(), rates
    trainer.epoch_losses = arrays["epoch_losses"].tolist()
    trainer.epoch_began = about["epoch_began"]
    if trainer.step:  # in mid-epoch: let the batches choose again what they chose
        trainer.rng.bit_generator.state = trainer.epoch_began
        batches.begin_epoch(trainer.model, trainer.rng)
    for rng, state in zip(generators(trainer), about["generators"]):
        rng.bit_generator.state = state
    kept = {name: arrays.get(f"held/{name}") for name in held(trainer.model)}
    hold(trainer.model, {name: None if array is None else xp.asarray(array) for name, array in kept.items()})
    for name, array in extras(trainer).items():
        array[...] = xp.asarray(arrays[f"after_step/{name}"])
    print(
        f"Going on from {path}, after {trainer.epoch} epochs and {trainer.step} steps, "
        "with the weights and random numbers that are saved there."
    )


def identity(trainer: Trainer, batches: Batches) -> dict[str, Any]:
    """What a run is about, as JSON knows it; each must be the same in a run that goes on with it."""
    order = [id(rng) for rng in generators(trainer)]
    return {
        "batches": type(batches).__name__,
        **batches.about(),
        "optimizer": type(trainer.optimizer).__name__,
        "model": {name: [list(p.shape), str(p.dtype)] for name, p in named_weights(trainer.model).items()},
        "generators": [
            [type(rng.bit_generator).__name__, order.index(id(rng))] for rng in generators(trainer)
        ],
        "after_step": {name: list(array.shape) for name, array in extras(trainer).items()},
    }


def settings(trainer: Trainer) -> dict[str, Any]:
    """The numbers and words that a run depends on, by name: those of the trainer, the optimizer, each layer.

    Of a layer these are its attributes that are plain values; ``training`` is one, False when it is frozen.
    """
    found = {"max_grad_norm": trainer.max_grad_norm, "schedule": trainer.schedule is not None}
    rule = trainer.optimizer.settings()
    found |= {name: value for name, value in rule.items() if name != "lr" or trainer.schedule is None}
    found |= plain_values("after_step", trainer.after_step)
    for path, layer in walk(trainer.model):
        kept = [join(path, name) for name in (*layer.buffers, *layer.carried)]
        found |= {name: value for name, value in plain_values(path, layer).items() if name not in kept}
        if not isinstance(layer, Model):
            found[join(path, "training")] = layer.training
    return found


def plain_values(path: str, thing: object) -> dict[str, Any]:
    """The attributes of something that are plain values, by name."""
    values = getattr(thing, "__dict__", {}).items()
    return {join(path, name): value for name, value in values if isinstance(value, (bool, int, float, str))}


def extras(trainer: Trainer) -> dict[str, Array]:
    """The arrays that ``after_step`` keeps, if it does."""
    return getattr(trainer.after_step, "arrays", {})


def generators(trainer: Trainer) -> list[np.random.Generator]:
    """The generator of the trainer and those of the layers; one that they share comes more than once."""
    return [trainer.rng, *find_generators(trainer.model)]


def to_plain(value: Any) -> Any:
    """For JSON: arrays inside a generator's state become lists."""
    return value.tolist()


# ---- after each epoch


def keep_best(
    measure: Callable[[], float], name: str = "valid", weights: str | os.PathLike | None = None
) -> Callable[[Trainer], None]:
    """An ``on_epoch``: measure, note it in ``trainer.notes[name]``, and keep the weights if it is the lowest.

    Parameters
    ----------
    measure : function
        Returns a number, the lower the better: the perplexity of a text that is not trained on, say.
    name : str
        Under which the list of all numbers so far is found in ``trainer.notes``.
    weights : path, optional
        Where the weights of the best epoch are kept; see ``load_weights``.

    Raises
    ------
    FloatingPointError
        From the function that is returned: the number is not finite.
    """

    def on_epoch(trainer: Trainer) -> None:
        values = trainer.notes.setdefault(name, [])
        value, best = float(measure()), min(values, default=math.inf)
        values.append(value)
        if not math.isfinite(value):
            raise FloatingPointError(
                f"epoch {trainer.epoch}: {name} is {value}; a smaller lr, or max_grad_norm, may help."
            )
        if weights is not None and value < best:
            save_weights(weights, trainer.model)

    return on_epoch


# ---- what goes wrong in a step, and Ctrl-C


def remember(model: Layer) -> Callable[[], None]:
    """Note what a step changes besides the weights; the function that is returned puts it back."""
    kept = held(model)
    states = [(rng, rng.bit_generator.state) for rng in find_generators(model)]

    def put_back() -> None:
        hold(model, kept)
        for rng, state in states:
            rng.bit_generator.state = state

    return put_back


def first_not_finite(model: Layer, *batch: Array) -> str:
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
        model.forward(*batch)
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
