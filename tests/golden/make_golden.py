"""Make the reference values in this folder with PyTorch: ``make golden``, or ``make golden NAME=LSTM``.

For each example of each layer in ``common.book.catalogue``, PyTorch's own implementation computes outputs and
gradients in float64, from the same weights and inputs and from random gradients of the outputs. The tests
compare with what is stored, and need no PyTorch; how far ours is from it is recorded in
data/results/layers.json, for the page that shows it. Optimizers are let take five steps, and a schedule is
followed. A small Transformer is compared as a whole.
"""

from __future__ import annotations

import copy
import json
import sys
from functools import partial

import numpy as np
import torch
from torch.nn import functional as F

from benchmarks import crf, pytorch_layout
from common import optimizers
from common.book import recorded
from common.book.catalogue import build, entry_of, layer_classes
from common.book.results import record
from common.layers import unique_parameters
from common.layers.make import Make
from common.models.seq2seq import Seq2Seq
from common.models.transformer import Blocks, transformer
from common.text import PAD, START
from common.text.subwords import END_OF_TEXT, GPT2_BYTES, Subwords
from tests.golden.reference import GOLDEN, gaps_to
from tests.helpers import write_gpt2_vocabulary, write_safetensors

FAR = 1e-8
"""In float64, ours and PyTorch's numbers agree to some 1e-15; what is further apart is another formula."""

# ---- what the entries of the catalogue name, beside ``torch`` and ``F``


def multi_head(layer, params, xs, memory=None, mask=None):
    """PyTorch's function wants time first, and True where a position is hidden."""
    names = [name for name, _ in layer.named_params()]
    weights = pytorch_layout.attention(dict(zip(names, params)))
    memory = xs if memory is None else memory
    Tq, Tk = xs.shape[1], memory.shape[1]
    return F.multi_head_attention_forward(
        *(a.transpose(0, 1) for a in (xs, memory, memory)),
        xs.shape[2],
        layer.heads,
        in_proj_weight=weights["in_proj_weight"],
        in_proj_bias=weights["in_proj_bias"],
        bias_k=None,
        bias_v=None,
        add_zero_attn=False,
        dropout_p=0.0,
        out_proj_weight=weights["out_proj.weight"],
        out_proj_bias=weights["out_proj.bias"],
        key_padding_mask=None if mask is None else ~mask,
        attn_mask=torch.ones(Tq, Tk).triu(1).bool() if layer.causal else None,
        need_weights=False,
    )[0].transpose(0, 1)


def batch_norm(layer, gain, bias, x):
    """PyTorch's function wants (n, D) or (N, D, ...), and changes the running ones that it is given."""
    running = [torch.from_numpy(a.copy()) for a in (layer.running_mean, layer.running_variance)]
    return F.batch_norm(
        x if layer.axis == 1 else x.flatten(0, -2),
        *running,
        gain,
        bias,
        layer.training,
        layer.momentum,
        layer.epsilon,
    ).reshape(x.shape)


def look(scale, queries, hs, mask=None):
    """Dot-product attention; a mask (N, Tk) holds for all queries."""
    mask = mask[:, None] if mask is not None and mask.ndim == 2 else mask
    return F.scaled_dot_product_attention(queries, hs, hs, attn_mask=mask, scale=scale)


def content_addressing(epsilon, memory, keys, strength):
    """The likeness of each key (N, K, W) to each row (N, R, W), through a softmax."""
    lengths = [torch.sqrt(u.square().sum(-1) + epsilon) for u in (keys, memory)]
    cosines = torch.einsum("nkw,nrw->nkr", keys, memory) / torch.einsum("nk,nr->nkr", *lengths)
    return torch.softmax(strength[..., None] * cosines, dim=-1)


