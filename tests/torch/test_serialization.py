"""`torch.save` and `torch.load`: everything comes back as it was; PyTorch's files are read; no file runs anything."""

import gc
import io
import pickle
import warnings
import zipfile
from collections import OrderedDict
from pickle import UnpicklingError

import numpy as np
import pytest

import tinytensor.torch as ours


def again(obj):
    ours.save(obj, file := io.BytesIO())
    file.seek(0)
    return ours.load(file)


def same(a, b):
    assert type(a) is type(b), (a, b)
    if isinstance(a, ours.Tensor):
        assert a.dtype is b.dtype and a.shape == b.shape and a.requires_grad == b.requires_grad
        assert a.node.data.strides == b.node.data.strides or not a.node.data.size
        np.testing.assert_array_equal(a.node.data, b.node.data)
    elif isinstance(a, np.ndarray):
        np.testing.assert_array_equal(a, b, strict=True)
    elif isinstance(a, dict):
        assert list(a) == list(b)
        for k in a:
            same(a[k], b[k])
    elif isinstance(a, list | tuple):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            same(x, y)
    else:
        assert a == b or a != a


DTYPES = ["float32", "float64", "float16", "int64", "int32", "int16", "int8", "uint8", "bool"]
OBJECTS = {
    **{d: lambda d=d: ours.tensor([[0, 1], [2, 3]], dtype=getattr(ours, d)) for d in DTYPES},
    "0-d": lambda: ours.tensor(2.5), "empty": lambda: ours.tensor([]),
    "grad": lambda: ours.tensor([1.0], requires_grad=True),
    "turned": lambda: ours.from_numpy(np.arange(24.0).reshape(2, 3, 4).transpose(2, 0, 1)),
    "numbers": lambda: [1, 2**70, -1.5, float("inf"), True, None, "text \ud800 \0", b"\0\xff"],
    "containers": lambda: {"a": (1, [2]), 3: {4, 5}, (6, 7): frozenset([8]), None: OrderedDict(x=1, y={})},
    "kinds": lambda: [ours.float32, ours.bool, ours.device("cpu"), ours.Size([2, 3])],
    "arrays": lambda: {"a": np.arange(3), "b": np.zeros((0, 2), np.uint16)},
    "deep": lambda: {"model": OrderedDict(w=ours.tensor([1.0, 2.0])), "steps": [{"lr": 0.1, "params": [0]}]},
}


@pytest.mark.parametrize("name", OBJECTS)
def test_what_is_saved_is_loaded(name):
    obj = OBJECTS[name]()
    same(again(obj), obj)


def test_parameters_come_back_as_parameters():
    w = again({"w": ours.nn.Parameter(ours.tensor([1.0, 2.0])), "f": ours.nn.Parameter(ours.tensor([3.0]), False)})
    assert type(w["w"]) is type(w["f"]) is ours.nn.Parameter
    assert w["w"].requires_grad and not w["f"].requires_grad and w["w"].tolist() == [1.0, 2.0]


def test_memory_that_is_shared_stays_shared_and_none_else_is_saved():
    a = np.arange(1000.0, dtype=np.float32)
    whole, row, other = (ours.from_numpy(x) for x in (a[:6].reshape(2, 3), a[3:6], a[900:902]))
    whole, row, other, gaps = again([whole, row, other, ours.from_numpy(np.arange(1000.0)[10::200])])
    row += 10
    assert whole.tolist() == [[0, 1, 2], [13, 14, 15]] and other.tolist() == [900, 901]
    assert other.node.data.base.size == 8 and gaps.node.data.base.size == 40 and gaps.tolist()[1] == 210


def test_a_loaded_tensor_is_one_to_work_with():
    x = again(ours.tensor([[1.0, 2.0], [3.0, 4.0]]))
    x[0] += 1
    x.requires_grad_()
    (x * x).sum().backward()
    assert x.grad.tolist() == [[4.0, 6.0], [6.0, 8.0]]


@pytest.mark.parametrize(("obj", "says"), [
    (object(), "got an object for the object"), ({"a": [1j]}, r"got a complex for the object\['a'\]\[0\]"),
    (lambda: 1, "got a function"), (np.array([None]), "ndarray")])
