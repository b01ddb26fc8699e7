"""Counting, weighting and reducing: against loops, against dense formulas, on a toy text."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from common.vectors import (
    capped_counts,
    cooccurrence,
    cooccurrence_by_loop,
    fix_signs,
    full_svd,
    log_counts,
    positive_correlation,
    ppmi,
    randomized_svd,
    truncated_svd,
    without_contexts,
    word_vectors,
)

TOY = [0, 1, 2, 3, 4, 1, 5, 6]  # you say goodbye and i say hello .
TOY_COUNTS = [
    [0, 1, 0, 0, 0, 0, 0],
    [1, 0, 1, 0, 1, 1, 0],
    [0, 1, 0, 1, 0, 0, 0],
    [0, 0, 1, 0, 1, 0, 0],
    [0, 1, 0, 1, 0, 0, 0],
    [0, 1, 0, 0, 0, 0, 1],
    [0, 0, 0, 0, 0, 1, 0],
]
TEXTS = st.lists(st.integers(0, 5), min_size=1, max_size=30)


def dense_loop(ids, size, window, weight=lambda d: 1, ends=()):
    counts = np.zeros((size, size))
    document = np.searchsorted(np.sort(np.array(ends, int)), np.arange(len(ids)), side="right")
    for i, word in enumerate(ids):
        for j, other in enumerate(ids):
            if i != j and abs(i - j) <= window and document[i] == document[j]:
                counts[word, other] += weight(abs(i - j))
    return counts


def random_matrix(seed=0, rows=60, columns=40, rank=8, noise=1e-3):
    rng = np.random.default_rng(seed)
    long = rng.standard_normal((rows, rank)) * 2.0 ** -np.arange(rank)
    return long @ rng.standard_normal((rank, columns)) + noise * rng.standard_normal((rows, columns))


def test_toy_counts_by_hand():
    assert cooccurrence(TOY, 7, window=1).toarray().tolist() == TOY_COUNTS


@given(TEXTS, st.integers(1, 8))
def test_counts_equal_the_double_loop(ids, window):
    counts = cooccurrence(ids, 6, window)
    assert counts.toarray().tolist() == dense_loop(ids, 6, window).tolist()
    pairs = cooccurrence_by_loop(ids, window)
    assert {(i, j): int(n) for (i, j), n in sparse.dok_array(counts).items()} == pairs
    assert (counts.data > 0).all() and (counts - counts.T).nnz == 0


@given(TEXTS, st.integers(1, 5), st.sampled_from(["harmonic", "linear"]))
def test_closer_words_weigh_more(ids, window, weighting):
    weight = {"harmonic": lambda d: 1 / d, "linear": lambda d: (window + 1 - d) / window}[weighting]
    np.testing.assert_allclose(
        cooccurrence(ids, 6, window, weighting).toarray(), dense_loop(ids, 6, window, weight), rtol=1e-12
    )


@given(TEXTS, st.integers(1, 5), st.lists(st.integers(0, 30), max_size=4))
def test_words_of_two_documents_are_no_neighbours(ids, window, cuts):
    cuts = sorted(min(cut, len(ids)) for cut in cuts)
    counts = cooccurrence(ids, 6, window, starts=[0, *cuts, len(ids)])
    assert counts.toarray().tolist() == dense_loop(ids, 6, window, ends=cuts).tolist()


@given(TEXTS.filter(lambda ids: len(ids) > 1), st.floats(0.5, 1))
def test_ppmi_equals_the_dense_formula(ids, alpha):
    counts = cooccurrence(ids, 6, 2)
    dense = counts.toarray()
    p_word = dense.sum(axis=1, keepdims=True) / dense.sum()
    p_context = dense.sum(axis=0) ** alpha / (dense.sum(axis=0) ** alpha).sum()
    with np.errstate(divide="ignore", invalid="ignore"):
        expected = np.maximum(np.log2(dense / dense.sum() / (p_word * p_context)), 0)
    found = ppmi(counts, alpha)
    np.testing.assert_allclose(found.toarray(), np.nan_to_num(expected, posinf=0), atol=1e-5)
    assert found.dtype == np.float32 and (found.data > 0).all()


def test_ppmi_of_the_toy():
    weights = ppmi(np.array(TOY_COUNTS)).toarray()
    # you-say: 1 of 14 counts; you 1 of 14, say 4 of 14: log2(14 * 1 / (1 * 4))
    assert weights[0, 1] == pytest.approx(np.log2(14 / 4))
    assert weights[0, 0] == 0


def test_scaling_tricks_against_dense_formulas():
    counts = cooccurrence(TOY * 4, 7, 3)
    dense = counts.toarray()
    np.testing.assert_allclose(log_counts(counts).toarray(), np.log1p(dense), rtol=1e-6)
    np.testing.assert_allclose(capped_counts(counts, 5).toarray(), np.minimum(dense, 5))
    dropped = without_contexts(counts, [1, 6]).toarray()
    assert (dropped[:, [1, 6]] == 0).all() and (
        dropped[:, [0, 2, 3, 4, 5]] == dense[:, [0, 2, 3, 4, 5]]
    ).all()


def test_correlation_equals_numpy_on_the_events():
    counts = cooccurrence(TOY * 3, 7, 2)
    pairs = np.repeat(
        np.argwhere(counts.toarray() > 0), counts.data.astype(int), axis=0
    )  # each seen pair, once per time
    expected = np.zeros((7, 7))
    for i in range(7):
        for j in range(7):
            expected[i, j] = np.corrcoef(pairs[:, 0] == i, pairs[:, 1] == j)[0, 1]
    np.testing.assert_allclose(
        positive_correlation(counts).toarray(), np.sqrt(np.maximum(expected, 0)), atol=1e-5
    )


def test_the_input_is_left_alone():
    counts = cooccurrence(TOY, 7, 2)
    before = counts.toarray()
    for weigh in (ppmi, log_counts, capped_counts, positive_correlation, lambda c: without_contexts(c, [0])):
        weigh(counts)
    assert (counts.toarray() == before).all()


def test_the_three_decompositions_agree():
    matrix = random_matrix()
    u, s = full_svd(matrix)
    for other in (
        truncated_svd(sparse.csr_array(matrix), 5),
        randomized_svd(matrix, 5, np.random.default_rng(0)),
    ):
        np.testing.assert_allclose(other[1], s[:5], rtol=1e-5)
        np.testing.assert_allclose(other[0], u[:, :5], atol=1e-4)


def test_randomized_svd_of_a_sparse_float32_matrix():
    matrix = sparse.random_array((300, 200), density=0.05, rng=np.random.default_rng(1), dtype=np.float32)
    u, s = randomized_svd(matrix.tocsr(), 5, np.random.default_rng(2), iterations=20)
    assert u.dtype == np.float32 and u.shape == (300, 5)
    np.testing.assert_allclose(u.T @ u, np.eye(5), atol=1e-5)
    np.testing.assert_allclose(s, np.linalg.svd(matrix.toarray())[1][:5], rtol=1e-4)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int64])
def test_every_type_and_a_vocabulary_of_one(dtype):
    rng = np.random.default_rng(0)
    for matrix in (np.array([[3]], dtype), (3 * random_matrix(rows=9, columns=4)).astype(dtype)):
        rank = min(matrix.shape)
        u, s = full_svd(matrix)
        assert u.dtype == s.dtype == {np.float16: np.float32, np.int64: np.float64}.get(dtype, dtype)
        sparse_matrix = sparse.csr_array(matrix.astype(np.float64))
        for other in (truncated_svd(sparse_matrix, rank), randomized_svd(matrix, rank, rng)):
            np.testing.assert_allclose(other[1], s, rtol=1e-3)
            np.testing.assert_allclose(np.abs(other[0]), np.abs(u), atol=1e-2)
    assert word_vectors(*randomized_svd(np.array([[3]], dtype), 1, rng)).tolist() == [[np.float32(3**0.5)]]


def test_randomized_svd_same_seed_same_bits():
    matrix = random_matrix()
    first, second = (randomized_svd(matrix, 4, np.random.default_rng(3)) for _ in range(2))
    assert (first[0] == second[0]).all() and (first[1] == second[1]).all()


@settings(max_examples=30)
@given(st.lists(st.sampled_from([-1.0, 1.0]), min_size=4, max_size=4))
def test_signs_do_not_depend_on_the_library(flips):
    u = random_matrix()[:, :4]
    assert (fix_signs(u * flips) == fix_signs(u)).all()
    assert (fix_signs(u)[np.abs(u).argmax(axis=0), range(4)] > 0).all()


def test_a_tie_for_the_largest_entry_is_settled_by_the_first():
    u = np.array([[0.5, -0.5], [-0.5 - 1e-9, 0.5 + 1e-9], [0.1, 0.1]])
    assert (np.sign(fix_signs(u)[0]) == 1).all()


def test_word_vectors():
    u, s = np.eye(3)[:, :2], np.array([4.0, 1.0])
    assert word_vectors(u, s).tolist() == [[2, 0], [0, 1], [0, 0]]
    assert word_vectors(u, s, power=0).tolist() == u.tolist()
    assert word_vectors(u, s).dtype == np.float32


def test_one_word_corpus_has_no_neighbours():
    counts = cooccurrence([0], 1, window=2)
    assert counts.shape == (1, 1) and counts.nnz == 0
    with pytest.raises(ValueError, match=r"counts of shape \(1, 1\) is all 0: no word has a neighbour"):
        ppmi(counts)


@pytest.mark.parametrize(
    "make, error, sentence",
    [
        (
            lambda: cooccurrence([], 3),
            ValueError,
            r"ids has shape \(0,\); it should be one row of at least one word id",
        ),
        (lambda: cooccurrence([[0, 1]], 3), ValueError, r"ids has shape \(1, 2\)"),
        (lambda: cooccurrence([0.5, 1], 3), TypeError, "ids is of type float64"),
        (lambda: cooccurrence([0, 3], 3), ValueError, "ids go from 0 to 3; they should lie between 0 and 2"),
        (lambda: cooccurrence([-1, 0], 3), ValueError, "ids go from -1 to 0"),
        (lambda: cooccurrence([0, 1], 0), ValueError, "size is 0"),
        (
            lambda: cooccurrence([0, 1], 2, window=0),
            ValueError,
            "window is 0; it should be a whole number, at least 1",
        ),
        (
            lambda: cooccurrence([0, 1], 2, weighting="square"),
            ValueError,
            "weighting is 'square'; it should be one of flat",
        ),
        (
            lambda: cooccurrence([0, 1], 2, starts=[0, 1]),
            ValueError,
            "starts is .*; it should rise from 0 to 2",
        ),
        (lambda: ppmi(np.array([[0, -1], [-1, 0]])), ValueError, "counts holds a negative number"),
        (lambda: ppmi(np.array([[0, np.nan], [1, 0]])), ValueError, "counts holds a negative number, a NaN"),
        (lambda: ppmi(np.eye(2), alpha=0), ValueError, "alpha is 0; it should be a positive number"),
        (lambda: capped_counts(np.eye(2), 0), ValueError, "limit is 0; it should be a positive number"),
        (
            lambda: full_svd(sparse.csr_array((6000, 6000))),
            ValueError,
            "a full SVD is for at most 5,000 words",
        ),
        (
            lambda: truncated_svd(sparse.eye_array(3).tocsr(), 4),
            ValueError,
            r"rank is 4; it should be at most 3 for a matrix of shape \(3, 3\)",
        ),
        (
            lambda: randomized_svd(np.eye(3), 0, np.random.default_rng(0)),
            ValueError,
            "rank is 0; it should be a whole number, at least 1",
        ),
    ],
)
def test_bad_input_gets_one_clear_sentence(make, error, sentence):
    with pytest.raises(error, match=sentence):
        make()
