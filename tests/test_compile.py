"""Compiled steps equal eager ones to the last bit: results, parameters, buffers, optimisers' state, random streams."""

from typing import Any

import numpy as np
import pytest

import tinytensor as tt
from tinytensor import models, nn, optim
from tinytensor.compiler.check import equal
from tinytensor.nn import functional as F

STEPS = 20
X = np.random.default_rng(1).integers(0, 9, (200, 8))  # tokens
Y = np.random.default_rng(2).integers(0, 9, 200)
V = np.random.default_rng(3).standard_normal((200, 6)).astype(np.float32)
W = np.random.default_rng(4).random((200, 4)).astype(np.float32)


class World:
    """A step and all that it changes; two of one kind are equal, and share nothing.

    Attributes
    ----------
    step : callable
    declared : tuple
    arguments : callable
        What the step is given at call number i.
    """

    def __init__(self, step: Any, declared: Any, arguments: Any) -> None:
        self.step, self.declared, self.arguments = step, tuple(declared), arguments

    def state(self) -> list[Any]:
        found: list[Any] = []
        for x in self.declared:
            if isinstance(x, nn.Module | optim.Optimizer):
                found.append(x.state_dict())
            elif isinstance(x, tt.Generator):
                found.append(x.get_state())
            elif isinstance(x, np.random.Generator):
                found.append(x.bit_generator.state)
            else:
                found.append(x.data if isinstance(x, tt.Tensor) else x)
            if isinstance(x, nn.Module):
                noise = [vars(m).get(k) for m in x.modules() for k in ("rng", "noise")]
                found += [n.get_state() if isinstance(n, tt.Generator) else n.bit_generator.state for n in noise
                          if isinstance(n, tt.Generator | np.random.Generator)]
        return found


def rate(i: int) -> float:
    return 0.1 * 0.9**i


def follow(make: Any, steps: int = STEPS, check: bool = False, between: Any = None) -> Any:
    """Run two worlds beside each other, one compiled; `between(world, i)` happens to each before its call number i."""
    plain, world = make(), make()
    step = tt.compile(world.step, *world.declared, check=check)
    for i in range(steps):
        if between is not None:
            between(plain, i)
            between(world, i)
        tt.manual_seed(i)
        wanted = plain.step(*plain.arguments(i))
        place = tt.random.default_generator().get_state()
        tt.manual_seed(i)
        found = step(*world.arguments(i))
        assert equal(detached(wanted), detached(found)), f"result of call {i}"
        assert equal(plain.state(), world.state()), f"state after call {i}"
        assert equal(place, tt.random.default_generator().get_state()), f"default generator after call {i}"
        assert all(p.grad is None for x in world.declared if isinstance(x, nn.Module) for p in x.parameters())
    assert step.programs
    return step


def detached(x: Any) -> Any:
    if isinstance(x, tt.Tensor):
        return x.data
    if isinstance(x, list | tuple):
        return [detached(y) for y in x]
    return {k: detached(v) for k, v in x.items()} if isinstance(x, dict) else x


def batch(i: int, n: int = 8) -> slice:
    return slice(i * n % 96, i * n % 96 + n)


def tokens(i: int) -> tuple[Any, ...]:
    return X[batch(i)], Y[batch(i)], rate(i)


def vectors(i: int) -> tuple[Any, ...]:
    return V[batch(i)], Y[batch(i)] % 4, rate(i)


def training(model: Any, opt: Any, loss: Any = None, clip: Any = None) -> Any:
    def step(x: Any, y: Any, lr: Any) -> Any:
        opt.lr = lr
        value = tt.cross_entropy(model(x), y) if loss is None else loss(model(x), y)
        opt.zero_grad()
        value.backward()
        norm = clip(list(model.parameters())) if clip else None
        opt.step()
        return value if norm is None else (value, norm)

    return step


def sgd(model: Any) -> Any:
    return optim.SGD(model.parameters(), lr=0.1, momentum=0.9)


def world(model: Any, arguments: Any = tokens, optimizer: Any = sgd, **rest: Any) -> World:
    opt = optimizer(model)
    return World(training(model, opt, **rest), [model, opt], arguments)


# --- networks ---


