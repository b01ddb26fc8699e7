"""The front page: the map of the chapters, drawn from the table of contents, and its living figure's place.

A chapter that is in ``_toc.yml`` is a link; one that is not there yet is shown as planned. So the map
cannot promise a page that does not exist, and needs no change when a chapter lands.
"""

from __future__ import annotations

import html
from pathlib import Path

from docutils import nodes
from docutils.parsers.rst import Directive

# (file, title, what the reader gets from it). The titles are here because a planned chapter has no page.
CORE = [
    (
        "01_neural_network_review",
        "Neural networks reviewed",
        "Perceptron, layers, loss and every gradient, until a small network separates three spirals.",
    ),
    (
        "02_count_based_vectors",
        "Count-based word vectors",
        "A word is known by the company it keeps: counting, PPMI and the SVD.",
    ),
    ("03_word2vec", "word2vec", "Learn word vectors by predicting: CBOW and skip-gram, derived and trained."),
    (
        "04_fast_word2vec",
        "Fast word2vec",
        "Negative sampling and hierarchical softmax, on millions of words.",
    ),
    ("05_rnn", "Recurrent networks", "Language models that read in order; backpropagation through time."),
    (
        "06_lstm",
        "LSTM and GRU",
        "Gates that keep gradients alive, and a language model worth its perplexity.",
    ),
    ("07_seq2seq", "Sequence to sequence", "Generate text; turn one sequence into another."),
    ("08_attention", "Attention", "Look back at the input while writing the output."),
    (
        "09_transformer",
        "The Transformer",
        "Self-attention, heads, masks and positions: built, checked and trained.",
    ),
]
FURTHER = [
    ("10_training_techniques", "Training techniques"),
    ("11_convolutional_networks", "Convolutional networks"),
    ("12_glove_and_evaluation", "GloVe, and judging word vectors"),
    ("13_using_word_vectors", "Using word vectors"),
    ("14_time_series", "Time series"),
    ("15_beyond_attention", "Beyond attention"),
    ("16_scaling_up", "Scaling up"),
]


# ---------------------------------------------------------------------------------------------------------
# One small picture for each core chapter. Colours come from the page's style sheet: class p1 is the forward
# colour, p2 the backward or contrasting one, p0 the quiet one.
# ---------------------------------------------------------------------------------------------------------


def _dot(x: float, y: float, r: float = 4.5, kind: str = "p1") -> str:
    return f'<circle class="{kind}" cx="{x:g}" cy="{y:g}" r="{r:g}"/>'


def _line(x1: float, y1: float, x2: float, y2: float, kind: str = "l0") -> str:
    return f'<path class="{kind}" d="M{x1:g} {y1:g}L{x2:g} {y2:g}"/>'


def _box(x: float, y: float, w: float, h: float, kind: str = "p1", rx: float = 3) -> str:
    return f'<rect class="{kind}" x="{x:g}" y="{y:g}" width="{w:g}" height="{h:g}" rx="{rx:g}"/>'


def _network() -> str:
    left, middle, right = [(16, 18), (16, 42)], [(48, 10), (48, 30), (48, 50)], [(80, 18), (80, 42)]
    lines = [_line(*a, *b) for one, two in ((left, middle), (middle, right)) for a in one for b in two]
    return (
        "".join(lines)
        + "".join(_dot(*p) for p in left + middle)
        + "".join(_dot(*p, kind="p2") for p in right)
    )


def _cells(values: list[list[int]], kind: str, base: float, step: float) -> str:
    """A table of squares; the larger the value, the fuller the colour."""
    return "".join(
        f'<rect class="{kind}" x="{17 + 13 * j}" y="{5 + 13 * i}" width="11" height="11" rx="2" '
        f'opacity="{base + step * value:.2f}"/>'
        for i, row in enumerate(values)
        for j, value in enumerate(row)
    )


def _counts() -> str:
    return _cells([[0, 2, 1, 0, 3], [2, 0, 3, 1, 0], [1, 3, 0, 2, 1], [0, 1, 2, 0, 2]], "p1", 0.15, 0.28)


def _window() -> str:
    words = "".join(_box(x, 36, 13, 11, "p2" if x == 41 else "p1") for x in (9, 25, 41, 57, 73))
    arrows = "".join(
        '<path class="l1" d="M47.5 34C47.5 {1:g} {0:g} {1:g} {0:g} 33"/>'.format(x, 20 - abs(x - 47.5) / 6)
        for x in (15.5, 31.5, 63.5, 79.5)
    )
    return arrows + words


def _tree() -> str:
    edges = [
        (48, 9, 28, 25),
        (48, 9, 68, 25),
        (28, 25, 16, 43),
        (28, 25, 40, 43),
        (68, 25, 56, 43),
        (68, 25, 80, 43),
    ]
    path = {(48, 9, 68, 25), (68, 25, 56, 43)}
    lines = "".join(_line(*edge, "l2" if edge in path else "l0") for edge in edges)
    inner = _dot(48, 9, 4) + _dot(28, 25, 4) + _dot(68, 25, 4)
    return (
        lines + inner + "".join(_box(x - 6, 43, 12, 9, "p2" if x == 56 else "p1") for x in (16, 40, 56, 80))
    )


def _unrolled() -> str:
    parts = []
    for i, x in enumerate((18, 48, 78)):
        parts += [_line(x, 52, x, 38, "l0"), _line(x, 22, x, 8, "l0")]
        if i:
            parts.append(_line(x - 21, 30, x - 9, 30, "l2"))
        parts.append(_box(x - 9, 22, 18, 16))
    return "".join(parts)


def _gates() -> str:
    gates = "".join(_dot(x, 40, 6) + _line(x, 34, x, 18, "l0") for x in (26, 48, 70))
    return '<path class="l2" d="M6 15H90"/>' + gates + "".join(_dot(x, 15, 4.5, "p2") for x in (26, 48, 70))


