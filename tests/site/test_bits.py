"""The bits that the reader flips: the page reads them as Python does, by mouse and by keyboard."""

import math
import re

import numpy as np
import pytest
from test_pages import WIDE, violations

from common.book.bits import EXAMPLES, FORMATS, OFF, bits_html, bits_of, value_of

READ = (
    "([bits, wide]) => { const r = bookBits.read(bits, wide); return [String(r.value), String(r.spacing)]; }"
)


@pytest.fixture
def bits(visit, tmp_path):
    """A function that opens a page of its own, from a file, with the figure in it."""

    def open_page(**wishes):
        figure = bits_html(caption="Flip a *bit*.")
        head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        body = f'<main class="bd-content"><h1>Bits</h1>{figure}</main>'
        page = f'<!doctype html><html lang="en">{head}<title>Bits</title><body>{body}</body></html>'
        (tmp_path / "bits.html").write_text(page, encoding="utf-8")
        return visit("bits", root=tmp_path.as_uri() + "/", **wishes)

    return open_page


def said(page) -> str:
    return page.locator(".book-bits .bk-note").text_content()


def value(page) -> float:
    return float(page.locator(".book-bits").get_attribute("data-value"))


def switches(page):
    return page.locator(".bk-board button")


def test_the_page_and_python_read_the_same_numbers(bits):
    page = bits().page
    rng = np.random.default_rng(0)
    patterns = [0, 1, 0x03FF, 0x0400, 0x7BFF, 0x8000, 0x8001, *rng.integers(0, 2**16, 200).tolist()]
    for kind, wide in FORMATS.items():
        for pattern in patterns:
            there, spacing = (float(text) for text in page.evaluate(READ, [pattern, wide]))
            here = value_of(pattern, kind)
            assert (math.isnan(here) and math.isnan(there)) or here == there, (kind, pattern)
            if math.isfinite(here) and math.isfinite(value_of(pattern + 1, kind)):
                assert abs(value_of(pattern + 1, kind) - here) == spacing, (kind, pattern)


def test_a_bit_that_is_pressed_flips_and_flips_back(bits):
    page = bits().page
    assert value(page) == 1 and said(page) == "As float16: 1. The next one is 0.000976563 away."
    switches(page).nth(0).click()
    assert value(page) == -1 and switches(page).nth(0).get_attribute("aria-pressed") == "true"
    switches(page).nth(0).click()
    switches(page).nth(15).click()
    assert value(page) == 1 + 2**-10


def test_values_and_formats_can_be_chosen(bits):
    page = bits().page
    for kind in FORMATS:
        page.get_by_role("button", name=kind, exact=True).click()
        for text in EXAMPLES:
            page.get_by_role("button", name=f"set to {text}", exact=True).click()
            assert value(page) == value_of(bits_of(EXAMPLES)[text][kind], kind)
            assert said(page).startswith(f"As {kind}: ")
    page.get_by_role("button", name="float16", exact=True).click()
    page.get_by_role("button", name="set to 0.0000001", exact=True).click()
    assert "fewer digits" in said(page)


def test_infinity_and_no_number_have_no_next_one(bits):
    page = bits().page
    page.get_by_role("button", name="set to 65504", exact=True).click()
    assert said(page) == "As float16: 65504. The next one is infinity."
    switches(page).nth(5).click()
    assert said(page) == "As float16: no number (NaN)."
    for place in range(6, 16):
        switches(page).nth(place).click()
    assert said(page) == "As float16: infinity."


def test_by_keyboard_alone(bits):
    page = bits(reduced_motion="reduce").page
    page.get_by_role("button", name="bfloat16", exact=True).focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    assert said(page).startswith("As bfloat16: \N{MINUS SIGN}")


def test_nothing_is_asked_of_anybody_and_nothing_goes_wrong(bits):
    found = bits()
    switches(found.page).nth(3).click()
    assert found.trouble == [] and found.foreign == []


def test_axe_finds_no_violation_in_the_figure(theme, bits):
    page = bits(theme=theme).page
    switches(page).nth(3).click()
    assert violations(page, ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]) == []


def test_it_fits_a_phone(bits):
    page = bits(width=390, height=844).page
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.evaluate(WIDE) == []


def test_without_scripts_there_is_a_sentence(bits):
    page = bits(scripts=False).page
    assert page.locator(".book-bits .bk-note").inner_text() == OFF


def test_a_cell_that_ran_twice_shows_two_figures_that_work(bits, tmp_path):
    page = bits().page
    markup = (tmp_path / "bits.html").read_text(encoding="utf-8")
    (twice,) = re.findall(r"<style>.*</script>", markup, flags=re.DOTALL)
    page.evaluate(
        """markup => { const range = document.createRange(); range.selectNode(document.body);
        document.querySelector('main').appendChild(range.createContextualFragment(markup)); }""",
        twice.replace('id="flip-bits"', 'id="again"'),
    )
    for figure in page.locator(".book-bits").all():
        figure.locator(".bk-board button").nth(0).click()
        assert figure.get_attribute("data-value") == "-1"
