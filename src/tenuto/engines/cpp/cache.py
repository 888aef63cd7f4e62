"""Compiled kernels on disk: keyed by source and machine; only this user's; either whole or not there; rebuilt when damaged.

A kernel is called KIND-KEY-COMPILER.so, and the last 32 bytes are the SHA-256 of its name and content: one that was cut short, or copied
under another name, is never loaded; nor is one that others could have written (`engines.trust`). Writers make a file of their own and
move it into place: processes may compile the same kernel at once, and readers see a whole one. Where the user's folder cannot be used,
a temporary one is, which is removed when the process ends.
"""

from __future__ import annotations

import atexit
import hashlib
import json
import os
import platform
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from tenuto.engines import notices, trust

ENVIRONMENT = "TENUTO_CACHE"
STALE_SECONDS = 3600.0  # no build takes that long
_DIGEST = 32
_NAME = re.compile(r"[a-z0-9_]+-[0-9a-f]{20}-[0-9a-f]{8}")
_CONTEST = re.compile(r"contests-[0-9a-f]{8}\.json")
_BUILDING, _TEMPORARY = ".building", "tenuto"  # each followed by -MACHINE-PROCESS-RANDOM
_OF_A_PROCESS = re.compile(r"(?:\.building|tenuto)-([0-9a-f]{6})-([0-9]+)-[a-z0-9_]+")


@dataclass(frozen=True)
class CacheReport:
    """What the cache holds; `fault`: why it is not used, in words."""

    folder: Path | None
    kernels: int
    size_bytes: int
    writable: bool
    fault: str


def folder() -> Path | None:
    """Where kernels are to be kept: TENUTO_CACHE, else tenuto/kernels in the user's cache folder; None where there is no home folder."""
    return _folder(os.environ.get(ENVIRONMENT), os.environ.get("XDG_CACHE_HOME"), os.environ.get("HOME"))


@lru_cache(maxsize=64)
def _folder(named: str | None, caches: str | None, home: str | None) -> Path | None:
    """The folder for these values of the environment; remembered, so that a relative path keeps its meaning when the working folder changes."""
    if named:
        expanded = os.path.expanduser(named)
        return None if expanded.startswith("~") else Path(os.path.abspath(expanded))
    if caches and os.path.isabs(caches):  # the XDG specification says that relative ones are ignored
        return Path(caches) / "tenuto" / "kernels"
    own = os.path.expanduser("~")  # Path.home() raises where there is neither HOME nor an entry for the user
    return Path(own, ".cache", "tenuto", "kernels") if home != "" and os.path.isabs(own) else None


def usable() -> Path | None:
    """The folder, with links resolved, if what lies there may be loaded; otherwise None, and one warning that says why."""
    place, fault = _examined()
    if fault:
        notices.once(f"the kernel cache is not used: {fault}. Each process compiles its kernels again; {ENVIRONMENT} can name another folder")
    return place


def _examined() -> tuple[Path | None, str]:
    """The folder, or why it cannot be used."""
    asked = folder()
    if asked is None:
        return None, f"{ENVIRONMENT}={os.environ[ENVIRONMENT]!r} names a home folder that does not exist" if os.environ.get(ENVIRONMENT) else "there is no home folder"
    place = Path(os.path.realpath(asked))
    fault = trust.folder_fault(place) or _without_programs(place)
    return (None, fault) if fault else (place, "")


def _without_programs(place: Path) -> str:
    """Why nothing can be loaded from a folder whose file system was mounted with noexec; "" for any other."""
    if not hasattr(os, "statvfs"):
        return ""
    nearest = next((parent for parent in (place, *place.parents) if os.path.exists(parent)), place)
    try:
        forbidden = os.statvfs(nearest).f_flag & getattr(os, "ST_NOEXEC", 0)
    except OSError:
        return ""
    return f"no program can be run from {trust.shown(place)} (it is mounted noexec)" if forbidden else ""


def places() -> Iterator[Path]:
    """Where a kernel may be built and loaded from: the user's folder, then a temporary one."""
    place = usable()
    if place is not None:
        yield place
    try:
        yield temporary()
    except OSError as error:
        notices.once(f"there is no folder for temporary kernels: {error}")


def temporary() -> Path:
    """A folder of this process alone, which is removed when it ends.

    Raises:
        OSError: the system's folder for temporary files cannot be used.
    """
    process = os.getpid()  # a forked child has one of its own: the parent removes this one
    place = _temporary.get(process)
    if place is None or not place.is_dir():
        base = Path(os.path.realpath(tempfile.gettempdir()))
        fault = trust.folder_fault(base) or _without_programs(base)
        if fault:
            raise OSError(fault)
        sweep(base)
        place = _temporary[process] = Path(tempfile.mkdtemp(prefix=_prefix(_TEMPORARY), dir=base))
        atexit.register(_remove_at_exit, place, process)
    return place


_temporary: dict[int, Path] = {}


def _remove_at_exit(place: Path, process: int) -> None:
    if os.getpid() == process:
        _remove(place)


def kept(stem: str, made_by: str | None) -> list[Path]:
    """The undamaged kernels KIND-KEY that are here, made by the compiler with this digest, or by any if None; the newest first."""
    places = [place for place in (usable(), _temporary.get(os.getpid())) if place is not None]
    files = [file for place in places for file in ([place / f"{stem}-{made_by}.so"] if made_by else _by_age(place, stem))]
    return [file for file in files if is_whole(file)]


