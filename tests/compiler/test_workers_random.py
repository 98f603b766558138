"""Random steps that two workers share, against one process: losses, their options, and what a step gives back.

Counts differ between the workers' parts: of targets that count, of classes, of hits. A refusal is right only where a
step gives back, or learns from, what can't be put together from parts.
"""

import sys
import time

import numpy as np
import pytest

import tinytensor as tt
from tinytensor import nn, optim
from tinytensor.nn import functional as F

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="workers are forked on Linux only")
ROWS, CLASSES, SEED, CASES, SECONDS = 8, 4, 20, 160, 30.0
WEIGHT = np.array([1, 5, 0.2, 1], np.float32)

# --- what is learnt: (z, y) -> loss; y has classes, of which few stand in the second half ---


def target(z, y):
    return (np.arange(CLASSES) == y[:, None]).astype(np.float32) * 0.7 + 0.1


def of_classes(draw):
    """cross_entropy and nll_loss with every option, the reductions too."""
    options = {}
    if draw() < 0.5:
        options["weight"] = WEIGHT
    if draw() < 0.5:
        options["ignore_index"] = int(draw() * CLASSES)
    reduction = ("mean", "sum", "none")[int(draw() * 3)]
    if draw() < 0.4:
        return lambda z, y: F.nll_loss(z.log_softmax(1), y, reduction, **options)
    if draw() < 0.3:
        ignored = options.get("ignore_index")
        return lambda z, y: tt.cross_entropy(z, y, reduction, ignored)
    if draw() < 0.5:
        options["label_smoothing"] = 0.2
    if draw() < 0.2:
        weights = {k: v for k, v in options.items() if k != "ignore_index"}
        return lambda z, y: F.cross_entropy(z, target(z, y), reduction, **weights)
    return lambda z, y: F.cross_entropy(z, y, reduction, **options)


def of_numbers(draw):
    """The other losses."""
    reduction = ("mean", "sum", "none")[int(draw() * 3)]
    weights = {name: WEIGHT for name in ("weight", "pos_weight") if draw() < 0.5}
    batchmean = "batchmean" if draw() < 0.5 else reduction
    return [lambda z, y: F.mse_loss(z, target(z, y), reduction), lambda z, y: F.l1_loss(z, target(z, y), reduction),
            lambda z, y: F.huber_loss(z, target(z, y), reduction, delta=0.3),
            lambda z, y: F.smooth_l1_loss(z, target(z, y), reduction, beta=0.5),
            lambda z, y: F.binary_cross_entropy_with_logits(z, target(z, y), reduction, **weights),
            lambda z, y: F.kl_div(z.log_softmax(1), target(z, y) / 1.1, batchmean),
            lambda z, y: F.kl_div(z.log_softmax(1), np.log(target(z, y)), batchmean, log_target=True)][int(draw() * 7)]


def own(draw):
    """What users write; the last ones are no sums of rows, or sums of other sizes."""
    return [lambda z, y: (z * z).sum() / len(y), lambda z, y: np.abs(z).mean(1).mean(), lambda z, y: (z ** 4).sum(),
            lambda z, y: ((z * z).sum(1) * (y == 0)).sum() / len(y), lambda z, y: -z.log_softmax(1).mean(),
            lambda z, y: ((z * z).sum(1) * (y == 0)).sum() / (y == 0).sum(), lambda z, y: np.sqrt((z * z).sum()),
            lambda z, y: z.var(0).sum(), lambda z, y: (z * z).max(), lambda z, y: (z - z.mean(0)).__pow__(2).mean(),
            lambda z, y: (z * z).sum() + (z * z).mean()][(n := int(draw() * 11))], n > 4


def loss_of(draw):
    """A loss, and whether it may be refused."""
    kind, wrong = draw(), False
    if kind < 0.45:
        loss = of_classes(draw)
    elif kind < 0.8:
        loss = of_numbers(draw)
    else:
        loss, wrong = own(draw)
    return loss, wrong


# --- what is given back ---

