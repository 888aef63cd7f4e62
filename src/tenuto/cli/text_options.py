"""The options that `tenuto fit tag` and `tenuto fit text` share: how tokens are read, the network over them, and its training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from tenuto.cli import arguments
from tenuto.cli.arguments import option as _option

MODEL, READING, TRAINING, WHERE = "The network", "What is read off a word", "Training", "Where and how"

Validation = Annotated[str | None, typer.Option(help="Data to stop by, if DATA has no validation part of its own.", show_default=False)]
CellName = Annotated[str, _option("lstm, gru, rnn, ... (`tenuto show` lists them), or your own: FILE.py:CLASS.", MODEL)]
CellField = Annotated[list[str] | None, _option("A field of the cell, for example activation=relu; repeat it.", MODEL, metavar="NAME=VALUE", show_default=False)]
HiddenSize = Annotated[int, _option("Units of a layer, in each direction.", MODEL)]
NumLayers = Annotated[int, _option("Layers on top of one another.", MODEL)]
Bidirectional = Annotated[bool, _option("Read each sentence from both ends, or forward only.", MODEL, "--bidirectional/--forward-only")]
WordSize = Annotated[int, _option("Width of a word's vector; 0 for none.", READING)]
CharacterEncoder = Annotated[str, _option("recurrent, convolution or none.", READING)]
CharacterSize = Annotated[int, _option("Width of a character's vector.", READING)]
CharacterHiddenSize = Annotated[int, _option("Units of the character encoder, in each direction.", READING)]
CharacterLimit = Annotated[int, _option("Of longer words only both ends are read.", READING)]
CaseSize = Annotated[int, _option("Width of the vector of how a word is written (capitals, digits); 0 for none.", READING)]
Lowercase = Annotated[bool, _option("Look words up in lower case, or as they stand.", READING, "--lowercase/--as-written")]
MinCount = Annotated[int, _option("Words seen less often in training are unknown.", READING)]
Vectors = Annotated[str | None, _option("A text file of pretrained word vectors (word2vec, GloVe), --word-size wide.", READING, show_default=False)]
Dropout = Annotated[float, _option("On vectors of words, between layers, before the heads.", TRAINING)]
RecurrentDropout = Annotated[float, _option("On the state, one mask a sentence.", TRAINING)]
WordDropout = Annotated[float, _option("A word seen n times is read as unknown with probability a / (n + a).", TRAINING)]
Epochs = Annotated[int, _option("At most.", TRAINING)]
BatchSize = Annotated[int, _option("Sentences a step.", TRAINING)]
LearningRate = Annotated[float, _option("The highest of the schedule.", TRAINING)]
WeightDecay = Annotated[float, _option("Of AdamW, on matrices.", TRAINING)]
ClipNorm = Annotated[float, _option("Gradients are scaled down to this norm; 0 for never.", TRAINING)]
Schedule = Annotated[str, _option("cosine, constant or plateau.", TRAINING)]
SelectBy = Annotated[str, _option("Which epoch's weights are kept: the best by this number of metrics.jsonl, for example validation_accuracy.", TRAINING)]
Patience = Annotated[int, _option("Stop after so many epochs without a better one; 0 for never.", TRAINING)]
TimeLimit = Annotated[float | None, _option("Stop after the epoch in which so many seconds have passed.", TRAINING, show_default=False)]
ValidationFraction = Annotated[float, _option("Held out to stop by, if there is no validation part.", TRAINING)]
Seed = Annotated[int, _option("Of the split, the weights, the batches and the dropout.", TRAINING)]
EngineName = Annotated[str, _option("Who runs the time loop; auto takes the fastest that can.", WHERE)]
Device = Annotated[str, _option("cpu, cuda, ...", WHERE)]
Threads = Annotated[int, _option("Threads of torch; 0 leaves the number as it is.", WHERE, min=0)]

AS_GIVEN = (
    "hidden_size num_layers bidirectional word_size character_encoder character_size character_hidden_size character_limit case_size lowercase "
    "min_count vectors dropout recurrent_dropout word_dropout epochs batch_size learning_rate weight_decay schedule select_by time_limit_s "
    "validation_fraction engine device"
).split()


def estimator_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """The shared constructor arguments that these options of a command mean."""
    return {
        "cell": arguments.build_cell(arguments.cell_class(options["cell"]), options["cell_field"] or []),
        "clip_norm": options["clip_norm"] or None,
        "patience": options["patience"] or None,
        "random_state": options["seed"],
        **{name: options[name] for name in AS_GIVEN},
    }


def described(model: Any) -> str:
    """The network in a few words."""
    ways = "both directions" if model.bidirectional else "forward only"
    characters = "" if model.character_encoder == "none" else f", {model.character_encoder} over characters"
    return f"{model.cell!r}, {model.hidden_size} units, {model.num_layers} layer{'s' * (model.num_layers > 1)}, {ways}{characters}, seed {model.random_state}"
