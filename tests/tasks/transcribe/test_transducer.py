"""A transcriber with the head of a transducer: its lattice by hand, several symbols in a step and their bound (S8), its beam, files and streams to the last bit, what it cannot do."""

import itertools

import numpy as np
import pytest
import torch

from tenuto.cells import GRU
from tenuto.data import Recordings, Wave
from tenuto.errors import ArgumentError, DataError
from tenuto.networks.each_step import EachStepNetwork
from tenuto.tasks import Transcriber
from tenuto.tasks.transcribe import transducer as module
from tenuto.tasks.transcribe.alignment import aligned_in_lattice, aligned_one_a_step
from tenuto.tasks.transcribe.ctc import ctc_losses
from tenuto.tasks.transcribe.decoding import EndRule, Sign
from tenuto.tasks.transcribe.predictor import Memory, Remembering, Stateless
from tenuto.tasks.transcribe.reading import Answered, Reading
from tenuto.tasks.transcribe.transducer import Frame, Joint, Read, TransducerHead
from tenuto.tasks.transcribe.transducer_decoding import TransducerBeam, TransducerGreedy, transducer_decoder
from tests.data.audio.sounds import chunks
from tests.tasks.transcribe.spoken import RATE, SMALL, fitted, recordings, said

WORDS = ["lo", "hi", "hi", "lo"]
RULE = EndRule(1000, 1000)


def predictor(kind, symbols, width):
    return Stateless(symbols, width) if kind == "stateless" else Remembering(GRU(), symbols, width, "auto")


def drawn(kind="stateless", symbols=3, most=5, seed=0, ctc=0.0, added=False):
    torch.manual_seed(seed)
    head = TransducerHead(4, symbols, 6, predictor(kind, symbols, 6), dropout=0.0, most=most, ctc=ctc, added=added)
    with torch.no_grad():
        for weight in head.parameters():
            weight.mul_(3)
    return head


def ways(head, x, text):
    """The logarithm of the probability of each way to write a text in these steps x [T, W], with the first step of each symbol and the one after its last."""
    rows, text = rows_of(head, x, text), list(text)
    if head.most == 1:
        for path in itertools.product(range(rows.shape[-1]), repeat=len(x)):
            if [symbol for symbol, _ in itertools.groupby(path) if symbol] == text:
                first = [bool(symbol) and symbol != before for symbol, before in zip(path, (0, *path))]
                spans = [(step, next(end for end in range(step, len(path) + 1) if path[end : end + 1] != path[step : step + 1])) for step, new in enumerate(first) if new]
                yield spans, sum((rows[step, sum(first[:step]), symbol] for step, symbol in enumerate(path)), torch.zeros(()))
        return
    for places in itertools.combinations_with_replacement(range(len(x)), len(text)):
        written, total = 0, 0.0
        for step in range(len(x)):
            for _ in range(places.count(step)):
                total, written = total + rows[step, written, text[written]], written + 1
            total = total + rows[step, written, 0]
        yield [(place, place + 1) for place in places], total


def rows_of(head, x, text):
    """[T, U + 1, V] log-probabilities in each step of x [T, W] after each beginning of a text."""
    vectors = head.predictor(torch.tensor([text], dtype=torch.int64))[0]
    logits = head.linear(torch.tanh(head.heard(x)[:, None] + vectors))
    return (logits + head.beside(x)[:, None] if head.added else logits).log_softmax(-1).detach()


FORMS = [("stateless", 5, False), ("recurrent", 5, True), ("stateless", 1, True), ("recurrent", 1, False)]  # predictor, symbols in a step, whether logits of CTC are added


@pytest.mark.parametrize(("kind", "most", "added"), FORMS)
@pytest.mark.parametrize("text", [[], [1], [2, 2], [1, 2, 1, 1]])
def test_the_loss_is_that_of_all_ways_to_write_the_text(kind, most, added, text):
    head, x = drawn(kind, most=most, added=added), torch.randn(5, 1, 4)
    expected = -torch.stack([total for _, total in ways(head, x[:, 0], text)]).logsumexp(0, keepdim=True)
    torch.testing.assert_close(head(x, torch.tensor([5]), [text]), expected)


