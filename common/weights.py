"""Keeping what was learned: weights as a named ``.npz`` file.

An ``.npz`` is a zip of plain arrays. No pickles: a pickle can run any code when it is loaded, and ties a file
to the classes of the day. A file is written beside its place and then moved there in one step, so a reader
sees the old file or the new one and never half of one.
"""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from common.backend import Array, to_numpy, xp
from common.layers.base import Layer, unique_parameters


def save_weights(path: str | os.PathLike, model: Layer, dtype: str | type | None = None) -> None:
    """Save the weights of a layer or model under their names, a shared weight once.

    Parameters
    ----------
    path : path
        The file, by custom ``something.npz``. Replaced in one step if it exists.
    model : Layer
    dtype : float type, optional
        Type to store, for instance ``"float16"``: half the bytes, and about 3 digits instead of 7.

    Raises
    ------
    ValueError
        A weight is too large for ``dtype``, which would store infinity.
    """
    arrays = {}
    for name, param in named_weights(model).items():
        array = to_numpy(param)
        if dtype is not None:
            with np.errstate(over="ignore"):
                stored = array.astype(dtype)
            if not np.array_equal(np.isfinite(stored), np.isfinite(array)):
                raise ValueError(
                    f"the largest number of {name} is {np.abs(array).max():.3g}; it should be at most "
                    f"{np.finfo(stored.dtype).max:.3g} to be stored as {stored.dtype}."
                )
            array = stored
        arrays[name] = array
    write_npz(path, arrays)


def load_weights(path: str | os.PathLike, model: Layer) -> None:
    """Load weights into the arrays that the model already has, each in its own float type.

    Everything is checked before the first number is changed, so the model is either loaded or as it was.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ValueError
        The file is damaged, lacks a weight, has one that the model lacks, or has one of another shape.
    """
    assign(named_weights(model), read_npz(path), f"{path}")


def named_weights(model: Layer) -> dict[str, Array]:
    """The weights of a model by name, each shared weight once, under its first name."""
    wanted = {id(param) for param in unique_parameters(model)[0]}
    named = {}
    for name, param in model.named_params():
        if id(param) in wanted:
            wanted.remove(id(param))
            named[name] = param
    return named


def assign(params: Mapping[str, Array], arrays: Mapping[str, np.ndarray], source: str) -> None:
    """Copy ``arrays`` into ``params``, in place, after checking that names, shapes and types fit."""
    missing, unknown = sorted(params.keys() - arrays.keys()), sorted(arrays.keys() - params.keys())
    if missing or unknown:
        raise ValueError(
            f"{source} was saved from another model: it lacks {', '.join(missing) or 'nothing'}, "
            f"and has {', '.join(unknown) or 'nothing'} that this model lacks."
        )
    for name, param in params.items():
        if arrays[name].shape != param.shape:
            raise ValueError(f"{name} in {source} has shape {arrays[name].shape}, not {param.shape}.")
        if not np.issubdtype(arrays[name].dtype, np.floating):
            raise ValueError(f"{name} in {source} holds {arrays[name].dtype}; it should hold floats.")
    for name, param in params.items():
        param[...] = xp.asarray(arrays[name].astype(param.dtype))


def write_npz(path: str | os.PathLike, arrays: Mapping[str, np.ndarray]) -> None:
    """Write named arrays to ``path`` in one step: a killed program leaves the old file or the new one."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with open(temporary, "wb") as file:
            np.savez(file, allow_pickle=False, **arrays)
            file.flush()
            os.fsync(file.fileno())  # on the disk before it takes the name
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def read_npz(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """Read all arrays of ``path``.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ValueError
        The file is not a whole ``.npz``, or holds pickled objects.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"there is no file {path}.")
    try:
        with open(path, "rb") as opened, np.load(opened, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (zipfile.BadZipFile, zlib.error, ValueError, EOFError, OSError, AttributeError, TypeError):
        raise ValueError(
            f"{path} is damaged, or not an .npz file of plain arrays; use a whole copy."
        ) from None
