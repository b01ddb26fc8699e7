"""Try every chapter as a reader who plays with it does.

    python -m tests.edits chapters/05_rnn.ipynb     # everything for one chapter: this can take hours
    python -m tests.edits --sample 3                # three trials, drawn from all chapters

There are three kinds of trials. Each of them runs a notebook from top to bottom in a new kernel:

- **change**: one hyperparameter (learning rate, epochs, sizes, seeds...) is halved or doubled, and the
  notebook still has to run to its end;
- **twice**: each code cell is run twice in a row, and shows the same both times;
- **again**: all cells are run a second time from the end state, and show the same.

Measured numbers may leave their bands here: the bands hold for the book's own settings. Which trials a sample
holds is decided by what the notebooks say, so that the same state of the book always gets the same ones.
"""

from __future__ import annotations

import argparse
import ast
import copy
import hashlib
import os
import re
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))
import notebooks  # noqa: E402  (tools/ is no package)

# What a reader would turn first. Shapes of examples that are worked by hand (N, T) are none of them.
NAMES = {
    "lr", "rate", "epochs", "batch_size", "D", "H", "heads", "depth", "dropout", "smoothing", "warm", "seed",
    "max_grad_norm", "window", "min_count", "max_size", "subsample", "examples", "width", "temperature",
    "top_k", "top_p", "rank", "order",
}  # fmt: skip
SHARES = {"dropout", "smoothing", "top_p"}  # these stay below 1
CELL_SECONDS = 1800
TIMES = r"[\d.,]+(?:e[+-]?\d+)?(?= ?(?:s|ms|µs|minutes|[\w ]+/s|times)\b)"


@dataclass(frozen=True)
class Trial:
    """One run of one notebook: its kind, and for a change the cell, the place in it and the new text."""

    path: Path
    kind: str
    what: str = ""
    cell: int = -1
    source: str = ""

    def __str__(self) -> str:
        return " ".join([notebooks.short(self.path), self.what or f"({self.kind})"])


# ---- what to try


def trials(path: Path) -> Iterator[Trial]:
    """Everything there is to try with a notebook."""
    for i, cell in enumerate(notebooks.read(path).cells):
        if cell.cell_type == "code":
            for what, source in changes(cell.source):
                yield Trial(path, "change", f"cell {i}, {what}", i, source)
    yield Trial(path, "twice")
    yield Trial(path, "again")


def changes(source: str) -> Iterator[tuple[str, str]]:
    """What may be changed in a cell: in words ("lr 0.1 -> 0.2"), and the cell's text after it."""
    try:
        tree = ast.parse(source)
    except SyntaxError:  # a magic: no Python
        return
    lines = source.splitlines(keepends=True)
    starts = [sum(len(line.encode()) for line in lines[:i]) for i in range(len(lines))]
    for name, number in sorted(set(settings(tree)), key=lambda found: (found[1].lineno, found[1].col_offset)):
        start = starts[number.lineno - 1] + number.col_offset
        end = starts[number.end_lineno - 1] + number.end_col_offset
        text = source.encode()
        for value in neighbours(name, number.value):
            changed = text[:start] + repr(value).encode() + text[end:]
            yield f"{name} {number.value} -> {value}", changed.decode()


def settings(tree: ast.AST) -> Iterator[tuple[str, ast.Constant]]:
    """The hyperparameters that are written down as a number: arguments, defaults, assignments, seeds."""
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword):
            yield from named(ast.Name(node.arg or ""), node.value)
        elif isinstance(node, ast.Assign):
            yield from named(node.targets[0], node.value)
        elif isinstance(node, (ast.FunctionDef, ast.Lambda)):
            arguments = node.args.args[len(node.args.args) - len(node.args.defaults) :]
            for argument, value in zip(arguments, node.args.defaults):
                yield from named(ast.Name(argument.arg), value)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("default_rng") and node.args:
            yield from named(ast.Name("seed"), node.args[0])


def named(target: ast.AST, value: ast.AST) -> Iterator[tuple[str, ast.Constant]]:
    """A name with its number; tuples pair by pair; of ``scale(quick=..., full=...)`` what is quick."""
    if isinstance(value, ast.Call) and ast.unparse(value.func) == "scale":
        for keyword in value.keywords:
            if keyword.arg == "quick":
                yield from named(target, keyword.value)
    elif isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        for one, its in zip(target.elts, value.elts):
            yield from named(one, its)
    elif isinstance(target, ast.Name) and target.id in NAMES and isinstance(value, ast.Constant):
        if type(value.value) in (int, float) and (value.value > 0 or target.id == "seed"):
            yield target.id, value


