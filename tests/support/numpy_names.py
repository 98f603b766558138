"""Calls every public function of numpy and numpy.linalg with Tensors, in every form, and says what became of it.

    python tests/support/numpy_names.py            the table, and the counts
    python tests/support/numpy_names.py NAME ...   these names alone, with what was wrong

A call is tried with all arrays as Tensors, with one of them at a time, by NumPy's parameter names, in float32, without
gradients, and under no_grad. Its value must be NumPy's; its gradient must agree with differences of NumPy's function.
"""

from __future__ import annotations

import inspect
import sys
import warnings
from typing import Any

import numpy as np

import tinytensor as tt
from tinytensor.core import Tensor

# --- what stands in the calls ---

rng = np.random.default_rng(3)
x, x2 = rng.uniform(0.2, 0.8, (3, 4)), rng.uniform(0.2, 0.8, (3, 4))
v, v2, long = rng.uniform(0.2, 0.8, 4), rng.uniform(0.2, 0.8, 4), rng.uniform(0.2, 0.8, 7)
square, cube = rng.uniform(0.2, 0.8, (4, 4)) + 2 * np.eye(4), rng.uniform(0.2, 0.8, (2, 3, 4))
spd = square @ square.T
batch = rng.uniform(0.2, 0.8, (2, 3, 3)) + 2 * np.eye(3)
spds = batch @ batch.transpose(0, 2, 1)
three, three2 = rng.uniform(0.2, 0.8, 3), rng.uniform(0.2, 0.8, (2, 3))
four = rng.uniform(0.2, 0.8, (2, 2, 4)) + np.eye(4).reshape(2, 2, 4)
grid = np.array([0.0, 0.3, 0.5, 1.0])
holes = x.copy()
holes[1, 2] = holes[0, 1] = np.nan
mask, ints, shifts = x > 0.5, np.array([[5, 3, 1], [2, 7, 6]]), np.array([1, 2, 1])
s, s2 = np.array(0.7), np.array(0.3)
row = np.array([0, 2, 1])
along = np.array([[1, 0, 3, 2]] * 3)
weights = rng.uniform(0.2, 0.8, 4)

# --- the calls: a line for each name; several calls are separated by semicolons ---

