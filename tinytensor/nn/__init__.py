"""Layers with PyTorch's names, layouts, defaults and first weights. The public names; nothing is defined here."""

from typing import Any

from ..names import Missing as _Missing
from ..names import elsewhere as _elsewhere
from . import functional, init
from .attention import Block, CausalSelfAttention
from .containers import ModuleList, Sequential
from .conv import Conv1d
from .criteria import (
    BCEWithLogitsLoss,
    CrossEntropyLoss,
    HuberLoss,
    KLDivLoss,
    L1Loss,
    MSELoss,
    NLLLoss,
    SmoothL1Loss,
)
from .dropout import Dropout
from .layers import (
    GELU,
    Embedding,
    Flatten,
    FlattenConsecutive,
    Identity,
    Linear,
    LogSoftmax,
    ReLU,
    Sigmoid,
    SiLU,
    Softmax,
    Tanh,
)
from .module import Module, Parameter
from .multihead import MultiheadAttention
from .norm import BatchNorm1d, LayerNorm, RMSNorm, fold_batchnorm
from .recurrent import GRU, LSTM, RNN, GRUCell, LSTMCell, RNNCell

__all__ = ["GELU", "GRU", "LSTM", "RNN", "BCEWithLogitsLoss", "BatchNorm1d", "Block", "CausalSelfAttention", "Conv1d",
           "CrossEntropyLoss", "Dropout", "Embedding", "Flatten", "FlattenConsecutive", "GRUCell", "HuberLoss",
           "Identity", "KLDivLoss", "L1Loss", "LSTMCell", "LayerNorm", "Linear", "LogSoftmax", "MSELoss", "Module",
           "ModuleList", "MultiheadAttention", "NLLLoss", "Parameter", "RMSNorm", "RNNCell", "ReLU", "Sequential",
           "SiLU", "Sigmoid", "SmoothL1Loss", "Softmax", "Tanh", "fold_batchnorm", "functional", "init"]


def __getattr__(name: str) -> Any:
    raise _Missing(_elsewhere, "nn", name, lambda: __all__)
