"""NumPy functions without a rule: NumPy computes the value, and a composition of ops its gradient.

`composed` is for functions with a derivative, `nondifferentiable` for those without. NumPy computes the value, so it is
NumPy's to the bit, as are dtypes, shapes and errors; the composition need only be right where a gradient flows.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from contextlib import nullcontext, suppress
from functools import update_wrapper
from typing import Any, NamedTuple

import numpy as np

from .apply import FAULTS, PUBLIC, check_real, op_error, operand
from .core import NO_PARAMS, REAL, Domain, Op, Sample, Tensor, as_array, as_ndarray, ndarray, record
from .define import per_input, publish
from .dispatch import SEQUENCE, SIMPLE, Function, as_python, full_name
from .modes import active_watchers, no_grad_blocks, notify_watchers, state
from .names.calls import misfit

ARRAYS = frozenset(("a", "x", "y", "m", "v", "p", "f", "ary", "arr", "xp", "fp", "weights"))  # each means one array
WEAK = frozenset(("q",))  # for which NumPy gives a Python number the dtype of the other arrays


class Composed(NamedTuple):
    """The record of a composed function, which the generic tests read."""

    name: str
    function: Function
    numpy: Function
    samples: Sequence[Sample]
    domain: tuple[Domain, ...]
    inputs: str  # the parameters that gradients flow to; the first one if empty


COMPOSED: dict[str, Composed] = {}
NONDIFFERENTIABLE: dict[str, Function] = {}  # NumPy's functions without a derivative, by their full names


def composed(numpy: Function, inputs: str = "", *, method: bool = False, aliases: Sequence[str] = (),
             namespace: str = "", samples: Sequence[Sample] = (), domain: Domain | tuple[Domain, ...] = REAL,
             ) -> Callable[[Function], Function]:
    """Implement a NumPy function for Tensors: its gradient is that of the decorated composition of ops.

    The composition has NumPy's parameters, with their names, order and defaults. It is called only if a gradient is
    needed, with Tensors for the inputs that require grad and arrays for the others. If it has one more parameter,
    `value`, it gets the value that NumPy has computed.

    Parameters
    ----------
    numpy : callable
        The NumPy function that computes the value: an array, or a tuple, list or named tuple of arrays.
    inputs : str
        The parameters that gradients flow to, separated by blanks; the first one if left out. Each may be an array or
        nested sequences of arrays. A Tensor that requires grad is an error in any other.
    method, aliases, namespace
        As for `tinytensor.define.op`.
    samples, domain
        Calls that the generic tests make. A shape stands for an array, a list of shapes for a list of arrays.
    """

    def define(composition: Function) -> Function:
        name = composition.__name__ if composition.__name__ == numpy.__name__ else composition.__name__.rstrip("_")
        full = f"{namespace}.{name}" if namespace else name
        apply = differentiated(full, numpy, composition, inputs)
        COMPOSED[full] = Composed(full, apply, numpy, samples, per_input(domain), inputs)
        return publish(apply, name, method, (numpy,), aliases, namespace)

    return define


def differentiated(full: str, numpy: Function, composition: Function, inputs: str = "") -> Function:
    """The function that `composed` returns: NumPy's values, and the composition's gradient."""
    parameters = inspect.signature(composition).parameters
    values = "value" in parameters
    signature = inspect.Signature([p.replace(annotation=p.empty) for p in parameters.values() if p.name != "value"])
    wanted = frozenset(inputs.split() or [next(iter(signature.parameters))])
    shell = Op(full, numpy, ())

    def apply(*args: Any, **kwargs: Any) -> Any:
        try:
            bound = signature.bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(misfit(apply, args, kwargs, full, signature) or f"{full}: {error}") from None
        given = bound.arguments
        try:
            tensors = unwrap(full, signature, given, wanted)
        except OverflowError as error:
            raise op_error(shell, error, []) from None
        recorded = any(x._requires_grad for x in tensors) and (not no_grad_blocks or state.recording)
        whole = {key: stack_nested(x) if key in ARRAYS else x for key, x in given.items()} if recorded else NO_PARAMS
        for key, x in given.items():
            given[key] = arrays_of(x)
        if tensors:
            protect(full, given)
        try:
            y = numpy(*bound.args, **bound.kwargs)
        except FAULTS as error:
            raise op_error(shell, error, [x for x in given.values() if isinstance(x, ndarray)]) from None
        except RuntimeError as error:
            if type(error) is not RuntimeError:  # the compiler's refusal of a step
                raise
            raise RuntimeError(f"{full}: {error}; see help({full})") from None
        if not tensors:
            return y
        arrays = [x for x in given.values() if isinstance(x, ndarray)] if active_watchers else []
        if not (recorded and has_floating(y)):
            return report(as_constants(y, full), shell, arrays)
        given.update(whole)
        if "axis" in given:
            given["axis"] = axis_of(given["axis"])
        # NumPy has already warned of what there is to warn of
        with np.errstate(all="ignore"), state.anomaly.inside() if state.anomaly else nullcontext():
            if any(x._requires_grad and x.data.size for x in tensors) and (isinstance(y, SEQUENCE) or y.size):
                z = composition(*bound.args, **bound.kwargs, **({"value": y} if values else NO_PARAMS))
            else:  # no element has a gradient
                z = attach(y, tensors)
            result = with_numpy_values(full, y, z, tensors)
        return report(result, shell, arrays)

    update_wrapper(apply, composition)
    setattr(apply, "__signature__", signature)
    apply.__name__ = apply.__qualname__ = full.rpartition(".")[2]
    return apply


def axis_of(axis: Any) -> Any:
    """An axis that NumPy has accepted, as compositions read it: an integer, None, or a tuple of not exactly one."""
    if isinstance(axis, SEQUENCE):
        return axis_of(axis[0]) if len(axis) == 1 else tuple(axis)
    return int(axis) if isinstance(axis, bool) else axis


def protect(name: str, given: dict[str, Any]) -> None:
    """Let NumPy write nowhere: an `out` is an error, and `overwrite_input` is turned off."""
    if given.get("out") is not None:
        raise TypeError(f"{name}: got out=; expected none, for the gradient would be lost; write y = {name}(...)")
    if "overwrite_input" in given:
        given["overwrite_input"] = False


def nondifferentiable(*functions: Function, method: bool = False, namespace: str = "") -> None:
    """Implement NumPy functions that have no derivative for Tensors: NumPy computes, and arrays become Tensors."""
    for function in functions:
        publish(make_nondifferentiable(function), function.__name__, method, (function,), (), namespace)


def make_nondifferentiable(function: Function) -> Function:
    full = full_name(function)
    shell = Op(full.removeprefix("np."), function, ())

    def apply(*args: Any, **kwargs: Any) -> Any:
        tensors: list[Tensor] = []
        collect((args, list(kwargs.values())), tensors)
        args, kwargs = arrays_of(args), {key: arrays_of(x) for key, x in kwargs.items()}
        try:
            y = function(*args, **kwargs)
        except FAULTS as error:
            raise op_error(shell, error, [x for x in args if isinstance(x, ndarray)]) from None
        return as_constants(y, shell.name) if tensors else y

    NONDIFFERENTIABLE[full] = apply
    apply.__name__ = apply.__qualname__ = function.__name__
    sentence = next((p for p in (function.__doc__ or "").split("\n\n") if p.strip() and "(" not in p.split()[0]), "")
    apply.__doc__ = f"{' '.join(sentence.split())}\n\nNumPy's `{function.__name__}`. It has no derivative."
    with suppress(TypeError, ValueError):
        setattr(apply, "__signature__", inspect.signature(function))
    return apply


# --- Tensors in, arrays to NumPy ---


def unwrap(name: str, signature: inspect.Signature, given: dict[str, Any], wanted: frozenset[str]) -> list[Tensor]:
    """The Tensors among the arguments; Python numbers and lists take the dtype of the other arrays, in place."""
    tensors: list[Tensor] = []
    dtypes: list[np.dtype[Any]] = []
    for key, x in given.items():
        if key in wanted:
            collect(x, tensors, dtypes)
        elif type(x) not in SIMPLE:
            collect(x, tensors)
            try:
                given[key] = as_python(key, x)
            except TypeError as error:
                raise TypeError(f"{name}: {error}") from None
    floating = [d for d in dtypes if d.kind == "f"]
    dtype = np.result_type(*floating) if floating else None
    for key in wanted & given.keys():
        if not (key in WEAK and type(given[key]) in (int, float)):
            given[key] = cast_numbers(given[key], dtype)
    return tensors


def collect(x: Any, tensors: list[Tensor], dtypes: list[np.dtype[Any]] | None = None) -> None:
    """Collect the Tensors in nested sequences, and the dtypes of all their arrays."""
    if isinstance(x, Tensor):
        tensors.append(x)
    if isinstance(x, SEQUENCE):
        for part in x:
            collect(part, tensors, dtypes)
    elif dtypes is not None and hasattr(x, "dtype") and not isinstance(x, type):
        dtypes.append(x.dtype)


def cast_numbers(x: Any, dtype: Any) -> Any:
    """Numbers, and lists of them, as arrays of the floating dtype of the other inputs, if there is one."""
    if type(x) in (int, float):
        return x if dtype is None else np.array(x, dtype)
    if isinstance(x, SEQUENCE):
        if holds_arrays(x):
            return type(x)([cast_numbers(part, dtype) for part in x])
        return as_array(x, beside=dtype) if x else x
    return x if isinstance(x, Tensor) else operand(x)


def holds_arrays(x: Any) -> bool:
    """Whether nested sequences contain an array."""
    return any(map(holds_arrays, x)) if isinstance(x, SEQUENCE) else hasattr(x, "dtype")


def stack_nested(x: Any) -> Any:
    """Nested sequences of arrays as one array, as NumPy would read them."""
    return PUBLIC["stack"]([stack_nested(part) for part in x]) if isinstance(x, SEQUENCE) and holds_arrays(x) else x


def arrays_of(x: Any) -> Any:
    """The same, with every Tensor replaced by its array."""
    if isinstance(x, Tensor):
        return x.data
    if isinstance(x, SEQUENCE):
        return type(x)([arrays_of(part) for part in x])
    return x


# --- arrays from NumPy, Tensors out ---


def attach(y: Any, tensors: Sequence[Tensor]) -> Any:
    """NumPy's results as outputs of Tensors without elements, so that a backward pass reaches these."""
    if isinstance(y, SEQUENCE):
        return like_sequence(y, [attach(part, tensors) for part in y])
    for x in tensors if has_floating(y) else ():
        if x._requires_grad:
            y = PUBLIC["add"](y, PUBLIC["astype"](PUBLIC["sum"](x), y.dtype))
    return y


