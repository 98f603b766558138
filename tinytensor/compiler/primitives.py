"""The table of primitives: one row for each function that a trace may hold, with all that the compiler knows of it.

What is not in the table is refused by name; so is a parameter that a row does not name. To add a primitive, add a row.

A row reads ``row(np.cumsum, ".cumsum", "a | axis dtype", out=plain_floats)``: the function that a step calls, how it is
spelled in a source, its operands (which may be arrays or numbers of the step), after the bar its parameters (which may
not), and facts. `Primitive` explains the facts.
"""

from __future__ import annotations

import inspect
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core import first_tracer
from .ir import Call, Value
from .layout import compact

Target = Callable[..., Any]
Test = Callable[[Call], bool]


def never(_: Call) -> bool:
    return False


def always(_: Call) -> bool:
    return True


class Primitive:
    """One row of the table.

    Attributes
    ----------
    name : str
        How a source spells it: a function "np.add", a method ".take", an operator "[]"; another name for a function
        that is imported, or given to the source as an object.
    function : callable
        What is called.
    operands, parameters : tuple of str
        What it takes: operands may be arrays and numbers of the step, parameters are the same at each call.
    kind : str
        "elementwise", "reduction", "product", "join", "layout" (a view or, where none can be, a copy), "copy",
        "gather", "update" (writes into a copy of its first operand), "scalar" (Python's arithmetic), "draw" (of a
        random stream), "check", "collective" (of workers), or "call" for all else.
    view : bool
        Whether it may return a view of an operand.
    out : callable
        Whether a call may write its result into an array that it is given, with the same bits.
    strided_out : bool
        Whether that array's elements may lie far apart.
    rows : callable
        Whether each row of the result depends on the same rows of the operands only, by the same arithmetic.
    unbuffered : callable
        Whether the result is the same to the last bit whatever the size of NumPy's buffers.
    linear : str
        Which operands a factor may be taken out of: "first", "each" of a sum, "one" of a product, "list" (all parts
        of a join), "branches" (of where); "" for none.
    flops : callable
        About how many arithmetic operations a call makes.
    short : str
        What its result is called in a source.
    can_fail : bool
        Whether it raises for some values.
    """

    __slots__ = ("can_fail", "flops", "function", "kind", "linear", "name", "operands", "out", "parameters", "rows",
                 "short", "signature", "strided_out", "unbuffered", "view")

    def __init__(self, function: Target, name: str, takes: str = "", kind: str = "call", *, view: bool = False,
                 out: Test = never, strided_out: bool = True, rows: Test = never, unbuffered: Test = never,
                 linear: str = "", flops: Callable[[Call], int] | None = None, short: str = "",
                 can_fail: bool = True, signature: inspect.Signature | None = None) -> None:
        operands, _, parameters = takes.partition("|")
        self.function, self.name, self.kind, self.view, self.out = function, name, kind, view, out
        self.operands, self.parameters = tuple(operands.split()), tuple(parameters.split())
        self.strided_out, self.rows, self.unbuffered, self.linear = strided_out, rows, unbuffered, linear
        self.flops, self.can_fail, self.signature = flops or each_element, can_fail, signature
        self.short = short or name.rpartition(".")[2].strip("_[]=") or "part"

    def __repr__(self) -> str:
        return f"<primitive {self.name}>"

    # --- arguments of a call ---

    def bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any], Any]:
        """Arguments in one form, whatever the spelling: required ones by position, others by keyword, and `out`.

        Raises
        ------
        TypeError
            As the function itself would, of arguments that it does not take.
        Unknown
            Of a parameter that the row does not name.
        """
        assert self.signature is not None
        bound, out = self.signature.bind(*args, **kwargs), None
        given: list[Any] = []
        options: dict[str, Any] = {}
        for key, x in list(bound.arguments.items()):
            p = self.signature.parameters[key]
            if key == "out":
                out = x
            elif p.kind is p.VAR_POSITIONAL:
                given += x
            elif p.kind is p.VAR_KEYWORD:
                for k, y in x.items():
                    self.check(k, y, p.empty)
                options |= x
            elif p.default is p.empty or p.kind is p.POSITIONAL_ONLY:
                self.check(key, x, p.empty)
                given.append(x)
            elif x is not p.default:
                self.check(key, x, p.default)
                options[key] = x
        return tuple(given), options, out

    def check(self, key: str, x: Any, default: Any) -> None:
        if key not in self.parameters and key not in self.operands:
            raise Unknown(f"{self.name} with {key}=", f"one of the parameters {', '.join(self.takes())}",
                          UNKNOWN.get(key, "compose it of functions without it"))
        if key not in self.operands and first_tracer(x) is not None:
            raise Unknown(f"{self.name} with {key}= that varies", "the same at each step",
                          "compute it outside of the step, and pass it as an int")

    def takes(self) -> list[str]:
        return [x.strip("*") for x in (*self.operands, *self.parameters)]


