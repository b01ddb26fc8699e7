"""Ready-made diagrams: each picture is one call, in the language of :mod:`common.book.diagrams`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from common.book.diagrams import PAD, SMALL, TEXT, Diagram, text_width


def neuron(
    inputs: Sequence[str] = ("x_1", "x_2"),
    weights: Sequence[str] = ("w_1", "w_2"),
    *,
    bias: str = "b",
    activation: str = "h(·)",
    output: str = "y",
    title: str = "A neuron",
) -> Diagram:
    """Return one neuron: inputs times weights, summed with the bias, through the activation."""
    if len(inputs) != len(weights):
        raise ValueError(
            f"there are {len(inputs)} inputs and {len(weights)} weights; there should be one weight for each."
        )
    d = Diagram(title, column=130, row=72)
    rows = len(inputs) + (1 if bias else 0)
    for i, text in enumerate(inputs):
        d.circle(f"in {i}", 0, (rows - 1) / 2 - i, text, kind="data")
    if bias:
        d.circle("bias", 0, (rows - 1) / 2 - len(inputs), "1", kind="data")
    d.circle("sum", 1.5, 0, "Σ", radius=24, kind="layer")
    for i, weight in enumerate(weights):
        d.arrow(f"in {i}", "sum", **{"above" if (rows - 1) / 2 - i >= 0 else "below": weight})
    if bias:
        d.arrow("bias", "sum", below=bias)
    d.box("activation", 2.7, 0, activation)
    d.arrow("sum", "activation", above="a")
    d.text(output, 3.6, 0, name="output")
    return d.arrow("activation", "output")


def perceptron(w1: str = "w_1", w2: str = "w_2", bias: str = "b", *, title: str = "A perceptron") -> Diagram:
    """Return a perceptron: a neuron with two inputs whose activation is the step function."""
    return neuron(("x_1", "x_2"), (w1, w2), bias=bias, activation="step", output="y", title=title)


def network(
    sizes: Sequence[int],
    *,
    letters: Sequence[str] | None = None,
    names: Sequence[str] | None = None,
    bias: bool = False,
    highlight: tuple[int, int] | None = None,
    title: str = "A fully connected network",
) -> Diagram:
    """Return a fully connected network, a column of neurons for each layer.

    Parameters
    ----------
    sizes : sequence of int
        Neurons in each layer. More than six are drawn as three, dots and the last.
    letters : sequence of str, optional
        The letter of each layer's neurons: x, h, ..., y if not given ("" for none).
    names : sequence of str, optional
        What stands under each layer.
    bias : bool
        Whether each layer but the last also has a neuron that is always 1.
    highlight : (int, int), optional
        A layer and a neuron (from 0) whose incoming lines are lit up.
    """
    if len(sizes) < 2 or any(int(n) != n or n < 1 for n in sizes):
        raise ValueError(f"sizes is {list(sizes)}; it should be two or more whole numbers above 0.")
    count = len(sizes)
    if letters is None:
        inner = ["h"] if count == 3 else [f"h^{{({k})}}" for k in range(1, count - 1)]
        letters = ["x", *inner, "y"] if count > 2 else ["x", "y"]
    d = Diagram(title, column=150, row=58)
    columns: list[list[tuple[str, int | None]]] = []
    lowest = 0.0
    for k, size in enumerate(sizes):
        shown: list[int | None] = list(range(size)) if size <= 6 else [0, 1, 2, None, size - 1]
        extra = bias and k < count - 1
        total = len(shown) + extra
        ids: list[tuple[str, int | None]] = []
        if extra:
            d.circle(f"{k} bias", k, (total - 1) / 2, "1", kind="data")
        for j, i in enumerate(shown):
            y = (total - 1) / 2 - j - extra
            lowest = min(lowest, y)
            if i is None:
                d.text("⋮", k, y, name=f"{k} dots")
                continue
            letter = letters[k]
            text = f"{letter}_{{{i + 1}}}" if letter else ""
            lit = highlight == (k, i)
            d.circle(f"{k} {i}", k, y, text, kind="data" if k == 0 else "layer", radius=20, active=lit)
            ids.append((f"{k} {i}", i))
        columns.append(ids)
        if k:
            sources = [name for name, _ in columns[k - 1]] + ([f"{k - 1} bias"] if bias else [])
            for source in sources:
                for name, i in ids:
                    lit = highlight == (k, i)
                    d.arrow(
                        source, name, kind="forward" if lit else "plain", head=lit, thin=not lit, bold=False
                    )
    for k, text in enumerate(names or ()):
        d.text(text, k, lowest - 0.85, name=f"name {k}", style="m")
    return d


def pipeline(
    layers: Sequence[str],
    *,
    input: str = "x",
    output: str = "y",
    shapes: Sequence[str] | None = None,
    gradients: Sequence[str] | bool = False,
    inputs: Mapping[int, str] | None = None,
    loss: bool = False,
    upward: bool = False,
    title: str = "Layers in a row",
    column: float = 0,
) -> Diagram:
    """Return layers one after the other, with the arrays that pass between them.

    Parameters
    ----------
    layers : sequence of str
        What stands in each box.
    input, output : str
        The first and the last array ("" for none).
    shapes : sequence of str, optional
        The shape on each arrow: one more than there are layers.
    gradients : sequence of str, or True
        Draw the backward arrows; with one label for each arrow, or none.
    inputs : dict, optional
        A further input of some layers, by position from 0: ``{3: "t"}``. It comes from below (from the
        right, if upward).
    loss : bool
        Whether the last layer is the loss, in its own colour.
    upward : bool
        Draw from the bottom to the top.
    """
    n = len(layers)
    if not n:
        raise ValueError("layers is empty; it should name at least one layer.")
    for argument, labels in (("shapes", shapes), ("gradients", gradients)):
        if isinstance(labels, Sequence) and len(labels) != n + 1:
            raise ValueError(
                f"{argument} has {len(labels)} entries; there should be {n + 1}, one more than layers."
            )
    widest = max(text_width(line) for text in layers for line in text.split("\n")) + 2 * PAD
    labels = [*(shapes or []), *(gradients if isinstance(gradients, Sequence) else [])]
    label = max((text_width(text, SMALL) for text in labels), default=24.0)
    d = Diagram(title, column=column or (widest + 40 if upward else widest + max(label + 24, 46)), row=82)

    def at(i: float) -> tuple[float, float]:
        return (0, i) if upward else (i, 0)

    def off(i: float) -> tuple[float, float]:
        return (1.1, i) if upward else (i, -1)

    names = [f"layer {i}" for i in range(n)]
    if input:
        d.text(input, *at(0.05 if upward else 0.15), name="input")
    else:
        d.point("input", *at(0.2))
    for i, text in enumerate(layers):
        kind = "loss" if loss and i == n - 1 else "layer"
        d.box(names[i], *at(i + 1), text, kind=kind)
    if output:
        d.text(output, *at(n + (0.95 if upward else 0.85)), name="output")
    else:
        d.point("output", *at(n + 0.8))
    chain = ["input", *names, "output"]
    for i, (a, b) in enumerate(pairwise(chain)):
        back = None
        if gradients is not False:
            back = gradients[i] if isinstance(gradients, Sequence) else ""
        d.arrow(a, b, shape=shapes[i] if shapes else "", backward=back)
    for i, text in (inputs or {}).items():
        d.text(text, *off(i + 1), name=f"input {i}")
        d.arrow(f"input {i}", names[i])
    return d


# For each node: its symbol, its inputs and its outputs, each as (forward label, backward label).
NODES: dict[str, tuple[str, list[tuple[str, str]], list[tuple[str, str]]]] = {
    "+": ("+", [("x", "∂L/∂z"), ("y", "∂L/∂z")], [("z = x + y", "∂L/∂z")]),
    "×": ("×", [("x", "∂L/∂z · y"), ("y", "∂L/∂z · x")], [("z = x · y", "∂L/∂z")]),
    "branch": ("", [("x", "∂L/∂x_1 + ∂L/∂x_2")], [("x_1 = x", "∂L/∂x_1"), ("x_2 = x", "∂L/∂x_2")]),
    "repeat": (
        "repeat",
        [("x", "∂L/∂y_1 + … + ∂L/∂y_N")],
        [("y_1 = x", "∂L/∂y_1"), ("y_2 = x", "∂L/∂y_2"), ("y_N = x", "∂L/∂y_N")],
    ),
    "sum": (
        "sum",
        [("x_1", "∂L/∂y"), ("x_2", "∂L/∂y"), ("x_N", "∂L/∂y")],
        [("y = x_1 + … + x_N", "∂L/∂y")],
    ),
    "matmul": ("matmul", [("x", "∂L/∂y Wᵀ"), ("W", "xᵀ ∂L/∂y")], [("y = x W", "∂L/∂y")]),
}
_SAME = {"*": "×", "add": "+", "multiply": "×", "copy": "branch", "@": "matmul", "MatMul": "matmul"}


def node(
    op: str,
    inputs: Sequence[tuple[str, str]] | None = None,
    outputs: Sequence[tuple[str, str]] | None = None,
    *,
    symbol: str | None = None,
    backward: bool = True,
    title: str | None = None,
) -> Diagram:
    """Return one node of a computational graph, with what goes forward and what comes back.

    Parameters
    ----------
    op : str
        "+", "×", "branch", "repeat", "sum", "matmul", or any word, with `inputs` and `outputs` given.
    inputs, outputs : sequence of (forward label, backward label), optional
        Instead of the node's usual ones: letters, numbers or shapes.
    symbol : str, optional
        What stands in the circle.
    backward : bool
        Whether the backward arrows are drawn.
    """
    op = _SAME.get(op, op)
    usual = NODES.get(op)
    if usual is None and (inputs is None or outputs is None):
        raise ValueError(
            f"op is {op!r}; it should be one of {', '.join(NODES)}, or inputs and outputs should be given."
        )
    mark, ins, outs = usual or (op, [], [])
    ins, outs = list(inputs or ins), list(outputs or outs)
    mark = mark if symbol is None else symbol
    widest = max(text_width(a, TEXT) for a, _ in [*ins, *outs])
    widest = max(widest, *(text_width(b, SMALL) for _, b in [*ins, *outs])) if backward else widest
    d = Diagram(title or f"The node {op}", column=widest + 70, row=74)
    if mark:
        d.circle("node", 1, 0, mark)
    else:
        d.dot("node", 1, 0)
    for side, x, items in (("in", 0.0, ins), ("out", 2.0, outs)):
        spread = 1.7
        for i, (forward, back) in enumerate(items):
            y = spread * ((len(items) - 1) / 2 - i)
            d.point(f"{side} {i}", x, y)
            pair = (f"{side} {i}", "node") if side == "in" else ("node", f"{side} {i}")
            d.arrow(*pair, above=forward, backward=back if backward else None)
        if len(items) == 3 and op in ("repeat", "sum"):
            d.text("⋮", x, -spread / 2, name=f"{side} dots")
    return d


def affine_graph(*, backward: bool = True, shapes: bool = True, title: str = "Affine as a graph") -> Diagram:
    """Return Affine, ``y = x W + b``, as three nodes: matmul, repeat (of the bias) and add."""
    d = Diagram(title, column=165, row=104)
    s = (lambda text: text) if shapes else (lambda text: "")
    g = (lambda text: text) if backward else (lambda text: None)
    d.text("x", 0, 0)
    d.text("W", 1.05, -1.25)
    d.circle("matmul", 1.05, 0)
    d.circle("+", 2.15, 0)
    d.circle("repeat", 2.15, -1.05)
    d.text("b", 3.15, -1.05)
    d.text("y", 3.15, 0)
    d.arrow("x", "matmul", shape=s("(N, D)"), backward=g("∂L/∂y Wᵀ"))
    d.arrow("W", "matmul", shape=s("(D, H)"), backward=g("xᵀ ∂L/∂y"))
    d.arrow("matmul", "+", shape=s("(N, H)"), backward=g("∂L/∂y"))
    d.arrow("repeat", "+", shape=s("(N, H)"), backward=g("∂L/∂y"))
    d.arrow("b", "repeat", shape=s("(H,)"), backward=g("column sums\nof ∂L/∂y"))
    return d.arrow("+", "y", shape=s("(N, H)"), backward=g("∂L/∂y"))


def softmax_with_loss_graph(
    classes: int = 3, *, backward: bool = True, title: str = "Softmax with Loss as a graph"
) -> Diagram:
    """Return softmax and cross entropy for one example, with the gradient ``y - t`` that comes back."""
    if classes not in (2, 3, 4):
        raise ValueError(f"classes is {classes}; it should be 2, 3 or 4.")
    d = Diagram(title, column=150, row=62)
    tall = (classes - 1) * 62 + 60
    d.box("softmax", 1.15, 0, "Softmax", height=tall)
    d.box("entropy", 2.6, 0, "Cross\nentropy", kind="loss", height=tall)
    for i in range(classes):
        y, k = (classes - 1) / 2 - i, i + 1
        d.text(f"s_{k}", 0, y)
        d.arrow(f"s_{k}", "softmax", backward=f"y_{k} − t_{k}" if backward else None)
        back = f"−t_{k} / y_{k}" if backward else None
        d.arrow((1.15, y), (2.6, y), above=f"y_{k}", backward=back)
        for arrow in d.arrows[-2 if backward else -1 :]:
            left = d.shapes["softmax"].rect.x + d.shapes["softmax"].rect.w / 2
            right = d.shapes["entropy"].rect.x - d.shapes["entropy"].rect.w / 2
            arrow.points = [(left if x < (left + right) / 2 else right, py) for x, py in arrow.points]
            arrow.ends = ("softmax", "entropy")
    d.text("t", 2.6, -(classes - 1) / 2 - 1.35)
    d.arrow("t", "entropy")
    d.text("L", 3.6, 0)
    return d.arrow("entropy", "L", backward="1" if backward else None)


def unrolled(
    steps: int = 4,
    *,
    layers: Sequence[str] = ("RNN",),
    recurrent: Sequence[str] = ("RNN", "LSTM", "GRU", "TimeRNN"),
    input: str = "x",
    state: str = "h",
    output: str = "h",
    backward: bool = False,
    initial: bool = True,
    last: bool = False,
    title: str | None = None,
) -> Diagram:
    """Return a network unrolled in time: time to the right, depth upward.

    Parameters
    ----------
    steps : int
        How many time steps are drawn.
    layers : sequence of str
        From the bottom to the top.
    recurrent : sequence of str
        Which of them pass a state to the next time step.
    input, state, output : str
        The letter of what enters below, of what passes to the right ("h\\nc" for two), of what leaves above
        ("" for none).
    backward : bool
        Whether the backward arrows are drawn.
    initial, last : bool
        Whether the first state comes in from the left, and the last goes out to the right.
    """
    if not isinstance(steps, int) or steps < 1:
        raise ValueError(f"steps is {steps!r}; it should be a whole number above 0.")
    widest = max(text_width(text) for text in layers) + 2 * PAD
    d = Diagram(title or f"{layers[0]} unrolled over {steps} steps", column=max(widest, 46) + 66, row=84)
    back = "" if backward else None
    top = len(layers)
    for t in range(steps):
        d.text(f"{input}_{t}", t, 0, name=f"input {t}")
        for k, text in enumerate(layers):
            d.box(f"{k} {t}", t, k + 1, text)
            d.arrow(f"input {t}" if k == 0 else f"{k - 1} {t}", f"{k} {t}", backward=back)
        if output:
            d.text(f"{output}_{t}", t, top + 1, name=f"output {t}")
            d.arrow(f"{top - 1} {t}", f"output {t}", backward=back)

    def letters(t: int) -> str:
        index = str(t) if t >= 0 else "{−1}"
        return "\n".join(f"{letter}_{index}" for letter in state.split("\n"))

    for k, text in enumerate(layers):
        if text not in recurrent:
            continue
        if initial:
            d.point(f"start {k}", -0.85, k + 1)
            d.arrow(f"start {k}", f"{k} 0", above=letters(-1), backward=back)
        for t in range(1, steps):
            d.arrow(f"{k} {t - 1}", f"{k} {t}", above=letters(t - 1), backward=back)
        if last:
            d.point(f"end {k}", steps - 1 + 0.85, k + 1)
            d.arrow(f"{k} {steps - 1}", f"end {k}", above=letters(steps - 1), backward=back)
    return d
