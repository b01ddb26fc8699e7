"""Every layer that ``common.layers`` offers, found by itself; and what layers promise together.

This file also runs on the stand-in for CuPy (see test_backend), hence ``xp`` throughout.
"""

import dataclasses
import re
import sys
import tracemalloc

import numpy as np
import pytest

import common.layers
from common.backend import to_numpy, xp
from common.book import catalogue
from common.book.catalogue import Draw, Entry, build, entry_of, layer_classes
from common.gradient_check import layer_errors, numerical_gradient
from common.layers import (
    Affine,
    AffineSoftmaxWithLoss,
    Dropout,
    Embedding,
    MatMul,
    MeanAbsoluteError,
    MeanSquaredError,
    Model,
    QuantileLoss,
    Sigmoid,
    SigmoidWithLoss,
    Softmax,
    SoftmaxWithLoss,
    find_generators,
    unique_parameters,
    walk,
)
from common.optimizers import SGD, Adam
from tests.golden import reference
from tests.golden.reference import GOLDEN, found_layers, missing, reference_gaps, run
from tests.helpers import bad_input, dense, normal

# Those that lack nothing: of a layer that does, the first test below says what, and no other test fails.
CLASSES = [layer for layer in found_layers() if missing(layer) is None]
EXAMPLES = [
    pytest.param(example, id=f"{c.__name__} {name}")
    for c in CLASSES
    for name, example in entry_of(c).examples.items()
]


def array(*numbers, dtype=np.float64):
    return xp.asarray(np.array(numbers, dtype=dtype))


def forward_backward(layer, inputs, seed=0):
    """Outputs and gradients for random gradients of the outputs, as NumPy arrays by name."""
    outputs = layer.forward(*inputs)
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    rng = np.random.default_rng(seed)
    return run(
        layer, inputs, {f"dout {i}": np.asarray(rng.standard_normal(o.shape)) for i, o in enumerate(outputs)}
    )


def same(a, b):
    return a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)


# ---- every layer


@pytest.mark.parametrize("layer_class", found_layers())
def test_nothing_is_missing_for_a_layer(layer_class):
    assert missing(layer_class) is None


DETOUR = """
from common.backend import xp
from common.functions import sigmoid
from common.layers.base import Layer

class Detour(Layer):
    names = ("W", "b")

    def forward(self, x):
        W, b = self.params
        self.x, self.h = x, xp.tanh(x)
        self.gate = sigmoid(x @ W + b)
        return self.gate * self.h + (1 - self.gate) * x

    def backward(self, dout):
        W, b = self.params
        dscore = dout * (self.h - self.x) * self.gate * (1 - self.gate)
        self.grads = [self.x.T @ dscore, dscore.sum(axis=0)]
        return dout * (self.gate * (1 - self.h**2) + 1 - self.gate) + dscore @ W.T
"""


