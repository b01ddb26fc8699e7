"""Is the gradient right? Nudge a number by a hair, watch the result, and compare.

The two-sided difference ``(f(x + h) - f(x - h)) / 2h`` misses the derivative by about ``h²``, and rounding
adds about ``1e-16 / h``: with ``h = 1e-5`` both are near ``1e-10`` in float64. In float32 rounding is a
billion times larger and would hide most mistakes, so these checks refuse it.

``check_gradient`` nudges each number of one array in turn. ``check_layer`` nudges all numbers of an array at
once, along one random direction, so its cost does not grow with the size of the layer: a wrong gradient has
no reason to be right along a direction that it did not know.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from common.backend import Array, to_numpy, xp
from common.layers.base import Layer, find_generators, unique_parameters
from common.support.row_gradient import RowGradient

NUDGE = 1e-5
"""How far a number is nudged."""


def numerical_gradient(f: Callable[[Array], float], x: Array) -> Array:
    """The gradient of ``f`` at ``x``, by nudging each number of ``x`` up and down: ``2 * x.size`` calls of
    ``f``.

    Parameters
    ----------
    f : function
        Takes ``x``, returns one number.
    x : array of float64
        Nudged in place and put back, so ``f`` may also be a function that reads ``x`` from elsewhere.
    """
    _require_float64("x", x)
    gradient = xp.zeros_like(x)
    for i in np.ndindex(x.shape):
        value = x[i].copy()
        x[i] = value + NUDGE
        above = float(f(x))
        x[i] = value - NUDGE
        below = float(f(x))
        x[i] = value
        gradient[i] = (above - below) / (2 * NUDGE)
    return gradient


def check_gradient(f: Callable[[Array], float], x: Array, grad: Array, tolerance: float = 1e-8) -> None:
    """Compare ``grad`` with the numerical gradient of ``f`` at ``x``, and print that they agree.

    The difference is measured relative to the largest number of the two gradients (or to 1, if that is
    larger).

    Raises
    ------
    AssertionError
        They do not agree; the message shows both.
    """
    numerical = to_numpy(numerical_gradient(f, x))
    analytic = to_numpy(grad.dense() if isinstance(grad, RowGradient) else grad)
    if analytic.shape != numerical.shape:
        raise AssertionError(f"grad has shape {analytic.shape}; it should be that of x, {numerical.shape}.")
    size = max(1.0, np.abs(analytic).max(initial=0), np.abs(numerical).max(initial=0))
    error = np.abs(analytic - numerical).max(initial=0) / size
    if not error < tolerance:
        with np.printoptions(precision=4, suppress=True):
            raise AssertionError(
                f"the gradients differ by {error:.2g}, more than {tolerance:.0e}.\n"
                f"analytic:\n{analytic}\nnumerical:\n{numerical}"
            )
    print(f"analytic and numerical gradients agree to better than {tolerance:.0e}")


def layer_errors(layer: Layer, *inputs: Array | None, rng: np.random.Generator) -> dict[str, float]:
    """How far each gradient of a layer is from the numerical one, along one random direction.

    Parameters
    ----------
    layer : Layer or Model
        Its weights, and its inputs if they are floats, must be float64. Random layers repeat their draws.
    *inputs : arrays
        What ``forward`` takes. ``backward`` returns the gradients of the float ones, in order (or only of the
        first).
    rng : numpy.random.Generator

    Returns
    -------
    dict
        One entry for each weight (``"W"``) and each input that has a gradient (``"input 0"``). Each is the
        difference of the slopes along a direction of length 1, divided by the length of the gradient.
    """
    generators = find_generators(layer)
    states = [generator.bit_generator.state for generator in generators]

    def forward() -> tuple[Array, ...]:
        for generator, state in zip(generators, states):
            generator.bit_generator.state = state
        outputs = layer.forward(*inputs)
        return outputs if isinstance(outputs, tuple) else (outputs,)

    # Any weighted sum of the outputs is a loss; the weights are then its gradient by the outputs.
    outputs = forward()
    weights = [xp.asarray(rng.standard_normal(out.shape)) for out in outputs]

    def loss() -> float:
        return math.fsum(float((w * out).sum()) for w, out in zip(weights, forward()))

    douts = [w if w.ndim else float(w) for w in weights]
    returned = layer.backward(*douts)
    returned = returned if isinstance(returned, tuple) else (returned,)
    floats = [(f"input {i}", x) for i, x in enumerate(inputs) if x is not None and x.dtype.kind == "f"]
    pairs = [(name, x, dx) for (name, x), dx in zip(floats, returned) if dx is not None]
    first_names = {id(param): name for name, param in reversed(list(layer.named_params()))}
    pairs += [(first_names[id(param)], param, grad) for param, grad in zip(*unique_parameters(layer))]

    errors = {}
    for name, array, grad in pairs:
        _require_float64(name, array)
        grad = grad.dense() if isinstance(grad, RowGradient) else grad
        direction = xp.asarray(rng.standard_normal(array.shape))
        direction /= max(float(xp.sqrt((direction**2).sum())), 1e-300)
        kept = array.copy()
        array[...] = kept + NUDGE * direction
        above = loss()
        array[...] = kept - NUDGE * direction
        below = loss()
        array[...] = kept
        slope = float((grad * direction).sum())
        length = float(xp.sqrt((grad**2).sum()))
        errors[name] = abs(slope - (above - below) / (2 * NUDGE)) / max(length, 1e-3)
    return errors


def check_layer(
    layer: Layer, *inputs: Array | None, rng: np.random.Generator, tolerance: float = 1e-7
) -> None:
    """Compare all gradients of a layer with numerical ones (see ``layer_errors``), and print that they agree.

    Raises
    ------
    AssertionError
        They do not agree; the message shows the error of each.
    """
    errors = layer_errors(layer, *inputs, rng=rng)
    if not all(error < tolerance for error in errors.values()):
        shown = ", ".join(f"{name}: {error:.2g}" for name, error in errors.items())
        raise AssertionError(f"gradients of {layer!r} differ by more than {tolerance:.0e} ({shown}).")
    print(f"all {len(errors)} gradients of {type(layer).__name__} agree to better than {tolerance:.0e}")


def _require_float64(name: str, x: Array) -> None:
    if getattr(x, "dtype", None) != np.float64:
        kind = getattr(x, "dtype", type(x).__name__)
        raise TypeError(f"{name} is {kind}; it should be float64, because rounding would hide mistakes.")