class Unknown(TypeError):
    """Something that the table does not have: what it is, what was expected, what to write."""


UNKNOWN = {"where": "write np.where(condition, result, other)", "subok": "leave it out", "device": "leave it out",
           "overwrite_input": "leave it out"}


# --- facts of calls ---


def not_complex(call: Call) -> bool:
    """NumPy 2.4.6 squares complex numbers in two ways with different rounding, depending on the output."""
    return bool(call.result.array.dtype.kind != "c")


def plain_floats(call: Call) -> bool:
    """Operands that fill their memory row by row, of float32 or float64, and a result of the same dtype."""
    arrays = [v.array for v in call.inputs() if v.is_array]
    kinds = {a.dtype for a in (*arrays, call.result.array)}
    return all(map(compact, arrays)) and len(kinds) == 1 and kinds.pop().char in "fd" and compact(call.result.array)


def one_loop(call: Call) -> bool:
    """Operands that NumPy goes through at once: which of 0 and -0 a clip gives may depend on where a loop begins."""
    return plain_floats(call) and len({v.array.shape for v in call.inputs()}) == 1


def plain_numbers(call: Call) -> bool:
    """Operands that fill their memory row by row, no float16."""
    return all(compact(v.array) and v.array.dtype.char in "fdiul?bBhHlLqQ" for v in call.inputs() if v.is_array)


def c_order(call: Call) -> bool:
    """Whether a copy is in C order, or in that of what it copies."""
    order = call.kwargs.get("order", call.args[1] if len(call.args) > 1 and call.name == ".flatten" else "K")
    return compact(call.result.array) if order in ("C", "K", "A") else False


def sums_in_order(call: Call) -> bool:
    """Whether a reduction does not pass through NumPy's buffers: one piece of memory, of float32 or float64."""
    if not call.kwargs.keys() <= {"axis", "keepdims", "ddof"} or len(call.args) > 1 or not call.inputs():
        return False
    a = call.args[0].array
    return compact(a) and a.dtype.char in "fd"


def rows_of_elementwise(call: Call) -> bool:
    """Not of reversed arrays: some functions have another kernel for these, and rows alone may not look reversed."""
    n, ndim = call.result.array.shape[0], call.result.array.ndim
    return not call.kwargs and all((v.array.ndim < ndim or v.array.shape[0] in (1, n))
                                   and min(v.array.strides, default=0) >= 0 for v in call.inputs() if v.is_array)


def rows_of_matmul(call: Call) -> bool:
    """Matrices one by one."""
    if call.kwargs:
        return False
    n, (a, b) = call.result.array.shape[0], [v.array for v in call.inputs()]
    most = max(a.ndim, b.ndim)
    return most > 2 and all(x.ndim <= 2 or (x.ndim == most and x.shape[0] == n) for x in (a, b))


def rows_of_extremum(call: Call) -> bool:
    axis, x, n = call.kwargs.get("axis", 0), call.args[0].array, call.result.array.shape[0]
    return (call.kwargs.keys() <= {"axis", "keepdims"} and isinstance(axis, int) and x.ndim > 0
            and axis % x.ndim > 0 and x.shape[0] == n)


def each_element(call: Call) -> int:
    v = call.result
    if not isinstance(v, Value) or not v.is_array or not call.name.startswith("np."):
        return 0
    return int(max([v.array.size, *[w.array.size for w in call.inputs() if w.is_array]]))


def two_a_product(call: Call) -> int:
    return int(2 * call.result.array.size * call.args[0].array.shape[-1]) if isinstance(call.result, Value) else 0


# --- the table ---

TABLE: dict[Any, Primitive] = {}


