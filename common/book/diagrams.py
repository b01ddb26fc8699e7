"""Diagrams: one visual language, drawn from a few words, as SVG that follows the page's light or dark theme.

The language, the same in every chapter:

- a layer is a rounded **box**, an array or a value is a plain grey box or a letter on an arrow, an operation
  or a neuron is a **circle**;
- what flows **forward** is blue and solid, what flows **backward** is orange and *dashed*, so colour is
  never alone;
- an arrow carries the name of its array above it and the shape below it;
- time runs to the **right**, depth runs **upward**.

Some pictures are one call (``common.book.drawings``). The rest is put together on a grid; one unit is a
column to the right or a row up::

    d = Diagram("Two layers")
    d.text("x", 0, 0)
    d.box("affine", 1, 0, "Affine")
    d.box("loss", 2, 0, "Loss", kind="loss")
    d.arrow("x", "affine", shape="(N, 2)", backward="∂L/∂x")
    d.arrow("affine", "loss", above="s")
    d.show(alt="An Affine layer feeds a loss.", caption="...")

Labels know simple marks: ``x_1``, ``h_{t-1}``, ``x^2``, and ``\\n`` for a new line; for the rest use the
characters themselves (∂ σ × · ᵀ). A label finds a free place along its arrow; when something overlaps
nevertheless, ``Diagram.show`` says what, and the cure is nearly always more room (``column=``, ``row=``,
or other coordinates).
"""

from __future__ import annotations

import html
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from common.book.figures import attribute, figure_html, publish, read_css, require_alt

TEXT = 15.0  # px, for names
SMALL = 12.5  # px, for shapes and gradients
LINE = 1.25  # line height, in em
PAD = 10.0
GAP = 5.0  # px between an arrow and its label
SHRINK = 0.8  # letters of 12.5 px are legible down to this share of their size
PHONE = 320.0  # px that a phone has for a picture
COLUMN = 640.0  # px that a desk has

DIAGRAM_CSS = read_css("diagram.css")

# Widths in em, as wide as the widest of the common sans-serif fonts draws them: an estimate that errs on the
# safe side keeps text inside its box on every reader's machine.
_NARROW = {
    **dict.fromkeys("ijl|'.,:;!", 0.33),
    **dict.fromkeys('ftrI()[]{}/\\ -"`°·', 0.42),
    **dict.fromkeys("mwMW@%", 1.0),
    **dict.fromkeys("+=<>#~×−±≈≤≥∂∑Σ→←↑↓", 0.84),
    **dict.fromkeys("ABCDEFGHJKLNOPQRSTUVXYZ&", 0.78),
}


def text_width(text: str, size: float = TEXT, *, mono: bool = False) -> float:
    """An upper estimate of the width of one line in px; marks such as ``_`` are not counted."""
    if mono:
        return 0.62 * size * len(text)
    # fsum, here and below: Python's sum of floats rounds in another way since 3.12.
    return math.fsum(
        size * scale * math.fsum(_NARROW.get(c, 1.02 if ord(c) > 0x2E80 else 0.65) for c in part)
        for part, _, scale in _marked(text)
    )


_MARKS = re.compile(r"([_^])(?:\{([^}]*)\}|(\S)(?![A-Za-z0-9_]))")


def _marked(text: str) -> list[tuple[str, int, float]]:
    """Split ``h_{t-1}`` into [("h", 0, 1.0), ("t-1", 1, 0.75)]: text, direction of the shift, scale."""
    parts: list[tuple[str, int, float]] = []
    at = 0
    for match in _MARKS.finditer(text):
        if match.start() == 0:
            continue
        parts.append((text[at : match.start()], 0, 1.0))
        sign, braced, single = match.groups()
        parts.append((braced if braced is not None else single, 1 if sign == "_" else -1, 0.75))
        at = match.end()
    parts.append((text[at:], 0, 1.0))
    return [part for part in parts if part[0]]


