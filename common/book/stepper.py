"""A computational graph with real numbers, stepped forward and backward.

::

    g = Graph()
    a, b, c = g.value("a", 2.0), g.value("b", 1.0), g.value("c", 3.0)
    s = g.add(a, b, name="s")
    y = g.multiply(s, c, name="y")
    stepper(g, y, caption="Forward, then backward.")          # the last line of the cell

The reader steps through: first each node computes its value, then the gradient of the output starts at 1 and
each node hands it back. The picture shows every value and every gradient that is known so far, lights up the
node at work, and a sentence below says what the node does with the numbers.

Operations: ``add``, ``multiply``, ``matmul``, ``sum``, ``repeat``, ``sigmoid``, ``mean_square``. Values are
numbers or small arrays, in float64; the last is one number. Nothing broadcasts in silence: a bias goes
through ``repeat`` first, because that is where its gradient is summed.

``Graph.gradients`` gives the gradients as arrays, for a check.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from common.book.diagrams import SMALL, TEXT, Diagram, Label
from common.book.player import Player
from common.support.require import require_count

TITLE = "a computational graph"


@dataclass(eq=False)
class Node:
    """One value of the graph: given, or computed by an operation from other values."""

    name: str
    value: np.ndarray
    op: str = ""
    symbol: str = ""
    inputs: tuple[Node, ...] = ()
    wants_gradient: bool = True
    backward: Callable[[np.ndarray], tuple[np.ndarray, ...]] | None = field(default=None, repr=False)
    formula: str = ""
    says: Callable[[np.ndarray], str] | None = field(default=None, repr=False)

    def __repr__(self) -> str:
        return f"{self.name} = {_flat(self.value)}"


class Graph:
    """Values and operations, in the order in which they are made."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []

    def __repr__(self) -> str:
        return f"Graph({', '.join(node.name for node in self.nodes)})"

    # ---- building

    def value(self, name: str, value: Any, *, gradient: bool = True) -> Node:
        """Add a given value: a number or a small array. Targets take ``gradient=False``."""
        return self._add(Node(name, _array(name, value), wants_gradient=gradient))

    def add(self, a: Node, b: Node, name: str | None = None) -> Node:
        """Add two values of one shape."""
        self._check("add", a, b, same=True)
        text = f"{a.name} + {b.name}"
        return self._op(
            "+",
            "+",
            (a, b),
            a.value + b.value,
            lambda g: (g, g),
            name,
            text,
            _two(a, b, "+"),
            lambda g: f"passes the gradient on unchanged: {_flat(g)} to {a.name} and to {b.name}.",
        )

    def multiply(self, a: Node, b: Node, name: str | None = None) -> Node:
        """Multiply two values of one shape, element by element."""
        self._check("multiply", a, b, same=True)

        def says(g: np.ndarray) -> str:
            rule = "passes back the gradient times the *other* input: "
            if g.size > 1:
                return rule + f"times {b.name} to {a.name}, times {a.name} to {b.name}."
            first = f"{_number(g)} · {_factor(b.value)} = {_number(g * b.value)} to {a.name}"
            return (
                rule + f"{first}, and {_number(g)} · {_factor(a.value)} = {_number(g * a.value)} to {b.name}."
            )

        return self._op(
            "×",
            "×",
            (a, b),
            a.value * b.value,
            lambda g: (g * b.value, g * a.value),
            name,
            f"{a.name} · {b.name}",
            _two(a, b, "·"),
            says,
        )

    def matmul(self, a: Node, b: Node, name: str | None = None) -> Node:
        """Multiply two matrices, ``(N, D)`` by ``(D, H)``."""
        self._check("matmul", a, b)
        if a.value.ndim != 2 or b.value.ndim != 2 or a.value.shape[1] != b.value.shape[0]:
            raise ValueError(
                f"matmul of {a.name} with shape {a.value.shape} and {b.name} with shape {b.value.shape}: "
                "the shapes should be (N, D) and (D, H)."
            )

        def says(g: np.ndarray) -> str:
            n, d, h = *a.value.shape, b.value.shape[1]
            return (
                "passes back the gradient times the other input transposed, on the side that makes the "
                f"shapes fit: to {a.name} the gradient times {b.name}ᵀ, ({n}, {h}) by ({h}, {d}); "
                f"to {b.name} {a.name}ᵀ times the gradient, ({d}, {n}) by ({n}, {h})."
            )

        return self._op(
            "matmul",
            "matmul",
            (a, b),
            a.value @ b.value,
            lambda g: (g @ b.value.T, a.value.T @ g),
            name,
            f"{a.name} {b.name}",
            None,
            says,
        )

    def sum(self, a: Node, name: str | None = None) -> Node:
        """Sum all the numbers of a value."""
        self._check("sum", a)
        return self._op(
            "sum",
            "sum",
            (a,),
            np.sum(a.value),
            lambda g: (np.full_like(a.value, g),),
            name,
            f"sum of {a.name} over all its numbers",
            None,
            lambda g: f"hands the same gradient, {_flat(g)}, to every number that was summed: it *repeats*.",
        )

    def repeat(self, a: Node, n: int, name: str | None = None) -> Node:
        """Lay ``n`` copies of a value under each other: ``(D,)`` to ``(n, D)``."""
        self._check("repeat", a)
        require_count("n", n)
        return self._op(
            "repeat",
            "repeat",
            (a,),
            np.repeat(a.value[np.newaxis], n, axis=0),
            lambda g: (g.sum(axis=0),),
            name,
            f"{n} {'copy' if n == 1 else 'copies'} of {a.name}",
            None,
            lambda g: (
                f"adds up what comes back to its {n} {'copy' if n == 1 else 'copies'}: "
                f"{_flat(g.sum(axis=0))}."
            ),
        )

    def sigmoid(self, a: Node, name: str | None = None) -> Node:
        """Apply the sigmoid function."""
        self._check("sigmoid", a)
        y = np.exp(-np.logaddexp(0.0, -a.value))  # 1 / (1 + exp(-a)), which cannot overflow this way
        slope = y * (1 - y)

        def says(g: np.ndarray) -> str:
            rule = "passes back the gradient times its output times one minus its output"
            if g.size > 1:
                return f"{rule}: {_flat(g * slope)}."
            return f"{rule}: {_number(g)} · {_number(y)} · (1 − {_number(y)}) = {_number(g * slope)}."

        formula = f"σ({a.name})"
        return self._op("sigmoid", "σ", (a,), y, lambda g: (g * slope,), name, formula, None, says)

    def mean_square(self, y: Node, t: Node, name: str | None = None) -> Node:
        """Take the mean of the squared differences between outputs ``y`` and targets ``t``."""
        self._check("mean_square", y, t, same=True)
        difference, size = y.value - t.value, max(y.value.size, 1)

        def says(g: np.ndarray) -> str:
            rule = f"passes back 2 · ({y.name} − {t.name}) / {size}, times the gradient"
            if y.value.size > 1:
                return f"{rule}."
            numbers = f"2 · ({_number(y.value)} − {_factor(t.value)}) · {_factor(g)}"
            return f"{rule}: {numbers} = {_number(2 * difference * g)}."

        return self._op(
            "mean square",
            "mean sq.",
            (y, t),
            np.mean(difference**2),
            lambda g: (g * 2 * difference / size, -g * 2 * difference / size),
            name,
            f"mean of ({y.name} − {t.name})²",
            None,
            says,
        )

    # ---- the machinery

    def _add(self, node: Node) -> Node:
        if not isinstance(node.name, str) or not node.name.strip():
            raise ValueError(f"name is {node.name!r}; it should be a short name such as 'a' or 'W_1'.")
        if any(other.name == node.name for other in self.nodes):
            raise ValueError(
                f"name is {node.name!r}, which the graph has already; each value should have its own."
            )
        if node.value.ndim > 2 or node.value.size > 24:
            raise ValueError(
                f"{node.name} has shape {node.value.shape}; the picture has room for a number, a row or "
                "a small matrix of 24 numbers at most."
            )
        self.nodes.append(node)
        return node

    def _check(self, op: str, *inputs: Node, same: bool = False) -> None:
        for node in inputs:
            if not any(node is own for own in self.nodes):
                raise ValueError(
                    f"{op} was given {node!r}; its inputs should be values of this graph, from value() "
                    "or an operation."
                )
        if same and inputs[0].value.shape != inputs[1].value.shape:
            a, b = inputs
            raise ValueError(
                f"{op} of {a.name} with shape {a.value.shape} and {b.name} with shape {b.value.shape}: "
                "the shapes should be equal (repeat() copies a row first)."
            )

    def _op(
        self,
        op: str,
        symbol: str,
        inputs: tuple[Node, ...],
        value: Any,
        backward: Callable[[np.ndarray], tuple[np.ndarray, ...]],
        name: str | None,
        formula: str,
        numbers: str | None,
        says: Callable[[np.ndarray], str],
    ) -> Node:
        value = np.asarray(value, dtype=float)
        if name is None:
            name = f"v_{1 + sum(bool(node.op) for node in self.nodes)}"
        middle = f" = {numbers}" if numbers and value.ndim == 0 else ""
        text = f"{name} = {formula}{middle} = {_flat(value)}"
        return self._add(Node(name, value, op, symbol, inputs, True, backward, text, says))

    def order(self, output: Node) -> list[Node]:
        """The values that ``output`` depends on, in the order in which they are computed."""
        self._check("order", output)
        needed, stack = set(), [output]
        while stack:
            node = stack.pop()
            if id(node) not in needed:
                needed.add(id(node))
                stack.extend(node.inputs)
        return [node for node in self.nodes if id(node) in needed]

    def gradients(self, output: Node) -> dict[str, np.ndarray]:
        """The gradient of ``output`` for each value it depends on, by name."""
        return self._backward(output)[-1][1]

    def _backward(self, output: Node) -> list[tuple[Node | None, dict[str, np.ndarray]]]:
        """What is known at the start of the way back, and after each operation."""
        if output.value.ndim:
            raise ValueError(
                f"{output.name} has shape {output.value.shape}; the graph should end in one number, for "
                "instance the sum() of it."
            )
        known = {output.name: np.array(1.0)}
        states: list[tuple[Node | None, dict[str, np.ndarray]]] = [(None, dict(known))]
        for node in reversed(self.order(output)):
            if node.backward is None:
                continue
            for source, gradient in zip(node.inputs, node.backward(known[node.name])):
                if source.wants_gradient:
                    # A value that went to several places adds up what comes back.
                    known[source.name] = known[source.name] + gradient if source.name in known else gradient
            states.append((node, dict(known)))
        return states


