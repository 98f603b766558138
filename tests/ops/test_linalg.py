"""np.linalg on Tensors: NumPy's values to the bit, gradients of both orders, peers, what is degenerate, compiled."""
import math
from typing import Any

import numpy as np
import pytest

import tinytensor as tt
from tinytensor.core import Tensor
from tinytensor.testing import gradcheck

la, inf = np.linalg, math.inf
rng = np.random.default_rng(5)


def general(*shape: int) -> Any:
    return rng.uniform(-1, 1, shape)


def regular(*shape: int) -> Any:
    """Square matrices, well away from singular ones."""
    return general(*shape) + 2 * np.eye(shape[-1])


def symmetric(x: Any) -> Any:
    return x + x.mT


def positive(x: Any) -> Any:
    return x @ x.mT + np.eye(x.shape[-2], dtype=x.dtype)


S3, S4, B3, W, T = regular(3, 3), regular(4, 4), regular(2, 3, 3), general(2, 4), general(2, 5, 3)
LOW = general(4, 2) @ general(2, 3)  # of rank 2
REAL = regular(3, 3) @ np.diag([1.0, 2.0, 4.0])  # eigenvalues are real, for they are similar to those of a triangle
REAL = S3 @ np.triu(general(3, 3), 1) @ la.inv(S3) + S3 @ np.diag([1.0, 2.0, 4.0]) @ la.inv(S3)
V3, V4, M34 = general(3), general(4), general(3, 4)


def left(u: Any, s: Any, vh: Any) -> Any:
    """What of a decomposition does not depend on signs."""
    return u[..., :1] * vh[..., :1, :] + s.sum()


