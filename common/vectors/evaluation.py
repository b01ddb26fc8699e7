"""How good word vectors are: cosines beside people's judgements, and analogies."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from common.support.files import packaged_file
from common.vectors.nearest import WordVectors

Pair = tuple[str, str, float]

Question = tuple[str, str, str, str]


def evaluate_similarity(vectors: WordVectors, pairs: Sequence[Pair]) -> dict[str, float]:
    """How well cosines put word pairs in the order in which people put them.

    Parameters
    ----------
    vectors : WordVectors
    pairs : list of (word, word, score)
        As from ``similarity_pairs``. Capitals make no difference.

    Returns
    -------
    dict
        ``spearman``: the rank correlation, 1 when the order is the same; ``out_of_vocabulary``: the share of
        pairs that was left out because a word has no vector; ``pairs``: how many were compared.
    """
    from scipy.stats import spearmanr  # takes seconds to load

    rows = _rows_in_any_case(vectors)
    found = [(rows.get(a.lower()), rows.get(b.lower()), score) for a, b, score in pairs]
    known = [pair for pair in found if None not in pair]
    if len(known) < 2:
        raise ValueError(f"pairs has {len(known)} pairs of known words; a rank correlation needs at least 2.")
    cosines = [float(vectors.unit[a] @ vectors.unit[b]) for a, b, _ in known]
    rho = spearmanr(cosines, [score for _, _, score in known]).statistic
    return {"spearman": float(rho), "out_of_vocabulary": 1 - len(known) / len(pairs), "pairs": len(known)}


def evaluate_analogies(
    vectors: WordVectors, sections: dict[str, list[Question]]
) -> dict[str, dict[str, float]]:
    """Share of analogy questions whose first answer is right, by section, and for all under ``"all"``.

    Parameters
    ----------
    vectors : WordVectors
    sections : dict of lists of (a, b, c, d)
        As from ``analogy_questions``; ``d`` is the expected answer. Capitals make no difference.

    Returns
    -------
    dict of dict
        For each section ``accuracy`` (NaN when no question could be asked), ``out_of_vocabulary`` (the share
        left out because one of the four words has no vector) and ``questions`` (how many were asked).
    """
    rows = _rows_in_any_case(vectors)
    results, right_in_all, asked_in_all, total = {}, 0, 0, 0
    for name, questions in sections.items():
        known = [[rows.get(word.lower(), -1) for word in question] for question in questions]
        asked = np.array([ids for ids in known if min(ids) >= 0], dtype=np.int64).reshape(-1, 4)  # (Q, 4)
        batches = (asked[i : i + 256] for i in range(0, len(asked), 256))  # one matrix product each
        right = sum(_right_answers(vectors.unit, ids) for ids in batches)
        results[name] = _share(right, len(asked), len(questions))
        right_in_all += right
        asked_in_all += len(asked)
        total += len(questions)
    results["all"] = _share(right_in_all, asked_in_all, total)
    return results


def _rows_in_any_case(vectors: WordVectors) -> dict[str, int]:
    """The row of each word in small letters: that of ``apple`` or ``Apple``, whichever stands first."""
    rows: dict[str, int] = {}
    for word, row in vectors.ids.items():
        rows.setdefault(word.lower(), row)
    return rows


def _right_answers(unit: np.ndarray, ids: np.ndarray) -> int:
    """How many of the questions ``ids`` (Q, 4) are answered by their fourth word."""
    a, b, c, d = ids.T
    cosines = (unit[b] - unit[a] + unit[c]) @ unit.T  # (Q, V), times a length that changes no order
    cosines[np.arange(len(ids))[:, np.newaxis], ids[:, :3]] = -np.inf
    return int((cosines.argmax(axis=1) == d).sum())


def _share(right: int, asked: int, total: int) -> dict[str, float]:
    return {
        "accuracy": right / asked if asked else float("nan"),
        "out_of_vocabulary": 1 - asked / total if total else 0.0,
        "questions": asked,
    }


def similarity_pairs(name: str) -> list[Pair]:
    """Word pairs with the mean score that people gave them: ``"wordsim353"`` or ``"simlex999"``.

    WordSim-353 [Finkelstein2002]_ asks how *related* two words are (coffee and cup are), SimLex-999
    [Hill2015]_ how *alike* (coffee and cup are not). Both are read from files that gensim carries.
    """
    files = {"wordsim353": "wordsim353.tsv", "simlex999": "simlex999.txt"}
    if name not in files:
        raise ValueError(f"name is {name!r}; it should be one of {', '.join(files)}.")
    lines = _test_file(files[name]).read_text(encoding="utf-8").splitlines()
    fields = [line.split("\t") for line in lines if line.strip() and not line.startswith("#")]
    return [(a, b, float(score)) for a, b, score in fields]


def analogy_questions() -> dict[str, list[Question]]:
    """The Google analogy questions by section: "a is to b as c is to d" [Mikolov2013a]_."""
    sections: dict[str, list[Question]] = {}
    for line in _test_file("questions-words.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith(":"):
            questions = sections.setdefault(line[1:].strip(), [])
        elif line.strip():
            a, b, c, d = line.split()
            questions.append((a, b, c, d))
    return sections


def _test_file(name: str) -> Path:
    """A file of the installed gensim package."""
    path = packaged_file("gensim", "test", "test_data", name)
    if path is None:
        raise FileNotFoundError(f"{name} comes with the gensim package, which is missing or lacks the file.")
    return path
