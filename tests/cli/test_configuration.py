"""Configuration files: a run's own file repeats the run, a typed option overrides it, a wrong name is refused."""

from tests.cli.test_commands import SMALL, run, write_table


def test_a_run_is_repeated_from_its_configuration(tmp_path):
    write_table(tmp_path / "walks.csv")
    run("fit", "classify", tmp_path / "walks.csv", "-o", tmp_path / "a", *SMALL)
    run("fit", "--from", tmp_path / "a", "-o", tmp_path / "b", "-q")
    run("fit", "--config", tmp_path / "a" / "config.toml", "-o", tmp_path / "c", "-q", "--epochs", "1")
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in "abc"]
    assert weights[0] == weights[1] and weights[0] != weights[2]
    assert (tmp_path / "a" / "config.toml").read_text() == (tmp_path / "b" / "config.toml").read_text()
    assert not (tmp_path / "a" / "unfinished").exists()
    assert "has nothing to go on from" in run("fit", "--resume", tmp_path / "a", code=1).stderr


def test_a_wrong_name_is_refused(tmp_path):
    (tmp_path / "mine.toml").write_text('task = "classify"\ndata = "x.csv"\n[network]\nhiden_size = 4\n')
    assert "hidden_size?" in run("fit", "--config", tmp_path / "mine.toml", code=1).stderr
