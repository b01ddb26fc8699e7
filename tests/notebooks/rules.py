"""The rules that every notebook keeps.

A rule is a function of a notebook that yields a sentence for each place where it is broken. `test_rules.py`
holds every notebook of chapters/ against every rule; `test_rules_bite.py` holds a bad notebook against each,
to see that it is noticed.
"""

from __future__ import annotations

import ast
import functools
import json
import re
import sys
import tomllib
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import notebooks
import plain

ROOT = Path(__file__).resolve().parent.parent.parent
RULES: dict[str, Callable[[Any, str], Iterator[str]]] = {}
EXERCISE = re.compile(
    r"^[`:]{3,}\{(exercise|exercise-start|solution|solution-start|solution-end)\}(.*?)^[`:]{3,}[ \t]*$",
    flags=re.DOTALL | re.MULTILINE,
)
CHAPTER = re.compile(r"(0[1-9]|1[0-7])_\w+$")

LONGEST_CELL = 40  # lines; more does not fit on a screen
LONG_CELL = 25  # lines; a class may be longer, so some cells may, but few
LONG_CELLS = 0.1  # share of the code cells that may be long
COMPARED = 0.8  # share of the cells with output that must be compared strictly
LARGEST_FILE = 4_000_000  # bytes
DIGITS = 8  # decimals or more do not hold on another processor


def rule(check: Callable[[Any, str], Iterator[str]]) -> Callable[[Any, str], Iterator[str]]:
    """Register a rule under its function's name."""
    RULES[check.__name__] = check
    return check


# ---- looking into a notebook


def code_cells(notebook: Any) -> list[tuple[str, Any]]:
    """The code cells, each with a name for messages."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return [
        (f"code cell {i + 1} ({cell.source.strip().splitlines()[:1]})", cell) for i, cell in enumerate(cells)
    ]


def markdown(notebook: Any) -> str:
    """All of the prose, directives included, without code that is only quoted and without comments."""
    cells = [plain.pieces(cell.source) for cell in notebook.cells if cell.cell_type == "markdown"]
    prose = ["".join(text for quoted, text in pieces if not quoted) for pieces in cells]
    return re.sub(r"<!--.*?-->", "", "\n\n".join(prose), flags=re.DOTALL)


def tags(cell: Any) -> set[str]:
    """The cell's tags."""
    return set(cell.metadata.get("tags", []))


def texts(cell: Any) -> Iterator[tuple[str, str]]:
    """The kind and the text of everything that a cell shows as text, without pictures' bytes."""
    for output in cell.get("outputs", []):
        if output.output_type == "stream":
            yield "stream", output.text
        elif output.output_type == "error":
            yield "error", f"{output.ename}: {output.evalue}"
        for kind, value in output.get("data", {}).items():
            if isinstance(value, str) and not (kind.startswith("image/") and kind != "image/svg+xml"):
                yield kind, re.sub(r"base64,[A-Za-z0-9+/=]+", "base64,", value)


