"""What a newcomer gets wrong is said in one sentence, of PyTorch's class, that names the cure."""

import subprocess
import sys

import numpy as np
import pytest

import tinytensor as tt
import tinytensor.torch as torch

nn, F = torch.nn, torch.nn.functional
x = torch.ones(2, 3)

MISTAKES = [
    (lambda: x.mean(0, 1), TypeError, r"keepdim: got 1; .* dim=\(0, 1\)"),
    (lambda: x.max(0, 1), TypeError, "keepdim: got 1"),
    (lambda: x.std(0, 1), TypeError, r"std: got unbiased=1; .* dim=\(0, 1\)"),
    (lambda: torch.randint(0, 10), TypeError, r"randint: got size 10; .* write torch.randint\(low, high, \(n,\)\)"),
    (lambda: torch.randint(10), TypeError, "randint: got no size"),
    (lambda: torch.randperm(3.5), TypeError, "randperm: got 3.5; expected an integer"),
    (lambda: torch.normal(0, 1), TypeError, r"normal: got two numbers and no size; .* torch.normal\(mean, std, \(n,\)"),
    (lambda: torch.linspace(0, 1), TypeError, r"expected those of linspace\(start, end, steps, \*, dtype=None,"),
    (lambda: x.max(1, 2, 3), TypeError, r"max: got arguments that do not fit: max\(\) takes .* max\(input, dim=None"),
    (lambda: torch.tensor([[1, 2], [3]]), ValueError, "tensor: expected sequences of one length; .* pad"),
    (lambda: torch.tensor([[1], [None]]), RuntimeError, "tensor: got None, a NoneType; expected real numbers"),
    (lambda: torch.tensor([[1], ["a"]]), TypeError, "tensor: got 'a', a str"),
    (lambda: torch.tensor(1j), TypeError, "tensor: got 1j, a complex"),
    (lambda: x[5], IndexError, "index 5 is out of bounds for dimension 0 with size 2; expected one from -2 to 1; the"),
    (lambda: x[0, 0, 0], IndexError, "too many indices for tensor of dimension 2; got 3"),
    (lambda: x[torch.ones(3) > 0], IndexError, "the mask does not match the tensor along dimension 0"),
    (lambda: torch.ones(3).__setitem__(5, 1), IndexError, "for dimension 0 with size 3; expected one from -3 to 2"),
    (lambda: nn.Sequential([nn.Tanh()]), TypeError, r"cannot assign 'list' to '0' .*; write a star before it"),
    (lambda: nn.Sequential(nn.Tanh), TypeError, r"build one: Tanh\(\)"),
    (lambda: nn.Sequential(torch.tanh), TypeError, "call a function in forward"),
    (lambda: nn.Linear(2, 2).wieght, AttributeError, "Linear has no name 'wieght'; the nearest is 'weight'"),
    (lambda: x.to(np.float32), TypeError, "expected a torch.dtype; write torch.float32"),
    (lambda: torch.ones(1, dtype="int64"), TypeError, "dtype: got 'int64'; expected a torch.dtype; write torch.int64"),
    (lambda: torch.ones(1, dtype="real"), TypeError, "write one of torch.float32"),
    (lambda: F.binary_cross_entropy(torch.ones(1), torch.tensor([1])), RuntimeError, r"torch.int64; .*\.float\(\)"),
    (lambda: F.binary_cross_entropy(torch.ones(1), torch.tensor([2.0])), RuntimeError, "elements of target should be"),
    (lambda: torch.optim.SGD(nn.Module().parameters(), lr=0.1), ValueError, "empty parameter list; .* nn.ModuleList"),
    (lambda: nn.Conv2d(1, 2, 3)(torch.ones(1, 4, 4, 1)), RuntimeError, r"torch.moveaxis\(x, -1, 1\)"),
    (lambda: torch.append, AttributeError, "torch has no name 'append'$"),
    (lambda: F.binary_cross_entropy_with_logits(torch.ones(1), torch.tensor([True])), RuntimeError, "a target of"),
]


@pytest.mark.parametrize("case", range(len(MISTAKES)))
def test_a_mistake_is_one_sentence_with_its_cure(case):
    call, kind, words = MISTAKES[case]
    with pytest.raises(kind, match=words):
        call()


@pytest.mark.peer
@pytest.mark.parametrize("case", [i for i, (*_, words) in enumerate(MISTAKES) if "complex" not in words])
def test_pytorch_raises_the_same_class(case, monkeypatch):
    theirs, (call, kind, _) = pytest.importorskip("torch"), MISTAKES[case]
    for name, value in (("torch", theirs), ("nn", theirs.nn), ("F", theirs.nn.functional), ("x", theirs.ones(2, 3))):
        monkeypatch.setitem(globals(), name, value)
    with pytest.raises(kind):
        call()


