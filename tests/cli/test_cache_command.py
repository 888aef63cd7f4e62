"""`tenuto cache`: what it shows, removes and builds."""

from __future__ import annotations

import pytest

from tests.cli.command import done


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("TENUTO_CACHE", str(tmp_path / "kernels"))
    return tmp_path / "kernels"


def run(*words, code=0):
    return done("cache", *words, code=code)


@pytest.mark.cpp
def test_built_shown_and_emptied(folder):
    said = run("--build", "mgu", "MGU").stdout.splitlines()
    names = [line.split()[-1] for line in said if line.startswith(("built", "there"))]
    assert len(names) == 8 and [line.split()[0] for line in said[:8]] == ["built"] * 4 + ["there"] * 4
    assert {name.split("-")[0] for name in names} == {"loop32", "loop64", "mgu32", "mgu64"}
    (folder / "plugin.so").write_bytes(bytes(2**20))
    (folder / "precious.cpp").write_text("not a kernel")
    said = run().stdout
    assert str(folder) in said and "kernels   4, " in said
    assert "removed   4 kernels\n" in run("--clear").stdout
    assert {path.name for path in folder.iterdir()} == {"plugin.so", "precious.cpp"}


@pytest.mark.cpp
def test_a_users_own_cell_with_a_field(folder):
    said = run("--build", "indrnn", "--cell-field", "activation=tanh").stdout
    assert said.count("built") == 4 and "indrnn32-" in said


@pytest.mark.cpp
def test_kernels_written_by_hand_beside_those_of_a_cell(folder):
    said = run("--build", "mgu", "dnc", "texts", "transducer").stdout
    assert {line.split()[-1].split("-")[0] for line in said.splitlines() if line.startswith("built")} == {"loop32", "loop64", "mgu32", "mgu64", "dnc32", "dnc64", "texts64", "transducer32", "transducer64"}
    assert "kernels   9, " in said


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--build"], "--build needs the names of cells"),
        (["lstm"], "cells are named without --build"),
        (["--build", "lstn"], "there is no cell 'lstn'"),
        (["--build", "projection-lstm"], "needs a value for 'projection'"),
        (["--cell-field", "a=1"], "--cell-field has a meaning only with --build"),
        (["--build", "dnc", "--cell-field", "a=1"], "--cell-field is for cells, and none is named"),
    ],
)
def test_bad_arguments_are_refused_and_nothing_is_built(folder, words, message):
    assert message in run(*words, code=1).stderr and not folder.exists()


@pytest.mark.cpp
def test_kernels_that_cannot_be_kept_are_an_error(tmp_path, monkeypatch):
    from tenuto.engines import notices

    monkeypatch.setattr(notices, "_said", set())
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TENUTO_CACHE", str(tmp_path / "file" / "kernels"))
    with pytest.warns(UserWarning, match="is not a folder"):
        assert "could not be kept" in run("--build", "mgu", code=1).stderr
    assert "not used  " in run().stdout


def test_no_compiler_is_an_error_in_words(monkeypatch):
    monkeypatch.setenv("TENUTO_CXX", "/no/such/compiler")
    assert "TENUTO_CXX='/no/such/compiler' does not run" in run("--build", "lstm", code=1).stderr


def test_without_a_home(monkeypatch):
    monkeypatch.delenv("TENUTO_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", "")
    said = run("--clear").stdout
    assert "removed   0 kernels" in said and "folder    none" in said and "not used  there is no home folder" in said
