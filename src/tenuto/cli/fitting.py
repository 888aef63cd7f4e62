"""One training run from the command line, for every task: the folder, its configuration, progress, checkpoints, Ctrl-C, the report.

While a run trains, RUN/unfinished/ holds its config.toml, its metrics.jsonl so far, and its checkpoints. An earlier run in RUN
stays whole until the new one replaces it. Then unfinished/ is removed, unless training was interrupted: then `tenuto fit --resume RUN` goes on from there.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from tenuto.cli.configuration import NOT_KEPT, toml_text
from tenuto.cli.console import messages, output
from tenuto.cli.job import Job, prepare
from tenuto.cli.parameters import fit_parameters
from tenuto.runs.names import CHECKPOINTS, CONFIGURATION, METRICS, UNFINISHED
from tenuto.tasks.option import typed_options
from tenuto.tasks.task import Task
from tenuto.tongues import typed_path

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
    check_processes(options)
    resume, source = (None if options.get(name) is None else Path(options[name]) for name in ("resume", "source"))
    check_resume(resume, options.get("out"))
    job = prepare(task, options, own_cells)
    text = configuration_text(task, options)
    overwrite, quiet, every_s = bool(options.get("overwrite")), bool(options.get("quiet")), options.get("checkpoint_every_s", 60.0)
    with run_folder(resume or options.get("out"), *job.name) as folder:
        evaluation = train_and_save(job, folder, configuration=text, overwrite=overwrite, quiet=quiet, resume=resume is not None, every_s=every_s)
    if source is not None:
        _compare_data(source, evaluation)
    return evaluation


def train_and_save(
    job: Job, folder: Path, *, configuration: str, overwrite: bool, quiet: bool, resume: bool = False, every_s: float = 60.0
) -> dict[str, Any]:
    """Fit, save, test, build the report, and print the results. If there are several processes, all of them fit, and the main one does the rest.

    Args:
        folder: the run folder; it is checked before training starts. If training fails without a checkpoint, a folder that was made here is removed.
        configuration: the text of config.toml.
        every_s: seconds between two checkpoints.
    Returns:
        The evaluation, as in evaluation.json.
    """
    from tenuto.runs.folder import claim
    from tenuto.train import Checkpoint, current_launch
    from tenuto.train.lock import held

    launch, work = current_launch(job.model.device), folder / UNFINISHED
    if not launch.is_main_process:
        launch.wait_for_everyone()  # the main process makes the folder first
        job.fit([], Checkpoint(work / CHECKPOINTS, every_s=every_s), tested=True)
        return dict(job.model.evaluation_)
    existed = folder.exists()
    claim(folder, overwrite=overwrite or resume)
    with _gone_if_empty(folder, made=not existed), held(folder) as killed:
        claim(folder, overwrite=overwrite or resume)  # again: another run may have ended here since
        _clear_earlier(work, overwrite=overwrite, resume=resume)
        if killed is not None and not quiet:
            messages().print(f"note        process {killed.process}, which trained in {folder}, was killed; this one takes its place", markup=False)
        try:
            _train(job, folder, configuration, overwrite=overwrite, quiet=quiet, resume=resume, every_s=every_s)
        except BaseException as error:
            kept = _keep_or_remove(folder, work, job.resumed(folder), resume=resume)
            if isinstance(error, KeyboardInterrupt):
                raise KeyboardInterrupt(kept or "interrupted before there was anything to keep; nothing was written.") from None
            if kept:
                messages().print(kept.replace("interrupted; ", ""), markup=False)
            raise
        try:
            return _finish(job, folder)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(f"interrupted; the run is saved in {folder}. For what it lacks, test results or report: {job.resumed(folder)}") from None


def _train(job: Job, folder: Path, configuration: str, *, overwrite: bool, quiet: bool, resume: bool, every_s: float) -> None:
    """Fit, with what is needed to go on in RUN/unfinished/, and save."""
    from tenuto.cli.progress import ProgressBar
    from tenuto.files import NotWritten, write_text
    from tenuto.train import Checkpoint, MetricsFile, Observer, current_launch

    work = folder / UNFINISHED

    class Begun(Observer):
        """Writes config.toml when training begins: a run that is refused, also when it is to go on, changes nothing."""

        def started(self, *, epochs: int, steps_per_epoch: int) -> None:
            write_text(work / CONFIGURATION, configuration)

    try:
        (work / CHECKPOINTS).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise NotWritten(f"{work} could not be made: {error.strerror or error}.", expected="room on the disk and the right to write there", fix="choose another folder") from error
    if not quiet:
        messages().print(job.described, markup=False)
    current_launch(job.model.device).wait_for_everyone()
    observers = [Begun(), MetricsFile(work / METRICS), *([] if quiet else [ProgressBar()])]
    job.fit(observers, Checkpoint(work / CHECKPOINTS, every_s=every_s), tested=True)
    job.save(folder, overwrite=overwrite or resume)
    write_text(folder / CONFIGURATION, configuration)


def _finish(job: Job, folder: Path) -> dict[str, Any]:
    """Test what was trained and saved, build the report, print the results; returns the evaluation. Whatever fails here, the run stays.

    Raises:
        TenutoError: the test part cannot be scored, or the report cannot be written; everything else is done.
    """
    from tenuto.errors import TenutoError
    from tenuto.report import build_report

    work, failed = folder / UNFINISHED, None
    try:
        job.score(folder)
    except TenutoError as error:
        failed = error.also(f"the run is saved in {folder}: tenuto score {typed_path(folder)} {job.task.data_name}")
    evaluation = dict(job.model.evaluation_)
    interrupted = evaluation["training"]["stopped"] == "interrupted" and _has_checkpoint(work)
    try:
        page: Path | str = build_report(folder)
    except TenutoError as error:
        failed, page = failed or error.also(f"the run is saved; then: tenuto report {typed_path(folder)}"), f"not written; make it with: tenuto report {typed_path(folder)}"
    if not interrupted:
        shutil.rmtree(work, ignore_errors=True)
    console = output()
    job.say(console, evaluation)
    console.print(f"run         {folder}\nreport      {page}", markup=False)
    if interrupted:
        console.print(f"go on       {job.resumed(folder)}", markup=False)
    console.print(f"next        {job.next_words(folder)}", markup=False)
    if failed is not None:
        raise failed
    return evaluation


def configuration_text(task: Task, options: Mapping[str, Any]) -> str:
    """The text of config.toml for these options, in the groups that `--help` shows; paths are absolute, so that they work from any folder."""
    from importlib.metadata import version

    return toml_text(task.name, option_tables(task, options), version("tenuto"))


def option_tables(task: Task, options: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Those of these options that belong in config.toml, by the groups of `--help`."""
    tables: dict[str, dict[str, Any]] = {"": {}}
    paths = PATHS | {known.typed for known in typed_options(task.options) if known.cell or known.path}
    for name, (hint, _) in fit_parameters(task).items():
        if name in NOT_KEPT or name not in options:
            continue
        panels = [getattr(note, "rich_help_panel", None) for note in getattr(hint, "__metadata__", ())]
        panel = next((panel for panel in panels if isinstance(panel, str)), "")
        tables.setdefault(panel, {})[name] = from_anywhere(options[name]) if name in paths else _plain(options[name])
    return tables


