"""A large array, piece by piece: pieces that fit into the cache of a core, on all cores at once.

NumPy computes ``exp(x)`` of seven million numbers on one core, and hands them through main memory for each
operation in turn. Cut into pieces of a few hundred thousand bytes, the result of one operation is still in
the core's cache when the next one needs it; and while NumPy computes, Python lets other threads run, so two
cores can work on two halves. Each number is computed as before: the results are the same bits.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import cache
from threading import Lock
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from common.backend import Array, xp

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController

Piece = TypeVar("Piece")
Result = TypeVar("Result")

PIECE = 1 << 17
"""Numbers in a piece."""


def threads() -> int:
    """As many as the matrix products use: what ``OPENBLAS_NUM_THREADS`` or ``OMP_NUM_THREADS`` says, else one
    for each core."""
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
        if os.environ.get(name, "").isdecimal():
            return max(int(os.environ[name]), 1)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


THREADS = threads()

SHARING = Lock()
"""Held while pieces are shared out by ``each``."""


@cache
def libraries() -> ThreadpoolController | None:
    """What multiplies matrices for NumPy, and can be told on how many threads; None if nobody can tell it."""
    try:
        from threadpoolctl import ThreadpoolController  # here: beside a GPU it may not be installed
    except ModuleNotFoundError:
        return None
    return ThreadpoolController()


@cache
def workers(process: int) -> ThreadPoolExecutor:
    """The other threads; a process that was forked off needs its own."""
    return ThreadPoolExecutor(THREADS - 1, thread_name_prefix="pieces")


def by_rows(work: Callable[[slice], object], x: Array) -> None:
    """Call ``work(rows)`` for slices of axis 0 that together are all of ``x``, each slice once.

    Parameters
    ----------
    work : function
        Takes a slice, and changes its rows of some arrays and of nothing else. It is called from several
        threads.
    x : array
        Its shape says how many rows there are and how long each is. A small one, or one on a GPU, is done in
        one piece.
    """
    if xp is not np or x.size <= 2 * PIECE:
        work(slice(0, len(x)))
        return
    step = max(PIECE * len(x) // x.size, 1)
    pieces = iter([slice(first, min(first + step, len(x))) for first in range(0, len(x), step)])

    def take() -> None:
        for rows in pieces:  # each thread takes the next when it is done: a slow one takes fewer
            work(rows)

    together(take, x.size // PIECE)


def each(work: Callable[[Piece], Result], pieces: Sequence[Piece]) -> list[Result]:
    """``[work(piece) for piece in pieces]``, with each core at a piece of its own.

    A matrix product in ``work`` meanwhile stays on the core that has laid out what is multiplied.

    Parameters
    ----------
    work : function
        It is called from several threads, and changes nothing that it changes for another piece.
    pieces : sequence
        The same ones however many cores there are: then so are the results. As calls of NumPy that are short
        spend their time on handing over from thread to thread, they should be few and large.
    """
    alone = xp is not np or min(THREADS, len(pieces)) < 2
    control = None if alone else libraries()
    if control is None or not SHARING.acquire(blocking=False):  # or somebody else has the cores
        return [work(piece) for piece in pieces]
    results: dict[int, Result] = {}
    numbered = enumerate(pieces)

    def take() -> None:
        for i, piece in numbered:
            results[i] = work(piece)

    try:
        with control.limit(limits=1, user_api="blas"):
            together(take, len(pieces))
    finally:
        SHARING.release()
    return [results[i] for i in range(len(pieces))]


def together(take: Callable[[], None], most: int) -> None:
    """Call ``take`` in this thread and in others at the same time, ``most`` in all if there are so many."""
    others = [
        workers(os.getpid()).submit(copy_context().run, take)  # with NumPy's errstate of the caller
        for _ in range(min(THREADS, most) - 1)
    ]
    take()
    for other in others:
        if not other.cancel():  # one that has not begun comes too late
            other.result()
