"""How much memory a block of code takes at its peak, above what the process had before: what Linux counts of the process."""

from __future__ import annotations

import contextlib
import ctypes
import gc
from pathlib import Path
from types import TracebackType

from tenuto.engines.cpp import pool

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


class Peak:
    """mib: after the block, the mebibytes; None where the system does not count them."""

    def __init__(self) -> None:
        self.mib: float | None = None
        self._before: float | None = None

    def __enter__(self) -> Peak:
        gc.collect()
        pool.shared().clear()
        with contextlib.suppress(OSError, AttributeError):  # what was freed but is still the process's would be taken again, and counted as nothing
            ctypes.CDLL(None).malloc_trim(0)
        with contextlib.suppress(OSError):
            _CLEAR.write_text("5")  # forget the peak so far
            self._before = _read("VmRSS")
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        after = _read("VmHWM")
        if self._before is not None and after is not None:
            self.mib = max(0.0, after - self._before)


def _read(name: str) -> float | None:
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in _STATUS.read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) / 1024
    return None
