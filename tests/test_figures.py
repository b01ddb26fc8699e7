"""Pictures are shown once, with a text alternative, small, the same bytes each time, and safely escaped."""

import base64
import io
import re

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image

from common.book import CLASSES, COLOURS, figures, show
from common.book.figures import figure_html, inline_markup, png_bytes, png_uri


@pytest.fixture
def outputs(monkeypatch):
    """What a cell would store."""
    stored = []
    monkeypatch.setattr("IPython.display.display", lambda data, raw: stored.append(data))
    return stored


@pytest.fixture
def fig():
    figure, ax = plt.subplots()
    ax.plot(np.arange(5))
    ax.set(xlabel="epoch", ylabel="loss")
    yield figure
    plt.close(figure)


def luminance(colour):
    """The relative luminance of WCAG."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def theme(css):
    return dict(re.findall(r"(--bk-[a-z]+):(#[0-9a-f]{3,6})", css))


def test_show_stores_one_html_output_and_closes_the_figure(outputs, fig):
    show(fig, alt="A rising line.", caption="The line *rises*.")
    assert len(outputs) == 1 and set(outputs[0]) == {"text/html", "text/plain"}
    markup = outputs[0]["text/html"]
    assert '<figure class="book-figure">' in markup
    assert 'alt="A rising line."' in markup
    assert "<figcaption>The line <em>rises</em>.</figcaption>" in markup
    assert outputs[0]["text/plain"] == "[figure] A rising line."
    assert fig.number not in plt.get_fignums()


def test_the_stored_picture_is_a_png_of_moderate_size(outputs, fig):
    show(fig, alt="A rising line.")
    data = re.search(r"data:image/png;base64,([A-Za-z0-9+/=]+)", outputs[0]["text/html"]).group(1)
    picture = Image.open(io.BytesIO(base64.b64decode(data)))
    assert picture.format == "PNG" and picture.size == (704, 440)
    assert len(data) < 40_000
    assert not picture.text  # no program's name, no date


def test_the_same_drawing_gives_the_same_bytes(fig):
    assert png_bytes(fig) == png_bytes(fig)


def test_few_colours_are_kept_exactly():
    figure = plt.figure(figsize=(1, 1))
    figure.add_artist(plt.Rectangle((0, 0), 1, 1, color="#0072B2"))
    picture = Image.open(io.BytesIO(png_bytes(figure, dpi=20))).convert("RGB")
    plt.close(figure)
    assert picture.getpixel((5, 5)) == (0, 0x72, 0xB2)


def test_axes_and_html_can_be_shown_too(outputs, fig):
    show(fig.axes[0], alt="A rising line.")
    show("<table><tr><td>1</td></tr></table>", caption="One cell.")
    assert "<td>1</td>" in outputs[1]["text/html"] and 'tabindex="0"' in outputs[1]["text/html"]


@pytest.mark.parametrize("alt", [None, "", "  ", 3])
def test_a_missing_text_alternative_is_refused(fig, alt):
    with pytest.raises(ValueError, match=r"alt is .*it should be a sentence"):
        show(fig, alt=alt)


def test_what_is_no_figure_is_refused():
    with pytest.raises(TypeError, match="figure is a list; it should be a matplotlib Figure"):
        show([1, 2], alt="A list.")


@pytest.mark.parametrize("name", ["two words", "1st", "", 'a"b', 7])
def test_a_name_that_is_no_id_is_refused(name):
    with pytest.raises(ValueError, match="name is"):
        figure_html("", name=name)


def test_text_is_escaped_everywhere(outputs, fig):
    show(fig, alt='"<b>" & more', caption="<script>alert(1)</script> `a < b` $x < y$")
    markup = outputs[0]["text/html"]
    assert 'alt="&quot;&lt;b&gt;&quot; &amp; more"' in markup
    assert "<script" not in markup and "<code>a &lt; b</code>" in markup and "\\(x &lt; y\\)" in markup


@pytest.mark.parametrize(
    "text, markup",
    [
        ("plain", "plain"),
        ("`W_1`", "<code>W_1</code>"),
        ("2 * 3 * 4", "2 * 3 * 4"),
        ("*a b*", "<em>a b</em>"),
        ("$h_t$", '<span class="math notranslate nohighlight">\\(h_t\\)</span>'),
        ("`*a*` and *b*", "<code>*a*</code> and <em>b</em>"),
    ],
)
def test_marks_in_a_caption(text, markup):
    assert inline_markup(text) == markup


def test_importing_the_module_has_set_the_style():
    figures.use_style()
    assert mpl.rcParams["axes.prop_cycle"].by_key()["color"] == list(COLOURS)
    assert mpl.rcParams["font.family"] == ["DejaVu Sans"]


def test_each_class_of_points_has_its_own_colour_and_marker():
    assert len({colour for colour, _ in CLASSES}) == len({marker for _, marker in CLASSES}) == len(CLASSES)


def test_lines_can_be_seen_on_white():
    # 3:1 is WCAG's bound for graphics. The paler ones come after these three, and have their own markers.
    assert all(contrast(colour, "#ffffff") > 3 for colour in COLOURS[:3])


def palettes():
    """The colours of each theme, as in the style sheet: light, dark, and dark as the system asks."""
    return [theme(block) for block in re.findall(r"\{([^{}]*--bk-fg:[^{}]*)\}", figures.BASE_CSS)]


def test_the_dark_colours_are_the_same_whoever_asks_for_them():
    assert len(palettes()) == 3 and palettes()[1] == palettes()[2]


@pytest.mark.parametrize("which, ground", [(0, "#ffffff"), (1, "#14181e")])
def test_text_is_legible_in_both_themes(which, ground):
    colours = palettes()[which]
    for name in ("fg", "muted", "fwd", "bwd", "good"):
        for under in (ground, colours["--bk-box"], colours["--bk-data"], colours["--bk-loss"]):
            if name in ("muted", "good") and under not in (ground, colours["--bk-data"]):
                continue
            assert contrast(colours[f"--bk-{name}"], under) >= 4.5, (name, under)
    assert contrast(colours["--bk-fg"], colours["--bk-hot"]) >= 4.5
    assert contrast(colours["--bk-line"], ground) >= 3


def test_a_style_sheet_is_packed_and_says_the_same(monkeypatch):
    sheet = "/* Why:\n   so. */\n.a :focus,\n.b {\n  color: red;\n  margin: 0 1px;\n}\n"
    monkeypatch.setattr(figures, "read_static", lambda name: sheet)
    assert figures.read_css("x.css") == ".a :focus,.b{color:red;margin:0 1px}"


def test_a_uri_is_what_the_notebook_tests_mask(fig):
    assert re.fullmatch(r"data:image/png;base64,[A-Za-z0-9+/=]+", png_uri(fig))
