"""Every task's model in ONNX: what goes in raw, what comes out, and that a runner's answers are the estimator's."""

from copy import copy
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tenuto
from tenuto.data import Sequences
from tenuto.errors import ArgumentError
from tenuto.tasks import Seq2Seq, SequenceClassifier, SequenceRegressor
from tests.export.test_onnx import runner_of
from tests.tasks.classify.test_irregular import OPTIONS, stays
from tests.tasks.launched import TASKS


@cache
def fitted(name: str, **changes: Any) -> Any:
    """A model of a task, trained for one pass; its answers are as good as any for a comparison."""
    model, x, y = TASKS[name]()
    return model.set_params(epochs=1, **changes).fit(x, y)


@pytest.mark.parametrize("name", TASKS)
def test_every_task(name: str, tmp_path: Path) -> None:
    found = tenuto.export(fitted(name), tmp_path / name)
    assert found.worst < 1e-5 and found.subject.outside
    wanted = {"translate": ["sequence", "begin", "next"]}.get(name, ["sequence", "step"] if name in ("language", "softmax", "forecast", "anomalies", "transcribe", "spot") else ["sequence"])
    assert list(found.files) == wanted and (found.subject.no_step is None) == ("step" in wanted)


def test_a_classifier_reads_raw_channels_in_one_call_and_step_by_step(tmp_path: Path) -> None:
    """The means of the channels are inside; so is what pooling keeps of the steps before, so that a stream ends with the answer to the whole."""
    model = fitted("classify", bidirectional=False, pooling=("mean", "max", "last"), missing="mean")
    tenuto.export(model, tmp_path / "run")
    exported = runner_of(tmp_path / "run").Model(tmp_path / "run")
    x = np.random.default_rng(0).normal(5, 9, size=(7, 2, 1)).astype(np.float32)
    x[3, 1] = np.nan
    expected = model.predict_log_proba([x[:, 0], x[:4, 1]])
    logits = exported("sequence", x=x, lengths=[7, 4])["logits"].astype(np.float64)
    np.testing.assert_allclose(logits - np.logaddexp.reduce(logits, 1)[:, None], expected, atol=1e-5)
    stream = exported.stream(rows=1)
    last = [stream(x=x_t[:1])["logits"] for x_t in x][-1]
    np.testing.assert_allclose(last, logits[:1], atol=1e-5)


def test_long_series_that_are_made_shorter_first(tmp_path: Path) -> None:
    model = fitted("classify", halvings=1)
    found = tenuto.export(model, tmp_path / "run")
    assert found.worst < 1e-5 and "neighbouring steps" in found.subject.no_step


def test_a_missing_value_that_is_filled_outside_is_said_loudly() -> None:
    model = fitted("classify")
    assert "NaN in x gives NaN" in model.outside()["missing values"]
    other = copy(model)
    other.standardiser_ = replace(model.standardiser_, missing="forward")
    assert "before the graph" in other.outside()["missing values"]


