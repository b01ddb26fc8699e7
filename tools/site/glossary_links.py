"""Terms: bold in a chapter, defined in the glossary, linked both ways.

Each bold term leads to the glossary where a chapter first uses it, and each glossary entry back to the place
that introduces it.
"""

from __future__ import annotations

import re

from docutils import nodes
from plain import term_key
from sphinx.application import Sphinx

GLOSSARY = "chapters/glossary"


def spellings(key: str) -> list[str]:
    """The forms under which a term of a chapter may stand in the glossary: as it is, then in the singular."""
    forms = [key]
    if key.endswith("ies"):
        forms.append(key[:-3] + "y")
    if key.endswith("ices"):
        forms.append(key[:-4] + "ix")
    if key.endswith("es"):
        forms.append(key[:-2])
    if key.endswith("s"):
        forms.append(key[:-1])
    return forms


def mark_languages(app: Sphinx, doctree: nodes.document) -> None:
    """Turn the glossary's ``zh: ... · ja: ...`` lines into text that names its language.

    A screen reader then pronounces it, and the browser picks the right forms of the characters.
    """
    if app.env.docname != GLOSSARY:
        return
    for paragraph in list(doctree.findall(nodes.paragraph)):
        match = re.fullmatch(r"zh: (.+?) · ja: (.+)", paragraph.astext().strip())
        if match:
            paragraph.children = []
            paragraph["classes"].append("cjk")
            for text, code in zip(match.groups(), ("zh-Hans", "ja")):
                paragraph += nodes.inline("", text, classes=[f"language-{code}"])
                paragraph += nodes.Text(" · " if code != "ja" else "")


def collect_definitions(app: Sphinx, doctree: nodes.document) -> None:
    """Remember each entry of the glossary by its anchor: the term, and its definition in words."""
    if app.env.docname != GLOSSARY:
        return
    found = {}
    for item in doctree.findall(nodes.definition_list_item):
        term, definition = item.next_node(nodes.term), item.next_node(nodes.definition)
        if term is None or definition is None or not term["ids"]:
            continue
        words = [p.astext() for p in definition.findall(nodes.paragraph) if "cjk" not in p["classes"]]
        found[term["ids"][0]] = (term.astext(), " ".join(" ".join(words).split()))
    app.env.book_definitions = found


def is_chapter(docname: str) -> bool:
    return docname.startswith("chapters/") and docname != GLOSSARY


def collect_terms(app: Sphinx, doctree: nodes.document) -> None:
    """Give every first bold use of a term in a chapter an anchor, and remember it.

    Remember the words of each section, too: a term that is nowhere in bold is introduced by the first section
    that has it in its title, or else in its text.
    """
    docname = app.env.docname
    if not is_chapter(docname):
        return
    sections = []
    for section in doctree.findall(nodes.section):
        title = section.next_node(nodes.title, descend=True)
        if title is None or title.parent is not section or not section["ids"]:
            continue
        words = " ".join(
            child.astext()
            for child in section.children
            if isinstance(child, (nodes.paragraph, nodes.bullet_list, nodes.Admonition))
        )
        sections.append((section["ids"][0], title.astext(), words))
    texts = getattr(app.env, "book_sections", {})
    texts[docname] = sections
    app.env.book_sections = texts
    found: dict[str, tuple[str, str]] = {}
    for strong in doctree.findall(nodes.strong):
        key = term_key(strong.astext())
        if not key or key in found or len(key) > 60:
            continue
        anchor = "term-" + re.sub(r"[^a-z0-9]+", "-", key).strip("-")
        section = strong.parent
        while section is not None and not (
            isinstance(section, nodes.section) and section["ids"] and isinstance(section[0], nodes.title)
        ):
            section = section.parent
        title = section[0].astext() if section is not None else docname
        strong["ids"].append(anchor)
        found[key] = (anchor, title)
    terms = getattr(app.env, "book_terms", {})
    terms[docname] = found
    app.env.book_terms = terms


def forget_terms(app: Sphinx, env, docname: str) -> None:
    """Forget what an outdated page introduced."""
    getattr(env, "book_terms", {}).pop(docname, None)
    getattr(env, "book_sections", {}).pop(docname, None)


def glossary_terms(env) -> dict[str, str]:
    """All terms of the glossary: compared form to anchor."""
    return {
        term_key(name): anchor
        for (kind, name), (docname, anchor) in env.get_domain("std").objects.items()
        if kind == "term" and docname == GLOSSARY
    }


