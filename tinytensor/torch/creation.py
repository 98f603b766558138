"""Tensors of Python's numbers, of NumPy's arrays, and of one value."""

from __future__ import annotations

from functools import reduce
from itertools import chain
from typing import Any

import numpy as np

from ..advice import a_type
from .dtypes import PYTHONS, default, numpy_dtype, of, on_cpu, promoted, shape_of
from .offer import WITHOUT_EFFECT, offer, spelled
from .operators import as_dtype
from .tensor import Tensor, as_node, of_array, owner, wrap

LISTS = {list, tuple}


def made(array: Any, requires_grad: bool = False, device: Any = None) -> Tensor:
    """A leaf of an array."""
    on_cpu(device)
    t = of_array(array)
    if requires_grad:
        t.requires_grad = True
    return t


def read(data: Any, dtype: Any = None) -> Any:
    """The array of nested lists of numbers, tensors and arrays: a copy."""
    wanted = numpy_dtype(dtype)
    if isinstance(data, Tensor):
        return np.array(data.node.data, wanted)
    if isinstance(data, np.ndarray | np.generic):
        return np.array(data, of(data.dtype).numpy if wanted is None else wanted)
    if data is None or isinstance(data, str | bytes | set | dict) or (
            not isinstance(data, bool | int | float | complex) and not hasattr(data, "__len__")
            and not hasattr(data, "__array__")):
        raise (TypeError if isinstance(data, str | bytes) else RuntimeError)(
            f"tensor: could not infer dtype of {type(data).__name__}; expected numbers, or lists of them; convert it "
            f"first")
    if hasattr(data, "__getitem__") and not isinstance(data, list | tuple | range) and not hasattr(data, "__array__"):
        data = [*data]  # a bytearray's elements are Python's integers, as those of any sequence
    found: set[Any] = set()
    try:
        array = np.array(data if isinstance(data, list | tuple) and pythons(data, found) else numbers(data, found))
    except ValueError as error:
        if str(error).startswith("tensor: "):
            raise
        text = "expected sequences of one length; got some of others" if "inhomogeneous" in str(error) else error
        raise ValueError(f"tensor: {text}; pad the short ones, or keep a list of tensors") from None
    kind = array.dtype.kind
    large = kind == "u" and wanted is None and array.max(initial=0) > np.iinfo(np.int64).max
    if large or (kind == "O" and all(isinstance(x, int | float) for x in array.flat)):
        raise ValueError(f"tensor: Overflow when unpacking long long: got {array.max()}; expected integers of 64 bits; "
                         f"write float(x)")
    if kind not in "biuf":
        odd, first = odd_one(data), data
        while isinstance(first, list | tuple) and first:
            first = first[0]
        texts = ValueError if first is not data and isinstance(first, str | bytes) else TypeError
        raise (RuntimeError if kind == "O" else texts)(
            f"tensor: got {odd!r}, {a_type(odd)}; expected real numbers, or lists of them; convert it first")
    if wanted is None:
        wanted = default[0].numpy if not found else reduce(promoted, found)
    if wanted.kind in "iu" and array.dtype.kind in "iuf" and array.size:
        limits = np.iinfo(wanted)
        if not (-limits.max - 1 <= array.min() and array.max() <= limits.max):
            raise RuntimeError(f"tensor: value cannot be converted to type {of(wanted).name} without overflow; got "
                               f"numbers from {array.min()} to {array.max()}; give a larger dtype")
    with np.errstate(over="ignore"):
        return array.astype(wanted)


def odd_one(data: Any) -> Any:
    """The first thing in nested lists that is no number."""
    for x in data if isinstance(data, list | tuple) else ():
        found = odd_one(x)
        if not isinstance(found, bool | int | float | np.bool_ | np.integer | np.floating | Tensor):
            return found
    return 0 if isinstance(data, list | tuple) else data


