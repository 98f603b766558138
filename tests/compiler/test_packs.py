"""Small buffers that are updated alike: side by side in memory, in one update, to the last bit the same."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinytensor as tt
from tinytensor import nn, optim
from tinytensor.compiler.ir import Program
from tinytensor.compiler.passes import horizontal_fusion
from tinytensor.compiler.tracing import aliasing

KINDS = ("moved", "moved", "moved", "counted", "scaled", "raised", "read", "given back", "twice", "left")
FACTORS = (0.1, 0.25, 0.0, -0.0)


class Buffers(nn.Module):
    """Buffers of a few numbers, each with a way to be updated, and a factor."""

    def __init__(self, plan: list[tuple[str, int, float]]) -> None:
        super().__init__()
        self.plan, rng = plan, np.random.default_rng(0)
        for i, (kind, size, _) in enumerate(plan):
            whole = kind == "counted"
            self.register_buffer(f"b{i}", np.array(i) if whole else rng.standard_normal(size).astype(np.float32))

    def forward(self, x: Any) -> Any:
        total = x.sum()
        for i, (kind, size, factor) in enumerate(self.plan):
            b, v = getattr(self, f"b{i}").data, np.sin(x[:size] * (i + 1))
            if kind == "counted":
                b += 1
            elif kind == "scaled":
                b *= factor
            elif kind == "raised":
                b **= 2 if factor == 0.1 else 1
            elif kind != "left":
                if kind == "read":
                    total = total + b.sum()
                b *= 1 - factor
                b += v * factor
                if kind == "twice":
                    b *= 0.5
                if kind == "given back":
                    total = total + b.sum()
        return total


def buffers(model: Any) -> list[Any]:
    return [buffer for _, buffer in model.named_buffers()]


def follow(plan: list[tuple[str, int, float]], **settings: Any) -> Any:
    """Five steps both ways, which must be the same; gives the compiled one."""
    ours, eager = Buffers(plan), Buffers(plan)
    step = tt.compile(ours, ours, **settings)
    for call in range(5):
        x = np.random.default_rng(call).standard_normal(8).astype(np.float32)
        np.testing.assert_array_equal(step(x), eager(x))
        for a, b in zip(buffers(ours), buffers(eager), strict=True):
            np.testing.assert_array_equal(a.data, b.data)
    return step


@given(st.lists(st.tuples(st.sampled_from(KINDS), st.integers(1, 8), st.sampled_from(FACTORS)), max_size=8))
def test_they_become_what_they_would_alone(plan: Any) -> None:
    follow(plan)


def test_one_update_is_made_for_all() -> None:
    source = follow([("moved", 3, 0.1), ("counted", 1, 0.0), ("moved", 5, 0.25), ("counted", 1, 0.0)]).source
    assert source.count("out=state)") == 2 and source.count("out=state_2)") == 1, source


def test_batch_norms_take_four_lines_together() -> None:
    model = nn.Sequential(nn.Linear(4, 5, rng=1), nn.BatchNorm1d(5), nn.Linear(5, 6, rng=2), nn.BatchNorm1d(6))
    step = tt.compile(model, model)
    for _ in range(3):
        step(np.random.default_rng(0).standard_normal((8, 4)).astype(np.float32))
    update = step.source.partition("# --- update ---")[2]
    assert "out=running)" in update and "out=num_batches_tracked)" in update
    assert len([line for line in update.splitlines() if line.startswith("    np.")]) == 4, update
    assert all(a.data.base is not None for a in buffers(model))


def test_what_an_optimiser_changes_is_read_before() -> None:
    """Means of parameters, from before the optimiser's step: at the end of the step they would need a copy of all."""
    def trained(compiled: bool) -> tuple[Any, Any]:
        model, means = nn.Sequential(nn.Linear(3, 4, rng=1), nn.Linear(4, 2, rng=2)), Buffers([("moved", 4, 0.1)] * 2)
        opt = optim.SGD(model.parameters(), lr=0.1)

        def step(x: Any, y: Any) -> Any:
            for mean, factor in zip(buffers(means), (0.1, 0.25), strict=True):
                mean.data *= 1 - factor
                mean.data += model[0].bias.data * factor
            loss = tt.cross_entropy(model(x), y)
            opt.zero_grad()
            loss.backward()
            opt.step()
            return loss

        run = tt.compile(step, model, means, opt) if compiled else step
        for call in range(4):
            run(np.random.default_rng(call).standard_normal((5, 3)).astype(np.float32), np.array([0, 1, 1, 0, 1]))
        return run, [mean.data for mean in buffers(means)]

    (step, ours), (_, eager) = trained(True), trained(False)
    np.testing.assert_array_equal(ours, eager)
    assert "np.copyto(theta" not in step.source


# --- what makes them stand side by side ---


def test_arrays_that_others_hold_stay() -> None:
    model = nn.BatchNorm1d(5)
    mean, view = model.running_mean.data, model.running_var.data[:2]
    aliasing.coalesce_buffers(buffers(model))
    assert model.running_mean.data is mean and np.shares_memory(view, model.running_var.data)


def test_they_move_once_and_by_dtype() -> None:
    model = nn.Sequential(nn.BatchNorm1d(5), nn.BatchNorm1d(6), nn.BatchNorm1d(3000, dtype=np.float64))
    before = model.state_dict()
    aliasing.coalesce_buffers(buffers(model))
    first = [a.data for a in buffers(model)]
    aliasing.coalesce_buffers(buffers(model))
    assert all(a.data is b for a, b in zip(buffers(model), first, strict=True))
    owners = {id(a.base) for a in first if a.dtype == np.float32}, {id(a.base) for a in first if a.dtype == np.int64}
    assert list(map(len, owners)) == [1, 1]
    assert [a.base for a in first if a.dtype == np.float64] == [None, None], "a call on many numbers is no cheaper"
    for name, a in model.state_dict().items():
        np.testing.assert_array_equal(a, before[name])


# --- each rule, perturbed ---


class FirstFactor(horizontal_fusion.FusedUpdate):
    """A pack that has the first update's numbers for all."""

    def fused(self, operands: list[Any]) -> Any:
        return super().fused([operands[0]] * len(operands) if isinstance(operands[0], float) else operands)


def in_reverse(program: Program) -> Any:
    """Packs, whose parts are taken in another order than they stand in."""
    return [[found[0], *found[:0:-1]] for found in updates(program)]


def anywhere(program: Program) -> Any:
    """Packs of arrays that have others between them."""
    return [[u for found in updates(program) for u in found]]


updates = horizontal_fusion.fusible_groups
MOVED = [("moved", 3, 0.1), ("moved", 3, 0.25), ("moved", 3, 0.1)]
PERTURBED = {"places": ("fusible_groups", anywhere, [*MOVED, ("left", 3, 0.0), *MOVED]),
             "factors": ("FusedUpdate", FirstFactor, MOVED), "order": ("fusible_groups", in_reverse, MOVED)}


@pytest.mark.parametrize("rule", PERTURBED)
def test_a_perturbed_rule_is_noticed(rule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name, other, plan = PERTURBED[rule]
    monkeypatch.setattr(horizontal_fusion, name, other)
    with pytest.raises((AssertionError, tt.CompileError)):  # an audit may be the first to see it
        follow(plan)