def _spans(text: str, size: float) -> str:
    """The text with its marks as tspans."""
    out, back = [], 0.0
    for part, shift, scale in _marked(text):
        move = shift * 0.28 * size
        step = move - back
        back = move
        body = html.escape(part, quote=False)
        if not step and scale == 1:
            out.append(body)
        else:
            resized = f' font-size="{_n(size * scale)}"' if scale != 1 else ""
            out.append(f'<tspan dy="{_n(step)}"{resized}>{body}</tspan>')
    return "".join(out)


def _n(value: float) -> str:
    """A coordinate with at most one decimal."""
    text = f"{value:.1f}"
    text = text[:-2] if text.endswith(".0") else text
    return "0" if text == "-0" else text


_SIDES = {"left": (-1, 0), "right": (1, 0), "top": (0, -1), "bottom": (0, 1)}


@dataclass
class Rect:
    """A rectangle on the page: centre and size in px, y downward."""

    x: float
    y: float
    w: float
    h: float

    def overlaps(self, other: Rect, slack: float = 0.0) -> bool:
        """Say whether two rectangles share more than ``slack`` px in both directions."""
        return (
            abs(self.x - other.x) < (self.w + other.w) / 2 - slack
            and abs(self.y - other.y) < (self.h + other.h) / 2 - slack
        )

    def cut_by(self, a: tuple[float, float], b: tuple[float, float]) -> bool:
        """Say whether the segment from a to b passes through the rectangle (Liang and Barsky's clipping)."""
        low, high = 0.0, 1.0
        for centre, half, start, delta in (
            (self.x, self.w / 2, a[0], b[0] - a[0]),
            (self.y, self.h / 2, a[1], b[1] - a[1]),
        ):
            if abs(delta) < 1e-9:
                if abs(start - centre) >= half:
                    return False
                continue
            one, two = (centre - half - start) / delta, (centre + half - start) / delta
            low, high = max(low, min(one, two)), min(high, max(one, two))
        return low < high


@dataclass
class Label:
    """Lines of text, each with its style letters and size.

    The letters: "m" muted, "f" forward, "b" backward, "s" strong, "k" evenly spaced.
    """

    lines: list[tuple[str, str, float]]
    spot: Rect | None = None

    @property
    def width(self) -> float:
        return max(text_width(text, size, mono="k" in style) for text, style, size in self.lines)

    @property
    def height(self) -> float:
        return math.fsum(size * LINE for _, _, size in self.lines)


@dataclass
class Shape:
    """A box, a circle, a piece of text or an invisible point that arrows can start from and end at."""

    name: str
    form: str
    rect: Rect
    label: Label | None = None
    kind: str = ""
    active: bool = False


@dataclass
class Arrow:
    """A line between two shapes, with the labels on its two sides."""

    points: list[tuple[float, float]]
    style: str
    ends: tuple[str, str]
    head: bool = True
    bold: bool = False
    thin: bool = False
    sides: list[tuple[int, Label]] = field(default_factory=list)


