"""Encoders and decoders with attention: right gradients, the same scores step by step, and dates learned."""

import numpy as np
import pytest

from common.backend import to_numpy, xp
from common.batches import Shuffled
from common.datasets import Task, dates
from common.gradient_check import layer_errors
from common.layers import LSTM, Bidirectional, unique_parameters
from common.layers.stack import Stack
from common.models.attention import (
    AttentionDecoder,
    AttentionEncoder,
    GNMTDecoder,
    LookFirstDecoder,
    attentive,
    gnmt,
    looking_first,
)
from common.models.decoding import accuracy, alignment, answer, beam_search
from common.optimizers import Adam
from common.training import Trainer
from tests.helpers import bad_input, dense, questions

MODELS = {
    "attentive": attentive,
    "bidirectional": lambda *sizes, **o: attentive(*sizes, bidirectional=True, **o),
    "deep": lambda *sizes, **o: attentive(*sizes, depth=2, **o),
    "deep, residual": lambda *sizes, **o: attentive(*sizes, depth=3, residual=True, **o),
    "deep, both ways": lambda *sizes, **o: attentive(*sizes, depth=2, residual=True, bidirectional=True, **o),
    "looking first": looking_first,
    "GNMT": gnmt,
    "GNMT of one layer": lambda *sizes, **o: gnmt(*sizes, depth=1, **o),
}


def small(name, V=7, H=4, dtype=np.float64):
    model = MODELS[name](V, 3, H, np.random.default_rng(0), dtype=dtype)
    for i, param in enumerate(model.params):  # weights large enough for attention to choose
        param += xp.asarray(0.5 * np.random.default_rng(i).standard_normal(param.shape).astype(dtype))
    return model


@pytest.mark.parametrize("name", MODELS)
def test_gradients(name):
    errors = layer_errors(small(name), *questions(), rng=np.random.default_rng(0))
    assert max(errors.values()) < 1e-7, errors


@pytest.mark.parametrize("name", MODELS)
def test_step_by_step_the_scores_are_the_same(name):
    model, (xs, ts) = small(name), questions()
    memory = model.encoder.forward(xs)
    whole = to_numpy(model.decoder.forward(ts, *memory)).copy()
    looked = to_numpy(model.decoder.weights).copy()
    assert (looked[1, :, 3:] == 0).all()
    np.testing.assert_allclose(looked.sum(axis=2), 1)
    state = model.decoder.start(*memory)
    for t in range(ts.shape[1]):
        scores, state = model.decoder.step(ts[:, t], state)
        np.testing.assert_allclose(to_numpy(scores), whole[:, t], atol=1e-12)


@pytest.mark.parametrize("name", MODELS)
def test_padding_and_neighbours_change_nothing(name):
    model, (xs, _) = small(name), questions()
    together = to_numpy(answer(model, xs, 6))
    alone = np.concatenate([to_numpy(answer(model, row, 6)) for row in (xs[:1], xs[1:2, :3], xs[2:])])
    assert np.array_equal(together, alone)
    best, _ = beam_search(model, xs, 6, width=1)
    assert np.array_equal(to_numpy(best)[:, 0], together)


@pytest.mark.parametrize("name", MODELS)
def test_an_empty_question_gets_an_answer(name):
    xs, ts = questions()
    xs[0] = 0
    model = small(name)
    assert np.isfinite(float(model.forward(xs, ts)))
    model.backward()
    assert all(np.isfinite(to_numpy(dense(grad))).all() for grad in unique_parameters(model)[1])
    assert answer(model, xs, 5).shape == (3, 5)


def test_the_states_of_both_directions_have_gradients():
    def layer(seed):
        rng = np.random.default_rng(seed)
        return LSTM(*(xp.asarray(rng.standard_normal(s)) for s in ((3, 8), (2, 8), (8,))))

    class Final(Stack):
        """Its output is the final states: what reaches them is checked."""

        def forward(self, xs):
            self.shape = super().forward(xs).shape
            return self.states

        def backward(self, *dstates):
            return super().backward(xp.zeros(self.shape), *dstates)

    x = xp.asarray(np.random.default_rng(9).standard_normal((2, 4, 3)))
    errors = layer_errors(Final([Bidirectional(layer(0), layer(1))]), x, rng=np.random.default_rng(0))
    assert len(errors) == 7 and max(errors.values()) < 1e-8


def test_gnmt_is_built_as_the_paper_draws_it():
    model = gnmt(7, 3, 4, np.random.default_rng(0), depth=3)
    first, *others = model.encoder.stack.layers
    assert isinstance(first, Bidirectional) and all(isinstance(layer, LSTM) for layer in others)
    assert model.encoder.stack.residual and len(others) == len(model.decoder.above) == 2
    assert all(len(layer.params[0]) == 8 for layer in model.decoder.above)  # the layer below, what was found


