"""What a model can be exported to. One folder for each target; one line here.

A target's module has a function `write(subject, folder)`, which fills the folder, compares what it wrote with the model (`comparison.py`), and returns
plain data about it for export.json. It raises before it returns where the two differ.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tenuto.choices import require
from tenuto.errors import ArgumentError
from tenuto.export.subject import Subject

Write = Callable[[Subject, Path], Mapping[str, Any]]


@dataclass(frozen=True)
class Target:
    """One target. module: where `write` is. says: what is written. packages: what it needs besides tenuto's own, with `extra`, which installs them. named: whether
    files and functions are called after the model."""

    module: str
    says: str
    packages: tuple[str, ...] = ()
    extra: str = "export"
    named: bool = False


TARGETS: dict[str, Target] = {
    "onnx": Target("tenuto.export.onnx", "ONNX files, for ONNX Runtime and others, with a small Python runner", packages=("onnx", "onnxruntime")),
    "c": Target("tenuto.export.c", "one header and one source of C99, without dependencies, and an example program", named=True),
    "web": Target("tenuto.export.web", "a page of HTML with that C inside as WebAssembly, on which a person can try the model", ("ziglang",), "compiler", named=True),
    "torch": Target("tenuto.export.torch_program", "a program of torch.export (.pt2), for any Python with torch and tenuto"),
    "aot-inductor": Target("tenuto.export.aot_inductor", "the same, compiled by torch's AOTInductor for this machine's processor (.pt2)"),
}


def writer(name: str) -> Write:
    """The function that writes for this target.

    Raises:
        ArgumentError: there is no such target, or a package that it needs is missing.
    """
    require("to", name, TARGETS)
    target = TARGETS[name]
    missing = [package for package in target.packages if find_spec(package) is None]
    if missing:
        raise ArgumentError(f"an export to {name} needs the package {missing[0]}, which is not installed.", fix=f"pip install 'tenuto[{target.extra}]'")
    found: Write = import_module(target.module).write
    return found
