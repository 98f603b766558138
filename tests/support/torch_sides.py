"""Runs one program on PyTorch and on tinytensor.torch, in one process, and compares all that it printed and kept.

Text is compared word by word, numbers in it and tensors by a relative tolerance, integers exactly.
"""

import contextlib
import io
import re
import sys
import warnings
from pathlib import Path

import numpy as np

import tinytensor.torch as ours

ROOT = Path(__file__).resolve().parents[2]
RELATIVE, ABSOLUTE = 2e-4, 2e-6
NUMBER = re.compile(r"[-+]?(?:\d+\.\d*|\.\d+|\d+)(?:[eE][-+]?\d+)?")
GRAD_FN = re.compile(r"grad_fn=<\w+>")


@contextlib.contextmanager
def meaning(side):
    """`import torch` means PyTorch's package inside, or ours; what it meant before, afterwards."""
    kept = {name: module for name, module in sys.modules.items() if name == "torch" or name.startswith("torch.")}
    try:
        if side == "ours":
            for name in kept:
                del sys.modules[name]
            ours.install()
        yield
    finally:
        if side == "ours":
            ours.uninstall()
            sys.modules.update(kept)


def run(path, side, arguments=(), names=None):
    """What the program prints, and its globals.

    A lecture's own import is turned into PyTorch's for that side; `names` cuts the lecture's data to so many.
    """
    source = Path(path).read_text("utf-8")
    if names is not None:
        source = source.replace(".splitlines()", f".splitlines()[:{names}]")
    if side == "pytorch":
        source = source.replace("tinytensor.torch", "torch")
    space, text, argv = {"__name__": "__main__", "__file__": str(path)}, io.StringIO(), sys.argv
    with meaning(side), contextlib.redirect_stdout(text), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # such as files that a learner does not close
        sys.argv = [str(path), *arguments]
        try:
            exec(compile(source, str(path), "exec"), space)
        finally:
            sys.argv = argv
    return text.getvalue(), space


def compare_text(got, expected):
    """The first line that differs is an error; the fourth digit of a printed number may differ by one."""
    got, expected = got.splitlines(), expected.splitlines()
    for i, (a, b) in enumerate(zip(got, expected, strict=False)):
        if a != b:
            where = f"line {i + 1}:\n  ours    {a}\n  PyTorch {b}"
            a, b = GRAD_FN.sub("grad_fn", a), GRAD_FN.sub("grad_fn", b)
            assert "".join(NUMBER.split(a)).split() == "".join(NUMBER.split(b)).split(), where
            for x, y in zip(NUMBER.findall(a), NUMBER.findall(b), strict=True):
                assert x == y or ("." in x + y and close(x, y)), where
    assert len(got) == len(expected), (got[len(expected):], expected[len(got):])


def close(x, y):
    """Whether two printed numbers agree: by the tolerance, or in all but one unit of the last digit shown."""
    unit = 0.0
    for n in (x, y):
        digits, _, exponent = n.lower().partition("e")
        unit = max(unit, 10.0 ** (int(exponent or 0) - len(digits.partition(".")[2])))
    return abs(float(x) - float(y)) <= max(RELATIVE * abs(float(y)), 1.01 * unit)


def compare_globals(got, expected):
    """Every tensor in the globals, in modules, lists, tuples and dicts there, and gradients; how many they were."""
    pairs = 0
    for name, value in expected.items():
        if not name.startswith("_"):
            for where, mine, theirs in tensors(got.get(name), value, name, set()):
                equal(mine, theirs, where)
                pairs += 1
    return pairs


def tensors(a, b, where, seen):
    """Pairs of tensors of the two sides, wherever they stand in two values of one build."""
    if id(b) in seen:
        return
    seen.add(id(b))
    kind = type(b).__module__.partition(".")[0]
    if hasattr(b, "retain_grad") and not isinstance(b, type):
        yield where, a, b
        if b.is_leaf and b.grad is not None:
            assert a.grad is not None, f"{where}.grad: got None"
            yield f"{where}.grad", a.grad, b.grad
    elif isinstance(b, dict):
        for key, value in b.items():
            assert key in a, f"{where}: {key!r} is missing"
            yield from tensors(a[key], value, f"{where}[{key!r}]", seen)
    elif isinstance(b, (list, tuple)):
        assert len(a) == len(b), f"{where}: got {len(a)} elements; expected {len(b)}"
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            yield from tensors(x, y, f"{where}[{i}]", seen)
    elif kind in ("torch", "tinytensor", "__main__") and hasattr(b, "named_parameters"):
        mine, theirs = a.state_dict(keep_vars=True), b.state_dict(keep_vars=True)
        assert list(mine) == list(theirs), f"{where}: got {list(mine)}; expected {list(theirs)}"
        yield from tensors(dict(mine), dict(theirs), where, seen)
    elif isinstance(b, (float, int, str)):
        assert type(a) is type(b), f"{where}: got {a!r}; expected {b!r}"
        if isinstance(b, float):
            np.testing.assert_allclose(a, b, RELATIVE, ABSOLUTE, err_msg=where)
        else:
            assert a == b, f"{where}: got {a!r}; expected {b!r}"
    elif kind == "__main__" and hasattr(b, "__dict__") and not isinstance(b, type):
        yield from tensors(vars(a), vars(b), where, seen)


def equal(mine, theirs, where):
    """Shape, dtype, requires_grad and values of one pair."""
    facts = [(tuple(t.shape), str(t.dtype), t.requires_grad) for t in (mine, theirs)]
    assert facts[0] == facts[1], f"{where}: got {facts[0]}; expected {facts[1]}"
    x, y = mine.detach().numpy(), theirs.detach().numpy()
    if y.dtype.kind != "f":
        np.testing.assert_array_equal(x, y, err_msg=where)
        return
    finite = np.isfinite(y)
    np.testing.assert_array_equal(x[~finite], y[~finite], err_msg=where)
    off, size = np.abs(x[finite] - y[finite]), np.abs(y[finite])
    if off.size:  # by the tensor's length, since Adam makes a step of any gradient, rounding noise too
        bound = RELATIVE * np.linalg.norm(size) + ABSOLUTE * off.size ** 0.5
        assert np.linalg.norm(off) <= bound, f"{where}: off by {np.linalg.norm(off):.3g}; expected at most {bound:.3g}"
        assert off.max() <= 100 * (RELATIVE * size.max() + ABSOLUTE), f"{where}: off by {off.max():.3g} in one element"


if __name__ == "__main__":  # python -m tests.support.torch_sides PROGRAM [arguments]: what differs
    texts, spaces = zip(*(run(sys.argv[1], side, sys.argv[2:]) for side in ("pytorch", "ours")), strict=True)
    print(texts[1])
    for a, b in zip(*(text.splitlines() for text in texts), strict=False):
        if GRAD_FN.findall(a) != GRAD_FN.findall(b):
            print("NAMES", *GRAD_FN.findall(a), "PyTorch", *GRAD_FN.findall(b))
    compare_text(texts[1], texts[0])
    print(compare_globals(spaces[1], spaces[0]), "tensors compared")
