"""`tenuto cache`: the compiled kernels on this machine's disk. It shows how many there are, how large and where; removes them; or builds them in advance."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tenuto.cli import arguments
from tenuto.cli.console import output

if TYPE_CHECKING:
    from tenuto.cell import Cell


def cache(
    cells: Annotated[list[str] | None, typer.Argument(metavar="CELL", help="With --build: cells (lstm, gru-reset-before, ...), your own as FILE.py:CLASS, memories (ntm, dnc), the beam over CTC (texts), or a transducer's loss (transducer).", show_default=False)] = None,
    build: Annotated[bool, typer.Option("--build", help="Compile each CELL's kernels now: float32 and float64, forward and backward.")] = False,
    cell_field: Annotated[list[str] | None, typer.Option(metavar="NAME=VALUE", help="With --build: a field of the cells, for example activation=relu; repeat it.", show_default=False)] = None,
    clear: Annotated[bool, typer.Option("--clear", help="Remove every kernel; each is compiled again when it is next needed.")] = False,
) -> None:
    """Show, empty, or fill the cache of compiled kernels.

    The folder is the one named in TENUTO_CACHE, else tenuto/kernels in your cache folder. Files there that tenuto did not write stay as they are.
    Kernels that were built earlier, for this kind of processor, need no compiler: a container that has them can do without one.

    [bold]tenuto cache --clear[/bold]
    [bold]tenuto cache --build lstm gru[/bold]
    [bold]tenuto cache --build lstm dnc[/bold]   (a memory, and the cell that controls it)
    [bold]tenuto cache --build lstm texts transducer[/bold]   (for speech: the beam over CTC, and the loss of a transducer)
    """
    from tenuto.engines.cpp import cache as kernels
    from tenuto.engines.cpp.written import WRITTEN
    from tenuto.errors import ArgumentError

    if build != bool(cells):
        raise ArgumentError(
            "--build needs the names of cells." if build else "cells are named without --build.", expected="tenuto cache --build CELL..."
        )
    if cell_field and not build:
        raise ArgumentError("--cell-field has a meaning only with --build.", expected="tenuto cache --build CELL... --cell-field NAME=VALUE")
    if cell_field and all(name in WRITTEN for name in cells or ()):
        raise ArgumentError("--cell-field is for cells, and none is named.", received=", ".join(cells or ()))
    wanted: dict[str, Cell | str] = {name: name if name in WRITTEN else arguments.build_cell(arguments.cell_class(name), cell_field or []) for name in cells or ()}
    console = output()
    if clear:
        removed = kernels.clear()
        console.print(f"removed   {removed} kernel{'s' * (removed != 1)}")
    for name, cell in wanted.items():
        for path, is_new in _fill(cell):
            console.print(f"{'built' if is_new else 'there':<10}{name}: {path.name}", markup=False)
    held = kernels.report()
    console.print(f"folder    {held.folder or 'none'}{'' if held.writable else '   (cannot be written to)'}", markup=False)
    if held.fault:
        console.print(f"not used  {held.fault}", markup=False)
    console.print(f"kernels   {held.kernels}, {held.size_bytes / 2**20:.1f} MiB")


def _fill(cell: Cell | str) -> list[tuple[Path, bool]]:
    """The kernels of a cell, or those written by hand by their name, in the cache, and whether each was built just now."""
    from tenuto.engines.cpp import cache as kernels
    from tenuto.engines.cpp import library, written
    from tenuto.errors import EngineError

    place = kernels.usable()
    before = set(place.glob("*.so")) if place is not None else set()
    paths = list(written.fill(cell) if isinstance(cell, str) else library.fill(cell))
    if place is None or any(path.parent != place for path in paths):
        raise EngineError("the kernels were built, but could not be kept.", fix="see the warning above, or name another folder in TENUTO_CACHE")
    return [(path, path not in before) for path in paths]
