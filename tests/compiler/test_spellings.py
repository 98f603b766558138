"""What people write: each of these steps compiles, and gives the same bits as it does by itself."""

import copy
import functools
import json
import pickle
from typing import Any

import numpy as np
import pytest
from numpy import where

import tinytensor as tt
from tinytensor import nn, optim
from tinytensor.compiler.audit import equal
from tinytensor.nn import functional as F

X = np.random.default_rng(0).standard_normal((4, 3)).astype(np.float32)
D = X.astype(np.float64)
Y = np.array([0, 1, 1, 0])
M = X > 0


def plain(x: Any) -> Any:
    if isinstance(x, list | tuple):
        return [plain(y) for y in x]
    return np.asarray(getattr(x, "data", x))


# --- functions of arrays ---


def fill_of_mask(x: Any) -> Any:
    y = x * 1
    y[y > 0] = -np.inf
    return y


def rows_into_zeros(x: Any) -> Any:
    out = np.zeros((3, 4), np.float32)
    for t in range(3):
        out[t] = x[:, t] * 2
    return out


def copied_into_zeros(x: Any, m: Any) -> Any:
    out = np.zeros(3, np.float32)
    out[0] = x.sum()
    np.copyto(out, x[0], where=m[0])
    return out


def columns_into_empty(x: Any) -> Any:
    out = np.empty_like(x)
    out[:, 0] = x[:, 1]
    out[:, 1:] = x[:, :2]
    return out * 2


def added_to_zeros(x: Any) -> Any:
    total = np.zeros(3)
    for row in x:
        total += row
    return total


def parts_of_a_split(x: Any) -> Any:
    y = x * 2
    a, b = np.split(y, 2)
    a += 1
    b[0] = 7
    return y, a, b


def rows_unpacked(x: Any) -> Any:
    y = x * 2
    a, *_ = y
    a += 1
    return y


def one_hot_by_hand(x: Any, y: Any) -> Any:
    out = np.zeros((4, 3), np.float32)
    out[np.arange(4), y] = 1
    return x * out


def counted(x: Any, y: Any) -> Any:
    n = np.zeros((3, 3))
    np.add.at(n, (y, y), 1)
    return n


def scalar_in_place(x: Any, y: Any) -> Any:
    s = x.sum()
    s += y.sum()
    return s


def imported() -> Any:
    from numpy import zeros

    def step(x: Any) -> Any:
        out = zeros(4, np.float32)
        out[1] = x.sum()
        return out

    return step


def written(write: Any) -> Any:
    """A step that makes an array and lets a function write into it."""
    def step(x: Any, *rest: Any) -> Any:
        y = x * 1
        write(y, *rest)
        return x, y

    return step


def out_of(call: Any, like: Any = lambda x: x * 0) -> Any:
    """A step that gives a call an array for its result."""
    def step(x: Any, *rest: Any) -> Any:
        out = like(x)
        call(x, out, *rest)
        return out

    return step


