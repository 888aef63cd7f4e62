"""The tables of README.md that benchmarks make."""

from __future__ import annotations

from pathlib import Path

from tenuto.files import write_text

README = Path(__file__).resolve().parents[2] / "README.md"


def put(name: str, maker: str, table: str) -> None:
    """Puts a table (its lines whole) between the two marks of its name.

    Raises:
        SystemExit: README.md lacks the marks.
    """
    first, last = f"<!-- {name}: made by {maker} -->", f"<!-- {name}: end -->"
    before, begin, rest = README.read_text(encoding="utf-8").partition(first)
    _, end, after = rest.partition(last)
    if not begin or not end:
        raise SystemExit(f"README.md has no place for the table: {first} ... {last}")
    write_text(README, f"{before}{begin}\n{table}{end}{after}")
