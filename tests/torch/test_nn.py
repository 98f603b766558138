"""torch.nn behaves as PyTorch's: programs print the same on both, and layers agree on PyTorch's own samples."""

import contextlib
import copy
import io
import pickle
import textwrap
import warnings

import numpy as np
import pytest

import tinytensor.torch as ours
from tinytensor.torch import nn
from tinytensor.torch.gradients import grad

# --- programs that run on both ---


def printed(program, torch):
    """What a program prints; of an error, its type."""
    out = io.StringIO()
    names = {"torch": torch, "nn": torch.nn, "F": torch.nn.functional, "copy": copy, "pickle": pickle, "np": np}
    with contextlib.redirect_stdout(out), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for block in textwrap.dedent(program).strip().split("\n---\n"):
            try:
                exec(block, names)
            except Exception as error:
                print("error:", type(error).__name__)
    return out.getvalue()


NET = """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.scale = nn.Linear(3, 4), nn.Parameter(torch.ones(2))
        self.register_buffer("tril", torch.tril(torch.ones(3, 3)))
        self.register_buffer("cache", torch.zeros(2), persistent=False)
        self.body = nn.Sequential(nn.Tanh(), nn.Linear(4, 2))
        self.tied = self.first
        self.absent = None
    def forward(self, x, shift=0):
        return self.body(self.first(x)) * self.scale + shift
torch.manual_seed(0)
net = Net()
x = torch.tensor([[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]])
"""

