"""The folder of several trainings, a search or a comparison: whether it can be used, and its results as one file of plain data."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tenuto.errors import RunError
from tenuto.files import read_json, write_json
from tenuto.runs.surroundings import machine, now, versions


@dataclass(frozen=True)
class Trainings:
    """What such folders are called and hold.

    Args:
        name: "search" or "comparison". file: of the results. version: of its format.
        goes_on: the files without which there is nothing to go on with. own: all files that such a folder may have.
    """

    name: str
    file: str
    version: int
    goes_on: Set[str]
    own: Set[str]

    @property
    def format(self) -> str:
        """As the file of the results says it."""
        return f"tenuto {self.name}"

    def claim(self, folder: str | Path, *, overwrite: bool = False) -> bool:
        """Make sure that one can be kept in `folder`, before any time is spent. Returns whether there is one to go on with.

        Args:
            overwrite: remove an earlier one.
        Raises:
            RunError: the folder holds something else, or cannot be used.
        """
        folder = Path(folder)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            names = {entry.name for entry in folder.iterdir() if not entry.name.endswith(".partial")}
            there = all((folder / name).is_file() for name in self.goes_on)
            if there and overwrite:
                for name in self.own:
                    (folder / name).unlink(missing_ok=True)
        except OSError as error:
            raise RunError(f"{folder} cannot be used for a {self.name}: {error.strerror}.", fix="choose another folder") from error
        if not there and names - self.goes_on:
            raise RunError(
                f"{folder} is not empty, and what it holds is not a {self.name}.",
                expected=f"a new or empty folder, or the folder of a {self.name}",
                received=", ".join(sorted(names)[:8]),
                fix="choose another folder; nothing was written",
            )
        return there and not overwrite

    def is_in(self, folder: str | Path) -> bool:
        """Whether this is the folder of one."""
        return (Path(folder) / self.file).is_file()

    def write(self, folder: str | Path, results: Mapping[str, Any]) -> None:
        """Write the file, whole or not at all: `results`, and the keys for format, versions and machine."""
        known = {"format": self.format, "format_version": self.version, "tenuto": versions()["tenuto"], "created": now()}
        write_json(Path(folder) / self.file, {**known, **results, "machine": machine(), "versions": versions()})

    def read(self, folder: str | Path) -> dict[str, Any]:
        """Read the file.

        Raises:
            RunError: there is none, or it is not ours.
        """
        path = Path(folder) / self.file
        data = read_json(path)
        if not isinstance(data, dict) or data.get("format") != self.format or data.get("format_version") != self.version:
            raise RunError(
                f"{path} is not a {self.name} that this version of tenuto can read.", expected=f'"format": "{self.format}", "format_version": {self.version}', fix="check the path"
            )
        return data
