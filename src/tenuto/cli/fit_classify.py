"""`tenuto fit classify`: from a file of labelled sequences to a run folder.

Its function has one parameter for each option of the command line, which is how typer reads them: many more than the house's seven.
The defaults are those of `SequenceClassifier`, written again so that `--help` need not import torch; a test holds them equal.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import arguments
from .arguments import Channels, Data, IdColumn, LabelColumn, SplitColumn, TimeColumn
from .console import messages, output

if TYPE_CHECKING:
    from ..data import Splits
    from ..tasks import SequenceClassifier

MODEL, TRAINING, WHERE = "The network", "Training", "Where and how"


def _option(help_text: str, panel: str, *names: str, **settings: Any) -> Any:
    return typer.Option(*names, help=help_text, rich_help_panel=panel, **settings)


def classify(
    data: Data,
    test: Annotated[str | None, typer.Option(help="Data to test on at the end, if DATA has no test part of its own.", show_default=False)] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The run folder to write. Default: a new one in runs/.", show_default=False)] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the run that is in --out.")] = False,
    cell: Annotated[str, _option("lstm, gru, rnn, layer-norm-lstm, ... (`tenuto show` lists them), or your own: FILE.py:CLASS.", MODEL)] = "lstm",
    cell_field: Annotated[list[str] | None, _option("A field of the cell, for example activation=relu; repeat it.", MODEL, metavar="NAME=VALUE", show_default=False)] = None,
    hidden_size: Annotated[int, _option("Units of a layer, in each direction.", MODEL)] = 64,
    num_layers: Annotated[int, _option("Layers on top of one another.", MODEL)] = 2,
    bidirectional: Annotated[bool, _option("Read each sequence from both ends, or forward only.", MODEL, "--bidirectional/--forward-only")] = True,
    pooling: Annotated[str, _option("What the classifier sees of the outputs over time: mean, max, last, with commas.", MODEL)] = "mean,max,last",
    dropout: Annotated[float, _option("On the pooled features and between layers.", TRAINING)] = 0.3,
    input_noise: Annotated[float, _option("Deviation of the noise added to the standardised input.", TRAINING)] = 0.8,
    label_smoothing: Annotated[float, _option("Share of the target spread over all classes.", TRAINING)] = 0.0,
    epochs: Annotated[int, _option("At most.", TRAINING)] = 100,
    batch_size: Annotated[int, _option("Sequences a step.", TRAINING)] = 32,
    learning_rate: Annotated[float, _option("The highest of the schedule.", TRAINING)] = 3e-3,
    weight_decay: Annotated[float, _option("Of AdamW, on matrices.", TRAINING)] = 0.01,
    clip_norm: Annotated[float, _option("Gradients are scaled down to this norm; 0 for never.", TRAINING)] = 1.0,
    schedule: Annotated[str, _option("cosine or constant.", TRAINING)] = "cosine",
    patience: Annotated[int, _option("Stop after so many epochs without a lower validation loss; 0 for never.", TRAINING)] = 40,
    time_limit_s: Annotated[float | None, _option("Stop after the epoch in which so many seconds have passed.", TRAINING, show_default=False)] = None,
    validation_fraction: Annotated[float, _option("Of each class, held out to stop by, if DATA has no validation part.", TRAINING)] = 0.2,
    missing: Annotated[str, _option("What a missing value becomes: error, forward (the last value) or mean.", TRAINING)] = "error",
    seed: Annotated[int, _option("Of the split, the weights, the batches and the noise.", TRAINING)] = 0,
    engine: Annotated[str, _option("Who runs the time loop; auto takes the fastest that can.", WHERE)] = "auto",
    device: Annotated[str, _option("cpu, cuda, ...", WHERE)] = "cpu",
    threads: Annotated[int, _option("Threads of torch; 0 leaves the number as it is.", WHERE, min=0)] = 0,
    quiet: Annotated[bool, _option("No progress, only the result.", WHERE, "--quiet", "-q")] = False,
    id_column: IdColumn = "id",
    time_column: TimeColumn = "time",
    label_column: LabelColumn = "label",
    split_column: SplitColumn = "split",
    channels: Channels = None,
) -> None:
    """Learn which class a whole sequence belongs to.

    Sequences may have any lengths and any number of channels. The run folder holds the weights of the epoch with the lowest
    validation loss, all settings, one line of measurements an epoch, and report.html. Ctrl-C ends training early and keeps the best so far.

    [bold]tenuto fit classify japanese_vowels --out runs/vowels[/bold]
    [bold]tenuto fit classify walks.csv --test later_walks.csv --cell gru --cell-field activation=relu[/bold]
    """
    from ..data import read_splits
    from ..tasks import SequenceClassifier

    arguments.use_threads(threads)
    table = arguments.columns(id_column, time_column, label_column, split_column, channels)
    splits = read_splits(arguments.data_path(data), test=None if test is None else arguments.data_path(test), columns=table)
    model = SequenceClassifier(
        arguments.build_cell(arguments.cell_class(cell), cell_field or []),
        hidden_size=hidden_size,
        num_layers=num_layers,
        bidirectional=bidirectional,
        pooling=tuple(word.strip() for word in pooling.split(",") if word.strip()),
        dropout=dropout,
        input_noise=input_noise,
        label_smoothing=label_smoothing,
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        weight_decay=weight_decay,
        clip_norm=clip_norm or None,
        schedule=schedule,
        patience=patience or None,
        time_limit_s=time_limit_s,
        validation_fraction=validation_fraction,
        missing=missing,
        engine=engine,
        device=device,
        random_state=seed,
    )
    train_and_save(model, splits, out or _new_folder(splits.train.name, cell), overwrite=overwrite, quiet=quiet)


def train_and_save(model: SequenceClassifier, splits: Splits, folder: Path, *, overwrite: bool, quiet: bool) -> dict[str, Any]:
    """Fit, test, save, build the report, and say what came out.

    Args:
        folder: claimed before training starts; taken away again when training fails and nothing was in it.
    Returns:
        The evaluation, as in evaluation.json.
    """
    from ..report import build_report
    from ..tasks.run_folder import claim
    from .progress import ProgressBar

    existed = folder.exists()
    claim(folder, overwrite=overwrite)
    try:
        if not quiet:
            messages().print(f"data        {splits.train!r}\nfrom        {splits.train.path}\nmodel       {_described(model)}", markup=False)
        model.fit(splits.train, validation=splits.validation, observers=[] if quiet else [ProgressBar()])
        model.save(folder, test=splits.test, overwrite=overwrite)
    except BaseException:
        if not existed:
            with contextlib.suppress(OSError):
                folder.rmdir()
        raise
    report = build_report(folder)
    _say(model.evaluation_, folder, report)
    return model.evaluation_


def _say(evaluation: dict[str, Any], folder: Path, report: Path) -> None:
    """The result in a few lines, and what can be typed next."""
    console = output()
    for name in ("validation", "test"):
        result = evaluation["results"].get(name)
        if result is not None:
            low, high = result["accuracy_interval"]
            right = round(result["accuracy"] * result["sequences"])
            console.print(
                f"{name:<12}[bold]{result['accuracy']:.2%}[/bold] right ({right} of {result['sequences']}; 95 % interval {low:.1%} to {high:.1%}), "
                f"loss {result['loss']:.4f}"
            )
    console.print(f"run         {folder}", markup=False)
    console.print(f"report      {report}", markup=False)
    console.print(f"next        tenuto predict {folder} DATA   |   tenuto score {folder} DATA", markup=False)


def _described(model: SequenceClassifier) -> str:
    """The network in a few words."""
    ways = "both directions" if model.bidirectional else "forward only"
    return f"{model.cell!r}, {model.hidden_size} units, {model.num_layers} layer{'s' * (model.num_layers > 1)}, {ways}, seed {model.random_state}"


def _new_folder(data: str, cell: str) -> Path:
    """The first folder `runs/DATA-CELL-1`, `-2`, ... that does not exist."""
    name = "-".join("".join(letter if letter.isalnum() else " " for letter in f"{data} {Path(cell).stem}").lower().split())
    number = 1
    while (folder := Path("runs") / f"{name}-{number}").exists():
        number += 1
    return folder