PROGRAMS = {
    "names": """
        print(net)
        print([n for n, p in net.named_parameters()], [n for n, p in net.named_parameters("net", recurse=False)])
        print([n for n, p in net.named_parameters(remove_duplicate=False)], len(list(net.parameters())))
        print([n for n, b in net.named_buffers()], [n for n, m in net.named_modules()], len(list(net.modules())))
        print([n for n, m in net.named_modules(remove_duplicate=False)])
        print([n for n, m in net.named_children()], len(list(net.children())))
        print(list(net.state_dict()), list(net.state_dict(prefix="net.")))
        print(net.get_submodule("body.1"), net.get_parameter("body.1.bias").shape, net.get_buffer("tril").sum())
        print(net.training, net.eval().training, net.body[0].training, net.train().body[1].training)
        ---
        net.get_submodule("body.7")
        ---
        net.get_parameter("body.1.nothing")
        ---
        net.train("yes")
        """,
    "attributes": """
        net.first = None
        print(net.first, [n for n, p in net.named_parameters()])
        ---
        net.scale = torch.ones(2)
        ---
        net.scale = None
        print(list(net.state_dict()))
        ---
        net.body = 3
        ---
        net.tril = torch.ones(1)
        print(net.tril, list(net.state_dict()))
        ---
        net.tril = 5
        ---
        net.tril = None
        print(list(net.state_dict()))
        ---
        del net.tril, net.body
        print(hasattr(net, "tril"), list(net.state_dict()))
        ---
        net.nothing
        ---
        del net.nothing
        ---
        net.plain = 3
        net.plain = nn.Parameter(torch.ones(1))
        print("plain" in vars(net), "plain" in dict(net.named_parameters()), "plain" in dir(net))
        ---
        net.plain = nn.Linear(1, 1)
        ---
        net.register_parameter("a.b", None)
        ---
        net.register_parameter("", None)
        ---
        net.register_parameter("plain", None)
        ---
        net.register_parameter("forward", None)
        ---
        net.register_parameter("c", torch.ones(2))
        ---
        net.register_parameter(3, None)
        ---
        net.register_buffer("plain", torch.ones(2))
        ---
        net.register_buffer("list", [1.0])
        ---
        net.add_module("m", 3)
        ---
        net.add_module("m", nn.Tanh())
        net.register_module("k", None)
        print(net)
        ---
        class Early(nn.Module):
            def __init__(self):
                self.w = nn.Parameter(torch.ones(1))
        Early()
        ---
        net.buf = nn.Buffer(torch.ones(2), persistent=False)
        print([n for n, b in net.named_buffers()], "buf" in net.state_dict())
        ---
        nn.Module()(1)
        """,
    "state": """
        state = net.state_dict()
        print(type(state).__name__, state["body.1.bias"].requires_grad, net.state_dict(keep_vars=True)["scale"])
        state["scale"][0] = 7.0
        print(net.scale)
        print(Net().load_state_dict(state))
        ---
        print(net.load_state_dict({"scale": torch.zeros(2)}, strict=False), net.scale)
        ---
        net.load_state_dict({"scale": torch.zeros(2)})
        ---
        net.load_state_dict({**state, "more": torch.ones(1)})
        ---
        net.load_state_dict({"scale": torch.zeros(3)}, strict=False)
        ---
        net.load_state_dict([1])
        ---
        new = {k: v.clone() for k, v in state.items()}
        print(net.load_state_dict(new, assign=True), net.scale.data_ptr() == new["scale"].data_ptr())
        print(type(net.scale).__name__, net.scale.requires_grad, len(list(net.parameters())))
        ---
        other = copy.deepcopy(net)
        print(other.first is other.tied, other.scale is net.scale, torch.equal(other(x), net(x)), type(other.scale))
        ---
        class Counting(nn.Module):
            count = 0
            def get_extra_state(self):
                return {"count": self.count}
            def set_extra_state(self, state):
                self.count = state["count"]
        a, b = nn.Sequential(Counting()), nn.Sequential(Counting())
        a[0].count = 3
        print(a.state_dict(), b.load_state_dict(a.state_dict()), b[0].count)
        ---
        p = pickle.loads(pickle.dumps(nn.Linear(2, 2, bias=False)))
        print(p, type(p.weight).__name__, p.weight.requires_grad)
        """.replace("type(other.scale)", "type(other.scale).__name__"),
    "gradients": """
        y = net(x, shift=1.0).sum()
        y.backward()
        print([(n, p.grad.shape) for n, p in net.named_parameters()])
        kept = net.scale.grad
        net.zero_grad(set_to_none=False)
        print(kept, net.double().scale.grad.dtype, net.float().scale.grad)
        with torch.no_grad():
            net.scale *= 3.0
            net.body[1].weight *= 0.1
        print(net.scale, type(net.body[1].weight).__name__)
        print([p.grad.abs().sum().item() for p in net.parameters()])
        net.zero_grad()
        print([p.grad for p in net.parameters()])
        net.requires_grad_(False)
        print([p.requires_grad for p in net.parameters()], net(x).requires_grad)
        net.requires_grad_()
        print(net.double().scale.dtype, net.tril.dtype, net(x.double()).dtype, net.to(torch.float32).scale.dtype)
        print(net.to("cpu").float().cpu() is net, net.half().scale.dtype, net.type(torch.float32).tril.dtype)
        ---
        net.to(torch.int64)
        ---
        net(torch.ones(2, 3, dtype=torch.float64))
        ---
        def fill(m):
            if isinstance(m, nn.Linear):
                m.weight.data.fill_(1.0)
                nn.init.zeros_(m.bias)
        print(net.apply(fill) is net, net(x))
        ---
        p = nn.Parameter(torch.ones(2))
        print(p, p.is_leaf, isinstance(p, torch.Tensor), nn.Parameter(torch.ones(1), requires_grad=False))
        print(copy.deepcopy(p), nn.Parameter(p) is p, p.data, p.detach(), p * 2)
        p.tag = "mine"
        print(p.tag)
        ---
        nn.Parameter(torch.ones(2, dtype=torch.int64))
        """,
    "hooks": """
        calls = []
        a = net.first.register_forward_hook(lambda m, args, y: calls.append(("out", y.shape)))
        b = net.register_forward_pre_hook(lambda m, args: (args[0] * 0,))
        c = net.register_forward_hook(lambda m, args, kwargs, y: y + kwargs["shift"], with_kwargs=True)
        d = net.register_forward_pre_hook(lambda m, args: calls.append("first"), prepend=True)
        print(net(x, shift=5.0), calls)
        b.remove(), c.remove(), d.remove(), d.remove()
        print(net(x), len(calls))
        with net.body.register_forward_hook(lambda m, args, y: y * 100):
            print(net(x).shape)
        ---
        z = x.clone().requires_grad_()
        h = net.body.register_full_backward_hook(lambda m, gi, go: print(type(m).__name__, gi, go))
        k = net.first.register_full_backward_hook(lambda m, gi, go: (gi[0] * 2,))
        net(z).sum().backward()
        print(z.grad)
        h.remove(), k.remove()
        net(x).sum().backward()
        ---
        first = nn.Linear(3, 2)
        first.register_full_backward_hook(lambda m, gi, go: print(gi, go[0].shape))
        first.register_full_backward_pre_hook(lambda m, go: (go[0] * 0,))
        first(x).sum().backward()
        print(first.weight.grad)
        ---
        def always(m, args, y):
            print("always", y)
        def bad(m, args, y):
            raise ValueError("no")
        t = nn.Tanh()
        t.register_forward_hook(bad)
        t.register_forward_hook(always, always_call=True)
        t(x)
        """,
    "containers": """
        from collections import OrderedDict
        s = nn.Sequential(OrderedDict([("a", nn.Linear(3, 4)), ("b", nn.ReLU()), ("c", nn.Linear(4, 2))]))
        print(s, len(s), s[-1], s[:2], list(s.state_dict()), s.a, [type(m).__name__ for m in s])
        s[1] = nn.Tanh()
        del s[0]
        print(s)
        q = nn.Sequential(nn.Linear(3, 4), nn.Tanh()).append(nn.Linear(4, 1)).extend([nn.ReLU()])
        q.insert(1, nn.Sigmoid())
        print(q, q.pop(0), q[0], len(q + q))
        ---
        q[9]
        ---
        nn.Sequential(3)
        ---
        m = nn.ModuleList([nn.Linear(2, 2) for _ in range(3)])
        m.append(nn.Tanh())
        m.insert(0, nn.ReLU())
        m += [nn.Linear(2, 2), nn.Linear(2, 2)]
        print(m, len(m), m[1:3], m[-1], list(m.state_dict())[:3], m.pop(0), len(m))
        del m[0]
        print(m, nn.ModuleList([nn.ModuleList([nn.Tanh()])]))
        ---
        m(x)
        ---
        d = nn.ModuleDict({"one": nn.Linear(2, 3), "two": nn.Tanh()})
        d["three"] = nn.ReLU()
        d.update([("four", nn.Sigmoid())])
        print(d, list(d), list(d.keys()), "two" in d, len(d), d.pop("two"), [k for k, _ in d.items()])
        del d["one"]
        print(d)
        ---
        d["missing"]
        ---
        l = nn.ParameterList([torch.ones(2), nn.Parameter(torch.ones(2, 3))])
        l.append(torch.zeros(1))
        l += [torch.ones(1)]
        print(l, len(l), l[-1], l[:2], list(l.state_dict()), [type(p).__name__ for p in l.parameters()])
        l(x)
        ---
        e = nn.ParameterDict({"b": torch.ones(1), "a": torch.ones(2, 2)})
        e["c"] = nn.Parameter(torch.ones(3))
        print(list(e.keys()), list(e.state_dict()), e.get("q"), len(e), "a" in e, e.pop("a").shape, list(e))
        ---
        print(nn.Sequential(), nn.ModuleList(), nn.ModuleDict(), nn.Sequential(nn.Sequential(nn.Linear(1, 1))))
        """,
    "layers": """
        print(nn.Linear(3, 4, bias=False), nn.Linear(3, 4, dtype=torch.float64).weight.dtype, nn.Identity(5, a=3)(x))
        print(nn.Flatten()(torch.ones(2, 3, 4)).shape, nn.Flatten(0, 1)(torch.ones(2, 3, 4)).shape)
        print(nn.Unflatten(1, (2, -1))(torch.ones(2, 6)).shape)
        e = nn.Embedding(4, 2, padding_idx=-1)
        e(torch.tensor([[0, 3], [3, 1]])).sum().backward()
        print(e, e.weight[3], e.weight.grad)
        t = nn.Embedding.from_pretrained(torch.ones(3, 2))
        print(t, t.weight.requires_grad, t(torch.tensor([1])))
        ---
        e(torch.tensor([4]))
        ---
        e(torch.tensor([0.5]))
        ---
        nn.Linear(3, 4)(torch.ones(2, 5))
        ---
        nn.Linear(3, 4)([1.0, 2.0, 3.0])
        ---
        nn.Dropout(2.0)
        ---
        b = nn.BatchNorm1d(3, momentum=None)
        b(torch.cat([x, x + 6.0]))
        b(x * 2)
        print(b, b.running_mean, b.running_var, b.num_batches_tracked, b.eval()(torch.ones(1, 3)))
        b.reset_running_stats()
        print(b.running_mean, b.num_batches_tracked)
        ---
        nn.BatchNorm1d(3)(torch.ones(1, 3))
        ---
        nn.BatchNorm1d(3)(torch.ones(4, 3, 2, 2))
        ---
        nn.BatchNorm2d(3)(torch.ones(4, 2, 2, 2))
        ---
        nn.LayerNorm(3)(torch.ones(4, 2))
        ---
        nn.CrossEntropyLoss()(torch.ones(3, 4), torch.tensor([0, 1]))
        ---
        nn.CrossEntropyLoss()(torch.ones(2, 4), torch.tensor([0, 7]))
        ---
        w = nn.CrossEntropyLoss(weight=torch.ones(4))
        print(w, list(w.state_dict()), w(torch.ones(2, 4), torch.tensor([0, 1])))
        ---
        nn.MultiheadAttention(5, 2)
        ---
        r = nn.LSTM(2, 3, num_layers=2, batch_first=True)
        y, (h, c) = r(torch.ones(4, 5, 2))
        print(r, y.shape, h.shape, c.shape, list(r.state_dict()), r.mode)
        s = copy.deepcopy(r)
        with torch.no_grad():
            s.weight_ih_l0.zero_()
        print(torch.equal(s(torch.ones(4, 5, 2))[0], y), torch.equal(r(torch.ones(4, 5, 2))[0], y))
        r.weight_hh_l0 = nn.Parameter(torch.zeros(12, 3))
        print(torch.equal(r(torch.ones(4, 5, 2))[0], y))
        ---
        r(torch.ones(4, 5, 3))
        ---
        inp = torch.tensor([-1.0, 2.0])
        nn.ReLU(inplace=True)(inp)
        F.leaky_relu_(inp - 1)
        print(inp, F.relu(inp, inplace=True) is inp, F.dropout(inp, 0.5, False) is inp)
        g = torch.ones(2, requires_grad=True)
        h = g * 2
        F.relu(h, inplace=True).sum().backward()
        print(g.grad, h)
        ---
        F.relu(g, inplace=True)
        """,
    "utils": """
        net(x).sum().backward()
        print(nn.utils.clip_grad_norm_(net.parameters(), 1.0), net.scale.grad)
        print(nn.utils.clip_grad_norm_(net.parameters(), 0.5, norm_type=float("inf")), net.scale.grad)
        print(nn.utils.clip_grad_value_(net.parameters(), 0.1), net.scale.grad, nn.utils.clip_grad_norm_([], 1.0))
        v = nn.utils.parameters_to_vector(net.parameters())
        print(v.shape, v.requires_grad)
        nn.utils.vector_to_parameters(torch.ones(28), net.parameters())
        print(net.scale, net.body[1].weight)
        a, b = torch.ones(3, 2), torch.ones(1, 2)
        print(nn.utils.rnn.pad_sequence([a, b], batch_first=True), nn.utils.rnn.pad_sequence([a, b]).shape)
        print(nn.utils.rnn.pad_sequence([a, b], padding_value=9.0, padding_side="left")[:, 1])
        """,
}


