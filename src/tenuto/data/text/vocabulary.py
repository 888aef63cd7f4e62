"""From text to numbers and back: characters, bytes, or byte pairs (BPE).

Each symbol stands for some bytes of UTF-8, so text is decoded in the same way with every vocabulary, all at once or piece by piece.
Two *marks*, which stand for no bytes, are numbered after the symbols where they are asked for: the boundary mark, which stands before, between and
after documents, and the mark for unknown characters.
"""

from __future__ import annotations

import codecs
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from tenuto.choices import require
from tenuto.data.text.text import Text
from tenuto.errors import ArgumentError, DataError
from tenuto.process import kept_property
from tenuto.tongues import argument, either

UNITS = ("characters", "bytes", "bpe")
UNKNOWN = ("error", "symbol")


class Vocabulary:
    """The symbols that a language model knows, by number. `learn` makes one.

    Args:
        units: "characters", "bytes" or "bpe".
        symbols: [S] the bytes that each symbol stands for.
        boundary: whether there is a boundary mark.
        unknown: whether there is a mark for unknown characters.
        tokenizer: for BPE, the JSON text of a `tokenizers.Tokenizer`.
    """

    def __init__(self, units: str, symbols: Sequence[bytes], *, boundary: bool, unknown: bool, tokenizer: str | None = None) -> None:
        self.units, self.symbols, self.tokenizer = units, tuple(symbols), tokenizer
        marks = len(self.symbols)
        self.boundary = marks if boundary else None
        self.unknown = marks + boundary if unknown else None
        self.size = marks + boundary + unknown

    @classmethod
    def learn(
        cls, text: Text, units: str = "characters", *, size: int = 4096, unknown: str = "error", minimum_count: int = 1
    ) -> Vocabulary:
        """The vocabulary of a text: characters in order of their code points, all 256 bytes, or byte pairs merged by how often they occur.

        Args:
            size: for BPE, how many symbols to learn, 257 or more; there are fewer where the text does not have so many pairs.
            unknown: what happens later to a character that is not known: "error", an error; "symbol", it becomes the mark for unknown
                characters. Bytes and BPE know every character.
            minimum_count: characters that occur less often are not known; more than 1 needs unknown="symbol".
        Raises:
            ArgumentError: an option out of range, or BPE without the package tokenizers.
        Example:
            >>> Vocabulary.learn(Text.of("banana")).encode("ban").tolist()
            [1, 0, 2]
        """
        check_symbols(units, size, unknown, minimum_count)
        if units == "bpe":
            return _learn_pairs(text, size)
        if units == "bytes":
            return cls("bytes", [bytes([value]) for value in range(256)], boundary=not text.whole, unknown=False)
        counts = Counter(character for document in text.documents for character in document)
        kept = sorted(character for character, count in counts.items() if count >= minimum_count)
        return cls("characters", [_encoded(character) for character in kept], boundary=not text.whole, unknown=unknown == "symbol")

    # --- text to numbers -----------------------------------------------------------------------------------------------

    def encode(self, text: str, *, name: str = "the text") -> np.ndarray:
        """The numbers of the text's symbols, [N] int64, without boundary marks.

        Args:
            name: what an error calls the text.
        Raises:
            DataError: a character that is not known, where there is no mark for unknown characters; the message names it and its position.
        """
        if self.units == "bytes":
            return np.frombuffer(_encoded(text), dtype=np.uint8).astype(np.int64)
        if self.units == "bpe":
            return np.array(self._pairs.encode(text).ids, dtype=np.int64)
        points = np.frombuffer(text.encode("utf-32-le", errors="surrogatepass"), dtype=np.uint32)
        places = np.searchsorted(self._points, points).clip(max=max(len(self._points) - 1, 0))
        known = self._points[places] == points if len(self._points) else np.zeros(len(points), dtype=bool)
        if not known.all():
            if self.unknown is None:
                raise self._not_known(text, points, int(np.flatnonzero(~known)[0]), int((~known).sum()), name)
            places = np.where(known, places, self.unknown)
        return places.astype(np.int64)

    def encode_text(self, text: Text) -> tuple[np.ndarray, np.ndarray | None]:
        """The tokens [N] of a text (the numbers of its symbols), and the positions where documents begin.

        There is a boundary mark before the first document, between documents and after the last, so that a model predicts the first character
        of each document, and where it ends. A whole text has no marks: all but its first token are predicted, and the second value is None.

        Raises:
            DataError: a character that is not known, or documents for a vocabulary that was learnt from a whole text.
        """
        if self.boundary is None:
            if not text.whole:
                raise DataError(
                    "this model was trained on one whole text, which has no documents.",
                    expected=either("a str", "one text"), received=f"{len(text.documents)} documents", fix=f"join them, or train on {either('a list of', 'several')} documents",
                )  # fmt: skip
            return self.encode(text.documents[0], name=text.called()), None
        mark = np.array([self.boundary], dtype=np.int64)
        coded = [self.encode(document, name=text.called(number)) for number, document in enumerate(text.documents)]
        lengths = np.array([len(tokens) + 1 for tokens in coded])
        starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
        return np.concatenate([part for tokens in coded for part in (mark, tokens)] + [mark]), starts

    # --- numbers to text -----------------------------------------------------------------------------------------------

    def decode(self, tokens: Iterable[int]) -> str:
        """The text of these tokens. Marks have no text, and bytes that are not UTF-8 become U+FFFD.

        Example:
            >>> vocabulary = Vocabulary.learn(Text.of("naïve"), "bytes")
            >>> vocabulary.decode(vocabulary.encode("ïve")[1:])
            '\ufffdve'
        """
        return b"".join(self.bytes_of(int(token)) for token in tokens).decode("utf-8", errors="replace")

    def bytes_of(self, token: int) -> bytes:
        """The bytes that a symbol stands for; none for a mark."""
        return self.symbols[token] if token < len(self.symbols) else b""

    def shown(self, token: int) -> str:
        """A token for people: its text, or the name of the mark."""
        if token == self.boundary:
            return "⟨document⟩"
        return "⟨unknown⟩" if token == self.unknown else self.symbols[token].decode("utf-8", errors="replace")

    def decoder(self) -> codecs.IncrementalDecoder:
        """A decoder that takes bytes as they come and gives each character as soon as all its bytes are there."""
        return codecs.getincrementaldecoder("utf-8")(errors="replace")

    # --- as data -------------------------------------------------------------------------------------------------------

    def to_data(self) -> dict[str, Any]:
        """As plain data, for config.json. BPE keeps the JSON text of its tokenizer, from which everything else follows."""
        data: dict[str, Any] = {"units": self.units, "boundary": self.boundary is not None, "unknown": self.unknown is not None}
        if self.units == "characters":
            data["characters"] = [int(point) for point in self._points]
        return {**data, "tokenizer": self.tokenizer} if self.units == "bpe" else data

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Vocabulary:
        """The vocabulary that `to_data` described."""
        marks = {"boundary": data["boundary"], "unknown": data["unknown"]}
        if data["units"] == "bpe":
            return cls("bpe", _pair_bytes(data["tokenizer"]), tokenizer=data["tokenizer"], **marks)
        if data["units"] == "bytes":
            return cls("bytes", [bytes([value]) for value in range(256)], **marks)
        return cls("characters", [_encoded(chr(point)) for point in data["characters"]], **marks)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Vocabulary) and self.to_data() == other.to_data()

    __hash__ = None  # type: ignore[assignment]  # it compares by value, so it cannot be a key

    def __repr__(self) -> str:
        return f"Vocabulary({self.units!r}, {self.size} symbols)"

    @kept_property
    def _points(self) -> np.ndarray:
        """[S] uint32, the code points of the characters, in ascending order."""
        return np.array([ord(symbol.decode("utf-8", errors="surrogatepass")) for symbol in self.symbols], dtype=np.uint32)

    @kept_property
    def _pairs(self) -> Any:
        kit = tokenizers_package()
        try:
            return kit.Tokenizer.from_str(self.tokenizer)
        except Exception as error:  # the package has no class of errors of its own
            raise DataError("the byte pairs of the vocabulary cannot be read.", expected="them as tenuto wrote them", received=str(error)[:100]) from error

    def _not_known(self, text: str, points: np.ndarray, position: int, count: int, name: str) -> DataError:
        character = text[position]
        line = text.count("\n", 0, position) + 1
        return DataError(
            f"{name} has a character that the model does not know: {character!r} (U+{int(points[position]):04X}) at position {position}, line {line}.",
            expected=f"the {len(self.symbols)} characters of the training text",
            received=f"{count} of {len(points)} characters are not known",
            fix=f"take it out; or train with {argument('unknown', 'symbol')}, or with {argument('units', 'bytes')}, which knows every character",
        )


