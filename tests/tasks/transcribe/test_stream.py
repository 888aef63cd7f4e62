"""A stream writes what the whole recording has, to the last bit: text, characters, words, times, scores, in chunks of any sizes."""

import json
import resource
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from tenuto.data import Wave
from tenuto.errors import ArgumentError, DataError
from tenuto.tasks.transcribe.latency import Latency, measured_latency, speech, taken_back
from tenuto.tasks.transcribe.stream import Event, TranscriberStream
from tests.data.audio.sounds import chunks
from tests.tasks.transcribe.spoken import RATE, fitted, said

pytestmark = pytest.mark.cpp  # the promise of equal bits is that of the compiled engine
WORDS = ["lo", "hi", "hi", "lo", "lo", "hi"]


def events_of(model, wave, largest, seed=0, **options):
    stream = model.stream(rate=wave.rate, **options)
    assert isinstance(stream, TranscriberStream)
    events = [event for part in chunks(wave.samples, np.random.default_rng(seed), largest) for event in stream.accept(part)]
    return [*events, *stream.finish()]


def joined(events):
    finals = [event for event in events if event.kind == "final"]
    tokens = tuple(token for event in finals for token in event.tokens)
    return "".join(event.text for event in finals), tokens, sum((event.score for event in finals), 0.0)


@pytest.mark.parametrize("options", [{}, {"normalise": "causal"}], ids=str)
@pytest.mark.parametrize("beam_size", [1, 4])
def test_s2_a_stream_is_the_whole_recording(beam_size, options):
    model = fitted(**options)
    for wave in (said(WORDS), said(["hi", "lo"], 3), Wave(np.repeat(said(WORDS).samples, 2), 2 * RATE)):
        (whole,) = model.transcribe([wave], beam_size=beam_size)
        for largest, seed in ((160, 0), (900, 1), (30_000, 2)):
            text, tokens, score = joined(events_of(model, wave, largest, seed, beam_size=beam_size))
            assert (text, tokens, score) == (whole.text, whole.tokens, whole.score)
    if not options:
        assert model.predict([said(WORDS)]) == [" ".join(WORDS)]


def test_s1_the_end_is_flushed_exactly_at_every_length():
    """One word, cut off at every place within three steps; the file and the stream end alike, and no time lies beyond the end."""
    model, wave = fitted(), said(["lo", "hi"], 5, pause=0.02)
    step = round(model.hearing_.step_seconds * RATE)
    for cut in range(0, 3 * step, 17):
        short = Wave(wave.samples[: len(wave.samples) - cut], RATE)
        (whole,) = model.transcribe([short])
        text, tokens, score = joined(events_of(model, short, 333))
        assert (text, tokens, score) == (whole.text, whole.tokens, whole.score)
        assert all(token.end <= short.seconds for token in tokens)
    assert "hi" in whole.text


def test_s5_partial_events_then_a_final_one():
    model = fitted()
    quiet = np.zeros(2 * RATE, np.float32)
    wave = Wave(np.concatenate([said(WORDS[:2]).samples, quiet, said(WORDS[2:]).samples, quiet, quiet]), RATE)
    events = events_of(model, wave, 400)
    kinds = "".join(event.kind[0] for event in events)
    finals = [event for event in events if event.kind == "final"]
    assert all(isinstance(event, Event) for event in events) and kinds.strip("p") and kinds[-1] == "f" and len(finals) == 2
    assert finals[0].text == "lo hi" and finals[1].text.strip() == "hi lo lo hi"
    for before, after in zip(events, events[1:]):
        assert before.kind == "final" or after.text.startswith(before.text[:1])  # what was partly said is not taken back before a final event
    assert "".join(event.text for event in finals) == model.predict([wave])[0]
    assert events_of(model, Wave(quiet, RATE), 1000) == []  # silence: no event at all
    late = finals[1].words[0]
    assert late.text == "hi" and late.start > 2.5  # S6: times go on from the beginning of the stream


