"""Files that are either whole or not there: atomic writing, digests, and reading that explains itself.

Every writer here fills a temporary file beside the target, flushes it to the disk, and moves it over the target in one step
(`os.replace`). A run killed at any moment leaves the old file or the new one, never half of one. A temporary file that a killed process left
is removed by the next one that writes the same target: who writes holds a lock on it, which ends with the process. Nothing is pickled.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from tenuto.errors import RunError

PARTIAL = ".partial"
# What code raises that takes damaged data for whole ones. Our own errors are among them: let those through first.
DAMAGE = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, AssertionError, RuntimeError, MemoryError, StopIteration)
DEEPEST, MOST_DIGITS = 100, 40  # of what tenuto writes; hostile files nest without end and have numbers that take minutes to read


class NotWritten(RunError):
    """A file could not be written: no room on the disk, no right to write there, or a disk that fails."""


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A binary file that becomes `path` when the block ends well, and vanishes when it does not.

    Raises:
        NotWritten: the system does not let it be written; what stood there is unchanged.
    Example:
        >>> import tempfile
        >>> target = Path(tempfile.mkdtemp()) / "a.txt"
        >>> with replacing(target) as file:
        ...     _ = file.write(b"whole")
        >>> target.read_bytes()
        b'whole'
    """
    path = Path(path)
    try:
        _sweep(path)
        with _beside(path) as (file, name):
            yield file
            file.flush()
            os.fsync(file.fileno())
            os.chmod(name, 0o666 & ~_umask())
            if os.name == "nt":
                file.close()  # there an open file cannot be moved
            os.replace(name, path)
    except OSError as error:
        raise NotWritten(
            f"{path} could not be written: {error.strerror or error}.",
            expected="room on the disk and the right to write there",
            received="the file that stood there, which is unchanged" if path.exists() else None,
            fix="make room or choose another place, and try again",
        ) from error


def is_partial(name: str, target: str) -> bool:
    """Whether `name` is that of a temporary file (or folder) of the writer of `target`."""
    return name.startswith(f".{target}.") and name.endswith(PARTIAL)


def system_says(error: BaseException) -> str:
    """What the system said when a file could not be read or written: "No space left on device"."""
    first = error.__cause__ if isinstance(error, NotWritten) and error.__cause__ is not None else error
    return getattr(first, "strerror", None) or str(first)


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8, whole or not at all."""
    with replacing(path) as file:
        file.write(text.encode("utf-8"))


def write_json(path: Path, data: Any) -> None:
    """Write plain data as JSON, whole or not at all.

    NaN and infinities, which JSON has no word for, are written as null. A list without objects in it stands on one line.
    """
    write_text(path, _laid_out(plain(data)) + "\n")


def _laid_out(data: Any, indent: str = "\n") -> str:
    """Plain data as JSON: each key on a line of its own, and lists of numbers, words and such lists on one line."""
    if isinstance(data, dict) and data:
        inner = indent + " "
        return "{" + ",".join(f"{inner}{json.dumps(key, ensure_ascii=False)}: {_laid_out(value, inner)}" for key, value in data.items()) + indent + "}"
    if isinstance(data, list) and _has_objects(data):
        inner = indent + " "
        return "[" + ",".join(inner + _laid_out(value, inner) for value in data) + indent + "]"
    return json.dumps(data, ensure_ascii=False, allow_nan=False)


def _has_objects(data: list[Any]) -> bool:
    return any(isinstance(value, dict) or isinstance(value, list) and _has_objects(value) for value in data)


def write_tensors(path: Path, tensors: Mapping[str, torch.Tensor], header: Mapping[str, str] | None = None) -> None:
    """Write named tensors in the safetensors format, whole or not at all. Tensors that share memory (tied weights) are written twice.

    Args:
        header: text that the file carries along, by name.
    """
    alone, seen = {}, set()
    for name, tensor in tensors.items():
        value = tensor.detach().cpu().contiguous()
        memory = value.untyped_storage().data_ptr()
        alone[name] = value.clone() if memory in seen else value
        seen.add(memory)
    with replacing(path) as file:
        file.write(save(alone, None if header is None else dict(header)))


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        RunError: the file is missing, unreadable or not JSON.
    """
    try:
        return parse_json(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, MemoryError) as error:
        raise RunError(
            f"{Path(path).name} cannot be read: {_reason(error)}.",
            expected="a JSON file written by tenuto",
            received=str(path),
            fix="restore the file from a copy, or train the model again",
        ) from error


