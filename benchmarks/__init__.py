"""The same work done by the book's code and by its peers: ``python -m benchmarks [--json] [names...]``.

One file for each subject. A file lists what it measures in ``BENCHMARKS``, a list of ``Benchmark``; it is
found by being in this folder. Files without that list, and files whose name begins with ``_``, are helpers.

Our side and the peer's side run in two processes of their own, so that neither's threads wait for the
other's, with the same number of threads (``BENCH_THREADS``, 2 unless set). They take turns: ours, peer, ours,
peer. What is compared are the medians of the turns. Machines slow down and speed up by themselves; taking
turns lets both sides have their share of it.

What is compared depends on the processor's instructions, too, and the first lines say which both sides take.
With ``BENCH_ISA=avx2`` both keep to AVX2 on a processor that has more.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Side = Callable[[], Callable[[], float]]
"""Prepares (imports, data, weights) and returns the function to time, which returns how much it did."""


@dataclass(frozen=True)
class Benchmark:
    """One comparison.

    Parameters
    ----------
    name : str
        What is typed to select it; names that begin with a given word are selected by it.
    unit : str
        Of the work done, for instance ``"examples"``: rates are printed as ``examples/s``.
    ours, peer : functions of a module
        Each prepares its side, in a process of its own, and returns the function to be timed, which returns
        the amount of work it has done, in ``unit``.
    against : str
        Who the peer is.
    needs : tuple of str
        What has to be installed for it, as pip is told: ``"torch==2.13.0"``.
    turns : int
        How many turns each side gets.
    seconds : float
        How long a turn lasts at least (the function is called again until then).
    report : function, optional
        Called at the end in a process of its own; returns a dictionary of further facts, such as the quality
        that both sides reached.
    """

    name: str
    unit: str
    ours: Side
    peer: Side
    against: str
    needs: tuple[str, ...] = ()
    turns: int = 15
    seconds: float = 0.2
    report: Callable[[], dict[str, Any]] | None = None
