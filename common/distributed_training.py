"""Training on several machines: a batch is dealt out, and what comes back is put together.

    with cluster() as client:
        model = DataParallel(classifier, client, parts=2)
        Trainer(model, Adam(0.001), rng).fit(Shuffled(x, t, 256), epochs=3, checkpoint=path)

``DataParallel`` is a model around a model: its ``forward`` sends the weights and a share of the batch to each
worker, and its ``backward`` has the gradient of the whole batch. So everything else is as it was: the
optimizer, the schedule, clipping, checkpoints and going on from them.

``LocalSGD`` lets each worker take some steps of its own with its share, and averages the weights where they
end [Stich2019]_. Weights are sent once for so many steps.

**The same bits, whatever happens.** Into how many shares a batch is dealt is a setting, and not how many
workers there are. A share is computed from nothing but the weights, its examples and its own seed, and the
results are added in the order of the shares. So it does not matter who computes a share, how long it takes,
or whether it is computed twice because a worker died.

**A sum, not a mean of means.** Shares may differ in size. Each tells how many examples its mean is of, and
its gradient counts as often.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import reduce
from operator import add
from typing import TYPE_CHECKING, Any

import cloudpickle
import numpy as np

from common.backend import Array, to_numpy, xp
from common.checkpoints import first_not_finite
from common.cluster import lasting
from common.layers.base import (
    Layer,
    Model,
    find_generators,
    held,
    own_grads,
    shared,
    unique_parameters,
    walk,
)
from common.optimizers import SGD
from common.support.require import require_count, require_generator, require_positive
from common.support.row_gradient import RowGradient
from common.training import train_step

if TYPE_CHECKING:
    from distributed import Client

Batch = tuple[Array, ...]
Answer = tuple[float, list[Any]]
"""Of a share: its mean loss, and a gradient for each weight."""


def examples(*share: Array) -> float:
    """How much a share counts whose loss is the mean over axis 0."""
    return len(share[0])


class Shared(Model):
    """Base of both: deals out a batch, and puts together what comes back.

    Parameters
    ----------
    model : Layer
        The model that learns; its weights are here, and are those that move.
    client : distributed.Client
        See ``common.cluster``.
    parts : int
        So many shares a batch is dealt into: rows of axis 0 of each of its arrays, as evenly as it goes.
    rng : numpy.random.Generator, optional
        Draws a seed for each share, when layers draw random numbers: the same seed for all would drop the
        same neurons in each share.
    count : function, optional
        Takes the arrays of a share, and says how much it counts: the number of what its loss is the mean of,
        the words that are no padding say. By default it is the number of rows.

    Raises
    ------
    ValueError
        The model keeps something besides its weights, a running mean or a state: each share would change it
        in its own way. Or it draws random numbers, and there is no ``rng``.
    """

    def __init__(
        self,
        model: Layer,
        client: Client,
        parts: int = 2,
        rng: np.random.Generator | None = None,
        count: Callable[..., float] = examples,
    ) -> None:
        require_count("parts", parts)
        if rng is not None:
            require_generator("rng", rng)
        kept = [*held(model, carried=False), *(path for path, layer in walk(model) if is_stateful(layer))]
        if kept:
            raise ValueError(
                f"{type(model).__name__} keeps more than its weights ({', '.join(kept)}), which each share "
                "of a batch would change in its own way; it should keep neither running means nor states."
            )
        if find_generators(model) and rng is None:
            raise ValueError(
                f"{type(model).__name__} draws random numbers; rng should be a numpy.random.Generator, which "
                "gives each share a seed of its own."
            )
        self.model, self.client, self.parts, self.rng, self.count = model, client, int(parts), rng, count
        self._plan: bytes | None = None
        self._sent: Any = None

    def forward(self, *batch: Array) -> float:
        """The mean loss of the batch; what ``backward`` leaves comes back with it."""
        shares = shared_out(batch, self.parts)
        drawn = [0] * len(shares) if self.rng is None else self.rng.integers(2**63, size=len(shares)).tolist()
        answers = lasting(self.client, lambda: self._ask(shares, drawn))
        counts = [self.count(*share) for share in shares]
        weights = [count / sum(counts) for count in counts]
        self._gradients = [
            reduce(add, [grad * weight for grad, weight in zip(grads, weights)])
            for grads in zip(*(grads for _, grads in answers))
        ]
        return sum(loss * weight for (loss, _), weight in zip(answers, weights))

    def backward(self) -> None:
        """Leave the gradients in the layers of the model."""
        leave_gradients(self.model, self._gradients)

    def work(self) -> tuple[Any, ...]:
        """The function that a worker calls, and what it takes after the model, the share and the seed."""
        raise NotImplementedError

    def _ask(self, shares: Sequence[Batch], seeds: Sequence[int]) -> list[Answer]:
        """One answer for each share. All that the workers need is the result of a task: when a worker dies
        that has it, it is made again."""
        if self._plan is None:
            self._plan = cloudpickle.dumps(self.model)  # layers of a notebook are sent with their code
        if self._sent is None or self._sent.cancelled():
            self._sent = self.client.submit(as_it_is, self._plan, pure=False)
        weights = [to_numpy(param) for param in unique_parameters(self.model)[0]]
        training = [layer.training for _, layer in walk(self.model)]
        now = self.client.submit(as_it_is, (weights, training), pure=False)
        function, *more = self.work()
        promised = [
            self.client.submit(on_a_share, function, self._sent, now, share, seed, *more, pure=False)
            for share, seed in zip(shares, seeds)
        ]
        return self.client.gather(promised)


class DataParallel(Shared):
    """Each worker computes the gradient of its share, and the gradients are added up: one step of all.

    Parameters
    ----------
    model, client, parts, rng, count
        See ``Shared``.
    """

    def work(self) -> tuple[Any, ...]:
        return (gradients_of_a_share,)


class LocalSGD(Shared):
    """Each worker takes ``steps`` steps of SGD with its share, and the weights are averaged [Stich2019]_.

    Its gradient is what the weights were before, less that average: ``SGD(1.0)`` moves them there. A batch is
    what all need until the next average: of ``parts * steps`` small batches.

    Parameters
    ----------
    model, client
        See ``Shared``.
    parts, steps : int
    lr : float
        Of the workers' steps.
    rng, count
        See ``Shared``.
    """

    def __init__(
        self,
        model: Layer,
        client: Client,
        parts: int = 2,
        steps: int = 4,
        lr: float = 0.1,
        rng: np.random.Generator | None = None,
        count: Callable[..., float] = examples,
    ) -> None:
        require_count("steps", steps)
        require_positive("lr", lr)
        super().__init__(model, client, parts, rng, count)
        self.steps, self.lr = int(steps), float(lr)

    def work(self) -> tuple[Any, ...]:
        return steps_of_a_share, self.steps, self.lr, self.count


# ---- what the workers do


def as_it_is(value: Any) -> Any:
    """The same: as the result of a task, it goes from worker to worker, and is not lost with one of them."""
    return value


def on_a_share(
    function: Callable[..., Answer],
    plan: bytes,
    now: tuple[Sequence[np.ndarray], Sequence[bool]],
    share: Batch,
    seed: int,
    *more: Any,
) -> Answer:
    """Make the model as it is now, and call ``function`` with it and the share."""
    model: Layer = cloudpickle.loads(plan)
    for param, value in zip(unique_parameters(model)[0], now[0]):
        param[...] = xp.asarray(value)
    for (_, layer), training in zip(walk(model), now[1]):
        if not isinstance(layer, Model):
            layer.training = training
    for i, rng in enumerate({id(rng): rng for rng in find_generators(model)}.values()):
        rng.bit_generator.state = type(rng.bit_generator)([seed, i]).state
    return function(model, tuple(xp.asarray(array) for array in share), *more)


def gradients_of_a_share(model: Layer, share: Batch) -> Answer:
    """The mean loss of a share, and its gradients."""
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        loss = float(model.forward(*share))
        if not math.isfinite(loss):
            layer = first_not_finite(model, *share)
            raise FloatingPointError(f"{layer} gave numbers that are not finite (the loss is {loss:.4g}).")
        model.backward()
    return loss, [to_numpy_gradient(grad) for grad in gradients(model)]


def steps_of_a_share(
    model: Layer, share: Batch, steps: int, lr: float, count: Callable[..., float]
) -> Answer:
    """Take some steps; the mean loss on the way, and the weights before, less those after."""
    before = [param.copy() for param in unique_parameters(model)[0]]
    parts, optimizer = shared_out(share, steps), SGD(lr)
    counts = [count(*part) for part in parts]
    losses = [train_step(model, optimizer, *part) for part in parts]
    moved = [to_numpy(old - new) for old, new in zip(before, unique_parameters(model)[0])]
    params = [param for _, param in model.named_params()]
    again = dict(shared(params))
    rest = iter(moved)
    placed = [nothing(param) if i in again else next(rest) for i, param in enumerate(params)]
    return sum(loss * n for loss, n in zip(losses, counts)) / sum(counts), placed


# ---- batches and gradients in parts


def shared_out(batch: Sequence[Array], parts: int) -> list[Batch]:
    """Rows of axis 0 of each array, dealt into as many parts, or fewer if there are not so many rows."""
    rows = {len(array) for array in batch}
    if len(rows) != 1:
        raise ValueError(f"the arrays of a batch have {sorted(rows)} rows; they should have as many each.")
    borders = np.linspace(0, rows.pop(), parts + 1).astype(int).tolist()
    cuts = [slice(a, b) for a, b in zip(borders, borders[1:]) if a < b]
    return [tuple(to_numpy(array[cut]) for array in batch) for cut in cuts]


def gradients(model: Layer) -> list[Array | RowGradient]:
    """What ``backward`` has left, for each weight of each layer; a shared weight has one at each place."""
    return [grad for _, layer in walk(model) for grad in own_grads(layer)]


def leave_gradients(model: Layer, grads: Sequence[Array | RowGradient]) -> None:
    """Put gradients where ``backward`` would have left them."""
    rest = iter(grads)
    for _, layer in walk(model):
        for i, name in enumerate(layer.names):
            if isinstance(layer, Model):
                setattr(layer, f"d{name}", next(rest))
            else:
                layer.grads[i] = next(rest)


def to_numpy_gradient(grad: Array | RowGradient) -> np.ndarray | RowGradient:
    """A gradient as it is sent."""
    if isinstance(grad, RowGradient):
        return RowGradient(to_numpy(grad.rows), to_numpy(grad.values), grad.shape)
    return to_numpy(grad)


def nothing(param: Array) -> np.ndarray | RowGradient:
    """A gradient of zeros: of a weight whose gradient stands at another place."""
    if param.ndim != 2:
        return np.zeros(param.shape, dtype=param.dtype)
    return RowGradient(np.zeros(0, int), np.zeros((0, param.shape[1]), dtype=param.dtype), param.shape)


def is_stateful(layer: Layer) -> bool:
    """Whether it hands its state from one batch to the next."""
    return bool(getattr(layer, "stateful", False))
