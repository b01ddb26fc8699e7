"""Recurrent layers: through time, between calls, with masks. (Gradients and PyTorch's values of single
examples: test_layers.) Also runs on the stand-in for CuPy, hence ``xp`` throughout."""

import numpy as np
import pytest

from common.backend import to_numpy, xp
from common.gradient_check import layer_errors
from common.layers import GRU, LSTM, RNN, Bidirectional, GRUCell, LSTMCell, Model, RNNCell
from tests.helpers import normal

KINDS = [pytest.param(layer, cell, id=layer.__name__) for layer, cell in
         ((RNN, RNNCell), (LSTM, LSTMCell), (GRU, GRUCell))]  # fmt: skip
N, D, H = 3, 4, 5


def weights(layer, D=D, H=H, dtype=np.float64):
    width = layer.gates * H
    shapes = [(D, width), (H, width)] + [(width,)] * len(layer.names[2:])
    return [normal(*shape, seed=i, dtype=dtype) for i, shape in enumerate(shapes)]


def states(layer, n=N, seed=10):
    return [normal(n, H, seed=seed + i) for i in range(len(layer.state_names))]


def numpy_of(arrays):
    return [to_numpy(a) for a in arrays]


class WithStates(Model):
    """A layer whose first and final states are inputs and outputs like any other."""

    def __init__(self, layer):
        self.layer = layer

    def forward(self, xs, *start, mask=None):
        self.layer.set_state(*start)
        hs = self.layer.forward(xs, self.mask)
        return hs, *self.layer.state

    def backward(self, dhs, *dstate):
        return self.layer.backward(dhs, *dstate), *self.layer.dstate


def with_states(layer, mask=None):
    model = WithStates(layer)
    model.mask = mask
    return model


# ---- gradients through time


@pytest.mark.parametrize("masked", [False, True], ids=["whole", "masked"])
@pytest.mark.parametrize("T", range(1, 8))
@pytest.mark.parametrize(("layer", "cell"), KINDS)
def test_gradients_of_weights_inputs_and_states_through_time(layer, cell, T, masked):
    mask = xp.asarray(np.random.default_rng(T).random((N, T)) < 0.6) if masked else None
    model = with_states(layer(*weights(layer)), mask)
    errors = layer_errors(model, normal(N, T, D), *states(layer), rng=np.random.default_rng(0))
    assert len(errors) == 1 + len(layer.state_names) + len(layer.names)
    assert max(errors.values()) < 1e-8, errors


@pytest.mark.parametrize("T", [1, 4])
@pytest.mark.parametrize(("layer", "cell"), KINDS)
def test_bidirectional_gradients(layer, cell, T):
    mask = xp.asarray(np.arange(T) < np.array([[T], [1], [max(T - 1, 1)]]))
    both = Bidirectional(layer(*weights(layer)), layer(*[w + 0.1 for w in weights(layer)]))
    assert max(layer_errors(both, normal(N, T, D), mask, rng=np.random.default_rng(0)).values()) < 1e-8


@pytest.mark.parametrize(("layer", "cell"), KINDS)
def test_the_layer_gives_what_its_cell_gives_step_by_step(layer, cell):
    T, xs, start = 6, normal(N, 6, D), states(layer)
    whole = with_states(layer(*weights(layer)))
    hs, *final = whole.forward(xs, *start)
    cells = [cell(*weights(layer)) for _ in range(T)]
    state = tuple(start)
    for t in range(T):
        state = cells[t].forward(xs[:, t], *state)
        state = state if isinstance(state, tuple) else (state,)
        np.testing.assert_allclose(to_numpy(hs[:, t]), to_numpy(state[0]), rtol=1e-12)
    for mine, theirs in zip(numpy_of(final), numpy_of(state)):
        np.testing.assert_allclose(mine, theirs, rtol=1e-12)

    dhs, dstate = normal(N, T, H, seed=5), states(layer, seed=20)
    dxs, *dstart = whole.backward(dhs, *dstate)
    back, grads = tuple(dstate), [0] * len(layer.names)
    for t in reversed(range(T)):
        dx, *back = cells[t].backward(back[0] + dhs[:, t], *back[1:])
        np.testing.assert_allclose(to_numpy(dxs[:, t]), to_numpy(dx), rtol=1e-10, atol=1e-13)
        grads = [total + grad for total, grad in zip(grads, cells[t].grads)]
    for mine, theirs in zip([*dstart, *whole.grads], [*back, *grads]):
        np.testing.assert_allclose(to_numpy(mine), to_numpy(theirs), rtol=1e-10, atol=1e-13)


