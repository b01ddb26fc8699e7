"""Sphinx extension of this book's site.

It does what the theme and the other extensions do not:

- removes scripts that the site does not use (:func:`drop_unused_scripts`);
- takes the site's and the repository's address from one setting each, and leaves out what would need
  them when they are not set (:func:`read_settings`, :func:`page_context`, :func:`write_sitemap`);
- numbers a chapter by its file name (:func:`number_by_file_name`), and puts a header under its title
  (:func:`add_chapter_header`);
- links each bold term to the glossary where a chapter first uses it, and each glossary entry back to
  the place that introduces it (:func:`collect_terms`, :func:`link_terms`);
- mends what a screen reader or an accessibility checker stumbles over (:func:`page_context`);
- draws the front page's map and its living figure (``front_page.py``).
"""

from __future__ import annotations

import html
import json
import os
import re
import urllib.parse
from pathlib import Path

import front_page
import slim
from docutils import nodes
from sphinx.application import Sphinx

GLOSSARY = "chapters/glossary"


# ---------------------------------------------------------------------------------------------------------
# Settings
# ---------------------------------------------------------------------------------------------------------


def read_settings(app: Sphinx, config) -> None:
    """Take the site's and the repository's address from the environment or from ``_config.yml``.

    ``BOOK_SITE_URL`` (or ``html.baseurl``) turns on the sitemap, canonical links and the address in Open
    Graph tags. ``BOOK_REPOSITORY_URL`` (or ``repository.url``) turns on the buttons that run a chapter
    elsewhere, ``BOOK_JUPYTERLITE_URL`` the one for a JupyterLite that is hosted beside the site.
    """
    site = (os.environ.get("BOOK_SITE_URL") or config.html_baseurl or "").strip()
    config.html_baseurl = config.ogp_site_url = site.rstrip("/") + "/" if site else ""
    options = config.html_theme_options
    repository = (os.environ.get("BOOK_REPOSITORY_URL") or options.get("repository_url") or "").strip()
    options.pop("repository_url", None)
    options["launch_buttons"] = {}
    options["navbar_persistent"] = []  # one search button, in the side bar, is enough
    config.mathjax_path = "mathjax/startup.js"  # which loads the parts named by mathjax3_config
    if repository:
        options["repository_url"] = repository.rstrip("/")
        options["repository_branch"] = os.environ.get("BOOK_REPOSITORY_BRANCH", "main")
        options["use_repository_button"] = True


# ---------------------------------------------------------------------------------------------------------
# Assets and page context
# ---------------------------------------------------------------------------------------------------------


def drop_unused_scripts(app: Sphinx, pagename, templatename, context, doctree) -> None:
    """Leave out the scripts of sphinx-thebe, which is always loaded and of no use here.

    It declares the same constants twice on every page, which a browser reports as an error, and names an
    address on another machine.
    """

    def wanted(script) -> bool:
        body = getattr(script, "attributes", {}).get("body") or ""
        return "THEBE_JS_URL" not in body and "sphinx-thebe" not in str(getattr(script, "filename", script))

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
    context["body"] = context.get("body", "").replace('role="doc-biblioentry"', 'role="listitem"')
    context["site_path"] = urllib.parse.urlsplit(app.config.html_baseurl).path or "./"


def write_sitemap(app: Sphinx, exception) -> None:
    """Write ``sitemap.xml`` and ``robots.txt``; a sitemap needs absolute addresses, so only with one set."""
    if exception or app.builder.name != "html" or not app.config.html_baseurl:
        return
    pages = sorted(app.env.found_docs)
    urls = [
        app.config.html_baseurl + ("" if page == app.config.root_doc else app.builder.get_target_uri(page))
        for page in pages
    ]
    lines = [f"  <url><loc>{html.escape(url)}</loc></url>" for url in urls]
    Path(app.outdir, "sitemap.xml").write_text(
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n' + "\n".join(lines) + "\n</urlset>\n",
        encoding="utf-8",
    )
    Path(app.outdir, "robots.txt").write_text(
        f"User-agent: *\nAllow: /\nSitemap: {app.config.html_baseurl}sitemap.xml\n", encoding="utf-8"
    )


