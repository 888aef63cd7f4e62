"""Which C++ compiler builds the kernels, for which vector width, and how it is called."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import lru_cache

from tenuto.errors import EngineError

ENVIRONMENT = "TENUTO_CXX"
FLAGS_ENVIRONMENT = "TENUTO_CXXFLAGS"
# No fast-math, which deletes the range reduction of exp; and no contraction, since every multiply-add is written as one.
FLAGS = ("-std=c++17", "-O3", "-march=native", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math", "-fPIC", "-shared", "-w")


@dataclass(frozen=True)
class Compiler:
    """A C++ compiler: the command that calls it, and what it says its version is."""

    command: tuple[str, ...]
    version: str

    @property
    def flags(self) -> tuple[str, ...]:
        """What it is called with, the user's own TENUTO_CXXFLAGS last."""
        return (*FLAGS, *os.environ.get(FLAGS_ENVIRONMENT, "").split())

    def compile(self, source: str, target: str, include: str, defines: dict[str, int]) -> None:
        """Builds a shared library.

        Raises:
            EngineError: the compiler failed; its message, shortened.
        """
        options = [f"-D{name}={value}" for name, value in defines.items()]
        command = [*self.command, *self.flags, *options, f"-I{include}", source, "-o", target, "-lm"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            lines = [line for line in done.stderr.splitlines() if "error" in line.lower()] or done.stderr.splitlines()
            raise EngineError(
                f"{self.command[0]} could not build a kernel (exit code {done.returncode})",
                received="\n".join(lines[:5]) or "no message",
                fix=f"name another compiler in {ENVIRONMENT}, or use engine='reference'",
            )


def _ask(command: tuple[str, ...]) -> str | None:
    """The first line of a compiler's version; None where it does not run."""
    try:
        done = subprocess.run([*command, "--version"], capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.splitlines()[0] if done.returncode == 0 and done.stdout else None


def _candidates(named: str, path: str) -> list[tuple[str, ...]]:
    if named:
        return [tuple(named.split())]
    found: list[tuple[str, ...]] = [(place,) for name in ("g++", "clang++", "c++") if (place := shutil.which(name, path=path))]
    if importlib.util.find_spec("ziglang") is not None:
        # Kernels use nothing of the C++ library, which zig would first compile from its sources (minutes, once).
        found.append((sys.executable, "-m", "ziglang", "c++", "-nostdlib++", "-fno-exceptions"))
    return found


def find() -> Compiler | None:
    """The compiler that TENUTO_CXX names, else g++, clang++, c++, or the clang in the `ziglang` package; None if there is none."""
    named = os.environ.get(ENVIRONMENT, "")
    found = _found.get(named) or _search(named, os.environ.get("PATH", ""))
    if found is not None:
        _found[named] = found
    return found


_found: dict[str, Compiler] = {}  # by what TENUTO_CXX says: a compiler that ran is not looked for again


@lru_cache(maxsize=16)
def _search(named: str, path: str) -> Compiler | None:
    """`find` for these values of TENUTO_CXX and PATH; asked at every call where there is none, so remembered."""
    for command in _candidates(named, path):
        version = _ask(command)
        if version is not None:
            return Compiler(command, version)
    return None


def missing() -> str:
    """Why there is no compiler, and what to do about it."""
    if os.environ.get(ENVIRONMENT):
        return f"{ENVIRONMENT}={os.environ[ENVIRONMENT]!r} does not run"
    return 'no C++ compiler found: install g++ or clang, or pip install "tenuto[compiler]"'


@dataclass(frozen=True)
class Machine:
    """What kernels are compiled for: bytes of a vector, and a digest of everything that -march=native looks at."""

    vector_bytes: int
    digest: str


@lru_cache(maxsize=1)
def machine() -> Machine:
    """This machine."""
    flags: set[str] = set()
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            for line in file:
                if line.startswith(("flags", "Features")):
                    flags = set(line.partition(":")[2].split())
                    break
    text = " ".join([platform.machine(), platform.system(), *sorted(flags)])
    vector_bytes = 64 if "avx512f" in flags else 32 if {"avx2", "fma"} <= flags else 16
    return Machine(vector_bytes, hashlib.sha256(text.encode()).hexdigest()[:8])
