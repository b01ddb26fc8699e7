"""Many processes: begun and ended with a ``with``, and killed at any moment without a bit being lost."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psutil
import pytest

from common.cluster import cluster, lasting
from common.search import search, successive_halving
from common.vectors import cooccurrence, parallel_cooccurrence
from runs import scaling
from tests.helpers import ROOT, python
from tests.test_parallel_counting import same_bits, write_parts

# One process kills another by a signal that Windows does not have.
unix = pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is a signal of Unix")


@pytest.fixture(scope="module")
def client():
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("BOOK_SCHEDULER", raising=False)
        before = set(os.environ)
        with cluster(2, wait=120) as client:
            yield client
        assert set(os.environ) == before


def text(folder):
    ids = np.random.default_rng(0).zipf(1.5, 20_000) % 50
    return ids, write_parts(folder, ids, [3000, 3001, 12_000])


def test_workers_are_other_processes_with_one_thread(client):
    found = set(client.run(os.getpid).values())
    assert len(found) == 2 and client.submit(os.getpid, pure=False).result() in found
    assert found < set(children_of(os.getpid())) and sum(client.nthreads().values()) == 2


@pytest.mark.parametrize("in_files", [False, True])
def test_counting_by_workers_has_the_bits_of_one_process(client, tmp_path, in_files):
    ids, parts = text(tmp_path)
    folder = tmp_path / "counts" if in_files else None
    counts = parallel_cooccurrence(client, parts, 50, 3, folder=folder, piece=1000)
    assert same_bits(counts.matrix() if in_files else counts, cooccurrence(ids, 50, 3))


def worth(setting, budget=1):
    """A task: how good a setting is."""
    return budget * -((setting["lr"] - 0.3) ** 2)


def test_a_search_gives_what_the_standard_library_gives(client):
    settings = [{"lr": lr} for lr in np.linspace(0, 1, 9).tolist()]
    with ThreadPoolExecutor(1) as executor:
        alone = search(worth, settings, executor), successive_halving(worth, settings, executor)
    assert (search(worth, settings, client), successive_halving(worth, settings, client)) == alone


def fails(setting):
    raise ValueError(f"lr is {setting['lr']}; it should be positive.")


def test_what_a_task_raises_is_raised_here(client):
    with pytest.raises(ValueError, match=r"lr is -1; it should be positive\."):
        search(fails, [{"lr": -1}], client)


@unix
def test_a_worker_that_dies_while_it_begins_is_replaced(client):
    """Dask leaves it at that; with both dead, all would wait for ever."""
    for _ in range(4):
        for pid in client.run(os.getpid, on_error="ignore").values():
            scaling.send(pid, signal.SIGKILL)
        pid = client.submit(os.getpid, pure=False).result()  # of the first that is there again
        scaling.send(pid, signal.SIGKILL)
    wait_for(lambda: len(client.scheduler_info()["workers"]) == 2)
    assert client.submit(pow, 2, 10, pure=False).result() == 1024


def killing(client, rng):
    """Two workers are killed, at moments that ``rng`` draws."""
    return scaling.at_random_moments(scaling.kill_a_worker, client, rng, least=0.1, most=0.5, times=2)


@unix
def test_workers_killed_while_they_count_and_learn_lose_nothing(client, tmp_path):
    ids, parts = text(tmp_path)
    whole, rng = scaling.learn(client), np.random.default_rng(0)
    with killing(client, rng) as killed:
        while len(killed) < 2:  # the scheduler may be quicker than the killer
            counts = parallel_cooccurrence(client, parts, 50, 3, piece=200)
            assert same_bits(counts, cooccurrence(ids, 50, 3))
    with killing(client, rng) as killed:
        while len(killed) < 2:
            assert scaling.same_arrays(whole, scaling.learn(client))


@unix
def test_a_trainer_killed_and_a_scheduler_killed_lose_nothing(client, tmp_path):
    """On a scheduler of its own, as another program would find it."""
    whole, file, rng = scaling.learn(client), tmp_path / "run.checkpoint.npz", np.random.default_rng(0)
    command = [sys.executable, "-m", "runs.scaling", "trainer", str(file)]
    with scaling.Machines() as machines:
        child = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
        wait_for(file.exists)
        child.kill()
        child.wait()
        again = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
        assert "Going on from" in again.stdout
        assert scaling.same_arrays(whole, scaling.read_npz(file.with_suffix(".result.npz")))
        with (
            cluster(wait=120) as other,
            scaling.at_random_moments(
                lambda rng: machines.kill("scheduler"), rng, least=0.2, most=1, times=1
            ) as killed,
        ):
            while not killed:
                assert scaling.same_arrays(whole, scaling.learn(other))


def wait_for(happens):
    for _ in range(1200):
        if happens():
            return
        time.sleep(0.1)
    raise AssertionError("nothing has happened for two minutes.")


def children_of(pid):
    return [process.pid for process in psutil.Process(pid).children(recursive=True)]


BEGIN = """
import sys, time
from common.cluster import cluster
if __name__ == "__main__":
    with cluster(2) as client:
        client.submit(pow, 2, 2).result()
        print("begun", flush=True)
        time.sleep(300)
