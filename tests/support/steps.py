"""What tests of the compiler share: networks, steps that train them, and both runs of a step side by side."""

from typing import Any

import numpy as np

import tinytensor as tt
from tinytensor import models, nn, optim
from tinytensor.compiler.audit import equal
from tinytensor.compiler.passes import optimized
from tinytensor.compiler.tracing.gradients import USED

TWICE = ("so the step is not the same at each call; expected the same calls; pass what varies as an argument (a "
         "learning rate as a float), and declare the Generator that is drawn from")
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
                noise = [vars(m).get(k) for m in x.modules() for k in ("rng", "dropout_rng")]
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
        for a, b in zip(parameters(plain), parameters(world), strict=True):  # what an optimiser used up is not kept
            assert b.grad is USED or equal(a.grad, b.grad)
    assert step.programs
    for executable in step.programs:
        executable.program.verify()
        optimized(executable.program, verify=True)
    return step


def parameters(world: World) -> list[Any]:
    return [p for x in world.declared if isinstance(x, nn.Module) for p in x.parameters()]


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
    "gpt, dropout by numpy": lambda: gpt(dropout=0.2, dropout_rng=np.random.default_rng(3)),
    "gpt, dropout by tinytensor": lambda: gpt(dropout=0.2, dropout_rng=tt.Generator(3)),
    "gpt, dropout by default": lambda: gpt(dropout=0.2),
    "gpt, not tied": lambda: gpt(tied=False),
    "rnn": lambda: Recurrent(nn.RNN),
    "gru": lambda: Recurrent(nn.GRU, num_layers=2, dropout=0.1, dropout_rng=np.random.default_rng(5)),
    "lstm": lambda: Recurrent(nn.LSTM, bidirectional=True),
    "attention": Attention,
    "attention, dropout": lambda: Attention(dropout=0.3, dropout_rng=np.random.default_rng(1)),
    "convolution": Convolved,
    "norms": lambda: nn.Sequential(nn.Embedding(9, 3, rng=0), nn.Flatten(), nn.LayerNorm(24), nn.RMSNorm(24),
                                   nn.Linear(24, 9, rng=1)),
    "dropout": lambda: nn.Sequential(nn.Embedding(9, 3, rng=0), nn.Flatten(), nn.Dropout(0.4), nn.Linear(24, 9, rng=1)),
}


def small() -> Any:
    return nn.Sequential(nn.Linear(6, 5, rng=1), nn.Tanh(), nn.Linear(5, 4, rng=2))
