"""Fast word2vec: its gradients against the loss it stands for, its parts, what it learns, and bad input."""

import heapq

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.vectors import CBOW, HierarchicalSkipGram, HuffmanTree, SkipGram, WordVectors, noise_table
from common.vectors.word2vec import adagrad_rows, keep_probability, subsampled, sum_by_row

MODELS = [CBOW, SkipGram, HierarchicalSkipGram]
COUNTS = np.array([40, 25, 12, 7, 5, 3, 2, 1])


def small_model(kind, **settings):
    settings = {"dimension": 3, "window": 2, "negatives": 2, "shared": 3, "block": 4, "batch": 8} | settings
    return kind(COUNTS, np.random.default_rng(1984), **settings)


def log_sigmoid(x):
    return -np.logaddexp(0, -x)


# ---- gradients


def loss_of_pairs(model, blocks, near, negatives):
    """The loss word by word, straight from the definition: no blocks, no matrices."""
    total, w = 0.0, model.window
    for b, block in enumerate(blocks):
        for i in range(near.shape[0]):
            word = block[w + i]
            around = [block[j] for j in range(len(block)) if near[i, j]]
            if isinstance(model, CBOW):
                h = np.mean([model.W_in[c] for c in around], axis=0)
                total += told_apart(model, h, word, negatives[b])
            elif isinstance(model, SkipGram):
                total += sum(told_apart(model, model.W_in[word], c, negatives[b]) for c in around)
            else:
                for c in around:
                    for fork, turn in zip(*model.tree.way(word)):
                        total -= log_sigmoid((2 * turn - 1) * (model.W_in[c] @ model.W_out[fork]))
    return total


def told_apart(model, h, right, wrong):
    each = model.negatives / model.shared
    return -log_sigmoid(h @ model.W_out[right]) - each * log_sigmoid(-(model.W_out[wrong] @ h)).sum()


@pytest.mark.parametrize("kind", MODELS)
def test_gradients_are_those_of_the_loss(kind, monkeypatch):
    rng = np.random.default_rng(7)
    model = small_model(kind)
    model.W_in = rng.standard_normal(model.W_in.shape)  # float64, and not the zeros it begins with
    model.W_out = rng.standard_normal(model.W_out.shape)
    text = rng.integers(len(COUNTS), size=40).astype(np.uint16)
    blocks, near = model._blocks(text, np.array([0, 13, 29]))
    negatives = rng.integers(len(COUNTS), size=(3, 3)).astype(np.uint16)
    monkeypatch.setattr(model, "_draw_negatives", lambda n: negatives)
    caught = []
    monkeypatch.setattr(model, "_update", lambda *arguments: caught.append(arguments))
    model.step(blocks, near, 1.0)
    ((ids_in, dX, ids_out, dO, _),) = caught
    for W, ids, grads in ((model.W_in, ids_in, dX), (model.W_out, ids_out, dO)):
        dense = np.zeros_like(W)
        np.add.at(dense, ids.ravel(), grads.reshape(-1, W.shape[1]))
        for place in np.ndindex(*W.shape):
            value, both = W[place], []
            for nudge in (1e-5, -1e-5):
                W[place] = value + nudge
                both.append(loss_of_pairs(model, blocks, near, negatives))
            W[place] = value
            assert dense[place] == pytest.approx((both[0] - both[1]) / 2e-5, rel=1e-6, abs=1e-6)


@given(
    ids=st.lists(st.integers(0, 6), min_size=1, max_size=40),
    kind=st.sampled_from([np.uint16, np.int32, np.int64]),
)
@settings(max_examples=50, deadline=None)
def test_rows_are_summed_like_a_loop_does(ids, kind):
    grads = np.arange(3.0 * len(ids)).reshape(-1, 3)
    rows, sums = sum_by_row(np.array(ids, dtype=kind), grads, 7)
    assert rows.tolist() == sorted(set(ids))
    for row, total in zip(rows, sums):
        np.testing.assert_array_equal(total, grads[np.array(ids) == row].sum(axis=0))


