"""Layers with a memory: RNN, LSTM and GRU.

Each comes twice. A **cell** does one time step, and is written to be read: new arrays, one line for each
formula. The **layer** takes whole sequences ``(N, T, D)``, and gives the same numbers several times faster:

* The inputs of all time steps are known at the start. One matrix product serves them all, and all gates. What
  waits for the step before, ``h @ Wh``, is all that the loop has to multiply.
* Time comes first in memory, ``(T, N, H)``, so that each step works on numbers that lie side by side.
* Arrays are made once for all steps and filled in place. No object is made for a step.
* A matrix product leaves the gates side by side. Before anything else is done with them, the gates of a step
  are copied apart, so that each is one piece of memory, which NumPy handles faster (chapter 6 measures it).
* Backward, the loop computes what each gate gets back, and no more. The gradients of weights and inputs
  follow in one product each.

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
from common.layers.base import Layer, Model
from common.require import require_float, require_last_axis, require_mask, require_matrix, require_shape


class Cell(Layer):
    """One time step of a recurrent layer; a subclass has the formulas, forward and backward."""

    gates = 1

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
    """One step of the GRU [Cho2014]_, in the form where the reset gate acts on ``h Wh``, as PyTorch has it.

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


class Lengths:
    """Which sequences of a batch are read at which step, for batches in which some are shorter than others.

    With padding at one end, sequences in order of their length are such that at each step the first few are
    read and the rest are not: the rest need not be computed. With any other mask all are computed, and where
    it is False the state of the step before is put back.

    Parameters
    ----------
    N, T : int
        Sequences, and steps.
    mask : (N, T) booleans, optional
        False where nothing is read.
    shortens : bool
        Whether the layer's loop knows how to leave out sequences that are over.

    Attributes
    ----------
    order : (N,) ids or None
        In which order the sequences are computed, where some are left out.
    active : list of T numbers
        How many sequences, the first ones, are computed at each step.
    held : (T, N, 1) booleans or None
        True where the state is carried over though it was computed.
    """

    def __init__(self, N: int, T: int, mask: Array | None, shortens: bool) -> None:
        self.order, self.active, self.held = None, [N] * T, None
        if mask is None:
            return
        order = xp.argsort(-mask.sum(axis=1), kind="stable")
        active = mask.sum(axis=0)  # (T,)
        first = xp.arange(N)[:, None] < active  # (N, T)
        if shortens and bool((mask[order] == first).all()):
            self.order, self.active = order, active.tolist()
        else:
            self.held = ~mask.T[:, :, None]

    def ordered(self, a: Array | int) -> Array | int:
        """Sequences (N, ...) in the order in which they are computed."""
        return a if self.order is None or isinstance(a, int) else a[self.order]

    def put_back(self, a: Array) -> Array:
        """Sequences (N, ...) in the order in which they came, as a copy."""
        if self.order is None:
            return a.copy()
        usual = xp.empty(a.shape, dtype=a.dtype)
        usual[self.order] = a
        return usual

    def carry_over(self, t: int, all_states: tuple[Array, ...]) -> None:
        """After step ``t``: where nothing was read, the states (T + 1, N, H) stay as they were."""
        for states in all_states:
            if self.active[t] < states.shape[1]:
                states[t + 1, self.active[t] :] = states[t, self.active[t] :]
            if self.held is not None:
                xp.copyto(states[t + 1], states[t], where=self.held[t])

    def read(self) -> Array | None:
        """Which of the ``T * N`` rows were computed; None if all."""
        if self.order is None:
            return None
        return xp.flatnonzero(xp.arange(len(self.order)) < xp.asarray(self.active)[:, None])


