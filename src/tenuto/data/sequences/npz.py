"""Sequences from a numpy `.npz` file, in any of three layouts.

    steps one after another   values [sum of T, C], lengths [N]
    padded                    values [N, T, C], lengths [N] (optional)
    one group for each part   x_train [sum of T, C], len_train [N], y_train [N], and the same for `validation` and `test`

The first two may add: labels [N], ids [N], channels [C], split [N] ("train", "validation" or "test"). The third may add channels [C].
Files are read with `allow_pickle=False`: an array of Python objects is refused, never unpickled.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tenuto.data.decode import naming, read_source
from tenuto.data.parts import SPLITS, named_by_file
from tenuto.data.sequences.sequences import Sequences
from tenuto.errors import DataError

LAYOUTS = "values [steps, C] + lengths [N], or values [N, T, C], with labels [N] and split [N]; or x_train, len_train, y_train, x_test, ..."
# The arrays that are read; what else a file holds stays where it is.
_LABELS = {"labels", *(f"y_{part}" for part in SPLITS)}
_READ = {"values", "lengths", "ids", "channels", "split", *_LABELS, *(f"{kind}_{part}" for kind in ("x", "len") for part in SPLITS)}


def read_npz(path: Path, *, labels: bool = True) -> dict[str, Sequences]:
    """The parts of the file by split name; "all" where it has none.

    Args:
        labels: whether to take the labels.

    Raises:
        DataError: the file is not npz, is truncated, holds Python objects, or has another layout.
    """
    source = read_source(path)
    try:
        # If numpy is given a file's name and cannot read the file, it leaves it open.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            known = [name for name in archive.files if name in (_READ if labels else _READ - _LABELS)]
            for name in known:
                _check_claim(archive, name)
            arrays = {name: archive[name] for name in known}
            others = [name for name in archive.files if name not in arrays]
    except Exception as error:  # numpy, its parser of headers and the decompressors have errors of many kinds
        reason = "it does not fit into memory" if isinstance(error, MemoryError) else str(error)
        raise DataError(
            f"{path} cannot be read: {reason[:100] or type(error).__name__}.",
            expected="a whole .npz file with arrays of numbers and text",
            fix="copy it again; arrays of Python objects (dtype=object) are refused: save numbers and text",
        ) from error
    groups = [name for name in SPLITS if f"x_{name}" in arrays]
    try:
        with naming(path):
            if not groups:
                whole = _whole(arrays, {"channels": arrays.get("channels"), "came_from": source, "ids": arrays.get("ids")})
                return {"all": whole} if arrays.get("split") is None else whole.parts(arrays["split"])
            return {
                name: _whole(
                    {"values": arrays[f"x_{name}"], "lengths": arrays[f"len_{name}"], "labels": arrays.get(f"y_{name}")},
                    {"channels": arrays.get("channels"), "came_from": replace(source, name=f"{path.stem} {name}", origin=named_by_file(name))},
                )
                for name in groups
            }
    except KeyError as error:
        raise DataError(
            f"{path} lacks the array {error}.",
            expected=LAYOUTS,
            received=", ".join([*(f"{name} {list(array.shape)}" for name, array in arrays.items()), *(f"{name:.40}" for name in others[:8])]) or "no array",
        ) from error


def _check_claim(archive: Any, name: str) -> None:
    """Raise ValueError unless an array's header tells of as many bytes as the archive has for it: numpy takes the memory before it reads."""
    member = f"{name}.npy"
    with archive.zip.open(member) as file:
        version = np.lib.format.read_magic(file)
        read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}.get(version)
        if read is None:
            raise ValueError(f"the array {name} is in version {version} of numpy's format")
        shape, _, kind = read(file)
        wanted, there = math.prod(shape) * kind.itemsize, archive.zip.getinfo(member).file_size - file.tell()
    if kind.hasobject:
        raise ValueError(f"the array {name} holds Python objects")
    if wanted != there or min(shape, default=0) < 0:
        raise ValueError(f"the array {name} should have {wanted} bytes, but has {there}")


def _whole(arrays: dict[str, Any], more: dict[str, Any]) -> Sequences:
    values, lengths = arrays["values"], arrays.get("lengths")
    if values.ndim == 3:
        padded = Sequences.from_arrays(values, lengths=lengths)
        return Sequences(padded.values, arrays.get("labels"), **more)
    lengths = arrays["lengths"]
    if values.ndim != 2 or lengths.ndim != 1 or not np.issubdtype(lengths.dtype, np.integer):
        raise DataError(
            "its arrays have shapes that fit no layout.",
            expected=LAYOUTS,
            received=f"values {list(values.shape)}, lengths {list(lengths.shape)} {lengths.dtype}",
        )
    if (lengths < 1).any():
        raise DataError(f"the sequence at position {int(np.argmin(lengths))} is empty.", expected="lengths of 1 or more", fix="leave it out")
    lengths = np.minimum(lengths, len(values) + 1).astype(np.int64)  # unsigned ones too; and no sum of them wraps around
    if lengths.sum(dtype=np.int64) != len(values):
        raise DataError(
            f"the lengths add up to {lengths.sum(dtype=np.int64)} steps but there are {len(values)}.",
            expected="lengths [N] whose sum is the number of rows of values",
            received=f"values {list(values.shape)}, lengths {list(lengths.shape)}",
        )
    ends = np.cumsum(lengths, dtype=np.int64)
    return Sequences([values[end - length : end] for end, length in zip(ends, lengths)], arrays.get("labels"), **more)