class Tags(HTMLParser):
    """The opening tags of a piece of HTML, and the words between tags."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.opened: list[tuple[str, dict[str, str]]] = []
        self.words: list[str] = []
        self.titled: list[int] = []  # positions of the svg elements that hold a <title>
        self._svg: list[int] = []
        self._silent = 0
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.opened.append((tag, {name: value or "" for name, value in attrs}))
        if tag == "svg":
            self._svg.append(len(self.opened) - 1)
        if tag == "title" and self._svg:
            self.titled.append(self._svg[-1])
        self._silent += tag in ("script", "style")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.opened.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        if tag == "svg" and self._svg:
            self._svg.pop()
        if tag in ("script", "style"):
            self._silent = max(0, self._silent - 1)

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.words.append(data)


# ---- the rules


@rule
def run_in_order(notebook: Any, name: str) -> Iterator[str]:
    """Every code cell was run, from top to bottom, in a fresh kernel."""
    for i, (where, cell) in enumerate(code_cells(notebook)):
        if not cell.source.strip():
            yield f"{where} is empty"
        elif cell.execution_count != i + 1:
            yield f"{where} has execution count {cell.execution_count}; it should be {i + 1}"


@rule
def no_semicolon_at_the_end(notebook: Any, name: str) -> Iterator[str]:
    """The comparison does not know that a trailing `;` hides a value."""
    for where, cell in code_cells(notebook):
        lines = [line.split("  #")[0].rstrip() for line in cell.source.rstrip().splitlines()]
        if lines and lines[-1].endswith(";"):
            yield f"{where} ends in ';'"


@rule
def pictures_have_a_text_alternative(notebook: Any, name: str) -> Iterator[str]:
    """Every image says what it shows to somebody who cannot see it."""
    prose = markdown(notebook)
    for found in re.finditer(r"!\[(.*?)\]\(([^)\s]*)", prose, flags=re.DOTALL):
        if not found[1].strip():
            yield f"the picture {found[2]} in the text has no alternative text"
    for found in re.finditer(r"^([`:]{3,})\{(figure|image)\}(.*?)^\1", prose, flags=re.DOTALL | re.MULTILINE):
        if not re.search(r"^:alt:[ \t]*\S|^alt:[ \t]*\S", found[3], flags=re.MULTILINE):
            yield f"the {found[2]}{found[3].splitlines()[0]} has no :alt:"
    yield from _silent_pictures("the text", prose)
    for where, cell in code_cells(notebook):
        for output in cell.outputs:
            data = output.get("data", {})
            if "text/html" not in data and any(kind.startswith("image/") for kind in data):
                yield f"{where} shows a picture without alternative text; end the cell in show(fig, alt=...)"
            yield from _silent_pictures(where, data.get("text/html", ""))


@rule
def figures_are_not_folded_away(notebook: Any, name: str) -> Iterator[str]:
    """A figure or table is seen without a click, also where scripts are off."""
    for where, cell in code_cells(notebook):
        shown = any("text/html" in output.get("data", {}) for output in cell.outputs)
        if shown and "hide-cell" in tags(cell):
            yield f"{where} folds what it shows; tag it hide-input"


def _silent_pictures(where: str, text: str) -> Iterator[str]:
    parsed = Tags(text)
    for i, (tag, attributes) in enumerate(parsed.opened):
        hidden = attributes.get("aria-hidden") == "true"
        if tag == "img" and not attributes.get("alt", "").strip() and not hidden:
            yield f"{where} has an <img> without alt"
        if tag == "svg" and not hidden:
            label = attributes.get("aria-label", "").strip() or attributes.get("aria-labelledby", "").strip()
            if attributes.get("role") != "img" or not (label or i in parsed.titled):
                yield f"{where} has an <svg> without role='img' and aria-label or <title>"


@rule
def parts_of_a_chapter(notebook: Any, name: str) -> Iterator[str]:
    """A chapter has its title, goals, needs, times, what goes wrong, a summary and exercises, in order."""
    if not CHAPTER.match(name):
        return
    prose = markdown(notebook)
    if not re.match(r"(\([\w-]+\)=\s*)?# \S", notebook.cells[0].source if notebook.cells else ""):
        yield "the first cell should begin with the title, '# ...'"
    if len(re.findall(r"^# \S", prose, flags=re.MULTILINE)) != 1:
        yield "there should be exactly one heading of the first level"
    wanted = {
        "the learning goals": r"learning goals|what you will learn",
        "what it needs": r"prerequisites|what (it|this chapter|you) needs?|you need",
        "the time to read and to run": r"(minute|second).{0,60}(read|run)|(read|run).{0,60}(minute|second)",
        "where it goes wrong": r"^#+ .*goes wrong",
        "a summary": r"^#+ .*(summary|in one table)",
        "the exercises": r"^#+ .*exercises",
    }
    metadata = notebook.metadata.get("book", {})
    position = 0
    for what, pattern in wanted.items():
        found = re.search(pattern, prose, flags=re.IGNORECASE | re.MULTILINE)
        if not found:
            if "time" in what and any("minutes" in key or "seconds" in key for key in metadata):
                continue  # the site shows it at the top of the page
            yield f"the chapter lacks {what}"
        elif pattern.startswith("^#"):
            last = [m.start() for m in re.finditer(pattern, prose, flags=re.IGNORECASE | re.MULTILINE)][-1]
            if last < position:
                yield f"{what} should come later"
            position = last


@rule
def exercises_are_solved(notebook: Any, name: str) -> Iterator[str]:
    """Each of 6 to 10 exercises is followed by its solution, with code that was run."""
    if not CHAPTER.match(name):
        return
    asked: list[str] = []
    waiting = ""  # the exercise that still needs its solution
    inside = ""  # the solution that is open
    ran = False
    for cell in notebook.cells:
        if cell.cell_type == "code":
            ran = ran or (bool(inside) and bool(cell.source.strip()) and cell.execution_count is not None)
            continue
        for found in EXERCISE.finditer(cell.source):
            kind, rest = found[1], found[2]
            if kind.startswith("exercise"):
                label = re.search(r"^:label:[ \t]*(\S+)", rest, flags=re.MULTILINE)
                if waiting:
                    yield f"the exercise {waiting!r} has no solution before the next exercise"
                if not label:
                    yield f"an exercise has no :label: ({rest.strip()[:40]!r})"
                waiting = label[1] if label else "?"
                asked.append(waiting)
            elif kind == "solution-end":
                if not ran:
                    yield f"the solution of {inside!r} runs no code"
                inside, waiting = "", "" if inside == waiting else waiting
            else:
                inside, ran = rest.split()[0] if rest.split() else "?", False
                if inside not in asked:
                    yield f"a solution is for {inside!r}, which no exercise before it is called"
                if ":class: dropdown" not in rest:
                    yield f"the solution of {inside!r} is not folded (:class: dropdown)"
                if kind == "solution":
                    yield f"the solution of {inside!r} is not gated (solution-start), so it runs no code"
                    inside, waiting = "", ""
    if waiting:
        yield f"the exercise {waiting!r} has no solution"
    if not 6 <= len(asked) <= 10:
        yield f"there are {len(asked)} exercises; there should be 6 to 10"
    if len(set(asked)) < len(asked):
        yield "two exercises have the same label"


@rule
def outputs_are_compared(notebook: Any, name: str) -> Iterator[str]:
    """At least 80 % of the cells with output are compared strictly, and none is left out of the run."""
    shown = lax = 0
    for where, cell in code_cells(notebook):
        marks = {tag.lower().replace("_", "-") for tag in tags(cell)}
        marks |= {mark.lower().replace("_", "-") for mark in re.findall(r"#.*?(NBVAL_\w+)", cell.source)}
        if "nbval-skip" in marks:
            yield f"{where} is skipped by the comparison"
        if not cell.outputs:
            continue
        shown += 1
        data = [output.get("data", {}) for output in cell.outputs]
        bytes_only = ("image/png", "image/jpeg", notebooks.WIDGET)  # of these the comparison sees nothing
        pictures = all(
            "text/html" not in kinds and any(kind in kinds for kind in bytes_only) for kinds in data
        )
        lax += bool(marks & {"nbval-ignore-output", "nbval-ignore"}) or pictures
    if shown and lax > (1 - COMPARED) * shown:
        yield f"{lax} of {shown} cells with output are not compared; at most {1 - COMPARED:.0%} may be"


@rule
def imports_are_declared(notebook: Any, name: str) -> Iterator[str]:
    """What is imported is `common`, Python's own, or in pyproject.toml; no cell installs anything."""
    for where, cell in code_cells(notebook):
        for line in cell.source.splitlines():
            if re.match(r"\s*(!|%%?(bash|sh|pip|conda|system|script))", line):
                yield f"{where} calls the shell: {line.strip()}"
        for module in imported(without_magics(cell.source)):
            if module not in allowed():
                yield f"{where} imports {module}, which pyproject.toml does not declare"


