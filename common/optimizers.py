"""How weights move: seven rules that turn a gradient into a step downhill.

Each rule is written once, number by number, on a weight, its gradient and what the rule remembers of the
past. ``Optimizer`` applies it in place to whole arrays, or, when the gradient is a ``RowGradient``, to the
touched rows alone.

All have one form, ``W -= lr * direction / size``, number by number. They differ in what they take for both:

========  ========================================  ====================================
rule      direction                                 size
========  ========================================  ====================================
SGD       ``g``                                     1
Momentum  ``m = momentum * m + g``                  1
Nesterov  ``momentum * m + g``, with the new ``m``  1
AdaGrad   ``g``                                     root of the sum of ``g²`` so far
RMSprop   ``g``                                     root of the running mean of ``g²``
Adam      the running mean of ``g``                 root of the running mean of ``g²``
========  ========================================  ====================================

Momentum and Nesterov keep ``v = -lr * m``, so that a new ``lr`` bears on the gradients to come and not on
those that are in ``m`` already. The running means begin at 0; Adam makes up for that. AdamW takes Adam's
step from a weight that has just shrunk a little. ``epsilon`` is added to each root, so that it is not 0.

**Rows that a batch did not touch do not move.** For SGD and AdaGrad that is exactly what the full gradient,
zeros included, would do. For the others it is a choice: with the full gradient, momentum would carry a row
onwards and the averages of RMSprop and Adam would fade in steps in which its word did not occur. Here such a
row, and what is remembered about it, waits until the word comes again. (Adam's count of steps goes on for
all.)
"""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real
from typing import Any

from common.backend import Array, xp
from common.support.parallel import by_rows
from common.support.require import require_positive, require_shares
from common.support.row_gradient import RowGradient


class Optimizer:
    """Base of all optimizers: a subclass gives ``rule``, and ``slots``, the names of what it remembers.

    What is remembered belongs to a place in the list ``params``: call ``update`` with the same arrays in the
    same order each time (``unique_parameters(model)`` gives them, each shared weight once).

    Parameters
    ----------
    lr : float
        Learning rate, the length of a step. It may be changed between updates.
    """

    slots: tuple[str, ...] = ()

    def __init__(self, lr: float) -> None:
        require_positive("lr", lr)
        self.lr = lr
        self.steps = 0
        self.state: list[list[Array]] = []

    def update(self, params: Sequence[Array], grads: Sequence[Array | RowGradient]) -> None:
        """Move ``params`` one step, in place.

        Raises
        ------
        ValueError, TypeError
            A gradient whose shape or float type is not that of its weights, or another list of weights than
            before. Nothing has moved then.
        """
        self._require_match(params, grads)
        if not self.state:
            self.state = [[xp.zeros_like(param) for _ in self.slots] for param in params]
        self.steps += 1
        for param, grad, memory in zip(params, grads, self.state):
            if isinstance(grad, RowGradient):
                self._update_rows(param, grad, memory)
            else:
                self._update_all(param, grad, memory)

    def rule(self, param: Array, grad: Array, *memory: Any) -> None:
        """Change ``param`` and ``memory`` in place, each number by itself."""
        raise NotImplementedError

    def _update_all(self, param: Array, grad: Array, memory: list[Array]) -> None:
        arrays = [array[None] if param.ndim == 0 else array for array in (param, grad, *memory)]
        by_rows(lambda rows: self.rule(*(array[rows] for array in arrays)), arrays[0])

    def _update_rows(self, param: Array, grad: RowGradient, memory: list[Array]) -> None:
        arrays = [param, *memory]
        rows = [array[grad.rows] for array in arrays]  # copies, (U, D) each
        self.rule(rows[0], grad.values, *rows[1:])
        for array, changed in zip(arrays, rows):
            array[grad.rows] = changed

    def _require_match(self, params: Sequence[Array], grads: Sequence[Array | RowGradient]) -> None:
        if len(params) != len(grads):
            raise ValueError(f"grads has {len(grads)} entries; it should have {len(params)}, as params has.")
        if self.state and len(self.state) != len(params):
            raise ValueError(
                f"params has {len(params)} arrays; it should have {len(self.state)}, as in earlier updates: "
                "use one optimizer for each model."
            )
        for i, (param, grad) in enumerate(zip(params, grads)):
            dtype = grad.values.dtype if isinstance(grad, RowGradient) else grad.dtype
            if param.shape != grad.shape:
                raise ValueError(f"grads[{i}] has shape {grad.shape}; it should be {param.shape}.")
            if param.dtype != dtype:
                raise TypeError(f"grads[{i}] is {dtype}; it should be {param.dtype}, as its param is.")
            if self.state and self.slots and self.state[i][0].shape != param.shape:
                raise ValueError(
                    f"params[{i}] has shape {param.shape}; it should be {self.state[i][0].shape}, as in "
                    "earlier updates: use one optimizer for each model."
                )

    def settings(self) -> dict[str, Real]:
        """The numbers that the rule works with, ``lr`` first: what ``repr`` shows."""
        numbers = {name: value for name, value in vars(self).items() if isinstance(value, Real)}
        return {name: value for name, value in numbers.items() if name != "steps"}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}={v}' for k, v in self.settings().items())})"


class SGD(Optimizer):
    """Stochastic gradient descent: ``W -= lr * g`` [Robbins1951]_."""

    def __init__(self, lr: float = 0.01) -> None:
        super().__init__(lr)

    def rule(self, param: Array, grad: Array) -> None:
        param -= float(self.lr) * grad


