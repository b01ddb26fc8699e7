"""Layers with fresh weights, and layers one after the other."""

import numpy as np
import pytest

from common.gradient_check import check_layer
from common.initializers import he
from common.layers import GRU, LSTM, RNN, Tanh, held
from common.layers.make import Make
from common.layers.sequential import Sequential


@pytest.fixture
def make():
    return Make(np.random.default_rng(0), dtype=np.float64)


def test_weights_have_the_variance_that_keeps_signals_as_they_are(make):
    assert np.var(make.affine(400, 300).params[0]) == pytest.approx(1 / 400, rel=0.02)
    assert np.var(make.affine(400, 300, weights=he).params[0]) == pytest.approx(2 / 400, rel=0.02)
    assert np.std(make.embedding(300, 400, scale=0.05).params[0]) == pytest.approx(0.05, rel=0.02)


@pytest.mark.parametrize("layer", [RNN, LSTM, GRU])
def test_recurrent_layers_begin_with_biases_zero_but_for_an_open_forget_gate(make, layer):
    _, _, *biases = make.recurrent(layer, 4, 3).params
    expected = np.zeros(12)
    expected[6:9] = 1
    for bias in biases:
        np.testing.assert_array_equal(bias, expected if layer is LSTM else np.zeros(len(bias)))


def test_everything_is_of_one_type():
    make = Make(np.random.default_rng(0), dtype=np.float16)
    layers = [
        make.matmul(4, 2),
        make.affine(4, 2),
        make.embedding(5, 4),
        make.recurrent(GRU, 4, 2),
        make.layer_norm(4),
        make.batch_norm(4),
        make.attention(4, heads=2),
    ]
    arrays = [array for layer in layers for array in (*layer.params, *held(layer, carried=False).values())]
    assert {array.dtype for array in arrays} == {np.dtype(np.float16)}


def test_the_same_generator_gives_the_same_weights():
    one, two = (Make(np.random.default_rng(7)).attention(4, heads=2).params for _ in range(2))
    assert all(np.array_equal(p, q) for p, q in zip(one, two))


@pytest.mark.parametrize(
    "call, sentence",
    [
        (lambda make: make.affine(0, 3), "D is 0; it should be a whole number, at least 1."),
        (lambda make: make.embedding(3, -1), "D is -1; it should be a whole number, at least 1."),
        (lambda make: make.recurrent(LSTM, 3, 2.5), "H is 2.5; it should be a whole number, at least 1."),
        (lambda make: make.batch_norm(0), "D is 0; it should be a whole number, at least 1."),
        (lambda make: make.attention(4, heads=3), "heads is 3; it should be a whole number that divides 4."),
    ],
)
def test_bad_sizes_get_one_clear_sentence(make, call, sentence):
    with pytest.raises(ValueError) as caught:
        call(make)
    assert str(caught.value) == sentence


def test_a_seed_is_no_generator():
    with pytest.raises(TypeError, match=r"rng is a int; it should be a numpy.random.Generator\."):
        Make(1)


def test_sequential_goes_through_its_layers_and_back(make):
    net = Sequential(make.affine(3, 4), Tanh(), make.affine(4, 2))
    x = np.random.default_rng(1).standard_normal((5, 3))
    first, tanh, last = net.layers
    np.testing.assert_array_equal(net.forward(x), last.forward(tanh.forward(first.forward(x))))
    check_layer(net, x, rng=np.random.default_rng(2))
    assert [name for name, _ in net.named_params()] == [
        "layers.0.W",
        "layers.0.b",
        "layers.2.W",
        "layers.2.b",
    ]


def test_an_empty_sequence_changes_nothing():
    x = np.ones((2, 3))
    assert Sequential().forward(x) is x and Sequential().backward(x) is x
