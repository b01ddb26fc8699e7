"""Read arrays from a ``.safetensors`` file: a form in which weights are exchanged, and which runs no code.

Eight bytes say how long the header is. The header is JSON, and gives for each array its type, its shape, and
from which byte to which it lies in the rest of the file. That is all; so a few lines read it, and the others
here make sure that the file is what it says.
"""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

import numpy as np

TYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2"}
"""The float types, as NumPy calls them; it lacks BF16, the upper half of an F32."""


class SafeTensors:
    """The arrays of a file, by name; each is read when it is asked for.

    Parameters
    ----------
    path : path

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ValueError
        The file is of another kind, damaged, or cut off.
    """

    def __init__(self, path: str | os.PathLike) -> None:
        self.path = Path(path)
        if not self.path.is_file():
            raise FileNotFoundError(f"there is no file {self.path}.")
        self.size = self.path.stat().st_size
        with open(self.path, "rb") as file:
            begin = file.read(8)
            if begin[:1] == b"\x80" or begin[:2] == b"PK":
                raise ValueError(
                    f"{self.path} is a pickle, as PyTorch saves it, and may run any code when it is read; it "
                    "should be a safetensors file."
                )
            length = int.from_bytes(begin, "little")
            if not 2 <= length <= self.size - 8:
                raise self._damaged(f"its header should have {length} bytes.")
            header = file.read(length)
        self.start = 8 + length
        self.entries = self._entries(header)

    def _entries(self, header: bytes) -> dict[str, tuple[str, tuple[int, ...], tuple[int, ...]]]:
        """Type, shape, first byte and end of each array, if together they are the whole rest of the file."""
        try:
            read: dict[str, Any] = json.loads(header.decode())
            read.pop("__metadata__", None)
            entries = {
                name: (str(about["dtype"]), whole(about["shape"]), whole(about["data_offsets"], 2))
                for name, about in read.items()
            }
        except (ValueError, TypeError, KeyError, AttributeError):
            raise self._damaged("its header is not that of a safetensors file.") from None
        end = 0
        for name, (dtype, shape, (first, last)) in sorted(entries.items(), key=lambda entry: entry[1][2]):
            size = math.prod(shape) * np.dtype(TYPES[dtype]).itemsize if dtype in TYPES else last - first
            if first != end or last - first != size:
                raise self._damaged(f"{name} lies in bytes {first} to {last}, which does not fit its shape.")
            end = last
        if self.start + end != self.size:
            raise self._damaged(f"it should have {self.start + end} bytes.")
        return entries

    def _damaged(self, problem: str) -> ValueError:
        return ValueError(f"{self.path} has {self.size} bytes and is damaged or cut off: {problem}")

    def __contains__(self, name: str) -> bool:
        return name in self.entries

    def read(self, name: str, shape: tuple[int, ...]) -> np.ndarray:
        """The array of that name, float32 or float64.

        Raises
        ------
        ValueError
            The file lacks it, or it has another shape or holds no floats.
        """
        if name not in self.entries:
            raise ValueError(f"{self.path} lacks {name}.")
        dtype, found, (first, end) = self.entries[name]
        if found != shape:
            raise ValueError(f"{name} in {self.path} has shape {found}; it should be {shape}.")
        if dtype not in TYPES:
            raise ValueError(f"{name} in {self.path} holds {dtype}; it should hold {', '.join(TYPES)}.")
        with open(self.path, "rb") as file:
            file.seek(self.start + first)
            array = np.frombuffer(file.read(end - first), TYPES[dtype]).reshape(shape)
        if dtype == "BF16":
            return (array.astype(np.uint32) << 16).view(np.float32)
        return array.astype(np.float64 if dtype == "F64" else np.float32)


def whole(numbers: Any, count: int | None = None) -> tuple[int, ...]:
    """A list of whole numbers, none below 0, as a tuple; anything else is a ValueError."""
    if not all(type(number) is int and number >= 0 for number in numbers) or count not in (
        None,
        len(numbers),
    ):
        raise ValueError
    return tuple(numbers)
