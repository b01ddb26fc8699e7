"""The one protocol of the book: ``forward``, ``backward``, ``params``, ``grads``.

A **layer** turns inputs into outputs (``forward``), and gradients of the loss by its outputs into gradients
by its inputs (``backward``). What it learns are its ``params``; ``backward`` leaves their gradients in
``grads``, in the same order. A **model** is a layer made of layers.

Not all that a layer keeps is learned. It says by name what must not get lost: its ``buffers`` belong to what
it has become (running means, say), and what is ``carried`` from one ``forward`` to the next (the state of a
recurrent layer) belongs to the text that is being read. ``held`` and ``hold`` take both out and put them in
again; weights files, checkpoints and steps that are taken back all go through these two.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from common.backend import Array, xp
from common.support.row_gradient import RowGradient


class Complete(type):
    """Makes layers, and looks once, when a layer is ready, whether something in it would get lost."""

    def __call__(cls, *args: Any, **options: Any) -> Any:
        layer = super().__call__(*args, **options)
        layer.require_complete()
        return layer


class Layer(metaclass=Complete):
    """Base of all layers.

    Parameters
    ----------
    *params : arrays
        The weights, in the order of the class attribute ``names``. The layer uses the very arrays it is
        given: two layers that are given the same array (or one of them its transpose) share that weight.
        They share it in a copy and in a pickle of a model, too.
    """

    names: tuple[str, ...] = ()
    """What it learns: one name for each of ``params``."""
    buffers: tuple[str, ...] = ()
    """Attributes that it keeps and does not learn. A weights file holds them, and so does a checkpoint."""
    carried: tuple[str, ...] = ()
    """Attributes that one ``forward`` hands to the next, None at first. A checkpoint holds them."""
    reused: tuple[str, ...] = ()
    """Attributes whose memory each ``forward`` fills again; all else that it keeps should be new arrays."""
    training = True
    """Whether the layer is to behave as in training. Dropout, for one, drops nothing when it is not. A layer
    that is switched off stays off while the rest is trained; its weights, if it has any, learn all the same.
    """

    def __init__(self, *params: Array) -> None:
        self.params = list(params)
        self.grads: list[Array | RowGradient] = [xp.zeros(p.shape, dtype=p.dtype) for p in params]

    def require_complete(self) -> None:
        """Raise if something in the layer would get lost."""
        self.places()
        inside = [name for name, value in vars(self).items() if any(find_layers(value, name))]
        if inside:
            raise TypeError(
                f"{type(self).__name__} holds layers in {', '.join(inside)}; it should be a Model, which "
                "finds the weights of its layers."
            )

    def forward(self, *inputs: Any) -> Any:
        raise NotImplementedError

    def backward(self, *douts: Any) -> Any:
        raise NotImplementedError

    def reset_state(self) -> None:
        """Forget what was carried over: the next ``forward`` begins with nothing."""
        for name in self.carried:
            setattr(self, name, None)

    def named_params(self) -> Iterator[tuple[str, Array]]:
        """The params, each with its name: ``W``, and in a model ``affine1.W`` or ``layers.0.W``."""
        for path, layer in walk(self):
            for name, (where, key) in zip(layer.names, layer.places()):
                yield join(path, name), where[key]

    def places(self) -> list[tuple[Any, Any]]:
        """Where its own weights are: a list and a number, or a dictionary and a name."""
        if "params" not in vars(self):
            raise TypeError(
                f"{type(self).__name__} has no params; its __init__ should call super().__init__(*params)."
            )
        if len(self.params) != len(self.names):
            raise ValueError(
                f"{type(self).__name__} has {len(self.params)} params and {len(self.names)} names; "
                "names should name each of params."
            )
        return [(self.params, i) for i in range(len(self.params))]

    def __getstate__(self) -> tuple[dict[str, Any], list[tuple[int, tuple[int, bool]]]]:
        """For copies and pickles: all attributes, and which weights share their memory."""
        return vars(self), list(shared([param for _, param in self.named_params()]))

    def __setstate__(self, state: tuple[dict[str, Any], list[tuple[int, tuple[int, bool]]]]) -> None:
        attributes, sharing = state
        vars(self).update(attributes)
        places = [place for _, layer in walk(self) for place in layer.places()]
        for i, (first, transposed) in sharing:
            (where, key), (there, its) = places[i], places[first]
            where[key] = there[its].T if transposed else there[its]

    def sizes(self) -> dict[str, object]:
        """What ``repr`` shows: the numbers that tell one layer from another of its class."""
        return {}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}={v}' for k, v in self.sizes().items())})"


class Model(Layer):
    """A layer made of layers.

    A subclass assigns its layers to attributes (a layer, or lists, tuples and dictionaries of layers, at any
    depth) and writes ``forward`` and ``backward``. Params and grads are those of its layers, in order of
    assignment. A layer stands at one place: it remembers one input for ``backward``. Two layers that are to
    do the same are given the same weights.

    A model may have weights of its own. Then ``names`` names them: with ``names = ("scale",)`` the array is
    ``self.scale``, and ``backward`` leaves its gradient in ``self.dscale``. They come before those of the
    layers.
    """

    def __init__(self) -> None:  # what it owns are attributes of the subclass
        pass

    def require_complete(self) -> None:
        known = {*self.names, *self.buffers, *self.carried}
        for name, value in vars(self).items():
            if is_array(value) and value.dtype.kind == "f" and name not in known:
                raise ValueError(
                    f"{type(self).__name__} has an array {name}; it should stand in names if it is learned "
                    f"(with its gradient in d{name}), in buffers if it is kept, or in carried if each "
                    "forward hands it to the next."
                )

    def named_layers(self) -> Iterator[tuple[str, Layer]]:
        """The layers, each with the attribute that holds it: ``affine1``, or ``layers.0`` in a list."""
        for name, value in vars(self).items():
            yield from find_layers(value, name)

    def places(self) -> list[tuple[Any, Any]]:
        return [(vars(self), name) for name in self.names]

    @property
    def params(self) -> list[Array]:  # type: ignore[override]  # collected: not to be assigned
        return [param for _, param in self.named_params()]

    @property
    def grads(self) -> list[Array | RowGradient]:  # type: ignore[override]  # collected, too
        return [grad for _, layer in walk(self) for grad in own_grads(layer)]

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


# ---- finding layers and weights


def walk(layer: Layer) -> list[tuple[str, Layer]]:
    """The layer and all layers inside it, at any depth, each with its dotted path: ``encoder.lstm``.

    Raises
    ------
    ValueError
        A layer stands at two places. Its ``backward`` would know the input of the second only.
    """
    found: list[tuple[str, Layer]] = []
    paths: dict[int, str] = {}
    taken: set[str] = set()

    def visit(layer: Layer, path: str) -> None:
        if id(layer) in paths:
            raise ValueError(
                f"{paths[id(layer)] or 'the model'} and {path} are one {type(layer).__name__}; they should "
                "be two layers: two Affine, for one, may be given the same W."
            )
        if path in taken:
            raise ValueError(f"two layers are both called {path}; each should have a name of its own.")
        paths[id(layer)] = path
        taken.add(path)
        found.append((path, layer))
        if isinstance(layer, Model):
            for name, inner in layer.named_layers():
                visit(inner, join(path, name))

    visit(layer, "")
    return found


def find_layers(value: object, name: str) -> Iterator[tuple[str, Layer]]:
    """The layers in an attribute: itself, or what lists, tuples and dictionaries hold, at any depth."""
    if isinstance(value, Layer):
        yield name, value
    elif isinstance(value, (list, tuple, dict)):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, inner in items:
            yield from find_layers(inner, f"{name}.{key}")


def join(path: str, name: str) -> str:
    """A path one step longer: ``encoder`` and ``lstm`` to ``encoder.lstm``."""
    return f"{path}.{name}" if path else name


def is_array(value: object) -> bool:
    """Whether it is an array, of the processor or of the device."""
    return isinstance(value, (np.ndarray, xp.ndarray))


def find_generators(layer: Layer) -> list[np.random.Generator]:
    """The random generators that a layer and the layers inside it draw from (Dropout does, for one)."""
    held = [value for _, inner in walk(layer) for value in vars(inner).values()]
    return [value for value in held if isinstance(value, np.random.Generator)]


def own_grads(layer: Layer) -> list[Array | RowGradient]:
    """The gradients of the weights that are a layer's own, one for each."""
    if isinstance(layer, Model):
        own = [(getattr(layer, name), f"d{name}") for name in layer.names]
        return [vars(layer).get(d, xp.zeros(param.shape, dtype=param.dtype)) for param, d in own]
    if len(layer.grads) != len(layer.params):
        raise ValueError(
            f"{type(layer).__name__} has {len(layer.params)} params and {len(layer.grads)} grads; backward "
            "should leave one gradient for each."
        )
    return layer.grads


