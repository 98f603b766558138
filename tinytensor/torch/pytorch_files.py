"""Reads the tensors and plain values of a file that PyTorch saved: its pickle is followed by hand, and nothing is run.

A pickle is a program for a small stack machine. Here are only the steps that plain values need, and a table of what
may be called: what is not in it is refused by name.
"""

from __future__ import annotations

import struct
from collections import OrderedDict
from collections.abc import Callable
from importlib import import_module
from pickle import UnpicklingError
from typing import Any
from zipfile import ZipFile

import numpy as np

from ..advice import a_type
from .dtypes import ALIASES, CPU, DTYPES, LACKING, Size
from .tensor import Tensor, of_array

FOREIGN = "PyTorch saved"  # in each refusal of a file's contents
STORAGES = {"Float": "f4", "Double": "f8", "Half": "f2", "Long": "i8", "Int": "i4", "Short": "i2", "Char": "i1",
            "Byte": "u1", "Bool": "?"}
FOREIGN_STORAGES = {"BFloat16": "bfloat16", "ComplexFloat": "complex64", "ComplexDouble": "complex128"}
MARK = object()


def placed(memory: Any, dtype: Any, shape: tuple[int, ...], strides: tuple[int, ...], start: int) -> Any:
    """An array within a piece of memory; strides and start are in bytes. NumPy checks that the memory holds it."""
    if any(type(n) is not int for n in (*shape, *strides, start)):
        raise ValueError("shape")
    if 0 in shape:
        return np.zeros(shape, dtype)
    return np.ndarray(shape, dtype, memory, start, strides)


def refused(what: str) -> UnpicklingError:
    return UnpicklingError(f"load: {FOREIGN} {what} there; expected tensors, numbers, text, and dicts, lists, tuples "
                           f"and sets of them; in PyTorch save model.state_dict(), or what else is plain")


# --- what a file may call ---


class Called:
    """A function that a file may name; the file can neither change it nor reach its attributes."""

    __slots__ = ("function", "name")

    def __init__(self, name: str, function: Callable[..., Any]) -> None:
        self.name, self.function = name, function


def tensor(storage: Any, offset: int, size: Any, stride: Any, requires_grad: bool = False, hooks: Any = None,
           metadata: Any = None) -> Tensor:
    memory, dtype = storage
    step = dtype.itemsize
    t = of_array(placed(memory, dtype, tuple(size), tuple([s * step for s in stride]), offset * step))
    return t.requires_grad_() if requires_grad else t


def parameter(data: Tensor, requires_grad: bool = True, hooks: Any = None, state: Any = None) -> Tensor:
    if type(data) is not Tensor:
        raise ValueError("parameter")
    return import_module(f"{__package__}.nn").Parameter(data.detach(), bool(requires_grad))  # type: ignore[no-any-return]


def encoded(text: str, encoding: str) -> bytes:
    if encoding != "latin1":
        raise ValueError("encoding")
    return text.encode("latin1")


def cpu(*place: Any) -> Any:
    if place[0] != "cpu":
        raise refused(f"a device {place[0]!r}")
    return CPU


CALLS: dict[str, Callable[..., Any]] = {
    "collections OrderedDict": OrderedDict, "torch._utils _rebuild_tensor_v2": tensor,
    "torch._utils _rebuild_tensor": tensor, "torch._utils _rebuild_parameter": parameter,
    "torch._utils _rebuild_parameter_with_state": parameter, "torch Size": Size, "torch device": cpu,
    "_codecs encode": encoded, "builtins set": set, "__builtin__ set": set, "builtins frozenset": frozenset,
    "__builtin__ frozenset": frozenset, "builtins bytes": lambda: b"", "__builtin__ bytes": lambda: b"",
}


