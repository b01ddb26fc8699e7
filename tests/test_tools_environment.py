"""The script that makes .venv: half made is made again, two at once wait, trouble is one clear sentence."""

import ast
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import environment
import pytest

from tests.notebooks import rules

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ("requirements.txt", "tests/requirements.txt")


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project with small requirement files, where installing only writes down what was asked for."""
    root = tmp_path / "a folder"
    for name in environment.GROUPS.values():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("x==1\n", encoding="utf-8")
    (root / "tools" / "environment.py").write_text("", encoding="utf-8")
    venv = root / ".venv"
    monkeypatch.setattr(environment, "ROOT", str(root))
    monkeypatch.setattr(environment, "VENV", str(venv))
    monkeypatch.setattr(environment, "STAMP", str(venv / "book-stamp.json"))
    monkeypatch.setattr(environment, "UNFINISHED", str(venv / "book-unfinished"))
    monkeypatch.setattr(environment, "PYTHON", str(venv / "python"))
    monkeypatch.setattr(environment, "runs", os.path.exists)
    monkeypatch.setattr(environment, "prepare", lambda: None)
    monkeypatch.setattr(environment, "install_project", lambda: None)
    log = []
    monkeypatch.setattr(environment, "install", log.append)

    def run(command, name, variables=None):
        log.append("new")
        (venv / "python").touch()

    monkeypatch.setattr(environment, "run", run)
    return root, log


def test_made_once_and_then_left_alone(project):
    root, log = project
    environment.ensure(["book"])
    assert log == ["new", "book"] and not (root / ".venv" / "book-unfinished").exists()
    environment.ensure(["book"])
    assert log == ["new", "book"]


def test_more_is_added_to_what_is_there(project):
    _, log = project
    environment.ensure(["book"])
    environment.ensure(["book", "test"])
    environment.ensure(["book"])
    assert log == ["new", "book", "test"]


def test_the_lock_of_the_tests_holds_that_of_the_book(project):
    _, log = project
    environment.ensure(["book", "test"])
    environment.ensure(["book"])
    assert log == ["new", "test"]


def test_a_changed_lock_starts_from_nothing(project):
    root, log = project
    environment.ensure(["book"])
    (root / ".venv" / "left over").touch()
    (root / "requirements.txt").write_text("x==2\n", encoding="utf-8")
    environment.ensure(["book"])
    assert log == ["new", "book", "new", "book"] and not (root / ".venv" / "left over").exists()


@pytest.mark.parametrize("kind", [KeyboardInterrupt, environment.Failure])
def test_an_interrupted_installation_is_done_again(project, monkeypatch, kind):
    root, log = project

    def interrupted(group):
        raise kind()

    with monkeypatch.context() as patch:
        patch.setattr(environment, "install", interrupted)
        with pytest.raises(kind):
            environment.ensure(["book"])
    (root / ".venv" / "half a package").touch()
    environment.ensure(["book"])
    assert log == ["new", "new", "book"] and not (root / ".venv" / "half a package").exists()
    assert {path.name for path in root.glob(".venv*")} == {".venv", ".venv.lock"}


def test_interrupted_while_adding_starts_from_nothing(project, monkeypatch):
    _, log = project
    environment.ensure(["book"])
    with monkeypatch.context() as patch:
        patch.setattr(environment, "install_project", lambda: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            environment.ensure(["book", "test"])
    environment.ensure(["book"])
    assert log == ["new", "book", "test", "new", "book"]


@pytest.mark.parametrize("spoil", ["no python", "damaged stamp", "moved", "empty folder"])
def test_what_cannot_be_trusted_is_made_again(project, monkeypatch, spoil):
    root, log = project
    environment.ensure(["book"])
    if spoil == "no python":
        (root / ".venv" / "python").unlink()
    elif spoil == "damaged stamp":
        (root / ".venv" / "book-stamp.json").write_text("{", encoding="utf-8")
        (root / ".venv" / "python").unlink()
    elif spoil == "moved":
        monkeypatch.setattr(environment, "place", lambda: ["elsewhere"])
    else:
        for path in (root / ".venv").iterdir():
            path.unlink()
    environment.ensure(["book"])
    assert log == ["new", "book", "new", "book"]


def test_an_environment_of_somebody_else_is_set_aside(project, capsys):
    root, log = project
    (root / ".venv").mkdir()
    for name in ("python", "theirs"):
        (root / ".venv" / name).touch()
    environment.ensure(["book"])
    assert log == ["new", "book"]
    (kept,) = root.glob(".venv-before-*")
    assert (kept / "venv" / "theirs").exists() and kept.name in capsys.readouterr().out


HOLD = """
import sys, time
sys.path.insert(0, {tools!r})
import environment
with environment.only_one_process({path!r}, "waiting"):
    print("in", flush=True)
    {action}
    print("out", flush=True)
