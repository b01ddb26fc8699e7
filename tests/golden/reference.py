"""What PyTorch computed for the examples of the catalogue, and how far ours is from it."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from pathlib import Path

import numpy as np

import common.layers
from common.backend import Array, to_numpy, xp
from common.book import catalogue
from common.book.catalogue import Entry, build
from common.layers import Layer, Model
from tests.helpers import dense

GOLDEN = Path(__file__).resolve().parent
"""Where the reference arrays are, one file for each layer."""


def found_layers() -> list[type[Layer]]:
    """The layers that the files of ``common/layers`` define; not those that others there are made from."""
    names = sorted(module.name for module in pkgutil.iter_modules(common.layers.__path__))
    modules = [importlib.import_module(f"common.layers.{name}") for name in names]
    classes = [
        c
        for module in modules
        for c in vars(module).values()
        if inspect.isclass(c) and issubclass(c, Layer) and c.__module__ == module.__name__
    ]
    bases = {base for c in classes for base in c.__bases__} | {Model}
    return [c for c in classes if c not in bases]


def missing(layer: type[Layer]) -> str | None:
    """What keeps a layer from being a part of the book, in one sentence; None if nothing does."""
    name = layer.__name__
    if name not in common.layers.__all__:
        return f"{name} is not offered; common/layers/__init__.py should import it and list it."
    try:
        entry = catalogue.entry_of(layer)
    except ValueError as error:
        return error.args[0]
    parts = {"formula": "formula", "shapes": "shapes", "source": "source", "examples": "examples"}
    parts |= {"bad": "bad input", "torch": "counterpart in PyTorch"}
    for part, called in parts.items():
        if not getattr(entry, part):
            return f"{name} has no {called} in its catalogue entry."
    try:
        catalogue.source_text(entry.source)
    except ValueError as error:
        return error.args[0]
    if f"[{entry.source}]_" not in (layer.__doc__ or ""):
        return f"{name} does not name its source; its docstring should have [{entry.source}]_ in it."
    try:
        reference_gaps(entry)
    except (FileNotFoundError, ValueError) as error:
        return error.args[0]
    return None


def reference_gaps(entry: Entry, dtype: type = np.float64) -> dict[str, float]:
    """How far outputs and gradients are from PyTorch's stored ones, for each example of a layer.

    Returns
    -------
    dict
        The largest difference in each example, relative to the largest number of the array it is in (at least
        1).

    Raises
    ------
    FileNotFoundError
        No reference was stored for the layer.
    ValueError
        None was stored for one of its examples.
    """
    name = entry.layer.__name__
    path = GOLDEN / f"{name}.npz"
    if not path.exists():
        raise FileNotFoundError(f"{name} has no reference arrays; make golden NAME={name} writes them.")
    with np.load(path, allow_pickle=False) as file:
        return gaps_to(dict(file), entry, dtype)


def gaps_to(stored: dict[str, np.ndarray], entry: Entry, dtype: type = np.float64) -> dict[str, float]:
    """``reference_gaps`` to arrays that may not be in a file yet."""
    name, gaps = entry.layer.__name__, {}
    for title, example in entry.examples.items():
        begin = f"{title}/"
        mine = {key.removeprefix(begin): value for key, value in stored.items() if key.startswith(begin)}
        if not mine:
            raise ValueError(
                f"{name} has no reference arrays for {title!r}; make golden NAME={name} writes them."
            )
        layer, inputs = build(example, dtype)
        ours = {f"param {i}": param for i, param in enumerate(layer.params)}
        ours |= {f"input {i}": x for i, x in enumerate(inputs) if x is not None}
        for key, array in ours.items():
            if key not in mine or mine[key].shape != array.shape:
                raise ValueError(
                    f"the reference arrays of {name} are older than its example {title!r}; "
                    f"make golden NAME={name} writes them anew."
                )
        for i, param in enumerate(layer.params):
            param[...] = xp.asarray(mine[f"param {i}"].astype(dtype))
        for i, x in enumerate(inputs):
            if x is None:
                continue
            value = mine[f"input {i}"]
            inputs[i] = xp.asarray(value.astype(dtype) if value.dtype.kind == "f" else value)
        gaps[title] = max(
            float(
                np.abs(value.astype(np.float64) - mine[key]).max(initial=0)
                / max(1, np.abs(mine[key]).max(initial=0))
            )
            for key, value in run(layer, inputs, mine).items()
        )
    return gaps


def run(layer: Layer, inputs: list[Array], douts: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Forward and backward: all outputs and gradients, as NumPy arrays, named as in ``tests/golden``."""
    outputs = layer.forward(*inputs)
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    given = [xp.asarray(douts[f"dout {i}"].astype(out.dtype)) for i, out in enumerate(outputs)]
    returned = layer.backward(*(dout if dout.ndim else float(dout) for dout in given))
    returned = returned if isinstance(returned, tuple) else (returned,)
    found = {f"output {i}": out for i, out in enumerate(outputs)}
    floats = [i for i, x in enumerate(inputs) if x is not None and x.dtype.kind == "f"]
    found |= {f"dinput {i}": dx for i, dx in zip(floats, returned) if dx is not None}
    found |= {f"dparam {i}": dense(grad) for i, grad in enumerate(layer.grads)}
    return {name: to_numpy(value) for name, value in found.items()}
