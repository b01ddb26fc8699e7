"""The n-gram model: against a slow one made of dictionaries, against numbers worked out by hand."""

import math
from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.models.ngram import NGram, discounts

TOY = [0, 1, 0, 1, 0, 2]


@st.composite
def texts(draw, shortest=5):
    """A vocabulary size and a text."""
    V = draw(st.integers(1, 6))
    ids = draw(st.lists(st.integers(0, V - 1), min_size=shortest, max_size=40))
    return V, np.array(ids)


class SlowNGram:
    """The formulas of the module's text, word by word."""

    def __init__(self, ids, V, order):
        self.V, self.order, self.counts, self.takes = V, order, [], []
        ids = [int(i) for i in ids]
        for k in range(1, order + 1):
            runs = [tuple(ids[i : i + k]) for i in range(len(ids) - k + 1)]
            if k < order:  # how many different words stood before, the beginning of the text being one
                before = defaultdict(set)
                for i, run in enumerate(runs):
                    before[run].add(ids[i - 1] if i else "beginning")
                counts = {run: len(words) for run, words in before.items()}
            else:
                counts = dict(Counter(runs))
            self.counts.append(counts)
            self.takes.append(self.estimate(counts.values()))

    def estimate(self, counts):
        n1, n2, n3, n4 = (sum(c == i for c in counts) for i in (1, 2, 3, 4))
        if n1 == 0 or n2 == 0:
            return [0.5] * 3
        y = n1 / (n1 + 2 * n2)
        three = [1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3 if n3 else 0]
        return three if min(three) > 0 else [y] * 3

    def p(self, word, context):
        context = tuple(int(i) for i in context)[-(self.order - 1) :] if self.order > 1 else ()
        if not context:
            below = 1 / self.V
        else:
            below = self.p(word, context[1:]) if len(context) > 1 else self.lowest(word)
        return self.mix(word, context, below)

    def lowest(self, word):
        return self.mix(word, (), 1 / self.V)

    def mix(self, word, context, below):
        counts, take = self.counts[len(context)], self.takes[len(context)]
        after = {run[-1]: c for run, c in counts.items() if run[:-1] == context}
        total = sum(after.values())
        if not total:
            return below
        saved = sum(take[min(c, 3) - 1] for c in after.values()) / total
        own = (after[word] - take[min(after[word], 3) - 1]) / total if word in after else 0
        return own + saved * below


@settings(deadline=None, max_examples=60)
@given(texts(), st.integers(1, 5), st.data())
def test_probabilities_sum_to_one_for_any_context(text, order, data):
    V, ids = text
    context = data.draw(st.lists(st.integers(0, V - 1), max_size=6))
    p = NGram(ids, V, order).probabilities(context)
    assert p.shape == (V,)
    assert (p > 0).all()
    assert math.isclose(p.sum(), 1, rel_tol=1e-12)


@settings(deadline=None, max_examples=40)
@given(texts(), st.integers(1, 5), st.data())
def test_agrees_with_dictionaries(text, order, data):
    V, ids = text
    context = data.draw(st.lists(st.integers(0, V - 1), max_size=5))
    slow = SlowNGram(ids, V, order)
    # In a context shorter than order - 1 a model uses the counts of that length, as it does at a beginning.
    expected = [slow.p(word, context) for word in range(V)]
    np.testing.assert_allclose(NGram(ids, V, order).probabilities(context), expected, rtol=1e-12)


@settings(deadline=None, max_examples=40)
@given(texts(), st.integers(1, 5), st.data())
def test_a_text_at_once_is_the_same_as_word_by_word(text, order, data):
    V, ids = text
    other = np.array(data.draw(st.lists(st.integers(0, V - 1), min_size=2, max_size=20)))
    model = NGram(ids, V, order)
    one_by_one = [model.probabilities(other[:i])[other[i]] for i in range(1, len(other))]
    np.testing.assert_allclose(model.log_probabilities(other), np.log(one_by_one), rtol=1e-10, atol=1e-12)
    assert math.isclose(model.perplexity(other), np.exp(-np.mean(np.log(one_by_one))), rel_tol=1e-10)


@settings(deadline=None, max_examples=30)
@given(texts(), st.integers(1, 5), st.data())
def test_longest_match(text, order, data):
    V, ids = text
    other = np.array(data.draw(st.lists(st.integers(0, V - 1), min_size=2, max_size=15)))
    begun = {tuple(ids[i : i + k].tolist()) for k in range(1, order) for i in range(len(ids) - k)}
    expected = []
    for i in range(1, len(other)):
        lengths = [k for k in range(1, order) if k <= i and tuple(other[i - k : i].tolist()) in begun]
        expected.append(max(lengths, default=0))
    assert NGram(ids, V, order).longest_match(other).tolist() == expected


