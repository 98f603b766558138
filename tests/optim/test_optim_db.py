"""Optimisers against PyTorch's own samples, optim_db: 20 steps from every sample's options, in float64, to 1e-12.

Options that choose a way to compute the same (SWITCHES) are dropped; an optimiser is tested or stands in LEFT_OUT.
"""

import numpy as np
import pytest
from parameters import P

from tinytensor import optim

torch = pytest.importorskip("torch")
pytest.importorskip("expecttest", reason="torch.testing._internal needs it")
from torch.testing._internal.common_optimizers import optim_db  # noqa: E402

pytestmark = pytest.mark.peer

SWITCHES = {"foreach", "fused", "capturable", "differentiable"}  # other kernels, graphs, and second order: same numbers

LEFT_OUT = {
    "Adadelta": "no lecture and no recipe uses it",
    "Adafactor": "for models whose moments don't fit in memory",
    "Adamax": "no lecture and no recipe uses it",
    "ASGD": "EMA averages the weights of any optimiser",
    "LBFGS": "calls the loss again within a step",
    "Muon": "works on matrices, and flat vectors have none",
    "NAdam": "no lecture and no recipe uses it",
    "RAdam": "no lecture and no recipe uses it",
    "Rprop": "for whole data sets, not for batches",
    "SparseAdam": "gradients are dense",
}
NAMES = [info.optim_cls.__name__ for info in optim_db]
TESTED = [name for name in NAMES if name not in LEFT_OUT]
SAMPLES = [
    pytest.param(info.optim_cls, {name: value for name, value in sample.kwargs.items() if name not in SWITCHES},
                 id=f"{info.optim_cls.__name__}-{sample.desc}")
    for info in optim_db if info.optim_cls.__name__ in TESTED for sample in info.optim_inputs_func("cpu")
]
SHAPES = [(10, 5), (10,), (5, 10), (), (0, 3)]


def test_every_optimiser_is_tested_or_left_out_with_a_reason():
    assert sorted(TESTED) == ["Adagrad", "Adam", "AdamW", "RMSprop", "SGD"] and set(LEFT_OUT) <= set(NAMES)
    assert not any(hasattr(optim, name) for name in LEFT_OUT)


@pytest.mark.parametrize(("there", "options"), SAMPLES)
@pytest.mark.parametrize("groups", [1, 2])
def test_samples(there, options, groups):
    rng = np.random.default_rng(0)
    params = [P(rng.normal(size=shape)) for shape in SHAPES]
    peers = [torch.nn.Parameter(torch.tensor(p.data)) for p in params]

    def split(ps):
        return ps if groups == 1 else [{"params": ps[:2]}, {"params": ps[2:], "lr": 0.05, "weight_decay": 0.3}]

    opt = getattr(optim, there.__name__)(split(params), **options)
    peer = there(split(peers), **options)
    target = [rng.normal(size=shape) for shape in SHAPES]
    for i in range(20):  # a quadratic and some noise: each way's gradients follow from its own values
        for j, (p, q) in enumerate(zip(params, peers, strict=True)):
            noise, missing = rng.normal(size=SHAPES[j]), i % 3 == 1 and j == 1
            p.grad = None if missing else np.asarray(p.data - target[j] + 0.1 * noise)
            q.grad = None if missing else q.detach() - torch.tensor(target[j]) + 0.1 * torch.tensor(noise)
        opt.step()
        peer.step()
    for p, q in zip(params, peers, strict=True):
        np.testing.assert_allclose(p.data, q.detach().numpy(), rtol=1e-12, atol=1e-12)
    ours, theirs = opt.state_dict()["state"], peer.state_dict()["state"]
    for i, entry in ours.items():
        for name, value in entry.items():
            if name != "step" or "step" in theirs[i]:  # torch's SGD doesn't count
                np.testing.assert_allclose(value, theirs[i][name], rtol=1e-12, atol=1e-12)


def refused():
    """Torch's samples of settings that it refuses, but for those that only its tensors as numbers can have."""
    for info in optim_db:
        if info.optim_cls.__name__ in TESTED:
            for bad in info.optim_error_inputs_func("cpu", torch.float64):
                options = {k: v for k, v in bad.optimizer_error_input.kwargs.items() if k not in SWITCHES}
                numbers = [x for v in options.values() for x in (v if isinstance(v, tuple) else [v])]
                if options and not any(torch.is_tensor(x) and x.numel() == 1 for x in numbers):
                    yield pytest.param(info.optim_cls.__name__, options, id=f"{info.optim_cls.__name__}-{options}")


@pytest.mark.parametrize(("name", "options"), list(refused()))
def test_what_torch_refuses_we_refuse(name, options):
    with pytest.raises((TypeError, ValueError), match="expected"):
        getattr(optim, name)([P([1.0])], **options)