SMOOTH: dict[str, list[Any]] = {  # calls that have derivatives of every order where they are made
    "det": [(la.det, S3), (la.det, B3), (la.det, general(1, 1)), (la.det, LOW[:3]), (la.det, np.zeros((2, 2))),
            (la.det, np.eye(3)), (la.det, regular(6, 6)), (la.det, np.ones((3, 3)))],
    "inv": [(la.inv, S3), (la.inv, B3), (la.inv, general(2, 1, 1))],
    "slogdet": [(lambda x: la.slogdet(x)[1], S3), (lambda x: la.slogdet(-x).logabsdet, B3)],
    "solve": [(la.solve, S3, V3), (la.solve, S3, M34), (la.solve, B3, V3), (la.solve, B3, general(4, 1, 3, 2)),
              (la.solve, S3, general(2, 3, 1))],
    "cholesky": [(lambda x: la.cholesky(positive(x)), W), (lambda x: la.cholesky(positive(x), upper=True), T)],
    "qr": [(lambda x: la.qr(x).Q, S3), (lambda x: la.qr(x).R, B3), (lambda x: la.qr(x)[0], T), (la.qr, T, "r"),
           (lambda x: la.qr(x).R, W), (lambda x: la.qr(x).Q, W), (lambda x: la.qr(x, "complete").R, T),
           (lambda x: (lambda q: q[..., 3:] @ q[..., 3:].mT)(la.qr(x, mode="complete").Q), T)],
    "svd": [(lambda x: left(*la.svd(x)), W), (lambda x: left(*la.svd(x, full_matrices=False)), T),
            (lambda x: la.svd(x, compute_uv=False), T), (lambda x: la.svd(x).U[..., :2] ** 2, T),
            (lambda x: (lambda q: q.mT @ q)(la.svd(x).Vh[..., 2:, :]), W), (lambda x: la.svd(x)[1], S4),
            (lambda x: left(*la.svd(symmetric(x), hermitian=True)), B3), (lambda x: la.svd(x).Vh ** 2, S4),
            (lambda x: la.svd(symmetric(x), compute_uv=False, hermitian=True), S3)],
    "svdvals": [(la.svdvals, W), (la.svdvals, T)],
    "eigh": [(lambda x: la.eigh(symmetric(x))[0], B3), (lambda x: la.eigh(symmetric(x), UPLO="U")[1] ** 2, S4),
             (lambda x: (lambda w, v: (v * np.exp(w)) @ v.mT)(*la.eigh(symmetric(x))), S3)],
    "eigvalsh": [(lambda x: la.eigvalsh(symmetric(x)), B3), (lambda x: la.eigvalsh(symmetric(x), "U"), S3)],
    "eigvals": [(la.eigvals, REAL), (la.eigvals, np.stack([REAL, np.diag(V3)]))],
    "pinv": [(la.pinv, W), (la.pinv, T), (la.pinv, B3), (la.pinv, S4, 0.6), (lambda x: la.pinv(x, rtol=0.5), T),
             (lambda x: la.pinv(x, rtol=None), S3), (lambda x: la.pinv(x @ x.mT), general(3, 2)),
             (lambda x: la.pinv(symmetric(x), hermitian=True), B3), (la.pinv, np.eye(3)),
             (lambda x: la.pinv(x, rcond=np.array([0.5, 0.1])), T)],
    "lstsq": [(lambda a, b: la.lstsq(a, b)[0], T[0], general(5)), (lambda a, b: la.lstsq(a, b)[1], T[0], general(5, 2)),
              (lambda a, b: la.lstsq(a, b)[0], W, general(2)), (lambda a, b: la.lstsq(a, b, 0.6)[0], S4, V4),
              (lambda a, b: la.lstsq(a, b, rcond=None)[3], S3, V3),
              (lambda a, b: la.lstsq(a, b, rcond=-1)[0], S3, V3)],
    "matrix_power": [(lambda x, n=n: la.matrix_power(x, n), B3) for n in (0, 1, 2, 5, -1, -3)],
    "multi_dot": [(lambda *xs: la.multi_dot(xs), V3, M34, S4, V4), (lambda *xs: la.multi_dot(list(xs)), W, S4),
                  (lambda *xs: la.multi_dot(xs), T, M34), (lambda *xs: la.multi_dot(xs), np.array(2.0), V3),
                  (lambda *xs: la.multi_dot(xs), W, S4, M34.T, S3)],
    "cond": [(la.cond, x, p) for x in (S3, B3) for p in (None, 2, -2, 1, -1, inf, -inf, "fro", "nuc")] + [(la.cond, T)],
    "tensorinv": [(la.tensorinv, S4.reshape(2, 2, 4)), (lambda x: la.tensorinv(x, ind=1), S4.reshape(4, 2, 2))],
    "tensorsolve": [(la.tensorsolve, S4.reshape(2, 2, 4), general(2, 2)),
                    (lambda a, b: la.tensorsolve(a, b, axes=(0,)), S4.reshape(2, 4, 2).copy(), V4),
                    (lambda a, b: la.tensorsolve(a, b), S4.reshape(4, 2, 2), V4)],
    "norm": [*[(la.norm, x, p) for x in (S3, W) for p in (None, "fro", "nuc", 1, -1, 2, -2, inf, -inf)],
             *[(la.norm, V4, p) for p in (None, 0, 1, -1, 2, -2, 3, 0.5, 2.5, inf, -inf)],
             *[(lambda x, p=p: la.norm(x, p, axis=1, keepdims=True), T) for p in (None, 0, 1, 2, -2, 3, inf, -inf)],
             *[(lambda x, p=p: la.norm(x, p, axis=(2, 0)), T) for p in (None, "fro", "nuc", 1, -1, 2, -2, inf, -inf)],
             *[(lambda x, p=p: la.norm(x, ord=p, axis=(-2, -1), keepdims=True), T) for p in ("nuc", 1, -1, 2, inf)],
             (la.norm, T)],
    "vector_norm": [(la.vector_norm, T), *[(lambda x, p=p, a=a, k=k: la.vector_norm(x, ord=p, axis=a, keepdims=k), T)
                    for p, a, k in ((1, 1, False), (3, (0, 2), True), (inf, None, True), (2, (2, 1), False))]],
    "matrix_norm": [(la.matrix_norm, T), *[(lambda x, p=p: la.matrix_norm(x, ord=p, keepdims=True), T)
                    for p in ("nuc", 1, -1, 2, -2, inf, -inf, "fro")]],
    "matmul": [(la.matmul, W, S4)],
    "outer": [(la.outer, V3, V4)],
    "cross": [(la.cross, V3, M34.T), (lambda a, b: la.cross(a, b, axis=0), M34, S3[:, :1])],
    "tensordot": [(lambda a, b: la.tensordot(a, b), W, general(2, 4)),
                  (lambda a, b: la.tensordot(a, b, axes=1), T, S3), (la.tensordot, T, general(5, 3, 2)),
                  (lambda a, b: la.tensordot(a, b, axes=([0, -1], [1, 0])), T, general(3, 2)),
                  (lambda a, b: la.tensordot(a, b, axes=0), V3, W)],
    "vecdot": [(la.vecdot, V4, W), (lambda a, b: la.vecdot(a, b, axis=0), M34, S3[:, :1])],
    "trace": [(la.trace, B3), (lambda x: la.trace(x, offset=-1), T)],
    "diagonal": [(la.diagonal, B3), (lambda x: la.diagonal(x, offset=1), T), (lambda x: la.diagonal(x, offset=-9), W)],
    "matrix_transpose": [(la.matrix_transpose, T)],
}
CASES = [pytest.param(*case[:2], case[2:], id=f"{name}-{i}") for name, cases in SMOOTH.items()
         for i, case in enumerate(cases)]