def test_a_new_layer_touches_five_places_and_each_is_asked_for(monkeypatch, tmp_path):
    before = set(found_layers())
    # First, its file: it is found there by itself.
    (tmp_path / "detour.py").write_text(DETOUR)
    monkeypatch.setattr(common.layers, "__path__", [*common.layers.__path__, str(tmp_path)])
    monkeypatch.setitem(sys.modules, "common.layers.detour", None)  # to be taken out again afterwards
    del sys.modules["common.layers.detour"]
    (layer,) = set(found_layers()) - before
    assert missing(layer) == "Detour is not offered; common/layers/__init__.py should import it and list it."

    monkeypatch.setattr(common.layers, "Detour", layer, raising=False)
    monkeypatch.setattr(common.layers, "__all__", [*common.layers.__all__, "Detour"])
    assert missing(layer) == "Detour has no catalogue entry."

    def example(d):
        return layer(d.floats(4, 4), d.floats(4)), [d.floats(3, 4)]

    entry = {"layer": layer, "formula": "y", "shapes": "x (N, D) → y (N, D)", "source": "Nobody1900"}
    entry |= {"examples": {"(N, D)": example}, "bad": {}, "torch": "torch.lerp(...)", "timed": example}

    def enter(**changes):
        entry.update(changes)
        monkeypatch.setattr(catalogue, "ENTRIES", [*ENTRIES, Entry(**entry)])

    ENTRIES = catalogue.ENTRIES
    enter()
    assert missing(layer) == "Detour has no bad input in its catalogue entry."
    enter(bad={"text": (lambda layer, d: layer.forward("abc"), "tanh")})

    assert missing(layer) == "Nobody1900 is not in references.bib; every source should be."
    monkeypatch.setattr(catalogue, "REFERENCES", tmp_path / "references.bib")
    bib = "@article{Nobody1900,\n  author = {Nobody, A.},\n  year = {1900},\n}\n"
    (tmp_path / "references.bib").write_text(bib)
    assert missing(layer).startswith(
        "Detour does not name its source; its docstring should have [Nobody1900]_"
    )
    layer.__doc__ = "It lets a part of its input pass [Nobody1900]_."

    # Last, one command. PyTorch is not always here: ours stands in for it.
    monkeypatch.setattr(reference, "GOLDEN", tmp_path)
    sentence = "Detour has no reference arrays; make golden NAME=Detour writes them."
    assert missing(layer) == sentence
    one, (x,) = build(example)
    stored = {"param 0": one.params[0], "param 1": one.params[1], "input 0": x, "dout 0": normal(3, 4)}
    stored = {name: to_numpy(a) for name, a in stored.items()}
    stored |= run(one, [x], stored)
    np.savez(tmp_path / "Detour.npz", **{f"(N, D)/{name}": a for name, a in stored.items()})
    assert missing(layer) is None
    assert layer in layer_classes()  # which is what the tests of this file and the page go through
    assert max(layer_errors(one, x, rng=np.random.default_rng(0)).values()) < 1e-8


def test_an_example_that_has_changed_since_asks_for_new_reference_arrays():
    entry = entry_of(Affine)
    example = lambda d: (Affine(d.floats(3, 5), d.floats(5)), [d.floats(2, 3)])  # noqa: E731
    changed = dataclasses.replace(entry, examples=dict.fromkeys(entry.examples, example))
    with pytest.raises(ValueError, match=r"older than its example .*; make golden NAME=Affine writes them"):
        reference_gaps(changed)


@pytest.mark.parametrize("example", EXAMPLES)
def test_gradients_along_random_directions(example):
    layer, inputs = build(example)
    errors = layer_errors(layer, *inputs, rng=np.random.default_rng(0))
    assert len(errors) >= 1
    assert max(errors.values()) < 1e-8, errors


@pytest.mark.parametrize("example", EXAMPLES)
def test_gradients_number_by_number(example):
    layer, inputs = build(example)
    states = [g.bit_generator.state for g in find_generators(layer)]

    def forward():
        for generator, state in zip(find_generators(layer), states):
            generator.bit_generator.state = state
        outputs = layer.forward(*inputs)
        return outputs if isinstance(outputs, tuple) else (outputs,)

    weights = [normal(*out.shape, seed=i) for i, out in enumerate(forward())]
    returned = layer.backward(*(w if w.ndim else float(w) for w in weights))
    returned = returned if isinstance(returned, tuple) else (returned,)
    floats = [x for x in inputs if x is not None and x.dtype.kind == "f"]
    pairs = [(x, dx) for x, dx in zip(floats, returned) if dx is not None]
    assert pairs or not floats or getattr(layer, "first", False)
    for x, dx in pairs + list(zip(layer.params, layer.grads)):
        numerical = numerical_gradient(
            lambda _: sum(float((w * o).sum()) for w, o in zip(weights, forward())), x
        )
        np.testing.assert_allclose(to_numpy(dense(dx)), to_numpy(numerical), atol=2e-9)


