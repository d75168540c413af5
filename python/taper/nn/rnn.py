"""Recurrent layers and cells."""

import math
import warnings

from .. import _C
from . import functional as F
from . import init
from .linear import _empty
from .module import Module
from .parameter import Parameter
from .utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

_ops = _C._homes["taper"]
_layers = _C._homes["nn.layers"]


def _lstm_step(gates, c):
    i, f, g, o = gates.chunk(4, -1)
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    return o.sigmoid() * c.tanh(), c


def _gru_step(x_gates, h_gates, h):
    xr, xz, xn = x_gates.chunk(3, -1)
    hr, hz, hn = h_gates.chunk(3, -1)
    update = (xz + hz).sigmoid()
    candidate = (xn + (xr + hr).sigmoid() * hn).tanh()
    return candidate + update * (h - candidate)


def _of_dtype(dtype, *tensors):
    """The tensors in dtype, which under autocast is not their own; None stays."""
    return [x if x is None or x.dtype is dtype else x.to(dtype) for x in tensors]


class _Recurrent(Module):
    """Layers of a recurrent network; all time steps' input products are one matrix product."""

    _gates = 1
    # (self, inputs, state, weights, reverse) -> as _run: all steps in one operation, where there is one.
    _whole = None

    def __init__(
        self,
        input_size,
        hidden_size,
        num_layers=1,
        bias=True,
        batch_first=False,
        dropout=0.0,
        bidirectional=False,
        proj_size=0,
        device=None,
        dtype=None,
    ):
        super().__init__()
        for name, flag in (("bias", bias), ("batch_first", batch_first)):
            if not isinstance(flag, bool):
                raise TypeError(f"{name} should be of type bool, got: {type(flag).__name__}")
        if not 0 <= dropout <= 1:
            raise ValueError(
                "dropout should be a number in range [0, 1] representing the probability of an element "
                "being zeroed"
            )
        if dropout > 0 and num_layers == 1:
            warnings.warn(
                "dropout option adds dropout after all but last recurrent layer, so non-zero dropout expects "
                f"num_layers greater than 1, but got dropout={dropout} and num_layers={num_layers}",
                stacklevel=3,
            )
        if hidden_size <= 0:
            raise ValueError("hidden_size must be greater than zero")
        if num_layers <= 0:
            raise ValueError("num_layers must be greater than zero")
        if proj_size and (proj_size < 0 or proj_size >= hidden_size):
            raise ValueError("proj_size has to be smaller than hidden_size")
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.bias, self.batch_first, self.dropout = bias, batch_first, float(dropout)
        self.bidirectional, self.proj_size = bidirectional, proj_size
        directions = 2 if bidirectional else 1
        rows, out = self._gates * hidden_size, proj_size or hidden_size
        for layer in range(num_layers):
            for direction in range(directions):
                suffix = f"_l{layer}" + ("_reverse" if direction else "")
                width = input_size if layer == 0 else out * directions
                self.register_parameter(
                    "weight_ih" + suffix, Parameter(_empty(rows, width, dtype=dtype, device=device))
                )
                self.register_parameter(
                    "weight_hh" + suffix, Parameter(_empty(rows, out, dtype=dtype, device=device))
                )
                if bias:
                    self.register_parameter(
                        "bias_ih" + suffix, Parameter(_empty(rows, dtype=dtype, device=device))
                    )
                    self.register_parameter(
                        "bias_hh" + suffix, Parameter(_empty(rows, dtype=dtype, device=device))
                    )
                if proj_size:
                    self.register_parameter(
                        "weight_hr" + suffix,
                        Parameter(_empty(proj_size, hidden_size, dtype=dtype, device=device)),
                    )
        self.reset_parameters()

    def reset_parameters(self):
        """Uniform in +-1 / sqrt(hidden_size)."""
        bound = 1.0 / math.sqrt(self.hidden_size)
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    def flatten_parameters(self):
        """Nothing to do: weights are used where they are."""

    @property
    def all_weights(self):
        """Weights by layer and direction."""
        suffixes = [
            f"_l{i}" + ("_reverse" if d else "")
            for i in range(self.num_layers)
            for d in range(2 if self.bidirectional else 1)
        ]
        names = ["weight_ih", "weight_hh"] + (["bias_ih", "bias_hh"] if self.bias else [])
        return [
            [self._parameters[name + suffix] for name in names + (["weight_hr"] if self.proj_size else [])]
            for suffix in suffixes
        ]

    def _step(self, x_gates, state, weight_hh, bias_hh, weight_hr):
        raise NotImplementedError

    def _run(self, inputs, state, suffix, lengths, reverse):
        """inputs [T, N, width], state of one layer and direction -> outputs [T, N, out], last state."""
        p = self._parameters
        bias_ih, bias_hh = p.get("bias_ih" + suffix), p.get("bias_hh" + suffix)
        weight_ih, weight_hh, weight_hr = (
            p["weight_ih" + suffix],
            p["weight_hh" + suffix],
            p.get("weight_hr" + suffix),
        )
        if lengths is None and weight_hr is None and type(self)._whole is not None:
            return self._whole(inputs, state, (weight_ih, weight_hh, bias_ih, bias_hh), reverse)
        gates = F.linear(inputs, weight_ih, bias_ih).unbind(0)
        steps = range(len(gates))
        outputs = [None] * len(gates)
        for t in reversed(steps) if reverse else steps:
            new = self._step(gates[t], state, weight_hh, bias_hh, weight_hr)
            if lengths is not None:
                alive = lengths[t]
                new = tuple(_ops["where"](alive, n, s) for n, s in zip(new, state))
            state = new
            outputs[t] = state[0] if lengths is None else state[0] * lengths[t]
        return _ops["stack"](outputs), state

    def _initial(self, hx, batch, dtype):
        raise NotImplementedError

    def forward(self, input, hx=None):
        packed = input if isinstance(input, PackedSequence) else None
        masks = None
        if packed is not None:
            input, sizes = pad_packed_sequence(packed)
            if packed.unsorted_indices is not None:
                input = input.index_select(1, packed.sorted_indices)
                sizes = sizes.index_select(0, packed.sorted_indices.cpu())
                hx = self._permuted(hx, packed.sorted_indices)
            steps = _ops["arange"](input.shape[0], device=input.device).unsqueeze(1)
            masks = (steps < sizes.to(input.device).unsqueeze(0)).unsqueeze(-1).unbind(0)
        elif input.ndim not in (2, 3):
            raise ValueError(
                f"{type(self).__name__}: expected input to be 2D or 3D, got {input.ndim}D instead"
            )
        unbatched = input.ndim == 2
        if unbatched:
            input = input.unsqueeze(1)
            hx = None if hx is None else self._map(hx, lambda h: h.unsqueeze(1))
        elif self.batch_first and packed is None:
            input = input.transpose(0, 1)
        if input.shape[-1] != self.input_size:
            raise _C.ShapeError(
                f"{type(self).__name__}: input.size(-1) must be equal to input_size. Expected "
                f"{self.input_size}, got {input.shape[-1]}"
            )
        states = self._initial(hx, input.shape[1], input.dtype)
        output, final = self._layers(input, states, masks)
        if packed is not None:
            output = pack_padded_sequence(output, sizes, enforce_sorted=True)
            output = PackedSequence(
                output.data, output.batch_sizes, packed.sorted_indices, packed.unsorted_indices
            )
            if packed.unsorted_indices is not None:
                final = tuple(h.index_select(1, packed.unsorted_indices) for h in final)
        elif unbatched:
            output, final = output.squeeze(1), tuple(h.squeeze(1) for h in final)
        elif self.batch_first:
            output = output.transpose(0, 1)
        return output, self._final(final)

    def _layers(self, input, states, masks):
        directions = 2 if self.bidirectional else 1
        finals = []
        for layer in range(self.num_layers):
            outputs = []
            for direction in range(directions):
                number = layer * directions + direction
                suffix = f"_l{layer}" + ("_reverse" if direction else "")
                state = tuple(part[number] for part in states)
                output, last = self._run(input, state, suffix, masks, direction == 1)
                outputs.append(output)
                finals.append(last)
            input = outputs[0] if directions == 1 else _ops["cat"](outputs, -1)
            if self.dropout and layer + 1 < self.num_layers:
                input = F.dropout(input, self.dropout, self.training)
        return input, tuple(_ops["stack"](parts) for parts in zip(*finals))

    def _zeros(self, batch, width, dtype):
        count = self.num_layers * (2 if self.bidirectional else 1)
        return _ops["zeros"]((count, batch, width), dtype=dtype, device=self.weight_hh_l0.device)

    def _check_state(self, h, batch, width):
        expected = (self.num_layers * (2 if self.bidirectional else 1), batch, width)
        if tuple(h.shape) != expected:
            raise _C.ShapeError(
                f"{type(self).__name__}: expected hidden size {expected}, got {list(h.shape)}"
            )

    def _map(self, hx, function):
        return tuple(function(h) for h in hx) if isinstance(hx, tuple) else function(hx)

    def _permuted(self, hx, order):
        return None if hx is None else self._map(hx, lambda h: h.index_select(1, order))

    def extra_repr(self):
        text = f"{self.input_size}, {self.hidden_size}"
        if self.proj_size:
            text += f", proj_size={self.proj_size}"
        if self.num_layers != 1:
            text += f", num_layers={self.num_layers}"
        if self.bias is not True:
            text += f", bias={self.bias}"
        if self.batch_first:
            text += ", batch_first=True"
        if self.dropout:
            text += f", dropout={self.dropout}"
        if self.bidirectional:
            text += ", bidirectional=True"
        return text


