"""The protocol of layers and models: nothing that is learned or kept gets lost without a word."""

import copy
import pickle

import numpy as np
import pytest

from common.backend import to_numpy, xp
from common.batches import Shuffled
from common.gradient_check import layer_errors
from common.initializers import gaussian, zeros
from common.layers import (
    GRU,
    LSTM,
    RNN,
    Affine,
    Bidirectional,
    Dropout,
    Embedding,
    Layer,
    MatMul,
    Model,
    ReLU,
    SoftmaxWithLoss,
    count_parameters,
    evaluating,
    find_generators,
    held,
    hold,
    unique_parameters,
    walk,
)
from common.layers.base import memory_layout
from common.layers.stack import Stack
from common.metrics import perplexity
from common.models.attention import AttentionDecoder, attentive
from common.models.cache import cache_perplexity
from common.models.decoding import accuracy, alignment, answer, beam_search
from common.models.generation import continue_text
from common.models.language_model import LanguageModel
from common.models.seq2seq import plain
from common.optimizers import SGD
from common.support.files import read_npz
from common.text import Vocabulary
from common.training import Trainer
from common.weights import load_weights, save_weights

V = 7
TEXT = np.random.default_rng(0).integers(0, V, 100)


def normal(*shape, seed=0, dtype=np.float64):
    return xp.asarray(np.random.default_rng(seed).standard_normal(shape).astype(dtype))


def affine(D, H, seed=0):
    return Affine(normal(D, H, seed=seed), normal(H, seed=seed + 1))


def language_model(**settings):
    return LanguageModel(V, 4, 4, np.random.default_rng(0), **settings)


class Through(Model):
    """Layers one after the other, wherever they are kept."""

    def forward(self, x):
        for _, layer in self.named_layers():
            x = layer.forward(x)
        return x

    def backward(self, dout):
        for _, layer in reversed(list(self.named_layers())):
            dout = layer.backward(dout)
        return dout


def through(**places):
    model = Through()
    vars(model).update(places)
    return model


# ---- weights that would get lost


class Scale(Layer):
    """A layer whose author has forgotten ``names``."""

    def forward(self, x):
        return x * self.params[0]


class Slow(Layer):
    """A layer whose author has forgotten ``super().__init__``."""

    def __init__(self, W):
        self.W = W


class Nested(Layer):
    """A layer that should have been a model."""

    def __init__(self):
        super().__init__()
        self.inside = {"affine": [affine(2, 3)]}


class Careless(MatMul):
    """A layer that leaves one gradient too few."""

    def backward(self, dout):
        dx = super().backward(dout)
        self.grads = []
        return dx


def trained_without(model):
    return Trainer(model, SGD(0.1), np.random.default_rng(0)).fit(
        Shuffled(normal(4, 2), xp.zeros(4, int), 2), 1
    )


class NoWeights(Model):
    def __init__(self):
        self.loss = SoftmaxWithLoss()

    def forward(self, x, t):
        return self.loss.forward(x, t)

    def backward(self):
        self.loss.backward()


class Undeclared(Model):
    def __init__(self):
        self.scale, self.affine = normal(3), affine(2, 3)


def grads_of_careless():
    layer = Careless(normal(3, 2))
    layer.backward(layer.forward(normal(4, 3)))
    return unique_parameters(through(layer=layer))


def one_layer_twice():
    relu = ReLU()
    return unique_parameters(through(layers=[affine(2, 2), relu, affine(2, 2), relu]))


def one_layer_at_two_depths():
    layer = affine(2, 2)
    return unique_parameters(through(first=layer, rest={"all": [through(inner=layer)]}))


LOST = {
    "no names": (
        lambda: Scale(normal(3)),
        "Scale has 1 params and 0 names; names should name each of params",
    ),
    "names lost later": (
        lambda: save_weights("x.npz", vars(layer := Scale()).update(params=[normal(3)]) or layer),
        "Scale has 1 params and 0 names",
    ),
    "no params": (
        lambda: Slow(normal(3)),
        r"Slow has no params; its __init__ should call super\(\)",
    ),
    "no model": (lambda: Nested(), "Nested holds layers in inside; it should be a Model"),
    "an array of its own": (
        lambda: Undeclared(),
        r"Undeclared has an array scale; it should stand in names if it is learned \(with its gradient in",
    ),
    "no gradient": (
        grads_of_careless,
        "Careless has 1 params and 0 grads; backward should leave one",
    ),
    "nothing to learn": (lambda: trained_without(NoWeights()), "NoWeights has no weights; its layers should"),
    "twice in a list": (
        one_layer_twice,
        "layers.1 and layers.3 are one ReLU; they should be two layers",
    ),
    "at two depths": (
        one_layer_at_two_depths,
        r"first and rest\.all\.0\.inner are one Affine; they should",
    ),
    "one name": (
        lambda: list(walk(through(layers={1: ReLU(), "1": affine(2, 2)}))),
        r"two layers are both called layers\.1; each should have a name of its own",
    ),
}


