"""PyTorch's `torch.utils`: of it, the loading of data. Nothing is defined here."""

from . import data

__all__ = ["data"]
