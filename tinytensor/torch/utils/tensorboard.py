"""PyTorch's `torch.utils.tensorboard`: SummaryWriter, which writes numbers into a file that TensorBoard reads.

Numbers alone: what it has for pictures, histograms and graphs is in tinytensor.diagnostics.
"""

from __future__ import annotations

import os
import socket
import struct
import time
from pathlib import Path
from typing import Any

__all__ = ["SummaryWriter"]


def crc_table() -> list[int]:
    """CRC-32C of each byte."""
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


TABLE = crc_table()


def masked_crc(data: bytes) -> bytes:
    """The checksum of TensorBoard's files: CRC-32C, turned and moved."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def record(data: bytes) -> bytes:
    """One entry of the file: its length and its bytes, each with a checksum."""
    length = struct.pack("<Q", len(data))
    return length + masked_crc(length) + data + masked_crc(data)


def varint(n: int) -> bytes:
    """A whole number, seven bits in a byte."""
    n &= 0xFFFFFFFFFFFFFFFF
    out = bytearray()
    while n > 0x7F:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    return bytes((*out, n))


def field(number: int, data: bytes) -> bytes:
    """A field that has bytes."""
    return varint(number << 3 | 2) + varint(len(data)) + data


def scalar_event(tag: str, value: float, step: int, when: float) -> bytes:
    """The event of one number."""
    summary = field(1, field(1, tag.encode()) + b"\x15" + struct.pack("<f", value))
    return b"\x09" + struct.pack("<d", when) + b"\x10" + varint(step) + field(5, summary)


class SummaryWriter:
    """Writes numbers by step into ``log_dir``, for TensorBoard to show.

    Examples
    --------
    >>> import tempfile
    >>> from tinytensor.torch.utils.tensorboard import SummaryWriter
    >>> with tempfile.TemporaryDirectory() as folder, SummaryWriter(folder) as writer:
    ...     writer.add_scalar("Loss/train", 2.5, 100)
    ...     writer.flush()
    """

    def __init__(self, log_dir: Any = None, comment: str = "", purge_step: Any = None, max_queue: int = 10,
                 flush_secs: int = 120, filename_suffix: str = "") -> None:
        if purge_step is not None:
            raise ValueError(f"SummaryWriter: got purge_step={purge_step}; expected None; write into a new log_dir")
        host = socket.gethostname()
        self.log_dir = str(log_dir or os.path.join("runs", f"{time.strftime('%b%d_%H-%M-%S')}_{host}{comment}"))
        Path(self.log_dir).mkdir(parents=True, exist_ok=True)
        name = f"events.out.tfevents.{int(time.time()):010d}.{host}.{os.getpid()}.{time.monotonic_ns()}"
        self.file: Any = open(Path(self.log_dir, name + filename_suffix), "wb")  # noqa: SIM115 (until close)
        self.file.write(record(b"\x09" + struct.pack("<d", time.time()) + field(3, b"brain.Event:2")))

    def add_scalar(self, tag: str, scalar_value: Any, global_step: Any = None, walltime: float | None = None,
                   new_style: bool = False, double_precision: bool = False) -> None:
        """Write one number, such as the loss, at a step."""
        self.file.write(record(scalar_event(tag, float(scalar_value), int(global_step or 0),
                                            time.time() if walltime is None else walltime)))

    def add_scalars(self, main_tag: str, tag_scalar_dict: dict[str, Any], global_step: Any = None,
                    walltime: float | None = None) -> None:
        """Write some numbers under one heading: ``main_tag/name``."""
        for name, value in tag_scalar_dict.items():
            self.add_scalar(f"{main_tag}/{name}", value, global_step, walltime)

    def get_logdir(self) -> str:
        """The folder that is written into."""
        return self.log_dir

    def flush(self) -> None:
        """Let what was written be on the disk."""
        self.file.flush()

    def close(self) -> None:
        """End the file."""
        self.file.close()

    def __enter__(self) -> SummaryWriter:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("add_"):
            raise AttributeError(f"SummaryWriter.{name} is not here; expected add_scalar or add_scalars; draw it with "
                                 f"tinytensor.diagnostics, or save the figure")
        raise AttributeError(f"'SummaryWriter' object has no attribute {name!r}")
