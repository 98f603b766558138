"""`gradcheck` and `gradgradcheck`: the gradients of a function, held against differences of its values."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from ..gradients import grad
from ..tensor import Tensor, of_array
from ..versions import note

UNUSED = ("nondet_tol", "check_undefined_grad", "fast_mode", "masked", "check_grad_dtypes", "check_backward_ad")


class GradcheckError(RuntimeError):
    """Gradients and differences do not agree."""


def gradcheck(func: Callable[..., Any], inputs: Any, *, eps: float = 1e-6, atol: float = 1e-5, rtol: float = 1e-3,
              raise_exception: bool = True, **switches: Any) -> bool:
    """Whether the gradients of a function agree with central differences of its values, in every element.

    Checked are the floating inputs that require grad, which should be float64. PyTorch's other switches are accepted
    where they leave the answer, and refused where they ask for forward-mode or batched gradients.

    Examples
    --------
    >>> import tinytensor.torch as torch
    >>> x = torch.linspace(0.5, 2, 3, dtype=torch.float64, requires_grad=True)
    >>> torch.autograd.gradcheck(torch.log, (x,))
    True
    """
    allowed("gradcheck", switches)
    xs = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    checked = [i for i, x in enumerate(xs) if isinstance(x, Tensor) and x.requires_grad]
    if not checked:
        raise ValueError("gradcheck expects at least one input tensor to require gradient, but none of the them have "
                         "requires_grad=True; set it on what is to be checked")
    for i in checked:
        if xs[i].node.data.dtype != np.float64:
            warnings.warn(f"gradcheck: Input #{i} requires gradient and is not a double precision floating point; "
                          f"differences are too coarse to tell; expected torch.float64; convert it: x.double()",
                          UserWarning, stacklevel=2)
    try:
        compare(func, xs, checked, eps, atol, rtol)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def allowed(name: str, switches: dict[str, Any]) -> None:
    for key, value in switches.items():
        if key in ("check_forward_ad", "check_batched_grad", "check_batched_forward_grad") and not value:
            continue
        if key not in UNUSED or (key == "check_backward_ad" and not value):
            raise ValueError(f"{name}: got {key}={value!r}; expected checks of backward gradients alone; leave it out")


def outputs_of(func: Callable[..., Any], xs: Any) -> list[Any]:
    y = func(*xs)
    ys = list(y) if isinstance(y, tuple | list) else [y]
    return [y for y in ys if isinstance(y, Tensor) and y.node.data.dtype.kind == "f"]


def compare(func: Callable[..., Any], xs: Any, checked: list[int], eps: float, atol: float, rtol: float) -> None:
    """Raise where a Jacobian by gradients is not that by differences."""
    by_differences = [differences(func, xs, i, eps) for i in checked]
    ys = outputs_of(func, xs)
    for k, y in enumerate(ys):
        for n, i in enumerate(checked):
            x = xs[i].node.data
            analytic = np.zeros((x.size, y.numel()), x.dtype)
            for j in range(y.numel() if y.requires_grad else 0):
                one = np.zeros(y.numel(), y.node.data.dtype)
                one[j] = 1
                g = grad(y, xs[i], of_array(one.reshape(y.node.data.shape)), retain_graph=True, allow_unused=True)[0]
                analytic[:, j] = 0 if g is None else g.node.data.reshape(-1)
            numeric = by_differences[n][k]
            if not np.allclose(analytic, numeric, rtol=rtol, atol=atol, equal_nan=True):
                raise GradcheckError(f"Jacobian mismatch for output {k} with respect to input {i},\n"
                                     f"numerical:{of_array(numeric)!r}\nanalytical:{of_array(analytic)!r}\n")


def differences(func: Callable[..., Any], xs: Any, i: int, eps: float) -> list[Any]:
    """The Jacobian of each output with respect to input i, by central differences: (elements of x, of y)."""
    x = xs[i].node.data
    moved: list[list[Any]] = []
    for place in np.ndindex(x.shape):
        old, ends = x[place], []
        for step in (eps, -eps):
            x[place] = old + step
            note(x)
            ends.append([y.node.data.reshape(-1).copy() for y in outputs_of(func, xs)])
        x[place] = old
        note(x)
        moved.append([(up - down) / (2 * eps) for up, down in zip(*ends, strict=True)])
    return [np.stack(rows) for rows in zip(*moved, strict=True)]


def gradgradcheck(func: Callable[..., Any], inputs: Any, grad_outputs: Any = None, *, eps: float = 1e-6,
                  atol: float = 1e-5, rtol: float = 1e-3, gen_non_contig_grad_outputs: bool = False,
                  raise_exception: bool = True, **switches: Any) -> bool:
    """As `gradcheck`, of a function's gradients, with respect to its inputs and to the gradients of its outputs."""
    xs = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    rng = np.random.default_rng(0)
    if grad_outputs is None:
        gs: Any = [of_array(rng.uniform(-1, 1, y.node.data.shape).astype(y.node.data.dtype)).requires_grad_()
                   for y in outputs_of(func, xs)]
    else:
        gs = [grad_outputs] if isinstance(grad_outputs, Tensor) else list(grad_outputs)
    n = len(xs)

    def slopes(*args: Any) -> Any:
        own = args[:n]
        ys = outputs_of(func, own)
        wanted = [x for x in own if isinstance(x, Tensor) and x.requires_grad]
        pairs = [(y, g) for y, g in zip(ys, args[n:], strict=True) if y.requires_grad]
        found = grad([y for y, _ in pairs], wanted, [g for _, g in pairs], create_graph=True, allow_unused=True)
        return tuple([g for g in found if g is not None])

    return gradcheck(slopes, (*xs, *gs), eps=eps, atol=atol, rtol=rtol, raise_exception=raise_exception, **switches)
