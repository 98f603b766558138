"""Tensor and Op: an array that records how it was computed, and the record of an operation.

It knows no derivative (those are in `ops/`) and no backward pass (`autograd.py`).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import wraps
from threading import get_ident
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ._methods import Methods
from .advice import a_type
from .modes import active_watchers, no_grad_blocks, notify_watchers, state
from .names import Missing, elsewhere

Array = npt.NDArray[Any]
Params = dict[str, Any]
Rule = Callable[..., Any]

ndarray, new = np.ndarray, object.__new__
NO_PARAMS: Params = {}


# --- Op: the record of an operation ---


class Domain(NamedTuple):
    """Open intervals of the real line: where a derivative exists, up to single kinks."""

    intervals: tuple[tuple[float, float], ...]

    def __str__(self) -> str:
        return " or ".join(f"({low:g}, {high:g})" for low, high in self.intervals)


REAL = Domain(((-np.inf, np.inf),))
NONZERO = Domain(((-np.inf, 0), (0, np.inf)))
POSITIVE = Domain(((0, np.inf),))


class Sample(NamedTuple):
    """A call for the generic tests: array inputs, where a shape stands for random values of it, and parameters."""

    inputs: tuple[Any, ...]
    params: Params


def S(*inputs: Any, **params: Any) -> Sample:
    """A `Sample`, written like the call."""
    return Sample(inputs, params)


class Op:
    """An operation: a NumPy function and, for each array input, one NumPy expression for the derivative.

    Attributes
    ----------
    name : str
    forward : callable
        ``forward(*arrays, **params)`` returns the output, or ``(output, extras)`` where a fused op keeps values for
        its rules, which get them as one more parameter, ``extras``.
    rules : sequence of callable or None
        One for each array input: ``rule(g, y, *inputs, **params)`` is the gradient of that input, given the gradient
        `g` of the output `y`. None for an input with no derivative.
    broadcasts : bool
        Whether inputs broadcast against each other; the engine then sums their gradients over the broadcast axes.
    domain : tuple of Domain
        Where the derivative exists, for each input; the last one also holds for all further inputs.
    samples : sequence of Sample
        Calls that the tests make.
    definition : callable or None
        The same function in terms of other ops, which is differentiated at higher orders instead of using `rules`.
    analytic : bool
        Whether `forward` takes complex numbers and is analytic, so that the complex step can check its derivative.
    """

    __slots__ = ("analytic", "broadcasts", "definition", "domain", "forward", "name", "released", "rules", "samples")

    def __init__(self, name: str, forward: Callable[..., Any], rules: Sequence[Any], *,
                 broadcasts: bool = False, domain: tuple[Domain, ...] = (REAL,), samples: Sequence[Sample] = (),
                 definition: Callable[..., Any] | None = None, analytic: bool = False) -> None:
        self.name, self.forward, self.rules, self.definition = name, forward, rules, definition
        self.broadcasts, self.domain, self.samples, self.analytic = broadcasts, domain, samples, analytic
        self.released: Params = {"op": self}  # the params of a released node, which keep its name

    def __repr__(self) -> str:
        return f"<op {self.name}>"

    def domain_of(self, i: int) -> Domain:
        """The domain of input number `i`."""
        return self.domain[min(i, len(self.domain) - 1)]


RELEASED = Op("released", lambda: None, ())
REGISTRY: dict[str, Op] = {}
NUMPY: dict[Any, Callable[..., Any]] = {}  # a NumPy function, or (ufunc, method) -> its implementation for Tensors


# --- Tensor: a value and its node in the graph ---

NO_GRADIENT = ("grad: got the output of {}, where backward() stores no gradient; expected a leaf; call "
               ".retain_grad() on it before backward(), or read the grad of a leaf")


def op_name(node: Tensor) -> str:
    """The name of the op that computed a tensor, also after a backward pass has released the graph."""
    op: Any = node.params.get("op", node.op) if node.op is RELEASED else node.op
    return str(op.name)


def keep_grad(g: Any) -> None:
    """Never called: among a tensor's hooks it marks that `retain_grad` was called; `run_hooks` looks for it."""