@pytest.mark.peer
@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_prints_what_it_prints_on_pytorch(name):
    torch = pytest.importorskip("torch")
    program = f"{NET}\n---\n{textwrap.dedent(PROGRAMS[name]).strip()}"
    mine, theirs = printed(program, ours), printed(program, torch)
    assert mine == theirs


# --- PyTorch's samples ---


def to_ours(x):
    """A tree of theirs, with our tensors."""
    if type(x).__module__ == "torch" and hasattr(x, "is_floating_point") and hasattr(x, "shape"):
        t = ours.from_numpy(x.detach().numpy().copy())
        return t.requires_grad_() if x.requires_grad else t
    if isinstance(x, tuple | list):
        return type(x)([to_ours(a) for a in x])
    return {k: to_ours(v) for k, v in x.items()} if isinstance(x, dict) else x


def leaves(x):
    """The tensors in a tree."""
    if isinstance(x, tuple | list):
        return [leaf for a in x for leaf in leaves(a)]
    if isinstance(x, dict):
        return [leaf for a in x.values() for leaf in leaves(a)]
    return [x] if hasattr(x, "requires_grad") else []


def same(a, b, what):
    a, b = a.detach().numpy(), b.detach().numpy()
    assert (a.shape, a.dtype) == (b.shape, b.dtype), what
    size = max(1, np.abs(b).max(initial=0)) if b.dtype.kind == "f" else 0
    np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9 * size, err_msg=str(what))


