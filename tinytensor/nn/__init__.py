"""Layers with PyTorch's names, layouts, defaults and first weights. The public names; nothing is defined here."""

from . import functional, init
from .containers import ModuleList, Sequential
from .layers import Embedding, Flatten, Linear, ReLU, Sigmoid, Tanh
from .module import Module, Parameter

__all__ = ["Embedding", "Flatten", "Linear", "Module", "ModuleList", "Parameter", "ReLU", "Sequential", "Sigmoid",
           "Tanh", "functional", "init"]
