"""One time step of an RNN, an LSTM and a GRU, written to be read: new arrays, one line for each formula.

``common.layers.recurrent`` has the layers that take whole sequences; they give the same numbers, faster.

Gates lie side by side in the columns of ``Wx``, ``Wh`` and the biases, in blocks of ``H``:

====== ================================== ==================================
layer  here                               PyTorch (``weight_ih``, transposed)
====== ================================== ==================================
RNN    h                                  h
LSTM   output, input, forget, candidate   input, forget, candidate, output
GRU    reset, update, candidate           reset, update, candidate
====== ================================== ==================================

Our order for the LSTM puts the three sigmoids side by side, and also the three blocks whose gradient comes
by way of the cell state. PyTorch has two biases, which are added. Only in the GRU does that make a
difference, so only there we keep both.
"""

from __future__ import annotations

from common.backend import Array, xp
from common.functions import sigmoid
from common.layers.base import Layer
from common.support.require import require_float, require_last_axis, require_matrix, require_shape


class Cell(Layer):
    """One time step of a recurrent layer; a subclass has the formulas, forward and backward."""

    gates = 1
    cache: tuple[Array, ...]

    def __init__(self, *params: Array) -> None:
        require_weights(self.names, params, self.gates)
        super().__init__(*params)

    def check(self, x: Array, *states: Array) -> None:
        """Raise unless ``x`` is (N, D) and each state (N, H), of the type of the weights."""
        Wx, Wh = self.params[:2]
        require_float("x", x, like=Wx)
        if x.ndim != 2 or x.shape[1] != len(Wx):
            raise ValueError(f"x has shape {x.shape}; it should be (N, {len(Wx)}).")
        for name, state in zip("hc", states):
            require_float(name, state, like=Wx)
            require_shape(name, state, (len(x), len(Wh)))

    def check_back(self, *dstates: Array) -> None:
        """Raise unless each gradient has the shape of its state."""
        for name, dstate in zip("hc", dstates):
            require_shape(f"d{name}_next", dstate, self.cache[1].shape)

    def sizes(self) -> dict[str, object]:
        return {"D": len(self.params[0]), "H": len(self.params[1])}


class RNNCell(Cell):
    """One step of the simplest recurrent network [Elman1990]_: ``h' = tanh(x Wx + h Wh + b)``.

    Parameters
    ----------
    Wx : (D, H)
    Wh : (H, H)
    b : (H,)
    """

    names = ("Wx", "Wh", "b")

    def forward(self, x: Array, h: Array) -> Array:
        """``x`` (N, D) and the state ``h`` (N, H) to the next state (N, H)."""
        self.check(x, h)
        Wx, Wh, b = self.params
        h_next = xp.tanh(x @ Wx + h @ Wh + b)
        self.cache = x, h, h_next
        return h_next

    def backward(self, dh_next: Array) -> tuple[Array, Array]:
        """Gradient of the next state to the gradients of x and h."""
        self.check_back(dh_next)
        Wx, Wh, _ = self.params
        x, h, h_next = self.cache
        da = dh_next * (1 - h_next * h_next)
        self.grads = [x.T @ da, h.T @ da, da.sum(axis=0)]
        return da @ Wx.T, da @ Wh.T