UFUNCS = {  # ufuncs that need other arguments than (x) or (x, x2)
    "arccosh": "(x + 1)", "bitwise_and": "(ints, 3)", "bitwise_or": "(ints, 3)", "bitwise_xor": "(ints, 3)",
    "bitwise_count": "(ints)", "bitwise_left_shift": "(ints, shifts)", "bitwise_right_shift": "(ints, shifts)",
    "left_shift": "(ints, shifts)", "right_shift": "(ints, shifts)", "gcd": "(ints, shifts)", "lcm": "(ints, shifts)",
    "invert": "(ints)", "bitwise_invert": "(ints)", "bitwise_not": "(ints)", "isnat": "", "ldexp": "(x, shifts[0])",
    "matmul": "(x, square); (cube, square); (v, v2)", "matvec": "(x, v)", "vecdot": "(x, x2)", "vecmat": "(v, square)",
    "logical_and": "(mask, mask)", "logical_or": "(mask, mask)", "logical_xor": "(mask, mask)",
}
CALLS = """
all (mask); (x, 0)
allclose (x, x2); (x, x)
amax (x); (x, 0); (x, axis=1, keepdims=True); (x, initial=0.5); (x, 0, where=mask, initial=0.1)
amin (x); (x, 0); (x, axis=1, keepdims=True); (x, initial=0.5); (x, 0, where=mask, initial=0.9)
angle (x); (-x, True)
any (mask); (x, 0)
append (x, x2); (x, x2, 0); (v, np.float32(1.5))
apply_along_axis (np.sum, 1, x); (np.cumsum, 0, x)
apply_over_axes (np.sum, cube, [0, 2])
argmax (x); (x, 1)
argmin (x); (x, 1)
argpartition (v, 2); (x, 1, axis=0)
argsort (x); (x, 0); (x, kind="stable")
argwhere (mask)
around (x); (x, 1)
round (x); (x, 1)
array2string (x)
array_equal (x, x2); (x, x)
array_equiv (x, x)
array_repr (x)
array_split (long, 3); (x, [1, 3], axis=1)
array_str (x)
astype (x, np.float64)
atleast_1d (s); (s, v); (x)
atleast_2d (s); (v, x)
atleast_3d (s); (v); (x); (cube)
average (x); (x, 1, weights=weights); (x, weights=x2); (x, 0, keepdims=True)
bincount (row); (row, weights=three); (row, minlength=5)
block ([x, x2]); ([[x, x2], [x2, x]]); ([v, s])
broadcast_arrays (x, v); (x, three.reshape(3, 1), s)
broadcast_to (v, (3, 4))
can_cast (np.float32, np.float64)
choose (row, [three, three2[0], three2[1]]); (row % 2, [three, 1.0])
clip (x, 0.3, 0.6); (x, min=0.3, max=0.6); (x, None, 0.5); (x, v, None); (x, x2 - 0.1, x2 + 0.1)
column_stack ([three, x]); ([v, v2])
common_type (x, x2)
compress ([True, False, True], x, axis=0); (mask.ravel(), x)
concat ([x, x2])
concatenate ([x, x2]); ([x, x2], 1); ([x, v], None); ([x, x2], dtype=np.float64)
convolve (v, long); (long, v, "same"); (long, three, mode="valid")
copy (x); (x, order="F")
corrcoef (x); (v, v2); (x, rowvar=False)
correlate (v, long); (long, v, "full"); (long, three, mode="same")
count_nonzero (mask); (mask, 0)
cov (x); (v, v2); (x, rowvar=False); (x, ddof=0); (x, bias=True); (x, aweights=weights)
cross (x[:, :3], three); (three, three2)
cumprod (x); (x, 0); (x, axis=1, dtype=np.float64)
cumsum (x); (x, 0); (x, axis=1, dtype=np.float64)
cumulative_prod (v); (x, axis=1); (x, axis=0, include_initial=True)
cumulative_sum (v); (x, axis=1); (x, axis=0, include_initial=True)
delete (x, 1); (x, [0, 2], 1); (x, slice(1, 3), axis=1); (x, 1, axis=0)
diag (v); (square); (v, 1); (x, -1)
diag_indices_from (square)
diagflat (v); (x, 1)
diagonal (x); (cube, 1, 1, 2); (x, offset=-1)
diff (x); (x, 2); (x, axis=0); (x, prepend=s); (v, append=v2)
digitize (x, grid)
dot (x, square); (v, v2); (x, v); (s, x); (cube, square); (cube, v)
dsplit (cube, 2)
dstack ([x, x2]); ([v, v2])
ediff1d (v); (v, s, s2); (x, to_begin=v2)
einsum ("ij,kj->ik", x, x2); ("ii", square); ("i,i", v, v2); (x, [0, 1], v, [1])
einsum_path ("ij,kj->ik", x, x2)
empty_like (x[:0]); (x, shape=(0, 2))
expand_dims (x, 1); (x, (0, -1))
extract (mask, x)
fix (x); (4 * x)
flatnonzero (mask)
flip (x); (x, 0); (x, (0, 1))
fliplr (x)
flipud (x)
full_like (x, 2.0)
geomspace (s, 2.0, 5); (v, v2 + 1, 4)
gradient (v); (x); (x, axis=0); (v, 0.5); (v, grid); (x, edge_order=2)
histogram (x); (long, bins=3)
histogram2d (v, v2, 3)
histogram_bin_edges (x)
histogramdd (x, 2)
hsplit (x, 2)
hstack ([x, x2]); ([v, long])
i0 (x); (3 * x)
imag (x)
in1d (ints, ints)
inner (x, x2); (v, v2); (cube, v); (s, x)
insert (x, 1, 0.5); (x, 1, v, axis=0); (v, [1, 3], v2[:2])
interp (x, grid, v); (s, grid, v); (x, grid, v, left=0.0, right=1.0)
intersect1d (ints, ints); (v, v)
iscomplex (x)
iscomplexobj (x)
isclose (x, x2); (x, x, rtol=1e-3)
isin (ints, [1, 2])
isneginf (x)
isposinf (x)
isreal (x)
isrealobj (x)
ix_ (row, shifts)
kron (v, v2); (x, square); (three2, v)
lexsort ((v, v2))
linspace (s, 2.0, 5); (0.0, s); (v, v2, 4); (s, s2, 5, endpoint=False); (v, v2, 4, axis=-1)
logspace (s, 2.0, 5); (v, v2, 4)
matrix_transpose (x); (cube)
max (x); (x, 0); (x, axis=1, keepdims=True); (x, initial=0.5); (x, 0, where=mask, initial=0.1)
may_share_memory (x, x2)
mean (x); (x, 0); (x, axis=(0, 1)); (x, 1, keepdims=True); (x, where=mask); (x, 0, np.float64)
median (x); (x, 0); (long, keepdims=True); (x, axis=(0, 1))
meshgrid (v, three); (v, three, indexing="ij"); (v, three, sparse=True); (v)
min (x); (x, 0); (x, axis=1, keepdims=True); (x, initial=0.5); (x, 0, where=mask, initial=0.9)
min_scalar_type (s)
moveaxis (cube, 0, -1); (cube, [0, 1], [1, 2])
nan_to_num (holes); (holes, nan=2.0); (x)
nanargmax (holes); (holes, 1)
nanargmin (holes); (holes, 1)
nancumprod (holes); (holes, 1)
nancumsum (holes); (holes, 0)
nanmax (holes); (holes, 0); (x, 1, keepdims=True)
nanmean (holes); (holes, 1); (holes, 0, keepdims=True)
nanmedian (holes); (holes, 1)
nanmin (holes); (holes, 0); (x, 1, keepdims=True)
nanpercentile (holes, 40); (holes, [20, 70], 1)
nanprod (holes); (holes, 1)
nanquantile (holes, 0.4); (holes, [0.2, 0.7], 1)
nanstd (holes); (holes, 1); (holes, 0, ddof=1)
nansum (holes); (holes, 0); (holes, 1, keepdims=True)
nanvar (holes); (holes, 1); (holes, 0, ddof=1)
ndim (x)
nonzero (mask); (x)
ones_like (x); (x, np.float32); (x, shape=(2,))
outer (v, v2); (x, v)
packbits (mask)
pad (x, 1); (x, ((1, 0), (0, 2)), "edge"); (x, 1, "reflect"); (x, 1, constant_values=2.0); (x, 2, mode="wrap");
  (x, 1, "mean")
partition (v, 2); (x, 1, 0)
percentile (x, 40); (x, [20, 70], 1); (x, 50, method="lower")
permute_dims (cube, (1, 0, 2)); (x)
piecewise (x, [mask, ~mask], [lambda t: t * t, lambda t: 2 * t]); (x, [mask], [1.0, 0.0])
poly !
polyadd (v, three); (three, 1.0)
polyder (v); (v, 2)
polydiv (long, three)
polyfit (grid, v, 2); (long, long * 2 + 1, 1)
polyint (v); (v, 2)
polymul (v, three)
polysub (v, three)
polyval (v, x); (three, s)
pow (x, x2); (x, 3)
prod (x); (x, 0); (x, axis=1, keepdims=True); (x, initial=2.0); (x, where=mask); (x, 0, np.float64)
promote_types (np.float32, np.float64)
ptp (x); (x, 0); (x, 1, keepdims=True)
quantile (x, 0.4); (x, [0.2, 0.7], 1); (x, 0.5, method="nearest"); (x, 0.3, 0, keepdims=True)
ravel (x); (x, "F"); (x, order="C")
ravel_multi_index ((row, row), (4, 5))
real (x)
real_if_close (x)
repeat (x, 2); (x, [1, 0, 2], axis=0); (x, 3, 1)
reshape (x, (4, 3)); (x, -1); (x, (2, 6), order="F")
resize (x, (2, 3)); (v, 7)
result_type (x, x2)
row_stack ([x, v])
roll (x, 1); (x, 1, 0); (x, (1, 2), axis=(0, 1))
rollaxis (cube, 2); (cube, 1, 3)
rot90 (x); (x, 2); (cube, axes=(1, 2))
searchsorted (grid, x); (grid, v, "right")
select ([mask, ~mask], [x, x2]); ([mask], [x], 0.5)
setdiff1d (ints, ints); (v, v2)
setxor1d (ints, ints); (v, v2)
shape (x)
shares_memory (x, x2)
sinc (x); (x - 0.5)
size (x)
sort (x); (x, 0); (x, None); (x, axis=-1, kind="stable")
sort_complex !
split (x, 2, 1); (long, [2, 5])
squeeze (x[None]); (x[:, None], 1)
stack ([x, x2]); ([x, x2], axis=-1)
std (x); (x, 0); (x, axis=1, ddof=1); (x, keepdims=True); (x, where=mask); (x, correction=1)
sum (x); (x, 0); (x, axis=(0, 1)); (x, 1, keepdims=True); (x, initial=2.0); (x, where=mask); (x, 0, np.float64)
swapaxes (cube, 0, 2)
take (x, [0, 2]); (x, row, 1); (x, 1, axis=0); (x, [5, -1], mode="wrap")
take_along_axis (x, along, 1); (x, along)
tensordot (x, square, 1); (cube, x, ((1, 2), (0, 1))); (v, v2, 0); (batch, batch[0])
tile (v, 2); (x, (2, 1, 3))
trace (square); (x, 1); (cube, 0, 1, 2)
transpose (x); (cube, (1, 0, 2))
trapezoid (x); (v, grid); (x, dx=0.5, axis=0); (v, x=grid)
tril (square); (x, 1)
tril_indices_from (square)
trim_zeros (np.array([0.0, 1.0, 2.0, 0.0]))
triu (square); (x, -1)
triu_indices_from (square)
union1d (ints, ints); (v, v2)
unique (x); (ints)
unique_all (ints); (v)
unique_counts (ints); (v)
unique_inverse (ints); (v)
unique_values (ints); (v)
unpackbits (np.array([3], np.uint8))
unravel_index (row, (2, 3))
unstack (x); (x, axis=1)
unwrap (4 * long); (8 * x, axis=0)
vander (v); (v, 3); (v, increasing=True)
var (x); (x, 0); (x, axis=1, ddof=1); (x, keepdims=True); (x, where=mask); (x, correction=1)
vdot (v, v2); (x, x2)
vsplit (square, 2)
vstack ([x, x2]); ([v, v2])
where (mask, x, x2); (mask, x, 0.5); (mask)
zeros_like (x); (x, np.float32); (x, shape=(2,))
linalg.cholesky (spd); (spds); (spd, upper=True)
linalg.cond (square); (square, 1); (square, "fro"); (batch, -2); (square, np.inf)
linalg.cross (x[:, :3], three); (three, three2)
linalg.det (square); (batch)
linalg.diagonal (square); (batch, offset=1)
linalg.eig !
linalg.eigvals (spd); (spds)
linalg.eigh (spd + spd.T); (spds + spds.transpose(0, 2, 1)); (spd, "U")
linalg.eigvalsh (spd); (spds, "U")
linalg.inv (square); (batch)
linalg.lstsq (square, v); (x.T, v); (x.T, square)
linalg.matmul (x, square)
linalg.matrix_norm (x); (batch, ord=1); (square, ord=2); (square, keepdims=True, ord="nuc")
linalg.matrix_power (square, 3); (batch, -2); (square, 0)
linalg.matrix_rank (square); (batch)
linalg.matrix_transpose (batch)
linalg.multi_dot ([x, square, v]); ([x, square, square])
linalg.norm (x); (v, 1); (v, 3); (x, "fro"); (x, 2); (x, 1); (x, np.inf); (x, "nuc");
  (x, axis=1); (batch, axis=(1, 2)); (v, -np.inf); (x, 1, 0, True)
linalg.outer (v, v2)
linalg.pinv (x); (square); (batch)
linalg.qr (square); (x.T); (batch); (square, "r")
linalg.slogdet (square); (batch)
linalg.solve (square, v); (square, x.T); (batch, three2[..., None])
linalg.svd (x); (square); (x, False); (x, compute_uv=False); (batch)
linalg.svdvals (x); (batch)
linalg.tensordot (x, square, axes=1)
linalg.tensorinv (four.reshape(4, 2, 2), 1)
linalg.tensorsolve (four.reshape(2, 2, 4)[..., :4].reshape(2, 2, 4), four[..., 0])
linalg.trace (square); (batch, offset=1)
linalg.vecdot (x, x2); (x, v)
linalg.vector_norm (x); (x, axis=1); (x, ord=1, axis=0); (v, ord=np.inf); (v, ord=3, keepdims=True)
"""
NAMES = """
bartlett base_repr binary_repr blackman bmat broadcast_shapes busday_count busday_offset datetime_as_string
datetime_data diag_indices empty eye format_float_positional format_float_scientific from_dlpack frombuffer fromfile
fromfunction fromiter frompyfunc fromregex fromstring genfromtxt get_include get_printoptions getbufsize geterr
geterrcall hamming hanning identity indices info is_busday isdtype isfortran isscalar issubdtype iterable kaiser
load loadtxt mask_indices mintypecode nested_iters ones printoptions set_printoptions setbufsize seterr seterrcall
show_config show_runtime test tri tril_indices triu_indices typename zeros can_cast promote_types save savetxt savez
savez_compressed arange asmatrix full in1d linalg.test
"""
NO_ARRAYS = frozenset(NAMES.split())
PLAIN = {"array", "asanyarray", "asarray", "asarray_chkfinite", "ascontiguousarray", "asfortranarray", "require"}
WRITES = {"copyto": "(x, x2)", "fill_diagonal": "(square, 1.0)", "place": "(x, mask, [1.0])", "put": "(x, [0], [1.0])",
          "put_along_axis": "(x, along, 1.0, 1)", "putmask": "(x, mask, 1.0)"}


