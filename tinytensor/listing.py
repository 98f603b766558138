"""Writes a page for each package, with the signature and the first paragraph of every public name.

`reference.py` writes these pages together with that of the ops. Nothing is checked here but that each name has a
docstring of its own.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any, NamedTuple

import numpy as np

from .apply import PUBLIC

ROOT = Path(__file__).resolve().parent
PACKAGES = {  # each page, and the modules whose public names it lists
    "nn": ("nn", "nn.functional", "nn.init"),
    "optim": ("optim",),
    "text": ("text", "text.sampling"),
    "models": ("models",),
    "testing": ("testing", "testing.strategies", "testing.breaks"),
    "diagnostics": ("diagnostics.health", "diagnostics.graph", "diagnostics.plot"),
    "": ("", "random", "compiler", "checkpoint", "value"),
}
HEADINGS = {  # the headings of files, in the order in which they stand; others follow under their own names
    "core": "Tensor", "autograd": "gradients", "modes": "with and without recording",
    "transforms": "functions of functions", "random": "random numbers", "data": "minibatches",
    "checkpoint": "saving and loading", "compiler": "compiling a step", "anomaly": "finding a nan",
    "guarding": "finding overwritten values", "recomputing": "less memory", "machine": "threads and memory",
    "value": "the scalar engine",
    "nn/module": "modules", "nn/parameter": "parameters", "nn/containers": "containers",
    "nn/layers": "linear, embedding, flatten, common activations", "nn/nonlinear": "more activations",
    "nn/norm": "normalisation", "nn/images": "normalisation of images and groups", "nn/dropout": "dropout",
    "nn/conv": "convolutions", "nn/pools": "pooling", "nn/borders": "padding and resizing",
    "nn/attention": "attention", "nn/multihead": "multi-head attention", "nn/recurrent": "recurrent layers",
    "nn/criteria": "losses", "nn/functional": "nn.functional", "nn/init": "nn.init",
    "optim/optimizer": "what all optimisers share", "optim/descent": "SGD", "optim/adaptive": "Adam and relatives",
    "optim/groups": "parameter groups", "optim/schedules": "schedules",
    "optim/plateau": "a rate that falls when the loss does not", "optim/clip": "clipping",
    "optim/average": "averages of the weights", "optim/best": "the best weights",
    "text/corpus": "items, vocabularies, windows, batches", "text/tokenizer": "tokenizer",
    "text/sampling": "text.sampling", "models/gpt": "GPT", "models/kv_cache": "a GPT's cache",
    "models/wavenet": "WaveNet", "models/makemore": "makemore's models",
    "testing/gradcheck": "gradcheck", "testing/ops": "checks of an op", "testing/oracles": "another implementation",
    "testing/invariants": "dtypes and memory", "testing/compare": "gradients by hand",
    "testing/strategies": "testing.strategies", "testing/breaks": "testing.breaks",
    "diagnostics/health": "diagnostics.health", "diagnostics/graph": "diagnostics.graph",
    "diagnostics/plot": "diagnostics.plot",
}
SHOWN = {  # of a class whose other methods are the package's own affair
    "CompiledStep": ("explain", "source", "program"),
    "Optimizer": ("step", "zero_grad", "lr", "add_param_group", "state_dict", "load_state_dict"),
    "Tensor": ("backward", "detach", "numpy", "item", "tolist", "register_hook", "retain_grad"),
    "KVCache": (),
}
NO_NAMES = " The public names; nothing is defined here."
TOP_INTRODUCTION = """\
What stands in `tinytensor` itself, and pages of all other names:

