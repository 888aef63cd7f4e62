"""`tenuto explain`: what in the data a run's answers come from, as a page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from tenuto.cli.arguments import CellFile, RunData, RunFolder, Split, build_settings, require_free
from tenuto.cli.console import messages, output
from tenuto.cli.parameters import told_by_tasks
from tenuto.cli.tasks import open_run, read_data, refuse_others, task_of_run

METHODS = "integrated-gradients, shapley, lime, occlusion, contributions, gradient, smoothgrad, expected-gradients, counterfactual"
SHOWN = "0-4"
MOST_HELD = 60  # items that `--states` reads


@told_by_tasks(asking=False)
def explain(
    context: typer.Context,
    run: RunFolder,
    data: RunData,
    method: Annotated[str, typer.Option(help=f"One of {METHODS}.")] = "integrated-gradients",
    rows: Annotated[str, typer.Option(help="Which items of DATA, counted from 0: 0,2,5-8.")] = SHOWN,
    target: Annotated[
        str | None, typer.Option(help="What is explained: a class, or STEP:OUTPUT where the model answers at every step (STEP: for its answer there). Default: what is predicted.", show_default=False)
    ] = None,
    background: Annotated[str | None, typer.Option(help="What stands where something is left out: zero, mean, or DATA again, as other items. Default: as the task says.", show_default=False)] = None,
    setting: Annotated[list[str] | None, typer.Option("--setting", metavar="NAME=VALUE", help="A setting of the method, for example tolerance=1e-4; repeat it.", show_default=False)] = None,
    check: Annotated[bool, typer.Option("--check", help="Measure whether the explanation can be trusted, and show it on the page; takes many times as long.")] = False,
    states: Annotated[bool, typer.Option("--states", help="Show what the network holds, too: its states and gates, what units stand for, fixed points.")] = False,
    out: Annotated[Path, typer.Option("--out", "-o", help="The page to write.")] = Path("explanation.html"),
    save: Annotated[Path | None, typer.Option(help="A folder to keep the values in, too.", show_default=False)] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")] = False,
    split: Split = None,
    cell: CellFile = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, ...")] = "cpu",
    **told: Any,
) -> None:
    """Write a page that shows what in DATA a run's answers come from, with the error of each explanation. The run folder stays as it is.

    [bold]tenuto explain runs/vowels japanese_vowels --rows 0,3[/bold]
    [bold]tenuto explain runs/vowels japanese_vowels --method shapley --setting segments=5[/bold]
    """
    from tenuto.choices import require
    from tenuto.errors import ArgumentError
    from tenuto.explain import METHODS as known
    from tenuto.explain import explain as asked_for
    from tenuto.explain.trust.verdicts import verdicts

    task = task_of_run(run)
    refuse_others(context, task, *task.columns)
    require("method", method, known)
    chosen = build_settings(known[method], setting or [])
    for path in (out, save):
        require_free(path, overwrite)
    model = open_run(task, run, cell, device)
    every = read_data(context, task, run, data, split, answered=False)
    places = numbers_of(rows, len(every), usual=rows == SHOWN)
    others: Any = background
    if background is not None and background not in ("zero", "mean"):
        if Path(background) != Path(data):
            raise ArgumentError(f"background {background!r} is not known.", expected=f"zero | mean | {data}", received=background, fix="leave it out, or name DATA again")
        others = every.select([place for place in range(len(every)) if place not in places])
    found = asked_for(model, every.select(places), method=chosen, target=target_of(target), background=others, check=check).named([str(place) for place in places])
    held = held_by(model, every, places) if states else None
    found.to_html(out, title=f"{run.resolve().name}: {len(places)} of {len(every)} items", held=held)
    if save is not None:
        found.save(save, overwrite=overwrite)
        if held is not None:
            held.save(save, overwrite=overwrite)
        messages().print(f"values in {save}", markup=False)
    console = output()
    for item, place in zip(found, places):
        left = "" if item.gap is None else f", {abs(item.gap):.2g} unexplained"
        console.print(f"item {place}: answer {item.target}, {item.prediction:.4g}{left}", markup=False, highlight=False)
    for verdict in [] if found.trust is None else verdicts(found.trust):
        console.print(f"{verdict.name}: {verdict.mark}", markup=False, highlight=False)
    console.print(str(out), markup=False)


def held_by(model: Any, every: Any, places: list[int]) -> Any:
    """What the network holds while it reads the items of the page, and others from the beginning: what units stand for asks for many."""
    from tenuto.explain import states

    others = [place for place in range(len(every)) if place not in places]
    read = [*places, *others[: max(0, MOST_HELD - len(places))]]
    return states(model, every.select(read), fixed_points=True).named([str(place) for place in read])


def numbers_of(text: str, count: int, *, usual: bool = False) -> list[int]:
    """The whole numbers that `0,2,5-8` names, each below count; with `usual`, those above are left out.

    Example:
        >>> numbers_of("0,2,5-8", 9)
        [0, 2, 5, 6, 7, 8]
    """
    from tenuto.errors import ArgumentError

    found: list[int] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()) or len(first + last) > 18:
            raise ArgumentError(f"--rows {text!r} cannot be read.", expected="numbers and ranges, such as 0,2,5-8", received=part)
        end = int(last) if dash else int(first)
        if not usual and (end >= count or int(first) > end):
            raise ArgumentError(f"--rows names {part.strip()}, and there are {count} items.", expected=f"0 to {count - 1}", received=text)
        found += range(int(first), min(end, count - 1) + 1)
    return list(dict.fromkeys(found))


def target_of(text: str | None) -> Any:
    """What `--target` names: an output, or (step, output) with None for the predicted one.

    Example:
        >>> target_of("good"), target_of("-1:"), target_of("3:B-genre")
        ('good', (-1, None), (3, 'B-genre'))
    """
    step, colon, answer = (text or "").partition(":")
    if colon and step.removeprefix("-").isdecimal() and len(step) < 18:
        return int(step), answer or None
    return text
