"""nn: modules, containers, plain layers and first weights: by themselves, and against PyTorch."""

import copy
import gc
import pickle
import traceback
import weakref

import numpy as np
import pytest
from messages import message

import tinytensor as tt
from tinytensor import nn
from tinytensor.core import Tensor
from tinytensor.nn import functional as F
from tinytensor.nn import init


class Block(nn.Module):
    """A child before its own parameter, a buffer of each kind, a list of layers, a tied weight."""

    def __init__(self, rng=0):
        super().__init__()
        rng = tt.Generator(rng) if isinstance(rng, int) else rng
        self.embed = nn.Embedding(5, 3, rng=rng)
        self.layers = nn.ModuleList([nn.Linear(3, 3, rng=rng), nn.Tanh(), nn.Linear(3, 5, bias=False, rng=rng)])
        self.layers[2].weight = self.embed.weight
        self.scale = nn.Parameter(np.ones(3, np.float32))
        self.register_buffer("mean", np.zeros(3, np.float32))
        self.register_buffer("count", np.array(0))
        self.register_buffer("mask", np.ones(3, np.bool_), persistent=False)
        self.label = "not a part"

    def forward(self, indices):
        x = self.embed(indices) * self.scale
        for layer in self.layers:
            x = layer(x)
        return x


class Outer(nn.Module):
    def __init__(self):
        super().__init__()
        self.block = Block()
        self.head = nn.Sequential(nn.Linear(5, 4, rng=1), nn.ReLU(), nn.Linear(4, 2, rng=2))

    def forward(self, indices):
        return self.head(self.block(indices))


def mlp(rng=0):
    g = tt.Generator(rng)
    return nn.Sequential(nn.Linear(3, 4, rng=g), nn.Tanh(), nn.Linear(4, 2, rng=g))


def names(pairs):
    return [name for name, _ in pairs]


# --- Parameter ---


def test_parameter_is_a_tensor_that_requires_grad_and_shares_memory():
    a = np.ones((2, 3))
    p = nn.Parameter(a)
    assert isinstance(p, Tensor) and p.requires_grad and p.data is a and not hasattr(p, "__dict__")
    assert nn.Parameter(p).data is a and nn.Parameter([1.0]).dtype == np.float32
    assert type(p * 2) is Tensor and type(p.detach()) is Tensor
    assert not nn.Parameter(a, requires_grad=False).requires_grad
    assert "got dtype int64; expected a floating one" in message(TypeError, nn.Parameter, [1, 2])


def test_parameter_repr():
    assert repr(nn.Parameter(np.eye(2, dtype=np.float32))) == "Parameter([[1., 0.],\n           [0., 1.]])"
    assert repr(nn.Parameter(np.zeros(1), False)) == "Parameter([0.], dtype=float64, requires_grad=False)"


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda p: pickle.loads(pickle.dumps(p))])
def test_parameter_stays_one_when_copied(copied):
    for on in (True, False):
        p = nn.Parameter([1.0, 2.0], on)
        q = copied(p)
        assert type(q) is nn.Parameter and q.requires_grad is on and np.array_equal(q.data, p.data)
        assert not np.shares_memory(p.data, q.data)


# --- names ---


def test_own_parameters_come_before_those_of_children_and_tied_ones_once():
    model = Block()
    expected = ["scale", "embed.weight", "layers.0.weight", "layers.0.bias"]
    assert names(model.named_parameters()) == expected
    assert [id(p) for p in model.parameters()] == [id(p) for _, p in model.named_parameters()]
    assert model.num_parameters() == 3 + 15 + 9 + 3
    assert names(model.named_buffers()) == ["mean", "count", "mask"]
    assert names(Outer().named_buffers()) == ["block.mean", "block.count", "block.mask"]
    assert all(type(b) is Tensor and not b.requires_grad for _, b in model.named_buffers())


def test_modules_and_children_are_walked_parents_first_shared_ones_once():
    act = nn.Tanh()
    model = nn.Sequential(act, nn.Sequential(nn.Linear(2, 2), act))
    assert names(model.named_modules()) == ["", "0", "1", "1.0"]
    assert list(model.modules()) == [model, act, model[1], model[1][0]]
    assert list(model.children()) == [act, model[1]]
    assert len(list(nn.Sequential(act, act).children())) == 1


def test_assignment_replaces_in_place_and_deletion_forgets():
    model = Block()
    model.scale = nn.Parameter(np.full(3, 2, np.float32))
    model.extra = nn.Parameter(np.zeros(1))
    assert names(model.named_parameters())[:2] == ["scale", "extra"]
    model.scale = None
    assert names(model.named_parameters())[:2] == ["extra", "embed.weight"]
    del model.extra, model.layers, model.mean
    assert names(model.named_parameters()) == ["embed.weight"]
    assert names(model.named_buffers()) == ["count", "mask"] and list(model.state_dict()) == ["count", "embed.weight"]
    with pytest.raises(AttributeError):
        del model.mean
    model.mean = "free again"


def test_buffers_may_be_none_and_be_set_to_tensors():
    model = nn.Module()
    model.register_buffer("mean", None)
    assert names(model.named_buffers()) == [] and model.state_dict() == {}
    model.mean = tt.ones(2)
    assert names(model.named_buffers()) == ["mean"] and np.array_equal(model.state_dict()["mean"], [1, 1])


