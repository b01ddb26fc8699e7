"""Search for settings, the range test's schedule, and classifiers: what chapter 11 added."""

import math
import sys
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.datasets.images import Images, Split
from common.gradient_check import check_layer
from common.layers import BatchNorm, Dropout, Make, ReLU
from common.models.classifiers import Classifier, logistic_regression, predict, share_right
from common.schedules import geometric
from common.search import log_uniform, search, successive_halving
from runs import training as training_run
from tests.helpers import bad_input


class AtOnce:
    """An executor that waits for nobody: it notes what it was given."""

    def __init__(self):
        self.given = []

    def submit(self, function, *arguments):
        self.given.append(arguments)
        promised = ThreadPoolExecutor(1)
        try:
            return promised.submit(function, *arguments)
        finally:
            promised.shutdown()


def square(setting, plus=0):
    return setting["a"] ** 2 + plus


@pytest.mark.parametrize("executor", [ThreadPoolExecutor, ProcessPoolExecutor])
def test_results_come_in_the_order_of_the_settings_from_threads_and_from_processes(executor):
    with executor(2) as workers:
        assert search(square, [{"a": a} for a in (3, 1, 2)], workers, 10) == [19, 11, 14]


def test_a_task_that_fails_is_heard_of():
    with ThreadPoolExecutor(1) as workers, pytest.raises(KeyError, match="a"):
        search(square, [{"a": 1}, {}], workers)


def test_halving_gives_the_better_third_three_times_the_budget():
    settings = [{"a": a} for a in range(9)]
    executor = AtOnce()
    rounds = successive_halving(lambda setting, budget: setting["a"] * budget, settings, executor, 2, 3)
    assert [(budget, [s["a"] for s in kept]) for budget, kept, _ in rounds] == [
        (2, [8, 7, 6, 5, 4, 3, 2, 1, 0]),
        (6, [8, 7, 6]),
        (18, [8]),
    ]
    assert rounds[1][2] == [48, 42, 36]
    assert [budget for _, budget in executor.given] == [2] * 9 + [6] * 3 + [18]


