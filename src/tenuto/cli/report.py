"""`tenuto report`: make the report of a run or a search again, from the files in its folder."""

from __future__ import annotations

from typing import Annotated

import typer

from tenuto.cli.arguments import RunFolder
from tenuto.cli.console import output


def report(
    run: RunFolder,
    show: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
) -> None:
    """Build RUN/report.html: what was trained on what, how it went, and how good it is.

    [bold]tenuto report runs/vowels --open[/bold]
    """
    from tenuto.report import build_report

    page = build_report(run)
    output().print(str(page), markup=False)
    if show:
        typer.launch(str(page))