FUNCTIONS: dict[str, tuple[Any, ...]] = {
    "-inf into a mask": (fill_of_mask, X),
    "rows into zeros": (rows_into_zeros, X),
    "a ufunc": (np.tanh, X), "two operands": (np.add, X, X), "np.sum": (np.sum, X),
    "columns into empty_like": (columns_into_empty, X),
    "zeros += ": (added_to_zeros, X),
    "np.array of arrays": (lambda x: np.array([x[0], x[1] * 2]), X),
    "np.array of scalars": (lambda x: np.array([x.sum(), x.max(), 1.0]), X),
    "np.array, nested": (lambda x: np.array([[x[0, 0], x[0, 1]], [1, x.sum()]]), X),
    "np.array of numbers": (lambda x, lr: x * np.array([lr, 2 * lr, 1.0]), X, 0.5),
    "np.asarray of rows": (lambda x: np.asarray([row * 2 for row in x]), X),
    "np.asarray of an array": (lambda x: np.asarray(x) * 2, X),
    "np.array of an array, in another dtype": (lambda x: np.array(x, np.float64, order="F") * 2, X),
    "np.mean of a list": (lambda x: np.mean([x[0], x[1]], axis=0), X),
    "np.sum of a list": (lambda x: np.sum([x[0], x[1]]), X),
    "np.max of a list": (lambda x: np.max([x[0].sum(), x[1].sum()]), X),
    "np.full of a value": (lambda x: np.full((2, 3), x.sum()), X),
    "np.full_like of a value": (lambda x: np.full_like(x, x.sum()), X),
    "zeros imported by name": (imported(), X),
    "tt.tensor of rows": (lambda x: tt.stack([tt.tensor(row) for row in x]).sum(0), X),
    "tt.tensor of a list": (lambda x: tt.tensor([x[0], x[1]]) * 2, X),
    "indexing of a new array": (lambda x, y: np.eye(3)[y] * x, X, Y),
    "one-hot by hand": (one_hot_by_hand, X, Y),
    "counted by np.add.at": (counted, X, Y),
    "eigh(...).eigenvalues": (lambda x: np.linalg.eigh(x.T @ x).eigenvalues, D),
    "svd(...).S": (lambda x: np.linalg.svd(x).S, D),
    "slogdet(...).logabsdet": (lambda x: np.linalg.slogdet(x.T @ x + np.eye(3)).logabsdet, D),
    "parts of a split": (parts_of_a_split, X),
    "np.hsplit": (lambda x: [part * 2 for part in np.hsplit(x, 3)], X),
    "np.array_split": (lambda x: [part * 2 for part in np.array_split(x, 3)], X),
    "np.unstack": (lambda x: [part * 2 for part in np.unstack(x, axis=1)], X),
    "rows unpacked": (rows_unpacked, X),
    "a row by a varying index": (lambda q, k: q[k] * 2, D, np.int64(1)),
    "rows by a list of indices": (lambda x, i, j: x[[i, j]], X, np.int64(1), np.int64(2)),
    "a pair of indices": (lambda x, i: x[i, [0, 1]], X, np.array([1, 2])),
    "a range as an index": (lambda x, y: x[range(4), y], X, Y),
    "rows by argmax": (lambda x: x[x.argmax(0)], X),
    "a write by an array of indices": (written(lambda y, i: y.__setitem__((i, 0), 5)), X, np.array([1, 2])),
    "np.copyto(where=)": (written(lambda y, m: np.copyto(y, 0, where=m)), X, M),
    "np.putmask": (written(lambda y, m: np.putmask(y, m, [1, 2])), X, M),
    "np.place": (written(lambda y, m: np.place(y, m, [1, 2])), X, M),
    "np.put": (written(lambda y: np.put(y, [0, 3], [1, 2])), X),
    "np.put_along_axis": (written(lambda y: np.put_along_axis(y, y.argmax(1)[:, None], 0, 1)), X),
    "np.fill_diagonal": (written(lambda y: np.fill_diagonal(y, 7)), X),
    "np.nan_to_num(copy=False)": (written(lambda y: np.nan_to_num(y, copy=False)), X * np.float32(np.nan)),
    "np.add.at": (written(lambda y: np.add.at(y, [0, 0], 1)), X),
    "x.sort()": (written(lambda y: y.sort(0)), X),
    "x.partition()": (written(lambda y: y.partition(1)), X),
    "x.fill()": (written(lambda y: y.fill(3)), X),
    "x.put()": (written(lambda y: y.put([1], 3)), X),
    "np.clip(out), by position": (written(lambda y: np.clip(y, 0, 1, y)), X),
    "np.nan_to_num of a view": (written(lambda y: np.nan_to_num(y[0], copy=False)), X * np.float32(np.nan)),
    "x.sum(out), by position": (out_of(lambda x, o: x.sum(0, None, o), lambda x: x[0] * 0), X),
    "np.mean(out=)": (out_of(lambda x, o: np.mean(x, axis=0, out=o), lambda x: x[0] * 0), X),
    "np.mean(out=) of float16": (out_of(lambda x, o: np.mean(x, axis=0, out=o), lambda x: x[0] * 0),
                                 np.full((1000, 2), 100, np.float16)),
    "np.sum(out=) of another dtype": (out_of(lambda x, o: np.sum(x, axis=0, out=o), lambda x: D[0] * x[0] * 0), X),
    "np.cumsum(out=)": (out_of(lambda x, o: np.cumsum(x, axis=0, out=o)), X),
    "np.take(out), by position": (out_of(lambda x, o, y: np.take(x, y, 0, o)), X, Y),
    "np.add(out), by position": (out_of(lambda x, o: np.add(x, x, o), lambda x: D * x * 0), X),
    "np.concatenate(out=)": (out_of(lambda x, o: np.concatenate([x[:2], x[2:]], out=o)), X),
    "np.matmul(out=)": (out_of(lambda x, o: np.matmul(x, x.T, out=o), lambda x: x @ x.T), X),
    "np.einsum(out=)": (out_of(lambda x, o: np.einsum("ij,kj->ik", x, x[::-1], out=o), lambda x: x @ x.T), X),
    "np.matmul(dtype=)": (lambda x: np.matmul(x, x.T, dtype=np.float64), X),
    "astype in Fortran's order": (lambda x: x.astype(np.float64, order="F") * 1, X),
    "flatten in Fortran's order": (lambda x: (x * 2).flatten("F"), X),
    "reshape in Fortran's order": (lambda x: (x * 2).reshape(3, 4, order="F"), X),
    "ravel in Fortran's order": (lambda x: (x * 2).ravel("F"), X),
    "flatten of a transpose": (lambda x: (x * 2).T.flatten(), X),
    "mean of float16": (lambda x: x.mean(), np.full(1000, 100, np.float16)),
    "std of float16": (lambda x: (x.astype(np.float16) * 2).std(0), X),
    "std(correction=1)": (lambda x: x.std(0, ddof=1) - np.std(x, axis=0, correction=1), X),
    "x.clip(0)": (lambda x: x.clip(0), X),
    "np.clip(min=, max=)": (lambda x: np.clip(x, min=0, max=1), X),
    "divmod": (lambda x: divmod(x, 0.3), X),
    "np.modf": (lambda x: np.modf(x), X),
    "complex numbers": (lambda x: (np.fft.rfft(x).real, np.abs(np.fft.fft(x))), X),
    "s += of another dtype": (scalar_in_place, X, D),
    "np.asarray of a number": (lambda x, lr: (x * np.asarray(lr, np.float32), np.asarray(lr).dtype.itemsize), X, 0.5),
    "np.array of a number": (lambda x, lr: (np.array(lr), np.array(lr, np.int32), np.array(lr, ndmin=2)), X, 2.5),
    "np.array of an array, ndmin=": (lambda x: (np.array(x, ndmin=3), np.ascontiguousarray(x.sum())), X),
    "divmod of a number": (lambda x, k: x * divmod(k, 2.0)[1] + divmod(2.0, k)[0], X, 3.0),
    "a copy of a number": (lambda x, k: x * copy.deepcopy(k) + copy.copy(k), X, 3.0),
    "parts of a number": (lambda x, k: x * k.real + k.conjugate(), X, 3.0),
    "y.flat = x": (written(lambda y, x: setattr(y.T, "flat", x)), X, X),
    "y.flat = 3": (written(lambda y: setattr(y, "flat", 3)), X),
    "y.real = 3": (written(lambda y: setattr(y, "real", 3)), X),
    "y.real, y.imag =": (written(lambda y, x: (setattr(y, "real", 3), setattr(y, "imag", x))), X + 1j, X),
    "round(x, 1)": (lambda x: round(x[0, 0], 1), X),
    "an initial that varies": (lambda x, k: np.sum(x, 0, initial=k), X, np.float32(3)),
    "np.copyto(where=), of a new array": (copied_into_zeros, X, M),
    "np.full of a number, in integers": (lambda x, k: np.full(3, k, np.int32), X, 2.5),
    "a number into integers": (lambda x, k: written(lambda y: y.__setitem__(0, k))(x.astype(int)), X, 2.5),
    "np.float32(-np.inf)": (lambda x: np.where(x > 0, x, np.float32(-np.inf)).max(0), X),
}


