"""Loaded kernels: the time loop (one library for each dtype) and each cell's passes; and the threads of torch's own pool."""

from __future__ import annotations

import ctypes
import hashlib
import threading
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import torch

from tenuto import process
from tenuto.cell import Cell
from tenuto.engines.cpp import cache, compiler
from tenuto.engines.cpp.printer import pass_names, print_passes
from tenuto.errors import EngineError
from tenuto.program.cell_schedule import schedule_cell
from tenuto.program.schedule import Schedule

KERNELS = Path(__file__).parent / "kernels"
_lock = threading.Lock()
NOBODY = (0, 0, 0)
_thread_pool: list[int] = []


@process.in_child
def _renew() -> None:
    """A child has no other threads; whoever was building a kernel is not there to finish it, and the child builds its own."""
    global _lock
    _lock = threading.Lock()
    _thread_pool[:] = NOBODY


@lru_cache(maxsize=1)
def _headers() -> str:
    texts = [file.read_text(encoding="utf-8") for file in sorted(KERNELS.glob("*.h"))]
    return hashlib.sha256("".join(texts).encode()).hexdigest()


@lru_cache(maxsize=1)
def edition() -> str:
    """Eight digits that change with the kernels' sources: what was measured of others does not hold for these."""
    loop = (KERNELS / "loop.cpp").read_text(encoding="utf-8")
    return hashlib.sha256((_headers() + loop).encode()).hexdigest()[:8]


def build(kind: str, source: str, bits: int) -> ctypes.CDLL:
    """The library made from a source, from the cache or the compiler.

    Raises:
        EngineError: there is no compiler, or it failed.
    """
    found = compiler.find()
    if found is None:
        raise EngineError(compiler.missing(), fix="engine='auto' uses another engine until there is one")
    machine = compiler.machine()
    parts = [source, _headers(), str(bits), *found.command, found.version, *found.flags, machine.digest]
    name = f"{kind}-{hashlib.sha256(chr(0).join(parts).encode()).hexdigest()[:20]}"
    defines = {"REAL_BITS": bits, "VECTOR_BYTES": machine.vector_bytes}

    def make(path: Path) -> None:
        found.compile(str(path.with_suffix(".cpp")), str(path), str(KERNELS), defines)

    path = cache.get(name, make, source)
    try:
        return ctypes.CDLL(str(path))
    except OSError:  # for another system after all, or damaged between the check and here: once more
        path.unlink(missing_ok=True)
        return ctypes.CDLL(str(cache.get(name, make, source)))


def bits_of(dtype: torch.dtype) -> int:
    """The size of a number in the kernels."""
    return torch.finfo(dtype).bits


@lru_cache(maxsize=None)
def _loop(bits: int) -> ctypes.CDLL:
    library = build("loop", (KERNELS / "loop.cpp").read_text(encoding="utf-8"), bits)
    library.tenuto_run.restype = None
    library.tenuto_run.argtypes = [ctypes.c_void_p] * 4
    return library


@lru_cache(maxsize=None)
def has_matrix_units(dtype: torch.dtype) -> bool:
    """Whether products of this dtype can run on matrix units: the processor has them, and the system lets this process use them."""
    return bool(loop(bits_of(dtype)).tenuto_matrix_units())


def loop(bits: int) -> ctypes.CDLL:
    """The time loop for numbers of 32 or 64 bits."""
    with _lock:
        return _loop(bits)


@lru_cache(maxsize=None)
def _passes(cell: Cell, d_streams: bool, bits: int) -> tuple[tuple[int, ...], ...]:
    schedules = schedule_cell(cell, d_streams)
    named: dict[str, Schedule] = {
        "inference": schedules.inference, "forward": schedules.forward, "backward": schedules.backward,
    }  # fmt: skip
    kind = f"{type(cell).__name__.lower()}{bits}"
    library = build(kind, print_passes(repr(cell), named), bits)
    address: Callable[[str], int] = lambda name: ctypes.cast(getattr(library, name), ctypes.c_void_p).value or 0  # noqa: E731
    return tuple(tuple(address(function) for function in pass_names(name, part)) for name, part in named.items())


def passes(cell: Cell, d_streams: bool, bits: int) -> dict[str, tuple[int, ...]]:
    """The addresses of a cell's passes in order, for "inference", "forward" and "backward"; compiled when first asked for."""
    with _lock:
        return dict(zip(("inference", "forward", "backward"), _passes(cell, d_streams, bits)))


def thread_pool() -> list[int]:
    """The addresses of GOMP_parallel, omp_get_thread_num and omp_get_num_threads in the OpenMP library that torch uses; zeros if none.

    Always the same list: in a child its addresses become zeros.
    """
    if not _thread_pool:
        _thread_pool[:] = _find_thread_pool()
    return _thread_pool


def _find_thread_pool() -> tuple[int, ...]:
    places = sorted((Path(torch.__file__).parent / "lib").glob("libgomp*.so*"))
    try:
        library = ctypes.CDLL(str(places[0]) if places else None)
        names = ("GOMP_parallel", "omp_get_thread_num", "omp_get_num_threads")
        return tuple(ctypes.cast(getattr(library, name), ctypes.c_void_p).value or 0 for name in names)
    except (OSError, AttributeError):
        return NOBODY
