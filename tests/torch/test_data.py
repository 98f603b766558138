"""`torch.utils.data` beside PyTorch's: the same batches in the same order, and the same place in the stream after."""

from collections import OrderedDict, namedtuple

import numpy as np
import pytest

import tinytensor.torch as ours

Pair = namedtuple("Pair", "x y")


def plain(x):
    """A value as Python has it, with dtypes and containers named."""
    if hasattr(x, "detach"):
        return str(x.dtype), tuple(x.shape), x.tolist()
    if isinstance(x, dict):
        return type(x).__name__, {k: plain(v) for k, v in x.items()}
    if isinstance(x, list | tuple):
        return type(x).__name__, [plain(v) for v in x]
    return x


def both(make, seed=3):
    """What a function of torch gives with PyTorch, and with ours; and where the streams stand then."""
    torch = pytest.importorskip("torch")
    found = []
    for t in (torch, ours):
        t.manual_seed(seed)
        try:
            result = plain(make(t))
        except Exception as error:
            result = type(error)
        found.append((result, t.rand(3).tolist()))
    assert found[0] == found[1], found


def dataset(t, n=11):
    return t.utils.data.TensorDataset(t.tensor(range(n)), t.tensor([[i / 2, -i] for i in range(n)]))


def streamed(t, n):
    class Stream(t.utils.data.IterableDataset):
        def __iter__(self):
            return iter(range(n))
    return Stream()


SAMPLERS = {
    "random": lambda d, g: d.RandomSampler(range(7), generator=g),
    "one": lambda d, g: d.RandomSampler(range(1), generator=g),
    "many": lambda d, g: d.RandomSampler(range(7), num_samples=17, generator=g),
    "twice": lambda d, g: d.RandomSampler(range(7), num_samples=14, generator=g),
    "replaced": lambda d, g: d.RandomSampler(range(7), True, generator=g),
    "replaced 32": lambda d, g: d.RandomSampler(range(7), True, 32, generator=g),
    "replaced 100": lambda d, g: d.RandomSampler(range(7), True, 100, generator=g),
    "makemore": lambda d, g: d.RandomSampler(range(32033), True, int(1e3), generator=g),
    "subset": lambda d, g: d.SubsetRandomSampler([3, 1, 4, 15], generator=g),
    "weighted": lambda d, g: d.WeightedRandomSampler([0.1, 0.9, 0.4, 0.0], 9, generator=g),
    "weighted once": lambda d, g: d.WeightedRandomSampler([0.1, 0.9, 0.4, 0.2], 3, False, generator=g),
    "batches": lambda d, g: d.BatchSampler(d.RandomSampler(range(7), generator=g), 3, False),
    "full batches": lambda d, g: d.BatchSampler(d.RandomSampler(range(7), generator=g), 3, True),
    "refused": lambda d, g: d.RandomSampler([], generator=g),
    "refused too": lambda d, g: d.BatchSampler(range(3), 0, False),
}


@pytest.mark.peer
@pytest.mark.parametrize("given", [False, True])
@pytest.mark.parametrize("name", SAMPLERS)
def test_samplers_draw_as_pytorch_s(name, given):
    def passes(t):
        g = t.Generator().manual_seed(5) if given else None
        sampler = SAMPLERS[name](t.utils.data, g)
        return [list(sampler), list(sampler), len(sampler), t.rand(2, generator=g)]
    both(passes)


LOADERS = {
    "plain": {}, "batches": {"batch_size": 4}, "shuffled": {"batch_size": 4, "shuffle": True},
    "full": {"batch_size": 4, "shuffle": True, "drop_last": True}, "single": {"batch_size": None},
    "single shuffled": {"batch_size": None, "shuffle": True}, "pinned": {"batch_size": 3, "shuffle": True,
    "timeout": 0},
    "both": {"shuffle": True, "sampler": [1, 2]}, "negative": {"num_workers": -1}, "size": {"batch_size": 0},
    "sampled": {"batch_size": 2, "sampler": [3, 1, 2]}, "batch sampler": {"batch_sampler": [[1, 2], [0]]},
    "batch sampler and size": {"batch_sampler": [[1, 2], [0]], "batch_size": 2},
    "collated": {"batch_size": 4, "shuffle": True, "collate_fn": len}, "none": {"batch_size": None, "drop_last": True},
}


@pytest.mark.peer
@pytest.mark.parametrize("given", [False, True])
@pytest.mark.parametrize("name", LOADERS)
def test_a_loader_gives_pytorch_s_batches(name, given):
    def passes(t):
        options = dict(LOADERS[name], **({"generator": t.Generator().manual_seed(9)} if given else {}))
        loader = t.utils.data.DataLoader(dataset(t), **options)
        return [list(loader), t.rand(1), list(loader), len(loader), next(iter(loader))]
    both(passes)


@pytest.mark.peer
@pytest.mark.parametrize("options", [{}, {"batch_size": 4}, {"batch_size": 4, "drop_last": True}, {"batch_size": None},
                                     {"shuffle": True}, {"sampler": [1]}])
def test_an_iterable_dataset(options):
    both(lambda t: list(t.utils.data.DataLoader(streamed(t, 10), **options)))
    both(lambda t: list(t.utils.data.ChainDataset([streamed(t, 3), streamed(t, 2)])))