@pytest.mark.parametrize("layer_class", CLASSES)
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(np.float64, 1e-12), (np.float32, 1e-5), (np.float16, 1e-2)]
)
def test_outputs_and_gradients_are_those_of_pytorch(layer_class, dtype, tolerance):
    gaps = reference_gaps(entry_of(layer_class), dtype)
    assert max(gaps.values()) < tolerance, gaps


def test_stored_references_have_distinct_biases_that_are_not_zero():
    # An LSTM once used one bias for all gates and passed its tests: all biases were zero.
    for layer_class in CLASSES:
        with np.load(GOLDEN / f"{layer_class.__name__}.npz") as file:
            for name, param in file.items():
                if "/param" in name and param.ndim == 1 and param.size > 1:
                    assert len(np.unique(param)) == param.size and (param != 0).all(), (layer_class, name)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("example", EXAMPLES)
def test_the_float_type_is_kept(example, dtype):
    layer, inputs = build(example, dtype)
    for name, value in forward_backward(layer, inputs).items():
        assert value.dtype == dtype, f"{name} is {value.dtype}"


@pytest.mark.parametrize("example", EXAMPLES)
def test_backward_can_be_repeated_and_leaves_the_cache_alone(example):
    layer, inputs = build(example)
    layer.forward(*inputs)
    outputs = layer.forward(*inputs)
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    douts = [normal(*out.shape, seed=i) for i, out in enumerate(outputs)]

    def backward():
        returned = layer.backward(*(d if d.ndim else float(d) for d in douts))
        returned = returned if isinstance(returned, tuple) else (returned,)
        arrays = [r for r in returned if r is not None] + [dense(g) for g in layer.grads]
        return [to_numpy(a).copy() for a in arrays]

    def all_given():
        return [to_numpy(a).copy() for a in (*inputs, *outputs, *douts, *layer.params) if a is not None]

    kept = all_given()
    first, second = backward(), backward()
    assert all(np.array_equal(a, b) for a, b in zip(first, second))
    assert all(map(np.array_equal, kept, all_given())), "something that was passed in has changed"