def test_what_an_attribute_may_not_become():
    model = Block()
    assert message(TypeError, setattr, model, "scale", model.scale * 0.5) == (
        "Block: got a Tensor for 'scale', which is a Parameter; expected another, or None; write values in place, "
        "scale.data[...] = v, or `del` it first")
    assert message(TypeError, setattr, model, "embed", lambda x: x).startswith(
        "Block: got a function for 'embed', which is a Module; ")
    buffer = "Block: got {} for 'mean', which is a buffer, a Tensor without grad; "
    assert message(TypeError, setattr, model, "mean", np.ones(3)).startswith(buffer.format("an ndarray"))
    assert message(TypeError, setattr, model, "mean", model.scale * 1).startswith(buffer.format("a Tensor"))
    assert model.scale.requires_grad and np.array_equal(model.mean.data, np.zeros(3))


@pytest.mark.parametrize("name", ["", "a.b", "forward", "scale", 3])
def test_names_that_cannot_be(name):
    text = f"Block: got the name {name!r}; expected a new one, without dots; choose another, or `del` the"
    assert message(ValueError, Block().register_buffer, name, np.ones(1)).startswith(text)
    assert message(ValueError, Block().add_module, name, nn.Tanh()).startswith(text)


def test_forgotten_super_init():
    class Forgetful(nn.Module):
        def __init__(self):
            self.layer = nn.Linear(1, 1)

    class Numbers(nn.Module):
        def __init__(self):
            self.register_buffer("n", np.ones(1))

    assert message(AttributeError, Forgetful) == (
        "Forgetful: got the attribute 'layer' before the module was initialised; expected super().__init__() first; "
        "call it in Forgetful.__init__")
    assert message(AttributeError, Numbers).startswith("Numbers: got the attribute 'n' before the module was")


# --- modes, gradients, dtype ---


def test_train_and_eval_reach_every_module():
    model = Outer()
    assert all(m.training for m in model.modules())
    assert model.eval() is model and not any(m.training for m in model.modules())
    assert model.head.train() is model.head
    assert [m.training for m in model.modules()] == [m in list(model.head.modules()) for m in model.modules()]


def test_zero_grad_and_requires_grad():
    model = mlp()
    model(tt.ones(5, 3)).sum().backward()
    assert all(p.grad is not None for p in model.parameters())
    model.zero_grad()
    assert all(p.grad is None for p in model.parameters())
    assert model[0].requires_grad_(False) is model[0]
    model(tt.ones(5, 3)).sum().backward()
    assert [p.grad is None for p in model.parameters()] == [True, True, False, False]
    model.requires_grad_()
    assert all(p.requires_grad for p in model.parameters())


def test_astype_converts_this_very_model():
    model = Block()
    model(np.array([1, 2])).sum().backward()
    before, parameters = model.state_dict(), list(model.parameters())
    assert model.astype(np.float64) is model
    assert all(a is b for a, b in zip(parameters, model.parameters(), strict=True))
    assert all(p.dtype == p.grad.dtype == np.float64 for p in parameters)
    assert [b.dtype for _, b in model.named_buffers()] == [np.float64, np.int64, np.bool_]
    assert model.layers[2].weight is model.embed.weight
    assert all(np.array_equal(a, before[name]) for name, a in model.state_dict().items())
    assert model(np.array([1, 2])).dtype == np.float64
    assert message(TypeError, model.astype, int) == (
        "astype: got dtype int64; expected a floating one; use np.float32 or np.float64")


def test_apply_calls_children_first():
    seen = []
    model = nn.Sequential(nn.Sequential(nn.Tanh()), nn.ReLU())
    assert model.apply(lambda m: seen.append(type(m).__name__)) is model
    assert seen == ["Tanh", "Sequential", "ReLU", "Sequential"]


# --- state ---


def test_state_dict_holds_copies_of_arrays_tied_ones_under_each_name():
    model = Block()
    state = model.state_dict()
    assert list(state) == ["scale", "mean", "count", "embed.weight", "layers.0.weight", "layers.0.bias",
                           "layers.2.weight"]
    assert all(type(a) is np.ndarray for a in state.values()) and state["count"].shape == ()
    state["scale"][...] = 7
    assert np.array_equal(model.scale.data, np.ones(3))


def test_load_state_dict_writes_in_place():
    model, other = Block(rng=1), Block(rng=2)
    arrays = [p.data for p in model.parameters()]
    state = {name: a.astype(np.float64) if a.dtype == np.float32 else a for name, a in other.state_dict().items()}
    state["count"] = np.array(5)
    state["mean"] = tt.ones(3)
    assert model.load_state_dict(state) == ([], [])
    assert all(p.data is a and p.dtype == np.float32 for p, a in zip(model.parameters(), arrays, strict=True))
    assert all(np.array_equal(p.data, q.data) for p, q in zip(model.parameters(), other.parameters(), strict=True))
    assert model.count.item() == 5 and np.array_equal(model.mean.data, np.ones(3))


