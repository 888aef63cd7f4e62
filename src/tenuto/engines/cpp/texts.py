"""The texts of a beam over the prefixes of CTC, compiled: `tasks/transcribe/texts.py` has what a step does, in numpy; this gives the same bits.

Shapes: V symbols, 0 the blank, N texts, S signs of their ways.
"""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Mapping

import numpy as np

from tenuto.engines.cpp import written


def available() -> bool:
    """Whether there is such a kernel; it is built, if it has to be."""
    return not written.obstacle("texts", 64)


class CompiledTexts:
    """As `tasks.transcribe.texts.Texts`, which says what each of these does."""

    def __init__(self, most: int, *, again: bool = True) -> None:
        self._kernel = kernel = written.load("texts", 64)
        self._beam, self._largest = kernel.tenuto_open(most, again), 0  # the largest symbol that another beam, of which this one was resumed, has written
        weakref.finalize(self, kernel.tenuto_close, self._beam)

    def __len__(self) -> int:
        return int(self._kernel.tenuto_count(self._beam))

    def begin(self) -> None:
        """As `Texts.begin`."""
        self._kernel.tenuto_begin(self._beam)

    def read(self, rows: np.ndarray, step: int) -> None:
        """As `Texts.read`."""
        rows = self._checked(rows)
        self._kernel.tenuto_step(self._beam, rows.ctypes.data, *_sizes(rows), step)

    def extended(self, rows: np.ndarray) -> np.ndarray:
        """As `Texts.extended`."""
        rows = self._checked(rows)
        place = self._kernel.tenuto_extend(self._beam, rows.ctypes.data, *_sizes(rows))
        return np.ctypeslib.as_array((ctypes.c_double * (len(self) * rows.shape[-1])).from_address(place)).copy()

    def _checked(self, rows: np.ndarray) -> np.ndarray:
        if rows.shape[-1] <= self._largest:
            raise IndexError(f"a text has the symbol {self._largest}, and there are {rows.shape[-1]}")
        if rows.ndim == 2 and len(rows) != len(self):
            raise IndexError(f"{len(rows)} rows for {len(self)} texts")
        return np.ascontiguousarray(rows, dtype=np.float64)

    def keep(self, best: np.ndarray, rows: np.ndarray, step: int) -> None:
        """As `Texts.keep`."""
        best, rows = np.ascontiguousarray(best, dtype=np.int64), np.ascontiguousarray(rows, dtype=np.float64)
        self._kernel.tenuto_keep(self._beam, best.ctypes.data, len(best), rows.ctypes.data, step)

    def totals(self) -> np.ndarray:
        """As `Texts.totals`."""
        found = np.empty(len(self))
        self._kernel.tenuto_totals(self._beam, found.ctypes.data)
        return found

    def text(self, place: int) -> tuple[int, ...]:
        """As `Texts.text`."""
        found = np.empty(self._kernel.tenuto_text(self._beam, place, None), dtype=np.int64)
        self._kernel.tenuto_text(self._beam, place, found.ctypes.data)
        return tuple(found.tolist())

    def held(self) -> int:
        """For how many symbols and signs there is memory."""
        return int(self._kernel.tenuto_held(self._beam))

    def arrays(self) -> dict[str, np.ndarray]:
        """As `Texts.arrays`."""
        count = self._kernel.tenuto_kept(self._beam, None, None, None, None)
        found = {"signs": np.empty((count, 4), np.int64), "peaks": np.empty(count), "texts": np.empty((len(self), 7), np.int64), "scores": np.empty((len(self), 6))}
        self._kernel.tenuto_kept(self._beam, *(each.ctypes.data for each in found.values()))
        return found

    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        """As `Texts.restore`.

        Raises:
            ValueError: a place or a symbol that cannot be: what was kept may come from a file.
        """
        kinds = {"signs": np.int64, "peaks": np.float64, "texts": np.int64, "scores": np.float64}
        signs, peaks, texts, scores = (np.ascontiguousarray(arrays[name], dtype=kind) for name, kind in kinds.items())
        count = len(signs)
        if signs.shape != (count, 4) or peaks.shape != (count,) or texts.shape != (len(texts), 7) or scores.shape != (len(texts), 6) or not len(texts):
            raise ValueError(f"signs {signs.shape}, peaks {peaks.shape}, texts {texts.shape} and scores {scores.shape} do not belong together")
        before, ways, symbols = signs[:, 0], texts[:, [1, 4]], np.concatenate([signs[:, 1], texts[:, 0]])
        if (before < -1).any() or (before >= np.arange(count)).any() or (ways < -1).any() or (ways >= count).any():
            raise ValueError("a sign stands after one that is not there")
        if (symbols < 0).any():
            raise ValueError(f"no symbol is {symbols.min()}")
        self._largest = int(symbols.max())
        self._kernel.tenuto_resume(self._beam, len(signs), signs.ctypes.data, peaks.ctypes.data, len(texts), texts.ctypes.data, scores.ctypes.data)


def _sizes(rows: np.ndarray) -> tuple[int, int]:
    """V, and how far it is from one text's row to the next one's."""
    return rows.shape[-1], rows.shape[-1] if rows.ndim == 2 else 0
