"""A figure that moves: right in the page, in a live kernel and in the notebook tests; no bad input."""

import json
import re

import matplotlib.pyplot as plt
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.book import play
from common.book import player as module
from common.book.player import Player


def words(**values):
    return "<p>" + ", ".join(f"{key} {value}" for key, value in values.items()) + "</p>"


def line(epoch):
    fig, ax = plt.subplots(figsize=(2, 1.5))
    ax.plot([0, epoch])
    ax.set(xlabel="x", ylabel="y")
    return fig


def data_of(player):
    """The data that the page's script reads."""
    text = re.search(r'<script type="application/json">(.*?)</script>', player.html, re.S).group(1)
    return json.loads(text)


def templates_of(player):
    return re.findall(r"<template>(.*?)</template>", player.html, re.S)


def simple(**parameters):
    names = " and ".join(f"{{{name}}}" for name in parameters)
    return play(words, alt=f"Words for {names}", **parameters)


# ---- what the page gets


def test_a_range_becomes_a_labelled_slider_with_a_frame_for_each_value():
    player = simple(epoch=range(0, 31, 10))
    data = data_of(player)
    assert data["labels"] == [["0", "10", "20", "30"]]
    assert data["alts"] == [f"Words for {epoch}" for epoch in (0, 10, 20, 30)]
    assert [templates_of(player)[k] for k in data["frames"]] == [f"<p>epoch {e}</p>" for e in (0, 10, 20, 30)]
    slider = re.search(r'<input type="range"[^>]*>', player.html).group(0)
    assert 'aria-label="epoch"' in slider and 'max="3"' in slider and 'aria-valuetext="0"' in slider


def test_words_become_a_list_to_choose_from():
    player = simple(sentence=["a <b> film", "a dull film"])
    assert "<option selected>a &lt;b&gt; film</option><option>a dull film</option>" in player.html
    assert 'class="bk-play"' not in player.html.split("<script>")[0]  # words have no order to play through


def test_two_parameters_make_a_grid_whose_last_one_runs_fastest():
    player = simple(word=["say", "goodbye"], k=[1, 2, 3])
    frames = [templates_of(player)[i] for i in data_of(player)["frames"]]
    assert frames[:3] == ["<p>word say, k 1</p>", "<p>word say, k 2</p>", "<p>word say, k 3</p>"]
    assert len(frames) == 6 and data_of(player)["lead"] == 1


def test_a_dict_shows_its_keys_and_hands_over_its_values():
    player = play(lambda f: f"<p>{f(4)}</p>", f={"root": np.sqrt, "square": np.square}, alt=lambda f: "x")
    assert data_of(player)["labels"] == [["root", "square"]]
    assert templates_of(player) == ["<p>2.0</p>", "<p>16</p>"]


def test_the_first_frame_stands_in_the_page_without_any_script():
    player = play(line, epoch=[1, 2, 3], alt="A line up to {epoch}", start={"epoch": 2})
    before_script = player.html.split('<script type="application/json">')[0]
    assert 'alt="A line up to 2"' in before_script and 'src="data:image/png;base64,' in before_script
    assert data_of(player)["start"] == [1]
    assert re.search(r'<div class="bk-controls"[^>]* hidden>', before_script)


def test_nothing_is_loaded_from_elsewhere_and_no_attribute_is_code():
    markup = simple(epoch=range(3)).html
    assert not re.search(r'(src|href)="(?!data:)', markup)
    assert not re.search(r"\son[a-z]+=", markup.split("<script>")[0])
    assert "@import" not in markup and "url(" not in markup


def test_a_sentence_under_the_picture_is_announced_and_may_hold_marks():
    player = play(words, epoch=[1, 2], alt="{epoch}", note=lambda epoch: f"After *{epoch}* `steps` <")
    assert data_of(player)["notes"][1] == "After <em>2</em> <code>steps</code> &lt;"
    assert '<p class="bk-note" aria-live="polite">After <em>1</em>' in player.html


def test_without_a_note_the_text_alternative_is_announced():
    assert '<p class="bk-hidden" aria-live="polite">Words for 0</p>' in simple(epoch=range(2)).html


