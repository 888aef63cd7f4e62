"""`tenuto fit text`: from texts with a class each to a run folder.

Its function has one parameter for each option of the command line, which is how typer reads them: many more than the house's seven.
The defaults are those of `TextClassifier`, written again so that `--help` need not import torch; a test holds them equal.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tenuto.cli import arguments, fitting, text_options
from tenuto.cli.arguments import LabelColumn, TextColumn
from tenuto.cli.arguments import option as _option
from tenuto.cli.console import accuracy_words, say_classes, say_splits
from tenuto.cli.fitting import CheckpointEvery, Config, FromRun, Out, Overwrite, Quiet, Resume, Test
from tenuto.cli.tasks import Asking, Job, Reading, Task, register

if TYPE_CHECKING:
    from tenuto.cell import Cell
    from tenuto.data.sentences.sentences import Sentences
    from tenuto.tasks import TextClassifier

DATA_HELP = "Texts with a label each: .jsonl, .csv, .tsv or .parquet; or a folder with train, valid and test of one of these."


def text(
    context: typer.Context,
    data: Annotated[str, typer.Argument(metavar="DATA", help=DATA_HELP, show_default=False)],
    validation: text_options.Validation = None,
    test: Test = None,
    out: Out = None,
    overwrite: Overwrite = False,
    cell: text_options.CellName = "lstm",
    cell_field: text_options.CellField = None,
    hidden_size: text_options.HiddenSize = 128,
    num_layers: text_options.NumLayers = 1,
    bidirectional: text_options.Bidirectional = True,
    pooling: Annotated[str, _option("What the classifier sees of the outputs over time: mean, max, last, with commas.", text_options.MODEL)] = "mean,max,last",
    word_size: text_options.WordSize = 100,
    character_encoder: text_options.CharacterEncoder = "recurrent",
    character_size: text_options.CharacterSize = 25,
    character_hidden_size: text_options.CharacterHiddenSize = 32,
    character_limit: text_options.CharacterLimit = 24,
    case_size: text_options.CaseSize = 8,
    lowercase: text_options.Lowercase = True,
    min_count: text_options.MinCount = 1,
    vectors: text_options.Vectors = None,
    dropout: text_options.Dropout = 0.5,
    recurrent_dropout: text_options.RecurrentDropout = 0.0,
    word_dropout: text_options.WordDropout = 0.25,
    label_smoothing: Annotated[float, _option("Share of the target spread over all classes.", text_options.TRAINING)] = 0.0,
    epochs: text_options.Epochs = 20,
    batch_size: text_options.BatchSize = 32,
    learning_rate: text_options.LearningRate = 3e-3,
    weight_decay: text_options.WeightDecay = 0.01,
    clip_norm: text_options.ClipNorm = 5.0,
    schedule: text_options.Schedule = "cosine",
    select_by: text_options.SelectBy = "validation_loss",
    patience: text_options.Patience = 0,
    time_limit_s: text_options.TimeLimit = None,
    validation_fraction: text_options.ValidationFraction = 0.1,
    seed: text_options.Seed = 0,
    engine: text_options.EngineName = "auto",
    device: text_options.Device = "cpu",
    threads: text_options.Threads = 0,
    quiet: Quiet = False,
    text_column: TextColumn = "text",
    label_column: LabelColumn = "label",
    config: Config = None,
    source: FromRun = None,
    resume: Resume = None,
    checkpoint_every_s: CheckpointEvery = 60.0,
) -> None:
    """Learn which class a text belongs to: topics, opinions, intents.

    Texts are cut into words and marks; words, their characters and their case are read. The run folder holds the weights of the epoch with
    the lowest validation loss, all settings, one line of measurements an epoch, and report.html. Ctrl-C ends training early and keeps the
    best so far.

    [bold]tenuto fit text reviews.jsonl --out runs/reviews[/bold]
    [bold]tenuto fit text train.csv --test test.csv --text-column body --label-column topic[/bold]
    """
    fitting.fit_from_options(TASK, context.params)


def prepare(options: Mapping[str, Any]) -> Job:
    """Read the data and build the classifier that the options describe."""
    from tenuto.data.sentences.labelled_text import read_labelled_text_splits
    from tenuto.tasks import TextClassifier

    splits = read_labelled_text_splits(
        options["data"],
        validation=options["validation"],
        test=options["test"],
        text_column=options["text_column"],
        label_column=options["label_column"],
    )
    model = TextClassifier(
        pooling=tuple(word.strip() for word in options["pooling"].split(",") if word.strip()),
        label_smoothing=options["label_smoothing"],
        **text_options.estimator_options(options),
    )
    return Job(
        model,
        fit=lambda observers, checkpoint: model.fit(splits.train, validation=splits.validation, observers=observers, checkpoint=checkpoint),
        save=lambda folder, overwrite: model.save(folder, test=splits.test, overwrite=overwrite),
        name=(Path(options["data"]).resolve().stem, options["cell"]),
        described=f"data        {splits.train!r}\nfrom        {splits.train.path}\nmodel       {text_options.described(model)}",
        say=lambda console, evaluation: say_splits(console, evaluation, lambda result: accuracy_words(result, "texts")),
    )


def _load(run: Path, cell: type[Cell] | None, device: str) -> TextClassifier:
    from tenuto.tasks import TextClassifier

    return TextClassifier.load(run, cell=cell, device=device)


def _read(reading: Reading) -> Sentences:
    """The texts of a file; of a folder the part asked for, else the test part, else the training part."""
    from tenuto.data.sentences.labelled_text import labelled_text_parts, read_labelled_text
    from tenuto.errors import DataError

    parts = labelled_text_parts(reading.data)
    wanted = reading.split or ("test" if "test" in parts else "train")
    if wanted not in parts:
        raise DataError(f"{reading.data} has no {wanted} part.", expected=wanted, received=", ".join(parts) or "nothing")
    return read_labelled_text(parts[wanted], text_column=reading.text_column, label_column=reading.label_column)


def _predict(model: TextClassifier, data: Sentences, asking: Asking) -> list[dict[str, Any]]:
    """One dictionary a text: its id, the class, its probability; if asked for, a column `p(CLASS)` for each class."""
    return arguments.class_rows(data.ids, model.predict_proba(data), model.classes_.tolist(), every=asking.probabilities)


TASK = register(
    Task(name="classify-text", command="text", function=text, prepare=prepare, load=_load, read=_read, predict=_predict, say_score=lambda console, result: say_classes(console, result, "texts"))
)
