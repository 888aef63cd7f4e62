"""Small public data sets that come with the package, each with its source and terms beside it (SOURCES.md).

In: a name. Out: a path that `tenuto.data.read_splits` reads. May import nothing of ours but `errors`.
"""

from __future__ import annotations

from pathlib import Path

from tenuto.errors import ArgumentError

SETS = {"japanese_vowels": "japanese_vowels.npz"}


def path_of(name: str) -> Path:
    """Where a shipped data set lies.

    Args:
        name: "japanese_vowels".
    Raises:
        ArgumentError: no set of that name is shipped.
    Example:
        >>> path_of("japanese_vowels").name
        'japanese_vowels.npz'
    """
    if name not in SETS:
        raise ArgumentError(f"no data set {name!r} comes with tenuto.", expected=" | ".join(sorted(SETS)))
    return Path(__file__).with_name(SETS[name])
