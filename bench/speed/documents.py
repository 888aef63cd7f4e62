"""The tables of README.md and docs/ that benchmarks make."""

from __future__ import annotations

from pathlib import Path

from tenuto.files import write_text

ROOT = Path(__file__).resolve().parents[2]
README, MEASURED = ROOT / "README.md", ROOT / "docs" / "MEASURED.md"


def put(document: Path, name: str, maker: str, table: str) -> None:
    """Puts a table (of whole lines) between the two marks with its name.

    Raises:
        SystemExit: the document lacks the marks.
    """
    first, last = f"<!-- {name}: made by {maker} -->", f"<!-- {name}: end -->"
    before, begin, rest = document.read_text(encoding="utf-8").partition(first)
    _, end, after = rest.partition(last)
    if not begin or not end:
        raise SystemExit(f"{document.name} has no place for the table: {first} ... {last}")
    write_text(document, f"{before}{begin}\n{table}{end}{after}")
