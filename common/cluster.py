"""More than one machine: a client of Dask's scheduler, to which work can be handed.

    with cluster() as client:
        future = client.submit(function, argument)   # runs in another process, perhaps on another machine
        future.result()

A **scheduler** keeps the list of what is to be done, **workers** do it, and the **client**, this program,
asks for it. A worker that dies is noticed, and what it was doing, or had done and not handed on, is done
again by another. So what is handed over should be a function of its arguments and nothing else: done twice,
it has to give the same. Dask does all of that; here is only how the book begins and ends with it.

``BOOK_SCHEDULER=tcp://ADDRESS:PORT`` names a scheduler that is running already. Without it, a scheduler and
workers are started on this machine, and end with the ``with``. Each of these workers begins by importing
the program that asks for it: a script has to do its work below ``if __name__ == "__main__":``. (A notebook
need not.)
"""

from __future__ import annotations

import logging
import os
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, TypeVar, cast

from common.support.require import require_count, require_positive

if TYPE_CHECKING:
    from distributed import Client, LocalCluster

Result = TypeVar("Result")

WAIT = 30.0
"""Seconds for which an answer of the scheduler is waited for."""

# A worker computes on one thread, and keeps the memory of its arrays for the next ones, as `make` has it.
ENVIRONMENT = {
    **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"),
    "MALLOC_TRIM_THRESHOLD_": "268435456",
    "MALLOC_MMAP_THRESHOLD_": "33554432",
}
SETTINGS: dict[str, Any] = {
    "distributed.nanny.pre-spawn-environ": ENVIRONMENT,
    # A task is given up after so many workers have died of it, or beside it: people kill workers here.
    "distributed.scheduler.allowed-failures": 100,
    # On a busy machine, a worker takes long to begin anew.
    "distributed.deploy.lost-worker-timeout": "60s",
    # Weights are sent with each step; that they are large is no news.
    "distributed.admin.large-graph-warning-threshold": "1GB",
}
# Ctrl-C in a terminal reaches the workers, too; it is this program that decides when they end.
LEAVE_CTRL_C = "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"


@contextmanager
def cluster(workers: int = 2, wait: float = WAIT) -> Iterator[Client]:
    """A client of the scheduler that ``BOOK_SCHEDULER`` names, or of one on this machine.

    Parameters
    ----------
    workers : int
        How many processes to start on this machine. A scheduler that is running has its own.
    wait : float
        Seconds for which an answer of the scheduler is waited for, now and whenever it is lost.

    Raises
    ------
    ValueError
        ``BOOK_SCHEDULER`` is no address.
    ConnectionError
        Nobody answers there.
    """
    require_count("workers", workers)
    require_positive("wait", wait)
    address = os.environ.get("BOOK_SCHEDULER", "").strip()
    if address and not re.fullmatch(r"(tcp|tls)://[^\s/]+:\d+", address):
        raise ValueError(
            f"BOOK_SCHEDULER is {address!r}; it should be an address like tcp://192.168.1.10:8786."
        )
    import dask  # here: the import takes a second
    from distributed import Client, LocalCluster

    with ExitStack() as stack:
        # Dask's files go last of all, when nobody writes there any more.
        folder = stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
        stack.enter_context(dask.config.set(SETTINGS | {"temporary-directory": folder}))
        stack.enter_context(quiet())
        here = None
        if not address:
            stack.enter_context(same_environment())
            here = stack.enter_context(
                LocalCluster(
                    n_workers=workers,
                    threads_per_worker=1,
                    dashboard_address="127.0.0.1:0",  # any port: the usual one may be taken
                    local_directory=folder,
                    silence_logs=logging.CRITICAL,
                    preload=[LEAVE_CTRL_C],
                )
            )
            stack.enter_context(refilled(here, workers))
        try:
            client = stack.enter_context(Client(address or here, timeout=wait, direct_to_workers=True))
        except OSError:  # a TimeoutError is one
            raise ConnectionError(
                f"nobody answers at {address} (BOOK_SCHEDULER) within {wait:g} seconds; a scheduler is "
                "started by: python -m dask scheduler."
            ) from None
        yield client


def lasting(client: Client, work: Callable[[], Result]) -> Result:
    """``work()``; if the scheduler is lost meanwhile, it is waited for, and ``work()`` is called again.

    Workers that die are the scheduler's business. When the scheduler itself dies, it takes with it what it
    knew, and the futures that this program holds will never come true. Another one at the same address knows
    nothing of them: all has to be handed over anew.

    Parameters
    ----------
    client : distributed.Client
    work : function
        Hands tasks to the client and waits for them. Called twice, it has to give the same.

    Raises
    ------
    ConnectionError
        The scheduler did not come back within the client's time.
    """
    from distributed import CancelledError
    from distributed.client import ClosedClientError
    from distributed.comm import CommClosedError

    while True:
        try:
            return work()
        except (CancelledError, ClosedClientError, CommClosedError) as error:
            if isinstance(error, CancelledError) and client.status == "running" and not lost(error):
                raise  # somebody has cancelled it
            while client.status == "connecting":  # Dask tries, for as long as it was told to
                time.sleep(0.1)
            if client.status != "running":
                raise ConnectionError(
                    "the scheduler is gone and did not come back; what was saved can be gone on with, by the "
                    "same command."
                ) from None


def lost(error: BaseException) -> bool:
    """Whether futures were cancelled because the scheduler was lost, and not by somebody."""
    return "lost" in str(error)


@contextmanager
def refilled(here: LocalCluster, workers: int) -> Iterator[None]:
    """Inside ``with``, there are as many workers again, however they end. Dask itself replaces those that die
    at work, and not those that die while they begin."""
    from distributed.core import Status
    from tornado.ioloop import PeriodicCallback

    def refill() -> None:
        for name, keeper in list(here.workers.items()):
            if keeper.status in (Status.failed, Status.closed):
                del here.workers[name]
        here.scale(workers)

    again, loop = PeriodicCallback(refill, 500), cast(Any, here.loop)
    loop.add_callback(again.start)
    try:
        yield
    finally:
        loop.add_callback(again.stop)


@contextmanager
def quiet() -> Iterator[None]:
    """Inside ``with``, Dask does not report what the book's own sentences say."""
    logger = logging.getLogger("distributed")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)


@contextmanager
def same_environment() -> Iterator[None]:
    """Put back at the end what Dask has set for its workers in the environment of this process, too."""
    names = (*ENVIRONMENT, "PYTHONHASHSEED", "__DASK_PARENT_PID")
    before = {name: os.environ.get(name) for name in names}
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
