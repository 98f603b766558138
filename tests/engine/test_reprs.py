"""How tensors, transformed functions and blocks show themselves."""

import copy

import numpy as np
import pytest

import tinytensor as tt


def loss(x):
    return (x * x).sum()


def test_a_loss_prints_alike_before_and_after_its_backward_pass():
    x = tt.tensor([1.0, 2.0], requires_grad=True)
    y = x * x
    z = y.sum()
    before = repr(z), repr(y)
    assert before == ("tensor(5., op=sum)", "tensor([1., 4.], op=multiply)")
    z.backward()
    assert (repr(z), repr(y)) == before and str(z) == f"{z}" == before[0]
    assert repr(z.detach()) == "tensor(5.)" and repr(copy.deepcopy(z)) == "tensor(5.)"
    assert repr(x) == "tensor([1., 2.], requires_grad=True)"
    with pytest.raises(RuntimeError, match="an earlier pass has released, at the output of sum, of shape"):
        z.backward()


@pytest.mark.parametrize("transform", [tt.value_and_grad, tt.jacobian, tt.hessian])
def test_a_transformed_function_says_of_what_it_is(transform):
    f = transform(loss)
    assert repr(f).startswith(f"<function {transform.__name__}(loss) at ") and f.__name__ == "loss"
    assert f"{transform.__name__}({transform.__name__}(loss))" in repr(transform(f))
    model = tt.nn.Linear(2, 1)
    assert f"{transform.__name__}(Linear)" in repr(transform(model))
    assert loss.__qualname__ == "loss"


def test_a_pullback_says_of_what_it_is():
    _, pull = tt.vjp(loss, np.ones(2))
    assert repr(pull).startswith("<function vjp(loss) at ")


def test_blocks():
    assert repr(tt.no_grad()) == "no_grad()" and repr(tt.enable_grad()) == "enable_grad()"