"""


def holder(path, action):
    program = HOLD.format(tools=str(ROOT / "tools"), path=str(path), action=action)
    return subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)


def test_two_at_once_take_turns(tmp_path):
    number = tmp_path / "number"
    number.write_text("0")
    add = f"n = int(open({str(number)!r}).read()); time.sleep(0.1); "
    add += f"open({str(number)!r}, 'w').write(str(n + 1))"
    processes = [holder(tmp_path / "lock", add) for _ in range(3)]
    said = [process.communicate()[0] for process in processes]
    assert number.read_text() == "3" and all(process.returncode == 0 for process in processes)
    assert any("waiting" in words for words in said)


def test_a_killed_process_gives_the_lock_back(tmp_path):
    first = holder(tmp_path / "lock", "time.sleep(600)")
    assert first.stdout.readline() == "in\n"
    second = holder(tmp_path / "lock", "pass")
    assert second.stdout.readline() == "waiting\n"
    first.kill()
    first.communicate()
    assert second.communicate()[0] == "in\nout\n"


@pytest.mark.skipif(os.name == "nt", reason="Windows does not hand file locks down to child processes")
def test_what_a_killed_process_started_still_holds_the_lock(tmp_path):
    # An orphaned pip would otherwise go on writing into the folder that the next process makes.
    die = "import os, threading; threading.Timer(1, lambda: os._exit(1)).start()"
    orphan = "environment.run([sys.executable, '-c', 'import time; time.sleep(4)'], 'orphan')"
    first = holder(tmp_path / "lock", f"{die}; {orphan}")
    assert first.stdout.readline() == "in\n"
    first.communicate()
    second = holder(tmp_path / "lock", "pass")
    assert second.stdout.readline() == "waiting\n"
    assert second.communicate()[0] == "in\nout\n"


def test_an_old_python_is_told_so_in_one_sentence(monkeypatch, capsys):
    monkeypatch.setattr(sys, "version_info", (3, 9, 2))
    monkeypatch.setattr(environment.shutil, "which", lambda name: None)
    with pytest.raises(SystemExit):
        environment.main(["book"])
    said = capsys.readouterr().err
    assert said.startswith("The book needs Python 3.11 or newer, and ") and "is 3.9.2: install" in said
    assert said.count("\n") == 1


def test_an_old_python_can_read_the_script():
    source = (ROOT / "tools" / "environment.py").read_text(encoding="utf-8")
    ast.parse(source, feature_version=(3, 6))
    assert rules.imported(source) <= set(sys.stdlib_module_names)


def test_a_python_without_venv_is_told_what_to_install(project, monkeypatch):
    monkeypatch.setitem(sys.modules, "ensurepip", None)
    with pytest.raises(environment.Failure, match=r"install its venv module .*apt install python3-venv"):
        environment.ensure(["book"])


@pytest.mark.parametrize(
    "output, sentence",
    [
        (
            "NewConnectionError: Failed to establish a new connection: Network is unreachable",
            "check the network",
        ),
        ("Temporary failure in name resolution", "check the network"),
        ("ERROR: No matching distribution found for numpy==2.4.6", "check the network"),
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE", "its hash differs"),
        ("OSError: [Errno 28] No space left on device", "The disk is full"),
        ("something else", "pip install failed with status 3"),
    ],
)
def test_a_failed_installation_is_explained(output, sentence):
    assert sentence in environment.explain(output, "pip install", 3)


def test_a_failed_command_shows_its_last_lines(capsys):
    program = "print('first'); [print('line', i) for i in range(40)]; raise SystemExit(7)"
    with pytest.raises(environment.Failure, match="x failed with status 7"):
        environment.run([sys.executable, "-c", program], "x")
    said = capsys.readouterr().err
    assert "line 39" in said and "first" not in said


def test_the_variables_of_the_user_lead_nowhere(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    monkeypatch.setenv("PIP_TARGET", "/elsewhere")
    monkeypatch.setenv("PIP_INDEX_URL", "kept")
    clean = environment.clean_environment()
    assert "PYTHONPATH" not in clean and "PIP_TARGET" not in clean and clean["PYTHONNOUSERSITE"] == "1"
    assert clean["PIP_INDEX_URL"] == "kept"


def test_an_unknown_group_prints_the_help(capsys):
    assert environment.main(["everything"]) == 2
    assert "tools/environment.py book" in capsys.readouterr().out


# --- the locks ----------------------------------------------------------------------------------------------


def pins(name):
    """Name and version of each entry of a lock, each with its hashes."""
    text = (ROOT / name).read_text(encoding="utf-8")
    entries = re.findall(
        r"^([\w.-]+)==(\S+)(?: ;[^\n]*?)?((?: \\\n    --hash=sha256:\w{64})+)$", text, re.MULTILINE
    )
    assert len(entries) == len(re.findall(r"^\w", text, re.MULTILINE)), f"{name} has an entry without a hash"
    return {package: version for package, version, _ in entries}


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_has_hashes_and_no_address(name):
    assert len(pins(name)) > 100
    text = (ROOT / name).read_text(encoding="utf-8")
    assert not re.search(r"://|^--(?!hash)|index|find-links", text, re.MULTILINE)
    for package in ("torch", "cupy-cuda12x", "uv"):
        assert package not in pins(name)


def test_the_tests_run_on_the_versions_of_the_book():
    book, test = (pins(name) for name in LOCKS)
    assert book.items() <= test.items() and "pytest" not in book


def test_everything_declared_is_locked():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for name, wanted in zip(
        LOCKS, (project["dependencies"], project["dependencies"] + project["optional-dependencies"]["test"])
    ):
        locked = pins(name)
        for line in wanted:
            package, exact = re.match(r"([\w.-]+)(?:==([\w.]+))?", line).groups()
            assert package in locked, f"{line} is not in {name}: run  make lock"
            assert not exact or locked[package] == exact, (
                f"{name} has {locked[package]} for {line}: run  make lock"
            )


def test_the_locks_name_what_is_needed_on_other_systems():
    text = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    assert re.search(r"^pexpect==.*sys_platform != 'win32'", text, re.MULTILINE)
    assert re.search(r"^appnope==.*sys_platform == 'darwin'", text, re.MULTILINE)


# --- the Makefile -------------------------------------------------------------------------------------------


def test_make_alone_lists_every_target():
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = [name for line in re.findall(r"^\.PHONY: (.*)", text, re.MULTILINE) for name in line.split()]
    targets = [name for name in targets if not name.startswith(".")]
    said = subprocess.run(["make", "-s"], cwd=ROOT, capture_output=True, text=True).stdout
    assert [line.split()[1] for line in said.splitlines()] == targets
    wanted = "book test test-unit test-notebooks test-site lab serve bench notebooks reproduce full lock lint"
    assert {*wanted.split(), "clean"} <= set(targets)


def test_no_target_relies_on_a_script_with_a_folder_in_its_first_line():
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert not re.search(r"\.venv/bin/(?!python\b)", text)
