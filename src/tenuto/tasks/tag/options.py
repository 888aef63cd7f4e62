"""The options of `Tagger`."""

from __future__ import annotations

from tenuto.tasks.option import NETWORK, option, options
from tenuto.tasks.token_options import TokenOptions


@options()
class TagOptions(TokenOptions):
    """The options of all tasks over tokens, and those of `Tagger`."""

    crf: bool = option(True, "Choose the tags of a sentence together (linear-chain CRF), or each by itself.", NETWORK, flag="--crf/--no-crf")
