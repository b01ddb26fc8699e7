"""Make the reference values in this folder with PyTorch: ``python tests/golden/make_golden.py [layers...]``.

For each example of each layer in ``common.catalogue``, PyTorch's own implementation computes outputs and
gradients in float64, from the same weights and inputs and from random gradients of the outputs. The tests
compare with what is stored, and need no PyTorch. Optimizers are let take five steps. A small Transformer is
compared as a whole.
"""

from __future__ import annotations

import copy
import sys
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from common import optimizers
from common.catalogue import GOLDEN, build, entry_of, layer_classes
from common.layers import unique_parameters
from common.questions import PAD, START
from common.seq2seq import Seq2Seq
from common.transformer import DecoderBlock, EncoderBlock, Maker, transformer

# (our layer, its params, its inputs), all as tensors but for the layer, to the output or outputs
COUNTERPARTS = {
    "MatMul": lambda layer, p, x: torch.matmul(x[0], p[0]),
    "Affine": lambda layer, p, x: F.linear(x[0], p[0].T, p[1]),
    "Sigmoid": lambda layer, p, x: torch.sigmoid(x[0]),
    "Tanh": lambda layer, p, x: torch.tanh(x[0]),
    "ReLU": lambda layer, p, x: F.relu(x[0]),
    "Softmax": lambda layer, p, x: F.softmax(x[0], dim=-1),
    "SoftmaxWithLoss": lambda layer, p, x: kept_mean(
        F.cross_entropy(
            x[0].reshape(-1, x[0].shape[-1]),
            x[1].reshape(-1),
            reduction="none",
            label_smoothing=layer.smoothing,
        ),
        x[2:],
    ),
    "AffineSoftmaxWithLoss": lambda layer, p, x: kept_mean(
        F.cross_entropy(
            F.linear(x[0], p[0].T, p[1]).reshape(-1, p[0].shape[1]), x[1].reshape(-1), reduction="none"
        ),
        x[2:],
    ),
    "SigmoidWithLoss": lambda layer, p, x: kept_mean(
        F.binary_cross_entropy_with_logits(x[0], x[1].to(x[0].dtype), reduction="none"), x[2:]
    ),
    "MeanSquaredError": lambda layer, p, x: F.mse_loss(x[0], x[1]),
    "Embedding": lambda layer, p, x: F.embedding(x[0], p[0]),
    # Which numbers are dropped is ours to choose: ones sent through a copy of the layer show which.
    "Dropout": lambda layer, p, x: (
        x[0] * torch.from_numpy(copy.deepcopy(layer).forward(np.ones(tuple(x[0].shape))))
    ),
    "VariationalDropout": lambda layer, p, x: (
        x[0] * torch.from_numpy(copy.deepcopy(layer).forward(np.ones(tuple(x[0].shape))))
    ),
    "RNNCell": lambda layer, p, x: torch.rnn_tanh_cell(x[0], x[1], *theirs(p)),
    "LSTMCell": lambda layer, p, x: torch.lstm_cell(x[0], x[1:], *theirs(p)),
    "GRUCell": lambda layer, p, x: torch.gru_cell(x[0], x[1], *theirs(p)),
    "RNN": lambda layer, p, x: over_time(torch.rnn_tanh, torch.rnn_tanh_cell, p, *x),
    "LSTM": lambda layer, p, x: over_time(torch.lstm, torch.lstm_cell, p, *x),
    "GRU": lambda layer, p, x: over_time(torch.gru, torch.gru_cell, p, *x),
    "Bidirectional": lambda layer, p, x: over_time(torch.lstm, None, p, *x),
    "Attention": lambda layer, p, x: F.scaled_dot_product_attention(
        x[0],
        x[1],
        x[1],
        attn_mask=x[2] if x[2:] and x[2].ndim == 3 else x[2][:, None] if x[2:] else None,
        scale=layer.scale,
    ),
    "MultiHeadAttention": lambda layer, p, x: multi_head(layer, p, *x),
    "LayerNorm": lambda layer, p, x: F.layer_norm(x[0], p[0].shape, p[0], p[1], layer.epsilon),
    "PositionalEncoding": lambda layer, p, x: x[0] + clocks(*x[0].shape[1:], layer.base),
}