@dataclass
class Step:
    """What is known at one moment, which node is at work, in which direction, and what is said about it."""

    values: set[str]
    gradients: dict[str, np.ndarray]
    active: Node | None
    backward: bool
    text: str


def steps(graph: Graph, output: Node) -> list[Step]:
    """The steps of a forward and a backward pass."""
    order = graph.order(output)
    given = {node.name for node in order if not node.op}
    operations = [node for node in order if node.op]
    if not operations:
        raise ValueError(
            f"{output.name} is a given value; the graph should have at least one operation to step through."
        )
    names = ", ".join(node.name for node in order if not node.op)
    out = [Step(set(given), {}, None, False, f"The given values: {names}. Step on to compute forward.")]
    for i, node in enumerate(operations):
        given.add(node.name)
        text = f"Forward {i + 1} of {len(operations)}. *{node.op} node:* {node.formula}."
        out.append(Step(set(given), {}, node, False, text))
    seen: dict[str, int] = {output.name: 1}
    for i, (node, known) in enumerate(graph._backward(output)):
        if node is None:
            text = f"The way back starts at the end: ∂{output.name}/∂{output.name} = 1."
        else:
            assert node.says is not None
            text = f"Backward {i} of {len(operations)}. *{node.op} node:* {node.says(known[node.name])}"
            for source in dict.fromkeys(node.inputs):
                seen[source.name] = seen.get(source.name, 0) + node.inputs.count(source)
                if seen[source.name] > 1 and source.wants_gradient:
                    total = _flat(known[source.name])
                    text += f" {source.name} was used more than once, so its gradients *add up*: {total}."
        out.append(Step(set(given), known, node, True, text))
    return out


