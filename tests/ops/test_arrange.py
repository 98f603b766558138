"""Functions that arrange, join, cut, select and order: as NumPy's for every dtype, with gradients, and compiled."""

import inspect
from typing import Any, NamedTuple

import numpy as np
import pytest

import tinytensor as tt
from tinytensor.compose import COMPOSED
from tinytensor.core import NUMPY, Tensor
from tinytensor.testing import gradcheck

# --- the calls ---


class D(tuple[int, ...]):
    """The shape of an array of data, in a call."""

    def __new__(cls, *shape: int) -> Any:
        return super().__new__(cls, shape)


class Call(NamedTuple):
    function: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    def __repr__(self) -> str:
        return self.function.__name__


def call(function: Any, *args: Any, **kwargs: Any) -> Call:
    return Call(function, args, kwargs)


MASK, ROW, COL = np.array([[True, False, True], [False, True, True]]), np.array([0, 2, 1]), np.array([[1], [0]])
window = np.lib.stride_tricks.sliding_window_view
STATISTICS = ["mean", "maximum", "minimum", *["median"] * (np.median in NUMPY)]
CALLS = [
    call(np.roll, D(2, 3), 2), call(np.roll, D(2, 3), (1, -1), (0, 1)), call(np.roll, D(0, 3), 1, axis=0),
    call(np.roll, D(), 1), call(np.repeat, D(2, 3), 2), call(np.repeat, D(2, 3), [1, 0, 2], axis=1),
    call(np.repeat, D(), 3), call(np.repeat, D(2, 0), 2, 0), call(np.tile, D(2, 3), (2, 1, 2)), call(np.tile, D(), 2),
    call(np.tile, D(2), 0), call(np.resize, D(2, 3), (4, 2)), call(np.resize, D(2, 3), 4), call(np.resize, D(0), (2,)),
    call(np.fliplr, D(2, 3)), call(np.flipud, D(3)), call(np.flip, D(2, 3), (0, 1)), call(np.rot90, D(2, 3)),
    call(np.rot90, D(2, 3, 2), k=-1, axes=(2, 0)), call(np.rollaxis, D(2, 3, 4), 2), call(np.rollaxis, D(2, 3, 4),
    0, 3),
    call(np.matrix_transpose, D(2, 3, 4)), call(np.atleast_1d, D()), call(np.atleast_1d, D(), D(2)),
    call(np.atleast_2d, D(3), D(2, 3, 1)), call(np.atleast_3d, D(), D(3), D(2, 3), D(1, 2, 3)),
    call(np.vstack, [D(3), D(2, 3)]), call(np.vstack, (D(), D())), call(np.hstack, [D(2), D(3)]),
    call(np.hstack, [D(2, 1), D(2, 3)]), call(np.hstack, (D(), D(2))), call(np.dstack, [D(2, 3), D(2, 3)]),
    call(np.dstack, [D(2), D(2)]), call(np.column_stack, [D(2), D(2, 3)]), call(np.column_stack, (D(), D())),
    call(np.vstack, D(2, 3)), call(np.block, [[D(2, 2), D(2, 1)], [D(1, 3)]]), call(np.block, [D(2), D()]),
    call(np.block, D(2)), call(np.append, D(2, 3), D(1, 3), axis=0), call(np.append, D(2, 3), D(2)),
    call(np.append, D(2), D()), call(np.insert, D(3), 1, D(2)), call(np.insert, D(2, 3), 1, D(2), axis=1),
    call(np.insert, D(2, 3), [0, 2], D(2, 2), axis=1), call(np.insert, D(3), slice(0, 2), 1),
    call(np.insert, D(2, 3), [1], D(2, 1), 1), call(np.delete, D(4), 1), call(np.delete, D(2, 3), [0, -1], 1),
    call(np.delete, D(2, 3), slice(1, 4)), call(np.delete, D(3), MASK[0]), call(np.unstack, D(2, 3)),
    call(np.unstack, D(2, 3), axis=1), call(np.array_split, D(7), 3), call(np.array_split, D(2, 5), [1, 3], axis=1),
    call(np.array_split, D(2), 3), call(np.split, D(4, 2), 2), call(np.split, D(5), [1, -1, 9]),
    call(np.split, D(5), np.array([3, 1])), call(np.hsplit, D(4), 2), call(np.hsplit, D(2, 4), [1]),
    call(np.vsplit, D(4, 2), 2), call(np.dsplit, D(2, 1, 4), 2), call(np.broadcast_arrays, D(2, 1), D(3), D()),
    call(np.meshgrid, D(2), D(3)), call(np.meshgrid, D(2), D(3), D(2), indexing="ij"),
    call(np.meshgrid, D(2), D(3), sparse=True), call(np.meshgrid, D(3)), call(np.ix_, D(2), D(3)),
    call(np.diag, D(3), 1), call(np.diag, D(2, 3), -1), call(np.diagonal, D(2, 3)), call(np.diag, D(0)),
    call(np.diagonal, D(2, 3, 4), 1, 2, 0), call(np.diagflat, D(2, 2), 1), call(np.diagflat, D()),
    call(np.trace, D(3, 3)), call(np.trace, D(2, 3, 4), 1, 1, 2), call(np.trace, D(2, 2), dtype=np.float32),
    call(np.tril, D(3, 3), -1), call(np.tril, D(3)), call(np.triu, D(2, 3, 3), 1), call(np.triu, D(3), k=1),
    call(np.select, [MASK, MASK[1]], [D(2, 3), D(3)], D()), call(np.select, [MASK], [D(2, 3)]),
    call(np.choose, ROW, [D(3), D(2, 3), D()]), call(np.choose, ROW + 2, [D(3), D(3)], mode="clip"),
    call(np.choose, ROW - 4, D(2, 3), mode="wrap"), call(np.compress, [True, False], D(2, 3), axis=0),
    call(np.compress, MASK.ravel(), D(2, 3)), call(np.compress, [1, 0, 2], D(2, 3), 1), call(np.extract, MASK, D(2, 3)),
    call(np.piecewise, D(2, 3), [MASK, MASK[::-1]], [lambda t: t * t, 2]),
    call(np.piecewise, D(2, 3), [MASK], [lambda t, k: t + k, lambda t, k: t], 1),
    call(np.piecewise, D(3), MASK[0], [lambda t: -t if t.dtype.kind == "f" else t]),
    call(np.where, MASK, D(2, 3), D(3)), call(np.where, D(2, 3)),
    call(np.take, D(2, 3), [[5, 0], [1, 1]]), call(np.take, D(2, 3), [-7, 8, 3], mode="wrap"),
    call(np.take, D(2, 3), [-7, 8, 1], 1, mode="clip"), call(np.take, D(2, 3), 1, 0), call(np.take, D(), 0, 0),
    call(np.take, D(2, 0), [0, 1], axis=0), call(np.take_along_axis, D(2, 3), COL, 1), call(np.copy, D(2, 3)),
    call(np.take_along_axis, D(2, 3), ROW, None), call(np.take_along_axis, D(1, 3), COL, 1),
    call(np.copy, D(2, 3), order="F"), call(np.fft.fftshift, D(2, 3)), call(np.fft.fftshift, D(5), 0),
    call(np.fft.ifftshift, D(2, 3), axes=(1,)), call(np.sort, D(2, 3)), call(np.sort, D(2, 3), 0, "stable"),
    call(np.sort, D(2, 3), axis=None), call(np.sort, D(2, 3), stable=True), call(np.argsort, D(2, 3), kind="stable"),
    call(np.argsort, D(2, 3), None, stable=True), call(np.partition, D(7), 3), call(np.partition, D(2, 5), (1, 3), 1),
    call(np.partition, D(2, 3), 4, axis=None), call(np.argpartition, D(5), 2), call(np.trim_zeros, D(4)),
    call(np.trim_zeros, D(3, 4), "b", axis=1), call(np.trim_zeros, D(4), trim="f"), call(np.trim_zeros, D(0)),
    call(np.apply_along_axis, np.cumsum, 0, D(2, 3)), call(np.apply_along_axis, lambda t: t[:2] * t[-1:], 1, D(2, 3)),
    call(np.apply_along_axis, lambda t: t[:, None] * t, 1, D(2, 3, 2)),
    call(np.apply_over_axes, np.max, D(2, 3, 2), [0, -1]), call(np.apply_over_axes, np.sum, D(2, 3), 0),
    call(np.pad, D(2, 3), 1), call(np.pad, D(2, 3), ((1, 0), (0, 2)), "constant", constant_values=3),
    call(np.pad, D(0, 2), 1), call(np.pad, D(), 1), call(np.pad, D(2), 1, constant_values=D(2)),
    call(np.pad, D(3), (2, 1), "linear_ramp", end_values=D(2)), call(np.pad, D(2, 3), {-1: (1, 2)}),
    *[call(np.pad, D(2, 3), ((1, 3), (4, 0)), mode) for mode in (
        "edge", "reflect", "symmetric", "wrap", "linear_ramp", *STATISTICS)],
    *[call(np.pad, D(1, 4), ((0, 3), (5, 9)), mode, reflect_type="odd") for mode in ("reflect", "symmetric")],
    *[call(np.pad, D(4), 3, mode, stat_length=(1, 2)) for mode in STATISTICS],
    call(np.concatenate, [D(2), D(3), D(0)]), call(np.concatenate, [D(2, 3), D(1)], None),
    call(np.concatenate, (D(2, 1), D(2, 2)), axis=-1, dtype=np.float32, casting="unsafe"),
    call(np.concatenate, [D(1, 2)] * 12, 1), call(np.stack, [D(2), D(2)], 1), call(np.stack, [D(), D()]),
    call(np.stack, [D(2), D(2)], dtype=np.float64, casting="unsafe"), call(np.reshape, D(2, 3), (3, 2), "F"),
    call(np.reshape, D(2, 3), -1, order="F"), call(np.reshape, D(2, 3), (6,), copy=True), call(np.ravel, D(2, 3), "F"),
    call(np.ravel, D(2, 3), order="K"), call(np.ravel, D(2, 3), order="A"), call(np.moveaxis, D(2, 3, 4), np.int8(0),
    -1),
    call(np.moveaxis, D(2, 3, 4), np.array([0, 1]), [2, 0]), call(np.squeeze, D(1, 3, 1), np.int64(0)),
    call(np.expand_dims, D(2), (0, -1)), call(window, D(5), 2), call(window, D(3, 4), (2, 3)),
    call(window, D(3, 4), 2, 1), call(window, D(6), (2, 3), axis=(0, 0)), call(window, D(3, 4), np.array([2]), [-2]),
    call(np.real, D(2)), call(np.real_if_close, D(2)), call(np.unique, D(2, 3)), call(np.unique, D(3, 2), axis=0),
    call(np.unique, D(2, 3), True, True, True), call(np.unique, D(5), sorted=False), call(np.unique_values, D(5)),
    call(np.unique_all, D(5)), call(np.unique_counts, D(5)), call(np.unique_inverse, D(5)),
    call(np.intersect1d, D(5), D(3)), call(np.intersect1d, D(5), D(3), return_indices=True), call(np.union1d, D(5),
    D(3)),
    call(np.setdiff1d, D(5), D(3)), call(np.setxor1d, D(5), D(3)), call(np.full_like, D(2, 3), 2),
    call(np.full_like, D(2), D(), shape=(2, 2)), call(np.zeros_like, D(2), np.int8, shape=(3,)),
    call(np.ones_like, D(2, 3), order="F"), call(np.empty_like, D(2, 0)), call(np.nonzero, D(2, 3)),
    call(np.flatnonzero, D(2, 3)), call(np.argwhere, D(2, 3)), call(np.searchsorted, D(3), D(2, 2), side="right"),
    call(np.isin, D(2, 3), D(2)), call(np.count_nonzero, D(2, 3), axis=0), call(np.count_nonzero, D(2)),
    call(np.lexsort, (D(4), D(4))), call(np.tril_indices_from, D(3, 3), k=1), call(np.diag_indices_from, D(2, 2)),
    call(np.isneginf, D(2)), call(np.isreal, D(2)), call(np.iscomplex, D(2)), call(np.imag, D(2)),
    call(np.array_equiv, D(2), D(2)), call(np.nanargmax, D(2, 3), axis=1), call(np.shape, D(2, 3)), call(np.ndim, D(2)),
    call(np.size, D(2, 3), 1), call(np.isclose, D(3), D(3)), call(np.allclose, D(3), D(3)),
    call(np.array_equal, D(3), D(3)), call(np.result_type, D(3), np.float32), call(np.min_scalar_type, D()),
]
INTEGERS = [call(np.left_shift, ROW, 2), call(np.bitwise_right_shift, ROW, ROW), call(np.bitwise_count, ROW),
            call(np.gcd, ROW + 3, 6), call(np.lcm, 4, ROW), call(np.digitize, ROW, [1, 2]), call(np.where, MASK),
            call(np.unravel_index, ROW, (2, 3)), call(np.ravel_multi_index, (ROW, ROW), (3, 3)),
            call(np.packbits, MASK), call(np.unpackbits, ROW.astype(np.uint8))]
