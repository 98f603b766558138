"""Workers as processes: a process that the user forks, Ctrl-C at any moment, and what ends with a compiled step."""

import gc
import os
import signal
import subprocess
import sys
import textwrap
import weakref

import numpy as np
import pytest

import tinytensor as tt
from tinytensor import nn, optim

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="workers are forked on Linux only")
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
X, Y = np.arange(24, dtype=np.float32).reshape(8, 3) / 9 - 1.5, np.array([0, 1, 1, 0, 2, 2, 0, 0])


class World:
    def __init__(self):
        self.model = nn.Sequential(nn.Linear(3, 6, rng=1), nn.BatchNorm1d(6), nn.Tanh(), nn.Linear(6, 4, rng=2))
        self.opt = optim.AdamW(self.model.parameters(), lr=0.01)

    def step(self, x, y):
        loss = tt.cross_entropy(self.model(x), y)
        self.opt.zero_grad()
        loss.backward()
        self.opt.step()
        return loss


def running(calls=4):
    world = World()
    step = tt.compile(world.step, world.model, world.opt, workers=2)
    for _ in range(calls):
        step(X, Y)
    return world, step


def in_child(task):
    """What a task gives, as text, in a process that is forked here."""
    read, write = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            told = str(task())
        except BaseException as error:
            told = f"{type(error).__name__}: {error}"
        os.write(write, told.encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as file:
        told = file.read()
    os.waitpid(pid, 0)
    return told


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
@pytest.mark.parametrize("calls", [1, 2, 4])
def test_a_forked_process_can_not_call_the_step(calls):
    world, step = running(calls)
    before = world.opt.blocks[0].theta.copy()
    told = in_child(lambda: step(X, Y))
    assert told.startswith("CompileError: compile: a forked process called a step that several workers share; expec")
    np.testing.assert_array_equal(world.opt.blocks[0].theta, before)
    assert np.isfinite(step(X, Y).item())


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_what_a_forked_process_writes_is_its_own():
    world, step = running()
    block, = world.opt.blocks
    before = {"theta": block.theta.copy(), **{name: v.copy() for name, v in block.state.items()}}

    def write():
        loss = world.step(X, Y).item()
        for p in world.model.parameters():
            p.data[...] = 7
        for v in world.opt.blocks[0].state.values():
            v[...] = 8
        same = all((view == 7).all() for view in world.opt.blocks[0].views(world.opt.blocks[0].theta))
        world.opt.zero_grad()
        return np.isfinite(loss) and same

    assert in_child(write) == "True"
    for name, v in {"theta": block.theta, **block.state}.items():
        np.testing.assert_array_equal(v, before[name], err_msg=name)
    assert np.isfinite(step(X, Y).item())


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_process_can_compile_the_step_anew():
    world, step = running()

    def anew():
        again = tt.compile(world.step, world.model, world.opt, workers=2)
        found = [again(X, Y).item() for _ in range(4)]
        del again
        return found

    told = in_child(anew)
    assert eval(told) == pytest.approx([step(X, Y).item() for _ in range(4)], rel=1e-5)


def test_ctrl_c_at_any_moment_leaves_whole_steps():
    code = textwrap.dedent("""
        import os, signal, threading, time
        import numpy as np, tinytensor as tt
        from tests.compiler.test_workers_process import World
        x = np.random.default_rng(0).standard_normal((64, 3)).astype(np.float32)
        y = np.arange(64) % 4
        def shared():
            world = World()
            return world, tt.compile(world.step, world.model, world.opt, workers=2)
        (world, step), stop, interrupts = shared(), False, 0
        step(x, y), step(x, y)
        begun = False
        def shoot(pid, rng):
            while not begun:  # subtle: an interrupt inside of thread.start() would end this script
                time.sleep(0.001)
            while not stop:
                time.sleep(rng.uniform(0, 0.003))
                os.kill(pid, signal.SIGINT)
        thread = threading.Thread(target=shoot, args=(os.getpid(), np.random.default_rng(1)))
        thread.start()
        while interrupts < 200:
            try:
                begun = True
                while True:
                    step(x, y)
            except KeyboardInterrupt:
                interrupts += 1
        while thread.is_alive():
            try:
                stop = True
                thread.join()
            except KeyboardInterrupt:
                pass
        steps = world.opt.blocks[0].t
        again, step = shared()
        for _ in range(steps):
            step(x, y)
        for a, b in ((world.opt.state_dict(), again.opt.state_dict()),
                     (world.model.state_dict(), again.model.state_dict())):
            assert repr(a) == repr(b)
        print("whole steps:", steps)
    """)
    env = os.environ | {"OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": ROOT}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, cwd=ROOT, env=env)
    assert done.stdout.startswith("whole steps:"), done.stderr


def test_ctrl_c_is_raised_after_the_step_and_a_handler_of_the_users_is_his_again():
    world, step = running()
    told = []
    before = signal.signal(signal.SIGINT, lambda *_: told.append(world.opt.blocks[0].t))
    try:
        run, steps = step.latest.run.run, world.opt.blocks[0].t
        step.latest.run.run = lambda *given: (signal.raise_signal(signal.SIGINT), run(*given))[1]
        step(X, Y)
        assert told == [steps + 1]
        signal.raise_signal(signal.SIGINT)
        assert len(told) == 2
    finally:
        signal.signal(signal.SIGINT, before)


def test_what_is_dropped_is_freed_at_once_and_its_processes_end():
    gc.collect()
    gc.disable()
    try:
        world, step = running()
        pid, = step.latest.run.group.pids
        program = step.latest
        trace = step.latest.traced
        known = [weakref.ref(x) for x in (step, program, program.run, program.run.group, step.state, trace.scan)]
        theta = weakref.ref(step.shares.padded[id(world.opt.blocks[0])]["theta"])
        del step, program, trace
        assert [ref() for ref in known] == [None] * len(known)
        assert not os.path.exists(f"/proc/{pid}")
        del world
    finally:
        gc.enable()
    gc.collect()  # calls and their results know each other
    assert theta() is None


def test_a_program_that_is_refused_ends_its_processes_and_leaves_weights_to_one():
    world = World()

    def step(x, y):
        return world.step(x, y), len(y)

    shared = tt.compile(step, world.model, world.opt, workers=2)
    shared(X, Y), shared(X, Y)
    before, (pid,) = repr((world.model.state_dict(), world.opt.state_dict())), shared.latest.run.group.pids
    for _ in range(2):
        with pytest.raises(tt.CompileError, match="the result is 8 for the whole batch and 4 by 2 workers; expected"):
            shared(X, Y)
    assert repr((world.model.state_dict(), world.opt.state_dict())) == before
    assert not os.path.exists(f"/proc/{pid}")
    alone = tt.compile(step, world.model, world.opt)
    like = World()
    for _ in range(2):
        like.step(X, Y)
    for _ in range(4):
        assert alone(X, Y)[0].item() == pytest.approx(like.step(X, Y).item(), rel=1e-5)
