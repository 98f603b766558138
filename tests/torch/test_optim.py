"""`torch.optim` beside PyTorch's: steps, state, saving and schedules, on PyTorch's own samples of settings."""

import copy
import pickle
import warnings

import numpy as np
import pytest

import tinytensor.torch as ours

OFFERED = ("SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "Adadelta", "Adamax", "RAdam", "Rprop")
REFUSED_SWITCHES = ("capturable", "differentiable")


def plain(x):
    """What a value holds, with tensors as lists."""
    if hasattr(x, "tolist"):
        return x.detach().tolist()
    if isinstance(x, dict):
        return {k: plain(v) for k, v in x.items()}
    return [plain(v) for v in x] if isinstance(x, list | tuple) else x


def assert_close(a, b, where=""):
    """Values are equal, floats up to rounding."""
    if isinstance(b, dict):
        assert a.keys() == b.keys(), (where, a.keys(), b.keys())
        for k in b:
            assert_close(a[k], b[k], f"{where}.{k}")
    elif isinstance(b, list):
        assert len(a) == len(b), where
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            assert_close(x, y, f"{where}[{i}]")
    elif isinstance(b, float):
        assert a == pytest.approx(b, rel=1e-4, abs=1e-6, nan_ok=True), where
    else:
        assert a == b, where


def trained(t, name, dtype, settings, reload=False, steps=6):
    """Parameters, settings and state after some steps of a small problem with two groups."""
    rng = np.random.default_rng(0)
    ps = [t.tensor(rng.normal(size=s), dtype=getattr(t, dtype)).requires_grad_() for s in ((3, 2), (4,), ())]
    groups = [{"params": ps[:1]}, {"params": ps[1:], "lr": 0.05}]
    kind = getattr(t.optim, name)
    opt = kind(groups, **settings)
    text = repr(opt)
    for i in range(steps):
        opt.zero_grad(set_to_none=i % 2 == 0)
        loss = sum(((p - 0.3) ** 2).sum() for p in (ps if i != 3 else ps[:2])) + (ps[0] ** 3).sum()
        loss.backward()
        opt.step()
        if i == 2:
            opt.param_groups[0]["lr"] *= 0.5
        if reload and i == 3:
            saved = copy.deepcopy(opt.state_dict())
            opt = kind(groups, **settings)
            opt.load_state_dict(saved)
    return text, plain(ps), plain(opt.state_dict())


def samples():
    """PyTorch's own settings of each optimiser that is offered."""
    try:
        from torch.testing._internal.common_optimizers import optim_db
    except ImportError:
        return []
    return [(info.optim_cls.__name__, info, i) for info in optim_db if info.optim_cls.__name__ in OFFERED
            for i in range(len(info.optim_inputs_func(device="cpu")))]


@pytest.mark.peer
@pytest.mark.parametrize(("name", "info", "i"), samples(), ids=lambda x: x if isinstance(x, str | int) else "")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_steps_state_and_saving_are_pytorchs(torch, name, info, i, dtype):
    settings = info.optim_inputs_func(device="cpu")[i].kwargs
    if any(settings.get(key) for key in REFUSED_SWITCHES):
        with pytest.raises(ValueError, match="expected False"):
            trained(ours, name, dtype, {k: v for k, v in settings.items() if not isinstance(v, torch.Tensor)})
        return
    mine = {k: ours.tensor(v.item()) if isinstance(v, torch.Tensor) else v for k, v in settings.items()}
    for reload in (False, True):
        got, expected = trained(ours, name, dtype, mine, reload), trained(torch, name, dtype, settings, reload)
        assert got[0] == expected[0]
        assert_close(list(got[1:]), list(expected[1:]))


@pytest.mark.peer
@pytest.mark.parametrize("settings", [
    {"momentum": 0.9, "dampening": 0.5, "weight_decay": 0.1}, {"momentum": 0.9, "nesterov": True, "maximize": True}])
def test_momentum_in_half_precision(torch, settings):
    got, expected = (trained(t, "SGD", "float16", {"lr": 0.1, **settings}, steps=3)[1] for t in (ours, torch))
    np.testing.assert_allclose(np.array(got[0]), np.array(expected[0]), rtol=5e-3)


def descent(t, log):
    class Descent(t.optim.Optimizer):
        def __init__(self, params, lr=0.25):
            super().__init__(params, {"lr": lr})

        def step(self, closure=None):
            for group in self.param_groups:
                for p in group["params"]:
                    if p.grad is not None:
                        self.state[p]["step"] = self.state[p].get("step", 0) + 1
                        p.data.add_(p.grad, alpha=-group["lr"])
            log.append(len(self.state))
    return Descent


def own_optimiser(t):
    log, w = [], t.tensor([1.0, 2.0], requires_grad=True)
    opt = descent(t, log)([w])
    schedule = t.optim.lr_scheduler.ExponentialLR(opt, 0.5)
    for _ in range(3):
        opt.zero_grad()
        (w * w).sum().backward()
        opt.step()
        schedule.step()
    other = descent(t, log)([w])
    other.load_state_dict(opt.state_dict())
    return plain(w), plain(opt.state_dict()), plain(other.state_dict()), log, repr(opt)


def closure(t):
    w = t.tensor([1.0, 2.0], requires_grad=True)
    opt = t.optim.SGD([w], lr=0.1)

    def loss():
        opt.zero_grad()
        y = (w * w).sum()
        y.backward()
        return y
    with t.no_grad():
        return opt.step(loss).item(), plain(w)


def changed_by_hand(t):
    w, v = (t.tensor([1.0, 2.0], requires_grad=True) for _ in range(2))
    opt = t.optim.Adam([w], lr=0.1)
    for i in range(5):
        (w * w + v).sum().backward()
        opt.step()
        if i == 0:
            w.data = t.tensor([5.0, -1.0])
        if i == 1:
            with t.no_grad():
                w.mul_(2)
        if i == 2:
            opt.add_param_group({"params": [v], "lr": 0.5})
        if i == 3:
            w.grad = None
            continue
        w.grad.zero_()
    return plain(w), plain(v), plain(opt.state_dict())


def rate_is_a_tensor(t):
    w, lr = t.tensor([1.0, 2.0], requires_grad=True), t.tensor(0.1)
    opt = t.optim.SGD([w], lr=lr)
    schedule = t.optim.lr_scheduler.StepLR(opt, 1, 0.5)
    for _ in range(2):
        opt.zero_grad()
        (w * w).sum().backward()
        opt.step()
        schedule.step()
    lr.fill_(0.0)
    opt.step()
    return plain(w), plain(schedule.get_last_lr())


def tied_and_frozen(t):
    t.manual_seed(0)
    model = t.nn.Sequential(t.nn.Linear(3, 3), t.nn.Linear(3, 3), t.nn.Linear(3, 3))
    model[1].weight = model[0].weight
    model[2].weight.requires_grad_(False)
    opt = t.optim.SGD(model.parameters(), lr=0.1, momentum=0.5)
    for _ in range(2):
        opt.zero_grad()
        model(t.ones(2, 3)).pow(2).mean().backward()
        opt.step()
    return plain(model.state_dict()), plain(opt.state_dict())


def second_order(t):
    w = t.tensor([1.0, 2.0], requires_grad=True)
    opt = t.optim.SGD([w], lr=0.1)
    (w ** 3).sum().backward(create_graph=True)
    w.grad.pow(2).sum().backward()
    opt.step()
    return plain(w)


def taking_turns(t):
    w = t.tensor([1.0, 2.0], requires_grad=True)
    several = [t.optim.SGD([w], lr=0.1, momentum=0.9), t.optim.Adam([w], lr=0.1)]
    for i in range(6):
        w.grad = None
        (w * w).sum().backward()
        several[i % 2].step()
    return plain(w), [plain(opt.state_dict()) for opt in several]


def moved_together(t):
    w = t.tensor([1.0, 2.0], requires_grad=True)
    opt = t.optim.Adam([w], lr=0.1)
    (w * w).sum().backward()
    opt.step()
    v, other = copy.deepcopy((w, opt))
    (v * v).sum().backward()
    other.step()
    third = pickle.loads(pickle.dumps(opt))
    return plain(w), plain(v), other.param_groups[0]["params"][0] is v, plain(third.state_dict()), repr(third)


@pytest.mark.peer
@pytest.mark.parametrize("program", [own_optimiser, closure, changed_by_hand, rate_is_a_tensor, tied_and_frozen,
                                     second_order, taking_turns, moved_together], ids=lambda f: f.__name__)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_programs_do_what_pytorch_does(torch, program):
    assert_close(list(program(ours)), list(program(torch)))


WRONG = {
    "no parameters": lambda t, w: t.optim.SGD([]),
    "a tensor": lambda t, w: t.optim.SGD(w),
    "a set": lambda t, w: t.optim.SGD([{"params": {w}}]),
    "a number": lambda t, w: t.optim.SGD([1.0]),
    "nothing to iterate": lambda t, w: t.optim.SGD(3),
    "no leaf": lambda t, w: t.optim.SGD([w * 2]),
    "in two groups": lambda t, w: t.optim.SGD([{"params": [w]}, {"params": [w]}]),
    "a negative rate": lambda t, w: t.optim.SGD([w], lr=-1.0),
    "nesterov alone": lambda t, w: t.optim.SGD([w], nesterov=True),
    "betas": lambda t, w: t.optim.Adam([w], betas=(1.0, 0.9)),
    "eps": lambda t, w: t.optim.AdamW([w], eps=-1.0),
    "rho": lambda t, w: t.optim.Adadelta([w], rho=2.0),
    "etas": lambda t, w: t.optim.Rprop([w], etas=(1.5, 1.2)),
    "both switches": lambda t, w: t.optim.Adam([w], fused=True, foreach=True),
    "another group": lambda t, w: t.optim.SGD([w]).add_param_group([w]),
    "another state": lambda t, w: t.optim.SGD([w]).load_state_dict(t.optim.SGD([w * 1.0]).state_dict()),
    "other sizes": lambda t, w: t.optim.SGD([w]).load_state_dict(
        t.optim.SGD([t.ones(2), t.ones(3)]).state_dict()),
    "a schedule of no optimizer": lambda t, w: t.optim.lr_scheduler.StepLR(w, 1),
    "two lambdas": lambda t, w: t.optim.lr_scheduler.LambdaLR(t.optim.SGD([w]), [abs, abs]),
    "resumed without a start": lambda t, w: t.optim.lr_scheduler.StepLR(t.optim.SGD([w]), 1, last_epoch=3),
    "no cycle": lambda t, w: t.optim.lr_scheduler.OneCycleLR(t.optim.SGD([w]), 0.1),
    "no momentum": lambda t, w: t.optim.lr_scheduler.CyclicLR(t.optim.Adagrad([w]), 0.1, 1.0),
    "plateau": lambda t, w: t.optim.lr_scheduler.ReduceLROnPlateau(t.optim.SGD([w]), factor=1.5),
    "milestones": lambda t, w: t.optim.lr_scheduler.SequentialLR(
        t.optim.SGD([w]), [t.optim.lr_scheduler.StepLR(t.optim.SGD([w]), 1)], []),
}


@pytest.mark.peer
@pytest.mark.parametrize("case", WRONG)
def test_what_pytorch_refuses_is_refused(torch, case):
    with pytest.raises(Exception) as expected:
        WRONG[case](torch, torch.ones(2, requires_grad=True))
    with pytest.raises(expected.type) as got:
        WRONG[case](ours, ours.ones(2, requires_grad=True))
    assert len(str(got.value)) > 30


def test_what_is_not_offered_says_so():
    w = ours.ones(2, requires_grad=True)
    opt = ours.optim.Adam([w])
    with pytest.raises(ValueError, match="twice"):  # PyTorch steps twice, with a warning
        ours.optim.SGD([w, w])
    with pytest.raises(AttributeError, match="load_state_dict"):
        opt.state = {}
    with pytest.raises(AttributeError, match="AdamW"):
        _ = ours.optim.LBFGS


def test_a_step_counts_as_a_write():
    w = ours.tensor([1.0, 2.0], requires_grad=True)
    opt = ours.optim.SGD([w], lr=0.1)
    (w * w).sum().backward()
    stale = (w * w).sum()
    opt.step()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        stale.backward()
    other = ours.tensor([1.0], requires_grad=True)
    opt.add_param_group({"params": [other]})
    unmoved = (other * other).sum()
    opt.step()
    unmoved.backward()  # it had no gradient, so the step left it
    assert other.grad.tolist() == [2.0]


# --- schedules ---

SCHEDULES = [
    ("LambdaLR", {"lr_lambda": lambda e: 0.9**e}), ("MultiplicativeLR", {"lr_lambda": lambda e: 0.9}),
    ("StepLR", {"step_size": 3}), ("MultiStepLR", {"milestones": [2, 5, 5, 9], "gamma": 0.5}),
    ("ConstantLR", {}), ("ConstantLR", {"factor": 0.5, "total_iters": 3}),
    ("LinearLR", {}), ("LinearLR", {"start_factor": 0.1, "end_factor": 0.7, "total_iters": 7}),
    ("ExponentialLR", {"gamma": 0.9}), ("PolynomialLR", {}), ("PolynomialLR", {"total_iters": 9, "power": 2.0}),
    ("CosineAnnealingLR", {"T_max": 4}), ("CosineAnnealingLR", {"T_max": 7, "eta_min": 0.01}),
    ("CosineAnnealingWarmRestarts", {"T_0": 3}), ("CosineAnnealingWarmRestarts", {"T_0": 2, "T_mult": 2}),
    ("OneCycleLR", {"max_lr": 1.0, "total_steps": 30}),
    ("OneCycleLR", {"max_lr": [1.0, 0.5], "epochs": 5, "steps_per_epoch": 6, "anneal_strategy": "linear",
                    "three_phase": True}),
    ("OneCycleLR", {"max_lr": 1.0, "total_steps": 30, "cycle_momentum": False, "pct_start": 0.5}),
    ("CyclicLR", {"base_lr": 0.1, "max_lr": 1.0, "step_size_up": 3}),
    ("CyclicLR", {"base_lr": [0.1, 0.2], "max_lr": 1.0, "step_size_up": 3, "step_size_down": 4, "mode": "triangular2"}),
    ("CyclicLR", {"base_lr": 0.1, "max_lr": 1.0, "step_size_up": 3, "mode": "exp_range", "gamma": 0.9,
                  "cycle_momentum": False}),
    ("CyclicLR", {"base_lr": 0.1, "max_lr": 1.0, "step_size_up": 3, "scale_fn": lambda x: 0.5**x}),
]


def simple(name, settings):
    return lambda t, opt: getattr(t.optim.lr_scheduler, name)(opt, **settings)


def in_turn(t, opt):
    s = t.optim.lr_scheduler
    return s.SequentialLR(opt, [s.LinearLR(opt, total_iters=4), s.CosineAnnealingLR(opt, 8), s.ConstantLR(opt, 0.1)],
                          [5, 14])


def at_once(t, opt):
    s = t.optim.lr_scheduler
    return s.ChainedScheduler([s.ConstantLR(opt), s.ExponentialLR(opt, 0.9)])


def user_defined(t, opt):
    class Halved(t.optim.lr_scheduler.LRScheduler):
        def get_lr(self):
            return [lr * 0.5 ** (self.last_epoch // 4) for lr in self.base_lrs]
    return Halved(opt)


MADE = {f"{name} {i}": simple(name, settings) for i, (name, settings) in enumerate(SCHEDULES)}
MADE |= {"SequentialLR": in_turn, "ChainedScheduler": at_once, "user's": user_defined}


def scheduled(t, make, kind, reload):
    """The rates and settings after each step."""
    def new():
        ps = [t.zeros(2, requires_grad=True) for _ in range(2)]
        momentum = {"momentum": 0.9} if kind == "SGD" else {}
        opt = getattr(t.optim, kind)([{"params": ps[:1]}, {"params": ps[1:], "lr": 0.03}], lr=0.1, **momentum)
        return opt, make(t, opt)

    def now():
        groups = [{k: v for k, v in g.items() if k != "params"} for g in opt.param_groups]
        return [schedule.get_last_lr(), groups, getattr(schedule, "last_epoch", None)]

    opt, schedule = new()
    found = [now()]
    for i in range(28):
        opt.step()
        schedule.step()
        found.append(now())
        if reload and i == 5:
            states = copy.deepcopy((opt.state_dict(), schedule.state_dict()))
            opt, schedule = new()
            opt.load_state_dict(states[0])
            schedule.load_state_dict(states[1])
    return plain(found)


@pytest.mark.peer
@pytest.mark.parametrize("case", MADE)
@pytest.mark.parametrize("kind", ["SGD", "Adam"])
@pytest.mark.filterwarnings("error")
def test_schedules_give_the_same_floats(torch, case, kind):
    for reload in (False, True):
        mine, theirs = (scheduled(t, MADE[case], kind, reload) for t in (ours, torch))
        assert mine == theirs


@pytest.mark.peer
def test_plateau_and_given_epochs(torch):
    def rates(t):
        opt = t.optim.SGD([t.zeros(2, requires_grad=True)], lr=1.0)
        found = []
        for mode, threshold_mode in (("min", "rel"), ("max", "abs")):
            schedule = t.optim.lr_scheduler.ReduceLROnPlateau(opt, mode, patience=1, cooldown=2, min_lr=[1e-5],
                                                              threshold_mode=threshold_mode)
            for loss in (3, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 0.5, 0.5, 0.5, 0.5):
                schedule.step(t.tensor(float(loss)))
                found.append((schedule.get_last_lr(), schedule.num_bad_epochs))
        for name, settings in (*SCHEDULES[2:13], SCHEDULES[14]):
            schedule = simple(name, settings)(t, opt)
            for epoch in (7, 2, 0, 11):
                schedule.step(epoch)
                found.append(schedule.get_last_lr())
        return found
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert_close(plain(rates(ours)), plain(rates(torch)))


def test_a_schedule_warns_where_it_comes_first():
    opt = ours.optim.SGD([ours.zeros(2, requires_grad=True)], lr=1.0)
    schedule = ours.optim.lr_scheduler.StepLR(opt, 1)
    with pytest.warns(UserWarning, match=r"before `optimizer\.step\(\)`"):
        schedule.step()
    with pytest.warns(UserWarning, match="get_last_lr"):
        schedule.get_lr()


def test_schedules_reach_compiled_steps():
    def losses(compiled):
        ours.manual_seed(0)
        model, x = ours.nn.Linear(3, 1), ours.randn(8, 3)
        opt = ours.optim.AdamW(model.parameters(), lr=0.1)
        schedule = ours.optim.lr_scheduler.CosineAnnealingLR(opt, 4)

        def step(x):
            opt.zero_grad()
            loss = (model(x) ** 2).mean()
            loss.backward()
            opt.step()
            return loss
        run = ours.compile(step, fullgraph=True) if compiled else step
        found = []
        for _ in range(6):
            found.append(run(x).item())
            schedule.step()
        return found
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert losses(True) == pytest.approx(losses(False), rel=1e-5)