def test_load_state_dict_lists_everything_that_does_not_fit_and_writes_nothing():
    model = mlp()
    before = model.state_dict()
    state = {"0.weight": np.ones((4, 3)), "0.bias": np.ones(3), "2.weight": np.ones((2, 4)) + 1j, "2.b": np.ones(2),
             "w": [1.0]}
    assert message(ValueError, model.load_state_dict, state) == """\
load_state_dict: the state does not fit Sequential:
  missing: 2.bias (2,)
  unexpected: 2.b (2,)
  unexpected: w (1,)
  misshapen: 0.bias (3,) float64, expected (4,) float32
  misshapen: 2.weight (2, 4) complex128, expected (2, 4) float32
  nothing was written; build the model as it was saved, or allow missing and unexpected names by strict=False"""
    text = message(ValueError, model.load_state_dict, state, strict=False)
    assert "misshapen: 0.bias" in text and "missing:" not in text and "unexpected:" not in text
    assert all(np.array_equal(a, before[name]) for name, a in model.state_dict().items())


def test_load_state_dict_that_is_not_strict_takes_what_fits():
    model = mlp()
    assert model.load_state_dict({"0.bias": np.full(4, 9), "x": np.ones(1)}, strict=False) == (
        ["0.weight", "2.weight", "2.bias"], ["x"])
    assert np.array_equal(model[0].bias.data, np.full(4, 9))


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_copies_are_independent_and_tied_weights_stay_tied(copied):
    model = Outer().eval()
    model.register_forward_hook(lambda module, args, y: 0 * y)
    twin = copied(model)
    assert names(twin.named_parameters()) == names(model.named_parameters()) and not twin.training
    assert twin.block.layers[2].weight is twin.block.embed.weight
    assert names(twin.named_buffers()) == names(model.named_buffers()) and twin.block.label == "not a part"
    assert all(type(p) is nn.Parameter and not np.shares_memory(p.data, q.data) and np.array_equal(p.data, q.data)
               for p, q in zip(twin.parameters(), model.parameters(), strict=True))
    assert np.any(twin(np.arange(5)).data) and not np.any(model(np.arange(5)).data)  # hooks are not copied
    twin.block.register_buffer("new", np.ones(1))
    assert "new" not in names(model.block.named_buffers())


def test_tied_weights_get_both_gradients():
    model = Block()
    x = np.array([1, 1, 4])
    model(x).sum().backward()
    apart = Block()
    apart.layers[2].weight = nn.Parameter(apart.embed.weight.data.copy())
    apart(x).sum().backward()
    assert np.allclose(model.embed.weight.grad, apart.embed.weight.grad + apart.layers[2].weight.grad, atol=1e-6)


def test_a_model_dies_with_its_last_name():
    gc.disable()
    try:
        model = Outer()
        model(np.arange(3)).sum().backward()
        gone = weakref.ref(model)
        del model
        assert gone() is None
    finally:
        gc.enable()


# --- calls: hooks and errors ---


def test_forward_hooks_see_and_replace_outputs_until_removed():
    model, seen = mlp(), []
    x = tt.ones(5, 3)
    plain = model(x).data
    first = model[0].register_forward_hook(lambda module, args, y: seen.append((module, args, y)))
    model(x)
    (module, args, y), = seen
    assert module is model[0] and args == (x,) and y.shape == (5, 4)
    second = model.register_forward_hook(lambda module, args, y: 2 * y)
    third = model.register_forward_hook(lambda module, args, y: y + 1)
    assert np.array_equal(model(x).data, 2 * plain + 1)
    for handle in (first, second, third, first):
        handle.remove()
    assert np.array_equal(model(x).data, plain) and len(seen) == 2


def test_a_hook_may_remove_itself():
    layer, calls = nn.Tanh(), []

    def first(module, args, y):
        calls.append(1)
        handle.remove()

    handle = layer.register_forward_hook(first)
    layer.register_forward_hook(lambda *args: calls.append(2))
    layer(tt.ones(1))
    layer(tt.ones(1))
    assert calls == [1, 2, 2]


class Raises(nn.Module):
    def __init__(self, error):
        super().__init__()
        self.error = error

    def forward(self, x):
        raise self.error


def test_an_error_names_the_layer_by_its_path_from_the_outermost_module():
    class GPT(nn.Module):
        def __init__(self):
            super().__init__()
            self.blocks = nn.ModuleList([nn.Sequential(nn.Tanh()), nn.Sequential(nn.Tanh(), nn.Linear(3, 2))])

        def forward(self, x):
            for block in self.blocks:
                x = block(x)
            return x

    model, x = GPT(), tt.ones(5, 4)
    shapes = ("linear: got x of shape (5, 4) and weight of shape (2, 3); expected the last axis of x to equal the last "
              "of weight (out, in); reshape x, or make the layer for its size")
    assert message(ValueError, model, x) == f"GPT.blocks.1.1 (Linear): {shapes}"
    assert message(ValueError, model.blocks[1], x) == f"Sequential.1 (Linear): {shapes}"
    assert message(ValueError, model.blocks[1][1], x) == f"Linear: {shapes}"
    with pytest.raises(ValueError) as caught:
        model(x)
    text = "".join(traceback.format_exception(caught.value))
    assert text.count(", in forward") == 3 and "x = block(x)" in text and "F.linear(x, self.weight, self.bias)" in text
    assert "ValueError: GPT.blocks.1.1 (Linear)" in text
    assert "During handling" not in text and "direct cause" not in text


@pytest.mark.parametrize("error", [ValueError("v: bad"), TypeError("t: bad"), IndexError("i: bad"),
                                   UnicodeEncodeError("ascii", "a", 0, 1, "odd"), ValueError(), KeyError("k")])
