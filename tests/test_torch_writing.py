"""Writes in place beside PyTorch: random programs of views, writes and functions give its values and its gradients.

Where PyTorch would refuse the backward pass, ours refuses too, or gives the gradient that is right: that of PyTorch
with every saved tensor copied. What is silently wrong fails.
"""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tinytensor.torch as ours
from tinytensor.core import REGISTRY
from tinytensor.torch.writing import reads

# Each step is a function of (torch, x, y, i): the module, two tensors of the program, a number. None: not for these.

VIEWS = {
    "view": lambda t, x, y, i: x.reshape(-1),
    "row": lambda t, x, y, i: x[i % x.shape[0]] if x.ndim else None,
    "rows": lambda t, x, y, i: x[i % 2 :] if x.ndim else None,
    "column": lambda t, x, y, i: x[..., i % x.shape[-1]] if x.ndim else None,
    "steps": lambda t, x, y, i: x[..., ::2] if x.ndim else None,
    "new": lambda t, x, y, i: x[None],
    "unsqueeze": lambda t, x, y, i: x.unsqueeze(-1),
    "squeeze": lambda t, x, y, i: x.squeeze(),
    "turned": lambda t, x, y, i: x.transpose(0, -1) if x.ndim else None,
    "flat": lambda t, x, y, i: x.flatten(),
    "narrow": lambda t, x, y, i: x.narrow(0, 0, 1) if x.ndim and x.shape[0] else None,
    "diagonal": lambda t, x, y, i: x.diagonal() if x.ndim > 1 else None,
    "expand": lambda t, x, y, i: x.expand(2, *x.shape) if x.ndim < 3 else None,
    "whole": lambda t, x, y, i: x[...],
    "windows": lambda t, x, y, i: x.unfold(0, 2, 1) if x.ndim == 1 and x.shape[0] > 1 else None,
    "detach": lambda t, x, y, i: x.detach(),
}
FUNCTIONS = {
    "times": lambda t, x, y, i: x * y,
    "plus": lambda t, x, y, i: x + y,
    "twice": lambda t, x, y, i: x * 2,
    "square": lambda t, x, y, i: x**2,
    "quotient": lambda t, x, y, i: x / (y * y + 1),
    "power": lambda t, x, y, i: 1.5**x,
    "sum": lambda t, x, y, i: x.sum(0, keepdim=True) if x.ndim else None,
    "max": lambda t, x, y, i: x.max(0).values if x.ndim else None,
    "product": lambda t, x, y, i: x @ y if x.ndim and y.ndim and x.shape[-1] == y.shape[max(y.ndim - 2, 0)] else None,
    "cat": lambda t, x, y, i: t.cat([x.reshape(-1), y.reshape(-1)]),
    "picked": lambda t, x, y, i: x[t.tensor([0, 0])] if x.ndim else None,
    "masked": lambda t, x, y, i: x.masked_fill(x > 0, 0.5),
    "tril": lambda t, x, y, i: x.tril() if x.ndim > 1 else None,
}


def written(t: Any, x: Any, index: Any, value: Any) -> Any:
    x[index] = value
    return x


def added(t: Any, x: Any, index: Any, value: Any) -> Any:
    x[index] += value
    return x


def changes(t: Any, x: Any) -> bool:
    """Whether a tensor may get another shape in place: under no_grad PyTorch would lose the graph's shapes."""
    return bool(t.is_grad_enabled() and not (x.requires_grad and x.is_leaf))


WRITES = {
    "mul_": lambda t, x, y, i: x.mul_(y),
    "add_": lambda t, x, y, i: x.add_(y, alpha=0.5),
    "add number": lambda t, x, y, i: x.add_(1.5),
    "mul number": lambda t, x, y, i: x.mul_(-0.5),
    "sub self": lambda t, x, y, i: x.sub_(x),
    "mul self": lambda t, x, y, i: x.mul_(x),
    "pow_": lambda t, x, y, i: x.pow_(2),
    "div_": lambda t, x, y, i: x.div_(y * y + 1),
    "neg_": lambda t, x, y, i: x.neg_(),
    "set": lambda t, x, y, i: written(t, x, i % x.shape[0], 0.25) if x.ndim else None,
    "set whole": lambda t, x, y, i: written(t, x, ..., y),
    "set tensor": lambda t, x, y, i: written(t, x, slice(0, 1), y.sum()) if x.ndim else None,
    "set mask": lambda t, x, y, i: written(t, x, x.detach() > 0, 0.1),
    "set places": lambda t, x, y, i: written(t, x, t.tensor([0, -1]), y.sum()) if x.ndim else None,
    "set both": lambda t, x, y, i: written(t, x, (0, ..., t.tensor([0])), y.sum()) if x.ndim > 1 else None,
    "add at": lambda t, x, y, i: added(t, x, i % x.shape[0], 1.0) if x.ndim else None,
    "add there": lambda t, x, y, i: added(t, x, t.tensor([0, 0]), 2.0) if x.ndim else None,
    "tril_": lambda t, x, y, i: x.tril_() if x.ndim > 1 else None,
    "index_add_": lambda t, x, y, i: x.index_add_(0, t.tensor([0, 0]), (x[:1].detach() * 1).expand(2, *x.shape[1:]))
    if x.ndim else None,
    "masked_fill_": lambda t, x, y, i: x.masked_fill_(x.detach() < 0, 0.5),
    "t_": lambda t, x, y, i: x.transpose_(0, -1) if x.ndim and changes(t, x) else None,
    "unsqueeze_": lambda t, x, y, i: x.unsqueeze_(0) if x.ndim < 3 and changes(t, x) else None,
    "diagonal": lambda t, x, y, i: x.fill_diagonal_(1.0) if x.ndim == 2 else None,
    "data": lambda t, x, y, i: x.data.mul_(0.5) is None or x,
}
STEPS = {**VIEWS, **FUNCTIONS, **WRITES}


