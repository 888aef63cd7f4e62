"""`tenuto fit classify`: from a file of labelled sequences to a run folder.

Its function has one parameter for each option of the command line, which is how typer reads them: many more than the house's seven.
The defaults are those of `SequenceClassifier`, written again so that `--help` need not import torch; a test holds them equal.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tenuto.cli import arguments, fitting
from tenuto.cli.arguments import Channels, Data, IdColumn, LabelColumn, SplitColumn, TimeColumn
from tenuto.cli.arguments import option as _option
from tenuto.cli.console import accuracy_words, say_classes, say_splits
from tenuto.cli.fitting import CheckpointEvery, Config, FromRun, Out, Overwrite, Quiet, Resume, Test
from tenuto.cli.tasks import Asking, Job, Reading, Task, register

if TYPE_CHECKING:
    from tenuto.cell import Cell
    from tenuto.tasks import SequenceClassifier

MODEL, TRAINING, WHERE = "The network", "Training", "Where and how"


def classify(
    context: typer.Context,
    data: Data,
    test: Test = None,
    out: Out = None,
    overwrite: Overwrite = False,
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
    quiet: Quiet = False,
    id_column: IdColumn = "id",
    time_column: TimeColumn = "time",
    label_column: LabelColumn = "label",
    split_column: SplitColumn = "split",
    channels: Channels = None,
    config: Config = None,
    source: FromRun = None,
    resume: Resume = None,
    checkpoint_every_s: CheckpointEvery = 60.0,
) -> None:
    """Learn which class a whole sequence belongs to.

    Sequences may have any lengths and any number of channels. The run folder holds the weights of the epoch with the lowest
    validation loss, all settings, one line of measurements an epoch, and report.html. Ctrl-C ends training early and keeps the best so far.

    [bold]tenuto fit classify japanese_vowels --out runs/vowels[/bold]
    [bold]tenuto fit classify walks.csv --test later_walks.csv --cell gru --cell-field activation=relu[/bold]
    """
    fitting.fit_from_options(TASK, context.params)


def prepare(options: Mapping[str, Any]) -> Job:
    """Read the data and build the classifier that the options describe."""
    from tenuto.data import read_splits
    from tenuto.tasks import SequenceClassifier

    table = arguments.columns(options["id_column"], options["time_column"], options["label_column"], options["split_column"], options["channels"])
    test = options["test"]
    splits = read_splits(arguments.data_path(options["data"]), test=None if test is None else arguments.data_path(test), columns=table)
    as_given = (
        "hidden_size num_layers bidirectional dropout input_noise label_smoothing epochs batch_size learning_rate weight_decay schedule "
        "time_limit_s validation_fraction missing engine device"
    )
    model = SequenceClassifier(
        arguments.build_cell(arguments.cell_class(options["cell"]), options["cell_field"] or []),
        pooling=tuple(word.strip() for word in options["pooling"].split(",") if word.strip()),
        clip_norm=options["clip_norm"] or None,
        patience=options["patience"] or None,
        random_state=options["seed"],
        **{name: options[name] for name in as_given.split()},
    )
    return Job(
        model,
        fit=lambda observers, checkpoint: model.fit(splits.train, validation=splits.validation, observers=observers, checkpoint=checkpoint),
        save=lambda folder, overwrite: model.save(folder, test=splits.test, overwrite=overwrite),
        name=(splits.train.name, options["cell"]),
        described=f"data        {splits.train!r}\nfrom        {splits.train.path}\nmodel       {_described(model)}",
        say=lambda console, evaluation: say_splits(console, evaluation, lambda result: accuracy_words(result, "sequences")),
    )


def _described(model: SequenceClassifier) -> str:
    """The network in a few words."""
    ways = "both directions" if model.bidirectional else "forward only"
    return f"{model.cell!r}, {model.hidden_size} units, {model.num_layers} layer{'s' * (model.num_layers > 1)}, {ways}, seed {model.random_state}"


def _load(run: Path, cell: type[Cell] | None, device: str) -> SequenceClassifier:
    from tenuto.tasks import SequenceClassifier

    return SequenceClassifier.load(run, cell=cell, device=device)


def _read(reading: Reading) -> Any:
    from tenuto.data import read_sequences

    table = arguments.columns(reading.id_column, reading.time_column, reading.label_column, reading.split_column, reading.channels)
    return read_sequences(arguments.data_path(reading.data), split=reading.split, columns=table)


def _predict(model: SequenceClassifier, data: Any, asking: Asking) -> list[dict[str, Any]]:
    """One dictionary a sequence: its id, the class, its probability; if asked for, a column `p(CLASS)` for each class."""
    return arguments.class_rows(data.ids, model.predict_proba(data), model.classes_.tolist(), every=asking.probabilities)


TASK = register(
    Task(name="classify", command="classify", function=classify, prepare=prepare, load=_load, read=_read, predict=_predict, say_score=lambda console, result: say_classes(console, result, "sequences"))
)