def test_adagrad_moves_touched_rows_only_and_the_first_step_by_lr():
    W, seen = np.ones((4, 2), dtype=np.float32), np.zeros(4, dtype=np.float32)
    for step in (1, 2):
        adagrad_rows(W, seen, np.array([1, 3]), np.array([[3, 4], [0, 0.01]], dtype=np.float32), 0.5)
        assert seen.tolist() == pytest.approx([0, 25 * step, 0, 1e-4 * step])
    moved = 0.5 + 0.5 / np.sqrt(2)
    expected = [[1, 1], [1 - 0.6 * moved, 1 - 0.8 * moved], [1, 1], [1, 1 - moved]]
    np.testing.assert_allclose(W, expected, rtol=1e-6)


# ---- sampling


def test_the_noise_table_follows_the_power():
    table = noise_table(COUNTS, size=1_000_000)
    share = np.bincount(table) / len(table)
    expected = COUNTS**0.75 / (COUNTS**0.75).sum()
    np.testing.assert_allclose(share, expected, atol=1e-6)
    assert set(noise_table(np.array([10**9, 1]), size=100)) == {0, 1}  # the rarest has its place


def test_subsampling_keeps_the_share_it_promises():
    counts = np.array([900_000, 99_000, 1_000])
    keep = keep_probability(counts, 1e-3)
    np.testing.assert_allclose(keep, [np.sqrt(1e-3 / 0.9) + 1e-3 / 0.9, np.sqrt(1 / 99) + 1 / 99, 1])
    ids = np.repeat([0, 1, 2], [90_000, 9_900, 100])
    left = np.bincount(subsampled(ids, counts, 1e-3, np.random.default_rng(1984)), minlength=3)
    assert left[2] == 100
    np.testing.assert_allclose(left[:2], keep[:2] * [90_000, 9_900], rtol=0.06)
    assert subsampled(ids, counts, 0, np.random.default_rng(1984)) is ids


@pytest.mark.parametrize("length", [11, 12, 40, 41, 42, 43, 200])
def test_blocks_tile_the_text(length):
    model = CBOW(np.ones(500, dtype=int), np.random.default_rng(1984), window=5, block=32)
    text = np.arange(length)
    blocks, near = model._blocks(text, model._block_begins(length))
    middle = blocks[:, 5:-5].ravel()
    assert len(set(middle)) == len(middle)  # no word twice in a pass
    assert len(middle) > length - 10 - 64 and near.shape == (blocks.shape[1] - 10, blocks.shape[1])
    for i, row in enumerate(near):
        reach = np.flatnonzero(row) - 5 - i
        width = len(reach) // 2
        assert 1 <= width <= 5
        assert reach.tolist() == [*range(-width, 0), *range(1, width + 1)]


# ---- the tree


@given(
    counts=st.lists(st.integers(0, 50), min_size=2, max_size=40).filter(any),
)
@settings(max_examples=100, deadline=None)
def test_the_tree_is_a_code_and_no_other_is_shorter(counts):
    tree = HuffmanTree(np.array(counts))
    ways = [tuple(tree.way(i)[1].astype(int)) for i in range(len(counts))]
    assert len(set(ways)) == len(ways) == len(tree)
    assert sum(2.0 ** -len(way) for way in ways) == 1  # all ways together fill the tree
    for i in range(len(counts)):
        forks, turns = tree.way(i)
        assert forks[0] == len(counts) - 2 and len(forks) == len(turns) == len(set(forks))
    heap, total = list(counts), 0  # the textbook algorithm, for the length alone
    heapq.heapify(heap)
    while len(heap) > 1:
        joined = heapq.heappop(heap) + heapq.heappop(heap)
        total += joined
        heapq.heappush(heap, joined)
    assert sum(count * len(way) for count, way in zip(counts, ways)) == total


def test_one_fork_has_one_turn_for_all_that_pass():
    tree = HuffmanTree(COUNTS)
    below = {}
    for word in range(len(COUNTS)):
        for fork, turn in zip(*tree.way(word)):
            below.setdefault(int(fork), [set(), set()])[int(turn)].add(word)
    assert len(below) == len(COUNTS) - 1
    assert all(left and right and not left & right for left, right in below.values())
    assert len(tree.way(0)[0]) == 1 and len(tree.way(7)[0]) == max(len(tree.way(i)[0]) for i in range(8))


# ---- learning


