"""BLEU and chrF by hand: numbers that can be checked on paper, and those of sacrebleu."""

import math

import pytest
import sacrebleu
from hypothesis import given
from hypothesis import strategies as st

from common.metrics import Bleu, bleu, chrf
from tests.helpers import bad_input

TEXT = st.lists(st.sampled_from(["a", "b", "the", "catch", "."]), max_size=9).map(" ".join)
PAIRS = st.lists(st.tuples(TEXT, TEXT.filter(bool)), min_size=1, max_size=4)


def theirs(texts, references):
    options = {"tokenize": "none", "smooth_method": "none", "force": True}
    return sacrebleu.corpus_bleu(texts, [references], **options)


def test_a_run_counts_no_more_often_than_its_reference_has_it():
    assert bleu(["the the the the"], ["the cat sat here"]) == Bleu((1, 0, 0, 0), (4, 3, 2, 1), 4, 4)
    assert bleu(["the the the the"], ["the cat saw the dog"]).matched[0] == 2


def test_a_score_on_paper():
    """5 of 6 words, 3 of 5 pairs, 1 of 4 triples; six words where seven were wanted."""
    found = bleu(["the cat sat on a mat"], ["the cat sat on the old mat"], most=2)
    assert found.matched == (5, 3) and found.written == (6, 5)
    assert found.score == pytest.approx(100 * math.exp(1 - 7 / 6) * math.sqrt(5 / 6 * 3 / 5))


def test_counts_are_added_up_before_anything_is_divided():
    both = bleu(["a b", "the"], ["a b", "cat"], most=1)
    assert both.precisions == (2 / 3,) and both.score == pytest.approx(100 * 2 / 3)


@given(PAIRS)
def test_bleu_is_that_of_sacrebleu(pairs):
    texts, references = map(list, zip(*pairs))
    ours, other = bleu(texts, references), theirs(texts, references)
    assert ours.score == pytest.approx(other.score, abs=1e-9)
    assert (list(ours.matched), list(ours.written)) == (other.counts, other.totals)
    assert (ours.length, ours.wanted) == (other.sys_len, other.ref_len)
    assert ours.brevity == pytest.approx(other.bp)


@given(PAIRS)
def test_chrf_is_that_of_sacrebleu(pairs):
    texts, references = map(list, zip(*pairs))
    assert chrf(texts, references) == pytest.approx(sacrebleu.corpus_chrf(texts, [references]).score)


@given(PAIRS)
def test_a_copy_of_the_reference_has_the_best_score(pairs):
    references = [right + " a b the cat" for _, right in pairs]
    assert bleu(references, references).score == pytest.approx(100)
    assert chrf(references, references) == pytest.approx(100)


@given(PAIRS, st.randoms())
def test_the_order_of_the_texts_changes_nothing(pairs, random):
    turned = list(pairs)
    random.shuffle(turned)
    assert bleu(*zip(*pairs)) == bleu(*zip(*turned))
    assert chrf(*zip(*pairs)) == pytest.approx(chrf(*zip(*turned)))


def test_nothing_written_scores_nothing_and_too_much_is_not_brief():
    assert bleu([""], ["a b c d"]).score == 0 and bleu([""], ["a b c d"]).brevity == 0
    assert chrf([""], ["a b c d"]) == 0 and chrf(["a"], [""]) == 0
    assert bleu(["a b c d e"], ["a b c d"]).brevity == 1
    assert bleu(["a b"], ["a b c d"]).brevity == pytest.approx(math.exp(-1))


test_bad_input_gets_one_clear_sentence = bad_input(
    {
        "one text": (lambda: bleu("the cat", ["the cat"]), "texts is the string 'the cat'; it should be a"),
        "one reference": (lambda: chrf(["a"], "a"), "references is the string 'a'; it should be a sequence"),
        "words": (lambda: bleu([["the", "cat"]], ["a"]), r"texts\[0\] is a list; it should be a string"),
        "fewer": (lambda: bleu(["a", "b"], ["a"]), "references has 1 texts; it should have 2, as texts has"),
        "none": (lambda: chrf([], []), "texts is empty; it should have at least one text"),
        "most": (lambda: bleu(["a"], ["a"], 0), "most is 0; it should be a whole number"),
        "beta": (lambda: chrf(["a"], ["a"], beta=0), "beta is 0; it should be"),
    }
)
