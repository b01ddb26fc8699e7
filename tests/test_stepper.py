"""The numbers of a stepped graph are right: forward as NumPy's, backward as a nudge of each number says."""

import json
import re

import numpy as np
import pytest

from common.book.stepper import Graph, stepper, steps

X = np.array([[1.0, -2.0], [0.5, 3.0]])
W = np.array([[0.5, -1.0, 0.25], [0.25, 2.0, -0.75]])
T = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])


def product(g, v):
    return g.multiply(g.add(v("a", 2.0), v("b", 1.0), name="s"), v("c", 3.0), name="y")


def one_layer(g, v):
    u = g.matmul(v("x", X), v("W", W), name="u")
    h = g.sigmoid(g.add(u, g.repeat(v("b", [0.1, -0.2, 0.3]), 2, name="B"), name="a"), name="h")
    return g.mean_square(h, v("t", T, gradient=False), name="L")


def everything(g, v):
    a, b = v("a", X), v("b", X + 4.0)
    p = g.add(g.multiply(a, b, name="ab"), g.sigmoid(a, name="s"), name="p")
    return g.sum(g.multiply(p, p, name="pp"), name="L")


def used_twice(g, v):
    x = v("x", 3.0)
    return g.multiply(x, g.add(x, x, name="2x"), name="y")


def target_too(g, v):
    return g.mean_square(v("y", [0.2, 0.3, 0.5]), v("t", [0.2, 0.5, 0.3]), name="L")


GRAPHS = [product, one_layer, everything, used_twice, target_too]


def build(make, **changed):
    """Build a graph, with some of its given values changed."""
    g = Graph()

    def value(name, number, **options):
        return g.value(name, changed.get(name, number), **options)

    return g, make(g, value)


@pytest.mark.parametrize("make", GRAPHS)
def test_every_gradient_agrees_with_a_nudge_of_every_number(make):
    g, output = build(make)
    gradients = g.gradients(output)
    for given in [n for n in g.nodes if not n.op and n.wants_gradient]:
        for i in np.ndindex(given.value.shape):
            ends = []
            for nudge in (1e-6, -1e-6):
                moved = given.value.copy()
                moved[i] += nudge
                ends.append(float(build(make, **{given.name: moved})[1].value))
            numerical = (ends[0] - ends[1]) / 2e-6
            assert gradients[given.name][i] == pytest.approx(numerical, rel=1e-6, abs=1e-7), (given.name, i)


def test_forward_values_are_numpys():
    _, output = build(one_layer)
    h = 1 / (1 + np.exp(-(X @ W + np.array([0.1, -0.2, 0.3]))))
    assert output.value == pytest.approx(np.mean((h - T) ** 2))


def test_extreme_numbers_stay_finite():
    g = Graph()
    y = g.sigmoid(g.value("z", [-1000.0, 1000.0]), name="y")
    assert y.value.tolist() == [0.0, 1.0]
    assert g.gradients(g.sum(y, name="L"))["z"].tolist() == [0.0, 0.0]


def test_the_steps_of_a_product_in_words():
    g, y = build(product)
    texts = [step.text for step in steps(g, y)]
    assert texts == [
        "The given values: a, b, c. Step on to compute forward.",
        "Forward 1 of 2. *+ node:* s = a + b = 2 + 1 = 3.",
        "Forward 2 of 2. *× node:* y = s · c = 3 · 3 = 9.",
        "The way back starts at the end: ∂y/∂y = 1.",
        "Backward 1 of 2. *× node:* passes back the gradient times the *other* input: 1 · 3 = 3 to s, "
        "and 1 · 3 = 3 to c.",
        "Backward 2 of 2. *+ node:* passes the gradient on unchanged: 3 to a and to b.",
    ]


def test_a_value_used_twice_says_that_its_gradients_add_up():
    g, y = build(used_twice)
    texts = [step.text for step in steps(g, y)]
    assert "x was used more than once, so its gradients *add up*: 12." in texts[-1]
    assert g.gradients(y)["x"] == 12


def test_the_local_derivative_is_named_with_its_numbers():
    g = Graph()
    y = g.sigmoid(g.value("a", 0.0), name="y")
    assert steps(g, y)[-1].text.endswith(
        "passes back the gradient times its output times one minus its output: 1 · 0.5 · (1 − 0.5) = 0.25."
    )


