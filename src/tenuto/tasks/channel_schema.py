"""The keys in `preprocessing` of config.json that every task over channels has: how channels are standardised."""

from __future__ import annotations

from tenuto.runs.schema import Key

CHANNELS = (
    Key("channels", "texts", "data with names is put in this order"),
    Key("named", "truth", "whether `channels` are names that the data had, or only its positions", optional=True),
    Key("bits", "whole", "64: values are standardised as float64, then float32; 32, or absent: rounded to float32 first", optional=True),
    Key("as_given", "texts", "channels that are not standardised: those that the cell takes as its streams", optional=True),
    Key("beside", "texts", "what is made of masks and times and stands beside the channels", optional=True),
    Key("span", "number", "the unit of these times: the mean time between two steps; null where steps had no times", optional=True, null=True),
    Key("mean", "numbers", "x' = (x - mean) / deviation, by channel"),
    Key("deviation", "numbers"),
    Key("minimum", "numbers"),
    Key("maximum", "numbers"),
    Key("missing", "text", '"error", "forward" or "mean"'),
)
