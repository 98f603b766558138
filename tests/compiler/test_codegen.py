"""Code generation at the edges: literals evaluate to what they are of, and whatever a call takes can be written."""

import enum
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import tinytensor as tt
from tinytensor.compiler.audit import equal
from tinytensor.compiler.codegen.literals import constant_literal, literal

NUMBERS = "?bBhHiIlLqQefdgFDG"
BYTES = st.binary(min_size=32, max_size=32)


def as_scalar(char: str, raw: bytes) -> Any:
    """One of NumPy's scalars of any bits; of `longdouble` those that are numbers."""
    dtype = np.dtype(char)
    if char == "?":
        return np.bool_(raw[0] % 2)
    if char in "gG":
        with np.errstate(invalid="ignore"):  # a cast of a signalling nan is an invalid operation on some machines
            return dtype.type(np.frombuffer(raw, "d")[0])
    return np.frombuffer(raw[: dtype.itemsize], dtype)[0]


FLOATS = st.one_of(st.floats(), BYTES.map(lambda raw: struct.unpack("d", raw[:8])[0]))
SCALARS = st.builds(as_scalar, st.sampled_from(NUMBERS), BYTES)
DTYPES = st.sampled_from([np.dtype(x) for x in (*NUMBERS, ">f4", ">i8", "U5", "S3", "M8[D]", "m8[ns]", "V4")])
TYPES = st.sampled_from([np.float32, np.bool_, np.longlong, np.int64, np.str_, float, int, bool, complex, str, bytes])
LEAVES = st.one_of(st.none(), st.booleans(), st.integers(), FLOATS, st.complex_numbers(), st.text(), st.binary(),
                   SCALARS, st.just(...), DTYPES, TYPES, st.builds(range, st.integers(-9, 9), st.integers(-9, 9)),
                   st.text(max_size=4).map(np.str_), st.binary(max_size=4).map(np.bytes_))
OBJECTS = st.recursive(LEAVES, lambda inner: st.one_of(
    st.lists(inner, max_size=3), st.lists(inner, max_size=3).map(tuple), st.dictionaries(st.text(max_size=3), inner,
                                                                                         max_size=2),
    st.builds(slice, inner, inner, inner)), max_leaves=6)


def identical(a: Any, b: Any) -> bool:
    """Whether two objects are the same to the last bit, and of one type; a dtype may be its scalar type."""
    if isinstance(a, np.dtype):
        return bool(a == np.dtype(b)) and a.str == np.dtype(b).str
    if type(a) is not type(b):
        return False
    if isinstance(a, np.generic) and not isinstance(a, str | bytes):
        return a.dtype == b.dtype and (a.tobytes() == b.tobytes() or (a.dtype.char in "gG" and repr(a) == repr(b)))
    if isinstance(a, float):
        return struct.pack("d", a) == struct.pack("d", b)
    if isinstance(a, complex):
        return identical(a.real, b.real) and identical(a.imag, b.imag)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(identical, a, b))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(identical(a[k], b[k]) for k in a)
    if isinstance(a, slice):
        return all(map(identical, (a.start, a.stop, a.step), (b.start, b.stop, b.step)))
    return bool(a == b)


@settings(max_examples=600, deadline=None)
@given(OBJECTS)
@example(-0.0)
@example(float("nan"))
@example(-float("nan"))
@example(2**20000)
@example(np.str_("a\x00"))
@example(np.bytes_(b"a\x00"))
@example(-(2**20000))
@example(np.float32(-np.inf))
@example(np.float16(-0.0))
@example(np.longlong(3))
@example(complex(-0.0, -np.inf))
@example("\"'\\\n\ud800")
@example((slice(np.int64(2), None), ..., None, [()], frozenset({1}), set()))
def test_a_literal_evaluates_to_the_same(x: Any) -> None:
    text = literal(x)
    assert text and identical(x, eval(text, {"np": np})), text


