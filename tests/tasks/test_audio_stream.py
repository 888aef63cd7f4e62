"""What all streams of sound share: a snapshot is plain data, and what does not fit a stream is refused and changes nothing."""

import copy
import json

import numpy as np
import pytest

from tenuto.data.plain import array_of, plain_array
from tenuto.errors import ArgumentError, NotFittedError
from tenuto.tasks import Spotter, Transcriber
from tests.tasks.spot import heard
from tests.tasks.transcribe import spoken

MODELS = {"spot": (heard.fitted, heard.talk(["up", "other", "down"])), "transcribe": (spoken.fitted, spoken.said(["lo", "hi", "lo"]))}
RATE = heard.RATE


@pytest.fixture(params=MODELS)
def known(request):
    """A model, and a recording."""
    fitted, wave = MODELS[request.param]
    return fitted(), wave


def test_arrays_are_plain_data_to_the_last_bit():
    odd = np.array([0.1, -0.0, np.inf, -np.inf, np.nan, 1e-45], np.float32)
    for array in (odd, odd.astype(np.float64), np.zeros((0, 3), np.float32), np.arange(6).reshape(2, 3), np.array([True, False])):
        again = array_of(json.loads(json.dumps(plain_array(array), allow_nan=False)))
        assert again.dtype == array.dtype and again.shape == array.shape and again.tobytes() == array.tobytes()


def test_a_snapshot_is_json_and_changes_nothing(known):
    model, wave = known
    stream, other = model.stream(), model.stream()
    half = len(wave.samples) // 2
    events, expected = list(stream.accept(wave.samples[:half])), list(other.accept(wave.samples[:half]))
    kept = stream.snapshot()
    assert json.loads(json.dumps(kept, allow_nan=False)) == kept
    assert model.stream().restore(kept).snapshot() == kept == stream.snapshot()
    assert [*events, *stream.accept(wave.samples[half:]), *stream.finish()] == [*expected, *other.accept(wave.samples[half:]), *other.finish()]


def test_what_is_no_snapshot_of_this_stream_is_refused_and_changes_nothing(known):
    model, wave = known
    stream = model.stream()
    list(stream.accept(wave.samples[:4001]))
    kept = stream.snapshot()
    for wrong in ({}, {"of": {}}, None, {name: value for name, value in kept.items() if name != "state"}):
        with pytest.raises(ArgumentError, match="no snapshot of a stream"):
            stream.restore(wrong)
    with pytest.raises(ArgumentError, match=r"another stream: it differs in model\."):
        stream.restore({**kept, "of": {**kept["of"], "model": "another"}})
    with pytest.raises(ArgumentError, match="another stream: it differs in .*rate"):
        stream.restore({**kept, "of": None})
    damaged = copy.deepcopy(kept)
    del damaged["hearing"]["features"]["left"]
    for part, value in (("state", {**kept["state"], "tensors": {"0": {"dtype": "float32", "shape": [3], "values": [1.0]}}}), ("hearing", damaged["hearing"]), ("hearing", None)):
        with pytest.raises(ArgumentError, match="the snapshot is damaged"):
            stream.restore({**kept, part: value})
    assert stream.snapshot() == kept


@pytest.mark.parametrize("encoder", ["pre-norm", "transformer", "hybrid", "ntm", "fast-weights"])
def test_the_state_of_any_encoder_is_plain_data(encoder):
    """One that goes on through JSON keeps the same as one that never stopped, and a stream comes to what the whole recording gives, except for rounding."""
    model, wave = heard.fitted(encoder=encoder, num_layers=2, epochs=1), MODELS["spot"][1]
    one, other = model.stream(), model.stream()
    for first in range(0, 8000, 1000):
        list(one.accept(wave.samples[first : first + 1000]))
        list(other.accept(wave.samples[first : first + 1000]))
        other = model.stream().restore(json.loads(json.dumps(other.snapshot(), allow_nan=False)))
    assert other.snapshot() == one.snapshot()
    steps, state, parts = model.hearing_(wave), None, []
    for part in np.array_split(steps, 5):
        rows, state = model._run(part, state)
        parts.append(rows)
    np.testing.assert_allclose(np.concatenate(parts), model._run(steps, None)[0], atol=1e-4)


def test_a_digest_names_a_model(known, tmp_path):
    model, _ = known
    again = type(model).load(model.save(tmp_path / "run"))
    assert again.digest() == model.digest() and len({fitted().digest() for fitted, _ in MODELS.values()}) == 2
    again.stream().restore(model.stream().snapshot())
    again.network_.encoder.requires_grad_(False).weight_hh_l0[0, 0] += 1
    assert again.digest() != model.digest()
    for one in (Spotter(), Transcriber()):
        with pytest.raises(NotFittedError, match="digest"):
            one.digest()


def test_streams_that_have_no_snapshot(known):
    model, wave = known
    kept = model.stream().snapshot()
    fast = model.stream(rate=2 * RATE)
    for call in (fast.snapshot, lambda: fast.restore(kept)):
        with pytest.raises(ArgumentError, match=f"a stream of {2 * RATE} samples a second, of a model of {RATE}, has no snapshot"):
            call()
    stream = model.stream()
    list(stream.finish())
    for call in (stream.snapshot, lambda: stream.restore(kept)):
        with pytest.raises(ArgumentError, match="was finished"):
            call()
