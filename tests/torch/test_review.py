"""How the layer's pieces meet, held to PyTorch: compiled functions with state, shared memory, scripts' processes.

What each piece does by itself is tested in the file of the piece.
"""

import copy
import pickle
import subprocess
import sys
import threading
import warnings

import numpy as np
import pytest

import tinytensor.torch as torch

pytestmark = pytest.mark.filterwarnings("ignore:torch.compile")
OPTIMISERS = ("SGD", "AdamW", "RMSprop")


def plain(x):
    """Nested results as arrays."""
    if isinstance(x, list | tuple):
        return [plain(y) for y in x]
    return np.array(x.detach().numpy()) if hasattr(x, "detach") else x


def assert_same(xs, ys):
    if isinstance(xs, list):
        assert len(xs) == len(ys)
        for x, y in zip(xs, ys, strict=True):
            assert_same(x, y)
    else:
        np.testing.assert_allclose(xs, ys, rtol=2e-5, atol=1e-6)


def held(function):
    """A test that a function of torch, and of torch.compile or what does nothing, gives what it gives with PyTorch."""
    @pytest.mark.peer
    def test():
        peer = pytest.importorskip("torch")
        assert_same(plain(function(torch, torch.compile)), plain(function(peer, lambda f: f)))

    return test


# --- compiled functions and what they set ---


@held
def test_a_cache_that_is_none_at_first(torch, compile):
    class Cache:
        def __init__(self):
            self.k = None

        def add(self, x):
            self.k = x if self.k is None else torch.cat([self.k, x])
            return self.k.sum(0)

    cache = Cache()
    f = compile(cache.add)
    return [f(torch.ones(1, 3) * i) for i in range(5)], cache.k


@held
def test_whether_an_attribute_is_there_yet(torch, compile):
    class A:
        def __init__(self):
            self.none = None

        def f(self, x):
            y = x * (2 if hasattr(self, "last") else 3) + (5 if self.none is None else 7)
            self.last, self.none = x * 1, x * 2
            return y

    a = A()
    f = compile(a.f)
    first = [f(torch.ones(2)) for _ in range(4)]
    a.none = None
    del a.last
    return first, [f(torch.ones(2)) for _ in range(4)], a.last


