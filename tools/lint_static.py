"""Check the style sheets, the scripts and the workflows, each with a linter of its own (`make lint`).

    python tools/lint_static.py

tinycss2 reads the style sheets; a variable that is used and set nowhere is an error, too. oxlint reads the
scripts (its rules are in tools/oxlint.json), actionlint the workflows in .github.
"""

from __future__ import annotations

import re
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tinycss2

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("common", "tools")
THEIRS = ("--pst-", "--sd-", "--sbt-", "--bs-")  # variables that the theme sets


def main(root: Path = ROOT) -> int:
    """Check everything; return the exit status."""
    sheets, scripts = (
        [path for folder in FOLDERS for path in sorted((root / folder).rglob(f"*.{kind}"))]
        for kind in ("css", "js")
    )
    workflows = sorted((root / ".github" / "workflows").glob("*.y*ml"))
    errors = list(sheet_errors(sheets))
    for error in errors:
        print(error)
    status = bool(errors)
    if scripts:
        config = str(ROOT / "tools" / "oxlint.json")
        status |= run("oxlint", "--quiet", "--no-ignore", "--config", config, *scripts)
    if workflows:  # without the linters of other languages that happen to be on this machine
        status |= run("actionlint", "-shellcheck=", "-pyflakes=", *workflows)
    if not status:
        print(f"{len(sheets)} style sheets, {len(scripts)} scripts and {len(workflows)} workflows are clean")
    return int(status)


def run(program: str, *arguments: object) -> bool:
    """Run a program that was installed beside this Python; return whether it found something."""
    path = Path(sysconfig.get_path("scripts"), program)
    return bool(subprocess.run([path, *map(str, arguments)]).returncode)


def sheet_errors(sheets: list[Path]) -> Iterator[str]:
    """What is wrong with the style sheets, one line for each error."""
    texts = {path: path.read_text(encoding="utf-8") for path in sheets}
    known = set(re.findall(r"(--[\w-]+)\s*:", "\n".join(texts.values())))
    for path, text in texts.items():
        for node in everything(tinycss2.parse_stylesheet(text, skip_comments=True, skip_whitespace=True)):
            if node.type == "error":
                yield f"{path}:{node.source_line}:{node.source_column}: {node.message}"
        for use in re.finditer(r"var\(\s*(--[\w-]+)\s*\)", text):
            if use[1] not in known and not use[1].startswith(THEIRS):
                line = text.count("\n", 0, use.start()) + 1
                yield f"{path}:{line}: {use[1]} is used and set nowhere"


def everything(nodes: list[Any]) -> Iterator[Any]:
    """All rules and declarations, and the tokens they are made of, those inside others too."""
    for node in nodes:
        yield node
        for name in ("prelude", "value", "arguments"):
            inside = getattr(node, name, None)
            if isinstance(inside, list):
                yield from everything(inside)
        content = getattr(node, "content", None)
        if node.type in ("qualified-rule", "at-rule") and content is not None:
            yield from everything(
                tinycss2.parse_blocks_contents(content, skip_comments=True, skip_whitespace=True)
            )
        elif isinstance(content, list):
            yield from everything(content)


if __name__ == "__main__":
    sys.exit(main())
