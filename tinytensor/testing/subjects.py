"""The inputs of the checks in `facts.py`: a public function, its NumPy functions, its samples, and arrays for them.

It checks nothing, and needs NumPy only.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..compose import COMPOSED, NONDIFFERENTIABLE
from ..core import NUMPY, REAL, REGISTRY, Array, Domain, S, Sample, Tensor
from ..define import NAMESPACES, VariadicRules

Function = Callable[..., Any]
REFUSALS = (ValueError, TypeError, IndexError, OverflowError)  # AxisError and LinAlgError are ValueErrors

M, V = (2, 3), (3,)
YES_NO, WHOLE = np.array([True, False]), np.array([2, 0, 1])
CALLS: dict[str, tuple[Sample, ...]] = {  # for functions that have no samples themselves
    "ravel": (S(M),), "sort": (S(M), S(M, 0)), "cumprod": (S(M, 1), S(V)), "split": (S(M, 3, 1), S(V, [1])),
    "dot": (S(V, V), S(M, V)), "outer": (S(V, V),), "vecdot": (S(M, V),), "matvec": (S(M, V),),
    "vecmat": (S(V, (3, 2)),), "einsum": (S("ij,jk", M, (3, 2)), S("ij->j", M)),
    "array_split": (S(M, 2, 1), S(V, [1])), "hsplit": (S(M, 3),), "vsplit": (S(M, 2),), "dsplit": (S((1, 2, 2), 2),),
    "compress": (S(YES_NO, M, 0), S(YES_NO, M)), "extract": (S(np.array([True, False, True]), V),),
    "apply_along_axis": (S(np.cumsum, 1, M), S(np.mean, 0, M)), "apply_over_axes": (S(np.sum, M, 1),),
    "piecewise": (S(V, [np.array([True, False, True])], [np.exp, np.negative]),),
    "linalg.matmul": (S(M, (3, 2)),), "linalg.norm": (S(M), S(M, axis=1), S((2, 2), ord=1)),
    "linalg.eigvals": (S(np.array([[3.0, 1.0], [0.5, -2.0]])),),
    "np.can_cast": (S(WHOLE.dtype, np.float64),), "np.diag_indices_from": (S((2, 2)),),
    "np.digitize": (S(V, np.array([0.0, 1.0])),), "np.einsum_path": (S("ij,jk", M, (3, 2)),),
    "np.ravel_multi_index": (S([WHOLE, WHOLE], np.array([3, 3])),), "np.unravel_index": (S(WHOLE, np.array([3, 3])),),
    "np.unpackbits": (S(WHOLE.astype(np.uint8)),),
}
UNCALLED = ("np.save", "np.savetxt", "np.savez", "np.savez_compressed")  # they write files
MADE = frozenset(("tensor", "zeros", "ones", "full", "eye", "arange", "rand", "randn", "randint", "randperm",
                  "multinomial", "bernoulli", "rand_like", "randn_like", "randint_like", "empty", "identity",
                  "tri"))  # they make new values: no gradient, and no value of NumPy's to compare with


# --- what is checked ---


class Subject(NamedTuple):
    """A function, the NumPy functions that it implements, and the calls to check it by."""

    name: str
    function: Function
    numpy: tuple[Any, ...]
    samples: Sequence[Sample]
    domain: tuple[Domain, ...]
    variadic: bool = False

    def call(self, function: Function, args: Sequence[Any], params: dict[str, Any]) -> Any:
        """Call ours, or NumPy's in the same way."""
        return function(list(args), **params) if self.variadic else function(*args, **params)


def subject(name: str) -> Subject:
    """The subject of a name: ``"exp"``, ``"linalg.det"``, or ``"np.searchsorted"`` for one that is only observed."""
    if name in NONDIFFERENTIABLE:
        function = NONDIFFERENTIABLE[name]
        numpy = tuple(key for key, f in NUMPY.items() if stands_for(f, function))
        return Subject(name, function, numpy, CALLS.get(name) or observable(numpy[0] if numpy else function), (REAL,))
    namespace, _, short = name.rpartition(".")
    function = NAMESPACES[namespace][short]
    numpy = tuple(key for key, f in NUMPY.items() if stands_for(f, function))
    if name in COMPOSED:
        known = COMPOSED[name]
        return Subject(name, function, (known.numpy, *(k for k in numpy if k is not known.numpy)), known.samples,
                       known.domain)
    if name in REGISTRY:
        op = REGISTRY[name]
        return Subject(name, function, numpy, op.samples, op.domain,
                       isinstance(op.rules, VariadicRules) and name != "contract")
    return Subject(name, function, numpy, CALLS.get(name, ()), (REAL,))


