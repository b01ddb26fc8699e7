"""The sentence that is typed on the page: one score for each word, and a page that holds the very scores."""

import base64
import json
import re

import numpy as np
import pytest

from common.book.sentence import EXAMPLES, OFF, score_sentence, sentence_html
from common.layers import Affine, Dropout
from common.models.pretrained import WORD_SCORES, load_word_scores
from common.models.text_classifiers import (
    MeanOverTime,
    TextClassifier,
    WordScores,
    lstm_classifier,
    mean_classifier,
    predict_rows,
    text_cnn,
    text_vocabulary,
    word_scores,
)
from tests.helpers import bad_input

WORDS = ("good", "bad", "not", "film", "the", ".")


def trained(dtype=np.float64):
    known = text_vocabulary({word: 9 - i for i, word in enumerate(WORDS)})
    model = mean_classifier(len(known), 5, np.random.default_rng(0), dropout=0.5, dtype=dtype)
    model.params[2][:] = 0.2, 0.5
    return model, known


def small_scores():
    return WordScores(("<unk>", "good", "bad", "."), np.array([1, 100, -127, 0], np.int8), 0.05, 0.25)


def test_a_mean_and_a_line_are_a_mean_of_scores():
    model, known = trained()
    scores = word_scores(model, known)
    assert scores.words == ("<unk>", *WORDS) and scores.numbers.dtype == np.int8
    for text in ("the good film .", "not good, not bad", "a bad film"):
        found = predict_rows(model, [known.encode(scores.of(text)[0])])[0]
        assert abs(scores.score(text) - (found[1] - found[0])) <= scores.scale / 2 + 1e-9


def test_only_the_first_words_are_kept_and_others_are_unknown():
    model, known = trained()
    scores = word_scores(model, known, size=3)
    assert scores.words == ("<unk>", "good", "bad")
    tokens, each = scores.of("Good film")
    assert tokens == ["good", "film"] and each[1] == scores.numbers[0] * scores.scale


def test_by_hand():
    tokens, each = small_scores().of("Good, GOOD nonsense.")
    assert tokens == ["good", ",", "good", "nonsense", "."]
    np.testing.assert_allclose(each, [5, 0.05, 5, 0.05, 0])
    assert small_scores().score("bad") == pytest.approx(-127 * 0.05 + 0.25)


def test_scores_are_saved_and_loaded(tmp_path):
    small_scores().save(tmp_path / "scores.npz")
    found = WordScores.load(tmp_path / "scores.npz")
    assert found.packed() == small_scores().packed() and repr(found) == "WordScores(4 words)"
    np.savez(tmp_path / "other.npz", words=np.zeros(3))
    with pytest.raises(ValueError, match=r"holds words; it should hold words, numbers and line"):
        WordScores.load(tmp_path / "other.npz")


test_bad_input_of_scores = bad_input(
    {
        "empty": (lambda: small_scores().score("  -- "), "text is '  -- '; it should hold at least one word"),
        "unknown": (
            lambda: small_scores().score("quux xyzzy"),
            "text is 'quux xyzzy'; it should hold at least one word that is known",
        ),
        "no string": (lambda: small_scores().score(["good"]), "text is a list; it should be a string"),
        "filters": (
            lambda: word_scores(text_cnn(8, 4, np.random.default_rng(0)), trained()[1]),
            "it should be a mean_classifier of two classes",
        ),
        "a layer before the mean": (
            lambda: word_scores(lstm_classifier(8, 4, 3, np.random.default_rng(0)), trained()[1]),
            "it should be a mean_classifier of two classes",
        ),
        "three classes": (
            lambda: word_scores(mean_classifier(8, 4, np.random.default_rng(0), classes=3), trained()[1]),
            "it should be a mean_classifier of two classes",
        ),
        "two layers": (lambda: word_scores(deeper(), trained()[1]), "it should be a mean_classifier"),
        "another vocabulary": (
            lambda: word_scores(trained()[0], text_vocabulary({"a": 1})),
            "vocabulary has 3 words .* it should have 8, as the model",
        ),
        "size": (lambda: word_scores(*trained(), size=0), "size is 0"),
        "numbers": (
            lambda: WordScores(("<unk>", "a"), np.zeros(3, np.int8), 1.0, 0.0),
            r"numbers are int8 \(3,\); they should be int8, one for each of 2 words",
        ),
    }
)


def deeper():
    """Between the mean and the last line stands another layer: no sum of word scores says what it says."""
    model, _ = trained()
    hidden = Affine(np.ones((5, 5)), np.ones(5))
    return TextClassifier(
        model.embedding, MeanOverTime(), hidden, Dropout(0.5, np.random.default_rng(0)), model.body.layers[-1]
    )


# ---- the page


def test_the_page_holds_the_very_scores():
    html = sentence_html(small_scores().packed())
    data = json.loads(re.search(r'<script type="application/json">(.*?)</script>', html)[1])
    assert data["examples"] == list(EXAMPLES) and data["classes"] == ["negative", "positive"]
    assert data["scores"]["words"].split() == list(small_scores().words)
    assert base64.b64decode(data["scores"]["numbers"]) == small_scores().numbers.tobytes()
    assert (data["scores"]["scale"], data["scores"]["bias"]) == (0.05, 0.25)


def test_where_no_script_runs_one_sentence_stands_and_no_control_that_does_nothing():
    whole = sentence_html(small_scores().packed(), caption="A *sentence*.")
    html = re.sub(r"<(script|style)\b.*?</\1>", "", whole, flags=re.DOTALL)
    assert f">{OFF}</p>" in html and "A <em>sentence</em>." in html
    assert not re.search(r"<(textarea|button|input|label)", html)


def test_the_page_asks_nobody_and_an_example_cannot_end_the_script():
    html = sentence_html(small_scores().packed(), ["a </script><b> film"])
    assert not re.search(r"https?:|\bfetch\b|XMLHttpRequest|\bimport\(|src=", html)
    assert html.count("</script>") == 2


def test_it_is_one_output_of_the_cell(monkeypatch):
    from common.book import sentence

    shown = []
    monkeypatch.setattr(sentence, "publish", lambda *output: shown.append(output))
    score_sentence(small_scores().packed(), name="mine")
    ((markup, text),) = shown
    assert 'id="mine"' in markup and "sentence" in text


test_bad_input_of_the_page = bad_input(
    {
        "no scores": (
            lambda: sentence_html({"words": "a"}),
            "scores hold words; they should hold words, numbers",
        ),
        "numbers": (
            lambda: sentence_html(small_scores().packed() | {"words": "a b"}),
            "scores hold 2 words and 4 numbers; there should be as many",
        ),
        "no example": (lambda: sentence_html(small_scores().packed(), []), "examples are 0 and classes 2"),
        "one example": (lambda: sentence_html(small_scores().packed(), "a film"), "examples is the string"),
        "classes": (lambda: sentence_html(small_scores().packed(), classes=("a",)), "and classes 1"),
    }
)


# ---- the scores that come with the book


def test_the_shipped_scores_are_small_and_know_what_they_should():
    scores = load_word_scores()
    assert len(scores.words) == 10_000 and len(sentence_html(scores.packed())) < 150_000
    assert WORD_SCORES.stat().st_size < 100_000
    assert scores.score("a wonderful and moving film") > 1 > -1 > scores.score("a dull and tedious mess")
    assert scores.score(EXAMPLES[2]) == pytest.approx(scores.score(EXAMPLES[3]))  # the same words
