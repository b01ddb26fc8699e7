"""Language models: reading order, perplexity over every word, the cache, writing."""

import math
import warnings
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from common.batches import InOrder, blocks, strands
from common.datasets import load_reviews, review_texts
from common.functions import softmax
from common.gradient_check import layer_errors
from common.layers import GRU, LSTM, RNN, LSTMCell, Model, find_generators, held, unique_parameters, walk
from common.layers.make import Make
from common.layers.recurrent import Recurrent
from common.metrics import perplexity
from common.models.cache import cache_perplexity
from common.models.gates import QUANTITIES, lstm_gates
from common.models.generation import continue_text
from common.models.language_model import LanguageModel
from common.models.pretrained import REVIEWS_WEIGHTS, load_reviews_model
from common.optimizers import Adam
from common.training import Trainer
from tests.helpers import bad_input

ROOT = Path(__file__).resolve().parent.parent
V = 7
rng = np.random.default_rng(0)
CYCLE = np.arange(200) % V  # the next word is certain
TEXT = np.where(rng.random(200) < 0.8, CYCLE, rng.integers(0, V, 200))


def model(seed=1984, **settings):
    settings = {"V": V, "D": 6, "H": 6} | settings
    return LanguageModel(rng=np.random.default_rng(seed), **settings)


def starts(m):
    return list(held(m).values())


# ---- the order of reading


def test_strands_go_on_from_block_to_block_and_targets_are_the_next_words():
    xs, ts = strands(np.arange(24), 3)  # 23 pairs: 7 for each strand, 2 left over
    assert xs.tolist() == [list(range(0, 7)), list(range(7, 14)), list(range(14, 21))]
    assert (ts == xs + 1).all()
    read = list(blocks(xs, ts, 3))
    assert [x.shape for x, _ in read] == [(3, 3), (3, 3), (3, 1)]
    assert np.array_equal(np.concatenate([x for x, _ in read], axis=1), xs)
    assert np.array_equal(np.concatenate([t for _, t in read], axis=1), ts)


# ---- the model


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("layer", [RNN, LSTM, GRU])
def test_gradients_of_the_whole_model(layer, tied):
    settings = {"layer": layer, "tied": tied, "depth": 2, "dropout": 0.3, "variational": True}
    m = model(dtype=np.float64, **settings)
    for _, part in walk(m):
        if isinstance(part, Recurrent):
            part.stateful = False  # so that each of the check's calls begins at the same state
    xs, ts = next(blocks(*strands(TEXT, 4), 5))
    assert len(unique_parameters(m)[0]) == len(m.params) - tied
    errors = layer_errors(m, xs, ts, rng=np.random.default_rng(0))
    assert len(errors) == len(m.params) - tied
    assert max(errors.values()) < 1e-7, errors


def test_a_new_model_knows_nothing_and_its_forget_gates_are_open():
    m = model()
    assert perplexity(m, TEXT) == pytest.approx(V, rel=0.2)
    b = m.layers[0].params[2]
    assert (b[12:18] == 1).all() and (np.delete(b, range(12, 18)) == 0).all()
    assert Make(np.random.default_rng(0)).recurrent(GRU, 3, 4).params[0].shape == (3, 12)


# ---- perplexity


@pytest.mark.parametrize("batch_size", [1, 3, 10, 60])
@pytest.mark.parametrize("T", [1, 4, 35])
def test_perplexity_counts_every_word_once(batch_size, T):
    seen = np.zeros(50, dtype=int)

    class Counting(Model):
        def forward(self, xs, ts, mask):
            assert (ts[mask] == xs[mask] + 1).all()
            np.add.at(seen, ts[mask], 1)
            return math.log(5) if mask.any() else 0.0

    assert perplexity(Counting(), np.arange(50), batch_size, T) == pytest.approx(5)
    assert seen[0] == 0 and (seen[1:] == 1).all()


def test_perplexity_does_not_depend_on_the_length_of_blocks_and_leaves_the_model_alone():
    m = model(dropout=0.5, dtype=np.float64)
    m.forward(*next(blocks(*strands(TEXT, 4), 5)))
    before, generators = starts(m), [g.bit_generator.state for g in find_generators(m)]
    one, two = perplexity(m, TEXT[:43], 4, 3), perplexity(m, TEXT[:43], 4, 35)
    assert one == pytest.approx(two, rel=1e-12)
    assert m.training and all(map(np.array_equal, before, starts(m)))
    assert generators == [g.bit_generator.state for g in find_generators(m)]
    # Word by word, in one strand: the definition.
    m.training = False
    scores = []
    for layer in m.layers:
        if isinstance(layer, Recurrent):
            layer.reset_state()
    for word, target in pairwise(TEXT[:43]):
        scores.append(float(m.forward(np.array([[word]]), np.array([[target]]))))
    assert perplexity(m, TEXT[:43], 1, 10) == pytest.approx(math.exp(np.mean(scores)), rel=1e-12)


# ---- its gates