NAMES = sorted(n for n in la.__all__ if n not in ("LinAlgError", "matrix_rank", "eig"))


def leaf(x: Any) -> Any:
    return Tensor(x.copy(), requires_grad=True) if isinstance(x, np.ndarray) and x.dtype.kind == "f" else x


def plain(y: Any) -> list[Any]:
    """All arrays of a result."""
    if isinstance(y, list | tuple):
        return [z for part in y for z in plain(part)]
    return [y.data if isinstance(y, Tensor) else np.asarray(y)]


def same(mine: Any, numpys: Any) -> None:
    """To the bit, in dtype and shape; a named tuple for a named tuple."""
    assert isinstance(mine, Tensor) or type(mine) is type(numpys)
    for a, b in zip(plain(mine), plain(numpys), strict=True):
        assert a.dtype == b.dtype and a.shape == b.shape
        np.testing.assert_array_equal(a, b)


def test_every_name_has_cases() -> None:
    assert sorted(SMOOTH) == NAMES
    assert set(tt.linalg.__all__) >= {*NAMES, "matrix_rank"}
    for name in NAMES:
        assert "Examples" in (getattr(tt.linalg, name).__doc__ or ""), name


# --- values ---


@pytest.mark.parametrize("f, x, rest", CASES)
def test_values_are_numpys(f: Any, x: Any, rest: Any) -> None:
    for dtype in (np.float64, np.float32, ">f8", np.int64, np.int8, np.uint16):
        args = [(a * (1 if np.dtype(dtype).kind == "f" else 5)).astype(dtype) if isinstance(a, np.ndarray)
                and a.dtype.kind == "f" else a for a in (x, *rest)]
        try:
            with np.errstate(all="ignore"):
                expected = f(*args)
        except (TypeError, ValueError) as error:  # integers may be singular, or of complex eigenvalues
            with pytest.raises(type(error)), np.errstate(all="ignore"):
                f(*[Tensor(a) if isinstance(a, np.ndarray) else a for a in args])
            continue
        if any(z.dtype.kind == "c" for z in plain(expected)):
            continue
        with np.errstate(all="ignore"):
            same(f(*[Tensor(a) if isinstance(a, np.ndarray) else a for a in args]), expected)
            same(f(*map(leaf, args)), expected)
        for i, a in enumerate(args):  # one Tensor among arrays
            if isinstance(a, np.ndarray) and a.dtype.kind == "f":
                same(f(*[leaf(b) if i == j else b for j, b in enumerate(args)]), expected)


