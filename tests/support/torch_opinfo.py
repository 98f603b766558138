"""Runs PyTorch's own samples of its functions, the OpInfos of its test suite, on `tinytensor.torch` and on PyTorch.

Values, dtypes, shapes, structure, shared memory, and gradients are compared, for a function, its aliases, its method
and its method in place; what raises there must raise here. It holds no tests: `tests/torch/test_opinfo.py` has them.

    python -m tests.support.torch_opinfo cumsum linalg.qr     what fails, of these names
    python -m tests.support.torch_opinfo                      of all that are offered
    options: --few N samples of a dtype at most, --errors bad input too, --second second gradients, --names grad_fn's
"""

from __future__ import annotations

import argparse
import re
import types
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

import tinytensor.torch as ours
from tests.support.beside_torch import DTYPES, ERRORS, Left, compare, converted, flat, gradients, kept_apart, lookup

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from torch.testing._internal.common_methods_invocations import op_db

TRIED = (torch.float32, torch.float64, torch.int64, torch.bool, torch.uint8, torch.int32, torch.float16)
FEW = {torch.float16: 3, torch.int32: 3, torch.uint8: 6}  # samples of dtypes that get few

# --- what is not compared, and why ---

UNWRITTEN = re.compile("(new_)?empty(_like|_strided|_permuted)?|resize_(as_)?")  # their values are not defined
REFUSED = {  # what is refused on purpose: the name, as a pattern, and a part of the sentence
    ".*": "complex|bfloat16|sparse|expected 'cpu'",
    r"nn\.functional\.(interpolate|upsample_bilinear)": r"not implemented for torch\.uint8|antialias",
    "(matrix_exp|linalg).*": "expected a floating point tensor, float32 or float64",  # not float16
    "multinomial": "float16: expected float32 or float64",
    "histogramdd": "must be monotonically increasing",
    r"nn\.functional\.(conv|avg_pool|max_pool|unfold|interpolate).*": r"not implemented for torch\.",  # of integers
    r"nn\.functional\.embedding(_bag)?": "got (max_norm|scale_grad_by_freq)",
    r"nn\.functional\.batch_norm": r"got an input of shape \[0\]",  # which has no channels
    r"nn\.functional\.multilabel_margin_loss": r"got an input of shape \(\)",
}
UNLIKE = {  # what differs on purpose: the name with its variant, as a pattern, and what is said of it
    r"linalg\.norm \(subgradients_at_zero\)": "(second )?gradient",  # 0 here
    r"linalg\.pinv \(hermitian\)": "gradient",  # of what is not hermitian it is none in PyTorch
    r"normal.*|bernoulli": "output 0 requires grad",  # with a gradient of zero; here a draw has none
    r"as_strided \(partial_views\)": ".*",  # the memory around a view is lost on the way to ours
    "arange": "output 0 has shape",  # in uint8, downwards
    r"nn\.functional\.(pad|pixel_).*": "output 0 does not share",  # where nothing is added or moved
}
INEXACT = ("logcumsumexp",)  # whose gradient in float32 is off by 2e-3 in PyTorch
TIED = {"sort": 0, "argsort": 0, "mode": 0, "topk": 1, "kthvalue": 1}  # where equal elements may change places: `dim`
UNTRIED = {  # dtypes in which nobody computes it: half precision is summed in float32 there, bytes wrap
    r"nn\.functional\..*(loss|distance|gelu|norm|attention|softmin)": (torch.float16, torch.uint8),
}


@dataclass
class Report:
    """What came of one OpInfo: how many samples were compared, what was refused, and what failed."""

    name: str
    compared: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    failed: list[tuple[str, str, str]] = field(default_factory=list)  # kind and dtype, what, sample


