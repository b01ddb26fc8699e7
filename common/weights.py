"""Keeping what was learned: weights as a named ``.npz`` file.

An ``.npz`` is a zip of plain arrays. No pickles: a pickle can run any code when it is loaded, and ties a file
to the classes of the day. A file is written beside its place and then moved there in one step, so a reader
sees the old file or the new one and never half of one.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

import numpy as np

from common.backend import Array, to_numpy, xp
from common.layers.base import Layer, held, hold, unique_parameters
from common.support.files import read_npz, write_npz
from common.support.require import require_share
from common.text.subwords import PREFIX, Subwords
from common.text.vocabulary import lines_to_words, words_to_lines

VOCABULARY = "vocabulary"
"""Where in a weights file the words are: all of them, one a line, as bytes of UTF-8."""


def save_weights(
    path: str | os.PathLike,
    model: Layer,
    dtype: str | type | None = None,
    vocabulary: Iterable[str] | Subwords | None = None,
) -> None:
    """Save the weights of a layer or model under their names, a shared weight once, and its ``buffers``.

    What is carried over from one ``forward`` to the next belongs to the text that was being read, and is not
    saved.

    Parameters
    ----------
    path : path
        The file, by custom ``something.npz``. Replaced in one step if it exists.
    model : Layer
    dtype : float type, optional
        Type to store weights, for instance ``"float16"``: half the bytes, and about 3 digits instead of 7.
    vocabulary : words in the order of their ids, or Subwords, optional
        Kept in the same file, so that nobody has to find out which words the model knows; see
        ``load_vocabulary`` and ``Subwords.load``.

    Raises
    ------
    ValueError
        A weight is too large for ``dtype``, which would store infinity; or a word holds a line break.
    """
    buffers = held(model, carried=False)
    arrays = {name: to_numpy(array) for name, array in buffers.items() if array is not None}
    if isinstance(vocabulary, Subwords):
        arrays.update(vocabulary.arrays())
    elif vocabulary is not None:
        arrays[VOCABULARY] = words_to_lines(vocabulary)
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
    """Load weights into the arrays that the model already has, each in its own float type, and its buffers.

    Everything is checked before the first number is changed, so the model is either loaded or as it was.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ValueError
        The file is damaged, lacks a weight, has one that the model lacks, or has one of another shape.
    """
    arrays, buffers, source = read_npz(path), held(model, carried=False), f"{path}"
    arrays = {name: a for name, a in arrays.items() if name != VOCABULARY and not name.startswith(PREFIX)}
    kept = {name: arrays.pop(name) for name in buffers if name in arrays}
    lost = [name for name, array in buffers.items() if array is not None and name not in kept]
    if lost:
        raise ValueError(f"{source} was saved from another model: it lacks {', '.join(lost)}.")
    for name, array in kept.items():
        own = buffers[name]
        if own is not None:
            require_shape(name, array, own.shape, source)
            kept[name] = array.astype(own.dtype)
    assign(named_weights(model), arrays, source)
    hold(model, {name: xp.asarray(array) for name, array in kept.items()})


def load_vocabulary(path: str | os.PathLike) -> list[str]:
    """The words that ``save_weights`` has put into a file, in the order of their ids.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ValueError
        The file is damaged, or has no words.
    """
    arrays = read_npz(path)
    if VOCABULARY not in arrays:
        raise ValueError(f"{path} holds no vocabulary; it should be saved with one.")
    return lines_to_words(arrays[VOCABULARY])


def require_shape(name: str, array: np.ndarray, shape: tuple[int, ...], source: str) -> None:
    """Raise unless an array of a file has the shape that it has in the model."""
    if array.shape != shape:
        raise ValueError(f"{name} in {source} has shape {array.shape}, not {shape}.")


class Averaged:
    """Running averages of all weights, which are often better than the last ones.

    Given to a ``Trainer`` as ``after_step`` it follows the weights, and is part of a checkpoint.

    Parameters
    ----------
    model : Layer
        The averages begin with its weights.
    decay : float
        From 0 to below 1: ``average = decay * average + (1 - decay) * weight`` after each step. The last
        ``1 / (1 - decay)`` steps or so count.
    """

    def __init__(self, model: Layer, decay: float) -> None:
        require_share("decay", decay)
        self.model, self.decay = model, float(decay)
        self.arrays = {name: param.copy() for name, param in named_weights(model).items()}

    def __call__(self, trainer: object = None) -> None:
        """One more step was made."""
        for name, param in named_weights(self.model).items():
            self.arrays[name] += (1 - self.decay) * (param - self.arrays[name])

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Inside ``with``, the model has the averages as its weights; afterwards its own again."""
        params = named_weights(self.model)
        own = {name: param.copy() for name, param in params.items()}
        try:
            for name, param in params.items():
                param[...] = self.arrays[name]
            yield
        finally:
            for name, param in params.items():
                param[...] = own[name]


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
        require_shape(name, arrays[name], param.shape, source)
        if not np.issubdtype(arrays[name].dtype, np.floating):
            raise ValueError(f"{name} in {source} holds {arrays[name].dtype}; it should hold floats.")
    for name, param in params.items():
        param[...] = xp.asarray(arrays[name].astype(param.dtype))
