"""What is computed on both devices: layers, functions, optimizers, and training steps of every kind of model.

    BOOK_DEVICE=cpu python -m tests.gpu.checks FILE [NAME ...]    # write the numbers of these checks

A check takes nothing and returns arrays by name. All that it draws comes from NumPy's generators, on the
processor, so that both devices get the same. Sizes are small: what a layer meets in practice is checked by
the catalogue's timed examples.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from common import functions
from common.backend import Array, DType, to_numpy, xp
from common.batches import Shuffled
from common.book.catalogue import ENTRIES, Example, build
from common.layers import GRU, LSTM, RNN, Layer, Sigmoid, held
from common.layers.make import Make
from common.metrics import perplexity
from common.models import classifiers, forecasting, tagger
from common.models.attention import attentive, gnmt, looking_first
from common.models.cache import cache_perplexity
from common.models.captioning import captioner
from common.models.decoding import accuracy, answer, beam_search
from common.models.generation import continue_text
from common.models.gpt import gpt
from common.models.language_model import LanguageModel
from common.models.memory_machine import memory_machine
from common.models.seq2seq import peeky, plain
from common.models.text_classifiers import (
    lstm_classifier,
    mean_classifier,
    predict_rows,
    text_cnn,
    transformer_classifier,
)
from common.models.transformer import transformer
from common.optimizers import SGD, AdaGrad, Adam, AdamW, Momentum, Nesterov, Optimizer, RMSprop
from common.precision import LossScale, half_step, stored
from common.support.row_gradient import RowGradient
from common.text import START, Vocabulary
from common.training import train_step
from common.weights import load_weights, named_weights, save_weights

SEED = 1984
Arrays = dict[str, np.ndarray]
Check = Callable[[], Arrays]
Batch = Sequence[np.ndarray]

OPTIMIZERS: list[Callable[[], Optimizer]] = [
    partial(kind, 0.01) for kind in (SGD, Momentum, Nesterov, AdaGrad, RMSprop, Adam, AdamW)
]


def rng() -> np.random.Generator:
    return np.random.default_rng(SEED)


def named(names: Sequence[str] = ()) -> list[tuple[str, Check]]:
    """The checks with one of these words in their name; all, if there are none."""
    every = [*layer_checks(), ("functions", of_functions), *optimizer_checks(), *model_checks()]
    every += [("batches", of_batches), ("weights saved and loaded", of_weights)]
    every += [(f"steps in {kind}", partial(of_half_steps, kind)) for kind in ("float16", "bfloat16")]
    return [(name, check) for name, check in every if not names or any(word in name for word in names)]


def outcome(check: Check) -> Arrays:
    """What a check gives; if it stops with an error, that, in one line."""
    try:
        return check()
    except Exception as error:  # of CuPy's there are many kinds
        said = (str(error).strip() or "no message").splitlines()
        return {"stopped": np.array(f"{type(error).__name__}: {said[-1]}")}


# ---- layers and functions


def layer_checks() -> Iterator[tuple[str, Check]]:
    for entry in ENTRIES:
        name = f"layer {entry.layer.__name__}"
        yield f"{name}, float64", partial(of_layer, entry.examples, np.float64)
        yield f"{name}, float32", partial(of_layer, entry.examples, np.float32)
        yield f"{name}, at its usual size", partial(of_layer, {"timed": entry.timed}, np.float32)


def of_layer(examples: dict[str, Example], dtype: DType) -> Arrays:
    """Outputs and all gradients of each example."""
    found: Arrays = {}
    for title, example in examples.items():
        layer, inputs = build(example, dtype)
        outputs = as_tuple(layer.forward(*inputs))
        draw = rng()
        douts = [draw.standard_normal(out.shape).astype(out.dtype) for out in outputs]
        returned = as_tuple(layer.backward(*(xp.asarray(d) if d.ndim else float(d) for d in douts)))
        arrays = {f"output {i}": out for i, out in enumerate(outputs)}
        arrays |= {f"gradient of input {i}": d for i, d in enumerate(returned) if d is not None}
        arrays |= {f"gradient of weight {i}": grad for i, grad in enumerate(layer.grads)}
        found |= {f"{title}: {name}": to_numpy(dense(array)) for name, array in arrays.items()}
    return found


def of_functions() -> Arrays:
    """Each function that the layers are made of, on moderate numbers and on the largest."""
    large = np.finfo(np.float32).max
    usual = rng().standard_normal((4, 5)).astype(np.float32)
    extreme = np.array([[-large, -1000, -0.0, 1000, large]], dtype=np.float32)
    kinds = ("step", "sigmoid", "relu", "softmax", "log_softmax", "softplus")
    return {
        f"{kind} of {what} numbers": to_numpy(getattr(functions, kind)(xp.asarray(x)))
        for kind in kinds
        for what, x in (("usual", usual), ("extreme", extreme))
    }


# ---- optimizers


def optimizer_checks() -> Iterator[tuple[str, Check]]:
    for make in OPTIMIZERS:
        yield f"optimizer {type(make()).__name__}", partial(of_optimizer, make)


def of_optimizer(make: Callable[[], Optimizer]) -> Arrays:
    """Three updates of a matrix, of a vector, and of the rows that a batch touched; some ids come twice."""
    draw, optimizer = rng(), make()
    params = [xp.asarray(draw.standard_normal(shape)) for shape in ((3, 4), (4,), (6, 4))]
    for _ in range(3):
        grads: list[Any] = [xp.asarray(draw.standard_normal(p.shape)) for p in params]
        ids, dout = draw.integers(0, 6, 7), draw.standard_normal((7, 4))
        dout[0] *= 1e6  # a large gradient of one word takes no digit from another's
        grads[2] = RowGradient.from_lookups(xp.asarray(ids), xp.asarray(dout), (6, 4))
        optimizer.update(params, grads)
    return {f"weight {i}": to_numpy(param) for i, param in enumerate(params)}


# ---- models: what each kind is made of, what it reads, and what it answers

V, D, H = 9, 4, 6
Kind = tuple[Callable[[DType], Layer], Callable[[DType], Batch], Callable[[Any], Arrays]]


def model_checks() -> Iterator[tuple[str, Check]]:
    for i, (name, kind) in enumerate(kinds().items()):
        make = OPTIMIZERS[i % len(OPTIMIZERS)]
        yield f"training {name}, float64", partial(of_training, kind, make, np.float64)
        yield f"training {name}, float32", partial(of_training, kind, make, np.float32)


def of_training(kind: Kind, make: Callable[[], Optimizer], dtype: DType) -> Arrays:
    """Three steps; in float64 also all weights that come of them, and what the model then answers.

    In float32 small differences have grown in the weights by then, and a word may be chosen another way.
    """
    build_model, batch, answers = kind
    model, optimizer = build_model(dtype), make()
    arrays = [xp.asarray(array) for array in batch(dtype)]
    losses = [train_step(model, optimizer, *arrays, max_norm=1.0) for _ in range(3)]
    found = {"loss": np.array(losses, dtype=dtype)}
    if dtype == np.float64:
        found |= {f"weights {name}": to_numpy(param) for name, param in named_weights(model).items()}
        kept = {name: array for name, array in held(model).items() if array is not None}
        found |= {f"kept {name}": to_numpy(array) for name, array in kept.items()}
        found |= answers(model)
    return found


def kinds() -> dict[str, Kind]:
    """Every kind of model that the chapters train."""
    every: dict[str, Kind] = {}
    for name, options in LANGUAGE_MODELS.items():
        every[name] = (partial(language_model, options), words, written)
    for name, make in QUESTIONS.items():
        every[name] = (make, questions, answered)
    for name, make in TEXTS.items():
        every[name] = (make, texts, labelled)
    for name, make in PICTURES.items():
        every[name] = (make, pictures, classified)
    for name, make in WINDOWS.items():
        every[name] = (make, windows, forecast)
    for name, options in TAGGERS.items():
        every[name] = (partial(a_tagger, options), sentences, tagged)
    for name, attention in (("captions, attention", True), ("captions, mean of the map", False)):
        every[name] = (partial(a_captioner, attention), described, captioned)
    for name, make in MACHINES.items():
        every[name] = (make, bits, lambda model: {})
    every["GPT"] = (
        lambda dtype: gpt(V, 8, 10, rng(), depth=2, heads=2, dropout=0.1, dtype=dtype),
        words,
        written,
    )
    every["two layers"] = (two_layers, points, lambda model: {})
    return every


def a_captioner(attention: bool, dtype: DType) -> Layer:
    return captioner(3, V, D, H, rng(), attention, filters=(2, 4), dtype=dtype)


def described(dtype: DType) -> Batch:
    draw = rng()
    said = draw.integers(3, V, (2, 4))
    said[:, 0] = START
    said[1, 3:] = 0
    return draw.random((2, 3, 16, 16)).astype(dtype), said


def captioned(model: Any) -> Arrays:
    return {"captions": to_numpy(answer(model, xp.asarray(described(np.float64)[0]), 3))}


MACHINES: dict[str, Callable[[DType], Layer]] = {
    "memory machine": lambda dtype: memory_machine(3, 2, rng(), H=6, rows=8, width=4, dtype=dtype),
    "memory machine, LSTM": lambda dtype: memory_machine(
        3, 2, rng(), H=6, rows=8, width=4, recurrent=True, dtype=dtype
    ),
}


def bits(dtype: DType) -> Batch:
    draw = rng()
    asked = np.ones((2, 5), dtype=bool)
    return draw.random((2, 5, 3)).astype(dtype), (draw.random((2, 5, 2)) < 0.5).astype(dtype), asked


LANGUAGE_MODELS: dict[str, dict[str, Any]] = {
    "language model, RNN": {"layer": RNN},
    "language model, LSTM": {"layer": LSTM},
    "language model, GRU": {"layer": GRU},
    "language model, all techniques": {"depth": 2, "dropout": 0.3, "variational": True, "tied": True},
}


def language_model(options: dict[str, Any], dtype: DType) -> Layer:
    return LanguageModel(V, H, H, rng(), **options, dtype=dtype)


def words(dtype: DType) -> Batch:
    ids = rng().integers(V, size=41)
    return ids[:40].reshape(4, 10), ids[1:].reshape(4, 10)


def written(model: Any) -> Arrays:
    found = {"words": np.array(continue_text(model, [1, 2], 5, rng()))}
    if isinstance(model, LanguageModel):
        text = rng().integers(V, size=60)
        found["perplexity"] = np.array(perplexity(model, text, batch_size=2, T=5))
        found["perplexity with a cache"] = np.array(cache_perplexity(model, text, 20, 0.3, 0.1))
    return found


def two_heads(dtype: DType, **options: Any) -> Layer:
    return transformer(V, D, H, rng(), depth=2, heads=2, dtype=dtype, **options)


QUESTIONS: dict[str, Callable[[DType], Layer]] = {
    "encoder and decoder": lambda dtype: plain(V, D, H, rng(), dtype=dtype),
    "encoder and peeky decoder": lambda dtype: peeky(V, D, H, rng(), dtype=dtype),
    "attention": lambda dtype: attentive(
        V, D, H, rng(), depth=2, residual=True, bidirectional=True, dtype=dtype
    ),
    "attention that looks first": lambda dtype: looking_first(V, D, H, rng(), dtype=dtype),
    "GNMT": lambda dtype: gnmt(V, D, H, rng(), depth=2, dtype=dtype),
    "Transformer": lambda dtype: two_heads(dtype, dropout=0.1, smoothing=0.1),
    "Transformer, norm last, not tied": lambda dtype: two_heads(dtype, norm_first=False, tied=False),
}


def questions(dtype: DType) -> Batch:
    """Padded, both of them."""
    draw = rng()
    asked, said = draw.integers(3, V, (5, 6)), draw.integers(3, V, (5, 4))
    asked[1, 3:] = said[2, 3:] = 0
    said[:, 0] = START
    return asked, said


def answered(model: Any) -> Arrays:
    asked, said = map(xp.asarray, questions(np.float64))
    best, log_p = beam_search(model, asked, 3, 2)
    return {
        "answers": to_numpy(answer(model, asked, 3)),
        "answers of the beam": to_numpy(best),
        "their log-probabilities": to_numpy(log_p),
        "share of right answers": np.array(accuracy(model, asked, said)),
    }


TEXTS: dict[str, Callable[[DType], Layer]] = {
    "mean of vectors": lambda dtype: mean_classifier(V, D, rng(), dropout=0.2, dtype=dtype),
    "filters over a text": lambda dtype: text_cnn(V, D, rng(), filters=3, dtype=dtype),
    "filters over fixed vectors": lambda dtype: text_cnn(
        V, D, rng(), filters=3, vectors=xp.ones((V, D), dtype=dtype), fixed=True, dtype=dtype
    ),
    "LSTM over a text": lambda dtype: lstm_classifier(V, D, H, rng(), dtype=dtype),
    "encoder over a text": lambda dtype: transformer_classifier(V, D, H, rng(), heads=2, dtype=dtype),
}


def texts(dtype: DType) -> Batch:
    return questions(dtype)[0], rng().integers(2, size=5)


def labelled(model: Any) -> Arrays:
    rows = [xp.asarray(row[row != 0]) for row in questions(np.float64)[0]]
    return {"scores": predict_rows(model, rows, batch_size=2)}


PICTURES: dict[str, Callable[[DType], Layer]] = {
    "simple convolutional network": lambda dtype: classifiers.simple_convnet(rng(), dtype=dtype),
    "LeNet": lambda dtype: classifiers.lenet(rng(), dtype=dtype),
    "residual network": lambda dtype: classifiers.deep_convnet(rng(), channels=2, dtype=dtype),
}


def pictures(dtype: DType) -> Batch:
    draw = rng()
    return draw.random((4, 1, 28, 28)).astype(dtype), draw.integers(0, 10, 4)


def classified(model: Any) -> Arrays:
    return {"scores": classifiers.predict(model, xp.asarray(pictures(np.float64)[0]), batch_size=3)}


WINDOWS: dict[str, Callable[[DType], Layer]] = {
    "linear forecast": lambda dtype: forecasting.linear_forecaster(5, 2, rng(), dtype=dtype),
    "LSTM forecast of quantiles": lambda dtype: forecasting.recurrent_forecaster(
        LSTM, 2, H, rng(), levels=(0.1, 0.5, 0.9), dtype=dtype
    ),
}


def windows(dtype: DType) -> Batch:
    draw = rng()
    return draw.standard_normal((6, 5, 2)).astype(dtype), draw.standard_normal((6, 1)).astype(dtype)


def forecast(model: Any) -> Arrays:
    x = xp.asarray(windows(np.float64)[0])
    found = {"forecasts": forecasting.predict(model, x)}
    if model.levels is None:
        found["fed back"] = forecasting.feed_back(model, x, 3, known=xp.ones((6, 3, 1)))
    return found


TAGGERS: dict[str, dict[str, Any]] = {
    "tagger, a window": {"width": 3},
    "tagger, two LSTMs and a CRF": {"crf": True},
}
SENTENCES = [["Ann", "met", "Bo", "Li", "in", "Rome"], ["He", "left"], ["Rome", "is", "old"]]


def a_tagger(options: dict[str, Any], dtype: DType) -> Any:
    known = sorted({word.lower() for sentence in SENTENCES[:2] for word in sentence})
    vocabulary = Vocabulary([tagger.PAD, tagger.UNKNOWN, *known], unknown=tagger.UNKNOWN)
    return tagger.Tagger(vocabulary, D, H, rng(), **options, dtype=dtype)


def sentences(dtype: DType) -> Batch:
    one = a_tagger({}, dtype)
    ids, shapes, mask = map(to_numpy, one.encode(SENTENCES))
    t = rng().integers(0, len(one.tags), ids.shape) * mask
    return ids, shapes, t, mask


def tagged(model: Any) -> Arrays:
    found = {}
    for rules in (True, False):
        rows = tagger.predict_tags(model, SENTENCES, rules=rules)
        found[f"tags, rules {rules}"] = np.array([model.tags.index(tag) for row in rows for tag in row])
    return found


def two_layers(dtype: DType) -> Layer:
    make = Make(rng(), dtype)
    return classifiers.Classifier(make.affine(2, 8), Sigmoid(), make.affine(8, 3))


def points(dtype: DType) -> Batch:
    return rng().standard_normal((7, 2)).astype(dtype), rng().integers(0, 3, 7)


# ---- what a run needs besides


def of_batches() -> Arrays:
    """The same examples in the same order."""
    x, model = xp.asarray(rng().standard_normal((7, 2))), two_layers(np.float64)
    batches = Shuffled(x, xp.arange(7), 3)
    batches.begin_epoch(model, rng())
    return {f"{i} {j}": to_numpy(a) for i in range(len(batches)) for j, a in enumerate(batches[i])}


def of_half_steps(kind: str) -> Arrays:
    """What is stored in two bytes, and two steps with weights and gradients that were."""
    x = (rng().standard_normal(40) * np.logspace(-9, 9, 40)).astype(np.float32)
    model, optimizer, scale = two_layers(np.float32), Adam(0.01), LossScale()
    batch = [xp.asarray(array) for array in points(np.float32)]
    found = [half_step(model, optimizer, kind, scale, *batch, max_norm=1.0) for _ in range(2)]
    return {"numbers": to_numpy(stored(xp.asarray(x), kind)), "loss": np.array(found, dtype=np.float32)}


def of_weights() -> Arrays:
    """A model that is saved and loaded into another computes what the first one did."""
    one = language_model({"depth": 2}, np.float64)
    other = LanguageModel(V, H, H, np.random.default_rng(0), depth=2, dtype=np.float64)
    with tempfile.TemporaryDirectory() as folder:
        save_weights(f"{folder}/weights.npz", one)
        load_weights(f"{folder}/weights.npz", other)
    batch = [xp.asarray(array) for array in words(np.float64)]
    losses = [to_numpy(model.forward(*batch)) for model in (one, other)]
    return {"loss": losses[1], "the same": np.array_equal(*losses) * np.ones(1, dtype=bool)}


def as_tuple(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


def dense(grad: Array | RowGradient) -> Array:
    return grad.dense() if isinstance(grad, RowGradient) else grad


def main() -> None:
    path, *names = sys.argv[1:]
    found = {name: outcome(check) for name, check in named(names)}
    arrays = {f"{name}|{part}": a for name, parts in found.items() for part, a in parts.items()}
    np.savez(path, **arrays)


if __name__ == "__main__":
    main()