def test_errors_keep_their_type_and_what_cannot_be_reworded_its_text(error):
    before = str(error)
    with pytest.raises(type(error)) as caught:
        nn.Sequential(nn.Tanh(), Raises(error))(tt.ones(1))
    assert caught.value is error
    assert str(error) == (f"Sequential.1 (Raises): {before}" if before.endswith(": bad") else before)


def test_the_error_of_a_wrong_axis_is_located_too():
    class Wrong(nn.Module):
        def forward(self, x):
            return x.sum(axis=5)

    text = message(np.exceptions.AxisError, nn.Sequential(Wrong()), tt.ones(2))
    assert text.startswith("Sequential.0 (Wrong): sum: got float32 (2,); axis 5 is out of bounds")


def test_an_error_from_a_layer_that_is_no_part():
    hidden = nn.Linear(3, 2)

    class Uses(nn.Module):
        def forward(self, x):
            return hidden(x)

    text = message(ValueError, nn.Sequential(nn.Sequential(Uses())), tt.ones(5, 4))
    assert text.startswith("Sequential.0.0 (Uses): Linear: linear: got x of shape (5, 4)")


def test_an_error_that_forward_handles_leaves_no_trace():
    class Tries(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(3, 2)

        def forward(self, x):
            try:
                return self.layer(x)
            except ValueError:
                return x

    x = tt.ones(5, 4)
    assert nn.Sequential(Tries())(x) is x


def test_a_module_without_forward():
    text = "got a call of a module without forward; expected forward(self, x); define it, or call the modules inside"
    assert message(TypeError, nn.ModuleList([nn.Tanh()]), tt.ones(1)) == f"ModuleList: {text}"


# --- containers ---


def test_sequential_is_called_in_order_and_indexed_like_a_list():
    a, b, c = nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)
    model = nn.Sequential(a, b).append(c)
    x = tt.ones(5, 3)
    assert np.array_equal(model(x).data, c(b(a(x))).data)
    assert len(model) == 3 and list(model) == [a, b, c] and model[0] is a and model[-1] is c and model[np.int64(1)] is b
    part = model[1:]
    assert type(part) is nn.Sequential and list(part) == [b, c] and names(part.named_modules()) == ["", "1", "2"]
    assert list(part.append(a)) == [b, c, a] and len(model) == 3
    model[1] = nn.ReLU()
    assert list(model) == [a, model[1], c] and type(model[1]) is nn.ReLU
    assert list(nn.Sequential().extend([a, b])) == [a, b]
    assert message(IndexError, model.__getitem__, 3) == (
        "Sequential: got index 3 for a length of 3; expected -3 to 2; append() makes it longer")
    assert message(IndexError, model.__setitem__, -4, b).startswith("Sequential: got index -4 for a length of 3")
    assert nn.Sequential()(x) is x


def test_a_module_may_stand_in_a_sequence_twice():
    double = nn.Linear(2, 2, bias=False)
    double.weight.data[...] = 2 * np.eye(2)
    model = nn.Sequential(double, double)
    assert np.array_equal(model(tt.ones(1, 2)).data, [[4, 4]]) and len(model) == 2
    assert list(model.state_dict()) == ["0.weight", "1.weight"] and model.num_parameters() == 4


def test_sequential_of_named_modules():
    model = nn.Sequential({"hidden": nn.Linear(3, 4), "act": nn.Tanh()})
    assert model.hidden is model[0] and names(model.named_parameters()) == ["hidden.weight", "hidden.bias"]
    assert names(model[:1].named_parameters()) == ["hidden.weight", "hidden.bias"]
    assert "got the name 'forward'; expected a new one" in message(ValueError, nn.Sequential, {"forward": nn.Tanh()})


def test_module_list():
    layers = nn.ModuleList(nn.Linear(2, 2) for _ in range(3))
    assert layers.append(nn.Tanh()) is layers and layers.extend([nn.ReLU()]) is layers and len(layers) == 5
    assert names(layers[1:3].named_parameters()) == ["0.weight", "0.bias", "1.weight", "1.bias"]
    assert layers[1:3][0] is layers[1] and layers[-1] is list(layers)[4]
    assert message(IndexError, layers.__getitem__, 5).startswith("ModuleList: got index 5 for a length of 5")


@pytest.mark.parametrize("build", [nn.Sequential, lambda f: nn.ModuleList([f])])
def test_only_modules_go_into_containers(build):
    assert message(TypeError, build, tt.relu).endswith(
        ": got a function as '0'; expected a Module; use the module of a function, as nn.Tanh()")


def test_repr_is_a_tree():
    class Named(nn.Sequential):
        def extra_repr(self):
            return "size=3"

    model = Named(nn.Sequential(nn.Linear(3, 4), nn.Tanh()), nn.Embedding(3, 2), nn.Flatten(), nn.Sequential())
    assert repr(model) == """\
Named(
  size=3
  (0): Sequential(
    (0): Linear(in_features=3, out_features=4, bias=True)
    (1): Tanh()
  )
  (1): Embedding(3, 2)
  (2): Flatten(start_dim=1, end_dim=-1)
  (3): Sequential()
)"""


# --- layers ---


# as PyTorch draws them: Linear(4, 2) and Embedding(3, 2) of seed 42, a row of Embedding(27, 10) of 2147483647
LINEAR_WEIGHT = [[0.38226926, 0.41500396, -0.11713624, 0.45930564], [-0.10955179, 0.100895345, -0.24342752, 0.29364133]]
LINEAR_BIAS = [0.44077146, -0.36681408]
SMALL_TABLE = [[0.33669037, 0.1288094], [0.23446237, 0.23033303], [-1.1228564, -0.18632829]]
TABLE_ROW = [1.567362, -0.23729232, -0.027384605, -1.1007794, 0.28588146,
             -0.029643338, -1.5470592, 0.60489196, 0.0791362, 0.90462387]


