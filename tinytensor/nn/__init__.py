"""Layers with PyTorch's names, layouts, defaults and first weights. The public names; nothing is defined here."""

from . import functional, init
from .containers import ModuleList, Sequential
from .conv import Conv1d
from .layers import Embedding, Flatten, FlattenConsecutive, Linear, ReLU, Sigmoid, Tanh
from .module import Module, Parameter
from .norm import BatchNorm1d, fold_batchnorm

__all__ = ["BatchNorm1d", "Conv1d", "Embedding", "Flatten", "FlattenConsecutive", "Linear", "Module", "ModuleList",
           "Parameter", "ReLU", "Sequential", "Sigmoid", "Tanh", "fold_batchnorm", "functional", "init"]
