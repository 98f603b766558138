"""Random numbers by PyTorch's streams: generators, seeds, and tensors drawn from them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from operator import index
from typing import Any

import numpy as np

from ..advice import a_type
from ..core import TracerBase
from ..random import Generator as Stream
from ..random import default_generator as default_stream
from .creation import made
from .dtypes import CPU, default, numpy_dtype, of, on_cpu, shape_of
from .offer import offer
from .tensor import Tensor, as_node, of_array


class Generator:
    """A stream of random numbers, the one that PyTorch has on the cpu.

    Examples
    --------
    >>> import tinytensor.torch as torch
    >>> g = torch.Generator().manual_seed(2147483647)
    >>> torch.rand(3, generator=g)
    tensor([0.7081, 0.3542, 0.1054])
    """

    device = CPU

    def __init__(self, device: Any = "cpu") -> None:
        on_cpu(device)
        self.stream = Stream()

    def __repr__(self) -> str:
        return f"<torch._C.Generator object at {id(self):#x}>"

    def manual_seed(self, seed: int) -> Generator:
        """Go to the start of a seed's stream."""
        self.stream.manual_seed(seed)
        return self

    def seed(self) -> int:
        """Go to the start of a stream of a new seed, and give the seed."""
        self.stream.manual_seed(seed := time.time_ns() % 2**63)
        return seed

    def initial_seed(self) -> int:
        """The seed of the stream."""
        return self.stream.initial_seed()

    def get_state(self) -> Tensor:
        """The state of the stream, as a tensor of bytes, which `set_state` takes."""
        return of_array(packed(self.stream))

    def set_state(self, new_state: Tensor) -> Generator:
        """Restore a state that `get_state` returned."""
        unpack(self.stream, new_state.node.data)
        return self

    def clone_state(self) -> Generator:
        """Another generator in the same state."""
        other = Generator()
        other.set_state(self.get_state())
        return other


STATE = np.dtype({"names": ["seed", "left", "seeded", "next", "words", "spare", "has_spare"],
                  "formats": ["u8", "i4", "i4", "u8", ("u8", 624), "f8", "i4"],
                  "offsets": [0, 8, 12, 16, 24, 5024, 5040], "itemsize": 5056})  # PyTorch's


def packed(stream: Stream) -> Any:
    """The state of a stream as the bytes that PyTorch has for it."""
    state, fresh = stream.get_state(), Stream(stream.initial_seed()).get_state()
    start = state["pos"] == 624 and np.array_equal(state["key"], fresh["key"])  # no block of words was made yet
    s = np.zeros((), STATE)
    s["seed"], s["seeded"], s["words"], s["next"] = state["seed"], 1, state["key"], 0 if start else state["pos"]
    s["left"] = 625 - state["pos"]
    if not np.isnan(state["spare"]):
        s["spare"], s["has_spare"] = state["spare"], 1
    return np.frombuffer(s.tobytes(), np.uint8).copy()


def unpack(stream: Stream, data: Any) -> None:
    """Put a stream where the bytes say."""
    if not isinstance(data, np.ndarray) or data.dtype != np.uint8 or data.shape != (STATE.itemsize,):
        raise RuntimeError(f"set_state: got {getattr(data, 'dtype', type(data).__name__)} of shape "
                           f"{[*getattr(data, 'shape', ())]}; expected {STATE.itemsize} bytes; pass get_state()")
    s = np.frombuffer(data.tobytes(), STATE)[0]
    place = int(s["next"]) if s["left"] != 1 else 624
    if place + int(s["left"]) != 625 or s["seeded"] != 1 or s["words"].max() >= 2**32:
        raise RuntimeError("set_state: got bytes that are no state of a generator; expected get_state()'s; pass those")
    old = stream.get_state()
    values = {"key": s["words"], "pos": place, "seed": s["seed"], "spare": s["spare"] if s["has_spare"] else np.nan}
    stream.set_state({name: np.asarray(values[name]).astype(a.dtype).reshape(a.shape) for name, a in old.items()})


class Default(Generator):
    """What is drawn from without a generator; made on first use, for `numpy.random` loads slowly."""

    def __init__(self) -> None: ...

    @property
    def stream(self) -> Stream:  # type: ignore[override]
        return default_stream()


default_generator = Default()


