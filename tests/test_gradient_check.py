"""The checks find what is wrong, and only that."""

import numpy as np
import pytest

from common.gradient_check import check_gradient, check_layer, layer_errors, numerical_gradient
from common.layers import Affine, Dropout, Embedding, Model, Sigmoid, SoftmaxWithLoss
from common.support.row_gradient import RowGradient

rng = np.random.default_rng(1984)
x = rng.standard_normal((3, 4))


def test_numerical_gradient_of_a_cubic():
    gradient = numerical_gradient(lambda x: (x**3).sum(), x)
    np.testing.assert_allclose(gradient, 3 * x**2, atol=1e-8)


def test_numerical_gradient_puts_everything_back():
    before = x.copy()
    numerical_gradient(lambda x: (x**3).sum(), x)
    assert np.array_equal(x, before)


def test_agreement_is_printed_in_the_same_words_on_every_machine(capsys):
    check_gradient(lambda x: (x**2).sum(), x, 2 * x)
    assert capsys.readouterr().out == "analytic and numerical gradients agree to better than 1e-08\n"


def test_a_row_gradient_can_be_checked(capsys):
    grad = RowGradient(np.array([1]), 2 * x[1:2], x.shape)
    check_gradient(lambda x: (x[1] ** 2).sum(), x, grad)


def test_disagreement_shows_both_gradients():
    with pytest.raises(AssertionError, match="the gradients differ by") as caught:
        check_gradient(lambda x: (x**2).sum(), x, 2.001 * x)
    assert "analytic:" in str(caught.value) and "numerical:" in str(caught.value)
    assert f"{2.001 * x[0, 0]:.4g}" in str(caught.value) and f"{2 * x[0, 0]:.4f}" in str(caught.value)


def test_nan_is_a_disagreement():
    with pytest.raises(AssertionError):
        check_gradient(lambda x: (x**2).sum(), x, np.full_like(x, np.nan))


def test_a_gradient_of_another_shape_is_a_disagreement():
    with pytest.raises(AssertionError, match=r"grad has shape \(4,\); it should be that of x, \(3, 4\)"):
        check_gradient(lambda x: (x**2).sum(), x, 2 * x[0])


@pytest.mark.parametrize("wrong", [x.astype(np.float32), np.arange(3), 1.0])
def test_other_types_than_float64_are_refused(wrong):
    with pytest.raises(TypeError, match="it should be float64, because rounding would hide mistakes"):
        numerical_gradient(lambda x: (x**2).sum(), wrong)


def test_layers_in_float32_are_refused():
    layer = Affine(np.ones((4, 3), np.float32), np.ones(3, np.float32))
    with pytest.raises(TypeError, match="input 0 is float32; it should be float64"):
        check_layer(layer, x.astype(np.float32), rng=rng)


def test_a_right_layer_passes(capsys):
    check_layer(Affine(rng.standard_normal((4, 3)), rng.standard_normal(3)), x, rng=rng)
    assert capsys.readouterr().out == "all 3 gradients of Affine agree to better than 1e-07\n"


def test_a_random_layer_repeats_its_draws_while_it_is_checked(capsys):
    check_layer(Dropout(0.5, np.random.default_rng(0)), x, rng=rng)


class SlightlyWrong(Affine):
    """One number of one gradient is off by a thousandth."""

    def backward(self, dout):
        dx = super().backward(dout)
        self.grads[1] = self.grads[1].copy()
        self.grads[1][0] *= 1.001
        return dx


def test_one_wrong_number_is_found_and_its_array_named():
    layer = SlightlyWrong(rng.standard_normal((4, 3)), rng.standard_normal(3))
    errors = layer_errors(layer, x, rng=rng)
    assert errors["b"] > 1e-6 and errors["W"] < 1e-8 and errors["input 0"] < 1e-8
    with pytest.raises(AssertionError, match=r"SlightlyWrong\(D=4, H=3\) differ by more than 1e-07 .*b: "):
        check_layer(layer, x, rng=rng)


class Forgetful(Sigmoid):
    """Returns no gradient that depends on dout's later axes."""

    def backward(self, dout):
        return super().backward(dout) * 0


def test_a_gradient_that_is_zero_everywhere_is_found():
    assert layer_errors(Forgetful(), x, rng=rng)["input 0"] > 0.01


def test_the_cost_does_not_grow_with_the_size():
    calls = []

    class Counting(Affine):
        def forward(self, x):
            calls.append(len(x.T))
            return super().forward(x)

    for size in (2, 200):
        layer = Counting(rng.standard_normal((size, size)), rng.standard_normal(size))
        layer_errors(layer, rng.standard_normal((3, size)), rng=rng)
    assert calls.count(2) == calls.count(200) < 10


def test_a_model_with_words_in_and_a_loss_at_its_end(capsys):
    class Classifier(Model):
        def __init__(self):
            self.embedding = Embedding(rng.standard_normal((6, 4)))
            self.out, self.loss = (
                Affine(rng.standard_normal((4, 3)), rng.standard_normal(3)),
                SoftmaxWithLoss(),
            )

        def forward(self, ids, t):
            return self.loss.forward(self.out.forward(self.embedding.forward(ids)), t)

        def backward(self, dout=1):
            return self.embedding.backward(self.out.backward(self.loss.backward(dout)))

    check_layer(Classifier(), np.array([0, 5, 5]), np.array([0, 2, 1]), rng=rng)
    assert capsys.readouterr().out.startswith("all 3 gradients of Classifier agree")
