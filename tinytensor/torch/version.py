"""`torch.version`: whose meaning the names have. There is no CUDA and no ROCm here."""

from .. import __version__ as own

__version__ = f"2.13.0+tinytensor{own}"  # PyTorch's, so that programs that ask for 2 or later find it
cuda = None
hip = None
debug = False
git_version = ""
