"""The trained models that come with the book. This is the only file that knows both data and models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from common.backend import FLOAT, DType
from common.datasets.bible import Sentences, load_bible_pairs
from common.datasets.files import DATA
from common.initializers import he
from common.layers import Flatten, Make, MaxPooling, ReLU
from common.models.classifiers import Classifier
from common.models.gpt import GPT, gpt
from common.models.language_model import LanguageModel
from common.models.seq2seq import Seq2Seq
from common.models.text_classifiers import WordScores
from common.models.transformer import transformer
from common.quantization import load_quantized
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


WORD_SCORES = DATA / "word_scores.npz"
"""How much each of 10,000 words speaks for a good review, in whole numbers of one byte."""


def load_word_scores() -> WordScores:
    """The averaged classifier of film reviews that comes with the book: one score for each word.

    How it was trained, and how many test reviews it judges right, is in ``data/results/classifiers.json``
    under "word scores".
    """
    return WordScores.load(WORD_SCORES)


DIGIT_READER = DATA / "digit_reader.npz"
"""The weights of the network that reads what is drawn on a page, each in whole numbers of one byte."""


def digit_reader(rng: np.random.Generator, *, dtype: DType = FLOAT) -> Classifier:
    """The network that reads what is drawn on a page, as it is before training: 44,426 weights.

    Pictures (N, 1, 28, 28), from 0 for paper to 1 for ink, go through 6 filters of 5 x 5, a pooling by 2, 16
    filters of 5 x 5, a pooling by 2, and affine layers of 120 and 84 neurons to the scores of ten digits:
    the sizes of LeNet-5 [LeCun1998b]_, with max pooling and ReLU.

    Parameters
    ----------
    rng : numpy.random.Generator
        Draws the weights.
    dtype : float type, of the weights
    """
    make = Make(rng, dtype)
    return Classifier(
        make.convolution(1, 6, 5, first=True),  # (N, 6, 24, 24)
        MaxPooling(2),
        ReLU(),
        make.convolution(6, 16, 5),  # (N, 16, 8, 8)
        MaxPooling(2),
        ReLU(),
        Flatten(),
        make.affine(16 * 4 * 4, 120, he),
        ReLU(),
        make.affine(120, 84, he),
        ReLU(),
        make.affine(84, 10),
    )


def load_digit_reader(dtype: DType = FLOAT) -> Classifier:
    """The trained ``digit_reader`` that comes with the book, its weights rounded to whole numbers of a byte.

    How it was trained, and how many test images it reads right, is in ``data/results/digit_reader.json``.

    Parameters
    ----------
    dtype : float type, of the weights
    """
    model = digit_reader(np.random.default_rng(1), dtype=dtype)
    load_quantized(DIGIT_READER, model)
    model.training = False
    return model
