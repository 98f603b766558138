"""RNN, GRU and LSTM: layers over whole sequences, and the cells that take one step.

No projections (`proj_size`) and no packed sequences: those of a batch are of one length. The ops `rnn`, `gru` and
`lstm` compute; a cell is a layer on a sequence of one step.
"""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from ..advice import a_type
from ..core import Tensor
from ..ops import recurrent as ops
from ..random import as_generator, seeded
from . import functional as F
from . import init
from .arguments import check_size, dtype_error
from .dropout import check_probability
from .dropout import dropout as dropped
from .hidden import outside
from .module import Module
from .parameter import Parameter

GATES = {"rnn": 1, "gru": 3, "lstm": 4}
WEIGHTS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


class Recurrent(Module):
    """The base of layers and cells: the weights, the steps, and the checks."""

    kind = "rnn"
    nonlinearity: str

    def __init__(self, input_size: int, hidden_size: int, bias: bool) -> None:
        super().__init__()
        self.input_size = check_size(type(self).__name__, "input_size", input_size)
        self.hidden_size = check_size(type(self).__name__, "hidden_size", hidden_size)
        self.bias = bias

    def _choose(self, nonlinearity: str) -> None:
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"{type(self).__name__}: got nonlinearity={nonlinearity!r}; expected 'tanh' or 'relu'; "
                             f"choose one of them")
        self.nonlinearity = nonlinearity

    def _add_weights(self, inputs: int, dtype: Any, rng: init.Rng, suffix: str = "") -> None:
        """PyTorch's names and numbers: all uniform within 1 / sqrt(H), drawn in this order."""
        n, bound = GATES[self.kind] * self.hidden_size, 1 / math.sqrt(self.hidden_size)
        for name, shape in zip(WEIGHTS, ((n, inputs), (n, self.hidden_size), (n,), (n,)), strict=True):
            drawn = self.bias or len(shape) == 2
            setattr(self, name + suffix, init.uniform_(Parameter(np.empty(shape, dtype)), -bound, bound, rng)
                    if drawn else None)

    def _steps(self, x: Any, states: list[Any], suffix: str = "") -> tuple[Any, list[Any]]:
        """The outputs (T, B, H) of inputs (T, B, in), and the states (B, H) that the last step ends in."""
        weight_ih, weight_hh, bias_ih, bias_hh = (getattr(self, name + suffix) for name in WEIGHTS)
        if self.kind == "gru":  # the bias of its third part is multiplied by a gate
            y = ops.gru(F.linear(x, weight_ih, bias_ih), weight_hh, *states, bias_hh)
            return y, [y[-1]]
        a = F.linear(x, weight_ih, bias_ih if bias_ih is None else bias_ih + bias_hh)  # of all steps: one product
        if self.kind == "lstm":
            y = ops.lstm(a, weight_hh, *states)
            return y[:-1], [y[-2], y[-1]]
        y = ops.rnn(a, weight_hh, *states, nonlinearity=self.nonlinearity)
        return y, [y[-1]]

    def _check(self, x: Any, weight: Any, axes: str, alone: str) -> None:
        """Raise unless x has the weights' dtype and these axes, or those of one sequence alone, before its inputs."""
        if getattr(x, "dtype", None) != weight.data.dtype:
            raise dtype_error(self.kind, x, weight)
        if x.ndim not in (axes.count(","), axes.count(",") + 1) or x.shape[-1] != self.input_size:
            raise ValueError(f"{self.kind}: got x of shape {x.shape}; expected ({axes}{self.input_size}), or "
                             f"({alone}{self.input_size}) without a batch; reshape x, or make the layer for its size")

    def _states(self, hx: Any, x: Any, shape: tuple[int, ...]) -> list[Any]:
        """The initial states, of this shape: those given, or zeros."""
        names = ("h", "c") if self.kind == "lstm" else ("h",)
        if hx is None:
            return [np.zeros(shape, x.dtype)] * len(names)
        if self.kind == "lstm" and not (isinstance(hx, tuple | list) and len(hx) == 2):
            raise TypeError(f"lstm: got {a_type(hx)} as the state; expected a pair (h, c); pass both, as a "
                            f"call returns them")
        states = list(hx) if self.kind == "lstm" else [hx]
        for name, state in zip(names, states, strict=True):
            if getattr(state, "dtype", None) != x.dtype or state.shape != shape:
                got = (f"{name} of dtype {state.dtype} and shape {state.shape}" if hasattr(state, "dtype") else
                       f"{a_type(state)} for {name}")
                raise ValueError(f"{self.kind}: got {got} with x of shape {x.shape}; expected dtype {x.dtype} and "
                                 f"shape {shape}; pass what the last call returned, or leave it out for zeros")
        return states

    def extra_repr(self) -> str:
        optional = {"num_layers": 1, "bias": True, "batch_first": False, "dropout": 0, "bidirectional": False,
                    "nonlinearity": "tanh"}
        own = {name: vars(self).get(name, default) for name, default in optional.items()}
        return "".join([f"{self.input_size}, {self.hidden_size}",
                        *(f", {name}={value}" for name, value in own.items() if value != optional[name])])