class Momentum(Optimizer):
    """A ball with friction [Polyak1964]_: ``v = momentum * v - lr * g``, then ``W += v``."""

    slots = ("v",)
    momentum: float

    def __init__(self, lr: float = 0.01, momentum: float = 0.9) -> None:
        super().__init__(lr)
        require_shares(momentum=momentum)
        self.momentum = momentum

    def rule(self, param: Array, grad: Array, v: Array) -> None:
        v *= self.momentum
        v -= float(self.lr) * grad
        param += v


class Nesterov(Optimizer):
    """Momentum that looks ahead [Nesterov1983]_, in the form of [Sutskever2013]_.

    Nesterov takes the gradient not at ``W`` but where the ball is about to be, at ``W + momentum * v``. The
    array that the network sees here *is* that look-ahead point, so no second forward pass is needed. With the
    velocity ``v = momentum * v - lr * g`` just updated, the look-ahead point moves by
    ``momentum * v - lr * g``. (Written with the velocity *before* its update that is
    ``momentum² * v_old - (1 + momentum) * lr * g``. A well-known slip puts the new velocity there.)
    """

    slots = ("v",)
    momentum: float

    def __init__(self, lr: float = 0.01, momentum: float = 0.9) -> None:
        super().__init__(lr)
        require_shares(momentum=momentum)
        self.momentum = momentum

    def rule(self, param: Array, grad: Array, v: Array) -> None:
        step = float(self.lr) * grad
        v *= self.momentum
        v -= step
        param += self.momentum * v
        param -= step


class AdaGrad(Optimizer):
    """``h += g²``, then ``W -= lr * g / sqrt(h)`` [Duchi2011]_.

    A weight that has moved a lot moves ever less, so rare words keep taking long steps.
    """

    slots = ("h",)
    epsilon: float

    def __init__(self, lr: float = 0.01, epsilon: float = 1e-10) -> None:
        super().__init__(lr)
        require_shares(epsilon=epsilon)
        self.epsilon = epsilon

    def rule(self, param: Array, grad: Array, h: Array) -> None:
        h += grad * grad
        param -= float(self.lr) * grad / root(h, self.epsilon)


class RMSprop(Optimizer):
    """AdaGrad that forgets [Tieleman2012]_: ``h = decay * h + (1 - decay) * g²``."""

    slots = ("h",)
    decay: float
    epsilon: float

    def __init__(self, lr: float = 0.01, decay: float = 0.99, epsilon: float = 1e-8) -> None:
        super().__init__(lr)
        require_shares(decay=decay, epsilon=epsilon)
        self.decay, self.epsilon = decay, epsilon

    def rule(self, param: Array, grad: Array, h: Array) -> None:
        h *= self.decay
        h += (1 - self.decay) * grad * grad
        param -= float(self.lr) * grad / root(h, self.epsilon)


class Adam(Optimizer):
    """Momentum and RMSprop together [Kingma2015]_.

    ``m`` averages the gradient and ``v`` its square. Both begin at zero, and are therefore too small at
    first, by ``1 - beta1**steps`` and ``1 - beta2**steps``: dividing by those makes up for it, and
    ``W -= lr * m / (sqrt(v) + epsilon)``.
    """

    slots = ("m", "v")
    beta1: float
    beta2: float
    epsilon: float

    def __init__(
        self, lr: float = 0.001, beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8
    ) -> None:
        super().__init__(lr)
        require_shares(beta1=beta1, beta2=beta2, epsilon=epsilon)
        self.beta1, self.beta2, self.epsilon = beta1, beta2, epsilon

    def rule(self, param: Array, grad: Array, m: Array, v: Array) -> None:
        m += (1 - self.beta1) * (grad - m)
        v += (1 - self.beta2) * (grad * grad - v)
        rate = float(self.lr) / (1 - self.beta1**self.steps)
        param -= rate * m / root(v / (1 - self.beta2**self.steps), self.epsilon)


class AdamW(Adam):
    """Adam, and all weights of a matrix a little smaller at each step: ``W *= 1 - lr * weight_decay``
    [Loshchilov2019]_.

    A term ``weight_decay * W²/2`` in the loss would do that to SGD. Adam would divide its gradient by the
    size of all others, and weights that see large gradients would hardly decay; so the decay stands beside
    the gradient here, and not in it.

    Only arrays of two or more axes decay: matrices, embeddings. Biases, gains and single numbers do not;
    they are few, and there is no reason why a gain of 1 should tend to 0.
    """

    weight_decay: float

    def __init__(
        self,
        lr: float = 0.001,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        weight_decay: float = 0.01,
    ) -> None:
        super().__init__(lr, beta1, beta2, epsilon)
        require_shares(weight_decay=weight_decay)
        self.weight_decay = weight_decay

    def rule(self, param: Array, grad: Array, m: Array, v: Array) -> None:
        if param.ndim > 1:
            param *= 1 - float(self.lr) * self.weight_decay
        super().rule(param, grad, m, v)


def root(x: Array, epsilon: float) -> Array:
    """``sqrt(x) + epsilon``, and never 0, not even where the float type would round ``epsilon`` to 0."""
    y = xp.sqrt(x)
    y += max(epsilon, float(xp.finfo(x.dtype).tiny))
    return y