"""


@unix
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_no_process_is_left_over(tmp_path, how):
    """Ctrl-C reaches all processes of a terminal at once; a kill reaches one, and the others see it."""
    script = tmp_path / "script.py"
    script.write_text(BEGIN)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)}
    environment.pop("BOOK_SCHEDULER", None)
    child = subprocess.Popen(
        [sys.executable, str(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,
    )
    assert child.stdout.readline() == "begun\n"
    started = children_of(child.pid)
    assert len(started) >= 2
    (os.killpg if how == signal.SIGINT else os.kill)(child.pid, how)
    errors = child.communicate()[1]
    wait_for(lambda: not any(psutil.pid_exists(pid) for pid in started))
    if how == signal.SIGINT:
        assert errors.strip().splitlines()[-1].startswith("KeyboardInterrupt")
        assert errors.count("Traceback") == 1  # of the program, and of no worker
        assert [path.name for path in tmp_path.iterdir()] == ["script.py"]


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("localhost", "BOOK_SCHEDULER is 'localhost'; it should be an address like tcp://192.168.1.10:8786."),
        ("tcp://127.0.0.1", "BOOK_SCHEDULER is 'tcp://127.0.0.1'; it should be an address"),
        ("tcp://127.0.0.1:9", "nobody answers at tcp://127.0.0.1:9 (BOOK_SCHEDULER) within 0.5 seconds"),
    ],
)
def test_a_bad_address_is_one_sentence(monkeypatch, address, sentence):
    monkeypatch.setenv("BOOK_SCHEDULER", address)
    with pytest.raises((ValueError, ConnectionError)) as caught, cluster(wait=0.5):
        pass
    assert str(caught.value).startswith(sentence) and "\n" not in str(caught.value)


@pytest.mark.parametrize("options", [{"workers": 0}, {"wait": 0}])
def test_bad_options(options):
    with pytest.raises(ValueError, match="is 0"), cluster(**options):
        pass


def test_a_scheduler_that_does_not_come_back_is_one_sentence(monkeypatch):
    with scaling.Machines() as machines, cluster(wait=120) as client:
        client.submit(pow, 2, 2).result()
        client._timeout = 1  # it will wait no longer
        machines.over.set()  # and nobody starts it again
        machines.kill("scheduler")
        with pytest.raises(ConnectionError, match="the scheduler is gone and did not come back"):
            lasting(client, lambda: client.submit(time.sleep, 100).result())


def test_work_that_is_cancelled_is_not_begun_again(client):
    calls = []

    def work():
        calls.append(1)
        future = client.submit(time.sleep, 0.5, pure=False)
        future.cancel()
        return future.result()

    with pytest.raises(BaseException, match="cancel"):
        lasting(client, work)
    assert len(calls) == 1


def test_dask_is_imported_when_a_cluster_begins_and_not_before():
    done = python("-c", "import sys, common.cluster, common.vectors, common.search; print(*sys.modules)")
    assert not {"dask", "distributed", "tornado", "cloudpickle"} & set(done.stdout.split())


def test_the_recipe_of_the_readme_names_what_is_there():
    readme = Path(ROOT / "README.md").read_text(encoding="utf-8")
    for command in ("python -m dask scheduler", "python -m dask worker", "BOOK_SCHEDULER=tcp://"):
        assert command in readme