class _SingleState(_Recurrent):
    def _initial(self, hx, batch, dtype):
        if hx is None:
            return (self._zeros(batch, self.hidden_size, dtype),)
        self._check_state(hx, batch, self.hidden_size)
        return (hx,)

    def _final(self, final):
        return final[0]


class RNN(_SingleState):
    """Elman's network: h = tanh(W x + b + U h + c)."""

    def __init__(
        self,
        input_size,
        hidden_size,
        num_layers=1,
        nonlinearity="tanh",
        bias=True,
        batch_first=False,
        dropout=0.0,
        bidirectional=False,
        device=None,
        dtype=None,
    ):
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"Unknown nonlinearity '{nonlinearity}'. Select from 'tanh' or 'relu'.")
        super().__init__(
            input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, 0, device, dtype
        )
        self.nonlinearity = nonlinearity

    def _step(self, x_gates, state, weight_hh, bias_hh, weight_hr):
        total = x_gates + F.linear(state[0], weight_hh, bias_hh)
        return (total.tanh() if self.nonlinearity == "tanh" else total.relu(),)


class GRU(_SingleState):
    """Gated recurrent units: Cho et al. 2014, arXiv:1406.1078."""

    _gates = 3

    def __init__(
        self,
        input_size,
        hidden_size,
        num_layers=1,
        bias=True,
        batch_first=False,
        dropout=0.0,
        bidirectional=False,
        device=None,
        dtype=None,
    ):
        super().__init__(
            input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, 0, device, dtype
        )

    def _whole(self, inputs, state, weights, reverse):
        weight_ih, weight_hh, bias_ih, bias_hh = weights
        gates = F.linear(inputs, weight_ih, bias_ih)
        output = _layers["gru_layer"](
            gates.flip(0) if reverse else gates, *_of_dtype(gates.dtype, state[0], weight_hh, bias_hh)
        )
        return output.flip(0) if reverse else output, (output[-1],)

    def _step(self, x_gates, state, weight_hh, bias_hh, weight_hr):
        return (_gru_step(x_gates, F.linear(state[0], weight_hh, bias_hh), state[0]),)