# --- layers ---


class StackedRecurrent(Recurrent):
    """The base of RNN, GRU and LSTM: stacked layers, each in one direction or in both."""

    weight_ih_l0: Parameter

    def __init__(self, input_size: int, hidden_size: int, num_layers: int = 1, bias: bool = True,
                 batch_first: bool = False, dropout: float = 0.0, bidirectional: bool = False, *,
                 dtype: Any = np.float32, rng: init.Rng = None, dropout_rng: Any = None) -> None:
        super().__init__(input_size, hidden_size, bias)
        name = type(self).__name__
        self.num_layers = check_size(name, "num_layers", num_layers)
        self.batch_first, self.bidirectional = batch_first, bidirectional
        if dropout and num_layers == 1:
            warnings.warn(f"{name}: dropout={dropout} has no effect in one layer, as it acts between layers; use "
                          f"num_layers=2 or more, or an nn.Dropout after this layer", stacklevel=outside())
        self.dropout, self.dropout_rng = check_probability(name, dropout), seeded(dropout_rng)
        self._suffixes = [[f"_l{k}", f"_l{k}_reverse"][: 1 + bidirectional] for k in range(num_layers)]
        rng, inputs = as_generator(rng), input_size
        for row in self._suffixes:
            for suffix in row:
                self._add_weights(inputs, dtype, rng, suffix)
            inputs = hidden_size * len(row)

    def forward(self, x: Any, hx: Any = None) -> tuple[Tensor, Any]:
        self._check(x, self.weight_ih_l0, "B, T, " if self.batch_first else "T, B, ", "T, ")
        batch = x.shape[1 - self.batch_first : 2 - self.batch_first] if x.ndim == 3 else ()
        if not x.shape[x.ndim == 3 and self.batch_first]:
            raise ValueError(f"{self.kind}: got x of shape {x.shape}, without steps; expected one or more; leave "
                             f"empty sequences out")
        states = self._states(hx, x, (self.num_layers * (1 + self.bidirectional), *batch, self.hidden_size))
        if not batch:
            x, states = x[:, None], [s[:, None] for s in states]
        elif self.batch_first:
            x = x.swapaxes(0, 1)
        last: list[list[Any]] = []
        for row in self._suffixes:
            ways = []
            for reverse, suffix in enumerate(row):
                y, ends = self._steps(np.flip(x, 0) if reverse else x, [s[len(last)] for s in states], suffix)
                ways.append(np.flip(y, 0) if reverse else y)
                last.append(ends)
            x = ways[0] if len(ways) == 1 else np.concatenate(ways, -1)  # (T, B, H) or (T, B, 2 H)
            if row is not self._suffixes[-1]:
                x = dropped(x, self.dropout, self.training, self.dropout_rng)
        ends = [np.stack(state) for state in zip(*last, strict=True)]  # (layers * directions, B, H) each
        if not batch:
            x, ends = x[:, 0], [s[:, 0] for s in ends]
        elif self.batch_first:
            x = x.swapaxes(0, 1)
        return x, tuple(ends) if self.kind == "lstm" else ends[0]


