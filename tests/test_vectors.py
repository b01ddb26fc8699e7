"""Word vectors: neighbours, analogies, evaluation, and the word2vec file formats in exchange with gensim."""

import gzip
import importlib.util
import logging
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.text.vocabulary import UnknownWord
from common.vectors import (
    WordVectors,
    analogy_questions,
    answered_rightly,
    asked_questions,
    compared_pairs,
    evaluate_analogies,
    evaluate_similarity,
    load_word2vec,
    mean_vectors,
    save_word2vec,
    similarity_pairs,
    unit_rows,
)
from tests.helpers import bad_input

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


# ---- nearest words and analogies


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
    assert str(error.value) == "'quen' is not among the 6 words; near in spelling: queen."
    with pytest.raises(KeyError, match="'zzz' is not among the 6 words; no word is near in spelling"):
        family["zzz"]
    with pytest.raises(KeyError, match="7 is not among the 6 words"):
        family.id(7)


@pytest.mark.parametrize("size", [1e-300, 1e-200, 1e-23, 1e-8, 1.0, 1e5, 1e20, 1e300])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_vectors_of_any_finite_size(tmp_path, size, dtype):
    if not float(np.finfo(dtype).tiny) < size < float(np.finfo(dtype).max) / 10:
        return
    plain = some_vectors()
    vectors = plain.astype(dtype) * dtype(size)
    wv = WordVectors(WORDS, vectors)
    np.testing.assert_allclose(np.linalg.norm(wv.unit, axis=1), 1, rtol=1e-6)
    expected = WordVectors(WORDS, plain).similarity("film", "movie")
    assert wv.similarity("film", "movie") == pytest.approx(expected, abs=1e-6)
    assert wv.nearest(vectors[0], 1)[0] == ("film", pytest.approx(1))
    assert wv.nearest(plain[0].astype(float) * 1e200, 1)[0] == ("film", pytest.approx(1))
    wv.save(tmp_path / "my.vectors")
    back = WordVectors.load(tmp_path / "my.vectors")
    assert [file.name for file in tmp_path.iterdir()] == ["my.vectors"]
    if size == 1:  # three digits will do
        np.testing.assert_allclose(back.vectors, vectors, rtol=1e-3, atol=1e-3)
    else:
        np.testing.assert_array_equal(back.vectors, vectors)
        assert back.vectors.dtype == dtype


def test_scaling_by_powers_of_two_changes_no_bit():
    vectors = some_vectors(200, 50)
    by_hand = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    np.testing.assert_array_equal(unit_rows(vectors), by_hand)


def test_a_model_that_learns_on_does_not_change_the_vectors():
    W = some_vectors()
    wv = WordVectors(WORDS, W)
    before, cosines = wv["film"].copy(), wv.most_similar("film")
    W *= -3
    assert (wv["film"] == before).all() and wv.most_similar("film") == cosines
    for array in (wv.vectors, wv.unit):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


def test_bad_input_is_one_sentence():
    with pytest.raises(ValueError, match="words has 2 entries and vectors 5 rows"):
        WordVectors(["a", "b"], some_vectors())
    with pytest.raises(ValueError, match="words holds 'a' 2 times; every word should occur once"):
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
    with pytest.raises(ValueError, match="top is 0; it should be a whole number, at least 1"):
        wv.most_similar("film", top=0)
    with pytest.raises(ValueError, match=r"vector has shape \(3,\); it should be \(4,\)"):
        wv.nearest(np.ones(3))
    with pytest.raises(ValueError, match="vector holds NaN or infinity; it should be finite"):
        wv.nearest(np.array([1, np.nan, 0, 0]))


# ---- evaluation


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
    result = evaluate_analogies(family, sections)
    assert result["family"] == {"accuracy": 0.5, "out_of_vocabulary": pytest.approx(1 / 3), "questions": 2}
    assert np.isnan(result["unheard"]["accuracy"]) and result["unheard"]["out_of_vocabulary"] == 1
    assert result["empty"]["questions"] == 0
    assert result["all"] == {"accuracy": 0.5, "out_of_vocabulary": 0.5, "questions": 2}


def test_the_words_of_a_question_are_answers_only_where_they_may_be():
    """b - a is short, so that c itself is nearest to b - a + c: what is mostly found, and is no answer."""
    vectors = np.array([[1.0, 0.1, 0], [1, 0.2, 0], [0.1, 1, 0.1], [0.1, 1, 0.3], [-1, 0, 1]])
    wv = WordVectors(["a", "b", "c", "d", "e"], vectors)
    sections = {"one": [("a", "b", "c", "d"), ("a", "b", "c", "e")], "unheard": [("a", "b", "c", "x")]}
    answered = answered_rightly(wv, sections)
    assert {name: right.tolist() for name, right in answered.items()} == {"one": [True, False], "unheard": []}
    assert answered_rightly(wv, sections, question_words=True)["one"].tolist() == [False, False]
    itself = {"one": [("a", "b", "c", "c")]}
    assert evaluate_analogies(wv, itself)["all"]["accuracy"] == 0
    assert evaluate_analogies(wv, itself, question_words=True)["all"]["accuracy"] == 1
    np.testing.assert_array_equal(asked_questions(wv, sections)["one"], [[0, 1, 2, 3], [0, 1, 2, 4]])


