"""`tenuto spot`: keywords in files, or in a stream that comes through a pipe, as text or JSON lines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from tenuto.cli.arguments import CellFile, RunFolder, require_free
from tenuto.cli.listening import PIPE, SoundFiles, StreamRate, is_stream, of_files, of_pipe, otherwise, write
from tenuto.cli.tasks import open_run, task_of_run

FORMATS = ("text", "jsonl")


def spot(
    run: RunFolder,
    files: SoundFiles,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write to this file, not to the terminal.", show_default=False)] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file if it exists.")] = False,
    form: Annotated[str, typer.Option("--format", help="text: file, seconds, keyword, score, with tabs between; jsonl.")] = "text",
    rate: StreamRate = 0,
    cell: CellFile = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, ...")] = "cpu",
) -> None:
    """Tell keywords in recordings, or in a stream as they are said.

    [bold]tenuto spot runs/spotter call.wav[/bold]
    [bold]arecord -f S16_LE -r 8000 -t raw | tenuto spot runs/spotter - --rate 8000[/bold]
    """
    from tenuto.choices import require
    from tenuto.errors import ArgumentError

    require("format", form, FORMATS)
    task = task_of_run(run)
    if not task.spots:
        raise ArgumentError(f"{run} spots no keywords: its task is {task.name}.", expected="a run of a task that spots keywords", fix=otherwise(task, run))
    streamed = is_stream(files)
    require_free(out, overwrite)
    model = open_run(task, run, cell, device)
    if streamed:
        write((_line(PIPE, event, form) for event in of_pipe(model, rate)), out)
    else:
        write((_line(name, event, form) for name, (events,) in of_files(files, lambda wave: model.spot([wave])) for event in events), out)


def _line(name: str, event: Any, form: str) -> str:
    if form == "jsonl":
        return json.dumps({"file": name, "time": round(event.time, 3), "keyword": event.keyword, "score": round(event.score, 4)}, ensure_ascii=False) + "\n"
    return f"{name}\t{event.time:.2f}\t{event.keyword}\t{event.score:.3f}\n"
