"""Layers with a memory that take whole sequences (N, T, D): RNN, LSTM and GRU.

``common.layers.cells`` has their formulas, one time step at a time, written to be read. The layers here give
the same numbers several times faster:

* The inputs of all time steps are known at the start. One matrix product serves them all, and all gates. What
  waits for the step before, ``h @ Wh``, is all that the loop has to multiply.
* Time comes first in memory, ``(T, N, H)``, so that each step works on numbers that lie side by side.
* Arrays are made once for all steps and filled in place. No object is made for a step.
* A matrix product leaves the gates side by side. Before anything else is done with them, the gates of a step
  are copied apart, so that each is one piece of memory, which NumPy handles faster (chapter 6 measures it).
* Backward, the loop computes what each gate gets back, and no more. The gradients of weights and inputs
  follow in one product each.
"""

from __future__ import annotations

from typing import Any

from common.backend import Array, xp
from common.functions import sigmoid
from common.layers.base import Layer
from common.layers.cells import require_weights
from common.support.require import require_float, require_mask, require_shape


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

    def ordered(self, a: Array | int) -> Any:
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
    state: tuple[Array, ...]
    dstate: tuple[Array, ...]

    def __init__(self, *params: Array, stateful: bool = False) -> None:
        require_weights(self.names, params, self.gates)
        super().__init__(*params)
        self.stateful = stateful
        self.carried = tuple(f"start_{name}" for name in self.state_names)  # where the next forward begins
        self.reset_state()

    # The state between two calls of forward; after reset_state the next begins at zero

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
        """The hidden states of all steps, (N, T, H).

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
        """The gradient of xs, (N, T, D); ``dstate`` then holds that of the first state.

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

    def unroll(self, a: Array, *states: Any) -> None:
        """Go through time: ``a`` (T, N, gates * H) holds what the inputs give to each gate; fill ``states``
        (T + 1, N, H), whose place 0 holds the first."""
        raise NotImplementedError

    def unroll_back(self, dhs: Array, *dstate: Any) -> tuple[Array, Array]:
        """Go back through time: ``dhs`` (T, N, H); return what ``x Wx`` and ``h Wh`` get back, and leave the
        gradient of the first state in ``self.dstate``."""
        raise NotImplementedError

    def _first_state(self, N: int) -> tuple[Array | int, ...]:
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


def time_first(xs: Array) -> Array:
    """Lay (N, T, D) out as (T, N, D), each time step one piece of memory."""
    return xp.ascontiguousarray(xs.swapaxes(0, 1))


def by_gate(a: Array, gates: int) -> Array:
    """(..., N, gates * H) as a view (..., gates, N, H): what is written to it is written to ``a``."""
    *leading, width = a.shape
    return a.reshape(*leading, gates, width // gates).swapaxes(-3, -2)


def slope_of_tanh(y: Array, out: Array) -> Array:
    """``1 - y²`` for ``y = tanh(x)``, in place of ``out``."""
    xp.multiply(y, y, out=out)
    return xp.subtract(1, out, out=out)
