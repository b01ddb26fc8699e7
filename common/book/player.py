"""Figures that the reader moves: one call, from one cell, for three places.

::

    def boundary(epoch):
        fig, ax = plt.subplots()
        draw_regions(ax, snapshots[epoch])
        return fig

    play(boundary, epoch=range(0, 301, 10),
         alt=lambda epoch: f"Decision regions after {epoch} epochs: {describe(epoch)}.",
         caption="The boundary as it forms. Move the slider.")

- **In JupyterLab** the reader gets widgets, and ``boundary`` is called again for any value.
- **On the static page**, with no kernel, the same cell shows frames that were drawn when the notebook ran,
  under native controls: a slider for numbers, a list for words, buttons to step and to play. They work by
  mouse and by keyboard, from a file, on a phone, and nothing moves before the reader asks for it.
- **In the notebook tests** the output is compared: values, text alternatives and HTML frames strictly,
  pictures not at all.

What an author should know:

- One or two parameters. A parameter's values are a ``range`` or other numbers (a slider), or a list of words
  or sentences (a list to choose from), or a dict from what the reader sees to what ``draw`` gets.
- ``draw(**values)`` returns a matplotlib Figure, or a string of HTML or SVG, or a
  ``common.book.diagrams.Diagram``. HTML frames are small: see
  ``common.book.tables``.
- ``alt`` is required: a function of the same parameters, or a string with their names in braces.
- ``note``, alike but optional, is a sentence shown under the picture, which changes with the frame.
- Whole numbers keep the step of their range in JupyterLab; with numbers that are not whole, the reader may
  choose any value between the smallest and the largest. ``live`` says otherwise:
  ``live={"epoch": range(301)}`` offers more values, ``live={"word": str}`` lets the reader type any text.
- A figure may take 900 kB, so that a page stays under 3 MB: 20 to 40 plots, or hundreds of
  tables.
- ``seconds`` is the time that play shows each frame.
"""

from __future__ import annotations

import contextlib
import hashlib
import html
import itertools
import json
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt

from common.book.diagrams import DIAGRAM_CSS
from common.book.figures import (
    BASE_CSS,
    TABLES_CSS,
    as_figure,
    attribute,
    figure_html,
    image_tag,
    inline_markup,
    png_uri,
    read_css,
    read_static,
    require_alt,
    require_name,
)
from common.book.tables import is_number
from common.support.require import require_positive

MAX_BYTES = 900_000
MAX_FRAMES = 400
FRAME_DPI = 100

PLAYER_CSS = read_css("player.css")

# One small program serves every figure on the page: each run takes up the figures that no run has taken up
# yet. A picture that repeats an earlier one is stored as a reference, "data:image/png;base64,=<frame>",
# because the notebook tests then see the same text whether or not two pictures came out equal on that
# machine.
PLAYER_JS = "\n" + read_static("player.js")


