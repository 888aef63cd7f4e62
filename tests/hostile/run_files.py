"""Reads spoiled files, in a process whose memory is limited: each must give a result or one of our errors, soon, and with a short message.

    python run_files.py FOLDER COUNT SEED      makes COUNT files in FOLDER, reads each, and prints what went wrong, one JSON line each
"""

from __future__ import annotations

import gzip
import json
import random
import resource
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
import torch
from typer.testing import CliRunner

from tenuto.cli import app, fitting
from tenuto.data import Sides, read_conll, read_labelled_text, read_pairs, read_sequences, read_slots
from tenuto.data.sentences.vectors import read_vectors
from tenuto.data.text import read_text
from tenuto.errors import TenutoError
from tenuto.files import plain, write_tensors
from tenuto.report import build_report
from tenuto.runs.folder import digest_of
from tenuto.tasks import card_of
from tenuto.tasks.task import load
from tests.hostile import mutations
from tests.train import small_run

HERE = Path(__file__).resolve().parent
BEFORE = HERE.parent / "tasks" / "before"
SECONDS, MEMORY, LONGEST = 20, 1 << 30, 3_000


class TooLong(BaseException):
    """A file took more than its time."""


def data_files(folder: Path) -> dict[str, tuple[Path, Callable[[Path], Any]]]:
    """A small good file of each format of data, and what reads it."""
    folder.mkdir()
    made: dict[str, tuple[Path, Callable[[Path], Any]]] = {}

    def text(name: str, content: str, read: Callable[[Path], Any]) -> None:
        (folder / name).write_text(content, encoding="utf-8")
        made[name] = (folder / name, read)

    long = "id,time,a,b,label,split\n" + "".join(f"s{row // 3},{row % 3},{row}.5,{-row},{'xy'[row // 3 % 2]},train\n" for row in range(12))
    text("long.csv", long, read_sequences)
    text("long.tsv", long.replace(",", "\t"), read_sequences)
    text("plain.ts", "@problemName p\n@timeStamps false\n@univariate false\n@dimensions 2\n@equalLength true\n@seriesLength 3\n@classLabel true a b\n@data\n1,2,3:4,5,6:a\n1,?,3:4,5,6:b\n", read_sequences)
    text("timed.ts", "@timeStamps true\n@classLabel true a b\n@data\n(1,2.5),(2,3):(1,4),(3,5):a\n(2026-01-31,2),(2026-02-01,1):(2026-01-31,1):b\n", read_sequences)
    text("labelled.jsonl", '{"text": "a fine film", "label": "good", "id": 1}\n{"text": ["too", "long"], "label": "bad"}\n', read_labelled_text)
    text("labelled.csv", 'text,label\n"a fine, ""film""",good\ntoo long,bad\n', read_labelled_text)
    text("text.jsonl", '{"text": "to be"}\n{"text": "or not"}\n', read_text)
    text("plain.txt", "to be or not\nto be\n", read_text)
    text("pairs.tsv", "cat\tK AE T\ndog\tD AO G\n", read_pairs)
    text("pairs.jsonl", '{"source": "cat", "target": ["K", "AE", "T"]}\n{"source": "dog", "target": "D"}\n', read_pairs)
    text("tagged.conll", "EU NNP B-ORG\nrejects VBZ O\n\nGerman JJ B-MISC\ncall NN O\n", read_conll)
    text("tree.conllu", "# text = a b\n1\ta\t_\tDET\t_\t_\t2\tdet\t_\t_\n1-2\tab\t_\t_\t_\t_\t_\t_\t_\t_\n2\tb\t_\tNOUN\t_\t_\t0\troot\t_\t_\n\n", read_conll)
    text("wide.csv", "label,t0,t1,t2\nx,1.5,2,\ny,3,4,5\n", read_sequences)
    text("archive.tsv", "1\t0.5\t-0.25\tNaN\n2\t1.5\t0.5\t3\n", read_sequences)
    text("archive.txt", "  1.0e+00  5.0e-01  -2.5e-01\n  2.0e+00  1.5e+00  3.0e+00\n", read_sequences)
    text("one.arff", "% c\n@relation r\n@attribute 'a 0' numeric\n@attribute a1 real\n@attribute class {x,'y z'}\n@data\n1,2.5,x\n?,3,'y z'\n", read_sequences)
    text("inside.arff", "@relation r\n@attribute all relational\n@attribute a0 numeric\n@attribute a1 numeric\n@end all\n@attribute class {x,y}\n@data\n'1,2\\n3,?',x\n\"1,2\\n3,4\",y\n", read_sequences)
    text("items.json", '[{"a": {"text": "a fine film"}, "label": "good"},\n {"a": {"text": "too long"}, "label": "bad"}]', lambda path: read_labelled_text(path, text_column="a.text"))
    text("inside.json", '{"version": 1, "rows": [{"text": "a fine film"}, {"text": "too long"}]}', read_text)
    text("fasttext.txt", "__label__good a fine film\n__label__bad too long\n", read_labelled_text)
    text("headless.tsv", "ham\tgo on then\nspam\tfree entry in\nham\tok lar\n", read_labelled_text)
    text("pairs.csv", 'cat,"K, AE T"\ndog,D AO G\n', read_pairs)
    text("set.de", "ein Haus\nzwei\n", lambda path: read_pairs(path, sides=Sides(parallel="de=en")))
    (folder / "set.en").write_text("a house\ntwo\n")
    (folder / "long.csv.gz").write_bytes(gzip.compress(long.encode()))
    made["long.csv.gz"] = (folder / "long.csv.gz", read_sequences)
    text("vectors.txt", "2 3\ncat 1 2 3\ndog 4 5 6\n", read_vectors)
    (folder / "slots").mkdir()
    for name, content in {"seq.in": "play jazz\nstop\n", "seq.out": "O B-music\nO\n", "label": "play\nstop\n"}.items():
        (folder / "slots" / name).write_text(content)
        made[name] = (folder / "slots" / name, lambda path: read_slots(path.parent))
    np.savez(folder / "steps.npz", values=np.ones((6, 2)), lengths=np.array([2, 4]), labels=np.array(["a", "b"]), ids=np.array(["x", "y"]), split=np.array(["train", "test"]))
    np.savez_compressed(folder / "padded.npz", values=np.ones((2, 3, 2)), lengths=np.array([2, 3]), labels=np.array([0, 1]), more=np.ones(3))
    np.savez(folder / "parts.npz", x_train=np.ones((3, 1)), len_train=np.array([1, 2]), y_train=np.array([0, 1]), channels=np.array(["a"]))
    np.savez(folder / "keras.npz", x_train=np.ones((2, 3, 1), dtype=np.uint8), y_train=np.array([[0], [1]]), x_test=np.ones((2, 3)), y_test=np.array([0, 1]))
    for name in ("steps.npz", "padded.npz", "parts.npz", "keras.npz"):
        made[name] = (folder / name, read_sequences)
    import pyarrow
    import pyarrow.parquet

    for name, read in (("long.parquet", read_sequences), ("labelled.parquet", read_labelled_text)):
        columns = {"id": ["s", "s"], "time": [0, 1], "a": [1.5, 2.5], "label": ["x", "x"]} if "long" in name else {"text": ["a fine film", "long"], "label": ["good", "bad"]}
        pyarrow.parquet.write_table(pyarrow.table(columns), folder / name, compression="none", use_dictionary=False)
        made[name] = (folder / name, read)
    return made


