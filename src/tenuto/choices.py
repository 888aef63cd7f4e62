"""A value that must be one of some names, and what was meant by one that is not: "did you mean ...?" is said here and nowhere else."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

from tenuto.errors import ArgumentError, TenutoError
from tenuto.tongues import argument

MOST = 24  # names that a message lists; of more, only those that are near


def nearest(given: Any, known: Iterable[Any]) -> str | None:
    """The known name that was most likely meant; None where none is near. Case, dashes, underscores and spaces do not count.

    Example:
        >>> nearest("Layer norm-LSTM", ["lstm", "layer-norm-lstm"]), nearest("acc", ["loss", "accuracy"]), nearest("banana", ["cpu", "cuda"])
        ('layer-norm-lstm', 'accuracy', None)
    """
    names = {_plain(name): str(name) for name in reversed([str(name) for name in known])}
    wanted = _plain(str(given))
    close = difflib.get_close_matches(wanted, names, 1)
    if close or len(wanted) < 2:
        return names[close[0]] if close else None
    inside = [name for name in names if name.startswith(wanted)] or [name for name in names if len(wanted) > 2 and wanted in name]
    return names[min(inside, key=len)] if inside else None


def did_you_mean(given: Any, known: Iterable[Any], fix: str | None = None, *, shown: str = "{}") -> str | None:
    """The advice of a message about a name that is not known: the nearest one, if any is near, and what else can be done.

    Args:
        shown: how the nearest name is shown.
    Example:
        >>> did_you_mean("grru", ["gru", "lstm"], "or pass a Cell of your own")
        'did you mean gru? Or pass a Cell of your own'
    """
    near = nearest(given, known)
    if near is None:
        return fix
    asked = f"did you mean {shown.format(near)}?"
    return f"{asked} {fix[:1].upper()}{fix[1:]}" if fix else asked


def listed(given: Any, known: Collection[Any], between: str = " | ") -> str:
    """The known names, for a message; of very many, only the nearest."""
    near = nearest(given, known)
    return near if len(known) > MOST and near is not None else between.join(map(str, known))


def unknown_name(what: str, given: Any, known: Collection[Any], *, fix: str | None = None, kind: type[TenutoError] = ArgumentError) -> TenutoError:
    """The error about a name that is not known.

    Args:
        what: one sentence, what happened. given: the name.
        fix: what else can be done about it. kind: of the error.
    """
    return kind(what, expected=listed(given, known) or "none", received=repr(given)[:80], fix=did_you_mean(given, known, fix))


def require(name: str, value: Any, known: Collection[Any], *, fix: str | None = None) -> None:
    """Check that an argument has one of the known values.

    Raises:
        ArgumentError: it has not; the message tells the value that was most likely meant.
    """
    if value not in known:
        names = [one for one in known if one is not None]
        near = nearest(value, names)
        meant = None if near is None else f"did you mean {argument(name, near)}?"
        raise ArgumentError(
            f"{argument(name, value)} is not known.",
            expected=" | ".join("none" if one is None else str(one) for one in known),
            fix=" ".join(part for part in (meant, fix) if part) or None,
        )


def missing_file(path: str | Path, also: Iterable[str] = (), fix: str = "check the path") -> str:
    """The advice about a path where there is nothing: a name beside it that is near, or one of `also`, was meant, or the path is to be checked."""
    path = Path(path)
    try:
        beside = {str(entry): entry.name for entry in path.parent.iterdir()}
    except OSError:
        beside = {}
    beside |= {name: name for name in also}
    near = nearest(path.name, beside.values())
    meant = next((whole for whole, name in beside.items() if name == near), None)
    return fix if meant is None else f"did you mean {meant}? Else {fix}"


def _plain(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter not in "-_ ")


def at_or_called(ones: Sequence[Any], wanted: int | str, noun: str) -> Any:
    """One of several things that have a `name`: the one at this place, or of this name.

    Raises:
        ArgumentError: there is none of that name.
    """
    if isinstance(wanted, int):
        return ones[wanted]
    names = [one.name for one in ones]
    if wanted not in names:
        raise unknown_name(f"no {noun} is called {wanted!r}.", wanted, names)
    return ones[names.index(wanted)]