def known(module: str, name: str) -> Any:
    """What a name in a file means."""
    full = f"{module} {name}"
    if full in CALLS:
        return Called(full, CALLS[full])
    if module == "torch":
        if name in DTYPES or name in ALIASES:
            return DTYPES[ALIASES.get(name, name)]
        kind = name.removesuffix("Storage")
        if kind != name and kind in STORAGES:
            return Called(full, np.dtype)
        lacking = FOREIGN_STORAGES.get(kind, name)
        if lacking in LACKING:
            raise UnpicklingError(f"load: {FOREIGN} {lacking} there, which tinytensor.torch does not have; expected "
                                  f"one of {', '.join(DTYPES)}; in PyTorch convert it first: "
                                  f"x.to(torch.{LACKING[lacking]})")
    raise refused(f"a {module}.{name}")


# --- the machine ---


class Machine:
    """Follows a pickle: each step takes from the stack, or puts there."""

    def __init__(self, archive: ZipFile, prefix: str, name: str, anywhere: bool) -> None:
        self.archive, self.prefix, self.name, self.anywhere = archive, prefix, name, anywhere
        self.data, self.at = archive.read(f"{prefix}data.pkl"), 0
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.storages: dict[str, Any] = {}
        try:
            self.order: Any = {b"little": "<", b"big": ">"}[archive.read(f"{prefix}byteorder").strip()]
        except KeyError:
            self.order = "<"

    def take(self, n: int) -> bytes:
        if n < 0 or self.at + n > len(self.data):
            raise EOFError
        self.at += n
        return self.data[self.at - n : self.at]

    def number(self, form: str) -> Any:
        return struct.unpack(f"<{form}", self.take(struct.calcsize(form)))[0]

    def line(self) -> str:
        end = self.data.index(b"\n", self.at)
        return self.take(end + 1 - self.at)[:-1].decode()

    def marked(self) -> list[Any]:
        """Pop all that is above the last mark, and the mark."""
        place = max(i for i, x in enumerate(self.stack) if x is MARK)
        found = self.stack[place + 1 :]
        del self.stack[place:]
        return found

    def popped(self, n: int) -> list[Any]:
        if n > len(self.stack):
            raise IndexError
        found = self.stack[len(self.stack) - n :]
        del self.stack[len(self.stack) - n :]
        return found

    def storage(self, given: Any) -> Any:
        """The memory that a persistent id names, and the dtype of its elements."""
        kind, typed, key, location, count = given
        if kind != "storage" or type(typed) is not Called or not typed.name.endswith("Storage"):
            raise refused(f"a {kind}")
        if location != "cpu" and not self.anywhere:
            raise RuntimeError(f"load: {self.name}: got tensors saved on {location!r}; expected 'cpu', where "
                               f"everything is here; write torch.load(f, map_location='cpu')")
        dtype = np.dtype(STORAGES[typed.name.removeprefix("torch ").removesuffix("Storage")]).newbyteorder(self.order)
        if key not in self.storages:
            memory = np.frombuffer(self.archive.read(f"{self.prefix}data/{key}"), np.uint8).copy()
            if memory.nbytes != count * dtype.itemsize:
                raise ValueError("storage")
            if not dtype.isnative:
                memory = memory.view(dtype).astype(dtype.newbyteorder("=")).view(np.uint8)
            if dtype.kind == "b":
                memory = (memory != 0).view(np.uint8)
            self.storages[key] = memory
        return self.storages[key], dtype.newbyteorder("=")

    def call(self, function: Any, args: Any) -> Any:
        if type(function) is not Called or type(args) is not tuple or function.name.endswith("Storage"):
            raise refused(f"a call of {function!r:.60}")
        return function.function(*args)

    def build(self, x: Any, state: Any) -> None:
        """The attributes of an object: only a state_dict has one, the versions of its modules, which are not needed."""
        if type(x) is not OrderedDict or type(state) is not dict or state.keys() - {"_metadata"}:
            raise refused(f"{a_type(x)} with attributes")

    def run(self) -> Any:
        while (step := self.take(1)) != b".":
            if step not in STEPS:
                raise refused(f"something that needs the step {step!r} of a pickle")
            STEPS[step](self)
        (result,) = self.stack
        return result

    # --- steps of more than a line ---

    def remember(self, i: int) -> None:
        self.memo[i] = self.stack[-1]

    def named(self) -> None:
        module, name = self.popped(2)
        self.stack.append(known(module, name))

    def extend(self, items: list[Any]) -> None:
        if type(self.stack[-1]) is not list:
            raise ValueError("append")
        self.stack[-1].extend(items)

    def store(self, items: list[Any]) -> None:
        if type(self.stack[-1]) not in (dict, OrderedDict) or len(items) % 2:
            raise ValueError("setitem")
        self.stack[-1].update(zip(items[::2], items[1::2], strict=True))

    def add(self, items: list[Any]) -> None:
        if type(self.stack[-1]) is not set:
            raise ValueError("add")
        self.stack[-1].update(items)

    def reduce(self) -> None:
        function, args = self.popped(2)
        self.stack.append(self.call(function, args))

    def attributes(self) -> None:
        (state,) = self.popped(1)
        self.build(self.stack[-1], state)