def sealed(run: Path) -> None:
    """Give a run's config.json the digests of its files as they are now: whoever can change a file can do this."""
    import hashlib

    try:
        config = json.loads((run / "config.json").read_bytes())
        for name, known in config["files"].items():
            known["sha256"] = hashlib.sha256((run / name).read_bytes()).hexdigest()
        config.pop("sha256", None)
        config["sha256"] = digest_of(config)
        (run / "config.json").write_text(json.dumps(plain(config)), encoding="utf-8")
    except Exception:  # it is so bad that nobody can seal it
        return


def use_run(run: Path) -> None:
    """Load the run, ask it something, and make its page."""
    first: TenutoError | None = None
    try:
        known = json.loads((run / "expected.json").read_text())
        model = load(card_of(known["task"]).estimator).load(run)
        asked = known.get("asked", known["x"])
        model.predict([np.array(sequence) for sequence in asked] if known["task"] == "classify" else asked)
        if hasattr(model, "generate"):
            model.generate("do ", length=4, seed=1)
    except TenutoError as error:
        first = error
    build_report(run)
    if first is not None:
        raise first


def spoil_run(run: Path, chance: random.Random) -> str:
    """Spoil a file of the run, in most cases sealing it again; returns what was done."""
    name = chance.choice(["config.json", "config.json", "evaluation.json", "metrics.jsonl", "model.safetensors"])
    path = run / name
    if chance.random() < 0.25:
        path.write_bytes(mutations.spoiled(path.read_bytes(), chance))
    elif name == "model.safetensors":
        path.write_bytes(mutations.bent_tensors(path.read_bytes(), chance))
    elif name == "metrics.jsonl":
        lines = path.read_text().splitlines()
        place = chance.randrange(len(lines))
        lines[place] = mutations.json_text(mutations.bent(json.loads(lines[place]), chance))
        path.write_text("\n".join(lines) + "\n")
    else:
        path.write_text(mutations.json_text(mutations.bent(json.loads(path.read_text()), chance)), encoding="utf-8")
    sealed(run)
    return name


