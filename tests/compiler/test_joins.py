"""What is copied or joined is made where it will stand, and only there: as eager, to the last bit."""

from typing import Any

import numpy as np
import pytest

import tinytensor as tt
from tinytensor.compiler.audit import equal


def turned(*parts: Any) -> Any:
    """Matrices of a stack side by side."""
    return np.stack(parts).transpose(1, 0, 2).reshape(len(parts[0]), -1)


def state_that_is_read_meanwhile(s: Any, a: Any, b: Any) -> Any:
    p, q = a @ b, b @ a
    r = s * 2
    np.concatenate([turned(p, q).reshape(12, 6), a], out=s)
    return r


def state_that_is_read_before(s: Any, a: Any, b: Any) -> Any:
    r = s * 2
    np.concatenate([turned(a @ b, b @ a).reshape(12, 6), a], out=s)
    return r


def one_array_twice(s: Any, a: Any, b: Any) -> Any:
    p = a @ b
    return turned(p, a, p)


def one_array_twice_in_stacks_of_stacks(s: Any, a: Any, b: Any) -> Any:
    p = a @ b
    return np.stack([np.stack([p, a, p]), np.stack([a, b, p])]).transpose(2, 0, 1, 3).reshape(-1)


def stacks_of_stacks(s: Any, a: Any, b: Any) -> Any:
    one, two = np.stack([a @ b, a + b]), np.stack([b @ a, a * b])
    return np.concatenate([np.stack([one, two]).transpose(2, 1, 0, 3).reshape(6, -1), np.stack([a, b]).reshape(3, -1)])


def a_copy_that_others_read(s: Any, a: Any, b: Any) -> Any:
    p = a @ b
    t = p.T.reshape(-1)
    return np.concatenate([t, a.reshape(-1)]), t + 1, p.sum()


def copies_in_tiles(s: Any, a: Any, b: Any) -> Any:
    p = a.T.reshape(3, 2, 6) @ b.reshape(6, 2, 1, 3).transpose(1, 2, 0, 3)
    return np.concatenate([a.reshape(-1), p.transpose(1, 2, 0, 3).reshape(-1), b.reshape(-1)])


def a_product_with_what_holds_it(s: Any, a: Any, b: Any) -> Any:
    p = np.concatenate([a] * 8, 1) * 2
    q = np.stack([p])
    return p @ q.transpose(0, 2, 1).reshape(-1, len(p)), q


def questions_far_apart(s: Any, a: Any, b: Any) -> Any:
    c = np.log(np.concatenate([a, b] * 40))
    return np.stack([np.isnan(c), np.isinf(c)]).transpose(1, 2, 0).reshape(-1)


CASES = (state_that_is_read_meanwhile, state_that_is_read_before, one_array_twice, one_array_twice_in_stacks_of_stacks,
         stacks_of_stacks, a_copy_that_others_read, copies_in_tiles, a_product_with_what_holds_it, questions_far_apart)
IN_PLACE = (state_that_is_read_before, stacks_of_stacks, copies_in_tiles)  # nothing is copied but arguments


@pytest.mark.parametrize("case", CASES, ids=lambda f: f.__name__)
@pytest.mark.filterwarnings("ignore:.*encountered")
def test_joined_and_copied(case: Any) -> None:
    rng = np.random.default_rng(0)
    s, clone = np.zeros((18, 6), np.float32), np.zeros((18, 6), np.float32)
    compiled = tt.compile(lambda a, b: case(s, a, b), s)
    for _ in range(5):
        a, b = rng.standard_normal((2, 6, 6)).astype(np.float32)
        expected, found = case(clone, a, b), compiled(a, b)
        assert equal(expected, found) and equal(s, clone)
    copied = [line for line in compiled.source.splitlines() if "copyto" in line]
    assert (case in IN_PLACE) <= all(", x" in line or ", a" in line or ", b" in line for line in copied), copied
