"""The runs of chapter 8: what they change in attention is what they say."""

import numpy as np
import pytest

from common.gradient_check import check_layer
from common.models.attention import attentive
from common.models.decoding import accuracy
from runs import attention


def test_a_softmax_over_the_queries_has_right_gradients_and_columns_that_add_up_to_one():
    rng = np.random.default_rng(0)
    queries, hs = rng.standard_normal((2, 3, 4)), rng.standard_normal((2, 5, 4))
    layer = attention.OverQueries()
    check_layer(layer, queries, hs, rng=rng)
    assert np.allclose(layer.weights.sum(axis=1), 1)
    seen = np.array([[True, True, False, False, False], [True] * 5])
    layer.forward(queries, hs, seen)
    assert not layer.weights[0, :, 2:].any()


def test_without_a_mask_padding_is_looked_at():
    rng = np.random.default_rng(0)
    queries, hs = rng.standard_normal((1, 3, 4)), rng.standard_normal((1, 5, 4))
    layer = attention.WithoutMask()
    layer.forward(queries, hs, np.array([[True, True, False, False, False]]))
    assert layer.weights.all()


def test_alone_asks_every_question_without_padding():
    task = attention.Task.split(attention.cloakroom(np.random.default_rng(0), 40, 1, 3), 10, 10)
    model = attentive(len(task.characters), 4, 8, np.random.default_rng(1))
    questions, answers = task.arrays(task.test)
    assert attention.alone(model, task) == pytest.approx(accuracy(model, questions, answers))


def test_a_run_that_does_not_exist_is_refused():
    with pytest.raises(SystemExit, match="cloakroom/MODEL/H/EPOCHS"):
        attention.measure("cloakroom/plain/many/8", 1)
