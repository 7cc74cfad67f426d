"""Keeps secrets out of all that is written down: by what they look like, and by what was registered."""

from __future__ import annotations

import json
import re
from urllib.parse import quote

from jackfield.settings import Secret

MASK = "***"

# Shorter ones would mask words that are no secret.
SHORTEST_SECRET = 6

_KEYS = r"\b(sk|jf|pk|rk|gsk|xai|ghp|hf)([-_])[A-Za-z0-9][A-Za-z0-9_-]{7,}"
_BEARER = r"\b(Bearer|Basic)(\s+)[A-Za-z0-9._~+/=-]{6,}"
_SEPARATOR = r"([\"'\\]*\s*[:=,]\s*(?:b(?=[\"'\\]))?[\"'\\]*)"
_HEADERS = (
    r"\b((?:proxy-)?authorization|x-api-key|api[-_]?key|x-goog-api-key)"
    rf"{_SEPARATOR}(?!Bearer|Basic|\s)(?:\w+\s+)?[^\s\"'\\,;)}}\]]{{4,}}"
)
_COOKIES = rf"\b((?:set-)?cookie){_SEPARATOR}[^\r\n\"'\\]{{4,}}"
_URL_PASSWORDS = r"(://[^/@\s:\"']*)(:)[^/@\s\"']+(?=@)"
_PATTERN = re.compile("|".join((_KEYS, _BEARER, _HEADERS, _COOKIES, _URL_PASSWORDS)), re.IGNORECASE)


class Masker:
    def __init__(self) -> None:
        self._secrets: set[str] = set()
        self._exact: re.Pattern[str] | None = None

    def add(self, secret: str | Secret) -> None:
        """From now on the secret is masked as it is, and as it reads inside JSON or a URL."""
        value = secret.reveal() if isinstance(secret, Secret) else secret
        if len(value) < SHORTEST_SECRET:
            return
        self._secrets.update((value, json.dumps(value)[1:-1], quote(value, safe="")))
        longest_first = sorted(self._secrets, key=len, reverse=True)
        self._exact = re.compile("|".join(re.escape(known) for known in longest_first))

    def clean(self, text: str) -> str:
        if self._exact:
            text = self._exact.sub(MASK, text)
        return _PATTERN.sub(_keep_frame, text)


def _keep_frame(match: re.Match[str]) -> str:
    """What introduces the secret stays, so that a reader sees what was there."""
    return "".join(part for part in match.groups() if part) + MASK


_masker = Masker()
mask = _masker.add
masked = _masker.clean