class Recurrent(Layer):
    """What the three layers share: states, masks, and the products over all time steps at once.

    A subclass has the loop over time: ``unroll`` fills the states, ``unroll_back`` goes through them in
    reverse.

    Parameters
    ----------
    stateful : bool
        True: each ``forward`` begins in the state where the one before ended, as if the two texts were one
        (until ``reset_state``). False: each begins at zero. Either way ``set_state`` chooses the state in
        which the next ``forward`` begins.

    Attributes
    ----------
    state : tuple of (N, H)
        The state after the last step: ``(h,)``, for the LSTM ``(h, c)``.
    dstate : tuple of (N, H)
        After ``backward``: the gradient of the state in which ``forward`` began.
    """

    gates = 1
    state_names: tuple[str, ...] = ("h",)
    shortens = False  # whether its loops know how to leave out sequences that are over

    def __init__(self, *params: Array, stateful: bool = False) -> None:
        require_weights(self.names, params, self.gates)
        super().__init__(*params)
        self.stateful = stateful
        self.reset_state()

    # The state between two calls of forward; after reset_state the next begins at zero

    @property
    def carried(self) -> tuple[str, ...]:
        """``start_h``, for the LSTM ``start_h, start_c``: the state in which the next ``forward`` begins."""
        return tuple(f"start_{name}" for name in self.state_names)

    def set_state(self, *state: Array) -> None:
        """Let the next ``forward`` begin in this state: ``h``, for the LSTM ``h, c``, each (N, H)."""
        if len(state) != len(self.state_names):
            raise ValueError(
                f"state has {len(state)} parts; it should have {len(self.state_names)}: "
                f"{', '.join(self.state_names)}."
            )
        Wx, Wh = self.params[:2]
        for name, part in zip(self.state_names, state):
            require_float(name, part, like=Wx)
            if part.ndim != 2 or part.shape[1] != len(Wh):
                raise ValueError(f"{name} has shape {part.shape}; it should be (N, {len(Wh)}).")
        for name, part in zip(self.carried, state):
            setattr(self, name, part.copy())

    @property
    def h(self) -> Array:
        """Hidden state after the last step, (N, H)."""
        return self.state[0]

    @property
    def dh0(self) -> Array:
        """Gradient of the hidden state before the first step, (N, H)."""
        return self.dstate[0]

    # All steps

    def check(self, xs: Array, mask: Array | None = None) -> None:
        """Raise unless ``xs`` is (N, T, D), of the type of the weights, and ``mask`` (N, T)."""
        Wx = self.params[0]
        require_float("xs", xs, like=Wx)
        if xs.ndim != 3 or xs.shape[2] != len(Wx) or 0 in xs.shape:
            raise ValueError(
                f"xs has shape {xs.shape}; it should be (N, T, {len(Wx)}), with N and T at least 1."
            )
        if mask is not None:
            require_mask("mask", mask, xs.shape[:2])

    def forward(self, xs: Array, mask: Array | None = None) -> Array:
        """Return the hidden states of all steps, (N, T, H).

        Parameters
        ----------
        xs : (N, T, D)
        mask : (N, T) booleans, optional
            Where it is False (padding, say) nothing happens: the state of the step before is carried over,
            and the input counts for nothing. So the last step holds the final state of short sequences too.
        """
        self.check(xs, mask)
        Wx, _, b, *_ = self.params
        (N, T, D), H = xs.shape, len(self.params[1])
        self.lengths = lengths = Lengths(N, T, mask, self.shortens)
        self.x = time_first(lengths.ordered(xs)).reshape(T * N, D)
        a = self.x @ Wx
        a += b
        self.states = tuple(xp.empty((T + 1, N, H), dtype=a.dtype) for _ in self.state_names)
        for states, first in zip(self.states, self._first_state(N)):
            states[0] = lengths.ordered(first)
        self.unroll(a.reshape(T, N, -1), *self.states)
        self.state = tuple(lengths.put_back(states[T]) for states in self.states)
        self.reset_state()
        if self.stateful:
            vars(self).update(zip(self.carried, self.state))
        return lengths.put_back(self.states[0][1:].swapaxes(0, 1))

    def backward(self, dhs: Array, *dstate: Array) -> Array:
        """Return the gradient of xs, (N, T, D); ``dstate`` then holds that of the first state.

        Parameters
        ----------
        dhs : (N, T, H)
            Gradient of what ``forward`` returned.
        *dstate : (N, H) each, optional
            Gradient of the final state, if something used it besides: ``dh``, for the LSTM ``dh, dc``.
        """
        Wx, lengths = self.params[0], self.lengths
        T, N, H = self.states[0][1:].shape
        require_shape("dhs", dhs, (N, T, H))
        if len(dstate) > len(self.state_names):
            raise ValueError(
                f"dstate has {len(dstate)} parts; it should have at most {len(self.state_names)}: "
                f"{', '.join(f'd{name}' for name in self.state_names)}."
            )
        back = [xp.zeros((N, H), dtype=dhs.dtype) for _ in self.states]
        for name, total, given in zip(self.state_names, back, dstate):
            require_shape(f"d{name}", given, (N, H))
            total += lengths.ordered(given)
        dax, dah = self.unroll_back(time_first(lengths.ordered(dhs)), *back)  # (T, N, gates * H) each
        self.dstate = tuple(lengths.put_back(d) for d in self.dstate)
        x, before = self.x, self.states[0][:-1].reshape(T * N, H)  # the state in which each step began
        dax, dah = dax.reshape(T * N, -1), dah.reshape(T * N, -1)
        read = lengths.read()
        if read is not None:  # what was left out adds nothing to the products below
            x, before, dax, dah = (rows[read] for rows in (x, before, dax, dah))
        biases = [da.sum(axis=0) for da, _ in zip((dax, dah), self.names[2:])]
        self.grads = [x.T @ dax, before.T @ dah, *biases]
        dxs = dax @ Wx.T
        if read is not None:
            dxs, some = xp.zeros(self.x.shape, dtype=dxs.dtype), dxs
            dxs[read] = some
        return lengths.put_back(dxs.reshape(T, N, -1).swapaxes(0, 1))

    def unroll(self, a: Array, *states: Array) -> None:
        """Go through time: ``a`` (T, N, gates * H) holds what the inputs give to each gate; fill ``states``
        (T + 1, N, H), whose place 0 holds the first."""
        raise NotImplementedError

    def unroll_back(self, dhs: Array, *dstate: Array) -> tuple[Array, Array]:
        """Go back through time: ``dhs`` (T, N, H); return what ``x Wx`` and ``h Wh`` get back, and leave the
        gradient of the first state in ``self.dstate``."""
        raise NotImplementedError

    def _first_state(self, N: int) -> tuple[Array, ...] | tuple[int, ...]:
        start = tuple(getattr(self, name) for name in self.carried)
        if start[0] is None:
            return (0,) * len(start)
        for name, part in zip(self.state_names, start):
            if len(part) != N:
                raise ValueError(
                    f"the state {name} is of {len(part)} sequences; it should be of {N}, as xs is: "
                    "call reset_state() before another batch size."
                )
        return start

    def sizes(self) -> dict[str, object]:
        return {"D": len(self.params[0]), "H": len(self.params[1]), "stateful": self.stateful}


