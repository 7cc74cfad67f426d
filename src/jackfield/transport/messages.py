"""What a caller hands in: a request, its deadlines, and the bounds of the client."""

from __future__ import annotations

import msgspec


class OutgoingRequest(msgspec.Struct, frozen=True):
    """`host`, `content-length` and the hop-by-hop headers are the client's own and refused in `headers`."""

    method: str
    url: str
    headers: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes = b""


class Deadlines(msgspec.Struct, frozen=True):
    """Seconds.

    `connect_s` covers the queue for a connection, the look-up, the connect and the TLS handshake.
    `first_byte_s` runs from the last byte of the request to the whole head of the answer.
    `idle_s` is the longest pause: in a body that arrives or leaves, and of a reader who stopped taking.
    `whole_s` bounds everything, from `send` to the last byte of the body.
    """

    connect_s: float = 10
    first_byte_s: float = 600
    idle_s: float = 300
    whole_s: float | None = None


class Limits(msgspec.Struct, frozen=True):
    """`max_body_bytes` bounds `read()`; `max_decode_ratio` decoded over received, past the first MiB."""

    max_header_bytes: int = 64 * 1024
    max_headers: int = 200
    max_body_bytes: int = 64 * 1024 * 1024
    max_decode_ratio: int = 250
    max_buffered_bytes: int = 256 * 1024
    max_connections_per_origin: int = 8192
    max_idle_per_origin: int = 512
    idle_keepalive_s: float = 30
    max_origins: int = 256