def test_first_weights_of_a_seed():
    layer = nn.Linear(4, 2, rng=42)
    assert np.array_equal(layer.weight.data, np.array(LINEAR_WEIGHT, np.float32))
    assert np.array_equal(layer.bias.data, np.array(LINEAR_BIAS, np.float32))
    assert np.array_equal(nn.Embedding(3, 2, rng=42).weight.data, np.array(SMALL_TABLE, np.float32))
    assert np.array_equal(nn.Embedding(27, 10, rng=2147483647).weight.data[0], np.array(TABLE_ROW, np.float32))
    assert layer.weight.dtype == layer.bias.dtype == np.float32
    assert nn.Linear(4, 2, dtype=np.float64).weight.dtype == nn.Embedding(4, 2, dtype=np.float64).weight.dtype == "f8"


def test_layers_draw_from_the_default_generator_or_from_the_given_one():
    tt.manual_seed(7)
    a, b = nn.Linear(3, 2), nn.Linear(3, 2)
    g = tt.Generator(7)
    c, d = nn.Linear(3, 2, rng=g), nn.Linear(3, 2, rng=g)
    for x, y in ((a, c), (b, d)):
        assert np.array_equal(x.weight.data, y.weight.data) and np.array_equal(x.bias.data, y.bias.data)
    assert not np.array_equal(a.weight.data, b.weight.data)
    assert np.array_equal(nn.Linear(3, 2, rng=7).bias.data, a.bias.data)


def test_linear_computes_and_has_the_layout_out_in():
    layer = nn.Linear(3, 2, rng=0)
    x = tt.randn(5, 4, 3, rng=1)
    assert layer.weight.shape == (2, 3) and layer.bias.shape == (2,)
    assert np.allclose(layer(x).data, x.data @ layer.weight.data.T + layer.bias.data, atol=1e-6)
    bare = nn.Linear(3, 2, bias=False, rng=0)
    assert bare.bias is None and names(bare.named_parameters()) == ["weight"]
    assert np.allclose(bare(x.data).data, x.data @ layer.weight.data.T, atol=1e-6)


def test_linear_refuses_another_dtype_than_its_weights():
    layer = nn.Linear(3, 2)
    x = np.ones((5, 3))
    assert message(TypeError, layer, x) == (
        "Linear: linear: got dtype float64 as input; expected float32, as the weights have; convert it: "
        "x.astype(np.float32), or the model: model.astype(np.float64)")
    assert message(TypeError, layer, x.astype(int)) == (
        "Linear: linear: got dtype int64 as input; expected float32, as the weights have; convert it: "
        "x.astype(np.float32)")
    assert message(TypeError, layer, x.tolist()) == (
        "Linear: linear: got a list as input; expected float32, as the weights have; make it a tensor: tt.tensor(x)")
    assert "expected float64" in message(TypeError, nn.Linear(3, 2, dtype=np.float64), tt.ones(5, 3))
    assert layer.astype(np.float64)(x).dtype == np.float64


@pytest.mark.parametrize(("build", "kind", "text"), [
    (lambda: nn.Linear(0, 3), ValueError, "Linear: got in_features=0; expected 1 or more; check how the size was"),
    (lambda: nn.Linear(3, -1), ValueError, "Linear: got out_features=-1; expected 1 or more"),
    (lambda: nn.Linear(3, 2.0), TypeError, "Linear: got out_features=2.0; expected an integer; convert it with int()"),
    (lambda: nn.Linear(True, 2), TypeError, "Linear: got in_features=True; expected an integer"),
    (lambda: nn.Embedding(0, 2), ValueError, "Embedding: got num_embeddings=0; expected 1 or more"),
    (lambda: nn.Embedding(3, "2"), TypeError, "Embedding: got embedding_dim='2'; expected an integer"),
    (lambda: nn.Linear(3, 2, dtype=int), TypeError, "requires_grad: got dtype int64; expected a floating one"),
    (lambda: nn.Linear(3, 2, rng="x"), TypeError, "rng: got a str; expected a Generator, an integer seed or"),
])
def test_bad_sizes(build, kind, text):
    assert message(kind, build).startswith(text)


def test_sizes_may_be_numpy_integers():
    layer = nn.Linear(np.int64(3), np.int32(2))
    assert repr(layer) == "Linear(in_features=3, out_features=2, bias=True)" and type(layer.in_features) is int


def test_embedding_gathers_rows_and_adds_up_gradients():
    layer = nn.Embedding(5, 2, rng=0)
    ix = np.array([[0, 3], [3, 3]])
    for indices in (ix, tt.tensor(ix), ix.tolist(), ix.astype(np.uint8)):
        assert np.array_equal(layer(indices).data, layer.weight.data[ix])
    layer(ix).sum().backward()
    assert np.array_equal(layer.weight.grad[:, 0], [1, 0, 0, 3, 0])
    assert message(IndexError, nn.Sequential(layer), np.array([5])).startswith(
        "Sequential.0 (Embedding): embedding: got index 5 for a table of 5 rows")
    assert message(TypeError, layer, np.array([0.5])).startswith(
        "Embedding: embedding: got indices of dtype float64; expected integers")


