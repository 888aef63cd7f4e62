"""Files of every format, through the commands: trained on, answered row by row with their ids, scored; and the options that say how a file is written are kept."""

import csv
import gzip
import io
import json

import numpy as np

from tenuto.cli.configuration import read_toml
from tests.cli.test_commands import run

SMALL = ["--epochs", "1", "--hidden-size", "4", "--quiet", "--seed", "0"]
random = np.random.default_rng(0)
SERIES = [(label, (random.normal(size=4) + (3 if label == "1" else -3)).round(3).tolist()) for label in "1212121212121212"]


def answers(folder, path, *words):
    return list(csv.DictReader(io.StringIO(run("predict", folder, path, *words).stdout)))


def checked(folder, path, count, *words, ids=None):
    """The answers for the rows of a file, one for each and in their order, and the file is scored too."""
    found = answers(folder, path, *words)
    assert [row["id"] for row in found] == (ids or [str(number) for number in range(count)])
    assert all(row["predicted"] for row in found)
    assert json.loads(run("score", folder, path, "--json", *words).stdout)
    return [row["predicted"] for row in found]


def lines(rows, separator):
    return "".join(separator.join(map(str, row)) + "\n" for row in rows)


def series_files(folder):
    """The same set in every format that holds one row for each sequence: its path by name."""
    wide = [["label", *(f"t{step}" for step in range(4))], *([label, *values] for label, values in SERIES)]
    (folder / "wide.csv").write_text(lines(wide, ","))
    (folder / "wide.csv.gz").write_bytes(gzip.compress(lines(wide, ",").encode()))
    (folder / "ucr.tsv").write_text(lines(wide[1:], "\t"))
    (folder / "old.txt").write_text(lines([[f"  {float(cell):.7e}" for cell in row] for row in wide[1:]], "  "))
    steps = "".join(f"@attribute att{step} numeric\n" for step in range(4))
    (folder / "one.arff").write_text("@relation one\n" + steps + "@attribute class {1,2}\n@data\n" + lines([[*values, label] for label, values in SERIES], ","))
    inside = "@relation one\n@attribute all relational\n" + steps + "@end all\n@attribute class {1,2}\n@data\n"
    (folder / "inside.arff").write_text(inside + "".join(f"'{','.join(map(str, values))}',{label}\n" for label, values in SERIES))
    (folder / "one.ts").write_text("@classLabel true 1 2\n@data\n" + "".join(f"{','.join(map(str, values))}:{label}\n" for label, values in SERIES))
    x, y = np.array([values for _, values in SERIES]), np.array([label for label, _ in SERIES])
    np.savez(folder / "keras.npz", x_test=x, y_test=y)
    return [folder / name for name in ("one.ts", "wide.csv", "wide.csv.gz", "ucr.tsv", "old.txt", "one.arff", "inside.arff", "keras.npz")]


def test_series(tmp_path):
    files = series_files(tmp_path)
    run("fit", "classify", tmp_path / "ucr.tsv", "--out", tmp_path / "run", *SMALL)
    found = [checked(tmp_path / "run", path, len(SERIES)) for path in files]
    assert all(one == found[0] for one in found)
    np.savez(tmp_path / "parts.npz", **{f"{side}_{part}": value for part in ("train", "test") for side, value in (("x", np.array([v for _, v in SERIES])[:, :, None]), ("y", [[int(label)] for label, _ in SERIES]))})
    for number, path in enumerate([*files[:-1], tmp_path / "parts.npz"]):
        run("fit", "classify", path, "--out", tmp_path / f"run{number}", *SMALL)
    assert json.loads((tmp_path / "run7" / "evaluation.json").read_text())["results"]["test"]


def test_which_column_is_the_class_is_kept(tmp_path):
    (tmp_path / "a.csv").write_text(lines([[*values, label] for label, values in SERIES], ","))
    refused = run("fit", "classify", tmp_path / "a.csv", "--out", tmp_path / "run", *SMALL, code=1)
    assert "--label-column 0 for the first, --label-column -1 for the last" in refused.stderr and not (tmp_path / "run").exists()
    run("fit", "classify", tmp_path / "a.csv", "--label-column", "-1", "--out", tmp_path / "run", *SMALL)
    checked(tmp_path / "run", tmp_path / "a.csv", len(SERIES))
    (tmp_path / "b.csv").write_text(lines([values for _, values in SERIES], ","))
    assert len(answers(tmp_path / "run", tmp_path / "b.csv", "--label-column", "none")) == len(SERIES)