@pytest.mark.parametrize("name", LOST)
def test_what_would_get_lost_is_refused_in_one_sentence(name):
    call, sentence = LOST[name]
    with pytest.raises((ValueError, TypeError), match=sentence) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_one_layer_at_two_places_is_refused_wherever_it_would_be_wrong(tmp_path):
    model = language_model()
    model.again = model.layers[0]
    uses = [
        lambda: save_weights(tmp_path / "w.npz", model),
        lambda: Trainer(model, SGD(1.0), np.random.default_rng(0)).fit(Shuffled(*WORDS, 2), 1),
        lambda: layer_errors(model, *WORDS, rng=np.random.default_rng(0)),
        lambda: perplexity(model, TEXT),
        lambda: model.params,
        lambda: model.grads,
        lambda: copy.deepcopy(model),
    ]
    for use in uses:
        with pytest.raises(ValueError, match=r"layers\.0 and again are one LSTM; they should be two layers"):
            use()


KEPT_IN = {
    "a dictionary": lambda *layers: {"layers": dict(zip("abc", layers))},
    "a list of lists": lambda a, b, c: {"layers": [[a, [b]], [c]]},
    "tuples in a dictionary": lambda a, b, c: {"layers": {"two": (a, b), 3: {"one": c}}},
}


@pytest.mark.parametrize("place", KEPT_IN)
def test_layers_are_found_at_any_depth(place, tmp_path):
    def make(seed):
        return through(**KEPT_IN[place](affine(3, 4, seed), ReLU(), affine(4, 2, seed)))

    model, loaded = make(1), make(5)
    assert len(unique_parameters(model)[0]) == 4
    assert max(layer_errors(model, normal(5, 3), rng=np.random.default_rng(0)).values()) < 1e-8
    save_weights(tmp_path / "w.npz", model)
    load_weights(tmp_path / "w.npz", loaded)
    assert all(map(np.array_equal, map(to_numpy, model.params), map(to_numpy, loaded.params)))
    model.training = False
    assert not any(layer.training for _, layer in walk(model))


class Scaled(Model):
    """An Affine, and a scale of its own."""

    names = ("scale",)

    def __init__(self, seed=0):
        self.affine, self.scale = affine(3, 2, seed), normal(2, seed=seed + 7)

    def forward(self, x):
        self.y = self.affine.forward(x)
        return self.y * self.scale

    def backward(self, dout):
        self.dscale = (dout * self.y).sum(axis=0)
        return self.affine.backward(dout * self.scale)


def test_a_model_may_have_weights_of_its_own(tmp_path):
    model, loaded = through(inner=Scaled()), through(inner=Scaled(1))
    assert [name for name, _ in model.named_params()] == ["inner.scale", "inner.affine.W", "inner.affine.b"]
    assert [grad.shape for grad in model.grads] == [(2,), (3, 2), (2,)]
    assert max(layer_errors(model, normal(5, 3), rng=np.random.default_rng(0)).values()) < 1e-8
    before = model.inner.scale.copy()
    SGD(0.1).update(*unique_parameters(model))
    assert not np.array_equal(to_numpy(before), to_numpy(model.inner.scale))
    save_weights(tmp_path / "w.npz", model)
    load_weights(tmp_path / "w.npz", loaded)
    assert np.array_equal(to_numpy(model.inner.scale), to_numpy(loaded.inner.scale))


# ---- recurrent layers, one above the other


def recurrent(layer, D, H, seed=0):
    width = layer.gates * H
    biases = [normal(width, seed=seed + i) for i, _ in enumerate(layer.names[2:])]
    return layer(normal(D, width, seed=seed + 5), normal(H, width, seed=seed + 6), *biases)


class Final(Model):
    """A stack that gives its final states as well."""

    def __init__(self, *layers):
        self.stack = Stack(layers)

    def forward(self, xs):
        return self.stack.forward(xs), *self.stack.states

    def backward(self, dhs, *dstates):
        return self.stack.backward(dhs, *dstates)


