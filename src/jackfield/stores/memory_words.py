"""What a memory says, as it is compared: its words, and its text without what makes no difference.

Words are numbers, made with the user's name, so that one index holds everybody's and none of one user meets those of
another. A longer word tells more than a short one, in most languages, and so counts for more.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterator
from hashlib import blake2b, sha256

import msgspec

# Of a longer text the words that tell most.
MOST_WORDS = 2000
LONGEST_QUERY = 32 * 1024
_TELLING_LENGTH = 6

# Scripts that put no spaces between words: there each character is taken for one, and each two neighbours.
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
_PIECES = re.compile(rf"[{_UNSPACED}\U00020000-\U0003ffff]+|[^\W_{_UNSPACED}\U00020000-\U0003ffff]+|[^\w\s]")
_IS_UNSPACED = re.compile(rf"[{_UNSPACED}\U00020000-\U0003ffff]")


class Words(msgspec.Struct, frozen=True):
    """Weights by number. `length` is that of the weights as a vector."""

    weights: dict[int, float]
    length: float

    @classmethod
    def of(cls, user: str, text: str) -> Words:
        found = {word: _weight(word) for word in _words(text)}
        if len(found) > MOST_WORDS:
            telling = sorted(found, key=lambda word: (-found[word], word))
            found = {word: found[word] for word in telling[:MOST_WORDS]}
        key = sha256(_encode(user)).digest()
        weights = {_number(word, key): weight for word, weight in found.items()}
        return cls(weights, math.sqrt(sum(weight * weight for weight in weights.values())))


def digest_of(text: str) -> str:
    """The same for texts that differ in nothing but capitals, spaces, the full stop at the end, and ways to encode a
    character."""
    plain = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    return sha256(_encode(plain.rstrip(".").rstrip())).hexdigest()


def _words(text: str) -> Iterator[str]:
    for piece in _PIECES.findall(_without_marks(text[:LONGEST_QUERY].casefold())):
        if _IS_UNSPACED.match(piece):
            yield from piece
            yield from (piece[at : at + 2] for at in range(len(piece) - 1))
        elif piece.isalnum():
            yield _singular(piece)
        elif unicodedata.category(piece) in _SIGNS:
            yield piece


# Pictures and the like are words; punctuation is none.
_SIGNS = frozenset({"So", "Sc", "Sm"})


def _without_marks(text: str) -> str:
    if text.isascii():
        return text
    bare = "".join(char for char in unicodedata.normalize("NFKD", text) if not unicodedata.combining(char))
    return unicodedata.normalize("NFKC", bare)


def _singular(word: str) -> str:
    """Roughly, and for English; the same is done to what is searched for."""
    if len(word) < 4 or not word.endswith("s") or word.endswith(("ss", "us", "is")):
        return word
    return f"{word[:-3]}y" if word.endswith("ies") and len(word) > 4 else word[:-1]


def _weight(word: str) -> float:
    if _IS_UNSPACED.match(word):
        return 1.0 if len(word) > 1 else 0.5
    if not word.isalpha():
        return 1.0
    return (min(len(word), _TELLING_LENGTH) / _TELLING_LENGTH) ** 2


def _number(word: str, key: bytes) -> int:
    return int.from_bytes(blake2b(_encode(word), digest_size=8, key=key).digest(), "big", signed=True)


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "replace")
