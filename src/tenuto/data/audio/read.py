"""`read_recordings` and `read_recording_splits`: recordings from a manifest or a folder. One that cannot be read becomes a reject, and the rest is read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from tenuto.choices import missing_file
from tenuto.data.audio.kaldi import WAVES, listed_in_kaldi
from tenuto.data.audio.manifests import TABLES, USUAL, AudioColumns, Listed, files_below, listed_in
from tenuto.data.audio.recordings import Recordings, Reject
from tenuto.data.audio.wave import SUFFIXES, Wave, read_wave
from tenuto.data.compressed import suffix_of
from tenuto.data.form import USUAL_FORM, Form
from tenuto.data.parts import SPLITS, Parts, choose_part, find_parts, named_by_file, require_part, split_name
from tenuto.data.source import Source
from tenuto.errors import DataError

METADATA = "metadata.csv"
SLACK = 0.1  # seconds by which a segment may end after its file: lists round
# Files that are called after what they are for; a set is called after their folder.
_NO_NAMES = ("metadata", "manifest", "cuts")


def read_recordings(path: str | Path, *, split: str | None = None, columns: AudioColumns = USUAL, form: Form = USUAL_FORM, answers: bool = True) -> Recordings:
    """The recordings of a file or folder, or of its part `split`.

    Args:
        path: a .csv, .tsv or .parquet table with a row for each recording, a NeMo manifest or lhotse cuts (.jsonl, also .gz), a Kaldi folder, a folder of these
            for each part, a folder of sound files whose classes are the names of the folders in it, or one sound file.
        answers: whether labels and texts are read.
    Raises:
        DataError: none of these, or no recording of it can be read. ArgumentError: no such part.
    """
    parts = _listed(Path(path), columns, form)
    return _read(*choose_part(Path(path), parts, split), answers=answers)


def read_recording_splits(
    path: str | Path, *, validation: str | Path | None = None, test: str | Path | None = None, columns: AudioColumns = USUAL, form: Form = USUAL_FORM
) -> Parts[Recordings]:
    """A data set to train on, with the parts that it has or the call names. Arguments and errors as `read_recordings`."""
    parts = _listed(Path(path), columns, form)
    if "all" in parts:
        parts = {"train": parts.pop("all"), **parts}
    require_part(Path(path), parts, "train")
    found = {name: _read(*part) for name, part in parts.items()}
    found |= {name: read_recordings(given, columns=columns, form=form) for name, given in (("validation", validation), ("test", test)) if given is not None}
    return Parts(**found)


def _listed(path: Path, columns: AudioColumns, form: Form) -> dict[str, tuple[list[Listed], Source]]:
    """What each part of a file or folder names; "all" where it has no parts."""
    if not path.exists():
        raise DataError(f"there is no file or folder {path}.", expected="a manifest, a Kaldi folder, a folder of sound files, or a sound file", fix=missing_file(path))
    if path.is_file():
        return _of_file(path, columns, form)
    if (path / WAVES).is_file():
        return {"all": listed_in_kaldi(path)}
    if (path / METADATA).is_file():
        return _of_file(path / METADATA, columns, form)
    folders = {name: folder for folder in sorted(path.iterdir()) if folder.is_dir() and (name := _part(folder.name)) is not None}
    if any((folder / WAVES).is_file() for folder in folders.values()) or any(suffix_of(file) in TABLES for file in path.iterdir()):
        return {name: listed_in_kaldi(part) if part.is_dir() else listed_in(part, columns, form) for name, part in find_parts(path, TABLES, line_file=WAVES).items()}
    given = folders if "train" in folders else {"all": path}
    found = {name: (list(files_below(folder)), Source(path.name, str(path), None, f"folder {folder.name}")) for name, folder in given.items()}
    if not any(listed for listed, _ in found.values()):
        raise DataError(f"the folder {path} holds no recordings.", expected=f"sound files ({', '.join(SUFFIXES)}), a manifest, or {WAVES}", received=", ".join(one.name for one in sorted(path.iterdir())[:8]) or "an empty folder")
    return found


def _part(name: str) -> str | None:
    try:
        return split_name(name)
    except DataError:
        return None


def _of_file(path: Path, columns: AudioColumns, form: Form) -> dict[str, tuple[list[Listed], Source]]:
    if path.suffix.lower() in SUFFIXES:
        return {"all": ([Listed(path.name, path)], Source(path.stem, str(path), None, f"file {path.name}"))}
    if suffix_of(path) not in TABLES:
        raise DataError(f"{path} is in a format that recordings are not read from.", expected=" | ".join((*TABLES, *SUFFIXES)), received=suffix_of(path) or "no suffix")
    listed, source = listed_in(path, columns, form)
    if path.stem.lower() in _NO_NAMES:
        source = replace(source, name=path.resolve().parent.name)
    if not any(one.split for one in listed):
        return {"all": (listed, source)}
    parts: dict[str, list[Listed]] = {name: [] for name in SPLITS}
    for one in listed:
        parts[split_name(one.split or "train")].append(one)
    return {name: (part, replace(source, origin=named_by_file(name))) for name, part in parts.items() if part}


def _read(listed: Iterable[Listed], source: Source, *, answers: bool = True) -> Recordings:
    """The recordings that a list names. Their set has no digest of the list's file, which does not hold the sound."""
    kept, waves, rejects, seen = [], [], [], set[tuple[Path | None, int | None, float, float | None]]()
    last: tuple[Path, int | None, Wave] | None = None
    for one in listed:
        place = (one.path, one.channel, one.start, one.end)
        if one.path is None or one.wrong or place in seen:
            rejects.append(Reject(one.identity, one.wrong or "the list names it twice"))
            continue
        seen.add(place)
        try:
            if last is None or last[:2] != (one.path, one.channel):
                last = (one.path, one.channel, read_wave(one.path, one.channel))  # segments of a file stand together, and it is read once for all of them
            wave = _cut(last[2], one.start, one.end)
        except DataError as error:
            rejects.append(Reject(one.identity, error.what))
            continue
        kept.append(one)
        waves.append(wave)
    texts = [one.text for one in kept]
    labels = [one.label for one in kept]
    speakers = [one.speaker for one in kept]
    for identity, missing in [(one.identity, one.text is None) for one in kept]:
        if answers and missing and any(text is not None for text in texts):
            raise DataError(f"recording {identity!r} has no text, and others have.", fix="give it one; an empty text says that nothing is said")
    return Recordings(
        waves, labels if answers and all(label is not None for label in labels) else None,
        texts=[text or "" for text in texts] if answers and any(text is not None for text in texts) else None,
        speakers=[speaker or "" for speaker in speakers] if any(speakers) else None,
        ids=[one.identity for one in kept], came_from=replace(source, sha256=None), rejects=rejects,
    )  # fmt: skip


def _cut(wave: Wave, start: float, end: float | None) -> Wave:
    """The part of a wave between two times in seconds.

    Raises:
        DataError: it does not lie within the wave.
    """
    if end is None and not start:
        return wave
    last = wave.seconds if end is None else end
    if last > wave.seconds + SLACK or last <= start:
        raise DataError(f"it is said to last from {start:g} s to {last:g} s, but the file has {wave.seconds:.3f} s.")
    part = wave.samples[round(start * wave.rate) : round(last * wave.rate)]
    if not len(part):
        raise DataError(f"no sample lies between {start:g} s and {last:g} s.")
    return Wave(part, wave.rate)