@pytest.mark.parametrize("example", EXAMPLES)
def test_strided_inputs_give_the_same(example):
    # The loss once wrote its gradient into a copy when the scores came as a transposed view.
    layer, inputs = build(example)
    states = [g.bit_generator.state for g in find_generators(layer)]
    plain = forward_backward(layer, inputs)
    for generator, state in zip(find_generators(layer), states):
        generator.bit_generator.state = state
        layer.forward(*inputs)  # forward_backward draws twice
        generator.bit_generator.state = state
    strided = [
        xp.swapaxes(xp.swapaxes(x, 0, 1).copy(), 0, 1) if x is not None and x.ndim > 1 else x for x in inputs
    ]
    again = forward_backward(layer, strided)
    for name in plain:
        np.testing.assert_allclose(again[name], plain[name], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("layer_class", CLASSES)
def test_repr_says_what_it_is(layer_class):
    layer, _ = build(next(iter(entry_of(layer_class).examples.values())))
    assert repr(layer).startswith(f"{layer_class.__name__}(") and repr(layer).endswith(")")


def test_repr_shows_sizes_and_nesting():
    assert repr(Affine(normal(4, 3), normal(3))) == "Affine(D=4, H=3)"
    assert repr(Embedding(normal(6, 2))) == "Embedding(V=6, D=2)"
    assert repr(Dropout(0.25, np.random.default_rng(0))) == "Dropout(ratio=0.25)"
    assert repr(TwoLayers(*weights())) == (
        "TwoLayers(\n  affine1: Affine(D=4, H=5)\n  sigmoid: Sigmoid()\n  affine2: Affine(D=5, H=3)\n"
        "  loss: SoftmaxWithLoss()\n)"
    )


# ---- bad input


def refused(layer_class, call):
    """Something wrong, done with the layer of the first example."""
    layer, _ = build(next(iter(entry_of(layer_class).examples.values())))
    return lambda: call(layer, Draw(np.random.default_rng(0), np.float64))


test_bad_input_gets_one_clear_sentence = bad_input(
    {
        f"{c.__name__}, {name}": (refused(c, call), re.escape(sentence))
        for c in CLASSES
        for name, (call, sentence) in entry_of(c).bad.items()
    }
)


def gives_arrays(layer_class):
    """Not a loss, whose output is one number."""
    layer, inputs = build(next(iter(entry_of(layer_class).examples.values())))
    outputs = layer.forward(*inputs)
    return isinstance(outputs, tuple) or outputs.ndim > 0


@pytest.mark.parametrize("layer_class", [c for c in CLASSES if gives_arrays(c)])
def test_backward_refuses_a_gradient_of_another_shape(layer_class):
    layer, inputs = build(next(iter(entry_of(layer_class).examples.values())))
    outputs = layer.forward(*inputs)
    first, *others = outputs if isinstance(outputs, tuple) else (outputs,)
    with pytest.raises(ValueError, match=r"has shape .*; it should be"):
        layer.backward(normal(*first.shape, 2), *others)


# ---- what single layers promise


@pytest.mark.parametrize("loss", [SoftmaxWithLoss, SigmoidWithLoss])
def test_masked_positions_add_exactly_zero(loss):
    x = normal(2, 3, 4)
    t = xp.asarray(np.random.default_rng(0).integers(0, 2, (2, 3) if loss is SoftmaxWithLoss else (2, 3, 4)))
    mask = xp.ones(t.shape, dtype=bool)
    mask[0, 1] = False
    mask[1, 2] = False
    layer = loss()
    first = float(layer.forward(x, t, mask))
    dx = to_numpy(layer.backward())
    assert (dx[0, 1] == 0).all() and (dx[1, 2] == 0).all()
    wild = x.copy()
    wild[0, 1] = 1e300  # whatever is there
    wild[1, 2] = -1e300
    assert float(layer.forward(wild, t, mask)) == first
    assert np.array_equal(to_numpy(layer.backward()), dx)


@pytest.mark.parametrize("loss", [SoftmaxWithLoss, SigmoidWithLoss])
def test_a_mask_that_hides_everything_gives_zero(loss):
    x, t = normal(5, 4), xp.arange(5) % 4 if loss is SoftmaxWithLoss else xp.zeros((5, 4), dtype=int)
    layer = loss()
    assert str(float(layer.forward(x, t, xp.zeros(t.shape, dtype=bool)))) == "0.0"  # and not -0.0
    assert (to_numpy(layer.backward()) == 0).all()


def test_the_loss_and_its_gradient_agree_where_a_probability_is_zero():
    # `log(y + 1e-7)` gives a loss of 16.1 here whatever the scores, and a gradient that says otherwise.
    x, t = array([0.0, 200.0]), xp.asarray(np.array([0]))
    layer = SoftmaxWithLoss()
    assert float(layer.forward(x, t)) == 200
    np.testing.assert_allclose(to_numpy(layer.backward()), [[-1.0, 1.0]])
    with_weights = AffineSoftmaxWithLoss(xp.asarray(np.eye(2)), xp.zeros(2))
    assert float(with_weights.forward(x, t)) == 200
    np.testing.assert_allclose(to_numpy(with_weights.backward()), [[-1.0, 1.0]])
    sigmoid = SigmoidWithLoss()
    assert float(sigmoid.forward(array(-200.0), xp.asarray(np.array([1])))) == 200
    np.testing.assert_allclose(to_numpy(sigmoid.backward()), [-1.0])


@pytest.mark.parametrize("scale", [1.0, 1e4, 1e37, 3e38])
def test_losses_stay_finite_on_extreme_scores(scale):
    x = scale * normal(6, 3, dtype=np.float32).clip(-1, 1)
    t = xp.asarray(np.array([0, 1, 2, 0, 1, 2]))
    for layer, target in ((SoftmaxWithLoss(), t), (SigmoidWithLoss(), (x > 0).astype(int))):
        assert np.isfinite(float(layer.forward(x, target)))
        assert np.isfinite(to_numpy(layer.backward())).all()


def loss_and_gradients(layer, *inputs):
    """The loss, and the gradients of the input and of the weights."""
    return [to_numpy(a) for a in (layer.forward(*inputs), layer.backward(0.5), *layer.grads)]


class AffineThenLoss(Model):
    """The two layers that AffineSoftmaxWithLoss replaces."""

    def __init__(self, W, b):
        self.affine, self.loss = Affine(W, b), SoftmaxWithLoss()

    def forward(self, x, *targets):
        return self.loss.forward(self.affine.forward(x), *targets)

    def backward(self, dout):
        return self.affine.backward(self.loss.backward(dout))


@pytest.mark.parametrize("bias", [0.0, -1000.0])  # then all exponentials vanish
@pytest.mark.parametrize("scale", [1.0, 1e3, 1e15, 1e30])
def test_affine_softmax_with_loss_gives_what_the_two_layers_give(scale, bias):
    # So many scores that they are done in several pieces; some rows moderate, some too large for exp.
    W, b = normal(5000, 8, seed=1, dtype=np.float32).T, normal(5000, seed=2, dtype=np.float32) + bias
    x = normal(4, 25, 8, seed=3, dtype=np.float32)
    x[1] *= scale
    x[3] *= -scale
    t = xp.asarray(np.random.default_rng(4).integers(0, 5000, (4, 25)))
    layer, two = AffineSoftmaxWithLoss(W, b), AffineThenLoss(W, b)
    np.testing.assert_array_equal(to_numpy(layer.scores(x)), to_numpy(two.affine.forward(x)))
    for n in (4, 4, 2, 3):  # in new memory, in that of the time before, in less, in more
        batch = x[:n], t[:n], t[:n] % 7 > 0
        for ours, theirs in zip(loss_and_gradients(layer, *batch), loss_and_gradients(two, *batch)):
            assert np.isfinite(ours).all()
            np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-5 * np.abs(theirs).max())


