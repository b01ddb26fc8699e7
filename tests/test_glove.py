"""GloVe: its gradients against the loss it stands for, its tiles against a loop over pairs, and bad input."""

import json

import numpy as np
import pytest
from scipy import sparse

from benchmarks import glove as bench
from common import book
from common.datasets import Reviews
from common.text import Vocabulary
from common.vectors import GloVe, WordVectors, cooccurrence, evaluate_similarity, pair_weights
from common.vectors.glove import first_biases
from runs import glove as glove_run
from tests.helpers import bad_input
from tests.test_word2vec import two_topics


def some_counts(size=7, seed=0):
    """Counts, a third of them 0, and not symmetric: rows and columns must not be taken for each other."""
    rng = np.random.default_rng(seed)
    return sparse.csr_array(rng.gamma(0.5, 20, (size, size)) * (rng.random((size, size)) < 2 / 3))


def small_model(counts=None, seed=1984, **settings):
    """Three groups of words, the last of them smaller, in double precision."""
    settings = {"dimension": 3, "tile": 3, "dtype": np.float64} | settings
    return GloVe(some_counts() if counts is None else counts, np.random.default_rng(seed), **settings)


def large(model):
    """The model with vectors so large that each of them makes a difference."""
    rng = np.random.default_rng(7)
    for param in model.params:
        param[...] = rng.standard_normal(param.shape)
    return model


def pairs_cost(model, counts, rows, columns):
    """The loss pair by pair, straight from the paper."""
    cost = 0.0
    for i in range(*rows.indices(counts.shape[0])):
        for j in range(*columns.indices(counts.shape[1])):
            x = counts[i, j]
            if x > 0:
                weight = (x / model.x_max) ** model.power if x < model.x_max else 1
                cost += weight * (model.W[i] @ model.C[j] + model.b[i] + model.c[j] - np.log(x)) ** 2
    return cost


TILES = [(0, 0), (0, 1), (1, 2), (2, 0), (2, 2)]


@pytest.mark.parametrize("tile", TILES)
def test_a_tile_costs_what_its_pairs_cost(tile):
    counts = some_counts()
    model = large(small_model(counts))
    rows, columns, *_ = model.places(*tile)
    assert model.gradients(*tile)[0] == pytest.approx(pairs_cost(model, counts.toarray(), rows, columns))


@pytest.mark.parametrize("tile", TILES)
def test_the_gradients_of_a_tile_are_those_of_its_cost(tile):
    model = large(small_model())
    _, grads = model.gradients(*tile)
    for param, place, grad in zip(model.params, model.places(*tile), grads):
        part, numeric = param[place], np.empty_like(grad)
        assert part.shape == grad.shape
        for index in np.ndindex(part.shape):
            kept = part[index]
            sides = []
            for step in (1e-5, -1e-5):
                part[index] = kept + step
                sides.append(model.gradients(*tile)[0])
            part[index] = kept
            numeric[index] = (sides[0] - sides[1]) / 2e-5
        np.testing.assert_allclose(grad, numeric, rtol=1e-7, atol=1e-7)


def test_a_pass_is_that_of_a_loop_over_pairs():
    counts, model = some_counts(), small_model()
    twin = small_model()
    order = np.random.default_rng(1984)
    order.bit_generator.state = twin.rng.bit_generator.state
    W, C, b, c = twin.params
    total = 0.0
    for number in order.permutation(9):
        rows, columns = (range(3 * k, min(3 * k + 3, 7)) for k in divmod(int(number), 3))
        grads = [np.zeros_like(param) for param in twin.params]
        for i in rows:
            for j in columns:
                if (x := counts[i, j]) > 0:
                    difference = W[i] @ C[j] + b[i] + c[j] - np.log(x)
                    weighted = min(1, (x / twin.x_max) ** twin.power) * difference
                    total += weighted * difference
                    for place, grad, other in zip((i, j, i, j), grads, (C[j], W[i], 1, 1)):
                        grad[place] += 2 * weighted * other
        for param, seen, grad in zip(twin.params, twin.seen, grads):
            seen += grad**2
            param -= twin.lr * grad / np.sqrt(seen)
    model.train()
    for ours, theirs in zip(model.params, twin.params):
        np.testing.assert_allclose(ours, theirs, rtol=1e-10)
    assert model.losses == pytest.approx([total / counts.nnz])


