"""The facts of the table of primitives are NumPy's: proved on random calls of each, over dtypes and layouts."""

import contextvars
import inspect
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from tinytensor.compiler import primitives
from tinytensor.compiler.codegen.peephole import as_operand, dotted, operand_dtype
from tinytensor.compiler.ir import Call, Value
from tinytensor.compiler.passes.buffer_assignment import writes_permuted
from tinytensor.compiler.passes.tiling import is_row_parallel
from tinytensor.compiler.primitives import (
    ASTYPE,
    COPY,
    DYNAMIC_SLICE,
    FLATTEN,
    GETITEM,
    MATRIX_TRANSPOSE,
    PRINTS,
    QUERIES,
    REFUSED,
    TABLE,
    TRANSPOSE,
    of_ufunc,
)
from tinytensor.compiler.tracing.dispatch import SPECIAL

DRAWS = 60
DTYPES = "?bhilBHILefdFD"
SHAPES: tuple[tuple[int, ...], ...] = ((), (0,), (1,), (5,), (3, 4), (4, 0), (2, 3, 4), (4, 1, 3), (9, 30),
                                    (40, 3), (99,), (130, 80))
UFUNC_NAMES = sorted({f.__name__ for f in vars(np).values() if isinstance(f, np.ufunc)})
UFUNCS = [getattr(np, name) for name in UFUNC_NAMES]
FUNCTIONS = {p.name: p for p in (*TABLE.values(), COPY, ASTYPE, FLATTEN, GETITEM, TRANSPOSE, MATRIX_TRANSPOSE)}
PRIMITIVES = {**FUNCTIONS, **{f"np.{f.__name__}": of_ufunc(f, "__call__") for f in UFUNCS},
              **{f"np.{f.__name__}.{m}": of_ufunc(f, m) for f in UFUNCS if f.nin == 2 and f.nout == 1
                 and not f.signature for m in ("reduce", "accumulate", "outer")}}
QUADRATIC = ("np.diagflat", "np.outer", "np.inner", "np.linalg.outer", "np.kron", "np.vander", "np.diag",
             "np.tensordot", "np.isin", "np.linspace")
Draw = np.random.Generator


def uses_lapack(name: str) -> bool:
    return name.startswith("np.linalg.") or name == "np.polyfit"


def having(fact: str) -> list[str]:
    """The names of the primitives for some of whose calls a fact holds."""
    return [name for name, p in PRIMITIVES.items() if getattr(p, fact) is not primitives.never]



def elements(r: Draw, shape: tuple[int, ...], char: str) -> Any:
    """Numbers of a dtype, edges among them."""
    return np.asarray(numbers(r, shape, char))


def numbers(r: Draw, shape: tuple[int, ...], char: str) -> Any:
    with np.errstate(all="ignore"):
        x = r.standard_normal(shape) * r.choice([1.0, 30.0])
        if r.random() < 0.3:
            x = np.where(r.random(shape) < 0.2, r.choice([np.inf, -np.inf, np.nan, -0.0, 0.0], shape), x)
        if char == "?" or np.dtype(char).kind in "iu":
            x = np.nan_to_num(x, posinf=9, neginf=0)
            return (np.abs(x) if np.dtype(char).kind == "u" else x).astype(char)
        return (x + 1j * r.standard_normal(shape) if char in "FD" else x).astype(char)


def array(r: Draw, shape: tuple[int, ...], char: str) -> Any:
    """An array of some layout: C, F, with strides, reversed, broadcast, cut, or other axes first."""
    layout = r.integers(8)
    if not shape or layout < 2:
        return elements(r, shape, char)
    if layout == 2:
        return np.asfortranarray(elements(r, shape, char))
    if layout == 3:
        return elements(r, (*shape[:-1], 2 * shape[-1]), char)[..., ::2]
    if layout == 4:
        return elements(r, shape, char)[::-1]
    if layout == 5:
        return np.broadcast_to(elements(r, (*shape[:-1], 1), char), shape)
    if layout == 6:
        return elements(r, (*shape[:-1], shape[-1] + 2), char)[..., :-2]
    return np.moveaxis(elements(r, (*shape[1:], shape[0]), char), -1, 0)


