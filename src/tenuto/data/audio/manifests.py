"""Lists of recordings: what a line of a table, of a NeMo manifest or of lhotse's cuts says of one; and the folder of files whose labels are their folders' names.

What is listed here is only named; `read.py` reads the sound, and turns what cannot be read into a reject.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tenuto.data.audio.wave import SUFFIXES
from tenuto.data.decode import read_decoded
from tenuto.data.form import USUAL_FORM, Form
from tenuto.data.frame import is_missing
from tenuto.data.rows import read_rows
from tenuto.data.source import Source
from tenuto.errors import DataError
from tenuto.tongues import argument

TABLES = (".csv", ".tsv", ".jsonl", ".json", ".parquet")
_NEMO, _CUT = "audio_filepath", "recording"


@dataclass(frozen=True)
class AudioColumns:
    """Which column of a table, or key of a JSON object, says what.

    Args:
        audio: the path of the file, from the table's folder on. text, label, speaker: what is said, the class, who says it.
        start, end: the part of the file, in seconds; may be empty: from its beginning, to its end. split: train, validation or test.
    """

    audio: str = "path"
    text: str = "text"
    label: str = "label"
    speaker: str = "speaker"
    start: str = "start"
    end: str = "end"
    split: str = "split"


USUAL = AudioColumns()


@dataclass(frozen=True)
class Listed:
    """A recording as a list names it; `path` is None where the list does not say it, and `wrong` then says why. channel: the only one of the file that is meant; None for all, mixed."""

    identity: str
    path: Path | None
    start: float = 0.0
    end: float | None = None
    text: str | None = None
    label: Any = None
    speaker: str | None = None
    split: str | None = None
    channel: int | None = None
    wrong: str = ""


def listed_in(path: Path, columns: AudioColumns = USUAL, form: Form = USUAL_FORM) -> tuple[list[Listed], Source]:
    """The recordings that a table, a NeMo manifest or a file of lhotse's cuts names, and the file as a source.

    Raises:
        DataError: the file cannot be read, or no row says which file is meant.
    """
    names = [columns.audio, columns.text, columns.label, columns.speaker, columns.start, columns.end, columns.split]
    rows, source = read_rows(path, (), [*names, _NEMO, "offset", "duration", _CUT, "supervisions", "id", "channel"], form=form)
    found, silent, keys = list[Listed](), list[str](), dict[str, None]()
    for place, row in rows:
        if isinstance(row.get(_CUT), Mapping):
            found.append(_of_cut(path, place, row))
        elif not is_missing(row.get(columns.audio)) or not is_missing(row.get(_NEMO)):
            found.append(_of_row(path, place, row, columns))
        else:
            silent.append(place)
            keys |= dict.fromkeys(row)
            found.append(Listed(place, None, wrong="it does not say which file is meant"))
    if silent and len(silent) == len(found):
        raise DataError(
            f"{path}, {silent[0]}: it does not say which file is meant.", expected=f"a path in {columns.audio!r}, {_NEMO!r} (NeMo) or {_CUT!r} (lhotse)", received=", ".join(keys) or "none of the columns",
            fix=f"say which column has it: {argument('audio_column')}",
        )  # fmt: skip
    return found, source


def _of_row(manifest: Path, place: str, row: Mapping[str, Any], columns: AudioColumns) -> Listed:
    """A row of a table, or of a NeMo manifest, which has `offset` and `duration` in place of start and end."""
    nemo = is_missing(row.get(columns.audio))
    named = str(row[_NEMO if nemo else columns.audio])
    start, wrong = _seconds(row.get("offset" if nemo else columns.start), 0.0)
    end, also = _seconds(row.get("duration" if nemo else columns.end), None)
    if nemo:
        end = None if end is None or is_missing(row.get("offset")) else start + end  # without an offset the file is meant, whatever it is said to last
    whole = not start and end is None
    text = row.get(columns.text)
    return Listed(
        named if whole else f"{named}@{start:g}", manifest.parent / named, start, end, None if text is None or text != text else str(text), row.get(columns.label), _text(row.get(columns.speaker)),
        _text(row.get(columns.split)), wrong=f"{place}: {wrong or also}" if wrong or also else "",
    )  # fmt: skip


def _of_cut(manifest: Path, place: str, row: Mapping[str, Any]) -> Listed:
    """A cut of lhotse's: its recording's first source, or the one channel of it that the cut names, from `start` for `duration` seconds, with what its supervisions say."""
    recording = row[_CUT]
    given, sources = (part if isinstance(part, list) else [] for part in (row.get("supervisions"), recording.get("sources")))
    said = [one for one in given if isinstance(one, Mapping)]
    sources = [one for one in sources if isinstance(one, Mapping)]
    identity = str(row.get("id", place))
    files = [one for one in sources if one.get("type") == "file" and isinstance(one.get("source"), str)]
    if not files:
        kinds = ", ".join(sorted({str(one.get("type")) for one in sources}))
        return Listed(identity, None, wrong=f"{place}: its sound is in no file, but in {kinds or 'nothing'}")
    start, wrong = _seconds(row.get("start"), 0.0)
    lasts, also = _seconds(row.get("duration"), None)
    text = " ".join(str(one["text"]) for one in said if one.get("text") is not None) if any(one.get("text") is not None for one in said) else None
    speaker = next((str(one["speaker"]) for one in said if one.get("speaker")), None)
    end = None if lasts is None else start + lasts
    channels, channel = files[0].get("channels"), row.get("channel")
    channel = channel[0] if isinstance(channel, list) and len(channel) == 1 else channel
    several = isinstance(channels, list) and len(channels) > 1 and channel in channels
    return Listed(
        identity, manifest.parent / files[0]["source"], start, end, text, None, speaker, channel=channels.index(channel) if several else None,  # type: ignore[union-attr]
        wrong=f"{place}: {wrong or also}" if wrong or also else "",
    )  # fmt: skip


def _seconds(cell: Any, usual: Any) -> tuple[Any, str]:
    """A cell as seconds, and what is wrong with it."""
    if is_missing(cell) or cell == "":
        return usual, ""
    try:
        found = float(cell)
    except (TypeError, ValueError):
        return usual, f"{cell!r:.40} is not a time in seconds"
    return (found, "") if 0 <= found < float("inf") else (usual, f"{found:g} is not a time in seconds")


def _text(cell: Any) -> str | None:
    return None if is_missing(cell) or cell == "" else str(cell)


def files_below(folder: Path) -> Iterator[Listed]:
    """The sound files of a folder and of those in it: a file's class is the name of the folder that it is in, if that is not `folder`; its text stands in a .txt of its name.

    Raises:
        DataError: such a text is not in UTF-8.
    """
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in SUFFIXES and path.is_file():
            beside = path.with_suffix(".txt")
            text = read_decoded(beside)[0].strip() if beside.is_file() else None
            label = path.parent.name if path.parent != folder else None
            yield Listed(path.relative_to(folder).as_posix(), path, text=text, label=label)