@contextlib.contextmanager
def run_folder(named: Any, *names: str) -> Iterator[Path]:
    """The folder that the call names, or else a new one, which is removed if the block fails and leaves it empty."""
    folder = Path(named) if named else new_folder(*names)
    with _gone_if_empty(folder, made=not named):
        yield folder


@contextlib.contextmanager
def _gone_if_empty(folder: Path, *, made: bool) -> Iterator[None]:
    """If the block fails, a folder that was made for it is removed, unless something is in it."""
    try:
        yield
    except BaseException:
        if made:
            with contextlib.suppress(OSError):
                folder.rmdir()
        raise


def new_folder(*names: str) -> Path:
    """Makes the first folder `runs/DATA-CELL-1`, `-2`, ... that does not exist; of several commands at once each gets another."""
    from tenuto.errors import RunError

    words = " ".join(Path(name).stem if name.endswith(".py") or ".py:" in name else name for name in names)
    name = "-".join("".join(letter if letter.isalnum() else " " for letter in words).lower().split())
    number = 1
    while True:
        folder = Path("runs") / f"{name}-{number}"
        try:
            folder.parent.mkdir(exist_ok=True)
            folder.mkdir()
            return folder
        except FileExistsError as error:
            if folder.parent.is_file():
                raise RunError("a new run cannot have a folder in runs/, since runs is a file.", fix="name the folder: --out RUN") from error
            number += 1
        except OSError as error:
            raise RunError(f"{folder} could not be made: {error.strerror or error}.", fix="name another folder: --out RUN") from error


