"""What is kept of one exchange."""

from __future__ import annotations

import msgspec


class UsageRecord(msgspec.Struct, array_like=True, gc=False):
    """The fields are the ledger's columns, in its order: a record is stored as it is encoded.

    `at` is when the request came, in seconds since the epoch; `model` what the client asked for,
    `upstream_model` what answered; `error` an error code; `plugin` the one that decided. Tokens are counted
    as `jackfield.wire.chat.Usage` counts them. `cost_nanousd` is `None` where no price is known."""

    id: str
    at: float
    namespace: str = "default"
    key_id: str | None = None
    app: str | None = None
    user: str | None = None
    operation: str = "chat"
    route: str | None = None
    client_format: str | None = None
    model: str | None = None
    provider: str | None = None
    upstream: str | None = None
    upstream_model: str | None = None
    stream: bool = False
    status: int = 200
    error: str | None = None
    plugin: str | None = None
    finish_reason: str | None = None
    cached_answer: bool = False
    attempts: int = 0
    input_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    cost_nanousd: int | None = None
    total_ms: float | None = None
    first_byte_ms: float | None = None
    upstream_ms: float | None = None
    hooks_ms: float | None = None
    request_bytes: int = 0
    response_bytes: int = 0
    worker: str | None = None
