"""The functions of `torch.nn.functional`, by family; `functional.py` has them all."""
