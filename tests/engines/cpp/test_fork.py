"""Forked children: they share no memory with their parent, and wait for nothing that a thread of their parent held."""

from __future__ import annotations

import functools
import os
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from tenuto import Recurrent, cells
from tenuto.engines.cpp import pool
from tenuto.engines.problem import Form
from tests.engines.cpp.posing import ours, pose
from tests.forking import in_child, outcome, start

pytestmark = [
    pytest.mark.cpp,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork"),
    pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork.*:DeprecationWarning"),
]
LARGE = (80, 32, 128, 128)  # T, B, I, H: output and gradient of x are 1.3 MB each, the gates 5 MB: all of them from the pool


@pytest.fixture
def two_threads() -> Iterator[None]:
    """Before the fork, torch and our loops have used two threads, which the child does not have."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    torch.zeros(1 << 20).add_(1)
    yield
    torch.set_num_threads(before)


def _same(form: Form, inputs: Any, expected: Any) -> bool:
    result, gradients = ours(form, inputs)
    wanted, wanted_gradients = expected
    return torch.equal(result.output, wanted.output) and all(torch.equal(gradients[name], value) for name, value in wanted_gradients.items())


def _copy(answer: Any) -> Any:
    result, gradients = answer
    return result._replace(output=result.output.clone()), {name: value.clone() for name, value in gradients.items()}


def test_parent_and_children_at_once_compute_what_one_process_does():
    form = Form(cells.LSTM())
    posed = [pose(form, LARGE, torch.float32, seed=k) for k in range(4)]
    expected = [_copy(ours(form, inputs)) for inputs in posed]  # this also leaves free blocks in the pool
    work = lambda k: all(_same(form, posed[k], expected[k]) for _ in range(2))  # noqa: E731
    children = [start(functools.partial(work, k)) for k in (1, 2, 3)]
    here = work(0)
    assert [outcome(child) for child in children] == ["right"] * 3
    assert here, "the children wrote into the parent's results"


def test_a_parent_does_not_see_what_its_child_writes():
    alive = pool.shared().empty(1 << 18, 4, torch.float32)
    alive.fill_(1.0)

    def work() -> bool:
        alive.fill_(2.0)
        return True

    assert in_child(work) == "right"
    assert torch.equal(alive, torch.ones_like(alive))


def test_a_child_begins_with_an_empty_pool_and_may_free_its_parents_tensors():
    here = pool.Pool(limit_bytes=64 << 20)
    alive = [here.empty(1 << 20, 1, torch.float32)]
    here.empty(1 << 21, 1, torch.float32)
    assert here.report().free_blocks == 1

    def work() -> bool:
        begun = here.report()
        alive.clear()
        ended = here.report()
        return (begun.free_blocks, begun.used_bytes, ended.free_blocks, ended.used_bytes) == (0, 4 << 20, 1, 0)

    assert in_child(work) == "right"
    assert here.report().free_blocks == 1


def _locks() -> list[Any]:
    """Every lock in tenuto's modules: their own, those of their objects, and those inside functools' cached properties."""
    kinds, found, seen = (type(threading.Lock()), type(threading.RLock())), [], set()

    def look(value: Any) -> None:
        if id(value) in seen:
            return
        seen.add(id(value))
        if isinstance(value, kinds):
            found.append(value)
        elif isinstance(value, (dict, list, tuple, set, frozenset)):
            for item in value.values() if isinstance(value, dict) else value:
                look(item)
        elif hasattr(value, "__wrapped__") and hasattr(value, "cache_info"):
            look(value.__wrapped__)
        elif (value if isinstance(value, type) else type(value)).__module__.startswith("tenuto") or isinstance(value, functools.cached_property):
            for item in list(getattr(value, "__dict__", {}).values()):
                look(item)

    for name, module in list(sys.modules.items()):
        if name.split(".")[0] == "tenuto":
            look(vars(module))
    look(pool.shared())
    return found


def test_a_child_does_not_wait_for_a_lock_that_a_thread_of_its_parent_holds():
    form = Form(cells.GRU())
    inputs = pose(form, LARGE, torch.float32)
    expected = _copy(ours(form, inputs))
    held, done = threading.Event(), threading.Event()
    locks = _locks()
    assert len(locks) >= 4  # of the pool, the launches, the library, and the measured ways to share work

    def hold() -> None:
        for lock in locks:
            lock.acquire()
        held.set()
        done.wait()
        for lock in locks:
            lock.release()

    def work() -> bool:
        for lock in _locks():
            if not lock.acquire(blocking=False):
                raise AssertionError(f"{lock} is still held in the child")
            lock.release()
        fresh = Form(cells.LSTM(), bias=False)  # nothing of this form is kept yet: its tables are built here
        ours(fresh, pose(fresh, LARGE, torch.float32))
        return _same(form, inputs, expected)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    try:
        child = start(work)
    finally:
        done.set()
        thread.join()
    assert outcome(child) == "right"


@pytest.mark.parametrize("engine", ["cpp", "vendor", "reference"])
def test_a_layer_learns_in_a_child_of_a_process_with_threads(engine, two_threads):
    layer = Recurrent(cells.LSTM(), 64, 128, engine=engine)
    x = torch.randn(16, 32, 64)

    def gradients() -> list[torch.Tensor]:
        layer.zero_grad()
        layer(x).output.square().sum().backward()
        return [parameter.grad.clone() for parameter in layer.parameters()]

    expected = gradients()

    def work() -> bool:
        for mine, wanted in zip(gradients(), expected, strict=True):
            torch.testing.assert_close(mine, wanted, rtol=1e-4, atol=1e-3)
        return torch.get_num_threads() == 1

    assert in_child(work) == "right"


def test_lengths_in_a_child_of_a_process_with_threads(two_threads):
    form = Form(cells.LSTM(), lengths=True)
    inputs = pose(form, (10, 512, 8, 128), torch.float32)  # torch sorts the states with all its threads
    expected = _copy(ours(form, inputs))
    assert in_child(lambda: _same(form, inputs, expected)) == "right"


def test_streams_opened_before_and_after_a_fork(two_threads):
    layer = Recurrent(cells.LSTM(), 64, 256, engine="cpp").eval()  # large enough for two threads
    x = torch.randn(3, 1, 64)
    opened, expected = layer.stream(), layer(x).output.detach()

    def steps(stream: Any) -> bool:
        outputs = [layer.step(x_t, stream).clone() for x_t in x]
        torch.testing.assert_close(torch.stack(outputs), expected)
        return True

    assert in_child(lambda: steps(opened)) == "right"
    assert in_child(lambda: steps(layer.stream())) == "right"
    assert steps(opened)


class _Outputs(Dataset):
    """A layer's outputs as examples, computed by the process that loads them."""

    def __init__(self, layer: Recurrent, given: torch.Tensor) -> None:
        self._layer, self._given = layer, given

    def __len__(self) -> int:
        return len(self._given)

    def __getitem__(self, number: int) -> torch.Tensor:
        with torch.no_grad():
            return self._layer(self._given[number]).output


@pytest.mark.filterwarnings("ignore:This DataLoader will create")  # where there is one core
def test_workers_of_a_data_loader_run_a_layer(two_threads):
    data = _Outputs(Recurrent(cells.GRU(), 8, 128, engine="cpp"), torch.randn(8, 80, 32, 8))
    expected = [data[k].clone() for k in range(len(data))]
    loader = DataLoader(data, batch_size=None, num_workers=2, multiprocessing_context="fork")
    for k, output in enumerate(loader):
        assert torch.equal(output, expected[k])
        assert torch.equal(data[k], expected[k])  # the parent computes at the same time
