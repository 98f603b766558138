"""The lectures' named networks, ready to be trained. The public names; nothing is defined here."""

from .wavenet import CausalWaveNet, WaveNet

__all__ = ["CausalWaveNet", "WaveNet"]
