"""The keys that only runs of this task have; `runs/schema.py` has the common ones, and explains the form."""

from __future__ import annotations

from tenuto.runs.schema import Key, Own
from tenuto.tasks.audio_schema import HEARING, KNOWN, SHOWN

_GROUP = (Key("recordings", "whole"), Key("words", "whole"), Key("errors", "whole"), Key("wer", "number", "null where there are no words", null=True))

OWN = Own(
    preprocessing=(HEARING, Key("characters", "texts", "those that can be written; the blank is number 0, these follow"), Key("lowercase", "truth"), Key("tokenizer", "text", "JSON of the pieces of words; null where symbols are characters", null=True)),
    measures=(
        Key("validation_cer", "number", "character errors divided by the characters of the transcripts"),
        Key("validation_wer", "number", "word errors divided by the words of the transcripts"),
    ),
    known=(*KNOWN, Key("characters", "whole", "of all transcripts"), Key("outside", "whole", "transcripts with characters that training never saw")),
    result=(
        Key("recordings", "whole"),
        Key("loss", "number", "nats a recording, of those whose text can be written", null=True),
        Key("infeasible", "whole", "recordings whose text cannot be written: it needs more steps, or other characters"),
        Key("word_substitutions", "whole"),
        Key("word_deletions", "whole"),
        Key("word_insertions", "whole"),
        Key("words", "whole", "of the transcripts"),
        Key("wer", "number", "word errors of all recordings divided by their words; null where there are none", null=True),
        Key("wer_interval", "numbers", "low, high: 95 %, by drawing recordings again", null=True),
        Key("characters", "whole", "of the transcripts"),
        Key("character_errors", "whole"),
        Key("cer", "number", "null where there are no characters", null=True),
        Key("exact", "number", "the share of recordings without an error"),
        Key("by_speaker", "objects", "empty where speakers are not known", (Key("speaker", "text"), *_GROUP)),
        Key("by_length", "objects", "", (Key("seconds_min", "number"), Key("seconds_max", "number"), *_GROUP)),
        Key("confusions", "objects", "at most 30, the commonest first: a word that was said, and what was written for it; empty text where one is missing", (Key("reference", "text"), Key("predicted", "text"), Key("count", "whole"))),
        Key("mistakes", "objects", "at most 50, worst first", (Key("id", "text"), Key("reference", "text"), Key("predicted", "text"), Key("word_errors", "whole"), Key("character_errors", "whole"))),
        Key("beam_size", "whole"),
        Key("cut", "whole", "steps in which a transducer had more to write than it may (`symbols_a_step`); 0 with CTC or a beam"),
        Key("real_time_factor", "number", "seconds of work, from features to text, divided by seconds of sound"),
    ),
    evaluation=(
        Key("characters", "texts"),
        Key("infeasible", "object", "recordings of training that are too short for their transcripts", (Key("policy", "text"), Key("left_out", "whole"), Key("ids", "texts", "at most 50"))),
        Key(
            "examples",
            "objects",
            "at most 6 of the test set, else of the validation set: the worst first, then right ones",
            (
                *SHOWN,
                Key("reference", "text"),
                Key("predicted", "text"),
                Key("tokens", "objects", "what was written, in seconds", (Key("text", "text"), Key("start", "number"), Key("end", "number"), Key("probability", "number"))),
                Key("symbols", "texts", "the columns of `probabilities`"),
                Key("probabilities", "rows", "steps shown x symbols"),
            ),
        ),
    ),
)
