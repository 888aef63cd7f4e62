"""Compilers that crash, hang, say nothing or say too much: the next compiler or engine works, and one warning says why."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import warnings

import pytest
import torch

import tenuto
from tenuto import cells
from tenuto.engines import choose, report
from tenuto.engines.cpp import compiler, library
from tenuto.engines.problem import Form, Problem
from tenuto.errors import EngineError

pytestmark = [
    pytest.mark.cpp,
    pytest.mark.usefixtures("folder", "fresh"),
    pytest.mark.skipif(os.name == "nt", reason="the fake compilers are shell scripts"),
]

SOURCE = 'extern "C" int answer(void) { return 42; }\n'
BAD = {  # what a compiler does instead of its work, and what the warning says
    "fails": ("echo 'error: no such thing' >&2; exit 3", r"could not build a kernel \(exit code 3\)"),
    "crashes": ("kill -SEGV $$", r"could not build a kernel \(signal 11\)"),
    "hangs": ("sleep 600 & sleep 600", "did not build a kernel within 1 second"),
    "speaks in another encoding": (r"printf 'error: \377\376\n' >&2; exit 1", r"could not build a kernel \(exit code 1\)"),
    "speaks without end": ("yes error >&2", "did not build a kernel within 1 second"),
    "writes nothing": ("exit 0", "wrote none"),
    "writes an empty file": (': > "$target"', "wrote none"),
    "writes garbage": ('echo garbage > "$target"', "cannot be loaded"),
}
SCRIPT = """\
#!/bin/sh
if [ "$1" = --version ]; then echo "{version}"; exit 0; fi
target=
for word; do [ "$before" = -o ] && target=$word; before=$word; done
{body}
"""


def problem(cell, gradients=True):
    return Problem(Form(cell), 3, 2, 4, 5, torch.float32, torch.device("cpu"), gradients)


def write(path, body, version="made up 1.0"):
    path.parent.mkdir(exist_ok=True)
    path.write_text(SCRIPT.format(body=body, version=version))
    path.chmod(0o755)
    return path


@pytest.fixture
def working():
    """The command of a compiler that works, as a shell writes it."""
    command = compiler.find().command
    compiler._found.clear()
    return shlex.join(command)


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(compiler, "LONGEST_SECONDS", 1.0)


@pytest.fixture
def said():
    """The texts of the warnings, in order."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield lambda: [str(each.message) for each in caught if each.category is UserWarning]


@pytest.mark.timeout(60)
@pytest.mark.parametrize("kind", BAD)
def test_the_next_compiler(tmp_path, monkeypatch, folder, working, said, kind):
    body, words = BAD[kind]
    asked = tmp_path / "asked"
    write(tmp_path / "bin" / "g++", f"echo once more >> {asked}\n{body}")
    write(tmp_path / "bin" / "clang++", f'exec {working} "$@"', "made up 2.0")
    real = os.environ["PATH"]
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{real}")
    seconds = 3 if words.endswith("1 second") else 60  # the next compiler must have enough time
    monkeypatch.setattr(compiler, "LONGEST_SECONDS", float(seconds))
    assert library.build("answer", SOURCE, 32).answer() == 42
    before = asked.read_text()
    assert library.build("another", SOURCE, 32).answer() == 42
    assert before and asked.read_text() == before
    (text,) = said()
    assert re.search(words.replace("1 second", "3 seconds"), text) and "clang++ builds kernels instead" in text
    assert not re.search(r"\.(:|\.| \()", text)  # an error's full stop inside a sentence
    assert len(list(folder.glob("*.so"))) == 2 and not list(folder.glob(".building*"))


@pytest.mark.timeout(60)
@pytest.mark.parametrize("kind", BAD)
def test_the_next_engine_runs_and_asking_for_this_one_is_an_error(tmp_path, monkeypatch, folder, impatient, said, kind):
    body, words = BAD[kind]
    monkeypatch.setenv(compiler.ENVIRONMENT, str(write(tmp_path / "bin" / "bad", body)))
    layer, x = tenuto.Recurrent(cells.GRU(), 4, 5), torch.randn(3, 2, 4)
    layer(x)[0].sum().backward()
    layer(x)
    assert choose(problem(cells.MGU())).name == "reference"
    assert re.search(words, str(report(problem(cells.GRU()))))
    texts = said()
    assert 1 <= len(texts) <= 2 and texts[0].startswith("tenuto runs without compiled kernels, several times slower: ")
    assert re.search(words, texts[0]) and not re.search(r"\.(:|\.| \()", texts[0].splitlines()[0])
    with pytest.raises(EngineError, match=words):
        tenuto.Recurrent(cells.GRU(), 4, 5, engine="cpp")(x)
    assert not list(folder.glob("*.so")) and not list(folder.glob(".building*"))


def test_a_missing_compiler_is_reported_once(alone, said):
    assert choose(problem(cells.GRU())).name == "vendor"
    assert choose(problem(cells.MGU())).name == "reference"
    (text,) = said()
    assert 'no C++ compiler found: install g++ or clang, or pip install "tenuto[compiler]"' in text
    with pytest.raises(EngineError, match="no C.. compiler found"):
        choose(problem(cells.GRU()), "cpp")
    with tenuto.invariant(), pytest.raises(EngineError, match="no C.. compiler found"):
        choose(problem(cells.GRU()))


def test_nothing_is_said_where_another_engine_was_asked_for(alone, said, monkeypatch):
    choose(problem(cells.GRU()), "reference")
    monkeypatch.setenv("TENUTO_ENGINE", "vendor")
    choose(problem(cells.GRU()))
    assert said() == []


