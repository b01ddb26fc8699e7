"""Where the built site is, and which pages it has."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SITE = Path(os.environ.get("BOOK_SITE_DIR", ROOT / "_build" / "html"))
MOVING = "figure.book-player"  # a figure that the reader moves


def content_pages() -> list[str]:
    """Names of all pages with content, as in ``chapters/glossary``."""
    sources = SITE / "_sources"
    return sorted(
        p.relative_to(sources).with_suffix("").as_posix() for p in sources.rglob("*") if p.is_file()
    )


def chapters() -> list[str]:
    """Names of the pages that are notebooks."""
    sources = SITE / "_sources"
    return sorted(p.relative_to(sources).with_suffix("").as_posix() for p in sources.rglob("*.ipynb"))


def stale() -> str | None:
    """Say in one sentence why the built pages are not those of the sources, or None."""
    if not (SITE / "index.html").exists():
        return f"There is no built site in {SITE}; run `make book` first."
    if "BOOK_SITE_DIR" in os.environ:
        return None
    for name in content_pages():
        page = SITE / f"{name}.html"
        for source in (ROOT / f"{name}.md", ROOT / f"{name}.ipynb"):
            if source.exists() and (not page.exists() or page.stat().st_mtime < source.stat().st_mtime):
                return f"{source.relative_to(ROOT)} is newer than its built page; run `make book` first."
    style = ROOT / "tools" / "site" / "static" / "book.css"
    if style.read_bytes() != (SITE / "_static" / "book.css").read_bytes():
        return "tools/site/static/book.css is not the one in the built site; run `make book` first."
    return None
