"""The folder of an export: whole or not there. All files are written in a folder beside it, which then takes its place."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tenuto.errors import ArgumentError
from tenuto.files import PARTIAL, NotWritten, read_json, write_json
from tenuto.tongues import either

DATA = "export.json"
VERSION = 1


def require_room(folder: Path, *, overwrite: bool) -> None:
    """Raise ArgumentError where something stands that may not be replaced: anything but an empty folder, or with `overwrite` an export."""
    if not folder.resolve().parent.is_dir():
        raise ArgumentError(f"there is no folder {folder.parent} to write to.", fix="make it first")
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    if not folder.is_dir() or not (folder / DATA).is_file():
        raise ArgumentError(f"{folder} holds something that is no export.", expected="a new or empty folder", fix="choose another folder; nothing was written")
    if not overwrite:
        raise ArgumentError(f"{folder} holds an export already.", fix=f"choose another folder, or {either('overwrite=True', 'add --overwrite')}")


@contextmanager
def whole(folder: Path) -> Iterator[Path]:
    """A folder to write in, which becomes `folder` when the block ends well and vanishes when it does not.

    Raises:
        NotWritten: the system does not let it be written; what stood there is unchanged.
    """
    try:
        made = Path(tempfile.mkdtemp(dir=folder.resolve().parent, prefix=f".{folder.name}.", suffix=PARTIAL))
    except OSError as error:
        raise _not_written(folder, error) from error
    try:
        os.chmod(made, 0o755)
        yield made
        _take_place(made, folder)
    except OSError as error:
        raise _not_written(folder, error) from error
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _take_place(made: Path, folder: Path) -> None:
    if not folder.exists():
        os.rename(made, folder)
        return
    before = Path(tempfile.mkdtemp(dir=folder.resolve().parent, prefix=f".{folder.name}.", suffix=PARTIAL))
    os.rename(folder, before / "before")
    try:
        os.rename(made, folder)
    except OSError:
        os.rename(before / "before", folder)
        raise
    finally:
        shutil.rmtree(before, ignore_errors=True)


def _not_written(folder: Path, error: OSError) -> NotWritten:
    return NotWritten(f"{folder} could not be written: {error.strerror or error}.", expected="room on the disk and the right to write there", fix="make room or choose another place, and try again")


def write_data(folder: Path, data: dict[str, object]) -> None:
    """Write export.json."""
    write_json(folder / DATA, {"format_version": VERSION, **data})


def read_data(folder: Path) -> dict[str, object]:
    """What export.json holds.

    Raises:
        RunError: it is missing or not JSON.
    """
    found: dict[str, object] = read_json(folder / DATA)
    return found