@pytest.mark.parametrize(("dims", "shape"), [((), (2, 60)), ((0,), (120,)), ((1, 2), (2, 12, 5)), ((-2,), (2, 3, 20)),
                                             ((2, 2), (2, 3, 4, 5))])
def test_flatten(dims, shape):
    x = tt.arange(120).reshape(2, 3, 4, 5)
    assert nn.Flatten(*dims)(x).shape == nn.Flatten(*dims)(x.data).shape == shape
    assert np.array_equal(nn.Flatten(*dims)(x).data.ravel(), np.arange(120))


def test_flatten_at_the_edges():
    assert nn.Flatten()(tt.ones(0, 3, 4)).shape == (0, 12) and nn.Flatten()(tt.ones(2, 0, 4)).shape == (2, 0)
    assert message(IndexError, nn.Flatten(), tt.ones(3)) == (
        "Flatten: flatten: got start_dim=1 and end_dim=-1 for x of shape (3,); expected the first not after the last, "
        "both among its 1 axes; add a batch axis with x[None]")
    assert "start_dim=2 and end_dim=1" in message(IndexError, nn.Flatten(2, 1), tt.ones(2, 3, 4))


@pytest.mark.parametrize(("layer", "function"), [(nn.Tanh(), np.tanh), (nn.ReLU(), lambda x: np.maximum(x, 0)),
                                                 (nn.Sigmoid(), lambda x: 1 / (1 + np.exp(-x)))])
def test_activations(layer, function):
    x = tt.randn(5, 3, rng=0)
    assert np.allclose(layer(x).data, function(x.data), atol=1e-6) and repr(layer) == f"{type(layer).__name__}()"


# --- functional ---


def test_cross_entropy_has_classes_on_axis_1():
    logits, targets = tt.randn(2, 5, 3, rng=0), np.array([[0, 4, 2], [1, 1, 3]])
    last = np.moveaxis(logits.data, 1, -1)
    for reduction in ("mean", "sum", "none"):
        ours = F.cross_entropy(logits, targets, reduction)
        assert np.allclose(ours.data, tt.cross_entropy(last, targets, reduction), atol=1e-6)
    assert F.cross_entropy(logits[0, :, 0], np.array(2)).shape == ()
    two = F.cross_entropy(logits[:, :, 0], targets[:, 0])
    assert np.allclose(two.data, tt.cross_entropy(last[:, 0], targets[:, 0]))
    assert message(ValueError, F.cross_entropy, tt.zeros(2, 3, 5), targets) == (
        "cross_entropy: got logits of shape (2, 3, 5) and targets of shape (2, 3); expected targets of the shape of "
        "logits without axis 1, the classes; where classes come last, use tt.cross_entropy")


def test_one_hot():
    ix = np.array([[2, 0], [1, 1]])
    y = F.one_hot(ix, 4)
    assert y.dtype == np.int64 and np.array_equal(y.data, np.eye(4)[ix])
    assert F.one_hot(tt.tensor(ix)).shape == (2, 2, 3) and F.one_hot(ix, 3, dtype=np.float32).dtype == np.float32
    assert F.one_hot(np.zeros(0, np.int64), 3).shape == (0, 3)
    assert message(IndexError, F.one_hot, ix, 2) == (
        "one_hot: got index 2 for 2 classes; expected 0 to 1; check the vocabulary, or the size of the layer")
    assert message(IndexError, F.one_hot, [-1]).startswith("one_hot: got index -1 for 0 classes")
    assert message(TypeError, F.one_hot, [0.5]).startswith("one_hot: got indices of dtype float32; expected integers")


def test_functions_take_arrays_too():
    x, w = np.ones((2, 3), np.float32), np.ones((4, 3), np.float32)
    for y in (F.linear(x, w), F.softmax(x), F.log_softmax(x), F.relu(x), F.tanh(x), F.sigmoid(x),
              F.embedding(np.array([0, 1]), w)):
        assert type(y) is np.ndarray and y.dtype == np.float32


# --- init ---


@pytest.mark.parametrize("fill", [init.uniform_, init.normal_, init.kaiming_uniform_, init.kaiming_normal_,
                                  init.xavier_uniform_, init.xavier_normal_])
def test_init_writes_in_place_and_returns_what_it_filled(fill):
    p = nn.Parameter(np.zeros((4, 5), np.float32))
    data = p.data
    assert fill(p, rng=3) is p and p.data is data and np.all(data != 0) and p.is_leaf and p.requires_grad
    assert np.array_equal(fill(np.zeros((4, 5), np.float32), rng=3), data)
    tt.manual_seed(3)
    assert np.array_equal(fill(np.zeros((4, 5), np.float32)), data)


def test_init_constants():
    p = nn.Parameter(np.zeros((2, 3), np.float32))
    assert np.array_equal(init.ones_(p).data, np.ones((2, 3))) and np.array_equal(init.zeros_(p).data, np.zeros((2, 3)))
    assert np.array_equal(init.constant_(p, 0.5).data, np.full((2, 3), 0.5)) and init.eye_(p) is p
    assert np.array_equal(p.data, np.eye(2, 3)) and np.array_equal(init.ones_(np.zeros(2)), [1, 1])