def refused(how, x):
    """What is refused with a sentence, or answered otherwise, of a module's arguments and its inputs."""
    return (how.get("proj_size") or how.get("add_bias_kv") or how.get("add_zero_attn")
            or any(type(v).__module__ == "torch._C._nn" or "torch" in str(getattr(v, "__module__", ""))
                   for v in how.values() if callable(v))
            or any(t.numel() == 0 or t.dim() == 0 for t in leaves(x)))


def modules():
    torch = pytest.importorskip("torch")
    pytest.importorskip("expecttest")  # which PyTorch's own tests need
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torch.testing._internal.common_modules import module_db
    return torch, [info for info in module_db if "Lazy" not in info.name and hasattr(nn, info.name.removeprefix("nn."))]


@pytest.mark.peer
@pytest.mark.parametrize("training", [True, False])
def test_modules_agree_on_pytorch_s_samples(training):
    torch, infos = modules()
    assert len(infos) > 80
    for info in infos:
        name = info.name.removeprefix("nn.")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.manual_seed(1)
            samples = info.module_inputs_func(info, device="cpu", dtype=torch.double, requires_grad=True,
                                              training=training)
            for s in samples[:: 1 + len(samples) // 16]:
                made, called = s.constructor_input, s.forward_input
                how = {**made.kwargs, **dict(enumerate(made.args))}
                if not refused(how, (called.args, called.kwargs)):
                    compare(torch, name, info.module_cls, made, called, training)


def compare(torch, name, cls, made, called, training):
    """First weights, repr, names, outputs, gradients and buffers of one sample."""
    what = name, made.args, made.kwargs
    torch.manual_seed(5)
    theirs = cls(*made.args, **made.kwargs)
    ours.manual_seed(5)
    mine = getattr(nn, name)(*to_ours(made.args), **to_ours(made.kwargs))
    state = theirs.state_dict()
    assert repr(mine) == repr(theirs)
    assert list(mine.state_dict()) == list(state), what
    for key, value in mine.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), state[key].numpy(), err_msg=str(what))
    mine, theirs = mine.double().train(training), theirs.double().train(training)
    given = called.args, called.kwargs
    ours_given = to_ours(given)
    torch.manual_seed(6)
    ys = leaves(theirs(*given[0], **given[1]))
    ours.manual_seed(6)
    zs = leaves(mine(*ours_given[0], **ours_given[1]))
    assert [y.requires_grad for y in ys] == [z.requires_grad for z in zs], what
    for y, z in zip(ys, zs, strict=True):
        same(z, y, what)
    if any(y.requires_grad for y in ys):
        of = [x for x in [*leaves(given), *theirs.parameters()] if x.requires_grad]
        ours_of = [x for x in [*leaves(ours_given), *mine.parameters()] if x.requires_grad]
        weights = [torch.rand_like(y) for y in ys if y.requires_grad]
        wanted = torch.autograd.grad([y for y in ys if y.requires_grad], of, weights, allow_unused=True)
        found = grad([z for z in zs if z.requires_grad], ours_of, to_ours(weights), allow_unused=True)
        for x, g, w in zip(of, found, wanted, strict=True):
            same(ours.from_numpy(np.zeros(x.shape)) if g is None else g, torch.zeros_like(x) if w is None else w, what)
    for (key, x), (_, y) in zip(mine.named_buffers(), theirs.named_buffers(), strict=True):
        same(x, y, (what, key))


