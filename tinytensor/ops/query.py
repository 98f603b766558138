"""Functions without a derivative (indices, counts, searches), properties of arrays, and refusals of in-place writes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..apply import PUBLIC
from ..compose import arrays_of, collect, composed, nondifferentiable
from ..core import NUMPY, S, Tensor
from ..dispatch import full_name
from .operators import reflected

# --- bit shifts ---

for name, function in {"lshift": PUBLIC["left_shift"], "rshift": PUBLIC["right_shift"]}.items():
    setattr(Tensor, f"__{name}__", function)
    setattr(Tensor, f"__r{name}__", reflected(function))

# --- indices, counts, comparisons ---

nondifferentiable(np.nonzero, np.searchsorted, method=True)
nondifferentiable(np.flatnonzero, np.argwhere, np.count_nonzero, np.digitize, np.isin, np.lexsort, np.unravel_index,
         np.ravel_multi_index, np.diag_indices_from, np.tril_indices_from, np.triu_indices_from, np.packbits,
         np.unpackbits)

# --- copies, and properties of the array ---


@composed(np.copy, method=True, samples=(S((2, 3)), S((2, 3), order="F")))
def copy(a: Any, order: str = "K", subok: bool = False) -> Any:
    """A copy, through which gradients flow.

    Examples
    --------
    >>> import tinytensor as tt
    >>> x = tt.ones(2)
    >>> x.copy().data is x.data
    False
    """
    return np.reshape(a, a.shape, copy=True)


for name, attribute in {
    "strides": property(lambda x: x.data.strides, doc="The bytes to step along each axis to the next element."),
    "nbytes": property(lambda x: x.data.nbytes, doc="The bytes of all elements."),
    "itemsize": property(lambda x: x.data.itemsize, doc="The bytes of one element."),
    "real": property(lambda x: x, doc="The tensor itself."),
    "imag": property(lambda x: PUBLIC["imag"](x), doc="Zeros: a tensor is real."),
    "flat": property(lambda x: x.reshape(-1), doc="The elements as a vector."),
}.items():
    setattr(Tensor, name, attribute)


def tobytes(x: Any, order: str = "C") -> bytes:
    """The elements as bytes."""
    return x.data.tobytes(order)  # type: ignore[no-any-return]


setattr(Tensor, "tobytes", tobytes)

# --- refused: writing in place ---

LEAF = "or write into x.data on a leaf, outside of any graph"
WRITES: dict[Callable[..., Any], str] = {
    np.copyto: f"write y = np.where(mask, values, x), {LEAF}",
    np.putmask: f"write y = np.where(mask, values, x), {LEAF}",
    np.place: f"write y = np.where(mask, values, x), {LEAF}",
    np.put: f"make a mask of the indices and write y = np.where(mask, values, x), {LEAF}",
    np.put_along_axis: f"make a mask of the indices and write y = np.where(mask, values, x), {LEAF}",
    np.fill_diagonal: f"write y = np.where(np.eye(*x.shape, dtype=bool), value, x), {LEAF}",
}


def write_refused(function: Callable[..., Any], advice: str) -> Callable[..., Any]:
    """The implementation of a function that writes into its first argument, an array; others may be Tensors."""
    name = full_name(function)

    def call(*args: Any, **kwargs: Any) -> Any:
        tensors: list[Tensor] = []
        collect((args, list(kwargs.values())), tensors)
        if isinstance((*args, *kwargs.values())[0], Tensor):
            raise TypeError(f"{name}: got a Tensor to write into, whose values gradients may need; expected an array; "
                            f"{advice}")
        if any(x._requires_grad for x in tensors):
            raise TypeError(f"{name}: got a Tensor that requires grad, whose gradient would be lost; expected "
                            f"constants; write x.detach(), or y = np.where(mask, x, array)")
        return function(*arrays_of(args), **{key: arrays_of(x) for key, x in kwargs.items()})

    call.__name__ = function.__name__
    return call


NUMPY |= {function: write_refused(function, advice) for function, advice in WRITES.items()}


def method_refused(name: str, advice: str) -> Callable[..., Any]:
    """A method that arrays have and Tensors refuse."""

    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        raise TypeError(f"{name}: got a tensor, which does not have this method; expected an array; {advice}")

    method.__name__ = name
    return method


IN_PLACE = "it would write into values that gradients may need; "
REFUSED = {
    "fill": f"{IN_PLACE}write y = np.full_like(x, value), {LEAF}", "put": IN_PLACE + WRITES[np.put],
    "partition": f"in NumPy it works in place; write y = np.partition(x, kth), {LEAF}",
    "resize": f"in NumPy it works in place; write y = np.resize(x, shape), {LEAF}",
    "setfield": f"{IN_PLACE}write x.data.setfield(...) on a leaf, outside of any graph",
    "setflags": "flags are the array's; write x.data.setflags(...)",
    "byteswap": "write x.data.byteswap() for the array, outside of any graph",
    "getfield": "write x.data.getfield(...) for the array, outside of any graph",
    "view": "other bytes have no gradient, and another shape is x.reshape(...), PyTorch's is in "
            "tinytensor.torch; x.data.view(...) is the array's",
}
for name, advice in REFUSED.items():
    setattr(Tensor, name, method_refused(name, advice))
