"""PyTorch's names of the functions that made a tensor: the name in ``grad_fn=<AddBackward0>``.

They are names alone, for people to read; no gradient depends on them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import index as as_integer
from typing import Any

import numpy as np

Shape = tuple[int, ...]
Params = dict[str, Any]
Shapes = Sequence[Shape | None]  # None: a Python number, or an input that is not there


def ndim(shapes: Shapes, i: int) -> int | None:
    """The number of axes of an input, None where that is a Python number or not known."""
    shape = shapes[i] if i < len(shapes) else None
    return None if shape is None else len(shape)


# --- ops that PyTorch has several functions for ---


def product(params: Params, shapes: Shapes) -> str:
    """Of two arrays, as `@` multiplies them."""
    a, b = ndim(shapes, 0), ndim(shapes, 1)
    if a is not None and b is not None and a <= 2 and b <= 2:
        return {(1, 1): "Dot0", (2, 1): "Mv0", (1, 2): "Squeeze4", (2, 2): "Mm0"}.get((a, b), "Mul0")
    return "Clone0" if a == 2 else "UnsafeView0"


def linear(params: Params, shapes: Shapes) -> str:
    if ndim(shapes, 2) is None:  # no bias
        return product(params, shapes)
    return "Addmm0" if ndim(shapes, 0) == 2 else "View0"


def inner(params: Params, shapes: Shapes) -> str:
    return "View0" if ndim(shapes, 0) and ndim(shapes, 1) else "Mul0"


def power(params: Params, shapes: Shapes) -> str:
    """The base and the exponent; a Python number has a separate function."""
    base, exponent = ndim(shapes, 0), ndim(shapes, 1)
    return "Pow2" if base is None and exponent is not None else "Pow0" if exponent is None else "Pow1"


def cross_entropy(params: Params, shapes: Shapes) -> str:
    if len(shapes) > 1 and shapes[0] is not None and shapes[0] == shapes[1]:  # the targets are probabilities
        return "Div1" if params.get("reduction", "mean") == "mean" else "Neg0"
    if (ndim(shapes, 0) or 0) <= 2:
        return "NllLoss0"
    return "View0" if ndim(shapes, 0) == 3 and params.get("reduction") == "none" else "NllLoss2D0"


def extreme(name: str) -> Callable[[Params, Shapes], str]:
    """A largest or smallest value: PyTorch's `max` takes all axes or one, `amax` several."""

    def named(params: Params, shapes: Shapes) -> str:
        axis = params.get("axis")
        if isinstance(axis, tuple) or (axis is None and params.get("keepdims")):
            return f"A{name.lower()}0"
        return f"{name}1" if axis is None else f"{name}0"

    return named


def reduction(name: str) -> Callable[[Params, Shapes], str]:
    """A function for the whole, and one for given axes."""
    return lambda params, shapes: f"{name}0" if params.get("axis") is None else f"{name}1"


def second(number: str, array: str) -> Callable[[Params, Shapes], str]:
    """One function for a Python number as second operand, and one for an array."""
    return lambda params, shapes: number if ndim(shapes, 1) is None else array


def squeeze(params: Params, shapes: Shapes) -> str:
    axis = params.get("axis")
    return "Squeeze0" if axis is None else "Squeeze2" if isinstance(axis, tuple) else "Squeeze1"


def take(params: Params, shapes: Shapes) -> str:
    return "Take0" if params.get("axis") is None else "IndexSelect0" if ndim(shapes, 1) == 1 else "Index0"


def norm(params: Params, shapes: Shapes) -> str:
    """Of vectors, or of matrices: the sum, or one end, of the singular values or of sums along an axis."""
    order, axis = params.get("ord"), params.get("axis")
    matrix = isinstance(axis, tuple) if axis is not None else ndim(shapes, 0) == 2
    if order is None or order == "fro" or not matrix:
        return "LinalgVectorNorm0"
    return "Sum1" if order == "nuc" else "Amin0" if order < 0 else "Amax0"


def contract(params: Params, shapes: Shapes) -> str:
    """What einsum does: of one array it moves axes or sums some of them, of more it takes products."""
    given, arrow, kept = params.get("subscripts", "").partition("->")
    if len(shapes) != 1 or not arrow:
        return "View0"
    return "Permute0" if len(given) == len(kept) else "Sum1"


# --- indexing ---


def is_integer(part: Any) -> bool:
    """Whether a part of an index is one integer, which takes an axis away; a boolean or a byte is a mask."""
    if isinstance(part, bool | np.bool_ | np.uint8) or getattr(part, "dtype", None) in (np.bool_, np.uint8):
        return False
    try:
        as_integer(part)
    except TypeError:
        return False
    return True


def getitem(params: Params, shapes: Shapes) -> str:
    """PyTorch applies one function for each part of an index, from left to right; the name is the last one's."""
    index, shape = params.get("index"), shapes[0] if shapes else None
    if isinstance(index, slice):
        return "Slice0"
    parts = index if isinstance(index, tuple) else (index,)
    axes = sum(part is not None and part is not Ellipsis for part in parts)
    name, axis = "Alias0", 0
    for part in parts:
        if part is None:
            name = "Unsqueeze0"
        elif part is Ellipsis:
            axis += len(shape or ()) - axes
        elif isinstance(part, slice):
            length = None if shape is None or axis >= len(shape) else shape[axis]
            if length is None or part.indices(length) != (0, length, 1):  # a slice of everything is left out
                name = "Slice0"
            axis += 1
        elif is_integer(part):
            name, axis = "Select0", axis + 1
        else:
            return "Index0"
    return name


# --- the table ---

Name = str | Callable[[Params, Shapes], str]