class Axis:
    """One parameter: its name, the values that were asked for, and what the reader sees for each."""

    def __init__(self, name: str, values: Any, label: str | None = None) -> None:
        self.name = name
        self.label = label or name.replace("_", " ")
        self.step = values.step if isinstance(values, range) else None
        if isinstance(values, Mapping):
            self.texts, self.values = [str(key) for key in values], list(values.values())
            self.numeric = False
        else:
            self.values = self._listed(name, values)
            self.numeric = all(is_number(value) for value in self.values)
            self.texts = [_text(value) for value in self.values]
            if self.numeric and len(set(self.texts)) < len(self.texts):
                self.texts = [repr(value) for value in self.values]
        if not self.values:
            raise ValueError(f"{name} has no values; it should have at least two.")
        for value in self.values:
            if is_number(value) and not math.isfinite(value):
                raise ValueError(f"{name} holds {value}; its values should be finite numbers.")
        seen: set[str] = set()
        for text in self.texts:
            if not text.strip():
                raise ValueError(f"{name} holds an empty text; each value should be something to choose.")
            if text in seen:
                raise ValueError(f"{name} holds {text} twice; its values should differ.")
            seen.add(text)
        if len(self.values) == 1:
            raise ValueError(
                f"{name} has the one value {self.texts[0]}; it should have at least two to choose from."
            )
        self.whole = self.numeric and all(isinstance(value, int) for value in self.values)

    @staticmethod
    def _listed(name: str, values: Any) -> list[Any]:
        if isinstance(values, (str, bytes, set, frozenset)) or not isinstance(values, Iterable):
            raise TypeError(
                f"{name} is {values!r}; it should be a range, a list of numbers or a list of words, in order."
            )
        # NumPy's own number types would print as np.float64(0.1) in a message.
        listed = [
            value.item() if hasattr(value, "item") and not hasattr(value, "__len__") else value
            for value in values
        ]
        words = [isinstance(value, str) for value in listed]
        if not all(words) and not all(is_number(value) for value in listed):
            odd = next(
                value
                for value in listed
                if isinstance(value, str) != words[0] or not (isinstance(value, str) or is_number(value))
            )
            raise TypeError(
                f"{name} holds {odd!r}; its values should be all numbers or all words "
                "(for other things, pass a dict from what the reader sees to the value)."
            )
        return listed

    def exact(self, value: Any) -> Any:
        """The own value that a slider's differs from by rounding alone (10 ** log10(30) is not 30), or it."""
        if not self.numeric or not isinstance(value, float):
            return value
        return next((own for own in self.values if math.isclose(own, value, rel_tol=1e-12)), value)

    def index(self, value: Any) -> int:
        """The position of a value, or of what the reader sees for it."""
        for position, (own, text) in enumerate(zip(self.values, self.texts)):
            if text == value or (own is value) or (is_number(value) and is_number(own) and own == value):
                return position
        raise ValueError(f"start gives {self.name}={value!r}; it should be one of its values: {self.texts}.")


