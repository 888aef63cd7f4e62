"""Encoders of another kind in the tasks that take them: fitted, saved, read, asked; and errors that say what to type."""

import copy

import numpy as np
import pytest
import torch

import tenuto
from tenuto import cells
from tenuto.errors import ArgumentError
from tenuto.layers import Blocks, Transformer
from tenuto.networks.encoders import ENCODERS, HEADS, check_encoder, encoder_of
from tests.tasks.launched import TASKS

pytestmark = pytest.mark.usefixtures("reference_engine")

NAMES = ("classify", "regress", "tag", "text")
OTHERS = [kind for kind in ENCODERS if kind != "recurrent"]


def fitted(name, kind, **options):
    model, x, y = TASKS[name]()
    return model.set_params(encoder=kind, num_layers=2, epochs=2, **options).fit(x, y), x


def engine_of(evaluation):
    """What it says of the engine, wherever that stands."""
    return next(part["engine"]["chosen"] for part in (evaluation, *(one for one in evaluation.values() if isinstance(one, dict))) if "engine" in part)


@pytest.mark.parametrize("kind", OTHERS)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("bidirectional", [True, False])
def test_every_kind_is_fitted_saved_and_read(name, kind, bidirectional, tmp_path):
    model, x = fitted(name, kind, bidirectional=bidirectional)
    assert isinstance(model.network_.encoder, Transformer if kind == "transformer" else Blocks)
    model.save(tmp_path / "run")
    again = type(model).load(tmp_path / "run")
    some = list(x[:5])
    assert [str(one) for one in again.predict(some)] == [str(one) for one in model.predict(some)]
    states = model.hidden_states(some)
    assert [len(one) for one in states] == [len(one) for one in some]
    for one, alone in zip(states, (model.hidden_states([item])[0] for item in some)):
        np.testing.assert_allclose(one, alone, atol=1e-5)
    assert engine_of(model.evaluation_) == ("torch" if kind == "transformer" else "reference")


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
    with pytest.raises(ArgumentError, match="encoder"):
        model.set_params(encoder="lstm").fit(x, y)
    with pytest.raises(ArgumentError, match=r"hidden_size=12 does not divide into the 4 heads of a Transformer\.\n  expected  a multiple of 8\n  fix       hidden_size=1"):
        model.set_params(encoder="transformer", hidden_size=12).fit(x, y)
    tagger, x, y = TASKS["tag"]()
    with pytest.raises(ArgumentError, match="recurrent_dropout=0.2 is an option of the recurrent encoder"):
        tagger.set_params(encoder="dense", recurrent_dropout=0.2).fit(x, y)
    check_encoder("transformer", 2 * HEADS)
    forward, _ = fitted("classify", "transformer", bidirectional=False, pooling=("mean",))
    with pytest.raises(ArgumentError, match="a Transformer is not exported yet"):
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