def test_the_gates_are_those_with_which_the_model_reads():
    m = model(layer=LSTM, depth=2, dropout=0.3)
    m.forward(*next(blocks(*strands(TEXT, 1), 5)))
    before, generators = starts(m), [g.bit_generator.state for g in find_generators(m)]
    gates = lstm_gates(m, TEXT[:11])
    assert sorted(gates) == sorted((number, name) for number in (1, 2) for name in QUANTITIES)
    assert {values.shape for values in gates.values()} == {(11, 6)}
    assert m.training and all(map(np.array_equal, before, starts(m)))
    assert generators == [g.bit_generator.state for g in find_generators(m)]
    for number in (1, 2):  # c_t = f c_(t-1) + i g
        o, i, f, g, memory = (gates[number, name] for name in QUANTITIES)
        assert all(((part > 0) & (part < 1)).all() for part in (o, i, f))
        c = np.arctanh(memory)
        assert np.allclose(c[1:], f[1:] * c[:-1] + i[1:] * g[1:], atol=1e-9)
        assert np.allclose(c[0], i[0] * g[0], atol=1e-9)
    m.training = False
    for layer in m.layers:
        if isinstance(layer, LSTM):
            layer.reset_state()
    shown = gates[2, "output gate"] * gates[2, "memory"]
    assert np.allclose(m.hidden(TEXT[np.newaxis, :11])[0], shown, atol=1e-5)


def test_the_gates_are_computed_by_the_cell_that_is_given():
    class Shut(LSTMCell):
        def forward(self, x, h, c):
            super().forward(x, h, c)
            x, h, c, o, i, f, g, tanh_c = self.cache
            self.cache = x, h, c, o, i, 0 * f, g, tanh_c
            return h, c

    assert (lstm_gates(model(), TEXT[:5], Shut)[1, "forget gate"] == 0).all()


# ---- the cache


def cache_by_definition(m, ids, size, theta, weight):
    """One strand, one word at a time, one kept state at a time."""
    m.training = False
    for layer in m.layers:
        if isinstance(layer, Recurrent):
            layer.reset_state()
    kept, losses = [], []
    for word, target in pairwise(ids):
        h = m.hidden(np.array([[word]]))
        p = softmax(m.output.scores(h))[0, 0, target]
        if kept:
            likeness = [math.exp(theta * float(h[0, 0] @ state)) for state, _ in kept]
            right = sum(one for one, (_, follower) in zip(likeness, kept) if follower == target)
            p = (1 - weight) * p + weight * right / sum(likeness)
        losses.append(-math.log(p))
        kept = [*kept, (h[0, 0], target)][-size:]
    return math.exp(np.mean(losses))


@pytest.mark.parametrize("layer", [RNN, LSTM, GRU])
@pytest.mark.parametrize(("size", "theta"), [(1, 1.0), (4, 0.0), (9, 2.0), (1000, 30.0)])
@pytest.mark.parametrize("T", [1, 5, 50])
def test_the_cache_is_what_its_formula_says(layer, size, theta, T):
    m = model(layer=layer, H=9, depth=2, dropout=0.3, dtype=np.float64)
    expected = cache_by_definition(m, TEXT[:43], size, theta, 0.3)
    assert cache_perplexity(m, TEXT[:43], size, theta, 0.3, 1, T) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("batch_size", [1, 3, 10])
def test_without_weight_the_cache_changes_nothing(batch_size):
    for dtype, rel in ((np.float32, 1e-6), (np.float64, 1e-12)):
        m = model(dtype=dtype)
        plain = perplexity(m, TEXT, batch_size, 7)
        assert cache_perplexity(m, TEXT, 20, 1.0, 0, batch_size, 7) == pytest.approx(plain, rel=rel)


def test_each_strand_has_a_cache_of_its_own_and_padding_does_not_count():
    m = model(dtype=np.float64)
    parts = [TEXT[:15], TEXT[14:29], TEXT[28:41]]  # 40 targets in 3 strands: 14, 14, 12
    losses = [math.log(cache_perplexity(m, part, 5, 1.0, 0.4, 1)) * (len(part) - 1) for part in parts]
    whole = cache_perplexity(m, TEXT[:41], 5, 1.0, 0.4, 3, 4)
    assert whole == pytest.approx(math.exp(sum(losses) / 40), rel=1e-12)


def test_the_cache_helps_where_words_come_back_and_leaves_the_model_alone():
    m = model(dropout=0.5)
    m.forward(*next(blocks(*strands(TEXT, 4), 5)))
    before, generators = starts(m), [g.bit_generator.state for g in find_generators(m)]
    text = np.array([1, 2, 1, 2, 1, 2, 1, 2, 1, 2])
    assert cache_perplexity(m, text, 5, 0.0, 0.5, 1) < 0.8 * perplexity(m, text, 1)
    assert m.training and all(map(np.array_equal, before, starts(m)))
    assert generators == [g.bit_generator.state for g in find_generators(m)]


# ---- writing


