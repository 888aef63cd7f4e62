"""Files that are damaged or made to do harm: each ends in a result or in one of our errors, in bounded time and memory, with a short message."""

import json
import os
import resource
import shutil
import struct
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest

from tenuto.data import read_labelled_text, read_pairs, read_sequences
from tenuto.data.text import read_text
from tenuto.errors import DataError, RunError, TenutoError
from tenuto.files import parse_json, read_json
from tenuto.report import build_report
from tenuto.runs.folder import digest_of, read_run
from tenuto.tasks import SequenceClassifier
from tests.cli.test_commands import run as command

HERE = Path(__file__).resolve().parent
BEFORE = HERE.parent / "tasks" / "before"
DIGITS, DEEP = "9" * 5_000, "[" * 100_000


def spoiled(folder, count, seed):
    """What went wrong in reading `count` spoiled files, in a process of limited memory."""
    folder.mkdir()
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "NO_COLOR": "1"}
    done = subprocess.run([sys.executable, HERE / "run_files.py", folder, str(count), str(seed)], capture_output=True, text=True, env=environment)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0 and lines and lines[-1] == {"done": count}, done.stderr[-2_000:]
    return lines[:-1]


def test_sixty_spoiled_files(tmp_path):
    assert spoiled(tmp_path / "files", 60, 0) == []


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_two_thousand_spoiled_files(tmp_path):
    assert [line for seed in range(4) for line in spoiled(tmp_path / str(seed), 500, 100 + seed)] == []


# --- runs ------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path):
    """A run folder of a classifier."""
    shutil.copytree(BEFORE / "classify", tmp_path / "run")
    (tmp_path / "run" / "expected.json").unlink()
    return tmp_path / "run"


def seal(folder, **changes):
    """Write config.json with these changes and the digests of the files as they are, as anybody can."""
    import hashlib

    config = json.loads((folder / "config.json").read_text())
    config.update(changes)
    for name, known in config["files"].items():
        known["sha256"] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    del config["sha256"]
    (folder / "config.json").write_text(json.dumps({**config, "sha256": digest_of(config)}))


def told(call, kind=TenutoError):
    """The error's message; it must be short."""
    with pytest.raises(kind) as caught:
        call()
    assert len(str(caught.value)) < 2_000 and max(map(len, str(caught.value).splitlines())) < 1_100
    return str(caught.value)


@pytest.mark.parametrize("text", [DIGITS, DEEP, '{"a":' * 3_000, '"\\ud800"', "1e400", "NaN", "[" * 200 + "]" * 200], ids=lambda text: text[:6])
def test_json_that_no_run_has_is_refused_wherever_it_stands(folder, text, tmp_path):
    with pytest.raises(ValueError, match="nested|digits|finite|surrogate|NaN|JSON|Expecting"):
        parse_json(text)
    (tmp_path / "a.json").write_text(text)
    told(lambda: read_json(tmp_path / "a.json"), RunError)
    for name, found in (("metrics.jsonl", f'{{"epoch": {text}}}\n'), ("evaluation.json", f'{{"task": {text}}}')):
        kept = (folder / name).read_text()
        (folder / name).write_text(found)
        seal(folder)
        for call in (lambda: read_run(folder), lambda: build_report(folder), lambda: SequenceClassifier.load(folder)):
            assert name in told(call, RunError)
        (folder / name).write_text(kept)
    (folder / "config.json").write_text(f'{{"format": {text}}}')
    for call in (lambda: read_run(folder), lambda: build_report(folder), lambda: SequenceClassifier.load(folder)):
        assert "config.json" in told(call, RunError)
    search = tmp_path / "search"
    search.mkdir()
    (search / "search.json").write_text(f'{{"format": {text}}}')
    assert "search.json" in told(lambda: build_report(search), RunError)


def test_a_page_says_what_a_run_lacks(folder):
    whole = json.loads((folder / "evaluation.json").read_text())
    for key in whole:
        (folder / "evaluation.json").write_text(json.dumps({name: value for name, value in whole.items() if name != key}))
        seal(folder)
        try:
            build_report(folder)
        except RunError as error:
            assert "lacks something that its report shows" in str(error)
    config = json.loads((folder / "config.json").read_text())
    config.pop("sha256")
    for known in ({}, {"size_bytes": 3}, {"sha256": 3, "size_bytes": 3}, None, 5):
        config["files"]["model.safetensors"] = known
        (folder / "config.json").write_text(json.dumps({**config, "sha256": digest_of(config)}))
        assert "digest and the size of each file" in told(lambda: build_report(folder), RunError)


