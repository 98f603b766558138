"""The methods that ops give to Tensor, for editors and type checkers: the stub beside this file lists them."""


class Methods:
    """Empty at run time: each op attaches its own method to Tensor."""

    __slots__ = ()