class RNN(StackedRecurrent):
    """Plain recurrent layers (Elman 1990): h = tanh(W_ih x + b_ih + W_hh h + b_hh), step by step.

    Parameters
    ----------
    input_size, hidden_size : int
    num_layers : int
        How many layers are stacked, each on the outputs of the one before.
    nonlinearity : {"tanh", "relu"}
    bias : bool
    batch_first : bool
        Whether inputs and outputs are (B, T, ...) instead of (T, B, ...); states never are.
    dropout : float
        Dropout probability of the outputs of each layer but the last, in training.
    bidirectional : bool
        Whether each layer also runs backwards in time, with its own weights; outputs are concatenated.
    dtype, rng
        As in `Linear`; all first weights are uniform within 1 / sqrt(hidden_size), PyTorch's from the same seed.
    dropout_rng : Generator, int, numpy.random.Generator or None
        Where dropout draws its masks from; see `Dropout`.

    Shapes
    ------
    weight_ih_l0 (H, in), weight_hh_l0 (H, H), bias_ih_l0, bias_hh_l0 (H,), and so on for _l1, with _reverse;
    input (T, B, in) or (T, in), and states (layers * directions, B, H) or (layers * directions, H), zeros if left out;
    returns the outputs (T, B, directions * H) and the last states

    Raises
    ------
    ValueError
        If shapes do not fit, or there are no steps.
    TypeError
        If the input's dtype is not the weights'.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor import nn
    >>> output, h = nn.RNN(3, 5, num_layers=2)(tt.ones(8, 32, 3))
    >>> output.shape, h.shape
    ((8, 32, 5), (2, 32, 5))
    """

    def __init__(self, input_size: int, hidden_size: int, num_layers: int = 1, nonlinearity: str = "tanh",
                 bias: bool = True, batch_first: bool = False, dropout: float = 0.0, bidirectional: bool = False, *,
                 dtype: Any = np.float32, rng: init.Rng = None, dropout_rng: Any = None) -> None:
        super().__init__(input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, dtype=dtype,
                         rng=rng, dropout_rng=dropout_rng)
        self._choose(nonlinearity)


class GRU(StackedRecurrent):
    """Layers of gated recurrent units (Cho et al. 2014), in PyTorch's variant: see the op `gru`.

    Parameters, shapes and errors are those of `RNN`, but for the nonlinearity; weights have 3 H rows: r, z, n.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor import nn
    >>> output, h = nn.GRU(3, 5, bidirectional=True, batch_first=True)(tt.ones(32, 8, 3))
    >>> output.shape, h.shape
    ((32, 8, 10), (2, 32, 5))
    """

    kind = "gru"


class LSTM(StackedRecurrent):
    """Layers of long short-term memory (Hochreiter and Schmidhuber 1997, Gers et al. 2000): see the op `lstm`.

    Parameters, shapes and errors are those of `RNN`, but for the nonlinearity; weights have 4 H rows: i, f, g, o, and
    the states are a pair (h, c).

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor import nn
    >>> output, (h, c) = nn.LSTM(3, 5)(tt.ones(8, 32, 3))
    >>> output.shape, h.shape, c.shape
    ((8, 32, 5), (1, 32, 5), (1, 32, 5))
    """

    kind = "lstm"


# --- cells ---


class Cell(Recurrent):
    """The base of the cells: one step."""

    weight_ih: Parameter

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True, *, dtype: Any = np.float32,
                 rng: init.Rng = None) -> None:
        super().__init__(input_size, hidden_size, bias)
        self._add_weights(input_size, dtype, as_generator(rng))

    def forward(self, x: Any, hx: Any = None) -> Any:
        self._check(x, self.weight_ih, "B, ", "")
        states = self._states(hx, x, (*x.shape[:-1], self.hidden_size))
        alone = x.ndim == 1
        _, ends = self._steps(x[None, None] if alone else x[None], [s[None] if alone else s for s in states])
        ends = [s[0] for s in ends] if alone else ends
        return tuple(ends) if self.kind == "lstm" else ends[0]


class RNNCell(Cell):
    """One step of an `RNN`: inputs (B, in) and a state (B, H), zeros if left out, to the next state. B is optional.

    Parameters are those of `RNN`; weights have its names without _l0.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor import nn
    >>> cell = nn.RNNCell(3, 5)
    >>> h = cell(tt.ones(32, 3))
    >>> cell(tt.ones(32, 3), h).shape
    (32, 5)
    """

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True, nonlinearity: str = "tanh", *,
                 dtype: Any = np.float32, rng: init.Rng = None) -> None:
        super().__init__(input_size, hidden_size, bias, dtype=dtype, rng=rng)
        self._choose(nonlinearity)


class GRUCell(Cell):
    """One step of a `GRU`; see `RNNCell`.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor import nn
    >>> nn.GRUCell(3, 5)(tt.ones(32, 3)).shape
    (32, 5)
    """

    kind = "gru"


class LSTMCell(Cell):
    """One step of an `LSTM`: takes and returns the state as a pair (h, c); see `RNNCell`.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor import nn
    >>> cell = nn.LSTMCell(3, 5)
    >>> h, c = cell(tt.ones(32, 3))
    >>> h, c = cell(tt.ones(32, 3), (h, c))
    """

    kind = "lstm"
