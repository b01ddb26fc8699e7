"""Sphinx extension of this book's site: what the theme and the other extensions do not do.

Here, scripts that the site does not use go, and what a screen reader or an accessibility checker stumbles
over is mended. The rest has a file each: ``addresses.py``, ``chapter_header.py``, ``chapter_numbers.py``,
``glossary_links.py``, ``search_index.py``, ``downloads.py``, ``front_page.py`` and ``slim.py``.
"""

from __future__ import annotations

import re
import sys
import urllib.parse
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # notebooks.py and plain.py are in tools/
import addresses
import chapter_header
import chapter_numbers
import downloads
import front_page
import glossary_links
import search_index
import slim
from docutils import nodes
from sphinx.application import Sphinx


def drop_unused_scripts(app: Sphinx, pagename, templatename, context, doctree) -> None:
    """Leave out the scripts of sphinx-thebe, and Sphinx's own that marks what was searched: see book.js.

    The first is always loaded and of no use here. It declares the same constants twice on every page, which a
    browser reports as an error, and names an address on another machine.
    """

    def wanted(script) -> bool:
        body = getattr(script, "attributes", {}).get("body") or ""
        name = str(getattr(script, "filename", script))
        return not ("THEBE_JS_URL" in body or "sphinx-thebe" in name or "sphinx_highlight" in name)

    context["script_files"] = [script for script in context.get("script_files", []) if wanted(script)]
    context["css_files"] = [sheet for sheet in context.get("css_files", []) if wanted(sheet)]


def remove_leftovers(app: Sphinx, doctree, docname) -> None:
    """Leave out the configuration that sphinx-thebe writes into every page.

    Also the identifiers that sphinx-exercise gives to the inside of each exercise: a page would have them
    many times.
    """
    for section in doctree.findall(nodes.section):
        section["ids"] = [
            name for name in section["ids"] if name not in ("exercise-content", "solution-content")
        ]
    for node in list(doctree.findall(nodes.raw)):
        text = node.astext()
        if "text/x-thebe-config" in text or text.startswith("<script>kernelName"):
            node.parent.remove(node)


# What `measured` prints behind a number, in an output.
BAND = re.compile(r" \(expected [^()<>\n]+ to [^()<>\n]+\)")


def page_context(app: Sphinx, pagename, templatename, context, doctree) -> None:
    """Drop the Open Graph tags that need an absolute address when the site's address is not known."""
    if not app.config.html_baseurl:
        tags = context.get("metatags", "")
        context["metatags"] = re.sub(r'<meta property="og:(?:url|image|image:alt)"[^>]*>\n?', "", tags)
    numbers = app.env.toc_secnumbers.get(pagename, {}).get("", ())
    if numbers:  # "Figure 1.2": CSS counts the figures, this is the chapter
        context["metatags"] = (
            context.get("metatags", "") + f'<style>:root {{ --chapter-number: "{numbers[0]}."; }}</style>\n'
        )
    # The roles that docutils gives a bibliography are deprecated, and not allowed inside a list.
    body = context.get("body", "").replace('role="doc-biblioentry"', 'role="listitem"')
    context["body"] = BAND.sub(r'<span class="band">\g<0></span>', body)
    context["site_path"] = urllib.parse.urlsplit(app.config.html_baseurl).path or "./"


def slim_site(app: Sphinx, exception) -> None:
    """Remove what no page uses from the built site."""
    if exception is None and app.builder.name == "html":
        slim.slim(Path(app.outdir))


def setup(app: Sphinx) -> dict:
    # MathJax goes only where there are formulas. (Another extension asks for every asset on every page.)
    app.connect(
        "env-before-read-docs", lambda app, env, names: app.set_html_assets_policy("per_page"), priority=900
    )
    app.connect("html-page-context", drop_unused_scripts, priority=900)
    app.connect("html-page-context", page_context, priority=950)
    app.connect("doctree-resolved", remove_leftovers, priority=900)
    app.connect("build-finished", slim_site, priority=900)
    for part in (
        addresses,
        chapter_numbers,
        chapter_header,
        glossary_links,
        search_index,
        downloads,
        front_page,
    ):
        part.setup(app)
    return {"version": "1", "env_version": 1, "parallel_read_safe": False, "parallel_write_safe": True}
