"""Compiling and caching: compilers and files that are missing, broken, read-only or cut in half, and two builds at the same time."""

from __future__ import annotations

import ctypes
import importlib.machinery
import importlib.util
import itertools
import multiprocessing
import os
import platform
import re
import subprocess
import sys

import pytest
import torch

from tenuto import cells
from tenuto.engines.cpp import Cpp, cache, compiler, library
from tenuto.engines.cpp.printer import print_passes
from tenuto.engines.problem import Form, Problem
from tenuto.errors import EngineError
from tenuto.program import trace
from tenuto.program.cell_schedule import schedule_cell
from tests.engines.cpp.posing import ENGINE, pose
from tests.forking import in_child
from tests.golden import cells as golden

pytestmark = pytest.mark.cpp

SOURCE = 'extern "C" int answer(void) { return 42; }\n'


def problem(**changes):
    fields = {
        "form": Form(cells.GRU()), "time_steps": 3, "batch_size": 2, "input_size": 4, "hidden_size": 5,
        "dtype": torch.float32, "device": torch.device("cpu"), "gradients": True,
    }  # fmt: skip
    return Problem(**{**fields, **changes})


def test_supports_says_why_not(monkeypatch, folder, fresh):
    assert "fused loop" in ENGINE.supports(problem()).reason
    assert "float16" in Cpp().supports(problem(dtype=torch.float16)).reason
    assert "meta" in Cpp().supports(problem(device=torch.device("meta"))).reason
    monkeypatch.setenv(compiler.ENVIRONMENT, "/no/such/compiler")
    assert ENGINE.supports(problem()).reason == "fused loop, compiled before"
    answer = ENGINE.supports(problem(form=Form(cells.MGU())))
    assert not answer and answer.slower and "TENUTO_CXX='/no/such/compiler' does not run" in answer.reason


def test_no_compiler_at_all(monkeypatch, folder, fresh):
    monkeypatch.delenv(compiler.ENVIRONMENT, raising=False)
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(compiler, "_found", {})
    monkeypatch.setattr(compiler.importlib.util, "find_spec", lambda name: None)
    answer = ENGINE.supports(problem())
    assert not answer and 'pip install "tenuto[compiler]"' in answer.reason
    with pytest.raises(EngineError, match="no C.. compiler found"):
        library.build("answer", SOURCE, 32)


def test_a_compiler_that_fails_is_quoted_and_shortened(folder):
    with pytest.raises(EngineError, match=r"could not build a kernel \(exit code 1\)") as caught:
        library.build("broken", "this is not C++;\n" * 40, 32)
    text = str(caught.value)
    assert "error" in text and len(text.splitlines()) < 12
    assert not list(folder.glob("*")), "nothing unfinished stays"


def test_kept_found_again_and_cleared(folder):
    assert library.build("answer", SOURCE, 32).answer() == 42
    (path,) = folder.glob("*.so")
    assert path.with_suffix(".cpp").read_text() == f"// {path.stem}: written by tenuto\n{SOURCE}"
    before = path.stat().st_mtime_ns
    assert library.build("answer", SOURCE, 32).answer() == 42
    assert path.stat().st_mtime_ns == before
    report = cache.report()
    assert (report.folder, report.kernels, report.writable) == (folder, 1, True) and report.size_bytes > 1000
    assert cache.clear() == 1 and cache.report().kernels == 0 and not list(folder.glob("*"))


@pytest.mark.parametrize("damage", ["half", "empty", "changed"])
def test_a_damaged_file_is_built_again(folder, damage):
    library.build("answer", SOURCE, 32)
    (path,) = folder.glob("*.so")
    content = path.read_bytes()
    path.unlink()  # the loaded one stays as it is
    broken = {"half": content[: len(content) // 2], "empty": b"", "changed": content[:500] + b"x" + content[501:]}[damage]
    path.write_bytes(broken)
    assert not cache.is_whole(path)
    assert library.build("answer", SOURCE, 32).answer() == 42
    assert cache.is_whole(path)


def _build_in_child(folder, queue):
    os.environ[cache.ENVIRONMENT] = folder
    queue.put(library.build("answer", SOURCE, 32).answer())


def test_processes_that_compile_the_same_kernel(folder):
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    children = [context.Process(target=_build_in_child, args=(str(folder), queue)) for _ in range(3)]
    for child in children:
        child.start()
    assert [queue.get(timeout=120) for _ in children] == [42] * 3
    for child in children:
        child.join()
    assert [path.suffix for path in sorted(folder.glob("*"))] == [".cpp", ".so"]


def test_importing_compiles_nothing(tmp_path):
    environment = {**os.environ, cache.ENVIRONMENT: str(tmp_path / "kernels"), compiler.ENVIRONMENT: "/no/such/compiler"}
    code = "import tenuto.engines.cpp, os, sys; sys.exit(os.path.exists(sys.argv[1]))"
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "kernels")], env=environment, check=False)
    assert done.returncode == 0