def pythons(data: Any, found: set[Any]) -> bool:
    """Whether nested lists hold nothing but Python's numbers, whose dtypes are then in `found`."""
    kinds = {*map(type, data)}
    while kinds and kinds <= LISTS:
        data = [*chain.from_iterable(data)]
        kinds = {*map(type, data)}
    if not kinds <= PYTHONS.keys():
        return False
    found.update(PYTHONS[kind].numpy if kind is not float else default[0].numpy for kind in kinds)
    return True


def numbers(data: Any, found: set[Any]) -> Any:
    """Nested lists with numbers for the tensors in them; the tensors' dtypes are added to `found`."""
    kind = type(data)
    if kind is list or kind is tuple or isinstance(data, list | tuple | range):
        return [numbers(x, found) for x in data]
    if kind is float or kind is int or kind is bool:
        found.add(PYTHONS[kind].numpy if kind is not float else default[0].numpy)
        return data
    if isinstance(data, Tensor):
        found.add(data.node.data.dtype)
        if data.node.data.size != 1:
            raise ValueError("tensor: only one element tensors can be converted to Python scalars; got a list with "
                             f"a tensor of shape {[*data.node.data.shape]}; use torch.stack")
        return data.node.data.item()
    array = np.asarray(data)
    if array.dtype.kind in "biuf":
        found.add(of(array.dtype).numpy)
    return array


@offer()
def tensor(data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False,
           pin_memory: bool = False) -> Tensor:
    """A tensor of numbers, of lists of numbers, or of an array, which is copied.

    Examples
    --------
    >>> import tinytensor.torch as torch
    >>> torch.tensor([[1, 2], [3, 4]])
    tensor([[1, 2],
            [3, 4]])
    """
    return made(read(data, dtype), requires_grad, device)


