"""Execute the notebooks, and keep their files in one normal form.

    python tools/notebooks.py execute [NOTEBOOK ...]     run from top to bottom, store the outputs, normalize
    python tools/notebooks.py normalize [NOTEBOOK ...]   only bring the files into the normal form
    python tools/notebooks.py check [NOTEBOOK ...]       say which files are not in it; changes nothing
    python tools/notebooks.py from-text DRAFT NOTEBOOK   make a notebook from a text draft (needs jupytext)

Without names, all of chapters/ is meant. A committed notebook holds what a reader needs and nothing that
changes from run to run: executing it twice gives the same bytes, so that a difference in git is a difference
in the book.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat

ROOT = Path(__file__).resolve().parent.parent
CHAPTERS = ROOT / "chapters"

KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
LANGUAGE = {
    "codemirror_mode": {"name": "ipython", "version": 3},
    "file_extension": ".py",
    "mimetype": "text/x-python",
    "name": "python",
    "nbconvert_exporter": "python",
    "pygments_lexer": "ipython3",
}
# What editors and runs leave behind. Everything else in the metadata is the author's and stays.
NOTEBOOK_NOISE = {"jupytext", "widgets", "vscode", "colab", "papermill", "toc", "signature"}
CELL_NOISE = {
    "execution",
    "ExecuteTime",
    "collapsed",
    "scrolled",
    "vscode",
    "pycharm",
    "papermill",
    "trusted",
}
CELL_NOISE |= {"lines_to_next_cell", "lines_to_end_of_cell_marker", "jp-MarkdownHeadingCollapsed"}
# JupyterLab folds by these marks what the site folds by its tags.
FOLDED = {
    "hide-input": {"source_hidden"},
    "hide-output": {"outputs_hidden"},
    "hide-cell": {"source_hidden", "outputs_hidden"},
}
# Where an exercise or a solution begins or ends; its inside is in the cells between.
GATE = re.compile(
    r"^([`:]{3,})\{(exercise|solution)-(start|end)\}(.*?)^\1[ \t]*$\n?", flags=re.DOTALL | re.MULTILINE
)
WIDGET = "application/vnd.jupyter.widget-view+json"
PROGRESS_BAR = re.compile(r"\d+%\|.*\||\d+it \[|\d+/\d+ \[")  # a line that tqdm drew


# --- the normal form ----------------------------------------------------------------------------------------


def normalized(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Return a copy of the notebook in the normal form. Normalizing twice changes nothing more."""
    notebook = nbformat.from_dict(json.loads(json.dumps(notebook)))
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    metadata = {key: value for key, value in notebook.metadata.items() if key not in NOTEBOOK_NOISE}
    metadata |= {"kernelspec": KERNEL, "language_info": LANGUAGE}
    notebook.metadata = nbformat.from_dict(metadata)
    taken: set[str] = set()
    for cell in notebook.cells:
        cell.id = _cell_id(cell, taken)
        cell.metadata = nbformat.from_dict({k: v for k, v in cell.metadata.items() if k not in CELL_NOISE})
        if not cell.metadata.get("tags", True):
            del cell.metadata["tags"]
        cell.source = "".join(cell.source).rstrip("\n")
        if cell.cell_type == "code":
            cell.outputs = merged_streams(cell.outputs)
            for output in cell.outputs:
                if output.output_type == "execute_result":
                    output.execution_count = cell.execution_count
                if output.output_type == "error":
                    output.traceback = [_without_folders(line) for line in output.traceback]
    _fold(notebook.cells)
    drop_dead_views(notebook)
    _rename_widgets(notebook)
    return notebook


def drop_dead_views(notebook: nbformat.NotebookNode) -> bool:
    """Take the views of widgets out of figures that move; return whether there were any.

    A stored view points at a widget that is gone when the notebook is opened again, and JupyterLab would say
    so in place of the figure. Without it the figure's own HTML moves.
    """
    dropped = False
    for output in _outputs(notebook):
        data = output.get("data", {})
        if WIDGET in data and "book-player" in "".join(data.get("text/html", "")):
            del data[WIDGET]
            dropped = True
    return dropped