def slim_site(app: Sphinx, exception) -> None:
    """Remove what no page uses from the built site."""
    if exception is None and app.builder.name == "html":
        slim.slim(Path(app.outdir))


# ---------------------------------------------------------------------------------------------------------
# The header of a chapter
# ---------------------------------------------------------------------------------------------------------


def reading_minutes(notebook: dict) -> int:
    """Estimate the minutes that a careful reader needs.

    200 words a minute for prose (a displayed formula counts as 30 words), and 4 seconds for a line of code.

    Examples
    --------
    >>> reading_minutes({"cells": [{"cell_type": "markdown", "source": "word " * 1000}]})
    5
    """
    words = lines = 0
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            formulas = re.findall(r"\$\$.*?\$\$", source, flags=re.DOTALL)
            prose = re.sub(r"\$\$.*?\$\$", " ", source, flags=re.DOTALL)
            words += len(re.findall(r"\w[\w'-]*", prose)) + 30 * len(formulas)
        elif cell["cell_type"] == "code":
            lines += sum(
                1 for line in source.splitlines() if line.strip() and not line.strip().startswith("#")
            )
    return max(1, round(words / 200 + lines * 4 / 60))


def duration(seconds: float) -> str:
    """Say a duration in words: ``40 s``, ``3 min``."""
    return f"{max(1, round(seconds))} s" if seconds < 90 else f"{round(seconds / 60)} min"


def launch_links(app: Sphinx, docname: str) -> list[tuple[str, str]]:
    """Addresses at which the notebook can be run elsewhere: (name, address); empty without a repository."""
    options = app.config.html_theme_options
    links = []
    match = re.fullmatch(r"https://github\.com/([^/]+)/([^/]+?)(?:\.git)?", options.get("repository_url", ""))
    if match:
        owner, name = match.groups()
        branch, path = options["repository_branch"], f"{docname}.ipynb"
        links.append(
            ("Colab", f"https://colab.research.google.com/github/{owner}/{name}/blob/{branch}/{path}")
        )
        links.append(
            (
                "Binder",
                f"https://mybinder.org/v2/gh/{owner}/{name}/{branch}?urlpath="
                + urllib.parse.quote(f"lab/tree/{path}", safe=""),
            )
        )
    lite = os.environ.get("BOOK_JUPYTERLITE_URL", "").strip().rstrip("/")
    if lite:
        links.append(("JupyterLite", f"{lite}/lab/index.html?path={urllib.parse.quote(docname)}.ipynb"))
    return links