@pytest.mark.parametrize("name, args", [
    ("det", (M34,)), ("det", (V3,)), ("inv", (np.zeros((2, 2)),)), ("inv", (M34,)), ("solve", (S3, V4)),
    ("solve", (np.ones((3, 3)), V3)), ("solve", (M34, V3)), ("cholesky", (-S3,)), ("cholesky", (M34,)),
    ("qr", (V3,)), ("qr", (S3, "q")), ("svd", (V3,)), ("eigh", (M34,)), ("eigvalsh", (S3, "X")), ("pinv", (V3,)),
    ("lstsq", (S3, V4)), ("lstsq", (V3, V3)), ("matrix_power", (M34, 2)), ("matrix_power", (S3, 1.5)),
    ("multi_dot", ([V3],)), ("multi_dot", ([V3, V4],)), ("cond", (np.zeros((0, 3)),)), ("cond", (M34, 1)),
    ("tensorinv", (S3, 0)), ("tensorsolve", (M34, V4)), ("norm", (T, 2)), ("norm", (V3, "fro")), ("norm", (S3, 3)),
    ("norm", (S3, None, (0, 0))), ("norm", (S3, None, 5)), ("norm", (np.zeros(0), -inf)), ("outer", (S3, V3)),
    ("cross", (V4, V4)), ("slogdet", (M34,)), ("matrix_norm", (V3,)), ("svd", (np.array([[np.nan]]),)),
    ("tensordot", (S3, S4)), ("vecdot", (V3, V4)), ("eigvals", (M34,)), ("diagonal", (V3,)), ("trace", (V3,)),
    ("det", (S3.astype(np.float16),))])
def test_numpys_refusals(name: str, args: Any) -> None:
    with pytest.raises((ValueError, TypeError, IndexError)) as theirs, np.errstate(all="ignore"):
        getattr(la, name)(*args)
    wrapped = [[leaf(b) for b in a] if isinstance(a, list) else leaf(a) for a in args]
    with pytest.raises(type(theirs.value)) as ours:
        getattr(la, name)(*wrapped)
    assert name in str(ours.value)


@pytest.mark.parametrize("name, args", [
    *[(n, (np.zeros(s),)) for n in ("det", "inv", "slogdet", "cholesky", "eigh", "eigvalsh", "eigvals", "svd", "qr",
                                    "svdvals", "pinv", "matrix_norm", "trace", "diagonal", "norm", "matrix_transpose")
      for s in ((0, 0), (0, 3, 3), (2, 0, 0))],
    *[(n, (np.zeros(s),)) for n in ("svd", "qr", "svdvals", "pinv", "vector_norm", "norm") for s in ((0, 3), (3, 0))],
    ("solve", (np.zeros((0, 0)), np.zeros((0, 2)))), ("solve", (S3, np.zeros((3, 0)))), ("norm", (np.zeros(0), 3)),
    ("solve", (np.zeros((0, 3, 3)), V3)), ("lstsq", (np.zeros((0, 3)), np.zeros(0))), ("norm", (np.zeros(0), inf)),
    ("lstsq", (np.zeros((3, 0)), V3)), ("lstsq", (S3, np.zeros((3, 0)))), ("matrix_power", (np.zeros((0, 0)), 3)),
    ("multi_dot", ([np.zeros((2, 0)), np.zeros((0, 3))],)), ("norm", (np.zeros((2, 0)), None, 1)), ("norm", (V3, 0)),
    ("norm", (np.zeros((0, 0)), "nuc")), ("norm", (np.zeros((0, 2)), inf)), ("norm", (np.zeros((0, 0)), 2)),
    ("outer", (np.zeros(0), V3)),
    ("vecdot", (np.zeros((0, 3)), V3)), ("tensordot", (np.zeros((0, 2)), np.ones((2, 0)))),
    ("cross", (np.zeros((0, 3)), V3)), ("matmul", (np.zeros((2, 0)), np.zeros((0, 3))))])
def test_without_elements(name: str, args: Any) -> None:
    """Where NumPy takes arrays of size 0, so do Tensors, and the gradients are of their shape."""
    f, options = getattr(la, name), {"axes": 1} if name == "tensordot" else {}
    try:
        expected = f(*args, **options)
    except (ValueError, la.LinAlgError) as error:
        with pytest.raises(type(error)):
            f(*map(leaf, args), **options)
        return
    xs = [[leaf(b) for b in a] if isinstance(a, list) else leaf(a) for a in args]
    y = f(*xs, **options)
    same(y, expected)
    leaves = [x for x in (xs[0] if isinstance(xs[0], list) else xs) if isinstance(x, Tensor)]
    for part in y if isinstance(y, tuple) else (y,):
        if part.requires_grad:
            for x, g in zip(leaves, tt.grad(part.sum(), leaves, retain_graph=True, allow_unused=True), strict=True):
                assert g.shape == x.shape and np.isfinite(g.data).all()


