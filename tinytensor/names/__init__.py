"""One table of PyTorch's public names: what each is called in tinytensor, where it means something else, or what to do.

It holds names and sentences, imports nothing of the package, and reads a file when a name is first looked for. The
table is the text files beside this one, a file for each namespace; a line is a name and one of

    same              tinytensor has it under this name, with this meaning
    ours NAME         tinytensor's name for it, as its own namespace or `tt.`, `nn.`, `np.` has it; or how it is written
    differs HOW       tinytensor has the name, but it means something else
    only [HOW]        only `tinytensor.torch` has it; and how it is written without
    no KIND[: HOW]    neither has it, for a reason in kinds.txt; and what to do instead, where that is no advice for all

`tinytensor.torch` offers every name but those that say `no`; the tests hold both to it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection
from functools import cache, wraps
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np

HERE = Path(__file__).parent
F = TypeVar("F", bound=Callable[..., Any])
LAYER = "import tinytensor.torch as torch"


class Space(NamedTuple):
    """A namespace: PyTorch's name of it, and tinytensor's."""

    torch: str
    ours: str


SPACES = {
    "torch": Space("torch", "tinytensor"),
    "Tensor": Space("Tensor", "Tensor"),
    "nn": Space("torch.nn", "nn"),
    "functional": Space("torch.nn.functional", "nn.functional"),
    "init": Space("torch.nn.init", "nn.init"),
    "Module": Space("Module", "Module"),
    "utils": Space("torch.nn.utils", "nn"),
    "optim": Space("torch.optim", "optim"),
    "lr_scheduler": Space("torch.optim.lr_scheduler", "optim"),
    "data": Space("torch.utils.data", "text"),
    "linalg": Space("torch.linalg", "linalg"),
    "autograd": Space("torch.autograd", "tinytensor"),
    "special": Space("torch.special", "tinytensor"),
}


class Entry(NamedTuple):
    """A line of the table. `kind` is empty unless the status is `no`."""

    name: str
    status: str
    kind: str
    text: str


class Kind(NamedTuple):
    """Why some names are not here, and what to do."""

    title: str
    why: str
    advice: str


@cache
def table(namespace: str) -> dict[str, Entry]:
    """The names of one of `SPACES`.

    Examples
    --------
    >>> table("Tensor")["view"]
    Entry(name='view', status='ours', kind='', text='reshape')
    """
    found = {}
    for line in lines(namespace):
        name, status, *rest = line.split(None, 2)
        text = rest[0].strip() if rest else ""
        kind = ""
        if status == "no":
            kind, _, text = (part.strip() for part in text.partition(":"))
        found[name] = Entry(name, status, kind, text)
    return found


@cache
def kinds() -> dict[str, Kind]:
    """The reasons by which names are refused."""
    found = {}
    for line in lines("kinds"):
        kind, rest = line.split(None, 1)
        title, sentence = rest.split("  ", 1)
        why, _, advice = sentence.strip().partition("; ")
        found[kind] = Kind(title, why, advice)
    return found


def lines(file: str) -> list[str]:
    """The lines of one of the files, without comments."""
    text = (HERE / f"{file}.txt").read_text("utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


# --- what to say of a name that is not there ---


class Missing(AttributeError):
    """An AttributeError whose words are looked up when they are read: most are raised to answer `hasattr`.

    Parameters
    ----------
    sentence : callable
        `refusal` or `elsewhere`.
    namespace, name : str
    own : callable
        Returns the names that exist.
    """

    __module__ = "builtins"  # subtle: with its name below, so that a traceback shows it as what it is to the reader

    def __init__(self, sentence: Callable[[str, str, Collection[str]], str], namespace: str, name: str,
                 own: Callable[[], Collection[str]]) -> None:
        super().__init__()
        self.parts = sentence, namespace, name, own

    def __str__(self) -> str:
        sentence, namespace, name, own = self.parts
        return sentence(namespace, name, [n for n in own() if not n.startswith("_")])

    def __reduce__(self) -> Any:
        return AttributeError, (str(self),)


Missing.__name__ = Missing.__qualname__ = "AttributeError"


def refusal(namespace: str, name: str, offered: Collection[str] = ()) -> str:
    """What `tinytensor.torch` says of a name that it does not offer; `offered` are those that it does.

    Examples
    --------
    >>> print(refusal("torch", "einsumm"))
    torch has no name 'einsumm'; the nearest is 'einsum'
    >>> print(refusal("torch", "expand_dims"))
    torch has no name 'expand_dims', which is NumPy's; PyTorch's is 'unsqueeze'
    >>> print(refusal("torch", "CrossEntropyLoss"))
    torch has no name 'CrossEntropyLoss'; it is torch.nn.CrossEntropyLoss
    """
    start, entry = SPACES[namespace].torch, table(namespace).get(name)
    if entry is not None:
        return f"{start}.{name} is not here" + (f": {reason(entry)}" if entry.status == "no" else instead(entry))
    start = f"{start} has no name {name!r}"
    theirs = [n for n, other in table(namespace).items() if other.status == "ours" and name == function_in(other.text)]
    if theirs:
        return f"{start}, which is NumPy's; PyTorch's is {min(theirs, key=len)!r}"
    there = place(namespace, name)
    if there is not None:
        return f"{start}; it is {written(*there)}"
    return start + near(name, offered or [n for n, other in table(namespace).items() if other.status != "no"])


def elsewhere(namespace: str, name: str, own: Collection[str] = ()) -> str:
    """What tinytensor's own Tensor, modules and functions say of a name that is not theirs, but perhaps PyTorch's.

    `own` are the names that they have.

    Examples
    --------
    >>> print(elsewhere("Tensor", "view"))
    Tensor has no attribute 'view': NumPy's name is reshape; or use PyTorch's names: import tinytensor.torch as torch
    >>> print(elsewhere("Tensor", "numel"))
    Tensor has no attribute 'numel': NumPy's name is size; or use PyTorch's names: import tinytensor.torch as torch
    >>> print(elsewhere("Module", "cuda"))
    Module has no attribute 'cuda': everything is computed by NumPy on the cpu; leave it out
    >>> print(elsewhere("torch", "Linear"))
    tinytensor has no attribute 'Linear': it is nn.Linear
    """
    start, entry = f"{SPACES[namespace].ours} has no attribute {name!r}", table(namespace).get(name)
    if entry is None:
        there = place(namespace, name)
        if there is None:
            return start + near(name, own)
        if there[1].status in ("same", "differs"):
            return f"{start}: it is {written(*there, ours=True)}"
        return f"{start}: PyTorch has {written(*there)}{instead(there[1])}; {LAYER}"
    if entry.status == "no":
        return f"{start}: {reason(entry)}" + (f", after {LAYER}" if "write " in entry.text else "")
    how = instead(entry).removeprefix("; ")
    return f"{start}: {how}; or use PyTorch's names: {LAYER}" if how else f"{start}: it is PyTorch's; {LAYER}"


def reason(entry: Entry) -> str:
    """Why a name is not here, and what to do."""
    kind = kinds()[entry.kind]
    advice = entry.text or kind.advice
    return f"{kind.why}; {advice}" if advice else kind.why


def instead(entry: Entry) -> str:
    """How tinytensor writes what PyTorch has a name for."""
    if entry.status not in ("ours", "only") or not entry.text:
        return ""
    if not is_name(entry.text):
        return f"; write {entry.text}" if is_code(entry.text) else f"; {entry.text}"
    whose = "NumPy's name" if entry.text in dir(np) or entry.text in dir(np.ndarray) else "its name here"
    return f"; {whose} is {entry.text}"


def is_name(text: str) -> bool:
    """Whether the text is a name, with dots or without."""
    return text.replace(".", "").isidentifier() and not text.startswith("x.")


def is_code(text: str) -> bool:
    """Whether the text is a piece of a program; else it is prose."""
    try:
        compile(text, "text", "exec")
    except SyntaxError:
        return False
    return True


def function_in(text: str) -> str:
    """The name that the text is, or the one of tinytensor's functions and methods that it calls."""
    if is_name(text):
        return text
    return text.partition("(")[0].partition(".")[2] if text.startswith(("tt.", "x.")) else ""


