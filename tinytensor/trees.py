"""Nested lists, tuples and dicts of arrays, and Modules, as a list of leaves, and back.

None is an empty structure, as in JAX. A Module means the dict of its parameters that require grad, by name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from .advice import a_type


def is_module(x: Any) -> bool:
    return hasattr(x, "named_parameters") and not isinstance(x, type)


def children(tree: Any) -> list[tuple[Any, Any]] | None:
    """The parts of a structure with their keys, or None for a leaf."""
    if tree is None:
        return []
    if isinstance(tree, dict):
        return list(tree.items())
    if isinstance(tree, list | tuple):
        return list(enumerate(tree))
    if is_module(tree):
        return [(name, p) for name, p in tree.named_parameters() if p.requires_grad]
    return None


def tree_leaves(tree: Any, of_module: Callable[[Any], Any] | None = None) -> list[Any]:
    """Every leaf, in order; with `of_module` without those inside of Modules."""
    found: list[Any] = []
    tree_map(lambda leaf, _: found.append(leaf), tree, of_module)
    return found


def keep_module(module: Any) -> Any:
    """An `of_module` that leaves a Module as it is."""
    return module


def tree_map(function: Callable[[Any, str], Any], tree: Any, of_module: Callable[[Any], Any] | None = None,
             path: str = "") -> Any:
    """The same structure with ``function(leaf, path)`` for every leaf; a path looks like ``['layers'][0]``.

    A Module becomes a dict, or what `of_module` returns for it.
    """
    if of_module is not None and is_module(tree):
        return of_module(tree)
    parts = children(tree)
    if parts is None:
        return function(tree, path)
    others = [tree_map(function, part, of_module, f"{path}[{key!r}]") for key, part in parts]
    if tree is None:
        return None
    if isinstance(tree, list | tuple):
        return type(tree)(*others) if hasattr(tree, "_fields") else type(tree)(others)
    return dict(zip([key for key, _ in parts], others, strict=True))


def tree_unflatten(tree: Any, values: Iterator[Any]) -> Any:
    """The structure of `tree` with leaves taken in order from `values`."""
    return tree_map(lambda *_: next(values), tree)


def tree_zip(tree: Any, other: Any, what: str) -> list[tuple[Any, Any, str]]:
    """Each leaf of `tree` with that of `other`, which must have the same structure, and the path of the latter."""
    parts, own = children(tree), children(other)
    if parts is None:
        return [(tree, other, what)]
    keys: Iterable[Any] = [key for key, _ in parts]
    if own is None or {*keys} != {key for key, _ in own}:
        raise ValueError(f"{what}: got {describe(other)}; expected the structure of {describe(tree)}; pass one value "
                         f"for each part")
    found = dict(own)
    return [pair for key, part in parts for pair in tree_zip(part, found[key], f"{what}[{key!r}]")]


def describe(tree: Any) -> str:
    """A structure in words: its type and its parts."""
    if tree is None:
        return "None"
    parts, kind = children(tree), a_type(tree)
    if parts is None:
        return kind + (f" of shape {tree.shape}" if hasattr(tree, "shape") else "")
    if isinstance(tree, list | tuple):
        return f"{kind} of {len(tree)}"
    return f"{kind} with {', '.join(repr(key) for key, _ in parts) or 'nothing'}"
