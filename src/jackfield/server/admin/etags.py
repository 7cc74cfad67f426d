"""What a client has seen, and says so with its change."""

from __future__ import annotations

import re

from jackfield.errors import Malformed

_ETAG = re.compile(r'(?:W/)?"(\d{1,18})"|(\d{1,18})')


def write_etag(number: int) -> str:
    return f'"{number}"'


def read_etag(if_match: str | None, noun: str) -> int | None:
    """The number of a generation or revision (`noun`); `None` where any will do. Raises `Malformed`."""
    if if_match is None or if_match.strip() == "*":
        return None
    found = _ETAG.fullmatch(if_match.strip())
    if found is None:
        raise Malformed(f"If-Match: is not the number of a {noun}", param="If-Match")
    return int(found[1] or found[2])
