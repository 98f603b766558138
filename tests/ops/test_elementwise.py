"""Elementwise functions, products, polynomials and creation: NumPy's values in every form, and gradients of order 2."""

import itertools
import math
import operator
from array import array
from typing import Any

import numpy as np
import pytest

import tinytensor as tt
from tinytensor.core import Tensor
from tinytensor.testing import gradcheck

INF, NAN = np.inf, np.nan
DTYPES = ["f8", "f4", "f2", ">f8", "i8", "i4", "u1", "?"]

# name: the call, and for each input a shape or an array. Each call is made of NumPy's own functions.
CALLS: dict[str, tuple[Any, ...]] = {
    "sinc": (np.sinc, (2, 3)), "i0": (np.i0, (2, 3)), "modf": (np.modf, (2, 3)), "frexp": (np.frexp, (2, 3)),
    "divmod": (np.divmod, (2, 3), (3,)), "divmod operator": (lambda x: divmod(x, 2), (4,)),
    "rdivmod": (lambda x: divmod(7, x), (4,)),
    "round": (lambda x: np.round(x), (2, 3)), "round 1": (lambda x: np.round(x, 1), (2, 3)),
    "round decimals": (lambda x: np.around(a=x, decimals=-1), (2, 3)), "round method": (lambda x: x.round(1), (3,)),
    "fix": (np.fix, (2, 3)), "real": (np.real, (3,)), "imag": (np.imag, (3,)), "angle": (np.angle, (3,)),
    "angle deg": (lambda x: np.angle(x, deg=True), (3,)), "real_if_close": (np.real_if_close, (3,)),
    "nan_to_num": (lambda x: np.nan_to_num(x, nan=1.0, posinf=2.0, neginf=-2.0), (3,)),
    "clip": (lambda x: np.clip(x, 0, 1), (2, 3)), "clip names": (lambda x: np.clip(a=x, a_min=0, a_max=1), (3,)),
    "clip min": (lambda x: np.clip(x, min=1), (3,)), "clip max": (lambda x: np.clip(x, max=1), (3,)),
    "clip None": (lambda x: np.clip(x, None, 1), (3,)), "clip method": (lambda x: x.clip(min=0, max=1), (3,)),
    "clip arrays": (lambda x, a, b: np.clip(x, a, b), (2, 3), (3,), (2, 1)),
    "where": (lambda x, y: np.where(x > y, x, y), (2, 3), (3,)), "where one": (lambda x: np.where(x > 0, x, 1), (3,)),
    "astype": (lambda x: np.astype(x, np.float64, copy=False), (3,)),
    "astype order": (lambda x: x.astype("f8", order="F"), (2, 3)),
    "copysign": (np.copysign, (2, 3), (3,)), "heaviside": (np.heaviside, (2, 3), (3,)),
    "float_power": (np.float_power, np.array([0.5, 1.0, 2.0]), (3,)),
    "ldexp": (lambda x: np.ldexp(x, np.array([1, -2, 3], np.int32)), (3,)),
    "fmax": (np.fmax, (2, 3), (3,)), "fmin": (np.fmin, (2, 3), (3,)),
    "floor divide": (lambda x: x // 2, (4,)), "remainder": (lambda x: x % 2, (4,)),
    "power of array": (lambda x: x ** np.array([0, 1, 2], np.uint8), (3,)),
    "isclose": (lambda x, y: np.isclose(x, b=y), (3,), (3,)), "allclose": (np.allclose, (3,), (3,)),
    "nextafter": (np.nextafter, (3,), (3,)), "spacing": (np.spacing, (3,)),
    "isneginf": (np.isneginf, (3,)), "isreal": (np.isreal, (3,)), "contains": (lambda x: 1 in x, (2, 3)),
    # products
    "dot 1 1": (np.dot, (3,), (3,)), "dot 2 1": (np.dot, (2, 3), (3,)), "dot 1 2": (np.dot, (3,), (3, 2)),
    "dot 3 3": (np.dot, (2, 2, 3), (4, 3, 2)), "dot 0 2": (np.dot, (), (2, 3)), "dot 2 0": (np.dot, (2, 3), ()),
    "dot method": (lambda x, y: x.dot(y), (2, 3), (3, 2)), "dot empty": (np.dot, (2, 0), (0, 3)),
    "inner": (np.inner, (2, 3), (4, 3)), "inner 0": (np.inner, (), (3,)), "inner 3": (np.inner, (2, 1, 3), (4, 3)),
    "outer": (np.outer, (2,), (3,)), "outer 2": (lambda x, y: np.outer(a=x, b=y, out=None), (2, 2), (1, 3)),
    "tensordot": (np.tensordot, (2, 3), (2, 3)), "tensordot 1": (lambda x, y: np.tensordot(x, y, 1), (2, 3), (3, 2)),
    "tensordot 0": (lambda x, y: np.tensordot(x, y, axes=0), (2,), (3,)),
    "tensordot lists": (lambda x, y: np.tensordot(x, y, axes=([0, 1], [1, 0])), (3, 2, 2), (2, 3, 4)),
    "tensordot ints": (lambda x, y: np.tensordot(x, y, axes=(-1, 0)), (2, 3), (3, 2)),
    "tensordot array": (lambda x, y: np.tensordot(x, y, np.array([[1], [0]])), (2, 3), (3, 2)),
    "vdot": (np.vdot, (2, 3), (3, 2)), "kron": (np.kron, (2, 3), (3, 2)), "kron 1 2": (np.kron, (2,), (2, 3)),
    "kron 0": (np.kron, (), (2,)),
    "cross": (np.cross, (2, 3), (3,)), "cross axis": (lambda x, y: np.cross(x, y, axis=0), (3, 2), (3, 2)),
    "cross axes": (lambda x, y: np.cross(x, y, axisa=0, axisb=1, axisc=0), (3, 2), (2, 3)),
    "vecdot": (np.vecdot, (2, 3), (3,)), "vecdot axis": (lambda x, y: np.vecdot(x, y, axis=0), (3, 2), (3, 2)),
    "matvec": (np.matvec, (4, 2, 3), (3,)), "vecmat": (np.vecmat, (2,), (4, 2, 3)),
    "matmul": (np.matmul, (2, 3), (3, 4)), "matmul 3": (np.matmul, (2, 2, 3), (3, 4)),
    "matmul empty": (np.matmul, (2, 3, 4), (4, 0)), "matmul none": (np.matmul, (2, 0, 4), (4, 3)),
    "matmul inner 0": (np.matmul, (2, 3, 0), (0, 2)), "matmul batch 0": (np.matmul, (0, 2, 3), (3, 2)),
    "einsum": (lambda x, y: np.einsum("ij,jk->ik", x, y), (2, 3), (3, 4)),
    "einsum implicit": (lambda x, y: np.einsum("ij,jk", x, y), (2, 3), (3, 4)),
    "einsum lists": (lambda x, y: np.einsum(x, [0, 1], y, [1, 2]), (2, 3), (3, 4)),
    "einsum lists out": (lambda x, y: np.einsum(x, [0, 1], y, [1, 27], [27, 0]), (2, 3), (3, 4)),
    "einsum lists dots": (lambda x: np.einsum(x, [Ellipsis, 0], [0, Ellipsis]), (2, 3, 4)),
    "einsum 1 and 4": (lambda x, y: np.einsum("i,i", x, y), (1,), (4,)),
    "einsum 4 and 1": (lambda x, y: np.einsum("i,i->i", x, y), (4,), (1,)),
    "einsum both ways": (lambda x, y: np.einsum("ij,ij->j", x, y), (1, 3), (2, 1)),
    "einsum size 1": (lambda x, y: np.einsum("ij,jk->ik", x, y), (2, 1), (3, 2)),
    "einsum repeated": (lambda x: np.einsum("iji->j", x), (3, 2, 3)),
    "einsum trace": (lambda x: np.einsum("ii", x), (3, 3)),
    "einsum dots": (lambda x, y: np.einsum("...i,ij->...j", x, y), (2, 1, 3), (3, 2)),
    "einsum dots broadcast": (lambda x, y: np.einsum("...i,...i", x, y), (2, 1, 3), (4, 3)),
    "einsum greedy": (lambda x, y, z: np.einsum("ij,jk,k->i", x, y, z, optimize="greedy"), (2, 3), (3, 4), (4,)),
    "einsum path": (lambda x, y: np.einsum("ij,jk", x, y, optimize=["einsum_path", (0, 1)]), (2, 3), (3, 2)),
    "einsum plain": (lambda x, y: np.einsum("ij,jk", x, y, optimize=False, out=None), (2, 3), (3, 2)),
    "einsum empty": (lambda x, y: np.einsum("ij,jk", x, y), (2, 0), (0, 3)),
    "einsum dtype": (lambda x: np.einsum("ij->i", x, dtype=np.float64, casting="unsafe"), (2, 3)),
    # polynomials
    "vander": (np.vander, (3,)), "vander N": (lambda x: np.vander(x, N=4, increasing=True), (3,)),
    "polyval": (np.polyval, (4,), (2, 3)), "polyval list": (lambda x: np.polyval(np.arange(3, dtype="i1"), x), (3,)),
    "polyadd": (np.polyadd, (4,), (2,)), "polysub": (np.polysub, (2,), (4,)),
    "polymul": (np.polymul, (3,), (4,)),
    "polymul zeros": (lambda x: np.polymul(np.array([0.0, 0.0, 2.0, 1.0]), x), (3,)),
    "polydiv": (np.polydiv, (4,), (2,)), "polyder": (lambda x: np.polyder(x, 2), (4,)),
    "polyint": (lambda x: np.polyint(x, m=2, k=[1, 2]), (3,)),
    "polyfit": (lambda x: np.polyfit(np.arange(5), x, 2), (5,)),
    "polyfit w": (lambda x: np.polyfit(np.arange(4), x, 1, w=np.array([1, 2, 1, 3])), (4, 2)),
    # creation
    "linspace": (np.linspace, (), ()), "linspace axis": (lambda x, y: np.linspace(x, y, num=3, axis=-1), (2,), (3, 1)),
    "linspace step": (lambda x: np.linspace(x, 1, 5, endpoint=False, retstep=True), (2,)),
    "linspace 1": (lambda x, y: np.linspace(x, y, np.int64(1)), (), ()),
    "logspace": (lambda x, y: np.logspace(x, y, 4, base=2.0), (), (2,)),
    "logspace base": (lambda x, y, z: np.logspace(x, y, 3, base=z), (), (2,), np.array([2.0, 3.0])),
    "geomspace": (lambda x, y: np.geomspace(x, y, 4), np.array([1.0, 2.0]), np.array([[5.0], [6.0]])),
    "full_like": (lambda x, y: np.full_like(x, y), (2, 3), (3,)),
    "full_like shape": (lambda x, y: np.full_like(x, y, shape=(2, 2), order="F"), (3,), ()),
    "full_like dtype": (lambda x: np.full_like(x, 2, dtype=np.float32, subok=False), (3,)),
    "zeros_like": (lambda x: np.zeros_like(x, shape=(2,), dtype=np.int32), (3,)),
    "ones_like": (lambda x: np.ones_like(x, order="C"), (2, 3)),
}
SILENT = {"imag", "angle", "angle deg", "isclose", "allclose", "spacing", "isneginf", "isreal", "contains",
          "full_like dtype", "zeros_like", "ones_like"}  # no gradient, or one that is 0


def drawn(name: str, dtype: Any = "f8", seed: int = 0) -> list[Any]:
    """The inputs of a call: values that no kink is near."""
    rng = np.random.default_rng(seed)
    values = [0.35, 1.3, 2.6, 3.2, 5.4]
    inputs = [x if isinstance(x, np.ndarray) else rng.choice(values, x) + rng.uniform(-0.03, 0.03, x)
              for x in CALLS[name][1:]]
    return [np.asarray(x).astype(dtype) for x in inputs]


def plain(y: Any) -> Any:
    if isinstance(y, tuple | list):
        return [plain(part) for part in y]
    return y.data if isinstance(y, Tensor) else np.asarray(y)


def same(mine: Any, numpy: Any) -> None:
    for a, b in zip(*[x if isinstance(x, list) else [x] for x in (plain(mine), plain(numpy))], strict=True):
        assert a.dtype.newbyteorder("=") == b.dtype.newbyteorder("=") and a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=1e-12 if a.dtype.itemsize == 8 else 1e-2 if a.dtype == "f2" else 1e-5)