STACKS = {
    "GRU, GRU": lambda: (recurrent(GRU, 3, 4), recurrent(GRU, 4, 4, 1)),
    "LSTM, GRU": lambda: (recurrent(LSTM, 3, 4), recurrent(GRU, 4, 4, 1)),
    "RNN, LSTM": lambda: (recurrent(RNN, 3, 4), recurrent(LSTM, 4, 4, 1)),
    "both ways": lambda: tuple(
        Bidirectional(recurrent(GRU, D, 2, D), recurrent(GRU, D, 2, D + 1)) for D in (3, 4)
    ),
}


@pytest.mark.parametrize("layers", STACKS)
def test_a_stack_hands_each_layer_the_gradients_of_its_own_states(layers):
    errors = layer_errors(Final(*STACKS[layers]()), normal(2, 5, 3), rng=np.random.default_rng(0))
    assert max(errors.values()) < 1e-7, errors


@pytest.mark.parametrize("layer", [RNN, LSTM, GRU])
def test_more_gradients_of_states_than_states_are_refused(layer):
    one = recurrent(layer, 3, 4)
    hs = one.forward(normal(2, 5, 3))
    n = len(one.state_names)
    with pytest.raises(ValueError, match=f"dstate has {n + 1} parts; it should have at most {n}: dh"):
        one.backward(hs, *[normal(2, 4)] * (n + 1))
    with pytest.raises(ValueError, match=f"states has {n + 1} parts; it should have {n}"):
        Stack([one]).backward(hs, *[normal(2, 4)] * (n + 1))


def test_a_decoder_refuses_states_of_another_depth():
    decoder = AttentionDecoder(5, 3, 4, np.random.default_rng(0), depth=2)
    hs, h = normal(2, 3, 4, dtype=np.float32), normal(2, 4, dtype=np.float32)
    with pytest.raises(ValueError, match="states has 2 parts; it should have 4"):
        decoder.forward(xp.ones((2, 3), dtype=int), hs, xp.ones((2, 3), dtype=bool), h, h)


# ---- what is kept and not learned


class Running(Layer):
    """The heart of batch normalization: subtracts the mean of the batch, at rest the running one."""

    buffers = ("mean", "batches")

    def __init__(self, D):
        super().__init__()
        self.mean, self.batches = xp.zeros(D, dtype=np.float32), None

    def forward(self, x):
        if self.training:
            self.mean *= 0.9
            self.mean += 0.1 * x.mean(axis=0)
            self.batches = xp.asarray(np.array(1 if self.batches is None else int(self.batches) + 1))
            return x - x.mean(axis=0)
        return x - self.mean

    def backward(self, dout):
        return dout - dout.mean(axis=0)


class Memory(Layer):
    """Adds what it has seen, and writes in place what it sees."""

    carried = ("seen",)

    def __init__(self, D):
        super().__init__()
        self.D = D
        self.reset_state()

    def reset_state(self):
        self.seen = xp.zeros(self.D, dtype=np.float32)

    def forward(self, x):
        self.seen += x.mean(axis=0)
        return x + self.seen

    def backward(self, dout):
        return dout


class Keeps(Model):
    def __init__(self, seed=0, D=4):
        rng = np.random.default_rng(seed)
        self.embedding = Embedding(gaussian(rng, V, D))
        self.layers = {"running": Running(D), "memory": [Memory(D)]}
        self.out, self.loss = Affine(gaussian(rng, D, V), zeros(V)), SoftmaxWithLoss()

    def chain(self):
        return [self.embedding, self.layers["running"], self.layers["memory"][0], self.out]

    def predict(self, x):
        for layer in self.chain():
            x = layer.forward(x)
        return x

    def forward(self, x, t):
        return self.loss.forward(self.predict(x), t)

    def backward(self):
        dout = self.loss.backward()
        for layer in reversed(self.chain()):
            dout = layer.backward(dout)


x = xp.asarray(TEXT[:60])
y = (x + 1) % V


def keeps(epochs=0, seed=0, checkpoint=None):
    trainer = Trainer(Keeps(seed), SGD(0.1), np.random.default_rng(0))
    if epochs:
        trainer.fit(Shuffled(x, y, 8), epochs, checkpoint)
    return trainer


def same(one, two):
    return one.keys() == two.keys() and all(
        (one[name] is None and two[name] is None) or np.array_equal(to_numpy(one[name]), to_numpy(two[name]))
        for name in one
    )


def test_what_is_kept_has_names():
    assert list(held(Keeps())) == ["layers.running.mean", "layers.running.batches", "layers.memory.0.seen"]
    assert list(held(Keeps(), carried=False)) == ["layers.running.mean", "layers.running.batches"]
    assert list(held(language_model(layer=LSTM))) == ["layers.0.start_h", "layers.0.start_c"]


