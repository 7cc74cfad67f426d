"""What an upstream says of a request it refused, as operators may read it: without what the client had written.

Upstreams repeat what they dislike, and that may be anything: traces and logs hold no texts of requests.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator
from typing import Any

import msgspec

from jackfield.telemetry.masking import MASK, masked

# Shorter words, and long ones that are only letters, are those of the fields and values that an error is about.
_SHORTEST = 8
_WORDS = re.compile(rf"[^\s\"'`,;()\[\]{{}}<>]{{{_SHORTEST},}}")
_LETTERS_ONLY = 24
_ENDS = ".:!?"
# Each piece of a word is looked for in the whole request; in a larger one nothing is, and all of them count as sent.
LONGEST = 2000
LARGEST = 256_000
# Such as `context_length_exceeded`: clients write of it, too.
_CODE = re.compile(r"[a-z]{1,23}(_[a-z]{1,23}){0,6}", re.IGNORECASE)


def told_to_operators(message: str, body: bytes, models: Container[str]) -> str:
    """`body` is the client's. Words that name one of `models` stay. What is long is cut."""
    message = masked(message)
    if len(message) > LONGEST:
        message = f"{message[:LONGEST]}…"
    if _WORDS.search(message) is None:
        return message
    sent = _as_sent(body) if len(body) <= LARGEST else None
    return _WORDS.sub(lambda found: "".join(_hide(found[0], sent, models)), message)


def is_an_echo(code: str, body: bytes) -> bool:
    """Whether what an upstream gives as the kind of its error is what the client wrote."""
    return _CODE.fullmatch(code) is None and told_to_operators(code, body, ()) != code


def _hide(word: str, sent: str | None, models: Container[str]) -> Iterator[str]:
    """The client's words may be joined to others: `user=…`, `https://there/…`."""
    if sent is None or word.rstrip(_ENDS) in models:
        yield _judge(word, models)
        return
    place = 0
    while place < len(word):
        end = _end_of_echo(word, place, sent)
        yield word[place] if end == place else _judge(word[place:end], models)
        place = max(end, place + 1)


def _judge(piece: str, models: Container[str]) -> str:
    """Of what was sent."""
    bare = piece.rstrip(_ENDS)
    is_plain = bare.isalpha() and len(bare) < _LETTERS_ONLY
    return piece if is_plain or bare in models else MASK + piece[len(bare) :]


def _end_of_echo(word: str, begin: int, sent: str) -> int:
    """Where the longest piece from here on ends that was sent; `begin` where there is none."""
    end = begin + _SHORTEST
    if end > len(word) or word[begin:end] not in sent:
        return begin
    while end < len(word) and word[begin : end + 1] in sent:
        end += 1
    return end


def _as_sent(body: bytes) -> str:
    """As it stands there, and as it reads: whoever writes JSON may write a character in several ways."""
    text = body.decode("utf-8", "replace")
    if "\\" not in text:
        return text
    try:
        return "\n".join((text, *_texts(msgspec.json.decode(body))))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return text


def _texts(document: Any) -> Iterator[str]:
    left = [document]
    while left:
        value = left.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            left.extend((*value, *value.values()))
        elif isinstance(value, list):
            left.extend(value)
