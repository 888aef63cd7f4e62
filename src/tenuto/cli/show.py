"""`tenuto show`: a cell's maths, the program traced from it, and the program's derivative."""

from __future__ import annotations

import inspect
import textwrap
from typing import TYPE_CHECKING, Annotated

import typer
from rich.syntax import Syntax
from rich.table import Table

from tenuto.cli import arguments
from tenuto.cli.console import output

if TYPE_CHECKING:
    from tenuto.cell import Cell


def show(
    cell: Annotated[str | None, typer.Argument(metavar="[CELL]", help="A shipped cell (lstm, gru-reset-before, ...) or your own, FILE.py:CLASS.", show_default=False)] = None,
    cell_field: Annotated[list[str] | None, typer.Option(metavar="NAME=VALUE", help="A field of the cell, for example activation=relu; repeat it.", show_default=False)] = None,
    maths_only: Annotated[bool, typer.Option("--maths", help="Only the maths, not the programs.")] = False,
) -> None:
    """Print what a cell computes: its step as written, the program traced from it, and that program's derivative.

    Without CELL, list the cells that come with tenuto.

    [bold]tenuto show gru[/bold]
    [bold]tenuto show my_cells.py:Leaky --cell-field rate=0.2[/bold]
    """
    if cell is None:
        _list()
        return
    kind = arguments.cell_class(cell)
    console = output()
    fields = cell_field or []
    if _lacks(kind, "projection", fields):
        fields = [*fields, "projection=8"]
    built = arguments.build_cell(kind, fields)
    _heading("maths", repr(built))
    console.print(Syntax(_maths(kind), "python", theme="ansi_dark", background_color="default"))
    if maths_only:
        return
    from tenuto.program import trace

    traced = trace(built)
    _heading("program", "one step, traced")
    console.print(str(traced.forward), markup=False)
    _heading("products", "the recurrent matrix products, by phase")
    for stack in traced.stacks:
        console.print(f"phase {stack.phase}: " + " ".join(f"U.{name}" for name in stack.products) + f" @ {stack.name}", markup=False)
    _heading("backward", "its derivative, traced")
    console.print(str(traced.backward), markup=False)


def _list() -> None:
    """The shipped cells with the first line of what they say about themselves."""
    table = Table("cell", "what it is", box=None, pad_edge=False, header_style="dim")
    from tenuto.cells.names import CELLS

    names: dict[type[Cell], list[str]] = {}
    for name, kind in CELLS.items():
        names.setdefault(kind, []).append(name)
    for kind, known_as in names.items():
        table.add_row(", ".join(known_as), (inspect.getdoc(kind) or "").partition("\n")[0])
    output().print(table)


def _maths(kind: type[Cell]) -> str:
    """The class's own declarations and methods as they stand in its file, without its documentation."""
    names = [name for name in ("gates", "products", "state", "parameters", "streams") if isinstance(getattr(kind, name, None), str)]
    declared = [f"{name} = {getattr(kind, name)!r}" for name in names if getattr(kind, name)]
    from tenuto.cell import Cell

    methods = [textwrap.dedent(inspect.getsource(getattr(kind, name))) for name in ("step", "output") if getattr(kind, name) is not getattr(Cell, name)]
    return "\n".join([*declared, "", *methods]).rstrip()


def _lacks(kind: type[Cell], name: str, fields: list[str]) -> bool:
    """Whether the cell has a field without a default that was not given; a picture of the maths then takes a small one."""
    import dataclasses

    field = {field.name: field for field in dataclasses.fields(kind)}.get(name)  # type: ignore[arg-type]
    return field is not None and field.default is dataclasses.MISSING and not any(text.startswith(f"{name}=") for text in fields)


def _heading(name: str, said: str) -> None:
    from rich.markup import escape

    output().print(f"\n[bold]{name}[/bold]  [dim]{escape(said)}[/dim]")