class Player:
    """A figure with one or two parameters that the reader moves; end the cell with it.

    It has frames for a static page and, on demand, widgets for a live kernel. Chapters call it ``play``.

    Parameters
    ----------
    draw : callable
        Called as ``draw(**values)``. Returns a matplotlib Figure, a string of HTML or SVG, or a Diagram.
    alt : callable or str
        The text alternative of each frame: called with the same values, or a string with ``{parameter}``.
    caption : str, optional
        Shown below; may hold ``\\`code\\```, ``*emphasis*`` and ``$math$``.
    note : callable or str, optional
        A visible sentence for each frame, made like ``alt``; may hold the same marks as ``caption``.
    name : str, optional
        The HTML id of the figure. Made from the content if not given.
    start : dict, optional
        The values shown first; the first of each parameter if not given.
    live : dict, optional
        What a live kernel offers for a parameter: other values, or ``str`` for any text.
    labels : dict, optional
        What a parameter is called on the page, where its name in Python is not good enough.
    seconds : float
        How long play shows each frame.
    dpi : float
        Dots per inch of matplotlib frames.
    mark : str
        The word on the frame that says that the figure moves.
    texts : dict, optional
        What the reader sees for each value of a parameter with numbers, where the number is not good enough.
    **parameters
        One or two: the name, and its values.

    Raises
    ------
    ValueError
        If the values are empty, repeated, mixed or not finite, there are too many frames or bytes, a text
        alternative is missing, or ``draw`` fails (the sentence names the values; the cause is chained).
    TypeError
        If ``draw`` cannot be called or returns something that cannot be shown.
    """

    def __init__(
        self,
        draw: Callable[..., Any],
        *,
        alt: str | Callable[..., str] | None = None,
        caption: str | None = None,
        note: str | Callable[..., str] | None = None,
        name: str | None = None,
        start: Mapping[str, Any] | None = None,
        live: Mapping[str, Any] | None = None,
        labels: Mapping[str, str] | None = None,
        seconds: float = 0.5,
        dpi: float = FRAME_DPI,
        mark: str = "move me",
        texts: Mapping[str, Sequence[str]] | None = None,
        **parameters: Any,
    ) -> None:
        if not callable(draw):
            raise TypeError(f"draw is a {type(draw).__name__}; it should be a function of the parameters.")
        if not 1 <= len(parameters) <= 2:
            given = ", ".join(parameters) or "none"
            raise ValueError(
                f"the parameters are {given}; there should be one or two, such as epoch=range(0, 301, 10)."
            )
        labels = dict(labels or {})
        for argument, mapping in (("labels", labels), ("start", start or {}), ("live", live or {})):
            for key in mapping:
                if key not in parameters:
                    raise ValueError(f"{argument} names {key!r}; the parameters are {', '.join(parameters)}.")
        self.draw = draw
        self.axes = [Axis(key, values, labels.get(key)) for key, values in parameters.items()]
        for axis in self.axes:
            axis.texts = list((texts or {}).get(axis.name, axis.texts))
        self.alt = self._speaker("alt", alt)
        self.note = None if note is None else self._speaker("note", note)
        self.caption = caption
        self.name = None if name is None else require_name(name)
        self.live = dict(live or {})
        require_positive("seconds", seconds)
        require_positive("dpi", dpi)
        self.seconds, self.dpi = seconds, dpi
        self.mark = mark
        self.start = [axis.index((start or {}).get(axis.name, axis.values[0])) for axis in self.axes]
        self.count = math.prod(len(axis.values) for axis in self.axes)
        if self.count > MAX_FRAMES:
            shape = " x ".join(f"{len(axis.values)} of {axis.name}" for axis in self.axes)
            raise ValueError(
                f"{self.count} frames were asked for ({shape}); at most {MAX_FRAMES} fit in a page, so "
                "give fewer values, for instance range(0, 301, 10) for range(301)."
            )
        self._widget: Any = None
        self._draw_all()

    def __repr__(self) -> str:
        sizes = ", ".join(f"{axis.name}: {len(axis.values)} values" for axis in self.axes)
        return f"[figure to move] {sizes}"

    # ---- drawing

    def _speaker(self, argument: str, say: Any) -> Callable[..., str]:
        """A function of the values that gives one non-empty line."""
        names = [axis.name for axis in self.axes]
        if isinstance(say, str):
            # An alt has to tell any two frames apart; a note may speak of one parameter only.
            if not (all if argument == "alt" else any)(f"{{{name}" in say for name in names):
                wanted = " and ".join(f"{{{name}}}" for name in names)
                raise ValueError(
                    f"{argument} is {say!r}, the same for each frame; it should contain {wanted}, or be "
                    f"a function of {' and '.join(names)}."
                )
            return lambda **values: require_alt(say.format(**values), argument)
        if not callable(say):
            raise ValueError(
                f"{argument} is {say!r}; it should be a function of {' and '.join(names)} that returns "
                "a sentence for those who cannot see the frame."
            )

        def speak(**values: Any) -> str:
            with _naming(argument, self.axes, values):
                text = say(**values)
            return require_alt(text, f"{argument} for {_describe(self.axes, values)}")

        return speak

    def frame(self, **values: Any) -> str:
        """One frame as HTML: an ``<img>`` for a matplotlib figure, else what ``draw`` gave."""
        before = set(plt.get_fignums())
        try:
            with _naming("draw", self.axes, values):
                drawn = self.draw(**values)
            if isinstance(drawn, str):
                if not drawn.strip():
                    raise ValueError(f"draw returned an empty string at {_describe(self.axes, values)}.")
                return drawn
            if drawn is None:
                raise TypeError(
                    f"draw returned None at {_describe(self.axes, values)}; it should return the Figure "
                    "or the HTML."
                )
            for method in ("svg", "_repr_svg_"):
                if callable(getattr(drawn, method, None)):
                    return getattr(drawn, method)()
            try:
                fig = as_figure(drawn)
            except TypeError:
                raise TypeError(
                    f"draw returned a {type(drawn).__name__} at {_describe(self.axes, values)}; "
                    "it should return a matplotlib Figure, or a string of HTML or SVG."
                ) from None
            return png_uri(fig, dpi=self.dpi)
        finally:
            # What draw opened is closed, or the notebook would store each figure once more.
            for number in set(plt.get_fignums()) - before:
                plt.close(number)

    def _draw_all(self) -> None:
        self.alts: list[str] = []
        self.notes: list[str] = []
        self.frames: list[str] = []
        used, began = 0, time.perf_counter()
        first: dict[str, int] = {}
        for values in self._grid():
            self.alts.append(self.alt(**values))
            if self.note is not None:
                self.notes.append(inline_markup(self.note(**values)))
            frame = self.frame(**values)
            if frame.startswith("data:") != (self.frames[0] if self.frames else frame).startswith("data:"):
                raise TypeError(
                    f"draw returned another kind of thing at {_describe(self.axes, values)}; it should "
                    "return always a matplotlib Figure, or always HTML."
                )
            used += 0 if frame in first else len(frame.encode())
            first.setdefault(frame, len(self.frames))
            self.frames.append(frame)
            if used > MAX_BYTES:
                raise self._too_big(used, len(self.frames))
        self.draw_seconds = (time.perf_counter() - began) / self.count
        self.first = first
        self.is_image = self.frames[0].startswith("data:")
        self.html = self._build()
        if len(self.html.encode()) > MAX_BYTES:
            raise self._too_big(len(self.html.encode()), self.count)

    def _too_big(self, used: int, drawn: int) -> ValueError:
        fit = max(1, int(MAX_BYTES * drawn / used))
        return ValueError(
            f"{self.count} frames were asked for, and the first {drawn} take {used / 1000:.0f} kB, more "
            f"than the {MAX_BYTES / 1000:.0f} kB that a figure may take; about {fit} would fit: give fewer "
            "values, or make each frame smaller (figsize, dpi, or HTML for a plot)."
        )

    def _grid(self) -> Iterable[dict[str, Any]]:
        for combination in itertools.product(*(axis.values for axis in self.axes)):
            yield {axis.name: value for axis, value in zip(self.axes, combination)}

    # ---- the static page

    @property
    def lead(self) -> int:
        """Which parameter the buttons step through: the first with numbers, else the first."""
        return next((i for i, axis in enumerate(self.axes) if axis.numeric), 0)

    def _build(self) -> str:
        at = 0
        for axis, position in zip(self.axes, self.start):
            at = at * len(axis.values) + position
        data: dict[str, Any] = {
            "labels": [axis.texts for axis in self.axes],
            "start": self.start,
            "lead": self.lead,
            "wait": round(1000 * self.seconds),
            "alts": self.alts,
        }
        if self.notes:
            data["notes"] = self.notes
        if self.is_image:
            head = "data:image/png;base64,"
            data["images"] = [
                frame if self.first[frame] == i else f"{head}={self.first[frame]}"
                for i, frame in enumerate(self.frames)
            ]
            shown = image_tag(self.frames[at], self.alts[at]).replace('class="', 'class="bk-frame ')
            stage, templates = f'<div class="bk-stage">{shown}</div>', ""
        else:
            unique = list(self.first)
            order = {frame: i for i, frame in enumerate(unique)}
            data["frames"] = [order[frame] for frame in self.frames]
            templates = "\n".join(f"<template>{frame}</template>" for frame in unique)
            stage = (
                f'<div class="bk-stage" tabindex="0" role="group" aria-label="{attribute(self.alts[at])}">'
                f"{self.frames[at]}</div>"
            )
        text = self.notes[at] if self.notes else html.escape(self.alts[at], quote=False)
        kind = "bk-note" if self.notes else "bk-hidden"
        packed = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
        # "</script" in a text would end the script element, and "<!--<script" would keep it open.
        packed = packed.replace("</", "<\\/").replace("<!", "\\u003c!")
        parts = [
            f'<span class="bk-mark" aria-hidden="true">▶︎ {self.mark}</span>',
            stage,
            self._controls(),
            # Below the controls, so that the buttons stay under the finger when the sentence grows a line.
            f'<p class="{kind}" aria-live="polite">{text}</p>',
            f'<script type="application/json">{packed}</script>',
            templates,
        ]
        name = (
            self.name
            or "play-"
            + hashlib.sha256(json.dumps([data["labels"], self.alts, self.caption]).encode()).hexdigest()[:8]
        )
        markup = figure_html(
            "\n".join(part for part in parts if part),
            caption=self.caption,
            name=name,
            classes="book-player",
            css=PLAYER_CSS + self._frame_css(self.frames),
        )
        return f"{markup}\n<script>{PLAYER_JS}</script>"

    @staticmethod
    def _frame_css(frames: Sequence[str]) -> str:
        """The style sheets that the frames use, and no more: each output carries its own."""
        css = DIAGRAM_CSS if any("bk-svg" in frame for frame in frames) else ""
        cells = any("bk-strip" in frame or "bk-table" in frame for frame in frames)
        return css + (TABLES_CSS if cells else "")

    def _controls(self) -> str:
        controls = []
        for i, (axis, position) in enumerate(zip(self.axes, self.start)):
            label = html.escape(axis.label, quote=False)
            if axis.numeric:
                widest = max(len(text) for text in axis.texts)
                controls.append(
                    f'<label><span>{label}</span><input type="range" data-axis="{i}" min="0" '
                    f'max="{len(axis.values) - 1}" step="1" value="{position}" '
                    f'aria-label="{attribute(axis.label)}" '
                    f'aria-valuetext="{attribute(axis.texts[position])}"><span class="bk-value" '
                    f'aria-hidden="true" '
                    f'style="min-width:{widest}ch">{html.escape(axis.texts[position])}</span></label>'
                )
            else:
                options = "".join(
                    f"<option{' selected' if k == position else ''}>{html.escape(text, quote=False)}</option>"
                    for k, text in enumerate(axis.texts)
                )
                controls.append(
                    f'<label><span>{label}</span><select data-axis="{i}" autocomplete="off" '
                    f'aria-label="{attribute(axis.label)}">{options}</select></label>'
                )
        lead = self.axes[self.lead]
        what = attribute(lead.label)
        buttons = [f'<button type="button" data-step="-1" aria-label="back: previous {what}">◀︎ back</button>']
        if lead.numeric:
            buttons.append(
                '<button type="button" class="bk-play" data-play="▶︎ play" data-pause="❚❚ pause">'
                "▶︎ play</button>"
            )
        buttons.append(f'<button type="button" data-step="1" aria-label="next: next {what}">next ▶︎</button>')
        controls.append(f'<span class="bk-buttons">{"".join(buttons)}</span>')
        inside = "".join(controls)
        return f'<div class="bk-controls" role="group" aria-label="Move the figure" hidden>{inside}</div>'

    # ---- the live kernel

    def show_values(self, **values: Any) -> str:
        """The markup that the widgets show for any values: the frame, its note and the caption."""
        frame = self.frame(**values)
        alt = self.alt(**values)
        body = (
            image_tag(frame, alt)
            if frame.startswith("data:")
            else (
                f'<div class="bk-stage" tabindex="0" role="group" aria-label="{attribute(alt)}">{frame}</div>'
            )
        )
        if self.note is not None:
            body += f'<p class="bk-note">{inline_markup(self.note(**values))}</p>'
        return figure_html(body, caption=self.caption, css=PLAYER_CSS + self._frame_css([frame]))

    def widget(self) -> Any:
        """The ipywidgets version, made once."""
        if self._widget is None:
            self._widget = _LivePlayer(self).box
        return self._widget

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        bundle = {"text/plain": repr(self), "text/html": self.html}
        view = self.widget()._repr_mimebundle_(**kwargs)
        key = "application/vnd.jupyter.widget-view+json"
        if view and key in view:
            bundle[key] = view[key]
        return bundle


