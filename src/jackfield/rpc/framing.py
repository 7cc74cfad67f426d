"""Frames on a byte stream: four bytes of length, the most significant first, then as many bytes."""

from __future__ import annotations

LARGEST = 16 * 1024 * 1024
_HEAD = 4
# What was taken is forgotten when it is this much, or everything.
_COMPACT = 64 * 1024


class FrameTooLarge(ValueError):
    pass


def frame(body: bytes) -> bytes:
    if len(body) > LARGEST:
        raise FrameTooLarge(f"a message of {len(body):,} bytes; at most {LARGEST:,} are passed on")
    return len(body).to_bytes(_HEAD, "big") + body


class FrameReader:
    """Takes bytes as they come, and gives the bodies of whole frames."""

    __slots__ = ("_at", "_buffer")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._at = 0

    def feed(self, data: bytes) -> None:
        self._buffer += data

    def take(self) -> bytes | None:
        """The body of the next frame if it is whole. Raises `FrameTooLarge` as soon as one is announced."""
        buffer, at = self._buffer, self._at + _HEAD
        if len(buffer) < at:
            self._forget()
            return None
        size = int.from_bytes(buffer[self._at : at], "big")
        if size > LARGEST:
            raise FrameTooLarge(f"a message of {size:,} bytes was announced; at most {LARGEST:,} are taken")
        if len(buffer) < at + size:
            self._forget()
            return None
        self._at = at + size
        body = bytes(buffer[at : self._at])
        if self._at >= _COMPACT or self._at == len(buffer):
            self._forget()
        return body

    def _forget(self) -> None:
        if self._at:
            del self._buffer[: self._at]
            self._at = 0