def stands_for(f: Any, function: Function) -> bool:
    """Whether NumPy's protocols call this function, or a wrapper of it."""
    while f is not None and f is not function:
        f = getattr(f, "__wrapped__", None)
    return f is not None


def observable(numpy: Function) -> Sequence[Sample]:
    """Calls that one of NumPy's functions takes."""
    whole = np.array([2, 0, 1])
    for sample in (S(M), S(whole), S(V, V), S(whole, whole), S([V, V]), S(V, V, V)):
        try:
            with np.errstate(all="ignore"):
                numpy(*filled(sample, (REAL,)))
        except Exception:
            continue
        return (sample,)
    return ()


# --- arguments ---


def filled(sample: Sample, domain: tuple[Domain, ...], dtype: Any = np.float64, seed: int = 5,
           shape: Callable[[tuple[int, ...]], tuple[int, ...]] = lambda shape: shape) -> list[Any]:
    """The inputs of a sample: arrays in general position instead of shapes; `shape` may change the shapes."""
    rng = np.random.default_rng(seed)

    def fill(x: Any, here: Domain) -> Any:
        if isinstance(x, list):
            return [fill(part, here) for part in x]
        if isinstance(x, tuple) and all(isinstance(n, int) for n in x):
            return drawn(rng, shape(x), here, np.dtype(dtype))
        if isinstance(x, np.ndarray) and x.dtype.kind == "f" and np.dtype(dtype).kind == "f":
            x = x.astype(dtype)
        if isinstance(x, np.ndarray) and x.ndim and x.shape != shape(x.shape):
            return x[tuple(slice(n) for n in shape(x.shape))] if len(shape(x.shape)) == x.ndim else x
        return x

    return [fill(x, domain[min(i, len(domain) - 1)]) for i, x in enumerate(sample.inputs)]


def drawn(rng: np.random.Generator, shape: tuple[int, ...], domain: Domain, dtype: np.dtype[Any]) -> Array:
    """Numbers of a domain, clear of its ends and of each other."""
    if dtype.kind in "iub":
        return np.asarray(rng.integers(1, 4, shape)).astype(dtype)
    ends = [(max(low + 1 / 8, min(-2.0, high - 3)), min(high - 1 / 8, max(2.0, low + 3)))
            for low, high in domain.intervals]
    low, high = np.array(ends)[rng.integers(0, len(ends), shape)].T if shape else np.array(ends[-1])
    steps = rng.permutation(math.prod(shape)).reshape(shape) + rng.uniform(0.3, 0.7, shape)
    return np.asarray(low.T + (high - low).T * steps / max(math.prod(shape), 1)).astype(dtype)


def leaves(args: Any) -> list[Any]:
    """The arguments, each floating array among them as a leaf."""
    if isinstance(args, list):
        return [leaves(x) if isinstance(x, list) else leaf(x) for x in args]
    return args  # type: ignore[no-any-return]


def leaf(x: Any) -> Any:
    """An array as a Tensor, which requires grad if it can; all else as it is."""
    if not isinstance(x, np.ndarray):
        return x
    return Tensor(x, requires_grad=x.dtype.kind == "f")


def flat(x: Any, kind: Any = Tensor) -> Iterator[Any]:
    """The arrays in nested sequences."""
    if isinstance(x, kind):
        yield x
    elif isinstance(x, list | tuple):
        for part in x:
            yield from flat(part, kind)


def weights(parts: Sequence[Any]) -> list[Array]:
    """The weights of the parts of a result in the sum over all of them."""
    rng = np.random.default_rng(3)
    return [np.asarray(rng.uniform(0.5, 1.5, p.shape)) for p in parts]


def total(y: Any) -> Any:
    """One number from all parts that require grad; None if there are none."""
    parts = [p for p in flat(y) if p.requires_grad]
    terms = [(p * w.astype(p.dtype)).sum() for p, w in zip(parts, weights(parts), strict=True)]
    return sum(terms[1:], terms[0]) if terms else None
