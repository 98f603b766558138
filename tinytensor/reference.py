"""Writes the reference pages: a row for each public function, made by checks that run, and lists of all other names.

    python -m tinytensor.reference            write them, and say what is not as it should be
    python -m tinytensor.reference --check    exit status 1 if one in the package is stale, or something is wrong
    python -m tinytensor.reference --lists    write the lists only (`listing.py`), which takes a second

The checks are in `testing/facts.py`. `DIFFERENCES` below lists where we differ from NumPy or PyTorch on purpose.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from . import listing
from .apply import PUBLIC
from .compiler import compile
from .compose import NONDIFFERENTIABLE
from .core import REGISTRY, Tensor
from .define import NAMESPACES, VariadicRules, rule_source
from .dispatch import full_name
from .testing.beside import NO
from .testing.facts import differentiable, facts
from .testing.subjects import MADE, subject

PAGE = Path(__file__).resolve().parent / "ops" / "REFERENCE.md"
COLUMNS = ("orders", "float32", "broadcasts", "0-d", "empty", "dtypes", "ties", "nan", "at 0, ±1, ends", "compiled")
PLAIN = ("broadcasts", "0-d", "empty", "dtypes", "compiled")  # of what has no derivative

DIFFERENCES = {  # on purpose: the conventions at kinks, jumps and ends, and where a function takes more or less
    "absolute": "0 at 0, as PyTorch; JAX gives 1",
    "arctan2": "0, 0 at (0, 0), as PyTorch; JAX gives nan",
    "astype": "the gradient comes back in the input's dtype",
    "attention": "PyTorch's scaled_dot_product_attention takes q, k and v apart",
    "broadcast_to": "read-only, as NumPy's; PyTorch's expand can be written",
    "clip": "1 at the limits, as PyTorch; no gradient for the limits",
    "copysign": "0 at 0, as PyTorch",
    "cross_entropy": "the mean over the targets that are not ignored, as PyTorch",
    "hypot": "0, 0 at (0, 0); PyTorch gives nan, JAX 0.5, 0.5",
    "max": "ties split evenly, as PyTorch's amax; torch.max(x) too",
    "linalg.cholesky": "the gradient is symmetric, as PyTorch's and JAX's; NumPy reads one triangle",
    "linalg.cond": "nan where it is infinite",
    "linalg.det": "right at singular matrices of any rank, to every order",
    "linalg.eigh": "the gradient is symmetric, as PyTorch's and JAX's; nan for vectors of equal eigenvalues",
    "linalg.eigvals": "refused if complex",
    "linalg.eigvalsh": "the gradient is symmetric, as PyTorch's and JAX's; NumPy reads one triangle",
    "linalg.pinv": "exact where singular values are cut off; PyTorch and JAX treat these as 0",
    "linalg.qr": "nan where the columns are dependent; no gradient for mode 'raw'",
    "linalg.slogdet": "infinite where the determinant is 0",
    "linalg.svd": "nan for vectors of equal singular values; a loss of what completes a basis is refused if it depends "
                  "on more than the space, where PyTorch ignores it",
    "linalg.svdvals": "0 for singular values of 0",
    "maximum": "ties split evenly, as PyTorch and JAX",
    "min": "ties split evenly, as PyTorch's amin",
    "minimum": "ties split evenly, as PyTorch and JAX",
    "fmax": "ties split evenly; PyTorch's fmax gives all to the first",
    "fmin": "ties split evenly; PyTorch's fmin gives all to the first",
    "median": "of an even number of elements, the two in the middle share; torch.median takes the lower one",
    "norm": "0 at the zero vector, as PyTorch; JAX gives nan",
    "power": "0 ** 0 has the gradients 0 and 0; a negative base has nan for the exponent",
    "prod": "exact with zeros, without division",
    "relu": "0 at 0, as PyTorch",
    "remainder": "PyTorch's remainder too; at jumps the one-sided value",
    "quantile": "of ties, the element that a stable sort puts at this position",
    "std": "ddof=0, as NumPy, where PyTorch divides by n - 1; 0 for constants, as PyTorch",
    "var": "ddof=0, as NumPy, where PyTorch divides by n - 1",
    "where": "the branch not taken gets exactly 0, but nan times 0 behind it is nan, as in PyTorch",
}

LEGEND = """\
`g` is the gradient of the output and `y` the output; inputs have the names of the function's parameters.

| column | what was checked |
| --- | --- |
| orders | derivatives of these orders agree with finite differences of the order below, on every sample call |
| float32 | values, gradients and second gradients of float32 inputs are float32, or the dtype that NumPy returns |
| broadcasts | inputs of different shapes broadcast, and each gradient is summed to its input's shape |
| 0-d, empty | 0-d inputs, and inputs with an axis of size 0: values are NumPy's, gradients have the inputs' shapes |
| dtypes | bools, integers of 8 to 64 bits, float16 and big-endian numbers: values and dtypes are NumPy's |
| ties | if all elements are equal, the gradient is split evenly, or one of them gets it all |
| nan | ✓ a nan shows in value and gradient; skipped: the value does not depend on it; 0: its gradient is 0 |
| at 0, ±1, ends | the gradient at 0, 1, -1 and the ends of the domain, where it differs from that of points nearby |
| compiled | under `tt.compile` value and gradient are the same, to the last bit |

