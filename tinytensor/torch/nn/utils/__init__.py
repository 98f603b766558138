"""`torch.nn.utils`: clipping of gradients, and all parameters as one vector.

Weight and spectral norms, pruning and parametrisations are not here.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from .... import ops
from ....advice import a_type
from ....names import Missing as _Missing
from ....names import refusal as _refusal
from ...tensor import Tensor, of_array, wrap
from ...versions import note
from . import rnn

__all__ = ["clip_grad_norm_", "clip_grad_value_", "clip_grads_with_norm_", "get_total_norm", "parameters_to_vector",
           "rnn", "vector_to_parameters"]


def gradients(parameters: Any) -> list[Any]:
    """The arrays of the gradients that are there."""
    given = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    found = []
    for p in given:
        if not isinstance(p, Tensor):
            raise TypeError(f"clip_grad: got {a_type(p)} among the parameters; expected tensors; pass "
                            f"model.parameters()")
        g = p.node._grad
        if g is not None:
            found.append(g if isinstance(g, np.ndarray) else g.data)
    return found


def total(arrays: list[Any], norm_type: float, error_if_nonfinite: bool) -> Any:
    """The norm of all arrays as of one vector, without axes."""
    p = float(norm_type)
    if not arrays:
        return np.array(0.0, np.float32)
    norms = np.array([np.linalg.norm(a.reshape(-1), p) if a.size else 0 for a in arrays], arrays[0].dtype)
    found = np.asarray(np.linalg.norm(norms, p), arrays[0].dtype)
    if error_if_nonfinite and not np.isfinite(found):
        raise RuntimeError(f"clip_grad_norm_: the total norm of order {p} for gradients from `parameters` is "
                           f"non-finite, so it cannot be clipped; got {found.item()}; lower the learning rate, or give "
                           f"error_if_nonfinite=False")
    return found


def get_total_norm(tensors: Iterable[Tensor], norm_type: float = 2.0, error_if_nonfinite: bool = False,
                   foreach: bool | None = None) -> Tensor:
    """The norm of all tensors as of one vector."""
    given = [tensors] if isinstance(tensors, Tensor) else list(tensors)
    return of_array(total([t.node.data for t in given], norm_type, error_if_nonfinite))


def clip_grad_norm_(parameters: Any, max_norm: float, norm_type: float = 2.0, error_if_nonfinite: bool = False,
                    foreach: bool | None = None) -> Tensor:
    """Scale all gradients in place so that their total norm is at most `max_norm`; returns the norm before.

    Examples
    --------
    >>> import tinytensor.torch as torch
    >>> w = torch.tensor([3.0, 4.0], requires_grad=True)
    >>> (w * w).sum().backward()
    >>> torch.nn.utils.clip_grad_norm_([w], 1.0), w.grad
    (tensor(10.), tensor([0.6000, 0.8000]))
    """
    found = gradients(parameters)
    compiling = getattr(found[0], "record_call", None) if found else None  # then it is one call, whose results vary
    if compiling:
        norm, factor = compiling(norm_and_scale, (found, float(max_norm), norm_type, error_if_nonfinite), {})
        for a in found:
            a *= factor
        return of_array(norm)
    norm = total(found, norm_type, error_if_nonfinite)
    scale(found, float(max_norm), norm)
    return of_array(norm)


def norm_and_scale(arrays: list[Any], max_norm: float, norm_type: float, error_if_nonfinite: bool) -> tuple[Any, Any]:
    """The norm, and the factor that makes it `max_norm` at most."""
    norm = total(arrays, norm_type, error_if_nonfinite)
    return norm, factor_of(max_norm, norm)


def clip_grads_with_norm_(parameters: Any, max_norm: float, total_norm: Tensor, foreach: bool | None = None) -> None:
    """Scale all gradients, in place, as `clip_grad_norm_` does for this norm."""
    scale(gradients(parameters), float(max_norm), total_norm.node.data)


def factor_of(max_norm: float, norm: Any) -> Any:
    return np.asarray(np.minimum(max_norm / (norm + np.asarray(1e-6, norm.dtype)), np.asarray(1, norm.dtype)))


def scale(arrays: list[Any], max_norm: float, norm: Any) -> None:
    factor = factor_of(max_norm, norm)
    for a in arrays:
        a *= factor.astype(a.dtype)
        note(a)


def clip_grad_value_(parameters: Any, clip_value: float, foreach: bool | None = None) -> None:
    """Clip all gradients to [-clip_value, clip_value], in place."""
    for a in gradients(parameters):
        np.clip(a, -float(clip_value), float(clip_value), out=a)
        note(a)


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """All parameters behind each other, as one vector."""
    return wrap(ops.concatenate([p.node.reshape(-1) for p in parameters]))


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Let parameters have the values of a vector, which they share from now on."""
    if not isinstance(vec, Tensor):
        raise TypeError(f"vector_to_parameters: expected torch.Tensor, but got: {type(vec).__name__}; write "
                        f"torch.tensor(...) around it")
    at, flat = 0, vec.node.data
    for p in parameters:
        shape = p.node.data.shape
        n = math.prod(shape)
        p.node.data = flat[at : at + n].reshape(shape)
        at += n

if not TYPE_CHECKING:  # a checker is to find what is not there

    def __getattr__(name: str) -> Any:
        raise _Missing(_refusal, "utils", name, lambda: __all__)
