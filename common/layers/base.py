"""The one protocol of the book: ``forward``, ``backward``, ``params``, ``grads``.

A **layer** turns inputs into outputs (``forward``), and gradients of the loss by its outputs into gradients
by its inputs (``backward``). What it learns are its ``params``; ``backward`` leaves their gradients in
``grads``, in the same order. A **model** is a layer made of layers.
"""

from __future__ import annotations

from collections.abc import Iterator

from common.backend import Array, memory_layout, np, xp
from common.row_gradient import RowGradient


class Layer:
    """Base of all layers.

    Parameters
    ----------
    *params : arrays
        The weights, in the order of the class attribute ``names``. The layer uses the very arrays it is
        given: two layers that are given the same array (or one of them its transpose) share that weight.
    """

    names: tuple[str, ...] = ()
    training = True
    """Whether the layer is being trained. Dropout, for one, behaves differently when it is not."""

    def __init__(self, *params: Array) -> None:
        self.params = list(params)
        self.grads: list[Array | RowGradient] = [xp.zeros(p.shape, dtype=p.dtype) for p in params]

    def forward(self, *inputs):
        raise NotImplementedError

    def backward(self, dout):
        raise NotImplementedError

    def named_params(self) -> Iterator[tuple[str, Array]]:
        """The params, each with its name."""
        return zip(self.names, self.params)

    def sizes(self) -> dict[str, object]:
        """What ``repr`` shows: the numbers that tell one layer from another of its class."""
        return {}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}={v}' for k, v in self.sizes().items())})"


class Model(Layer):
    """A layer made of layers.

    A subclass assigns its layers to attributes (a layer, or a list of layers, each) and writes
    ``forward`` and ``backward``. Params and grads are those of its layers, in order of assignment.
    """

    def __init__(self) -> None:  # a model owns no arrays but those of its layers
        pass

    def named_layers(self) -> Iterator[tuple[str, Layer]]:
        """The layers, each with the attribute that holds it: ``affine1``, or ``layers.0`` in a list."""
        for name, value in vars(self).items():
            if isinstance(value, Layer):
                yield name, value
            elif isinstance(value, (list, tuple)):
                yield from ((f"{name}.{i}", v) for i, v in enumerate(value) if isinstance(v, Layer))

    def named_params(self) -> Iterator[tuple[str, Array]]:
        for path, layer in self.named_layers():
            yield from ((f"{path}.{name}", p) for name, p in layer.named_params())

    @property
    def params(self) -> list[Array]:
        return [p for _, layer in self.named_layers() for p in layer.params]

    @property
    def grads(self) -> list[Array | RowGradient]:
        return [g for _, layer in self.named_layers() for g in layer.grads]

    @property
    def training(self) -> bool:
        return all(layer.training for _, layer in self.named_layers())

    @training.setter
    def training(self, value: bool) -> None:
        for _, layer in self.named_layers():
            layer.training = value

    def __repr__(self) -> str:
        lines = [f"  {name}: " + repr(layer).replace("\n", "\n  ") for name, layer in self.named_layers()]
        return "\n".join([f"{type(self).__name__}(", *lines, ")"])


def walk(layer: Layer, path: str = "") -> Iterator[tuple[str, Layer]]:
    """The layer and all layers inside it, at any depth, each with its dotted path: ``encoder.lstm``."""
    yield path, layer
    if isinstance(layer, Model):
        for name, inner in layer.named_layers():
            yield from walk(inner, f"{path}.{name}" if path else name)


def find_generators(layer: Layer) -> list[np.random.Generator]:
    """The random generators that a layer and the layers inside it draw from (Dropout does, for one)."""
    held = [value for _, inner in walk(layer) for value in vars(inner).values()]
    return [value for value in held if isinstance(value, np.random.Generator)]


def unique_parameters(layer: Layer) -> tuple[list[Array], list[Array | RowGradient]]:
    """The params and grads of a layer or model, each shared weight once, with its gradients added.

    A weight that two layers share went to two places, so what comes back is added. Sharing is recognized by
    where the numbers lie in memory, never by their values: two weights that happen to be equal stay two.
    """
    params: list[Array] = []
    grads: list[Array | RowGradient] = []
    seen: dict[tuple, int] = {}
    for param, grad in zip(layer.params, layer.grads):
        address, shape, strides = memory_layout(param)
        same, transposed = (address, shape, strides), (address, shape[::-1], strides[::-1])
        if same in seen:
            grads[seen[same]] = grads[seen[same]] + grad
        elif transposed in seen:
            grads[seen[transposed]] = grads[seen[transposed]] + grad.T
        else:
            seen[same] = len(params)
            params.append(param)
            grads.append(grad)
    return params, grads
