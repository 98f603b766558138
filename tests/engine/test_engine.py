"""The engine: what is recorded, in which order gradients flow, what is released, what is refused. No op's calculus."""

import copy
import gc
import pickle
import sys
import threading
import weakref

import numpy as np
import pytest

import tinytensor as tt
from tinytensor.core import Tensor


def leaf(*values, dtype=np.float32):
    return tt.tensor(np.array(values, dtype), requires_grad=True)


# --- the order of the pass ---


def test_diamonds_add_up():
    a = leaf(3.0)
    b = a + a
    c = b + b
    (c * c).sum().backward()
    assert a.grad.tolist() == [2 * 4 * 4 * 3.0]


def test_a_node_waits_for_all_that_use_it():
    x = leaf(2.0)
    y = x * x  # used near the output and far from it
    z = y
    for _ in range(10):
        z = z + 1.0
    (y * z).sum().backward()
    assert x.grad.tolist() == [2 * 2.0 * (2 * 4.0 + 10)]


def test_gradients_accumulate_over_passes_and_interiors_do_not():
    x = leaf(1.0, 2.0)
    y = x * 3.0
    y.retain_grad()
    for times in (1, 2, 3):
        y.sum().backward(retain_graph=True)
        assert x.grad.tolist() == [3.0 * times] * 2
        assert y.grad.tolist() == [1.0, 1.0]


def test_a_leaf_owns_its_gradient():
    a, b, seed = leaf(1.0, 2.0), leaf(1.0, 2.0), np.ones(2, np.float32)
    (a + b).backward(seed)
    a.grad += 5
    assert b.grad.tolist() == [1, 1] and seed.tolist() == [1, 1]
    a, b = leaf(1.0, 2.0), leaf(1.0, 2.0)
    (a + b).sum().backward()  # two views of one read-only array
    a.grad += 5
    assert b.grad.tolist() == [1, 1]
    c = leaf(1.0, 2.0)
    d = c * 1.0
    d.retain_grad()
    (d + 0.0).backward(seed)
    d.grad += 5
    assert c.grad.tolist() == [1, 1]


def test_a_rebound_value_does_not_change_what_was_recorded():
    w, x = leaf(2.0), leaf(3.0)
    y = (w * x).sum()
    w.data = np.array([100.0], np.float32)
    y.backward()
    assert x.grad.tolist() == [2.0]