play = Player


class _LivePlayer:
    """The widgets: a control for each parameter, and the picture below, drawn again when a control moves."""

    def __init__(self, player: Player) -> None:
        import ipywidgets as widgets

        self.player = player
        self.picture = widgets.HTML()
        # Drawing while the slider moves is pleasant when it is fast, and a queue of work when it is not.
        quick = player.draw_seconds < 0.15
        self.controls: dict[str, Any] = {}
        self.offered: dict[str, Axis] = {}
        rows = []
        for axis, position in zip(player.axes, player.start):
            live = player.live.get(axis.name)
            offered = axis if live is None or live is str else Axis(axis.name, live, axis.label)
            control = _live_control(widgets, offered, axis.values[position], live is str, quick)
            self.controls[axis.name], self.offered[axis.name] = control, offered
            control.observe(self.refresh, "value")
            rows.append(control)
        lead = player.axes[player.lead]
        if lead.numeric:
            rows.append(self._play(widgets, lead))
        self.box = widgets.VBox([widgets.HBox(rows, layout={"flex_flow": "row wrap"}), self.picture])
        self.box.controls = self.controls
        self.box.picture = self.picture
        self.refresh()

    def _play(self, widgets: Any, axis: Axis) -> Any:
        control = self.controls[axis.name]
        offered = [value for _, value in control.options] if hasattr(control, "options") else axis.values
        wait = max(round(1000 * self.player.seconds), 100)
        play = widgets.Play(
            min=0, max=len(offered) - 1, value=self.player.start[self.player.lead], interval=wait
        )

        def follow(change: Any) -> None:
            control.value = offered[change["new"]]

        play.observe(follow, "value")
        return play

    def refresh(self, change: Any = None) -> None:
        values = {name: self.offered[name].exact(control.value) for name, control in self.controls.items()}
        try:
            self.picture.value = self.player.show_values(**values)
        except (
            Exception
        ) as error:  # whatever draw does, the reader should read it, in the place of the picture
            cause = error.__cause__ or error
            message = html.escape(f"{error}" if error.__cause__ else f"{type(cause).__name__}: {cause}")
            self.picture.value = (
                f'<style>{BASE_CSS}</style><figure class="book-figure"><p>{message}</p></figure>'
            )