def neighbours(name: str, value: float) -> list[float]:
    """The numbers to try in place of one: the next seed, else half of it and twice as much."""
    if name == "seed":
        return [value + 1]
    tried = [value // 2, 2 * value] if isinstance(value, int) else [value / 2, 2 * value]
    return [v for v in tried if v > 0 and not (name in SHARES and v >= 1)]


# ---- trying it


def attempt(trial: Trial) -> tuple[list[str], float]:
    """Run a trial; return what went wrong, a line each, and the seconds."""
    env = {"BOOK_PROGRESS": "0", "BOOK_SCALE": "quick", "BOOK_STRICT": "0", "OPENBLAS_NUM_THREADS": "1"}
    notebook = notebooks.normalized(notebooks.read(trial.path))
    numbers, notebook.cells = arranged(notebook.cells, trial)
    start = time.perf_counter()
    notebooks.run(notebook, trial.path, env, timeout=CELL_SECONDS, allow_errors=True)
    return list(faults(numbers, notebook.cells, trial)), time.perf_counter() - start


def arranged(cells: list[Any], trial: Trial) -> tuple[list[int], list[Any]]:
    """The code cells of a trial in the order in which they run, each with its number in the notebook."""
    code = [(i, copy.deepcopy(cell)) for i, cell in enumerate(cells) if cell.cell_type == "code"]
    for i, cell in code:
        if i == trial.cell:
            cell.source = trial.source
    if trial.kind == "twice":
        code = [(i, copy.deepcopy(cell)) for i, cell in code for _ in range(2)]
    elif trial.kind == "again":
        code += copy.deepcopy(code)
    for place, (_, cell) in enumerate(code):
        cell.id = f"cell-{place}"
    return [i for i, _ in code], [cell for _, cell in code]


def faults(numbers: list[int], cells: list[Any], trial: Trial) -> Iterator[str]:
    """The cells that stopped with an error (none follows the first), and those that show something else."""
    first: dict[int, str] = {}
    for i, cell in zip(numbers, cells):
        for output in cell.outputs:
            if output.output_type == "error" and "raises-exception" not in cell.metadata.get("tags", []):
                yield f"cell {i}: {output.ename}: {output.evalue}"
                return
        shown = as_shown(cell.outputs)
        if trial.kind != "change" and first.setdefault(i, shown) != shown:
            before, after = difference(first[i], shown)
            yield f"cell {i} shows {before!r} the first time, and then {after!r}"


def as_shown(outputs: list[Any]) -> str:
    """The text of outputs, without what differs each time: pictures, ids, addresses, times."""
    parts = []
    for output in notebooks.merged_streams(outputs):
        data = output.get("data", {})
        parts.append("".join(output.get("text", "") or data.get("text/html") or data.get("text/plain") or ""))
    text = "\n".join(parts)
    for pattern, mask in notebooks.masks():
        if "MEASURED" not in mask or "span" in pattern:
            text = re.sub(pattern, mask, text)
    text = re.sub(r"\b[0-9a-f]{8,32}\b|(?<=model_id=')\w+", "ID", text)
    return re.sub(TIMES, "TIME", text)


def difference(one: str, other: str) -> tuple[str, str]:
    """The first lines in which two texts differ."""
    pairs = zip([*one.splitlines(), ""], [*other.splitlines(), ""])
    return next(((a[:100], b[:100]) for a, b in pairs if a != b), (one[-100:], other[-100:]))


# ---- the command


def sampled(found: list[Trial], count: int) -> list[Trial]:
    """So many of the trials, decided by what the notebooks say."""
    texts = {path: path.read_bytes() for path in {trial.path for trial in found}}

    def lot(trial: Trial) -> bytes:
        return hashlib.sha256(texts[trial.path] + str(trial).encode()).digest()

    return sorted(found, key=lot)[:count]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.edits",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("notebooks", nargs="*", type=Path, help="all of chapters/ when left out")
    parser.add_argument("--sample", type=int, metavar="N", help="only N of the trials")
    parser.add_argument("--kinds", default="change,twice,again", help="which kinds, with commas")
    parser.add_argument("--list", action="store_true", help="only say what would be tried")
    parser.add_argument("--workers", type=int, default=max(1, (os.cpu_count() or 1)))
    options = parser.parse_args(arguments)
    paths = options.notebooks or sorted(notebooks.CHAPTERS.glob("*.ipynb"))
    found = [trial for path in paths for trial in trials(path) if trial.kind in options.kinds.split(",")]
    if options.sample is not None:
        found = sampled(found, options.sample)
    if options.list:
        print(*found, sep="\n")
        return 0
    failed, start = [], time.perf_counter()
    with ProcessPoolExecutor(options.workers) as pool:
        for trial, (wrong, seconds) in zip(found, pool.map(attempt, found)):
            print(f"{trial}: {'FAILED' if wrong else 'passed'} ({seconds:.0f} s)", flush=True)
            print("".join(f"    {line}\n" for line in wrong), end="", flush=True)
            if wrong:
                failed.append(trial)
    print(f"{len(found) - len(failed)} passed, {len(failed)} failed in {time.perf_counter() - start:.1f}s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
