"""The digit that the reader draws: the page computes what Python computes, and every hand can draw."""

import re

import numpy as np
import pytest
from test_pages import WIDE, violations

from common.book.digit import CELLS, OFF, centred, digit_html
from common.functions import softmax
from common.layers import Flatten, Make, MaxPooling, ReLU
from common.models.classifiers import Classifier, predict
from common.models.pretrained import load_digit_reader
from common.quantization import quantized

READY = """() => {
  const stored = document.querySelector("figure.book-digit script[type='application/json']");
  const data = JSON.parse(stored.textContent);
  window.net = bookNetwork.unpacked(data.net);
}"""
ANSWER = """ink => {
  const picture = bookNetwork.centred(Uint8Array.from(ink, Number), CELLS);  // from a string of 0 and 1
  const found = bookNetwork.answer(window.net, picture);
  return {
    picture: Array.from(picture), maps: Array.from(found.maps.data), p: Array.from(found.probabilities)
  };
}""".replace("CELLS", str(CELLS))


def other_net():
    """Another number of filters, other windows, and weights that nobody has trained."""
    make = Make(np.random.default_rng(7))
    first, second = make.convolution(1, 3, 3), make.convolution(3, 6, 4)
    layers = [first, MaxPooling(2), ReLU(), second, MaxPooling(2), ReLU(), Flatten(), make.affine(150, 10)]
    model = Classifier(*layers)
    for param in model.params:
        if param.ndim == 1:  # biases of 0 would hide that they are left out
            param[...] = make.rng.standard_normal(len(param))
    arrays = quantized(model)
    for name, array in arrays.items():  # the network in Python gets the rounded weights, too
        if name + ".scale" in arrays:
            along = (1, -1) if array.ndim == 2 else (-1, 1, 1, 1)
            dict(model.named_params())[name][...] = array * arrays[name + ".scale"].reshape(along)
    return model


@pytest.fixture
def digit(visit, tmp_path):
    """A function that opens a page of its own, from a file, with the figure in it."""

    def open_page(model=None, **wishes):
        figure = digit_html(quantized(model or load_digit_reader()), caption="Draw a *digit*.")
        head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        head += "<title>A digit</title>"
        body = f'<main class="bd-content"><h1>A digit</h1>{figure}</main>'
        page = f'<!doctype html><html lang="en">{head}<body>{body}</body></html>'
        (tmp_path / "digit.html").write_text(page, encoding="utf-8")
        return visit("digit", root=tmp_path.as_uri() + "/", **wishes)

    return open_page


def said(page) -> str:
    return page.locator(".book-digit .bk-note").text_content()


def shares(page) -> list[str]:
    return page.locator(".book-digit .bk-share").all_text_contents()


def drawings(count: int) -> list[np.ndarray]:
    """Grids with one to three thick lines each, large and small, in the middle and at the edge."""
    rng, grids = np.random.default_rng(3), []
    across, down = np.meshgrid(np.arange(CELLS), np.arange(CELLS))
    for _ in range(count):
        ink = np.zeros((CELLS, CELLS), int)
        for _ in range(rng.integers(1, 4)):
            (x, y), (dx, dy) = rng.uniform(0, CELLS, 2), rng.uniform(-50, 50, 2)
            for t in np.linspace(0, 1, 60):
                ink |= np.hypot(across - x - t * dx, down - y - t * dy) < 5
        grids.append(ink)
    return grids


def as_text(ink: np.ndarray) -> str:
    """A grid as the page gets it here: a long list would take seconds."""
    return "".join(map(str, ink.ravel()))


@pytest.mark.parametrize("model", [load_digit_reader, other_net])
def test_the_page_and_python_give_the_same_answers(model, digit):
    model = model()
    page = digit(model).page
    page.evaluate(READY)
    grids = drawings(40)
    pictures = np.stack([centred(ink) for ink in grids])
    x = pictures.astype("f")[:, None]
    p = softmax(predict(model, x))
    first = model.body.layers[0].forward(x)
    found = [page.evaluate(ANSWER, as_text(ink)) for ink in grids]
    np.testing.assert_allclose(np.stack([f["picture"] for f in found]), pictures.reshape(40, -1), atol=1e-12)
    maps = np.stack([f["maps"] for f in found])
    np.testing.assert_allclose(maps, np.maximum(first, 0).reshape(40, -1), atol=1e-4)
    theirs = np.stack([f["p"] for f in found])
    np.testing.assert_allclose(theirs, p, atol=1e-4)
    assert np.array_equal(theirs.argmax(axis=1), p.argmax(axis=1))
    assert len(set(p.argmax(axis=1))) > 2, "the drawings should not all look the same to the network"


def test_an_empty_canvas_says_what_to_do(digit):
    page = digit().page
    assert said(page).startswith("Draw a digit in the white square") and said(page).count(".") == 1
    assert shares(page) == ["–"] * 10


def test_every_example_is_read_right(digit):
    page = digit().page
    for number in range(10):
        page.get_by_role("button", name=f"an example: {number}").click()
        assert said(page).startswith(f"It reads {'an' if number == 8 else 'a'} {number} ("), said(page)
    percents = [float(share.split("\N{NO-BREAK SPACE}")[0]) for share in shares(page)]
    assert abs(sum(percents) - 100) < 0.6 and max(percents) == percents[9]
    assert page.locator(".book-digit .bk-first").get_by_role("rowheader").text_content() == "9"


