"""`Generator` is PyTorch's random stream on the CPU, in NumPy: the same seed gives the same numbers.

It makes no Tensors, initialises no layers, knows no devices and is not for cryptography. Integers, bools and float32s
equal those of torch 2 on x86-64 with AVX2 bit for bit (elsewhere torch itself differs by 2e-6), float64s to
rounding. The float32 logarithm, sine and cosine use the polynomials of Cephes (Stephen L. Moshier) as arranged in
avx_mathfun (Julien Pommier, Giovanni Garberoglio; zlib licence), written anew for NumPy.
"""
import functools
import itertools
import math
import operator
from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from .advice import a_type
from .names.calls import explained

__all__ = ["Generator", "as_generator", "default_generator", "manual_seed"]
Array = npt.NDArray[Any]
T = TypeVar("T")
F16, F32, F64 = np.dtype(np.float16), np.dtype(np.float32), np.dtype(np.float64)
DIALECTS = ("exponential", "cumulative", "mkl")

# --- float32 functions ---
def _fma(a: Array, b: Any, c: Any) -> Array:
    """a * b + c of float32s, rounded once, like the processor's fused instruction."""
    # subtle: the product is exact in float64; rounding the sum there and here again shows once in 2**29
    return np.asarray(np.multiply(a, b, dtype=F64) + c, dtype=F32)


def _polynomial(x: Array, first: float, *rest: float) -> Array:
    return functools.reduce(lambda y, c: _fma(y, x, np.float32(c)), rest, np.full_like(x, first))


def _log(x: Array) -> Array:
    """Natural logarithm of normal positive float32s."""
    m, e = np.frexp(x)  # x = m * 2**e with 0.5 <= m < 1
    low = m < math.sqrt(0.5)
    x, e = np.where(low, m + m, m) - 1, (e - low).astype(F32)
    z = x * x
    p = _polynomial(x, 7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1,
                    -1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1)
    y = _fma(p * x, z, e * np.float32(-2.12194440e-4)) - z * 0.5
    return _fma(e, np.float32(0.693359375), x + y)  # ln 2 in two parts: the product of this one is exact


def _cos_sin(x: Array) -> tuple[Array, Array]:
    """Cosine and sine of float32 angles in [0, 2 pi]."""
    octant = ((x * (4 / math.pi)).astype(np.int32) + 1) & ~1  # the even one nearby
    for part in (-0.78515625, -2.4187564849853515625e-4, -3.77489497744594108e-8):  # -pi / 4 in three
        x = _fma(octant.astype(F32), np.float32(part), x)
    z = x * x
    p = _polynomial(z, 2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2)
    q = _polynomial(z, -1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1)
    cos, sin = _fma(p * z, z, z * -0.5) + 1, _fma(q * z, x, x)
    cos, sin = np.where(octant & 2, sin, cos), np.where(octant & 2, cos, sin)
    return np.where((octant + 2) & 4, -cos, cos), np.where(octant & 4, -sin, sin)


def _box_muller(u: Array) -> Array:
    """Standard normals of uniforms (n,), n % 16 == 0: in every 16 the first 8 give radii, the others angles."""
    u = u.reshape(-1, 2, 8)
    log, cos_sin = (_log, _cos_sin) if u.dtype == F32 else (np.log, lambda t: (np.cos(t), np.sin(t)))
    r = np.sqrt(-2 * log(1 - u[:, 0]))
    cos, sin = cos_sin(2 * math.pi * u[:, 1])
    return np.stack([r * cos, r * sin], axis=1).ravel()


# --- arguments ---
def _int(method: str, name: str, value: Any) -> int:
    try:
        if not isinstance(value, bool):
            return operator.index(value)
    except TypeError:  # subtle: every array has __index__, and only one of a single integer answers
        pass
    got = f"{name} of shape {value.shape}" if getattr(value, "shape", ()) else f"{name} {value!r}"
    raise TypeError(f"{method}: got {got}; expected an integer; convert it first")


def _number(method: str, name: str, value: Any) -> None:
    if not isinstance(value, int | float) and (getattr(value, "shape", None) != () or value.dtype.kind not in "fiub"):
        got = f"{name} of shape {value.shape}" if getattr(value, "shape", ()) else f"{name} {value!r}"
        raise TypeError(f"{method}: got {got}; expected a number; pass a float")


