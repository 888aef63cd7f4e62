"""Which C++ compiler builds the kernels, for which vector width, and how it is called."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import platform
import shlex
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, cast

from tenuto.errors import EngineError

if TYPE_CHECKING:
    from io import BufferedReader

ENVIRONMENT = "TENUTO_CXX"
FLAGS_ENVIRONMENT = "TENUTO_CXXFLAGS"
# No fast-math, which deletes the range reduction of exp; and no contraction, since every multiply-add is written as one.
FLAGS = ("-std=c++17", "-O3", "-march=native", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math", "-fPIC", "-shared", "-w")


LONGEST_SECONDS = 300.0  # for one kernel, which takes two or three: a compiler that goes on for longer hangs
LONGEST_ANSWER_SECONDS = 60.0  # for a compiler to say its version
_MOST_WORDS = 1 << 16  # how many bytes of a compiler's messages are read


@dataclass(frozen=True)
class Compiler:
    """A C++ compiler: the command that calls it, and the version that it states."""

    command: tuple[str, ...]
    version: str

    @property
    def digest(self) -> str:
        """Eight digits that tell it from other compilers."""
        return hashlib.sha256(chr(0).join((*self.command, self.version)).encode("utf-8", "backslashreplace")).hexdigest()[:8]

    def compile(self, source: str, target: str, include: str, defines: dict[str, int]) -> None:
        """Builds a shared library.

        Raises:
            EngineError: the compiler failed; has its message, shortened. A compiler that hangs is not used again in this process.
        """
        options = [f"-D{name}={value}" for name, value in defines.items()]
        command = [*self.command, *flags(), *options, f"-I{include}", source, "-o", target, "-lm"]
        fix = f"name another compiler in {ENVIRONMENT}, or use engine='reference'"
        try:
            code, said = _run(command, LONGEST_SECONDS, errors=True)
        except OSError as error:
            raise EngineError(f"{self.command[0]} does not run any more.", received=str(error), fix=fix) from None
        lines = [line for line in said.splitlines() if "error" in line.lower()] or said.splitlines()
        heard = "\n".join(line[:300] for line in lines[:5]) or "no message"
        if code is None:
            what = f"{self.command[0]} did not build a kernel within {LONGEST_SECONDS:.0f} seconds"
            give_up(self, what)
            raise EngineError(f"{what}.", received=heard, fix=fix)
        if code != 0:
            end = f"exit code {code}" if code > 0 else f"signal {-code}"
            raise EngineError(f"{self.command[0]} could not build a kernel ({end}).", received=heard, fix=fix)
        if not os.path.isfile(target) or not os.path.getsize(target):
            raise EngineError(f"{self.command[0]} said that it had built a kernel, and wrote none.", received=heard, fix=fix)


def flags() -> tuple[str, ...]:
    """What compilers are called with, the user's own TENUTO_CXXFLAGS last.

    Raises:
        EngineError: a quotation mark in that variable is not closed.
    """
    return (*FLAGS, *_words(FLAGS_ENVIRONMENT))


def _words(variable: str) -> list[str]:
    """The words of an environment variable; one with a space in it stands between quotation marks."""
    text = os.environ.get(variable, "")
    try:
        return shlex.split(text, posix=os.name != "nt")
    except ValueError as error:
        raise EngineError(f"{variable} is {text!r}.", expected="words, or words between quotation marks", received=str(error)) from None


def _run(command: Sequence[str], seconds: float, errors: bool) -> tuple[int | None, str]:
    """The exit code (None: it had to be stopped), and the beginning of what it printed, with `errors` to its error output.

    A compiler is several processes, and all of them are ended. What they print may be in any encoding, and endless.
    """
    pipe, nothing = subprocess.PIPE, subprocess.DEVNULL
    process = subprocess.Popen(
        command, stdin=nothing, stdout=nothing if errors else pipe, stderr=pipe if errors else nothing, start_new_session=True
    )  # fmt: skip
    stream, said = cast("BufferedReader", process.stderr if errors else process.stdout), bytearray()

    def listen() -> None:
        while piece := stream.read1(_MOST_WORDS):
            said.extend(piece[: _MOST_WORDS - len(said)])
        stream.close()

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    code: int | None = None
    try:
        code = process.wait(seconds)
    except subprocess.TimeoutExpired:
        pass
    finally:  # also after Ctrl-C, which does not reach another session
        _stop(process)
    listener.join(1.0)
    return code, bytes(said).decode("utf-8", "replace")


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Ends a compiler with the processes that it started."""
    if process.poll() is None:
        if hasattr(os, "killpg"):
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except OSError:
                process.kill()
        else:
            process.kill()
        process.wait()