class Diagram:
    """Shapes on a grid and the arrows between them; see the module's own text for the language.

    Parameters
    ----------
    title : str
        A few words: what the picture is.
    column, row : float
        The size of one grid unit in px.
    """

    def __init__(self, title: str = "diagram", *, column: float = 120, row: float = 80) -> None:
        self.title = title
        self.column = column
        self.row = row
        self.shapes: dict[str, Shape] = {}
        self.arrows: list[Arrow] = []
        self.groups: list[Shape] = []

    def __repr__(self) -> str:
        return f"Diagram({self.title!r}, {len(self.shapes)} shapes, {len(self.arrows)} arrows)"

    # ---- what a picture is made of

    def _at(self, x: float, y: float) -> tuple[float, float]:
        return x * self.column, -y * self.row

    def _add(self, shape: Shape) -> Diagram:
        if shape.name in self.shapes:
            raise ValueError(
                f"name is {shape.name!r}, which the diagram has already; each shape should have its own."
            )
        self.shapes[shape.name] = shape
        return self

    def box(
        self,
        name: str,
        x: float,
        y: float,
        text: str | None = None,
        *,
        sub: str | None = None,
        kind: str = "layer",
        lines: Sequence[tuple[str, str]] | None = None,
        width: float = 0,
        height: float = 0,
        active: bool = False,
    ) -> Diagram:
        """Add a box that is as wide as its text, or wider.

        Parameters
        ----------
        name : str
            What arrows call it.
        x, y : float
            Its centre, in columns and rows.
        text : str, optional
            What it says; its name if not given.
        sub : str, optional
            A smaller line below, such as a shape.
        kind : {"layer", "data", "loss"}
            Its role.
        lines : sequence of (text, style), optional
            Instead of ``text`` and ``sub``: lines with the styles "", "s", "m", "f", "b".
        width, height : float
            The least size, in px.
        active : bool
            Whether it is lit up.
        """
        if kind not in ("layer", "data", "loss"):
            raise ValueError(f"kind is {kind!r}; it should be 'layer', 'data' or 'loss'.")
        if lines is None:
            lines = [(line, "") for line in (name if text is None else text).split("\n")]
            lines += [(line, "m") for line in (sub or "").split("\n") if line]
        label = Label([(t, s, SMALL if set(s) & set("mfbk") else TEXT) for t, s in lines])
        px, py = self._at(x, y)
        rect = Rect(px, py, max(width, label.width + 2 * PAD, 40), max(height, label.height + 1.4 * PAD, 34))
        return self._add(Shape(name, "box", rect, label, kind, active))

    def circle(
        self,
        name: str,
        x: float,
        y: float,
        text: str | None = None,
        *,
        radius: float = 0,
        active: bool = False,
        kind: str = "",
        size: float = TEXT,
    ) -> Diagram:
        """Add a circle: an operation or a neuron. It is as large as its text needs, 17 px at least."""
        label = Label([(line, "", size) for line in (name if text is None else text).split("\n")])
        radius = max(radius, 17, label.width / 2 + 4) if label.lines[0][0] else max(radius, 17)
        px, py = self._at(x, y)
        return self._add(Shape(name, "circle", Rect(px, py, 2 * radius, 2 * radius), label, kind, active))

    def dot(self, name: str, x: float, y: float) -> Diagram:
        """Add the dot where one value goes several ways."""
        px, py = self._at(x, y)
        return self._add(Shape(name, "dot", Rect(px, py, 9, 9)))

    def text(self, text: str, x: float, y: float, *, name: str | None = None, style: str = "") -> Diagram:
        """Add words without a frame; arrows may start and end there."""
        label = Label([(line, style, SMALL if style == "m" else TEXT) for line in text.split("\n")])
        px, py = self._at(x, y)
        # Room below for a subscript, and some air before an arrow's head.
        rect = Rect(px, py, label.width + 10, label.height + (10 if "_" in text else 4))
        return self._add(Shape(text if name is None else name, "text", rect, label))

    def point(self, name: str, x: float, y: float) -> Diagram:
        """Add an invisible place for an arrow to start or end."""
        px, py = self._at(x, y)
        return self._add(Shape(name, "point", Rect(px, py, 0, 0)))

    def group(self, names: Iterable[str], text: str = "") -> Diagram:
        """Draw a dotted frame around shapes that are there already, with a word above it."""
        inside = [self._shape(name).rect for name in names]
        left, right = min(r.x - r.w / 2 for r in inside) - 14, max(r.x + r.w / 2 for r in inside) + 14
        top, bottom = min(r.y - r.h / 2 for r in inside) - 12, max(r.y + r.h / 2 for r in inside) + 12
        label = Label([(text, "m", SMALL)]) if text else None
        rect = Rect((left + right) / 2, (top + bottom) / 2, right - left, bottom - top)
        if label:
            label.spot = Rect(rect.x, top - SMALL * 0.8, label.width, SMALL * LINE)
        self.groups.append(Shape(f"group {len(self.groups)}", "group", rect, label))
        return self

    def arrow(
        self,
        a: str | tuple[float, float],
        b: str | tuple[float, float],
        *,
        above: str = "",
        below: str = "",
        shape: str = "",
        backward: str | None = None,
        kind: str = "forward",
        via: Sequence[tuple[float, float]] = (),
        head: bool = True,
        bold: bool = False,
        thin: bool = False,
    ) -> Diagram:
        """Draw an arrow from shape ``a`` to shape ``b``; with ``backward`` also the dashed one back.

        Parameters
        ----------
        a, b : str or (x, y)
            The names of two shapes, or places on the grid. ``"affine.top"`` (left, right, bottom) is the
            middle of one side; without it the arrow finds its own way from edge to edge.
        above, below : str
            Labels on the two sides. At an arrow that runs up or down, above is right and below is left.
        shape : str
            The shape of what flows, in small letters: below, or under ``above`` where below is taken.
        backward : str, optional
            The gradient that flows back; "" draws the backward arrow without a label.
        kind : {"forward", "backward", "plain"}
            What flows.
        via : sequence of (x, y)
            Corners on the way, on the grid.
        head, bold, thin : bool
            Whether it has a head, and how thick it is.
        """
        styles = {"forward": "fw", "backward": "bw", "plain": "pl"}
        if kind not in styles:
            raise ValueError(f"kind is {kind!r}; it should be 'forward', 'backward' or 'plain'.")
        start, end = self._shape(a), self._shape(b)
        corners = [self._at(*corner) for corner in via]
        points = self._anchored(start, end, corners)
        colour = {"fw": "f", "bw": "b", "pl": ""}[styles[kind]]
        over = [(line, colour, TEXT) for line in above.split("\n") if line]
        under = [(line, colour, TEXT) for line in below.split("\n") if line]
        if shape:
            (over if under or backward else under).append((shape, "m", SMALL))
        ends = (start.name, end.name)
        if backward is None:
            one = Arrow(points, styles[kind], ends, head, bold, thin)
            one.sides = [(side, Label(lines)) for side, lines in ((1, over), (-1, under)) if lines]
            self.arrows.append(one)
            return self
        there = Arrow(_shifted(points, 4.5), styles[kind], ends, head, bold, thin)
        there.sides = [(1, Label(over))] if over else []
        under += [(line, "b", SMALL) for line in backward.split("\n") if line]
        here = Arrow(_shifted(points, -4.5)[::-1], "bw", ends[::-1], head, bold, thin)
        # The line runs the other way, but the side is the reader's: see _place.
        here.sides = [(-1, Label(under))] if under else []
        self.arrows += [there, here]
        return self

    def _shape(self, which: Any) -> Shape:
        if isinstance(which, tuple):
            return Shape(f"({which[0]:g}, {which[1]:g})", "point", Rect(*self._at(*which), 0, 0))
        owner, _, side = str(which).rpartition(".")
        if which not in self.shapes and owner in self.shapes and side in _SIDES:
            r, (sx, sy) = self.shapes[owner].rect, _SIDES[side]
            return Shape(owner, "point", Rect(r.x + sx * r.w / 2, r.y + sy * r.h / 2, 0, 0))
        if which not in self.shapes:
            known = ", ".join(repr(name) for name in self.shapes) or "none yet"
            raise ValueError(f"no shape is called {which!r}; the shapes are {known}.")
        return self.shapes[which]

    def _anchored(
        self, start: Shape, end: Shape, corners: list[tuple[float, float]]
    ) -> list[tuple[float, float]]:
        """The line from edge to edge: level or upright where that is possible, else oblique."""
        a, b = start.rect, end.rect
        first, last = (a.x, a.y), (b.x, b.y)
        if not corners:
            flat = ("box", "text", "point", "group")
            if abs(a.y - b.y) > 0.5 and abs(a.x - b.x) > (a.w + b.w) / 2:
                if end.form == "box" and abs(a.y - b.y) < b.h / 2 - 8:
                    last = (b.x, a.y)
                elif start.form in flat and abs(a.y - b.y) < a.h / 2 - 8:
                    first = (a.x, b.y)
            elif abs(a.x - b.x) > 0.5 and abs(a.y - b.y) > (a.h + b.h) / 2:
                if end.form == "box" and abs(a.x - b.x) < b.w / 2 - 8:
                    last = (a.x, b.y)
                elif start.form in flat and abs(a.x - b.x) < a.w / 2 - 8:
                    first = (b.x, a.y)
        points = [first, *corners, last]
        points[0] = _edge(start, points[0], points[1])
        points[-1] = _edge(end, points[-1], points[-2])
        return points

    # ---- where labels go

    def _place(self) -> list[str]:
        """Find a place for each label, and return one sentence for whatever overlaps nevertheless."""
        troubles: list[str] = []
        solid = [s for s in self.shapes.values() if s.form != "point"]
        segments = [(arrow, a, b) for arrow in self.arrows for a, b in pairwise(arrow.points)]
        taken: list[tuple[Rect, str]] = [(s.rect, f"{s.form} {s.name!r}") for s in solid]
        for i, one in enumerate(solid):
            for other in solid[i + 1 :]:
                if one.rect.overlaps(other.rect, 1):
                    troubles.append(f"{one.form} {one.name!r} overlaps {other.form} {other.name!r}")
            if one.label and one.form != "text" and one.label.width > one.rect.w:
                troubles.append(f"the text of {one.form} {one.name!r} is wider than it")
        for arrow, a, b in segments:
            for shape in solid:
                inner = Rect(shape.rect.x, shape.rect.y, shape.rect.w - 4, shape.rect.h - 4)
                if shape.name not in arrow.ends and inner.w > 0 and inner.cut_by(a, b):
                    troubles.append(
                        f"the arrow from {arrow.ends[0]!r} to {arrow.ends[1]!r} crosses {shape.name!r}"
                    )
        for group in self.groups:
            if group.label and group.label.spot:
                taken.append((group.label.spot, "the name of a group"))
        for arrow in self.arrows:
            for side, label in arrow.sides:
                best: tuple[float, Rect, str] | None = None
                for cost, spot in _spots(arrow, side, label):
                    hits = [what for rect, what in taken if spot.overlaps(rect, 1)]
                    hits += [
                        f"the arrow from {other.ends[0]!r} to {other.ends[1]!r}"
                        for other, a, b in segments
                        if Rect(spot.x, spot.y, spot.w - 2, spot.h - 4).cut_by(a, b)
                    ]
                    penalty = cost + 1000 * len(hits)
                    if best is None or penalty < best[0]:
                        best = (penalty, spot, hits[0] if hits else "")
                    if not hits:
                        break
                assert best is not None
                label.spot = best[1]
                words = label.lines[0][0]
                taken.append((best[1], f"the label {words!r}"))
                if best[2]:
                    troubles.append(f"the label {words!r} overlaps {best[2]}")
        return troubles

    def problems(self) -> list[str]:
        """One sentence for each overlap, or an empty list when the picture is clean."""
        return self._place()

    # ---- SVG

    def size(self) -> tuple[float, float]:
        """The natural width and height in px."""
        _, _, width, height = self._bounds()
        return width, height

    def _bounds(self) -> tuple[float, float, float, float]:
        self._place()
        rects = [s.rect for s in [*self.shapes.values(), *self.groups]]
        rects += [label.spot for arrow in self.arrows for _, label in arrow.sides if label.spot]
        rects += [s.label.spot for s in self.groups if s.label and s.label.spot]
        rects += [Rect(x, y, 8, 8) for arrow in self.arrows for x, y in arrow.points]
        if not rects:
            raise ValueError(f"the diagram {self.title!r} is empty; add a box, a circle or a text first.")
        left, right = min(r.x - r.w / 2 for r in rects) - 6, max(r.x + r.w / 2 for r in rects) + 6
        top, bottom = min(r.y - r.h / 2 for r in rects) - 6, max(r.y + r.h / 2 for r in rects) + 6
        return left, top, right - left, bottom - top

    def svg(self, alt: str | None = None) -> str:
        """The picture as an ``<svg>`` element; its text alternative is ``alt``, or the title."""
        left, top, width, height = self._bounds()
        out: list[str] = []
        for group in self.groups:
            out.append(_rect_tag(group.rect, "n group", 10))
        for arrow in self.arrows:
            out.append(_arrow_tag(arrow))
        for shape in self.shapes.values():
            state = " hot" if shape.active else ""
            if shape.form == "box":
                out.append(_rect_tag(shape.rect, f"n {shape.kind}{state}", 3 if shape.kind == "data" else 8))
            elif shape.form in ("circle", "dot"):
                kind = " dot" if shape.form == "dot" else (f" {shape.kind}" if shape.kind else "")
                out.append(
                    f'<circle class="n{kind}{state}" cx="{_n(shape.rect.x)}" cy="{_n(shape.rect.y)}" '
                    f'r="{_n(shape.rect.w / 2)}"/>'
                )
            if shape.label:
                out.append(_label_tag(shape.label, shape.rect.x, shape.rect.y))
        for group in self.groups:
            if group.label and group.label.spot:
                out.append(_label_tag(group.label, group.label.spot.x, group.label.spot.y))
        for arrow in self.arrows:
            for _, label in arrow.sides:
                if label.spot:
                    out.append(_label_tag(label, label.spot.x, label.spot.y))
        spoken = self.title if alt is None else alt
        # On a desk the text column is about 660 px wide, and a diagram fits in it rather than scroll.
        least = min(SHRINK * width, max(COLUMN, 0.66 * width))
        style = f' style="min-width:{_n(least)}px"' if self.scrolls() else ""
        return (
            f'<svg class="bk-svg" role="img" aria-label="{attribute(spoken)}" viewBox="{_n(left)} {_n(top)} '
            f'{_n(width)} {_n(height)}" width="{_n(width)}" height="{_n(height)}"{style} '
            f'xmlns="http://www.w3.org/2000/svg"><title>{html.escape(self.title, quote=False)}</title>'
            f"<desc>{html.escape(spoken, quote=False)}</desc>{''.join(out)}</svg>"
        )

    def scrolls(self) -> bool:
        """Say whether the picture is too wide to be shrunk to a phone's width, and scrolls there."""
        return SHRINK * self.size()[0] > PHONE

    def show(self, alt: str | None = None, caption: str | None = None) -> None:
        """Show the diagram as the output of the cell.

        Parameters
        ----------
        alt, caption
            As for ``common.book.figures.show``; ``alt`` is required.
        """
        alt = require_alt(alt)
        troubles = self.problems()
        if troubles:
            raise ValueError(
                f"the diagram {self.title!r} is not clean: {'; '.join(troubles)}. Give it more room "
                "(column=, row=, other coordinates) or shorter labels."
            )
        scrolls = (
            ' tabindex="0" role="group" aria-label="diagram, scrolls sideways"' if self.scrolls() else ""
        )
        body = f'<div class="bk-scroll"{scrolls}>{self.svg(alt)}</div>'
        publish(figure_html(body, caption=caption, css=DIAGRAM_CSS), alt)