@pytest.mark.peer
def test_workers_give_pytorch_s_batches():
    def passes(t):
        loader = t.utils.data.DataLoader(dataset(t), batch_size=3, shuffle=True, num_workers=1,
                                         collate_fn=lambda batch: [plain(example) for example in batch])
        return [list(loader), list(loader)]
    both(passes)


@pytest.mark.parametrize("workers", [1, 2, 8])
def test_any_number_of_workers_gives_the_same_batches(workers):
    found = []
    for n in (0, workers):
        ours.manual_seed(1)
        found.append(plain(list(ours.utils.data.DataLoader(dataset(ours), 4, shuffle=True, num_workers=n))))
    assert found[0] == found[1] and ours.utils.data.get_worker_info() is None


def test_what_would_change_the_data_is_refused():
    load = ours.utils.data.DataLoader
    with pytest.raises(ValueError, match="worker_init_fn with num_workers=2"):
        load(dataset(ours), num_workers=2, worker_init_fn=print)
    with pytest.raises(ValueError, match="IterableDataset with num_workers=2"):
        load(streamed(ours, 3), num_workers=2)
    with pytest.raises(TypeError, match="generator: got an int"):
        load(dataset(ours), generator=3)


BATCHES = {
    "tensors": lambda t: [t.tensor([1, 2]), t.tensor([3, 4])], "mixed": lambda t: [t.tensor(1), t.tensor(2.5)],
    "uneven": lambda t: [t.tensor([1]), t.tensor([1, 2])], "floats": lambda t: [1.0, 2.0], "ints": lambda t: [1, 2],
    "bools": lambda t: [True, False], "text": lambda t: ["a", "b"], "bytes": lambda t: [b"a", b"b"],
    "arrays": lambda t: [np.ones(2, np.float32), np.zeros(2, np.float32)], "scalars": lambda t: [np.float32(1)] * 2,
    "doubles": lambda t: [np.float64(1)] * 2, "int32": lambda t: [np.int32(1)] * 2,
    "0-d": lambda t: [np.array(1.0)] * 2,
    "tuples": lambda t: [(1, 2.0, "a"), (3, 4.0, "b")], "lists": lambda t: [[1, 2], [3, 4]],
    "uneven lists": lambda t: [[1, 2], [3]], "dicts": lambda t: [{"a": 1, "b": (1, 2)}, {"a": 2, "b": (3, 4)}],
    "ordered": lambda t: [OrderedDict(a=1), OrderedDict(a=2)], "named": lambda t: [Pair(1, 2.0), Pair(3, 4.0)],
    "ranges": lambda t: [range(2), range(2, 4)], "none": lambda t: [None, None], "objects": lambda t: [object()],
    "array of text": lambda t: [np.array("a")], "empty": lambda t: [t.zeros(0), t.zeros(0)], "sets": lambda t: [{1}],
}


@pytest.mark.peer
@pytest.mark.parametrize("name", BATCHES)
def test_examples_become_a_batch_as_pytorch_s(name):
    both(lambda t: t.utils.data.default_collate(BATCHES[name](t)))
    both(lambda t: t.utils.data.default_convert(BATCHES[name](t)) if name != "objects" else 0)


DATASETS = {
    "joined": lambda t, d: [*(dataset(t, 2) + dataset(t, 3))][3],
    "negative": lambda t, d: (dataset(t, 2) + dataset(t, 3))[-2],
    "outside": lambda t, d: (dataset(t, 2) + dataset(t, 3))[5],
    "below": lambda t, d: (dataset(t, 2) + dataset(t, 3))[-6],
    "subset": lambda t, d: [d.Subset(dataset(t), [3, 1])[1], len(d.Subset(dataset(t), [3, 1]))],
    "nested": lambda t, d: list(d.DataLoader(d.Subset(d.Subset(dataset(t), [3, 1, 7]), [2, 0]), 2)),
    "stacked": lambda t, d: d.StackDataset(range(3), dataset(t, 3))[1],
    "stacked by name": lambda t, d: d.StackDataset(a=range(3), b=dataset(t, 3))[1],
    "uneven": lambda t, d: d.TensorDataset(t.zeros(2), t.zeros(3)),
    "stacked uneven": lambda t, d: d.StackDataset([1], [1, 2]),
    "unwritten": lambda t, d: d.Dataset()[0],
    "split": lambda t, d: [s.indices for s in d.random_split(range(10), [7, 3])],
    "fractions": lambda t, d: [s.indices for s in d.random_split(range(11), [0.5, 0.3, 0.2])],
    "given": lambda t, d: [s.indices for s in d.random_split(range(9), [4, 5], t.Generator().manual_seed(1))],
    "short": lambda t, d: d.random_split(range(9), [4, 4]), "wrong": lambda t, d: d.random_split(range(9), [1.5, -0.5]),
}


@pytest.mark.peer
@pytest.mark.parametrize("name", DATASETS)
def test_datasets_are_pytorch_s(name):
    both(lambda t: DATASETS[name](t, t.utils.data))


def test_gradients_flow_through_a_batch():
    x = ours.tensor([1.0, 2.0], requires_grad=True)
    ours.utils.data.default_collate([x, x]).sum().backward()
    assert x.grad.tolist() == [2.0, 2.0]