def _encoded(text: str) -> bytes:
    """The text in UTF-8; a lone surrogate, which a str can hold, is encoded too."""
    return text.encode("utf-8", errors="surrogatepass")


def tokenizers_package() -> Any:
    """The package tokenizers.

    Raises:
        ArgumentError: it is not installed.
    """
    try:
        import tokenizers
    except ImportError as error:
        raise ArgumentError(f"{argument('units', 'bpe')} needs the package tokenizers.", fix="pip install 'tenuto[text]'") from error
    return tokenizers


def check_symbols(units: str, size: int, unknown: str, minimum_count: int) -> None:
    """Check the options of `Vocabulary.learn`.

    Raises:
        ArgumentError: an option is out of range.
    """
    require("units", units, UNITS)
    require("unknown", unknown, UNKNOWN)
    if units == "bpe" and size < 257:
        raise ArgumentError(f"{argument('vocabulary_size', size)} is too small for byte pairs.", expected="257 or more (256 bytes come first)")
    if units == "characters" and (minimum_count < 1 or (minimum_count > 1 and unknown == "error")):
        raise ArgumentError(f"{argument('minimum_count', minimum_count)} does not fit.", expected=f"1, or more with {argument('unknown', 'symbol')}")


def _learn_pairs(text: Text, size: int) -> Vocabulary:
    """Byte-level BPE: pairs are merged only within a word, to which the space before it belongs. Any text can be encoded, and nothing is lost."""
    kit = tokenizers_package()
    tokenizer = kit.Tokenizer(kit.models.BPE())
    tokenizer.pre_tokenizer = kit.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = kit.decoders.ByteLevel()
    trainer = kit.trainers.BpeTrainer(
        vocab_size=size, initial_alphabet=kit.pre_tokenizers.ByteLevel.alphabet(), show_progress=False, special_tokens=[]
    )
    tokenizer.train_from_iterator(_lines(text), trainer)
    data = tokenizer.to_str()
    return Vocabulary("bpe", _pair_bytes(data), boundary=not text.whole, unknown=False, tokenizer=data)


def _lines(text: Text) -> Iterable[str]:
    """The text in pieces for the trainer, cut at line ends, where words end anyway."""
    for document in text.documents:
        yield from document.splitlines(keepends=True)


def _pair_bytes(tokenizer: str) -> list[bytes]:
    """The bytes of each symbol. Byte-level BPE writes each byte as one printable character: bytes that are printable in Latin-1
    as themselves, the others as U+0100, U+0101 and so on, in order (the released encoder of Radford et al. 2019).
    """
    import json

    themselves = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [value for value in range(256) if value not in set(themselves)]
    table = {chr(value): value for value in themselves} | {chr(0x100 + place): value for place, value in enumerate(others)}
    numbers = json.loads(tokenizer)["model"]["vocab"]
    return [bytes(table[letter] for letter in symbol) for symbol in sorted(numbers, key=numbers.get)]
