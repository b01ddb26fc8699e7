"""A process for one side of a benchmark."""

from __future__ import annotations

import importlib
import multiprocessing
import sys
import time
from multiprocessing.connection import Connection
from typing import Any

from benchmarks._instructions import require_no_avx512


class Worker:
    """One side, in a process of its own."""

    def __init__(self, module: str, name: str, side: str) -> None:
        context = multiprocessing.get_context(
            "spawn"
        )  # a fresh Python: nothing inherited, threads as set above
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=serve, args=(theirs, module, name, side), daemon=True)
        self.process.start()
        theirs.close()

    def ask(self, request: str) -> Any:
        try:
            self.pipe.send(request)
            return self.pipe.recv()
        except (EOFError, OSError):
            sys.exit("a benchmark failed; its error is above.")

    def close(self) -> None:
        self.pipe.close()
        self.process.join(timeout=10)
        if self.process.is_alive():
            self.process.terminate()


def serve(pipe: Connection, module: str, name: str, side: str) -> None:
    """Do what is asked for until the pipe is closed."""
    benchmark = next(b for b in importlib.import_module(module).BENCHMARKS if b.name == name)
    if side == "report":
        pipe.recv()
        pipe.send(benchmark.report())
        return
    work = getattr(benchmark, side)()
    while True:
        try:
            request = pipe.recv()
        except EOFError:
            return
        if request == "facts":  # what some sides know of themselves besides
            pipe.send(work.facts)
            continue
        done, start = 0.0, time.perf_counter()
        while (seconds := time.perf_counter() - start) < benchmark.seconds:
            done += work()
        require_no_avx512(f"{name}, {side},", seconds)
        pipe.send(done / seconds)