def _new(method: str, shape: tuple[Any, ...], dtype: npt.DTypeLike) -> Array:
    """An array to be filled."""
    sizes = _shape(method, *shape)
    try:
        return _floats(method, np.empty(sizes, dtype))
    except TypeError as error:
        if str(error).startswith(method):
            raise
        raise TypeError(f"{method}: got dtype={dtype!r}; expected float32 or float64; leave it out, or write "
                        f"np.float32") from None


def _shape(method: str, *sizes: Any) -> tuple[int, ...]:
    """The shape that is written as 5, as 2, 3 or as (2, 3)."""
    if len(sizes) == 1 and isinstance(sizes[0], (tuple, list)):
        sizes = tuple(sizes[0])
    shape = tuple([_int(method, "size", size) for size in sizes])
    if shape and min(shape) < 0:
        raise ValueError(f"{method}: got shape {shape}; expected sizes of 0 or more; only reshape takes -1")
    return shape


def _floats(method: str, x: Any, write: bool = False) -> Array:
    """An array x, or the data of a Tensor; a list becomes a float32 array, unless x is to be written."""
    a = x if isinstance(x, np.ndarray) else getattr(x, "data", None)  # subtle: an ndarray's own .data is a memoryview
    if write and not (isinstance(a, np.ndarray) and a.flags.writeable):
        raise TypeError(f"{method}: got {a_type(x)}; expected an array or Tensor that can be written to; pass "
                        f"one, or a copy")
    a = a if isinstance(a, np.ndarray) else np.asarray(x, dtype=F32)
    if a.dtype not in (F32, F64) and (a.dtype != F16 or method == "multinomial"):
        raise TypeError(f"{method}: got dtype {a.dtype}; expected float32 or float64; draw one of them, then use "
                        f".astype")
    return a


def _store(a: Array, values: Array) -> None:
    """Write values (n,) into a in memory order, whatever the order of its axes."""
    if not a.flags.c_contiguous:
        a = a.transpose(sorted(range(a.ndim), key=lambda axis: -abs(a.strides[axis])))
    a[...] = values.reshape(a.shape)


