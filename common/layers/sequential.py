"""One layer after the other."""

from __future__ import annotations

from common.backend import Array
from common.layers.base import Layer, Model


class Sequential(Model):
    """What one layer gives is what the next one takes [Rumelhart1986]_.

    Parameters
    ----------
    *layers : Layer
        Each with one input and one output.
    """

    def __init__(self, *layers: Layer) -> None:
        self.layers = list(layers)

    def forward(self, x: Array) -> Array:
        """What the first layer takes, to what the last one gives."""
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def backward(self, dout: Array) -> Array:
        """The gradient of what ``forward`` returned, to the gradient of ``x``: the same way, in reverse."""
        for layer in reversed(self.layers):
            dout = layer.backward(dout)
        return dout