def _live_control(widgets: Any, axis: Axis, value: Any, free: bool, quick: bool) -> Any:
    """The widget for one parameter; where it is free, any text may be typed."""
    common = {"description": axis.label, "style": {"description_width": "initial"}}
    if free:
        return widgets.Combobox(
            options=axis.texts,
            value=axis.texts[axis.index(value)],
            ensure_option=False,
            continuous_update=False,
            **common,
        )
    if axis.numeric and axis.step is not None and axis.step > 0 and value in axis.values:
        return widgets.IntSlider(
            min=axis.values[0],
            max=axis.values[-1],
            step=axis.step,
            value=value,
            continuous_update=quick,
            **common,
        )
    if axis.numeric and not axis.whole and value is not None:
        low, high = min(axis.values), max(axis.values)
        if low > 0 and high / low >= 100:
            return widgets.FloatLogSlider(
                min=math.log10(low),
                max=math.log10(high),
                step=0.01,
                value=value,
                continuous_update=quick,
                **common,
            )
        return widgets.FloatSlider(
            min=low,
            max=high,
            step=(high - low) / 200,
            value=value,
            continuous_update=quick,
            readout_format=".3g",
            **common,
        )
    options = list(zip(axis.texts, axis.values))
    kept = value if any(value is v or value == v for v in axis.values) else axis.values[0]
    if axis.numeric:
        return widgets.SelectionSlider(options=options, value=kept, continuous_update=quick, **common)
    return widgets.Dropdown(options=options, value=kept, **common)


def _text(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _describe(axes: Sequence[Axis], values: Mapping[str, Any]) -> str:
    """``epoch=30, word='say'``, with what the reader sees where the value itself prints badly."""
    parts = []
    for axis in axes:
        value = values[axis.name]
        if not isinstance(value, (str, int, float)):
            value = next((text for text, own in zip(axis.texts, axis.values) if own is value), value)
        parts.append(f"{axis.name}={value!r}")
    return ", ".join(parts)


@contextlib.contextmanager
def _naming(what: str, axes: Sequence[Axis], values: Mapping[str, Any]):
    """Turn any error of the author's function into one that names the values it failed at."""
    try:
        yield
    except Exception as error:
        raise ValueError(
            f"{what} failed at {_describe(axes, values)}: {type(error).__name__}: {error}"
        ) from error