def stepper(
    graph: Graph,
    output: Node,
    *,
    caption: str | None = None,
    name: str | None = None,
) -> Player:
    """A figure in which the reader steps through the graph, forward and backward.

    Parameters
    ----------
    graph : Graph
        The graph.
    output : Node
        The one number where the forward pass ends and the backward pass begins.
    caption, name
        As for ``common.book.player.Player``.

    Returns
    -------
    Player
        End the cell with it.
    """
    all_steps = steps(graph, output)
    picture = _Picture(graph, output, all_steps[-1].gradients)

    def alt(step: int) -> str:
        now = all_steps[step]
        values = "; ".join(f"{n.name} = {_flat(n.value)}" for n in picture.order if n.name in now.values)
        back = "; ".join(f"∂{output.name}/∂{key} = {_flat(g)}" for key, g in now.gradients.items())
        text = now.text.replace("*", "")
        return f"{TITLE}. {text} Values: {values}." + (f" Gradients: {back}." if back else "")

    return Player(
        lambda step: picture.draw(all_steps[step]),
        step=range(len(all_steps)),
        alt=alt,
        # A formula breaks at a sum or in an array, not inside a product.
        note=lambda step: (
            all_steps[step].text.replace(" · ", "\u00a0·\u00a0").replace(" = ", "\u00a0=\u00a0")
        ),
        caption=caption,
        name=name,
        seconds=2.0,
        mark="step through me",
        texts={"step": [f"{k} of {len(all_steps) - 1}" for k in range(len(all_steps))]},
    )


