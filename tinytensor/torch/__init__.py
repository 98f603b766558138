"""PyTorch's names, with PyTorch's meaning, on tinytensor: ``import tinytensor.torch as torch``."""

from . import creation, index, operators
from .dtypes import *
from .gradients import enable_grad, inference_mode, no_grad, set_grad_enabled
from .offer import FUNCTIONS
from .tensor import Tensor

globals().update(FUNCTIONS)