def test_buffers_are_saved_with_the_weights_and_what_is_carried_is_not(tmp_path):
    path, saved, loaded = tmp_path / "w.npz", keeps(2).model, Keeps(1)
    save_weights(path, saved, "float16")
    kept = read_npz(path)
    assert kept["layers.running.mean"].dtype == np.float32 and "layers.memory.0.seen" not in kept
    carried = to_numpy(loaded.layers["memory"][0].seen)
    load_weights(path, loaded)
    assert same(held(saved, carried=False), held(loaded, carried=False))
    assert np.array_equal(to_numpy(loaded.layers["memory"][0].seen), carried)
    with evaluating(saved), evaluating(loaded):
        np.testing.assert_allclose(to_numpy(saved.predict(x)), to_numpy(loaded.predict(x)), atol=1e-2)


def test_a_file_without_its_buffers_or_with_others_is_refused_and_nothing_is_changed(tmp_path):
    path, loaded = tmp_path / "w.npz", Keeps(1)
    before = [to_numpy(p).copy() for p in loaded.params], held(loaded)
    save_weights(path, keeps(1).model)
    arrays = read_npz(path)
    for change, sentence in (
        ({"layers.running.mean": None}, r"it lacks layers\.running\.mean"),
        ({"layers.running.mean": np.zeros(5)}, r"layers\.running\.mean in .* has shape \(5,\), not \(4,\)"),
        ({"layers.running.other": np.zeros(5)}, r"has layers\.running\.other that this model lacks"),
    ):
        np.savez(path, **{k: v for k, v in (arrays | change).items() if v is not None})
        with pytest.raises(ValueError, match=sentence):
            load_weights(path, loaded)
    assert all(map(np.array_equal, before[0], map(to_numpy, loaded.params))) and same(before[1], held(loaded))


def test_what_is_kept_is_resumed_to_the_same_bits(tmp_path):
    whole = keeps(4)
    keeps(2, checkpoint=tmp_path / "c.npz")
    resumed = keeps(4, seed=3, checkpoint=tmp_path / "c.npz")
    assert whole.history == resumed.history and same(held(whole.model), held(resumed.model))
    assert all(map(np.array_equal, map(to_numpy, whole.model.params), map(to_numpy, resumed.model.params)))


def test_a_refused_step_puts_back_what_is_kept():
    trainer = keeps(1)
    before = held(trainer.model)
    trainer.model.out.params[0][0, 0] = np.nan
    with pytest.raises(FloatingPointError, match=r"out \(Affine\), forward"):
        trainer.fit(Shuffled(x, y, 8), 1)
    assert same(before, held(trainer.model))


def test_what_was_taken_out_is_a_copy_and_so_is_what_is_put_back():
    model = Keeps()
    kept = held(model)
    for _ in range(2):
        model.forward(x, y)
        assert not same(kept, held(model))
        hold(model, kept)
        assert same(kept, held(model))


# ---- copies


COPIES = {"deepcopy": copy.deepcopy, "pickle": lambda value: pickle.loads(pickle.dumps(value))}


class Twice(Layer):
    """One matrix there, and its transpose back, in one layer."""

    names = ("W", "V")


@pytest.mark.parametrize("how", COPIES)
def test_a_copy_shares_what_the_model_shares(how, tmp_path):
    model = language_model(tied=True, dropout=0.5)
    twin = COPIES[how](model)
    assert len(unique_parameters(twin)[0]) == len(unique_parameters(model)[0]) == len(model.params) - 1
    assert np.shares_memory(twin.embedding.params[0], twin.output.params[0])
    assert not np.shares_memory(twin.embedding.params[0], model.embedding.params[0])
    assert twin.output.params[0].shape == model.output.params[0].shape
    assert len({id(rng) for rng in find_generators(twin)}) == 1
    for one in (model, twin):
        optimizer = SGD(1.0)
        one.forward(*WORDS)
        one.backward()
        optimizer.update(*unique_parameters(one))
    assert all(map(np.array_equal, model.params, twin.params))
    save_weights(tmp_path / "w.npz", twin)
    load_weights(tmp_path / "w.npz", model)
    W = normal(3, 4)
    layer = COPIES[how](Twice(W, W.T))
    assert np.shares_memory(*layer.params) and layer.params[1].shape == (4, 3)
    pair = COPIES[how](through(a=MatMul(W), b=through(c=[MatMul(W)])))
    assert len(unique_parameters(pair)[0]) == 1


# ---- evaluation leaves the model as it was


def sequences():
    rng = np.random.default_rng(0)
    questions = rng.integers(3, V, (4, 5)).astype(np.int32)
    answers = np.concatenate([np.ones((4, 1), int), rng.integers(3, V, (4, 3)), np.full((4, 1), 2)], axis=1)
    return xp.asarray(questions), xp.asarray(answers.astype(np.int32))


