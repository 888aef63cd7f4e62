"""A page as a browser reads it, for tests: its elements, their text, its tables."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

WITHOUT_END = {"meta", "link", "img", "br", "hr", "input"}


@dataclass
class Element:
    """One element, with all the text and all the elements inside it."""

    tag: str
    attributes: dict[str, str]
    text: str = ""
    inside: list[Element] = field(default_factory=list, repr=False)


class Page(HTMLParser):
    """Elements, tables as rows of texts, and the whole text; an element that is not closed in turn is an error."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[Element] = []
        self.open: list[Element] = []
        self.text = ""
        self.tables: list[list[list[str]]] = []
        self.feed(text)
        self.close()
        assert self.open == [], f"never closed: {self.open}"

    def handle_starttag(self, tag, attributes):
        self.handle_startendtag(tag, attributes)
        if tag == "table":
            self.tables.append([])
        if tag == "tr":
            self.tables[-1].append([])
        if tag in ("td", "th"):
            self.tables[-1][-1].append("")
        if tag not in WITHOUT_END:
            self.open.append(self.elements[-1])

    def handle_startendtag(self, tag, attributes):
        element = Element(tag, {name: value or "" for name, value in attributes})
        self.elements.append(element)
        for outer in self.open:
            outer.inside.append(element)

    def handle_endtag(self, tag):
        assert self.open and self.open[-1].tag == tag, f"</{tag}> closes {self.open[-3:]}"
        closed = self.open.pop()
        if tag in ("td", "th"):
            self.tables[-1][-1][-1] = closed.text.strip()

    def handle_data(self, data):
        if self.open and self.open[-1].tag != "style":
            self.text += data
            for element in self.open:
                element.text += data

    def all(self, tag: str, kind: str = "") -> list[Element]:
        """Every element of a tag, of a class if one is named, in the order of the page."""
        return [one for one in self.elements if one.tag == tag and (not kind or kind in one.attributes.get("class", "").split())]

    def table(self, *heading: str) -> list[list[str]]:
        """The rows of the table that begins with these headings, without the headings."""
        found = [table[1:] for table in self.tables if tuple(table[0][: len(heading)]) == heading]
        assert len(found) == 1, f"{len(found)} tables begin with {heading}"
        return found[0]
