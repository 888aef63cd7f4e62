"""Runs work in a forked child, for tests. The way the child ends says whether all was well; a child that waits for ever is killed."""

from __future__ import annotations

import os
import time
import traceback
from collections.abc import Callable

SECONDS = 30


def start(work: Callable[[], bool]) -> int:
    """Starts a child that does this work and ends; returns its process number."""
    child = os.fork()
    if child:
        return child
    code = 2
    try:
        code = 0 if work() else 1
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def outcome(child: int, seconds: float = SECONDS) -> str:
    """How the child ended: "right", "wrong", "error", or "waited for ever"."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return {0: "right", 1: "wrong"}.get(os.waitstatus_to_exitcode(status), "error")
        time.sleep(0.02)
    os.kill(child, 9)
    os.waitpid(child, 0)
    return "waited for ever"


def in_child(work: Callable[[], bool], seconds: float = SECONDS) -> str:
    """Runs this work in a child; returns how it ended, as `outcome`."""
    return outcome(start(work), seconds)
