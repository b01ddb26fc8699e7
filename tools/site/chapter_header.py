"""Under the title of a chapter: the time to read, the time to run, the download, where else it runs."""

from __future__ import annotations

import html
import json
import os
import re
import urllib.parse
from pathlib import Path

import plain
from docutils import nodes
from sphinx.application import Sphinx


def reading_minutes(notebook: dict) -> int:
    """Estimate the minutes that a careful reader needs for what stands open before the exercises.

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
            source, *exercises = re.split(r"^## Exercises\b", source, flags=re.M)
            source = plain.BOX.sub(lambda box: " " if "dropdown" in box[3] else box[0], source)
            formulas = re.findall(r"\$\$.*?\$\$", source, flags=re.DOTALL)
            prose = re.sub(r"\$\$.*?\$\$", " ", source, flags=re.DOTALL)
            words += len(re.findall(r"\w[\w'-]*", prose)) + 30 * len(formulas)
            if exercises:
                break
        elif not {"hide-input", "hide-cell"} & set(cell["metadata"].get("tags", [])):
            lines += sum(
                1 for line in source.splitlines() if line.strip() and not line.strip().startswith("#")
            )
    return max(1, round(words / 200 + lines * 4 / 60))


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
                + urllib.parse.quote(f"lab/tree/lab/{Path(path).name}", safe=""),  # the copy, see .binder
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
        parts.append(f'<li class="chapter-run">{plain.duration(book["run_seconds"])} to run</li>')
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
            '<code class="literal">%cd book</code> <code class="literal">%pip install -q -e .</code>, or '
            "open the downloaded notebook there, whose first cell does it.</li>"
        )
    markup = f'<ul class="chapter-header" aria-label="About this chapter">{"".join(parts)}</ul>'
    title.parent.insert(title.parent.index(title) + 1, nodes.raw("", markup, format="html"))


def setup(app: Sphinx) -> None:
    app.connect("doctree-resolved", add_chapter_header)
