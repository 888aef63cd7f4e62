"""How well a language model predicts a text: nats of every token, perplexity, bits a character.

Two ways of reading, never mixed. *Carried*: the text is read once from beginning to end, and the state goes on; the result depends on model
and text alone, not on the pieces in which the text is read. *Windows*: pieces of L tokens, each from a zero state, as models without a
state are measured; early tokens of each piece have little context.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import nn

from tenuto.data.text.streams import IGNORED, Streams, Window
from tenuto.data.text.text import Text
from tenuto.data.text.vocabulary import Vocabulary

READ, ROWS = 1000, 64  # tokens of a piece that is read at once with carried state; windows that are read side by side
POSITIONS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024)


@torch.no_grad()
def carried_nats(
    network: nn.Module, tokens: np.ndarray, starts: np.ndarray | None = None, *, window: int = READ, rows: int = 1, device: str = "cpu"
) -> np.ndarray:
    """The nats of every token but the first, [N - 1] float64 in the order of the text, with the state carried on.

    Args:
        window: how many tokens are read at once; changes nothing but memory and speed.
        rows: 1 for the exact text; with more, this many parts of it are read side by side, each from a zero state.
        starts: where documents begin; the state is reset there.
    """
    network.eval()
    found, state = [], None
    streams = Streams(tokens, rows, window, starts=starts)
    for part in streams:
        read = network(part.to(device), state)
        state = read.state
        found.append(read.nats.double().cpu())
    return torch.cat(found).T.flatten().numpy()[: len(tokens) - 1]


@torch.no_grad()
def window_nats(
    network: nn.Module, tokens: np.ndarray, starts: np.ndarray | None = None, *, window: int, begins: np.ndarray | None = None, device: str = "cpu"
) -> np.ndarray:
    """The nats of every token but the first, [windows, L] float64, each window from a zero state; NaN after the text's end.

    Args:
        begins: the first token that each window reads. Default: one window after another, over the whole text.
    """
    network.eval()
    pairs = len(tokens) - 1
    firsts = np.arange(0, pairs, window) if begins is None else begins
    rows = len(firsts)
    places = firsts[:, None] + np.arange(window)  # [windows, L]
    last = np.minimum(places, pairs - 1)
    inputs = torch.from_numpy(np.asarray(tokens)[last].astype(np.int64))
    targets = torch.from_numpy(np.where(places < pairs, np.asarray(tokens)[last + 1], IGNORED).astype(np.int64))
    marks = None
    if starts is not None:
        begins = np.zeros(len(tokens), dtype=bool)
        begins[starts] = True
        marks = torch.from_numpy(begins[last])
    found = []
    for row in range(0, rows, ROWS):
        part = slice(row, row + ROWS)
        resets = None if marks is None else marks[part].T.contiguous().to(device)
        nats = network(Window(inputs[part].T.contiguous().to(device), targets[part].T.contiguous().to(device), resets)).nats
        found.append(nats.T.double().cpu())
    return np.where(places < pairs, torch.cat(found).numpy(), np.nan)


def language_result(
    network: nn.Module, vocabulary: Vocabulary, text: Text, *, windows: tuple[int, ...], device: str = "cpu"
) -> tuple[dict[str, Any], np.ndarray, np.ndarray]:
    """The RESULT of `tenuto.runs.schema`, the text's tokens [N], and the nats [N - 1] of all but the first, carried.

    Characters are those of the predicted tokens: all of the text's, except those of the first token where no mark stands before it. The
    marks between documents are tokens, and their nats are included in the nats a character.

    `by_position` is the mean loss of the tokens between each position and the one before it, in the longest windows.

    Args:
        windows: lengths, in tokens, to measure from a zero state.
    """
    tokens, starts = vocabulary.encode_text(text)
    nats = carried_nats(network, tokens, starts, device=device)
    characters = text.characters - (0 if starts is not None else len(vocabulary.decode(tokens[:1])))
    result: dict[str, Any] = {**summary(float(nats.sum()), len(nats), characters), "windows": [], "by_position": None}
    for length in windows:
        table = window_nats(network, tokens, starts, window=length, device=device)
        result["windows"].append({"length": length, **summary(float(np.nansum(table)), len(nats), characters)})
        if length == max(windows) and len(table) > 1:
            shown = [place for place in POSITIONS if place <= length]
            losses = [float(np.nanmean(table[:, before:place])) for before, place in zip([0, *shown], shown)]
            result["by_position"] = {"position": shown, "loss": losses}
    if vocabulary.unknown is not None:
        result["unknown_tokens"] = int((tokens == vocabulary.unknown).sum())
    return result, tokens, nats


def summary(nats: float, tokens: int, characters: int) -> dict[str, Any]:
    """A sum of nats in the usual measures: loss (nats a token), perplexity (of a token), nats and bits a character.

    Example:
        >>> summary(20.0, 10, 40)["nats_per_character"], round(summary(20.0, 10, 40)["perplexity"], 3)
        (0.5, 7.389)
    """
    loss, each = nats / tokens, nats / max(characters, 1)
    perplexity = math.exp(loss) if loss < 700 else math.inf
    return {
        "tokens": tokens, "characters": characters, "loss": loss, "perplexity": perplexity,
        "nats_per_character": each, "bits_per_character": each / math.log(2),
    }  # fmt: skip
