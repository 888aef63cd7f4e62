"""Files that gzip has compressed, such as `walks.csv.gz`: the format by the name without `.gz`, and the bytes, up to a size that only files made to do harm have."""

from __future__ import annotations

import gzip
import io
import zlib
from pathlib import Path
from typing import BinaryIO

from tenuto.errors import DataError

GZ = ".gz"
MAGIC = b"\x1f\x8b"
_AT_ONCE = 1 << 20
# Text and tables shrink to a third or a tenth, a table of zeros to a thousandth: deflate can do no better, and a file made to fill the memory does as well.
# So a file may grow as it likes up to 64 MiB, and two hundred times its size beyond; no table that is read line by line is of 8 GiB.
FREE, MOST_TIMES, MOST = 1 << 26, 200, 1 << 33


def is_compressed(path: Path) -> bool:
    """Whether the file's name says that gzip has compressed it."""
    return path.suffix.lower() == GZ


def suffix_of(path: Path) -> str:
    """The suffix that says the format of a file, in lower case, without `.gz`.

    Example:
        >>> suffix_of(Path("walks.CSV")), suffix_of(Path("walks.csv.gz")), suffix_of(Path("walks.gz"))
        ('.csv', '.csv', '')
    """
    return (Path(path.stem) if is_compressed(path) else path).suffix.lower()


def stem_of(path: Path) -> str:
    """The name of a file without the suffix of its format and without `.gz`.

    Example:
        >>> stem_of(Path("sets/walks.csv.gz"))
        'walks'
    """
    return Path(path.stem).stem if is_compressed(path) else path.stem


def bytes_of(path: Path) -> bytes:
    """The content of a file, unpacked where its name ends in `.gz`.

    Raises:
        OSError: it cannot be read. DataError: it is not what gzip writes, is cut off, or unpacks to more than any honest file does.
    """
    if not is_compressed(path):
        return path.read_bytes()
    pieces, size, packed = [], 0, path.stat().st_size
    try:
        with gzip.open(path) as file:
            while piece := file.read(_AT_ONCE):
                size += len(piece)
                if size > MOST or (size > FREE and size > MOST_TIMES * packed):
                    raise DataError(
                        f"{path} unpacks to more than {size >> 20} MiB.",
                        expected=f"at most {MOST_TIMES} times its size, {packed} bytes, or {FREE >> 20} MiB; and no more than {MOST >> 30} GiB",
                        received="a file that may have been made to fill the memory",
                        fix="if you trust it, unpack it first: gunzip FILE",
                    )
                pieces.append(piece)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        cut_off = isinstance(error, EOFError)
        raise DataError(
            f"{path} {'is cut off' if cut_off else 'cannot be unpacked'}: {'it ends' if cut_off else error} after {size} bytes were unpacked.",
            expected="a whole file, as gzip writes it",
            fix="copy it again; a file that is not compressed must not be named .gz",
        ) from error
    return b"".join(pieces)


def opened(path: Path) -> BinaryIO:
    """The file, open to be read as bytes; unpacked in memory where its name ends in `.gz`.

    Raises:
        OSError, DataError: as in `bytes_of`.
    """
    return io.BytesIO(bytes_of(path)) if is_compressed(path) else path.open("rb")