@pytest.mark.parametrize("text", ["</script>", "</SCRIPT >", "<!--<script>", "<!-- <ScRiPt"])
def test_a_text_neither_ends_nor_keeps_open_the_script_that_carries_it(text):
    player = play(words, word=[text, "b"], alt="The word {word}")
    assert data_of(player)["alts"] == [f"The word {text}", "The word b"]
    carried = player.html.split('<script type="application/json">')[1].split("</script>")[0]
    assert not re.search("<!--|</script", carried, re.IGNORECASE)


def test_equal_frames_are_stored_once():
    player = play(lambda epoch: f"<p>{min(epoch, 2)}</p>", epoch=range(10), alt="{epoch}")
    assert templates_of(player) == ["<p>0</p>", "<p>1</p>", "<p>2</p>"]
    pictures = play(lambda epoch: line(min(epoch, 1)), epoch=range(4), alt="{epoch}")
    images = data_of(pictures)["images"]
    assert images[2:] == ["data:image/png;base64,=1"] * 2 and len(images[0]) > 100


def test_a_repeated_picture_looks_to_the_notebook_tests_like_any_other():
    # On another machine two pictures may differ by a pixel; the masked output must not.
    mask = re.compile(r"data:image/(png|jpeg|webp|gif);base64,[A-Za-z0-9+/=]+")
    one = play(lambda epoch: line(1), epoch=range(3), alt="{epoch}").html
    other = play(line, epoch=range(3), alt="{epoch}").html
    assert one != other and mask.sub("PICTURE", one) == mask.sub("PICTURE", other)


def test_the_output_depends_on_the_content_alone():
    assert simple(epoch=range(3)).html == simple(epoch=range(3)).html
    assert 'id="boundary"' in play(words, epoch=range(2), alt="{epoch}", name="boundary").html


def test_two_figures_on_a_page_have_different_names():
    names = [re.search(r'<figure[^>]* id="([^"]+)"', simple(epoch=range(k)).html).group(1) for k in (2, 3)]
    assert names[0] != names[1]


def test_drawing_leaves_no_figure_open():
    before = plt.get_fignums()
    play(line, epoch=[1, 2], alt="{epoch}")
    assert plt.get_fignums() == before


def test_axes_svg_and_diagrams_can_be_frames():
    class Drawing:
        def svg(self):
            return "<svg></svg>"

    assert templates_of(play(lambda k: Drawing(), k=[1, 2], alt="{k}")) == ["<svg></svg>"]
    assert data_of(play(lambda k: line(k).axes[0], k=[1, 2], alt="{k}"))["images"]


@given(st.lists(st.integers(-1000, 1000), min_size=2, max_size=12, unique=True))
def test_every_frame_is_found_under_its_value(numbers):
    player = simple(k=numbers)
    data = data_of(player)
    shown = {label: templates_of(player)[i] for label, i in zip(data["labels"][0], data["frames"])}
    assert shown == {str(k): f"<p>k {k}</p>" for k in numbers}


# ---- sizes


def test_too_many_frames_are_refused_before_any_is_drawn():
    def never(**values):
        raise AssertionError("drawn")

    with pytest.raises(ValueError, match=r"1200 frames were asked for \(40 of a x 30 of b\); at most 400"):
        play(never, a=range(40), b=range(30), alt="{a}{b}")


def test_too_many_bytes_are_refused_with_what_would_fit(monkeypatch):
    monkeypatch.setattr(module, "MAX_BYTES", 20_000)
    with pytest.raises(
        ValueError, match=r"100 frames were asked for, and the first \d+ take .*about \d+ would fit"
    ):
        play(lambda k: f"<p>{k}{'x' * 1000}</p>", k=range(100), alt="{k}")


def test_a_figure_of_thirty_plots_would_fit_its_budget():
    player = play(line, epoch=range(1, 7), alt="{epoch}")
    assert 5 * len(player.html.encode()) < module.MAX_BYTES / 3


# ---- bad input


def test_a_failing_draw_names_the_value_and_keeps_the_cause():
    with pytest.raises(
        ValueError, match=r"draw failed at epoch=2: ZeroDivisionError: division by zero"
    ) as failed:
        play(lambda epoch: f"{1 / (epoch - 2)}", epoch=range(5), alt="{epoch}")
    assert isinstance(failed.value.__cause__, ZeroDivisionError)


