"""Encoders of another kind in the tasks that take them: fitted, saved, read, asked; and errors that say what to type."""

import copy

import numpy as np
import pytest
import torch

import tenuto
from tenuto import cells
from tenuto.errors import ArgumentError, DataError
from tenuto.layers import BothWays
from tenuto.networks.encoders import ENCODERS, HEADS, check_encoder, encoder_kind, encoder_of, not_plain
from tenuto.tasks import Transcriber
from tests.tasks.launched import TASKS

pytestmark = pytest.mark.usefixtures("reference_engine")

NAMES = ("classify", "regress", "tag", "text", "translate", "language", "forecast", "anomalies", "sounds", "transcribe")
BOTH_WAYS = [name for name in NAMES if name not in ("language", "forecast", "anomalies")]
CLASSES = {"transformer": "Transformer", "hybrid": "Hybrid", "ntm": "NTM", "dnc": "DNC", "fast-weights": "Stacked"}
OTHERS = [kind for kind in ENCODERS if kind != "recurrent"]
EACH = [(name, kind) for name in NAMES for kind in (OTHERS if name in ("classify", "text") else ("transformer", "hybrid", "dnc"))]


def fitted(name, kind, **options):
    model, x, y = TASKS[name]()
    x = x[:160] if name == "language" else x
    return model.set_params(**{"encoder": kind, "num_layers": 2, "epochs": 1, **({"hidden_size": 16} if name == "translate" else {}), **options}).fit(x, y), x


def asked(name, model, x):
    """A few answers, as text."""
    if name in ("forecast", "anomalies"):
        return str(model.predict(x))
    return [str(one) for one in model.predict(["do re", "mi"] if name == "language" else list(x[:5]))]


def engine_of(evaluation):
    """What it says of the engine, wherever that stands."""
    return next(part["engine"]["chosen"] for part in (evaluation, *(one for one in evaluation.values() if isinstance(one, dict))) if "engine" in part)


@pytest.mark.parametrize(("name", "kind"), EACH)
def test_every_kind_is_fitted_saved_and_read(name, kind, tmp_path):
    for bidirectional in (True, False) if name in BOTH_WAYS else (None,):
        model, x = fitted(name, kind, **({} if bidirectional is None else {"bidirectional": bidirectional}))
        assert type(not_plain(model.network_)).__name__ == CLASSES.get(kind, "Blocks") or (bidirectional and isinstance(not_plain(model.network_), BothWays))
        run = model.save(tmp_path / f"run-{bidirectional}")
        again = type(model).load(run)
        if name not in ("forecast", "anomalies"):  # a forecaster that is read has no series yet
            assert asked(name, again, x) == asked(name, model, x)
        assert again.encoder == kind and engine_of(model.evaluation_) in ("torch", "reference")