def has_floating(y: Any) -> bool:
    """Whether a gradient can flow from some part of the result."""
    if isinstance(y, SEQUENCE):
        return any(map(has_floating, y))
    return isinstance(y, ndarray | np.generic) and y.dtype.kind == "f"


def like_sequence(like: Any, parts: Sequence[Any]) -> Any:
    """Several results in the type of NumPy's: a list, a tuple or a named tuple."""
    return type(like)(*parts) if hasattr(like, "_fields") else type(like)(parts)


def as_constants(y: Any, name: str) -> Any:
    """Arrays, results of the function of that name, as Tensors that do not require grad; anything else as it is."""
    if isinstance(y, SEQUENCE):
        return like_sequence(y, [as_constants(part, name) for part in y])
    if not isinstance(y, ndarray | np.generic):
        return y
    check_real(y, name)
    return record(SHELL, y, [], [], NO_PARAMS, False)


def report(y: Any, op: Op, arrays: list[Any]) -> Any:
    """The results, after the watchers (`modes.active_watchers`) were called with the function that computed them."""
    for x in (y if isinstance(y, SEQUENCE) else (y,)) if active_watchers else ():
        if isinstance(x, Tensor):
            notify_watchers(x, op, arrays)
    return y


SHELL = Op("constant", lambda: None, ())


def with_numpy_values(name: str, y: Any, z: Any, tensors: Sequence[Tensor]) -> Any:
    """The output of the composition, with NumPy's values as its data."""
    if isinstance(y, SEQUENCE):
        return like_sequence(y, [with_numpy_values(name, a, b, tensors) for a, b in zip(y, z, strict=True)])
    if not isinstance(z, Tensor) or not z._requires_grad or y.dtype.kind != "f":
        return as_constants(y, name)
    if z.shape != y.shape:
        raise RuntimeError(f"{name}: got shape {z.shape} from its composition; expected {y.shape}, that of NumPy's "
                           f"value; correct the composition")
    if any(z is x for x in tensors):
        return z
    if z.dtype != y.dtype:
        z = PUBLIC["astype"](z, y.dtype)
    z.data = as_ndarray(y)
    return z
