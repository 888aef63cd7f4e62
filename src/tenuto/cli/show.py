"""`tenuto show`: a cell's maths, the program traced from it, and the program's derivative."""

from __future__ import annotations

import inspect
import textwrap
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.syntax import Syntax
from rich.table import Table

from tenuto.cli import arguments
from tenuto.cli.console import output

if TYPE_CHECKING:
    from tenuto.cell import Cell


def show(
    cell: Annotated[str | None, typer.Argument(metavar="CELL", help="A cell that comes with tenuto (lstm, gru-reset-before, ...), your own as FILE.py:CLASS, or FILE.py for a list of its cells.", show_default=False)] = None,
    cell_field: Annotated[list[str] | None, typer.Option(metavar="NAME=VALUE", help="A field of the cell, for example activation=relu; repeat it.", show_default=False)] = None,
    maths_only: Annotated[bool, typer.Option("--maths", help="Print only the maths, not the programs.")] = False,
) -> None:
    """Print what a cell computes: its equations and source, its step as written, the program traced from it, and that program's derivative.

    Without CELL, list the cells that come with tenuto. FILE.py is only read, not run; of FILE.py:CLASS only the class is run, with what it needs from the file.

    [bold]tenuto show gru[/bold]
    [bold]tenuto show my_cells.py:Leaky --cell-field rate=0.2[/bold]
    """
    if cell is None:
        _list()
        return
    if cell.endswith(".py"):
        _list_file(cell)
        return
    kind = arguments.cell_class(cell)
    console = output()
    fields = cell_field or []
    if _lacks(kind, "projection", fields):
        fields = [*fields, "projection=8"]
    built = arguments.build_cell(kind, fields)
    for section in ("Equations", "Source"):
        if text := _section(kind, section):
            _heading(section.lower(), "as in the paper" if section == "Equations" else "")
            console.print(text, markup=False)
    _heading("maths", repr(built))
    console.print(Syntax(_maths(kind), "python", theme="ansi_dark", background_color="default"))
    if maths_only:
        return
    from tenuto.program import trace

    traced = trace(built)
    _heading("program", "one step, traced")
    console.print(str(traced.forward), markup=False)
    _heading("products", "the recurrent matrix products, by phase")
    for line in traced.products():
        console.print(line, markup=False)
    _heading("backward", "its derivative, traced")
    console.print(str(traced.backward), markup=False)


def _list() -> None:
    """List the cells that come with tenuto, each with the first line of its docstring."""
    table = Table("cell", "what it is", box=None, pad_edge=False, header_style="dim")
    from tenuto.cells.names import CELLS

    for name, kind in CELLS.items():
        table.add_row(name, escape((inspect.getdoc(kind) or "").partition("\n")[0]))
    output().print(table)


def _list_file(file: str) -> None:
    """List the cells in a file, which is only read and not run."""
    import ast

    from tenuto.cli.user_file import classes_in
    from tenuto.errors import ArgumentError

    found = classes_in(file)
    if not found:
        raise ArgumentError(f"{file} defines no cell.", expected="class NAME(Cell): ... at its top level")
    table = Table("cell", "what it is", box=None, pad_edge=False, header_style="dim")
    for node in found:
        table.add_row(escape(f"{file}:{node.name}"), escape((ast.get_docstring(node) or "").partition("\n")[0]))
    output().print(table)


def _section(kind: type[Cell], name: str) -> str:
    """A section of the class's docstring ("Equations:", "Source:"), with its lines aligned."""
    lines = (inspect.getdoc(kind) or "").splitlines()
    start = next((k for k, line in enumerate(lines) if line.startswith(f"{name}:")), None)
    if start is None:
        return ""
    rest = next((k for k in range(start + 1, len(lines)) if lines[k][:1].strip()), len(lines))
    return "\n".join([lines[start].partition(":")[2].strip(), *(line.strip() for line in lines[start + 1 : rest])]).strip()


def _maths(kind: type[Cell]) -> str:
    """The class's declarations, and its methods as they stand in its file, without its docstring."""
    names = [name for name in ("gates", "products", "state", "parameters", "streams") if isinstance(getattr(kind, name, None), str)]
    declared = [f"{name} = {getattr(kind, name)!r}" for name in names if getattr(kind, name)]
    from tenuto.cell import Cell

    methods = [textwrap.dedent(inspect.getsource(getattr(kind, name))) for name in ("step", "output") if getattr(kind, name) is not getattr(Cell, name)]
    return "\n".join([*declared, "", *methods]).rstrip()


def _lacks(kind: type[Cell], name: str, fields: list[str]) -> bool:
    """Whether the cell has a field of this name without a default, and the field was not given; `show` then takes a small value."""
    import dataclasses

    field = {field.name: field for field in dataclasses.fields(kind)}.get(name)  # type: ignore[arg-type]
    return field is not None and field.default is dataclasses.MISSING and not any(text.startswith(f"{name}=") for text in fields)


def _heading(name: str, said: str) -> None:
    output().print(f"\n[bold]{name}[/bold]  [dim]{escape(said)}[/dim]")
