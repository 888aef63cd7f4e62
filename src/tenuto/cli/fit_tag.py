"""`tenuto fit tag`: from tagged sentences to a run folder.

Its function has one parameter for each option of the command line, which is how typer reads them: many more than the house's seven.
The defaults are those of `Tagger`, written again so that `--help` need not import torch; a test holds them equal.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tenuto.cli import fitting, text_options
from tenuto.cli.arguments import TagColumn, TokenColumn
from tenuto.cli.arguments import option as _option
from tenuto.cli.console import class_table, say_splits
from tenuto.cli.fitting import CheckpointEvery, Config, FromRun, Out, Overwrite, Quiet, Resume, Test
from tenuto.cli.tasks import Asking, Job, Reading, Rows, Task, register

if TYPE_CHECKING:
    from rich.console import Console

    from tenuto.cell import Cell
    from tenuto.data.sentences.sentences import Sentences
    from tenuto.tasks import Tagger

DATA_HELP = "A file with one token a line (CoNLL, TSV), a folder with seq.in, seq.out and label, or a folder of such parts (train, valid, test)."


def tag(
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
    crf: Annotated[bool, _option("Choose the tags of a sentence together (linear-chain CRF), or each by itself.", text_options.MODEL, "--crf/--no-crf")] = True,
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
    token_column: TokenColumn = 0,
    tag_column: TagColumn = -1,
    config: Config = None,
    source: FromRun = None,
    resume: Resume = None,
    checkpoint_every_s: CheckpointEvery = 60.0,
) -> None:
    """Learn a tag for each word: parts of speech, names, slots; and the class of the sentence where it has one.

    Tags like B-city, I-city and O mark spans, which are scored as the CoNLL script scores them. In a folder with a file `label`, slots and
    intents are learnt together. The run folder holds the weights of the epoch with the lowest validation loss, all settings, one line of
    measurements an epoch, and report.html. Ctrl-C ends training early and keeps the best so far.

    [bold]tenuto fit tag data/snips --out runs/slots[/bold]
    [bold]tenuto fit tag train.conll --validation dev.conll --test test.conll --cell gru --no-crf[/bold]
    """
    fitting.fit_from_options(TASK, context.params)


def prepare(options: Mapping[str, Any]) -> Job:
    """Read the data and build the tagger that the options describe."""
    from tenuto.data.sentences.conll import read_tagged_splits
    from tenuto.tasks import Tagger

    splits = read_tagged_splits(
        options["data"], validation=options["validation"], test=options["test"], token_column=options["token_column"], tag_column=options["tag_column"]
    )
    model = Tagger(crf=options["crf"], **text_options.estimator_options(options))
    return Job(
        model,
        fit=lambda observers, checkpoint: model.fit(splits.train, validation=splits.validation, observers=observers, checkpoint=checkpoint),
        save=lambda folder, overwrite: model.save(folder, test=splits.test, overwrite=overwrite),
        name=(Path(options["data"]).resolve().stem, options["cell"]),
        described=f"data        {splits.train!r}\nfrom        {splits.train.path}\nmodel       {text_options.described(model)}",
        say=lambda console, evaluation: say_splits(console, evaluation, _in_words),
    )


def _in_words(result: Mapping[str, Any]) -> str:
    spans, labels = result["spans"], result["labels"]
    words = [f"span F1 [bold]{spans['f1'] or 0:.2%}[/bold]"] if spans else []
    words += [f"tokens {'' if spans else '[bold]'}{result['accuracy']:.2%}{'' if spans else '[/bold]'} right"]
    words += [f"classes {labels['accuracy']:.2%} right"] if labels else []
    return ", ".join([*words, f"whole sentences {result['sentence_accuracy']:.2%}"]) + f" ({result['sentences']} sentences, {result['tokens']} tokens)"


def _load(run: Path, cell: type[Cell] | None, device: str) -> Tagger:
    from tenuto.tasks import Tagger

    return Tagger.load(run, cell=cell, device=device)


def _read(reading: Reading) -> Sentences:
    """The sentences of a file or folder; of a folder with parts the one asked for, else the test part, else the training part."""
    from tenuto.data.sentences.conll import read_tagged, tagged_parts
    from tenuto.errors import DataError

    parts = tagged_parts(reading.data)
    wanted = reading.split or ("test" if "test" in parts else "train")
    if wanted not in parts:
        raise DataError(f"{reading.data} has no {wanted} part.", expected=wanted, received=", ".join(parts))
    return read_tagged(parts[wanted], token_column=reading.token_column, tag_column=reading.tag_column, need_tags=False)


def _predict(model: Tagger, data: Sentences, asking: Asking) -> list[dict[str, Any]]:
    """One dictionary a sentence: its id, tokens, tags, and its class where the model knows classes."""
    tags = model.predict(data)
    labels = model.predict_labels(data).tolist() if model.labels_.size else None
    return [
        {"id": data.ids[index], "tokens": list(data.tokens[index]), "tags": tags[index], **({"label": labels[index]} if labels else {})}
        for index in range(len(data))
    ]


def _conll(rows: Rows) -> str:
    """One token and its tag a line, an empty line after each sentence."""
    return "".join("".join(f"{token}\t{tag}\n" for token, tag in zip(row["tokens"], row["tags"])) + "\n" for row in rows)


def _say_score(console: Console, result: Mapping[str, Any]) -> None:
    """All in a line, then each kind of span, or each tag."""
    console.print(_in_words(result))
    if result["unseen"]:
        console.print("never seen in training: " + ", ".join(f"{name} ({count})" for name, count in result["unseen"].items()), markup=False)
    spans = result["spans"]
    console.print(class_table(spans["kinds"] if spans else result["tags"], "spans" if spans else "words"))


TASK = register(
    Task(
        name="tag", command="tag", function=tag, prepare=prepare, load=_load, read=_read, predict=_predict, say_score=_say_score, writers={".conll": _conll}
    )
)
