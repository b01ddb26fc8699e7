"""Tokens, vocabulary, contexts."""

import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.text import Vocabulary, contexts, tokenize
from common.text.tokens import plain, tokenize_ascii
from common.text.vocabulary import UnknownWord, lines_to_words, words_to_lines

WORDS = st.lists(st.text("abc", min_size=1, max_size=3), min_size=1, max_size=40)


def test_tokenize_toy_sentence():
    assert tokenize("You say goodbye and I say hello.") == [
        "you",
        "say",
        "goodbye",
        "and",
        "i",
        "say",
        "hello",
        ".",
    ]


def test_tokenize_splits_apostrophes_and_drops_other_signs():
    assert tokenize("Don't (ever) watch E.T. 2 -- a 7/10; ok?") == (
        ["don", "'", "t", "ever", "watch", "e", ".", "t", ".", "2", "a", "7", "10", ";", "ok", "?"]
    )


@given(st.text())
def test_tokenize_twice_changes_nothing(text):
    tokens = tokenize(text)
    assert tokenize(" ".join(tokens)) == tokens
    assert all(token == token.lower() and token.split() == [token] for token in tokens)
    ascii_only = text.encode("ascii", "ignore").decode()
    assert tokenize(ascii_only) == tokenize_ascii(ascii_only) == tokenize(ascii_only + "♥")


@given(st.text(st.characters(categories=["L", "Nd"])))
def test_no_letter_and_no_digit_is_lost(text):
    """Modifier letters such as ʼ may be made an apostrophe, which is a mark."""
    signs = "".join(plain(text).split())
    kept = [sign for sign in signs if unicodedata.category(sign)[0] in "LN" or sign == "'"]
    found = "".join(tokenize(text))
    assert [sign for sign in found if unicodedata.category(sign)[0] in "LN" or sign == "'"] == kept


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("I don’t think", "i don ' t think"),
        ("I donʼt don´t", "i don ' t don ' t"),
        ("café Zürich", "café zürich"),
        ("cafe\u0301 Zu\u0308rich", "café zürich"),  # é as an e and an accent
        ("ﬁnd oﬃce…", "find office . . ."),
        ("Die Straße, schön!", "die straße , schön !"),
        ("L’élève naïf", "l ' élève naïf"),
        ("Donau\u00addampf", "donaudampf"),  # a hyphen for a line that may break here
        ("ПРИВЕТ, мир", "привет , мир"),
        ("مرحبا بالعالم، كيف؟", "مرحبا بالعالم ، كيف ؟"),
        ("हिन्दी में।", "हिन्दी में ।"),  # vowel signs are no letters to Python
        ("m̀ x̣y", "m̀ x̣y"),  # letters with accents that Unicode has no sign for
        ("我爱自然语言处理。", "我 爱 自 然 语 言 处 理 。"),
        ("日本語のテキスト！", "日 本 語 の テ キ ス ト !"),
        ("３０ films我爱", "30 films 我 爱"),
        ("สวัสดี", "ส วั ส ดี"),
        ("♥ -- 🎬", ""),
        ("", ""),
    ],
)
def test_other_scripts_keep_their_letters(text, tokens):
    assert tokenize(text) == tokens.split()


def test_the_tokens_of_the_film_reviews_are_of_letters_a_to_z():
    assert tokenize_ascii("Café, don’t") == ["caf", ",", "don", "t"]


def test_a_tokenizer_of_ones_own():
    assert Vocabulary.from_tokens(list("我爱我")).words == ("我", "爱")


def test_tokenize_refuses_bytes():
    for cut in (tokenize, tokenize_ascii):
        with pytest.raises(TypeError, match=r"text is a bytes; it should be a string\."):
            cut(b"hello")


def test_ids_by_frequency_then_alphabet():
    vocabulary = Vocabulary.from_tokens(["b", "a", "c", "b", "a", "d"])
    assert vocabulary.words == ("a", "b", "c", "d")
    assert vocabulary.counts.tolist() == [2, 2, 1, 1]


def test_specials_and_unknown_come_first_and_unknown_counts_what_it_stands_for():
    tokens = ["a", "a", "a", "b", "b", "c", "d"]
    vocabulary = Vocabulary.from_tokens(tokens, min_count=2, unknown="<unk>", specials=["<pad>"])
    assert vocabulary.words == ("<pad>", "<unk>", "a", "b")
    assert vocabulary.counts.tolist() == [0, 2, 3, 2]
    assert vocabulary.encode(tokens).tolist() == [2, 2, 2, 3, 3, 1, 1]
    assert vocabulary["never seen"] == 1


def test_unknown_word_that_occurs_in_the_text():
    vocabulary = Vocabulary.from_tokens(
        ["a", "<unk>", "a", "b", "<unk>", "<unk>"], max_size=2, unknown="<unk>"
    )
    assert vocabulary.words == ("<unk>", "a")
    assert vocabulary.counts.tolist() == [4, 2]


def test_max_size_includes_specials():
    vocabulary = Vocabulary.from_tokens(["a", "b", "b", "c", "c", "c"], max_size=3, unknown="<unk>")
    assert vocabulary.words == ("<unk>", "c", "b") and len(vocabulary) == 3


