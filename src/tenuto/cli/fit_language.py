"""`tenuto fit language`: from plain text to a run folder that can score other texts and write new ones.

Its function has one parameter for each option of the command line, which is how typer reads them: many more than the house's seven.
The defaults are those of `LanguageModel`, written again so that `--help` need not import torch; a test holds them equal.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tenuto.cli import arguments, fitting, text_options
from tenuto.cli.arguments import TextColumn
from tenuto.cli.arguments import option as _option
from tenuto.cli.fitting import CheckpointEvery, Config, FromRun, Out, Overwrite, Quiet, Resume, Test
from tenuto.cli.tasks import Job, Reading, Task, Writing, register
from tenuto.cli.text_options import MODEL, TRAINING

if TYPE_CHECKING:
    from rich.console import Console

    from tenuto.cell import Cell
    from tenuto.data.text.text import Text
    from tenuto.tasks import LanguageModel

DATA_HELP = "A text file; or several, each a document; or a .jsonl, .csv, .tsv or .parquet file with a document a row; or a folder with train.txt, valid.txt, test.txt."
SYMBOLS, REGULARISERS = "What is a symbol", "Regularisers"
# Options for which 0 stands for what is None in Python.
NONE_IF_ZERO = ("embedding_size", "max_steps", "validate_every", "clip_norm", "patience")


def _use_recipe(context: typer.Context, name: str | None) -> str | None:
    """Let the options of a recipe stand where neither the command line nor a configuration has any."""
    from tenuto.tasks.language.recipes import recipe

    if name and not context.resilient_parsing:
        context.default_map = {**recipe(name), **(context.default_map or {})}
    return name


def language(
    context: typer.Context,
    data: Annotated[list[str], typer.Argument(metavar="FILE", help=DATA_HELP, show_default=False)],
    validation: text_options.Validation = None,
    test: Test = None,
    out: Out = None,
    overwrite: Overwrite = False,
    recipe: Annotated[str | None, typer.Option(help="A published set of options: awd-lstm. Options typed or in a file go first.", show_default=False, is_eager=True, callback=_use_recipe)] = None,
    units: Annotated[str, _option("characters, bytes or bpe (byte pairs, learnt from the text; needs tenuto\\[text]).", SYMBOLS)] = "characters",
    vocabulary_size: Annotated[int, _option("Byte pairs, at most.", SYMBOLS)] = 4096,
    unknown: Annotated[str, _option("What a character that training has not seen is: an error, or a symbol of its own.", SYMBOLS, metavar="error|symbol")] = "error",
    minimum_count: Annotated[int, _option("Rarer characters are unknown.", SYMBOLS)] = 1,
    cell: text_options.CellName = "lstm",
    cell_field: text_options.CellField = None,
    hidden_size: Annotated[int, _option("Units of a layer.", MODEL)] = 256,
    num_layers: text_options.NumLayers = 2,
    embedding_size: Annotated[int, _option("Width of a symbol's vector; 0 for --hidden-size.", MODEL)] = 0,
    tied: Annotated[bool, _option("Read the next symbol off with the embedding's matrix, or with one of its own.", MODEL, "--tied/--untied")] = False,
    cutoffs: Annotated[str, _option("Adaptive softmax for large vocabularies: where its clusters end, for example 2000,10000.", MODEL)] = "",
    residual: Annotated[bool, _option("Add each layer's input to its output.", MODEL, "--residual/--no-residual")] = False,
    layer_norm: Annotated[bool, _option("Normalise what each layer but the first reads.", MODEL, "--layer-norm/--no-layer-norm")] = False,
    embedding_dropout: Annotated[float, _option("Whole symbols of the vocabulary.", REGULARISERS)] = 0.0,
    input_dropout: Annotated[float, _option("On the embedded input.", REGULARISERS)] = 0.0,
    dropout: Annotated[float, _option("Between layers.", REGULARISERS)] = 0.2,
    output_dropout: Annotated[float, _option("On the output.", REGULARISERS)] = 0.2,
    dropout_kind: Annotated[str, _option("Of these three: one mask a window (variational), or a step.", REGULARISERS, metavar="variational|step")] = "variational",
    weight_dropout: Annotated[float, _option("On recurrent weights (DropConnect).", REGULARISERS)] = 0.0,
    forget_bias: Annotated[float, _option("What the bias of a forget gate starts at: 1 remembers long from the beginning, 0 learns faster in a short run.", MODEL)] = 1.0,
    zoneout: Annotated[float, _option("States that stay as they were.", REGULARISERS)] = 0.0,
    activation_decay: Annotated[float, _option("AR: weight of the mean square of the output.", REGULARISERS)] = 0.0,
    change_decay: Annotated[float, _option("TAR: weight of the mean square of its change from step to step.", REGULARISERS)] = 0.0,
    sampling: Annotated[str, _option("stream: the state goes on from window to window; windows: each from anywhere and a zero state.", TRAINING)] = "stream",
    window: Annotated[int, _option("Steps that gradients go back.", TRAINING)] = 64,
    batch_size: Annotated[int, _option("Rows of the text read side by side.", TRAINING)] = 32,
    jitter: Annotated[bool, _option("Windows of random lengths.", TRAINING, "--jitter/--no-jitter")] = False,
    epochs: text_options.Epochs = 10,
    max_steps: Annotated[int, _option("At most; 0 for as many as the epochs have.", TRAINING)] = 0,
    validate_every: Annotated[int, _option("So many steps; 0 for at the end of each epoch.", TRAINING)] = 0,
    optimizer: Annotated[str, _option("adamw, adam or sgd.", TRAINING)] = "adamw",
    learning_rate: text_options.LearningRate = 3e-3,
    weight_decay: Annotated[float | None, _option("On matrices; by default 0.01 with adamw, none with the others.", TRAINING, show_default=False)] = None,
    clip_norm: text_options.ClipNorm = 1.0,
    schedule: Annotated[str, _option("cosine, constant, plateau or nt-asgd.", TRAINING)] = "cosine",
    warmup_steps: Annotated[int, _option("Over which the learning rate rises.", TRAINING)] = 100,
    trigger_patience: Annotated[int, _option("Of nt-asgd: validations without a lower loss before weights are averaged.", TRAINING)] = 5,
    average: Annotated[str, _option("none, or ema: keep an exponential average of the weights.", TRAINING)] = "none",
    ema_decay: Annotated[float, _option("Of that average.", TRAINING)] = 0.999,
    accumulate: Annotated[int, _option("Windows whose gradients make one step.", TRAINING)] = 1,
    precision: Annotated[str, _option("float32, bfloat16 or float16.", TRAINING)] = "float32",
    patience: Annotated[int, _option("Stop after so many validations without a lower loss; 0 for never.", TRAINING)] = 0,
    time_limit_s: Annotated[float | None, _option("Stop after the validation by which so many seconds have passed.", TRAINING, show_default=False)] = None,
    validation_fraction: Annotated[float, _option("The end of the text, held out to choose what is kept, if there is no validation text.", TRAINING)] = 0.05,
    seed: Annotated[int, _option("Of the weights, the masks and the windows.", TRAINING)] = 0,
    engine: text_options.EngineName = "auto",
    device: text_options.Device = "cpu",
    threads: text_options.Threads = 0,
    quiet: Quiet = False,
    text_column: TextColumn = "text",
    config: Config = None,
    source: FromRun = None,
    resume: Resume = None,
    checkpoint_every_s: CheckpointEvery = 60.0,
) -> None:
    """Learn what comes next in a text: to write new text, and to measure how likely a text is.

    A single file is one long text, read as a stream; several files, or the rows of a table, are documents, each with a beginning and an end.
    The run folder holds the weights with the lowest validation loss, all settings, measurements, and report.html with samples. Ctrl-C ends
    training early and keeps the best so far.

    [bold]tenuto fit language plays.txt --out runs/plays[/bold]
    [bold]tenuto fit language poems/*.txt --units bpe --cell gru[/bold]
    [bold]tenuto fit language train.txt --validation valid.txt --test test.txt --recipe awd-lstm[/bold]
    """
    fitting.fit_from_options(TASK, context.params)


def prepare(options: Mapping[str, Any]) -> Job:
    """Read the text and build the model that the options describe."""
    from tenuto.data.text.text import read_text_splits
    from tenuto.tasks import LanguageModel

    splits = read_text_splits(options["data"], validation=options["validation"], test=options["test"], text_column=options["text_column"])
    changed = {
        "cell": arguments.build_cell(arguments.cell_class(options["cell"]), options["cell_field"] or []),
        "cutoffs": _cutoffs(options["cutoffs"]),
        "average": None if options["average"] == "none" else options["average"],
        "random_state": options["seed"],
        **{name: options[name] or None for name in NONE_IF_ZERO},
    }
    model = LanguageModel(**{**{name: options[name] for name in LanguageModel.option_names() if name in options and name not in changed}, **changed})
    symbols = f"{model.vocabulary_size} byte pairs at most" if model.units == "bpe" else model.units
    described = f"{model.cell!r}, {model.hidden_size} units, {model.num_layers} layer{'s' * (model.num_layers > 1)}, {symbols}, seed {model.random_state}"
    first = Path(options["data"][0]).resolve()
    return Job(
        model,
        fit=lambda observers, checkpoint: model.fit(splits.train, validation=splits.validation, observers=observers, checkpoint=checkpoint),
        save=lambda folder, overwrite: model.save(folder, test=splits.test, overwrite=overwrite),
        name=(first.stem, options["cell"]),
        described=f"data        {splits.train!r}\nfrom        {splits.train.path or splits.train.origin}\nmodel       {described}",
        say=_say,
        next_words="tenuto generate {run}   |   tenuto score {run} FILE",
    )


def _cutoffs(text: str) -> tuple[int, ...]:
    from tenuto.errors import ArgumentError

    try:
        return tuple(int(part) for part in text.split(",") if part.strip())
    except ValueError:
        raise ArgumentError(f"cutoffs {text!r} are no numbers.", expected="numbers with commas, for example 2000,10000", received=text) from None


def _say(console: Console, evaluation: Mapping[str, Any]) -> None:
    """The results, one line a split, and the beginning of a sample."""
    for name in ("validation", "test"):
        result = evaluation["results"].get(name)
        if result is not None:
            console.print(f"{name:<12}{_in_words(result)}")
    for sample in (evaluation.get("samples") or [])[1:2]:
        console.print("it writes   " + " ".join((sample["prompt"] + sample["text"]).split())[:100] + " ...", markup=False)


def _in_words(result: Mapping[str, Any]) -> str:
    return (
        f"[bold]{result['bits_per_character']:.4f}[/bold] bits ({result['nats_per_character']:.4f} nats) a character, "
        f"perplexity {result['perplexity']:.4g} of {result['tokens']} tokens"
    )


def _load(run: Path, cell: type[Cell] | None, device: str) -> LanguageModel:
    from tenuto.tasks import LanguageModel

    return LanguageModel.load(run, cell=cell, device=device)


def _read(reading: Reading) -> Text:
    """The text of a file; of a folder the part asked for, else the test part, else the training part."""
    from tenuto.data.text.text import read_text, text_parts
    from tenuto.errors import DataError

    parts = text_parts(reading.data)
    wanted = reading.split or ("test" if "test" in parts else "train")
    if wanted not in parts:
        raise DataError(f"{reading.data} has no {wanted} part.", expected=wanted, received=", ".join(parts))
    return read_text(parts[wanted], text_column=reading.text_column)


def _write(model: LanguageModel, writing: Writing) -> Iterable[str]:
    return model.generate_pieces(
        writing.prompt, length=writing.length, temperature=writing.temperature, top_k=writing.top_k, top_p=writing.top_p, stop=writing.stop, seed=writing.seed
    )


def _say_score(console: Console, result: Mapping[str, Any]) -> None:
    """With the state carried over the whole text, then in windows from a zero state."""
    console.print(f"state carried over the whole text     {_in_words(result)}")
    for window in result["windows"]:
        console.print(f"windows of {window['length']} from a zero state    {_in_words(window)}")
    if result.get("unknown_tokens"):
        console.print(f"characters that training has not seen {result['unknown_tokens']}")


TASK = register(
    Task(name="language", command="language", function=language, prepare=prepare, load=_load, read=_read, predict=None, say_score=_say_score, write=_write)
)
