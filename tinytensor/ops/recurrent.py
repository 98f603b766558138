"""RNN, GRU and LSTM layers over a whole sequence, one op each: a fast forward and a fast rule beside the definition.

The input projection of all steps, `a`, is computed before; stacks of layers are in `nn.recurrent`. The sigmoid of x is
(1 + tanh(x / 2)) / 2, so that one tanh computes all gates of a step.
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
    """Raise unless the shapes fit each other, and there is at least one step."""
    size = weight.shape[-1]
    state = (a.shape[1], size) if a.ndim == 3 else None
    expected = {"a": (*a.shape[:2], gates * size), "weight": (gates * size, size), "h": state, "c": state,
              "bias": (gates * size,)}
    for key, x in {"weight": weight, "a": a, "h": h, **others}.items():
        if x is not None and x.shape != expected[key]:
            rows = f"{gates} H" if gates > 1 else "H"
            raise ValueError(f"{name}: got {key} of shape {x.shape}, with a of shape {a.shape} and weight of shape "
                             f"{weight.shape}; expected a (T, B, {rows}), weight ({rows}, H), states (B, H); project "
                             f"the inputs first, as nn.{name.upper()} does")
    if not len(a):
        raise ValueError(f"{name}: got a of shape {a.shape}; expected at least one step; leave out empty sequences")


def split_last_axis(x: Any, n: int) -> list[Any]:
    """The last axis split into n equal parts, as views."""
    size = x.shape[-1] // n
    return [x[..., k * size : (k + 1) * size] for k in range(n)]


def previous_states(states: Any, h: Any) -> Any:
    """The state before each step, (T B, H): h, then all of `states`, (T, B, H), but the last."""
    return as_rows(np.concatenate((h[None], states[:-1])))


def share_backward(backward: Callable[..., Any]) -> Callable[..., Any]:
    """Run the backward pass through time once, and share its results between the rules of all inputs."""

    def shared(g: Any, y: Any, weight: Any, h: Any, extras: Any) -> Any:
        memo, *kept = extras
        if memo.get("g") is not g:
            memo.update(g=g, grads=backward(g, y, weight, h, *kept))
        return [x[...] for x in memo["grads"]]  # subtle: views, so that no leaf adopts the shared array as its grad

    return shared


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
    derivative = ~(y <= 0) if nonlinearity == "relu" else 1 - y * y
    gh: Any = 0
    grads = []
    for t in reversed(range(len(y))):
        d = g[t] + gh
        d *= derivative[t]
        gh = d @ weight
        grads.append(d)
    return np.concatenate(grads[::-1]), gh  # (T B, H), (B, H)


@op(lambda g, y, a, weight, h, *, extras, **_: rnn_backward(g, y, weight, h, extras)[0].reshape(a.shape),
    lambda g, y, a, weight, h, *, extras, **_: rnn_backward(g, y, weight, h, extras)[0].T @ previous_states(y, h),
    lambda g, y, a, weight, h, *, extras, **_: rnn_backward(g, y, weight, h, extras)[1],
    definition=rnn_definition,
    samples=(S((3, 2, 2), (2, 2), (2, 2)), S((3, 2, 2), (2, 2), (2, 2), nonlinearity="relu")))
def rnn(a: Any, weight: Any, h: Any, nonlinearity: str = "tanh") -> Any:
    """The states of a simple recurrent network (Elman 1990): h = tanh(a[t] + h @ weight.T) at each step t.

    Parameters
    ----------
    a : (T, B, H)
        The projected input of each step, with all biases.
    weight : (H, H)
        The recurrent weight.
    h : (B, H)
        The initial state.
    nonlinearity : {"tanh", "relu"}

    Returns
    -------
    (T, B, H)
        The state after each step.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.rnn(tt.ones(2, 1, 1), tt.ones(1, 1), tt.zeros(1, 1)).reshape(-1)  # tanh(1), tanh(1 + tanh(1))
    tensor([0.7616, 0.9427])
    """
    check_shapes("rnn", 1, a, weight, h)
    if nonlinearity not in ("tanh", "relu"):
        raise ValueError(f"rnn: got nonlinearity={nonlinearity!r}; expected 'tanh' or 'relu'; compose any other of ops")
    w, states = np.positive(weight.T, order="C"), []  # with contiguous rows a product takes half the time
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
    dh_dn = (1 - z) * (1 - n * n)
    before = previous_states(y, h).reshape(y.shape)
    dh_du = np.concatenate((dh_dn * u * r * (1 - r), (before - n) * z * (1 - z), dh_dn * r), -1)
    gh_next: Any = 0
    reaching, grads = [], []
    for t in reversed(range(len(y))):
        gh = g[t] + gh_next
        d = np.concatenate((gh, gh, gh), 1)
        d *= dh_du[t]
        gh_next = d @ weight
        gh_next += gh * z[t]
        reaching.append(gh)
        grads.append(d)
    grad_u = np.concatenate(grads[::-1])  # (T B, 3 H)
    grad_n = as_rows(dh_dn) * np.concatenate(reaching[::-1])
    return np.concatenate((grad_u[:, : -y.shape[2]], grad_n), 1), grad_u, gh_next


@op(lambda g, y, a, weight, h, bias, *, extras: gru_backward(g, y, weight, h, extras)[0].reshape(a.shape),
    lambda g, y, a, weight, h, bias, *, extras: gru_backward(g, y, weight, h, extras)[1].T @ previous_states(y, h),
    lambda g, y, a, weight, h, bias, *, extras: gru_backward(g, y, weight, h, extras)[2],
    lambda g, y, a, weight, h, bias, *, extras: sum_rows(gru_backward(g, y, weight, h, extras)[1]),
    definition=gru_definition, samples=(S((3, 2, 6), (6, 2), (2, 2), (6,)), S((2, 1, 3), (3, 1), (1, 1))))
def gru(a: Any, weight: Any, h: Any, bias: Any = None) -> Any:
    """The states of a gated recurrent unit (Cho et al. 2014, in the variant of cuDNN and PyTorch).

    At each step t, let u be h @ weight.T + bias, and split a[t] and u into three parts each. Then r and z are
    sigmoid(a + u) of the first and second parts, n is tanh(a + r * u) of the third, and h becomes (1 - z) * n + z * h.

    Parameters
    ----------
    a : (T, B, 3 H)
        The projected input of each step, with its bias.
    weight : (3 H, H)
        The recurrent weight.
    h : (B, H)
        The initial state.
    bias : (3 H,), optional
        The recurrent bias.

    Returns
    -------
    (T, B, H)
        The state after each step.

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
    """f and s, (B, 4 H): f * tanh(f * x) + s is sigmoid(x) for the gates i, f, o, and tanh(x) for the third part, g."""
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
    tanh_c = np.tanh(cells[1:])
    dh_dc = o * (1 - tanh_c * tanh_c)
    by_gates = np.concatenate((n * i * (1 - i), cells[:-1] * f * (1 - f), i * (1 - n * n), tanh_c * o * (1 - o)), -1)
    gh_next: Any = 0
    gc, grads = g[-1], []
    for t in reversed(range(len(f))):
        gh = g[t] + gh_next
        gc = gc + gh * dh_dc[t]
        d = np.concatenate((gc, gc, gc, gh), 1)
        d *= by_gates[t]
        gc = gc * f[t]
        gh_next = d @ weight
        grads.append(d)
    return np.concatenate(grads[::-1]), gh_next, gc  # (T B, 4 H), (B, H), (B, H)


