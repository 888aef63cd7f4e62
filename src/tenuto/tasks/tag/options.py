"""The options of `Tagger`."""

from __future__ import annotations

from tenuto.tasks.option import NETWORK, option, options
from tenuto.tasks.token_options import TokenOptions

TAGS = "What the tags mean"


@options()
class TagOptions(TokenOptions):
    """The options of all tasks over tokens, and those of `Tagger`."""

    crf: bool = option(True, "Choose the tags of a sentence together (linear-chain CRF), or each by itself.", NETWORK, flag="--crf/--no-crf")
    tag_scheme: str = option(
        "auto", "How tags mark spans: bio, iob1, io, bioes, bilou, bmes, bmewo; none for tags that are no spans; auto finds it from the tags.", TAGS, search=False
    )
