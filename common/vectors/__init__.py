"""Word vectors: by counting, by word2vec, by GloVe, and what they are good for."""

from common.vectors.counting import (
    capped_counts,
    cooccurrence,
    cooccurrence_by_loop,
    log_counts,
    positive_correlation,
    ppmi,
    without_contexts,
)
from common.vectors.decomposition import fix_signs, full_svd, randomized_svd, truncated_svd, word_vectors
from common.vectors.evaluation import (
    analogy_questions,
    answered_rightly,
    asked_questions,
    compared_pairs,
    evaluate_analogies,
    evaluate_similarity,
    mean_vectors,
    similarity_pairs,
)
from common.vectors.files import load_word2vec, save_word2vec
from common.vectors.geometry import (
    frequency_correlations,
    frequency_direction,
    k_occurrences,
    principal_components,
    skewness,
    without_top,
)
from common.vectors.glove import GloVe, pair_weights
from common.vectors.huffman import HuffmanTree
from common.vectors.intervals import (
    bootstrap_correlations,
    bootstrap_means,
    interval,
    permutation_test,
    rank_products,
)
from common.vectors.nearest import WordVectors, unit_rows
from common.vectors.parallel_counting import Text, add_up, count_piece, parallel_cooccurrence
from common.vectors.word2vec import CBOW, HierarchicalSkipGram, SkipGram, noise_table

__all__ = [
    "CBOW",
    "GloVe",
    "HierarchicalSkipGram",
    "HuffmanTree",
    "SkipGram",
    "Text",
    "WordVectors",
    "add_up",
    "analogy_questions",
    "answered_rightly",
    "asked_questions",
    "bootstrap_correlations",
    "bootstrap_means",
    "capped_counts",
    "compared_pairs",
    "cooccurrence",
    "cooccurrence_by_loop",
    "count_piece",
    "evaluate_analogies",
    "evaluate_similarity",
    "fix_signs",
    "frequency_correlations",
    "frequency_direction",
    "full_svd",
    "interval",
    "k_occurrences",
    "load_word2vec",
    "log_counts",
    "mean_vectors",
    "noise_table",
    "pair_weights",
    "parallel_cooccurrence",
    "permutation_test",
    "positive_correlation",
    "ppmi",
    "principal_components",
    "randomized_svd",
    "rank_products",
    "save_word2vec",
    "similarity_pairs",
    "skewness",
    "truncated_svd",
    "unit_rows",
    "without_contexts",
    "without_top",
    "word_vectors",
]