@lru_cache(maxsize=64)
def _ask(command: tuple[str, ...]) -> str | None:
    """The first line of a compiler's version; None where it does not run."""
    try:
        code, said = _run([*command, "--version"], LONGEST_ANSWER_SECONDS, errors=False)
    except OSError:
        return None
    return said.splitlines()[0] if code == 0 and said.strip() else None


def _candidates(named: str, path: str) -> list[tuple[str, ...]]:
    if named:
        return [_command(named)]
    found = {name: place for name in ("g++", "clang++", "c++") if (place := shutil.which(name, path=path))}
    real = {name: os.path.realpath(place) for name, place in found.items()}
    if real.get("c++") in (real.get("g++"), real.get("clang++")):  # another name of one that is asked anyway
        found.pop("c++", None)
    commands: list[tuple[str, ...]] = [(place,) for place in found.values()]
    if importlib.util.find_spec("ziglang") is not None:
        # Kernels use nothing of the C++ library, which zig would first compile from its sources (minutes, once).
        commands.append((sys.executable, "-m", "ziglang", "c++", "-nostdlib++", "-fno-exceptions"))
    return commands


def _command(named: str) -> tuple[str, ...]:
    """The command that TENUTO_CXX names: a path, which may have spaces in it, or words as in a shell."""
    whole = os.path.expanduser(named)
    if os.path.isfile(whole):
        return (whole,)
    try:
        words = shlex.split(named, posix=os.name != "nt")
    except ValueError:
        return (named,)
    return (os.path.expanduser(words[0]), *words[1:]) if words else (named,)


def find() -> Compiler | None:
    """The compiler that TENUTO_CXX names, else g++, clang++, c++, or the clang in the `ziglang` package; None if there is none."""
    named = os.environ.get(ENVIRONMENT, "")
    found = _found.get(named) or _search(named, os.environ.get("PATH", ""))
    if found is not None:
        _found[named] = found
    return found


_found: dict[str, Compiler] = {}  # by what TENUTO_CXX says: a compiler that ran is not looked for again
_given_up: dict[tuple[str, ...], str] = {}  # by command: why


@lru_cache(maxsize=16)
def _search(named: str, path: str) -> Compiler | None:
    """`find` for these values of TENUTO_CXX and PATH; remembered, since every call asks where there is no compiler."""
    return next(_working(named, path), None)


def _working(named: str, path: str) -> Iterator[Compiler]:
    for command in _candidates(named, path):
        version = None if command in _given_up else _ask(command)
        if version is not None:
            yield Compiler(command, version)


def every() -> Iterator[Compiler]:
    """The compilers that may be tried, one after the other: that of `find` first."""
    first = find()
    if first is not None:
        yield first
        named, path = os.environ.get(ENVIRONMENT, ""), os.environ.get("PATH", "")
        yield from (other for other in _working(named, path) if other != first)


def give_up(compiler: Compiler, reason: str) -> None:
    """From now on this process does not use this compiler."""
    _given_up[compiler.command] = reason
    for named in [named for named, found in _found.items() if found == compiler]:
        del _found[named]
    _search.cache_clear()


def works(compiler: Compiler) -> bool:
    """Whether it has not been given up."""
    return compiler.command not in _given_up


def missing() -> str:
    """Why there is no compiler, and what to do about it."""
    named = os.environ.get(ENVIRONMENT, "")
    reasons = [_given_up[command] for command in _candidates(named, os.environ.get("PATH", "")) if command in _given_up] if _given_up else []
    if reasons:
        return "; ".join(reasons)
    if named:
        return f"{ENVIRONMENT}={named!r} does not run"
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
