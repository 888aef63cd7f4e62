"""What a run ran on: machine, versions, time. For run folders and benchmarks."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import torch


def machine(device: str = "cpu") -> dict[str, Any]:
    """The processor, cores, threads of torch, platform, memory (in bytes) and device: for a GPU its name."""
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "platform": platform.platform(),
        "memory_bytes": _memory_bytes(),
        "device": torch.cuda.get_device_name(device) if torch.device(device).type == "cuda" else device,
    }


def processor() -> str:
    """The processor's name as the system gives it."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass  # this is not Linux; the general answer follows
    return platform.processor() or platform.machine()


def versions() -> dict[str, str]:
    """Versions of tenuto, Python, torch and numpy."""
    try:
        own = importlib.metadata.version("tenuto")
    except importlib.metadata.PackageNotFoundError:
        own = "not installed"
    return {"tenuto": own, "python": platform.python_version(), "torch": torch.__version__, "numpy": np.__version__}


def now() -> str:
    """The present time in UTC, like 2026-01-31T12:00:00Z."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _memory_bytes() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return None
