"""Each command that README and the guides show is run, in a folder that has the examples and nothing else.

In a block ```` ```console interrupted ```` the first command is stopped with Ctrl-C while it trains, and the second goes on.
(That a killed run goes on in the same way is tested by tests/cli/test_resume.py.)

`make test` shortens training to a few steps: it adds options to a command and leaves the rest as printed. The slow test runs each line as it
is printed, in a shell.
"""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from tenuto.cli import app
from tenuto.cli.progress import ProgressBar
from tenuto.files import read_tensors

ROOT = Path(__file__).resolve().parent.parent
PAGES = ("README.md", "docs/TRAINING.md")
CONSOLE = re.compile(r"^```console *(.*?)\n(.*?)^```", re.MULTILINE | re.DOTALL)
INTERRUPTED = "interrupted"  # what follows "console" where the first command is stopped
# Added to a command so that it takes a moment; the last of two equal options counts.
SHORTER = {
    "fit": ["--max-steps", "2", "--hidden-size", "8"],
    "tune": ["--trials", "1", "--max-steps", "2", "--hidden-size", "8"],
    "compare": ["--max-steps", "2", "--hidden-size", "8"],
    "generate": ["--length", "20"],
    "distill": ["--max-steps", "2"],
    "compress": ["--max-drop", "100%"],  # of a network that was hardly trained
}
GOING_ON = {"fit": [], "tune": ["--trials", "2"]}  # with --resume or --from, which bring their options along
ELSEWHERE = {"make": "a test of its targets", "pip": "test_packaging.py", "accelerate": "needs two GPUs"}  # commands that are not run here, and why or by whom instead


def blocks_of(page: str) -> Iterator[tuple[str, list[str]]]:
    """Each block of commands: what follows "console", and its commands without the comments."""
    for note, block in CONSOLE.findall((ROOT / page).read_text(encoding="utf-8")):
        assert note in ("", INTERRUPTED), f"nobody runs the blocks of {page} that are marked {note!r}"
        yield note, [line[2:].partition(" #")[0].strip() for line in block.splitlines() if line.startswith("$ ")]


def lines_of(page: str) -> Iterator[str]:
    """The commands of a page in their order, except those around an interruption."""
    for note, lines in blocks_of(page):
        yield from lines if note != INTERRUPTED else ()


def shortened(words: list[str]) -> list[str]:
    """The words after `tenuto`, and options that make the command quick."""
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


def test_an_interrupted_run_goes_on_to_the_same_weights(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = [lines for page in PAGES for note, lines in blocks_of(page) if note == INTERRUPTED]
    assert blocks
    for stopped, resumed in blocks:
        words = shlex.split(stopped)[1:]
        run, options = Path(words[words.index("--out") + 1]), ["--max-steps", "4", "--validate-every", "1", "--hidden-size", "8"]
        with monkeypatch.context() as patch:
            patch.setattr(ProgressBar, "step_ended", lambda self, **step: signal.raise_signal(signal.SIGINT) if step["step"] == 2 else None)
            result = CliRunner().invoke(app, [*words, *options])
        assert result.exit_code == 0, result.output
        assert resumed in result.output, "the command says what the page says"
        result = CliRunner().invoke(app, shlex.split(resumed)[1:])
        assert result.exit_code == 0, result.output
        assert CliRunner().invoke(app, [*words, *options, "--out", "runs/whole"]).exit_code == 0
        torch.testing.assert_close(read_tensors(run / "model.safetensors"), read_tensors(Path("runs/whole/model.safetensors")), rtol=0, atol=0)


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
