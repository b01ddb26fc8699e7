"""Files: written in one step, read whole or not at all, and found inside installed packages."""

from __future__ import annotations

import importlib.util
import os
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import BinaryIO

import numpy as np


def write_in_one_step(path: str | os.PathLike, write: Callable[[BinaryIO], object]) -> None:
    """Write a file beside its place, then move it there: a killed program leaves the old file or the new one.

    Parameters
    ----------
    path : path
        The file, by exactly this name. Its folder is made if need be.
    write : function of an open binary file
        Writes the content. If it raises, nothing has happened to ``path``.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with open(temporary, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())  # on the disk before it takes the name
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_npz(path: str | os.PathLike, arrays: Mapping[str, np.ndarray], compressed: bool = False) -> None:
    """Write named arrays in one step, without pickles."""
    save = np.savez_compressed if compressed else np.savez
    write_in_one_step(path, lambda file: save(file, allow_pickle=False, **arrays))


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


def packaged_file(package: str, *parts: str) -> Path | None:
    """Where a file of an installed package lies; None where there is none. The package is not imported."""
    spec = importlib.util.find_spec(package)
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        file = Path(folder, *parts)
        if file.is_file():
            return file
    return None