@pytest.mark.parametrize(("kind", "most", "added"), FORMS)
def test_the_alignment_is_the_likeliest_way(kind, most, added):
    head, x = drawn(kind, most=most, added=added), torch.randn(4, 1, 4)
    joint, heard = Joint(head), head.read(x)[:, 0].numpy()

    def way_of(text):
        blanks, symbols, again = joint.lattice(heard, text)
        return aligned_one_a_step(blanks, symbols, again, text) if most == 1 else aligned_in_lattice(blanks, symbols)

    for text in ([1], [2, 2], [1, 2, 1]):
        spans, best = max(ways(head, x[:, 0], text), key=lambda way: float(way[1]))
        way = way_of(text)
        assert way.spans == spans and way.score == pytest.approx(float(best), rel=1e-5)
    if most == 1:
        with pytest.raises(DataError, match="longer than the recording"):
            way_of([1] * 3)


@pytest.mark.parametrize("most", [1, 5])
def test_in_tiles_losses_and_gradients_are_the_same(most, monkeypatch):
    head, x, lengths, texts = drawn(most=most), torch.randn(7, 3, 4), torch.tensor([7, 2, 5]), [[1, 2], [1], []]
    found = []
    for tile in (module.TILE, 1):
        monkeypatch.setattr(module, "TILE", tile)
        head.zero_grad()
        losses = head(x, lengths, texts)
        losses.sum().backward()
        found.append([losses.detach(), *[weight.grad for weight in head.parameters()]])
    torch.testing.assert_close(found[0], found[1])


@pytest.mark.parametrize("most", [1, 3])
def test_a_long_recording_does_not_make_the_lattices_of_short_ones_large(most, monkeypatch):
    texts, lengths, seen = [[1], [2, 1] * 20, [1, 2], [], [2, 2, 1]], torch.tensor([5, 90, 4, 6, 5]), []
    lattice = TransducerHead._losses_side_by_side

    def watched(self, output, lengths, texts):
        seen.append((len(texts) * len(output) * (max(map(len, texts)) + 1), len(texts)))
        return lattice(self, output, lengths, texts)

    monkeypatch.setattr(TransducerHead, "_losses_side_by_side", watched)
    found = []
    for cells in (1 << 20, 80):
        monkeypatch.setattr(module, "CELLS", cells)
        head = drawn(most=most)
        x = torch.randn(90, 5, head.heard.in_features, generator=torch.Generator().manual_seed(0)).requires_grad_()
        losses = head(x, lengths, texts)
        losses.sum().backward()
        found.append((losses.detach(), x.grad))
    assert seen[0][1] == 5 and all(cells <= 80 or rows == 1 for cells, rows in seen[1:]) and sum(rows for _, rows in seen[1:]) == 5
    torch.testing.assert_close(found[0], found[1])


def test_ctc_counts_beside_it_in_training_alone():
    head, x, lengths, texts = drawn(ctc=0.5), torch.randn(5, 2, 4), torch.tensor([5, 4]), [[1, 2], [2]]
    beside = ctc_losses(head.beside(x), lengths, texts)
    torch.testing.assert_close(head(x, lengths, texts) - head.eval()(x, lengths, texts), 0.5 * beside)
    assert drawn().beside is None
    first = drawn(ctc=0.5, added=True)
    torch.testing.assert_close(first(x, lengths, texts, True), ctc_losses(first.beside(x), lengths, texts))
    first(x, lengths, texts, True).sum().backward()
    assert not first.linear.weight.grad.any() and first.beside.weight.grad.any()  # a gradient of zeros, but there: several processes wait for each


@pytest.mark.parametrize("kind", ["stateless", "recurrent"])
def test_symbol_by_symbol_a_predictor_is_that_of_the_whole_text(kind):
    one, text = predictor(kind, 5, 8), [3, 3, 1, 4]
    memory = one.begin()
    found = [memory.vector]
    for symbol in text:
        memory = one.after(memory, symbol)
        assert isinstance(memory, Memory) and np.array_equal(one.resumed(memory.state).vector, memory.vector)
        found.append(memory.vector)
    np.testing.assert_allclose(np.stack(found), one(torch.tensor([text]))[0].detach().numpy(), atol=1e-6)


