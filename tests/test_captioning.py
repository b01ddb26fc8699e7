"""Pictures into words: the encoder's map, both decoders, captions and where the model looked."""

import numpy as np
import pytest

from common.datasets import draw_scenes
from common.layers import Convolution, count_parameters
from common.models.captioning import (
    PictureEncoder,
    captioner,
    describe,
    encode_captions,
    nearest_place,
    on_the_map,
    pointing,
    pointing_by_lot,
    rows_and_columns,
    words_of,
)
from common.models.decoding import beam_search
from common.optimizers import Adam
from common.text.rows import END, PAD, START
from common.training import train_step


def rng(seed=0):
    return np.random.default_rng(seed)


def small(attention=True, where=True, H=4):
    model = captioner(2, 7, 3, H, rng(), attention, where, filters=(3, 4), dtype=np.float64)
    for i, param in enumerate(model.params):  # weights large enough for attention to choose
        param += 0.3 * rng(i).standard_normal(param.shape)
    return model


def pictures(N=3, C=2, height=8, width=12, dtype=np.float64):
    return rng(1).uniform(0, 1, (N, C, height, width)).astype(dtype)


ANSWERS = np.array(
    [[START, 3, 4, 5, END], [START, 6, END, PAD, PAD], [START, 4, 4, END, PAD]], dtype=np.int32
)
BOTH = pytest.mark.parametrize("attention", [True, False])


@BOTH
@pytest.mark.parametrize("where", [True, False])
def test_gradients(attention, where):
    model, x = small(attention, where), pictures()
    model.forward(x, ANSWERS)
    model.backward()
    for (name, param), grad in zip(model.named_params(), model.grads):
        grad = grad.dense() if hasattr(grad, "dense") else grad
        direction = rng(2).standard_normal(param.shape)
        kept, losses = param.copy(), []
        for nudge in (1e-5, -1e-5):
            param[...] = kept + nudge * direction
            losses.append(float(model.forward(x, ANSWERS)))
        param[...] = kept
        slope = (losses[0] - losses[1]) / 2e-5
        assert abs(slope - (grad * direction).sum()) < 1e-7, name
        followed = name in ("encoder.filters.layers.0.b", "encoder.filters.layers.3.b")
        assert (abs(slope) > 1e-6) != followed, name  # a normalization takes the bias before it away


@BOTH
def test_step_by_step_the_scores_are_the_same(attention):
    model, x = small(attention), pictures()
    memory = model.encoder.forward(x)
    whole = model.decoder.forward(ANSWERS, *memory).copy()
    state = model.decoder.start(*memory)
    for t in range(ANSWERS.shape[1]):
        scores, state = model.decoder.step(ANSWERS[:, t], state)
        np.testing.assert_allclose(scores, whole[:, t], atol=1e-12)


def test_the_map_is_made_place_by_place():
    encoder = PictureEncoder(2, 5, rng(), (3, 4), dtype=np.float64)
    x = pictures()
    encoder.training = False  # in training, all pictures of a batch are normalized together
    map, mask, h, c = encoder.forward(x)
    assert map.shape == (3, 2 * 3, 5) and mask.shape == (3, 6) and mask.all() and h.shape == c.shape == (3, 5)
    changed = x.copy()
    changed[:, :, 4:, 8:] = 0  # the last place sees it, and the first does not
    other = encoder.forward(changed)[0]
    assert np.array_equal(other[:, 0], map[:, 0]) and not np.allclose(other[:, 5], map[:, 5])


def test_without_row_and_column_the_mean_does_not_know_where_a_thing_lies():
    """A thing in the middle, shifted by whole places: no edge is near, so only the coordinates differ."""
    x = np.zeros((2, 1, 40, 40))
    x[0, 0, 12:16, 12:16] = x[1, 0, 12:16, 20:24] = 1
    for where in (False, True):
        h = PictureEncoder(1, 8, rng(), (3, 4), where, keep_map=False, dtype=np.float64).forward(x)[0]
        assert np.allclose(h[0], h[1]) != where