def test_values_appear_forward_and_gradients_backward():
    g, y = build(product)
    known = [(sorted(step.values), sorted(step.gradients)) for step in steps(g, y)]
    assert known[0] == (["a", "b", "c"], []) and known[2] == (["a", "b", "c", "s", "y"], [])
    assert (
        known[3][1] == ["y"] and known[4][1] == ["c", "s", "y"] and known[5][1] == ["a", "b", "c", "s", "y"]
    )


@pytest.mark.parametrize("make", [product, one_layer])
def test_no_picture_of_the_book_overlaps_at_any_step(make):
    g, output = build(make)
    player = stepper(g, output)
    drawn = [player.draw(step=k) for k in range(player.count)]
    assert [picture.problems() for picture in drawn] == [[]] * player.count
    assert len({picture.size() for picture in drawn}) == 1  # it does not jump from step to step


def test_a_stepper_is_a_figure_that_moves():
    g, y = build(product)
    player = stepper(g, y, caption="Forward, then back.")
    data = json.loads(
        re.search(r'<script type="application/json">(.*?)</script>', player.html, re.S).group(1)
    )
    assert data["labels"] == [[f"{k} of 5" for k in range(6)]]
    assert data["alts"][5].startswith("a computational graph. Backward 2 of 2.")
    assert data["alts"][5].endswith("Gradients: ∂y/∂y = 1; ∂y/∂s = 3; ∂y/∂c = 3; ∂y/∂a = 3; ∂y/∂b = 3.")
    assert (
        data["notes"][1].replace("\u00a0", " ") == "Forward 1 of 2. <em>+ node:</em> s = a + b = 2 + 1 = 3."
    )
    assert len(set(data["frames"])) == 6 and len(player.html) < 40_000
    widget = player.widget()
    widget.controls["step"].value = 4
    assert "passes back the gradient times the <em>other</em> input" in widget.picture.value


def test_the_node_at_work_is_lit_up():
    player = stepper(*build(product))
    shapes = [player.draw(step=k).shapes for k in range(player.count)]
    lit = [[name for name, shape in step.items() if shape.active] for step in shapes]
    assert lit == [[], ["op s"], ["op y"], [], ["op y"], ["op s"]]


def test_values_that_a_target_does_not_need_get_no_gradient():
    g, loss = build(one_layer)
    assert set(g.gradients(loss)) == {"L", "h", "a", "u", "x", "W", "B", "b"}


def three(g):
    return g.value("m", np.ones((2, 3)))


@pytest.mark.parametrize(
    "make, error, sentence",
    [
        (lambda g: g.value("", 1.0), ValueError, "name is ''"),
        (
            lambda g: (g.value("a", 1.0), g.value("a", 2.0)),
            ValueError,
            "name is 'a', which the graph has already",
        ),
        (lambda g: g.value("a", "x"), TypeError, "a is 'x'; it should be a number or a small array"),
        (lambda g: g.value("a", float("nan")), ValueError, "a is nan; its numbers should be finite"),
        (lambda g: g.value("a", []), ValueError, "a is empty"),
        (lambda g: g.value("a", np.zeros((5, 6))), ValueError, r"a has shape \(5, 6\); the picture has room"),
        (
            lambda g: g.add(three(g), g.value("b", [1.0, 2, 3])),
            ValueError,
            r"add of m with shape \(2, 3\) and b",
        ),
        (lambda g: g.matmul(three(g), g.value("b", np.ones((2, 3)))), ValueError, "matmul of m with shape"),
        (lambda g: g.repeat(g.value("a", [1.0]), 0), ValueError, "n is 0"),
        (
            lambda g: g.sigmoid(Graph().value("a", 1.0)),
            ValueError,
            "sigmoid was given a = 1; its inputs should be values",
        ),
        (lambda g: stepper(g, g.value("a", 1.0)), ValueError, "a is a given value; the graph should have"),
        (lambda g: stepper(g, g.sigmoid(three(g))), ValueError, "the graph should end in one number"),
    ],
)
def test_bad_input_is_refused_in_one_sentence(make, error, sentence):
    with pytest.raises(error, match=sentence):
        make(Graph())
