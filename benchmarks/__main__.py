"""Run the benchmarks; see the package for what they are."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import os
import pkgutil
import re
import statistics
import sys
import time

import benchmarks
from benchmarks import Benchmark
from benchmarks._instructions import chosen, hold, in_words, require_held, require_isa
from benchmarks._worker import Worker

SEED = 1984
"""Of the data that both sides compute with."""


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=benchmarks.__doc__.split("\n")[0]
    )
    parser.add_argument("names", nargs="*", help="only benchmarks whose name begins with one of these")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument("--list", action="store_true", help="names only")
    parser.add_argument("--record", action="store_true", help="keep them in data/results/benchmarks.json")
    parser.add_argument("--runs", type=int, default=1, help="measure each so often; the median counts")
    choice = parser.parse_args()

    if choice.runs < 1:
        sys.exit(f"--runs is {choice.runs}; it should be at least 1.")

    threads = os.environ.get("BENCH_THREADS", "2")
    if not threads.isdecimal() or int(threads) < 1:
        sys.exit(f"BENCH_THREADS is {threads!r}; it should be a whole number, at least 1.")
    for name in ("OPENBLAS", "OMP", "MKL", "NUMEXPR", "VECLIB_MAXIMUM"):
        os.environ[f"{name}_NUM_THREADS"] = threads  # read by the processes started below
    os.environ["BENCH_THREADS"] = threads
    isa = require_isa(os.environ.get("BENCH_ISA", ""))

    found = find(choice.names)
    if choice.list:
        print("\n".join(benchmark.name for _, benchmark in found))
        return 0
    hold(isa)
    torch = [need for _, b in found for need in b.needs if need.startswith("torch") and installed(need)]
    instructions = chosen("torch") if torch else chosen()
    require_held(isa, instructions)
    if not choice.json:
        print(f"{threads} threads on each side; ratio above 1 means that ours is faster")
        print(f"instructions{', held to AVX2' if isa else ''}: {in_words(instructions)}")
    status = 0
    for module, benchmark in found:
        missing = [need for need in benchmark.needs if not installed(need)]
        if missing:
            print(
                f"{benchmark.name} needs {', '.join(missing)}: python -m pip install {' '.join(missing)}",
                file=sys.stderr,
            )
            status = 1
            continue
        runs = [measure(module, benchmark) for _ in range(choice.runs)]
        result = middle(runs) | {"instructions": instructions}
        if choice.record:
            keep(result, isa)
        print(json.dumps(result) if choice.json else table_line(benchmark, result), flush=True)
    return status


def find(names: list[str]) -> list[tuple[str, Benchmark]]:
    """The benchmarks whose name begins with one of ``names`` (all, if none), each with its module."""
    files = sorted(m.name for m in pkgutil.iter_modules(benchmarks.__path__) if not m.name.startswith("_"))
    every = []
    for file in files:
        module = f"benchmarks.{file}"
        listed = getattr(importlib.import_module(module), "BENCHMARKS", [])
        every += [(module, benchmark) for benchmark in listed]
    for name in names:
        if not any(benchmark.name.startswith(name) for _, benchmark in every):
            known = ", ".join(benchmark.name for _, benchmark in every)
            sys.exit(f"no benchmark's name begins with {name!r}; there are {known}.")
    return [(m, b) for m, b in every if not names or b.name.startswith(tuple(names))]


def installed(need: str) -> bool:
    return importlib.util.find_spec(re.split(r"[=<>~!\[]", need)[0].replace("-", "_")) is not None


def measure(module: str, benchmark: Benchmark) -> dict:
    """Let both sides take turns; return the medians of their rates and the ratio of these."""
    sides = {side: Worker(module, benchmark.name, side) for side in ("ours", "peer")}
    try:
        for worker in sides.values():
            worker.ask("turn")  # the first turn warms up, and is not counted
        rates: dict[str, list[float]] = {side: [] for side in sides}
        for _ in range(benchmark.turns):
            for side, worker in sides.items():
                time.sleep(0.02)  # until the other side's threads have gone to sleep
                rates[side].append(worker.ask("turn"))
    finally:
        for worker in sides.values():
            worker.close()
    ours, peer = statistics.median(rates["ours"]), statistics.median(rates["peer"])
    result = {
        "name": benchmark.name,
        "ours": round(ours, 1),
        "peer": round(peer, 1),
        "unit": f"{benchmark.unit}/s",
        "ratio": round(ours / peer, 3),
        "against": benchmark.against,
        "threads": int(os.environ["BENCH_THREADS"]),
    }
    if benchmark.report is not None:
        reporter = Worker(module, benchmark.name, "report")
        result.update(reporter.ask("report"))
        reporter.close()
    return result


def middle(runs: list[dict]) -> dict:
    """The run with the median ratio (of an even number, the lower of the two), and the ratios of all."""
    runs = sorted(runs, key=lambda run: run["ratio"])
    return runs[(len(runs) - 1) // 2] | {"ratios": [run["ratio"] for run in runs]}


def keep(result: dict, isa: str) -> None:
    """Put a result into data/results/benchmarks.json, beside those of other rows and settings."""
    from common.book.results import record_run

    result, command = dict(result), f'make bench ARGS="--record --runs {len(result["ratios"])}"'
    name, threads = result.pop("name"), result.pop("threads")
    where = isa or "native", str(threads), name
    record_run("benchmarks", *where, result=result, seed=SEED, command=command)


def table_line(benchmark: Benchmark, result: dict) -> str:
    usual = ("name", "ours", "peer", "unit", "ratio", "ratios", "against", "threads", "instructions")
    more = "".join(f"  {name}: {value}" for name, value in result.items() if name not in usual)
    return (
        f"{result['name']:<24} ours {result['ours']:>13,.0f}  {benchmark.against} {result['peer']:>13,.0f} "
        f"{result['unit']:<12} ratio {result['ratio']:.2f}{more}"
    )


if __name__ == "__main__":
    sys.exit(main())
