"""Functions of functions against JAX, finite differences and each other: structures, composition, refusals."""

from collections import OrderedDict, namedtuple

import numpy as np
import pytest

import tinytensor as tt
from tinytensor import nn
from tinytensor.core import Tensor
from tinytensor.testing import gradcheck

Pair = namedtuple("Pair", "a b")
RNG = np.random.default_rng(0)
A, B, C = (RNG.uniform(0.5, 1.5, shape) for shape in ((2, 3), (3,), ()))
V = [RNG.standard_normal(x.shape) for x in (A, B, C)]
X = RNG.standard_normal((5, 3)).astype(np.float32)
Y = np.arange(5) % 2


def plain(x):
    """A structure with arrays in the place of Tensors (and of JAX's arrays)."""
    if isinstance(x, dict):
        return {k: plain(v) for k, v in x.items()}
    if isinstance(x, list | tuple):
        return [plain(v) for v in x]
    return x if x is None else np.asarray(x.data if isinstance(x, Tensor) else x)


def assert_same(a, b, rtol=1e-9):
    a, b = plain(a), plain(b)
    if isinstance(b, dict | list):
        assert type(a) is type(b) and len(a) == len(b)
        for k in b if isinstance(b, dict) else range(len(b)):
            assert_same(a[k], b[k], rtol)
    elif b is not None:
        np.testing.assert_allclose(a, b, rtol=rtol, atol=1e-12)
    else:
        assert a is None


# --- functions of NumPy that JAX runs too ---

SCALARS = {
    "nested": (lambda np, p, c: (p[0]["x"][1] * p[1] * c).sum() ** 2, ([{"x": (A, B)}, B], C)),
    "a named tuple, unused, None": (lambda np, p, q: (p.a * p.a).sum() * q["c"], (Pair(B, A), {"none": None, "c": C})),
}
ARRAYS = {
    "to a structure": (lambda np, p, c: {"y": p["a"] @ p["b"] * c, "z": [p["b"].sum(), p["a"] * 2]},
                       ({"a": A, "b": B}, C)),
}


@pytest.fixture(scope="module")
def jax():
    found = pytest.importorskip("jax")
    found.config.update("jax_enable_x64", True)
    yield found
    found.config.update("jax_enable_x64", False)


def both(jax, f):
    return lambda *args: f(np, *args), lambda *args: f(jax.numpy, *args)


def directions(tree):
    rng = np.random.default_rng(7)
    if isinstance(tree, dict):
        return {k: directions(v) for k, v in tree.items()}
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return type(tree)(*map(directions, tree))
    if isinstance(tree, list | tuple):
        return type(tree)(map(directions, tree))
    return None if tree is None else rng.standard_normal(np.shape(tree))


@pytest.mark.peer
@pytest.mark.parametrize("name", SCALARS)
def test_scalars_as_in_jax(name, jax):
    f, args = SCALARS[name]
    ours, theirs = both(jax, f)
    every, vs = tuple(range(len(args))), directions(args)
    assert_same(tt.value_and_grad(ours, every)(*args), jax.value_and_grad(theirs, every)(*args))
    product = tt.hvp(ours, args, vs)
    assert_same(product, jax.jvp(jax.grad(theirs, every), args, vs)[1])
    assert [type(x) for x in product[:1]] == [type(args[0])]
    if name == "nested":
        assert_same(tt.hessian(ours, every)(*args), jax.hessian(theirs, every)(*args))


@pytest.mark.peer
@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_as_in_jax(name, jax):
    f, args = ARRAYS[name]
    ours, theirs = both(jax, f)
    every, vs = tuple(range(len(args))), directions(args)
    for argnums in (1, every):  # by the second alone some outputs are constants
        assert_same(tt.jacobian(ours, argnums)(*args), jax.jacrev(theirs, argnums)(*args))
    y, pull = tt.vjp(ours, *args)
    z, their_pull = jax.vjp(theirs, *args)
    assert_same(y, z)
    for _ in range(2):
        g = directions(jax.tree.map(np.asarray, z))
        assert_same(pull(g), their_pull(g))
    assert_same(tt.jvp(ours, args, vs), jax.jvp(theirs, args, vs))
    aux = (lambda *args: (ours(*args), args[0])), (lambda *args: (theirs(*args), args[0]))
    assert_same(tt.jacobian(aux[0], has_aux=True)(*args), jax.jacrev(aux[1], has_aux=True)(*args))
    assert_same(tt.jvp(aux[0], args, vs, has_aux=True), jax.jvp(aux[1], args, vs, has_aux=True))
    assert_same(tt.vjp(aux[0], *args, has_aux=True)[0::2], jax.vjp(aux[1], *args, has_aux=True)[0::2])


# --- without JAX ---