def calls_of(name: str) -> list[tuple[Any, Any]] | None:
    """The calls of a name, as (args, kwargs); None where it is to be refused."""
    lines = dict(line.split(" ", 1) for line in CALLS.replace("\n ", "").strip().splitlines())
    f = function(name)
    if isinstance(f, np.ufunc) and name not in lines:
        text = UFUNCS.get(name, "(x)" if f.nin == 1 else "(x, x2)")
    else:
        text = lines.get(name, WRITES.get(name, "?"))
    if text in ("!", "?") or name in WRITES:
        return None
    return [eval(f"(lambda *a, **k: (a, k)){call.strip()}", globals()) for call in text.split(";") if call.strip()]


def function(name: str) -> Any:
    return getattr(np.linalg, name[7:]) if name.startswith("linalg.") else getattr(np, name)


def names() -> list[str]:
    """Every public function of numpy and numpy.linalg."""
    found = [n for n in dir(np) if not n.startswith("_") and callable(getattr(np, n))
             and not isinstance(getattr(np, n), type)]
    found += [f"linalg.{n}" for n in np.linalg.__all__ if callable(getattr(np.linalg, n))
              and not isinstance(getattr(np.linalg, n), type)]
    return sorted(set(found))


# --- one call, in every form ---


def leaves(z: Any) -> list[Any]:
    """The arrays, numbers and Tensors in nested results or arguments."""
    if isinstance(z, dict):
        z = list(z.values())
    if isinstance(z, list | tuple):
        return [leaf for part in z for leaf in leaves(part)]
    return [z]