def test_affine_softmax_with_loss_leaves_masked_positions_out_exactly():
    layer, (x, t) = build(entry_of(AffineSoftmaxWithLoss).examples["(N, T, D)"])
    mask = xp.ones(t.shape, dtype=bool)
    mask[0, 1] = mask[1, 2] = False

    first = loss_and_gradients(layer, x, t, mask)
    assert (first[1][0, 1] == 0).all() and (first[1][1, 2] == 0).all()
    x[0, 1], x[1, 2] = 1e300, -1e300  # whatever is there
    assert all(map(np.array_equal, first, loss_and_gradients(layer, x, t, mask)))


@pytest.mark.skipif(xp is not np, reason="counts what NumPy takes")
def test_affine_softmax_with_loss_takes_one_array_of_the_size_of_the_scores():
    # This is what it is for: the two layers hold two of them at a time.
    n, D, V = 100, 10, 10_000
    layer = AffineSoftmaxWithLoss(*(normal(*shape, dtype=np.float32) for shape in ((D, V), (V,))))
    x, t = normal(n, D, dtype=np.float32), np.zeros(n, dtype=int)
    tracemalloc.start()
    try:
        for _ in range(3):
            layer.forward(x, t)
            layer.backward()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1.5 * 4 * n * V


def test_softmax_works_along_the_last_axis_of_3d_input():
    # A softmax once returned input with three axes unchanged.
    y = to_numpy(Softmax().forward(normal(2, 3, 4)))
    np.testing.assert_allclose(y.sum(axis=-1), np.ones((2, 3)))
    assert (y > 0).all() and (y < 1).all()


