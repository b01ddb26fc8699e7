"""What is known about each layer: its formula, where it comes from, and examples on which it is tested.

The tests and the appendix *layer catalogue* both go through ``ENTRIES``. A new layer touches five places: its
file, the list of ``common.layers``, one entry here, its source in ``references.bib``, and one command, ``make
golden NAME=...``, by which PyTorch computes the entry's examples. Tests name the place that is missing.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from common import layers
from common.backend import Array, DType, xp
from common.gradient_check import layer_errors
from common.layers import Layer

REFERENCES = Path(__file__).resolve().parents[2] / "references.bib"


class Draw:
    """Draws the arrays of an example, all of one float type. No bias is ever zero, and no two are equal."""

    def __init__(self, rng: np.random.Generator, dtype: DType) -> None:
        self.rng, self.dtype = rng, dtype

    def floats(self, *shape: int) -> Array:
        """Normal numbers."""
        return xp.asarray(self.rng.standard_normal(shape).astype(self.dtype))

    def ids(self, size: int, *shape: int) -> Array:
        """Whole numbers from 0 to ``size - 1``."""
        return xp.asarray(self.rng.integers(0, size, shape))

    def mask(self, *shape: int) -> Array:
        """True and False, at least one of each."""
        mask = self.rng.random(shape) < 0.6
        mask.flat[:2] = True, False
        return xp.asarray(mask)


Example = Callable[[Draw], tuple[Layer, list[Array]]]
"""Draws a layer and the inputs of its ``forward``."""

Bad = tuple[Callable[[Layer, Draw], object], str]
"""Does something wrong, in most cases with the layer of the first example; and what the error has to say."""


@dataclass(frozen=True)
class Entry:
    """A layer, and what is known about it.

    Parameters
    ----------
    layer : class
    formula : str
        In LaTeX.
    shapes : str
        What goes in and what comes out; ``…`` stands for any leading axes.
    source : str
        Key in ``references.bib``.
    examples : dict
        Small, for exhaustive checks; by a name that says what is special.
    bad : dict
        Bad input, by a name that says what is bad about it, and part of the sentence that refuses it.
    torch : str
        What PyTorch has for it: an expression of the ``layer``, its params ``p`` and its inputs ``x``, both
        as tensors. It is evaluated by ``tests/golden/make_golden.py``, which knows ``torch``, ``F`` and some
        functions of its own.
    timed : function
        One of a size that is met in practice; the catalogue measures its speed.
    """

    layer: type[Layer]
    formula: str
    shapes: str
    source: str
    examples: dict[str, Example]
    bad: dict[str, Bad]
    torch: str
    timed: Example


def build(example: Example, dtype: DType = np.float64, seed: int = 1984) -> tuple[Layer, list[Array]]:
    """Draw the layer and the inputs of an example: the same ones for the same seed."""
    return example(Draw(np.random.default_rng(seed), dtype))


def layer_classes() -> list[type[Layer]]:
    """All layers that ``common.layers`` offers."""
    offered = [getattr(layers, name) for name in layers.__all__]
    classes = [c for c in offered if isinstance(c, type) and issubclass(c, Layer)]
    return [c for c in classes if c not in (layers.Layer, layers.Model)]


def entry_of(layer: type[Layer]) -> Entry:
    """The entry of a layer."""
    for entry in ENTRIES:
        if entry.layer is layer:
            return entry
    raise ValueError(f"{layer.__name__} has no catalogue entry.")


def measure(entry: Entry) -> dict[str, float]:
    """What the catalogue shows of a layer, measured now.

    Returns
    -------
    dict
        ``gradient``: the largest error of any gradient of any example, by ``layer_errors``, in float64.
        ``seconds``: forward and backward at the size of ``timed``, in float32, the fastest of many turns.
    """
    errors = []
    for example in entry.examples.values():
        layer, inputs = build(example)
        errors += layer_errors(layer, *inputs, rng=np.random.default_rng(0)).values()
    layer, inputs = build(entry.timed, np.float32)
    outputs = layer.forward(*inputs)
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    douts = [xp.ones_like(out) if out.ndim else 1.0 for out in outputs]
    seconds: list[float] = []
    while len(seconds) < 8 or sum(seconds) < 0.05:
        start = time.perf_counter()
        layer.forward(*inputs)
        layer.backward(*douts)
        seconds.append(time.perf_counter() - start)
    return {"gradient": max(errors), "seconds": min(seconds)}


def timed_at(entry: Entry) -> str:
    """The size at which a layer is timed: the layer, and the shapes of its inputs."""
    layer, inputs = build(entry.timed, np.float32)
    shapes = ", ".join(str(tuple(x.shape)) for x in inputs if x is not None)
    return f"{' '.join(repr(layer).split())} on {shapes}"


def source_text(key: str) -> str:
    """An entry of ``references.bib`` in short: ``Rumelhart et al. 1986``."""
    found = re.search(rf"@\w+{{{key},(.*?)\n}}", REFERENCES.read_text(encoding="utf-8"), flags=re.DOTALL)
    if found is None:
        raise ValueError(f"{key} is not in references.bib; every source should be.")
    field = {name: re.search(rf"\b{name} *= *{{(.*?)}},?\n", found[1] + "\n") for name in ("author", "year")}
    names = [author.split(",")[0] for author in field["author"][1].split(" and ")]
    people = names[0] if len(names) == 1 else " and ".join(names) if len(names) == 2 else f"{names[0]} et al."
    return f"{people} {field['year'][1]}"


def activation(layer: type[Layer], *settings: object) -> dict[str, object]:
    """The examples that all activations share."""
    return {
        "bad": {
            "integers": (lambda layer, d: layer.forward(d.ids(4, 5)), "x holds int64; it should hold floats"),
            "a number": (lambda layer, d: layer.forward(3), "x is a int; it should be an array"),
            "text": (lambda layer, d: layer.forward("abc"), "x is a str; it should be an array"),
        },
        "examples": {
            "(N, D)": lambda d: (layer(*settings), [d.floats(5, 4)]),
            "(N, T, D)": lambda d: (layer(*settings), [d.floats(2, 3, 4)]),
        },
        "timed": lambda d: (layer(*settings), [d.floats(128, 256)]),
    }


def recurrent_weights(d: Draw, layer: type[layers.Layer], D: int, H: int, scale: float = 1.0) -> list[Array]:
    """Weights for a recurrent layer or cell: ``Wx``, ``Wh``, and as many biases as it has."""
    width = layer.gates * H
    shapes = [(D, width), (H, width)] + [(width,)] * len(layer.names[2:])
    return [(scale * d.floats(*shape)).astype(d.dtype) for shape in shapes]


def cell(layer: type[layers.Layer], states: int) -> dict[str, object]:
    """The examples that all cells share: ``x``, then the states."""
    return {
        "bad": {
            "sequences": (
                lambda layer, d: layer.forward(*[d.floats(4, 5, 3)] * (1 + states)),
                "x has shape (4, 5, 3); it should be (N, 3)",
            ),
            "state": (
                lambda layer, d: layer.forward(*[d.floats(4, 3)] * (1 + states)),
                "h has shape (4, 3); it should be (4, 2)",
            ),
        },
        "examples": {
            "(N, D)": lambda d: (
                layer(*recurrent_weights(d, layer, 3, 2)),
                [d.floats(4, 3), *(d.floats(4, 2) for _ in range(states))],
            ),
        },
        "timed": lambda d: (
            layer(*recurrent_weights(d, layer, 100, 100, 0.1)),
            [d.floats(20, 100), *(d.floats(20, 100) for _ in range(states))],
        ),
    }


def recurrent(kind: type[layers.Layer]) -> dict[str, object]:
    """The examples that all recurrent layers share."""

    def weights(d: Draw) -> list[Array]:
        return recurrent_weights(d, kind, 3, 2)

    return {
        "bad": {
            "no time": (
                lambda layer, d: layer.forward(d.floats(2, 3)),
                "xs has shape (2, 3); it should be (N, T, 3)",
            ),
            "T=0": (
                lambda layer, d: layer.forward(d.floats(2, 0, 3)),
                "xs has shape (2, 0, 3); it should be (N, T, 3)",
            ),
            "size": (lambda layer, d: layer.forward(d.floats(2, 4, 2)), "xs has shape (2, 4, 2)"),
            "integers": (
                lambda layer, d: layer.forward(d.ids(4, 2, 4, 3)),
                "xs holds int64; it should hold floats",
            ),
            "type": (
                lambda layer, d: layer.forward(d.floats(2, 4, 3).astype(np.float32)),
                "xs is float32 and the weights are float64; both should be of one type",
            ),
            "mask": (
                lambda layer, d: layer.forward(d.floats(2, 4, 3), d.mask(2, 3)),
                "mask has shape (2, 3); it should be (2, 4)",
            ),
            "additive mask": (
                lambda layer, d: layer.forward(d.floats(2, 4, 3), d.floats(2, 4)),
                "mask holds float64; it should hold booleans, True where a position counts",
            ),
            "list as mask": (
                lambda layer, d: layer.forward(d.floats(2, 4, 3), [[True]]),
                "mask is a list; it should be an array",
            ),
            "Wx": (
                lambda layer, d: kind(weights(d)[0][:, :-1], *weights(d)[1:]),
                f"it should be (..., {2 * kind.gates})",
            ),
            "Wh": (
                lambda layer, d: kind(weights(d)[0], weights(d)[1][:1], *weights(d)[2:]),
                f"Wh has shape (1, {2 * kind.gates}); it should be",
            ),
            "b": (
                lambda layer, d: kind(*weights(d)[:2], weights(d)[2][:1], *weights(d)[3:]),
                f"has shape (1,); it should be ({2 * kind.gates},)",
            ),
            "a bias too few": (
                lambda layer, d: kind(*weights(d)[:-1]),
                f"params has {len(kind.names) - 1} arrays; it should have {len(kind.names)}",
            ),
            "a state too many": (
                lambda layer, d: layer.set_state(*[d.floats(2, 2)] * 3),
                f"state has 3 parts; it should have {len(kind.state_names)}",
            ),
            "state": (
                lambda layer, d: layer.set_state(*[d.floats(2, 3)] * len(kind.state_names)),
                "h has shape (2, 3); it should be (N, 2)",
            ),
        },
        "examples": {
            "(N, T, D)": lambda d: (kind(*weights(d)), [d.floats(2, 4, 3)]),
            "one step": lambda d: (kind(*weights(d)), [d.floats(2, 1, 3)]),
            "masked": lambda d: (
                kind(*weights(d)),
                [d.floats(3, 4, 3), d.mask(3, 4)],
            ),
        },
        "timed": lambda d: (kind(*recurrent_weights(d, kind, 100, 100, 0.1)), [d.floats(20, 35, 100)]),
    }


def lstms(d: Draw, D: int, H: int, depth: int, scale: float = 1.0) -> list[layers.LSTM]:
    """LSTMs that fit one above the other."""
    widths = [D, *[H] * (depth - 1)]
    return [layers.LSTM(*recurrent_weights(d, layers.LSTM, width, H, scale)) for width in widths]


def seen(d: Draw, *shape: int) -> Array:
    """A mask in which each row shows something, the first position."""
    mask = d.mask(*shape)
    mask[..., 0] = True
    return mask


def heads(d: Draw, D: int, scale: float, causal: bool = False) -> layers.MultiHeadAttention:
    """Multi-head attention with two heads, eight if D is large."""
    Ws = [(scale * d.floats(D, D)).astype(d.dtype) for _ in range(4)]
    query, value, out = (layers.Affine(Ws[i], (scale * d.floats(D)).astype(d.dtype)) for i in (0, 2, 3))
    key = layers.MatMul(Ws[1])
    return layers.MultiHeadAttention(query, key, value, out, heads=2 if D < 64 else 8, causal=causal)


def rested(d: Draw, D: int, axis: int = -1) -> layers.BatchNorm:
    """Batch normalization that is not in training, as it may be after some batches."""
    layer = layers.BatchNorm(d.floats(D), d.floats(D), axis=axis)
    layer.training = False
    layer.running_mean, layer.running_variance = d.floats(D), xp.exp(d.floats(D))
    return layer


def filters(
    d: Draw, F: int, C: int, *size: int, scale: float = 1.0, **settings: object
) -> layers.Convolution:
    """A convolution with F filters over C channels."""
    return layers.Convolution((scale * d.floats(F, C, *size)).astype(d.dtype), d.floats(F), **settings)


def crf(d: Draw, K: int) -> layers.CRF:
    """Scores for the moves between K tags, and for the first and the last."""
    return layers.CRF(d.floats(K, K), d.floats(K), d.floats(K))


def looking(d: Draw, *shape: int) -> Array:
    """Weights along the last axis, as a head of a memory has them: all above 0, their sum 1."""
    e = xp.exp(d.floats(*shape))
    return e / e.sum(axis=-1, keepdims=True)


def opened(d: Draw, *shape: int) -> Array:
    """Gates: numbers between 0 and 1."""
    return 1 / (1 + xp.exp(-d.floats(*shape)))


def words(T: int, *lengths: int) -> Array:
    """The mask of sentences with so many words, the longest T."""
    return xp.arange(T) < xp.asarray(lengths)[:, None]


def pooling(layer: type[layers.Layer]) -> dict[str, object]:
    """The examples that both kinds of pooling share."""
    return {
        "shapes": "x (N, C, H, W) → y (N, C, H', W'), or x (N, C, T) → y (N, C, T')",
        "bad": {
            "no channels": (
                lambda one, d: one.forward(d.floats(2, 6)),
                "x has shape (2, 6); it should be (N, C, T) or (N, C, H, W), and not empty",
            ),
            "a grid of another kind": (
                lambda one, d: layer((2, 2)).forward(d.floats(2, 3, 6)),
                "x has shape (2, 3, 6); it should be (N, C, H, W), and not empty",
            ),
            "integers": (
                lambda one, d: one.forward(d.ids(4, 2, 3, 6, 4)),
                "x holds int64; it should hold floats",
            ),
            "does not divide": (
                lambda one, d: one.forward(d.floats(2, 3, 6, 7)),
                "x has shape (2, 3, 6, 7); along axis 3 windows of 2 in steps of 2 would leave out the last "
                "1 of 7 places: it should have 6 or 8",
            ),
            "too small": (
                lambda one, d: layer(3).forward(d.floats(2, 3, 6, 2)),
                "x has shape (2, 3, 6, 2); along axis 3, of 2 places, it should be at least as large as the "
                "window, 3",
            ),
            "size": (lambda one, d: layer(0), "size is 0; it should be a whole number, at least 1."),
            "sizes": (
                lambda one, d: layer((2, 2), stride=(1, 2, 3)),
                "size is (2, 2); it should be a whole number, at least 1, or 3 of them.",
            ),
            "stride": (
                lambda one, d: layer((2, 2), stride=0),
                "stride is 0; it should be a whole number, at least 1, or 2 of them",
            ),
            "padding": (
                lambda one, d: layer(2, padding=2),
                "padding is 2; it should be at most half of the window, 2",
            ),
        },
        "examples": {
            "(N, C, H, W)": lambda d: (layer(2), [d.floats(2, 3, 6, 4)]),
            "(N, C, T)": lambda d: (layer(2), [d.floats(2, 3, 6)]),
            "overlapping": lambda d: (layer(3, stride=2), [d.floats(2, 3, 7, 5)]),
            "padding": lambda d: (layer((3, 2), stride=(2, 1), padding=(1, 0)), [d.floats(2, 2, 6, 4)]),
        },
        "timed": lambda d: (layer(2), [d.floats(100, 30, 24, 24)]),
    }


def pooling_of_all(layer: type[layers.Layer]) -> dict[str, object]:
    """The examples that both kinds of pooling over the whole grid share."""
    return {
        "shapes": "x (N, C, H, W) or (N, C, T), mask without the C → y (N, C)",
        "bad": {
            "no grid": (
                lambda one, d: one.forward(d.floats(2, 3)),
                "x has shape (2, 3); it should be (N, C, T) or (N, C, H, W), and not empty",
            ),
            "empty": (
                lambda one, d: one.forward(d.floats(2, 3, 0)),
                "x has shape (2, 3, 0); it should be (N, C, T) or (N, C, H, W), and not empty",
            ),
            "integers": (
                lambda one, d: one.forward(d.ids(4, 2, 3, 6)),
                "x holds int64; it should hold floats",
            ),
            "mask": (
                lambda one, d: one.forward(d.floats(2, 3, 5), d.mask(2, 3)),
                "mask has shape (2, 3); it should be (2, 5)",
            ),
        },
        "examples": {
            "(N, C, T)": lambda d: (layer(), [d.floats(2, 3, 5)]),
            "(N, C, H, W)": lambda d: (layer(), [d.floats(2, 3, 4, 2)]),
            "mask": lambda d: (layer(), [d.floats(3, 2, 5), d.mask(3, 5)]),
        },
        "timed": lambda d: (layer(), [d.floats(100, 64, 7, 7)]),
    }


ENTRIES = [
    Entry(
        layers.MatMul,
        formula=r"y = xW",
        shapes="x (…, D), W (D, H) → y (…, H)",
        source="Rumelhart1986",
        examples={
            "(N, D)": lambda d: (layers.MatMul(d.floats(4, 3)), [d.floats(5, 4)]),
            "(N, T, D)": lambda d: (layers.MatMul(d.floats(4, 3)), [d.floats(2, 3, 4)]),
        },
        bad={
            "weight": (
                lambda layer, d: layers.MatMul(d.floats(4)),
                "W has shape (4,); it should be a matrix",
            ),
            "size": (
                lambda layer, d: layer.forward(d.floats(5, 3)),
                "x has shape (5, 3); it should be (..., 4)",
            ),
        },
        torch="torch.matmul(x[0], p[0])",
        timed=lambda d: (layers.MatMul(d.floats(256, 256)), [d.floats(128, 256)]),
    ),
    Entry(
        layers.Affine,
        formula=r"y = xW + b",
        shapes="x (…, D), W (D, H), b (H) → y (…, H)",
        source="Rumelhart1986",
        examples={
            "(N, D)": lambda d: (layers.Affine(d.floats(4, 3), d.floats(3)), [d.floats(5, 4)]),
            "(N, T, D)": lambda d: (layers.Affine(d.floats(4, 3), d.floats(3)), [d.floats(2, 3, 4)]),
            "first": lambda d: (layers.Affine(d.floats(4, 3), d.floats(3), first=True), [d.floats(5, 4)]),
        },
        bad={
            "bias": (
                lambda layer, d: layers.Affine(d.floats(4, 3), d.floats(4)),
                "b has shape (4,); it should be (3,)",
            ),
            "size": (
                lambda layer, d: layer.forward(d.floats(2, 5, 3)),
                "x has shape (2, 5, 3); it should be (..., 4)",
            ),
            "0-d": (lambda layer, d: layer.forward(d.floats()), "x has shape (); it should be (..., 4)"),
            "list": (lambda layer, d: layer.forward([[1.0] * 4]), "x is a list; it should be an array"),
            "integers": (lambda layer, d: layer.forward(d.ids(4, 5)), "x holds int64; it should hold floats"),
            "type": (
                lambda layer, d: layer.forward(d.floats(5, 4).astype(np.float32)),
                "x is float32 and the weights are float64; both should be of one type",
            ),
        },
        torch="F.linear(x[0], p[0].T, p[1])",
        timed=lambda d: (layers.Affine(d.floats(256, 256), d.floats(256)), [d.floats(128, 256)]),
    ),
    Entry(
        layers.Sigmoid,
        formula=r"y = \frac{1}{1 + e^{-x}}",
        shapes="x (…) → y (…)",
        source="Rumelhart1986",
        torch="torch.sigmoid(x[0])",
        **activation(layers.Sigmoid),
    ),
    Entry(
        layers.Tanh,
        formula=r"y = \tanh x",
        shapes="x (…) → y (…)",
        source="LeCun1998",
        torch="torch.tanh(x[0])",
        **activation(layers.Tanh),
    ),
    Entry(
        layers.ReLU,
        formula=r"y = \max(x, 0)",
        shapes="x (…) → y (…)",
        source="Nair2010",
        torch="F.relu(x[0])",
        **activation(layers.ReLU),
    ),
    Entry(
        layers.GELU,
        formula=r"y = \frac{x}{2} \left( 1 + \tanh \left( \sqrt{2 / \pi} \, "
        r"(x + 0.044715 \, x^3) \right) \right)",
        shapes="x (…) → y (…)",
        source="Hendrycks2016",
        torch="F.gelu(x[0], approximate='tanh')",
        **activation(layers.GELU),
    ),
    Entry(
        layers.Softmax,
        formula=r"y_k = \frac{e^{x_k}}{\sum_j e^{x_j}}",
        shapes="x (…, V) → y (…, V)",
        source="Bridle1990",
        torch="F.softmax(x[0], dim=-1)",
        **activation(layers.Softmax),
    ),
    Entry(
        layers.SoftmaxWithLoss,
        formula=r"L = -\frac{1}{n} \sum_{i} \log \frac{e^{x_{i t_i}}}{\sum_j e^{x_{ij}}}",
        shapes="x (…, V), t (…) → L, one number",
        source="Bridle1990",
        examples={
            "(N, V)": lambda d: (layers.SoftmaxWithLoss(), [d.floats(5, 4), d.ids(4, 5)]),
            "(N, T, V)": lambda d: (layers.SoftmaxWithLoss(), [d.floats(2, 3, 4), d.ids(4, 2, 3)]),
            "masked": lambda d: (
                layers.SoftmaxWithLoss(),
                [d.floats(2, 3, 4), d.ids(4, 2, 3), d.mask(2, 3)],
            ),
            "smoothed": lambda d: (
                layers.SoftmaxWithLoss(smoothing=0.1),
                [d.floats(2, 3, 4), d.ids(4, 2, 3), d.mask(2, 3)],
            ),
        },
        bad={
            "labels": (
                lambda layer, d: layer.forward(d.floats(5, 4), xp.arange(5)),
                "t holds numbers from 0 to 4; they should lie between 0 and 3",
            ),
            "one-hot": (
                lambda layer, d: layer.forward(d.floats(5, 4), d.floats(5, 4)),
                "t holds float64; it should hold whole",
            ),
            "too few": (
                lambda layer, d: layer.forward(d.floats(5, 4), d.ids(4, 4)),
                "t has shape (4,); it should be (5,)",
            ),
            "mask": (
                lambda layer, d: layer.forward(d.floats(5, 4), d.ids(4, 5), d.mask(4)),
                "mask has shape (4,); it should be (5,)",
            ),
            "weights": (
                lambda layer, d: layer.forward(d.floats(5, 4), d.ids(4, 5), d.floats(5)),
                "mask holds float64; it should hold booleans, True where a position counts",
            ),
            "0-d": (lambda layer, d: layer.forward(d.floats(), d.ids(4, 5)), "x has shape ()"),
            "smoothing": (
                lambda layer, d: layers.SoftmaxWithLoss(smoothing=1),
                "smoothing is 1; it should be at least 0 and below 1",
            ),
        },
        torch="softmax_loss(x[0], *x[1:], label_smoothing=layer.smoothing)",
        timed=lambda d: (layers.SoftmaxWithLoss(), [d.floats(128, 256), d.ids(256, 128)]),
    ),
    Entry(
        layers.AffineSoftmaxWithLoss,
        formula=r"L = -\frac{1}{n} \sum_{i} \log \frac{e^{s_{i t_i}}}{\sum_j e^{s_{ij}}}, \quad s = x W + b",
        shapes="x (…, D), W (D, V), b (V,), t (…) → L, one number",
        source="Bridle1990",
        examples={
            "(N, D)": lambda d: (
                layers.AffineSoftmaxWithLoss(d.floats(3, 4), d.floats(4)),
                [d.floats(5, 3), d.ids(4, 5)],
            ),
            "(N, T, D)": lambda d: (
                layers.AffineSoftmaxWithLoss(d.floats(3, 4), d.floats(4)),
                [d.floats(2, 6, 3), d.ids(4, 2, 6)],
            ),
            "masked": lambda d: (
                layers.AffineSoftmaxWithLoss(d.floats(3, 4), d.floats(4)),
                [d.floats(2, 6, 3), d.ids(4, 2, 6), d.mask(2, 6)],
            ),
        },
        bad={
            "size": (
                lambda layer, d: layer.forward(d.floats(5, 2), d.ids(4, 5)),
                "x has shape (5, 2); it should be (..., 3)",
            ),
            "bias": (
                lambda layer, d: layers.AffineSoftmaxWithLoss(d.floats(4, 3), d.floats(4)),
                "b has shape (4,); it should be (3,)",
            ),
            "labels": (
                lambda layer, d: layer.forward(d.floats(5, 3), xp.arange(5)),
                "t holds numbers from 0 to 4; they should lie between 0 and 3",
            ),
            "too few": (
                lambda layer, d: layer.forward(d.floats(5, 3), d.ids(4, 4)),
                "t has shape (4,); it should be (5,)",
            ),
            "mask": (
                lambda layer, d: layer.forward(d.floats(5, 3), d.ids(4, 5), d.mask(4)),
                "mask has shape (4,); it should be (5,)",
            ),
            "scores": (lambda layer, d: layer.scores(d.ids(4, 5)), "x holds int64; it should hold floats"),
        },
        torch="softmax_loss(F.linear(x[0], p[0].T, p[1]), *x[1:])",
        timed=lambda d: (
            layers.AffineSoftmaxWithLoss(d.floats(256, 256), d.floats(256)),
            [d.floats(128, 256), d.ids(256, 128)],
        ),
    ),
    Entry(
        layers.CRF,
        formula=r"L = -\frac{1}{n} \sum \log \frac{e^{s(t)}}{\sum_{t'} e^{s(t')}}, \quad "
        r"s(t) = b_{t_1} + \sum_i x_{i t_i} + \sum_i A_{t_i t_{i+1}} + e_{t_T}, "
        r"\quad t' \text{ all rows of tags}",
        shapes="x (N, T, K), A (K, K), b and e (K), t (N, T) → L, one number",
        source="Lafferty2001",
        examples={
            "(N, T, K)": lambda d: (crf(d, 3), [d.floats(2, 4, 3), d.ids(3, 2, 4)]),
            "masked": lambda d: (crf(d, 3), [d.floats(4, 5, 3), d.ids(3, 4, 5), words(5, 3, 1, 5, 2)]),
            "one word": lambda d: (crf(d, 4), [d.floats(3, 1, 4), d.ids(4, 3, 1)]),
            "one tag": lambda d: (crf(d, 1), [d.floats(2, 3, 1), d.ids(1, 2, 3)]),
        },
        bad={
            "tags": (
                lambda layer, d: layer.forward(d.floats(2, 4, 3), 1 + xp.asarray([[0, 1, 2, 1]] * 2)),
                "t holds numbers from 1 to 3; they should lie between 0 and 2",
            ),
            "lengths": (
                lambda layer, d: layer.forward(d.floats(2, 4, 3), d.ids(3, 2, 3)),
                "t has shape (2, 3); it should be (2, 4)",
            ),
            "size": (
                lambda layer, d: layer.forward(d.floats(2, 4, 2), d.ids(2, 2, 4)),
                "x has shape (2, 4, 2); it should be (N, T, 3), with N and T at least 1",
            ),
            "empty": (
                lambda layer, d: layer.forward(d.floats(2, 0, 3), d.ids(3, 2, 0)),
                "x has shape (2, 0, 3); it should be (N, T, 3), with N and T at least 1",
            ),
            "no word": (
                lambda layer, d: layer.forward(d.floats(2, 4, 3), d.ids(3, 2, 4), words(4, 4, 0)),
                "mask has no words in row 1, or some behind padding; it should be True from the first word",
            ),
            "a gap": (
                lambda layer, d: layer.decode(d.floats(1, 3, 3), xp.asarray([[True, False, True]])),
                "mask has no words in row 0, or some behind padding; it should be True from the first word",
            ),
            "mask": (
                lambda layer, d: layer.forward(d.floats(2, 4, 3), d.ids(3, 2, 4), d.ids(2, 2, 4)),
                "mask holds int64; it should hold booleans",
            ),
            "type": (
                lambda layer, d: layer.forward(d.floats(2, 4, 3).astype(np.float32), d.ids(3, 2, 4)),
                "x is float32 and the weights are float64; both should be of one type",
            ),
            "transitions": (
                lambda layer, d: layers.CRF(d.floats(3, 2), d.floats(3), d.floats(3)),
                "transitions has shape (3, 2); it should be (3, 3)",
            ),
            "start": (
                lambda layer, d: layers.CRF(d.floats(3, 3), d.floats(2), d.floats(3)),
                "start has shape (2,); it should be (3,)",
            ),
        },
        torch="crf_loss(*p, *x)",
        timed=lambda d: (crf(d, 5), [d.floats(32, 25, 5), d.ids(5, 32, 25)]),
    ),
    Entry(
        layers.SigmoidWithLoss,
        formula=r"L = -\frac{1}{n} \sum_{i} \left( t_i \log y_i + (1 - t_i) \log (1 - y_i) \right), "
        r"\quad y = \frac{1}{1 + e^{-x}}",
        shapes="x (…), t (…) → L, one number",
        source="Bishop2006",
        examples={
            "(N,)": lambda d: (layers.SigmoidWithLoss(), [d.floats(6), d.ids(2, 6)]),
            "(N, T)": lambda d: (layers.SigmoidWithLoss(), [d.floats(3, 4), d.ids(2, 3, 4)]),
            "masked": lambda d: (layers.SigmoidWithLoss(), [d.floats(3, 4), d.ids(2, 3, 4), d.mask(3, 4)]),
        },
        bad={
            "shape": (
                lambda layer, d: layer.forward(d.floats(5, 4), d.ids(2, 5)),
                "t has shape (5,); it should be (5, 4)",
            ),
            "labels": (
                lambda layer, d: layer.forward(d.floats(5), 2 + d.ids(2, 5)),
                "should lie between 0 and 1",
            ),
            "mask": (
                lambda layer, d: layer.forward(d.floats(5), d.ids(2, 5), d.ids(2, 5)),
                "mask holds int64; it should hold booleans",
            ),
        },
        torch="sigmoid_loss(*x)",
        timed=lambda d: (layers.SigmoidWithLoss(), [d.floats(128, 256), d.ids(2, 128, 256)]),
    ),
    Entry(
        layers.MeanSquaredError,
        formula=r"L = \frac{1}{n} \sum_{i} (y_i - t_i)^2",
        shapes="y (…), t (…) → L, one number",
        source="Rumelhart1986",
        examples={
            "(N, D)": lambda d: (layers.MeanSquaredError(), [d.floats(5, 4), d.floats(5, 4)]),
            "(N, T, D)": lambda d: (layers.MeanSquaredError(), [d.floats(2, 3, 4), d.floats(2, 3, 4)]),
        },
        bad={
            "shape": (
                lambda layer, d: layer.forward(d.floats(5, 4), d.floats(3)),
                "t has shape (3,); it should be (5, 4)",
            ),
        },
        torch="F.mse_loss(x[0], x[1])",
        timed=lambda d: (layers.MeanSquaredError(), [d.floats(128, 256), d.floats(128, 256)]),
    ),
    Entry(
        layers.MeanAbsoluteError,
        formula=r"L = \frac{1}{n} \sum_{i} |y_i - t_i|",
        shapes="y (…), t (…) → L, one number",
        source="Koenker1978",
        examples={
            "(N, D)": lambda d: (layers.MeanAbsoluteError(), [d.floats(5, 4), d.floats(5, 4)]),
            "(N, T, D)": lambda d: (layers.MeanAbsoluteError(), [d.floats(2, 3, 4), d.floats(2, 3, 4)]),
        },
        bad={
            "shape": (
                lambda layer, d: layer.forward(d.floats(5, 4), d.floats(3)),
                "t has shape (3,); it should be (5, 4)",
            ),
        },
        torch="F.l1_loss(x[0], x[1])",
        timed=lambda d: (layers.MeanAbsoluteError(), [d.floats(128, 256), d.floats(128, 256)]),
    ),
    Entry(
        layers.QuantileLoss,
        formula=r"L = \frac{1}{n Q} \sum_{i, q} \max\bigl(q (t_i - y_{iq}), (q - 1) (t_i - y_{iq})\bigr)",
        shapes="y (…, Q), t (…) → L, one number",
        source="Koenker1978",
        examples={
            "(N, Q)": lambda d: (layers.QuantileLoss((0.1, 0.5, 0.9)), [d.floats(5, 3), d.floats(5)]),
            "(N, T, Q)": lambda d: (layers.QuantileLoss((0.2, 0.7)), [d.floats(4, 3, 2), d.floats(4, 3)]),
        },
        bad={
            "levels": (
                lambda layer, d: layer.forward(d.floats(5, 4), d.floats(5)),
                "y has shape (5, 4); it should be (..., 3)",
            ),
            "targets": (
                lambda layer, d: layer.forward(d.floats(5, 3), d.floats(5, 3)),
                "t has shape (5, 3); it should be (5,)",
            ),
            "order": (
                lambda layer, d: layers.QuantileLoss((0.9, 0.1)),
                "levels is (0.9, 0.1); it should be numbers above 0 and below 1, ascending",
            ),
            "percent": (
                lambda layer, d: layers.QuantileLoss((10, 90)),
                "levels is (10, 90); it should be numbers above 0 and below 1, ascending",
            ),
        },
        torch="sum(((t := x[1] - x[0][..., i]) * q).maximum(t * (q - 1)).mean() for i, q in "
        "enumerate(layer.levels)) / len(layer.levels)",
        timed=lambda d: (layers.QuantileLoss((0.1, 0.5, 0.9)), [d.floats(128, 256, 3), d.floats(128, 256)]),
    ),
    Entry(
        layers.Embedding,
        formula=r"y = W_{\mathrm{id}}, \ \text{a row of } W",
        shapes="ids (…), W (V, D) → y (…, D)",
        source="Bengio2003",
        examples={
            "(N,)": lambda d: (layers.Embedding(d.floats(6, 3)), [d.ids(6, 5)]),
            "(N, T), repeated ids": lambda d: (layers.Embedding(d.floats(6, 3)), [d.ids(4, 3, 4)]),
        },
        bad={
            "unknown": (
                lambda layer, d: layer.forward(xp.arange(7)),
                "ids holds numbers from 0 to 6; they should lie between 0 and 5",
            ),
            "negative": (lambda layer, d: layer.forward(-xp.arange(6)), "should lie between 0 and 5"),
            "floats": (
                lambda layer, d: layer.forward(d.floats(5)),
                "ids holds float64; it should hold whole numbers",
            ),
        },
        torch="F.embedding(x[0], p[0])",
        timed=lambda d: (layers.Embedding(d.floats(10_000, 256)), [d.ids(10_000, 128)]),
    ),
    Entry(
        layers.Dropout,
        formula=r"y = \frac{m \odot x}{1 - p}, \quad m_i = 0 \text{ with probability } p, \text{ else } 1",
        shapes="x (…) → y (…)",
        source="Srivastava2014",
        examples={
            "(N, D)": lambda d: (layers.Dropout(0.3, d.rng), [d.floats(5, 4)]),
            "(N, T, D)": lambda d: (layers.Dropout(0.5, d.rng), [d.floats(2, 3, 4)]),
        },
        bad={
            "integers": (lambda layer, d: layer.forward(d.ids(4, 5)), "x holds int64; it should hold floats"),
            "ratio": (
                lambda layer, d: layers.Dropout(1, d.rng),
                "ratio is 1; it should be at least 0 and below 1",
            ),
            "no generator": (
                lambda layer, d: layers.Dropout(0.5, 1984),
                "rng is a int; it should be a numpy.random.Generator",
            ),
        },
        torch="x[0] * mask_of(layer, x[0])",
        timed=lambda d: (layers.Dropout(0.5, d.rng), [d.floats(128, 256)]),
    ),
    Entry(
        layers.VariationalDropout,
        formula=r"y_{nt} = \frac{m_n \odot x_{nt}}{1 - p}, \quad m_{ni} = 0 \text{ with probability } p, "
        r"\text{ else } 1",
        shapes="x (N, T, D) → y (N, T, D)",
        source="Gal2016",
        examples={"(N, T, D)": lambda d: (layers.VariationalDropout(0.5, d.rng), [d.floats(3, 4, 5)])},
        bad={
            "no time": (
                lambda layer, d: layer.forward(d.floats(5, 4)),
                "x has shape (5, 4); it should be (N, T, D)",
            ),
        },
        torch="x[0] * mask_of(layer, x[0])",
        timed=lambda d: (layers.VariationalDropout(0.5, d.rng), [d.floats(20, 35, 100)]),
    ),
    Entry(
        layers.Sequential,
        formula=r"y = f_n(\dots f_2(f_1(x)))",
        shapes="x (N, D) → y (N, C)",
        source="Rumelhart1986",
        examples={
            "(N, D)": lambda d: (
                layers.Sequential(
                    layers.Affine(d.floats(3, 4), d.floats(4)),
                    layers.Tanh(),
                    layers.Affine(d.floats(4, 2), d.floats(2)),
                ),
                [d.floats(5, 3)],
            )
        },
        bad={
            "last axis": (
                lambda layer, d: layer.forward(d.floats(5, 4)),
                "x has shape (5, 4); it should be (..., 3)",
            ),
        },
        torch="F.linear(torch.tanh(F.linear(x[0], p[0].T, p[1])), p[2].T, p[3])",
        timed=lambda d: (
            layers.Sequential(
                layers.Affine(d.floats(100, 100), d.floats(100)),
                layers.Tanh(),
                layers.Affine(d.floats(100, 10), d.floats(10)),
            ),
            [d.floats(100, 100)],
        ),
    ),
    Entry(
        layers.RNNCell,
        formula=r"h' = \tanh(x W_x + h W_h + b)",
        shapes="x (N, D), h (N, H), Wx (D, H), Wh (H, H), b (H) → h' (N, H)",
        source="Elman1990",
        torch="torch.rnn_tanh_cell(x[0], x[1], *theirs(layer, p))",
        **cell(layers.RNNCell, states=1),
    ),
    Entry(
        layers.LSTMCell,
        formula=r"(o, i, f) = \sigma(x W_x + h W_h + b), \ g = \tanh(\cdot), \quad "
        r"c' = f \odot c + i \odot g, \quad h' = o \odot \tanh c'",
        shapes="x (N, D), h and c (N, H), Wx (D, 4H), Wh (H, 4H), b (4H) → h' and c' (N, H)",
        source="Gers2000",
        torch="torch.lstm_cell(x[0], x[1:], *theirs(layer, p))",
        **cell(layers.LSTMCell, states=2),
    ),
    Entry(
        layers.GRUCell,
        formula=r"(r, z) = \sigma(x W_x + b_x + h W_h + b_h), \quad "
        r"n = \tanh(x W_x + b_x + r \odot (h W_h + b_h)), \quad h' = (1 - z) \odot n + z \odot h",
        shapes="x (N, D), h (N, H), Wx (D, 3H), Wh (H, 3H), bx and bh (3H) → h' (N, H)",
        source="Cho2014",
        torch="torch.gru_cell(x[0], x[1], *theirs(layer, p))",
        **cell(layers.GRUCell, states=1),
    ),
    Entry(
        layers.RNN,
        formula=r"h_t = \tanh(x_t W_x + h_{t-1} W_h + b)",
        shapes="xs (N, T, D), Wx (D, H), Wh (H, H), b (H) → hs (N, T, H)",
        source="Elman1990",
        torch="over_time(torch.rnn_tanh, torch.rnn_tanh_cell, layer, p, *x)",
        **recurrent(layers.RNN),
    ),
    Entry(
        layers.LSTM,
        formula=r"(o, i, f)_t = \sigma(x_t W_x + h_{t-1} W_h + b), \ g_t = \tanh(\cdot), \quad "
        r"c_t = f_t \odot c_{t-1} + i_t \odot g_t, \quad h_t = o_t \odot \tanh c_t",
        shapes="xs (N, T, D), Wx (D, 4H), Wh (H, 4H), b (4H) → hs (N, T, H)",
        source="Gers2000",
        torch="over_time(torch.lstm, torch.lstm_cell, layer, p, *x)",
        **recurrent(layers.LSTM),
    ),
    Entry(
        layers.GRU,
        formula=r"n_t = \tanh(x_t W_x + b_x + r_t \odot (h_{t-1} W_h + b_h)), \quad "
        r"h_t = (1 - z_t) \odot n_t + z_t \odot h_{t-1}",
        shapes="xs (N, T, D), Wx (D, 3H), Wh (H, 3H), bx and bh (3H) → hs (N, T, H)",
        source="Cho2014",
        torch="over_time(torch.gru, torch.gru_cell, layer, p, *x)",
        **recurrent(layers.GRU),
    ),
    Entry(
        layers.Bidirectional,
        formula=r"y_t = (\overrightarrow{h}_t, \overleftarrow{h}_t)",
        shapes="xs (N, T, D) → hs (N, T, 2H)",
        source="Schuster1997",
        examples={
            "(N, T, D)": lambda d: (
                layers.Bidirectional(
                    *(layers.LSTM(*recurrent_weights(d, layers.LSTM, 3, 2)) for _ in range(2))
                ),
                [d.floats(2, 4, 3)],
            )
        },
        bad={
            "mask": (
                lambda layer, d: layer.forward(d.floats(2, 4, 3), d.ids(2, 2, 4)),
                "mask holds int64; it should hold booleans",
            ),
            "stateful": (
                lambda layer, d: layers.Bidirectional(
                    layer.rightward, layers.LSTM(*recurrent_weights(d, layers.LSTM, 3, 2), stateful=True)
                ),
                "it should be a recurrent layer with stateful=False",
            ),
            "sizes": (
                lambda layer, d: layers.Bidirectional(
                    layer.rightward, layers.RNN(*recurrent_weights(d, layers.RNN, 4, 2))
                ),
                "leftward takes inputs of 4 numbers; it should take 3",
            ),
        },
        torch="both_ways(layer, p, *x)",
        timed=lambda d: (
            layers.Bidirectional(
                *(layers.LSTM(*recurrent_weights(d, layers.LSTM, 100, 100, 0.1)) for _ in range(2))
            ),
            [d.floats(20, 35, 100)],
        ),
    ),
    Entry(
        layers.Stack,
        formula=r"h^1_t = f_1(x)_t, \quad h^i_t = f_i(h^{i-1})_t \; (+ \; h^{i-1}_t)",
        shapes="xs (N, T, D) → hs (N, T, H)",
        source="Wu2016",
        examples={
            "(N, T, D)": lambda d: (layers.Stack(lstms(d, 3, 2, 2)), [d.floats(2, 4, 3)]),
            "residual": lambda d: (layers.Stack(lstms(d, 3, 2, 3), residual=True), [d.floats(2, 4, 3)]),
        },
        bad={
            "mask": (
                lambda layer, d: layer.forward(d.floats(2, 4, 3), d.ids(2, 2, 4)),
                "mask holds int64; it should hold booleans",
            ),
        },
        torch="stacked(layer, p, *x)",
        timed=lambda d: (layers.Stack(lstms(d, 100, 100, 2, scale=0.1)), [d.floats(20, 35, 100)]),
    ),
    Entry(
        layers.Attention,
        formula=r"y_i = \sum_j a_{ij} h_j, \quad "
        r"a_{i} = \mathrm{softmax}(q_i \cdot h_1, \dots, q_i \cdot h_T)",
        shapes="queries (N, Tq, H), hs (N, Tk, H) → y (N, Tq, H)",
        source="Luong2015",
        examples={
            "(N, T, H)": lambda d: (layers.Attention(), [d.floats(2, 3, 4), d.floats(2, 5, 4)]),
            "scaled": lambda d: (layers.Attention(0.5), [d.floats(2, 3, 4), d.floats(2, 5, 4)]),
            "masked": lambda d: (layers.Attention(), [d.floats(2, 3, 4), d.floats(2, 5, 4), seen(d, 2, 5)]),
            "masked by query": lambda d: (
                layers.Attention(0.5),
                [d.floats(2, 3, 4), d.floats(2, 5, 4), seen(d, 2, 3, 5)],
            ),
        },
        bad={
            "batch": (
                lambda layer, d: layer.forward(d.floats(2, 3, 4), d.floats(1, 5, 4)),
                "hs has shape (1, 5, 4); it should be (2, T, 4)",
            ),
            "T=0": (
                lambda layer, d: layer.forward(d.floats(2, 3, 4), d.floats(2, 0, 4)),
                "hs has shape (2, 0, 4); it should be (2, T, 4), with N and T at least 1",
            ),
            "type": (
                lambda layer, d: layer.forward(d.floats(2, 3, 4), d.floats(2, 5, 4).astype(np.float32)),
                "hs is float32 and queries is float64; both should be of one type",
            ),
            "matrix": (
                lambda layer, d: layer.forward(d.floats(3, 4), d.floats(2, 5, 4)),
                "queries has shape (3, 4)",
            ),
            "list": (
                lambda layer, d: layer.forward([1.0], d.floats(2, 5, 4)),
                "queries is a list; it should be an array",
            ),
            "mask": (
                lambda layer, d: layer.forward(d.floats(2, 3, 4), d.floats(2, 5, 4), d.mask(2, 3)),
                "mask has shape (2, 3); it should be (2, 5) or (2, 3, 5)",
            ),
            "additive mask": (
                lambda layer, d: layer.forward(d.floats(2, 3, 4), d.floats(2, 5, 4), d.floats(2, 5)),
                "mask holds float64; it should hold booleans, True where a position counts",
            ),
            "scale": (lambda layer, d: layers.Attention(0), "scale is 0; it should be a positive number"),
        },
        torch="look(layer.scale, *x)",
        timed=lambda d: (layers.Attention(), [d.floats(128, 11, 256), d.floats(128, 29, 256)]),
    ),
    Entry(
        layers.MultiHeadAttention,
        formula=r"y = (c_1, \dots, c_n) W_o + b_o, \quad c_k = \mathrm{softmax}"
        r"\left( Q_k K_k^\top / \sqrt{d} \right) V_k, \quad "
        r"(Q, K, V) = (x W_q + b_q, \; m W_k, \; m W_v + b_v)",
        shapes="x (N, Tq, D), m (N, Tk, D), W (D, D), b (D) → y (N, Tq, D)",
        source="Vaswani2017",
        examples={
            "self": lambda d: (heads(d, 4, 0.5), [d.floats(2, 3, 4)]),
            "causal": lambda d: (heads(d, 4, 0.5, causal=True), [d.floats(2, 3, 4), None, seen(d, 2, 3)]),
            "cross": lambda d: (heads(d, 4, 0.5), [d.floats(2, 3, 4), d.floats(2, 4, 4), seen(d, 2, 4)]),
        },
        bad={
            "size": (
                lambda layer, d: layer.forward(d.floats(2, 3, 5)),
                "xs has shape (2, 3, 5); it should be (N, T, 4)",
            ),
            "memory": (
                lambda layer, d: layer.forward(d.floats(2, 3, 4), d.floats(1, 3, 4)),
                "memory has shape (1, 3, 4); it should be (2, T, 4)",
            ),
            "mask": (
                lambda layer, d: layer.forward(d.floats(2, 3, 4), d.floats(2, 5, 4), d.ids(2, 2, 3, 5)),
                "mask holds int64; it should hold booleans",
            ),
            "heads": (
                lambda layer, d: layers.MultiHeadAttention(
                    layer.query, layer.key, layer.value, layer.out, heads=3
                ),
                "heads is 3; it should be a whole number that divides 4",
            ),
            "weights": (
                lambda layer, d: layers.MultiHeadAttention(
                    *[layers.Affine(d.floats(4, 3), d.floats(3))] * 4, heads=1
                ),
                "query has W of shape (4, 3); it should be (4, 4)",
            ),
        },
        torch="multi_head(layer, p, *x)",
        timed=lambda d: (heads(d, 256, 0.06), [d.floats(20, 35, 256)]),
    ),
    Entry(
        layers.ContentAddressing,
        formula=r"w_i = \frac{e^{\beta c_i}}{\sum_j e^{\beta c_j}}, \quad "
        r"c_i = \frac{k \cdot M_i}{\lVert k \rVert \, \lVert M_i \rVert}, \quad "
        r"\lVert u \rVert = \sqrt{u \cdot u + \varepsilon}",
        shapes="M (N, R, W), k (N, K, W), β (N, K) → w (N, K, R)",
        source="Graves2014",
        examples={
            "one head": lambda d: (
                layers.ContentAddressing(),
                [d.floats(2, 4, 3), d.floats(2, 1, 3), xp.exp(d.floats(2, 1))],
            ),
            "(N, K, R)": lambda d: (
                layers.ContentAddressing(),
                [d.floats(2, 5, 3), d.floats(2, 2, 3), xp.exp(d.floats(2, 2))],
            ),
            "large epsilon": lambda d: (
                layers.ContentAddressing(0.5),
                [d.floats(2, 4, 3), d.floats(2, 2, 3), xp.exp(d.floats(2, 2))],
            ),
        },
        bad={
            "memory": (
                lambda layer, d: layer.forward(d.floats(4, 3), d.floats(2, 1, 3), xp.exp(d.floats(2, 1))),
                "memory has shape (4, 3); it should be (N, R, W): examples, rows, width",
            ),
            "width": (
                lambda layer, d: layer.forward(d.floats(2, 4, 3), d.floats(2, 1, 2), xp.exp(d.floats(2, 1))),
                "keys has shape (2, 1, 2); it should be (2, K, 3), no axis empty",
            ),
            "strength": (
                lambda layer, d: layer.forward(d.floats(2, 4, 3), d.floats(2, 1, 3), xp.exp(d.floats(2))),
                "strength has shape (2,); it should be (2, 1)",
            ),
            "below 0": (
                lambda layer, d: layer.forward(d.floats(2, 4, 3), d.floats(2, 1, 3), -xp.ones((2, 1))),
                "strength holds numbers from -1 to -1; they should be at least 0",
            ),
            "zeros": (
                lambda layer, d: layers.ContentAddressing(0).forward(
                    xp.zeros((2, 4, 3)), d.floats(2, 1, 3), xp.ones((2, 1))
                ),
                "memory has a row of zeros; each should hold another number, or its cosine is 0 / 0",
            ),
            "type": (
                lambda layer, d: layer.forward(
                    d.floats(2, 4, 3), d.floats(2, 1, 3).astype(np.float32), xp.ones((2, 1))
                ),
                "keys is float32 and the others are float64; all should be of one type",
            ),
            "epsilon": (
                lambda layer, d: layers.ContentAddressing(-1),
                "epsilon is -1; it should be a small number, at least 0",
            ),
        },
        torch="content_addressing(layer.epsilon, *x)",
        timed=lambda d: (
            layers.ContentAddressing(),
            [d.floats(16, 128, 20), d.floats(16, 2, 20), xp.exp(d.floats(16, 2))],
        ),
    ),
    Entry(
        layers.InterpolationGate,
        formula=r"w_i = g \, c_i + (1 - g) \, b_i",
        shapes="g (N, K), c and b (N, K, R) → w (N, K, R)",
        source="Graves2014",
        examples={
            "(N, K, R)": lambda d: (
                layers.InterpolationGate(),
                [opened(d, 2, 2), looking(d, 2, 2, 4), looking(d, 2, 2, 4)],
            ),
        },
        bad={
            "gate": (
                lambda layer, d: layer.forward(2 * xp.ones((2, 1)), looking(d, 2, 1, 4), looking(d, 2, 1, 4)),
                "gate holds numbers from 2 to 2; they should be between 0 and 1",
            ),
            "rows": (
                lambda layer, d: layer.forward(opened(d, 2, 1), looking(d, 2, 1, 4), looking(d, 2, 1, 5)),
                "before has shape (2, 1, 5); it should be (2, 1, 4), no axis empty",
            ),
            "heads": (
                lambda layer, d: layer.forward(opened(d, 2, 3), looking(d, 2, 1, 4), looking(d, 2, 1, 4)),
                "gate has shape (2, 3); it should be (2, 1)",
            ),
        },
        torch="torch.lerp(x[2], x[1], x[0][..., None])",
        timed=lambda d: (
            layers.InterpolationGate(),
            [opened(d, 16, 2), looking(d, 16, 2, 128), looking(d, 16, 2, 128)],
        ),
    ),
    Entry(
        layers.CircularShift,
        formula=r"w'_i = \sum_j w_j \, s_{(i - j) \bmod R}",
        shapes="w (N, K, R), s (N, K, S) → w' (N, K, R)",
        source="Graves2014",
        examples={
            "(N, K, R)": lambda d: (layers.CircularShift(), [looking(d, 2, 2, 4), looking(d, 2, 2, 3)]),
            "far": lambda d: (layers.CircularShift(), [looking(d, 2, 1, 5), looking(d, 2, 1, 5)]),
            "one row": lambda d: (layers.CircularShift(), [looking(d, 2, 1, 1), opened(d, 2, 1, 1)]),
        },
        bad={
            "even": (
                lambda layer, d: layer.forward(looking(d, 2, 1, 4), looking(d, 2, 1, 2)),
                "shifts has shape (2, 1, 2); its last axis should be odd, with staying in the middle",
            ),
            "too far": (
                lambda layer, d: layer.forward(looking(d, 2, 1, 2), looking(d, 2, 1, 3)),
                "and at most 2, the number of rows",
            ),
            "heads": (
                lambda layer, d: layer.forward(looking(d, 2, 1, 4), looking(d, 2, 2, 3)),
                "shifts has shape (2, 2, 3); it should be (2, 1, R)",
            ),
        },
        torch="circular_shift(*x)",
        timed=lambda d: (layers.CircularShift(), [looking(d, 16, 2, 128), looking(d, 16, 2, 3)]),
    ),
    Entry(
        layers.Sharpening,
        formula=r"w'_i = \frac{w_i^\gamma}{\sum_j w_j^\gamma}, \quad \gamma \geq 1",
        shapes="w (N, K, R), γ (N, K) → w' (N, K, R)",
        source="Graves2014",
        examples={
            "(N, K, R)": lambda d: (layers.Sharpening(), [looking(d, 2, 2, 4), 1 + xp.exp(d.floats(2, 2))]),
        },
        bad={
            "blurs": (
                lambda layer, d: layer.forward(looking(d, 2, 1, 4), 0.5 * xp.ones((2, 1))),
                "gamma holds numbers from 0.5 to 0.5; they should be at least 1",
            ),
            "below 0": (
                lambda layer, d: layer.forward(-looking(d, 1, 1, 1), xp.ones((1, 1))),
                "weights holds numbers from -1 to -1; they should be at least 0",
            ),
            "zeros": (
                lambda layer, d: layer.forward(xp.zeros((2, 1, 4)), xp.ones((2, 1))),
                "weights has a row of zeros; each should hold another number, or there is nothing to sharpen",
            ),
            "heads": (
                lambda layer, d: layer.forward(looking(d, 2, 1, 4), xp.ones((2, 4))),
                "gamma has shape (2, 4); it should be (2, 1)",
            ),
        },
        torch="sharpened(*x)",
        timed=lambda d: (layers.Sharpening(), [looking(d, 16, 2, 128), 1 + xp.exp(d.floats(16, 2))]),
    ),
    Entry(
        layers.MemoryRead,
        formula=r"r = \sum_i w_i M_i",
        shapes="M (N, R, W), w (N, K, R) → r (N, K, W)",
        source="Graves2014",
        examples={
            "(N, K, R)": lambda d: (layers.MemoryRead(), [d.floats(2, 4, 3), looking(d, 2, 2, 4)]),
        },
        bad={
            "rows": (
                lambda layer, d: layer.forward(d.floats(2, 4, 3), looking(d, 2, 1, 3)),
                "weights has shape (2, 1, 3); it should be (2, K, 4), no axis empty",
            ),
            "ids": (
                lambda layer, d: layer.forward(d.ids(2, 2, 4, 3), looking(d, 2, 1, 3)),
                "memory holds int64; it should hold floats",
            ),
        },
        torch="torch.bmm(x[1], x[0])",
        timed=lambda d: (layers.MemoryRead(), [d.floats(16, 128, 20), looking(d, 16, 1, 128)]),
    ),
    Entry(
        layers.MemoryErase,
        formula=r"M'_i = M_i \odot \prod_k (1 - w_{ki} \, e_k)",
        shapes="M (N, R, W), w (N, K, R), e (N, K, W) → M' (N, R, W)",
        source="Graves2014",
        examples={
            "one head": lambda d: (
                layers.MemoryErase(),
                [d.floats(2, 4, 3), looking(d, 2, 1, 4), opened(d, 2, 1, 3)],
            ),
            "three heads": lambda d: (
                layers.MemoryErase(),
                [d.floats(2, 4, 3), looking(d, 2, 3, 4), opened(d, 2, 3, 3)],
            ),
        },
        bad={
            "erased": (
                lambda layer, d: layer.forward(d.floats(2, 4, 3), looking(d, 2, 1, 4), opened(d, 2, 1, 4)),
                "erased has shape (2, 1, 4); it should be (2, 1, 3)",
            ),
            "above 1": (
                lambda layer, d: layer.forward(
                    d.floats(2, 4, 3), looking(d, 2, 1, 4), 3 * xp.ones((2, 1, 3))
                ),
                "erased holds numbers from 3 to 3; they should be between 0 and 1",
            ),
            "batch": (
                lambda layer, d: layer.forward(d.floats(2, 4, 3), looking(d, 3, 1, 4), opened(d, 3, 1, 3)),
                "weights has shape (3, 1, 4); it should be (2, K, 4)",
            ),
        },
        torch="erased_memory(*x)",
        timed=lambda d: (
            layers.MemoryErase(),
            [d.floats(16, 128, 20), looking(d, 16, 1, 128), opened(d, 16, 1, 20)],
        ),
    ),
    Entry(
        layers.MemoryAdd,
        formula=r"M'_i = M_i + \sum_k w_{ki} \, a_k",
        shapes="M (N, R, W), w (N, K, R), a (N, K, W) → M' (N, R, W)",
        source="Graves2014",
        examples={
            "(N, K, R)": lambda d: (
                layers.MemoryAdd(),
                [d.floats(2, 4, 3), looking(d, 2, 2, 4), d.floats(2, 2, 3)],
            ),
        },
        bad={
            "added": (
                lambda layer, d: layer.forward(d.floats(2, 4, 3), looking(d, 2, 1, 4), d.floats(2, 3)),
                "added has shape (2, 3); it should be (2, 1, 3)",
            ),
            "rows": (
                lambda layer, d: layer.forward(d.floats(2, 4, 3), looking(d, 2, 1, 5), d.floats(2, 1, 3)),
                "weights has shape (2, 1, 5); it should be (2, K, 4)",
            ),
        },
        torch="torch.baddbmm(x[0], x[1].mT, x[2])",
        timed=lambda d: (
            layers.MemoryAdd(),
            [d.floats(16, 128, 20), looking(d, 16, 1, 128), d.floats(16, 1, 20)],
        ),
    ),
    Entry(
        layers.LayerNorm,
        formula=r"y = g \odot \frac{x - \bar{x}}{\sqrt{\overline{(x - \bar{x})^2} + \epsilon}} + b",
        shapes="x (…, D), g and b (D) → y (…, D)",
        source="Ba2016",
        examples={
            "(N, D)": lambda d: (layers.LayerNorm(d.floats(4), d.floats(4)), [d.floats(5, 4)]),
            "(N, T, D)": lambda d: (layers.LayerNorm(d.floats(4), d.floats(4)), [d.floats(2, 3, 4)]),
        },
        bad={
            "size": (
                lambda layer, d: layer.forward(d.floats(2, 3)),
                "x has shape (2, 3); it should be (..., 4)",
            ),
            "bias": (
                lambda layer, d: layers.LayerNorm(d.floats(4), d.floats(3)),
                "bias has shape (3,); it should be (4,)",
            ),
            "gain": (
                lambda layer, d: layers.LayerNorm(d.floats(4, 4), d.floats(4)),
                "gain has shape (4, 4); it should have one",
            ),
            "epsilon": (
                lambda layer, d: layers.LayerNorm(d.floats(4), d.floats(4), epsilon=0),
                "epsilon is 0; it should be a positive number",
            ),
        },
        torch="F.layer_norm(x[0], p[0].shape, p[0], p[1], layer.epsilon)",
        timed=lambda d: (layers.LayerNorm(d.floats(256), d.floats(256)), [d.floats(128, 256)]),
    ),
    Entry(
        layers.BatchNorm,
        formula=r"y = g \odot \frac{x - \bar{x}}{\sqrt{\overline{(x - \bar{x})^2} + \epsilon}} + b, "
        r"\quad \text{means over all rows}",
        shapes="x (…, D) or (N, D, …), g and b (D) → y, as x",
        source="Ioffe2015",
        examples={
            "(N, D)": lambda d: (layers.BatchNorm(d.floats(4), d.floats(4)), [d.floats(5, 4)]),
            "(N, T, D)": lambda d: (layers.BatchNorm(d.floats(4), d.floats(4)), [d.floats(2, 3, 4)]),
            "(N, D, H, W)": lambda d: (
                layers.BatchNorm(d.floats(3), d.floats(3), axis=1),
                [d.floats(2, 3, 2, 4)],
            ),
            "not training": lambda d: (rested(d, 4), [d.floats(5, 4)]),
            "not training, (N, D, H, W)": lambda d: (rested(d, 3, axis=1), [d.floats(1, 3, 2, 2)]),
            "not training, one row": lambda d: (rested(d, 4), [d.floats(1, 4)]),
        },
        bad={
            "size": (
                lambda layer, d: layer.forward(d.floats(2, 3)),
                "x has shape (2, 3); it should be (..., 4)",
            ),
            "one row": (
                lambda layer, d: layer.forward(d.floats(1, 4)),
                "x has shape (1, 4); in training it should have at least 2 rows: one row is its own mean",
            ),
            "channels": (
                lambda layer, d: layers.BatchNorm(d.floats(4), d.floats(4), axis=1).forward(
                    d.floats(2, 3, 4, 4)
                ),
                "x has shape (2, 3, 4, 4); it should be (N, 4, ...)",
            ),
            "one place of one picture": (
                lambda layer, d: layers.BatchNorm(d.floats(4), d.floats(4), axis=1).forward(
                    d.floats(1, 4, 1, 1)
                ),
                "x has shape (1, 4, 1, 1); in training it should have at least 2 rows",
            ),
            "axis": (
                lambda layer, d: layers.BatchNorm(d.floats(4), d.floats(4), axis=2),
                "axis is 2; it should be -1 or 1",
            ),
            "one row, no batch": (
                lambda layer, d: layer.forward(d.floats(4)),
                "x has shape (4,); in training it should have at least 2 rows",
            ),
            "no row": (
                lambda layer, d: layer.forward(d.floats(3, 0, 4)),
                "x has shape (3, 0, 4); in training it should have at least 2 rows",
            ),
            "integers": (
                lambda layer, d: layer.forward(d.ids(4, 5, 4)),
                "x holds int64; it should hold floats",
            ),
            "type": (
                lambda layer, d: layer.forward(d.floats(5, 4).astype(np.float32)),
                "x is float32 and the weights are float64; both should be of one type",
            ),
            "bias": (
                lambda layer, d: layers.BatchNorm(d.floats(4), d.floats(3)),
                "bias has shape (3,); it should be (4,)",
            ),
            "gain": (
                lambda layer, d: layers.BatchNorm(d.floats(4, 4), d.floats(4)),
                "gain has shape (4, 4); it should have one",
            ),
            "momentum": (
                lambda layer, d: layers.BatchNorm(d.floats(4), d.floats(4), momentum=1.5),
                "momentum is 1.5; it should be at least 0 and below 1",
            ),
            "epsilon": (
                lambda layer, d: layers.BatchNorm(d.floats(4), d.floats(4), epsilon=0),
                "epsilon is 0; it should be a positive number",
            ),
        },
        torch="batch_norm(layer, *p, x[0])",
        timed=lambda d: (layers.BatchNorm(d.floats(256), d.floats(256)), [d.floats(128, 256)]),
    ),
    Entry(
        layers.PositionalEncoding,
        formula=r"y_t = x_t + p_t, \quad (p_{t, 2i}, p_{t, 2i + 1}) = (\sin, \cos)(t / 10000^{2i / D})",
        shapes="xs (N, T, D) → y (N, T, D)",
        source="Vaswani2017",
        examples={"(N, T, D)": lambda d: (layers.PositionalEncoding(6), [d.floats(2, 5, 6)])},
        bad={
            "size": (
                lambda layer, d: layer.forward(d.floats(2, 3, 4)),
                "xs has shape (2, 3, 4); it should be (N, T, 6)",
            ),
            "odd": (
                lambda layer, d: layers.PositionalEncoding(5),
                "D is 5; it should be an even whole number",
            ),
            "base": (
                lambda layer, d: layers.PositionalEncoding(6, base=1),
                "base is 1; it should be a number above 1",
            ),
        },
        torch="x[0] + clocks(*x[0].shape[1:], layer.base)",
        timed=lambda d: (layers.PositionalEncoding(256), [d.floats(20, 35, 256)]),
    ),
    Entry(
        layers.Convolution,
        formula=r"y_{nfij} = b_f + \sum_{c, u, v} W_{fcuv} \, x_{n, c, si + u - p, sj + v - p}",
        shapes="x (N, C, H, W), W (F, C, kh, kw), b (F) → y (N, F, H', W'), "
        "or x (N, C, T), W (F, C, k) → y (N, F, T')",
        source="LeCun1998b",
        examples={
            "(N, C, H, W)": lambda d: (filters(d, 4, 3, 3, 2), [d.floats(2, 3, 5, 4)]),
            "(N, C, T)": lambda d: (filters(d, 4, 3, 2), [d.floats(2, 3, 5)]),
            "stride and padding": lambda d: (
                filters(d, 2, 3, 3, 3, stride=2, padding=1),
                [d.floats(2, 3, 6, 5)],
            ),
            "one for each axis": lambda d: (
                filters(d, 2, 1, 3, 2, stride=(1, 2), padding=(2, 0)),
                [d.floats(2, 1, 4, 6)],
            ),
            "line, stride and padding": lambda d: (
                filters(d, 2, 3, 3, stride=2, padding=1),
                [d.floats(2, 3, 7)],
            ),
            "1 x 1, with gaps": lambda d: (filters(d, 4, 3, 1, 1, stride=2), [d.floats(2, 3, 4, 5)]),
            "first": lambda d: (filters(d, 4, 1, 3, 3, first=True), [d.floats(2, 1, 5, 4)]),
        },
        bad={
            "channels": (
                lambda layer, d: layer.forward(d.floats(2, 1, 5, 4)),
                "x has shape (2, 1, 5, 4); it should be (N, 3, H, W), and not empty",
            ),
            "no channels": (
                lambda layer, d: layer.forward(d.floats(2, 5, 4)),
                "x has shape (2, 5, 4); it should be (N, 3, H, W), and not empty",
            ),
            "a picture for a line": (
                lambda layer, d: filters(d, 4, 3, 2).forward(d.floats(2, 3, 5, 4)),
                "x has shape (2, 3, 5, 4); it should be (N, 3, T), and not empty",
            ),
            "integers": (
                lambda layer, d: layer.forward(d.ids(4, 2, 3, 5, 4)),
                "x holds int64; it should hold floats",
            ),
            "type": (
                lambda layer, d: layer.forward(d.floats(2, 3, 5, 4).astype(np.float32)),
                "x is float32 and the weights are float64; both should be of one type",
            ),
            "filter larger than the picture": (
                lambda layer, d: layer.forward(d.floats(2, 3, 2, 4)),
                "x has shape (2, 3, 2, 4); along axis 2, of 2 places, it should be at least as large as the "
                "window, 3",
            ),
            "larger with its padding": (
                lambda layer, d: filters(d, 4, 3, 7, padding=1).forward(d.floats(2, 3, 4)),
                "x has shape (2, 3, 4); along axis 2, of 4 places, 6 with its padding, it should be at least "
                "as large as the window, 7",
            ),
            "does not divide": (
                lambda layer, d: filters(d, 4, 3, 3, 3, stride=2).forward(d.floats(2, 3, 5, 6)),
                "x has shape (2, 3, 5, 6); along axis 3 windows of 3 in steps of 2 would leave out the last "
                "1 of 6 places: it should have 5 or 7, or another stride or padding should be chosen",
            ),
            "W": (
                lambda layer, d: layers.Convolution(d.floats(4, 3), d.floats(4)),
                "W has shape (4, 3); it should be (F, C, k) or (F, C, kh, kw): filters, channels, window",
            ),
            "b": (
                lambda layer, d: layers.Convolution(d.floats(4, 3, 2, 2), d.floats(3)),
                "b has shape (3,); it should be (4,)",
            ),
            "stride": (
                lambda layer, d: filters(d, 4, 3, 2, 2, stride=0),
                "stride is 0; it should be a whole number, at least 1, or 2 of them",
            ),
            "padding": (
                lambda layer, d: filters(d, 4, 3, 2, padding=-1),
                "padding is -1; it should be a whole number, at least 0.",
            ),
            "strides": (
                lambda layer, d: filters(d, 4, 3, 2, 2, stride=(1, 1, 1)),
                "stride is (1, 1, 1); it should be a whole number, at least 1, or 2 of them",
            ),
        },
        torch="(F.conv1d if x[0].ndim == 3 else F.conv2d)(x[0], p[0], p[1], layer.stride, layer.padding)",
        timed=lambda d: (filters(d, 30, 1, 5, 5, scale=0.2, first=True), [d.floats(100, 1, 28, 28)]),
    ),
    Entry(
        layers.MaxPooling,
        formula=r"y_{ncij} = \max_{u, v} x_{n, c, si + u - p, sj + v - p}",
        source="Scherer2010",
        torch="(F.max_pool1d if x[0].ndim == 3 else F.max_pool2d)(x[0], *layer.settings(x[0]))",
        **pooling(layers.MaxPooling),
    ),
    Entry(
        layers.AveragePooling,
        formula=r"y_{ncij} = \frac{1}{k_h k_w} \sum_{u, v} x_{n, c, si + u - p, sj + v - p}",
        source="LeCun1998b",
        torch="(F.avg_pool1d if x[0].ndim == 3 else F.avg_pool2d)(x[0], *layer.settings(x[0]))",
        **pooling(layers.AveragePooling),
    ),
    Entry(
        layers.GlobalMaxPooling,
        formula=r"y_{nc} = \max_{i, j} x_{ncij}",
        source="Collobert2008",
        torch="largest_of(*x)",
        **pooling_of_all(layers.GlobalMaxPooling),
    ),
    Entry(
        layers.GlobalAveragePooling,
        formula=r"y_{nc} = \frac{1}{HW} \sum_{i, j} x_{ncij}",
        source="Lin2014",
        torch="mean_of(*x)",
        **pooling_of_all(layers.GlobalAveragePooling),
    ),
    Entry(
        layers.Flatten,
        formula=r"y_{nd} = x_{n c i j}, \quad d = (c H + i) W + j",
        shapes="x (N, …) → y (N, D)",
        source="LeCun1998b",
        examples={
            "(N, C, H, W)": lambda d: (layers.Flatten(), [d.floats(2, 3, 2, 4)]),
            "(N, T, D)": lambda d: (layers.Flatten(), [d.floats(2, 3, 4)]),
            "(N, D)": lambda d: (layers.Flatten(), [d.floats(2, 3)]),
        },
        bad={
            "a number": (lambda layer, d: layer.forward(3), "x is a int; it should be an array"),
            "no axis": (lambda layer, d: layer.forward(d.floats()), "x has shape (); it should be (N, ...)"),
        },
        torch="x[0].flatten(1)",
        timed=lambda d: (layers.Flatten(), [d.floats(100, 30, 12, 12)]),
    ),
    Entry(
        layers.ResidualBlock,
        formula=r"y = f_n(\dots f_1(x)) + x \quad \text{or} \quad f_n(\dots f_1(x)) + g(x)",
        shapes="x (N, …) → y, of the shape that the layers give",
        source="He2016",
        examples={
            "dense": lambda d: (
                layers.ResidualBlock(layers.Affine(d.floats(4, 4), d.floats(4)), layers.Tanh()),
                [d.floats(3, 4)],
            ),
            "pictures": lambda d: (
                layers.ResidualBlock(filters(d, 2, 2, 3, 3, padding=1)),
                [d.floats(2, 2, 4, 3)],
            ),
            "shortcut": lambda d: (
                layers.ResidualBlock(
                    filters(d, 4, 2, 3, 3, stride=2, padding=1), shortcut=filters(d, 4, 2, 1, 1, stride=2)
                ),
                [d.floats(2, 2, 4, 6)],
            ),
        },
        bad={
            "another shape": (
                lambda layer, d: layers.ResidualBlock(filters(d, 2, 2, 3, 3)).forward(d.floats(2, 2, 4, 3)),
                "layers make (2, 2, 2, 1) of x, and the way past them gives (2, 2, 4, 3); both should have "
                "one shape: a shortcut may be given that brings x to it",
            ),
        },
        torch="residual_block(layer, p, x[0])",
        timed=lambda d: (
            layers.ResidualBlock(filters(d, 32, 32, 3, 3, scale=0.06, padding=1)),
            [d.floats(100, 32, 14, 14)],
        ),
    ),
]
