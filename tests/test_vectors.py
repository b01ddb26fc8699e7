"""Word vectors: neighbours, analogies, evaluation, and the word2vec file formats in exchange with gensim."""

import importlib.util
import logging
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.vectors import (
    UnknownWord,
    WordVectors,
    analogy_questions,
    evaluate_analogies,
    evaluate_similarity,
    load_word2vec,
    save_word2vec,
    similarity_pairs,
    unit_rows,
)

GOLDEN = Path(__file__).parent / "golden"
needs_gensim = pytest.mark.skipif(
    not importlib.util.find_spec("gensim"), reason="gensim, with its files, has no wheel for this Python"
)
WORDS = ["film", "movie", "café", "don't", "電影"]


def some_vectors(size=5, dimension=4, seed=1984):
    return np.random.default_rng(seed).standard_normal((size, dimension)).astype(np.float32)


@pytest.fixture
def family():
    """man, woman, king, queen at the corners of a rectangle, with lengths that differ by a factor of 100."""
    vectors = np.array([[1, 0, 1], [1, 1, 1], [3, 0, 4.0], [3, 1, 4], [-1, 2, 0], [0, 0, 0]])
    vectors[:4] = unit_rows(vectors[:4]) * np.array([[0.1], [10], [5], [0.2]])
    return WordVectors(["man", "woman", "king", "queen", "film", "nothing"], vectors)


# --- Nearest words and analogies


def test_neighbours_are_those_of_a_plain_loop():
    vectors = some_vectors(50, 7)
    wv = WordVectors([f"w{i}" for i in range(50)], vectors)
    found = wv.most_similar("w3", top=6)
    cosine = {
        f"w{i}": float(v @ vectors[3] / np.linalg.norm(v) / np.linalg.norm(vectors[3]))
        for i, v in enumerate(vectors)
        if i != 3
    }
    expected = sorted(cosine.items(), key=lambda item: -item[1])[:6]
    assert [word for word, _ in found] == [word for word, _ in expected]
    np.testing.assert_allclose([c for _, c in found], [c for _, c in expected], rtol=1e-5)


def test_top_larger_than_the_vocabulary_gives_all_other_words():
    wv = WordVectors(WORDS, some_vectors())
    assert sorted(word for word, _ in wv.most_similar("film", top=100)) == sorted(WORDS[1:])
    assert WordVectors(["film"], some_vectors(1)).most_similar("film") == []


def test_analogy_uses_directions_and_leaves_the_query_out(family):
    (answer, cosine), *_ = family.analogy("man", "king", "woman")
    assert answer == "queen" and 0.9 < cosine <= 1 + 1e-6
    assert not {"man", "king", "woman"} & {word for word, _ in family.analogy("man", "king", "woman", top=10)}
    target = unit_rows(family.unit[[2]] - family.unit[[0]] + family.unit[[1]])[0]
    assert cosine == pytest.approx(float(target @ family.unit[3]))


def test_a_zero_vector_has_cosine_zero_and_no_warning(family):
    assert family.similarity("nothing", "king") == 0
    assert all(cosine == 0 for _, cosine in family.most_similar("nothing"))


def test_an_unknown_word_is_answered_with_near_spellings(family):
    with pytest.raises(UnknownWord) as error:
        family.most_similar("quen")
    assert str(error.value) == "no vector for the word 'quen'; near in spelling: queen."
    with pytest.raises(KeyError, match="no vector for the word 'zzz'; and no word is near in spelling"):
        family["zzz"]
    with pytest.raises(KeyError, match="no vector for the word 7"):
        family.id(7)


def test_bad_input_is_one_sentence():
    with pytest.raises(ValueError, match="words has 2 entries and vectors 5 rows"):
        WordVectors(["a", "b"], some_vectors())
    with pytest.raises(ValueError, match="words holds 'a' twice"):
        WordVectors(["a", "b", "a"], some_vectors(3))
    with pytest.raises(TypeError, match="vectors holds int64; it should hold floats"):
        WordVectors(["a"], np.ones((1, 2), dtype=np.int64))
    with pytest.raises(ValueError, match=r"vectors has shape \(0, 4\)"):
        WordVectors([], some_vectors(0))
    bad = some_vectors()
    bad[3, 1] = np.nan
    with pytest.raises(ValueError, match='NaN or infinity in the row of "don\'t"'):
        WordVectors(WORDS, bad)
    wv = WordVectors(WORDS, some_vectors())
    with pytest.raises(ValueError, match="top is 0; it should be at least 1"):
        wv.most_similar("film", top=0)
    with pytest.raises(ValueError, match=r"vector has shape \(3,\); it should be \(4,\)"):
        wv.nearest(np.ones(3))


# --- Evaluation


