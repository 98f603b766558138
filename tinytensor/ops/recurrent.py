"""Recurrent layers over a whole sequence, one op each: a fast forward and a fast rule, beside the slow definition.

They take the inputs' share of all steps as projected already, `a`; stacks of layers are `nn.recurrent`. The sigmoid of
x is (1 + tanh(x / 2)) / 2, so that all gates of a step are one tanh.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from ..broadcasting import sum_rows
from ..core import S
from ..define import op
from .activation import relu
from .elementwise import sigmoid
from .join import stack
from .products import as_rows


def check_shapes(name: str, gates: int, a: Any, weight: Any, h: Any, **others: Any) -> None:
    """Raise unless shapes belong to each other, and there is a step at least."""
    size = weight.shape[-1]
    state = (a.shape[1], size) if a.ndim == 3 else None
    wanted = {"a": (*a.shape[:2], gates * size), "weight": (gates * size, size), "h": state, "c": state,
              "bias": (gates * size,)}
    for key, x in {"weight": weight, "a": a, "h": h, **others}.items():
        if x is not None and x.shape != wanted[key]:
            whole = f"{gates} H" if gates > 1 else "H"
            raise ValueError(f"{name}: {key} of shape {x.shape} came, with a of shape {a.shape} and weight of shape "
                             f"{weight.shape}; expected a (T, B, {whole}), weight ({whole}, H), states (B, H); project "
                             f"the inputs first, as nn.{name.upper()} does")
    if not len(a):
        raise ValueError(f"{name}: a of shape {a.shape} came; expected a step at least; leave empty sequences out")


def split_last_axis(x: Any, n: int) -> list[Any]:
    """The last axis cut in n equal parts, all views."""
    size = x.shape[-1] // n
    return [x[..., k * size : (k + 1) * size] for k in range(n)]


def previous_states(states: Any, h: Any) -> Any:
    """What the steps start from, (T B, H), where `states` is what they end in and h is what the first starts from."""
    return as_rows(np.concatenate((h[None], states[:-1])))


def share_backward(way: Callable[..., Any]) -> Callable[..., Any]:
    """The way back through all steps is gone for the first rule that asks, and what it found kept for the others."""

    def found(g: Any, y: Any, weight: Any, h: Any, extras: Any) -> Any:
        memo, *kept = extras
        if memo.get("g") is not g:
            memo.update(g=g, found=way(g, y, weight, h, *kept))
        return [x[...] for x in memo["found"]]  # subtle: views, so that no leaf takes for its own what is kept here

    return found


# --- rnn ---


def rnn_definition(a: Any, weight: Any, h: Any, nonlinearity: str = "tanh") -> Any:
    states = []
    for t in range(len(a)):
        z = a[t] + h @ weight.T
        h = relu(z) if nonlinearity == "relu" else np.tanh(z)
        states.append(h)
    return stack(states)


@share_backward
def rnn_backward(g: Any, y: Any, weight: Any, h: Any, nonlinearity: str) -> Any:
    slope = ~(y <= 0) if nonlinearity == "relu" else 1 - y * y
    back: Any = 0
    found = []
    for t in reversed(range(len(y))):
        d = g[t] + back
        d *= slope[t]
        back = d @ weight
        found.append(d)
    return np.concatenate(found[::-1]), back  # (T B, H), (B, H)


@op(lambda g, y, a, weight, h, *, extras, **_: rnn_backward(g, y, weight, h, extras)[0].reshape(a.shape),
    lambda g, y, a, weight, h, *, extras, **_: rnn_backward(g, y, weight, h, extras)[0].T @ previous_states(y, h),
    lambda g, y, a, weight, h, *, extras, **_: rnn_backward(g, y, weight, h, extras)[1],
    definition=rnn_definition, samples=(S((3, 2, 2), (2, 2), (2, 2)), S((3, 2, 2), (2, 2), (2, 2), nonlinearity="relu")))
def rnn(a: Any, weight: Any, h: Any, nonlinearity: str = "tanh") -> Any:
    """The states of a plain recurrent network (Elman 1990): h = tanh(a[t] + h @ weight.T), step by step.

    Parameters
    ----------
    a : (T, B, H)
        What each step's input adds, biases included.
    weight : (H, H)
    h : (B, H)
        What the first step starts from.
    nonlinearity : {"tanh", "relu"}

    Returns
    -------
    (T, B, H)

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.rnn(tt.ones(2, 1, 1), tt.ones(1, 1), tt.zeros(1, 1)).reshape(-1)  # tanh(1), tanh(1 + tanh(1))
    tensor([0.7616, 0.9427])
    """
    check_shapes("rnn", 1, a, weight, h)
    if nonlinearity not in ("tanh", "relu"):
        raise ValueError(f"rnn: nonlinearity {nonlinearity!r} came; expected 'tanh' or 'relu'; compose another of ops")
    w, states = np.positive(weight.T, order="C"), []  # in the memory's order a product takes half the time
    for t in range(len(a)):
        h = h @ w
        h += a[t]
        h = np.maximum(h, 0, out=h) if nonlinearity == "relu" else np.tanh(h, out=h)
        states.append(h)
    return np.stack(states), ({}, nonlinearity)


# --- gru ---


def gru_definition(a: Any, weight: Any, h: Any, bias: Any = None) -> Any:
    states = []
    for t in range(len(a)):
        u = h @ weight.T
        (ar, az, an), (ur, uz, un) = split_last_axis(a[t], 3), split_last_axis(u if bias is None else u + bias, 3)
        z, n = sigmoid(az + uz), np.tanh(an + sigmoid(ar + ur) * un)
        h = n + z * (h - n)
        states.append(h)
    return stack(states)


@share_backward
def gru_backward(g: Any, y: Any, weight: Any, h: Any, gates: Any, hidden: Any, new: Any) -> Any:
    r, z = split_last_axis(np.stack(gates), 2)  # (T, B, H) each, as n and u
    n, u = np.stack(new), split_last_axis(np.stack(hidden), 3)[2]
    to_n = (1 - z) * (1 - n * n)
    to_u = np.concatenate((to_n * u * r * (1 - r), (previous_states(y, h).reshape(y.shape) - n) * z * (1 - z), to_n * r), -1)
    back: Any = 0
    reached, found = [], []
    for t in reversed(range(len(y))):
        gh = g[t] + back
        d = np.concatenate((gh, gh, gh), 1)
        d *= to_u[t]
        back = d @ weight
        back += gh * z[t]
        reached.append(gh)
        found.append(d)
    of_u = np.concatenate(found[::-1])  # (T B, 3 H)
    of_n = as_rows(to_n) * np.concatenate(reached[::-1])
    return np.concatenate((of_u[:, : -y.shape[2]], of_n), 1), of_u, back


@op(lambda g, y, a, weight, h, bias, *, extras: gru_backward(g, y, weight, h, extras)[0].reshape(a.shape),
    lambda g, y, a, weight, h, bias, *, extras: gru_backward(g, y, weight, h, extras)[1].T @ previous_states(y, h),
    lambda g, y, a, weight, h, bias, *, extras: gru_backward(g, y, weight, h, extras)[2],
    lambda g, y, a, weight, h, bias, *, extras: sum_rows(gru_backward(g, y, weight, h, extras)[1]),
    definition=gru_definition, samples=(S((3, 2, 6), (6, 2), (2, 2), (6,)), S((2, 1, 3), (3, 1), (1, 1))))
def gru(a: Any, weight: Any, h: Any, bias: Any = None) -> Any:
    """The states of gated recurrent units (Cho et al. 2014, in the variant of cuDNN and PyTorch), step by step.

    With u = h @ weight.T + bias, and a[t] and u in three parts: r and z are sigmoid(a + u) of the first two,
    n = tanh(a + r * u) of the third, and h = (1 - z) * n + z * h.

    Parameters
    ----------
    a : (T, B, 3 H)
        What each step's input adds, its biases included.
    weight : (3 H, H)
    h : (B, H)
        What the first step starts from.
    bias : (3 H,), optional

    Returns
    -------
    (T, B, H)

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.gru(tt.zeros(2, 1, 3), tt.zeros(3, 1), tt.ones(1, 1)).reshape(-1)  # z = 1 / 2, n = 0
    tensor([0.5 , 0.25])
    """
    check_shapes("gru", 3, a, weight, h, bias=bias)
    w, size = np.positive(weight.T, order="C"), h.shape[1]
    steps = []
    for t in range(len(a)):
        u = h @ w  # (B, 3 H)
        u = u if bias is None else np.add(u, bias, out=u)
        rz = u[:, : 2 * size] + a[t, :, : 2 * size]
        rz *= 0.5
        np.tanh(rz, out=rz)
        rz *= 0.5
        rz += 0.5
        n = rz[:, :size] * u[:, 2 * size :]
        n += a[t, :, 2 * size :]
        np.tanh(n, out=n)
        h = h - n
        h *= rz[:, size:]
        h += n
        steps.append((h, rz, u, n))
    states, *kept = zip(*steps, strict=True)
    return np.stack(states), ({}, *kept)


# --- lstm ---


@lru_cache(maxsize=64)
def gate_factors(batch: int, size: int, dtype: Any) -> tuple[Any, Any]:
    """f and s (B, 4 H), so that f * tanh(f * x) + s is sigmoid(x) in gates i, f, o and tanh(x) in the third, g."""
    factor = np.full((batch, 4, size), 0.5, dtype)
    factor[:, 2] = 1
    factor = factor.reshape(batch, 4 * size)
    shift = 1 - factor
    factor.flags.writeable = shift.flags.writeable = False
    return factor, shift


def lstm_definition(a: Any, weight: Any, h: Any, c: Any) -> Any:
    states = []
    for t in range(len(a)):
        i, f, g, o = split_last_axis(a[t] + h @ weight.T, 4)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        states.append(h)
    return stack([*states, c])


@share_backward
def lstm_backward(g: Any, y: Any, weight: Any, h: Any, c: Any, gates: Any, cells: Any) -> Any:
    i, f, n, o = split_last_axis(np.stack(gates), 4)  # (T, B, H) each
    cells = np.stack((c, *cells))  # (T + 1, B, H)
    e = np.tanh(cells[1:])
    to_c = o * (1 - e * e)
    to_a = np.concatenate((n * i * (1 - i), cells[:-1] * f * (1 - f), i * (1 - n * n), e * o * (1 - o)), -1)
    back: Any = 0
    gc, found = g[-1], []
    for t in reversed(range(len(f))):
        gh = g[t] + back
        gc = gc + gh * to_c[t]
        d = np.concatenate((gc, gc, gc, gh), 1)
        d *= to_a[t]
        gc = gc * f[t]
        back = d @ weight
        found.append(d)
    return np.concatenate(found[::-1]), back, gc  # (T B, 4 H), (B, H), (B, H)


@op(lambda g, y, a, weight, h, c, *, extras: lstm_backward(g, y, weight, h, extras)[0].reshape(a.shape),
    lambda g, y, a, weight, h, c, *, extras: lstm_backward(g, y, weight, h, extras)[0].T @ previous_states(y[:-1], h),
    lambda g, y, a, weight, h, c, *, extras: lstm_backward(g, y, weight, h, extras)[1],
    lambda g, y, a, weight, h, c, *, extras: lstm_backward(g, y, weight, h, extras)[2],
    definition=lstm_definition, samples=(S((3, 2, 8), (8, 2), (2, 2), (2, 2)), S((1, 2, 4), (4, 1), (2, 1), (2, 1))))
def lstm(a: Any, weight: Any, h: Any, c: Any) -> Any:
    """The states of long short-term memory (Hochreiter and Schmidhuber 1997, Gers et al. 2000), and its last cells.

    With a[t] + h @ weight.T in four parts i, f, g, o: c = sigmoid(f) * c + sigmoid(i) * tanh(g), and
    h = sigmoid(o) * tanh(c).

    Parameters
    ----------
    a : (T, B, 4 H)
        What each step's input adds, biases included.
    weight : (4 H, H)
    h, c : (B, H)
        What the first step starts from.

    Returns
    -------
    (T + 1, B, H)
        h of each step, and behind them the last c.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.lstm(tt.zeros(2, 1, 4), tt.zeros(4, 1), tt.zeros(1, 1), tt.ones(1, 1)).reshape(-1)  # c is halved twice
    tensor([0.2311, 0.1225, 0.25  ])
    """
    check_shapes("lstm", 4, a, weight, h, c=c)
    w, size = np.positive(weight.T, order="C"), h.shape[1]
    factor, shift = gate_factors(len(h), size, a.dtype)
    start, steps = c, []
    for t in range(len(a)):
        z = h @ w  # (B, 4 H)
        z += a[t]
        z *= factor
        np.tanh(z, out=z)
        z *= factor
        z += shift
        c = z[:, size : 2 * size] * c
        c += z[:, :size] * z[:, 2 * size : 3 * size]
        h = np.tanh(c)
        h *= z[:, 3 * size :]
        steps.append((h, z, c))
    states, *kept = zip(*steps, strict=True)
    return np.stack((*states, c)), ({}, start, *kept)
