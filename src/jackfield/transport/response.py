"""An upstream's answer: a head, and a body that is still arriving or already whole."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Protocol

from jackfield.errors import UpstreamBroken, UpstreamError
from jackfield.transport.decode import BoundedDecoder, DecodeError, make_decoder
from jackfield.transport.messages import Limits
from jackfield.transport.origin import Origin

_BREATH = 16
"""Steps of decoding between two turns of the event loop; each takes or gives some 100 KB at most."""


class Source(Protocol):
    """The connection on which the body arrives."""

    def take(self) -> bytes:
        """What has arrived since the last take."""

    def expect_whole(self) -> None:
        """The reader wants the whole body: wake it at the end, not at each piece."""

    def abort(self) -> None: ...


class UpstreamResponse:
    """Header names are lower case; the headers are as received, so `content-encoding` and `content-length`
    describe the body as it was on the wire, while `read` and `chunks` give it decoded.

    Whoever does not read to the end calls `aclose`; a body that nobody takes falls to the idle deadline.
    Cancelling a read closes the socket.
    """

    __slots__ = (
        "_fault",
        "_limits",
        "_loop",
        "_rest",
        "_source",
        "_waiter",
        "address",
        "content_encoding",
        "headers",
        "origin",
        "stale",
        "status",
    )

    def __init__(
        self,
        source: Source,
        origin: Origin,
        address: tuple[str, int],
        limits: Limits,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self.status = 0
        self.headers: tuple[tuple[bytes, bytes], ...] = ()
        self.content_encoding = b""
        self.address = address
        self.origin = origin
        self.stale = False
        """The connection had been used before and closed at once, without a byte of an answer."""
        self._source: Source | None = source
        self._limits = limits
        self._loop = loop
        self._rest = b""
        self._fault: UpstreamError | None = None
        self._waiter: asyncio.Future[None] | None = None

    def header(self, name: bytes) -> bytes | None:
        for known, value in self.headers:
            if known == name:
                return value
        return None

    async def read(self) -> bytes:
        """What is left of the body, decoded; refused beyond `max_body_bytes`."""
        if self._source is not None:
            await self._await_end(self._source)
        if self._fault is not None:
            # The fault leads back to this, until a collection that may be far off: not to what came of the body too.
            self._rest = b""
            raise self._fault
        body, self._rest = self._rest, b""
        if len(body) > self._limits.max_body_bytes:
            raise self._refuse_size()
        if self.content_encoding and body:
            return await self._decode_whole(body)
        return body

    def chunks(self) -> AsyncIterator[bytes]:
        """The body, decoded; each piece is what has arrived since the last one was taken."""
        return DecodedChunks(self, self._make_decoder()) if self.content_encoding else self

    def __aiter__(self) -> UpstreamResponse:
        return self

    async def __anext__(self) -> bytes:
        """The next piece as it came, not decoded: `chunks` is for callers."""
        while (source := self._source) is not None:
            piece = source.take()
            if piece:
                return piece
            await self.wait()
        rest, self._rest = self._rest, b""
        if rest:
            return rest
        if self._fault is not None:
            raise self._fault
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Before the end of the body this closes the socket."""
        if self._source is not None:
            self.fail(UpstreamBroken(f"{self.origin}: the answer was closed before its end"))

    async def wait(self) -> None:
        """Until the connection wakes us: a head, a piece, the end, or a fault."""
        if self._waiter is not None:
            raise RuntimeError("an answer has one reader at a time")
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        except asyncio.CancelledError:
            self.fail(UpstreamBroken(f"{self.origin}: the call was cancelled"))
            raise
        finally:
            self._waiter = None

    def wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def end(self, rest: bytes, fault: UpstreamError | None) -> None:
        """The connection has no more to give and goes its own way."""
        self._source = None
        self._rest = rest
        self._fault = fault
        self.wake()

    def fail(self, fault: UpstreamError) -> UpstreamError:
        source, self._source = self._source, None
        self._rest = b""
        self._fault = fault
        if source is not None:
            source.abort()
        self.wake()
        return fault

    @property
    def fault(self) -> UpstreamError | None:
        return self._fault

    async def _await_end(self, source: Source) -> None:
        announced = self.header(b"content-length")
        if announced is not None and int(announced) > self._limits.max_body_bytes:
            raise self.fail(self._refuse_size())
        source.expect_whole()
        while self._source is not None:
            await self.wait()

    async def _decode_whole(self, body: bytes) -> bytes:
        decoder = self._make_decoder()
        pieces: list[bytes] = []
        total = 0
        try:
            for step, piece in enumerate(decoder.decode(body), 1):
                pieces.append(piece)
                total += len(piece)
                if total > self._limits.max_body_bytes:
                    raise self._refuse_size()
                if step % _BREATH == 0:
                    await asyncio.sleep(0)
            decoder.finish()
        except DecodeError as error:
            raise UpstreamBroken(f"{self.origin}: {error}") from error
        return b"".join(pieces)

    def _make_decoder(self) -> BoundedDecoder:
        try:
            return make_decoder(self.content_encoding, self._limits.max_decode_ratio)
        except DecodeError as error:
            raise self.fail(UpstreamBroken(f"{self.origin}: {error}")) from error

    def _refuse_size(self) -> UpstreamBroken:
        return UpstreamBroken(
            f"{self.origin}: the answer is larger than max_body_bytes = {self._limits.max_body_bytes}"
        )


class DecodedChunks:
    def __init__(self, answer: UpstreamResponse, decoder: BoundedDecoder) -> None:
        self._answer = answer
        self._decoder = decoder
        self._pieces: Iterator[bytes] = iter(())
        self._steps = 0

    def __aiter__(self) -> DecodedChunks:
        return self

    async def __anext__(self) -> bytes:
        try:
            while True:
                for piece in self._pieces:
                    self._steps += 1
                    if self._steps % _BREATH == 0:
                        await self._breathe()
                    if piece:
                        return piece
                self._pieces = self._decoder.decode(await self._take_coded())
        except DecodeError as error:
            raise self._answer.fail(UpstreamBroken(f"{self._answer.origin}: {error}")) from error

    async def _breathe(self) -> None:
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            self._answer.fail(UpstreamBroken(f"{self._answer.origin}: the call was cancelled"))
            raise

    async def _take_coded(self) -> bytes:
        try:
            return await anext(self._answer)
        except StopAsyncIteration:
            self._decoder.finish()
            raise