@held
def test_gradients_flow_through_attributes_that_a_module_sets(torch, compile):
    class M(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.w, self.h, self.seen = torch.nn.Parameter(torch.ones(3)), torch.zeros(3), None

        def forward(self, x):
            self.h = torch.tanh(self.w * x + self.h)
            self.seen = self.w * self.h
            return self.h.sum()

    m = M()
    c, found = compile(m), []
    for _ in range(4):
        m.h = torch.zeros(3)
        loss = c(torch.ones(3)) + c(torch.ones(3) / 2) + (m.seen**2).sum()
        loss.backward()
        found.append(m.w.grad.clone())
    return found


@held
def test_an_error_leaves_what_was_set_before_it(torch, compile):
    class A:
        def __init__(self):
            self.mean, self.w = torch.zeros(2), torch.ones(2, requires_grad=True)

        def f(self, x):
            self.mean = self.mean * 0.5 + x.mean(0)
            (self.w * x).sum().backward()
            if len(x) == 3:
                raise KeyError
            self.out = x * self.w

    a, found = A(), []
    f = compile(a.f)
    for n in (2, 2, 2, 3, 2, 3):
        try:
            f(torch.ones(n, 2) * n)
        except KeyError:
            found.append(n)
        found.append([a.mean, a.out, a.w.grad.clone()])
    return found


def test_training_and_evaluating_in_turns_stays_compiled():
    class Norm:
        training, mean = True, torch.zeros(3)

        def __init__(self):
            self.mean = torch.zeros(3)

        def __call__(self, x):
            if self.training:
                self.mean = 0.9 * self.mean + 0.1 * x
            return x - self.mean

    norm = Norm()
    f = torch.compile(lambda x: norm(x) * 2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for on in (True, False) * 3:
            norm.training = on
            for _ in range(3):
                old = norm.mean
                y = f(torch.ones(3))
                mean = 0.9 * old + 0.1 if on else old
                assert torch.allclose(norm.mean, mean) and torch.allclose(y, 2 * (1 - mean))


@held
def test_methods_are_bound(torch, compile):
    class Trainer:
        def __init__(self, w):
            self.w = torch.ones(2, requires_grad=True)
            self.k, self.optimizer = w, torch.optim.AdamW([self.w], lr=0.1)

        @compile
        def step(self, x):
            loss = (self.w**2 * x).sum() * self.k
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            return loss

        @torch.no_grad()
        @compile
        def value(self, x):
            return self.w * x

    a, b = Trainer(2.0), Trainer(3.0)
    return [[t.step(torch.ones(2)), t.value(torch.ones(2)), Trainer.value(t, torch.ones(2))]
            for _ in range(4) for t in (a, b)]


def test_compiled_methods_and_calls_inside_of_others_stay_compiled():
    class Trainer:
        def __init__(self):
            self.w = torch.ones(2, requires_grad=True)
            self.optimizer = torch.optim.AdamW([self.w], lr=0.1)

        @torch.compile
        def step(self, x):
            loss = half((self.w**2 * x).sum())
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            return loss

    half = torch.compile(lambda x: x / 2)
    trainer = Trainer()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        losses = [trainer.step(torch.ones(2)).item() for _ in range(4)]
    assert losses == sorted(losses, reverse=True) and "def " in trainer.step.source


def test_clipping_inside_of_a_compiled_step():
    def run(compile):
        w, v = torch.ones(3, requires_grad=True), torch.ones(2, 2, requires_grad=True)

        @compile
        def step(x):
            w.grad = v.grad = None
            ((w * x).sum() ** 2 + (v * v).sum()).backward()
            return torch.nn.utils.clip_grad_norm_([w, v], 2.5), w.grad, v.grad

        return plain([step(torch.ones(3) * i) for i in (0.1, 0.2, 0.5, 1.0, 3.0)])

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert_same(run(torch.compile), run(lambda f: f))


def test_copies_and_pickles_of_compiled_modules_have_their_own_parameters():
    m = torch.compile(torch.nn.Linear(3, 2))
    x = torch.ones(3)
    before = [m(x), m(x)][1]
    twins = [copy.deepcopy(m), pickle.loads(pickle.dumps(m))]
    with torch.no_grad():
        m.weight.zero_()
        m.bias.zero_()
    assert all(torch.equal(twin(x), before) for twin in twins) and not m(x).any()


# --- steps and memory that others hold ---


@held
def test_who_holds_a_parameters_memory_sees_the_steps(torch, compile):
    found = []
    for name in OPTIMISERS:
        base, array = torch.arange(6.0), np.ones(3, np.float32)
        p, q, r = base[1:4].requires_grad_(), torch.from_numpy(array).requires_grad_(), torch.ones(3).requires_grad_()
        view, part = r.data, r.detach()[1:]
        optimizer = getattr(torch.optim, name)([p, q], lr=0.1)
        optimizer.add_param_group({"params": [r]})

        @compile
        def step(p=p, q=q, r=r, optimizer=optimizer):
            optimizer.zero_grad()
            (p**2 + q**2 + r**2).sum().backward()
            optimizer.step()

        for _ in range(3):
            step()
            found.append([x.clone() for x in (p, q, r, base, view, part)] + [array.copy()])
            view.mul_(0.5)
            found.append([r.clone(), part.clone()])
    return found


@held
def test_parameters_that_a_group_is_given_later_are_updated(torch, compile):
    found = []
    for name in OPTIMISERS:
        p, q, r = (torch.ones(2).requires_grad_() for _ in range(3))
        optimizer = getattr(torch.optim, name)([p], lr=0.1)
        for i in range(4):
            if i == 1:
                optimizer.param_groups[0]["params"].append(q)
            if i == 2:
                optimizer.param_groups[0]["params"][1] = r
            optimizer.zero_grad()
            (p**2 + q**3 + r**4).sum().backward()
            optimizer.step()
            found.append([p.clone(), q.clone(), r.clone()])
    return found


def test_what_nobody_holds_is_moved():
    model = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.LSTM(3, 3))
    model.load_state_dict(copy.deepcopy(model).state_dict())
    for _ in range(2):  # a second optimiser takes over
        optimizer = torch.optim.AdamW(model.parameters())
        assert all(block.is_bound() for block in optimizer.inner.blocks)


# --- gradients ---


@pytest.mark.filterwarnings("ignore:.*create_graph=True")
@held
def test_gradients_are_added_in_place_after_a_pass_with_a_graph(torch, compile):
    x = torch.ones(2, requires_grad=True)
    (x**3).sum().backward(create_graph=True)
    w = torch.ones(2, requires_grad=True)
    (w * w).sum().backward()
    g = w.grad
    (w * w).sum().backward()
    with pytest.raises(RuntimeError, match="own grad"):
        w.grad = w
    return g, w.grad


def test_passes_while_another_thread_writes():
    kept, stop, before = [torch.ones(1).add_(1) for _ in range(5000)], threading.Event(), sys.getswitchinterval()

    def write():
        while not stop.is_set():
            torch.ones(1).add_(1)

    thread = threading.Thread(target=write)
    sys.setswitchinterval(1e-5)
    try:
        thread.start()
        w = torch.ones(1, requires_grad=True)
        for x in kept[:200]:
            y = w * w
            x.add_(1)  # so that the pass has to look at what was written into
            (y * 2).backward()
    finally:
        stop.set()
        thread.join()
        sys.setswitchinterval(before)
    assert w.grad == 800


@held
def test_hooks_may_write_into_the_gradient(torch, compile):
    w = torch.tensor([1.0, 2.0], requires_grad=True)

    def doubled(g):
        g.mul_(2)

    w.register_hook(doubled)
    y = w * 3
    y.register_hook(doubled)
    (y * y).sum().backward()
    return w.grad


@held
def test_float16_spreads_do_not_overflow(torch, compile):
    x = torch.tensor([1e4, 2e4, 6e4]).half()
    return x.std().float() / 1e4, x.std(0, keepdim=True, unbiased=False).float() / 1e4


# --- scripts ---


def test_processes_that_a_script_starts_have_the_same_torch(tmp_path):
    (tmp_path / "script.py").write_text("""
import multiprocessing, os, sys
import torch
def work(queue):
    import torch.nn.functional as F
    queue.put((torch.__name__, F.relu(torch.ones(2)).tolist()))
if __name__ == "__main__":
    for method in ("spawn", "fork"):
        context = multiprocessing.get_context(method)
        queue = context.SimpleQueue()
        process = context.Process(target=work, args=(queue,))
        process.start()
        process.join()
        print(process.exitcode, queue.get())
    print(os.path.isabs(__file__), sys.flags.optimize, sys.stdout.write_through, sys.argv[1:])
""")
    got = subprocess.run([sys.executable, "-O", "-u", "-m", "tinytensor.torch", "script.py", "-m", "a"], cwd=tmp_path,
                         capture_output=True, text=True, timeout=60, check=True)
    line = "0 ('tinytensor.torch', [1.0, 1.0])\n"
    assert got.stdout == line + line + "True 1 True ['-m', 'a']\n"
