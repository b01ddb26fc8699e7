"""The texts of the book: where each file comes from, and how to load it.

``data/registry.json`` says for every file its source, licence, size and sha256. :func:`path` looks for a
file in this order and hands it out only when size and sha256 are right:

1. in an installed package (the film reviews arrive this way, so that every chapter runs without a download);
2. in the folder that the environment variable ``BOOK_DATA_MIRROR`` names, a read-only copy of all files;
3. in the cache, ``data/cache`` or the folder that ``BOOK_DATA_CACHE`` names;
4. on the internet. The package pooch writes a download to a temporary file, checks it, and only then renames
   it into the cache, so that a killed program or a second one at the same time never leaves half a file.

Nothing is loaded or downloaded on import. A loader touches no random number generator and keeps nothing
between calls.
"""

from __future__ import annotations

import ast
import csv
import hashlib
import io
import json
import os
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urljoin, urlsplit

import numpy as np

from common.support.files import packaged_file
from common.text import Vocabulary, tokenize, tokenize_ascii

DATA = Path(__file__).resolve().parent.parent / "data"
REGISTRY = DATA / "registry.json"
RETRIES = 2  # of an address that does not give the right bytes
TIMEOUT = 30.0  # seconds without a byte


class DataError(RuntimeError):
    """A file could not be had, or is not the file that the registry describes."""


# ---- finding a file


def registry() -> dict[str, dict[str, Any]]:
    """The registry: for each data set its title, licence, homepage and files."""
    return json.loads(REGISTRY.read_text(encoding="utf-8"))


def path(dataset: str, file: str | None = None) -> Path:
    """Where a file of a data set lies on this machine, after fetching it when needed.

    Parameters
    ----------
    dataset : str
        A name in the registry, such as ``"ptb"``.
    file : str, optional
        One of its files; may be left out when it has only one.

    Returns
    -------
    pathlib.Path
        A file whose size and sha256 are those of the registry.

    Raises
    ------
    ValueError
        The registry knows no such data set or file.
    DataError
        The file can't be had, or a copy of it is not the right one.
    """
    entries = registry()
    if dataset not in entries:
        raise ValueError(f"dataset is {dataset!r}; it should be one of {', '.join(entries)}.")
    files = entries[dataset]["files"]
    if file is None and len(files) == 1:
        (file,) = files
    if file not in files:
        raise ValueError(f"file is {file!r}; it should be one of {', '.join(files)}.")
    entry = files[file]
    found = _packaged(entry) or _mirrored(entry)
    if found:
        fault = _fault(found, entry)
        if fault:
            raise DataError(f"{found} is not the {file} that the registry describes: {fault}.")
        return found
    cached = _cache() / entry["mirror"]
    if not cached.is_file() or _fault(cached, entry):  # truncated or changed is as good as not there
        _download(file, entry, cached)
    return cached


def _packaged(entry: dict[str, Any]) -> Path | None:
    if "package" not in entry:
        return None
    module, inside, _ = entry["package"]
    return packaged_file(module, inside)


def _mirrored(entry: dict[str, Any]) -> Path | None:
    mirror = os.environ.get("BOOK_DATA_MIRROR", "").strip()
    if not mirror:
        return None
    folder = Path(mirror).expanduser()
    if not folder.is_dir():
        raise DataError(f"BOOK_DATA_MIRROR is {mirror!r}, which is not a folder; unset it, or name one.")
    file = folder / entry["mirror"]
    return file if file.is_file() else None


def _cache() -> Path:
    return Path(os.environ.get("BOOK_DATA_CACHE", "").strip() or DATA / "cache").expanduser()


def _fault(file: Path, entry: dict[str, Any]) -> str | None:
    """In which way ``file`` differs from its registry entry; None when it does not."""
    size = file.stat().st_size
    if size != entry["size"]:
        return f"it has {size:,} bytes and should have {entry['size']:,}"
    with file.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != entry["sha256"]:
        return f"its sha256 is {found[:12]}... and should be {entry['sha256'][:12]}..."
    return None


# ---- downloading


