"""`tenuto transcribe`: what is said in files, or in a stream that comes through a pipe, as text, JSON lines, subtitles or CTM."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from tenuto.cli.arguments import CellFile, RunFolder, require_free
from tenuto.cli.console import messages
from tenuto.cli.listening import PIPE, SoundFiles, StreamRate, is_stream, of_files, of_pipe, otherwise, write
from tenuto.cli.tasks import open_run, task_of_run

FORMATS = ("text", "jsonl", "srt", "vtt", "ctm")


def transcribe(
    run: RunFolder,
    files: SoundFiles,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write to this file, not to the terminal.", show_default=False)] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file if it exists.")] = False,
    form: Annotated[str, typer.Option("--format", help="text; jsonl (words with times and probabilities); srt or vtt (subtitles); ctm (a word a line).")] = "text",
    beam_size: Annotated[int, typer.Option(help="Answers that the search keeps at each step; 0 for the run's own number.", min=0)] = 0,
    rate: StreamRate = 0,
    language: Annotated[Path | None, typer.Option("--language", metavar="RUN", help="The run of a language model of characters that ranks texts, too; needs a beam.", show_default=False)] = None,
    language_weight: Annotated[float, typer.Option(help="How much the language model counts.", min=0)] = 0.3,
    length_bonus: Annotated[float, typer.Option(help="Nats for each character, in a beam: a language model makes long texts unlikely.")] = 0.0,
    hot_words: Annotated[str, typer.Option(metavar="WORD=NATS,...", help="Words that are expected, each with its bonus; needs a beam.")] = "",
    latency: Annotated[bool, typer.Option("--latency", help="Hear the files as streams and say how late their text comes, on standard error.")] = False,
    partial: Annotated[bool, typer.Option("--partial", help="Of a stream, say what was understood so far, too: in text on standard error.")] = False,
    cell: CellFile = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, ...")] = "cpu",
) -> None:
    """Write down what is said in recordings, or in a stream as it comes.

    [bold]tenuto transcribe runs/spoken call.wav --format srt -o call.srt[/bold]
    [bold]arecord -f S16_LE -r 8000 -t raw | tenuto transcribe runs/spoken - --rate 8000 --partial[/bold]
    """
    from tenuto.choices import require
    from tenuto.errors import ArgumentError

    require("format", form, FORMATS)
    task = task_of_run(run)
    if not task.listens:
        raise ArgumentError(f"{run} writes down nothing: its task is {task.name}.", expected="a run of a task that hears speech", fix=otherwise(task, run))
    streamed = is_stream(files)
    require_free(out, overwrite)
    model = open_run(task, run, cell, device)
    search = {"beam_size": beam_size or None, "prior": _prior(language, language_weight, length_bonus, hot_words)}
    written = WRITERS[form]
    if streamed:
        write(_one_by_one(_finals(of_pipe(model, rate, **search), partial=partial), written), out)
        return
    texts = []
    for name, ((found,), late) in of_files(files, lambda wave: (model.transcribe([wave], **search), model.latency([wave], beam_size=beam_size or None) if latency else None)):
        if late is not None:
            messages().print(f"{name}: {_late(late)}", markup=False)
        texts.append(written(name, [found], 0) if form != "text" or len(files) == 1 else f"{name}\t{found.text}\n")
    write(texts, out)


def _prior(language: Path | None, weight: float, bonus: float, hot_words: str) -> Any:
    """What is known of texts; None for nothing."""
    from tenuto.tasks import LanguageModel
    from tenuto.tasks.transcribe.prior import Prior, hot_words_of

    if language is None and not bonus and not hot_words:
        return None
    return Prior(None if language is None else LanguageModel.load(language), weight=weight, bonus=bonus, hot_words=hot_words_of(hot_words))


def _late(found: Any) -> str:
    """A latency in words."""
    if found.first_partial_s is None:
        return "no speech, or no text"
    return (
        f"first text {found.first_partial_s:.2f} s after speech begins, the last final {found.final_s:.2f} s after it ends (what the computer takes is not in it); "
        f"a step waits {found.algorithmic_s:.2f} s at most; {found.revised:.1%} of words were taken back"
    )


def _finals(events: Iterable[Any], *, partial: bool) -> Iterator[Any]:
    """The final events of a stream."""
    for event in events:
        if event.kind == "final":
            yield event
        elif partial:
            messages().print(f"... {event.text.strip()}", markup=False)


def _one_by_one(pieces: Iterable[Any], written: Callable[[str, list[Any], int], str]) -> Iterator[str]:
    """Each piece as text; subtitles are counted over all of them."""
    before = 0
    for piece in pieces:
        yield written(PIPE, [piece], before)
        before += len(_lines([piece]))


def _text(name: str, pieces: list[Any], first: int) -> str:
    return "".join(f"{piece.text.strip()}\n" for piece in pieces)


def _jsonl(name: str, pieces: list[Any], first: int) -> str:
    def line(piece: Any) -> str:
        words = [{"text": word.text, "start": round(word.start, 3), "end": round(word.end, 3), "probability": round(word.probability, 4)} for word in piece.words]
        times = {"start": words[0]["start"], "end": words[-1]["end"]} if words else {"start": None, "end": None}
        return json.dumps({"file": name, "text": piece.text.strip(), **times, "score": round(piece.score, 4), "words": words}, ensure_ascii=False) + "\n"

    return "".join(map(line, pieces))


def _ctm(name: str, pieces: list[Any], first: int) -> str:
    stem = Path(name).stem if name != PIPE else PIPE
    return "".join(f"{stem} 1 {word.start:.3f} {word.end - word.start:.3f} {word.text} {word.probability:.4f}\n" for piece in pieces for word in piece.words)


def _lines(pieces: list[Any]) -> list[tuple[float, float, str]]:
    """Subtitles: at most seven words, and a new one after a pause of a second."""
    found: list[list[Any]] = []
    for piece in pieces:
        for word in piece.words:
            if not found or len(found[-1]) == 7 or word.start - found[-1][-1].end > 1:
                found.append([])
            found[-1].append(word)
    return [(line[0].start, line[-1].end, " ".join(word.text for word in line)) for line in found]


def _clock(seconds: float, mark: str) -> str:
    """Example: _clock(3661.5, ",") is 01:01:01,500."""
    whole = round(seconds * 1000)
    return f"{whole // 3600000:02d}:{whole // 60000 % 60:02d}:{whole // 1000 % 60:02d}{mark}{whole % 1000:03d}"


def _srt(name: str, pieces: list[Any], first: int) -> str:
    return "".join(f"{number}\n{_clock(start, ',')} --> {_clock(end, ',')}\n{text}\n\n" for number, (start, end, text) in enumerate(_lines(pieces), first + 1))


def _vtt(name: str, pieces: list[Any], first: int) -> str:
    head = "" if first else "WEBVTT\n\n"
    return head + "".join(f"{_clock(start, '.')} --> {_clock(end, '.')}\n{text}\n\n" for start, end, text in _lines(pieces))


WRITERS: dict[str, Callable[[str, list[Any], int], str]] = {"text": _text, "jsonl": _jsonl, "srt": _srt, "vtt": _vtt, "ctm": _ctm}