def replaced(z: Any, new: Any) -> Any:
    if isinstance(z, dict):
        return {k: replaced(p, new) for k, p in z.items()}
    if isinstance(z, list | tuple):
        return type(z)([replaced(p, new) for p in z])
    return new(z)


def floating(z: Any) -> bool:
    return isinstance(z, np.ndarray) and z.dtype.kind == "f"


def plain(z: Any) -> Any:
    return z.data if isinstance(z, Tensor) else z


def tried(f: Any, args: Any, kwargs: Any) -> set[str]:
    """What became of a call: "gradient", "value"; anything wrong is raised."""
    want = f(*args, **kwargs)
    arrays = [z for z in leaves((args, kwargs)) if floating(z)]
    seen = set()
    forms = [("all", lambda z: floating(z))]
    forms += [(f"array {i} alone", lambda z, i=i: z is arrays[i]) for i in range(len(arrays)) if len(arrays) > 1]
    for what, chosen in forms:
        seen.add(one_form(f, args, kwargs, want, chosen, what))
    by_name = named(f, args, kwargs)
    if by_name is not None:
        one_form(f, (), by_name, want, lambda z: floating(z), "by name")
    integers = [z for z in leaves((args, kwargs)) if isinstance(z, np.ndarray) and not floating(z)]
    if integers:
        y = f(*replaced(args, lambda z: Tensor(z) if any(z is i for i in integers) else z),
              **replaced(kwargs, lambda z: Tensor(z) if any(z is i for i in integers) else z))
        compare(y, want, "integers as Tensors")
    constants = replaced((args, kwargs), lambda z: Tensor(z.copy()) if floating(z) else z)
    y = f(*constants[0], **constants[1])
    compare(y, want, "without gradients")
    assert not any(isinstance(z, Tensor) and z.requires_grad for z in leaves(y)), "constants gave a gradient"
    with tt.no_grad():
        z = replaced((args, kwargs), lambda z: Tensor(z.copy(), requires_grad=True) if floating(z) else z)
        y = f(*z[0], **z[1])
        compare(y, want, "under no_grad")
        assert not any(isinstance(z, Tensor) and z.requires_grad for z in leaves(y)), "no_grad recorded"
    single = replaced((args, kwargs), lambda z: z.astype(np.float32) if floating(z) else z)
    want32 = f(*single[0], **single[1])
    z = replaced(single, lambda z: Tensor(z, requires_grad=True) if floating(z) else z)
    y = f(*z[0], **z[1])
    compare(y, want32, "float32", rtol=1e-4)
    return seen


