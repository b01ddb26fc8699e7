"""Intervals and tests of what word vectors are worth, against loops that do what they say."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from common.vectors import (
    bootstrap_correlations,
    bootstrap_means,
    interval,
    permutation_test,
    rank_products,
)
from common.vectors import intervals as module
from tests.helpers import bad_input


def generator(seed=1984):
    return np.random.default_rng(seed)


def judged(n=40, sets=2, seed=0):
    """Scores with ties, and cosines that follow them more or less."""
    rng = generator(seed)
    scores = rng.integers(8, size=n).astype(float)
    return scores, scores + 3 * rng.standard_normal((sets, n))


def drawn_items(n, times, seed=1984):
    """The test sets that a generator with this seed draws, as positions."""
    return [np.repeat(np.arange(n), row) for row in generator(seed).multinomial(n, np.full(n, 1 / n), times)]


@pytest.mark.parametrize("piece", [1, 90, 10**6])
def test_correlations_are_those_of_test_sets_drawn_one_by_one(monkeypatch, piece):
    monkeypatch.setattr(module, "PIECE", piece)
    scores, cosines = judged()
    cosines[1] = np.round(cosines[1])  # ties on both sides
    samples = bootstrap_correlations(scores, cosines, generator(), times=20)
    assert samples.shape == (2, 20)
    for k, items in enumerate(drawn_items(40, 20)):
        expected = [spearmanr(scores[items], row[items]).statistic for row in cosines]
        np.testing.assert_allclose(samples[:, k], expected, atol=1e-12)


def test_one_set_of_vectors_has_one_row_of_samples():
    scores, cosines = judged()
    one = bootstrap_correlations(scores, cosines[0], generator(), times=5)
    assert one.shape == (5,)
    np.testing.assert_array_equal(one, bootstrap_correlations(scores, cosines, generator(), times=5)[0])


def test_a_correlation_of_what_never_differs_is_zero():
    assert (bootstrap_correlations(np.ones(4), np.arange(4.0), generator(), times=5) == 0).all()


@pytest.mark.parametrize("piece", [1, 10**6])
def test_means_are_those_of_test_sets_drawn_one_by_one(monkeypatch, piece):
    monkeypatch.setattr(module, "PIECE", piece)
    right = generator(0).random((2, 30)) < 0.4
    samples = bootstrap_means(right, generator(), times=10)
    for k, items in enumerate(drawn_items(30, 10)):
        np.testing.assert_allclose(samples[:, k], right[:, items].mean(axis=1))
    np.testing.assert_array_equal(samples[1], bootstrap_means(right[1], generator(), times=10))


def test_groups_are_drawn_whole():
    rng = generator(0)
    groups = rng.permutation(np.repeat(["a", "b", "c", "d", "e"], [1, 2, 3, 4, 10]))
    right = rng.random(20)
    samples = bootstrap_means(right, generator(), times=10, groups=groups)
    for sample, chosen in zip(samples, drawn_items(5, 10)):
        parts = [right[groups == "abcde"[i]] for i in chosen]
        assert sample == pytest.approx(np.concatenate(parts).mean())


def test_groups_that_answer_alike_make_the_interval_wider():
    right = np.repeat(generator(0).random(20) < 0.5, 20)
    widths = [
        np.subtract(*interval(bootstrap_means(right, generator(), groups=groups))[::-1])
        for groups in (None, np.repeat(np.arange(20), 20))
    ]
    assert widths[1] > 3 * widths[0]


def test_the_interval_holds_what_it_promises():
    """Of 200 samples from a population with a known mean, about 19 in 20 have it in their interval."""
    rng = generator(3)
    inside = 0
    for _ in range(200):
        low, high = interval(bootstrap_means(rng.random(100) < 0.3, rng, times=300))
        inside += low <= 0.3 <= high
    assert 176 <= inside <= 198


def test_the_interval_of_several_sets():
    samples = np.array([np.arange(101.0), 2 * np.arange(101.0)])
    np.testing.assert_allclose(interval(samples), [[2.5, 5], [97.5, 195]])
    np.testing.assert_allclose(interval(samples[0], level=0.8), [10, 90])


@given(st.lists(st.integers(0, 5), min_size=3, max_size=12), st.integers(0, 1000))
@settings(max_examples=50, deadline=None)
def test_the_mean_of_rank_products_is_spearmans_correlation(scores, seed):
    scores = np.array(scores, dtype=float)
    cosines = generator(seed).integers(5, size=(2, len(scores))).astype(float)
    products = rank_products(scores, cosines)
    assert products.shape == cosines.shape
    for row, found in zip(cosines, products.mean(axis=1)):
        constant = len(set(scores)) == 1 or len(set(row)) == 1
        assert found == pytest.approx(0 if constant else spearmanr(scores, row).statistic, abs=1e-12)


def test_the_permutation_test_counts_all_swaps():
    """Of 3 items there are 8 ways to swap, and all are about equally frequent among 4,000."""
    a, b = np.array([1.0, 2, 4]), np.zeros(3)
    assert permutation_test(a, b, generator(), times=4000) == pytest.approx(2 / 8, abs=0.02)  # +7 and -7
    a = np.array([-1.0, 2, 4])
    assert permutation_test(a, b, generator(), times=4000) == pytest.approx(4 / 8, abs=0.02)  # 5 and 7


def test_equal_sets_do_not_differ_and_unlike_ones_do():
    scores, cosines = judged(200)
    alike = rank_products(scores, np.stack([scores, scores]))
    assert permutation_test(*alike, generator(), times=99) == 1
    unlike = rank_products(scores, np.stack([scores, -scores]))
    assert permutation_test(*unlike, generator(), times=99) == 1 / 100
    assert permutation_test(*rank_products(scores, cosines), generator(), times=99) > 1 / 100


def test_same_seed_same_samples():
    scores, cosines = judged()
    first, second = (bootstrap_correlations(scores, cosines, generator(), times=9) for _ in range(2))
    np.testing.assert_array_equal(first, second)


scores, cosines = judged()
test_bad_input_is_one_sentence = bad_input(
    {
        "shapes": (
            lambda: bootstrap_correlations(scores, cosines[:, :5], generator()),
            r"scores has shape \(40,\) and cosines \(2, 5\); they should be \(n,\)",
        ),
        "one pair": (lambda: rank_products(scores[:1], scores[:1]), r"shape \(1,\); .* n at least 2"),
        "NaN": (lambda: rank_products(scores, cosines * np.nan), "cosines holds NaN or infinity"),
        "nothing": (lambda: bootstrap_means(np.array([]), generator()), r"values has shape \(0,\)"),
        "groups": (
            lambda: bootstrap_means(scores, generator(), groups=[1, 2]),
            "groups has 2 entries",
        ),
        "times": (lambda: bootstrap_means(scores, generator(), times=0), "times is 0; it should be a whole"),
        "rng": (lambda: bootstrap_means(scores, 1984), "rng is a int; it should be a numpy.random.Generator"),
        "test rng": (lambda: permutation_test(scores, scores, 1984), "rng is a int"),
        "matrix": (lambda: permutation_test(cosines, cosines, generator()), r"a - b has shape \(2, 40\)"),
        "level": (lambda: interval(scores, level=95), "level is 95; it should be at least 0 and below 1"),
    }
)
