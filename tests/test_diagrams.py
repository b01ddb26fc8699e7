"""Diagrams are clean (nothing overlaps, no text leaves its box), speak, and carry both themes."""

import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextToPath

from common.book import Diagram, diagrams
from common.book.diagrams import Rect, text_width
from common.book.drawings import (
    affine_graph,
    network,
    neuron,
    node,
    pipeline,
    softmax_with_loss_graph,
    unrolled,
)


def ready_made():
    yield neuron()
    yield neuron(activation="> 0 ?")
    yield network([2, 10, 3], names=["input layer", "hidden layer", "output layer"])
    yield network([4, 1])
    yield network([2, 3, 3, 2])
    layers = ["Affine", "Sigmoid", "Affine", "Softmax\nwith Loss"]
    yield pipeline(layers, shapes=["(N, 2)", "(N, 10)", "(N, 10)", "(N, 3)", "()"])
    yield pipeline(["Affine"], shapes=["(N, 2)", "(N, 4)"])
    yield node("×", inputs=[("2", "3"), ("3", "2")], outputs=[("6", "1")])
    yield ADD
    yield node("branch", [("x", "dy_1 + dy_2")], [("y_1 = x", "dy_1"), ("y_2 = x", "dy_2")])
    three = [("x_1", "dy"), ("x_2", "dy"), ("x_N", "dy")]
    yield node("sum", three, [("y = x_1 + … + x_N", "dy")])
    yield node("repeat", [("x", "dx")], three)
    yield affine_graph()
    yield softmax_with_loss_graph()
    yield unrolled(4)
    yield unrolled(3, last=True)
    yield unrolled(2, layers=["Embedding", "LSTM", "LSTM", "Affine"], output="y", last=True)


ADD = node("+", [("a", "dy"), ("b", "dy")], [("y = a + b", "dy")])
PICTURES = list(ready_made())


@pytest.fixture
def outputs(monkeypatch):
    stored = []
    monkeypatch.setattr("IPython.display.display", lambda data, raw: stored.append(data))
    return stored


@pytest.mark.parametrize("d", PICTURES, ids=lambda d: d.title)
def test_nothing_overlaps_in_a_ready_made_picture(d):
    assert d.problems() == []


@pytest.mark.parametrize("d", PICTURES, ids=lambda d: d.title)
def test_a_picture_is_valid_svg_that_keeps_inside_its_frame(d):
    root = ElementTree.fromstring(d.svg("What it shows."))
    tag = "{http://www.w3.org/2000/svg}"
    assert root.get("role") == "img" and root.get("aria-label") == "What it shows."
    assert root.find(f"{tag}title").text == d.title and root.find(f"{tag}desc").text == "What it shows."
    left, top, width, height = map(float, root.get("viewBox").split())
    for text in root.iter(f"{tag}text"):
        assert left <= float(text.get("x")) <= left + width and top <= float(text.get("y")) <= top + height
    assert float(root.get("width")) == width and width < 1000


@pytest.mark.parametrize("d", PICTURES, ids=lambda d: d.title)
def test_colours_come_from_the_theme_and_ids_cannot_clash(d):
    markup = d.svg()
    assert not re.search(r"#[0-9a-f]{3,6}|fill=|stroke=|\bid=", markup)


def test_a_width_does_not_depend_on_the_order_of_addition():
    # sum() does, and not in the same way in all versions of Python: diagrams came out 0.1 px apart.
    letters = "x = Wil @ 0.1"
    assert len({text_width(letters[i:] + letters[:i]) for i in range(len(letters))}) == 1


def test_backward_arrows_are_told_apart_without_colour():
    assert re.search(r"path\.bw\{[^}]*stroke-dasharray", diagrams.DIAGRAM_CSS)
    one_way = Diagram().text("x", 0, 0).box("layer", 1, 0).arrow("x", "layer")
    assert 'class="bw"' in ADD.svg() and 'class="bw"' not in one_way.svg()