def _seq2seq() -> str:
    encoder = "".join(_box(x, 34, 11, 14) for x in (8, 22, 36))
    decoder = "".join(_box(x, 12, 11, 14, "p2") for x in (50, 64, 78))
    return encoder + decoder + '<path class="l1" d="M47 41H55.5V27"/>'


def _attention() -> str:
    return _cells([[9, 1, 0, 0, 1], [1, 8, 2, 0, 0], [0, 1, 2, 9, 1], [0, 0, 8, 2, 1]], "p2", 0.1, 0.1)


def _transformer() -> str:
    left = _box(14, 34, 26, 13) + _box(14, 14, 26, 13)
    right = _box(56, 40, 26, 11, "p2") + _box(56, 24, 26, 11, "p2") + _box(56, 8, 26, 11, "p2")
    return (
        left
        + right
        + _line(27, 34, 27, 27, "l0")
        + _line(69, 40, 69, 35, "l0")
        + _line(69, 24, 69, 19, "l0")
        + '<path class="l1" d="M27 14V8H48V29.5H55"/>'
    )


PICTURES = [_network, _counts, _window, _tree, _unrolled, _gates, _seq2seq, _attention, _transformer]


def chapter_map(present: set[str], uri) -> str:
    """Draw the map as HTML: a list of cards, each with its picture.

    Parameters
    ----------
    present : set of str
        The pages that exist, as in ``chapters/01_neural_network_review``.
    uri : callable
        Gives the address of a page by its name.

    Returns
    -------
    str
        The markup of one ``<nav>`` element.
    """
    cards = []
    for number, ((name, title, text), picture) in enumerate(zip(CORE, PICTURES), start=1):
        here = f"chapters/{name}" in present
        drawing = f'<svg viewBox="0 0 96 60" aria-hidden="true" focusable="false">{picture()}</svg>'
        heading = html.escape(title)
        if here:
            heading = f'<a href="{html.escape(uri(f"chapters/{name}"))}">{heading}</a>'
        state = "" if here else '<span class="map-planned">planned</span>'
        cards.append(
            f'<li class="map-card{"" if here else " is-planned"}">{drawing}'
            f'<p class="map-title"><span class="map-number">{number}</span> {heading} {state}</p>'
            f'<p class="map-text">{html.escape(text)}</p></li>'
        )
    more = []
    for number, (name, title) in enumerate(FURTHER, start=len(CORE) + 1):
        here = f"chapters/{name}" in present
        label = html.escape(title)
        label = f'<a href="{html.escape(uri(f"chapters/{name}"))}">{label}</a>' if here else label
        more.append(
            f'<li class="{"" if here else "is-planned"}"><span class="map-number">{number}</span> '
            f"{label}</li>"
        )
    planned = sum(f"chapters/{name}" not in present for name, _ in FURTHER)
    note = {0: "", len(FURTHER): " (planned)"}.get(planned, f" ({planned} of them planned)")
    return (
        f'<nav class="chapter-map" aria-label="Map of the chapters">'
        f'<ol class="map-cards">{"".join(cards)}</ol>'
        f'<p class="map-further">And further{note}:</p><ol class="map-more">{"".join(more)}</ol></nav>'
    )


class ChapterMap(Directive):
    """``{chapter-map}``: the place where the map is drawn when the table of contents is known."""

    def run(self) -> list[nodes.Node]:
        return [chapter_map_node()]


class LivingFigure(Directive):
    """``{living-figure}``: the figure that learns, computed here and now by the book's own code."""

    def run(self) -> list[nodes.Node]:
        from living_figure import living_figure  # imports the package `common`, so only where it is used

        env = self.state.document.settings.env
        for module in ("living_figure.py", "front_page.py"):
            env.note_dependency(str(Path(__file__).with_name(module)))
        return [nodes.raw("", living_figure().html, format="html")]


class StartLinks(Directive):
    """``{start-links}``: where to begin reading: the first chapter that exists, and the map."""

    def run(self) -> list[nodes.Node]:
        return [start_links_node()]


class start_links_node(nodes.General, nodes.Element):
    """Placeholder of the links."""


class chapter_map_node(nodes.General, nodes.Element):
    """Placeholder of the map."""


def draw_maps(app, doctree, docname: str) -> None:
    for node in list(doctree.findall(chapter_map_node)):
        uri = lambda name: app.builder.get_relative_uri(docname, name)  # noqa: E731
        node.replace_self(nodes.raw("", chapter_map(set(app.env.found_docs), uri), format="html"))
    for node in list(doctree.findall(start_links_node)):
        links = '<a href="#where-it-leads">See where it leads</a>'
        first = next((name for name, *_ in CORE if f"chapters/{name}" in app.env.found_docs), None)
        if first is not None:
            address = html.escape(app.builder.get_relative_uri(docname, f"chapters/{first}"))
            links = f'<a href="{address}">Start reading</a> {links}'
        node.replace_self(nodes.raw("", f'<p class="start">{links}</p>', format="html"))


def refresh_front_page(app, env) -> list[str]:
    """Draw the map again when a chapter came or went."""
    pages = sorted(env.found_docs)
    if getattr(env, "book_pages", None) == pages:
        return []
    env.book_pages = pages
    return [app.config.root_doc]


def setup(app) -> None:
    app.add_node(chapter_map_node)
    app.add_node(start_links_node)
    app.add_directive("chapter-map", ChapterMap)
    app.add_directive("living-figure", LivingFigure)
    app.add_directive("start-links", StartLinks)
    app.connect("env-updated", refresh_front_page)
    app.connect("doctree-resolved", draw_maps)