def without_magics(source: str) -> str:
    """The source without IPython's own lines, which are no Python."""
    lines = source.splitlines()
    if lines and lines[0].startswith("%%"):
        lines = lines[1:]
    return "\n".join(re.sub(r"^(\s*)[%!].*", r"\1pass", line) for line in lines)


def imported(source: str) -> set[str]:
    """The top-level modules that a piece of Python imports."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add((node.module or "").split(".")[0])
    return found


@functools.cache
def installed() -> dict[str, list[str]]:
    """The distributions that each importable module comes from."""
    return dict(packages_distributions())


@functools.cache
def allowed(*extras: str) -> set[str]:
    """The modules of Python, of this project and of the distributions that pyproject.toml declares."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = list(project["dependencies"])
    for extra in extras:
        wanted += project["optional-dependencies"][extra]
    declared = {_canonical(re.match(r"[\w.-]+", line)[0]) for line in wanted}
    owned = installed().items()
    third = {module for module, owners in owned if declared & {_canonical(owner) for owner in owners}}
    return third | set(sys.stdlib_module_names) | {"common"}


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@rule
def cells_fit_on_a_screen(notebook: Any, name: str) -> Iterator[str]:
    """A code cell has 40 lines at most, and more than 25 are rare."""
    cells = code_cells(notebook)
    lengths = [(where, len(cell.source.strip().splitlines())) for where, cell in cells]
    for where, length in lengths:
        if length > LONGEST_CELL:
            yield f"{where} has {length} lines; {LONGEST_CELL} are the limit"
    long = [where for where, length in lengths if length > LONG_CELL]
    if len(long) > max(1, LONG_CELLS * len(cells)):
        yield f"{len(long)} of {len(cells)} code cells have more than {LONG_CELL} lines: {'; '.join(long)}"


