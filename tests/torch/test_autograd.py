"""`torch.autograd` and `torch.func` beside PyTorch's: passes, gradients as values, functions of one's own, checks."""

import gc
import weakref

import pytest

import tinytensor.torch as ours

CHECKS = {}  # by name, a program of torch whose result is compared, or whose kind of error


def case(f):
    CHECKS[f.__name__] = f
    return f


def plain(x):
    """What a value holds: of tensors dtype, elements and whether they require grad."""
    if hasattr(x, "tolist"):
        return [str(x.dtype), x.tolist(), x.requires_grad]
    if isinstance(x, dict):
        return {k: plain(v) for k, v in x.items()}
    return [type(x).__name__, *map(plain, x)] if isinstance(x, list | tuple) else x


def alike(a, b):
    if isinstance(b, dict):
        return a.keys() == b.keys() and all(alike(a[k], b[k]) for k in b)
    if isinstance(b, list):
        return isinstance(a, list) and len(a) == len(b) and all(map(alike, a, b))
    return a == pytest.approx(b, rel=1e-5, abs=1e-6, nan_ok=True) if isinstance(b, float) else a == b


def result(f, t):
    try:
        return plain(f(t))
    except Exception as error:
        return error


def leaf(t, *values):
    return t.tensor(list(values or (1.0, 2.0, 3.0)), requires_grad=True)


def functions(t):
    """Functions of one's own, of every kind."""
    F = t.autograd.Function

    class Cube(F):
        @staticmethod
        def forward(ctx, x, k):
            ctx.save_for_backward(x)
            ctx.k = k
            return x**3 * k

        @staticmethod
        def backward(ctx, g):
            x, = ctx.saved_tensors
            return 3 * x**2 * g * ctx.k, None

    class Exp(F):
        @staticmethod
        def forward(ctx, x):
            y = x.exp()
            ctx.save_for_backward(y, None)
            return y

        @staticmethod
        def backward(ctx, g):
            y, nothing = ctx.saved_tensors
            assert nothing is None
            return g * y

    class Two(F):
        calls = 0

        @staticmethod
        def forward(x, y):
            return x * y, (x + y).double(), x > 0

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.save_for_backward(*inputs)
            ctx.mark_non_differentiable(output[2])

        @staticmethod
        def backward(ctx, a, b, c):
            Two.calls += 1
            x, y = ctx.saved_tensors
            return a * y + b.float(), a * x + b.float()

    class Add(F):
        @staticmethod
        def forward(ctx, x, y):
            ctx.needs = ctx.needs_input_grad
            x.add_(y)
            ctx.mark_dirty(x)
            return x

        @staticmethod
        def backward(ctx, g):
            assert ctx.needs == (True, True)
            return g, g.sum() * 2

    class Wrong(F):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return g

    return Cube, Exp, Two, Add, Wrong


