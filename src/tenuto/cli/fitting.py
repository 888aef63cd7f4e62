"""One training run from the command line, for every task: the folder, its configuration, progress, checkpoints, Ctrl-C, the report.

While a run trains, RUN/unfinished/ holds its config.toml, its metrics.jsonl so far, and its checkpoints. An earlier run in RUN
stays whole until the new one replaces it. Then unfinished/ is removed, unless training was interrupted: then `tenuto fit --resume RUN` goes on from there.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from tenuto.cli.configuration import NOT_KEPT, toml_text
from tenuto.cli.console import messages, output
from tenuto.cli.job import Job, prepare
from tenuto.cli.parameters import fit_parameters
from tenuto.runs.names import CHECKPOINTS, CONFIG, CONFIGURATION, METRICS, UNFINISHED
from tenuto.tasks.option import options_of
from tenuto.tasks.task import Task

# Parameters that hold paths; options that hold one say so themselves.
PATHS = frozenset({"data", "test", "validation"})


def fit_from_options(task: Task, options: Mapping[str, Any], own_cells: Mapping[str, str] = MappingProxyType({})) -> dict[str, Any]:
    """What every `tenuto fit TASK` does with its parameters; returns the evaluation.

    Args:
        options: the command's parameters by name; for a call from Python, `parameters.complete` makes them.
        own_cells: the cells in Python files that were typed (`arguments.typed_cells`); no other file is run.
    Raises:
        TenutoError: something is wrong with the data, the options or the folder. Then nothing was written, or RUN/unfinished holds what was trained.
        KeyboardInterrupt: training was interrupted; its message says what was kept.
    """
    from tenuto.cli.arguments import use_threads

    use_threads(options.get("threads", 0))
    _check_processes(options)
    resume, source = (None if options.get(name) is None else Path(options[name]) for name in ("resume", "source"))
    _check_resume(resume, options.get("out"))
    job = prepare(task, options, own_cells)
    folder = resume or (Path(options["out"]) if options.get("out") else new_folder(*job.name))
    text = configuration_text(task, options)
    overwrite, quiet, every_s = bool(options.get("overwrite")), bool(options.get("quiet")), options.get("checkpoint_every_s", 60.0)
    evaluation = train_and_save(job, folder, configuration=text, overwrite=overwrite, quiet=quiet, resume=resume is not None, every_s=every_s)
    if source is not None:
        _compare_data(source, evaluation)
    return evaluation


def train_and_save(
    job: Job, folder: Path, *, configuration: str, overwrite: bool, quiet: bool, resume: bool = False, every_s: float = 60.0
) -> dict[str, Any]:
    """Fit, test, save, build the report, and print the results. If there are several processes, all of them fit, and the main one does the rest.

    Args:
        folder: the run folder; it is checked before training starts. If training fails without a checkpoint, a folder that was made here is removed.
        configuration: the text of config.toml.
        every_s: seconds between two checkpoints.
    Returns:
        The evaluation, as in evaluation.json.
    """
    from tenuto.cli.progress import ProgressBar
    from tenuto.files import write_text
    from tenuto.report import build_report
    from tenuto.runs.folder import claim
    from tenuto.train import Checkpoint, MetricsFile, current_launch

    launch, work = current_launch(job.model.device), folder / UNFINISHED
    if not launch.is_main_process:
        launch.wait_for_everyone()  # the main process makes the folder first
        job.fit(observers=[], checkpoint=Checkpoint(work / CHECKPOINTS, every_s=every_s))
        return dict(job.model.evaluation_)
    existed = folder.exists()
    claim(folder, overwrite=overwrite or resume)
    _clear_earlier(work, overwrite=overwrite, resume=resume)
    try:
        work.mkdir(exist_ok=True)
        write_text(work / CONFIGURATION, configuration)
        if not quiet:
            messages().print(job.described, markup=False)
        launch.wait_for_everyone()
        job.fit(observers=[MetricsFile(work / METRICS), *([] if quiet else [ProgressBar()])], checkpoint=Checkpoint(work / CHECKPOINTS, every_s=every_s))
        job.save(folder, overwrite=overwrite or resume)
        write_text(folder / CONFIGURATION, configuration)
    except BaseException as error:
        kept = _keep_or_remove(folder, work, existed, job.own_cells)
        if isinstance(error, KeyboardInterrupt):
            raise KeyboardInterrupt(kept or "interrupted before there was anything to keep; nothing was written.") from None
        if kept:
            messages().print(kept.replace("interrupted; ", ""), markup=False)
        raise
    page = build_report(folder)
    evaluation = dict(job.model.evaluation_)
    interrupted = evaluation["training"]["stopped"] == "interrupted" and (work / CHECKPOINTS).exists()
    if not interrupted:
        shutil.rmtree(work, ignore_errors=True)
    console = output()
    job.say(console, evaluation)
    console.print(f"run         {folder}\nreport      {page}", markup=False)
    if interrupted:
        console.print(f"go on       tenuto fit --resume {folder}{job.own_cells}", markup=False)
    console.print(f"next        {job.next_words(folder)}", markup=False)
    return evaluation


def configuration_text(task: Task, options: Mapping[str, Any]) -> str:
    """The text of config.toml for these options, in the groups that `--help` shows; paths are absolute, so that they work from any folder."""
    from importlib.metadata import version

    return toml_text(task.name, option_tables(task, options), version("tenuto"))


def option_tables(task: Task, options: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Those of these options that belong in config.toml, by the groups of `--help`."""
    tables: dict[str, dict[str, Any]] = {"": {}}
    paths = PATHS | {known.typed for known in options_of(task.options) if known.cell or known.path}
    for name, (hint, _) in fit_parameters(task).items():
        if name in NOT_KEPT or name not in options:
            continue
        panels = [getattr(note, "rich_help_panel", None) for note in getattr(hint, "__metadata__", ())]
        panel = next((panel for panel in panels if isinstance(panel, str)), "")
        tables.setdefault(panel, {})[name] = _from_anywhere(options[name]) if name in paths else _plain(options[name])
    return tables


