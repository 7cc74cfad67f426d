"""Keeps secrets out of all that is written down: by what they look like, and by what was registered."""

from __future__ import annotations

import json
import re
from functools import cache
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
_KINDS = tuple(f"{kind}{joint}" for kind in ("sk", "jf", "pk", "rk", "xai", "ghp", "hf") for joint in "-_")
# Each with what stands, in lower case, wherever it matches: to look for that is a hundred times as quick, and most long
# texts have little of it.
_FORMS = (
    (_KEYS, _KINDS),
    (_BEARER, ("bearer", "basic")),
    (_HEADERS, ("authorization", "api")),
    (_COOKIES, ("cookie",)),
    (_URL_PASSWORDS, ("://",)),
)


@cache
def _pattern_of(forms: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(forms), re.IGNORECASE)


class Masker:
    def __init__(self) -> None:
        self._secrets: set[str] = set()
        self._exact: re.Pattern[str] | None = None

    def add(self, secret: str | Secret) -> None:
        """From now on the secret is masked as it is, and as it reads inside JSON or a URL."""
        value = secret.reveal() if isinstance(secret, Secret) else secret
        if len(value) < SHORTEST_SECRET:
            return
        self._secrets.update(_forms_of(value))
        self._prepare()

    def forget(self, secret: str) -> None:
        """One that is worth nothing any more."""
        self._secrets.difference_update(_forms_of(secret))
        self._prepare()

    def _prepare(self) -> None:
        longest_first = sorted(self._secrets, key=len, reverse=True)
        self._exact = re.compile("|".join(re.escape(known) for known in longest_first)) if longest_first else None

    def clean(self, text: str) -> str:
        if self._exact:
            text = self._exact.sub(MASK, text)
        lowered = text.lower()
        forms = tuple(form for form, words in _FORMS if any(word in lowered for word in words))
        return _pattern_of(forms).sub(_keep_frame, text) if forms else text


def _forms_of(value: str) -> tuple[str, str, str]:
    return value, json.dumps(value)[1:-1], quote(value, safe="")


def _keep_frame(match: re.Match[str]) -> str:
    """What introduces the secret stays, so that a reader sees what was there."""
    return "".join(part for part in match.groups() if part) + MASK


_masker = Masker()
mask = _masker.add
unmask = _masker.forget
masked = _masker.clean
