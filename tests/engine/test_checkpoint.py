"""Checkpoints: what comes back, that a file is whole or not there, and that no file does harm."""

import io
import os
import signal
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import tinytensor as tt
from tinytensor import checkpoint, nn, optim
from tinytensor.checkpoint import CheckpointError

leaves = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(),
                   hnp.arrays(st.sampled_from([np.float32, np.int64, np.bool_]),
                              hnp.array_shapes(min_dims=0, min_side=0), elements={"allow_nan": False}))
trees = st.recursive(leaves, lambda t: st.one_of(
    st.lists(t, max_size=3), st.lists(t, max_size=3).map(tuple),
    st.dictionaries(st.one_of(st.text(), st.integers()), t, max_size=3)), max_leaves=8)


def same(a, b):
    if isinstance(a, np.ndarray):
        return isinstance(b, np.ndarray) and a.dtype == b.dtype and a.shape == b.shape and np.array_equal(a, b)
    if isinstance(a, dict):
        return type(b) is dict and list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and a == b


@given(tree=trees)
@example(tree={"\0": np.zeros(2, np.float32), "'": np.ones(2, np.float32), "": np.ones(1, np.float32)})
def test_any_tree_comes_back(tmp_path_factory, tree):
    path = tmp_path_factory.getbasetemp() / "tree.npz"
    checkpoint.save(path, tree=tree)
    assert same(tree, checkpoint.load(path)["tree"])


def trained(steps, model, opt, rng):
    losses = []
    for _ in range(steps):
        x, y = rng.randint(0, 9, (8, 3)), rng.randint(0, 9, (8,))
        loss = tt.cross_entropy(model(x), y)
        opt.zero_grad()
        loss.backward()
        opt.step()
        losses.append(loss.item())
    return losses


def network(seed):
    return nn.Sequential(nn.Embedding(9, 4, rng=seed), nn.Flatten(), nn.Linear(12, 9, rng=seed))


def test_a_run_goes_on_bit_for_bit(tmp_path):
    path = tmp_path / "run.npz"
    model, rng = network(1), tt.Generator(3)
    opt = optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=0.01)
    trained(5, model, opt, rng)
    checkpoint.save(path, model=model, optimizer=opt, rng=rng, step=5, settings={"hidden": 4})
    expected = trained(5, model, opt, rng)

    model, rng = network(2), tt.Generator(4)
    opt = optim.SGD(model.parameters(), lr=0.5, momentum=0.1)
    parts = checkpoint.load(path, model=model, optimizer=opt, rng=rng)
    assert (parts["step"], parts["settings"]) == (5, {"hidden": 4})
    assert trained(5, model, opt, rng) == expected


def test_readable_by_numpy_alone_and_without_pickle(tmp_path):
    path = tmp_path / "m.npz"
    checkpoint.save(path, model=network(1))
    with np.load(path, allow_pickle=False) as file:
        assert file["model/0.weight"].shape == (9, 4)


@pytest.mark.parametrize("cut", [0, 1, 100, -1, -30])
def test_damaged_files_are_refused(tmp_path, cut):
    path = tmp_path / "m.npz"
    checkpoint.save(path, model=network(1))
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(CheckpointError, match=r"got no checkpoint, or a damaged one .* use another copy"):
        checkpoint.load(path)


def test_a_flipped_bit_is_refused(tmp_path):
    path = tmp_path / "m.npz"
    checkpoint.save(path, model=network(1))
    data = bytearray(path.read_bytes())
    data[data.index(b"NUMPY", data.index(b"model/2.weight")) + 200] ^= 1
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match="damaged"):
        checkpoint.load(path)


def test_files_of_other_kinds_are_refused(tmp_path):
    for content in (b"", b"hello", b"PK\x03\x04"):
        (tmp_path / "x").write_bytes(content)
        with pytest.raises(CheckpointError, match="got no checkpoint"):
            checkpoint.load(tmp_path / "x")
    np.savez(tmp_path / "y.npz", a=1)
    with pytest.raises(CheckpointError, match="got no checkpoint"):
        checkpoint.load(tmp_path / "y.npz")
    with pytest.raises(CheckpointError, match="No such file or directory; expected a checkpoint; name a file"):
        checkpoint.load(tmp_path / "none.npz")
    with pytest.raises(CheckpointError, match="Is a directory"):
        checkpoint.load(tmp_path)


