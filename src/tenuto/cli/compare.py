"""`tenuto compare`: the same task with several encoders, trained alike, several times each.

Each task has a command `tenuto compare TASK`, with all options of `tenuto fit TASK`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any

import typer

from tenuto.cli.arguments import option as _option
from tenuto.cli.arguments import typed_cells
from tenuto.cli.configuration import NOT_KEPT, configuration_of
from tenuto.cli.console import messages, output
from tenuto.cli.fitting import run_folder
from tenuto.cli.job import prepare
from tenuto.cli.parameters import PANEL, Parameters, fit_parameters, use_configuration, with_parameters
from tenuto.cli.tune import digest
from tenuto.runs.names import REPORT
from tenuto.tasks.task import Task
from tenuto.tongues import typed_path

COMPARING = "The comparison"
OWN = ("encoders", "seeds", "metric")


def _config(context: typer.Context, path: Path | None) -> Path | None:
    if path is not None and not context.resilient_parsing:
        use_configuration(context, Path(path))
    return path


def _source(context: typer.Context, run: Path | None) -> Path | None:
    if run is not None and not context.resilient_parsing:
        use_configuration(context, configuration_of(Path(run)))
    return run


_EAGER = {"is_eager": True, "show_default": False}
Encoders = Annotated[str, _option("What is compared, with commas between: cells (lstm, gru, ...), transformer, hybrid, ntm, dnc, ..., as --encoder takes them.", COMPARING, "--encoders", metavar="A,B,...", show_default=False)]
Seeds = Annotated[int, _option("How often each is trained, each time with the next seed.", COMPARING, min=1)]
Metric = Annotated[str | None, _option("What to compare by, as in metrics.jsonl: validation_loss, validation_accuracy, ...; by default the accuracy, if the task has one.", COMPARING, show_default=False)]
Out = Annotated[Path | None, typer.Option("--out", "-o", help="The folder of the comparison; one that was stopped goes on there. Default: a new one in runs/.", show_default=False)]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Remove the comparison that is in --out, and start a new one.")]
Config = Annotated[Path | None, _option("Take options from a TOML file.", PANEL, "--config", metavar="FILE.toml", callback=_config, **_EAGER)]
FromRun = Annotated[Path | None, _option("Take options from the config.toml of a run.", PANEL, "--from", metavar="RUN", callback=_source, **_EAGER)]

HELP = """Train [bold]tenuto fit {command}[/bold] with several encoders alike, and see which is better, and whether that is more than chance.

All have the same options, data and number of passes (--time-limit-s: of seconds), and several seeds each. One page has quality with intervals, time, memory, size. Stopped, by
Ctrl-C or killed, the same command with the same --out goes on after the last training that was complete; with more seeds or encoders, too.

[bold]tenuto compare {command} DATA --encoders lstm,transformer,hybrid --out runs/compared[/bold]
"""


def command_of(task: Task) -> Callable[..., Any]:
    """The function of `tenuto compare TASK`, for typer: it has the parameters of `tenuto fit TASK`, and those of a comparison."""
    own: Parameters = {"encoders": (Encoders, inspect.Parameter.empty), "out": (Out, None), "overwrite": (Overwrite, False), "seeds": (Seeds, 5), "metric": (Metric, None)}
    late: Parameters = {"config": (Config, None), "source": (FromRun, None)}
    kept = {name: parameter for name, parameter in fit_parameters(task).items() if (name not in NOT_KEPT or name == "quiet") and name not in ("encoder", "test")}
    first = {name: kept.pop(name) for name in ("context", "data")}

    def compare(context: typer.Context, **_: Any) -> None:
        compare_from_options(task, context.params, typed_cells(context, task))

    return with_parameters(compare, {**first, **own, **kept, **late}, HELP.format(command=task.command))


def compare_from_options(task: Task, options: Mapping[str, Any], own_cells: Mapping[str, str] = MappingProxyType({})) -> Any:
    """What `tenuto compare TASK` does with its parameters; returns the `Comparison`.

    Raises:
        TenutoError: something is wrong with the data, the options or the folder.
    """
    from tenuto.cli.arguments import use_threads
    from tenuto.cli.progress import ProgressBar
    from tenuto.compare.call import compare

    use_threads(options.get("threads", 0))
    fixed = {name: value for name, value in options.items() if name not in OWN and name not in NOT_KEPT} | {"encoder": "recurrent", "test": None}
    encoders = [name.strip() for name in str(options["encoders"]).split(",") if name.strip()]
    job, quiet = prepare(task, fixed, own_cells), options["quiet"]
    with run_folder(options["out"], *job.name[:1], "compare") as folder:
        if not quiet:
            messages().print(job.data_said, markup=False)

        def ended(run: Mapping[str, Any]) -> None:
            if not quiet:
                messages().print(f"{run['encoder']}, seed {run['seed']}   {run['value']:.4g}   {run['seconds']:.1f} s", markup=False)

        try:
            found = compare(
                job.model, job.splits.train, encoders=encoders, seeds=options["seeds"], metric=options["metric"], validation=job.splits.validation, folder=folder,
                overwrite=options["overwrite"], data=digest(job, fixed), title=job.name[0], ended=ended,
                observers=lambda name, seed: [] if quiet else [ProgressBar(title=f"{name}, seed {seed}")],
            )  # fmt: skip
        except KeyboardInterrupt:
            raise KeyboardInterrupt(f"interrupted. The same command with --out {typed_path(folder)} goes on.") from None
        console = output()
        for line in str(found).splitlines():
            console.print(line, markup=False, highlight=False)
        console.print(f"comparison  {folder}\nreport      {folder / REPORT}", markup=False)
    return found
