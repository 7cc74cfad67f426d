"""What an upstream says of a request it refused, as operators may read it: without what the client had written.

Upstreams repeat what they dislike, and that may be anything: traces and logs hold no texts of requests.
"""

from __future__ import annotations

import re
from collections.abc import Container

from jackfield.telemetry.masking import MASK, masked

# Shorter words, and long ones that are only letters, are those of the fields and values that an error is about.
_WORDS = re.compile(r"[^\s\"'`,;()\[\]{}<>]{8,}")
_LETTERS_ONLY = 24


def told_to_operators(message: str, body: bytes, models: Container[str]) -> str:
    """`body` is the client's. Words that name one of `models` stay."""

    def judge(found: re.Match[str]) -> str:
        word = found[0].rstrip(".:!?")
        is_plain = word.isalpha() and len(word) < _LETTERS_ONLY
        if is_plain or word in models or word.encode("utf-8", "replace") not in body:
            return found[0]
        return MASK + found[0][len(word) :]

    return masked(_WORDS.sub(judge, message))
