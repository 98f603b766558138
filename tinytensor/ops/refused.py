"""What stays out: NumPy's functions that no Tensor can be given to, each with the nearest that exists."""

NEAREST = {}