def spoil_data(path: Path, chance: random.Random) -> None:
    content = path.read_bytes()
    if path.suffix == ".npz" and chance.random() < 0.6:
        path.write_bytes(mutations.bent_archive(content, chance))
    elif path.suffix == ".json" and chance.random() < 0.6:
        path.write_text(mutations.json_text(mutations.bent(json.loads(content), chance)), encoding="utf-8", errors="surrogatepass")
    elif path.suffix == ".gz" and chance.random() < 0.6:
        path.write_bytes(gzip.compress(mutations.spoiled(gzip.decompress(content), chance)))
    elif path.suffix == ".jsonl" and chance.random() < 0.6:
        lines = content.decode().splitlines()
        place = chance.randrange(len(lines))
        lines[place] = mutations.json_text(mutations.bent(json.loads(lines[place]), chance))
        path.write_text("\n".join(lines), encoding="utf-8")
    else:
        path.write_bytes(mutations.spoiled(content, chance))


CONFIGURATION = """task = "classify"
data = "japanese_vowels"
id_column = "id"
[network]
cell = "lstm"
hidden_size = 4
num_layers = 1
[training]
epochs = 1
learning_rate = 0.01
seed = 3
[search]
hidden_size = [4, 8]
"""


def spoiled_toml(chance: random.Random) -> bytes:
    """A configuration with another value somewhere, or spoiled by chance."""
    if chance.random() < 0.4:
        return mutations.spoiled(CONFIGURATION.encode(), chance)
    lines = CONFIGURATION.splitlines()
    place = chance.choice([index for index, line in enumerate(lines) if "=" in line])
    values = [mutations.DIGITS, f'"{mutations.LONG}"', "[1, 2]", "true", "-1", "1e400", "nan", "1979-05-27", "{a = 1}", mutations.DEEP + "]" * 5_000, '""', "9223372036854775808", '["a"]', '"x.py:Y"', "{}"]
    lines[place] = lines[place].partition("=")[0] + "= " + chance.choice(values)
    return "\n".join(lines).encode()


def command(*words: Any) -> None:
    """A command: it ends with a result, with an error of ours, or with a complaint about how it was called."""
    result = CliRunner().invoke(app, [str(word) for word in words])
    if result.exit_code == 1 and isinstance(result.exception, SystemExit):
        raise TenutoError(result.stderr)
    if result.exit_code == 2 and isinstance(result.exception, SystemExit):
        raise TenutoError(result.stderr)
    if result.exit_code:
        raise result.exception or AssertionError(result.output)


def use_configuration(path: Path) -> None:
    command("fit", "--config", path, "-o", path.parent / "new", "-q")


def use_columns(path: Path) -> None:
    """The configuration as that of a run, whose columns `score` uses."""
    run = path.parent / "run"
    if not run.exists():
        shutil.copytree(BEFORE / "classify", run)
    shutil.copy(path, run / "config.toml")
    command("score", run, path.parent.parent / "data" / "long.csv")


def checkpoints(folder: Path) -> bytes:
    """A checkpoint of the small run."""
    from tenuto.train import Checkpoint, TrainingOptions

    small_run.small_run(TrainingOptions(epochs=1, max_steps=2), checkpoint=Checkpoint(folder, every_s=0.0001))
    return (folder / "checkpoint.safetensors").read_bytes()


def use_checkpoint(path: Path) -> None:
    from tenuto.train import Checkpoint, TrainingOptions

    small_run.small_run(TrainingOptions(epochs=1, max_steps=2), checkpoint=Checkpoint(path.parent))