IDS = [f"{c!r}-{i}" for i, c in enumerate(CALLS)]
DTYPES = ["?", "i1", "u1", "i2", "i4", "i8", "f2", "f4", "f8", ">f8", ">i4"]


def data(shape: tuple[int, ...], dtype: Any, seed: int = 0) -> Any:
    """Small numbers that may be equal, and 0 at both ends."""
    x = np.random.default_rng(len(shape) + seed).permutation(int(np.prod(shape))) % 9
    if x.size > 1:
        x[[0, -1]] = 0
    return (x.reshape(shape) % 2 if dtype == "?" else x.reshape(shape)).astype(dtype)


def replaced(x: Any, new: Any) -> Any:
    """The same call with something else in the place of data."""
    if isinstance(x, D):
        return new(x)
    if isinstance(x, dict):
        return {k: replaced(v, new) for k, v in x.items()}
    return type(x)([replaced(v, new) for v in x]) if isinstance(x, list | tuple) else x


def every(y: Any) -> list[Any]:
    """What stands in nested sequences."""
    return [leaf for part in y for leaf in every(part)] if isinstance(y, list | tuple) else [y]


def same(y: Any, want: Any) -> None:
    assert isinstance(y, type(want) | Tensor), (type(y), type(want))
    for a, b in zip(every(y), every(want), strict=True):
        if isinstance(b, np.ndarray | np.generic):
            assert type(a) is Tensor and type(a.data) is np.ndarray
            a = a.data
            assert a.dtype == b.dtype and a.shape == b.shape, (a.dtype, b.dtype, a.shape, b.shape)
            np.testing.assert_array_equal(a, b)
        else:
            assert a == b