def test_a_search_that_lacks_something_or_is_not_ours_is_named(tmp_path):
    whole = json.loads((HERE.parent / "runs" / "before" / "search.json").read_text())
    for key in whole:
        for value in (None, 3, "x", [], {}, [3], {"a": 3}):
            (tmp_path / "search.json").write_text(json.dumps({**whole, key: value}))
            try:
                build_report(tmp_path)
            except TenutoError as error:
                assert str(tmp_path) in str(error)


@pytest.mark.parametrize("change", [{"hidden_size": 10**9}, {"hidden_size": 20_000}, {"num_layers": 10**7}, {"num_layers": 2**70}, {"hidden_size": "x"}, {"num_layers": []}])
def test_a_run_that_claims_a_huge_network_takes_no_memory(folder, change):
    options = json.loads((folder / "config.json").read_text())["options"]
    seal(folder, options={**options, **change})
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    told(lambda: SequenceClassifier.load(folder), TenutoError)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000 and time.perf_counter() - began < 10


def test_only_a_runs_own_files_are_opened(folder):
    config = json.loads((folder / "config.json").read_text())
    seal(folder)
    files = json.loads((folder / "config.json").read_text())["files"]
    seal_files = {**files, "../../../../../../etc/hostname": {"sha256": "0" * 64, "size_bytes": 1}}
    config = json.loads((folder / "config.json").read_text())
    config.pop("sha256")
    config["files"] = seal_files
    (folder / "config.json").write_text(json.dumps({**config, "sha256": digest_of(config)}))
    SequenceClassifier.load(folder)  # its digest is not asked for


# --- data ------------------------------------------------------------------------------------------------------------------