def circular_shift(weights, shifts):
    """Rolled by each number of rows, and added up with the shares ``shifts`` (N, K, S)."""
    S = shifts.shape[-1]
    return sum(shifts[..., s, None] * weights.roll(s - S // 2, dims=-1) for s in range(S))


def sharpened(weights, gamma):
    """To a power, and to the sum 1 again."""
    return F.normalize(weights ** gamma[..., None], p=1, dim=-1)


def erased_memory(memory, weights, erased):
    """One head after the other takes its part away."""
    for k in range(weights.shape[1]):
        memory = memory - memory * torch.einsum("nr,nw->nrw", weights[:, k], erased[:, k])
    return memory


def clocks(T, D, base):
    """Sines and cosines of the positions, as complex numbers of size 1."""
    frequencies = base ** (-torch.arange(0, D, 2, dtype=torch.float64) / D)
    turned = torch.polar(torch.ones(T, D // 2).double(), torch.outer(torch.arange(T).double(), frequencies))
    return torch.stack([turned.imag, turned.real], dim=2).reshape(T, D)


def theirs(layer, params):
    """The weights of a recurrent layer or cell, in the order in which PyTorch's functions take them."""
    return list(pytorch_layout.recurrent(dict(zip(layer.names, params))).values())


def over_time(function, cell, layer, params, xs, mask=None):
    """PyTorch's layer over (N, T, D); with a mask its cell, step by step."""
    weights = theirs(layer, params)
    states = [torch.zeros(len(xs), len(params[1]), dtype=xs.dtype) for _ in layer.state_names]
    if mask is None:
        start = [state[None] for state in states]
        return function(xs, start if len(start) > 1 else start[0], weights, True, 1, 0.0, True, False, True)[
            0
        ]
    hs = []
    for t in range(xs.shape[1]):
        new = cell(xs[:, t], states if len(states) > 1 else states[0], *weights)
        new = new if isinstance(new, tuple) else (new,)
        states = [torch.where(mask[:, t, None], after, before) for after, before in zip(new, states)]
        hs.append(states[0])
    return torch.stack(hs, dim=1)


def both_ways(layer, params, xs):
    """Two LSTMs, one for each direction."""
    half = len(params) // 2
    weights = theirs(layer.rightward, params[:half]) + theirs(layer.leftward, params[half:])
    zero = torch.zeros(2, len(xs), len(params[1]), dtype=xs.dtype)
    return torch.lstm(xs, (zero, zero), weights, True, 1, 0.0, True, True, True)[0]


def stacked(layer, params, xs):
    """LSTMs one above the other, with what goes into one added to what comes out, if that is asked for."""
    for i, lstm in enumerate(layer.layers):
        size = len(lstm.params)
        hs = over_time(torch.lstm, torch.lstm_cell, lstm, params[i * size : (i + 1) * size], xs)
        xs = hs + xs if layer.residual and i else hs
    return xs


def residual_block(layer, params, x):
    """The layers of ours one by one, each by its own expression."""
    given, past = iter(params), x
    inner = [*layer.body.layers, *([layer.shortcut] if layer.shortcut else [])]
    parts = [[next(given) for _ in one.params] for one in inner]
    for one, p in zip(layer.body.layers, parts):
        x = counterpart(one, p, [x])
    return x + (counterpart(layer.shortcut, parts[-1], [past]) if layer.shortcut else past)


def largest_of(x, mask=None):
    """The largest number of each channel where the mask is True."""
    return (x if mask is None else x.masked_fill(~mask[:, None], -torch.inf)).flatten(2).max(dim=2).values


def mean_of(x, mask=None):
    """The mean of each channel where the mask is True."""
    share = torch.ones_like(x[:, 0]) if mask is None else mask.to(x.dtype)
    return (x * share[:, None]).flatten(2).sum(dim=2) / share.flatten(1).sum(dim=1, keepdim=True)


def mask_of(layer, x):
    """What is dropped is ours to choose: ones sent through a copy of the layer show it."""
    return torch.from_numpy(copy.deepcopy(layer).forward(np.ones(tuple(x.shape))))


def softmax_loss(scores, labels, mask=None, label_smoothing=0.0):
    """The mean over the positions that the mask keeps."""
    losses = F.cross_entropy(
        scores.flatten(0, -2), labels.flatten(), reduction="none", label_smoothing=label_smoothing
    )
    return kept_mean(losses, mask)


def sigmoid_loss(scores, labels, mask=None):
    """The mean over the positions that the mask keeps."""
    losses = F.binary_cross_entropy_with_logits(scores, labels.to(scores.dtype), reduction="none")
    return kept_mean(losses, mask)


def kept_mean(losses, mask):
    return losses.mean() if mask is None else losses[mask.reshape(losses.shape)].mean()


crf_loss = crf.crf_loss  # PyTorch has no such layer: its side of the benchmark


# ---- what is stored


def counterpart(layer, params, inputs):
    """PyTorch's output or outputs, from the expression in the layer's entry."""
    return eval(entry_of(type(layer)).torch, globals() | {"layer": layer, "p": params, "x": inputs})


def reference(layer, inputs, rng, counterpart=counterpart):
    """All inputs, outputs and gradients of one example, by name."""
    stored = {f"param {i}": p for i, p in enumerate(layer.params)}
    stored |= {f"input {i}": x for i, x in enumerate(inputs) if x is not None}
    params = [torch.from_numpy(p.copy()).requires_grad_() for p in layer.params]
    tensors = [None if x is None else torch.from_numpy(x.copy()) for x in inputs]
    for x in tensors:
        if x is not None:
            x.requires_grad_(x.is_floating_point())
    ours, outputs = copy.deepcopy(layer).forward(*inputs), counterpart(layer, params, tensors)
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    ours = ours if isinstance(ours, tuple) else (ours,)
    given, wanted = [tuple(out.shape) for out in outputs], [np.shape(out) for out in ours]
    if given != wanted:
        raise ValueError(f"PyTorch's outputs have the shapes {given}; they should have ours, {wanted}.")
    douts = [torch.from_numpy(np.asarray(rng.standard_normal(tuple(out.shape)))) for out in outputs]
    torch.autograd.backward(outputs, douts)
    for i, (param, name) in enumerate(zip(params, layer.names or range(len(params)))):
        if param.grad is None:
            raise ValueError(f"the expression does not use p[{i}] ({name}).")
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
    "AdamW": lambda p: torch.optim.AdamW(p, lr=0.1, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01),
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


def cosine_rates():
    """The rates of 45 updates: 10 rise to 0.1, 30 fall to a tenth of it, the last ones stay there."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    schedules = torch.optim.lr_scheduler
    rise = schedules.LinearLR(optimizer, start_factor=0.1, total_iters=9)
    fall = schedules.CosineAnnealingLR(optimizer, T_max=30, eta_min=0.01)
    stay = schedules.ConstantLR(optimizer, factor=0.1, total_iters=100)
    both, rates = schedules.SequentialLR(optimizer, [rise, fall, stay], [10, 40]), []
    for _ in range(45):
        rates.append(both.get_last_lr()[0])
        optimizer.step()
        both.step()
    return np.array(rates)


def blocks():
    """The blocks of the Transformer, layer normalization before and after; their weights are random."""
    for kind, norm_first in ((k, n) for k in ("encoder", "decoder") for n in (True, False)):
        rng = np.random.default_rng(1984)
        made = Blocks(Make(rng, np.float64), 4, 6, heads=2, dropout=0.0, norm_first=norm_first)
        block = made.decoder() if kind == "decoder" else made.encoder()
        for param in block.params:
            param[...] = rng.standard_normal(param.shape) * 0.5 + (param == 1)
        inputs = [rng.standard_normal((2, 3, 4))]
        inputs += [rng.standard_normal((2, 5, 4))] if kind == "decoder" else []
        mask = np.ones((2, inputs[-1].shape[1]), dtype=bool)
        mask[1, 2:] = False
        yield f"{kind}, norm {'first' if norm_first else 'last'}", block, [*inputs, mask]


def block_of_pytorch(block, params, inputs):
    """The counterpart of a block: PyTorch's layer, called with our weights in its layout."""
    weights = pytorch_layout.transformer_block(dict(zip((name for name, _ in block.named_params()), params)))
    kind = torch.nn.TransformerDecoderLayer if len(inputs) == 3 else torch.nn.TransformerEncoderLayer
    theirs = kind(4, 2, 6, dropout=0.0, batch_first=True, norm_first=block.network.norm_first).double()
    assert weights.keys() == dict(theirs.named_parameters()).keys()
    if len(inputs) == 3:
        hidden = torch.ones(3, 3).triu(1).bool()
        options = {"tgt_mask": hidden, "memory_key_padding_mask": ~inputs[2]}
    else:
        options = {"src_key_padding_mask": ~inputs[1]}
    return torch.func.functional_call(theirs, weights, tuple(inputs[:-1]), options)


def whole_transformer():
    """A Transformer with all its parts: questions, answers, weights, the loss and its gradients.

    Weights and gradients are stored end to end, in the order of ``unique_parameters``: one array for each
    would make the file several times larger.
    """
    rng = np.random.default_rng(1984)
    ours = transformer(7, 4, 6, rng, dtype=np.float64, depth=2, heads=2, smoothing=0.1)
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
    weights = pytorch_layout.transformer(p)
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


def gpt2_scores(p, heads, ids):
    """The scores of a GPT-2 for the next token, from its weights ``p`` by their names in its files.

    The matrices of its blocks are the transposes of those that ``F.linear`` takes.
    """
    T, D = ids.shape[1], p["wte.weight"].shape[1]

    def linear(x, name):
        return F.linear(x, p[f"{name}.weight"].T, p[f"{name}.bias"])

    def norm(x, name):
        return F.layer_norm(x, (D,), p[f"{name}.weight"], p[f"{name}.bias"])

    x = F.embedding(ids, p["wte.weight"]) + p["wpe.weight"][:T]
    for i in range(sum(name.endswith("ln_1.weight") for name in p)):
        three = linear(norm(x, f"h.{i}.ln_1"), f"h.{i}.attn.c_attn").split(D, dim=-1)
        q, k, v = (a.unflatten(-1, (heads, -1)).transpose(1, 2) for a in three)
        found = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2)
        x = x + linear(found, f"h.{i}.attn.c_proj")
        inner = F.gelu(linear(norm(x, f"h.{i}.ln_2"), f"h.{i}.mlp.c_fc"), approximate="tanh")
        x = x + linear(inner, f"h.{i}.mlp.c_proj")
    return F.linear(norm(x, "ln_f"), p["wte.weight"])


def make_gpt2():
    """A folder with a tiny GPT-2 of random weights, in the files in which GPT-2 is exchanged, and what
    PyTorch computes with it."""
    folder, rng = GOLDEN / "gpt2", np.random.default_rng(1984)
    folder.mkdir(exist_ok=True)
    text = "You say goodbye and I say hello. Why do you say goodbye, goodbye? Hello, hello, hello."
    subwords = Subwords.learn([text], 24, special=[END_OF_TEXT], alphabet=GPT2_BYTES)
    write_gpt2_vocabulary(folder, subwords)
    V, D, depth, heads, length = len(subwords), 12, 2, 3, 16
    config = {"model_type": "gpt2", "vocab_size": V, "n_embd": D, "n_layer": depth, "n_head": heads}
    config |= {"n_positions": length, "activation_function": "gelu_new", "layer_norm_epsilon": 1e-5}
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    shapes = {"wte.weight": (V, D), "wpe.weight": (length, D)}
    for i in range(depth):
        shapes |= {f"h.{i}.{n}.{kind}": (D,) for n in ("ln_1", "ln_2") for kind in ("weight", "bias")}
        for name, (rows, columns) in {
            "attn.c_attn": (D, 3 * D),
            "attn.c_proj": (D, D),
            "mlp.c_fc": (D, 4 * D),
            "mlp.c_proj": (4 * D, D),
        }.items():
            shapes |= {f"h.{i}.{name}.weight": (rows, columns), f"h.{i}.{name}.bias": (columns,)}
    shapes |= {"ln_f.weight": (D,), "ln_f.bias": (D,)}
    arrays = {name: (0.4 * rng.standard_normal(s)).astype("<f4") for name, s in shapes.items()}
    write_safetensors(folder / "model.safetensors", arrays)
    ids = rng.integers(0, V, (2, length))
    scores = gpt2_scores({n: torch.from_numpy(a) for n, a in arrays.items()}, heads, torch.from_numpy(ids))
    np.savez_compressed(GOLDEN / "gpt2.npz", ids=ids, scores=scores.numpy(), text=text)


def make_layer(layer_class):
    """The file of a layer; returns how far ours is from it. Nothing is written if that is too far.

    Raises
    ------
    ValueError
        The expression in the layer's entry does not fit the layer.
    """
    rng, stored = np.random.default_rng(1984), {}
    entry = entry_of(layer_class)
    for title, example in entry.examples.items():
        try:
            arrays = reference(*build(example), rng)
        except ValueError as error:
            raise ValueError(f"{layer_class.__name__}, {title!r}: {error}") from None
        stored |= {f"{title}/{key}": np.asarray(value) for key, value in arrays.items()}
    gaps = gaps_to(stored, entry)
    if max(gaps.values()) > FAR:
        raise ValueError(
            f"{layer_class.__name__} and its expression {entry.torch} differ by {gaps}; one of them is wrong."
        )
    np.savez_compressed(GOLDEN / f"{layer_class.__name__}.npz", **stored)
    return max(gaps.values())


def make_running():
    """What PyTorch's batch normalization keeps of three batches, and what it then makes of one row."""
    rng, norm, stored = np.random.default_rng(1984), torch.nn.BatchNorm1d(3).double(), {}
    for i, n in enumerate((2, 5, 7)):
        x = 2 * rng.standard_normal((n, 3)) + 1
        norm(torch.from_numpy(x))
        stored[f"input {i}"] = x
        stored |= {
            f"mean {i}": norm.running_mean.numpy().copy(),
            f"variance {i}": norm.running_var.numpy().copy(),
        }
    row = rng.standard_normal((1, 3))
    stored |= {"row": row, "output": norm.eval()(torch.from_numpy(row)).detach().numpy()}
    np.savez_compressed(GOLDEN / "running.npz", **stored)


def make_transformer():
    stored = {}
    for title, block, inputs in blocks():
        for key, value in reference(block, inputs, np.random.default_rng(0), block_of_pytorch).items():
            stored[f"{title}/{key}"] = value
    stored |= {f"whole/{key}": value for key, value in whole_transformer().items()}
    np.savez_compressed(GOLDEN / "transformer.npz", **stored)


def make_optimizers():
    stored = {}
    for name, make in OPTIMIZERS.items():
        assert hasattr(optimizers, name)
        for key, value in five_steps(make, np.random.default_rng(1984)).items():
            stored[f"{name}/{key}"] = value
    stored["cosine"] = cosine_rates()
    np.savez_compressed(GOLDEN / "optimizers.npz", **stored)


def main() -> None:
    layers = {c.__name__: partial(make_layer, c) for c in layer_classes()}
    others = {
        "gpt2": make_gpt2,
        "transformer": make_transformer,
        "optimizers": make_optimizers,
        "running": make_running,
    }
    wanted = sys.argv[1:] or [*layers, *others]
    if unknown := [name for name in wanted if name not in layers | others]:
        sys.exit(f"NAME is {' '.join(unknown)}; it should be one of {', '.join(layers | others)}.")
    try:
        gaps = recorded("layers")["gaps"]
    except FileNotFoundError:  # nothing was recorded until now
        gaps = {}
    try:
        made = {name: (layers | others)[name]() for name in wanted}
    except ValueError as error:
        sys.exit(str(error))
    gaps |= {name: gap for name, gap in made.items() if name in layers}
    gaps = {name: float(f"{gaps[name]:.2g}") for name in sorted(gaps) if name in layers}
    record("layers", seed=1984, command="make golden", pytorch=torch.__version__, gaps=gaps)
    print(f"made {', '.join(wanted)} with PyTorch {torch.__version__}")


if __name__ == "__main__":
    main()