def test_names_and_numpys_scalars() -> None:
    x, b = leaf(S3), leaf(V3)
    same(la.norm(x=x, ord=np.int64(1), axis=np.int32(0), keepdims=np.bool_(True)), la.norm(S3, 1, 0, True))
    same(la.norm(x, np.float64(3), np.array(1)), la.norm(S3, 3, 1))
    assert tt.grad(la.norm(x, axis=1.0).sum(), x).shape == (3, 3)
    same(la.norm(x, ord=Tensor(np.array(2)), axis=np.array([0, 1])), la.norm(S3, 2, (0, 1)))
    same(la.solve(a=x, b=b), la.solve(S3, V3))
    same(la.svd(a=x, full_matrices=np.False_, compute_uv=np.True_), la.svd(S3, False))
    same(la.eigh(a=la.inv(a=positive(x)), UPLO="U"), la.eigh(la.inv(positive(S3)), "U"))
    same(la.lstsq(a=x, b=b, rcond=np.float64(0.1)), la.lstsq(S3, V3, 0.1))
    same(la.matrix_power(a=x, n=np.int64(3)), la.matrix_power(S3, 3))
    same(la.pinv(a=x, rtol=np.float32(0.1)), la.pinv(S3, rtol=np.float32(0.1)))
    same(la.tensorinv(a=leaf(S4.reshape(2, 2, 4)), ind=np.int8(2)), la.tensorinv(S4.reshape(2, 2, 4)))
    same(la.multi_dot(arrays=[x, b]), S3 @ V3)
    same(la.cond(x=x, p=np.int64(-2)), la.cond(S3, -2))
    same(la.matrix_rank(A=leaf(LOW), tol=np.float64(1e-9)), la.matrix_rank(LOW))
    assert la.matrix_rank(leaf(LOW)).item() == 2
    for call, word in ((lambda: tt.linalg.norm(x, dim=1), "axis"), (lambda: la.det(x, 3), "det"),
                       (lambda: la.svd(x, foo=1), "foo"), (lambda: la.solve(x), "b")):
        with pytest.raises(TypeError, match=word):
            call()


def test_what_is_refused() -> None:
    with pytest.raises(TypeError, match=r"^np\.linalg\.eig does not take a Tensor: .*np\.linalg\.eigh"):
        la.eig(leaf(S3))
    turn = np.array([[0.0, 1.0], [-1.0, 0.0]])
    for x in (Tensor(turn), leaf(turn), leaf(np.stack([turn, np.eye(2)]))):
        with pytest.raises(TypeError, match=r"^np\.linalg\.eigvals: got .* complex .*svdvals"):
            la.eigvals(x)
    with pytest.raises(TypeError, match=r"linalg\.qr: got mode='raw', which has no gradient; expected"):
        la.qr(leaf(S3), "raw")
    same(la.qr(Tensor(S3), "raw"), la.qr(S3, "raw"))
    for f in (lambda x: la.svd(x).U, lambda x: la.qr(x, "complete").Q):
        with pytest.raises(ValueError, match=r"(svd|qr): got a loss that depends on which basis .* use the reduced"):
            (f(leaf(T[0])) * general(5, 5)).sum().backward()


# --- gradients ---


@pytest.mark.parametrize("f, x, rest", CASES)
def test_gradients(f: Any, x: Any, rest: Any) -> None:
    order = 1 if f is la.norm and rest and rest[0] == 0.5 else 2
    if isinstance(y := f(x, *rest), np.ndarray | np.generic) and y.size:
        gradcheck(f, x, *rest, order=order, rtol=1e-4)