def archive(path, **headers):
    """An .npz file with two good arrays and some whose headers claim what they like: name=(descr, shape), and 16 bytes of numbers."""
    np.savez(path, values=np.ones((3, 1)), lengths=np.array([1, 2]))
    with zipfile.ZipFile(path, "a") as file:
        for name, (kind, shape) in headers.items():
            header = f"{{'descr': {kind}, 'fortran_order': False, 'shape': {shape}}}\n".encode()
            file.writestr(f"{name}.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + bytes(16))
    return path


@pytest.mark.parametrize("shape", ["(1000000000000,)", "(2000000000, 2)", "(-1,)", "(3,)", "(1000000, 1000000, 1000000, 1000000)", "(" * 100, DIGITS, "'x'", "(" * 9_000])
@pytest.mark.parametrize("kind", ["'<f8'", "'<U1000000'"])
def test_an_array_that_claims_more_than_there_is_takes_no_memory(tmp_path, shape, kind):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert "cannot be read" in told(lambda: read_sequences(archive(tmp_path / "a.npz", labels=(kind, shape))), DataError)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000


def test_an_array_that_is_not_asked_for_is_not_read(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", values=np.ones((3, 1)), lengths=np.array([1, 2]), more=np.zeros(20_000_000), labels=np.zeros(20_000_000, dtype=np.int64))
    assert (tmp_path / "a.npz").stat().st_size < 2**20
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    from tenuto.data.sequences.npz import read_npz

    assert len(read_npz(tmp_path / "a.npz", labels=False)["all"]) == 2
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000
    assert read_sequences(archive(tmp_path / "b.npz", more=("'|O'", "(2,)"), other=("'<f8'", "(1000000000000,)"))).lengths.tolist() == [1, 2]


def test_parquet_whose_text_is_not_utf8_is_named(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    table = pyarrow.table({"text": ["WXYZ", "b"], "id": ["a", "a"], "x": [1, 2], "label": ["WXYZ", "WXYZ"]})
    parquet.write_table(table, tmp_path / "a.parquet", compression="none", use_dictionary=False)
    content = (tmp_path / "a.parquet").read_bytes()
    (tmp_path / "a.parquet").write_bytes(content.replace(b"WXYZ", b"W\xe9\xff\xfe"))
    for read in (read_text, read_labelled_text, read_sequences):
        assert "a.parquet" in told(lambda read=read: read(tmp_path / "a.parquet"), DataError)


@pytest.mark.parametrize(
    ("name", "text", "read"),
    [
        ("a.ts", f"@dimensions {DIGITS}\n@classLabel true a\n@data\n1,2:a\n", read_sequences),
        ("a.ts", f"@equalLength true\n@seriesLength {DIGITS}\n@classLabel true a\n@data\n1,2:a\n", read_sequences),
        ("a.ts", "@dimensions ²\n@classLabel true a\n@data\n1,2:a\n", read_sequences),
        ("a.ts", f"@timeStamps true\n@classLabel true a\n@data\n({DIGITS},2):a\n", read_sequences),
        ("a.ts", f"@timeStamps true\n@classLabel true a\n@data\n({' ' * 20_000}:a\n", read_sequences),
        ("a.csv", f"id,time,x\na,{DIGITS},1\na,{DIGITS}1,2\n", read_sequences),
        ("a.csv", f"id,x\na,{DIGITS}\n", read_sequences),
        ("a.csv", f"id,{'x' * 10_000}\na,b\n", read_sequences),
        ("a.csv", f"{'word ' * 2_000},{'x' * 10_000}\n1,2\n", read_sequences),
        ("a.csv", f"id,x,label\na,1,{'u' * 10_000}\na,2,{'v ' * 5_000}\n", read_sequences),
        ("a.jsonl", f'{{"text": "a", "label": {DIGITS}}}\n', read_labelled_text),
        ("a.jsonl", f'{{"text": "a", "label": {"9" * 400}}}\n', read_labelled_text),
        ("a.jsonl", f'{{"text": "a", "label": {"9" * 4_000}}}\n{{"text": "b", "label": 1}}\n', read_labelled_text),
        ("a.jsonl", '{"text": "a\\ud800", "label": "u"}\n', read_labelled_text),
        ("a.jsonl", '{"text": "a\\udfff"}\n', read_text),
        ("a.jsonl", f'{{"source": "a", "target": {DEEP}', read_pairs),
        ("a.jsonl", '{"source": "a", "target": "\\ud800"}\n', read_pairs),
        ("a.jsonl", f'{{"{"k" * 10_000}": 1}}\n', read_text),
    ],
)
def test_hostile_text_is_refused_or_read_soon_and_the_message_is_short(tmp_path, name, text, read):
    (tmp_path / name).write_text(text)
    began = time.perf_counter()
    try:
        read(tmp_path / name)
    except DataError as error:
        assert len(str(error)) < 2_000
    assert time.perf_counter() - began < 10


def test_what_a_message_quotes_is_cut():
    for long in ("x" * 10_000, "word " * 2_000, "\u00e9" * 10_000):
        error = DataError(f"there is no column {long!r}.", expected=long, received=repr(long), fix="mend it")
        assert max(map(len, str(error).splitlines())) < 1_100 and str(error).endswith("mend it") and str(error).startswith("there is no column")
    path = "/".join(["a long name of a folder" * 8] * 4)  # a path is said whole
    assert path in str(DataError(f"there is no file {path}."))


# --- configurations ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [f"hidden_size = {DIGITS}", f'hidden_size = "{"x" * 10_000}"', f"hidden_size = {DEEP}", "hidden_size = [1, 2]", "hidden_size = nan", "hidden_size = 1e400", "hidden_size = {a = 1}",
     "hidden_size = 1979-05-27", "hidden_size = true", "data = 3", 'data = "a\\u0000b"', f"{'k' * 10_000} = 1", f'cell = "{"x" * 10_000}"', f'id_column = "{"x" * 4_000}"'],
    ids=lambda line: line[:20],
)  # fmt: skip
def test_a_hostile_configuration_is_refused_in_words(tmp_path, line):
    (tmp_path / "a.toml").write_text(f'task = "classify"\ndata = "{tmp_path / "none.csv"}"\n{line}\n' if not line.startswith("data") else f'task = "classify"\n{line}\n')
    said = command("fit", "--config", tmp_path / "a.toml", "-o", tmp_path / "new", code=1).stderr
    assert len(said) < 3_000 and "Traceback" not in said and not (tmp_path / "new").exists()


def test_columns_that_a_run_keeps_are_checked(folder):
    (folder.parent / "walks.csv").write_text("id,x,label\na,1,u\n")
    for value in ("3", "[1]", "true", "1979-05-27"):
        (folder / "config.toml").write_text(f"id_column = {value}\n")
        assert "id_column" in command("score", folder, folder.parent / "walks.csv", code=1).stderr