def test_kernels_in_the_cache_need_no_compiler(folder, said, request, monkeypatch):
    dropout = cells.RecurrentDropout(cell=cells.GRU())
    for cell in (cells.MGU(), dropout):
        list(library.fill(cell))
    library._loop(32)
    count = len(list(folder.glob("*.so")))
    assert count == 2 + 2 + 4
    monkeypatch.setattr(library, "_ready", set())
    request.getfixturevalue("alone")
    monkeypatch.setattr(compiler, "_found", {})
    assert compiler.find() is None
    for cell in (cells.MGU(), dropout):
        assert choose(problem(cell)).name == "cpp" and choose(problem(cell), "cpp").name == "cpp"
    with tenuto.invariant():
        assert choose(problem(cells.MGU())).name == "invariant cpp"
    assert "cpp        runs       fused loop, compiled before" in str(report(problem(cells.MGU())))
    assert said() == []
    assert choose(problem(cells.PeepholeLSTM())).name == "reference"  # the cache has no kernels of this cell
    assert len(said()) == 1 and len(list(folder.glob("*.so"))) == count


def test_a_compiler_builds_its_own_kernels(tmp_path, monkeypatch, folder, working):
    library.build("answer", SOURCE, 32)
    monkeypatch.setenv(compiler.ENVIRONMENT, str(write(tmp_path / "bin" / "other", f'exec {working} "$@"')))
    library.build("answer", SOURCE, 32)
    names = [path.stem.rsplit("-", 1) for path in folder.glob("*.so")]
    assert len(names) == 2 and names[0][0] == names[1][0] and names[0][1] != names[1][1]
    monkeypatch.setenv(compiler.FLAGS_ENVIRONMENT, "-O1")
    library.build("answer", SOURCE, 32)
    assert len({path.stem.rsplit("-", 1)[0] for path in folder.glob("*.so")}) == 2


def test_another_compilers_kernel_where_this_one_fails(tmp_path, monkeypatch, folder, said):
    library.build("answer", SOURCE, 32)
    monkeypatch.setenv(compiler.ENVIRONMENT, str(write(tmp_path / "bin" / "bad", "exit 1")))
    assert library.build("answer", SOURCE, 32).answer() == 42
    assert len(said()) == 1 and "kernels that another compiler built are used instead" in said()[0]
    assert ".:" not in said()[0]


@pytest.mark.parametrize("form", ["{path}", "'{path}'", '"{path}" -O1', "{escaped}"])
def test_a_compiler_whose_path_has_a_space(tmp_path, monkeypatch, working, form):
    path = write(tmp_path / "my tools" / "c++", f'exec {working} "$@"')
    monkeypatch.setenv(compiler.ENVIRONMENT, form.format(path=path, escaped=str(path).replace(" ", "\\ ")))
    assert compiler.find().command[0] == str(path) and library.build("answer", SOURCE, 32).answer() == 42


def test_a_compiler_in_the_home_folder(tmp_path, monkeypatch, working):
    monkeypatch.setenv("HOME", str(tmp_path))
    write(tmp_path / "bin" / "c++", f'exec {working} "$@"')
    monkeypatch.setenv(compiler.ENVIRONMENT, "~/bin/c++")
    assert library.build("answer", SOURCE, 32).answer() == 42


@pytest.mark.parametrize("text", ["'g++", " ", "\"", "/", "/no/such"])
def test_a_command_that_is_not_a_compiler(monkeypatch, text):
    monkeypatch.setenv(compiler.ENVIRONMENT, text)
    assert compiler.find() is None and compiler.missing() == f"TENUTO_CXX={text!r} does not run"


def test_flags_with_an_open_quotation_mark(monkeypatch, said):
    monkeypatch.setenv(compiler.FLAGS_ENVIRONMENT, "'-O1")
    with pytest.raises(EngineError, match="TENUTO_CXXFLAGS is \"'-O1\""):
        library.build("answer", SOURCE, 32)
    assert choose(problem(cells.MGU())).name == "reference" and len(said()) == 1


def test_a_compiler_that_does_not_say_its_version(tmp_path, monkeypatch):
    monkeypatch.setattr(compiler, "LONGEST_ANSWER_SECONDS", 0.5)
    for number, body in enumerate(("sleep 60 & sleep 60", "exit 1", "exit 0", "yes")):
        path = tmp_path / str(number)
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)
        monkeypatch.setenv(compiler.ENVIRONMENT, str(path))
        assert compiler.find() is None
    path = write(tmp_path / "bin" / "c++", "", "$(printf '\\377 1.0')")
    monkeypatch.setenv(compiler.ENVIRONMENT, str(path))
    assert compiler.find().version == "\ufffd 1.0"


class Talking(cells.GRU):
    """A cell whose text has more than one line."""

    def __repr__(self):
        return "Talking(\n#error this is not a comment\n)"


def test_a_cells_text_stays_a_comment(folder):
    assert choose(problem(Talking())).name == "cpp"


def test_a_compiler_that_disappears(tmp_path, monkeypatch, working):
    path = write(tmp_path / "bin" / "c++", f'exec {working} "$@"')
    monkeypatch.setenv(compiler.ENVIRONMENT, str(path))
    assert compiler.find()
    shutil.rmtree(path.parent)
    with pytest.raises(EngineError, match="does not run any more"):
        library.build("answer", SOURCE, 32)
