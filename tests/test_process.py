"""What a fork leaves behind: which objects are told of it, and properties that are computed once."""

from __future__ import annotations

import gc
import os
import threading

import pytest
import torch

from tenuto import process
from tests.forking import in_child, outcome, start

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork"),
    pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork.*:DeprecationWarning"),
]


class _Kept:
    def __init__(self) -> None:
        self.begun = 0
        process.in_child(self.begin)

    def begin(self) -> None:
        self.begun += 1


def test_objects_are_told_in_the_child_alone_and_not_kept_alive():
    count = len(process._renewals)
    objects = [_Kept()]
    assert in_child(lambda: objects[0].begun == 1) == "right"
    assert objects[0].begun == 0
    objects.clear()
    gc.collect()
    assert len(process._renewals) == count


def test_a_child_has_one_thread_and_tells_torch_when_it_is_asked():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        work = lambda: (torch.get_num_threads(), process.threads(), torch.get_num_threads()) == (2, 1, 1)  # noqa: E731
        assert in_child(work) == "right"
        assert in_child(lambda: process.threads() == 1 and in_child(work) == "wrong") == "right"  # a grandchild's torch knows of the one thread already
        assert process.threads() == torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


class _Slow:
    """Has a number that takes a while to compute."""

    def __init__(self, wait: bool) -> None:
        self.wait, self.began, self.go_on, self.times = wait, threading.Event(), threading.Event(), 0

    @process.kept_property
    def number(self) -> int:
        """Computed once."""
        self.times += 1
        self.began.set()
        if self.wait:
            self.go_on.wait()
        return 7


def test_a_property_is_computed_once():
    here = _Slow(False)
    assert (here.number, here.number, here.times) == (7, 7, 1)
    assert _Slow.number.__doc__ == "Computed once."


def test_a_child_does_not_wait_for_a_property_that_a_thread_computes():
    slow = _Slow(True)
    thread = threading.Thread(target=lambda: slow.number)
    thread.start()
    slow.began.wait()
    child = start(lambda: _Slow(False).number == 7)
    slow.go_on.set()
    thread.join()
    assert outcome(child) == "right"
