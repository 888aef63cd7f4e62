"""Error rates of transcripts against jiwer, and where a reference is empty (S13)."""

import jiwer
import numpy as np
import pytest

from tenuto.scores.edit_distance import edit_distance
from tenuto.scores.transcripts import Edits, differences, edits, rate, rate_interval, transcription_result

WORDS = ["a", "b", "c", "d"]


def sentences(seed, count=40):
    generator = np.random.default_rng(seed)
    return [generator.choice(WORDS, size=generator.integers(1, 9)).tolist() for _ in range(count)]


def test_counts_and_rates_are_jiwers():
    references, answers = sentences(0), sentences(1)
    counts = [edits(one, other) for one, other in zip(references, answers)]
    found = jiwer.process_words([" ".join(one) for one in references], [" ".join(one) for one in answers])
    assert rate(counts) == pytest.approx(found.wer)
    assert sum(one.errors for one in counts) == found.substitutions + found.deletions + found.insertions
    for one, reference, answer in zip(counts, references, answers):
        assert isinstance(one, Edits) and one.errors == edit_distance(reference, answer) and one.hits + one.substitutions + one.deletions == one.reference == len(reference)
        assert one.hits + one.substitutions + one.insertions == len(answer)


def test_by_hand():
    assert edits("the cat sat on".split(), "a cat on mat".split()) == (4, 2, 1, 1, 1)
    assert differences("the cat sat on".split(), "a cat on mat".split()) == [("the", "a"), ("sat", ""), ("", "mat")] and differences([], ["a"]) == [("", "a")]
    assert edits([], ["a", "b"]) == (0, 0, 0, 0, 2) and edits(["a"], []) == (1, 0, 0, 1, 0) and edits([], []) == (0, 0, 0, 0, 0)


def test_s13_errors_of_the_set_divided_by_its_words():
    """What is written where nothing is said counts, and it never stands in the denominator."""
    result = transcription_result(["a b c d", ""], ["a b c d", "x y"], ["one", "two"], [1.0, 2.0], ["p", "q"])
    assert result["wer"] == 0.5 and result["word_insertions"] == 2 and result["words"] == 4
    assert result["by_speaker"][1] == {"speaker": "q", "recordings": 1, "words": 0, "errors": 2, "wer": None} and result["exact"] == 0.5
    assert result["mistakes"] == [{"id": "two", "reference": "", "predicted": "x y", "word_errors": 2, "character_errors": 3}]
    assert sum(row["recordings"] for row in result["by_length"]) == 2 and result["cer"] == 3 / 7
    confused = transcription_result(["a b", "a c", "a"], ["x b", "x c", "a d"], ["1", "2", "3"], [1.0] * 3, None)["confusions"]
    assert confused == [{"reference": "a", "predicted": "x", "count": 2}, {"reference": "", "predicted": "d", "count": 1}]
    for one, other in zip(sentences(3), sentences(4)):
        assert len(differences(one, other)) == edit_distance(one, other)
    empty = transcription_result([""], ["x"], ["one"], [1.0], None)
    assert empty["wer"] is None and empty["wer_interval"] is None and empty["by_speaker"] == []


def test_the_interval_holds_the_rate():
    counts = [edits(one, other) for one, other in zip(sentences(2, 200), sentences(2, 200))]
    assert rate_interval(counts) == [0.0, 0.0]
    counts = [Edits(10, 9, 1, 0, 0) if number % 2 else Edits(10, 10, 0, 0, 0) for number in range(400)]
    low, high = rate_interval(counts)
    assert low < 0.05 < high and abs(high - low - 2 * 1.96 * 0.05 / 20) < 0.002


def test_words_of_an_hour_are_compared():
    generator = np.random.default_rng(5)
    said = [f"w{number}" for number in generator.integers(0, 500, size=3000)]
    written = [word for word in said if generator.random() > 0.05] + ["more"]
    assert len(differences(said, written)) == edit_distance(said, written)
    result = transcription_result([" ".join(said) + " end"] * 2, [" ".join(written) * 4, " ".join(said)], ["1", "2"], [3600.0, 3600.0], None)
    assert result["confusions"] == [{"reference": "end", "predicted": "", "count": 1}]  # what is four times as long is not looked through