def multi_head(layer, params, xs, memory=None, mask=None):
    """PyTorch's function wants time first, weights transposed, and True where a position is hidden."""
    Wq, bq, Wk, Wv, bv, Wo, bo = params
    memory = xs if memory is None else memory
    Tq, Tk = xs.shape[1], memory.shape[1]
    return F.multi_head_attention_forward(
        *(a.transpose(0, 1) for a in (xs, memory, memory)),
        xs.shape[2],
        layer.heads,
        in_proj_weight=torch.cat([Wq.T, Wk.T, Wv.T]),
        in_proj_bias=torch.cat([bq, torch.ones_like(bq), bv]),
        bias_k=None,
        bias_v=None,
        add_zero_attn=False,
        dropout_p=0.0,
        out_proj_weight=Wo.T,
        out_proj_bias=bo,
        key_padding_mask=None if mask is None else ~mask,
        attn_mask=torch.ones(Tq, Tk).triu(1).bool() if layer.causal else None,
        need_weights=False,
    )[0].transpose(0, 1)


def clocks(T, D, base):
    """Sines and cosines of the positions, as complex numbers of size 1."""
    frequencies = base ** (-torch.arange(0, D, 2, dtype=torch.float64) / D)
    turned = torch.polar(torch.ones(T, D // 2).double(), torch.outer(torch.arange(T).double(), frequencies))
    return torch.stack([turned.imag, turned.real], dim=2).reshape(T, D)


def theirs(params):
    """Our weights of a recurrent layer in PyTorch's layout: transposed, the LSTM's gates in another order."""
    Wx, Wh, *biases = params
    H = len(Wh)
    if Wh.shape[1] == 4 * H:  # ours: output, input, forget, candidate; theirs: the output last
        Wx, Wh, *biases = (torch.cat([p[..., H:], p[..., :H]], dim=-1) for p in (Wx, Wh, *biases))
    if len(biases) == 1:
        biases.append(torch.zeros_like(biases[0]))
    return [Wx.T, Wh.T, *biases]


def over_time(function, cell, params, xs, mask=None):
    """PyTorch's layer over (N, T, D); with a mask its cell, step by step."""
    H = len(params[1])
    if mask is None:
        directions = len(params) // 3 if function is torch.lstm else 1
        weights = [
            w
            for i in range(directions)
            for w in theirs(params[3 * i : 3 * i + 3 if directions > 1 else None])
        ]
        zero = torch.zeros(directions, len(xs), H, dtype=xs.dtype)
        start = (zero, zero) if function is torch.lstm else zero
        return function(xs, start, weights, True, 1, 0.0, True, directions == 2, True)[0]
    states = [torch.zeros(len(xs), H, dtype=xs.dtype)] * (2 if cell is torch.lstm_cell else 1)
    hs = []
    for t in range(xs.shape[1]):
        new = cell(xs[:, t], states if len(states) == 2 else states[0], *theirs(params))
        new = new if isinstance(new, tuple) else (new,)
        states = [torch.where(mask[:, t, None], after, before) for after, before in zip(new, states)]
        hs.append(states[0])
    return torch.stack(hs, dim=1)


def kept_mean(losses, masks):
    """Mean over the positions that the mask keeps."""
    return losses[masks[0].reshape(losses.shape)].mean() if masks else losses.mean()


def reference(layer, inputs, counterpart, rng):
    """All inputs, outputs and gradients of one example, by name."""
    stored = {f"param {i}": p for i, p in enumerate(layer.params)}
    stored |= {f"input {i}": x for i, x in enumerate(inputs) if x is not None}
    params = [torch.from_numpy(p.copy()).requires_grad_() for p in layer.params]
    tensors = [None if x is None else torch.from_numpy(x.copy()) for x in inputs]
    for x in tensors:
        if x is not None:
            x.requires_grad_(x.is_floating_point())
    outputs = counterpart(layer, params, tensors)
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    douts = [torch.from_numpy(np.asarray(rng.standard_normal(tuple(out.shape)))) for out in outputs]
    torch.autograd.backward(outputs, douts)
    stored |= {f"output {i}": out.detach().numpy() for i, out in enumerate(outputs)}
    stored |= {f"dout {i}": dout.numpy() for i, dout in enumerate(douts)}
    stored |= {f"dparam {i}": p.grad.numpy() for i, p in enumerate(params)}
    stored |= {
        f"dinput {i}": x.grad.numpy() for i, x in enumerate(tensors) if x is not None and x.grad is not None
    }
    return stored


OPTIMIZERS = {
    "SGD": lambda p: torch.optim.SGD(p, lr=0.1),
    "Momentum": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9),
    "Nesterov": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True),
    "AdaGrad": lambda p: torch.optim.Adagrad(p, lr=0.1, eps=1e-10),
    "RMSprop": lambda p: torch.optim.RMSprop(p, lr=0.1, alpha=0.99, eps=1e-8),
    "Adam": lambda p: torch.optim.Adam(p, lr=0.1, betas=(0.9, 0.999), eps=1e-8),
}