def beside(r: Draw, shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape that broadcasts with another."""
    return tuple([n if r.random() < 0.8 else 1 for n in shape])[r.integers(2) * r.integers(len(shape) + 1) :]


def arguments(p: Any, r: Draw) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Arguments of one call of a primitive."""
    shape, char = SHAPES[r.integers(len(SHAPES))], DTYPES[r.integers(len(DTYPES))]
    shape = (3, 4) if p.name in QUADRATIC else shape
    other = char if r.random() < 0.7 else DTYPES[r.integers(len(DTYPES))]
    x, axis = array(r, shape, char), int(r.integers(len(shape))) if shape else None
    ufunc = p.function if isinstance(p.function, np.ufunc) else getattr(p.function, "__self__", None)
    some = {"axis": axis} if r.random() < 0.7 else {"axis": None} if r.random() < 0.5 else {}
    if r.random() < 0.3:
        some["keepdims"] = True
    if len(shape) > 1 and r.random() < 0.2:
        some["axis"] = (0, len(shape) - 1)
    if p.kind == "product" or p.name in ("np.matmul", "np.vecdot"):
        return product_arguments(p, r, char, other)
    if isinstance(ufunc, np.ufunc):
        if p.name.endswith(".reduce"):
            return (x,), some
        if p.name.endswith(".accumulate"):
            return (x,), {"axis": axis or 0}
        if p.name.endswith(".outer"):
            return (x, array(r, (3,), other)), {}
        operands = [x, *(array(r, beside(r, shape), other) if r.random() < 0.8 else r.choice([2, -1, 0.5]).item()
                         for _ in range(ufunc.nin - 1))]
        return tuple(operands if r.random() < 0.7 else operands[::-1]), {}
    if p.kind == "join":
        axis = axis if r.random() < 0.8 else None if p.function is np.concatenate else 0
        parts = [x, *(array(r, shape, other) for _ in range(r.integers(1, 3)))]
        return (parts,), {} if r.random() < 0.3 else {"axis": axis}
    special = {
        ".reshape": (x, (-1,) if r.random() < 0.3 else (*shape[::-1], 1)), "np.clip": (x, -1, array(r, shape, other)),
        ".astype": (x, np.dtype(other)), ".take": (x, array(r, (2,), "l") * 0, axis),
        "[]": (x, (slice(None, None, -1), ...)),
        "np.where": (x, array(r, shape, other), array(r, shape, other)), "np.broadcast_to": (x, (2, *shape)),
        ".swapaxes": (x, 0, -1), "np.expand_dims": (x, 0), "np.moveaxis": (x, 0, -1), ".repeat": (x, 2, axis),
        "np.full_like": (x, 2), "np.pad": (x, 1), "np.tile": (x, 2), "np.roll": (x, 1), "np.take_along_axis": (
            x, np.zeros(shape, int), axis), ".searchsorted": (elements(r, (5,), char), x), "np.quantile": (x, 0.3),
        "np.percentile": (x, 30), "np.isclose": (x, x), "np.isin": (x, x[..., None]), "np.interp": (x, [0, 1], [1, 2])}
    options = {k: y for k, y in some.items() if k in p.parameters}
    if p.name in special:
        return special[p.name], {}
    if p.name in (".var", ".std", ".mean", ".cumsum", ".cumprod", ".argmax", ".argmin"):
        return (x,), {k: y for k, y in options.items() if not (k == "keepdims" and "cum" in p.name)}
    if r.random() < 0.2 and "order" in p.parameters:
        options["order"] = r.choice(["C", "F", "A", "K"])
    operands = [x, *[array(r, shape, other) if name in p.operands else 1 for name in required(p)[1:]]]
    return tuple(operands), options if r.random() < 0.7 else {}


def required(p: Any) -> list[str]:
    """Names of the operands that a primitive can't do without."""
    if p.signature is None:
        return list(p.operands)[:1]
    return [k for k, q in p.signature.parameters.items() if q.default is q.empty and q.kind in (
        q.POSITIONAL_ONLY, q.POSITIONAL_OR_KEYWORD)]


def product_arguments(p: Any, r: Draw, char: str, other: str) -> tuple[tuple[Any, ...], dict[str, Any]]:
    n, k, m, b = (int(i) for i in r.choice([1, 2, 3, 5, 17, 40], 4))
    if p.name == "np.einsum":
        spec, shapes = [("ij,jk->ik", [(n, k), (k, m)]), ("ij,ij->i", [(n, k), (n, k)]), ("ij->ji", [(n, k)]),
                        ("ij->", [(n, k)]), ("bij,bjk->bik", [(b, n, k), (b, k, m)]), ("i,j->ij", [(n,), (m,)]),
                        ("ij,j->i", [(n, k), (k,)]), ("ii->i", [(n, n)]),
                        ("ij,kj->ki", [(n, k), (m, k)])][r.integers(9)]
        return (spec, *[array(r, s, c) for s, c in zip(shapes, (char, other), strict=False)]), {}
    pairs = {"np.vecdot": [((n, k), (n, k)), ((k,), (n, k)), ((k,), (k,))],
             "np.matvec": [((n, k), (k,)), ((b, n, k), (b, k))], "np.vecmat": [((k,), (k, m)), ((b, k), (b, k, m))]}
    usual = [((n, k), (k, m)), ((k,), (k, m)), ((n, k), (k,)), ((k,), (k,)), ((b, n, k), (b, k, m)),
             ((n, k), (b, k, m)), ((b, n, k), (k, m)), ((1, n, k), (b, k, m)), ((n, 0), (0, m)), ((), ())]
    found = pairs.get(p.name, usual)
    one, two = found[r.integers(len(found))]
    x, y = array(r, one, char), array(r, two, other)
    if r.random() < 0.2 and len(one) == 2 and one != (n, 0) and p.name in ("np.matmul", "np.dot"):
        return (x, x.T), {}
    return (x, y), {}


def as_values(x: Any, found: list[Value]) -> Any:
    """Arguments as a trace notes them."""
    if isinstance(x, np.ndarray):
        found.append(Value(x, kind="input", number=len(found)))
        return found[-1]
    return [as_values(y, found) for y in x] if isinstance(x, list) else x


def drawn(p: Any, draws: int = DRAWS) -> Iterator[tuple[Call, tuple[Any, ...], Any]]:
    """Random calls of a primitive that NumPy makes: as a trace notes them, their arguments, and what they give."""
    r = np.random.default_rng([ord(c) for c in p.name])
    for _ in range(draws):
        try:
            args, kwargs = arguments(p, r)
            if uses_lapack(p.name) and not all(np.isfinite(x).all() for x in args if isinstance(x, np.ndarray)):
                continue  # it may not return
            natural = p.function(*args, **kwargs)
        except (TypeError, ValueError, np.exceptions.AxisError, OverflowError, np.linalg.LinAlgError, IndexError,
                ZeroDivisionError, AttributeError):
            continue
        call = Call(p, tuple([as_values(x, []) for x in args]), kwargs)
        if isinstance(natural, np.ndarray | np.generic):
            call.result = Value(np.asarray(natural), call, number=99)
            shared = [v for v in call.inputs() if np.may_share_memory(v.array, natural)]
            if shared and not call.elementwise:
                call.result.base = shared[0]
        yield call, args, natural


def same_bits(a: Any, b: Any) -> bool:
    """Of a nan it doesn't matter which one."""
    a, b = np.asarray(a), np.asarray(b)
    return bool(a.dtype == b.dtype and a.shape == b.shape and (a.tobytes() == b.tobytes() or (
        a.dtype.kind in "fc" and np.array_equal(a, b, equal_nan=True) and (
            a.dtype.kind == "c" or np.array_equal(np.signbit(a) | np.isnan(a), np.signbit(b) | np.isnan(b))))))


def told(call: Call) -> str:
    """A call, for a failure."""
    arrays = [f"{v.array.dtype}{v.array.shape}{v.array.strides}" for v in call.inputs()]
    others = [x for x in call.args if not isinstance(x, Value | list)]
    return f"{call.name} of {', '.join(arrays)} with {call.kwargs} and {others}"


def like(a: Any) -> Any:
    """A buffer of an array's shape and strides, full of something else."""
    out = np.lib.stride_tricks.as_strided(np.full(a.size + 1, 7).astype(a.dtype), a.shape, a.strides) if a.size else (
        np.empty_like(a))
    return out


def into(call: Call, args: Any, out: Any) -> None:
    """The call as a source writes it: into an array."""
    if call.primitive.kind in ("copy", "layout"):
        source = args[0]
        np.copyto(out.reshape(source.shape) if out.shape != source.shape else out, source, casting="unsafe")
    else:
        call.primitive.function(*args, **{k: x for k, x in call.kwargs.items() if k == "axis" or (
            call.target is not np.concatenate)}, out=out)


pytestmark = [pytest.mark.filterwarnings("ignore")]


@pytest.mark.parametrize("name", having("out"))
def test_out_has_the_same_bits(name: str) -> None:
    """In a buffer of the result's own layout, and, where `strided_out` says so, in others."""
    p = PRIMITIVES[name]
    for call, args, natural in drawn(p):
        if not isinstance(call.result, Value) or call.makes_view or not p.out(call):
            continue
        out = like(call.result.array)
        into(call, args, out)
        assert same_bits(out, natural), told(call)
        if call.result.array.ndim > 1 and writes_permuted(call, False):
            axes = np.random.default_rng(0).permutation(call.result.array.ndim)
            out = np.empty([call.result.array.shape[i] for i in axes], out.dtype).transpose(np.argsort(axes))
            into(call, args, out)
            assert same_bits(out, natural), f"permuted: {told(call)}"
            out = np.zeros((*natural.shape[:-1], 3 * natural.shape[-1]), out.dtype)[..., ::3]
            into(call, args, out)
            assert same_bits(out, natural), f"far apart: {told(call)}"


@pytest.mark.parametrize("name", having("unbuffered"))
def test_the_size_of_buffers_changes_nothing(name: str) -> None:
    p = PRIMITIVES[name]
    for call, args, natural in drawn(p):
        if not isinstance(call.result, Value) or not p.unbuffered(call):
            continue
        for size in (16, 2560):
            context = contextvars.copy_context()
            context.run(np.setbufsize, size)
            found = context.run(lambda c=call, a=args: p.function(*a, **c.kwargs))
            assert same_bits(found, natural), f"{size}: {told(call)}"


@pytest.mark.parametrize("name", having("rows"))
def test_rows_are_made_of_rows(name: str) -> None:
    p = PRIMITIVES[name]
    for call, args, natural in drawn(p, 2 * DRAWS):
        v = call.result
        if not isinstance(v, Value) or not v.array.ndim or v.base is not v or not is_row_parallel(call, len(v.array)):
            continue
        for rows in (1, 2, 3):
            out = np.zeros_like(natural)
            for i in range(0, len(natural), rows):
                parts = [x[i : i + rows] if isinstance(w, Value) and call.reads_by_rows(w) and len(x) > 1 else x
                         for x, w in zip(args, call.args, strict=True)]
                p.function(*parts, **call.kwargs, out=out[i : i + rows])
            assert same_bits(out, natural), f"{rows}: {told(call)}"


@pytest.mark.parametrize("name", [name for name, p in PRIMITIVES.items() if p.linear])
def test_factors_come_out(name: str) -> None:
    p, seen = PRIMITIVES[name], 0
    for call, args, natural in drawn(p, 2 * DRAWS):
        values = [v.array for v in call.inputs()]
        if {a.dtype.char for a in values} != {"d"} or not all(np.isfinite(a).all() for a in values) or (
                call.result.array.dtype.char != "d"):
            continue
        if p.linear in ("first", "one"):
            where = next(i for i, x in enumerate(args) if isinstance(x, np.ndarray))
            if p.linear == "first" and where:
                continue
            scaled = tuple([np.asarray(x * 3) if i == where else x for i, x in enumerate(args)])
        elif p.linear == "list":
            scaled = ([x * 3 for x in args[0]], *args[1:])
        else:
            scaled = (*args[: p.linear == "branches"], *[x * 3 for x in args[p.linear == "branches" :]])
        seen += 1
        with np.errstate(all="ignore"):
            found = p.function(*scaled, **call.kwargs)
            np.testing.assert_allclose(found, natural * 3, rtol=1e-9, atol=1e-9 * np.abs(natural).max(initial=1),
                                       err_msg=told(call))
    assert seen or p.name in (".take", ".copy"), f"{name} was never tried"


@pytest.mark.parametrize("name", [name for name, p in PRIMITIVES.items() if not p.view and p.kind != "update"])
def test_what_is_no_view_shares_nothing(name: str) -> None:
    for call, args, natural in drawn(PRIMITIVES[name]):
        for part in natural if isinstance(natural, tuple | list) else [natural]:
            arrays = [v.array for v in call.inputs()]
            if isinstance(part, np.ndarray):
                assert not any(np.shares_memory(part, a) for a in arrays), told(call)
        assert args is not None


def test_numbers_among_arrays_may_be_arrays() -> None:
    """What a source does to them: `operand_dtype`."""
    r = np.random.default_rng(0)
    for f in UFUNCS:
        if f.nin != 2 or f.nout != 1 or f.signature:
            continue
        for char in "bilLefdF":
            for number in (0, 1, -1, 2, 3, 0.5, -0.0, 1e-9, 1e300, float("inf"), float("nan"), 2**24 + 1, 2**53 + 1,
                           np.dtype(char).type(3)):
                a = array(r, (5,), char)
                for args in ((a, number), (number, a)):
                    try:
                        natural = f(*args)
                    except (TypeError, OverflowError, ValueError):
                        continue
                    call = Call(of_ufunc(f, "__call__"), tuple([as_values(x, []) for x in args]))
                    call.result = Value(natural, call)
                    if (dtype := operand_dtype(call)) is not None:
                        operands = [getattr(as_operand(x, "", dtype), "array", x) if x is number else x for x in args]
                        assert same_bits(f(*operands), natural), (f, char, number)


def test_dot_is_matmul_where_it_is_written() -> None:
    count = 0
    for call, args, natural in drawn(of_ufunc(np.matmul, "__call__"), 6000):
        if dotted(call):
            count += 1
            assert same_bits(np.dot(*args), natural), told(call)
            assert same_bits(args[0].dot(args[1], np.empty_like(natural)), natural), told(call)
    assert count > 100


def test_every_function_of_numpy_that_dispatches_is_known() -> None:
    """It is in the table, answered at once, or refused with advice: nothing is forgotten."""
    modules = (np, np.linalg, np.fft, np.lib.stride_tricks, np.lib.array_utils, np.lib.scimath, np.strings, np.char)
    functions = {f"{m.__name__}.{name}": f for m in modules for name, f in inspect.getmembers(m)
                 if hasattr(f, "_implementation")}
    known = {*TABLE, *QUERIES, *PRINTS, *REFUSED, *primitives.REDUCTIONS, *SPECIAL}
    assert not sorted(name for name, f in functions.items() if f not in known)
    assert DYNAMIC_SLICE not in TABLE.values() and all(REFUSED.values())
