"""Subwords: pieces, what is merged and in which order, the round trip, files."""

import json
import unicodedata
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from common.layers import Affine
from common.support.files import write_npz
from common.text import (
    END_OF_TEXT,
    GPT2_BYTES,
    Subwords,
    count_pieces,
    cut_pieces,
    learn_merges,
    learn_merges_plainly,
    merge,
    subwords,
)
from common.weights import load_vocabulary, load_weights, save_weights

GPT2_RULE = regex.compile(
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
)  # as it was published, for the module regex, which knows the classes of Unicode
ASSIGNED = st.characters(exclude_categories=["Cs", "Cn"])  # the versions of Unicode may differ
FEW_LETTERS = st.lists(st.text("ab c", max_size=12), max_size=8)  # many runs, many ties
TEXTS = ["the cat sat on the mat", "then the thin hat, and that cat's 12 mats", "北京 北京 née"]
LEARNED = Subwords.learn(TEXTS * 3, merges=40, special=[END_OF_TEXT, "<|pad|>"])


def written(pairs):
    """Pairs of tokens, as numbers."""
    return [tuple(map(ord, pair)) for pair in pairs]


def merged_by_lists(texts, merges):
    """Byte-pair encoding without strings of tokens, words counted one by one."""
    words = [list(piece.encode()) for text in texts for piece in cut_pieces(text)]
    learned = []
    for new in range(256, 256 + merges):
        pairs = Counter(pair for word in words for pair in pairwise(word))
        if not pairs or max(pairs.values()) < 2:
            break
        best = min(pair for pair in pairs if pairs[pair] == max(pairs.values()))
        learned.append(best)
        for word in words:
            i = 0
            while i < len(word) - 1:
                if (word[i], word[i + 1]) == best:
                    word[i : i + 2] = [new]
                i += 1
    return learned


# ---- pieces


@given(st.text())
def test_pieces_joined_are_the_text(text):
    assert "".join(cut_pieces(text)) == text


@given(st.text(st.one_of(ASSIGNED, st.sampled_from(" '\n\x1c\x85_½²Ⅷ٣sltdreve"))))
def test_pieces_are_those_of_the_rule_that_gpt2_published(text):
    assert cut_pieces(text) == GPT2_RULE.findall(text)


def test_pieces_are_the_same_for_every_character_there_is():
    signs = [chr(i) for i in range(0x110000) if unicodedata.category(chr(i)) not in ("Cs", "Cn")]
    for start in range(0, len(signs), 512):
        block = signs[start : start + 512]
        for text in ("".join(block), " ".join(block), "a".join(block), "1".join(block)):
            assert cut_pieces(text) == GPT2_RULE.findall(text)


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("I'll  say it's 42%!\n", "I|'ll| | say| it|'s| 42|%!|\n"),
        ("don't DON'T", "don|'t| DON|'|T"),
        ("a_b  \n c", "a|_|b|  \n| c"),
        ("½ tsp, x²", "½| tsp|,| x|²"),
        ("北京 né", "北京| né"),
        ("", ""),
    ],
)
def test_pieces_keep_their_spaces(text, pieces):
    assert cut_pieces(text) == [piece for piece in pieces.split("|") if piece]


# ---- learning


def test_the_most_frequent_pair_is_merged_and_within_pieces_only():
    learned = learn_merges(Counter({"low": 5, " low": 2, "slow": 1, "wl": 1}), 3)
    assert written(learned) == [(ord("l"), ord("o")), (256, ord("w")), (ord(" "), 257)]


def test_of_equally_frequent_pairs_the_older_tokens_go_first():
    assert written(learn_merges({"ba": 2, "ab": 2, "ac": 2}, 3)) == [(97, 98), (97, 99), (98, 97)]
    by_z = bytes(range(255, -1, -1))  # the same with the bytes' ids turned round
    assert written(learn_merges({"ba": 2, "ab": 2, "ac": 2}, 3, by_z)) == [(157, 158), (158, 156), (158, 157)]


def test_a_pair_that_occurs_once_is_not_merged():
    assert learn_merges({"ab": 1}, 5) == learn_merges_plainly({"ab": 1}, 5) == []
    assert Subwords.learn([], merges=5).merges.shape == (0, 2)


def test_a_run_is_merged_from_the_left():
    assert merge("aaaaa", {"aa": "X"}) == "XXa"
    assert written(learn_merges({"aaaaa": 2}, 3)) == [(97, 97), (256, 97), (256, 257)]


