"""Where each key of a TOML text stands: tomllib tells only values, and an error needs its line."""

from __future__ import annotations

import bisect
import re
import tomllib

Path = tuple[str | int, ...]

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_PLAIN_VALUE = re.compile(r"[^,\]}#\n]*")
_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_SPACE = re.compile(r"[ \t]*")
_STRINGS = (
    re.compile(r'"""(?:[^"\\]|\\.|"(?!""))*"{3,5}', re.DOTALL),
    re.compile(r"'''(?:[^']|'(?!''))*'{3,5}", re.DOTALL),
    re.compile(r'"(?:[^"\\\n]|\\.)*"'),
    re.compile(r"'[^'\n]*'"),
)


def find_lines(text: str) -> dict[Path, int]:
    """The line of every table, key and list element of a text that tomllib has accepted."""
    return _Scanner(text).scan()


class _Scanner:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._newlines = [match.start() for match in re.finditer("\n", text)]
        self._elements: dict[Path, int] = {}
        self._lines: dict[Path, int] = {}

    def scan(self) -> dict[Path, int]:
        table: Path = ()
        self._skip(_BLANK)
        while self._at < len(self._text):
            if self._text.startswith("[", self._at):
                table = self._read_header()
            else:
                self._read_pair(table)
            self._skip(_BLANK)
        return self._lines

    def _read_header(self) -> Path:
        opening = self._at
        repeated = self._text.startswith("[[", opening)
        self._at += 2 if repeated else 1
        names = self._read_key()
        self._at += 2 if repeated else 1
        path: Path = ()
        for name in names[:-1]:
            path = self._enter((*path, name), opening)
        path = (*path, names[-1])
        if repeated:
            self._note(path, opening)
            self._elements[path] = self._elements.get(path, -1) + 1
        return self._enter(path, opening)

    def _enter(self, path: Path, at: int) -> Path:
        """A name that is an array of tables means its latest element."""
        self._note(path, at)
        if path in self._elements:
            path = (*path, self._elements[path])
            self._note(path, at)
        return path

    def _read_pair(self, table: Path) -> None:
        start = self._at
        path = table
        for name in self._read_key():
            path = (*path, name)
            self._note(path, start)
        self._at += 1  # the equals sign
        self._skip(_SPACE)
        self._read_value(path)

    def _read_key(self) -> list[str]:
        names = []
        while True:
            self._skip(_SPACE)
            names.append(self._read_name())
            self._skip(_SPACE)
            if not self._text.startswith(".", self._at):
                return names
            self._at += 1

    def _read_name(self) -> str:
        if self._text[self._at] in "\"'":
            start = self._at
            self._skip_string()
            return str(tomllib.loads(f"name = {self._text[start : self._at]}")["name"])
        match = _BARE_KEY.match(self._text, self._at)
        self._at = match.end() if match else self._at + 1
        return match.group() if match else ""

    def _read_value(self, path: Path) -> None:
        first = self._text[self._at : self._at + 1]
        if first and first in "\"'":
            self._skip_string()
        elif first == "[":
            self._read_list(path)
        elif first == "{":
            self._read_inline_table(path)
        else:
            self._skip(_PLAIN_VALUE)

    def _read_list(self, path: Path) -> None:
        self._at += 1
        index = 0
        while self._next_in("]"):
            self._note((*path, index), self._at)
            self._read_value((*path, index))
            index += 1

    def _read_inline_table(self, path: Path) -> None:
        self._at += 1
        while self._next_in("}"):
            self._read_pair(path)

    def _next_in(self, closing: str) -> bool:
        """Steps over blanks and a comma to the next element, or past the closing bracket."""
        self._skip(_BLANK)
        if self._text.startswith(",", self._at):
            self._at += 1
            self._skip(_BLANK)
        if self._at < len(self._text) and self._text[self._at] != closing:
            return True
        self._at += 1
        return False

    def _skip(self, pattern: re.Pattern[str]) -> None:
        match = pattern.match(self._text, self._at)
        self._at = match.end() if match else self._at

    def _skip_string(self) -> None:
        for pattern in _STRINGS:
            match = pattern.match(self._text, self._at)
            if match:
                self._at = match.end()
                return
        self._at += 1

    def _note(self, path: Path, at: int) -> None:
        self._lines.setdefault(path, bisect.bisect_left(self._newlines, at) + 1)
