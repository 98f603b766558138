"""Creating Tensors: from data, constants, ranges and random numbers. They have no Tensor inputs, and so no rules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import random
from ..core import Tensor, TracerBase, as_array, dtypes_in
from ..define import composite
from ..dispatch import as_python
from ..names import also_generator
from ..names.calls import explained
from .like import full_like


def build(name: str, function: Callable[..., Any], *args: Any, dtype: Any = None) -> Any:
    """Call NumPy's function; what it cannot read is an error in the name of ours."""
    try:
        return function(*args, dtype=dtype)
    except (TypeError, ValueError) as error:
        text = " ".join(str(error).split()).rstrip(".")
    try:
        np.dtype(dtype)
    except (TypeError, ValueError):
        raise TypeError(f"{name}: got dtype={dtype!r}; expected a dtype; pass np.float32, for example") from None
    got = ", ".join(f"shape {np.shape(x)}" if hasattr(x, "shape") and np.shape(x) else repr(x) for x in args)
    raise TypeError(f"{name}: got {got}: {text}; expected integers, 0 or more as sizes; convert them with int()")


def as_shape(name: str, shape: tuple[Any, ...]) -> Any:
    """A shape given as several integers, or as one tuple, array or Tensor of integers."""
    try:
        return as_python("shape", shape[0] if len(shape) == 1 else shape)
    except TypeError as error:
        raise TypeError(f"{name}: {error}") from None


def default_dtype(values: Any) -> Any:
    """The dtype of a range: float32 for Python floats; NumPy's scalars keep theirs."""
    dtype = np.result_type(*values)
    return np.dtype(np.float32) if dtype == np.float64 and not dtypes_in(list(values)) else dtype