@op(lambda g, y, a, weight, h, c, *, extras: lstm_backward(g, y, weight, h, extras)[0].reshape(a.shape),
    lambda g, y, a, weight, h, c, *, extras: lstm_backward(g, y, weight, h, extras)[0].T @ previous_states(y[:-1], h),
    lambda g, y, a, weight, h, c, *, extras: lstm_backward(g, y, weight, h, extras)[1],
    lambda g, y, a, weight, h, c, *, extras: lstm_backward(g, y, weight, h, extras)[2],
    definition=lstm_definition, samples=(S((3, 2, 8), (8, 2), (2, 2), (2, 2)), S((1, 2, 4), (4, 1), (2, 1), (2, 1))))
def lstm(a: Any, weight: Any, h: Any, c: Any) -> Any:
    """The states of a long short-term memory (Hochreiter and Schmidhuber 1997, Gers et al. 2000), and its last cell.

    At each step t, split a[t] + h @ weight.T into four parts i, f, g, o. Then c becomes
    sigmoid(f) * c + sigmoid(i) * tanh(g), and h becomes sigmoid(o) * tanh(c).

    Parameters
    ----------
    a : (T, B, 4 H)
        The projected input of each step, with all biases.
    weight : (4 H, H)
        The recurrent weight.
    h, c : (B, H)
        The initial state and the initial cell.

    Returns
    -------
    (T + 1, B, H)
        h after each step, then the last c.

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
