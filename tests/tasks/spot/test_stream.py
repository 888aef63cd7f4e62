"""A stream tells what the whole recording has, to the last bit, in chunks of any sizes; it can be kept as data and gone on with."""

import json
import resource

import numpy as np
import pytest

from tenuto.data import Wave
from tenuto.errors import ArgumentError
from tenuto.tasks.audio_stream import AudioStream
from tenuto.tasks.spot.stream import Event, SpotterStream
from tests.data.audio.sounds import chunks
from tests.tasks.spot.heard import RATE, fitted, talk

pytestmark = pytest.mark.cpp  # the promise of equal bits is that of the compiled engine
SAID = ["up", "other", "down", "down", "other", "up"]


@pytest.mark.parametrize("options", [{}, {"normalise": "causal", "ahead": 2}], ids=str)
def test_s2_a_stream_is_the_whole_recording(options):
    model, wave = fitted(**options), talk(SAID)
    for given in (wave, Wave(np.repeat(wave.samples, 2), 2 * RATE)):
        (whole,) = model.spot([given])
        assert all(isinstance(one, Event) and 0 < one.score <= 1 and one.time <= given.seconds for one in whole)
        for largest, seed in ((160, 0), (3000, 1), (30_000, 2)):
            stream = model.stream(rate=given.rate)
            assert isinstance(stream, SpotterStream) and isinstance(stream, AudioStream)
            events = [event for part in chunks(given.samples, np.random.default_rng(seed), largest) for event in stream.accept(part)]
            assert [*events, *stream.finish()] == whole
    if not options:
        assert [one.keyword for one in model.spot([wave])[0]] == [kind for kind in SAID if kind != "other"]


@pytest.mark.parametrize("options", [{}, {"normalise": "causal", "ahead": 2}], ids=str)
def test_a_stream_is_kept_as_data_and_goes_on(options):
    """At any moment, through JSON, in a stream that is new."""
    model, wave = fitted(**options), talk(SAID, 9)
    (whole,) = model.spot([wave])
    for size in (333, 4001):
        stream, events = model.stream(), []
        for start in range(0, len(wave.samples), size):
            events += stream.accept(wave.samples[start : start + size])
            stream = model.stream().restore(json.loads(json.dumps(stream.snapshot())))
        assert [*events, *stream.finish()] == whole and stream.seconds == wave.seconds
    with pytest.raises(ArgumentError, match="was finished"):
        stream.accept(wave.samples)
    fresh = model.stream().restore(model.stream().snapshot())  # before anything was heard
    assert [*fresh.accept(wave.samples), *fresh.finish()] == whole


def test_s1_a_keyword_at_the_very_end_is_told_alike():
    model, wave = fitted(), talk(["up"], 3)
    for cut in range(0, 6000, 771):
        short = Wave(wave.samples[: len(wave.samples) - cut], RATE)
        stream = model.stream()
        events = [event for part in chunks(short.samples, np.random.default_rng(cut), 700) for event in stream.accept(part)]
        assert [*events, *stream.finish()] == model.spot([short])[0]


def test_s4_a_long_stream_keeps_nothing():
    model, chunk = fitted(), np.tile(talk(SAID).samples, 20)
    stream = model.stream()
    for _ in range(3):
        list(stream.accept(chunk))
    before, size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, len(json.dumps(stream.snapshot()))
    for _ in range(12):
        list(stream.accept(chunk))
    assert stream.seconds > 500 and resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000  # kB
    assert abs(len(json.dumps(stream.snapshot())) - size) < 10_000