def test_how_a_long_table_is_written_is_kept(tmp_path):
    rows = [f"s{number};{step},5;{value};{'ü' if label == '1' else 'v'}\n".replace(".", ",") for number, (label, values) in enumerate(SERIES) for step, value in enumerate(values)]
    (tmp_path / "a.csv").write_bytes(("id;time;x;label\n" + "".join(rows)).encode("cp1252"))
    told = ["--separator", ";", "--decimal", ",", "--encoding", "cp1252"]
    run("fit", "classify", tmp_path / "a.csv", *told, "--out", tmp_path / "run", *SMALL)
    kept = {name: value for table in read_toml(tmp_path / "run" / "config.toml").values() if isinstance(table, dict) for name, value in table.items()}
    assert (kept["separator"], kept["decimal"], kept["encoding"], kept["header"], kept["table"]) == (";", ",", "cp1252", "auto", "auto")
    ids = [f"s{number}" for number in range(len(SERIES))]
    first = checked(tmp_path / "run", tmp_path / "a.csv", 0, ids=ids)
    (tmp_path / "b.csv").write_text(("id|time|x|label\n" + "".join(rows).replace(";", "|")).replace(",", "."), encoding="utf-16")
    typed = ["--separator", "|", "--decimal", ".", "--encoding", "utf-16"]
    assert checked(tmp_path / "run", tmp_path / "b.csv", 0, *typed, ids=ids) == first
    run("tune", "classify", tmp_path / "a.csv", *told, "--out", tmp_path / "search", "--trials", "1", "--epochs", "1", "--quiet")
    assert (tmp_path / "search" / "search.json").is_file()
    for wrong, word in ((["--separator", "::"], "--separator ::"), (["--decimal", "x"], "--decimal x"), (["--encoding", "klingon"], "--encoding klingon"), (["--header", "perhaps"], "--header perhaps"), (["--table", "broad"], "--table broad")):
        assert word in run("fit", "classify", tmp_path / "a.csv", *told, *wrong, "--out", tmp_path / "new", code=1).stderr
    assert not (tmp_path / "new").exists()


TEXTS = [("good" if number % 2 else "bad", f"film {number} {'fine' if number % 2 else 'long'}") for number in range(16)]


