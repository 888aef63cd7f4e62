"""`tenuto generate`: new text from a language model, printed while it is made."""

from __future__ import annotations

import secrets
import sys
from typing import Annotated

import typer

from tenuto.cli.arguments import CellFile, RunFolder
from tenuto.cli.console import messages
from tenuto.cli.tasks import open_run, task_of_run
from tenuto.tasks.task import load
from tenuto.tongues import typed_path


def generate(
    run: RunFolder,
    prompt: Annotated[str, typer.Argument(metavar="PROMPT", help="What the text begins with; - reads it from standard input. Default: the beginning of a line.", show_default=False)] = "",
    length: Annotated[int, typer.Option("--length", "-n", help="The most characters, bytes or byte pairs (whichever the model reads) to write.", min=0)] = 500,
    temperature: Annotated[float, typer.Option("--temperature", "-t", help="Below 1 more predictable, above 1 more surprising; 0 takes the likeliest each time.", min=0)] = 1.0,
    top_k: Annotated[int, typer.Option(help="Draw only from this many likeliest symbols; 0 for all.", min=0)] = 0,
    top_p: Annotated[float, typer.Option(help="Draw only from the likeliest symbols that together have this probability.", min=0, max=1)] = 1.0,
    stop: Annotated[list[str] | None, typer.Option(help="End before this text; repeat it for several.", show_default=False)] = None,
    seed: Annotated[int | None, typer.Option(help="The same seed gives the same text. Default: a new one, printed at the end.", show_default=False)] = None,
    echo: Annotated[bool, typer.Option("--echo/--no-echo", help="Print the prompt before what follows it.")] = True,
    cell: CellFile = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, ...")] = "cpu",
) -> None:
    """Write new text with a language model.

    The text goes to standard output, piece by piece; the seed goes to standard error.

    [bold]tenuto generate runs/plays "ROMEO:" --temperature 0.8 --stop "JULIET:"[/bold]
    """
    from tenuto.errors import ArgumentError

    task = task_of_run(run)
    if task.write is None:
        raise ArgumentError(f"{run} writes no text: its task is {task.name}.", expected="a language model", fix=f"tenuto predict {typed_path(run)} DATA")
    begin = _from_standard_input() if prompt == "-" else prompt
    model = open_run(task, run, cell, device)
    drawn = secrets.randbits(31) if seed is None else seed
    settings = {"length": length, "temperature": temperature, "top_k": top_k or None, "top_p": top_p or None, "stop": tuple(stop or ()), "seed": drawn}
    pieces = load(task.write)(model, begin, settings)
    if echo and begin:
        typer.secho(begin, bold=True, nl=False)
    last = begin if echo else ""
    try:
        for last in pieces:
            typer.echo(last, nl=False)
    except KeyboardInterrupt:
        raise KeyboardInterrupt("stopped.") from None
    finally:
        if last and not last.endswith("\n"):
            typer.echo()
    if seed is None:
        messages().print(f"seed        {drawn}", markup=False)


def _from_standard_input() -> str:
    from tenuto.data.decode import decode_utf8

    return decode_utf8(sys.stdin.buffer.read(), "standard input")