def test_rows_and_columns():
    places = rows_and_columns(2, 9, 2, 3)
    assert places.dtype == np.float32 and np.array_equal(places[0], places[1])
    assert places[0].tolist() == [[-1, -1], [-1, 0], [-1, 1], [1, -1], [1, 0], [1, 1]]
    assert rows_and_columns(1, 1, 1, 1).tolist() == [[[-1, -1]]]


def test_both_models_have_the_same_number_of_weights():
    assert count_parameters(small(True)) == count_parameters(small(False))


def test_captions_become_ids_and_what_is_rare_becomes_unknown():
    words = words_of(["A red circle.", "a blue circle"])
    assert words.words == ("<pad>", "<start>", "<end>", "a", "circle", ".", "blue", "red")
    assert encode_captions(["a blue circle", "red"], words).tolist() == [[1, 3, 6, 4, 2], [1, 7, 2, 0, 0]]
    with pytest.raises(
        ValueError, match="'a green circle' has the word 'green'; the model knows only 'a circle"
    ):
        encode_captions(["a green circle"], words)
    words = words_of(["a red circle", "a blue circle"], min_count=2)
    assert words.decode(encode_captions(["a green circle"], words)[0]) == [
        "<start>",
        "a",
        "<unk>",
        "circle",
        "<end>",
    ]


@BOTH
def test_a_few_scenes_are_learned_by_heart_and_the_weights_are_those_of_the_words(attention):
    scenes = draw_scenes(rng(), 8, most=2)
    words = words_of(scenes.captions)
    x, t = scenes.planes(), encode_captions(scenes.captions, words)
    model = captioner(3, len(words), 8, 16, rng(), attention, filters=(8, 8))
    optimizer = Adam(0.01)
    for _ in range(250):
        train_step(model, optimizer, x, t, max_norm=5)
    said = describe(model, x, words, batch_size=3)
    assert tuple(said.captions) == scenes.captions
    best, _ = beam_search(model, x, t.shape[1], width=1)
    assert np.array_equal(best[:, 0, : t.shape[1] - 1], t[:, 1:])
    if not attention:
        assert said.weights is None
        return
    model.training = False
    model.forward(x, t)
    for i, (caption, looked) in enumerate(zip(said.captions, said.weights)):
        assert looked.shape == (len(caption.split()), 64)
        np.testing.assert_allclose(looked.sum(axis=1), 1, rtol=1e-5)
        np.testing.assert_allclose(looked, model.decoder.weights[i, : len(looked)], atol=1e-5)


def test_describing_leaves_the_model_as_it_was():
    model, x = small(), pictures()
    loss = model.forward(x, ANSWERS)
    words = words_of(["a red circle on sand"])
    model.decoder.affine.params[1][len(words) :] = -9
    assert len(describe(small(), x, words, 4).weights) == 3  # of a model that has read nothing before
    describe(model, x[:1], words, 4)
    model.backward()
    kept = [np.array(grad.dense() if hasattr(grad, "dense") else grad) for grad in model.grads]
    model.forward(x, ANSWERS)
    model.backward()
    for before, after in zip(kept, model.grads):
        np.testing.assert_array_equal(before, after.dense() if hasattr(after, "dense") else after)
    assert np.isfinite(loss)


@pytest.mark.parametrize(
    ("call", "error", "sentence"),
    [
        (lambda: PictureEncoder(0, 4, rng()), ValueError, "C is 0; it should be a whole number"),
        (lambda: PictureEncoder(2, 4, rng(), ()), ValueError, "filters is empty; it should have a number"),
        (lambda: PictureEncoder(2, 4, rng(), (3, 0)), ValueError, r"filters\[1\] is 0; it should be"),
        (lambda: PictureEncoder(2, 4, 1), TypeError, "rng is a int; it should be a numpy"),
        (
            lambda: small().forward(pictures(C=3), ANSWERS),
            ValueError,
            r"pictures has shape \(3, 3, 8, 12\); it should be \(N, 2, height, width\)",
        ),
        (lambda: small().encoder.forward(pictures()[0]), ValueError, r"it should be \(N, 2, height, width\)"),
        (lambda: small().encoder.forward(pictures()[:0]), ValueError, r"pictures has shape \(0, 2, 8, 12\)"),
        (lambda: small().encoder.forward(ANSWERS), TypeError, "pictures"),
        (
            lambda: small().forward(pictures(), ANSWERS[:2]),
            ValueError,
            "answers has 2 rows; it should have 3",
        ),
        (lambda: small().forward(pictures(), ANSWERS[:, 1:]), ValueError, "should each begin with START"),
        (lambda: words_of("a red circle"), TypeError, "captions is the string"),
        (lambda: encode_captions([], words_of(["a"])), ValueError, "texts is empty"),
        (lambda: describe(small(), pictures(), words_of(["a"]), batch_size=0), ValueError, "batch_size is 0"),
    ],
)
def test_bad_input_gets_one_clear_sentence(call, error, sentence):
    with pytest.raises(error, match=sentence):
        call()


