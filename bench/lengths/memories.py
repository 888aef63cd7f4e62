"""What memories outside the state learn: a few symbols kept over 500 steps, and items that are asked for by the one before them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from tenuto import cells
from tenuto.layers import DNC, FastWeights, Stacked

SYMBOLS, KEPT = 8, 10  # copy memory: of so many symbols, so many are to be kept
BITS = 6  # of a key and of a value


def kept(gap: int, batch: int, chance: torch.Generator) -> tuple[Tensor, Tensor]:
    """x [10 + gap + 10, B, 10]: ten symbols, nothing for `gap` steps of which the last is a mark, then nothing; and the symbols [10, B] (Arjovsky et al. 2016, section 5.1)."""
    told = torch.randint(0, SYMBOLS, (KEPT, batch), generator=chance)
    numbers = torch.cat([told, torch.full((gap - 1, batch), SYMBOLS), torch.full((1, batch), SYMBOLS + 1), torch.full((KEPT, batch), SYMBOLS)])
    return nn.functional.one_hot(numbers, SYMBOLS + 2).float(), told


def pairs(items: int, batch: int, chance: torch.Generator) -> tuple[Tensor, Tensor]:
    """x [2 n, B, 13]: n steps of a key and its value, then n keys in another order, marked; and the values [n, B, 6] that belong to these. The keys of a row are different."""
    keys = torch.stack([torch.randperm(2**BITS, generator=chance)[:items] for _ in range(batch)], 1)
    values = torch.randint(0, 2, (items, batch, BITS), generator=chance).float()
    bits = ((keys[..., None] >> torch.arange(BITS)) & 1).float()
    order = torch.stack([torch.randperm(items, generator=chance) for _ in range(batch)], 1)[..., None].expand(-1, -1, BITS)
    asked, right = bits.gather(0, order), values.gather(0, order)
    signed, none = 2 * bits - 1, torch.zeros(items, batch, 1)
    x = torch.cat([torch.cat([signed, 2 * values - 1, none], -1), torch.cat([2 * asked - 1, torch.zeros(items, batch, BITS), none + 1], -1)])
    return x, right


class Speaker(nn.Module):
    """An encoder and a line over its last `count` outputs, [count, B, outputs]."""

    def __init__(self, encoder: Any, outputs: int) -> None:
        super().__init__()
        self.encoder, self.head = encoder, nn.Linear(encoder.output_width, outputs)

    def forward(self, x: Tensor, count: int) -> Tensor:
        said: Tensor = self.head(self.encoder(x).output[-count:])
        return said


def copy_memory(smoke: bool) -> Iterator[dict[str, Any]]:
    """A DNC learns with short gaps, and longer ones as soon as the last hundred batches were nearly right; in the test the gap is 500."""
    seconds, longest = (2.0, 20) if smoke else (600.0, 500)
    torch.manual_seed(0)
    chance = torch.Generator().manual_seed(0)
    model = Speaker(DNC(cells.LSTM(), SYMBOLS + 2, 64, rows=16, width=16, read_heads=1), SYMBOLS)
    optimiser = torch.optim.Adam(model.parameters(), 2e-3)
    found: dict[str, Any] = {"seed": 0, "parameters": sum(weight.numel() for weight in model.parameters()), "curve": []}
    begin, step, gap, window = time.process_time(), 0, 4, list[float]()
    while time.process_time() - begin < seconds:
        x, told = kept(int(torch.randint(1, gap + 1, (), generator=chance)), 16, chance)
        said = model(x, KEPT)
        loss = nn.functional.cross_entropy(said.flatten(0, 1), told.flatten())
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 10.0, error_if_nonfinite=True)
        optimiser.step()
        step += 1
        window.append(float((said.argmax(-1) == told).float().mean()))
        if step % 50 == 0:
            right = sum(window[-50:]) / 50
            found["curve"].append([step, gap, right])
            if right > 0.99:
                if gap >= longest // 10:
                    found["right"] = right_at(model, longest, chance)
                gap = min(longest, 2 * gap)
            found |= {"steps": step, "seconds": round(time.process_time() - begin, 1)}
            yield found
            if found.get("right") == 1.0:
                return
    yield found | {"right": right_at(model, longest, chance)}


@torch.no_grad()
def right_at(model: Speaker, gap: int, chance: torch.Generator) -> float:
    """The share of the symbols of 64 sequences with this gap."""
    x, told = kept(gap, 64, chance)
    return float((model(x, KEPT).argmax(-1) == told).float().mean())


def recall(smoke: bool) -> Iterator[dict[str, Any]]:
    """2 to 8 pairs in training, then 8 and 16."""
    seconds, most = (1.0, 3) if smoke else (150.0, 8)
    made: dict[str, Callable[[], Any]] = {
        "fast weights": lambda: Stacked(2 * BITS + 1, 64, [FastWeights(64, 64, heads=1), FastWeights(64, 64, heads=1)]),
    }
    rows: list[dict[str, Any]] = []
    for name, make in made.items():
        torch.manual_seed(0)
        chance, model = torch.Generator().manual_seed(0), Speaker(make(), BITS)
        optimiser = torch.optim.AdamW(model.parameters(), 2e-3)
        row: dict[str, Any] = {"memory": name, "seed": 0, "parameters": sum(weight.numel() for weight in model.parameters()), "curve": []}
        begin, step, window = time.process_time(), 0, list[float]()
        while time.process_time() - begin < seconds:
            items = int(torch.randint(2, most + 1, (), generator=chance))
            x, right = pairs(items, 32, chance)
            said = model(x, items)
            loss = nn.functional.binary_cross_entropy_with_logits(said, right)
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0, error_if_nonfinite=True)
            optimiser.step()
            step += 1
            window.append(float(((said > 0) != right.bool()).float().mean()))
            if step % 200 == 0:
                row["curve"].append([step, sum(window[-200:]) / 200])
                if row["curve"][-1][1] < 1e-4:
                    break
                for group in optimiser.param_groups if row["curve"][-1][1] < 0.01 else ():  # near the end, smaller steps
                    group["lr"] *= 0.7
        with torch.no_grad():
            tests = {str(count): pairs(count, 128, chance) for count in (most, 2 * most)}
            row |= {"steps": step, "seconds": round(time.process_time() - begin, 1), "wrong": {count: float(((model(x, len(right)) > 0) != right.bool()).float().mean()) for count, (x, right) in tests.items()}}
        rows.append(row)
        yield {"rows": rows}
