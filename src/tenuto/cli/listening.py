"""What commands share that hear sound files, or a stream that comes through a pipe."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from tenuto.cli.console import messages
from tenuto.tongues import typed_path

PIPE = "-"
SoundFiles = Annotated[list[str], typer.Argument(metavar="FILE...", help="Sound files; - for a stream on standard input: a WAV file as it is written, or bare samples of 16 bits (--rate).", show_default=False)]
StreamRate = Annotated[int, typer.Option(help="Samples a second of a stream that does not say it; 0 for the model's.", min=0)]
R = TypeVar("R")


def is_stream(files: Sequence[str]) -> bool:
    """Whether a stream is to be heard, not files.

    Raises:
        ArgumentError: both.
    """
    from tenuto.errors import ArgumentError

    if PIPE in files and len(files) > 1:
        raise ArgumentError("a stream is heard alone.", expected=f"{PIPE}, or files", received=" ".join(files)[:80])
    return PIPE in files


def otherwise(task: Any, run: Path) -> str:
    """The command that answers with a run of this task, for who asked another one."""
    return f"tenuto {task.command} {typed_path(run)} FILE" if task.listens or task.spots else f"tenuto predict {typed_path(run)} DATA"


def of_files(files: Iterable[str], answer: Callable[[Any], R]) -> Iterator[tuple[str, R]]:
    """Each file with the answer to its sound, a `Wave`; one that cannot be read is told and left out.

    Raises:
        DataError: none could be read.
    """
    from tenuto.data.audio.wave import read_wave
    from tenuto.errors import DataError

    read = failed = 0
    for name in files:
        try:
            wave = read_wave(name)
        except DataError as error:
            messages().print(f"left out    {name}: {error.what}", markup=False)
            failed += 1
            continue
        read += 1
        yield name, answer(wave)
    if not read:
        raise DataError("no recording could be read.", expected="one or more sound files", received=f"{failed} that cannot be", fix="for a list or a folder of recordings: tenuto predict RUN DATA")


def of_pipe(model: Any, rate: int, **options: Any) -> Iterator[Any]:
    """The events of the stream on standard input, as they come; options: of `model.stream`. Ctrl-C ends the stream, and what was heard before it is told.

    Raises:
        ArgumentError: standard input is a terminal. DataError: nothing came, or what no pipe can hold.
    """
    from tenuto.data.audio.pipe import Piped
    from tenuto.errors import ArgumentError, DataError

    if sys.stdin.isatty():
        raise ArgumentError("standard input is a terminal, and no sound comes from there.", expected="a pipe", fix="arecord -f S16_LE -r 8000 -t raw | tenuto ... -, or tenuto ... - < FILE.wav")
    piped = Piped(sys.stdin.buffer, rate or model.hearing_.features.rate)
    stream = model.stream(rate=piped.rate, **options)
    for samples in _until_stopped(piped):
        yield from stream.accept(samples)
    if not stream.seconds:
        raise DataError("no sound came through the pipe.", expected="a WAV file, or bare samples of 16 bits")
    yield from stream.finish()


def _until_stopped(chunks: Iterable[R]) -> Iterator[R]:
    """Chunks, until there are no more or Ctrl-C is pressed, which never breaks off in the middle of hearing one."""
    stopped = waiting = False

    def stop(*_: Any) -> None:
        nonlocal stopped
        stopped = True
        if waiting:
            raise KeyboardInterrupt

    before, coming = signal.signal(signal.SIGINT, stop), iter(chunks)
    try:
        while not stopped:
            try:
                waiting = True
                chunk = next(coming)
            except (KeyboardInterrupt, StopIteration):
                return
            finally:
                waiting = False
            yield chunk
    finally:
        signal.signal(signal.SIGINT, before)


def write(texts: Iterable[str], out: Path | None) -> None:
    """To a file, whole, or to the terminal, each as it comes."""
    from tenuto.files import write_text

    if out is not None:
        write_text(out, "".join(texts))
        return
    for text in texts:
        typer.echo(text, nl=False)
        sys.stdout.flush()