def spoiled_checkpoint(content: bytes, chance: random.Random, path: Path) -> None:
    """A checkpoint that is spoiled, or one with other values, sealed again."""
    from safetensors.torch import load as read

    from tenuto.files import digest_of as digest_with_tensors

    if chance.random() < 0.3:
        path.write_bytes(mutations.spoiled(content, chance))
        return
    size = int.from_bytes(content[:8], "little")
    kept = json.loads(json.loads(content[8 : 8 + size])["__metadata__"]["checkpoint"])
    kept["state"] = mutations.bent(kept["state"], chance)
    text, tensors = mutations.json_text(kept), read(content)
    if chance.random() < 0.3:
        name = chance.choice(list(tensors))
        tensors[name] = chance.choice([torch.zeros(3), torch.zeros(2, 2, dtype=torch.int64), torch.tensor(True)])
    try:
        digest = digest_with_tensors(json.loads(text), tensors)
    except Exception:
        digest = "none"
    write_tensors(path, tensors, {"checkpoint": text.encode("utf-8", "replace").decode(), "sha256": digest})


def tries(folder: Path, chance: random.Random, count: int) -> Any:
    """(name, a function that reads the spoiled file) for each file, every kind in turn."""
    good = data_files(folder / "data")
    contents = {name: path.read_bytes() for name, (path, _) in good.items()}
    checkpoint = checkpoints(folder / "checkpoint")
    search = json.loads((HERE.parent / "runs" / "before" / "search.json").read_text())
    runs = sorted(path for path in BEFORE.iterdir() if path.is_dir())
    for name in ("toml", "search"):
        (folder / name).mkdir()
    kinds = [*sys.argv[4:]] or [*good, *["run"] * 12, *["config.toml"] * 2, "columns", *["search.json"] * 3, *["checkpoint"] * 3]
    for number in range(count):
        kind = kinds[number % len(kinds)]
        if kind in good:
            path, read = good[kind]
            spoil_data(path, chance)
            yield kind, path, lambda path=path, read=read: read(path)
            path.write_bytes(contents[kind])
        elif kind == "run":
            run = folder / "run"
            shutil.copytree(chance.choice(runs), run)
            known = json.loads((run / "expected.json").read_text())
            (run / "expected.json").write_text(json.dumps({**known, "task": json.loads((run / "config.json").read_text())["task"]}))
            name = spoil_run(run, chance)
            yield name, run, lambda run=run: use_run(run)
            shutil.rmtree(run)
        elif kind in ("config.toml", "columns"):
            path = folder / "toml" / "some.toml"
            path.write_bytes(spoiled_toml(chance))
            use_it = use_columns if kind == "columns" else use_configuration
            yield kind, path, lambda path=path, use_it=use_it: use_it(path)
        elif kind == "search.json":
            path = folder / "search" / "search.json"
            path.write_bytes(mutations.spoiled(json.dumps(search).encode(), chance) if chance.random() < 0.3 else mutations.json_text(mutations.bent(search, chance)).encode("utf-8", "surrogatepass"))
            yield kind, path, lambda path=path: build_report(path.parent)
        else:
            path = folder / "checkpoint" / "checkpoint.safetensors"
            spoiled_checkpoint(checkpoint, chance, path)
            yield kind, path, lambda path=path: use_checkpoint(path)


def main(folder: Path, count: int, seed: int) -> None:
    torch.set_num_threads(1)
    fitting.train_and_save = lambda job, *_, **__: {"data": {"train": {}}}  # a configuration is read and checked; what it asks for is not trained
    signal.signal(signal.SIGALRM, too_long)
    limited = False
    for number, (kind, path, use) in enumerate(tries(folder, random.Random(seed), count)):
        if not limited:
            limit_memory()
            limited = True
        began, wrong = time.perf_counter(), ""
        signal.alarm(SECONDS)
        try:
            use()
        except TenutoError as error:
            text = str(error)
            if len(text) > LONGEST or max(map(len, text.splitlines())) > 1_200:
                wrong = f"a message of {len(text)} characters: {text[:300]}"
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            wrong = f"{type(error).__name__}: {str(error)[:200]}\n" + "".join(traceback.format_tb(error.__traceback__)[-3:])
        signal.alarm(0)
        if wrong:
            bad = folder / f"bad-{number}"
            if path.exists():
                (shutil.copytree if path.is_dir() else shutil.copy)(path, bad)
            print(json.dumps({"number": number, "kind": kind, "seconds": round(time.perf_counter() - began, 2), "wrong": wrong, "kept": str(bad)}), flush=True)
    print(json.dumps({"done": count}), flush=True)


def limit_memory() -> None:
    """No more memory than there is now and MEMORY more."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))


def too_long(*_: Any) -> None:
    raise TooLong(f"more than {SECONDS} s")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
