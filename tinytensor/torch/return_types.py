"""Named tuples that functions with several results give, printed as PyTorch prints them."""

from __future__ import annotations

from operator import itemgetter
from typing import Any


class Results(tuple[Any, ...]):
    """Several results of one function, each with a name."""

    __slots__ = ()
    names: tuple[str, ...] = ()

    def __new__(cls, results: Any) -> Results:
        return tuple.__new__(cls, results)

    def __repr__(self) -> str:
        parts = ",\n".join(f"{name}={x!r}" for name, x in zip(self.names, self, strict=True))
        return f"torch.return_types.{type(self).__name__}(\n{parts})"

    def __reduce__(self) -> Any:
        return type(self), (tuple(self),)


def results(function: str, *names: str) -> type[Results]:
    """The class of a function's results."""
    parts = {name: property(itemgetter(i)) for i, name in enumerate(names)}
    return type(function, (Results,), {"__slots__": (), "__module__": __name__, "names": names, **parts})


max = results("max", "values", "indices")
min = results("min", "values", "indices")
median = results("median", "values", "indices")
nanmedian = results("nanmedian", "values", "indices")
mode = results("mode", "values", "indices")
sort = results("sort", "values", "indices")
topk = results("topk", "values", "indices")
kthvalue = results("kthvalue", "values", "indices")
cummax = results("cummax", "values", "indices")
cummin = results("cummin", "values", "indices")
aminmax = results("aminmax", "min", "max")
histogram = results("histogram", "hist", "bin_edges")
histogramdd = results("histogramdd", "hist", "bin_edges")
slogdet = results("slogdet", "sign", "logabsdet")
qr = results("qr", "Q", "R")
svd = results("svd", "U", "S", "V")
frexp = results("frexp", "mantissa", "exponent")
triangular_solve = results("triangular_solve", "solution", "cloned_coefficient")
linalg_qr = results("linalg_qr", "Q", "R")
linalg_svd = results("linalg_svd", "U", "S", "Vh")
linalg_eigh = results("linalg_eigh", "eigenvalues", "eigenvectors")
linalg_slogdet = results("linalg_slogdet", "sign", "logabsdet")
linalg_lstsq = results("linalg_lstsq", "solution", "residuals", "rank", "singular_values")
linalg_inv_ex = results("linalg_inv_ex", "inverse", "info")
linalg_cholesky_ex = results("linalg_cholesky_ex", "L", "info")
linalg_solve_ex = results("linalg_solve_ex", "result", "info")
