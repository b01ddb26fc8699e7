"""Copies of the book's notebooks and pages for readers who have no site builder: in JupyterLab, or alone.

What Sphinx would resolve is resolved here: citations, terms and references become text and links between the
files, equations get their numbers, exercises their titles, and a solution is folded with its words. An output
that nobody has declared safe falls back to a picture: JupyterLab drops drawings and scripts from it, and
leaves pictures.
"""

from __future__ import annotations

import base64
import functools
import itertools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import notebooks

ROOT = Path(__file__).resolve().parent.parent

ROLE = re.compile(r"\{([a-z]+(?::[a-z]+)?)\}`([^`]+)`")
# What is no prose: formulas, and code in a line.
OTHER = r"\$\$.*?\$\$|(?<![\\$])\$[^$\n]+\$|`[^`\n]+`"
PROSE = re.compile(f"{ROLE.pattern}|{OTHER}", flags=re.DOTALL)
FENCE = re.compile(r"[ >]*(`{3,}|~{3,}|:{3,})([^`]*)$")
HEADING = re.compile(r"^((?:\(\S+\)=\n+)*)(#+) (.+)$", flags=re.MULTILINE)
EQUATION = re.compile(r"\$\$(.*?)\$\$(?:[ \t]*\(([\w-]+)\))?", flags=re.DOTALL)
LABEL = re.compile(r"^:label:[ \t]*(\S+)", flags=re.MULTILINE)
BOX = re.compile(
    r"^(`{3,})\{admonition\} ([^\n]*)\n((?::[^\n]*\n)*)(.*?)^\1[ \t]*$", flags=re.DOTALL | re.MULTILINE
)
BIBLIOGRAPHY = "```{bibliography}\n:all:\n```"
GLOSSARY = re.compile(r"```\{glossary\}\n(.*?)\n```", flags=re.DOTALL)
DRAWING = re.compile(r"<svg\b[^>]*>.*?</svg>", flags=re.DOTALL)
# The frames and the controls of a figure that moves, and what puts them back where scripts run.
MOVES = re.compile(
    r'<template>.*?</template>|<div class="bk-controls".*?</div>|<span class="bk-mark".*?</span>',
    flags=re.DOTALL,
)
UNPACK = (
    "document.querySelectorAll(\"figure.book-player script[type='text/plain']\").forEach("
    "function (held) { held.outerHTML = held.textContent; });"
)


@dataclass
class Place:
    """Where a link can lead: a file, a heading in it, and in a notebook the cell that the heading is in."""

    file: str
    heading: str
    text: str
    cell: str = ""