def named(f: Any, args: Any, kwargs: Any) -> Any:
    """The arguments by NumPy's names, where it allows that."""
    try:
        signature = inspect.signature(f)
    except (TypeError, ValueError):
        return None
    if any(p.kind in (p.POSITIONAL_ONLY, p.VAR_POSITIONAL) for p in signature.parameters.values()):
        return None
    by_name = dict(signature.bind(*args, **kwargs).arguments)
    for p in signature.parameters.values():
        if p.kind is p.VAR_KEYWORD:
            by_name |= by_name.pop(p.name, {})
    try:
        f(**by_name)
    except TypeError:  # NumPy itself takes it by position alone
        return None
    return by_name


def compare(y: Any, want: Any, what: str, rtol: float = 1e-9) -> None:
    ours, theirs = leaves(y), leaves(want)
    assert len(ours) == len(theirs), f"{what}: {len(ours)} results; expected {len(theirs)}"
    assert type(y) is type(want) or isinstance(y, Tensor), f"{what}: {type(y).__name__}; expected {type(want).__name__}"
    for a, b in zip(ours, theirs, strict=True):
        a = plain(a)
        if isinstance(b, np.ndarray | np.generic | float):
            assert np.shape(a) == np.shape(b), f"{what}: shape {np.shape(a)}; expected {np.shape(b)}"
            dtypes = np.asarray(a).dtype, np.asarray(b).dtype
            kept = what == "float32" and dtypes == (np.float32, np.float64)  # Python's numbers do not widen it
            assert kept or dtypes[0] == dtypes[1], f"{what}: dtype {dtypes[0]}; expected {dtypes[1]}"
            np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol, err_msg=what)
        else:
            assert a == b, f"{what}: {a!r}; expected {b!r}"


