"""Compiled kernels on disk: keyed by source, compiler and machine; whole or not there at all; mended when damaged.

Each entry is one shared library with the SHA-256 of its content as the last 32 bytes, so that a file cut in half is never loaded.
Writers make a file of their own and move it into place: processes may compile the same kernel at once, and readers see a whole one.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from tenuto.errors import EngineError

ENVIRONMENT = "TENUTO_CACHE"
_DIGEST = 32


@dataclass(frozen=True)
class CacheReport:
    """What the cache holds."""

    folder: Path
    kernels: int
    size_bytes: int
    writable: bool


def folder() -> Path:
    """Where kernels are kept: TENUTO_CACHE, else tenuto/kernels in the user's cache folder."""
    return _folder(os.environ.get(ENVIRONMENT), os.environ.get("XDG_CACHE_HOME"), os.environ.get("HOME"))


@lru_cache(maxsize=16)
def _folder(named: str | None, caches: str | None, home: str | None) -> Path:
    """The folder for these values of the environment; asked at every call, so remembered."""
    if named:
        return Path(named)
    return Path(caches or Path.home() / ".cache") / "tenuto" / "kernels"


def report() -> CacheReport:
    """What is in the cache."""
    place = folder()
    sizes = [file.stat().st_size for file in place.glob("*.so")] if place.is_dir() else []
    nearest = next((parent for parent in (place, *place.parents) if parent.exists()), place)
    return CacheReport(place, len(sizes), sum(sizes), os.access(nearest, os.W_OK))


def clear() -> int:
    """Removes every kernel from the disk; how many there were. Those already loaded stay loaded."""
    place, count = folder(), 0
    for file in [*place.glob("*.so"), *place.glob("*.cpp")] if place.is_dir() else []:
        file.unlink(missing_ok=True)
        count += file.suffix == ".so"
    return count


def get(name: str, build: Callable[[Path], None], source: str) -> Path:
    """The path of the library `name`, from the disk, or built by `build(path)` and kept with its source beside it.

    Where the folder cannot be written (read-only, disk full) the library is built into a temporary folder of this process.

    Raises:
        EngineError: from `build`.
    """
    path = folder() / f"{name}.so"
    if is_whole(path):
        return path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        workplace = tempfile.mkdtemp(prefix=".building-", dir=path.parent)
    except OSError:
        return _build(Path(tempfile.mkdtemp(prefix="tenuto-")) / f"{name}.so", build, source)
    try:
        made = _build(Path(workplace) / f"{name}.so", build, source)
        os.replace(made, path)
        os.replace(made.with_suffix(".cpp"), path.with_suffix(".cpp"))
    except OSError as error:
        if isinstance(error, EngineError):
            raise
        return _build(Path(tempfile.mkdtemp(prefix="tenuto-")) / f"{name}.so", build, source)
    finally:
        for file in Path(workplace).glob("*"):
            file.unlink(missing_ok=True)
        Path(workplace).rmdir()
    return path


def _build(path: Path, build: Callable[[Path], None], source: str) -> Path:
    path.with_suffix(".cpp").write_text(source, encoding="utf-8")
    build(path)
    with open(path, "r+b") as file:
        digest = hashlib.sha256(file.read()).digest()
        file.write(digest)
    return path


def is_whole(path: Path) -> bool:
    """Whether a library is on the disk exactly as it was built."""
    try:
        content = path.read_bytes()
    except OSError:
        return False
    return len(content) > _DIGEST and hashlib.sha256(content[:-_DIGEST]).digest() == content[-_DIGEST:]
