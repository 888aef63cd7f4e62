"""Kaldi's data folders: wav.scp, and perhaps segments, text and utt2spk; a line is a name and what it stands for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tenuto.data.audio.manifests import Listed
from tenuto.data.decode import lines_of, read_decoded
from tenuto.data.source import Source
from tenuto.errors import DataError

WAVES = "wav.scp"


def listed_in_kaldi(folder: Path) -> tuple[list[Listed], Source]:
    """The utterances of a folder, and its wav.scp as a source.

    Raises:
        DataError: a file of it cannot be read, a name stands in it twice, or a segment is not NAME RECORDING START END.
    """
    _, source = read_decoded(folder / WAVES)
    waves = dict(_lines(folder / WAVES))
    texts, speakers = (dict(_lines(folder / name)) if (folder / name).is_file() else None for name in ("text", "utt2spk"))
    found = []
    for identity, recording, start, end in _utterances(folder, waves):
        named = waves.get(recording)
        wrong = f"{WAVES} has no {recording!r}" if named is None else f"{WAVES} has a command for {recording!r}, and commands are not run" if named.endswith("|") else ""
        if texts is not None and identity not in texts:
            wrong = wrong or "it has no line in the file text"
        path = None if named is None or wrong else folder / named
        text = None if texts is None else texts.get(identity)
        found.append(Listed(identity, path, start, end, text, speaker=None if speakers is None else speakers.get(identity), wrong=wrong))
    return found, source


def _utterances(folder: Path, waves: dict[str, str]) -> Iterator[tuple[str, str, float, float | None]]:
    segments = folder / "segments"
    if not segments.is_file():
        yield from ((name, name, 0.0, None) for name in waves)
        return
    for identity, said in _lines(segments):
        words = said.split()
        try:
            start, end = float(words[1]), float(words[2])
        except (IndexError, ValueError):
            raise DataError(f"{segments}: the segment {identity!r} is not written as it should be.", expected="NAME RECORDING START END, in seconds", received=f"{identity} {said}"[:80]) from None
        yield identity, words[0], start, None if end < 0 else end


def _lines(path: Path) -> Iterator[tuple[str, str]]:
    """Each line's first word, and the rest; spaces or tabs stand between."""
    seen = set[str]()
    for number, line in enumerate(lines_of(read_decoded(path)[0]), 1):
        if not line.strip():
            continue
        name, *rest = line.strip().split(maxsplit=1)
        if name in seen:
            raise DataError(f"{path}, line {number}: {name!r} stands there twice.", fix="name each once")
        seen.add(name)
        yield name, "".join(rest)
