"""Ready-made diagrams, each one call, in the language of ``common.book.diagrams``."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from common.book.diagrams import PAD, SMALL, TEXT, Diagram, text_width
from common.support.require import require_count


def neuron(activation: str = "h(·)") -> Diagram:
    """One neuron: inputs times weights, summed with the bias, through the activation."""
    d = Diagram("A neuron", column=130, row=72)
    d.circle("x_1", 0, 1, kind="data")
    d.circle("x_2", 0, 0, kind="data")
    d.circle("1", 0, -1, kind="data")
    d.circle("sum", 1.5, 0, "Σ", radius=24, kind="layer")
    d.arrow("x_1", "sum", above="w_1")
    d.arrow("x_2", "sum", above="w_2")
    d.arrow("1", "sum", below="b")
    d.box("activation", 2.7, 0, activation)
    d.arrow("sum", "activation", above="a")
    d.text("y", 3.6, 0)
    return d.arrow("activation", "y")


def network(sizes: Sequence[int], *, names: Sequence[str] = ()) -> Diagram:
    """A fully connected network, a column of neurons for each layer.

    Parameters
    ----------
    sizes : sequence of int
        Neurons in each layer. More than six are drawn as three, dots and the last.
    names : sequence of str, optional
        What stands under each layer.

    Raises
    ------
    ValueError
        There are fewer than two layers, or one without neurons.
    """
    if len(sizes) < 2 or any(int(n) != n or n < 1 for n in sizes):
        raise ValueError(f"sizes is {list(sizes)}; it should be two or more whole numbers above 0.")
    count = len(sizes)
    inner = ["h"] if count == 3 else [f"h^{{({k})}}" for k in range(1, count - 1)]
    d = Diagram("A fully connected network", column=150, row=58)
    lowest = 0.0
    before: list[str] = []
    for k, (size, letter) in enumerate(zip(sizes, ["x", *inner, "y"])):
        shown = [*range(size)] if size <= 6 else [0, 1, 2, None, size - 1]
        here = []
        for j, i in enumerate(shown):
            y = (len(shown) - 1) / 2 - j
            lowest = min(lowest, y)
            if i is None:
                d.text("⋮", k, y, name=f"{k} dots")
                continue
            kind = "layer" if k else "data"
            d.circle(f"{k} {i}", k, y, f"{letter}_{{{i + 1}}}", kind=kind, radius=20)
            here.append(f"{k} {i}")
        for source in before:
            for target in here:
                d.arrow(source, target, kind="plain", head=False, thin=True)
        before = here
    for k, text in enumerate(names):
        d.text(text, k, lowest - 0.85, name=f"name {k}", style="m")
    return d


def pipeline(layers: Sequence[str], *, shapes: Sequence[str]) -> Diagram:
    """Layers one after the other, with the shapes of the arrays that pass between them.

    Parameters
    ----------
    layers : sequence of str
        What stands in each box.
    shapes : sequence of str
        The shape on each arrow: one more than there are layers.

    Raises
    ------
    ValueError
        There is no layer, or not one shape for each arrow.
    """
    n = len(layers)
    if not n:
        raise ValueError("layers is empty; it should name at least one layer.")
    if len(shapes) != n + 1:
        raise ValueError(f"shapes has {len(shapes)} entries; there should be {n + 1}, one more than layers.")
    widest = max(text_width(line) for text in layers for line in text.split("\n")) + 2 * PAD
    label = max(text_width(text, SMALL) for text in shapes)
    d = Diagram("Layers in a row", column=widest + max(label + 24, 46), row=82)
    names = [f"layer {i}" for i in range(n)]
    d.text("x", 0.15, 0, name="input")
    for i, text in enumerate(layers):
        d.box(names[i], i + 1, 0, text)
    d.text("y", n + 0.85, 0, name="output")
    for (a, b), shape in zip(pairwise(["input", *names, "output"]), shapes):
        d.arrow(a, b, shape=shape)
    return d


def node(op: str, inputs: Sequence[tuple[str, str]], outputs: Sequence[tuple[str, str]]) -> Diagram:
    """One node of a computational graph, with what goes forward and what comes back.

    Parameters
    ----------
    op : str
        What stands in the circle; "branch" is a dot.
    inputs, outputs : sequence of (forward label, backward label)
        Letters, numbers or shapes. Of the three of a "repeat" or a "sum", the last stands below dots.
    """
    both = [*inputs, *outputs]
    widest = max(text_width(text, size) for pair in both for text, size in zip(pair, (TEXT, SMALL)))
    d = Diagram(f"The node {op}", column=widest + 70, row=74)
    if op == "branch":
        d.dot("node", 1, 0)
    else:
        d.circle("node", 1, 0, op)
    for side, x, items in (("in", 0.0, inputs), ("out", 2.0, outputs)):
        spread = 1.7
        for i, (forward, back) in enumerate(items):
            d.point(f"{side} {i}", x, spread * ((len(items) - 1) / 2 - i))
            pair = (f"{side} {i}", "node") if side == "in" else ("node", f"{side} {i}")
            d.arrow(*pair, above=forward, backward=back)
        if len(items) == 3 and op in ("repeat", "sum"):
            d.text("⋮", x, -spread / 2, name=f"{side} dots")
    return d


def affine_graph() -> Diagram:
    """Affine, ``y = x W + b``, as three nodes: matmul, repeat (of the bias) and add."""
    d = Diagram("Affine as a graph", column=165, row=104)
    d.text("x", 0, 0)
    d.text("W", 1.05, -1.25)
    d.circle("matmul", 1.05, 0)
    d.circle("+", 2.15, 0)
    d.circle("repeat", 2.15, -1.05)
    d.text("b", 3.15, -1.05)
    d.text("y", 3.15, 0)
    d.arrow("x", "matmul", shape="(N, D)", backward="∂L/∂y Wᵀ")
    d.arrow("W", "matmul", shape="(D, H)", backward="xᵀ ∂L/∂y")
    d.arrow("matmul", "+", shape="(N, H)", backward="∂L/∂y")
    d.arrow("repeat", "+", shape="(N, H)", backward="∂L/∂y")
    d.arrow("b", "repeat", shape="(H,)", backward="column sums\nof ∂L/∂y")
    return d.arrow("+", "y", shape="(N, H)", backward="∂L/∂y")


def softmax_with_loss_graph() -> Diagram:
    """Softmax and cross entropy for one example, with the gradient ``y - t`` that comes back."""
    d = Diagram("Softmax with Loss as a graph", column=150, row=62)
    d.box("softmax", 1.15, 0, "Softmax", height=184)
    d.box("entropy", 2.6, 0, "Cross\nentropy", kind="loss", height=184)
    left = d.shapes["softmax"].rect.x + d.shapes["softmax"].rect.w / 2
    right = d.shapes["entropy"].rect.x - d.shapes["entropy"].rect.w / 2
    for k, y in ((1, 1), (2, 0), (3, -1)):
        d.text(f"s_{k}", 0, y)
        d.arrow(f"s_{k}", "softmax", backward=f"y_{k} − t_{k}")
        d.arrow((1.15, y), (2.6, y), above=f"y_{k}", backward=f"−t_{k} / y_{k}")
        for arrow in d.arrows[-2:]:  # from the edges of the boxes, at the height of its score
            arrow.points = [(left if x < (left + right) / 2 else right, py) for x, py in arrow.points]
            arrow.ends = ("softmax", "entropy")
    d.text("t", 2.6, -2.35)
    d.arrow("t", "entropy")
    d.text("L", 3.6, 0)
    return d.arrow("entropy", "L", backward="1")


def unrolled(
    steps: int = 4,
    *,
    layers: Sequence[str] = ("RNN",),
    input: str = "x",
    output: str = "h",
    last: bool = False,
    title: str | None = None,
) -> Diagram:
    """A network unrolled in time: time to the right, depth upward. What recurs hands its state on.

    Parameters
    ----------
    steps : int
        How many time steps are drawn.
    layers : sequence of str
        From the bottom to the top.
    input, output : str
        The letter of what enters below, and of what leaves above ("" for none).
    last : bool
        Whether the last state goes out to the right.

    Raises
    ------
    ValueError
        ``steps`` is not a whole number above 0.
    """
    require_count("steps", steps)
    widest = max(text_width(text) for text in layers) + 2 * PAD
    d = Diagram(title or f"{layers[0]} unrolled over {steps} steps", column=max(widest, 46) + 66, row=84)
    top = len(layers)
    for t in range(steps):
        d.text(f"{input}_{t}", t, 0, name=f"input {t}")
        for k, text in enumerate(layers):
            d.box(f"{k} {t}", t, k + 1, text)
            d.arrow(f"{k - 1} {t}" if k else f"input {t}", f"{k} {t}")
        if output:
            d.text(f"{output}_{t}", t, top + 1, name=f"output {t}")
            d.arrow(f"{top - 1} {t}", f"output {t}")
    for k, text in enumerate(layers):
        if text not in ("RNN", "LSTM", "GRU"):
            continue
        d.point(f"start {k}", -0.85, k + 1)
        d.arrow(f"start {k}", f"{k} 0", above="h_{−1}")
        for t in range(1, steps):
            d.arrow(f"{k} {t - 1}", f"{k} {t}", above=f"h_{t - 1}")
        if last:
            d.point(f"end {k}", steps - 1 + 0.85, k + 1)
            d.arrow(f"{k} {steps - 1}", f"end {k}", above=f"h_{steps - 1}")
    return d
