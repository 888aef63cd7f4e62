"""The parameters of commands that depend on the task, made from the tasks' cards: those of `tenuto fit TASK`, `predict` and `score`."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from tenuto.cli.arguments import option
from tenuto.cli.configuration import SEARCH, TUNE, configuration_of, options_in, read_toml
from tenuto.cli.tasks import task_of_command
from tenuto.runs.names import TAUGHT
from tenuto.tasks import cards
from tenuto.tasks.option import NETWORK, WHERE, Known, typed_options
from tenuto.tasks.task import Choice, Task

PANEL = "Configuration"
MOST_CHARACTERS = 4096  # of an option in a configuration, as of a path
AS_TRAINED = "Columns of DATA, if they differ from those in training"


def use_configuration(context: typer.Context, path: Path, without: Iterable[str] = (TUNE, SEARCH, TAUGHT)) -> None:
    """Use a configuration's values for options that the command line does not set; `without` names tables that are not for this command."""
    from tenuto.errors import ArgumentError

    data = read_toml(path)
    task = task_of_command(context.info_name or "")
    if data.get("task", task.name) not in (task.name, task.command):
        raise ArgumentError(
            f"{path} is the configuration of another task.", expected=f'task = "{task.name}"', received=f"task = {data['task']!r}", fix="leave the task out of the command"
        )
    parameters = {str(parameter.name): parameter for parameter in context.command.params}
    options = options_in(data, path, parameters, without=without)
    kinds = {name: _kind_of(hint) for name, (hint, _) in fit_parameters(task).items()}
    for name, value in options.items():  # an option that may be repeated takes a single value too
        several = parameters[name].nargs == -1 or getattr(parameters[name], "multiple", False)
        if isinstance(value, str) and several:
            options[name] = [value]
        for one in options[name] if several and isinstance(options[name], list) else [options[name]]:
            _check_value(path, name, one, kinds.get(name, str))
    context.default_map = {**(context.default_map or {}), **options}


def _check_value(path: Path, name: str, value: Any, kind: type) -> None:
    """Raise ArgumentError unless this is a value that the option could be given on the command line: typer's own message would not name the file."""
    from tenuto.errors import ArgumentError

    fits = isinstance(value, (str, int, float)) and (not isinstance(value, str) or ("\0" not in value and len(value) <= MOST_CHARACTERS))
    if fits and kind in (int, float):
        try:
            fits = not isinstance(value, bool) and (kind is float or int(value) == float(value)) and abs(float(value)) < (2**63 if kind is int else float("inf"))
        except (ValueError, OverflowError):
            fits = False
    if not fits:
        words = {int: "a whole number", float: "a number", bool: "true or false"}.get(kind, "text")
        raise ArgumentError(f"{path} sets {name} to something that it cannot be.", expected=words, received=repr(value)[:100])


def _kind_of(hint: Any) -> type:
    """The type of the values of a parameter, or of its items where it takes several."""
    parts = typing.get_args(hint)
    plain = [part for part in (parts[:1] if hasattr(hint, "__metadata__") else parts) if part is not type(None)]
    return _kind_of(plain[0]) if plain else hint if isinstance(hint, type) else str


def _config(context: typer.Context, path: Path | None) -> Path | None:
    if path is not None and not context.resilient_parsing:
        use_configuration(context, Path(path))
    return path


def _run(context: typer.Context, run: Path | None) -> Path | None:
    if run is not None and not context.resilient_parsing:
        use_configuration(context, configuration_of(Path(run)))
    return run


def _recipe(context: typer.Context, name: str | None) -> str | None:
    """Use a recipe's values for options that neither the command line nor a configuration sets."""
    from tenuto.tasks.task import load

    recipe = task_of_command(context.info_name or "").recipe
    if name and recipe and not context.resilient_parsing:
        context.default_map = {**load(recipe)(name), **(context.default_map or {})}
    return name


# The options that every `tenuto fit TASK` has, besides the task's own.
Validation = Annotated[str | None, typer.Option(help="Data that decides when to stop, if DATA has no validation part of its own.", show_default=False)]
Test = Annotated[str | None, typer.Option(help="Data to test on at the end, if DATA has no test part of its own.", show_default=False)]
Out = Annotated[Path | None, typer.Option("--out", "-o", help="The run folder to write. Default: a new one in runs/.", show_default=False)]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the run that is in --out.")]
CellField = Annotated[list[str] | None, option("A field of the cell, for example activation=relu; repeat it.", NETWORK, metavar="NAME=VALUE", show_default=False)]
Threads = Annotated[int, option("Threads of torch; 0 leaves the number as it is.", WHERE, min=0)]
Quiet = Annotated[bool, option("Print no progress, only the result.", WHERE, "--quiet", "-q")]
_EAGER = {"show_default": False, "is_eager": True}
Config = Annotated[Path | None, option("Take options from a TOML file; those typed here override it.", PANEL, "--config", metavar="FILE.toml", callback=_config, **_EAGER)]
FromRun = Annotated[Path | None, option("Take options from the config.toml of another run.", PANEL, "--from", metavar="RUN", callback=_run, **_EAGER)]
Resume = Annotated[
    Path | None, option("Go on with a run that was killed or interrupted, from its last checkpoint.", PANEL, "--resume", metavar="RUN", callback=_run, **_EAGER)
]
CheckpointEvery = Annotated[float, option("Seconds from one checkpoint to the next. A killed run goes on from the last.", PANEL, "--checkpoint-every-s", min=0.001)]