class Colour(enum.IntEnum):
    RED = 1


@pytest.mark.parametrize("x", [Colour.RED, np.add, object(), np.dtype([("a", "f4")]), [object()], enum.Enum,
                               type("Own", (float,), {})(1.0), bytearray(b"a")], ids=lambda x: type(x).__name__)
def test_what_has_no_literal_is_given_to_the_source(x: Any) -> None:
    assert literal(x) == ""


CONSTANTS = [np.zeros(3), -np.zeros(3), np.array([0.0, -0.0]), np.full((2, 2), -np.inf, "f"), np.full(2, np.nan),
             np.eye(3, dtype="f"), -np.eye(2) * 0 + np.eye(2), np.arange(5), np.arange(9, 3, -2), np.array(1.0),
             np.array(-0.0, "e"), np.ones(2, ">f4"), np.ones(2, "g"), np.full(2, np.longdouble(1) / 3),
             np.array([2**63 - 2, 2**63 - 1]), np.array([-(2**63), 2**63 - 1]), np.array([5, 5]), np.ones((2, 3), bool),
             np.frombuffer(np.full(2, 0x7FF8000000000001, "q").tobytes(), "d"), np.full(2, 2**60, "q")]


@pytest.mark.parametrize("a", CONSTANTS, ids=repr)
def test_a_constant_that_is_written_out_is_the_same(a: Any) -> None:
    text = constant_literal(a)
    b = eval(text, {"np": np}) if text else a
    assert a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


@pytest.mark.parametrize("a", CONSTANTS, ids=repr)
@pytest.mark.filterwarnings("ignore")
def test_constants_in_a_step(a: Any) -> None:
    follow(lambda x: np.add(x.reshape(-1)[:1], a), X)


# --- whatever a call takes ---

X = np.arange(12, dtype=np.float32).reshape(4, 3) / 3 - 1.5
N = np.arange(12).reshape(3, 4) - 5
S = np.array(0.7, np.float32)
E = np.zeros((0, 3), np.float32)


def follow(step: Any, *args: Any, fast: bool = False) -> Any:
    """Some calls, each as eager."""
    compiled = tt.compile(step, fast=fast)
    for _ in range(4):
        expected, found = step(*[np.copy(a) for a in args]), compiled(*[np.copy(a) for a in args])
        assert equal(expected, found), f"{expected!r} {found!r}\n{compiled.source}"
    return compiled


def write_0d(x: Any) -> Any:
    y = x.copy()
    y[...] = 3
    y += 1
    z = y.copy()
    z[()] = x
    return y, z, z[None], y.reshape(()) * 2, y.reshape(1, 1) * 2, y.T * 2


def update_0d(x: Any) -> Any:
    y = x.sum(keepdims=True).reshape(())
    np.copyto(y, 2.5)
    t = x.sum(keepdims=True).reshape(())
    t -= y
    return y, t, np.stack([y, t]), np.concatenate([y[None], t.reshape(1)])