def test_a_model_that_has_learned_what_is_certain_writes_it():
    m = model(H=16, D=16)
    t = Trainer(m, Adam(0.02), np.random.default_rng(0), 5.0)
    t.fit(InOrder(CYCLE, 4, 7), epochs=15)
    assert len(t.history) == 15 * 7 and perplexity(m, CYCLE, 4, 7) < 1.2  # 49 words a strand
    written = continue_text(m, [2, 3], 8, np.random.default_rng(0), temperature=0.5)
    assert written == [4, 5, 6, 0, 1, 2, 3, 4]
    assert written == continue_text(m, [2, 3], 8, np.random.default_rng(0), temperature=0.5)


def test_several_texts_are_continued_at_once_and_the_model_is_left_as_it_was():
    m = model()
    xs, ts = strands(TEXT, 4)
    m.forward(xs[:, :5], ts[:, :5])
    before = [layer.start_h.copy() for layer in m.layers]
    beginnings = np.array([[1, 2, 3], [4, 5, 6]])
    together = continue_text(m, beginnings, 6, np.random.default_rng(3), temperature=0)
    assert together.shape == (2, 6)
    for ids, written in zip(beginnings, together):
        assert continue_text(m, ids, 6, np.random.default_rng(9), temperature=0) == written.tolist()
    drawn = continue_text(m, beginnings, 50, np.random.default_rng(3), top_k=3, skip=[0, 2])
    assert not np.isin(drawn, [0, 2]).any() and len(np.unique(drawn)) >= 3
    for layer, state in zip(m.layers, before):
        np.testing.assert_array_equal(layer.start_h, state)


# ---- bad input

BAD = {
    "one word": (lambda: perplexity(model(), TEXT[:1]), "ids has 1 words; it should have at least 2"),
    "no cache": (
        lambda: cache_perplexity(model(), TEXT, 0, 1.0, 0.1),
        "size is 0; it should be a whole number, at least 1",
    ),
    "theta": (
        lambda: cache_perplexity(model(), TEXT, 5, -1.0, 0.1),
        "theta is -1.0; it should be a number, at least 0",
    ),
    "weight": (
        lambda: cache_perplexity(model(), TEXT, 5, 1.0, 1),
        "weight is 1; it should be at least 0 and below 1",
    ),
    "one word for the cache": (
        lambda: cache_perplexity(model(), TEXT[:1], 5, 1.0, 0.1),
        "ids has 1 words; it should have at least 2",
    ),
    "T=0": (lambda: perplexity(model(), TEXT, T=0), "T is 0; it should be a whole number, at least 1"),
    "no strand": (lambda: perplexity(model(), TEXT, 0), "batch_size is 0; it should be a whole number"),
    "another word": (
        lambda: perplexity(model(), TEXT - 1),
        "ids holds numbers from -1 to 5; they should lie between 0 and 6",
    ),
    "tied": (lambda: model(D=5, tied=True), "D is 5 and H is 6; they should be equal when tied=True"),
    "V=0": (lambda: model(V=0), "V is 0; it should be a whole number, at least 1"),
    "layer": (lambda: model(layer="LSTM"), "layer is 'LSTM'; it should be RNN, LSTM or GRU"),
    "nothing to go on": (
        lambda: continue_text(model(), [], 5, np.random.default_rng(0)),
        "ids is empty; it should hold at least one word",
    ),
    "temperature": (
        lambda: continue_text(model(), [1], 5, np.random.default_rng(0), -1),
        "temperature is -1; it should be a number, at least 0",
    ),
}


test_bad_input_gets_one_clear_sentence = bad_input(BAD)


# ---- numbers that are too large


def test_an_infinite_perplexity_is_told_without_a_warning():
    model = LanguageModel(5, 3, 3, np.random.default_rng(0))
    model.output.params[0][:, 0] = 1e30
    text = np.random.default_rng(0).integers(5, size=50)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert perplexity(model, text) == math.inf


# ---- the reviews


def test_the_reviews_are_three_texts_that_share_no_review():
    vocabulary, texts = review_texts()
    end = vocabulary["<eos>"]
    ends = [int((text == end).sum()) for text in texts]
    assert ends[1:] == [400, 400] and len(vocabulary) == 10_000
    assert sum(ends) == len(load_reviews())
    assert all(text[-1] == end for text in texts)


def test_the_model_that_comes_with_the_book_is_small_and_knows_reviews():
    assert REVIEWS_WEIGHTS.stat().st_size < 6_000_000
    model, vocabulary = load_reviews_model()
    words, (_, _, test) = review_texts()
    assert not model.training
    assert vocabulary.words == words.words and vocabulary.unknown == words.unknown
    assert perplexity(model, test[:3000], batch_size=3) < 150  # a model that knows nothing has 10,000
    film, the = vocabulary["film"], vocabulary["the"]
    after = model.predict(np.array(vocabulary.encode(["<eos>", "this"]))[None])[0, -1]
    assert after[film] > after[the]
