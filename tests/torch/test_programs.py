"""Programs written for PyTorch run as they stand on tinytensor.torch: all that they print and keep is PyTorch's."""

import re
from pathlib import Path

import pytest

import tinytensor.torch as torch
from tests.support.torch_sides import compare_globals, compare_text, run

PROGRAMS = sorted((Path(__file__).parent / "programs").glob("*.py"))
PRINTED = Path(__file__).parents[1] / "golden" / "torch_programs"  # by PyTorch
TENSORS = {"makemore_models": 60, "nanogpt": 50, "reprs": 2, "tutorial_basics": 30}  # at least so many are compared
GRAD_FN = re.compile(r"grad_fn=(<\w+>)")


@pytest.mark.peer
@pytest.mark.parametrize("path", PROGRAMS, ids=lambda p: p.stem)
def test_a_program_prints_and_keeps_what_it_does_on_pytorch(path, request):
    pytest.importorskip("torch")
    expected, theirs = run(path, "pytorch")
    if request.config.getoption("--golden"):
        (PRINTED / f"{path.stem}.txt").write_text(expected, "utf-8")
    got, mine = run(path, "ours")
    compare_text(got, expected)
    assert compare_globals(mine, theirs) >= TENSORS.get(path.stem, 10)
    assert GRAD_FN.findall(got) == GRAD_FN.findall(expected)


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda p: p.stem)
def test_a_program_prints_what_pytorch_printed(path):
    got, _ = run(path, "ours")
    compare_text(got, (PRINTED / f"{path.stem}.txt").read_text("utf-8"))


@pytest.mark.parametrize("got", [
    "loss 2.3457 of 3", "loss 2.3450 of 4", "lose 2.3450 of 3", "loss 2.3450 of 3\nmore", ""])
def test_a_difference_is_found_in_a_text(got):
    compare_text("loss 2.3451 of 3", "loss 2.3450 of 3")
    with pytest.raises(AssertionError):
        compare_text(got, "loss 2.3450 of 3")


@pytest.mark.parametrize("wrong", [
    lambda: torch.tensor([1.0, 2.001, 3.0]), lambda: torch.tensor([1.0, 2.0]), lambda: torch.tensor([1, 2, 3]),
    lambda: torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64), lambda: torch.tensor([1.0, float("nan"), 3.0]),
    lambda: torch.tensor([1.0, 2.0, 3.0], requires_grad=True)])
def test_a_difference_is_found_in_a_tensor(wrong):
    right = torch.tensor([1.0, 2.0, 3.0])
    assert compare_globals({"x": [right]}, {"x": [right + 1e-6]}) == 1
    with pytest.raises(AssertionError):
        compare_globals({"x": [wrong()]}, {"x": [right]})


def test_a_difference_is_found_in_a_module_and_in_a_gradient():
    one, other = (torch.nn.Linear(2, 2) for _ in range(2))
    other.load_state_dict(one.state_dict())
    assert compare_globals({"m": one}, {"m": other}) == 2
    other(torch.ones(2)).sum().backward()
    with pytest.raises(AssertionError, match="grad"):
        compare_globals({"m": one}, {"m": other})
    other.zero_grad()
    other.bias.data += 1
    with pytest.raises(AssertionError, match="m\\['bias'\\]"):
        compare_globals({"m": one}, {"m": other})