# --- the generator ---
class Generator:
    """A stream of random words (the Mersenne Twister of Matsumoto and Nishimura 1998) and of draws made from them.

    Shapes are written `rand(2, 3)` or `rand((2, 3))`. Names ending in `_` fill an ndarray or Tensor and return it.
    A wrong type of argument raises a TypeError, a wrong value a ValueError, both before anything is drawn.
    A copy or pickle continues from the same position of the stream, on its own. The default seed is torch's.

    >>> rng = Generator(42)
    >>> rng
    Generator(seed=42)
    >>> rng.rand(2).round(4), rng.randint(0, 27, (5,))
    (array([0.8823, 0.915 ], dtype=float32), array([ 7, 22,  9,  2,  7]))
    >>> rng.normal_(np.empty(2), mean=5, std=0.1).round(4), rng.multinomial([0.6, 0.3, 0.1], 6, replacement=True)
    (array([4.9785, 5.0299]), array([1, 0, 0, 0, 0, 0]))
    """

    @explained
    def __init__(self, seed: int = 67280421310721) -> None:
        self._bits = np.random.MT19937(0)
        self.manual_seed(seed)

    def __repr__(self) -> str:
        start = Generator(self._seed).get_state()
        moved = any(not np.array_equal(a, start[name], equal_nan=True) for name, a in self.get_state().items())
        return f"Generator(seed={self._seed}{', after draws' if moved else ''})"

    def manual_seed(self, seed: int) -> "Generator":
        """Go to the start of a seed's stream and return the generator; only the low 32 bits of a seed count."""
        seed = _int("manual_seed", "seed", seed) % 2**64
        self._seed, self._spare = seed, math.nan  # the spare is half a pair of normals, nan for none
        np.random.RandomState(self._bits).seed(seed % 2**32)  # seeds the words in place
        return self

    def initial_seed(self) -> int:
        """The seed of the stream, modulo 2**64."""
        return self._seed

    # --- uniforms ---
    def _wide(self, n: int) -> Array:
        """64-bit words, each of two words, the high half first."""
        words = self._bits.random_raw(2 * n)
        return words[0::2] << np.uint64(32) | words[1::2]

    def _unit(self, n: int, dtype: np.dtype[Any] = F64) -> Array:
        """Uniform in [0, 1): the low 24 bits of a word as float32, the low 53 of a wide one as float64."""
        if dtype != F64:  # float16s are drawn as float32s and rounded when stored
            return (self._bits.random_raw(n) & np.uint64(2**24 - 1)).astype(F32) * np.float32(2**-24)
        return (self._wide(n) & np.uint64(2**53 - 1)) * 2.0**-53

    def rand(self, *shape: Any, dtype: npt.DTypeLike = F32) -> Array:
        """Uniform numbers in [0, 1)."""
        x = _new("rand", shape, dtype)
        return self.uniform_(x) if x.dtype == F16 else self._unit(x.size, x.dtype).reshape(x.shape)

    def uniform_(self, x: T, a: float = 0.0, b: float = 1.0) -> T:
        """Fill x with uniform numbers in [a, b)."""
        array = _floats("uniform_", x, write=True)
        _number("uniform_", "a", a)
        _number("uniform_", "b", b)
        if not -math.inf < a <= b < math.inf:
            raise ValueError(f"uniform_: got bounds {a} and {b}; expected finite numbers, a <= b; pass the lower one "
                             f"first")
        u = self._unit(array.size, array.dtype)
        lo, hi = u.dtype.type(a), u.dtype.type(b)
        u = (_fma(u, hi - lo, lo) if u.dtype == F32 else u * (hi - lo) + lo).astype(array.dtype, copy=False)
        _store(array, np.where(u == array.dtype.type(b), lo, u))  # rounding may reach b, which is outside
        return x

    # --- normals and exponentials ---
    def _pairs(self, n: int) -> Array:
        """Standard normals in float64, in pairs: first the spare one of the last pair."""
        spare = [] if math.isnan(self._spare) else [self._spare]
        u = self._unit((n - len(spare) + 1) // 2 * 2)
        r, t = np.sqrt(-2 * np.log1p(-u[1::2])), 2 * math.pi * u[0::2]
        z = np.concatenate([spare, np.stack([r * np.cos(t), r * np.sin(t)], axis=1).ravel()])
        self._spare = float(z[n]) if len(z) > n else math.nan
        return z[:n]

    def randn(self, *shape: Any, dtype: npt.DTypeLike = F32) -> Array:
        """Standard normal numbers, drawn as by normal_."""
        return self.normal_(_new("randn", shape, dtype))

    def normal_(self, x: T, mean: float = 0.0, std: float = 1.0) -> T:
        """Fill x with normal numbers (Box and Muller 1958): fewer than 16, or a strided x, by pairs in memory order."""
        array = _floats("normal_", x, write=True)
        _number("normal_", "mean", mean)
        _number("normal_", "std", std)
        if not std >= 0:
            raise ValueError(f"normal_: got std {std}; expected 0 or more; pass a standard deviation")
        n, dtype = array.size, array.dtype
        if n < 16 or not array.flags.c_contiguous:
            z = self._pairs(n) * std + mean
        else:
            z = _box_muller(self._unit(n - n % 16 if dtype == F16 else n, dtype)[: n - n % 16])
            if n % 16:  # the last 16 are drawn again, as in torch
                z = np.concatenate([z[: n - 16], _box_muller(self._unit(16, dtype))])
            z = _fma(z, np.float32(std), np.float32(mean)) if dtype != F64 else z * std + mean
        _store(array, z)
        return x

    def exponential_(self, x: T, lambd: float = 1.0) -> T:
        """Fill x with exponential numbers of the rate lambd, whose mean is 1 / lambd."""
        array = _floats("exponential_", x, write=True)
        if not lambd > 0:
            raise ValueError(f"exponential_: got lambd {lambd}; expected a rate above 0; pass 1 / mean")
        _store(array, -1 / lambd * np.log1p(-self._unit(array.size)))
        return x

    def log_normal_(self, x: T, mean: float = 1.0, std: float = 2.0) -> T:
        """Fill x with numbers whose logarithm is normal."""
        array = _floats("log_normal_", x, write=True)
        if not std > 0:
            raise ValueError(f"log_normal_: got std {std}; expected more than 0; pass the logarithm's")
        with np.errstate(over="ignore"):
            _store(array, np.exp(self._pairs(array.size) * std + mean).astype(array.dtype))
        return x

    def cauchy_(self, x: T, median: float = 0.0, sigma: float = 1.0) -> T:
        """Fill x with numbers of Cauchy's distribution."""
        array = _floats("cauchy_", x, write=True)
        if not sigma > 0:
            raise ValueError(f"cauchy_: got sigma {sigma}; expected more than 0; pass the half-width at half-maximum")
        with np.errstate(over="ignore"):
            _store(array, (median + sigma * np.tan(math.pi * (self._unit(array.size) - 0.5))).astype(array.dtype))
        return x

    # --- integers and choices ---
    def geometric_(self, x: Array, p: float) -> Array:
        """Fill an array with the number of trials with probability p up to the first success."""
        if not 0 < p < 1:
            raise ValueError(f"geometric_: got p {p}; expected 0 < p < 1; pass a probability")
        _store(x, np.ceil(np.log(self._unit(x.size)) / math.log1p(-p)))
        return x

    def random_(self, x: Array, low: int = 0, high: int | None = None) -> Array:
        """Fill an array of any dtype with integers from low to high - 1, by default with all that it holds exactly.

        With neither bound integers start at 0.
        """
        kind = x.dtype.kind
        most = 2 ** (np.finfo(x.dtype).nmant + 1) if kind == "f" else 1 if kind == "b" else int(np.iinfo(x.dtype).max)
        least = 0 if kind in "bu" else -most - 1
        whole, high = high is None and low == 0, most + 1 if high is None else high
        if low >= high:
            raise ValueError(f"random_: got from {low} to {high}; expected 'from' to be less than 'to'; swap them")
        if kind != "f" and not least <= low < high <= most + 1:
            raise ValueError(f"random_: got from {low} to {high} - 1, out of bounds for {x.dtype}; expected {least} to "
                             f"{most}; pass an array of another dtype")
        words = self._wide(x.size) if (x.itemsize == 8 if whole else high - low >= 2**28) else (
            self._bits.random_raw(x.size))
        values = words if high - low == 2**64 else words % np.uint64(high - low)
        _store(x, values.view(np.int64) + low)
        return x

    def randint(self, low: int, high: int | None = None, size: Any = ()) -> Array:
        """Integers (int64) from low to high - 1, or from 0 to low - 1 without high."""
        low, high = (0, low) if high is None else (low, high)
        low, high = _int("randint", "low", low), _int("randint", "high", high)
        if not -(2**63) <= low < high <= 2**63:
            raise ValueError(f"randint: got low {low}, high {high}; expected low < high in int64; high is never drawn")
        shape = _shape("randint", size)
        draw = self._bits.random_raw if high - low < 2**28 else self._wide
        words = draw(math.prod(shape)) % np.uint64(high - low)
        return (words.view(np.int64) + low).reshape(shape)

    def random63(self) -> int:
        """One integer in [0, 2**63), as from torch's `random_()` on int64: how a DataLoader draws its seeds."""
        return int(self._wide(1)[0]) % 2**63

    def randperm(self, n: int) -> Array:
        """A permutation of 0 ... n - 1, (n,) int64 (Fisher and Yates)."""
        n = _shape("randperm", _int("randperm", "n", n))[0]
        steps = self._bits.random_raw(max(n - 1, 0)) % np.arange(n, 1, -1, dtype=np.uint64)
        p = list(range(n))
        for i, step in enumerate(steps.tolist()):
            p[i], p[i + step] = p[i + step], p[i]
        return np.array(p, dtype=np.int64)

    def bernoulli(self, p: Any, shape: Any = None) -> Array:
        """True with probability p: for a number p an array of the shape, for an array p one draw for each element."""
        single = isinstance(p, (int, float, np.number))
        p = p if single else _floats("bernoulli", p)
        if not np.all((p >= 0) & (p <= 1)):
            raise ValueError(f"bernoulli: got p from {np.min(p)} to {np.max(p)}; expected 0 to 1; pass probabilities")
        if not single and shape is not None:
            raise ValueError(f"bernoulli: got shape {shape} and p of shape {p.shape}; expected only one; leave out "
                             f"shape")
        sizes = _shape("bernoulli", () if shape is None else shape) if single else p.shape
        return np.less(self._unit(math.prod(sizes), F64 if single else p.dtype), np.ravel(p)).reshape(sizes)

    def multinomial(self, p: Any, num_samples: int = 1, replacement: bool = False, dialect: str = DIALECTS[0]) -> Array:
        """Indices (int64) drawn in proportion to the weights p, (C,) -> (num_samples,) or (B, C) -> (B, num_samples).

        torch has had three algorithms, the dialects: 'exponential' (today's: the largest p / q, q exponential),
        'cumulative' (in the first lectures, and for several with replacement: the inverse of the running sum) and 'mkl'
        (in some torch 2: another q).
        """
        p, n = _floats("multinomial", p), _int("multinomial", "num_samples", num_samples)
        if dialect not in DIALECTS:
            raise ValueError(f"multinomial: got dialect {dialect!r}; expected one of {DIALECTS}; 'exponential' is "
                             f"today's")
        if p.ndim not in (1, 2) or not p.size or n < 1:
            raise ValueError(f"multinomial: got p of shape {p.shape} and {n} samples; expected (C,) or (B, C), and 1 "
                             f"or more; reshape p")
        sums = np.add.reduce(p, axis=-1)
        least, most = (sums, sums) if p.ndim == 1 else (sums.min(), sums.max())
        if not (np.minimum.reduce(p, axis=None) >= 0 and least > 0 and most < math.inf):
            raise ValueError("multinomial: got a weight that is negative, nan or infinite, or a row of zeros; expected "
                             "weights of 0 or more, their sum above 0 and finite; pass probabilities, such as softmax "
                             "makes of logits")
        cumulative = dialect == "cumulative" or (replacement and n > 1)
        if n > 1 and not replacement and n > (most := 1 if cumulative else np.count_nonzero(p, axis=-1).min()):
            raise ValueError(f"multinomial: got {n} samples without replacement; expected at most {most}; pass "
                             f"replacement=True")
        if cumulative:
            cdf = np.cumsum(p, axis=-1, dtype=p.dtype).reshape(-1, p.shape[-1])
            u = self._unit(len(cdf) * n).reshape(-1, n)
            rows = [np.searchsorted(c[:-1] / c[-1], draws) for c, draws in zip(cdf, u, strict=True)]
            return np.stack(rows).reshape(*p.shape[:-1], n)
        q = np.empty_like(p)  # subtle: keeps p's order of memory, and with it torch's order of draws
        q = p / (self._mcg31_(q) if dialect == "mkl" else self.exponential_(q))
        return q.argmax(axis=-1, keepdims=True) if n == 1 else np.argsort(-q, axis=-1, kind="stable")[..., :n]

    def _mcg31_(self, q: Array) -> Array:
        """Fill q with exponentials of MKL's multiplicative congruential generator, seeded with one word."""
        seed, m = int(self._bits.random_raw(1)[0]), 2**31 - 1
        xs = itertools.accumulate(range(q.size - 1), lambda x, _: x * 1132489760 % m, initial=seed % m or 1)
        q[...] = -np.log(np.fromiter(xs, F64, q.size) / m).reshape(q.shape)
        return q

    # --- state ---
    def get_state(self) -> dict[str, Array]:
        """The position in the stream as plain arrays, for `np.savez`."""
        state: Any = {**self._bits.state["state"], "seed": np.uint64(self._seed), "spare": self._spare}
        return {name: np.array(value) for name, value in state.items()}

    def set_state(self, state: Mapping[str, Array]) -> "Generator":
        """Go to a position that get_state returned, and return the generator itself."""
        arrays: Any = {name: np.asarray(a) for name, a in dict(state).items()} if isinstance(state, Mapping) else {}
        got, wanted = ({k: f"{a.dtype}{list(a.shape)}" for k, a in s.items()} for s in (arrays, self.get_state()))
        if got != wanted or not 0 <= arrays["pos"] <= 624:
            raise ValueError(f"set_state: got {got}; expected {wanted}, pos 0 to 624; pass what get_state returned")
        place: Any = {"bit_generator": "MT19937", "state": {"key": arrays["key"], "pos": int(arrays["pos"])}}
        self._bits.state, self._seed, self._spare = place, int(arrays["seed"]), float(arrays["spare"])
        return self


# --- the default generator ---
@functools.cache
def default_generator() -> Generator:
    """The generator that is used where none is passed; created on first use, for `numpy.random` loads slowly."""
    return Generator()


def manual_seed(seed: int) -> Generator:
    """Seed the default generator, and return it."""
    return default_generator().manual_seed(seed)


def as_generator(rng: Generator | int | None = None) -> Generator:
    """The generator that an argument `rng=` means: itself, a new one for a seed, or the default one for None."""
    rng = default_generator() if rng is None else seeded(rng)
    if not isinstance(rng, Generator):
        raise TypeError(f"rng: got {a_type(rng)}; expected a Generator, an integer seed or None; write "
                        f"tt.Generator(seed)")
    return rng


def seeded(rng: Any) -> Any:
    """An integer seed as a new generator, and anything else as it is: for what keeps its `rng` and draws later."""
    # subtle: not by hasattr, which a generator that a compiler records would take for a draw
    return Generator(int(rng)) if isinstance(rng, int | np.integer) and not isinstance(rng, bool) else rng


def __dir__() -> list[str]:
    return __all__
