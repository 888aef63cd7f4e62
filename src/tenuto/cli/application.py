"""The application: which commands there are, and how errors are printed."""

from __future__ import annotations

import inspect
import os
import sys
import warnings
from collections.abc import Callable
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from tenuto.cli import (
    automaton,
    cache,
    compress,
    demo,
    diagnose,
    distill,
    explain,
    export,
    forecast,
    generate,
    predict,
    report,
    score,
    show,
    spot,
    transcribe,
)
from tenuto.cli.compare import command_of as compare_command
from tenuto.cli.console import complain
from tenuto.cli.fit import command_of as fit_command
from tenuto.cli.fit_group import FitGroup
from tenuto.cli.tune import TuneGroup
from tenuto.cli.tune import command_of as tune_command
from tenuto.tasks import cards


class PlainErrors(TyperGroup):
    """A group of commands in which an error that tenuto raises on purpose is printed without a traceback, with exit code 1.

    With `TENUTO_TRACEBACK=1` in the environment the traceback is printed, for those who need to know where in the code the error was raised.
    """

    def list_commands(self, ctx: Any) -> list[str]:
        """The commands' names, groups first: `fit` and `tune` come before all others."""
        names = list(super().list_commands(ctx))
        return sorted(names, key=lambda name: not hasattr(self.commands[name], "commands"))

    def invoke(self, ctx: Any) -> Any:
        shown, warnings.formatwarning = warnings.formatwarning, _in_words
        try:
            done = super().invoke(ctx)
            sys.stdout.flush()
            return done
        except KeyboardInterrupt as stop:
            complain(str(stop) or "interrupted; nothing was written.")
            raise typer.Exit(130) from None
        except BrokenPipeError:  # the reader of our output, `head` for example, has gone
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            raise typer.Exit(0) from None
        except OSError as error:  # what no call told in its own words
            if os.environ.get("TENUTO_TRACEBACK") == "1":
                raise
            names = ", ".join(str(name) for name in (error.filename, error.filename2) if name is not None)
            complain(f"{names or 'a file'} could not be read or written: {error.strerror or error}.\n  fix       make room, or see that the path may be read and written")
            raise typer.Exit(1) from None
        except Exception as error:
            said = _said(error)
            if os.environ.get("TENUTO_TRACEBACK") == "1" or said is None:
                raise
            complain(said)
            raise typer.Exit(1) from None
        finally:
            warnings.formatwarning = shown


def _in_words(message: Warning | str, *_: Any, **__: Any) -> str:
    """A warning as a terminal shows it: what it says, without the line of our source."""
    return f"warning     {message}\n"


def _said(error: Exception) -> str | None:
    """An error that tenuto raises on purpose, in the words of a command line; None for any other."""
    from tenuto.cli.flags import flags
    from tenuto.errors import TenutoError

    return error.said(flags) if isinstance(error, TenutoError) else None


app = typer.Typer(
    name="tenuto",
    cls=PlainErrors,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Recurrent networks: train one on your sequences, read its report, let it predict.",
    epilog="Start with [bold]tenuto demo[/bold]. Shell completion: [bold]tenuto --install-completion[/bold].",
)
fit = typer.Typer(
    cls=FitGroup,
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="Train a network on your data and write a run folder: weights, settings, measurements, report.",
    epilog="With options from a file: [bold]tenuto fit --config FILE.toml[/bold]. Those of another run: [bold]--from RUN[/bold]. "
    "Go on with a run that was killed or interrupted: [bold]--resume RUN[/bold].",
)
search = typer.Typer(
    cls=TuneGroup,
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="Search for the options with which a task learns best on your data.",
    epilog="Go on with a search: [bold]tenuto tune --resume RUN[/bold]. Train the best of it: [bold]tenuto fit --from RUN[/bold].",
)

comparison = typer.Typer(
    cls=FitGroup,
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="Train a task with several encoders alike, and see which is better and whether that is more than chance.",
    epilog="[bold]tenuto compare TASK DATA --encoders lstm,transformer,hybrid[/bold].",
)


def help_of(function: Callable[..., Any]) -> str:
    """A function's docstring for a terminal of any width: each paragraph becomes one line, except paragraphs of commands, where each has its own line."""
    paragraphs = inspect.cleandoc(function.__doc__ or "").split("\n\n")
    return "\n\n".join(part if part.startswith("[bold]") else part.replace("\n", " ") for part in paragraphs)


TRAIN, USE, LOOK = "Train", "Use a run", "Look inside"
app.add_typer(fit, name="fit", rich_help_panel=TRAIN)
app.add_typer(search, name="tune", rich_help_panel=TRAIN)
app.add_typer(comparison, name="compare", rich_help_panel=TRAIN)
for task in cards():
    for group, function in ((fit, fit_command(task)), (search, tune_command(task)), (comparison, compare_command(task))):
        group.command(task.command, help=help_of(function))(function)
for panel, functions in {
    TRAIN: (distill.command(), demo.demo),
    USE: (
        predict.predict, forecast.forecast, transcribe.transcribe, spot.spot, score.score, explain.explain, diagnose.diagnose, compress.compress, export.export, automaton.automaton, generate.generate, report.report,
    ),
    LOOK: (show.show, cache.cache),
}.items():
    for function in functions:
        app.command(function.__name__, help=help_of(function), rich_help_panel=panel)(function)


def _print_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"tenuto {version('tenuto')}")
        raise typer.Exit


@app.callback()
def start(
    version: Annotated[bool, typer.Option("--version", help="Print the version and stop.", callback=_print_version, is_eager=True)] = False,
) -> None:
    """Recurrent networks: train one on your sequences, read its report, let it predict."""
