"""Gradient clipping by norm and by value, with PyTorch's names, in place between `backward` and `step`."""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from ..names.calls import explained
from .check import Array, check_nonnegative, has_grad, unique_parameters


def gradients(params: Any) -> list[Array]:
    """The gradients that are not None; one parameter may stand for a list of it."""
    ps = unique_parameters([params] if has_grad(params) else params).values()
    return [p.grad for p in ps if p.grad is not None and p.grad.size]


def as_float(x: Any) -> Any:
    """x as a float; a tracer of the compiler as it is."""
    return x if hasattr(x, "record_call") else float(x)


def total_norm(grads: list[Array], order: float) -> float:
    return float(np.linalg.norm([float(np.linalg.norm(g.ravel(), order)) for g in grads], order)) if grads else 0.0


def norm_and_scale(grads: list[Array], max_norm: float, order: float, error_if_nonfinite: bool) -> tuple[float, float]:
    """The norm of all gradients, and the factor to scale them by: 1 or less, or nan if the norm is."""
    with np.errstate(all="ignore"):
        total = total_norm(grads, order)
        if not math.isfinite(total):  # subtle: squares overflow long before the norm itself does
            total = total_norm([g.astype(np.float64) for g in grads], order)
    if error_if_nonfinite and not math.isfinite(total):
        raise RuntimeError(f"clip_grad_norm_: got gradients of norm {total} (order {order}); expected a finite one; "
                           "look for the layer where it begins, or leave error_if_nonfinite out")
    factor = max_norm / (total + 1e-6)
    return total, 1.0 if factor >= 1 else factor


@explained
def clip_grad_norm_(
    parameters: Iterable[Any], max_norm: float, norm_type: float = 2.0, error_if_nonfinite: bool = False
) -> float:
    """Scale all gradients by one number, so that their norm, as that of one vector, is at most `max_norm`.

    Parameters
    ----------
    parameters : iterable of parameters, or one
        One whose grad is None is skipped; tied parameters count once.
    max_norm : float
    norm_type : float
        2, 1 or another number above 0; math.inf takes the largest absolute value.
    error_if_nonfinite : bool
        Raise if the norm is inf or nan, before anything is changed. Without it, an infinite norm sets all gradients to
        0 (infinite ones to nan), and a nan sets all to nan.

    Returns
    -------
    float
        The norm before clipping.

    Raises
    ------
    RuntimeError
        The norm is not finite, and error_if_nonfinite is set.
    TypeError, ValueError
        No parameters, a max_norm below 0, a norm_type that is not above 0.

    Notes
    -----
    Pascanu, Mikolov, Bengio (2013), "On the difficulty of training recurrent neural networks". The factor is PyTorch's:
    max_norm / (norm + 1e-6), if that is below 1.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> w = SimpleNamespace(data=np.zeros(2), grad=np.array([3.0, -4.0]))
    >>> clip_grad_norm_([w], 1.0)
    5.0
    >>> w.grad.round(4)
    array([ 0.6, -0.8])
    """
    check_nonnegative("max_norm", max_norm)
    if not (order := float(norm_type)) > 0:
        raise ValueError(f"norm_type: got {norm_type!r}; expected a number above 0; write 2, 1 or math.inf")
    grads = gradients(parameters)
    record_call = getattr(grads[0], "record_call", None) if grads else None  # a tracer's: one call of the program
    args = (grads, as_float(max_norm), order, error_if_nonfinite)
    total, factor = record_call(norm_and_scale, args, {}) if record_call else norm_and_scale(*args)
    if record_call or factor != 1:  # nan too
        with np.errstate(all="ignore"):
            for g in grads:
                g *= factor
    return total


@explained
def clip_grad_value_(parameters: Iterable[Any], clip_value: float) -> None:
    """Clip each number of the gradients to the range from `-clip_value` to `clip_value`; nan stays nan.

    Parameters
    ----------
    parameters : iterable of parameters, or one
    clip_value : float

    Raises
    ------
    TypeError, ValueError
        No parameters, a clip_value below 0.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> w = SimpleNamespace(data=np.zeros(3), grad=np.array([3.0, -4.0, 0.5]))
    >>> clip_grad_value_([w], 1.0)
    >>> w.grad
    array([ 1. , -1. ,  0.5])
    """
    check_nonnegative("clip_value", clip_value)
    for g in gradients(parameters):
        np.clip(g, -as_float(clip_value), as_float(clip_value), out=g)