@needs_gensim
def test_the_test_sets_are_complete_and_read_without_importing_gensim():
    code = (
        "import sys; from common.vectors import *; q = analogy_questions();"
        "print(len(similarity_pairs('wordsim353')), len(similarity_pairs('simlex999')), len(q),"
        "sum(map(len, q.values())), 'gensim' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.split() == ["353", "999", "14", "19544", "False"]


def test_an_unknown_test_set_is_one_sentence():
    with pytest.raises(ValueError, match="name is 'men'; it should be one of wordsim353, simlex999"):
        similarity_pairs("men")


def test_similarity_counts_the_pairs_it_left_out(family):
    pairs = [("King", "queen", 9.0), ("man", "film", 1.0), ("king", "film", 2.0), ("king", "unheard", 5.0)]
    result = evaluate_similarity(family, pairs)
    assert result["pairs"] == 3 and result["out_of_vocabulary"] == 0.25
    assert -1 <= result["spearman"] <= 1
    scores = [family.similarity(a.lower(), b.lower()) for a, b, _ in pairs[:3]]
    in_order = [(a, b, s) for (a, b, _), s in zip(pairs, scores)]
    assert evaluate_similarity(family, in_order)["spearman"] == pytest.approx(1)
    with pytest.raises(
        ValueError, match="pairs has 0 pairs of known words; a rank correlation needs at least 2"
    ):
        evaluate_similarity(family, [("a", "b", 1.0)])


def test_analogies_are_those_of_asking_one_by_one(family):
    sections = {
        "family": [
            ("man", "king", "woman", "queen"),
            ("Man", "King", "Woman", "film"),
            ("king", "man", "a", "b"),
        ],
        "unheard": [("a", "b", "c", "d")],
        "empty": [],
    }
    result = evaluate_analogies(family, sections, batch=1)
    assert result["family"] == {"accuracy": 0.5, "out_of_vocabulary": pytest.approx(1 / 3), "questions": 2}
    assert np.isnan(result["unheard"]["accuracy"]) and result["unheard"]["out_of_vocabulary"] == 1
    assert result["empty"]["questions"] == 0
    assert result["all"] == {"accuracy": 0.5, "out_of_vocabulary": 0.5, "questions": 2}


@needs_gensim
def test_evaluation_agrees_with_gensim():
    """Random vectors for all words of the tests: the same correlation and the same answers as gensim's."""
    from gensim.models import KeyedVectors
    from gensim.test.utils import datapath

    questions = analogy_questions()
    words = sorted({w.lower() for q in questions["family"] + questions["currency"] for w in q})
    words += sorted({w.lower() for a, b, _ in similarity_pairs("wordsim353") for w in (a, b)} - set(words))[
        :300
    ]
    vectors = some_vectors(len(words), 3)  # few dimensions, so that some answers are right by chance
    wv, peer = WordVectors(words, vectors), KeyedVectors(3)
    peer.add_vectors(words, vectors)
    logging.disable(logging.WARNING)
    try:
        _, spearman, missing = peer.evaluate_word_pairs(datapath("wordsim353.tsv"))
        _, sections = peer.evaluate_word_analogies(datapath("questions-words.txt"))
    finally:
        logging.disable(logging.NOTSET)
    ours = evaluate_similarity(wv, similarity_pairs("wordsim353"))
    assert ours["spearman"] == pytest.approx(spearman.statistic, abs=1e-6)
    assert 100 * ours["out_of_vocabulary"] == pytest.approx(missing)
    result = evaluate_analogies(wv, questions)
    for section in sections[:-1]:
        asked = len(section["correct"]) + len(section["incorrect"])
        assert result[section["section"]]["questions"] == asked
        if asked:
            assert result[section["section"]]["accuracy"] == pytest.approx(len(section["correct"]) / asked)


# --- Files


@pytest.mark.parametrize("binary", [False, True])
def test_what_is_written_is_read_back_bit_by_bit(tmp_path, binary):
    wv = WordVectors(WORDS, some_vectors())
    save_word2vec(tmp_path / "v", wv, binary)
    back = load_word2vec(tmp_path / "v", binary)
    assert back.words == wv.words
    np.testing.assert_array_equal(back.vectors, wv.vectors)


@given(
    words=st.lists(
        st.text(st.characters(exclude_categories=["Cs", "Cc", "Z"]), min_size=1), min_size=1, unique=True
    ),
    binary=st.booleans(),
    seed=st.integers(0, 100),
)
@settings(max_examples=50, deadline=None)
def test_any_words_without_white_space_survive(tmp_path_factory, words, binary, seed):
    path = tmp_path_factory.mktemp("vectors") / "v"
    wv = WordVectors(words, some_vectors(len(words), 3, seed))
    save_word2vec(path, wv, binary)
    back = load_word2vec(path, binary)
    assert back.words == words
    np.testing.assert_array_equal(back.vectors, wv.vectors)


@pytest.mark.parametrize(("name", "binary"), [("gensim_vectors.txt", False), ("gensim_vectors.bin", True)])
def test_a_file_that_gensim_wrote_loads_here(name, binary):
    wv = load_word2vec(GOLDEN / name, binary)
    assert wv.words == WORDS
    np.testing.assert_array_equal(wv.vectors, some_vectors())


@needs_gensim
@pytest.mark.parametrize("binary", [False, True])
def test_exchange_with_the_installed_gensim(tmp_path, binary):
    from gensim.models import KeyedVectors

    wv = WordVectors(WORDS, some_vectors())
    save_word2vec(tmp_path / "ours", wv, binary)
    peer = KeyedVectors.load_word2vec_format(str(tmp_path / "ours"), binary=binary)
    assert peer.index_to_key == WORDS
    np.testing.assert_array_equal(peer.vectors, wv.vectors)
    logging.disable(logging.WARNING)
    try:
        peer.save_word2vec_format(str(tmp_path / "theirs"), binary=binary)
    finally:
        logging.disable(logging.NOTSET)
    back = load_word2vec(tmp_path / "theirs", binary)
    assert back.words == WORDS
    np.testing.assert_array_equal(back.vectors, wv.vectors)


def test_a_small_file_in_half_precision(tmp_path):
    wv = WordVectors(WORDS, some_vectors())
    wv.save(tmp_path / "v.npz")
    back = WordVectors.load(tmp_path / "v.npz")
    assert back.words == WORDS and back.vectors.dtype == np.float32
    np.testing.assert_allclose(back.vectors, wv.vectors, rtol=1e-3)
    np.savez(tmp_path / "other.npz", x=np.ones(3))
    with pytest.raises(ValueError, match=r"other.npz holds \['x'\]; it should hold 'vectors' and 'words'"):
        WordVectors.load(tmp_path / "other.npz")


TEXT_FAULTS = {
    "empty file": (b"", "it should begin with two numbers, V and D"),
    "no header": (b"film 1 2\nmovie 3 4\n", "it should begin with two numbers, V and D"),
    "negative header": (b"-1 2\nfilm 1 2\n", "it should begin with two numbers, V and D"),
    "huge header": (b"1000000000 1000000000\nfilm 1 2\n", "is too small for the 1000000000 vectors"),
    "too few lines": (
        b"3 2\nfilm 1.00 2.00\nmovie 3.00 4.00\n",
        "ends after 2 vectors; its first line promises 3",
    ),
    "too many lines": (b"1 2\nfilm 1 2\nmovie 3 4\n", "goes on after 1 vectors"),
    "a number missing": (b"2 2\nfilm 1 2\nmovie 3\n", "line 3: it should be a word and 2 numbers"),
    "a number too many": (b"2 2\nfilm 1 2\nmovie 3 4 5\n", "line 3: it should be a word and 2 numbers"),
    "no number": (b"1 2\nfilm 1 two\n", "line 2: it should be a word and 2 numbers"),
    "bad encoding": (b"1 2\nf\xff 1 2\n", "line 2: it should be a word and 2 numbers"),
    "NaN": (b"2 2\nfilm 1 2\nmovie nan 4\n", "NaN or infinity in the row of 'movie'"),
    "infinity": (b"1 2\nfilm 1 inf\n", "NaN or infinity in the row of 'film'"),
    "twice": (b"2 2\nfilm 1 2\nfilm 3 4\n", "words holds 'film' twice"),
}


@pytest.mark.parametrize("fault", TEXT_FAULTS)
def test_a_malformed_text_file_is_one_sentence(tmp_path, fault):
    content, sentence = TEXT_FAULTS[fault]
    path = tmp_path / "bad.txt"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=sentence) as error:
        load_word2vec(path)
    assert str(path) in str(error.value) and "\n" not in str(error.value)


