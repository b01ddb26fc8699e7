"""Every figure that moves is moved: by mouse and by keyboard, and its picture and its words follow."""

from __future__ import annotations

import functools

import pytest
from built import MOVING

STATE = """figure => {
  const image = figure.querySelector('img.bk-frame'), stage = figure.querySelector('.bk-stage');
  return image ? [image.src, image.alt] : [stage.innerHTML, stage.getAttribute('aria-label')]; }"""


def figures(page):
    return page.locator(MOVING).all()


def changed(figure, before, what: str) -> list[str]:
    """What did not change, in words; the figure's new state must differ in picture and in words."""
    picture, words = figure.evaluate(STATE)
    name = figure.get_attribute("id")
    wrong = []
    if picture == before[0]:
        wrong.append(f"{name}: {what} left the picture as it was")
    if words == before[1]:
        wrong.append(f"{name}: {what} left the text alternative as it was: {words}")
    return wrong


def press_until_changed(figure, press, what: str) -> list[str]:
    """Press again and again: the words follow at once; the picture may look the same for a while."""
    first = figure.evaluate(STATE)
    for _ in range(10):
        before = figure.evaluate(STATE)
        press()
        after = figure.evaluate(STATE)
        if after[1] == before[1]:
            return [f"{figure.get_attribute('id')}: {what} left the text alternative as it was: {after[1]}"]
        if after[0] != first[0]:
            return []
    return [f"{figure.get_attribute('id')}: {what}, ten times, left the picture as it was"]


BEYOND_HALF = """control => control.tagName === 'SELECT'
  ? control.selectedIndex > (control.length - 1) / 2 : +control.value > +control.max / 2"""


def button_with_room(figure):
    """The step button that leads away from the nearer end."""
    lead = figure.evaluate(
        "f => JSON.parse(f.querySelector(\"script[type='application/json']\").textContent).lead"
    )
    back = figure.locator(f"[data-axis='{lead}']").evaluate(BEYOND_HALF)
    return figure.locator("[data-step='-1']" if back else "[data-step='1']")


def test_moved_by_mouse(name, visit):
    page = visit(name).page
    wrong = []
    for figure in figures(page):
        figure.scroll_into_view_if_needed()
        assert figure.locator(".bk-mark").is_visible(), "a figure that moves says so"
        for control in figure.locator("input[type=range]").all():
            box = control.bounding_box()
            at, most = int(control.input_value()), int(control.get_attribute("max"))
            before = figure.evaluate(STATE)
            target = 0.03 if at > most / 2 else 0.97
            page.mouse.click(box["x"] + target * box["width"], box["y"] + box["height"] / 2)
            wrong += changed(figure, before, "a click on the slider")
        for control in figure.locator("select").all():
            before = figure.evaluate(STATE)
            chosen = control.evaluate("select => select.selectedIndex")
            control.select_option(index=1 if chosen == 0 else 0)
            wrong += changed(figure, before, "choosing from the list")
        wrong += press_until_changed(figure, button_with_room(figure).click, "a step button")
    assert not wrong, "\n".join(wrong)


def test_moved_by_keyboard(name, visit):
    page = visit(name, reduced_motion="reduce").page
    wrong = []
    for figure in figures(page):
        for control in figure.locator("input[type=range], select").all():
            control.focus()
            back = control.evaluate(BEYOND_HALF)
            listed = control.evaluate("c => c.tagName") == "SELECT"
            key = ("ArrowUp" if back else "ArrowDown") if listed else ("ArrowLeft" if back else "ArrowRight")
            wrong += press_until_changed(figure, functools.partial(page.keyboard.press, key), "an arrow key")
        # The buttons are reached by Tab and pressed by the space bar.
        button = button_with_room(figure)
        button.focus()
        assert button.evaluate("b => b === document.activeElement")
        press = functools.partial(page.keyboard.press, "Space")
        wrong += press_until_changed(figure, press, "the space bar on a step button")
        # A figure that cannot be seen is not read in a language of colours alone.
        assert len(figure.evaluate(STATE)[1]) > 15
    assert not wrong, "\n".join(wrong)


def test_every_control_has_a_name(name, visit):
    page = visit(name).page
    for figure in figures(page):
        for control in figure.locator("input, select, button").all():
            label = control.evaluate(
                "c => c.getAttribute('aria-label') || c.textContent.trim()"
                " || (c.labels && c.labels[0] || {}).textContent"
            )
            assert label, f"{figure.get_attribute('id')}: a control without a name"


def test_playing_starts_and_stops(visit):
    page = visit("index").page
    figure = page.locator(MOVING).first
    before = figure.evaluate(STATE)
    figure.locator(".bk-play").click()
    words = figure.locator("[aria-live]")
    said = words.text_content()
    page.wait_for_function("([w, said]) => w.textContent !== said", arg=[words.element_handle(), said])
    assert figure.evaluate(STATE) != before
    figure.locator(".bk-play").click()
    page.wait_for_timeout(300)
    held = figure.evaluate(STATE)
    page.wait_for_timeout(700)
    assert figure.evaluate(STATE) == held


def test_nothing_moves_before_it_is_asked_to(visit):
    page = visit("index").page
    before = page.locator(MOVING).first.evaluate(STATE)
    page.wait_for_timeout(1000)
    assert page.locator(MOVING).first.evaluate(STATE) == before


def test_who_asked_for_less_motion_sees_no_play_button(visit):
    page = visit("index", reduced_motion="reduce").page
    assert not page.locator(".bk-play").first.is_visible()
    assert page.locator("[data-step='1']").first.is_visible()


def test_a_chapter_has_a_figure_to_move(chapter, visit):
    if chapter.endswith(("catalogue", "benchmarks", "gpt2_files")):
        pytest.skip("an appendix of tables or files has none")
    assert visit(chapter).page.locator(MOVING).count() > 0
