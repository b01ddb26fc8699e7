"""Sentences in which names are marked: those of WordNet, and those marked by hand."""

import json
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.datasets import DataError, Gazetteer, load_marked, load_reviews, load_silver, wordnet
from common.datasets.entities import MARKED, SHARES, sentences, sentences_to_mark, shuffled_reviews, usable
from common.text import spans, tokenize, tokenize_as_written


@pytest.fixture(scope="module")
def silver():
    return load_silver()


def words_of(sentence):
    return [word for word, _ in sentence]


def names_in(sentences):
    return {
        tuple(words_of(sentence)[start:end])
        for sentence in sentences
        for start, end, _ in spans([tag for _, tag in sentence])
    }


# ---- tokens and sentences


@given(st.text("aBcZ éÉüßŁ’'-.,?3\n_"))
def test_tokens_as_written_are_the_tokens_with_their_capitals(text):
    assert [word.lower() for word in tokenize_as_written(text)] == tokenize(text)


def test_capitals_and_accents_stay():
    assert tokenize_as_written("Am\u0065\u0301lie’s Café, U.S.") == ["Amélie", "'", "s", "Café", ",", *"U.S."]
    with pytest.raises(TypeError, match="text is a int; it should be a string"):
        tokenize_as_written(3)


@given(st.text("aB .!?:-\n\"'(", max_size=40))
def test_sentences_lie_one_behind_the_other(text):
    places = list(sentences(text))
    ends = [0, *(end for _, end in places)]
    assert all(before <= start <= end for before, (start, end) in zip(ends, places))
    assert places[-1][1] == len(text)
    left_out = [text[before:start] for before, (start, _) in zip(ends, places)]
    assert not any(sign.isalpha() for gap in left_out for sign in gap)


def test_where_a_sentence_ends():
    text = 'I met Mr. Smith and J. J. Abrams. "Really?" Yes: In 1999.  so it was'
    assert [text[a:b] for a, b in sentences(text)] == [
        "I met Mr. Smith and J. J. Abrams.",
        '"Really?',
        "Yes",
        "In 1999.",
        "so it was",
    ]
    assert (
        usable("One two three four five.")
        and not usable("One two.")
        and not usable("One <br> two three four")
    )


# ---- WordNet's names


def test_names_of_wordnet():
    names = wordnet.names()
    assert names["London",] == ["LOC", "PER"] and names["New", "York"] == ["LOC"]
    assert names["Charles", "Dickens"] == names["Dickens",] == ["PER"]
    assert ("dog",) not in names and ("Sunday",) not in names  # a day, before it is a preacher
    assert {"American", "Sunday", "English"} <= wordnet.capitalized()
    assert not {"Dickens", "dog"} & wordnet.capitalized()


@pytest.fixture(scope="module")
def gazetteer():
    usual = (
        "the grant will go to a rich man but I saw Grant and London and Timothy and Dickens and Jack".split()
    )
    return Gazetteer([usual * 10])


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("He lives in London now", [(3, 4, "LOC")]),
        ("He met Jack London there", [(2, 4, "PER")]),
        ("He left New York City", [(2, 5, "LOC")]),
        ("It is by Dickens of course", [(3, 4, "PER")]),
        ("Grant is a usual word too often", []),
        ("a dog in the house", []),
    ],
)
def test_rules_for_names(gazetteer, text, names):
    assert gazetteer.find(text.split()) == names
    assert spans(gazetteer.tag(text.split())) == names


@pytest.mark.parametrize(
    ("text", "explained"),
    [
        ("but the American in London will go", True),
        ("but the Xanadian in London will go", False),  # unknown
        ("but the man will go to a man", False),  # has nothing to explain
        ("but London Dickens will go", False),  # one name directly behind another is one that is not known
        ("but the man WILL go to London", True),  # loud, no name
    ],
)
def test_which_sentences_are_explained(gazetteer, text, explained):
    assert (gazetteer.explanation(text.split()) is not None) == explained


# ---- silver


def test_sizes_of_the_silver_sentences(silver):
    assert [len(part) for part in (silver.train, silver.valid, silver.test)] == [10_454, 1_718, 2_182]
    types = Counter(tag for sentence in silver.train for _, tag in sentence)
    assert set(types) == {"O", "B-PER", "I-PER", "B-LOC", "I-LOC"}
    assert types["O"] / types.total() > 0.9


def test_names_of_the_test_part_never_occur_in_training(silver):
    seen = {word for name in names_in(silver.train) for word in name}
    for part in (silver.valid, silver.test):
        assert all(set(name) - seen for name in names_in(part))
    assert not names_in(silver.train) & names_in(silver.test)
    assert sum(SHARES) == 1


def test_silver_sentences_are_always_the_same(silver):
    again = load_silver()
    assert again.train == silver.train and again.test == silver.test


# ---- marked by hand


def test_marked_sentences_are_those_that_were_drawn():
    marked = json.loads(MARKED.read_text(encoding="utf-8"))
    assert [tuple(place) for place in marked["sentences"]] == sentences_to_mark(load_reviews())


def test_marked_sentences_and_the_silver_ones_are_of_different_reviews(silver):
    marked = load_marked()
    assert len(marked) == 300 and sum(map(len, marked)) == 6_557
    names = Counter(kind for sentence in marked for *_, kind in spans([tag for _, tag in sentence]))
    assert names == {"PER": 265, "LOC": 41}
    assert all(any(word[0].isupper() for word in words_of(sentence)[1:]) for sentence in marked)
    there = {tuple(words_of(s)) for part in (silver.train, silver.valid, silver.test) for s in part}
    assert not [words_of(sentence) for sentence in marked if tuple(words_of(sentence)) in there]


def test_no_text_is_in_the_file():
    marked = json.loads(MARKED.read_text(encoding="utf-8"))
    rows = [row for key in ("names", "only_first", "only_second") for row in marked[key]]
    assert set(marked) == {"sha256", "sentences", "names", "only_first", "only_second"}
    assert all(isinstance(number, int) for row in marked["sentences"] for number in row)
    assert all(isinstance(number, int) for row in rows for number in row[:3])
    assert {row[3] for row in rows} == {"PER", "LOC"}


def test_the_two_markings_agree_as_the_data_sheet_says():
    marked = json.loads(MARKED.read_text(encoding="utf-8"))
    settled, first, second = (
        {tuple(row) for row in marked[key]} for key in ("names", "only_first", "only_second")
    )
    both = settled - first - second
    lists = [both | first, both | second]
    assert [len(names) for names in lists] == [308, 306] and len(both) == 305
    assert f"{200 * len(both) / sum(map(len, lists)):.1f}" == "99.3"
    sheet = (MARKED.parent / "README.md").read_text(encoding="utf-8")
    assert "lists of 308 and 306 names. 305 are the same in both: an F1 of 99.3 %" in sheet


def test_other_texts_are_refused(tmp_path):
    marked = json.loads(MARKED.read_text(encoding="utf-8"))
    marked["sentences"][5][0] += 1
    other = tmp_path / "review_entities.json"
    other.write_text(json.dumps(marked), encoding="utf-8")
    with pytest.raises(
        DataError, match=r"review_entities\.json marks sentences that are not in these film reviews"
    ):
        load_marked(other)


def test_each_distinct_review_of_imdb_once():
    reviews = load_reviews()
    order = shuffled_reviews(reviews)
    assert len(order) == len({reviews.texts[i] for i in order}) == 24_904
    assert (reviews.sources[np.array(order)] == "imdb").all()