def test_gains():
    gains = {"linear": 1, "sigmoid": 1, "tanh": 5 / 3, "relu": 2**0.5, "selu": 0.75}
    assert all(init.calculate_gain(name) == gain for name, gain in gains.items())
    assert init.calculate_gain("leaky_relu") == (2 / (1 + 0.01**2)) ** 0.5
    assert init.calculate_gain("leaky_relu", 1) == 1


@pytest.mark.parametrize(("call", "text"), [
    (lambda: init.calculate_gain("swish"), "calculate_gain: got nonlinearity='swish'; expected one of linear, "
     "sigmoid, tanh, relu, selu, leaky_relu; 'linear' has a gain of 1"),
    (lambda: init.kaiming_uniform_(tt.zeros(3)), "kaiming_uniform_: got a tensor of shape (3,); expected (out, in) or "
     "more axes, none of them empty; use uniform_ or normal_ for biases"),
    (lambda: init.xavier_normal_(tt.zeros(3, 0)), "xavier_normal_: got a tensor of shape (3, 0)"),
    (lambda: init.kaiming_normal_(tt.zeros(3, 2), mode="in"), "kaiming_normal_: got mode='in'; expected 'fan_in', "
     "which keeps the variance in the forward pass, or 'fan_out', which keeps it in the backward pass; 'fan_in' is"),
    (lambda: init.eye_(tt.zeros(3)), "eye_: got a tensor of shape (3,); expected a matrix"),
])
def test_init_errors(call, text):
    assert message(ValueError, call).startswith(text)


# --- PyTorch as the oracle ---


def torch_block(torch):
    nn = torch.nn

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = nn.Embedding(5, 3)
            self.layers = nn.ModuleList([nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 5, bias=False)])
            self.layers[2].weight = self.embed.weight
            self.scale = nn.Parameter(torch.ones(3))
            self.register_buffer("mean", torch.zeros(3))
            self.register_buffer("count", torch.tensor(0))
            self.register_buffer("mask", torch.ones(3, dtype=torch.bool), persistent=False)

        def forward(self, indices):
            x = self.embed(indices) * self.scale
            for layer in self.layers:
                x = layer(x)
            return x

    return Block()


@pytest.mark.peer
def test_names_order_and_repr_are_those_of_torch(torch):
    ours, theirs = Block(), torch_block(torch)
    assert names(ours.named_parameters()) == names(theirs.named_parameters())
    assert names(ours.named_buffers()) == names(theirs.named_buffers())
    assert names(ours.named_modules()) == names(theirs.named_modules())
    shapes = [(name, tuple(a.shape)) for name, a in theirs.state_dict().items()]
    assert [(name, a.shape) for name, a in ours.state_dict().items()] == shapes and repr(ours) == repr(theirs)

    def tree(nn):
        act = nn.Tanh()
        inner = nn.Sequential(act, act, nn.ReLU())
        rows = nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2), act, inner, nn.Linear(2, 2)])
        return nn.Sequential(nn.Linear(3, 4, bias=False), rows, nn.Flatten(0, 1), nn.Sequential(), nn.ModuleList())[:4]

    mine, other = tree(nn), tree(torch.nn)
    assert repr(mine) == repr(other) and names(mine.named_modules()) == names(other.named_modules())


@pytest.mark.peer
@pytest.mark.parametrize("seed", [0, 42, 2147483647])
def test_the_same_seed_gives_the_same_first_weights(torch, seed):
    def build(nn):
        return [nn.Linear(30, 200), nn.Linear(3, 2), nn.Embedding(27, 10), nn.Embedding(3, 2),
                nn.Linear(7, 5, bias=False)]

    tt.manual_seed(seed)
    torch.manual_seed(seed)
    for ours, theirs in zip(build(nn), build(torch.nn), strict=True):
        for (name, p), q in zip(ours.named_parameters(), theirs.parameters(), strict=True):
            assert np.array_equal(p.data, q.detach().numpy()), name


@pytest.mark.peer
def test_first_weights_in_double_precision_are_torchs_to_rounding(torch):
    torch.manual_seed(3)
    theirs = torch.nn.Linear(7, 5, dtype=torch.float64)
    for p, q in zip(nn.Linear(7, 5, dtype=np.float64, rng=3).parameters(), theirs.parameters(), strict=True):
        assert p.dtype == np.float64 and np.allclose(p.data, q.detach().numpy(), rtol=0, atol=1e-15)


@pytest.mark.peer
@pytest.mark.parametrize("shape", [(200, 30), (4, 3), (6, 5, 3)])
@pytest.mark.parametrize(("name", "options"), [
    ("uniform_", {"a": -0.3, "b": 0.7}), ("normal_", {"mean": 0.1, "std": 0.02}),
    ("kaiming_uniform_", {"a": 5**0.5}), ("kaiming_uniform_", {"nonlinearity": "tanh", "mode": "fan_out"}),
    ("kaiming_normal_", {"nonlinearity": "relu"}), ("kaiming_normal_", {"mode": "fan_out"}),
    ("xavier_uniform_", {}), ("xavier_uniform_", {"gain": 5 / 3}), ("xavier_normal_", {"gain": 1.4})])
def test_init_is_torchs_bit_for_bit(torch, name, options, shape):
    torch.manual_seed(5)
    theirs = getattr(torch.nn.init, name)(torch.empty(shape), **options)
    ours = getattr(init, name)(np.empty(shape, np.float32), **options, rng=5)
    assert np.array_equal(ours, theirs.numpy())