def by_hand(most=5):
    """Symbol 1 as long as it is not the last one, then 2, then the blank: by the last symbol alone."""
    head = TransducerHead(1, 3, 3, Stateless(3, 3), dropout=0.0, most=most, ctc=0.0)
    with torch.no_grad():
        for weight in head.parameters():
            weight.zero_()
        for last, following in ((0, 1), (1, 2), (2, 0)):
            head.predictor.tables[1].weight[last, following] = 9.0
        head.linear.weight.copy_(torch.eye(3) * 20)
    return head


def test_greedy_search_by_hand():
    head, x = by_hand(), torch.zeros(2, 1, 1)
    read, joint = head(x, torch.tensor([2])), Joint(head)
    frame = joint.greedy(np.zeros(3, np.float32), joint.begin())
    assert isinstance(frame, Frame) and [symbol for symbol, _ in frame.symbols] == [1, 2] and not frame.cut and frame.memory.state == (1, 2)
    assert frame.score == pytest.approx(0, abs=1e-6)
    reader = TransducerGreedy(RULE, joint)
    reader.firsts = []
    assert list(reader.accept(read.heard[:, 0].numpy())) == [] and [sign[:3] for sign in reader.finish().signs] == [(1, 0, 1), (2, 0, 1)]
    assert isinstance(read, Read)
    np.testing.assert_allclose(read.logits[:, 0].detach().log_softmax(1).numpy(), reader.firsts, atol=1e-5)


def test_one_symbol_in_a_step_at_most_by_hand():
    """In the first step 1, in the second 2, then blanks; a step with a symbol has no blank, and nothing is cut."""
    joint = Joint(by_hand(most=1))
    reader = TransducerGreedy(RULE, joint)
    assert list(reader.accept(np.zeros((4, 3), np.float32))) == [] and reader.cut == 0
    piece = reader.finish()
    assert [sign[:3] for sign in piece.signs] == [(1, 0, 1), (2, 1, 2)] and piece.score == pytest.approx(0, abs=1e-6)


def test_a_symbol_that_goes_on_is_one_symbol():
    """Where the word is as likely in two steps it is written once, by greedy search and by a beam; with a blank between, twice."""
    head = TransducerHead(3, 3, 3, Stateless(3, 3), dropout=0.0, most=1, ctc=0.0, added=True)
    with torch.no_grad():
        for weight in head.parameters():
            weight.zero_()
        head.beside.weight.copy_(torch.eye(3) * 9)
    heard = head.read(torch.eye(3)[[0, 1, 1, 0, 1, 2, 2, 2, 0]][:, None])[:, 0].numpy()
    for beam_size in (1, 4):
        reader = transducer_decoder(beam_size, RULE, Joint(head))
        assert list(reader.accept(heard)) == [] and [sign[:3] for sign in reader.finish().signs] == [(1, 1, 3), (1, 4, 5), (2, 5, 8)]


def test_before_it_knows_what_was_written_it_is_ctc():
    """What it adds to the logits of CTC begins near zero, and with nothing added its loss is that of CTC."""
    head, x, lengths, texts = drawn(most=1, ctc=0.5, added=True).eval(), torch.randn(7, 4, 4), torch.tensor([7, 5, 3, 4]), [[1, 1, 2], [2], [], [1, 2, 2, 2]]
    with torch.no_grad():
        for weight in head.linear.parameters():
            weight.zero_()
    torch.testing.assert_close(head(x, lengths, texts), ctc_losses(head.beside(x), lengths, texts))


@pytest.mark.parametrize("most", [2, 3])
def test_s8_what_is_written_in_a_step_is_bounded_and_counted(most):
    head = drawn(most=most)
    with torch.no_grad():
        head.linear.bias[1] = 50.0  # never a blank
    reader = TransducerGreedy(RULE, Joint(head))
    assert list(reader.accept(head.read(torch.randn(4, 1, 4))[:, 0].numpy())) == []
    assert reader.cut == 4 and [sign.start for sign in reader.finish().signs] == [step for step in range(4) for _ in range(most)]