def outcome(f: Any, args: Any) -> Any:
    with np.errstate(all="ignore"):
        try:
            return f(*args)
        except (ValueError, TypeError, IndexError, OverflowError) as error:
            return error


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name, dtype", list(itertools.product(CALLS, DTYPES)))
def test_values_are_numpys(name: str, dtype: str) -> None:
    """Of every dtype, as arrays beside Tensors too; where NumPy refuses, the error is of the same kind."""
    f, args = CALLS[name][0], drawn(name, dtype)
    expected = outcome(f, args)
    forms = [[Tensor(x) for x in args], [Tensor(x, x.dtype.kind == "f") for x in args]]
    forms += [[Tensor(x) if i == j else x for j, x in enumerate(args)] for i in range(len(args) > 1 and len(args))]
    for form in forms:
        y = outcome(f, form)
        if isinstance(expected, Exception):
            assert isinstance(y, TypeError if isinstance(expected, TypeError) else type(expected))
            assert ": " in str(y)
        else:
            if isinstance(y, Exception):
                raise y
            same(y, expected)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name, shape", list(itertools.product(CALLS, [(), (0,), (1,), (3, 0), (2, 1, 2)])))
def test_other_shapes_are_as_in_numpy(name: str, shape: tuple[int, ...]) -> None:
    """Without axes, without elements, with more axes: NumPy's value, or an error of its kind; gradients that fit."""
    f, args = CALLS[name][0], [np.full(shape, 1.5) for _ in CALLS[name][1:]]
    expected, y = outcome(f, args), outcome(f, leaves := [Tensor(x, requires_grad=True) for x in args])
    if isinstance(expected, Exception):
        assert isinstance(y, TypeError if isinstance(expected, TypeError) else type(expected)), (expected, y)
        return
    if isinstance(y, Exception):
        raise y
    same(y, expected)
    for part in y if isinstance(y, tuple) else [y]:
        if isinstance(part, Tensor) and part.requires_grad:
            for x, g in zip(leaves, tt.grad(part, leaves, np.ones(part.shape), allow_unused=True, retain_graph=True),
                            strict=True):
                assert g.shape == x.shape and g.dtype == x.dtype


