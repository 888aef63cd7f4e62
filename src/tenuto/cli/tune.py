"""`tenuto tune`: search for the options with which a task learns best on some data.

Each task has a command `tenuto tune TASK`, with all options of `tenuto fit TASK`. Options in the search space are varied, all others stay as given.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any

import typer

from tenuto.cli.arguments import option as _option
from tenuto.cli.arguments import typed_cells, was_typed
from tenuto.cli.configuration import NOT_KEPT, SEARCH, TUNE, configuration_of, read_toml, toml_text
from tenuto.cli.console import messages, output
from tenuto.cli.fit_group import FitGroup
from tenuto.cli.fitting import configuration_text, option_tables, run_folder
from tenuto.cli.flags import dashed
from tenuto.cli.job import Job, as_typed, prepare
from tenuto.cli.parameters import PANEL, Parameters, fit_parameters, use_configuration, with_parameters
from tenuto.runs.names import CONFIGURATION, REPORT, SEARCH_CONFIGURATION
from tenuto.tasks.option import typed_options
from tenuto.tasks.task import Task, load
from tenuto.tongues import typed_path

SEARCHING = "The search"
# Options that belong to `tenuto tune` and not to the task.
OWN = ("trials", "timeout_s", "metric", "prune", "search_seed")
# Options that do not change what a trial measures.
ELSEWHERE = frozenset({"threads", "device", "engine"})


def space_file_of(run: Path) -> Path:
    """The path of the search.toml in a search's folder.

    Raises:
        RunError: the folder has none.
    """
    from tenuto.errors import RunError

    if (run / SEARCH_CONFIGURATION).is_file():
        return run / SEARCH_CONFIGURATION
    raise RunError(f"{run} holds no search to go on with.", expected=f"a folder that `tenuto tune` wrote, with {SEARCH_CONFIGURATION}", fix="check the path")


class TuneGroup(FitGroup):
    """The group `tenuto tune`. It finds the task in a file as `tenuto fit` does; here `--resume` names the folder of a search."""

    def file_of(self, option: str, value: str) -> Path:
        return space_file_of(Path(value)) if option == "--resume" else super().file_of(option, value)


def _config(context: typer.Context, path: Path | None) -> Path | None:
    if path is not None and not context.resilient_parsing:
        use_configuration(context, Path(path), without=(SEARCH,))
    return path


def _source(context: typer.Context, run: Path | None) -> Path | None:
    if run is not None and not context.resilient_parsing:
        use_configuration(context, configuration_of(Path(run)))
    return run


def _resume(context: typer.Context, run: Path | None) -> Path | None:
    if run is not None and not context.resilient_parsing:
        use_configuration(context, space_file_of(Path(run)), without=(SEARCH,))
    return run


_EAGER = {"is_eager": True, "show_default": False}
Out = Annotated[Path | None, typer.Option("--out", "-o", help="The folder of the search. Default: a new one in runs/.", show_default=False)]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Remove the search that is in --out, and start a new one.")]
Config = Annotated[
    Path | None,
    _option("Take options from a TOML file; its table [search] says what to search.", PANEL, "--config", metavar="FILE.toml", callback=_config, **_EAGER),
]
FromRun = Annotated[Path | None, _option("Take options from the config.toml of a run.", PANEL, "--from", metavar="RUN", callback=_source, **_EAGER)]
Resume = Annotated[
    Path | None, _option("Go on with a search that was stopped or killed, or let it have more trials.", PANEL, "--resume", metavar="RUN", callback=_resume, **_EAGER)
]
Trials = Annotated[int, _option("How many trials, including those of earlier calls on the same folder.", SEARCHING, min=1)]
Timeout = Annotated[float | None, _option("Begin no trial after this many seconds.", SEARCHING, "--timeout", show_default=False)]
Metric = Annotated[str, _option("What to search by, as in metrics.jsonl: validation_loss, validation_accuracy, ...", SEARCHING)]
Prune = Annotated[bool, _option("Stop trials early that are worse than three quarters of the others, or train each to its end.", SEARCHING, "--prune/--no-prune")]
SearchSeed = Annotated[int, _option("The seed for choosing what is tried; each training uses --seed.", SEARCHING)]

HELP = """Search for good options of [bold]tenuto fit {command}[/bold] on your data.