def five_steps(make, rng):
    """A (3, 2) weight, five gradients, and the weight after each step."""
    weight = torch.from_numpy(rng.standard_normal((3, 2))).requires_grad_()
    start, grads, after = weight.detach().numpy().copy(), rng.standard_normal((5, 3, 2)), []
    optimizer = make([weight])
    for grad in grads:
        weight.grad = torch.from_numpy(grad.copy())
        optimizer.step()
        after.append(weight.detach().numpy().copy())
    return {"start": start, "grads": grads, "after": np.array(after)}


def blocks():
    """The blocks of the Transformer, layer normalization before and after; their weights are random."""
    for kind, norm_first in ((k, n) for k in ("encoder", "decoder") for n in (True, False)):
        rng = np.random.default_rng(1984)
        make = Maker(4, 6, rng, heads=2, dropout=0.0, norm_first=norm_first, dtype=np.float64)
        attentions = [make.attention(causal=kind == "decoder")]
        attentions += [make.attention()] if kind == "decoder" else []
        block = (EncoderBlock if kind == "encoder" else DecoderBlock)(
            *(make.around(layer) for layer in (*attentions, make.network()))
        )
        for param in block.params:
            param[...] = rng.standard_normal(param.shape) * 0.5 + (param == 1)
        inputs = [rng.standard_normal((2, 3, 4))]
        inputs += [rng.standard_normal((2, 5, 4))] if kind == "decoder" else []
        mask = np.ones((2, inputs[-1].shape[1]), dtype=bool)
        mask[1, 2:] = False
        yield f"{kind}, norm {'first' if norm_first else 'last'}", block, [*inputs, mask]


def block_of_pytorch(block, params, inputs):
    """The counterpart of a block: PyTorch's layer, called with our weights in its layout."""
    p = dict(zip((name for name, _ in block.named_params()), params))
    kind = torch.nn.TransformerDecoderLayer if len(inputs) == 3 else torch.nn.TransformerEncoderLayer
    theirs = kind(4, 2, 6, dropout=0.0, batch_first=True, norm_first=block.network.norm_first).double()
    weights = weights_of_block(p)
    assert weights.keys() == dict(theirs.named_parameters()).keys()
    if len(inputs) == 3:
        hidden = torch.ones(3, 3).triu(1).bool()
        options = {"tgt_mask": hidden, "memory_key_padding_mask": ~inputs[2]}
    else:
        options = {"src_key_padding_mask": ~inputs[1]}
    return torch.func.functional_call(theirs, weights, tuple(inputs[:-1]), options)


def weights_of_block(p):
    """The weights of a block, by our names, in PyTorch's layout and by its names."""
    names = {"attention": ("self_attn", "norm1"), "cross": ("multihead_attn", "norm2")}
    weights = {}
    for ours, (attention, norm) in names.items():
        if f"{ours}.norm.gain" not in p:
            continue
        W = [p[f"{ours}.layer.{part}.W"].T for part in ("query", "key", "value")]
        b = [p[f"{ours}.layer.{part}.b"] for part in ("query", "value")]
        weights[f"{attention}.in_proj_weight"] = torch.cat(W)
        weights[f"{attention}.in_proj_bias"] = torch.cat([b[0], torch.zeros_like(b[0]), b[1]])
        weights[f"{attention}.out_proj.weight"] = p[f"{ours}.layer.out.W"].T
        weights[f"{attention}.out_proj.bias"] = p[f"{ours}.layer.out.b"]
        weights[f"{norm}.weight"], weights[f"{norm}.bias"] = p[f"{ours}.norm.gain"], p[f"{ours}.norm.bias"]
    for i in (1, 2):
        weights[f"linear{i}.weight"] = p[f"network.layer.affine{i}.W"].T
        weights[f"linear{i}.bias"] = p[f"network.layer.affine{i}.b"]
    last = "norm3" if "cross.norm.gain" in p else "norm2"
    weights[f"{last}.weight"], weights[f"{last}.bias"] = p["network.norm.gain"], p["network.norm.bias"]
    return weights


