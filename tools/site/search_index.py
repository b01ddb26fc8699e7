"""What the search looks through: the sections of the book, each with its title, its terms and its words.

Sphinx's own index knows pages, and a page here is a chapter. ``_static/sections.js`` lists the sections, and
``search.js`` finds the one that a reader means: by its title, by the terms that it introduces, by its words.
"""

from __future__ import annotations

import json
from pathlib import Path

import glossary_links
from sphinx.application import Sphinx


def sections(app: Sphinx) -> list[dict]:
    """All sections in the book's order: title, number, address, chapter, terms, words."""
    env = app.env
    known = set(glossary_links.glossary_terms(env))
    found = []
    texts, terms = getattr(env, "book_sections", {}), getattr(env, "book_terms", {})
    for docname in sorted(texts):
        page, numbers = app.builder.get_target_uri(docname), env.toc_secnumbers.get(docname, {})
        chapter = env.titles[docname].astext()
        for place, (anchor, title, words) in enumerate(texts[docname]):
            at = f"#{anchor}" if place else ""  # the first is the page itself
            # A bold term of the glossary is a term; other bold words may be only stressed.
            own = [key for key, (_, where) in terms.get(docname, {}).items() if where == title]
            named = [key for key in own if known & set(glossary_links.spellings(key))]
            entry = {"title": title, "url": page + at, "words": " ".join(words.split())}
            entry["number"] = ".".join(map(str, numbers.get(at, ())))
            entry["chapter"] = chapter if place else ""
            found.append(entry | {"terms": named, "bold": [key for key in own if key not in named]})
    page = app.builder.get_target_uri(glossary_links.GLOSSARY)
    for anchor, (term, words) in getattr(env, "book_definitions", {}).items():
        entry = {"title": term, "url": f"{page}#{anchor}", "words": words}
        found.append(entry | {"number": "", "chapter": "Glossary", "terms": [], "bold": []})
    return found


def write_index(app: Sphinx, exception) -> None:
    """Write ``_static/sections.js``."""
    if exception or app.builder.name != "html":
        return
    text = json.dumps(sections(app), ensure_ascii=False, separators=(",", ":"))
    Path(app.outdir, "_static", "sections.js").write_text(f"var bookSections = {text};\n", encoding="utf-8")


def without_sphinx_index(app: Sphinx) -> None:
    """Sphinx is not to index the pages; the page of the search, which it then leaves out, comes from here."""
    app.builder.search = False


def setup(app: Sphinx) -> None:
    app.connect("builder-inited", without_sphinx_index)
    app.connect("html-collect-pages", lambda app: [("search", {}, "search.html")])
    app.connect("build-finished", write_index)