@pytest.mark.parametrize("name", [name for name in CALLS if name not in SILENT])
def test_gradients(name: str) -> None:
    """Right to second order, of the dtype of the input, and 0 where nothing flows."""
    f, args = CALLS[name][0], drawn(name)
    parts = f(*args)
    for i, part in enumerate(parts if isinstance(parts, tuple | list) else [parts]):
        if np.asarray(part).dtype == np.float64 and np.size(part) and all(map(np.size, args)):
            gradcheck(lambda *xs, i=i: f(*xs)[i] if isinstance(parts, tuple) else f(*xs), *args, order=2)
    leaves = [Tensor(x.astype(np.float32), requires_grad=True) for x in args]
    y = f(*leaves)
    y = sum(part.sum() for part in y if part.requires_grad) if isinstance(y, tuple) else y.sum()
    for x, g in zip(leaves, tt.grad(y, leaves, allow_unused=True), strict=True):
        assert g.dtype == np.float32 and g.shape == x.shape


DEPENDS = {"allclose", "contains", "polymul", "polymul zeros", "polydiv"}  # on values: no compiled step can hold them


@pytest.mark.parametrize("name", [name for name in CALLS if name not in DEPENDS])
def test_compiled_is_eager(name: str) -> None:
    f, args = CALLS[name][0], drawn(name)

    def step(*xs: Any) -> Any:
        leaves = [Tensor(x, requires_grad=True) for x in xs]
        y = f(*leaves)
        parts = list(y) if isinstance(y, tuple) else [y]
        total = sum((part * part).sum() for part in parts if part.requires_grad)
        return [*parts, *(tt.grad(total, leaves, allow_unused=True) if isinstance(total, Tensor) else [])]

    compiled = tt.compile(step)
    for seed in range(2):
        args = drawn(name, seed=seed)
        for a, b in zip(compiled(*args), step(*args), strict=True):
            assert plain(a).tobytes() == plain(b).tobytes() and plain(a).dtype == plain(b).dtype