def new_folder(*names: str) -> Path:
    """The first folder `runs/DATA-CELL-1`, `-2`, ... that does not exist."""
    words = " ".join(Path(name).stem if name.endswith(".py") or ".py:" in name else name for name in names)
    name = "-".join("".join(letter if letter.isalnum() else " " for letter in words).lower().split())
    number = 1
    while (folder := Path("runs") / f"{name}-{number}").exists():
        number += 1
    return folder


def _check_processes(options: Mapping[str, Any]) -> None:
    """Raise ArgumentError if there are several processes and no run folder is named: each process would choose a different new one."""
    from tenuto.errors import ArgumentError
    from tenuto.train.launch import process_count

    if process_count() > 1 and options.get("out") is None and options.get("resume") is None:
        raise ArgumentError("there are several processes, but no run folder is named.", expected="--out RUN, or --resume RUN", fix="add --out RUN")


def _check_resume(resume: Path | None, out: Any) -> None:
    from tenuto.errors import ArgumentError, RunError

    if resume is None:
        return
    if out is not None and Path(out) != resume:
        raise ArgumentError(
            "a resumed run stays in its folder.", expected=f"--resume {resume} without --out", received=f"--out {out}", fix="leave --out out, or train a new run with --from"
        )
    if not (resume / UNFINISHED).is_dir():
        raise RunError(
            f"{resume} has nothing to go on from: it is a complete run.",
            expected=f"a killed or interrupted run, with a folder {UNFINISHED}/",
            fix=f"train again with the same options: tenuto fit --from {resume}",
        )


def _clear_earlier(work: Path, *, overwrite: bool, resume: bool) -> None:
    """Remove what an earlier run left unfinished, unless this run goes on with it.

    Raises:
        RunError: there is a checkpoint, and neither --resume nor --overwrite was given.
    """
    from tenuto.errors import RunError

    if not work.exists() or resume:
        return
    if (work / CHECKPOINTS).exists() and not overwrite:
        raise RunError(
            f"{work.parent} holds a run that was interrupted, with a checkpoint.",
            expected="a new or empty folder for the run",
            fix=f"go on with it (tenuto fit --resume {work.parent}), or replace it (--overwrite)",
        )
    shutil.rmtree(work, ignore_errors=True)


def _keep_or_remove(folder: Path, work: Path, existed: bool, own_cells: str) -> str:
    """After a failure: if there is a checkpoint, what is kept, in words. Else the unfinished files are removed, and the result is empty."""
    if (work / CHECKPOINTS).exists() and any((work / CHECKPOINTS).iterdir()):
        return f"interrupted; the last checkpoint is kept. Go on with: tenuto fit --resume {folder}{own_cells}"
    shutil.rmtree(work, ignore_errors=True)
    if not existed:
        with contextlib.suppress(OSError):
            folder.rmdir()
    return ""


def _compare_data(source: Path, evaluation: Mapping[str, Any]) -> None:
    """Print a note if a run that was repeated with --from was trained on different data."""
    from tenuto.runs.folder import read_config

    if not (source / CONFIG).is_file():
        return
    before, now = read_config(source).get("data", {}).get("train") or {}, evaluation["data"]["train"]
    if before.get("sha256") != now.get("sha256"):
        messages().print(f"note        the training data is not that of {source}: its digest differs", markup=False)


def _from_anywhere(value: Any) -> Any:
    """A path that exists, made absolute, also in FILE.py:CLASS and in a list; other values stay as they are."""
    if isinstance(value, (list, tuple)):
        return [_from_anywhere(item) for item in value]
    if not isinstance(value, (str, Path)):
        return value
    text, colon, name = str(value).rpartition(":") if ".py:" in str(value) else (str(value), "", "")
    with contextlib.suppress(OSError):
        if ("." in text or "/" in text) and Path(text).exists():
            return f"{Path(text).resolve()}{colon}{name}"
    return str(value)


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else list(value) if isinstance(value, tuple) else value
