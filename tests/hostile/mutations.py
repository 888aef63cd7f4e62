"""Files made bad: by chance, as a bad disk or a cut-off download leaves them, and on purpose, as somebody who knows the format would write them."""

from __future__ import annotations

import io
import json
import random
import struct
import zipfile
from typing import Any

DIGITS, LONG, DEEP = "9" * 5_000, "x" * 10_000, "[" * 5_000
# What a text file may not expect; `%` is where a line of its own begins.
WORDS = [DIGITS, LONG, DEEP, "{" * 3_000, "(" + " " * 5_000, "-1", "1e400", "nan", "\u0000", "\u2028", "²", "\ud800", '"', "'", "\t" * 300, "," * 300, ":" * 300, "\n\n", "\r", "=", "\\", "\\ud800", "@dimensions " + DIGITS]


class Raw(str):
    """A number as it is written, of more digits than Python reads."""


# What a place in JSON may hold instead of what belongs there.
VALUES: list[Any] = [None, True, -1, 0, 1.5, 10**30, 1e308, -1e308, 2**31, 2**63, LONG, "", "\ud800", [], {}, [[]], [LONG], {"a": 1}, [1, 2], ["a", "b"], Raw(DIGITS), Raw("1e400"), Raw("NaN"), Raw(DEEP + "]" * 5_000)]


def spoiled(content: bytes, chance: random.Random) -> bytes:
    """The content with one to three accidents: bytes turned, cut off, left out, doubled, or something put in."""
    data = bytearray(content)
    for _ in range(chance.randint(1, 3)):
        place = chance.randrange(len(data) + 1)
        end = min(len(data), place + chance.choice([1, 4, 40]))
        match chance.randrange(6):
            case 0:
                data[place:end] = chance.randbytes(end - place)
            case 1:
                del data[place:]
            case 2:
                del data[place:end]
            case 3:
                data[place:place] = data[place:end] * chance.choice([1, 50])
            case _:
                data[place:place] = chance.choice(WORDS).encode("utf-8", "surrogatepass")
    return bytes(data)


def json_text(data: Any) -> str:
    """JSON with `Raw` numbers as they are."""
    marks: dict[str, str] = {}

    def marked(value: Any) -> Any:
        if isinstance(value, Raw):
            marks[name := f"@{len(marks)}@"] = str(value)
            return name
        if isinstance(value, dict):
            return {key: marked(item) for key, item in value.items()}
        return [marked(item) for item in value] if isinstance(value, list) else value

    text = json.dumps(marked(data))
    for name, value in marks.items():
        text = text.replace(f'"{name}"', value)
    return text


def bent(data: Any, chance: random.Random) -> Any:
    """Plain data in which one place holds something else, or is missing."""
    whole = json.loads(json.dumps(data))
    holder = whole
    while True:
        keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
        if not keys:
            return whole
        key = chance.choice(keys)
        if isinstance(holder[key], (dict, list)) and holder[key] and chance.random() < 0.85:
            holder = holder[key]
        elif chance.random() < 0.25:
            del holder[key]
            return whole
        else:
            holder[key] = chance.choice(VALUES)
            return whole


def bent_tensors(content: bytes, chance: random.Random) -> bytes:
    """A safetensors file whose header says something else."""
    size = struct.unpack("<Q", content[:8])[0]
    header = json_text(bent(json.loads(content[8 : 8 + size]), chance)).encode()
    return struct.pack("<Q", len(header)) + header + content[8 + size :]


def bent_archive(content: bytes, chance: random.Random) -> bytes:
    """An .npz file one of whose arrays has another header; the archive itself is whole."""
    headers = ["(1000000000000, 2)", "(10000000000,)", "(-1,)", "()", "(3,)", DEEP, "(" * 200, DIGITS, "2", "'x'", "((1,),)", "(True,)", "(1000000, 1000000, 1000000, 1000000)"]
    kinds = ["'<f8'", "'|O'", "'<U1000000'", "'<M8[ns]'", "'>i2'", "'<c16'", "'|S5'", "'V8'", "[('a', '<f8'), ('b', '<i4')]", "'|b1'", "'<U0'", "'<f2'", DEEP, "3"]
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(made, "w", chance.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])) as new:
        names = old.namelist()
        one = chance.choice(names)
        for name in names:
            data = old.read(name)
            if name == one:
                size = struct.unpack("<H", data[8:10])[0]
                text = data[10 : 10 + size].decode("latin1")
                shape, kind = text.partition("'shape': ")[2].partition(")")[0] + ")", text.partition("'descr': ")[2].partition(", 'fortran")[0]
                text = text.replace(shape, chance.choice(headers)) if chance.random() < 0.5 else text.replace(kind, chance.choice(kinds))
                header = text.strip().encode("latin1")[:60_000] + b"\n"
                data = data[:8] + struct.pack("<H", len(header)) + header + data[10 + size :]
            new.writestr(name, data)
    return made.getvalue()