def _fold(cells: list[Any]) -> None:
    """Mark for JupyterLab what is folded: cells by their tags, and all code of a solution."""
    inside = False  # a solution
    for cell in cells:
        folds: set[str] = set()
        if cell.cell_type == "markdown":
            for _, kind, way, _ in GATE.findall(cell.source):
                inside = kind == "solution" and way == "start"
        elif cell.cell_type == "code":
            for tag in cell.metadata.get("tags", []) + ["hide-cell"] * inside:
                folds |= FOLDED.get(tag, set())
        marks = {k: v for k, v in cell.metadata.pop("jupyter", {}).items() if k not in FOLDED["hide-cell"]}
        if marks or folds:
            cell.metadata["jupyter"] = nbformat.from_dict(marks | dict.fromkeys(folds, True))


def _cell_id(cell: Any, taken: set[str]) -> str:
    """Keep a valid id that no earlier cell has; otherwise make one from the cell's source."""
    name = cell.get("id", "")
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name) or name in taken:
        digest = hashlib.sha256("".join(cell.source).encode()).hexdigest()[:8]
        name, count = digest, 1
        while name in taken:
            count += 1
            name = f"{digest}-{count}"
    taken.add(name)
    return name


def _without_folders(text: str) -> str:
    """A traceback's text with paths from the project's folder or from site-packages on."""
    home = os.path.expanduser("~")
    for root in {str(ROOT), str(ROOT).replace(home, "~", 1)}:
        text = text.replace(root + os.sep, "")
    return re.sub(r"(?<![^\s\x1b m])[/~][^\s\x1b:]*/(?=site-packages/|python3\.\d+/)", "", text)


def merged_streams(outputs: list[Any]) -> list[Any]:
    """Join neighbouring pieces of one stream, which arrive cut by the clock, and drop progress bars.

    The outputs that are given stay as they are."""
    merged: list[Any] = []
    for output in outputs:
        if output.output_type == "stream":
            output = nbformat.from_dict(output | {"text": "".join(output.text)})
            if output.name == "stderr":
                lines = re.split(r"(?<=[\n\r])", output.text)
                output.text = "".join(line for line in lines if not PROGRESS_BAR.search(line))
                if not output.text.strip():
                    continue
            if merged and merged[-1].output_type == "stream" and merged[-1].name == output.name:
                merged[-1].text += output.text
                continue
        merged.append(output)
    return merged


def _rename_widgets(notebook: Any) -> None:
    """Give the random ids of widgets the numbers 1, 2, 3 in the order in which they appear."""
    names: dict[str, str] = {}
    for output in _outputs(notebook):
        view = output.get("data", {}).get(WIDGET)
        if view and "model_id" in view:
            view["model_id"] = names.setdefault(view["model_id"], f"{len(names) + 1:032x}")
    random_names = [name for name in names if name != names[name]]
    if not random_names:
        return
    anywhere = re.compile("|".join(map(re.escape, random_names)))
    for output in _outputs(notebook):
        for kind, value in output.get("data", {}).items():
            if isinstance(value, str):
                output.data[kind] = anywhere.sub(lambda found: names[found[0]], value)


def _outputs(notebook: Any) -> Iterator[Any]:
    for cell in notebook.cells:
        yield from cell.get("outputs", [])


def as_text(notebook: nbformat.NotebookNode) -> str:
    """The file's text: sorted keys, one space of indentation, one newline at the end."""
    return nbformat.writes(notebook, version=nbformat.NO_CONVERT).rstrip("\n") + "\n"


def write(notebook: nbformat.NotebookNode, path: Path) -> bool:
    """Write the normal form in one step; return whether the file changed."""
    text = as_text(normalized(notebook))
    if path.exists() and path.read_bytes() == text.encode():
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_bytes(text.encode())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return True