def test_the_loop_of_the_benchmarks_learns_the_same_from_a_pair():
    counts = some_counts()
    ours, peer = small_model(counts, tile=1), small_model(counts, tile=1)
    for i, j in zip(*counts.nonzero()):
        ours.step(i, j)
        bench.learn_pair(peer, i, j, counts[i, j])
    for a, b in zip(ours.params, peer.params):
        np.testing.assert_allclose(a, b, rtol=1e-12)


def test_each_side_gets_the_passes_that_it_needs_for_the_weaker_ones_scores(monkeypatch):
    def run(curve, **seconds):
        names = ("wordsim353", "simlex999")
        return {"after so many passes": {k: dict(zip(names, v)) for k, v in curve.items()}} | seconds

    seconds = {"processor_seconds": 30.0, "passes": 15, "processor_seconds_of_counting": 5.0}
    ours = [
        run({"5": (0.2, 0.1), "10": (0.3, 0.2), "15": (0.3, 0.3)}, **seconds),
        run({"5": (0.2, 0.1), "10": (0.3, 0.2), "15": (0.4, 0.3)}, **seconds),
    ]
    runs = {
        "glove, 10,000 words": dict(zip("12", ours)),
        glove_run.GENSIM: {"1": run({"1": (0.1, 0.1), "2": (0.35, 0.1), "3": (0.5, 0.2)})},
    }
    monkeypatch.setattr(book, "recorded", lambda name: {"runs": runs})
    found = bench.recorded_quality.__wrapped__()
    assert found == {
        "ours": {"passes": 15, "wordsim353": 0.35, "simlex999": 0.3, "passes that counting is worth": 2.5},
        "gensim": {"passes": 3, "wordsim353": 0.5, "simlex999": 0.2},
    }


@pytest.mark.parametrize("tile", [1, 2, 7, 100])
def test_all_tiles_together_are_the_counts(tile):
    counts = some_counts()
    model = small_model(counts, tile=tile)
    logs, weights = (
        np.block(
            [[model.targets(i, j)[k] for j in range(len(model.groups))] for i in range(len(model.groups))]
        )
        for k in (0, 1)
    )
    dense = counts.toarray()
    np.testing.assert_allclose(np.where(weights > 0, np.exp(logs), 0), dense)
    np.testing.assert_allclose(weights, np.minimum(1, (dense / 10) ** 0.75))
    assert model.pairs == (dense > 0).sum() == sum(len(place) for place, _ in model.cells)


def test_the_biases_leave_the_mutual_information_to_the_vectors():
    counts = some_counts().toarray()
    counts += counts.T
    model = small_model(counts)
    share = counts / counts.sum()
    with np.errstate(divide="ignore"):
        pmi = np.log(share / (share.sum(axis=1, keepdims=True) * share.sum(axis=0)))
        left = np.log(counts) - model.b[:, np.newaxis] - model.c
    np.testing.assert_allclose(left, pmi)
    assert abs(small_model(counts, biases="random").b).max() < 0.5 / 3 < abs(model.b).max()


def test_a_word_without_neighbours_is_left_alone():
    counts = some_counts().toarray()
    counts[2] = counts[:, 2] = 0
    np.testing.assert_array_equal(first_biases(np.array([1.0, 0, 1]))[1], 0)
    model = small_model(counts)
    before = model.W[2].copy(), model.C[2].copy()
    model.train(3)
    np.testing.assert_array_equal((model.W[2], model.C[2]), before)
    assert model.b[2] == model.c[2] == 0 and np.isfinite(model.vectors).all()


