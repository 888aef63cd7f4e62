"""Parquet files, read with pyarrow (`pip install 'tenuto[data]'`); an error of pyarrow's while one is read becomes a DataError."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tenuto.data.compressed import opened
from tenuto.data.decode import opening
from tenuto.errors import DataError, TenutoError


class Parquet:
    """An open Parquet file."""

    def __init__(self, path: Path) -> None:
        try:
            import pyarrow
            import pyarrow.parquet
        except ImportError as error:
            raise DataError(f"{path} needs pyarrow, which is not installed.", fix="pip install 'tenuto[data]'") from error
        # Text that is no UTF-8 and numbers out of range are errors of Python's; a file that claims more than there is, one of memory.
        self._path, self._errors = path, (OSError, pyarrow.ArrowException, ValueError, OverflowError, MemoryError, KeyError, TypeError, AttributeError)
        self._free = pyarrow.default_memory_pool().release_unused
        self._open, self._is_text = pyarrow.parquet.ParquetFile, lambda kind: pyarrow.types.is_string(kind) or pyarrow.types.is_large_string(kind)

    def __enter__(self) -> Parquet:
        with opening(self._path):
            self._bytes = opened(self._path)
        try:
            self._file = self._open(self._bytes)
        except self._errors as error:
            self._bytes.close()
            raise self._unreadable(error) from error
        return self

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        self._file.close()
        self._bytes.close()
        self._free()  # what was read lies in arrays of numpy's now
        if isinstance(error, self._errors) and not isinstance(error, TenutoError):
            raise self._unreadable(error) from error

    @property
    def names(self) -> list[str]:
        """The names of its columns."""
        return list(self._file.schema_arrow.names)

    def arrays(self) -> dict[str, np.ndarray]:
        """Each column as an array; one after the other, and equal texts of a column are one object, since both together take several times the memory."""
        return {name: self._array(name) for name in self.names}

    def _array(self, name: str) -> np.ndarray:
        """A column, one group of rows after the other."""
        groups, words = range(self._file.num_row_groups), dict[Any, Any]()
        parts = [self._part(self._file.read_row_group(group, columns=[name], use_threads=False).column(name), words) for group in groups]
        if not parts or len({part.dtype for part in parts}) > 1:  # whole numbers of which some groups lack some
            column = self._file.read(columns=[name], use_threads=False).column(name)
            parts = [self._part(column, words)]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _part(self, column: Any, words: dict[Any, Any]) -> np.ndarray:
        if not self._is_text(column.type):
            return column.to_numpy()  # type: ignore[no-any-return]
        found = [np.zeros(0, dtype=object)]
        for chunk in column.dictionary_encode().chunks:  # in pieces, as the file has it: texts of more than 2 GB do not fit into one of Arrow's arrays
            own = np.array([*(words.setdefault(word, word) for word in chunk.dictionary.to_pylist()), None], dtype=object)  # None for what is missing
            found.append(own[chunk.indices.fill_null(len(own) - 1).to_numpy(zero_copy_only=False)])
        return np.concatenate(found)

    @property
    def zones(self) -> dict[str, str]:
        """The time zones of its columns of stamps that have one; `arrays` gives these in UTC."""
        return {field.name: zone for field in self._file.schema_arrow if (zone := getattr(field.type, "tz", None))}

    def rows(self, columns: Sequence[str]) -> Iterator[dict[str, Any]]:
        """Each row, with these columns."""
        for batch in self._file.iter_batches(columns=list(columns)):
            yield from batch.to_pylist()

    def _unreadable(self, error: BaseException) -> DataError:
        reason = "it does not fit into memory" if isinstance(error, MemoryError) else " ".join(str(error).split())[:100] or type(error).__name__
        return DataError(f"{self._path} cannot be read as Parquet: {reason}.", expected="a whole Parquet file", fix="copy it again")
