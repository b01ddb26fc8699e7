"""Run the notebooks again and compare every output strictly with what is stored.

    python tools/compare.py [NOTEBOOK ...]                   once, as computed here (make test-notebooks)
    python tools/compare.py --settings all [NOTEBOOK ...]    as other processors compute (make reproduce)
    python tools/compare.py --settings Haswell:1,SkylakeX:2  some: a processor, and its threads

Sums are added in another order on another processor or with another number of threads, so the last digits
differ. A stored output has to hold all the same. A setting chooses the matrix kernels of OpenBLAS
(OPENBLAS_CORETYPE) and, where this processor has more than the named one, switches that off in NumPy as well
(NPY_DISABLE_CPU_FEATURES).
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CORES = ("Haswell", "SkylakeX", "Zen")
SETTINGS = [f"{core}:{threads}" for core in CORES for threads in (1, 2)]
CELL_SECONDS = 600

# Asked in a fresh process, because both are decided when NumPy is first imported.
ASK_BLAS = """
import numpy, threadpoolctl
print(*{library.get("architecture", "") for library in threadpoolctl.threadpool_info()})
"""
ASK_NUMPY = """
from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__
print(*[name for name in __cpu_dispatch__ if __cpu_features__.get(name)])
"""


def main(arguments: list[str] | None = None) -> int:
    """Read the command line; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="compare.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("notebooks", nargs="*", help="all of chapters/ when left out")
    parser.add_argument("--settings", help="'all', or some of " + ",".join(SETTINGS))
    options = parser.parse_args(arguments)
    notebooks = options.notebooks or sorted(str(p.relative_to(ROOT)) for p in ROOT.glob("chapters/*.ipynb"))
    missing = [name for name in notebooks if not (ROOT / name).is_file()]
    if missing:
        parser.error(f"{missing[0]} does not exist")
    if not notebooks:
        print("no notebooks in chapters/ yet: nothing to compare")
        return 0
    if not options.settings:
        status, _ = compare(notebooks, threads=1)
        if status:
            print("To see what differs: make notebooks (NB=... for one), then git diff chapters")
        return status
    try:
        settings = parse(options.settings)
    except ValueError as error:
        parser.error(str(error))
    return reproduce(notebooks, settings)


def parse(text: str) -> list[tuple[str, int]]:
    """Read 'Haswell:1,SkylakeX:2' or 'all'."""
    names = SETTINGS if text == "all" else text.replace(",", " ").split()
    wrong = [name for name in names if name not in SETTINGS]
    if wrong or not names:
        named = wrong[0] if wrong else ""
        raise ValueError(f"the setting {named!r} is none of {', '.join(SETTINGS)}")
    return [(name.split(":")[0], int(name.split(":")[1])) for name in names]


def compare(
    notebooks: list[str], threads: int, environment: dict[str, str] | None = None, report: Path | None = None
) -> tuple[int, float]:
    """Run nbval over the notebooks; return its exit status and the seconds it took."""
    # Notebooks side by side share the processor, each with its own threads. More threads than cores would be
    # far slower: in each of many thousand small products, one thread would wait for one that does not run.
    workers = min(len(notebooks), max(1, (os.cpu_count() or 1) // threads))
    workers = int(os.environ.get("NB_WORKERS") or workers)
    count = str(threads)
    variables = {
        **os.environ,
        "BOOK_PROGRESS": "0",  # a progress bar differs at every run
        "BOOK_SCALE": "quick",
        "BOOK_STRICT": "1",  # a measured number outside its band is an error
        "OPENBLAS_NUM_THREADS": count,
        "OMP_NUM_THREADS": count,
        "MKL_NUM_THREADS": count,
        "VECLIB_MAXIMUM_THREADS": count,
        **(environment or {}),
    }
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        "-q",
        "--nbval",
        "--nbval-current-env",
    ]
    command += ["--nbval-sanitize-with", "tests/sanitize.cfg", "--nbval-cell-timeout", str(CELL_SECONDS)]
    if workers > 1:  # loadscope: one notebook stays with one worker, its cells in order
        command += ["-n", str(workers), "--dist", "loadscope"]
    if report:
        command += ["--junitxml", str(report)]
    start = time.perf_counter()
    status = subprocess.run([*command, *notebooks], cwd=ROOT, env=variables).returncode
    return status, time.perf_counter() - start


def reproduce(notebooks: list[str], settings: list[tuple[str, int]]) -> int:
    """Compare under each setting and end with a table; return the exit status."""
    rows, worst = [], 0
    has = ask(ASK_NUMPY, {}).split()
    for core, threads in settings:
        name = f"{core}, {threads} BLAS thread{'s' * (threads > 1)}"
        print(f"\n== {name} ==", flush=True)
        reason = cannot(core, has)
        if reason:
            print(f"skipped: {reason}")
            rows.append((core, threads, "-", 0, 0, 0.0, "skipped: " + reason))
            continue
        environment = {"OPENBLAS_CORETYPE": core}
        keeps = {"SkylakeX": ["X86_V4"]}.get(core, [])
        beyond = [name for name in has if name.startswith(("X86_V4", "AVX512")) and name not in keeps]
        if beyond:
            environment["NPY_DISABLE_CPU_FEATURES"] = " ".join(beyond)
        with tempfile.TemporaryDirectory() as folder:
            report = Path(folder) / "report.xml"
            status, seconds = compare(notebooks, threads, environment, report)
            cells, failed = counts(report)
        kernels = ask(ASK_BLAS, environment) or "?"
        verdict = "passed" if status == 0 else "FAILED"
        rows.append((core, threads, kernels, cells - failed, failed, seconds, verdict))
        worst = max(worst, status)
    titles = ("processor", "threads", "kernels", "cells equal", "not equal", "seconds")
    print("\n{:<10}{:>8}{:>12}{:>13}{:>11}{:>9}  result".format(*titles))
    for core, threads, kernels, equal, failed, seconds, verdict in rows:
        print(f"{core:<10}{threads:>8}{kernels:>12}{equal:>13}{failed:>11}{seconds:>9.0f}  {verdict}")
    ran = [row for row in rows if row[2] != "-"]
    passed = sum(row[-1] == "passed" for row in ran)
    skipped = len(rows) - len(ran)
    print(f"{passed} of {len(ran)} settings passed, {skipped} skipped, {len(notebooks)} notebooks each")
    return worst if ran else 1


def cannot(core: str, has: list[str]) -> str:
    """Why this machine cannot compute like `core`; empty when it can."""
    if not ask(ASK_BLAS, {}):
        return "NumPy does not compute with OpenBLAS on this machine"
    needed = {"SkylakeX": "X86_V4", "Haswell": "X86_V3", "Zen": "X86_V3"}[core]
    return "" if needed in has else f"this processor lacks the instructions of {core} ({needed})"


def ask(program: str, environment: dict[str, str]) -> str:
    """What a short program prints in a Python of its own."""
    variables = {**os.environ, **environment}
    done = subprocess.run([sys.executable, "-c", program], env=variables, capture_output=True, text=True)
    return done.stdout.strip()


def counts(report: Path) -> tuple[int, int]:
    """The number of cells that were compared, and of those that failed."""
    if not report.exists():
        return 0, 0
    suites = list(ElementTree.parse(report).getroot().iter("testsuite"))
    cells = sum(int(suite.get("tests", 0)) for suite in suites)
    return cells, sum(int(suite.get(kind, 0)) for suite in suites for kind in ("failures", "errors"))


if __name__ == "__main__":
    sys.exit(main())