class Lecture(nn.Module):
    """The second lecture's network."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.hidden = nn.Embedding(9, 3, rng=0), nn.Linear(24, 20, rng=1)
        self.output, self.skip = nn.Linear(20, 9, rng=2), nn.Linear(24, 9, bias=False, rng=3)

    def forward(self, x: Any) -> Any:
        e = self.embed(x).reshape(len(x), -1)
        return self.output(tt.tanh(self.hidden(e))) + self.skip(e)


class Recurrent(nn.Module):
    """The last output of a recurrent network."""

    def __init__(self, kind: Any, **options: Any) -> None:
        super().__init__()
        self.embed, self.net = nn.Embedding(9, 5, rng=0), kind(5, 6, batch_first=True, rng=1, **options)
        self.head = nn.Linear(6 * (1 + options.get("bidirectional", False)), 9, rng=2)

    def forward(self, x: Any) -> Any:
        return self.head(self.net(self.embed(x))[0][:, -1])


class Attention(nn.Module):
    """Every place looks at all others."""

    def __init__(self, **options: Any) -> None:
        super().__init__()
        self.embed, self.head = nn.Embedding(9, 8, rng=0), nn.Linear(8, 9, rng=2)
        self.net = nn.MultiheadAttention(8, 2, batch_first=True, rng=1, **options)

    def forward(self, x: Any) -> Any:
        e = self.embed(x)
        return self.head(self.net(e, e, e)[0].mean(1))


class Convolved(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed, self.net = nn.Embedding(9, 4, rng=0), nn.Conv1d(4, 6, 3, padding=2, dilation=2, rng=1)
        self.head = nn.Linear(6, 9, rng=2)

    def forward(self, x: Any) -> Any:
        return self.head(tt.relu(self.net(self.embed(x).transpose(0, 2, 1))).max(2))


class Last(nn.Module):
    """The last place of a network that gives logits at each."""

    def __init__(self, net: Any) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Any) -> Any:
        y = self.net(x)
        return y[:, -1] if y.ndim == 3 else y


def batchnorm(**options: Any) -> Any:
    return nn.Sequential(nn.Embedding(9, 3, rng=0), nn.Flatten(), nn.Linear(24, 12, bias=False, rng=1),
                         nn.BatchNorm1d(12, **options), nn.Tanh(), nn.Linear(12, 9, rng=2))


def gpt(**options: Any) -> Any:
    return Last(models.GPT(9, 8, 16, 2, 2, rng=0, **options))


NETWORKS = {
    "lecture": Lecture,
    "batchnorm": batchnorm,
    "batchnorm unbiased": lambda: batchnorm(unbiased=True),
    "wavenet": lambda: models.WaveNet(9, 8, 4, 10, rng=0),
    "causal wavenet": lambda: Last(models.CausalWaveNet(9, 8, 4, 10, rng=0)),
    "gpt": gpt,
    "gpt, dropout by numpy": lambda: gpt(dropout=0.2, noise=np.random.default_rng(3)),
    "gpt, dropout by tinytensor": lambda: gpt(dropout=0.2, noise=tt.Generator(3)),
    "gpt, dropout by default": lambda: gpt(dropout=0.2),
    "gpt, not tied": lambda: gpt(tied=False),
    "rnn": lambda: Recurrent(nn.RNN),
    "gru": lambda: Recurrent(nn.GRU, num_layers=2, dropout=0.1, noise=np.random.default_rng(5)),
    "lstm": lambda: Recurrent(nn.LSTM, bidirectional=True),
    "attention": Attention,
    "attention, dropout": lambda: Attention(dropout=0.3, noise=np.random.default_rng(1)),
    "convolution": Convolved,
    "norms": lambda: nn.Sequential(nn.Embedding(9, 3, rng=0), nn.Flatten(), nn.LayerNorm(24), nn.RMSNorm(24),
                                   nn.Linear(24, 9, rng=1)),
    "dropout": lambda: nn.Sequential(nn.Embedding(9, 3, rng=0), nn.Flatten(), nn.Dropout(0.4), nn.Linear(24, 9, rng=1)),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_networks(name: str) -> None:
    follow(lambda: world(NETWORKS[name]()))


# --- optimisers ---


def small() -> Any:
    return nn.Sequential(nn.Linear(6, 5, rng=1), nn.Tanh(), nn.Linear(5, 4, rng=2))


def two_groups(model: Any) -> Any:
    return optim.Adam([{"params": model[0].parameters(), "weight_decay": 0.1}, {"params": model[2].parameters()}], lr=0.1)


OPTIMIZERS = {
    "SGD": lambda m: optim.SGD(m.parameters(), lr=0.1),
    "momentum": sgd,
    "nesterov": lambda m: optim.SGD(m.parameters(), momentum=0.9, nesterov=True),
    "dampening": lambda m: optim.SGD(m.parameters(), momentum=0.9, dampening=0.3, weight_decay=0.1),
    "maximize": lambda m: optim.SGD(m.parameters(), weight_decay=0.1, maximize=True),
    "Adam": lambda m: optim.Adam(m.parameters()),
    "amsgrad": lambda m: optim.Adam(m.parameters(), amsgrad=True, weight_decay=0.1),
    "AdamW": lambda m: optim.AdamW(m.parameters(), betas=(0.8, 0.9)),
    "RMSprop": lambda m: optim.RMSprop(m.parameters()),
    "RMSprop, all": lambda m: optim.RMSprop(m.parameters(), momentum=0.9, centered=True, weight_decay=0.1),
    "Adagrad": lambda m: optim.Adagrad(m.parameters(), lr_decay=0.1, initial_accumulator_value=0.5),
    "two groups": two_groups,
    "decay groups": lambda m: optim.AdamW(optim.decay_groups(m.named_parameters(), 0.1)),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers(name: str) -> None:
    follow(lambda: world(small(), vectors, OPTIMIZERS[name]))


@pytest.mark.parametrize("clip", [lambda ps: optim.clip_grad_norm_(ps, 0.2),
                                  lambda ps: optim.clip_grad_norm_(ps, 0.2, norm_type=np.inf),
                                  lambda ps: optim.clip_grad_value_(ps, 0.01)])
def test_clipping(clip: Any) -> None:
    follow(lambda: world(small(), vectors, clip=clip))


def test_frozen_parameters() -> None:
    def make() -> World:
        model = small()
        model[0].requires_grad_(False)
        return world(model, vectors)

    follow(make)


def test_tied_weights() -> None:
    def make() -> World:
        model = nn.Sequential(nn.Linear(6, 6, rng=1), nn.Tanh(), nn.Linear(6, 6, rng=2))
        model[2].weight = model[0].weight
        return world(model, vectors)

    follow(make)


def test_two_steps_on_one_model() -> None:
    plain, mine = small(), small()
    eager = [training(plain, sgd(plain)), lambda x: plain(x).sum()]
    opt = sgd(mine)
    step, evaluate = tt.compile(training(mine, opt), mine, opt), tt.compile(lambda x: mine(x).sum(), mine)
    for i in range(8):
        assert equal(eager[0](*vectors(i)), step(*vectors(i)))
        assert equal(eager[1](V[:5]), evaluate(V[:5]))


# --- losses ---

LOSSES = {
    "mse": lambda y, t: F.mse_loss(y, W[: len(y)]),
    "l1": lambda y, t: F.l1_loss(y, W[: len(y)], reduction="sum"),
    "huber": lambda y, t: F.huber_loss(y, W[: len(y)], delta=0.5),
    "smooth l1": lambda y, t: F.smooth_l1_loss(y, W[: len(y)], beta=0.5),
    "bce": lambda y, t: F.binary_cross_entropy_with_logits(y, W[: len(y)], pos_weight=np.ones(4, np.float32) * 2),
    "kl": lambda y, t: F.kl_div(F.log_softmax(y, -1), W[: len(y)], reduction="batchmean"),
    "nll": lambda y, t: F.nll_loss(F.log_softmax(y, -1), t),
    "cross entropy": lambda y, t: F.cross_entropy(y, t, weight=np.arange(1, 5, dtype=np.float32)),
    "smoothed": lambda y, t: F.cross_entropy(y, t, label_smoothing=0.1),
    "dropout": lambda y, t: F.cross_entropy(F.dropout(y, 0.2), t),
}


@pytest.mark.parametrize("name", LOSSES)
def test_losses(name: str) -> None:
    follow(lambda: world(small(), vectors, loss=LOSSES[name]), steps=6)


# --- batches drawn inside ---

numpy_stream, our_stream = np.random.default_rng(7), tt.Generator(7)


def test_batches_from_a_closed_over_stream() -> None:
    def make() -> World:
        model, rng = small(), np.random.default_rng(7)
        opt = sgd(model)
        inner = training(model, opt)

        def step(lr: float) -> Any:
            ix = rng.integers(0, len(V), 8)
            return inner(tt.take(V, ix, 0), tt.take(Y, ix, 0) % 4, lr), ix

        return World(step, [model, opt, rng], lambda i: (rate(i),))

    follow(make)


def test_batches_from_our_generator() -> None:
    def make() -> World:
        model, rng = small(), tt.Generator(7)
        opt = sgd(model)
        inner = training(model, opt)

        def step(lr: float) -> Any:
            ix = rng.randint(0, len(V), (8,))
            return inner(tt.take(V, ix, 0), tt.take(Y, ix, 0) % 4, lr), rng.randn(3), rng.randperm(4)

        return World(step, [model, opt, rng], lambda i: (rate(i),))

    follow(make)


@pytest.mark.parametrize("stream", ["numpy_stream", "our_stream"])
def test_batches_from_a_global_stream(stream: str) -> None:
    def by_numpy() -> Any:
        return tt.take(V, numpy_stream.integers(0, len(V), 5), 0)

    def by_ours() -> Any:
        return tt.take(V, our_stream.randint(0, len(V), (5,)), 0)

    step, rng = (by_numpy, numpy_stream) if stream == "numpy_stream" else (by_ours, our_stream)
    compiled = tt.compile(step, rng)
    found = [compiled() for _ in range(6)]
    again = np.random.default_rng(7) if stream == "numpy_stream" else tt.Generator(7)
    ix = [again.integers(0, len(V), 5) if stream == "numpy_stream" else again.randint(0, len(V), (5,)) for _ in range(6)]
    assert equal(found, [V[i] for i in ix])


# --- other functions than training ---


def test_evaluation_and_modes() -> None:
    def make() -> World:
        model = batchnorm()
        return World(lambda x, _y, _lr: model(x), [model], tokens)

    def between(world: World, i: int) -> None:
        if i in (3, 6, 12):
            world.declared[0].train(i == 6)
        if i == 15:
            world.declared[0][2].weight = nn.Parameter(np.ones((12, 24), np.float32))

    follow(make, between=between)


def test_gradients_alone() -> None:
    model, twin = small(), small()

    def gradients(model: Any) -> Any:
        return lambda x: tt.grad(tt.tanh(model(x)).sum(), list(model.parameters()))

    step = tt.compile(gradients(model), model)
    for i in range(5):
        assert equal(gradients(twin)(V[batch(i)]), step(V[batch(i)]))


def test_second_gradients() -> None:
    def step(x: Any) -> Any:
        t = tt.Tensor(x, requires_grad=True)
        slope = tt.grad((t**3 + tt.sin(t)).sum(), t, create_graph=True)
        return tt.grad((slope * slope).sum(), t)

    compiled = tt.compile(step)
    for i in range(5):
        assert equal(step(V[batch(i)]), compiled(V[batch(i)]))


def test_plain_numpy_and_nested_arguments() -> None:
    def step(pair: Any, options: Any, name: Any, n: int, scale: Any = 2.0, *, shift: Any = 0.0) -> Any:
        a, b = pair
        y = a @ b * options["k"] + options["more"][0] * scale + shift
        return {"y": y if name is None else y * 2, "n": n, "parts": [y[:1], (y.sum(), y.T)], "name": name}

    compiled = tt.compile(step)
    for i in range(6):
        rng = np.random.default_rng(i)
        args = ((rng.random((2, 3)), rng.random((3, 4))), {"k": rng.random(), "more": [rng.random(4)]}, None, 3)
        kwargs = {"shift": float(i)} if i % 2 else {"scale": 3.0 + i}
        assert equal(step(*args, **kwargs), compiled(*args, **kwargs))
        assert equal(step(*args[:2], "text", n=1), compiled(*args[:2], "text", n=1))
    assert len(compiled.programs) == 2


def test_tensor_arguments() -> None:
    def step(x: Any, y: Any) -> Any:
        loss = (x * y).sum()
        loss.backward()
        return loss, x.grad

    compiled = tt.compile(step)
    for i in range(4):
        x, twin = (tt.tensor(V[i : i + 3], requires_grad=True) for _ in range(2))
        assert equal(step(twin, tt.tensor(V[:3])), compiled(x, tt.tensor(V[:3])))


def test_shapes_are_traced_again_up_to_four() -> None:
    compiled = tt.compile(lambda x: x * 2)
    for n in (1, 2, 3, 4, 1, 2, 3, 4, 1, 2, 3, 4):
        assert equal(compiled(V[:n]), V[:n] * 2)
    assert len(compiled.programs) == 4
    with pytest.raises(tt.CompileError) as error:
        compiled(V[:5])
    assert str(error.value) == ("compile: <lambda> came with x of (1, 6), (2, 6), (3, 6), (4, 6), (5, 6); expected at "
                                "most 4 kinds of arguments; cut or pad arrays to one shape, and pass numbers that vary "
                                "as floats")


def test_results_are_copies() -> None:
    kept = np.ones(3)
    compiled = tt.compile(lambda x: (x, x.T, x * 2, kept))
    x = V[:3].copy()
    for _ in range(4):
        for y in compiled(x)[:3]:
            y += 1
        compiled(x)[3][0] = 5
    assert equal(x, V[:3]) and kept[0] == 1


def test_a_declared_array_may_be_an_argument() -> None:
    a, b = np.zeros(3), np.zeros(3)

    def step(s: Any, x: Any) -> Any:
        s += x
        return s.sum()

    compiled = tt.compile(step, a)
    for i in range(5):
        assert equal(step(b, V[i, :3]), compiled(a, V[i, :3])) and equal(a, b)


# --- what happens between steps ---


def between_steps() -> dict[str, Any]:
    def rebind(world: World, i: int) -> None:
        if i in (1, 5):
            for p in world.declared[0].parameters():
                p.data = p.data * 0.5

    def load(world: World, i: int) -> None:
        if i == 5:
            model, opt = world.declared
            world.saved = model.state_dict(), opt.state_dict()
        if i == 9:
            world.declared[0].load_state_dict(world.saved[0])
            world.declared[1].load_state_dict(world.saved[1])

    def settings(world: World, i: int) -> None:
        if i in (3, 7):
            world.declared[1].param_groups[0]["momentum"] = 0.5 + 0.01 * i

    def freeze(world: World, i: int) -> None:
        if i in (4, 8):
            world.declared[0][0].requires_grad_(i == 8)

    def grads(world: World, i: int) -> None:
        if i in (4, 5):
            for p in world.declared[0].parameters():
                p.grad = np.ones_like(p.data)

    def hook(world: World, i: int) -> None:
        if i == 4:
            world.handle = world.declared[0][1].register_forward_hook(lambda m, x, y: y * 2)
        if i == 8:
            world.handle.remove()

    def swap(world: World, i: int) -> None:
        if i == 5:
            setattr(world.declared[0], "1", nn.ReLU())

    return {f.__name__: f for f in (rebind, load, settings, freeze, grads, hook, swap)}


@pytest.mark.parametrize("name", between_steps())
def test_between_steps(name: str) -> None:
    follow(lambda: world(small(), vectors), 12, between=between_steps()[name])


def test_a_step_that_raises() -> None:
    model, table = nn.Embedding(9, 4, rng=0), np.arange(12.0)
    opt = sgd(model)

    def step(ix: Any, j: Any) -> Any:
        loss = model(ix).sum() + tt.take(table, j, 0).sum()
        opt.zero_grad()
        loss.backward()
        opt.step()
        return loss

    compiled, good, bad = tt.compile(step, model, opt), np.array([1, 2]), np.array([1, 99])
    for _ in range(5):
        before, state = model.state_dict(), opt.state_dict()
        with pytest.raises(IndexError):
            compiled(good, bad)
        assert equal(before, model.state_dict()) and equal(state, opt.state_dict())
        compiled(good, good)
        assert not equal(before, model.state_dict())


def test_callables() -> None:
    class Trainer:
        def __init__(self) -> None:
            self.scale, self.model = 2.0, small()

        def forward(self, x: Any) -> Any:
            return self.model(x) * self.scale

        def __call__(self, x: Any) -> Any:
            return self.forward(x)

    trainer = Trainer()
    for step in (trainer, trainer.forward, lambda x: trainer(x)):
        compiled = tt.compile(step)
        for scale in (2.0, 2.0, 2.0, 3.0, 3.0, 3.0):
            trainer.scale = scale
            trainer.model[0].weight.data *= 1.5  # not declared, and read all the same
            assert equal(step(V[:4]), compiled(V[:4]))


# --- check=True ---


def test_checked_steps() -> None:
    for name in ("gpt, dropout by numpy", "batchnorm"):
        follow(lambda name=name: world(NETWORKS[name]()), steps=7, check=True)  # type: ignore[misc]


class Hidden:
    """Counts where no trace can see it."""

    __slots__ = ("__secret",)

    def __init__(self) -> None:
        self.__secret = {"n": 0}

    def count(self) -> None:
        self.__secret["n"] += 1
