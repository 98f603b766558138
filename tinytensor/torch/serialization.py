"""`torch.save` and `torch.load`: tensors, and containers of them, to a file and back; no pickle, so no file runs code.

A file is an .npz of our own: a description in JSON and the memory of the tensors. `load` also reads files that PyTorch
itself has saved, as far as they hold tensors and plain values (`pytorch_files.py`). Whole modules are not saved.
"""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
from numpy.lib.array_utils import byte_bounds

from ..advice import a_type
from ..checkpoint import CheckpointError, replace, writable
from .dtypes import DTYPES, Size, device, dtype, on_cpu
from .offer import offer
from .pytorch_files import FOREIGN, placed, unpickled
from .tensor import Tensor, of_array, owner

FORMAT = "tinytensor.torch 1"
SEQUENCES: dict[str, Any] = {"tuple": tuple, "set": set, "frozenset": frozenset, "size": Size}
MAPPINGS: dict[str, Any] = {"dict": dict, "ordered": OrderedDict}


# --- from objects to a description in JSON ---


class Writer:
    """Describes an object, and collects the memory of its tensors; tensors that share memory go on sharing it."""

    def __init__(self, root: Any) -> None:
        self.arrays: list[Any] = []  # one for each piece of memory
        self.pieces: dict[int, tuple[int, int]] = {}  # the number of an array -> its piece, and its offset in it
        self.found: list[Any] = []
        self.tree = self.described(root, "the object", ())
        self.collect()

    def described(self, x: Any, name: str, above: tuple[int, ...]) -> Any:
        """An object as JSON can hold it."""
        if x is None or type(x) in (bool, int, float, str):
            return x
        if id(x) in above:
            raise RuntimeError(f"save: {name} contains itself; expected containers that end; take it out")
        inner = (*above, id(x))
        if isinstance(x, Tensor):
            return self.tensor(x, name)
        if isinstance(x, np.ndarray) and x.dtype.kind in "biuf":
            return {"array": self.array(x)}
        if isinstance(x, np.generic) and x.dtype.kind in "biuf":
            return self.described(x.item(), name, above)
        if isinstance(x, dtype | device | bytes):
            kind = "dtype" if isinstance(x, dtype) else "device" if isinstance(x, device) else "bytes"
            return {kind: x.name if isinstance(x, dtype) else x.hex() if isinstance(x, bytes) else str(x)}
        if type(x) is list:
            return [self.described(v, f"{name}[{i}]", inner) for i, v in enumerate(x)]
        for kind, cls in SEQUENCES.items():
            if type(x) is cls:
                return {kind: [self.described(v, f"{name}[{i}]", inner) for i, v in enumerate(x)]}
        for kind, cls in MAPPINGS.items():
            if type(x) is cls:
                return {kind: [[self.described(k, f"a key of {name}", inner),
                                self.described(v, f"{name}[{k!r}]", inner)] for k, v in x.items()]}
        advice = "save its state_dict() instead" if hasattr(x, "state_dict") else "leave it out, or save its parts"
        raise RuntimeError(f"save: got {a_type(x)} for {name}; expected tensors, numbers, text, and dicts, "
                           f"lists, tuples and sets of them; {advice}")

    def tensor(self, x: Tensor, name: str) -> Any:
        kind = type(x).__name__.lower()
        if kind not in ("tensor", "parameter"):
            raise RuntimeError(f"save: got {a_type(x)} for {name}; expected a tensor; save x.detach()")
        return {kind: [self.array(x.node.data), x.node._requires_grad]}

    def array(self, a: Any) -> int:
        if not isinstance(a, np.ndarray):
            raise RuntimeError("save: got a tensor within a compiled function; expected values; save it outside")
        self.found.append(a)
        return len(self.found) - 1

    def collect(self) -> None:
        """Cut the memory of all arrays into pieces: arrays that overlap lie in one, others each in their own."""
        spans = sorted((*byte_bounds(a), i) for i, a in enumerate(self.found) if a.size)
        groups: list[tuple[int, int, list[int]]] = []
        for low, high, i in spans:
            if groups and low < groups[-1][1] and owner(self.found[i]) is owner(self.found[groups[-1][2][0]]):
                start, end, members = groups.pop()
                groups.append((start, max(end, high), [*members, i]))
            else:
                groups.append((low, high, [i]))
        for low, high, members in groups:
            a = self.found[members[0]]
            if len(members) == 1 and high - low != a.nbytes:  # alone, with gaps: without them
                self.found[members[0]] = a = np.ascontiguousarray(a)
                low, high = byte_bounds(a)
            for i in members:
                self.pieces[i] = (len(self.arrays), start_of(self.found[i]) - low)
            self.arrays.append(np.array(np.asarray(Memory(low, high - low, a))))

    def arrangement(self) -> list[Any]:
        """For each array: its dtype, shape, strides, piece, and offset in it."""
        return [[a.dtype.newbyteorder("<").str, a.shape, a.strides, *self.pieces.get(i, (-1, 0))]
                for i, a in enumerate(self.found)]