@pytest.mark.peer
def test_gains_are_torchs(torch):
    for name in ("linear", "sigmoid", "tanh", "relu", "leaky_relu", "selu"):
        assert init.calculate_gain(name) == torch.nn.init.calculate_gain(name)
    assert init.calculate_gain("leaky_relu", 0.2) == torch.nn.init.calculate_gain("leaky_relu", 0.2)


@pytest.mark.peer
def test_a_state_dict_moves_both_ways(torch):
    theirs, ours, back = torch_block(torch), Block(rng=9), torch_block(torch)
    theirs.mean += 3
    theirs.count += 4
    state = theirs.state_dict()
    assert ours.load_state_dict({name: v.numpy() for name, v in state.items()}) == ([], [])
    back.load_state_dict({name: torch.from_numpy(a) for name, a in ours.state_dict().items()})
    for name, v in back.state_dict().items():
        assert v.dtype == state[name].dtype and torch.equal(v, state[name]), name
    ix = np.array([[0, 4], [1, 1]])
    expected = theirs(torch.from_numpy(ix)).detach().numpy()
    assert np.allclose(ours(ix).data, expected, rtol=0, atol=1e-6)
    assert np.allclose(back(torch.from_numpy(ix)).detach().numpy(), expected, rtol=0, atol=1e-6)


@pytest.mark.peer
def test_gradients_of_a_small_network_are_torchs(torch):
    def build(nn):
        return nn.Sequential(nn.Embedding(27, 4), nn.Flatten(), nn.Linear(12, 20), nn.Tanh(), nn.Linear(20, 20),
                             nn.ReLU(), nn.Linear(20, 10), nn.Sigmoid(), nn.Linear(10, 27))

    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 27, (32, 3)), rng.integers(0, 27, 32)
    tt.manual_seed(1)
    torch.manual_seed(1)
    ours, theirs = build(nn), build(torch.nn)
    loss = F.cross_entropy(ours(x), y)
    loss.backward()
    expected = torch.nn.functional.cross_entropy(theirs(torch.from_numpy(x)), torch.from_numpy(y))
    expected.backward()
    assert abs(loss.item() - expected.item()) < 1e-6
    for (name, p), q in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        assert np.allclose(p.grad, q.grad.numpy(), rtol=0, atol=1e-6), name


@pytest.mark.peer
@pytest.mark.parametrize("shape", [(5,), (4, 5), (4, 5, 3), (2, 5, 3, 2)])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_cross_entropy_has_torchs_layout(torch, shape, reduction):
    rng = np.random.default_rng(0)
    z = rng.normal(size=shape).astype(np.float32)
    t = np.array(rng.integers(0, 5, shape[:1] + shape[2:] if len(shape) > 1 else ()))
    ours, theirs = tt.tensor(z, requires_grad=True), torch.tensor(z, requires_grad=True)
    y = F.cross_entropy(ours, t, reduction)
    expected = torch.nn.functional.cross_entropy(theirs, torch.from_numpy(t), reduction=reduction)
    y.sum().backward()
    expected.sum().backward()
    assert np.allclose(y.data, expected.detach().numpy(), rtol=1e-6, atol=1e-6)
    assert np.allclose(ours.grad, theirs.grad.numpy(), rtol=0, atol=1e-6)


@pytest.mark.peer
def test_one_hot_and_embedding_have_torchs_arguments(torch):
    ix, w = np.array([[2, 0]]), np.arange(6, dtype=np.float32).reshape(3, 2)
    t = torch.from_numpy(ix)
    theirs = torch.nn.functional.one_hot(t, 4).numpy()
    assert np.array_equal(F.one_hot(ix, 4).data, theirs) and theirs.dtype == F.one_hot(ix, 4).dtype
    assert np.array_equal(F.one_hot(ix).data, torch.nn.functional.one_hot(t).numpy())
    assert np.array_equal(F.embedding(ix, w), torch.nn.functional.embedding(t, torch.from_numpy(w)).numpy())


@pytest.mark.parametrize("n, k, m", [(3, 4, 5), (64, 48, 200), (16, 256, 128), (512, 64, 27), (32, 200, 200),
                                     (64, 200, 200)])
def test_linear_of_every_size(n, k, m):
    """Which matrix is turned round depends on the size of the product, and the result does not."""
    rng = np.random.default_rng(0)
    x, weight, g = (rng.standard_normal(shape) for shape in ((n, k), (m, k), (n, m)))
    t, w = tt.tensor(x, requires_grad=True), tt.tensor(weight, requires_grad=True)
    y = tt.linear(t, w)
    (y * g).sum().backward()
    np.testing.assert_allclose(y.data, np.einsum("nk,mk->nm", x, weight), rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(t.grad, g @ weight, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(w.grad, g.T @ x, rtol=1e-10, atol=1e-10)
    assert y.data.flags.c_contiguous


@pytest.mark.parametrize("classes", [2, 64, 65, 300])
def test_cross_entropy_of_many_classes(classes):
    rng = np.random.default_rng(0)
    logits, targets = 1e4 * rng.standard_normal((7, classes)), rng.integers(0, classes, 7)
    z = logits - logits.max(axis=1, keepdims=True)
    expected = np.log(np.exp(z).sum(axis=1)) - z[np.arange(7), targets]
    np.testing.assert_allclose(tt.cross_entropy(tt.tensor(logits), targets, "none").numpy(), expected, rtol=1e-12)