def test_jacobian_and_products_agree():
    def f(x):
        return np.exp(x[:2]) * x.sum()

    (v,), u = (V[1],), np.array([1.0, -2.0])
    j = tt.jacobian(f)(B).data
    np.testing.assert_allclose(tt.jvp(f, (B,), (v,))[1].data, j @ v)
    np.testing.assert_allclose(tt.vjp(f, B)[1](u)[0].data, u @ j)
    eps = 1e-6
    np.testing.assert_allclose((f(B + eps * v) - f(B - eps * v)) / (2 * eps), j @ v, rtol=1e-7)


def test_they_compose():
    def cube(x):
        return (x ** 3).sum()

    def slope(x):
        return tt.value_and_grad(cube)(x)[1]

    np.testing.assert_allclose(tt.jacobian(slope)(B).data, np.diag(6 * B))
    np.testing.assert_allclose(tt.value_and_grad(lambda x: (slope(x) ** 2).sum() + x.sum())(B)[1].data, 36 * B**3 + 1)
    np.testing.assert_allclose(tt.hessian(lambda x: tt.jvp(cube, (x,), (x,))[1])(B).data, np.diag(18 * B))
    np.testing.assert_allclose(tt.hessian(lambda x: tt.vjp(cube, x)[1](np.float64(1))[0].sum())(B).data, 6 * np.eye(3))
    np.testing.assert_allclose(tt.jacobian(lambda x: tt.hvp(cube, (x,), (B,))[0])(B).data, np.diag(6 * B))
    np.testing.assert_allclose(tt.jacobian(lambda x: tt.hessian(cube)(x).sum(1))(B).data, 6 * np.eye(3))
    assert gradcheck(lambda x: slope(x) * x, B, order=2)


def test_what_is_recorded_afterwards():
    x = tt.tensor([1.0, 2.0], requires_grad=True)
    for block, given, recorded in ((tt.enable_grad, x, True), (tt.no_grad, x, False), (tt.enable_grad, x.data, False)):
        with block():
            value, g = tt.value_and_grad(lambda x: (x * x).sum())(given)
            assert g.tolist() == [2, 4] and g.requires_grad is value.requires_grad is recorded
    assert not tt.value_and_grad(lambda x: (x * x).sum(), create_graph=False)(x)[1].requires_grad
    value, g = tt.value_and_grad(lambda x: (x ** 3).sum())(x)
    ((g * g).sum() + value).backward()
    assert x.grad.tolist() == [36 + 3, 2 * 12 * 12 + 12]
    w, inputs = nn.Parameter(np.float32([2, 3])), np.float32([1, 1])  # a penalty on a slope trains what f closes over
    _, g = tt.value_and_grad(lambda x: (w * x * x).sum(), create_graph=True)(inputs)
    (g * g).sum().backward()
    assert w.grad.tolist() == [16, 24]
    with tt.no_grad():
        assert not tt.jacobian(lambda z: tt.value_and_grad(lambda z: (z * z).sum())(z)[1])(x).requires_grad


def network():
    return nn.Sequential(nn.Linear(3, 4, rng=0), nn.Tanh(), nn.Linear(4, 2, rng=1))


def test_modules_stand_for_their_parameters():
    model = network()
    names = [name for name, _ in model.named_parameters()]

    def loss(model, x, y):
        logits = model(x)
        return tt.cross_entropy(logits, y), logits

    (value, logits), grads = tt.value_and_grad(loss, has_aux=True)(model, X, Y)
    loss(model, X, Y)[0].backward()
    assert list(grads) == names and logits.shape == (5, 2) and not logits.requires_grad and not value.requires_grad
    assert all(np.array_equal(grads[n].data, p.grad) for n, p in model.named_parameters())
    model.astype(np.float64)
    vs = {name: RNG.standard_normal(p.shape) for name, p in model.named_parameters()}
    (product,) = tt.hvp(lambda m: loss(m, X.astype(np.float64), Y)[0], (model,), (vs,))
    blocks = tt.hessian(lambda m: loss(m, X.astype(np.float64), Y)[0])(model)
    for name in names:
        expected = sum(np.tensordot(blocks[name][n].data, vs[n], vs[n].ndim) for n in names)
        np.testing.assert_allclose(product[name].data, expected, rtol=1e-9, atol=1e-12)
    _, tangent = tt.jvp(lambda m: m(X.astype(np.float64)), (model,), (vs,))
    j = tt.jacobian(lambda m: m(X.astype(np.float64)))(model)
    np.testing.assert_allclose(tangent.data, sum(np.tensordot(j[n].data, vs[n], vs[n].ndim) for n in names))
    model[0].requires_grad_(False)
    assert list(tt.value_and_grad(loss, has_aux=True)(model, X.astype(np.float64), Y)[1]) == names[2:]


