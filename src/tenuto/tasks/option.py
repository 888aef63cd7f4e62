"""An option of a task, said once: its default, what it is for, where it stands on a help page, what `tenuto tune` tries.

    @dataclass(kw_only=True)
    class TagOptions(TokenOptions):
        crf: bool = option(True, "Choose the tags of a sentence together (linear-chain CRF), or each by itself.", NETWORK, flag="--crf/--no-crf")

A task's options are the constructor arguments of its estimator, under the same names. `tenuto fit TASK`, `tenuto tune TASK` and config.toml
are read off the fields. Imports no torch.
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

NETWORK, READING, TRAINING, WHERE = "The network", "What is read off a word", "Training", "Where and how"


def option(
    default: Any,
    said: str,
    panel: str,
    *,
    flag: str = "",
    typed: str = "",
    metavar: str | None = None,
    none: Any = None,
    cell: bool = False,
    path: bool = False,
    first: bool = False,
    search: Any = None,
) -> Any:
    """A field of a dataclass that is an option.

    Args:
        said: stands in `--help`. panel: its group there, and its table in config.toml.
        flag: how it is typed, where that is not its name with dashes: "--crf/--no-crf".
        typed: its name on the command line and in config.toml, where that is another one.
        metavar: what stands for its value in `--help`.
        none: what is typed for None.
        cell: its value is a cell, typed by name or as FILE.py:CLASS.
        path: its value is the path of a file.
        first: it may be given to the constructor without its name.
        search: what `tenuto tune` tries by itself: a list, or a range as `tenuto.train.search_space` reads it. False: it cannot be searched.
    """
    known = {"said": said, "panel": panel, "flag": flag, "typed": typed, "metavar": metavar, "none": none, "cell": cell, "path": path, "search": search}
    return dataclasses.field(default=default, kw_only=not first, metadata=known)


@dataclass(frozen=True)
class Known:
    """An option as the commands know it.

    Attributes:
        name: the argument of the estimator. typed: its name on the command line and in config.toml.
        kind: what is typed: bool, int, float or str.
        default: as it is typed.
        items: of a tuple, which is typed as text with commas, the type of what is in it.
        said, panel, flag, metavar, none, cell, path, search: as in `option`.
    """

    name: str
    typed: str
    kind: type
    default: Any
    items: type | None
    said: str
    panel: str
    flag: str
    metavar: str | None
    none: Any
    cell: bool
    path: bool
    search: Any

    def value(self, given: Any) -> Any:
        """What was typed, as the estimator takes it; a cell stays as it was typed.

        Raises:
            ArgumentError: text with commas that holds no such things.
        """
        if self.items is not None:
            return self._items(given)
        return None if self.none is not None and given == self.none else given

    def _items(self, given: str) -> tuple[Any, ...]:
        from tenuto.errors import ArgumentError

        assert self.items is not None
        try:
            return tuple(self.items(word.strip()) for word in given.split(",") if word.strip())
        except ValueError:
            raise ArgumentError(f"{self.typed} {given!r} are no numbers.", expected="numbers with commas, for example 2000,10000", received=given) from None


def options_of(kind: type) -> Iterator[Known]:
    """The options of a task, in the order of its class."""
    hints = typing.get_type_hints(kind)
    for field in dataclasses.fields(kind):
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
        yield Known(field.name, known.pop("typed") or field.name, plain, default, items, **known)