def check_processes(options: Mapping[str, Any]) -> None:
    """Raise ArgumentError if there are several processes and no run folder is named: each process would choose a different new one."""
    from tenuto.errors import ArgumentError
    from tenuto.train.launch import process_count

    if process_count() > 1 and options.get("out") is None and options.get("resume") is None:
        raise ArgumentError("there are several processes, but no run folder is named.", expected="--out RUN, or --resume RUN", fix="add --out RUN")


def check_resume(resume: Path | None, out: Any, command: str = "fit") -> None:
    """Raise unless a run can be gone on with in its folder by this command."""
    from tenuto.errors import ArgumentError, RunError
    from tenuto.runs.folder import had_a_teacher, own_cells_of, resuming

    if resume is None:
        return
    if command == "fit" and had_a_teacher(resume):
        raise RunError(f"the network in {resume} learns from a teacher.", expected="a run of `tenuto fit`", fix=f"go on with it: {resuming(resume)}")
    if out is not None and Path(out) != resume:
        raise ArgumentError(
            "a resumed run stays in its folder.", expected=f"--resume {resume} without --out", received=f"--out {out}", fix="leave --out out, or train a new run with --from"
        )
    if not (resume / UNFINISHED).is_dir():
        raise RunError(
            f"{resume} has nothing to go on from: it is a complete run.",
            expected=f"a killed or interrupted run, with a folder {UNFINISHED}/",
            fix=f"train again with the same options: tenuto fit --from {typed_path(resume)}{own_cells_of(resume)}" if command == "fit" else "distill again, into another folder",
        )


def _clear_earlier(work: Path, *, overwrite: bool, resume: bool) -> None:
    """Remove what an earlier run left unfinished, unless this run goes on with it.

    Raises:
        RunError: there is a checkpoint, and neither --resume nor --overwrite was given.
    """
    from tenuto.errors import RunError
    from tenuto.runs.folder import resuming

    if not work.exists() or resume:
        return
    if _has_checkpoint(work) and not overwrite:
        raise RunError(
            f"{work.parent} holds a run that was interrupted, with a checkpoint.",
            expected="a new or empty folder for the run",
            fix=f"go on with it ({resuming(work.parent)}), or replace it (--overwrite)",
        )
    shutil.rmtree(work, ignore_errors=True)


def _has_checkpoint(work: Path) -> bool:
    from tenuto.train import Checkpoint

    return (work / CHECKPOINTS).is_dir() and Checkpoint(work / CHECKPOINTS).exists()


def _keep_or_remove(folder: Path, work: Path, resumed: str, *, resume: bool) -> str:
    """After a failure: if there is a checkpoint, what is kept, in words. Else the unfinished files of a new run are removed, and the result is empty."""
    if _has_checkpoint(work):
        return f"interrupted; the last checkpoint is kept. Go on with: {resumed}"
    if resume:
        return ""
    shutil.rmtree(work, ignore_errors=True)
    return ""


def _compare_data(source: Path, evaluation: Mapping[str, Any]) -> None:
    """Print a note if a run that was repeated with --from was trained on different data."""
    from tenuto.runs.folder import is_complete, read_config

    if not is_complete(source):
        return
    before, now = read_config(source).get("data", {}).get("train") or {}, evaluation["data"]["train"]
    if before.get("sha256") != now.get("sha256"):
        messages().print(f"note        the training data is not that of {source}: its digest differs", markup=False)


def from_anywhere(value: Any) -> Any:
    """A path that exists, made absolute, also in FILE.py:CLASS and in a list; other values stay as they are."""
    if isinstance(value, (list, tuple)):
        return [from_anywhere(item) for item in value]
    if not isinstance(value, (str, Path)):
        return value
    text, colon, name = str(value).rpartition(":") if ".py:" in str(value) else (str(value), "", "")
    with contextlib.suppress(OSError):
        if ("." in text or "/" in text) and Path(text).exists():
            return f"{Path(text).resolve()}{colon}{name}"
    return str(value)


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else list(value) if isinstance(value, tuple) else value
