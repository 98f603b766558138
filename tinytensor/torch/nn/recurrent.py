"""RNN, GRU and LSTM, and their cells: layers of `tinytensor.nn`, which take over the parameters before each call.

No projections (`proj_size`) and no packed sequences.
"""

from __future__ import annotations

from typing import Any

from ... import nn as engine
from ..dtypes import default, numpy_dtype, on_cpu
from ..tensor import Tensor, wrap
from .arguments import probability
from .functions.offered import alike, named, node
from .layers import uniform
from .module import Module
from .parameter import Parameter, made


class Inner(Module):
    """A module that computes through a layer of the engine's, which is `_inner`."""

    _inner: Any

    def _adopt(self, inner: Any) -> None:
        """Take over the first weights of a layer, as parameters with the same names."""
        object.__setattr__(self, "_inner", inner)
        for name, x in vars(inner).items():
            if isinstance(x, engine.Parameter):
                p = made(Parameter, x.data, True)
                p.node = x
                self.register_parameter(name, p)

    def _lend(self) -> Any:
        """The layer of the engine, with the parameters as they are now."""
        own, inner = vars(self), vars(self._inner)
        for name, p in own["_parameters"].items():
            inner[name] = None if p is None else p.node
        inner["training"] = self.training
        return self._inner

    def _run(self, input: Any, hx: Any) -> Any:
        """What the layer gives; states are a tensor, or a pair of them."""
        kind = type(self).__name__
        x = node(kind, input)
        states = hx if hx is None or isinstance(hx, tuple | list) else (hx,)
        states = states if states is None else [node(kind, h, "hx") for h in states]
        first = next(p for p in self._parameters.values() if p is not None).node
        if x.data.dtype != first.data.dtype:
            alike(kind, first, input=x)
        try:
            return self._lend().forward(x, states if states is None or self._inner.kind == "lstm" else states[0])
        except ValueError as error:
            raise named(error) from None

    def reset_parameters(self) -> None:
        """Draw first weights: all uniform within 1 / sqrt(hidden_size)."""
        for p in self._parameters.values():
            uniform(p, 1 / self._inner.hidden_size**0.5)

    def extra_repr(self) -> str:
        return self._inner.extra_repr()  # type: ignore[no-any-return]


def dtype_of(device: Any, dtype: Any) -> Any:
    on_cpu(device)
    return numpy_dtype(dtype, default[0].numpy)


class Layers(Inner):
    """The base of RNN, GRU and LSTM."""

    mode: str
    inner: Any

    def __init__(self, input_size: int, hidden_size: int, num_layers: int = 1, bias: bool = True,
                 batch_first: bool = False, dropout: float = 0.0, bidirectional: bool = False, proj_size: int = 0,
                 device: Any = None, dtype: Any = None, **more: Any) -> None:
        super().__init__()
        if proj_size:
            raise ValueError(f"{type(self).__name__}: got proj_size={proj_size}; expected 0, for projections are not "
                             f"here; put a Linear layer behind")
        self.input_size, self.hidden_size, self.num_layers, self.bias = input_size, hidden_size, num_layers, bias
        dropout, bidirectional = float(probability(type(self).__name__, dropout)), bool(bidirectional)
        self.batch_first, self.dropout, self.bidirectional = batch_first, dropout, bidirectional
        self.proj_size = 0
        self._adopt(self.inner(input_size, hidden_size, num_layers, bias=bias, batch_first=batch_first, dropout=dropout,
                               bidirectional=bidirectional, dtype=dtype_of(device, dtype), **more))

    def flatten_parameters(self) -> None:
        """Nothing to do here: it serves other devices."""

    def forward(self, input: Tensor, hx: Any = None) -> Any:
        y, ends = self._run(input, hx)
        return wrap(y), tuple([wrap(h) for h in ends]) if isinstance(ends, tuple) else wrap(ends)


class RNN(Layers):
    """Plain recurrent layers (Elman 1990): h = tanh(W_ih x + b_ih + W_hh h + b_hh), step by step.

    Input (T, B, in), or (B, T, in) if `batch_first`, or (T, in); states (layers * directions, B, H), zeros if left
    out; returns all outputs and the last states.

    Examples
    --------
    >>> import tinytensor.torch as torch
    >>> output, h = torch.nn.RNN(3, 5, num_layers=2)(torch.ones(8, 32, 3))
    >>> output.shape, h.shape
    (torch.Size([8, 32, 5]), torch.Size([2, 32, 5]))
    """

    inner = engine.RNN

    def __init__(self, input_size: int, hidden_size: int, num_layers: int = 1, nonlinearity: str = "tanh",
                 bias: bool = True, batch_first: bool = False, dropout: float = 0.0, bidirectional: bool = False,
                 device: Any = None, dtype: Any = None) -> None:
        super().__init__(input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, 0, device,
                         dtype, nonlinearity=nonlinearity)
        self.nonlinearity, self.mode = nonlinearity, f"RNN_{nonlinearity.upper()}"

    def extra_repr(self) -> str:
        return super().extra_repr().replace(f", nonlinearity={self.nonlinearity}", "")


class GRU(Layers):
    """Layers of gated recurrent units (Cho et al. 2014); inputs and outputs are those of `RNN`."""

    inner, mode = engine.GRU, "GRU"


class LSTM(Layers):
    """Layers of long short-term memory (Hochreiter and Schmidhuber 1997); the states are a pair (h, c).

    Examples
    --------
    >>> import tinytensor.torch as torch
    >>> output, (h, c) = torch.nn.LSTM(3, 5)(torch.ones(8, 32, 3))
    >>> output.shape, h.shape, c.shape
    (torch.Size([8, 32, 5]), torch.Size([1, 32, 5]), torch.Size([1, 32, 5]))
    """

    inner, mode = engine.LSTM, "LSTM"


class Cell(Inner):
    """What the cells share: one step."""

    inner: Any
    note: str  # what PyTorch calls the last node of the step

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None, dtype: Any = None,
                 **more: Any) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.bias = input_size, hidden_size, bias
        self._adopt(self.inner(input_size, hidden_size, bias=bias, dtype=dtype_of(device, dtype), **more))

    def forward(self, input: Tensor, hx: Any = None) -> Any:
        ends = self._run(input, hx)
        states = [wrap(h) for h in (ends if isinstance(ends, tuple) else (ends,))]
        if states[0].node.op is not None:
            for h, note in zip(states, (self.note, "AddBackward0"), strict=False):
                h.note = note
        return tuple(states) if isinstance(ends, tuple) else states[0]


class RNNCell(Cell):
    """One step of an `RNN`: inputs (B, in) or (in,), and a state (B, H) or (H,), give the next state."""

    inner = engine.RNNCell
    note = "TanhBackward0"

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True, nonlinearity: str = "tanh",
                 device: Any = None, dtype: Any = None) -> None:
        super().__init__(input_size, hidden_size, bias, device, dtype, nonlinearity=nonlinearity)
        self.nonlinearity = nonlinearity
        if nonlinearity == "relu":
            self.note = "ReluBackward0"


class GRUCell(Cell):
    """One step of a `GRU`."""

    inner = engine.GRUCell
    note = "AddBackward0"


class LSTMCell(Cell):
    """One step of an `LSTM`: the state that comes and the one that goes is a pair (h, c)."""

    inner = engine.LSTMCell
    note = "MulBackward0"
