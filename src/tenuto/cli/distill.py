"""`tenuto distill`: a simpler network that learns from a run's answers, as a run of its own, with what is lost."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tenuto.cli.arguments import option
from tenuto.cli.job import Job
from tenuto.cli.parameters import (
    PANEL,
    CheckpointEvery,
    Out,
    Overwrite,
    Parameters,
    Quiet,
    Test,
    Threads,
    Validation,
    columns_as_trained,
    options_left_open,
    with_parameters,
)
from tenuto.runs.names import TAUGHT
from tenuto.tasks.estimator_options import EstimatorOptions
from tenuto.tasks.option import NETWORK, Known, typed_options
from tenuto.tasks.task import Task, load
from tenuto.tongues import typed_path

if TYPE_CHECKING:
    from rich.console import Console

    from tenuto.distill.teacher import Teacher
    from tenuto.train import Checkpoint, Observer

TEACHING = "What is learnt from the teacher"
# Parameters that say where a command runs this time, not what is learnt.
ELSEWHERE = frozenset({"context", "out", "overwrite", "quiet", "resume", "threads", "checkpoint_every_s"})
HELP = """Train a simpler network on the answers of a run: a run of its own, with what is lost printed and in its report.

The new network reads data as the run does and can give the same answers. It learns the run's probabilities, and the right answers where DATA has them.
All options that are not typed are those of the run, except --epochs and --batch-size. Ctrl-C ends training early and keeps the best so far.

