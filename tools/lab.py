"""Open the book in JupyterLab, on a copy that the reader may change (`make lab`).

    python tools/lab.py [--fresh] [--only-copy] [what JupyterLab takes ...]

The copy is in the folder lab/, which git ignores. A notebook there that the reader has not changed follows
the book; one that was changed stays as it is. With `--fresh` the copy so far is moved to lab/earlier/, under
the date, and a new one is made. The settings of JupyterLab, and the signatures by which it trusts what the
book ships, are in lab/.jupyter: nothing is written into the reader's own settings.
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import notebooks
import plain

ROOT = Path(__file__).resolve().parent.parent
START = "Start here.md"
SETTINGS: dict[str, Any] = {
    # No question about news, and no request to another machine.
    "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False},
    # A page of text is shown as it is read.
    "@jupyterlab/docmanager-extension:plugin": {"defaultViewers": {"markdown": "Markdown Preview"}},
}


def main(arguments: list[str]) -> int:
    """Make or refresh the copy, then run JupyterLab on it; return the exit status."""
    parser = argparse.ArgumentParser(prog="lab.py", description=__doc__.splitlines()[0])
    parser.add_argument("--fresh", action="store_true", help="move the copy aside and make a new one")
    parser.add_argument("--only-copy", action="store_true", help="do not start JupyterLab")
    options, more = parser.parse_known_args(arguments)
    lab = ROOT / "lab"
    try:
        if options.fresh:
            move_aside(lab)
        kept = refresh(lab)
    except OSError as error:
        print(f"Cannot write the copy: {error.filename}: {error.strerror}.", file=sys.stderr)
        return 1
    print(
        f"Your copy of the chapters is in {lab}: change anything there. `make lab FRESH=1` gives a new one."
    )
    if kept:
        print(f"The book has a newer version of {', '.join(kept)}; yours, which you changed, is kept.")
    if options.only_copy:
        return 0
    os.environ.update(jupyter_folders(lab))
    # The products in this book are too small to gain from a second thread, and lose much when a core is busy.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # As `make` sets it: nothing of the reader's own, and the fonts that the set-up has looked up.
    os.environ.setdefault("PYTHONNOUSERSITE", "1")
    os.environ.setdefault("IPYTHONDIR", str(lab / ".jupyter" / "ipython"))
    os.environ.setdefault("MPLCONFIGDIR", str(ROOT / ".venv" / "matplotlib"))
    command = [sys.executable, "-m", "jupyterlab", "--ServerApp.ip=127.0.0.1", f"--ServerApp.root_dir={lab}"]
    command += [f"--LabApp.default_url=/lab/tree/{START.replace(' ', '%20')}", *more]
    try:
        return subprocess.run(command).returncode
    except KeyboardInterrupt:
        return 0


def jupyter_folders(lab: Path) -> dict[str, str]:
    """Where Jupyter keeps its settings, signatures and connections."""
    home = lab / ".jupyter"
    kinds = {"CONFIG": "config", "DATA": "data", "RUNTIME": "runtime"}
    return {f"JUPYTER_{kind}_DIR": str(home / folder) for kind, folder in kinds.items()}


# ---- the copy


def refresh(lab: Path) -> list[str]:
    """Make what is missing, renew what the reader left alone; return what else the book has newer."""
    book = plain.Book(ROOT)
    for folder in jupyter_folders(lab).values():
        Path(folder).mkdir(parents=True, exist_ok=True)
    state = lab / ".jupyter" / "copied.json"
    copied: dict[str, str] = json.loads(state.read_text("utf-8")) if state.exists() else {}
    kept = []
    for name, text in contents(book).items():
        path, new = lab / name, digest(text.encode())
        if not path.exists() or digest(path.read_bytes()) == copied.get(name):
            if not path.exists() or new != copied[name]:
                path.write_bytes(text.encode())
            copied[name] = new
            trust(path, lab)
        elif new != copied.get(name):
            kept.append(name)
    for path in lab.glob("*.ipynb"):
        drop_dead_widgets(path, lab)
    settings = lab / ".jupyter" / "config" / "labconfig" / "default_setting_overrides.json"
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text(json.dumps(SETTINGS, indent=1), "utf-8")
    state.write_text(json.dumps(copied, indent=1, sort_keys=True), "utf-8")
    return kept


def contents(book: plain.Book) -> dict[str, str]:
    """Every file of the copy, by its name."""
    files = {START: start_page(book)}
    for path in book.files:
        if path.suffix == ".ipynb":
            notebook = book.notebook(path)
            # JupyterLab asks the kernel, and where the file says something else it asks to save it at once.
            notebook.metadata.language_info["version"] = platform.python_version()
            files[path.name] = notebooks.as_text(notebook)
        elif path.stem != "index":
            files[path.name] = book.page(path)
    return files


def start_page(book: plain.Book) -> str:
    """The page that JupyterLab opens with."""
    chapters = [path for path in book.files if path.suffix == ".ipynb" and plain.chapter_number(path)]
    others = [path for path in book.files if path not in chapters and path.stem != "index"]

    def link(path: Path) -> str:
        return f"[{book.titles[path.stem]}]({path.name})"

    text = (Path(__file__).parent / "start.md").read_text("utf-8")
    numbered = [f"{plain.chapter_number(path)} {link(path)}{minutes(path)}" for path in chapters]
    text = text.replace("CHAPTERS", "\n".join(numbered)).replace("FIRST", chapters[0].name)
    return text.replace("OTHERS", ", ".join(map(link, others)))


def minutes(path: Path) -> str:
    """How long a chapter runs, as its notebook says."""
    book = json.loads(path.read_text("utf-8"))["metadata"].get("book", {})
    return f", runs in {plain.duration(book['run_seconds'])}" if book.get("run_seconds") else ""


def trust(path: Path, lab: Path) -> None:
    """Sign a notebook, so that JupyterLab shows its figures before anything was run."""
    if path.suffix != ".ipynb":
        return
    notary, notebook = notary_of(lab), read(path)
    if not notary.check_signature(notebook):
        notary.sign(notebook)


def drop_dead_widgets(path: Path, lab: Path) -> None:
    """Take the widgets of a kernel that is gone out of a figure that moves: the figure moves without them."""
    if notebooks.WIDGET not in path.read_text("utf-8"):
        return
    notebook, notary = read(path), notary_of(lab)
    trusted = notary.check_signature(notebook)
    if not notebooks.drop_dead_views(notebook):
        return
    path.write_bytes(notebooks.as_text(notebook).encode())
    if trusted:
        notary.sign(notebook)


def read(path: Path) -> Any:
    """A notebook as the server reads it, whose signature counts."""
    import nbformat

    return nbformat.read(path, as_version=4)


def notary_of(lab: Path) -> Any:
    """Who signs notebooks, with the signatures of this copy."""
    from nbformat.sign import NotebookNotary

    return NotebookNotary(data_dir=str(lab / ".jupyter" / "data"))


def move_aside(lab: Path) -> None:
    """Move the copy so far into lab/earlier/, under the date, and forget what it was made from."""
    inside = [path for path in lab.glob("*") if path.name not in ("earlier", ".jupyter")]
    if not inside:
        return
    folder = lab / "earlier" / datetime.datetime.now().strftime("%Y-%m-%d %H.%M.%S")
    folder.mkdir(parents=True)
    for path in inside:
        path.rename(folder / path.name)
    print(f"The copy so far is kept in {folder}.")


def digest(content: bytes) -> str:
    """The hash of a file."""
    return hashlib.sha256(content).hexdigest()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