EDGES: dict[str, Any] = {
    "reshape to no axes": (lambda x: x.sum(keepdims=True).reshape(()), X),
    "reshape of a copy to no axes": (lambda x: (x[:1, :1].copy().T * 2).reshape(()), X),
    "transpose of no axes": (lambda x: (x * 2).transpose(()), S),
    "0-d written": (write_0d, S), "0-d updated": (update_0d, X),
    "0-d elementwise": (lambda x: np.tanh(x) + 1 - x * np.float32(2), S),
    "0-d reduced": (lambda x: (x.sum(), x.max(), x.mean(), np.add.reduce(x, axis=None)), S),
    "0-d joined": (lambda x: np.stack([x, x * 2]), S), "0-d copied": (lambda x: (x.copy(), x.astype("d")), S),
    "0-d dot": (lambda x: (np.dot(x, x), np.dot(x, 2.0)), S), "0-d indexed": (lambda x: (x[...], x[None], x[()]), S),
    "0-d broadcast": (lambda x: np.broadcast_to(x, (2, 3)) * 2, S),
    "0-d clip": (lambda x: np.clip(x, 0, np.float32(0.5)), S),
    "empty": (lambda x: (x * 2, x.sum(0), x.T @ x, np.concatenate([x, x + 1]), x.reshape(3, 0)), E),
    "empty written": (lambda x: (lambda y: (y.__setitem__(slice(1, 1), 5.0), y)[1])(x * 1), X),
    "empty stacked": (lambda x: np.stack([x * 2, x + 1]).transpose(1, 0, 2).reshape(-1), E),
    "inf": (lambda x: np.maximum(x, float("-inf")) + float("inf"), X),
    "nan": (lambda x: np.where(x > 0, x, float("nan")), X), "minus zero": (lambda x: np.copysign(x, -0.0), X),
    "float32 inf": (lambda x: np.where(x > 0, x, np.float32(-np.inf)).max(0), X),
    "float32 nan": (lambda x: np.add(x, np.float32("nan")), X), "bool_": (lambda x: np.multiply(x, np.True_), X),
    "float16": (lambda x: np.add(x, np.float16(0.1)), X), "int8": (lambda n: np.add(n, np.int8(-3)), N),
    "uint64": (lambda n: np.add(n, np.uint64(2**63)), N), "longdouble": (lambda x: np.add(x, np.longdouble(1) / 3), X),
    "complex": (lambda x: x * (1 - 2j) + complex(0.0, -0.0), X), "complex64": (lambda x: x * np.complex64(1j), X),
    "a huge number": (lambda n: np.less(n, 2**70), N), "a huge float": (lambda x: np.minimum(x, 1e300), X),
    "a dtype argument": (lambda x: np.add(x, 0.1, dtype=np.float64), X),
    "a dtype argument, multiplied": (lambda x: np.multiply(x, 0.1, dtype="f8"), X),
    "a dtype of a sum": (lambda x: np.sum(x, 0, np.float64), X), "astype >": (lambda x: x.astype(">f4") + 1, X),
    "copy >": (lambda x: x.astype(">f8").copy(), X), "astype bool": (lambda x: x.astype(bool), X),
    "astype str": (lambda n: n.astype("U3"), N), "astype complex": (lambda x: x.astype(np.complex64).real, X),
    "to datetimes": (lambda n: n.astype("M8[D]").astype(np.int64), N),
    "einsum": (lambda x: np.einsum("ij,kj->ik", x, x), X), "einsum by lists": (lambda x: np.einsum(x, [0, 1], [1]), X),
    "an index of lists": (lambda x: x[[0, 2], [1, 1]], X), "an index of one tuple": (lambda x: x[(0, 2), :], X),
    "an index of a nested tuple": (lambda x: x[((0, 2),)], X), "newaxis": (lambda x: x[None, ..., None, 1:], X),
    "slices of NumPy's integers": (lambda x: x[np.int64(1) : np.int8(3) : np.uint8(2)], X),
    "a huge slice": (lambda x: x[: 2**62] * 2, X), "negative steps": (lambda x: x[::-1, ::-2] * 2, X),
    "axis by a NumPy integer": (lambda x: x.sum(np.int64(1)), X), "axes": (lambda x: x.sum((0, 1)), X),
    "where with initial": (lambda x: np.max(x, 0, initial=-np.inf), X),
    "pad": (lambda x: np.pad(x, ((1, 0), (0, 2)), constant_values=-0.0), X),
    "a mode with a quote": (lambda x: np.pad(x, 1, mode="edge"), X),
    "tensordot": (lambda x: np.tensordot(x, x, axes=([0, 1], [0, 1])), X),
    "power": (lambda x: (x**2, x**3, np.power(x, 2.0), 2**x), X), "int power": (lambda n: n**2, N),
    "buffers": (lambda x: (np.einsum("ij->", x), x.T.sum(), np.add(x, 1), (x * 2).T.mean()), X),
    "copyto where": (lambda x: (lambda y: (np.copyto(y, float("nan"), where=x > 0), y)[1])(x * 1), X),
    "rolled": (lambda x: np.roll(x, (1, -1), (0, 1)), X),
    "moved": (lambda x: np.moveaxis(x[None], [0, 1], [1, 0]) + 1, X),
    "an enum as axis": (lambda x: x.sum(Colour.RED), X), "stack, dtype": (
        lambda x: np.stack([x, x * 2], dtype=np.float64, casting="safe"), X),
    "joined, unsafe": (lambda x: (np.concatenate([x * 2, x], dtype=np.int64, casting="unsafe"),
                                  np.concatenate([x.astype(int), x * 3], dtype=np.int64, casting="unsafe")), X),
    "parts of other dtypes": (lambda x: np.concatenate([x * 2, x.astype("d") + 1]), X),
    "masked": (lambda x: np.where(np.tril(np.ones((4, 3), bool)), x, -np.inf), X),
    "a view of another dtype": (lambda n: n.astype("m8[s]") * 2, N), "to bytes": (lambda n: n.astype("S4"), N),
    "F order": (lambda x: (np.multiply(x, 2, order="F").T.copy(), (x * 2).reshape((6, 2), order="F") * 2), X),
    "an empty list": (lambda x: x[[]], X), "several results": (lambda x: (np.frexp(x), np.modf(x)[0] + 1), X),
    "linspace": (lambda s: np.linspace(s, 2 * s, 4), S),
    "names of builtins": (lambda float: np.maximum(float, -np.inf) + np.add.reduce(float[slice(None, 2)], axis=0), X)}