def test_the_weight_rises_to_one_at_x_max():
    weights = pair_weights(np.log([0.1, 1, 5, 10, 1e6]))
    np.testing.assert_allclose(weights, [0.01**0.75, 0.1**0.75, 0.5**0.75, 1, 1])
    np.testing.assert_allclose(pair_weights(np.log([10.0]), x_max=100, power=1), 0.1)


def text_model(seed=1984, **settings):
    ids = two_topics(np.random.default_rng(0))
    counts = cooccurrence(ids, 10, window=3, weighting="harmonic")
    return GloVe(counts, np.random.default_rng(seed), **({"dimension": 8, "tile": 4} | settings))


def test_words_that_keep_company_become_alike_and_the_loss_falls():
    model = text_model().train(40)
    assert len(model.losses) == 40 and model.losses[-1] < model.losses[0] / 10
    wv = WordVectors([str(i) for i in range(10)], model.vectors)
    for word in range(10):
        nearest = [int(other) for other, _ in wv.most_similar(str(word), top=4)]
        assert {other // 5 for other in nearest} == {word // 5}


def test_same_seed_same_bits_and_going_on_is_not_having_stopped():
    whole, again, other = text_model().train(6), text_model(), text_model(seed=1).train(6)
    epochs = []
    again.train(2, on_epoch=epochs.append).train(4)
    assert epochs == [again, again] and whole.losses == again.losses
    for ours, theirs in zip(whole.params, again.params):
        np.testing.assert_array_equal(ours, theirs)
        assert ours.dtype == np.float32
    assert (whole.W != other.W).any()


def test_counts_are_not_changed():
    counts = some_counts()
    before = counts.toarray()
    small_model(counts).train(2)
    np.testing.assert_array_equal(counts.toarray(), before)


def test_repr_says_what_it_is():
    assert repr(small_model()) == f"GloVe(V=7, D=3, pairs={some_counts().nnz}, x_max=10)"


def with_one(value):
    counts = some_counts().toarray()
    counts[1, 1] = value
    return counts


test_bad_input_is_one_sentence = bad_input(
    {
        "NaN": (
            lambda: small_model(with_one(np.nan)),
            "counts holds a negative number, a NaN or an infinity",
        ),
        "negative": (lambda: small_model(with_one(-1)), "counts holds a negative number"),
        "empty": (lambda: small_model(np.zeros((3, 3))), r"counts of shape \(3, 3\) is all 0"),
        "not square": (
            lambda: small_model(np.ones((2, 3))),
            r"counts has shape \(2, 3\); it should be \(V, V\)",
        ),
        "x_max": (lambda: small_model(x_max=0), "x_max is 0; it should be a positive number"),
        "power": (lambda: small_model(power=-1), "power is -1; it should be a positive number"),
        "lr": (lambda: small_model(lr=float("nan")), "lr is nan; it should be a positive number"),
        "dimension": (lambda: small_model(dimension=0), "dimension is 0; it should be a whole number"),
        "tile": (lambda: small_model(tile=2.5), "tile is 2.5; it should be a whole number"),
        "biases": (lambda: small_model(biases="zero"), "biases is 'zero'; it should be one of pmi, random"),
        "rng": (lambda: GloVe(some_counts(), 1984), "rng is a int; it should be a numpy.random.Generator"),
        "dtype": (lambda: small_model(dtype=np.float16), "dtype is float16; it should be float32 or float64"),
        "epochs": (lambda: small_model().train(0), "epochs is 0; it should be a whole number"),
        "weights": (lambda: pair_weights(np.zeros(2), x_max=-1), "x_max is -1; it should be a positive"),
    }
)


def test_a_run_that_was_stopped_goes_on_to_the_same_bits(tmp_path):
    whole, stopped, again = text_model().train(6), text_model(), text_model(seed=3)
    glove_run.keep(stopped.train(2), tmp_path / "glove.npz", {"seconds": 1.5})
    assert glove_run.go_on(again, tmp_path / "glove.npz") == {"seconds": 1.5}
    again.train(4)
    assert again.losses == whole.losses
    for ours, theirs in zip(again.params, whole.params):
        np.testing.assert_array_equal(ours, theirs)


class SmallJudge(glove_run.Judge):
    """A judge of five words, so that what it does can be checked by hand."""

    def __init__(self):
        self.vocabulary = Vocabulary.from_tokens(list("aaaabbbccd"))
        self.pairs = {"wordsim353": [("a", "b", 9.0), ("a", "c", 2.0), ("b", "d", 4.0), ("c", "d", 1.0)]}
        self.people = {"wordsim353": np.array([9.0, 2, 4, 1])}
        self.first_pairs = np.array([0, 0, 1, 1])


def test_methods_are_compared_on_average_over_seeds():
    judge = SmallJudge()
    good = np.array([[0.9, 0.2, 0.4, 0.1], [0.9, 0.4, 0.2, 0.1]])  # rank correlations 1 and 0.8
    bad = -good
    drawn = []
    for answers in (good, bad):
        scores, samples = judge.samples("wordsim353", answers)
        assert samples.shape == (2, glove_run.TIMES)
        drawn.append((scores, samples, judge.items("wordsim353", answers)))
    np.testing.assert_allclose(drawn[0][0], [1, 0.8])
    result = glove_run.difference(*drawn)
    assert result["difference"] == pytest.approx(1.8) and result["low"] <= 1.8 <= result["high"] + 1e-9
    right = np.array([[True, True, False, True]])
    scores, samples = judge.samples("analogies", right)
    assert scores == 0.75 and set(samples.ravel()) == {0.5, 0.75, 1.0}  # two pairs, drawn whole


def test_all_vectors_that_were_kept_are_judged_side_by_side(monkeypatch, tmp_path):
    """Random vectors of three methods for 12 words, with reviews, pairs and questions made of these."""
    words, rng = list("abcdefghijkl"), np.random.default_rng(0)
    texts = [" ".join(rng.choice(words, size=9, p=np.arange(12, 0, -1) / 78)) for _ in range(60)]
    labels = np.array([text.count("a") > 1 for text in texts], np.int8)
    reviews = Reviews(texts, labels, np.full(60, "imdb"), str.split)
    pairs = [(*rng.choice(words, size=2, replace=False), float(i)) for i in range(10)]
    questions = {"one": [tuple(rng.choice(words, size=4, replace=False)) for _ in range(8)], "none": []}
    monkeypatch.setattr(glove_run, "load_reviews", lambda: reviews)
    monkeypatch.setattr(glove_run, "similarity_pairs", lambda name: pairs)
    monkeypatch.setattr(glove_run, "analogy_questions", lambda: questions)
    monkeypatch.setattr(glove_run, "KEPT", tmp_path)
    for name in ("counts-1", "skip-gram-1", "skip-gram-2", "glove, 10,000 words-1"):
        WordVectors(words, rng.standard_normal((12, 11))).save(tmp_path / f"{name}.npz")
    assert glove_run.kept() == {"counts": [1], "skip-gram": [1, 2], "glove, 10,000 words": [1]}
    table = json.loads(json.dumps(glove_run.judge_all(12)))
    assert table["words"] == 12 and table["items"]["wordsim353"] == 10 and table["items"]["analogies"] == 8
    row = table["methods"]["skip-gram"]["as learned"]["wordsim353"]
    wv = [WordVectors.load(tmp_path / f"skip-gram-{seed}.npz") for seed in (1, 2)]
    assert row["seeds"] == pytest.approx([evaluate_similarity(one, pairs)["spearman"] for one in wv])
    assert row["mean"] == pytest.approx(np.mean(row["seeds"])) and row["low"] < row["mean"] < row["high"]
    assert set(table["methods"]["counts"]["mean and 3"]) == {"wordsim353", "simlex999"}
    assert sum(table["methods"]["counts"]["geometry"]["as learned"]["hubs"].values()) <= 120
    compared = [(tuple(d["one"]), tuple(d["other"])) for d in table["differences"]["sentiment"]]
    assert len(compared) == len(set(compared)) == 2 * 3 + 3  # methods in two forms, and each form of a method
    assert "glove, 10,000 words" not in glove_run.judge_all(None)["methods"]
