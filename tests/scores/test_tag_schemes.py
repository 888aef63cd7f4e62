"""Tag schemes: each is found from the tags, and gives the spans that the same spans give in BIO; what could be several is asked for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenuto.errors import ArgumentError, DataError
from tenuto.scores.spans import Span, has_spans, score_spans, spans_of
from tenuto.scores.tag_schemes import SCHEMES, WITHOUT_TYPE, find_scheme, scheme_of

# begin, inside, end, single: what each scheme writes
LETTERS = {"BIO": "BIIB", "BIOES": "BIES", "BILOU": "BILU", "BMES": "BMES", "BMEWO": "BMEW"}


def written(length, spans, letters, form="{mark}-{kind}"):
    tags = ["O"] * length
    begin, inside, end, single = letters
    for start, last, kind in spans:
        for place in range(start, last + 1):
            mark = single if start == last else begin if place == start else end if place == last else inside
            tags[place] = form.format(mark=mark, kind=kind)
    return tags


def in_iob1(length, spans):
    tags, before = ["O"] * length, None
    for start, last, kind in sorted(spans):
        for place in range(start, last + 1):
            tags[place] = f"{'B' if place == start and before == (place - 1, kind) else 'I'}-{kind}"
        before = (last, kind)
    return tags


@st.composite
def spans_in_a_sentence(draw):
    length = draw(st.integers(1, 12))
    spans, place = [], 0
    while place < length:
        last = min(place + draw(st.integers(0, 3)), length - 1)
        if draw(st.booleans()):
            spans.append((place, last, draw(st.sampled_from(["PER", "a-b", "x_y"]))))
        place = last + 1
    return length, spans


@given(spans_in_a_sentence())
@pytest.mark.parametrize("form", ["{mark}-{kind}", "{mark}_{kind}", "{mark}:{kind}", "{mark}|{kind}", "{mark}"])
@pytest.mark.parametrize("scheme", LETTERS)
def test_every_scheme_gives_the_spans_that_were_written(scheme, form, sentence):
    length, spans = sentence
    tags = written(length, spans, LETTERS[scheme], form)
    wanted = [Span(start, last, kind if "{kind}" in form else WITHOUT_TYPE) for start, last, kind in spans]
    assert spans_of(tags) == spans_of(tags, SCHEMES[scheme]) == wanted
    score = score_spans([tags], [tags], SCHEMES[scheme])
    assert score["right"] == score["true"] == len(spans)


@given(spans_in_a_sentence())
def test_iob1_gives_the_spans_that_were_written(sentence):
    length, spans = sentence
    assert spans_of(in_iob1(length, spans)) == [Span(*span) for span in spans]


WHOLE = (9, [(0, 2, "PER"), (4, 4, "LOC"), (5, 5, "LOC"), (6, 7, "LOC")])


@pytest.mark.parametrize("form", ["{mark}-{kind}", "{mark}_{kind}", "{mark}"])
@pytest.mark.parametrize("scheme", LETTERS)
@pytest.mark.parametrize("outside", ["O", "_", "o"])
def test_the_scheme_is_found_from_the_tags(scheme, form, outside):
    rows = [[outside if tag == "O" else tag for tag in written(*WHOLE, LETTERS[scheme], form)]]
    assert scheme_of(rows) == scheme
    assert has_spans(rows[0])
    lower = [[tag.lower() if form == "{mark}" else tag[0].lower() + tag[1:] for tag in rows[0]]]
    assert scheme_of(lower) == scheme
    assert [span[:2] for span in spans_of(lower[0])] == [span[:2] for span in WHOLE[1]]


def test_bio_iob1_and_io_are_told_apart_by_the_sentences():
    assert scheme_of([in_iob1(*WHOLE)]) == "IOB1"
    assert scheme_of([["I-a", "O", "I-b"]]) == "IO"
    assert scheme_of([["B-a", "I-a"], ["O", "B-b", "B-b"]]) == "BIO"
    assert scheme_of([["B-a", "O", "I-a"]]) == "BIO"  # malformed


@pytest.mark.parametrize("tags", ["NOUN VERB", "O", "O X-ray", "A B C", "I", "B", "S O", "N V O", "B-a NOUN VERB PRON O", "U-x L-y", "E S"])
def test_other_tags_mark_no_spans_and_nothing_is_asked(tags):
    assert scheme_of([tags.split()]) is None and find_scheme(tags.split()) is None


@pytest.mark.parametrize(
    ("tags", "words"),
    [
        ("B-a I-a O X", "'X' is no mark and type"),
        ("B-a I-a O 0", "'0' is no mark and type"),
        ("B_a I_a O B I", "'B', 'I' are no mark and type"),
        ("B-a I-a L-a S-a O", "the marks of several schemes: B, I, L, S"),
        ("B-a M-a L-a", "the marks of several schemes: B, L, M"),
    ],
)
def test_what_could_be_spans_is_asked_for(tags, words):
    with pytest.raises(DataError, match=f"{words}(.|\n)*tag_scheme='bio'"):
        scheme_of([tags.split()])
    assert find_scheme(tags.split()) is None  # a run that is loaded is never refused
    assert scheme_of([tags.split()], "bio") == "BIO"
    assert scheme_of([tags.split()], "none") is None


def test_a_scheme_that_is_asked_for_leaves_other_tags_outside():
    assert spans_of(["B-a", "I-a", "S-b", "X"], SCHEMES["BIO"]) == [Span(0, 1, "a")]
    with pytest.raises(ArgumentError, match=r"no tag is of that scheme(.|\n)*NOUN"):
        scheme_of([["NOUN", "VERB"]], "bilou")
    with pytest.raises(ArgumentError, match=r"tag_scheme='iobx' is not known(.|\n)*bioes"):
        scheme_of([["B-a"]], "iobx")
    assert [scheme_of([["B-a", "I-a"]], name) for name in ("iob2", "IOB", "iobes", "bioul", "bmeso")] == ["BIO", "IOB1", "BIOES", "BILOU", "BMES"]