def test_pointing_by_hand():
    pixels = np.zeros((4, 8), dtype=bool)
    pixels[0, 2:4] = True  # the eight places have their centres in rows 0 and 2 and columns 0, 2, 4 and 6
    assert on_the_map(pixels, 8).tolist() == [False, True, True, False, False, False, False, False]
    corner = np.zeros((4, 8), dtype=bool)
    corner[3, 7] = True  # beyond the last centre
    assert on_the_map(corner, 8).tolist() == [False] * 7 + [True]
    assert on_the_map(corner, 8, sees=1).tolist() == [False] * 7 + [True]
    assert on_the_map(pixels, 8, sees=2).tolist() == [True, True, True, False] * 2
    assert on_the_map(corner, 8, sees=0).tolist() == [False] * 8
    looked = np.array(
        [[0.1, 0.5, 0, 0.4, 0, 0, 0, 0], [0, 0.2, 0, 0.8, 0, 0, 0, 0], [1.0, 0, 0, 0, 0, 0, 0, 0]]
    )
    found = pointing([looked, looked], [[(0, pixels), (1, pixels)], []])
    assert found.words == 2
    np.testing.assert_allclose(found[:3], [0.5, 0.35, 0.25])
    assert pointing_by_lot([[pixels, corner], []], [[(0, corner), (1, pixels)], []], 8) == 0.5
    near = np.roll(pixels, 2, axis=1)  # six places see it; four of the six that see the other
    assert pointing_by_lot([[pixels, near]], [[(0, near)]], 8, sees=2) == pytest.approx((4 / 6 + 1) / 2)


def test_a_place_is_nearest_to_the_middle_of_what_it_sees():
    encoder = PictureEncoder(1, 4, rng(), dtype=np.float64)
    seen = np.zeros((32, 1, 32, 32))
    seen[range(32), 0, range(32), 16] = 1  # each picture has one pixel, in another row
    for layer in encoder.filters.layers:
        if isinstance(layer, Convolution):
            layer.params[0][...] = 1
            seen = layer.forward(seen)
    sees = seen[:, 0, :, 4] > 0  # (32 pixels, 8 places)
    for place in range(1, 7):
        pixels = np.flatnonzero(sees[:, place])
        assert len(pixels) == 9
        assert nearest_place(pixels[4:5], 32, 8) == place
        for pixel in range(32):
            one = np.zeros((32, 32), dtype=bool)
            one[pixel, 16] = True
            assert on_the_map(one, 64, sees=4).reshape(8, 8)[place, 4] == (pixel in pixels)
    every = nearest_place(np.arange(32), 32, 8)
    assert all(sees[pixel, place] for pixel, place in enumerate(every))


def test_pointing_refuses_what_it_cannot_measure():
    pixels, looked = np.zeros((4, 8), dtype=bool), np.ones((3, 8)) / 8
    with pytest.raises(ValueError, match="named has no words; it should have at least one"):
        pointing([looked], [[]])
    with pytest.raises(ValueError, match="named has no words; it should have at least one"):
        pointing_by_lot([[pixels]], [[]], 8)
    with pytest.raises(ValueError, match=r"pixels has shape \(4, 8\); it should be cut evenly into 6 places"):
        on_the_map(pixels, 6)
