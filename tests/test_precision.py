"""Numbers of two bytes: rounded as they should be; and steps that lose no more than they must."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from common.layers import Affine, BatchNorm, Embedding, Model, Sigmoid, SoftmaxWithLoss
from common.models.classifiers import Classifier
from common.models.language_model import LanguageModel
from common.optimizers import SGD, Adam
from common.precision import LossScale, from_bfloat16, half_step, out_of_range, stored, to_bfloat16
from common.support.row_gradient import RowGradient
from common.training import train_step
from common.weights import named_weights
from tests.helpers import bad_input

floats = hnp.arrays(np.float32, 5, elements=st.floats(width=32))


@given(floats)
def test_bfloat16_is_the_nearest_number_whose_lower_half_is_zero(x):
    y = from_bfloat16(to_bfloat16(x))
    assert y.dtype == np.float32 and not (y.view(np.uint32) & 0xFFFF).any()
    assert np.array_equal(np.isnan(y), np.isnan(x))
    bits = x.view(np.uint32) & 0xFFFF0000
    for a, b, below in zip(x, y, bits.view(np.float32)):  # below: towards 0
        if not np.isfinite(a):
            assert np.isnan(a) or a == b
            continue
        above = np.uint32(below.view(np.uint32) + 0x10000).view(np.float32)
        if not np.isfinite(above):
            continue
        down, up = abs(float(a) - float(below)), abs(float(above) - float(a))
        wanted = below if down < up else above
        if down == up:
            wanted = below if not below.view(np.uint32) & 0x10000 else above  # the even one
        assert b == wanted


@given(floats)
def test_cutting_bits_takes_every_number_towards_0(x):
    y = from_bfloat16(to_bfloat16(x, nearest=False))
    kept = np.isfinite(x)
    assert (np.abs(y[kept]) <= np.abs(x[kept])).all()
    assert np.array_equal(y.view(np.uint32), x.view(np.uint32) & 0xFFFF0000)


def test_numbers_whose_halves_are_known():
    x = np.array([1, -2.5, 1 + 2**-8, 1 + 3 * 2**-8, 3.3895314e38, 3.4e38, 1e-40, np.inf], dtype=np.float32)
    assert to_bfloat16(x).tolist()[:4] == [0x3F80, 0xC020, 0x3F80, 0x3F82]
    assert stored(x, "bfloat16").tolist()[:4] == [1, -2.5, 1, 1.015625]
    assert np.isinf(stored(x, "bfloat16")[5]) and stored(x, "bfloat16")[7] == np.inf
    assert stored(np.array([65504, 65520, 1e-8, 2049], np.float32), "float16").tolist() == [
        65504,
        np.inf,
        0,
        2048,
    ]
    assert stored(x, "float32") is x
    assert np.isnan(stored(np.array([np.nan], np.float32), "bfloat16")).all()
    assert to_bfloat16(x[::2]).tolist() == to_bfloat16(x).tolist()[::2]  # also where numbers lie apart


def test_what_gradients_lose_is_counted_with_and_without_a_scale():
    x = np.array([0, 1e-8, 1e-4, -1e-8], dtype=np.float32)
    grads = [x, RowGradient(np.array([1]), np.array([[1e-8, 1.0]], dtype=np.float32), (3, 2))]
    assert out_of_range(grads, "float16") == {"vanished": 3 / 5, "infinite": 0}
    assert out_of_range(grads, "float16", 1024) == {"vanished": 0, "infinite": 0}
    assert out_of_range(grads, "float16", 2.0**17) == {"vanished": 0, "infinite": 1 / 6}
    assert out_of_range(grads, "bfloat16") == out_of_range(grads, "float32") == {"vanished": 0, "infinite": 0}
    assert out_of_range([], "float16") == {"vanished": 0, "infinite": 0}


def test_a_scale_halves_at_once_and_doubles_after_a_while():
    scale = LossScale(8, patience=3)
    for finite in (True, True, False, True, True):
        scale.note(finite)
    assert (scale.value, scale.well, scale.left_out) == (4, 2, 1)
    scale.note(True)
    assert (scale.value, scale.well) == (8, 0) and repr(scale) == "LossScale(8, patience=3)"


class Net(Model):
    def __init__(self, size=1.0):
        rng = np.random.default_rng(1984)
        self.embedding = Embedding(rng.standard_normal((6, 4)).astype("f"))
        self.sigmoid = Sigmoid()
        self.affine = Affine(rng.standard_normal((4, 3)).astype("f"), np.zeros(3, "f"))
        self.loss, self.size = SoftmaxWithLoss(), size

    def forward(self, ids, t):
        h = self.sigmoid.forward(self.embedding.forward(ids))
        return self.loss.forward(self.affine.forward(h), t)

    def backward(self, dout=1):
        dh = self.affine.backward(self.loss.backward(dout * self.size))
        self.embedding.backward(self.sigmoid.backward(dh))


IDS, T = np.array([0, 2, 2, 5]), np.array([0, 1, 2, 1])


def weights_after(steps, step):
    net = Net()
    optimizer = SGD(0.5)
    for _ in range(steps):
        step(net, optimizer)
    return named_weights(net)


def test_in_float32_a_half_step_is_a_step_to_the_last_bit():
    usual = weights_after(3, lambda net, optimizer: train_step(net, optimizer, IDS, T, max_norm=0.1))
    for scale in (None, LossScale(2.0**10)):
        half = weights_after(
            3, lambda net, o, scale=scale: half_step(net, o, "float32", scale, IDS, T, max_norm=0.1)
        )
        assert all(np.array_equal(half[name], array) for name, array in usual.items())


@pytest.mark.parametrize("kind, near", [("float16", 1e-3), ("bfloat16", 1e-2)])
def test_the_weights_that_are_updated_keep_their_digits(kind, near):
    usual = weights_after(20, lambda net, optimizer: train_step(net, optimizer, IDS, T))
    half = weights_after(20, lambda net, optimizer: half_step(net, optimizer, kind, LossScale(), IDS, T))
    for name, array in usual.items():
        assert 0 < np.abs(half[name] - array).max() < 20 * near
        assert not np.array_equal(stored(half[name], kind), half[name])  # they are no numbers of that kind
    assert np.array_equal(half["embedding.W"][1], Net().embedding.params[0][1])  # a word that did not occur


def test_small_gradients_survive_in_float16_only_with_a_scale():
    begin = Net().affine.params[0]
    for scale, moves in ((None, False), (LossScale(2.0**15), True)):
        net = Net(size=1e-8)
        half_step(net, SGD(1e6), "float16", scale, IDS, T)
        assert np.array_equal(net.affine.params[0], begin) != moves


def test_a_step_with_gradients_that_are_too_large_changes_nothing_but_the_scale():
    net, scale, optimizer = Net(size=100), LossScale(2.0**15), Adam(0.1)
    before = {name: array.copy() for name, array in named_weights(net).items()}
    loss = half_step(net, optimizer, "float16", scale, IDS, T)
    assert np.isfinite(loss) and scale.left_out == 1 and scale.value == 2.0**14 and optimizer.steps == 0
    assert all(np.array_equal(array, before[name]) for name, array in named_weights(net).items())
    for _ in range(20):
        half_step(net, optimizer, "float16", scale, IDS, T)
    assert 0 < optimizer.steps < 20 and np.isfinite(net.affine.params[0]).all()  # it has found its size


def test_weights_come_back_exactly_where_a_step_stops_with_an_error():
    net = Net()
    before = {name: array.copy() for name, array in named_weights(net).items()}
    with pytest.raises(ValueError, match="ids holds numbers"):
        half_step(net, SGD(1.0), "bfloat16", None, np.array([7]), T[:1])
    assert all(np.array_equal(array, before[name]) for name, array in named_weights(net).items())


def test_a_language_model_with_tied_weights_learns_as_much_in_both():
    text = np.random.default_rng(0).integers(5, size=9)
    found = {}
    for kind in ("float32", "float16", "bfloat16"):
        model = LanguageModel(5, 6, 6, np.random.default_rng(1984), tied=True)
        optimizer, scale = Adam(0.02), LossScale()
        batch = text[None, :-1], text[None, 1:]
        found[kind] = [half_step(model, optimizer, kind, scale, *batch, max_norm=1.0) for _ in range(40)]
    first, last = (np.array([curve[i] for curve in found.values()]) for i in (0, -1))
    assert (last < 0.7 * first).all() and np.abs(last[1:] - last[0]).max() < 0.02
    assert found["float16"] != found["float32"] != found["bfloat16"]


def test_running_means_are_as_before_where_a_gradient_is_not_finite():
    affine = Affine(np.eye(4, 3, dtype="f"), np.zeros(3, "f"))
    model = Classifier(BatchNorm(np.ones(4, "f"), np.zeros(4, "f")), affine)
    x = np.random.default_rng(0).standard_normal((5, 4)).astype("f")
    mean = model.body.layers[0].running_mean
    half_step(model, SGD(0.1), "float16", LossScale(2.0**40), x, np.zeros(5, dtype=int))
    assert np.array_equal(model.body.layers[0].running_mean, mean)
    half_step(model, SGD(0.1), "float16", LossScale(), x, np.zeros(5, dtype=int))
    assert not np.array_equal(model.body.layers[0].running_mean, mean)


ONES = np.ones(3, dtype=np.float32)
test_bad_input_is_refused_in_one_sentence = bad_input(
    {
        "float64": (lambda: to_bfloat16(ONES.astype(float)), "x is float64; it should be float32, of which"),
        "integers": (lambda: to_bfloat16(np.arange(3)), "x holds int64; it should hold floats"),
        "bits": (
            lambda: from_bfloat16(ONES),
            "bits are float32; they should be uint16, as to_bfloat16 gives",
        ),
        "no bits": (lambda: from_bfloat16(3), "bits are int; they should be uint16"),
        "kind": (
            lambda: stored(ONES, "int8"),
            "kind is 'int8'; it should be one of float32, float16, bfloat16",
        ),
        "scale": (lambda: out_of_range([ONES], "float16", 0), "scale is 0; it should be a positive number"),
        "value": (lambda: LossScale(3), "value is 3; it should be a power of two, which rounds nothing"),
        "zero": (lambda: LossScale(0), "value is 0; it should be a positive number"),
        "patience": (lambda: LossScale(patience=0), "patience is 0; it should be a whole number, at least 1"),
        "step": (
            lambda: half_step(Net(), SGD(1), "half", None, IDS, T),
            "kind is 'half'; it should be one of",
        ),
    }
)