NAMES: dict[str, Name] = {
    # arithmetic
    "subtract": lambda params, shapes: "Rsub1" if ndim(shapes, 0) is None and ndim(shapes, 1) is not None else "Sub0",
    "divide": lambda params, shapes: "Mul0" if ndim(shapes, 0) is None and ndim(shapes, 1) is not None else "Div0",
    "remainder": second("Remainder0", "Remainder1"),
    "fmod": second("Fmod0", "Fmod1"),
    "power": power,
    "float_power": power,
    "clip": lambda params, shapes: "Clamp0" if any(shape is not None for shape in shapes[1:]) else "Clamp1",
    "round": "Round1",
    "lerp": lambda params, shapes: "Lerp0" if ndim(shapes, 2) is None else "Lerp1",
    "floor_divide": "NotImplemented",
    "heaviside": "NotImplemented",
    "multiply": "Mul0", "negative": "Neg0", "square": "Pow0", "absolute": "Abs0", "fabs": "Abs0", "rint": "Round0",
    "fix": "Trunc0", "radians": "Deg2Rad0", "degrees": "Rad2Deg0", "conjugate": "Conj0",
    "arcsin": "Asin0", "arccos": "Acos0", "arctan": "Atan0", "arcsinh": "Asinh0", "arccosh": "Acosh0",
    "arctanh": "Atanh0", "arctan2": "Atan20",
    # reductions
    "sum": reduction("Sum"), "mean": reduction("Mean"), "prod": reduction("Prod"),
    "max": extreme("Max"), "min": extreme("Min"), "norm": norm,
    # shapes
    "reshape": "View0", "resize": "View0", "broadcast_to": "Expand0", "expand_dims": "Unsqueeze0", "squeeze": squeeze,
    "transpose": "Permute0", "moveaxis": "Permute0", "swapaxes": "Transpose0", "astype": "ToCopy0",
    "concatenate": "Cat0", "fliplr": "Flip0", "flipud": "Flip0", "fftshift": "Roll0", "ifftshift": "Roll0",
    "tile": "Repeat0", "pad": "ConstantPadNd0", "sliding_window_view": "Unfold0", "overlap_add": "Col2Im0",
    "repeat": lambda params, shapes: "View0" if isinstance(params.get("repeats"), int) else "IndexSelect0",
    # indexing
    "getitem": getitem, "take": take, "take_along_axis": "Gather0", "scatter": "IndexPut0", "diagflat": "DiagEmbed0",
    "diag": lambda params, shapes: "DiagEmbed0" if ndim(shapes, 0) == 1 else "Diagonal0_copy",
    # linear algebra
    "matmul": product, "matmul_tn": product, "matvec": product, "vecmat": product, "dot": product, "inner": inner,
    "outer": "Mul0", "kron": "UnsafeView0", "tensordot": "View0", "contract": contract, "vecdot": "Sum1",
    "linalg.cholesky": "LinalgCholeskyEx0", "linalg.inv": "LinalgInvEx0", "linalg.solve": "LinalgSolveEx0",
    "linalg.logabsdet": "LinalgSlogdet0", "linalg.multi_dot": "View0", "linalg.packed_eig": "LinalgEig0",
    "linalg.packed_eigh": "LinalgEigh0", "linalg.packed_qr": "LinalgQr0", "linalg.packed_svd": "LinalgSvd0",
    # networks
    "linear": linear, "cross_entropy": cross_entropy, "layer_norm": "NativeLayerNorm0",
    "batch_norm": "NativeBatchNorm0", "rms_norm": "Mul0", "attention": "ScaledDotProductFlashAttentionForCpu0",
    "rnn": "Stack0", "gru": "Stack0", "lstm": "MkldnnRnnLayer0",
    # PyTorch's own names, for functions that are made of several ops here
    "clamp": "Clamp1", "conv1d": "Convolution0", "conv2d": "Convolution0", "max_pool2d": "MaxPool2DWithIndices0",
    "group_norm": "NativeGroupNorm0", "l1_loss": "Mean0", "kl_div": "Mean0", "dropout": "Mul0", "relu6": "Hardtanh0",
    "selu": "Elu0", "prelu": "PreluKernel0", "softsign": "Div0", "logsigmoid": "LogSigmoid0", "to": "ToCopy0",
}  # fmt: skip


def backward_name(op_name: str, params: Params | None = None, shapes: Shapes = (), *, copied: bool = False) -> str:
    """PyTorch's name for the function that made a tensor.

    Parameters
    ----------
    op_name : str
        An op of tinytensor's, or a function of PyTorch's: "expand_dims" or "unsqueeze".
    params : dict
        The op's parameters.
    shapes : sequence of tuple or None
        The inputs' shapes; None for a Python number, or an input that is not there.
    copied : bool
        Whether a reshape had to copy the values, as one of a transposed array has to.

    Examples
    --------
    >>> backward_name("sum"), backward_name("sum", {"axis": 0})
    ('SumBackward0', 'SumBackward1')
    >>> backward_name("matmul", {}, [(2, 3), (3,)])
    'MvBackward0'
    >>> backward_name("masked_fill")
    'MaskedFillBackward0'
    """
    params = params or {}
    if op_name == "reshape" and (copied or params.get("copy")):
        return "CloneBackward0" if params.get("copy") else "UnsafeViewBackward0"
    name = NAMES.get(op_name) or op_name.replace(".", "_").title().replace("_", "") + "0"
    if not isinstance(name, str):
        name = name(params, shapes)
    if name == "NotImplemented":
        return name
    stem, underscore, tail = name.partition("_")
    return f"{stem[:-1]}Backward{stem[-1]}{underscore}{tail}"