- [functions of arrays and Tensors, and their gradients](ops/REFERENCE.md), `tt.exp`, `tt.matmul`, ...
"""


class Entry(NamedTuple):
    """A line of a page."""

    section: str  # the heading that it stands under
    name: str
    signature: str
    summary: str


# --- what is public ---


def public(module: ModuleType) -> dict[str, Any]:
    """The functions and classes of a module that users are meant to find, by name."""
    listed = getattr(module, "__all__", None)
    top = module.__name__ == "tinytensor"
    if listed is None or top:
        listed = [name for name, x in vars(module).items() if not name.startswith("_")
                  and (top or getattr(x, "__module__", "") == module.__name__)]
    found = {name: getattr(module, name) for name in listed}
    return {name: x for name, x in found.items() if isinstance(x, type | FunctionType)
            and x.__module__.startswith("tinytensor") and not (top and name in PUBLIC)}


def methods(cls: type) -> Iterator[tuple[str, Any]]:
    """The public methods that a class itself defines and describes."""
    if cls.__name__ in SHOWN:
        yield from ((name, vars(cls)[name]) for name in SHOWN[cls.__name__])
        return
    for name, x in vars(cls).items():
        f = x.__func__ if isinstance(x, classmethod | staticmethod) else x
        known = isinstance(f, FunctionType) and not name.startswith("_") and name not in ("forward", "extra_repr")
        if known and f.__doc__ and f.__module__ == cls.__module__:
            yield name, f


# --- what is said of it ---


def signature(f: Any, skip: int = 0) -> str:
    """The parameters and their defaults, without types."""
    if isinstance(f, property) or (isinstance(f, type) and issubclass(f, Exception)):
        return ""
    given = list(inspect.signature(f).parameters.values())[skip:]
    plain, parts, named = inspect.Parameter, list[str](), False
    for p in given:
        if p.kind is plain.KEYWORD_ONLY and not named:
            parts += [] if any(q.kind is plain.VAR_POSITIONAL for q in given) else ["*"]
            named = True
        star = "*" if p.kind is plain.VAR_POSITIONAL else "**" if p.kind is plain.VAR_KEYWORD else ""
        parts.append(f"{star}{p.name}" + ("" if p.default is plain.empty else f"={default(p.default)}"))
    return f"({', '.join(parts)})".replace("|", "\\|")


def default(value: Any) -> str:
    if callable(value):
        return str(getattr(value, "__name__", value))
    if isinstance(value, np.dtype):
        return value.name
    return f"{value:.4g}" if isinstance(value, float) and len(repr(value)) > 8 else repr(value)


def summary(x: Any) -> str:
    """The first paragraph of the docstring; a class that inherits its docstring has none."""
    own = vars(x).get("__doc__") if isinstance(x, type) else x.__doc__
    return " ".join((own or "").partition("\n\n")[0].split()).replace("|", "\\|")


def entries(package: str) -> Iterator[Entry]:
    """The lines of a page, by module and file."""
    seen = set[int]()
    for path in PACKAGES[package]:
        module = import_module(f"tinytensor.{path}".rstrip("."))
        inner = path if path != package else ""
        for name, x in public(module).items():
            if id(x) in seen:
                continue
            seen.add(id(x))
            section = x.__module__ if not inner and path != "compiler" else module.__name__
            yield Entry(section, name, signature(x), summary(x))
            if isinstance(x, type) and not issubclass(x, Exception):
                for method, f in methods(x):
                    skip = not isinstance(vars(x)[method], staticmethod)
                    yield Entry(section, f"{name}.{method}", signature(f, skip), summary(f))


# --- the pages ---


def path_in(section: str) -> str:
    return section.removeprefix("tinytensor.").replace(".", "/")


def heading(section: str) -> str:
    path = path_in(section)
    return HEADINGS.get(path, path.rpartition("/")[2].replace("_", " "))


def order(section: str) -> int:
    return [*HEADINGS, path_in(section)].index(path_in(section))


def opening(module: str) -> str:
    """The first line of a module's docstring."""
    return (import_module(module).__doc__ or "").partition("\n")[0].removesuffix(NO_NAMES)


def path_of(package: str) -> Path:
    return ROOT / package / "REFERENCE.md"


def page(package: str) -> str:
    """The text of a page."""
    found: dict[str, list[Entry]] = {}
    for entry in entries(package):
        found.setdefault(entry.section, []).append(entry)
    sections = {section: found[section] for section in sorted(found, key=order)}
    title = f"tinytensor.{package}".rstrip(".")
    lines = ["<!-- Written by `python -m tinytensor.reference`: change the docstrings, not this file. -->",
             f"# {title}", "", opening(title), ""]
    if not package:
        lines += [*TOP_INTRODUCTION.splitlines(),
                  *(f"- [{p}]({p}/REFERENCE.md): {opening(f'tinytensor.{p}')}" for p in PACKAGES if p),
                  "- [torch](../examples/guides/from_pytorch.md): PyTorch's names", ""]
    anchors = {s: re.sub(r"[^\w -]", "", heading(s)).replace(" ", "-").lower() for s in sections}
    lines += [f"- [{heading(s)}](#{anchors[s]})" for s in sections]
    for section, rows in sections.items():
        lines += ["", f"## {heading(section)}", "", *([opening(section), ""] if section != title else []),
                  "| name | what it does |", "| --- | --- |",
                  *(f"| `{e.name}{e.signature}` | {e.summary} |" for e in rows)]
    return "\n".join(lines) + "\n"


def undocumented() -> list[str]:
    """Names on any page that have no docstring of their own."""
    return [f"{package or 'tinytensor'}: {e.name} has no docstring" for package in PACKAGES
            for e in entries(package) if not e.summary]