def test_every_colour_has_a_fallback():
    assert not re.findall(r"var\(--bk-[a-z]+\)", diagrams.DIAGRAM_CSS)


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=30))
def test_text_is_estimated_about_as_wide_as_a_wide_font_draws_it(text):
    plain = re.sub(r"[_^{}$]", "", text) or "x"  # marks are not drawn, and matplotlib has its own for $
    font = FontProperties(family="DejaVu Sans", size=15)
    drawn, _, _ = TextToPath().get_text_width_height_descent(plain, font, False)
    assert text_width(plain, 15) >= 0.85 * drawn


@pytest.mark.parametrize(
    "text", ["Softmax with Loss", "Embedding", "∂L/∂y_1", "(N, T, D)", "x_1 + x_2", "−0.208"]
)
def test_the_words_of_the_book_are_never_estimated_too_narrow(text):
    font = FontProperties(family="DejaVu Sans", size=15)
    drawn, _, _ = TextToPath().get_text_width_height_descent(text.replace("_", ""), font, False)
    assert drawn * 0.9 <= text_width(text.replace("_", ""), 15) <= 1.35 * drawn


def test_a_box_is_wider_than_its_text():
    d = Diagram().box("a", 0, 0, "A rather long name of a layer", sub="(N, T, D)")
    assert d.shapes["a"].rect.w >= text_width("A rather long name of a layer") + 2 * diagrams.PAD


@pytest.mark.parametrize(
    "text, spans",
    [
        ("x_1", [("x", 0), ("1", 1)]),
        ("h_{t-1}", [("h", 0), ("t-1", 1)]),
        ("x^2", [("x", 0), ("2", -1)]),
        ("x_1 + x_N", [("x", 0), ("1", 1), (" + x", 0), ("N", 1)]),
        ("rnn_layer", [("rnn_layer", 0)]),
        ("dx_dy", [("dx_dy", 0)]),
        ("_x", [("_x", 0)]),
    ],
)
def test_marks_for_indices(text, spans):
    root = ElementTree.fromstring(Diagram().text(text, 0, 0).svg())
    drawn = root.find("{http://www.w3.org/2000/svg}text")
    seen, height = [(drawn.text, 0)] if drawn.text else [], 0.0
    for part in drawn:
        height += float(part.get("dy"))
        seen.append((part.text, np.sign(round(height, 1))))  # above 0 is below the line
    assert seen == spans


def test_arrows_meet_edges_and_run_level_where_they_can():
    d = Diagram(column=100, row=100).box("a", 0, 0, "a", height=80).box("b", 2, 0.2, "b", height=20)
    d.arrow("a", "b")
    (x0, y0), (x1, y1) = d.arrows[0].points
    a, b = d.shapes["a"].rect, d.shapes["b"].rect
    assert y0 == y1 and x0 == a.x + a.w / 2 and x1 == b.x - b.w / 2


def test_ports_and_corners():
    d = Diagram(column=100, row=100).box("a", 0, 0).box("b", 2, 2).arrow("a.top", "b.left", via=[(0, 2)])
    points = d.arrows[0].points
    assert points[0] == (0, d.shapes["a"].rect.y - d.shapes["a"].rect.h / 2) and points[1] == (0, -200)
    assert points[2][1] == -200 and d.problems() == []


def test_time_runs_to_the_right_and_depth_upward():
    d = unrolled(3, layers=["Embedding", "RNN"])
    assert d.shapes["1 0"].rect.x < d.shapes["1 1"].rect.x < d.shapes["1 2"].rect.x
    assert d.shapes["0 0"].rect.y > d.shapes["1 0"].rect.y


def test_overlaps_are_found_and_named():
    d = (
        Diagram(column=100)
        .box("one", 0, 0, "a long name")
        .box("two", 0.5, 0, "another name")
        .box("three", 3, 0)
    )
    d.arrow("one", "three")
    troubles = d.problems()
    assert "box 'one' overlaps box 'two'" in troubles
    assert "the arrow from 'one' to 'three' crosses 'two'" in troubles


