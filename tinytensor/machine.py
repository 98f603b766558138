"""Settings of the process: threads and kernels of BLAS, NumPy's buffers, freed memory that malloc keeps.

Importing it changes nothing: only calls do.
"""

from __future__ import annotations

import contextvars
import ctypes
import os
import sys
import time
from collections.abc import Callable
from functools import cache, partial
from typing import Any, NamedTuple

import numpy as np

__all__ = ["Roofline", "get_num_threads", "keep_freed_memory", "one_thread", "roofline", "set_num_threads",
           "small_kernels", "with_fast_numpy"]

# How many threads OpenBLAS uses, as set before NumPy was loaded or since then; "" if unknown.
_settings = map(os.environ.get, ("OPENBLAS_NUM_THREADS", "GOTO_NUM_THREADS", "OMP_NUM_THREADS"))
_threads = [next(filter(None, _settings), "")]


def one_thread() -> bool:
    """Whether matrix products are known to use one thread: from the environment, or from `set_num_threads`."""
    return _threads[0] == "1"


def _threadpoolctl() -> Any:
    try:
        import threadpoolctl
    except ImportError:
        raise ImportError("set_num_threads: got no threadpoolctl; expected it, to reach the threads of BLAS; install "
                          "it with pip install threadpoolctl, or set OPENBLAS_NUM_THREADS before NumPy is imported"
                          ) from None
    return threadpoolctl


def set_num_threads(n: int) -> None:
    """Let matrix products use `n` threads, in the whole process, from now on.

    Steps of small networks are 5 to 8 times slower with two threads than with one; products of matrices with
    thousands of rows are faster.

    Raises
    ------
    ImportError
        Without threadpoolctl, which the extra `examples` installs.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.set_num_threads(1)
    >>> tt.get_num_threads()
    1
    """
    if not isinstance(n, int) or n < 1:
        raise ValueError(f"set_num_threads: got {n!r}; expected an int, 1 or more; pass 1 for small networks")
    _threadpoolctl().threadpool_limits(limits=n, user_api="blas")
    _threads[0] = str(n)


def get_num_threads() -> int:
    """How many threads matrix products may use. See `set_num_threads`."""
    pools = [pool for pool in _threadpoolctl().threadpool_info() if pool["user_api"] == "blas"]
    return max([int(pool["num_threads"]) for pool in pools], default=1)


def keep_freed_memory(mebibytes: int = 256) -> bool:
    """Let the C library keep up to this much freed memory for the next step, instead of returning it to the system.

    Steps with large temporaries spend up to a quarter of their time on fresh pages for the same memory.

    Returns
    -------
    bool
        Whether it worked: it does with glibc, the C library of most Linux systems.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    trim_threshold, mmap_threshold = -1, -3  # M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of malloc.h
    size = mebibytes << 20
    return bool(mallopt(trim_threshold, size)) and bool(mallopt(mmap_threshold, min(size, 32 << 20)))


BUFFER = 2560  # elements; of 512 to 8,192 (NumPy's default) the fastest for rows of 64 to 512 on most shapes


def with_fast_numpy(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, called with NumPy's warnings off and small buffers; calls must not overlap.

    NumPy broadcasts a row by copying it into a buffer as often as that holds it; a buffer that fits into the fastest
    cache makes `x + row` a quarter to two fifths faster. A sum over several axes that are not contiguous may add in
    another order.

    Examples
    --------
    >>> from tinytensor.machine import with_fast_numpy
    >>> @with_fast_numpy
    ... def half(x):
    ...     return 1 / (x + x)
    >>> half(np.array([1.0, 0.0]))
    array([0.5, inf])
    """
    context = contextvars.Context()
    context.run(np.seterr, all="ignore")
    context.run(np.setbufsize, BUFFER)
    return partial(context.run, function)


swift = with_fast_numpy  # its former name, as steps that were written out have it


@cache
def small_kernels() -> bool:
    """Whether NumPy's BLAS is OpenBLAS on a processor with AVX-512, which multiplies small matrices without copies.

    Examples
    --------
    >>> from tinytensor.machine import small_kernels
    >>> small_kernels() in (True, False)
    True
    """
    found = np.show_config(mode="dicts")
    features = found.get("SIMD Extensions", {})
    names = {*features.get("baseline", ()), *features.get("found", ())}
    return "openblas" in found["Build Dependencies"]["blas"]["name"] and not names.isdisjoint({"X86_V4", "AVX512_SKX"})


class Roofline(NamedTuple):
    """The limits of this machine, which no call of NumPy can exceed (Williams et al. 2009)."""

    flops: float  # float32 operations per second, in matrix products
    bandwidth: float  # bytes per second, to and from memory outside of all caches


def roofline(seconds: float = 0.2) -> Roofline:
    """Measure the limits of this machine, with the current number of BLAS threads.

    Examples
    --------
    >>> import tinytensor as tt
    >>> tt.machine.roofline(0.01).flops > 1e8
    True
    """
    a = np.ones((768, 768), np.float32)
    product, b = np.empty_like(a), np.ones(2**25, np.uint8)
    c = np.empty_like(b)
    return Roofline(2 * len(a) ** 3 / min_time(lambda: np.matmul(a, a, out=product), seconds),
                2 * b.nbytes / min_time(lambda: np.copyto(c, b), seconds))


roof = roofline  # its former name


def min_time(call: Any, seconds: float) -> float:
    """The shortest time of a call, which is repeated for this many seconds."""
    end, shortest = time.perf_counter() + seconds, float("inf")
    while time.perf_counter() < end or shortest == float("inf"):
        began = time.perf_counter()
        call()
        shortest = min(shortest, time.perf_counter() - began)
    return shortest


def __dir__() -> list[str]:
    return __all__