class Book:
    """The pages of the book, and every place in them that a reference names."""

    def __init__(self, root: Path = ROOT) -> None:
        self.root = root
        listed = re.findall(r"^\s*- file: (\S+)", (root / "_toc.yml").read_text("utf-8"), flags=re.MULTILINE)
        self.files = [path for name in listed for path in sorted(root.glob(f"{name}.*"))]
        self.places: dict[str, Place] = {}
        self.titles: dict[str, str] = {}
        self.terms: dict[str, str] = {}  # as they are compared, and as the glossary writes them
        for path in self.files:
            self._collect(path)

    def _collect(self, path: Path) -> None:
        """Note the title of a page, and its headings, equations, exercises and terms."""
        number, equations, exercises = chapter_number(path), itertools.count(1), itertools.count(1)
        for cell, text in prose_of(path):
            for labels, marks, title in HEADING.findall(text):
                self.titles.setdefault(path.stem, without_marks(title))
                heading, at = ("", "") if marks == "#" else (slug(title), cell)
                for label in re.findall(r"\((\S+)\)=", labels):
                    self.places[label] = Place(path.name, heading, without_marks(title), at)
            for _, label in EQUATION.findall(text):
                if label:
                    self.places[f"eq:{label}"] = Place(path.name, "", f"({number}{next(equations)})")
            for found in notebooks.GATE.finditer(text):
                if (found[2], found[3]) != ("exercise", "start"):
                    continue
                name, title = f"Exercise {number}{next(exercises)}", found[4].splitlines()[0].strip()
                if label := LABEL.search(found[4]):
                    heading = slug(exercise_title(name, title))
                    self.places[label[1]] = Place(path.name, heading, name, cell)
            for listed in GLOSSARY.findall(text):
                names = [line for line in listed.splitlines() if re.match(r"[^\s:]", line)]
                self.terms |= {term_key(name): name for name in names}

    # ---- pages

    def page(self, path: Path) -> str:
        """The text of a page that is no notebook, as plain Markdown."""
        text = path.read_text("utf-8")
        text = GLOSSARY.sub(lambda found: glossary(found[1]), text)
        if BIBLIOGRAPHY in text:
            text = text.replace(BIBLIOGRAPHY, self.bibliography())
        return self.plain(text, path)

    def notebook(self, path: Path, links: bool = True) -> Any:
        """A copy of a notebook. Without `links` it stands alone: it only names other files, and any Jupyter
        shows it."""
        copy = notebooks.normalized(notebooks.read(path))
        gates = Gates(self)
        if links:  # jupyterlab-myst would number every formula, and count from 1 in every chapter
            copy.cells[0].source = f"---\nnumbering:\n  equation: false\n---\n{copy.cells[0].source}"
        for cell in copy.cells:
            if cell.cell_type == "markdown":
                cell.source = self.plain(gates.fold(cell.source), path, links)
                if not links:
                    cell.source = without_boxes(cell.source)
            for output in cell.get("outputs", []):
                if "text/html" in output.get("data", {}):
                    output.data["text/html"] = safe_html(output.data["text/html"])
        return copy

    # ---- text

    def plain(self, text: str, path: Path, links: bool = True) -> str:
        """Prose with every role resolved; formulas and code stay as they are."""
        text = EQUATION.sub(lambda found: self._numbered(found[1], found[2]) if found[2] else found[0], text)
        resolve = functools.partial(self._role, path=path, links=links)
        return "".join(piece if quoted else PROSE.sub(resolve, piece) for quoted, piece in pieces(text))

    def _numbered(self, formula: str, label: str) -> str:
        number = self.places[f"eq:{label}"].text.strip("()")
        return f"$${formula.rstrip()} \\tag{{{number}}}\n$$"

    def _role(self, found: re.Match[str], path: Path, links: bool) -> str:
        role, content = found[1], found[2]
        if role is None:
            return found[0]
        named = re.fullmatch(r"(.*?)\s*<([^>]+)>", content, flags=re.DOTALL)
        text, target = (named[1], named[2]) if named else ("", content)
        if role.startswith("cite"):
            return self._citation(role, target)
        if role == "math":
            return f"${content}$"
        if role == "doc":
            file = next((page for page in self.files if page.stem == Path(target).stem), None)
            place = Place(file.name, "", self.titles[file.stem]) if file else None
        elif role == "term":
            term = self.terms.get(term_key(target))
            place = Place("glossary.md", slug(term), term) if term else None
            text = text or target
        elif role in ("ref", "numref", "eq"):
            place = self.places.get(f"eq:{target}" if role == "eq" else target)
        else:
            return found[0]
        text = text or (place.text if place else target)
        if place is None or role == "eq" or (not links and place.file != path.name):
            return text
        anchor = f"#{place.heading}" if place.heading else ""
        # JupyterLab goes to a place in a notebook where the link names the file, and the cell: the headings
        # that jupyterlab-myst draws have other anchors than those it looks for.
        if links and place.cell:
            anchor = f"#cell-id={place.cell}"
        file = place.file if links else ""
        return f"[{text}]({file}{anchor})" if file or anchor else text

    def _citation(self, role: str, keys: str) -> str:
        names = [self.authors.get(key.strip(), (key.strip(), "")) for key in keys.split(",")]
        if role == "cite:t":
            return ", ".join(f"{who} ({year})" for who, year in names)
        return f"({'; '.join(f'{who}, {year}' for who, year in names)})"

    @functools.cached_property
    def _bibliography(self) -> Any:
        from pybtex.database import parse_file

        return parse_file(str(self.root / "references.bib"))

    @functools.cached_property
    def authors(self) -> dict[str, tuple[str, str]]:
        """Who wrote an entry of references.bib, and in which year."""
        entries = self._bibliography.entries.items()
        return {key: (who(entry), entry.fields.get("year", "n.d.")) for key, entry in entries}

    def bibliography(self) -> str:
        """All entries of references.bib as a list, each under the name that a citation gives it."""
        from pybtex.plugin import find_plugin

        style = find_plugin("pybtex.style.formatting", "alpha")()
        backend = find_plugin("pybtex.backends", "markdown")()
        lines = []
        for entry in style.format_entries(self._bibliography.entries.values()):
            author, year = self.authors[entry.key]
            lines.append(f"- **{author}, {year}.** {entry.text.render(backend)}")
        return "\n".join(sorted(lines))


