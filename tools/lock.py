"""Write requirements.txt and tests/requirements.txt anew from the ranges in pyproject.toml (`make lock`).

One version of each package for Linux, macOS, Windows and every Python from 3.11, each file of it with its
hash, and no address of a registry: whoever installs it decides where it comes from. Without arguments,
versions that still fit stay; with --upgrade the newest that fit are taken.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COMPILE = [sys.executable, "-m", "uv", "pip", "compile", "pyproject.toml", "--quiet", "--universal"]
COMPILE += ["--python-version", "3.11", "--fork-strategy", "fewest", "--generate-hashes"]
COMPILE += ["--no-emit-index-url", "--no-annotate", "--custom-compile-command", "make lock"]


def main(arguments: list[str]) -> int:
    """Write both locks; return the exit status."""
    if set(arguments) - {"--upgrade"}:
        print(__doc__)
        return 2
    book, test = "requirements.txt", os.path.join("tests", "requirements.txt")
    for command in (
        [*COMPILE, "-o", book, *arguments],
        # The tests run on the very versions that the reader gets.
        [*COMPILE, "--extra", "test", "-c", book, "-o", test, *arguments],
    ):
        done = subprocess.run(command, cwd=ROOT)
        if done.returncode:
            return done.returncode
    for name in (book, test):
        text = (ROOT / name).read_text(encoding="utf-8")
        found = re.search(r"https?://|^--?(?!hash)\S*|file:", text, flags=re.MULTILINE)
        if found:
            print(f"{name} holds {found[0]!r}; a lock should hold no address and no option")
            return 1
        count = len(re.findall(r"^[A-Za-z0-9].*==", text, flags=re.MULTILINE))
        print(f"{name}: {count} packages")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
