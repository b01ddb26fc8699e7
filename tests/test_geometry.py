"""How vectors lie in space: components taken away, the direction of frequency, hubs."""

import numpy as np
import pytest

from common.vectors import (
    frequency_correlations,
    frequency_direction,
    k_occurrences,
    principal_components,
    skewness,
    unit_rows,
    without_top,
)
from tests.helpers import bad_input


def cloud(size=60, seed=0):
    """Points whose mean is not 0 and which differ more along some directions than along others."""
    rng = np.random.default_rng(seed)
    turned = np.linalg.qr(rng.standard_normal((5, 5))).Q
    return (rng.standard_normal((size, 5)) * [9, 4, 2, 1, 0.5]) @ turned + [3, -2, 0, 1, 5]


def test_components_are_those_of_the_singular_value_decomposition():
    vectors = cloud()
    mean, directions, shares = principal_components(vectors, 3)
    np.testing.assert_allclose(mean, vectors.mean(axis=0))
    _, s, vt = np.linalg.svd(vectors - mean, full_matrices=False)
    np.testing.assert_allclose(shares, (s**2 / (s**2).sum())[:3])
    np.testing.assert_allclose(np.abs(np.vecdot(directions, vt[:3])), 1)
    np.testing.assert_allclose(directions @ directions.T, np.eye(3), atol=1e-12)


@pytest.mark.parametrize("components", [0, 1, 2, 5])
def test_what_is_left_has_no_mean_and_nothing_along_the_first_components(components):
    vectors = cloud()
    left = without_top(vectors, components)
    np.testing.assert_allclose(left.mean(axis=0), 0, atol=1e-12)
    variances = np.sort(np.linalg.eigvalsh(np.cov(vectors.T)))[::-1]
    after = np.sort(np.linalg.eigvalsh(np.cov(left.T)))[::-1]
    np.testing.assert_allclose(after, [*variances[components:], *[0] * components], atol=1e-10)


def test_the_type_of_the_vectors_stays():
    assert without_top(cloud().astype(np.float32), 2).dtype == np.float32


def test_a_component_that_is_frequency_is_found():
    rng = np.random.default_rng(1)
    counts = rng.integers(1, 10_000, size=200)
    vectors = rng.standard_normal((200, 4)) * [0.2, 0.1, 0.05, 0.01] + 3
    vectors[:, 2] -= np.log(counts)  # the largest component by far
    found = frequency_correlations(vectors, counts, 4)
    assert found[0] > 0.99 and (found[1:] < 0.3).all()
    direction, correlation = frequency_direction(vectors, counts)
    assert correlation > 0.99 and direction[2] < -0.9 and np.linalg.norm(direction) == pytest.approx(1)


def test_vectors_that_do_not_differ_follow_no_frequency():
    counts = np.arange(1, 7)
    assert (frequency_correlations(np.ones((6, 3)), counts, 2) == 0).all()
    assert frequency_direction(np.ones((6, 3)), counts)[1] == 0


@pytest.mark.parametrize("size", [30, 1100])
def test_k_occurrences_are_those_of_a_loop(size):
    vectors = np.random.default_rng(2).standard_normal((size, 4))
    unit, times = unit_rows(vectors), np.zeros(size, dtype=int)
    for i in range(size):
        cosines = unit @ unit[i]
        cosines[i] = -np.inf
        times[np.argsort(-cosines)[:3]] += 1
    found = k_occurrences(vectors, 3)
    np.testing.assert_array_equal(found, times)
    assert found.sum() == 3 * size


def test_a_hub_is_nearest_to_many():
    vectors = np.random.default_rng(3).standard_normal((300, 100)) + 0.5
    vectors[7] = 0.5  # in the middle of all directions
    times = k_occurrences(vectors, 5)
    assert times.argmax() == 7 and times[7] > 200
    assert skewness(times) > 5 > 1 > abs(skewness(np.arange(10)))


def test_skewness_by_hand():
    assert skewness(np.array([0, 0, 3])) == pytest.approx(1 / np.sqrt(2))  # mean 1: (-1 - 1 + 8) / 3 / 2**1.5
    assert skewness(np.ones(4)) == 0


test_bad_input_is_one_sentence = bad_input(
    {
        "components": (lambda: without_top(cloud(), 6), "components is 6; it should be at most 5"),
        "negative": (lambda: without_top(cloud(), -1), "components is -1; it should be a whole number"),
        "axes": (lambda: without_top(np.ones(3)), r"vectors has shape \(3,\); it should be a matrix"),
        "ints": (
            lambda: k_occurrences(np.ones((3, 2), dtype=int)),
            "vectors holds int64; it should hold floats",
        ),
        "k": (lambda: k_occurrences(cloud(), 60), "k is 60; it should be less than the 60 words"),
        "counts": (
            lambda: frequency_correlations(cloud(), np.ones(3), 2),
            r"counts has shape \(3,\); it should be \(60,\)",
        ),
        "never seen": (
            lambda: frequency_direction(cloud(), np.zeros(60)),
            r"counts has shape \(60,\); it should be \(60,\), every count above 0",
        ),
    }
)