def two_topics(rng, sentences=2000):
    """A text in which words 0-4 keep company, and words 5-9."""
    topic = rng.integers(2, size=(sentences, 1))
    return (5 * topic + rng.integers(5, size=(sentences, 8))).ravel()


@pytest.mark.parametrize("kind", MODELS)
def test_words_that_keep_company_become_alike(kind):
    ids = two_topics(np.random.default_rng(0))
    model = kind(np.bincount(ids), np.random.default_rng(1984), dimension=8, window=3, negatives=3, lr=1.0)
    model.train(ids, epochs=3)
    wv = WordVectors([str(i) for i in range(10)], model.W_in)
    for word in range(10):
        nearest = [int(other) for other, _ in wv.most_similar(str(word), top=4)]
        assert {other // 5 for other in nearest} == {word // 5}


@pytest.mark.parametrize("kind", MODELS)
def test_same_seed_same_bits(kind):
    ids = two_topics(np.random.default_rng(0), 100)
    runs = []
    for seed in (1, 1, 2):
        model = kind(np.bincount(ids), np.random.default_rng(seed), dimension=4, subsample=0.01)
        epochs = []
        runs.append(model.train(ids, epochs=2, on_epoch=epochs.append).W_in)
        assert epochs == [model, model]
        assert runs[-1].dtype == np.float32 and np.isfinite(runs[-1]).all()
    np.testing.assert_array_equal(runs[0], runs[1])
    assert (runs[0] != runs[2]).any()


def test_repr_says_what_it_is():
    assert repr(small_model(SkipGram)) == "SkipGram(V=8, D=3, window=2)"
    assert repr(HuffmanTree(COUNTS)) == "HuffmanTree(V=8, longest way 7)"


# ---- bad input


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"window": 0}, "window is 0; it should be a whole number, at least 1"),
        ({"negatives": 0}, "negatives is 0; it should be a whole number"),
        ({"negatives": 8}, "negatives is 8; it should be less than the 8 words there are"),
        ({"dimension": -1}, "dimension is -1"),
        ({"shared": 0}, "shared is 0"),
        ({"lr": 0}, "lr is 0; it should be a positive number"),
        ({"lr": float("nan")}, "lr is nan"),
        ({"caution": 0}, "caution is 0; it should be a positive number"),
        ({"subsample": -0.1}, "subsample is -0.1; it should be at least 0 and below 1"),
        ({"subsample": 1}, "subsample is 1; it should be at least 0 and below 1"),
    ],
)
def test_bad_settings_are_one_sentence(settings, sentence):
    with pytest.raises(ValueError, match=sentence) as error:
        small_model(CBOW, **settings)
    assert "\n" not in str(error.value)


def test_a_setting_that_is_none_is_refused():
    with pytest.raises(TypeError, match="rate is no setting of CBOW; there are"):
        small_model(CBOW, rate=0.1)


@pytest.mark.parametrize("kind", MODELS)
def test_a_bad_text_is_one_sentence(kind):
    model = small_model(kind)
    with pytest.raises(ValueError, match="ids is empty; there should be a text"):
        model.train(np.array([], dtype=int))
    with pytest.raises(ValueError, match=r"ids has 1 words .*; with window=2 it should have at least 5"):
        model.train(np.array([3]))
    with pytest.raises(ValueError, match="ids go from 0 to 8; the words are 0 to 7"):
        model.train(np.arange(9))
    with pytest.raises(ValueError, match="ids go from -1 to 5"):
        model.train(np.arange(-1, 6))
    with pytest.raises(TypeError, match="it should be one row of whole numbers"):
        model.train(np.ones(9))
    with pytest.raises(ValueError, match="epochs is 0"):
        model.train(np.arange(8), epochs=0)


@pytest.mark.parametrize("make", [HuffmanTree, noise_table, lambda c: CBOW(c, np.random.default_rng(0))])
def test_a_vocabulary_of_one_is_one_sentence(make):
    with pytest.raises(ValueError, match="counts has 1 words; there should be at least 2 to tell apart"):
        make(np.array([5]))
    with pytest.raises(ValueError, match="no negative number"):
        make(np.array([0, 0]))
    with pytest.raises(TypeError, match=r"should be \(V,\) whole numbers"):
        make(np.array([0.5, 2]))