def place(namespace: str, name: str) -> tuple[str, Entry] | None:
    """Another namespace that has the name here."""
    for other in SPACES:
        entry = table(other).get(name)
        if other != namespace and entry is not None and entry.status != "no":
            return other, entry
    return None


def written(namespace: str, entry: Entry, ours: bool = False) -> str:
    """A name as it is written in programs."""
    owner = {"Tensor": "x", "Module": "model"}.get(namespace) or SPACES[namespace][ours]
    return f"{owner}.{entry.name}"


def near(name: str, names: Collection[str]) -> str:
    """The nearest of the names, where one is near."""
    if name.startswith("_"):
        return ""
    found = import_module("difflib").get_close_matches(name, names, 1, 0.65)
    return f"; the nearest is {found[0]!r}" if found else ""


# --- and of a parameter ---


def also_generator(function: F) -> F:
    """Accept PyTorch's name `generator` for a function's parameter `rng`; passing both is an error.

    Examples
    --------
    >>> @also_generator
    ... def draw(n, rng=None):
    ...     return n, rng
    >>> draw(3, generator=42)
    (3, 42)
    """
    return also_named(function, "rng", "generator")


def also_named(function: F, name: str, other: str, shown: bool = True) -> F:
    """Accept another name for a parameter that is None by default; passing both is an error.

    `shown` says whether the signature has the other name: a former one is better left out of it.
    """
    signature = inspect.signature(function)
    parameters = list(signature.parameters.values())
    parameter = signature.parameters[name]
    most = float("inf") if parameter.kind is parameter.KEYWORD_ONLY else parameters.index(parameter)
    caller = function.__qualname__.removesuffix(".__init__")

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        if other in kwargs:
            value = kwargs.pop(other)
            if value is not None:
                if kwargs.get(name) is not None or len(args) > most:
                    raise TypeError(f"{caller}: got {name} and {other}; expected one of them, for they are two names "
                                    f"of one parameter; leave one out")
                kwargs[name] = value
        return function(*args, **kwargs)

    known: Any = call
    if shown:
        more = inspect.Parameter(other, inspect.Parameter.KEYWORD_ONLY, default=None, annotation="Any")
        at = len(parameters) - (parameters[-1].kind is more.VAR_KEYWORD)
        known.__signature__ = signature.replace(parameters=[*parameters[:at], more, *parameters[at:]])
    return known  # type: ignore[no-any-return]
