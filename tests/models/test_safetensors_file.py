"""The reader of safetensors files: to the bit what the package writes, bfloat16 exactly, and no damaged file."""

import json
import struct

import numpy as np
import pytest

from tinytensor.models import GPT
from tinytensor.models.pretrained import layout
from tinytensor.models.safetensors_file import load_safetensors

RNG = np.random.default_rng(0)
KINDS = ("f8", "f4", "f2", "i8", "i4", "i2", "i1", "u8", "u4", "u2", "u1")
ARRAYS = {**{kind: RNG.integers(0, 100, (2, 3)).astype(kind) for kind in KINDS},
          "flags": np.array([True, False, True]), "single": np.array(2.5), "none": np.zeros((0, 3), np.float32),
          "odd": np.array([[[1]]], np.int8), "after": np.arange(4.0), "signed": np.array([-0.0, np.inf, np.nan], "f4")}


def written(path, header, content):
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + content)
    return path


def same(a, b):
    assert a.keys() == b.keys()
    for name in a:
        assert a[name].dtype == b[name].dtype and a[name].shape == b[name].shape
        assert a[name].tobytes() == b[name].tobytes(), name


def test_files_of_the_package(tmp_path):
    safetensors = pytest.importorskip("safetensors.numpy")
    safetensors.save_file(ARRAYS, tmp_path / "a.safetensors", metadata={"format": "np"})
    same(load_safetensors(tmp_path / "a.safetensors"), ARRAYS)
    safetensors.save_file({}, tmp_path / "a.safetensors")
    assert load_safetensors(tmp_path / "a.safetensors") == {}


@pytest.mark.peer
def test_every_bfloat16_is_the_float32_of_pytorch(tmp_path):
    torch = pytest.importorskip("torch")
    save_file = pytest.importorskip("safetensors.torch").save_file
    bits = torch.arange(2**16, dtype=torch.int32).to(torch.int16).view(torch.bfloat16).reshape(256, 256)
    save_file({"all": bits, "other": torch.ones(3)}, tmp_path / "a.safetensors")
    got = load_safetensors(tmp_path / "a.safetensors")["all"]
    assert got.dtype == np.float32 and got.shape == (256, 256)
    assert np.array_equal(got.view(np.uint32), bits.float().numpy().view(np.uint32))


def test_a_gpt_2_in_bfloat16(tmp_path):
    shapes = layout(31, 16, 64, 2)
    arrays = {name: RNG.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
    header, content = {}, b""
    for name, a in arrays.items():
        part = (a.view(np.uint32) >> 16).astype("<u2").tobytes()
        header[name] = {"dtype": "BF16", "shape": a.shape, "data_offsets": [len(content), len(content) + len(part)]}
        content += part
    model = GPT.from_pretrained(written(tmp_path / "gpt2.safetensors", header, content))
    cut = (arrays["wte.weight"].view(np.uint32) & 0xFFFF0000).view(np.float32)
    assert model.wte.weight.dtype == np.float32 and np.array_equal(model.wte.weight.data, cut)


GOOD = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


@pytest.mark.parametrize("header, text", [
    ({"a": GOOD, "b": {**GOOD, "data_offsets": [12, 20]}}, "b is in bytes 12 to 20, and the array before it ends at 8"),
    ({"a": GOOD, "b": {**GOOD, "data_offsets": [4, 12]}}, "b is in bytes 4 to 12, and the array before it ends at 8"),
    ({"a": GOOD}, "it has 20 bytes of arrays, and its header describes 8"),
    ({"a": {**GOOD, "shape": [3]}}, "a of shape (3,) and dtype F32 has 8 bytes"),
    ({"a": {**GOOD, "data_offsets": [0, 80]}}, "a of shape (2,) and dtype F32 has 20 bytes"),
    ({"a": {**GOOD, "dtype": "F8_E4M3"}}, "a has dtype F8_E4M3, which is none of F64, F32"),
    ({"a": {"dtype": "F32"}}, "its header does not describe arrays: KeyError('data_offsets')"),
    ([1], "its header does not describe arrays: "),
    ({"a": 3}, "its header does not describe arrays: "),
])
def test_headers_that_do_not_fit(tmp_path, header, text):
    with pytest.raises(ValueError) as caught:
        load_safetensors(written(tmp_path / "a.safetensors", header, bytes(20)))
    assert text in str(caught.value)


def test_every_cut_is_refused(tmp_path):
    path = written(tmp_path / "a.safetensors", {"a": GOOD}, bytes(8))
    whole = path.read_bytes()
    assert load_safetensors(path)["a"].tolist() == [0, 0]
    for n in range(len(whole)):
        path.write_bytes(whole[:n])
        with pytest.raises(ValueError):
            load_safetensors(path)


def test_a_bfloat16_without_axes_is_an_array(tmp_path):
    header = b'{"a": {"dtype": "BF16", "shape": [], "data_offsets": [0, 2]}}'
    path = tmp_path / "a.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes.fromhex("803f"))
    a = load_safetensors(path)["a"]
    assert isinstance(a, np.ndarray)
    assert a.shape == ()
    assert a == 1