@given(FEW_LETTERS, st.integers(1, 12))
def test_plain_and_fast_learn_the_same(texts, merges):
    counts = count_pieces(texts)
    fast = learn_merges(counts, merges)
    assert fast == learn_merges_plainly(counts, merges)
    assert written(fast) == merged_by_lists(texts, merges)


@given(st.lists(st.text(max_size=20), max_size=4), st.integers(1, 20))
def test_plain_and_fast_learn_the_same_from_any_script(texts, merges):
    counts = count_pieces(texts * 2)
    for alphabet in (bytes(range(256)), GPT2_BYTES):
        assert learn_merges(counts, merges, alphabet) == learn_merges_plainly(counts, merges, alphabet)


@given(FEW_LETTERS, st.integers(0, 12))
def test_fewer_merges_are_the_first_of_more(texts, few):
    counts = count_pieces(texts)
    assert learn_merges(counts, few) == learn_merges(counts, 12)[:few]


@given(FEW_LETTERS)
def test_no_two_tokens_stand_for_the_same_bytes(texts):
    tokens = Subwords.learn(texts, merges=30).tokens
    assert len(set(tokens)) == len(tokens)


@given(FEW_LETTERS)
def test_a_text_is_cut_as_it_was_when_its_merges_were_learned(texts):
    counts = count_pieces(texts)
    learned = learn_merges(counts, 12)
    merged = {pair: chr(256 + i) for i, pair in enumerate(learned)}
    for piece in counts:
        word = piece
        for pair, new in merged.items():
            word = word.replace(pair, new)
        assert merge(piece, merged) == word


# ---- from a text to ids and back


@given(st.text())
def test_every_text_comes_back(text):
    ids = LEARNED.encode(text)
    assert ids.dtype == np.int32 and ids.ndim == 1
    assert LEARNED.decode(ids) == text
    assert np.array_equal(ids, LEARNED.encode_bytes(text.encode()))
    assert not np.isin(ids, list(LEARNED.special.values())).any()


@given(st.binary())
def test_every_string_of_bytes_comes_back(data):
    assert LEARNED.decode_bytes(LEARNED.encode_bytes(data)) == data


def test_tokens_are_what_was_merged():
    assert LEARNED.cut("the cat") == ["the", " cat"]
    assert b"".join(LEARNED.tokens[i] for i in LEARNED.encode("北京").tolist()) == "北京".encode()
    assert len(LEARNED.encode("北京")) < 6  # merged across the bytes of its characters
    assert Subwords([]).encode("né").tolist() == [110, 195, 169]
    assert Subwords([], alphabet=GPT2_BYTES).encode("! ").tolist() == [0, 220]


def test_half_a_character_is_shown_as_such():
    bytes_only = Subwords([])
    assert bytes_only.decode([110, 195]) == "n\ufffd"
    assert bytes_only.cut("é") == ["\\xc3", "\\xa9"]


@given(st.text("ab", max_size=60))
def test_long_pieces_are_cut_as_short_ones_are(text):
    merged = {"ab": "\u0100", "aa": "\u0101", "\u0100\u0100": "\u0102", "b\u0101": "\u0103"}
    limit, subwords.LONG = subwords.LONG, 0
    try:
        long = merge(text, merged)
    finally:
        subwords.LONG = limit
    assert long == merge(text, merged)


def test_what_is_remembered_is_bounded(monkeypatch):
    some = Subwords.learn(TEXTS, merges=5)
    monkeypatch.setattr(type(some._written), "limit", 3)
    before = some.encode("one two three four").tolist()
    assert len(some._written) <= 3
    assert some.encode("one two three four").tolist() == before


def test_ids_as_large_as_surrogates_survive():
    """Tokens are written as characters, and some numbers of characters belong to no character."""
    every = Subwords([[i, j] for i in range(256) for j in range(256)])  # bytes i, j are token 256 (i + 1) + j
    for data, token in ((b"\xd7\x00", 0xD800), (b"\xde\xff", 0xDFFF), (b"\xff\xff", 0x100FF)):
        assert every.encode_bytes(data).tolist() == [token]
        assert every.decode_bytes([token]) == data