def whole_transformer():
    """A Transformer with all its parts: questions, answers, weights, the loss and its gradients.

    Weights and gradients are stored end to end, in the order of ``unique_parameters``: one array for each
    would make the file several times larger.
    """
    rng = np.random.default_rng(1984)
    ours = transformer(7, 4, 6, rng, np.float64, depth=2, heads=2, smoothing=0.1)
    for param in unique_parameters(ours)[0]:
        param[...] = rng.standard_normal(param.shape) * 0.5 + (param == 1)
    questions, answers = rng.integers(3, 7, (3, 5)), rng.integers(2, 7, (3, 5))
    answers[:, 0] = START
    questions[1, 3:] = answers[2, 2:] = PAD
    shared = {"decoder.embed.embedding.W", "decoder.affine.W"}  # the word vectors once more, and once more
    p = {name: torch.tensor(a, requires_grad=True) for name, a in ours.named_params() if name not in shared}
    loss = loss_of_pytorch(p, ours, torch.from_numpy(questions), torch.from_numpy(answers))
    loss.backward()
    return {
        "questions": questions,
        "answers": answers,
        "weights": torch.cat([a.detach().ravel() for a in p.values()]).numpy(),
        "loss": loss.detach().numpy(),
        "gradients": torch.cat([a.grad.ravel() for a in p.values()]).numpy(),
    }


def loss_of_pytorch(p, ours: Seq2Seq, questions, answers):
    """The loss of PyTorch's Transformer with our weights ``p``, by our names."""
    W = p["encoder.embed.embedding.W"]
    V, D = W.shape
    theirs = torch.nn.Transformer(D, 2, 2, 2, 6, dropout=0.0, batch_first=True, norm_first=True).double()
    weights = {}
    for part in ("encoder", "decoder"):
        weights[f"{part}.norm.weight"] = p[f"{part}.norm.gain"]
        weights[f"{part}.norm.bias"] = p[f"{part}.norm.bias"]
        for i in range(2):
            block = f"{part}.blocks.{i}."
            inner = {name.removeprefix(block): a for name, a in p.items() if name.startswith(block)}
            weights |= {f"{part}.layers.{i}.{name}": a for name, a in weights_of_block(inner).items()}
    assert weights.keys() == dict(theirs.named_parameters()).keys()

    def embed(ids):
        return F.embedding(ids, W) * D**0.5 + clocks(ids.shape[1], D, ours.encoder.embed.positions.base)

    hidden, read, targets = questions == PAD, answers[:, :-1], answers[:, 1:]
    options = {
        "tgt_mask": torch.ones(read.shape[1], read.shape[1]).triu(1).bool(),
        "src_key_padding_mask": hidden,
        "memory_key_padding_mask": hidden,
    }
    ys = torch.func.functional_call(theirs, weights, (embed(questions), embed(read)), options)
    scores = F.linear(ys, W, p["decoder.affine.b"])
    scores, targets = scores.reshape(-1, V), targets.reshape(-1)
    return F.cross_entropy(scores, targets, ignore_index=PAD, label_smoothing=ours.loss.smoothing)


def main() -> None:
    wanted = sys.argv[1:]
    for layer_class in layer_classes():
        name = layer_class.__name__
        if wanted and name not in wanted:
            continue
        rng = np.random.default_rng(1984)
        stored = {}
        for example_name, example in entry_of(layer_class).examples.items():
            layer, inputs = build(example)
            for key, value in reference(layer, inputs, COUNTERPARTS[name], rng).items():
                stored[f"{example_name}/{key}"] = np.asarray(value)
        np.savez_compressed(GOLDEN / f"{name}.npz", **stored)
    if not wanted or "transformer" in wanted:
        stored = {}
        for name, block, inputs in blocks():
            for key, value in reference(block, inputs, block_of_pytorch, np.random.default_rng(0)).items():
                stored[f"{name}/{key}"] = value
        stored |= {f"whole/{key}": value for key, value in whole_transformer().items()}
        np.savez_compressed(GOLDEN / "transformer.npz", **stored)
    if not wanted:
        stored = {}
        for name, make in OPTIMIZERS.items():
            assert hasattr(optimizers, name)
            for key, value in five_steps(make, np.random.default_rng(1984)).items():
                stored[f"{name}/{key}"] = value
        np.savez_compressed(GOLDEN / "optimizers.npz", **stored)
    print(f"made {len(list(Path(GOLDEN).glob('*.npz')))} files with PyTorch {torch.__version__}")


if __name__ == "__main__":
    main()
