"""The copy that `make lab` opens: trusted, folded, resolved, and never written over."""

import base64
import json
import re

import lab
import notebooks
import plain
import pytest

from common.book.drawings import neuron

GATES = """```{exercise-start} Double
:label: ex-two
```
Double `{cite}` it, as {cite}`Ba2016` did, and $x$ of {term}`Weight` and {term}`data
set`.
```{exercise-end}
```"""
SOLUTION = """```{solution-start} ex-two
:class: dropdown
```
Multiply by 2, {ref}`ex-two`.
"""
ONE = """(ch-one)=
# One `x`

$$
a
$$

$$
y = x
$$ (one)

(a-part)=
## A part (small)

See {eq}`one`, {ref}`ch-two`, {ref}`there <other-part>`, {ref}`a-part`, {doc}`the page <notation>`.
Of {cite:t}`Ba2016`, {cite}`Ba2016,Bahdanau2015`; {math}`y`; ``{ref}`x` ``; {unknown}`z`.

```
{ref}`a-part`
```"""
TWO = "(ch-two)=\n# Two\n\n(other-part)=\n## Other part"


TERMS = """# Glossary

```{glossary}
:sorted:

weight
  zh: 权重 · ja: 重み

  A number of {ref}`ch-one`.

data set
  Numbers.
```
"""


def cell(kind, source, **more):
    more = {"outputs": [], "execution_count": 1} | more if kind == "code" else more
    return {"cell_type": kind, "metadata": {}, "source": source, "id": f"c{len(source)}"} | more


def write(path, *cells):
    text = {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {"book": {"run_seconds": 42}},
        "cells": list(cells),
    }
    path.write_text(json.dumps(text), encoding="utf-8")


@pytest.fixture
def root(tmp_path, monkeypatch):
    chapters = tmp_path / "chapters"
    chapters.mkdir()
    drawn = {
        "output_type": "display_data",
        "metadata": {},
        "data": {"text/html": drawing(), "text/plain": "d"},
    }
    cells = [cell("markdown", ONE), cell("code", "1 + 1", outputs=[drawn])]
    cells += [cell("markdown", GATES), cell("code", "my_answer = ..."), cell("markdown", SOLUTION)]
    cells += [cell("code", "2 * x"), cell("markdown", "```{solution-end}\n```\nAfter.")]
    write(chapters / "01_one.ipynb", *cells)
    write(chapters / "02_two.ipynb", cell("markdown", TWO))
    (chapters / "glossary.md").write_text(TERMS, encoding="utf-8")
    (chapters / "notation.md").write_text("# Notation\n", encoding="utf-8")
    names = ("01_one", "02_two", "glossary", "notation")
    toc = "root: index\n" + "".join(f"  - file: chapters/{name}\n" for name in names)
    (tmp_path / "_toc.yml").write_text(toc, encoding="utf-8")
    (tmp_path / "references.bib").write_bytes((lab.ROOT / "references.bib").read_bytes())
    monkeypatch.setattr(lab, "ROOT", tmp_path)
    return tmp_path


def drawing():
    style = "<style>.bk-svg text {fill:red}</style>"
    return f'{style}<figure class="book-figure">{neuron().svg("A neuron")}</figure>'


def prose(root, name="01_one.ipynb"):
    return notebooks.read(root / "lab" / name).cells


def test_references_become_text_and_links(root):
    lab.refresh(root / "lab")
    text = prose(root)[0].source
    assert "$$\na\n$$" in text and "y = x \\tag{1.1}\n$$\n" in text
    # JupyterLab goes to a cell, whatever draws the headings in it.
    links = f"[Two](02_two.ipynb), [there](02_two.ipynb#cell-id=c{len(TWO)})"
    links += f", [A part (small)](01_one.ipynb#cell-id=c{len(ONE)})"
    assert f"See (1.1), {links}, [the page](notation.md).\n" in text
    assert (
        "Of Ba et al. (2016), (Ba et al., 2016; Bahdanau et al., 2015); $y$; ``{ref}`x` ``; {unknown}`z`."
        in text
    )
    assert "```\n{ref}`a-part`\n```" in text
    assert "### weight\n" in (root / "lab" / "glossary.md").read_text("utf-8")
    assert "A number of [One x](01_one.ipynb)." in (root / "lab" / "glossary.md").read_text("utf-8")


def test_exercises_have_titles_and_solutions_are_folded(root):
    lab.refresh(root / "lab")
    exercise, answer, solution, code, after = prose(root)[2:]
    assert exercise.source == (
        "### Exercise 1.1: Double\n\n"
        "Double `{cite}` it, as (Ba et al., 2016) did, and $x$ of [Weight](glossary.md#weight) and [data\n"
        "set](glossary.md#data-set)."
    )
    assert solution.source == (
        "`````{admonition} Solution to Exercise 1.1\n:class: dropdown\n\n"
        f"Multiply by 2, [Exercise 1.1](01_one.ipynb#cell-id={exercise.id}).\n\n"
        "*Its code is folded below: click on the three dots.*\n`````"
    )
    assert "jupyter" not in answer.metadata and code.metadata.jupyter.source_hidden
    assert after.source == "After."


