"""Module: PyTorch's base of all layers and networks, which knows what it is made of by name.

It computes nothing itself. Its attributes are `attributes.py`'s, what it saves and loads `state.py`'s, what its
hooks see `hooks.py`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, ParamSpec, Protocol, Self, TypeVar

from ..tensor import Tensor
from ..writing import write
from .attributes import Attributes
from .hooks import RemovableHandle, called
from .parameter import Parameter
from .state import CONVERSIONS, load_state_dict, state_dict

LOCATED = (RuntimeError, ValueError, TypeError, IndexError)  # errors that name the layer in which they occurred
P = ParamSpec("P")
R_co = TypeVar("R_co", covariant=True)


class HasForward(Protocol[P, R_co]):
    """A module as type checkers see it when it is called: like its `forward`, and returning the same."""

    _hooked: bool

    def forward(self, *args: P.args, **kwargs: P.kwargs) -> R_co: ...

    def _locate(self, error: Any) -> None: ...


class Module(Attributes):
    """A part of a network. Parameters, buffers and modules that are set as attributes are found by their names.

    A subclass calls ``super().__init__()``, sets its attributes, and defines ``forward``; the module is then called
    like a function.

    Examples
    --------
    >>> import tinytensor.torch as torch
    >>> from tinytensor.torch import nn
    >>> class Scaled(nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.layer, self.scale = nn.Linear(3, 2), nn.Parameter(torch.ones(2))
    ...     def forward(self, x):
    ...         return self.layer(x) * self.scale
    >>> model = Scaled()
    >>> [name for name, p in model.named_parameters()], model(torch.ones(4, 3)).shape
    (['scale', 'layer.weight', 'layer.bias'], torch.Size([4, 2]))
    >>> model
    Scaled(
      (layer): Linear(in_features=3, out_features=2, bias=True)
    )
    """

    # --- what it does ---

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the module computes; every subclass defines its own."""
        raise NotImplementedError(f"{type(self).__name__}: module is missing the required \"forward\" function; "
                                  f"expected one; define forward(self, x), or call the layers inside of it")

    def __call__(self: HasForward[P, R_co], *args: P.args, **kwargs: P.kwargs) -> R_co:
        try:
            if self._hooked:
                return called(self, args, kwargs)  # type: ignore[no-any-return]
            return self.forward(*args, **kwargs)
        except LOCATED as error:
            if type(error) in LOCATED:
                self._locate(error)
            raise

    def _locate(self, error: Any) -> None:
        """Put the failing layer's path, as seen from here, before the message: the outermost has the last word."""
        if len(error.args) != 1:
            return
        layer, text = getattr(error, "raised_in", (self, str(error)))
        path = next((path for path, module in self.named_modules() if module is layer), None)
        if path is None:  # a layer that was called from here, but does not belong here
            layer, text, path = self, str(error), ""
        error.raised_in, root = (layer, text), type(self).__name__
        error.args = (f"{root}.{path} ({type(layer).__name__}): {text}" if path else f"{root}: {text}",)

    # --- hooks ---

    def _hook(self, part: str, hook: Any, prepend: bool) -> RemovableHandle:
        object.__setattr__(self, "_hooked", True)
        return RemovableHandle(vars(self)[part], hook, prepend)

    def register_forward_hook(self, hook: Any, *, prepend: bool = False, with_kwargs: bool = False,
                              always_call: bool = False) -> RemovableHandle:
        """Call ``hook(module, args, output)`` after every forward; what it returns, if not None, is the new output."""
        return self._hook("_forward_hooks", (hook, with_kwargs, always_call), prepend)

    def register_forward_pre_hook(self, hook: Any, *, prepend: bool = False,
                                  with_kwargs: bool = False) -> RemovableHandle:
        """Call ``hook(module, args)`` before every forward; what it returns, if not None, are the new arguments."""
        return self._hook("_forward_pre_hooks", (hook, with_kwargs), prepend)

    def register_full_backward_hook(self, hook: Any, prepend: bool = False) -> RemovableHandle:
        """Call ``hook(module, grad_input, grad_output)`` in every pass; it may return other gradients of the inputs."""
        return self._hook("_backward_hooks", hook, prepend)

    def register_full_backward_pre_hook(self, hook: Any, prepend: bool = False) -> RemovableHandle:
        """Call ``hook(module, grad_output)`` before the module's backward pass; it may return other gradients."""
        return self._hook("_backward_pre_hooks", hook, prepend)

    # --- what it is made of ---

    def named_modules(self, memo: set[Any] | None = None, prefix: str = "",
                      remove_duplicate: bool = True) -> Iterator[tuple[str, Module]]:
        """This module and all inside, each with its path; shared ones once."""
        memo = set() if memo is None else memo
        if self in memo:
            return
        if remove_duplicate:
            memo.add(self)
        yield prefix, self
        for name, module in self._modules.items():
            if module is not None:
                yield from module.named_modules(memo, f"{prefix}.{name}" if prefix else name, remove_duplicate)

    def _named(self, part: str, prefix: str, recurse: bool, once: bool) -> Iterator[tuple[str, Any]]:
        """The entries of one kind in this module and, if `recurse`, in all inside, with paths; shared ones once."""
        seen: set[int] = set()
        modules = self.named_modules(prefix=prefix, remove_duplicate=once) if recurse else [(prefix, self)]
        for path, module in modules:
            for name, x in vars(module)[part].items():
                if x is not None and id(x) not in seen:
                    if once:
                        seen.add(id(x))
                    yield (f"{path}.{name}" if path else name), x

    def named_parameters(self, prefix: str = "", recurse: bool = True,
                         remove_duplicate: bool = True) -> Iterator[tuple[str, Parameter]]:
        """Parameters with their paths, shared ones once."""
        yield from self._named("_parameters", prefix, recurse, remove_duplicate)

    def named_buffers(self, prefix: str = "", recurse: bool = True,
                      remove_duplicate: bool = True) -> Iterator[tuple[str, Tensor]]:
        """Buffers with their paths, shared ones once."""
        yield from self._named("_buffers", prefix, recurse, remove_duplicate)

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The modules directly inside, with their names; shared ones once."""
        yield from self._named("_modules", "", False, True)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """The parameters, in the order of `named_parameters`."""
        for _, p in self.named_parameters(recurse=recurse):
            yield p

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """The buffers, in the order of `named_buffers`."""
        for _, b in self.named_buffers(recurse=recurse):
            yield b

    def children(self) -> Iterator[Module]:
        """The modules directly inside; shared ones once."""
        for _, module in self.named_children():
            yield module

    def modules(self) -> Iterator[Module]:
        """This module and all inside; shared ones once."""
        for _, module in self.named_modules():
            yield module

    def get_submodule(self, target: str) -> Module:
        """The module at a path, such as "layers.0.norm"; "" is this one."""
        module: Any = self
        for name in target.split(".") if target else ():
            module = getattr(module, name)
            if not isinstance(module, Module):
                raise AttributeError(f"get_submodule: `{name}` of {target!r} is not an nn.Module; expected the path of "
                                     f"one, as named_modules() gives them; check the path")
        return module  # type: ignore[no-any-return]

    def _get(self, part: str, target: str) -> Any:
        path, _, name = target.rpartition(".")
        module = self.get_submodule(path)
        if name not in vars(module)[part]:
            raise AttributeError(f"{type(module).__name__}: `{name}` of {target!r} is not among its {part[1:]}; "
                                 f"expected one of {', '.join(vars(module)[part]) or 'none'}; check the path")
        return vars(module)[part][name]

    def get_parameter(self, target: str) -> Parameter:
        """The parameter at a path."""
        return self._get("_parameters", target)  # type: ignore[no-any-return]

    def get_buffer(self, target: str) -> Tensor:
        """The buffer at a path."""
        return self._get("_buffers", target)  # type: ignore[no-any-return]

    # --- its state ---

    state_dict = state_dict
    load_state_dict = load_state_dict

    def train(self, mode: bool = True) -> Self:
        """Set `training` here and in all modules inside."""
        if not isinstance(mode, bool):
            raise ValueError(f"train: got {mode!r}; expected a boolean: training mode is expected to be boolean; write "
                             f"train(True) or eval()")
        self.training = mode
        for module in self.children():
            module.train(mode)
        return self

    def eval(self) -> Self:
        """Set `training` to False here and in all modules inside."""
        return self.train(False)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Set `grad` of all parameters to None, or to zeros."""
        for p in self.parameters():
            if set_to_none:
                p.grad = None
            elif (g := p.grad) is not None:
                write(g.node.data, 0)
                p.grad = g.detach()

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Let gradients flow to all parameters, or freeze them."""
        for p in self.parameters():
            p.requires_grad_(requires_grad)
        return self

    def apply(self, fn: Callable[[Module], Any]) -> Self:
        """Call ``fn`` with every module inside, then with this one."""
        for child in self.children():
            child.apply(fn)
        fn(self)
        return self

    # --- what it looks like ---

    def _get_name(self) -> str:
        return type(self).__name__

    def extra_repr(self) -> str:
        """The text in the brackets of its repr: a subclass shows its sizes."""
        return ""

    def _lines(self) -> list[str]:
        """A line, or more, for each module inside."""
        return [f"({name}): {module!r}" for name, module in self._modules.items()]

    def __repr__(self) -> str:
        extra, lines = self.extra_repr(), self._lines()
        if not lines and "\n" not in extra:
            return f"{self._get_name()}({extra})"
        inside = [*extra.split("\n"), *(line.replace("\n", "\n  ") for line in lines)]
        return "\n  ".join([f"{self._get_name()}(", *inside[not extra:]]) + "\n)"


for name, convert in CONVERSIONS.items():
    setattr(Module, name, convert)