def test_a_class_of_ones_own_is_named():
    class Net(nn.Module):
        def forward(self, x):
            return self.layr(x)

    net = Net()
    net.layer = nn.Linear(3, 2)
    with pytest.raises(AttributeError, match="Net has no name 'layr'; the nearest is 'layer'"):
        net(x)


def test_what_a_tensor_was_made_by_is_known_after_the_pass_that_released_it():
    w = torch.randn(3, requires_grad=True) * 0.01
    w.sum().backward()
    with pytest.warns(UserWarning, match="got the output of multiply"):
        assert w.grad is None
    with pytest.raises(RuntimeError, match="got the output of multiply"):
        w.requires_grad = False
    with pytest.raises(ValueError, match="got the output of multiply"):
        torch.optim.SGD([w], lr=0.1)
    v = tt.tensor([1.0, 2.0], requires_grad=True) * 2
    v.sum().backward()
    with pytest.warns(UserWarning, match="got the output of multiply"):
        assert v.grad is None


def test_a_layer_of_floats_is_not_to_be_made_one_of_integers():
    with pytest.raises(RuntimeError, match=r"x.to\(torch.float32\)$"):
        nn.Linear(2, 2)(torch.tensor([[1, 2]]))
    with pytest.raises(RuntimeError, match=r"or the model: model.to\(torch.float64\)$"):
        nn.Linear(2, 2)(torch.ones(1, 2).double())


def test_what_is_not_compiled_is_advised_in_pytorchs_names():
    @torch.compile
    def f(a):
        return a if a.sum() > 0 else -a

    with pytest.warns(UserWarning, match=r"write torch.where\(condition, a, b\)"):
        for _ in range(3):
            assert f(torch.ones(2)).tolist() == [1, 1]


def test_inf_and_nan_come_without_a_word_and_numpys_own_warnings_stay():
    program = ("import sys\nimport numpy as np\nimport tinytensor.torch as torch\n"
               "big, inf = torch.tensor([3e38]), torch.tensor(float('inf'))\n"
               "print(inf - inf, big + big, big * big, -big - big, (inf * torch.zeros(2, 2)) @ torch.ones(2, 2))\n"
               "big += big\n"
               "print('mine', file=sys.stderr)\n"
               "np.float32(3e38) * np.array([3e38], np.float32)\n")
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    said, _, own = run.stderr.partition("mine\n")
    assert run.returncode == 0 and said == "" and "<string>:8: RuntimeWarning: overflow encountered" in own


def test_a_setting_of_threads_that_cannot_be_met_is_a_warning(monkeypatch):
    monkeypatch.setitem(sys.modules, "threadpoolctl", None)
    with pytest.warns(UserWarning, match="got no threadpoolctl") as said:
        torch.set_num_threads(1)
    assert said[0].filename == __file__


def test_an_implicit_axis_is_blamed_on_the_readers_line():
    with pytest.warns(UserWarning, match="Implicit dimension choice") as said:
        F.softmax(x)
    assert said[0].filename == __file__


@pytest.mark.parametrize("line, words", [
    ("import torch.jit", r"torch.jit: .* no such module; programs are compiled by .* write torch.compile\(f\)"),
    ("import torch.nn.function", "the nearest is torch.nn.functional"),
    ("import torch.foo", "see examples/guides/from_pytorch.md"),
    ("import torchvision", "torchvision: it needs PyTorch itself, .* torch.from_numpy"),
    ("from torchvision import datasets", "torchvision: it needs PyTorch itself"),
])
def test_a_module_that_is_not_here_says_what_to_do(line, words, monkeypatch):
    for name in [n for n in sys.modules if n.partition(".")[0] in ("torch", "torchvision")]:
        monkeypatch.delitem(sys.modules, name)
    torch.install()
    try:
        with pytest.raises(ModuleNotFoundError, match=words):
            exec(line, {})
    finally:
        torch.uninstall()


def test_what_is_not_imported_yet_says_so():
    run = subprocess.run([sys.executable, "-c", "import tinytensor; tinytensor.torch.install()"], capture_output=True,
                         text=True)
    assert run.stderr.endswith("tinytensor.torch is not imported yet: write import tinytensor.torch\n")


def test_help_says_how_a_script_and_a_notebook_begin():
    run = subprocess.run([sys.executable, "-m", "tinytensor.torch", "--help"], capture_output=True, text=True)
    assert run.returncode == 0 and "SCRIPT.py [arguments]" in run.stdout and "tinytensor.torch.install()" in run.stdout