class Gates:
    """Exercises and solutions of a notebook, which begin in one cell and end in another."""

    def __init__(self, book: Book) -> None:
        self.book = book
        self.solution = ""  # the one that is open
        self.cells = 0  # of it, so far

    def fold(self, source: str) -> str:
        """The cell's text with titles for its exercises, and the words of solutions in a folded box."""
        parts, at = [], 0
        for gate in notebooks.GATE.finditer(source):
            parts.append(self._piece(source[at : gate.start()]))
            at = gate.end()
            kind, way, rest = gate[2], gate[3], gate[4]
            if kind == "exercise" and way == "start":
                label = LABEL.search(rest)
                place = self.book.places.get(label[1]) if label else None
                name = place.text if place else "Exercise"
                parts.append(f"### {exercise_title(name, rest.splitlines()[0].strip())}\n")
            elif kind == "solution":
                self.solution = rest.split()[0] if way == "start" else ""
                self.cells = 0
        parts.append(self._piece(source[at:]))
        return "\n".join(part for part in parts if part).strip("\n")

    def _piece(self, text: str) -> str:
        if not self.solution or not text.strip():
            return text.strip("\n")
        self.cells += 1
        place = self.book.places.get(self.solution)
        name = f"Solution to {place.text}" if place else "Solution"
        name += "" if self.cells == 1 else ", continued"
        hint = "\n\n*Its code is folded below: click on the three dots.*" if self.cells == 1 else ""
        return f"`````{{admonition}} {name}\n:class: dropdown\n\n{text.strip()}{hint}\n`````"


# ---- small pieces


def prose_of(path: Path) -> list[tuple[str, str]]:
    """The Markdown of a page, cell by cell, each with its name; a page that is no notebook is one cell."""
    if path.suffix != ".ipynb":
        return [("", path.read_text("utf-8"))]
    cells = json.loads(path.read_text("utf-8"))["cells"]
    return [(cell["id"], "".join(cell["source"])) for cell in cells if cell["cell_type"] == "markdown"]


def pieces(text: str) -> Iterator[tuple[bool, str]]:
    """The text in pieces of whole lines, each with whether it is code that is only quoted."""
    fences: list[tuple[str, bool]] = []  # those that are open, each with whether it quotes code
    kinds = []
    for line in text.splitlines(keepends=True):
        fence, quoted = FENCE.match(line), bool(fences) and fences[-1][1]
        if fence and fences and fence[1] == fences[-1][0] and not fence[2].strip():
            fences.pop()
        elif fence and not quoted:
            name = fence[2].strip()
            if name.startswith("{"):
                fences.append((fence[1], name.startswith(("{code", "{math"))))
            elif not fence[1].startswith(":"):
                fences.append((fence[1], True))
        kinds.append((quoted, line))
    for quoted, lines in itertools.groupby(kinds, key=lambda kind: kind[0]):
        yield quoted, "".join(line for _, line in lines)


def chapter_number(path: Path) -> str:
    """``"5."`` for 05_rnn.ipynb; nothing for an appendix."""
    found = re.match(r"(\d\d)_", path.name)
    return f"{int(found[1])}." if found else ""


def duration(seconds: float) -> str:
    """Say a duration in words: ``40 s``, ``3 min``."""
    return f"{max(1, round(seconds))} s" if seconds < 90 else f"{round(seconds / 60)} min"


