"""What the site takes from the root of the repository: README.md as its first page, and the other pages there.

A link to a file of docs/ becomes one within the site; to another file of the repository, one to where that file can be read.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parent.parent
PAGES = {"README.md": "index.md", **{name: name for name in ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")}}
LINK = re.compile(r"\]\((?!\w+:|#)([^)\s#]+)")  # the target of a link or a picture, unless it is a URL or a place in the page


def on_files(files: Files, config: Any) -> Files:
    """Adds the pages of the root."""
    for name, place in PAGES.items():
        files.append(File.generated(config, place, content=(ROOT / name).read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, **rest: Any) -> str:
    """Rewrites the links of a page: they are relative to the repository, and become relative to the site."""
    name = page.file.src_uri
    folder = ROOT if name in PAGES.values() else (ROOT / "docs" / name).parent
    depth = "../" * name.count("/")

    def turned(match: re.Match[str]) -> str:
        target = (folder / match[1]).resolve()
        inside = target.relative_to(ROOT).as_posix()
        if inside in PAGES:
            return f"]({depth}{PAGES[inside]}"
        if inside.startswith("docs/"):
            return f"]({depth}{inside.removeprefix('docs/')}"
        return f"]({config['repo_url']}/{'tree' if target.is_dir() else 'blob'}/main/{inside}"

    return LINK.sub(turned, markdown)