@pytest.mark.parametrize(
    "loss",
    [
        SoftmaxWithLoss,
        AffineSoftmaxWithLoss,
        SigmoidWithLoss,
        MeanSquaredError,
        MeanAbsoluteError,
        QuantileLoss,
    ],
)
def test_a_loss_is_one_number_without_axes(loss):
    # An array with one number in it is no number: float() of it is an error in current NumPy.
    layer, inputs = build(next(iter(entry_of(loss).examples.values())))
    value = layer.forward(*inputs)
    assert value.shape == () and isinstance(float(value), float)


def test_embedding_adds_the_gradients_of_a_repeated_word():
    layer = Embedding(normal(4, 2))
    layer.forward(xp.asarray(np.array([[1, 3], [1, 1]])))
    assert layer.backward(xp.ones((2, 2, 2))) is None
    (grad,) = layer.grads
    assert to_numpy(grad.rows).tolist() == [1, 3]
    assert to_numpy(grad.dense()).tolist() == [[0, 0], [3, 3], [0, 0], [1, 1]]


def test_dropout_keeps_the_expected_value_and_rests_when_not_training():
    layer = Dropout(0.3, np.random.default_rng(1984))
    x = xp.ones((100, 1000))
    y = to_numpy(layer.forward(x))
    kept = y != 0
    assert 0.69 < kept.mean() < 0.71
    np.testing.assert_allclose(y[kept], 1 / 0.7)
    assert np.array_equal(to_numpy(layer.backward(x)), y)
    layer.training = False
    assert np.array_equal(to_numpy(layer.forward(x)), to_numpy(x))
    assert np.array_equal(to_numpy(layer.backward(x)), to_numpy(x))


def test_dropout_draws_the_same_from_the_same_seed():
    one, two = (to_numpy(Dropout(0.5, np.random.default_rng(7)).forward(xp.ones((4, 5)))) for _ in range(2))
    assert np.array_equal(one, two)


def test_the_first_layer_gives_no_gradient_of_the_data():
    W, b, x = normal(4, 3), normal(3), normal(5, 4)
    usual, first = Affine(W, b), Affine(W, b, first=True)
    for layer in (usual, first):
        layer.forward(x)
    assert usual.backward(normal(5, 3)) is not None
    assert first.backward(normal(5, 3)) is None
    assert all(np.array_equal(to_numpy(g), to_numpy(h)) for g, h in zip(usual.grads, first.grads))


# ---- models, and weights that are shared


def weights(D=4, H=5, C=3):
    return normal(D, H), normal(H), normal(H, C, seed=1), normal(C, seed=1)


class TwoLayers(Model):
    def __init__(self, W1, b1, W2, b2):
        self.affine1, self.sigmoid, self.affine2 = Affine(W1, b1), Sigmoid(), Affine(W2, b2)
        self.loss = SoftmaxWithLoss()

    def forward(self, x, t):
        return self.loss.forward(self.affine2.forward(self.sigmoid.forward(self.affine1.forward(x))), t)

    def backward(self, dout=1):
        dh = self.affine2.backward(self.loss.backward(dout))
        return self.affine1.backward(self.sigmoid.backward(dh))


class Stack(Model):
    """Layers in a list, and a model inside."""

    def __init__(self):
        self.layers = [MatMul(normal(4, 4)), Dropout(0.5, np.random.default_rng(0))]
        self.inner = TwoLayers(*weights())


class Tied(Model):
    """Words in and words out share one matrix, the second time transposed."""

    def __init__(self, W, b, Wh):
        self.embedding, self.hidden, self.out = Embedding(W), MatMul(Wh), Affine(W.T, b)
        self.loss = SoftmaxWithLoss()

    def forward(self, ids, t):
        return self.loss.forward(self.out.forward(self.hidden.forward(self.embedding.forward(ids))), t)

    def backward(self, dout=1):
        return self.embedding.backward(self.hidden.backward(self.out.backward(self.loss.backward(dout))))