def row(function: Target, name: str, takes: str, kind: str = "call", *also: Target, **facts: Any) -> Primitive:
    """A row for a function of NumPy, `also` for others that do the same; a method's name stands for the method."""
    target = getattr(np.ndarray, name[1:]) if name.startswith(".") and name[1:].isidentifier() else function
    primitive = Primitive(target, name, takes, kind, signature=signature_of(function), **facts)
    for f in (function, *also):
        TABLE[f] = primitive
    return primitive


def signature_of(function: Target) -> inspect.Signature | None:
    try:
        return inspect.signature(function)
    except (TypeError, ValueError):
        return None


# ufuncs and their methods: rows are made for whole families, and for foreign ufuncs when they are met

SHORT = {"matmul": "product", "subtract": "difference", "multiply": "scaled", "divide": "ratio", "add": "added",
         "negative": "minus", "vecdot": "product", "maximum.reduce": "top", "add.reduce": "sums"}
LINEAR = {"add": "each", "subtract": "each", "multiply": "one", "matmul": "one", "vecdot": "one", "divide": "first",
          "negative": "first", "add.reduce": "first", "matvec": "one", "vecmat": "one"}
FAR_APART = {"isnan", "isinf", "isfinite", "signbit"}  # NumPy 2.4.6 is wrong where their results lie far apart
BY_POSITION = {"fmax", "fmin"}  # which of 0 and -0 they give depends on where a loop over them begins
FAILS = {"power", "float_power", "floor_divide", "remainder", "fmod", "divmod"}
METHODS = {"__call__": "| dtype casting order axis axes keepdims signature",
           "reduce": "a initial where | axis keepdims dtype",
           "accumulate": "array | axis dtype", "reduceat": "array indices | axis dtype", "outer": "A B | dtype casting",
           "at": "a indices b |"}
UFUNCS: dict[tuple[Any, str], Primitive] = {}


def of_ufunc(ufunc: np.ufunc, method: str) -> Primitive:
    """The row of a ufunc, or of one of its methods; a foreign ufunc is called as the object that it is."""
    if (ufunc, method) not in UFUNCS:
        known = getattr(np, ufunc.__name__, None) is ufunc
        name = ufunc.__name__ + f".{method}" * (method != "__call__")
        facts: dict[str, Any] = {"short": SHORT.get(name, ""), "linear": LINEAR.get(name, "") if known else "",
                                 "can_fail": not known or ufunc.__name__ in FAILS}
        target: Any = ufunc if method == "__call__" else getattr(ufunc, method)
        kind, takes = "call", METHODS[method]
        if method == "__call__":
            takes = " ".join(f"x{i}" for i in range(ufunc.nin)) + f" {takes}"
            kind = "product" if ufunc.signature else "elementwise" if ufunc.nout == 1 else "call"
            facts["out"] = never if ufunc.nout > 1 else not_complex if ufunc is np.square else always
            if kind == "elementwise":
                movable = known and ufunc.__name__ not in BY_POSITION
                facts |= {"rows": rows_of_elementwise if movable else never,
                          "unbuffered": always if movable else never,
                          "strided_out": movable and ufunc.__name__ not in FAR_APART}
            elif known:
                facts |= {"rows": rows_of_matmul if ufunc is np.matmul else never, "flops": two_a_product,
                          "unbuffered": always if ufunc in (np.matmul, np.vecdot) else never}
        elif method == "reduce":
            kind = "reduction"
            facts |= {"out": always, "unbuffered": sums_in_order,
                      "rows": rows_of_extremum if ufunc in (np.maximum, np.minimum) else never}
        elif method == "at":
            kind = "update"
        UFUNCS[ufunc, method] = Primitive(target, f"np.{name}" if known else name.replace(".", "_"), takes, kind,
                                          **facts)
    return UFUNCS[ufunc, method]


# reductions: NumPy's functions are the ufuncs' own, with another default of the axis

FOLDS: list[tuple[Any, np.ufunc]] = [
    (np.sum, np.add), (np.prod, np.multiply), (np.max, np.maximum), (np.min, np.minimum), (np.amax, np.maximum),
    (np.amin, np.minimum), (np.any, np.logical_or), (np.all, np.logical_and)]
REDUCTIONS = {f: (ufunc, inspect.signature(f)) for f, ufunc in FOLDS}

