"""The front page: the map of the chapters, drawn from the table of contents, and its living figure's place.

A chapter that is in ``_toc.yml`` is a link, under the title of its page; one that is not there yet is shown
as planned. So the map cannot promise a page that does not exist, and needs no change when a chapter lands.
"""

from __future__ import annotations

import html
from pathlib import Path

from docutils import nodes
from docutils.parsers.rst import Directive

# What the reader gets from each chapter. Its picture is in map/, coloured by the page's style sheet: class p1
# is the forward colour, p2 the backward or contrasting one, p0 the quiet one, and l0 to l2 are lines.
CORE = {
    "01_neural_network_review": "Perceptron, layers, loss and every gradient, until a small network"
    " separates three spirals.",
    "02_count_based_vectors": "A word is known by the company it keeps: counting, PPMI and the SVD.",
    "03_word2vec": "Learn word vectors by predicting: CBOW and skip-gram, derived and trained.",
    "04_fast_word2vec": "Negative sampling and hierarchical softmax, on millions of words.",
    "05_rnn": "Language models that read in order; backpropagation through time.",
    "06_lstm": "Gates that keep gradients alive, and a language model worth its perplexity.",
    "07_seq2seq": "Generate text; turn one sequence into another.",
    "08_attention": "Look back at the input while writing the output.",
    "09_transformer": "Self-attention, heads, masks and positions: built, checked and trained.",
    "10_gpt": "Subwords, a decoder alone, and a look at the heads by which it copies.",
}
# What each of these is called until it has a page.
FURTHER = {
    "11_training_techniques": "Training techniques",
    "12_convolutional_networks": "Convolutional networks",
    "13_glove_and_evaluation": "GloVe, and judging word vectors",
    "14_using_word_vectors": "Using word vectors",
    "15_time_series": "Time series",
    "16_beyond_attention": "Beyond attention",
    "17_scaling_up": "Scaling up",
}


def heading(name: str, titles: dict[str, str], uri) -> tuple[str, str]:
    """A chapter's number with its title, a link where it has a page; and the class of one that is planned."""
    page = f"chapters/{name}"
    title = html.escape(titles.get(page) or FURTHER.get(name) or name[3:].replace("_", " ").capitalize())
    if page in titles:
        title = f'<a href="{html.escape(uri(page))}">{title}</a>'
    return f'<span class="map-number">{int(name[:2])}</span> {title}', "" if page in titles else "is-planned"


def chapter_map(titles: dict[str, str], uri) -> str:
    """Draw the map as HTML: a list of cards, each with its picture.

    Parameters
    ----------
    titles : dict of str to str
        The titles of the pages that exist, by names as in ``chapters/01_neural_network_review``.
    uri : callable
        Gives the address of a page by its name.

    Returns
    -------
    str
        The markup of one ``<nav>`` element.
    """
    cards = []
    for name, text in CORE.items():
        title, state = heading(name, titles, uri)
        drawing = Path(__file__).with_name("map").joinpath(f"{name}.svg").read_text(encoding="utf-8")
        note = '<span class="map-planned">planned</span>' if state else ""
        cards.append(
            f'<li class="map-card {state}">{drawing}<p class="map-title">{title} {note}</p>'
            f'<p class="map-text">{html.escape(text)}</p></li>'
        )
    more = ['<li class="{1}">{0}</li>'.format(*heading(name, titles, uri)) for name in FURTHER]
    planned = sum(f"chapters/{name}" not in titles for name in FURTHER)
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


def page_titles(env) -> dict[str, str]:
    """The titles of all pages."""
    return {name: title.astext() for name, title in env.titles.items()}


def draw_maps(app, doctree, docname: str) -> None:
    for node in list(doctree.findall(chapter_map_node)):
        uri = lambda name: app.builder.get_relative_uri(docname, name)  # noqa: E731
        node.replace_self(nodes.raw("", chapter_map(page_titles(app.env), uri), format="html"))
    for node in list(doctree.findall(start_links_node)):
        links = '<a href="#where-it-leads">See where it leads</a>'
        first = next((name for name in CORE if f"chapters/{name}" in app.env.found_docs), None)
        if first is not None:
            address = html.escape(app.builder.get_relative_uri(docname, f"chapters/{first}"))
            links = f'<a href="{address}">Start reading</a> {links}'
        node.replace_self(nodes.raw("", f'<p class="start">{links}</p>', format="html"))


def refresh_front_page(app, env) -> list[str]:
    """Draw the map again when a chapter came, went or got another title."""
    pages = page_titles(env)
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
