"""The options of `Tagger`."""

from __future__ import annotations

from dataclasses import dataclass

from tenuto.tasks.option import NETWORK, option
from tenuto.tasks.token_options import TokenOptions


@dataclass(kw_only=True, eq=False, repr=False)
class TagOptions(TokenOptions):
    """Those of all tasks over tokens, and its own."""

    crf: bool = option(True, "Choose the tags of a sentence together (linear-chain CRF), or each by itself.", NETWORK, flag="--crf/--no-crf")