@pytest.mark.parametrize("kind", ["transformer", "hybrid", "ntm", "fast-weights"])
def test_values_of_series_at_once_or_in_pieces(kind, tmp_path):
    pd = pytest.importorskip("pandas")
    model, panel = fitted("forecast", kind, head="density", samples=7, context=12)
    run = model.save(tmp_path / "run")

    def frame(begin, end, names=("1", "2", "3")):
        return pd.DataFrame([{"unique_id": name, "ds": step, "y": step % 3 + 0.1 * ((step * int(name)) % 7)} for name in names for step in range(begin, end)])

    at_once, pieces = type(model).load(run), type(model).load(run)
    at_once.update(frame(0, 24)).update(frame(9, 11, ["7"]))
    pieces.update(frame(0, 5, ["1", "2"])).update(frame(5, 20, ["2", "1"])).update(frame(0, 20, ["3"])).update(frame(20, 24)).update(frame(9, 10, ["7"])).update(frame(10, 11, ["7"]))
    torch.testing.assert_close(pieces.memory_.output, at_once.memory_.output, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(pieces.predict()["Forecaster"], at_once.predict()["Forecaster"], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("kind", ["transformer", "hybrid", "dnc"])
def test_a_series_is_scored_live_as_at_once(kind):
    pd = pytest.importorskip("pandas")
    model, _ = fitted("anomalies", kind, context=12)
    series = pd.DataFrame({"ds": range(30), "y": [step % 3 + 0.1 * (step % 7) for step in range(30)]})
    whole = model.predict(series)
    stream = model.stream()
    live = [stream.step(float(y), int(ds)) for ds, y in zip(series["ds"], series["y"])]
    np.testing.assert_allclose([one.score for one in live[1:]], whole["score"].to_numpy()[1:], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("kind", ["transformer", "hybrid", "ntm"])
def test_sound_is_written_down_live(kind):
    model, waves = fitted("transcribe", kind, bidirectional=False, normalise="causal")
    text = model.predict([waves[0]])[0]
    stream = model.stream()
    pieces = [piece for begin in range(0, len(waves[0].samples), 300) for piece in stream.accept(waves[0].samples[begin : begin + 300])]
    assert pieces is not None and isinstance(text, str)
    looking_ahead, _ = fitted("transcribe", kind, bidirectional=True)
    with pytest.raises(ArgumentError, match=r"reads recordings from both ends, so it cannot write a stream"):
        looking_ahead.stream()


@pytest.mark.parametrize("kind", ["transformer", "hybrid", "dnc"])
def test_text_is_written_from_the_state(kind):
    model, _ = fitted("language", kind)
    assert len(model.generate("do re", length=9, seed=1)) <= 9
    _, nats = model.token_nats("do re mi fa sol la si do re mi fa", window=3)
    np.testing.assert_allclose(nats, model.token_nats("do re mi fa sol la si do re mi fa")[1], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("kind", OTHERS)
@pytest.mark.parametrize("name", ["classify", "tag"])
def test_what_is_beside_an_item_changes_nothing(name, kind):
    model, x = fitted(name, kind)
    some = list(x[:5])
    states = model.hidden_states(some)
    assert [len(one) for one in states] == [len(one) for one in some]
    for one, alone in zip(states, (model.hidden_states([item])[0] for item in some)):
        np.testing.assert_allclose(one, alone, atol=1e-5)


def test_a_cells_name_is_recurrent_layers_of_it(tmp_path):
    assert encoder_kind("gru") == "recurrent" and encoder_kind("LayerNormLSTM") == "recurrent" and encoder_kind("ntm") == "ntm"
    model, x, y = TASKS["classify"]()
    model.set_params(cell="lstm", encoder="rnn", epochs=1).fit(x, y)
    assert isinstance(model.cell_, cells.Elman) and model.options_["encoder"] == "recurrent"
    again = type(model).load(model.save(tmp_path / "run"))
    assert isinstance(again.cell_, cells.Elman) and (again.predict(x) == model.predict(x)).all()
    translator, x, y = TASKS["translate"]()
    translator.set_params(cell="lstm", encoder="gru", epochs=1).fit(x, y)
    assert isinstance(translator.cell_, cells.GRU) and isinstance(translator.decoder_cell_, cells.GRU)


def test_long_series_are_made_shorter_for_each_kind():
    x = [np.full((40, 1), i % 2 + 0.1 * (i % 3)) for i in range(24)]
    for kind in ("pre-norm", "transformer"):
        model, _, _ = TASKS["classify"]()
        model.set_params(encoder=kind, halvings=2, epochs=1).fit(x, ["low", "high"] * 12)
        assert model.network_.encoder.together == 4 and len(model.predict(x[:3])) == 3


def test_a_cell_with_streams_stands_in_blocks():
    rng = np.random.default_rng(0)
    x = [np.where(rng.random((9, 2)) < 0.2, np.nan, rng.normal(size=(9, 2))) for _ in range(20)]
    model, _, _ = TASKS["classify"]()
    model.set_params(encoder="residual", cell="grud", bidirectional=False, num_layers=2, epochs=1)
    assert len(copy.deepcopy(model).fit(x, ["a", "b"] * 10).predict(x[:4])) == 4
    with pytest.raises(ArgumentError, match="takes the stream 'value', and a Transformer has no cell"):
        copy.deepcopy(model).set_params(encoder="transformer").fit(x, ["a", "b"] * 10)


def test_blocks_are_diagnosed_and_explained():
    model, x = fitted("classify", "pre-norm")
    found = tenuto.diagnose(model, x[:6])
    assert len(found) == 4 and [layer.reverse for layer in found] == [False, True] * 2  # two blocks of two directions
    assert np.abs(tenuto.explain(model, x[:1], method="integrated-gradients")[0].values).sum() > 0


def test_what_cannot_be_is_said_in_words():
    model, x, y = TASKS["classify"]()
    with pytest.raises(ArgumentError, match="encoder='lstn' is not known"):
        model.set_params(encoder="lstn").fit(x, y)
    with pytest.raises(ArgumentError, match="encoder='rnn' and cell='gru' name two cells"):
        model.set_params(encoder="rnn").fit(x, y)
    Transcriber(encoder="lstm").check()  # its usual cell is a GRU, and nobody named one
    with pytest.raises(ArgumentError, match="encoder='gru' and cell='lstm' name two cells"):
        Transcriber("lstm", encoder="gru").check()
    with pytest.raises(ArgumentError, match=r"hidden_size=12 does not divide into the 4 heads of a Transformer\.\n  expected  a multiple of 8\n  fix       hidden_size=1"):
        model.set_params(encoder="transformer", hidden_size=12).fit(x, y)
    tagger, x, y = TASKS["tag"]()
    with pytest.raises(ArgumentError, match="recurrent_dropout=0.2 is an option of the recurrent encoder"):
        tagger.set_params(encoder="dense", recurrent_dropout=0.2).fit(x, y)
    check_encoder("transformer", 2 * HEADS)
    forward, _ = fitted("classify", "transformer", bidirectional=False, pooling=("mean",))
    with pytest.raises(ArgumentError, match="the encoder Transformer is not exported yet"):
        forward.functions()
    with pytest.raises(ArgumentError, match="its encoder is Transformer, and a model of steps has plain recurrent layers"):
        forward.steps()


@pytest.mark.parametrize("kind", ENCODERS)
def test_each_is_called_alike(kind):
    torch.manual_seed(0)
    encoder = encoder_of(kind, cells.GRU(), 3, 8, 2, bidirectional=False, dropout=0.0).eval()
    x = torch.randn(7, 2, 3)
    whole = encoder(x, None, lengths=torch.tensor([7, 4]))
    first = encoder(x[:4], None, lengths=torch.tensor([4, 4]))
    second = encoder(x[4:], first.state, lengths=torch.tensor([3, 0]))
    torch.testing.assert_close(torch.cat([first.output, second.output]), whole.output, rtol=1e-4, atol=1e-5)
    assert whole.output.shape[-1] == encoder.output_width * encoder.directions


def test_a_window_longer_than_the_text_is_told():
    model, text, _ = TASKS["language"]()
    with pytest.raises(DataError, match=r"tokens are too few for a window of 1000\.\n  expected  1001 tokens or more"):
        model.set_params(sampling="windows", window=1000).fit(text)