def test_a_failing_alt_names_the_values_too():
    with pytest.raises(ValueError, match=r"alt failed at word='b', k=1: KeyError"):
        play(words, word=["a", "b"], k=[1, 2], alt=lambda word, k: {"a": "x"}[word])


@pytest.mark.parametrize(
    "values, error, sentence",
    [
        ([], ValueError, "k has no values"),
        (range(0), ValueError, "k has no values"),
        ({}, ValueError, "k has no values"),
        ([1], ValueError, "k has the one value 1"),
        ([1, 1], ValueError, "k holds 1 twice"),
        (["a", "a"], ValueError, "k holds a twice"),
        ([1.0, float("nan")], ValueError, "k holds nan; its values should be finite"),
        (np.array([0, np.inf]), ValueError, "k holds inf"),
        (["a", " "], ValueError, "k holds an empty text"),
        (["a", 1], TypeError, "k holds 1; its values should be all numbers or all words"),
        ([True, False], TypeError, "k holds True"),
        ("abc", TypeError, "k is 'abc'; it should be a range"),
        ({1, 2}, TypeError, "it should be a range, a list of numbers or a list of words, in order"),
        (7, TypeError, "k is 7; it should be a range"),
    ],
)
def test_values_that_cannot_be_offered_are_refused(values, error, sentence):
    with pytest.raises(error, match=sentence):
        play(lambda k: "x", k=values, alt=lambda k: "x")