# --- first weights ---

INITS = [("uniform_", (-1, 2)), ("normal_", (1, 2)), ("constant_", (3,)), ("ones_", ()), ("zeros_", ()), ("eye_", ()),
         ("xavier_uniform_", (2.0,)), ("xavier_normal_", ()), ("kaiming_uniform_", (0.1, "fan_out")),
         ("kaiming_normal_", (0, "fan_in", "relu")), ("orthogonal_", (2.0,)), ("sparse_", (0.4,)),
         ("trunc_normal_", ()), ("trunc_normal_", (0, 1, 0.5, 0.9)), ("trunc_normal_", (0, 1, 2.0, 9.0))]


@pytest.mark.peer
@pytest.mark.filterwarnings("ignore:.*mean is more than 2 std")
@pytest.mark.parametrize(("name", "args"), INITS)
@pytest.mark.parametrize("shape", [(20, 30), (6, 3)])
def test_first_weights_are_pytorch_s(name, args, shape):
    torch = pytest.importorskip("torch")
    torch.manual_seed(3)
    ours.manual_seed(3)
    theirs, mine = torch.empty(shape), ours.empty(shape)
    assert getattr(nn.init, name)(mine, *args) is mine
    getattr(torch.nn.init, name)(theirs, *args)
    np.testing.assert_allclose(mine.numpy(), theirs.numpy(), atol=2e-6)
    assert ours.rand(1).item() == torch.rand(1).item()  # as many numbers were drawn


