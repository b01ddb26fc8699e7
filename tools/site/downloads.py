"""A chapter as a notebook to download: it stands alone, and its first cell says how to get what it needs.

What Sphinx copies to ``_sources`` is the source of the page, with roles that only Sphinx resolves. The file
that a reader downloads is made from it by ``tools/plain.py``, and begins with a cell that finds the package
``common`` or, where the repository's address is known, fetches it. So it also runs in Colab.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import nbformat.v4
import notebooks
import plain
from sphinx.application import Sphinx

FETCH = """\
# Run this cell first. Where the book's package `common` is missing, it is fetched, with what it needs.
import sys

try:
    import common.book
except ModuleNotFoundError:
    sys.modules.pop("common", None)  # another package of that name
    !git clone --quiet --depth 1 {repository} book
    %pip install --quiet {needs}
    sys.path.insert(0, "book")"""

FIND = """\
# Run this cell first. It looks for the book's own package `common`.
try:
    import common.book
except ModuleNotFoundError:
    print(
        "This chapter uses the package `common`, which comes with the book and from nowhere else.\\n"
        "Put this file into the folder chapters/ of a copy of the book, say `make lab` there once,\\n"
        "and open it with the Python that this has set up, .venv in the same folder."
    )
    raise"""


def needs(project: Path) -> str:
    """What a chapter imports, as pip takes it; the version only where numbers depend on it."""
    dependencies = tomllib.loads(project.read_text(encoding="utf-8"))["project"]["dependencies"]
    site = re.compile(r"(jupyter|nb|ipykernel|ipython|sphinx|docutils|myst|pydata|setuptools)")
    wanted = [line for line in dependencies if not site.match(line)]
    return " ".join(f'"{line}"' if ";" in line else line.split(">")[0] for line in wanted)


def first_cell(app: Sphinx) -> str:
    """The code that finds or fetches the package ``common``."""
    repository = app.config.html_theme_options.get("repository_url", "")
    if not repository:
        return FIND
    return FETCH.format(repository=repository, needs=needs(Path(app.srcdir) / "pyproject.toml"))


def write_downloads(app: Sphinx, exception) -> None:
    """Put the notebooks that stand alone in the place of the sources."""
    if exception or app.builder.name != "html":
        return
    book = plain.Book(Path(app.srcdir))
    for path in book.files:
        copied = Path(app.outdir, "_sources", path.relative_to(book.root))
        if path.suffix == ".ipynb" and copied.exists():
            notebook = book.notebook(path, links=False)
            notebook.cells.insert(0, nbformat.v4.new_code_cell(first_cell(app), id="first"))
            copied.write_text(notebooks.as_text(notebook), encoding="utf-8")


def setup(app: Sphinx) -> None:
    app.connect("build-finished", write_downloads)