✓ yes; – refused, as by NumPy, or not applicable; ✗ no.
"""


# --- the rows ---


def names() -> list[str]:
    """Every public function, by the name that its facts are known by."""
    found = [name if not space else f"{space}.{name}" for space, functions in NAMESPACES.items()
             for name, function in functions.items()
             if function.__name__ == name and not (space and PUBLIC.get(name) is function)]
    observed = {id(function) for function in NONDIFFERENTIABLE.values()}
    return sorted({*NONDIFFERENTIABLE, *(name for name in found if id(function_of(name)) not in observed)} - MADE)


def function_of(name: str) -> Callable[..., Any]:
    if name in NONDIFFERENTIABLE:
        return NONDIFFERENTIABLE[name]
    namespace, _, short = name.rpartition(".")
    return NAMESPACES[namespace][short]


def family(name: str) -> ModuleType:
    """The file that a function is defined in."""
    op = REGISTRY.get(name)
    rules = [op.rules.rule] if op and isinstance(op.rules, VariadicRules) else [r for r in op.rules if r] if op else []
    function = rules[0] if rules else getattr(function_of(name), "__wrapped__", function_of(name))
    return sys.modules[function.__module__]


def gradient(name: str) -> str:
    """The gradient of each input as it is written, or that it is composed."""
    op = REGISTRY.get(name)
    if op is None:
        return "composed of ops"
    if isinstance(op.rules, VariadicRules):
        return f"of each: {formula(op.rules.rule)}"
    return "<br>".join(formula(rule) for rule in op.rules if rule)


def formula(rule: Any) -> str:
    text = rule_source(rule) if rule.__name__ == "<lambda>" else rule.__name__
    return f"`{cell(text)}`"


def cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def sentence(name: str) -> str:
    """The first sentence of the docstring."""
    return cell((function_of(name).__doc__ or "").partition("\n\n")[0])


def implemented(name: str) -> str:
    """The NumPy functions that it implements for Tensors."""
    keys = subject(name).numpy
    return " ".join(f"`{full_name(k[0])}.{k[1]}`" if isinstance(k, tuple) else f"`{full_name(k)}`" for k in keys) or NO


def called(name: str) -> str:
    """How it is called: its name, its other names, and whether it is a method."""
    function, short = function_of(name), name.rpartition(".")[2]
    others = [f"`{other}`" for other, f in PUBLIC.items() if f is function and other != short]
    attribute = getattr(Tensor, short, None)
    found = function in (attribute, getattr(attribute, "__wrapped__", None))
    method = f" `x.{short}()`" if found else ""
    return f"`{name.removeprefix('np.')}`" + "".join(f" {other}" for other in others) + method


# --- the page ---


def table(columns: tuple[str, ...], rows: list[list[str]]) -> list[str]:
    return ["", f"| {' | '.join(columns)} |", "| " + " | ".join(["---"] * len(columns)) + " |",
            *[f"| {' | '.join(row)} |" for row in rows]]


def page() -> tuple[str, dict[str, list[str]]]:
    """The page, and what is wrong, by function."""
    families: dict[str, list[str]] = defaultdict(list)
    titles: dict[str, str] = {}
    observed, wrong = [], {}
    for name in names():
        if differentiable(name):
            module = family(name)
            short = module.__name__.rpartition(".")[2]
            families[short].append(name)
            titles[short] = (module.__doc__ or "").partition("\n")[0]
        else:
            observed.append(name)
    lines = ["<!-- Written by `python -m tinytensor.reference`, by checks that run: change the ops, not this file. -->",
             "# Functions", "", LEGEND, "- " + "\n- ".join(f"[{f}](#{f})" for f in sorted(families)),
             "- [without a derivative](#without-a-derivative)", "- [new tensors](#new-tensors)"]
    for short in sorted(families):
        lines += ["", f"## {short}", "", titles[short]]
        found = {name: facts(name, compile) for name in families[short]}
        wrong.update({name: cells["wrong"] for name, cells in found.items() if cells["wrong"]})
        lines += table(("function", "what it computes", "gradient of each input", "implements"),
                       [[called(n), sentence(n), gradient(n), implemented(n)] for n in found])
        lines += table(("function", *COLUMNS, "compared with NumPy and PyTorch"), [
            [f"`{n}`", *(cells[c] for c in COLUMNS), DIFFERENCES.get(n, "")] for n, cells in found.items()])
    lines += ["", "## without a derivative", "", "Their outputs never require grad."]
    found = {name: facts(name, compile) for name in observed}
    wrong.update({name: cells["wrong"] for name, cells in found.items() if cells["wrong"]})
    lines += table(("function", "what it computes", "implements", *PLAIN), [
        [called(n), sentence(n), implemented(n), *(cells[c] for c in PLAIN)] for n, cells in found.items()])
    lines += ["", "## new tensors", "", "No gradient flows through these."]
    lines += table(("function", "what it computes"), [[called(n), sentence(n)] for n in sorted(MADE) if n in PUBLIC])
    return "\n".join(lines).rstrip() + "\n", wrong


def main(arguments: list[str]) -> int:
    pages = {listing.path_of(package): listing.page(package) for package in listing.PACKAGES}
    complaints = listing.undocumented()
    if "--lists" not in arguments:
        pages[PAGE], wrong = page()
        complaints += [f"{name}: {reason}" for name, reasons in wrong.items() for reason in reasons]
    stale = [path for path, text in pages.items() if not path.exists() or path.read_text("utf-8") != text]
    print(*complaints, *(f"stale: {path.relative_to(listing.ROOT)}" for path in stale), sep="\n", end="\n" * bool(
        complaints or stale))
    if "--check" in arguments:
        print("stale: run python -m tinytensor.reference" if stale else "reference current")
        return 1 if stale or complaints else 0
    for path in stale:
        path.write_text(pages[path], "utf-8")
    print(f"{len(stale)} of {len(pages)} pages written; {len(complaints)} faults")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
