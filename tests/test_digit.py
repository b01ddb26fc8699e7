"""The digit that is drawn on the page: laid out as MNIST's are, and a page that holds the very weights."""

import base64
import json
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.book.digit import CELLS, OFF, centred, digit_html, draw_digit
from common.book.results import recorded
from common.datasets import DataError, load_mnist
from common.datasets.images import Images, Split
from common.layers import Make
from common.models import pretrained
from common.models.classifiers import Classifier, share_right
from common.models.pretrained import DIGIT_READER, digit_reader, load_digit_reader
from common.quantization import quantized
from runs import digit_reader as runs


def arrays(F=2, G=3, K=5, L=5, D=48, H=7, classes=10):
    """The weights of a small network, rounded."""
    make = Make(np.random.default_rng(0))
    affines = [make.affine(D, 7), make.affine(H, classes)] if H else [make.affine(D, classes)]
    return quantized(Classifier(make.convolution(1, F, K), make.convolution(F, G, L), *affines))


def bar(top, left, height, width, cells=CELLS):
    ink = np.zeros((cells, cells))
    ink[top : top + height, left : left + width] = 1
    return ink


# ---- laid out as MNIST's digits are


def test_the_longer_side_fills_twenty_pixels_around_the_middle_of_the_fifteenth():
    picture = centred(bar(10, 60, 80, 16))
    # 80 rows become 20, from 4.5 to 24.5: the first and the last pixel are half covered.
    expected = np.zeros((28, 28))
    expected[4:25, 12:17] = 1
    expected[[4, 24]] /= 2
    expected[:, [12, 16]] /= 2
    np.testing.assert_allclose(picture, expected, atol=1e-12)


boxes = st.tuples(st.integers(0, 60), st.integers(0, 60), st.integers(1, 50), st.integers(1, 50))


@given(boxes, boxes)
def test_where_it_was_drawn_does_not_matter(one, other):
    ink = np.maximum(bar(*one), bar(*other))
    rows, columns = (np.flatnonzero(ink.any(axis=axis)) for axis in (1, 0))
    moved = np.zeros_like(ink)
    cut = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    moved[: len(cut), : cut.shape[1]] = cut
    np.testing.assert_allclose(centred(moved), centred(ink), atol=1e-9)


@given(boxes)
def test_the_centre_of_mass_is_in_the_middle_and_no_ink_is_lost(box):
    top, left, height, width = box
    ink = bar(top, left, height, width)
    picture, middles = centred(ink), np.arange(28) + 0.5
    step = max(height, width) / 20
    assert picture.min() >= 0 and picture.max() <= 1 + 1e-9
    np.testing.assert_allclose(picture.sum(), ink.sum() / step**2, rtol=1e-9)
    for axis in (0, 1):
        np.testing.assert_allclose(picture.sum(axis=axis) @ middles / picture.sum(), 14.5, atol=1e-9)


@pytest.mark.parametrize(
    "ink, sentence",
    [
        (np.zeros((9, 9)), "ink is 0 everywhere; something should be drawn"),
        (np.ones((9, 8)), r"ink has shape \(9, 8\); it should be a square"),
        (np.ones(9), r"ink has shape \(9,\); it should be a square"),
        (np.full((9, 9), 255), "outside of 0 to 1"),
        (np.full((9, 9), np.nan), "outside of 0 to 1"),
    ],
)
def test_what_is_no_drawing_is_refused(ink, sentence):
    with pytest.raises(ValueError, match=sentence):
        centred(ink)


# ---- the page


def test_the_page_holds_the_very_weights():
    weights = arrays()
    packed = json.loads(re.search(r'<script type="application/json">(.*?)</script>', digit_html(weights))[1])
    layers = packed["net"]["convolutions"] + packed["net"]["affines"]
    names = [name for name in weights if name + ".scale" in weights]
    assert packed["cells"] == CELLS and [layer["K"] for layer in layers] == [5, 5, 0, 0]
    for layer, name in zip(layers, names, strict=True):
        numbers = np.frombuffer(base64.b64decode(layer["numbers"]), np.int8)
        assert np.array_equal(numbers, weights[name].ravel())
        assert np.array_equal(np.float32(layer["scales"]), weights[name + ".scale"])
        assert np.array_equal(np.float32(layer["b"]), weights[name.replace(".W", ".b")])


def test_where_no_script_runs_one_sentence_stands_and_no_control_that_does_nothing():
    whole = digit_html(arrays(), caption="A *digit*.")
    html = re.sub(r"<(script|style)\b.*?</\1>", "", whole, flags=re.DOTALL)
    assert f">{OFF}</p>" in html and "A <em>digit</em>." in html
    assert not re.search(r"<(canvas|button|input|table)", html)


def test_the_page_asks_nobody():
    assert not re.search(r"https?:|\bfetch\b|XMLHttpRequest|\bimport\(|src=", digit_html(arrays()))


def test_it_is_one_output_of_the_cell(monkeypatch):
    from common.book import digit

    shown = []
    monkeypatch.setattr(digit, "publish", lambda *output: shown.append(output))
    draw_digit(arrays(), name="mine")
    ((markup, text),) = shown
    assert 'id="mine"' in markup and "digit" in text


