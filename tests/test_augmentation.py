"""Pictures that are moved, turned and bent; batches of them; the networks that learn from them."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.batches import Augmented, Shuffled
from common.datasets import Distortion, Images, shifted, warped
from common.datasets.augmentation import bell
from common.gradient_check import layer_errors
from common.layers import Layer, count_parameters, evaluating
from common.models.classifiers import deep_convnet, lenet, predict, simple_convnet
from common.optimizers import SGD
from common.training import Trainer, train_step
from runs import convolution


def pictures(N=3, H=6, W=8, C=2, dtype=np.float64, seed=0):
    return np.random.default_rng(seed).random((N, C, H, W)).astype(dtype)


def dot(i, j, H=9, W=9):
    """A picture of one pixel."""
    x = np.zeros((1, 1, H, W))
    x[0, 0, i, j] = 1
    return x


# ---- looking elsewhere


def value_at(picture, i, j):
    """Between the four pixels around, by the definition; outside is 0."""
    total = 0.0
    for row in (math.floor(i), math.floor(i) + 1):
        for column in (math.floor(j), math.floor(j) + 1):
            share = (1 - abs(i - row)) * (1 - abs(j - column))
            if 0 <= row < picture.shape[0] and 0 <= column < picture.shape[1]:
                total += share * picture[row, column]
    return total


@given(st.integers(0, 2**32 - 1), st.sampled_from([0.3, 2.0, 30.0]))
def test_each_place_gets_what_is_where_it_looks(seed, far):
    rng = np.random.default_rng(seed)
    x = pictures(2, 4, 5)
    rows, columns = (far * rng.standard_normal((2, 4, 5)).astype(np.float32) for _ in range(2))
    y = warped(x, rows, columns)
    for n, c, i, j in np.ndindex(y.shape):
        expected = value_at(x[n, c], i + float(rows[n, i, j]), j + float(columns[n, i, j]))
        assert y[n, c, i, j] == pytest.approx(expected, abs=2e-5)


@given(st.integers(-9, 9), st.integers(-9, 9))
def test_a_shift_is_a_slice(down, right):
    x = pictures()
    expected = np.zeros_like(x)
    H, W = x.shape[2:]
    if abs(down) < H and abs(right) < W:
        here = (..., slice(max(down, 0), H + min(down, 0)), slice(max(right, 0), W + min(right, 0)))
        there = (..., slice(max(-down, 0), H - max(down, 0)), slice(max(-right, 0), W - max(right, 0)))
        expected[here] = x[there]
    np.testing.assert_array_equal(shifted(x, down, right), expected)
    each = shifted(x, np.array([down, 0, 0]), np.array([right, 0, 1]))
    np.testing.assert_array_equal(each[0], expected[0])
    np.testing.assert_array_equal(each[1], x[1])
    np.testing.assert_array_equal(each[2, :, :, 1:], x[2, :, :, :-1])


def test_the_picture_that_was_given_stays_as_it_is():
    x = pictures()
    before = x.copy()
    Distortion(2, 20, 0.2, 1.0)(x, np.random.default_rng(0))
    shifted(x, 1, 1)
    assert np.array_equal(x, before)


# ---- by chance


def test_a_distortion_of_nothing_changes_nothing():
    x = pictures(dtype=np.float32)
    np.testing.assert_allclose(Distortion()(x, np.random.default_rng(0)), x, atol=1e-6)


def displacements(**settings):
    return Distortion(**settings).displacements(4000, 5, 7, np.random.default_rng(0))


def test_shifts_are_the_same_for_a_whole_picture_and_at_most_as_large_as_said():
    for part in displacements(shift=2):
        assert np.ptp(part, axis=(1, 2)).max() < 1e-6
        assert 1.9 < np.abs(part).max() <= 2 and abs(part.mean()) < 0.1


def test_turning_keeps_the_middle_and_the_distance_to_it():
    rows, columns = displacements(angle=30)
    i, j = np.arange(5)[:, None] - 2 + rows, np.arange(7) - 3 + columns
    here = np.hypot(np.arange(5)[:, None] - 2, np.arange(7) - 3)
    np.testing.assert_allclose(np.hypot(i, j), np.broadcast_to(here, i.shape), atol=1e-5)
    angles = np.degrees(np.arctan2(i[:, 2, 6], j[:, 2, 6]))
    assert 29 < np.abs(angles).max() <= 30.001


def test_stretching_moves_the_corners_by_the_share_that_was_said():
    rows, columns = displacements(scale=0.25)
    assert np.abs(rows[:, 2]).max() < 1e-6 and np.abs(columns[:, :, 3]).max() < 1e-6
    assert 0.49 < np.abs(rows[:, 0]).max() <= 0.5 + 1e-6
    assert 0.74 < np.abs(columns[:, :, 0]).max() <= 0.75 + 1e-6


def test_bends_are_as_far_as_was_said_everywhere_and_neighbours_move_together():
    for part in displacements(elastic=1.5, smooth=2.0):
        np.testing.assert_allclose(part.std(axis=0), 1.5, rtol=0.06)
        neighbours = np.corrcoef(part[:, 2, 3], part[:, 2, 4])[0, 1]
        assert 0.9 < neighbours < 0.99
    np.testing.assert_allclose((bell(28, 4.0) ** 2).sum(axis=1), 1, rtol=1e-5)


def test_a_turn_of_a_dot_goes_where_it_should():
    by_chance = SimpleNamespace(
        uniform=lambda low, high, size: np.concatenate([np.zeros((2, 1, 1, 1)), np.ones((3, 1, 1, 1))]),
        standard_normal=lambda size, dtype: np.zeros(size, dtype),
    )
    y = warped(dot(4, 7), *Distortion(angle=90).displacements(1, 9, 9, by_chance))
    assert np.argwhere(y[0, 0] > 0.99).tolist() == [[7, 4]]  # from the right of the middle to below it


def test_the_same_generator_gives_the_same_pictures_and_another_gives_others():
    x, change = pictures(), Distortion(2, 10, 0.1, 1.0)
    one, two, three = (change(x, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(one, two) and not np.array_equal(one, three)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_float_type_is_kept(dtype):
    x = pictures(dtype=dtype)
    assert Distortion(1, 5, 0.1, 1.0)(x, np.random.default_rng(0)).dtype == dtype
    assert shifted(x, 1, 2).dtype == dtype


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: Distortion(shift=-1), "shift is -1; it should be at least 0."),
        (lambda: Distortion(elastic=math.inf), "elastic is inf; it should be at least 0."),
        (lambda: Distortion(scale=1), "scale is 1; it should be below 1."),
        (lambda: Distortion(smooth=0), "smooth is 0; it should be a positive number."),
        (
            lambda: Distortion()(np.zeros((3, 28, 28)), np.random.default_rng(0)),
            "x has shape (3, 28, 28); it should be (N, C, H, W), and not empty.",
        ),
        (
            lambda: shifted(pictures(), 0.5, 0),
            "down is 0.5; it should be a whole number, or one for each picture.",
        ),
        (
            lambda: shifted(pictures(), 0, np.arange(2)),
            "it should be a whole number, or one for each picture.",
        ),
    ],
)
def test_bad_input_gets_one_clear_sentence(call, told):
    with pytest.raises(ValueError) as caught:
        call()
    assert str(caught.value).endswith(told)


def test_whole_numbers_are_no_pictures_and_a_seed_is_no_generator():
    with pytest.raises(TypeError, match="x holds int64; it should hold floats"):
        warped(np.zeros((1, 1, 2, 2), dtype=np.int64), 0, 0)
    with pytest.raises(TypeError, match=r"rng is a int; it should be a numpy\.random\.Generator"):
        Distortion()(pictures(), 1)


# ---- batches


def noise(x, rng):
    """Another way to change examples."""
    return x + rng.standard_normal(x.shape)


class Nothing(Layer):
    """A model, for those that ask for one."""

    def __init__(self):
        super().__init__()


def test_each_epoch_has_all_examples_and_changes_them_anew():
    x, t = pictures(7, dtype=np.float32), np.arange(7)
    batches, plain = Augmented(x, t, 3, noise), Shuffled(x, t, 3)
    rng = np.random.default_rng(0)
    epochs = []
    for _ in range(2):
        plain.begin_epoch(Nothing(), np.random.default_rng(rng.bit_generator.state["state"]["state"] % 2**32))
        batches.begin_epoch(Nothing(), rng)
        epoch = [batches[i] for i in range(len(batches))]
        assert sorted(np.concatenate([labels for _, labels in epoch])) == list(range(7))
        again = batches[1][0]
        assert np.array_equal(again, epoch[1][0])  # whoever asks twice gets the same
        changes = [changed - x[labels] for changed, labels in epoch]
        assert np.std(np.concatenate(changes)) == pytest.approx(1, rel=0.2)
        epochs.append({label: row for rows, labels in epoch for row, label in zip(rows, labels)})
    assert not any(np.array_equal(epochs[0][label], epochs[1][label]) for label in range(7))


def test_batches_say_how_they_are_changed():
    x, t = pictures(7, dtype=np.float32), np.arange(7)
    one = Augmented(x, t, 3, Distortion(shift=2)).about()
    assert one == Augmented(x, t, 3, Distortion(shift=2)).about()
    assert one != Augmented(x, t, 3, Distortion(shift=1)).about()
    assert (
        Augmented(x, t, 3, noise).about()["change"] == "noise"
    )  # and no address, which changes from run to run


def test_a_run_with_changed_pictures_goes_on_to_the_same_bits(tmp_path):
    x, t = pictures(12, 28, 28, C=1, dtype=np.float32), np.arange(12) % 10

    def trained(epochs, checkpoint=None, stop=None):
        trainer = Trainer(lenet(np.random.default_rng(0)), SGD(0.1), np.random.default_rng(1))
        batches = Augmented(x, t, 4, Distortion(shift=2, angle=10, elastic=1.0))
        if stop is not None:
            forward, count = trainer.model.forward, [0]

            def forward_and_stop(*batch):
                count[0] += 1
                if count[0] > stop:
                    raise KeyboardInterrupt
                return forward(*batch)

            trainer.model.forward = forward_and_stop
        trainer.fit(batches, epochs, checkpoint, checkpoint_every=1)
        return trainer

    whole = trained(2)
    file = tmp_path / "run.checkpoint.npz"
    with pytest.raises(KeyboardInterrupt):
        trained(2, file, stop=4)
    resumed = trained(2, file)
    assert resumed.history == whole.history
    assert all(map(np.array_equal, resumed.model.params, whole.model.params))


# ---- networks


def test_the_networks_have_as_many_weights_as_they_say():
    counts = [count_parameters(net(np.random.default_rng(0))) for net in (simple_convnet, lenet)]
    assert counts == [433_890, 61_706]


@pytest.mark.parametrize("net", [simple_convnet, lenet, deep_convnet])
def test_a_network_for_digits_learns_a_few_and_its_gradients_are_right(net):
    x, t = pictures(8, 28, 28, C=1), np.arange(8)
    small = {"channels": 4} if net is deep_convnet else {}
    model = net(np.random.default_rng(0), **small, dtype=np.float64)
    assert model.scores(x).shape == (8, 10)
    with evaluating(model):
        first = float(model.forward(x, t))
    optimizer = SGD(0.03)
    for _ in range(15):
        train_step(model, optimizer, x, t)
    with evaluating(model):
        assert float(model.forward(x, t)) < 0.8 * first
        errors = layer_errors(model, x[:2], t[:2], rng=np.random.default_rng(1))
    assert max(errors.values()) < 1e-5, errors


def test_a_network_for_digits_asks_nobody_for_the_gradient_of_a_picture():
    model = simple_convnet(np.random.default_rng(0))
    model.forward(pictures(2, 28, 28, C=1, dtype=np.float32), np.arange(2))
    assert model.backward() is None


def test_one_picture_gets_the_scores_that_it_gets_among_others():
    x = pictures(5, 28, 28, C=1, dtype=np.float32)
    model = deep_convnet(np.random.default_rng(0), channels=4)
    model.scores(x)
    np.testing.assert_allclose(predict(model, x[:1]), predict(model, x)[:1], atol=1e-5)


def test_planes_are_the_rows_as_pictures():
    pixels = np.random.default_rng(0).integers(0, 256, (3, 28, 28)).astype(np.uint8)
    images = Images(pixels, np.arange(3))
    planes = images.planes()
    assert planes.shape == (3, 1, 28, 28) and planes.dtype == np.float32
    np.testing.assert_array_equal(planes.reshape(3, -1), images.rows())


# ---- the long runs


def a_few_digits(n, seed):
    """Bright on the left or on the right."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, n)
    pixels = rng.integers(0, 60, (n, 28, 28))
    for picture, label in zip(pixels, labels):
        picture[:, 14 * label : 14 * label + 14] += 150
    return Images(pixels.astype(np.uint8), labels)


