"""What a file in an archive may be called, so that it is one file inside its folder on every file system."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from jackfield.errors import ManifestError

LONGEST_PART = 255
LONGEST_PATH = 1024
MOST_PARTS = 32
# Python runs these at its start, or runs them in place of a source that was looked at.
_RUN_UNASKED = frozenset({"sitecustomize", "usercustomize"})
_ENDINGS = (".pth", ".pyc", ".pyo")
_CACHE = "__pycache__"
_ODD = frozenset('\\:*?"<>|')


def check_names(paths: Iterable[str], place: str, *, hidden: bool = True) -> None:
    """Raises `ManifestError` naming `place` and the path: for one that leads elsewhere or runs unasked, and for two
    that some file system takes for one. `hidden` is whether names may begin with a dot."""
    taken: dict[str, str] = {}
    files: set[str] = set()
    for path in paths:
        problem = tell_problem(path, hidden=hidden)
        if problem is None and _fold(path) in files:
            problem = "is there twice"
        if problem is not None:
            raise ManifestError(f"{path[:200]!r} {problem}", file=place)
        files.add(_fold(path))
        _take_folders(path, taken, place)
    both = next((folder for folded, folder in taken.items() if folded in files), None)
    if both is not None:
        raise ManifestError(f"{both[:200]!r} is a file and a folder", file=place)


def tell_problem(path: str, *, hidden: bool = True) -> str | None:
    """What is wrong with one path; `None` where it is in order."""
    if not path.isprintable() or _ODD.intersection(path):
        return "holds characters that no file name needs"
    if len(path.encode("utf-8", "surrogatepass")) > LONGEST_PATH:
        return f"is longer than {LONGEST_PATH} bytes"
    if unicodedata.normalize("NFC", path) != path:
        return "can be spelled in several ways"
    if path.startswith("/"):
        return "is absolute"
    parts = path.split("/")
    if len(parts) > MOST_PARTS:
        return f"is nested deeper than {MOST_PARTS} folders"
    told = (problem for part in parts if (problem := _tell_part(part, hidden)) is not None)
    return next(told, None) or _tell_unasked(parts)


def _tell_part(part: str, hidden: bool) -> str | None:
    if part == "..":
        return "climbs out of its folder"
    if part in ("", "."):
        return "is not spelled plainly"
    if part.endswith((".", " ")) or part.startswith(" "):
        return "begins or ends with a space, or ends with a dot"
    if not hidden and part.startswith("."):
        return "is hidden"
    if len(part.encode("utf-8", "surrogatepass")) > LONGEST_PART:
        return f"has a name longer than {LONGEST_PART} bytes"
    return None


def _tell_unasked(parts: list[str]) -> str | None:
    """Whether Python would run it without being asked, or in place of its source."""
    last = parts[-1].casefold()
    if last.endswith(_ENDINGS):
        return f"is a {last[last.rindex('.') :]} file, which Python runs unseen"
    for part in map(str.casefold, parts):
        if part == _CACHE:
            return "is compiled code, which Python runs in place of its source"
        if part.partition(".")[0] in _RUN_UNASKED:
            return "is what Python runs at its start without being asked"
    return None


def _take_folders(path: str, taken: dict[str, str], place: str) -> None:
    folder = path
    while "/" in folder:
        folder = folder.rpartition("/")[0]
        known = taken.setdefault(_fold(folder), folder)
        if known != folder:
            raise ManifestError(f"{known[:200]!r} and {folder[:200]!r} are one folder to some file systems", file=place)


def _fold(path: str) -> str:
    return unicodedata.normalize("NFC", path.casefold())