@pytest.mark.parametrize(
    ("cell", "options", "beside"),
    [
        ("gru-d", {"bidirectional": False}, ["mask", "gap"]), ("gru-d", {"bidirectional": True}, ["mask", "gap", "gap_reverse"]), ("time-aware-lstm", {"missing": "mean", "bidirectional": False}, ["elapsed"]),
        ("cfc", {"missing": "forward", "bidirectional": True}, ["elapsed", "elapsed_reverse"]), ("gru", {"missing": "mean", "bidirectional": False, "observed": ("mask", "gap")}, ["mask", "recency"]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("estimator", [SequenceClassifier, SequenceRegressor])
def test_irregular_models_read_masks_and_gaps_beside_their_channels(estimator: Any, cell: str, options: dict, beside: list[str], tmp_path: Path) -> None:
    data = stays()
    if estimator is SequenceRegressor:
        data = Sequences(data.values, targets=[float(number % 7) for number in range(len(data))], times=data.times, channels=data.channels)
    model = estimator(cell, **options, **OPTIONS).fit(data)
    found = tenuto.export(model, tmp_path / "run")
    assert found.worst < 1e-5 and list(found.files) == (["sequence"] if options["bidirectional"] else ["sequence", "step"])
    assert [port.name for port in model.ports()] == ["x", *beside, "lengths"] and set(beside) <= set(model.outside())
    exported = runner_of(tmp_path / "run").Model(tmp_path / "run")
    longest = max(range(len(data)), key=lambda place: len(data.values[place]))
    values, times, prepared = data.values[longest], data.times[longest], model.standardiser_
    filled = np.where(np.isnan(values), prepared._filled(values) * prepared.deviation + prepared.mean, values) if options.get("missing") == "forward" else values
    made = prepared.apply(values, times)[:, None]
    more = {kind: made[..., list(prepared.places[kind])] > 0.5 if kind == "mask" else made[..., list(prepared.places[kind])] for kind in beside}
    given = {"x": filled[:, None].astype(np.float32), **more}
    (batch,) = model.inputs(data.select([longest]))
    expected, answer = (model.forward(batch), "logits") if estimator is SequenceClassifier else (model.raw(batch), "mean")
    expected = expected.detach().numpy()
    np.testing.assert_allclose(exported("sequence", lengths=[len(values)], **given)[answer], expected, atol=1e-4)
    if not options["bidirectional"]:
        stream = exported.stream(rows=1)
        last = [stream(**{name: value[step] for name, value in given.items()})[answer] for step in range(len(values))][-1]
        np.testing.assert_allclose(last, expected, atol=1e-4)


def test_an_irregular_model_is_a_program_of_torch(tmp_path: Path) -> None:
    model = SequenceClassifier("gru-d", bidirectional=False, **OPTIONS).fit(stays())
    found = tenuto.export(model, tmp_path / "run", to="torch")
    assert found.worst < 1e-5 and list(found.files) == ["sequence", "step"]
    with pytest.raises(ArgumentError, match=r"step by step(.|\n)*masks or times"):
        tenuto.export(model, tmp_path / "c", to="c")


@pytest.mark.parametrize("options", [{"attention": "bahdanau"}, {"attention": "none", "decoder_input": "both"}, {"attention": "dot", "input_feeding": True, "bidirectional": False}], ids=str)
def test_an_answer_is_written_symbol_by_symbol(options: dict, tmp_path: Path) -> None:
    words = [f"{a}{b}" for a in "abcd" for b in "fgh"]
    model = Seq2Seq("gru", embedding_size=6, hidden_size=8, dropout=0.0, epochs=2, beam_size=1, max_length=5, **options).fit(words, [word[::-1] for word in words])
    tenuto.export(model, tmp_path / "run")
    exported = runner_of(tmp_path / "run").Model(tmp_path / "run")
    sources = ["af", "cgbh"]
    numbers = [model.source_symbols_.numbers(list(source), where="", unknown="error") for source in sources]
    source = np.zeros((4, 2), np.int64)
    for row, one in enumerate(numbers):
        source[: len(one), row] = one
    lengths = np.array([2, 4])
    given = exported("begin", source=source, lengths=lengths)
    reads = [port["name"] for port in exported.graph("next")["reads"]]
    state = {name: given.get(name.replace("state_in_", "state_out_")) for name in reads if name.startswith("state_in_")}
    more = {name: given.get(name, lengths) for name in reads if name not in state and name != "symbol"}
    symbol, written = np.array([1, 1]), []
    for _ in range(6):
        found = exported("next", symbol=symbol, **more, **state)
        symbol = found["logits"].argmax(1)  # never one that the search would not write
        written.append(symbol)
        state = {name: found[name.replace("state_in_", "state_out_")] for name in state}
    rows = np.array(written).T.tolist()
    answers = [model.translator().text(tuple((row[: row.index(2)] if 2 in row else row)[:5])) for row in rows]
    assert answers == list(model.predict(sources))