class Held:
    function, method = np.mean, staticmethod(np.sum)


HELD = {"where": where, "many": [np.concatenate, np.exp], "parts": functools.partial(np.sum, axis=0)}
FUNCTIONS |= {
    "a function by its own name": (lambda x: where(x > 0, x, 1), X), "in a class": (lambda x: Held.function(x), X),
    "in a dict": (lambda x: HELD["where"](x > 0, x, 1), X), "in a partial": (lambda x: HELD["parts"](x), X),
    "in a list": (lambda x: HELD["many"][0]([x, HELD["many"][1](x)]), X), "a method": (lambda x: Held().method(x), X),
    "a default": (lambda x, reduce=np.sum: reduce(x), X), "mapped": (lambda x: sum(map(np.sum, x)), X)}
SAME: dict[str, Any] = {  # what gives the array itself, or a view, where it is as it has to be
    "asarray": np.asarray, "asarray, dtype": lambda x: np.asarray(x, np.float32), "asarray, C": lambda x: np.asarray(
        x, order="C"), "asarray, F": lambda x: np.asarray(x, None, "F"), "array": lambda x: np.array(x, copy=None),
    "ascontiguousarray": np.ascontiguousarray, "asfortranarray": np.asfortranarray, "conj": lambda x: x.conj(),
    "astype": lambda x: x.astype(np.float32, copy=False), "ravel": lambda x: x.ravel("K"), "np.ravel": np.ravel,
    "conjugate": lambda x: x.conjugate(), "real": lambda x: x.real, "squeeze": np.squeeze, "atleast_2d": np.atleast_2d,
    "asanyarray": np.asanyarray, "reshape": lambda x: x.reshape(-1), "transpose": lambda x: x.transpose().T,
    "nan_to_num": lambda x: np.nan_to_num(x, copy=False), "broadcast_to": lambda x: np.broadcast_to(x, x.shape),
    "moveaxis": lambda x: np.moveaxis(x, 0, 1), "split": lambda x: np.split(x, [len(x)])[0],
    "np.array": np.array, "copy": np.copy, "flatten": lambda x: x.flatten(), "positive": lambda x: +x}
