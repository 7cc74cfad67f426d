"""The text of a page, as a person would read it.

The scanner passes over a page once and never goes back: `html.parser` takes minutes for one that is broken on purpose.
"""

from __future__ import annotations

import re
from html import unescape
from typing import NamedTuple

# What is between their tags is not read.
UNREAD = ("script", "style", "template", "svg", "noscript", "iframe", "select", "textarea")
PARAGRAPHS = frozenset({"p", "h1", "h2", "h3", "h4", "h5", "h6", "pre", "table", "ul", "ol"})
BLOCKS = PARAGRAPHS | frozenset(
    {
        "address", "article", "aside", "blockquote", "br", "caption", "dd", "details", "div", "dl", "dt", "figcaption",
        "figure", "footer", "form", "header", "hr", "main", "nav", "section", "summary", "tr",
    }
)  # fmt: skip
_TAG = re.compile(r"</?([a-zA-Z][^\s/>]*+)(?:[^>\"']++|\"[^\"]*+\"|'[^']*+')*+>")
_BEGINS_TAG = re.compile(r"</?[a-zA-Z]")
_ENDS = {name: re.compile(rf"</{name}\b[^>]*+>", re.IGNORECASE) for name in (*UNREAD, "title")}
_SPACES = re.compile(r"[ \t\r\n\f\v\u00a0\u200b]+")
_EMPTY_LINES = re.compile(r"\n\s*\n")
# Stands for a space that is to stay, as in a listing.
_KEPT = "\0"


class Page(NamedTuple):
    title: str
    text: str


class _Scanner:
    """Goes over `source` from its beginning. What is begun and has no end is the rest of the page, as in browsers."""

    def __init__(self, source: str) -> None:
        self._source, self._at = source, 0
        self._listings = 0
        self.title = ""
        self.text: list[str] = []

    def scan(self) -> None:
        while (begin := self._source.find("<", self._at)) >= 0:
            self._add(self._source[self._at : begin])
            self._at = begin
            if self._source.startswith("<!--", begin):
                self._skip_to("-->")
            elif self._source.startswith(("<!", "<?"), begin):
                self._skip_to(">")
            elif _BEGINS_TAG.match(self._source, begin):
                self._read_tag()
            else:
                self._add("<")
                self._at += 1
        self._add(self._source[self._at :])

    def _skip_to(self, end: str) -> None:
        found = self._source.find(end, self._at)
        self._at = found + len(end) if found >= 0 else len(self._source)

    def _read_tag(self) -> None:
        found = _TAG.match(self._source, self._at)
        if found is None:
            self._at = len(self._source)
            return
        self._at = found.end()
        name = found[1].lower()
        opens = not found[0].startswith("</")
        if opens and name in _ENDS and not found[0].endswith("/>"):
            self._read_inside(name)
        elif name == "pre":
            self._listings = max(0, self._listings + (1 if opens else -1))
        self._separate(name, opens)

    def _read_inside(self, name: str) -> None:
        end = _ENDS[name].search(self._source, self._at)
        inside = self._source[self._at : end.start() if end else len(self._source)]
        self._at = end.end() if end else len(self._source)
        if name == "title" and not self.title:
            self.title = " ".join(unescape(inside).split())

    def _separate(self, name: str, opens: bool) -> None:
        if name == "li" and opens:
            self.text.append("\n- ")
        elif name in ("td", "th") and opens:
            self.text.append(" | ")
        elif name in BLOCKS:
            self.text.append("\n\n" if name in PARAGRAPHS else "\n")

    def _add(self, data: str) -> None:
        text = unescape(data).replace(_KEPT, "")
        self.text.append(text.replace(" ", _KEPT) if self._listings else _SPACES.sub(" ", text))


def read_html(source: str) -> Page:
    scanner = _Scanner(source)
    scanner.scan()
    return Page(scanner.title, tidy("".join(scanner.text)))


def tidy(text: str) -> str:
    """At most one empty line in a row, one space between words, and none at the ends of lines."""
    lines = (" ".join(line.split()) for line in text.split("\n"))
    return _EMPTY_LINES.sub("\n\n", "\n".join(lines)).strip().replace(_KEPT, " ")
