"""How good word vectors are: cosines beside people's judgements, and analogies."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy import sparse

from common.support.files import packaged_file
from common.support.require import require_ids, require_matrix
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

    cosines, scores = compared_pairs(vectors, pairs)
    left_out = 1 - len(scores) / len(pairs)
    rho = spearmanr(cosines, scores).statistic
    return {"spearman": float(rho), "out_of_vocabulary": left_out, "pairs": len(scores)}


def compared_pairs(vectors: WordVectors, pairs: Sequence[Pair]) -> tuple[np.ndarray, np.ndarray]:
    """The cosines of those pairs whose words both have a vector, and what people said of them: (n,) each."""
    rows = _rows_in_any_case(vectors)
    found = [(rows.get(a.lower()), rows.get(b.lower()), score) for a, b, score in pairs]
    known = [pair for pair in found if None not in pair]
    if len(known) < 2:
        raise ValueError(f"pairs has {len(known)} pairs of known words; a rank correlation needs at least 2.")
    cosines = [float(vectors.unit[a] @ vectors.unit[b]) for a, b, _ in known]
    return np.array(cosines), np.array([score for *_, score in known])


def evaluate_analogies(
    vectors: WordVectors, sections: dict[str, list[Question]], question_words: bool = False
) -> dict[str, dict[str, float]]:
    """Share of analogy questions whose first answer is right, by section, and for all under ``"all"``.

    Parameters
    ----------
    vectors : WordVectors
    sections : dict of lists of (a, b, c, d)
        As from ``analogy_questions``; ``d`` is the expected answer. Capitals make no difference.
    question_words : bool
        Whether ``a``, ``b`` and ``c`` may be answers, too. Usually they may not, and the answer would mostly
        be one of them [Linzen2016]_.

    Returns
    -------
    dict of dict
        For each section ``accuracy`` (NaN when no question could be asked), ``out_of_vocabulary`` (the share
        left out because one of the four words has no vector) and ``questions`` (how many were asked).
    """
    answered = answered_rightly(vectors, sections, question_words)
    results = {name: _share(right, len(sections[name])) for name, right in answered.items()}
    in_all = np.concatenate([np.empty(0, dtype=bool), *answered.values()])
    results["all"] = _share(in_all, sum(map(len, sections.values())))
    return results


def answered_rightly(
    vectors: WordVectors, sections: dict[str, list[Question]], question_words: bool = False
) -> dict[str, np.ndarray]:
    """For each section, whether each question that could be asked was answered rightly: (Q,) booleans.

    Which could be asked depends on the vocabulary alone, so two sets of vectors for the same words have the
    same questions. The arguments are those of ``evaluate_analogies``.
    """
    answered = {}
    for name, questions in asked_questions(vectors, sections).items():
        batches = [questions[i : i + 256] for i in range(0, len(questions), 256)]  # one matrix product each
        right = [_right_answers(vectors.unit, ids, question_words) for ids in batches]
        answered[name] = np.concatenate([np.empty(0, dtype=bool), *right])
    return answered


def asked_questions(vectors: WordVectors, sections: dict[str, list[Question]]) -> dict[str, np.ndarray]:
    """The questions of each section whose four words all have a vector, as their rows (Q, 4)."""
    rows = _rows_in_any_case(vectors)
    asked = {}
    for name, questions in sections.items():
        found = [[rows.get(word.lower(), -1) for word in question] for question in questions]
        asked[name] = np.array([ids for ids in found if min(ids) >= 0], dtype=np.int64).reshape(-1, 4)
    return asked


def mean_vectors(vectors: np.ndarray, ids: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """The mean of the word vectors of each text: what is left of a text when the order of words is gone.

    Parameters
    ----------
    vectors : (V, D)
    ids : (L,)
        All texts, one after the other, as ids from 0 to V - 1.
    starts : (N + 1,)
        Text i is ``ids[starts[i]:starts[i + 1]]``.

    Returns
    -------
    numpy.ndarray
        (N, D), in the type of ``vectors``; zeros for a text without words.
    """
    require_matrix("vectors", vectors)
    require_ids("ids", ids, len(vectors))
    starts = np.asarray(starts)
    if len(starts) == 0 or starts[0] != 0 or starts[-1] != len(ids) or (np.diff(starts) < 0).any():
        raise ValueError(f"starts is {starts}; it should rise from 0 to {len(ids)}, the length of the text.")
    lengths = np.diff(starts)
    share = np.repeat(1 / np.maximum(lengths, 1), lengths).astype(vectors.dtype)
    texts = sparse.csr_array((share, ids, starts), shape=(len(lengths), len(vectors)))
    return texts @ vectors


def _rows_in_any_case(vectors: WordVectors) -> dict[str, int]:
    """The row of each word in small letters: that of ``apple`` or ``Apple``, whichever stands first."""
    rows: dict[str, int] = {}
    for word, row in vectors.ids.items():
        rows.setdefault(word.lower(), row)
    return rows


def _right_answers(unit: np.ndarray, ids: np.ndarray, question_words: bool) -> np.ndarray:
    """Which of the questions ``ids`` (Q, 4) are answered by their fourth word."""
    a, b, c, d = ids.T
    cosines = (unit[b] - unit[a] + unit[c]) @ unit.T  # (Q, V), times a length that changes no order
    if not question_words:
        cosines[np.arange(len(ids))[:, np.newaxis], ids[:, :3]] = -np.inf
    return cosines.argmax(axis=1) == d


def _share(right: np.ndarray, total: int) -> dict[str, float]:
    asked = len(right)
    return {
        "accuracy": int(right.sum()) / asked if asked else float("nan"),
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