def one_form(f: Any, args: Any, kwargs: Any, want: Any, chosen: Any, what: str) -> str:
    """A call with the chosen arrays as leaves; the gradient against differences along one direction."""
    found: dict[int, Tensor] = {}

    def leaf(z: Any) -> Any:
        if not chosen(z):
            return z
        return found.setdefault(id(z), Tensor(z.copy(), requires_grad=True))

    new_args, new_kwargs = replaced(args, leaf), replaced(kwargs, leaf)
    y = f(*new_args, **new_kwargs)
    compare(y, want, what)
    if not found:
        return "value"
    outputs = [z for z in leaves(y) if isinstance(z, Tensor)]
    numeric = [z for z in leaves(want) if isinstance(z, np.ndarray | np.generic) and z.dtype.kind == "f"]
    directions = {k: direction(t.data) * (t.data != 0) for k, t in found.items()}

    def moved(h: float) -> list[Any]:
        def shifted(z: Any) -> Any:
            return z + h * directions[id(z)] if id(z) in found and chosen(z) else z

        return [np.asarray(z) for z in leaves(f(*replaced(args, shifted), **replaced(kwargs, shifted)))]

    h = 1e-6
    up, down = moved(h), moved(-h)
    recorded = [t for t in outputs if t.requires_grad]
    if not recorded:
        for a, b, z in zip(up, down, leaves(want), strict=True):
            if isinstance(z, np.ndarray | np.generic) and z.dtype.kind == "f":
                assert np.allclose(a, b, rtol=0, atol=1e-9, equal_nan=True), f"{what}: the gradient is lost"
        return "value"
    assert numeric, f"{what}: no floating output, but a gradient"
    total, seen = None, 0.0
    for t, a, b in zip(leaves(y), up, down, strict=True):
        if not isinstance(t, Tensor) or t.dtype.kind != "f":
            continue
        w = np.random.default_rng(2).uniform(0.5, 1.5, t.shape)
        keep = np.isfinite(t.data)
        seen += float(np.sum((w * np.where(keep, a - b, 0)) / (2 * h)))
        if t.requires_grad:
            part = tt.sum(tt.where(keep, t, 0) * w)
            total = part if total is None else total + part
    gradients = tt.grad(total, list(found.values()), allow_unused=True)
    along = [np.where(np.isnan(g.data), 0, g.data) * d for g, d in zip(gradients, directions.values(), strict=True)]
    got, size = sum(float(np.sum(a)) for a in along), sum(float(np.sum(np.abs(a))) for a in along)
    assert abs(got - seen) <= 1e-5 * (1 + size), f"{what}: the gradient gives {got:.8g}; expected {seen:.8g}"
    return "gradient"


