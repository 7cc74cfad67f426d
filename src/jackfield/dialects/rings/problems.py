"""What is wrong with an entry of a ring manifest, before it is known in which file and line it stands."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

Path = tuple[str | int, ...]


class EntryProblem(Exception):
    def __init__(self, message: str, path: Path = ()) -> None:
        super().__init__(message)
        self.message, self.path = message, path

    @property
    def field(self) -> str:
        return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in self.path)


def name_closest(word: object, known: Iterable[str]) -> str:
    """The end of a message about a word that is not known; empty where none is close."""
    near = get_close_matches(str(word), list(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""
