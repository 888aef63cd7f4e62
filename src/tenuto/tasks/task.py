"""The card of a task: what the commands, the pages and a search know of it. Plain data; whatever is heavy is named, and loaded when it is used.

A task's folder has a `card.py` with its `TASK`. `tenuto.tasks.cards()` finds them all; no command and no page asks which task it has.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Choice:
    """What a command may be told beside the options of the estimator: how DATA is read, or what is answered.

    Args:
        name: of the parameter, with underscores; its key in config.toml too.
        default: when nothing is typed; an empty list for what may be repeated.
        said: what `--help` says.
        flag: how it is typed, where that is not its name with dashes.
        panel: its group in the `--help` of `fit`, and its table in config.toml.
        least: a number may not be lower.
    """

    name: str
    default: Any
    said: str
    flag: str = ""
    panel: str = ""
    least: float | None = None


@dataclass(frozen=True)
class ClassTable:
    """Precision, recall, F1 and how many, by class; `counted` says of what ("sequences", "words")."""

    classes: Sequence[Mapping[str, Any]]
    counted: str


@dataclass(frozen=True)
class Task:
    """One task. Names of functions and classes are "module:name".

    Args:
        name: as `task` in config.json.
        command: its word after `tenuto fit`.
        help: what `tenuto fit COMMAND --help` says first; a paragraph of commands has each in a line of its own, in bold.
        estimator: the class.
        options: its options (`option.py`): a dataclass.
        data_help: what DATA may be.
        loss: what its loss is counted in: "nats a sentence".
        table: the columns of the page's table of data sets: heading, and key in a set's description; one that no set has is left out.
        page: a `tenuto.pages.page.Page`: its head and its own sections.
        splits: (data, validation, test, choices) to an object with `train`, `validation`, `test`, what `fit` and `save` take. Paths; the last
            two may be None. Choices are values by name: of `columns` and `fitting`.
        read: (data, split or None, choices) to what `predict` and `evaluate` take. Choices are those of `columns`.
        described: (estimator) to the network in a few words.
        said: (RESULT of evaluation.json) to the result in a line; its first number with a point is shown strong.
        score: (RESULT) to all of it for people: lines of text and `ClassTable`s.
        columns: how DATA is read, in `fit`, `predict` and `score`.
        fitting: how DATA is read, in `fit` alone.
        asking: what `predict` may be asked for.
        predict: (estimator, data, choices) to one dictionary a row of the answer, in the order of the data; choices are those of `asking`.
        write: (estimator, prompt, settings) to pieces of new text, for `tenuto generate`.
        many: DATA may be several files.
        recipe: (name) to a published set of options; `recipes` are the names.
        after_fit: (evaluation) to lines after the results of a fit.
        writers: suffix to a function of the rows, for files of answers beyond .csv and .jsonl.
    """

    name: str
    command: str
    help: str
    estimator: str
    options: type
    data_help: str
    loss: str
    table: tuple[tuple[str, str], ...]
    page: str
    splits: str
    read: str
    described: str
    said: str
    score: str
    columns: tuple[Choice, ...] = ()
    fitting: tuple[Choice, ...] = ()
    asking: tuple[Choice, ...] = ()
    predict: str | None = None
    write: str | None = None
    many: bool = False
    recipe: str | None = None
    recipes: tuple[str, ...] = ()
    after_fit: str | None = None
    writers: Mapping[str, str] = field(default_factory=dict)

    @property
    def data_name(self) -> str:
        """What stands for the data in `--help`."""
        return "FILE" if self.many else "DATA"


def load(name: str) -> Any:
    """What "module:name" names."""
    module, _, attribute = name.partition(":")
    return getattr(import_module(module), attribute)
