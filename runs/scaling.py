"""Many processes, as chapter 17 has them: what killing them does, a text larger than memory, what steps cost.

    python -m runs.scaling kills [counting] [training] [slow] [trainers] [schedulers]
    python -m runs.scaling count [FOLDER]
    python -m runs.scaling speed

``kills`` kills workers, trainers and schedulers (signal 9) at random moments, holds up workers, and compares
what was counted and learned with what comes out when nobody is killed, bit for bit. ``count`` makes a text of
5.4 GB in a new folder of FOLDER (of data/cache without one), counts it with two workers, and deletes it; it
needs 20 GB of disk. ``speed`` times steps of training by shares, and messages. All add what they measured to
data/results/scaling.json.

``python -m runs.scaling trainer FILE`` is what ``kills`` kills: a training that goes on from FILE.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil
from scipy import sparse

from common.batches import Shuffled
from common.book.results import record_run
from common.cluster import cluster
from common.datasets import load_reviews
from common.distributed_training import DataParallel
from common.layers import Dropout, Make, ReLU, count_parameters
from common.models.classifiers import Classifier
from common.optimizers import SGD, Adam
from common.support.files import read_npz
from common.training import Trainer, train_step
from common.vectors import cooccurrence, parallel_cooccurrence

if TYPE_CHECKING:
    from distributed import Client

RESULTS = "scaling"
ROOT = Path(__file__).resolve().parent.parent
SEED, KILLS, RESTARTS, PAUSES = 1984, 30, 5, 10

# ---- what is counted and learned while processes die

SMALL = {"words": 1_000_000, "files": 8, "size": 10_000, "window": 2, "piece": 50_000}
STEPS, EVERY = 40, 3  # steps of a training, and how many lie between two checkpoints


def small_text(folder: Path) -> list[str]:
    """The first million words of the film reviews, in eight files."""
    reviews = load_reviews()
    ids, _ = reviews.encode(reviews.vocabulary(max_size=SMALL["size"], unknown="<unk>"))
    parts = []
    for i, part in enumerate(np.array_split(ids[: SMALL["words"]], SMALL["files"])):
        parts.append(str(folder / f"part-{i}.npy"))
        np.save(parts[-1], part)
    return parts


def count_small(client: Client, parts: list[str], folder: Path) -> sparse.csr_array:
    settings = {name: SMALL[name] for name in ("size", "window", "piece")}
    return parallel_cooccurrence(client, parts, **settings, folder=folder).matrix()


def same_counts(one: sparse.csr_array, two: sparse.csr_array) -> bool:
    """Whether two matrices have the same bits."""
    return all(
        getattr(one, name).dtype == getattr(two, name).dtype
        and getattr(one, name).tobytes() == getattr(two, name).tobytes()
        for name in ("data", "indices", "indptr")
    )


def learn(client: Client, checkpoint: str | None = None) -> dict[str, np.ndarray]:
    """Train a small network with dropout by shares; its weights and all losses."""
    rng = np.random.default_rng(SEED)
    make = Make(rng)
    x = rng.standard_normal((400, 50)).astype(np.float32)
    t = (x[:, :5].sum(axis=1) > 0).astype(int)
    model = Classifier(make.affine(50, 100), ReLU(), Dropout(0.5, rng), make.affine(100, 2))
    shared = DataParallel(model, client, 4, np.random.default_rng(SEED))
    trainer = Trainer(shared, Adam(0.01), rng)
    trainer.fit(Shuffled(x, t, 50), STEPS // 8, checkpoint, EVERY)
    return {f"{i}": param for i, param in enumerate(model.params)} | {"history": np.array(trainer.history)}


def same_arrays(one: dict[str, np.ndarray], two: dict[str, np.ndarray]) -> bool:
    return list(one) == list(two) and all(one[name].tobytes() == two[name].tobytes() for name in one)


# ---- those that kill


def safely(ask: Callable[[], Any]) -> Any:
    """What a process says of itself; None if it is gone."""
    try:
        return ask()
    except psutil.Error:
        return None


@contextmanager
def at_random_moments(
    what: Callable[..., bool], *given: Any, least: float, most: float, times: int
) -> Iterator[list[int]]:
    """Inside ``with``, ``what(*given)`` is called so many seconds after the call before; how often it has
    returned True is the length of the list. The last of what is given draws the moments."""
    done: list[int] = []
    over = threading.Event()

    def go_on() -> None:
        while len(done) < times and not over.wait(given[-1].uniform(least, most)):
            if what(*given):
                done.append(1)

    thread = threading.Thread(target=go_on, daemon=True)
    thread.start()
    try:
        yield done
    finally:
        over.set()
        thread.join()


def a_worker(client: Client, rng: np.random.Generator) -> int | None:
    """The process of a worker that is at work; None if there is none."""
    found = sorted(client.run(os.getpid, on_error="ignore").values())
    return int(rng.choice(found)) if found else None


def kill_a_worker(client: Client, rng: np.random.Generator) -> bool:
    """With signal 9."""
    pid = a_worker(client, rng)
    return pid is not None and send(pid, signal.SIGKILL)


def hold_up_a_worker(client: Client, rng: np.random.Generator) -> bool:
    """For a second."""
    pid = a_worker(client, rng)
    if pid is None or not send(pid, signal.SIGSTOP):
        return False
    time.sleep(1)
    return send(pid, signal.SIGCONT)


def send(pid: int, what: signal.Signals) -> bool:
    """A signal to a process, if it is there."""
    try:
        os.kill(pid, what)
    except ProcessLookupError:
        return False
    return True


class Machines:
    """A scheduler and two workers, each a process of its own that is started anew whenever it ends: as on
    machines of which each has such a loop. Inside ``with``, ``BOOK_SCHEDULER`` names the scheduler."""

    def __init__(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.address = f"tcp://127.0.0.1:{port}"
        dask = [sys.executable, "-m", "dask"]
        place = ["--host", "127.0.0.1", "--no-dashboard"]
        self.commands = {"scheduler": [*dask, "scheduler", "--port", str(port), *place]}
        self.folder = tempfile.mkdtemp()
        for i in range(2):
            self.commands[f"worker {i}"] = [
                *(*dask, "worker", self.address, "--nthreads", "1", "--no-nanny", *place),
                *("--local-directory", self.folder, "--death-timeout", "60"),
            ]
        self.running: dict[str, subprocess.Popen] = {}
        self.over = threading.Event()

    def keep(self, name: str) -> None:
        """Start a process, and again when it has ended."""
        ours = {"PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"}
        ours["DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES"] = "100"
        while not self.over.is_set():
            process = subprocess.Popen(
                self.commands[name],
                cwd=ROOT,
                env={**os.environ, **ours},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            self.running[name] = process
            if self.over.is_set():
                process.kill()
            process.wait()

    def kill(self, name: str) -> bool:
        process = self.running.get(name)
        if process is None or process.poll() is not None:
            return False
        process.kill()
        return True

    def __enter__(self) -> Machines:
        self.before = os.environ.get("BOOK_SCHEDULER")
        os.environ["BOOK_SCHEDULER"] = self.address
        self.threads = [threading.Thread(target=self.keep, args=(name,)) for name in self.commands]
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        del os.environ["BOOK_SCHEDULER"]
        if self.before is not None:
            os.environ["BOOK_SCHEDULER"] = self.before
        self.over.set()
        for name in list(self.running):
            self.kill(name)
        for thread in self.threads:
            thread.join()
        shutil.rmtree(self.folder, ignore_errors=True)


# ---- kills


def counting_kills(rng: np.random.Generator, counted: Any, learned: Any, parts: list[str]) -> dict[str, Any]:
    """Workers are killed while they count, in as many runs as it takes for half of the kills."""
    result = {"kills": 0, "counts": 0, "same": 0}
    with cluster(2, wait=120) as client, tempfile.TemporaryDirectory() as folder:
        while result["kills"] < KILLS // 2:
            left = KILLS // 2 - result["kills"]
            with at_random_moments(kill_a_worker, client, rng, least=0.1, most=2, times=left) as done:
                again = count_small(client, parts, Path(folder) / f"{result['counts']}")
            result["kills"] += len(done)
            result["counts"] += 1
            result["same"] += same_counts(counted, again)
            print(f"counting: {result}", flush=True)
    return result


def training_kills(rng: np.random.Generator, counted: Any, learned: Any, parts: list[str]) -> dict[str, Any]:
    """Workers are killed while they learn, the other half of the kills."""
    result = {"kills": 0, "trainings": 0, "same": 0}
    with cluster(2, wait=120) as client:
        while result["kills"] < KILLS - KILLS // 2:
            left = KILLS - KILLS // 2 - result["kills"]
            with at_random_moments(kill_a_worker, client, rng, least=0.1, most=2, times=left) as done:
                result["same"] += same_arrays(learned, learn(client))
            result["kills"] += len(done)
            result["trainings"] += 1
            print(f"training: {result}", flush=True)
    return result


def held_up(rng: np.random.Generator, counted: Any, learned: Any, parts: list[str]) -> dict[str, Any]:
    """Workers that are slow, because somebody stops them for a second now and then."""
    result = {"pauses": 0, "trainings": 0, "same": 0}
    with cluster(2, wait=120) as client:
        while result["pauses"] < PAUSES:
            left = PAUSES - result["pauses"]
            with at_random_moments(hold_up_a_worker, client, rng, least=0.1, most=2, times=left) as done:
                result["same"] += same_arrays(learned, learn(client))
            result["pauses"] += len(done)
            result["trainings"] += 1
            print(f"slow workers: {result}", flush=True)
    return result


def start_and_kill(file: Path, rng: np.random.Generator, kill: bool) -> bool:
    """Start a trainer, and kill it some time after it has begun; False if it has ended before."""
    command = [sys.executable, "-m", "runs.scaling", "trainer", str(file)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        child.stdout.readline()  # the moments before are the same each time
        try:
            child.wait(rng.uniform(0, 2) if kill else None)
        except subprocess.TimeoutExpired:
            child.kill()
            return True
    if child.returncode:
        raise RuntimeError(f"the trainer ended with {child.returncode}.")
    return False


def trainer_kills(rng: np.random.Generator, counted: Any, learned: Any, parts: list[str]) -> dict[str, Any]:
    """The program that trains is killed, and started again, until it has been killed often enough."""
    result = {"kills": 0, "trainings": 0, "same": 0, "starts": 0}
    with Machines(), tempfile.TemporaryDirectory() as folder:
        while result["kills"] < KILLS:
            file = Path(folder) / f"{result['trainings']}.checkpoint.npz"
            while start_and_kill(file, rng, result["kills"] < KILLS):
                result["kills"] += 1
                result["starts"] += 1
            result["starts"] += 1
            result["trainings"] += 1
            result["same"] += same_arrays(learned, read_npz(file.with_suffix(".result.npz")))
            print(f"trainers: {result}", flush=True)
    return result


def trainer(file: str) -> None:
    """What is killed there."""
    print("begin", flush=True)
    with cluster(wait=120) as client:
        learned = learn(client, file)
    np.savez(Path(file).with_suffix(".result.npz"), **learned)


def scheduler_kills(rng: np.random.Generator, counted: Any, learned: Any, parts: list[str]) -> dict[str, Any]:
    """The scheduler is killed while it counts or learns, and comes back at the same address, knowing nothing;
    its workers end by themselves, and are started anew."""
    result = {"kills": 0, "counts": 0, "trainings": 0, "same": 0}
    with Machines() as machines, cluster(wait=120) as client, tempfile.TemporaryDirectory() as folder:
        while result["kills"] < RESTARTS:
            name = "trainings" if result["trainings"] < result["counts"] else "counts"

            def kill(rng: np.random.Generator) -> bool:
                return machines.kill("scheduler")

            with at_random_moments(kill, rng, least=0.5, most=5, times=1) as done:
                if name == "counts":
                    again = count_small(client, parts, Path(folder) / f"{result[name]}")
                    same = same_counts(counted, again)
                else:
                    same = same_arrays(learned, learn(client))
            result["kills"] += len(done)
            result[name] += 1
            result["same"] += same
            print(f"schedulers: {result}", flush=True)
    return result


def kills(parts: list[str]) -> None:
    """Each of these, and what it has found; nobody is killed while it is found out what is right."""
    rng = np.random.default_rng(SEED)
    with tempfile.TemporaryDirectory() as folder:
        files = small_text(Path(folder))
        text = np.concatenate([np.load(file) for file in files])
        counted = cooccurrence(text, SMALL["size"], SMALL["window"])
        with cluster(2) as client:
            learned = learn(client)
        for part in parts:
            begin = time.perf_counter()
            result = DYING[part](rng, counted, learned, files)
            result |= {"seconds": time.perf_counter() - begin}
            result |= {"settings": SMALL | {"steps": STEPS, "checkpoint_every": EVERY}}
            command = f"python -m runs.scaling kills {part}"
            record_run(RESULTS, "kills", part, result=result, seed=SEED, command=command)


DYING = {
    "counting": counting_kills,
    "training": training_kills,
    "slow": held_up,
    "trainers": trainer_kills,
    "schedulers": scheduler_kills,
}


# ---- count

LARGE = {"files": 20, "words": 1 << 26, "size": 10_000, "window": 2, "changed": 0.05, "piece": 1 << 24}


def large_file(words: np.ndarray, i: int) -> np.ndarray:
    """File ``i`` of a text larger than memory: the reviews again and again, each time from another place, and
    one word in 20 replaced by another that is drawn from them."""
    rng = np.random.default_rng([SEED, i])
    first = int(rng.integers(len(words)))
    text = np.resize(np.roll(words, -first), LARGE["words"])
    places = rng.integers(len(text), size=int(LARGE["changed"] * len(text)))
    text[places] = words[rng.integers(len(words), size=len(places))]
    return text


@contextmanager
def watched_memory() -> Iterator[dict[str, float]]:
    """The largest sum of what this program and those that it has started have in memory, in bytes."""
    found = {"peak": 0.0}
    over = threading.Event()

    def look() -> None:
        me = psutil.Process()
        while not over.wait(0.1):
            sizes = [safely(p.memory_info) for p in [me, *me.children(recursive=True)]]
            found["peak"] = max(found["peak"], sum(size.rss for size in sizes if size))

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        over.set()
        thread.join()


def count(folder: Path) -> None:
    """Make the text, count it in processes of their own, and delete it."""
    folder.mkdir(parents=True)  # a new one: it is deleted
    reviews = load_reviews()
    words, _ = reviews.encode(reviews.vocabulary(max_size=LARGE["size"], unknown="<unk>"))
    try:
        parts = [str(folder / f"part-{i}.npy") for i in range(LARGE["files"])]
        for i, part in enumerate(parts):
            np.save(part, large_file(words, i))
        del reviews, words
        # In a process of its own: this one has had the reviews in memory.
        command = [sys.executable, "-m", "runs.scaling", "counting", str(folder)]
        if subprocess.run(command, cwd=ROOT).returncode:
            sys.exit("the counting has failed.")
        command[3] = "alone"
        if subprocess.run(command, cwd=ROOT).returncode:
            sys.exit("the counting in one process has failed.")
    finally:
        shutil.rmtree(folder)


def counting(folder: Path) -> None:
    """Count what ``count`` has made, and see how much memory that takes."""
    parts = [str(folder / f"part-{i}.npy") for i in range(LARGE["files"])]
    settings = {name: LARGE[name] for name in ("size", "window", "piece")}
    begin = time.perf_counter()
    with watched_memory() as memory, cluster(2) as client:
        before = sum(client.run(time.process_time).values()) + time.process_time()
        rows = parallel_cooccurrence(client, parts, **settings, folder=folder / "counts")
        cpu = sum(client.run(time.process_time).values()) + time.process_time() - before
        seconds = time.perf_counter() - begin
        entries = total = 0
        for block in rows:
            entries, total = entries + block.nnz, total + block.sum()
    length = LARGE["files"] * LARGE["words"]
    right = total == 2 * sum(length - d for d in range(1, LARGE["window"] + 1))
    result = {
        "words": length,
        "bytes": sum(os.path.getsize(part) for part in parts),
        "entries": entries,
        "all_pairs_counted": bool(right),
        "rows_right": rows_right(rows, parts),
        "peak_bytes": memory["peak"],
        "seconds": seconds,
        "processor_seconds": cpu,
        "words_per_second": length / seconds,
        "words_per_processor_second": length / cpu,
        "settings": LARGE,
    }
    print(result, flush=True)
    record_run(
        RESULTS, "count", "two workers", result=result, seed=SEED, command="python -m runs.scaling count"
    )


def rows_right(rows: Any, parts: list[str], chosen: tuple[int, ...] = (7, 1234, 9999)) -> bool:
    """Whether the rows of some words are what a look at each of their places gives."""
    found = {word: np.zeros(LARGE["size"]) for word in chosen}
    window, before = LARGE["window"], np.zeros(0, np.int32)
    for i, part in enumerate(parts):
        after = np.load(parts[i + 1], mmap_mode="r")[:window] if i + 1 < len(parts) else before[:0]
        text = np.concatenate([before, np.load(part), after])
        own = slice(len(before), len(text) - len(after))
        for word in chosen:
            places = np.flatnonzero(text[own] == word) + len(before)
            for d in (*range(-window, 0), *range(1, window + 1)):
                near = places + d
                near = near[(near >= 0) & (near < len(text))]
                found[word] += np.bincount(text[near], minlength=LARGE["size"])
        before = text[own][-window:]
    first, right = 0, True
    for block in rows:
        for word in chosen:
            if first <= word < first + block.shape[0]:
                right &= np.array_equal(block[[word - first]].toarray()[0], found[word])
        first += block.shape[0]
    return bool(right)


def alone(folder: Path) -> None:
    """Count one of the files in memory, in one process."""
    ids = np.load(folder / "part-0.npy")
    cooccurrence(ids[:100_000], LARGE["size"], LARGE["window"])
    begin, cpu = time.perf_counter(), time.process_time()
    with watched_memory() as memory:
        counts = cooccurrence(ids, LARGE["size"], LARGE["window"])
    seconds, cpu = time.perf_counter() - begin, time.process_time() - cpu
    result = {
        "words": len(ids),
        "entries": counts.nnz,
        "peak_bytes": memory["peak"],
        "seconds": seconds,
        "processor_seconds": cpu,
        "words_per_second": len(ids) / seconds,
        "words_per_processor_second": len(ids) / cpu,
    }
    print(result, flush=True)
    record_run(
        RESULTS, "count", "one process", result=result, seed=SEED, command="python -m runs.scaling count"
    )


# ---- speed

SIZES = (256, 1024)  # neurons of the hidden layer
BATCHES = (256, 2048)
MESSAGES = (1_000, 100_000, 1_000_000, 10_000_000)  # bytes


def timed(work: Callable[[], Any], least: int = 5, seconds: float = 1.0) -> float:
    """The median time of a call, after one that does not count."""
    work()
    times: list[float] = []
    while len(times) < least or sum(times) < seconds:
        begin = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin)
    return float(np.median(times))


def length(value: np.ndarray) -> int:
    return len(value)


def speed() -> None:
    """Steps of a network with one hidden layer, and messages."""
    found: dict[str, Any] = {"steps": [], "messages": []}
    rng = np.random.default_rng(SEED)
    with cluster(2) as client:
        for size in MESSAGES:
            data = rng.bytes(size)
            there = timed(lambda data=data: client.submit(length, data, pure=False).result())
            made = client.submit(rng.bytes, size, pure=False)
            made.result()
            back = timed(lambda made=made: client.gather(made))
            found["messages"].append({"bytes": size, "there_seconds": there, "back_seconds": back})
            print(found["messages"][-1], flush=True)
        for H in SIZES:
            for N in BATCHES:
                make = Make(rng)
                model = Classifier(make.affine(784, H), ReLU(), make.affine(H, 10))
                x, t = rng.random((N, 784), dtype=np.float32), rng.integers(10, size=N)
                step = {"H": H, "N": N, "bytes": 4 * count_parameters(model)}
                step["alone"] = timed(partial(train_step, model, SGD(0.01), x, t))
                for parts in (1, 2):
                    shared = DataParallel(model, client, parts)
                    step[f"shares_{parts}"] = timed(partial(train_step, shared, SGD(0.01), x, t))
                found["steps"].append(step)
                print(step, flush=True)
    record_run(RESULTS, "speed", result=found, seed=SEED, command="python -m runs.scaling speed")


def main() -> None:
    place = ROOT / "data" / "cache"
    word, *more = [*sys.argv[1:], "missing"][: max(len(sys.argv) - 1, 1)]
    if word == "kills" and not set(more) - set(DYING):
        kills(more or list(DYING))
    elif word == "speed" and not more:
        speed()
    elif word == "count" and len(more) < 2:
        count((Path(more[0]) if more else place) / "scaling-text")
    elif word in ("trainer", "counting", "alone") and len(more) == 1:
        {"trainer": trainer, "counting": lambda f: counting(Path(f)), "alone": lambda f: alone(Path(f))}[
            word
        ](more[0])
    else:
        sys.exit(f"the words are {' '.join([word, *more])}; they should be kills, count or speed.")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("Stopped; the same command begins anew, and the files of count are deleted.")