GOOD = [
    lambda z, y: (z.argmax(1) == y).sum(), lambda z, y: (z.argmax(1) == y).mean(), lambda z, y: (z.argmax(1) == y) * 1,
    lambda z, y: (z.argmax(1) == y).sum() / len(y), lambda z, y: z.mean(0), lambda z, y: z.sum(), lambda z, y: z.sum(0),
    lambda z, y: z.max(), lambda z, y: z.min(0), lambda z, y: (z > 1).any(), lambda z, y: (z > -2).all(0),
    lambda z, y: z, lambda z, y: z.T, lambda z, y: z.T.reshape(-1), lambda z, y: z.reshape(-1, 2, 2).transpose(2, 0, 1),
    lambda z, y: z.T @ z, lambda z, y: np.einsum("ij,ik->jk", z, z), lambda z, y: -z.max(0) + 1, lambda z, y: y.max(),
    lambda z, y: np.exp(z.max()), lambda z, y: 2 * z.mean(0) + 1, lambda z, y: (y == 99).sum() / len(y),
    lambda z, y: (y == 99).sum(), lambda z, y: np.square(z).mean(), lambda z, y: np.count_nonzero(y == 0),
    lambda z, y: (y == 0).astype(np.float32).sum(), lambda z, y: np.sort(z, 1), lambda z, y: np.split(z, 2, 1),
    lambda z, y: tt.take_along_axis(z, y[:, None], 1), lambda z, y: tt.cross_entropy(z, y, "none"),
    lambda z, y: {"a": z[:, 1], "b": [z.cumsum(1), 3]}, lambda z, y: np.where(z > 0, z, 0).sum() * 0.1,
    lambda z, y: (WEIGHT * 2).sum(), lambda z, y: tt.take(WEIGHT, y), lambda z, y: z.max(1).mean(),
    lambda z, y: z.mean(0).mean(), lambda z, y: np.maximum.reduce(z), lambda z, y: z.sum(0) / 8,
    lambda z, y: np.concatenate([z, z * 2], 1).mean(0), lambda z, y: np.stack([z.sum(0), z.sum(0)]),
]
BAD = [
    lambda z, y: z.var(0), lambda z, y: z.std(), lambda z, y: np.median(z, 0), lambda z, y: z.argmax(0),
    lambda z, y: z.cumsum(0), lambda z, y: z - z.mean(0), lambda z, y: z[0], lambda z, y: z[::-1], lambda z, y: z @ z.T,
    lambda z, y: (z * (y == 0)[:, None]).sum() / (y == 0).sum(), lambda z, y: z > z.mean(), lambda z, y: len(y),
    lambda z, y: np.sqrt((z * z).sum()), lambda z, y: z.prod(), lambda z, y: y + np.arange(len(y)),
    lambda z, y: z.mean(0).max(), lambda z, y: z.sum() + 1, lambda z, y: np.ones(len(y)), lambda z, y: np.roll(z, 1, 0),
    lambda z, y: z.max() - z.min(), lambda z, y: np.sqrt(z.max()), lambda z, y: np.logical_not(z.max()),
    lambda z, y: z.max().astype(bool), lambda z, y: z.max() > 1,
    lambda z, y: z.reshape(2, -1, CLASSES).sum(0), lambda z, y: y.sum() // 2,
]


def network(kind):
    bodies = [[nn.Linear(3, 6, rng=1), nn.Tanh()], [nn.Linear(3, 6, rng=1), nn.BatchNorm1d(6), nn.GELU()],
              [nn.Linear(3, 6, rng=1), nn.LayerNorm(6)]]
    return nn.Sequential(*bodies[kind], nn.Linear(6, CLASSES, rng=2))


def batch(rng):
    y = rng.integers(0, CLASSES, ROWS)
    y[-3:] = 0
    return rng.standard_normal((ROWS, 3)).astype(np.float32), y


def world(loss, outputs, kind, penalty, workers, calls=6):
    """What some steps gave, and the state after them."""
    model = network(kind)
    opt = optim.SGD(model.parameters(), lr=0.01, momentum=0.5)

    def step(x, y):
        z = model(x)
        losses = loss(z, y)
        cost = losses.mean() if losses.ndim else losses
        if penalty:
            cost = cost + 0.01 * (model[0].weight * model[0].weight).sum()
        opt.zero_grad()
        cost.backward()
        opt.step()
        return losses, [out(z.data, y) for out in outputs]

    step = tt.compile(step, model, opt, workers=2) if workers else step
    rng, given = np.random.default_rng(3), []
    for _ in range(calls):
        losses, results = step(*batch(rng))
        given.append([losses.data, results])
    return given, model.state_dict(), opt.state_dict()["state"]


def close(a, b):
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(close, a, b))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(close(a[k], b[k]) for k in a)
    a, b = np.asarray(a), np.asarray(b)
    size = float(np.abs(a[np.isfinite(a)]).max(initial=0)) if a.dtype.kind == "f" else 0
    return a.dtype == b.dtype and a.shape == b.shape and np.allclose(a, b, rtol=0, atol=3e-5 * (size + 0.1),
                                                                     equal_nan=True)


@np.errstate(all="ignore")
def test_random_steps():
    until, refused, made = time.monotonic() + SECONDS, 0, 0
    for case in range(SEED, SEED + CASES):
        rng = np.random.default_rng(case)
        loss, wrong = loss_of(rng.random)
        outputs = [GOOD[int(i)] for i in rng.integers(0, len(GOOD), 3)]
        if rng.random() < 0.2:
            wrong, outputs[1] = True, BAD[int(rng.integers(0, len(BAD)))]
        sums = loss(tt.ones((ROWS, CLASSES)), np.zeros(ROWS, int)).ndim == 0
        settings = int(rng.integers(0, 3)), bool(rng.random() < 0.2)
        try:
            shared = world(loss, outputs, *settings, True)
        except tt.CompileError as error:
            refused += 1
            told = str(error)
            assert wrong or (settings[1] and sums and "the gradient of this loss" in told), f"{case}: {told}"
            assert "leave workers out" in told
            continue
        made += 1
        assert close(world(loss, outputs, *settings, False), shared), f"{case}: two workers do something else"
        if time.monotonic() > until:
            break
    assert made > 20 and refused > 5, "the generator draws both"
