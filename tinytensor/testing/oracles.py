"""Compare a function with another framework's values and gradients, with NumPy's, or with the complex step.

The frameworks are optional; each is imported when it is used.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np

from ..autograd import grad
from ..core import Array, Tensor
from .gradcheck import from_outside, gradcheck

Function = Callable[..., Any]
Pull = Callable[[list[Array]], Sequence[Any]]  # from the gradients of the outputs to those of the floating inputs
ROUNDING = {16: 1e-9, 8: 1e-9, 4: 1e-4, 2: 1e-2}  # the relative difference allowed, by the bytes of a float


# --- against ---


@from_outside
def against(f: Function | tuple[Function, Function], oracle: str, *inputs: Any, rtol: float | None = None,
            atol: float | None = None, seed: int = 0) -> bool:
    """Compare the values and gradients of `f` with those of another framework.

    The gradients are those of one random projection of all outputs. With "numpy" they are compared with central
    differences (`gradcheck`).

    Parameters
    ----------
    f : callable or (callable, callable)
        One function ``f(np, *inputs)`` that takes the namespace as its first argument: it is called with NumPy's on
        Tensors, then with the oracle's (`jax.numpy`, `torch._numpy`). Or a pair (mine, theirs), which take the inputs
        alone: mine as Tensors, theirs as the oracle's own arrays.
    oracle : {"torch", "jax", "numpy"}
    *inputs : array or any
        Floating arrays have gradients; other arrays and values are constants.
    rtol, atol : float, optional
        Tolerances: by default 1e-9 for float64 inputs, 1e-4 if one is float32.
    seed : int
        Of the random projection.

    Returns
    -------
    bool
        Always True: a difference raises.

    Raises
    ------
    AssertionError
        A value, a shape or a gradient differs: which, where, and by how much.
    ImportError
        The oracle is not installed.

    Examples
    --------
    >>> from tinytensor.testing import against
    >>> against(lambda np, x: np.tanh(x) @ x.T, "numpy", np.eye(3))
    True
    """
    if oracle not in ORACLES:
        raise ValueError(f"against: got oracle {oracle!r}; expected one of {', '.join(map(repr, ORACLES))}")
    given = [x.data if isinstance(x, Tensor) else x for x in inputs]
    floats = [i for i, x in enumerate(given) if isinstance(x, np.ndarray | np.generic) and x.dtype.kind == "f"]
    given = [np.asarray(x) if isinstance(x, np.ndarray | np.generic) else x for x in given]
    if not floats:
        raise ValueError("against: got no floating array among the inputs; expected one or more, to compare gradients; "
                         "pass arrays, not Python numbers")
    space = ORACLES[oracle].load(oracle)
    mine, theirs = f if isinstance(f, tuple) else (named(f, np), named(f, space))
    values, pull = by_us(mine, given, floats)
    expected, their_pull = ORACLES[oracle].run(theirs, given, floats, not isinstance(f, tuple))
    loss = max(ROUNDING[given[i].dtype.itemsize] for i in floats)
    allowed = (loss if rtol is None else rtol, loss if atol is None else atol)
    if len(values) != len(expected):
        raise AssertionError(f"against: f returned {len(values)} outputs; expected {len(expected)}, as {oracle}")
    for k, (y, z) in enumerate(zip(values, expected, strict=True)):
        same("the value" if len(values) == 1 else f"output {k}", y, z, oracle, allowed)
    if oracle == "numpy":
        flowing = [k for k, y in enumerate(values) if y.dtype.kind == "f"]
        each = [mine] if len(values) == 1 else [lambda *xs, k=k: mine(*xs)[k] for k in flowing]
        return all(gradcheck(g, *inputs, seed=seed) for g in each)
    rng = np.random.default_rng(seed)
    ws = [rng.uniform(0.5, 1.5, y.shape).astype(y.dtype if y.dtype.kind == "f" else np.float64) for y in values]
    for i, g, h in zip(floats, pull(ws), their_pull(ws), strict=True):
        same(f"the gradient of input {i}", g, h, oracle, allowed)
    return True


def named(f: Function, space: Any) -> Function:
    """Bind the first argument of f, the namespace."""
    return lambda *xs: f(space, *xs)


def same(what: str, mine: Array, theirs: Array, oracle: str, allowed: tuple[float, float]) -> None:
    """Raise unless two arrays agree in shape, in kind, and within the tolerances; a nan equals a nan."""
    if mine.shape != theirs.shape or (mine.dtype.kind == "f") != (theirs.dtype.kind == "f"):
        raise AssertionError(f"against: {what} has shape {mine.shape} and dtype {mine.dtype}; expected {theirs.shape} "
                             f"and {theirs.dtype}, as {oracle} returns; check the axes and the dtypes")
    wrong = ~np.isclose(mine, theirs, *allowed, equal_nan=True)
    if wrong.any():
        with np.errstate(all="ignore"):
            far = np.where(wrong, np.nan_to_num(np.abs(np.subtract(mine, theirs, dtype=float)), nan=np.inf), -1)
        at = tuple(int(k) for k in np.unravel_index(np.argmax(far), far.shape))
        cure = "fix the forward pass" if "gradient" not in what else (
            "the values agree, so fix a rule: gradcheck names it; at a kink it may be another convention")
        raise AssertionError(f"against: {what} is {mine[at]:.8g} at element {at}; expected {theirs[at]:.8g}, that of "
                             f"{oracle} ({int(wrong.sum())} of {wrong.size} elements differ); {cure}")


def outputs(y: Any) -> list[Any]:
    """The outputs of a function: one, or a tuple or list of them."""
    return list(y) if isinstance(y, tuple | list) else [y]


# --- the implementations ---


def by_us(f: Function, inputs: Sequence[Any], floats: list[int]) -> tuple[list[Array], Pull]:
    """The outputs of f on Tensors, and a function for the gradients."""
    leaves = [Tensor(x, requires_grad=i in floats) if isinstance(x, np.ndarray) else x for i, x in enumerate(inputs)]
    ys = outputs(f(*leaves))

    def pull(ws: list[Array]) -> list[Array]:
        totals = [(y * w).sum() for y, w in zip(ys, ws, strict=True) if isinstance(y, Tensor) and y.requires_grad]
        if not totals:
            return [np.zeros_like(inputs[i]) for i in floats]
        total = totals[0]
        for other in totals[1:]:
            total = total + other
        return [g.data for g in grad(total, [leaves[i] for i in floats], allow_unused=True)]

    return [np.asarray(y.data if isinstance(y, Tensor) else y) for y in ys], pull


def by_numpy(f: Function, inputs: Sequence[Any], floats: list[int], named: bool) -> tuple[list[Array], Pull]:
    """The outputs of f on plain arrays, without gradients."""
    return [np.asarray(y) for y in outputs(f(*inputs))], lambda ws: []


def by_torch(f: Function, inputs: Sequence[Any], floats: list[int], named: bool) -> tuple[list[Array], Pull]:
    """The same by torch; a function of a namespace gets arrays of `torch._numpy`, which wrap torch's tensors."""
    torch, tnp = import_module("torch"), import_module("torch._numpy")
    leaves = [torch.tensor(x, requires_grad=i in floats) if isinstance(x, np.ndarray) else x
              for i, x in enumerate(inputs)]
    given = [tnp.asarray(x) if named and isinstance(x, torch.Tensor) else x for x in leaves]
    ys = [torch.as_tensor(getattr(y, "tensor", y)) for y in outputs(f(*given))]

    def pull(ws: list[Array]) -> list[Array]:
        flowing = [(y, torch.tensor(w)) for y, w in zip(ys, ws, strict=True) if y.requires_grad]
        if not flowing:
            return [np.zeros_like(inputs[i]) for i in floats]
        heads, weights = zip(*flowing, strict=True)
        found = torch.autograd.grad(heads, [leaves[i] for i in floats], weights, allow_unused=True)
        return [np.zeros_like(inputs[i]) if g is None else g.numpy() for i, g in zip(floats, found, strict=True)]

    return [y.detach().numpy() for y in ys], pull


