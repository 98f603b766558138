"""`torch.func`: functions that differentiate functions, of tensors in nested tuples, lists and dicts.

They are `tinytensor`'s own, with PyTorch's tensors outside and inside.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

from .. import transforms
from ..core import Tensor as Node
from ..trees import keep_module, tree_map
from .tensor import Tensor, wrap

__all__ = ["functional_call", "grad", "grad_and_value", "hessian", "jacfwd", "jacrev", "jvp", "vjp"]
Function = Callable[..., Any]


def bare(tree: Any) -> Any:
    """Replace PyTorch's tensors by the engine's."""
    return tree_map(lambda x, _: x.node if isinstance(x, Tensor) else x, tree, keep_module)


def faced(tree: Any) -> Any:
    """Replace the engine's tensors by PyTorch's."""
    return tree_map(lambda x, _: wrap(x) if isinstance(x, Node) else x, tree, keep_module)


def engine(f: Function) -> Function:
    """A function of PyTorch's tensors as the engine calls it."""
    @wraps(f, updated=())
    def call(*args: Any, **kwargs: Any) -> Any:
        return bare(f(*faced(args), **faced(kwargs)))

    return call


def through(function: Function, *args: Any, **kwargs: Any) -> Any:
    """What the engine's function gives, with PyTorch's kind of error."""
    try:
        return function(*args, **kwargs)
    except ValueError as error:
        raise RuntimeError(str(error)) from None


def transformed(name: str, transform: Function, doc: str) -> Function:
    """A transform that gives a function."""
    def of(func: Function, argnums: Any = 0, has_aux: bool = False, **switches: Any) -> Function:
        for key in switches:
            if key not in ("chunk_size", "randomness", "_preallocate_and_copy"):
                raise TypeError(f"{name}: got an unexpected keyword argument {key!r}; expected argnums or has_aux; "
                                f"leave it out")
        compute = transform(engine(func), argnums, has_aux)

        @wraps(func, updated=())
        def call(*args: Any, **kwargs: Any) -> Any:
            return faced(through(compute, *bare(args), **bare(kwargs)))

        return call

    of.__name__ = of.__qualname__ = name
    of.__doc__ = doc
    return of


def value_last(f: Function, argnums: Any, has_aux: bool) -> Function:
    both = transforms.value_and_grad(f, argnums, has_aux)
    return lambda *args, **kwargs: both(*args, **kwargs)[::-1]


def slope_alone(f: Function, argnums: Any, has_aux: bool) -> Function:
    both = transforms.value_and_grad(f, argnums, has_aux)

    def call(*args: Any, **kwargs: Any) -> Any:
        value, slopes = both(*args, **kwargs)
        return (slopes, value[1]) if has_aux else slopes

    return call


grad = transformed("grad", slope_alone, """A function that gives the gradient of `func`, a scalar, by some arguments.

    With `has_aux`, `func` gives a pair, and so does this: the gradient, and the second of the pair.

    Examples
    --------
    >>> import tinytensor.torch as torch
    >>> torch.func.grad(torch.sin)(torch.tensor(0.0))
    tensor(1.)
    """)
grad_and_value = transformed("grad_and_value", value_last,
                             "A function that gives the gradient of `func` and its value.")
jacrev = transformed("jacrev", transforms.jacobian,
                     "A function that gives the Jacobian of `func`, by passes backwards.")
jacfwd = transformed("jacfwd", transforms.jacobian, "As `jacrev`: the same numbers, and here by passes backwards too.")
hessian = transformed("hessian", transforms.hessian,
                      "A function that gives all second derivatives of `func`, a scalar.")


def vjp(func: Function, *primals: Any, has_aux: bool = False) -> Any:
    """The output of `func`, and a function from a gradient of that to the gradients of the primals."""
    found = through(transforms.vjp, engine(func), *bare(primals), has_aux=has_aux)
    y, pull = found[:2]

    def pulled(*g: Any, **_: Any) -> Any:
        return faced(through(pull, bare(g[0] if len(g) == 1 else g)))

    return (faced(y), pulled, *faced(found[2:]))


def jvp(func: Function, primals: Any, tangents: Any, *, strict: bool = False, has_aux: bool = False) -> Any:
    """The output of `func`, and how it moves when the primals move along the tangents."""
    return faced(through(transforms.jvp, engine(func), bare(primals), bare(tangents), has_aux))


@contextmanager
def replaced(module: Any, tensors: dict[str, Any], tied: bool, strict: bool) -> Iterator[None]:
    """Inside, a module has other parameters and buffers, by their paths."""
    places: dict[str, tuple[dict[str, Any], str]] = {}
    for path, part in module.named_modules(remove_duplicate=False):
        for kept in (part._parameters, part._buffers):
            for name, x in kept.items():
                if x is not None:
                    places[f"{path}.{name}" if path else name] = (kept, name)
    if unknown := [name for name in tensors if name not in places]:
        raise (RuntimeError if strict else AttributeError)(
            f"functional_call: got {unknown[0]!r}, which the module does not have; expected names of its parameters "
            f"and buffers; see module.named_parameters()")
    if strict and (missing := [name for name in places if name not in tensors]):
        raise RuntimeError(f"functional_call: got no {missing[0]!r}; expected all parameters and buffers, for strict "
                           f"is True; give it, or leave strict out")
    own = {key: kept[name] for key, (kept, name) in places.items()}
    for key, x in tensors.items():
        for other, old in own.items():
            if other == key or (tied and old is own[key] and other not in tensors):
                kept, name = places[other]
                kept[name] = x
    try:
        yield
    finally:
        for key, (kept, name) in places.items():
            kept[name] = own[key]


def functional_call(module: Any, parameter_and_buffer_dicts: Any, args: Any = None, kwargs: Any = None, *,
                    tie_weights: bool = True, strict: bool = False) -> Any:
    """The output of a module with other parameters and buffers instead of its own, which are not changed.

    Examples
    --------
    >>> import tinytensor.torch as torch
    >>> layer = torch.nn.Linear(2, 1)
    >>> weights = {"weight": torch.ones(1, 2), "bias": torch.zeros(1)}
    >>> torch.func.functional_call(layer, weights, (torch.tensor([1.0, 2.0]),))
    tensor([3.])
    """
    given = parameter_and_buffer_dicts
    tensors = dict(given) if isinstance(given, dict) else {k: v for part in given for k, v in part.items()}
    args = () if args is None else args if isinstance(args, tuple) else (args,)
    with replaced(module, tensors, tie_weights, strict):
        return module(*args, **(kwargs or {}))


def __getattr__(name: str) -> Any:
    known = {"vmap": "a function is not vectorised by itself; give it one more axis, and broadcast",
             "stack_module_state": "there is no vmap to use it with; call the models one by one",
             "functionalize": "programs are compiled as they are; leave it out",
             "linearize": "write torch.func.jvp"}
    if name in known:
        raise AttributeError(f"torch.func.{name} is not here: {known[name]}")
    raise AttributeError(f"torch.func has no name {name!r}; expected one of {', '.join(__all__)}")