def test_a_malformed_binary_file_is_one_sentence(tmp_path):
    path = tmp_path / "v.bin"
    save_word2vec(path, WordVectors(WORDS, some_vectors()), binary=True)
    whole = path.read_bytes()
    path.write_bytes(whole[:-4])
    with pytest.raises(ValueError, match="ends after 4 vectors; its first line promises 5"):
        load_word2vec(path, binary=True)
    path.write_bytes(whole + b"more")
    with pytest.raises(ValueError, match="goes on after 5 vectors"):
        load_word2vec(path, binary=True)
    path.write_bytes(b"1 1\nfilm " + np.array([np.nan], dtype="<f4").tobytes())
    with pytest.raises(ValueError, match="NaN or infinity in the row of 'film'"):
        load_word2vec(path, binary=True)
    path.write_bytes(b"1 1\n\xff\xfe " + bytes(4))
    with pytest.raises(ValueError, match="word 1 should be UTF-8 text"):
        load_word2vec(path, binary=True)
    path.write_bytes(whole)
    with pytest.raises(ValueError, match="if the file is binary, use binary=True"):
        load_word2vec(path)


def test_words_that_the_format_cannot_hold_are_refused_before_writing(tmp_path):
    for word in ["New York", "", "a\tb", "a\u00a0b"]:
        with pytest.raises(ValueError, match="is empty or holds white space"):
            save_word2vec(tmp_path / "v", WordVectors([word], some_vectors(1)))
    assert not (tmp_path / "v").exists()
    with pytest.raises(ValueError, match="a word holds a line break"):
        WordVectors(["a\nb"], some_vectors(1)).save(tmp_path / "v.npz")
