"""The keys that every task over recordings has: what is heard, and how sets and examples are described."""

from __future__ import annotations

from tenuto.runs.schema import Key

HEARING = Key(
    "hearing",
    "object",
    "from samples to what the network reads",
    (
        Key(
            "features",
            "object",
            "",
            (
                Key("rate", "whole", "samples a second"), Key("kind", "text", '"log-mel" or "mfcc"'), Key("size", "whole", "numbers of a frame"),
                Key("scale", "number", "what samples in -1..1 are multiplied by"), Key("shift_ms", "number", "from one frame to the next; a frame has 25 ms"),
            ),
        ),
        Key("normaliser", "object", "", (Key("rule", "text", '"training", "causal", "recording" or "mean"'), Key("mean", "numbers", "of the training set"), Key("deviation", "numbers"))),
        Key("together", "whole", "frames of a step"),
        Key("ahead", "whole", "later steps whose frames stand beside those of a step"),
    ),
)  # fmt: skip
KNOWN = (
    Key("seconds", "number"),
    Key("rejected", "whole", "recordings that could not be used"),
    Key("rejects", "objects", "at most 50 of them", (Key("identity", "text"), Key("reason", "text"))),
)
SHOWN = (
    Key("id", "text"),
    Key("set", "text", '"test" or "validation"'),
    Key("seconds", "number"),
    Key("spectrogram", "rows", "frames shown x features, normalised"),
    Key("seconds_shown", "number", "at most 6"),
    Key("sound", "text", "the same seconds as a WAV file, in base64"),
)