def seeded(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """What their `wrapper_set_seed` does, for ours."""
    ours.manual_seed(42)
    return function(*args, **kwargs)


def variants(op: Any) -> Iterator[tuple[str, Callable[..., Any], Callable[..., Any]]]:
    """The kinds in which an OpInfo's function is offered here: kind, theirs and ours."""
    offered = lookup(op.name) or getattr(ours.Tensor, op.name, None)
    if offered is None:
        return
    theirs = op.op
    if isinstance(theirs, types.FunctionType) and not theirs.__code__.co_freevars and theirs.__module__.startswith(
            "torch.testing"):  # a lambda that calls torch.something: let its torch be ours
        names = {**theirs.__globals__, "torch": ours, "wrapper_set_seed": seeded}
        mine: Any = types.FunctionType(theirs.__code__, names, "ours", theirs.__defaults__)
    else:
        mine = lookup(op.name) or offered
    if callable(mine):
        yield "", theirs, mine
    for alias in op.aliases:
        if callable(lookup(alias.name)) and alias.op is not None:
            yield alias.name, alias.op, lookup(alias.name)
    for kind, variant in (("method", op.method_variant), ("in place", op.inplace_variant)):
        name = getattr(variant, "__name__", None)
        if name and not name.startswith("<") and hasattr(ours.Tensor, name):
            yield kind, variant, getattr(ours.Tensor, name)


# --- one OpInfo ---


class Opinfo:
    """Runs the samples of one OpInfo."""

    def __init__(self, op: Any, few: int = 10**9, second: bool = False, names: bool = False) -> None:
        self.op, self.few, self.second, self.names = op, few, second, names
        self.report = Report(op.name + (f" ({op.variant_test_name})" if op.variant_test_name else ""))
        self.patterns = [text for name, text in REFUSED.items() if re.fullmatch(name, op.name)]
        self.unlike = [said for name, said in UNLIKE.items() if re.fullmatch(name, self.report.name)]
        self.untried = [d for name, dtypes in UNTRIED.items() if re.fullmatch(name, op.name) for d in dtypes]

    def run(self, dtypes: Any = TRIED) -> Report:
        kinds = list(variants(self.op))
        for dtype in dtypes if kinds else ():
            if dtype not in self.op.supported_dtypes("cpu") or dtype in self.untried:
                continue
            torch.manual_seed(0)
            with_grad = dtype in (torch.float32, torch.float64) and self.op.supports_autograd
            for sample in self.chosen(dtype, with_grad):
                for kind, theirs, mine in kinds:
                    if kind != "in place" or not sample.broadcasts_input:
                        self.try_one(kind, dtype, sample, theirs, mine)
        return self.report

    def chosen(self, dtype: Any, with_grad: bool) -> list[Any]:
        """The samples of a dtype, or some of them, evenly."""
        samples, error = kept_apart(lambda: list(self.op.sample_inputs("cpu", dtype, requires_grad=with_grad)))
        if error is not None:
            return []
        count = min(self.few, FEW.get(dtype, self.few))
        return samples[:: -(-len(samples) // count)] if samples else []

    def try_one(self, kind: str, dtype: Any, sample: Any, theirs: Any, mine: Any) -> None:
        leaves: list[tuple[Any, Any]] = []
        try:
            x, args, kwargs = (converted(part, leaves) for part in (sample.input, tuple(sample.args), sample.kwargs))
        except Left:
            return
        self.report.compared += 1
        try:
            given = sample.input
            if kind == "in place":
                given, x = given.clone(), x.clone()
            with torch.random.fork_rng():
                torch.manual_seed(42)
                want, expected = kept_apart(theirs, given, *sample.args, **sample.kwargs)
            ours.manual_seed(42)
            got, raised = kept_apart(mine, x, *args, **kwargs)
            self.settle(kind, dtype, sample, leaves, (given, x), want, expected, got, raised)
        except Exception as error:
            if any(re.match(said, str(error)) for said in self.unlike):
                self.report.refused[str(error)[:60]] += 1
                return
            text = f"{type(error).__name__}: " * (not isinstance(error, AssertionError)) + str(error)
            self.report.failed.append((f"{kind or 'function'} of {str(dtype)[6:]}", text, shown(sample)))

    def settle(self, kind: str, dtype: Any, sample: Any, leaves: Any, given: Any, want: Any, expected: Any, got: Any,
               raised: Any) -> None:
        if isinstance(raised, (*ERRORS, AttributeError)) and any(re.search(p, str(raised)) for p in self.patterns):
            self.report.refused[str(raised)[:60]] += 1
            return
        if expected is not None:
            if isinstance(expected, NotImplementedError) or "not implemented for" in str(expected):
                return
            assert raised is not None, f"raises {str(expected)[:90]!r}: gave {str(got)[:60]}"
            assert isinstance(raised, ERRORS), f"raises {type(expected).__name__}: {raised!r}"
            return
        if raised is not None:
            raise raised
        if any(isinstance(x, torch.Tensor) and (x.dtype not in DTYPES or x.layout is not torch.strided)
               for x in flat(want)):
            return
        assert isinstance(want, list | tuple) == isinstance(got, list | tuple), f"is a {type(want)}: {type(got)}"
        pairs = list(zip(flat(want), flat(got), strict=True))
        for i, (a, b) in enumerate(pairs):
            if isinstance(a, torch.Tensor) and isinstance(b, ours.Tensor):
                assert a.requires_grad == b.requires_grad, f"output {i} requires grad, {a.requires_grad}"
                if "memory_format" not in sample.kwargs:
                    self.shared(given, i, a, b)
        processed = [sample.output_process_fn_grad(y) for y in (want, got)] if kind != "in place" else [want, got]
        pairs = list(zip(flat(processed[0]), flat(processed[1]), strict=True))
        if self.op.name in TIED and raised is None:
            pairs[-1] = self.elements(sample, *pairs[-1])
        for i, (a, b) in enumerate(pairs):
            compare(f"output {i}", a, b, not UNWRITTEN.fullmatch(self.op.name))
        if not UNWRITTEN.fullmatch(self.op.name):
            leaves = [] if self.op.name in INEXACT and dtype is torch.float32 else leaves
            second = self.second and self.op.supports_gradgrad and kind == "" and dtype is torch.float64
            gradients(pairs, leaves, second)
        if self.names and kind == "" and pairs and getattr(pairs[0][0], "grad_fn", None) is not None:
            a, b = (y.grad_fn.name() for y in pairs[0])
            assert a == b, f"grad_fn is {a}: {b}"

    def elements(self, sample: Any, *places: Any) -> tuple[Any, Any]:
        """The elements that stand at their places and at ours."""
        args = [*sample.args, *[-1] * 2]
        dim = sample.kwargs.get("dim", args[TIED[self.op.name]])
        x = np.atleast_1d(sample.input.detach().numpy())
        if places[0].ndim < sample.input.ndim:  # not keepdim
            places = tuple(y.unsqueeze(dim) for y in places)
        a, b = (np.take_along_axis(x, np.atleast_1d(y.numpy()), dim) for y in places)
        return torch.from_numpy(a), ours.from_numpy(b)

    def shared(self, given: Any, i: int, a: Any, b: Any) -> None:
        """An output shows its input's memory where theirs does."""
        if not isinstance(given[0], torch.Tensor) or not isinstance(given[1], ours.Tensor) or not a.numel() or (
                tuple(s * given[0].element_size() for s in given[0].stride()) != given[1].node.data.strides):
            return
        theirs = a.untyped_storage().data_ptr() == given[0].untyped_storage().data_ptr()
        mine = np.may_share_memory(b.node.data, given[1].node.data)
        assert theirs == mine, f"output {i} {'shares' if theirs else 'does not share'} the input's memory"

    def bad_input(self) -> Report:
        """What raises by their table of errors must raise here."""
        for kind, _, mine in list(variants(self.op))[:1]:
            samples, _ = kept_apart(lambda: list(self.op.error_inputs("cpu")))
            for bad in samples or ():
                sample, leaves = bad.sample_input, []  # type: ignore[var-annotated]
                with suppress(Left):
                    x, args, kwargs = (converted(p, leaves) for p in (sample.input, tuple(sample.args), sample.kwargs))
                    self.report.compared += 1
                    got, raised = kept_apart(mine, x, *args, **kwargs)
                    refused = any(re.search(pattern, str(raised)) for pattern in self.patterns)
                    refused = refused or not bad.error_regex  # which says that it may or may not raise
                    refused = refused or "out" in kwargs  # what is written into it is computed before: nothing overlaps
                    refused = refused or "out" in kwargs  # here results are computed first, so it may be an input
                    if not refused and (raised is None or not isinstance(raised, bad.error_type)):
                        text = f"raises {bad.error_type.__name__} {bad.error_regex[:90]!r}: "
                        text += f"gave {got!r:.60}" if raised is None else repr(raised)
                        self.report.failed.append((kind or "function", text, shown(sample)))
        return self.report


def shown(sample: Any) -> str:
    """A sample's arguments, in short."""
    def short(x: Any) -> Any:
        if isinstance(x, torch.Tensor):
            return f"{str(x.dtype)[6:]}{[*x.shape]}"
        return [short(part) for part in x] if isinstance(x, list | tuple) else x

    return f"{short(sample.input)} {short(sample.args)} { {k: short(v) for k, v in sample.kwargs.items()} }"[:200]


def chosen_ops(names: Any) -> list[Any]:
    """The OpInfos of these names, or all; with `*` at its end a name stands for what begins so."""
    return [op for op in op_db if not names or any(
        op.name == name or (name.endswith("*") and op.name.startswith(name[:-1])) for name in names)]


def main() -> None:
    parser = argparse.ArgumentParser(description="PyTorch's own samples on tinytensor.torch")
    parser.add_argument("names", nargs="*")
    parser.add_argument("--few", type=int, default=10**9)
    for flag in ("errors", "second", "names", "quiet"):
        parser.add_argument(f"--{flag}", action="store_true", dest=f"{flag}_")
    given = parser.parse_args()
    total, absent, failing = 0, [], []
    for op in chosen_ops(given.names):
        if not list(variants(op)):
            absent.append(op.name)
            continue
        one = Opinfo(op, given.few, given.second_, given.names_)
        report = one.bad_input() if given.errors_ else one.run()
        total += report.compared
        groups: dict[str, list[Any]] = {}
        for kind, text, sample in report.failed:
            groups.setdefault(re.sub(r"[-\d.e+\s]+", " ", text)[:50], []).append((kind, text, sample))
        if groups:
            failing.append(report.name)
            print(f"{report.name}: {len(report.failed)} of {report.compared} failed", flush=True)
        for group in list(groups.values())[:6]:
            kinds = sorted({kind for kind, _, _ in group})
            print(f"    {len(group)} x {', '.join(kinds[:4])}{', ...' * (len(kinds) > 4)}: {group[0][1][:220]!r}\n"
                  f"        {group[0][2]}")
    print(f"{total} samples compared; failing: {' '.join(failing) or 'none'}")
    print(f"not offered: {' '.join(sorted({*absent}))}")


if __name__ == "__main__":
    main()