def test_a_label_with_no_room_is_found():
    d = Diagram(column=70).box("a", 0, 0).box("b", 1, 0).box("c", 0, 0.5).box("d", 1, 0.5)
    d.arrow("a", "b", above="a very long label")
    assert any("the label 'a very long label' overlaps" in trouble for trouble in d.problems())


def test_a_picture_that_is_not_clean_is_not_shown(outputs):
    d = Diagram("two boxes", column=10).box("one", 0, 0).box("two", 1, 0)
    with pytest.raises(
        ValueError, match=r"'two boxes' is not clean: box 'one' overlaps box 'two'. Give it more room"
    ):
        d.show(alt="Two boxes.")
    assert outputs == []


def test_show_stores_a_figure_with_its_texts(outputs):
    ADD.show(alt="An add node.", caption="Both get *the same*.")
    markup = outputs[0]["text/html"]
    assert '<figure class="book-figure">' in markup and 'aria-label="An add node."' in markup
    assert "<figcaption>Both get <em>the same</em>.</figcaption>" in markup
    assert len(markup) < 8000


def test_only_a_wide_picture_scrolls_and_takes_the_keyboard(outputs):
    ADD.show(alt="Narrow.")
    pipeline(["Affine"] * 6, shapes=["(N, 2)"] * 7).show(alt="Wide.")
    assert "tabindex" not in outputs[0]["text/html"] and "min-width:0" not in outputs[0]["text/html"]
    assert 'tabindex="0"' in outputs[1]["text/html"] and "min-width:" in outputs[1]["text/html"]


@pytest.mark.parametrize("alt", [None, " "])
def test_a_text_alternative_is_required(alt):
    with pytest.raises(ValueError, match="alt is"):
        ADD.show(alt=alt)


@pytest.mark.parametrize(
    "make, error, sentence",
    [
        (lambda: Diagram().box("a", 0, 0).box("a", 1, 0), ValueError, "name is 'a', which the diagram has"),
        (
            lambda: Diagram().box("a", 0, 0).arrow("a", "b"),
            ValueError,
            "no shape is called 'b'; the shapes are 'a'",
        ),
        (lambda: Diagram().box("a", 0, 0, kind="x"), ValueError, "kind is 'x'; it should be 'layer'"),
        (
            lambda: Diagram().arrow((0, 0), (1, 0), kind="x"),
            ValueError,
            "kind is 'x'; it should be 'forward'",
        ),
        (lambda: Diagram("nothing").svg(), ValueError, "the diagram 'nothing' is empty"),
        (lambda: network([3]), ValueError, r"sizes is \[3\]"),
        (lambda: network([3, 0]), ValueError, r"sizes is \[3, 0\]"),
        (lambda: pipeline([], shapes=[]), ValueError, "layers is empty"),
        (lambda: pipeline(["a"], shapes=["(N,)"]), ValueError, "shapes has 1 entries; there should be 2"),
        (lambda: unrolled(0), ValueError, "steps is 0"),
    ],
)
def test_bad_input_is_refused_in_one_sentence(make, error, sentence):
    with pytest.raises(error, match=sentence):
        make()


@given(*[st.floats(-10, 10) for _ in range(4)])
def test_a_segment_cuts_a_rectangle_when_one_of_its_points_is_inside(ax, ay, bx, by):
    rect = Rect(0, 0, 6, 4)
    points = [(ax + t / 200 * (bx - ax), ay + t / 200 * (by - ay)) for t in range(201)]
    if any(abs(x) < 2.99 and abs(y) < 1.99 for x, y in points):
        assert rect.cut_by((ax, ay), (bx, by))
    if not rect.cut_by((ax, ay), (bx, by)):
        assert all(abs(x) >= 2.99 or abs(y) >= 1.99 for x, y in points)
