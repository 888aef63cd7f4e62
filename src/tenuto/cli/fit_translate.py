"""`tenuto fit translate`: from pairs of sources and targets to a run folder.

Its function has one parameter for each option of the command line, which is how typer reads them: many more than the house's seven.
The defaults are those of `Seq2Seq`, written again so that `--help` need not import torch; a test holds them equal.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tenuto.cli import arguments, fitting, text_options
from tenuto.cli.arguments import option as _option
from tenuto.cli.fitting import CheckpointEvery, Config, FromRun, Out, Overwrite, Quiet, Resume, Test
from tenuto.cli.tasks import Asking, Job, Reading, Task, register
from tenuto.cli.text_options import MODEL, TRAINING

if TYPE_CHECKING:
    from rich.console import Console

    from tenuto.cell import Cell
    from tenuto.data import Pairs
    from tenuto.tasks import Seq2Seq

DATA_HELP = "Pairs, one a line: .tsv or .txt (source, tab, target) or .jsonl (source, target); or a folder with train, valid and test of these."
SYMBOLS, SEARCH = "Symbols", "Search for an answer"
AS_GIVEN = (
    "source_unit target_unit attention input_feeding decoder_input tied_embeddings embedding_size hidden_size num_layers bidirectional dropout "
    "label_smoothing symbol_dropout minimum_count unknown beam_size length_penalty epochs batch_size learning_rate weight_decay schedule "
    "time_limit_s validation_fraction engine device"
).split()


def translate(
    context: typer.Context,
    data: Annotated[str, typer.Argument(metavar="DATA", help=DATA_HELP, show_default=False)],
    validation: text_options.Validation = None,
    test: Test = None,
    out: Out = None,
    overwrite: Overwrite = False,
    skip_empty: Annotated[bool, typer.Option("--skip-empty", help="Leave pairs with an empty side out; else they are an error.")] = False,
    cell: text_options.CellName = "lstm",
    cell_field: text_options.CellField = None,
    decoder_cell: Annotated[str | None, _option("The decoder's cell, if it is another one.", MODEL, show_default=False)] = None,
    attention: Annotated[str, _option("general, dot, additive, bahdanau or none.", MODEL)] = "general",
    input_feeding: Annotated[bool, _option("Each step also reads what the one before attended to.", MODEL, "--input-feeding")] = False,
    decoder_input: Annotated[str, _option("What a step reads: the symbol before it, the source's summary, or both.", MODEL)] = "symbol",
    tied_embeddings: Annotated[bool, _option("The head's matrix is the target embedding.", MODEL, "--tied-embeddings")] = False,
    embedding_size: Annotated[int, _option("Width of a symbol's vector.", MODEL)] = 64,
    hidden_size: Annotated[int, _option("Units of a decoder layer.", MODEL)] = 128,
    num_layers: text_options.NumLayers = 1,
    encoder_size: Annotated[int, _option("Units of an encoder layer, in each direction; 0: both together as wide as the decoder.", MODEL)] = 0,
    encoder_layers: Annotated[int, _option("0: as many as the decoder has.", MODEL)] = 0,
    bidirectional: Annotated[bool, _option("Read each source from both ends, or forward only.", MODEL, "--bidirectional/--forward-only")] = True,
    source_unit: Annotated[str, _option("What a symbol of a source is: characters, words or tokens (lists, in JSON lines).", SYMBOLS)] = "characters",
    target_unit: Annotated[str, _option("What a symbol of a target is.", SYMBOLS)] = "characters",
    minimum_count: Annotated[int, _option("Symbols seen less often in training are unknown.", SYMBOLS)] = 1,
    unknown: Annotated[str, _option("An unknown source symbol at prediction: error, or symbol (one of its own).", SYMBOLS)] = "error",
    symbol_dropout: Annotated[float, _option("Rate at which source symbols are read as unknown in training.", SYMBOLS)] = 0.0,
    beam_size: Annotated[int, _option("1 for greedy search.", SEARCH)] = 1,
    length_penalty: Annotated[float, _option("0 ranks answers by probability, 1 by its mean over the symbols.", SEARCH)] = 1.0,
    max_length: Annotated[int, _option("Symbols of an answer; 0 for the longest target of training and 10 more.", SEARCH)] = 0,
    dropout: Annotated[float, _option("On embeddings, between layers, before the head.", TRAINING)] = 0.1,
    label_smoothing: Annotated[float, _option("Share of a target symbol spread over all.", TRAINING)] = 0.0,
    epochs: text_options.Epochs = 30,
    max_steps: Annotated[int, _option("At most; 0 for as many as the epochs have.", TRAINING)] = 0,
    validate_every: Annotated[int, _option("So many steps; 0 for at the end of each epoch.", TRAINING)] = 0,
    batch_size: Annotated[int, _option("Pairs a step.", TRAINING)] = 64,
    learning_rate: text_options.LearningRate = 3e-3,
    weight_decay: text_options.WeightDecay = 0.01,
    clip_norm: text_options.ClipNorm = 1.0,
    schedule: text_options.Schedule = "cosine",
    average: Annotated[str, _option("none, or ema: the moving average of the weights is kept.", TRAINING)] = "none",
    patience: text_options.Patience = 0,
    time_limit_s: text_options.TimeLimit = None,
    validation_fraction: Annotated[float, _option("Of the distinct sources, held out to stop by, if there is no validation part.", TRAINING)] = 0.1,
    seed: text_options.Seed = 0,
    engine: text_options.EngineName = "auto",
    device: text_options.Device = "cpu",
    threads: text_options.Threads = 0,
    quiet: Quiet = False,
    config: Config = None,
    source: FromRun = None,
    resume: Resume = None,
    checkpoint_every_s: CheckpointEvery = 60.0,
) -> None:
    """Learn to turn one sequence of symbols into another: spelling into sounds, sums into results, phrases into phrases.

    An encoder, a decoder, and attention between them. A source on several lines has several right answers. The run folder holds the weights
    with the lowest validation loss, all settings, one line of measurements a validation, and report.html with what the attention read.
    Ctrl-C ends training early and keeps the best so far.

    [bold]tenuto fit translate words.tsv --target-unit words --beam-size 5 --out runs/sounds[/bold]
    [bold]tenuto predict runs/sounds new_words.txt --beam-size 10[/bold]
    """
    fitting.fit_from_options(TASK, context.params)


def prepare(options: Mapping[str, Any]) -> Job:
    """Read the data and build the model that the options describe."""
    from tenuto.data import read_pair_splits, read_pairs
    from tenuto.tasks import Seq2Seq

    empty = "skip" if options["skip_empty"] else "error"
    splits = read_pair_splits(options["data"], test=options["test"], empty=empty)
    validation = splits.validation if options["validation"] is None else read_pairs(options["validation"], empty=empty)
    decoder_cell = options["decoder_cell"]
    model = Seq2Seq(
        arguments.build_cell(arguments.cell_class(options["cell"]), options["cell_field"] or []),
        decoder_cell=None if decoder_cell is None else arguments.build_cell(arguments.cell_class(decoder_cell), []),
        encoder_size=options["encoder_size"] or None,
        encoder_layers=options["encoder_layers"] or None,
        max_length=options["max_length"] or None,
        max_steps=options["max_steps"] or None,
        validate_every=options["validate_every"] or None,
        clip_norm=options["clip_norm"] or None,
        average=None if options["average"] == "none" else options["average"],
        patience=options["patience"] or None,
        random_state=options["seed"],
        **{name: options[name] for name in AS_GIVEN},
    )
    described = f"{model.cell!r}, attention {model.attention}, {model.hidden_size} units, seed {model.random_state}"
    return Job(
        model,
        fit=lambda observers, checkpoint: model.fit(splits.train, validation=validation, observers=observers, checkpoint=checkpoint),
        save=lambda folder, overwrite: model.save(folder, test=splits.test, overwrite=overwrite),
        name=(Path(options["data"]).resolve().stem, options["cell"]),
        described=f"data        {splits.train!r}\nfrom        {splits.train.path}\nmodel       {described}",
        say=_say,
    )


def _say(console: Console, evaluation: Mapping[str, Any]) -> None:
    """The results, one line a split."""
    for name in ("validation", "test"):
        result = evaluation["results"].get(name)
        if result is not None:
            console.print(f"{name:<12}{_words(result)}")


def _words(result: Mapping[str, Any]) -> str:
    low, high = result["exact_interval"]
    return (
        f"[bold]{result['exact']:.2%}[/bold] of {result['sources']} sources answered exactly (95 % interval {low:.1%} to {high:.1%}), "
        f"symbol error rate {result['error_rate']:.2%}, loss {result['loss']:.4f}"
    )


def _load(run: Path, cell: type[Cell] | None, device: str) -> Seq2Seq:
    from tenuto.tasks import Seq2Seq

    return Seq2Seq.load(run, cell=cell, device=device)


def _read(reading: Reading) -> Pairs:
    """The pairs of a file, or the sources alone where it has no targets; of a folder the part asked for, else the test part."""
    from tenuto.data import read_pair_splits, read_pairs
    from tenuto.errors import DataError

    path = Path(reading.data)
    if path.is_dir():
        splits = read_pair_splits(path)
        wanted = reading.split or ("test" if splits.test is not None else "train")
        part = getattr(splits, wanted, None)
        if part is None:
            raise DataError(f"{path} has no {wanted} part.", expected="train | validation | test")
        return part  # type: ignore[no-any-return]
    try:
        return read_pairs(path)
    except DataError as error:
        try:
            return read_pairs(path, targets=False)
        except DataError:
            raise error from None


def _predict(model: Seq2Seq, data: Pairs, asking: Asking) -> list[dict[str, Any]]:
    """One dictionary a source: its id, the source, the answer, its log probability by length."""
    found = model.translate(data, beam_size=asking.beam_size or None)
    return [
        {"id": name, "source": _shown(source), "predicted": _shown(best[0].target), "score": round(best[0].score, 6)}
        for name, source, best in zip(data.ids, data.source, found)
    ]


def _shown(side: Any) -> str:
    """A side as one text."""
    return side if isinstance(side, str) else " ".join(side)


def _say_score(console: Console, result: Mapping[str, Any]) -> None:
    """Exact answers, symbol errors, loss, coverage."""
    console.print(_words(result))
    if result["coverage"] is not None:
        console.print(f"attention   read {result['coverage']['mean']:.1%} of the source symbols' places")


TASK = register(
    Task(name="translate", command="translate", function=translate, prepare=prepare, load=_load, read=_read, predict=_predict, say_score=_say_score)
)
