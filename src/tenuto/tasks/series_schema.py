"""The keys that runs of every task over series have."""

from __future__ import annotations

from tenuto.runs.schema import Key

_COVARIATE = (Key("name", "text"), Key("kind", "text"), Key("mean", "number"), Key("deviation", "number"), Key("categories", "texts", "where it has no numbers", null=True))
SERIES = (
    Key("frequency", "text", "the step between two stamps, as pandas names it"),
    Key("columns", "texts", "the names of the columns with ids, stamps, values"),
    Key(
        "reader",
        "object",
        "how a panel is read",
        (
            Key("season", "whole", "in steps"),
            Key("base", "text", "the simple forecast that the network corrects"),
            Key("carry", "numbers", "the share of the last value's deviation from the base that is carried into each step ahead"),
            Key("steady", "truth", "whether values that lie very far out are held back from the statistics"),
            Key("calendar", "truth"),
            Key("known", "objects", "of the future", _COVARIATE),
            Key("past", "objects", "", _COVARIATE),
            Key("static", "objects", "", _COVARIATE),
            Key("level", "numbers", "logarithm of the level in training and its deviation; the same of the scale in levels"),
            Key("names", "texts", "of what is read at a step"),
            Key("ahead_names", "texts", "of what is known of a step ahead"),
        ),
    ),
)
SET_OF_SERIES = (Key("missing_values", "whole"), Key("frequency", "text"))