def test_a_model_names_its_params_by_path():
    model = Stack()
    assert [name for name, _ in model.named_params()] == [
        "layers.0.W", "inner.affine1.W", "inner.affine1.b", "inner.affine2.W", "inner.affine2.b",
    ]  # fmt: skip
    assert len(model.params) == len(model.grads) == 5
    assert [path for path, layer in walk(model) if isinstance(layer, Dropout)] == ["layers.1"]
    assert len(find_generators(model)) == 1


def test_training_reaches_every_layer():
    model = Stack()
    model.training = False
    assert not any(layer.training for _, layer in walk(model))
    model.training = True
    assert all(layer.training for _, layer in walk(model))


def test_gradients_of_a_model():
    t = xp.asarray(np.array([0, 1, 2, 2, 1]))
    errors = layer_errors(TwoLayers(*weights()), normal(5, 4), t, rng=np.random.default_rng(0))
    assert list(errors) == ["input 0", "affine1.W", "affine1.b", "affine2.W", "affine2.b"]
    assert max(errors.values()) < 1e-8


def test_a_weight_shared_with_its_transpose_has_one_gradient_and_it_is_right():
    model = Tied(normal(6, 4), normal(6), normal(4, 4, seed=2))
    words, t = xp.asarray(np.array([0, 2, 2, 5])), xp.asarray(np.array([1, 0, 3, 5]))
    assert len(model.params) == 4 and len(unique_parameters(model)[0]) == 3
    errors = layer_errors(model, words, t, rng=np.random.default_rng(0))
    assert len(errors) == 3 and max(errors.values()) < 1e-8


@pytest.mark.parametrize("optimizer", [SGD(0.5), Adam(0.05)], ids=repr)
def test_a_tied_model_trains(optimizer):
    model = Tied(normal(6, 4), normal(6), normal(4, 4, seed=2))
    words = xp.asarray(np.arange(6))
    t = (words + 1) % 6
    before = float(model.forward(words, t))
    for _ in range(200):
        model.forward(words, t)
        model.backward()
        optimizer.update(*unique_parameters(model))
    assert float(model.forward(words, t)) < 0.1 * before
    assert np.array_equal(to_numpy(model.out.params[0]), to_numpy(model.embedding.params[0]).T)


@pytest.mark.parametrize("square", [True, False])
def test_two_layers_with_the_same_array_add_their_gradients(square):
    shared = normal(4, 4 if square else 3)

    class Twice(Model):
        def __init__(self):
            self.a, self.b = MatMul(shared), MatMul(shared)

        def forward(self, x, y):
            return self.a.forward(x), self.b.forward(y)

        def backward(self, da, db):
            return self.a.backward(da), self.b.backward(db)

    model = Twice()
    errors = layer_errors(model, normal(5, 4), normal(2, 4), rng=np.random.default_rng(0))
    assert list(errors) == ["input 0", "input 1", "a.W"] and max(errors.values()) < 1e-8


def test_a_square_weight_and_its_transpose_are_told_apart():
    shared = normal(4, 4)

    class ThereAndBack(Model):
        def __init__(self):
            self.there, self.back = MatMul(shared), MatMul(shared.T)

        def forward(self, x):
            return self.back.forward(self.there.forward(x))

        def backward(self, dout):
            return self.there.backward(self.back.backward(dout))

    errors = layer_errors(ThereAndBack(), normal(5, 4), rng=np.random.default_rng(0))
    assert list(errors) == ["input 0", "there.W"] and max(errors.values()) < 1e-8


def test_weights_whose_values_are_equal_stay_two():
    class Equal(Model):
        def __init__(self):
            self.a, self.b = MatMul(xp.ones((3, 3))), MatMul(xp.ones((3, 3)))

    assert len(unique_parameters(Equal())[0]) == 2