def test_by_hand():
    # Order 1 counts different words before: 0 stood after 1 and at the beginning, 1 and 2 after 0. Once: two
    # words, twice: one, so y = 2 / (2 + 2); no word was counted three times, so y is all three discounts.
    # saved = 3 * 0.5 / 4, and p(0) = 1.5 / 4 + saved / 3.
    np.testing.assert_allclose(NGram(TOY, 3, 2).probabilities([]), [0.5, 0.25, 0.25])
    # Order 2 counts pairs: 01 and 10 twice, 02 once, so y = 1 / (1 + 4). After 0, seen three times:
    # saved = 2 * 0.2 / 3, and p(1) = 1.8 / 3 + saved / 4.
    np.testing.assert_allclose(
        NGram(TOY, 3, 2).probabilities([0]), [0.2 / 3, 0.6 + 0.1 / 3, 0.8 / 3 + 0.1 / 3]
    )
    # Word 2 only stood at the end: nothing is known of what follows it.
    np.testing.assert_allclose(NGram(TOY, 3, 2).probabilities([2]), [0.5, 0.25, 0.25])
    # Order 1 alone counts occurrences: 3, 2, 1; y = 1 / 3, so 1/3 is taken from 1, 1 from 2, and 3 from 3:
    # saved = (3 + 1 + 1/3) / 6, of which each word gets a third.
    p = NGram(TOY, 3, 1).probabilities([])
    np.testing.assert_allclose(p, np.array([0, 1, 2 / 3]) / 6 + 13 / 18 / 3)


def test_discounts_by_hand():
    np.testing.assert_allclose(discounts(np.array([3, 2, 1])), [1 / 3, 1, 3])
    counts = np.repeat([1, 2, 3, 4, 9], [8, 4, 2, 1, 3])
    y = 8 / (8 + 2 * 4)
    expected = [1 - 2 * y * 4 / 8, 2 - 3 * y * 2 / 4, 3 - 4 * y * 1 / 2]
    np.testing.assert_allclose(discounts(counts), expected)
    np.testing.assert_allclose(discounts(np.array([7, 8])), [0.5] * 3)  # nothing to estimate from


def test_a_word_that_follows_one_word_only_is_a_bad_guess_elsewhere():
    # 1 ("francisco") stands ten times, always after 0 ("san"); 2 ("film") five times, after five words.
    ids = [0, 1] * 10 + [w for k in range(3, 8) for w in (k, 2)]
    p = NGram(ids, 9, 2).probabilities([8])  # after a word that was never seen
    assert p[2] > 2 * p[1]
    often = NGram(ids, 9, 1).probabilities([])
    assert often[1] > often[2]


def test_the_same_text_is_predicted_well_and_orders_help():
    rng = np.random.default_rng(0)
    ids = np.where(rng.random(3000) < 0.9, np.arange(3000) % 50, rng.integers(0, 50, 3000))
    first, second = ids[:2000], ids[2000:]
    assert NGram(first, 50, 1).perplexity(second) > 40
    assert NGram(first, 50, 2).perplexity(second) < 5
    assert NGram(first, 50, 3).perplexity(first) < NGram(first, 50, 2).perplexity(first)


def test_large_vocabulary_and_order_do_not_overflow():
    rng = np.random.default_rng(0)
    ids = rng.integers(0, 1_000_000, 500)
    model = NGram(ids, 1_000_000, 5)
    assert model.probabilities(ids[:4])[ids[4]] > model.probabilities(ids[:3])[ids[5]]
    assert model.longest_match(ids).tolist()[-1] == 4


def test_writing_repeats_with_the_same_seed_and_follows_the_probabilities():
    model = NGram(TOY * 20, 3, 3)
    once = model.continue_text([0], 50, np.random.default_rng(3))
    assert once == model.continue_text([0], 50, np.random.default_rng(3))
    assert len(once) == 50
    assert all(isinstance(word, int) for word in once)
    drawn = [model.continue_text([1, 0], 1, np.random.default_rng(seed))[0] for seed in range(400)]
    np.testing.assert_allclose(np.bincount(drawn, minlength=3) / 400, model.probabilities([1, 0]), atol=0.08)
    assert len(model.continue_text([], 5, np.random.default_rng(0))) == 5


def test_what_was_given_is_not_changed():
    ids = np.array(TOY, dtype=np.int32)
    kept = ids.copy()
    model = NGram(ids, 3, 3)
    first = model.probabilities([0, 1]).copy()
    model.probabilities([0, 1])[:] = 0
    model.perplexity(ids)
    assert (ids == kept).all()
    assert (model.probabilities([0, 1]) == first).all()
    assert repr(model) == "NGram(V=3, order=3, sequences=9)"


@pytest.mark.parametrize(
    ("ids", "V", "order", "says"),
    [
        ([], 3, 1, "ids has 0 words"),
        ([0, 1], 3, 3, "ids has 2 words; it should have at least 3"),
        ([0, 3], 3, 1, "they should lie between 0 and 2"),
        ([0, -1], 3, 1, "they should lie between 0 and 2"),
        ([[0, 1]], 3, 1, "ids has shape"),
        ([0.0, 1.0], 3, 1, "holds float64"),
        (TOY, 0, 1, "V is 0"),
        (TOY, 3, 0, "order is 0"),
        (TOY, 3, 2.0, "order is 2.0"),
    ],
)
def test_bad_text(ids, V, order, says):
    with pytest.raises(ValueError, match=says.replace("(", r"\(")):
        NGram(ids, V, order)


def test_bad_questions():
    model = NGram(TOY, 3, 2)
    with pytest.raises(ValueError, match="at least 2: a word, and one to predict"):
        model.perplexity([1])
    with pytest.raises(ValueError, match="they should lie between 0 and 2"):
        model.perplexity([1, 7])
    with pytest.raises(ValueError, match="they should lie between 0 and 2"):
        model.probabilities([5])
    with pytest.raises(ValueError, match="length is 0"):
        model.continue_text([0], 0, np.random.default_rng(0))
