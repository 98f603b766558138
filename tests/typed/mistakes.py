"""Mistakes that the checkers find: each line would be reported, and a comment that is not needed is reported itself."""

import tinytensor as tt
from tinytensor import Tensor, nn, optim


class Doubled(nn.Module):
    """A layer whose call takes one Tensor."""

    def forward(self, x: Tensor) -> Tensor:
        return 2 * x


@tt.compile
def step(x: Tensor) -> Tensor:
    return 2 * x


def mistakes(x: Tensor, layer: Doubled, opt: optim.SGD) -> None:
    """Never called."""
    tt.no_such_function(x)  # type: ignore[attr-defined]
    x.no_such_method()  # type: ignore[attr-defined]
    x.view(-1)  # type: ignore[attr-defined]
    x.sum(dim=0)  # type: ignore[call-arg]
    nn.NoSuchLayer()  # type: ignore[attr-defined]
    optim.NoSuchOptimizer()  # type: ignore[attr-defined]
    tt.linalg.no_such_function(x)  # type: ignore[attr-defined]
    nn.Linear(2)  # type: ignore[call-arg]
    layer("text")  # type: ignore[arg-type]
    layer(x, x)  # type: ignore[call-arg]
    layer(x).no_such_method()  # type: ignore[attr-defined]
    layer.no_such_part  # type: ignore[attr-defined]  # noqa: B018
    step()  # type: ignore[call-arg]
    step("text")  # type: ignore[arg-type]
    step(x).no_such_method()  # type: ignore[attr-defined]
    opt.no_such_method()  # type: ignore[attr-defined]
    x.grad.sum()  # type: ignore[union-attr]
