"""Loaded kernels: the time loop (one library for each dtype) and each cell's passes; and the threads of torch's own pool."""

from __future__ import annotations

import ctypes
import hashlib
import os
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path

import torch

from tenuto import process
from tenuto.cell import Cell
from tenuto.engines import notices, trust
from tenuto.engines.cpp import cache, compiler
from tenuto.engines.cpp.printer import pass_names, print_passes
from tenuto.engines.problem import Form
from tenuto.errors import EngineError
from tenuto.program import Traced, trace
from tenuto.program.cell_schedule import schedule_cell
from tenuto.program.schedule import Schedule

KERNELS = Path(__file__).parent / "kernels"
_lock = threading.Lock()
NOBODY = (0, 0, 0)
_thread_pool: list[int] = []


@process.in_child
def _renew() -> None:
    """A child has no other threads: one that was building a kernel is not there to finish it, so the child builds its own."""
    global _lock
    _lock = threading.Lock()
    _thread_pool[:] = NOBODY


@lru_cache(maxsize=1)
def _headers() -> str:
    texts = [file.read_text(encoding="utf-8") for file in sorted(KERNELS.glob("*.h"))]
    return hashlib.sha256("".join(texts).encode()).hexdigest()


@lru_cache(maxsize=1)
def edition() -> str:
    """Eight digits that change with the kernels' sources: what was measured with other sources does not hold for these."""
    loop = (KERNELS / "loop.cpp").read_text(encoding="utf-8")
    return hashlib.sha256((_headers() + loop).encode()).hexdigest()[:8]


def build(name: str, source: str, bits: int, functions: Sequence[str] = ()) -> ctypes.CDLL:
    """The library made from a source, with these functions in it: from the cache, or the compiler, or another compiler or folder.

    A kernel that this compiler has not built yet is built, even if the cache has one by another; where there is no compiler, or none that
    succeeds, any compiler's will do.

    Raises:
        EngineError: there is no compiler, or it failed, or nothing that it builds can be loaded.
    """
    parts = [_without_comments(source), _headers(), str(bits), *compiler.flags(), compiler.machine().digest]
    key = hashlib.sha256(chr(0).join(parts).encode("utf-8", "backslashreplace")).hexdigest()[:20]
    stem = f"{_plain(name)}-{key}"
    found = compiler.find()
    library = _load_kept(stem, found.digest if found else None, functions)
    if library is not None:
        return library
    if found is None:
        raise EngineError(f"{compiler.missing()}.", fix="engine='auto' uses another engine until there is one")
    try:
        return _compile(stem, source, bits, functions)
    except EngineError as error:
        library = _load_kept(stem, None, functions)
        if library is None:
            raise
        notices.once(f"{error.what.removesuffix('.')}: kernels that another compiler built are used instead", error.what)
        return library


def _without_comments(source: str) -> str:
    """A source without the comments, which name lines of the cell's file: a cell that moves within its file needs no new kernel."""
    return re.sub(r"//.*", "", source)


def _plain(name: str) -> str:
    """A name as a part of a file name: a class may be called anything, even "../../x"."""
    return re.sub(r"[^a-z0-9_]", "", name.lower())[:40] or "cell"


def _load_kept(stem: str, made_by: str | None, functions: Sequence[str]) -> ctypes.CDLL | None:
    for path in cache.kept(stem, made_by):
        try:
            return _open(path, functions)
        except OSError:  # built for another system
            continue
    return None


def _open(path: Path, functions: Sequence[str]) -> ctypes.CDLL:
    """Loads a library.

    Raises:
        OSError: it cannot be loaded, or lacks one of the functions.
    """
    library = ctypes.CDLL(str(path))
    for name in functions:
        if not hasattr(library, name):
            raise OSError(f"it has no function {name}")
    return library