LAYOUTS: dict[str, Any] = {
    "C": lambda x: x * 1, "F": lambda x: np.asfortranarray(x * 1), "T": lambda x: (x * 1).T, "rows": lambda x:
        np.repeat(x, 2, 0)[::2], "reversed": lambda x: (x * 1)[::-1], "a row": lambda x: (x * 1)[:1]}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", SAME)
def test_what_is_the_same_array_stays_the_same(name: str, layout: str) -> None:
    def first(x: Any) -> Any:
        y = LAYOUTS[layout](x)
        z = SAME[name](y)
        y[0] = 7
        return y.sum() + z.sum() + (z.ravel("K") * np.arange(z.size, dtype=np.float32)).sum()

    def second(x: Any) -> Any:
        y = LAYOUTS[layout](x)
        z = SAME[name](y)
        if z.flags.writeable:
            z[...] = 7
        return y.sum() + z.sum()

    for step in (first, second):
        compiled = tt.compile(step)
        for _ in range(3):
            assert equal(step(X), compiled(X))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions(name: str) -> None:
    step, *args = FUNCTIONS[name]
    compiled = tt.compile(step)
    for _ in range(5):
        with np.errstate(all="ignore"):
            wanted = step(*copy.deepcopy(args))
            found = compiled(*copy.deepcopy(args))
        assert equal(plain(wanted), plain(found))
    assert compiled.programs


