"""`tenuto.distill`: a student of every task, its loss against a formula, what it begins with, what is lost, and what is refused."""

import copy

import numpy as np
import pytest
import torch
from torch.nn.functional import kl_div

import tenuto
from tenuto.distill import Fidelity, fidelity
from tenuto.distill.call import lesson
from tenuto.distill.teacher import digest_of
from tenuto.errors import ArgumentError, DataError, NotFittedError, RunError
from tenuto.networks.crf_divergence import crf_divergence
from tenuto.runs.schema import breaches, files_of
from tenuto.tasks import SequenceClassifier, TextClassifier
from tenuto.tasks.task import load
from tests.distill.models import NAMES, asked, fitted
from tests.tasks.toy.estimator import Summer

SMALL = {"cell": "rnn", "hidden_size": 5, "epochs": 2}


@pytest.mark.parametrize("name", NAMES)
def test_a_student_of_every_task(name, tmp_path):
    teacher, data = fitted(name)
    before, told = digest_of(teacher.network_), copy.deepcopy(teacher.evaluation_)
    student = tenuto.distill(teacher, data, **SMALL)
    assert digest_of(teacher.network_) == before and str(teacher.evaluation_) == str(told)
    assert type(student) is type(teacher) and student.prepared == teacher.prepared and student.output_names() == teacher.output_names()
    assert (type(student.cell_).__name__, student.hidden_size, student.epochs) == ("Elman", 5, 2)
    found = Fidelity.of(student)
    assert found.part == "validation" and found.student.parameters < found.teacher.parameters and found.divergence > 0 and found.teacher.scores
    low, high = found.agreement_interval
    assert 0 <= low <= found.agreement <= high <= 1 and "the same answer for" in str(found)
    student.save(tmp_path / "run")
    again = type(student).load(tmp_path / "run")
    assert list(again.predict(asked(name))) == list(student.predict(asked(name))) and Fidelity.of(again).to_data() == found.to_data()
    own = load(f"{'.'.join(type(teacher).__module__.split('.')[:-1])}.schema:OWN")
    assert not list(breaches(files_of(own)["evaluation.json"], student.evaluation_))
    assert tenuto.distill(teacher, data, **SMALL).metrics_[-1]["validation_loss"] == student.metrics_[-1]["validation_loss"]


@pytest.mark.parametrize("name", NAMES)
def test_a_student_that_is_the_teacher_loses_nothing(name):
    teacher, data = fitted(name)
    student = tenuto.distill(teacher, data, start="all", epochs=1, learning_rate=1e-30, weight_decay=0.0)
    assert student.metrics_[-1]["train_loss"] >= 0
    for found in (fidelity(teacher, student, data), fidelity(teacher, teacher, data)):
        assert (found.agreement, found.divergence) == (1.0, 0.0) and found.teacher.scores == found.student.scores


class Doubled(torch.nn.Module):
    """A network in float64, and in evaluation mode, which keeps what it was called with and what it gave."""

    def __init__(self, network):
        super().__init__()
        self.network, self.given, self.output = network.double().eval(), None, None

    def forward(self, batch, *rest, **named):
        self.given = (batch._replace(x=batch.x.double()) if hasattr(batch, "x") else batch, *rest)
        self.output = self.network.eval()(*self.given, **named)
        return self.output


def first_batch(name, data, truth=0.25, states=0.0):
    """For the first batch of a student's training at temperature 3: the task's loss, the teacher's, and what both networks chose between, all in float64; and the training set."""
    teacher = fitted(name)[0]
    student, teaching = lesson(teacher, "gru", {"hidden_size": 4, "epochs": 1}, temperature=3.0, truth=truth, states=states, start="nothing")
    lead, kept = teaching.lead, {}

    def led(learning, training):
        kept.update(task=learning, training=training, taught=lead(learning, training))
        return kept["taught"]

    teaching.lead = led
    student.learn_from(teaching, data)
    key, own = kept["task"].batches(1)[0], Doubled(student.network_)
    teaching.network = Doubled(teaching.network)
    hard, taught = kept["task"].loss(own, key, None), kept["taught"].loss(own, key, None)
    outputs = [network.output for network in (teaching.network, own)]
    choices = [teacher.choices(own.given, output) for output in outputs]
    assert taught.count == hard.count
    return hard.mean, taught.mean, choices, own.given[0], kept["training"], outputs


