"""The parts of a data set (training, validation, test): which word means which part, which file of a folder is which part, and what was read from them.

A word in the name of a file or folder says which part it is. Words are separated by `.`, `_` or `-`: `train.csv`, `Toy_TEST.ts`, `en-dev.upos.tsv`.
If a name has several such words, the last one counts. If several names fit a part, a name that is only the word is preferred, then one that ends in it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, NoReturn, TypeVar

from tenuto.choices import missing_file, unknown_name
from tenuto.data.compressed import stem_of, suffix_of
from tenuto.data.counts import require_one_each
from tenuto.errors import DataError

SPLITS = ("train", "validation", "test")
_WORDS = {"train": "train", "training": "train", "test": "test", "testing": "test"}
_WORDS |= dict.fromkeys(("validation", "valid", "val", "dev"), "validation")

T = TypeVar("T")
_BETWEEN = re.compile(r"([_\-.])")


@dataclass(frozen=True)
class Parts(Generic[T]):
    """The parts of a data set; `validation` and `test` are None where the data has none."""

    train: T
    validation: T | None = None
    test: T | None = None


def split_name(text: str) -> str:
    """The part that a word in a file means.

    Raises:
        DataError: the word means no part.
    """
    name = _WORDS.get(text.strip().lower())
    if name is None:
        raise unknown_name(f"{text!r} is not a split.", text, SPLITS, fix="use one of these names for each sequence's split", kind=DataError)
    return name


def members(split: Iterable[Any], count: int) -> dict[str, list[int]]:
    """Which of `count` items are in each part, from a column with the part of each.

    Raises:
        DataError: a word that means no part, or more or fewer words than items.
    Example:
        >>> members(["test", "train", "dev", "train"], 4)
        {'train': [1, 3], 'validation': [2], 'test': [0]}
    """
    names = [split_name(str(word)) for word in split]
    require_one_each("split names", names, range(count), "sequences")
    return {part: [index for index, name in enumerate(names) if name == part] for part in SPLITS if part in names}


def named_by_file(part: str) -> str:
    """The origin, in words, of a part that the file itself names."""
    return f"split {part!r} of the file"


def find_parts(path: Path, suffixes: Sequence[str], *, line_file: str | None = None, alike: Sequence[str] = (), word: str | None = None) -> dict[str, Path]:
    """Where the file or folder of each part is, in the order of SPLITS; a single file is the training part.

    Args:
        suffixes: the suffixes of data files, in lower case.
        line_file: a folder that holds a file of this name is a part too, and `path` may be such a folder.
        alike: files of the same name in these formats are the same data; the first one counts.
        word: only files with this word in their names count, of any suffix.
    Raises:
        DataError: `path` does not exist, holds no data set, or holds two files for one part.
    """
    if not path.exists():
        raise DataError(f"there is no file or folder {path}.", expected=f"a file ({', '.join(suffixes)}) or a folder", fix=missing_file(path))
    if not path.is_dir() or (line_file is not None and (path / line_file).is_file()):
        return {"train": path}
    there = sorted(path.iterdir())
    candidates = [entry for entry in there if _counts(entry, suffixes, line_file, word)]
    forms: dict[str, list[str]] = {}
    for entry in candidates:
        forms.setdefault(stem_of(entry), []).append(suffix_of(entry))
    candidates = [entry for entry in candidates if suffix_of(entry) not in alike or suffix_of(entry) == next(form for form in alike if form in forms[stem_of(entry)])]
    return _by_part(path, candidates) or _refuse(path, there, suffixes, line_file)


def find_siblings(path: Path, suffixes: Sequence[str]) -> dict[str, Path]:
    """The parts of the set that a file belongs to by its name, such as `Toy_TRAIN.ts` and `Toy_TEST.ts`; empty where the name does not end in a part."""
    pieces, place = _word(path)
    if place != len(pieces) - 1 or suffix_of(path) not in suffixes:
        return {}
    alike = [file for file in sorted(path.parent.iterdir()) if suffix_of(file) == suffix_of(path) and _pieces(file)[:-1] == pieces[:-1]]
    part = _WORDS[pieces[-1].lower()]  # if two files are this part, the caller's own is meant
    return _by_part(path.parent, [file for file in alike if file == path or _WORDS.get(_pieces(file)[-1].lower()) != part])


def read_each(
    path: Path,
    found: dict[str, Path],
    read: Callable[[Path], T],
    *,
    validation: str | Path | None = None,
    test: str | Path | None = None,
) -> Parts[T]:
    """What `read` makes of each part.

    Args:
        found: the parts of `path`.
        validation, test: files for these parts, in place of those found.
    Raises:
        DataError: there is no training part.
    """
    found = found | {name: Path(given) for name, given in (("validation", validation), ("test", test)) if given is not None}
    require_part(path, found, "train")
    return Parts(**{name: read(file) for name, file in found.items()})


def choose_part(path: Path, found: dict[str, T], split: str | None) -> T:
    """The part asked for. Without a `split`: all of the data where it has no parts, else the test part, else the first part.

    Raises:
        ArgumentError: `split` is not the name of a part. DataError: the data does not have that part.
    """
    if split is not None:
        check_part(split)
    usual = next(name for name in ("all", "test", *found) if name in found)
    return require_part(path, found, split or usual)


def check_part(split: str) -> None:
    """Raise ArgumentError unless this is the name of a part."""
    if split not in SPLITS:
        raise unknown_name(f"{split!r} is not a split.", split, SPLITS)


def require_part(path: Path, found: dict[str, T], name: str) -> T:
    """That part of the data at `path`.

    Raises:
        DataError: the data has no such part.
    """
    if name not in found:
        word = "training" if name == "train" else name
        raise DataError(f"{path} has no {word} part.", expected=name, received=", ".join(found), fix=f"name a file {name}, or ask for a part that is there")
    return found[name]


def place_of_word(name: str, word: str) -> int:
    """Where a word begins the last time that it stands in a name, between `.`, `_` or `-`; -1 where it does not.

    Example:
        >>> place_of_word("src-train.src.txt", "src"), place_of_word("train.de", "d")
        (10, -1)
    """
    found = re.compile(rf"(?<![^_\-.]){re.escape(word)}(?![^_\-.])").finditer(name)
    return max((match.start() for match in found), default=-1)


def _counts(entry: Path, suffixes: Sequence[str], line_file: str | None, word: str | None) -> bool:
    if word is not None:
        return entry.is_file() and place_of_word(entry.name, word) >= 0
    if entry.is_dir():
        return line_file is not None and (entry / line_file).is_file()
    return suffix_of(entry) in suffixes


def _pieces(entry: Path) -> list[str]:
    """A name's words and the separators between them."""
    return _BETWEEN.split(entry.name if entry.is_dir() else stem_of(entry))


