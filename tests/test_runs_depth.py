"""The run of chapter 16 about depth: what it measures is what it says."""

import numpy as np
import pytest

from common.datasets import Task, dates
from runs import depth


@pytest.fixture
def task(monkeypatch):
    few = Task.split(dates(np.random.default_rng(0), 170), 35, 35)
    monkeypatch.setattr(depth, "make_task", lambda: few)
    monkeypatch.setattr(depth, "BATCH_SIZE", 2)
    monkeypatch.setattr(depth, "EPOCHS", 1)
    return few


def test_first_gradients_are_those_of_the_loss_by_each_wh(task):
    model = depth.build(task, "residual", 2, 1)
    found = depth.first_gradients(model, task)
    data = task.arrays(task.train)
    for side in ("encoder", "decoder"):
        for size, layer in zip(found[side], getattr(model, side).stack.layers):
            W, loss = layer.params[1], float(model.forward(*data))
            step = 1e-2 * layer.grads[1] / np.linalg.norm(layer.grads[1])
            W -= step  # downhill: the loss falls by the size of the gradient, for each unit of the way
            assert (loss - float(model.forward(*data))) / 1e-2 == pytest.approx(size, rel=0.1)
            W += step


def test_a_run_searches_its_rate_and_then_trains_other_seeds(task, monkeypatch):
    trained = []
    train = depth.train

    def watched(model, task, rate, seed):
        trained.append((seed, rate))
        return train(model, task, rate, seed)

    monkeypatch.setattr(depth, "train", watched)
    result = depth.measure("plain-1")
    searched = [(depth.CHOOSING, rate) for rate in depth.RATES]
    assert trained[: len(searched)] == searched
    assert str(result["rate"]) == min(result["tried"], key=result["tried"].get)
    assert trained[len(searched) :] == [(seed, result["rate"]) for seed in depth.SEEDS]
    assert [len(one["losses"]) for one in result["seeds"]] == [2] * 3


@pytest.mark.parametrize("name", ["deep-4", "plain", "residual-x", "plain-0"])
def test_a_run_that_does_not_exist_is_refused(name):
    with pytest.raises(SystemExit, match="it should be KIND-DEPTH"):
        depth.measure(name)