# --- without PyTorch ---


def test_an_error_says_which_layer_it_comes_from():
    net = nn.Sequential(nn.Linear(3, 4), nn.Sequential(nn.Tanh(), nn.Linear(5, 2)))
    with pytest.raises(RuntimeError, match=r"Sequential.1.1 \(Linear\): linear: got x of shape \(2, 4\)"):
        net(ours.ones(2, 3))


@pytest.mark.parametrize(("make", "error", "text"), [
    (lambda: nn.Linear(2, 2).cuda(), AttributeError, "computed by NumPy on the cpu; leave it out"),
    (lambda: nn.Linear(2, 2).to("cuda"), RuntimeError, "device: got 'cuda'"),
    (lambda: nn.Linear(2, 2, device="cuda"), RuntimeError, "device: got 'cuda'"),
    (lambda: nn.Linear(2, 2).bfloat16(), AttributeError, "no such dtype; use model.half() or model.float()"),
    (lambda: nn.Linear(2, 2).share_memory(), AttributeError, "a model is trained in one process"),
    (lambda: nn.Linear(2, 2).weigth, AttributeError, "the nearest is 'weight'"),
    (lambda: nn.FractionalMaxPool2d, AttributeError, "use max_pool2d"),
    (lambda: nn.functional.ctc_loss, AttributeError, "torch.nn.functional.ctc_loss is not here"),
    (lambda: nn.utils.weight_norm, AttributeError, "torch.nn.utils.weight_norm is not here"),
    (lambda: nn.init.uniform, AttributeError, "torch.nn.init.uniform is not here"),
    (lambda: nn.Linear(2, "3"), TypeError, "Linear: got out_features='3'"),
    (lambda: nn.Embedding(3, 2, max_norm=1.0), RuntimeError, "Embedding: got max_norm=1.0"),
    (lambda: nn.Embedding(3, 2, sparse=True), RuntimeError, "Embedding: got sparse=True"),
    (lambda: nn.LSTM(3, 2, proj_size=1), ValueError, "LSTM: got proj_size=1"),
    (lambda: nn.MultiheadAttention(4, 2, add_bias_kv=True), ValueError, "got add_bias_kv=True"),
    (lambda: nn.ELU(alhpa=1), TypeError, "ELU: got an unexpected keyword argument 'alhpa'; expected"),
    (lambda: nn.utils.rnn.pack_sequence([]), NotImplementedError, "pack_sequence: got sequences to pack"),
    (lambda: nn.Upsample(scale_factor=2, mode="cubic")(ours.ones(1, 1, 2)), NotImplementedError, "interpolate: "),
    (lambda: nn.init.ones_([1.0]), TypeError, "constant_: got a list; expected a tensor"),
    (lambda: nn.functional.relu(3), TypeError, "relu: argument 'input' must be Tensor, not int"),
    (lambda: nn.functional.relu(ours.ones(1), out=ours.ones(1)), TypeError, "relu: got out="),
    (lambda: nn.functional.softmax(ours.ones(2), dim=3), IndexError, "softmax: Dimension out of range"),
])
def test_what_is_not_here_is_refused_with_a_sentence(make, error, text):
    with pytest.raises(error) as caught:
        make()
    assert text in str(caught.value)


