"""A training run before it starts: the data is read and checked, and the estimator is built from the options that were typed."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from tenuto.cli.flags import dashed
from tenuto.tasks.option import Known, typed_options
from tenuto.tasks.task import Task, load
from tenuto.tongues import typed_path

if TYPE_CHECKING:
    from rich.console import Console

    from tenuto.train import Checkpoint, Observer


@dataclass(frozen=True)
class Job:
    """What will be trained, and on which data.

    Attributes:
        task: the card of the task.
        model: the estimator, not yet fitted; its `evaluation_` is read after fitting.
        splits: its data, with `train`, `validation`, `test`.
        name: the names of the data and the cell, for example ("walks", "lstm"). A new run folder is named after them.
        own_cells: for the commands that go on with the run, " --cell FILE.py:CLASS" if its cell is one of the user's own.
        command: the word after `tenuto` that trains it.
    """

    task: Task
    model: Any
    splits: Any
    name: tuple[str, str]
    own_cells: str = ""
    command: str = "fit"

    def resumed(self, folder: Path) -> str:
        """The command that goes on with the run in a folder."""
        return f"tenuto {self.command} --resume {typed_path(folder)}{self.own_cells}"

    def fit(self, observers: Iterable[Observer], checkpoint: Checkpoint | None, *, tested: bool) -> Any:
        """Train and return the estimator. If it will be tested, a test part that could not be scored is refused before."""
        test = self.splits.test if tested else None
        return self.model.fit(self.splits.train, validation=self.splits.validation, test=test, observers=list(observers), checkpoint=checkpoint)

    def save(self, folder: Path, *, overwrite: bool) -> None:
        """Write the run, without test results."""
        self.model.save(folder, overwrite=overwrite)

    def score(self, folder: Path) -> None:
        """Evaluate the test part, if there is one, and write the run again with the results."""
        if self.splits.test is not None:
            self.model.evaluate(self.splits.test)
            self.model.save(folder, overwrite=True)

    @property
    def data_said(self) -> str:
        """The data, and where it comes from, in words."""
        train = self.splits.train
        return f"data        {train!r}\nfrom        {train.path or train.origin}"

    @property
    def described(self) -> str:
        """What is printed before training starts."""
        return f"{self.data_said}\nmodel       {load(self.task.described)(self.model)}"

    def say(self, console: Console, evaluation: Mapping[str, Any]) -> None:
        """Print the results, one line for each part of the data, and then the task's own lines."""
        from tenuto.cli.console import strong
        from tenuto.measures import chosen_by_few

        for name in ("validation", "test"):
            result = evaluation["results"].get(name)
            if result is not None:
                console.print(strong(f"{name:<12}{load(self.task.said)(result)}"))
        if doubt := chosen_by_few(evaluation["results"].get("validation") or {}):
            console.print(f"note        {doubt} More of the data: --validation-fraction; more data: --validation FILE", markup=False)
        for line in load(self.task.after_fit)(evaluation) if self.task.after_fit else ():
            console.print(line, markup=False)

    def next_words(self, run: Path) -> str:
        """The commands that can be typed next."""
        first = f"tenuto predict {typed_path(run)} {self.task.data_name}"
        if self.task.goes_on:
            first = f"tenuto {self.task.command} {typed_path(run)}"
        elif self.task.listens or self.task.spots:
            first = f"tenuto {self.task.command} {typed_path(run)} FILE"
        elif self.task.predict is None and self.task.write:
            first = f"tenuto generate {typed_path(run)}"
        return f"{first}{self.own_cells}   |   tenuto score {typed_path(run)} {self.task.data_name}{self.own_cells}"


def prepare(task: Task, options: Mapping[str, Any], own_cells: Mapping[str, str] = MappingProxyType({})) -> Job:
    """Read the data and build the estimator that these options of `tenuto fit TASK` describe.

    Args:
        own_cells: the cells in Python files that may be run, since they were typed: by option, FILE.py:CLASS. Any other is refused, wherever the options come from.
    Raises:
        TenutoError: something is wrong with the data or an option.
    """
    from tenuto.cli.arguments import data_path

    model = load(task.estimator)(**_estimator_options(task, options, own_cells))
    model.check()  # before the data are read, which may take long
    choices = {choice.name: options[choice.name] for choice in (*task.columns, *task.fitting)}
    given = options["data"]
    data = [data_path(one) for one in given] if task.many else data_path(given)
    parts = [None if options[part] is None else data_path(options[part]) for part in ("validation", "test")]
    splits = load(task.splits)(data, *parts, choices)
    first = data[0] if isinstance(data, list) else data
    return Job(task, model, splits, (first.resolve().stem, options["cell"]), as_typed(task, own_cells))


def as_typed(task: Task, own_cells: Mapping[str, str]) -> str:
    """Cells of one's own as words of a command line, with a space before each option."""
    return "".join(f" {flag(known)} {shlex.quote(own_cells[known.typed])}" for known in typed_options(task.options) if known.typed in own_cells)


def flag(known: Known) -> str:
    """An option's name as it is typed."""
    return known.flag or dashed(known.typed)


def _estimator_options(task: Task, options: Mapping[str, Any], own_cells: Mapping[str, str]) -> dict[str, Any]:
    """The estimator's arguments, from these options of a command."""
    from tenuto.cli.arguments import build_cell, cell_class

    given = {known.name: known.value(options[known.typed]) for known in typed_options(task.options)}
    for known in typed_options(task.options):
        if known.cell and given[known.name] is not None:
            _refuse_untyped(known, given[known.name], own_cells)
            fields = options["cell_field"] if known.name == "cell" else None
            given[known.name] = build_cell(cell_class(given[known.name]), fields or [])
    return given


def _refuse_untyped(known: Known, cell: str, own_cells: Mapping[str, str]) -> None:
    """Raise unless the cell comes with tenuto or its file was typed: a configuration may come from anybody, and a run from anywhere."""
    from tenuto.cli.arguments import names_a_file
    from tenuto.errors import ArgumentError

    if names_a_file(cell) and _place(cell) not in {_place(one) for one in own_cells.values()}:
        raise ArgumentError(
            f"the configuration names a cell in a Python file: {cell}. Such a file is run only if it is named on the command line.",
            expected=f"{flag(known)} {cell}",
            received=f"no {flag(known)}",
            fix=f"read the file; if you trust it, add {flag(known)} {cell}",
        )


def _place(cell: str) -> tuple[Path, str]:
    """FILE.py:CLASS as the file, wherever the command was started, and the class."""
    file, _, name = cell.rpartition(":")
    return Path(file).resolve(), name
