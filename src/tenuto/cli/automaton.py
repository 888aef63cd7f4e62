"""`tenuto automaton`: a finite automaton that answers as a run does that reads tokens, as a page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from tenuto.cli.arguments import CellFile, RunData, RunFolder, Split, require_free
from tenuto.cli.console import messages, output
from tenuto.cli.parameters import told_by_tasks
from tenuto.cli.tasks import open_run, read_data, refuse_others, task_of_run


@told_by_tasks(asking=False)
def automaton(
    context: typer.Context,
    run: RunFolder,
    data: RunData,
    alphabet: Annotated[str, typer.Option(help="How many of the most frequent tokens of DATA are letters; or the letters, with commas between.")] = "8",
    others: Annotated[str, typer.Option(help="What becomes of other tokens: drop, or unknown (one more letter, which the model does not know).")] = "drop",
    states: Annotated[int, typer.Option(min=1, help="States of the automaton, at most.")] = 30,
    queries: Annotated[int, typer.Option(min=1, help="Words that the model is asked for, at most, before the automaton is measured.")] = 20_000,
    length: Annotated[int | None, typer.Option(min=1, help="Letters of the longest words. Default: as in DATA, up to 30.", show_default=False)] = None,
    method: Annotated[str, typer.Option(help="lstar or kv.")] = "lstar",
    seed: Annotated[int, typer.Option(min=0, help="Seed of the random words.")] = 0,
    out: Annotated[Path, typer.Option("--out", "-o", help="The page to write.")] = Path("automaton.html"),
    save: Annotated[Path | None, typer.Option(help="A .json file for the automaton, too.", show_default=False)] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")] = False,
    split: Split = None,
    cell: CellFile = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, ...")] = "cpu",
    **told: Any,
) -> None:
    """Find a finite automaton that answers as a run does: a classifier of texts, or a language model. The run folder stays as it is.

    It is found by asking the run for words over a small alphabet, and measured on words that were not asked before. Needs aalpy: pip install "tenuto\\[automata]".

    [bold]tenuto automaton runs/opinions opinions.csv --alphabet good,bad,not,very[/bold]
    """
    from tenuto.distill import automaton as asked_for

    task = task_of_run(run)
    refuse_others(context, task, *task.columns)
    for path in (out, save):
        require_free(path, overwrite)
    model = open_run(task, run, cell, device)
    given = read_data(context, task, run, data, split, answered=False)
    letters: Any = int(alphabet) if alphabet.isdecimal() and len(alphabet) < 10 else [letter for letter in alphabet.split(",") if letter]
    found = asked_for(model, given, alphabet=letters, others=others, states=states, queries=queries, length=length, method=method, seed=seed)
    found.to_html(out, title=run.resolve().name)
    if save is not None:
        found.automaton.save(save)
        messages().print(f"the automaton in {save}", markup=False)
    console = output()
    console.print(str(found), markup=False, highlight=False)
    console.print(str(out), markup=False)
