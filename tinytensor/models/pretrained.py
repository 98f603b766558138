"""Reads a file of GPT-2's weights, safetensors or npz, as sizes and a state for `GPT`.

Nothing is computed or downloaded, and no pickle is opened.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from ..core import Array
from ..random import Generator
from .safetensors_file import load_safetensors

HEAD = 64  # the width of a head, in all four sizes of GPT-2
T = TypeVar("T")


class WeightsError(ValueError):
    """A file that holds no weights of a GPT-2, in one line: what was got, what was expected, what to do."""


class SkipInit(Generator):
    """A generator that draws nothing: a file replaces the weights, and drawing them would take most of the time."""

    def uniform_(self, x: T, a: float = 0.0, b: float = 1.0) -> T:
        return x

    def normal_(self, x: T, mean: float = 0.0, std: float = 1.0) -> T:
        return x


def gpt2(path: str | Path, heads: int | None = None) -> tuple[dict[str, Any], dict[str, Array]]:
    """The arguments of `GPT` and the state to load into it.

    Parameters
    ----------
    path : str or Path
        A ``.safetensors`` or ``.npz`` file with GPT-2's names and shapes: see `layout`. Names may begin with
        "transformer.", and the buffers of causal masks are left out. bfloat16 becomes float32.
    heads : int, optional
        The file does not say; width // 64 if left out, as in all of OpenAI's models.

    Raises
    ------
    WeightsError
        If the file can't be read, or has other names or shapes, or the heads do not divide the width.
    """
    path = Path(path)
    arrays = {name.removeprefix("transformer."): a for name, a in read(path).items()}
    arrays = {name: a for name, a in arrays.items() if not re.fullmatch(r"h\.\d+\.attn\.(masked_)?bias", name)}
    for name in ("wte.weight", "wpe.weight"):
        if name not in arrays or arrays[name].ndim != 2 or not arrays[name].size:
            got = f"{name} of shape {arrays[name].shape}" if name in arrays else f"no {name}"
            raise WeightsError(f"{path}: got {got}; expected GPT-2's table of (rows, width); use a file of its "
                               f"weights, with its names")
    (vocabulary, width), context = arrays["wte.weight"].shape, len(arrays["wpe.weight"])
    layers = max(1, len({name.split(".")[1] for name in arrays if re.match(r"h\.\d+\.", name)}))
    check_layout(path, arrays, layout(vocabulary, context, width, layers))
    if heads is None and width % HEAD:
        raise WeightsError(f"{path}: got a width of {width}; expected a multiple of {HEAD}, the width of GPT-2's "
                           f"heads; pass the number of heads: heads=")
    heads = width // HEAD if heads is None else heads
    if heads < 1 or width % heads:
        raise WeightsError(f"{path}: got {heads} heads for a width of {width}; expected a number that divides it; "
                           f"leave heads out for heads of width {HEAD}")
    table, head = arrays["wte.weight"], arrays.setdefault("lm_head.weight", arrays["wte.weight"])
    sizes = {"vocabulary": vocabulary, "context": context, "width": width, "layers": layers, "heads": heads,
             "tied": head is table or np.array_equal(head, table), "rng": SkipInit(),
             "dtype": np.float64 if table.dtype == np.float64 else np.float32}
    return sizes, {name: a.T if name.startswith("h.") and a.ndim == 2 else a for name, a in arrays.items()}


def layout(vocabulary: int, context: int, width: int, layers: int) -> dict[str, tuple[int, ...]]:
    """The names and shapes of a GPT-2's weights in a file. Those within the Blocks are (in, out), Linear's (out, in).

    Examples
    --------
    >>> from tinytensor.models.pretrained import layout
    >>> shapes = layout(50257, 1024, 768, 12)
    >>> len(shapes), shapes["h.0.mlp.c_fc.weight"]
    (148, (768, 3072))
    """
    block = {"ln_1": (width,), "attn.c_attn": (width, 3 * width), "attn.c_proj": (width, width), "ln_2": (width,),
             "mlp.c_fc": (width, 4 * width), "mlp.c_proj": (4 * width, width)}
    parts = {f"h.{i}.{name}": shape for i in range(layers) for name, shape in block.items()} | {"ln_f": (width,)}
    shapes: dict[str, tuple[int, ...]] = {"wte.weight": (vocabulary, width), "wpe.weight": (context, width)}
    for name, shape in parts.items():
        shapes |= {f"{name}.weight": shape, f"{name}.bias": shape[-1:]}
    return shapes


def check_layout(path: Path, arrays: dict[str, Array], shapes: dict[str, tuple[int, ...]]) -> None:
    """Raise WeightsError if arrays do not have these names and shapes; a separate lm_head is optional."""
    advice = "use a file of GPT-2's weights, whose matrices in h are (in, out)"
    missing, shapes = shapes.keys() - arrays.keys(), shapes | {"lm_head.weight": shapes["wte.weight"]}
    for no, names in (("no ", missing), ("", arrays.keys() - shapes.keys())):
        if names:
            raise WeightsError(f"{path}: got {no}{first_names(names)}; expected the names of a GPT-2, and no others; "
                               f"{advice}")
    for name, a in arrays.items():
        if a.shape != shapes[name] or a.dtype.kind != "f":
            raise WeightsError(f"{path}: got {name} of shape {a.shape} and dtype {a.dtype}; expected {shapes[name]}, "
                               f"floating; {advice}")


def first_names(names: Iterable[str]) -> str:
    """The first three names, and how many more there are."""
    first, *more = sorted(names)
    return ", ".join([first, *more[:2]]) + (f" (and {len(more) - 2} more)" if len(more) > 2 else "")


def read(path: Path) -> dict[str, Array]:
    """All arrays of a file, by name."""
    if path.suffix not in (".safetensors", ".npz"):
        raise WeightsError(f"{path}: got a {path.suffix or 'name without suffix'}; expected .safetensors or .npz; "
                           f"save the weights as one of them")
    try:
        if path.suffix == ".safetensors":
            return load_safetensors(path)
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            return dict(file)
    except OSError as error:
        raise WeightsError(f"{path}: {error.strerror or error}; expected a file of weights; check the path") from error
    except Exception as error:  # a damaged file can fail in any way
        why = " ".join(str(error).split())
        raise WeightsError(f"{path}: this is no {path.suffix} file of numbers, or a damaged one ({why}); expected "
                           f"weights of a GPT-2; fetch it again if it is cut short") from error