f: Any
row(np.mean, ".mean", "a where | axis dtype keepdims", out=plain_floats, unbuffered=sums_in_order)
row(np.var, ".var", "a mean where | axis dtype keepdims ddof correction", out=plain_floats, unbuffered=sums_in_order)
row(np.std, ".std", "a mean where | axis dtype keepdims ddof correction", out=plain_floats, unbuffered=sums_in_order)
row(np.cumsum, ".cumsum", "a | axis dtype", out=plain_floats)
row(np.cumprod, ".cumprod", "a | axis dtype", out=plain_floats)
row(np.argmax, ".argmax", "a | axis keepdims", out=plain_numbers)
row(np.argmin, ".argmin", "a | axis keepdims", out=plain_numbers)
row(np.ptp, "np.ptp", "a | axis keepdims")
row(np.count_nonzero, "np.count_nonzero", "a | axis keepdims")
row(np.average, "np.average", "a weights | axis keepdims returned")
row(np.median, "np.median", "a | axis keepdims")
for f in (np.percentile, np.quantile, np.nanpercentile, np.nanquantile):
    row(f, f"np.{f.__name__}", "a q weights | axis method keepdims")
for f in (np.nansum, np.nanprod, np.nanmean, np.nanmax, np.nanmin, np.nanstd, np.nanvar, np.nanmedian, np.nanargmax,
          np.nanargmin, np.nancumsum, np.nancumprod):
    row(f, f"np.{f.__name__}", "a mean where | axis dtype keepdims initial ddof correction")
row(np.cov, "np.cov", "m y fweights aweights | rowvar bias ddof dtype")
row(np.corrcoef, "np.corrcoef", "x y | rowvar dtype")
row(np.cumulative_sum, "np.cumulative_sum", "x | axis dtype include_initial")
row(np.cumulative_prod, "np.cumulative_prod", "x | axis dtype include_initial")
row(np.trace, ".trace", "a | offset axis1 axis2 dtype")

# products

row(np.dot, "np.dot", "a b |", "product", out=plain_floats, flops=two_a_product)
row(np.einsum, "np.einsum", "*operands | optimize dtype order casting", "product", out=lambda call: not call.kwargs
    and plain_floats(call), linear="one", view=True)
row(np.vdot, "np.vdot", "a b |", "product")
row(np.inner, "np.inner", "a b |", "product")
row(np.outer, "np.outer", "a b |", "product")
row(np.tensordot, "np.tensordot", "a b | axes", "product")
row(np.kron, "np.kron", "a b |", "product")
row(np.cross, "np.cross", "a b | axisa axisb axisc axis")
row(np.convolve, "np.convolve", "a v | mode")
row(np.correlate, "np.correlate", "a v | mode")
for name, takes in {"cholesky": "a | upper", "cond": "x | p", "cross": "x1 x2 | axis", "det": "a |", "eig": "a |",
                    "eigh": "a | UPLO", "eigvals": "a |", "eigvalsh": "a | UPLO", "inv": "a |",
                    "lstsq": "a b | rcond", "matmul": "x1 x2 |", "matrix_norm": "x | keepdims ord",
                    "matrix_power": "a | n", "matrix_rank": "A tol rtol | hermitian", "multi_dot": "arrays |",
                    "norm": "x | ord axis keepdims", "outer": "x1 x2 |", "pinv": "a rcond rtol | hermitian",
                    "qr": "a | mode", "slogdet": "a |", "solve": "a b |",
                    "svd": "a | full_matrices compute_uv hermitian", "svdvals": "x |", "tensordot": "x1 x2 | axes",
                    "tensorinv": "a | ind", "tensorsolve": "a b | axes", "trace": "x | offset dtype",
                    "vecdot": "x1 x2 | axis", "vector_norm": "x | axis keepdims ord"}.items():
    row(getattr(np.linalg, name), f"np.linalg.{name}", takes)
for name in ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft"):
    row(getattr(np.fft, name), f"np.fft.{name}", "a | n axis norm")
    if f"{name}n" in dir(np.fft):
        row(getattr(np.fft, f"{name}n"), f"np.fft.{name}n", "a | s axes norm", view=True)
        row(getattr(np.fft, f"{name}2"), f"np.fft.{name}2", "a | s axes norm", view=True)
row(np.fft.fftshift, "np.fft.fftshift", "x | axes")
row(np.fft.ifftshift, "np.fft.ifftshift", "x | axes")

# shapes: views or, where none can be, copies

LAYOUT: dict[str, Any] = {"kind": "layout", "view": True, "unbuffered": always, "linear": "first"}
row(np.reshape, ".reshape", "a | shape order copy", out=lambda call: call.kwargs.keys().isdisjoint(("order", "copy")),
    **LAYOUT)