[bold]tenuto distill runs/vowels japanese_vowels --cell gru --hidden-size 16[/bold]
[bold]tenuto distill runs/opinions texts_without_labels.csv --unlabelled --num-layers 1[/bold]
"""


def _resume(context: typer.Context, folder: Path | None) -> Path | None:
    """Take what the run in this folder was told when it began."""
    if folder is not None and not context.resilient_parsing:
        context.default_map = {**(context.default_map or {}), **told_before(Path(folder), [str(parameter.name) for parameter in context.command.params])}
    return folder


Run = Annotated[Path | None, typer.Argument(metavar="RUN", help="The teacher: a run folder, as `tenuto fit` writes it.", show_default=False)]
Data = Annotated[str | None, typer.Argument(metavar="DATA", help="Data as for `tenuto fit`, in the form that the run was trained on, or without right answers (--unlabelled).", show_default=False)]
Temperature = Annotated[float, option("Both networks' logits are divided by it, so that what is improbable tells more.", TEACHING)]
Truth = Annotated[float | None, option("Share of the right answers in the loss. Default: 0.5 where DATA has any.", TEACHING, show_default=False)]
States = Annotated[float, option("What the hidden states count in the loss: the steps that are alike to the teacher are to be alike to the student. 0 for nothing.", TEACHING)]
Start = Annotated[str, option("Which weights begin as the teacher's, where name and shape fit: front (what reads the data), all or nothing.", TEACHING)]
Unlabelled = Annotated[bool, option("DATA has no right answers, or they are not to be read: only the teacher's answers teach.", TEACHING, "--unlabelled")]
TeacherCell = Annotated[str | None, option("Where the teacher's cell is defined, if it is one of your own.", TEACHING, "--teacher-cell", metavar="FILE.py:CLASS", show_default=False)]
Changes = Annotated[list[str] | None, option("Any other option of `tenuto fit`, for example dropout=0.1; repeat it.", NETWORK, "--set", metavar="NAME=VALUE", show_default=False)]
CellField = Annotated[list[str] | None, option("A field of the cell, for example activation=relu; repeat it.", NETWORK, metavar="NAME=VALUE", show_default=False)]
Resume = Annotated[
    Path | None,
    option("Go on with a run of this command that was killed or interrupted; nothing else need be typed.", PANEL, "--resume", metavar="FOLDER", callback=_resume, is_eager=True, show_default=False),
]


def command() -> Callable[..., Any]:
    """The function of `tenuto distill`, as typer reads it."""
    common = options_left_open(EstimatorOptions)
    cell = {name: common.pop(name) for name in ("cell", "hidden_size", "num_layers")}
    parameters: Parameters = {
        "context": (typer.Context, ...),
        "run": (Run, None),
        "data": (Data, None),
        "validation": (Validation, None),
        "test": (Test, None),
        "out": (Out, None),
        "overwrite": (Overwrite, False),
        "temperature": (Temperature, 2.0),
        "truth": (Truth, None),
        "states": (States, 0.0),
        "start": (Start, "front"),
        "unlabelled": (Unlabelled, False),
        "teacher_cell": (TeacherCell, None),
        **cell,
        "cell_field": (CellField, None),
        "changes": (Changes, None),
        **common,
        "threads": (Threads, 0),
        "quiet": (Quiet, False),
        **columns_as_trained(),
        "resume": (Resume, None),
        "checkpoint_every_s": (CheckpointEvery, 60.0),
    }
    return with_parameters(distill, parameters, HELP)


def distill(context: typer.Context, **given: Any) -> None:
    """Reads the run and the data, and trains the student as `tenuto fit` trains a network."""
    from tenuto.cli.arguments import use_threads
    from tenuto.cli.fitting import check_processes, check_resume, run_folder, train_and_save
    from tenuto.errors import ArgumentError

    use_threads(given["threads"])
    check_processes(given)
    check_resume(given["resume"], given["out"], "distill")
    if given["run"] is None or given["data"] is None:
        raise ArgumentError("it is not said what to learn from.", expected="tenuto distill RUN DATA", fix="name a run folder and data, or a run to go on with: --resume FOLDER")
    given["run"] = Path(given["run"])
    if given["out"] is not None and given["out"].resolve() == given["run"].resolve():
        raise ArgumentError("the student cannot take its teacher's folder.", received=f"--out {given['out']}", fix="name another folder")
    job = _prepared(context, given)
    with run_folder(given["resume"] or given["out"], *job.name) as folder:
        resume = given["resume"] is not None
        train_and_save(
            job, folder, configuration=_configuration(job.task, given), overwrite=given["overwrite"], quiet=given["quiet"], resume=resume, every_s=given["checkpoint_every_s"]
        )


@dataclass(frozen=True)
class Taught(Job):
    """What will be learnt from a teacher."""

    teaching: Teacher | None = None

    def fit(self, observers: Iterable[Observer], checkpoint: Checkpoint | None, *, tested: bool) -> Any:
        assert self.teaching is not None
        parts: dict[str, Any] = {"validation": self.splits.validation, "test": self.splits.test if tested else None}
        return self.model.learn_from(self.teaching, self.splits.train, **parts, observers=list(observers), checkpoint=checkpoint)

    def score(self, folder: Path) -> None:
        from tenuto.distill.call import tested

        if self.splits.test is not None and self.teaching is not None:
            self.model.evaluate(self.splits.test)
            tested(self.teaching, self.splits.test)
            self.model.save(folder, overwrite=True)

    def say(self, console: Console, evaluation: Mapping[str, Any]) -> None:
        from tenuto.cli.console import strong
        from tenuto.distill import Fidelity

        if self.teaching is not None and not self.teaching.guessed("train"):
            super().say(console, evaluation)
        for line in str(Fidelity.of(self.model)).splitlines():
            console.print(strong(line) if "same answer" in line else line, markup=False, highlight=False)


def _prepared(context: typer.Context, given: Mapping[str, Any]) -> Taught:
    """The student and its data."""
    from tenuto.cli.arguments import build_cell, cell_class
    from tenuto.cli.job import as_typed
    from tenuto.cli.tasks import columns_of, open_run, refuse_others, task_of_run
    from tenuto.distill.call import lesson
    from tenuto.errors import ArgumentError

    run: Path = given["run"]
    task = task_of_run(run)
    refuse_others(context, task, *task.columns)
    own = _own_cells(context, given)
    teacher = open_run(task, run, given["teacher_cell"], given["device"] or "cpu")
    if given["cell_field"] and given["cell"] is None:
        raise ArgumentError("--cell-field belongs to a cell that is not named.", expected="--cell NAME --cell-field FIELD=VALUE", fix="name the cell too")
    cell = None if given["cell"] is None else build_cell(cell_class(given["cell"]), given["cell_field"] or [])
    student, teaching = lesson(teacher, cell, _changes(task, given), temperature=given["temperature"], truth=given["truth"], states=given["states"], start=given["start"])
    choices = columns_of(context, run, (*task.columns, *task.fitting)) | {choice.name: given[choice.name] for choice in task.columns if given.get(choice.name) is not None}
    splits = _splits(task, given, choices)
    name = (given["cell"] or type(teacher.cell_).__name__) + " distilled"
    return Taught(task, student, splits, (Path(given["data"]).stem, name), as_typed(task, own), "distill", teaching)


def _splits(task: Task, given: Mapping[str, Any], choices: Mapping[str, Any]) -> Any:
    """The data, in parts."""
    from tenuto.cli.arguments import data_path
    from tenuto.errors import TenutoError

    data = data_path(given["data"])
    validation, test = (None if given[part] is None else data_path(given[part]) for part in ("validation", "test"))
    if given["unlabelled"]:
        ask = load(task.asked or task.read)
        try:
            train = ask(data, "train", choices)
        except TenutoError:  # it has no parts
            train = ask(data, None, choices)
        return SimpleNamespace(
            train=train, validation=None if validation is None else ask(validation, None, choices), test=None if test is None else load(task.read)(test, None, choices)
        )
    try:
        return load(task.splits)([data] if task.many else data, validation, test, choices)
    except TenutoError as error:
        raise error.also("or, where DATA has no right answers, add --unlabelled") from error.__cause__


def _changes(task: Task, given: Mapping[str, Any]) -> dict[str, Any]:
    """The options of the student that were typed, as the estimator takes them; its cell is not among them."""
    from tenuto.choices import unknown_name
    from tenuto.errors import ArgumentError

    known = {one.typed: one for one in typed_options(task.options)}
    found = {one.name: one.value(given[name]) for name, one in known.items() if name != "cell" and given.get(name) is not None}
    for text in given["changes"] or []:
        name, equals, value = text.partition("=")
        name = name.strip().replace("-", "_")
        if not equals:
            raise ArgumentError(f"--set {text} has no equals sign, so it sets nothing.", expected="--set NAME=VALUE", received=text)
        if name not in known or known[name].cell:
            raise unknown_name(f"--set names {name!r}, which is no option of this task that can be set so.", name, [one for one in known if not known[one].cell])
        found[known[name].name] = _typed(known[name], value)
    return found


def _typed(known: Known, text: str) -> Any:
    """A value that was typed after --set, as the estimator takes it."""
    from tenuto.errors import ArgumentError

    words = {"true": True, "yes": True, "false": False, "no": False}
    try:
        value: Any = words[text.lower()] if known.kind is bool else known.kind(text)
    except (KeyError, ValueError):
        kind = {bool: "true or false", int: "a whole number", float: "a number"}.get(known.kind, "text")
        raise ArgumentError(f"--set {known.typed}={text} cannot be used.", expected=f"{known.typed}= with {kind}", received=text) from None
    return known.value(value)


def _own_cells(context: typer.Context, given: Mapping[str, Any]) -> Mapping[str, str]:
    """The student's cell, where it is one of the user's own. A file of Python is run only if it stands on the command line, also when a run is gone on with."""
    from tenuto.cli.arguments import names_a_file, was_typed
    from tenuto.errors import ArgumentError

    for name, flag in (("cell", "--cell"), ("teacher_cell", "--teacher-cell")):
        if names_a_file(given[name]) and not was_typed(context, name):
            raise ArgumentError(
                f"the configuration names a cell in a Python file: {given[name]}. Such a file is run only if it is named on the command line.",
                expected=f"{flag} {given[name]}", received=f"no {flag}", fix=f"read the file; if you trust it, add {flag} {given[name]}",
            )  # fmt: skip
    return MappingProxyType({"cell": given["cell"]} if names_a_file(given["cell"]) else {})


def _configuration(task: Task, given: Mapping[str, Any]) -> str:
    """The text of config.toml: the teacher's options with those that were typed, for `tenuto fit --from`; and a table with all that this command was told."""
    from importlib.metadata import version

    from tenuto.cli.configuration import SEARCH, TUNE, read_toml, toml_text
    from tenuto.cli.fitting import from_anywhere
    from tenuto.runs.names import CONFIGURATION

    told = {name: from_anywhere(value) if isinstance(value, (str, Path)) else value for name, value in given.items() if name not in ELSEWHERE and value is not None and value is not False and value != []}
    told["run"] = str(given["run"].resolve())
    path = given["run"] / CONFIGURATION
    kept = read_toml(path) if path.is_file() else {}
    tables: dict[str, dict[str, Any]] = {"": {name: value for name, value in kept.items() if not isinstance(value, Mapping) and name != "task"}}
    tables |= {name: dict(table) for name, table in kept.items() if isinstance(table, Mapping) and name not in (TUNE, SEARCH, TAUGHT)}
    settled = {"data", "validation", "test", "epochs", "batch_size", *({"cell_field"} if given["cell"] else {})}
    for table in tables.values():
        for name in [name for name in table if name in settled]:
            del table[name]
    fitted = {known.typed for known in typed_options(task.options)} | {choice.name for choice in task.columns} | {"data", "validation", "test", "cell_field"}
    for name, value in told.items():
        if name in fitted:
            home = next((table for table in tables.values() if name in table), tables[""])
            home[name] = [value] if name == "data" and task.many else value
    return toml_text(task.name, {**tables, TAUGHT: told}, version("tenuto"), use=f"`tenuto fit --config {CONFIGURATION}` trains such a network without the teacher")


def told_before(folder: Path, known: Iterable[str]) -> dict[str, Any]:
    """What `tenuto distill` was told when the run in this folder began.

    Raises:
        RunError: it is no run of this command, or its configuration has something that the command does not know.
    """
    from tenuto.cli.configuration import configuration_of, read_toml
    from tenuto.errors import RunError

    path, names = configuration_of(folder), set(known)
    table = read_toml(path).get(TAUGHT)
    if not isinstance(table, Mapping):
        raise RunError(f"{folder} is no run of `tenuto distill`.", expected=f"{path} with a table [{TAUGHT}]", fix=f"tenuto fit --resume {typed_path(folder)}")
    for name, value in table.items():
        items = value if isinstance(value, list) else [value]
        if name not in names or name in ELSEWHERE or not all(isinstance(item, (str, int, float)) for item in items):
            raise RunError(f"{path} sets {name} in [{TAUGHT}] to something that it cannot be.", received=f"{name} = {value!r:.80}", fix="restore the file, or distill again into another folder")
    return dict(table)