def test_a_foreign_ufunc_is_called_as_the_object_that_it_is() -> None:
    special = pytest.importorskip("scipy.special")
    step = tt.compile(lambda x: special.erf(x) + special.log1p(np.abs(x)))
    wanted = special.erf(X) + special.log1p(np.abs(X))
    for _ in range(4):
        assert equal(wanted, step(X))


def test_a_row_of_declared_state_by_a_varying_index() -> None:
    q = np.zeros((4, 3))

    def step(k: Any) -> None:
        row = q[k]
        row += 1

    compiled, wanted = tt.compile(step, q), np.zeros((4, 3))
    for k in (2, 1, 2, 3, 0, -1):
        compiled(np.int64(k))
        wanted[k] += 1
    assert np.array_equal(q, wanted)


# --- training steps ---


def training(loss: Any, model: Any = None, optimizer: Any = None) -> Any:
    def make() -> tuple[Any, Any, Any]:
        m = nn.Linear(3, 4, rng=1) if model is None else model()
        o = optim.SGD(m.parameters(), lr=0.1) if optimizer is None else optimizer(m.parameters())

        def step(x: Any, y: Any) -> Any:
            value = loss(m, x, y)
            o.zero_grad()
            value.backward()
            o.step()
            return value

        return m, o, step

    return make


def meta_learning(**options: Any) -> Any:
    """One step of MAML: the loss after a step of gradient descent (Finn et al. 2017)."""
    def loss(m: Any, x: Any, y: Any) -> Any:
        w, b = tt.grad(F.cross_entropy(m(x), y, **options), [m.weight, m.bias], create_graph=True)
        return F.cross_entropy(x @ (m.weight - 0.1 * w).T + m.bias - 0.1 * b, y, **options)

    return loss


def hessian_vector_product() -> Any:
    m, v = nn.Linear(3, 4, rng=1), np.ones((4, 3), np.float32)

    def step(x: Any, y: Any) -> Any:
        g = tt.grad(F.cross_entropy(m(x), y), m.weight, create_graph=True)
        return tt.grad((g * v).sum(), m.weight)

    return m, None, step


class Temperature(nn.Module):
    """CLIP's scale: a parameter without axes."""

    def __init__(self) -> None:
        super().__init__()
        self.scale, self.linear = nn.Parameter(np.float32(0.5)), nn.Linear(3, 4, rng=1)

    def forward(self, x: Any) -> Any:
        return self.linear(x) * np.exp(self.scale)


def standardised(h: Any) -> Any:
    return (h - h.mean()) / h.std()


WEIGHTS = np.array([1, 5, 0.2, 1], np.float32)
STEPS = {
    "the lectures' loss": training(lambda m, x, y: -m(x).log_softmax(1)[range(4), y].mean()),
    "the lectures' loss, by arange": training(lambda m, x, y: -m(x).log_softmax(1)[np.arange(4), y].mean()),
    "F.one_hot": training(lambda m, x, y: -(F.one_hot(y, 4) * m(x).log_softmax(1)).sum() / 4),
    "standardised": training(lambda m, x, y: (standardised(m(x)) ** 3).mean()),
    "a mask of -inf": training(lambda m, x, y: (tt.where(np.tril(np.ones((4, 4))) == 0, -np.inf, m(x) @ m(x).T)
                                                .softmax() @ x).sum()),
    "a mask that is added": training(lambda m, x, y: ((m(x) @ m(x).T + np.triu(np.full((4, 4), -np.inf, np.float32), 1))
                                                      .softmax() @ x).sum()),
    "a temperature": training(lambda m, x, y: F.cross_entropy(m(x), y), Temperature, optim.AdamW),
    "MAML": training(meta_learning()),
    "MAML, ignore_index": training(meta_learning(ignore_index=0)),
    "MAML, weights": training(meta_learning(weight=WEIGHTS)),
    "MAML, smoothing": training(meta_learning(label_smoothing=0.1)),
    "MAML, sum": training(meta_learning(reduction="sum")),
    "a product with the Hessian": hessian_vector_product,
}


