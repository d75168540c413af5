"""Recurrent layers and cells."""

import math
import warnings

from .. import _C
from . import functional as F
from . import init
from .linear import _empty
from .module import Module
from .parameter import Parameter
from .utils.rnn import PackedSequence

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


class _Recurrent(Module):
    """Layers of a recurrent network."""

    _gates = 1
    _kind = None  # as the operation that runs the layers calls them

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
        for name, shape in self._shapes().items():
            self.register_parameter(name, Parameter(_empty(*shape, dtype=dtype, device=device)))
        self.reset_parameters()

    def _shapes(self):
        """By name: the shapes of the weights, by layer and direction."""
        directions = 2 if self.bidirectional else 1
        rows, out = self._gates * self.hidden_size, self.proj_size or self.hidden_size
        shapes = {}
        for layer in range(self.num_layers):
            for direction in range(directions):
                suffix = f"_l{layer}" + ("_reverse" if direction else "")
                shapes["weight_ih" + suffix] = rows, self.input_size if layer == 0 else out * directions
                shapes["weight_hh" + suffix] = rows, out
                if self.bias:
                    shapes["bias_ih" + suffix] = shapes["bias_hh" + suffix] = (rows,)
                if self.proj_size:
                    shapes["weight_hr" + suffix] = self.proj_size, self.hidden_size
        return shapes

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

    def _initial(self, hx, batch, dtype):
        raise NotImplementedError

    def forward(self, input, hx=None):
        packed = input if isinstance(input, PackedSequence) else None
        batch_sizes = None
        if packed is not None:
            # In the sorted order, which is also that of the result's data.
            input, batch_sizes = packed.data, packed.batch_sizes.tolist()
            if packed.sorted_indices is not None:
                hx = self._permuted(hx, packed.sorted_indices)
        elif input.ndim not in (2, 3):
            raise ValueError(
                f"{type(self).__name__}: expected input to be 2D or 3D, got {input.ndim}D instead"
            )
        unbatched = packed is None and input.ndim == 2
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
        batch = input.shape[1] if packed is None else batch_sizes[0]
        output, *final = _layers["recurrent"](
            self._kind,
            input,
            list(self._initial(hx, batch, input.dtype)),
            [weight for weights in self.all_weights for weight in weights],
            self.num_layers,
            bool(self.bidirectional),
            self.dropout if self.training else 0.0,
            batch_sizes,
        )
        if packed is not None:
            output = PackedSequence(output, *packed[1:])
            if packed.unsorted_indices is not None:
                final = [h.index_select(1, packed.unsorted_indices) for h in final]
        elif unbatched:
            output, final = output.squeeze(1), [h.squeeze(1) for h in final]
        elif self.batch_first:
            output = output.transpose(0, 1)
        return output, self._final(tuple(final))

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

    @property
    def _kind(self):
        return f"rnn_{self.nonlinearity}"


class GRU(_SingleState):
    """Gated recurrent units: Cho et al. 2014, arXiv:1406.1078."""

    _gates, _kind = 3, "gru"

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


class LSTM(_Recurrent):
    """Long short-term memory: Hochreiter & Schmidhuber 1997."""

    _gates, _kind = 4, "lstm"

    def _initial(self, hx, batch, dtype):
        out = self.proj_size or self.hidden_size
        if hx is None:
            return self._zeros(batch, out, dtype), self._zeros(batch, self.hidden_size, dtype)
        self._check_state(hx[0], batch, out)
        self._check_state(hx[1], batch, self.hidden_size)
        return hx

    def _final(self, final):
        return final


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
