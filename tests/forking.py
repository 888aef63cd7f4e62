"""Work in a forked child, for tests: it says whether all was well by how it ends, and is killed when it waits for ever."""

from __future__ import annotations

import os
import time
import traceback
from collections.abc import Callable

SECONDS = 30


def start(work: Callable[[], bool]) -> int:
    """A child that does this and ends; its process number."""
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
    """How it ended: "right", "wrong", "error", or "waited for ever"."""
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
    """How a child ended that did this."""
    return outcome(start(work), seconds)
