"""Spans and tags, and how well names are found."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.metrics import span_f1, token_accuracy
from common.text import allowed_moves, spans, tags_of, to_bio

KINDS = ("PER", "LOC")
TAGS = ["O", *(f"{mark}-{kind}" for kind in KINDS for mark in "BI")]
SOME_TAGS = st.lists(st.sampled_from(TAGS), max_size=12)


def slow_spans(tags):
    """All pieces of a sentence that are a name: one type, no B- but at the start, and no way to go on."""
    n = len(tags)
    return [
        (i, j, tags[i][2:])
        for i in range(n)
        for j in range(i + 1, n + 1)
        if tags[i] != "O"
        and all(tags[k] == f"I-{tags[i][2:]}" for k in range(i + 1, j))
        and (tags[i][0] == "B" or i == 0 or tags[i - 1][2:] != tags[i][2:])
        and (j == n or tags[j] != f"I-{tags[i][2:]}")
    ]


@st.composite
def marked_sentences(draw):
    """A length, and spans in it that do not overlap."""
    ends = sorted(draw(st.lists(st.integers(0, 15), max_size=8, unique=True)))
    pairs = list(zip(ends[::2], ends[1::2]))
    return 15, [(start, end, draw(st.sampled_from(KINDS))) for start, end in pairs]


@given(SOME_TAGS)
def test_spans_are_those_of_a_slow_search(tags):
    assert spans(tags) == slow_spans(tags)


@given(marked_sentences())
def test_tags_and_spans_are_two_ways_to_write_the_same(sentence):
    length, names = sentence
    assert spans(tags_of(names, length)) == names


@given(SOME_TAGS)
def test_the_newer_kind_of_tags_marks_the_same_names_and_keeps_the_rules(tags):
    new = to_bio(tags)
    assert spans(new) == spans(tags) and len(new) == len(tags)
    follow, first = allowed_moves(TAGS)
    ids = [TAGS.index(tag) for tag in new]
    assert not ids or first[ids[0]]
    assert all(follow[i][j] for i, j in zip(ids, ids[1:]))


def test_which_tags_may_follow():
    follow, first = allowed_moves(["O", "B-PER", "I-PER", "I-LOC"])
    assert first == [True, True, False, False]
    assert follow == [
        [True, True, False, False],
        [True, True, True, False],
        [True, True, True, False],
        [True, True, False, True],
    ]


@given(st.lists(st.tuples(SOME_TAGS, st.randoms(use_true_random=False)), min_size=1, max_size=5))
def test_scores_are_those_of_a_count_by_hand(drawn):
    wanted = [tags for tags, _ in drawn]
    marked = [[random.choice([tag, "O", "B-PER", "I-LOC"]) for tag in tags] for tags, random in drawn]
    names = [
        {(n, *span) for n, tags in enumerate(rows) for span in slow_spans(tags)} for rows in (wanted, marked)
    ]
    scores = span_f1(wanted, marked)
    right, found, should = len(names[0] & names[1]), len(names[1]), len(names[0])
    assert (scores.right, scores.marked, scores.wanted) == (right, found, should)
    assert scores.precision == (right / found if found else 0)
    assert scores.recall == (right / should if should else 0)
    p, r = scores.precision, scores.recall
    assert scores.f1 == pytest.approx(2 * p * r / (p + r) if right else 0)
    parts = scores.by_type.values()
    assert (right, found, should) == tuple(
        sum(getattr(part, name) for part in parts) for name in ("right", "marked", "wanted")
    )
    for kind, part in scores.by_type.items():
        assert part.right == sum(span[3] == kind for span in names[0] & names[1])


def test_whoever_marks_nothing_has_most_words_right():
    wanted, nothing = [["O"] * 9 + ["B-PER"]], [["O"] * 10]
    assert token_accuracy(wanted, nothing) == 0.9
    assert span_f1(wanted, nothing).f1 == 0


def test_a_wrong_end_or_type_counts_for_nothing():
    wanted = [["B-PER", "I-PER", "O", "B-LOC"]]
    assert span_f1(wanted, [["B-PER", "O", "O", "B-PER"]]).right == 0
    assert span_f1(wanted, [["I-PER", "I-PER", "O", "I-LOC"]]).right == 2  # tagged in the older way


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (
            [(0, 6, "PER")],
            "a span goes from 0 to 6; it should have at least one word, and lie between 0 and 5",
        ),
        ([(-1, 2, "PER")], "a span goes from -1 to 2"),
        ([(2, 2, "PER")], "a span goes from 2 to 2"),
        ([(0, 3, "PER"), (2, 4, "LOC")], "the span from 2 to 4 overlaps with another"),
    ],
)
def test_spans_that_are_none(names, message):
    with pytest.raises(ValueError, match=message):
        tags_of(names, 5)


@pytest.mark.parametrize("tag", ["PER", "X-PER", "B-", "B", "", "o"])
def test_tags_that_are_none(tag):
    with pytest.raises(ValueError, match=f"a tag is '{tag}'; it should be O, or B- or I- and a type"):
        spans(["O", tag])


def test_sentences_that_do_not_fit():
    with pytest.raises(ValueError, match="marked has 1 sentences; it should have 2, as wanted has"):
        span_f1([["O"], ["O"]], [["O"]])
    with pytest.raises(ValueError, match="sentence 1 of marked has 2 tags; it should have 1"):
        token_accuracy([["O"], ["O"]], [["O"], ["O", "O"]])
    with pytest.raises(ValueError, match="wanted has no words"):
        token_accuracy([[]], [[]])
    with pytest.raises(TypeError, match="tags is the string 'O'; it should be a sequence of words"):
        spans("O")
