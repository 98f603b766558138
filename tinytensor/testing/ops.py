"""The tests of a defined op: against NumPy, differences and itself, at fixed points.

The package's own ops are tested by the same checks. Random inputs are drawn by the tests that call them.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from ..autograd import grad, gradients
from ..core import Array, Op, Sample, Tensor
from ..define import VariadicRules
from .cases import Case, Function, arranged, arrays_of, case_of, data, flattened, refilled, same, tensors, wrapped
from .gradcheck import from_outside, gradcheck, in_order
from .oracles import complex_step
from .points import LAYOUTS, filled_inputs, fixed_inputs
from .special import check_special

REFUSALS = (ValueError, TypeError, IndexError, OverflowError)
DTYPES = ("int8", "uint8", "int32", "int64", "bool", "float16", ">f8", ">i4", "float64")
NOT_FINITE = np.array([np.nan, np.inf, 1.0, -np.inf, 0.0])
SHAPES = ((), (1,), (4,), (2, 1), (0,), (0, 3), (3, 0))
PAIRS = (((2, 3), (3,)), ((2, 1), (1, 3)), ((), (2, 2)), ((1,), (3,)), ((2, 3), ()), ((), ()), ((3, 1, 2), (2, 1)),
         ((0,), (1,)), ((0, 3), (3,)), ((2, 1), (2, 0)))


class Check(NamedTuple):
    """One test of an op: `str()` is its name, a call runs it."""

    name: str
    run: Callable[[], None]

    def __str__(self) -> str:
        return self.name

    def __call__(self) -> None:
        """Run it; NumPy's warnings at odd points are ignored."""
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            self.run()


# --- what users call ---


@from_outside
def check_op(op: Function | Op | str, *references: Function) -> None:
    """Test an op: run all of its `checks`.

    Raises
    ------
    AssertionError, or what the op itself raises
        The first that fails; a note says which check it was.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor.testing import check_op
    >>> check_op(tt.tanh)
    """
    for check in checks(op, *references):
        try:
            check()
        except Exception as error:
            error.add_note(f"in the check {check}")
            raise


def checks(op: Function | Op | str, *references: Function) -> list[Check]:
    """The tests of an op, for `pytest.mark.parametrize`; they need its samples, and its domain.

    Every sample: the values are those of `references` in float64 and float32, and NumPy's in all dtypes, at nan and
    infinities; inputs in any memory layout are read and never written; float32 stays; the gradient is right at order 1
    and 2, and by the complex step where the op is analytic; the fast rule agrees with the definition; and at 0, 1, -1
    and the ends of the domain the gradient is the derivative, or between those from both sides. Then shapes: no axes,
    one element, none, and pairs that broadcast.

    Parameters
    ----------
    op : callable, Op or str
        The result of `define.op` or `define.ufunc_op`, or the name of an op of the package.
    *references : callable
        Functions of the same arguments, on plain arrays, that return the same values. A `functools.partial` is taken to
        be NumPy's, and is called with Tensors too. By default the NumPy functions that the op implements.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor.testing import checks
    >>> [str(check) for check in checks(tt.tanh)][:3]
    ['tanh-0-values', 'tanh-0-dtypes', 'tanh-0-layouts']
    """
    case = case_of(op, references)
    found = []
    for i, sample in enumerate(case.op.samples):
        for name, check in (("values", check_values), ("dtypes", check_dtypes), ("layouts", check_layouts)):
            if check is check_dtypes and not any(isinstance(reference, partial) for reference in case.references):
                continue
            found.append(Check(f"{case.op.name}-{i}-{name}", partial(check, case, sample)))
        if case.differentiable:
            for name, check in (("float32", check_float32), ("gradient", check_fixed_gradient),
                                ("special", check_special)):
                found.append(Check(f"{case.op.name}-{i}-{name}", partial(check, case, sample)))
            if case.op.analytic:
                found.append(Check(f"{case.op.name}-{i}-complex step", partial(check_complex_step, case, sample)))
            if case.op.definition:
                found.append(Check(f"{case.op.name}-{i}-definition", partial(check_definition, case, sample)))
    if not isinstance(case.op.rules, VariadicRules) and (case.op.broadcasts or len(arrays_of(case.op)) == 1):
        found.append(Check(f"{case.op.name}-shapes", partial(check_shapes, case)))
    return found


# --- values ---