def _compile(stem: str, source: str, bits: int, functions: Sequence[str]) -> ctypes.CDLL:
    """Builds a library with the first compiler, and in the first folder, from which it can be loaded.

    Raises:
        EngineError: there is none; says why the first compiler failed.
    """
    failed: list[tuple[compiler.Compiler, Path, EngineError]] = []
    for found in compiler.every():
        for place in cache.places():
            try:
                library = _build_in(place, found, stem, source, bits, functions)
            except EngineError as error:
                failed.append((found, place, error))
                if not compiler.works(found):
                    break
            else:
                _say_what_failed(found, failed)
                return library
    if not failed:
        raise EngineError("there is no folder in which a kernel can be built.", fix=f"set {cache.ENVIRONMENT} to a folder that only you can write to")
    raise [error for found, _, error in failed if found == failed[0][0]][-1]


def _build_in(place: Path, found: compiler.Compiler, stem: str, source: str, bits: int, functions: Sequence[str]) -> ctypes.CDLL:
    """Builds a library into a folder and loads it. Whatever goes wrong is an EngineError."""
    defines = {"REAL_BITS": bits, "VECTOR_BYTES": compiler.machine().vector_bytes}

    def make(path: Path) -> None:
        found.compile(str(path.with_suffix(".cpp")), str(path), str(KERNELS), defines)

    try:
        path = cache.keep(place, f"{stem}-{found.digest}", make, source)
    except OSError as error:
        raise EngineError(f"nothing can be written to {trust.shown(place)} ({error.strerror or error}).") from None
    try:
        return _open(path, functions)
    except OSError as error:
        cache.forget(path)
        raise EngineError(f"a kernel that {found.command[0]} built cannot be loaded.", received=str(error)) from None


def _say_what_failed(found: compiler.Compiler, failed: Sequence[tuple[compiler.Compiler, Path, EngineError]]) -> None:
    """One warning for each compiler and folder that was tried before something worked."""
    for other, place, error in failed:
        what = error.what.removesuffix(".")
        if other != found:
            compiler.give_up(other, what)
            notices.once(f"{what}: {found.command[0]} builds kernels instead", what)
        else:
            notices.once(f"kernels are not kept in {trust.shown(place)}: {what}. Each process compiles them again", str(place))


def bits_of(dtype: torch.dtype) -> int:
    """The size of a number in the kernels."""
    return torch.finfo(dtype).bits


def _build_loop(bits: int) -> ctypes.CDLL:
    functions = ("tenuto_run", "tenuto_lanes", "tenuto_panel", "tenuto_integers", "tenuto_bfloat16", "tenuto_matrix_units")
    return build(f"loop{bits}", (KERNELS / "loop.cpp").read_text(encoding="utf-8"), bits, functions)


@lru_cache(maxsize=None)
def _loop(bits: int) -> ctypes.CDLL:
    library = _build_loop(bits)
    library.tenuto_run.restype = None
    library.tenuto_run.argtypes = [ctypes.c_void_p] * 4
    return library


@lru_cache(maxsize=None)
def has_matrix_units(dtype: torch.dtype) -> bool:
    """Whether products of this dtype can run on matrix units: the processor has them, and the system lets this process use them."""
    return bool(loop(bits_of(dtype)).tenuto_matrix_units())


def multiplies_bfloat16() -> bool:
    """Whether this processor multiplies pairs of bfloat16 at once."""
    return bool(loop(32).tenuto_bfloat16())


_MULTIPLIED = ("plain C++", "AVX2", "AVX-VNNI", "AVX-512 VNNI")


def integers_by(static: int = 0) -> str:
    """What multiplies whole numbers on this machine. static: see `Form.static`."""
    kernel = loop(32).tenuto_integers()
    if static == 16:  # AVX-VNNI's products of four are of 8 bits
        return f"{_MULTIPLIED[1 if kernel == 2 else kernel]}, 16 bits by 8"
    return f"{_MULTIPLIED[kernel]}{', static scales' if static else ''}"


def lanes() -> int:
    """How many numbers of 32 bits a vector has: so many parts does a sum over channels have."""
    return int(loop(32).tenuto_lanes())


def loop(bits: int) -> ctypes.CDLL:
    """The time loop for numbers of 32 or 64 bits."""
    with _lock:
        return _loop(bits)