def introductions(env) -> dict[str, tuple[str, str, str]]:
    """For each glossary term, the page, anchor and section title that introduce it, in the book's order."""
    known = glossary_terms(env)
    result: dict[str, tuple[str, str, str]] = {}
    terms = getattr(env, "book_terms", {})
    for docname in sorted(terms):
        for key, (anchor, title) in terms[docname].items():
            match = next((form for form in spellings(key) if form in known), None)
            if match is not None:
                result.setdefault(match, (docname, anchor, title))
    for key in known:
        if key not in result:
            place = first_mention(env, key)
            if place is not None:
                result[key] = place
    return result


def first_mention(env, key: str) -> tuple[str, str, str] | None:
    """The first section with a term in its title, or else in its text: page, anchor, title."""
    pattern = re.compile(rf"(?<!\w){re.escape(key)}(?:s|es)?(?!\w)")
    sections = getattr(env, "book_sections", {})
    chapters = [name for name in sorted(sections) if re.match(r"chapters/\d\d_", name)]
    for where in (lambda title, words: term_key(title), lambda title, words: term_key(words)):
        for docname in chapters:
            for anchor, title, words in sections[docname]:
                if pattern.search(where(title, words)):
                    return docname, anchor, title
    return None


def refresh_linked_pages(app: Sphinx, env) -> list[str]:
    """Have pages written again when a term elsewhere moved."""
    definitions = getattr(env, "book_definitions", {})
    state = (sorted(glossary_terms(env).items()), sorted(introductions(env).items()), definitions)
    if getattr(env, "book_term_state", None) == state:
        return []
    env.book_term_state = state
    return [name for name in env.found_docs if is_chapter(name) or name == GLOSSARY]


def link_terms(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Link bold terms to the glossary, and glossary entries to where the book introduces them."""
    if app.builder.format != "html":
        return
    if docname == GLOSSARY:
        link_glossary_entries(app, doctree)
        return
    if not is_chapter(docname):
        return
    known = glossary_terms(app.env)
    for strong in list(doctree.findall(nodes.strong)):
        own = strong.next_node(nodes.reference)  # written as **{term}`...`**
        if own is not None and GLOSSARY.rpartition("/")[2] in own.get("refuri", ""):
            own["classes"].append("glossary-link")
        if own is not None or not any(str(name).startswith("term-") for name in strong["ids"]):
            continue
        if isinstance(strong.parent, nodes.reference):
            continue
        match = next((form for form in spellings(term_key(strong.astext())) if form in known), None)
        if match is None:
            continue
        uri = app.builder.get_relative_uri(docname, GLOSSARY) + "#" + known[match]
        link = nodes.reference("", "", *strong.children, internal=True, refuri=uri, classes=["glossary-link"])
        strong.children = []
        strong += link
    explain(app, doctree)


def explain(app: Sphinx, doctree: nodes.document) -> None:
    """Give each link to the glossary the definition, which a browser shows to a pointer that rests on it."""
    definitions = getattr(app.env, "book_definitions", {})
    for link in doctree.findall(nodes.reference):
        page, _, anchor = link.get("refuri", "").partition("#")
        if page.endswith(GLOSSARY.rpartition("/")[2] + ".html") and anchor in definitions:
            link["reftitle"] = definitions[anchor][1]


def link_glossary_entries(app: Sphinx, doctree: nodes.document) -> None:
    """Append "Introduced in ..." to each entry of the glossary."""
    places = introductions(app.env)
    for item in doctree.findall(nodes.definition_list_item):
        keys = [term_key(term.astext()) for term in item.findall(nodes.term)]
        place = next((places[key] for key in keys if key in places), None)
        definition = item.next_node(nodes.definition)
        if place is None or definition is None:
            continue
        docname, anchor, title = place
        uri = app.builder.get_relative_uri(GLOSSARY, docname) + "#" + anchor
        numbers = app.env.toc_secnumbers.get(docname, {}).get("", ())
        label = (f"chapter {numbers[0]}, " if numbers else "") + title
        paragraph = nodes.paragraph("", "Introduced in ", classes=["introduced"])
        paragraph += nodes.reference("", label, internal=True, refuri=uri)
        paragraph += nodes.Text(".")
        definition += paragraph


def setup(app: Sphinx) -> None:
    app.connect("doctree-read", mark_languages)
    app.connect("doctree-read", collect_definitions)
    app.connect("doctree-read", collect_terms)
    app.connect("env-purge-doc", forget_terms)
    app.connect("env-updated", refresh_linked_pages)
    app.connect("doctree-resolved", link_terms)