Each trial trains with other values and is measured on the validation part; the test part is not used. Without a table \\[search] in
--config, the usual options are searched, except those typed here. Ctrl-C, or kill, loses only the trial that is running.

[bold]tenuto tune {command} DATA --trials 30 --out runs/search[/bold]
[bold]tenuto fit --from runs/search --out runs/best[/bold]

A search space for --config: one line for each option, with a list of values or a range.

[bold]\\[search][/bold]
[bold]hidden_size = \\[64, 128, 256][/bold]
[bold]learning_rate = {{low = 1e-4, high = 1e-2, log = true}}[/bold]
"""


def command_of(task: Task) -> Callable[..., Any]:
    """The function of `tenuto tune TASK`, for typer: it has the parameters of `tenuto fit TASK`, and those of a search."""
    own: Parameters = {
        "out": (Out, None),
        "overwrite": (Overwrite, False),
        "trials": (Trials, 20),
        "timeout_s": (Timeout, None),
        "metric": (Metric, "validation_loss"),
        "prune": (Prune, True),
        "search_seed": (SearchSeed, 0),
    }
    late: Parameters = {"config": (Config, None), "source": (FromRun, None), "resume": (Resume, None)}
    kept = {name: parameter for name, parameter in fit_parameters(task).items() if name not in NOT_KEPT or name == "quiet"}
    first = {name: kept.pop(name) for name in ("context", "data")}

    def tune(context: typer.Context, **_: Any) -> None:
        typed = {name for name in context.params if was_typed(context, name)}
        tune_from_options(task, context.params, typed, typed_cells(context, task))

    return with_parameters(tune, {**first, **own, **kept, **late}, HELP.format(command=task.command))


def searchable(task: Task) -> dict[str, type]:
    """The options of a task that can be searched, each with the type of its values."""
    return {known.typed: known.kind for known in typed_options(task.options) if known.search is not False and not known.path}


def usual_space(task: Task) -> dict[str, Any]:
    """What is searched when no space is given, as plain data: for each option that has one, a range that has proved worth searching.

    An option that is typed on the command line stays as typed, and so does one that a configuration or a recipe has set outside its usual
    range. The first trial has the values that the options would have without a search.
    """
    return {known.typed: known.search for known in typed_options(task.options) if known.search}


def tune_from_options(task: Task, options: Mapping[str, Any], typed: set[str], own_cells: Mapping[str, str] = MappingProxyType({})) -> dict[str, Any]:
    """What `tenuto tune TASK` does with its parameters; returns the search as in search.json.

    Args:
        options: the command's parameters by name. typed: the names of those that were typed on the command line.
        own_cells: the cells in Python files that were typed; no other file is run.
    Raises:
        TenutoError: something is wrong with the data, the options, the space or the folder.
        KeyboardInterrupt: the search was interrupted before a trial was complete.
    """
    from tenuto.cli.arguments import use_threads
    from tenuto.files import write_text
    from tenuto.measures import require_measure
    from tenuto.runs.search_folder import claim_search
    from tenuto.train.search import Search, SearchOptions

    use_threads(options.get("threads", 0))
    space = _space(task, options, typed, own_cells)
    searching = SearchOptions(options["trials"], options["timeout_s"], options["metric"], options["prune"], options["search_seed"])
    require_measure(searching.metric, load(task.estimator).measures())
    _check_space(task, space)
    fixed = {name: value for name, value in options.items() if name not in OWN and name not in NOT_KEPT}
    job = prepare(task, fixed, own_cells)
    kept = {name: value for table in option_tables(task, fixed).values() for name, value in table.items() if name not in {*space, *ELSEWHERE}}
    data = digest(job, fixed)
    with run_folder(options["resume"] or options["out"], *job.name[:1], "tune") as folder:
        there = claim_search(folder, overwrite=options["overwrite"])
        base = {name: fixed[name] for name in space}
        with Search(folder, space, searching, first=base, identity={"task": task.name, "options": kept, "data": data, "maths": job.model.maths()}) as search:
            write_text(folder / SEARCH_CONFIGURATION, _search_text(task, fixed, options, {name: choice.to_data() for name, choice in space.items()}))
            _begin(job, folder, search, quiet=options["quiet"], there=there)
            about = {
                "task": task.name,
                "title": job.name[0],
                "cell": fixed["cell"],
                "data": {"sha256": data},
                "options": kept,
                "base": base,
            }
            return _Course(task, fixed, folder, search, about, own_cells, quiet=options["quiet"]).run()


class _Course:
    """The trials of one call: each is printed and written down when it ends."""

    def __init__(
        self, task: Task, options: Mapping[str, Any], folder: Path, search: Any, about: Mapping[str, Any], own_cells: Mapping[str, str], *, quiet: bool
    ) -> None:
        self.task, self.options, self.folder, self.search, self.about, self.quiet = task, options, folder, search, about, quiet
        self.own_cells = own_cells
        self.again = as_typed(task, own_cells)  # what the commands that go on with the search need

    def run(self) -> dict[str, Any]:
        """Run the trials and print the result."""
        stopped = ""
        try:
            for trial in self.search.run(self._objective):
                self._ended(trial)
        except KeyboardInterrupt:  # between two trials
            stopped = "interrupted"
        results = self._write(stopped or self.search.stopped)
        best = self.search.best()
        if best is None:
            if results["stopped"] == "interrupted":
                raise KeyboardInterrupt(f"interrupted before a trial was complete. Go on with: tenuto tune --resume {typed_path(self.folder)}{self.again}")
            messages().print(f"no trial was completed; {self.folder / REPORT} says why", markup=False)
            return results
        self._say(results, best)
        return results

    def _objective(self, values: dict[str, Any], observer: Any) -> Any:
        from tenuto.cli.progress import ProgressBar
        from tenuto.train.search import TrialOutcome

        number = sum(trial["state"] != "interrupted" for trial in self.search.trials()) + 1
        bar = [] if self.quiet else [ProgressBar(title=f"trial {number} of {self.search.options.trials}")]
        model = prepare(self.task, {**self.options, **values}, self.own_cells).fit([observer, *bar], None, tested=False)
        training = model.evaluation_["training"]
        return TrialOutcome(model.metrics_, training["best_epoch"], training["stopped"] == "interrupted")

    def _ended(self, trial: Mapping[str, Any]) -> None:
        from tenuto.files import write_text

        best = self.search.best()
        if best is not None and best["number"] == trial["number"] and trial["state"] == "complete":
            write_text(self.folder / CONFIGURATION, configuration_text(self.task, {**self.options, **trial["options"]}))
        self._write(self.search.stopped or "not yet")
        if not self.quiet:
            messages().print(_line(trial, best, self.search.options.trials), markup=False)

    def _write(self, stopped: str) -> dict[str, Any]:
        from tenuto.report import build_report
        from tenuto.runs.search_folder import read_search, write_search

        write_search(self.folder, {**self.about, **self.search.results(), "stopped": stopped})
        build_report(self.folder)
        return read_search(self.folder)

    def _say(self, results: Mapping[str, Any], best: Mapping[str, Any]) -> None:
        from tenuto.train.search import in_words

        console = output()
        counted = sum(trial["state"] != "interrupted" for trial in results["trials"])
        console.print(f"ended       {results['stopped']}; {counted} trial{'s' * (counted != 1)}", markup=False)
        console.print(f"best        {best['value']:.4g} {results['metric']}, trial {best['number']}: {in_words(best['options'])}", markup=False)
        console.print(f"search      {self.folder}\nreport      {self.folder / REPORT}", markup=False)
        if results["stopped"] != "all trials" and counted < results["wanted"]:
            console.print(f"go on       tenuto tune --resume {typed_path(self.folder)}{self.again}", markup=False)
        console.print(f"next        tenuto fit --from {typed_path(self.folder)}{self.again}", markup=False)


def _space(task: Task, options: Mapping[str, Any], typed: set[str], own_cells: Mapping[str, str]) -> Any:
    """What to search: the table [search] of the file, or the usual options."""
    from tenuto.errors import ArgumentError
    from tenuto.train.search_space import read_space

    kinds = searchable(task)
    path = space_file_of(Path(options["resume"])) if options["resume"] else options["config"]
    data = {} if path is None else read_toml(path)
    if SEARCH not in data:
        usual = read_space(usual_space(task), kinds)
        left = {name: choice for name, choice in usual.items() if name not in typed and choice.contains(options[name])}  # the user chose the others
        if not left:
            raise ArgumentError("nothing is left to search.", expected=", ".join(usual), fix=f"say what to search in a file: --config FILE.toml with [{SEARCH}]")
        return left
    space = read_space(data[SEARCH], kinds, f"{path} [{SEARCH}]")
    asked = {name for name, cell in own_cells.items() if name in space and space[name].contains(cell)}  # typed because a file is run only then
    if both := sorted((typed & set(space)) - asked):
        raise ArgumentError(
            f"{dashed(both[0])} is both searched and given on the command line.", fix=f"leave {dashed(both[0])} out, or take {both[0]} out of [{SEARCH}]"
        )
    return space


def _check_space(task: Task, space: Mapping[str, Any]) -> None:
    """Raise ArgumentError if an option cannot have one of the values that are searched: else that would be told in the trial that draws it."""
    from tenuto.cli.arguments import cell_class, names_a_file
    from tenuto.errors import TenutoError

    for known in typed_options(task.options):
        choice = space.get(known.typed)
        for value in () if choice is None else choice.ends():
            try:
                if known.cell:
                    _ = names_a_file(value) or cell_class(value)  # a file is read when the estimator is made, if it was typed
                else:
                    load(task.estimator)(**{known.name: known.value(value)}).check()
            except TenutoError as error:
                raise error.within("the search space") from error.__cause__


def _search_text(task: Task, fixed: Mapping[str, Any], options: Mapping[str, Any], space: Mapping[str, Any]) -> str:
    """The text of search.toml: the options, how to search, what to search."""
    from importlib.metadata import version

    tables = {**option_tables(task, fixed), TUNE: {name: options[name] for name in OWN}, SEARCH: dict(space)}
    return toml_text(task.name, tables, version("tenuto"), use=f"`tenuto tune --config {SEARCH_CONFIGURATION}` searches again")


def digest(job: Job, options: Mapping[str, Any]) -> str:
    """SHA-256 over all that a search or a comparison reads, so that it does not go on with other data."""
    from tenuto.files import sha256_of

    parts = {name: getattr(job.splits, name) for name in ("train", "validation", "test")}
    read = {name: part.sha256 for name, part in parts.items() if part is not None}
    read |= {f"{name}, weights": hashlib.sha256(part.weights.tobytes()).hexdigest() for name, part in parts.items() if getattr(part, "weights", None) is not None}
    read |= {known.typed: sha256_of(Path(options[known.typed])) for known in typed_options(job.task.options) if known.path and options[known.typed]}
    return hashlib.sha256("".join(f"{name} {digest}\n" for name, digest in read.items()).encode()).hexdigest()



def _begin(job: Job, folder: Path, search: Any, *, quiet: bool, there: bool) -> None:
    if quiet:
        return
    console = messages()
    console.print(job.data_said, markup=False)
    console.print("search      " + ", ".join(f"{name} {_short(choice.to_data())}" for name, choice in search.space.items()), markup=False)
    counted = sum(trial["state"] != "interrupted" for trial in search.trials())
    if there:
        console.print(f"goes on     {folder} has {counted} of {search.options.trials} trials", markup=False)


def _short(data: Any) -> str:
    if isinstance(data, list):
        return "/".join(str(value) for value in data)
    return f"{data['low']:g}..{data['high']:g}"


def _line(trial: Mapping[str, Any], best: Mapping[str, Any] | None, wanted: int) -> str:
    """A trial in a line: its result, its values, and the best result so far."""
    from tenuto.train.search import in_words

    state = f"{trial['value']:.4g}" if trial["state"] == "complete" else trial["state"]
    least = f"; best {best['value']:.4g}, trial {best['number']}" if best else ""
    return f"trial {trial['number']:>3} of {wanted}   {state:<11} {in_words(trial['options'])}   {trial['seconds']:.1f} s{least}"
