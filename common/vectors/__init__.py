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
    evaluate_analogies,
    evaluate_similarity,
    similarity_pairs,
)
from common.vectors.files import load_word2vec, save_word2vec
from common.vectors.glove import GloVe, pair_weights
from common.vectors.huffman import HuffmanTree
from common.vectors.nearest import WordVectors, unit_rows
from common.vectors.word2vec import CBOW, HierarchicalSkipGram, SkipGram, noise_table

__all__ = [
    "CBOW",
    "GloVe",
    "HierarchicalSkipGram",
    "HuffmanTree",
    "SkipGram",
    "WordVectors",
    "analogy_questions",
    "capped_counts",
    "cooccurrence",
    "cooccurrence_by_loop",
    "evaluate_analogies",
    "evaluate_similarity",
    "fix_signs",
    "full_svd",
    "load_word2vec",
    "log_counts",
    "noise_table",
    "pair_weights",
    "positive_correlation",
    "ppmi",
    "randomized_svd",
    "save_word2vec",
    "similarity_pairs",
    "truncated_svd",
    "unit_rows",
    "without_contexts",
    "word_vectors",
]
