"""Server-sent events: bytes to events and back, whatever the line ends and wherever the network cuts."""

from __future__ import annotations

import re
from itertools import pairwise

import msgspec

from jackfield.errors import UpstreamBroken

MAX_EVENT_BYTES = 8 * 1024 * 1024

_BOM = b"\xef\xbb\xbf"
_LINE_END = re.compile(rb"\r\n|\n|\r")
_BLANK_LINE = re.compile(rb"(?:\r\n|\n|\r(?!\n))(?:\r\n|\n|\r)")


class SseEvent(msgspec.Struct, frozen=True):
    """One event. `event` is empty where the stream names none, and `data` is empty for comments. `raw` is
    what came, its blank line included: all `raw` of a stream add up to it, without its byte order mark."""

    event: str
    data: bytes
    raw: bytes


# An event's own bytes, and its data where it is one line of data and nothing else, as most are; `parse_event`
# understands any other.
Pair = tuple[bytes, bytes | None]


class EventReader:
    """Collects the bytes of one stream and gives each event once it is whole."""

    def __init__(self, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self._max_event_bytes = max_event_bytes
        self._held = bytearray()
        self._begun = False

    def feed(self, data: bytes) -> list[SseEvent]:
        """The events that `data` completes. Raises `UpstreamBroken` when one grows beyond the limit."""
        return [parse_event(raw) for raw, _ in self.split(data)]

    def split(self, data: bytes) -> list[Pair]:
        """As `feed`, each event as its own bytes."""
        if self._held:
            # A blank line can lie across two reads; looking only there keeps a long event linear.
            if not split_whole(bytes(self._held[-1:]) + data)[0]:
                self._hold(data)
                return []
            data = bytes(self._held + data)
            self._held.clear()
        whole, rest = split_whole(data)
        if rest:
            self._hold(rest)
        return self._split(whole) if whole else []

    def finish(self) -> bytes:
        """What is left of an event that never became whole."""
        rest = bytes(self._held)
        self._held.clear()
        return rest

    def _hold(self, data: bytes) -> None:
        self._held += data
        self._refuse_beyond(len(self._held))

    def _refuse_beyond(self, size: int) -> None:
        if size > self._max_event_bytes:
            raise UpstreamBroken(f"the stream has an event of more than {self._max_event_bytes} bytes")

    def _split(self, whole: bytes) -> list[Pair]:
        if not self._begun:
            self._begun = True
            whole = whole.removeprefix(_BOM)
        pairs = pair_events(whole)
        if len(whole) > self._max_event_bytes:
            self._refuse_beyond(max(len(raw) for raw, _ in pairs))
        return pairs


def split_whole(buffer: bytes) -> tuple[bytes, bytes]:
    """The bytes up to the last event's end, and the rest. Any mix of line ends is understood."""
    end = buffer.rfind(b"\n\n") + 2
    if b"\r" in buffer:
        end = max(end, _end_of(buffer, b"\r\r"), _end_of(buffer, b"\n\r"))
    if end < 2:
        return b"", buffer
    return (buffer, b"") if end == len(buffer) else (buffer[:end], buffer[end:])


def _end_of(buffer: bytes, blank: bytes) -> int:
    """Where the last blank line ends that `blank` begins; its `\\r` may be the first half of `\\r\\n`."""
    start = buffer.rfind(blank)
    if start < 0:
        return 0
    return start + 3 if buffer[start + 2 : start + 3] == b"\n" else start + 2


def split_events(whole: bytes) -> list[bytes]:
    """The single events, each with its blank line, of bytes that end with a whole event."""
    if b"\r" not in whole:
        return [piece + b"\n\n" for piece in whole[:-2].split(b"\n\n")]
    ends = [0, *(found.end() for found in _BLANK_LINE.finditer(whole))]
    ends[-1] = len(whole)
    return [whole[start:end] for start, end in pairwise(ends)]


def pair_events(whole: bytes) -> list[Pair]:
    """As `split_events`, each with its data."""
    if b"\r" in whole:
        return [(raw, None) for raw in split_events(whole)]
    return [
        (piece + b"\n\n", piece[6:] if piece.startswith(b"data: ") and b"\n" not in piece else None)
        for piece in whole[:-2].split(b"\n\n")
    ]


def parse_event(raw: bytes) -> SseEvent:
    """One event from its own bytes. A leading blank line, left by a cut inside `\\r\\n`, means nothing."""
    lines = raw.split(b"\n") if b"\r" not in raw else _LINE_END.split(raw)
    if len(lines) == 3 and lines[0].startswith(b"data: "):
        return SseEvent("", lines[0][6:], raw)
    name, data = b"", []
    for line in lines:
        field, _, value = line.partition(b":")
        if field == b"data":
            data.append(value.removeprefix(b" "))
        elif field == b"event":
            name = value.removeprefix(b" ")
    return SseEvent(name.decode("utf-8", "replace"), b"\n".join(data), raw)


def write_event(data: bytes, event: str | None = None) -> bytes:
    if b"\n" in data or b"\r" in data:
        data = b"\ndata: ".join(_LINE_END.split(data))
    if event is None:
        return b"data: " + data + b"\n\n"
    return b"event: " + event.encode() + b"\ndata: " + data + b"\n\n"