def nats_by_hand(choices, temperature):
    """KL(teacher || student) of each choice, from probabilities, and where there is a choice."""
    powers = [torch.exp(one.logits / temperature) for one in choices]
    known, guessed = (power / power.sum(-1, keepdim=True) for power in powers)
    nats = kl_div(guessed.log(), known, reduction="none").sum(-1)
    return nats, torch.ones_like(nats, dtype=torch.bool) if choices[0].live is None else choices[0].live


@pytest.mark.parametrize("name", ["classify", "text", "translate", "language", "softmax"])
def test_the_loss_is_hintons(name):
    hard, taught, choices, *_ = first_batch(name, fitted(name)[1])
    nats, live = nats_by_hand(choices, 3.0)
    torch.testing.assert_close(taught, 0.25 * hard + 0.75 * 9.0 * nats[live].mean(), rtol=1e-10, atol=1e-12)
    assert taught.dtype == torch.float64 and nats[live].min() > 0


def test_without_a_share_of_right_answers_the_loss_is_the_divergence_alone():
    _, taught, choices, *_ = first_batch("text", fitted("text")[1], truth=0)
    torch.testing.assert_close(taught, 9.0 * nats_by_hand(choices, 3.0)[0].mean(), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", ["classify", "text", "tag", "translate", "language"])
def test_hidden_states_are_a_part_of_the_loss(name):
    none, half, whole = (first_batch(name, fitted(name)[1], states=states)[1] for states in (0.0, 0.5, 1.0))
    assert half > none
    torch.testing.assert_close(whole - none, 2 * (half - none), rtol=0.05, atol=1e-6)  # the students differ a little: each learnt for an epoch


def test_a_student_with_states_can_be_copied_and_kept(tmp_path):
    teacher, data = fitted("classify")
    student = tenuto.distill(teacher, data, states=1.0, **SMALL)
    copy.deepcopy(student).save(tmp_path / "run")
    assert student.evaluation_["distillation"]["states"] == 1.0 and not student.network_.encoder._forward_hooks
    assert student.metrics_[0]["train_loss"] > tenuto.distill(teacher, data, **SMALL).metrics_[0]["train_loss"]


def test_a_class_may_be_answered_once_or_never():
    """Where the teacher labels the data, they are not divided by class."""
    teacher, (x, _) = fitted("text")
    words = teacher.predict(x)
    once = [row for row, word in zip(x, words) if word == words[0]][:6] + [row for row, word in zip(x, words) if word != words[0]][:1]
    for texts in (once, once[:6]):
        assert tenuto.distill(teacher, texts, **SMALL).evaluation_["data"]["train"]["sequences"] in (5, 6)


def test_rows_count_by_their_weights():
    x, y = fitted("classify")[1]
    weights = [index % 3 for index in range(len(x))]
    hard, taught, choices, batch, training, _ = first_batch("classify", (x, y, None, weights))
    even = torch.from_numpy(training.weights / training.weights.mean())
    assert len(set(even[batch.indices].tolist())) == 2 and training.weights.min() > 0
    torch.testing.assert_close(taught, 0.25 * hard + 0.75 * 9.0 * (nats_by_hand(choices, 3.0)[0][0] * even[batch.indices]).mean(), rtol=1e-6, atol=1e-8)


def test_a_taggers_loss_is_that_of_whole_sentences():
    """The mean over sentences of the divergence over all their sequences of tags, which `tests/networks/test_crf_divergence.py` compares with their sum."""
    hard, taught, *_, outputs = first_batch("tag", fitted("tag")[1])
    known, guessed = outputs
    nats = crf_divergence((known.tags, known.links), (guessed.tags, guessed.links), known.lengths, 3.0)
    torch.testing.assert_close(taught, 0.25 * hard + 0.75 * 9.0 * nats.mean(), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_padding_has_no_part_in_the_divergence(name):
    """A row in a batch with longer ones is as far apart as it is alone."""
    teacher, data = fitted(name)
    student = tenuto.distill(teacher, data, **SMALL)
    for given in student.lessons(teacher.as_set(data)):
        batch = given[0]
        rows = len(batch.lengths) if batch.lengths is not None else batch.inputs.shape[1]
        together = apart(teacher, student, given)
        for row in range(min(rows, 4)):
            alone = apart(teacher, student, (batch.select(torch.tensor([row])),))
            torch.testing.assert_close(alone.nats[0], together.nats[row], rtol=1e-4, atol=1e-6)
            assert alone.places[0] == together.places[row]
        break


def apart(teacher, student, given):
    with torch.no_grad():
        return student.apart(given, teacher.heard(teacher.network_, given)[0], student.heard(student.network_, given)[0], 1.0)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ("language", "softmax")])