def direction(z: Any) -> Any:
    """In which an array is moved: one of symmetric matrices stays symmetric, for NumPy reads a triangle of these."""
    d = np.random.default_rng(1).uniform(-1, 1, z.shape)
    return d + d.mT if z.ndim > 1 and z.shape[-1] == z.shape[-2] and np.array_equal(z, z.mT) else d


# --- the table ---

KINDS = ("gradient", "no derivative", "refused", "takes no Tensor", "anything else")


def judged(name: str) -> tuple[str, str]:
    """The kind of a name, and what was wrong."""
    if name in NO_ARRAYS:
        return "takes no Tensor", ""
    f = function(name)
    try:
        calls = calls_of(name)
        if name in PLAIN:
            calls, args = None, ([x],)
        if calls is None:
            return refusal(name, f)
        if not calls:
            return "takes no Tensor", ""
        seen: set[str] = set()
        for i, (args, kwargs) in enumerate(calls):
            try:
                seen |= tried(f, args, kwargs)
            except Exception as error:
                return "anything else", f"call {i}: {type(error).__name__}: {str(error).strip()[:200]}"
    except Exception as error:
        return "anything else", f"{type(error).__name__}: {str(error)[:200]}"
    return ("gradient" if "gradient" in seen else "no derivative"), ""


def refusal(name: str, f: Any) -> tuple[str, str]:
    """A name that no Tensor can be given to says so in one sentence, by its full name."""
    text = WRITES.get(name, "(square)")
    args, kwargs = eval(f"(lambda *a, **k: (a, k)){text}", globals())
    new = replaced(args, lambda z: Tensor(z.copy(), requires_grad=True) if floating(z) else z)
    try:
        f(*new, **kwargs)
    except (TypeError, ValueError) as error:
        right = any(text in str(error) for text in (f"np.{name} does not take a Tensor", f"np.{name}: got a Tensor",
                                                    "takes plain arrays only"))
        return ("refused", "") if right else ("anything else", f"{type(error).__name__}: {str(error)[:200]}")
    except Exception as error:
        return "anything else", f"{type(error).__name__}: {str(error)[:200]}"
    return "anything else", "neither listed here, nor refused"


def main(arguments: list[str]) -> int:
    """Print the table; exit status 1 if something is neither right nor refused by name."""
    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
    kinds: dict[str, list[str]] = {kind: [] for kind in KINDS}
    for name in arguments or names():
        kind, why = judged(name)
        kinds[kind].append(name)
        if why:
            print(f"  np.{name}: {why}")
    for kind, found in kinds.items():
        print(f"{kind} ({len(found)}): {' '.join(found)}\n")
    linalg = sum(name.startswith("linalg.") for name in kinds["gradient"])
    print(f"with a gradient: {len(kinds['gradient']) - linalg} of numpy, {linalg} of numpy.linalg")
    return bool(kinds["anything else"])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