def _edge(shape: Shape, inside: tuple[float, float], toward: tuple[float, float]) -> tuple[float, float]:
    """Where the line from ``inside`` a shape toward a place leaves it."""
    r, (px, py) = shape.rect, inside
    dx, dy = toward[0] - px, toward[1] - py
    length = math.hypot(dx, dy)
    if shape.form == "point" or length == 0:
        return inside
    if shape.form in ("circle", "dot"):
        return px + dx / length * r.w / 2, py + dy / length * r.w / 2
    reach = []
    if dx:
        reach.append(((r.x + math.copysign(r.w / 2, dx)) - px) / dx)
    if dy:
        reach.append(((r.y + math.copysign(r.h / 2, dy)) - py) / dy)
    t = min(value for value in reach if value >= 0)
    return px + dx * t, py + dy * t


def _shifted(points: list[tuple[float, float]], by: float) -> list[tuple[float, float]]:
    """The line moved sideways: a positive ``by`` moves it to the reader's above (or right)."""
    moved = []
    normals = [_normal(a, b) for a, b in pairwise(points)]
    for i, (x, y) in enumerate(points):
        around = normals[max(0, i - 1) : i + 1]
        nx, ny = (math.fsum(c) for c in zip(*around))
        moved.append((x + by * nx, y + by * ny))
    return moved


