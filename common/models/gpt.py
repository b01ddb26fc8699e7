"""A small GPT: the decoder of a Transformer alone, which only guesses the next piece of text [Radford2019]_.

There is no encoder to look at, so a block has two layers: attention to what came before, and the network.
Both are those of chapter 9, with layer normalization first. What differs from there: GELU in place of ReLU,
positions that are learned, and initial weights that get smaller with depth.

``predict`` reads a whole text. ``step`` reads on: it takes what is new, and the keys and values of what was
read before.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from common.backend import FLOAT, Array, DType, xp
from common.initializers import zeros
from common.layers import (
    GELU,
    AffineSoftmaxWithLoss,
    Dropout,
    Embedding,
    Layer,
    LayerNorm,
    Make,
    Model,
    MultiHeadAttention,
    walk,
)
from common.models.transformer import Blocks, EncoderBlock, FeedForward, look_back
from common.support.require import require_counts, require_positive
from common.support.safetensors import SafeTensors
from common.text.subwords import Subwords

State: TypeAlias = "list[tuple[Array, Array]]"
"""What is kept while a text is read: keys and values (N, t, D) of its t words, for each block."""


WORDS = 0.1
"""The standard deviation of the word vectors at first."""


class LearnedPositions(Model):
    """Ids to vectors that know their position: a row for the word, plus a row for the position, dropout.

    Parameters
    ----------
    words : Embedding, (V, D)
    positions : Embedding, (length, D)
        There is no row for a later position, so a longer text is refused.
    dropout : Dropout, optional
    """

    def __init__(self, words: Embedding, positions: Embedding, dropout: Dropout | None = None) -> None:
        self.words, self.positions, self.dropout = words, positions, dropout

    @property
    def length(self) -> int:
        """How many positions there are."""
        return len(self.positions.params[0])

    def check(self, ids: Array, start: int = 0) -> None:
        """Raise unless ``ids`` is (N, T), and there is a position for each."""
        if ids.ndim != 2 or 0 in ids.shape:
            raise ValueError(f"ids has shape {ids.shape}; it should be (N, T), with N and T at least 1.")
        require_room(start + ids.shape[1], self.length)

    def forward(self, ids: Array, start: int = 0) -> Array:
        """``ids`` (N, T), the first of which stands at position ``start``, to (N, T, D)."""
        self.check(ids, start)
        xs = self.words.forward(ids) + self.positions.forward(xp.arange(start, start + ids.shape[1]))
        return self.dropout.forward(xs) if self.dropout else xs

    def backward(self, dout: Array) -> None:
        """Leave the gradients of both tables in ``grads``; all rows of a batch had the same positions."""
        dout = self.dropout.backward(dout) if self.dropout else dout
        self.words.backward(dout)
        self.positions.backward(dout.sum(axis=0))


class GPTBlock(EncoderBlock):
    """Self-attention that sees no later position, then the network.

    Parameters
    ----------
    attention : Residual around MultiHeadAttention with ``causal=True``
    network : Residual around FeedForward
    """

    def step(self, y: Array, keys: Array, values: Array) -> tuple[Array, Array, Array]:
        """``forward`` of the next positions alone.

        Parameters
        ----------
        y : (N, k, D)
        keys, values : (N, t, D), of the positions before

        Returns
        -------
        y : (N, k, D)
        keys, values : (N, t + k, D)
        """
        y, keys, values = look_back(self.attention, y, keys, values)
        return self.network.forward(y), keys, values


class GPT(Model):
    """Embedding with positions, blocks, a last layer normalization, and a score for each possible next word.

    Parameters
    ----------
    embed : LearnedPositions
    blocks : list of GPTBlock
    norm : LayerNorm
    output : AffineSoftmaxWithLoss
        Its W may be the transpose of the word vectors [Press2017]_.
    """

    def __init__(
        self, embed: LearnedPositions, blocks: list[GPTBlock], norm: LayerNorm, output: AffineSoftmaxWithLoss
    ) -> None:
        self.embed, self.blocks, self.norm, self.output = embed, blocks, norm, output

    @property
    def length(self) -> int:
        """The most words that a text can have: as many as there are positions."""
        return self.embed.length

    def hidden(self, xs: Array) -> Array:
        """Ids ``xs`` (N, T) to what the model knows after each word, (N, T, D)."""
        hs = self.embed.forward(xs)
        for block in self.blocks:
            hs = block.forward(hs)
        return self.norm.forward(hs)

    def predict(self, xs: Array) -> Array:
        """Ids ``xs`` (N, T) to the scores of each next word, (N, T, V)."""
        return self.output.scores(self.hidden(xs))

    def forward(self, xs: Array, ts: Array, mask: Array | None = None) -> Array:
        """Ids ``xs`` (N, T) and the words that follow each, ``ts`` (N, T), to the loss."""
        return self.output.forward(self.hidden(xs), ts, mask)

    def backward(self, dout: float = 1) -> None:
        """Leave all gradients in ``grads``."""
        dhs = self.norm.backward(self.output.backward(dout))
        for block in reversed(self.blocks):
            dhs = block.backward(dhs)
        self.embed.backward(dhs)

    # Reading on

    def start(self, N: int, positions: int = 1) -> State:
        """Nothing is read yet: for each block no keys and no values, (N, 0, D).

        Parameters
        ----------
        N : int
            How many texts will be read side by side.
        positions : int
            How many words of each will be read in all; too many are refused at once.
        """
        require_room(positions, self.length)
        table = self.embed.words.params[0]
        nothing = xp.zeros((N, 0, table.shape[1]), dtype=table.dtype)
        return [(nothing, nothing) for _ in self.blocks]

    def step(self, ids: Array, state: State) -> tuple[Array, State]:
        """Read on.

        Parameters
        ----------
        ids : (N, k)
            The next words.
        state : list
            Keys and values of the words before, for each block.

        Returns
        -------
        scores : (N, V), of the word that follows the last
        state : list, which knows the new words, too
        """
        y, after = self.embed.forward(ids, start=state[0][0].shape[1]), []
        for block, (keys, values) in zip(self.blocks, state):
            y, keys, values = block.step(y, keys, values)
            after.append((keys, values))
        return self.output.scores(self.norm.forward(y[:, -1])), after


def gpt(
    V: int,
    D: int,
    length: int,
    rng: np.random.Generator,
    depth: int = 4,
    heads: int = 4,
    dropout: float = 0.0,
    *,
    alibi: bool = False,
    dtype: DType = FLOAT,
) -> GPT:
    """A GPT with weights to begin with.

    Each block adds twice to what flows through, so the sum would grow with depth, and what is added by
    weights that know nothing yet would drown the words. The weights that write into the sum are therefore
    ``sqrt(2 * depth)`` times smaller [Radford2019]_, and smaller once more by the scale of the words: what
    all blocks write together begins as large as the word vectors are.

    Parameters
    ----------
    V : int
        Size of the vocabulary.
    D : int
        Size of a word vector, and of all that flows between the blocks; the networks have ``4 * D`` inside.
    length : int
        The longest text that it can read.
    rng : numpy.random.Generator
        Draws the first weights, and later what is dropped.
    depth : int
        Blocks.
    heads : int
        Divides D.
    dropout : float
        Ratio of what is dropped of each embedding and of what each layer adds.
    alibi : bool
        Beside the learned positions: scores that sink with distance, see ``MultiHeadAttention``.
    dtype : float type, of the weights
    """
    require_counts(V=V, D=D, length=length, depth=depth)
    make = Make(rng, dtype)
    blocks = Blocks(make, D, 4 * D, heads, dropout, norm_first=True)
    words, positions = make.embedding(V, D, scale=WORDS), make.embedding(length, D, scale=0.02)
    return GPT(
        LearnedPositions(words, positions, blocks.drop()),
        [gpt_block(blocks, depth, alibi) for _ in range(depth)],
        make.layer_norm(D),
        AffineSoftmaxWithLoss(words.params[0].T, zeros(V, dtype=dtype)),
    )


def gpt_block(blocks: Blocks, depth: int, alibi: bool) -> GPTBlock:
    """One of ``depth`` blocks."""
    attention: MultiHeadAttention = blocks.attention(causal=True, alibi=alibi)
    network = FeedForward(
        blocks.make.affine(blocks.D, blocks.H), blocks.make.affine(blocks.H, blocks.D), GELU()
    )
    for last in (attention.out, network.affine2):
        last.params[0] *= WORDS * (2 * depth) ** -0.5
    return GPTBlock(blocks.around(attention), blocks.around(network))


# ---- somebody else's weights


def load_gpt2(folder: str | os.PathLike, *, dtype: DType = FLOAT) -> tuple[GPT, Subwords]:
    """A GPT-2 with the weights and the vocabulary that somebody else has trained [Radford2019]_.

    The files are those in which GPT-2 is exchanged. There, query, key and value of a block are one matrix
    (D, 3 D). Its keys have biases, which are left out: they add the same to all scores of a query. The scores
    of the words have none, so ours are 0.

    Parameters
    ----------
    folder : path
        Has ``config.json``, ``model.safetensors``, ``vocab.json`` and ``merges.txt``.
    dtype : float type, of the weights

    Returns
    -------
    model : GPT
        Not in training.
    subwords : Subwords

    Raises
    ------
    FileNotFoundError
        A file is missing.
    ValueError
        A file is damaged, or of another model; or the weights are a pickle.
    """
    folder = Path(folder)
    config = read_config(folder / "config.json")
    subwords = Subwords.from_gpt2(folder)
    V, D, depth = config["vocab_size"], config["n_embd"], config["n_layer"]
    if len(subwords) != V:
        raise ValueError(f"{folder / 'vocab.json'} has {len(subwords)} tokens; it should have {V}.")
    file = SafeTensors(find_weights(folder))
    prefix = "transformer." if "transformer.wte.weight" in file else ""
    # The weights that are drawn here are replaced at once.
    model = gpt(V, D, config["n_positions"], np.random.default_rng(0), depth, config["n_head"], dtype=dtype)
    for _, layer in walk(model):
        if isinstance(layer, LayerNorm):
            layer.epsilon = config["layer_norm_epsilon"]

    def fill(name: str, *params: Any) -> None:
        """Put an array of the file into our weights, which lie side by side in it, all of one shape; what
        stands where None is given is left out."""
        *rows, width = params[0].shape
        array = file.read(prefix + name, (*rows, width * len(params)))
        for param, part in zip(params, np.split(array, len(params), axis=-1)):
            if param is not None:
                param[...] = xp.asarray(part)

    fill("wte.weight", model.embed.words.params[0])
    fill("wpe.weight", model.embed.positions.params[0])
    for i, block in enumerate(model.blocks):
        attention, network = block.attention.layer, block.network.layer
        query, key, value = attention.query.params, attention.key.params, attention.value.params
        fill(f"h.{i}.attn.c_attn.weight", query[0], key[0], value[0])
        fill(f"h.{i}.attn.c_attn.bias", query[1], None, value[1])
        layers: dict[str, Layer] = {
            "attn.c_proj": attention.out,
            "mlp.c_fc": network.affine1,
            "mlp.c_proj": network.affine2,
        }
        layers |= {"ln_1": block.attention.norm, "ln_2": block.network.norm}
        for name, layer in layers.items():
            fill(f"h.{i}.{name}.weight", layer.params[0])
            fill(f"h.{i}.{name}.bias", layer.params[1])
    fill("ln_f.weight", model.norm.params[0])
    fill("ln_f.bias", model.norm.params[1])
    model.training = False
    return model, subwords


def read_config(path: Path) -> dict[str, Any]:
    """The sizes of a GPT-2, if it is one that ``gpt`` can make."""
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}; it should say how large the GPT-2 is.")
    try:
        config = {"layer_norm_epsilon": 1e-5, **json.loads(path.read_text(encoding="utf-8"))}
    except (ValueError, TypeError):
        raise ValueError(f"{path} is damaged; it should be a JSON object.") from None
    for name in ("vocab_size", "n_embd", "n_layer", "n_head", "n_positions"):
        value = config.get(name)
        if type(value) is not int or value < 1:
            raise ValueError(f"{name} in {path} is {value!r}; it should be a whole number, at least 1.")
    wanted = {
        "activation_function": ("gelu_new", "gelu_pytorch_tanh"),
        "n_inner": (None, 4 * config["n_embd"]),
        "scale_attn_weights": (True,),
        "scale_attn_by_inverse_layer_idx": (False,),
        "tie_word_embeddings": (True,),
    }
    for name, values in wanted.items():
        if config.get(name, values[0]) not in values:
            raise ValueError(
                f"{name} in {path} is {config[name]!r}; it should be {values[0]!r}, as in GPT-2."
            )
    require_positive("layer_norm_epsilon", config["layer_norm_epsilon"])
    return config


def find_weights(folder: Path) -> Path:
    """The file with the weights."""
    path, pickle = folder / "model.safetensors", folder / "pytorch_model.bin"
    if not path.is_file() and pickle.is_file():
        raise FileNotFoundError(
            f"there is no file {path}; {pickle.name} beside it is a pickle, may run any code when it is "
            "read, and is not read here."
        )
    return path


# ---- what is checked


def require_room(positions: int, length: int) -> None:
    """Raise unless a text of so many positions is not longer than the model was made for."""
    if positions > length:
        raise ValueError(
            f"the text has {positions} positions; it should have at most {length}, for the model has learned "
            "no later ones."
        )