def parse_json(text: str) -> Any:
    """JSON as tenuto writes it, from a file that anybody may have written.

    Raises:
        ValueError: it is not JSON; or it is nested deeper, has longer numbers, numbers that are not finite, or text that no file can hold.
    Example:
        >>> parse_json('{"a": [1, 2.5]}')
        {'a': [1, 2.5]}
    """
    try:
        data = json.loads(text, parse_int=_whole_number, parse_constant=_refuse_constant)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    level, depth = [data], 0
    while level:
        depth += 1
        if depth > DEEPEST:
            raise ValueError("it is nested too deeply")
        inside: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                inside += [*value, *value.values()]
            elif isinstance(value, list):
                inside += value
            elif isinstance(value, float) and not math.isfinite(value):
                raise ValueError("it has a number that is not finite")
            elif isinstance(value, str) and not value.isascii() and not _can_be_written(value):
                raise ValueError("it has half a character (a lone surrogate)")
        level = inside
    return data


def _whole_number(text: str) -> int:
    if len(text) > MOST_DIGITS:
        raise ValueError(f"it has a number of {len(text)} digits")
    return int(text)


def _refuse_constant(text: str) -> Any:
    raise ValueError(f"it has the number {text}, which JSON does not know")


def _can_be_written(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def parse_toml(text: str) -> dict[str, Any]:
    """TOML as nested dictionaries.

    Raises:
        ValueError: it is not TOML; the message has what the parser says, with the line. RecursionError, MemoryError: no file of ours.
    """
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib

    return tomllib.loads(text)


def read_tensors(path: Path) -> dict[str, torch.Tensor]:
    """Read a safetensors file.

    Raises:
        RunError: the file is missing, truncated or not in that format.
    """
    try:
        return load(Path(path).read_bytes())
    except (OSError, SafetensorError, *DAMAGE) as error:
        raise RunError(
            f"{Path(path).name} cannot be read: {_reason(error)}.",
            expected="a safetensors file written by tenuto",
            received=str(path),
            fix="restore the file from a copy, or train the model again",
        ) from error


def sha256_of(path: Path) -> str:
    """The SHA-256 digest of a file's content, as 64 hexadecimal digits."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() if hasattr(hashlib, "file_digest") else _digest(file)


def digest_of(kept: Mapping[str, Any], tensors: Mapping[str, torch.Tensor]) -> str:
    """The SHA-256 digest of plain data and tensors by name, as 64 hexadecimal digits."""
    digest = hashlib.sha256(json.dumps(kept, sort_keys=True, allow_nan=False).encode())
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(tensors[name].detach().cpu().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def plain(data: Any) -> Any:
    """`data` with only what JSON can say: numpy and torch numbers and arrays become numbers and lists, NaN becomes None."""
    if hasattr(data, "tolist"):
        data = data.tolist()
    if isinstance(data, Mapping):
        return {str(key): plain(value) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [plain(value) for value in data]
    if isinstance(data, float) and not math.isfinite(data):
        return None
    if isinstance(data, Path):
        return str(data)
    return data


@contextlib.contextmanager
def _beside(path: Path) -> Iterator[tuple[BinaryIO, str]]:
    """A new temporary file beside `path` with a lock on it, and its name; it is removed if the block fails."""
    while True:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=PARTIAL)
        with os.fdopen(handle, "wb") as file:
            _lock(file, wait=True)
            if not os.path.exists(name):  # another process swept it up before it had its lock
                continue
            try:
                yield file, name
            except BaseException:
                with contextlib.suppress(OSError):
                    if os.name == "nt":
                        file.close()
                    os.unlink(name)
                raise
            return


def _sweep(path: Path) -> None:
    """Remove the temporary files for `path` of processes that were killed."""
    for name in os.listdir(path.parent):
        if is_partial(name, path.name):
            left = path.parent / name
            with contextlib.suppress(OSError), left.open("rb") as file:
                if _lock(file, wait=False):
                    left.unlink()


def _lock(file: Any, *, wait: bool) -> bool:
    """Take the lock on an open file, which ends with the process at the latest; False if another one has it. Windows lets nobody remove an open file."""
    try:
        import fcntl
    except ImportError:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:  # another process has it; or, when we may wait, a file system without locks
        return wait
    return True


def _digest(file: BinaryIO) -> str:
    """Python 3.10 has no hashlib.file_digest."""
    digest = hashlib.sha256()
    while chunk := file.read(1 << 20):
        digest.update(chunk)
    return digest.hexdigest()


def _umask() -> int:
    """The process's file mode mask; mkstemp ignores it and makes files private, which a run folder should not be."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