@pytest.mark.parametrize(("kind", "most", "added"), FORMS)
@pytest.mark.parametrize("steps", range(1, 6))
def test_a_beam_that_keeps_all_is_exact(kind, most, added, steps):
    """One symbol at most in a step: each text has the probability of all such ways to write it."""
    head, x = drawn(kind, most=most, added=added, seed=steps), torch.randn(steps, 1, 4)
    reader = transducer_decoder(10_000, RULE, Joint(head))
    assert isinstance(reader, TransducerBeam) and list(reader.accept(head.read(x)[:, 0].numpy())) == []
    expected = {}
    for length in range(steps + 1):
        for text in itertools.product([1, 2], repeat=length):
            if most == 1:
                totals = [float(total) for _, total in ways(head, x[:, 0], text)]
                if totals:
                    expected[text] = np.logaddexp.reduce(totals)
                continue
            rows = rows_of(head, x[:, 0], text).double()
            totals = []
            for places in itertools.combinations(range(steps), length):
                written, total = 0, 0.0
                for step in range(steps):
                    symbol = text[written] if step in places else 0
                    total, written = total + float(rows[step, written, symbol]), written + (symbol != 0)
                totals.append(total)
            expected[text] = np.logaddexp.reduce(totals)
    found = reader.n_best()
    assert {text for text, _ in found} == set(expected) and found[0][1] == max(score for _, score in found)
    np.testing.assert_allclose([score for _, score in found], [expected[text] for text, _ in found], rtol=1e-4)
    assert reader.partial().score == found[0][1]


def test_pieces_end_in_silence_times_are_steps_and_what_was_written_is_remembered():
    """By hand: after 1 and 2 nothing more is written, also not after an end-point."""
    rows = np.zeros((9, 3), np.float32)
    for beam_size, starts in ((1, (0, 0)), (3, (0, 1))):
        reader = transducer_decoder(beam_size, EndRule(silence=2, longest=100), Joint(by_hand()))
        (piece,) = list(reader.accept(rows))
        assert [sign.symbol for sign in piece.signs] == [1, 2] and tuple(sign.start for sign in piece.signs) == starts and all(isinstance(sign, Sign) for sign in piece.signs)
        assert reader.finish() is None


def test_the_same_bits_whatever_is_computed_together():
    head, x = drawn(symbols=5), torch.randn(9, 2, 4) * 3
    np.testing.assert_array_equal(head.read(x)[:4, :1].numpy(), head.read(x[:4, :1]).numpy())


KINDS = [{}, {"predictor": "recurrent", "ctc_first": 0.25}, {"symbols_a_step": 5, "ctc_first": 0.0}]


def learnt(**options):
    return fitted(head="transducer", **options)


@pytest.mark.parametrize("options", KINDS, ids=str)
def test_it_learns_and_is_kept(tmp_path, options):
    model, data = learnt(**options), recordings(12)
    assert isinstance(model, Reading) and isinstance(model.network_, EachStepNetwork) and isinstance(model.network_.head, TransducerHead)
    result = model.evaluate(data)
    assert result["wer"] < 0.1 and result["cut"] == 0 and result["infeasible"] == 0 and np.isfinite(result["loss"])
    again = Transcriber.load(model.save(tmp_path / "run", test=data))
    assert again.transcribe(data) == model.transcribe(data) and again.predict(data) == again._answers(data)
    assert model.predict([np.zeros(5000, np.float32)]) == [""]
    assert model.predict([said(WORDS)], beam_size=4) == model.predict([said(WORDS)]) == [" ".join(WORDS)]
    (found,) = model.align([said(WORDS)], [" ".join(WORDS)])
    assert found.text == " ".join(WORDS) and found.words[0].end < found.words[-1].start and isinstance(model._whole(data, lambda: model._decoder(1, model._rule()))[0], Answered)


def test_s10_no_recording_is_too_short():
    data = recordings(24)
    waves = [Wave(data.waves[0].samples[:300], RATE), *data.waves[1:]]
    model = Transcriber("gru", head="transducer", symbols_a_step=5, infeasible="raise", **{**SMALL, "epochs": 1}).fit(Recordings(waves, texts=data.texts), validation=recordings(6))
    assert model.left_out_ == [] and np.isfinite(model.metrics_[0]["train_loss"])
    assert model.evaluate([said(["lo"])], ["xyz"])["infeasible"] == 1