def test_without_right_answers_only_the_teacher_teaches(name):
    teacher, data = fitted(name)
    student = tenuto.distill(teacher, data[0], test=data, **SMALL)
    kept = student.evaluation_["distillation"]
    assert kept["truth"] == 0 and kept["part"] == "test" and kept["teacher"]["scores"]
    alone = Fidelity.of(tenuto.distill(teacher, data[0], **SMALL))
    assert alone.teacher.scores == {} and alone.student.scores == {} and "loss" not in str(alone)
    with pytest.raises(ArgumentError, match=r"the data have no right answers, .* truth=0.5"):
        tenuto.distill(teacher, data[0], truth=0.5, **SMALL)


@pytest.mark.parametrize("start", ["front", "all", "nothing"])
def test_the_student_begins_with_what_fits(start):
    """Before training: the parts that `start` names are the teacher's, but not the letters' own network, which has another cell here."""
    teacher, data = fitted("tag")
    student, teaching = lesson(teacher, "rnn", {}, temperature=2.0, truth=None, states=0.0, start=start)
    begun, kept = teaching.begin, {}

    def begin(network):
        before = {name: weight.clone() for name, weight in network.state_dict().items()}
        begun(network)
        kept.update({name: not torch.equal(weight, before[name]) for name, weight in network.state_dict().items()})
        for name, changed in kept.items():
            assert not changed or torch.equal(network.state_dict()[name], theirs[name])

    theirs, teaching.begin = teacher.network_.state_dict(), begin
    student.set_params(epochs=1).learn_from(teaching, data)
    parts = {name.partition(".")[0] for name, changed in kept.items() if changed}
    assert parts == {"front": {"front"}, "all": {"front", "head"}, "nothing": set()}[start]
    assert not any(changed for name, changed in kept.items() if "recurrent" in name or name.startswith("encoder."))


def test_a_checkpoint_knows_its_teacher(tmp_path):
    teacher, data = fitted("text")
    first = tenuto.distill(teacher, data, checkpoint=tmp_path, **SMALL)
    again = tenuto.distill(teacher, data, checkpoint=tmp_path, **SMALL)
    assert digest_of(first.network_) == digest_of(again.network_)
    with pytest.raises(RunError, match="teacher.temperature"):
        tenuto.distill(teacher, data, checkpoint=tmp_path, temperature=4.0, **SMALL)