# ---- from one call to the next


@pytest.mark.parametrize(("layer", "cell"), KINDS)
def test_a_stateful_layer_reads_two_halves_as_one_text(layer, cell):
    xs = normal(N, 7, D)
    whole, halves = layer(*weights(layer)), layer(*weights(layer), stateful=True)
    hs = to_numpy(whole.forward(xs))
    # Products of other sizes may round differently.
    np.testing.assert_allclose(to_numpy(halves.forward(xs[:, :3])), hs[:, :3], rtol=1e-12)
    np.testing.assert_allclose(to_numpy(halves.forward(xs[:, 3:])), hs[:, 3:], rtol=1e-12)
    np.testing.assert_allclose(to_numpy(halves.h), hs[:, -1], rtol=1e-12)
    halves.reset_state()
    np.testing.assert_allclose(to_numpy(halves.forward(xs[:, :3])), hs[:, :3], rtol=1e-12)


@pytest.mark.parametrize(("layer", "cell"), KINDS)
def test_a_stateless_layer_begins_at_zero_and_a_given_state_serves_once(layer, cell):
    xs, one = normal(N, 3, D), layer(*weights(layer))
    at_zero = to_numpy(one.forward(xs))
    assert np.array_equal(to_numpy(one.forward(xs)), at_zero)
    one.set_state(*states(layer))
    assert not np.allclose(to_numpy(one.forward(xs)), at_zero)
    assert np.array_equal(to_numpy(one.forward(xs)), at_zero)


def test_states_have_names():
    lstm = LSTM(*weights(LSTM))
    lstm.forward(normal(N, 3, D))
    lstm.backward(normal(N, 3, H))
    assert lstm.h is lstm.state[0] and lstm.c is lstm.state[1]
    assert lstm.dh0 is lstm.dstate[0] and lstm.dc0 is lstm.dstate[1]
    assert repr(LSTM(*weights(LSTM), stateful=True)) == "LSTM(D=4, H=5, stateful=True)"


@pytest.mark.parametrize(("layer", "cell"), KINDS)
def test_what_the_caller_does_with_outputs_and_states_reaches_no_cache(layer, cell):
    xs, dhs = normal(1, 1, D), normal(1, 1, H)  # of one sequence and one step: where a view is easily made
    one = layer(*weights(layer), stateful=True)
    hs = one.forward(xs)
    expected = to_numpy(one.backward(dhs)).copy()
    hs[...] = 7
    given = states(layer, n=1)
    assert np.array_equal(to_numpy(one.backward(dhs)), expected)
    one.set_state(*given)
    for part in given:
        part[...] = 7
    first = to_numpy(one.forward(xs))
    one.set_state(*states(layer, n=1))
    assert np.array_equal(to_numpy(one.forward(xs)), first)


# ---- masks


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("stateful", [False, True])
def test_an_lstm_that_leaves_padding_out_gives_the_same(side, stateful):
    N, T, D, H = 5, 6, 3, 2
    mask = np.arange(T) < np.array([[3], [6], [0], [6], [2]])
    mask = xp.asarray(mask if side == "right" else mask[:, ::-1])
    found = []
    for shortens in (True, False):
        layer = LSTM(normal(D, 4 * H), normal(H, 4 * H, seed=1), normal(4 * H, seed=2), stateful=stateful)
        layer.shortens = shortens
        layer.set_state(normal(N, H, seed=3), normal(N, H, seed=4))
        for _ in range(2):  # the second call begins where the first ended, if stateful
            hs = layer.forward(normal(N, T, D, seed=5), mask)
        dxs = layer.backward(normal(N, T, H, seed=6), normal(N, H, seed=7), normal(N, H, seed=8))
        found.append([hs, *layer.state, dxs, *layer.dstate, *layer.grads])
    for one, other in zip(*found):
        np.testing.assert_allclose(to_numpy(one), to_numpy(other), atol=1e-13)


