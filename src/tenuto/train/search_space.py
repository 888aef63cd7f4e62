"""What a search varies: for each option a range of numbers or a list of values, read from plain data (a TOML table) and checked.

    hidden_size   = [64, 128, 256]                            one of these; {values = [...]} means the same
    num_layers    = {low = 1, high = 3}                       whole numbers, both ends included
    learning_rate = {low = 1e-4, high = 1e-2, log = true}     equal ratios are equally likely
    dropout       = {low = 0.0, high = 0.5, step = 0.1}
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from itertools import product
from typing import Any

from tenuto.choices import did_you_mean, listed
from tenuto.errors import ArgumentError
from tenuto.scalars import plain

FORMS = "a list of values, or {low = ..., high = ...}, which may have log = true or step = ... too"
Value = bool | int | float | str


@dataclass(frozen=True)
class Values:
    """One of these values, which have no order.

    Example:
        >>> Values((64, 128)).contains(64), Values(("lstm", "gru")).contains("rnn")
        (True, False)
    """

    values: tuple[Value, ...]

    def contains(self, value: Any) -> bool:
        """Whether a search could choose this value."""
        return any(value == known and isinstance(value, bool) == isinstance(known, bool) for known in self.values)

    def ends(self) -> tuple[Value, ...]:
        """All of them, since they have no order."""
        return self.values

    def every(self) -> tuple[Value, ...]:
        """All values."""
        return self.values

    def to_data(self) -> Any:
        """As plain data, in the form that `read_space` reads."""
        return list(self.values)

    def distribution(self) -> Any:
        """The same as optuna's distribution."""
        from optuna.distributions import CategoricalDistribution

        return CategoricalDistribution(self.values)


@dataclass(frozen=True)
class Range:
    """A number from `low` to `high`, both included.

    Attributes:
        whole: whole numbers only.
        log: equal ratios are equally likely, rather than equal differences.
        step: only low, low + step, ...; None for any number.
    """

    low: float
    high: float
    whole: bool = False
    log: bool = False
    step: float | None = None

    def contains(self, value: Any) -> bool:
        """Whether a search could choose this value."""
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not self.low <= value <= self.high or (self.whole and value != int(value)):
            return False
        return self.step is None or math.isclose((value - self.low) / self.step, round((value - self.low) / self.step), abs_tol=1e-6)

    def ends(self) -> tuple[Value, ...]:
        """The smallest and the largest."""
        return self.low, self.high

    def every(self) -> tuple[Value, ...] | None:
        """All values, or None if there are too many to list."""
        step = self.step if self.step is not None else 1 if self.whole else None
        if step is None or (self.high - self.low) / step > 10_000:
            return None
        count = int((self.high - self.low) / step + 1e-9) + 1
        return tuple(self.low + number * step if self.whole else round(self.low + number * step, 12) for number in range(count))

    def to_data(self) -> Any:
        """As plain data, in the form that `read_space` reads."""
        return {"low": self.low, "high": self.high, **({"log": True} if self.log else {}), **({} if self.step is None else {"step": self.step})}

    def distribution(self) -> Any:
        """The same as optuna's distribution."""
        from optuna.distributions import FloatDistribution, IntDistribution

        if self.whole:
            return IntDistribution(int(self.low), int(self.high), log=self.log, step=int(self.step or 1))
        return FloatDistribution(self.low, self.high, log=self.log, step=self.step)


Space = Mapping[str, Values | Range]


def read_space(data: Mapping[str, Any], kinds: Mapping[str, type], where: str = "the search space") -> dict[str, Values | Range]:
    """A search space from plain data.

    Args:
        data: option to its values, as in a TOML table.
        kinds: the options that can be searched, each with the type of its values (bool, int, float or str).
        where: what an error calls the data.
    Raises:
        ArgumentError: nothing to search; an option that is not in `kinds`; an empty, reversed or impossible range; a value of the wrong type.
    Example:
        >>> read_space({"hidden_size": [64, 128], "dropout": {"low": 0, "high": 0.5}}, {"hidden_size": int, "dropout": float})
        {'hidden_size': Values(values=(64, 128)), 'dropout': Range(low=0.0, high=0.5, whole=False, log=False, step=None)}
    """
    if not isinstance(data, Mapping) or not data:
        raise ArgumentError(f"{where} is empty.", expected=f"option = {FORMS}", fix="name at least one option")
    space: dict[str, Values | Range] = {}
    for given, content in data.items():
        name = given.replace("-", "_")
        if name not in kinds:
            raise ArgumentError(
                f"{where} names {given}, which is not an option that can be searched.",
                expected=listed(name, sorted(kinds), ", "),
                received=f"{given} = {content!r}",
                fix=did_you_mean(name, sorted(kinds)),
            )
        space[name] = _read_one(name, content, kinds[name], where)
    return space