def test_polyfit_has_gradients_for_points_and_weights() -> None:
    x, y, w = np.arange(5.0), np.array([1.0, 3, 2, 5, 4]), np.array([1.0, 2, 1, 3, 1])
    gradcheck(lambda x, y, w: np.polyfit(x, y, 2, w=w), x, y, w, order=2)


# --- order 3, and special points ---


def derivatives(f: Any, x: Any, order: int) -> Any:
    leaf = Tensor(np.asarray(x, np.float64), requires_grad=True)
    y = f(leaf)
    for _ in range(order):
        y = tt.grad(y.sum(), leaf, create_graph=True)
    return y.data


def test_sinc_at_every_order() -> None:
    """Its Taylor series is the sum of (-1)**k (pi x)**2k / (2k + 1)!."""
    assert derivatives(np.sinc, [0.0], 1) == 0 and derivatives(np.sinc, [0.0], 3) == 0
    assert derivatives(np.sinc, [0.0], 2) == pytest.approx(-(math.pi**2) / 3, rel=1e-13)
    assert derivatives(np.sinc, [0.0], 4) == pytest.approx(math.pi**4 / 5, rel=1e-13)
    x = np.array([0.3, 0.999999, 1.0, 1.000001, -2.5])
    terms = [(-1) ** k * math.pi ** (2 * k) / math.factorial(2 * k + 1) * math.perm(2 * k, 3) for k in range(40)]
    expected = sum(c * x ** (2 * k - 3) for k, c in enumerate(terms) if c)
    np.testing.assert_allclose(derivatives(np.sinc, x, 3), expected, rtol=1e-9)


