"""Notebooks in one normal form: what is noise goes, what is the author's stays, twice is the same as once."""

import copy
import json

import nbformat.v4 as v4
import notebooks
import pytest
from hypothesis import given
from hypothesis import strategies as st


def noisy():
    """A notebook as editors and kernels leave it."""
    notebook = v4.new_notebook()
    notebook.metadata = notebooks.nbformat.from_dict(
        {
            "kernelspec": {"display_name": "my env", "language": "python", "name": "my-env"},
            "language_info": {"name": "python", "version": "3.12.1"},
            "jupytext": {"formats": "ipynb,py"},
            "widgets": {"application/vnd.jupyter.widget-state+json": {"state": {}}},
            "book": {"minutes": 20},
        }
    )
    model = "0a1b2c3d4e5f60718293a4b5c6d7e8f9"
    view = v4.new_output(
        "execute_result",
        data={notebooks.WIDGET: {"model_id": model}, "text/html": f"<p id='{model}'>", "text/plain": "Box()"},
        execution_count=7,
    )
    pieces = [v4.new_output("stream", name="stdout", text=text) for text in ("one\n", "two\n")]
    bar = v4.new_output(
        "stream", name="stderr", text="  5%|#    | 1/20 [00:00<00:01, 15.2it/s]\r100%|####| 20/20\n"
    )
    cell = v4.new_code_cell("x\n", outputs=[*pieces, bar, view], execution_count=7)
    cell.metadata = notebooks.nbformat.from_dict(
        {
            "tags": ["hide-input"],
            "execution": {"iopub.status.busy": "now"},
            "ExecuteTime": {},
            "scrolled": True,
        }
    )
    prose = v4.new_markdown_cell("# Title")
    prose.metadata = notebooks.nbformat.from_dict({"tags": []})
    notebook.cells = [prose, cell]
    return notebook


def test_noise_goes_and_the_rest_stays():
    clean = notebooks.normalized(noisy())
    assert set(clean.metadata) == {"book", "kernelspec", "language_info"}
    assert clean.metadata.kernelspec.name == "python3" and "version" not in clean.metadata.language_info
    prose, cell = clean.cells
    assert prose.metadata == {} and cell.source == "x"
    assert cell.metadata == {"tags": ["hide-input"], "jupyter": {"source_hidden": True}}
    assert [output.output_type for output in cell.outputs] == ["stream", "execute_result"]
    assert cell.outputs[0].text == "one\ntwo\n"
    assert cell.outputs[1].data[notebooks.WIDGET].model_id == f"{1:032x}"
    assert cell.outputs[1].data["text/html"] == f"<p id='{1:032x}'>"


def test_a_traceback_names_no_folder_of_this_machine():
    lines = [
        f"File \x1b[32m{notebooks.ROOT}/common/layers/base.py:12\x1b[39m, in forward",
        "File \x1b[32m/home/somebody/env/lib/python3.11/site-packages/numpy/x.py:3\x1b[39m, in dot",
        "File /usr/lib/python3.12/json/decoder.py:1, in decode",
        "ValueError: x/y is 3",
    ]
    cell = v4.new_code_cell("f()", outputs=[v4.new_output("error", ename="E", evalue="e", traceback=lines)])
    clean = notebooks.normalized(v4.new_notebook(cells=[cell]))
    assert clean.cells[0].outputs[0].traceback == [
        "File \x1b[32mcommon/layers/base.py:12\x1b[39m, in forward",
        "File \x1b[32msite-packages/numpy/x.py:3\x1b[39m, in dot",
        "File python3.12/json/decoder.py:1, in decode",
        "ValueError: x/y is 3",
    ]
    assert notebooks.as_text(notebooks.normalized(clean)) == notebooks.as_text(clean)


def test_a_warning_is_not_taken_for_a_progress_bar():
    notebook = noisy()
    notebook.cells[1].outputs = [
        v4.new_output("stream", name="stderr", text="UserWarning: 5% of the words\n")
    ]
    assert notebooks.normalized(notebook).cells[1].outputs[0].text == "UserWarning: 5% of the words\n"


def code(*tags, **jupyter):
    cell = v4.new_code_cell("1 + 1")
    cell.metadata = notebooks.nbformat.from_dict(
        {"tags": list(tags)} | ({"jupyter": jupyter} if jupyter else {})
    )
    return cell


