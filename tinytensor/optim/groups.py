"""Parameter groups with and without weight decay, by one rule and a list of exceptions. It knows no layers."""

from collections.abc import Iterable
from typing import Any

from ..advice import a_type
from ..names.calls import explained


@explained
def decay_groups(
    named_parameters: Iterable[tuple[str, Any]], weight_decay: float, exempt: Iterable[str] = ()
) -> list[dict[str, Any]]:
    """Two parameter groups: matrices decay; vectors (biases, gains) and parameters under an exempt path do not.

    A parameter decays if it has 2 axes or more. Embeddings have 2, so they decay too unless they are exempt.

    Parameters
    ----------
    named_parameters : iterable of (path, parameter)
        As `model.named_parameters()` yields them.
    weight_decay : float
    exempt : iterable of str
        Paths of modules or parameters. `"wte"` matches `wte.weight`, but not `wte2.weight`.

    Returns
    -------
    list of dict
        Pass it to an optimiser: `[{"params": [...], "weight_decay": weight_decay}, {"params": [...], "weight_decay":
        0.0}]`. A group without parameters is left out.

    Raises
    ------
    TypeError
        `named_parameters` is something else, such as a module.
    ValueError
        An exempt path without a parameter.

    Notes
    -----
    The rule of GPT-2's and GPT-3's training, as in nanoGPT. All embeddings of a model are
    `[path for path, m in model.named_modules() if isinstance(m, nn.Embedding)]`.

    Examples
    --------
    >>> import tinytensor as tt
    >>> model = tt.nn.Sequential(tt.nn.Embedding(27, 10), tt.nn.Linear(10, 27))
    >>> groups = decay_groups(model.named_parameters(), 0.1, exempt=["0"])
    >>> [(group["weight_decay"], [p.shape for p in group["params"]]) for group in groups]
    [(0.1, [(27, 10)]), (0.0, [(27, 10), (27,)])]
    """
    if hasattr(named_parameters, "named_parameters") or callable(named_parameters):
        raise TypeError(f"decay_groups: got {a_type(named_parameters)}; expected pairs of path and parameter; write "
                        "model.named_parameters()")
    named, exempt, unused = list(named_parameters), [*exempt], {*exempt}
    if bad := [item for item in named if not isinstance(item, tuple) or len(item) != 2]:
        raise TypeError(f"decay_groups: got {a_type(bad[0])} among them; expected pairs of path and parameter; write "
                        "model.named_parameters()")
    decaying, others = list[Any](), list[Any]()
    for name, p in named:
        above = {path for path in exempt if (name + ".").startswith(path + ".")}
        unused -= above
        (decaying if p.data.ndim > 1 and not above else others).append(p)
    if unused:
        raise ValueError(f"decay_groups: got exempt paths without a parameter, {sorted(unused)}; expected paths of, or "
                         f"above, {[name for name, _ in named]}; see model.named_parameters()")
    groups = [{"params": decaying, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]