class Ran:
    """What a program came to: the values after each step, whether the step was refused, and the gradients."""

    def __init__(self, torch: Any, program: Any, starts: Any, grad: Any) -> None:
        self.torch, self.leaves = torch, [torch.tensor(a, requires_grad=True) for a in starts[:2]]
        self.pool = [*self.leaves, *[x * 1 for x in self.leaves], torch.tensor(starts[2])]
        self.values: list[Any] = []
        self.errors: list[Any] = []
        self.leaf: list[bool] = []  # whether the tensor that the step is about is a leaf that requires grad
        for step in program:
            x = self.pool[-1 - step[1] % len(self.pool)]
            with contextlib.suppress(RuntimeError):  # PyTorch looks at the views of a tensor only when it is asked
                self.leaf.append(x.requires_grad and x.is_leaf)
            self.errors.append(self.take(*step))
            self.values.append([np.array(p.detach().numpy()) for p in self.pool])
        self.grads = grad(self)

    def take(self, name: str, a: int, b: int, i: int, quiet: bool) -> Any:
        """Take one step; the error, if it is refused."""
        x, y = self.pool[-1 - a % len(self.pool)], self.pool[b % len(self.pool)]
        try:
            with self.torch.no_grad() if quiet else contextlib.nullcontext():
                z = STEPS[name](self.torch, x, y, i)
        except (RuntimeError, IndexError, ValueError) as error:
            return error
        if z is not None and z is not x and np.prod(z.shape) < 200:
            self.pool.append(z)
        return None

    def loss(self) -> Any:
        """The sum of everything that a gradient flows through, each with a weight of its own."""
        terms = [(p * (0.3 + 0.1 * n)).sum() for n, p in enumerate(self.pool) if p.requires_grad]
        return sum(terms[1:], terms[0])


def gradients(ran: Ran) -> Any:
    """The gradients of the leaves; or the error that the pass raises."""
    try:
        for leaf in ran.leaves:
            leaf.grad = None
        ran.loss().backward()
    except RuntimeError as error:
        return error
    return [None if x.grad is None else np.array(x.grad.detach().numpy()) for x in ran.leaves]


steps = st.tuples(st.sampled_from([*VIEWS, *FUNCTIONS, *WRITES, *WRITES]), st.integers(0, 4), st.integers(0, 9),
                  st.integers(0, 3), st.sampled_from([False] * 7 + [True]))
programs = st.lists(steps, min_size=2, max_size=9)


@pytest.mark.peer
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(programs, st.integers(0, 99))
def test_programs_give_pytorchs_values_and_gradients(program: Any, seed: int) -> None:
    compare(program, seed)


def compare(program: Any, seed: int) -> str:
    """Run a program here and on PyTorch, and compare; what kind of program it was."""
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(seed)
    starts = [rng.normal(size=shape).astype(np.float64) for shape in ((2, 3), (3,), (2, 3))]
    theirs = Ran(torch, program, starts, gradients)
    with torch.autograd.graph.saved_tensors_hooks(lambda x: x.clone(), lambda x: x):
        right = Ran(torch, program, starts, gradients)  # nothing that it saves is ever written over
    mine = Ran(ours, program, starts, gradients)
    for n, step in enumerate(program):
        their_error, my_error = theirs.errors[n], mine.errors[n]
        if (their_error is None) != (my_error is None) and "memory location" in str(their_error or my_error):
            return "overlap"  # of which PyTorch refuses some, and writes others in an order of its own
        if my_error is None and "no_grad mode" in str(their_error):
            return "ambiguous"  # to PyTorch: a view of then, written into now
        if my_error is None and "leaf Variable" in str(their_error) and not mine.leaf[n]:
            return "no leaf"  # since a part of it was written into, which PyTorch has not noticed yet
        assert my_error is not None or their_error is None, f"PyTorch refuses {step}: {their_error}"
        assert their_error is not None or my_error is None, f"PyTorch does not refuse {step}: {my_error}"
        for x, y in zip(theirs.values[n], mine.values[n], strict=True):
            np.testing.assert_allclose(y, x, rtol=1e-9, atol=1e-9, err_msg=f"after step {n}: {step}")
    if isinstance(mine.grads, RuntimeError):
        known = isinstance(theirs.grads, RuntimeError) or any(name == "data" for name, *_ in program)
        assert known, f"PyTorch does not refuse the pass: {mine.grads}"  # of writes through x.data it knows nothing
        return "refused pass"
    if isinstance(right.grads, RuntimeError):
        assert "no_grad" in str(right.grads)  # a view of then, written into now: PyTorch finds that ambiguous
        return "lenient pass"
    for x, y in zip(right.grads, mine.grads, strict=True):
        assert (x is None) == (y is None)
        if x is not None:
            np.testing.assert_allclose(y, x, rtol=1e-7, atol=1e-9)
    return "lenient pass" if isinstance(theirs.grads, RuntimeError) else "pass"