def test_operands_in_every_order_and_kind():
    x = leaf(1.0, 2.0)
    for y in (2 - x, 2 / x, 2**x, np.float32(2) * x, np.ones(2, np.float32) @ x, np.array([1, 2]) + x, [1.0, 2.0] * x,
              x - [1.0, 2.0], abs(-x), +x, x // 1, x % 2):
        assert type(y) is Tensor and y.requires_grad
    assert ((x > 1) & ~(x < 0) | (x == 1)).tolist() == [True, True]
    y = x * 2
    y += 1
    assert y.op.name == "add"


# --- depth and memory ---


def test_a_million_nodes_deep():
    gc.disable()  # a million new objects would have it walk them all, again and again
    x = leaf(1.0)
    y = x
    for _ in range(1_000_000):
        y = y + 0.0
    y.sum().backward(retain_graph=True)
    assert x.grad.tolist() == [1.0]
    assert repr(y) == "tensor([1.], op=add)"
    assert copy.deepcopy(y).is_leaf and pickle.loads(pickle.dumps(y)).is_leaf
    del y
    gc.enable()


def test_no_cycles_a_graph_dies_with_its_last_name():
    gc.collect()
    gc.disable()
    try:
        x = leaf(1.0, 2.0)
        y = tt.cross_entropy(np.tanh(x * x).reshape(1, 2), np.array([1]))
        inner = y.inputs[0]
        dead = weakref.ref(inner)
        del inner
        y.backward()
        assert dead() is None, "backward releases the graph as it goes"
        z = (x * 2).exp()
        dead = weakref.ref(z)
        z.retain_grad()
        z.sum().backward()
        del z
        assert dead() is None
    finally:
        gc.enable()


def test_steps_leave_no_objects_behind():
    gc.collect()
    gc.disable()
    try:
        x, w = tt.randn(8, 4, rng=0), tt.randn(3, 4, rng=1, requires_grad=True)
        counts = []
        for _ in range(60):
            tt.cross_entropy(tt.linear(x, w), np.zeros(8, np.int64)).backward()
            w.grad = None
            counts.append(len(gc.get_objects()))
        assert counts[-1] <= counts[20]
    finally:
        gc.enable()


# --- what a pass leaves and refuses ---


def test_a_second_pass_is_an_error_that_names_the_way_out():
    y = (leaf(1.0) * 2).sum()
    y.backward()
    with pytest.raises(RuntimeError, match=r"an earlier pass has released.* the loss again, or pass retain_graph=True"):
        y.backward()
    x = leaf(1.0)
    shared = x * 2
    shared.sum().backward()
    with pytest.raises(RuntimeError, match="released"):
        (shared + 1).sum().backward()


def test_a_scalar_or_a_gradient_is_needed():
    x = leaf(1.0, 2.0)
    with pytest.raises(ValueError, match=r"output of shape \(2,\); expected a scalar; reduce it"):
        (x * 2).backward()
    with pytest.raises(ValueError, match=r"got gradient= of shape \(3,\); expected \(2,\)"):
        (x * 2).backward(np.ones(3))
    with pytest.raises(ValueError, match=r"does not require grad, of which nothing was recorded"):
        tt.ones(1).backward()
    (x * 2).backward([1.0, 10.0])
    assert x.grad.tolist() == [2, 20] and x.grad.dtype == np.float32
    s = leaf(5.0)
    s.backward()
    assert s.grad.tolist() == [1.0]


def test_a_wrong_rule_is_named():
    from tinytensor.core import REGISTRY

    op = REGISTRY["exp"]
    rules = op.rules
    try:
        op.rules = (lambda g, y, x: np.zeros(3, np.float32),)
        with pytest.raises(RuntimeError, match=r"rule of exp for input 0: got .* shape \(3,\) .* expected \(2,\)"):
            leaf(1.0, 2.0).exp().sum().backward()
        op.rules = (lambda g, y, x: np.zeros(2, np.float64),)
        with pytest.raises(RuntimeError, match=r"dtype float64; expected .* float32"):
            leaf(1.0, 2.0).exp().sum().backward()
    finally:
        op.rules = rules


# --- grad ---


def test_grad_is_pure_and_goes_through_intermediates():
    a = leaf(2.0)
    b = a * a
    y = (a * b).sum()
    for_a, for_b = tt.grad(y, [a, b])
    assert (for_a.tolist(), for_b.tolist()) == ([12.0], [2.0])  # b = a * a is part of the way to a
    assert a.grad is None and not for_a.requires_grad


def test_grad_of_grad_to_the_fourth():
    x = leaf(2.0)
    y, values = (x**5).sum(), []
    for _ in range(4):
        y = tt.grad(y, x, create_graph=True).sum()
        values.append(y.item())
    assert values == [80, 160, 240, 240]


def test_grad_of_grad_inside_no_grad():
    x = leaf(1.0, 2.0, 0.5).reshape(1, 3)
    y = tt.log_softmax(x)[0, 0]
    with tt.no_grad():
        slope = tt.grad(y, x, create_graph=True)
    assert slope.requires_grad and tt.grad(slope[0, 1], x).shape == (1, 3)


def test_grad_unused_is_an_error_unless_allowed():
    a, b = leaf(1.0), leaf(1.0, 2.0)
    with pytest.raises(ValueError, match=r"got element 1 of xs, of shape \(2,\), that .*; pass allow_unused=True"):
        tt.grad(a.sum() * 2, [a, b])
    assert tt.grad(a.sum() * 2, [a, b], allow_unused=True)[1].tolist() == [0, 0]
    with pytest.raises(ValueError, match="got element 0 of xs that does not require grad"):
        tt.grad(a.sum() * 2, tt.ones(1))


def test_grad_runs_only_the_rules_that_lead_to_xs():
    from tinytensor.core import REGISTRY

    op, ran = REGISTRY["exp"], []
    rules = op.rules
    try:
        op.rules = (lambda g, y, x: (ran.append(1), g * y)[1],)
        a, b = leaf(1.0), leaf(1.0)
        tt.grad((a * b.exp()).sum(), a)
        assert not ran
    finally:
        op.rules = rules


def test_retain_graph_of_grad_follows_create_graph():
    x = leaf(2.0)
    y = (x * x).sum()
    tt.grad(y, x, create_graph=True)
    tt.grad(y, x)
    with pytest.raises(RuntimeError, match="released"):
        tt.grad(y, x)


# --- recording ---


def test_no_grad_as_block_and_decorator_and_after_an_error():
    x = leaf(1.0)

    @tt.no_grad()
    def double(x):
        return x * 2

    assert not double(x).requires_grad and not double(x).requires_grad
    with pytest.raises(KeyError), tt.no_grad(), tt.no_grad():
        raise KeyError
    assert (x * 2).requires_grad


def test_recording_is_a_matter_of_the_thread():
    x, inside, seen = leaf(1.0), threading.Event(), []

    def other():
        inside.wait()
        seen.append((x * 2).requires_grad)

    thread = threading.Thread(target=other)
    thread.start()
    with tt.no_grad():
        inside.set()
        thread.join()
        assert not (x * 2).requires_grad
    assert seen == [True]


def test_threads_train_beside_each_other():
    results = {}

    def work(k):
        x = leaf(float(k))
        for _ in range(200):
            y = x
            for _ in range(20):
                y = y * 1.0 + 0.0
            x.grad = None
            (y * y).sum().backward()
        results[k] = x.grad.item()

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {k: 2.0 * k for k in range(4)}


# --- dtype ---


def test_defaults():
    assert tt.tensor([1.0, 2.0]).dtype == tt.tensor([[1, 2.5]]).dtype == np.float32
    assert tt.tensor([1, 2]).dtype == np.int64 and tt.tensor(True).dtype == np.bool_
    assert tt.tensor(np.ones(2)).dtype == np.float64 and tt.tensor([np.float64(1)]).dtype == np.float64
    assert tt.full(2, 1.5).dtype == np.float32 and tt.full((2, 2), 1).dtype == np.int64
    assert tt.arange(3).dtype == np.int64 and tt.arange(0.0, 1.0, 0.5).dtype == np.float32


def test_a_promoted_gradient_comes_back_in_its_own_dtype():
    a, b = leaf(1.0), leaf(2.0, dtype=np.float64)
    (a * b).sum().backward()
    assert (a.grad.dtype, b.grad.dtype) == (np.float32, np.float64)
    c = leaf(1.0)
    c.astype(np.float64).sum().backward()
    assert c.grad.dtype == np.float32
    assert not c.astype(np.int64).requires_grad


def test_integers_are_refused_with_the_fix():
    with pytest.raises(TypeError, match=r"got dtype int64; .*: x.astype\(np.float32\)"):
        tt.tensor([1, 2], requires_grad=True)
    with pytest.raises(ValueError, match=r"got the output of multiply; expected a leaf; use .detach\(\)"):
        (leaf(1.0) * 2).requires_grad = False


# --- with NumPy and with Python ---


def test_never_an_object_array():
    x, a = leaf(1.0, 2.0), np.ones(2, np.float32)
    for attempt in (lambda: np.asarray(x), lambda: np.full(2, x), lambda: a.dot(x), lambda: a[x],
                    lambda: np.array([x, x]), lambda: np.testing.assert_allclose(a, x),
                    lambda: a.__setitem__(slice(None), x)):
        with pytest.raises(TypeError, match=r"takes plain arrays only; .* would be lost; write x.detach\(\).numpy\(\)"):
            attempt()
    assert np.asarray(x.detach()).dtype == np.float32
    assert a[tt.tensor([0, 1])].tolist() == [1, 1]
    assert np.take(a, tt.tensor([1, 0])).tolist() == [1, 1]


def test_what_numpy_may_not_do():
    x = leaf(1.0, 2.0)
    with pytest.raises(TypeError, match=r"np.add: got out=.*gradient would be lost; write y = np.add"):
        np.add(x, 1, out=np.ones(2, np.float32))
    array = np.ones(2, np.float32)
    with pytest.raises(TypeError, match="perhaps by `array op= tensor`"):
        array *= x
    with pytest.raises(TypeError, match=r"^np\.linalg\.eig does not take a Tensor: "):
        np.linalg.eig(x)
    with pytest.raises(TypeError, match=r"^np\.fft\.fft does not take a Tensor: "):
        np.fft.fft(x)
    with pytest.raises(TypeError, match=r"x\[i\] = v: got a Tensor on the left.* tt.where"):
        x[0] = 1.0
    assert array.tolist() == [1, 1]


def test_protocols_of_python():
    x = leaf(1.0, 2.0)
    assert len(x) == 2 and [v.item() for v in x] == [1, 2] and float(x[1]) == 2 and int(x[0]) == 1
    assert f"{x[1]:.4f}" == "2.0000" and bool(x[0] > 0) and [10, 20, 30][tt.tensor(1)] == 20
    assert hash(x) == hash(x) and x in {x: 1}
    with pytest.raises(ValueError, match=r"bool: got shape \(2,\), of 2 elements; expected one element; reduce it"):
        bool(x > 0)
    with pytest.raises(TypeError, match="iteration: got a 0-d tensor"):
        iter(x[0])
    with pytest.raises(TypeError, match="index: got a tensor of dtype float32 and shape .* expected an integer"):
        [1, 2][x[0]]


def test_copies_are_detached_leaves():
    w = leaf(1.0, 2.0)
    twin = copy.deepcopy(w)
    twin.data[0] = 9
    assert w.tolist() == [1, 2] and twin.requires_grad
    y = pickle.loads(pickle.dumps(w * 2))
    assert y.is_leaf and not y.requires_grad and y.tolist() == [2, 4]


def test_memory_is_shared_where_it_is_said():
    a = np.ones(2, np.float32)
    assert tt.tensor(a).numpy() is not a and not np.shares_memory(tt.tensor(a).data, a)
    assert np.shares_memory(Tensor(a).numpy(), a)
    x = leaf(1.0)
    assert np.shares_memory(x.detach().data, x.data)


def test_printing_says_what_it_is():
    x = leaf(1.0, 2.5)
    assert repr(x) == "tensor([1. , 2.5], requires_grad=True)" and repr(x * 2) == "tensor([2., 5.], op=multiply)"
    assert repr(tt.ones(1, dtype=np.float64)) == "tensor([1.], dtype=float64)"


# --- hooks and anomalies ---


def test_hooks_see_and_replace_and_go():
    x, seen = leaf(1.0, 2.0), []
    y = x * 3
    handle = y.register_hook(seen.append)
    second = y.register_hook(lambda g: g * 10)
    (y + y).sum().backward(retain_graph=True)
    assert seen[0].tolist() == [2, 2] and x.grad.tolist() == [60, 60]
    second.remove()
    second.remove()
    handle.remove()
    x.grad = None
    y.sum().backward()
    assert len(seen) == 1 and x.grad.tolist() == [3, 3]


def test_a_hook_on_a_leaf_may_keep_its_gradient():
    x, kept = leaf(1.0), []
    x.register_hook(kept.append)
    for _ in range(2):
        (x * np.float32([3.0])).backward()
    assert [g.item() for g in kept] == [3, 3] and x.grad.tolist() == [6]


def test_hooks_are_refused_where_nothing_comes_and_when_they_return_nonsense():
    with pytest.raises(ValueError, match="expected one that gets a gradient"):
        tt.ones(1).register_hook(print)
    y = leaf(1.0, 2.0) * 2
    y.register_hook(lambda g: g.sum())
    with pytest.raises(ValueError, match=r"expected a gradient of shape \(2,\); return such a one, or None"):
        y.sum().backward()


def test_anomaly_names_op_and_element():
    y = np.sqrt(leaf(1.0, 0.0)).sum()
    text = r"rule of sqrt for input 0 returned inf at index \(1,\)"
    with tt.detect_anomaly(), pytest.raises(FloatingPointError, match=text):
        y.backward()
    with np.errstate(divide="ignore"):
        np.log(leaf(1.0, 0.0)).sum().backward()


# --- odd cases, each once a fault ---


def gradient_of(f, *values, dtype=np.float32):
    x = leaf(*values, dtype=dtype)
    f(x).sum().backward()
    return x.grad


def test_indices_of_every_kind_add_up():
    for index in ([0, 2, 2], tt.tensor([0, 2, 2]), np.array([0, 2, 2], np.uint8)):
        assert tt.scatter(tt.tensor([1.0, 2.0, 3.0]), index, (4,)).tolist() == [1, 0, 5, 0]
        assert gradient_of(lambda x, i=index: tt.getitem(x, i), 1.0, 1.0, 1.0).tolist() == [1, 0, 2]
    weight = tt.ones(300, 2, requires_grad=True)
    tt.embedding(weight, np.array([255, 3, 255], np.uint8)).sum().backward()
    assert weight.grad[[3, 255, 0], 0].tolist() == [1, 2, 0]
    with pytest.raises(TypeError, match=r"take: got indices of dtype bool; expected integers; for a mask write x"):
        tt.take(weight, [True, False], axis=0)


def test_a_lone_array_is_a_sequence_of_its_rows():
    x = tt.ones(2, 3)
    assert np.concatenate(x).shape == (6,) and np.stack(x).shape == (2, 3) and np.concatenate(x, 0).shape == (6,)


def test_python_numbers_among_arrays_keep_float32():
    x = leaf(1.0, -2.0)
    for y in (tt.where(x > 0, 1.0, 0.1) * x, tt.stack([x.sum(), 2.0]), tt.einsum(",i", 2.0, x), x**np.float32(2),
              tt.tensor([tt.tensor(1.0), 2.0]), tt.concatenate([x, [2.0]])):
        assert y.dtype == np.float32
    assert gradient_of(lambda x: x ** np.float64(2), 3.0).tolist() == [6]


def test_arctan2_neither_under_nor_overflows():
    for size in (1e-25, 1e25):
        a = leaf(size)
        np.arctan2(a, tt.tensor([size])).backward()
        np.testing.assert_allclose(a.grad, 0.5 / size, rtol=1e-6)


def test_no_gradient_is_lost_in_silence():
    v = leaf(0.5)
    for call in (lambda: tt.sum(tt.ones(2), axis=v[0]), lambda: np.copyto(np.ones(1), v), lambda: tt.ones(2) * 1j,
                 lambda: tt.ones(2, requires_grad=True) * np.array([1j, 2j]), lambda: tt.tensor([1j])):
        with pytest.raises(TypeError, match=r"requires grad|complex"):
            call()
    assert tt.ones(2).clip(a_min=tt.tensor(2.0)).tolist() == [2, 2]
    x = leaf(1.0, 5.0)
    x.clip(np.zeros((2, 2)), 2.0).sum().backward()
    assert x.grad.tolist() == [2, 0]


def test_a_parameter_given_twice():
    with pytest.raises(TypeError, match="sum: got parameter 'axis' twice"):
        tt.ones(2, 3).sum(0, axis=1)


def test_a_gradient_that_a_hook_keeps_or_writes_into_is_its_own():
    y, seen = leaf(1.0), []
    h = y + 1
    h.register_hook(seen.append)
    h.sum().backward(retain_graph=True)
    h.sum().backward()
    assert y.grad.tolist() == [2] and seen[0].tolist() == [1]
    a, b = leaf(1.0), leaf(1.0)
    a.register_hook(lambda g: g.__imul__(5))
    (a + b).backward(np.ones(1, np.float32))
    assert (a.grad.tolist(), b.grad.tolist()) == ([5], [1])


def test_numpy_s_own_meanings():
    with pytest.raises(ValueError, match="norm: got .*; Invalid norm order 'nuc' for vectors"):
        np.linalg.norm(tt.ones(3), "nuc")
    assert np.sort(tt.tensor([[3.0, 1.0], [2.0, 0.0]]), axis=None).tolist() == [0, 1, 2, 3]
    with pytest.raises(ValueError, match=r"power: got .*; Integers to negative integer powers"):
        tt.tensor([1, 2]) ** -1
    assert np.tril(tt.ones(2)).tolist() == [[1, 0], [1, 1]]


def test_a_mean_of_many_half_floats_has_a_gradient():
    x = tt.ones(70_000, dtype=np.float16, requires_grad=True)
    x.mean().backward()
    assert (x.grad > 0).all()


def test_no_grad_may_be_kept_and_used_again():
    quiet, x = tt.no_grad(), leaf(1.0)
    for _ in range(2):
        with quiet, quiet:
            assert not (x * 2).requires_grad
        assert (x * 2).requires_grad


def test_unused_also_where_nothing_was_recorded():
    x = leaf(2.0)
    slope = tt.grad((3 * x).sum(), x, create_graph=True)
    assert tt.grad(slope, x, gradient=[1.0], allow_unused=True).tolist() == [0]


# --- errors in three parts ---


@pytest.mark.parametrize(("call", "kind", "text"), [
    (lambda x: x @ tt.ones(3, 2), ValueError,
     r"matmul: got shapes \(2, 2\) and \(3, 2\); expected the last axis of a \(2\) to equal the second-last of b \(3"),
    (lambda x: x + tt.ones(3), ValueError, r"add: got shapes \(2, 2\) and \(3,\), which do not broadcast; .*"),
    (lambda x: x.sum(dim=0), TypeError, r"sum: got an unknown parameter 'dim'; .*; write 'axis', as NumPy does"),
    (lambda x: x.sum(0, keepdim=True), TypeError, "write 'keepdims', as"),
    (lambda x: x.var(unbiased=True), TypeError, "write 'correction', as"),
    (lambda x: x.sum(5), np.exceptions.AxisError,
     r"sum: got float32 \(2, 2\); axis 5 is out of bounds .*; pass an axis from -2 to 1"),
    (lambda x: x.reshape(3), ValueError, "reshape: got .*; cannot reshape array of size 4"),
    (lambda x: x.reshape(), TypeError, "reshape: got no parameter 'shape'; expected reshape"),
    (lambda x: tt.take(x), TypeError, "take: got no indices"),
    (lambda x: x[7], IndexError, "getitem: got .*; index 7 is out of bounds"),
    (lambda x: x[1.5], IndexError, "got an index of dtype float; expected integers"),
    (lambda x: tt.linear(x, tt.ones(3, 3)), ValueError, r"linear: got x of shape \(2, 2\) and weight of shape "),
    (lambda x: tt.linear(x, tt.ones(3, 2), tt.ones(2)), ValueError, r"linear: got a bias of shape \(2,\) .*ed \(3,\)"),
    (lambda x: tt.cross_entropy(x, np.array([0, 2])), IndexError, "got target 2 for 2 classes; expected 0 to 1"),
    (lambda x: tt.cross_entropy(x, np.array([0, -1])), IndexError, "got target -1 for 2 classes"),
    (lambda x: tt.cross_entropy(x, np.array([0])), ValueError, r"got logits of shape \(2, 2\) and targets of shape"),
    (lambda x: tt.cross_entropy(x, np.array([0.0, 1.0])), TypeError, "got targets of dtype float64"),
    (lambda x: tt.embedding(x, np.array([0, 2])), IndexError, "got index 2 for a table of 2 rows"),
    (lambda x: tt.embedding(x, np.array([0, -1])), IndexError, "got index -1 for a table of 2 rows"),
    (lambda x: tt.embedding(x, np.array([0.5])), TypeError, "got indices of dtype float64"),
    (lambda x: tt.embedding(x[None], np.array([0])), ValueError, r"got a weight of shape \(1, 2, 2\); expected"),
    (lambda x: x + "one", TypeError, "got a str of dtype"),
    (lambda x: tt.tensor([[1, 2], [3]]), ValueError, "expected numbers in an array, or in lists of equal lengths"),
    (lambda x: tt.einsum("ij,jk", x), ValueError, "got 2 terms in .* for 1 operands"),
    (lambda x: tt.split(x, 3), ValueError, "got 3 parts for 2 elements along axis 0"),
    (lambda x: x.item(), ValueError, "item: got shape .* expected one"),
])
def test_errors_say_what_came_what_was_expected_and_what_to_do(call, kind, text):
    with pytest.raises(kind, match=text):
        call(tt.ones(2, 2, requires_grad=True))


def test_an_error_leaves_nothing_half_done():
    x = leaf(1.0, 2.0)
    y = (x * 2).sum()
    with pytest.raises(ValueError):
        y.backward(np.ones(3))
    y.backward()
    assert x.grad.tolist() == [2, 2]


def test_import_is_light():
    import subprocess

    code = ("import sys, tinytensor; bad = [m for m in ('matplotlib', 'tqdm', 'threadpoolctl', 'hypothesis', 'pytest', "
            "'torch') if m in sys.modules]; print(*bad)")
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "\n"
