"""Layers that are put together: one after the other, and with a way past them; and what joins them."""

from __future__ import annotations

from common.backend import Array, xp
from common.layers.base import Layer, Model
from common.support.require import require_array, require_shape


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


class ResidualBlock(Model):
    """Layers with a way past them: ``y = layers(x) + x`` [He2016]_.

    The layers have only to learn what should be added, and gradients find a way past them.

    Parameters
    ----------
    *layers : Layer
        One after the other.
    shortcut : Layer, optional
        What is done to ``x`` on the other way, where the layers change its shape: a Convolution with windows
        of 1 x 1, say.
    """

    def __init__(self, *layers: Layer, shortcut: Layer | None = None) -> None:
        self.body = Sequential(*layers)
        self.shortcut = shortcut

    def forward(self, x: Array) -> Array:
        """What the first layer takes, to what the last one gives."""
        past = self.shortcut.forward(x) if self.shortcut else x
        y = self.body.forward(x)
        if y.shape != past.shape:
            raise ValueError(
                f"layers make {y.shape} of x, and the way past them gives {past.shape}; both should have one "
                "shape: a shortcut may be given that brings x to it."
            )
        self.shape = y.shape
        return y + past

    def backward(self, dout: Array) -> Array:
        """The gradient of what ``forward`` returned, to the gradient of ``x``, which went two ways."""
        require_shape("dout", dout, self.shape)
        return self.body.backward(dout) + (self.shortcut.backward(dout) if self.shortcut else dout)


class Flatten(Layer):
    """All numbers of an example in one row, as an Affine wants them [LeCun1998b]_."""

    def __init__(self) -> None:
        super().__init__()

    def check(self, x: Array) -> None:
        """Raise unless ``x`` has an axis of examples."""
        require_array("x", x)
        if x.ndim == 0:
            raise ValueError("x has shape (); it should be (N, ...).")

    def forward(self, x: Array) -> Array:
        """``x`` (N, ...) to (N, D)."""
        self.check(x)
        self.x = x
        return x.reshape(len(x), x[:1].size)

    def backward(self, dout: Array) -> Array:
        """``dout`` (N, D) to the gradient of x (N, ...), which lies in memory as x does."""
        require_shape("dout", dout, (len(self.x), self.x[:1].size))
        dx = xp.empty_like(self.x)
        dx[...] = dout.reshape(dx.shape)
        return dx