class Tensor(Methods):
    """A NumPy array that records how it was computed, so that gradients can flow back through it.

    Parameters
    ----------
    data : array_like
        Shared, not copied, where it is an array already (`tinytensor.tensor` copies). Python floats become float32,
        integers int64.
    requires_grad : bool
        Whether `backward()` adds to `grad`. Floating point only.

    Examples
    --------
    >>> import tinytensor as tt
    >>> x = tt.tensor([1.0, 2.0, 3.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> x.grad
    array([2., 4., 6.], dtype=float32)
    """

    # Operators and methods such as x.sum() are attached by the ops (`publish` in define.py); `_methods.pyi` lists them.
    # NumPy's protocols, by which np.exp(x) gets here, are attached by `dispatch.py`.
    # op, inputs, saved, params: how it was computed. `inputs` holds None for an input that needs no gradient, and
    # `saved` holds the array of every input, as the rules see them.
    # stamp: when it was made, for tinytensor.torch, which writes into tensors; elsewhere it is not set.
    __slots__ = ("__weakref__", "_grad", "_requires_grad", "data", "hooks", "inputs", "op", "params", "saved", "stamp")

    data: Any
    _grad: Any
    hooks: list[Callable[..., Any]] | None
    _requires_grad: bool
    op: Op | None
    inputs: tuple[Tensor | None, ...]
    saved: tuple[Any, ...]
    params: Params
    stamp: int

    __array_priority__ = 1000
    __hash__ = object.__hash__  # subtle: `==` is elementwise, so without this line Python would drop the hash

    def __init__(self, data: Any, requires_grad: bool = False) -> None:
        self.data, self._grad, self.hooks, self._requires_grad = as_array(data), None, None, False
        self.op, self.inputs, self.saved, self.params = None, (), (), NO_PARAMS
        if requires_grad:
            self.requires_grad = True

    @property
    def requires_grad(self) -> bool:
        """Whether gradients flow to this tensor. Can be set on leaves of floating dtype."""
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, on: bool) -> None:
        if self.op is not None:
            raise ValueError(f"requires_grad: got the output of {op_name(self)}; expected a leaf; use .detach() for a "
                             f"leaf with the same values")
        if on and self.data.dtype.kind != "f":
            raise TypeError(f"requires_grad: got dtype {self.data.dtype}; expected a floating one, for others have no "
                            f"gradients; convert first: x.astype(np.float32)")
        self._requires_grad = bool(on)

    @property
    def grad(self) -> Array | None:
        """The gradient that `backward()` stored, of a leaf or after `retain_grad()`; elsewhere None, with a warning."""
        if self._grad is None and self.op is not None and keep_grad not in (self.hooks or ()):
            warnings.warn(NO_GRADIENT.format(op_name(self)), stacklevel=2)
        return self._grad  # type: ignore[no-any-return]

    @grad.setter
    def grad(self, value: Any) -> None:
        self._grad = value

    # --- attributes of an array ---

    @property
    def shape(self) -> tuple[int, ...]:
        return self.data.shape  # type: ignore[no-any-return]

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.data.dtype  # type: ignore[no-any-return]

    @property
    def ndim(self) -> int:
        return self.data.ndim  # type: ignore[no-any-return]

    @property
    def size(self) -> int:
        return self.data.size  # type: ignore[no-any-return]

    @property
    def is_leaf(self) -> bool:
        """Whether this tensor was created by the user, not computed by a recorded op."""
        return self.op is None

    # --- leaving the graph ---

    def numpy(self) -> Array:
        """The values as an array that shares memory; an error if the tensor requires grad."""
        return self.__array__()

    def detach(self) -> Tensor:
        """A leaf that shares this tensor's memory and does not require grad."""
        return Tensor(self.data)

    def item(self, *index: Any) -> Any:
        """The only element, or the one at an index, as a Python number; one integer indexes the flattened array."""
        return self.data.item(*index) if index else self._single_element("item")

    def _single_element(self, caller: str) -> Any:
        """The only element, or an error in the caller's name."""
        if self.data.size != 1:
            raise ValueError(f"{caller}: got shape {self.shape}, of {self.data.size} elements; expected one element; "
                             f"reduce it first (.sum(), .any(), .all()), or use .tolist()")
        return self.data.item()

    def tolist(self) -> Any:
        """The values as nested lists of Python numbers."""
        return self.data.tolist()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        if self._requires_grad:
            raise TypeError("got a tensor that requires grad, in a function that takes plain arrays only; expected one "
                            "without gradient, which would be lost; write x.detach().numpy()")
        return np.array(self.data, dtype=dtype, copy=copy)

    def __float__(self) -> float:
        return float(self._single_element("float"))

    def __int__(self) -> int:
        return int(self._single_element("int"))

    def __bool__(self) -> bool:
        return bool(self._single_element("bool"))

    def __index__(self) -> int:
        if self.data.dtype.kind not in "iub" or self.data.ndim:  # subtle: array[t] asks, and t's axis must not be lost
            raise TypeError(f"index: got a tensor of dtype {self.dtype} and shape {self.shape}; expected an integer "
                            f"without axes; convert first: x.astype(np.int64), x.reshape(())")
        return int(self.item())

    def __len__(self) -> int:
        if self.data.ndim == 0:
            raise TypeError("len: got a 0-d tensor; expected one axis or more; use .size, or .item() for the number")
        return len(self.data)

    def __iter__(self) -> Iterator[Tensor]:
        if self.data.ndim == 0:
            raise TypeError("iteration: got a 0-d tensor; expected one axis or more; use .item() for the number")
        return (self[i] for i in range(len(self.data)))

    def __repr__(self) -> str:
        values = np.array2string(self.data, precision=4, separator=", ", prefix="tensor(")
        dtype = "" if self.data.dtype in (np.float32, np.int64, np.bool_) else f", dtype={self.data.dtype}"
        made = f", op={op_name(self)}" if self.op else ", requires_grad=True" if self._requires_grad else ""
        return f"tensor({values}{dtype}{made})"

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec else str(self)

    def __reduce__(self) -> Any:  # copy.deepcopy and pickle give a detached leaf: a graph is not copied
        return type(self), (self.data.copy(), self._requires_grad and self.op is None)

    if not TYPE_CHECKING:  # so that type checkers report missing attributes

        def __getattr__(self, name: str) -> Any:  # called only for names that are not found
            if name == "stamp":  # a slot that is not set: asked for often, in the layer that uses it
                raise AttributeError(name)
            raise Missing(elsewhere, "Tensor", name, lambda: dir(Tensor))

    def __setitem__(self, index: Any, value: Any) -> None:
        raise TypeError("x[i] = v: got a Tensor on the left, whose values gradients may need; expected an array; "
                        "write tt.where(mask, v, x), or x.data[i] = v on a leaf that is not in a graph")