def check_values(case: Case, sample: Sample) -> None:
    """Arrays in, arrays out; Tensors in, Tensors out, with the reference's values and dtypes."""
    for dtype in (np.float64, np.float32):
        args = fixed_inputs(case.op, sample, dtype)
        given = [wrapped(x) for x in args]
        plain, y = case.call(sample, *args), case.call(sample, *given)
        assert not tensors([plain]), "arrays in gave a Tensor"
        if tensors(given):
            assert all(type(part) is Tensor and type(part.data) is np.ndarray for part in flattened([y]))
        same(y, plain)
        for reference in case.references:
            expected = reference(*args, **sample.params)
            same(plain, expected)
            if isinstance(reference, partial) and tensors(given):  # NumPy's function hands over to the op
                same(reference(*given, **sample.params), expected)


def check_dtypes(case: Case, sample: Sample) -> None:
    """Integers, bools, float16, another byte order, nan and infinities: NumPy's values and dtypes, or its refusal."""
    for dtype in DTYPES:
        make = partial(small_numbers, dtype=np.dtype(dtype))
        args = filled_inputs(case.op, sample, lambda i, make=make: make)  # type: ignore[misc]
        for reference in case.references:
            if isinstance(reference, partial):
                check_one_shape(case, sample, args, [reference], np.dtype(dtype).name)


