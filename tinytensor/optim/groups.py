"""Which parameters decay: one rule, and the paths that are exempt from it. It knows no kind of layer."""

from collections.abc import Iterable
from typing import Any


def decay_groups(
    named_parameters: Iterable[tuple[str, Any]], weight_decay: float, exempt: Iterable[str] = ()
) -> list[dict[str, Any]]:
    """Two parameter groups: matrices decay; vectors (biases, gains) and what stands under an exempt path do not.

    A parameter decays if it has 2 axes or more. Embeddings have 2, so they decay too unless they are exempt.

    Parameters
    ----------
    named_parameters : iterable of (path, parameter)
        As `model.named_parameters()` gives them.
    weight_decay : float
    exempt : iterable of str
        Paths of modules or parameters. `"wte"` stands for `wte.weight`, not for `wte2.weight`.

    Returns
    -------
    list of dict
        For an optimiser: `[{"params": [...], "weight_decay": weight_decay}, {"params": [...], "weight_decay": 0.0}]`. A
        group without parameters is left out.

    Raises
    ------
    ValueError
        An exempt path at which there is no parameter.

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
    named, exempt, unused = list(named_parameters), [*exempt], {*exempt}
    decaying, others = list[Any](), list[Any]()
    for name, p in named:
        above = {path for path in exempt if (name + ".").startswith(path + ".")}
        unused -= above
        (decaying if p.data.ndim > 1 and not above else others).append(p)
    if unused:
        raise ValueError(f"no parameter is at {sorted(unused)}: paths among or above {[name for name, _ in named]} "
                         "are expected; see model.named_parameters()")
    groups = [{"params": decaying, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]