@pytest.mark.parametrize("f, x, rest", CASES)
def test_float32_stays(f: Any, x: Any, rest: Any) -> None:
    xs = [leaf(a.astype(np.float32)) if isinstance(a, np.ndarray) else a for a in (x, *rest)]
    leaves = [a for a in xs if isinstance(a, Tensor)]
    y = f(*xs)
    for create_graph in (False, True):
        for g, a in zip(tt.grad(y.sum(), leaves, create_graph=create_graph, retain_graph=True, allow_unused=True),
                        leaves, strict=True):
            assert y.dtype == g.dtype == np.float32 and g.shape == a.shape


# --- where derivatives end ---


def slope(f: Any, x: Any) -> Any:
    x = leaf(np.asarray(x, np.float64))
    f(x).sum().backward()
    return x.grad


def test_equal_values() -> None:
    """Eigenvalues and singular values that are equal: right for their sum, not finite for what their vectors give."""
    turned = la.qr(S3).Q
    double = turned @ np.diag([1.0, 1.0, 3.0]) @ turned.T
    for x in (np.eye(3), symmetric(double) / 2):
        np.testing.assert_allclose(slope(lambda x: la.eigh(x)[0], x), np.eye(3), atol=1e-12)
        np.testing.assert_allclose(slope(la.eigvalsh, x), np.eye(3), atol=1e-12)
        assert not np.isfinite(slope(lambda x: la.eigh(x)[1] * S3, x)).all()
        assert not np.isfinite(slope(lambda x: (lambda w, v: ((v * np.exp(w)) @ v.mT) * S3)(*la.eigh(x)), x)).all()
        np.testing.assert_allclose(slope(lambda x: la.norm(x, "nuc"), x), np.eye(3), atol=1e-12)
        assert not np.isfinite(slope(lambda x: la.svd(x).U * S3, x)).all()
    gradcheck(lambda x: la.eigh(symmetric(x))[1][:, 2:] ** 2, double / 2)  # of the one that stands alone
    np.testing.assert_allclose(slope(la.eigvals, np.eye(3)), np.eye(3))


def test_singular_matrices() -> None:
    zero = np.zeros((3, 3))
    for f in (la.svdvals, lambda x: la.svd(x).S, *[lambda x, p=p: la.norm(x, p) for p in ("nuc", 2, -2, 1, inf)]):
        assert not slope(f, zero).any()
    assert not slope(la.det, zero).any() and not slope(la.det, np.ones((3, 3))).round(12).any()
    with np.errstate(all="ignore"):
        both = np.stack([S3, np.ones((3, 3))])
        for f, wrong in ((lambda x: la.slogdet(x)[1], np.isinf), (lambda x: la.cond(x, 1), np.isnan),
                         (lambda x: la.qr(x).R, np.isnan), (lambda x: la.qr(x).Q * V3, np.isnan)):
            found = slope(f, both)
            assert wrong(found[1]).all() and np.isfinite(found[0]).all()
            np.testing.assert_allclose(found[0], slope(f, S3))
        assert la.cond(leaf(np.ones((2, 2)) * 2.0), 1).item() == inf
    tall = LOW[:, :2] @ [[1.0, 1.0], [1.0, 1.0]]
    assert np.isfinite(slope(lambda x: la.svd(x, False).S, tall)).all()
    assert not np.isfinite(slope(lambda x: la.svd(x, False).U * LOW[:, :2], tall)).all()
    shear = [[0.0, 1.0], [0.0, 0.0]]  # of one eigenvector only: the sum of its eigenvalues is smooth, each is not
    assert slope(la.eigvals, shear).tolist() == [[1, 0], [0, 1]]
    assert not np.abs(slope(lambda x: la.eigvals(x)[1], shear)).max() < 1e99
    with np.errstate(all="ignore"):
        for nan in (np.full((2, 2), np.nan), np.array([[1.0, np.nan], [0.0, 1.0]])):
            x = leaf(nan)
            assert np.isnan(slope(la.det, nan)).any() and np.isnan(slope(lambda x: la.slogdet(x)[1], nan)).any()
            assert np.isnan(tt.grad(tt.grad(la.det(x), x, create_graph=True).sum(), x).data).any()
    np.testing.assert_allclose(slope(lambda x: la.pinv(x) * LOW.T, LOW), slope(lambda x: la.pinv(x, 1e-9) * LOW.T, LOW))


