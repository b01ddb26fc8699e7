"""The trained models that come with the book. This is the only file that knows both data and models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from common.backend import FLOAT, DType
from common.datasets.bible import Sentences, load_bible_pairs
from common.datasets.files import DATA
from common.models.gpt import GPT, gpt
from common.models.language_model import LanguageModel
from common.models.seq2seq import Seq2Seq
from common.models.transformer import transformer
from common.text.subwords import Subwords
from common.text.vocabulary import Vocabulary
from common.weights import load_vocabulary, load_weights

GPT_WEIGHTS = DATA / "gpt_reviews.npz"
"""The weights of the GPT that has read the film reviews, and its subwords."""

REVIEWS_WEIGHTS = Path(__file__).resolve().parents[2] / "data" / "language_model_reviews.npz"


def load_reviews_model() -> tuple[LanguageModel, Vocabulary]:
    """The language model of the film reviews that comes with the book, and its vocabulary.

    Two layers of LSTM with 200 numbers each, words in and words out tied; ``review_texts`` has its words.
    How it was trained, and its perplexities, are in ``data/results/language_models.json`` under "reviews".
    """
    vocabulary = Vocabulary(load_vocabulary(REVIEWS_WEIGHTS), unknown="<unk>")
    rng = np.random.default_rng(1)  # for weights that are replaced at once, and dropout that does not happen
    model = LanguageModel(len(vocabulary), 200, 200, rng, depth=2, dropout=0.1, variational=True, tied=True)
    model.training = False
    load_weights(REVIEWS_WEIGHTS, model)
    return model, vocabulary


GPT_SIZES: dict[str, Any] = {"D": 128, "length": 128, "depth": 4, "heads": 4}
"""Of the GPT that has read the film reviews."""


def load_gpt_reviews(*, dtype: DType = FLOAT) -> tuple[GPT, Subwords]:
    """The GPT that has read the film reviews as subwords, and these.

    How it was trained, and its bits per character, are in ``data/results/gpt.json`` under "weights".

    Parameters
    ----------
    dtype : float type, of the weights
    """
    subwords = Subwords.load(GPT_WEIGHTS)
    rng = np.random.default_rng(1)  # for weights that are replaced at once
    model = gpt(len(subwords), rng=rng, dtype=dtype, **GPT_SIZES)
    model.training = False
    load_weights(GPT_WEIGHTS, model)
    return model, subwords


SEED, LONGEST, MIN_COUNT = 1611, 30, 5
"""The split and the vocabulary of the recorded run."""

WEIGHTS = DATA / "translation_transformer.npz"
"""The weights of its Transformer, and the words that it knows."""

TRANSLATOR: dict[str, Any] = {"D": 128, "H": 512, "depth": 2, "heads": 4, "dropout": 0.1, "smoothing": 0.1}
"""The settings of its Transformer."""


def load_translator(dtype: DType = FLOAT) -> tuple[Seq2Seq, Sentences, Vocabulary]:
    """The Transformer of the recorded run, with its weights, the pairs it was trained and tested on, and its
    vocabulary; ``data/results/translation.json`` has its scores.

    Parameters
    ----------
    dtype : float type, of the weights
    """
    sentences = Sentences.split(load_bible_pairs(), LONGEST, np.random.default_rng(SEED))
    vocabulary = Vocabulary(load_vocabulary(WEIGHTS))
    model = transformer(len(vocabulary), rng=np.random.default_rng(SEED), dtype=dtype, **TRANSLATOR)
    load_weights(WEIGHTS, model)
    model.training = False
    return model, sentences, vocabulary