def start_of(a: Any) -> int:
    """The address of an array's first element."""
    return a.__array_interface__["data"][0]  # type: ignore[no-any-return]


class Memory:
    """Bytes from an address on, within an array that is kept."""

    def __init__(self, address: int, size: int, keep: Any) -> None:
        self.keep = keep
        self.__array_interface__ = {"data": (address, True), "shape": (size,), "typestr": "|u1", "version": 3}


# --- from a description to objects ---


class Reader:
    """Makes the objects that a description means."""

    def __init__(self, description: Any, memory: Callable[[int], Any]) -> None:
        pieces: dict[int, Any] = {}
        self.arrays = []
        for typed, shape, strides, piece, start in description["arrays"]:
            if piece not in pieces:
                pieces[piece] = np.zeros(0, np.uint8) if piece < 0 else np.array(memory(piece))
            kind = np.dtype(typed)
            if kind.kind not in "biuf":
                raise ValueError("dtype")
            array = placed(pieces[piece], kind, tuple(shape), tuple(strides), start)
            self.arrays.append(array if kind.isnative else array.astype(kind.newbyteorder("=")))
        self.root = self.made(description["object"])

    def made(self, x: Any) -> Any:
        if isinstance(x, list):
            return [self.made(v) for v in x]
        if not isinstance(x, dict):
            return x
        ((kind, value),) = x.items()
        if kind in ("tensor", "parameter"):
            t = of_array(self.arrays[value[0]])
            if kind == "parameter":
                return import_module(f"{__package__}.nn").Parameter(t, requires_grad=value[1])
            return t.requires_grad_() if value[1] else t
        if kind == "array":
            return self.arrays[value]
        if kind in MAPPINGS:
            return MAPPINGS[kind]((self.made(k), self.made(v)) for k, v in value)
        if kind in SEQUENCES:
            return SEQUENCES[kind](self.made(v) for v in value)
        return DTYPES[value] if kind == "dtype" else bytes.fromhex(value) if kind == "bytes" else device(value)


# --- the file ---


@offer()
def save(obj: Any, f: Any, pickle_module: Any = None, pickle_protocol: int | None = None) -> None:
    """Save tensors, numbers, text, and dicts, lists, tuples and sets of them, such as a module's state_dict.

    A path is written whole or not at all: until the end the old file stands. Tensors that share memory share it after
    `load` too. A view with gaps is saved without them, unless another tensor shares its memory. The format is our own,
    which PyTorch does not read; the protocol changes nothing, for no pickle is written.

    Examples
    --------
    >>> import io, tinytensor.torch as torch
    >>> file = io.BytesIO()
    >>> torch.save({"weight": torch.ones(2), "step": 5}, file)
    >>> torch.load(file)
    {'weight': tensor([1., 1.]), 'step': 5}
    """
    if pickle_module is not None:
        raise RuntimeError("save: got pickle_module; expected none, for no pickle is written; leave it out")
    try:
        writer = Writer(obj)
    except RecursionError:
        raise RuntimeError("save: got containers nested too deep; expected some hundreds; flatten them") from None
    text = json.dumps({"format": FORMAT, "object": writer.tree, "arrays": writer.arrangement()})
    arrays: dict[str, Any] = {f"memory{i}": a for i, a in enumerate(writer.arrays)}

    def write(file: Any) -> None:
        np.savez(file, allow_pickle=False, description=np.frombuffer(text.encode(), np.uint8), **arrays)

    if isinstance(f, str | os.PathLike):
        try:
            replace(writable(Path(f)), write)
        except CheckpointError as error:
            raise RuntimeError(f"save: {error}") from None
    elif hasattr(f, "write"):
        write(whole := io.BytesIO())
        f.write(whole.getvalue())
    else:
        raise AttributeError(f"save: got {a_type(f)} for f; expected a path, or a file that is open for "
                             f"writing; write torch.save(obj, 'model.pt')")


