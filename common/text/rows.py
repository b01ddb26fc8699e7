"""Texts as rows of ids.

Rows of one batch have to be equally long, so short ones are filled up with ``PAD``; an answer begins with
``START`` and ends with ``END``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from common.backend import Array, to_numpy, xp
from common.support.require import require_array
from common.text.vocabulary import Vocabulary

PAD, START, END = 0, 1, 2

SPECIALS = ("<pad>", "<start>", "<end>")

Pair = tuple[str, str]
"""A question and its answer."""


def characters_of(pairs: Iterable[Pair]) -> Vocabulary:
    """The vocabulary of all characters that occur, sorted, after the three special signs."""
    found = {character for pair in pairs for text in pair for character in text}
    return Vocabulary([*SPECIALS, *sorted(found)])


def encode(
    texts: Sequence[str] | Sequence[Sequence[str]],
    characters: Vocabulary,
    answers: bool = False,
    reverse: bool = False,
) -> Array:
    """Texts to rows of ids, filled up with ``PAD`` on the right.

    Parameters
    ----------
    texts : sequence of str, or of lists of str
        N texts, or N lists of words. An empty one is a row of ``PAD``.
    characters : Vocabulary
    answers : bool
        Put ``START`` before each text and ``END`` after it.
    reverse : bool
        Turn each text round (not its padding).

    Returns
    -------
    array of int32, (N, T)
        T is the length of the longest text, at least 1.
    """
    if isinstance(texts, str) or not all(isinstance(text, (str, list)) for text in texts):
        raise TypeError(
            "texts should be a sequence of strings, or of lists of words: for one text, a list with one."
        )
    if len(texts) == 0:
        raise ValueError("texts is empty; it should hold at least one text.")
    length = max(1, *map(len, texts))
    rows = np.full((len(texts), length + 2 * answers), PAD, dtype=np.int32)  # (N, T)
    for row, text in zip(rows, texts):
        missing = [character for character in text if character not in characters]
        if missing and characters.unknown is None:
            what, between = ("character", "") if isinstance(text, str) else ("word", " ")
            known = between.join(characters.words[len(SPECIALS) :])
            whole = between.join(text)
            raise ValueError(f"{whole!r} has the {what} {missing[0]!r}; the model knows only {known!r}.")
        ids = characters.encode(list(text[::-1] if reverse else text)).tolist()
        if answers:
            ids = [START, *ids, END]
        row[: len(ids)] = ids
    return xp.asarray(rows)


def padding_mask(ids: Array) -> Array:
    """True where a row of ids has a character, False where it was filled up."""
    return ids != PAD


def decode(ids: Array, characters: Vocabulary, between: str = "") -> list[str]:
    """Rows of ids (N, T) to texts; each ends before its ``END``, and special signs are left out.

    ``between`` stands between two: a space, if they are words.
    """
    texts = []
    for row in np.atleast_2d(to_numpy(ids)).tolist():
        row = row[: row.index(END)] if END in row else row
        texts.append(between.join(characters.decode([i for i in row if i >= len(SPECIALS)])))
    return texts


def require_rows(questions: Array, answers: Array | None = None) -> None:
    """Raise unless questions (and answers, as many) are rows of ids.

    Questions may be no text, but pictures: floats, of more axes. Their encoder looks at them.
    """
    for name, ids, columns in (("questions", questions, 1), ("answers", answers, 2)):
        if ids is None:
            continue
        require_array(name, ids)
        if name == "questions" and ids.dtype.kind == "f" and ids.ndim > 2:
            continue
        if ids.ndim != 2 or ids.shape[1] < columns or len(ids) == 0:
            raise ValueError(
                f"{name} has shape {ids.shape}; "
                f"it should be (N, T), with N at least 1 and T at least {columns}."
            )
    if answers is not None and len(answers) != len(questions):
        raise ValueError(f"answers has {len(answers)} rows; it should have {len(questions)}, as questions.")
    if answers is not None and not (to_numpy(answers[:, 0]) == START).all():
        raise ValueError(f"answers should each begin with START, {START}: use encode(..., answers=True).")
