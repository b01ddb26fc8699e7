"""Every notebook of the book keeps every rule."""

import functools
import re
from pathlib import Path

import notebooks
import pytest

from tests.notebooks import rules

ROOT = Path(__file__).resolve().parent.parent.parent
CHAPTERS = sorted(ROOT.glob("chapters/*.ipynb"))
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("chapters/*.md")])


read = functools.cache(notebooks.read)  # no rule changes what it reads


@pytest.mark.parametrize("rule", rules.RULES)
@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_notebook_keeps(path, rule):
    broken = list(rules.RULES[rule](read(path), path.stem))
    assert not broken, f"\n{path.name}, {rule}:\n- " + "\n- ".join(broken)


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_file_is_as_the_tool_writes_it(path):
    assert path.read_bytes() == notebooks.as_text(notebooks.normalized(notebooks.read(path))).encode()


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_pictures_of_a_page_have_a_text_alternative(path):
    page = notebooks.nbformat.v4.new_notebook()
    page.cells = [notebooks.nbformat.v4.new_markdown_cell(path.read_text(encoding="utf-8"))]
    broken = list(rules.RULES["pictures_have_a_text_alternative"](page, path.stem))
    assert not broken, "\n- ".join(broken)


def test_file_names_are_those_of_the_book():
    for path in CHAPTERS:
        appendices = ("layer_catalogue", "translation", "gpt2_files", "benchmarks")
        assert rules.CHAPTER.match(path.stem) or path.stem in appendices, path.name


def test_every_notebook_is_in_the_table_of_contents():
    contents = (ROOT / "_toc.yml").read_text(encoding="utf-8")
    listed = re.findall(r"file: (chapters/\S+)", contents)
    assert [name for name in (f"chapters/{path.stem}" for path in CHAPTERS) if name not in listed] == []
    numbered = [name for name in listed if rules.CHAPTER.match(name.removeprefix("chapters/"))]
    assert numbered == sorted(numbered)


@pytest.mark.parametrize(
    "folder, extras",
    [("common", ()), ("runs", ()), ("tests", ("test",)), ("benchmarks", ("test", "bench"))],
)
def test_what_the_code_imports_is_declared(folder, extras):
    ours = {"common", "tests", "benchmarks", "runs"} | {path.stem for path in (ROOT / "tools").rglob("*.py")}
    optional = {"cupy", "torch", "tokenizers"}  # extras, never required: imported inside a function or a try
    for path in (ROOT / folder).rglob("*.py"):
        here = {other.stem for other in path.parent.glob("*.py")}
        source = path.read_text(encoding="utf-8")
        foreign = rules.imported(source) - rules.allowed(*extras) - ours - optional - here
        assert not foreign, (
            f"{path.relative_to(ROOT)} imports {foreign}, which pyproject.toml does not declare"
        )
        for name in optional:
            assert not re.search(rf"^import {name}\b|^from {name}\b", source, flags=re.MULTILINE) or (
                folder != "common"
            ), f"{path.relative_to(ROOT)} requires {name}, which is an extra"
