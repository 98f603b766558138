"""An error of NumPy's says which op it was, what that got, and what to do; where no advice fits, there is none."""

import re

import numpy as np
import pytest

import tinytensor as tt
from tinytensor.advice import TABLE, advice, described

X, INTS, EMPTY = tt.ones(2, 3), tt.tensor([1, 2, 3]), tt.zeros(0, 3)
SHAPE = "float32 (2, 3)"
LinAlgError, AxisError = np.linalg.LinAlgError, np.exceptions.AxisError

# The call, the error, what was got, and the advice.
CASES = {
    "an axis too far": (lambda: X.sum(axis=5), AxisError, SHAPE, "pass an axis from -2 to 1"),
    "an axis of a number": (lambda: tt.softmax(tt.tensor(1.0), axis=1), AxisError, "float32 ()",
                            "leave it out: the array has no axes"),
    "an axis that is no number": (lambda: X.sum(axis="a"), TypeError, SHAPE, "pass an integer in place of the str"),
    "an axis twice": (lambda: X.sum(axis=(0, 0)), ValueError, SHAPE, "name each axis once"),
    "an axis missing": (lambda: X.transpose(0), ValueError, SHAPE, "name each axis of the array once"),
    "an axis twice in transpose": (lambda: X.transpose(0, 0), ValueError, SHAPE, "name each axis once"),
    "an axis that is not 1": (lambda: X.squeeze(0), ValueError, SHAPE, "squeeze only axes of size 1"),
    "an axis in trapezoid": (lambda: np.trapezoid(X, axis=4), IndexError, SHAPE,
                             "check the axis against the number of axes"),
    "an index too far": (lambda: X[5], IndexError, SHAPE, "pass an index from -2 to 1"),
    "an index too far along axis 1": (lambda: X[0, 3], IndexError, SHAPE, "pass an index from -3 to 2"),
    "an index of nothing": (lambda: EMPTY[0], IndexError, "float32 (0, 3)", "choose an axis that has elements"),
    "taken too far": (lambda: tt.take(X, [7], axis=0), IndexError, f"{SHAPE}, int64 (1,)",
                      "pass an index from -2 to 1"),
    "too many indices": (lambda: X[0, 0, 0], IndexError, SHAPE, "index at most 2 axes"),
    "too many indices of a vector": (lambda: INTS[0, 0], IndexError, "int64 (3,)", "index at most 1 axis"),
    "an index of a number": (lambda: tt.tensor(1.0)[0], IndexError, "float32 ()", "take the number with .item()"),
    "a mask of another length": (lambda: X[np.array([True, False, True])], IndexError, SHAPE,
                                 "pass a mask with 2 elements along that axis"),
    "index arrays of two lengths": (lambda: X[[0, 1], [0, 1, 2]], IndexError, SHAPE,
                                    "pass index arrays of equal shapes; np.ix_ makes a grid of them"),
    "a floating index": (lambda: X[np.array([0.0])], IndexError, SHAPE, "convert the index: i.astype(np.int64)"),
    "indices with fewer axes": (lambda: np.take_along_axis(X, np.zeros(3, int), 1), ValueError,
                                f"{SHAPE}, int64 (3,)", "pass indices with as many axes as the array"),
    "sorted to too far": (lambda: np.partition(X, 7), ValueError, SHAPE, "pass kth from -3 to 2"),
    "another size": (lambda: X.reshape(4), ValueError, SHAPE, "pass sizes whose product is 6; one may be -1"),
    "two unknown sizes": (lambda: X.reshape(-1, -1), ValueError, SHAPE, "use -1 for one size only"),
    "a size that is no integer": (lambda: X.reshape(2.5), TypeError, SHAPE, "pass an integer in place of the float"),
    "unequal sizes": (lambda: np.vdot(X, INTS), ValueError, f"{SHAPE}, int64 (3,)",
                      "pass inputs with equally many elements"),
    "broadcast to less": (lambda: np.broadcast_to(X, (4, 5)), ValueError, SHAPE,
                          "pass a shape that ends with the array's, whose sizes of 1 may be replaced by any"),
    "joined along another axis": (lambda: tt.concatenate([X, tt.ones(2, 4)]), ValueError, f"{SHAPE}, float32 (2, 4)",
                                  "pass arrays that differ in size along that axis only"),
    "joined with fewer axes": (lambda: tt.concatenate([X, INTS]), ValueError, f"{SHAPE}, int64 (3,)",
                               "add an axis where one is missing: x[None]"),
    "nothing to join": (lambda: tt.concatenate([]), ValueError, "", "pass one array or more"),
    "stacked shapes": (lambda: tt.stack([X, tt.ones(4)]), ValueError, f"{SHAPE}, float32 (4,)",
                       "pass arrays of one shape, or join them with concatenate"),
    "a dot product": (lambda: np.dot(X, X), ValueError, f"{SHAPE}, {SHAPE}", "transpose or reshape one of them"),
    "repeats": (lambda: np.repeat(X, [1, 2, 3], axis=0), ValueError, SHAPE,
                "pass one number of repeats, or one for each element of the axis"),
    "too deep": (lambda: np.convolve(X, X), ValueError, f"{SHAPE}, {SHAPE}", "pass an array with one axis"),
    "a triangle of a number": (lambda: np.tril(tt.tensor(1.0)), TypeError, "float32 ()",
                               "pass an array with one axis or more"),
    "no largest element": (lambda: EMPTY.max(), ValueError, "float32 (0, 3)", "reduce along an axis that has elements"),
    "integers to the power -1": (lambda: INTS ** -1, ValueError, "int64 (3,), -1",
                                 "convert the base to a floating dtype: x.astype(np.float32)"),
    "bits of floats": (lambda: np.bitwise_and(X, X), TypeError, f"{SHAPE}, {SHAPE}",
                       "convert the inputs with .astype; the .types of the ufunc list the dtypes that it takes"),
    "a divisor of floats": (lambda: np.gcd(X, X), TypeError, f"{SHAPE}, {SHAPE}",
                            "convert the inputs with .astype; the .types of the ufunc list the dtypes that it takes"),
    "nothing": (lambda: tt.exp(None), TypeError, "None", "pass a number or an array in place of the NoneType"),
    "a number too large": (lambda: tt.tensor([1], dtype=np.uint8) + 300, OverflowError, "uint8 (1,), 300",
                           "convert the array to a dtype that holds the number, such as np.int64"),
    "an integer too large": (lambda: np.divmod(X, 10**400), OverflowError, "", "pass a smaller number"),
    "no dtype": (lambda: X.astype("foo"), TypeError, SHAPE, "pass a dtype such as np.float32"),
    "weights": (lambda: np.average(X, weights=np.zeros((2, 3))), ZeroDivisionError, f"{SHAPE}, float64 (2, 3)",
                "pass weights whose sum is not 0"),
    "singular": (lambda: tt.linalg.inv(tt.zeros(2, 2)), LinAlgError, "float32 (2, 2)",
                 "use linalg.pinv or linalg.lstsq, or add a small multiple of the identity"),
    "not square": (lambda: tt.linalg.eigh(X), LinAlgError, SHAPE, "pass square matrices (..., n, n)"),
    "no matrix": (lambda: tt.linalg.det(INTS), LinAlgError, "int64 (3,)", "pass matrices (..., m, n)"),
    "not positive": (lambda: tt.linalg.cholesky(-tt.eye(2)), LinAlgError, "float32 (2, 2)",
                     "pass a symmetric matrix with eigenvalues above 0, such as a @ a.T + eps * eye(n)"),
    # one value, where several were passed, and the reverse
    "an array as a flag": (lambda: tt.linalg.cholesky(tt.eye(2), upper=np.ones(2)), ValueError, "float32 (2, 2)",
                           "pass one value, not an array, where a flag or a number is expected"),
    "an array as an axis": (lambda: tt.packbits(INTS, axis=np.ones(2)), TypeError, "int64 (3,)",
                            "pass one number, not an array"),
    "a float as a flag": (lambda: X.sum(axis=0, keepdims=2.5), TypeError, SHAPE,
                          "pass an integer or a bool, not a float"),
    "a number as a sequence": (lambda: np.einsum_path("i", INTS, optimize=7), TypeError, "int64 (3,)",
                               "pass a sequence in place of the int"),
    "too many axes": (lambda: np.tensordot(X, X, axes=(1, 2, 3)), ValueError, f"{SHAPE}, {SHAPE}", "pass 2 values"),
    "a number as an order": (lambda: tt.copy(X, order=3), TypeError, SHAPE, "pass a string in place of the int"),
    "lists of two lengths": (lambda: np.isclose(X, [[1, 2], [3]]), ValueError, SHAPE, "pass lists of one length"),
    "a number as a dtype": (lambda: np.cumsum(X, dtype=-1), TypeError, SHAPE, "pass a dtype such as np.float32"),
    "a number as out=": (lambda: np.argmax(X, out=3), TypeError, SHAPE, "leave out out="),
    # NumPy's own words are advice enough, or there is none that fits
    "minus of booleans": (lambda: X.astype(bool) - X.astype(bool), TypeError, "bool (2, 3), bool (2, 3)", ""),
    "a quantile": (lambda: np.quantile(X, 1.5), ValueError, SHAPE, ""),
    "an order of memory": (lambda: X.reshape(6, order="Z"), ValueError, SHAPE, ""),
    "three axes": (lambda: np.diag(tt.ones(1, 2, 3)), ValueError, "float32 (1, 2, 3)", ""),
    "a negative order": (lambda: np.diff(X, n=-1), ValueError, SHAPE, ""),
}


