"""torch.utils.tensorboard: what SummaryWriter writes is read back field by field, checksums too."""

import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from tinytensor.torch.utils.tensorboard import SummaryWriter, masked_crc, varint

ROOT = Path(__file__).resolve().parents[2]


def unmasked(checksum):
    crc = (struct.unpack("<I", checksum)[0] - 0xA282EAD8) & 0xFFFFFFFF
    return (crc >> 17 | crc << 15) & 0xFFFFFFFF


def records(data):
    while data:
        (n,) = struct.unpack("<Q", data[:8])
        assert data[8:12] == masked_crc(data[:8]) and data[12 + n:16 + n] == masked_crc(data[12:12 + n])
        yield data[12:12 + n]
        data = data[16 + n:]


def number(data):
    value = shift = 0
    for i, byte in enumerate(data):
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, data[i + 1:]
    raise AssertionError("a number without an end")


def fields(data):
    found = {}
    while data:
        key, data = number(data)
        if key & 7 == 0:
            value, data = number(data)
        else:
            n, data = (8, data) if key & 7 == 1 else (4, data) if key & 7 == 5 else number(data)
            value, data = data[:n], data[n:]
        found[key >> 3] = value
    return found


def test_the_checksum_is_crc_32c():
    assert unmasked(masked_crc(b"123456789")) == 0xE3069283  # the check value that the standard names


@pytest.mark.parametrize("n", [0, 1, 127, 128, 300, 2**40])
def test_a_whole_number_is_read_back(n):
    assert number(varint(n) + b"rest") == (n, b"rest")


def test_numbers_are_read_back(tmp_path):
    with SummaryWriter(log_dir=tmp_path) as writer:
        writer.add_scalar("Loss/train", 2.5, 300, walltime=12.0)
        writer.add_scalars("Loss", {"dev": 3.25}, 301)
        writer.flush()
        with pytest.raises(AttributeError, match="add_histogram is not here"):
            writer.add_histogram("w", [1.0])
    (path,) = tmp_path.iterdir()
    assert path.name.startswith("events.out.tfevents.") and writer.get_logdir() == str(tmp_path)
    head, first, second = map(fields, records(path.read_bytes()))
    assert head[3] == b"brain.Event:2"
    for event, step, tag, value in ((first, 300, b"Loss/train", 2.5), (second, 301, b"Loss/dev", 3.25)):
        entry = fields(fields(event[5])[1])
        assert (event[2], entry[1], struct.unpack("<f", entry[2])) == (step, tag, (value,))
    assert struct.unpack("<d", first[1]) == (12.0,)


@pytest.mark.peer
def test_tensorboard_reads_it(tmp_path):
    loader = pytest.importorskip("tensorboard.backend.event_processing.event_file_loader")
    with SummaryWriter(tmp_path) as writer:
        writer.add_scalar("a", 1.5, 7)
    (path,) = tmp_path.iterdir()
    events = [e for e in loader.LegacyEventFileLoader(str(path)).Load() if e.summary.value]
    assert [(e.step, e.summary.value[0].tag, e.summary.value[0].simple_value) for e in events] == [(7, "a", 1.5)]


def test_a_script_imports_it_as_from_pytorch(tmp_path):
    script = tmp_path / "script.py"
    script.write_text("from torch.utils.tensorboard import SummaryWriter\nfrom torch.utils.data.dataloader import "
                      "DataLoader\nimport torch\nwith SummaryWriter(log_dir='work') as writer:\n"
                      "    writer.add_scalar('Loss', torch.tensor(1.5), 1)\nprint(torch.utils.tensorboard.__name__)\n")
    done = subprocess.run([sys.executable, "-m", "tinytensor.torch", str(script)], capture_output=True, text=True,
                          cwd=tmp_path, timeout=100, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert done.stdout == "tinytensor.torch.utils.tensorboard\n", done.stderr
    assert len(list((tmp_path / "work").iterdir())) == 1
