"""Names in a sentence, written in two ways: as spans, and as one tag for each word.

A **span** is where a name begins, where it ends, and what it is: ``(start, end, type)``, the end not
included. For a network that says something of each word, spans become tags: ``B-PER`` at the first word of a
person's name, ``I-PER`` at those that follow inside it, and ``O`` outside all names [Ramshaw1995]_.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from common.support.require import require_several

Span = tuple[int, int, str]

OUTSIDE = "O"


def spans(tags: Sequence[str]) -> list[Span]:
    """The spans that tags mark, from left to right.

    A name begins at ``B-``, and also at an ``I-`` that continues no name of its type: a network that tags
    each word by itself may give such a tag, and old files (see ``to_bio``) mark most names so.

    Examples
    --------
    >>> spans(["B-PER", "I-PER", "O", "I-LOC"])
    [(0, 2, 'PER'), (3, 4, 'LOC')]
    """
    found: list[Span] = []
    start, inside = 0, OUTSIDE  # where the name that is being read began, and its type
    for i, (mark, kind) in enumerate([*map(_parts, _several(tags)), (OUTSIDE, OUTSIDE)]):
        if inside != OUTSIDE and (mark != "I" or kind != inside):
            found.append((start, i, inside))
            inside = OUTSIDE
        if mark != OUTSIDE and inside == OUTSIDE:
            start, inside = i, kind
    return found


def tags_of(spans: Iterable[Span], length: int) -> list[str]:
    """The tags of a sentence of ``length`` words in which these spans are names.

    Raises
    ------
    ValueError
        A span is empty, leaves the sentence, or overlaps with another.

    Examples
    --------
    >>> tags_of([(0, 2, "PER"), (3, 4, "LOC")], 4)
    ['B-PER', 'I-PER', 'O', 'B-LOC']
    """
    tags = [OUTSIDE] * length
    for start, end, kind in spans:
        if not 0 <= start < end <= length:
            raise ValueError(
                f"a span goes from {start} to {end}; it should have at least one word, and lie between 0 and "
                f"{length}, as the sentence does."
            )
        if tags[start:end] != [OUTSIDE] * (end - start):
            raise ValueError(f"the span from {start} to {end} overlaps with another; no two should.")
        tags[start:end] = [f"B-{kind}", *[f"I-{kind}"] * (end - start - 1)]
    return tags


def to_bio(tags: Sequence[str]) -> list[str]:
    """Tags in which every name begins with ``B-``, from tags of the older kind, IOB1.

    There ``I-`` begins a name as well, and ``B-`` is only put where one follows another of its type.

    Examples
    --------
    >>> to_bio(["I-PER", "I-PER", "O", "I-LOC", "B-LOC"])
    ['B-PER', 'I-PER', 'O', 'B-LOC', 'B-LOC']
    """
    return tags_of(spans(tags), len(tags))


def allowed_moves(tags: Sequence[str]) -> tuple[list[list[bool]], list[bool]]:
    """Which tag may follow which, and which may come first: ``I-PER`` only inside a person's name.

    Parameters
    ----------
    tags : sequence of str
        The K tags that there are.

    Returns
    -------
    follow : K lists of K booleans
        Whether the tag of the column may follow the tag of the row.
    first : K booleans
    """
    parts = [_parts(tag) for tag in _several(tags)]
    follow = [[mark != "I" or kind == inside for mark, kind in parts] for _, inside in parts]
    return follow, [mark != "I" for mark, _ in parts]


def _several(tags: Sequence[str]) -> Sequence[str]:
    require_several("tags", tags)
    return tags


def _parts(tag: str) -> tuple[str, str]:
    mark, _, kind = tag.partition("-")
    if tag != OUTSIDE and not (mark in ("B", "I") and kind):
        raise ValueError(f"a tag is {tag!r}; it should be O, or B- or I- and a type, such as B-PER.")
    return mark, kind or OUTSIDE
