"""The first use of a cell, which traces its step, wherever it happens: in several threads at once, in a forked child, inside whatever torch has open."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.data import DataLoader, Dataset

import tenuto
from tenuto import Cell, Recurrent, State
from tenuto.layers.functional import recurrent
from tenuto.program import handles
from tenuto.program import trace as trace_of
from tests.forking import in_child

tracing = __import__("sys").modules["tenuto.program.trace"]
forks = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork"),
    pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork.*:DeprecationWarning"),
]
_count = iter(range(10**6))


def never_seen() -> type[Cell]:
    """A cell with maths of its own, so that nothing traced before does for it."""
    number = 1 + next(_count) / 1e3

    class Fresh(Cell):
        gates = "i f"
        state = "h c"
        parameters = "p"

        def step(self, x, U, s):
            f = torch.sigmoid(x.f + U.f @ s.h) * number
            c = f * s.c + (1 - f) * torch.tanh(x.i + U.i @ s.h + self.p.p * s.c)
            return State(h=c.tanh(), c=c)

    return Fresh


def layer_of(kind: type[Cell], engine: str = "auto") -> Recurrent:
    layer = Recurrent(kind(), 3, 4, engine=engine)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.fill_(0.1)
    return layer


def learn(kind: type[Cell], engine: str = "auto") -> list[torch.Tensor]:
    layer = layer_of(kind, engine)
    output = layer(torch.ones(5, 2, 3)).output
    output.sum().backward()
    return [output.detach(), *(parameter.grad for parameter in layer.parameters())]


def in_threads(work: list[Callable[[], object]]) -> list[object]:
    """The results of these, begun at the same moment."""
    found: list[object] = [None] * len(work)
    begin = threading.Barrier(len(work))

    def run(place: int) -> None:
        begin.wait()
        try:
            found[place] = work[place]()
        except BaseException as error:
            found[place] = error

    threads = [threading.Thread(target=run, args=(place,), daemon=True) for place in range(len(work))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive(), "a thread waits for ever"
    return found


@pytest.mark.parametrize("kinds", [1, 4])
def test_many_threads_make_one_trace_and_one_handle(kinds, monkeypatch):
    cells, made = [never_seen() for _ in range(kinds)], []
    trace = tracing._trace

    def slow(cell: Cell) -> tracing.Traced:
        made.append(type(cell))
        time.sleep(0.02)
        return trace(cell)

    monkeypatch.setattr(tracing, "_trace", slow)
    work = [lambda kind=kind: (learn(kind), layer_of(kind)._handle, trace_of(kind())) for kind in cells for _ in range(8 // kinds)]
    found = in_threads(work)
    assert sorted(map(id, made)) == sorted(map(id, cells))
    for place in range(kinds):
        first, *others = found[place * (8 // kinds) : (place + 1) * (8 // kinds)]
        for other in others:
            assert other[1] == first[1] and other[2] is first[2]
            for one, same in zip(other[0], first[0], strict=True):
                torch.testing.assert_close(one, same)


def test_threads_that_ask_for_a_handle_at_once_get_the_same(monkeypatch):
    kind, meet = never_seen(), threading.Barrier(4)
    traced = trace_of(kind())
    handles._handles.pop(traced, None)
    to_data = handles.cell_to_data
    monkeypatch.setattr(handles, "cell_to_data", lambda cell: (meet.wait(10), to_data(cell))[1])  # all are past the look at the table
    assert len(set(in_threads([lambda: handles.handle_of_traced(traced)] * 4))) == 1


@pytest.mark.parametrize("kind", [tenuto.LSTM, tenuto.GRUCell])
def test_threads_and_the_drop_ins(kind):
    x = torch.ones(*(() if kind is tenuto.GRUCell else (5,)), 2, 3)
    layer = kind(3, 4).eval()
    expected = torch.utils._pytree.tree_leaves(layer(x))
    for found in in_threads([lambda: torch.utils._pytree.tree_leaves(layer(x))] * 8):
        torch.testing.assert_close(found, expected)


class _Held:
    """A trace in another thread that does not end while this is open."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.began, self.go_on, trace = threading.Event(), threading.Event(), tracing._trace
        self.kind, here = never_seen(), threading.get_ident()

        def held(cell: Cell) -> tracing.Traced:
            if threading.get_ident() != here:
                self.began.set()
                self.go_on.wait(60)
            return trace(cell)

        monkeypatch.setattr(tracing, "_trace", held)
        self.thread = threading.Thread(target=lambda: trace_of(self.kind()))

    def __enter__(self) -> _Held:
        self.thread.start()
        assert self.began.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self.go_on.set()
        self.thread.join(10)


