"""`Piped`: samples that come through a pipe, as they come: a WAV file while it is written, or bare samples of 16 bits."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

from tenuto.data.audio.wave import LEAST_RATE, MOST_RATE, mono
from tenuto.errors import DataError

AT_ONCE = 4096  # bytes
WHOLE, FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE  # formats of a WAV file
_BITS = {WHOLE: (8, 16, 24, 32), FLOAT: (32, 64)}
# What other kinds of files begin with. Taken for bare samples they would be noise.
_OTHERS = {b"fLaC": "FLAC", b"OggS": "Ogg", b"ID3": "MP3", b"FORM": "AIFF", b".snd": "AU", b"caff": "CAF", b"RF64": "RF64", b"RIFX": "RIFX", b"riff": "W64", b"\x1aE\xdf\xa3": "Matroska or WebM"}
_BEHIND = (b"LIST", b"id3 ", b"ID3 ", b"bext", b"cue ", b"smpl", b"iXML", b"_PMX", b"fact", b"PEAK", b"JUNK", b"junk", b"acid", b"axml", b"plst", b"inst", b"DISP")  # chunks that programs write after the samples


class Piped:
    """An iterator over chunks [N] float32 of one channel. Where the pipe begins as a WAV file does, its header says rate, channels and kind of samples. What it says of the length is believed
    only where a known chunk of a WAV file follows there, such as the title that some programs write behind the samples.

    Args:
        rate: of bare samples, 16 bits with a sign, the lower byte first.
    Attributes:
        rate: samples a second.
    Raises:
        DataError: a WAV file of other samples than whole numbers of 8, 16, 24 or 32 bits and floats, one that breaks off within its header, or a file of another kind.
    """

    def __init__(self, pipe: BinaryIO, rate: int) -> None:
        self._pipe, self.rate = pipe, rate
        self._format, self._bits, self._channels = WHOLE, 16, 1
        self._said = 0  # bytes of samples, as the header has it; 0 for none
        self._rest = self._read(4)
        other = next((name for begins, name in _OTHERS.items() if self._rest.startswith(begins)), None)
        if other is not None:
            raise DataError(f"the stream is a file of another kind: {other}.", expected="a WAV file, or bare samples of 16 bits", fix="name the file in place of -, or turn it into a WAV file first: ffmpeg -i FILE -f wav - | ...")
        if self._rest == b"RIFF":
            self._rest = b""
            self._header()

    def __iter__(self) -> Iterator[np.ndarray]:
        size = self._bits // 8 * self._channels
        for read in self._blocks():
            self._rest += read
            whole = len(self._rest) // size * size
            if whole:
                yield self._samples(self._rest[:whole])
            self._rest = self._rest[whole:]
        if len(self._rest) >= size:  # a stream of four bytes or fewer
            yield self._samples(self._rest[: len(self._rest) // size * size])

    def _blocks(self) -> Iterator[bytes]:
        """What comes, but for the chunks of a WAV file that follow its samples."""
        held, left, pad = b"", self._said or None, self._said % 2
        while read := self._pipe.read1(AT_ONCE) if hasattr(self._pipe, "read1") else self._pipe.read(AT_ONCE):
            held += read
            if left is not None and len(held) >= left:
                following = left + pad
                if len(held) < following + 4:
                    continue
                if held[following : following + 4] in _BEHIND:
                    yield held[:left]
                    while self._pipe.read(AT_ONCE):  # so that whoever writes is not told that nobody reads
                        pass
                    return
                left = None
            if left is not None:
                left -= len(held)
            yield held
            held = b""
        if held:
            yield held if left is None or len(held) > left + pad else held[:left]

    def _samples(self, data: bytes) -> np.ndarray:
        return mono(self._numbers(data).reshape(-1, self._channels))

    def _numbers(self, data: bytes) -> np.ndarray:
        """[N] float32."""
        if self._format == FLOAT:
            return np.frombuffer(data, f"<f{self._bits // 8}").astype(np.float32)
        if self._bits == 24:  # as the upper three bytes of four
            wide = np.zeros((len(data) // 3, 4), np.uint8)
            wide[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
            given, bits = wide.view("<i4")[:, 0], 32
        else:
            given, bits = np.frombuffer(data, "u1" if self._bits == 8 else f"<i{self._bits // 8}"), self._bits
        middle = 128.0 if self._bits == 8 else 0.0  # 8 bits have no sign
        return ((given - middle) / float(2 ** (bits - 1))).astype(np.float32)

    def _header(self) -> None:
        self._read(8)
        told = False
        while True:
            name, size = struct.unpack("<4sI", self._exactly(8))
            if name == b"data":
                self._said = size
                break
            if name == b"fmt ":
                if size < 16:
                    raise DataError("the stream is a WAV file that does not say what its samples are.", expected="a header of 16 bytes or more", received=f"{size} bytes")
                chunk, told = self._exactly(min(size, 40)), True
                code, self._channels, self.rate, _, _, self._bits = struct.unpack("<HHIIHH", chunk[:16])
                self._format = struct.unpack("<H", chunk[24:26])[0] if code == _EXTENSIBLE and len(chunk) >= 26 else code
                size -= len(chunk)
            self._skip(size + size % 2)
        if not told or self._bits not in _BITS.get(self._format, ()) or not self._channels:
            received = f"format {self._format}, {self._bits} bits, {self._channels} channels" if told else "a header that does not say it"
            raise DataError("the stream is a WAV file of a kind that is not read from a pipe.", expected="whole numbers of 8, 16, 24 or 32 bits, or floats of 32 or 64", received=received)
        if not LEAST_RATE <= self.rate <= MOST_RATE:
            raise DataError(f"the stream is a WAV file of {self.rate} samples a second.", expected=f"{LEAST_RATE} to {MOST_RATE}")

    def _skip(self, size: int) -> None:
        """Read over so many bytes; a header may say any number."""
        while size:
            size -= len(self._exactly(min(size, AT_ONCE)))

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
