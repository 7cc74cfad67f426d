"""What is said of one thing that was tried."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

import msgspec

from jackfield.dialects.provider.problems import Problem

Level = Literal["ok", "warning", "error"]
_RANK: dict[Level, int] = {"ok": 0, "warning": 1, "error": 2}
SHOWN_CHARACTERS = 300


class Fault(NamedTuple):
    level: Level
    message: str


def wrong(message: str) -> Fault:
    return Fault("error", message)


def doubtful(message: str) -> Fault:
    return Fault("warning", message)


def as_faults(problems: Iterable[Problem]) -> Iterator[Fault]:
    """What readers of manifests and configs found."""
    return (doubtful(str(problem)) if problem.warning else wrong(str(problem)) for problem in problems)


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """`step` is what was tried; `sent` and `got` are as short as people read them, and hold no secret."""

    endpoint: str
    level: Level
    step: str
    message: str
    sent: str = ""
    got: str = ""

    def __str__(self) -> str:
        line = f"{self.endpoint}: {self.level} {self.step} {self.message}"
        if self.level == "ok":
            return line
        pair = (("sent", self.sent), ("got", self.got))
        return "\n".join([line, *(f"    {word} {text}" for word, text in pair if text)])


def worst(faults: Iterable[Fault]) -> Level:
    return max((fault.level for fault in faults), key=_RANK.__getitem__, default="ok")


def escape(text: str) -> str:
    """A stranger's words, such that they cannot steer a terminal."""
    return "".join(sign if sign.isprintable() or sign in " \n" else f"\\x{ord(sign):02x}" for sign in text)


def shorten(text: str) -> str:
    """One line of it, and not too long a one."""
    line = " ".join(text.split())
    return line if len(line) <= SHOWN_CHARACTERS else line[:SHOWN_CHARACTERS] + "…"
