"""Ctrl-C and SIGTERM during training: they take effect between two steps, so that nothing is left half done."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any

USUAL: dict[signal.Signals, Any] = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}


class Interrupt:
    """Inside the block a first Ctrl-C (SIGINT), or a first SIGTERM, only sets `pressed`; a second signal of the same kind acts at once, as usual.

    Schedulers send SIGTERM before they take a machine away, and torchrun sends it to the other processes when a process has died or Ctrl-C was
    pressed. Those processes then live long enough to write a checkpoint, or to say what is wrong.

    Outside the main thread, to which Python delivers all signals, nothing changes. A handler that another program has set stays in place.
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
