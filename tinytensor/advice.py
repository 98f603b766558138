"""What to do about an error of NumPy's, by the words of the error.

It raises nothing and knows no op. Where the table has nothing to say, the error stands without advice: an exception's
type alone does not tell what went wrong.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

Advice = str | Callable[..., str]


def position(n: str, what: str, none: str) -> str:
    """Advice on a position among n, counted from either end."""
    return f"pass {what} from {-int(n)} to {int(n) - 1}" if n != "0" else none


# A pattern of "name: text" -> advice, or a function from the groups of the pattern to advice. The first match counts.
TABLE: tuple[tuple[str, Advice], ...] = (
    # axes
    (r"axis -?\d+ is out of bounds for array of dimension (\d+)",
     lambda n: position(n, "an axis", "leave it out: the array has no axes")),
    (r"duplicate value in 'axis'|repeated axis", "name each axis once"),
    (r"axes don't match array", "name each axis of the array once"),
    (r"cannot select an axis to squeeze out", "squeeze only axes of size 1"),
    (r"(list|tuple|list assignment) index out of range", "check the axis against the number of axes"),
    # indices
    (r"index -?\d+ is out of bounds for (axis \d+ with )?size (\d+)",
     lambda _, n: position(n, "an index", "choose an axis that has elements")),
    (r"too many indices for array: array is (\d+)-dimensional",
     lambda n: f"index at most {n} {'axis' if n == '1' else 'axes'}" if n != "0" else "take the number with .item()"),
    (r"size of axis is (\d+) but size of corresponding boolean axis",
     lambda n: f"pass a mask with {n} elements along that axis"),
    (r"indexing arrays could not be broadcast", "pass index arrays of equal shapes; np.ix_ makes a grid of them"),
    (r"arrays used as indices must be of integer", "convert the index: i.astype(np.int64)"),
    (r"kth\(=-?\d+\) out of bounds \((\d+)\)", lambda n: position(n, "kth", "sort an axis that has elements")),
    (r"must have the same number of dimensions", "pass indices with as many axes as the array"),
    # shapes
    (r"^reshape: cannot reshape array of size (\d+)", lambda n: f"pass sizes whose product is {n}; one may be -1"),
    (r"cannot reshape array of size", "pass inputs with equally many elements"),
    (r"can only specify one unknown dimension", "use -1 for one size only"),
    (r"requested shape", "pass a shape that ends with the array's, whose sizes of 1 may be replaced by any"),
    (r"except for the concatenation axis must match", "pass arrays that differ in size along that axis only"),
    (r"must have same number of dimensions", "add an axis where one is missing: x[None]"),
    (r"all input arrays must have the same shape", "pass arrays of one shape, or join them with concatenate"),
    (r"need at least one array", "pass one array or more"),
    (r"not aligned|shape-mismatch for sum", "transpose or reshape one of them"),
    (r"^repeat: operands could not be broadcast", "pass one number of repeats, or one for each element of the axis"),
    (r"could not be broadcast together", "pass shapes that broadcast: sizes that are equal or 1, aligned at the right"),
    (r"object too deep for desired array", "pass an array with one axis"),
    (r"tri\(\) missing", "pass an array with one axis or more"),
    # no elements
    (r"zero-size array|empty sequence", "reduce along an axis that has elements"),
    # dtypes and numbers
    (r"negative integer powers", "convert the base to a floating dtype: x.astype(np.float32)"),
    (r"ufunc '\w+' (?:not supported for the input types|did not contain a loop)",
     "convert the inputs with .astype; the .types of the ufunc list the dtypes that it takes"),
    (r"does not support argument \d of type (\w+)", lambda name: f"pass a number or an array in place of the {name}"),
    (r"'(\w+)' object cannot be interpreted as an integer", lambda name: f"pass an integer in place of the {name}"),
    (r"Python integer -?\d+ out of bounds", "convert the array to a dtype that holds the number, such as np.int64"),
    (r"int too large to convert", "pass a smaller number"),
    (r"data type .* not understood", "pass a dtype such as np.float32"),
    (r"Weights sum to zero", "pass weights whose sum is not 0"),
    # one value, where several were passed
    (r"truth value of an? .*array", "pass one value, not an array, where a flag or a number is expected"),
    (r"only (?:integer scalar|0-dimensional|length-1) arrays can be converted", "pass one number, not an array"),
    (r"integer argument expected, got (\w+)", lambda name: f"pass an integer or a bool, not a {name}"),
    (r"object of type '(?:\w+\.)*(\w+)' has no len|'(\w+)' object is not (?:iterable|subscriptable)",
     lambda name, other: f"pass a sequence in place of the {name or other}"),
    (r"(?:not enough|too many) values to unpack \(expected (\d+)", lambda n: f"pass {n} values"),
    (r"must be str, not (?:\w+\.)*(\w+)", lambda name: f"pass a string in place of the {name}"),
    (r"inhomogeneous shape", "pass lists of one length"),
    (r"Cannot interpret .* as a data type|construct a dtype from an array", "pass a dtype such as np.float32"),
    (r"output must be an array|return arrays must be of ArrayType", "leave out out="),
    # matrices
    (r"Singular matrix", "use linalg.pinv or linalg.lstsq, or add a small multiple of the identity"),
    (r"must be square", "pass square matrices (..., n, n)"),
    (r"must be at least two-dimensional", "pass matrices (..., m, n)"),
    (r"not positive definite", "pass a symmetric matrix with eigenvalues above 0, such as a @ a.T + eps * eye(n)"),
)


def advice(name: str, text: str) -> str:
    """What to do about the error `text` of the op `name`; empty where there is nothing that fits.

    Examples
    --------
    >>> advice("sum", "axis 5 is out of bounds for array of dimension 2")
    'pass an axis from -2 to 1'
    >>> advice("interp", "fp and xp are not of the same length")
    ''
    """
    for pattern, found in TABLE:
        if match := re.search(pattern, f"{name}: {text}"):
            return found if isinstance(found, str) else found(*match.groups())
    return ""


def described(arrays: Sequence[object]) -> str:
    """Inputs for an error message: dtype and shape of arrays, other objects as they are written."""
    return ", ".join(f"{a.dtype} {a.shape}" if hasattr(a, "dtype") and hasattr(a, "shape") else repr(a) for a in arrays)


def a_type(x: object) -> str:
    """The type of x with its article: "a Linear", "an int", "an MLP"."""
    name = type(x).__name__
    spelled = name[:2].isupper() or name == "ndarray"  # read letter by letter: em, en, ...
    return f"{'an' if name[0].lower() in ('aefhilmnorsx' if spelled else 'aeio') else 'a'} {name}"
