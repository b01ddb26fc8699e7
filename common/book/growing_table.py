"""One table for three chapters: how well each model adds and reads dates, and what it costs.

Long runs are recorded in ``data/results/seq2seq.json``, under ``runs``:

    {"addition/peeky": {"1": {"accuracy": 0.99, "parameters": 218062, "seconds_an_epoch": 4.1}, "2": ...}}

that is by task, model and seed. A chapter may add what it measured itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from common.book.results import recorded
from common.book.tables import Measured, table

TASKS = {"addition": "sums right, %", "dates": "dates right, %"}
LABELS = {
    "plain": "LSTM to LSTM",
    "reversed": "the same, questions reversed",
    "peeky": "the same, decoder peeky",
}
"""What the table calls a model; any other has its own name."""


def growing_table(
    models: Sequence[str],
    here: Mapping[str, Mapping[str, float]] | None = None,
    labels: Mapping[str, str] | None = None,
) -> str:
    """Models with their parameters, and for each task the share of right answers and the seconds an epoch.

    A task that none of the rows has done has no columns.

    Parameters
    ----------
    models : sequence of str
        The rows: which of the recorded models, in this order.
    here : mapping, optional
        What this notebook measured, by ``"task/model"``: ``accuracy``, ``parameters``, ``seconds_an_epoch``.
        It stands in rows of its own, below.
    labels : mapping, optional
        Names for models, besides ``LABELS``.

    Returns
    -------
    str
        HTML, for ``show``. Over several seeds it says the mean, and in brackets the lowest and the highest;
        without brackets it is one seed.

    Raises
    ------
    FileNotFoundError
        Nothing is recorded.
    ValueError
        One of the models is not there.
    """
    names = {**LABELS, **(labels or {})}
    known = by_model(recorded("seq2seq")["runs"])
    mine = by_model({key: {"here": run} for key, run in (here or {}).items()})
    for model in models:
        if model not in known:
            recorded_models = ", ".join(known) or "none"
            raise ValueError(f"nothing is recorded of {model!r}; recorded models: {recorded_models}.")
    shown = [known[model] for model in models] + list(mine.values())
    tasks = [task for task in TASKS if any(task in runs for runs in shown)]
    rows = [[names.get(model, model), *recorded_cells(known[model], tasks)] for model in models]
    for model, runs in mine.items():
        rows.append([f"{names.get(model, model)} (this notebook)", *measured_cells(runs, tasks)])
    header = ["model", "parameters"]
    for task in tasks:
        header += [TASKS[task], "s an epoch"]
    return table(rows, header)


Runs = Mapping[str, Mapping[str, Any]]
"""Runs of one model on one task, by seed."""


def by_model(runs: Mapping[str, Runs]) -> dict[str, dict[str, Runs]]:
    """``{"addition/peeky": ...}`` as ``{"peeky": {"addition": ...}}``, for the tasks of the table."""
    models: dict[str, dict[str, Runs]] = {}
    for key, seeds in runs.items():
        task, _, model = key.partition("/")
        if task in TASKS:
            models.setdefault(model, {})[task] = seeds
    return models


def recorded_cells(model: Mapping[str, Runs], tasks: Sequence[str]) -> list[str]:
    """Parameters, then for each task the accuracy over seeds, and the seconds."""
    cells = [parameters(model)]
    for task in tasks:
        runs = list(model.get(task, {}).values())
        if not runs:
            cells += ["", ""]
            continue
        shares = [100 * run["accuracy"] for run in runs]
        accuracy = f"{sum(shares) / len(shares):.1f}"
        if len(shares) > 1:
            accuracy += f"\N{NO-BREAK SPACE}({min(shares):.1f}\N{EN DASH}{max(shares):.1f})"
        seconds = sum(run["seconds_an_epoch"] for run in runs) / len(runs)
        cells += [accuracy, f"{seconds:.1f}"]
    return cells


def measured_cells(model: Mapping[str, Runs], tasks: Sequence[str]) -> list[Any]:
    """The same for one run in this notebook, whose numbers differ by machine."""
    cells: list[Any] = [parameters(model)]
    for task in tasks:
        run = model.get(task, {}).get("here")
        if run is None:
            cells += ["", ""]
        else:
            cells += [Measured(100 * run["accuracy"], ".1f"), Measured(run["seconds_an_epoch"], ".1f")]
    return cells


def parameters(model: Mapping[str, Runs]) -> str:
    """How many numbers the model learns, for each task (the tasks have different characters)."""
    counts = [next(iter(model[task].values()))["parameters"] for task in TASKS if task in model]
    return " and ".join(f"{count:,}" for count in dict.fromkeys(counts))