def folds(*cells):
    """What is folded in JupyterLab of each code cell, after normalizing."""
    clean = notebooks.normalized(v4.new_notebook(cells=list(cells)))
    assert notebooks.as_text(notebooks.normalized(clean)) == notebooks.as_text(clean)
    return [cell.metadata.get("jupyter") for cell in clean.cells if cell.cell_type == "code"]


SOURCE, OUTPUTS = {"source_hidden": True}, {"outputs_hidden": True}


def test_what_the_site_folds_is_folded_in_jupyterlab():
    assert folds(code(), code("hide-input"), code("hide-output")) == [None, SOURCE, OUTPUTS]
    assert folds(code("hide-cell"), code("exact", "hide-input")) == [SOURCE | OUTPUTS, SOURCE]


def test_what_is_not_folded_there_is_open_in_jupyterlab():
    opened = [code(source_hidden=True), code(outputs_hidden=True, theirs=1), code("hide-input", **OUTPUTS)]
    assert folds(*opened) == [None, {"theirs": 1}, SOURCE]


def test_the_code_of_a_solution_is_folded():
    before = v4.new_markdown_cell(
        "```{exercise-end}\n```\n\n```{solution-start} ex-one\n:class: dropdown\n```\nSo:"
    )
    middle = v4.new_markdown_cell("And then the other way round.")
    after = v4.new_markdown_cell("```{solution-end}\n```\n\n```{exercise-start}\n:label: ex-two\n```")
    seen = folds(code(), before, code(), middle, code("hide-input"), after, code())
    assert seen == [None, SOURCE | OUTPUTS, SOURCE | OUTPUTS, None]


def test_twice_is_the_same_as_once():
    once = notebooks.normalized(noisy())
    assert notebooks.as_text(notebooks.normalized(once)) == notebooks.as_text(once)


def test_the_argument_is_not_changed():
    notebook = noisy()
    before = copy.deepcopy(notebook)
    notebooks.normalized(notebook)
    assert notebook == before


def test_printed_lines_that_arrive_in_pieces_are_kept_once():
    pieces = [v4.new_output("stream", name="stdout", text=text) for text in ("one\n", "two\n", "three\n")]
    for _ in range(2):  # asked twice, as `execute` does, it says the same
        (merged,) = notebooks.merged_streams(pieces)
        assert merged.text == "one\ntwo\nthree\n"


def test_widgets_of_two_runs_get_the_same_names():
    first, second = noisy(), noisy()
    other = "ffffffffffffffffffffffffffffffff"
    data = second.cells[1].outputs[-1].data
    data[notebooks.WIDGET]["model_id"], data["text/html"] = other, f"<p id='{other}'>"
    for notebook in (first, second):
        for cell, name in zip(notebook.cells, ("a", "b")):
            cell.id = name
    assert notebooks.as_text(notebooks.normalized(first)) == notebooks.as_text(notebooks.normalized(second))


@given(st.lists(st.tuples(st.sampled_from(["", "a", "a b", "c" * 65]), st.text(max_size=20)), max_size=6))
def test_ids_become_valid_and_different_and_then_stay(cells):
    notebook = v4.new_notebook(cells=[v4.new_markdown_cell(text) for _, text in cells])
    for cell, (name, _) in zip(notebook.cells, cells):
        cell["id"] = name
    once = notebooks.normalized(notebook)
    ids = [cell.id for cell in once.cells]
    assert len(set(ids)) == len(ids)
    notebooks.nbformat.validate(once)
    assert [cell.id for cell in notebooks.normalized(once).cells] == ids


def test_written_and_read_again(tmp_path):
    path = tmp_path / "a.ipynb"
    assert notebooks.write(noisy(), path) and not notebooks.write(noisy_like(path), path)
    text = path.read_text(encoding="utf-8")
    assert (
        text == notebooks.as_text(notebooks.read(path)) and text.endswith("}\n") and not text.endswith("\n\n")
    )
    assert [file.name for file in tmp_path.iterdir()] == ["a.ipynb"]


def noisy_like(path):
    notebook = notebooks.read(path)
    notebook.metadata["vscode"] = {}
    return notebook


def test_check_says_what_normalize_mends(tmp_path, capsys):
    path = tmp_path / "a.ipynb"
    path.write_text(json.dumps(noisy()), encoding="utf-8")
    assert notebooks.main(["check", str(path)]) == 1
    assert "a.ipynb is not in the normal form" in capsys.readouterr().out
    assert notebooks.main(["normalize", str(path)]) == 0
    assert notebooks.main(["check", str(path)]) == 0