@pytest.mark.peer
def test_i0_at_every_order() -> None:
    torch = pytest.importorskip("torch")
    x = np.array([0.0, 1e-3, 1.0, -2.0, 7.9, 8.1, 100.0, 690.0])
    leaf = torch.tensor(x, requires_grad=True)
    i0, i1 = torch.special.i0(leaf).detach().numpy(), torch.special.i1(leaf).detach().numpy()
    np.testing.assert_allclose(derivatives(np.i0, x, 1), i1, rtol=1e-12)
    ratio = np.divide(i1, x, out=np.full(8, 0.5), where=x != 0)
    np.testing.assert_allclose(derivatives(np.i0, x, 2), i0 - ratio, rtol=1e-12)
    third = i1 - np.divide(i0 - 2 * ratio, x, out=np.zeros(8), where=x != 0)  # i1'' = i1 (1 + 2 / x**2) - i0 / x
    np.testing.assert_allclose(derivatives(np.i0, x, 3)[2:], third[2:], rtol=1e-9)


ENDS = {"arcsin": [1.0, -1.0], "arccos": [1.0, -1.0], "arctanh": [1.0, -1.0], "arccosh": [1.0], "log1p": [-1.0],
        "sqrt": [0.0], "cbrt": [0.0], "log": [0.0], "reciprocal": [0.0]}


@pytest.mark.parametrize("name", ENDS)
def test_ends_of_domains_have_infinite_slopes(name: str) -> None:
    with np.errstate(all="ignore"):
        assert np.isinf(derivatives(getattr(np, name), ENDS[name], 1)).all()


@pytest.mark.parametrize("name, x", [("arccosh", 1 + 1e-9), ("arcsin", 1 - 1e-9), ("arctanh", -1 + 1e-9)])
def test_near_the_ends_no_digits_are_lost(name: str, x: float) -> None:
    square = (x - 1) * (x + 1)  # exact to the last digits
    expected = {"arccosh": square**-0.5, "arcsin": (-square) ** -0.5 if square < 0 else 0, "arctanh": -1 / square}[name]
    assert derivatives(getattr(np, name), x, 1) == pytest.approx(expected, rel=1e-14)


# --- a nan is never hidden ---


def slopes(f: Any, *inputs: Any) -> list[Any]:
    leaves = [Tensor(np.array(x, np.float64), requires_grad=True) for x in inputs]
    return [g.tolist() for g in tt.grad(f(*leaves).sum(), leaves)]


def test_a_nan_is_never_hidden() -> None:
    for f in (np.maximum, np.minimum):
        assert slopes(f, [NAN, 1, NAN, 2], [1, NAN, NAN, 2]) == [[1, 1, 1, 0.5]] * 2
    for f in (np.fmax, np.fmin):
        assert slopes(f, [NAN, 1, NAN, 2], [1, NAN, NAN, 2]) == [[0, 1, 0.5, 0.5], [1, 0, 0.5, 0.5]]
    assert slopes(tt.relu, [NAN, 1, -1, 0]) == [[1, 1, 0, 0]]
    assert slopes(lambda x: x.clip(-1, 1), [NAN, 1, -1, 0, 2, -INF]) == [[1, 1, 1, 1, 0, 0]]
    assert slopes(lambda x: x.clip(None, 1), [NAN, 2]) == [[1, 0]]
    assert slopes(lambda x, a: np.clip(x, a, 3), [0, 0], [NAN, 1]) == [[1, 0], [1, 1]]
    assert np.isnan(slopes(lambda x: np.copysign(x, 1) * x, [NAN])[0][0])
    weight, start = np.eye(2), np.zeros((1, 2))
    assert slopes(lambda x: tt.rnn(x, weight, start, nonlinearity="relu"), [[[NAN, 1]]]) == [[[[1, 1]]]]