def memory_layout(array: Array) -> tuple[int, tuple[int, ...], tuple[int, ...]]:
    """Which memory an array shows and how: address of its first number, shape, strides (bytes).

    Two arrays with the same layout are one array under two names. If shape and strides are each other's
    reverse, one is the transpose of the other. Values play no part in it.
    """
    address = array.data.ptr if hasattr(array.data, "ptr") else array.__array_interface__["data"][0]
    return address, array.shape, array.strides


def shared(params: list[Array]) -> Iterator[tuple[int, tuple[int, bool]]]:
    """The weights that lie in the memory of one before: number, number of that one, whether transposed.

    Sharing is recognized by where the numbers lie in memory, never by their values: two weights that happen
    to be equal stay two.
    """
    seen: dict[tuple, int] = {}
    for i, param in enumerate(params):
        address, shape, strides = memory_layout(param)
        same, transposed = (address, shape, strides), (address, shape[::-1], strides[::-1])
        if same in seen or transposed in seen:
            yield i, (seen[same], False) if same in seen else (seen[transposed], True)
        else:
            seen[same] = i


def unique_parameters(layer: Layer) -> tuple[list[Array], list[Array | RowGradient]]:
    """The params and grads of a layer or model, each shared weight once, with its gradients added.

    A weight that two layers share went to two places, so what comes back is added.
    """
    layers = [inner for _, inner in walk(layer)]
    params = [where[key] for inner in layers for where, key in inner.places()]
    grads = [grad for inner in layers for grad in own_grads(inner)]
    again = dict(shared(params))
    for i, (first, transposed) in again.items():
        grads[first] = grads[first] + (grads[i].T if transposed else grads[i])
    unique = [i for i in range(len(params)) if i not in again]
    return [params[i] for i in unique], [grads[i] for i in unique]


