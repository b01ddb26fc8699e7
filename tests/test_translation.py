"""Words and sentence pairs for translation."""

from __future__ import annotations

import numpy as np
import pytest

from common.datasets import Sentences, Verse, load_bible_pairs
from common.models.decoding import answer
from common.models.pretrained import load_translator
from common.text import (
    END,
    PAD,
    RARE,
    SPECIALS,
    START,
    Vocabulary,
    cut_words,
    decode_words,
    encode_words,
    name_rare,
)


@pytest.fixture(scope="module")
def verses():
    return load_bible_pairs()


@pytest.fixture(scope="module")
def sentences(verses):
    return Sentences.split(verses, 12, np.random.default_rng(0))


def test_the_bible_in_two_translations(verses):
    assert len(verses) == 31_095
    assert len({(verse.book, verse.chapter) for verse in verses}) == 1189
    assert verses[0] == Verse(
        1, 1, 1, "In the beginning God created the heaven and the earth.",
        "In the beginning God created the heavens and the earth.",
    )  # fmt: skip
    by_place = {verse[:3]: verse for verse in verses}
    assert by_place[19, 23, 1].old == "The LORD is my shepherd; I shall not want."
    assert by_place[19, 23, 1].new == "Yahweh is my shepherd: I shall lack nothing."
    text = "".join(verse.old + verse.new for verse in verses)
    assert not set(text) & set("[]`’æÆ\n\t") and "  " not in text
    assert all(verse.old.strip() and verse.new.strip() for verse in verses)
    assert (44, 8, 37) not in by_place  # a remark of the package's author stands there
    assert by_place[18, 42, 17].new == "So Job died, being old and full of days."  # no heading of a psalm
    assert by_place[19, 150, 6].new == "Let everything that has breath praise Yah! Praise Yah!"
    assert not any(verse.new.endswith("by amos") or "Psalm " in verse.new for verse in verses)


def test_words():
    assert cut_words('"Haven\'t I," said he; Beer-sheba.') == [
        "haven't", "i", ",", "said", "he", ";", "beer-sheba", ".",
    ]  # fmt: skip
    assert cut_words("The mother’s été; l\u2019e\u0301te\u0301, ﬁn. 3 Äpfel-Kuchen, 你好。") == (
        ["the", "mother's", "été", ";", "l'été", ",", "fin", ".", "3", "äpfel-kuchen", ",", "你", "好", "。"]
    )
    assert cut_words("") == []
    with pytest.raises(TypeError, match="text is a int; it should be a string"):
        cut_words(3)


def test_the_parts_share_no_chapter(verses):
    marked = [verse._replace(old=f"{verse.book} {verse.chapter}", new="x") for verse in verses]
    split = Sentences.split(marked, 12, np.random.default_rng(0))
    chapters = [{tuple(old) for old, _ in part} for part in (split.train, split.valid, split.test)]
    assert [len(part) for part in chapters] == [1071, 59, 59]
    assert not chapters[0] & chapters[1] and not chapters[0] & chapters[2] and not chapters[1] & chapters[2]


def test_a_split_is_repeatable_and_keeps_the_length(verses, sentences):
    assert sentences == Sentences.split(verses, 12, np.random.default_rng(0))
    assert max(len(side) for pair in sentences.train for side in pair) == 12


def test_a_tokenizer_of_ones_own():
    verses = [Verse(1, chapter, 1, "Ich weiß nicht.", "我不知道。") for chapter in range(3)]
    by_word = Sentences.split(verses, 12, np.random.default_rng(0))
    assert by_word.test == [(["ich", "weiß", "nicht", "."], list("我不知道。"))]
    by_character = Sentences.split(verses, 20, np.random.default_rng(0), tokenizer=list)
    assert by_character.test == [(list("Ich weiß nicht."), list("我不知道。"))]


def test_nothing_is_short_enough(verses):
    with pytest.raises(ValueError, match="longest is 1; with it, one of the three parts holds no verse"):
        Sentences.split(verses, 1, np.random.default_rng(0))


def test_the_vocabulary_is_of_the_training_part(sentences):
    words = sentences.vocabulary(3)
    seen = {word for pair in sentences.train for side in pair for word in side}
    assert set(words.words[10:]) <= seen and list(words.words[:4]) == ["<pad>", "<start>", "<end>", "<unk>"]


def test_there_and_back(sentences):
    words = sentences.vocabulary(3)
    pairs = sentences.test[:50]
    questions, answers = encode_words(pairs, words)
    assert questions.dtype == answers.dtype == np.int32
    assert (answers[:, 0] == START).all() and ((answers == END).sum(axis=1) == 1).all()
    lengths = (questions != PAD).sum(axis=1)
    assert lengths.tolist() == [len(old) for old, _ in pairs]
    back = decode_words(questions, words, [old for old, _ in pairs])
    few = [i for i, (old, _) in enumerate(pairs) if len(name_rare(old, words)) <= len(RARE)]
    assert [back[i] for i in few] == [" ".join(pairs[i][0]) for i in few]


def test_a_name_is_copied_by_its_sign(sentences):
    words = sentences.vocabulary(3)
    old, new = ["zibeon", "begat", "zibia", "."], ["zibia", "was", "the", "son", "of", "zibeon", "xyz", "."]
    questions, answers = encode_words([(old, new)], words)
    signs = words.decode(questions[0])
    assert name_rare(old, words) and signs[0] == "<rare1>" and signs[-1] == "."
    written = words.decode(answers[0])
    assert written[1] == signs[2] and written[6] == "<rare1>" and written[7] == "<unk>"
    assert decode_words(answers[:, 1:], words, [old]) == ["zibia was the son of zibeon ."]


def test_more_rare_words_than_signs(sentences):
    words = sentences.vocabulary(3)
    rare = name_rare([f"zz{chr(97 + i)}" for i in range(8)], words)
    assert list(rare.values()) == [*RARE, "<unk>", "<unk>"]


def test_nothing_to_encode(sentences):
    words = sentences.vocabulary(3)
    with pytest.raises(ValueError, match="sentences is empty"):
        encode_words([], words)
    with pytest.raises(ValueError, match="a pair whose first side has no words"):
        encode_words([([], ["a"])], words)


@pytest.mark.parametrize("pairs", [[("and he", "and")], [(["and", "he"], "and")], ("and he", "and"), "and"])
def test_strings_are_not_cut_into_letters(pairs):
    words = Vocabulary([*SPECIALS, "<unk>", *RARE, *"abcdefghijklmnopqrstuvwxyz "])
    with pytest.raises(TypeError, match="sentences should hold pairs of lists of words: for a string, cut_"):
        encode_words(pairs, words)


def test_the_trained_translator_writes_english():
    model, sentences, words = load_translator(np.float64)
    pair = (cut_words("And the LORD spake unto Moses, saying,"), ["x"])
    ids = answer(model, encode_words([pair], words)[0], 12)
    (text,) = decode_words(ids, words, [pair[0]])
    assert {"spoke", "to", "moses"} <= set(text.split())  # and no longer "spake unto"
    assert len(sentences.train) > 10 * len(sentences.valid) > 0 < len(sentences.test)