class _Picture:
    """The graph laid out once: columns by depth, rows by the given values, boxes of their final size."""

    def __init__(self, graph: Graph, output: Node, gradients: dict[str, np.ndarray]) -> None:
        self.gradients = gradients
        self.order = graph.order(output)
        self.output = output
        depth: dict[int, int] = {}
        for node in self.order:
            depth[id(node)] = 1 + max(depth[id(source)] for source in node.inputs) if node.op else 0
        # A given value stands in the column before the operation that uses it first.
        for node in self.order:
            if not node.op:
                users = [
                    depth[id(user)] for user in self.order if any(node is source for source in user.inputs)
                ]
                depth[id(node)] = min(users) - 1
        self.sizes = {id(node): self._size(node) for node in self.order}
        row = max(height for _, height in self.sizes.values()) + 22
        self.y: dict[int, float] = {}
        self._rows(output, [0])
        columns = max(depth.values()) + 1
        left = 0.0
        self.x: dict[int, float] = {}
        self.circle: dict[int, float] = {}
        for k in range(columns):
            here = [node for node in self.order if depth[id(node)] == k]
            circles = [self._radius(node) for node in here if node.op]
            room = 2 * max(circles) + 16 if circles else 0.0
            widest = max(self.sizes[id(node)][0] for node in here)
            for node in here:
                self.x[id(node)] = left + room + widest / 2
                if node.op:
                    self.circle[id(node)] = (
                        left + room + widest / 2 - self.sizes[id(node)][0] / 2 - 16 - self._radius(node)
                    )
            left += room + widest + 28
        self.y = {key: value * row for key, value in self.y.items()}

    def _rows(self, node: Node, free: list[int]) -> None:
        """Give each value a row: the given ones from top to bottom, a computed one amid its inputs."""
        if id(node) in self.y:
            return
        if not node.op:
            self.y[id(node)] = float(free[0])
            free[0] += 1
            return
        self.y[id(node)] = 0.0  # taken, so that a value used twice is laid out once
        for source in node.inputs:
            self._rows(source, free)
        rows = [self.y[id(source)] for source in node.inputs]
        self.y[id(node)] = sum(rows) / len(rows)

    def _radius(self, node: Node) -> float:
        label = Label([(line, "", SMALL) for line in node.symbol.split("\n")])
        return 17.0 if len(node.symbol) == 1 else max(17.0, label.width / 2 + 3)

    def _lines(self, node: Node, value: bool, gradient: np.ndarray | None) -> list[tuple[str, str]]:
        """The text of a box, with empty lines where nothing is known yet."""
        wanted = node.wants_gradient
        partial = f"∂{self.output.name}/∂{node.name}"
        if node.value.ndim == 0:
            lines = [(f"{node.name} = {_number(node.value)}" if value else node.name, "s")]
            if wanted:
                lines.append((f"{partial} = {_number(gradient)}" if gradient is not None else "", "b"))
            return lines
        shape = ", ".join(str(n) for n in node.value.shape) + ("," if node.value.ndim == 1 else "")
        lines = [(f"{node.name}  ({shape})", "s")]
        lines += [(text if value else "", "fk") for text in _rows_of(node.value)]
        if wanted:
            lines.append((partial if gradient is not None else "", "b"))
            rows = _rows_of(node.value) if gradient is None else _rows_of(gradient)
            lines += [(text if gradient is not None else "", "bk") for text in rows]
        return lines

    def _size(self, node: Node) -> tuple[float, float]:
        """The size of the box when everything is known."""
        lines = self._lines(node, True, self.gradients.get(node.name))
        label = Label([(t, " ".join(s), SMALL if set(s) & set("fbk") else TEXT) for t, s in lines])
        return max(label.width + 20, 44.0), label.height + 12

    def draw(self, step: Step) -> Diagram:
        """The picture at one step."""
        d = Diagram(TITLE, column=1, row=1)
        for node in self.order:
            key = node.name
            lines = self._lines(node, key in step.values, step.gradients.get(key))
            width, height = self.sizes[id(node)]
            lit = node is step.active or (step.backward and step.active is None and node is self.output)
            kind = "layer" if node.op else "data"
            d.box(
                key,
                self.x[id(node)],
                -self.y[id(node)],
                lines=[(t, " ".join(s)) for t, s in lines],
                width=width,
                height=height,
                kind=kind,
                active=lit and not node.op,
            )
            if node.op:
                d.circle(
                    f"op {key}",
                    self.circle[id(node)],
                    -self.y[id(node)],
                    node.symbol,
                    size=SMALL if len(node.symbol) > 1 else TEXT,
                    radius=self._radius(node),
                    active=node is step.active,
                )
        for node in self.order:
            if not node.op:
                continue
            done = node.name in step.values
            # Backward runs from the last operation to the first.
            returned = (
                step.backward
                and any(s.name in step.gradients for s in node.inputs)
                and self._has_run(node, step)
            )
            now = node is step.active
            for source in dict.fromkeys(node.inputs):
                back = returned and source.wants_gradient
                port = f"{source.name}.right"
                a, b = (f"op {node.name}", port) if back else (port, f"op {node.name}")
                kind = "backward" if back else "forward" if done else "plain"
                d.arrow(a, b, kind=kind, bold=now, thin=not now and not done)
            a, b = f"op {node.name}", node.name
            d.arrow(
                *((b, a) if returned else (a, b)),
                kind="backward" if returned else "forward" if done else "plain",
                bold=now,
                thin=not now and not done,
            )
        return d

    def _has_run(self, node: Node, step: Step) -> bool:
        operations = [n for n in self.order if n.op]
        if step.active is None:
            return False
        return operations.index(node) >= operations.index(step.active)