def stream_of(generator: Any) -> Stream:
    """The stream that a `generator=` means; None means that of `manual_seed`."""
    if generator is None:
        return default_generator.stream
    if not isinstance(generator, Generator):
        raise TypeError(f"generator: got {a_type(generator)}; expected a torch.Generator, or None; write "
                        f"torch.Generator().manual_seed(seed)")
    return generator.stream


@offer()
def manual_seed(seed: int) -> Generator:
    """Seed the default generator."""
    return default_generator.manual_seed(seed)


@offer()
def seed() -> int:
    """Seed the default generator from the time, and return the seed."""
    return default_generator.seed()


@offer()
def initial_seed() -> int:
    """The seed of the default generator."""
    return default_generator.initial_seed()


@offer()
def get_rng_state() -> Tensor:
    """The state of the default generator."""
    return default_generator.get_state()


@offer()
def set_rng_state(new_state: Tensor) -> None:
    """Restore a state that `get_rng_state` returned."""
    default_generator.set_state(new_state)


@contextmanager
def fork_rng(devices: Sequence[Any] = (), enabled: bool = True) -> Iterator[None]:
    """Draw inside of the block as you like: afterwards the stream goes on where it was."""
    kept = default_generator.get_state()
    try:
        yield
    finally:
        if enabled:
            default_generator.set_state(kept)


# --- tensors of random numbers ---

INT64 = np.dtype(np.int64)


@contextmanager
def as_pytorch() -> Iterator[None]:
    """Raise what PyTorch raises where a stream refuses its arguments."""
    try:
        yield
    except ValueError as error:
        raise RuntimeError(str(error)) from None
    except TypeError as error:
        raise (NotImplementedError if "dtype" in str(error) else TypeError)(str(error)) from None


@offer()
def rand(*shape: Any, size: Any = (), generator: Any = None, dtype: Any = None, device: Any = None,
         requires_grad: bool = False) -> Tensor:
    """Uniform numbers in [0, 1)."""
    return made(stream_of(generator).rand(shape_of(shape or (size,)), dtype=floats("rand", dtype)), requires_grad,
                device)


@offer()
def randn(*shape: Any, size: Any = (), generator: Any = None, dtype: Any = None, device: Any = None,
          requires_grad: bool = False) -> Tensor:
    """Standard normal numbers."""
    return made(stream_of(generator).randn(shape_of(shape or (size,)), dtype=floats("randn", dtype)), requires_grad,
                device)


def floats(name: str, dtype: Any) -> Any:
    """NumPy's floating dtype for a `dtype=`."""
    d = numpy_dtype(dtype, default[0].numpy)
    if d.kind != "f":
        raise NotImplementedError(f"{name}: got dtype={dtype}; expected a floating one; for integers there is "
                                  f"torch.randint")
    return d


@offer()
def randint(low: Any = 0, high: Any = None, size: Any = None, *, generator: Any = None, dtype: Any = None,
            device: Any = None, requires_grad: bool = False) -> Tensor:
    """Integers from low, or 0, to high - 1."""
    if size is None:
        low, high, size = 0, low, high
    elif high is None:
        low, high = 0, low
    if size is None or isinstance(size, int):
        raise TypeError(f"randint: got {'no size' if size is None else f'size {size}'}; expected a tuple; write "
                        f"torch.randint(low, high, (n,))")
    d, shape = numpy_dtype(dtype, INT64), shape_of((size,))
    if d is INT64 and type(low) is int and type(high) is int and -(2**63) <= low < high <= 2**63:  # the usual call
        return made(stream_of(generator).randint(low, high, shape), requires_grad, device)
    least, most = (0, 1) if d.kind == "b" else (np.iinfo(d).min, np.iinfo(d).max) if d.kind in "iu" else (low, high)
    if not least <= low < high <= most + 1:
        raise RuntimeError(f"randint: got {low} to {high}; expected from less than to, and from {least} to {most + 1} "
                           f"for {of(d)}; pass other bounds, or another dtype")
    with as_pytorch():
        drawn = stream_of(generator).randint(int(low), int(high), shape)
    return made(drawn.astype(d, copy=False), requires_grad, device)