@given(WORDS)
def test_encode_then_decode(tokens):
    vocabulary = Vocabulary.from_tokens(tokens)
    ids = vocabulary.encode(tokens)
    assert ids.dtype == np.int32
    assert vocabulary.decode(ids) == tokens
    assert vocabulary.counts.sum() == len(tokens)
    assert Vocabulary.from_tokens(tokens[::-1]) == vocabulary  # the order of the text does not matter


@given(WORDS, st.integers(1, 4), st.integers(2, 6))
def test_counts_add_up_with_an_unknown_word(tokens, min_count, max_size):
    try:
        vocabulary = Vocabulary.from_tokens(tokens, min_count, max_size, unknown="<unk>")
    except ValueError as error:
        assert "no word is left" in str(error)
        return
    assert vocabulary.counts.sum() == len(tokens)
    assert len(vocabulary) <= max_size
    assert (
        np.bincount(vocabulary.encode(tokens), minlength=len(vocabulary)).tolist()
        == vocabulary.counts.tolist()
    )


def test_skip_unknown():
    assert Vocabulary(["a", "b"]).encode(["b", "x", "a", "x"], skip_unknown=True).tolist() == [1, 0]


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n")), min_size=1))
def test_words_as_lines(words):
    lines = words_to_lines(words)
    assert lines.dtype == np.uint8 and lines_to_words(lines) == words


@pytest.mark.parametrize("word", ["a\nb", "\udc80"])
def test_words_that_are_no_lines(word):
    with pytest.raises(ValueError, match=r"holds a line break or half of a sign; it can't be saved\."):
        words_to_lines(["a", word])


def test_an_unknown_word_is_a_sentence_without_quotation_marks():
    films = Vocabulary(["film", "films", "Paris"])
    for ask in (lambda word: films[word], lambda word: films.encode([word])):
        with pytest.raises(UnknownWord) as error:
            ask("flim")
        assert str(error.value) == "'flim' is not among the 3 words; near in spelling: film, films."
    for word, near in (("FILM", "film, films"), ("Pariss", "Paris")):
        with pytest.raises(KeyError, match=f"near in spelling: {near}"):
            films[word]
    for word in ("zzz", 7):
        with pytest.raises(KeyError, match=r"is not among the 3 words; no word is near in spelling\."):
            films[word]


def test_two_vocabularies_share_nothing():
    first = Vocabulary(["a", "b"], unknown="a")
    second = Vocabulary(["b", "c"])
    assert first["c"] == 0 and second["c"] == 1
    with pytest.raises(KeyError):
        second["a"]


@pytest.mark.parametrize(
    "make, error, sentence",
    [
        (lambda: Vocabulary([]), ValueError, "words is empty"),
        (lambda: Vocabulary(["a", "b", "a"]), ValueError, "words holds 'a' 2 times"),
        (lambda: Vocabulary(["a", 3]), TypeError, "words holds 3"),
        (lambda: Vocabulary(["a"], [1, 2]), ValueError, r"counts has shape \(2,\)"),
        (lambda: Vocabulary(["a"], unknown="b"), ValueError, "unknown is 'b', which is not one of the words"),
        (
            lambda: Vocabulary.from_tokens([]),
            ValueError,
            r"tokens is empty; .*list\(text\) gives the characters",
        ),
        (lambda: Vocabulary.from_tokens("a text"), TypeError, "tokens is the string 'a text'"),
        (lambda: Vocabulary.from_tokens(["a"], min_count=2), ValueError, "no word is left of 1"),
        (lambda: Vocabulary.from_tokens(["a"], min_count=0), ValueError, "min_count is 0"),
        (lambda: Vocabulary.from_tokens(["a"], max_size=0), ValueError, "max_size is 0"),
        (
            lambda: Vocabulary.from_tokens(["a"], specials="<pad>"),
            TypeError,
            "specials is the string '<pad>'",
        ),
        (lambda: Vocabulary(["film"]).encode("film"), TypeError, "tokens is the string 'film'"),
        (
            lambda: Vocabulary(["film"]).decode([1]),
            ValueError,
            "ids go from 1 to 1; they should lie between 0 and 0",
        ),
        (lambda: Vocabulary(["film"]).decode([-1]), ValueError, "ids go from -1 to -1"),
        (lambda: Vocabulary(["film"]).decode([0.5]), TypeError, "ids is of type float64"),
        (
            lambda: contexts([1, 2], window=1),
            ValueError,
            "ids has 2 words; with window=1 it should have at least 3",
        ),
        (lambda: contexts([], window=1), ValueError, "ids has 0 words"),
        (
            lambda: contexts([1, 2, 3], window=0),
            ValueError,
            "window is 0; it should be a whole number, at least 1",
        ),
        (lambda: contexts([[1, 2, 3]]), ValueError, r"ids has shape \(1, 3\)"),
    ],
)
def test_bad_input_gets_one_clear_sentence(make, error, sentence):
    with pytest.raises(error, match=sentence):
        make()


@given(st.lists(st.integers(0, 9), min_size=3, max_size=30), st.integers(1, 3))
def test_contexts_against_a_loop(ids, window):
    if len(ids) < 2 * window + 1:
        return
    context, target = contexts(ids, window)
    positions = range(window, len(ids) - window)
    assert target.tolist() == [ids[i] for i in positions]
    assert context.tolist() == [ids[i - window : i] + ids[i + 1 : i + window + 1] for i in positions]
