"""Whose files are trusted: this user's or root's, which nobody else can change, in folders where nobody else can swap them.

A compiled kernel is code that runs as this user, so whoever can put one into the cache can do what this user can. A folder is trusted
if others can write neither to it nor to any folder above it (or, as in the system's folder for temporary files, cannot move what
is not theirs). Then the file that was checked is the file that is opened next. On systems where files have no owner and mode (Windows),
neither is checked: a user's cache folder is the user's own there.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

LARGEST = 1 << 28  # bytes: no file of ours is as large
_WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH


class DistrustedError(OSError):
    """A file is not one that this user alone can have written."""


def shown(path: Path) -> str:
    """A path as a message can print it, whatever bytes it is made of."""
    return str(path).encode("utf-8", "backslashreplace").decode()


def folder_fault(folder: Path) -> str:
    """Why others could put files into this folder, in words; "" if they cannot. `folder`: absolute and without symbolic links.

    What does not exist yet has no fault: `make_folder` makes it for this user alone.
    """
    for place in (folder, *folder.parents):
        try:
            state = os.lstat(place)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            return f"{shown(place)} cannot be looked at ({error.strerror})"
        if not stat.S_ISDIR(state.st_mode):
            return f"{shown(place)} is not a folder"
        if not _believed(state):
            return f"{shown(place)} belongs to another user (number {state.st_uid})"
        if _others_write(state) and not state.st_mode & stat.S_ISVTX:
            return f"others can write to {shown(place)} (chmod go-w mends this, if nobody else needs to write there)"
    return ""


def make_folder(folder: Path) -> None:
    """Makes a folder, and those above it that are missing, for this user alone.

    Raises:
        OSError: it cannot be made.
    """
    missing = []
    for place in (folder, *folder.parents):
        if os.path.exists(place):
            break
        missing.append(place)
    for place in reversed(missing):  # mkdir(parents=True) would give the upper ones the mode that the umask leaves
        try:
            place.mkdir(mode=0o700)
        except FileExistsError:  # by another process at the same time
            if not place.is_dir():
                raise


def read(path: Path) -> bytes:
    """The content of a file that this user or root alone can have written.

    Raises:
        DistrustedError: it is somebody else's, others can write to it, or it is no plain file (a link, a pipe, a folder).
        OSError: it cannot be read.
    """
    # A link is not followed, and a pipe that nobody writes to is not waited for.
    flags = os.O_RDONLY | sum(getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_BINARY"))
    if path.is_symlink():
        raise DistrustedError(f"{shown(path)} is a symbolic link.")
    handle = os.open(path, flags)
    try:
        state = os.fstat(handle)
        if not stat.S_ISREG(state.st_mode):
            raise DistrustedError(f"{shown(path)} is not a plain file.")
        if not _believed(state):
            raise DistrustedError(f"{shown(path)} belongs to another user (number {state.st_uid}).")
        if _others_write(state):
            raise DistrustedError(f"others can write to {shown(path)}.")
        if state.st_size > LARGEST:
            raise DistrustedError(f"{shown(path)} is too large.")
        with open(handle, "rb", closefd=False) as file:
            return file.read()
    finally:
        os.close(handle)


def mine(state: os.stat_result) -> bool:
    """Whether this user owns it."""
    return not hasattr(os, "geteuid") or state.st_uid == os.geteuid()


def _believed(state: os.stat_result) -> bool:
    return mine(state) or state.st_uid == 0


def _others_write(state: os.stat_result) -> bool:
    return hasattr(os, "geteuid") and bool(state.st_mode & _WRITABLE_BY_OTHERS)