def stroke(page, points, move, first, last) -> None:
    """From point to point, in shares of the canvas."""
    box = page.locator(".bk-paper canvas").bounding_box()
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
    first(*places[0])
    for place in places[1:]:
        move(*place)
    last()


SEVEN = [(0.3, 0.2), (0.5, 0.2), (0.7, 0.2), (0.6, 0.5), (0.45, 0.85)]


def test_drawn_with_the_mouse_and_cleared(digit):
    page = digit().page
    empty = said(page)

    def first(x, y):
        page.mouse.move(x, y)
        page.mouse.down()

    stroke(page, SEVEN, lambda x, y: page.mouse.move(x, y, steps=8), first, page.mouse.up)
    assert said(page).startswith("It reads a 7 (")
    page.mouse.move(5, 5)  # with the button up, nothing is drawn
    before = shares(page)
    page.mouse.move(200, 200, steps=5)
    page.wait_for_timeout(100)
    assert shares(page) == before
    page.get_by_role("button", name="clear").click()
    assert said(page) == empty and shares(page) == ["–"] * 10


def test_drawn_with_a_finger_while_the_page_stays_where_it_is(digit):
    visit = digit(width=390, height=500)
    page, session = visit.page, visit.context.new_cdp_session(visit.page)

    def touch(kind, *points):
        places = [{"x": x, "y": y} for x, y in points]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": places})

    session.send("Emulation.setTouchEmulationEnabled", {"enabled": True})
    stroke(
        page,
        SEVEN,
        lambda x, y: touch("touchMove", (x, y)),
        lambda x, y: touch("touchStart", (x, y)),
        lambda: touch("touchEnd"),
    )
    note = "document.querySelector('.book-digit .bk-note')"
    page.wait_for_function(f"{note}.textContent.startsWith('It reads')")
    assert said(page).startswith("It reads a 7 (")
    assert page.evaluate("window.scrollY") == 0


def test_drawn_with_the_keyboard_and_cleared(digit):
    page = digit(reduced_motion="reduce").page
    canvas = page.locator(".bk-paper canvas")
    canvas.focus()
    press = page.keyboard.press
    for _ in range(8):
        press("ArrowUp")
    where = page.locator(".bk-paper [aria-live]")
    assert where.text_content() == "row 6, column 14"
    press("Space")
    assert where.text_content() == "row 6, column 14, pen down"
    for _ in range(17):
        press("ArrowDown")
    press("Space")
    assert said(page).startswith("It reads a 1 (")
    before = shares(page)
    press("ArrowRight")  # the pen is up
    page.wait_for_timeout(100)
    assert shares(page) == before
    press("Delete")
    assert said(page).startswith("Draw a digit") and shares(page) == ["–"] * 10
    for _ in range(40):  # the pen stays on the paper
        press("ArrowLeft")
    assert where.text_content() == "row 23, column 1"
    page.keyboard.press("Tab")  # and who wants to leave can
    assert page.evaluate("document.activeElement.textContent") == "clear"
    assert page.evaluate("window.scrollY") == 0


def test_nothing_is_asked_of_anybody_and_nothing_goes_wrong(digit):
    visit = digit()
    visit.page.get_by_role("button", name="an example: 3").click()
    assert visit.trouble == [] and visit.foreign == []


def test_axe_finds_no_violation_in_the_figure(theme, digit):
    page = digit(theme=theme).page
    for _ in range(2):  # empty, and with an answer
        assert violations(page, ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]) == []
        page.get_by_role("button", name="an example: 5").click()
    names = page.locator(".book-digit :is(button, canvas)").evaluate_all(
        "all => all.map(e => e.getAttribute('aria-label') || e.textContent)"
    )
    assert len(names) == 14 and all(names)


def test_it_fits_a_phone(digit):
    page = digit(width=390, height=844).page
    page.get_by_role("button", name="an example: 8").click()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.evaluate(WIDE) == []


def test_without_scripts_there_is_a_sentence(digit):
    page = digit(scripts=False).page
    assert page.locator(".book-digit .bk-note").inner_text() == OFF


def test_a_cell_that_ran_twice_shows_two_figures_that_work(digit, tmp_path):
    page = digit().page
    markup = (tmp_path / "digit.html").read_text(encoding="utf-8")
    (twice,) = re.findall(r"<style>.*</script>", markup, flags=re.DOTALL)
    twice = twice.replace('id="draw-a-digit"', 'id="again"')
    page.evaluate(
        """markup => { const range = document.createRange(); range.selectNode(document.body);
        document.querySelector('main').appendChild(range.createContextualFragment(markup)); }""",
        twice,
    )
    for figure in page.locator(".book-digit").all():
        figure.get_by_role("button", name="an example: 4").click()
        assert figure.locator(".bk-note").text_content().startswith("It reads a 4")
    assert page.locator(".bk-paper canvas").count() == 2


def test_an_answer_takes_less_than_a_picture_of_the_screen(digit):
    page = digit().page
    page.evaluate(READY)
    milliseconds = page.evaluate(
        """text => { const ink = Uint8Array.from(text, Number), times = [];
        for (let k = 0; k < 30; k++) {
          const begin = performance.now();
          bookNetwork.answer(window.net, bookNetwork.centred(ink, Math.sqrt(ink.length)));
          times.push(performance.now() - begin);
        }
        return times.sort((a, b) => a - b)[15]; }""",
        as_text(drawings(1)[0]),
    )
    print(f"\n  an answer takes {milliseconds:.1f} ms")
    assert milliseconds < 100  # a slow machine's; here a few
