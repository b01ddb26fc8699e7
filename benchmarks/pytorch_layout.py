"""Our weights as PyTorch wants them: each matrix transposed, the gates in another order, other names.

A function takes ``p``, our parameters by name, as tensors, and returns theirs by name. What is below a part
of a model is ``below(p, "encoder.")``; where it belongs in theirs, ``at("encoder.", ...)``. So
``model.load_state_dict(transformer(p))`` starts two models from the same weights.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from torch import Tensor

Tensors: TypeAlias = "dict[str, Tensor]"


def below(p: Tensors, path: str) -> Tensors:
    """The parameters whose names begin with ``path``, by the rest of their names."""
    return {name.removeprefix(path): a for name, a in p.items() if name.startswith(path)}


def at(path: str, p: Tensors) -> Tensors:
    """The same parameters, ``path`` before each name."""
    return {path + name: a for name, a in p.items()}


def linear(p: Tensors) -> Tensors:
    """Of ``Affine``: ``x W + b`` is ``F.linear(x, weight, bias)``."""
    return {"weight": p["W"].T, "bias": p["b"]}


def convolution(p: Tensors) -> Tensors:
    """Of ``Convolution``: filters, channels, window, as here."""
    return {"weight": p["W"], "bias": p["b"]}


def layers_in_a_row(p: Tensors) -> Tensors:
    """Of a ``Sequential`` of layers with ``W`` and ``b``, for an ``nn.Sequential`` of the same layers."""
    weights = {}
    for path in dict.fromkeys(name.rpartition(".")[0] for name in p):
        layer = below(p, f"{path}.")
        kind = linear if layer["W"].ndim == 2 else convolution
        weights |= at(f"{path.removeprefix('layers.')}.", kind(layer))
    return weights


def embedding(p: Tensors) -> Tensors:
    """Of ``Embedding``."""
    return {"weight": p["W"]}


def norm(p: Tensors) -> Tensors:
    """Of ``LayerNorm``."""
    return {"weight": p["gain"], "bias": p["bias"]}


def recurrent(p: Tensors) -> Tensors:
    """Of ``RNN``, ``LSTM``, ``GRU`` or one of their cells.

    Our LSTM begins with the output gate, theirs ends with it. Theirs has a second bias, which is added to the
    first; it is 0 where ours has one.
    """
    Wx, Wh, b, *second = p.values()
    H = len(Wh)
    if len(b) == 4 * H:
        Wx, Wh, b = (a.roll(-H, dims=-1) for a in (Wx, Wh, b))
    return {
        "weight_ih_l0": Wx.T,
        "weight_hh_l0": Wh.T,
        "bias_ih_l0": b,
        "bias_hh_l0": second[0] if second else b.new_zeros(b.shape),
    }


def attention(p: Tensors) -> Tensors:
    """Of ``MultiHeadAttention``: its three products with the input are one matrix there.

    Our keys have no bias: it would add the same to all scores of a query.
    """
    import torch  # here, so that the names of all benchmarks can be listed without it

    query, key, value = (p[f"{part}.W"] for part in ("query", "key", "value"))
    b = p["query.b"], torch.zeros_like(p["query.b"]), p["value.b"]
    return {
        "in_proj_weight": torch.cat([query.T, key.T, value.T]),
        "in_proj_bias": torch.cat(b),
        **at("out_proj.", linear(below(p, "out."))),
    }


def transformer_block(p: Tensors) -> Tensors:
    """Of ``EncoderBlock`` or ``DecoderBlock``."""
    parts = {"attention": "self_attn.", "cross": "multihead_attn."}
    weights = {}
    for ours, theirs in parts.items():
        if layer := below(p, f"{ours}.layer."):
            weights |= at(theirs, attention(layer))
    for i in (1, 2):
        weights |= at(f"linear{i}.", linear(below(p, f"network.layer.affine{i}.")))
    norms = [below(p, f"{part}.norm.") for part in (*parts, "network")]
    for i, one in enumerate(filter(None, norms), 1):
        weights |= at(f"norm{i}.", norm(one))
    return weights


def transformer(p: Tensors) -> Tensors:
    """Of the two towers of our Transformer: what ``torch.nn.Transformer`` holds. Embeddings are not in it."""
    weights = {}
    for tower in ("encoder.", "decoder."):
        weights |= at(f"{tower}norm.", norm(below(p, f"{tower}norm.")))
        for i in sorted({name.split(".")[0] for name in below(p, f"{tower}blocks.")}):
            weights |= at(f"{tower}layers.{i}.", transformer_block(below(p, f"{tower}blocks.{i}.")))
    return weights


def gpt(p: Tensors) -> Tensors:
    """Of ``GPT``, for a module with ``words``, ``positions``, ``blocks`` (an ``nn.TransformerEncoder`` with a
    last norm) and ``output``, whose weight is that of the words."""
    weights = at("words.", embedding(below(p, "embed.words.")))
    weights |= at("positions.", embedding(below(p, "embed.positions.")))
    for i in sorted({name.split(".")[0] for name in below(p, "blocks.")}):
        weights |= at(f"blocks.layers.{i}.", transformer_block(below(p, f"blocks.{i}.")))
    return weights | at("blocks.norm.", norm(below(p, "norm."))) | at("output.", linear(below(p, "output.")))