def test_special_tokens_come_last_and_no_text_has_them():
    end = LEARNED.special[END_OF_TEXT]
    assert LEARNED.special == {END_OF_TEXT: end, "<|pad|>": end + 1} and len(LEARNED) == end + 2
    assert end == 256 + len(LEARNED.merges)
    assert end not in LEARNED.encode(END_OF_TEXT)
    assert LEARNED.decode([*LEARNED.encode("the end"), end]) == "the end" + END_OF_TEXT


def test_several_texts_one_after_the_other():
    ids, starts = LEARNED.encode_texts(["the cat", "", "sat"], end=END_OF_TEXT)
    assert len(ids) == starts[-1] and (ids[starts[1:] - 1] == LEARNED.special[END_OF_TEXT]).all()
    assert [LEARNED.decode(ids[a : b - 1]) for a, b in pairwise(starts)] == ["the cat", "", "sat"]
    ids, starts = LEARNED.encode_texts([])
    assert ids.dtype == np.int32 and len(ids) == 0 and starts.tolist() == [0]


# ---- bad input


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda: LEARNED.encode(b"a"), TypeError, "text is a bytes; it should be a string."),
        (lambda: LEARNED.encode("a\ud800"), ValueError, r"text has '\\ud800' at position 1, .* whole char"),
        (lambda: LEARNED.encode_bytes("a"), TypeError, "data is a str; it should be a bytes object."),
        (lambda: LEARNED.encode_texts("a"), TypeError, "texts is the string 'a'; it should be a sequence"),
        (lambda: LEARNED.encode_texts(["a"], "<end>"), ValueError, "end is '<end>'; it should be one of the"),
        (lambda: LEARNED.decode([10**6]), ValueError, "ids holds numbers from 1000000 to 1000000; they sho"),
        (lambda: LEARNED.decode([-1]), ValueError, "ids holds numbers from -1 to -1; they should"),
        (lambda: LEARNED.decode([0.5]), ValueError, r"ids has shape \(1,\) and holds float64; it should be"),
        (lambda: LEARNED.decode([[1]]), ValueError, r"ids has shape \(1, 1\) .* it should be one row of ids"),
        (lambda: cut_pieces(3), TypeError, "text is a int; it should be a string."),
        (lambda: Subwords.learn("abc", 3), TypeError, "texts is the string 'abc'; it should be a sequence"),
        (lambda: Subwords.learn(["abc", 3], 3), TypeError, "a text is a int; it should be a string."),
        (lambda: Subwords.learn(["\udfff"], 3), ValueError, r"a text has '\\udfff' at position 0, which is"),
        (lambda: Subwords.learn(["a"], 0), ValueError, "merges is 0; it should be a whole number, at least"),
        (lambda: Subwords([[97, 256]]), ValueError, r"merge 0 is of tokens \[97, 256\]; it should be of two"),
        (lambda: Subwords([[-1, 97]]), ValueError, r"merge 0 is of tokens \[-1, 97\]; it should be of two f"),
        (
            lambda: Subwords([[97, 98], [97, 98]]),
            ValueError,
            "merges holds a pair twice; each pair should",
        ),
        (lambda: Subwords([97, 98]), ValueError, r"merges has shape \(2,\) and holds int64; it should be"),
        (lambda: Subwords([[0.5, 1]]), ValueError, r"merges has shape \(1, 2\) and holds float64; it should"),
        (lambda: Subwords([], "end"), TypeError, "special is the string 'end'; it should be a sequence"),
        (lambda: Subwords([], ["a", "a"]), ValueError, "special holds 'a'; each special token should"),
        (
            lambda: Subwords([], ["a\nb"]),
            ValueError,
            r"special holds 'a\\nb'; each special token should",
        ),
        (
            lambda: Subwords([], alphabet=b"abc"),
            ValueError,
            "alphabet should be a bytes object that hold",
        ),
    ],
)
def test_bad_input_gets_one_sentence(call, error, said):
    with pytest.raises(error, match=said) as caught:
        call()
    assert "\n" not in str(caught.value) and str(caught.value).endswith(".")


# ---- files


def test_subwords_come_back_from_a_file(tmp_path):
    for some in (LEARNED, Subwords([]), Subwords.learn(TEXTS, 9, alphabet=GPT2_BYTES)):
        some.save(tmp_path / "some.npz")
        loaded = Subwords.load(tmp_path / "some.npz")
        assert loaded == some and repr(loaded) == repr(some) and loaded.special == some.special
        assert np.array_equal(loaded.encode("the née cat"), some.encode("the née cat"))
    assert Subwords(LEARNED.merges) != LEARNED and LEARNED != "subwords"


