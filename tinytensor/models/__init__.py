"""The lectures' named networks, ready to be trained. The public names; nothing is defined here."""

from .gpt import GPT
from .makemore import GRU, MLP, RNN, Bigram, BoW, CausalCNN
from .reading import Reader
from .wavenet import CausalWaveNet, WaveNet

__all__ = ["GPT", "GRU", "MLP", "RNN", "Bigram", "BoW", "CausalCNN", "CausalWaveNet", "Reader", "WaveNet"]


def __dir__() -> list[str]:
    return __all__