def needs_grad(x: Any) -> bool:
    """Whether x is a Tensor that gradients flow to."""
    return isinstance(x, Tensor) and x._requires_grad


tracing: list[Any] = []  # active traces; while it is empty, primitives skip the tracer check


class TracerBase:
    """The base class of what represents an array or a number while a step is traced (`tt.compile`)."""

    __slots__ = ()

    def record_call(self, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """Record the call of a `primitive`, and return a tracer for its result."""
        raise NotImplementedError

    def record_stack(self, x: Any) -> Any:
        """Record that an array is built from nested lists that contain this tracer."""
        raise NotImplementedError


def refuse_traced(name: str, why: str) -> None:
    """Raise if this thread is tracing a step."""
    for trace in tracing:
        if trace.thread == get_ident():
            raise trace.refusal(f"{name} {why}", "steps that compute", f"open `with tt.{name}():` around the call of "
                                "the compiled step, which then runs uncompiled")


def primitive(function: Callable[..., Any]) -> Callable[..., Any]:
    """Record calls of this function as a single node when tracing; elsewhere it is the function itself.

    Needed where NumPy's protocols would not see the tracer: indexing a plain array with one, or inspecting values.
    The compiler's table of primitives has a row for each such function.
    """

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        if tracing and (tracer := first_tracer(args)) is not None:
            return tracer.record_call(function, args, kwargs)
        return function(*args, **kwargs)

    return call


def first_tracer(x: Any) -> TracerBase | None:
    """The first tracer in nested arguments, if there is one."""
    if isinstance(x, TracerBase):
        return x
    kind = type(x)  # subtle: a tracer's own class would say that it is an array
    if issubclass(kind, list | tuple):
        return next((t for t in map(first_tracer, x) if t is not None), None)
    return first_tracer((x.start, x.stop, x.step)) if kind is slice else None


def as_array(x: Any, dtype: Any = None, copy: bool | None = None, beside: Any = None) -> Array:
    """Any array_like as an array: what has a dtype keeps it; Python floats, and lists of them, become float32.

    With a dtype `beside`, lists of Python numbers take that one, as single Python numbers do in NumPy.
    """
    if type(x) is ndarray and dtype is None and not copy and x.dtype.kind in REAL_KINDS:
        return x
    if isinstance(x, Tensor):
        x = x.data
    if tracing and (tracer := first_tracer(x)) is not None:
        x = tracer.record_stack(x)
        return x if dtype is None and not copy else x.astype(dtype or x.dtype)  # type: ignore[no-any-return]
    if dtype is not None and np.dtype(dtype).kind not in REAL_KINDS:
        raise TypeError(f"tensor: got dtype {np.dtype(dtype)}; expected one of real numbers, such as np.float32; "
                        f"keep real and imaginary parts in two tensors")
    x = unwrap_foreign(x)
    y = read_array(x)
    if y.dtype.kind not in REAL_KINDS:
        raise TypeError(f"tensor: got {a_type(x)} of dtype {y.dtype}; expected real numbers, in an array "
                        f"or lists; convert it first")
    if dtype is None and y.dtype.kind in "iuf" and (y.dtype == np.float64 or beside is not None):
        brought = dtypes_in(x)
        if beside is not None and not brought:
            dtype = beside
        elif y.dtype == np.float64 and y.dtype not in brought:
            dtype = np.float32
    if dtype is None or y.dtype == dtype:
        return y.copy() if copy and not isinstance(x, list | tuple) else y
    return read_array(x, dtype) if y.dtype.kind in "iu" else y.astype(dtype)


def read_array(x: Any, dtype: Any = None) -> Array:
    """An array_like as NumPy reads it; with a dtype, Python integers that do not fit are an error."""
    try:
        return np.asarray(x) if dtype is None else np.array(x, dtype)
    except ValueError as error:
        text = str(error).rstrip(".")
        raise ValueError(f"tensor: {text}; expected numbers in an array, or in lists of equal lengths; pad the short "
                         f"ones") from None
    except OverflowError as error:
        raise OverflowError(f"tensor: {error}; expected numbers that the dtype can hold; pass a larger one") from None
    except (TypeError, RuntimeError, BufferError) as error:  # the object itself says why it cannot be read
        raise TypeError(f"tensor: got {a_type(x)}: {error}; expected what NumPy can read; convert it"
                        ) from None


REAL_KINDS, PYTHONS = frozenset("biuf"), frozenset((int, float, bool))


def unwrap_foreign(x: Any) -> Any:
    """Arrays of other libraries, and of subclasses of ndarray, as NumPy can read them."""
    if isinstance(x, ndarray) and type(x) is not ndarray:
        if isinstance(x, np.ma.MaskedArray):
            raise TypeError("tensor: got a masked array, whose mask would be lost; expected an array; write "
                            "x.filled(value), and tt.where(~x.mask, ..., 0) for what is masked")
        return x.view(ndarray)
    if isinstance(x, list | tuple) and not PYTHONS.issuperset(map(type, x)):
        for part in x:
            if isinstance(part, list | tuple | np.ma.MaskedArray):
                unwrap_foreign(part)  # a masked array inside is refused too
    if hasattr(x, "__dlpack__") and not hasattr(x, "__array__"):
        return np.from_dlpack(x)
    return x


def dtypes_in(x: Any) -> set[Any]:
    """The dtypes of x, or of the elements of its nested lists; Python numbers have none."""
    if isinstance(x, list | tuple):
        return set() if PYTHONS.issuperset(map(type, x)) else set().union(*map(dtypes_in, x))
    if isinstance(x, int | float | range) and not isinstance(x, np.generic):
        return set()
    return {x.dtype if isinstance(x, Tensor | ndarray | np.generic) else np.asarray(x).dtype}


# --- a new node ---


def record(op: Op, y: Any, inputs: list[Tensor | None], arrays: list[Any], params: Params, needs: bool) -> Tensor:
    """A tensor that holds `y`, with its history if an input requires grad and this thread records."""
    if type(y) is not ndarray:
        if type(y) is tuple:
            y, extras = y
            params = {**params, "extras": extras}
        y = as_ndarray(y)
    t: Tensor = new(Tensor)
    t.data = y
    t._grad = t.hooks = None
    if needs and (not no_grad_blocks or state.recording) and y.dtype.kind == "f":
        t._requires_grad, t.op = True, op
        t.inputs, t.saved, t.params = tuple(inputs), tuple(arrays), params
    else:
        t._requires_grad, t.op = False, None
        t.inputs, t.saved, t.params = (), (), NO_PARAMS
    if active_watchers:
        notify_watchers(t, op, arrays)
    return t


def as_ndarray(y: Any) -> Any:
    """The output of an op's forward as an ndarray: NumPy scalars become 0-d arrays."""
    if isinstance(y, np.generic):
        return np.copy(y) if isinstance(y, TracerBase) else np.array(y)
    return y