class RNN(Recurrent):
    """A recurrent network over ``(N, T, D)``; ``RNNCell`` has the formula [Elman1990]_.

    Parameters
    ----------
    Wx : (D, H)
    Wh : (H, H)
    b : (H,)
    stateful : bool
    """

    names = ("Wx", "Wh", "b")

    def unroll(self, a: Array, h: Array) -> None:
        Wh = self.params[1]
        for t in range(len(a)):
            xp.matmul(h[t], Wh, out=h[t + 1])
            h[t + 1] += a[t]
            xp.tanh(h[t + 1], out=h[t + 1])
            self.lengths.carry_over(t, self.states)

    def unroll_back(self, dhs: Array, dh: Array) -> tuple[Array, Array]:
        held = self.lengths.held
        WhT = xp.ascontiguousarray(self.params[1].T)  # faster, in many small products, than a view
        h = self.states[0]
        da = 1 - h[1:] * h[1:]  # the slopes, (T, N, H); the loop makes them gradients
        if held is not None:
            da *= ~held
        for t in reversed(range(len(da))):
            dh += dhs[t]
            da[t] *= dh
            carried = None if held is None else dh * held[t]
            xp.matmul(da[t], WhT, out=dh)
            if carried is not None:
                dh += carried
        self.dstate = (dh,)
        return da, da


