"""Save and load checkpoints: one .npz file with arrays and a description in JSON; no pickle, so a file can't run code.

A file is written under a temporary name, synced to the disk and renamed, so there is always the old or the new one.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from .advice import a_type

__all__ = ["CheckpointError", "load", "save"]

FORMAT = "tinytensor 1"
RESERVED = ("description", "file", "allow_pickle")  # our own entry, and arguments of np.savez


class CheckpointError(ValueError):
    """A file can't be written or read, or does not fit the object it is loaded into; the message is one line."""


# --- a tree of plain values <-> JSON and arrays ---


def flatten(tree: Any, name: str, arrays: dict[str, Any]) -> Any:
    """The tree as JSON can represent it; its arrays are moved to `arrays`, each under its path."""
    if isinstance(tree, np.ndarray):
        if tree.dtype.hasobject:
            raise CheckpointError(f"save: got {name}, an array of Python objects; expected numbers; leave it out")
        key = name.replace("\0", "'")  # a name in a .zip ends at "\0"
        while key in arrays or key in RESERVED:
            key += "'"
        arrays[key] = tree
        return {"array": key}
    if isinstance(tree, dict):  # pairs, since JSON would turn an optimiser's integer keys to strings
        return {"dict": [[flatten(k, name, arrays), flatten(v, f"{name}/{k}", arrays)] for k, v in tree.items()]}
    if isinstance(tree, list | tuple):
        items = [flatten(v, f"{name}/{i}", arrays) for i, v in enumerate(tree)]
        return items if isinstance(tree, list) else {"tuple": items}
    if isinstance(tree, np.generic):
        return flatten(tree.item(), name, arrays)
    if tree is None or isinstance(tree, bool | int | float | str):
        return tree
    raise CheckpointError(f"save: got {name} of type {type(tree).__name__}; expected arrays, numbers, strings, and "
                          "dicts, lists and tuples of them, or an object with state_dict() or get_state(); convert it, "
                          "or leave it out")


def unflatten(tree: Any, arrays: Any) -> Any:
    """The inverse of `flatten`."""
    if isinstance(tree, list):
        return [unflatten(v, arrays) for v in tree]
    if not isinstance(tree, dict):
        return tree
    ((kind, value),) = tree.items()
    if kind == "array":
        return arrays[value]
    if kind == "tuple":
        return tuple(unflatten(v, arrays) for v in value)
    return {unflatten(k, arrays): unflatten(v, arrays) for k, v in value}


# --- the file ---


def save(path: str | Path, **parts: Any) -> None:
    """Write the parts to one file, completely or not at all.

    Parameters
    ----------
    path : str or Path
        The file name; no ending is added.
    **parts : object or plain value
        Objects with ``state_dict()`` (a Module, an optimiser, an EMA) or ``get_state()`` (a Generator); or arrays,
        numbers, strings, and dicts and lists of them (the settings, the number of steps done).

    Raises
    ------
    CheckpointError
        The folder is missing or can't be written, or a part is of another type. An existing file stays as it was.

    Examples
    --------
    >>> import tempfile, tinytensor as tt
    >>> from tinytensor import checkpoint
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     checkpoint.save(f"{folder}/a.npz", rng=tt.Generator(7), step=100)
    ...     checkpoint.load(f"{folder}/a.npz")["step"]
    100
    """
    path, arrays, tree = writable(path), dict[str, Any](), dict[str, Any]()
    for name, part in parts.items():
        tree[name] = flatten(state_of(part), name, arrays)
    description = np.frombuffer(json.dumps({"format": FORMAT, "parts": tree}).encode(), np.uint8)
    replace(path, lambda file: np.savez(file, allow_pickle=False, description=description, **arrays))


def replace(path: Path, write: Callable[[Any], object]) -> None:
    """Replace a file, or make it, with what `write` writes to an open one: completely or not at all."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        try:
            with beside.open("wb") as file:
                write(file)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)
        sync_folder(path.parent)
    except OSError as error:
        raise CheckpointError(f"{path}: {error.strerror}; expected a folder that can be written; make it, or name "
                              "another file") from error


def as_path(name: str, path: str | Path) -> Path:
    """The path; TypeError if it is none."""
    if not isinstance(path, str | Path):
        raise TypeError(f"{name}: got {a_type(path)} as path; expected a string or a Path; write 'run.npz'")
    return Path(path)


def writable(path: str | Path) -> Path:
    """The path with links resolved; CheckpointError if it is not a file, or has no folder."""
    real = as_path("save", path).resolve()
    if real.exists() and not real.is_file():
        kind = "a folder" if real.is_dir() else "no ordinary file"
        raise CheckpointError(f"{path}: got {kind}; expected a file, new or to be replaced; name another")
    if not real.parent.is_dir():
        raise CheckpointError(f"{path}: there is no folder {real.parent}; expected a folder that can be written; make "
                              f"it, or name another file")
    return real


def sync_folder(folder: Path) -> None:
    """Sync the folder, so that the rename reaches the disk too, where the system can do that."""
    if hasattr(os, "O_DIRECTORY"):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def load(path: str | Path, **objects: Any) -> dict[str, Any]:
    """Read a file that `save` wrote: its parts by name, as plain values.

    Parameters
    ----------
    path : str or Path
    **objects : object
        Each gets the part of its name by ``load_state_dict()`` or ``set_state()``.

    Raises
    ------
    CheckpointError
        The file is missing, damaged, of another kind, or lacks a part; or a part does not fit its object. Then all
        objects are as before.
    """
    parts, done = read(as_path("load", path)), list[tuple[Any, Any]]()
    for name, target in objects.items():
        if name not in parts:
            raise CheckpointError(f"{path}: got the parts {', '.join(parts)}; expected {name!r} too; save it "
                                  f"with {name}=...")
        try:
            before = state_of(target)
            load_into(target, parts[name])
            done.append((target, before))
        except (ValueError, TypeError, KeyError) as error:
            for other, state in done:  # undo: all or nothing
                load_into(other, state)
            problem = "; ".join(line.strip() for line in str(error).splitlines())
            raise CheckpointError(f"{path}: its {name} does not fit: {problem}") from error
    return parts


def state_of(part: Any) -> Any:
    """The state of an object that has one; any other value as it is."""
    if hasattr(part, "state_dict"):
        return part.state_dict()
    return part.get_state() if hasattr(part, "get_state") else part


def load_into(target: Any, state: Any) -> None:
    """Load a state that `state_of` returned into an object."""
    (target.load_state_dict if hasattr(target, "load_state_dict") else target.set_state)(state)


def read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            description = json.loads(bytes(file["description"]))
            if description["format"] != FORMAT:
                raise CheckpointError(f"{path}: got the format {description['format']!r}; expected {FORMAT!r}; load "
                                      "it with the version that wrote it")
            return {name: unflatten(tree, file) for name, tree in description["parts"].items()}
    except CheckpointError:
        raise
    except OSError as error:
        raise CheckpointError(f"{path}: {error.strerror or error}; expected a checkpoint; name a file that "
                              "checkpoint.save wrote") from error
    except Exception as error:  # a damaged file can fail in any way
        raise CheckpointError(f"{path}: got no checkpoint, or a damaged one ({type(error).__name__}); expected a file "
                              "that checkpoint.save wrote; use another copy, or train again") from error


def __dir__() -> list[str]:
    return __all__