@pytest.mark.parametrize("case", CASES)
def test_the_advice_fits(case):
    call, kind, got, wanted = CASES[case]
    with pytest.raises(kind) as caught:
        call()
    text = str(caught.value)
    form = rf"[a-z_.]+: {re.escape(f'got {got}; ') if got else ''}(.*){re.escape(f'; {wanted}' if wanted else '')}"
    match = re.fullmatch(form, text)
    assert match and match[1], text
    assert wanted or not any(advice("", part) for part in text.split("; ")[1:]), text
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_no_line_of_the_table_is_without_a_case_but_these():
    texts = []
    for call, kind, *_ in CASES.values():
        with pytest.raises(kind) as caught:
            call()
        name, _, text = str(caught.value).partition(": ")
        texts.append(f"{name}: {re.sub(r'^got .*?; ', '', text)}")
    unused = [pattern for pattern, _ in TABLE if not any(re.search(pattern, text) for text in texts)]
    assert unused == [r"could not be broadcast together"] or not unused
    assert advice("f", "operands could not be broadcast together with shapes (2,) (3,)").startswith("pass shapes that")


def test_shapes_that_do_not_broadcast():
    with pytest.raises(ValueError) as caught:
        X + tt.ones(4)
    assert str(caught.value) == (
        "add: got shapes (2, 3) and (4,), which do not broadcast; expected sizes that are equal or 1, aligned at the "
        "right; reshape one, or add an axis, as in x[:, None]")


def test_inputs_are_described():
    assert described([np.ones((2, 3), np.float32), 3, None]) == "float32 (2, 3), 3, None" and described([]) == ""