def read(path: Path) -> nbformat.NotebookNode:
    """Read a notebook; a file that is none raises ValueError with one sentence."""
    try:
        with open(path, encoding="utf-8") as file:
            notebook = json.load(file)
    except FileNotFoundError:
        raise ValueError(f"{path} does not exist") from None
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} is not a notebook: {error}") from None
    if not isinstance(notebook, dict) or notebook.get("nbformat") != 4:
        raise ValueError(f"{path} is not a notebook of format 4")
    for cell in notebook["cells"]:
        cell.setdefault("id", "")  # filled by `normalized`, so that nbformat does not invent a random one
        cell["source"] = "".join(cell["source"])
        for output in cell.get("outputs", []):
            if "text" in output:
                output["text"] = "".join(output["text"])
            for kind, value in output.get("data", {}).items():
                if isinstance(value, list) and not kind.endswith("json"):
                    output["data"][kind] = "".join(value)
    return nbformat.from_dict(notebook)


# --- the commands -------------------------------------------------------------------------------------------


def execute(paths: list[Path], into: Path | None = None, fresh: bool = False) -> int:
    """Run notebooks from top to bottom, each in a fresh kernel, and store what they show.

    A notebook that fails keeps its old file; the others still run. What the failed one showed until then goes
    to _build/failed. With `into`, results are written to that folder and the notebooks stay as they are. An
    output that differs from the stored one only in a measured number is kept: a new number would say nothing
    new. When what is measured has changed, it does: with `fresh` all numbers are taken anew.
    """
    from nbclient.exceptions import CellExecutionError, DeadKernelError

    os.environ.setdefault("BOOK_PROGRESS", "0")  # progress bars would leave a different output each time
    os.environ.setdefault("BOOK_STRICT", "1")  # a measured number outside its band is an error
    os.environ.setdefault("PYTHONWARNINGS", "default")
    failed = []
    for path in paths:
        print(f"{short(path)}: running", flush=True)
        start = time.perf_counter()
        try:
            notebook = normalized(read(path))
        except ValueError as error:
            print(error)
            failed.append(path)
            continue
        before = {cell.id: (cell.source, cell.get("outputs")) for cell in notebook.cells}
        try:
            run(notebook, path)
        except (CellExecutionError, DeadKernelError) as error:
            kept = ROOT / "_build" / "failed" / path.name
            write(notebook, kept)
            seconds = time.perf_counter() - start
            print(f"{short(path)}: FAILED after {seconds:.0f} s; its outputs so far: {short(kept)}")
            print(str(error).rstrip())
            failed.append(path)
            continue
        _note_seconds(notebook, time.perf_counter() - start)
        if not into and not fresh:
            _keep_measured(notebook, before)
        changed = write(notebook, into / path.name if into else path)
        note = f"written to {short(into / path.name)}" if into else "changed" if changed else "unchanged"
        print(f"{short(path)}: {time.perf_counter() - start:.0f} s, {note}", flush=True)
    print(f"{len(paths) - len(failed)} of {len(paths)} notebooks ran to the end")
    for path in failed:
        print(f"failed: {short(path)}")
    return 1 if failed else 0


def run(notebook: Any, path: Path, env: dict[str, str] | None = None, **settings: Any) -> None:
    """Run the cells of a notebook in a new kernel, as if it stood at ``path``, with nothing shown before.

    What is in ``env`` is set for the kernel, too; ``settings`` are those of nbclient.
    """
    from nbclient import NotebookClient

    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    client = NotebookClient(
        notebook,
        kernel_name="python3",
        resources={"metadata": {"path": str(path.resolve().parent)}},
        record_timing=False,
        store_widget_state=False,
        **settings,
    )
    client.execute(env=os.environ | (env or {}))


def _note_seconds(notebook: Any, seconds: float) -> None:
    """Keep how long the notebook runs, for the page's header; a number that is about right stays as it is."""
    book = notebook.metadata.setdefault("book", nbformat.from_dict({}))
    old = book.get("run_seconds")
    if not old or not 0.5 < seconds / old < 2:
        step = 5 if seconds < 60 else 30
        book["run_seconds"] = max(step, step * round(seconds / step))


