"""Each kind of mistake in a style sheet, a script or a workflow is found, and what is right is left alone."""

import lint_static
import pytest

GOOD = {
    "common/a.css": ":root { --x: 1px }\n@media (max-width: 9em) { .a:hover, .b { margin: var(--x) } }\n",
    "tools/b.js": "document.title = window.name;\n",
    ".github/workflows/c.yml": "on: push\njobs:\n  x: {runs-on: ubuntu-latest, steps: [{run: make}]}\n",
}


@pytest.fixture
def project(tmp_path):
    for name, text in GOOD.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def test_what_is_right_passes(project, capfd):
    assert lint_static.main(project) == 0
    assert capfd.readouterr().out.endswith("1 style sheets, 1 scripts and 1 workflows are clean\n")


@pytest.mark.parametrize(
    "name, text, said",
    [
        ("common/a.css", ".a { margin 1px }", "a.css:1:"),
        ("common/a.css", ".a { margin: 1px }\n}", "a.css:2:"),
        ("common/a.css", ".a { margin: (1px }\n.b { x: y) }", "a.css:2:"),
        ("common/a.css", "@media print { .a { margin; } }", "a.css:1:"),
        ("common/a.css", ".a { margin: 1px;\n  & .b { : red } }", "a.css:2:"),
        ("common/a.css", '.a { content: "x\n }', "a.css:1:"),
        ("common/a.css", ".a {\n margin: var(--y) }", "a.css:2: --y is used and set nowhere"),
        ("tools/b.js", "var a = ;", "Unexpected token"),
        ("tools/b.js", "documnt.title = 1;", "'documnt' is not defined"),
        ("tools/b.js", "if (window.name = 1) { window.open(); }", "no-cond-assign"),
        (".github/workflows/c.yml", GOOD[".github/workflows/c.yml"].replace("{run", "{rn"), "c.yml:3:"),
    ],
)
def test_a_mistake_is_named_with_its_place(project, capfd, name, text, said):
    (project / name).write_text(text, encoding="utf-8")
    assert lint_static.main(project) == 1
    assert said in capfd.readouterr().out


def test_a_variable_of_the_theme_or_with_a_default_may_be_set_elsewhere(project):
    (project / "common/a.css").write_text(".a { x: var(--pst-x) var(--y, 1px) }", encoding="utf-8")
    assert lint_static.main(project) == 0