# --- values ---


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("c", CALLS, ids=IDS)
def test_values_are_numpys(c: Call, dtype: str) -> None:
    """For constants, for leaves, and by NumPy's parameter names; what NumPy refuses is refused, by its name."""
    plain = replaced((c.args, c.kwargs), lambda shape: data(shape, dtype))
    try:
        want = c.function(*plain[0], **plain[1])
    except Exception as error:
        args, kwargs = replaced((c.args, c.kwargs), lambda shape: Tensor(data(shape, dtype)))
        with pytest.raises(type(error)):
            c.function(*args, **kwargs)
        return
    for leaf in (False, True)[: 1 + (np.dtype(dtype).kind == "f")]:
        args, kwargs = replaced((c.args, c.kwargs), lambda shape, leaf=leaf: Tensor(data(shape, dtype), leaf))
        if c.function is np.lexsort and leaf:
            continue
        y = c.function(*args, **kwargs)
        same(y, want)
        assert leaf or not any(isinstance(t, Tensor) and t.requires_grad for t in every(y))
    parameters = signature_of(c.function)
    if parameters is not None:
        by_name = dict(parameters.bind(*args, **kwargs).arguments)
        same(c.function(**by_name), want)


def signature_of(function: Any) -> Any:
    """The signature of a NumPy function that takes all of its parameters by name."""
    if function in (np.pad, np.where, np.unique_all, np.unique_counts, np.unique_inverse, np.unique_values):
        return None
    signature = inspect.signature(function)
    kinds = {p.kind for p in signature.parameters.values()}
    return None if kinds - {inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY} else signature