class LSTM(Recurrent):
    """Long short-term memory over ``(N, T, D)``; ``LSTMCell`` has the formulas [Hochreiter1997]_ [Gers2000]_.

    Parameters
    ----------
    Wx : (D, 4H)
    Wh : (H, 4H)
    b : (4H,)
        Columns: output, input and forget gate, candidate.
    stateful : bool
    """

    names = ("Wx", "Wh", "b")
    gates = 4
    state_names = ("h", "c")
    shortens = True

    @property
    def c(self) -> Array:
        """Cell state after the last step, (N, H)."""
        return self.state[1]

    @property
    def dc0(self) -> Array:
        """Gradient of the cell state before the first step, (N, H)."""
        return self.dstate[1]

    def unroll(self, a: Array, h: Array, c: Array) -> None:
        held, active = self.lengths.held, self.lengths.active
        Wh = self.params[1]
        T, N, H = h[1:].shape
        self.gate_values = by_gate(a, 4)  # (T, 4, N, H), after the loop
        self.tanh_c = xp.empty((T, N, H), dtype=a.dtype)
        sums = xp.empty((N, 4 * H), dtype=a.dtype)
        sums_by_gate = by_gate(sums, 4)
        gates = xp.empty((4, N, H), dtype=a.dtype)
        i_g = xp.empty((N, H), dtype=a.dtype)
        for t in range(T):
            n = slice(active[t])  # the sequences that are not over
            xp.matmul(h[t, n], Wh, out=sums[n])
            sums[n] += a[t, n]
            gates[:, n] = sums_by_gate[:, n]  # each gate in one piece of memory
            o, i, f, g = gates[:, n]
            sigmoid(gates[:3, n], out=gates[:3, n])
            xp.tanh(g, out=g)
            if held is not None:  # take in nothing, keep all: the cell is carried over
                xp.copyto(gates[:2], 0, where=held[t])
                xp.copyto(f, 1, where=held[t])
            xp.multiply(f, c[t, n], out=c[t + 1, n])
            xp.multiply(i, g, out=i_g[n])
            c[t + 1, n] += i_g[n]
            xp.tanh(c[t + 1, n], out=self.tanh_c[t, n])
            xp.multiply(o, self.tanh_c[t, n], out=h[t + 1, n])
            self.gate_values[t, :, n] = gates[:, n]
            self.lengths.carry_over(t, self.states)

    def unroll_back(self, dhs: Array, dh: Array, dc: Array) -> tuple[Array, Array]:
        held, active = self.lengths.held, self.lengths.active
        WhT = xp.ascontiguousarray(self.params[1].T)  # faster, in many small products, than a view
        _, c = self.states
        T, N, H = dhs.shape
        da = xp.empty((T, N, 4 * H), dtype=dhs.dtype)
        da_by_gate = by_gate(da, 4)
        gates, dgates = xp.empty((2, 4, N, H), dtype=da.dtype)
        by_h = xp.empty((N, H), dtype=da.dtype)
        for t in reversed(range(T)):
            n = slice(active[t])
            gates[:, n] = self.gate_values[t, :, n]
            (o, i, f, g), sigmoids = gates[:, n], gates[:3, n]
            (do, di, df, dg), dsigmoids = dgates[:, n], dgates[:3, n]
            tanh_c = self.tanh_c[t, n]
            dh += dhs[t]
            slope_of_tanh(tanh_c, out=by_h[n])
            by_h[n] *= o
            by_h[n] *= dh[n]
            dc[n] += by_h[n]
            xp.subtract(1, sigmoids, out=dsigmoids)
            dsigmoids *= sigmoids  # s (1 - s)
            slope_of_tanh(g, out=dg)
            do *= tanh_c
            do *= dh[n]
            di *= g
            df *= c[t, n]
            dg *= i
            dgates[1:, n] *= dc[n]
            dc[n] *= f
            da_by_gate[t, :, n] = dgates[:, n]
            da[t, active[t] :] = 0  # what was not read learns nothing
            carried = None if held is None else dh * held[t]
            xp.matmul(da[t, n], WhT, out=dh[n])
            if carried is not None:
                dh += carried
        self.dstate = (dh, dc)
        return da, da


class GRU(Recurrent):
    """Gated recurrent unit over ``(N, T, D)``; ``GRUCell`` has the formulas [Cho2014]_.

    Parameters
    ----------
    Wx : (D, 3H)
    Wh : (H, 3H)
    bx, bh : (3H,)
        Columns: reset and update gate, candidate.
    stateful : bool
    """

    names = ("Wx", "Wh", "bx", "bh")
    gates = 3

    def unroll(self, a: Array, h: Array) -> None:
        held = self.lengths.held
        _, Wh, _, bh = self.params
        T, N, H = h[1:].shape
        self.gate_values = by_gate(a, 3)  # (T, 3, N, H), after the loop
        self.hn = xp.empty((T, N, H), dtype=a.dtype)  # what h gives to the candidate
        products = xp.empty((N, 3 * H), dtype=a.dtype)
        products_by_gate = by_gate(products, 3)
        gates, from_h = xp.empty((2, 3, N, H), dtype=a.dtype)
        r, z, n = gates
        for t in range(T):
            xp.matmul(h[t], Wh, out=products)
            products += bh
            from_h[...] = products_by_gate
            gates[...] = self.gate_values[t]
            gates[:2] += from_h[:2]
            sigmoid(gates[:2], out=gates[:2])
            self.hn[t] = from_h[2]
            from_h[2] *= r
            n += from_h[2]
            xp.tanh(n, out=n)
            if held is not None:  # keep all: then backward carries the gradient over
                xp.copyto(z, 1, where=held[t])
            xp.subtract(h[t], n, out=h[t + 1])  # (1 - z) n + z h is n + z (h - n)
            h[t + 1] *= z
            h[t + 1] += n
            self.gate_values[t] = gates
            self.lengths.carry_over(t, self.states)

    def unroll_back(self, dhs: Array, dh: Array) -> tuple[Array, Array]:
        WhT = xp.ascontiguousarray(self.params[1].T)  # faster, in many small products, than a view
        (h,) = self.states
        T, N, H = dhs.shape
        dax, dah = xp.empty((2, T, N, 3 * H), dtype=dhs.dtype)
        dax_by_gate, dah_by_gate = by_gate(dax, 3), by_gate(dah, 3)
        gates, dgates = xp.empty((2, 3, N, H), dtype=dah.dtype)
        carried = xp.empty_like(dh)
        (r, z, n), (dr, dz, dn) = gates, dgates
        for t in reversed(range(T)):
            gates[...] = self.gate_values[t]
            dh += dhs[t]
            xp.subtract(1, gates[:2], out=dgates[:2])  # so far dr is 1 - r, and dz is 1 - z
            slope_of_tanh(n, out=dn)
            dn *= dz
            dn *= dh
            dr *= r
            dr *= self.hn[t]
            dr *= dn
            dz *= z
            dz *= xp.subtract(h[t], n, out=n)
            dz *= dh
            dax_by_gate[t] = dgates
            dn *= r
            dah_by_gate[t] = dgates
            xp.multiply(dh, z, out=carried)
            xp.matmul(dah[t], WhT, out=dh)
            dh += carried
        self.dstate = (dh,)
        return dax, dah


