"""PyTorch's dtypes, sizes and devices, and the result dtype of two tensors, or of Python's numbers.

No tensor is known here.
"""

from __future__ import annotations

from typing import Any

import numpy as np


class dtype:
    """One of PyTorch's dtypes, such as `torch.float32`; `numpy` is NumPy's."""

    def __init__(self, name: str, numpy: Any) -> None:
        self.name, self.numpy = name, np.dtype(numpy)
        self.kind, self.itemsize = self.numpy.kind, self.numpy.itemsize
        self.is_floating_point, self.is_signed, self.is_complex = self.kind == "f", self.kind in "fi", False

    def __repr__(self) -> str:
        return f"torch.{self.name}"

    def __reduce__(self) -> Any:
        return named, (self.name,)

    def to_real(self) -> dtype:
        """This dtype: there are no complex ones here."""
        return self


DTYPES = {name: dtype(name, numpy) for name, numpy in {
    "float32": "f4", "float64": "f8", "float16": "f2", "int64": "i8", "int32": "i4", "int16": "i2", "int8": "i1",
    "uint8": "u1", "bool": "?"}.items()}
ALIASES = {"float": "float32", "double": "float64", "half": "float16", "long": "int64", "int": "int32",
           "short": "int16"}
OF = {d.numpy: d for d in DTYPES.values()}  # NumPy's dtype -> PyTorch's
PYTHONS = {float: DTYPES["float64"], int: DTYPES["int64"], bool: DTYPES["bool"]}
LACKING = {"bfloat16": "float32", "complex64": "float32", "complex128": "float64", "complex32": "float16",
           "cfloat": "float32", "cdouble": "float64", "chalf": "float16", "uint16": "int32", "uint32": "int64",
           "uint64": "int64"}  # what comes nearest


class Lacking(dtype):
    """A dtype that NumPy does not have: programs may name and compare it; where it is used, it is refused."""

    def __init__(self, name: str) -> None:
        self.name, self.kind, self.itemsize = name, "f", 2
        self.is_floating_point, self.is_signed, self.is_complex = True, True, False

    def __getattr__(self, name: str) -> Any:
        if name != "numpy":
            raise AttributeError(f"dtype: torch.{self.name} has no attribute {name!r}")
        raise TypeError(f"dtype: got torch.{self.name}, which NumPy does not have; expected one of "
                        f"{', '.join(map(repr, DTYPES.values()))}; use torch.{LACKING[self.name]}")

    def __reduce__(self) -> Any:
        return Lacking, (self.name,)


bfloat16 = Lacking("bfloat16")
float32, float64, float16 = DTYPES["float32"], DTYPES["float64"], DTYPES["float16"]
int64, int32, uint8, bool_ = DTYPES["int64"], DTYPES["int32"], DTYPES["uint8"], DTYPES["bool"]


def named(name: str) -> dtype:
    """The dtype of a name; `pickle` and `copy` use it."""
    return DTYPES[name]


def of(numpy: Any) -> dtype:
    """PyTorch's dtype for NumPy's."""
    found = OF.get(numpy)
    if found is None:
        found = OF.get(np.dtype(numpy).newbyteorder("="))
    if found is None:
        raise TypeError(f"dtype: got {numpy} of NumPy, which tinytensor.torch does not have; expected one of "
                        f"{', '.join(map(repr, DTYPES.values()))}; convert the array first: a.astype(np.float32)")
    return found


def numpy_dtype(given: Any, otherwise: Any = None) -> Any:
    """NumPy's dtype for a user's `dtype=`; `otherwise` for None."""
    if given is None:
        return otherwise
    if type(given) is dtype:
        return given.numpy
    if given in PYTHONS:
        return PYTHONS[given].numpy
    if isinstance(given, Lacking):
        return given.numpy
    try:
        advice = f"write {of(np.dtype(given))!r}"
    except TypeError:
        advice = f"write one of {', '.join(map(repr, DTYPES.values()))}"
    raise TypeError(f"dtype: got {given!r}; expected a torch.dtype; {advice}")


# --- the dtype of Python's numbers ---

default = [float32]  # of floats


def get_default_dtype() -> dtype:
    """The dtype that Python's floats get: `torch.float32`, unless `set_default_dtype` was called."""
    return default[0]


def set_default_dtype(d: dtype) -> None:
    """Let Python's floats get this dtype from now on."""
    if type(d) is not dtype or not d.is_floating_point:
        raise TypeError(f"set_default_dtype: got {d!r}; expected a floating dtype; write torch.float64, for example")
    default[0] = d


# --- promotion ---

RANK = {"b": 0, "u": 1, "i": 1, "f": 2}


def result_dtype(*xs: Any) -> Any:
    """NumPy's dtype of what PyTorch computes from arrays and Python's numbers.

    Arrays with axes count first, arrays without any second, Python's numbers last: those that count less change the
    result only if they are of a higher kind (bool, integer, floating).
    """
    with_axes = without = number = None
    for x in xs:
        kind = type(x)
        if kind is bool or kind is int or kind is float or isinstance(x, float):  # as a tracer has one
            d = PYTHONS[kind].numpy if kind is bool or kind is int else default[0].numpy
            number = d if number is None or RANK[d.kind] > RANK[number.kind] else number
        elif x.ndim:
            with_axes = x.dtype if with_axes is None else promoted(with_axes, x.dtype)
        else:
            without = x.dtype if without is None else promoted(without, x.dtype)
    found = with_axes
    for d in (without, number):
        if d is not None:
            found = d if found is None else promoted(found, d) if RANK[d.kind] > RANK[found.kind] else found
    return found


