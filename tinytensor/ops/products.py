"""Matrix products of `linear`, laid out as BLAS is fastest at them: what is turned round first, and in how many pieces.

No op of its own. What is measured is OpenBLAS on processors with AVX-512: it has kernels that multiply small matrices
as they stand, where for larger ones both are copied first.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np

from ..broadcasting import sum_rows
from ..core import primitive
from ..machine import one_thread, small_kernels
from ..modes import state

CACHE_LINE = 64  # bytes of a line of the cache
MAX_RESULTS = 1200  # so many results a product with a right side turned round has at most for which there are such kernels
TRANSPOSE_BLOCK = 16  # rows that are turned round at once: they fill a register
ROWS_PER_SUM = 256  # rows that are summed by one product
SMALL_PRODUCT = 100**3  # so many steps (rows x inner x columns) a product has at most that OpenBLAS has these kernels for


def max_blocked(m: int, row_major: bool) -> int:
    """Up to how many steps a product with m columns is faster in pieces; `row_major`: its left side's rows are whole.

    Larger ones gain from several threads, if there are; and numbers that are over after every 16 columns cost time.
    """
    return (3 if m % 16 else 4 if not one_thread() else 64 if row_major else 16) * SMALL_PRODUCT


@lru_cache
def row_blocks(n: int, k: int, m: int, largest: int) -> int:
    """In how many pieces of equal rows (n, k) @ (k, m) is faster than as a whole, by a quarter in the middle; or 1."""
    if not SMALL_PRODUCT < n * k * m <= largest or not small_kernels():
        return 1
    fewest = 16 if m % 16 else 8
    return next((n // rows for rows in range(SMALL_PRODUCT // (k * m) // 4 * 4, fewest - 1, -4) if n % rows == 0), 1)


@lru_cache
def transposed_row_blocks(n: int, k: int, m: int, largest: int) -> int:
    """In how many strips of rows (n, k) @ (m, k).T of float32 is fastest, by a half at most, with none turned; or 0.

    These kernels multiply along rows of both: they need long ones.
    """
    if n * k * m > largest or k < (128 if m < 32 else 256) or (n > 128 and m >= 32) or not small_kernels():
        return 0
    return next((n // rows for rows in range(min(MAX_RESULTS, SMALL_PRODUCT // k) // m // 4 * 4, 0, -4) if n % rows == 0), 0)


@lru_cache
def output_tiles(n: int, k: int, m: int, itemsize: int, largest: int) -> tuple[int, int]:
    """The rows and columns of the tiles that (k, n).T @ (k, m) is fastest in, by a quarter at most; or (0, 0).

    These kernels are fastest at as many steps as they take at once, for results that stand close together.
    """
    size = n * m * itemsize
    if k < 128 or not SMALL_PRODUCT < n * k * m <= largest or size > 2**18 or not small_kernels():
        return 0, 0
    shapes = ((24, 64), (32, 64), (32, 32)) if size <= 2**16 else ((32, 64),)
    return next(((r, c) for r, c in shapes if n % r == 0 and m % c == 0 and r * c * k <= SMALL_PRODUCT), (0, 0))


def transposed_times(a: Any, b: Any) -> Any:
    """a.T @ b for a (k, n) and b (k, m), such as the gradient of a weight."""
    (k, n), m = a.shape, b.shape[1]
    r, c = output_tiles(n, k, m, a.itemsize, (64 if one_thread() else 4) * SMALL_PRODUCT)
    if not r or a.dtype != b.dtype or a.strides[1] != a.itemsize or b.strides[1] != b.itemsize:
        return product(a.T, b, False)
    left, right = a.T.reshape(n // r, r, k), b.reshape(k, m // c, 1, c).transpose(1, 2, 0, 3)
    if type(a) is np.ndarray and type(b) is np.ndarray:
        y = np.empty((n, m), a.dtype)
        np.matmul(left, right, out=y.reshape(n // r, r, m // c, c).transpose(2, 0, 1, 3))
        return y
    return (left @ right).transpose(1, 2, 0, 3).reshape(n, m)  # where a step is compiled: it leaves the copy out


def as_rows(x: Any, axes: int = 1) -> Any:
    """x as a matrix: its last axes joined to one, and all others; one tall product is faster than many small ones."""
    if x.ndim == 2 and axes == 1:
        return x
    width = x.shape[-1] if axes == 1 else math.prod(x.shape[-axes:])
    return x.reshape(-1, width) if x.size else x.reshape(math.prod(x.shape[:-axes]), width)  # of nothing, -1 is unknown


def product(a: Any, b: Any, row_major: bool = True) -> Any:
    """a (n, k) @ b (k, m), for b whose rows are in one piece, and a's, or its columns if it is not upright."""
    (n, k), m = a.shape, b.shape[1]
    count = row_blocks(n, k, m, max_blocked(m, row_major))
    if count == 1:
        return a @ b
    if type(b) is np.ndarray and b.ctypes.data % CACHE_LINE:  # subtle: with numbers across lines they take half as long again
        b = cacheline_copy(b)
    return (a.reshape(count, n // count, k) @ b).reshape(n, m)


def cacheline_copy(x: Any) -> Any:
    """A copy of x that begins with a line of the cache."""
    memory = np.empty(x.nbytes + CACHE_LINE, np.uint8)
    y = np.ndarray(x.shape, x.dtype, memory, -memory.ctypes.data % CACHE_LINE)
    np.copyto(y, x)
    return y


def transpose_copy(x: Any) -> Any:
    """x.T with its rows in one piece."""
    return transposed_by_blocks(x) if len(x) % TRANSPOSE_BLOCK == 0 and x.size >= 2**14 and x.dtype.char in "fd" else x.T.copy()


@lru_cache
def identity(dtype: Any) -> Any:
    """The identity of a block; cached."""
    a = np.eye(TRANSPOSE_BLOCK, dtype=dtype)
    a.flags.writeable = False
    return a


@primitive
def transposed_by_blocks(x: Any, out: Any = None) -> Any:
    """x.T copied by products with an identity: BLAS moves several numbers at once, where NumPy moves one.

    That takes less than half the time. A number that is not finite would spread: then NumPy copies. -0 becomes 0.
    """
    y = np.empty(x.shape[::-1], x.dtype) if out is None else out
    n, m = x.shape
    if small_kernels() and math.isfinite(np.vdot(x, x)):
        np.matmul(x.reshape(n // TRANSPOSE_BLOCK, TRANSPOSE_BLOCK, m).transpose(0, 2, 1), identity(x.dtype),
                  out=y.reshape(m, n // TRANSPOSE_BLOCK, TRANSPOSE_BLOCK).transpose(1, 0, 2))
    else:
        np.copyto(y, x.T)
    return y


def times_transposed(x: Any, weight: Any) -> Any:
    """x (n, k) @ weight.T, for weight (m, k): the kind of product that OpenBLAS is slowest at.

    It has small kernels for this kind only up to 1,200 results: where no strips are fastest, to turn the smaller matrix
    round first takes 10 to 50 % less, or the other, for few rows and a few columns less than a multiple of 32. In
    larger products the weight would be turned round slowly; it is done here, or, for few long rows, x and the result
    are.
    """
    (n, k), m = x.shape, len(weight)
    if n * m <= MAX_RESULTS and n * m * k <= SMALL_PRODUCT:
        return x @ weight.T
    if weight.dtype == np.float32 and (count := transposed_row_blocks(n, k, m, (64 if one_thread() else 4) * SMALL_PRODUCT)):
        return (x.reshape(count, n // count, k) @ weight.T).reshape(n, m)
    if n * m * k <= SMALL_PRODUCT:
        transpose_weight = m < n and (n > 64 or m % 32 < 25)
        return x @ weight.T.copy() if transpose_weight else x.T.copy().T @ weight.T
    if n * (k + m) < m * k and row_blocks(m, k, n, max_blocked(n, True)) > 1:
        return product(weight, transpose_copy(x)).T.copy()
    if row_blocks(n, k, m, max_blocked(m, True)) > 1:
        return product(x, transpose_copy(weight))
    return (weight @ x.T).T.copy() if 1 < n <= min(64, m - 1, k // 3) else x @ weight.T


def weighted_rows(w: Any, x: Any) -> Any:
    """w @ x; over many rows block by block, as in `sum_rows`."""
    n = len(x)
    if n <= 2 * ROWS_PER_SUM or state.workers > 1:
        return w @ x
    blocks, rest = divmod(n, ROWS_PER_SUM)
    whole = n - rest
    parts = w[:whole].reshape(blocks, 1, ROWS_PER_SUM) @ x[:whole].reshape(blocks, ROWS_PER_SUM, x.shape[1])
    y = sum_rows(parts.reshape(blocks, x.shape[1]))
    return y + w[whole:] @ x[whole:] if rest else y
