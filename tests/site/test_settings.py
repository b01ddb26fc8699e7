"""The site's extension: its small functions, and what its two settings turn on (on a book of two pages)."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from built import ROOT

sys.path.insert(0, str(ROOT / "tools" / "site"))
import chapter_header
import front_page
import glossary_links
import plain


def cell(kind: str, source: str) -> dict:
    base = {"cell_type": kind, "metadata": {}, "source": source, "id": f"c{abs(hash(source)) % 10**6}"}
    return base | ({"outputs": [], "execution_count": 1} if kind == "code" else {})


def test_reading_time():
    assert chapter_header.reading_minutes({"cells": [cell("markdown", "word " * 1000)]}) == 5
    assert chapter_header.reading_minutes({"cells": [cell("markdown", "x")]}) == 1
    more = [
        cell("markdown", "word " * 1000),
        cell("code", "a = 1\n" * 60),
        cell("markdown", "$$\nx\n$$\n" * 20),
    ]
    assert chapter_header.reading_minutes({"cells": more}) == 12
    folded = "```{admonition} An aside\n:class: note dropdown\n" + "word " * 1000 + "\n```\n"
    hidden = cell("code", "a = 1\n" * 600) | {"metadata": {"tags": ["hide-input"]}}
    after = [cell("markdown", "word\n## Exercises\n" + "word " * 900), cell("code", "a = 1\n" * 600)]
    assert chapter_header.reading_minutes({"cells": [cell("markdown", folded), hidden, *after]}) == 1
    comments = [cell("code", "# only\n\n# words\n" * 100)]
    assert chapter_header.reading_minutes({"cells": comments}) == 1


@pytest.mark.parametrize(("seconds", "words"), [(0.2, "1 s"), (42.4, "42 s"), (89, "89 s"), (180, "3 min")])
def test_duration(seconds, words):
    assert plain.duration(seconds) == words


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Weights", "weight"),
        ("matrices", "matrix"),
        ("losses", "loss"),
        ("Mini-\nbatch", "mini- batch"),
        ("vocabularies", "vocabulary"),
        ("loss", "loss"),
        ("decision boundary.", "decision boundary"),
    ],
)
def test_terms_are_found_in_other_forms(text, found):
    assert found in glossary_links.spellings(glossary_links.term_key(text))


def test_every_core_chapter_has_a_picture():
    pictures = [path.stem for path in sorted((ROOT / "tools" / "site" / "map").glob("*.svg"))]
    assert pictures == list(front_page.CORE)
    numbers = [int(name[:2]) for name in [*front_page.CORE, *front_page.FURTHER]]
    assert numbers == list(range(1, 18))


def test_the_map_marks_what_is_planned():
    one = front_page.chapter_map({"chapters/03_word2vec": "A & B"}, lambda name: f"{name}.html")
    assert one.count("<a ") == 1 and one.count("planned</span>") == 9
    assert '<span class="map-number">3</span> <a href="chapters/03_word2vec.html">A &amp; B</a>' in one
    assert '<span class="map-number">15</span> Time series</li>' in one
    assert front_page.chapter_map({}, str).count("<a ") == 0


# ---- settings, on and off


@pytest.fixture(scope="module")
def small_book(tmp_path_factory) -> Path:
    """A book of a front page, a glossary and one notebook, with this book's configuration."""
    book = tmp_path_factory.mktemp("book")
    shutil.copytree(ROOT / "tools" / "site", book / "tools" / "site")
    for name in ("tools/plain.py", "tools/notebooks.py", "_config.yml", "pyproject.toml"):
        shutil.copy(ROOT / name, book / name)
    (book / "references.bib").write_text("", encoding="utf-8")
    (book / "chapters").mkdir()
    (book / "index.md").write_text("# Front\n\nSome words.\n\n```{chapter-map}\n```\n", encoding="utf-8")
    (book / "chapters" / "glossary.md").write_text(
        "# Glossary\n\n```{glossary}\nweight\n  zh: 权重 · ja: 重み\n\n  A number.\n\n"
        "unused\n  zh: 无 · ja: 無\n\n  None.\n```\n",
        encoding="utf-8",
    )
    notebook = {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {
            "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
            "book": {"run_seconds": 42},
        },
        "cells": [
            cell(
                "markdown",
                "# One\n\n## First section\n\n"
                "The **weights** count. Again **weights**. See {eq}`one`.\n\n$$\ny = x\n$$ (one)",
            ),
            cell("code", "1 + 1"),
        ],
    }
    (book / "chapters" / "03_word2vec.ipynb").write_text(json.dumps(notebook), encoding="utf-8")
    (book / "_toc.yml").write_text(
        "format: jb-book\nroot: index\nparts:\n  - caption: Core\n    numbered: true\n    chapters:\n"
        "      - file: chapters/03_word2vec\n  - caption: More\n    chapters:\n"
        "      - file: chapters/glossary\n",
        encoding="utf-8",
    )
    return book