@pytest.mark.parametrize("p", [None, 0, 1, 2, 3, 0.5, 1.5, -1, -2, inf, -inf])
def test_norms_at_zero_and_at_ties(p: Any) -> None:
    with np.errstate(divide="ignore"):
        assert not slope(lambda x: la.norm(x, p), np.zeros(3)).any()
        one = slope(lambda x: la.norm(x, p, axis=1), [[3.0, 0.0], [0.0, 0.0], [1.0, -1.0]])
    assert np.isfinite(one).all() and not one[1].any() and one[2, 0] == -one[2, 1]
    if p in (inf, -inf):
        assert one[2].tolist() == [0.5, -0.5]


def test_gradients_of_symmetric_matrices_are_symmetric() -> None:
    """Of whichever triangle NumPy reads: the other one may hold anything."""
    x = positive(S3)
    for f, keep in ((la.cholesky, np.tril), (lambda x: la.cholesky(x, upper=True), np.triu), (la.eigvalsh, np.tril),
                    (lambda x: la.eigh(x, "U")[1] ** 2, np.triu), (lambda x: la.pinv(x, hermitian=True), np.tril),
                    (lambda x: la.svd(x, hermitian=True).S, np.tril)):
        g = slope(lambda x, f=f: f(x) * S3, x)
        np.testing.assert_allclose(g, g.T, atol=1e-13)
        np.testing.assert_allclose(slope(lambda x, f=f: f(x) * S3, keep(x)), g, atol=1e-13)


def test_third_order() -> None:
    """The determinant's third derivatives, a polynomial's, at a singular matrix of rank 1."""
    x, d = leaf(np.ones((3, 3))), general(3, 3)
    y = la.det(x)
    for _ in range(3):
        y = (tt.grad(y, x, create_graph=True) * d).sum()
    assert y.item() == pytest.approx(6 * la.det(d))


# --- peers ---

SPD, ROWS, TIES = positive(general(2, 3, 3)), general(3, 4), np.array([0.0, -2.0, 2.0])
TORCH: list[Any] = [  # our call, PyTorch's, and the arrays; the symmetric ones as leaves: both have symmetric gradients
    (la.det, "det", B3), (la.inv, "inv", B3), (lambda x: la.slogdet(x)[1], lambda t, x: t.slogdet(x)[1], B3),
    (la.solve, "solve", S3, M34), (la.cholesky, "cholesky", SPD), (la.eigvalsh, "eigvalsh", SPD),
    (lambda x: la.cholesky(x, upper=True), lambda t, x: t.cholesky(x, upper=True), SPD),
    (lambda x: la.eigh(x)[1] ** 2, lambda t, x: t.eigh(x)[1] ** 2, SPD), (la.svdvals, "svdvals", T),
    (lambda x: left(*la.svd(x, False)), lambda t, x: left(*t.svd(x, full_matrices=False)), T),
    (lambda x: left(*la.svd(x, False)), lambda t, x: left(*t.svd(x, full_matrices=False)), W),
    *[(lambda x, i=i: la.qr(x)[i] ** 2, lambda t, x, i=i: t.qr(x)[i] ** 2, x) for i in (0, 1) for x in (T, W)],
    (lambda x: la.qr(x, "complete").R ** 2, lambda t, x: t.qr(x, mode="complete").R ** 2, S3),
    (lambda x: la.pinv(x, hermitian=True), lambda t, x: t.pinv(symmetric(x) / 2, hermitian=True), SPD),
    (la.pinv, "pinv", T),
    (lambda a, b: la.lstsq(a, b)[0], lambda t, a, b: t.lstsq(a, b, driver="gelsd").solution, ROWS.T, general(4, 2)),
    *[(lambda x, n=n: la.matrix_power(x, n), lambda t, x, n=n: t.matrix_power(x, n), B3) for n in (3, -2, 0)],
    (lambda *xs: la.multi_dot(xs), lambda t, *xs: t.multi_dot(xs), V3, M34, S4),
    (lambda x: la.tensorinv(x, 1), lambda t, x: t.tensorinv(x, 1), S4.reshape(4, 2, 2)),
    (la.tensorsolve, "tensorsolve", S4.reshape(2, 2, 4), general(2, 2)), (la.vecdot, "vecdot", W, V4),
    (lambda x: la.diagonal(x, offset=1), lambda t, x: t.diagonal(x, offset=1), T), (la.cross, "cross", S3, T[0, :3]),
    *[(lambda x, p=p: la.cond(x, p), lambda t, x, p=p: t.cond(x, p), B3) for p in (None, 2, -2)],
    *[(lambda x, p=p: la.norm(x, p, 1), lambda t, x, p=p: t.norm(x, p, 1), ROWS) for p in (1, 2, 3, -2, 0.5, inf)],
    *[(lambda x, p=p: la.norm(x, p, (2, 0)), lambda t, x, p=p: t.norm(x, p, (2, 0)), T)
      for p in ("fro", "nuc", 1, -1, 2, -2, inf, -inf)],
    *[(lambda x, p=p: la.norm(x, p), lambda t, x, p=p: t.norm(x, p), TIES) for p in (1, 1.5, inf)]]