class LSTMCell(Cell):
    """One step of the LSTM [Hochreiter1997]_, with the forget gate of [Gers2000]_.

    Parameters
    ----------
    Wx : (D, 4H)
    Wh : (H, 4H)
    b : (4H,)
        Columns: output, input and forget gate, candidate.
    """

    names = ("Wx", "Wh", "b")
    gates = 4

    def forward(self, x: Array, h: Array, c: Array) -> tuple[Array, Array]:
        """``x`` (N, D), states ``h`` and ``c`` (N, H) to the next ``h`` and ``c``."""
        self.check(x, h, c)
        Wx, Wh, b = self.params
        a = x @ Wx + h @ Wh + b  # (N, 4H)
        o, i, f, g = split(a, 4)  # (N, H) each
        o, i, f, g = sigmoid(o), sigmoid(i), sigmoid(f), xp.tanh(g)
        c_next = f * c + i * g
        tanh_c = xp.tanh(c_next)
        self.cache = x, h, c, o, i, f, g, tanh_c
        return o * tanh_c, c_next

    def backward(self, dh_next: Array, dc_next: Array) -> tuple[Array, Array, Array]:
        """Gradients of the next ``h`` and ``c`` to the gradients of x, h and c."""
        self.check_back(dh_next, dc_next)
        Wx, Wh, _ = self.params
        x, h, c, o, i, f, g, tanh_c = self.cache
        dc = dc_next + dh_next * o * (1 - tanh_c * tanh_c)
        do = dh_next * tanh_c * o * (1 - o)
        di = dc * g * i * (1 - i)
        df = dc * c * f * (1 - f)
        dg = dc * i * (1 - g * g)
        da = xp.concatenate([do, di, df, dg], axis=1)  # (N, 4H)
        self.grads = [x.T @ da, h.T @ da, da.sum(axis=0)]
        return da @ Wx.T, da @ Wh.T, dc * f


class GRUCell(Cell):
    """One step of the GRU [Cho2014]_ [Chung2014]_. The reset gate acts on ``h Wh``, as PyTorch has it.

    Parameters
    ----------
    Wx : (D, 3H)
    Wh : (H, 3H)
    bx, bh : (3H,)
        Columns: reset and update gate, candidate. The reset gate multiplies the candidate's ``bh`` and not
        its ``bx``, hence two biases.
    """

    names = ("Wx", "Wh", "bx", "bh")
    gates = 3

    def forward(self, x: Array, h: Array) -> Array:
        """``x`` (N, D) and the state ``h`` (N, H) to the next state (N, H)."""
        self.check(x, h)
        Wx, Wh, bx, bh = self.params
        xr, xz, xn = split(x @ Wx + bx, 3)  # (N, H) each
        hr, hz, hn = split(h @ Wh + bh, 3)
        r, z = sigmoid(xr + hr), sigmoid(xz + hz)
        n = xp.tanh(xn + r * hn)
        self.cache = x, h, r, z, n, hn
        return (1 - z) * n + z * h

    def backward(self, dh_next: Array) -> tuple[Array, Array]:
        """Gradient of the next state to the gradients of x and h."""
        self.check_back(dh_next)
        Wx, Wh, _, _ = self.params
        x, h, r, z, n, hn = self.cache
        dn = dh_next * (1 - z) * (1 - n * n)
        dz = dh_next * (h - n) * z * (1 - z)
        dr = dn * hn * r * (1 - r)
        dax = xp.concatenate([dr, dz, dn], axis=1)  # (N, 3H), what the products x Wx get back
        dah = xp.concatenate([dr, dz, dn * r], axis=1)  # and the products h Wh
        self.grads = [x.T @ dax, h.T @ dah, dax.sum(axis=0), dah.sum(axis=0)]
        return dax @ Wx.T, dah @ Wh.T + dh_next * z


def split(a: Array, n: int) -> tuple[Array, ...]:
    """``n`` blocks of the last axis, as views."""
    H = a.shape[-1] // n
    return tuple(a[..., k * H : (k + 1) * H] for k in range(n))


def require_weights(names: tuple[str, ...], params: tuple[Array, ...], gates: int) -> None:
    """Raise unless ``params`` are (D, gates * H), (H, gates * H), and biases (gates * H,)."""
    if len(params) != len(names):
        raise TypeError(f"params has {len(params)} arrays; it should have {len(names)}: {', '.join(names)}.")
    for name, param in zip(names, params):
        if name.startswith("W"):
            require_matrix(name, param)
        require_float(name, param, like=params[0])
    Wx, Wh, *biases = params
    width = gates * len(Wh)
    require_shape("Wh", Wh, (len(Wh), width))
    require_last_axis("Wx", Wx, width)
    for name, b in zip(names[2:], biases):
        require_shape(name, b, (width,))