def every_combination(space: Space) -> Iterator[dict[str, Value]] | None:
    """All combinations of a space's values, one after the other; None if there are too many to list."""
    columns = {name: choice.every() for name, choice in space.items()}
    if any(values is None for values in columns.values()) or math.prod(len(values or ()) for values in columns.values()) > 100_000:
        return None
    return (dict(zip(columns, row)) for row in product(*(values or () for values in columns.values())))


def _read_one(name: str, content: Any, kind: type, where: str) -> Values | Range:
    if isinstance(content, Mapping) and set(content) == {"values"}:
        content = content["values"]
    if isinstance(content, list):
        return _read_values(name, content, kind, where)
    if not isinstance(content, Mapping) or not {"low", "high"} <= set(content) or set(content) - {"low", "high", "log", "step"}:
        raise ArgumentError(f"{where}: {name} has a form that is not known.", expected=FORMS, received=f"{name} = {content!r}")
    if kind not in (int, float):
        raise ArgumentError(
            f"{where}: {name} is {_named(kind)}, so it cannot have a range.", expected=f"{name} = [value, value, ...]", received=f"{name} = {content!r}"
        )
    return _read_range(name, content, kind, where)


def _read_values(name: str, content: list[Any], kind: type, where: str) -> Values:
    values: list[Any] = []
    for value in content:
        values.append(_typed(name, value, kind, where))
        if values[-1] in values[:-1]:
            raise ArgumentError(f"{where}: {name} has the value {value!r} twice.", fix="leave one of them out")
    if not values:
        raise ArgumentError(f"{where}: {name} has no values.", expected=f"{name} = [value, value, ...]", received=f"{name} = []")
    return Values(tuple(values))


def _read_range(name: str, content: Mapping[str, Any], kind: type, where: str) -> Range:
    low, high = (_typed(f"{name}.{end}", content[end], kind, where) for end in ("low", "high"))
    log, step = content.get("log", False), content.get("step")
    received = f"{name} = {content!r}"
    if not isinstance(log, bool):
        raise ArgumentError(f"{where}: {name}.log is not true or false.", received=received)
    if low >= high:
        raise ArgumentError(f"{where}: the low end of {name} is not below its high end.", expected="low < high", received=received)
    if log and low <= 0:
        raise ArgumentError(f"{where}: {name} cannot be logarithmic from {low}.", expected="low above zero", received=received)
    if step is not None:
        step = _typed(f"{name}.step", step, kind, where)
        if log or not 0 < step <= high - low:
            raise ArgumentError(
                f"{where}: {name} cannot go in steps of {step}.", expected="a step above zero, not longer than the range, and no log", received=received
            )
        steps = (Decimal(str(high)) - Decimal(str(low))) // Decimal(str(step))
        high = kind(Decimal(str(low)) + steps * Decimal(str(step)))  # the last step that is in the range
    return Range(low, high, kind is int, log, step)


def _typed(name: str, value: Any, kind: type, where: str) -> Any:
    """The value, checked to be of this type; where a float is wanted, a whole number becomes one."""
    value = plain(value)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    fits = isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
    if not fits or (kind is float and not math.isfinite(value)):
        raise ArgumentError(f"{where}: {name} has a value of the wrong type.", expected=_named(kind), received=f"{value!r} ({type(value).__name__})")
    return value


def _named(kind: type) -> str:
    return {bool: "true or false", int: "a whole number", float: "a number", str: "text"}[kind]