def test_weights_carry_their_subwords(tmp_path):
    path = tmp_path / "net.npz"
    saved, loaded = (Affine(np.full((2, 3), x), np.full(3, x)) for x in (1.0, 2.0))
    save_weights(path, saved, vocabulary=LEARNED)
    load_weights(path, loaded)
    assert np.array_equal(saved.params[0], loaded.params[0])
    assert Subwords.load(path) == LEARNED
    with pytest.raises(ValueError, match="holds no vocabulary"):
        load_vocabulary(path)


def test_a_file_without_subwords_gets_one_sentence(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no file .*none\.npz\."):
        Subwords.load(tmp_path / "none.npz")
    write_npz(tmp_path / "other.npz", {"W": np.zeros(3)})
    with pytest.raises(ValueError, match=r"other\.npz holds no subwords; it should be saved with them\."):
        Subwords.load(tmp_path / "other.npz")
    write_npz(tmp_path / "bad.npz", LEARNED.arrays() | {"subwords.merges": np.array([[9999, 1]])})
    with pytest.raises(ValueError, match=r"merge 0 is of tokens \[9999, 1\]"):
        Subwords.load(tmp_path / "bad.npz")


def gpt2_files(folder, some):
    """Write subwords as GPT-2's two files."""
    hidden = [i for i in range(256) if chr(i).isspace() or not chr(i).isprintable()]
    signs = {byte: chr(256 + hidden.index(byte)) if byte in hidden else chr(byte) for byte in range(256)}
    names = ["".join(signs[byte] for byte in token) for token in some.tokens]
    names[256 + len(some.merges) :] = some.special
    lines = [f"{names[left]} {names[right]}" for left, right in some.merges.tolist()]
    (folder / "vocab.json").write_text(json.dumps({name: i for i, name in enumerate(names)}), "utf-8")
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *lines, ""]), "utf-8")


def test_gpt2s_files_are_read(tmp_path):
    some = Subwords.learn(TEXTS * 2, merges=30, special=[END_OF_TEXT], alphabet=GPT2_BYTES)
    gpt2_files(tmp_path, some)
    assert '"\\u0120": 220' in (tmp_path / "vocab.json").read_text("utf-8")  # the space, as in GPT-2
    assert Subwords.from_gpt2(tmp_path) == some
    gpt2_files(tmp_path, Subwords([], ["a b"]))
    assert Subwords.from_gpt2(tmp_path) == Subwords([], ["a b"])


def change(path, old, new):
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")


@pytest.mark.parametrize(
    ("spoil", "error", "said"),
    [
        (
            lambda v, m: v.unlink(),
            FileNotFoundError,
            r"there is no file .*vocab\.json; GPT-2's vocabulary",
        ),
        (lambda v, m: m.unlink(), FileNotFoundError, r"there is no file .*merges\.txt; GPT-2's vocabulary"),
        (lambda v, m: v.write_text("{"), ValueError, r"vocab\.json is damaged; it should give the tokens"),
        (lambda v, m: v.write_text("[1]"), ValueError, r"vocab\.json is damaged; it should give the tokens"),
        (lambda v, m: v.write_text('{"a": "b"}'), ValueError, r"vocab\.json is damaged; it should give"),
        (lambda v, m: change(v, '"a": 64', '"a": 65'), ValueError, r"vocab\.json is damaged; it should give"),
        (lambda v, m: change(v, '"!"', '"!!"'), ValueError, r"vocab\.json should begin with the 256 bytes"),
        (
            lambda v, m: m.write_bytes(b"\xff"),
            ValueError,
            r"merges\.txt is damaged; it should be text in",
        ),
        (lambda v, m: change(m, "t h\n", "t  h\n"), ValueError, r"has the merge 't  h'; it should be of two"),
        (lambda v, m: change(m, "t h\n", ""), ValueError, r"has the merge '.*'; it should be of two tokens"),
        (lambda v, m: change(m, "t h\n", "t ☃\n"), ValueError, r"has the merge 't ☃'; it should be of two"),
    ],
)
def test_wrong_files_of_gpt2_get_one_sentence(tmp_path, spoil, error, said):
    gpt2_files(tmp_path, Subwords.learn(TEXTS * 2, merges=30, alphabet=GPT2_BYTES))
    spoil(tmp_path / "vocab.json", tmp_path / "merges.txt")
    with pytest.raises(error, match=said):
        Subwords.from_gpt2(tmp_path)