class Bidirectional(Model):
    """Two layers over the same sequences, one from left to right and one from right to left [Schuster1997]_.

    Parameters
    ----------
    rightward, leftward : Recurrent
        Layers with the same D, stateless: the leftward one begins at the end of the text, and what comes
        after that is not known yet.
    """

    def __init__(self, rightward: Recurrent, leftward: Recurrent) -> None:
        for name, layer in (("rightward", rightward), ("leftward", leftward)):
            if not isinstance(layer, Recurrent) or layer.stateful:
                raise ValueError(f"{name} is {layer!r}; it should be a recurrent layer with stateful=False.")
        if len(rightward.params[0]) != len(leftward.params[0]):
            raise ValueError(
                f"leftward takes inputs of {len(leftward.params[0])} numbers; it should take "
                f"{len(rightward.params[0])}, as rightward does."
            )
        if rightward.state_names != leftward.state_names:
            raise ValueError(
                f"rightward is {rightward!r} and leftward is {leftward!r}; both should have the same states."
            )
        self.rightward, self.leftward = rightward, leftward

    def forward(self, xs: Array, mask: Array | None = None) -> Array:
        """``xs`` (N, T, D) to both hidden states side by side, (N, T, 2H).

        Padding at the end is where the leftward layer begins; it carries its state, zero, through to the
        last word.
        """
        right = self.rightward.forward(xs, mask)
        left = self.leftward.forward(xs[:, ::-1], None if mask is None else mask[:, ::-1])
        return xp.concatenate([right, left[:, ::-1]], axis=2)

    def backward(self, dhs: Array, *dstate: Array) -> Array:
        """``dhs`` (N, T, 2H), and the gradient of ``state`` if something used it, to the gradient of xs.

        One input went to two layers, so what comes back is added.
        """
        H = len(self.rightward.params[1])
        require_last_axis("dhs", dhs, 2 * H)
        for d in dstate:
            require_last_axis("dstate", d, 2 * H)
        dxs = self.rightward.backward(dhs[:, :, :H], *(d[:, :H] for d in dstate))
        return dxs + self.leftward.backward(dhs[:, ::-1, H:], *(d[:, H:] for d in dstate))[:, ::-1]

    @property
    def state_names(self) -> tuple[str, ...]:
        """Those of the layers: what ``state`` consists of."""
        return self.rightward.state_names

    @property
    def state(self) -> tuple[Array, ...]:
        """The final states of both, side by side, (N, 2H) each: what both have read from end to end."""
        both = zip(self.rightward.state, self.leftward.state)
        return tuple(xp.concatenate([right, left], axis=1) for right, left in both)


def time_first(xs: Array) -> Array:
    """Lay (N, T, D) out as (T, N, D), each time step one piece of memory."""
    return xp.ascontiguousarray(xs.swapaxes(0, 1))


def split(a: Array, n: int) -> tuple[Array, ...]:
    """``n`` blocks of the last axis, as views."""
    H = a.shape[-1] // n
    return tuple(a[..., k * H : (k + 1) * H] for k in range(n))


def by_gate(a: Array, gates: int) -> Array:
    """(..., N, gates * H) as a view (..., gates, N, H): what is written to it is written to ``a``."""
    *leading, width = a.shape
    return a.reshape(*leading, gates, width // gates).swapaxes(-3, -2)


def slope_of_tanh(y: Array, out: Array) -> Array:
    """``1 - y²`` for ``y = tanh(x)``, in place of ``out``."""
    xp.multiply(y, y, out=out)
    return xp.subtract(1, out, out=out)


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