@given(st.integers(1, 40), st.integers(2, 5))
def test_halving_ends_with_one_setting(number, keep):
    rounds = successive_halving(
        lambda s, budget: s["a"], [{"a": a} for a in range(number)], AtOnce(), 1, keep, 9
    )
    sizes = [len(kept) for _, kept, _ in rounds]
    assert sizes[0] == number and sizes[-1] == 1
    assert rounds[-1][1][0]["a"] == number - 1
    assert all(after == max(1, before // keep) for before, after in zip(sizes, sizes[1:]))


def test_halving_ends_after_so_many_rounds():
    settings = [{"a": a} for a in range(9)]
    rounds = successive_halving(lambda s, budget: s["a"], settings, AtOnce(), 1, 3, rounds=2)
    assert [len(kept) for _, kept, _ in rounds] == [9, 3]


def test_what_is_not_a_number_comes_last():
    results = {0: 1.0, 1: math.nan, 2: 2.0}
    rounds = successive_halving(lambda s, b: results[s["a"]], [{"a": a} for a in range(3)], AtOnce(), keep=2)
    assert [s["a"] for s in rounds[0][1]] == [2, 0, 1]


@pytest.mark.parametrize(
    "arguments, told",
    [
        (([{"a": 1}], AtOnce(), 0, 2), "budget is 0; it should be"),
        (([{"a": 1}], AtOnce(), 1, 1), "keep is 1; it should be 2 or more: one of so many goes on."),
        (([], AtOnce(), 1, 2), "settings is empty; it should hold at least one."),
    ],
)
def test_halving_refuses_what_makes_no_sense(arguments, told):
    with pytest.raises(ValueError) as raised:
        successive_halving(square, *arguments)
    assert str(raised.value).startswith(told)


@given(st.integers(0, 1000))
def test_log_uniform_stays_between(seed):
    assert 1e-4 <= log_uniform(np.random.default_rng(seed), 1e-4, 10) <= 10


def test_log_uniform_has_as_many_in_each_decade():
    rng = np.random.default_rng(0)
    draws = np.log10([log_uniform(rng, 1e-3, 10) for _ in range(4000)])
    shares = np.histogram(draws, bins=[-3, -2, -1, 0, 1])[0] / 4000
    assert np.abs(shares - 0.25).max() < 0.03
    with pytest.raises(ValueError, match="low is 0 and high is 1; low should be positive"):
        log_uniform(rng, 0, 1)


def test_a_geometric_schedule_multiplies():
    rate = geometric(1e-3, 10, 5)
    assert np.allclose([rate(step) for step in range(6)], [1e-3, 1e-2, 1e-1, 1, 10, 10])
    with pytest.raises(ValueError, match="steps is 1; it should be at least 2"):
        geometric(1, 2, 1)


def classifier(dtype=np.float32, *layers):
    make = Make(np.random.default_rng(0), dtype)
    return Classifier(make.affine(4, 6), *layers, ReLU(), make.affine(6, 3))


def test_the_gradients_of_a_classifier_are_right():
    rng = np.random.default_rng(1)
    x, t = rng.standard_normal((5, 4)), np.array([0, 2, 1, 1, 0])
    check_layer(classifier(np.float64), x, t, rng=rng)


def test_prediction_drops_nothing_and_does_not_depend_on_the_batch():
    rng = np.random.default_rng(2)
    norm = BatchNorm(np.ones(6, np.float32), np.zeros(6, np.float32))
    model = classifier(np.float32, norm, Dropout(0.5, rng))
    x = rng.standard_normal((7, 4)).astype(np.float32)
    model.forward(x, np.zeros(7, int))
    mean = norm.running_mean.copy()
    assert np.allclose(predict(model, x, 1), predict(model, x), atol=1e-6)
    assert np.array_equal(norm.running_mean, mean) and model.training
    winners = predict(model, x).argmax(axis=1)
    assert share_right(model, x, winners) == 1
    winners[0] = (winners[0] + 1) % 3
    assert share_right(model, x, winners) == pytest.approx(6 / 7)


def test_the_long_run_tests_what_was_best_of_the_settings(monkeypatch, tmp_path):
    rng = np.random.default_rng(3)
    images = Images(rng.integers(256, size=(60, 28, 28), dtype=np.uint8), rng.integers(10, size=60))
    records = {}

    def record(name, *keys, result, **about):
        records.setdefault(keys[0], {})[keys[1]] = result

    monkeypatch.setattr(training_run, "load_mnist", lambda: Split(images[:40], images[40:50], images[50:]))
    monkeypatch.setattr(training_run, "PASSES", {"choose": 2, "test": 2})
    monkeypatch.setattr(training_run, "SEEDS", (1, 2))
    monkeypatch.setattr(training_run, "H", 8)
    monkeypatch.setattr(training_run, "BATCH", 20)
    monkeypatch.setattr(training_run, "KEPT", tmp_path)
    monkeypatch.setattr(training_run, "record_run", record)
    monkeypatch.setattr(training_run, "recorded", lambda name: {"runs": records})
    monkeypatch.setattr(sys, "argv", ["training", "choose", "test"])
    training_run.main()
    assert set(records["choose"]) == set(training_run.SETTINGS) and set(records["test"]) == {"1", "2"}
    best = max(run["right"] for run in records["choose"].values())
    assert records["choose"][records["test"]["1"]["name"]]["right"] == best
    assert records["choose"]["plain"]["settings"]["images"] == 40
    assert records["test"]["2"]["settings"]["images"] == 50  # those to choose by are trained on then
    monkeypatch.setattr(sys, "argv", ["training", "tests"])
    with pytest.raises(SystemExit, match=r"part is tests; it should be one of choose, test\."):
        training_run.main()


# ---- the linear classifier that has no settings of its own


def two_clouds(N=300, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((N, 3))
    return x, (x @ [2.0, -1, 0] + 0.5 + rng.logistic(size=N) > 0).astype(int)


def logistic_gradient(x, t, w, b, penalty):
    p = 1 / (1 + np.exp(-(x @ w + b)))
    return np.append(x.T @ (p - t) + penalty * w, (p - t).sum())


@pytest.mark.parametrize("penalty", [0.01, 1.0, 100.0])
def test_the_weights_of_logistic_regression_are_where_the_gradient_is_zero(penalty):
    x, t = two_clouds()
    w, b = logistic_regression(x, t, penalty)
    assert np.abs(logistic_gradient(x, t, w, b, penalty)).max() < 1e-4
    assert ((x @ w + b > 0) == t).mean() > 0.75


def test_logistic_regression_of_classes_that_a_line_separates_stays_finite():
    x = np.linspace(-1000, 1000, 40).reshape(-1, 1)
    t = (x[:, 0] > 100).astype(int)
    w, b = logistic_regression(x, t, penalty=1e-6)
    assert ((x @ w + b > 0) == t).all() and np.isfinite(w).all()
    w, b = logistic_regression(np.ones((5, 2)), np.array([0, 1, 1, 1, 1]))
    np.testing.assert_allclose([*w, b], [0, 0, np.log(4)], atol=1e-4)


test_bad_input_of_logistic_regression = bad_input(
    {
        "one class": (
            lambda: logistic_regression(np.ones((3, 2)), np.ones(3)),
            "t has shape .*, with 0 for some",
        ),
        "labels": (
            lambda: logistic_regression(np.ones((3, 2)), np.array([0, 1, 2])),
            "with 0 for some and 1 for",
        ),
        "shapes": (lambda: logistic_regression(np.ones((3, 2)), np.array([0, 1])), r"t has shape \(2,\)"),
        "NaN": (
            lambda: logistic_regression(np.full((2, 2), np.nan), np.array([0, 1])),
            "x holds NaN or infinity",
        ),
        "penalty": (
            lambda: logistic_regression(*two_clouds(), penalty=0),
            "penalty is 0; it should be a positive",
        ),
    }
)
