"""The card of a task: what the commands, the pages and a search know of it. Plain data; whatever needs torch is given by name, and loaded when it is used.

A task's folder has a `card.py` with its `TASK`. `tenuto.tasks.cards()` finds them all; no command and no page asks which task it works for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Choice:
    """What a command may be told in addition to the options of the estimator: how DATA is read, or what is answered.

    Args:
        name: of the parameter, with underscores; its key in config.toml too.
        default: its value when nothing is typed; an empty list for an option that may be repeated.
        said: what `--help` says.
        flag: how it is typed, where that is not its name with dashes.
        panel: its group in the `--help` of `fit`, and its table in config.toml.
        least: the smallest number allowed.
    """

    name: str
    default: Any
    said: str
    flag: str = ""
    panel: str = ""
    least: float | None = None


@dataclass(frozen=True)
class ClassTable:
    """Precision, recall, F1 and the number of cases of each class; `counted` says what the cases are ("sequences", "words")."""

    classes: Sequence[Mapping[str, Any]]
    counted: str


@dataclass(frozen=True)
class Task:
    """One task. Functions and classes are given by name, as "module:name".

    Args:
        name: what config.json has as `task`.
        command: its word after `tenuto fit`.
        help: what `tenuto fit COMMAND --help` says first; in a paragraph of commands, each stands on its own line, in bold.
        estimator: the class.
        options: its options (`option.py`): a dataclass.
        data_help: what DATA may be.
        loss: the unit of its loss: "nats a sentence".
        table: the columns of the page's table of data sets: heading, and key in a set's description; a column that no set has is left out.
        page: a `tenuto.pages.page.Page`: its head and its own sections.
        splits: a function of (data, validation, test, choices): an object with `train`, `validation` and `test`, as `fit` and `save` take them.
            The first three arguments are paths, of which validation and test may be None; choices are the values of `columns` and `fitting`.
        read: a function of (data, split or None, choices): what `evaluate` takes. Choices are the values of `columns`.
        asked: a function of the same: what `predict` takes. It reads no answers, so it does not matter what stands in their place. Default: `read`.
        described: a function of (estimator): its network in a few words.
        said: a function of (RESULT of evaluation.json): the result in one line, whose first number with a decimal point is printed in bold.
        score: a function of (RESULT): all of it for people to read, as lines of text and `ClassTable`s.
        columns: how DATA is read, in `fit`, `predict` and `score`.
        fitting: how DATA is read, in `fit` alone.
        asking: what `predict` may be asked for.
        predict: a function of (estimator, data, choices): the rows of the answer as dictionaries, in the order of the data. Choices are the
            values of `asking`.
        write: a function of (estimator, prompt, settings): pieces of new text, for `tenuto generate`.
        many: DATA may be several files.
        goes_on: its answers are what comes after the data, so that those after the data of training can be asked for without a file (`tenuto forecast`).
        listens: its estimator has `transcribe` and `stream`, for `tenuto transcribe`.
        spots: its estimator has `spot` and `stream`, for `tenuto spot`.
        recipe: a function of (name): a published set of options; `recipes` are the names.
        after_fit: a function of (evaluation): lines to print after the results of a fit.
        writers: for files of answers in other formats than .csv and .jsonl: a function of the rows by the file's suffix.
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
    asked: str | None = None
    predict: str | None = None
    write: str | None = None
    many: bool = False
    goes_on: bool = False
    listens: bool = False
    spots: bool = False
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
