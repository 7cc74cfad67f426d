"""What a check tells: one line for each finding."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import msgspec

Level = Literal["error", "warning"]


class Code(msgspec.Struct, frozen=True):
    level: Level
    sentence: str


CODES: Mapping[str, Code] = MappingProxyType(
    {
        "manifest": Code("error", "The manifest is wrong, and the plugin would not be loaded"),
        "manifest-doubt": Code("warning", "Something in the manifest has no effect, or not the one that is meant"),
        "syntax": Code("error", "A file cannot be read as what its name says"),
        "plugin-class": Code("error", "The plugin itself is not where the manifest says, or there are several"),
        "import": Code("error", "The module raises when it is run"),
        "lint": Code("error", "The rules of the dialect refuse the source"),
        "id-clash": Code("error", "Another plugin has the same id"),
        "hook": Code("error", "A hook's signature or options do not fit its point"),
        "blocking-call": Code("error", "Async code waits in a way that stops the event loop"),
        "blocking-file": Code("warning", "A hook opens a file in the event loop"),
        "shell": Code("warning", "A command is run by a shell"),
        "swallowed-cancellation": Code("error", "A cancelled call goes on, since its cancellation is caught"),
        "long-deadline": Code("warning", "A deadline is longer than 30 seconds"),
        "no-deadline": Code("warning", "A call over the network may wait for ever"),
        "permission-missing": Code("error", "A service is used that was not asked for"),
        "permission-unused": Code("warning", "A permission is asked for and not used"),
        "description": Code("warning", "What operators would read is missing"),
        "version": Code("warning", "There is no version"),
        "field-description": Code("warning", "A setting has no description"),
        "not-started": Code("warning", "The plugin says that it is not to be started"),
    }
)


class Finding(msgspec.Struct, frozen=True, order=True):
    path: str
    line: int
    level: Level
    code: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.level} {self.code} {self.message}"


def finding(path: Path, line: int, code: str, message: str) -> Finding:
    """The path is told from the current folder where it lies below it."""
    return Finding(show_path(path), line, CODES[code].level, code, " ".join(message.split()))


def show_path(path: Path) -> str:
    """A link is told as itself, not as where it leads."""
    try:
        return str(path.absolute().relative_to(Path.cwd()))
    except ValueError:
        return str(path)