def add_chapter_header(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Put the time to read, the time to run and the download under the title of a notebook's page."""
    source = Path(app.env.doc2path(docname))
    title = doctree.next_node(nodes.title)
    if source.suffix != ".ipynb" or title is None or app.builder.format != "html":
        return
    notebook = json.loads(source.read_text(encoding="utf-8"))
    book = notebook["metadata"].get("book", {})
    parts = [f'<li class="chapter-read">{reading_minutes(notebook)} min to read</li>']
    if book.get("run_seconds"):
        parts.append(f'<li class="chapter-run">{duration(book["run_seconds"])} to run</li>')
    up = "../" * docname.count("/")
    parts.append(
        f'<li class="chapter-download"><a href="{up}_sources/{docname}.ipynb" download>'
        "Download as notebook</a></li>"
    )
    parts += [
        f'<li class="chapter-launch"><a href="{html.escape(url)}">Open in {name}</a></li>'
        for name, url in launch_links(app, docname)
    ]
    if any(name == "Colab" for name, _ in launch_links(app, docname)):
        repository = html.escape(app.config.html_theme_options["repository_url"])
        parts.append(
            '<li class="chapter-note">In Colab, run this cell first: '
            f'<code class="literal">!git clone --depth 1 {repository} book</code> '
            '<code class="literal">%cd book</code> <code class="literal">%pip install -q -e .</code></li>'
        )
    markup = f'<ul class="chapter-header" aria-label="About this chapter">{"".join(parts)}</ul>'
    title.parent.insert(title.parent.index(title) + 1, nodes.raw("", markup, format="html"))


# ---------------------------------------------------------------------------------------------------------
# Numbers: a chapter has the number of its file, whether or not the chapters before it are there yet
# ---------------------------------------------------------------------------------------------------------


def number_by_file_name(app: Sphinx, env) -> list[str]:
    """Replace the chapter's part of all section, equation and exercise numbers by that of its file name.

    Sphinx counts the chapters in the table of contents, so a chapter that is not written yet would shift all
    that follow.
    """
    changed = []
    for docname, sections in env.toc_secnumbers.items():
        match = re.match(r"chapters/(\d\d)_", docname)
        if not match or not sections.get("") or sections[""][0] == int(match[1]):
            continue
        number = int(match[1])
        changed.append(docname)
        for anchor, numbers in sections.items():
            if numbers:
                sections[anchor] = (number, *numbers[1:])
        for entries in env.toc_fignumbers.get(docname, {}).values():
            for name, numbers in entries.items():
                entries[name] = (number, *numbers[1:])
        references = env.tocs[docname].findall(nodes.reference)
        for node in (*references, env.titles[docname], env.longtitles[docname]):
            if node.get("secnumber"):
                node["secnumber"] = (number, *node["secnumber"][1:])
    return changed


# ---------------------------------------------------------------------------------------------------------
# Terms: bold in a chapter, defined in the glossary, linked both ways
# ---------------------------------------------------------------------------------------------------------


def term_key(text: str) -> str:
    """Reduce a term to the form under which it is compared.

    Examples
    --------
    >>> term_key("Mini-batch"), term_key("activation\\nfunction")
    ('mini-batch', 'activation function')
    """
    return re.sub(r"\s+", " ", text).strip().strip(".,:;").lower()


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
        sections.append((section["ids"][0], title.astext(), term_key(words)))
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
    for where in (lambda title, words: term_key(title), lambda title, words: words):
        for docname in chapters:
            for anchor, title, words in sections[docname]:
                if pattern.search(where(title, words)):
                    return docname, anchor, title
    return None


def refresh_linked_pages(app: Sphinx, env) -> list[str]:
    """Have pages written again when a term elsewhere moved."""
    state = (sorted(glossary_terms(env).items()), sorted(introductions(env).items()))
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


# ---------------------------------------------------------------------------------------------------------


def setup(app: Sphinx) -> dict:
    app.connect("config-inited", read_settings, priority=100)
    # MathJax goes only where there are formulas. (Another extension asks for every asset on every page.)
    app.connect(
        "env-before-read-docs", lambda app, env, names: app.set_html_assets_policy("per_page"), priority=900
    )
    app.connect("html-page-context", drop_unused_scripts, priority=900)
    app.connect("html-page-context", page_context, priority=950)
    app.connect("env-get-updated", number_by_file_name, priority=900)
    app.connect("doctree-read", mark_languages)
    app.connect("doctree-read", collect_terms)
    app.connect("env-purge-doc", forget_terms)
    app.connect("env-updated", refresh_linked_pages)
    app.connect("doctree-resolved", add_chapter_header)
    app.connect("doctree-resolved", link_terms)
    app.connect("doctree-resolved", remove_leftovers, priority=900)
    app.connect("build-finished", write_sitemap)
    app.connect("build-finished", slim_site, priority=900)
    front_page.setup(app)
    return {"version": "1", "env_version": 1, "parallel_read_safe": False, "parallel_write_safe": True}