_ALONE = """
import torch
import tenuto
from tenuto import cells
from tenuto.engines.cpp import compiler
for cell in (cells.LSTM(), cells.LayerNormLSTM(), cells.ResetBeforeGRU()):
    layer, other = (tenuto.Recurrent(cell, 5, 33, engine=engine) for engine in ("cpp", "reference"))
    other.load_state_dict(layer.state_dict())
    x = torch.randn(7, 4, 5)
    assert "ziglang" in compiler.find().command
    for each in (layer, other):
        each(x, lengths=torch.tensor([7, 3, 0, 5]))[0].square().sum().backward()
    for mine, exact in zip(layer.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, exact.grad, rtol=1e-4, atol=1e-5)
print("right")
"""


@pytest.mark.slow
@pytest.mark.skipif(compiler.importlib.util.find_spec("ziglang") is None, reason='needs pip install "tenuto[compiler]", 100 MB')
def test_the_compiler_from_pip(folder):
    """Where no other compiler is found, the one in the package ziglang builds kernels that give the right numbers."""
    environment = {**os.environ, cache.ENVIRONMENT: str(folder), "PATH": "", compiler.ENVIRONMENT: ""}
    done = subprocess.run([sys.executable, "-c", _ALONE], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "right" in done.stdout, done.stderr[-3000:]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork.*:DeprecationWarning")
def test_after_fork():
    form = Form(cells.GRU())
    inputs = pose(form, (20, 8, 6, 32), torch.float32)
    torch.set_num_threads(2)
    expected = ENGINE.forward(form, inputs, False).output
    try:
        assert in_child(lambda: torch.equal(ENGINE.forward(form, inputs, False).output, expected), 60) == "right"
    finally:
        torch.set_num_threads(1)


@pytest.mark.parametrize("name", golden.CELLS)
def test_golden_text(name, request):
    """The printed passes of the cells in tests/golden. `TENUTO_WRITE_GOLDEN=1` writes the files again; read what changed before you commit it."""
    schedules = schedule_cell(trace(golden.CELLS[name]), False)
    text = print_passes(repr(golden.CELLS[name]), {part: getattr(schedules, part) for part in golden.PARTS[name]})
    file = request.path.parents[2] / "golden" / f"{name}.cpp"
    if os.environ.get("TENUTO_WRITE_GOLDEN"):
        file.write_text(text)
    assert file.read_text() == text


CELL_FILE = """
import torch
from tenuto import Cell, State

class Shifted(Cell):
    gates = "h"
    state = "h"

    def step(self, x, U, s):
        return State(h=torch.tanh(x.h + U.h @ s.h) + torch.sin(s.h))
"""


def test_a_cell_further_down_in_its_file_needs_no_new_kernel(tmp_path, folder):
    texts, libraries = [], set()
    for number, (name, begin) in enumerate({"here.py": "", "there.py": "#\n" * 7, "ends in \\": "", "two\nlines.py": ""}.items()):
        path = tmp_path / name
        path.write_text(begin + CELL_FILE)
        loader = importlib.machinery.SourceFileLoader(f"shifted{number}", str(path))
        module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
        loader.exec_module(module)
        schedules = schedule_cell(trace(module.Shifted()), False)
        texts.append(print_passes("Shifted()", {"forward": schedules.forward}))
        libraries.add(library._build_passes(trace(module.Shifted()), False, 32)[0]._name)
    assert len(libraries) == 1
    assert "// here.py:10" in texts[0] and "// there.py:17" in texts[1]
    assert "// ends?in??:10\n" in texts[2] and "// two?lines.py:10\n" in texts[3]


def test_every_kind_of_node_can_be_printed():
    from tenuto.engines.cpp.expressions import EXPRESSIONS, OPERATIONS
    from tenuto.program.grammar import KINDS

    assert set(KINDS) == set(EXPRESSIONS) | set(OPERATIONS)
    for kind, expression in EXPRESSIONS.items():
        assert len(set(re.findall(r"\{\d\}", expression))) == KINDS[kind].arity, kind


def test_what_is_kept_about_kernels_does_not_grow_for_ever(monkeypatch):
    for name, empty in {"_ready": set(), "_obstacles": {}}.items():
        monkeypatch.setattr(library, name, empty)
    monkeypatch.setattr(library, "_MOST", 3)
    for bias, lengths, reverse in itertools.product((True, False), repeat=3):
        assert ENGINE.supports(problem(form=Form(cells.GRU(), bias=bias, lengths=lengths, reverse=reverse)))
        assert len(library._ready) <= 3 and len(library._obstacles) <= 3


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="for x86")
@pytest.mark.parametrize("bits", [32, 64])
def test_the_loop_is_built_for_a_processor_without_avx(bits, tmp_path):
    flags = [flag for flag in compiler.FLAGS if flag not in ("-march=native", "-O3")]
    made = [*compiler.find().command, *flags, "-O0", "-march=x86-64", "-DVECTOR_BYTES=16", f"-DREAL_BITS={bits}", f"-I{library.KERNELS}", str(library.KERNELS / "loop.cpp"), "-o", str(tmp_path / "loop.so")]
    subprocess.run(made, check=True, timeout=280)
    assert ctypes.CDLL(str(tmp_path / "loop.so")).tenuto_lanes() == 128 // bits
