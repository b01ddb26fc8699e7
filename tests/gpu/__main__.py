"""Make each check twice, on the processor and on the GPU, and compare the numbers: a line for each.

    python -m tests.gpu                    # all checks; the summary is kept in data/results/gpu_checks.json
    python -m tests.gpu --no-record LSTM   # those with LSTM in their name

The processor's numbers come from a process of its own, because NumPy or CuPy is chosen once, at the start.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks._card import card, no_gpu

ROOT = Path(__file__).resolve().parents[2]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.gpu", description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", help="only checks with one of these in their name")
    parser.add_argument("--no-record", action="store_true", help="write nothing to data/results")
    choice = parser.parse_args()
    if problem := no_gpu():
        sys.exit(f"Nothing was checked: {problem}")
    os.environ["BOOK_DEVICE"] = "gpu"
    from tests.gpu import checks  # chooses CuPy

    found = checks.named(choice.names)
    if not found:
        sys.exit(f"Nothing was checked: no check has {' or '.join(map(repr, choice.names))} in its name.")
    device = card()
    print(f"{device['card']}, {device['software']}", flush=True)
    begin = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        theirs = on_the_processor(Path(folder) / "processor.npz", choice.names)
    results: dict[str, dict[str, object]] = {}
    for name, check in found:
        start = time.perf_counter()
        problem, error = compared(checks.outcome(check), theirs[name])
        seconds = time.perf_counter() - start
        results[name] = {"error": error, "seconds": round(seconds, 2)}
        if problem:
            results[name]["problem"] = problem
        print(f"{'FAILED' if problem else 'ok':<7}{name:<44} {problem or f'{error:8.1e}'}", flush=True)
    failed = [name for name, result in results.items() if "problem" in result]
    took = time.perf_counter() - begin
    said = f"{len(found) - len(failed)} of {len(found)} checks passed, {len(failed)} failed"
    if not choice.no_record and not choice.names:
        from common.book.results import record, rounded

        about = {"seed": checks.SEED, "command": "make test-gpu", "machine": device["card"]}
        record("gpu_checks", **about, **device, summary=said, checks=rounded(results))
    print(f"{said}; {took:.0f} s on {device['card']}.")
    return 1 if failed else 0


def on_the_processor(path: Path, names: list[str]) -> dict[str, dict[str, np.ndarray]]:
    """What the same checks give on the processor, by name."""
    command = [sys.executable, "-m", "tests.gpu.checks", str(path), *names]
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, "BOOK_DEVICE": "cpu"})
    if done.returncode:
        sys.exit("Nothing was checked: the processor's numbers could not be computed; the error is above.")
    found: dict[str, dict[str, np.ndarray]] = {}
    with np.load(path, allow_pickle=False) as file:
        for key in file.files:
            name, _, part = key.partition("|")
            found.setdefault(name, {})[part] = file[key]
    return found


LIMITS = {"float64": 1e-8, "float32": 1e-3}
"""How far two numbers may be apart, in parts of the largest in their array (or of 1): sums were added up in
another order."""


def compared(ours: dict[str, np.ndarray], theirs: dict[str, np.ndarray]) -> tuple[str, float]:
    """What is wrong, in one line, if something is; and the largest error of all arrays."""
    largest = 0.0
    if "stopped" in ours:
        return str(ours["stopped"]), largest
    if ours.keys() != theirs.keys():
        return f"gives {', '.join(sorted(ours.keys() ^ theirs.keys()))} on one device only", largest
    for name, a in ours.items():
        b = theirs[name]
        if a.shape != b.shape or a.dtype != b.dtype:
            return f"{name} is {a.dtype} {a.shape}, and {b.dtype} {b.shape} on the processor", largest
        if a.dtype.kind != "f":
            if not np.array_equal(a, b):
                return f"{name} differs from the processor's", largest
            continue
        finite = np.isfinite(b)
        if not np.array_equal(a[~finite], b[~finite], equal_nan=True) or not np.isfinite(a[finite]).all():
            return f"{name} is not finite where the processor's is, or the other way round", largest
        size = max(1.0, float(np.abs(b[finite]).max(initial=0)))
        error = float(np.abs(a[finite].astype(np.float64) - b[finite]).max(initial=0)) / size
        largest = max(largest, error)
        if error > LIMITS[a.dtype.name]:
            return f"{name} differs by {error:.1e}", largest
    return "", largest


if __name__ == "__main__":
    sys.exit(main())