@pytest.mark.parametrize(
    "options, error, sentence",
    [
        ({}, ValueError, "alt is None; it should be a function of k"),
        ({"alt": "a picture"}, ValueError, r"it should contain \{k\}, or be a function of k"),
        ({"alt": lambda k: ""}, ValueError, "alt for k=1 is ''; it should be a sentence"),
        ({"alt": "{k}", "name": "1 2"}, ValueError, "name is '1 2'"),
        ({"alt": "{k}", "start": {"k": 9}}, ValueError, "start gives k=9; it should be one of its values"),
        ({"alt": "{k}", "start": {"q": 9}}, ValueError, "start names 'q'; the parameters are k"),
        ({"alt": "{k}", "seconds": 0}, ValueError, "seconds is 0; it should be a positive number"),
        ({"alt": "{k}", "dpi": float("nan")}, ValueError, "dpi is nan"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, error, sentence):
    with pytest.raises(error, match=sentence):
        play(lambda k: "x", k=[1, 2], **options)


@pytest.mark.parametrize(
    "result, sentence",
    [(None, "draw returned None at k=1"), (3, "draw returned a int at k=1"), ("", "an empty string at k=1")],
)
def test_what_cannot_be_shown_is_refused(result, sentence):
    with pytest.raises((TypeError, ValueError), match=sentence):
        play(lambda k: result, k=[1, 2], alt="{k}")


def test_kinds_of_frames_cannot_be_mixed():
    with pytest.raises(TypeError, match="another kind of thing at epoch=2"):
        play(lambda epoch: line(1) if epoch == 1 else "x", epoch=[1, 2], alt="{epoch}")


def test_one_or_two_parameters():
    with pytest.raises(ValueError, match="the parameters are none; there should be one or two"):
        play(words, alt="x")
    with pytest.raises(ValueError, match="the parameters are a, b, c"):
        play(words, alt="x", a=[1, 2], b=[1, 2], c=[1, 2])


def test_draw_must_be_a_function():
    with pytest.raises(TypeError, match="draw is a str; it should be a function"):
        play("x", k=[1, 2], alt="{k}")


# ---- in a live kernel


def test_moving_the_live_slider_draws_again_for_values_between_the_frames():
    player = play(
        lambda t: f"<p>{t:.3f}</p>", t=[0.1, 0.5, 1.0], alt="temperature {t}", caption="Hot or cold."
    )
    widget = player.widget()
    assert "<p>0.100</p>" in widget.picture.value and "Hot or cold." in widget.picture.value
    widget.controls["t"].value = 0.75
    assert "<p>0.752</p>" in widget.picture.value or "<p>0.750</p>" in widget.picture.value


def test_a_range_keeps_its_step_in_a_live_kernel():
    control = simple(epoch=range(0, 31, 10)).widget().controls["epoch"]
    assert (control.min, control.max, control.step) == (0, 30, 10)


def test_live_values_and_live_text():
    player = play(
        words,
        epoch=[0, 10],
        word=["say", "hello"],
        alt="{epoch} {word}",
        live={"epoch": range(11), "word": str},
    )
    widget = player.widget()
    widget.controls["epoch"].value = 7
    widget.controls["word"].value = "goodbye"
    assert "<p>epoch 7, word goodbye</p>" in widget.picture.value


def test_words_and_uneven_numbers_are_chosen_from_in_a_live_kernel():
    widget = simple(word=["a", "b"], k=[1, 5, 7]).widget()
    widget.controls["word"].value = "b"
    widget.controls["k"].value = 7
    assert "<p>word b, k 7</p>" in widget.picture.value


def test_numbers_over_many_sizes_get_a_logarithmic_slider():
    widget = simple(rate=[0.001, 0.01, 0.1, 1.0]).widget()
    assert type(widget.controls["rate"]).__name__ == "FloatLogSlider"


@pytest.mark.parametrize("values", [[0.001, 30.0], [0.1, 0.3, 30.0], [0.1, 0.2, 0.7]])
def test_a_live_slider_at_the_end_gives_the_very_value(values):
    player = simple(rate=values)
    slider = player.widget().controls["rate"]
    for value in (values[0], values[-1]):
        slider.value = value
        assert f"<p>rate {value}</p>" in player.widget().picture.value


def test_play_moves_the_live_slider():
    widget = simple(epoch=range(0, 31, 10)).widget()
    button = next(child for child in widget.children[0].children if type(child).__name__ == "Play")
    button.value = 2
    assert widget.controls["epoch"].value == 20 and "<p>epoch 20</p>" in widget.picture.value


def test_an_error_in_a_live_kernel_is_shown_in_place_of_the_picture():
    def draw(word):
        return {"a": "<p>1</p>", "b": "<p>2</p>"}[word]

    widget = play(draw, word=["a", "b"], alt="{word}", live={"word": str}).widget()
    widget.controls["word"].value = "<zebra>"
    assert "draw failed at word=&#x27;&lt;zebra&gt;&#x27;: KeyError" in widget.picture.value
    widget.controls["word"].value = "b"
    assert "<p>2</p>" in widget.picture.value


def test_one_output_carries_the_page_and_the_widgets():
    bundle = simple(epoch=range(3))._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "text/html", "application/vnd.jupyter.widget-view+json"}
    assert bundle["text/plain"] == "[figure to move] epoch: 3 values"


def test_a_stored_notebook_keeps_the_page_and_not_the_view_of_a_widget_that_is_gone():
    import nbformat
    import notebooks  # tools/notebooks.py

    cell = nbformat.v4.new_code_cell("play(...)", execution_count=1)
    data = simple(epoch=range(3))._repr_mimebundle_()
    cell.outputs = [nbformat.v4.new_output("execute_result", data=data, execution_count=1)]
    stored = notebooks.normalized(nbformat.v4.new_notebook(cells=[cell])).cells[0].outputs[0].data
    assert set(stored) == {"text/plain", "text/html"} and stored["text/html"] == data["text/html"]


def test_the_live_picture_and_the_frame_are_the_same():
    player = play(line, epoch=[1, 2], alt="{epoch}")
    assert player.frames[1] in player.show_values(epoch=2)
    assert isinstance(player, Player)


def test_the_page_can_be_read_as_html():
    from html.parser import HTMLParser

    class Reader(HTMLParser):
        void = frozenset({"input", "img", "br"})

        def __init__(self):
            super().__init__()
            self.open = []

        def handle_starttag(self, tag, attributes):
            if tag not in self.void:
                self.open.append(tag)

        def handle_endtag(self, tag):
            assert self.open.pop() == tag

    reader = Reader()
    reader.feed(play(lambda k: "<p>x</p>", k=["a & b", "<c>"], alt="{k}").html)
    reader.close()
    assert reader.open == []
