"""Tag schemes: how tags mark where spans begin and end. The scheme of a set of tags is found from the tags themselves, or named.

A tag is `O` or `_` (outside), or a mark, then a separator (`-`, `_`, `:` or `|`) and a type: `B-PER`, `B_PER`. Where spans have no types, a tag is the mark alone.

    BIO      B begins a span, I goes on with it                       IOB1    I also begins a span; B only where one follows another of the same type
    IO       I alone                                                  BIOES   E ends a span of several tokens, S is a span of one
    BILOU    L ends a span of several tokens, U is a span of one      BMES    M goes on with it, E ends it, S is a span of one
    BMEWO    as BMES, with W for S
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from tenuto.choices import require
from tenuto.errors import ArgumentError, DataError
from tenuto.tongues import argument

# The marks of each scheme. One that has others' marks too comes after them.
SCHEMES = {"IO": "I", "BIO": "BI", "IOB1": "BI", "BIOES": "BIES", "BILOU": "BILU", "BMES": "BMES", "BMEWO": "BMEW"}
OTHER_NAMES = {"IOB2": "BIO", "BIO2": "BIO", "IOB": "IOB1", "IOBES": "BIOES", "BIOUL": "BILOU", "BMESO": "BMES", "BMEOW": "BMEWO"}
EVERY_MARK = "BIESLUMW"
WITHOUT_TYPE = "span"
_TAG = re.compile(r"([BIESLUMWbieslumw])(?:[-_:|](.+))?")
_OUTSIDE = frozenset("Oo_")
_SAME = {"L": "E", "U": "S", "W": "S", "M": "I"}


class Mark(NamedTuple):
    """What a tag says of its token: B begins a span, I is in it, E ends it, S is all of it, O is outside; and the span's type."""

    mark: str
    kind: str


def mark_of(tag: str, marks: str = EVERY_MARK) -> Mark:
    """A tag as a mark and a type; a tag that is neither counts as O.

    Args:
        marks: the marks that the scheme has.
    Example:
        >>> mark_of("U_PER"), mark_of("B"), mark_of("NOUN")
        (Mark(mark='S', kind='PER'), Mark(mark='B', kind='span'), Mark(mark='O', kind=''))
    """
    match = _TAG.fullmatch(tag)
    if not match or match[1].upper() not in marks:
        return Mark("O", "")
    return Mark(_SAME.get(match[1].upper(), match[1].upper()), match[2] or WITHOUT_TYPE)


def find_scheme(tags: Iterable[str]) -> str | None:
    """The scheme of these tags; None where they mark no spans, or not all of them do. BIO stands for IOB1 too: the tags alone do not tell them apart.

    Example:
        >>> [find_scheme(tags) for tags in (["O", "B-city"], ["U-city", "O"], ["B_PER", "I_PER"], ["B", "I", "O"], ["NOUN", "VERB"], ["O"])]
        ['BIO', 'BILOU', 'BIO', 'BIO', None, None]
    """
    different = set(tags)
    inside = different - _OUTSIDE
    matches = [_TAG.fullmatch(tag) for tag in inside]
    found = [match for match in matches if match]
    if not found or len(found) < len(inside):
        return None
    marks, types = {match[1].upper() for match in found}, {match[2] is not None for match in found}
    outside = len(different) > len(inside)
    if len(types) > 1 or not (marks & {"B", "I"} or (outside and types == {True})):
        return None
    # Marks alone could be a set of one-letter tags: there must be a way to begin a span, and something beside it.
    if types == {False} and not (("B" in marks and (outside or len(marks) > 1)) or (marks == {"I"} and outside)):
        return None
    return next((name for name, its in SCHEMES.items() if marks <= set(its)), None)


def check_scheme(asked: str) -> str:
    """The name of a scheme as it stands in SCHEMES, or "AUTO" or "NONE".

    Raises:
        ArgumentError: there is no such scheme.
    """
    wanted = OTHER_NAMES.get(asked.upper(), asked.upper())
    if wanted not in ("AUTO", "NONE", *SCHEMES):
        require("tag_scheme", asked, ["auto", "none", *(name.lower() for name in SCHEMES)])
    return wanted


def scheme_of(rows: Sequence[Sequence[str]], asked: str = "auto") -> str | None:
    """The scheme of the tags of a training set; None where they mark no spans.

    Args:
        rows: the tags of each sentence.
        asked: "auto", or the name of a scheme, also one of its other names (iob2, iobes); or "none", for tags that mark no spans, whatever they look like.
    Raises:
        ArgumentError: `asked` is not known, or no tag is of that scheme.
        DataError: most tags mark spans and some do not, or they have marks of several schemes: then only who knows the data can say.
    """
    wanted = check_scheme(asked)
    different = sorted({tag for row in rows for tag in row})
    if wanted == "NONE":
        return None
    if wanted != "AUTO":
        if not any(mark_of(tag, SCHEMES[wanted]).mark != "O" for tag in different):
            raise ArgumentError(f"{argument('tag_scheme', asked)}: no tag is of that scheme.", expected=f"marks {', '.join(SCHEMES[wanted])}", received=", ".join(different[:12]))
        return wanted
    found = find_scheme(different)
    if found is None:
        _ask(different)
    return _first_form(rows) if found == "BIO" else found


def _ask(different: Sequence[str]) -> None:
    """Raise where the tags look like spans to anyone, but fit no scheme."""
    inside = [tag for tag in different if tag not in _OUTSIDE]
    typed = [tag for tag in inside if (match := _TAG.fullmatch(tag)) and match[2]]
    if not any(tag[0] in "Bb" for tag in typed) or len(typed) * 2 < len(inside):
        return
    others = [tag for tag in inside if tag not in typed]
    marks = sorted({tag[0].upper() for tag in typed})
    raise DataError(
        f"the tags look like spans, but {', '.join(map(repr, others[:4]))} {'is' if len(others) == 1 else 'are'} no mark and type."
        if others
        else f"the tags have the marks of several schemes: {', '.join(marks)}.",
        expected="O, and the marks of one scheme: " + "; ".join(f"{name} {', '.join(its)}" for name, its in SCHEMES.items() if name not in ("IO", "IOB1")),
        received=", ".join(inside[:12]) + (", ..." if len(inside) > 12 else ""),
        fix=f"mend the tags; or say the scheme, {argument('tag_scheme', 'bio')}, and other tags count as outside; {argument('tag_scheme', 'none')} scores single tags only",
    )


def _first_form(rows: Sequence[Sequence[str]]) -> str:
    """BIO, or IOB1 where I begins spans and B only separates two of one type."""
    begun_by_i = begun_by_b = 0
    for row in rows:
        before = Mark("O", "")
        for tag in row:
            here = mark_of(tag)
            begun_by_i += here.mark == "I" and (before.mark == "O" or before.kind != here.kind)
            begun_by_b += here.mark == "B" and (before.mark == "O" or before.kind != here.kind)
            before = here
    return "IOB1" if begun_by_i and not begun_by_b else "BIO"