def _normal(a: tuple[float, float], b: tuple[float, float]) -> tuple[float, float]:
    """The unit vector that points to the reader's above: up, or to the right of an upright line."""
    dx, dy = b[0] - a[0], b[1] - a[1]
    length = math.hypot(dx, dy) or 1.0
    nx, ny = -dy / length, dx / length
    if ny > 1e-6 or (abs(ny) <= 1e-6 and nx < 0):
        nx, ny = -nx, -ny
    return nx, ny


def _spots(arrow: Arrow, side: int, label: Label) -> Iterable[tuple[float, Rect]]:
    """Yield places for a label beside its arrow, the nicest first."""
    pairs = sorted(pairwise(arrow.points), key=lambda ab: -math.dist(*ab))
    w, h = label.width, label.height
    found = []
    for rank, (a, b) in enumerate(pairs[:3]):
        nx, ny = _normal(a, b)
        reach = GAP + abs(nx) * w / 2 + abs(ny) * (h / 2 - 2)
        for t in (0.5, 0.42, 0.58, 0.34, 0.66, 0.25, 0.75, 0.15, 0.85):
            for far, more in ((0, 0.0), (1, 8.0), (2, 16.0)):
                x = a[0] + t * (b[0] - a[0]) + side * nx * (reach + more)
                y = a[1] + t * (b[1] - a[1]) + side * ny * (reach + more)
                found.append((100 * rank + 30 * far + 60 * abs(t - 0.5), Rect(x, y, w, h)))
    return sorted(found, key=lambda item: item[0])