def _by_age(place: Path, stem: str) -> list[Path]:
    try:
        found = [Path(entry.path) for entry in os.scandir(place) if entry.name.startswith(f"{stem}-") and entry.name.endswith(".so")]
        return sorted(found, key=lambda file: (-file.lstat().st_mtime, file.name))
    except OSError:
        return []


def keep(place: Path, name: str, build: Callable[[Path], None], source: str) -> Path:
    """Builds the library `name` by `build(path)` and puts it into a folder, with its source beside it.

    Raises:
        OSError: the folder cannot be written (read-only, disk full). Errors of `build` come through.
    """
    path = place / f"{name}.so"
    trust.make_folder(place)
    sweep(place)
    workplace = Path(tempfile.mkdtemp(prefix=_prefix(_BUILDING), dir=place))
    try:
        made = workplace / path.name
        text = made.with_suffix(".cpp")
        text.write_bytes(_first_line(name) + source.encode("utf-8", "backslashreplace"))
        build(made)
        with open(made, "r+b") as file:
            digest = _digest(name, file.read())
            file.write(digest)
        for each in (made, text):
            each.chmod(each.stat().st_mode & 0o755)  # some umasks let a group write
        os.replace(made, path)
        os.replace(text, path.with_suffix(".cpp"))
    finally:
        _remove(workplace)
    return path


def forget(path: Path) -> None:
    """Removes a kernel that turned out to be unusable."""
    for file in (path, path.with_suffix(".cpp")):
        try:
            file.unlink(missing_ok=True)
        except OSError:  # the next build replaces it, if there is one
            pass


def is_whole(path: Path) -> bool:
    """Whether a library is on the disk exactly as it was built under this name, and nobody else can have written it."""
    try:
        content = trust.read(path)
    except trust.DistrustedError as error:
        notices.once(f"a kernel in the cache is not loaded: {error}", "distrusted kernel")
        return False
    except OSError:
        return False
    return len(content) > _DIGEST and _digest(path.stem, content[:-_DIGEST]) == content[-_DIGEST:]


def _digest(name: str, content: bytes) -> bytes:
    return hashlib.sha256(b"tenuto kernel\0" + name.encode() + b"\0" + content).digest()


def _first_line(name: str) -> bytes:
    return f"// {name}: written by tenuto\n".encode()


def report() -> CacheReport:
    """What is in the cache."""
    asked = folder()
    if asked is None:
        return CacheReport(None, 0, 0, False, _examined()[1])
    sizes = [file.lstat().st_size for file in _entries(asked) if file.suffix == ".so" and _NAME.fullmatch(file.stem)]
    nearest = next((parent for parent in (asked, *asked.parents) if os.path.exists(parent)), asked)
    return CacheReport(asked, len(sizes), sum(sizes), os.access(nearest, os.W_OK), _examined()[1])


def clear() -> int:
    """Removes what tenuto wrote into the cache, and nothing else. Returns how many kernels there were; those already loaded stay so."""
    place, count = folder(), 0
    for file in _entries(place) if place is not None else []:
        if _is_ours(file):
            file.unlink(missing_ok=True)
            count += file.suffix == ".so"
    if place is not None:
        sweep(place)
    return count


def _is_ours(file: Path) -> bool:
    """Whether tenuto wrote a file: its name has our form, and so has its content."""
    named = _NAME.fullmatch(file.stem) is not None
    if named and file.suffix == ".so":
        return is_whole(file)
    try:
        if named and file.suffix == ".cpp":
            return trust.read(file).startswith(_first_line(file.stem))
        if _CONTEST.fullmatch(file.name):
            data = json.loads(trust.read(file))
            return isinstance(data, dict) and all(isinstance(value, int) for value in data.values())
    except (OSError, ValueError, RecursionError):
        pass
    return False


def _entries(place: Path) -> list[Path]:
    try:
        return sorted(place.iterdir())
    except OSError:
        return []


# --- what processes leave behind ------------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def _machine() -> str:
    """This machine's name in six digits: a folder on the network is shared by machines, and each numbers its own processes."""
    return hashlib.sha256(platform.node().encode("utf-8", "backslashreplace")).hexdigest()[:6]


def _prefix(purpose: str) -> str:
    return f"{purpose}-{_machine()}-{os.getpid()}-"


def sweep(place: Path) -> None:
    """Removes the folders of builds, and of temporary kernels, whose process has ended; of builds also those too old to be still running."""
    for folder in _entries(place):
        match = _OF_A_PROCESS.fullmatch(folder.name)
        try:
            if match is None or folder.is_symlink() or not folder.is_dir() or not trust.mine(folder.lstat()):
                continue
            old = folder.name.startswith(_BUILDING) and time.time() - folder.lstat().st_mtime > STALE_SECONDS
        except OSError:  # gone meanwhile
            continue
        if old or (match[1] == _machine() and _ended(int(match[2]))):
            _remove(folder)


def _ended(process: int) -> bool:
    """Whether a process of this machine has ended. On Windows, where asking would end it, always False."""
    if os.name == "nt":
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):  # somebody else's
        pass
    return False


def _remove(folder: Path) -> None:
    """Removes a folder with the kernels in it; the folder stays if it holds anything else."""
    try:
        for file in folder.iterdir():
            if _NAME.fullmatch(file.name.partition(".")[0]):
                file.unlink(missing_ok=True)
            elif _OF_A_PROCESS.fullmatch(file.name) and not file.is_symlink() and file.is_dir():
                _remove(file)
        folder.rmdir()
    except OSError:  # gone meanwhile, or in use (Windows): the next process removes it
        pass
