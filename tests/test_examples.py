"""Every example runs, in its small form, and its docstring says what it prints and how long it takes."""

import ast
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = sorted((Path(__file__).resolve().parent.parent / "examples").glob("*.py"))
OWN_PROCESS = {"keras_sequential.py", "ray_train.py"}  # Keras chooses its backend once in a process; Ray starts other processes
SLOW = {"ray_train.py"}

# What each must print; an example without an entry here fails.
SAYS = {
    "classify.py": ("right: ", "with probability", "report.html"),
    "explain_own_cell.py": ("on the two marked steps", "explain_own_cell.html"),
    "explain_series.py": ("largest contribution in the bump", "with random weights", "explain_series.html"),
    "explain_text.py": ("because of", "explain_text.html"),
    "irregular.py": ("gru-d: ", "of 200 new stays"),
    "keras_sequential.py": ("Epoch 10/10", "LSTM"),
    "language_model.py": ("bits a character", "ROMEO:"),
    "own_cell.py": ("Summing()", "mean squared error"),
    "ray_train.py": ("2 workers, ",),
    "regress.py": ("R² on new recordings", "inside the 80 % interval"),
    "seq2seq.py": ("of 50 numbers",),
    "streaming.py": ("microseconds a step", "after the stop, the same:"),
    "tagging.py": ("span F1", "intent"),
    "text_classification.py": ("of 150 unseen sentences",),
    "torch_drop_in.py": ("largest difference, gradients", "cpp"),
}


@pytest.mark.parametrize("example", [pytest.param(path, id=path.name, marks=[pytest.mark.slow] * (path.name in SLOW)) for path in EXAMPLES])
def test_examples_run(example: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)  # files that an example writes go there
    if example.name in OWN_PROCESS:
        environment = {**os.environ, "PYTHONWARNINGS": "default"}
        result = subprocess.run([sys.executable, example, "--small"], env=environment, capture_output=True, text=True, timeout=240, check=False)
        assert result.returncode == 0, result.stderr
        said = result.stdout
    else:
        monkeypatch.setattr(sys, "argv", [str(example), "--small"])
        runpy.run_path(str(example), run_name="__main__")
        said = capsys.readouterr().out
    for words in SAYS[example.name]:
        assert words in said


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_examples_are_short_and_say_what_they_do(example: Path) -> None:
    text = example.read_text(encoding="utf-8")
    document = ast.get_docstring(ast.parse(text)) or ""
    assert "rints" in document and "Takes" in document, "an example says what it prints and how long it takes"
    assert text.count("\n") < 80
