"""Where the arrays live: NumPy on the processor, or CuPy on a GPU.

Every other module that computes writes ``from common.backend import xp`` and then ``xp.exp``,
``xp.sum`` and so on. ``xp`` is NumPy or CuPy, two libraries with the same functions, so the same source
serves both. The choice is made here, once, when the program starts, from the environment
variable ``BOOK_DEVICE``:

=========  ===================================================================
``cpu``    NumPy (the default: outputs are then the same on every machine)
``gpu``    CuPy, and an error if there is no GPU that works
``auto``   CuPy when there is a GPU that works, else NumPy
=========  ===================================================================
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from types import ModuleType
from typing import Any, TypeAlias

import numpy as np

Array: TypeAlias = np.ndarray
"""An array of ``xp``. A ``cupy.ndarray`` behaves like one of NumPy, and the type checker takes it for one."""

DType: TypeAlias = np.dtype | type | str
"""In which type numbers are kept: ``np.float32``, ``"float32"``, or the ``dtype`` of an array."""

FLOAT = np.float32
"""The float type that weights have unless something else is asked for (4 bytes a number)."""


def choose_array_module(device: str) -> ModuleType:
    """NumPy or CuPy, for ``device``: "cpu", "gpu" or "auto"."""
    if device not in ("cpu", "gpu", "auto"):
        raise ValueError(f"BOOK_DEVICE is {device!r}; it should be 'cpu', 'gpu' or 'auto'.")
    if device == "cpu":
        return np
    try:
        import cupy

        if cupy.cuda.runtime.getDeviceCount() == 0:
            raise RuntimeError("CuPy sees no GPU.")
        return cupy
    except Exception as error:  # CuPy reports a missing driver, library or device in many ways
        if device == "auto":
            return np
        raise RuntimeError(
            f"BOOK_DEVICE is 'gpu', but no GPU can be used ({str(error).rstrip('.')}); "
            "install the extra with: pip install -e .[gpu], or set BOOK_DEVICE=cpu."
        ) from error


xp: ModuleType = choose_array_module(os.environ.get("BOOK_DEVICE", "").strip() or "cpu")


def to_numpy(array: Array | Sequence[Any]) -> np.ndarray:
    """Copy an array to the processor's memory, for plotting or saving; a NumPy array is returned as it is."""
    return array.get() if hasattr(array, "get") else np.asarray(array)


def as_floats(numbers: Sequence[Array]) -> list[float]:
    """Arrays of no axis as numbers of Python.

    From a GPU they come in one copy: each copy waits until all that was asked for before is computed.
    """
    if xp is np:
        return [float(number) for number in numbers]
    return to_numpy(xp.stack(numbers)).tolist() if numbers else []
