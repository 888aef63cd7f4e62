"""`transducer_loss`: how unlikely a text is to a transducer, summed over all ways to place its symbols in the frames, exactly.

Shapes: T frames, B batch, U symbols of the longest text, V symbols there are, the blank among them. At frame t with u symbols written, a blank goes to frame t + 1, and the next symbol to u + 1.
Cells with the same t + u depend only on those before them, so that a step of the loop is a whole anti-diagonal n of all rows. Lattices stand as [N, (U + 1) * B] with N = T + U: cell (t, u) in row t + u.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from tenuto.engines.cpp import transducer as compiled
from tenuto.errors import DataError, ShapeError, describe

BLANK = 0
# Numbers of a tile of time, at most: 512 KiB of float32, which stay in a core's cache. A tile is a sixteenth of the frames at most, so that what is beside the logits stays small.
TILE, TILES = 1 << 17, 16
LEAST = 1e-20  # arcs that are taken less often have no gradient: products near the smallest numbers there are take a processor a hundred times as long
MINUS_INFINITY = float("-inf")


def transducer_loss(logits: Tensor, targets: Tensor, frames: Tensor, labels: Tensor) -> Tensor:
    """The negative log-likelihood of each row's text, [B], in nats; float32 for logits of 16 bits, else their dtype.

    Any text can be written in one frame or more, since a frame may write several symbols. Without symbols the loss is that of all blanks. Sums are kept in float64, whatever the logits are.
    Logits of 32 or 64 bits in main memory, without gaps, are read by a compiled kernel, where there is a compiler; others by torch.
    Beside the logits, forward and backward together hold tensors of at most 1.2 times their memory (V of 24 or more), the gradient included: no softmax but the gradient itself is there.

    Args:
        logits: [T, B, U + 1, V] float, not normalised; at [t, b, u] for what comes in frame t after u symbols. Symbol 0 is the blank. What stands beyond a row's frames or symbols has no influence.
        targets: [B, U] int64, 1..V - 1; anything beyond a row's symbols.
        frames: [B] int64, 1..T. labels: [B] int64, 0..U: how many symbols each row has.
    Raises:
        ShapeError: the four do not fit together. DataError: a target is no symbol.
    Source:     Graves 2012, equations 16 to 20; the loop over anti-diagonals: Bagby et al. 2018; the gradient for logits, without one for probabilities: Li et al. 2019.
    Example:
        >>> logits = torch.zeros(1, 1, 2, 2)  # one frame: the symbol, then the blank, each with probability 1/2
        >>> transducer_loss(logits, torch.tensor([[1]]), torch.tensor([1]), torch.tensor([1])).exp()
        tensor([4.])
    """
    frames, labels = (torch.as_tensor(each, device=logits.device) for each in (frames, labels))
    _check(logits, targets, frames, labels)
    inside = torch.arange(targets.shape[1], device=logits.device) < labels[:, None]  # [B, U]
    targets = torch.where(inside, targets.to(logits.device), BLANK).long()
    if bool(((targets <= BLANK) | (targets >= logits.shape[3]))[inside].any()):
        wrong = sorted(set(targets[inside].tolist()) - set(range(1, logits.shape[3])))
        raise DataError("a target is no symbol.", expected=f"1..{logits.shape[3] - 1}; 0 is the blank", received=", ".join(map(str, wrong[:8])))
    loss = _CompiledLoss if compiled.runs(logits) else _TransducerLoss
    return loss.apply(logits, targets, frames.long(), labels.long())


class _CompiledLoss(torch.autograd.Function):
    """As `_TransducerLoss`, by a kernel."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, targets: Tensor, frames: Tensor, labels: Tensor) -> Tensor:
        losses, kept = compiled.forward(logits, targets, frames, labels, ctx.needs_input_grad[0])
        ctx.save_for_backward(logits, targets, frames, labels, kept)
        return losses

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, weights: Tensor) -> tuple[Tensor, None, None, None]:  # type: ignore[override]
        logits, targets, frames, labels, kept = ctx.saved_tensors
        return compiled.backward(logits, targets, frames, labels, kept, weights), None, None, None