@offer()
def randperm(n: int, *, generator: Any = None, dtype: Any = None, device: Any = None) -> Tensor:
    """A permutation of 0 ... n - 1."""
    if numpy_dtype(dtype, np.dtype(np.int64)).kind == "b":
        raise NotImplementedError("randperm: got dtype=torch.bool; expected one of numbers; leave it out")
    try:
        n = index(n)
    except TypeError:
        raise TypeError(f"randperm: got {n!r}; expected an integer; convert with int(), divide with //") from None
    a = stream_of(generator).randperm(n)
    return made(a.astype(numpy_dtype(dtype, np.dtype(np.int64)), copy=False), False, device)


def like(name: str, fill: Any) -> Any:
    def draw(input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False,
             generator: Any = None) -> Tensor:
        d, array = floats(name, input.dtype if dtype is None else dtype), input.node.data
        if array.flags.c_contiguous or isinstance(array, TracerBase):
            draws = getattr(stream_of(generator), name.removesuffix("_like"))(array.shape, dtype=d)
        else:  # in the order of its memory, as PyTorch draws
            draws = fill(stream_of(generator), np.empty_like(array, d))
        return made(draws, requires_grad, device)

    draw.__name__ = name
    draw.__doc__ = f"As `torch.{name.removesuffix('_like')}`, in the shape and dtype of a tensor."
    return draw


for name, fill in (("rand_like", Stream.uniform_), ("randn_like", Stream.normal_)):
    offer(name)(like(name, fill))


@offer()
def randint_like(input: Tensor, low: int, high: int | None = None, *, dtype: Any = None, device: Any = None,
                 requires_grad: bool = False) -> Tensor:
    """Integers from low, or 0, to high - 1, in the shape and dtype of a tensor."""
    low, high = (0, low) if high is None else (low, high)
    array, dtype = input.node.data, input.dtype if dtype is None else dtype
    if array.flags.c_contiguous or isinstance(array, TracerBase):
        return randint(low, high, input.shape, dtype=dtype, device=device, requires_grad=requires_grad)
    with as_pytorch():
        filled = stream_of(None).random_(np.empty_like(array, numpy_dtype(dtype)), int(low), int(high))
    return made(filled, requires_grad, device)


@offer()
def normal(mean: Any = 0.0, std: Any = 1.0, size: Any = None, *, generator: Any = None, dtype: Any = None,
           device: Any = None, requires_grad: bool = False) -> Tensor:
    """Normal numbers of a mean and a standard deviation, which may be tensors."""
    stream = stream_of(generator)
    if size is not None:
        a = np.empty(shape_of((size,)), floats("normal", dtype))
        with as_pytorch():
            return made(stream.normal_(a, float(mean), float(std)), requires_grad, device)
    if not isinstance(mean, Tensor) and not isinstance(std, Tensor):
        raise TypeError("normal: got two numbers and no size; expected one; write torch.normal(mean, std, (n,))")
    m, s = as_node(mean).data, as_node(std).data
    if (m if isinstance(mean, Tensor) else s).dtype.kind != "f":
        raise NotImplementedError(f"normal: got {(mean if isinstance(mean, Tensor) else std).dtype}; expected a "
                                  f"floating dtype; convert first: x.float()")
    if not isinstance(s, TracerBase) and not np.all(s >= 0):
        raise RuntimeError("normal: expects all elements of std >= 0.0; got a negative one; take std.abs()")
    z = stream.randn(np.broadcast_shapes(m.shape, s.shape), dtype=m.dtype if isinstance(mean, Tensor) else s.dtype)
    return of_array(np.asarray(z * s + m, z.dtype))


@offer(method=True)
def bernoulli(input: Tensor, p: Any = None, *, generator: Any = None) -> Tensor:
    """1 with the probability that the input, or p, says, else 0; in the dtype of the input."""
    a = input.node.data
    with as_pytorch():
        draws = stream_of(generator).bernoulli(a if p is None else float(p), *(() if p is None else (a.shape,)))
    return of_array(np.asarray(draws).astype(a.dtype))


@offer(method=True)
def multinomial(input: Tensor, num_samples: int, replacement: bool = False, *, generator: Any = None) -> Tensor:
    """Indices drawn in proportion to the weights in the input, one line of indices for each line of weights."""
    if input.node.data.dtype.kind != "f":
        raise RuntimeError(f"multinomial: only supports floating-point dtypes for input, got: {input.dtype}; convert "
                           f"first: p.float()")
    try:
        drawn = stream_of(generator).multinomial(input.node.data, int(num_samples), bool(replacement))
        return of_array(np.ascontiguousarray(drawn))
    except ValueError as error:
        raise RuntimeError(str(error)) from None
