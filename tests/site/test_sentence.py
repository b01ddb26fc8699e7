"""The sentence that the reader types: the page computes what Python computes, by mouse and by keyboard."""

import re

import numpy as np
import pytest
from test_pages import WIDE, violations

from common.book.sentence import EXAMPLES, OFF, sentence_html
from common.models.pretrained import load_word_scores

FIELD = ".bk-sentence textarea"


@pytest.fixture
def sentence(visit, tmp_path):
    """A function that opens a page of its own, from a file, with the figure in it."""

    def open_page(**wishes):
        figure = sentence_html(load_word_scores().packed(), caption="Type a *sentence*.")
        head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        head += "<title>A sentence</title>"
        body = f'<main class="bd-content"><h1>A sentence</h1>{figure}</main>'
        page = f'<!doctype html><html lang="en">{head}<body>{body}</body></html>'
        (tmp_path / "sentence.html").write_text(page, encoding="utf-8")
        return visit("sentence", root=tmp_path.as_uri() + "/", **wishes)

    return open_page


def said(page) -> str:
    return page.locator(".book-sentence .bk-note").text_content()


def score(page) -> float:
    return float(page.locator(".book-sentence").get_attribute("data-score"))


def chips(page):
    return page.locator(".book-sentence .bk-chips button")


def test_the_page_and_python_give_the_same_scores(sentence):
    page, scores = sentence().page, load_word_scores()
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(scores.words[1:], rng.integers(1, 40))) for _ in range(30)]
    texts += [
        *EXAMPLES,
        "It’s NOT bad… 7/10!",
        "qqqq good qqqq",
        "Un café, très bon; good?",
        "good\ngood\tfilm",
    ]
    for text in texts:
        page.fill(FIELD, text)
        assert abs(score(page) - scores.score(text)) < 1e-4, text
        assert chips(page).locator("span:first-child").all_text_contents() == scores.of(text)[0]
        word, percent = re.match(
            r"It says (\w+) \(([\d.]+)\N{NO-BREAK SPACE}%\): the mean", said(page)
        ).groups()
        p = 1 / (1 + np.exp(-scores.score(text)))
        assert word == ("positive" if p > 0.5 else "negative")
        assert float(percent) == pytest.approx(100 * max(p, 1 - p), abs=0.051)


def test_the_first_example_stands_there_and_each_can_be_chosen(sentence):
    page = sentence().page
    assert page.input_value(FIELD) == EXAMPLES[0] and said(page).startswith("It says positive (")
    found = []
    for text in EXAMPLES:
        page.get_by_role("button", name=f"an example: {text}").click()
        assert page.input_value(FIELD) == text
        found.append(score(page))
    assert found[0] > 0 > found[1] and found[2] == pytest.approx(found[3])


def test_a_word_that_is_pressed_is_left_out_and_comes_back(sentence):
    page, scores = sentence().page, load_word_scores()
    page.fill(FIELD, "a good film")
    before = score(page)
    chips(page).nth(1).click()
    assert chips(page).nth(1).get_attribute("aria-pressed") == "true"
    assert score(page) == pytest.approx(scores.score("a film"), abs=1e-4)
    assert "2 words" in said(page)
    chips(page).nth(1).click()
    assert (
        score(page) == pytest.approx(before) and chips(page).nth(1).get_attribute("aria-pressed") == "false"
    )


def test_what_cannot_be_judged_gets_one_sentence(sentence):
    page = sentence().page
    page.get_by_role("button", name="clear").click()
    assert (
        said(page) == "Type a sentence about a film: each word gets its score." and chips(page).count() == 0
    )
    assert page.evaluate("document.activeElement.tagName") == "TEXTAREA"
    page.fill(FIELD, "xyzzy quuux")
    assert said(page) == "None of these words is known." and chips(page).count() == 2
    page.fill(FIELD, "<b>good</b>")
    assert chips(page).locator("span:first-child").all_text_contents() == ["b", "good", "b"]


def test_by_keyboard_alone(sentence):
    page = sentence(reduced_motion="reduce").page
    page.focus(FIELD)
    page.keyboard.press("Control+a")
    page.keyboard.type("a dull film")
    assert said(page).startswith("It says negative")
    for _ in range(len(EXAMPLES) + 1 + 2):  # the examples, clear, and the second word
        page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.firstChild.textContent") == "dull"
    page.keyboard.press("Space")
    assert chips(page).nth(1).get_attribute("aria-pressed") == "true" and "2 words" in said(page)
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    assert "1 word is" in said(page)


def test_nothing_is_asked_of_anybody_and_nothing_goes_wrong(sentence):
    visit = sentence()
    visit.page.get_by_role("button", name=f"an example: {EXAMPLES[1]}").click()
    assert visit.trouble == [] and visit.foreign == []


def test_axe_finds_no_violation_in_the_figure(theme, sentence):
    page = sentence(theme=theme).page
    for text in (EXAMPLES[0], "", "xyzzy"):
        page.fill(FIELD, text)
        if text:
            chips(page).nth(0).click()
        assert violations(page, ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]) == []


def test_it_fits_a_phone(sentence):
    page = sentence(width=390, height=844).page
    page.fill(FIELD, "incomprehensibilities " * 30 + "w" * 300 + " good")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.evaluate(WIDE) == []


def test_without_scripts_there_is_a_sentence(sentence):
    page = sentence(scripts=False).page
    assert page.locator(".book-sentence .bk-note").inner_text() == OFF


def test_a_cell_that_ran_twice_shows_two_figures_that_work(sentence, tmp_path):
    page = sentence().page
    markup = (tmp_path / "sentence.html").read_text(encoding="utf-8")
    (twice,) = re.findall(r"<style>.*</script>", markup, flags=re.DOTALL)
    twice = twice.replace('id="score-a-sentence"', 'id="again"')
    page.evaluate(
        """markup => { const range = document.createRange(); range.selectNode(document.body);
        document.querySelector('main').appendChild(range.createContextualFragment(markup)); }""",
        twice,
    )
    for figure in page.locator(".book-sentence").all():
        figure.locator("textarea").fill("a good film")
        assert figure.locator(".bk-note").text_content().startswith("It says ")
        assert figure.locator(".bk-chips button").count() == 3
