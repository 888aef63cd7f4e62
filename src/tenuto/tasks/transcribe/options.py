"""The options of `Transcriber`."""

from __future__ import annotations

from typing import ClassVar

from tenuto.tasks.audio_options import HEARD, AudioOptions
from tenuto.tasks.option import NETWORK, TRAINING, option, options
from tenuto.tasks.pace import Pace

TEXT, SEARCH = "Text", "Search for an answer"


@options(cell="gru", dropout=0.1, validation_fraction=0.1, select_by="validation_cer")
class TranscribeOptions(AudioOptions):
    """The options of tasks over recordings, and those of `Transcriber`."""

    pace: ClassVar[Pace] = Pace(steps=3000, epochs=30, rows=(8, 32))

    hidden_size: int = option(192, "Units in each layer, in each direction.", NETWORK, least=1, search=[64, 128, 192, 256, 384])
    bidirectional: bool = option(False, "Read each recording from both ends, or forward only, as a stream does.", NETWORK, flag="--bidirectional/--forward-only")
    together: int = option(3, "Frames, 10 ms apart, that are one step of the network; a step can write one symbol at most.", HEARD, least=1, search={"low": 2, "high": 4})
    ahead: int = option(4, "Later steps that a step sees beside its own frames; a stream waits for them.", HEARD, least=0)
    head: str = option("ctc", "How text is written: ctc (one symbol a step at most, each by itself) or transducer (each after those before it, several in a step).", TEXT)
    predictor: str = option("stateless", "What a transducer remembers of its text: stateless (the last two symbols) or recurrent (all of it, by a layer of the same cell).", TEXT)
    symbols_a_step: int = option(1, "Symbols that a transducer writes in one step, at most; with 1 a step ends with its symbol, with more only with a blank.", TEXT, least=1)
    ctc_share: float = option(0.3, "How much the loss of CTC counts beside that of a transducer.", TEXT, least=0)
    ctc_first: float = option(0.5, "The share of a transducer's training, from its beginning, in which CTC alone is learnt; its logits are then added to the transducer's own, which so begins with what CTC can.", TEXT, least=0, below=1)
    units: str = option(
        "auto", "What a symbol is: characters, bpe (pieces of words, learnt from the transcripts; needs tenuto[text]) or words (what stands between spaces: of few words, or phonemes); auto: bpe where nine of ten words that are said occur twenty times or more in the transcripts, else characters.", TEXT
    )
    vocabulary_size: int = option(100, "With bpe, how many symbols, at most; all characters are among them in any case.", TEXT, least=1)
    lowercase: bool = option(True, "Write all in lower case, or as the transcripts do.", TEXT, flag="--lowercase/--as-written")
    infeasible: str = option("skip", "What becomes of a recording that has fewer steps than its transcript needs: skip (it is left out, and named) or raise.", TRAINING)
    beam_size: int = option(1, "Texts that the search keeps at each step; 1 is greedy search.", SEARCH, least=1, answering=True)
