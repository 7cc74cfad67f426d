"""Content codings, undone piece by piece: whatever a peer sends, one step yields a bounded piece."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Protocol

import brotli
import zstandard

ACCEPT_ENCODING = b"gzip, deflate, br, zstd"
"""What to announce in `accept-encoding`."""

_SLICE = 64 * 1024
_STEP = 256 * 1024
_FREE = 1024 * 1024
"""Decoded bytes to which the ratio does not apply yet."""
_MAX_CODINGS = 3


class DecodeError(ValueError):
    """The message continues a sentence that names the origin."""


class Decoder(Protocol):
    def decode(self, data: bytes) -> Iterator[bytes]: ...

    def finish(self) -> None:
        """Raises where the coded bytes ended too early."""


class ZlibDecoder:
    """gzip (of several members too) and deflate, which half the world sends without its zlib frame."""

    def __init__(self, coding: str) -> None:
        self._coding = coding
        self._inflate = zlib.decompressobj(31) if coding == "gzip" else None
        self._begun = False
        self._start = b""

    def decode(self, data: bytes) -> Iterator[bytes]:
        if self._inflate is None:
            data = self._start + data
            self._start = data if len(data) < 2 else b""
            if self._start:
                return
            self._inflate = zlib.decompressobj(15 if _has_zlib_frame(data) else -15)
        while data:
            inflate = self._open_member()
            more = True
            while more and not inflate.eof:
                piece = inflate.decompress(data, _STEP)
                data = inflate.unconsumed_tail
                more = len(piece) == _STEP  # zlib may hold output back even when it has taken all input
                if piece:
                    yield piece
            data = inflate.unused_data

    def finish(self) -> None:
        if self._start or (self._begun and self._inflate is not None and not self._inflate.eof):
            raise DecodeError(f"its {self._coding} body is cut off")

    def _open_member(self) -> zlib._Decompress:
        assert self._inflate is not None
        if self._inflate.eof:
            if self._coding != "gzip":
                raise DecodeError("bytes follow the end of its deflate body")
            self._inflate = zlib.decompressobj(31)
        self._begun = True
        return self._inflate


class BrotliDecoder:
    def __init__(self) -> None:
        self._process = brotli.Decompressor()
        self._begun = False

    def decode(self, data: bytes) -> Iterator[bytes]:
        self._begun = self._begun or bool(data)
        while data or not self._process.can_accept_more_data():
            if data and self._process.is_finished():
                raise DecodeError("bytes follow the end of its br body")
            piece = self._process.process(data, output_buffer_limit=_STEP)
            data = b""
            if piece:
                yield piece

    def finish(self) -> None:
        if self._begun and not self._process.is_finished():
            raise DecodeError("its br body is cut off")


class ZstdDecoder:
    """Fed in slices, as its library bounds no output: 256 bytes of zstd hold at most 85 blocks of 128 KiB."""

    _SLICE = 256
    _WINDOW = 8 * 1024 * 1024  # what RFC 9659 allows on the web

    def __init__(self) -> None:
        self._frames = zstandard.ZstdDecompressor(max_window_size=self._WINDOW)
        self._frame = self._frames.decompressobj()
        self._begun = False

    def decode(self, data: bytes) -> Iterator[bytes]:
        at, view = 0, memoryview(data)
        while at < len(data):
            if self._frame.eof:
                self._frame = self._frames.decompressobj()
            self._begun = True
            part = view[at : at + self._SLICE]
            piece = self._frame.decompress(part)
            at += len(part) - len(self._frame.unused_data)
            if piece:
                yield piece

    def finish(self) -> None:
        if self._begun and not self._frame.eof:
            raise DecodeError("its zstd body is cut off")


class BoundedDecoder:
    """A chain of decoders that gives up on a body that grows out of proportion, in whichever of its layers.

    A step that brought nothing yields an empty piece: whoever decodes can take a breath there.
    """

    def __init__(self, decoders: list[Decoder], max_ratio: int) -> None:
        self._decoders = decoders
        self._max_ratio = max_ratio
        self._taken = 0
        self._given = [0] * len(decoders)

    def decode(self, data: bytes) -> Iterator[bytes]:
        for at in range(0, len(data), _SLICE):
            part = data[at : at + _SLICE]
            self._taken += len(part)
            try:
                yield from self._run(part, 0)
            except (zlib.error, brotli.error, zstandard.ZstdError) as error:
                raise DecodeError(f"its body cannot be decoded: {error}") from error

    def finish(self) -> None:
        for decoder in self._decoders:
            decoder.finish()

    def _run(self, data: bytes, depth: int) -> Iterator[bytes]:
        if depth == len(self._decoders):
            yield data
            return
        for at in range(0, len(data), _SLICE):
            for piece in self._decoders[depth].decode(data[at : at + _SLICE]):
                self._bound(depth, len(piece))
                yield from self._run(piece, depth + 1)
            yield b""

    def _bound(self, depth: int, size: int) -> None:
        self._given[depth] += size
        if self._given[depth] > max(_FREE, self._taken * self._max_ratio):
            raise DecodeError(f"its body decodes to more than {self._max_ratio} times its size")


def make_decoder(content_encoding: bytes, max_ratio: int) -> BoundedDecoder:
    """For the value of a `content-encoding` header; the coding applied last is undone first."""
    codings = [coding.strip().lower() for coding in content_encoding.decode("latin-1").split(",")]
    codings = [coding for coding in codings if coding not in ("", "identity")]
    if len(codings) > _MAX_CODINGS:
        raise DecodeError(f"its body is coded {len(codings)} times")
    return BoundedDecoder([_make_one(coding) for coding in reversed(codings)], max_ratio)


def _make_one(coding: str) -> Decoder:
    if coding in ("gzip", "x-gzip"):
        return ZlibDecoder("gzip")
    if coding == "deflate":
        return ZlibDecoder("deflate")
    if coding == "br":
        return BrotliDecoder()
    if coding == "zstd":
        return ZstdDecoder()
    raise DecodeError(f"its content-encoding {coding[:40]!r} is not known")


def _has_zlib_frame(data: bytes) -> bool:
    return data[0] & 0x0F == 8 and (data[0] << 8 | data[1]) % 31 == 0