def _download(file: str, entry: dict[str, Any], target: Path) -> None:
    """Fetch ``file`` to ``target`` from the first address that gives the right bytes."""
    import pooch  # here, because few readers ever download

    instead = f"set BOOK_DATA_MIRROR to a folder that holds {entry['mirror']}"
    if "package" in entry:
        instead = f"install the package {entry['package'][2]}, or {instead}"
    if not entry["urls"]:
        raise DataError(f"{file} has no address to download it from; {instead}.")
    pooch.get_logger().setLevel("WARNING")
    get = pooch.HTTPDownloader(timeout=TIMEOUT, chunk_size=1 << 20, hooks={"response": _check_response})
    reasons = []
    for url in entry["urls"]:
        store = pooch.create(
            path=target.parent,
            base_url="",
            registry={target.name: f"sha256:{entry['sha256']}"},
            urls={target.name: url},
            retry_if_failed=RETRIES,
        )
        try:
            _check_address(url)
            store.fetch(target.name, downloader=get)
            target.chmod(0o644)  # a temporary file is private
            return
        except Exception as error:
            reasons.append(f"{urlsplit(url).netloc}: {_reason(error, target)}")
    raise DataError(f"{file} could not be downloaded ({'; '.join(reasons)}); {instead}.")


def _reason(error: Exception, target: Path) -> str:
    """What went wrong with a download, in a few words."""
    from requests import exceptions

    kinds = {
        exceptions.SSLError: "its certificate is not one that this machine trusts",
        exceptions.ProxyError: "the proxy does not answer",
        exceptions.Timeout: f"no answer within {TIMEOUT:g} seconds",
        exceptions.ChunkedEncodingError: "the download broke off",
        exceptions.ConnectionError: "no network, or no connection",
        _Refused: str(error),
        exceptions.RequestException: f"the download failed, {error}",
        ValueError: "what arrived was wrong and was removed, its sha256 is not that of the registry",
    }
    for kind, reason in kinds.items():
        if isinstance(error, kind):
            return reason
    if isinstance(error, OSError):
        first = error.__cause__ or error  # pooch says it again, at length
        reason = f"the cache folder {target.parent} can't be written ({getattr(first, 'strerror', first)})"
        raise DataError(f"{reason}; set BOOK_DATA_CACHE to another folder.") from None
    raise error


class _Refused(Exception):
    """An answer that will not change, however often one asks."""


def _check_response(response: Any, **_: Any) -> None:
    """Called with each answer of a server, before a redirect is followed and before anything is read."""
    if response.is_redirect:
        _check_address(urljoin(response.url, response.headers["location"]))
    elif 400 <= response.status_code < 500:
        raise _Refused(f"the server answered {response.status_code} {response.reason}")


def _check_address(url: str) -> None:
    """Refuse to send or fetch anything in the clear; a server on this machine, as the tests use, is the
    exception."""
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in ("127.0.0.1", "::1")):
        raise _Refused(f"{url} is not an https address")


# ---- film reviews


