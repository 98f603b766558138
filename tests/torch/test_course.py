"""What a learner types, and what the screen shows then: one-line programs beside PyTorch.

Each is one cell of a notebook. Whole programs are tests/torch/test_programs.py's.
"""

import math
import pickle
import random
import re
import types

import numpy as np
import pytest

import tinytensor.torch as ours
from tests.support.torch_sides import compare_text

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.peer

SHOWN = (  # what a cell may end with
    "g.manual_seed(1)", "torch.manual_seed(0)", "g.set_state(g.get_state())", "(1,) + x.shape", "x.shape + (1,)",
    "x.layout, torch.strided, torch.contiguous_format", "type(x), type(x.shape), type(x.dtype), type(x.device)",
    "type(nn.Parameter(x))", "nn.Parameter(x)", "i.storage()", "i.untyped_storage().size()",
    "w.sum().grad_fn, (w + 1).grad_fn, x.grad_fn", "(w + 1).grad_fn.name(), type((w * 2).grad_fn).__name__",
    "w.exp().sum().grad_fn.next_functions[0][0].next_functions[0][0]", "(w * 2).grad_fn.next_functions[0][0].variable",
    "lin.parameters(), lin.named_parameters()", "torch.set_grad_enabled(True)",
    "torch.autograd.Variable(x, requires_grad=True)", "isinstance(x, torch.autograd.Variable)",
    "x.max(1), x.sort(1), x.topk(2)", "lin, lin.weight, lin.state_dict()", "sgd, sgd.state_dict(), sgd.param_groups",
    "torch.iinfo(torch.int8), torch.finfo(torch.float32)", "{k: v for k, v in lin.named_parameters()}",
    "[t, i, (x,), {'a': t}]", "f'{t}', f'{t:.2f}', f'{i[0]:05d}', f'{x}'", "'%.2f %d %s' % (t, i[1], t)",
    "torch.histogram(x, density=True)", "torch.histogram(x)",
    "w.median(), w.amax(), w.nansum(), w.cumprod(0), torch.bmm(w[None], w[None])",
    "nn.RNNCell(2, 3)(x[:, :2]), nn.GRUCell(2, 3)(x[:, :2]), nn.LSTMCell(2, 3)(x[:, :2])",
    "nn.init.normal_(torch.empty(2), generator=g), nn.init.kaiming_uniform_(torch.empty(2, 2), generator=g)",
)
MIXED = (  # with Python's and NumPy's values
    "np.sin(x), np.exp(t), np.abs(x), np.isnan(x), np.cumsum(x), np.transpose(x).shape",
    "np.sum([t, t]), np.array([t, t])",
    "np.where(x > 0, x, 0), np.clip(x, 0, 1), np.concatenate([x, x]).shape, np.stack([t, t])",
    "np.add(x, x.numpy()), np.multiply(t, 2), np.maximum(x, 0)",
    "np.float32(2) * x, t + np.float64(1), np.int64(3) * i",
    "math.sqrt(t), math.exp(t), int(t), float(i[1]), bool(t), abs(-t)",
    "sum([t, t]), max(t, t * 2), sorted([t * 2, t])", "list(range(i[1])), [10, 20][i[0]], 'abc'[i[1]]",
    "random.Random(0).choices(range(3), weights=torch.ones(3))",
    "t in [t], {t: 1}[t], len({t, t}), t == None, 1 < t < 3",
    "pickle.loads(pickle.dumps((x, x.shape, x.dtype, x.device)))", "[*map(float, x[0])], [*zip(i, i)], [*enumerate(i)]",
    "torch.tensor([t, 1]), torch.tensor(np.arange(2)), torch.tensor([]), torch.tensor(bytearray(b'ab'))",
)
OUT = (  # out=
    "torch.matmul(x, x.T, out=torch.empty(2, 2))", "torch.mul(x, x, out=torch.empty(0))",
    "torch.rand(2, out=torch.zeros(2))", "torch.add(i, i, out=torch.zeros(2))",
    "[*torch.max(x, 1, out=(torch.empty(2), torch.empty(2, dtype=torch.long)))]",
    "[o := torch.zeros(2, 3), v := o[0], torch.add(x, 1, out=o) is o, v]",
    "torch.mul(x, 1.5, out=torch.zeros(2, 3, dtype=torch.long))", "torch.add(w, 1, out=torch.zeros(2, 2))",
    "torch.exp(x, out=w)", "torch.exp(x, out=3)",
)
REFUSED = (  # the kind of an error
    "float(x)", "int(x)", "math.sqrt(x)", "torch.tensor(['a'])", "torch.tensor([None])", "torch.tensor(2**63)",
    "x.item()", "bool(x)", "torch.all(True)", "torch.amax(3.0)", "torch.exp('a')",
    "torch.sigmoid_(3.0)", "torch.triu(None)", "x @ x", "x + torch.ones(2)", "x.view(5)", "torch.cat(x)",
    "torch.cat([x, t])", "lin(x)", "lin(x.double())", "x['a']", "x[5]", "len(t)", "[*t]",
    "torch.tensor([1], requires_grad=True)", "x.backward()",
)
SPACE = """
g = torch.Generator().manual_seed(1)
torch.manual_seed(2)
x, t, i = torch.randn(2, 3), torch.tensor(2.5), torch.tensor([0, 1])
w = torch.randn(2, 2, requires_grad=True)
lin = nn.Linear(4, 2)
sgd = torch.optim.SGD([{"params": [lin.weight], "weight_decay": 0.1}, {"params": [lin.bias]}], lr=0.1)
"""


def shown(package, line):
    """What a cell shows: its text without addresses, or the kind of its error."""
    space = {"torch": package, "nn": package.nn, "np": np, "math": math, "random": random, "pickle": pickle}
    exec(SPACE, space)
    try:
        text = repr(eval(line, space))
    except Exception as error:
        assert package is torch or "; " in str(error), f"{error!r} does not say what to do"
        return type(error).__name__
    return re.sub("0x[0-9a-f]+", "0x", text.replace("tinytensor.torch", "torch"))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("line", (*SHOWN, *MIXED, *OUT, *REFUSED))
def test_a_cell_shows_what_pytorch_shows(line):
    compare_text(shown(ours, line), shown(torch, line))


WRITES = (
    "(w * w).sum().backward(); w.detach_(); out = w.grad",
    "(lin(torch.ones(4)) * 2).sum().backward(); out = copy.deepcopy(lin).weight.grad",  # a copied Parameter has no grad
    "out = [*sgd.param_groups[0]][1:3], [*sgd.state_dict()['param_groups'][0]][0]",
    "y = torch.zeros(3, requires_grad=True) + 1; y[0] = w[0, 0]; y.sum().backward(); out = w.grad",
)


@pytest.mark.parametrize("program", WRITES)
def test_a_cell_leaves_what_pytorch_leaves(program):
    import copy
    found = []
    for package in (ours, torch):
        space = {"torch": package, "nn": package.nn, "copy": copy}
        exec(SPACE + program, space)
        found.append(repr(space["out"]))
    compare_text(*found)


def test_what_nanogpt_imports_for_several_processes_is_there_and_refuses():
    assert not ours.distributed.is_available() and not ours.distributed.is_initialized()
    with pytest.raises(RuntimeError, match="torch.distributed.init_process_group: a model is trained in one process"):
        ours.distributed.init_process_group(backend="nccl")
    with pytest.raises(RuntimeError, match="DistributedDataParallel: a model is trained in one process"):
        ours.nn.parallel.DistributedDataParallel(ours.nn.Linear(1, 1))
    assert isinstance(ours.nn.parallel, types.ModuleType)