@pytest.mark.parametrize("content", ["", "{", "[]", '{"nbformat": 3, "worksheets": []}'])
def test_a_file_that_is_no_notebook(tmp_path, capsys, content):
    path = tmp_path / "a.ipynb"
    path.write_text(content, encoding="utf-8")
    assert notebooks.main(["check", str(path)]) == 1
    assert "is not a notebook" in capsys.readouterr().out
    assert path.read_text(encoding="utf-8") == content


def test_a_missing_notebook(tmp_path, capsys):
    assert notebooks.main(["execute", str(tmp_path / "none.ipynb")]) == 1
    assert "none.ipynb does not exist" in capsys.readouterr().out


def small(*sources):
    return v4.new_notebook(cells=[v4.new_code_cell(source) for source in sources])


def test_executing_goes_on_after_a_failure_and_twice_gives_the_same_bytes(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(notebooks, "ROOT", tmp_path)
    monkeypatch.delenv("BOOK_STRICT")
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "sanitize.cfg").write_text(
        "regex: \\d+(?= \\(expected )\nreplace: MEASURED\n", encoding="utf-8"
    )
    bad, good = tmp_path / "bad.ipynb", tmp_path / "good.ipynb"
    notebooks.write(small("print('before')", "1 / 0"), bad)
    unchanged = bad.read_bytes()
    notebooks.write(
        small(
            "import os, time",
            "print('ns', time.time_ns(), '(expected 0 to 1)')",
            "os.environ['BOOK_PROGRESS'] + os.environ['BOOK_STRICT']",
            "raise ValueError('shown')",
        ),
        good,
    )
    notebook = notebooks.read(good)
    notebook.cells[3].metadata["tags"] = ["raises-exception"]
    notebooks.write(notebook, good)

    assert notebooks.main(["execute", str(bad), str(good)]) == 1
    said = capsys.readouterr().out
    assert (
        "bad.ipynb: FAILED" in said
        and "ZeroDivisionError" in said
        and "1 of 2 notebooks ran to the end" in said
    )
    assert bad.read_bytes() == unchanged
    assert "before" in (tmp_path / "_build" / "failed" / "bad.ipynb").read_text(encoding="utf-8")

    ran = notebooks.read(good)
    assert [cell.execution_count for cell in ran.cells] == [1, 2, 3, 4]
    assert (
        ran.cells[2].outputs[0].data["text/plain"] == "'01'" and ran.cells[3].outputs[0].ename == "ValueError"
    )
    once = good.read_bytes()
    assert notebooks.main(["execute", str(good)]) == 0
    assert good.read_bytes() == once
    notebooks.nbformat.validate(ran)
    assert notebooks.main(["execute", "--fresh", str(good)]) == 0
    assert good.read_bytes() != once  # another time was measured


def test_a_draft_becomes_a_notebook_and_keeps_the_ids(tmp_path):
    draft, target = tmp_path / "draft.py", tmp_path / "a.ipynb"
    draft.write_text("# %% [markdown]\n# # Title\n\n# %%\nx = 1\n\n# %%\nx\n", encoding="utf-8")
    notebooks.from_text(draft, target)
    first = notebooks.read(target)
    first.metadata["book"] = {"run_seconds": 5}
    first.cells[2].outputs = [v4.new_output("stream", name="stdout", text="old\n")]
    notebooks.write(first, target)
    draft.write_text(
        '# %% [markdown]\n# # Title\n\n# %% tags=["hide-input"]\nx = 2\n\n# %%\nx\n\n# %%\nnew = 3\n',
        encoding="utf-8",
    )
    notebooks.from_text(draft, target)
    second = notebooks.read(target)
    assert [cell.id for cell in second.cells[:3]] == [cell.id for cell in first.cells]
    assert [cell.source for cell in second.cells] == ["# Title", "x = 2", "x", "new = 3"]
    assert all(not cell.get("outputs") for cell in second.cells)
    assert second.cells[1].metadata.tags == ["hide-input"]
    assert "jupytext" not in second.metadata and second.metadata.book == {"run_seconds": 5}


@pytest.mark.parametrize("draft, target, wrong", [("a.txt", "a.ipynb", "a.txt"), ("a.py", "a.nb", "a.nb")])
def test_a_draft_of_another_kind_is_refused(tmp_path, capsys, draft, target, wrong):
    (tmp_path / draft).write_text("x = 1\n", encoding="utf-8")
    assert notebooks.main(["from-text", str(tmp_path / draft), str(tmp_path / target)]) == 1
    assert f"{wrong} should end in" in capsys.readouterr().err