class TestForks:
    pytestmark = forks

    def test_a_child_forked_in_the_middle_of_a_trace_traces_itself(self, monkeypatch):
        with _Held(monkeypatch) as held:
            assert in_child(lambda: learn(held.kind, "reference")[0].isfinite().all().item()) == "right"
            assert in_child(lambda: learn(never_seen(), "reference")[0].isfinite().all().item()) == "right"
        assert trace_of(held.kind()) is trace_of(held.kind())

    @pytest.mark.filterwarnings("ignore:This DataLoader will create")  # where there is one core
    def test_in_the_workers_of_a_loader(self):
        kind = never_seen()
        for row in DataLoader(_Rows(kind), batch_size=None, num_workers=2):
            torch.testing.assert_close(row, learn(kind, "reference")[0])


class _Rows(Dataset):
    def __init__(self, kind: type[Cell]) -> None:
        self.kind = kind

    def __len__(self) -> int:
        return 4

    def __getitem__(self, place: int) -> torch.Tensor:
        return learn(self.kind, "reference")[0]


@contextmanager
def default_device():
    torch.set_default_device("meta")
    try:
        yield
    finally:
        torch.set_default_device(None)


@contextmanager
def default_dtype():
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


OPEN = {
    "no_grad": torch.no_grad,
    "inference_mode": torch.inference_mode,
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
    "the meta device": lambda: torch.device("meta"),
    "a default device": default_device,
    "a default dtype": default_dtype,
    "fake tensors": FakeTensorMode,
    "forward mode": torch.autograd.forward_ad.dual_level,
    "saved tensors": torch.autograd.graph.save_on_cpu,
}


@pytest.mark.parametrize("name", OPEN)
def test_inside_whatever_is_open(name):
    """The trace is the same as outside: what is computed later is what a cell first used in the open gives."""
    kind = never_seen()
    with OPEN[name]():
        inside = Recurrent(kind(), 3, 4)
        assert inside(torch.ones(5, 2, 3)).output.shape == (5, 2, 4)
    assert kind in {type(cell) for cell in tracing._traced}
    found, expected = learn(kind), learn(kind, "reference")
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other)


TRANSFORMS = {
    "vmap": lambda f: torch.vmap(f)(torch.stack([torch.ones(5, 2, 3)] * 2))[0],
    "grad": lambda f: torch.func.grad(lambda x: f(x).sum())(torch.ones(5, 2, 3)),
    "jvp": lambda f: torch.func.jvp(f, (torch.ones(5, 2, 3),), (torch.ones(5, 2, 3),))[1],
    "vmap of grad": lambda f: torch.vmap(torch.func.grad(lambda x: f(x).sum()))(torch.stack([torch.ones(5, 2, 3)] * 2))[0],
    "functionalize": lambda f: torch.func.functionalize(f)(torch.ones(5, 2, 3)),
}


@pytest.mark.parametrize("name", TRANSFORMS)
def test_inside_a_transform(name):
    kind = never_seen()
    matrices = {"weight_ih": torch.randn(8, 3), "bias": torch.randn(8), "U": {"i": torch.randn(4, 4), "f": torch.randn(4, 4)}, "parameters": {"p": torch.randn(4)}}
    first = TRANSFORMS[name](lambda x: recurrent(kind(), x, matrices)[0])
    assert kind in {type(cell) for cell in tracing._traced}
    torch.testing.assert_close(TRANSFORMS[name](lambda x: recurrent(kind(), x, matrices, engine="reference")[0]), first)