@dataclass(frozen=True, eq=False)
class Reviews:
    """Film reviews: N texts, each labelled positive (1) or negative (0), and the words in them.

    ``reviews[:100]``, a boolean mask or an array of positions picks some of them and gives ``Reviews`` again.

    Attributes
    ----------
    texts : list of str
        The reviews as written, without the ``<br />`` that marked new lines.
    labels : numpy.ndarray
        int8, shape (N,).
    sources : numpy.ndarray
        str, shape (N,): ``"imdb"`` or ``"rotten_tomatoes"``, or whatever says where a text is from.
    tokenizer : function from str to list of str
        Cuts a text into words: ``list`` takes each character for one.
    """

    texts: list[str]
    labels: np.ndarray
    sources: np.ndarray
    tokenizer: Callable[[str], list[str]] = tokenize

    def __len__(self) -> int:
        return len(self.texts)

    def __repr__(self) -> str:
        parts = ", ".join(
            f"{count:,} {source}" for source, count in sorted(Counter(self.sources.tolist()).items())
        )
        return f"Reviews({len(self):,} texts: {parts or 'none'})"

    def __getitem__(self, chosen: slice | Sequence[int] | np.ndarray) -> Reviews:
        positions = np.arange(len(self))[chosen]
        if positions.ndim != 1:
            raise TypeError(f"chosen is {chosen!r}; it should be a slice, a mask or several positions.")
        texts = [self.texts[i] for i in positions]
        return Reviews(texts, self.labels[positions], self.sources[positions], self.tokenizer)

    @cached_property
    def _words(self) -> tuple[list[str], np.ndarray, np.ndarray]:
        """The types in order of appearance, the text as positions in that list, and where each review
        starts."""
        types: defaultdict[str, int] = defaultdict()
        types.default_factory = types.__len__  # a word that is new gets the next number
        numbers = [np.fromiter(map(types.__getitem__, self.tokenizer(text)), np.int32) for text in self.texts]
        starts = np.concatenate([[0], np.cumsum([len(row) for row in numbers], dtype=np.int64)])
        return list(types), np.concatenate([np.empty(0, np.int32), *numbers]), starts

    @property
    def counts(self) -> dict[str, int]:
        """How often each word type occurs."""
        types, numbers, _ = self._words
        return dict(zip(types, np.bincount(numbers, minlength=len(types)).tolist()))

    @property
    def tokens(self) -> list[str]:
        """All tokens of all reviews, one after the other."""
        types, numbers, _ = self._words
        return [types[i] for i in numbers.tolist()]

    def vocabulary(
        self,
        min_count: int = 5,
        max_size: int | None = None,
        unknown: str | None = None,
        specials: Sequence[str] = (),
    ) -> Vocabulary:
        """Make a vocabulary of the words of these reviews; see ``Vocabulary.from_counts``."""
        return Vocabulary.from_counts(self.counts, min_count, max_size, unknown, specials)

    def encode(self, vocabulary: Vocabulary, end: str | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Turn the reviews into word ids.

        A word that the vocabulary lacks becomes its unknown word; when it has none, the word is left out.

        Parameters
        ----------
        vocabulary : Vocabulary
            Gives the ids.
        end : str, optional
            A word of the vocabulary that is put after each review, such as ``"<eos>"``.

        Returns
        -------
        ids : numpy.ndarray
            int32, shape (L,): all reviews, one after the other.
        starts : numpy.ndarray
            int64, shape (N + 1,): review i is ``ids[starts[i]:starts[i + 1]]``.
        """
        types, numbers, starts = self._words
        skip = -1 if vocabulary.unknown is None else vocabulary[vocabulary.unknown]
        known = vocabulary.__contains__
        table = np.array([vocabulary[word] if known(word) else skip for word in types] or [0], np.int32)
        ids = table[numbers]
        if end is not None:
            ids = np.insert(ids, starts[1:], vocabulary[end])
            starts = starts + np.arange(len(starts))
        if skip < 0:
            kept = np.concatenate([[0], np.cumsum(ids >= 0)])  # kept[i]: how many of the first i words stay
            ids, starts = ids[ids >= 0], kept[starts]
        return ids, starts


def load_reviews() -> Reviews:
    """Load the film reviews: 25,000 from IMDB and 8,530 sentences from Rotten Tomatoes.

    They were collected by [Maas2011]_ and [Pang2005]_. The order is that of the package: IMDB negative, IMDB
    positive, Rotten Tomatoes positive, Rotten Tomatoes negative. They are cut by ``tokenize_ascii``, which
    knows the letters a to z alone: accents are often damaged in these files.

    Raises
    ------
    DataError
        The files can't be had.
    """
    table = path("reviews").read_text(encoding="utf-8")
    rows = list(csv.reader(io.StringIO(table, newline="")))[1:]
    texts = [text.replace("<br />", " ") for text, _, _ in rows]
    labels = np.array([int(label) for _, label, _ in rows], np.int8)
    return Reviews(texts, labels, np.array([source for *_, source in rows]), tokenize_ascii)


# ---- the other texts


def load_ptb(split: str = "train") -> list[str]:
    """Load a part of the Penn Treebank as words, with ``<eos>`` after each line.

    As prepared for language models by [Mikolov2010]_, the text has 10,000 word types, ``<unk>`` and
    ``<eos>`` among them, and 929,589 (train), 73,760 (valid) and 82,430 (test)
    tokens. ``Vocabulary.from_tokens(load_ptb(), unknown="<unk>")`` numbers them.

    Parameters
    ----------
    split : str
        ``"train"``, ``"valid"`` or ``"test"``.
    """
    if split not in ("train", "valid", "test"):
        raise ValueError(f"split is {split!r}; it should be 'train', 'valid' or 'test'.")
    text = path("ptb", f"ptb.{split}.txt").read_text(encoding="utf-8")
    return text.replace("\n", " <eos> ").split()


def load_addition() -> list[tuple[str, str]]:
    """Load the 50,000 sums of the seed book's file as pairs such as ``("16+75", "91")``."""
    return _questions("addition.txt")


def load_dates() -> list[tuple[str, str]]:
    """Load the 50,000 dates of the seed book's file as pairs such as ``("september 27, 1994",
    "1994-09-27")``.

    Only 41,578 of the questions are distinct: split the distinct ones, or the test set is partly in the
    training set.
    """
    return _questions("date.txt")


def _questions(file: str) -> list[tuple[str, str]]:
    lines = path("addition_and_dates", file).read_text(encoding="ascii").splitlines()
    return [(question.strip(), answer.strip()) for question, answer in (line.split("_") for line in lines)]


def load_tatoeba() -> list[tuple[str, str]]:
    """Load English and Chinese sentence pairs, the shortest first."""
    lines = path("tatoeba", "cmn.txt").read_text(encoding="utf-8").splitlines()
    return [(english, chinese) for english, chinese, *_ in (line.split("\t") for line in lines)]


class Verse(NamedTuple):
    """A verse of the Bible: ``old`` in English of 1611 (spelled as in 1769), ``new`` in English of today."""

    book: int
    chapter: int
    verse: int
    old: str
    new: str


def load_bible_pairs() -> list[Verse]:
    """Load the Bible verse by verse in two translations, the King James Version and the World English Bible.

    Both are in the public domain, and the second follows the wording of the first closely: the pair is
    English of two centuries. There are 31,095 verses that both have, in order. The brackets that mark words
    which the translators added are taken away, and all apostrophes are made the same. What the files put in
    the place of four verses that only one of the two has is left out, and so are the headings of psalms,
    which stand at the end of the verse before.

    Raises
    ------
    DataError
        The files can't be had.
    """
    old, new = (_verses(path("bible", file)) for file in ("king_james.py", "world_english.py"))
    return [
        Verse(key // 1_000_000, key // 1000 % 1000, key % 1000, old[key], new[key])
        for key in old
        if key in new and not new[key].endswith("by amos")  # the sign of a verse that is not there
    ]


def _verses(file: Path) -> dict[int, str]:
    """Read a module of the pythonbible packages as text, without running it: one long string, then two tables
    that say where in it each verse begins and ends."""
    source = file.read_text(encoding="utf-8")
    begin = source.index('"""') + 3
    end = source.index('"""', begin)
    text = ast.literal_eval(f'"""{source[begin:end]}"""')
    _, starts, ends, *_ = source[end:].split("{")
    first, last = ({int(k): int(i) for k, i in re.findall(r"(\d+): (\d+)", part)} for part in (starts, ends))
    return {verse: _plain(text[place : last[verse]]) for verse, place in first.items()}


def _plain(text: str) -> str:
    """Without headings and the translators' brackets, with one kind of apostrophe, and single spaces."""
    text = re.sub(r"(\s+BOOK [IV]+)?\s+Psalm \d+\b.*", "", text, flags=re.DOTALL)
    for old, new in (("[", ""), ("]", ""), ("’", "'"), ("`", "'"), ("æ", "ae"), ("Æ", "Ae")):
        text = text.replace(old, new)
    return " ".join(text.split())


def load_wikigold() -> list[list[tuple[str, str]]]:
    """Load the Wikigold sentences, each a list of (word, tag) with tags such as ``"I-PER"`` and ``"O"``."""
    blocks = path("wikigold", "wikigold.conll.txt").read_text(encoding="utf-8").split("\n\n")
    return [[tuple(line.split()) for line in block.splitlines()] for block in blocks if block.strip()]