def test_compared_pairs_are_the_known_ones_in_their_order(family):
    pairs = [("film", "king", 2.0), ("king", "unheard", 5.0), ("Man", "woman", 9.0)]
    cosines, scores = compared_pairs(family, pairs)
    assert scores.tolist() == [2, 9]
    assert cosines == pytest.approx([family.similarity("film", "king"), family.similarity("man", "woman")])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_text_is_the_mean_of_its_words(dtype):
    vectors = some_vectors().astype(dtype)
    means = mean_vectors(vectors, np.array([0, 0, 3, 4, 1]), np.array([0, 3, 3, 5]))
    expected = [(2 * vectors[0] + vectors[3]) / 3, np.zeros(4), (vectors[4] + vectors[1]) / 2]
    np.testing.assert_allclose(means, expected, rtol=1e-6)
    assert means.dtype == dtype


test_bad_texts_are_one_sentence = bad_input(
    {
        "ids": (
            lambda: mean_vectors(some_vectors(), np.array([5]), np.array([0, 1])),
            "ids holds numbers from 5",
        ),
        "starts": (
            lambda: mean_vectors(some_vectors(), np.array([1, 2]), np.array([0, 1])),
            "starts is .*; it should rise from 0 to 2, the length of the text",
        ),
        "vectors": (lambda: mean_vectors(np.ones(3), np.array([0]), np.array([0, 1])), "should be a matrix"),
    }
)


def test_vectors_of_words_with_capitals_are_found(family):
    names = WordVectors([word.title() for word in family.words], family.vectors)
    questions = {"family": [("man", "king", "woman", "queen")]}
    assert evaluate_analogies(names, questions) == evaluate_analogies(family, questions)
    pairs = [("King", "queen", 9.0), ("man", "film", 1.0), ("king", "film", 2.0)]
    assert evaluate_similarity(names, pairs) == evaluate_similarity(family, pairs)
    assert evaluate_similarity(names, pairs)["pairs"] == 3


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


# ---- files


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
    "another file": (b"film, movie\n", "it should begin with two numbers, V and D, or with a word and"),
    "negative header": (b"-1 2\nfilm 1 2\n", "it should begin with two numbers, V and D"),
    "huge header": (
        b"1000000000 1000000000\nfilm 1 2\n",
        "should be a word and 1000000000 numbers, and has 2",
    ),
    "too few lines": (
        b"3 2\nfilm 1.00 2.00\nmovie 3.00 4.00\n",
        "ends after 2 vectors; its first line promises 3",
    ),
    "too many lines": (b"1 2\nfilm 1 2\nmovie 3 4\n", "goes on after 1 vectors"),
    "a number missing": (
        b"2 2\nfilm 1 2\nmovie 3\n",
        "line 3: it should be a word and 2 numbers, and has 1 ",
    ),
    "a number too many": (b"2 2\nfilm 1 2\nmovie 3 4 5\n", "line 3: .* 2 numbers, and has more"),
    "no number": (b"1 2\nfilm 1 two\n", "line 2: .* and number 2 is 'two'"),
    "decimal comma": (b"1 2\nfilm 0,5 2\n", "line 2: .* and number 1 is '0,5'"),
    "an empty line": (b"2 2\nfilm 1 2\n\nmovie 3 4\n", "line 3: .* and has 0"),
    "no header, and a gap": (b"film 1 2\n\nmovie 3 4\n", "goes on after 1 vectors, in line 2"),
    "half of a gzip file": (gzip.compress(b"1 2\nfilm 1 2\n")[:-9], "is a damaged gzip file"),
    "too large": (b"1 2\nfilm 1e39 2\n", "NaN or infinity in the row of 'film'"),
    "NaN": (b"2 2\nfilm 1 2\nmovie nan 4\n", "NaN or infinity in the row of 'movie'"),
    "infinity": (b"1 2\nfilm 1 inf\n", "NaN or infinity in the row of 'film'"),
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
    path.write_bytes(b"film 1 2\n")
    with pytest.raises(ValueError, match=r"begins with b'film 1 2.*'; it should begin with two numbers"):
        load_word2vec(path, binary=True)
    path.write_bytes(whole)
    with pytest.raises(ValueError, match="if the file is binary, use binary=True"):
        load_word2vec(path)


