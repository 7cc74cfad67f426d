"""The content blocks of a stream being written: one is open at a time, and they are numbered without gaps.

Other formats send the pieces of parallel tool calls in any order. A call's block is open until its arguments
are a whole JSON object; the pieces of another call wait meanwhile.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Literal

import msgspec
from msgspec import Raw

from jackfield.wire.json import encode
from jackfield.wire.sse import write_event

Kind = Literal["text", "refusal", "thinking", "redacted", "tool", "opaque"]
Json = Raw | Mapping[str, object]

_is_object = msgspec.json.Decoder(dict[str, Raw]).decode
_MOST_SEARCHES = 64
_DELTA = b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,"delta":%b}\n\n'


class Block:
    """`source` is the index that the canonical events give it, `index` the one that is written. Thinking that is
    `signed` is over: what follows is another block, also where the source does not number its blocks."""

    __slots__ = ("_searched", "_size", "arguments", "index", "kind", "signed", "source", "start", "waiting", "whole")

    def __init__(self, kind: Kind, source: int, start: Json) -> None:
        self.kind = kind
        self.source = source
        self.start = start
        self.index = -1
        self.arguments: list[str] = []
        self.waiting: list[bytes] = []
        self.signed = False
        self.whole = kind != "tool"
        self._size = self._searched = 0

    def add(self, arguments: str) -> None:
        self.arguments.append(arguments)
        self._size += len(arguments)

    def is_whole(self) -> bool:
        """Arguments in very many pieces are not looked through at each of them: what waits does so a little longer."""
        if not self.whole:
            if self._searched > _MOST_SEARCHES * self._size:
                return False
            self._searched += self._size
            try:
                _is_object("".join(self.arguments))
            except (msgspec.DecodeError, UnicodeError, RecursionError):
                return False
            self.whole = True
        return True


class BlockLine:
    """The block that is open, and those that wait for it."""

    __slots__ = ("_by_source", "_latest", "_next", "_open", "_waiting")

    def __init__(self) -> None:
        self._next = 0
        self._open: Block | None = None
        self._waiting: deque[Block] = deque()
        self._latest: dict[tuple[Kind, int], Block] = {}
        self._by_source: dict[int, Block] = {}

    def find(self, kind: Kind, source: int) -> Block | None:
        block = self._open
        if block is not None and block.kind == kind and block.source == source:
            return block
        return self._latest.get((kind, source))

    def find_source(self, source: int) -> Block | None:
        block = self._open
        return block if block is not None and block.source == source else self._by_source.get(source)

    def begin(self, block: Block) -> bytes:
        """Opens a block, or lets it wait for one that is not whole."""
        closed = b""
        if self._open is not None:
            if self._waiting or not self._open.is_whole():
                return self._let_wait(block)
            closed = self._close()
        return closed + self._start(block)

    def _let_wait(self, block: Block) -> bytes:
        self._waiting.append(block)
        self._latest[block.kind, block.source] = self._by_source[block.source] = block
        return self.advance()

    def _start_next(self) -> bytes:
        block = self._waiting.popleft()
        if self._latest.get((block.kind, block.source)) is block:
            del self._latest[block.kind, block.source]
        if self._by_source.get(block.source) is block:
            del self._by_source[block.source]
        return self._start(block)

    def write(self, block: Block, delta: bytes) -> bytes:
        """One piece, as its encoded delta."""
        if block is not self._open:
            block.waiting.append(delta)
            return b""
        return _DELTA % (block.index, delta)

    def stop(self, source: int) -> bytes:
        """The source says that a block is whole."""
        block = self.find_source(source)
        if block is None:
            return b""
        block.whole = True
        return self.advance() if self._waiting else self._close()

    def close(self) -> bytes:
        """Everything that is open or waits, to its end."""
        written: list[bytes] = []
        while self._open is not None:
            written.append(self._close())
            if self._waiting:
                written.append(self._start_next())
        return b"".join(written)

    def observe(self, block: Block) -> None:
        """A block whose start was forwarded: its index is the source's, and what was open is not any more."""
        block.index = block.source
        self._open = block
        self._next = max(self._next, block.source + 1)

    def observe_stop(self, source: int | None = None) -> None:
        """A forwarded stop, of one block or of whatever is open."""
        if self._open is not None and source in (None, self._open.source):
            self._open = None

    def advance(self) -> bytes:
        """Moves on while the open block is whole and another waits."""
        written: list[bytes] = []
        while self._waiting and self._open is not None and self._open.is_whole():
            written += (self._close(), self._start_next())
        return b"".join(written)

    def _start(self, block: Block) -> bytes:
        block.index, self._next, self._open = self._next, self._next + 1, block
        body = {"type": "content_block_start", "index": block.index, "content_block": block.start}
        written = write_event(encode(body), "content_block_start")
        if block.waiting:
            written += b"".join(_DELTA % (block.index, delta) for delta in block.waiting)
        return written

    def _close(self) -> bytes:
        assert self._open is not None
        index, self._open = self._open.index, None
        return b'event: content_block_stop\ndata: {"type":"content_block_stop","index":%d}\n\n' % index