def test_gnmt_without_weights_in_its_upper_layers_is_its_lowest_layer():
    """Residual connections lead past them, on both sides."""
    deep, (xs, ts) = small("GNMT"), questions()
    for layer in (*deep.encoder.stack.layers[1:], *deep.decoder.above):
        for param in layer.params:
            param[:] = 0
    one = small("GNMT of one layer")
    for layer, its in (
        (one.encoder.embedding, deep.encoder.embedding),
        (one.encoder.stack.layers[0].rightward, deep.encoder.stack.layers[0].rightward),
        (one.encoder.stack.layers[0].leftward, deep.encoder.stack.layers[0].leftward),
        (one.decoder.embedding, deep.decoder.embedding),
        (one.decoder.look.cell, deep.decoder.look.cell),
        (one.decoder.affine, deep.decoder.affine),
    ):
        for param, other in zip(layer.params, its.params):
            param[:] = other
    assert float(one.forward(xs, ts)) == pytest.approx(float(deep.forward(xs, ts)), rel=1e-12)


def test_dates_are_learned_and_the_alignment_has_the_shape_of_the_answer():
    task = Task.split(dates(np.random.default_rng(0), 1500), 100, 100)
    xs, ts = task.arrays(task.train)
    model = attentive(len(task.characters), 8, 32, np.random.default_rng(1))
    losses = Trainer(model, Adam(0.01), np.random.default_rng(2), 5.0).fit(Shuffled(xs, ts, 64), epochs=1)
    assert losses[-1] < 0.7 * losses[0]
    assert 0 <= accuracy(model, *task.arrays(task.test)) <= 1
    text, weights = alignment(model, "9/27/94", task.characters, 12)
    assert weights.shape == (len(text), 7)


def with_a_mask_of_numbers(make):
    model, (xs, ts) = make(7, 3, 4, np.random.default_rng(0)), questions()
    hs, mask, *states = model.encoder.forward(xs)
    return model.decoder.forward(ts, hs, mask.astype(int), *states)


BAD = {
    "empty": (lambda m, c: alignment(m, "", c, 5), "question is empty; it should have at least one"),
    "unknown": (lambda m, c: alignment(m, "9?", c, 5), "has the character '\\?'; the model knows only"),
    "odd": (
        lambda m, c: attentive(7, 3, 5, np.random.default_rng(0), bidirectional=True),
        "H is 5; it should be even when bidirectional=True",
    ),
    "V": (lambda m, c: attentive(0, 3, 4, np.random.default_rng(0)), "V is 0; it should be a whole number"),
    "H": (
        lambda m, c: attentive(7, 3, 0, np.random.default_rng(0), bidirectional=True),
        "H is 0; it should be a whole number, at least 1",
    ),
    "depth": (lambda m, c: attentive(7, 3, 4, np.random.default_rng(0), depth=0), "depth is 0; it should be"),
    "D": (lambda m, c: looking_first(7, -1, 4, np.random.default_rng(0)), "D is -1; it should be a whole"),
    "decoder": (
        lambda m, c: LookFirstDecoder(7, 3, 0.5, np.random.default_rng(0)),
        "H is 0.5; it should be a whole number",
    ),
    "decoder, depth": (
        lambda m, c: AttentionDecoder(7, 3, 4, np.random.default_rng(0), depth=0),
        "depth is 0; it should be a whole number",
    ),
    "both ways": (
        lambda m, c: AttentionEncoder(7, 3, 4, np.random.default_rng(0), bidirectional="last"),
        "bidirectional is 'last'; it should be True, False or 'first'",
    ),
    "GNMT, odd": (
        lambda m, c: gnmt(7, 3, 5, np.random.default_rng(0)),
        "H is 5; it should be even when bidirectional='first'",
    ),
    "GNMT, depth": (lambda m, c: gnmt(7, 3, 4, np.random.default_rng(0), depth=0), "depth is 0; it should"),
    "GNMT's decoder": (
        lambda m, c: GNMTDecoder(7, 3, 4, np.random.default_rng(0), depth=1.5),
        "depth is 1.5; it should be a whole number",
    ),
    "mask": (lambda m, c: with_a_mask_of_numbers(looking_first), "mask holds int64; it should hold booleans"),
    "mask, after": (lambda m, c: with_a_mask_of_numbers(attentive), "mask holds int64; it should hold"),
}


def with_a_model_of_dates(call):
    task = Task.split(dates(np.random.default_rng(0), 50), 5, 5)
    model = attentive(len(task.characters), 3, 4, np.random.default_rng(1))
    return lambda: call(model, task.characters)


test_bad_input_gets_one_clear_sentence = bad_input(
    {name: (with_a_model_of_dates(call), sentence) for name, (call, sentence) in BAD.items()}
)