CHARACTERS = Vocabulary(["<pad>", "<start>", "<end>", *"abcd"])
QUESTIONS, ANSWERS = sequences()
WORDS = xp.asarray(TEXT[:20].reshape(4, 5)), xp.asarray(TEXT[1:21].reshape(4, 5))
EVALUATIONS = {
    "perplexity": (language_model, WORDS, lambda m: perplexity(m, TEXT[30:51], 4, 5)),  # of the same shape
    "cache_perplexity": (
        language_model,
        WORDS,
        lambda m: cache_perplexity(m, TEXT[30:51], 5, 1.0, 0.1, 4, 5),
    ),
    "continue_text": (
        language_model,
        WORDS,
        lambda m: continue_text(m, TEXT[30:50].reshape(4, 5), 5, np.random.default_rng(0)),
    ),
    "answer": (plain, (QUESTIONS, ANSWERS), lambda m: answer(m, QUESTIONS[::-1], 4)),
    "beam_search": (plain, (QUESTIONS, ANSWERS), lambda m: beam_search(m, QUESTIONS[::-1], 4, 2)),
    "accuracy": (plain, (QUESTIONS, ANSWERS), lambda m: accuracy(m, QUESTIONS[::-1], ANSWERS)),
    "alignment": (attentive, (QUESTIONS, ANSWERS), lambda m: alignment(m, "abcd", CHARACTERS, 4)),
}


def last_states(model):
    return [to_numpy(layer.h) for _, layer in walk(model) if isinstance(layer, LSTM)]


@pytest.mark.parametrize("name", EVALUATIONS)
def test_evaluation_puts_back_each_flag_the_states_and_what_backward_needs(name):
    make, batch, evaluate = EVALUATIONS[name]
    gradients = []
    for evaluated in (False, True):
        if make is language_model:
            model = make(dropout=0.5, depth=2, variational=True)
            model.layers[0].training = False  # frozen by the reader
        else:
            model = make(V, 4, 4, np.random.default_rng(0))
            model.encoder.embedding.training = False
        model.forward(*batch)
        flags, kept = [layer.training for _, layer in walk(model)], held(model)
        last = last_states(model)
        if evaluated:
            evaluate(model)
            with pytest.raises(ZeroDivisionError), evaluating(model):
                model.forward(*batch)
                model.forward(*(part[::-1] for part in batch))
                raise ZeroDivisionError
        assert [layer.training for _, layer in walk(model)] == flags
        assert False in flags and True in flags
        assert same(kept, held(model))
        assert all(map(np.array_equal, last, last_states(model)))
        model.backward()
        gradients.append([to_numpy(g.dense() if hasattr(g, "dense") else g).copy() for g in model.grads])
    assert all(map(np.array_equal, *gradients))


def test_evaluation_leaves_what_is_kept_alone():
    model = keeps(1).model
    kept = held(model)
    with evaluating(model):
        assert not to_numpy(model.layers["memory"][0].seen).any()
        model.forward(x[::-1], y)
    assert same(kept, held(model))


def test_a_frozen_layer_stays_frozen_through_training():
    model = language_model(dropout=0.5)
    model.layers[0].training = False
    seen = []
    Trainer(model, SGD(0.1), np.random.default_rng(0)).fit(
        Shuffled(*WORDS, 2),
        3,
        on_epoch=lambda t: seen.append([layer.training for layer in model.layers]),
    )
    assert seen == [[False, True, True]] * 3


def test_a_model_at_rest_is_woken_for_training():
    model = language_model(dropout=0.5)
    model.training = False
    Trainer(model, SGD(0.1), np.random.default_rng(0)).fit(Shuffled(*WORDS, 4), 2)
    assert model.training and isinstance(model.layers[0], Dropout)
    assert float(model.layers[0].factor.min()) == 0


def test_a_shared_weight_is_counted_once():
    V, H = 7, 4
    tied, own = (LanguageModel(V, H, H, np.random.default_rng(0), tied=tied) for tied in (True, False))
    assert count_parameters(own) - count_parameters(tied) == V * H
    assert count_parameters(tied) == V * H + V + 2 * H * 4 * H + 4 * H


def test_memory_layout_knows_a_transpose_and_not_a_copy():
    x = np.ones((2, 3))
    address, shape, strides = memory_layout(x)
    assert memory_layout(x) == (address, shape, strides)
    assert memory_layout(x.T) == (address, shape[::-1], strides[::-1])
    assert memory_layout(x.copy())[0] != address
