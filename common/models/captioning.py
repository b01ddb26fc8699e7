"""Pictures into words: an encoder of convolutions reads a picture, a decoder writes its caption.

    picture -> filters -> map: P places -> decoder -> a red circle above a blue square

Both fit ``Seq2Seq``, with pictures in place of questions: so training, greedy answers and beam search are
those of chapters 7 and 8. The **map** is what the filters say of each place of the picture. A decoder without
attention gets its mean, a decoder with attention looks at all places of it before each word.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from common.backend import FLOAT, Array, DType, to_numpy, xp
from common.initializers import he
from common.layers.activation import ReLU, Tanh
from common.layers.base import Layer, Model, evaluating
from common.layers.make import Make
from common.layers.sequential import Sequential
from common.models.attention import LookFirstDecoder
from common.models.decoding import answer
from common.models.seq2seq import PeekyDecoder, Seq2Seq
from common.support.require import require_count, require_counts, require_float, require_several
from common.text.rare import cut_words
from common.text.rows import SPECIALS, START, decode, encode
from common.text.vocabulary import Vocabulary

UNKNOWN = "<unk>"


class PictureEncoder(Model):
    """Filters over a picture; what they found stays where they found it [Xu2015]_.

    Layers of filters, each with a stride of 2, batch normalization and a ReLU, make a map. So that a place
    of it can say where it is, its row and column are two more of its numbers [Liu2018]_. Of these a last
    layer makes H numbers, for each place alone. The decoder begins from the mean of all places.

    Parameters
    ----------
    C : int
        Channels of a picture.
    H : int
        Numbers of a place, and of the decoder's state.
    rng : numpy.random.Generator
        Draws the first weights.
    filters : sequence of int
        How many each layer has: the first of 5 x 5 pixels, the others of 3 x 3 places. Every layer halves the
        height and the width.
    where : bool
        Whether a place is told its row and column.
    keep_map : bool
        Whether the decoder gets the map, or nothing but the states to begin with.
    dtype : float type, of the weights
    """

    def __init__(
        self,
        C: int,
        H: int,
        rng: np.random.Generator,
        filters: Sequence[int] = (16, 32),
        where: bool = True,
        keep_map: bool = True,
        *,
        dtype: DType = FLOAT,
    ) -> None:
        require_counts(C=C, H=H, **{f"filters[{i}]": F for i, F in enumerate(filters)})
        if not filters:
            raise ValueError("filters is empty; it should have a number for each layer, at least one.")
        make = Make(rng, dtype)
        layers: list[Layer] = []
        for D, F in zip([C, *filters], filters):
            size = 3 if layers else 5
            layers.append(make.convolution(D, F, size, 2, size // 2, first=not layers))
            layers += [make.batch_norm(F, axis=1), ReLU()]
        self.filters = Sequential(*layers)
        self.each = Sequential(make.affine(filters[-1] + 2 * where, H, he), ReLU())
        self.begin = Sequential(make.affine(H, 2 * H), Tanh())
        self.C, self.where, self.keep_map = C, where, keep_map

    def check(self, pictures: Array) -> None:
        """Raise unless ``pictures`` is (N, C, height, width) of floats, and not empty."""
        require_float("pictures", pictures)
        if pictures.ndim != 4 or 0 in pictures.shape or pictures.shape[1] != self.C:
            raise ValueError(
                f"pictures has shape {pictures.shape}; it should be (N, {self.C}, height, width)."
            )

    def forward(self, pictures: Array) -> tuple[Array, ...]:
        """``pictures`` (N, C, height, width) to the memory.

        Returns
        -------
        tuple
            The map (N, P, H), a mask (N, P) that hides nothing, and the states ``h`` and ``c`` (N, H) to
            begin with; these two alone unless ``keep_map``.
        """
        self.check(pictures)
        found = self.filters.forward(pictures)  # (N, F, rows, columns)
        self.grid = found.shape
        places = found.reshape(*found.shape[:2], -1).swapaxes(1, 2)  # (N, P, F)
        if self.where:
            places = xp.concatenate([places, rows_and_columns(*found.shape, dtype=found.dtype)], axis=2)
        map = self.each.forward(places)  # (N, P, H)
        begin = self.begin.forward(map.mean(axis=1))  # (N, 2H)
        h, c = begin[:, : map.shape[2]], begin[:, map.shape[2] :]
        if not self.keep_map:
            return h, c
        return map, xp.ones(map.shape[:2], dtype=bool), h, c

    def backward(self, *dmemory: Any) -> None:
        """Gradients of the memory; a mask has none."""
        *dmap, dh, dc = dmemory
        dmean = self.begin.backward(xp.concatenate([dh, dc], axis=1))
        _, F, rows, columns = self.grid
        share = xp.repeat(dmean[:, None] / (rows * columns), rows * columns, axis=1)  # each place has one
        dplaces = self.each.backward(dmap[0] + share if dmap else share)
        self.filters.backward(dplaces[:, :, :F].swapaxes(1, 2).reshape(self.grid))


def rows_and_columns(N: int, F: int, rows: int, columns: int, *, dtype: DType = FLOAT) -> Array:
    """The row and the column of each place of a grid, from -1 to 1: (N, rows * columns, 2)."""
    grid = np.meshgrid(*(np.linspace(-1, 1, n) for n in (rows, columns)), indexing="ij")
    places = xp.asarray(np.stack(grid, axis=-1).reshape(1, -1, 2), dtype=dtype)
    return xp.repeat(places, N, axis=0)


def captioner(
    C: int,
    V: int,
    D: int,
    H: int,
    rng: np.random.Generator,
    attention: bool = True,
    where: bool = True,
    filters: Sequence[int] = (16, 32),
    *,
    dtype: DType = FLOAT,
) -> Seq2Seq:
    """A model that writes captions.

    Both decoders begin from the mean of the map, and are shown something at each word: with attention the
    places that they look at [Xu2015]_, without it the states that they began with [Vinyals2015b]_. So both
    have the same number of weights.

    Parameters
    ----------
    C, V, D, H : int
        Channels of a picture, number of words, size of a word's vector, size of a place and of a state.
    rng : numpy.random.Generator
    attention : bool
    where, filters
        As in ``PictureEncoder``.
    dtype : float type, of the weights
    """
    encoder = PictureEncoder(C, H, rng, filters, where, keep_map=attention, dtype=dtype)
    decoder: Any = (LookFirstDecoder if attention else PeekyDecoder)(V, D, H, rng, dtype=dtype)
    return Seq2Seq(encoder, decoder)


# ---- captions


def words_of(captions: Sequence[str], min_count: int = 1) -> Vocabulary:
    """The vocabulary of all words that occur so often, after the special signs; with a ``min_count`` above 1
    ``<unk>`` stands for the others."""
    require_several("captions", captions)
    words = [word for caption in captions for word in cut_words(caption)]
    return Vocabulary.from_tokens(
        words, min_count, unknown=UNKNOWN if min_count > 1 else None, specials=SPECIALS
    )


def encode_captions(captions: Sequence[str], vocabulary: Vocabulary) -> Array:
    """Captions to rows of ids (N, T), from START to END, filled with PAD."""
    require_several("captions", captions)
    return encode([cut_words(caption) for caption in captions], vocabulary, answers=True)


class Said(NamedTuple):
    """What a model says of N pictures.

    Attributes
    ----------
    captions : list of str
    weights : list of N arrays (T, P), or None
        Where it looked before each word of its caption; None for a model without attention.
    """

    captions: list[str]
    weights: list[np.ndarray] | None


def describe(
    model: Seq2Seq, pictures: Array, vocabulary: Vocabulary, max_length: int = 20, batch_size: int = 500
) -> Said:
    """A caption of each picture, always by the best next word, and where the model looked.

    Parameters
    ----------
    model : Seq2Seq
    pictures : (N, C, height, width)
    vocabulary : Vocabulary
    max_length : int
        The most words to write, END included.
    batch_size : int
        So many at a time.
    """
    require_count("batch_size", batch_size)
    captions: list[str] = []
    weights: list[np.ndarray] | None = [] if hasattr(type(model.decoder), "weights") else None
    for i in range(0, len(pictures), batch_size):
        part = pictures[i : i + batch_size]
        written = answer(model, part, max_length)
        texts = decode(written, vocabulary, " ")
        captions += texts
        if weights is not None:
            read = xp.concatenate(
                [xp.full((len(part), 1), START, dtype=written.dtype), written[:, :-1]], axis=1
            )
            with evaluating(model):
                decoder: Any = model.decoder
                decoder.forward(read, *model.encoder.forward(part))
                looked = to_numpy(decoder.weights)
            weights += [rows[: len(text.split())] for rows, text in zip(looked, texts)]
    return Said(captions, weights)


# ---- does it look at what it names?


class Pointing(NamedTuple):
    """Where a model looked while it named something whose place is known; means over all such words.

    Attributes
    ----------
    hits : float
        The share of words at which the place with the largest weight is one of the thing.
    weight : float
        How much of the weight lay in the thing's places.
    area : float
        Which share of all places these are: what either would be if the model looked anywhere.
    words : int
    """

    hits: float
    weight: float
    area: float
    words: int


def pointing(
    weights: Sequence[np.ndarray],
    named: Sequence[Sequence[tuple[int, np.ndarray]]],
    sees: int | None = None,
) -> Pointing:
    """How well where a model looked fits what it named.

    Parameters
    ----------
    weights : sequence of N arrays (T, P)
        As ``describe`` has them.
    named : sequence of N sequences of (int, (height, width) booleans)
        Which word of a caption names something, and the pixels of the picture that this covers.
    sees : int, optional
        Which places are the thing's, as for ``on_the_map``.
    """
    found = []
    for looked, words in zip(weights, named):
        for word, pixels in words:
            inside = on_the_map(pixels, looked.shape[1], sees)
            found.append((inside[looked[word].argmax()], looked[word][inside].sum(), inside.mean()))
    if not found:
        raise ValueError("named has no words; it should have at least one.")
    hits, weight, area = np.mean(found, axis=0).tolist()
    return Pointing(hits, weight, area, len(found))


def pointing_by_lot(
    things: Sequence[Sequence[np.ndarray]],
    named: Sequence[Sequence[tuple[int, np.ndarray]]],
    places: int,
    sees: int | None = None,
) -> float:
    """The ``hits`` of who draws one thing of the scene by lot, no matter which is named, and one of its
    places.

    Parameters
    ----------
    things : sequence of N sequences of (height, width) booleans
        What each thing of a scene covers.
    named, sees
        As for ``pointing``.
    places : int
        Of the map.
    """
    shares = []
    for scene, words in zip(things, named):
        own = [on_the_map(pixels, places, sees) for pixels in scene]
        for _, pixels in words:
            right = on_the_map(pixels, places, sees)
            shares.append(np.mean([right[of_one].mean() for of_one in own]))
    if not shares:
        raise ValueError("named has no words; it should have at least one.")
    return float(np.mean(shares))


def on_the_map(pixels: np.ndarray, places: int, sees: int | None = None) -> np.ndarray:
    """Which of so many places of a map have some of these pixels (height, width): booleans (places,).

    A place has the pixels that are nearest to its centre, or, with ``sees``, all that lie at most so many
    rows and columns from it. A place of ``PictureEncoder`` sees 4 to each side.
    """
    height, width = pixels.shape
    rows = round((places * height / width) ** 0.5)
    if places % rows or height % rows or width % (places // rows):
        raise ValueError(f"pixels has shape {pixels.shape}; it should be cut evenly into {places} places.")
    has_row, has_column = has_pixels(height, rows, sees), has_pixels(width, places // rows, sees)
    return (has_row @ pixels @ has_column.T).ravel()


def has_pixels(side: int, places: int, sees: int | None) -> np.ndarray:
    """Which pixels along a side each of so many places has: booleans (places, side)."""
    pixel, place = np.arange(side), np.arange(places)[:, np.newaxis]
    if sees is None:
        return nearest_place(pixel, side, places) == place
    return np.abs(pixel - side // places * place) <= sees


def nearest_place(pixel: np.ndarray, side: int, places: int) -> np.ndarray:
    """To which of so many places along a side the pixels of a row belong: to the one whose centre is nearest.

    With the strides and paddings of ``PictureEncoder``, the first place looks at what surrounds pixel 0, and
    the next ones at what surrounds every (side / places)-th pixel from there on.
    """
    stride = side // places
    return np.minimum((pixel + stride // 2) // stride, places - 1)