@offer()
def load(f: Any, map_location: Any = None, pickle_module: Any = None, *, weights_only: bool | None = None,
         mmap: bool | None = None) -> Any:
    """What `save` saved, or PyTorch: tensors and plain values.

    Nothing in a file is run, so `weights_only` and `mmap` change nothing. Tensors of a file that PyTorch saved on a GPU
    need ``map_location="cpu"``.

    Raises
    ------
    FileNotFoundError, RuntimeError, pickle.UnpicklingError
        There is no file; it is damaged, or of another kind; PyTorch has saved something else than plain values there.
    """
    if map_location is not None:
        if callable(map_location) or isinstance(map_location, dict):
            raise RuntimeError(f"load: got {a_type(map_location)} for map_location; expected 'cpu', for all "
                               f"tensors are there; write map_location='cpu'")
        on_cpu(map_location)
    if pickle_module is not None:
        raise RuntimeError("load: got pickle_module; expected none, for no pickle is run; leave it out")
    if isinstance(f, str | os.PathLike):
        try:
            with open(f, "rb") as file:
                return read(file, os.fspath(f), map_location is not None)
        except OSError as error:
            raise type(error)(error.errno, f"load: {f}: {error.strerror}; expected a file that torch.save wrote; look "
                                           f"at its name") from None
    if not (hasattr(f, "read") and hasattr(f, "seek")):
        raise AttributeError(f"load: got {a_type(f)} for f; expected a path, or a file that is open for "
                             f"reading and can seek; write torch.load('model.pt')")
    return read(f, "the file", map_location is not None)


def read(file: Any, name: str, anywhere: bool) -> Any:
    """What an open file holds."""
    try:
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()
            if "description.npy" in names:
                file.seek(0)
                with np.load(file, allow_pickle=False) as arrays:
                    description = json.loads(bytes(arrays["description"]))
                    if description["format"] == FORMAT:
                        return Reader(description, lambda i: arrays[f"memory{i}"]).root
                raise RuntimeError(f"load: {name}: its format is {description['format']!r}; expected {FORMAT!r}; load "
                                   f"it with what wrote it, such as tinytensor.checkpoint")
            inside = [n for n in names if n.endswith("data.pkl")]
            if any(n.endswith("constants.pkl") for n in names):
                raise RuntimeError(f"load: {name}: this is a TorchScript archive, which holds code; expected tensors; "
                                   f"in PyTorch save its state_dict()")
            if len(inside) == 1:
                return unpickled(archive, inside[0].removesuffix("data.pkl"), name, anywhere)
        raise RuntimeError(f"load: {name}: this zip file is none that torch.save wrote; expected one; look at its name")
    except (UnpicklingError, RuntimeError) as error:
        if FOREIGN in str(error) or str(error).startswith("load:"):
            raise
        raise damaged(file, name, error) from None
    except Exception as error:  # a damaged file can fail in any way
        raise damaged(file, name, error) from None


def damaged(file: Any, name: str, error: Exception) -> RuntimeError:
    """What to say of a file that can not be read."""
    file.seek(0)
    if file.read(1) == b"\x80":
        return RuntimeError(f"load: {name}: this is a pickle, as PyTorch saved before 1.6; expected a zip file; in "
                            f"PyTorch load and save it again")
    return RuntimeError(f"load: {name}: this is no file of torch.save, or a damaged one ({type(error).__name__}); "
                        f"expected one that is whole; take another copy")


