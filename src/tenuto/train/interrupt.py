"""Ctrl-C and SIGTERM while training: heard between two steps, so that nothing is left half done."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any

USUAL: dict[signal.Signals, Any] = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}


class Interrupt:
    """Inside the block a first Ctrl-C (SIGINT), or a first SIGTERM, only sets `pressed`; a second of its kind does at once what it usually does.

    SIGTERM is what schedulers send before they take a machine away, and what torchrun sends to the others when a process has died or Ctrl-C was
    pressed: the others then live on for long enough to write a checkpoint, or to say what is wrong.

    Outside the main thread, where Python delivers no signals, nothing changes. Another program's handler is its own business, and stays.
    """

    def __init__(self) -> None:
        self.pressed = False
        self._replaced: list[signal.Signals] = []
        self._heard: set[int] = set()

    def __enter__(self) -> Interrupt:
        if threading.current_thread() is threading.main_thread():
            self._replaced = [number for number, usual in USUAL.items() if signal.getsignal(number) is usual]
            for number in self._replaced:
                signal.signal(number, self._hear)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for number in self._replaced:
            signal.signal(number, USUAL[number])

    def _hear(self, number: int, frame: FrameType | None) -> Any:
        if number in self._heard:
            signal.signal(number, USUAL[signal.Signals(number)])
            signal.raise_signal(number)
        self._heard.add(number)
        self.pressed = True