@pytest.mark.parametrize("c", INTEGERS, ids=repr)
def test_integers(c: Call) -> None:
    tensors = [tuple(map(Tensor, x)) if isinstance(x, tuple) and isinstance(x[0], np.ndarray) else
               Tensor(x) if isinstance(x, np.ndarray) else x for x in c.args]
    same(c.function(*tensors), c.function(*c.args))


# --- gradients ---


def smooth(shape: tuple[int, ...]) -> Any:
    """Different numbers in general position."""
    x = np.random.default_rng(len(shape)).permutation(int(np.prod(shape))) + 1.0
    return (x / 7 + 0.01 * np.sin(x)).reshape(shape)


SETS = {np.intersect1d, np.union1d, np.setdiff1d, np.setxor1d}  # differences would change what is in them


def differentiable(c: Call) -> bool:
    sizes: list[int] = []

    def leaf(shape: Any) -> Tensor:
        sizes.append(int(np.prod(shape)))
        return Tensor(smooth(shape), requires_grad=True)

    args, kwargs = replaced((c.args, c.kwargs), leaf)
    if c.function in SETS | {np.lexsort} or not sum(sizes):
        return False
    return any(isinstance(t, Tensor) and t.requires_grad and t.size for t in every(c.function(*args, **kwargs)))


SMOOTH = [pytest.param(c, id=i) for c, i in zip(CALLS, IDS, strict=True) if differentiable(c)]


def squares(c: Call, arrays: Any) -> Any:
    """The squares of all that a call gives, along one axis."""
    it = iter(arrays)
    args, kwargs = replaced((c.args, c.kwargs), lambda shape: next(it))
    outputs = [t for t in every(c.function(*args, **kwargs)) if isinstance(t, Tensor) and t.dtype.kind == "f"]
    return tt.square(tt.concatenate([t.reshape(-1) for t in outputs]))