def test_texts(tmp_path):
    files = {
        "a.tsv": lines(TEXTS, "\t"),
        "ft.txt": "".join(f"__label__{label} {text}\n" for label, text in TEXTS),
        "a.json": json.dumps({"data": [{"text": text, "label": label} for label, text in TEXTS]}, indent=1),
        "a.csv": "text,label\n" + lines([(text, label) for label, text in TEXTS], ","),
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
        (tmp_path / f"{name}.gz").write_bytes(gzip.compress(text.encode()))
    for number, name in enumerate(files):
        run("fit", "text", tmp_path / name, "--out", tmp_path / f"run{number}", *SMALL)
    found = []
    for name in (*files, *(f"{name}.gz" for name in files)):
        ids = [str(number + 1) for number in range(16)] if "ft" in name else None
        found.append(checked(tmp_path / "run0", tmp_path / name, 16, ids=ids))
    assert all(one == found[0] for one in found)
    (tmp_path / "nested.json").write_text(json.dumps([{"id": f"n{number}", "review": {"body": text, "topic": label}} for number, (label, text) in enumerate(TEXTS)]))
    keys = ["--text-column", "review.body", "--label-column", "review.topic"]
    run("fit", "text", tmp_path / "nested.json", *keys, "--out", tmp_path / "nested", *SMALL)
    checked(tmp_path / "nested", tmp_path / "nested.json", 0, ids=[f"n{number}" for number in range(16)])
    (tmp_path / "few.tsv").write_text("film 1 fine\nfilm 2 long\n")
    assert "--header no" in run("predict", tmp_path / "run0", tmp_path / "few.tsv", code=1).stderr
    assert len(answers(tmp_path / "run0", tmp_path / "few.tsv", "--header", "no")) == 2
    assert "does not take --decimal" in run("predict", tmp_path / "run0", tmp_path / "few.tsv", "--decimal", ",", code=1).stderr


def test_pairs(tmp_path):
    pairs = [(f"{'ab' * (number % 3 + 1)}{number % 4}", str(number % 4)) for number in range(16)]
    (tmp_path / "a.csv").write_text("n,target,source\n" + lines([(0, target, source) for source, target in pairs], ","))
    (tmp_path / "a.json").write_text(json.dumps([{"source": source, "target": target} for source, target in pairs]))
    parallel = tmp_path / "set"
    parallel.mkdir()
    for part in ("train", "valid", "test"):
        (parallel / f"{part}.de").write_text(lines([[source] for source, _ in pairs], ""))
        (parallel / f"{part}.en.gz").write_bytes(gzip.compress(lines([[target] for _, target in pairs], "").encode()))
    assert "there is no file" in run("fit", "translate", parallel, "--parallel", "de=en", "--out", tmp_path / "run", *SMALL, code=1).stderr
    for part in ("train", "valid", "test"):
        (parallel / f"{part}.en").write_bytes(gzip.decompress((parallel / f"{part}.en.gz").read_bytes()))
    run("fit", "translate", parallel, "--parallel", "de=en", "--out", tmp_path / "run", *SMALL)
    by_line = [f"line {number + 1}" for number in range(16)]
    for path, words, ids in (
        (parallel / "test.de", [], by_line),
        (parallel, ["--split", "validation"], by_line),
        (tmp_path / "a.csv", [], [f"line {number + 2}" for number in range(16)]),
        (tmp_path / "a.json", ["--parallel", ""], [f"line 1, item {number + 1}" for number in range(16)]),
    ):
        found = answers(tmp_path / "run", path, *words)
        assert [row["id"] for row in found] == ids and [row["source"] for row in found] == [source for source, _ in pairs]
        assert json.loads(run("score", tmp_path / "run", path, "--json", *words).stdout)["sources"]
    for number, path in enumerate((tmp_path / "a.csv", tmp_path / "a.json")):
        run("fit", "translate", path, "--out", tmp_path / f"run{number}", *SMALL)
    assert len(answers(tmp_path / "run", tmp_path / "a.csv")) == 16  # its name is none of two files'
    run("fit", "translate", tmp_path / "a.csv", "--source-column", "target", "--target-column", "source", "--unknown", "symbol", "--out", tmp_path / "turned", *SMALL)
    assert [row["source"] for row in answers(tmp_path / "turned", tmp_path / "a.csv")] == [target for _, target in pairs]


def test_language_and_tags(tmp_path):
    (tmp_path / "a.csv").write_bytes("body;n\n".encode("latin-1") + "".join(f"to be ü {number};0\n" for number in range(12)).encode("latin-1"))
    told = ["--separator", ";", "--encoding", "latin-1", "--text-column", "body"]
    run("fit", "language", tmp_path / "a.csv", *told, "--out", tmp_path / "run", *SMALL)
    assert json.loads(run("score", tmp_path / "run", tmp_path / "a.csv", "--json").stdout)
    (tmp_path / "t.csv").write_text("word,tag\n" + "play,O\njazz,B-music\n\n" * 12)
    run("fit", "tag", tmp_path / "t.csv", "--separator", ",", "--header", "yes", "--out", tmp_path / "tags", *SMALL)
    assert len(answers(tmp_path / "tags", tmp_path / "t.csv")) == 12


def test_triplets(tmp_path):
    """Under other names, without an observation, and with a variable that is not there when the model predicts; the run keeps how its files are read."""
    rows = [("stay", "hour", "what", "result", "fate")]
    rows += [(f"s{number}", hour, what, value, label) for number, (label, values) in enumerate(SERIES) for hour, what, value in zip((0, 1.5, 1.5, 7), ("Na", "HR", "Na", "HR"), values)]
    rows.append(("nothing", "", "", "", "1"))
    (tmp_path / "stays.csv").write_text(lines(rows, ","))
    (tmp_path / "later.csv").write_text(lines([rows[0][:4], ("late", 3, "Na", 2.5), ("nothing", "", "", "")], ","))
    words = ["--id-column", "stay", "--time-column", "hour", "--variable-column", "what", "--value-column", "result", "--label-column", "fate"]
    run("fit", "classify", tmp_path / "stays.csv", *words, "--cell", "gru-d", "--out", tmp_path / "run", *SMALL)
    checked(tmp_path / "run", tmp_path / "stays.csv", 17, ids=[*(f"s{number}" for number in range(16)), "nothing"])
    assert [row["id"] for row in answers(tmp_path / "run", tmp_path / "later.csv")] == ["late", "nothing"]
    run("fit", "classify", tmp_path / "stays.csv", *words, "--observed", "mask,gap", "--missing", "forward", "--out", tmp_path / "plain", *SMALL)
    assert json.loads((tmp_path / "plain" / "config.json").read_text())["preprocessing"]["beside"] == ["mask", "recency"]