@pytest.mark.parametrize("name", STEPS)
def test_training_steps(name: str) -> None:
    found = []
    for compiling in (False, True):
        model, opt, step = STEPS[name]()
        run = tt.compile(step, *[x for x in (model, opt) if x is not None]) if compiling else step
        results = [copy.deepcopy(plain(run(X + i, Y))) for i in range(5)]
        found.append([results, [p.data.copy() for p in model.parameters()]])
    assert equal(*found)


def test_arrays_that_a_step_makes_are_numpys_own_again_afterwards() -> None:
    before = np.zeros, np.array, np.sum
    step = tt.compile(rows_into_zeros)
    for _ in range(3):
        step(X)
    assert (np.zeros, np.array, np.sum) == before

    def fails(x: Any) -> Any:
        out = np.zeros(3)
        out[0] = x.sum()
        raise KeyError("in the step")

    with pytest.raises(KeyError):
        tt.compile(fails)(X)
    assert (np.zeros, np.array, np.sum) == before


def test_what_is_not_in_the_table_is_refused_by_name() -> None:
    def unknown(x: Any) -> Any:
        return np.busday_count(x, x)

    with pytest.raises(tt.CompileError, match=r"np\.busday_count, which no program can hold"):
        tt.compile(unknown)(X)

    def where(x: Any) -> Any:
        return np.add(x, 1, where=x > 0)

    with pytest.raises(tt.CompileError, match=r"np\.add with where=; .* write np\.where"):
        tt.compile(where)(X)

    def initial(x: Any, y: Any) -> Any:
        return np.roll(x, y)

    with pytest.raises(tt.CompileError, match=r"np\.roll with shift= that varies"):
        tt.compile(initial)(X, Y)


