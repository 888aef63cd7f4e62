"""From a trained network to a target: the likeliest symbol at each step (greedy), or a search over many beginnings at once (beam).

A hypothesis is a target, or the beginning of one, that the search looks at. It ends with the end symbol; one that reaches `max_length`
symbols may only end there. Padding, the beginning and the unknown symbol are never part of it. B batch, K beams, V target symbols.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from tenuto.data.pairs.symbols import BEGINNING, END, PADDING, UNKNOWN
from tenuto.tasks.translate.decoder import DecoderHead, DecoderState, Encoded

_NEVER = [PADDING, BEGINNING, UNKNOWN]
_NONE = float("-inf")
Begun = tuple[Encoded, DecoderState]  # what `DecoderHead.begin` gives


class Hypothesis(NamedTuple):
    """A target that a search found.

    Attributes:
        numbers: its symbols, without the end.
        log_probability: of all its symbols, the end included, in nats.
        score: log_probability / (symbols + 1) ** length_penalty, by which hypotheses are ranked.
    """

    numbers: tuple[int, ...]
    log_probability: float
    score: float


class Steps(NamedTuple):
    """A greedy search, step by step: symbols [T, B], after the end more ends; the log-probability of each whole target [B] float64; logits [T, B, V] or None."""

    symbols: Tensor
    total: Tensor
    logits: Tensor | None


def greedy_steps(head: DecoderHead, begun: Begun, *, max_length: int, keep: bool = False) -> Steps:
    """Take the likeliest symbol at each step; gradients are kept where torch keeps them.

    Args:
        begun: the sources as they were read. max_length: in symbols, without the end. keep: whether to return the logits too, which are many numbers.
    """
    encoded, state = begun
    rows, device = len(encoded.summary), encoded.summary.device
    symbol = torch.full((1, rows), BEGINNING, device=device)
    total = torch.zeros(rows, dtype=torch.float64, device=device)
    done = torch.zeros(rows, dtype=torch.bool, device=device)
    steps, kept = [], []
    for step in range(max_length + 1):
        logits, _, state = head.decode(symbol, encoded, state)
        values, symbol = _log_probabilities(logits[0], last=step == max_length).max(dim=-1)
        total = total + values.masked_fill(done, 0.0)
        symbol = symbol.masked_fill(done, END)[None]
        steps.append(symbol)
        if keep:
            kept.append(logits)
        done = done | (symbol[0] == END)
        if bool(done.all()):
            break
    return Steps(torch.cat(steps), total, torch.cat(kept) if keep else None)


@torch.no_grad()
def greedy_search(head: DecoderHead, begun: Begun, *, max_length: int, length_penalty: float = 1.0) -> list[Hypothesis]:
    """The hypothesis of each source that takes the likeliest symbol at each step. Arguments as `greedy_steps`."""
    found, taken = [], greedy_steps(head, begun, max_length=max_length)
    for numbers, amount in zip(taken.symbols.T.tolist(), taken.total.tolist()):
        numbers = numbers[: numbers.index(END)]
        found.append(Hypothesis(tuple(numbers), amount, amount / (len(numbers) + 1) ** length_penalty))
    return found


@torch.no_grad()
def beam_search(
    head: DecoderHead,
    begun: Begun,
    *,
    beam_size: int,
    max_length: int,
    n_best: int = 1,
    length_penalty: float = 1.0,
) -> list[list[Hypothesis]]:
    """The best hypotheses of each source, best first; fewer than `n_best` where the search found fewer.

    At each step the 2 K likeliest continuations of a source's K beginnings are looked at: those that end are kept if they are among its K
    best ends by score, and the K likeliest others go on. A source is done when no beginning can reach a better score than its n-th best
    end has; its rows then leave the batch.

    Args:
        begun: the sources as they were read. beam_size: K. n_best: how many hypotheses to return, at most K.
        length_penalty: 0 ranks by log-probability, which favours short targets; 1 by its mean over the symbols.
    """
    encoded, state = begun
    count, device = len(encoded.summary), encoded.summary.device
    rows = torch.arange(count, device=device).repeat_interleave(beam_size)
    encoded, state = _select(encoded, state, rows)
    where = torch.arange(count, device=device)  # [B]: which source each group of K rows belongs to; shrinks as sources are done
    total = torch.full((count, beam_size), _NONE, dtype=torch.float64, device=device)
    total[:, 0] = 0.0
    history = torch.full((count, beam_size, 1), BEGINNING, device=device)
    ends = torch.full((count, beam_size), _NONE, dtype=torch.float64, device=device)  # scores
    end_totals = ends.clone()
    end_numbers = torch.full((count, beam_size, max_length + 1), END, device=device)
    found: list[list[Hypothesis]] = [[] for _ in range(count)]
    for step in range(max_length + 1):
        logits, _, state = head.decode(history[:, :, -1].reshape(1, -1), encoded, state)
        steps = _log_probabilities(logits[0], last=step == max_length).view(len(where), beam_size, -1)
        symbols = steps.shape[-1]
        candidates, places = (total[:, :, None] + steps).flatten(1).topk(min(2 * beam_size, beam_size * symbols), dim=1)  # [B, 2 K]
        parents, chosen = places // symbols, places % symbols
        ending = chosen == END
        scores = (candidates / (step + 1) ** length_penalty).masked_fill(~ending, _NONE)
        ends, kept = torch.cat([ends, scores], dim=1).topk(beam_size, dim=1)
        end_totals = torch.cat([end_totals, candidates], dim=1).gather(1, kept)
        offered = torch.full((*parents.shape, max_length + 1), END, device=device)
        offered[:, :, :step] = _take(history, parents)[:, :, 1:]
        end_numbers = _take(torch.cat([end_numbers, offered], dim=1), kept)
        total, best = candidates.masked_fill(ending, _NONE).topk(beam_size, dim=1)
        parents, chosen = parents.gather(1, best), chosen.gather(1, best)
        reachable = total[:, 0] / (max_length + 1) ** max(length_penalty, 0.0)
        going = (reachable > ends[:, n_best - 1]) & (step < max_length)
        history = torch.cat([_take(history, parents), chosen[:, :, None]], dim=2)
        if not bool(going.all()):
            for row in (~going).nonzero()[:, 0].tolist():
                found[int(where[row])] = _hypotheses(ends[row], end_totals[row], end_numbers[row], n_best)
            if not bool(going.any()):
                break
        flat = (torch.arange(len(where), device=device)[:, None] * beam_size + parents)[going].flatten()
        encoded, state = _select(encoded, state, flat)
        where, total, history = where[going], total[going], history[going]
        ends, end_totals, end_numbers = ends[going], end_totals[going], end_numbers[going]
    return found


def _log_probabilities(logits: Tensor, *, last: bool) -> Tensor:
    """[B, V] float64 log-probabilities of the symbols that may come next; at the last step, only the end may."""
    values = torch.log_softmax(logits.double(), dim=-1)
    values[:, _NEVER] = _NONE
    if last:
        values[:, [number for number in range(values.shape[1]) if number != END]] = _NONE
    return values


def _take(history: Tensor, parents: Tensor) -> Tensor:
    """[B, R, T] rows of history [B, K, T] at parents [B, R]."""
    return history.gather(1, parents[:, :, None].expand(-1, -1, history.shape[2]))


def _select(encoded: Encoded, state: DecoderState, rows: Tensor) -> tuple[Encoded, DecoderState]:
    memory = None if encoded.memory is None else encoded.memory.select(rows)
    return Encoded(memory, encoded.summary.index_select(0, rows)), state.select(rows)


def _hypotheses(scores: Tensor, totals: Tensor, numbers: Tensor, n_best: int) -> list[Hypothesis]:
    rows = zip(scores.tolist(), totals.tolist(), numbers.tolist())
    return [
        Hypothesis(tuple(row[: row.index(END)]), total, score) for score, total, row in list(rows)[:n_best] if score > _NONE
    ]