def given(t, gradient):
    """A function with a backward that gives this."""
    class Given(t.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return gradient(g)
    return Given.apply


# --- passes ---


@case
def accumulates(t):
    x = leaf(t)
    for _ in range(2):
        (x * x).sum().backward()
    return x.grad


@case
def several_roots(t):
    x = leaf(t)
    t.autograd.backward([x.sum(), x * x], [None, t.ones(3)])
    return x.grad


@case
def only_inputs(t):
    x, y = leaf(t), leaf(t)
    (x * y).sum().backward(inputs=[x])
    return x.grad, y.grad


@case
def no_inputs(t):
    leaf(t).sum().backward(inputs=[])


@case
def retained(t):
    x = leaf(t)
    y = x * 2
    y.retain_grad()
    z = (y * y).sum()
    z.backward(retain_graph=True)
    first = y.grad.clone()
    z.backward()
    return first, y.grad, x.grad, y.retains_grad, x.retains_grad


@case
def hooks(t):
    x, seen = leaf(t), []
    y = x * 2
    y.retain_grad()
    handle = y.register_hook(lambda g: g * 10)
    x.register_hook(lambda g: seen.append(g.clone()))
    (y * y).sum().backward()
    handle.remove()
    (x * 2).sum().backward()
    return x.grad, y.grad, seen


@case
def hook_on_a_constant(t):
    t.ones(3).register_hook(print)


@case
def retain_a_constant(t):
    t.ones(3).retain_grad()


@case
def second_order_by_backward(t):
    x = leaf(t)
    (x**3).sum().backward(create_graph=True)
    g = x.grad
    on = g.requires_grad
    (g * g).sum().backward()
    return x.grad, on


@case
def penalty(t):
    x, w = leaf(t), leaf(t, 1.0, 0.5, 2.0)
    y = (w * x).tanh().sum()
    g, = t.autograd.grad(y, x, create_graph=True)
    (y + (g.norm() - 1) ** 2).backward()
    return w.grad


@case
def twice(t):
    y = (leaf(t) ** 3).sum()
    y.backward()
    y.backward()


@case
def no_graph(t):
    t.ones(1).sum().backward()


@case
def no_scalar(t):
    (leaf(t) * 2).backward()


@case
def other_shape(t):
    (leaf(t) * 2).backward(t.ones(2))


@case
def written_over(t):
    x = leaf(t)
    y = x.exp()
    y.add_(1)
    y.sum().backward()


@case
def leaf_in_place(t):
    leaf(t).add_(1)


@case
def switched_off(t):
    (leaf(t) * 2).requires_grad_(False)


# --- gradients as values ---


@case
def unused_refused(t):
    x, y = leaf(t), leaf(t)
    return t.autograd.grad((x * x).sum(), [x, y])


@case
def unused_none(t):
    x, y = leaf(t), leaf(t)
    return t.autograd.grad((x * x).sum(), [x, y], allow_unused=True)


@case
def unused_zeros(t):
    x, y = leaf(t), leaf(t)
    return t.autograd.grad((x * x).sum(), [x, y], materialize_grads=True)


@case
def of_a_constant(t):
    return t.autograd.grad(leaf(t).sum(), t.ones(3))


@case
def of_the_middle_and_of_itself(t):
    x = leaf(t)
    y = x * 2
    z = (y * y).sum()
    return t.autograd.grad(z, [y, z, x], retain_graph=True), t.autograd.grad(y, x, t.ones(3)), x.grad


# --- functions of one's own ---


@case
def own_twice_differentiated(t):
    found = []
    for f in (lambda x: functions(t)[0].apply(x, 2.0), functions(t)[1].apply):
        x = leaf(t)
        y = f(x)
        g, = t.autograd.grad(y.sum(), x, create_graph=True)
        h, = t.autograd.grad(g.sum(), x)
        found.append((y, g, h))
    return found, functions(t)[0].apply(t.ones(2), 1.0), str(functions(t)[0].apply(leaf(t), 1.0))


@case
def own_several_outputs(t):
    x, y, Two = leaf(t), leaf(t, 2.0, 0.0, 1.0), functions(t)[2]
    a, b, c = Two.apply(x, y)
    (a.sum() + b.sum()).backward(retain_graph=True)
    first = x.grad.clone(), Two.calls
    b.sum().backward()
    return a, b, c, first, x.grad, y.grad, Two.calls


@case
def own_in_place(t):
    x, y = leaf(t), t.tensor(1.0, requires_grad=True)
    z = x * 1
    w = functions(t)[3].apply(z, y)
    (w * w).sum().backward()
    return w is z, w, x.grad, y.grad


@case
def own_in_place_on_a_leaf(t):
    functions(t)[3].apply(leaf(t), t.tensor(1.0, requires_grad=True))


@case
def own_under_no_grad(t):
    with t.no_grad():
        return functions(t)[0].apply(leaf(t), 1.0)


@case
def own_stale_input(t):
    x = leaf(t) * 1
    y = functions(t)[0].apply(x, 1.0)
    x.add_(1)
    y.sum().backward()


@case
def own_stale_output(t):
    y = functions(t)[1].apply(leaf(t))
    y.mul_(2)
    y.sum().backward()


@case
def own_unused_input_written(t):
    x = leaf(t) * 1
    y = functions(t)[4].apply(x)
    x.add_(1)
    y.sum().backward()
    return y


@case
def own_passed_on(t):
    x = leaf(t)
    given(t, lambda g: g)(given(t, lambda g: -g)(x)).sum().backward()
    return x.grad


@case
def own_broadcast_gradient(t):
    x = leaf(t)
    given(t, lambda g: t.ones(2, 3))(x).sum().backward()
    return x.grad


@case
def own_too_many(t):
    given(t, lambda g: (g, g))(leaf(t)).sum().backward()


@case
def own_other_shape(t):
    given(t, lambda g: g[:1])(leaf(t)).sum().backward()


@case
def own_instance(t):
    functions(t)[0]()(leaf(t))


@case
def own_without_backward(t):
    class Half(t.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x / 2
    Half.apply(leaf(t)).sum().backward()


# --- products and Jacobians ---

F1 = {"both": lambda a, b: (a * b).sin() * b.sum(), "pair": lambda a, b: (a * 2, b.sum())}
S1 = {"quadratic": lambda a, b: (a**2 * b).sum() * a[0]}


@case
def functional(t):
    F, x, y = t.autograd.functional, t.tensor([1.0, 2.0, 3.0]), t.tensor([2.0, 1.0, 0.5])
    f, s = F1["both"], S1["quadratic"]
    return (F.jacobian(f, (x, y)), F.jacobian(lambda a: a.sum(), x), F.jacobian(F1["pair"], (x, y)),
            F.hessian(s, (x, y)), F.hessian(lambda a: (a**3).sum(), x), F.vjp(f, (x, y), y),
            F.vjp(lambda a: a.sum(), x), F.jvp(f, (x, y), (y, x)), F.jvp(lambda a: a.sum(), x, y),
            F.hvp(s, (x, y), (y, y)),
            F.vhp(lambda a: (a**3).sum(), x, y), F.vjp(F1["pair"], (x, y), (x, t.tensor(1.0))))


@case
def functional_recorded(t):
    x = leaf(t)
    j = t.autograd.functional.jacobian(lambda a: a**3, x, create_graph=True)
    j.sum().backward()
    return j.detach(), x.grad


@case
def functional_strict(t):
    return t.autograd.functional.jacobian(lambda a: t.ones(2), leaf(t), strict=True)


@case
def functional_no_scalar(t):
    return t.autograd.functional.hessian(lambda a: a, leaf(t))


@case
def functions_of_functions(t):
    f, x = t.func, t.tensor([1.0, 2.0, 3.0])
    return (f.grad(lambda a: (a**3).sum())(x), f.grad_and_value(lambda a, b: (a * b).sum(), argnums=(0, 1))(x, x + 1),
            f.grad(f.grad(lambda a: a**3))(t.tensor(2.0)), f.jacrev(lambda a: a**2)(x), f.jacfwd(lambda a: a**2)(x),
            f.hessian(lambda a: (a**3).sum())(x), f.jvp(lambda a: a.sin(), (x,), (x,)), f.vjp(lambda a: a * a, x)[1](x),
            f.vjp(lambda a, b: a * b, x, x)[0], f.vjp(lambda a, b: a * b, x, x)[1](x),
            f.grad(lambda p: (p["w"] * p["b"]).sum())({"w": x, "b": x * 2}),
            f.grad(lambda a: ((a**2).sum(), a * 2), has_aux=True)(x))


@case
def grad_of_no_scalar(t):
    return t.func.grad(lambda a: a)(t.ones(3))


@case
def module_as_a_function(t):
    t.manual_seed(0)
    model, x = t.nn.Sequential(t.nn.Linear(3, 2), t.nn.Tanh(), t.nn.Linear(2, 1)), t.tensor([[1.0, 2.0, 3.0]])
    weights = {name: p.detach() for name, p in model.named_parameters()}
    before = model(x).detach()
    return (t.func.grad(lambda p: t.func.functional_call(model, p, (x,)).sum())(weights), before,
            t.func.functional_call(model, {"0.weight": t.zeros(2, 3)}, x).detach(), model(x).detach())


@case
def checks(t):
    Cube, *_ = functions(t)
    x, check = t.tensor([0.5, 1.0, 2.0], dtype=t.float64, requires_grad=True), t.autograd
    bad = given(t, lambda g: g)
    return (check.gradcheck(lambda a: a.log() * a, (x,)), check.gradgradcheck(lambda a: a.log() * a, (x,)),
            check.gradcheck(bad, (x,), raise_exception=False), check.gradcheck(lambda a: Cube.apply(a, 1.0), x),
            check.gradgradcheck(lambda a: Cube.apply(a, 1.0), x))


@case
def failing_check(t):
    x = t.tensor([0.5], dtype=t.float64, requires_grad=True)
    t.autograd.gradcheck(given(t, lambda g: g), (x,))


@case
def check_of_nothing(t):
    t.autograd.gradcheck(lambda a: a, (t.ones(2),))


# --- anomalies and modes ---


@case
def nan_found(t):
    x = t.tensor([0.0], requires_grad=True)
    with t.autograd.detect_anomaly():
        (x.sqrt() * 0).sum().backward()


@case
def infinity_let_through(t):
    x = t.tensor([0.0, 1.0], requires_grad=True)
    t.autograd.set_detect_anomaly(True)
    (1 / x).sum().backward()
    with t.autograd.set_detect_anomaly(False):
        y = t.tensor([0.0], requires_grad=True)
        (y.sqrt() * 0).sum().backward()
    t.autograd.set_detect_anomaly(False)
    return x.grad == -1 / (x * x), y.grad.isnan()


@case
def modes(t):
    found = []
    with t.no_grad():
        found.append(t.is_grad_enabled())
        for block in (t.enable_grad(), t.set_grad_enabled(True)):
            with block:
                found.append(t.is_grad_enabled())
        found.append(t.is_grad_enabled())
    t.set_grad_enabled(False)
    found.append(t.is_grad_enabled())
    t.set_grad_enabled(True)

    def asked():
        return t.is_grad_enabled(), t.is_inference_mode_enabled()
    for decorate in (t.no_grad(), t.no_grad, t.inference_mode(), t.inference_mode, t.set_grad_enabled(False)):
        found.append(decorate(asked)())
        found.append(asked())
    with t.no_grad():
        found.append(t.enable_grad()(asked)())
    for mode in (True, False):
        with t.inference_mode(mode):
            found.append(asked())
    return found


WORDS = {"twice": "backward through the graph a second time", "no_graph": "element 0 of tensors does not require grad",
         "no_scalar": "grad can be implicitly created only for scalar outputs", "other_shape": "Mismatch in shape",
         "written_over": "modified by an inplace operation", "leaf_in_place": "a leaf Variable that requires grad",
         "own_stale_input": "modified by an inplace operation", "own_stale_output": "modified by an inplace operation",
         "unused_refused": "to not have been used in the graph", "nan_found": "Function 'SqrtBackward0' returned nan",
         "own_too_many": "function GivenBackward returned an incorrect number of gradients",
         "own_other_shape": "GivenBackward returned an invalid gradient at index 0 - got [1] but expected shape"}


@pytest.mark.peer
@pytest.mark.parametrize("name", CHECKS)
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
def test_beside_pytorch(torch, name):
    got, expected = result(CHECKS[name], ours), result(CHECKS[name], torch)
    if isinstance(expected, Exception):
        kind = next(k for k in type(expected).__mro__ if k.__module__ == "builtins")
        assert isinstance(got, kind), (got, expected)
        assert all(WORDS.get(name, "") in str(error) for error in (got, expected)), (got, expected)
    else:
        assert not isinstance(got, Exception), got
        assert alike(got, expected), f"\nours    {got}\nPyTorch {expected}"


def test_a_leaf_that_keeps_no_gradient_says_so():
    y = ours.ones(2, requires_grad=True) * 2
    with pytest.warns(UserWarning, match="not a leaf"):
        assert y.grad is None


def test_once_differentiable():
    class Square(ours.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        @ours.autograd.once_differentiable
        def backward(ctx, g):
            x, = ctx.saved_tensors
            return 2 * x * g
    x, scale = leaf(ours), ours.tensor(1.0, requires_grad=True)
    g, = ours.autograd.grad((Square.apply(x) * scale).sum(), x, create_graph=True)
    assert g.tolist() == [2, 4, 6]
    with pytest.raises(RuntimeError, match="once_differentiable"):
        g.sum().backward()


def test_a_graph_of_ones_own_function_dies_with_its_last_name():
    gc.disable()
    try:
        y = functions(ours)[1].apply(leaf(ours))
        z = functions(ours)[2].apply(leaf(ours), leaf(ours))
        watched = [weakref.ref(y.node), weakref.ref(z[0].node.inputs[0])]
        del y, z
        assert [w() for w in watched] == [None, None]
    finally:
        gc.enable()


def test_what_is_not_offered_says_so():
    x = leaf(ours)
    for call, words in ((lambda: ours.autograd.grad(x.sum(), x, is_grads_batched=True), "once for each"),
                        (lambda: ours.func.vmap, "broadcast"), (lambda: ours.autograd.profiler, "profiler"),
                        (lambda: ours.autograd.gradcheck(abs, (x,), check_forward_ad=True), "leave it out"),
                        (lambda: ours.cuda.get_device_name(0), "is_available")):
        with pytest.raises((RuntimeError, ValueError, AttributeError), match=words):
            call()


def test_switches_and_versions():
    ours.backends.cudnn.deterministic = True
    ours.backends.cuda.matmul.allow_tf32 = True
    assert not ours.backends.mps.is_available()
    assert not ours.cuda.is_available()
    assert int(ours.__version__.split(".")[0]) >= 2
    assert ours.version.cuda is None
    ours.backends.cudnn.deterministic = False
