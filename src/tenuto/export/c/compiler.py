"""Which C compiler builds an export on this machine, and how it is called."""

from __future__ import annotations

import importlib.util
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tenuto.errors import EngineError

ENVIRONMENT = "TENUTO_CC"
STRICT = ("-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror")
_LONGEST_SECONDS = 600.0


def host() -> tuple[str, ...]:
    """The command of the compiler that TENUTO_CC names, else gcc, clang, cc, or the clang in the package `ziglang`.

    Raises:
        EngineError: there is none.
    """
    named = os.environ.get(ENVIRONMENT, "")
    if named:
        words = (named,) if os.path.isfile(named) else tuple(shlex.split(named))
        if not words or shutil.which(words[0]) is None:
            raise EngineError(f"{ENVIRONMENT} is {named!r}, which does not run.", expected="the command of a C compiler", fix=f"{ENVIRONMENT}=gcc, or leave it out")
        return words
    for name in ("gcc", "clang", "cc"):
        place = shutil.which(name)
        if place is not None:
            return (place,)
    if importlib.util.find_spec("ziglang") is not None:
        return zig()
    raise EngineError(
        "no C compiler is found, and an export to C is compiled and compared with the model before it is written.",
        expected="gcc, clang, cc, or the package ziglang", fix=f'install gcc or clang, or pip install "tenuto[compiler]", or name one in {ENVIRONMENT}',
    )  # fmt: skip


def zig() -> tuple[str, ...]:
    """The command of the clang in the package `ziglang`, which builds for other machines too.

    Raises:
        EngineError: it is not installed.
    """
    if importlib.util.find_spec("ziglang") is None:
        raise EngineError(
            "the compiler for other machines (the package ziglang) is not installed.", expected="zig cc, which builds WebAssembly and for microcontrollers", fix='pip install "tenuto[compiler]"'
        )
    return (sys.executable, "-m", "ziglang", "cc")


def compile_c(command: Sequence[str], sources: Sequence[Path], target: Path, *options: str) -> Path:
    """Builds a program (or whatever the options say) from C sources.

    Raises:
        EngineError: the compiler failed; has the first lines of what it said.
    """
    libraries = [option for option in options if option.startswith("-l")]  # these are looked into for what the sources before them ask
    words = [*command, *(option for option in options if option not in libraries), *map(str, sources), "-o", str(target), *libraries]
    try:
        done = subprocess.run(words, capture_output=True, timeout=_LONGEST_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EngineError(f"{command[0]} did not build the export.", received=str(error)[:300], fix=f"name another compiler in {ENVIRONMENT}") from None
    if done.returncode or not target.exists():
        said = done.stderr.decode("utf-8", "replace").splitlines()
        told = [line for line in said if "error" in line.lower()] or said
        raise EngineError(
            f"{command[0]} could not build the export (exit code {done.returncode}).", received="\n".join(line[:300] for line in told[:5]) or "no message", fix=f"name another compiler in {ENVIRONMENT}"
        )
    return target