@composite()
@explained
def tensor(data: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """A Tensor with a copy of the data.

    Parameters
    ----------
    data : array_like
        Numbers, nested lists, arrays or Tensors.
    dtype : dtype, optional
        Left out, Python floats become float32, Python integers int64, and arrays keep their dtype.
    requires_grad : bool
        Whether `backward()` is to leave a gradient in `grad`.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.tensor([[1, 2], [3, 4.5]])
    tensor([[1. , 2. ],
            [3. , 4.5]])
    """
    return Tensor(as_array(data, dtype, copy=True), requires_grad)


@composite()
@explained
def zeros(*shape: Any, dtype: Any = np.float32, requires_grad: bool = False) -> Tensor:
    """A Tensor of zeros; the shape is given as integers or as one tuple.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.zeros(2, 3).shape
    (2, 3)
    """
    return Tensor(build("zeros", np.zeros, as_shape("zeros", shape), dtype=dtype), requires_grad)


@composite()
@explained
def ones(*shape: Any, dtype: Any = np.float32, requires_grad: bool = False) -> Tensor:
    """A Tensor of ones; the shape is given as integers or as one tuple.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.ones(3)
    tensor([1., 1., 1.])
    """
    return Tensor(build("ones", np.ones, as_shape("ones", shape), dtype=dtype), requires_grad)


@composite()
@explained
def empty(*shape: Any, dtype: Any = np.float32, requires_grad: bool = False) -> Tensor:
    """A Tensor of a shape with arbitrary values: its memory is not initialised.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.empty(2, 3).shape
    (2, 3)
    """
    return Tensor(build("empty", np.empty, as_shape("empty", shape), dtype=dtype), requires_grad)


@composite()
@explained
def full(shape: Any, fill_value: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """A Tensor of a shape filled with `fill_value`, in the dtype of that unless another is given.

    `fill_value` may be an array, which is broadcast, or a Tensor, to which gradients flow.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.full(2, 7.0)
    tensor([7., 7.])
    """
    if not isinstance(fill_value, Tensor) and dtype is None:
        fill_value = as_array(fill_value)
    y = build("full", np.empty, as_shape("full", (shape,)), dtype=fill_value.dtype if dtype is None else dtype)
    filled: Tensor = full_like(Tensor(y), fill_value)
    if requires_grad:
        filled.requires_grad = True
    return filled


@composite()
@explained
def eye(N: Any, M: Any = None, k: Any = 0, dtype: Any = np.float32, requires_grad: bool = False) -> Tensor:
    """A matrix of N rows and M (N) columns with ones on diagonal k and zeros elsewhere.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.eye(2)
    tensor([[1., 0.],
            [0., 1.]])
    """
    return Tensor(build("eye", np.eye, N, M, k, dtype=dtype), requires_grad)


@composite()
@explained
def identity(n: Any, dtype: Any = np.float32, requires_grad: bool = False) -> Tensor:
    """The identity matrix of size n.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.identity(2)
    tensor([[1., 0.],
            [0., 1.]])
    """
    return Tensor(build("identity", np.identity, n, dtype=dtype), requires_grad)


@composite()
@explained
def tri(N: Any, M: Any = None, k: Any = 0, dtype: Any = np.float32, requires_grad: bool = False) -> Tensor:
    """A matrix of N rows and M (N) columns with ones at and below diagonal k and zeros above.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.tri(2)
    tensor([[1., 0.],
            [1., 1.]])
    """
    return Tensor(build("tri", np.tri, N, M, k, dtype=dtype), requires_grad)


@composite()
@explained
def arange(*bounds: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """``arange(stop)`` or ``arange(start, stop, step)``: numbers from start (0) up to, not including, stop.

    Integers give int64, floats float32.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.arange(2, 8, 2)
    tensor([2, 4, 6])
    """
    numbers = [as_python("arange", bound) for bound in bounds]
    if dtype is None and any(isinstance(number, float) for number in numbers):
        dtype = default_dtype([bound.data if isinstance(bound, Tensor) else bound for bound in bounds])
    return Tensor(np.arange(*numbers, dtype=dtype), requires_grad)


# --- random ---


@composite()
@also_generator
@explained
def rand(*shape: Any, dtype: Any = np.float32, rng: Any = None, requires_grad: bool = False) -> Tensor:
    """Random numbers, uniform in [0, 1): PyTorch's for the same seed.

    `rng` is a Generator, a seed, or None for the default generator. Here and wherever tinytensor has an `rng`,
    PyTorch's name `generator` may be written instead.

    Examples
    --------
    >>> import tinytensor as tt
    >>> p = tt.rand(3, rng=2147483647)
    >>> p / p.sum()  # the first lecture's probabilities
    tensor([0.6064, 0.3033, 0.0903])
    """
    return Tensor(random.as_generator(rng).rand(*shape, dtype=dtype), requires_grad)


@composite()
@also_generator
@explained
def randn(*shape: Any, dtype: Any = np.float32, rng: Any = None, requires_grad: bool = False) -> Tensor:
    """Random numbers, normal with mean 0 and variance 1: PyTorch's for the same seed. `rng` is as in `rand`.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.randn(2, 2, rng=0).shape
    (2, 2)
    """
    return Tensor(random.as_generator(rng).randn(*shape, dtype=dtype), requires_grad)


def draw_like(name: str, x: Any, dtype: Any, draw: Any, fill: Any) -> Any:
    """Numbers of a generator's `draw` or `fill`, in the shape and memory order of x, and of a floating dtype."""
    a = as_array(x)
    dtype = a.dtype if dtype is None else build(name, np.empty, (), dtype=dtype).dtype
    if dtype.kind != "f":
        raise TypeError(f"{name}: got dtype {dtype}; expected a floating one; pass dtype=np.float32")
    if isinstance(a, TracerBase) or a.flags.c_contiguous:  # a compiler records draws of new arrays
        return draw(a.shape, dtype=dtype)
    return fill(np.empty_like(a, dtype))


@composite()
@also_generator
@explained
def rand_like(x: Any, dtype: Any = None, rng: Any = None, requires_grad: bool = False) -> Tensor:
    """Random numbers like `rand`, with the shape of x, and its dtype unless one is given.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.rand_like(tt.zeros(2, 3), rng=42).shape
    (2, 3)
    """
    generator = random.as_generator(rng)
    return Tensor(draw_like("rand_like", x, dtype, generator.rand, generator.uniform_), requires_grad)


@composite()
@also_generator
@explained
def randn_like(x: Any, dtype: Any = None, rng: Any = None, requires_grad: bool = False) -> Tensor:
    """Random numbers like `randn`, with the shape of x, and its dtype unless one is given.

    Examples
    --------
    >>> import tinytensor as tt
    >>> x = tt.zeros(2, 3)
    >>> noisy = x + 0.1 * tt.randn_like(x, rng=42)
    >>> noisy.shape, noisy.dtype
    ((2, 3), dtype('float32'))
    """
    generator = random.as_generator(rng)
    return Tensor(draw_like("randn_like", x, dtype, generator.randn, generator.normal_), requires_grad)


@composite()
@also_generator
@explained
def randint(low: int, high: int | None = None, size: Any = (), rng: Any = None) -> Tensor:
    """Random integers from low (0) up to, not including, high: PyTorch's for the same seed. `rng` is as in `rand`.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.randint(0, 27, (2, 3), rng=0).shape
    (2, 3)
    """
    return Tensor(random.as_generator(rng).randint(low, high, size))


@composite()
@also_generator
@explained
def randint_like(x: Any, low: int, high: int | None = None, dtype: Any = None, rng: Any = None) -> Tensor:
    """Random integers like `randint`, with the shape of x, and its dtype unless one is given.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.randint_like(tt.zeros(2, 3), 10, rng=42)
    tensor([[2., 7., 6.],
            [4., 6., 5.]])
    """
    a = as_array(x)
    return Tensor(random.as_generator(rng).randint(low, high, a.shape).astype(a.dtype if dtype is None else dtype))


@composite()
@also_generator
@explained
def randperm(n: int, rng: Any = None) -> Tensor:
    """The integers from 0 to n - 1 in random order: PyTorch's for the same seed. `rng` is as in `rand`.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.randperm(5, rng=42)
    tensor([2, 4, 3, 0, 1])
    """
    return Tensor(random.as_generator(rng).randperm(n))


@composite()
@also_generator
@explained
def bernoulli(p: Any, rng: Any = None) -> Tensor:
    """1 with probability p, else 0, elementwise, in the dtype of p. `rng` is as in `rand`.

    The draws have no gradient.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.bernoulli(tt.tensor([0.0, 1.0, 0.5]), rng=42)
    tensor([0., 1., 1.])
    """
    a = as_array(p)
    return Tensor(random.as_generator(rng).bernoulli(a).astype(a.dtype))


@composite()
@also_generator
@explained
def multinomial(p: Any, num_samples: int = 1, replacement: bool = False, rng: Any = None) -> Tensor:
    """Random indices with probabilities proportional to weights: PyTorch's for the same seed.

    Parameters
    ----------
    p : (C,) or (B, C)
        The weights, which need not sum to 1.
    num_samples : int
    replacement : bool
        Whether an index may be drawn more than once.
    rng
        As in `rand`.

    Returns
    -------
    (num_samples,) or (B, num_samples), without a gradient.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.multinomial(tt.tensor([0.6, 0.3, 0.1]), 5, replacement=True, rng=2147483647)
    tensor([1, 1, 1, 0, 0])
    """
    return Tensor(random.as_generator(rng).multinomial(p, num_samples, replacement))