def test_s10_with_one_symbol_a_step_a_text_needs_as_many_steps_as_symbols():
    data = recordings(24)
    waves = [Wave(data.waves[0].samples[:300], RATE), *data.waves[1:]]  # two steps
    given = Recordings(waves, texts=["lo hi lo", *data.texts[1:]])
    model = Transcriber("gru", head="transducer", **{**SMALL, "epochs": 1}).fit(given, validation=recordings(6))
    assert model.left_out_ == [given.ids[0]] and np.isfinite(model.metrics_[0]["train_loss"])
    assert model.evaluate(waves[:1], ["lo hi lo"])["infeasible"] == 1 and np.isfinite(model.evaluate(data)["loss"])
    with pytest.raises(DataError, match="longer than the recording"):
        model.align(waves[:1], ["lo hi lo"])
    with pytest.raises(DataError, match="fewer steps than their transcripts need"):
        Transcriber("gru", head="transducer", infeasible="raise", **{**SMALL, "epochs": 1}).fit(given, validation=recordings(6))


@pytest.mark.cpp
@pytest.mark.parametrize("options", KINDS, ids=str)
@pytest.mark.parametrize("beam_size", [1, 3])
def test_alone_in_a_batch_and_as_a_stream_the_same_bits(options, beam_size):
    model, data = learnt(**options), recordings(12)
    together = model.transcribe(data, beam_size=beam_size)
    assert together == [model.transcribe([wave], beam_size=beam_size)[0] for wave in data.waves]
    for seed, (wave, whole) in enumerate(zip(data.waves, together)):
        stream = model.stream(rate=wave.rate, beam_size=beam_size)
        events = [event for part in chunks(wave.samples, np.random.default_rng(seed), 700) for event in stream.accept(part)] + list(stream.finish())
        finals = [event for event in events if event.kind == "final"]
        assert "".join(event.text for event in finals) == whole.text and tuple(token for event in finals for token in event.tokens) == whole.tokens
        assert sum((event.score for event in finals), 0.0) == whole.score


def test_what_it_cannot_do_is_told():
    import tenuto

    with pytest.raises(ArgumentError, match="head='rnnt'"):
        Transcriber(head="rnnt", **SMALL).fit(recordings(4))
    with pytest.raises(ArgumentError, match="predictor='lstm'"):
        Transcriber(head="transducer", predictor="lstm", **SMALL).fit(recordings(4))
    model = learnt()
    with pytest.raises(ArgumentError, match="a transducer cannot be exported yet"):
        tenuto.export(model, "unused", to="onnx")
    with pytest.raises(ArgumentError, match="a transducer cannot teach"):
        model.choices((None,), None)


def test_the_blank_is_lowered_as_far_as_errors_become_fewer():
    head, tried = drawn(), []

    def errors():
        tried.append(round(before - float(head.linear.bias[0].detach()), 4))
        return {0.0: 5, 0.5: 4, 1.0: 2, 1.5: 2}.get(tried[-1], 3)

    before = float(head.linear.bias[0].detach())
    rest = head.linear.bias[1:].clone()
    head.lower_blank(errors)
    assert tried == [0.0, *module.LOWER[:4]] == [0.0, 0.5, 1.0, 1.5, 2.0] and float(head.linear.bias[0].detach()) == pytest.approx(before - 1.0) and torch.equal(head.linear.bias[1:], rest)
    head.lower_blank(lambda: 7)  # nothing helps
    assert float(head.linear.bias[0].detach()) == pytest.approx(before - 1.0)


def test_words_that_are_left_out_are_won_back_on_what_was_held_out():
    model, held_out = Transcriber("gru", head="transducer", **SMALL).fit(recordings()), recordings(24)
    with torch.no_grad():
        model.network_.head.linear.bias[0] += 40.0
    assert set(model.predict(held_out)) == {""}
    model.network_.head.linear.bias.data[0] -= 38.5
    lost = model.score(held_out)
    model._calibrate(held_out)
    assert model.score(held_out) >= lost
