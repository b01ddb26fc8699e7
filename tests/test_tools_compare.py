"""The comparison of notebooks is strict, and the settings of other processors take effect."""

import sys
import xml.etree.ElementTree as ElementTree

import compare
import nbformat.v4 as v4
import notebooks
import pytest
import site_build


def test_settings_are_read():
    assert compare.parse("all") == [(core, n) for core in ("Haswell", "SkylakeX", "Zen") for n in (1, 2)]
    assert compare.parse("Haswell:1, Zen:2") == [("Haswell", 1), ("Zen", 2)]


@pytest.mark.parametrize("text", ["Haswell", "Haswell:3", "Pentium:1", " "])
def test_an_unknown_setting_is_refused(text, capsys):
    with pytest.raises(SystemExit):
        compare.main(["--settings", text])
    said = capsys.readouterr().err
    assert "is none of Haswell:1" in said or "no notebooks" in said


def test_a_missing_notebook_is_refused(capsys):
    with pytest.raises(SystemExit):
        compare.main(["chapters/none.ipynb"])
    assert "chapters/none.ipynb does not exist" in capsys.readouterr().err


def test_what_this_processor_lacks_is_skipped_with_a_reason(monkeypatch):
    monkeypatch.setattr(compare, "ask", lambda program, environment: "Haswell")
    assert (
        compare.cannot("SkylakeX", ["X86_V3"]) == "this processor lacks the instructions of SkylakeX (X86_V4)"
    )
    assert compare.cannot("Haswell", ["X86_V3"]) == ""
    monkeypatch.setattr(compare, "ask", lambda program, environment: "")
    assert "does not compute with OpenBLAS" in compare.cannot("Haswell", ["X86_V3"])


def html(text):
    return v4.new_output(
        "display_data", data={"text/html": text, "text/plain": "<IPython.core.display.HTML object>"}
    )


def stream(text, name="stdout"):
    return v4.new_output("stream", name=name, text=text)


SHOW = "from IPython.display import HTML, display; display(HTML({!r}))"
# (source, what is stored, whether it is the same)
CELLS = [
    ("print('one', 1)", stream("one 1\n"), True),
    ("print('one', 2)", stream("one 1\n"), False),
    ("print('loss 0.25 (expected 0 to 1)')", stream("loss 0.75 (expected 0 to 1)\n"), True),
    ("print('loss 0.25 (expected 0 to 2)')", stream("loss 0.25 (expected 0 to 1)\n"), False),
    (SHOW.format("<p>a</p>"), html("<p>a</p>"), True),
    (SHOW.format("<p>a</p>"), html("<p>b</p>"), False),
    (SHOW.format("<img alt='a' src='data:image/png;base64,AA=='>"), None, False),
    ("(3, 4)", v4.new_output("execute_result", data={"text/plain": "(3, 5)"}), False),
    ("import sys; print('hm', file=sys.stderr)", None, False),
    (
        "raise ValueError('x is 3')",
        v4.new_output("error", ename="ValueError", evalue="x is 3", traceback=[]),
        True,
    ),
    (
        "raise ValueError('x is 3')",
        v4.new_output("error", ename="ValueError", evalue="x is 4", traceback=[]),
        False,
    ),
    ("import os; print(os.environ['BOOK_STRICT'])", v4.new_output("stream", name="stdout", text="1\n"), True),
    ("1 / 0", None, False),
]


def test_every_kind_of_text_output_is_compared(tmp_path, monkeypatch):
    monkeypatch.delenv("BOOK_STRICT")
    cells = []
    for i, (source, stored, _) in enumerate(CELLS):
        cell = v4.new_code_cell(source, outputs=[stored] if stored else [], execution_count=i + 1)
        if source.startswith("raise"):
            cell.metadata["tags"] = ["raises-exception"]
        cells.append(cell)
    path, report = tmp_path / "a.ipynb", tmp_path / "report.xml"
    notebooks.write(v4.new_notebook(cells=cells), path)
    status, _ = compare.compare([str(path)], threads=1, report=report)
    assert status == 1
    found = [case.find("failure") is None for case in ElementTree.parse(report).getroot().iter("testcase")]
    assert found == [same for _, _, same in CELLS]
    assert compare.counts(report) == (len(CELLS), sum(not same for _, _, same in CELLS))
    assert compare.counts(tmp_path / "none.xml") == (0, 0)


def test_a_failed_build_is_forgotten(tmp_path, monkeypatch, capsys):
    # Sphinx warns about a page only when it reads it: built again from what is left, the page would pass.
    monkeypatch.setattr(site_build, "BUILD", tmp_path)
    monkeypatch.setattr(site_build, "STAMP", tmp_path / "shape.sha256")
    done = {"status": 0}

    def build(command, **options):
        (tmp_path / "html").mkdir(exist_ok=True)
        (tmp_path / "html" / "index.html").touch()
        (tmp_path / ".doctrees").mkdir(exist_ok=True)
        return site_build.subprocess.CompletedProcess(command, done["status"], stdout="")

    monkeypatch.setattr(site_build.subprocess, "run", build)
    assert site_build.main() == 0 and "1 pages in" in capsys.readouterr().out
    assert (tmp_path / ".doctrees").exists()
    done["status"] = 1
    assert site_build.main() == 1 and "was not built" in capsys.readouterr().err
    assert not (tmp_path / ".doctrees").exists() and not (tmp_path / "html").exists()


@pytest.mark.parametrize("blocked", ["_build", "_build/.lock"])
def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path, monkeypatch, capsys, blocked):
    # A file in the place of a folder, or the reverse, refuses even the superuser, who may run the tests.
    (tmp_path / blocked).mkdir(parents=True) if "lock" in blocked else (tmp_path / blocked).touch()
    monkeypatch.setattr(site_build, "BUILD", tmp_path / "_build")
    assert site_build.main() == 1
    said = capsys.readouterr().err
    assert said.startswith(f"Cannot write {tmp_path / blocked}: ") and said.count("\n") == 1


def test_what_shapes_all_pages_is_noticed(monkeypatch):
    before = site_build.shape()
    monkeypatch.setenv("BOOK_SITE_URL", "https://example.org")
    assert site_build.shape() != before


@pytest.mark.skipif(sys.platform != "linux", reason="the kernels of OpenBLAS are chosen by name on Linux")
def test_a_setting_reaches_the_matrix_kernels():
    reason = compare.cannot("Haswell", compare.ask(compare.ASK_NUMPY, {}).split())
    if reason:
        pytest.skip(reason)
    assert compare.ask(compare.ASK_BLAS, {"OPENBLAS_CORETYPE": "Haswell"}) == "Haswell"
