"""An option of a task, written once: its default, its range, what it is for, where it stands on a help page, what `tenuto tune` tries.

    @options(epochs=20)  # another default for an option that is inherited
    class TagOptions(TokenOptions):
        crf: bool = option(True, "Choose the tags of a sentence together (linear-chain CRF), or each by itself.", NETWORK, flag="--crf/--no-crf")

The class is a dataclass, and its constructor is that of the task's estimator: a flat list of arguments, stored as given, as scikit-learn's
`clone` and grid search expect. `tenuto fit TASK`, `tenuto tune TASK`, config.toml and the checks in `fit` are made from the fields. Imports no torch.
"""

from __future__ import annotations

import dataclasses
import os
import re
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from typing_extensions import dataclass_transform

from tenuto.errors import ArgumentError
from tenuto.scalars import drawn_from, is_generator, number, truth, whole
from tenuto.tongues import argument, either

T = TypeVar("T", bound=type)

NETWORK, READING, REGULARISERS = "The network", "What is read off a word", "Regularisers"
TRAINING, TRAINING_IN_DETAIL, WHERE = "Training", "Training in detail", "Where and how"
# The panels that every task has; they come after its own.
LAST = (REGULARISERS, TRAINING, TRAINING_IN_DETAIL, WHERE)
_PAIR = re.compile(r"(.+?)=([^=,]+)(?:,|$)", re.DOTALL)  # NAME=NUMBER


def option(
    default: Any,
    said: str,
    panel: str,
    *,
    least: float | None = None,
    above: float | None = None,
    below: float | None = None,
    flag: str = "",
    typed: str = "",
    metavar: str | None = None,
    none: Any = None,
    without: str = "",
    cell: bool = False,
    path: bool = False,
    pairs: bool = False,
    kw_only: bool = True,
    search: Any = None,
    answering: bool = False,
    drawn: bool = False,
    in_python: bool = False,
) -> Any:
    """A field of a dataclass that is an option.

    Args:
        said: what `--help` says, in sentences. panel: its group there, and its table in config.toml.
        least, above, below: least <= value, above < value < below, checked in `fit`; a field that is an int takes only whole numbers.
        flag: how it is typed, where that is not its name with dashes: "--crf/--no-crf".
        typed: its name on the command line and in config.toml, where that is another one.
        metavar: what stands for its value in `--help`.
        none: what is typed for None. without: what None means: "never" in "0 for never".
        cell: its value is a cell, typed by name or as FILE.py:CLASS.
        path: its value is the path of a file.
        pairs: its value may be a dictionary of numbers, typed as NAME=NUMBER with commas between.
        kw_only: False if it may be given to the constructor without its name.
        search: what `tenuto tune` tries by itself: a list, or a range as `tenuto.train.search_space` reads it. False: it cannot be searched.
        answering: it may change after training: the search for an answer reads it, or the reading of the data, whose digest shows it.
        drawn: it may be a random generator of numpy's too, from which the number is drawn.
        in_python: it is about arrays, and no option of the commands, which read files.
    """
    known = {"said": said, "panel": panel, "least": least, "above": above, "below": below, "drawn": drawn, "flag": flag, "typed": typed, "metavar": metavar}
    known |= {"none": none, "without": without, "cell": cell, "path": path, "pairs": pairs, "search": search, "answering": answering, "in_python": in_python}
    return dataclasses.field(default=default, kw_only=kw_only, metadata=known)


@dataclass_transform(kw_only_default=True, eq_default=False, field_specifiers=(option,))
def options(**usual: Any) -> Callable[[T], T]:
    """Makes a class a set of options; `usual` are other defaults for options that it inherits."""

    def make(kind: T) -> T:
        for name, default in usual.items():
            home = next(base for base in kind.__mro__[1:] if name in base.__dict__.get("__annotations__", {}))
            field = next(field for field in dataclasses.fields(home) if field.name == name)
            kind.__annotations__ = {**kind.__dict__.get("__annotations__", {}), name: typing.get_type_hints(home)[name]}
            setattr(kind, name, dataclasses.field(default=default, kw_only=field.kw_only, metadata=field.metadata))
        return typing.cast(T, dataclass(eq=False, repr=False)(kind))

    return make


