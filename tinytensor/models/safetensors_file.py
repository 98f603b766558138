"""Reads safetensors files with NumPy alone; bfloat16, which NumPy lacks, is widened to float32, exactly.

The format: the length of a header as 8 bytes, the header in JSON, and the bytes of all arrays. Nothing is written here,
and 8-bit floats and quantised types are refused by name.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from ..core import Array

DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1",
          "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "u1", "BOOL": "?", "C64": "<c8"}


def load_safetensors(path: str | Path) -> dict[str, Array]:
    """All arrays of a file, by name.

    Raises
    ------
    OSError
        If the file can't be read.
    ValueError
        If it is not such a file, is cut short, or has a dtype that NumPy lacks; the text is the reason alone.

    Examples
    --------
    >>> import struct, tempfile
    >>> header = b'{"a": {"dtype": "BF16", "shape": [2], "data_offsets": [0, 4]}}'
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "a.safetensors")
    ...     size = path.write_bytes(struct.pack("<Q", len(header)) + header + bytes.fromhex("803f c0bf"))
    ...     load_safetensors(path)
    {'a': array([ 1. , -1.5], dtype=float32)}
    """
    with Path(path).open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length > Path(path).stat().st_size:
            raise ValueError(f"its header would have {length} bytes, more than the file")
        header = json.loads(file.read(length).decode())
        content = np.fromfile(file, np.uint8)
    try:
        header.pop("__metadata__", None)
        return arrays_of(header, content)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"its header does not describe arrays: {error!r}") from error


def arrays_of(header: dict[str, Any], content: Array) -> dict[str, Array]:
    """The arrays that a header describes: side by side, without holes, as the format demands."""
    end, arrays = 0, dict[str, Array]()
    for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        start, stop = entry["data_offsets"]
        if start != end or stop < start:
            raise ValueError(f"{name} is in bytes {start} to {stop}, and the array before it ends at {end}")
        arrays[name] = array_of(name, entry, content[start:stop])
        end = stop
    if end != content.size:
        raise ValueError(f"it has {content.size} bytes of arrays, and its header describes {end}")
    return arrays


def array_of(name: str, entry: dict[str, Any], content: Array) -> Array:
    """One array, from its entry in the header and its bytes."""
    kind, shape = entry["dtype"], tuple(entry["shape"])
    if kind not in DTYPES:
        raise ValueError(f"{name} has dtype {kind}, which is none of {', '.join(DTYPES)}")
    dtype = np.dtype(DTYPES[kind])
    if content.size != math.prod(shape) * dtype.itemsize:
        raise ValueError(f"{name} of shape {shape} and dtype {kind} has {content.size} bytes")
    a: Array = content.view(dtype).reshape(shape)
    return widened(a) if kind == "BF16" else a


def widened(bits: Array) -> Array:
    """The float32s whose upper halves are these bits: every bfloat16 is one."""
    a: Array = np.left_shift(bits, 16, dtype=np.uint32, out=np.empty(bits.shape, np.uint32))  # subtle: 0-d stays so
    return a.view(np.float32)