def build_written(name: str, bits: int, functions: Sequence[str] = ()) -> ctypes.CDLL:
    """The library of kernels/NAME.cpp, which is written by hand; see `written.py`.

    Raises:
        EngineError: it cannot be built.
    """
    with _lock:
        return build(f"{name}{bits}", (KERNELS / f"{name}.cpp").read_text(encoding="utf-8"), bits, functions)


def _build_passes(traced: Traced, d_streams: bool, bits: int, divide: bool = False) -> tuple[ctypes.CDLL, dict[str, list[str]]]:
    """A cell's library, and the names of its functions by schedule."""
    cell, schedules = traced.cell, schedule_cell(traced, d_streams)
    named: dict[str, Schedule] = {
        "inference": schedules.inference, "forward": schedules.forward, "backward": schedules.backward,
    }  # fmt: skip
    names = {name: pass_names(name, part) for name, part in named.items()}
    title = " ".join(ascii(cell).split())  # on one line, since it stands in a comment of the source
    library = build(f"{type(cell).__name__}{bits}", print_passes(title, named, divide), bits, [name for each in names.values() for name in each])
    return library, names


@lru_cache(maxsize=None)
def _passes(traced: Traced, d_streams: bool, bits: int, divide: bool) -> tuple[tuple[int, ...], ...]:
    library, names = _build_passes(traced, d_streams, bits, divide)
    address: Callable[[str], int] = lambda name: ctypes.cast(getattr(library, name), ctypes.c_void_p).value or 0  # noqa: E731
    return tuple(tuple(address(function) for function in functions) for functions in names.values())


def passes(traced: Traced, d_streams: bool, bits: int, integers: bool = False) -> dict[str, tuple[int, ...]]:
    """The addresses of a cell's passes in order, for "inference", "forward" and "backward"; compiled when first asked for.

    Args:
        integers: they stand between products of whole numbers, and are to give the same bits on every processor: only the widest vectors need other kernels for that.
    """
    with _lock:
        divide = integers and bits == 32 and compiler.machine().vector_bytes == 64
        return dict(zip(("inference", "forward", "backward"), _passes(traced, d_streams, bits, divide)))


def fill(cell: Cell) -> Iterator[Path]:
    """Builds, or finds in the cache, all that a cell's loops need, in float32 and in float64, forward and backward; the path of each library.

    Raises:
        EngineError: one cannot be built.
    """
    for bits in (32, 64):
        yield Path(_build_loop(bits)._name)
        for d_streams in (False, True) if cell.widths("streams") else (False,):
            yield Path(_build_passes(trace(cell), d_streams, bits)[0]._name)


_ready: set[tuple[int, torch.dtype, bool]] = set()
_obstacles: dict[object, str] = {}
_MOST = 4096  # of each that are remembered


def setting() -> tuple[str | None, ...]:
    """What the environment says of compilers and folders: where that changes, what failed may succeed."""
    return tuple(map(os.environ.get, ("PATH", compiler.ENVIRONMENT, compiler.FLAGS_ENVIRONMENT, cache.ENVIRONMENT)))


def obstacle(form: Form, dtype: torch.dtype, gradients: bool) -> str:
    """Why there are no kernels for this, in words; "" if there are, and then they are loaded. What failed once is not tried again."""
    asked = (form.number, dtype, gradients)
    if asked in _ready:
        return ""
    tried = asked, setting()
    reason = _obstacles.get(tried)
    if reason is None:
        for remembered in (_ready, _obstacles):
            if len(remembered) >= _MOST:
                remembered.clear()
        reason = _obstacles[tried] = _load_all(form, bits_of(dtype), gradients)
        if not reason:
            _ready.add(asked)
    return reason


def _load_all(form: Form, bits: int, gradients: bool) -> str:
    """Loads the kernels of a cell; why that is not possible, in words, or ""."""
    try:
        loop(bits)
        passes(form.traced, False, bits, form.integers)
        if gradients and form.cell.widths("streams") and compiler.find() is None:  # backward's could not be built later
            passes(form.traced, True, bits)
    except EngineError as error:
        return str(error)
    return ""


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
