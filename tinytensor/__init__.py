"""tinytensor: deep learning in NumPy, small enough to read whole. The public names; nothing is defined here."""

from . import random
from .autograd import detect_anomaly, grad
from .core import Tensor, no_grad
from .ops import *
from .random import Generator, manual_seed