def pushes(value: Callable[[Machine], Any]) -> Callable[[Machine], None]:
    """The step that puts a value on the stack."""
    return lambda m: m.stack.append(value(m))


STEPS: dict[bytes, Callable[[Machine], Any]] = {
    b"\x80": lambda m: m.take(1), b"\x95": lambda m: m.take(8), b"(": pushes(lambda m: MARK),
    b"0": lambda m: m.popped(1), b"N": pushes(lambda m: None), b"\x88": pushes(lambda m: True),
    b"\x89": pushes(lambda m: False),
    # numbers and text
    b"K": pushes(lambda m: m.number("B")), b"M": pushes(lambda m: m.number("H")), b"J": pushes(lambda m: m.number("i")),
    b"\x8a": pushes(lambda m: int.from_bytes(m.take(m.number("B")), "little", signed=True)),
    b"\x8b": pushes(lambda m: int.from_bytes(m.take(m.number("i")), "little", signed=True)),
    b"G": pushes(lambda m: struct.unpack(">d", m.take(8))[0]),
    b"X": pushes(lambda m: m.take(m.number("I")).decode("utf-8", "surrogatepass")),
    b"\x8c": pushes(lambda m: m.take(m.number("B")).decode("utf-8", "surrogatepass")),
    b"\x8d": pushes(lambda m: m.take(m.number("Q")).decode("utf-8", "surrogatepass")),
    b"B": pushes(lambda m: m.take(m.number("I"))), b"C": pushes(lambda m: m.take(m.number("B"))),
    # containers
    b")": pushes(lambda m: ()), b"]": pushes(lambda m: []), b"}": pushes(lambda m: {}),
    b"\x8f": pushes(lambda m: set()),
    b"t": pushes(lambda m: tuple(m.marked())), b"l": pushes(lambda m: m.marked()),
    b"\x85": pushes(lambda m: tuple(m.popped(1))), b"\x86": pushes(lambda m: tuple(m.popped(2))),
    b"\x87": pushes(lambda m: tuple(m.popped(3))), b"\x91": pushes(lambda m: frozenset(m.marked())),
    b"a": lambda m: m.extend(m.popped(1)), b"e": lambda m: m.extend(m.marked()),
    b"s": lambda m: m.store(m.popped(2)), b"u": lambda m: m.store(m.marked()), b"\x90": lambda m: m.add(m.marked()),
    # what was there before
    b"q": lambda m: m.remember(m.number("B")), b"r": lambda m: m.remember(m.number("I")),
    b"\x94": lambda m: m.remember(len(m.memo)), b"h": pushes(lambda m: m.memo[m.number("B")]),
    b"j": pushes(lambda m: m.memo[m.number("I")]),
    # names and calls
    b"c": pushes(lambda m: known(m.line(), m.line())), b"\x93": lambda m: m.named(), b"R": lambda m: m.reduce(),
    b"\x81": lambda m: m.reduce(), b"b": lambda m: m.attributes(),
    b"Q": pushes(lambda m: m.storage(m.popped(1)[0])),
}


def unpickled(archive: ZipFile, prefix: str, name: str, anywhere: bool) -> Any:
    """What a file of PyTorch's holds."""
    return Machine(archive, prefix, name, anywhere).run()