def count_parameters(layer: Layer) -> int:
    """How many numbers a layer or model learns, those of a shared weight once."""
    return sum(param.size for param in unique_parameters(layer)[0])


# ---- what is kept and not learned


def held(layer: Layer, carried: bool = True) -> dict[str, Array | None]:
    """Copies of the ``buffers`` of a layer and of the layers inside it, by name; also of what is ``carried``
    over, unless it is to be left out. None where there is nothing yet."""
    return {
        join(path, name): copy_of(getattr(inner, name, None))
        for path, inner in walk(layer)
        for name in (*inner.buffers, *(inner.carried if carried else ()))
    }


def hold(layer: Layer, arrays: Mapping[str, Array | None]) -> None:
    """Put copies of what ``held`` gave back; a name that is not there is left as it is."""
    for path, inner in walk(layer):
        for name in (*inner.buffers, *inner.carried):
            if join(path, name) in arrays:
                setattr(inner, name, copy_of(arrays[join(path, name)]))


def copy_of(value: Array | float | None) -> Array | None:
    return None if value is None else xp.array(value)


@contextmanager
def evaluating(model: Layer) -> Iterator[None]:
    """Inside ``with``, the model is not in training and begins at state zero; afterwards all is as before.

    All means all attributes of all its layers: the ``training`` of each, its state, and what it remembers for
    ``backward``. So read what a ``forward`` has left (where attention looked, say) inside ``with``.
    """
    kept = [(layer, dict(vars(layer))) for _, layer in walk(model)]
    for layer, attributes in kept:
        for name in (*layer.reused, *layer.buffers, *layer.carried):
            if attributes.get(name) is not None:
                setattr(layer, name, attributes[name].copy())
    try:
        model.training = False
        for layer, _ in kept:
            layer.reset_state()
        yield
    finally:
        for layer, attributes in kept:
            vars(layer).clear()
            vars(layer).update(attributes)
