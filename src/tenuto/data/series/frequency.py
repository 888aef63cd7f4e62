"""`Frequency`: how far two neighbouring stamps of a series are apart, in words that pandas and polars have now or had before; found from stamps, and checked.

Steps of a day and more are counted on the wall clock, shorter ones in absolute time: a day with a change of clocks has 23 or 25 hourly stamps, and one daily one.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tenuto.choices import unknown_name
from tenuto.errors import DataError
from tenuto.tongues import argument

# What older versions of pandas, and polars, call a frequency, by what pandas calls it since 2.2.
_FORMER = {
    "H": "h", "T": "min", "S": "s", "L": "ms", "U": "us", "N": "ns", "M": "ME", "Q": "QE", "A": "YE", "Y": "YE", "BM": "BME", "BQ": "BQE", "BA": "BYE", "BY": "BYE",
    "AS": "YS", "BAS": "BYS", "SM": "SME", "BH": "bh", "mo": "MS", "q": "QS", "y": "YS", "w": "W", "d": "D", "m": "min", "hour": "h", "day": "D", "week": "W", "month": "MS", "year": "YS",
}  # fmt: skip
_WORDS = re.compile(r"(\d*)([A-Za-z]+)(-[A-Z]{3})?$")
_SEASONS = {"h": 24, "D": 7, "B": 5, "W": 52, "MS": 12, "ME": 12, "BMS": 12, "BME": 12, "QS": 4, "QE": 4, "BQS": 4, "BQE": 4, "min": 60, "s": 60}
_DAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_NAMES = ("h", "D", "B", "W", "MS", "ME", "QS", "QE", "YS", "YE", "min", "s")
_OFFERED = "h, D, B, W-SUN, MS, ME, QS, YS, 15min, ... or a whole number"


def pandas() -> Any:
    """The package, or an error that says how to get it."""
    try:
        import pandas
    except ImportError as error:
        raise DataError("dates need pandas, which is not installed.", fix="pip install 'tenuto[series]'") from error
    return pandas


@dataclass(frozen=True)
class Frequency:
    """The step between two stamps.

    Args:
        name: as pandas writes it ("MS", "15min", "W-SUN"), or a whole number for stamps that are whole numbers.
    Example:
        >>> [Frequency.of(name).name for name in ("M", "15T", "1mo", "A-DEC", 1)]
        ['ME', '15min', 'MS', 'YE-DEC', '1']
        >>> Frequency.of("H").season, Frequency.of("W").season
        (24, 52)
    """

    name: str

    @classmethod
    def of(cls, name: Any) -> Frequency:
        """The frequency that a name, old or new, or a whole number means.

        Raises:
            ArgumentError: no such frequency; the message names the nearest one.
        """
        if isinstance(name, Frequency):
            return name
        said = getattr(name, "freqstr", name)
        if isinstance(said, (int, np.integer)) and not isinstance(said, bool) or isinstance(said, str) and said.isdigit():
            if int(said) > 0:
                return cls(str(int(said)))
        found = _WORDS.match(str(said).strip())
        if found:
            times, word, anchor = found[1], found[2], found[3] or ""
            word = _FORMER.get(word, word)
            if word == "W" and not anchor:
                anchor = "-SUN"
            try:
                offset = pandas().tseries.frequencies.to_offset(f"{times if times != '1' else ''}{word}{anchor}")
                if offset.n > 0:
                    return cls(offset.freqstr)
            except ValueError:
                pass
        raise unknown_name(f"{argument('freq', name)} is not known.", name, _NAMES, fix="or several of them (15min), a day of the week (W-SUN), or a whole number for stamps that are whole numbers")

    @property
    def whole(self) -> bool:
        """Whether stamps are whole numbers, not dates."""
        return self.name.isdigit()

    @property
    def offset(self) -> Any:
        """The step as pandas has it."""
        return int(self.name) if self.whole else pandas().tseries.frequencies.to_offset(self.name)

    @property
    def absolute(self) -> bool:
        """Whether steps are shorter than a day, and so counted in absolute time."""
        return not self.whole and self._seconds is not None and self._seconds < 86400

    @property
    def season(self) -> int:
        """Steps in the usual season: a day of hours, a week of days, a year of weeks, months or quarters; 1 where there is no usual one."""
        if self.whole:
            return 1
        found = _WORDS.match(self.name)
        if found is None:
            return 1
        times, usual = int(found[1] or 1), _SEASONS.get(found[2], 1)
        if found[2] == "min" and times > 1:
            usual = 1440  # a quarter of an hour has its season in the day
        return usual // times if usual % times == 0 and usual // times > 1 else 1

    @property
    def _seconds(self) -> float | None:
        try:
            return float(pandas().Timedelta(self.offset).total_seconds()) if not self.name.endswith("D") else 86400.0 * getattr(self.offset, "n", 1)
        except ValueError:
            return None

    def stamps(self, first: Any, count: int) -> Any:
        """`count` stamps from `first` on, which is one of them; in its time zone."""
        if self.whole:
            return np.arange(count, dtype=np.int64) * self.offset + int(first)
        zone = first.tzinfo
        if zone is None:
            return pandas().date_range(first, periods=count, freq=self.offset)
        if self.absolute:
            return pandas().date_range(first.tz_convert("UTC"), periods=count, freq=self.offset).tz_convert(zone)
        wall = pandas().date_range(first.tz_localize(None), periods=count, freq=self.offset)
        return wall.tz_localize(zone, nonexistent="shift_forward", ambiguous=np.ones(count, dtype=bool))

    def after(self, last: Any, count: int) -> Any:
        """The `count` stamps that follow `last`."""
        return self.stamps(last, count + 1)[1:]

    def between(self, first: Any, last: Any) -> Any:
        """The stamps from `first` to `last`, both included where they are on the grid."""
        if self.whole:
            return np.arange(int(first), int(last) + 1, self.offset, dtype=np.int64)
        pd, zone = pandas(), first.tzinfo
        if zone is None:
            return pd.date_range(first, last, freq=self.offset)
        if self.absolute:
            return pd.date_range(first.tz_convert("UTC"), last.tz_convert("UTC"), freq=self.offset).tz_convert(zone)
        wall = pd.date_range(first.tz_localize(None), last.tz_localize(None), freq=self.offset)
        return wall.tz_localize(zone, nonexistent="shift_forward", ambiguous=np.ones(len(wall), dtype=bool))

    def fits(self, stamps: Any) -> np.ndarray:
        """[n] bool, whether each stamp can be one of this frequency, counted from the first; a gap fits."""
        if self.whole:
            return (np.asarray(stamps) - int(stamps[0])) % self.offset == 0
        if len(stamps) == 1:
            return np.array([len(self.between(stamps[0], stamps[0])) == 1])
        grid = self.between(stamps[0], stamps[-1])
        return np.asarray(stamps.isin(grid))

    def calendar(self, stamps: Any) -> tuple[list[str], np.ndarray]:
        """What the calendar says of each stamp, as points on circles: names, and [n, 2 circles] float32; nothing for whole numbers and years."""
        circles: list[tuple[str, np.ndarray]] = []
        if not self.whole:
            word = (_WORDS.match(self.name) or ["", "", ""])[2]
            if self.absolute:
                circles.append(("hour", np.asarray(stamps.hour + stamps.minute / 60) / 24))
            if self.absolute or word in ("D", "B"):
                circles.append(("weekday", np.asarray(stamps.day_of_week) / 7))
            if word in ("D", "B", "W"):
                circles.append(("day of the year", np.asarray(stamps.day_of_year - 1) / 365.25))
            elif word[:1] != "Y" and word[:2] not in ("BY", "s") and not self.absolute:
                circles.append(("month", np.asarray(stamps.month - 1) / 12))
        names = [f"{name}, {part}" for name, _ in circles for part in ("sine", "cosine")]
        waves = [wave(2 * np.pi * np.asarray(share, dtype=np.float64)) for _, share in circles for wave in (np.sin, np.cos)]
        return names, np.stack(waves, axis=1).astype(np.float32) if waves else np.zeros((len(stamps), 0), dtype=np.float32)

    def places(self, stamps: Any) -> list[tuple[str, list[str], np.ndarray]]:
        """Where stamps are in the calendar, as far as steps of this frequency tell: hours and weekdays, weekdays and months, or months. Of each its name, the names of its places, and the place of each stamp, [n] int64."""
        if self.whole:
            return []
        word, found = (_WORDS.match(self.name) or ["", "", ""])[2], []
        if self.absolute:
            found.append(("hour", [f"{hour}:00" for hour in range(24)], stamps.hour))
        if self.absolute or word in ("D", "B"):
            found.append(("weekday", [day.title() for day in _DAYS], stamps.day_of_week))
        if not self.absolute and word[:1] != "Y" and word[:2] != "BY":
            found.append(("month", [month.title() for month in _MONTHS], stamps.month - 1))
        return [(name, names, np.asarray(at, dtype=np.int64)) for name, names, at in found]


def find_frequency(series: Sequence[Any]) -> Frequency:
    """The frequency of some series, by the steps that most of them have; a gap does not hide it.

    Args:
        series: the ordered stamps of each, without duplicates.
    Raises:
        DataError: all have one stamp only, or no frequency fits.
    """
    several = [stamps for stamps in series if len(stamps) > 1][:100]
    if not several:
        raise DataError("the frequency cannot be found, since every series has one row only.", fix=f"say it: {argument('freq', 'MS')}, for example")
    if isinstance(several[0], np.ndarray):
        steps = Counter(int(step) for stamps in several for step in np.diff(stamps))
        return Frequency(str(steps.most_common(1)[0][0]))
    votes: Counter[str] = Counter()
    for stamps in several:
        for name in _candidates(stamps):
            frequency = Frequency.of(name)
            if frequency.fits(stamps).all():
                votes[frequency.name] += 1
                break
    if votes:
        return Frequency(votes.most_common(1)[0][0])
    raise DataError(
        "the stamps have no frequency that fits all of a series.",
        expected=_OFFERED, received=", ".join(str(stamp) for stamp in several[0][:4]), fix=f"give {argument('freq')}, or bring the stamps onto a regular grid",
    )  # fmt: skip


def _candidates(stamps: Any) -> list[str]:
    """Frequencies that a series may have, the most likely first."""
    wall = stamps.tz_localize(None)
    days = Counter((np.diff(wall.values.astype("datetime64[s]").astype(np.int64))).tolist()).most_common(1)[0][0] / 86400
    if 27.5 < days < 31.5:
        return ["MS", "ME", "BMS", "BME"]
    if 89 < days < 93:
        month = f"{wall[0]:%b}".upper()
        return [f"QS-{month}", f"QE-{month}", f"BQS-{month}", f"BQE-{month}"]
    if 364 < days < 367:
        month = f"{wall[0]:%b}".upper()
        return [f"YS-{month}", f"YE-{month}", f"BYS-{month}", f"BYE-{month}"]
    if days == 7:
        return [f"W-{_DAYS[wall[0].day_of_week]}"]
    if 0.95 < days < 1.05 or days in (3,) and len(stamps) < 4:
        weekend = np.asarray(wall.day_of_week) >= 5
        return ["B", "D"] if not weekend.any() and (len(wall) > 5 or days > 2) else ["D"]
    absolute = np.diff(stamps.tz_convert("UTC").tz_localize(None).values if stamps.tz is not None else stamps.values).astype("timedelta64[ns]").astype(np.int64)
    step = Counter(absolute.tolist()).most_common(1)[0][0]
    if days > 1 and days == int(days):
        return [f"{int(days)}D"]
    for size, word in ((3_600_000_000_000, "h"), (60_000_000_000, "min"), (1_000_000_000, "s"), (1_000_000, "ms"), (1000, "us"), (1, "ns")):
        if step % size == 0:
            return [f"{step // size}{word}"]
    return []