def _array(name: str, value: Any) -> np.ndarray:
    try:
        array = np.array(value, dtype=float)
    except (TypeError, ValueError):
        raise TypeError(f"{name} is {value!r}; it should be a number or a small array of numbers.") from None
    if not array.size or not np.all(np.isfinite(array)):
        raise ValueError(
            f"{name} is {_flat(array) if array.size else 'empty'}; its numbers should be finite."
        )
    return array


def _number(value: Any) -> str:
    """A number in three significant digits (two if it is small), the minus sign as one."""
    value = np.asarray(value).item()
    text = f"{value:.3g}" if abs(value) >= 0.1 else f"{value:.2g}"
    return "0" if float(text) == 0 else text.replace("-", "−")


def _factor(value: Any) -> str:
    """A number as a factor: a negative one in brackets."""
    text = _number(value)
    return f"({text})" if text.startswith("−") else text


def _two(a: Node, b: Node, sign: str) -> str | None:
    return f"{_number(a.value)} {sign} {_factor(b.value)}" if a.value.ndim == 0 else None


def _rows_of(value: np.ndarray) -> list[str]:
    """The rows of an array, its columns aligned."""
    texts = [[_number(v) for v in row] for row in np.atleast_2d(value)]
    widths = [max(len(row[k]) for row in texts) for k in range(len(texts[0]))]
    return [" ".join(text.rjust(width) for text, width in zip(row, widths)) for row in texts]


def _flat(value: np.ndarray) -> str:
    """A value on one line: 3, [1, 2] or [[1, 2], [3, 4]]."""
    if np.ndim(value) == 0:
        return _number(value)
    return "[" + ", ".join(_flat(part) for part in value) + "]"