class _TransducerLoss(torch.autograd.Function):
    """Where there is no kernel (no compiler, another device, logits of 16 bits). Forward: both sums of the lattice, and from them how often each arc is taken. Backward: the gradient, from the logits and these counts."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, targets: Tensor, frames: Tensor, labels: Tensor) -> Tensor:
        steps, rows, places, _ = logits.shape
        # What outlives this call is made first: behind the lattice it would keep the lattice's memory from the gradient, which is made next.
        losses, kept = (logits.new_empty(shape, dtype=_exact(logits)) for shape in ((rows,), (2, steps, rows, places)))
        arcs = _arcs(logits, targets, frames, labels)
        total, before = _sums_before(arcs, labels)
        torch.neg(total.to(losses.dtype), out=losses)
        if ctx.needs_input_grad[0]:
            kept.copy_(_straight(_taken(arcs, before, labels, total), steps))
            kept.masked_fill_(kept < LEAST, 0)
            ctx.save_for_backward(logits, targets, frames, labels, kept)
        return losses

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, weights: Tensor) -> tuple[Tensor, None, None, None]:  # type: ignore[override]
        """d loss / d logit v = softmax v * (how often the cell is passed) - (how often its arc of v is taken)."""
        logits, targets, frames, labels, taken = ctx.saved_tensors
        steps, rows, places, _ = logits.shape
        outside = (torch.arange(steps, device=logits.device)[:, None] >= frames)[:, :, None] | (torch.arange(places, device=logits.device) > labels[:, None])  # [T, B, U + 1]
        ragged = bool(outside.any())
        gradient = torch.empty_like(logits, memory_format=torch.contiguous_format)
        for tile in _tiles(logits):
            blanks, symbols = torch.where(outside[tile], 0, taken[:, tile] * weights[:, None])
            part = gradient[tile]
            torch.softmax(logits[tile], 3, out=part)
            part.mul_((blanks + symbols)[..., None])
            if ragged and bool(part.sum().isnan()):  # what was padded may be anything, also not finite; to fill always takes two thirds of a softmax
                part.masked_fill_(outside[tile][..., None], 0)
            part[..., BLANK] -= blanks
            part[:, :, :-1].scatter_add_(3, targets[..., None].expand(len(part), rows, places - 1, 1), -symbols[:, :, :-1, None].to(part.dtype))
        return gradient, None, None, None


def _exact(logits: Tensor) -> torch.dtype:
    """Of the loss and the softmax: float32 also for logits of 16 bits."""
    return torch.float64 if logits.dtype == torch.float64 else torch.float32


def _tiles(logits: Tensor) -> list[slice]:
    """The frames in tiles."""
    steps = len(logits)
    size = max(1, min(TILE // logits[0].numel(), -(-steps // TILES)))
    return [slice(start, min(start + size, steps)) for start in range(0, steps, size)]


def _straight(skewed: Tensor, steps: int) -> Tensor:
    """A view [2, T, B, U + 1] of the cells of the lattice, blanks and symbols, in arcs [N, 2, U + 1, B]."""
    _, _, places, rows = skewed.shape
    return skewed.as_strided((2, steps, rows, places), (places * rows, 2 * places * rows, 1, (2 * places + 1) * rows))


def _arcs(logits: Tensor, targets: Tensor, frames: Tensor, labels: Tensor) -> Tensor:
    """Log-probabilities of the arcs, [N, 2, U + 1, B] float64: from each cell by a blank, and by its next symbol. There are none beyond a row's frames and symbols,
    except that a row that is done waits, by blanks that are certain: so all rows end on the same diagonal, N.
    """
    steps, rows, places, _ = logits.shape
    arcs = logits.new_full((steps + places - 1, 2, places, rows), MINUS_INFINITY, dtype=torch.float64)
    straight = _straight(arcs, steps)
    for tile in _tiles(logits):
        known = torch.log_softmax(logits[tile], 3, dtype=_exact(logits))
        straight[0, tile] = known[..., BLANK]
        straight[1, tile, :, :-1] = known[:, :, :-1].gather(3, targets[..., None].expand(len(known), rows, places - 1, 1))[..., 0]
    place = torch.arange(places, device=logits.device)[:, None]
    over = torch.arange(len(arcs), device=logits.device)[:, None, None] - place >= frames  # [N, U + 1, B]
    arcs[:, 0].masked_fill_(over | (place > labels), MINUS_INFINITY).masked_fill_(over & (place == labels), 0)
    arcs[:, 1].masked_fill_(over | (place >= labels), MINUS_INFINITY)
    return arcs


def _sums_before(arcs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """The log-likelihood of each row, [B], and of all ways from the beginning to each cell, [N + 1, U + 1, B].

    Both arcs of a diagonal are added in one operation into `ways`: blanks, -inf for a row of the batch, symbols; so symbols stand one place further on, where they lead.
    """
    length, _, places, rows = arcs.shape
    width = places * rows
    sums = arcs.new_full((length + 1, width), MINUS_INFINITY)
    sums[0, :rows] = 0
    ways = arcs.new_full((2 * width + rows,), MINUS_INFINITY)
    both, stay, move = ways.as_strided((2, width), (width + rows, 1)), ways[:width], ways[width : 2 * width]
    each = sums.unbind()
    for number, arc in enumerate(arcs.view(length, 2, width).unbind()):
        torch.add(arc, each[number], out=both)
        torch.logaddexp(stay, move, out=each[number + 1])
    sums = sums.view(length + 1, places, rows)
    return sums[-1].gather(0, labels[None].long())[0], sums


def _taken(arcs: Tensor, before: Tensor, labels: Tensor, total: Tensor) -> Tensor:
    """How often each arc is taken, over all ways to write a row's text, weighted by their probabilities: [N, 2, U + 1, B]. The arcs are overwritten with it."""
    length, _, places, rows = arcs.shape
    width = places * rows
    sums = arcs.new_full((length + 1, width + rows), MINUS_INFINITY)  # of all ways from each cell to the end; behind the last place there are none
    sums[-1, :width].view(places, rows).scatter_(0, labels[None].long(), 0)
    after = sums.as_strided((length + 1, 2, width), (width + rows, rows, 1))  # where a blank and a symbol lead
    ways = arcs.new_empty(2, width)
    stay, move = ways
    each, leads = sums[:, :width].unbind(), after.unbind()
    flat = arcs.view(length, 2, width)
    single = flat.unbind()
    for number in range(length - 1, -1, -1):
        torch.add(single[number], leads[number + 1], out=ways)
        torch.logaddexp(stay, move, out=each[number])
    flat += after[1:]
    arcs += before[:-1, None]
    arcs -= torch.where(total.isinf(), 0, total)  # a text that cannot be has no gradient
    return arcs.clamp_(max=0).exp_()  # more than once it is taken by rounding alone, which of logits beyond 1e15 leaves nothing


def _check(logits: Tensor, targets: Tensor, frames: Tensor, labels: Tensor) -> None:
    if logits.dim() != 4 or not logits.is_floating_point() or min(logits.shape) < 1 or logits.shape[3] < 2:
        raise ShapeError("the logits are not those of a transducer.", expected="[T, B, U + 1, V] float, V of 2 or more", received=describe(logits))
    steps, rows, places, _ = logits.shape
    if targets.shape != (rows, places - 1) or targets.is_floating_point():
        raise ShapeError("the targets do not fit the logits.", expected=f"[B, U] = {[rows, places - 1]} int64", received=describe(targets))
    for what, found, least, most in (("frames", frames, 1, steps), ("numbers of symbols", labels, 0, places - 1)):
        if found.shape != (rows,) or found.is_floating_point() or int(found.min()) < least or int(found.max()) > most:
            raise ShapeError(f"the {what} do not fit the logits.", expected=f"[{rows}] int, {least}..{most}", received=f"{describe(found)}, {found.flatten().tolist()[:8]}")
