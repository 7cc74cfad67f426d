"""The requests that are sent and the answers that the mock upstream gives, as bytes."""

from __future__ import annotations

import json
from typing import Any

EVENTS = 200
MODEL = "bench"
PACED_MODEL = "bench-paced"

_WORDS = "The quick brown fox jumps over the lazy dog while seven wizards quietly box "


def prompt(size: int) -> str:
    """Prose of exactly `size` characters."""
    return (_WORDS * (size // len(_WORDS) + 1))[:size]


def chat_body(size: int, *, stream: bool = False, model: str = MODEL) -> bytes:
    """A chat request of `size` bytes in all. A stream does not ask for usage, as most clients do not."""
    head: dict[str, Any] = {"model": model, "stream": True} if stream else {"model": model}

    def written(text: str) -> bytes:
        messages = [{"role": "system", "content": "You are brief."}, {"role": "user", "content": text}]
        return json.dumps({**head, "messages": messages, "temperature": 0.2}, separators=(",", ":")).encode()

    return written(prompt(size - len(written(""))))


def answer() -> bytes:
    """A whole completion of about 0.8 KB."""
    message = {"role": "assistant", "content": prompt(400), "refusal": None}
    body = {
        "id": "chatcmpl-Bench00000000000000000000000",
        "object": "chat.completion",
        "created": 1_760_000_000,
        "model": MODEL,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
        "usage": _usage(),
        "service_tier": "default",
        "system_fingerprint": "fp_bench",
    }
    return json.dumps(body, separators=(",", ":")).encode()


def events(*, usage: bool) -> list[bytes]:
    """The server-sent events of a stream: `EVENTS` chunks, then usage where asked for, then the end."""
    deltas: list[tuple[dict[str, str], str | None]] = [({"role": "assistant", "content": ""}, None)]
    deltas += [({"content": f" word{number}"}, None) for number in range(EVENTS - 2)]
    deltas.append(({}, "stop"))
    found = [_event(choices=[_choice(delta, reason)]) for delta, reason in deltas]
    if usage:
        found.append(_event(choices=[], usage=_usage()))
    return [*found, b"data: [DONE]\n\n"]


def _usage() -> dict[str, Any]:
    return {
        "prompt_tokens": 180,
        "completion_tokens": 96,
        "total_tokens": 276,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
    }


def _choice(delta: dict[str, str], reason: str | None) -> dict[str, Any]:
    return {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}


def _event(**fields: Any) -> bytes:
    body = {
        "id": "chatcmpl-Bench00000000000000000000000",
        "object": "chat.completion.chunk",
        "created": 1_760_000_000,
        "model": MODEL,
        "system_fingerprint": "fp_bench",
        **fields,
    }
    return b"data: " + json.dumps(body, separators=(",", ":")).encode() + b"\n\n"