@pytest.mark.parametrize(
    "sizes",
    [
        {"classes": 9},
        {"D": 47},
        {"H": 6},
        {"K": 4, "D": 48},  # 25 x 25 cannot be pooled by 2
        {"K": 25, "D": 3},
    ],
)
def test_another_kind_of_network_is_refused(sizes):
    with pytest.raises(ValueError, match="they should be those of two convolutions"):
        digit_html(arrays(**sizes))


def test_other_numbers_of_filters_and_other_windows_are_welcome():
    assert digit_html(arrays(F=4, G=1, K=3, L=4, D=25, H=0))


def test_weights_that_were_not_rounded_are_refused():
    weights = arrays()
    floats = {name: a.astype("f") for name, a in weights.items()}
    with pytest.raises(ValueError, match="holds float32; it should hold int8"):
        digit_html(floats)
    with pytest.raises(ValueError, match=r"weights of shapes \[\]"):
        digit_html({name: a for name, a in weights.items() if not name.endswith(".scale")})
    with pytest.raises(TypeError, match="each of arrays is a list"):
        digit_html({**weights, "more": [1]})


# ---- the network that comes with the book


def test_it_is_the_network_that_is_said():
    model = digit_reader(np.random.default_rng(0))
    assert sum(param.size for param in model.params) == 44_426
    kinds = [type(layer).__name__ for layer in model.body.layers]
    assert kinds == [*2 * ["Convolution", "MaxPooling", "ReLU"], "Flatten", *2 * ["Affine", "ReLU"], "Affine"]
    assert model.scores(np.zeros((2, 1, 28, 28), "f")).shape == (2, 10)


def test_the_weights_that_come_with_the_book_are_those_that_were_measured():
    run = recorded("digit_reader")["runs"]["int8"]
    assert DIGIT_READER.stat().st_size == run["bytes"] < 100_000
    assert len(digit_html(quantized(load_digit_reader())).encode()) < 100_000
    assert run["right"] > 0.985 and run["right_int8"] > run["right"] - 0.001


def test_a_bar_is_a_one_and_a_ring_is_a_zero():
    across, down = np.meshgrid(np.arange(CELLS), np.arange(CELLS))
    distance = np.hypot((across - 56) * 1.4, down - 56)
    drawings = [bar(20, 50, 70, 9), (np.abs(distance - 36) < 6).astype(float)]
    x = np.stack([centred(ink) for ink in drawings]).astype("f")[:, None]
    assert load_digit_reader().scores(x).argmax(axis=1).tolist() == [1, 0]
    model = load_digit_reader(dtype=np.float64)
    assert model.scores(x.astype(float)).argmax(axis=1).tolist() == [1, 0]


def test_it_reads_digits_that_it_was_not_trained_on():
    try:
        test = load_mnist().test
    except DataError as error:
        pytest.skip(str(error))
    assert share_right(load_digit_reader(), test[:2000].planes(), test.labels[:2000]) > 0.975
    # MNIST's own digits are laid out as centred lays them out: to do it again moves little.
    again = np.stack([centred(pixels / 255) for pixels in test.pixels[:200]])
    assert np.abs(again - test.pixels[:200] / 255).mean() < 0.04
    assert share_right(load_digit_reader(), again.astype("f")[:, None], test.labels[:200]) > 0.95


# ---- how it came about


def test_another_pen_is_thinner_or_thicker_and_stays_where_the_pen_was():
    x = np.zeros((300, 1, 28, 28), "f")
    x[:, :, 5:20, 10:15] = 1
    widths = runs.with_another_pen(x, np.random.default_rng(0)).sum(axis=(1, 2, 3))
    # Full strength adds 40 pixels around the bar of 75, or takes 36 from its edge.
    assert 75 - 0.7 * 36 <= widths.min() < 52 and 112 < widths.max() <= 75 + 40
    once = runs.with_another_pen(x[:1], np.random.default_rng(1))[0, 0]
    assert once.min() >= 0 and once.max() <= 1 and not once[:4].any() and not once[:, :9].any()


def test_the_run_trains_measures_and_goes_on(monkeypatch, tmp_path):
    rng = np.random.default_rng(0)
    bars = np.zeros((60, 28, 28), np.uint8)
    labels = rng.integers(0, 2, 60)
    for pixels, label in zip(bars, labels):  # a bar that stands, or one that lies
        (pixels if label else pixels.T)[4:24, 12:16] = 255
    images = Images(bars, labels)
    recorded_run = {}
    monkeypatch.setattr(runs, "KEPT", tmp_path)
    monkeypatch.setattr(runs, "PASSES", 6)
    monkeypatch.setattr(runs, "BATCH", 20)
    monkeypatch.setattr(runs, "DIGIT_READER", tmp_path / "reader.npz")
    monkeypatch.setattr(pretrained, "DIGIT_READER", tmp_path / "reader.npz")
    monkeypatch.setattr(runs, "load_mnist", lambda: Split(images, images[:20], images[:40]))
    monkeypatch.setattr(runs, "record_run", lambda *names, **what: recorded_run.update(what["result"]))
    runs.main()
    first = dict(recorded_run)
    assert first["right"] == 1.0 == first["right_int8"] and len(first["train_loss"]) == 6
    assert first["bytes"] == (tmp_path / "reader.npz").stat().st_size and first["parameters"] == 44_426
    runs.main()  # all passes are done: it only measures again
    assert recorded_run == first