class LSTM(_Recurrent):
    """Long short-term memory: Hochreiter & Schmidhuber 1997."""

    _gates = 4

    def _initial(self, hx, batch, dtype):
        out = self.proj_size or self.hidden_size
        if hx is None:
            return self._zeros(batch, out, dtype), self._zeros(batch, self.hidden_size, dtype)
        self._check_state(hx[0], batch, out)
        self._check_state(hx[1], batch, self.hidden_size)
        return hx

    def _final(self, final):
        return final

    def _whole(self, inputs, state, weights, reverse):
        weight_ih, weight_hh, bias_ih, bias_hh = weights
        gates = F.linear(inputs, weight_ih, None if bias_ih is None else bias_ih + bias_hh)
        output, cells = _layers["lstm_layer"](
            gates.flip(0) if reverse else gates, *_of_dtype(gates.dtype, *state, weight_hh)
        )
        return output.flip(0) if reverse else output, (output[-1], cells[-1])

    def _step(self, x_gates, state, weight_hh, bias_hh, weight_hr):
        h, c = _lstm_step(x_gates + F.linear(state[0], weight_hh, bias_hh), state[1])
        return (h if weight_hr is None else F.linear(h, weight_hr)), c


class _Cell(Module):
    _gates = 1

    def __init__(self, input_size, hidden_size, bias=True, device=None, dtype=None):
        super().__init__()
        self.input_size, self.hidden_size, self.bias = input_size, hidden_size, bias
        rows = self._gates * hidden_size
        self.weight_ih = Parameter(_empty(rows, input_size, dtype=dtype, device=device))
        self.weight_hh = Parameter(_empty(rows, hidden_size, dtype=dtype, device=device))
        self.register_parameter(
            "bias_ih", Parameter(_empty(rows, dtype=dtype, device=device)) if bias else None
        )
        self.register_parameter(
            "bias_hh", Parameter(_empty(rows, dtype=dtype, device=device)) if bias else None
        )
        self.reset_parameters()

    def reset_parameters(self):
        """Draws all parameters anew, uniform within 1 / sqrt(hidden_size)."""
        bound = 1.0 / math.sqrt(self.hidden_size) if self.hidden_size > 0 else 0
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    def _state(self, input, h):
        if h is not None and h.ndim not in (1, 2):
            raise _C.ShapeError(
                f"{type(self).__name__}: expected hidden to be 1D or 2D, got {h.ndim}D of shape "
                f"{tuple(h.shape)}"
            )
        return input.new_zeros(*input.shape[:-1], self.hidden_size) if h is None else h

    def extra_repr(self):
        return f"{self.input_size}, {self.hidden_size}" + ("" if self.bias else ", bias=False")


