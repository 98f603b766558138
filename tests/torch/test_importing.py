"""`import torch` means tinytensor's: in a script by the runner, in a process by `install`; never by accident."""

import subprocess
import sys

import pytest

import tinytensor.torch as ours


@pytest.fixture
def installed(monkeypatch):
    for name in [n for n in sys.modules if n == "torch" or n.startswith("torch.")]:
        monkeypatch.delitem(sys.modules, name)
    ours.install()
    yield
    ours.uninstall()


def run(*arguments, stdin=None):
    return subprocess.run([sys.executable, "-m", "tinytensor.torch", *map(str, arguments)], capture_output=True,
                          text=True, timeout=100)


def test_every_form_of_import_means_this_package(installed):
    space = {}
    exec("import torch\nimport torch.nn as nn\nimport torch.nn.functional as F\nfrom torch import optim, Tensor\n"
         "from torch.utils.data import Dataset, DataLoader\nfrom torch.nn import functional\n"
         "from torch.optim.lr_scheduler import StepLR\nimport torch.linalg\nimport torch.backends.cudnn as cudnn\n"
         "from torch.cuda.amp import GradScaler\nfrom torch.nn.modules.module import Module\n"
         "from torch.nn.modules.loss import CrossEntropyLoss\nfrom torch.optim.optimizer import Optimizer\n"
         "from torch.optim.adamw import AdamW\nfrom torch.utils.checkpoint import checkpoint\n"
         "from torch.utils.tensorboard import SummaryWriter\nfrom torch.distributions import Categorical\n"
         "import torch.mps", space)
    assert space["cudnn"] is ours.backends.cudnn and space["Module"] is ours.nn.Module
    assert ours.nn.__spec__.name == ours.nn.__name__ == "tinytensor.torch.nn"
    assert space["torch"] is ours and space["nn"] is ours.nn and space["F"] is ours.nn.functional is space["functional"]
    assert space["DataLoader"] is ours.utils.data.DataLoader


def test_a_module_that_is_not_here_is_refused_by_name(installed):
    with pytest.raises(ModuleNotFoundError, match=r"torch.onnx: tinytensor.torch has no such module"):
        import torch.onnx
    with pytest.raises(ModuleNotFoundError, match=r"torch.operators"):  # a file of this package, none of PyTorch's
        import torch.operators  # noqa: F401


def test_install_twice_is_as_once_and_uninstall_undoes_it(installed):
    ours.install()
    assert sys.modules["torch"] is ours
    ours.uninstall()
    ours.uninstall()
    assert "torch" not in sys.modules and "torch.nn" not in sys.modules


def test_the_real_pytorch_is_not_shadowed(monkeypatch):
    ours.uninstall()
    monkeypatch.setitem(sys.modules, "torch", type(sys)("torch"))
    with pytest.raises(RuntimeError, match="the real PyTorch, torch, is imported already"):
        ours.install()


def test_a_script_runs_as_it_stands(tmp_path):
    script = tmp_path / "script.py"
    (tmp_path / "beside.py").write_text("import torch\nvalue = torch.tensor([1.0, 2.0])\n")
    script.write_text("import sys, torch, beside\nprint(__name__, sys.argv[1:], torch.__name__)\n"
                      "print(beside.value.sum())\nsys.exit(3)\n")
    done = run(script, "--steps", 5)
    assert done.stdout == "__main__ ['--steps', '5'] tinytensor.torch\ntensor(3.)\n" and done.returncode == 3, done


@pytest.mark.parametrize(("arguments", "says"), [((), "usage"), (("missing.py",), "missing.py: no such file")])
def test_what_can_not_run_gets_one_line(arguments, says):
    done = run(*arguments)
    assert done.returncode == 2 and says in done.stdout + done.stderr and "Traceback" not in done.stderr


def test_help():
    assert run("--help").returncode == 0
