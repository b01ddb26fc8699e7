"""What the book's code says to bad input: one sentence with the argument, what it was, what it should be.

An error inside a matrix product names two shapes and no culprit. The layers therefore check at the door.
Each function returns nothing when all is well.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Real

import numpy as np

from common.backend import Array, to_numpy


def require_array(name: str, value: object) -> None:
    """Raise TypeError unless ``value`` is an array (of NumPy or CuPy)."""
    if not hasattr(value, "dtype") or not hasattr(value, "shape"):
        raise TypeError(f"{name} is a {type(value).__name__}; it should be an array.")


def require_float(name: str, x: Array, like: Array | None = None) -> None:
    """Raise TypeError unless ``x`` holds floats, and of the same type as ``like`` when that is given."""
    require_array(name, x)
    if not np.issubdtype(x.dtype, np.floating):
        raise TypeError(f"{name} holds {x.dtype}; it should hold floats: use {name}.astype('float32').")
    if like is not None and x.dtype != like.dtype:
        raise TypeError(
            f"{name} is {x.dtype} and the weights are {like.dtype}; both should be of one type, "
            f"or every result would silently become the larger: use {name}.astype('{like.dtype}')."
        )


def require_last_axis(name: str, x: Array, size: int) -> None:
    """Raise ValueError unless the shape of ``x`` is ``(..., size)``."""
    if x.ndim == 0 or x.shape[-1] != size:
        raise ValueError(f"{name} has shape {x.shape}; it should be (..., {size}).")


def require_vectors(name: str, x: Array, weights: Array) -> None:
    """Raise unless ``x`` is (..., D), floats of the type of ``weights``, whose first axis has D entries."""
    require_float(name, x, like=weights)
    require_last_axis(name, x, len(weights))


def require_channels(name: str, x: Array, weights: Array) -> None:
    """Raise unless ``x`` is (N, D, ...), of the type of ``weights``, whose first axis has D entries."""
    require_float(name, x, like=weights)
    if x.ndim < 2 or x.shape[1] != len(weights):
        raise ValueError(f"{name} has shape {x.shape}; it should be (N, {len(weights)}, ...).")


def require_rows(name: str, x: Array, least: int, axis: int = -1) -> None:
    """Raise ValueError if ``x`` has too few rows, over all axes but this, for statistics of them."""
    if math.prod(n for i, n in enumerate(x.shape) if i != axis % x.ndim) < least:
        raise ValueError(
            f"{name} has shape {x.shape}; in training it should have at least {least} rows: one row is its "
            "own mean, and nothing of it would be left."
        )


def require_shape(name: str, x: Array, shape: tuple[int, ...]) -> None:
    """Raise ValueError unless ``x`` has exactly this shape."""
    require_array(name, x)
    if x.shape != shape:
        raise ValueError(f"{name} has shape {x.shape}; it should be {shape}.")


def require_vector(name: str, x: Array) -> None:
    """Raise unless ``x`` is a one-axis array of floats."""
    require_float(name, x)
    if x.ndim != 1:
        raise ValueError(f"{name} has shape {x.shape}; it should have one axis.")


def require_matrix(name: str, x: Array) -> None:
    """Raise unless ``x`` is a two-axis array of floats."""
    require_float(name, x)
    if x.ndim != 2:
        raise ValueError(f"{name} has shape {x.shape}; it should be a matrix, with two axes.")


def require_at_least(name: str, x: Array, least: float, most: float | None = None) -> None:
    """Raise ValueError unless no number of ``x`` is below ``least``, nor above ``most`` if that is given."""
    low, high = float(x.min()), float(x.max())
    if not (low >= least and (most is None or high <= most)):
        wanted = f"at least {least}" if most is None else f"between {least} and {most}"
        raise ValueError(f"{name} holds numbers from {low:.4g} to {high:.4g}; they should be {wanted}.")


def require_some_in_each_row(name: str, x: Array, why: str) -> None:
    """Raise ValueError if a row of ``x``, along its last axis, is all zeros."""
    if not bool((x != 0).any(axis=-1).all()):
        raise ValueError(f"{name} has a row of zeros; each should hold another number, {why}.")


def require_ids(name: str, ids: Array, size: int) -> None:
    """Raise unless ``ids`` holds whole numbers from 0 to ``size - 1``."""
    require_array(name, ids)
    if not np.issubdtype(ids.dtype, np.integer):
        raise TypeError(f"{name} holds {ids.dtype}; it should hold whole numbers from 0 to {size - 1}.")
    if ids.size and (ids.min() < 0 or ids.max() >= size):
        raise ValueError(
            f"{name} holds numbers from {int(ids.min())} to {int(ids.max())}; "
            f"they should lie between 0 and {size - 1}."
        )


def require_mask(name: str, mask: Array, *shapes: tuple[int, ...]) -> None:
    """Raise unless ``mask`` holds booleans and has one of these shapes.

    Numbers will not do: elsewhere 0 may mean *look here* and -1e9 *not here*, the opposite of what booleans
    would be made of them.
    """
    require_array(name, mask)
    if mask.dtype != bool:
        raise TypeError(f"{name} holds {mask.dtype}; it should hold booleans, True where a position counts.")
    if mask.shape not in shapes:
        raise ValueError(f"{name} has shape {mask.shape}; it should be {' or '.join(map(str, shapes))}.")


def require_count(name: str, value: int) -> None:
    """Raise ValueError unless ``value`` is a whole number, at least 1."""
    if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{name} is {value!r}; it should be a whole number, at least 1.")


def require_counts(**values: int) -> None:
    """``require_count`` of each."""
    for name, value in values.items():
        require_count(name, value)


def require_positive(name: str, value: float) -> None:
    """Raise ValueError unless ``value`` is a finite number above 0."""
    if not isinstance(value, Real) or not 0 < value < math.inf:
        raise ValueError(f"{name} is {value!r}; it should be a positive number.")


def require_generator(name: str, rng: np.random.Generator) -> None:
    """Raise TypeError unless ``rng`` is a random generator."""
    if not isinstance(rng, np.random.Generator):
        raise TypeError(f"{name} is a {type(rng).__name__}; it should be a numpy.random.Generator.")


def require_share(name: str, value: float) -> None:
    """Raise ValueError unless ``value`` is a number from 0 to below 1."""
    if not isinstance(value, Real) or not 0 <= value < 1:
        raise ValueError(f"{name} is {value!r}; it should be at least 0 and below 1.")


def require_shares(**values: float) -> None:
    """``require_share`` of each."""
    for name, value in values.items():
        require_share(name, value)


def require_levels(name: str, values: Sequence[float]) -> None:
    """Raise ValueError unless these are numbers above 0 and below 1, one or more, in ascending order."""
    levels = list(values)
    ascending = all(low < high for low, high in zip([0.0, *levels], [*levels, 1.0]))
    if not levels or not ascending:
        raise ValueError(f"{name} is {values!r}; it should be numbers above 0 and below 1, ascending.")


def require_string(name: str, value: object) -> None:
    """Raise TypeError unless ``value`` is a string."""
    if not isinstance(value, str):
        raise TypeError(f"{name} is a {type(value).__name__}; it should be a string.")


def require_several(name: str, value: object) -> None:
    """Raise TypeError if ``value`` is one string, which Python takes for a sequence of its characters."""
    if isinstance(value, str):
        raise TypeError(f"{name} is the string {value[:20]!r}; it should be a sequence of words.")


def require_text(ids: Sequence[int] | Array) -> np.ndarray:
    """The ids as an array on the processor, if they are one row of whole numbers."""
    array = to_numpy(ids)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
        raise ValueError(f"ids has shape {array.shape} and holds {array.dtype}; it should be one row of ids.")
    return array


def require_sequences(name: str, xs: Array, N: int | None = None, size: int | None = None) -> None:
    """Raise unless ``xs`` is (N, T, size) of floats, with N and T at least 1."""
    require_float(name, xs)
    if xs.ndim != 3 or 0 in xs.shape or N not in (None, len(xs)) or size not in (None, xs.shape[2]):
        shape = f"({N or 'N'}, T, {size or 'H'})"
        raise ValueError(f"{name} has shape {xs.shape}; it should be {shape}, with N and T at least 1.")