@offer()
def as_tensor(data: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """As `tensor`, but the memory of a tensor or an array is shared."""
    on_cpu(device)
    wanted = numpy_dtype(dtype)
    if isinstance(data, Tensor) and (wanted is None or data.node.data.dtype == wanted):
        return data
    if isinstance(data, Tensor):
        return wrap(as_dtype(data.node, wanted))
    if isinstance(data, np.ndarray) and (wanted is None or data.dtype == wanted):
        return from_numpy(data)
    return made(read(data, dtype))


@offer()
def asarray(obj: Any, *, dtype: Any = None, device: Any = None, copy: bool | None = None,
            requires_grad: bool = False) -> Tensor:
    """As `as_tensor`; `copy` says that it must be copied, or must not be."""
    shared = as_tensor(obj, dtype, device)
    known = obj.node.data if isinstance(obj, Tensor) else obj
    same = isinstance(known, np.ndarray) and owner(shared.node.data) is owner(known)
    if copy is False and not same:
        raise ValueError("asarray: can't alias what is no tensor or array of this dtype; expected copy=None or True; "
                         "leave it out")
    if copy and same:
        shared = made(shared.node.data.copy())
    return shared.requires_grad_() if requires_grad else shared


@offer()
def from_numpy(ndarray: Any) -> Tensor:
    """A tensor that shares an array's memory."""
    if not isinstance(ndarray, np.ndarray):
        raise TypeError(f"from_numpy: expected np.ndarray (got {type(ndarray).__name__}); write torch.tensor(x)")
    of(ndarray.dtype)
    if any(s < 0 for s in ndarray.strides):
        raise ValueError("from_numpy: at least one stride in the given numpy array is negative, and tensors with "
                         "negative strides are not currently supported; copy it: torch.from_numpy(a.copy())")
    return made(ndarray)


@offer()
def frombuffer(buffer: Any, *, dtype: Any, count: int = -1, offset: int = 0, requires_grad: bool = False) -> Tensor:
    """A tensor that shares a buffer's memory."""
    return made(np.frombuffer(buffer, numpy_dtype(dtype), count, offset), requires_grad)


@offer()
def scalar_tensor(s: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor of one number, without axes; of the default dtype unless another is given."""
    return made(np.array(s.item() if isinstance(s, Tensor) else s).astype(numpy_dtype(dtype, default[0].numpy)),
                requires_grad, device)


# --- of one value ---


def shape_given(name: str, size: tuple[Any, ...], named: Any) -> tuple[int, ...]:
    """The shape of a new tensor."""
    if named is not None:
        size = (named,)
    if not size:
        raise TypeError(f"{name}: missing 1 required positional argument: size; got none; write torch.{name}(2, 3)")
    shape = shape_of(size)
    if any(n < 0 for n in shape):
        raise RuntimeError(f"{name}: Dimension size must be non-negative; got {[*shape]}; give 0 or more")
    return shape


def filled(name: str, value: Any, doc: str) -> Any:
    """The function that makes tensors of a value, and the one that takes the shape from another tensor."""
    def make(*size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False, **named: Any) -> Tensor:
        given = named.pop("size", None)
        if named.keys() - WITHOUT_EFFECT - {"out"} or named.get("out") is not None:
            spelled(name, frozenset(("size", "dtype", "device", "requires_grad")), named)
        a = value(shape_given(name, size, given), numpy_dtype(dtype, default[0].numpy))
        return made(a, requires_grad, device)

    def make_like(input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
        a = as_node(input, f"{name}_like").data
        return made(value(a.shape, numpy_dtype(dtype, a.dtype)), requires_grad, device)

    make.__name__, make_like.__name__ = name, f"{name}_like"
    make.__doc__ = f"{doc} of a shape: ``{name}(2, 3)`` or ``{name}((2, 3))``."
    make_like.__doc__ = f"{doc} in the shape and dtype of another tensor."
    return offer(name)(make), offer(f"{name}_like")(make_like)


zeros, zeros_like = filled("zeros", np.zeros, "Zeros")
ones, ones_like = filled("ones", np.ones, "Ones")
empty, empty_like = filled("empty", np.zeros, "Values that are yet to be written, here zeros,")


@offer()
def full(size: Any, fill_value: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """One number in a shape; its dtype is the number's, unless another is given."""
    if hasattr(size, "__index__"):
        raise TypeError(f"full: argument 'size' must be tuple of ints, not {type(size).__name__}; write ({size},)")
    wanted = numpy_dtype(dtype)
    if isinstance(fill_value, Tensor):
        wanted = fill_value.node.data.dtype if wanted is None else wanted
        fill_value = fill_value.item()
    if wanted is None:
        wanted = default[0].numpy if isinstance(fill_value, float) else PYTHONS[type(fill_value)].numpy
    shape = shape_given("full", (size,), None)
    return made(np.full(shape, np.array(fill_value).astype(wanted), wanted), requires_grad, device)


@offer()
def full_like(input: Tensor, fill_value: Any, *, dtype: Any = None, device: Any = None,
              requires_grad: bool = False) -> Tensor:
    """One number in the shape and dtype of another tensor."""
    a = as_node(input, "full_like").data
    value = fill_value.item() if isinstance(fill_value, Tensor) else fill_value
    wanted = numpy_dtype(dtype, a.dtype)
    return made(np.full(a.shape, np.array(value).astype(wanted), wanted), requires_grad, device)


@offer()
def eye(n: int, m: int | None = None, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Ones on the diagonal of a matrix."""
    for size in (n, n if m is None else m):
        if size < 0:
            raise RuntimeError(f"eye: n must be greater or equal to 0, got {size}; give 0 or more")
    return made(np.eye(n, m, dtype=numpy_dtype(dtype, default[0].numpy)), requires_grad, device)


@offer()
def is_tensor(obj: Any) -> bool:
    """Whether it is a tensor."""
    return isinstance(obj, Tensor)


@offer()
def set_default_tensor_type(t: Any) -> None:
    """Refused: `set_default_dtype` says the same."""
    raise TypeError(f"set_default_tensor_type: got {t!r}, in a manner that PyTorch has given up; expected a dtype; "
                    f"write torch.set_default_dtype(torch.float64), for example")