def by_jax(f: Function, inputs: Sequence[Any], floats: list[int], named: bool) -> tuple[list[Array], Pull]:
    """The same by jax, with float64 switched on for the call."""
    jax = import_module("jax")
    double = jax.enable_x64 if hasattr(jax, "enable_x64") else import_module("jax.experimental").enable_x64

    def called(*xs: Any) -> list[Any]:
        given = dict(zip(floats, xs, strict=True))
        ys = outputs(f(*[given.get(i, jax.numpy.asarray(x) if isinstance(x, np.ndarray) else x)
                         for i, x in enumerate(inputs)]))
        return [jax.numpy.asarray(y) for y in ys]

    def pull(ws: list[Array]) -> list[Array]:
        def total(*xs: Any) -> Any:
            flowing = [(y * w).sum() for y, w in zip(called(*xs), ws, strict=True) if y.dtype.kind == "f"]
            return sum(flowing, start=jax.numpy.zeros(()))

        with double(True):
            found = jax.grad(total, tuple(range(len(floats))))(*[jax.numpy.asarray(inputs[i]) for i in floats])
            return [np.asarray(g) for g in found]

    with double(True):
        return [np.asarray(y) for y in called(*[jax.numpy.asarray(inputs[i]) for i in floats])], pull


class Oracle(NamedTuple):
    """A framework: the module with NumPy's names, and the function that computes with it."""

    space: str
    run: Callable[[Function, Sequence[Any], list[int], bool], tuple[list[Array], Pull]]

    def load(self, name: str) -> Any:
        """The namespace, or an error that says how to get it."""
        try:
            return import_module(self.space)
        except ImportError as error:
            raise ImportError(f"against: {name} can not be imported ({error}); expected it as the oracle; pip install "
                              f"{name}, or compare f with \"numpy\", which is always there") from None


ORACLES = {"torch": Oracle("torch._numpy", by_torch), "jax": Oracle("jax.numpy", by_jax),
           "numpy": Oracle("numpy", by_numpy)}


# --- the complex step ---


def complex_step(f: Callable[..., Any], inputs: Sequence[Any], directions: Sequence[Any]) -> Array:
    """The derivative of an analytic function of arrays along a direction, exact to rounding.

    A step along the imaginary axis needs no difference, so nothing cancels: ``f(x + ih d).imag / h``, for h of 1e-30
    (Squire and Trapp 1998, "Using Complex Variables to Estimate Derivatives of Real Functions").

    Parameters
    ----------
    f : callable
        Takes and returns arrays, complex ones too.
    inputs : sequence of array
        The point; real.
    directions : sequence of array or None
        One for each input; None for an input that stays.

    Examples
    --------
    >>> from tinytensor.testing import complex_step
    >>> print(f"{complex_step(np.sin, [np.array(0.5)], [1.0]):.12f} {np.cos(0.5):.12f}")
    0.877582561890 0.877582561890
    """
    h = 1e-30
    y = f(*(x if d is None else x + 1j * h * d for x, d in zip(inputs, directions, strict=True)))
    if not np.iscomplexobj(y):
        raise TypeError(f"complex_step: f returned dtype {np.asarray(y).dtype} for complex inputs; expected complex "
                        "numbers; check a function that is not analytic with gradcheck")
    return np.asarray(np.imag(y) / h)
