"""Each command that README and the guides show is run, in a folder that has the examples and nothing else.

A block ```` ```console interrupted ```` shows what one types around a stop; tests/cli and tests/train stop runs and go on.

`make test` shortens training to a few steps: an option is added to the command, the rest is as typed. The slow test runs every line as it
stands, in a shell.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tenuto.cli import app

ROOT = Path(__file__).resolve().parent.parent
PAGES = ("README.md", "docs/TRAINING.md")
CONSOLE = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)
# Added to a command so that it takes a moment; the last of two equal options counts.
SHORTER = {
    "fit": ["--max-steps", "2", "--hidden-size", "8"],
    "tune": ["--trials", "1", "--max-steps", "2", "--hidden-size", "8"],
    "generate": ["--length", "20"],
}
GOING_ON = {"fit": [], "tune": ["--trials", "2"]}  # with --resume or --from, where options stand already
ELSEWHERE = {"make": "a test of its targets", "pip": "test_packaging.py", "accelerate": "needs two GPUs"}  # what is not run here: who looks after it


def lines_of(page: str) -> Iterator[str]:
    """The commands of a page in their order, without what stands behind `#`."""
    for block in CONSOLE.findall((ROOT / page).read_text(encoding="utf-8")):
        yield from (line[2:].partition(" #")[0].strip() for line in block.splitlines() if line.startswith("$ "))


def shortened(words: list[str]) -> list[str]:
    """The words behind `tenuto` with what makes them quick."""
    known = GOING_ON if {"--resume", "--from"} & set(words) and "--cell" not in words else SHORTER
    return [*words, *known.get(words[0], [])]


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The part of a clone that the commands read, as the current folder."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("page", PAGES)
def test_each_command_runs(page: str, clone: Path) -> None:
    ran = 0
    for line in lines_of(page):
        words = shlex.split(line)
        if words[0] != "tenuto":
            assert words[0] in ELSEWHERE or "torchrun" in words, f"nobody tries {line!r}"
            continue
        result = CliRunner().invoke(app, shortened(words[1:]))
        assert result.exit_code == 0, f"{line}\n{result.output}\n{result.exception!r}"
        ran += 1
    assert ran > 5
    assert all((run / "report.html").is_file() for run in (clone / "runs").iterdir() if (run / "model.safetensors").exists())


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("page", PAGES)
def test_each_command_runs_as_it_stands(page: str, clone: Path) -> None:
    programs = clone / "bin"
    programs.mkdir()
    for name, module in (("tenuto", "tenuto.cli"), ("torchrun", "torch.distributed.run")):
        (programs / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" -m {module} "$@"\n', encoding="utf-8")
        (programs / name).chmod(0o755)
    environment = {**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(ROOT / "src")}
    for line in lines_of(page):
        if shlex.split(line)[0] not in ELSEWHERE:
            result = subprocess.run(line, shell=True, cwd=clone, env=environment, capture_output=True, text=True, check=False)
            assert result.returncode == 0, f"{line}\n{result.stdout}\n{result.stderr}"