def test_the_long_runs_choose_and_test_and_go_on(monkeypatch, tmp_path):
    parts = {"train": a_few_digits(60, 0), "valid": a_few_digits(20, 1), "test": a_few_digits(30, 2)}
    recorded = {}
    monkeypatch.setattr(convolution, "load_mnist", lambda: SimpleNamespace(**parts))
    monkeypatch.setattr(convolution, "KEPT", tmp_path)
    monkeypatch.setattr(convolution, "BATCH", 20)
    monkeypatch.setitem(convolution.NETS, "deep", lambda rng: deep_convnet(rng, channels=2))
    for settings in convolution.SETTINGS.values():
        monkeypatch.setitem(settings, "passes", 4)
    monkeypatch.setattr(
        convolution, "record_run", lambda _, *keys, result, **rest: recorded.update({keys: result})
    )

    def run(*arguments):
        monkeypatch.setattr("sys.argv", ["convolution", *arguments])
        convolution.main()

    run("choose", "deep")
    assert recorded[("choose", "deep")]["settings"]["images"] == 60
    assert 0 <= recorded[("choose", "deep")]["valid"] <= 1
    run("simple", "deep", "1", "2")
    assert set(recorded) == {("choose", "deep"), *((n, s) for n in ("simple", "deep") for s in "12")}
    result = recorded[("simple", "1")]
    assert result["settings"]["images"] == 80 and len(result["train_loss"]) == 4
    assert result["test"] == pytest.approx(1 - len(result["wrong"]) / 30) and result["test"] > 0.9
    assert len(list(tmp_path.glob("*.checkpoint.npz"))) == 5
    run("simple", "1")  # the checkpoint has its result
    assert recorded[("simple", "1")]["train_loss"] == result["train_loss"]
    for wrong in (["fast", "1"], [], ["simple"], ["choose", "simple", "1"]):
        with pytest.raises(SystemExit):
            run(*wrong)
