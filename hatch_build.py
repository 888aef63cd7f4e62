"""README.md as package indexes show it: a relative link to a file of the repository does not work there, so each becomes a URL."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

LINK = re.compile(r"(!?)\[([^\]]*)\]\((?!\w+:|#)([^)\s]+)\)")  # a link or a picture whose target is neither a URL nor a place in the page


def absolute(text: str, repository: str) -> str:
    """The text with its relative links turned into URLs: links to files lead to the repository's pages, pictures to the files themselves."""
    files = repository.replace("https://github.com/", "https://raw.githubusercontent.com/")

    def url(match: re.Match[str]) -> str:
        picture, words, target = match.groups()
        return f"{picture}[{words}]({files}/main/{target})" if picture else f"[{words}]({repository}/blob/main/{target})"

    return LINK.sub(url, text)


class CustomMetadataHook(MetadataHookInterface):
    """hatchling's hook for the dynamic fields of pyproject.toml."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Gives the package its long description."""
        text = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        metadata["readme"] = {"content-type": "text/markdown", "text": absolute(text, metadata["urls"]["Repository"])}