WRITTEN: dict[str, tuple[Any, ...]] = {
    "a complex number": (written(lambda y, k: y.__setitem__(0, k)), X, 1 + 1j),
    "a complex number, by fill": (written(lambda y, k: y.fill(k)), X, 1 + 1j),
    "a complex number, by np.copyto": (written(lambda y, k: np.copyto(y, k)), X, 1 + 1j),
    "a list of complex numbers": (written(lambda y: y.__setitem__(0, [1j, 2, 3])), X),
    "a text": (written(lambda y: y.__setitem__(0, "a")), X),
    "NaN into integers": (written(lambda y, k: y.__setitem__(0, k)), Y, float("nan")),
    "a float into integers, by np.copyto": (written(lambda y, k: np.copyto(y, k)), Y, 2.5),
    "a list, by fill": (written(lambda y: y.fill([1, 2, 3])), X),
    "the real part of a scalar": (lambda x: setattr(x.sum(), "real", 3), X),
    "the imaginary part of a real array": (lambda x: setattr(x * 2, "imag", 3), X),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_what_an_assignment_refuses_it_refuses_in_a_trace(name: str) -> None:
    step, *args = WRITTEN[name]
    with pytest.raises(Exception) as wanted:
        step(*args)
    with pytest.raises(wanted.type) as found:
        tt.compile(step)(*args)
    assert str(found.value) == str(wanted.value)


def test_a_number_that_becomes_an_array_varies() -> None:
    def step(x: Any, k: float) -> Any:
        y = np.array(k, np.float32)
        y += 1
        return x * y, np.asarray(k), divmod(k, 2.0), np.array(x.sum())

    compiled = tt.compile(step)
    for k in (3.0, 5.5, -7.25):
        assert equal(step(X, k), compiled(X, k))
    ints = tt.compile(lambda x, k: np.asarray(k, np.int64) + x.size)
    assert ints(X, 2.5) == ints(X, 2.75) == 14
    with pytest.raises(ValueError, match="cannot convert float NaN to integer"):
        ints(X, float("nan"))


AXES: dict[str, Any] = {
    "sum": lambda x, k: x.sum(k), "np.sum": lambda x, k: np.sum(x, axis=k), "max": lambda x, k: x.max(axis=k),
    "any": lambda x, k: np.any(x, k), "all": lambda x, k: np.all(x, (k,)), "prod": lambda x, k: np.prod(x, k),
    "np.add.reduce": lambda x, k: np.add.reduce(x, k), "np.add.accumulate": lambda x, k: np.add.accumulate(x, k),
    "keepdims": lambda x, k: x.sum(0, keepdims=k), "Tensor.sum": lambda x, k: tt.tensor(x).sum(axis=k),
    "softmax": lambda x, k: F.softmax(tt.tensor(x), axis=k)}


@pytest.mark.parametrize("name", AXES)
def test_axes_that_vary_are_refused(name: str) -> None:
    compiled = tt.compile(AXES[name])
    for k in (1, 1, 0):
        with pytest.raises(tt.CompileError, match="that varies; expected the same at each step; compute it outside"):
            compiled(X, np.int64(k))


STRANGE: dict[str, tuple[Any, str]] = {
    "y.shape =": (written(lambda y: setattr(y, "shape", (3, 4))), r"\.shape of an array; .*; write x\.reshape\("),
    "y.strides =": (written(lambda y: setattr(y, "strides", (4, 4))), r"\.strides of an array"),
    "y.dtype =": (written(lambda y: setattr(y, "dtype", np.int32)), r"\.dtype of an array; .*; write x\.astype"),
    "y.flat = a row": (written(lambda y: setattr(y, "flat", y[0])), r"\.flat of an array"),
    "fill by a scalar": (lambda x: (x * 2).astype(int).fill(x.sum()), r"\.fill of an array"),
    "np.ndarray.fill": (written(lambda y: np.ndarray.fill(y, 4)), "passed to something that does not accept it"),
    "np.ndarray.sort": (written(lambda y: np.ndarray.sort(y)), "passed to something that does not accept it"),
    "a draw into an array": (written(lambda y: np.random.default_rng(0).standard_normal(out=y, dtype=np.float32)),
                             "passed to something that does not accept it"),
    "round(x)": (lambda x: round(x[0, 0]), r"round\(\) would freeze the value seen"),
    "memoryview": (lambda x: memoryview(x), "passed to something that does not accept it"),
    "bytes": (lambda x: bytes(x), r"\.tobytes of an array"),
    "pickle": (lambda x: pickle.dumps(x), r"\.tobytes of an array"),
    "a set": (lambda x: len({x[0, 0], x[0, 1]}), "would freeze the value seen of the step"),
    "a key": (lambda x: {1.0: 2}.get(x[0, 0]), "would freeze the value seen of the step"),
    "join": (lambda x: ",".join([x[0, 0]]), "passed to something that does not accept it"),
    "is_integer": (lambda x: x * float.is_integer(x), "passed to something that does not accept it"),
}


@pytest.mark.parametrize("name", STRANGE)
def test_what_does_not_take_a_stand_in_is_refused_by_its_line(name: str) -> None:
    step, sentence = STRANGE[name]
    with pytest.raises(tt.CompileError, match=rf"^compile: test_spellings\.py:\d+: .*{sentence}") as error:
        tt.compile(step)(X)
    assert "Tracer" not in str(error.value)


def test_methods_of_a_number_are_refused() -> None:
    for step in (lambda x, k: x * k.is_integer(), lambda x, k: pickle.dumps(k)):
        with pytest.raises(tt.CompileError, match="a conversion of a number that varies"):
            tt.compile(step)(X, 3.0)
    with pytest.raises(tt.CompileError, match="passed to something that does not accept it"):
        tt.compile(lambda x, k: json.dumps({"k": k}))(X, 3.0)
