"""Words of a raw text: how it is cut, for any script. A cut is never changed: a model keeps the number of the rule it was trained with (`RULE`).

Rule 2: a word is a run of letters, digits and underscores, with the marks that belong to them (vowel signs, accents, points: Unicode's categories Mn, Mc
and Me) and the joiners between them; in Hebrew and Catalan also with ״, ׳ and · between two letters. Each other character is a token, again with its marks: an emoji
with its skin tone, a family joined from several, a flag are one token each. White space and the zero-width space separate. Characters that only steer
the direction or the hyphenation of a line are left out. Letters stay as they are written; `same_form` says which words are the same.
Rule 1, of earlier versions: runs of letters, digits and underscores; marks and joiners were tokens of their own, and cut words.
Scripts without spaces between words (Chinese, Japanese, Thai) are not cut into words by these rules: give token lists.
Rule 3 (`LETTERS`), for names and the like: each character, with its marks, is a token, and so is white space between two of them.
Source: Unicode's TR29. Differs: an apostrophe, a full stop or a comma always ends a word.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache

RULE, LETTERS = 2, 3
_FIRST = re.compile(r"\w+|[^\w\s]")
# Soft hyphen, marks of direction, word joiner, byte order mark: they change how a line looks, not what it says.
_UNSEEN = dict.fromkeys([0xAD, 0x61C, 0x200E, 0x200F, *range(0x202A, 0x202F), 0x2060, *range(0x2066, 0x206A), 0xFEFF])
_JOINERS, _SKIN_TONES, _TAGS = "\u200c\u200d", "\U0001f3fb-\U0001f3ff", "\U000e0020-\U000e007f"


def tokenise(text: str, rule: int = RULE) -> list[str]:
    """Splits a text into words; each punctuation mark or other symbol is a token of its own, and white space only separates.

    Args:
        rule: 2, or 1 as earlier versions did it; 3 for letters.
    Example:
        >>> tokenise("Play Ö1, won't you?")
        ['Play', 'Ö1', ',', 'won', "'", 't', 'you', '?']
        >>> tokenise("van Gogh", LETTERS)
        ['v', 'a', 'n', ' ', 'G', 'o', 'g', 'h']
        >>> tokenise("हिन्दी में")
        ['हिन्दी', 'में']
    """
    if rule == LETTERS:
        return [token if token.strip() else " " for token in _third().findall(text.translate(_UNSEEN).strip())]
    if rule == 1 or text.isascii():
        return _FIRST.findall(text)
    return _second().findall(text.translate(_UNSEEN))


def same_form(token: str) -> str:
    """A token in the form in which words are compared: letters and their accents as one character where there is one (NFC).

    Example:
        >>> same_form("cafe\\u0301") == "café"
        True
    """
    return token if token.isascii() else unicodedata.normalize("NFC", token)


@cache
def _second() -> re.Pattern[str]:
    marks = _ranges({"Mn", "Mc", "Me"}) + _SKIN_TONES + _TAGS
    joined = marks + _JOINERS
    symbol = rf"[^\w\s\u200b{joined}][{marks}]*(?:\u200d[^\w\s\u200b{joined}][{marks}]*)*"
    between = rf"(?:(?<=[^\W\d_]|[{joined}])[\u00b7\u05f3\u05f4\u2027](?=[^\W\d_])[\w{joined}]+)*"
    return re.compile(rf"\w[\w{joined}]*{between}|[\U0001f1e6-\U0001f1ff]{{2}}|{symbol}|[{marks}]+")


@cache
def _third() -> re.Pattern[str]:
    marks = _ranges({"Mn", "Mc", "Me"}) + _SKIN_TONES + _TAGS
    return re.compile(rf"[\s\u200b]+|[^\s\u200b](?:[{marks}]|\u200d[^\s\u200b])*")


def _ranges(categories: set[str]) -> str:
    """The characters of these categories, as they stand between the brackets of a pattern."""
    found: list[list[int]] = []
    for code in (*range(0x20000), *range(0xE0000, 0xE0200)):
        if unicodedata.category(chr(code)) in categories:
            if found and found[-1][1] == code - 1:
                found[-1][1] = code
            else:
                found.append([code, code])
    return "".join(f"{chr(first)}-{chr(last)}" for first, last in found)
