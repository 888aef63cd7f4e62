"""One run at a time in a folder: a lock file that says which process holds it, so that a live run is told from one that was killed.

`.lock` has the number of the process and when it began, as JSON: numbers are given out again, a number with its beginning is not. A child
has another number than its parent, so it neither holds its parent's lock nor gives it back. Nothing has to be cleaned up after a kill: the
next run sees that the process is gone, and takes the folder.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from tenuto.errors import RunError

FILE = ".lock"

_mine: dict[tuple[int, str], int] = {}  # by process and folder: how often this process has taken the lock and not given it back


class Holder(NamedTuple):
    """A process: its number, when it began (as its system says it), the name of its machine."""

    process: int
    began: str
    machine: str

    @property
    def lives(self) -> bool:
        """Whether it still runs. Of another machine's process nobody here can tell, so it counts as alive."""
        return self.machine != platform.node() or (self.began != "" and _began(self.process) == self.began)


@contextlib.contextmanager
def held(folder: str | Path) -> Iterator[Holder | None]:
    """Keeps other processes out of an existing folder, for the block. Yields the process whose lock was left behind when it was killed, if there is one.

    Inside another such block of the same process nothing more happens. If the block fails, the lock file is again what it was before.

    Raises:
        RunError: a live process holds the folder, or the lock cannot be written.
    """
    me = (os.getpid(), os.path.realpath(folder))
    before = None if me in _mine else _take(Path(folder))
    _mine[me] = _mine.get(me, 0) + 1
    left = b""
    try:
        yield _holder(before)
    except BaseException:
        left = before or b""
        raise
    finally:
        if os.getpid() == me[0]:  # not in a child that leaves its parent's block
            _mine[me] -= 1
            if not _mine[me]:
                del _mine[me]
                _give_back(Path(folder), left)


def holder_of(folder: str | Path) -> Holder | None:
    """The live process, other than this one, that holds a folder; None if there is none."""
    try:
        holder = _holder((Path(folder) / FILE).read_bytes())
    except OSError:
        return None
    return holder if holder is not None and holder.lives and holder.process != os.getpid() else None


def _take(folder: Path) -> bytes:
    """Write this process into the lock file; returns what was there."""
    try:
        with _opened(folder / FILE) as file:
            before = file.read()
            holder = _holder(before)
            if holder is not None and holder.lives and holder.process != os.getpid():
                where = "" if holder.machine == platform.node() else f" on {holder.machine}"
                raise RunError(
                    f"{folder} is in use: process {holder.process}{where} runs there.",
                    expected="a folder that no other run uses",
                    fix="wait until it ends, or stop it, or choose another folder" + (f"; if it has ended, delete {folder / FILE}" if where else ""),
                )
            _fill(file, json.dumps(Holder(os.getpid(), _began(os.getpid()), platform.node())._asdict()).encode())
            return before
    except OSError as error:
        raise RunError(f"{folder} cannot be used for a run: {error.strerror or error}.", expected="room on the disk and the right to write there", fix="choose another folder") from error


def _give_back(folder: Path, left: bytes) -> None:
    with contextlib.suppress(OSError):  # the folder may be gone; a lock that stays is that of a process that has ended
        if left:
            with _opened(folder / FILE) as file:
                _fill(file, left)
        else:
            os.unlink(folder / FILE)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    """The lock file, open for reading and writing; nobody else has it open in this way meanwhile."""
    while True:
        with open(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), "r+b", buffering=0) as file:
            with contextlib.suppress(ImportError):  # Windows has no such locks
                import fcntl

                fcntl.flock(file, fcntl.LOCK_EX)
            try:
                same = os.path.samestat(os.stat(path), os.fstat(file.fileno()))
            except FileNotFoundError:
                same = False
            if same:  # else it was given back while we waited, and another file may have taken its name
                yield file
                return


def _fill(file: BinaryIO, content: bytes) -> None:
    file.seek(0)
    file.truncate()
    file.write(content)


def _holder(content: bytes | None) -> Holder | None:
    """Who wrote this lock file; None for an empty or a damaged one, as a full disk leaves it."""
    try:
        data = json.loads(content or b"null")
        return Holder(int(data["process"]), str(data["began"]), str(data["machine"]))
    except (ValueError, TypeError, KeyError):
        return None


def _began(process: int) -> str:
    """When a process began; "" where it has ended, or where the system cannot say it (Windows): there a lock keeps nobody out."""
    if sys.platform == "linux":
        try:
            state, *rest = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
            machine = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        except (OSError, ValueError):
            return ""
        return "" if state in "ZX" else f"{machine} {rest[18]}"  # a zombie has ended; field 22 is the time of the beginning since the machine's
    if sys.platform == "win32":
        return ""
    said = subprocess.run(["ps", "-o", "lstart=", "-p", str(process)], capture_output=True, text=True, check=False)
    return said.stdout.strip()