@pytest.mark.parametrize("name", EDGES)
@pytest.mark.filterwarnings("ignore")
def test_edges(name: str) -> None:
    step, x = EDGES[name]
    try:
        follow(step, x)
    except tt.CompileError as error:
        assert "expected" in str(error)


def test_arithmetic_of_numbers_keeps_its_brackets() -> None:
    def step(x: Any, a: float, b: float) -> Any:
        return (x * (-0.0) ** (a * 0 + 3), x * (a - (b - 1)), x * (2 - -a), x * (a / (b / a)), x * (-a) ** 2.0,
                x * -(a**2.0), x * (a**b) ** 2.0, x * a ** (b**2.0), x * (a % (b * 2)), x * (0 - -a), x * (0 - (-b)))

    compiled = tt.compile(step)
    for i in range(5):
        a, b = 0.3 + i, 1.7 - 0.2 * i
        assert equal(step(X, a, b), compiled(X, a, b)), compiled.source


def test_the_buffers_size_is_the_user_s_where_sums_depend_on_it() -> None:
    """And the small one elsewhere, unless it would be switched more often than that is worth."""
    x = np.random.default_rng(0).standard_normal((300, 100)).astype(np.float32)
    few = follow(lambda x: ((x * 2).T.sum(), np.tanh(x) + x), x)
    assert "@with_fast_numpy" in few.source and few.source.count("np.setbufsize(") == 2
    many = follow(lambda x: [(np.tanh(x * i).T.sum(), x * i) for i in range(6)], x)
    assert "@with_fast_numpy" not in many.source and "np.setbufsize(" not in many.source


def test_the_last_program_is_printed() -> None:
    def step(x: Any) -> Any:
        y = np.tanh(x)
        return y + y

    compiled = tt.compile(step)
    with pytest.raises(tt.CompileError, match="was called never"):
        print(compiled.program)
    compiled(X)
    compiled(X)
    lines = str(compiled.program).splitlines()
    assert lines[0] == "%1: float32[4, 3] = input x"
    assert lines[1] == "%2: float32[4, 3] = np.tanh(%1)  # y = np.tanh(x)"
    assert lines[-1] == "return %3"
