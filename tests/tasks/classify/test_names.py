"""Channels are known by their names: in another order they are put right, and what is not theirs is refused, in files and in data frames."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from tenuto.cli import app
from tenuto.data import Sequences, Standardiser, read_sequences, read_splits, sequences_from_columns
from tenuto.errors import DataError, ShapeError
from tenuto.runs.folder import digest_of
from tenuto.tasks import SequenceClassifier

SMALL = {"hidden_size": 6, "epochs": 30, "patience": None, "learning_rate": 0.02, "input_noise": 0.1, "dropout": 0.0, "batch_size": 8, "random_state": 0}
NAMES = ("signal", "noise", "offset")


def rows(count=24, seed=0):
    """Rows of a long table; only the first channel, rising or falling, tells the class."""
    generator = np.random.default_rng(seed)
    for index in range(count):
        for step in range(int(generator.integers(3, 8))):
            yield {"id": f"s{index}", "time": step, "signal": step * (1 if index % 2 else -1), "noise": 5 + generator.normal(), "offset": 100 * generator.normal(), "label": "ud"[index % 2]}


def columns(order=("id", "time", *NAMES, "label"), seed=0, **more):
    table = list(rows(seed=seed))
    made = {**{name: [row[name] for row in table] for name in ("id", "time", *NAMES, "label")}, **{name: make(len(table)) for name, make in more.items()}}
    return {name: made[name] for name in (*order, *more)}


def written(path, table, separator=","):
    lines = [separator.join(table), *(separator.join(map(str, row)) for row in zip(*table.values()))]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


ORDERS = [("noise", "signal", "offset"), ("offset", "noise", "signal")]


@pytest.fixture(scope="module")
def fitted():
    return SequenceClassifier("gru", **SMALL).fit(sequences_from_columns(columns())[0])


@pytest.fixture(scope="module")
def run(fitted, tmp_path_factory):
    return fitted.save(tmp_path_factory.mktemp("names") / "run")


def as_pandas(table):
    return pytest.importorskip("pandas").DataFrame(table)


def as_pyarrow(table):
    return pytest.importorskip("pyarrow").table(table)


class Frame:
    """A data frame as polars has them: its columns are a list of names, and a column is had by its name."""

    def __init__(self, table):
        self.table, self.columns = table, list(table)

    def __getitem__(self, name):
        return np.array(self.table[name])


def as_files(suffix):
    def read(table, folder):
        if suffix == ".parquet":
            as_pandas(table).to_parquet(folder / "a.parquet")
        elif suffix == ".npz":
            data, _ = sequences_from_columns(table)
            np.savez(folder / "a.npz", values=np.concatenate(data.values), lengths=data.lengths, labels=data.labels, channels=data.channels, ids=data.ids)
        else:
            written(folder / f"a{suffix}", table, "\t" if suffix == ".tsv" else ",")
        return read_sequences(folder / f"a{suffix}")

    return read


def as_frames(make):
    """One data frame for each sequence."""

    def read(table, folder):
        names = [name for name in table if name not in ("id", "time", "label")]
        ids = list(dict.fromkeys(table["id"]))
        places = [[row for row, one in enumerate(table["id"]) if one == identity] for identity in ids]
        frames = [make({name: [table[name][row] for row in place] for name in names}) for place in places]
        return Sequences(frames, ["ud"[int(identity[1:]) % 2] for identity in ids])

    return read


KINDS = {
    **{suffix: as_files(suffix) for suffix in (".csv", ".tsv", ".parquet", ".npz")},
    **{f"long table of {make.__name__}": (lambda table, folder, make=make: sequences_from_columns(make(table))[0]) for make in (dict, as_pandas, as_pyarrow, Frame)},
    **{f"frames of {make.__name__}": as_frames(make) for make in (as_pandas, as_pyarrow, Frame)},
}
every_kind = pytest.mark.parametrize("read", KINDS.values(), ids=list(KINDS))


@every_kind
@pytest.mark.parametrize("order", ORDERS)
def test_another_order_is_put_right_in_every_call(fitted, run, tmp_path, read, order):
    first, data = read(columns(seed=1), tmp_path), read(columns(("id", *order, "label", "time"), seed=1), tmp_path)
    assert data.channels == order
    for model in (fitted, SequenceClassifier.load(run)):
        np.testing.assert_array_equal(model.predict_proba(data), model.predict_proba(first))
        assert model.score(data) == model.score(first) == 1.0
        assert model.predict(data).tolist() == data.labels.tolist()
        assert model.evaluate(data)["accuracy"] == 1.0
        assert all(example["channels"] == list(NAMES) for example in model.evaluation_["examples"])
        np.testing.assert_array_equal(model.hidden_states(data)[0], model.hidden_states(first)[0])
        batches = [next(model.inputs(one)).x for one in (data, first)]
        np.testing.assert_array_equal(*batches)


@every_kind
@pytest.mark.parametrize(
    ("order", "more", "words"),
    [
        (("id", "signal", "noise", "label", "time"), {}, "it lacks 'offset'"),
        (("id", *NAMES, "label", "time"), {"extra": np.zeros}, "'extra' is not among them"),
        (("id", "signal", "noise", "label", "time"), {"Offset": np.zeros}, "it lacks 'offset', and 'Offset' is not among them"),
        (("id", "noise", "label", "time"), {"a": np.zeros, "b": np.ones}, "it lacks 'signal', 'offset', and 'a', 'b' are not among them"),
    ],
)
def test_missing_and_foreign_names_are_named(fitted, tmp_path, read, order, more, words):
    data = read(columns(order, **more), tmp_path)
    for call in (fitted.predict, fitted.predict_proba, fitted.score, fitted.evaluate, fitted.hidden_states, fitted.inputs):
        with pytest.raises(DataError, match=f"the channels that the model was trained on: {words}(.|\n)*fix "):
            call(data)


def test_validation_data_and_the_parts_of_a_folder_are_put_in_order(fitted, tmp_path):
    for part, seed, order in (("train", 0, NAMES), ("validation", 1, ORDERS[0]), ("test", 2, ORDERS[1])):
        written(tmp_path / f"{part}.csv", columns(("id", "time", *order, "label"), seed=seed))
    parts = read_splits(tmp_path)
    assert parts.train.channels == parts.validation.channels == parts.test.channels == NAMES
    other = read_sequences(tmp_path / "validation.csv")
    assert other.channels == ORDERS[0]
    one, two = (SequenceClassifier("gru", **{**SMALL, "epochs": 2}).fit(parts.train, validation=given) for given in (other, parts.validation))
    assert one.metrics_[-1]["validation_loss"] == two.metrics_[-1]["validation_loss"]
    written(tmp_path / "test.csv", columns(("id", "time", "noise", "label")))
    with pytest.raises(DataError, match="the test part: .*it lacks 'signal', 'offset'"):
        read_splits(tmp_path)


def test_data_without_names_goes_by_position_and_its_number_of_channels_is_checked(fitted):
    data = sequences_from_columns(columns(seed=1))[0]
    np.testing.assert_array_equal(fitted.predict_proba(data.values), fitted.predict_proba(data))
    with pytest.raises(ShapeError, match="has 2 channels but the model was trained on 3"):
        fitted.predict([values[:, :2] for values in data.values])
    nameless = SequenceClassifier("gru", **{**SMALL, "epochs": 1}).fit(data.values, data.labels)
    assert not nameless.standardiser_.named and not hasattr(nameless, "feature_names_in_")
    assert fitted.feature_names_in_.tolist() == list(NAMES)
    np.testing.assert_array_equal(nameless.predict_proba(data), nameless.predict_proba(data.values))


def test_names_that_look_like_the_usual_ones_are_names_too(tmp_path):
    table = {"id": ["a", "a", "b", "b"] * 2, "channel 0": range(8), "channel 1": [0] * 8, "label": ["u", "u", "v", "v"] * 2}
    data = sequences_from_columns({**table, "id": [f"{one}{row // 4}" for row, one in enumerate(table["id"])]})[0]
    model = SequenceClassifier("gru", **{**SMALL, "epochs": 1, "validation_fraction": 0.5}).fit(data)
    turned = data.arranged(["channel 1", "channel 0"], "here")
    model = SequenceClassifier.load(model.save(tmp_path / "run"))
    np.testing.assert_array_equal(model.predict_proba(turned), model.predict_proba(data))


def test_a_run_that_kept_no_such_keys_loads_and_rounds_as_it_did(fitted, tmp_path):
    run = fitted.save(tmp_path / "run")
    config = json.loads((run / "config.json").read_text(encoding="utf-8"))
    assert config["preprocessing"].pop("named") is True
    assert config["preprocessing"].pop("bits") == 64
    config["preprocessing"]["channels"] = [f"channel {index}" for index in range(3)]
    del config["sha256"]
    (run / "config.json").write_text(json.dumps({**config, "sha256": digest_of(config)}), encoding="utf-8")
    old, data = SequenceClassifier.load(run), sequences_from_columns(columns(seed=1))[0]
    assert (old.standardiser_.named, old.standardiser_.bits) == (False, 32)
    rounded = [values.astype(np.float32) for values in data.values]
    np.testing.assert_array_equal(old.predict_proba(data), fitted.predict_proba(rounded))
    with pytest.raises(ShapeError, match="has 2 channels"):
        old.predict([values[:, :2] for values in rounded])


INDEXES = {
    "Unnamed: 0": np.arange,
    "Unnamed: 0.1": np.arange,
    "": np.arange,
    "__index_level_0__": np.arange,
    "index": np.arange,
    "level_0": np.arange,
    "row": lambda count: np.arange(1, count + 1),
    "row_nr": np.arange,
    "rownames": lambda count: np.arange(1, count + 1),
    "X": lambda count: np.arange(1, count + 1),
    "nr": np.arange,
    "Index": lambda count: np.random.default_rng(0).permutation(count),  # a frame that was shuffled
    "unnamed: 0": lambda count: np.zeros(count),
}


@every_kind
@pytest.mark.parametrize("name", INDEXES)
def test_a_column_that_numbers_the_rows_is_no_input(tmp_path, read, name):
    with pytest.raises(DataError, match=r"(numbers the rows of the table: it is no input|a column has no name)(.|\n)*channels=\('signal', 'noise', 'offset'"):
        read(columns(**{name: INDEXES[name]}), tmp_path)


def test_such_a_column_is_an_input_for_who_names_it_or_the_time_or_the_id():
    from tenuto.data import Columns

    for columns_, width in ((Columns(channels=("index", "signal")), 2), (Columns(time="index", channels=("signal",)), 1), (Columns(channels=NAMES), 3)):
        assert len(sequences_from_columns(columns(index=np.arange), columns_)[0].channels) == width
    assert sequences_from_columns(columns(("id", *NAMES, "label"), index=np.arange), Columns(time="index"))[0].channels == NAMES


@pytest.mark.parametrize("name", ["X", "x", "no"])
def test_a_name_that_measurements_have_is_an_input_unless_it_counts_every_row(name):
    ids = [f"s{row // 4}" for row in range(16)]
    for values in (range(7, 23), [0, 2, *range(2, 16)], np.random.default_rng(0).permutation(16)):
        assert sequences_from_columns({"id": ids, name: list(values)})[0].channels == (name,)
    assert sequences_from_columns({"id": ids[:4], name: [1, 2, 3, 4]})[0].channels == (name,)
    with pytest.raises(DataError, match="only numbers the rows"):
        sequences_from_columns({"id": ids, name: range(1, 17)})


@pytest.mark.parametrize("name", ["index", "row", "speed"])
def test_measurements_are_not_taken_for_row_numbers(name):
    for values in ([0, 1, 0, 1], [0.5, 1.5, 2.5, 3.5], [-1, 0, 1, 2]) + (([0, 1, 2, 3],) if name == "speed" else ()):
        assert sequences_from_columns({"id": list("aabb"), name: values})[0].channels == (name,)


def test_dates_are_no_input(tmp_path):
    pandas = pytest.importorskip("pandas")
    table = as_pandas(columns(seed=1))
    for dates in (pandas.date_range("2026-01-01", periods=len(table)), pandas.date_range("2026-01-01", periods=len(table), tz="UTC"), pandas.to_timedelta(range(len(table)), "s")):
        frame = table.assign(when=dates)
        frame.to_parquet(tmp_path / "a.parquet")
        frame.to_csv(tmp_path / "a.csv", index=False)
        one = frame.drop(columns=["id", "label"])
        for read in (lambda: sequences_from_columns(frame), lambda: read_sequences(tmp_path / "a.parquet"), lambda: read_sequences(tmp_path / "a.csv"), lambda: Sequences([one, one])):
            with pytest.raises(DataError, match=r"column 'when' (holds (dates|durations), which are no input|is not a number in .*, but a (date|date with a time zone|duration), which is no input)(.|\n)*channels="):
                read()
    with pytest.raises(DataError, match="sequence '0' is not made of numbers: it holds dates"):
        Sequences([np.array([["2026-01-01"]], dtype="datetime64[ns]")])


def test_one_table_is_not_a_set_of_sequences(fitted):
    for table in (as_pandas(columns()), as_pyarrow(columns()), Frame(columns())):
        for call in (fitted.predict, fitted.score, SequenceClassifier().fit, Sequences):
            with pytest.raises(DataError, match=r"x is one table, not a set of sequences(.|\n)*sequences_from_columns"):
                call(table)


@pytest.mark.parametrize("scale", [1.0, 1e-3])
@pytest.mark.parametrize("offset", [0.0, 1.7e9, 1.7e12])
@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".npz", ".ts", ""])
def test_large_offsets_lose_nothing_before_they_are_standardised(tmp_path, offset, scale, suffix):
    if offset > 1e9 and scale < 1:
        offset = 1.7e9
    wave = [np.sin(np.arange(20) + shift)[:, None] * scale for shift in (0, 1)]
    values = [offset + one for one in wave]
    if suffix in (".csv", ".parquet"):
        table = {"id": ["a"] * 20 + ["b"] * 20, "x": np.concatenate(values)[:, 0].tolist()}
        as_pandas(table).to_parquet(tmp_path / "a.parquet") if suffix == ".parquet" else written(tmp_path / "a.csv", table)
    elif suffix == ".npz":
        np.savez(tmp_path / "a.npz", values=np.stack(values))
    elif suffix == ".ts":
        (tmp_path / "a.ts").write_text("@data\n" + "".join(",".join(map(repr, one[:, 0].tolist())) + "\n" for one in values), encoding="utf-8")
    data = read_sequences(tmp_path / f"a{suffix}") if suffix else Sequences(values)
    found, wanted = (np.concatenate([Standardiser.learn(one).apply(part) for part in one.values]) for one in (data, Sequences(wave)))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, wanted, atol=1e-3)


def test_masked_places_are_missing_values():
    values = np.ma.array(np.arange(12.0).reshape(2, 3, 2), mask=np.arange(12).reshape(2, 3, 2) % 5 == 4)
    wanted = np.where(values.mask, np.nan, values.data)
    for given in (values, list(values), values.astype(np.float32), [values[0].astype(int), values[1]]):
        data = Sequences.from_arrays(given)
        np.testing.assert_array_equal(np.stack(data.values), wanted)
        assert data.missing_values == 2
    columns_ = {"id": ["a", "a"], "x": np.ma.array([1, 2], mask=[False, True])}
    np.testing.assert_array_equal(sequences_from_columns(columns_)[0].values[0], [[1], [np.nan]])
    with pytest.raises(DataError, match="the label at position 1 is missing"):
        Sequences(wanted, np.ma.array([1, 2], mask=[False, True]))
    with pytest.raises(DataError, match="'a' has an empty label"):
        sequences_from_columns({"id": ["a", "b"], "x": [1, 2], "label": np.ma.array(["u", "v"], mask=[True, False])})
    with pytest.raises(ShapeError, match="some of them masked"):
        Sequences.from_arrays(wanted, lengths=np.ma.array([3, 2], mask=[False, True]))


def test_the_commands_match_names_too(tmp_path):
    written(tmp_path / "train.csv", columns())
    written(tmp_path / "later.csv", columns(("label", "offset", "noise", "time", "signal", "id"), seed=1))
    written(tmp_path / "less.csv", columns(("id", "time", "signal", "noise", "label"), seed=1))
    written(tmp_path / "indexed.csv", columns(**{"": np.arange}))
    fit = ["fit", "classify", "--out", str(tmp_path / "run"), "--quiet", "--cell", "gru", "--seed", "0"]
    fit += [f"--{name.replace('_', '-')}={value}" for name, value in SMALL.items() if name in ("hidden_size", "epochs", "learning_rate", "input_noise", "dropout", "batch_size")]
    refused = CliRunner().invoke(app, [*fit, str(tmp_path / "indexed.csv")])
    assert refused.exit_code == 1 and "--channel signal --channel noise" in refused.output and not (tmp_path / "run").exists()
    assert CliRunner().invoke(app, [*fit, str(tmp_path / "train.csv")]).exit_code == 0
    scored = CliRunner().invoke(app, ["score", str(tmp_path / "run"), str(tmp_path / "later.csv"), "--json"])
    assert json.loads(scored.stdout)["accuracy"] == 1.0
    for command in ("score", "predict"):
        refused = CliRunner().invoke(app, [command, str(tmp_path / "run"), str(tmp_path / "less.csv")])
        assert refused.exit_code == 1 and "it lacks 'offset'" in refused.output