def exercise_title(name: str, title: str) -> str:
    """``Exercise 1.3: A new activation``."""
    return f"{name}: {title}" if title else name


def term_key(text: str) -> str:
    """Reduce a term to the form under which it is compared.

    Examples
    --------
    >>> term_key("Mini-batch"), term_key("activation\\nfunction")
    ('mini-batch', 'activation function')
    """
    text = text.replace("\u2019", "'")  # the apostrophe of a page that is set in type
    return re.sub(r"\s+", " ", text).strip().strip(".,:;").lower()


def without_marks(text: str) -> str:
    """A title as it is read: no marks of code, emphasis or roles."""
    return re.sub(r"[`*]", "", ROLE.sub(lambda found: found[2], text)).strip()


def slug(title: str) -> str:
    """The anchor that JupyterLab gives a heading."""
    return re.sub(r"[()<>]", lambda sign: f"%{ord(sign[0]):02X}", without_marks(title).replace(" ", "-"))


def who(entry: Any) -> str:
    """The names under which an entry is cited."""
    people = entry.persons.get("author") or entry.persons.get("editor") or []
    names = [re.sub(r"[{}]", "", " ".join(person.prelast_names + person.last_names)) for person in people]
    if not names:
        return entry.fields.get("title", entry.key)
    if len(names) > 2:
        return f"{names[0]} et al."
    return " and ".join(names)


def without_boxes(text: str) -> str:
    """Boxes as quotations, or folded, in what every Markdown knows; and no labels."""

    def box(found: re.Match[str]) -> str:
        title, options, inside = found[2], found[3], found[4].strip()
        if "dropdown" in options:
            return f"<details><summary>{title}</summary>\n\n{inside}\n\n</details>"
        lines = [f"**{title}**", "", *inside.splitlines()]
        return "\n".join(f"> {line}".rstrip() for line in lines)

    return BOX.sub(box, re.sub(r"^\(\S+\)=\n+", "", text, flags=re.MULTILINE))


def glossary(text: str) -> str:
    """A glossary as Markdown: a heading for each term, so that a link can lead there."""
    lines = []
    for line in text.splitlines():
        if re.match(r"[^\s:]", line):
            lines.append(f"### {line}")
        elif not line.startswith(":"):
            lines.append(line.removeprefix("  "))
    return "\n".join(lines)


def safe_html(markup: str) -> str:
    """An output that shows the same where it is trusted, and elsewhere a picture with its words.

    Where it is not trusted, a drawing would be a line of its labels, the frames of a figure that moves would
    stand one below the other, and its buttons would do nothing. A drawing becomes a picture. Frames and
    controls go into script elements, whose content is then dropped; a line in front unpacks the controls.
    """
    if 'class="book-figure' not in markup:
        return markup
    style = "".join(re.findall(r"<style>(.*?)</style>", markup, flags=re.DOTALL))
    rules = "".join(dict.fromkeys(re.findall(r"\.bk-svg[^{}]*\{[^{}]*\}", style)))
    if "book-player" in markup:
        markup = MOVES.sub(r'<script type="text/plain">\g<0></script>', markup)
        markup = markup.replace("<script>", f"<script>{UNPACK}", 1)
    parts = re.split(r"(<script\b.*?</script>)", markup, flags=re.DOTALL)
    parts[::2] = [DRAWING.sub(lambda found: as_picture(found[0], rules), part) for part in parts[::2]]
    return "".join(parts)


def as_picture(drawing: str, rules: str) -> str:
    """A drawing as a picture that carries its style: its words then stay inside it."""
    label = re.search(r'aria-label="([^"]*)"', drawing)
    width = re.search(r'\bwidth="([\d.]+)"', drawing)
    opened = re.match(r"<svg\b[^>]*>", drawing)[0]
    styled = f"{opened}<style>{rules}</style>{drawing[len(opened) :]}"
    data = base64.b64encode(styled.encode()).decode()
    alt, size = label[1] if label else "", f' width="{width[1]}"' if width else ""
    return f'<img class="dark-light" alt="{alt}"{size} src="data:image/svg+xml;base64,{data}">'