row(np.ravel, ".ravel", "a | order", out=lambda call: not call.kwargs, **LAYOUT)
row(np.transpose, ".transpose", "a | axes", **LAYOUT)
TABLE[np.permute_dims] = TABLE[np.transpose]
row(np.lib.stride_tricks.sliding_window_view, "np.lib.stride_tricks.sliding_window_view",
    "x | window_shape axis subok writeable", "layout", view=True)
row(np.swapaxes, ".swapaxes", "a | axis1 axis2", **LAYOUT)
row(np.squeeze, ".squeeze", "a | axis", **LAYOUT)
row(np.diagonal, ".diagonal", "a | offset axis1 axis2", **LAYOUT)
for f, takes in {np.expand_dims: "a | axis", np.moveaxis: "a | source destination", np.rollaxis: "a | axis start",
                 np.broadcast_to: "array | shape", np.flip: "m | axis", np.fliplr: "m |", np.flipud: "m |",
                 np.rot90: "m | k axes", np.atleast_1d: "*arys |", np.atleast_2d: "*arys |", np.atleast_3d: "*arys |",
                 np.broadcast_arrays: "*args |", np.matrix_transpose: "x |", np.real: "val |", np.imag: "val |",
                 np.diag: "v | k", np.linalg.diagonal: "x | offset", np.linalg.matrix_transpose: "x |",
                 np.real_if_close: "a | tol"}.items():
    lead = "np.linalg." if f in (np.linalg.diagonal, np.linalg.matrix_transpose) else "np."
    row(f, lead + f.__name__, takes, "layout", view=True, unbuffered=always if f is np.broadcast_to else never)

# copies and joins

COPY = Primitive(np.copy, "np.copy", "a | order", "copy", out=c_order, unbuffered=always, linear="first")
ASTYPE = Primitive(np.ndarray.astype, ".astype", "a | dtype order casting subok copy", "copy", out=c_order,
                   unbuffered=always)
FLATTEN = Primitive(np.ndarray.flatten, ".flatten", "a | order", "copy", out=lambda call: not call.kwargs
                    and len(call.args) == 1, unbuffered=always)
row(np.concatenate, "np.concatenate", "arrays | axis dtype casting", "join", np.concat, unbuffered=always,
    linear="list", out=always)
row(np.stack, "np.stack", "arrays | axis dtype casting", "join", unbuffered=always, linear="list", out=always)
for f in (np.vstack, np.hstack, np.dstack, np.column_stack, np.block):
    row(f, f"np.{f.__name__}", f"{next(iter(inspect.signature(f).parameters))} | dtype casting")
row(np.append, "np.append", "arr values | axis")
row(np.insert, "np.insert", "arr values | obj axis")
row(np.delete, "np.delete", "arr | obj axis")
row(np.repeat, ".repeat", "a | repeats axis")
row(np.tile, "np.tile", "A | reps")
row(np.roll, "np.roll", "a | shift axis")
row(np.pad, "np.pad", "array constant_values end_values | pad_width mode stat_length reflect_type")
row(np.resize, "np.resize", "a | new_shape")
row(np.tril, "np.tril", "m | k")
row(np.triu, "np.triu", "m | k")
row(np.diagflat, "np.diagflat", "v | k")
row(np.vander, "np.vander", "x | N increasing")
row(np.meshgrid, "np.meshgrid", "*xi | copy sparse indexing", view=True)
for f in (np.zeros_like, np.ones_like, np.empty_like):
    row(f, f"np.{f.__name__}", "a prototype | dtype order shape")
row(np.full_like, "np.full_like", "a fill_value | dtype order shape")
row(np.diag_indices_from, "np.diag_indices_from", "arr |")
row(np.tril_indices_from, "np.tril_indices_from", "arr | k")
row(np.triu_indices_from, "np.triu_indices_from", "arr | k")

# element by element, though not ufuncs