@pytest.mark.peer
def test_a_nan_passes_as_in_torch() -> None:
    torch = pytest.importorskip("torch")
    a, b = [NAN, 1.0, NAN, 2.0, 3.0], [1.0, NAN, NAN, 2.0, 1.0]
    for name, exact in (("maximum", True), ("minimum", True), ("fmax", False), ("fmin", False)):
        xs = [torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in (a, b)]
        getattr(torch, name)(*xs).sum().backward()
        theirs, ours = np.array([x.grad.tolist() for x in xs]), np.array(slopes(getattr(np, name), a, b))
        assert (theirs == ours).all() if exact else (theirs.sum(0) == ours.sum(0)).all()  # ties: ours split
    x = torch.tensor(a, dtype=torch.float64, requires_grad=True)
    torch.relu(x).sum().backward()
    assert x.grad.tolist() == slopes(tt.relu, a)[0]


@pytest.mark.peer
def test_limits_of_clip_as_in_torch() -> None:
    torch = pytest.importorskip("torch")
    x, a, b = [1.0, -1, 0, 2, -2, 1, 0], [-1.0, -1, -1, -1, -1, 1, 2], [1.0, 1, 0, 1, 1, 1, 1]
    xs = [torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in (x, a, b)]
    torch.clamp(*xs).sum().backward()
    assert [v.grad.tolist() for v in xs] == slopes(np.clip, x, a, b)


def test_nan_to_num_gives_the_replaced_exactly_0() -> None:
    assert slopes(np.nan_to_num, [1, NAN, INF, -INF]) == [[1, 0, 0, 0]]
    with pytest.raises(ValueError, match="nan_to_num: got copy=False"):
        np.nan_to_num(tt.ones(2), copy=False)


# --- operands ---


def leaf(*values: Any, dtype: Any = np.float64) -> Tensor:
    return Tensor(np.array(values, dtype), requires_grad=True)


@pytest.mark.parametrize("f", [operator.mul, np.power, np.maximum, np.equal, lambda x, y: x @ y, np.dot,
                               lambda x, y: np.where(x > 0.5, x, y), lambda x, y: np.clip(x, y, 9)])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_lists_take_the_dtype_beside_them(f: Any, dtype: Any) -> None:
    x, values = np.array([0.1, 0.7], dtype), [0.1, 0.3]
    expected = f(x, np.array(values, dtype))
    for y in (f(Tensor(x), values), f(Tensor(x, requires_grad=True), tuple(values))):
        assert y.dtype == expected.dtype and (y.data == expected).all()


def test_lists_of_integers_and_beside_integers() -> None:
    assert (leaf(1, 2, dtype=np.float32) * [1, 2]).dtype == np.float32
    assert (tt.tensor([1, 2]) * [1, 2]).dtype == np.int64
    assert tt.take(leaf(1, 2), [1, 0]).tolist() == [2, 1]
    assert tt.tensor([0.5]).dtype == np.float32 and tt.tensor([np.float64(0.5)]).dtype == np.float64


class Foreign:
    """What another library's array looks like to NumPy."""

    def __init__(self, array: Any, name: str) -> None:
        self.array = array
        if name == "__array__":
            self.__class__ = type("A", (Foreign,), {"__array__": lambda self, dtype=None, copy=None: self.array})
        elif name == "__array_interface__":
            self.__array_interface__ = array.__array_interface__
        else:
            methods = {n: (lambda self, n=n, **how: getattr(self.array, n)(**how)) for n in ("__dlpack__",
                                                                                            "__dlpack_device__")}
            self.__class__ = type("D", (Foreign,), methods)


@pytest.mark.parametrize("dtype", ["f8", "f4", "i2"])
@pytest.mark.parametrize("kind", ["__array__", "__array_interface__", "__dlpack__", "memoryview", "array"])
def test_foreign_arrays_keep_their_dtype(kind: str, dtype: str) -> None:
    a = np.array([1, 2, 3], dtype)
    made = {"memoryview": memoryview, "array": lambda a: array(a.dtype.char, a.tolist())}
    x = made[kind](a) if kind in made else Foreign(a, kind)
    assert tt.tensor(x).dtype == dtype and tt.tensor(x).tolist() == [1, 2, 3]
    y = leaf(1, 2, 3, dtype=np.float32) * x
    assert y.dtype == np.result_type(np.float32, dtype) and y.tolist() == [1, 4, 9]


@pytest.mark.peer
def test_torch_tensors_keep_their_dtype() -> None:
    torch = pytest.importorskip("torch")
    assert (leaf(1, 2) * torch.tensor([1.0, 2.0], dtype=torch.float64)).dtype == np.float64
    assert tt.tensor(torch.tensor([1.0], dtype=torch.float64)).dtype == np.float64
    for t in (torch.ones(2, requires_grad=True), torch.ones(2, dtype=torch.bfloat16)):
        with pytest.raises(TypeError, match="tensor: got a Tensor: .*; convert it"):
            leaf(1, 2) * t


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "g", ">f8", ">f4", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8",
                                   ">i4", "?"])
