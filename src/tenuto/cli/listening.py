"""What commands share that hear sound files, or a stream that comes through a pipe."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from tenuto.cli.console import messages

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


def of_files(files: Iterable[str], answer: Callable[[str], R]) -> Iterator[tuple[str, R]]:
    """Each file with its answer; one that cannot be read is told and left out.

    Raises:
        DataError: none could be read.
    """
    from tenuto.errors import DataError

    read = failed = 0
    for name in files:
        try:
            found = answer(name)
        except DataError as error:
            messages().print(f"left out    {name}: {error.what}", markup=False)
            failed += 1
            continue
        read += 1
        yield name, found
    if not read:
        raise DataError("no recording could be read.", expected="one or more sound files", received=f"{failed} that cannot be")


def of_pipe(model: Any, rate: int, **options: Any) -> Iterator[Any]:
    """The events of the stream on standard input, as they come; options: of `model.stream`."""
    from tenuto.data.audio.pipe import Piped

    piped = Piped(sys.stdin.buffer, rate or model.hearing_.features.rate)
    stream = model.stream(rate=piped.rate, **options)
    for samples in piped:
        yield from stream.accept(samples)
    yield from stream.finish()


def write(texts: Iterable[str], out: Path | None) -> None:
    """To a file, whole, or to the terminal, each as it comes."""
    from tenuto.files import write_text

    if out is not None:
        write_text(out, "".join(texts))
        return
    for text in texts:
        typer.echo(text, nl=False)
        sys.stdout.flush()