class RNNCell(_Cell):
    """One step of RNN."""

    def __init__(self, input_size, hidden_size, bias=True, nonlinearity="tanh", device=None, dtype=None):
        super().__init__(input_size, hidden_size, bias, device, dtype)
        self.nonlinearity = nonlinearity

    def extra_repr(self):
        other = "" if self.nonlinearity == "tanh" else f", nonlinearity={self.nonlinearity}"
        return super().extra_repr() + other

    def forward(self, input, hx=None):
        h = self._state(input, hx)
        total = F.linear(input, self.weight_ih, self.bias_ih) + F.linear(h, self.weight_hh, self.bias_hh)
        return total.tanh() if self.nonlinearity == "tanh" else total.relu()


class GRUCell(_Cell):
    """One step of GRU."""

    _gates = 3

    def forward(self, input, hx=None):
        h = self._state(input, hx)
        return _gru_step(
            F.linear(input, self.weight_ih, self.bias_ih), F.linear(h, self.weight_hh, self.bias_hh), h
        )


class LSTMCell(_Cell):
    """One step of LSTM."""

    _gates = 4

    def forward(self, input, hx=None):
        h, c = (self._state(input, state) for state in hx or (None, None))
        return _lstm_step(
            F.linear(input, self.weight_ih, self.bias_ih) + F.linear(h, self.weight_hh, self.bias_hh), c
        )