@pytest.mark.parametrize("c", SMOOTH)
def test_gradients(c: Call) -> None:
    arrays: list[Any] = []
    replaced((c.args, c.kwargs), lambda shape: arrays.append(smooth(shape)))
    if any(isinstance(v, type) for v in c.kwargs.values()):  # dtype=float32
        arrays = [np.round(a * 4) / 4 for a in arrays]
        x = [Tensor(a, requires_grad=True) for a in arrays]
        squares(c, x).sum().backward()
        assert all(t.grad.dtype == np.float64 for t in x)
        return
    gradcheck(lambda *xs: squares(c, xs), *arrays, order=2)


ROOMS = ("arrange", "choice", "create", "join", "padding", "query", "shape", "sorting")
OURS = [f"tinytensor.ops.{room}" for room in ROOMS]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("c", SMOOTH)
def test_compositions_give_numpys_values(c: Call) -> None:
    """NumPy computes what is seen; but the gradient is that of what the composition computes."""
    for record in COMPOSED.values():
        if record.numpy is not c.function or record.function.__module__ not in OURS:
            continue
        composition = record.function.__wrapped__  # type: ignore[attr-defined]
        args, kwargs = replaced((c.args, c.kwargs), lambda shape: Tensor(smooth(shape), requires_grad=True))
        plain = replaced((c.args, c.kwargs), smooth)
        for y, want in zip(every(composition(*args, **kwargs)), every(c.function(*plain[0], **plain[1])), strict=True):
            if isinstance(y, Tensor) and y.dtype.kind == "f":
                np.testing.assert_allclose(y.data, want, rtol=1e-6 if want.dtype == np.float32 else 1e-14)


@pytest.mark.parametrize("order", "CFAK")
@pytest.mark.parametrize("layout", [np.ascontiguousarray, np.asfortranarray, np.transpose, lambda x: x[::-1, ::-1]])
def test_orders_of_memory(order: str, layout: Any) -> None:
    x = layout(smooth((2, 3)))
    for f in (lambda t: np.ravel(t, order), lambda t: t.flatten(order), lambda t: np.reshape(t, (-1, 2), order)):
        if order == "K" and f.__code__.co_names[-1] == "reshape":
            continue
        t = Tensor(x, requires_grad=True)
        y = f(t)
        np.testing.assert_array_equal(y.data, f(x))
        g = smooth(y.shape)
        first = tt.grad((y * y * g).sum(), t, create_graph=True)
        back = np.empty_like(x, dtype=int)
        back[...] = np.arange(6).reshape(x.shape)
        where = f(back).reshape(-1)
        want = np.zeros(6)
        want[where] = g.reshape(-1)
        np.testing.assert_allclose(first.data.reshape(-1), want * 2 * x.reshape(-1))
        np.testing.assert_allclose(tt.grad(first.sum(), t).data.reshape(-1), 2 * want)


# --- compiled ---

REFUSED = {np.unique, np.unique_all, np.unique_counts, np.unique_inverse, np.unique_values, np.trim_zeros,
           np.ix_}
BY_VALUES = {np.delete, np.split, np.extract, np.compress, np.piecewise, np.moveaxis}  # of arrays that may change


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("c", SMOOTH)
def test_compiled(c: Call) -> None:
    """Values and gradients to the last bit, or a refusal by name."""
    arrays: list[Any] = []
    replaced((c.args, c.kwargs), lambda shape: arrays.append(smooth(shape)))

    def step(*xs: Any) -> Any:
        leaves = [Tensor(x, requires_grad=True) for x in xs]
        loss = squares(c, leaves).sum()
        return loss, tt.grad(loss, leaves, allow_unused=True)

    compiled = tt.compile(step)
    if c.function in REFUSED or (c.function in BY_VALUES and any(isinstance(x, np.ndarray) for x in every(c.args))):
        with pytest.raises(tt.CompileError):
            compiled(*arrays)
        return
    for scale in (1.0, 1.5):
        xs = [np.asarray(x * scale) for x in arrays]
        for a, b in zip(every(compiled(*xs)), every(step(*xs)), strict=True):
            np.testing.assert_array_equal(getattr(a, "data", a), getattr(b, "data", b))


# --- what NumPy refuses ---

