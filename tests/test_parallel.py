"""Work by pieces: every row once, on several threads, with the caller's settings; errors come back."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from common.support import parallel
from common.support.parallel import by_rows, threads

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(params=[1, 2, 3])
def workers(request, monkeypatch):
    monkeypatch.setattr(parallel, "PIECE", 10)
    monkeypatch.setattr(parallel, "THREADS", request.param)
    parallel.workers.cache_clear()
    yield request.param
    parallel.workers.cache_clear()


@pytest.mark.parametrize("shape", [(0, 5), (1, 1000), (4, 5), (7, 3), (100,), (101, 1), (2, 50), (13, 2, 4)])
def test_every_row_is_done_once_with_the_same_bits(workers, shape):
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    y, times = np.zeros_like(x), np.zeros(len(x), dtype=int)

    def work(rows):
        times[rows] += 1
        np.exp(x[rows], out=y[rows])

    by_rows(work, x)
    assert (times == 1).all() and np.array_equal(y, np.exp(x))


def test_several_threads_take_part(workers):
    names = set()
    all_have_begun = threading.Barrier(workers)

    def work(rows):
        name = threading.current_thread().name
        if name not in names:
            names.add(name)
            all_have_begun.wait(timeout=60)

    by_rows(work, np.zeros((100, 3)))
    assert threading.current_thread().name in names
    assert len(names) == workers


def test_an_error_in_any_thread_reaches_the_caller(workers):
    def work(rows):
        if rows.stop == 100:
            raise OSError("the last rows")

    with pytest.raises(OSError, match="the last rows"):
        by_rows(work, np.zeros((100, 3)))


def test_settings_of_the_caller_hold_in_every_thread(workers):
    x = np.full((100, 3), 1e30, dtype=np.float32)
    with np.errstate(over="ignore"):  # a warning would be an error here
        by_rows(lambda rows: x[rows] * x[rows], x)
    with pytest.warns(RuntimeWarning), np.errstate(over="warn"):
        by_rows(lambda rows: x[rows] * x[rows], x)


def test_as_many_threads_as_the_matrix_products_have(monkeypatch):
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "3")
    assert threads() == 3
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "many")
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert threads() == 2


def test_one_thread_or_four_train_to_the_same_bits():
    code = (
        "import numpy as np, zlib\n"
        "from common.support import parallel\n"
        "from common.layers import SoftmaxWithLoss\n"
        "from common.optimizers import Adam\n"
        "rng = np.random.default_rng(0)\n"
        "x, t = rng.standard_normal((200, 4000), dtype=np.float32), rng.integers(0, 4000, 200)\n"
        "layer, adam = SoftmaxWithLoss(), Adam(0.1)\n"
        "for _ in range(2):\n"
        "    layer.forward(x, t)\n"
        "    adam.update([x], [layer.backward()])\n"
        "print(parallel.THREADS, zlib.crc32(x))"
    )
    said = [
        subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"OMP_NUM_THREADS": n, "OPENBLAS_NUM_THREADS": n, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
        for n in ("1", "4")
    ]
    assert [n for n, _ in said] == ["1", "4"]
    assert said[0][1] == said[1][1]