def test_operands_of_every_dtype(dtype: str) -> None:
    a = np.array([1, 1], dtype)
    x = Tensor(a, requires_grad=a.dtype.kind == "f")
    w = leaf(0.5, 2, dtype=np.float32)
    y = x * w + np.maximum(x, w) + w**x + np.where(w > x, w, x)
    assert y.dtype == (np.result_type(a, np.float32))
    y.sum().backward()
    assert w.grad.dtype == np.float32 and w.grad.tolist() == [2, 4]


UNFIT = [b"ab", {}, {1}, object(), np.array([1, 2], object), np.array([1, 2], "m8[s]"), 1j, np.array([1j, 2]), "a",
         [None], [1j], np.timedelta64(1), np.str_("a"), 2**1100, [2**64, 1], np.ma.array([1.0, 2.0], mask=[0, 1]),
         np.array([["a", "b"]]), (i for i in [1]), [[1], [1, 2]]]


@pytest.mark.parametrize("f", [operator.mul, operator.add, np.maximum, np.matmul, np.power, np.dot, np.kron, np.vecdot,
                               lambda x, v: np.where(x > 0, x, v), lambda x, v: np.clip(x, v, 9), np.divmod, np.polyval,
                               lambda x, v: tt.tensor(v)])
@pytest.mark.parametrize("value", UNFIT, ids=lambda v: type(v).__name__)
def test_what_is_no_operand_is_refused_by_a_sentence(f: Any, value: Any) -> None:
    with pytest.raises((TypeError, ValueError, OverflowError), match=r"\w+: .*; \w|beside a Tensor; expected"):
        f(leaf(1, 2), value)


@pytest.mark.filterwarnings("ignore:the matrix subclass")
def test_matrices_and_other_subclasses() -> None:
    x = leaf(1, 2)
    for f in (lambda m: x * m, lambda m: m * x):
        with pytest.raises(TypeError, match=r"got a np\.matrix, whose \* is a matrix product"):
            f(np.matrix([[1.0, 2.0]]))
    with pytest.raises(TypeError, match="got a masked array, whose mask would be lost"):
        np.dot(x, np.ma.array([1.0, 2.0]))
    assert (x * np.array([1.0, 2.0]).view(type("Own", (np.ndarray,), {}))).tolist() == [1, 4]


@pytest.mark.parametrize("call", [
    lambda x: tt.relu(None), lambda x: tt.exp(None), lambda x: tt.exp("a"), lambda x: tt.matmul(3, x),
    lambda x: tt.matmul(3, 4), lambda x: x.sum(axis=2**63), lambda x: tt.softmax(x, axis=2**63), lambda x: x[2**63],
    lambda x: x.reshape(2**63), lambda x: tt.add(None, 1), lambda x: tt.softmax(None), lambda x: x.astype(complex),
    lambda x: tt.tensor([1], dtype=complex), lambda x: tt.tensor([300], dtype=np.uint8), lambda x: x @ 3,
    lambda x: tt.tensor([1, 2]) + 2**63, lambda x: x < None, lambda x: complex(x), lambda x: math.trunc(x),
    lambda x: np.vecmat(x, np.ones((4, 2))), lambda x: np.matmul(x, x, axes=[0, 0, 0]),
    lambda x: np.clip(x, 0, a_max=1, max=2),
    lambda x: np.where(x > 0, x), lambda x: np.einsum("ij", x), lambda x: np.einsum(x, ["a"]), lambda x: np.einsum(x),
    lambda x: np.einsum("i,i", x), lambda x: np.einsum("i", x, dtype=np.int64),
    lambda x: np.polyfit([0, 1], x, 1, full=True), lambda x: divmod(x, None),
    lambda x: round(x, "a"), lambda x: pow(x, 2, 5),
    lambda x: tt.tensor(None, dtype=float), lambda x: np.cross(x, np.ones(4)),
    lambda x: np.tensordot(x, np.ones(3), 1)])
def test_wrong_calls_are_refused_by_a_sentence(call: Any) -> None:
    with pytest.raises((TypeError, ValueError, IndexError, OverflowError), match=r"^[\w.]+: .*(;|expected)"):
        call(leaf(1, 2))


