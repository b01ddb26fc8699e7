"""Results of the long runs, each with how it came about.

What a full run measured is kept in ``data/results/<name>.json`` with its seed, machine, date and command. The
notebook shows it beside the quick run with ``recorded``. A number that nobody ran appears nowhere.
"""

from __future__ import annotations

import datetime
import json
import os
import platform
import re
from pathlib import Path
from typing import Any

from common.support.files import write_in_one_step

RESULTS = Path(__file__).resolve().parents[2] / "data" / "results"

# Without these four, nobody could run the same thing again.
PROVENANCE = ("seed", "machine", "date", "command")


def recorded(name: str) -> dict[str, Any]:
    """Read ``data/results/<name>.json``, what an earlier and longer run measured.

    Parameters
    ----------
    name : str
        The file's name without ``.json``.

    Returns
    -------
    dict
        The results, and how they came about: ``seed``, ``machine``, ``date`` and ``command``.

    Raises
    ------
    FileNotFoundError
        If nothing was recorded under ``name``.
    ValueError
        If the file is not a JSON object, or does not say how its numbers came about.
    """
    path = _path(name)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        names = sorted(file.stem for file in RESULTS.glob("*.json"))
        known = ", ".join(names) if names else "none yet"
        raise FileNotFoundError(
            f"nothing is recorded under the name {name!r}; recorded results: {known}."
        ) from None
    try:
        results = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"data/results/{name}.json is not valid JSON: {error}.") from None
    missing = [key for key in PROVENANCE if not isinstance(results, dict) or key not in results]
    if missing:
        raise ValueError(
            f"data/results/{name}.json lacks {', '.join(missing)}; it should say how it was measured."
        )
    return results


def record(name: str, *, seed: int, command: str, machine: str = "", **values: Any) -> Path:
    """Write ``data/results/<name>.json`` in one step, so that a killed run never leaves half a file.

    Parameters
    ----------
    name : str
        The file's name without ``.json``: lower-case letters, digits, ``-`` and ``_``.
    seed : int
        The seed of the run.
    command : str
        What to type to run it again.
    machine : str
        A description of the machine; made from the processor and its number of cores when left out.
    **values
        The results: anything that JSON can hold.

    Returns
    -------
    pathlib.Path
        The file.
    """
    path = _path(name)
    results = provenance(seed, command, machine) | values
    text = json.dumps(results, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    write_in_one_step(path, lambda file: file.write(text.encode()))
    return path


def record_run(name: str, *keys: str, result: dict[str, Any], seed: int, command: str, **values: Any) -> Path:
    """Add one run to those of ``data/results/<name>.json``, which stand under ``runs``.

    Parameters
    ----------
    name : str
        The file's name without ``.json``; the file is made if it is not there.
    *keys : str
        Where the run belongs: ``"addition/peeky", "2"`` is ``runs["addition/peeky"]["2"]``. What stood there
        is replaced.
    result : dict
        What was measured, kept to five digits, together with the run's own provenance.
    seed, command
        As for ``record``.
    **values
        What holds for all the runs.

    Returns
    -------
    pathlib.Path
        The file.
    """
    try:
        runs = recorded(name).get("runs", {})
    except FileNotFoundError:
        runs = {}
    place = runs
    for key in keys[:-1]:
        place = place.setdefault(key, {})
    place[keys[-1]] = rounded(result) | provenance(seed, command)
    return record(name, seed=seed, command=command, runs=dict(sorted(runs.items())), **values)


def rounded(value: Any) -> Any:
    """The same with numbers of five digits, and None for NaN, which JSON does not know."""
    if isinstance(value, dict):
        return {key: rounded(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [rounded(part) for part in value]
    if isinstance(value, float):
        return float(f"{value:.5g}") if value == value else None
    return value


def provenance(seed: int, command: str, machine: str = "") -> dict[str, Any]:
    """What ``record`` says of a run: seed, machine, today's date and command."""
    return {
        "seed": seed,
        "machine": machine or f"{processor()}, {os.cpu_count()} cores, {platform.system()}",
        "date": datetime.date.today().isoformat(),
        "command": command,
    }


def processor() -> str:
    """The processor's model where the system tells it, else its architecture."""
    try:
        told = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:  # not Linux
        told = None
    return told[1] if told else platform.processor() or platform.machine()


def _path(name: str) -> Path:
    if not isinstance(name, str) or not re.fullmatch(r"[a-z0-9][a-z0-9_-]*", name):
        raise ValueError(f"name is {name!r}; it should be lower-case letters, digits, '-' and '_'.")
    return RESULTS / f"{name}.json"
