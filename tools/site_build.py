"""Build the site into _build/html, with every warning an error (`make book`).

Sphinx builds again only what changed, and says nothing about the rest. So a page that was warned about once
would pass the second time. After a failure, and after a change of anything that shapes all pages, the build
starts from nothing. A second build that is started meanwhile waits.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from environment import only_one_process

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "_build"
STAMP = BUILD / "shape.sha256"
SHAPES_ALL_PAGES = ("_config.yml", "_toc.yml", "references.bib", "requirements.txt", "tools/site_build.py")


def main() -> int:
    """Build; return the exit status. A folder that cannot be written gives one sentence."""
    try:
        return build()
    except OSError as error:
        print(f"Cannot build the site: {error.filename}: {error.strerror}.", file=sys.stderr)
        return 1


def build() -> int:
    """Build; return the exit status."""
    start = time.perf_counter()
    BUILD.mkdir(exist_ok=True)
    with only_one_process(str(BUILD / ".lock"), "Another process is building the site; waiting for it."):
        now = shape()
        if not STAMP.exists() or STAMP.read_text(encoding="utf-8") != now:
            forget()
        # Not the jupyter-book script: its first line names a folder, which may have a space in it.
        book = "from jupyter_book.cli.main import main; main()"
        command = [sys.executable, "-c", book, "build", ".", "-W", "--keep-going", "--quiet"]
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        page = BUILD / "html" / "index.html"
        if done.returncode or not page.exists():
            forget()
            print(done.stdout)
            print("The site was not built: the warnings and errors are above.", file=sys.stderr)
            return done.returncode or 1
        STAMP.write_text(now, encoding="utf-8")
    pages = sum(1 for _ in (BUILD / "html").rglob("*.html"))
    print(f"{pages} pages in {time.perf_counter() - start:.0f} s; open {page}")
    return 0


def shape() -> str:
    """A hash over what shapes all pages, and over the names of the sources."""
    files = [ROOT / name for name in SHAPES_ALL_PAGES]
    files += sorted(path for path in (ROOT / "tools" / "site").rglob("*") if path.is_file())
    total = hashlib.sha256()
    for path in files:
        if path.exists() and "__pycache__" not in path.parts:
            total.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes())
    for path in sorted([*ROOT.glob("*.md"), *ROOT.glob("chapters/*")]):
        total.update(path.name.encode() + b"\n")
    for name in sorted(os.environ):
        if name.startswith("BOOK_"):
            total.update(f"{name}={os.environ[name]}\n".encode())
    return total.hexdigest()


def forget() -> None:
    """Remove what was built, so that the next build reads every page."""
    STAMP.unlink(missing_ok=True)
    for name in ("html", ".doctrees", ".jupyter_cache", "jupyter_execute"):
        shutil.rmtree(BUILD / name, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
