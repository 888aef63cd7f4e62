"""`Seq2Seq`: one sequence of symbols into another with an encoder, a decoder and attention, in the manner of scikit-learn.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from tenuto.cell import Cell
from tenuto.choices import require
from tenuto.data import bucketed_batches
from tenuto.data.pairs.batches import NumberedPairs, PairBatch, collate_pairs
from tenuto.data.pairs.pairs import Pairs, Side
from tenuto.data.pairs.symbols import AUTO, END, FIRST, PADDING, UNKNOWN, UNKNOWN_RULES, Symbols, check_kind, kind_of, split_side
from tenuto.errors import DataError
from tenuto.networks.encoders import MEMORIES, encoder_kind
from tenuto.tasks.batches import Batches
from tenuto.tasks.estimator import Estimator, batch_in_words
from tenuto.tasks.evaluation import Measured, UsualCall, describe_set
from tenuto.tasks.taught import Choices
from tenuto.tasks.translate.decoder import check_decoder
from tenuto.tasks.translate.evaluation import measured
from tenuto.tasks.translate.exported import ExportedTranslator
from tenuto.tasks.translate.network import Seq2SeqNetwork
from tenuto.tasks.translate.options import TranslateOptions
from tenuto.tasks.translate.search import greedy_steps
from tenuto.tasks.translate.translator import ROWS, Translator, cross_entropy
from tenuto.train import Launch, Loss, Outcome, share_of
from tenuto.train.course import Learning

VALIDATED = 1000  # about how many sources are answered in each validation
MOST_LOGITS = 2**25  # numbers that a batch of answers may keep, 128 MiB


class Translation(NamedTuple):
    """One answer. target: as targets were given. log_probability: in nats. score: by which answers are ranked, see `search.Hypothesis`."""

    target: Side
    log_probability: float
    score: float


class Answered(NamedTuple):
    """The network's output for a batch of sources.

    Attributes:
        numbers: [T, B] int64, the answers that a search found, each with its end; what stands after the end has no meaning.
        logits: [T, B, V], from which each of these numbers was chosen.
    """

    numbers: Tensor
    logits: Tensor


class Seq2Seq(TranslateOptions, ExportedTranslator, Estimator):
    """Turns sequences of symbols into others: spelling into sounds, dates into ISO dates, sums into results.

    Trains with teacher forcing on batches of similar lengths, keeps the best weights, and saves itself as a folder of plain files. With the
    default attention the whole decoder is one fused time loop, and attention is computed for all its steps at once.
    A source that occurs in several pairs has several right answers. Fitting leaves torch's own random generator as it was.
    `clone`, `cross_val_score`, grid search and pipelines of scikit-learn work; a step before it in a pipeline takes and gives a list of
    sources, for example `FunctionTransformer` around a function that writes them in lower case. Folds do not keep the pairs of a source
    together: where a source has several answers, split with `Pairs.split` or `GroupKFold`.

    `fit` takes N sources, texts or lists of symbols, and N targets; or `tenuto.data.pairs.Pairs`.

    Args:
        The options of `tenuto fit`; `help` of this class lists each with its default.
    Attributes (after fit):
        source_symbols_, target_symbols_: the tables of symbols. max_length_: of answers, in symbols. seed_: the seed used.
        network_: the torch module. metrics_: one dictionary for each validation. evaluation_: what a report shows (`tenuto.runs.schema`).
    Example:
        >>> words = [a + b + c for a in "abcd" for b in "abcd" for c in "abcd"]
        >>> model = Seq2Seq("gru", hidden_size=32, embedding_size=16, epochs=25, batch_size=4, learning_rate=1e-2, dropout=0.0)
        >>> model.fit(words, [word[::-1].upper() for word in words]).predict(["abd"])
        ['DBA']
    """

    task = "translate"
    former_names = {
        "source_embedding": "front.embedding",
        "encoder": "encoder",
        **{name: f"head.{name}" for name in ("decoder", "bridge", "target_embedding", "attention", "first_query", "join")},
        "head": "head.output",
    }
    takes = {"one_d_array": True, "string": True}
    by_place, answer_unit, choice_unit = True, "source", "symbol"

    decoder_cell_: Cell


    # --- fitting -------------------------------------------------------------------------------------------------------

    def _read(self, x: Any, y: Any = None) -> Pairs:
        return Pairs.of(x, y)

    def _divide(self, data: Pairs) -> tuple[Pairs, Pairs]:
        data.require_targets()
        return data.split(self.validation_fraction, seed=self.seed_)

    def _settled(self, training: Pairs) -> dict[str, Any]:
        sides = {"source_unit": training.source, "target_unit": training.require_targets()}
        return super()._settled(training) | {name: kind_of(side) for name, side in sides.items() if getattr(self, name) == AUTO}

    def _prepare(self, training: Pairs, held_out: Pairs) -> None:
        held_out.require_targets()
        targets = [split_side(side, self.options_["target_unit"]) for side in training.require_targets()]
        self.source_symbols_ = Symbols.learn(
            (split_side(side, self.options_["source_unit"]) for side in training.source), minimum_count=self.minimum_count
        )
        self.target_symbols_ = Symbols.learn(targets, minimum_count=self.minimum_count)
        self.max_length_ = self.max_length or max(map(len, targets)) + 10

    def _require_scorable(self, data: Pairs) -> None:
        data.require_targets()
        self.translator().numbered(data)
        super()._require_scorable(data)

    def check_options(self) -> None:
        super().check_options()
        for name in ("source_unit", "target_unit"):
            check_kind(name, getattr(self, name))
        require("unknown", self.unknown, UNKNOWN_RULES)
        check_decoder(self.attention, self.input_feeding, self.decoder_input)

    def _encoder_size(self) -> tuple[int, str]:
        side_by_side = self.bidirectional and encoder_kind(self.encoder) in ("recurrent", *MEMORIES)
        return self.encoder_size or max(1, self.hidden_size // (2 if side_by_side else 1)), "encoder_size"

    def narrower(self, hidden_size: int) -> dict[str, Any]:
        """The options of a network with fewer units, in the encoder too. A target symbol's vector stays as wide as it is, unless a tied matrix reads the units themselves."""
        changes: dict[str, Any] = {"hidden_size": hidden_size}
        if self.encoder_size is not None:
            changes["encoder_size"] = max(1, round(self.encoder_size * hidden_size / self.hidden_size))
        if self.tied_embeddings and self.attention == "none" and self.embedding_size == self.hidden_size:
            changes["embedding_size"] = hidden_size
        return changes

    def _network(self) -> Seq2SeqNetwork:
        return Seq2SeqNetwork(
            self.cell_,
            self.decoder_cell_,
            len(self.source_symbols_),
            len(self.target_symbols_),
            embedding_size=self.embedding_size,
            hidden_size=self.hidden_size,
            encoder=self.encoder,
            encoder_size=self._encoder_size()[0],
            num_layers=self.num_layers,
            encoder_layers=self.encoder_layers or self.num_layers,
            bidirectional=self.bidirectional,
            attention=self.attention,
            input_feeding=self.input_feeding,
            decoder_input=self.decoder_input,
            tied_embeddings=self.tied_embeddings,
            symbol_dropout=self.symbol_dropout,
            dropout=self.dropout,
            engine=self.engine,
        )

    def _learning(self, training: Pairs, held_out: Pairs, launch: Launch) -> Learning:
        translator = self.translator()
        pairs, others = translator.numbered(training, unknown="symbol"), translator.numbered(held_out, unknown="symbol")
        order, device = pairs.order, torch.device(self.device)
        knows_unknown = self.symbol_dropout > 0 or any(bool((side == UNKNOWN).any()) for side in pairs.source)
        every = -(-len(held_out.groups) // VALIDATED)
        watched = held_out.select([index for places in list(held_out.groups.values())[::every] for index in places])
        right = {source: {split_side(one, self.options_["target_unit"]) for one in known} for source, known in watched.answers().items()}

        def batches(epoch: int) -> list[np.ndarray]:
            return bucketed_batches(order, self.options_["batch_size"], seed=self.seed_, epoch=epoch, bucket=32)

        def loss(network: nn.Module, indices: np.ndarray, carried: None) -> Loss:
            mine, count = share_of(launch, indices)
            batch = collate_pairs(pairs, mine).to(device)
            return Loss(cross_entropy(network(batch), batch, label_smoothing=self.label_smoothing), batch.symbols if count else 0)

        def validate(network: nn.Module) -> dict[str, float]:
            if not knows_unknown:
                weight = translator.network.front.embedding.weight
                weight[UNKNOWN] = weight[FIRST:].mean(0)
            measured = translator.forced(others)
            answers = translator.search(watched, beam_size=1, unknown="symbol")
            hits = [self.target_symbols_.texts(found[0].numbers) in right[source] for source, found in answers.items()]
            return {
                "validation_loss": measured["loss"],
                "validation_token_accuracy": measured["token_accuracy"],
                "validation_exact": sum(hits) / len(hits),
            }

        return Learning(batches, loss, validate, lambda indices: batch_in_words(training.ids, indices, "pairs"))

    # --- predicting ----------------------------------------------------------------------------------------------------

    def predict(self, x: Any, *, beam_size: int | None = None) -> list[Side]:
        """The best answer for each source, as targets were given: texts, or for "tokens" tuples of symbols.

        Args:
            x: N sources, or Pairs (whose targets are ignored). beam_size: in place of the constructor's.
        Raises:
            NotFittedError; DataError: an empty source, or a symbol that training never saw where unknown is "error".
        """
        if beam_size is not None:
            return [found[0].target for found in self.translate(x, beam_size=beam_size)]
        self.require_fit("predict")
        with self._calling("predict"):
            pairs = self._read(x)
            alone = self.translator().distinct(pairs)
            answers = dict(zip(alone.source, self._answers(alone)))
        return [answers[source] for source in pairs.source]

    def translate(self, x: Any, *, beam_size: int | None = None, n_best: int = 1) -> list[list[Translation]]:
        """The `n_best` answers for each source, best first. Arguments and errors as `predict`; n_best is at most beam_size."""
        self.require_fit("translate")
        with self._calling("translate"):
            pairs, translator = self._read(x), self.translator()
            found = translator.search(pairs, beam_size=beam_size, n_best=n_best)
        answers = {
            source: [Translation(translator.text(one.numbers), one.log_probability, one.score) for one in hypotheses]
            for source, hypotheses in found.items()
        }
        return [answers[source] for source in pairs.source]

    def score(self, x: Any, y: Any = None) -> float:
        """The share of distinct sources whose answer equals one of their targets, 0..1. Errors as `predict`."""
        self.require_fit("score")
        with self._calling("score"):
            pairs = self._read(x, y)
            right = pairs.answers()
            answers = self.translator().search(pairs)
        symbols = {source: {split_side(one, self.options_["target_unit"]) for one in known} for source, known in right.items()}
        return sum(self.target_symbols_.texts(answers[source][0].numbers) in symbols[source] for source in right) / len(right)

    def forward(self, batch: Any) -> Answered:
        """The answers to the sources of a batch of `inputs`, and the logits of each of their symbols, with gradients where torch keeps them."""
        translator = self.translator()
        begun, head = translator.network.begin(batch), translator.network.head
        if translator.width() == 1:  # the logits are those that the search saw
            taken = greedy_steps(head, begun, max_length=self.max_length_, keep=True)
            assert taken.logits is not None  # they were to be kept
            return Answered(taken.symbols, taken.logits)
        found = translator.hypotheses(begun, beam_size=translator.width())
        none = [np.empty(0, dtype=np.int64)] * len(found)
        answers = collate_pairs(NumberedPairs(none, [np.array(row[0].numbers, dtype=np.int64) for row in found]), range(len(found)))
        answers = answers.to(batch.source.device)
        return Answered(answers.wanted, head.decode(answers.read, *begun).logits)

    def answer(self, tensors: Answered) -> list[Side]:
        """The answers of a batch, as targets were given."""
        translator = self.translator()
        return [translator.text(row[: row.index(END)]) for row in tensors.numbers.T.tolist()]

    def held(self, batch: PairBatch) -> PairBatch:
        """The sources with the answers that the model gives them now, which its decoder reads."""
        with torch.no_grad():
            rows = self.forward(batch).numbers.T.tolist()
        sources = [row[:length].numpy() for row, length in zip(batch.source.T.cpu(), batch.lengths)]
        answers = [np.array(row[: row.index(END)], dtype=np.int64) for row in rows]
        return collate_pairs(NumberedPairs(sources, answers), range(len(rows))).to(batch.source.device)

    def raw(self, batch: PairBatch) -> Tensor:
        """The logits [T, B, V] of each symbol of the answers that the batch holds."""
        return self.network_(batch)  # type: ignore[no-any-return]

    def answer_lengths(self, batch: PairBatch) -> Tensor:
        """[B], in symbols, the end included."""
        return (batch.wanted != PADDING).sum(0)

    def held_answers(self, batch: PairBatch) -> Tensor:
        """[T, B]: of several candidates the search may take one whose first symbol is not the likeliest."""
        return batch.wanted

    def nothing(self, batch: PairBatch) -> Tensor:
        """The mean of the vectors of all source symbols, [S, B, E]."""
        assert isinstance(self.network_, Seq2SeqNetwork)
        return self.network_.front.embedding.weight[FIRST:].mean(0).expand(*batch.source.shape, -1)

    def lessons(self, data: Pairs) -> Iterator[tuple[Any, ...]]:
        """Batches with the right symbols before each (teacher forcing)."""
        return ((batch,) for _, batch in self.translator().batches(data))

    def choices(self, given: tuple[Any, ...], output: Tensor) -> Choices:
        """One choice for each symbol of the targets, and for their ends."""
        return Choices(output, given[0].wanted != PADDING)

    def answered(self, data: Pairs) -> Pairs:
        """The pairs, with this model's answers as targets where there are none; sources that it answers with nothing are left out."""
        if data.target is not None:
            return data
        answers = self._answers(data)
        kept = [row for row, answer in enumerate(answers) if (answer.strip() if isinstance(answer, str) else answer)]
        if not kept:
            raise DataError("the model answers every source with nothing.", expected="one or more symbols for some of them", fix="train it for longer, or give data with targets")
        return Pairs.of(data.select(kept), [answers[row] for row in kept])

    def chosen(self, data: Pairs) -> list[Any]:
        """The answer to each source; symbols that are not known are read as unknown."""
        translator = self.translator()
        found = translator.search(data, unknown="symbol")
        return [[translator.text(found[source][0].numbers)] for source in data.source]

    def output_names(self) -> list[str]:
        """The target symbols, after the four special ones."""
        return ["⟨padding⟩", "⟨beginning⟩", "⟨end⟩", "⟨unknown⟩", *self.target_symbols_.names]

    def step_names(self, x: Any) -> list[list[str]]:
        """The symbols of each source."""
        return [list(split_side(side, self.options_["source_unit"])) for side in self._read(x).source]

    def _batches(self, data: Pairs) -> Batches:
        numbers = self.translator().numbered(Pairs(data.source, ids=data.ids))
        fitting = MOST_LOGITS // ((self.max_length_ + 1) * len(self.target_symbols_))
        return Batches(numbers.order, max(1, min(ROWS // self.beam_size, fitting)), partial(collate_pairs, numbers))

    def translator(self) -> Translator:
        """The network with its tables of symbols and the options of the search."""
        assert isinstance(self.network_, Seq2SeqNetwork)
        return Translator(
            network=self.network_,
            source=self.source_symbols_,
            target=self.target_symbols_,
            source_unit=self.options_["source_unit"],
            target_unit=self.options_["target_unit"],
            unknown=self.unknown,
            beam_size=self.beam_size,
            length_penalty=self.length_penalty,
            max_length=self.max_length_,
            device=self.device,
        )

    # --- what a run keeps ----------------------------------------------------------------------------------------------

    def _measure(self, data: Pairs, name: str) -> Measured:
        data.require_targets()
        return measured(self.translator(), data, name, unknown="symbol" if name == "validation" else self.unknown)

    def _describe(self, data: Pairs) -> dict[str, Any]:
        lengths = np.array([len(split_side(side, self.options_["source_unit"])) for side in data.source])
        targets = np.array([len(split_side(side, self.options_["target_unit"])) for side in data.require_targets()])
        return describe_set(data, lengths, target_steps=int(targets.sum()))

    def _about(self, training: Pairs, outcome: Outcome) -> dict[str, Any]:
        sizes = {"source": len(self.source_symbols_.names), "target": len(self.target_symbols_.names)}
        written = sum(line["count"] for line in outcome.metrics) / max(outcome.seconds, 1e-9)  # symbols of targets
        return {
            "title": f"{type(self.cell_).__name__} encoder-decoder, attention {self.attention}, {sizes['source']} to {sizes['target']} symbols",
            "vocabulary": {side: {"kind": getattr(self, f"{side}_unit"), "size": size} for side, size in sizes.items()},
            "speed": {"training": {"steps_per_s": written, "tokens_per_s": written}},
        }

    def _usual_call(self, training: Pairs) -> UsualCall:
        head = self.translator().network.head
        targets = [len(split_side(side, self.options_["target_unit"])) for side in training.require_targets()]
        steps = int(np.mean(targets)) + 1 if head.fused else 1
        return UsualCall(head.decoder, steps, min(self.options_["batch_size"], len(training)), lengths=False)

    def _kept(self) -> dict[str, Any]:
        symbols = {"source_symbols": list(self.source_symbols_.names), "target_symbols": list(self.target_symbols_.names)}
        return {**symbols, "max_length": self.max_length_}

    def _restore(self, kept: Mapping[str, Any]) -> None:
        self.source_symbols_, self.target_symbols_ = Symbols(kept["source_symbols"]), Symbols(kept["target_symbols"])
        self.max_length_ = kept["max_length"]