def _rect_tag(r: Rect, classes: str, radius: float) -> str:
    return (
        f'<rect class="{classes}" x="{_n(r.x - r.w / 2)}" y="{_n(r.y - r.h / 2)}" width="{_n(r.w)}" '
        f'height="{_n(r.h)}" rx="{_n(radius)}"/>'
    )


def _label_tag(label: Label, x: float, y: float) -> str:
    """The lines of a label, centred on a place."""
    out, at = [], y - label.height / 2
    for text, style, size in label.lines:
        base = at + size * (LINE / 2 + 0.35)
        kind = f' class="{style}"' if style else ""
        if not text.strip():
            at += size * LINE
            continue
        # Evenly spaced lines are numbers in columns: no marks in them, and their blanks count.
        words = html.escape(text, quote=False).replace(" ", "\u00a0") if "k" in style else _spans(text, size)
        out.append(
            f'<text{kind} x="{_n(x)}" y="{_n(base)}" font-size="{_n(size)}" '
            f'text-anchor="middle">{words}</text>'
        )
        at += size * LINE
    return "".join(out)


def _arrow_tag(arrow: Arrow) -> str:
    """The line with rounded corners, and its head as a small triangle (no ids to clash on a page)."""
    points = list(arrow.points)
    classes = arrow.style + (" bold" if arrow.bold else "") + (" thin" if arrow.thin else "")
    head = ""
    if arrow.head:
        (ax, ay), (bx, by) = points[-2], points[-1]
        length = math.hypot(bx - ax, by - ay) or 1.0
        ux, uy = (bx - ax) / length, (by - ay) / length
        long, half = (10.0, 5.0) if arrow.bold else (8.0, 4.0)
        cx, cy = bx - long * ux, by - long * uy
        head = (
            f'<path class="h {arrow.style}" d="M{_n(bx)} {_n(by)}L{_n(cx - half * uy)} {_n(cy + half * ux)}'
            f'L{_n(cx + half * uy)} {_n(cy - half * ux)}Z"/>'
        )
        points[-1] = (bx - 0.8 * long * ux, by - 0.8 * long * uy)
    d = f"M{_n(points[0][0])} {_n(points[0][1])}"
    for before, corner, after in zip(points, points[1:], points[2:]):
        radius = min(9.0, math.dist(before, corner) / 2, math.dist(corner, after) / 2)
        p = _toward(corner, before, radius)
        q = _toward(corner, after, radius)
        d += f"L{_n(p[0])} {_n(p[1])}Q{_n(corner[0])} {_n(corner[1])} {_n(q[0])} {_n(q[1])}"
    d += f"L{_n(points[-1][0])} {_n(points[-1][1])}"
    return f'<path class="{classes}" d="{d}"/>{head}'


def _toward(a: tuple[float, float], b: tuple[float, float], distance: float) -> tuple[float, float]:
    length = math.dist(a, b) or 1.0
    return a[0] + (b[0] - a[0]) * distance / length, a[1] + (b[1] - a[1]) * distance / length
