"""Plain data and tensors as two files of a folder: the JSON file has the digest of the other one, so that neither is read with a file that it was not written with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from tenuto.errors import RunError
from tenuto.files import read_json, read_tensors, sha256_of, write_json, write_tensors


class PairOfFiles(NamedTuple):
    """Two files by name, and the version of their form. `said` names what they hold, as in "has ... already"."""

    data: str
    tensors: str
    version: int
    said: str

    def require_room(self, folder: Path, *, overwrite: bool) -> None:
        """Make the folder.

        Raises:
            RunError: it has such files already, or cannot be made.
        """
        if (folder / self.data).exists() and not overwrite:
            raise RunError(f"{folder} has {self.said} already.", fix="choose another folder, or overwrite=True")
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunError(f"{folder} cannot be made: {error.strerror or error}.", fix="choose another folder") from error

    def write(self, folder: Path, data: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Path:
        """Write both files, the tensors first; returns the folder."""
        write_tensors(folder / self.tensors, {name: torch.from_numpy(np.array(array)) for name, array in arrays.items()})
        write_json(folder / self.data, {"format_version": self.version, "tensors_sha256": sha256_of(folder / self.tensors), **data})
        return folder

    def arrays(self, folder: Path, data: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """The arrays that were written with `data`, which `read_json` gave.

        Raises:
            RunError: another version, or another file. LookupError, TypeError: the data is something else.
        """
        if data["format_version"] != self.version:
            raise RunError(f"{folder} was written by another version of tenuto.", received=f"format_version {data['format_version']}", fix="install a newer tenuto")
        path = folder / self.tensors
        if not path.is_file() or sha256_of(path) != data["tensors_sha256"]:
            raise RunError(f"{path} is not the file that {self.data} was written with.", expected="both files as they were saved", fix="restore the folder from a copy")
        return {name: tensor.numpy() for name, tensor in read_tensors(path).items()}

    def read(self, folder: Path) -> Any:
        """The plain data."""
        return read_json(folder / self.data)
