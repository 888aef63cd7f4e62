"""Sequences from a numpy `.npz` file, in any of four layouts.

    steps one after another   values [sum of T, C], lengths [N]
    padded                    values [N, T, C], lengths [N] (optional)
    one group for each part   x_train [sum of T, C], len_train [N], y_train [N], and the same for `validation` and `test`
    as Keras writes it        x_train [N, T, C], or [N, T] of one channel; y_train [N] or [N, 1]; x_test, y_test; perhaps x_val, y_val (or valid, validation)

The first two may add: labels [N], ids [N], channels [C], split [N] ("train", "validation" or "test"). The others may add channels [C]. X and Y may be large letters.
Files are read with `allow_pickle=False`: an array of Python objects is refused, never unpickled.
"""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tenuto.data.compressed import opened
from tenuto.data.decode import naming, opening, read_source
from tenuto.data.parts import SPLITS, named_by_file, split_name
from tenuto.data.sequences.columns import USUAL, Columns
from tenuto.data.sequences.sequences import Sequences
from tenuto.errors import DataError

LAYOUTS = "values [steps, C] + lengths [N], or values [N, T, C], with labels [N] and split [N]; or x_train [N, T, C], y_train [N], x_test, ...; or x_train [steps, C], len_train, ..."
# The arrays that are read; what else a file holds stays where it is.
_WHOLE = ("values", "lengths", "labels", "ids", "channels", "split")
_OF_A_PART = re.compile(r"(x|y|len)_(\w{1,20})", re.IGNORECASE | re.ASCII)


def read_npz(path: Path, columns: Columns = USUAL, *, labels: bool = True) -> dict[str, Sequences]:
    """The parts of the file by split name; "all" where it has none.

    Args:
        columns: whether `labels` and y are labels or targets; targets may be [N, K].
        labels: whether to take them.

    Raises:
        DataError: the file is not npz, is truncated, holds Python objects, or has another layout.
    """
    source = read_source(path)
    with opening(path):
        content = opened(path)
    try:
        # If numpy is given a file's name and cannot read the file, it leaves it open.
        with content as file, np.load(file, allow_pickle=False) as archive:
            meanings = {name: meant for name in archive.files if (meant := _meaning(name))}
            known = {name: meant for name, meant in meanings.items() if labels or not (meant == "labels" or meant.startswith("y_"))}
            twice = next((name for name, meant in known.items() if list(known.values()).count(meant) > 1), None)
            if twice is not None:
                raise ValueError(f"two arrays are {known[twice]}: {', '.join(name for name in known if known[name] == known[twice])}")
            for name in known:
                _check_claim(archive, name)
            arrays = {meant: archive[name] for name, meant in known.items()}
            others = [name for name in archive.files if name not in known]
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
                whole = _whole(arrays, columns, {"channels": arrays.get("channels"), "came_from": source, "ids": arrays.get("ids")})
                return {"all": whole} if arrays.get("split") is None else whole.parts(arrays["split"])
            return {
                name: _part(
                    arrays, columns, name, f"y_{name}" in meanings.values(), {"channels": arrays.get("channels"), "came_from": replace(source, name=f"{source.name} {name}", origin=named_by_file(name))}
                )
                for name in groups
            }
    except KeyError as error:
        raise DataError(
            f"{path} lacks the array {error}.",
            expected=LAYOUTS,
            received=", ".join([*(f"{name} {list(array.shape)}" for name, array in arrays.items()), *(f"{name:.40}" for name in others[:8])]) or "no array",
        ) from error


def _meaning(name: str) -> str | None:
    """What an array is, by its name, as this file calls it; None where it is not read.

    Example:
        >>> _meaning("X_train"), _meaning("y_val"), _meaning("values"), _meaning("x_mean")
        ('x_train', 'y_validation', 'values', None)
    """
    match = _OF_A_PART.fullmatch(name)
    if match is None:
        return name if name in _WHOLE else None
    try:
        return f"{match[1].lower()}_{split_name(match[2])}"
    except DataError:
        return None


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


def _part(arrays: dict[str, Any], columns: Columns, name: str, labelled: bool, more: dict[str, Any]) -> Sequences:
    """A part that has arrays of its own: steps one after another where there are lengths, else as Keras writes it, with labels where x is a matrix."""
    values, labels = arrays[f"x_{name}"], arrays.get(f"y_{name}")
    if labels is not None and labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels is not None and labels.ndim != 1 and not columns.targets:
        raise DataError(
            f"y_{name} does not have one label for each sequence.", expected="[N] or [N, 1]", received=f"{list(labels.shape)} {labels.dtype}", fix="of one-hot rows take their positions of the largest number (argmax)"
        )
    if f"len_{name}" in arrays or (values.ndim == 2 and not labelled):
        return _whole({"values": values, "lengths": arrays[f"len_{name}"], "labels": labels}, columns, more)
    if values.ndim not in (2, 3) or (labels is not None and len(labels) != len(values)):
        raise DataError(
            f"x_{name} does not hold sequences, one for each label.",
            expected=f"[N, T, C], or [N, T] of one channel; or [steps, C] with len_{name} [N]",
            received=f"x_{name} {list(values.shape)}" + ("" if labels is None else f", y_{name} {list(labels.shape)}"),
        )
    padded = Sequences.from_arrays(values if values.ndim == 3 else values[:, :, None])
    return Sequences(padded.values, **_answers(labels, columns), **more)


def _answers(given: Any, columns: Columns) -> dict[str, Any]:
    """The labels, or the targets with their names where these fit, as `Sequences` takes them."""
    if not columns.targets or given is None:
        return {"labels": given}
    width = given.shape[1] if given.ndim == 2 else 1
    return {"targets": given, "target_names": columns.targets if len(columns.targets) == width else None}


def _whole(arrays: dict[str, Any], columns: Columns, more: dict[str, Any]) -> Sequences:
    values, lengths = arrays["values"], arrays.get("lengths")
    if values.ndim == 3:
        padded = Sequences.from_arrays(values, lengths=lengths)
        return Sequences(padded.values, **_answers(arrays.get("labels"), columns), **more)
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
    return Sequences([values[end - length : end] for end, length in zip(ends, lengths)], **_answers(arrays.get("labels"), columns), **more)