def build(book: Path, *, again: bool = False, **settings: str) -> Path:
    out = book.parent / f"{book.name}-out-{len(settings)}"
    environment = {k: v for k, v in os.environ.items() if not k.startswith("BOOK_")} | settings
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "from jupyter_book.cli.main import main; main()",
            "build",
            str(book),
            "-W",
            "--keep-going",
            "-q",
            *([] if again else ["--all"]),
            "--path-output",
            str(out),
        ],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return out / "_build" / "html"


def test_without_settings(small_book):
    site = build(small_book)
    chapter = (site / "chapters" / "03_word2vec.html").read_text(encoding="utf-8")
    for word in ("colab", "mybinder", "jupyterlite", "canonical", "og:url", "og:image"):
        assert word not in chapter, word
    assert not (site / "sitemap.xml").exists() and not (site / "robots.txt").exists()
    # The number is that of the file, although chapters 1 and 2 are not there.
    assert '<span class="section-number">3. </span>One' in chapter
    assert '<span class="section-number">3.1. </span>First section' in chapter
    assert "(3.1)" in chapter
    assert "1 min to read" in chapter and "42 s to run" in chapter
    # The first bold use leads to the glossary, and the glossary leads back to it.
    assert 'id="term-weights"' in chapter and chapter.count("glossary-link") == 1
    assert re.search(r'<a class="glossary-link[^>]* title="A number\."', chapter)
    # What is downloaded stands alone, and says first what it needs.
    alone = json.loads((site / "_sources" / "chapters" / "03_word2vec.ipynb").read_text(encoding="utf-8"))
    sources = ["".join(cell["source"]) for cell in alone["cells"]]
    assert sources[0].startswith("# Run this cell first.") and "copy of the book" in sources[0]
    assert "See (3.1)." in sources[1] and "\\tag{3.1}" in sources[1]
    sections = (site / "_static" / "sections.js").read_text(encoding="utf-8")
    assert '"url":"chapters/03_word2vec.html#first-section"' in sections and '"terms":["weights"]' in sections
    glossary = (site / "chapters" / "glossary.html").read_text(encoding="utf-8")
    assert 'href="03_word2vec.html#term-weights"' in glossary
    assert "chapter 3, First section" in glossary
    assert glossary.count('class="introduced"') == 1
    assert '<span lang="zh-Hans">权重</span>' in glossary or 'lang="zh-Hans"' in glossary


def test_one_page_that_changed_is_built_again(small_book, tmp_path):
    book = shutil.copytree(small_book, tmp_path / "book")
    build(book)
    front = book / "index.md"
    front.write_text(front.read_text(encoding="utf-8").replace("words", "other words"), encoding="utf-8")
    site = build(book, again=True)  # a warning would be an error
    assert "other words" in (site / "index.html").read_text(encoding="utf-8")
    sections = (site / "_static" / "sections.js").read_text(encoding="utf-8")
    assert "First section" in sections


def test_with_both_settings(small_book):
    site = build(
        small_book,
        BOOK_SITE_URL="https://book.example/deep",
        BOOK_REPOSITORY_URL="https://github.com/somebody/a-book",
        BOOK_JUPYTERLITE_URL="https://book.example/lite/",
    )
    chapter = (site / "chapters" / "03_word2vec.html").read_text(encoding="utf-8")
    path = "chapters/03_word2vec.ipynb"
    assert f"https://colab.research.google.com/github/somebody/a-book/blob/main/{path}" in chapter
    assert "https://mybinder.org/v2/gh/somebody/a-book/main?urlpath=lab%2Ftree%2Flab%2F03" in chapter
    assert "!git clone --depth 1 https://github.com/somebody/a-book book" in chapter
    first = json.loads((site / "_sources" / path).read_text(encoding="utf-8"))["cells"][0]["source"]
    assert "!git clone --quiet --depth 1 https://github.com/somebody/a-book book" in "".join(first)
    assert "%pip install --quiet numpy scipy" in "".join(first) and "sphinx" not in "".join(first)
    assert f"https://book.example/lite/lab/index.html?path={path}" in chapter
    assert '<link rel="canonical" href="https://book.example/deep/chapters/03_word2vec.html"' in chapter
    assert 'property="og:url" content="https://book.example/deep/chapters/03' in chapter
    assert 'property="og:image" content="https://book.example/deep/_static/og.png"' in chapter
    assert (site / "_static" / "og.png").exists()
    sitemap = (site / "sitemap.xml").read_text(encoding="utf-8")
    assert "<loc>https://book.example/deep/</loc>" in sitemap
    assert "<loc>https://book.example/deep/chapters/03_word2vec.html</loc>" in sitemap
    assert "sitemap.xml" in (site / "robots.txt").read_text(encoding="utf-8")
    assert 'href="/deep/index.html"' in (site / "404.html").read_text(encoding="utf-8")