def test_a_stopped_language_student_goes_on_with_both_states(tmp_path):
    """The carried state of both networks is in the checkpoint: a run in two halves ends with the bits of one that was not stopped."""
    teacher, data = fitted("language")

    class Stop(tenuto.train.Observer):
        def step_ended(self, *, step, **rest):
            if step == 7:
                raise RuntimeError("stopped")

    checkpoint = tenuto.train.Checkpoint(tmp_path, every_s=None, every_steps=1)
    whole = tenuto.distill(teacher, data, validate_every=3, **SMALL)
    with pytest.raises(RuntimeError, match="stopped"):
        tenuto.distill(teacher, data, validate_every=3, checkpoint=checkpoint, observers=[Stop()], **SMALL)
    assert digest_of(tenuto.distill(teacher, data, validate_every=3, checkpoint=checkpoint, **SMALL).network_) == digest_of(whole.network_)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"temperature": 0}, "temperature=0 is out of range"),
        ({"temperature": float("nan")}, "temperature=nan is out of range"),
        ({"truth": 1.0}, "truth=1.0 is out of range"),
        ({"states": -0.5}, "states=-0.5 is out of range"),
        ({"start": "back"}, "start"),
        ({"cell": "gruu"}, "did you mean gru"),
        ({"hiden_size": 3}, "hidden_size"),
        ({"hidden_size": 0}, "hidden_size=0 is out of range"),
    ],
)
def test_what_is_out_of_range_is_refused_before_anything_is_read(wrong, said):
    with pytest.raises(ArgumentError, match=said):
        tenuto.distill(fitted("text")[0], None, **wrong)


def test_what_cannot_teach():
    teacher, (x, y) = fitted("classify")
    with pytest.raises(ArgumentError, match="there is nobody to learn from"):
        tenuto.distill(torch.nn.GRU(2, 3), x)
    with pytest.raises(NotFittedError, match="distill: it is not fitted"):
        tenuto.distill(SequenceClassifier("gru"), x)
    lines = [[1.0, 2.0], [3.0], [2.0, 2.0]]
    with pytest.raises(ArgumentError, match="Summer has no probabilities"):
        tenuto.distill(Summer().fit(lines, [3.0, 3.0, 4.0]), lines)
    with pytest.raises(ArgumentError, match="do not have the same answers"):
        fidelity(teacher, fitted("text")[0], (x, y))
    with pytest.raises(ArgumentError, match="trained without a teacher"):
        Fidelity.of(teacher)


def test_data_that_the_teacher_cannot_read_or_answer_are_refused():
    teacher, (x, y) = fitted("classify")
    with pytest.raises(tenuto.errors.ShapeError, match="the data has 3 channels"):
        tenuto.distill(teacher, [np.zeros((4, 3))] * 4, **SMALL)
    with pytest.raises(DataError, match="middle"):
        tenuto.distill(teacher, (x, ["middle", *y[1:]]), **SMALL)
    tagger, (words, tags) = fitted("tag")
    with pytest.raises(DataError, match=r"the tag 'B-film', which is not known"):
        tenuto.distill(tagger, (words, [["B-film" if tag == "B-genre" else tag for tag in row] for row in tags]), **SMALL)


def test_channels_in_another_order_are_read_by_name():
    pandas = pytest.importorskip("pandas")
    generator = np.random.default_rng(0)
    frames = [pandas.DataFrame({"a": generator.normal(index % 2, 0.1, 6), "b": generator.normal(0, 50, 6)}) for index in range(20)]
    labels = ["low", "high"] * 10
    teacher = SequenceClassifier("gru", hidden_size=4, num_layers=1, epochs=3).fit(frames, labels)
    one = tenuto.distill(teacher, (frames, labels), **SMALL)
    other = tenuto.distill(teacher, ([frame[["b", "a"]] for frame in frames], labels), **SMALL)
    np.testing.assert_array_equal(one.predict_proba(frames), other.predict_proba(frames))


def test_a_student_reads_texts_as_its_teacher_was_taught_to():
    """Most texts of the teacher are one word, so it reads letters; those of the student are long, and are read by letters too."""
    names = ["anna", "maria", "petrov", "ivanov", "sofia", "smirnov"] * 5
    teacher = TextClassifier("gru", hidden_size=4, word_size=4, epochs=2).fit(names, ["first", "first", "last", "last", "first", "last"] * 5)
    texts = ["anna maria sofia", "ivanov smirnov petrov"] * 6  # to all of which the teacher may give one label
    student = tenuto.distill(teacher, texts, **SMALL)
    assert student.coder_.rule == teacher.coder_.rule and student.step_names(texts[:1]) == teacher.step_names(texts[:1])