def test_a_copy_that_stands_alone_names_other_files_and_needs_no_extension(root):
    source = "```{admonition} You need\n:class: goals\nA {term}`weight`.\n\nTime.\n```\n\nSee {ref}`a-part`."
    write(root / "chapters" / "02_two.ipynb", cell("markdown", source), cell("markdown", SOLUTION))
    cells = plain.Book(root).notebook(root / "chapters" / "02_two.ipynb", links=False).cells
    assert cells[0].source == "> **You need**\n>\n> A weight.\n>\n> Time.\n\nSee A part (small)."
    assert cells[1].source.startswith("<details><summary>Solution to Exercise 1.1</summary>\n\nMultiply")
    first = plain.Book(root).notebook(root / "chapters" / "01_one.ipynb", links=False).cells[0].source
    assert first.startswith("# One `x`\n") and "[A part (small)](#A-part-%28small%29)" in first


def test_an_output_that_is_not_trusted_is_a_picture_with_its_words(root):
    lab.refresh(root / "lab")
    shown = prose(root)[1].outputs[0].data["text/html"]
    (data,) = re.findall(r'<img [^>]*alt="A neuron"[^>]*base64,([^"]+)">', shown)
    picture = base64.b64decode(data).decode()
    assert picture.startswith("<svg ") and "<style>.bk-svg text {fill:red}</style>" in picture
    # What a sanitizer leaves: no element but the picture, no text, since it drops what style and script hold.
    left = re.sub(r"<(style|script)\b.*?</\1>", "", shown, flags=re.DOTALL)
    assert re.sub(r"<[^>]*>", "", left).strip() == ""


def test_the_copy_is_trusted_and_as_the_kernel_says(root):
    lab.refresh(root / "lab")
    for path in (root / "lab").glob("*.ipynb"):
        assert lab.notary_of(root / "lab").check_signature(lab.read(path))
    info = lab.read(root / "lab" / "01_one.ipynb").metadata.language_info
    from ipykernel.ipkernel import IPythonKernel

    asked = dict(IPythonKernel.language_info)
    assert info == asked


def test_what_a_reader_changed_is_kept_and_the_rest_follows_the_book(root):
    lab.refresh(root / "lab")
    mine, other = root / "lab" / "01_one.ipynb", root / "lab" / "02_two.ipynb"
    mine.write_text(mine.read_text("utf-8").replace("A part", "My part"), encoding="utf-8")
    changed = mine.read_bytes()
    assert lab.refresh(root / "lab") == [] and mine.read_bytes() == changed
    write(root / "chapters" / "01_one.ipynb", cell("markdown", "# One, new"))
    write(root / "chapters" / "02_two.ipynb", cell("markdown", "# Two, new"))
    assert lab.refresh(root / "lab") == ["01_one.ipynb"]
    assert mine.read_bytes() == changed and "Two, new" in other.read_text("utf-8")
    other.unlink()
    lab.refresh(root / "lab")
    assert other.exists()


def test_a_fresh_copy_keeps_the_old_one(root, capsys):
    assert lab.main(["--only-copy", "--fresh"]) == 0
    mine = root / "lab" / "01_one.ipynb"
    mine.write_text("mine", encoding="utf-8")
    (root / "lab" / "my own.txt").write_text("also mine", encoding="utf-8")
    assert lab.main(["--only-copy", "--fresh"]) == 0
    assert mine.read_text("utf-8") != "mine" and not (root / "lab" / "my own.txt").exists()
    (folder,) = (root / "lab" / "earlier").iterdir()
    assert (folder / "01_one.ipynb").read_text("utf-8") == "mine" and (folder / "my own.txt").exists()
    assert f"Your copy of the chapters is in {root / 'lab'}" in capsys.readouterr().out


def test_widgets_whose_kernel_is_gone_make_room_for_the_figure(root):
    lab.refresh(root / "lab")
    path = root / "lab" / "02_two.ipynb"
    notebook = lab.read(path)
    data = {"text/html": "<figure class='book-figure book-player'>", notebooks.WIDGET: {"model_id": "x"}}
    output = {"output_type": "execute_result", "metadata": {}, "data": data, "execution_count": 1}
    notebook.cells.append(notebooks.nbformat.from_dict(cell("code", "play()", outputs=[output])))
    path.write_text(notebooks.as_text(notebook), encoding="utf-8")
    lab.notary_of(root / "lab").sign(lab.read(path))
    lab.refresh(root / "lab")
    after = lab.read(path)
    assert list(after.cells[-1].outputs[0].data) == ["text/html"]
    assert lab.notary_of(root / "lab").check_signature(after)


def test_the_first_page_leads_to_every_chapter(root):
    lab.refresh(root / "lab")
    page = (root / "lab" / lab.START).read_text("utf-8")
    assert "Begin with [chapter 1](01_one.ipynb)" in page
    assert "1. [One x](01_one.ipynb), runs in 42 s\n2. [Two](02_two.ipynb), runs in 42 s\n" in page
    assert "Beside them: [Glossary](glossary.md), [Notation](notation.md)." in page


def test_every_chapter_of_the_book_resolves():
    book = plain.Book()
    for path in book.files:
        if path.suffix != ".ipynb" or not plain.chapter_number(path):
            continue
        copy = book.notebook(path)
        text = "\n".join(c.source for c in copy.cells if c.cell_type == "markdown")
        left = re.findall(r"\{(?:cite|ref|eq|doc|term|numref|solution|exercise)[a-z:-]*\}`?[^\s]*", text)
        assert left == [], path.name
        for target in re.findall(r"\]\(([^)#\s:]*)(?:#[^)\s]*)?\)", text):
            assert not target or (path.parent / target).exists(), f"{path.name} links to {target}"