def _keep_measured(notebook: Any, before: dict[str, tuple[str, Any]]) -> None:
    """Put back the old outputs of cells that show the same, but for numbers that are measured."""
    rules = [(regex, mask) for regex, mask in masks() if "MEASURED" in mask]

    def shown(value: Any) -> Any:
        if isinstance(value, str):
            for regex, mask in rules:
                value = re.sub(regex, mask, value)
        elif isinstance(value, list):
            value = [shown(item) for item in value]
        elif isinstance(value, dict):
            noise = ("model_id", "execution_count")
            value = {key: shown(item) for key, item in value.items() if key not in noise}
        return value

    for cell in notebook.cells:
        source, old = before.get(cell.id, (None, None))
        if old and source == cell.source and shown(old) == shown(merged_streams(cell.outputs)):
            cell.outputs = old


def masks() -> list[tuple[str, str]]:
    """The (pattern, replacement) pairs of tests/sanitize.cfg, which the comparison of notebooks applies."""
    text = (ROOT / "tests" / "sanitize.cfg").read_text(encoding="utf-8")
    return re.findall("^regex: (.*)$\n^replace: (.*)$", text, flags=re.MULTILINE)


def normalize(paths: list[Path], only_check: bool = False) -> int:
    """Bring files into the normal form, or with `only_check` say which are not."""
    wrong = 0
    for path in paths:
        try:
            notebook = read(path)
        except ValueError as error:
            print(error)
            wrong += 1
            continue
        if only_check:
            if path.read_bytes() != as_text(normalized(notebook)).encode():
                print(f"{short(path)} is not in the normal form: run  python tools/notebooks.py normalize")
                wrong += 1
        elif write(notebook, path):
            print(f"{short(path)}: normalized")
    return 1 if wrong else 0


def from_text(draft: Path, target: Path) -> None:
    """Make a notebook from a draft in jupytext's py:percent (.py) or MyST (.md) format, without outputs.

    A cell that is in the target already keeps its id, changed or not. No output is kept: an old output beside
    a new cell would be a lie.
    """
    try:
        import jupytext
        from jupytext.combine import combine_inputs_with_outputs
    except ImportError:
        raise ValueError("from-text needs jupytext; run  make author") from None
    formats = {".py": "py:percent", ".md": "md:myst"}
    if draft.suffix not in formats:
        raise ValueError(f"{draft} should end in .py (py:percent) or .md (MyST)")
    if target.suffix != ".ipynb":
        raise ValueError(f"{target} should end in .ipynb")
    notebook = jupytext.reads(draft.read_text(encoding="utf-8"), fmt=formats[draft.suffix])
    for cell in notebook.cells:
        cell["id"] = ""  # jupytext's are random
    if target.exists():
        notebook = combine_inputs_with_outputs(notebook, read(target), fmt=formats[draft.suffix])
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    write(notebook, target)


def short(path: Path) -> str:
    """The path as seen from the project, where that is shorter."""
    path = path.resolve()
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


def main(arguments: list[str] | None = None) -> int:
    """Read the command line; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="notebooks.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in (
        ("execute", "run, store the outputs, normalize"),
        ("normalize", "bring files into the normal form"),
        ("check", "say which files are not in the normal form"),
    ):
        command = commands.add_parser(name, help=text)
        command.add_argument("notebooks", nargs="*", type=Path, help="all of chapters/ when left out")
        if name == "execute":
            command.add_argument("--into", type=Path, help="write there, and leave the notebooks as they are")
            command.add_argument(
                "--fresh",
                action="store_true",
                help="take all measured numbers anew; an experiment has changed",
            )
    command = commands.add_parser("from-text", help="make a notebook from a jupytext draft (.py or .md)")
    command.add_argument("draft", type=Path)
    command.add_argument("target", type=Path)
    command.add_argument("--execute", action="store_true", help="run it at once")
    options = parser.parse_args(arguments)
    try:
        if options.command == "from-text":
            from_text(options.draft, options.target)
            return execute([options.target]) if options.execute else 0
        paths = options.notebooks or sorted(CHAPTERS.glob("*.ipynb"))
        if not paths:
            print("no notebooks in chapters/ yet")
            return 0
        if options.command == "execute":
            return execute(paths, options.into, options.fresh)
        return normalize(paths, only_check=options.command == "check")
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