def test_numbers_where_arrays_are_expected() -> None:
    assert tt.relu(-1.5) == 0 and tt.logsumexp(2.0) == 2 and tt.softmax(1.0) == 1
    x = leaf(1, 2, dtype=np.float32)
    for f in (np.dot, np.inner, np.kron, np.outer, lambda x, v: np.einsum("i,->i", x, v)):
        x.grad = None
        y = f(x, 2.0)
        y.sum().backward()
        assert y.dtype == np.float32 and x.grad.tolist() == [2, 2]


# --- Python's operators ---


def test_python_s_protocols() -> None:
    x = leaf(1.5, -2.5)
    assert round(x).tolist() == [2, -2] and round(leaf(1.26), 1).tolist() == [1.3]
    assert [f(tt.tensor(2.5)) for f in (math.floor, math.ceil, math.trunc, float, int, bool)] == [2, 3, 2, 2.5, 2, True]
    assert 1.5 in x and 7 not in x and [v.item() for v in reversed(x)] == [-2.5, 1.5]
    assert (x == None).tolist() == [False, False] and (x != None).tolist() == [True, True]  # noqa: E711
    assert (np.ones((2, 2)).tolist() @ x).tolist() == [-1, -1] and (x @ [1, 2]).item() == -3.5
    assert (tt.tensor([1, 2]) << 2).tolist() == [4, 8] and (1 << tt.tensor([1, 2])).tolist() == [2, 4]
    assert x.real.tolist() == x.tolist() and x.imag.tolist() == [0, 0]
    with pytest.raises(ValueError, match="power: got .*; Integers to negative integer powers"):
        tt.tensor([1, 2]) ** -1


# --- what stays out ---


@pytest.mark.parametrize("function, nearest", [
    (np.roots, "np.polyval"), (np.poly, "np.polymul"), (np.linalg.eig, "np.linalg.eigh"), (np.fft.rfft, "np.cos"),
    (np.lib.scimath.sqrt, "real results"), (np.sort_complex, "np.sort"),
    (np.isnat, "not dates"), (np.strings.upper, "not text")])
def test_what_stays_out_is_refused_by_its_full_name(function: Any, nearest: str) -> None:
    name = f"{function.__module__}.{function.__name__}" if hasattr(function, "__module__") else function.__name__
    with pytest.raises(TypeError) as caught:
        function(tt.ones((2, 2)))
    assert name.replace("numpy", "np") in str(caught.value) and nearest in str(caught.value)


# --- creation ---


def test_creation_takes_what_numpy_takes() -> None:
    assert tt.linspace(0, 1, np.int64(3)).tolist() == [0, 0.5, 1] and tt.linspace(0, 1, 3).dtype == np.float32
    assert tt.linspace(np.float64(0), 1, 3).dtype == np.float64 and tt.logspace(0, 2, 3).tolist() == [1, 10, 100]
    _, step = tt.linspace(0, 1, 3, retstep=True)
    assert step.item() == 0.5 and tt.geomspace(1, 4, 3, requires_grad=True).requires_grad
    assert tt.arange(np.int32(3)).tolist() == [0, 1, 2] and tt.arange(tt.tensor(3)).tolist() == [0, 1, 2]
    assert tt.arange(0, np.float64(1), 0.5).dtype == np.float64 and tt.arange(0.0, 1.0, 0.5).dtype == np.float32
    assert tt.zeros(np.array([2, 3])).shape == tt.ones(tt.tensor([2, 3])).shape == tt.empty(2, 3).shape == (2, 3)
    assert tt.eye(2, 3, k=np.int64(1)).tolist() == np.eye(2, 3, 1).tolist()
    assert tt.identity(2).tolist() == np.eye(2).tolist() and tt.tri(2, 3, k=1).tolist() == np.tri(2, 3, 1).tolist()
    x = leaf(1, 2, dtype=np.float32)
    y = tt.full((3, 2), x)
    y.sum().backward()
    assert y.tolist() == [[1, 2]] * 3 and x.grad.tolist() == [3, 3] and tt.full(2, 7.0).dtype == np.float32
    assert np.empty_like(x, shape=(3,)).shape == (3,) and tt.full((2,), 1, requires_grad=False).dtype == np.int64


def test_what_numpy_saves_and_prints(tmp_path: Any) -> None:
    x = leaf(1, 2)
    np.save(tmp_path / "x.npy", x)
    np.savetxt(tmp_path / "x.txt", x)
    assert np.load(tmp_path / "x.npy").tolist() == np.loadtxt(tmp_path / "x.txt").tolist() == [1, 2]
    assert np.array2string(x) == "[1. 2.]" and np.array_repr(x) == "array([1., 2.])"