@pytest.mark.parametrize(("layer", "cell"), KINDS)
def test_masked_steps_carry_the_state_over_and_contribute_exactly_zero(layer, cell):
    lengths, T = np.array([5, 2, 1]), 5
    mask = xp.asarray(np.arange(T) < lengths[:, None])
    one, xs, dhs = layer(*weights(layer)), normal(N, T, D), normal(N, T, H, seed=5)
    hs = to_numpy(one.forward(xs, mask)).copy()
    dxs = to_numpy(one.backward(dhs)).copy()
    grads = [to_numpy(g).copy() for g in one.grads]
    for n, length in enumerate(lengths):
        assert (hs[n, length:] == hs[n, length - 1]).all()
        assert (dxs[n, length:] == 0).all() and (dxs[n, :length] != 0).all()
        alone = to_numpy(layer(*weights(layer)).forward(xs[n : n + 1, : int(length)]))
        np.testing.assert_allclose(hs[n, :length], alone[0], rtol=1e-12)
    wild = xs.copy()
    for n, length in enumerate(lengths):
        wild[n, int(length) :] = 1e300  # whatever is there
    again = to_numpy(one.forward(wild, mask))
    assert np.array_equal(again, hs)
    assert np.array_equal(to_numpy(one.backward(dhs)), dxs)
    for grad, before in zip(one.grads[2:] + [one.grads[1]], grads[2:] + [grads[1]]):
        assert np.array_equal(to_numpy(grad), before)


@pytest.mark.parametrize(("layer", "cell"), KINDS)
def test_a_mask_that_hides_everything_keeps_the_first_state(layer, cell):
    one = layer(*weights(layer))
    start = states(layer)
    one.set_state(*start)
    hs = to_numpy(one.forward(normal(N, 4, D), xp.zeros((N, 4), dtype=bool)))
    assert (hs == to_numpy(start[0])[:, None]).all()
    dxs = to_numpy(one.backward(normal(N, 4, H)))
    assert (dxs == 0).all() and all((to_numpy(g) == 0).all() for g in one.grads)
    np.testing.assert_allclose(to_numpy(one.dh0), to_numpy(normal(N, 4, H)).sum(axis=1))


def test_the_leftward_layer_begins_at_the_last_word_not_in_the_padding():
    mask = xp.asarray(np.arange(5) < np.array([[5], [2]]))
    both = Bidirectional(GRU(*weights(GRU)), GRU(*weights(GRU)))
    xs = normal(2, 5, D)
    padded, alone = to_numpy(both.forward(xs, mask)), to_numpy(both.forward(xs[1:, :2]))
    np.testing.assert_allclose(padded[1, :2], alone[0], rtol=1e-12)


# ---- numbers of every size


@pytest.mark.parametrize("scale", [1e-30, 1e4, 1e30])
@pytest.mark.parametrize(("layer", "cell"), KINDS)
def test_no_finite_input_overflows(layer, cell, scale):
    one = layer(*weights(layer, dtype=np.float32))
    hs = to_numpy(one.forward(normal(N, 6, D, dtype=np.float32) * np.float32(scale).item()))
    assert np.isfinite(hs).all() and hs.dtype == np.float32
    assert np.isfinite(to_numpy(one.backward(normal(N, 6, H, dtype=np.float32)))).all()


# ---- bad input (the rest is in the catalogue)


def test_a_state_of_the_wrong_batch_size_is_refused():
    lstm, xs = LSTM(*weights(LSTM), stateful=True), normal(N, 6, D)
    lstm.forward(xs)
    with pytest.raises(ValueError, match=r"the state h is of 3 sequences; it should be of 2, as xs is"):
        lstm.forward(xs[:2])
    lstm.reset_state()
    lstm.forward(xs[:2])