@rule
def no_noise_and_no_errors(notebook: Any, name: str) -> Iterator[str]:
    """Nothing on stderr, and an error only where the cell says that it shows one, and then it does."""
    for where, cell in code_cells(notebook):
        errors = [output for output in cell.outputs if output.output_type == "error"]
        if any(output.get("name") == "stderr" for output in cell.outputs):
            yield f"{where} stores something on stderr"
        if errors and "raises-exception" not in tags(cell):
            yield f"{where} stores the error {errors[0].ename}"
        if "raises-exception" in tags(cell) and not errors:
            yield f"{where} is tagged raises-exception and stores no error"


@rule
def numbers_can_be_reproduced(notebook: Any, name: str) -> Iterator[str]:
    """No tenth digit, no bare time or speed, no address; cells tagged `exact` may show all digits."""
    for where, cell in code_cells(notebook):
        if {"nbval-ignore-output"} & tags(cell):
            continue
        for kind, text in texts(cell):
            if kind in ("image/svg+xml", "application/json", "text/latex"):
                continue
            text = re.sub(r'(<span class="measured">)[^<]*', r"\1", text)
            text = " ".join(Tags(text).words) if kind == "text/html" else text
            text = re.sub(r"\S+( ?\S+)? \(expected [^)\n]*\)", "", text)
            digits = re.search(rf"\d*\.\d{{{DIGITS},}}", text)
            if digits and "exact" not in tags(cell):
                yield f"{where} shows {digits[0]}: round it, use measured(), or tag the cell `exact`"
            time = re.search(r"(?<![\w.])\d+\.\d+ ?(s|ms|µs|us|ns|seconds|it/s|words/s|tokens/s)\b", text)
            if time:
                yield f"{where} shows the time or speed {time[0]!r}: use measured()"
            address = re.search(r" at 0x[0-9a-f]{6,}", text)
            if address:
                yield f"{where} shows an address in memory"


@rule
def randomness_is_seeded(notebook: Any, name: str) -> Iterator[str]:
    """Random numbers come from a generator with a seed; nothing touches the global one."""
    fine = {"default_rng", "Generator", "SeedSequence", "PCG64", "BitGenerator"}
    for where, cell in code_cells(notebook):
        for node in ast.walk(ast.parse(without_magics(cell.source))):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Attribute):
                owner = node.value
                if owner.attr == "random" and getattr(owner.value, "id", "") in ("np", "numpy", "xp"):
                    if node.attr not in fine:
                        yield f"{where} uses the global generator: np.random.{node.attr}"
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("default_rng"):
                if not node.args and not node.keywords:
                    yield f"{where} makes a generator without a seed"
            if isinstance(node, ast.Call) and re.match(r"random\.\w+$", ast.unparse(node.func)):
                if ast.unparse(node.func) != "random.Random":
                    yield f"{where} uses Python's global generator: {ast.unparse(node.func)}"


@rule
def nothing_of_this_machine(notebook: Any, name: str) -> Iterator[str]:
    """No absolute path of somebody's computer, in the source or in what it shows."""
    folders = "home|root|Users|tmp|private|mnt|opt|var|work"
    path = re.compile(rf"(?<![\w/.:])(/({folders})/[\w.-]+|[A-Z]:\\Users\\)")
    for cell in notebook.cells:
        shown = [cell.source] + [text for _, text in texts(cell)]
        for output in cell.get("outputs", []):
            shown += output.get("traceback", [])
        for text in shown:
            found = path.search(text)
            if found:
                yield f"the path {found[0]!r} is of one machine only (cell {cell.id})"
                break


@rule
def nothing_of_the_working_directory(notebook: Any, name: str) -> Iterator[str]:
    """A cell runs the same wherever its kernel was started: files are found from common.datasets.DATA."""
    files = re.compile(r"\.\.?[/\\].*|[\w/\\ -]+\.(npz|npy|json|csv|tsv|txt|bin|pkl|png|svg|jpe?g|md)")
    for where, cell in code_cells(notebook):
        for node in ast.walk(ast.parse(without_magics(cell.source))):
            if not isinstance(node, ast.Call):
                continue
            called = ast.unparse(node.func)
            first = node.args[0].value if node.args and isinstance(node.args[0], ast.Constant) else None
            if re.search(r"\b(getcwd|cwd|chdir)$", called) or (called == "Path" and not node.args):
                yield f"{where} asks for the working directory: {called}()"
            elif isinstance(first, str) and (called in ("open", "Path") or files.fullmatch(first)):
                yield f"{where} opens {first!r}, which depends on the working directory"