def test_what_can_not_be_saved_is_refused_and_the_old_file_stands(obj, says, tmp_path):
    ours.save(5, tmp_path / "a.pt")
    with pytest.raises(RuntimeError, match=says):
        ours.save(obj, tmp_path / "a.pt")
    assert ours.load(tmp_path / "a.pt") == 5 and [p.name for p in tmp_path.iterdir()] == ["a.pt"]


def test_more_refusals(tmp_path):
    loop = []
    loop.append(loop)
    deep = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(RuntimeError, match="nested too deep"):
        ours.save(deep, io.BytesIO())
    with pytest.raises(RuntimeError, match="contains itself"):
        ours.save(loop, io.BytesIO())
    with pytest.raises(RuntimeError, match=r"Linear for the object; .*state_dict"):
        ours.save(ours.nn.Linear(2, 1), io.BytesIO())
    with pytest.raises(RuntimeError, match="no folder"):
        ours.save(1, tmp_path / "none" / "a.pt")
    with pytest.raises(AttributeError, match="got an int for f"):
        ours.save(1, 2)
    with pytest.raises(FileNotFoundError, match="expected a file that torch.save wrote"):
        ours.load(tmp_path / "missing.pt")
    with pytest.raises(RuntimeError, match="'cuda'"):
        ours.load(tmp_path / "missing.pt", map_location="cuda")
    with pytest.raises(RuntimeError, match="map_location='cpu'"):
        ours.load(tmp_path / "missing.pt", map_location=lambda storage, place: storage)


@pytest.mark.parametrize("data", [b"", b"\x80\x02.", b"hello" * 99, b"PK\x03\x04"])
def test_what_is_no_file_of_ours_gets_one_sentence(data, tmp_path):
    (tmp_path / "a.pt").write_bytes(data)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(RuntimeError, match=r"load: .*a.pt: this is .*; expected"):
            ours.load(tmp_path / "a.pt")
        gc.collect()  # an open file would warn


@pytest.mark.parametrize("make", ["ours", pytest.param("torch", marks=pytest.mark.peer)])
def test_a_damaged_file_never_fails_from_inside(make):
    t = ours if make == "ours" else pytest.importorskip("torch")
    t.save(OrderedDict(w=t.tensor([[1.0, 2.0]]), n=t.tensor(3), s=[1, "a", (2.5, None)]), file := io.BytesIO())
    whole, rng, fine = file.getvalue(), np.random.default_rng(0), 0
    for i in range(300):
        data = bytearray(whole)
        for place in rng.integers(0, len(whole), 1 + i % 3):
            data[place] = rng.integers(256)
        data = data[: rng.integers(len(whole))] if i % 5 == 0 else data
        try:
            ours.load(io.BytesIO(data))
            fine += 1
        except (RuntimeError, UnpicklingError) as error:
            assert str(error).startswith("load: "), error
    assert fine < 300


# --- PyTorch's files ---


def from_pytorch(make, **options):
    torch = pytest.importorskip("torch")
    obj = make(torch)
    torch.save(obj, file := io.BytesIO(), **options)
    file.seek(0)
    return torch, obj, ours.load(file)


