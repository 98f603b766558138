"""Module: a part of a network, which knows its parameters, its state and the modules inside it by their names.

It computes nothing itself: layers do, in `forward`. No devices, no backward hooks (those are `Tensor.register_hook`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ParamSpec, Protocol, Self, TypeVar

import numpy as np

from ..advice import a_type
from ..core import Array, Tensor
from ..hooks import Handle
from ..names import Missing, also_generator, also_named, elsewhere
from ..names.calls import did_not_start, explained, misfit
from .hidden import warn_of_hidden
from .parameter import Parameter
from .summary import Summary, html_table, summarize

Hook = Callable[[Any, tuple[Any, ...], Any], Any]
P = ParamSpec("P")
R_co = TypeVar("R_co", covariant=True)


class HasForward(Protocol[P, R_co]):
    """A module as type checkers see it when it is called: like its `forward`, and returning the same."""

    _hooks: list[Hook]

    def forward(self, *args: P.args, **kwargs: P.kwargs) -> R_co: ...

    def _locate(self, error: Any) -> None: ...


def unique(named: Iterable[tuple[str, Any]]) -> Iterator[tuple[str, Any]]:
    """Pairs of name and object, each object under its first name only."""
    seen: set[int] = set()
    for name, x in named:
        if id(x) not in seen:
            seen.add(id(x))
            yield name, x


class Module:
    """A part of a network. Parameters, Modules and buffers that are set as attributes are found by their names.

    A subclass calls ``super().__init__()``, sets its attributes, and defines ``forward``; the module is then called
    like a function. A ValueError, TypeError or IndexError from inside names the layer that raised it. A deep copy or
    pickle has its own parameters, with tied ones still tied, and no hooks. Where ``__init__`` takes an `rng`, it takes
    PyTorch's name for it too, `generator`.

    Examples
    --------
    >>> import tinytensor as tt
    >>> from tinytensor import nn
    >>> class Scaled(nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.layer, self.scale = nn.Linear(3, 2), nn.Parameter(1.0)
    ...     def forward(self, x):
    ...         return self.layer(x) * self.scale
    >>> model = Scaled()
    >>> [name for name, p in model.named_parameters()], model(tt.ones(4, 3)).shape
    (['scale', 'layer.weight', 'layer.bias'], (4, 2))
    """

    training: bool  # whether layers that behave differently in training do so
    _buffers: dict[str, bool]  # name -> persistent; the values are attributes, like all others
    _hooks: list[Hook]

    @explained
    def __init__(self) -> None:
        vars(self).update(training=True, _buffers={}, _hooks=[])

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        code = getattr(vars(cls).get("__init__"), "__code__", None)
        names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount] if code is not None else ()
        # subtle: if they were assigned, jedi would show the wrapper as the __init__ of all modules, without parameters
        if code is not None and cls.__module__.startswith("tinytensor."):  # a user's own stays as it is
            type.__setattr__(cls, "__init__", explained(cls.__init__))
        if "dropout_rng" in names:  # `noise` is its former name
            type.__setattr__(cls, "__init__", also_named(cls.__init__, "dropout_rng", "noise", shown=False))
        if "rng" in names and "generator" not in names:
            type.__setattr__(cls, "__init__", also_generator(cls.__init__))

    # --- what it does ---

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the module computes; every subclass defines its own."""
        raise TypeError("got a call of a module without forward; expected forward(self, x); define it, or call the "
                        "modules inside")

    def __call__(self: HasForward[P, R_co], *args: P.args, **kwargs: P.kwargs) -> R_co:
        try:
            y = self.forward(*args, **kwargs)
            if self._hooks:
                for hook in tuple(self._hooks):
                    replaced = hook(self, args, y)
                    y = y if replaced is None else replaced
            return y
        except (ValueError, TypeError, IndexError) as error:
            if isinstance(error, TypeError) and did_not_start(error):
                error.args = (misfit(self.forward, args, kwargs, "forward") or str(error),)
            self._locate(error)
            raise

    def _locate(self, error: Any) -> None:
        """Put the failing layer's path, as seen from here, before the message; the outermost module's path stays."""
        layer, text = getattr(error, "raised_in", (self, str(error)))
        path = next((path[:-1] for path, module in self._tree() if module is layer), None)
        if path is None:  # a layer that was called from here, but does not belong here
            layer, text, path = self, str(error), ""
        error.raised_in, root = (layer, text), type(self).__name__
        message = f"{root}.{path} ({type(layer).__name__}): {text}" if path else f"{root}: {text}"
        if isinstance(error, np.exceptions.AxisError):  # subtle: it words itself from attributes, not from args
            np.exceptions.AxisError.__init__(error, message)
        elif len(error.args) == 1:
            error.args = (message,)

    @explained
    def register_forward_hook(self, hook: Hook) -> Handle:
        """Call ``hook(module, args, output)`` after every forward; what it returns, if not None, is the new output.

        Examples
        --------
        >>> from tinytensor import nn
        >>> layer = nn.Tanh()
        >>> handle = layer.register_forward_hook(lambda module, args, y: print(module, y.shape))
        >>> y = layer(np.ones((4, 3)))
        Tanh() (4, 3)
        >>> handle.remove()
        """
        self._hooks.append(hook)
        return Handle(self._hooks, hook)

    # --- attributes ---

    if not TYPE_CHECKING:  # so that type checkers report missing attributes

        def __getattr__(self, name: str) -> Any:  # called only for names that are not found
            raise Missing(elsewhere, "Module", name, lambda: dir(self))

    def __setattr__(self, name: str, value: Any) -> None:
        cls, own = type(self).__name__, vars(self)
        if "_buffers" not in own:
            raise AttributeError(f"{cls}: got the attribute {name!r} before the module was initialised; "
                                 f"expected super().__init__() first; call it in {cls}.__init__")
        if name in self._buffers:
            part, fits = "buffer, a Tensor without grad", isinstance(value, Tensor) and not value.requires_grad
        else:
            kind = next((kind for kind in (Parameter, Module) if isinstance(own.get(name), kind)), object)
            part, fits = kind.__name__, isinstance(value, kind)
        if not fits and value is not None:
            raise TypeError(f"{cls}: got {a_type(value)} for {name!r}, which is a {part}; expected another, "
                            f"or None; write values in place, {name}.data[...] = v, or `del` it first")
        super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        super().__delattr__(name)
        self._buffers.pop(name, None)

    @explained
    def register_buffer(self, name: str, array: Any, persistent: bool = True) -> None:
        """Add state that is not trained: a Tensor as attribute, which `state_dict` has if it is persistent."""
        self._add(name, None if array is None else Tensor(array))
        self._buffers[name] = persistent

    @explained
    def add_module(self, name: str, module: Module) -> None:
        """Add a module as attribute; its name need not be an identifier, as "0"."""
        if not isinstance(module, Module):
            advice = f"write {module.__name__}()" if isinstance(module, type) else "pass its elements: *layers" if \
                isinstance(module, list | tuple) else "use the module of a function, as nn.Tanh()"
            got = f"the class {module.__name__}" if isinstance(module, type) else a_type(module)
            raise TypeError(f"{type(self).__name__}: got {got} as {name!r}; expected a Module; {advice}")
        self._add(name, module)

    def _add(self, name: Any, value: Any) -> None:
        if not isinstance(name, str) or not name or "." in name or hasattr(self, name):
            raise ValueError(f"{type(self).__name__}: got the name {name!r}; expected a new one, without dots; choose "
                             f"another, or `del` the attribute that has it")
        setattr(self, name, value)

    def __getstate__(self) -> dict[str, Any]:  # hooks watch one module: its copies and pickles have none
        return {**vars(self), "_hooks": []}

    # --- what it is made of ---

    def _own(self, kind: type[Any]) -> dict[str, Any]:
        return {name: x for name, x in vars(self).items() if isinstance(x, kind)}

    def _own_buffers(self) -> dict[str, Tensor]:
        return {name: vars(self)[name] for name in self._buffers if vars(self)[name] is not None}

    def _tree(self, path: str = "") -> Iterator[tuple[str, Module]]:
        """This module and all inside, with their paths up to the last dot; a shared one under each of its paths."""
        yield path, self
        for name, child in self._own(Module).items():
            yield from child._tree(f"{path}{name}.")

    @explained
    def named_modules(self) -> Iterator[tuple[str, Module]]:
        """This module, under the name "", and all modules inside it, with their paths; shared ones once."""
        return unique((path[:-1], module) for path, module in self._tree())

    def modules(self) -> Iterator[Module]:
        """This module and all modules inside it; shared ones once."""
        return (module for _, module in self.named_modules())

    def children(self) -> Iterator[Module]:
        """The modules directly inside; shared ones once."""
        return (module for _, module in unique(self._own(Module).items()))

    @explained
    def named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """All parameters with their paths, shared ones once: a module's own first, in the order of definition.

        Warns, once, of modules and parameters in plain lists, tuples and dicts, where they are not found.
        """
        tree = list(self._tree())
        warn_of_hidden([m for _, m in tree], Module)
        return unique((f"{path}{name}", p) for path, m in tree for name, p in m._own(Parameter).items())

    @explained
    def parameters(self) -> Iterator[Parameter]:
        """The parameters in the order of `named_parameters`."""
        return (p for _, p in self.named_parameters())

    @explained
    def named_buffers(self) -> Iterator[tuple[str, Tensor]]:
        """Buffers with their paths, shared ones once, in the order of `named_parameters`."""
        return unique((f"{path}{name}", b) for path, m in self._tree() for name, b in m._own_buffers().items())

    def num_parameters(self) -> int:
        """The number of elements in all parameters; shared ones count once."""
        return sum(p.size for p in self.parameters())

    # --- its state ---

    def _state(self) -> dict[str, Tensor]:
        """What is saved: parameters and persistent buffers; a shared one under each of its paths, as in PyTorch."""
        return {f"{path}{name}": x for path, m in self._tree()
                for name, x in {**m._own(Parameter), **m._own_buffers()}.items() if m._buffers.get(name, True)}

    @explained
    def state_dict(self) -> dict[str, Array]:
        """Copies of all parameters and persistent buffers, by path: PyTorch's names, layouts and order.

        Warns, once, of modules and parameters in plain lists, tuples and dicts, where they are not found.
        """
        warn_of_hidden(list(self.modules()), Module)
        return {name: x.data.copy() for name, x in self._state().items()}

    @explained
    def load_state_dict(self, state: Mapping[str, Any], strict: bool = True) -> tuple[list[str], list[str]]:
        """Copy the values of a `state_dict`, from here or from PyTorch, into parameters and buffers.

        Returns the missing and the unexpected names; if `strict`, they raise. The ValueError lists everything missing,
        unexpected and misshapen, and nothing is written.

        Examples
        --------
        >>> from tinytensor import nn
        >>> nn.Linear(3, 2).load_state_dict({"weight": np.ones((2, 3))}, strict=False)
        (['bias'], [])
        """
        own = self._state()
        arrays = {name: np.asarray(v.data if isinstance(v, Tensor) else v) for name, v in state.items()}
        missing, unexpected = [n for n in own if n not in arrays], [n for n in arrays if n not in own]
        both = {name: (x.data, arrays[name]) for name, x in own.items() if name in arrays}
        problems = [f"missing: {n} {own[n].shape}" for n in missing if strict]
        problems += [f"unexpected: {n} {arrays[n].shape}" for n in unexpected if strict]
        problems += [f"misshapen: {n} {v.shape} {v.dtype}, expected {x.shape} {x.dtype}" for n, (x, v) in both.items()
                     if v.shape != x.shape or not np.can_cast(v.dtype, x.dtype, "same_kind")]
        if problems:
            raise ValueError("\n  ".join([
                f"load_state_dict: the state does not fit {type(self).__name__}:", *problems, "nothing was written; "
                "build the model as it was saved, or allow missing and unexpected names by strict=False"]))
        for x, v in both.values():
            x[...] = v
        return missing, unexpected

    @explained
    def train(self, mode: bool = True) -> Self:
        """Set `training` here and in all modules inside."""
        for module in self.modules():
            module.training = mode
        return self

    @explained
    def eval(self) -> Self:
        """Set `training` to False here and in all modules inside."""
        return self.train(False)

    @explained
    def zero_grad(self, set_to_none: bool = True) -> None:
        """Set `grad` of all parameters to None."""
        if not set_to_none:
            raise ValueError("zero_grad: got set_to_none=False; expected True, as a gradient is None or up to date; "
                             "write p.grad = np.zeros_like(p.data)")
        for p in self.parameters():
            p.grad = None

    @explained
    def requires_grad_(self, on: bool = True) -> Self:
        """Let all parameters require gradients, or freeze them."""
        for p in self.parameters():
            p.requires_grad = on
        return self

    def astype(self, dtype: Any) -> Self:
        """Convert all floating parameters, their gradients, and floating buffers, in place."""
        if np.dtype(dtype).kind != "f":
            raise TypeError(f"astype: got dtype {np.dtype(dtype)}; expected a floating one; use np.float32 or "
                            f"np.float64")
        for x in (*self.parameters(), *(b for _, b in self.named_buffers())):
            if x.dtype.kind == "f":
                x.data, x.grad = x.data.astype(dtype), None if x.grad is None else x.grad.astype(dtype)
        return self

    def apply(self, fn: Callable[[Module], Any]) -> Self:
        """Call ``fn`` with every module inside, then with this one."""
        for child in self.children():
            child.apply(fn)
        fn(self)
        return self

    # --- what it looks like ---

    def summary(self, *args: Any, **kwargs: Any) -> Summary:
        """A table of all layers: output shapes for these inputs, and numbers of parameters.

        The forward pass runs once, in `eval()` and under `no_grad`, on a copy that shares the parameters: running
        statistics, generators, modes and hooks stay as they are. A shared parameter is counted where it is first found.

        Examples
        --------
        >>> import tinytensor as tt
        >>> from tinytensor import nn
        >>> nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)).summary(tt.ones(5, 3))
        layer         output shape  parameters
        --------------------------------------
        Sequential    (5, 2)                 0
          0 (Linear)  (5, 4)                16
          1 (Tanh)    (5, 4)                 0
          2 (Linear)  (5, 2)                10
        --------------------------------------
        26 parameters
        """
        return summarize(self, args, kwargs)

    def _repr_html_(self) -> str:
        return html_table(self)

    def extra_repr(self) -> str:
        """The text in the brackets of the repr: a subclass returns its sizes."""
        return ""

    def _lines(self) -> list[str]:
        return [f"({name}): {module!r}" for name, module in self._own(Module).items()]

    def __repr__(self) -> str:
        inside, lines = self.extra_repr(), self._lines()
        if lines:
            inside = "\n".join(["", *filter(None, [inside]), *lines]).replace("\n", "\n  ") + "\n"
        return f"{type(self).__name__}({inside})"