def small_numbers(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """0, 1, 2, ... as integers, or halves of them; of float64 nan and infinities instead."""
    if dtype == np.float64 and dtype.isnative:
        return np.resize(NOT_FINITE, shape)
    x = np.resize(np.array([1, 0, 2, 3, 1]), shape)
    return x.astype(dtype) if dtype.kind in "iub" else np.asarray(x / 4 + 0.125, dtype)


def check_layouts(case: Case, sample: Sample) -> None:
    """Read-only inputs in any layout, a read-only g, two passes over one graph: always the values of plain copies."""
    args = fixed_inputs(case.op, sample)
    plain = case.leaves(args)
    expected = case.flat(sample, *plain)
    xs = tensors(plain)
    g = np.random.default_rng(0).uniform(0.5, 1.5, expected.shape).astype(expected.dtype)
    gradient = gradients({expected: g.copy()}) if xs and expected.requires_grad else {}
    for layout in LAYOUTS:
        awkward = case.leaves([arranged(x, layout) for x in args])
        y = case.flat(sample, *awkward)
        np.testing.assert_allclose(data(y), data(expected), rtol=1e-12, atol=1e-13)
        first, again = (gradients({y: layout(g)}, release=False) if gradient else {} for _ in range(2))
        for x, p in zip(tensors(awkward), xs, strict=True):
            if p in gradient:
                np.testing.assert_allclose(first[x], gradient[p], rtol=1e-12, atol=1e-13)
                np.testing.assert_array_equal(first[x], again[x])


def check_float32(case: Case, sample: Sample) -> None:
    """In a graph whose arrays are all float32, every value and gradient is float32, at order 2 as well."""
    leaves = case.leaves(fixed_inputs(case.op, sample, np.float32))
    y, xs = case.flat(sample, *leaves), tensors(leaves)
    if not xs or not y.requires_grad:
        return
    for create_graph in (False, True):
        found = grad(y, xs, np.ones(y.shape, y.dtype), create_graph=create_graph, retain_graph=True, allow_unused=True)
        for x, g in zip(xs, found, strict=True):
            assert g.dtype == np.float32 and g.shape == x.shape and type(g.data) is np.ndarray
        if y.dtype == np.float32 and not asks_for_float64(sample):
            kinds = {node.dtype for root in [y, *found] for node in [*in_order(root), root]}
            assert kinds == {np.dtype(np.float32)}, f"{kinds} in the graph; expected float32 alone"


def asks_for_float64(sample: Sample) -> bool:
    """Whether a parameter is a dtype, or an array that promotes."""
    return any(getattr(x, "dtype", x) in (np.float64, float) for x in sample.params.values() if not np.isscalar(x))


# --- gradients ---


def check_gradient(case: Case, sample: Sample, args: Sequence[Any], order: int = 2) -> bool:
    """The gradient of one call, with respect to every floating array; False where the point is all kinks."""
    try:
        return gradcheck(lambda *xs: case.flat(sample, *refilled(args, xs)), *flattened(args), order=order)
    except ValueError as error:
        if "kink" not in str(error):
            raise
        return False


def has_differences(case: Case, sample: Sample) -> bool:
    """Whether differences can check the gradient: elements go in and come out, in float64."""
    args = fixed_inputs(case.op, sample)
    leaves = case.leaves(args)
    y = case.flat(sample, *leaves)
    return (isinstance(y, Tensor) and y.requires_grad and y.dtype == np.float64 and y.size > 0
            and bool(np.isfinite(y.data).all()) and any(x.size for x in tensors(leaves)))


def check_fixed_gradient(case: Case, sample: Sample) -> None:
    """The gradient at points in general position."""
    if has_differences(case, sample):
        assert check_gradient(case, sample, fixed_inputs(case.op, sample)), "the sample is at a kink; give another"


def check_complex_step(case: Case, sample: Sample) -> None:
    """The gradient along one direction, exact to rounding."""
    args = fixed_inputs(case.op, sample)
    leaves, rng = case.leaves(args), np.random.default_rng(0)
    moves = [rng.uniform(-1, 1, x.shape) if isinstance(x, Tensor) else None for x in leaves]
    y = case.call(sample, *leaves)
    w = rng.uniform(0.5, 1.5, y.shape)
    exact = np.sum(w * complex_step(lambda *z: case.op.forward(*z, **sample.params), args, moves))
    found = grad(y, tensors(leaves), w)
    along = [np.sum(g.data * d) for g, d in zip(found, [d for d in moves if d is not None], strict=True)]
    np.testing.assert_allclose(sum(along), exact, rtol=1e-10, atol=1e-10 * (1 + sum(map(abs, along))))


def check_definition(case: Case, sample: Sample, args: Sequence[Any] | None = None, g: Array | None = None) -> None:
    """The fast rule, the graph that the definition replaces it by, and the definition itself agree."""
    args = fixed_inputs(case.op, sample) if args is None else args
    fast, slow = case.leaves(args), case.leaves(args)
    assert case.op.definition is not None
    y, z = case.call(sample, *fast), case.op.definition(*slow, **sample.params)
    np.testing.assert_allclose(y.data, z.data, rtol=1e-12, atol=1e-13)
    g = np.random.default_rng(1).uniform(-1, 1, y.shape) if g is None else g
    by_rule = grad(y, tensors(fast), g, retain_graph=True)
    by_expansion = grad(y, tensors(fast), g, create_graph=True)
    by_definition = grad(z, tensors(slow), g)
    for a, b, c in zip(by_rule, by_expansion, by_definition, strict=True):
        np.testing.assert_allclose(a.data, b.data, rtol=1e-11, atol=1e-12)
        np.testing.assert_allclose(a.data, c.data, rtol=1e-11, atol=1e-12)


# --- shapes ---


def check_shapes(case: Case) -> None:
    """No axes, one element, no element, pairs that broadcast: the reference's values, or a refusal as its own."""
    op, sample = case.op, case.op.samples[0]
    arrays = arrays_of(op)
    for seed, shapes in enumerate(PAIRS if len(arrays) > 1 else [(shape,) for shape in SHAPES]):
        given = dict(zip(arrays, (*shapes, *shapes), strict=False))
        inputs = tuple([x if i not in given else given[i] if isinstance(x, tuple) else np.resize(x, given[i])
                        for i, x in enumerate(sample.inputs)])
        for dtype in (np.float64, np.float32):
            check_one_shape(case, sample, fixed_inputs(op, Sample(inputs, sample.params), dtype, seed))


def check_one_shape(case: Case, sample: Sample, args: Sequence[Any], references: Sequence[Function] | None = None,
                    what: str = "") -> None:
    """The values of one call, and gradients of the shape and dtype of their inputs; or a refusal like NumPy's."""
    expected = []
    for reference in case.references if references is None else references:
        try:
            expected.append(reference(*args, **sample.params))
        except REFUSALS as refusal:
            try:
                case.call(sample, *case.leaves(args))
            except REFUSALS:
                return
            raise AssertionError(f"shapes {[np.shape(x) for x in args]} {what} gave a value; expected the refusal "
                                 f"{refusal!r}") from None
    leaves = case.leaves(args)
    try:
        y = case.call(sample, *leaves)
    except REFUSALS:
        if expected:
            raise
        return
    for z in expected:
        same(y, z)
    y = case.flat(sample, *leaves)
    if what == "float64":  # at nan and infinities: the gradients there are conventions, tested one by one
        return
    some = isinstance(y, Tensor) and y.requires_grad
    xs = [x for x in tensors(leaves) if some and (x.ndim or x.dtype.isnative)]  # NumPy's scalars have no byte order,
    for x, g in zip(xs, grad(y, xs, np.ones(y.shape, y.dtype), allow_unused=True) if xs else (), strict=True):
        assert g.shape == x.shape and g.dtype.type is x.dtype.type, (  # and neither have sums
            f"a gradient has shape {g.shape} and dtype {g.dtype}; expected {x.shape} and {x.dtype}, its input's")