def test_glove_writes_no_first_line_and_words_with_spaces(tmp_path):
    path = tmp_path / "glove.txt"
    path.write_bytes("film 1 2\n. . . 3 4\nthe\u00a0end 5 -6e-1\n  7 8\nseven\t9  10\n".encode())
    wv = load_word2vec(path)
    assert wv.words == ["film", ". . .", "the\u00a0end", " ", "seven"]
    np.testing.assert_array_equal(wv.vectors, np.array([[1, 2], [3, 4], [5, -0.6], [7, 8], [9, 10]], "f4"))


@pytest.mark.parametrize("binary", [False, True])
def test_a_word_that_was_cut_within_a_letter(tmp_path, binary):
    path, numbers = tmp_path / "v", np.array([0.5, 0.25], "<f4")
    vector = numbers.tobytes() if binary else b"0.5 0.25"
    words = ["日".encode()[:2], b"film", "本".encode()[:2], b"caf\xe9", b"film"]
    path.write_bytes(b"5 2\n" + b"".join(word + b" " + vector + b"\n" for word in words))
    wv = load_word2vec(path, binary)
    assert wv.words == ["\ufffd", "film", "caf\ufffd"]  # of words that look the same, the first
    np.testing.assert_array_equal(wv["film"], numbers)
    with pytest.raises(ValueError, match=r"v, (line 2|word 1): byte 1 of the word, 0xe6, is no UTF-8\."):
        load_word2vec(path, binary, errors="strict")


@pytest.mark.parametrize("binary", [False, True])
def test_compressed_files(tmp_path, binary):
    wv = WordVectors(WORDS, some_vectors())
    save_word2vec(tmp_path / "v", wv, binary)
    (tmp_path / "v.gz").write_bytes(gzip.compress((tmp_path / "v").read_bytes()))
    back = load_word2vec(tmp_path / "v.gz", binary)
    assert back.words == wv.words
    np.testing.assert_array_equal(back.vectors, wv.vectors)


@pytest.mark.parametrize("binary", [False, True])
def test_spaces_that_are_part_of_a_word(tmp_path, binary):
    wv = WordVectors(["New\u00a0York", "\u3000", "a\u2009b"], some_vectors(3))
    save_word2vec(tmp_path / "v", wv, binary)
    assert load_word2vec(tmp_path / "v", binary).words == wv.words


@pytest.mark.parametrize("size", [1e300, 1e-300])
def test_numbers_that_the_format_cannot_hold_are_refused_before_writing(tmp_path, size):
    (tmp_path / "v").write_text("old")
    with pytest.raises(
        ValueError, match=r"the vector of 'a' has numbers up to 1e.300; to be written as float32"
    ):
        save_word2vec(tmp_path / "v", WordVectors(["a"], np.array([[size]])))
    assert (tmp_path / "v").read_text() == "old"


def test_damaged_files_are_one_sentence(tmp_path):
    path = tmp_path / "v.npz"
    WordVectors(WORDS, some_vectors()).save(path)
    whole = path.read_bytes()
    for damage in (b"", b"text", whole[:-30], whole[:100]):
        path.write_bytes(damage)
        with pytest.raises(
            ValueError, match=r"v.npz is damaged, or not an .npz file of plain arrays"
        ) as error:
            WordVectors.load(path)
        assert "\n" not in str(error.value)
    for words in (np.array([97, 255], np.uint8), np.zeros(3), np.array([97, 10, 97], np.uint8)):
        np.savez(path, words=words, vectors=some_vectors(2))
        with pytest.raises(ValueError, match=r"v.npz is not what WordVectors.save wrote: "):
            WordVectors.load(path)
    with pytest.raises(FileNotFoundError, match="there is no file"):
        WordVectors.load(tmp_path / "none")


def test_words_that_the_format_cannot_hold_are_refused_before_writing(tmp_path):
    for word in ["New York", "", "a\tb", " "]:
        with pytest.raises(ValueError, match="is empty or holds white space"):
            save_word2vec(tmp_path / "v", WordVectors([word], some_vectors(1)))
    with pytest.raises(ValueError, match="half of a sign; it can't be saved"):
        save_word2vec(tmp_path / "v", WordVectors(["a", "\udc80"], some_vectors(2)))
    assert not list(tmp_path.iterdir())
    with pytest.raises(ValueError, match="holds a line break"):
        WordVectors(["a\nb"], some_vectors(1)).save(tmp_path / "v.npz")


def test_the_evaluation_alone_loads_the_statistics():
    code = "import sys, common.vectors; print('scipy.stats' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False"