Parameters = dict[str, tuple[Any, Any]]


def fit_parameters(task: Task) -> Parameters:
    """The annotation and the default of each parameter of `tenuto fit TASK`, in the order of its help."""
    kind = list[str] if task.many else str
    found: Parameters = {
        "context": (typer.Context, inspect.Parameter.empty),
        "data": (Annotated[kind, typer.Argument(metavar=task.data_name, help=escape(task.data_help), show_default=False)], inspect.Parameter.empty),
        "validation": (Validation, None),
        "test": (Test, None),
        "out": (Out, None),
        "overwrite": (Overwrite, False),
    }
    found |= {choice.name: (_annotation(choice, choice.panel), choice.default) for choice in task.fitting}
    if task.recipe is not None:
        said = f"A published set of options: {', '.join(task.recipes)}. Options typed or in a file override it."
        found["recipe"] = (Annotated[str | None, typer.Option(help=escape(said), show_default=False, is_eager=True, callback=_recipe)], None)
    for known in typed_options(task.options):
        found[known.typed] = (_of_option(known), known.default)
        if known.name == "cell":
            found["cell_field"] = (CellField, None)
    found |= {"threads": (Threads, 0), "quiet": (Quiet, False)}
    found |= {choice.name: (_annotation(choice, choice.panel), choice.default or None if isinstance(choice.default, list) else choice.default) for choice in task.columns}
    return {**found, "config": (Config, None), "source": (FromRun, None), "resume": (Resume, None), "checkpoint_every_s": (CheckpointEvery, 60.0)}


def with_parameters(function: Callable[..., Any], parameters: Parameters, document: str) -> Callable[..., Any]:
    """The function with these parameters in its signature, where typer reads them; it gets them by name."""

    def command(**given: Any) -> Any:
        return function(**given)

    command.__name__, command.__doc__ = function.__name__, document
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    command.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [inspect.Parameter(name, kind, annotation=hint, default=default) for name, (hint, default) in parameters.items()]
    )
    command.__annotations__ = {**{name: hint for name, (hint, _) in parameters.items()}, "return": None}
    return command


def told_by_tasks(*, asking: bool) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A decorator that gives a command the column options of all tasks; with `asking`, also the options of their predictions."""

    def make(function: Callable[..., Any]) -> Callable[..., Any]:
        own = inspect.signature(function, eval_str=True).parameters
        asked = {choice.name: choice for task in cards() for choice in task.asking} if asking else {}
        parameters: Parameters = {name: (one.annotation, one.default) for name, one in own.items() if name != "told"}
        parameters |= {name: (_annotation(choice, None), choice.default) for name, choice in asked.items()}
        parameters |= columns_as_trained()
        return with_parameters(function, parameters, function.__doc__ or "")

    return make


def columns_as_trained() -> Parameters:
    """The column options of all tasks, for a command on a run, which knows what they were in training."""
    columns = {choice.name: choice for task in cards() for choice in task.columns}
    return {name: (_annotation(choice, AS_TRAINED, of_run=True), None) for name, choice in columns.items()}


def _annotation(choice: Choice, panel: str | None, *, of_run: bool = False) -> Any:
    """A choice as a parameter for typer. With `of_run` it has no default of its own, since the run has the value."""
    settings: dict[str, Any] = {} if choice.least is None else {"min": choice.least}
    several = isinstance(choice.default, list)
    kind: Any = list[str] if several else type(choice.default)
    if of_run or several:
        kind, settings["show_default"] = kind | None, False
    said = choice.said.partition(" Default: ")[0] if of_run else choice.said
    return Annotated[kind, typer.Option(*([choice.flag] if choice.flag else []), help=escape(said), rich_help_panel=panel or None, **settings)]


def options_left_open(kind: type) -> Parameters:
    """The options of an estimator as parameters of a command in which none has a value unless it is typed."""
    return {known.typed: (_of_option(known, left_open=True), None) for known in typed_options(kind)}


def _of_option(known: Known, *, left_open: bool = False) -> Any:
    """An option of an estimator as a parameter for typer; with `left_open` it has no default."""
    settings: dict[str, Any] = {} if known.metavar is None else {"metavar": known.metavar}
    kind: Any = known.kind
    if known.default is None or left_open:
        kind, settings["show_default"] = kind | None, False
    return Annotated[kind, option(known.told(known.none if known.none is not None else 0), known.panel, *([known.flag] if known.flag else []), **settings)]


def complete(task: Task, given: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of `tenuto fit TASK`: those given, and the defaults of all others; the context is left out."""
    return {**{name: default for name, (_, default) in fit_parameters(task).items() if name != "context"}, **given}
