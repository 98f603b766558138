"""Matrix products for `linear`, in the memory layouts and block sizes that BLAS is fastest at.

It defines no op. The thresholds were measured with OpenBLAS on processors with AVX-512: small products there have
kernels that read both matrices where they are, while for larger ones both matrices are first copied.
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

CACHE_LINE = 64  # bytes
MAX_RESULTS = 1200  # up to this many results (n * m) a product with a transposed right operand has a small kernel
TRANSPOSE_BLOCK = 16  # rows that are transposed at once: they fill a register
ROWS_PER_SUM = 256  # rows that one product sums
SMALL_PRODUCT = 100**3  # up to this many multiplications, n * k * m, OpenBLAS has small kernels


def max_blocked(m: int, row_major: bool) -> int:
    """The largest n * k * m for which (n, k) @ (k, m) is faster in blocks of rows.

    Larger products gain more from several threads; an m that 16 does not divide costs a remainder loop in each block.
    `row_major`: the rows of the left operand are contiguous.
    """
    return (3 if m % 16 else 4 if not one_thread() else 64 if row_major else 16) * SMALL_PRODUCT


@lru_cache
def row_blocks(n: int, k: int, m: int, largest: int) -> int:
    """The number of blocks of rows in which (n, k) @ (k, m) is fastest: by about a quarter. 1 for no blocks."""
    if not SMALL_PRODUCT < n * k * m <= largest or not small_kernels():
        return 1
    fewest = 16 if m % 16 else 8
    return next((n // rows for rows in range(SMALL_PRODUCT // (k * m) // 4 * 4, fewest - 1, -4) if n % rows == 0), 1)


@lru_cache
def transposed_row_blocks(n: int, k: int, m: int, largest: int) -> int:
    """The number of blocks of rows in which a float32 (n, k) @ (m, k).T is fastest without a transposed copy; or 0.

    They save up to half of the time. These kernels multiply along the rows of both operands, which must be long.
    """
    if n * k * m > largest or k < (128 if m < 32 else 256) or (n > 128 and m >= 32) or not small_kernels():
        return 0
    most = min(MAX_RESULTS, SMALL_PRODUCT // k) // m // 4 * 4
    return next((n // rows for rows in range(most, 0, -4) if n % rows == 0), 0)


@lru_cache
def output_tiles(n: int, k: int, m: int, itemsize: int, largest: int) -> tuple[int, int]:
    """Rows and columns of the tiles of the output in which (k, n).T @ (k, m) is fastest; (0, 0) for no tiles.

    They save up to a quarter of the time: each tile is the largest product that a small kernel takes.
    """
    size = n * m * itemsize
    if k < 128 or not SMALL_PRODUCT < n * k * m <= largest or size > 2**18 or not small_kernels():
        return 0, 0
    shapes = ((24, 64), (32, 64), (32, 32)) if size <= 2**16 else ((32, 64),)
    return next(((r, c) for r, c in shapes if n % r == 0 and m % c == 0 and r * c * k <= SMALL_PRODUCT), (0, 0))


def transposed_times(a: Any, b: Any) -> Any:
    """a.T @ b for a (k, n) and b (k, m): the gradient of a weight, for example."""
    (k, n), m = a.shape, b.shape[1]
    r, c = output_tiles(n, k, m, a.itemsize, (64 if one_thread() else 4) * SMALL_PRODUCT)
    if not r or a.dtype != b.dtype or a.strides[1] != a.itemsize or b.strides[1] != b.itemsize:
        return product(a.T, b, False)
    a_tiles, b_tiles = a.T.reshape(n // r, r, k), b.reshape(k, m // c, 1, c).transpose(1, 2, 0, 3)
    if type(a) is np.ndarray and type(b) is np.ndarray:
        y = np.empty((n, m), a.dtype)
        np.matmul(a_tiles, b_tiles, out=y.reshape(n // r, r, m // c, c).transpose(2, 0, 1, 3))
        return y
    return (a_tiles @ b_tiles).transpose(1, 2, 0, 3).reshape(n, m)  # in a trace; the compiled step leaves out the copy


def as_rows(x: Any, axes: int = 1) -> Any:
    """x as a matrix: its last `axes` flattened to the columns, all others to the rows."""
    if x.ndim == 2 and axes == 1:
        return x
    width = x.shape[-1] if axes == 1 else math.prod(x.shape[-axes:])
    # subtle: for an empty array NumPy cannot work out -1
    return x.reshape(-1, width) if x.size else x.reshape(math.prod(x.shape[:-axes]), width)


def product(a: Any, b: Any, row_major: bool = True) -> Any:
    """a (n, k) @ b (k, m), for a b with contiguous rows, and an a with contiguous rows (`row_major`) or columns."""
    (n, k), m = a.shape, b.shape[1]
    count = row_blocks(n, k, m, max_blocked(m, row_major))
    if count == 1:
        return a @ b
    if type(b) is np.ndarray and b.ctypes.data % CACHE_LINE:  # subtle: unaligned, the product takes half as long again
        b = cacheline_copy(b)
    return (a.reshape(count, n // count, k) @ b).reshape(n, m)


def cacheline_copy(x: Any) -> Any:
    """A copy of x that starts at a cache line."""
    memory = np.empty(x.nbytes + CACHE_LINE, np.uint8)
    y = np.ndarray(x.shape, x.dtype, memory, -memory.ctypes.data % CACHE_LINE)
    np.copyto(y, x)
    return y


def transpose_copy(x: Any) -> Any:
    """A copy of x.T with contiguous rows."""
    by_blocks = len(x) % TRANSPOSE_BLOCK == 0 and x.size >= 2**14 and x.dtype.char in "fd"
    return transposed_by_blocks(x) if by_blocks else x.T.copy()


@lru_cache
def identity(dtype: Any) -> Any:
    """The identity matrix of one block; cached."""
    a = np.eye(TRANSPOSE_BLOCK, dtype=dtype)
    a.flags.writeable = False
    return a


@primitive
def transposed_by_blocks(x: Any, out: Any = None) -> Any:
    """A copy of x.T by products with identity matrices, in less than half of NumPy's time: BLAS moves whole registers.

    Subtle: 0 * inf is nan, so NumPy copies arrays that are not finite. -0 becomes 0.
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
    """x (n, k) @ weight.T for weight (m, k), the layout of operands that OpenBLAS is slowest at.

    It has small kernels for this layout up to 1,200 results only. Beyond, if blocks of rows are not fastest, a
    transposed copy of one operand saves 10 to 50 %: of the smaller one, or of x for few rows where m is just below a
    multiple of 32. In larger products OpenBLAS would transpose the weight slowly; here the weight is transposed first,
    or, for few long rows, x and the result.
    """
    (n, k), m = x.shape, len(weight)
    if n * m <= MAX_RESULTS and n * m * k <= SMALL_PRODUCT:
        return x @ weight.T
    largest = (64 if one_thread() else 4) * SMALL_PRODUCT
    if weight.dtype == np.float32 and (count := transposed_row_blocks(n, k, m, largest)):
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
    """w @ x, block by block for many rows, as in `sum_rows`."""
    n = len(x)
    if n <= 2 * ROWS_PER_SUM or state.workers > 1:
        return w @ x
    blocks, rest = divmod(n, ROWS_PER_SUM)
    full_rows = n - rest
    parts = w[:full_rows].reshape(blocks, 1, ROWS_PER_SUM) @ x[:full_rows].reshape(blocks, ROWS_PER_SUM, x.shape[1])
    y = sum_rows(parts.reshape(blocks, x.shape[1]))
    return y + w[full_rows:] @ x[full_rows:] if rest else y
