"""`tenuto cache`: the compiled kernels on this machine's disk: how many, how large, where; and how to be rid of them."""

from __future__ import annotations

from typing import Annotated

import typer

from tenuto.cli.console import output


def cache(
    clear: Annotated[bool, typer.Option("--clear", help="Remove every kernel; each is compiled anew when it is next needed.")] = False,
) -> None:
    """Show, or empty, the cache of compiled kernels.

    The folder is that of TENUTO_CACHE, else tenuto/kernels in your cache folder.

    [bold]tenuto cache --clear[/bold]
    """
    from tenuto.engines.cpp import cache as kernels

    console = output()
    if clear:
        removed = kernels.clear()
        console.print(f"removed   {removed} kernel{'s' * (removed != 1)}")
    held = kernels.report()
    console.print(f"folder    {held.folder}{'' if held.writable else '   (cannot be written to)'}", markup=False)
    console.print(f"kernels   {held.kernels}, {held.size_bytes / 2**20:.1f} MiB")