X = np.arange(6.0).reshape(2, 3)
WRONG: dict[str, Any] = {
    "roll": lambda x: np.roll(x, 1, axis=5), "repeat": lambda x: np.repeat(x, [1, 2], axis=1),
    "tile": lambda x: np.tile(x, -1), "resize": lambda x: np.resize(x, (-1,)), "fliplr": lambda x: np.fliplr(x[0]),
    "rot90": lambda x: np.rot90(x, 1, (0, 0)), "rollaxis": lambda x: np.rollaxis(x, 7),
    "matrix_transpose": lambda x: np.matrix_transpose(x[0]), "vstack": lambda x: np.vstack([x, x[:, :2]]),
    "hstack": lambda x: np.hstack([x, x[:1]]), "dstack": lambda x: np.dstack([x, x[:1]]),
    "column_stack": lambda x: np.column_stack([x, x[0]]), "block": lambda x: np.block([[x], []]),
    "append": lambda x: np.append(x, x[0], axis=0), "insert": lambda x: np.insert(x, 99, 1.0),
    "delete": lambda x: np.delete(x, 0, axis=4), "unstack": lambda x: np.unstack(x[0, 0]),
    "split": lambda x: np.split(x, 4), "array_split": lambda x: np.array_split(x, 0),
    "hsplit": lambda x: np.hsplit(x, 2),
    "vsplit": lambda x: np.vsplit(x[0], 1), "dsplit": lambda x: np.dsplit(x, 1),
    "broadcast_arrays": lambda x: np.broadcast_arrays(x, x[0, :2]), "ix_": lambda x: np.ix_(x),
    "meshgrid": lambda x: np.meshgrid(x[0], indexing="no"), "diag": lambda x: np.diag(x[None]),
    "diagonal": lambda x: np.diagonal(x, 0, 1, 1), "trace": lambda x: np.trace(x[0]),
    "tril": lambda x: np.tril(x[0, 0]),
    "select": lambda x: np.select([X > 1], [x, x]), "choose": lambda x: np.choose([5], [x[0, :1]]),
    "compress": lambda x: np.compress(X > 1, x), "take": lambda x: np.take(x, 9), "where": lambda x: np.where(X > 1, x),
    "piecewise": lambda x: np.piecewise(x, [X > 1], [1, 2, 3]),
    "take_along_axis": lambda x: np.take_along_axis(x, ROW, 1),
    "sort": lambda x: np.sort(x, kind="no"), "argsort": lambda x: np.argsort(x, kind="stable", stable=True),
    "partition": lambda x: np.partition(x, 7), "trim_zeros": lambda x: np.trim_zeros(x[0], "x"),
    "apply_along_axis": lambda x: np.apply_along_axis(np.sum, 0, x[:, :0]), "pad": lambda x: np.pad(x, 1, "no"),
    "apply_over_axes": lambda x: np.apply_over_axes(lambda v, axis: v.sum(), x, [0]),
    "unique": lambda x: np.unique(x, axis=4),
    "concatenate": lambda x: np.concatenate([x], dtype=int), "stack": lambda x: np.stack([x, x[0]]),
    "reshape": lambda x: np.reshape(x.T, (6,), copy=False), "sliding_window_view": lambda x: window(x, 2),
    "fftshift": lambda x: np.fft.fftshift(x, axes=4), "left_shift": lambda x: np.left_shift(x, 1),
    "take ": lambda x: np.take(x, 0, axis=3), "pad ": lambda x: np.pad(x, 1, "edge", constant_values=1),
    "pad  ": lambda x: np.pad(x[:0], 1, "edge"), "split ": lambda x: np.split(x, 2, axis=3),
    "getitem": lambda x: x[1.5], "getitem ": lambda x: x["a"], "getitem  ": lambda x: x[5],
    "take  ": lambda x: np.take(x[:0], 0, 0, mode="wrap"), "split  ": lambda x: np.split(x, [1.5]),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_numpy_refuses(name: str) -> None:
    with pytest.raises((ValueError, TypeError, IndexError)) as numpys:
        WRONG[name](X)
    for leaf in (False, True):
        with pytest.raises(Exception, match=f"^(np.)?{name.strip()}( does not|: )") as ours:
            WRONG[name](Tensor(X, leaf))
        assert issubclass(ours.type, numpys.type) or issubclass(numpys.type, ours.type)


def test_writing_in_place_is_refused_and_constants_may_be_written() -> None:
    x, a = Tensor(X, requires_grad=True), X.copy()
    calls: dict[Any, Any] = {
        np.put: (0, 1), np.place: (X > 1, [1]), np.putmask: (X > 1, 1), np.copyto: (1,), np.fill_diagonal: (1,),
        np.put_along_axis: (np.array([[0]]), 1.0, 1)}
    for f, args in calls.items():
        with pytest.raises(TypeError, match=rf"np\.{f.__name__}: got a Tensor to write into.*np\.where"):
            f(x, *args)
    np.copyto(a, Tensor(2 * X))
    np.testing.assert_array_equal(a, 2 * X)
    with pytest.raises(TypeError, match=r"np\.copyto: got a Tensor that requires grad, whose gradient"):
        np.copyto(a, x)
    for name in ("fill", "put", "partition", "resize", "view"):
        with pytest.raises(TypeError, match=rf"{name}: got a tensor, which does not have this method; .*"):
            getattr(x, name)(1)
    with pytest.raises(TypeError, match=r"np\.sort_complex does not take a Tensor: .*np\.sort"):
        np.sort_complex(x)


# --- edges ---


@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("rows, width", [(4, 3), (200, 3), (4, 1), (200, 1)])
@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", ">f4"])
def test_a_gradient_row_that_is_not_finite_stays_its_own(bad: float, rows: int, width: int, dtype: str) -> None:
    x = Tensor(np.ones((rows, width), dtype), requires_grad=True)
    g = np.ones((5, width))
    g[1, -1] = bad
    want = np.zeros((rows, width))
    np.add.at(want, [0, 2, 2, 1, -1], g)
    for y in (x[np.array([0, 2, 2, 1, -1])], np.take(x, [0, 2, 2, 1, -1], 0)):
        found = tt.grad(y, x, g)
        assert found.dtype == x.dtype
        np.testing.assert_array_equal(found.data, want)
    compiled = tt.compile(lambda x, g: tt.grad(x[np.array([0, 2, 2, 1, -1])], x, g))
    for _ in range(2):
        np.testing.assert_array_equal(np.asarray(compiled(x, g.astype(x.dtype))), want)


def test_no_other_selection_is_a_product_with_zeros() -> None:
    for f in (lambda x: np.einsum("iij->ij", x), np.diagonal, lambda x: np.einsum("iij->ji", x).T):
        x = Tensor(np.ones((3, 3, 2)), requires_grad=True)
        g = np.ones(f(x).shape)
        g[1, 0] = np.nan
        found = tt.grad(f(x), x, g).data
        assert np.isnan(found).sum() == 1
        assert (found == 0).sum() == 12


@pytest.mark.parametrize("dtype", [">f2", ">f4", ">f8"])
def test_byte_orders(dtype: str) -> None:
    for f in (lambda x: x[[0, 0]], lambda x: x.take([1, 1], 1) * x[:, :1] + x.sum(),
              lambda x: np.tile(x, 2) + np.repeat(x, 2, 1),
              lambda x: np.sort(x) * x + x, lambda x: np.pad(x, 1, "edge")):
        x = Tensor(X.astype(dtype), requires_grad=True)
        twin = Tensor(X.astype(x.dtype.newbyteorder("=")), requires_grad=True)
        f(x).sum().backward()
        f(twin).sum().backward()
        assert x.grad.dtype == x.dtype
        np.testing.assert_array_equal(x.grad, twin.grad)


t = tt.tensor
INDICES = [((slice(None), t([2])), (slice(None), [2])), ([t(1), t(0)], [1, 0]), ((t([0, 1]), t([1, 1])), ([0, 1],
           [1, 1])),
           ((t([[0], [1]]), [t(0), 2]), ([[0], [1]], [0, 2])), ((..., t(1)), (..., 1)), (t([True, False]),
           [True, False]),
           ((np.int64(1), None), (1, None)), ([], np.zeros(0, int)), (slice(t(1), np.int64(2)), slice(1, 2)),
           (t([0, 1], dtype=np.uint8), [0, 1]), ([[0, 1], [1, 0]], np.array([[0, 1], [1, 0]])), (True, True)]


@pytest.mark.parametrize("index, plain", INDICES)
def test_tensors_in_indices(index: Any, plain: Any) -> None:
    """To the second order, where an index is used by the gradient's own gradient."""
    x = Tensor(X, requires_grad=True)
    y = x[index]
    np.testing.assert_array_equal(y.data, X[plain])
    g = tt.grad((y**3).sum(), x, create_graph=True)
    times = np.zeros_like(X)
    np.add.at(times, plain, 1)
    np.testing.assert_allclose(g.data, times * 3 * X**2)
    np.testing.assert_allclose(tt.grad((g * g).sum(), x).data, 36 * times**2 * X**3)


def test_a_branch_that_is_not_taken_is_not_seen() -> None:
    x = t([-1.0, 0.0, 4.0], requires_grad=True)
    np.piecewise(x, [x > 0], [np.sqrt, 0.0]).sum().backward()
    assert x.grad.tolist() == [0, 0, 0.25]
    with pytest.raises(ValueError, match=r"piecewise: got 3 functions for 1 conditions; expected 1, or one more"):
        np.piecewise(x, [X[0] > 1], [1, 2, 3])


def test_sets_give_their_gradient_to_the_first_that_has_the_value() -> None:
    a, b = (t(values, requires_grad=True) for values in ([3.0, 1.0, 3.0], [1.0, 2.0]))
    sets: list[Any] = [(np.union1d, [3, 1, 0], [0, 2]), (np.intersect1d, [0, 1, 0], [0, 0]),
                       (np.setxor1d, [2, 0, 0], [0, 1]), (np.setdiff1d, [1, 0, 0], [0, 0])]
    for f, ga, gb in sets:
        y = f(a, b)
        found = tt.grad(y, [a, b], np.arange(1.0, 1 + y.size), allow_unused=True)
        assert [g.tolist() for g in found] == [ga, gb], f


def test_many_inputs_are_joined_in_reasonable_time() -> None:
    xs = [t([[float(i)]], requires_grad=True) for i in range(500)]
    for axis in (0, 1, None):
        y = np.concatenate(xs, axis)
        y.backward(np.arange(500.0).reshape(y.shape))
        assert [x.grad.item() for x in xs] == list(range(500))
        for x in xs:
            x.grad = None


def test_methods_are_ndarrays() -> None:
    a = np.array([[3.0, 1.0, 2.0], [0.0, 5.0, 4.0]])
    x = Tensor(a)
    calls: list[Any] = [
        lambda z: z.copy(), lambda z: z.copy("F"), lambda z: z.repeat(2, 1), lambda z: z.diagonal(1),
        lambda z: z.trace(),
        lambda z: z.nonzero(), lambda z: z.compress([1, 0], 0), lambda z: z.take([9, -1], mode="wrap"),
        lambda z: z.imag,
        lambda z: z[0].searchsorted([0.5]), lambda z: z.argsort(0, kind="stable"), lambda z: z.argpartition(1),
        lambda z: z.ravel("F"), lambda z: z.flatten("F"), lambda z: z.reshape(3, 2, order="F"), lambda z: z.real,
        lambda z: z.astype(int).choose([z[:, :1], z, z, z, z, 1.0]), lambda z: z.T.reshape((2, 3), order="A"),
        lambda z: z.strides, lambda z: z.nbytes, lambda z: z.itemsize, lambda z: z.tobytes("F"), lambda z: z.item(3),
        lambda z: z.item(1, 2), lambda z: [float(v) for v in z.flat], lambda z: z.astype(int) << 2,
        lambda z: 1 >> z.astype(int), lambda z: z.swapaxes(np.int64(0), 1)]
    for f in calls:
        same(f(x), f(a))


# --- a peer ---


PEER = [call(np.repeat, D(2, 3), [1, 0, 2], axis=1), call(np.rot90, D(2, 3)), call(np.sort, D(2, 3)),
        call(np.take, D(2, 3), [-7, 8, 3], mode="wrap"), call(np.diagonal, D(2, 3)), call(np.append, D(2), D(2, 2)),
        call(np.select, [MASK], [D(2, 3)], D(3)), call(np.tile, D(3), (2, 2)), call(np.trace, D(3, 3)),
        *[call(np.pad, D(3), (4, 2), mode) for mode in ("symmetric", "linear_ramp", "mean")]]


@pytest.mark.peer
@pytest.mark.parametrize("c", PEER, ids=repr)
def test_gradients_are_jax_s(c: Call) -> None:
    jax = pytest.importorskip("jax")
    arrays: list[Any] = []
    replaced((c.args, c.kwargs), lambda shape: arrays.append(np.asarray(smooth(shape))))

    def total(*xs: Any) -> Any:
        it = iter(xs)
        args, kwargs = replaced((c.args, c.kwargs), lambda shape: next(it))
        args = [np.array(x) if isinstance(x, list) and isinstance(x[0], int) else x for x in args]
        return (getattr(jax.numpy, c.function.__name__)(*args, **kwargs) ** 2).sum()

    with jax.enable_x64(True):
        want = jax.grad(total, tuple(range(len(arrays))))(*arrays)
    xs = [Tensor(a, requires_grad=True) for a in arrays]
    for found, g in zip(tt.grad(squares(c, xs).sum(), xs, allow_unused=True), want, strict=True):
        np.testing.assert_allclose(found.data, g, rtol=1e-12, atol=1e-12)
