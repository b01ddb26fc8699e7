"""All layers of the book, by kind. See ``base`` for what a layer is."""

from common.layers.activation import ReLU, Sigmoid, Softmax, Tanh
from common.layers.base import Layer, Model, find_generators, unique_parameters, walk
from common.layers.dense import Affine, MatMul
from common.layers.dropout import Dropout
from common.layers.embedding import Embedding
from common.layers.loss import MeanSquaredError, SigmoidWithLoss, SoftmaxWithLoss

__all__ = [
    "Affine",
    "Dropout",
    "Embedding",
    "Layer",
    "MatMul",
    "MeanSquaredError",
    "Model",
    "ReLU",
    "Sigmoid",
    "SigmoidWithLoss",
    "Softmax",
    "SoftmaxWithLoss",
    "Tanh",
    "find_generators",
    "unique_parameters",
    "walk",
]
