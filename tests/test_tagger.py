"""Taggers: their gradients, padding, rules, and that they learn."""

import numpy as np
import pytest

from common.batches import Prepared
from common.gradient_check import layer_errors
from common.layers import Make
from common.metrics import span_f1
from common.models.tagger import (
    TAGS,
    MostFrequentTag,
    Tagger,
    Window,
    predict_tags,
    shape_of,
    tag,
    tagger_batches,
    vectors_for,
    word_vocabulary,
)
from common.optimizers import AdamW
from common.text import Vocabulary, spans
from common.training import Trainer
from tests.helpers import normal

SENTENCES = [
    [("I", "O"), ("met", "O"), ("Ada", "B-PER"), ("Lovelace", "I-PER"), ("in", "O"), ("London", "B-LOC")],
    [("London", "B-LOC"), ("is", "O"), ("large", "O")],
    [("Ada", "B-PER"), ("left", "O")],
]
READERS = [pytest.param({"width": 3}, id="window"), pytest.param({}, id="lstm")]


def tagger(sentences=SENTENCES, dtype=np.float64, **settings):
    settings = {"D": 4, "H": 6, "dropout": 0.0} | settings
    return Tagger(word_vocabulary(sentences, 1), rng=np.random.default_rng(1), dtype=dtype, **settings)


@pytest.mark.parametrize("crf", [False, True])
@pytest.mark.parametrize("reader", READERS)
def test_gradients(reader, crf):
    model = tagger(crf=crf, **reader)
    for i, param in enumerate(model.params):
        param += 0.1 * normal(*param.shape, seed=i)
    (batch,) = tagger_batches(model, SENTENCES).batches
    errors = layer_errors(model, *batch, rng=np.random.default_rng(0))
    assert len(errors) == len(model.params) and max(errors.values()) < 1e-7


@pytest.mark.parametrize("reader", READERS)
def test_longer_sentences_beside_it_change_nothing(reader):
    model, words = tagger(**reader), ["London", "is", "large"]
    alone = model.scores(*model.encode([words]))
    beside = model.scores(*model.encode([words, ["Ada"] * 9]))
    np.testing.assert_allclose(beside[0, :3], alone[0], atol=1e-12)


@pytest.mark.parametrize("width", [1, 3, 5])
def test_how_far_a_window_sees(width):
    model = Window(Make(np.random.default_rng(1), np.float64), 3, 4, width)
    xs = normal(1, 9, 3)
    before = model.forward(xs)
    xs[0, 4] += 1
    changed = np.flatnonzero((model.forward(xs) != before).any(axis=(0, 2)))
    assert set(changed) <= set(range(4 - width // 2, 5 + width // 2)) and 4 in changed
    assert width == 1 or len(changed) > 1


@pytest.mark.parametrize("crf", [False, True])
@pytest.mark.parametrize("reader", READERS)
def test_it_learns_names_by_what_stands_around_them(reader, crf):
    rng = np.random.default_rng(0)
    people, places = [[f"{a}{i}" for i in map(chr, range(97, 117))] for a in ("Ann", "Bor")]
    rng.shuffle(people)

    def write(person, place):
        return [
            ("then", "O"),
            (person, "B-PER"),
            ("Smith", "I-PER"),
            ("went", "O"),
            ("to", "O"),
            (place, "B-LOC"),
        ]

    train = [write(*pair) for pair in zip(people[:14], places[:14]) for _ in range(4)]
    new = [write(*pair) for pair in zip(places[14:], people[14:])]  # and each name in the other's place
    model = tagger(train, np.float32, H=20, D=8, crf=crf, capitals=False, **reader)
    Trainer(model, AdamW(0.02), rng).fit(tagger_batches(model, train, 8), 12)
    marked = predict_tags(model, [[word for word, _ in sentence] for sentence in new])
    assert span_f1([[t for _, t in sentence] for sentence in new], marked).f1 > 0.9


@pytest.mark.parametrize("crf", [False, True])
def test_rules_are_kept_when_they_are_asked_for(crf):
    model = tagger(width=1, crf=crf)
    model.affine.params[1][TAGS.index("I-PER")] = 5  # it would like to say I-PER, always
    words = [["Ada", "is", "large"]]
    assert predict_tags(model, words, rules=False) == [["I-PER"] * 3]
    kept = predict_tags(model, words)[0]
    assert kept == ["B-PER", "I-PER", "I-PER"] and spans(kept) == [(0, 3, "PER")]


def test_order_and_batches_change_no_tag():
    model = tagger(width=3)
    rows = [["a"] * n for n in (3, 1, 4, 1, 5)]
    assert predict_tags(model, rows, batch_size=2) == [predict_tags(model, [row])[0] for row in rows]


def test_tag_takes_any_text():
    model = tagger()
    assert [word for word, _ in tag(model, "Zoë’s café?")] == ["Zoë", "'", "s", "café", "?"]
    assert {t for _, t in tag(model, "你好 WORLD 42")} <= set(TAGS)


def test_shapes():
    words = ["the", "The", "THE", "I", "McCoy", "iPod", "42", "'", "東", "é"]
    assert [shape_of(word) for word in words] == [
        "small",
        "Capital",
        "CAPITALS",
        "one capital",
        "miXed",
        "miXed",
        "number",
        "mark",
        "small",
        "small",
    ]


def test_vocabulary_batches_and_first_vectors():
    model = tagger()
    batches = tagger_batches(model, SENTENCES, 2)
    assert isinstance(batches, Prepared) and [len(batch[0]) for batch in batches.batches] == [2, 1]
    ids, _, t, mask = batches.batches[0]
    assert mask.tolist() == [[True, True, False], [True, True, True]] and ids[0, 2] == t[0, 2] == 0
    vocabulary, matrix = vectors_for(["ada", "london"], normal(2, 4), np.random.default_rng(0), 0.5)
    assert vocabulary.words == ("<pad>", "<unk>", "ada", "london") and not matrix[0].any()
    assert matrix[2:].std() == pytest.approx(0.5)
    model = Tagger(vocabulary, 4, 6, np.random.default_rng(0), vectors=matrix)
    np.testing.assert_allclose(model.words.params[0], matrix, rtol=1e-6)


def test_the_most_frequent_tag():
    table = MostFrequentTag([*SENTENCES, [("Ada", "O")]])
    assert table.tag(["Ada", "Lovelace", "in", "Paris"]) == ["B-PER", "I-PER", "O", "O"]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda m: tag(m, " -- "), "text is ' -- '; it should have at least one word"),
        (lambda m: m.encode([["a"], []]), "sentence 1 is empty; it should have at least one word"),
        (lambda m: m.encode([]), "the list is empty; it should have at least one word"),
        (lambda m: m.encode_tags([["O", "B-ORG"]]), "a tag is 'B-ORG'; it should be one of O, B-PER, I-PER"),
        (lambda m: tagger(width=4), "width is 4; it should be odd"),
        (lambda m: tagger(H=5), "H is 5; it should be even"),
        (lambda m: tagger(vectors=np.zeros((3, 4))), r"vectors has shape \(3, 4\); it should be \(11, 4\)"),
        (
            lambda m: Tagger(Vocabulary(["a", "b"]), 4, 6, np.random.default_rng(0)),
            "vocabulary begins with 'a' and its unknown word is None; it should begin with '<pad>'",
        ),
    ],
)
def test_bad_input(wrong, message):
    with pytest.raises(ValueError, match=message):
        wrong(tagger())


def test_a_string_is_no_sentence():
    with pytest.raises(TypeError, match="sentence 0 is the string 'Ada left'"):
        tagger().encode(["Ada left"])