def test_float32_stays_and_python_numbers_are_float32():
    value, (a, b) = tt.value_and_grad(lambda a, b: (a * b).sum(), (0, 1))(X, 2.0)
    assert value.dtype == a.dtype == b.dtype == np.float32 and b.shape == ()
    assert tt.hessian(lambda x: (x ** 3).sum())(X[0]).dtype == np.float32
    _, tangent = tt.jvp(np.sin, (X,), (np.ones(X.shape),))
    assert tangent.dtype == np.float32


def test_edges_of_shape():
    assert tt.jacobian(lambda x: x * 2)(np.zeros((0, 2))).shape == (0, 2, 0, 2)
    assert tt.jacobian(lambda x: x.sum())(np.zeros((0, 2))).shape == (0, 2)
    assert tt.jacobian(np.sin)(np.float64(0)).tolist() == 1
    assert tt.jacobian(np.floor)(B).tolist() == np.zeros((3, 3)).tolist()
    assert tt.jacobian(lambda x: tt.ones(2))(B).tolist() == np.zeros((2, 3)).tolist()
    assert tt.jvp(np.floor, (B,), (B,))[1].tolist() == [0, 0, 0]
    assert tt.value_and_grad(lambda p: p["a"].sum())(OrderedDict(a=B))[1]["a"].tolist() == [1, 1, 1]


@pytest.mark.parametrize("call, kind, text", [
    (lambda: tt.value_and_grad(lambda x: x * 2)(B), ValueError, r"got a Tensor of shape \(3,\) from .*; expected a"),
    (lambda: tt.value_and_grad(lambda x: 3.0)(B), ValueError, "got a float from the function; expected a scalar"),
    (lambda: tt.value_and_grad(lambda x: x.detach().sum())(B), ValueError, "got an output that does not require grad"),
    (lambda: tt.hessian(lambda x: x * 2)(B), ValueError, "hessian: got a Tensor"),
    (lambda: tt.hvp(lambda x: x * 2, (B,), (B,)), ValueError, "hvp: got a Tensor"),
    (lambda: tt.value_and_grad(lambda p: p["n"].sum())({"n": np.arange(3)}), TypeError,
     r"value_and_grad: got dtype int64 for argument 0\['n'\]; expected a floating one"),
    (lambda: tt.jacobian(lambda x: x, argnums=1)(B), ValueError, r"argnums=1 for 1 positional arguments; expected"),
    (lambda: tt.jacobian(lambda x, y: x, argnums=(0, 0))(B, B), ValueError, r"argnums=\(0, 0\) for 2"),
    (lambda: tt.jacobian(np.argmax)(B), TypeError, "got int64 .* from the function; expected Tensors of a floating"),
    (lambda: tt.jacobian(lambda x: (x, "one"))(B), TypeError, r"got a str from the function, at \[1\]; expected"),
    (lambda: tt.value_and_grad(lambda x: x.sum(), has_aux=True)(B), TypeError, "from the function, with has_aux=True"),
    (lambda: tt.jvp(np.sin, B, B), TypeError, r"got an ndarray of shape \(3,\) as primals.*; write \(x,\) and \(v,\)"),
    (lambda: tt.jvp(np.sin, (B,), (A,)), ValueError, r"jvp: tangents\[0\]: got shape \(2, 3\); expected \(3,\)"),
    (lambda: tt.jvp(lambda p: p["a"], ({"a": B},), ({"b": B},)), ValueError,
     r"jvp: tangents\[0\]: got a dict with 'b'; expected the structure of a dict with 'a'"),
    (lambda: tt.hvp(lambda x: x.sum(), (B,), (B, B)), ValueError, "tangents: got a tuple of 2; expected the structure"),
    (lambda: tt.vjp(np.sin, B)[1](A), ValueError, r"the gradient of the output: got shape \(2, 3\); expected \(3,\)"),
])
def test_refusals(call, kind, text):
    with pytest.raises(kind, match=text):
        call()
    assert tt.modes.state.depth == 0


def test_they_compile():
    model = network()

    def step(v, x, y):
        def loss(m):
            return tt.cross_entropy(m(x), y)

        value, grads = tt.value_and_grad(loss)(model)
        (product,) = tt.hvp(loss, (model,), (v,))
        y, move = tt.jvp(lambda x: np.sin(model(x)), (x,), (x,))
        slopes, curves = tt.jacobian(lambda x: (x * x)[0])(x), tt.hessian(lambda a: (a**3).sum())(x[0])
        return value, grads, product, move, slopes, curves

    v = {name: RNG.standard_normal(p.shape).astype(np.float32) for name, p in model.named_parameters()}
    compiled = tt.compile(step, model)
    for k in range(4):
        assert_same(compiled(v, X + k, Y), step(v, X + k, Y), rtol=0)
    assert compiled.programs
