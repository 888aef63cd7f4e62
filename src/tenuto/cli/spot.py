"""`tenuto spot`: keywords in files, or in a stream that comes through a pipe, as text or JSON lines."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from tenuto.cli.arguments import CellFile, RunFolder, require_free
from tenuto.cli.console import messages
from tenuto.cli.tasks import open_run, task_of_run
from tenuto.tongues import typed_path

FORMATS = ("text", "jsonl")
PIPE = "-"


def spot(
    run: RunFolder,
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="Sound files; - for a stream on standard input: a WAV file as it is written, or bare samples of 16 bits (--rate).", show_default=False)],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write to this file, not to the terminal.", show_default=False)] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file if it exists.")] = False,
    form: Annotated[str, typer.Option("--format", help="text: file, seconds, keyword, score, with tabs between; jsonl.")] = "text",
    rate: Annotated[int, typer.Option(help="Samples a second of a stream that does not say it; 0 for the model's.", min=0)] = 0,
    cell: CellFile = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, ...")] = "cpu",
) -> None:
    """Tell keywords in recordings, or in a stream as they are said.

    [bold]tenuto spot runs/spotter call.wav[/bold]
    [bold]arecord -f S16_LE -r 8000 -t raw | tenuto spot runs/spotter - --rate 8000[/bold]
    """
    from tenuto.choices import require
    from tenuto.errors import ArgumentError
    from tenuto.files import write_text

    require("format", form, FORMATS)
    task = task_of_run(run)
    if not task.spots:
        raise ArgumentError(f"{run} spots no keywords: its task is {task.name}.", expected="a run of a task that spots keywords", fix=f"tenuto predict {typed_path(run)} DATA")
    if PIPE in files and len(files) > 1:
        raise ArgumentError("a stream is heard alone.", expected=f"{PIPE}, or files", received=" ".join(files)[:80])
    require_free(out, overwrite)
    model = open_run(task, run, cell, device)
    lines = (_line(name, event, form) for name, event in (_streamed(model, rate) if files == [PIPE] else _heard(model, files)))
    if out is not None:
        write_text(out, "".join(lines))
        return
    for line in lines:
        typer.echo(line, nl=False)
        sys.stdout.flush()


def _heard(model: Any, files: Iterable[str]) -> Iterator[tuple[str, Any]]:
    """The keywords of each file; one that cannot be read is told and left out."""
    from tenuto.errors import DataError

    read = 0
    for name in files:
        try:
            (events,) = model.spot([name])
        except DataError as error:
            messages().print(f"left out    {name}: {error.what}", markup=False)
            continue
        read += 1
        yield from ((name, event) for event in events)
    if not read:
        raise DataError("no recording could be read.", expected="one or more sound files")


def _streamed(model: Any, rate: int) -> Iterator[tuple[str, Any]]:
    from tenuto.data.audio.pipe import Piped

    piped = Piped(sys.stdin.buffer, rate or model.hearing_.features.rate)
    stream = model.stream(rate=piped.rate)
    for samples in piped:
        yield from ((PIPE, event) for event in stream.accept(samples))
    yield from ((PIPE, event) for event in stream.finish())


def _line(name: str, event: Any, form: str) -> str:
    if form == "jsonl":
        return json.dumps({"file": name, "time": round(event.time, 3), "keyword": event.keyword, "score": round(event.score, 4)}, ensure_ascii=False) + "\n"
    return f"{name}\t{event.time:.2f}\t{event.keyword}\t{event.score:.3f}\n"