def _word(entry: Path) -> tuple[list[str], int | None]:
    """A name's pieces, and the position among them of the word that names a part; None where there is none."""
    pieces = _pieces(entry)
    return pieces, next((place for place in reversed(range(len(pieces))) if pieces[place].lower() in _WORDS), None)


def _by_part(path: Path, candidates: Iterable[Path]) -> dict[str, Path]:
    ranked: dict[str, list[list[Path]]] = {name: [[], [], []] for name in SPLITS}
    for entry in candidates:
        pieces, place = _word(entry)
        if place is not None:
            rank = 0 if len(pieces) == 1 else 1 if place == len(pieces) - 1 else 2
            ranked[_WORDS[pieces[place].lower()]][rank].append(entry)
    chosen = {name: next((entries for entries in ranks if entries), []) for name, ranks in ranked.items()}
    for name, entries in chosen.items():
        if len(entries) > 1:
            raise DataError(
                f"{path} holds {len(entries)} sets for the {name} part.",
                expected="one",
                received=", ".join(entry.name for entry in entries[:4]),
                fix="give the path of the training file itself, or move all but one of them elsewhere",
            )
    return {name: entries[0] for name, entries in chosen.items() if entries}


def _refuse(path: Path, there: list[Path], suffixes: Sequence[str], line_file: str | None) -> NoReturn:
    folders = "" if line_file is None else f", or folders of these names with {line_file}"
    raise DataError(
        f"the folder {path} holds no data set.",
        expected=f"train{suffixes[0]}, and perhaps validation{suffixes[0]} and test{suffixes[0]} (or {', '.join(suffixes[1:])}){folders}",
        received=", ".join(entry.name for entry in there[:8]) or "an empty folder",
        fix="rename the files, or give the path of the training file itself",
    )
