"""`Panel`: many series of one frequency: a number for each stamp, and what is known besides. Rows may come in any order; a stamp twice or a gap is an error."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from tenuto.data.frame import cells_of
from tenuto.data.series.frequency import Frequency, find_frequency, pandas
from tenuto.data.series.table import USUAL_NAMES, Names, frame_columns, numbers_of, require_columns, required_numbers, stamps_of
from tenuto.data.source import GIVEN, Source, Sourced
from tenuto.errors import ArgumentError, DataError
from tenuto.tongues import argument, either

AT_ONCE = 2**18  # rows whose ids are told apart together
OPTIONS = {"id": "series_column", "time": "stamp_column", "target": "y_column"}


@dataclass(frozen=True, eq=False)
class Panel(Sourced):
    """N series.

    Attributes:
        ids: [N], as the frame has them; (None,) for one series without an id.
        grid: every stamp from the first of all series to the last, in order. starts: [N], where each series begins in it.
        values: [T_i] float64 of each series; NaN where a value is missing.
        columns: the other columns by name: of each series an array [T_i], or a longer one, which goes on after its last value (what is known of the future).
        static: what holds for a whole series, by name: [N] cells.
        begin: [N], how many of a series' first values are only there to be read, not to be forecast.
        names: of the columns.
    """

    ids: tuple[Any, ...]
    grid: Any
    starts: np.ndarray
    values: list[np.ndarray]
    frequency: Frequency
    columns: dict[str, list[np.ndarray]] = field(default_factory=dict)
    static: dict[str, list[Any]] = field(default_factory=dict)
    begin: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    names: Names = USUAL_NAMES
    came_from: Source = GIVEN

    def __post_init__(self) -> None:
        if len(self.begin) != len(self.ids):
            object.__setattr__(self, "begin", np.zeros(len(self.ids), dtype=np.int64))

    @classmethod
    def from_frame(cls, frame: Any, *, freq: Any = None, fill: str | None = None, static: Any = None, names: Names = USUAL_NAMES, source: Source = GIVEN) -> Panel:
        """The series of a long frame, in the order in which their ids first occur.

        Args:
            freq: the frequency. Default: it is found from the stamps.
            fill: "nan" puts a missing value into each gap; by default a gap is an error.
            static: a frame with one row for each id.
        Raises:
            DataError: a column is not there; a stamp is missing, twice there, or not on the grid; a gap; a value that is infinite or no number.
        """
        if fill not in (None, "", "nan"):
            raise ArgumentError(f"{argument('fill', fill)} is not known.", expected="nan, or nothing: a gap is an error")
        table = frame_columns(frame, names)
        one = names.id not in table
        require_columns(table, [names.time, names.target], {getattr(names, part): option for part, option in OPTIONS.items()})
        values, stamps = required_numbers(table[names.target], names.target), stamps_of(table[names.time], names.time)
        if not len(values):
            raise DataError("the frame has no rows.", expected="a row for each series and stamp")
        codes, ids = (np.zeros(len(values), dtype=np.int64), (None,)) if one else _coded(table[names.id], names.id)
        numbers = stamps if isinstance(stamps, np.ndarray) else stamps.asi8
        order: Any = slice(None)  # where the rows are in order already, nothing is copied
        if ((codes[1:] < codes[:-1]) | (codes[1:] == codes[:-1]) & (numbers[1:] < numbers[:-1])).any():
            order = np.lexsort((numbers, codes))
            codes, values, stamps = codes[order], values[order], stamps[order]
        _require_once(codes, stamps, ids)
        bounds = np.append(np.searchsorted(codes, np.arange(len(ids))), len(codes))
        frequency = Frequency.of(freq) if freq is not None else find_frequency([stamps[first:last] for first, last in zip(bounds[:100], bounds[1:101])])
        grid, places = _placed(stamps, codes, ids, frequency, bounds)
        if not fill:
            _require_whole(places, codes, ids, grid)
        wrong = np.flatnonzero(np.isinf(values))
        if wrong.size:
            raise DataError(f"{called(ids[codes[wrong[0]]])} has an infinite value at {grid[places[wrong[0]]]}.", expected="finite numbers, or nothing where a value is missing")
        starts = places[bounds[:-1]]
        lengths = places[bounds[1:] - 1] - starts + 1
        within = None if int(lengths.sum()) == len(codes) else places - starts[codes]

        def spread(column: np.ndarray) -> list[np.ndarray]:
            empty: Any = np.nan if column.dtype.kind == "f" else None
            if within is None:  # no gaps
                column = column.copy()
                return [column[first:last] for first, last in zip(bounds[:-1], bounds[1:])]
            found = []
            for first, last, length in zip(bounds[:-1], bounds[1:], lengths):
                whole = np.full(length, empty, dtype=column.dtype)
                whole[within[first:last]] = column[first:last]
                found.append(whole)
            return found

        others = {}
        for name, column in table.items():
            if name not in names:
                found = numbers_of(column, name)
                others[name] = spread((np.asarray(cells_of(column), dtype=object) if found is None else found)[order])
        panel = cls(ids, grid, starts, spread(values), frequency, others, {}, names=names, came_from=source)
        return panel if static is None else panel.described(static)

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        known = sum(len(values) for values in self.values) - self.missing_values
        more, low, high = [*self.columns, *self.static], self.lengths.min(), self.lengths.max()
        steps = f"{low} to {high}" if low < high else str(high)
        return f"Panel({len(self)} series of {steps} steps of {self.frequency.name}, {known} values{', with ' * bool(more)}{', '.join(more)})"

    def __getitem__(self, index: int | slice) -> Panel:
        """One series, or some, as a panel."""
        places = range(len(self))[index]
        return self.select([places] if isinstance(places, int) else places)

    @classmethod
    def of(cls, panels: Sequence[Panel]) -> Panel:
        """The series of several panels as one, in their order; an id may be there more than once.

        Raises:
            DataError: the frequencies or the columns differ, or there is none.
        """
        if not panels:
            raise DataError("there is no series.", expected="one at least")
        first = panels[0]
        for other in panels[1:]:
            if other.frequency != first.frequency:
                raise DataError("the series have different frequencies.", expected=first.frequency.name, received=other.frequency.name)
            for said, ours, theirs in (("columns", first.columns, other.columns), ("static columns", first.static, other.static)):
                if set(ours) != set(theirs):
                    raise DataError(f"the series have different {said}.", expected=", ".join(ours) or "none", received=", ".join(theirs) or "none")
        grid = first.frequency.between(min(one.grid[0] for one in panels), max(one.grid[-1] for one in panels))
        return replace(
            first, ids=tuple(identity for one in panels for identity in one.ids), grid=grid, starts=np.concatenate([one.starts + _where(grid, one.grid[0]) for one in panels]),
            values=[values for one in panels for values in one.values], begin=np.concatenate([one.begin for one in panels]),
            columns={name: [column for one in panels for column in one.columns[name]] for name in first.columns},
            static={name: [cell for one in panels for cell in one.static[name]] for name in first.static}, came_from=first.came_from.part(),
        )  # fmt: skip

    @property
    def lengths(self) -> np.ndarray:
        """[N] int64, steps of each series."""
        return np.array([len(values) for values in self.values], dtype=np.int64)

    @property
    def missing_values(self) -> int:
        """How many values are missing."""
        return int(sum(np.isnan(values).sum() for values in self.values))

    def stamps(self, index: int, first: int = 0, last: int | None = None) -> Any:
        """The stamps of a series, or those at the positions from `first` to before `last`, which may lie after its end."""
        start, last = int(self.starts[index]), len(self.values[index]) if last is None else last
        return self._reaching(start + last)[start + first : start + last]

    def _reaching(self, count: int) -> Any:
        """The grid, and after it as many stamps as it takes for `count` of them."""
        known = self.__dict__.get("_longer", self.grid)
        if len(known) < count:
            beyond = self.frequency.after(self.grid[-1], count - len(self.grid))
            known = self.__dict__["_longer"] = np.concatenate([self.grid, beyond]) if self.frequency.whole else self.grid.append(beyond)
        return known

    def calendar(self, index: int, first: int, last: int) -> np.ndarray:
        """[last - first, P] what the calendar says of the stamps of a series at these positions, which may lie after its end."""
        start = int(self.starts[index])
        known = self.__dict__.get("_calendar", ())
        if len(known) < max(start + last, len(self.grid)):
            known = self.__dict__["_calendar"] = self.frequency.calendar(self._reaching(max(start + last, len(self.grid))))[1]
        return known[start + first : start + last]  # type: ignore[no-any-return]

    def places(self, count: int) -> list[tuple[str, list[str], np.ndarray]]:
        """What `Frequency.places` says of the first `count` stamps of the grid, which may reach beyond its end."""
        return self.frequency.places(self._reaching(count)[:count])

    def select(self, indices: Sequence[int] | np.ndarray, *, origin: str | None = None) -> Panel:
        """The series at these positions."""
        places = [int(index) for index in indices]
        return replace(
            self, ids=tuple(self.ids[place] for place in places), starts=self.starts[places], values=[self.values[place] for place in places], begin=self.begin[places],
            columns={name: [column[place] for place in places] for name, column in self.columns.items()},
            static={name: [cells[place] for place in places] for name, cells in self.static.items()}, came_from=self.came_from.part(origin),
        )  # fmt: skip

    def only(self, names: Collection[str]) -> Panel:
        """The panel with these columns beside its values, where it has them."""
        return replace(self, columns={name: column for name, column in self.columns.items() if name in names}, static={name: cells for name, cells in self.static.items() if name in names})

    def cut(self, lengths: np.ndarray, *, origin: str | None = None) -> Panel:
        """The first `lengths` [N] values of each series; those with none are left out. What is known besides is kept."""
        values = [one[: int(length)] for one, length in zip(self.values, lengths)]
        shorter = replace(self, values=values, begin=np.minimum(self.begin, lengths), came_from=self.came_from.part(origin))
        return shorter if (np.asarray(lengths) > 0).all() else shorter.select(np.flatnonzero(np.asarray(lengths) > 0), origin=origin)

    def until(self, cutoff: Any) -> Panel:
        """What is known at this stamp: the values up to it."""
        return self.cut(self.count_until(cutoff), origin=f"{self.origin}, until {cutoff}")

    def count_until(self, cutoff: Any) -> np.ndarray:
        """[N] how many values of each series stand at the stamp or before it."""
        if self.frequency.whole:
            place = int(np.searchsorted(self.grid, int(cutoff), side="right"))
        else:
            stamp = pandas().Timestamp(cutoff)
            if stamp.tzinfo is None and self.grid.tz is not None:
                stamp = stamp.tz_localize(self.grid.tz)
            place = int(self.grid.searchsorted(stamp, side="right"))
        return np.clip(place - self.starts, 0, self.lengths)

    def asking_from(self, begin: np.ndarray, *, origin: str | None = None) -> Panel:
        """The same, of which only the values from `begin` [N] on are to be forecast."""
        return replace(self, begin=np.asarray(begin, dtype=np.int64), came_from=self.came_from.part(origin))

    def described(self, static: Any) -> Panel:
        """The panel with the static columns of a frame, one row for each id.

        Raises:
            DataError: an id has no row, or two.
        """
        table = frame_columns(static, self.names)
        require_columns(table, [self.names.id], {self.names.id: OPTIONS["id"]})
        keys = cells_of(table[self.names.id])
        rows = {key: row for row, key in enumerate(keys)}
        if len(rows) < len(keys):
            twice = next(key for key in keys if keys.count(key) > 1)
            raise DataError(f"the static frame has two rows for {called(twice)}.", expected="one row for each id")
        lacking = [identity for identity in self.ids if identity not in rows]
        if lacking:
            raise DataError(f"the static frame has no row for {called(lacking[0])}.", expected="one row for each id", received=f"{len(lacking)} of {len(self)} are not there")
        cells = {name: cells_of(column) for name, column in table.items() if name != self.names.id}
        return replace(self, static={**self.static, **{name: [column[rows[identity]] for identity in self.ids] for name, column in cells.items()}})

    def joined(self, later: Panel) -> Panel:
        """The panel with the values that come after it: each series of `later` begins one step after this one's end, or is new.

        Raises:
            DataError: a series begins too early or too late; the frequency or the columns differ.
        """
        if later.frequency != self.frequency:
            raise DataError("the new values have another frequency.", expected=self.frequency.name, received=later.frequency.name, fix=f"give them with {argument('freq', self.frequency.name)}")
        known = {identity: place for place, identity in enumerate(self.ids)}
        grid = self.frequency.between(min(self.grid[0], later.grid[0]), max(self.grid[-1], later.grid[-1]))
        moved = {id(panel): _where(grid, panel.grid[0]) for panel in (self, later)}
        ids, starts, begin = list(self.ids), list(self.starts + moved[id(self)]), list(self.begin)
        values, columns = list(self.values), {name: list(column) for name, column in self.columns.items()}
        static = {name: list(cells) for name, cells in self.static.items()}
        for row, identity in enumerate(later.ids):
            at = int(later.starts[row] + moved[id(later)])
            lacking = [name for name in columns if name not in later.columns]
            if lacking:
                raise DataError(f"the new values have no column {lacking[0]!r}.", expected=", ".join(columns))
            if identity not in known:
                ids.append(identity)
                starts.append(at)
                begin.append(0)
                values.append(later.values[row])
                for name, column in columns.items():
                    column.append(later.columns[name][row])
                for name, cells in static.items():
                    cells.append(later.static[name][row] if name in later.static else None)
                continue
            place = known[identity]
            due = int(starts[place]) + len(values[place])
            if at != due:
                raise DataError(
                    f"the new values of {called(identity)} begin at {grid[at]}, not one step after the last known one.", expected=str(self.frequency.after(self.stamps(place)[-1], 1)[0]),
                    received=str(grid[at]), fix="give each value once, in order" if at < due else "give the values between them too, empty where they are missing",
                )  # fmt: skip
            for name, column in columns.items():
                column[place] = np.concatenate([column[place][: len(values[place])], later.columns[name][row]])
            values[place] = np.concatenate([values[place], later.values[row]])
        return replace(self, ids=tuple(ids), grid=grid, starts=np.array(starts), values=values, columns=columns, static=static, begin=np.array(begin), came_from=self.came_from.part())

    def with_future(self, future: Any, needed: Sequence[str], steps: int) -> Panel:
        """The panel with what is known of the `steps` that follow each series' last value.

        Args:
            future: a frame with ids, stamps and the columns `needed`.
        Raises:
            DataError: a column, a stamp or a value is not there; names id and stamp.
        """
        table = frame_columns(future, self.names)
        require_columns(table, [self.names.time, *needed], {self.names.time: OPTIONS["time"]})
        stamps = stamps_of(table[self.names.time], self.names.time)
        keys = cells_of(table[self.names.id]) if self.names.id in table else [self.ids[0] if len(self) == 1 else None] * len(stamps)
        rows = {(key, _key(stamp)): row for row, (key, stamp) in enumerate(zip(keys, stamps))}
        cells = {name: required_numbers(table[name], name) if numbers_of(table[name], name) is not None else np.asarray(cells_of(table[name]), dtype=object) for name in needed}
        columns = {name: list(column) for name, column in self.columns.items()}
        for place, identity in enumerate(self.ids):
            length = len(self.values[place])
            ahead = self.stamps(place, length, length + steps)
            found = [row for stamp in ahead if (row := rows.get((identity, _key(stamp)))) is not None]
            lacking = next((stamp for stamp in ahead if (identity, _key(stamp)) not in rows), None)
            if lacking is not None:
                raise DataError(
                    f"what is known of the future ends too early for {called(identity)}: there is no row for {lacking}.", expected=f"{steps} rows for each series, with {', '.join(needed)}",
                    fix=f"add the rows; {either('get_missing_future(...)', 'a frame of the future')} lists them",
                )  # fmt: skip
            for name in needed:
                columns[name][place] = np.concatenate([columns[name][place][:length], cells[name][found]])
        return replace(self, columns=columns)

    def _content_sha256(self) -> str:
        found = hashlib.sha256(repr((self.ids, self.frequency.name, self.starts.tolist(), str(self.grid[0]), self.begin.tolist(), self.static)).encode())
        for values in self.values:
            found.update(values.tobytes())
        for name, column in sorted(self.columns.items()):
            found.update(name.encode())
            for one in column:
                found.update(one.tobytes() if one.dtype.kind == "f" else repr(one.tolist()).encode())
        return found.hexdigest()


def called(identity: Any) -> str:
    """A series as messages name it."""
    return "the series" if identity is None else f"the series {identity!r}"


def _key(stamp: Any) -> Any:
    return int(stamp) if isinstance(stamp, (int, np.integer)) else stamp.value


def _where(grid: Any, stamp: Any) -> int:
    return int(np.searchsorted(grid, stamp)) if isinstance(grid, np.ndarray) else int(grid.get_loc(stamp))


def _coded(column: Any, name: str) -> tuple[np.ndarray, tuple[Any, ...]]:
    """For each row the number of its id, and the ids in the order in which they first occur."""
    plain = isinstance(column, np.ndarray) and not np.ma.isMaskedArray(column) and column.dtype.kind in "Oiu"
    cells = column if plain else np.asarray(cells_of(column), dtype=object)
    codes, known = np.empty(len(cells), dtype=np.int64), dict[Any, int]()
    for first in range(0, len(cells), AT_ONCE):  # in pieces, since a piece takes several times its own memory
        here, found = pandas().factorize(cells[first : first + AT_ONCE])
        codes[first : first + AT_ONCE] = np.array([*(known.setdefault(one, len(known)) for one in found.tolist()), -1])[here]
    if (codes < 0).any():
        raise DataError(f"row {int(np.flatnonzero(codes < 0)[0]) + 1} has no id in {name}.", fix="give each row the id of its series")
    return codes, tuple(known)


def _require_once(codes: np.ndarray, stamps: Any, ids: Mapping[int, Any] | Sequence[Any]) -> None:
    twice = np.flatnonzero((codes[1:] == codes[:-1]) & np.asarray(stamps[1:] == stamps[:-1]))
    if twice.size:
        row = int(twice[0]) + 1
        raise DataError(
            f"{called(ids[codes[row]])} has two rows for {stamps[row]}.", expected="one row for each series and stamp", received=f"{len(twice)} {'row' if len(twice) == 1 else 'rows'} too many",
            fix=f"drop or add up the rows that are twice there; if the rows are of several series, name the column of their ids: {argument(OPTIONS['id'], 'NAME')}",
        )  # fmt: skip


def _placed(stamps: Any, codes: np.ndarray, ids: Sequence[Any], frequency: Frequency, bounds: np.ndarray) -> tuple[Any, np.ndarray]:
    """The grid of all stamps, and the place of each row in it."""
    numbers = isinstance(stamps, np.ndarray)
    if numbers != frequency.whole:
        raise DataError(f"{argument('freq', frequency.name)} does not fit the stamps.", received="whole numbers" if numbers else "dates", expected="a whole number for whole numbers, a name such as MS for dates")
    first, last = stamps.min(), stamps.max()
    grid = frequency.between(first, last)
    places = np.searchsorted(grid, stamps) if numbers else grid.get_indexer(stamps)
    if numbers:
        places = np.where(np.isin(stamps, grid), places, -1)
    wrong = np.flatnonzero(places < 0)
    if wrong.size:
        row = int(wrong[0])
        others = [stamps[one:end] for one, end in zip(bounds[:20], bounds[1:21])]
        try:
            fitting = find_frequency([one for one in others if len(one) > 1]).name
        except DataError:
            fitting = None
        raise DataError(
            f"{called(ids[codes[row]])} has a row at {stamps[row]}, which is no stamp of the frequency {frequency.name} from {first} on.", expected="stamps of one frequency, in every series",
            received=f"{len(wrong)} rows that do not fit", fix=f"{argument('freq', fitting)} fits" if fitting and fitting != frequency.name else "bring the stamps onto one grid, or fit series of different frequencies apart",
        )  # fmt: skip
    return grid, places


def _require_whole(places: np.ndarray, codes: np.ndarray, ids: Sequence[Any], grid: Any) -> None:
    apart = np.where(codes[1:] == codes[:-1], np.diff(places) - 1, 0)
    gaps = np.flatnonzero(apart > 0)
    if gaps.size:
        row = int(gaps[0])
        of_it = codes[gaps] == codes[row]
        seldom = bool(2 * of_it.sum() > (codes == codes[row]).sum())  # most of its rows: it has longer steps than others
        raise DataError(
            f"{called(ids[codes[row]])} has no row for {grid[places[row] + 1]}.", expected="a row for each stamp, with no value where it is missing",
            received=f"{len(gaps)} {'gap' if len(gaps) == 1 else 'gaps'}, {apart.sum()} {'stamp' if apart.sum() == 1 else 'stamps'} without a row", fix=f"{'fit series of different frequencies apart, or ' * seldom}add the rows, or fill every gap with missing values: {argument('fill', 'nan')}",
        )  # fmt: skip