row(np.clip, "np.clip", "a a_min a_max min max | dtype casting", out=plain_numbers, unbuffered=one_loop)
row(np.where, "np.where", "condition x y |", unbuffered=always, linear="branches")
row(np.round, ".round", "a | decimals", "call", np.around)
for f, takes in {np.sinc: "x |", np.i0: "x |", np.angle: "z | deg", np.fix: "x |", np.isneginf: "x |",
                 np.isposinf: "x |", np.iscomplex: "x |", np.isreal: "x |", np.isclose: "a b rtol atol | equal_nan",
                 np.isin: "element test_elements | assume_unique invert kind", np.nan_to_num: "x nan posinf neginf |",
                 np.interp: "x xp fp left right | period", np.unwrap: "p | discont axis period",
                 np.polyval: "p x |", np.polyadd: "a1 a2 |", np.polysub: "a1 a2 |", np.polyder: "p | m",
                 np.polyint: "p | m k", np.polyfit: "x y w | deg", np.select: "condlist choicelist default |",
                 np.choose: "a choices | mode", np.digitize: "x bins | right", np.diff: "a prepend append | n axis",
                 np.ediff1d: "ary to_end to_begin |", np.gradient: "f *varargs | axis edge_order",
                 np.trapezoid: "y x dx | axis", np.linspace: "start stop | num endpoint retstep dtype axis",
                 np.logspace: "start stop base | num endpoint dtype axis",
                 np.geomspace: "start stop | num endpoint dtype axis", np.sort: "a | axis kind stable",
                 np.sort_complex: "a |", np.partition: "a | kth axis kind", np.argpartition: "a | kth axis kind",
                 np.lexsort: "keys | axis", np.apply_along_axis: "arr *args **kwargs | func1d axis",
                 np.apply_over_axes: "a | func axes", np.packbits: "a | axis bitorder",
                 np.unpackbits: "a | axis count bitorder", np.ravel_multi_index: "multi_index | dims mode order",
                 np.unravel_index: "indices | shape order"}.items():
    row(f, f"np.{f.__name__}", takes)
row(np.argsort, ".argsort", "a | axis kind stable")
row(np.searchsorted, ".searchsorted", "a v sorter | side")

# gathers

row(np.take, ".take", "a indices | axis mode", "gather", unbuffered=always, linear="first")
row(np.take_along_axis, "np.take_along_axis", "arr indices | axis", "gather")
GETITEM = Primitive(operator.getitem, "[]", "a key |", "layout", view=True, unbuffered=always, linear="first")


def dynamic_slice(x: Any, key: Any) -> Any:
    """The part of an array at an index that varies: a copy, since a view would be elsewhere at each step."""
    return x[key].copy()


DYNAMIC_SLICE = Primitive(dynamic_slice, "dynamic_slice", "x key |", "gather")

# functions that write into their first operand: a call gives the operand's new value, and leaves the old one alone

COPYTO = row(np.copyto, "np.copyto", "dst src where | casting", "update")
row(np.putmask, "np.putmask", "a mask values |", "update")
row(np.place, "np.place", "arr mask vals |", "update")
row(np.put, "np.put", "a ind v | mode", "update")
row(np.put_along_axis, "np.put_along_axis", "arr indices values | axis", "update")
row(np.fill_diagonal, "np.fill_diagonal", "a val | wrap", "update")
SETITEM = Primitive(operator.setitem, "[]=", "a key value |", "update", unbuffered=always)


def updated(primitive: Primitive, base: Any, *args: Any, out: Any = None, **kwargs: Any) -> Any:
    """A copy of an array into which the function of an update has written."""
    new = base.copy(order="K") if out is None else out
    if out is not None and out is not base:
        np.copyto(new, base)
    primitive.function(new, *args, **kwargs)
    return new


def put(base: Any, value: Any) -> Any:
    """A copy of an array with a value in one of its regions; how the region is found is noted beside the call."""
    raise AssertionError("the trace makes this call itself")


def filled(value: Any, out: Any) -> Any:
    """The value, broadcast and converted to fill an array, as an assignment does it."""
    out[...] = value
    return out


PUT = Primitive(put, "put", "base value |", "update", unbuffered=always)
FILL = Primitive(filled, "np.copyto", "value |", "copy", out=always, unbuffered=always, short="filled")


def transposed(x: Any) -> Any:
    return x.T


def matrix_transposed(x: Any) -> Any:
    return x.mT


TRANSPOSE = Primitive(transposed, ".T", "x |", **LAYOUT)
MATRIX_TRANSPOSE = Primitive(matrix_transposed, ".mT", "x |", **LAYOUT)

# Python's arithmetic on numbers that vary

