"""Work by pieces: every row once, on several threads, with the caller's settings; errors come back."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from common.support import parallel
from common.support.parallel import by_rows, each, threads

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


@pytest.mark.parametrize("count", [0, 1, 2, 7])
def test_results_come_in_the_order_of_the_pieces(workers, count):
    assert each(lambda piece: (piece, piece**2), range(count)) == [(i, i**2) for i in range(count)]


def test_each_core_takes_a_piece_and_matrix_products_stay_on_it(workers):
    all_have_begun = threading.Barrier(workers)
    before = [library["num_threads"] for library in threadpool_info()]

    def work(piece):
        all_have_begun.wait(timeout=60)  # each of so many threads is at a piece of its own
        return [library["num_threads"] for library in threadpool_info()]

    during = each(work, range(workers))
    assert workers == 1 or {count for counts in during for count in counts} == {1}
    assert [library["num_threads"] for library in threadpool_info()] == before


def test_pieces_within_a_piece_are_done_by_the_core_that_has_it(workers):
    assert each(lambda i: each(lambda j: 10 * i + j, range(3)), range(3)) == [
        [0, 1, 2],
        [10, 11, 12],
        [20, 21, 22],
    ]


def test_after_an_error_pieces_are_shared_out_again(workers):
    def work(piece):
        if piece == 4:
            raise OSError("the last piece")
        return threading.current_thread().name

    with pytest.raises(OSError, match="the last piece"):
        each(work, range(5))
    assert not parallel.SHARING.locked()


def test_as_many_threads_as_the_matrix_products_have(monkeypatch):
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "3")
    assert threads() == 3
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "many")
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert threads() == 2


def bits(code, threads):
    """What ``code`` prints in a process with so many threads: how many it has, and then check sums."""
    environment = {"OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    count, *sums = done.stdout.split()
    assert count == threads
    return sums


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
    assert bits(code, "1") == bits(code, "4")


def test_one_thread_or_more_see_the_same_bits_in_pictures():
    code = (
        "import numpy as np, zlib\n"
        "from common.support import parallel\n"
        "from common.layers import Convolution, MaxPooling\n"
        "rng = np.random.default_rng(0)\n"
        "normal = lambda *shape: rng.standard_normal(shape, dtype=np.float32)\n"
        "one = Convolution(normal(30, 1, 5, 5), normal(30), first=True)\n"
        "two = Convolution(normal(16, 30, 3, 3), normal(16), padding=1)\n"
        "pooling = MaxPooling(2)\n"
        "y = two.forward(pooling.forward(one.forward(normal(60, 1, 28, 28))))\n"
        "dx = two.backward(normal(*y.shape))\n"
        "one.backward(pooling.backward(dx))\n"
        "arrays = (y, dx, pooling.y, *one.grads, *two.grads)\n"
        "print(parallel.THREADS, *(zlib.crc32(np.ascontiguousarray(array)) for array in arrays))"
    )
    assert bits(code, "1") == bits(code, "2") == bits(code, "3")
