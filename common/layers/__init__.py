"""All layers of the book, by kind. See ``base`` for what a layer is."""

from common.layers.activation import GELU, ReLU, Sigmoid, Softmax, Tanh
from common.layers.attention import Attention, MultiHeadAttention
from common.layers.base import (
    Layer,
    Model,
    count_parameters,
    evaluating,
    find_generators,
    held,
    hold,
    unique_parameters,
    walk,
)
from common.layers.cells import GRUCell, LSTMCell, RNNCell
from common.layers.convolution import Convolution
from common.layers.crf import CRF, viterbi
from common.layers.dense import Affine, MatMul
from common.layers.dropout import Dropout, VariationalDropout
from common.layers.embedding import Embedding
from common.layers.loss import (
    AffineSoftmaxWithLoss,
    MeanAbsoluteError,
    MeanSquaredError,
    QuantileLoss,
    SigmoidWithLoss,
    SoftmaxWithLoss,
)
from common.layers.make import Make
from common.layers.memory import (
    CircularShift,
    ContentAddressing,
    InterpolationGate,
    MemoryAdd,
    MemoryErase,
    MemoryRead,
    Sharpening,
)
from common.layers.normalization import BatchNorm, LayerNorm
from common.layers.pooling import AveragePooling, GlobalAveragePooling, GlobalMaxPooling, MaxPooling
from common.layers.position import PositionalEncoding
from common.layers.recurrent import GRU, LSTM, RNN
from common.layers.sequential import Flatten, ResidualBlock, Sequential
from common.layers.stack import Bidirectional, Stack

__all__ = [
    "CRF",
    "GELU",
    "GRU",
    "LSTM",
    "RNN",
    "Affine",
    "AffineSoftmaxWithLoss",
    "Attention",
    "AveragePooling",
    "BatchNorm",
    "Bidirectional",
    "CircularShift",
    "ContentAddressing",
    "Convolution",
    "Dropout",
    "Embedding",
    "Flatten",
    "GRUCell",
    "GlobalAveragePooling",
    "GlobalMaxPooling",
    "InterpolationGate",
    "LSTMCell",
    "Layer",
    "LayerNorm",
    "Make",
    "MatMul",
    "MaxPooling",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "MemoryAdd",
    "MemoryErase",
    "MemoryRead",
    "Model",
    "MultiHeadAttention",
    "PositionalEncoding",
    "QuantileLoss",
    "RNNCell",
    "ReLU",
    "ResidualBlock",
    "Sequential",
    "Sharpening",
    "Sigmoid",
    "SigmoidWithLoss",
    "Softmax",
    "SoftmaxWithLoss",
    "Stack",
    "Tanh",
    "VariationalDropout",
    "count_parameters",
    "evaluating",
    "find_generators",
    "held",
    "hold",
    "unique_parameters",
    "viterbi",
    "walk",
]