@rule
def quick_cells_need_no_download(notebook: Any, name: str) -> Iterator[str]:
    """At quick scale no cell calls a loader whose files the set-up does not bring: nobody needs a network."""
    cells = [(where, ast.parse(without_magics(cell.source))) for where, cell in code_cells(notebook)]
    nodes = [node for _, tree in cells for node in ast.walk(tree)]
    handed = [value.id for call in nodes for value in _full_values(call) if isinstance(value, ast.Name)]
    mentioned = [node.id for node in nodes if isinstance(node, ast.Name)]
    only_full = {name for name in handed if mentioned.count(name) == handed.count(name)}
    for where, tree in cells:
        for node in _at_quick_scale(tree, only_full):
            named = getattr(node, "id", getattr(node, "attr", None))  # load_ptb, or datasets.load_ptb
            if named in loaders_that_fetch():
                yield f"{where} uses {named} at quick scale; the set-up does not bring its files"


@functools.cache
def loaders_that_fetch() -> set[str]:
    """The loaders of the registry that need a mirror or a download."""
    entries = json.loads((ROOT / "data" / "registry.json").read_text(encoding="utf-8")).values()
    brought = {"package", "wheel"}  # by the set-up
    fetched = [entry for entry in entries if any(brought.isdisjoint(f) for f in entry["files"].values())]
    return {loader for entry in fetched for loader in entry["loaders"]}


def _at_quick_scale(node: ast.AST, only_full: set[str]) -> Iterator[ast.AST]:
    """`node` and the parts of it that may run at quick scale; `only_full` names functions that do not."""
    yield node
    if isinstance(node, ast.FunctionDef) and node.name in only_full:
        return
    skipped = [
        value for value in _full_values(node) if isinstance(value, (ast.Name, ast.Attribute, ast.Lambda))
    ]
    if isinstance(node, (ast.If, ast.IfExp)) and isinstance(node.test, ast.Call):
        for keyword in node.test.keywords if _full_values(node.test) else ():
            if keyword.arg == "quick" and isinstance(keyword.value, ast.Constant):
                unused = node.orelse if keyword.value.value else node.body
                skipped += unused if isinstance(unused, list) else [unused]
    for child in ast.iter_child_nodes(node):
        child = child.value if isinstance(child, ast.keyword) else child
        if child not in skipped:
            yield from _at_quick_scale(child, only_full)


def _full_values(node: ast.AST) -> list[ast.expr]:
    """What a call of `scale` takes at full scale: the value of ``full=``; nothing for any other node."""
    is_scale = isinstance(node, ast.Call) and getattr(node.func, "id", "") == "scale"
    return [keyword.value for keyword in node.keywords if keyword.arg == "full"] if is_scale else []


@rule
def outputs_ask_nobody(notebook: Any, name: str) -> Iterator[str]:
    """No output makes the page fetch something from another machine."""
    for where, cell in code_cells(notebook):
        for kind, text in texts(cell):
            if kind != "text/html":
                continue
            for tag, attributes in Tags(text).opened:
                source = attributes.get("src", "") or (attributes.get("href", "") if tag == "link" else "")
                if re.match(r"(https?:)?//", source):
                    yield f"{where} fetches {source}"


@rule
def nothing_left_to_do(notebook: Any, name: str) -> Iterator[str]:
    """No mark that something is unfinished."""
    for cell in notebook.cells:
        found = re.search(r"\b(TODO|FIXME|XXX|TBD)\b", cell.source)
        if found:
            yield f"cell {cell.id} says {found[0]}"


@rule
def small_enough(notebook: Any, name: str) -> Iterator[str]:
    """The file stays under 4 MB."""
    size = len(notebooks.as_text(notebook).encode())
    if size > LARGEST_FILE:
        yield f"it has {size / 1e6:.1f} MB; {LARGEST_FILE / 1e6:.0f} are the limit"


@rule
def in_normal_form(notebook: Any, name: str) -> Iterator[str]:
    """The file is as tools/notebooks.py writes it."""
    if notebooks.as_text(notebook) != notebooks.as_text(notebooks.normalized(notebook)):
        yield "it is not in the normal form: run  make notebooks  or  python tools/notebooks.py normalize"
