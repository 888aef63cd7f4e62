"""Small public data sets that come with the package; SOURCES.md, beside them, says where each comes from and on which terms.

In: a name. Out: a path that `tenuto.data.read_splits` reads, or, for series, `tenuto.data.series.read`, for sound, `tenuto.data.audio.read`. May import nothing of ours but `errors`.
"""

from __future__ import annotations

from pathlib import Path

from tenuto.choices import unknown_name

SETS = {"japanese_vowels": "japanese_vowels.npz", "air_passengers": "air_passengers.csv", "spoken_digits": "spoken_digits"}


def path_of(name: str) -> Path:
    """The path of a data set that comes with the package.

    Args:
        name: "japanese_vowels", "air_passengers" or "spoken_digits".
    Raises:
        ArgumentError: no data set of that name comes with the package.
    Example:
        >>> path_of("japanese_vowels").name
        'japanese_vowels.npz'
    """
    if name not in SETS:
        raise unknown_name(f"no data set {name!r} comes with tenuto.", name, sorted(SETS))
    return Path(__file__).with_name(SETS[name])
