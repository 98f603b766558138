"""PyTorch's older constructors, named by dtype: torch.FloatTensor, torch.LongTensor and their kin."""

from __future__ import annotations

from typing import Any

from .creation import made, read, zeros
from .dtypes import DTYPES, of
from .offer import FUNCTIONS
from .tensor import Tensor

NAMES = {"FloatTensor": "float32", "DoubleTensor": "float64", "HalfTensor": "float16", "LongTensor": "int64",
         "IntTensor": "int32", "ShortTensor": "int16", "CharTensor": "int8", "ByteTensor": "uint8",
         "BoolTensor": "bool"}


class OfDtype(type):
    """What makes tensors of one dtype when called, and says of a tensor whether it has that dtype."""

    dtype: Any

    def __call__(cls, *given: Any) -> Tensor:
        if len(given) == 1 and isinstance(given[0], Tensor):
            if given[0].dtype is not cls.dtype:
                raise TypeError(f"{cls.__name__}: got a tensor of {given[0].dtype}; expected {cls.dtype}; convert it: "
                                f"x.to({cls.dtype})")
            return given[0].detach()
        if len(given) == 1 and isinstance(given[0], float):
            raise TypeError(f"{cls.__name__}: data must be a sequence (got float); write [{given[0]}], or use "
                            f"torch.tensor")
        if len(given) == 1 and hasattr(given[0], "__len__") and type(given[0]).__name__ != "Size":
            return made(read(given[0], cls.dtype))
        return zeros(*given, dtype=cls.dtype) if given else zeros(0, dtype=cls.dtype)  # type: ignore[no-any-return]

    def __instancecheck__(cls, x: Any) -> bool:
        return isinstance(x, Tensor) and of(x.node.data.dtype) is cls.dtype


for name, known in NAMES.items():
    FUNCTIONS[name] = OfDtype(name, (), {"dtype": DTYPES[known], "__doc__": f"Makes tensors of torch.{known}."})