def test_weights_written_in_place_under_a_graph_are_found():
    layer, x = nn.Linear(2, 2), ours.ones(1, 2, requires_grad=True)
    y = layer(x).sum()
    nn.init.zeros_(layer.weight)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.backward()


STEPS = {
    "norms and dropout": (lambda: nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(5), nn.LayerNorm(6), nn.Dropout(0.3)),
                          lambda net, x: net(x)),
    "lstm": (lambda: nn.LSTM(4, 3, 2, batch_first=True), lambda net, x: net(x)[0]),
    "transformer": (lambda: nn.TransformerEncoderLayer(4, 2, 8, batch_first=True), lambda net, x: net(x)),
    "convolution": (lambda: nn.Sequential(nn.Conv1d(5, 3, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool1d(2)),
                    lambda net, x: net(x)),
    "attention": (lambda: nn.Linear(4, 4), lambda net, x: nn.functional.scaled_dot_product_attention(
        net(x), net(x), net(x), is_causal=True, dropout_p=0.2)),
}


@pytest.mark.parametrize("name", STEPS)
def test_a_compiled_step_trains_as_the_step_itself(name):
    make, forward = STEPS[name]

    def trained(compiled):
        ours.manual_seed(0)
        net = make()

        def step(x):
            loss = forward(net, x).square().mean()
            net.zero_grad()
            loss.backward()
            with ours.no_grad():
                for p in net.parameters():
                    p -= 0.1 * p.grad
            return loss

        run = ours.compile(step, fullgraph=True) if compiled else step
        losses = [run(ours.randn(2, 5, 4)).item() for _ in range(4)]
        return losses + [x.sum().item() for x in net.state_dict().values()]

    assert trained(True) == pytest.approx(trained(False), rel=1e-5)