def promoted(a: Any, b: Any) -> Any:
    """NumPy's dtype that holds two, by PyTorch's rules: an integer beside a float takes the float's dtype."""
    if a == b:
        return a
    if RANK[a.kind] != RANK[b.kind]:
        return a if RANK[a.kind] > RANK[b.kind] else b
    return np.promote_types(a, b)


def result_type(a: Any, b: Any) -> dtype:
    """The result dtype of two tensors or numbers."""
    return of(result_dtype(*[x if type(x) in PYTHONS else x.node.data for x in (a, b)]))


def promote_types(a: dtype, b: dtype) -> dtype:
    """The dtype that holds two."""
    return of(promoted(a.numpy, b.numpy))


def can_cast(a: dtype, b: dtype) -> bool:
    """Whether values of one dtype may be written into a tensor of another: not floats into integers."""
    return RANK[a.kind] <= RANK[b.kind]


class finfo:
    """Limits of a floating dtype."""

    def __init__(self, type: dtype | None = None) -> None:
        found = np.finfo(numpy_dtype(type, default[0].numpy))
        self.min, self.max, self.eps, self.tiny = (float(x) for x in (found.min, found.max, found.eps, found.tiny))
        self.smallest_normal, self.resolution, self.bits = self.tiny, float(found.resolution), found.bits
        self.dtype = of(found.dtype).name

    def __repr__(self) -> str:
        return (f"finfo(resolution={self.resolution:g}, min={self.min:g}, max={self.max:g}, eps={self.eps:g}, "
                f"smallest_normal={self.smallest_normal:g}, tiny={self.tiny:g}, dtype={self.dtype})")


class iinfo:
    """Limits of an integer dtype."""

    def __init__(self, type: dtype) -> None:
        found = np.iinfo(numpy_dtype(type))
        self.min, self.max, self.bits, self.dtype = int(found.min), int(found.max), found.bits, of(found.dtype).name

    def __repr__(self) -> str:
        return f"iinfo(min={self.min:g}, max={self.max:g}, dtype={self.dtype})"


# --- sizes ---


class Size(tuple[int, ...]):
    """The shape of a tensor: a tuple that says what it is."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"torch.Size([{', '.join(map(str, self))}])"

    def numel(self) -> int:
        """How many elements a tensor of this shape has."""
        n = 1
        for size in self:
            n *= size
        return n

    def __getitem__(self, index: Any) -> Any:
        found = tuple.__getitem__(self, index)
        return Size(found) if isinstance(index, slice) else found

    def __add__(self, other: Any) -> Size:
        return Size((*self, *other))

    def __radd__(self, other: Any) -> Size:
        return Size((*other, *self))

    def __mul__(self, times: Any) -> Size:
        return Size(tuple.__mul__(self, times))

    __rmul__ = __mul__


INTEGERS = frozenset((int,))


def shape_of(sizes: tuple[Any, ...]) -> tuple[int, ...]:
    """The shape meant by ``f(2, 3)``, ``f((2, 3))`` or ``f(torch.Size([2, 3]))``."""
    if len(sizes) == 1 and isinstance(sizes[0], tuple | list):
        sizes = tuple(sizes[0])
    if INTEGERS.issuperset(map(type, sizes)):  # the usual call
        return sizes
    for size in sizes:
        if not hasattr(size, "__index__"):
            raise TypeError(f"size: got {size!r}; expected integers; convert with int(), divide with //")
    return tuple([size.__index__() for size in sizes])


# --- the order of memory ---


class layout:
    """How PyTorch lays out memory; all is strided here."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"torch.{self.name}"


class memory_format(layout):
    """An order of memory; none changes a result."""


strided = layout("strided")


# --- devices ---


class device:
    """Where tensors are: the cpu, and nowhere else."""

    def __init__(self, type: Any = "cpu", index: int | None = None) -> None:
        name, _, number = str(type).partition(":")
        if name != "cpu":
            raise RuntimeError(f"device: got {str(type)!r}; expected 'cpu', for tinytensor computes with NumPy; write "
                               f"device = 'cuda' if torch.cuda.is_available() else 'cpu'")
        self.type = name
        self.index = int(number) if number else index

    def __repr__(self) -> str:
        return f"device(type='{self.type}'{'' if self.index is None else f', index={self.index}'})"

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, device) and (self.type, self.index) == (other.type, other.index)

    def __hash__(self) -> int:
        return hash((self.type, self.index))

    def __enter__(self) -> device:
        return self

    def __exit__(self, *_: object) -> None: ...


CPU = device()


def on_cpu(given: Any) -> None:
    """Refuse a `device=` that is not the cpu."""
    if given is not None and type(given) is not device:
        device(given)
