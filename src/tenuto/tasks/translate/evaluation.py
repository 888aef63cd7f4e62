"""What only a translation's evaluation.json has: how good the answers are, and sources with what the attention read."""

from __future__ import annotations

from typing import Any

from tenuto.data.pairs.pairs import Pairs
from tenuto.data.pairs.symbols import split_side
from tenuto.tasks.evaluation import Measured, Watch, prediction_speed
from tenuto.tasks.translate.scores import coverage, translation_result
from tenuto.tasks.translate.translator import ROWS, Translator

EXAMPLES_SHOWN, COVERED = 8, 2000


def measured(translator: Translator, data: Pairs, name: str, *, unknown: str) -> Measured:
    """How good the answers to these sources are; `unknown` as in `Translator.numbered`."""
    numbers = translator.numbered(data, unknown=unknown)
    watch = Watch()
    found = translator.search(data, unknown=unknown)
    steps = sum(len(hypotheses[0].numbers) + 1 for hypotheses in found.values())
    speed = prediction_speed(watch, sequences=len(found), steps=steps, rows=max(1, ROWS // translator.beam_size))
    known = data.answers()
    ids = [data.ids[places[0]] for places in data.groups.values()]
    sources = [split_side(source, translator.source_unit) for source in known]
    references = [[split_side(one, translator.target_unit) for one in targets] for targets in known.values()]
    best = [found[source][0].numbers for source in known]
    answers = [translator.target.texts(one) for one in best]
    result = {
        "pairs": len(data),
        **translator.forced(numbers),
        **translation_result(sources, answers, references, ids),
        "beam_size": translator.beam_size,
        "length_penalty": translator.length_penalty,
        "coverage": None,
    }
    attends = translator.network.head.attention_kind != "none"
    if attends:
        every = -(-len(known) // COVERED)
        weights = translator.attention(list(known)[::every], best[::every])
        result["coverage"] = {**coverage(sources[::every], weights), "sources": len(weights)}
    chosen = _shown([answer in right for answer, right in zip(answers, references)], [len(source) for source in sources])
    matrices = translator.attention([list(known)[row] for row in chosen], [best[row] for row in chosen]) if attends else []
    examples: list[dict[str, Any]] = [  # the attention has a row for each predicted symbol; the matrix's last row, of the end, is left out
        {
            "id": ids[row],
            "set": name,
            "source": list(sources[row]),
            "target": list(references[row][0]),
            "predicted": list(answers[row]),
            "correct": answers[row] in references[row],
            "attention": [[float(f"{value:.4g}") for value in step] for step in matrices[place].tolist()[:-1]] if matrices else None,
        }
        for place, row in enumerate(chosen)
    ]
    return Measured(result, {"examples": examples}, speed)


def _shown(right: list[bool], lengths: list[int]) -> list[int]:
    """Which sources to show: as many mistakes as right ones if there are enough of both, spread over the lengths; mistakes first."""
    order = sorted(range(len(right)), key=lambda row: (lengths[row], row))
    chosen = []
    for wanted in (False, True):
        rows = [row for row in order if right[row] is wanted]
        count = min(len(rows), EXAMPLES_SHOWN // 2)
        chosen += [rows[(2 * number + 1) * len(rows) // (2 * count)] for number in range(count)]
    return sorted(chosen, key=lambda row: (right[row], lengths[row]))