def test_s6_times_are_monotone_and_within_the_file():
    model = fitted()
    for beam_size in (1, 3):
        for wave in (said(WORDS), Wave(np.repeat(said(WORDS).samples, 2), 2 * RATE)):
            (found,) = model.transcribe([wave], beam_size=beam_size)
            times = [time for token in found.tokens for time in (token.start, token.end)]
            assert times == sorted(times) and 0 <= times[0] and times[-1] <= wave.seconds
            assert [word.text for word in found.words] == WORDS and all(0 < word.probability <= 1 for word in found.words)
    spoken = 400 / RATE
    assert abs(found.words[0].start - spoken) < 0.4  # CTC writes late, but not elsewhere


def test_s4_a_long_stream_keeps_nothing():
    """More than a hundred thousand frames: what is kept does not grow, and neither does the memory of the process."""
    model, chunk = fitted(), np.tile(said(WORDS).samples, 40)
    stream = model.stream(silence_s=0.3, longest_s=5.0)

    def hear(times):
        for _ in range(times):
            for _ in stream.accept(chunk):
                pass

    hear(4)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    hear(20)
    assert stream.seconds > 1000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000  # kB
    assert len(stream._decoder._signs) < 100 and len(stream._hearing._features.left) < 400


def test_a_bidirectional_model_says_why_it_cannot():
    model = fitted(bidirectional=True, epochs=1)
    with pytest.raises(ArgumentError, match=r"Transcriber.stream: this model reads recordings from both ends[\s\S]*bidirectional=False"):
        model.stream()
    with pytest.raises(ArgumentError, match="normalise='recording' needs a whole recording"):
        fitted(normalise="recording", epochs=1).stream()


def test_a_stream_that_is_over_and_bad_samples():
    stream = fitted().stream()
    assert list(stream.accept(np.zeros(0))) == [] and stream.latency_s == pytest.approx(5 * 0.02 + 0.015)  # a step, four after it, and the rest of the last frame
    with pytest.raises(DataError, match="the chunk holds a sample that is not a finite number"):
        stream.accept(np.array([np.nan]))
    assert list(stream.accept(np.zeros((10, 2), np.int16))) == [] and list(stream.finish()) == []
    for call in (stream.finish, lambda: stream.accept(np.zeros(3))):
        with pytest.raises(ArgumentError, match="was finished"):
            call()
    for name, wrong in [("silence_s", one) for one in (0.0, -1, float("nan"), "1")] + [("longest_s", 0), ("beam_size", 0), ("beam_size", 2.5), ("beam_size", "2"), ("beam_size", True), ("rate", 0), ("rate", -8000), ("rate", 8000.0), ("rate", "8000"), ("rate", 10**7)]:
        with pytest.raises(ArgumentError, match=f"Transcriber.stream: {name}={wrong!r}"):
            fitted().stream(**{name: wrong})
    for wrong in (3.0, None, "abc", b"\0\1", [1, 2], np.zeros((1, 8000)), np.zeros((2, 2, 2))):
        with pytest.raises(DataError, match="the chunk (is no sound|has 8000 channels)"):
            fitted().stream().accept(wrong)
    assert json.dumps(fitted().stream(rate=np.int64(RATE), beam_size=np.int64(3)).snapshot())
    whole = fitted().transcribe([said(WORDS)])[0].text
    assert joined(events_of(fitted(), said(WORDS), 500, silence_s=float("inf"), longest_s=float("inf")))[0] == whole


@pytest.mark.parametrize("beam_size", [1, 3])
def test_a_stream_under_autocast_is_the_whole_recording_under_autocast(beam_size):
    """Its state is bfloat16, and goes through JSON, too."""
    model, wave = fitted(), said(WORDS)
    with torch.autocast("cpu", torch.bfloat16):
        (whole,) = model.transcribe([wave], beam_size=beam_size)
        assert joined(events_of(model, wave, 700, beam_size=beam_size)) == (whole.text, whole.tokens, whole.score)
        stream = model.stream(beam_size=beam_size)
        events = list(stream.accept(wave.samples[:5000]))
        other = model.stream(beam_size=beam_size).restore(json.loads(json.dumps(stream.snapshot())))
        assert joined([*events, *other.accept(wave.samples[5000:]), *other.finish()]) == (whole.text, whole.tokens, whole.score)
    assert whole.text == " ".join(WORDS)