def test_a_pickle_inside_never_runs(tmp_path):
    path, buffer = tmp_path / "evil.npz", io.BytesIO()
    np.save(buffer, np.array([print], dtype=object), allow_pickle=True)
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("description.npy", buffer.getvalue())
    with pytest.raises(CheckpointError, match="got no checkpoint"):
        checkpoint.load(path)
    with pytest.raises(CheckpointError, match="an array of Python objects"):
        checkpoint.save(path, a=np.array([print]))
    with pytest.raises(CheckpointError, match="save: got a/b of type builtin_function_or_method"):
        checkpoint.save(path, a={"b": print})


def test_another_version_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "FORMAT", "tinytensor 99")
    checkpoint.save(tmp_path / "m.npz", step=1)
    monkeypatch.undo()
    with pytest.raises(CheckpointError, match="got the format 'tinytensor 99'; expected 'tinytensor 1'"):
        checkpoint.load(tmp_path / "m.npz")


def test_what_does_not_fit_changes_nothing(tmp_path):
    path, model = tmp_path / "m.npz", network(1)
    checkpoint.save(path, model=nn.Sequential(nn.Embedding(9, 4), nn.Flatten(), nn.Linear(12, 7)))
    before = {name: value.copy() for name, value in model.state_dict().items()}
    with pytest.raises(CheckpointError, match=r"its model does not fit: .*2\.weight.*\(7, 12\)"):
        checkpoint.load(path, model=model)
    assert all(np.array_equal(value, before[name]) for name, value in model.state_dict().items())
    with pytest.raises(CheckpointError, match="got the parts model; expected 'rng' too; save it with rng="):
        checkpoint.load(path, rng=tt.Generator())


def test_names_that_meet_and_names_that_are_taken(tmp_path):
    tree = {"a/b": np.ones(2), "a": {"b": np.zeros(2)}, 1: np.ones(1), "1": np.zeros(1)}
    checkpoint.save(tmp_path / "m.npz", s=tree, file=np.ones(3), description=np.zeros(1), allow_pickle=np.ones(1))
    parts = checkpoint.load(tmp_path / "m.npz")
    assert same(parts["s"], tree) and parts["file"].tolist() == [1, 1, 1] and parts["description"].tolist() == [0]


def test_all_objects_are_loaded_or_none(tmp_path):
    model, other = network(1), network(2)
    small = nn.Linear(2, 2)
    checkpoint.save(tmp_path / "m.npz", model=model, optimizer=optim.SGD(small.parameters(), lr=0.1, momentum=0.9))
    before = {name: value.copy() for name, value in other.state_dict().items()}
    with pytest.raises(CheckpointError, match="its optimizer does not fit"):
        checkpoint.load(tmp_path / "m.npz", model=other, optimizer=optim.SGD(other.parameters(), lr=0.1))
    assert all(np.array_equal(value, before[name]) for name, value in other.state_dict().items())


def test_a_folder_that_is_not_there_or_full_leaves_the_old_file(tmp_path, monkeypatch):
    with pytest.raises(CheckpointError, match="expected a folder that can be written"):
        checkpoint.save(tmp_path / "none" / "m.npz", step=1)
    path = tmp_path / "m.npz"
    checkpoint.save(path, step=1)

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CheckpointError, match="No space left on device"):
        checkpoint.save(path, step=2)
    assert checkpoint.load(path)["step"] == 1 and os.listdir(tmp_path) == ["m.npz"]


def test_links_are_followed_and_what_is_no_file_is_refused(tmp_path):
    target, link = tmp_path / "target.npz", tmp_path / "link.npz"
    checkpoint.save(target, step=1)
    link.symlink_to(target)
    checkpoint.save(link, step=2)
    assert link.is_symlink() and checkpoint.load(target)["step"] == 2
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(CheckpointError, match="got no ordinary file; expected a file, new or to be replaced"):
        checkpoint.save(tmp_path / "pipe", step=1)
    with pytest.raises(CheckpointError, match="got a folder; expected a file"):
        checkpoint.save(tmp_path, step=1)


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is POSIX's")
def test_killed_while_saving_leaves_a_whole_file(tmp_path):
    path = tmp_path / "m.npz"
    code = ("import sys, numpy as np; from tinytensor import checkpoint\n"
            "i = 0\n"
            "while True:\n"
            "    i += 1; checkpoint.save(sys.argv[1], a=np.full(200_000, i), i=i); print(i, flush=True)")
    for _ in range(4):
        process = subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True)
        for _ in range(3):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        process.communicate()
        parts = checkpoint.load(path)
        assert parts["i"] >= 3 and (parts["a"] == parts["i"]).all()