JAX = ["det-3", "cholesky-0", "qr-1", "eigh-1", "norm-30"]


@pytest.mark.peer
@pytest.mark.parametrize("f, theirs, arrays", [(f, g, xs) for f, g, *xs in TORCH])
def test_torch(f: Any, theirs: Any, arrays: Any) -> None:
    torch = pytest.importorskip("torch")
    xs, ts = [leaf(a) for a in arrays], [torch.tensor(a.copy(), requires_grad=True) for a in arrays]
    y = f(*xs)
    z = getattr(torch.linalg, theirs)(*ts) if isinstance(theirs, str) else theirs(torch.linalg, *ts)
    g = np.random.default_rng(1).uniform(-1, 1, y.shape)
    np.testing.assert_allclose(y.data, z.detach().numpy(), atol=1e-12)
    y.backward(g)
    z.backward(torch.tensor(g))
    for x, t in zip(xs, ts, strict=True):
        np.testing.assert_allclose(x.grad, t.grad.numpy(), rtol=1e-8, atol=1e-10)


@pytest.mark.peer
@pytest.mark.parametrize("f, x, rest", [case for case in CASES if case.id in JAX])
def test_jax(f: Any, x: Any, rest: Any, monkeypatch: Any) -> None:
    jax = pytest.importorskip("jax")
    xs = [leaf(a) for a in (x, *rest)]
    y = f(*xs)
    g = np.random.default_rng(1).uniform(-1, 1, y.shape)
    found = tt.grad(y, xs, g)
    with jax.enable_x64(True):
        monkeypatch.setitem(globals(), "la", jax.numpy.linalg)  # the same line, read as JAX's
        z, back = jax.vjp(f if f.__name__ == "<lambda>" else getattr(jax.numpy.linalg, f.__name__), x, *rest)
        np.testing.assert_allclose(y.data, z, atol=1e-12)
        for a, b in zip(found, back(jax.numpy.asarray(g)), strict=True):
            np.testing.assert_allclose(a.data, b, rtol=1e-8, atol=1e-10)


# --- compiled ---


@pytest.mark.parametrize("f, x, rest", CASES)
def test_compiled_is_eager(f: Any, x: Any, rest: Any) -> None:
    given = [a.copy() for a in (x, *rest) if isinstance(a, np.ndarray)]
    rest = [a for a in rest if not isinstance(a, np.ndarray)]

    def step(*arrays: Any) -> Any:
        xs = [tt.tensor(a, requires_grad=True) for a in arrays]
        y = f(*xs, *rest)
        return y, tt.grad((y * y).sum(), xs, allow_unused=True)

    with np.errstate(all="ignore"):
        compiled = tt.compile(step)
        for scale in (1, 1, 1.5):
            scaled = [np.asarray(scale * a) for a in given]
            for a, b in zip(plain(compiled(*scaled)), plain(step(*scaled)), strict=True):
                np.testing.assert_array_equal(a, b)
