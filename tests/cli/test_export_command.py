"""`tenuto export`: a run's model as files beside it, and errors that say what to type."""

from tenuto.cli.export import TARGETS
from tenuto.export import TARGETS as KNOWN
from tests.cli.command import run
from tests.explain.models import fitted


def test_the_help_names_every_target():
    assert sorted(TARGETS.split(", ")) == sorted(KNOWN)


def test_a_run_is_exported_beside_it(tmp_path):
    model, _ = fitted("text")
    model.save(tmp_path / "run")
    result = run("export", tmp_path / "run", "--to", "torch")
    assert result.exit_code == 0, result.output
    assert "sequence: sequence.pt2, " in result.output and "no graph of one step: the encoder reads in both directions" in result.output
    assert "outside     numbers: " in result.output
    assert (tmp_path / "run-torch" / "export.json").is_file()
    again = run("export", tmp_path / "run", "--to", "torch")
    assert again.exit_code == 1 and "--overwrite" in again.output
    assert run("export", tmp_path / "run", "--to", "onxx").exit_code == 1
    wrong = run("export", tmp_path, "--to", "torch")
    assert wrong.exit_code == 1 and "Traceback" not in wrong.output
    assert {path.name for path in tmp_path.iterdir()} == {"run", "run-torch"}
