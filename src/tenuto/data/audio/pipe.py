"""`Piped`: samples that come through a pipe, as they come: a WAV file while it is written, or bare samples of 16 bits."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

from tenuto.data.audio.wave import mono
from tenuto.errors import DataError

AT_ONCE = 4096  # bytes
_KINDS = {(1, 16): "<i2", (1, 32): "<i4", (3, 32): "<f4"}  # of a WAV file: (format, bits)
_EXTENSIBLE = 0xFFFE


class Piped:
    """An iterator over chunks [N] float32 of one channel. Where the pipe begins as a WAV file does, its header says rate, channels and kind of samples; what it says of the length is not believed.

    Args:
        rate: of bare samples, 16 bits with a sign, the lower byte first.
    Attributes:
        rate: samples a second.
    Raises:
        DataError: a WAV file of another kind of samples than 16 or 32 bits or floats, or one that breaks off within its header.
    """

    def __init__(self, pipe: BinaryIO, rate: int) -> None:
        self._pipe, self.rate = pipe, rate
        self._kind, self._channels = np.dtype("<i2"), 1
        self._rest = self._read(4)
        if self._rest == b"RIFF":
            self._rest = b""
            self._header()

    def __iter__(self) -> Iterator[np.ndarray]:
        size = self._kind.itemsize * self._channels
        while read := self._pipe.read1(AT_ONCE) if hasattr(self._pipe, "read1") else self._pipe.read(AT_ONCE):
            self._rest += read
            whole = len(self._rest) // size * size
            if whole:
                yield self._samples(self._rest[:whole])
            self._rest = self._rest[whole:]
        if len(self._rest) >= size:  # a stream of four bytes or fewer
            yield self._samples(self._rest[: len(self._rest) // size * size])

    def _samples(self, data: bytes) -> np.ndarray:
        given = np.frombuffer(data, self._kind).reshape(-1, self._channels)
        return mono(given if self._kind.kind == "f" else (given / float(2 ** (8 * self._kind.itemsize - 1))).astype(np.float32))

    def _header(self) -> None:
        self._read(8)
        while True:
            name, size = struct.unpack("<4sI", self._exactly(8))
            if name == b"data":
                return
            chunk = self._exactly(size + size % 2)
            if name == b"fmt ":
                code, self._channels, self.rate, _, _, bits = struct.unpack("<HHIIHH", chunk[:16])
                code = struct.unpack("<H", chunk[24:26])[0] if code == _EXTENSIBLE and len(chunk) >= 26 else code
                if (code, bits) not in _KINDS or not self._channels:
                    raise DataError("the stream is a WAV file of a kind that is not read from a pipe.", expected="16 or 32 bits, or floats of 32", received=f"format {code}, {bits} bits, {self._channels} channels")
                self._kind = np.dtype(_KINDS[code, bits])

    def _exactly(self, size: int) -> bytes:
        found = self._read(size)
        if len(found) < size:
            raise DataError("the stream ends within the header of a WAV file.")
        return found

    def _read(self, size: int) -> bytes:
        """So many bytes, or fewer where the pipe ends."""
        found = b""
        while len(found) < size and (read := self._pipe.read(size - len(found))):
            found += read
        return found