@dataclass(frozen=True)
class Known:
    """An option as the commands and the checks know it.

    Attributes:
        name: the argument of the estimator. typed: its name on the command line and in config.toml.
        kind: what is typed: bool, int, float or str.
        usual: its default; default: as it is typed.
        items: for a tuple, which is typed as text with commas, the type of its items.
        said, panel, least, above, below, flag, metavar, none, without, cell, path, pairs, search, answering, drawn, in_python: as in `option`.
    """

    name: str
    typed: str
    kind: type
    usual: Any
    default: Any
    items: type | None
    said: str
    panel: str
    least: float | None
    above: float | None
    below: float | None
    flag: str
    metavar: str | None
    none: Any
    without: str
    cell: bool
    path: bool
    pairs: bool
    search: Any
    answering: bool
    drawn: bool
    in_python: bool

    def told(self, none: Any) -> str:
        """What it is for, and what `none` means, the value that stands for None where this text is read."""
        return f"{self.said.removesuffix('.')}; {none} for {self.without}." if self.without else self.said

    def value(self, given: Any) -> Any:
        """What was typed, as the estimator takes it; a cell stays as it was typed.

        Raises:
            ArgumentError: an item of a text with commas is not a number, or not NAME=NUMBER, where it must be.
        """
        if self.items is not None:
            return self._items(given)
        if self.pairs and "=" in str(given):
            return self._pairs(str(given))
        return None if self.none is not None and given == self.none else given

    def settled(self, value: Any) -> Any:
        """The estimator's value as Python's own: a number of numpy's or in a tensor without axes becomes an int or a float, a path becomes text.

        Raises:
            ArgumentError: it is not of the option's kind, or out of range.
        """
        if (value is None and self._may_be_none) or self.cell or (self.drawn and is_generator(value)):
            return value
        if self.drawn:
            return drawn_from(value, self.name)
        if self.pairs and not isinstance(value, str):
            return self._settled_pairs(value)
        if self.items is None:
            return self._settled(value, self.kind, value)
        one = isinstance(value, (str, bytes)) or not hasattr(value, "__iter__") or getattr(value, "ndim", 1) == 0
        return tuple(self._settled(item, self.items, value) for item in ([value] if one else value))

    def _settled(self, one: Any, kind: type, value: Any) -> Any:
        """`one`, a value or an item of it, as this kind."""
        if kind is str:
            text = os.fspath(one) if isinstance(one, os.PathLike) else one
            text = str(text) if type(one).__module__ == "torch" else text  # torch.device, torch.float16
            if not isinstance(text, str):
                raise ArgumentError(f"{argument(self.name, value)} is no text.", expected="text", received=type(one).__name__)
            return str(text).removeprefix("torch.")
        found = {bool: truth, int: whole}.get(kind, number)(one)
        if found is None or not self._in_range(found):
            raise ArgumentError(f"{argument(self.name, value)} is out of range.", expected=self._range(kind))
        return found

    def _settled_pairs(self, value: Any) -> Any:
        """A dictionary of numbers as it was given, if they are finite and 0 or more."""
        if not isinstance(value, Mapping):
            raise ArgumentError(f"{argument(self.name, value)} is not known.", expected="text, or numbers by name", received=type(value).__name__)
        wrong = next((f"{name!r:.40}: {one!r:.40}" for name, one in value.items() if (found := number(one)) is None or found < 0), None)
        if wrong or not value:
            raise ArgumentError(f"{argument(self.name, value)} is out of range.", expected="one or more finite numbers by name, 0 or more", received=wrong)
        return value

    def _in_range(self, value: Any) -> bool:
        low = (self.least is None or value >= self.least) and (self.above is None or value > self.above)
        return low and (self.below is None or value < self.below)

    @property
    def _may_be_none(self) -> bool:
        return self.usual is None or self.none is not None or self.drawn

    def _range(self, kind: type) -> str:
        if kind is bool:
            return either("True or False", "yes or no")
        noun = "a whole number" if kind is int else "a number"
        ends = [f"{self.least} or more" if self.least is not None else "", f"above {self.above}" if self.above is not None else "", f"below {self.below}" if self.below is not None else ""]
        words = " and ".join(end for end in ends if end)
        return f"{noun}, {words}" if words else noun

    def _items(self, given: str) -> tuple[Any, ...]:
        assert self.items is not None
        try:
            return tuple(self.items(word.strip()) for word in given.split(",") if word.strip())
        except ValueError:
            raise ArgumentError(f"{argument(self.name, given)} is not a list of numbers.", expected="numbers with commas, for example 2000,10000", received=given) from None

    def _pairs(self, given: str) -> dict[str, float]:
        """NAME=NUMBER,NAME=NUMBER as a dictionary; a name may hold commas and equals signs."""
        pairs = _PAIR.findall(given)
        try:
            found = {name.strip(): float(number) for name, number in pairs}
        except ValueError:
            found = {}
        if not found or ",".join("=".join(pair) for pair in pairs) != given:
            raise ArgumentError(f"{argument(self.name, given)} is not made of pairs.", expected="NAME=NUMBER, with commas between several", received=given)
        if len(found) < len(pairs):
            raise ArgumentError(f"{argument(self.name, given)} gives one name two numbers.", expected="each name once", received=given)
        return found


def usual_of(kind: type, name: str) -> Any:
    """The value that an option has where nothing else is given."""
    return next(known.usual for known in options_of(kind) if known.name == name)


def options_of(kind: type) -> Iterator[Known]:
    """The options of a task: those of the network, of the task's own panels, and of the panels that every task has."""
    hints = typing.get_type_hints(kind)
    fields = dataclasses.fields(kind)
    panels = list(dict.fromkeys(field.metadata["panel"] for field in fields))
    panels.sort(key=lambda panel: LAST.index(panel) + 1 if panel in LAST else 0)
    for field in sorted(fields, key=lambda field: panels.index(field.metadata["panel"])):
        known = dict(field.metadata)
        hint, items = hints[field.name], None
        default: Any = field.default
        if typing.get_origin(hint) is tuple:
            items, hint, default = typing.get_args(hint)[0], str, ",".join(map(str, default))
        if known["cell"]:
            hint = str
        plain = next(part for part in (*typing.get_args(hint), hint) if part is not type(None))  # `str | None` is str
        if default is None:
            default = known["none"]
        yield Known(field.name, known.pop("typed") or field.name, plain, field.default, default, items, **known)


def typed_options(kind: type) -> Iterator[Known]:
    """Those that the commands have."""
    return (known for known in options_of(kind) if not known.in_python)
