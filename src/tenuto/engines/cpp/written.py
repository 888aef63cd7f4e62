"""The kernels that are written by hand, in kernels/NAME.cpp: which functions each has, and its library, loaded once."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Mapping
from ctypes import c_int64, c_long, c_void_p
from functools import lru_cache
from pathlib import Path
from typing import Any

from tenuto.engines.cpp import library
from tenuto.errors import EngineError

_CALL: tuple[Any, list[Any]] = (None, [c_void_p] * 4)  # what is posed; then how the threads of the caller's pool are called
_STEP: Mapping[str, tuple[Any, list[Any]]] = {"scratch": (c_long, [c_void_p]), "kept": (c_long, [c_void_p]), "forward": _CALL, "backward": _CALL}
_TEXTS: Mapping[str, tuple[Any, list[Any]]] = {
    "open": (c_void_p, [c_int64, c_int64]), "close": (None, [c_void_p]), "begin": (None, [c_void_p]), "count": (c_int64, [c_void_p]), "held": (c_int64, [c_void_p]),
    "step": (None, [c_void_p, c_void_p, c_int64, c_int64, c_int64]), "extend": (c_void_p, [c_void_p, c_void_p, c_int64, c_int64]), "keep": (None, [c_void_p, c_void_p, c_int64, c_void_p, c_int64]),
    "totals": (None, [c_void_p, c_void_p]), "text": (c_int64, [c_void_p, c_int64, c_void_p]),
    "kept": (c_int64, [c_void_p] * 5), "resume": (None, [c_void_p, c_int64, c_void_p, c_void_p, c_int64, c_void_p, c_void_p]),
}  # fmt: skip
# By name: which numbers there are kernels for, in bits, and by name what each function gives and takes.
WRITTEN: Mapping[str, tuple[tuple[int, ...], Mapping[str, tuple[Any, list[Any]]]]] = {
    "ntm": ((32, 64), _STEP), "dnc": ((32, 64), _STEP),
    "texts": ((64,), _TEXTS), "transducer": ((32, 64), {"forward": _CALL, "backward": _CALL}),
}  # fmt: skip


@lru_cache(maxsize=None)
def load(name: str, bits: int) -> ctypes.CDLL:
    """The library of kernels/NAME.cpp; its functions are `tenuto_NAME`.

    Raises:
        EngineError: it cannot be built.
    """
    functions = {f"tenuto_{function}": types for function, types in WRITTEN[name][1].items()}
    found = library.build_written(name, bits, list(functions))
    for function, (result, arguments) in functions.items():
        call = getattr(found, function)
        call.restype, call.argtypes = result, arguments
    return found


def obstacle(name: str, bits: int) -> str:
    """Why there is no such kernel, in words; "" if there is, and then it is loaded. What failed is not tried again with the same setting."""
    return _obstacle(name, bits, library.setting())


@lru_cache(maxsize=None)
def _obstacle(name: str, bits: int, setting: tuple[str | None, ...]) -> str:
    try:
        load(name, bits)
    except EngineError as error:
        return str(error)
    return ""


def fill(name: str) -> Iterator[Path]:
    """Builds, or finds in the cache, a kernel for all its numbers; the path of each library.

    Raises:
        EngineError: one cannot be built.
    """
    for bits in WRITTEN[name][0]:
        yield Path(library.build_written(name, bits)._name)