@pytest.mark.parametrize("beam_size", [1, 3])
def test_streams_in_threads_and_side_by_side_do_not_touch_each_other(beam_size):
    model, waves = fitted(), [said(WORDS[number:], number) for number in range(4)]
    expected = [joined(events_of(model, wave, 4000, beam_size=beam_size)) for wave in waves]
    with ThreadPoolExecutor(4) as pool:
        assert [joined(events) for events in pool.map(lambda wave: events_of(model, wave, 300, beam_size=beam_size), waves)] == expected
    streams, found = [model.stream(beam_size=beam_size) for _ in waves], [[] for _ in waves]
    for first in range(0, max(len(wave.samples) for wave in waves), 250):
        for stream, wave, events in zip(streams, waves, found):
            events += stream.accept(wave.samples[first : first + 250])
    assert [joined([*events, *stream.finish()]) for stream, events in zip(streams, found)] == expected


@pytest.mark.parametrize("options", [{}, {"normalise": "causal"}, {"head": "transducer"}, {"head": "transducer", "predictor": "recurrent"}], ids=str)
@pytest.mark.parametrize("beam_size", [1, 3])
def test_a_stream_goes_on_from_a_snapshot_to_the_last_bit(beam_size, options):
    """At several places, through JSON, in another stream: as if it had never stopped."""
    model, wave = fitted(**options), said([*WORDS, *WORDS], 4, pause=0.3)
    whole = joined(events_of(model, wave, 500, 3, beam_size=beam_size, silence_s=0.25))
    for stop in (0, 1, 777, 9_001, len(wave.samples) - 3, len(wave.samples)):
        first = model.stream(beam_size=beam_size, silence_s=0.25)
        events = list(first.accept(wave.samples[:stop]))
        kept = json.loads(json.dumps(first.snapshot()))
        second = model.stream(beam_size=beam_size, silence_s=0.25).restore(kept)
        assert second.snapshot() == kept and second.seconds == first.seconds
        events += [*second.accept(wave.samples[stop:]), *second.finish()]
        assert joined(events) == whole


def test_a_snapshot_of_another_stream_is_refused():
    model = fitted()
    kept = model.stream().snapshot()
    for stream, said_ in ((model.stream(beam_size=3), "beam_size"), (model.stream(silence_s=0.3), "silence"), (fitted(head="transducer").stream(), "model")):
        with pytest.raises(ArgumentError, match=f"differs in {said_}"):
            stream.restore(kept)


def test_s14_latency_is_measured():
    model, waves = fitted(), [said(WORDS), said(["hi"], 3), Wave(np.zeros(4000, np.float32), RATE)]
    for silence_s in (0.5, 1.2):
        found = model.latency(waves, chunk_s=0.05, silence_s=silence_s)
        assert isinstance(found, Latency) and found.algorithmic_s == model.stream().latency_s and found.recordings == 2 and 0 <= found.revised < 1
        assert 0 < found.first_partial_s < 0.6 and silence_s - 0.2 < found.final_s < silence_s + 0.6  # a text ends when nothing was written for so long
    silent = model.latency(waves[2:])
    assert silent.first_partial_s is None and silent.final_s is None and silent.recordings == 0 and speech(waves[2]) is None
    assert taken_back("lo hi hi", "lo h") == 2 and measured_latency(lambda rate: model.stream(rate=rate), [], chunk_s=0.1, silence_s=1.2).recordings == 0
    with pytest.raises(ArgumentError, match="chunk_s=0"):
        model.latency(waves, chunk_s=0)
