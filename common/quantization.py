"""Weights in whole numbers of one byte, each row with a scale of its own: a quarter of the size of float32.

A row ``w`` is kept as ``q = round(w / s)`` with ``s = max|w| / 127``: the largest weight of the row becomes
127 or -127, and no weight is off by more than ``s / 2`` [Krishnamoorthi2018]_. A row is what leads to one
output: the weights of one filter, of one neuron. Rows differ in size, and so each has its scale.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

import numpy as np

from common.backend import Array, to_numpy, xp
from common.layers.base import Layer, walk
from common.layers.embedding import Embedding
from common.support.files import read_npz, write_npz
from common.support.require import require_float
from common.weights import assign, named_weights

LARGEST = 127
"""The largest whole number: -128 is left out, so that what can be kept of w can be kept of -w."""

SCALE = ".scale"
"""``body.layers.0.W.scale`` holds the scales of ``body.layers.0.W``."""


def quantize(W: Array, axis: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Whole numbers and scales for weights.

    Parameters
    ----------
    W : array of floats, of two axes or more
    axis : int
        Along this axis lie the rows, each with a scale: 0 for filters (F, C, K, K) and for words (V, D), -1
        for the neurons of an affine layer (D, H).

    Returns
    -------
    numbers : numpy.ndarray
        int8, of the shape of W.
    scales : numpy.ndarray
        float32, one for each row; 0 where all weights of the row are 0.

    Raises
    ------
    TypeError
        W does not hold floats.
    ValueError
        W has too few axes, lacks that axis, or holds a number that is not finite.
    """
    require_float("W", W)
    weights = to_numpy(W).astype(np.float64)
    if weights.ndim < 2 or not -weights.ndim <= axis < weights.ndim:
        raise ValueError(f"W has shape {weights.shape}; it should have two axes or more, and an axis {axis}.")
    if not np.isfinite(weights).all():
        raise ValueError("W holds numbers that are not finite; it should hold finite ones.")
    others = tuple(i for i in range(weights.ndim) if i != axis % weights.ndim)
    largest = np.abs(weights).max(axis=others, keepdims=True, initial=0)
    scales = (largest / LARGEST).astype(np.float32)
    # A row so small that its scale is none in float32 is a row of zeros.
    numbers = np.rint(np.divide(weights, scales, out=np.zeros_like(weights), where=scales > 0))
    return np.clip(numbers, -LARGEST, LARGEST).astype(np.int8), scales.ravel()


def restore(numbers: np.ndarray, scales: np.ndarray, axis: int = 0) -> np.ndarray:
    """The weights that whole numbers and scales stand for, float32: ``w = s q``.

    Raises
    ------
    ValueError
        There is not one scale for each row, or the numbers are no int8.
    """
    if numbers.dtype != np.int8 or scales.shape != (numbers.shape[axis],):
        raise ValueError(
            f"numbers are {numbers.dtype} {numbers.shape} and scales {scales.shape}; there should be int8 "
            f"numbers, and a scale for each of axis {axis}."
        )
    along = [1] * numbers.ndim
    along[axis] = -1
    return numbers * scales.astype(np.float32).reshape(along)


def rows_axis(numbers: np.ndarray) -> int:
    """The axis of the outputs: the last of an affine layer's (D, H), the first of filters (F, C, K, K)."""
    return -1 if numbers.ndim == 2 else 0


def quantized(model: Layer) -> dict[str, np.ndarray]:
    """The weights of a model by name, a shared one once: int8 with ``.scale``; biases stay as they are.

    The vectors of an embedding have a scale for each word, also where they are weights of the output, too:
    a word's vector is then what leads to its score. Other weights of two axes are taken for those of affine
    layers, with a scale for each neuron; weights of three or more for filters, with a scale for each filter.

    Returns
    -------
    dict
        ``"body.layers.0.W"`` (int8), ``"body.layers.0.W.scale"`` and ``"body.layers.0.b"`` (float32). The
        scales of words are a column (V, 1), the others a row.
    """
    words = {id(layer.params[0]) for _, layer in walk(model) if isinstance(layer, Embedding)}
    arrays: dict[str, np.ndarray] = {}
    for name, param in named_weights(model).items():
        if param.ndim < 2:
            arrays[name] = to_numpy(param).astype(np.float32)
        elif id(param) in words:
            arrays[name], scales = quantize(param, axis=0)
            arrays[name + SCALE] = scales[:, None]
        else:
            arrays[name], arrays[name + SCALE] = quantize(param, rows_axis(param))
    return arrays


def restored(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The float32 weights by name that ``quantized`` arrays stand for."""
    weights: dict[str, np.ndarray] = {}
    for name, array in arrays.items():
        scales = arrays.get(name + SCALE)
        if scales is not None:
            weights[name] = restore(array, scales.ravel(), rows_axis(array) if scales.ndim == 1 else 0)
        elif not name.endswith(SCALE):
            weights[name] = array
    return weights


def save_quantized(path: str | os.PathLike, model: Layer) -> None:
    """Save the ``quantized`` weights of a model in an ``.npz`` file, which is written in one step."""
    write_npz(path, quantized(model), compressed=True)


def load_quantized(path: str | os.PathLike, model: Layer) -> None:
    """Load what ``save_quantized`` wrote into the arrays that the model has, each in its own float type.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ValueError
        The file is damaged, or was saved from another model; the model is then as it was.
    """
    arrays = {name: xp.asarray(array) for name, array in restored(read_npz(path)).items()}
    assign(named_weights(model), arrays, f"{path}")