SYMBOLS = {"add": "+", "sub": "-", "mul": "*", "truediv": "/", "floordiv": "//", "mod": "%", "pow": "**", "lt": "<",
           "le": "<=", "gt": ">", "ge": ">=", "eq": "==", "ne": "!=", "neg": "-"}
SCALAR = {name: Primitive(getattr(operator, name), f"number {symbol}", "a b |", "scalar", unbuffered=always,
                          short="number") for name, symbol in SYMBOLS.items()}
ABS = Primitive(abs, "abs", "x |", unbuffered=always)

# What workers do together: methods of their process group, by which name a source knows it

GROUP = "group"
ALL_REDUCE_SUM, ALL_REDUCE_MEAN = f"{GROUP}.all_reduce_sum", f"{GROUP}.all_reduce_mean"

# --- what is computed while tracing, and what is refused ---

QUERIES = {np.shape, np.ndim, np.size, np.result_type, np.can_cast, np.iscomplexobj, np.isrealobj, np.min_scalar_type,
           np.common_type, np.may_share_memory, np.shares_memory}
PRINTS = {np.array2string, np.array_repr, np.array_str}
DEPENDS = "write np.where with all three arguments, or do it outside of the step"
REFUSED = dict.fromkeys((
    np.nonzero, np.flatnonzero, np.argwhere, np.unique, np.extract, np.compress, np.union1d,
    np.intersect1d, np.setdiff1d, np.setxor1d, np.trim_zeros, np.array_equal, np.allclose,
    np.array_equiv, np.bincount, np.histogram, np.histogram2d, np.histogramdd,
    np.histogram_bin_edges, np.unique_all, np.unique_counts, np.unique_inverse,
    np.unique_values, np.piecewise, np.roots, np.poly, np.polymul, np.polydiv), DEPENDS)
OUTSIDE = "do it outside of the step"
REFUSED |= dict.fromkeys((np.save, np.savez, np.savez_compressed, np.savetxt, np.datetime_as_string, np.busday_count,
                          np.busday_offset, np.is_busday), OUTSIDE)
REFUSED |= {np.einsum_path: "write np.einsum with optimize=True",
            np.ix_: "write indices that broadcast: x[i[:, None], j] for x[np.ix_(i, j)]"}
for module, advice in ((np.lib.scimath, DEPENDS), (np.strings, OUTSIDE), (np.char, OUTSIDE)):  # dtypes by values; texts
    REFUSED |= dict.fromkeys([f for f in vars(module).values() if hasattr(f, "_implementation")], advice)


# --- the engine's own primitives, recorded as one call (`core.primitive`) ---

ENGINE: dict[str, dict[str, Any]] = {
    "gathered": {"kind": "gather", "unbuffered": always, "linear": "first"},
    "check_range": {"kind": "check", "unbuffered": always},
    "check_rotation_invariant": {"kind": "check"},
    "cofactors": {},
    "real_eig": {},
    "put_into_zeros": {"unbuffered": always, "linear": "first"},
    "sum_one_hot": {"kind": "product", "out": always, "unbuffered": always, "linear": "one", "flops": two_a_product},
    "sum_elements": {"unbuffered": always, "linear": "first"},
    "sum_sorted": {},
    "take_along_axis": {"kind": "gather"},
    "norm_and_scale": {"unbuffered": always},
    "window_view": {"kind": "layout", "view": True, "unbuffered": always},
    "add_windows": {"unbuffered": always, "linear": "first"},
    "copy_patches": {"unbuffered": always, "linear": "first"},
    "sum_patches": {"unbuffered": always, "linear": "first"},
    "max_in_windows": {"unbuffered": always},
    "argmax_in_windows": {"unbuffered": always},
    "gather_in_windows": {"unbuffered": always, "linear": "first"},
    "scatter_in_windows": {"unbuffered": always, "linear": "first"},
    "sum_windows": {"unbuffered": always, "linear": "first"},
    "transposed_by_blocks": {"kind": "copy", "out": always, "unbuffered": always},
}
KNOWN: dict[Target, Primitive] = {}


def of_engine(function: Target) -> Primitive | None:
    """The row of a function that `core.primitive` decorates; None if the table has none."""
    facts = ENGINE.get(function.__name__)
    if function not in KNOWN and facts is not None and function.__module__.startswith(("tinytensor.", "numpy")):
        KNOWN[function] = Primitive(function, function.__name__, "*operands |", **facts)
    return KNOWN.get(function)
