"""What CI runs, what its workflow may use, and what a checkout looks like under Git for Windows."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
WORKFLOW = (ROOT / ".github" / "workflows" / "book.yml").read_text(encoding="utf-8")
STUB = """#!/bin/sh
# Stands in for `make`: shows what it was given, and a line as pytest ends with.
echo "<$*> mirror=${BOOK_DATA_MIRROR:-none} scale=${BOOK_SCALE:-none} at home: $(ls -A "$HOME" | wc -l)"
echo "1 passed, 2 skipped in 0.01s"
case "$*" in *lint*) exit 1 ;; esac
"""


@pytest.mark.skipif(os.name == "nt", reason="CI's script runs on Linux")
@pytest.mark.parametrize("mirror", [True, False])
def test_ci_has_what_a_newcomer_has_and_says_what_it_did(tmp_path, mirror):
    book, programs, texts = tmp_path / "book", tmp_path / "bin", tmp_path / "shared" / "data"
    (book / ".ci").mkdir(parents=True)
    shutil.copy(ROOT / ".ci" / "run", book / ".ci" / "run")
    programs.mkdir()
    for name, text in {"make": STUB, "python3": "#!/bin/sh\n", "chromium": "#!/bin/sh\n"}.items():
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    if mirror:
        texts.mkdir(parents=True)
    settings = {
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(ROOT),
        "BOOK_SCALE": "full",
    }
    done = subprocess.run([book / ".ci" / "run"], env=settings, capture_output=True, text=True)
    calls = re.findall(r"^<(.*)> mirror=(.*) scale=(.*) at home: *(\d+)$", done.stdout, flags=re.MULTILINE)
    assert {tuple(seen) for _, *seen in calls} == {("none", "none", "0")}
    commands = [command for command, *_ in calls]
    assert commands[0] == "--keep-going test" and commands[-1] == "lint"
    assert (f"test-mirror BOOK_DATA_MIRROR={texts}" in commands) == mirror
    skipped = "test-mirror: skipped, there is no folder with the classic texts here"
    assert (skipped in done.stdout) == (not mirror)
    assert len(re.findall(r"=== \S+ took \d+ s", done.stdout)) == len(calls) + 1  # and the step `system`
    counted = sum("test" in command or "reproduce" in command for command in commands)
    assert f"=== {counted} passed, 0 failed, 0 errors, {2 * counted} skipped" in done.stdout
    assert done.returncode == 1 and done.stdout.strip().endswith("FAILED: lint")


def test_git_writes_the_same_line_ends_everywhere(tmp_path):
    if not (ROOT / ".git").exists() or not shutil.which("git"):
        pytest.skip("this is not a Git checkout")
    windows = ["git", "-c", "core.autocrlf=true", "-c", "core.eol=crlf"]
    subprocess.run([*windows, "checkout-index", "--all", f"--prefix={tmp_path}/"], cwd=ROOT, check=True)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    texts = [path for path in files if b"\0" not in path.read_bytes()]
    assert len(texts) > 100 and len(files) > len(texts)
    assert [path.name for path in texts if b"\r" in path.read_bytes()] == []


def test_a_workflow_takes_only_what_is_pinned_and_may_do_only_what_it_needs():
    used = re.findall(r"^\s*(?:- )?uses: *(.*)$", WORKFLOW, flags=re.MULTILINE)
    assert used
    for line in used:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line), f"{line} is not pinned"
    assert len({line.split("@")[0] for line in used}) == len(set(used))  # one version of each
    assert "\npermissions:\n  contents: read\n" in WORKFLOW
    assert WORKFLOW.count("timeout-minutes:") == WORKFLOW.count("runs-on:")


def test_the_workflow_runs_what_there_is():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(re.findall(r"run: make ([a-z-]+)", WORKFLOW)) <= targets
    files = re.findall(r"\b(?:chapters|tools|tests)/[\w./]+|\.ci/run", WORKFLOW)
    assert len(files) > 5 and [name for name in files if not (ROOT / name).exists()] == []