def like(torch, a, b):
    if isinstance(a, torch.Tensor):
        assert str(a.dtype) == str(b.dtype) and tuple(a.shape) == tuple(b.shape) and a.requires_grad == b.requires_grad
        assert a.tolist() == b.tolist() and (isinstance(a, torch.nn.Parameter)) == isinstance(b, ours.nn.Parameter)
        assert a.stride() == tuple(s // b.itemsize for s in b.node.data.strides) or not a.numel()
    elif isinstance(a, torch.dtype | torch.device):
        assert str(a) == str(b)
    else:
        assert type(a).__name__ == type(b).__name__
        if isinstance(a, dict):
            assert list(a) == list(b)
            a, b = list(a.values()), list(b.values())
        if isinstance(a, list | tuple):
            assert len(a) == len(b)
            for x, y in zip(a, b, strict=True):
                like(torch, x, y)
        else:
            assert a == b


THEIRS = {
    **{d: lambda t, d=d: t.tensor([[0, 1], [2, 3]], dtype=getattr(t, d)) for d in DTYPES},
    "0-d": lambda t: t.tensor(2.5), "empty": lambda t: t.zeros(2, 0, 3),
    "view": lambda t: t.arange(24.0).view(4, 6)[1:, ::2].t(),
    "grad": lambda t: t.ones(2, requires_grad=True), "parameter": lambda t: t.nn.Parameter(t.ones(2)),
    "state_dict": lambda t: t.nn.Sequential(t.nn.Linear(3, 4), t.nn.BatchNorm1d(4)).state_dict(),
    "parameters": lambda t: list(t.nn.Linear(2, 3).parameters()),
    "expanded": lambda t: t.ones(3, 1).expand(3, 4),
    "plain": lambda t: {"a": [1, 2**40, -5, 300, 2**100, 1.5, None, True, "x" * 300], 3: (1, 2), "b": (1, 2, 3, 4),
    "c": (),
                        "s": {1, 2}, "f": frozenset([3]), "bytes": b"\0\xffab", "none": b""},
    "kinds": lambda t: [t.float16, t.int64, t.Size([2, 3]), t.device("cpu")],
}


@pytest.mark.peer
@pytest.mark.parametrize("protocol", [2, 4, 5])
@pytest.mark.parametrize("name", THEIRS)
def test_files_of_pytorch_are_read(name, protocol):
    like(*from_pytorch(THEIRS[name], pickle_protocol=protocol))


@pytest.mark.peer
def test_an_optimiser_s_state_is_read():
    def make(t):
        net = t.nn.Linear(2, 1)
        optimizer = t.optim.AdamW(net.parameters())
        net(t.ones(2)).sum().backward()
        optimizer.step()
        return {"optimizer": optimizer.state_dict(), "epoch": 3}
    like(*from_pytorch(make))


@pytest.mark.peer
def test_shared_memory_of_pytorch_s_file_stays_shared():
    def make(t):
        x = t.zeros(4)
        return [x, x[1:3]]
    _, _, (x, part) = from_pytorch(make)
    part += 1
    assert x.tolist() == [0, 1, 1, 0]


@pytest.mark.peer
def test_big_endian_files_are_read():
    torch = pytest.importorskip("torch")
    torch.save(torch.tensor([1.0, 2.0]), file := io.BytesIO())
    other = io.BytesIO()
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(other, "w") as new:
        for n in old.namelist():
            data = old.read(n)
            new.writestr(n, b"big" if n.endswith("byteorder") else np.frombuffer(data, "<f4").astype(">f4").tobytes()
                         if "/data/" in n else data)
    assert ours.load(other).tolist() == [1.0, 2.0]


@pytest.mark.peer
@pytest.mark.parametrize(("make", "says"), [
    (lambda t: t.nn.Linear(2, 1), "a torch.nn.modules.linear.Linear there; .*model.state_dict"),
    (lambda t: t.ones(2, dtype=t.bfloat16), "bfloat16 there, .*x.to"),
    (lambda t: t.ones(2, dtype=t.complex64), "complex64"),
    (lambda t: np.ones(2), "a numpy"), (lambda t: print, "print"), (lambda t: t.eye(2).to_sparse(), "sparse")])
def test_what_is_not_plain_in_pytorch_s_file_is_refused_by_name(make, says):
    with pytest.raises(UnpicklingError, match=says):
        from_pytorch(make)


@pytest.mark.peer
def test_an_old_file_is_refused_with_advice():
    with pytest.raises(RuntimeError, match="a pickle, as PyTorch saved before 1.6; .*save it again"):
        from_pytorch(lambda t: t.ones(2), _use_new_zipfile_serialization=False)


# --- hostile files ---


def holding(data, **entries):
    with zipfile.ZipFile(file := io.BytesIO(), "w") as archive:
        archive.writestr("a/data.pkl", data)
        for name, value in entries.items():
            archive.writestr(f"a/data/{name[1:]}", value)
    file.seek(0)
    return file


class Evil:
    def __init__(self, *call):
        self.call = call

    def __reduce__(self):
        return self.call


def call(name, *args):
    return Evil(name, args)


RAN = []
FLOAT = b"ctorch\nFloatStorage\n"
HOSTILE = {
    "a function": pickle.dumps(call(RAN.append, 1)), "eval": pickle.dumps(call(eval, "RAN.append(1)")),
    "getattr": pickle.dumps(call(getattr, RAN, "append")), "import": pickle.dumps(call(__import__, "os")),
    "open": b"cio\nopen\n(X\x01\x00\x00\x00atR.", "inst": b"(ios\nsystem\n.", "obj": b"(cos\nsystem\no.",
    "dotted": b"\x80\x04\x8c\x05torch\x8c\x0cfloat32.name\x93.",
    "attributes of a dtype": b"ctorch\nfloat32\n}X\x05\x00\x00\x00numpyNsb.",
    "attributes of a dict": b"ccollections\nOrderedDict\n)R}X\x05\x00\x00\x00itemsNsb.",
    "attributes of a name": b"ctorch._utils\n_rebuild_tensor_v2\n(N}X\x0c\x00\x00\x00__defaults__Nstb.",
    "a call of a dtype": b"ctorch\nfloat32\n)R.", "a call of a storage": FLOAT + b")R.", "no stack": b"R.",
    "memo": b"h\x05.",
    "too long": b"X\xff\xff\xff\x7fa.", "extension": b"\x82\x01.", "next buffer": b"\x97.", "marks": b"((((.",
    "none": b"",
    "list key": b"}]Ns.", "other": b"cposix\nsystem\nX\x02\x00\x00\x00lsS'a'\n\x85R.",
    "codec": b"c_codecs\nencode\nX\x01\x00\x00\x00aX\x03\x00\x00\x00zip\x86R.",
}
STORED = b"(X\x07\x00\x00\x00storage" + FLOAT + b"X\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x02tQ"
REBUILD = b"ctorch._utils\n_rebuild_tensor_v2\n("
OUTSIDE = {"size": b"K\x00K\x03\x85K\x01\x85", "offset": b"K\x02K\x01\x85K\x01\x85",
"huge": b"K\x00J\xff\xff\xff\x7f\x85K\x01\x85",
           "stride": b"K\x00K\x02\x85K\x09\x85", "before": b"J\xff\xff\xff\xffK\x01\x85K\x01\x85",
           "backwards": b"K\x00K\x02\x85J\xff\xff\xff\xff\x85", "axes": b"K\x00K\x02\x85)",
           "text": b"K\x00X\x01\x00\x00\x00a\x85K\x01\x85"}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_runs_nothing(name):
    with pytest.raises((UnpicklingError, RuntimeError), match=r"^load: .*; expected"):
        ours.load(holding(HOSTILE[name]), weights_only=False)
    assert not RAN and ours.float32.numpy == np.float32


@pytest.mark.parametrize("name", OUTSIDE)
def test_no_tensor_reaches_outside_of_its_memory(name):
    with pytest.raises(RuntimeError, match="damaged"):
        ours.load(holding(REBUILD + STORED + OUTSIDE[name] + b"\x89Nt" + b"R.", _0=bytes(8)))
    fine = ours.load(holding(REBUILD + STORED + b"K\x00K\x02\x85K\x01\x85\x89Nt" + b"R.", _0=bytes(8)))
    assert fine.tolist() == [0.0, 0.0]


def test_tensors_of_a_gpu_need_map_location():
    stored = STORED.replace(b"\x03\x00\x00\x00cpu", b"\x06\x00\x00\x00cuda:0")
    data = REBUILD + stored + b"K\x00K\x02\x85K\x01\x85\x89NtR."
    with pytest.raises(RuntimeError, match="'cuda:0'; .*map_location='cpu'"):
        ours.load(holding(data, _0=bytes(8)))
    assert ours.load(holding(data, _0=bytes(8)), map_location="cpu").tolist() == [0.0, 0.0]
